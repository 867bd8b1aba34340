"""
The simulator's clock: stands still until a test moves it, or follows the wall clock. What is scheduled on it runs
in order of time, and in order of scheduling where times are equal.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from perpkit.core.clock import EPOCH, Clock, SystemClock

START = datetime(2026, 1, 1, tzinfo=UTC)
"""Where a manual clock begins unless told otherwise, so that runs with the same seed are the same."""

Callback = Callable[[], None]

_NS = 1_000_000_000
_NS_PER_MS = 1_000_000


@dataclass(order=True, slots=True)
class _Entry:
    due_ns: int
    sequence: int
    callback: Callback = field(compare=False)
    interval_ns: int = field(compare=False, default=0)
    coalesce: bool = field(compare=False, default=False)
    canceled: bool = field(compare=False, default=False)


class Scheduled:
    """A callback that waits on the clock."""

    def __init__(self, entry: _Entry) -> None:
        self._entry = entry

    @property
    def due_ms(self) -> int:
        """When it runs next, milliseconds since 1970."""
        return self._entry.due_ns // _NS_PER_MS

    def cancel(self) -> None:
        """Take it off the clock. Doing so twice, or after it ran, changes nothing."""
        self._entry.canceled = True


class SimClock:
    """
    A clock that implements :class:`perpkit.core.clock.Clock`.

    Args:
        start: Where a manual clock begins; ``START`` if not given. Real time begins at the wall time.
        wall: Follow this clock (real-time mode). :meth:`advance` then jumps ahead of it, and keeps the lead.
    """

    def __init__(self, start: datetime | None = None, *, wall: Clock | None = None) -> None:
        self._wall = wall
        begin = wall.now() if wall is not None and start is None else start or START
        if begin.tzinfo is None:
            msg = f"start {begin!r} has no time zone; give an aware datetime"
            raise ValueError(msg)
        self._now_ns = (begin - EPOCH) // timedelta(microseconds=1) * 1000
        self._began_ns = self._now_ns
        self._lead_ns = self._now_ns - wall.time_ns() if wall is not None else 0
        self._heap: list[_Entry] = []
        self._sequence = 0
        self._is_running = False
        """What has come due is being run: time is that of the entry, also where it follows the machine's."""

    @classmethod
    def real_time(cls) -> SimClock:
        """Return a clock that follows the machine's."""
        return cls(wall=SystemClock())

    @property
    def is_manual(self) -> bool:
        """Whether time stands still until it is moved."""
        return self._wall is None

    def now(self) -> datetime:
        """Return the simulated time, aware, in UTC, to the microsecond."""
        return EPOCH + timedelta(microseconds=self.time_ns() // 1000)

    def now_ms(self) -> int:
        """Return the simulated time in milliseconds since 1970."""
        return self.time_ns() // _NS_PER_MS

    def now_ns(self) -> int:
        """Return the simulated time in nanoseconds since 1970."""
        return self.time_ns()

    def time_ns(self) -> int:
        """Return the simulated time in nanoseconds since 1970; it never goes back."""
        if self._wall is not None and not self._is_running:
            self._now_ns = max(self._now_ns, self._wall.time_ns() + self._lead_ns)
        return self._now_ns

    def monotonic(self) -> float:
        """Return seconds since the clock began. For durations."""
        return (self.time_ns() - self._began_ns) / _NS

    async def sleep(self, seconds: float) -> None:
        """Wait until the simulated time has moved on by so much."""
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        entry = self.call_later(timedelta(seconds=seconds), lambda: None if future.done() else future.set_result(None))
        try:
            await future
        finally:
            entry.cancel()

    def call_at(self, moment: datetime, callback: Callback) -> Scheduled:
        """Run a callback once the clock reaches a moment; one in the past runs at the next movement."""
        return self._push((moment - EPOCH) // timedelta(microseconds=1) * 1000, callback)

    def call_at_ms(self, moment_ms: int, callback: Callback) -> Scheduled:
        """Run a callback once the clock reaches a moment, in milliseconds since 1970."""
        return self._push(moment_ms * _NS_PER_MS, callback)

    def call_later(self, delay: timedelta, callback: Callback) -> Scheduled:
        """Run a callback once the clock has moved on by so much."""
        return self._push(self.time_ns() + delay // timedelta(microseconds=1) * 1000, callback)

    def every(self, interval: timedelta, callback: Callback, *, coalesce: bool = False) -> Scheduled:
        """
        Run a callback again and again, first after one interval.

        Args:
            interval: Between two runs; above zero.
            callback: What to run.
            coalesce: When the clock jumps over several runs with nothing else in between, run the last one only.
        """
        interval_ns = interval // timedelta(microseconds=1) * 1000
        if interval_ns <= 0:
            msg = f"interval {interval} is not above zero"
            raise ValueError(msg)
        return self._push(self.time_ns() + interval_ns, callback, interval_ns=interval_ns, coalesce=coalesce)

    def advance(self, by: timedelta) -> None:
        """
        Move time forward and run what comes due on the way, each at its own instant.

        Raises:
            ValueError: A negative duration; time does not go back.
        """
        by_ns = by // timedelta(microseconds=1) * 1000
        if by_ns < 0:
            msg = f"can't advance by {by}; time does not go back"
            raise ValueError(msg)
        target = self.time_ns() + by_ns
        if self._wall is not None:
            self._lead_ns += by_ns
        self._run_until(target)

    def advance_to(self, moment: datetime) -> None:
        """Move time forward to a moment; see :meth:`advance`."""
        self.advance(moment - self.now())

    def catch_up(self) -> None:
        """Run what has come due; real-time mode calls it now and then."""
        self._run_until(self.time_ns())

    def _push(self, due_ns: int, callback: Callback, *, interval_ns: int = 0, coalesce: bool = False) -> Scheduled:
        self._sequence += 1
        entry = _Entry(due_ns, self._sequence, callback, interval_ns, coalesce)
        heapq.heappush(self._heap, entry)
        return Scheduled(entry)

    def _run_until(self, target_ns: int) -> None:
        was_running, self._is_running = self._is_running, True
        try:
            while self._heap and self._heap[0].due_ns <= target_ns:
                entry = heapq.heappop(self._heap)
                if entry.canceled:
                    continue
                if entry.coalesce:
                    self._skip_ahead(entry, target_ns)
                self._now_ns = max(self._now_ns, entry.due_ns)
                if entry.interval_ns:
                    # Its next run is put back first, so that the callback may cancel it.
                    self._repeat(entry)
                entry.callback()
        finally:
            self._is_running = was_running
        self._now_ns = max(self._now_ns, target_ns)

    def _repeat(self, entry: _Entry) -> None:
        # The same object goes back, so that the handle that its owner holds still cancels it.
        self._sequence += 1
        entry.sequence = self._sequence
        entry.due_ns += entry.interval_ns
        heapq.heappush(self._heap, entry)

    def _skip_ahead(self, entry: _Entry, target_ns: int) -> None:
        """Move a coalescing entry to its last run before anything that must run at its own instant."""
        others = [other.due_ns for other in self._heap if not other.coalesce and not other.canceled]
        horizon = min([target_ns, *others])
        if horizon > entry.due_ns:
            entry.due_ns += (horizon - entry.due_ns) // entry.interval_ns * entry.interval_ns
