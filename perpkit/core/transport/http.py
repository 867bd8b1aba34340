"""One HTTP client for one venue host: pooled, pinned, verified; foreign errors become ours where they arise."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from types import TracebackType
from typing import Self

from perpkit.core.clock import Clock
from perpkit.core.errors import BadGatewayError
from perpkit.core.transport.ratelimit import Priority, RateLimiter
from perpkit.core.transport.recorder import Recorder
from perpkit.core.transport.redact import Redactor
from perpkit.core.transport.retry import Effect, RetryPolicy

ParamValue = str | int | bool | Decimal | datetime | None


@dataclass(frozen=True, slots=True)
class HttpTimeouts:
    """Bounds on the parts of one attempt, in real time."""

    total: timedelta = timedelta(seconds=10)
    connect: timedelta = timedelta(seconds=5)
    read: timedelta = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class HttpReply:
    """
    What the host answered, whatever the status.

    Attributes:
        headers: Lower-case names.
        sent_at: When the request was handed to the socket, aware UTC.
        received_at: When the last byte of the body was read, aware UTC.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    sent_at: datetime
    received_at: datetime

    @property
    def retry_after(self) -> timedelta | None:
        """How long the venue asks to wait (``Retry-After`` in seconds or as a date), if it says so."""
        ...


class Progress:
    """Tells a caller that was cancelled, or got an error, whether a request may have left. ``sent`` starts False."""

    sent: bool


class HttpClient:
    """
    An HTTP client for one host. Use it as an async context manager.

    Args:
        base_url: ``https://host[:port][/prefix]``. Paths are joined to it; no request goes to another host.
        venue: The venue's name, for errors.
        limiter: Where quotas are taken from; None for a host without limits.
        default_headers: Sent with every request, for example User-Agent.
        ssl_context: A context of your own; None verifies against the system's authorities.
        max_body: The largest body read, in bytes after decompression.
    """

    def __init__(
        self,
        base_url: str,
        *,
        venue: str,
        clock: Clock | None = None,
        limiter: RateLimiter | None = None,
        redactor: Redactor | None = None,
        timeouts: HttpTimeouts | None = None,
        default_headers: Mapping[str, str] | None = None,
        ssl_context: ssl.SSLContext | None = None,
        max_wait: timedelta = timedelta(seconds=10),
        max_body: int = 32 * 1024 * 1024,
    ) -> None: ...

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None: ...

    def add_recorder(self, recorder: Recorder) -> None:
        """Let ``recorder`` see every request and reply from now on, redacted."""
        ...

    async def warm_up(self, path: str = "/") -> None:
        """Open a pooled connection ahead of the first real request. Any answer will do."""
        ...

    async def request(
        self,
        method: str,
        path: str,
        *,
        operation: str,
        effect: Effect,
        params: Mapping[str, ParamValue] | Iterable[tuple[str, ParamValue]] = (),
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        quotas: Mapping[str, int] | None = None,
        priority: Priority = Priority.NORMAL,
        max_wait: timedelta | None = None,
        retry: RetryPolicy | None = None,
        timeouts: HttpTimeouts | None = None,
        progress: Progress | None = None,
        client_order_id: str | None = None,
    ) -> HttpReply:
        """
        Send a request and return the whole answer, whatever its status. Mapping a status is the plugin's.

        Args:
            path: Begins with ``/``, already percent-encoded; put foreign text in with ``segment()``.
            params: Query; None values are left out, booleans become true/false, Decimals plain digits. No floats.
            body: Sent as is, with ``Content-Type: application/json`` unless ``headers`` say otherwise.
            operation: For errors and recordings: ``place_order``, ``GET /account``.
            effect: Whether it may be repeated. ``Effect.COMMAND`` never is.
            retry: None means the default policy for reads and idempotent commands, and one attempt for commands.

        Raises:
            LocalRateLimitError: The quota has no room in time; not sent.
            ConnectError, NotSentError: Nothing was written to a socket.
            RequestTimeoutError, ConnectionLostError: It was written, or may have been.
            BadGatewayError: A redirect; none is followed.
            DecodeError: The body is larger than ``max_body`` or broken in its encoding.
        """
        ...


def segment(text: str) -> str:
    """Percent-encode one path segment, slashes included."""
    ...


def classify_gateway_failure(
    reply: HttpReply, *, venue: str, operation: str, client_order_id: str | None = None
) -> BadGatewayError | None:
    """Return an error if the answer is not the venue's own (HTML, or 5xx without a JSON body), else None."""
    ...
