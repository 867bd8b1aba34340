"""
The Stark curve: Pedersen hashing, public keys, signing and verifying, on ``fast-stark-crypto``.

The library reduces some out-of-range arguments silently and panics on others, and a panic is no
``Exception``: it would pass every handler above. So every argument is checked here first.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from perpkit.crypto.stark._native import stark
from perpkit.crypto.stark.field import STARK_PRIME

CURVE_ORDER = 0x0800000000000010FFFFFFFFFFFFFFFFB781126DCAE7B2321E66A241ADC64D2F
"""The number of points on the curve; private keys are from 1 to one less."""

SIGNABLE_LIMIT = 2**251
"""Message hashes and both halves of a signature stay below this (Starknet's own bound)."""

_CURVE_BETA = 0x06F21413EFBE40DE150E596D72F7A8C5609AD26C15C915C1F4CDFCB99CEE9E89


def _require_felt(value: int, name: str) -> None:
    if not 0 <= value < STARK_PRIME:
        raise ValueError(f"{name} is not a field element: it must be at least 0 and below the Stark prime")


def _require_private_key(private: int) -> None:
    # The key itself never goes into a message.
    if not 1 <= private < CURVE_ORDER:
        raise ValueError("the private key is not between 1 and the order of the Stark curve")


def pedersen_hash(a: int, b: int) -> int:
    """
    Return the Pedersen hash of two field elements.

    Raises:
        ValueError: An argument is not a field element.
    """
    _require_felt(a, "the first argument")
    _require_felt(b, "the second argument")
    return int(stark().pedersen_hash(a, b))


def fold_elements(state: int, elements: Sequence[int]) -> int:
    """Hash elements onto a state in turn, without the length: the part of :func:`hash_elements` that can be kept."""
    for element in elements:
        state = pedersen_hash(state, element)
    return state


def hash_elements(elements: Sequence[int]) -> int:
    """Return the Pedersen hash of a sequence: each element in turn, from 0, and the length last."""
    return pedersen_hash(fold_elements(0, elements), len(elements))


def public_key(private: int) -> int:
    """
    Return the x coordinate of the public key, which is what Starknet calls the public key.

    Raises:
        ValueError: Not a private key of this curve.
    """
    _require_private_key(private)
    return int(stark().get_public_key(private))


def sign(private: int, message_hash: int) -> tuple[int, int]:
    """
    Return the signature ``(r, s)`` of a message hash, with a nonce derived from both (RFC 6979).

    Raises:
        ValueError: Not a private key of this curve, or the hash is 2**251 or more and can't be signed.
    """
    _require_private_key(private)
    if not 0 <= message_hash < SIGNABLE_LIMIT:
        raise ValueError("the message hash can't be signed: it must be at least 0 and below 2**251")
    r, s = stark().sign(private, message_hash)
    return int(r), int(s)


@lru_cache(maxsize=4096)
def is_public_key(public: int) -> bool:
    """Tell whether a number is the x coordinate of a point on the curve."""
    if not 0 < public < STARK_PRIME:
        return False
    y_squared = (pow(public, 3, STARK_PRIME) + public + _CURVE_BETA) % STARK_PRIME
    return pow(y_squared, (STARK_PRIME - 1) // 2, STARK_PRIME) in {0, 1}


def verify(public: int, message_hash: int, r: int, s: int) -> bool:
    """Tell whether ``(r, s)`` is this key's signature of the message hash. Nonsense in any argument is a no."""
    if not is_public_key(public) or not 0 <= message_hash < SIGNABLE_LIMIT:
        return False
    if not 1 <= r < SIGNABLE_LIMIT or not 1 <= s < SIGNABLE_LIMIT:
        return False
    if not 1 <= pow(s, -1, CURVE_ORDER) < SIGNABLE_LIMIT:
        return False
    return bool(stark().verify(public, message_hash, r, s))
