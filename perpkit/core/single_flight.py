"""One run of something for all who need it at the same time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any


class SingleFlight:
    """Runs one thing for all who ask for it meanwhile; a caller that is cancelled does not stop it for the rest."""

    def __init__(self, run: Callable[[], Awaitable[Any]]) -> None:
        self._run = run
        self._task: asyncio.Task[Any] | None = None

    async def __call__(self) -> Any:
        """Join the run under way, or start one."""
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._run())
            # Where every caller has been cancelled nobody is left to look at its error.
            self._task.add_done_callback(_look_at_error)
        return await asyncio.shield(self._task)

    async def close(self) -> None:
        """End a run that nobody needs any more."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])


def _look_at_error(task: asyncio.Task[Any]) -> None:
    if not task.cancelled():
        task.exception()
