"""What may be repeated: reads and idempotent commands. An order command is never repeated."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum


class Effect(Enum):
    """What sending a request a second time would do."""

    READ = "read"
    """It only reads."""
    IDEMPOTENT = "idempotent"
    """The second time changes nothing more: cancel by id, set leverage, sign in."""
    COMMAND = "command"
    """It may act twice: place, amend. Never repeated by this library."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long a read or an idempotent command is tried."""

    attempts: int = 3
    initial: timedelta = timedelta(milliseconds=200)
    maximum: timedelta = timedelta(seconds=5)
    total: timedelta = timedelta(seconds=20)
    """No new attempt starts later than this after the first."""


ONCE = RetryPolicy(attempts=1)
