"""What the bare clients of the three local venues have in common; each venue's ``harness`` makes its own of them."""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Self

import aiohttp

TIMEOUT_S = 10
"""How long anything that must come is waited for."""


def parsed(text: str) -> Any:
    """Return JSON with exact numbers; None for nothing."""
    return json.loads(text, parse_float=Decimal) if text else None


class Answer:
    """A validated REST answer."""

    def __init__(self, status: int, body: Any) -> None:
        self.status = status
        self.body = body

    def __repr__(self) -> str:
        return f"<{self.status} {self.body}>"


class HttpClient:
    """An HTTP session that ends with its block."""

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()


class SocketClient(ABC):
    """A WebSocket that is read until its block ends; :meth:`take` says where a frame belongs."""

    def __init__(self, url: str, **options: Any) -> None:
        self.url = url
        self.closed = asyncio.Event()
        self.close_code: int | None = None
        self._options = options
        self._answers: dict[Any, asyncio.Future[dict[str, Any]]] = {}
        self._news = asyncio.Condition()

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        try:
            self.socket = await self._session.ws_connect(self.url, **self._options)
        except aiohttp.ClientError:
            await self._session.close()
            raise
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.socket.close()
        await self._reader
        await self._session.close()

    @abstractmethod
    async def take(self, frame: dict[str, Any]) -> None:
        """Put a frame where it belongs."""

    async def say(self, message: Any) -> None:
        """Send text as it is, anything else as JSON."""
        await self.socket.send_str(message if isinstance(message, str) else json.dumps(message))

    async def ask(self, message: Any, name: Any) -> dict[str, Any]:
        """Send a message and return the frame that :meth:`take` puts under this name with :meth:`answered`."""
        future: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._answers[name] = future
        await self.say(message)
        async with asyncio.timeout(TIMEOUT_S):
            return await future

    def answered(self, name: Any, frame: dict[str, Any]) -> None:
        """Give a frame to whoever asked under this name."""
        self._answers.pop(name).set_result(frame)

    async def enough(self, fitting: Callable[[], list[Any]], count: int, what: str) -> list[Any]:
        """Return what fits once there is so much of it; fails with what there is."""
        try:
            async with asyncio.timeout(TIMEOUT_S), self._news:
                await self._news.wait_for(lambda: len(fitting()) >= count)
        except TimeoutError:
            raise AssertionError(f"{what}: {len(fitting())} of {count} frames came") from None
        return fitting()

    async def _read(self) -> None:
        async for message in self.socket:
            if message.type is not aiohttp.WSMsgType.TEXT:
                continue  # pings, for a client that does not answer them
            async with self._news:
                await self.take(parsed(message.data))
                self._news.notify_all()
        self.close_code = self.socket.close_code
        self.closed.set()
        for future in self._answers.values():
            future.cancel()
