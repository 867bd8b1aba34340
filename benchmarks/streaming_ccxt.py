"""ccxt.pro as it stands: its own client, handlers and ``watch_…`` methods, on a connection of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import process_time
from typing import TYPE_CHECKING, Any, Self

from aiohttp import WSMessage, WSMsgType

from benchmarks.streaming_server import Taken, as_bytes, bytes_into, consumer, put_through

if TYPE_CHECKING:
    from benchmarks.streaming import Kind, StreamingVenue


class _Connected:
    """An exchange that is connected and subscribed; use with ``async with``."""

    def __init__(self, venue: StreamingVenue, kind: Kind, url: str, first: Sequence[str]) -> None:
        self._venue = venue
        self._kind = kind
        self._url = url
        self._exchange: Any = None

    async def __aenter__(self) -> Self:
        self._exchange = self._venue.exchange(self._url)
        async with asyncio.timeout(10):
            await self._kind.watch(self._exchange)
        # The server has sent all of the first frames at once; nobody waits for the rest.
        await asyncio.sleep(0.05)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._exchange.close()

    @property
    def _client(self) -> Any:
        (client,) = self._exchange.clients.values()
        return client


class _Watched(_Connected):
    """With a task that awaits ``watch_…`` again and again."""

    async def play(self, frames: Sequence[str]) -> tuple[float, Any]:
        """Return the processor seconds from the first frame to the last event, and what is held of it."""
        watch, exchange = self._kind.watch, self._exchange

        async def follow(taken: Taken) -> None:
            while True:
                taken.take(await watch(exchange))

        async with consumer(follow) as taken:
            seconds = await self._put(frames, taken)
        return seconds, self._kind.held(exchange)

    async def _put(self, frames: Sequence[str], taken: Taken) -> float:
        raise NotImplementedError


class WholeWay(_Watched):
    """From the bytes that come to its connection."""

    async def _put(self, frames: Sequence[str], taken: Taken) -> float:
        return await put_through(bytes_into(self._client.connection), [as_bytes(frame) for frame in frames], taken)


class HandedOver(_Watched):
    """From the message that its connection would give to ``handle_message``."""

    async def _put(self, frames: Sequence[str], taken: Taken) -> float:
        return await put_through(self._client.handle_message, _messages(frames), taken)


class Handled(_Connected):
    """Its client's ``handle_message``, nobody waiting."""

    async def play(self, frames: Sequence[str]) -> tuple[float, Any]:
        """Return the processor seconds that these frames took, and what is held of the last."""
        handle = self._client.handle_message
        given = _messages(frames)
        began = process_time()
        for message in given:
            handle(message)
        seconds = process_time() - began
        return seconds, self._kind.held(self._exchange)


def _messages(frames: Sequence[str]) -> list[WSMessage]:
    return [WSMessage(WSMsgType.TEXT, frame, "") for frame in frames]
