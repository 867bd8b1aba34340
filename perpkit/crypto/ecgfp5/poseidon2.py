"""
Poseidon2 over Goldilocks: width 12, rate 8, S-box x^7, 4 + 22 + 4 rounds, and the unpadded overwrite sponge on it.
"""

from __future__ import annotations

from collections.abc import Sequence

from perpkit.crypto.ecgfp5.constants import EXTERNAL_CONSTANTS, INTERNAL_CONSTANTS, INTERNAL_DIAGONAL
from perpkit.crypto.ecgfp5.goldilocks import MODULUS as P
from perpkit.crypto.ecgfp5.quintic import Element

WIDTH = 12
RATE = 8

_HALF = len(EXTERNAL_CONSTANTS) // 2


def permute(state: Sequence[int]) -> list[int]:
    """
    Return the permutation of twelve field elements.

    Raises:
        ValueError: Not twelve, or one is no field element.
    """
    if len(state) != WIDTH:
        raise ValueError(f"the state has {WIDTH} elements, not {len(state)}")
    _require_elements(state)
    s = _external_layer(list(state))
    for constants in EXTERNAL_CONSTANTS[:_HALF]:
        s = _full_round(s, constants)
    for constant in INTERNAL_CONSTANTS:
        s[0] = pow(s[0] + constant, 7, P)
        total = sum(s)
        s = [(total + d * x) % P for d, x in zip(INTERNAL_DIAGONAL, s, strict=True)]
    for constants in EXTERNAL_CONSTANTS[_HALF:]:
        s = _full_round(s, constants)
    return s


def hash_elements(elements: Sequence[int], count: int) -> list[int]:
    """
    Return the first ``count`` (at most 8) outputs of the sponge over field elements of any number.

    Each chunk of up to eight overwrites the start of the state, which is permuted then. Nothing is padded: inputs of
    different lengths are told apart by whoever lays them out.

    Raises:
        ValueError: Something is no field element.
    """
    _require_elements(elements)
    state = [0] * WIDTH
    for start in range(0, len(elements), RATE):
        chunk = elements[start : start + RATE]
        state[: len(chunk)] = chunk
        state = permute(state)
    return state[:count]


def hash_to_quintic(elements: Sequence[int]) -> Element:
    """Return five outputs of the sponge as an element of the quintic extension."""
    a, b, c, d, e = hash_elements(elements, 5)
    return a, b, c, d, e


def _full_round(s: list[int], constants: Sequence[int]) -> list[int]:
    return _external_layer([pow(x + c, 7, P) for x, c in zip(s, constants, strict=True)])


def _external_layer(s: list[int]) -> list[int]:
    mixed: list[int] = []
    for i in range(0, WIDTH, 4):
        a, b, c, d = s[i : i + 4]
        t = a + b + c + d
        mixed += (t + a + 2 * b, t + b + 2 * c, t + c + 2 * d, t + d + 2 * a)
    sums = [mixed[i] + mixed[i + 4] + mixed[i + 8] for i in range(4)]
    return [(x + sums[i % 4]) % P for i, x in enumerate(mixed)]


def _require_elements(elements: Sequence[int]) -> None:
    for element in elements:
        if not 0 <= element < P:
            raise ValueError("not a Goldilocks element: it must be at least 0 and below 2**64 - 2**32 + 1")
