"""
One connection kept up: connect, sign in, subscribe, read, and all of it again after a loss.

A link is told which topics are wanted; whatever is missing from what the venue has confirmed is asked for. The
connection pushes each frame in, and it goes straight through the plugin's decoder to the feeds of its topic: one call
within another, in which nothing is awaited and nothing queued.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Protocol, TypeAlias

from perpkit.core.clock import Clock
from perpkit.core.errors import (
    AuthError,
    ConfigError,
    ConnectionLostError,
    DecodeError,
    HandshakeRefusedError,
    PerpkitError,
    RateLimitError,
    RequestTimeoutError,
    StreamError,
)
from perpkit.core.streams.connect import Connection, Connector, Pace, Take
from perpkit.core.streams.protocol import (
    Ack,
    AddressedSource,
    AnySource,
    Closing,
    Data,
    Decoder,
    Frame,
    Incoming,
    Refusal,
    Reply,
    SignedOut,
    StreamSource,
    Topic,
)
from perpkit.core.streams.settings import StreamSettings
from perpkit.core.streams.tasks import TaskSet, stop, within
from perpkit.core.transport.backoff import Backoff

_UNAUTHORIZED = frozenset({401, 403})

Receive: TypeAlias = Callable[[Data], None]
"""Takes what a topic brought. Synchronous, and it must not raise."""


class Sink(Protocol):
    """Where a link reports to. All of it is synchronous, and none of it may raise."""

    def topic_up(self, name: str) -> None:
        """The venue has confirmed a subscription."""

    def topics_down(self, names: Iterable[str], reason: str) -> None:
        """These topics bring nothing for now."""

    def topic_refused(self, name: str, error: PerpkitError) -> None:
        """The venue refuses a topic, for good. The link has forgotten it."""

    def failing(self, names: Iterable[str], failures: int, error: PerpkitError) -> None:
        """So many attempts in a row have failed."""


class _State(StrEnum):
    OFF = "off"
    SUBSCRIBING = "subscribing"
    ON = "on"
    UNSUBSCRIBING = "unsubscribing"


@dataclass(slots=True)
class _Line:
    """A topic on this link."""

    topic: Topic
    receive: Receive
    wanted: bool = True
    state: _State = _State.OFF
    refusals: int = 0
    not_before: float | None = None
    """After a rate limit: when to ask again."""


@dataclass(slots=True)
class _Asked:
    """A frame that waits for its answer. ``line`` is None for a sign-in."""

    line: _Line | None
    until: float
    answer: asyncio.Future[None] | None = None


@dataclass(slots=True)
class _Session:
    """What belongs to one connection and goes with it."""

    connection: Connection
    started: float
    asked: dict[int, _Asked] = field(default_factory=dict)
    replies: asyncio.Queue[Frame] = field(default_factory=asyncio.Queue)
    """What the venue asked to be answered with, not sent yet."""
    signed_in: bool = False
    sign_outs: int = 0
    closing: str | None = None


def _refusal_of_credentials(error: PerpkitError) -> PerpkitError | None:
    """Return what the error says about our credentials; None when it is about something else."""
    if isinstance(error, HandshakeRefusedError) and error.status in _UNAUTHORIZED:
        refusal = AuthError(error.message, status=error.status, venue=error.venue, operation=error.operation)
        refusal.__cause__ = error
        return refusal
    return error if isinstance(error, AuthError | ConfigError) else None


def _error_of(workers: Iterable[asyncio.Task[None]]) -> PerpkitError | None:
    """Return the first error that a finished worker ended with; one that is not ours is raised as it is."""
    errors = [error for each in workers if each.done() and not each.cancelled() and (error := each.exception())]
    for error in errors:
        if isinstance(error, PerpkitError):
            return error
        raise error
    return None


class Link:
    """
    One connection of a venue, remade as often as needed while any topic is wanted.

    Args:
        label: The plugin's name for the endpoint.
        pace: That of connection attempts, shared by all links of the venue.
        message_pace: That of subscribe and unsubscribe frames, shared alike; None where the venue caps none.
    """

    def __init__(
        self,
        label: str,
        *,
        venue: str,
        source: AnySource,
        connector: Connector,
        pace: Pace,
        message_pace: Pace | None = None,
        clock: Clock,
        rng: random.Random,
        settings: StreamSettings,
        sink: Sink,
        log: logging.Logger,
    ) -> None:
        self.label = label
        self._venue = venue
        self._source = source
        self._connector = connector
        self._pace = pace
        self._message_pace = message_pace
        self._clock = clock
        self._settings = settings
        self._sink = sink
        self._log = log
        self._lines: dict[str, _Line] = {}
        self._tasks = TaskSet(log)
        self._session: _Session | None = None
        self._changed = asyncio.Event()
        self._signing_in = asyncio.Lock()
        self._backoff = Backoff(settings.backoff_initial, settings.backoff_maximum, rng)
        self._failures = 0
        self._accepted_before = False
        self._refused_sign_ins = 0
        self._next_id = 0
        self._undecoded = 0
        self._hurried = False
        """The venue has announced its closing since the last connection that held: the next one backs off."""
        self._runner: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Future[object]] = set()

    def __repr__(self) -> str:
        up = "up" if self._session else "down"
        return f"<Link {self._venue} {self.label} {up}, {len(self._lines)} topics>"

    # What is wanted

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, topic: Topic, receive: Receive) -> None:
        """Want a topic, and have what it brings go to ``receive``; the first topic begins to connect."""
        line = self._lines.get(topic.name)
        if line is None:
            self._lines[topic.name] = _Line(topic, receive)
        else:
            line.wanted = True
            line.receive = receive
            if line.state is _State.ON:
                self._sink.topic_up(topic.name)
        self._changed.set()
        if self._runner is None or self._runner.done():
            self._runner = self._tasks.spawn(self._run(), f"{self._venue} stream {self.label}")

    def remove(self, name: str) -> None:
        """Want a topic no longer."""
        line = self._lines.get(name)
        if line is not None:
            line.wanted = False
            if line.state is _State.OFF:
                del self._lines[name]
            self._changed.set()

    def resubscribe(self, name: str) -> None:
        """Have the venue start a topic afresh, with a new snapshot where it sends one."""
        line = self._lines.get(name)
        if line is not None and line.state is _State.ON:
            line.state = _State.UNSUBSCRIBING
            self._changed.set()

    async def close(self) -> None:
        """End the connection, for good."""
        self._lines.clear()
        await self._tasks.close()
        while self._closing:
            await asyncio.wait(set(self._closing))

    # The life of the link

    async def _run(self) -> None:
        while self._lines:
            try:
                wait = await self._connect_and_serve()
            except PerpkitError as error:
                if (refusal := _refusal_of_credentials(error)) is not None:
                    self._refuse_private(refusal)
                wait = self._failed(error)
                if isinstance(error, RateLimitError | HandshakeRefusedError) and error.retry_after is not None:
                    wait = max(wait, error.retry_after)
            except Exception as error:  # noqa: BLE001 - logged, counted, and tried again with back-off
                self._log.exception("%s: the venue's plugin failed in a way that it should not", self)
                message = f"the plugin failed: {type(error).__name__}; see the log"
                wait = self._failed(StreamError(message, venue=self._venue, operation="stream"))
            if self._lines:
                await self._clock.sleep(wait.total_seconds())

    def _failed(self, error: PerpkitError) -> timedelta:
        """Count a failure, report it, and return how long to wait before the next try."""
        self._failures += 1
        names = list(self._lines)
        if names:
            self._log.warning("%s: %s (%d in a row)", self, error, self._failures)
            self._sink.topics_down(names, str(error))
            self._sink.failing(names, self._failures, error)
        return self._backoff.next()

    def _refuse_private(self, error: PerpkitError) -> None:
        """
        Credentials were refused. Those never accepted are given up at once: trying on would only lock the account.
        Those accepted before may have met a passing trouble and get a few more tries.
        """
        self._refused_sign_ins += 1
        if self._accepted_before and self._refused_sign_ins < self._settings.sign_in_attempts:
            return
        for line in [line for line in self._lines.values() if line.topic.private]:
            self._refuse(line, error)

    def _refuse(self, line: _Line, error: PerpkitError) -> None:
        self._lines.pop(line.topic.name, None)
        self._log.warning("%s: %s is refused: %s", self, line.topic.name, error)
        self._sink.topic_refused(line.topic.name, error)

    async def _connect_and_serve(self) -> timedelta:
        """Hold one connection from beginning to end, and return how long to wait before the next."""
        await self._pace.turn()
        endpoint = await self._source.endpoint(self.label)
        connection = await self._connector.connect(endpoint, self._source.traits)
        session = _Session(connection, self._clock.monotonic())
        self._session = session
        self._undecoded = 0
        self._changed.set()
        work = self._work_of(session)
        name = f"{self._venue} stream {self.label}"
        workers = [asyncio.create_task(each, name=f"{name}: {what}") for what, each in work.items()]
        try:
            await asyncio.wait(workers, return_when=asyncio.FIRST_COMPLETED)
            error = _error_of(workers) or self._loss_of(session)
            # Told before the connection is put away, which may take a while.
            self._sink.topics_down(list(self._lines), error.message)
        finally:
            self._session = None
            await self._put_away(session, workers)
        if self._clock.monotonic() - session.started >= self._settings.stable_after.total_seconds():
            self._backoff.reset()
            self._failures = 0
            self._hurried = False
        if session.closing is not None and not self._hurried:
            # Announced, and not again and again: there is nothing to back off from.
            self._hurried = True
            return timedelta(0)
        raise error

    def _work_of(self, session: _Session) -> dict[str, Coroutine[Any, Any, None]]:
        """Return what a connection keeps doing, by name."""
        source = self._source
        if isinstance(source, AddressedSource):
            # Before the first frame is read: what it brings belongs to topics that are up already.
            self._came_with_the_connection()
            return {
                "read": session.connection.deliver(self._intake(session, source.decoder(self.label))),
                "answer": self._answer(session),
                "follow what is wanted": self._keep_connected(session),
            }
        traits = source.traits
        work = {
            "read": session.connection.deliver(self._intake(session, source.decode)),
            "answer": self._answer(session),
            "subscribe": self._keep_subscribed(session, source),
            "watch answers": self._watch_answers(session),
        }
        if traits.keepalive_interval is not None:
            work["keep alive"] = self._keep_alive(session, source, traits.keepalive_interval)
        if traits.sign_in_again_after is not None:
            work["sign in again"] = self._sign_in_again(session, source, traits.sign_in_again_after)
        if traits.renew_after is not None:
            work["renew"] = self._renew(session, traits.renew_after)
        return work

    def _loss_of(self, session: _Session) -> PerpkitError:
        closed = session.connection.closed
        reason = session.closing or (f"{closed.code} {closed.reason}".strip() if closed is not None else "ended")
        message = f"the connection was lost: {reason}"
        return ConnectionLostError(message, venue=self._venue, operation="stream")

    async def _put_away(self, session: _Session, workers: list[asyncio.Task[None]]) -> None:
        """Leave nothing of a session behind, also when this is canceled halfway."""
        for line in list(self._lines.values()):
            line.state = _State.OFF
            if not line.wanted:
                del self._lines[line.topic.name]
        closing = asyncio.ensure_future(session.connection.close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)
        try:
            await stop(*workers)
        finally:
            _error_of(workers)  # seen, so that none is reported as never retrieved
            # Shielded: a socket must not stay open because its owner was in a hurry.
            await asyncio.shield(closing)

    # Reading

    def _intake(self, session: _Session, decode: Decoder) -> Take:
        """
        Return what a session's connection pushes its frames into. The hot path of everything.

        It wants no more once the connection's end is announced, and raises ConnectionLostError when too much can't be
        read.
        """
        now, lines, on = self._clock.now, self._lines, _State.ON

        def take(frame: Frame) -> bool:
            try:
                incoming = decode(frame, now())
            except DecodeError as error:
                self._log.warning("%s: a frame can't be read: %s", self, error)
                self._count_undecoded()
                return True
            except Exception:  # noqa: BLE001 - logged and counted; one frame must not end the rest
                self._log.exception("%s: the venue's decoder failed in a way that it should not", self)
                self._count_undecoded()
                return True
            self._undecoded = 0
            for item in incoming:
                if type(item) is Data:
                    line = lines.get(item.topic)
                    if line is not None and (line.state is on or self._counts_as_confirmed(session, line)):
                        line.receive(item)
                else:
                    self._heard(session, item)
            return session.closing is None

        return take

    async def _answer(self, session: _Session) -> None:
        """Send what the venue asked for; reading goes on meanwhile."""
        while True:
            frame = await session.replies.get()
            await session.connection.send(frame)

    def _count_undecoded(self) -> None:
        if any(line.topic.private for line in self._lines.values()):
            # It may have told of the account, whose events are never lost: what it said is read by REST.
            message = "a frame that may tell of the account can't be read; making the connection again"
            raise ConnectionLostError(message, venue=self._venue, operation="stream")
        self._undecoded += 1
        if self._undecoded >= self._settings.max_decode_errors:
            message = f"{self._undecoded} frames in a row can't be read; making the connection again"
            raise ConnectionLostError(message, venue=self._venue, operation="stream")

    def _counts_as_confirmed(self, session: _Session, line: _Line) -> bool:
        """Data of a topic that is being subscribed to confirms it; data of one being left is not wanted."""
        if line.state is not _State.SUBSCRIBING:
            return False
        for request_id, asked in list(session.asked.items()):
            if asked.line is line:
                del session.asked[request_id]
        self._confirm(line)
        return True

    def _heard(self, session: _Session, item: Incoming) -> None:
        if isinstance(item, Ack):
            self._acknowledged(session, item)
        elif isinstance(item, Refusal):
            self._refused(session, item)
        elif isinstance(item, Reply):
            session.replies.put_nowait(item.frame)
        elif isinstance(item, SignedOut):
            self._signed_out(session, item.reason)
        elif isinstance(item, Closing):
            session.closing = item.reason
        else:
            self._log.warning("%s: the decoder gave a %s, which means nothing here", self, type(item).__name__)

    # Where the address is the subscription

    def _came_with_the_connection(self) -> None:
        """Whoever has connected has subscribed, and the host has taken the credentials that came with the request."""
        self._accepted_before = True
        self._refused_sign_ins = 0
        for line in list(self._lines.values()):
            if line.wanted and line.state is _State.OFF:
                self._confirm(line)

    async def _keep_connected(self, session: _Session) -> None:
        """Confirm topics that are added, forget those left, and end the connection to start one afresh."""
        while True:
            self._changed.clear()
            for line in list(self._lines.values()):
                if not line.wanted:
                    self._left(line)
                elif line.state is _State.UNSUBSCRIBING:
                    session.closing = f"{line.topic.name} is started afresh"
                    return
            self._came_with_the_connection()
            await self._changed.wait()

    # Asking, and what is answered

    async def _keep_subscribed(self, session: _Session, source: StreamSource) -> None:
        """Ask for what is wanted and not there, for as long as the connection lives."""
        while True:
            self._changed.clear()
            for line in list(self._lines.values()):
                if len(session.asked) >= self._settings.max_in_flight:
                    break
                await self._bring_about(session, source, line)
            await self._changed.wait()

    async def _bring_about(self, session: _Session, source: StreamSource, line: _Line) -> None:
        if line.state is _State.OFF and line.wanted:
            if line.not_before is not None:
                if self._clock.monotonic() < line.not_before:
                    return
                line.not_before = None
            if line.topic.private and not session.signed_in:
                await self._sign_in(session, source)
            line.state = _State.SUBSCRIBING
            await self._ask(session, source, line, subscribe=True)
        elif line.state is _State.ON and not line.wanted:
            line.state = _State.UNSUBSCRIBING
            await self._ask(session, source, line, subscribe=False)
        elif line.state is _State.UNSUBSCRIBING and not any(asked.line is line for asked in session.asked.values()):
            await self._ask(session, source, line, subscribe=False)

    async def _ask(self, session: _Session, source: StreamSource, line: _Line, *, subscribe: bool) -> None:
        if self._message_pace is not None:
            await self._message_pace.turn()
        request_id = self._new_id()
        make = source.subscribe if subscribe else source.unsubscribe
        frame = make(line.topic, request_id)
        session.asked[request_id] = _Asked(line, self._deadline())
        await session.connection.send(frame)

    def _new_id(self) -> int:
        self._next_id += 1
        return self._next_id

    def _deadline(self) -> float:
        return self._clock.monotonic() + self._settings.ack_timeout.total_seconds()

    async def _watch_answers(self, session: _Session) -> None:
        """End the connection when the venue leaves a question open for too long."""
        while True:
            # Woken by time alone; half the limit keeps the answer's lateness within one and a half of it.
            await self._clock.sleep(self._settings.ack_timeout.total_seconds() / 2)
            now = self._clock.monotonic()
            for asked in session.asked.values():
                if asked.until <= now and asked.line is not None:
                    message = f"no answer about {asked.line.topic.name} within {self._settings.ack_timeout}"
                    raise RequestTimeoutError(message, venue=self._venue, operation="subscribe")
            if any(line.not_before is not None and line.not_before <= now for line in self._lines.values()):
                self._changed.set()

    def _find(self, session: _Session, request_id: int | None, topic: str | None) -> _Asked | None:
        """Find the question that an answer belongs to: by its id, by its topic, or because there is only one."""
        if request_id is not None:
            return session.asked.pop(request_id, None)
        for asked_id, asked in list(session.asked.items()):
            fits = asked.line is not None and asked.line.topic.name == topic
            if fits or (topic is None and len(session.asked) == 1):
                return session.asked.pop(asked_id)
        return None

    def _acknowledged(self, session: _Session, ack: Ack) -> None:
        asked = self._find(session, ack.request_id, ack.topic)
        if asked is None:
            return
        if asked.line is None:
            if asked.answer is not None and not asked.answer.done():
                asked.answer.set_result(None)
        elif asked.line.state is _State.SUBSCRIBING:
            self._confirm(asked.line)
        elif asked.line.state is _State.UNSUBSCRIBING:
            self._left(asked.line)
        self._changed.set()

    def _confirm(self, line: _Line) -> None:
        line.state = _State.ON
        line.refusals = 0
        self._changed.set()
        if line.wanted:
            self._sink.topic_up(line.topic.name)

    def _left(self, line: _Line) -> None:
        line.state = _State.OFF
        if not line.wanted:
            self._lines.pop(line.topic.name, None)
        self._changed.set()

    def _refused(self, session: _Session, refusal: Refusal) -> None:
        asked = self._find(session, refusal.request_id, refusal.topic)
        self._changed.set()
        if asked is None:
            self._log.warning("%s: the venue refused something that was not asked: %s", self, refusal.error)
            return
        line, error = asked.line, refusal.error
        if line is None:
            if asked.answer is not None and not asked.answer.done():
                if refusal.already:
                    asked.answer.set_result(None)
                else:
                    asked.answer.set_exception(error)
        elif line.state is _State.UNSUBSCRIBING:
            if not refusal.already:
                self._log.warning("%s: leaving %s was refused: %s", self, line.topic.name, error)
            self._left(line)
        elif refusal.already:
            self._confirm(line)
        elif isinstance(error, RateLimitError):
            line.state = _State.OFF
            wait = max(self._backoff.next(), error.retry_after or timedelta(0))
            line.not_before = self._clock.monotonic() + wait.total_seconds()
            self._log.warning("%s: %s has to wait %s: %s", self, line.topic.name, wait, error)
        elif isinstance(error, AuthError) and line.topic.private and not line.refusals:
            # The sign-in may have run out between the two frames: once more, with a fresh one.
            line.refusals += 1
            line.state = _State.OFF
            session.signed_in = False
        else:
            self._refuse(line, error)

    # Signing in

    async def _sign_in(self, session: _Session, source: StreamSource, *, again: bool = False) -> None:
        async with self._signing_in:
            if session.signed_in and not again:
                return
            request_id = self._new_id()
            frame = await source.sign_in(self.label, request_id)
            if frame is not None:
                await self._exchange(session, request_id, frame)
            session.signed_in = True
            self._accepted_before = True
            self._refused_sign_ins = 0

    async def _exchange(self, session: _Session, request_id: int, frame: Frame) -> None:
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        session.asked[request_id] = _Asked(None, self._deadline(), answer)
        try:
            await session.connection.send(frame)
            await within(self._clock, answer, self._settings.ack_timeout)
        except TimeoutError:
            message = f"no answer to the sign-in within {self._settings.ack_timeout}"
            raise RequestTimeoutError(message, venue=self._venue, operation="sign in") from None
        finally:
            session.asked.pop(request_id, None)

    def _signed_out(self, session: _Session, reason: str) -> None:
        """The venue has ended the sign-in: what is private may miss something, and is subscribed to again."""
        session.sign_outs += 1
        if session.sign_outs > self._settings.sign_in_attempts:
            message = f"signed out {session.sign_outs} times on one connection: {reason}"
            raise ConnectionLostError(message, venue=self._venue, operation="stream")
        session.signed_in = False
        private = [line for line in self._lines.values() if line.topic.private]
        for line in private:
            if line.state is not _State.OFF:
                line.state = _State.OFF
        for request_id, asked in list(session.asked.items()):
            if asked.line is not None and asked.line.topic.private:
                del session.asked[request_id]
        self._sink.topics_down([line.topic.name for line in private], f"signed out: {reason}")
        self._changed.set()

    async def _sign_in_again(self, session: _Session, source: StreamSource, every: timedelta) -> None:
        """Renew the sign-in before it runs out, without touching the subscriptions."""
        while True:
            await self._clock.sleep(every.total_seconds())
            if session.signed_in:
                await self._sign_in(session, source, again=True)

    async def _renew(self, session: _Session, after: timedelta) -> None:
        """End a connection that is signed in before its sign-in runs out; the next one follows at once."""
        while True:
            await self._clock.sleep(after.total_seconds())
            if session.signed_in:
                session.closing = "it is made again before its sign-in runs out"
                return

    async def _keep_alive(self, session: _Session, source: StreamSource, every: timedelta) -> None:
        while True:
            await self._clock.sleep(every.total_seconds())
            frame = source.keepalive()
            if frame is not None:
                await session.connection.send(frame)
