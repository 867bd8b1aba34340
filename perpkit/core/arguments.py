"""
What users pass to the face, checked: periods, limits, numbers, and that each thing is of its kind. Nothing is sent for
what is refused here.
"""

from __future__ import annotations

import reprlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import TypedDict, TypeVar

from perpkit.core.errors import ConfigError, InvalidOrderError
from perpkit.core.models.base import Model

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)


class Window(TypedDict):
    """A half-open period, and how many rows of it at most."""

    since: datetime | None
    until: datetime | None
    limit: int | None


def check_window(operation: str, since: datetime | None, until: datetime | None, limit: int | None) -> Window:
    """
    Return a period in UTC.

    Raises:
        ConfigError: No time or one without zone, an end before its start, or a limit below one.
    """
    for name, moment in (("since", since), ("until", until)):
        if moment is None:
            continue
        check_type(operation, name, moment, datetime, "pass a datetime with a time zone")
        if moment.tzinfo is None:
            msg = f"{name}={moment.isoformat()} has no time zone; use datetime(..., tzinfo=UTC)"
            raise ConfigError(msg, operation=operation)
    if since is not None and until is not None and since > until:
        msg = f"since={since.isoformat()} is after until={until.isoformat()}"
        raise ConfigError(msg, operation=operation)
    if limit is not None:
        check_count(operation, "limit", limit)
    return {
        "since": since.astimezone(UTC) if since else None,
        "until": until.astimezone(UTC) if until else None,
        "limit": limit,
    }


def check_type(operation: str, name: str, value: object, kind: type | tuple[type, ...], instead: str) -> None:
    """
    See that a value is what the signature asks for: who runs no type checker learns it from us, not from an attribute
    that is missing somewhere below.

    Raises:
        ConfigError: It is not; the message says what to pass instead.
    """
    if not isinstance(value, kind):
        raise ConfigError(f"{name}={reprlib.repr(value)}: {instead}", operation=operation)


def check_several(operation: str, name: str, values: Iterable[T] | None, instead: str) -> list[T]:
    """
    Return several values as a list.

    Raises:
        ConfigError: None, or a single one: a text would come apart into its letters, a model into its fields.
    """
    if isinstance(values, Iterable) and not isinstance(values, str | Model):
        return list(values)
    raise ConfigError(f"{name}={reprlib.repr(values)}: {instead}", operation=operation)


def check_choice(operation: str, name: str, value: str, choices: type[E]) -> E:
    """
    Return the member that a value names.

    Raises:
        ConfigError: It names none; the message lists them.
    """
    try:
        return choices(value)
    except ValueError:
        problem = f"{name}={reprlib.repr(value)}: one of {', '.join(choices)}"
    raise ConfigError(problem, operation=operation)


def check_span(operation: str, name: str, value: timedelta) -> timedelta:
    """
    Return a length of time.

    Raises:
        ConfigError: No timedelta (a number has no unit), or one that is not above zero.
    """
    check_type(operation, name, value, timedelta, "pass a timedelta, such as timedelta(seconds=30)")
    if value <= timedelta(0):
        raise ConfigError(f"{name}={value}: above zero", operation=operation)
    return value


def check_count(operation: str, name: str, value: int) -> int:
    """
    Return a number of rows or levels.

    Raises:
        ConfigError: No whole number, or one below one.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigError(f"{name}={reprlib.repr(value)}: pass an int", operation=operation)
    if value < 1:
        raise ConfigError(f"{name}={value}: at least 1", operation=operation)
    return value


def check_positive(operation: str, name: str, value: Decimal | int | str) -> Decimal:
    """
    Return a number as an exact decimal.

    Raises:
        InvalidOrderError: A float, no number, or not a finite one above zero.
    """
    number = _check_number(operation, name, value)
    if not number.is_finite() or number <= 0:
        raise InvalidOrderError(f"{name}={value!r}: must be finite and above zero", operation=operation)
    return number


def check_change(operation: str, name: str, value: Decimal | int | str) -> Decimal:
    """
    Return what something changes by as an exact decimal.

    Raises:
        InvalidOrderError: A float, no number, or not a finite one other than zero.
    """
    number = _check_number(operation, name, value)
    if not number.is_finite() or not number:
        raise InvalidOrderError(f"{name}={value!r}: must be finite and not zero", operation=operation)
    return number


def _check_number(operation: str, name: str, value: Decimal | int | str) -> Decimal:
    if isinstance(value, bool | float):
        problem = "pass a Decimal, an int or a string; a float has lost digits already"
    else:
        try:
            return Decimal(value)
        except (InvalidOperation, ValueError, TypeError):
            problem = "not a number"
    raise InvalidOrderError(f"{name}={reprlib.repr(value)}: {problem}", operation=operation)
