"""
How the engine gets a connection: a seam that tests replace, the pace at which attempts may follow each other, and
the real thing over WebSockets.

Noticing that a connection has gone silent is the connection's own work, because only it sees the protocol's pings.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Protocol, TypeAlias
from urllib.parse import urlsplit

from perpkit.core.clock import Clock
from perpkit.core.streams.protocol import Frame, StreamEndpoint, StreamTraits
from perpkit.core.transport.ratelimit import Quota, RateLimiter
from perpkit.core.transport.recorder import Recorder
from perpkit.core.transport.redact import Redactor
from perpkit.core.transport.ws import Closed, WebSocketConnection, WsTimeouts

Take: TypeAlias = Callable[[Frame], bool]
"""Takes a frame, at once; returns whether more are wanted."""


class Connection(Protocol):
    """An open connection. It pushes its frames into whoever takes them."""

    @property
    def closed(self) -> Closed | None:
        """How it ended; None while it is open."""
        ...

    async def deliver(self, take: Take) -> None:
        """
        Give each frame to ``take``, in order, until the connection ends, whoever ends it, or no more are wanted. What
        ``take`` raises goes through. Frames that come without a pause must not keep the loop from everything else.
        """
        ...

    async def send(self, data: Frame) -> None:
        """Send a frame. TransportError when it can't be."""
        ...

    async def close(self, code: int = 1000, reason: str = "") -> object:
        """Close in bounded time. Closing twice is harmless."""
        ...


class Connector(Protocol):
    """Opens connections."""

    async def connect(self, endpoint: StreamEndpoint, traits: StreamTraits) -> Connection:
        """Open one that ends itself after ``traits.silence_timeout`` without a sign of life. TransportError if not."""
        ...


class Pace:
    """Lets connection attempts, or messages, through as fast as the venue's cap allows, first come, first served."""

    def __init__(self, clock: Clock, attempts: int, per: timedelta) -> None:
        self._clock = clock
        self._per = per.total_seconds()
        self._turns: deque[float] = deque(maxlen=max(attempts, 1))

    async def turn(self) -> None:
        """Wait until another one is allowed, and take it."""
        now = self._clock.monotonic()
        at = now
        if len(self._turns) == self._turns.maxlen:
            at = max(now, self._turns[0] + self._per)
        # Taken before waiting, so that those who come meanwhile queue up behind it.
        self._turns.append(at)
        if at > now:
            await self._clock.sleep(at - now)


CONNECT_QUOTA = "stream-connect"


class WebSocketConnector:
    """
    Opens WebSockets for one venue.

    Args:
        limiter: Gives the process's limiter for a host and quotas, so that all clients of this address share the
            venue's connect cap; None leaves it to the hub's own pace.
    """

    def __init__(
        self,
        venue: str,
        clock: Clock,
        *,
        redactor: Redactor | None = None,
        recorders: Iterable[Recorder] = (),
        limiter: Callable[[str, Iterable[Quota]], RateLimiter] | None = None,
    ) -> None:
        self._venue = venue
        self._clock = clock
        self._redactor = redactor
        self._recorders = tuple(recorders)
        self._limiter = limiter

    async def connect(self, endpoint: StreamEndpoint, traits: StreamTraits) -> WebSocketConnection:
        """
        Open one connection.

        The transport sends a ping after so long without any bytes and gives up half as long again later; two thirds of
        the silence timeout make both together as long as the venue's traits say.
        """
        ping = traits.silence_timeout / 1.5
        if traits.ping_interval is not None:
            ping = min(ping, traits.ping_interval)
        limiter = None
        if self._limiter is not None:
            # A name of its own: a plugin may keep a quota for the sockets that it opens itself on the same host.
            quota = Quota(name=CONNECT_QUOTA, limits=((traits.max_connects, traits.connects_per),))
            limiter = self._limiter(urlsplit(endpoint.url).netloc.rpartition("@")[2], [quota])
        return await WebSocketConnection.connect(
            endpoint.url,
            venue=self._venue,
            clock=self._clock,
            timeouts=WsTimeouts(ping=ping, silence=endpoint.silence),
            headers=endpoint.headers,
            limiter=limiter,
            quotas={CONNECT_QUOTA: 1} if limiter is not None else None,
            redactor=self._redactor,
            recorders=self._recorders,
        )
