"""perpkit's stream engine around a venue's stream source: on a connection of its own, and without one."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from time import process_time
from typing import TYPE_CHECKING, Self

from benchmarks.streaming_server import Taken, as_bytes, bytes_into, consumer, put_through, until_taken
from perpkit.core.clock import SystemClock
from perpkit.core.models import Event, StreamState, StreamStatus, Subscription
from perpkit.core.streams.connect import Connector, WebSocketConnector
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
    """Without a socket: from the frames that a connection gives, to a task with an ``async for``."""

    def _connector(self, venue: StreamingVenue, first: Sequence[str]) -> Connector:
        self._feeder = _Feeder(venue, first)
        return self._feeder

    async def play(self, frames: Sequence[str]) -> tuple[float, Event]:
        """Return the processor seconds from the first frame to the last event in the consumer's hands, and it."""
        async with consumer(self._follow) as taken:
            return await self._feeder.play(_Batch(frames, taken))


class Handled(HandedOver):
    """
    Without a socket, and without a task of the consumer's: its event is taken within the same turn of the loop, so that
    nothing stays in the queue and nothing is folded.
    """

    async def play(self, frames: Sequence[str]) -> tuple[float, Event]:
        """Return the processor seconds from the first frame to the last event in the consumer's hands, and it."""
        return await self._feeder.play(_Batch(frames, Taken(), self.stream))


class _Batch:
    """Frames to play, who takes their events (the feeder itself where it is given the stream), and how it went."""

    def __init__(self, frames: Sequence[str], taken: Taken, stream: EventStream | None = None) -> None:
        self.frames = frames
        self.taken = taken
        self.stream = stream
        self.played: asyncio.Future[float] = asyncio.get_running_loop().create_future()


class _Feeder:
    """
    A connector and its one connection, which answers as the venue does and gives the frames that are played. What it
    costs itself, an async generator's step for each frame, is counted for perpkit.
    """

    closed: Closed | None = None

    def __init__(self, venue: StreamingVenue, first: Sequence[str]) -> None:
        self._venue = venue
        self._first = first
        self._waiting: asyncio.Queue[str | _Batch] = asyncio.Queue()

    async def connect(self, endpoint: object, traits: object) -> _Feeder:
        """Return the one connection."""
        self._say(None)
        return self

    async def play(self, batch: _Batch) -> tuple[float, Event]:
        """Play frames, and return the processor seconds that they took and the last event."""
        self._waiting.put_nowait(batch)
        async with asyncio.timeout(60):
            return await batch.played, batch.taken.last

    def _say(self, said: str | None) -> None:
        for frame in self._venue.answer(said, self._first):
            self._waiting.put_nowait(frame)

    async def send(self, data: str | bytes) -> None:
        """Have the venue answer."""
        self._say(data if isinstance(data, str) else data.decode())

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """End it."""
        self.closed = Closed(code, reason, clean=True, by_us=True)

    async def __aiter__(self) -> AsyncIterator[str]:
        while True:
            due = await self._waiting.get()
            if isinstance(due, str):
                yield due
                continue
            taken, stream = due.taken, due.stream
            began = process_time()
            for frame in due.frames:
                before = taken.count
                yield frame
                if stream is not None:
                    taken.last = await anext(stream)
                else:
                    await until_taken(taken, before)
            due.played.set_result(process_time() - began)
