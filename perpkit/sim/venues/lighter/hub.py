"""
From the exchange's events to the clients that subscribed: one queue, drained in order on the event loop.

What changed several times between two drains is told once, as it stands; trades, transactions and notifications are
told one by one and never left out.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from perpkit.sim import events
from perpkit.sim.hub import EventHub
from perpkit.sim.orders import Order
from perpkit.sim.venues.lighter import views
from perpkit.sim.venues.lighter.books import BookFeed
from perpkit.sim.venues.lighter.channels import ALL, Channel
from perpkit.sim.venues.lighter.connection import Connection
from perpkit.sim.venues.lighter.errors import TEXTS
from perpkit.sim.venues.lighter.records import TradeRecord, TxRecord
from perpkit.sim.venues.lighter.wire_orders import tx_row

if TYPE_CHECKING:
    from perpkit.sim.venues.lighter.accounts import Account
    from perpkit.sim.venues.lighter.venue import Venue

Body = dict[str, Any]
_ON_ACCOUNT = ("user_stats", "account_all_assets", "account_all", "account_market")


class Hub(EventHub):
    """Knows who subscribed to what, and tells them."""

    def __init__(self, venue: Venue) -> None:
        super().__init__(venue.exchange)
        self._venue = venue
        self._subscribers: dict[Channel, dict[Connection, None]] = {}
        self._feeds: dict[str, BookFeed] = {}
        self._done: deque[TxRecord] = deque()

    def feeds(self) -> Iterable[BookFeed]:
        """Return the book feeds that are listened to."""
        return self._feeds.values()

    def tell_transaction(self, record: TxRecord) -> None:
        """Tell of a transaction that was carried out or failed."""
        self._done.append(record)
        self._wake.set()

    # --- subscriptions --------------------------------------------------------------------------------------------

    def subscribe(self, connection: Connection, channel: Channel, deadline: int | None) -> None:
        """Enter a subscription and send what the channel stands at; what is older goes to the others first."""
        self.drain()
        if channel.kind == "order_book":
            listing = self._venue.perp(channel.market_id or 0)
            feed = self._feed(listing.symbol)
            feed.flush(listing)
            body = feed.snapshot(listing, self._venue.exchange.book(listing.symbol))
        else:
            body = views.first(self._venue, channel)
        self._subscribers.setdefault(channel, {})[connection] = None
        connection.channels[channel] = deadline
        connection.answer(channel.name, _frame("subscribed", channel, body))

    def unsubscribe(self, connection: Connection, channel: Channel) -> None:
        """Take a subscription back."""
        connection.channels.pop(channel, None)
        subscribers = self._subscribers.get(channel, {})
        subscribers.pop(connection, None)
        if not subscribers:
            self._subscribers.pop(channel, None)

    def forget(self, connection: Connection) -> None:
        """Take back every subscription of a client that has gone."""
        for channel in list(connection.channels):
            self.unsubscribe(connection, channel)

    # --- events ---------------------------------------------------------------------------------------------------

    def drain(self) -> None:
        """Send everything that has happened."""
        changed: dict[str, dict[str, Order]] = defaultdict(dict)
        moved: dict[str, set[str]] = defaultdict(set)
        accounts: dict[str, None] = {}
        markets: dict[str, None] = {}
        quotes: dict[str, None] = {}
        ticked = False
        while self._pending:
            match self._pending.popleft():
                case events.OrderEvent(order=order):
                    changed[order.account_id][order.id] = order
                case events.PositionEvent(position=position):
                    moved[position.account_id].add(position.market)
                case events.BookEvent() as event:
                    self._feed(event.market).add(event)
                case events.BboEvent(bbo=bbo):
                    quotes[bbo.market] = None
                case events.PriceEvent(market=market) | events.MarketEvent(market=market):
                    markets[market] = None
                case events.FundingEvent(funding=funding) | events.FundingSettledEvent(funding=funding):
                    markets[funding.market] = None
                case events.AccountEvent(account_id=account_id):
                    accounts[account_id] = None
                case events.LiquidationEvent(liquidation=liquidation):
                    self._notify(liquidation.account_id, liquidation.id, liquidation.created_at_ms)
                case events.TickEvent():
                    ticked = True
                case _:
                    # Fills come with the records' trades; money shows in the account's figures.
                    continue
        self._tell_books(quotes)
        self._tell_trades()
        for account_id, orders in changed.items():
            self._tell_orders(account_id, list(orders.values()))
        for account_id, symbols in moved.items():
            self._tell_positions(account_id, symbols)
        self._tell_transactions()
        self._tell_accounts(accounts)
        self._tell_markets(markets)
        if ticked:
            self._expire_tokens()
            self._send(lambda channel: channel.kind == "height", views.height)

    def _tell_books(self, quotes: Iterable[str]) -> None:
        for symbol, feed in self._feeds.items():
            feed.settle(self._venue.listings[symbol])
        for symbol in quotes:
            market = str(self._venue.listings[symbol].market_id)
            for channel in self._channels("ticker", market=market):
                self._publish(channel, views.ticker(self._venue, channel))

    def _tell_trades(self) -> None:
        by_market: dict[str, list[TradeRecord]] = defaultdict(list)
        by_account: dict[str, list[TradeRecord]] = defaultdict(list)
        new = self._venue.records.new_trades
        while new:
            record = new.popleft()
            by_market[record.market].append(record)
            for account_id in dict.fromkeys((record.ask.account_id, record.bid.account_id)):
                by_account[account_id].append(record)
        for symbol, records in by_market.items():
            market = str(self._venue.listings[symbol].market_id)
            for channel in self._channels("trade", market=market):
                self._publish(channel, views.trades(self._venue, channel, records))
            for channel in [c for c in self._subscribers if c.kind == "candle" and c.market == market]:
                self._publish(channel, views.candle(self._venue, channel))
        for account_id, records in by_account.items():
            account = self._venue.registry.find(account_id)
            if account is not None:
                for channel in self._channels("account_all_trades", account=account.index):
                    self._publish(channel, views.account_trades(self._venue, account, channel, records))

    def _tell_orders(self, account_id: str, orders: list[Order]) -> None:
        account = self._venue.registry.find(account_id)
        if account is None:
            return
        for channel in self._of_account(account, ("account_all_orders", "account_orders")):
            body = views.orders(self._venue, account, channel, orders)
            if body["orders"]:
                self._publish(channel, body)

    def _tell_positions(self, account_id: str, symbols: set[str]) -> None:
        account = self._venue.registry.find(account_id)
        if account is not None:
            for channel in self._channels("account_all_positions", account=account.index):
                self._publish(channel, views.positions(self._venue, account, channel, symbols))

    def _tell_transactions(self) -> None:
        while self._done:
            record = self._done.popleft()
            row = tx_row(record, height=self._venue.height(record.executed_at_ms))
            for channel in self._channels("account_tx", account=record.account_index):
                self._publish(channel, {"txs": [row]})

    def _tell_accounts(self, account_ids: Iterable[str]) -> None:
        for account_id in account_ids:
            account = self._venue.registry.find(account_id)
            if account is not None:
                for channel in self._of_account(account, _ON_ACCOUNT):
                    self._publish(channel, views.first(self._venue, channel))

    def _tell_markets(self, symbols: Iterable[str]) -> None:
        changed = list(symbols)
        if not changed:
            return
        ids = {str(self._venue.listings[symbol].market_id) for symbol in changed}
        self._send(
            lambda channel: channel.kind == "market_stats" and (channel.market == ALL or channel.market in ids),
            lambda venue, channel: views.market_stats(venue, channel, changed),
        )

    def _notify(self, account_id: str, number: str, time_ms: int) -> None:
        account = self._venue.registry.find(account_id)
        if account is None:
            return
        stamp = time_ms // 1000
        note = {
            "id": number,
            "created_at": stamp,
            "updated_at": stamp,
            "kind": "liquidation",
            "account_index": account.index,
            "content": {},
            "ack": False,
            "acked_at": None,
        }
        for channel in self._channels("notification", account=account.index):
            self._publish(channel, {"notifs": [note]})

    def _expire_tokens(self) -> None:
        now = self._venue.now_s()
        for channel, subscribers in list(self._subscribers.items()):
            for connection in list(subscribers):
                deadline = connection.channels.get(channel)
                if channel.is_private and deadline is not None and deadline <= now:
                    self.unsubscribe(connection, channel)
                    refusal = {"code": 20013, "message": f"{TEXTS[20013]}: expired token"}
                    connection.send("error", {"error": refusal})

    # --- sending --------------------------------------------------------------------------------------------------

    def _feed(self, symbol: str) -> BookFeed:
        if symbol not in self._feeds:
            channel = Channel("order_book", market=str(self._venue.listings[symbol].market_id))
            self._feeds[symbol] = BookFeed(
                self._venue.records.book(symbol),
                self._venue.exchange.clock,
                lambda body: self._publish(channel, body),
            )
        return self._feeds[symbol]

    def _of_account(self, account: Account, kinds: tuple[str, ...]) -> list[Channel]:
        return [c for c in self._subscribers if c.account == account.index and c.kind in kinds]

    def _channels(self, kind: str, *, market: str | None = None, account: int | None = None) -> list[Channel]:
        channel = Channel(kind, market=market, account=account)
        return [channel] if channel in self._subscribers else []

    def _send(self, fits: Callable[[Channel], bool], view: Callable[[Venue, Channel], Body]) -> None:
        for channel in [channel for channel in self._subscribers if fits(channel)]:
            self._publish(channel, view(self._venue, channel))

    def _publish(self, channel: Channel, body: Body) -> None:
        subscribers = self._subscribers.get(channel)
        if subscribers:
            frame = _frame("update", channel, body)
            for connection in list(subscribers):
                connection.send(channel.name, frame)


def _frame(kind: str, channel: Channel, body: Body) -> Body:
    return {"channel": channel.name, **body, "type": f"{kind}/{channel.kind}"}
