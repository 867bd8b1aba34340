"""
Bytes to schema types. A payload is first read as the contract has it; one that doesn't fit is read again with blank
and null fields left out, so that a field's default stands for them, and with integers taken from text.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from perpkit.core.errors import DecodeError
from perpkit.core.transport import wire_json
from perpkit.core.transport.redact import Redactor

from perpkit_toy.config import VENUE

T = TypeVar("T")

_NOT_FINITE = frozenset({"nan", "snan", "inf", "infinity"})


def read(type_: type[T], raw: bytes | str, *, what: str, redactor: Redactor | None = None) -> T:
    """
    Read a payload.

    Raises:
        DecodeError: It is no JSON, lacks a field that is needed, or holds a number that is not finite.
    """
    try:
        return wire_json.decode(type_, raw, what=what, redactor=redactor, venue=VENUE)
    except DecodeError as error:
        tree = wire_json.decode(Any, raw, what=what, redactor=redactor, venue=VENUE)
        try:
            return msgspec.convert(_loosen(tree), type_, strict=False)
        except ValueError:  # msgspec's own are such
            raise error from None


def _loosen(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _loosen(inner) for key, inner in value.items() if inner is not None and inner != ""}
    if isinstance(value, list):
        return [_loosen(inner) for inner in value]
    if isinstance(value, str) and value.lower().lstrip("+-") in _NOT_FINITE:
        raise ValueError(value)
    return value
