"""
Time, as a dependency. Nothing else in perpkit reads a clock, so that a test or a simulator can move it.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple, Protocol, runtime_checkable

from perpkit.core.errors import DecodeError

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


class ClockReading(NamedTuple):
    """
    One comparison of our clock with a venue's.

    Attributes:
        server_time: What the venue said, or what follows from it for the middle of the round trip.
        skew: Venue time minus ours, as near as the venue tells its time.
        round_trip: How long the answer took; half of it is how wrong ``skew`` may be.
    """

    server_time: datetime
    skew: timedelta
    round_trip: timedelta


class SystemClock:
    """The machine's clock."""

    now = staticmethod(partial(datetime.now, UTC))
    """Return the wall time, aware, in UTC. Not a function of ours: every frame is stamped with it."""

    def time_ns(self) -> int:
        """Return the wall time in nanoseconds since 1970."""
        return time.time_ns()

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait for so many seconds."""
        await asyncio.sleep(seconds)


_STEP_BITS = 12
_STEP_MASK = (1 << _STEP_BITS) - 1
_STEPS = tuple(milliseconds * _MILLISECOND for milliseconds in range(1 << _STEP_BITS))
_MOST_STARTS = 1_024
_starts: dict[int, datetime] = {}
"""Moments 4,096 milliseconds apart, those met lately."""


_FIRST_STEP = (datetime.min.replace(tzinfo=UTC) - EPOCH) // _MILLISECOND >> _STEP_BITS
_LAST_STEP = (datetime.max.replace(tzinfo=UTC) - EPOCH) // _MILLISECOND >> _STEP_BITS


def from_ms(milliseconds: int) -> datetime:
    """
    Turn milliseconds since 1970 into an aware UTC datetime, exactly.

    Raises:
        DecodeError: It lies outside the years 1 to 9999, as nanoseconds taken for milliseconds do.
    """
    # This runs for every event, and events of one second come together: an addition takes a fifth of a multiplication.
    start = _starts.get(milliseconds >> _STEP_BITS)
    if start is None:
        number = milliseconds >> _STEP_BITS
        if not _FIRST_STEP < number < _LAST_STEP:
            return _at_the_edge(milliseconds)
        if len(_starts) >= _MOST_STARTS:
            _starts.clear()
        start = _starts[number] = EPOCH + (number << _STEP_BITS) * _MILLISECOND
    return start + _STEPS[milliseconds & _STEP_MASK]


def _at_the_edge(milliseconds: int) -> datetime:
    try:
        return EPOCH + milliseconds * _MILLISECOND
    except OverflowError:
        raise DecodeError(f"{milliseconds} ms since 1970 is no date of the years 1 to 9999") from None


def to_ms(moment: datetime) -> int:
    """Turn an aware datetime into whole milliseconds since 1970, rounding down."""
    return (moment - EPOCH) // _MILLISECOND
