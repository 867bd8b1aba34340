"""A venue made of lists: a scripted source, connections that tests hold in their hands, reads that answer as told."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from perpkit.core.errors import CapabilityError, ConnectError, ConnectionLostError, NotSentError, PerpkitError
from perpkit.core.models import (
    Balance,
    BookDelta,
    BookLevel,
    BookSnapshot,
    Channel,
    Event,
    Fill,
    FundingAccrual,
    FundingKind,
    FundingPayment,
    FundingRate,
    Instrument,
    Market,
    MarketStatus,
    Order,
    OrderStatus,
    OrderType,
    Position,
    PriceKind,
    Side,
    StreamState,
    StreamStatus,
    Subscription,
    Ticker,
    Trade,
)
from perpkit.core.streams.connect import Take
from perpkit.core.streams.delivery import EventStream
from perpkit.core.streams.hub import StreamHub
from perpkit.core.streams.protocol import (
    Ack,
    Data,
    Decoder,
    Frame,
    Incoming,
    StreamEndpoint,
    StreamTraits,
    Topic,
)
from perpkit.core.streams.reads import READ_FOR
from perpkit.core.streams.settings import StreamSettings
from perpkit.core.transport.ws import Closed
from tests.core.clocks import START, ManualClock

D = Decimal


def market(base: str = "BTC") -> Market:
    return Market(
        venue="toy",
        symbol=f"{base}_PERP",
        instrument=Instrument.of(base, "USD", "USDC"),
        tick_size=D("0.5"),
        step_size=D("0.001"),
        status=MarketStatus.OPEN,
    )


BTC, ETH = market("BTC"), market("ETH")


def at(seconds: float) -> datetime:
    """The venue's time so many seconds after the clock's start."""
    return START + timedelta(seconds=seconds)


def sub(channel: Channel, of: Market | None = None) -> Subscription:
    return Subscription(channel=channel, market=of)


BOOK, TRADES, TICKER, FUNDING = (
    sub(Channel.BOOK, BTC),
    sub(Channel.TRADES, BTC),
    sub(Channel.TICKER, BTC),
    sub(Channel.FUNDING, BTC),
)
ORDERS, FILLS, POSITIONS, BALANCES, PAYMENTS = (
    sub(Channel.ORDERS),
    sub(Channel.FILLS),
    sub(Channel.POSITIONS),
    sub(Channel.BALANCES),
    sub(Channel.FUNDING_PAYMENTS),
)


# Events, with every field given by name winning over the default


def levels(*pairs: tuple[str, str]) -> tuple[BookLevel, ...]:
    return tuple(BookLevel(D(price), D(size)) for price, size in pairs)


def snapshot(sequence: int | None = 1, bids=(("99", "1"),), asks=(("101", "1"),), of: Market = BTC) -> BookSnapshot:
    return BookSnapshot(market_id=of.id, bids=levels(*bids), asks=levels(*asks), sequence=sequence, ts_received=START)


def delta(sequence: int, bids=(), asks=(), previous: int | None = None, of: Market = BTC) -> BookDelta:
    return BookDelta(
        market_id=of.id,
        bids=levels(*bids),
        asks=levels(*asks),
        previous_sequence=sequence - 1 if previous is None else previous,
        sequence=sequence,
        ts_received=START,
    )


def trade(trade_id: str, when: float = 0, of: Market = BTC) -> Trade:
    return Trade(
        trade_id=trade_id,
        market_id=of.id,
        side=Side.BUY,
        price=D(100),
        size=D(1),
        ts_venue=at(when),
        ts_received=START,
    )


def ticker(last: str, when: float | None = None, of: Market = BTC) -> Ticker:
    ts_venue = None if when is None else at(when)
    return Ticker(market_id=of.id, last_price=D(last), ts_venue=ts_venue, ts_received=START)


def rate(value: str, when: float = 0, of: Market = BTC) -> FundingRate:
    return FundingRate(
        market_id=of.id,
        value=D(value),
        period=timedelta(hours=8),
        kind=FundingKind.CURRENT,
        accrual=FundingAccrual.CONTINUOUS,
        effective_at=at(when),
        notional_price=PriceKind.MARK,
        source="toy",
        ts_received=START,
    )


def order(order_id: str, status: OrderStatus = OrderStatus.OPEN, sequence: int | None = None, **fields: Any) -> Order:
    defaults: dict[str, Any] = {
        "market_id": BTC.id,
        "venue_order_id": order_id,
        "client_order_id": f"c-{order_id}",
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "status": status,
        "size": D(1),
        "price": D(100),
        "sequence": sequence,
        "created_at": at(0),
        "ts_received": START,
    }
    return Order(**{**defaults, **fields})


def fill(fill_id: str, when: float = 0, of: Market = BTC) -> Fill:
    return Fill(
        fill_id=fill_id,
        market_id=of.id,
        venue_order_id="v1",
        side=Side.BUY,
        price=D(100),
        size=D(1),
        fee=D("0.1"),
        fee_asset="USDC",
        ts_venue=at(when),
        ts_received=START,
    )


def payment(payment_id: str, when: float = 0) -> FundingPayment:
    return FundingPayment(
        payment_id=payment_id,
        market_id=BTC.id,
        amount=D(1),
        asset="USDC",
        ts_venue=at(when),
        ts_received=START,
    )


def position(size: str, sequence: int | None = None, when: float | None = None, of: Market = BTC) -> Position:
    return Position(
        market_id=of.id,
        size=D(size),
        entry_price=D(100) if D(size) else None,
        sequence=sequence,
        ts_venue=None if when is None else at(when),
        ts_received=START,
    )


def balance(total: str, sequence: int | None = None, asset: str = "USDC") -> Balance:
    return Balance(asset=asset, total=D(total), available=D(total), sequence=sequence, ts_received=START)


# The wire


@dataclass(frozen=True)
class Sent:
    """A frame of ours, taken apart."""

    what: str
    request_id: int | None = None
    topic: str | None = None


Responder = Callable[[Sent], Sequence[Incoming] | None]


class ToySource:
    """Speaks in frames that only it understands: outgoing ones are words, incoming ones are numbers in its book."""

    def __init__(self, traits: StreamTraits | None = None) -> None:
        self.traits = traits or StreamTraits()
        self.meanings: dict[str, Sequence[Incoming] | Exception] = {}
        self.numbers = itertools.count(1)
        self.sign_ins = 0
        self.sign_in_error: PerpkitError | None = None
        self.endpoint_error: PerpkitError | None = None
        self.signs_in = True
        self.not_streamed: set[Channel] = set()
        self.refuses: PerpkitError | None = None
        self.topics_of: dict[Channel, tuple[str, ...]] = {}
        self.endpoints = 0
        self.labels: dict[Channel, str] = {}

    async def endpoint(self, connection: str) -> StreamEndpoint:
        self.endpoints += 1
        if self.endpoint_error is not None:
            raise self.endpoint_error
        return StreamEndpoint(url=f"ws://127.0.0.1/{connection}")

    def topics(self, subscription: Subscription) -> Sequence[Topic]:
        if self.refuses is not None:
            raise self.refuses
        channel = subscription.channel
        if channel in self.not_streamed:
            raise CapabilityError(f"no stream for {channel}")
        names = self.topics_of.get(channel) or (topic_of(subscription),)
        label = self.labels.get(channel, "main")
        return [Topic(name, private=channel.is_private, connection=label) for name in names]

    async def sign_in(self, connection: str, request_id: int) -> Frame | None:
        if not self.signs_in:
            return None
        self.sign_ins += 1
        if self.sign_in_error is not None:
            raise self.sign_in_error
        return f"sign_in {request_id}"

    def subscribe(self, topic: Topic, request_id: int) -> Frame:
        return f"subscribe {request_id} {topic.name}"

    def unsubscribe(self, topic: Topic, request_id: int) -> Frame:
        return f"unsubscribe {request_id} {topic.name}"

    def keepalive(self) -> Frame | None:
        return "keepalive"

    def decode(self, frame: Frame, received: datetime) -> Sequence[Incoming]:
        meaning = self.meanings.pop(str(frame))
        if isinstance(meaning, Exception):
            raise meaning
        return meaning


class AddressedToySource:
    """The same venue where the address is the subscription: a connection a channel, and one for the account."""

    def __init__(self, traits: StreamTraits | None = None) -> None:
        self.traits = traits or StreamTraits()
        self.meanings: dict[str, Sequence[Incoming] | Exception] = {}
        self.numbers = itertools.count(1)
        self.decoders: list[str] = []
        self.silence: timedelta | None = None

    async def endpoint(self, connection: str) -> StreamEndpoint:
        return StreamEndpoint(url=f"ws://127.0.0.1/{connection}", silence=self.silence)

    def topics(self, subscription: Subscription) -> Sequence[Topic]:
        private, name = subscription.channel.is_private, topic_of(subscription)
        return [Topic(name, private=private, connection="account" if private else name)]

    def decoder(self, connection: str) -> Decoder:
        self.decoders.append(connection)
        return lambda frame, received: self.meanings.pop(str(frame))


def topic_of(subscription: Subscription) -> str:
    """The toy's name for the one topic of a subscription."""
    of = subscription.market.instrument.base if subscription.market else "all"
    return f"{subscription.channel}.{of}"


class ToyConnection:
    """One connection, whose other end is the test."""

    def __init__(self, source: ToySource | AddressedToySource, responder: Responder, label: str) -> None:
        self.source = source
        self.responder = responder
        self.label = label
        self.closed: Closed | None = None
        self.sent: list[Sent] = []
        self.frames: asyncio.Queue[str | None] = asyncio.Queue()
        self.send_error: PerpkitError | None = None
        self.released = False
        """We have closed it, and the close has run to its end."""

    async def send(self, data: Frame) -> None:
        if self.closed:
            raise NotSentError("closed")
        if self.send_error:
            raise self.send_error
        what, *rest = str(data).split()
        sent = Sent(what, int(rest[0]) if rest else None, rest[1] if len(rest) > 1 else None)
        self.sent.append(sent)
        if items := self.responder(sent):
            self.bring(*items)

    def bring(self, *items: Incoming | Exception) -> None:
        """Let one frame arrive that means these things, or can't be read."""
        frame = str(next(self.source.numbers))
        self.source.meanings[frame] = items[0] if isinstance(items[0], Exception) else items
        self.frames.put_nowait(frame)

    def drop(self, code: int = 1006, reason: str = "") -> None:
        """Let the other end go away."""
        self.closed = self.closed or Closed(code=code, reason=reason, clean=code == 1000, by_us=False)
        self.frames.put_nowait(None)

    async def close(self, code: int = 1000, reason: str = "") -> Closed:
        if self.closed is None:
            self.closed = Closed(code=code, reason=reason, clean=True, by_us=True)
            self.frames.put_nowait(None)
        for _ in range(10):
            await asyncio.sleep(0)
        self.released = True
        return self.closed

    async def deliver(self, take: Take) -> None:
        while (frame := await self.frames.get()) is not None:
            if not take(frame):
                return

    def asked(self, what: str) -> list[str | None]:
        """The topics of the frames of one sort that we sent."""
        return [sent.topic for sent in self.sent if sent.what == what]


class ToyConnector:
    """Connects at once, unless told to fail."""

    def __init__(self, source: ToySource | AddressedToySource, clock: ManualClock, responder: Responder) -> None:
        self.source = source
        self.clock = clock
        self.responder = responder
        self.connections: list[ToyConnection] = []
        self.attempts: list[float] = []
        self.failures: list[PerpkitError] = []
        self.always_fail: PerpkitError | None = None
        self.overlaps = 0
        """Attempts made while a connection of the same label was not released."""

    async def connect(self, endpoint: StreamEndpoint, traits: StreamTraits) -> ToyConnection:
        self.attempts.append(self.clock.monotonic())
        label = endpoint.url.rpartition("/")[2]
        self.overlaps += sum(each.label == label and not each.released for each in self.connections)
        await asyncio.sleep(0)
        if self.failures:
            raise self.failures.pop(0)
        if self.always_fail is not None:
            raise self.always_fail
        connection = ToyConnection(self.source, self.responder, label)
        self.connections.append(connection)
        return connection


# The reads


@dataclass
class Read:
    """One call of a read."""

    hook: str
    args: dict[str, Any]


@dataclass
class ToyReads:
    """The venue's state by REST. A hook in ``errors`` raises; one in ``held`` waits until the test sets its event."""

    state: dict[str, list[Any]] = field(default_factory=dict)
    errors: dict[str, list[Exception]] = field(default_factory=dict)
    held: dict[str, asyncio.Event] = field(default_factory=dict)
    calls: list[Read] = field(default_factory=list)

    async def _answer(self, hook: str, **args: Any) -> list[Any]:
        self.calls.append(Read(hook, args))
        # What the venue answers is what it held when it was asked, as on a real one.
        rows = list(self.state.get(hook, []))
        if hook in self.held:
            await self.held[hook].wait()
        await asyncio.sleep(0)
        if self.errors.get(hook):
            raise self.errors[hook].pop(0)
        since, until = args.get("since"), args.get("until")
        rows = [row for row in rows if since is None or _when(row) >= since]
        rows = [row for row in rows if until is None or _when(row) < until]
        of = args.get("market")
        rows = [row for row in rows if of is None or row.market_id == of.id]
        return rows[-args["limit"] :] if args.get("limit") else rows

    def count(self, hook: str) -> int:
        return sum(call.hook == hook for call in self.calls)

    async def fetch_order_book(self, market, depth=None):
        return (await self._answer("fetch_order_book", market=market))[-1]

    async def fetch_ticker(self, market):
        return (await self._answer("fetch_ticker", market=market))[-1]

    async def fetch_funding_rates(self, markets=None):
        return await self._answer("fetch_funding_rates", markets=markets)

    async def fetch_trades(self, market, *, since=None, until=None, limit=None):
        return await self._answer("fetch_trades", market=market, since=since, until=until, limit=limit)

    async def fetch_open_orders(self, market=None):
        return await self._answer("fetch_open_orders", market=market)

    async def fetch_order(self, order):
        rows = await self._answer("fetch_order", order=order)
        return next(row for row in rows if row.venue_order_id == order.venue_order_id)

    async def fetch_order_history(self, market=None, *, since=None, until=None, limit=None):
        return await self._answer("fetch_order_history", market=market, since=since, until=until, limit=limit)

    async def fetch_fills(self, market=None, *, since=None, until=None, limit=None):
        return await self._answer("fetch_fills", market=market, since=since, until=until, limit=limit)

    async def fetch_positions(self):
        return await self._answer("fetch_positions")

    async def fetch_balances(self):
        return await self._answer("fetch_balances")

    async def fetch_funding_payments(self, market=None, *, since=None, until=None, limit=None):
        return await self._answer("fetch_funding_payments", market=market, since=since, until=until, limit=limit)


def _when(row: Any) -> datetime:
    return row.created_at if isinstance(row, Order) else row.ts_venue


ALL_READS = frozenset(READ_FOR.values()) | {"fetch_order", "fetch_order_history"}


# The whole


class Rig:
    """A hub on the toy venue, with a hand on each of its seams."""

    def __init__(
        self,
        *,
        traits: StreamTraits | None = None,
        settings: StreamSettings | None = None,
        hooks: frozenset[str] = ALL_READS,
        streams: bool = True,
        seed: int = 7,
        tracker: Any = None,
        source: Any = None,
    ) -> None:
        self.clock = ManualClock()
        self.source = source or ToySource(traits)
        self.respond: Responder = acknowledge
        self.connector = ToyConnector(self.source, self.clock, self._respond)
        self.reads = ToyReads()
        self.sources_opened = 0
        self.hub = StreamHub(
            venue="toy",
            open_source=self._open_source if streams else lambda subscriptions: None,
            reads=self.reads,
            supports=hooks.__contains__,
            connector=self.connector,
            clock=self.clock,
            rng=random.Random(seed),
            settings=settings,
            tracker=tracker,
        )

    def _respond(self, sent: Sent) -> Sequence[Incoming] | None:
        """Ask whatever ``respond`` is now: tests change it under way."""
        return self.respond(sent)

    def _open_source(self, subscriptions: Sequence[Subscription]) -> ToySource:
        self.sources_opened += 1
        return self.source

    async def __aenter__(self) -> Rig:
        self.tasks_before = asyncio.all_tasks()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.hub.close()
        await settle()
        leaked = asyncio.all_tasks() - self.tasks_before
        assert not leaked, f"tasks leaked: {leaked}"
        still_open = [each for each in self.connector.connections if not each.released]
        assert not still_open, f"{len(still_open)} connections leaked"

    async def open(self, *subscriptions: Subscription) -> EventStream:
        stream = await self.hub.open(subscriptions).__aenter__()
        await settle()
        return stream

    @property
    def connection(self) -> ToyConnection:
        """The newest connection."""
        return self.connector.connections[-1]

    async def bring(
        self, subscription: Subscription | str, *events: Event, snapshot: bool = False, backlog: bool = False
    ) -> None:
        """Let the newest connection bring events of a topic, and let them be taken in."""
        topic = subscription if isinstance(subscription, str) else topic_of(subscription)
        self.connection.bring(Data(topic, events, snapshot=snapshot, backlog=backlog))
        await settle()

    async def drop(self, reason: str = "gone") -> None:
        """Let the newest connection go away."""
        self.connection.drop(1006, reason)
        await settle()

    async def advance(self, seconds: float, step: float | None = None) -> None:
        """Move time, in steps if many things are to happen on the way, and let everything settle."""
        left = seconds
        while left > 1e-9:
            self.clock.advance(min(step or left, left))
            left -= step or left
            await settle()

    async def back(self) -> None:
        """Let the longest first back-off pass, so that a lost connection is made again."""
        await self.advance(0.5)


def acknowledge(sent: Sent) -> Sequence[Incoming] | None:
    """Answer every question with yes."""
    return [Ack(sent.request_id, sent.topic)] if sent.request_id is not None else None


async def settle(turns: int = 60) -> None:
    """Let everything that can run without time passing run."""
    for _ in range(turns):
        await asyncio.sleep(0)


async def read(stream: EventStream) -> list[Event]:
    """Return all that waits."""
    events = []
    while stream.backlog:
        events.append(await anext(stream))
    return events


def states(events: Sequence[Event]) -> list[StreamState]:
    return [event.state for event in events if isinstance(event, StreamStatus)]


def data(events: Sequence[Event]) -> list[Event]:
    return [event for event in events if not isinstance(event, StreamStatus)]


LOST = ConnectionLostError("gone")
NO_CONNECTION = ConnectError("no route")
