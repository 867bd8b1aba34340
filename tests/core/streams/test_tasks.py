"""Tasks with an owner, and waiting with a limit."""

from __future__ import annotations

import asyncio
import logging
from datetime import timedelta

import pytest

from perpkit.core.streams.tasks import TaskSet, stop, within
from tests.core.clocks import ManualClock
from tests.core.streams.rig import settle

LOG = logging.getLogger("tests.tasks")


async def forever() -> None:
    await asyncio.Event().wait()


async def test_closing_a_set_leaves_no_task():
    """All are canceled and waited for, also one that begins another while it is being canceled."""
    tasks = TaskSet(LOG)

    async def stubborn() -> None:
        try:
            await forever()
        finally:
            tasks.spawn(forever(), "late")

    before = asyncio.all_tasks()
    tasks.spawn(forever(), "one")
    tasks.spawn(stubborn(), "two")
    await settle()
    await tasks.close()
    assert len(tasks) == 0
    assert asyncio.all_tasks() == before


async def test_a_set_may_be_closed_by_one_of_its_own_tasks():
    """The task that closes the set is not canceled by it."""
    tasks = TaskSet(LOG)
    tasks.spawn(forever(), "other")

    async def closer() -> str:
        await tasks.close()
        return "done"

    assert await tasks.spawn(closer(), "closer") == "done"


async def test_an_unexpected_end_is_logged(caplog: pytest.LogCaptureFixture):
    """A task that fails without anybody waiting for it is not silent."""
    tasks = TaskSet(LOG)

    async def fail() -> None:
        raise ZeroDivisionError("oops")

    with caplog.at_level(logging.ERROR):
        tasks.spawn(fail(), "the failing one")
        await settle()
    assert "the failing one" in caplog.text
    assert "oops" in caplog.text
    assert len(tasks) == 0


async def test_finished_tasks_are_forgotten():
    """A set that lives long does not collect what has ended."""
    tasks = TaskSet(LOG)
    for number in range(100):
        tasks.spawn(asyncio.sleep(0), str(number))
    await settle()
    assert len(tasks) == 0


async def test_stop_waits_for_what_it_cancels():
    """After it, the tasks have ended; None and finished ones are passed over."""
    ended = []

    async def slow_to_end() -> None:
        try:
            await forever()
        finally:
            await asyncio.sleep(0)
            ended.append(1)

    task = asyncio.create_task(slow_to_end())
    await settle()
    await stop(task, None)
    assert ended == [1]
    await stop(task)


async def test_within_gives_the_result_or_a_timeout():
    """The limit is of the given clock, and what took too long is canceled."""
    clock = ManualClock()
    assert await within(clock, asyncio.sleep(0, "result"), timedelta(seconds=1)) == "result"
    canceled = asyncio.Event()

    async def slow() -> None:
        try:
            await forever()
        except asyncio.CancelledError:
            canceled.set()
            raise

    waiting = asyncio.create_task(within(clock, slow(), timedelta(seconds=5)))
    await settle()
    clock.advance(4.9)
    await settle()
    assert not waiting.done()
    clock.advance(0.2)
    with pytest.raises(TimeoutError):
        await waiting
    assert canceled.is_set()
    assert clock.sleepers == 0


async def test_within_passes_on_errors_and_cancellation():
    """An error of the work is its caller's, and canceling the caller cancels the work."""

    async def fail() -> None:
        raise ZeroDivisionError

    clock = ManualClock()
    with pytest.raises(ZeroDivisionError):
        await within(clock, fail(), timedelta(seconds=1))
    before = asyncio.all_tasks()
    waiting = asyncio.create_task(within(clock, forever(), timedelta(seconds=1)))
    await settle()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert asyncio.all_tasks() == before
