"""Time that a test moves: what is due happens in order, each at its own instant."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from perpkit.core.clock import Clock
from perpkit.sim.clock import START, SimClock

SECOND = timedelta(seconds=1)


class FakeWall:
    """A wall clock under the test's hand."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 5, 1, tzinfo=UTC)

    def now(self) -> datetime:
        """Return the wall time."""
        return self.moment

    def time_ns(self) -> int:
        """Return it in nanoseconds."""
        return (self.moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1) * 1000

    def monotonic(self) -> float:
        """Not asked for here."""
        return 0.0

    async def sleep(self, seconds: float) -> None:
        """Not asked for here."""


def test_it_is_a_clock_as_the_core_wants_it():
    """The simulator's clock can stand wherever a Clock is taken."""
    assert isinstance(SimClock(), Clock)


def test_it_stands_still_until_moved():
    """A manual clock begins at its start and moves by exactly what it is told."""
    clock = SimClock()
    assert clock.now() == START
    clock.advance(timedelta(milliseconds=1500))
    assert clock.now() == START + timedelta(milliseconds=1500)
    assert clock.now_ms() == clock.now_ns() // 1_000_000
    assert clock.monotonic() == 1.5


def test_callbacks_run_in_order_of_time_and_see_their_own_instant():
    """Two at the same instant run in the order in which they were scheduled."""
    clock, seen = SimClock(), []
    for delay, name in ((3, "c"), (1, "a"), (3, "d"), (2, "b")):
        clock.call_later(delay * SECOND, lambda name=name: seen.append((name, clock.now() - START)))
    clock.advance(10 * SECOND)
    assert seen == [("a", SECOND), ("b", 2 * SECOND), ("c", 3 * SECOND), ("d", 3 * SECOND)]
    assert clock.now() == START + 10 * SECOND


def test_a_callback_may_schedule_another_within_the_same_movement():
    """What a callback puts on the clock and is due before the target runs as well."""
    clock, seen = SimClock(), []
    clock.call_later(SECOND, lambda: clock.call_later(SECOND, lambda: seen.append(clock.now() - START)))
    clock.advance(5 * SECOND)
    assert seen == [2 * SECOND]


def test_a_canceled_callback_does_not_run():
    """Canceling twice is harmless."""
    clock, seen = SimClock(), []
    scheduled = clock.call_later(SECOND, lambda: seen.append(1))
    scheduled.cancel()
    scheduled.cancel()
    clock.advance(5 * SECOND)
    assert seen == []


def test_a_repeated_callback_runs_at_each_interval_until_canceled():
    """Every second for three seconds, then no more."""
    clock, seen = SimClock(), []
    repeated = clock.every(SECOND, lambda: seen.append(clock.now() - START))
    clock.advance(timedelta(seconds=3.5))
    repeated.cancel()
    clock.advance(5 * SECOND)
    assert seen == [SECOND, 2 * SECOND, 3 * SECOND]


def test_a_repeated_callback_can_end_itself():
    """Canceling from within stops the next run."""
    clock, seen = SimClock(), []
    repeated = clock.every(SECOND, lambda: (seen.append(1), repeated.cancel()))
    clock.advance(5 * SECOND)
    assert seen == [1]


def test_a_coalescing_callback_runs_once_over_a_jump_but_before_what_must_be_exact():
    """Over an hour it runs at the end, and once more just before another callback's instant."""
    clock, seen = SimClock(), []
    clock.every(SECOND, lambda: seen.append(("tick", clock.now() - START)), coalesce=True)
    clock.call_later(timedelta(seconds=90.5), lambda: seen.append(("exact", clock.now() - START)))
    clock.advance(timedelta(hours=1))
    assert seen == [
        ("tick", timedelta(seconds=90)),
        ("exact", timedelta(seconds=90.5)),
        ("tick", timedelta(hours=1)),
    ]


def test_time_does_not_go_back():
    """A negative movement, an interval of nothing and a naive start are refused."""
    clock = SimClock()
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(-SECOND)
    with pytest.raises(ValueError, match="above zero"):
        clock.every(timedelta(0), lambda: None)
    with pytest.raises(ValueError, match="time zone"):
        SimClock(datetime(2026, 1, 1))  # noqa: DTZ001 - that is the mistake


def test_real_time_follows_the_wall_and_keeps_a_lead():
    """Advancing jumps ahead of the wall; what is due runs when it is caught up."""
    wall, seen = FakeWall(), []
    clock = SimClock(wall=wall)
    assert clock.now() == wall.moment
    clock.call_later(SECOND, lambda: seen.append(1))
    wall.moment += timedelta(seconds=2)
    assert seen == []
    clock.catch_up()
    assert seen == [1]
    clock.advance(timedelta(hours=1))
    assert clock.now() == wall.moment + timedelta(hours=1)
    wall.moment += timedelta(seconds=7)
    assert clock.now() == wall.moment + timedelta(hours=1)
    wall.moment -= timedelta(minutes=5)
    assert clock.now() == wall.moment + timedelta(hours=1, minutes=5)


def test_a_jump_ahead_of_the_wall_runs_each_at_its_own_instant():
    """What comes due on the way sees its own time, and what it plans from there is on the way too."""
    wall, seen = FakeWall(), []
    clock = SimClock(wall=wall)
    began = clock.now()

    def hourly() -> None:
        seen.append(clock.now() - began)
        clock.call_later(timedelta(hours=1), hourly)

    clock.call_later(timedelta(hours=1), hourly)
    clock.advance(timedelta(hours=3, minutes=30))
    assert seen == [timedelta(hours=1), timedelta(hours=2), timedelta(hours=3)]
    assert clock.now() == began + timedelta(hours=3, minutes=30)


async def test_sleepers_wake_when_time_has_come():
    """A sleeper wakes on the simulated clock, and one that is canceled leaves nothing behind."""
    clock = SimClock()
    sleeper = asyncio.create_task(clock.sleep(2))
    gone = asyncio.create_task(clock.sleep(2))
    await asyncio.sleep(0)
    gone.cancel()
    clock.advance(SECOND)
    await asyncio.sleep(0)
    assert not sleeper.done()
    clock.advance(SECOND)
    async with asyncio.timeout(1):
        await sleeper
    with pytest.raises(asyncio.CancelledError):
        await gone
