"""perpkit's stream engine around a venue's stream source: on a connection of its own, and without one."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from time import process_time
from typing import TYPE_CHECKING, Self

from benchmarks.streaming_server import Taken, as_bytes, bytes_into, consumer, put_through
from perpkit.core.clock import SystemClock
from perpkit.core.models import Event, StreamState, StreamStatus, Subscription
from perpkit.core.streams.connect import Connector, Take, WebSocketConnector
from perpkit.core.streams.delivery import EventStream
from perpkit.core.streams.hub import StreamHub
from perpkit.core.streams.protocol import StreamEndpoint, StreamTraits
from perpkit.core.transport.ws import Closed, WebSocketConnection

if TYPE_CHECKING:
    from benchmarks.streaming import Kind, StreamingVenue


class _Open:
    """A hub with one stream that is live; use with ``async with``."""

    def __init__(self, venue: StreamingVenue, kind: Kind, url: str, first: Sequence[str]) -> None:
        self._clock = SystemClock()
        self._source, market = venue.source(url)
        self._hub = StreamHub(
            venue=venue.name,
            open_source=lambda _: self._source,
            reads=None,
            supports=lambda _: False,
            connector=self._connector(venue, first),
            clock=self._clock,
            rng=random.Random(1),
        )
        self.stream: EventStream = self._hub.open([Subscription(channel=kind.channel, market=market)])

    def _connector(self, venue: StreamingVenue, first: Sequence[str]) -> Connector:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        async with asyncio.timeout(10):
            async for event in self.stream:
                if isinstance(event, StreamStatus) and event.state is StreamState.LIVE:
                    break
            await asyncio.sleep(0.05)
            while self.stream.backlog:
                await anext(self.stream)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stream.close()
        await self._hub.close()

    async def _follow(self, taken: Taken) -> None:
        async for event in self.stream:
            taken.take(event)


class WholeWay(_Open):
    """From the bytes that come to its connection, to a task with an ``async for``."""

    def _connector(self, venue: StreamingVenue, first: Sequence[str]) -> Connector:
        self._tap = _Tap(WebSocketConnector(venue.name, self._clock))
        return self._tap

    async def play(self, frames: Sequence[str]) -> tuple[float, Event]:
        """Return the processor seconds from the first frame's bytes to the last event, and it."""
        async with consumer(self._follow) as taken:
            seconds = await put_through(bytes_into(self._tap.socket), [as_bytes(frame) for frame in frames], taken)
        return seconds, taken.last


class _Tap:
    """Opens connections as ever, and remembers the last one's socket."""

    def __init__(self, connector: WebSocketConnector) -> None:
        self._connector = connector

    async def connect(self, endpoint: StreamEndpoint, traits: StreamTraits) -> WebSocketConnection:
        """Open one."""
        connection = await self._connector.connect(endpoint, traits)
        self.socket = connection._ws
        return connection


class HandedOver(_Open):
    """Without a socket: from the frames that a connection pushes, to a task with an ``async for``."""

    def _connector(self, venue: StreamingVenue, first: Sequence[str]) -> Connector:
        self._pusher = _Pusher(venue, first)
        return self._pusher

    async def play(self, frames: Sequence[str]) -> tuple[float, Event]:
        """Return the processor seconds from the first frame to the last event in the consumer's hands, and it."""
        async with consumer(self._follow) as taken:
            seconds = await put_through(self._pusher.take, frames, taken)
        return seconds, taken.last


class Handled(HandedOver):
    """Without a task of the consumer's: each event is taken out of the queue at once, as ``take_nowait`` gives it."""

    async def play(self, frames: Sequence[str]) -> tuple[float, Event]:
        """Return the processor seconds from the first frame to the last event in the consumer's hands, and it."""
        push, take = self._pusher.take, self.stream.take_nowait
        event: Event | None = None
        began = process_time()
        for frame in frames:
            push(frame)
            event = take()
            if event is None:
                raise RuntimeError("a frame brought no event")
        seconds = process_time() - began
        if event is None or self.stream.backlog:
            raise RuntimeError("not one event for each frame")
        return seconds, event


class _Pusher:
    """A connector and its one connection, which answers as the venue does, and leaves the pushing to who measures."""

    closed: Closed | None = None

    def __init__(self, venue: StreamingVenue, first: Sequence[str]) -> None:
        self._venue = venue
        self._first = first
        self._said: asyncio.Queue[str] = asyncio.Queue()
        self.take: Take = _nobody
        """What the engine takes frames with; this is what :class:`WebSocketConnection` calls for each."""

    async def connect(self, endpoint: object, traits: object) -> _Pusher:
        """Return the one connection."""
        self._say(None)
        return self

    def _say(self, said: str | None) -> None:
        for frame in self._venue.answer(said, self._first):
            self._said.put_nowait(frame)

    async def send(self, data: str | bytes) -> None:
        """Have the venue answer."""
        self._say(data if isinstance(data, str) else data.decode())

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """End it."""
        self.closed = Closed(code, reason, clean=True, by_us=True)

    async def deliver(self, take: Take) -> None:
        """Push the venue's answers, until it is canceled."""
        self.take = take
        while True:
            take(await self._said.get())


def _nobody(frame: str | bytes) -> bool:
    raise RuntimeError("nobody has connected yet")
