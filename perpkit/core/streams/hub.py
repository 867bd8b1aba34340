"""
:class:`StreamHub`: everything that streams from one opened venue. Consumers come in, feeds are shared between them,
topics are spread over links, and each feed is told when its wire is up, down or refused.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Self

from perpkit.core.clock import Clock
from perpkit.core.errors import CapabilityError, PerpkitError, StreamError
from perpkit.core.models import Channel, MarketId, Subscription
from perpkit.core.streams.connect import Connector, Pace, WebSocketConnector
from perpkit.core.streams.delivery import EventStream, Key
from perpkit.core.streams.feeds import Feed, Phase, Site, feed_for
from perpkit.core.streams.feeds.base import OrderMemory
from perpkit.core.streams.link import Link
from perpkit.core.streams.polling import Pollers
from perpkit.core.streams.protocol import AnySource, Data, Topic
from perpkit.core.streams.reads import READ_FOR, Snapshots
from perpkit.core.streams.settings import StreamSettings
from perpkit.core.streams.shared import SharedReads
from perpkit.core.streams.tasks import TaskSet, stop

if TYPE_CHECKING:
    from perpkit.core.context import VenueContext
    from perpkit.core.venue import Venue


@dataclass(slots=True)
class _Route:
    """
    A topic, the link that carries it, and the feeds that it serves: a tuple, so that one that leaves while data is
    handed out disturbs nobody.

    Attributes:
        failed: Told of a feed that could not take in what came, while its error is being handled.
    """

    topic: Topic
    link: Link
    failed: Callable[[Feed], None]
    feeds: tuple[Feed, ...] = ()
    up: bool = False

    def receive(self, data: Data) -> None:
        """Hand data to the feeds. One that fails must not stop the others, nor the connection."""
        for feed in self.feeds:
            try:
                feed.receive(data)
                feed.choked = 0
            except Exception:  # noqa: BLE001 - logged by the hub, and mended by catching up
                self.failed(feed)


@dataclass(slots=True)
class _Wiring:
    """How a feed is served: its topics, and the tasks that bring it up."""

    topics: tuple[Topic, ...]
    starting: asyncio.Task[None] | None = None
    syncing: asyncio.Task[None] | None = None


class StreamHub:
    """
    Streams of one opened venue.

    Nothing is connected until a consumer comes, and nothing is left when the last has gone. :meth:`open` gives a
    consumer its stream; :meth:`close` ends all of them.

    Args:
        open_source: The plugin's ``open_stream``; it gives None where there is none. Called once, with the first
            subscriptions; the source is asked for the topics of later ones too.
        reads: REST reads for first states, resyncs and polling.
        supports: Whether the venue has a hook.
        rng: Jitter; seed it to repeat a run.
        tracker: What the face knows of its orders; told of every order and fill that passes.
    """

    def __init__(
        self,
        *,
        venue: str,
        open_source: Callable[[Sequence[Subscription]], AnySource | None],
        reads: Snapshots,
        supports: Callable[[str], bool],
        connector: Connector,
        clock: Clock,
        rng: random.Random,
        settings: StreamSettings | None = None,
        tracker: OrderMemory | None = None,
        log: logging.Logger | None = None,
    ) -> None:
        self._venue = venue
        self._open_source = open_source
        self._supports = supports
        self._connector = connector
        self._clock = clock
        self._rng = rng
        self._settings = settings or StreamSettings()
        self._log = log or logging.getLogger(f"perpkit.streams.{venue}")
        self._tasks = TaskSet(self._log)
        self._source: AnySource | None = None
        self._sought_source = False
        self._pace: Pace | None = None
        self._message_pace: Pace | None = None
        self._links: list[Link] = []
        self._dying: list[Link] = []
        self._routes: dict[str, _Route] = {}
        self._feeds: dict[Key, Feed] = {}
        self._wirings: dict[Feed, _Wiring] = {}
        self._streams: list[EventStream] = []
        self._closed = False
        self._shared = SharedReads(reads)
        self._pollers = Pollers(
            clock=clock,
            rng=rng,
            settings=self._settings,
            tasks=self._tasks,
            refuse=self._refuse,
            log=self._log,
        )
        self._site = Site(
            venue=venue,
            reads=reads,
            shared=self._shared,
            supports=supports,
            clock=clock,
            rng=rng,
            settings=self._settings,
            log=self._log,
            resubscribe=self._resubscribe,
            resync=self._resync,
            fall_back=self._pollers.start,
            resync_book_by_rest=lambda: self._source is not None and self._source.traits.book_resync == "rest",
            blind_for=lambda: self._source.traits.silence_timeout if self._source is not None else timedelta(0),
            orders=tracker,
        )

    @classmethod
    def for_venue(
        cls,
        venue: Venue,
        context: VenueContext,
        *,
        open_source: Callable[[Sequence[Subscription]], AnySource | None],
        tracker: OrderMemory | None = None,
        settings: StreamSettings | None = None,
    ) -> Self:
        """Make the hub of a venue's face, with that venue's clock, limits, redaction and recorders."""
        connector = WebSocketConnector(
            context.venue,
            context.clock,
            redactor=context.redactor,
            recorders=context.recorders,
            limiter=context.limiter,
        )
        return cls(
            venue=context.venue,
            open_source=open_source,
            reads=venue,
            supports=lambda hook: hook in venue.capabilities.hooks,
            connector=connector,
            clock=context.clock,
            rng=context.rng,
            settings=settings,
            tracker=tracker,
        )

    # Consumers

    def open(self, subscriptions: Iterable[Subscription]) -> EventStream:
        """
        Return a stream of these subscriptions, to use with ``async with``; nothing happens before.

        A subscription of one market is left out where the same channel is followed for the whole account.

        Raises:
            ValueError: Nothing to follow, or market data without a market.
            StreamError: The hub is closed.
        """
        wanted = list(dict.fromkeys(subscriptions))
        whole = {each.channel for each in wanted if each.market is None}
        wanted = [each for each in wanted if each.market is None or each.channel not in whole]
        if not wanted:
            raise ValueError("no subscription given: there is nothing to follow")
        for each in wanted:
            if each.market is None and not each.channel.is_private:
                raise ValueError(f"channel {each.channel} needs a market")
        if self._closed:
            raise StreamError("the venue is closed", venue=self._venue, operation="stream")
        return EventStream(wanted, clock=self._clock, settings=self._settings, join=self._join, leave=self._leave)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """End every stream, connection and task. Closing twice is harmless."""
        self._closed = True
        for stream in self._streams:
            stream.end("the venue is closed")
        self._streams.clear()
        self._feeds.clear()
        self._wirings.clear()
        self._routes.clear()
        for link in list(self._links):
            self._bury(link)
        try:
            await self._tasks.close()
        finally:
            # Again for those whose burial was just cut short: closing a link twice is harmless.
            await asyncio.gather(self._shared.close(), *(link.close() for link in self._dying))
            self._dying.clear()

    def _join(self, stream: EventStream) -> None:
        """Take in a consumer: make what feeds are missing, all or none of them."""
        if self._closed:
            raise StreamError("the venue is closed", venue=self._venue, operation="stream")
        missing = [each for each in stream.subscriptions if each.key not in self._feeds]
        planned = [(each, self._plan(each, missing)) for each in missing]
        for subscription, topics in planned:
            feed = feed_for(subscription, self._site)
            self._feeds[feed.key] = feed
            self._wirings[feed] = wiring = _Wiring(topics)
            wiring.starting = self._tasks.spawn(self._start(feed, wiring), f"start {subscription}")
        self._streams.append(stream)
        for subscription in stream.subscriptions:
            self._feeds[subscription.key].attach(stream)

    def _plan(self, subscription: Subscription, missing: Sequence[Subscription]) -> tuple[Topic, ...]:
        """Return the topics that serve a subscription; none when it has to be polled."""
        if not self._sought_source:
            self._source = self._open_source(missing)
            self._sought_source = True
            if self._source is not None:
                traits = self._source.traits
                self._pace = Pace(self._clock, traits.max_connects, traits.connects_per)
                if traits.max_messages is not None:
                    self._message_pace = Pace(self._clock, traits.max_messages, traits.messages_per)
        topics: tuple[Topic, ...] = ()
        if self._source is not None:
            try:
                topics = tuple(self._source.topics(subscription))
            except CapabilityError as error:
                self._log.info("%s is not streamed, it will be polled: %s", subscription, error)
        hook = READ_FOR[subscription.channel]
        if not topics and not self._supports(hook):
            message = f"{subscription} can be had neither by a stream nor by {hook}"
            raise CapabilityError(message, venue=self._venue, operation="stream")
        return topics

    async def _leave(self, stream: EventStream) -> None:
        """Let a consumer go, and with the last one of a feed the feed and what carried it."""
        if stream in self._streams:
            self._streams.remove(stream)
        for subscription in stream.subscriptions:
            feed = self._feeds.get(subscription.key)
            if feed is not None:
                feed.detach(stream)
                if not feed.consumers:
                    del self._feeds[subscription.key]
                    await self._retire(feed)

    async def _retire(self, feed: Feed) -> None:
        wiring = self._wirings.pop(feed, None)
        burials = self._unroute(feed)
        await self._pollers.stop(feed)
        if wiring is not None:
            await stop(wiring.starting, wiring.syncing)
        if burials:
            await asyncio.wait(burials)

    def _bury(self, link: Link) -> asyncio.Task[None]:
        """Close a link that is needed no more, in a task of its own, so that nobody's cancellation leaves it open."""
        self._links.remove(link)
        self._dying.append(link)

        async def close() -> None:
            await link.close()
            self._dying.remove(link)

        return self._tasks.spawn(close(), f"close {link.label}")

    def _unroute(self, feed: Feed) -> list[asyncio.Task[None]]:
        """Take a feed off its topics, and close the links that carry nothing any more."""
        burials = []
        for name, route in list(self._routes.items()):
            if feed in route.feeds:
                route.feeds = tuple(other for other in route.feeds if other is not feed)
                if not route.feeds:
                    del self._routes[name]
                    route.link.remove(name)
                    if not any(other.link is route.link for other in self._routes.values()):
                        burials.append(self._bury(route.link))
        return burials

    # Bringing feeds up

    async def _start(self, feed: Feed, wiring: _Wiring) -> None:
        """Prepare a feed, then put it on the wire or have it polled."""
        try:
            await feed.prepare()
        except PerpkitError as error:
            self._refuse(feed, error)
            return
        except Exception as error:  # noqa: BLE001 - logged, and told to the consumers
            self._log.exception("%s can't be started", feed)
            message = f"the venue's plugin failed: {type(error).__name__}; see the log"
            self._refuse(feed, StreamError(message, venue=self._venue, operation="stream"))
            return
        if not wiring.topics:
            self._pollers.start(feed)
            return
        for topic in wiring.topics:
            route = self._routes.get(topic.name)
            if route is None:
                route = self._routes[topic.name] = _Route(topic, self._link_for(topic), self._choked)
            route.feeds = (*route.feeds, feed)
            if route.up:
                continue
            route.link.add(topic, route.receive)
        self._sync_if_up(feed)

    def _link_for(self, topic: Topic) -> Link:
        """Return a link with room for one more topic, made if there is none."""
        source, pace = self._source, self._pace
        if source is None or pace is None:
            message = "there is no source of streams"
            raise StreamError(message, venue=self._venue, operation="stream")
        most = source.traits.max_topics_per_connection
        for link in self._links:
            if link.label == topic.connection and (most is None or len(link) < most):
                return link
        link = Link(
            topic.connection,
            venue=self._venue,
            source=source,
            connector=self._connector,
            pace=pace,
            message_pace=self._message_pace,
            clock=self._clock,
            rng=self._rng,
            settings=self._settings,
            sink=self,
            log=self._log,
        )
        self._links.append(link)
        return link

    def _sync_if_up(self, feed: Feed) -> None:
        wiring = self._wirings.get(feed)
        if wiring is None or feed.phase is Phase.REFUSED:
            return
        routes = [self._routes.get(topic.name) for topic in wiring.topics]
        if all(route is not None and route.up and feed in route.feeds for route in routes):
            self._resync(feed)

    def _resync(self, feed: Feed) -> None:
        """Have a feed catch up, unless it is doing so."""
        wiring = self._wirings.get(feed)
        if wiring is not None and (wiring.syncing is None or wiring.syncing.done()):
            wiring.syncing = self._tasks.spawn(self._sync(feed), f"sync {feed.subscription}")

    async def _sync(self, feed: Feed) -> None:
        back = feed.was_live
        await feed.sync()
        if feed.phase is Phase.LIVE:
            await self._pollers.stop(feed)
            if back:
                await feed.look_again()
        elif feed.phase is Phase.REFUSED:
            self._abandon(feed)

    def _resubscribe(self, feed: Feed) -> None:
        """Have a feed's topics started afresh. Others on the same topic miss something, and have to catch up too."""
        for route in self._routes.values():
            if feed in route.feeds and route.up:
                route.up = False
                self._lose([other for other in route.feeds if other is not feed], "the topic is started afresh")
                route.link.resubscribe(route.topic.name)

    def _refuse(self, feed: Feed, error: PerpkitError) -> None:
        feed.refuse(error)
        self._abandon(feed)

    def _abandon(self, feed: Feed) -> None:
        """Serve a refused feed no longer."""
        self._pollers.cancel(feed)
        self._unroute(feed)

    # What links report

    def _choked(self, feed: Feed) -> None:
        """Have a feed catch up that could not take in what came; give it up when that goes on without end."""
        self._log.exception("%s: what the stream brought can't be taken in; catching up instead", feed)
        feed.choked += 1
        if feed.choked < self._settings.max_decode_errors:
            self._resync(feed)
        else:
            message = f"{feed.choked} messages in a row can't be taken in; see the log"
            self._refuse(feed, StreamError(message, venue=self._venue, operation="stream"))

    def topic_up(self, name: str) -> None:
        """Let the feeds of a topic catch up."""
        route = self._routes.get(name)
        if route is not None:
            route.up = True
            for feed in route.feeds:
                self._sync_if_up(feed)

    def topics_down(self, names: Iterable[str], reason: str) -> None:
        """Tell the feeds of these topics, and each consumer once for all of them."""
        feeds: dict[Feed, None] = {}
        for name in names:
            route = self._routes.get(name)
            if route is not None:
                route.up = False
                feeds.update(dict.fromkeys(route.feeds))
        self._lose(feeds, reason)

    def _lose(self, feeds: Iterable[Feed], reason: str) -> None:
        told: dict[EventStream, list[tuple[Channel, MarketId | None]]] = {}
        for feed in feeds:
            wiring = self._wirings.get(feed)
            if wiring is not None and wiring.syncing is not None:
                wiring.syncing.cancel()
                wiring.syncing = None
            if feed.lose(reason):
                for consumer in feed.consumers:
                    told.setdefault(consumer, []).append(feed.key)
        for consumer, keys in told.items():
            consumer.lost(keys, reason)

    def topic_refused(self, name: str, error: PerpkitError) -> None:
        """Refuse the feeds that need the topic."""
        route = self._routes.get(name)
        for feed in route.feeds if route is not None else ():
            self._refuse(feed, error)

    def failing(self, names: Iterable[str], failures: int, error: PerpkitError) -> None:
        """After enough failures in a row, have the feeds polled, or tell their consumers that they can't be."""
        if failures < self._settings.failures_before_polling:
            return
        for name in names:
            route = self._routes.get(name)
            for feed in route.feeds if route is not None else ():
                if feed.can_read:
                    self._pollers.start(feed)
                elif failures == self._settings.failures_before_polling:
                    message = f"{feed.subscription} can't be streamed ({failures} attempts, trying on): {error}"
                    feed.complain(StreamError(message, venue=self._venue, operation="stream"))

    def __repr__(self) -> str:
        return f"<StreamHub {self._venue} {len(self._feeds)} feeds, {len(self._links)} links>"
