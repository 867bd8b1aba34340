"""The exchange's records as JSON values: decimals as text without an exponent, enums by their value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import timedelta
from decimal import Decimal
from enum import Enum
from typing import Any

_LEFT_OUT = frozenset({"meta", "order_meta"})
"""What a venue's wire layer put there for itself; it may hold anything."""


def plain(value: Any) -> Any:
    """
    Return a record, or a sequence or mapping of them, as JSON values.

    Raises:
        TypeError: Something that has no JSON form; better than a guess.
    """
    if value is None or (isinstance(value, bool | int) and not isinstance(value, Enum)):
        return value
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, str):
        return value
    if isinstance(value, timedelta):
        return value // timedelta(milliseconds=1)
    if is_dataclass(value) and not isinstance(value, type):
        return _record(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    msg = f"{type(value).__name__} has no JSON form here"
    raise TypeError(msg)


def _record(value: Any) -> dict[str, Any]:
    names = [field.name for field in fields(value) if field.name not in _LEFT_OUT]
    # Figures that are derived, such as an order's remaining size, belong to the record too.
    derived = [
        name for name, member in vars(type(value)).items() if isinstance(member, property) and not name.startswith("_")
    ]
    return {name: plain(getattr(value, name)) for name in (*names, *derived)}
