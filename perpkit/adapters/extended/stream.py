"""
Extended's streams: addresses, and what a frame of each means. No sockets, no book logic.

Whoever connects to an address has subscribed to it: ``wss://…/stream.extended.exchange/v1/orderbooks/BTC-USD``. Each
frame is ``{"type":…,"data":…,"ts":…,"seq":…}``, and ``seq`` counts from 1 on each connection. Why these and not the
JSON-RPC streams: :class:`perpkit.adapters.extended.endpoints.Streams`.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Final

import msgspec

from perpkit.adapters.extended import decode, decode_account, endpoints, schema, wire
from perpkit.adapters.extended.config import VENUE
from perpkit.adapters.extended.credentials import missing_key
from perpkit.adapters.extended.decode_book import BookSide
from perpkit.adapters.extended.endpoints import Streams
from perpkit.core.catalog import MarketCatalog
from perpkit.core.errors import CapabilityError, DecodeError
from perpkit.core.models import (
    BookDelta,
    BookSnapshot,
    Channel,
    Event,
    Market,
    Subscription,
    Ticker,
)
from perpkit.core.streams.protocol import (
    Closing,
    Data,
    Decoder,
    Frame,
    Incoming,
    StreamEndpoint,
    StreamTraits,
    Topic,
)
from perpkit.core.transport.redact import Redactor, Secret

log = logging.getLogger(__name__)

_ZERO: Final = Decimal(0)

_new_delta = BookDelta.trusted

_TRAITS: Final = StreamTraits(
    silence_timeout=endpoints.WS_SILENCE,
    ping_interval=endpoints.WS_PING_INTERVAL,
    # No limit on connections is documented: what many markets need in a burst, spread a little.
    max_connects=20,
    connects_per=timedelta(seconds=1),
    book_resync="resubscribe",
)

_ACCOUNT_TOPICS: Final = {
    Channel.ORDERS: "account.orders",
    Channel.FILLS: "account.trades",
    Channel.POSITIONS: "account.positions",
    Channel.BALANCES: "account.balance",
}


@dataclass(slots=True)
class _Quotes:
    """What is known of one market's prices, from the three streams that a ticker is put together of."""

    bid: Decimal | None = None
    ask: Decimal | None = None
    mark: Decimal | None = None
    index: Decimal | None = None
    at: datetime | None = None

    def ticker(self, market: Market, received: datetime) -> Ticker:
        return Ticker.trusted(
            market_id=market.id,
            bid_price=self.bid,
            ask_price=self.ask,
            mark_price=self.mark,
            index_price=self.index,
            ts_venue=self.at,
            ts_received=received,
        )

    def move_to(self, moment: datetime) -> None:
        """Take a later time; of three streams one may lag behind another."""
        if self.at is None or moment > self.at:
            self.at = moment


@dataclass(slots=True)
class ExtendedStream:
    """
    One ``open_stream``'s addresses and words.

    Args:
        base: What the streams' own paths follow.
        api_key: None where there are no credentials; only public channels are served then.
        check: Sees that the credentials belong together, before the account is followed.
    """

    base: str
    markets: MarketCatalog
    api_key: Secret | None
    check: Callable[[], Awaitable[None]]
    redactor: Redactor
    _quotes: dict[str, _Quotes] = field(default_factory=dict)
    _makers: dict[str, Callable[[], Decoder]] = field(default_factory=dict)
    _unlisted: set[str] = field(default_factory=set)

    # Addresses

    @property
    def traits(self) -> StreamTraits:
        """How the venue's sockets behave."""
        return _TRAITS

    async def endpoint(self, connection: str) -> StreamEndpoint:
        """Return a stream's address; the account's takes the key as a header."""
        headers = {"User-Agent": endpoints.USER_AGENT}
        if connection == Streams.ACCOUNT:
            if self.api_key is None:
                raise missing_key()
            await self.check()
            headers[endpoints.API_KEY_HEADER] = self.api_key.reveal()
        # The best quotes come on a change, and may stay away for as long as there is none.
        is_book = connection.startswith("/orderbooks/") and "?" not in connection
        return StreamEndpoint(self.base + connection, headers, silence=endpoints.BOOK_SILENCE if is_book else None)

    def topics(self, subscription: Subscription) -> Sequence[Topic]:
        """
        Return the topics that serve a subscription, each named as its address where it has one for itself.

        Raises:
            CapabilityError: The venue doesn't stream it.
            CredentialsError: The channel is private and there are no credentials.
        """
        channel = subscription.channel
        if (name := _ACCOUNT_TOPICS.get(channel)) is not None:
            if self.api_key is None:
                raise missing_key()
            self._makers.setdefault(Streams.ACCOUNT, lambda: _Account(self).decode)
            return [Topic(name, private=True, connection=Streams.ACCOUNT)]
        market = subscription.market
        if market is None or channel not in {Channel.BOOK, Channel.TRADES, Channel.TICKER}:
            raise CapabilityError(f"channel {channel} is not streamed", venue=VENUE, operation="open_stream")
        symbol = market.symbol
        match channel:
            case Channel.BOOK:
                made: dict[str, Callable[[], Decoder]] = {Streams.book(symbol): lambda: _Book(self, symbol).decode}
            case Channel.TRADES:
                made = {Streams.trades(symbol): lambda: _Trades(self, symbol).decode}
            case _:
                made = {
                    Streams.best_quotes(symbol): lambda: _BestQuotes(self, symbol).decode,
                    Streams.mark_price(symbol): lambda: _Price(self, symbol, "mark").decode,
                    Streams.index_price(symbol): lambda: _Price(self, symbol, "index").decode,
                }
        for address, make in made.items():
            self._makers.setdefault(address, make)
        return [Topic(address, connection=address) for address in made]

    def decoder(self, connection: str) -> Decoder:
        """Return what reads the frames of a stream that was just connected to."""
        return self._makers[connection]()

    # For the decoders

    def quotes(self, symbol: str) -> _Quotes:
        """Return what is known of a market's prices."""
        return self._quotes.setdefault(symbol, _Quotes())

    def listed(self, symbol: str) -> Market | None:
        """Return a market that is held, None for one that isn't."""
        return self.markets.get_by_symbol(symbol)

    def first_sight_of(self, symbol: str) -> bool:
        """Whether a market that isn't held is met for the first time; it is logged then."""
        if symbol in self._unlisted or len(self._unlisted) >= 1000:
            return False
        self._unlisted.add(symbol)
        log.warning("%s streams %s, which is not among the markets held; catching up by REST", VENUE, symbol)
        return True


class _Stream(ABC):
    """One connection's frames, read as the type that its address promises, else slowly and tolerantly."""

    __slots__ = ("_address", "_last", "_reader", "_source", "_type")

    looks_for_nan: ClassVar[bool] = True
    """Whether the whole frame is searched for numbers that are not finite; where not, decoding looks at each."""

    def __init__(self, source: ExtendedStream, address: str, type_: Any) -> None:
        self._source = source
        self._address = address
        self._type = type_
        self._reader = wire.decoder(schema.StreamFrame[type_])
        self._last: int | None = None

    def decode(self, frame: Frame, received: datetime) -> Sequence[Incoming]:
        """
        Turn one frame into what it means.

        Raises:
            DecodeError: It can't be read.
        """
        try:
            read = self._reader.decode(frame)
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            return self._slowly(frame, received)
        if self.looks_for_nan and wire.may_hold_non_finite(frame):
            return self._slowly(frame, received)
        return self._take(read.data, read, received)

    def _slowly(self, frame: Frame, received: datetime) -> Sequence[Incoming]:
        text = frame if isinstance(frame, str) else _text(frame)
        if not text.lstrip().startswith("{"):
            return ()  # a heartbeat in words, or whatever it is: no object, no message
        what = f"stream {self._address}"
        any_frame = wire.read(schema.AnyFrame, text, what=what, redactor=self._source.redactor)
        if any_frame.error:
            return (Closing(f"the venue says: {self._source.redactor.text(any_frame.error)}"),)
        if not bytes(any_frame.data) or any_frame.seq is None or any_frame.ts is None:
            return ()
        read = wire.read(schema.StreamFrame[self._type], text, what=what, redactor=self._source.redactor)  # type: ignore[name-defined]
        return self._take(read.data, read, received)

    @abstractmethod
    def _take(self, data: Any, frame: schema.StreamFrame[Any], received: datetime) -> Sequence[Incoming]:
        """Turn a frame that was read into what it means."""

    def _missed(self, seq: int) -> str | None:
        """Note a number; return what to say when some before it are missing."""
        last, self._last = self._last, seq
        if last is None or seq == last + 1:
            return None
        return f"{self._address}: number {seq} came after {last}"


class _Book(_Stream):
    """The whole book. Numbers go on to the core, which tells of a gap and has the connection made again."""

    __slots__ = ("_asks", "_bids", "_symbol")

    looks_for_nan = False

    def __init__(self, source: ExtendedStream, symbol: str) -> None:
        super().__init__(source, Streams.book(symbol), schema.Book)
        self._symbol = symbol
        self._bids = BookSide(f"book of {symbol}", is_bid=True)
        self._asks = BookSide(f"book of {symbol}", is_bid=False)

    def _take(self, data: schema.Book, frame: schema.StreamFrame[Any], received: datetime) -> Sequence[Incoming]:
        market = self._source.listed(data.m)
        if market is None or data.m != self._symbol:
            return ()
        kind = frame.type or data.t
        bids, asks = data.b or (), data.a or ()
        event: BookSnapshot | BookDelta
        if kind == "DELTA":
            event = _new_delta(
                market_id=market.id,
                bids=self._bids.change(bids),
                asks=self._asks.change(asks),
                previous_sequence=frame.seq - 1,
                sequence=frame.seq,
                ts_venue=decode.moment(frame.ts),
                ts_received=received,
            )
        elif kind == "SNAPSHOT":
            event = BookSnapshot.trusted(
                market_id=market.id,
                bids=self._bids.replace(bids),
                asks=self._asks.replace(asks),
                sequence=frame.seq,
                ts_venue=decode.moment(frame.ts),
                ts_received=received,
            )
        else:
            msg = f"book of {market.id}: type {kind!r} is neither SNAPSHOT nor DELTA"
            raise DecodeError(msg, venue=VENUE)
        return (Data(self._address, (event,)),)


class _BestQuotes(_Stream):
    """The best level of each side, for the ticker; each frame stands for itself, so a missing one is no loss."""

    __slots__ = ("_symbol",)

    def __init__(self, source: ExtendedStream, symbol: str) -> None:
        super().__init__(source, Streams.best_quotes(symbol), schema.Book)
        self._symbol = symbol
        quotes = source.quotes(symbol)
        quotes.bid = quotes.ask = None

    def _take(self, data: schema.Book, frame: schema.StreamFrame[Any], received: datetime) -> Sequence[Incoming]:
        market = self._source.listed(data.m)
        if market is None or data.m != self._symbol:
            return ()
        quotes = self._source.quotes(self._symbol)
        quotes.bid, quotes.ask = _best(data.b, market), _best(data.a, market)
        quotes.move_to(decode.moment(frame.ts))
        return (Data(self._address, (quotes.ticker(market, received),)),)


def _best(levels: Sequence[schema.BookLevel] | None, market: Market) -> Decimal | None:
    """Return the first price of a side at which something stands."""
    what = f"best quotes of {market.id}"
    return next((decode.number(each.p, what) for each in levels or () if decode.number(each.q, what) > _ZERO), None)


class _Price(_Stream):
    """The mark or the index price, for the ticker."""

    __slots__ = ("_kind", "_symbol")

    def __init__(self, source: ExtendedStream, symbol: str, kind: str) -> None:
        address = Streams.mark_price(symbol) if kind == "mark" else Streams.index_price(symbol)
        super().__init__(source, address, schema.Price)
        self._symbol = symbol
        self._kind = kind
        setattr(source.quotes(symbol), kind, None)

    def _take(self, data: schema.Price, frame: schema.StreamFrame[Any], received: datetime) -> Sequence[Incoming]:
        market = self._source.listed(data.m)
        if market is None or data.m != self._symbol:
            return ()
        quotes = self._source.quotes(self._symbol)
        setattr(quotes, self._kind, decode.positive(data.p))
        # The time of mark prices is 0 today; the envelope has one of its own.
        quotes.move_to(decode.moment(data.ts if data.ts > 0 else frame.ts))
        return (Data(self._address, (quotes.ticker(market, received),)),)


class _Trades(_Stream):
    """The public tape. A frame that comes late is skipped; where one is missing, the tape is read by REST."""

    __slots__ = ("_late", "_symbol")

    looks_for_nan = False

    def __init__(self, source: ExtendedStream, symbol: str) -> None:
        super().__init__(source, Streams.trades(symbol), list[schema.PublicTrade])
        self._symbol = symbol
        self._late = 0

    def _take(
        self, data: list[schema.PublicTrade], frame: schema.StreamFrame[Any], received: datetime
    ) -> Sequence[Incoming]:
        last, self._last = self._last, frame.seq
        if last is not None and frame.seq <= last:
            # It came late or twice; either way it stands in the place of a frame to come.
            self._last, self._late = last, self._late + 1
            return ()
        missing = 0 if last is None else frame.seq - last - 1 - self._late
        self._late = 0
        market = self._source.listed(self._symbol)
        if market is None:
            return ()
        events = decode.trades([row for row in data if row.m == self._symbol], market, received)
        found: list[Incoming] = [Data(self._address, events)] if events else []
        if missing > 0:
            found.append(Closing(f"{self._address}: number {frame.seq} came after {last}"))
        return found


class _Account(_Stream):
    """
    The account: on connecting one message for each section with the whole of it, then changes.

    A frame may hold several sections, so its keys tell what is in it. Fills are in no first message, and a number that
    is missing may stand for anything: the connection is made again, and the core reads what happened by REST.
    """

    __slots__ = ()

    def __init__(self, source: ExtendedStream) -> None:
        super().__init__(source, Streams.ACCOUNT, schema.AccountData)

    def _take(self, data: schema.AccountData, frame: schema.StreamFrame[Any], received: datetime) -> Sequence[Incoming]:
        if frame.seq == self._last:
            return ()  # the same again
        missed = self._missed(frame.seq)
        unlisted: list[str] = []
        found: list[Incoming] = []

        def add(topic: str, rows: Sequence[Any] | None, read: Callable[[Any, Market, datetime], Event]) -> None:
            if rows is None:
                return
            events = []
            for row in rows:
                market = self._source.listed(row.market)
                if market is not None:
                    events.append(read(row, market, received))
                elif self._source.first_sight_of(row.market):
                    unlisted.append(row.market)
            if events or data.is_snapshot:
                found.append(Data(topic, events, snapshot=data.is_snapshot))

        add("account.orders", data.orders, decode_account.order)
        add("account.trades", data.trades, decode_account.fill)
        add("account.positions", data.positions, decode_account.position)
        if data.balance is not None:
            found.append(
                Data("account.balance", (decode_account.balance(data.balance, received),), snapshot=data.is_snapshot)
            )
        if missed is not None:
            found.append(Closing(missed))
        elif unlisted:
            # One of a market listed since the markets were read must not be lost: REST reads the listing again.
            found.append(Closing(f"{unlisted[0]} is not among the markets held; reading what happened on it by REST"))
        return found


def _text(frame: bytes) -> str:
    try:
        return frame.decode()
    except UnicodeDecodeError as exc:
        raise DecodeError("a binary frame that is no text; the JSON feed was expected", venue=VENUE) from exc
