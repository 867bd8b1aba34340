"""
The Stark field: its prime, text as a field element, and Keccak cut down to fit one.
"""

from __future__ import annotations

from perpkit.crypto.stark._native import keccak256

STARK_PRIME = 2**251 + 17 * 2**192 + 1
"""Every field element is below this."""

SHORT_STRING_LIMIT = 31
"""Characters that a Cairo short string holds: 31 bytes always stay below the prime."""

_KECCAK_MASK = 2**250 - 1


def short_string(text: str) -> int:
    """
    Return a Cairo short string as a field element: its ASCII bytes read as one big-endian number.

    Raises:
        ValueError: Longer than 31 characters, or not ASCII.
    """
    if len(text) > SHORT_STRING_LIMIT:
        raise ValueError(f"a short string holds {SHORT_STRING_LIMIT} characters, not {len(text)}: {text!r}")
    try:
        return int.from_bytes(text.encode("ascii"), "big")
    except UnicodeEncodeError as exc:
        raise ValueError(f"a short string is ASCII only: {text!r}") from exc


def starknet_keccak(data: bytes) -> int:
    """Return the low 250 bits of Keccak-256 (the original padding, not SHA-3's)."""
    return int.from_bytes(keccak256(data), "big") & _KECCAK_MASK
