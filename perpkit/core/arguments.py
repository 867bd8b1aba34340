"""What users pass to the face, checked: periods, limits, numbers. Nothing is sent for what is refused here."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TypedDict

from perpkit.core.errors import ConfigError, InvalidOrderError


class Window(TypedDict):
    """A half-open period, and how many rows of it at most."""

    since: datetime | None
    until: datetime | None
    limit: int | None


def check_window(operation: str, since: datetime | None, until: datetime | None, limit: int | None) -> Window:
    """
    Return a period in UTC.

    Raises:
        ConfigError: A time without zone, an end before its start, or a limit below one.
    """
    for name, moment in (("since", since), ("until", until)):
        if moment is not None and moment.tzinfo is None:
            msg = f"{name}={moment.isoformat()} has no time zone; use datetime(..., tzinfo=UTC)"
            raise ConfigError(msg, operation=operation)
    if since is not None and until is not None and since > until:
        msg = f"since={since.isoformat()} is after until={until.isoformat()}"
        raise ConfigError(msg, operation=operation)
    if limit is not None and limit < 1:
        msg = f"limit={limit}: at least 1"
        raise ConfigError(msg, operation=operation)
    return {
        "since": since.astimezone(UTC) if since else None,
        "until": until.astimezone(UTC) if until else None,
        "limit": limit,
    }


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
        except (InvalidOperation, ValueError):
            problem = "not a number"
    raise InvalidOrderError(f"{name}={value!r}: {problem}", operation=operation)
