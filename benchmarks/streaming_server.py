"""A server in this process that clients connect to, and the bytes of frames that come to them as if from there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from time import process_time
from typing import TYPE_CHECKING, Any, Self

from aiohttp import ClientWebSocketResponse, WSMsgType, web

if TYPE_CHECKING:
    from benchmarks.streaming import StreamingVenue

_TURNS = 50
"""In so many turns of the loop a frame has reached the consumer, or never will."""


class Server:
    """Accepts WebSockets at any path, and answers as the venue does; use with ``async with``."""

    def __init__(self, venue: StreamingVenue, first: Sequence[str]) -> None:
        self._venue = venue
        self._first = first
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        self.url = f"ws://{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        for text in self._venue.answer(None, self._first):
            await socket.send_str(text)
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                for text in self._venue.answer(message.data, self._first):
                    await socket.send_str(text)
        return socket


def as_bytes(text: str) -> bytes:
    """Return a frame as it comes from a server: RFC 6455, 5.2, one text frame without a mask."""
    payload = text.encode()
    size = len(payload)
    if size < 126:
        return bytes((0x81, size)) + payload
    if size < 65_536:
        return b"\x81\x7e" + size.to_bytes(2, "big") + payload
    return b"\x81\x7f" + size.to_bytes(8, "big") + payload


class Taken:
    """What a consumer has taken: how many events, and the last of them."""

    def __init__(self) -> None:
        self.count = 0
        self.last: Any = None

    def take(self, event: Any) -> None:
        """Note one."""
        self.last = event
        self.count += 1


def bytes_into(socket: ClientWebSocketResponse) -> Callable[[bytes], object]:
    """Return what puts bytes into a connection, where the loop's transport would put them."""
    connection = socket._conn
    if connection is None or connection.protocol is None:
        raise RuntimeError("the connection is closed")
    return connection.protocol.data_received


@asynccontextmanager
async def consumer(follow: Callable[[Taken], Coroutine[Any, Any, None]]) -> AsyncIterator[Taken]:
    """Run a consumer in a task of its own, which waits already when the block begins; its error is the block's."""
    taken = Taken()
    task = asyncio.create_task(follow(taken))
    await asyncio.sleep(0)
    try:
        yield taken
    finally:
        if task.done():
            task.result()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def put_through(put: Callable[[Any], object], frames: Sequence[Any], taken: Taken) -> float:
    """Put in frame by frame, each when the consumer has taken what the last one brought; return processor seconds."""
    await asyncio.sleep(0)
    began = process_time()
    for frame in frames:
        before = taken.count
        put(frame)
        await until_taken(taken, before)
    return process_time() - began


async def until_taken(taken: Taken, before: int) -> None:
    """Let the loop turn until the consumer has taken more than so many events."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)
        if taken.count != before:
            return
    raise RuntimeError("a frame brought no event to the task that waits")
