"""
Signature nonces that follow from key and message (RFC 6979, HMAC-SHA256), as Starknet's signers take them.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator

CURVE_ORDER = 0x0800000000000010FFFFFFFFFFFFFFFFB781126DCAE7B2321E66A241ADC64D2F
"""The number of points on the Stark curve; private keys and nonces are from 1 to one less."""

_BYTES = 32
_SURPLUS_BITS = 8 * _BYTES - CURVE_ORDER.bit_length()


def deterministic_nonces(private: int, message_hash: int) -> Iterator[int]:
    """Yield the nonces for a message in the order in which they are to be tried. The first one nearly always serves."""
    seed = private.to_bytes(_BYTES, "big") + message_hash.to_bytes(_BYTES, "big")
    value = b"\x01" * _BYTES
    key = _mac(b"\x00" * _BYTES, value + b"\x00" + seed)
    value = _mac(key, value)
    key = _mac(key, value + b"\x01" + seed)
    value = _mac(key, value)
    while True:
        value = _mac(key, value)
        nonce = int.from_bytes(value, "big") >> _SURPLUS_BITS
        if 1 <= nonce < CURVE_ORDER:
            yield nonce
        key = _mac(key, value + b"\x00")
        value = _mac(key, value)


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")
