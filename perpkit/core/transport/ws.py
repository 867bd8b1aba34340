"""
One WebSocket connection: connect, send, read raw frames, notice silence, close in bounded time. Reconnecting,
signing in and subscribing are the stream engine's.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

import aiohttp

from perpkit.core.clock import Clock, SystemClock
from perpkit.core.errors import ConnectionLostError, HandshakeRefusedError, NotSentError
from perpkit.core.transport.failures import LIBRARY_ERRORS, check_endpoint, send_once, translate
from perpkit.core.transport.http import parse_retry_after
from perpkit.core.transport.ratelimit import RateLimiter
from perpkit.core.transport.recorder import Direction, FrameRecord, Recorder
from perpkit.core.transport.redact import Redactor

_log = logging.getLogger(__name__)

_ABNORMAL = 1006
"""RFC 6455, 7.4.1: stands for a connection that ended without a close frame; never sent."""
_NO_STATUS = 1005
_NEVER_SENT = frozenset({_ABNORMAL, _NO_STATUS, 1015})
_CLEAN = frozenset({1000, 1001})

_PATIENCE = 0.45
"""Of the pings' interval: how long their answer is waited for, before a last look at one half of it."""

_BREATHE_EVERY = 100
"""Frames after which others are let run, when frames come faster than they can be taken."""

# Looked up once: on Python 3.11 an enum finds its members slowly, and every frame is asked.
_TEXT, _BINARY = aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY
_PING, _PONG = aiohttp.WSMsgType.PING, aiohttp.WSMsgType.PONG


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
    """Send a protocol ping after so long without any frame; half as long again without one, or a pong, ends it."""
    silence: timedelta | None = None
    """End it after so long without a data frame, however well pings are answered."""
    close: timedelta = timedelta(seconds=2)
    send: timedelta = timedelta(seconds=5)


class WebSocketConnection:
    """
    An open connection. Iterate it for frames, ``str`` for text and ``bytes`` for binary, or have it push them into a
    function with ``deliver``, which is faster. Either ends when the connection does, whoever ended it, and ``closed``
    then says how; neither raises for a lost connection.

    Keep reading: pings of the peer are answered while somebody reads. One task reads; any may send or close.
    """

    def __init__(
        self,
        url: str,
        *,
        session: aiohttp.ClientSession,
        socket_: aiohttp.ClientWebSocketResponse,
        venue: str,
        clock: Clock,
        timeouts: WsTimeouts,
        redactor: Redactor,
        recorders: tuple[Recorder, ...],
    ) -> None:
        """Use ``connect``."""
        self._url = url
        self._session = session
        self._ws = socket_
        self._venue = venue
        self._clock = clock
        self._timeouts = timeouts
        self._redactor = redactor
        self._recorders = recorders
        self._closed: Closed | None = None
        self._closing = asyncio.Lock()
        self._released = False
        self._socket = socket_.get_extra_info("socket")
        self._loop = asyncio.get_running_loop()
        self._time = self._loop.time
        self._waiting_since: float | None = None
        """Since when the reader has waited for data; None while it is busy elsewhere, which is no silence."""
        self._quiet_since: float | None = None
        """The same of anything, pongs too."""
        self._pinged_at: float | None = None
        """When a ping was sent that is not answered yet."""
        self._watch: asyncio.TimerHandle | None = None
        self._pulse: asyncio.TimerHandle | None = None
        self._pinging: asyncio.Task[None] | None = None
        self._closer: asyncio.Task[Closed] | None = None
        if timeouts.silence is not None:
            self._watch = self._loop.call_later(timeouts.silence.total_seconds(), self._check_silence)
        if timeouts.ping is not None:
            self._pulse = self._loop.call_later(timeouts.ping.total_seconds(), self._check_pulse)

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
        allow_plain: bool = False,
    ) -> Self:
        """
        Open a connection.

        Args:
            quotas: What one connection costs in ``limiter``, for example ``{"ws-connect": 1}``.
            max_message: The largest frame accepted, in bytes; a larger one ends the connection with 1009.
            compress: Offer the peer to compress frames.

        Raises:
            ConfigError: The URL is unencrypted and leaves this machine, or is none.
            LocalRateLimitError: The connect quota has no room in time.
            ConnectError: No connection, or none in time.
            HandshakeRefusedError: The host answered the handshake with an HTTP status; see ``status``, ``retry_after``.
        """
        target = check_endpoint(url, schemes=("ws", "wss"), allow_plain=allow_plain)
        clock = clock or SystemClock()
        timeouts = timeouts or WsTimeouts()
        redactor = redactor or Redactor()
        context: dict[str, Any] = {"venue": venue, "operation": operation}
        if limiter is not None and quotas:
            await limiter.acquire(quotas, max_wait=max_wait)
        # A session of its own: nothing is pooled, and closing it closes the socket whatever state that is in.
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(force_close=True, ssl=ssl_context if ssl_context is not None else True),
            cookie_jar=aiohttp.DummyCookieJar(),
            middlewares=(_refuse_redirect,),
            trust_env=False,
        )
        try:
            async with asyncio.timeout(timeouts.connect.total_seconds()):
                socket_ = await session.ws_connect(
                    target,
                    headers={"User-Agent": "perpkit", **(headers or {})},
                    # The library's own heartbeat sets a timer anew for each frame, which costs more than reading it.
                    heartbeat=None,
                    autoping=False,
                    # Answering a close frame is left to close(), which is bounded; the library's answer is not.
                    autoclose=False,
                    compress=15 if compress else 0,
                    max_msg_size=max_message,
                    timeout=aiohttp.ClientWSTimeout(ws_close=timeouts.close.total_seconds()),
                )
        except aiohttp.WSServerHandshakeError as exc:
            await session.close()
            after = parse_retry_after(exc.headers.get("Retry-After") if exc.headers else None, clock.now())
            raise HandshakeRefusedError(
                f"the host answered the handshake with {exc.status}: {redactor.text(exc.message)}",
                status=exc.status,
                retry_after=after,
                **context,
            ) from exc
        except LIBRARY_ERRORS as exc:
            await session.close()
            # No frame can have been sent on a connection that was never there.
            raise translate(exc, sent=False, redactor=redactor, **context) from exc
        except BaseException:
            await session.close()
            raise
        return cls(
            redactor.url(url),
            session=session,
            socket_=socket_,
            venue=venue,
            clock=clock,
            timeouts=timeouts,
            redactor=redactor,
            recorders=tuple(recorders),
        )

    @property
    def closed(self) -> Closed | None:
        """How it ended; None while it is open."""
        return self._closed

    async def send(
        self, data: str | bytes, *, operation: str = "send frame", client_order_id: str | None = None
    ) -> None:
        """
        Send a text or a binary frame.

        Raises:
            NotSentError: The connection is closed already.
            ConnectionLostError: It broke while sending, or took nothing for too long and was closed; the frame may
                have left.
        """
        context: dict[str, Any] = {"venue": self._venue, "operation": operation, "client_order_id": client_order_id}
        if self._closed is not None or self._ws.closed or self._ws.get_extra_info("peername") is None:
            raise NotSentError("the stream connection is closed; nothing was sent", **context)
        if self._recorders:
            self._record(Direction.SENT, data)
        try:
            async with asyncio.timeout(self._timeouts.send.total_seconds()):
                if isinstance(data, str):
                    await self._ws.send_str(data)
                else:
                    await self._ws.send_bytes(data)
        except TimeoutError as exc:
            self._end(Closed(_ABNORMAL, "the peer took no data", clean=False, by_us=True))
            self._abort()
            raise ConnectionLostError("the peer took no data in time; the frame may have left", **context) from exc
        except (aiohttp.ClientError, OSError) as exc:
            raise ConnectionLostError(
                f"the stream connection broke while sending: {self._redactor.text(str(exc))}; the frame may have left",
                **context,
            ) from exc

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str | bytes:
        frame = await self._next()
        if frame is None:
            raise StopAsyncIteration
        return frame

    async def deliver(self, take: Callable[[str | bytes], bool]) -> None:
        """
        Give each frame to ``take``, in order, until the connection ends or ``take`` returns that it wants no more.

        What ``take`` raises goes through. When frames come without a pause, others get their turn in between.
        """
        count = 0
        while (frame := await self._next()) is not None and take(frame):
            count += 1
            if not count % _BREATHE_EVERY:
                await asyncio.sleep(0)

    async def _next(self) -> str | bytes | None:
        """Return the next frame; None when the connection has ended."""
        if self._closed is not None:
            return None
        self._waiting_since = self._quiet_since = self._time()
        try:
            while True:
                message = await self._ws.receive()
                kind = message.type
                if kind is _PING:
                    await self._answer_ping(message.data)
                elif kind is not _PONG:
                    break
                self._quiet_since = self._time()
        finally:
            self._waiting_since = self._quiet_since = None
        if kind is _TEXT or kind is _BINARY:
            if self._recorders:
                self._record_received(message.data)
            return message.data  # type: ignore[no-any-return]  # str for TEXT, bytes for BINARY
        if self._closed is None:
            # Otherwise another task is closing; the reader need not wait for it.
            await self._release(self._end(self._how(message)).code)
        return None

    async def close(self, code: int = 1000, reason: str = "") -> Closed:
        """
        Close in bounded time, from any task. Closing twice is harmless; the first end is the one reported. Frames that
        were received and not yet read are dropped.
        """
        self._end(Closed(code, reason, clean=False, by_us=True))
        await self._release(code, reason)
        return self._end(Closed(code, reason, clean=False, by_us=True))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def _end(self, how: Closed) -> Closed:
        """Note how it ended, unless it has ended before; return how it ended first."""
        if self._closed is None:
            self._closed = how
        return self._closed

    async def _release(self, code: int, reason: str = "") -> None:
        """Answer or begin the closing handshake, wait for the peer no longer than allowed, and let go of the socket."""
        async with self._closing:
            if self._released:
                return
            self._released = True
            for timer in (self._watch, self._pulse, self._pinging):
                if timer is not None:
                    timer.cancel()
            try:
                async with asyncio.timeout(self._timeouts.close.total_seconds()):
                    await self._ws.close(code=code if code not in _NEVER_SENT else 1000, message=reason.encode()[:123])
                if self._closed is not None and self._closed.by_us and self._closed.code in _CLEAN:
                    self._closed = replace(self._closed, clean=self._ws.close_code in _CLEAN)
            except (TimeoutError, aiohttp.ClientError, OSError) as exc:
                _log.debug("%s: closed without the peer's answer: %s", self._venue, type(exc).__name__)
            finally:
                # What can't be flushed would otherwise keep the socket until the system gives up on it.
                self._abort()
                await self._session.close()

    def _abort(self) -> None:
        if self._socket is not None:
            # uvloop's stand-in for a socket can't be shut down, and says so with a TypeError.
            with contextlib.suppress(OSError, TypeError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _how(self, message: aiohttp.WSMessage) -> Closed:
        """Tell from the library's last message how the connection ended."""
        if message.type is aiohttp.WSMsgType.CLOSE:
            code = message.data or _NO_STATUS
            return Closed(code, self._redactor.text(message.extra or ""), clean=code in _CLEAN, by_us=False)
        error = message.data if message.type is aiohttp.WSMsgType.ERROR else self._ws.exception()
        if isinstance(error, aiohttp.WebSocketError):
            return Closed(error.code, self._redactor.text(str(error)), clean=False, by_us=True)
        words = self._redactor.text(str(error)) if error is not None else "the connection went away"
        return Closed(_ABNORMAL, words, clean=False, by_us=False)

    def _check_silence(self) -> None:
        """Close if the reader has waited too long for data; a reader that is busy elsewhere is no silence."""
        limit = (self._timeouts.silence or timedelta(0)).total_seconds()
        now = self._loop.time()
        due = now + limit if self._waiting_since is None else self._waiting_since + limit
        if due > now:
            self._watch = self._loop.call_at(due, self._check_silence)
            return
        self._give_up(f"no data for {limit:g} s")

    def _check_pulse(self) -> None:
        """Ping a peer that has been quiet for so long, and give it up when that helps nothing for half as long."""
        limit = (self._timeouts.ping or timedelta(0)).total_seconds()
        now, quiet_since, pinged_at = self._time(), self._quiet_since, self._pinged_at
        if quiet_since is None:
            # The reader is busy elsewhere, and can't say.
            due = now + limit / 2
            self._pinged_at = None
        elif pinged_at is None or quiet_since > pinged_at:
            due = quiet_since + limit
            self._pinged_at = None
            if due <= now:
                self._pinged_at = now
                self._pinging = self._loop.create_task(self._ping(), name="perpkit-ws-ping")
                due = now + limit * _PATIENCE
        else:
            # If the loop was busy, what has come may not have been read yet: between two timers it is.
            self._pulse = self._loop.call_later(limit * (0.5 - _PATIENCE), self._check_answer, quiet_since)
            return
        self._pulse = self._loop.call_at(due, self._check_pulse)

    def _check_answer(self, quiet_since: float) -> None:
        if self._quiet_since == quiet_since:
            self._give_up("no answer to a ping")
        else:
            self._check_pulse()

    async def _ping(self) -> None:
        # Broken or stalled, the reader is told of it, by the connection's end or for want of an answer.
        with contextlib.suppress(aiohttp.ClientError, OSError):
            await self._ws.ping()

    async def _answer_ping(self, payload: bytes) -> None:
        # Where it can't be sent, the connection is ending, which is what the reader sees next.
        with contextlib.suppress(aiohttp.ClientError, OSError):
            await self._ws.pong(payload)

    def _give_up(self, why: str) -> None:
        self._end(Closed(_ABNORMAL, why, clean=False, by_us=True))
        self._closer = self._loop.create_task(self.close(), name="perpkit-ws-giving-up")

    def _record(self, direction: Direction, data: str | bytes) -> None:
        shown = self._redactor.text(data) if isinstance(data, str) else self._redactor.body(data)
        record = FrameRecord(self._url, direction, shown, self._clock.now())
        for recorder in self._recorders:
            recorder(record)

    def _record_received(self, data: str | bytes) -> None:
        try:
            self._record(Direction.RECEIVED, data)
        except Exception:  # noqa: BLE001  a watcher's failure must not lose the frame
            _log.exception("a recorder failed on a frame of %s", self._venue)


async def _refuse_redirect(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Send the handshake once and follow no redirect: its headers may carry credentials, and the host is pinned."""
    response = await send_once(request, handler)
    if 300 <= response.status < 400:
        response.close()
        raise aiohttp.WSServerHandshakeError(
            response.request_info,
            (),
            status=response.status,
            message="a redirect, and none is followed",
            headers=response.headers,
        )
    return response
