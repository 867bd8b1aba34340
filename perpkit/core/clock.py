"""
Time, as a dependency. Nothing else in perpkit reads a clock, so that a test or a simulator can move it.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol, runtime_checkable

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


@runtime_checkable
class Clock(Protocol):
    """Wall time for stamps and signatures, monotonic time for durations, and a way to wait for either."""

    def now(self) -> datetime:
        """Return the wall time, aware, in UTC."""
        ...

    def time_ns(self) -> int:
        """Return the wall time in nanoseconds since 1970."""
        ...

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back. For durations; it never meets money."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for so many seconds of this clock."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the wall time, aware, in UTC."""
        return datetime.now(UTC)

    def time_ns(self) -> int:
        """Return the wall time in nanoseconds since 1970."""
        return time.time_ns()

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait for so many seconds."""
        await asyncio.sleep(seconds)


def from_ms(milliseconds: int) -> datetime:
    """Turn milliseconds since 1970 into an aware UTC datetime, exactly."""
    # Multiplying is twice as fast as building a timedelta, and this runs for every event.
    return EPOCH + milliseconds * _MILLISECOND


def to_ms(moment: datetime) -> int:
    """Turn an aware datetime into whole milliseconds since 1970, rounding down."""
    return (moment - EPOCH) // _MILLISECOND
