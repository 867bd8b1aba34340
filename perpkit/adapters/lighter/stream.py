"""
Lighter's words for streams: topics, the frames that subscribe, and what an incoming frame means. No sockets, no book
logic.

``{"type":"subscribe","channel":"order_book/0"}`` goes out; ``{"channel":"order_book:0","type":"subscribed/order_book",
…}`` comes back with the state, then ``update/order_book`` with changes. There is no sign-in: each private channel is
subscribed to with an auth token in its own frame.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from perpkit.adapters.lighter import decode, decode_account, endpoints, schema
from perpkit.adapters.lighter.config import VENUE
from perpkit.adapters.lighter.endpoints import Channels
from perpkit.adapters.lighter.errors import ALREADY_SUBSCRIBED, NOT_SUBSCRIBED, venue_error
from perpkit.adapters.lighter.listings import Listings
from perpkit.adapters.lighter.session import Session
from perpkit.core.errors import AuthError, CapabilityError, CredentialsError, DecodeError, PerpkitError
from perpkit.core.models import Channel, Event, Market, Order, Subscription, Ticker
from perpkit.core.streams.protocol import (
    Ack,
    Closing,
    Data,
    Frame,
    Incoming,
    Refusal,
    Reply,
    StreamEndpoint,
    StreamTraits,
    Topic,
)
from perpkit.core.transport import loose_json, wire_json
from perpkit.core.transport.redact import Redactor, Secret

log = logging.getLogger(__name__)

PUBLIC_CONNECTION = "main"
PRIVATE_CONNECTION = "private"
"""Private channels have a connection of their own, so that refused credentials don't stop market data."""

_PING: Final = wire_json.dumps({"type": "ping"}).decode()
_PONG: Final = wire_json.dumps({"type": "pong"}).decode()

_TRAITS: Final = StreamTraits(
    # The server closes what it hears nothing from for two minutes, and answers our pings.
    silence_timeout=timedelta(seconds=75),
    keepalive_interval=endpoints.WS_KEEPALIVE,
    max_topics_per_connection=endpoints.MAX_TOPICS,
    # The least of the figures published in 2026.
    max_connects=80,
    connects_per=timedelta(minutes=1),
    # 200 of any kind in all the sources; what keeps some twenty connections alive has its room beside these.
    max_messages=120,
    messages_per=timedelta(minutes=1),
    renew_after=endpoints.STREAM_LIFE,
    book_resync="resubscribe",
)

_CHANNEL_KEY = '"channel":"'
_LOOSE_CHANNEL_KEY = '"channel": "'

_CHANNEL_AT_END: Final = re.compile(r"[\s(](?P<channel>(?P<family>[a-z_]+)[:/][\w:/]+)\)?\s*$")

_TOPICS: Final[Mapping[Channel, tuple[str, ...]]] = {
    Channel.BOOK: (Channels.BOOK,),
    Channel.TRADES: (Channels.TRADES,),
    Channel.TICKER: (Channels.STATS, Channels.TICKER),
    Channel.FUNDING: (Channels.STATS,),
    # A transaction that the sequencer refused makes no order; only account_tx tells of it.
    Channel.ORDERS: (Channels.ORDERS, Channels.TXS),
    Channel.FILLS: (Channels.FILLS,),
    Channel.POSITIONS: (Channels.POSITIONS,),
    Channel.BALANCES: (Channels.USER_STATS,),
    Channel.FUNDING_PAYMENTS: (Channels.EVERYTHING,),
}


class RefusedOrders(Protocol):
    """Turns transactions that the sequencer refused into the orders that they were to make."""

    def refused_order(self, row: schema.Tx, market: Market | None = None) -> Order | None:
        """Return the order; None for anything else."""
        ...


_CHECKED_WHEN_DECODED: Final = frozenset({Channels.BOOK, Channels.TRADES, Channels.ORDERS})
"""The busiest families: their few numbers are looked at one by one, which is cheaper than searching the frame."""

_ORDERS: Final = list[schema.Order] | None
_orders_of_a_market = loose_json.decoder(_ORDERS).decode


class _Route(NamedTuple):
    """
    How the frames of one family of channels are read.

    Attributes:
        looks_for_nan: The whole frame is searched for numbers that are not finite; where False, decoding looks at each.
    """

    frame: type[Any]
    decoder: msgspec.json.Decoder[Any]
    events: Callable[[Any, datetime], Sequence[Event]]
    looks_for_nan: bool


class LighterStream:
    """One ``open_stream``'s words."""

    def __init__(
        self, *, url: str, listings: Listings, session: Session, orders: RefusedOrders, redactor: Redactor
    ) -> None:
        self._url = url
        self._listings = listings
        self._session = session
        self._ids = session.client_ids
        self._orders = orders
        self._redactor = redactor
        self._account: int | None = None
        self._token: Secret | None = None
        self._asked: dict[str, str] = {}
        """Channels whose answer is due, by the name that it will bear; a private one's refusal does not say whose."""
        self._unnamed: list[PerpkitError] = []
        """Refusals that say not whose they are, until there are no more channels they could be of than refusals."""
        self._unlisted: set[int] = set()
        self._newly_listed: int | None = None
        self._tickers: dict[str, Ticker] = {}
        self._routes: dict[str, _Route] = {
            family: _Route(frame, loose_json.decoder(frame), events, family not in _CHECKED_WHEN_DECODED)
            for family, frame, events in (
                (Channels.BOOK, schema.BookFrame, self._book),
                (Channels.TRADES, schema.TradeFrame, self._trades),
                (Channels.TICKER, schema.TickerFrame, self._quotes),
                (Channels.STATS, schema.StatsFrame, self._stats),
                (Channels.ORDERS, schema.OrdersFrame, self._order_rows),
                (Channels.FILLS, schema.FillsFrame, self._fills),
                (Channels.POSITIONS, schema.PositionsFrame, self._positions),
                (Channels.USER_STATS, schema.UserStatsFrame, self._balance),
                (Channels.TXS, schema.TxsFrame, self._txs),
                (Channels.EVERYTHING, schema.EverythingFrame, self._payments),
            )
        }

    # Words that go out

    @property
    def traits(self) -> StreamTraits:
        """How the venue's sockets behave."""
        return _TRAITS

    async def endpoint(self, connection: str) -> StreamEndpoint:
        """Return the one address; what is private is told apart by the token in each subscription."""
        return StreamEndpoint(self._url)

    def topics(self, subscription: Subscription) -> Sequence[Topic]:
        """
        Return the channels that serve a subscription, by the names that their frames bear.

        Raises:
            CapabilityError: It needs a market and names none.
            CredentialsError: The channel is private and there are no credentials.
        """
        families = _TOPICS[subscription.channel]
        if subscription.channel.is_private:
            if self._session.tokens is None:
                msg = f"channel {subscription.channel} needs credentials: set api_private_key or readonly_token"
                raise CredentialsError(msg, venue=VENUE, operation="open_stream")
            # The account's number may have to be looked up first, so the name is completed when it is subscribed to.
            return [Topic(family, private=True, connection=PRIVATE_CONNECTION) for family in families]
        if subscription.market is None:
            raise CapabilityError(
                f"channel {subscription.channel} needs a market", venue=VENUE, operation="open_stream"
            )
        index = self._listings.of(subscription.market).index
        return [Topic(f"{family}:{index}", connection=PUBLIC_CONNECTION) for family in families]

    async def sign_in(self, connection: str, request_id: int) -> Frame | None:
        """Get a fresh token ready for the subscriptions that follow; the venue has no frame for it."""
        if connection == PRIVATE_CONNECTION and self._session.tokens is not None:
            self._account = await self._session.account_index()
            await self._ids.refresh()
            self._token = await self._session.tokens.token(endpoints.STREAM_LIFE + endpoints.TOKEN_RENEWED_BEFORE)
        return None

    def subscribe(self, topic: Topic, request_id: int) -> Frame:
        """Return the frame that subscribes; it bears no number, the answer is known by the channel's name."""
        self._asked[topic.name] = topic.name
        self._unnamed = [] if len(self._asked) == 1 else self._unnamed
        frame: dict[str, Any] = {"type": "subscribe", "channel": self._outward(topic)}
        if topic.private and self._token is not None:
            frame["auth"] = self._token.reveal()
        return wire_json.dumps(frame).decode()

    def unsubscribe(self, topic: Topic, request_id: int) -> Frame:
        """Return the frame that unsubscribes."""
        self._asked.pop(topic.name, None)
        return wire_json.dumps({"type": "unsubscribe", "channel": self._outward(topic)}).decode()

    def keepalive(self) -> Frame | None:
        """Return a ping: the venue counts the frames that it gets, not those that it sends."""
        return _PING

    def _outward(self, topic: Topic) -> str:
        return f"{topic.name}/{self._account}" if topic.private else topic.name.replace(":", "/", 1)

    # Words that come in

    def decode(self, frame: Frame, received: datetime) -> Sequence[Incoming]:
        """
        Turn one frame into what it means.

        A frame with data is read once, by the type that its channel's name tells; the name is found by looking, without
        parsing. Whatever doesn't fit that way is read again, slowly and tolerantly.

        Raises:
            DecodeError: It can't be read.
        """
        text = frame if isinstance(frame, str) else _text(frame)
        name = _channel_of(text)
        route = self._routes.get(name.partition(":")[0]) if name else None
        if route is None or (route.looks_for_nan and loose_json.may_hold_non_finite(text)):
            return self._slowly(text, received)
        try:
            row = route.decoder.decode(text)
        except (msgspec.MsgspecError, RecursionError):
            return self._slowly(text, received)
        if row.channel != name or "/" not in row.type:
            return self._slowly(text, received)
        return self._taken(row, route, received)

    def _slowly(self, text: str, received: datetime) -> Sequence[Incoming]:
        head = self._read(schema.Head, text, "a frame")
        if head.error is not None or head.type == "error":
            return self._refusals(head)
        if head.type == "ping":
            return (Reply(_PONG),)
        if head.type == "shutdown":
            return (Closing("the venue shuts this connection down"),)
        if head.type == "unsubscribed":
            return (Ack(None, _topic(head.channel)),)
        if not head.type:
            # Every frame of the venue's says what it is; what doesn't may have been one that told of the account.
            raise DecodeError("a frame has no type", venue=VENUE)
        family = head.channel.partition(":")[0]
        route = self._routes.get(family)
        if route is None or "/" not in head.type:
            return ()
        return self._taken(self._read(route.frame, text, f"channel {family}"), route, received)

    def _taken(self, row: Any, route: _Route, received: datetime) -> Sequence[Incoming]:
        topic = _topic(row.channel)
        self._asked.pop(topic, None)
        events = route.events(row, received)
        first = row.type.startswith("subscribed/")
        if self._newly_listed is not None:
            # What happened on a market listed since must not be lost: read it by REST, which reads the listing again.
            index, self._newly_listed = self._newly_listed, None
            return (Closing(f"market {index} is not among those held; reading what happened on it by REST"),)
        if events:
            if not first and not self._unnamed:
                return (Data(topic, events),)
            backlog = first and topic.startswith((Channels.TRADES, Channels.FILLS, Channels.EVERYTHING))
            return (Data(topic, events, backlog=backlog), *self._told_apart())
        # The first frame confirms the subscription, whatever it holds.
        return (Ack(None, topic), *self._told_apart()) if first else ()

    def _told_apart(self) -> Sequence[Incoming]:
        """Return the refusals that can only be of the channels left, now that the others were answered."""
        if not self._unnamed or len(self._asked) > len(self._unnamed):
            return ()
        refused = [Refusal(None, error, topic=topic) for error, topic in zip(self._unnamed, self._asked, strict=False)]
        self._unnamed, self._asked = [], {}
        return refused

    def _refusals(self, head: schema.Head) -> Sequence[Incoming]:
        """
        Return what an error frame means. It bears no number: some name their channel, and one about a token is about
        all private channels whose answer is due.
        """
        error = head.error
        if isinstance(error, schema.WsError):
            code, message = error.code, error.message
        else:
            code, message = head.code, error or head.message
        message = self._redactor.text(message)
        failure = venue_error(code, message, status=None, operation="stream")
        already = code in {ALREADY_SUBSCRIBED, NOT_SUBSCRIBED}
        if (named := self._named(message)) is not None:
            self._asked.pop(named, None)
            return (Refusal(None, failure, topic=named, already=already),)
        if isinstance(failure, AuthError):
            if self._token is not None and self._session.tokens is not None:
                self._session.tokens.drop(self._token)
            due = [topic for topic in self._asked if topic.startswith(("account_", "user_"))]
            for topic in due:
                del self._asked[topic]
            if due:
                return tuple(Refusal(None, failure, topic=topic) for topic in due)
        if already or not self._asked:
            return (Refusal(None, failure, already=already),)
        self._unnamed.append(failure)
        return self._told_apart()

    def _named(self, message: str) -> str | None:
        """Return the topic that an error's text ends with, after a colon or in parentheses; None where it has none."""
        found = _CHANNEL_AT_END.search(message)
        return _topic(found["channel"]) if found is not None and found["family"] in self._routes else None

    def _read(self, type_: Any, text: str | msgspec.Raw, what: str) -> Any:
        return loose_json.read(type_, text, what=what, venue=VENUE, redactor=self._redactor)

    # Payloads

    def _held(self, index: int) -> Market | None:
        """Return the market of a payload; None for what is no perpetual, and for a number that isn't held."""
        market = self._listings.held(index)
        if market is None and 0 <= index < endpoints.ALL_MARKETS and index not in self._unlisted:
            self._unlisted.add(index)
            self._newly_listed = index
            log.warning("%s streams market %d, which is not among those held; catching up by REST", VENUE, index)
        return market

    def _of_channel(self, channel: str) -> Market | None:
        index = _index_in(channel)
        return self._held(index) if index is not None else None

    def _book(self, frame: schema.BookFrame, received: datetime) -> Sequence[Event]:
        market = self._of_channel(frame.channel)
        return (decode.book_frame(frame, market, received),) if market is not None else ()

    def _trades(self, frame: schema.TradeFrame, received: datetime) -> Sequence[Event]:
        rows = [*(frame.trades or ()), *(frame.liquidation_trades or ())]
        if len(rows) > 1:
            rows.sort(key=lambda row: row.trade_id)
        return [
            decode.trade(row, market, received) for row in rows if (market := self._held(row.market_id)) is not None
        ]

    def _quotes(self, frame: schema.TickerFrame, received: datetime) -> Sequence[Event]:
        market = self._of_channel(frame.channel)
        if market is None:
            return ()
        bid, ask = frame.ticker.b or schema.Quote(), frame.ticker.a or schema.Quote()
        known = self._tickers.get(market.id) or Ticker(market_id=market.id, ts_received=received)
        return (
            self._told(
                market,
                known,
                bid_price=decode.positive(bid.price, "bid"),
                ask_price=decode.positive(ask.price, "ask"),
                ts_venue=decode.moment(frame.timestamp),
                ts_received=received,
            ),
        )

    def _stats(self, frame: schema.StatsFrame, received: datetime) -> Sequence[Event]:
        row = frame.market_stats
        market = self._held(row.market_id)
        if market is None:
            return ()
        known = self._tickers.get(market.id) or Ticker(market_id=market.id, ts_received=received)
        ticker = self._told(
            market,
            known,
            last_price=decode.positive(row.last_trade_price, "last_trade_price"),
            mark_price=decode.positive(row.mark_price, "mark_price"),
            index_price=decode.positive(row.index_price, "index_price"),
            volume_24h=row.daily_base_token_volume,
            notional_24h=row.daily_quote_token_volume,
            ts_venue=decode.moment(frame.timestamp),
            ts_received=received,
        )
        rate = decode.funding_from_stats(row, frame.timestamp, market, received)
        return (ticker, rate) if rate is not None else (ticker,)

    def _told(self, market: Market, known: Ticker, **changes: Any) -> Ticker:
        """Return a market's prices after one of the two channels that tell of them did."""
        ticker = self._tickers[market.id] = Ticker.trusted(**{**known.__dict__, **changes})
        return ticker

    def _order_rows(self, frame: schema.OrdersFrame, received: datetime) -> Sequence[Event]:
        life = self._session.settings.order_life
        return [
            decode_account.order(row, market, received, life=life, named=self._ids.text_of)
            for raw in _by_market(frame.orders)
            for row in self._orders_in(raw) or ()
            if (market := self._held(row.market_index)) is not None
        ]

    def _orders_in(self, raw: msgspec.Raw) -> Sequence[schema.Order] | None:
        try:
            rows = _orders_of_a_market(raw)
        except (msgspec.MsgspecError, RecursionError):
            rows = self._read(_ORDERS, raw, "orders of a market")
        return rows  # type: ignore[no-any-return]  # the decoder's type is lost on the way

    def _fills(self, frame: schema.FillsFrame, received: datetime) -> Sequence[Event]:
        account = self._account
        if account is None:
            return ()
        listed = frame.trades or []
        if isinstance(listed, dict):
            kind = list[schema.Trade] | None
            listed = [row for raw in _by_market(listed) for row in self._read(kind, raw, "trades of a market") or ()]
        rows = sorted(listed, key=lambda row: row.trade_id)
        named = self._ids.text_of
        return [decode_account.fill(row, market, received, account, named) for row, market in self._with_markets(rows)]

    def _positions(self, frame: schema.PositionsFrame, received: datetime) -> Sequence[Event]:
        # Changed rows only: what is absent from a frame is left as it is, and reconciled by REST.
        rows = [self._read(schema.Position, raw, "a position") for raw in _by_market(frame.positions)]
        return [decode_account.position(row, market, received) for row, market in self._with_markets(rows)]

    def _balance(self, frame: schema.UserStatsFrame, received: datetime) -> Sequence[Event]:
        return (decode_account.balance(frame.stats, frame.timestamp, received),)

    def _payments(self, frame: schema.EverythingFrame, received: datetime) -> Sequence[Event]:
        kind = list[schema.PositionFunding] | schema.PositionFunding | None
        rows: list[schema.PositionFunding] = []
        for raw in _by_market(frame.funding_histories):
            found = self._read(kind, raw, "funding payments of a market")
            rows += found if isinstance(found, list) else [found] if found is not None else []
        rows.sort(key=lambda row: (row.timestamp, row.funding_id))
        return [decode_account.funding_payment(row, market, received) for row, market in self._with_markets(rows)]

    def _txs(self, frame: schema.TxsFrame, received: datetime) -> Sequence[Event]:
        refused = (self._orders.refused_order(row) for row in frame.txs or ())
        return [order for order in refused if order is not None]

    def _with_markets(self, rows: Iterable[Any]) -> Iterator[tuple[Any, Market]]:
        for row in rows:
            market = self._held(row.market_id)
            if market is not None:
                yield row, market


def _by_market(rows: Mapping[str, msgspec.Raw] | None) -> list[msgspec.Raw]:
    """Return the entries of a map by market; whatever else a later release puts into it is left alone."""
    return [raw for key, raw in (rows or {}).items() if key.isascii() and key.isdecimal()]


@lru_cache(maxsize=1_024)
def _topic(channel: str) -> str:
    """Return a topic's name: private ones go without the account's number, of which there is one."""
    family, _, key = channel.replace("/", ":").partition(":")
    return family if family.startswith(("account_", "user_")) else f"{family}:{key}"


@lru_cache(maxsize=1_024)
def _index_in(channel: str) -> int | None:
    """Return the market's number that a channel's name ends with; None where it ends with none."""
    key = channel.rpartition(":")[2]
    return int(key) if key.isascii() and key.isdecimal() else None


def _channel_of(text: str) -> str:
    for key in (_CHANNEL_KEY, _LOOSE_CHANNEL_KEY):
        start = text.find(key)
        if start >= 0:
            start += len(key)
            return text[start : text.find('"', start)]
    return ""


def _text(frame: bytes) -> str:
    try:
        return frame.decode()
    except UnicodeDecodeError as error:
        raise DecodeError("a frame is not UTF-8 text", venue=VENUE) from error
