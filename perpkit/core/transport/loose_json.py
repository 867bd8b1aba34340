"""
Bytes to schema types for venues that take freedoms with their own contract: integers as strings, numbers where strings
are documented, blanks for 'no value'. Numbers stay exact.

A payload is first read as documented, which is the fast way. Only one that doesn't fit is read loosely: numbers as
text, blank and null fields left out, so that a field's default stands for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from typing import Any, AnyStr, TypeVar

import msgspec

from perpkit.core.errors import DecodeError
from perpkit.core.transport import wire_json
from perpkit.core.transport.redact import Redactor

T = TypeVar("T")

_PLAIN = Redactor()
_PLAIN_DIGITS = 60
# Not the words anywhere: "maintenance" holds one of them.
_WORDS = r'"[^\w"]*s?(?:nan|inf)|\\'
_TEXT, _BYTES = re.compile(_WORDS), re.compile(_WORDS.encode())
_INSIDE = "abcdefghijklmnopqrtuvwxyz0123456789_"
"""What can't stand before such a word: of letters only the s of sNaN can."""
_INSIDE_TEXT, _INSIDE_BYTES = frozenset(_INSIDE), frozenset(bytes((each,)) for each in _INSIDE.encode())


@cache
def decoder(type_: Any) -> msgspec.json.Decoder[Any]:
    """Return the decoder of a type. Not strict: an integer may come as a string."""
    return msgspec.json.Decoder(type_, strict=False, float_hook=Decimal)


def read(
    type_: type[T], raw: bytes | str | msgspec.Raw, *, what: str, venue: str | None = None, redactor: Redactor = _PLAIN
) -> T:
    """
    Read a payload.

    Raises:
        DecodeError: It is no JSON, lacks a field that is needed, or holds a number that is not finite; with the place
            and a redacted excerpt.
    """
    try:
        value = decoder(type_).decode(raw)  # type: ignore[arg-type]  # a type is hashable; mypy doubts its TypeVar
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        value = _read_loosely(type_, bytes(raw) if isinstance(raw, msgspec.Raw) else raw, what, venue, redactor)
    if may_hold_non_finite(raw) and (place := next(_non_finite(value, "$"), None)) is not None:
        text = bytes(raw) if isinstance(raw, msgspec.Raw) else raw
        raise _error(f"not a finite number at {place}", text, what, venue, redactor)
    return value  # type: ignore[no-any-return]  # msgspec's Decoder loses the type in the cache


def _read_loosely(type_: type[T], raw: bytes | str, what: str, venue: str | None, redactor: Redactor) -> T:
    tree = wire_json.decode(Any, raw, what=what, redactor=redactor, venue=venue)
    try:
        return msgspec.convert(_loosen(tree), type_, strict=False)
    except (msgspec.MsgspecError, RecursionError) as exc:
        raise _error(redactor.text(str(exc)), raw, what, venue, redactor) from exc


def _error(message: str, raw: bytes | str, what: str, venue: str | None, redactor: Redactor) -> DecodeError:
    return DecodeError(f"{what} can't be read: {message}", payload=redactor.excerpt(raw), venue=venue, operation=what)


def _loosen(value: Any) -> Any:
    """Write numbers as text, and leave out fields that are blank or null."""
    if isinstance(value, dict):
        return {key: _loosen(inner) for key, inner in value.items() if inner is not None and inner != ""}
    if isinstance(value, list):
        return [_loosen(inner) for inner in value]
    if isinstance(value, bool):
        return value
    if isinstance(value, Decimal):
        # Plain digits suit integer fields too; of 1e999999999 they would fill the memory.
        return format(value, "f") if abs(value.adjusted()) <= _PLAIN_DIGITS else str(value)
    return str(value) if isinstance(value, int) else value


def may_hold_non_finite(raw: bytes | str | msgspec.Raw) -> bool:
    """
    Tell cheaply whether a closer look is due: whether a text begins with one of the words that Decimal reads in any
    case, after a sign or blanks, or whether letters are written in another way than as themselves.
    """
    if isinstance(raw, str):
        if "\\" in raw:
            return True
        text = raw.lower()
        if "nan" not in text and "inf" not in text:
            return False
        found = _may_begin(text, "nan", _INSIDE_TEXT) or _may_begin(text, "inf", _INSIDE_TEXT)
        return found and _TEXT.search(text) is not None
    data = bytes(raw)
    if b"\\" in data:
        return True
    data = data.lower()
    if b"nan" not in data and b"inf" not in data:
        return False
    found = _may_begin(data, b"nan", _INSIDE_BYTES) or _may_begin(data, b"inf", _INSIDE_BYTES)
    return found and _BYTES.search(data) is not None


def _may_begin(text: AnyStr, word: AnyStr, inside: frozenset[AnyStr]) -> bool:
    """Whether a word is found that is not plainly inside a longer one, as in ``maintenance`` and ``timeInForce``."""
    at = text.find(word)
    while at >= 0:
        if text[at - 1 : at] not in inside:
            return True
        at = text.find(word, at + 1)
    return False


def _non_finite(value: Any, place: str) -> Iterator[str]:
    if isinstance(value, Decimal):
        if not value.is_finite():
            yield place
    elif isinstance(value, msgspec.Struct):
        for name, spelt in zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True):
            yield from _non_finite(getattr(value, name), f"{place}.{spelt}")
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _non_finite(inner, f"{place}[{index}]")
