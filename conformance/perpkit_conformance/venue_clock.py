"""The clock that the venue under test lives on."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

from perpkit.core.clock import Clock


class VenueClock:
    """
    The clock of the venue under test: the exchange's, plus an error of its own if wanted.

    Attributes:
        error: By how much this machine's wall time is wrong. Durations are right all the same.
        sleepers: How many wait on it now.
    """

    def __init__(self, exchange_clock: Clock) -> None:
        self._clock = exchange_clock
        self.error = timedelta(0)
        self.sleepers = 0

    def now(self) -> datetime:
        """Return the wall time, aware, in UTC."""
        return self._clock.now() + self.error

    def time_ns(self) -> int:
        """Return the wall time in nanoseconds since 1970."""
        return self._clock.time_ns() + self.error // timedelta(microseconds=1) * 1000

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back."""
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Wait for the exchange's clock to move on by so much."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        self.sleepers += 1
        try:
            await self._clock.sleep(seconds)
        finally:
            self.sleepers -= 1
