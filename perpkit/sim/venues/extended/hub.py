"""
From the exchange's events to the clients that listen: one queue, drained in order on the event loop.

What happens to an account, trades and book changes go out one by one and are never left out; an account's balance is
sent as it stands when the queue is drained.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from perpkit.sim import events
from perpkit.sim.hub import EventHub
from perpkit.sim.venues.extended import wire_markets
from perpkit.sim.venues.extended.account_feed import AccountFeed
from perpkit.sim.venues.extended.books import BookFeed
from perpkit.sim.venues.extended.client import StreamClient
from perpkit.sim.venues.extended.numbers import number
from perpkit.sim.venues.extended.topics import KINDS, NoSuchTopicError, Topic

if TYPE_CHECKING:
    from perpkit.sim.venues.extended.venue import Venue

REPLAYED_TRADES = 50
"""Sent to a new v2 subscriber of trades; captured."""

_WORDS = {"mark": "MP", "index": "IP"}


class Hub(EventHub):
    """Knows who listens to what, and tells them."""

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue.exchange)
        self._venue = venue
        self._listeners: dict[str, dict[StreamClient, Topic]] = {}
        self._feeds: dict[tuple[str, str], BookFeed] = {}
        self._accounts = AccountFeed(venue, self._to_account, lambda account: f"account.{account}" in self._listeners)
        self._told_prices: dict[str, dict[str, Decimal]] = {}
        self._moved: set[str] = set()
        """Markets whose candles have changed since the last second."""

    def feeds(self) -> Iterable[BookFeed]:
        """Return the book feeds that are listened to."""
        return self._feeds.values()

    # --- who listens ----------------------------------------------------------------------------------------------

    def check(self, topic: Topic) -> None:
        """Raise :class:`NoSuchTopicError` for a market that trades nowhere here."""
        if topic.market is not None and topic.market not in self._symbols():
            raise NoSuchTopicError(f"no market {topic.market!r}")

    def subscribe(self, client: StreamClient, topic: Topic) -> None:
        """Let a client listen; what is older goes to the others first, then it is told where things stand."""
        self.drain()
        if topic.scope == "orderbooks":
            for market in self._covered(topic):
                self._feed(market, topic.depth).flush()
        client.topics[topic.id] = topic
        self._listeners.setdefault(topic.id, {})[client] = topic
        self._greet(client, topic)

    def unsubscribe(self, client: StreamClient, topic_id: str) -> bool:
        """Take a topic back; tells whether it was there."""
        listeners = self._listeners.get(topic_id, {})
        listeners.pop(client, None)
        topic = client.topics.pop(topic_id, None)
        if not listeners:
            self._listeners.pop(topic_id, None)
        self._drop_idle_feeds()
        return topic is not None

    def forget(self, client: StreamClient) -> None:
        """Take back every topic of a client that has gone."""
        for topic_id in list(client.topics):
            self.unsubscribe(client, topic_id)

    # --- events ---------------------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Send everything that has happened."""
        changed: dict[str, None] = {}
        while self._pending:
            event = self._pending.popleft()
            match event:
                case events.BookEvent(market=market):
                    changed[market] = None
                case events.TradeEvent(trade=trade):
                    self._moved.add(trade.market)
                    self._publish("trades", trade.market, "TRADE", [wire_markets.trade_body(trade)], event.time_ms)
                case events.FundingSettledEvent(funding=funding):
                    body = wire_markets.funding_body(funding)
                    self._publish("funding-rates", funding.market, "RATE", body, event.time_ms)
                case events.PriceEvent():
                    self._moved.add(event.market)
                    self._tell_prices(event)
                    self._accounts.note_prices(event.market)
                case events.OrderEvent() | events.FillEvent() | events.PositionEvent() | events.TransferEvent():
                    self._accounts.tell(event)
                case events.BalanceEvent() | events.AccountEvent():
                    self._accounts.note(event)
                case events.TickEvent():
                    self._accounts.note_second()
                    self._tell_candles(event.time_ms)
                case _:
                    # Markets and the exchange's mode are asked for; liquidations show as fills and orders.
                    continue
        self._accounts.settle()
        for (market, _), feed in list(self._feeds.items()):
            if market in changed:
                feed.changed()

    # --- sending --------------------------------------------------------------------------------------------------

    def _greet(self, client: StreamClient, topic: Topic) -> None:
        now_ms = self._venue.now_ms()
        if topic.scope == "account":
            self._accounts.greet(client, topic)
            return
        for market in self._covered(topic):
            if topic.scope == "orderbooks":
                self._push_book(client, topic, "SNAPSHOT", self._feed(market, topic.depth).snapshot())
            elif topic.scope == "prices":
                exchange = self._venue.exchange
                price = exchange.mark_price(market) if topic.kind == "mark" else exchange.index_price(market)
                _push_price(client, topic, market, price, now_ms)
            elif topic.scope == "trades" and client.is_v2:
                trades = self._venue.exchange.trades(market)[-REPLAYED_TRADES:]
                if trades:
                    client.push(topic, "TRADE", [wire_markets.trade_body(trade) for trade in trades], now_ms)
            elif topic.scope == "candles":
                self._push_candle(client, topic, now_ms)

    def _publish(self, scope: str, market: str, word: str, data: Any, ts: int) -> None:
        for client, topic in self._listening(scope, market):
            client.push(topic, word, data, ts)

    def _listening(self, scope: str, market: str) -> Iterable[tuple[StreamClient, Topic]]:
        return [
            (client, topic)
            for listeners in self._listeners.values()
            for client, topic in listeners.items()
            if topic.scope == scope and topic.covers(market)
        ]

    def _push_book(self, client: StreamClient, topic: Topic, word: str, data: dict[str, Any]) -> None:
        # Which depth a book has is told on v2 only.
        depth = {"d": "f" if topic.depth == "full" else "1"} if client.is_v2 else {}
        client.push(topic, word, {**data, **depth}, self._venue.now_ms())

    def _tell_prices(self, event: events.PriceEvent) -> None:
        now = {"mark": event.mark_price, "index": event.index_price}
        before = self._told_prices.get(event.market, {})
        self._told_prices[event.market] = now
        for client, topic in self._listening("prices", event.market):
            if now[topic.kind] != before.get(topic.kind):
                _push_price(client, topic, event.market, now[topic.kind], event.time_ms)

    def _tell_candles(self, ts: int) -> None:
        moved, self._moved = self._moved, set()
        for market in moved:
            for client, topic in self._listening("candles", market):
                self._push_candle(client, topic, ts)

    def _push_candle(self, client: StreamClient, topic: Topic, ts: int) -> None:
        """Send the candle that is being made; nothing before the first price."""
        if topic.market is None:
            return
        width = wire_markets.INTERVALS[topic.interval]
        width_ms = width.days * 86_400_000 + width.seconds * 1000
        found = self._venue.exchange.candles(
            topic.market, width, since_ms=ts // width_ms * width_ms, until_ms=ts, kind=KINDS[topic.kind]
        )
        if found:
            client.push(topic, "CANDLE", [wire_markets.candle_body(found[-1], KINDS[topic.kind])], ts)

    def _to_account(self, account_id: str, word: str, data: dict[str, Any], ts: int) -> None:
        for client, topic in list(self._listeners.get(f"account.{account_id}", {}).items()):
            client.push(topic, word, data, ts, name=f"account.{word}")

    # --- books ----------------------------------------------------------------------------------------------------

    def _symbols(self) -> list[str]:
        return [spec.symbol for spec in self._venue.exchange.markets()]

    def _covered(self, topic: Topic) -> list[str]:
        """Return the markets that a topic is about."""
        return [symbol for symbol in self._symbols() if self._shows(topic, symbol)]

    def _shows(self, topic: Topic, market: str) -> bool:
        """Tell whether a topic shows a market; quotes on request are the books of such markets only."""
        return topic.covers(market) and (not topic.rfq_only or self._venue.listings[market].is_rfq)

    def _feed(self, market: str, depth: str) -> BookFeed:
        feed = self._feeds.get((market, depth))
        if feed is None:
            exchange = self._venue.exchange
            feed = self._feeds[market, depth] = BookFeed(
                market,
                depth,
                lambda: exchange.book(market, None if depth == "full" else 1),
                exchange.clock,
                lambda word, data: self._tell_book(market, depth, word, data),
            )
        return feed

    def _tell_book(self, market: str, depth: str, word: str, data: dict[str, Any]) -> None:
        for client, topic in self._listening("orderbooks", market):
            if topic.depth == depth and self._shows(topic, market):
                self._push_book(client, topic, word, data)

    def _drop_idle_feeds(self) -> None:
        for market, depth in list(self._feeds):
            if not any(topic.depth == depth for _, topic in self._listening("orderbooks", market)):
                self._feeds.pop((market, depth)).stop()


def _push_price(client: StreamClient, topic: Topic, market: str, price: Decimal, ts: int) -> None:
    # The venue stamps index prices and leaves 0 on mark prices.
    data = {"m": market, "p": number(price), "ts": 0 if topic.kind == "mark" else ts}
    client.push(topic, _WORDS[topic.kind], data, ts, sourceEventId=None)
