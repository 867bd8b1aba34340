"""
The quintic extension of the Goldilocks field: polynomials in z below degree five, where ``z**5`` is 3.

An element is a tuple of five ints below the modulus, the constant term first. Its bytes are the five limbs in that
order, 8 bytes little-endian each.
"""

from __future__ import annotations

from collections.abc import Sequence

from perpkit.crypto.ecgfp5 import goldilocks
from perpkit.crypto.ecgfp5.goldilocks import MODULUS as P

Element = tuple[int, int, int, int, int]

ZERO: Element = (0, 0, 0, 0, 0)
ONE: Element = (1, 0, 0, 0, 0)
BYTES = 40

_FROBENIUS = tuple(pow(3, i * ((P - 1) // 5), P) for i in range(5))
"""What raising to the power of the modulus multiplies each limb by."""


def add(a: Element, b: Element) -> Element:
    """Return ``a + b``."""
    return ((a[0] + b[0]) % P, (a[1] + b[1]) % P, (a[2] + b[2]) % P, (a[3] + b[3]) % P, (a[4] + b[4]) % P)


def subtract(a: Element, b: Element) -> Element:
    """Return ``a - b``."""
    return ((a[0] - b[0]) % P, (a[1] - b[1]) % P, (a[2] - b[2]) % P, (a[3] - b[3]) % P, (a[4] - b[4]) % P)


def multiply(a: Element, b: Element) -> Element:
    """Return ``a * b``."""
    a0, a1, a2, a3, a4 = a
    b0, b1, b2, b3, b4 = b
    return (
        (a0 * b0 + 3 * (a1 * b4 + a2 * b3 + a3 * b2 + a4 * b1)) % P,
        (a0 * b1 + a1 * b0 + 3 * (a2 * b4 + a3 * b3 + a4 * b2)) % P,
        (a0 * b2 + a1 * b1 + a2 * b0 + 3 * (a3 * b4 + a4 * b3)) % P,
        (a0 * b3 + a1 * b2 + a2 * b1 + a3 * b0 + 3 * (a4 * b4)) % P,
        (a0 * b4 + a1 * b3 + a2 * b2 + a3 * b1 + a4 * b0) % P,
    )


def scale(a: Element, factor: int) -> Element:
    """Return an element times a number of the base field."""
    return (a[0] * factor % P, a[1] * factor % P, a[2] * factor % P, a[3] * factor % P, a[4] * factor % P)


def frobenius(a: Element, times: int = 1) -> Element:
    """Return ``a`` to the power of the modulus, so many times over."""
    f = tuple(pow(factor, times, P) for factor in _FROBENIUS)
    return (a[0], a[1] * f[1] % P, a[2] * f[2] % P, a[3] * f[3] % P, a[4] * f[4] % P)


def norm(a: Element) -> int:
    """Return the product of the five conjugates, which lies in the base field."""
    return multiply(a, _other_conjugates(a))[0]


def invert(a: Element) -> Element:
    """Return ``1 / a``, and 0 for 0."""
    others = _other_conjugates(a)
    return scale(others, pow(multiply(a, others)[0], P - 2, P))


def invert_all(elements: Sequence[Element]) -> list[Element]:
    """
    Return the inverses of many elements at the price of one inversion and three products each.

    Raises:
        ValueError: One of them is 0.
    """
    products = [ONE]
    for element in elements:
        products.append(multiply(products[-1], element))
    if products[-1] == ZERO:
        raise ValueError("0 has no inverse")
    rest = invert(products[-1])
    inverses = []
    for i in range(len(elements) - 1, -1, -1):
        inverses.append(multiply(rest, products[i]))
        rest = multiply(rest, elements[i])
    inverses.reverse()
    return inverses


def is_square(a: Element) -> bool:
    """Tell whether an element has a square root: its norm has one, for the degree is odd."""
    return goldilocks.is_square(norm(a))


def square_root(a: Element) -> Element:
    """
    Return one of the two square roots.

    With r the sum of the first five powers of the modulus, a to the r is the norm, so the root of a is a to the
    (r+1)/2, over the root of the norm.

    Raises:
        ValueError: There is none.
    """
    half = _power(a, (P + 1) // 2)
    numerator = multiply(a, multiply(frobenius(half), frobenius(half, 3)))
    root = goldilocks.square_root(norm(a))
    return scale(numerator, pow(root, P - 2, P))


def to_bytes(a: Element) -> bytes:
    """Return the 40 bytes of an element."""
    return b"".join(limb.to_bytes(8, "little") for limb in a)


def from_bytes(data: bytes) -> Element:
    """
    Return the element of 40 bytes.

    Raises:
        ValueError: Not 40 bytes, or a limb that is not below the modulus.
    """
    if len(data) != BYTES:
        raise ValueError(f"an element of the quintic extension is {BYTES} bytes, not {len(data)}")
    limbs = [int.from_bytes(data[i : i + 8], "little") for i in range(0, BYTES, 8)]
    if max(limbs) >= P:
        raise ValueError("a limb is not below the Goldilocks modulus")
    return limbs[0], limbs[1], limbs[2], limbs[3], limbs[4]


def to_int(a: Element) -> int:
    """Return the number whose little-endian 8-byte limbs are the element's."""
    return a[0] | a[1] << 64 | a[2] << 128 | a[3] << 192 | a[4] << 256


def _other_conjugates(a: Element) -> Element:
    """Return a to the power p + p**2 + p**3 + p**4."""
    pair = multiply(frobenius(a), frobenius(a, 2))
    return multiply(pair, frobenius(pair, 2))


def _power(a: Element, exponent: int) -> Element:
    result = ONE
    for bit in f"{exponent:b}":
        result = multiply(result, result)
        if bit == "1":
            result = multiply(result, a)
    return result
