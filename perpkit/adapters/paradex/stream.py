"""
Paradex's words for streams: topics, the frames that sign in and subscribe, and what an incoming frame means. No
sockets, no book logic.

JSON-RPC 2.0 (OpenRPC 1.3):
``{"jsonrpc":"2.0","method":"subscribe","params":{"channel":"trades.BTC-USD-PERP"},"id":1}``. Data comes as
``{"jsonrpc":"2.0","method":"subscription","params":{"channel":"trades.BTC-USD-PERP","data":{…}}}``.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from perpkit.adapters.paradex import decode, decode_account, decode_book, endpoints, schema, wire
from perpkit.adapters.paradex.config import VENUE
from perpkit.adapters.paradex.endpoints import Channels
from perpkit.adapters.paradex.errors import rpc_error
from perpkit.adapters.paradex.memory import Balances, OrderMemory
from perpkit.core.catalog import MarketCatalog
from perpkit.core.clock import from_ms
from perpkit.core.errors import AuthError, CapabilityError, CredentialsError, DecodeError
from perpkit.core.models import Channel, Event, Market, Subscription
from perpkit.core.streams.protocol import (
    Ack,
    Closing,
    Data,
    Frame,
    Incoming,
    Refusal,
    SignedOut,
    StreamEndpoint,
    StreamTraits,
    Topic,
)
from perpkit.core.transport import wire_json
from perpkit.core.transport.redact import Redactor, Secret

log = logging.getLogger(__name__)

T = TypeVar("T")

PUBLIC_CONNECTION = "main"
PRIVATE_CONNECTION = "private"
"""Private channels have a connection of their own, so that refused credentials don't stop market data."""

_CHANNEL_KEY = '"channel":"'

_HEAD = 256
"""Within so many characters of a notification's beginning its channel is named; more need not be searched."""

_market, _symbol = attrgetter("market"), attrgetter("symbol")

_MOST_REMEMBERED = 10_000
"""Channels whose way of reading is remembered."""

_KEEPALIVE: Frame | None = None
"""The venue pings by itself, and has no message for it."""

_TRAITS = StreamTraits(
    # The server pings every 55 s (documentation); our own pings notice a silent death sooner.
    silence_timeout=endpoints.WS_PING_INTERVAL + timedelta(seconds=20),
    ping_interval=timedelta(seconds=20),
    max_connects=20,
    connects_per=timedelta(seconds=1),
    book_resync="resubscribe",
)


_CHECKED_WHEN_DECODED = frozenset({"trades", "order_book", "orders", "fills", "funding_data"})
"""The busiest families: their few numbers are looked at one by one, which is cheaper than searching the frame."""


class Params(msgspec.Struct, Generic[T], gc=False):
    """``params`` of a notification."""

    channel: str
    data: T


class Notification(msgspec.Struct, Generic[T], gc=False):
    """A frame with data."""

    params: Params[T]


ABSENT = msgspec.Raw()


class Envelope(msgspec.Struct):
    """
    Any frame: a notification, an answer, or an error. The timing fields (``usIn``, …) are ignored.

    What is absent is an empty ``Raw``: msgspec reads ``Raw | None`` as None alone.
    """

    id: int | None = None
    method: str | None = None
    params: msgspec.Raw = ABSENT
    result: msgspec.Raw = ABSENT
    error: schema.RpcErrorBody | None = None


class _Named(msgspec.Struct):
    channel: str | None = None


class _RawParams(msgspec.Struct):
    channel: str
    data: msgspec.Raw


@dataclass(frozen=True, slots=True)
class _Route:
    """
    How the frames of one family of channels are read.

    Attributes:
        symbol_of: Gives the market that a payload is of; None for payloads of the account as a whole.
        event: Decodes a payload, with its market, or None where it has none.
        topic: The name that was subscribed to.
        looks_for_nan: The whole frame is searched for numbers that are not finite; where False, decoding looks at each.
    """

    frame: Callable[[str], Notification[Any]]
    payload: type[Any]
    symbol_of: Callable[[Any], str] | None
    event: Callable[[Any, Any, datetime], Event | None]
    looks_for_nan: bool
    topic: str = ""


class TokenSource(Protocol):
    """Gives fresh bearer tokens."""

    async def token(self) -> Secret:
        """Return one that is good."""
        ...


def rpc(method: str, params: dict[str, Any], request_id: int) -> str:
    """Return a JSON-RPC request."""
    body = {"jsonrpc": "2.0", "method": method, "params": params, "id": request_id}
    return wire_json.dumps(body).decode()


class ParadexStream:
    """
    One ``open_stream``'s words.

    Args:
        tokens: None where there are no credentials; only public channels are served then.
        book_interval: How often the book's channel sends.
    """

    def __init__(
        self,
        *,
        url: str,
        markets: MarketCatalog,
        tokens: TokenSource | None,
        orders: OrderMemory,
        balances: Balances,
        redactor: Redactor,
        book_interval: str,
    ) -> None:
        self._url = url
        self._market_of = markets.get_by_symbol
        self._tokens = tokens
        self._orders = orders
        self._balances = balances
        self._redactor = redactor
        self._book_interval = book_interval
        self._wanted: set[str] = set()
        self._by_name: dict[str, _Route] = {}
        self._unlisted: set[str] = set()
        self._routes: dict[str, _Route] = {
            family: _Route(
                wire.decoder(Notification[payload]).decode,  # type: ignore[valid-type]  # made at run time
                payload,
                symbol_of,
                event,
                looks_for_nan=family not in _CHECKED_WHEN_DECODED,
            )
            for family, payload, symbol_of, event in (
                ("trades", schema.Trade, _market, decode.trade),
                ("order_book", schema.OrderBookUpdate, _market, decode_book.book_update),
                ("orders", schema.Order, _market, self._order),
                ("fills", schema.Fill, _market, self._fill),
                ("markets_summary", schema.MarketSummary, _symbol, decode.ticker),
                ("funding_data", schema.FundingData, _market, decode.funding),
                ("positions", schema.Position, _market, decode_account.position),
                ("balance_events", schema.BalanceEvent, None, self._balance_event),
                ("account", schema.AccountSummary, None, self._account),
                ("funding_payments", schema.FundingPayment, _market, decode_account.funding_payment),
            )
        }

    # Words that go out

    @property
    def traits(self) -> StreamTraits:
        """How the venue's sockets behave."""
        return _TRAITS

    async def endpoint(self, connection: str) -> StreamEndpoint:
        """Return the one address; what is private is told apart by signing in."""
        return StreamEndpoint(self._url)

    def topics(self, subscription: Subscription) -> Sequence[Topic]:
        """
        Return the channels that serve a subscription.

        Raises:
            CapabilityError: None does.
            CredentialsError: The channel is private and there are no credentials.
        """
        names = self._names(subscription)
        private = subscription.channel.is_private
        if private and self._tokens is None:
            msg = f"channel {subscription.channel} needs credentials: set private_key, subkey or readonly_token"
            raise CredentialsError(msg, venue=VENUE, operation="open_stream")
        self._wanted.update(names)
        self._by_name.clear()
        connection = PRIVATE_CONNECTION if private else PUBLIC_CONNECTION
        return [Topic(name, private=private, connection=connection) for name in names]

    def _names(self, subscription: Subscription) -> list[str]:
        channel = subscription.channel
        symbol = subscription.market.symbol if subscription.market is not None else endpoints.ALL
        match channel:
            case Channel.ORDERS:
                return [Channels.orders(symbol)]
            case Channel.FILLS:
                return [Channels.fills(symbol)]
            case Channel.FUNDING_PAYMENTS:
                return [Channels.funding_payments(symbol)]
            case Channel.POSITIONS:
                return [Channels.POSITIONS]
            case Channel.BALANCES:
                return [Channels.BALANCE_EVENTS, Channels.ACCOUNT]
            case _ if subscription.market is None:
                raise CapabilityError(f"channel {channel} needs a market", venue=VENUE, operation="open_stream")
            case Channel.BOOK:
                return [Channels.book(symbol, self._book_interval)]
            case Channel.TRADES:
                return [Channels.trades(symbol)]
            case Channel.TICKER:
                return [Channels.summary(symbol)]
            case Channel.FUNDING:
                return [Channels.funding(symbol)]

    async def sign_in(self, connection: str, request_id: int) -> Frame | None:
        """Return the frame that signs in, with a fresh token; None for market data."""
        if connection != PRIVATE_CONNECTION or self._tokens is None:
            return None
        token = await self._tokens.token()
        return rpc("auth", {"bearer": token.reveal()}, request_id)

    def subscribe(self, topic: Topic, request_id: int) -> Frame:
        """Return the frame that subscribes."""
        return rpc("subscribe", {"channel": topic.name}, request_id)

    def unsubscribe(self, topic: Topic, request_id: int) -> Frame:
        """Return the frame that unsubscribes."""
        return rpc("unsubscribe", {"channel": topic.name}, request_id)

    def keepalive(self) -> Frame | None:
        """Return nothing: protocol pings serve."""
        return _KEEPALIVE

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
        name = text[:_HEAD].partition(_CHANNEL_KEY)[2].partition('"')[0]
        route = self._by_name.get(name) or self._route(name)
        if route is not None:
            try:
                params = route.frame(text).params
            except (msgspec.MsgspecError, RecursionError):
                return self._slowly(text, received)
            if params.channel == name and not (route.looks_for_nan and wire.may_hold_non_finite(text)):
                return self._meaning(route, params.data, received)
        return self._slowly(text, received)

    def _meaning(self, route: _Route, row: Any, received: datetime) -> Sequence[Incoming]:
        market = None
        if route.symbol_of is not None:
            symbol = route.symbol_of(row)
            market = self._market_of(symbol)
            if market is None:
                return self._not_held(symbol)
        event = route.event(row, market, received)
        return (Data(route.topic, (event,)),) if event is not None else ()

    def _route(self, name: str) -> _Route | None:
        """Return how a channel's frames are read, and remember it by the channel's full name."""
        route = self._routes.get(name.partition(".")[0])
        if route is None:
            return None
        # A frame of ``orders.ALL`` may name its market instead.
        whole = f"{name.partition('.')[0]}.{endpoints.ALL}"
        topic = whole if name not in self._wanted and whole in self._wanted else name
        found = replace(route, topic=topic)
        if topic in self._wanted and len(self._by_name) < _MOST_REMEMBERED:
            self._by_name[name] = found
        return found

    def _slowly(self, text: str, received: datetime) -> Sequence[Incoming]:
        envelope = wire.read(Envelope, text, what="a frame", redactor=self._redactor)
        if envelope.error is not None:
            return (self._refusal(envelope.error, envelope.id),)
        if envelope.id is not None:
            named = _Named()
            if bytes(envelope.result)[:1] == b"{":
                named = wire.read(_Named, envelope.result, what="an answer", redactor=self._redactor)
            return (Ack(envelope.id, named.channel),)
        if envelope.method != "subscription" or not bytes(envelope.params):
            return ()
        params = wire.read(_RawParams, envelope.params, what="a notification", redactor=self._redactor)
        route = self._route(params.channel)
        if route is None:
            return ()
        what = f"channel {params.channel}"
        row = wire.read(route.payload, params.data, what=what, redactor=self._redactor)
        return self._meaning(route, row, received)

    def _not_held(self, symbol: str) -> Sequence[Incoming]:
        """
        Say what a frame means whose market is not held: it is no perpetual, and means nothing, or was listed since the
        markets were read. That one must not be lost, so the connection is made again, once, and what happened is read
        by REST, which reads the listing again.
        """
        if not symbol.endswith("-PERP") or symbol in self._unlisted:
            return ()
        self._unlisted.add(symbol)
        log.warning("%s streams %s, which is not among the markets held; catching up by REST", VENUE, symbol)
        return (Closing(f"{symbol} is not among the markets held; reading what happened on it by REST"),)

    def _refusal(self, error: schema.RpcErrorBody, request_id: int | None) -> Incoming:
        message = self._redactor.text(error.message)
        failure = rpc_error(error.code, message, operation="stream")
        if request_id is None and isinstance(failure, AuthError):
            return SignedOut(message)
        return Refusal(request_id, failure, already="already subscribed" in message.lower())

    # Payloads that are read with what is remembered

    def _order(self, row: schema.Order, market: Market, received: datetime) -> Event:
        order = decode_account.order(row, market, received, is_stream=True)
        self._orders.remember(row.id, order.side, row.type)
        return order

    def _fill(self, row: schema.Fill, market: Market, received: datetime) -> Event:
        return decode_account.fill(row, market, received, order_side=self._orders.side(row.order_id))

    def _balance_event(self, row: schema.BalanceEvent, _: None, received: datetime) -> Event:
        asset, total = row.settlement_asset_name, row.settlement_asset_balance_after
        return self._balances.with_total(asset, total, from_ms(row.created_at), received)

    def _account(self, row: schema.AccountSummary, _: None, received: datetime) -> Event | None:
        at = from_ms(row.updated_at) if row.updated_at else None
        return self._balances.with_free(row.settlement_asset, row.free_collateral, at, received)


def _text(frame: bytes) -> str:
    try:
        return frame.decode()
    except UnicodeDecodeError as exc:
        raise DecodeError("a binary frame that is no text; the JSON feed was expected", venue=VENUE) from exc
