"""
The base of every local venue that streams: a :class:`~perpkit.sim.server.SimServer` with a hub and WebSocket clients.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Generic, TypeVar

from aiohttp import web

from perpkit.sim.connection import QUEUE_LIMIT, Connection
from perpkit.sim.exchange import Exchange
from perpkit.sim.fault_injection import FrameGate
from perpkit.sim.hub import EventHub
from perpkit.sim.server import SimServer

ClientT = TypeVar("ClientT", bound=Connection)


class StreamingServer(SimServer, Generic[ClientT]):
    """
    A local venue with streams.

    Args:
        exchange: The exchange to serve.
        hub: Tells the clients what happens on it.
        port: 0 lets the system choose one.
        tick_every: In real time, how often the clock is caught up.
        liquidity: Quote around the index in the background.
        queue_limit: Frames that may wait for a client before it is cut off.
        ping_interval_s: Between protocol pings, on the event loop's time.
        pong_timeout_s: How long a pong may take.
    """

    max_frame_bytes = 4 * 2**20
    """A client that sends a larger frame is let go."""

    def __init__(
        self,
        exchange: Exchange,
        hub: EventHub,
        *,
        port: int,
        tick_every: timedelta,
        liquidity: bool,
        ping_interval_s: float,
        pong_timeout_s: float,
        queue_limit: int = QUEUE_LIMIT,
    ) -> None:
        super().__init__(exchange, port=port, tick_every=tick_every)
        self.clients: set[ClientT] = set()
        self._events = hub
        self._wants_liquidity = liquidity
        self._names = itertools.count(1)
        self._queue_limit = queue_limit
        self._ping_interval_s = ping_interval_s
        self._pong_timeout_s = pong_timeout_s

    @property
    def connections(self) -> int:
        """How many WebSocket clients are connected."""
        return len(self.clients)

    async def on_start(self) -> None:
        """Begin to listen to the exchange, and quote if asked."""
        self._events.start()
        self.spawn(self._events.run(), name=f"{type(self).__name__} hub")
        if self._wants_liquidity:
            for spec in self.exchange.markets():
                self.control.liven(spec.symbol)

    async def on_stop(self) -> None:
        """Let every client go."""
        for client in list(self.clients):
            client.close()
        self._events.stop()

    async def open_socket(self, request: web.Request) -> web.WebSocketResponse | None:
        """Return the socket that a request asks for, ready; None when it asks for none."""
        socket = web.WebSocketResponse(autoping=False, max_msg_size=self.max_frame_bytes)
        if not socket.can_prepare(request).ok:
            return None
        await socket.prepare(request)
        return socket

    @contextmanager
    def admitted(
        self,
        request: web.Request,
        socket: web.WebSocketResponse,
        kind: type[ClientT],
        leave: Callable[[ClientT], None],
        **options: Any,
    ) -> Iterator[ClientT]:
        """Give a new client on an open socket, to be run within; ``leave`` forgets it once it is gone."""
        transport = request.transport

        def abort() -> None:
            if transport is not None:
                transport.abort()

        gate = FrameGate(socket, self.faults, self.clock, abort)
        client = kind(
            socket,
            gate,
            next(self._names),
            abort,
            queue_limit=self._queue_limit,
            ping_interval_s=self._ping_interval_s,
            pong_timeout_s=self._pong_timeout_s,
            **options,
        )
        self.clients.add(client)
        try:
            yield client
        finally:
            self.clients.discard(client)
            leave(client)
