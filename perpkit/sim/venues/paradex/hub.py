"""
From the exchange's events to the clients that subscribed: one queue, drained in order on the event loop.

Public state (best prices, funding, summaries, an account's margin) is sent as it stands when the queue is drained;
orders, fills, positions, balances, payments, trades and book deltas are sent one by one and never left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from perpkit.core.models.market import MarketStatus
from perpkit.sim import events
from perpkit.sim.hub import EventHub
from perpkit.sim.venues.paradex import wire_account, wire_markets, wire_orders
from perpkit.sim.venues.paradex.books import Feed, MarketBooks
from perpkit.sim.venues.paradex.channels import ALL, Channel
from perpkit.sim.venues.paradex.connection import Connection
from perpkit.sim.venues.paradex.routes_account import transaction_body
from perpkit.sim.venues.paradex.routes_market import summary

if TYPE_CHECKING:
    from perpkit.sim.venues.paradex.venue import Venue


class Hub(EventHub):
    """Knows who subscribed to what, and tells them."""

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue.exchange)
        self._venue = venue
        self._subscribers: dict[str, dict[Connection, None]] = {}
        self._books: dict[str, MarketBooks] = {}

    def start(self) -> None:
        """Begin to listen to the exchange; what it tells is handed on by :meth:`run`."""
        super().start()
        exchange = self._venue.exchange
        for spec in exchange.markets():
            self._books[spec.symbol] = MarketBooks(
                exchange.book(spec.symbol), exchange.book(spec.symbol, interactive=True)
            )

    def feeds(self) -> Iterable[Feed]:
        """Return the book feeds of every market."""
        return [feed for books in self._books.values() for feed in books.feeds.values()]

    # --- subscriptions --------------------------------------------------------------------------------------------

    def subscribe(self, connection: Connection, channel: Channel) -> None:
        """Enter a subscription; what is older than it goes out first. Nothing is sent to it yet, see :meth:`greet`."""
        self.drain()
        if channel.book is not None and channel.market in self._books:
            self._feed(channel).flush()
        self._subscribers.setdefault(channel.name, {})[connection] = None
        connection.channels.add(channel.name)

    def unsubscribe(self, connection: Connection, name: str) -> None:
        """Take a subscription back."""
        connection.channels.discard(name)
        connection.markets_filters.pop(name, None)
        subscribers = self._subscribers.get(name, {})
        subscribers.pop(connection, None)
        if not subscribers:
            self._subscribers.pop(name, None)
            for books in self._books.values():
                feed = books.feeds.pop(name, None)
                if feed is not None:
                    feed.stop()

    def forget(self, connection: Connection) -> None:
        """Take back every subscription of a client that has gone."""
        for name in list(connection.channels):
            self.unsubscribe(connection, name)

    def greet(self, connection: Connection, channel: Channel) -> None:
        """Send a new subscriber what a public channel stands at. Private channels tell changes only."""
        exchange = self._venue.exchange
        if channel.book is not None:
            books = self._books.get(channel.market)
            if books is not None:
                connection.send(channel.name, push(channel.name, books.feeds[channel.name].first()))
            return
        if channel.kind == "markets_summary":
            self._send_summaries(connection, channel.name)
            return
        for symbol in self._books:
            if channel.market not in {ALL, symbol}:
                continue
            if channel.kind == "bbo":
                connection.send(channel.name, push(channel.name, wire_markets.bbo_body(exchange.bbo(symbol))))
            elif channel.kind == "funding_data":
                connection.send(channel.name, push(channel.name, wire_markets.funding_body(exchange.funding(symbol))))

    def _feed(self, channel: Channel) -> Feed:
        books, name = self._books[channel.market], channel.name
        if channel.book is None:
            message = f"{name} is no book channel"
            raise ValueError(message)
        if name not in books.feeds:
            books.feeds[name] = Feed(
                channel.book,
                plain=books.plain,
                interactive=books.interactive,
                clock=self._venue.exchange.clock,
                publish=lambda data: self._publish(name, data),
            )
        return books.feeds[name]

    # --- events ---------------------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Send everything that has happened."""
        stale: dict[tuple[str, str], events.Event] = {}
        while self._pending:
            event = self._pending.popleft()
            match event:
                case events.OrderEvent():
                    self._on_order(event)
                case events.FillEvent(fill=fill):
                    body = wire_orders.fill_body(fill)
                    self._to_account(fill.account_id, (f"fills.{fill.market}", f"fills.{ALL}"), body)
                    self._to_account(fill.account_id, ("transaction",), transaction_body(fill))
                case events.TradeEvent(trade=trade):
                    body = wire_orders.trade_body(trade)
                    self._publish(f"trades.{trade.market}", body)
                    self._publish(f"trades.{ALL}", body)
                case events.PositionEvent(position=position):
                    self._to_account(position.account_id, ("positions",), wire_account.position_body(position))
                case events.BalanceEvent(entry=entry):
                    self._to_account(entry.account_id, ("balance_events",), wire_account.balance_event_body(entry))
                case events.TransferEvent(transfer=transfer):
                    self._to_account(transfer.account_id, ("transfers",), wire_account.transfer_body(transfer))
                case events.FundingPaymentEvent(payment=payment):
                    names = (f"funding_payments.{payment.market}", f"funding_payments.{ALL}")
                    self._to_account(payment.account_id, names, wire_account.funding_payment_body(payment))
                case events.BookEvent(market=market):
                    if market in self._books:
                        self._books[market].apply(event)
                case events.MarketEvent():
                    self._on_market(event)
                case events.BboEvent(bbo=bbo):
                    stale["bbo", bbo.market] = event
                case events.FundingEvent(funding=funding):
                    stale["funding", funding.market] = event
                case events.AccountEvent(account_id=account_id):
                    stale["account", account_id] = event
                case events.TickEvent():
                    stale["tick", ""] = event
                case _:
                    # Prices show in summaries; the system's state is asked for; liquidations show as fills and orders.
                    continue
        for books in self._books.values():
            books.settle()
        for latest in stale.values():
            self._on_state(latest)

    def _on_order(self, event: events.OrderEvent) -> None:
        order = event.order
        body = wire_orders.order_body(order, self._venue.now_ms())
        if event.cause in {events.OrderCause.AMENDED, events.OrderCause.AMEND_REFUSED}:
            body["request_info"] = wire_orders.modification_info(order, event.refused)
        self._to_account(order.account_id, (f"orders.{order.market}", f"orders.{ALL}"), body)

    def _on_market(self, event: events.MarketEvent) -> None:
        settled = event.status is MarketStatus.SETTLED
        body = {
            "symbol": event.market,
            "event_type": "SETTLED" if settled else "UPDATED",
            "updated_at": event.time_ms,
            "changed_fields": {"expiry_at": event.time_ms} if settled else {},
        }
        self._venue.market_events.append(body)
        self._publish("markets", body)
        self._publish(f"markets.{event.market}", body)

    def _on_state(self, event: events.Event) -> None:
        match event:
            case events.BboEvent(bbo=bbo):
                body = wire_markets.bbo_body(bbo)
                self._publish(f"bbo.{bbo.market}", body)
                self._publish(f"bbo.{ALL}", body)
            case events.FundingEvent(funding=funding):
                body = wire_markets.funding_body(funding)
                self._publish(f"funding_data.{funding.market}", body)
                self._publish(f"funding_data.{ALL}", body)
            case events.AccountEvent(account_id=account_id):
                if self._venue.exchange.has_account(account_id):
                    self._to_account(
                        account_id,
                        ("account",),
                        lambda: wire_account.account_body(self._venue.exchange.account(account_id)),
                    )
            case events.TickEvent():
                for name in [n for n in self._subscribers if n.partition(".")[0] == "markets_summary"]:
                    for connection in list(self._subscribers[name]):
                        self._send_summaries(connection, name)
            case _:
                message = f"{type(event).__name__} is not a state"
                raise TypeError(message)

    # --- sending --------------------------------------------------------------------------------------------------

    def _send_summaries(self, connection: Connection, name: str) -> None:
        """Send every listed row that the channel is about, those that don't trade here among them."""
        named, chosen = name.partition(".")[2], connection.markets_filters.get(name)
        for symbol, listing in self._venue.listings.items():
            if named in {"", ALL, symbol} and (chosen is None or symbol in chosen):
                connection.send(name, push(name, summary(self._venue, listing)))

    def _publish(self, name: str, data: dict[str, Any]) -> None:
        for connection in list(self._subscribers.get(name, ())):
            connection.send(name, push(name, data))

    def _to_account(
        self, account_id: str, names: tuple[str, ...], data: dict[str, Any] | Callable[[], dict[str, Any]]
    ) -> None:
        for name in names:
            for connection in list(self._subscribers.get(name, ())):
                if connection.session is not None and connection.session.address == account_id:
                    connection.send(name, push(name, data() if callable(data) else data))


def push(channel: str, data: dict[str, Any]) -> dict[str, Any]:
    """Return the envelope of a pushed message."""
    return {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": channel, "data": data}}
