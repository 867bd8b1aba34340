"""
JSON to typed values with exact Decimals, and back. The only JSON module of perpkit: bytes in, msgspec structs out, and
the other way round. No float is made or written on either way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any, Literal, TypeVar

import msgspec

from perpkit.core.errors import DecodeError
from perpkit.core.transport.redact import Redactor

T = TypeVar("T")

_LARGEST_EXPONENT = 100
"""No quantity of a venue is near it; a Decimal beyond would be written as that many zeros."""

_PLACE = re.compile(r" - at `\$(?P<path>.*)`$")
_STEP = re.compile(r"\.(?P<field>[^.\[]+)|\[(?P<index>\d+)\]")
_BYTE = re.compile(r"\(byte (?P<offset>\d+)\)")
_ENCODER = msgspec.json.Encoder()


def decode(
    type_: type[T], raw: bytes | str, *, what: str, redactor: Redactor | None = None, venue: str | None = None
) -> T:
    """
    Read ``raw`` as ``type_``: a msgspec Struct, a list of them, or ``Any``.

    Numbers become exact Decimals, whether the wire has them as strings or as numbers. Unknown fields are ignored,
    missing ones are errors. NaN and infinities are refused.

    Args:
        what: What is being read, for the message: ``GET /account`` or ``channel orders``.

    Raises:
        DecodeError: With the place and a redacted excerpt.
        TypeError: ``type_`` holds a float field; use Decimal.
    """
    try:
        value: T = _decoder(type_).decode(raw)  # type: ignore[arg-type]  # a type is hashable; typeshed's type[T] is not
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as exc:
        raise _decode_error(exc, raw, what, redactor or Redactor(), venue) from exc
    if _may_hold_non_finite(raw) and (place := next(_non_finite(value, ""), None)) is not None:
        message = f"not a finite number - at `${place}`"
        raise _decode_error(ValueError(message), raw, what, redactor or Redactor(), venue)
    return value


def dumps(value: Any, *, decimals: Literal["string", "number"] = "string") -> bytes:
    """
    Write ``value`` (dicts, lists, str, int, bool, None, Decimal, Enum, Struct) compactly, fields in the given order.

    Decimals keep their digits and never take an exponent. None in a dict is written as null; leave the key out to omit.

    Raises:
        TypeError: A float, a datetime, bytes or another type whose wire form would be a guess; the message names the
            place.
        ValueError: A Decimal that is not finite.
    """
    return _ENCODER.encode(_plain(value, decimals == "number", ""))


def decimal_text(value: Decimal) -> str:
    """Write a finite Decimal in plain digits: no exponent, no negative zero, trailing zeros kept."""
    if not value.is_finite() or abs(value.adjusted()) > _LARGEST_EXPONENT:
        raise ValueError(f"{value} has no plain digits to write")
    text = format(value, "f")
    return text[1:] if text[0] == "-" and not value else text


@lru_cache(maxsize=512)
def _decoder(type_: Any) -> msgspec.json.Decoder[Any]:
    if place := _float_in(msgspec.inspect.type_info(type_), set()):
        raise TypeError(f"{type_!r} holds a float at {place}; declare it Decimal")
    # float_hook covers what a schema leaves open (Any, Raw objects); a declared Decimal is exact by itself.
    return msgspec.json.Decoder(type_, float_hook=Decimal)


def _float_in(info: Any, seen: set[Any]) -> str | None:
    """Return where a type allows a float, or None."""
    if isinstance(info, msgspec.inspect.FloatType):
        return "the value"
    if isinstance(info, msgspec.inspect.StructType):
        if info.cls in seen:
            return None
        seen.add(info.cls)
        for field in info.fields:
            if _float_in(field.type, seen):
                return f"{info.cls.__name__}.{field.name}"
        return None
    if not isinstance(info, msgspec.inspect.Type):
        return None
    for name in info.__struct_fields__:
        inner = getattr(info, name)
        for part in inner if isinstance(inner, tuple) else (inner,):
            if isinstance(part, msgspec.inspect.Type) and (place := _float_in(part, seen)):
                return place
    return None


def _may_hold_non_finite(raw: bytes | str) -> bool:
    """Tell cheaply whether a closer look is due. Letters may come in any case, or escaped."""
    if isinstance(raw, str):
        text = raw.lower()
        return "nan" in text or "inf" in text or "\\u" in text
    lowered = raw.lower()
    return b"nan" in lowered or b"inf" in lowered or b"\\u" in lowered


def _non_finite(value: Any, place: str) -> Iterator[str]:
    """Yield where a decoded value holds NaN or an infinity."""
    if isinstance(value, Decimal):
        if not value.is_finite():
            yield place
    elif isinstance(value, msgspec.Struct):
        for name, spelt in zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True):
            yield from _non_finite(getattr(value, name), f"{place}.{spelt}")
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield from _non_finite(inner, f"{place}.{key}")
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _non_finite(inner, f"{place}[{index}]")


def _decode_error(exc: Exception, raw: bytes | str, what: str, redactor: Redactor, venue: str | None) -> DecodeError:
    message = str(exc)
    offset = _BYTE.search(message)
    shown = ""
    if (place := _PLACE.search(message)) and (found := _value_at(raw, place["path"])) is not _NOTHING:
        shown = f"; there it says {redactor.excerpt(_shorthand(found), limit=80)}"
    return DecodeError(
        f"{what} can't be read: {redactor.text(message)}{shown}",
        payload=redactor.excerpt(raw, at=int(offset["offset"]) if offset else 0),
        venue=venue,
        operation=what,
    )


_NOTHING = object()


def _value_at(raw: bytes | str, path: str) -> Any:
    """Return what the wire holds at msgspec's path, or _NOTHING where it can't be told."""
    try:
        value: Any = _decoder(Any).decode(raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return _NOTHING
    taken = 0
    for step in _STEP.finditer(path):
        if step.start() != taken:
            return _NOTHING
        taken = step.end()
        try:
            value = value[step["field"] if step["field"] is not None else int(step["index"])]
        except (KeyError, IndexError, TypeError):
            return _NOTHING
    return value if taken == len(path) else _NOTHING


def _shorthand(value: Any) -> str:
    if isinstance(value, dict):
        return f"an object with {', '.join(value) or 'no fields'}"
    if isinstance(value, list):
        return f"an array of {len(value)}"
    if isinstance(value, Decimal):
        return str(value)
    return _ENCODER.encode(value).decode()


def _plain(value: Any, as_numbers: bool, place: str) -> Any:
    """Turn a value into what msgspec writes exactly, or refuse it by its place."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, Enum):
        return _plain(value.value, as_numbers, place)
    if isinstance(value, str | int):
        return value
    if isinstance(value, Decimal):
        try:
            text = decimal_text(value)
        except ValueError as exc:
            raise ValueError(f"${place}: {exc}") from None
        return msgspec.Raw(text.encode()) if as_numbers else text
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"${place}: the key {key!r} is {type(key).__name__}; JSON keys are strings")
        return {
            (key.value if isinstance(key, Enum) else key): _plain(inner, as_numbers, f"{place}.{key}")
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_plain(inner, as_numbers, f"{place}[{index}]") for index, inner in enumerate(value)]
    if isinstance(value, msgspec.Struct):
        return _plain(_fields(value, place), as_numbers, place)
    if isinstance(value, msgspec.Raw):
        return value
    raise TypeError(
        f"${place}: a {type(value).__name__} has no one spelling on the wire; "
        "give a Decimal, a whole number or text in the unit that the venue wants"
    )


def _fields(struct: msgspec.Struct, place: str) -> dict[str, Any]:
    """Return a struct's fields as spelt on the wire, without those unset or, where it says so, at their default."""
    config = struct.__struct_config__
    if config.array_like:
        raise TypeError(f"${place}: {type(struct).__name__} is array-like; write it as a list")
    fields: dict[str, Any] = {}
    if config.tag is not None:
        fields[str(config.tag_field)] = config.tag
    names = struct.__struct_fields__
    defaults = (*(msgspec.NODEFAULT,) * (len(names) - len(struct.__struct_defaults__)), *struct.__struct_defaults__)
    for name, spelt, default in zip(names, struct.__struct_encode_fields__, defaults, strict=True):
        value = getattr(struct, name)
        if value is msgspec.UNSET or (config.omit_defaults and value is default):
            continue
        fields[spelt] = value
    return fields
