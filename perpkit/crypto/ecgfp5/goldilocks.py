"""
The Goldilocks field: the integers modulo ``2**64 - 2**32 + 1``. Elements are plain ints below the modulus.
"""

from __future__ import annotations

MODULUS = 2**64 - 2**32 + 1

_TWO_ADICITY = 32
_ODD_PART = (MODULUS - 1) >> _TWO_ADICITY
_ROOT_OF_UNITY = pow(7, _ODD_PART, MODULUS)
"""Of order ``2**32``: 7 generates the whole multiplicative group."""


def is_square(element: int) -> bool:
    """Tell whether an element has a square root; 0 has."""
    return pow(element, (MODULUS - 1) // 2, MODULUS) in {0, 1}


def square_root(element: int) -> int:
    """
    Return one of the two square roots (Tonelli and Shanks).

    Raises:
        ValueError: There is none.
    """
    if not is_square(element):
        raise ValueError("the element has no square root in the Goldilocks field")
    if element == 0:
        return 0
    root = pow(element, (_ODD_PART + 1) // 2, MODULUS)
    error = pow(element, _ODD_PART, MODULUS)
    twist, adicity = _ROOT_OF_UNITY, _TWO_ADICITY
    while error != 1:
        order, power = 0, error
        while power != 1:
            power = power * power % MODULUS
            order += 1
        factor = pow(twist, 1 << (adicity - order - 1), MODULUS)
        root = root * factor % MODULUS
        twist = factor * factor % MODULUS
        error = error * twist % MODULUS
        adicity = order
    return root
