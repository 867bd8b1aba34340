"""Tasks that are never lost, and waiting with a limit on a clock that tests can move."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Coroutine
from datetime import timedelta
from typing import Any, TypeVar

from perpkit.core.clock import Clock

T = TypeVar("T")


class TaskSet:
    """Tasks with one owner: an unexpected end is logged, and closing the set leaves none behind."""

    def __init__(self, log: logging.Logger) -> None:
        self._log = log
        self._tasks: set[asyncio.Task[Any]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def spawn(self, work: Coroutine[Any, Any, T], name: str) -> asyncio.Task[T]:
        """Start a task that belongs to this set."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("task %s ended with an error", task.get_name(), exc_info=error)

    async def close(self) -> None:
        """Cancel what still runs and wait until it has ended. The task that calls this is left out."""
        current = asyncio.current_task()
        while remaining := [task for task in self._tasks if task is not current]:
            for task in remaining:
                task.cancel()
            await asyncio.wait(remaining)


async def stop(*tasks: asyncio.Task[Any] | None) -> None:
    """Cancel tasks and wait until they have ended; what they ended with is the business of their owner."""
    running = [task for task in tasks if task is not None and not task.done()]
    for task in running:
        task.cancel()
    if running:
        await asyncio.wait(running)


async def within(clock: Clock, work: Awaitable[T], limit: timedelta) -> T:
    """
    Await something for at most so long of the clock's time.

    Raises:
        TimeoutError: It took longer; it was canceled.
    """
    task = asyncio.ensure_future(work)
    timer = asyncio.ensure_future(clock.sleep(limit.total_seconds()))
    try:
        await asyncio.wait((task, timer), return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise TimeoutError
    finally:
        for each in (task, timer):
            each.cancel()
        await asyncio.wait((task, timer))
        if not task.cancelled():
            task.exception()  # seen: whoever waited was told of the timeout or has it already
