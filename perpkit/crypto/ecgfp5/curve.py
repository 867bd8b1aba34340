"""
The curve ecGFp5: ``y**2 = x(x**2 + 2x + 263z)`` over the quintic extension, a group of prime order.

Points are kept in the fractional coordinates (X:Z:U:T) with x = X/Z and x/y = U/T, in which one formula adds any two.
A point's 40 bytes are those of w = y/x.
"""

from __future__ import annotations

from perpkit.crypto.ecgfp5.goldilocks import MODULUS as P
from perpkit.crypto.ecgfp5.quintic import (
    ONE,
    ZERO,
    Element,
    add,
    from_bytes,
    invert,
    invert_all,
    is_square,
    multiply,
    scale,
    square_root,
    subtract,
    to_bytes,
)

ORDER = 1067993516717146951041484916571792702745057740581727230159139685185762082554198619328292418486241
"""The prime number of points; scalars and secret keys stay below it."""

Point = tuple[Element, Element, Element, Element]
AffinePoint = tuple[Element, Element]
"""x and u, where Z and T are 1."""

NEUTRAL: Point = (ZERO, ONE, ZERO, ONE)

_A: Element = (2, 0, 0, 0, 0)
_HALF = (P + 1) // 2
_WINDOW_BITS = 4


def add_points(p: Point, q: Point) -> Point:
    """Return the sum of any two points, equal, opposite or neutral ones among them."""
    x1, z1, u1, t1 = p
    x2, z2, u2, t2 = q
    same = multiply(x1, x2), multiply(z1, z2), multiply(u1, u2), multiply(t1, t2)
    crossed = add(multiply(x1, z2), multiply(x2, z1)), add(multiply(u1, t2), multiply(u2, t1))
    return _combine(same, crossed)


def add_affine(p: Point, q: AffinePoint) -> Point:
    """Return the sum of a point and one with Z = T = 1, for four products fewer."""
    x1, z1, u1, t1 = p
    x2, u2 = q
    crossed = add(x1, multiply(x2, z1)), add(u1, multiply(u2, t1))
    return _combine((multiply(x1, x2), z1, multiply(u1, u2), t1), crossed)


def encode(point: Point) -> Element:
    """Return w = y/x, of which a point's bytes are made; 0 for the neutral point."""
    _, _, u, t = point
    return multiply(t, invert(u))


def point_to_bytes(point: Point) -> bytes:
    """Return a point's 40 bytes."""
    return to_bytes(encode(point))


def point_from_bytes(data: bytes) -> Point:
    """
    Return the point of 40 bytes.

    Raises:
        ValueError: Not 40 bytes of an element, no point of the group, or the neutral one, which is nobody's key.
    """
    return decode(from_bytes(data))


def decode(w: Element) -> Point:
    """
    Return the point whose w this is.

    Raises:
        ValueError: There is none, or it is the neutral one.
    """
    if w == ZERO:
        raise ValueError("the neutral point is no public key")
    e = subtract(multiply(w, w), _A)
    discriminant = subtract(multiply(e, e), scale(_times_b(ONE), 4))
    if not is_square(discriminant):
        raise ValueError("these bytes encode no point of ecGFp5")
    root = square_root(discriminant)
    x = scale(add(e, root), _HALF)
    if is_square(x):
        x = scale(subtract(e, root), _HALF)
    return x, ONE, ONE, w


GENERATOR: Point = (
    (12883135586176881569, 4356519642755055268, 5248930565894896907, 2165973894480315022, 2448410071095648785),
    ONE,
    ONE,
    (4, 0, 0, 0, 0),
)


class Multiples:
    """
    The multiples of one point, tabulated, so that a product with a scalar takes additions only.

    Args:
        point: The point.
        bits: The window: 4 bits make 1200 entries in about 60 ms, 8 bits ten thousand in half a second, and
            products then take half as many additions.
    """

    def __init__(self, point: Point, bits: int = _WINDOW_BITS) -> None:
        self._bits = bits
        self._mask = (1 << bits) - 1
        windows = -(-ORDER.bit_length() // bits)
        points: list[Point] = []
        base = point
        for _ in range(windows):
            multiple = base
            for _ in range(self._mask):
                points.append(multiple)
                multiple = add_points(multiple, base)
            base = multiple
        flat = _to_affine(points)
        self._rows = [flat[i : i + self._mask] for i in range(0, len(flat), self._mask)]

    def times(self, scalar: int, start: Point = NEUTRAL) -> Point:
        """Return ``start`` plus the scalar, from 0 to below the order, times the point."""
        result = start
        for row in self._rows:
            digit = scalar & self._mask
            if digit:
                result = add_affine(result, row[digit - 1])
            scalar >>= self._bits
        return result


def _combine(same: tuple[Element, Element, Element, Element], crossed: tuple[Element, Element]) -> Point:
    t1, t2, t3, t4 = same
    t5, t6 = crossed
    bt2 = _times_b(t2)
    t7 = add(t1, bt2)
    t8 = multiply(t4, t7)
    bt5 = _times_b(t5)
    t9 = multiply(t3, scale(add(bt5, t7), 2))
    t10 = multiply(add(t4, scale(t3, 2)), add(t5, t7))
    return _times_b(subtract(t10, t8)), subtract(t8, t9), multiply(t6, subtract(bt2, t1)), add(t8, t9)


def _times_b(a: Element) -> Element:
    """Return ``263z`` times an element: every limb moves up, and the last wraps round as three times itself."""
    return (789 * a[4] % P, 263 * a[0] % P, 263 * a[1] % P, 263 * a[2] % P, 263 * a[3] % P)


def _to_affine(points: list[Point]) -> list[AffinePoint]:
    """Bring points, of which none is neutral, to Z = T = 1."""
    inverses = invert_all([multiply(z, t) for _, z, _, t in points])
    return [
        (multiply(x, multiply(inverse, t)), multiply(u, multiply(inverse, z)))
        for (x, z, u, t), inverse in zip(points, inverses, strict=True)
    ]
