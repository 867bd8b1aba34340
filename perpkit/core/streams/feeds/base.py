"""
The life of a feed, whatever its channel.

While the wire is not up, or the first state is not there, what the stream brings is kept aside. ``catch_up`` reads
what is missing by REST, then what was kept aside follows, then the feed is live. A channel says how it reads, what is
news to it, and how it shows its state to a consumer that comes later.
"""

from __future__ import annotations

import logging
import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import ClassVar, Protocol

from perpkit.core.clock import Clock
from perpkit.core.errors import (
    AuthError,
    CapabilityError,
    ConfigError,
    InvalidRequestError,
    PerpkitError,
    StreamAuthError,
    StreamError,
    StreamGapError,
    UnknownMarketError,
)
from perpkit.core.models import Event, Fill, MarketId, Order, StreamState, Subscription
from perpkit.core.streams.delivery import EventStream, Key
from perpkit.core.streams.protocol import Data
from perpkit.core.streams.reads import READ_FOR, Snapshots
from perpkit.core.streams.settings import StreamSettings
from perpkit.core.streams.shared import SharedReads
from perpkit.core.transport.backoff import Backoff

FINAL = (AuthError, CapabilityError, ConfigError, InvalidRequestError, UnknownMarketError)
"""Answers to a read that will be the same next time."""


class Phase(StrEnum):
    """Where a feed is."""

    WAITING = "waiting"
    """For the wire, the first time or again."""
    SYNCING = "syncing"
    LIVE = "live"
    POLLING = "polling"
    REFUSED = "refused"


class OrderMemory(Protocol):
    """What the venue's face knows of its orders; every telling that passes is told to it too."""

    def observe(self, order: Order) -> Order | None: ...

    def observe_fill(self, fill: Fill) -> Order | None: ...


@dataclass(frozen=True, slots=True)
class Site:
    """
    What feeds are given to work with.

    Attributes:
        shared: Those reads that several feeds can have in one.
        supports: Whether the venue has a hook.
        resubscribe: Asks for the topics of a feed to be subscribed to again.
        resync: Asks for ``sync`` to be run, unless it is running.
        fall_back: Asks for a feed to be polled until its stream brings what it should.
        resync_book_by_rest: Whether a book is fetched after a gap, and not subscribed to again.
        blind_for: How long a connection can be dead before it is noticed.
        orders: Told of every order and fill that passes; None where nobody wants to know.
    """

    venue: str
    reads: Snapshots
    shared: SharedReads
    supports: Callable[[str], bool]
    clock: Clock
    rng: random.Random
    settings: StreamSettings
    log: logging.Logger
    resubscribe: Callable[[Feed], None]
    resync: Callable[[Feed], None]
    fall_back: Callable[[Feed], None]
    resync_book_by_rest: Callable[[], bool]
    blind_for: Callable[[], timedelta]
    orders: OrderMemory | None = None


class Feed(ABC):
    """
    One subscription, shared by the consumers that follow it.

    Attributes:
        subscription: What is followed.
        key: Channel and market id.
        consumers: Those who follow.
        phase: Where it is.
        was_live: It has delivered its first state, so what comes after a loss is a resync.
        choked: So many messages in a row could not be taken in.
    """

    kinds: ClassVar[tuple[type, ...]]
    """Events of which classes belong to this channel; a topic may bring others too."""

    keeps_aside: ClassVar[bool] = True
    """Whether what the stream brings waits until what comes before it has been read."""

    starts_with_state: ClassVar[bool] = False
    """Whether consumers are promised a first state by REST, for which everything else waits however long it takes."""

    tells_gap: ClassVar[bool] = True
    """Whether something is missing for good where the venue offers no read to catch up with."""

    def __init__(self, subscription: Subscription, site: Site) -> None:
        self.subscription = subscription
        self.key: Key = subscription.key
        self.consumers: list[EventStream] = []
        self.phase = Phase.WAITING
        self.was_live = False
        self.refusal: PerpkitError | None = None
        self.choked = 0
        self._site = site
        self._market_id: MarketId | None = subscription.market_id
        self._aside: list[Data] | None = [] if self.keeps_aside else None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.subscription} {self.phase}, {len(self.consumers)} consumers>"

    @property
    def can_read(self) -> bool:
        """Whether the venue has the read that this channel catches up and polls with."""
        return self._site.supports(READ_FOR[self.subscription.channel])

    # What a channel fills in

    async def prepare(self) -> None:
        """Read what must be known before the first event. Called once, before subscribing."""
        self._site.log.debug("%s needs nothing before it starts", self.subscription)

    @abstractmethod
    async def catch_up(self) -> None:
        """After (re)subscribing: read what is missing and deliver it. Raises what the read raises."""

    async def look_again(self) -> None:
        """After a resync: look once more, where the venue may have written something late."""
        self._site.log.debug("%s needs no second look", self.subscription)

    @abstractmethod
    async def poll(self) -> None:
        """Without a stream: read, and deliver what is new. Raises what the read raises."""

    @abstractmethod
    def process(self, data: Data) -> None:
        """Deliver what is news in what the stream brought."""

    @abstractmethod
    def replay(self, stream: EventStream) -> None:
        """Deliver the present state to a consumer that came later."""

    def went_down(self, reason: str) -> None:
        """Note that the wire is gone; what comes next comes from another connection."""
        self._site.log.debug("%s: %s", self.subscription, reason)

    # Consumers

    def attach(self, stream: EventStream) -> None:
        """Take in a consumer: it gets the present state, then what is new."""
        self.consumers.append(stream)
        if self.refusal is not None:
            stream.fail(self.key, self.refusal, final=True)
            return
        if not (self.was_live or self.phase is Phase.POLLING):
            return
        self.replay(stream)
        if self.phase is Phase.LIVE:
            stream.report(self.key, StreamState.LIVE)
        elif self.phase is Phase.POLLING:
            stream.report(self.key, StreamState.POLLING, "streaming keeps failing")
        else:
            stream.lost([self.key], "the connection is being made again")

    def detach(self, stream: EventStream) -> None:
        """Let a consumer go."""
        if stream in self.consumers:
            self.consumers.remove(stream)

    def deliver(self, event: Event) -> None:
        """Hand an event that is never dropped to every consumer."""
        for consumer in self.consumers:
            consumer.put(event)

    def report(self, state: StreamState, reason: str | None = None) -> None:
        """Tell every consumer of this feed's state."""
        for consumer in self.consumers:
            consumer.report(self.key, state, reason)

    # The wire's side

    def receive(self, data: Data) -> None:
        """Take what the stream brought."""
        if self._aside is None:
            self.process(data)
        else:
            self._aside.append(data)

    def lose(self, reason: str) -> bool:
        """The wire is gone. Returns whether consumers are to be told."""
        if self.was_live or self.phase is Phase.POLLING or not self.starts_with_state:
            # What did arrive is news however the connection ended.
            self._let_in()
        if self.keeps_aside:
            self._aside = []
        self.went_down(reason)
        if self.phase in {Phase.POLLING, Phase.REFUSED}:
            return False
        self.phase = Phase.WAITING
        return True

    def refuse(self, error: PerpkitError) -> None:
        """The venue will not serve this: tell every consumer, for good."""
        self.phase = Phase.REFUSED
        self.refusal = self._stream_error(error)
        for consumer in self.consumers:
            consumer.fail(self.key, self.refusal, final=True)

    def complain(self, error: PerpkitError) -> None:
        """Raise an error in every consumer; the feed goes on trying."""
        for consumer in self.consumers:
            consumer.fail(self.key, error, final=False)

    async def sync(self) -> None:
        """
        Come live after the wire is up: catch up, however often it takes, and tell.

        A first state that is promised is waited for. Otherwise what the stream brings meanwhile is held back only until
        the first read fails, since every channel can tell old from new.
        """
        if self.phase is not Phase.POLLING:
            self.phase = Phase.SYNCING
        backoff = self._backoff()
        failures = 0
        while True:
            try:
                await self.catch_up()
                break
            except PerpkitError as error:
                failures += 1
                if isinstance(error, FINAL) and not self.was_live:
                    self.refuse(error)
                    return
                self._failed_to_catch_up(error, failures)
            except Exception:
                failures += 1
                self._site.log.exception("%s: catching up failed in a way that its venue's plugin should not", self)
                self._failed_to_catch_up(StreamError("the venue's plugin failed; see the log"), failures)
            await self._site.clock.sleep(backoff.next().total_seconds())
        self._let_in()
        self.came_live()

    def _failed_to_catch_up(self, error: PerpkitError, failures: int) -> None:
        self._site.log.warning("%s: catching up failed (%d in a row): %s", self.subscription, failures, error)
        if self.was_live or not self.starts_with_state:
            self._let_in()
        if self.was_live and failures == 1 and self.phase is not Phase.POLLING:
            self.report(StreamState.GAP, f"catching up failed, trying again: {error}")
        if failures == self._site.settings.sync_attempts and self.phase is not Phase.POLLING:
            what = "what was missed" if self.was_live else "its first state"
            message = f"{what} of {self.subscription} can't be read after {failures} attempts, trying on: {error}"
            kind = StreamGapError if self.was_live else StreamError
            self.complain(kind(message, venue=self._site.venue, operation="stream"))
            if self.can_read:
                self._site.fall_back(self)

    def came_live(self) -> None:
        """Tell that the feed is live, or back."""
        back = self.was_live
        self.phase = Phase.LIVE
        self.was_live = True
        if back and self.tells_gap and not self.can_read:
            hook = READ_FOR[self.subscription.channel]
            self.report(StreamState.GAP, f"the venue has no {hook}; what happened during the loss can't be read")
        self.report(StreamState.RESYNCED if back else StreamState.LIVE)

    def came_by_polling(self) -> None:
        """Tell that events now come from REST."""
        self._let_in()
        self.phase = Phase.POLLING
        self.report(StreamState.POLLING, "no stream; reading by REST")

    def _let_in(self) -> None:
        """Process what was kept aside, and keep nothing aside from now on."""
        if self._aside is not None:
            kept, self._aside = self._aside, None
            for data in kept:
                try:
                    self.process(data)
                except Exception:
                    self._site.log.exception("%s: what the stream brought can't be taken in", self)

    def _backoff(self) -> Backoff:
        settings = self._site.settings
        return Backoff(settings.backoff_initial, settings.backoff_maximum, self._site.rng)

    def _stream_error(self, error: PerpkitError) -> PerpkitError:
        if isinstance(error, StreamError):
            return error
        kind = StreamAuthError if isinstance(error, AuthError | ConfigError) else StreamError
        refused = kind(f"{self.subscription} is refused: {error}", venue=self._site.venue, operation="stream")
        refused.__cause__ = error
        return refused

    def _is_ours(self, event: Event) -> bool:
        # isinstance alone says "no" slowly: pydantic answers it in Python.
        if type(event) not in self.kinds and not isinstance(event, self.kinds):
            return False
        market_id = self._market_id
        return market_id is None or getattr(event, "market_id", None) == market_id

    def _wait_limit(self) -> timedelta:
        return self._site.settings.first_data_timeout
