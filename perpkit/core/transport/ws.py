"""
One WebSocket connection: connect, send, read raw frames, notice silence, close in bounded time. Reconnecting,
signing in and subscribing are the stream engine's.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import TracebackType
from typing import Self

from perpkit.core.clock import Clock
from perpkit.core.transport.ratelimit import RateLimiter
from perpkit.core.transport.recorder import Recorder
from perpkit.core.transport.redact import Redactor


@dataclass(frozen=True, slots=True)
class Closed:
    """
    How a connection ended.

    Attributes:
        code: The close code; 1006 when the connection went away without a close frame.
        reason: The peer's words, redacted, or ours.
        clean: Both sides exchanged close frames with 1000 or 1001.
        by_us: We closed it (on purpose, for silence, or because a frame could not be accepted).
    """

    code: int
    reason: str
    clean: bool
    by_us: bool


@dataclass(frozen=True, slots=True)
class WsTimeouts:
    """Bounds in real time. None switches a watch off."""

    connect: timedelta = timedelta(seconds=10)
    ping: timedelta | None = timedelta(seconds=15)
    """Send a protocol ping after so long without any incoming bytes; half as long again without bytes ends it."""
    silence: timedelta | None = None
    """End it after so long without a data frame, however well pings are answered."""
    close: timedelta = timedelta(seconds=2)
    send: timedelta = timedelta(seconds=5)


class WebSocketConnection:
    """
    An open connection. Iterate it for frames: ``str`` for text, ``bytes`` for binary. Iteration ends when the connection
    does, whoever ended it, and ``closed`` then says how; it never raises for a lost connection.

    Keep reading: pings of the peer are answered while somebody iterates.
    """

    @classmethod
    async def connect(
        cls,
        url: str,
        *,
        venue: str,
        operation: str = "connect stream",
        clock: Clock | None = None,
        timeouts: WsTimeouts | None = None,
        headers: Mapping[str, str] | None = None,
        limiter: RateLimiter | None = None,
        quotas: Mapping[str, int] | None = None,
        max_wait: timedelta = timedelta(seconds=60),
        max_message: int = 8 * 1024 * 1024,
        compress: bool = False,
        redactor: Redactor | None = None,
        recorders: Iterable[Recorder] = (),
        ssl_context: ssl.SSLContext | None = None,
    ) -> Self:
        """
        Open a connection.

        Args:
            quotas: What one connection costs in ``limiter``, for example ``{"ws-connect": 1}``.

        Raises:
            LocalRateLimitError: The connect quota has no room in time.
            ConnectError: No connection, or none in time.
            HandshakeRefusedError: The host answered the handshake with an HTTP status; see ``status``, ``retry_after``.
        """
        ...

    @property
    def closed(self) -> Closed | None:
        """How it ended; None while it is open."""
        ...

    @property
    def received_at(self) -> datetime | None:
        """When the latest data frame arrived, aware UTC."""
        ...

    async def send(self, data: str | bytes, *, operation: str | None = None) -> None:
        """
        Send a text or a binary frame.

        Raises:
            NotSentError: The connection is closed already.
            ConnectionLostError: It broke while sending; the frame may have left.
        """
        ...

    def __aiter__(self) -> Self: ...
    async def __anext__(self) -> str | bytes: ...

    async def close(self, code: int = 1000, reason: str = "") -> Closed:
        """Close in bounded time, from any task. Closing twice is harmless."""
        ...

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None: ...
