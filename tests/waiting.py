"""Waiting for what has no event of its own: the other end of a socket, the inside of a library, a noted fault."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

PATIENCE_S = 10


async def until(condition: Callable[[], object]) -> None:
    """Let the event loop run until the condition holds; a TimeoutError after 10 seconds."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - what is waited for sets no event
            await asyncio.sleep(0.001)
