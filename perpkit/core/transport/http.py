"""
One HTTP client for one venue host: pooled, pinned, verified. Bytes go out and bytes come back; what a status means is
the plugin's to say. Foreign errors become ours here, and each says whether the request may have left.
"""

from __future__ import annotations

import logging
import random
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import parsedate_to_datetime
from functools import lru_cache
from types import SimpleNamespace, TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode

import aiohttp
from yarl import URL

from perpkit.core.clock import Clock, SystemClock
from perpkit.core.errors import (
    BadGatewayError,
    ConfigError,
    DecodeError,
    NotSentError,
    PerpkitError,
)
from perpkit.core.transport import retry as retries
from perpkit.core.transport.failures import LIBRARY_ERRORS, check_endpoint, send_once, translate
from perpkit.core.transport.ratelimit import Priority, RateLimiter
from perpkit.core.transport.recorder import Record, Recorder, ReplyRecord, RequestRecord
from perpkit.core.transport.redact import Redactor
from perpkit.core.transport.retry import Effect, RetryPolicy, TryAgain
from perpkit.core.transport.wire_json import decimal_text

ParamValue = str | int | bool | Decimal | None
Params = Mapping[str, ParamValue] | Iterable[tuple[str, ParamValue]]

_log = logging.getLogger(__name__)

_PAUSE_WITHOUT_RETRY_AFTER = timedelta(seconds=1)
"""How long a quota rests after a 429 that does not say how long, or says no time at all."""


@dataclass(frozen=True, slots=True)
class HttpTimeouts:
    """Bounds on the parts of one attempt, in real time."""

    total: timedelta = timedelta(seconds=10)
    connect: timedelta = timedelta(seconds=5)
    """Until a connection, pooled or new, is there."""
    read: timedelta = timedelta(seconds=10)
    """Between two pieces of the answer."""

    @classmethod
    def within(cls, bound: timedelta) -> HttpTimeouts:
        """Return time limits that give an answer until ``bound``, and a connection no longer than usual."""
        return cls(total=bound, connect=min(bound, cls().connect), read=bound)


@dataclass(frozen=True, slots=True)
class HttpReply:
    """
    What the host answered, whatever the status.

    Attributes:
        headers: Looked up in any case.
        sent_at: When the request was handed to the socket, aware UTC.
        received_at: When the last byte of the body was read, aware UTC.
    """

    status: int
    # Not shown: the answer to a sign-in is a token.
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    sent_at: datetime
    received_at: datetime

    @property
    def retry_after(self) -> timedelta | None:
        """How long the host asks to wait (``Retry-After`` in seconds or as a date), if it says so readably."""
        return parse_retry_after(self.headers.get("Retry-After"), self.received_at)


@dataclass(slots=True)
class Progress:
    """Tells a caller that was cancelled, or got an error, whether a request may have left."""

    sent: bool = False
    sent_at: datetime | None = None


class HttpClient:
    """
    An HTTP client for one host. Use it as an async context manager.

    Args:
        base_url: ``https://host[:port][/prefix]``. Paths are joined to it; no request goes to another host.
        venue: The venue's name, for errors.
        limiter: Where quotas are taken from; None for a host without limits.
        default_headers: Sent with every request, for example User-Agent.
        ssl_context: A context of your own; None verifies against the system's authorities.
        keep_alive: How long an idle connection is kept. Keep it below the host's own bound: a host that closes just as
            a request is written leaves that request's outcome unknown.
        max_wait: How long a request waits for its quotas, where it doesn't say.
        max_body: The largest body read, in bytes after decompression.
        allow_plain: Accept an unencrypted URL of another machine; one of this machine is always accepted.
        rng: The source of the jitter between attempts.
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
        keep_alive: timedelta = timedelta(seconds=30),
        max_wait: timedelta = timedelta(seconds=10),
        max_body: int = 32 * 1024 * 1024,
        allow_plain: bool = False,
        rng: random.Random | None = None,
    ) -> None:
        base = check_endpoint(base_url, schemes=("http", "https"), allow_plain=allow_plain)
        if base.query_string:
            raise ConfigError("a base URL has no query; give parameters with each request")
        self._base = str(base).rstrip("/")
        self._venue = venue
        self._clock: Clock = clock or SystemClock()
        self._limiter = limiter
        self._redactor = redactor or Redactor()
        self._timeouts = timeouts or HttpTimeouts()
        self._default_headers = {"Accept": "application/json", "User-Agent": "perpkit", **(default_headers or {})}
        _check_headers(self._default_headers)
        self._ssl_context = ssl_context
        self._keep_alive = keep_alive
        self._max_wait = max_wait
        self._max_body = max_body
        self._rng = rng
        self._recorders: list[Recorder] = []
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(self._note_sent)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                keepalive_timeout=self._keep_alive.total_seconds(),
                ssl=self._ssl_context if self._ssl_context is not None else True,
            ),
            # A venue's gateway may set cookies; carried over, they would tie requests of two accounts together.
            cookie_jar=aiohttp.DummyCookieJar(),
            headers=self._default_headers,
            skip_auto_headers=("Content-Type",),
            trace_configs=[trace],
            middlewares=(send_once,),
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the pool. Requests on their way end as lost or not sent; closing twice is harmless."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def add_recorder(self, recorder: Recorder) -> None:
        """Let ``recorder`` see every request and reply from now on, redacted."""
        self._recorders.append(recorder)

    async def warm_up(self, path: str, *, quotas: Mapping[str, int] | None = None) -> None:
        """Open a pooled connection ahead of the first real request, by reading ``path``. Any answer will do."""
        await self.request("GET", path, operation="warm up", effect=Effect.READ, quotas=quotas, retry=retries.ONCE)

    async def request(
        self,
        method: str,
        path: str,
        *,
        operation: str,
        effect: Effect,
        params: Params = (),
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

        Reads and idempotent commands are tried again after a transport error, 408, 429 and 5xx, within ``retry``; the
        last answer is returned, or the last error raised. Each attempt takes its quotas. A 429 shuts the quotas it used
        for as long as the host asks.

        Args:
            path: Begins with ``/``, already percent-encoded; put foreign text in with ``segment()``.
            params: Query; None values are left out, booleans become true/false, Decimals plain digits. No floats.
            body: Sent as is, with ``Content-Type: application/json`` unless ``headers`` say otherwise.
            operation: For errors and recordings: ``place_order``, ``GET /account``.
            effect: Whether it may be repeated. ``Effect.COMMAND`` never is.
            retry: None means the default policy for reads and idempotent commands, and one attempt for commands.
            progress: Filled in as the request goes, for a caller that may be cancelled.

        Raises:
            LocalRateLimitError: The quota has no room in time; not sent.
            ConnectError, NotSentError: Nothing was written to a socket.
            RequestTimeoutError, ConnectionLostError: It was written, or may have been.
            BadGatewayError: A redirect, of which none is followed, or an answer that is not HTTP.
            DecodeError: The body is larger than ``max_body`` or broken in its encoding.
            ConfigError: A header holds a line break; not sent.
        """
        policy = retry or (retries.ONCE if effect is Effect.COMMAND else retries.DEFAULT)
        if effect is Effect.COMMAND and policy.attempts != 1:
            raise ValueError(f"{operation}: a command is never repeated; leave retry out")
        call = _Call(
            method=method,
            path=_checked_path(path),
            params=tuple(_query(params)),
            body=body,
            headers=_checked_headers(headers, body),
            timeout=_client_timeout(timeouts or self._timeouts),
            progress=progress or Progress(),
            context={"venue": self._venue, "operation": operation, "client_order_id": client_order_id},
        )

        async def attempt(number: int) -> HttpReply:
            if self._limiter is not None and quotas:
                try:
                    bound = self._max_wait if max_wait is None else max_wait
                    await self._limiter.acquire(quotas, priority=priority, max_wait=bound)
                except PerpkitError as exc:
                    exc.venue, exc.operation, exc.client_order_id = self._venue, operation, client_order_id
                    raise
            reply = await self._send(call, number)
            if reply.status == 429 and self._limiter is not None:
                for quota in quotas or ():
                    self._limiter.penalize(quota, reply.retry_after or _PAUSE_WITHOUT_RETRY_AFTER)
            return reply

        return await retries.repeat(
            attempt, effect=effect, policy=policy, clock=self._clock, rng=self._rng, verdict=_verdict
        )

    async def _send(self, call: _Call, number: int) -> HttpReply:
        """Make one attempt, watched by the recorders."""
        if not self._recorders:
            return await self._exchange(call)
        record = RequestRecord(
            url=self._base + call.path,
            method=call.method,
            path=call.path,
            params=self._redactor.params(call.params),
            headers=self._redactor.headers({**self._default_headers, **call.headers}),
            body=None if call.body is None else self._redactor.body(call.body),
            operation=call.context["operation"] or "",
            attempt=number,
            at=self._clock.now(),
        )
        for recorder in self._recorders:
            recorder(record)
        try:
            reply = await self._exchange(call)
        except PerpkitError as exc:
            self._tell(ReplyRecord(record, None, (), b"", type(exc).__name__, self._clock.now()))
            raise
        headers, answer = self._redactor.headers(reply.headers), self._redactor.body(reply.body)
        self._tell(ReplyRecord(record, reply.status, headers, answer, None, reply.received_at))
        return reply

    def _tell(self, record: Record) -> None:
        for recorder in self._recorders:
            try:
                recorder(record)
            except Exception:  # noqa: BLE001  the answer may be an order's: a watcher's failure must not lose it
                _log.exception("a recorder failed on an answer of %s", self._venue)

    async def _exchange(self, call: _Call) -> HttpReply:
        """Write the request and read the whole answer."""
        if self._session is None or self._session.closed:
            raise NotSentError("the client is not open; nothing was sent", **call.context)
        query = f"?{urlencode(call.params, quote_via=quote)}" if call.params else ""
        attempt = Progress()
        started = self._clock.now()
        try:
            async with self._session.request(
                call.method,
                URL(f"{self._base}{call.path}{query}", encoded=True),
                data=call.body,
                headers=call.headers,
                allow_redirects=False,
                timeout=call.timeout,
                trace_request_ctx=attempt,
            ) as response:
                body = await self._read(response, call)
        except LIBRARY_ERRORS as exc:
            raise translate(exc, sent=attempt.sent, redactor=self._redactor, **call.context) from exc
        finally:
            if attempt.sent:
                call.progress.sent, call.progress.sent_at = True, attempt.sent_at
        if 300 <= response.status < 400 and response.status != 304:
            target = self._redactor.url(response.headers.get("Location", "nowhere"))
            raise BadGatewayError(
                f"redirected with {response.status} to {target}; no redirect is followed. Correct the base URL",
                status=response.status,
                **call.context,
            )
        return HttpReply(response.status, response.headers, body, attempt.sent_at or started, self._clock.now())

    async def _read(self, response: aiohttp.ClientResponse, call: _Call) -> bytes:
        length = response.content_length
        if length is not None and length <= self._max_body and "Content-Encoding" not in response.headers:
            return await response.read()
        if length is None or length <= self._max_body:
            body = bytearray()
            async for piece in response.content.iter_any():
                body += piece
                if len(body) > self._max_body:
                    break
            else:
                return bytes(body)
        raise DecodeError(
            f"sent, and the answer is larger than {self._max_body} bytes; it was not read", **call.context
        )

    async def _note_sent(
        self, session: aiohttp.ClientSession, context: SimpleNamespace, params: aiohttp.TraceRequestHeadersSentParams
    ) -> None:
        # Called as the headers are handed over, just before the first byte is written: erring on the side of 'sent'.
        progress: Progress = context.trace_request_ctx
        progress.sent = True
        progress.sent_at = self._clock.now()


@dataclass(frozen=True, slots=True)
class _Call:
    """A request, checked and ready; the same for every attempt."""

    method: str
    path: str
    params: tuple[tuple[str, str], ...]
    # Tracebacks that show local variables show this: bearers stand in headers, signatures in bodies.
    body: bytes | None = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)
    timeout: aiohttp.ClientTimeout
    progress: Progress
    context: dict[str, Any]


def segment(text: str, *, venue: str | None = None) -> str:
    """
    Percent-encode one path segment, slashes included.

    Raises:
        ConfigError: Empty, ``.`` or ``..``, which would name another path: ``DELETE /orders/`` is not one order.
    """
    if text in {"", ".", ".."}:
        raise ConfigError(f"{text!r} can't stand in a path as an identifier; nothing was sent", venue=venue)
    return quote(text, safe="")


def parse_retry_after(value: str | None, now: datetime) -> timedelta | None:
    """Return the wait that a Retry-After header asks for, None where there is none or it can't be read."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text), 86_400))
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(moment - now, timedelta(0))


def classify_gateway_failure(
    reply: HttpReply, *, venue: str, operation: str, client_order_id: str | None = None
) -> BadGatewayError | None:
    """
    Return an error if the answer is not the venue's own, else None.

    Not its own are: HTML of any status, a 5xx without a JSON body, and a success whose body is not JSON. A 429 always
    counts as its own, because it says what to do whoever sent it. For an order command the error means that the outcome
    is unknown: the request may have reached the venue.
    """
    if reply.status == 429 or reply.body.lstrip()[:1] in {b"{", b"["}:
        return None
    looks_like_page = reply.body.lstrip()[:1] == b"<" or "html" in reply.headers.get("Content-Type", "").lower()
    if reply.status < 500 and (not reply.body.strip() or not (looks_like_page or reply.status < 300)):
        return None
    what = "an HTML page" if looks_like_page else "no JSON"
    return BadGatewayError(
        f"answered {reply.status} with {what}, which is not the venue's own",
        status=reply.status,
        venue=venue,
        operation=operation,
        client_order_id=client_order_id,
    )


def _verdict(reply: HttpReply) -> TryAgain | None:
    status = reply.status
    if status in {408, 429} or (status >= 500 and status not in {501, 505}):
        return TryAgain(reply.retry_after)
    return None


def _checked_path(path: str) -> str:
    if not path.startswith("/") or path.startswith("//") or any(char in path for char in "?#\\ \r\n\t"):
        raise ValueError(f"a path begins with one slash, is percent-encoded and has no query: not {path!r}")
    return path


def _query(params: Params) -> Iterable[tuple[str, str]]:
    for name, value in params.items() if isinstance(params, Mapping) else params:
        if value is None:
            continue
        if isinstance(value, bool):
            yield name, "true" if value else "false"
        elif isinstance(value, Decimal):
            yield name, decimal_text(value)
        elif isinstance(value, str | int):
            yield name, str(value)
        else:
            raise TypeError(
                f"query parameter {name}: a {type(value).__name__} has no one spelling; give text or Decimal"
            )


def _checked_headers(headers: Mapping[str, str] | None, body: bytes | None) -> Mapping[str, str]:
    checked = dict(headers or {})
    _check_headers(checked)
    if body is not None and not any(name.lower() == "content-type" for name in checked):
        checked["Content-Type"] = "application/json"
    return checked


def _check_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        if "\n" in value or "\r" in value or "\0" in value:
            # Most often a key that was copied with its line end. The value is not shown: it may be that key.
            raise ConfigError(f"header {name} holds a line break or a null; nothing was sent. Strip the value")


@lru_cache(maxsize=64)
def _client_timeout(timeouts: HttpTimeouts) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(
        total=timeouts.total.total_seconds(),
        connect=timeouts.connect.total_seconds(),
        sock_read=timeouts.read.total_seconds(),
    )
