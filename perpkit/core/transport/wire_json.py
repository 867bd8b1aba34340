"""JSON to typed values with exact Decimals, and back. The only JSON module of perpkit."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Literal, TypeVar

from perpkit.core.transport.redact import Redactor

T = TypeVar("T")


def decode(type_: type[T], raw: bytes | str, *, what: str, redactor: Redactor | None = None, venue: str | None = None) -> T:
    """
    Read ``raw`` as ``type_``: a msgspec Struct, a list or a union of them, or ``Any``.

    Numbers become exact Decimals, whether the wire has them as strings or as numbers. Unknown fields are ignored,
    missing ones are errors. NaN and infinities are refused.

    Args:
        what: What is being read, for the message: ``GET /account`` or ``channel orders``.

    Raises:
        DecodeError: With the place and a redacted excerpt.
        TypeError: ``type_`` holds a float field; use Decimal.
    """
    ...


def dumps(value: Any, *, decimals: Literal["string", "number"] = "string") -> bytes:
    """
    Write ``value`` (dicts, lists, str, int, bool, None, Decimal, Enum, msgspec Struct) compactly, fields in given order.

    Decimals keep their digits and never take an exponent. None in a dict is written as null; leave the key out to omit.

    Raises:
        TypeError: A float, a datetime, bytes or another type whose wire form would be a guess; the message names the place.
        ValueError: A Decimal that is not finite.
    """
    ...


def decimal_text(value: Decimal) -> str:
    """Write a finite Decimal in plain digits: no exponent, no negative zero, trailing zeros kept."""
    ...
