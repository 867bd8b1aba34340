"""
Toy's words for streams: topics, the frames that sign in and subscribe, what a frame means. No sockets.

``{"op":"subscribe","id":1,"topic":"book.BTC_PERP"}`` is answered by ``{"id":1}`` or ``{"id":1,"error":{...}}``; data
comes as ``{"topic":"book.BTC_PERP","kind":"snapshot","data":{...}}``, ``kind`` being ``snapshot`` or ``update``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from perpkit.core.catalog import MarketCatalog
from perpkit.core.errors import AuthError, CapabilityError
from perpkit.core.models import Channel, Event, Market, Subscription
from perpkit.core.streams.protocol import (
    Ack,
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
from perpkit.core.transport.redact import Redactor

from perpkit_toy import decode, schema, wire
from perpkit_toy.config import VENUE
from perpkit_toy.errors import venue_error
from perpkit_toy.rest import RestClient

CHANNELS: Final = frozenset(
    {Channel.BOOK, Channel.TRADES, Channel.ORDERS, Channel.FILLS, Channel.POSITIONS, Channel.BALANCES}
)
"""What the venue streams; for the other channels the core polls."""

PRIVATE: Final = "private"
"""Private topics have a connection of their own, so that refused credentials don't stop market data."""

_TRAITS = StreamTraits(
    # The venue sends no pings of its own (contract, ``info.description``).
    silence_timeout=timedelta(seconds=45),
    ping_interval=timedelta(seconds=15),
    book_resync="resubscribe",
)

Reader = Callable[[Any, Market, datetime], Event]


class Route(NamedTuple):
    """How the data of one family of topics is read."""

    row: type[Any]
    event: Reader


_ROUTES: dict[str, Route] = {
    "trades": Route(schema.Trade, decode.trade),
    "orders": Route(schema.Order, decode.order),
    "fills": Route(schema.Fill, decode.fill),
    "positions": Route(schema.Position, decode.position),
}


class ToyStream:
    """One ``open_stream``'s words."""

    def __init__(self, url: str, markets: MarketCatalog, rest: RestClient, redactor: Redactor) -> None:
        self._url = url
        self._markets = markets
        self._rest = rest
        self._redactor = redactor

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
        Return the topic that serves a subscription.

        Raises:
            CapabilityError: None does.
            CredentialsError: The channel is private and there are no credentials.
        """
        channel, market = subscription.channel, subscription.market
        if channel not in CHANNELS:
            raise CapabilityError(f"{VENUE} does not stream {channel}", venue=VENUE, operation="open_stream")
        if channel.is_private:
            self._rest.require_credentials("open_stream")
            return [Topic(channel.value, private=True, connection=PRIVATE)]
        if market is None:
            raise CapabilityError(f"channel {channel} needs a market", venue=VENUE, operation="open_stream")
        return [Topic(f"{channel.value}.{market.symbol}")]

    async def sign_in(self, connection: str, request_id: int) -> Frame | None:
        """Return the frame that signs in; None for market data."""
        if connection != PRIVATE:
            return None
        return _frame("auth", request_id, await self._rest.sign_in())

    def subscribe(self, topic: Topic, request_id: int) -> Frame:
        """Return the frame that subscribes."""
        return _frame("subscribe", request_id, {"topic": topic.name})

    def unsubscribe(self, topic: Topic, request_id: int) -> Frame:
        """Return the frame that unsubscribes."""
        return _frame("unsubscribe", request_id, {"topic": topic.name})

    def keepalive(self) -> Frame | None:
        """Return the frame to send now and then: none, for protocol pings serve."""
        return self._no_keepalive

    _no_keepalive: Frame | None = None

    # Words that come in

    def decode(self, frame: Frame, received: datetime) -> Sequence[Incoming]:
        """
        Turn one frame into what it means; frames of no interest mean nothing.

        Raises:
            DecodeError: It can't be read.
        """
        head = wire.read(schema.Frame, frame, what="a frame", redactor=self._redactor)
        if head.error is not None:
            error = venue_error(head.error.code, self._redactor.text(head.error.message), status=None)
            if head.id is None and isinstance(error, AuthError):
                return (SignedOut(error.message),)
            return (Refusal(head.id, error, already=head.error.code == "already_subscribed"),)
        if head.id is not None:
            return (Ack(head.id),)
        if head.topic is None or not bytes(head.data):
            return ()
        event = self._event(head.topic, head.kind, bytes(head.data), received)
        return (Data(head.topic, (event,)),) if event is not None else ()

    def _event(self, topic: str, kind: str | None, data: bytes, received: datetime) -> Event | None:
        family = topic.partition(".")[0]
        if family == "balances":
            return decode.balance(self._row(schema.Balance, data, topic), received)
        if family == "book":
            book = self._row(schema.Book, data, topic)
            listed = self._markets.get_by_symbol(book.symbol)
            read = decode.book if kind == "snapshot" else decode.book_update
            return read(book, listed, received) if listed is not None else None
        route = _ROUTES.get(family)
        if route is None:
            return None
        row = self._row(route.row, data, topic)
        listed = self._markets.get_by_symbol(row.symbol)
        return route.event(row, listed, received) if listed is not None else None

    def _row(self, type_: type[Any], data: bytes, topic: str) -> Any:
        return wire.read(type_, data, what=f"topic {topic}", redactor=self._redactor)


def _frame(op: str, request_id: int, fields: dict[str, Any]) -> str:
    return wire_json.dumps({"op": op, "id": request_id, **fields}).decode()
