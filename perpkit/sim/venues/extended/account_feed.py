"""
The account stream: where an account stands when a client connects, and every change after that.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from perpkit.sim import events
from perpkit.sim.accounts import EntryKind, PositionView, Transfer
from perpkit.sim.money import ZERO
from perpkit.sim.venues.extended import wire_account
from perpkit.sim.venues.extended.client import StreamClient
from perpkit.sim.venues.extended.numbers import number
from perpkit.sim.venues.extended.topics import Topic
from perpkit.sim.venues.extended.wire_orders import fill_body, order_body

if TYPE_CHECKING:
    from perpkit.sim.venues.extended.venue import Venue

Send = Callable[[str, str, dict[str, Any], int], None]
"""Sends to everybody who listens to an account: its id, the section, the data, the time."""

AccountChange = events.OrderEvent | events.FillEvent | events.PositionEvent | events.TransferEvent


class AccountFeed:
    """
    Words of the account streams.

    Args:
        send: Carries them to the clients.
        is_heard: Whether anybody listens to an account.
    """

    def __init__(self, venue: Venue, send: Send, is_heard: Callable[[str], bool]) -> None:
        self._venue = venue
        self._send = send
        self._is_heard = is_heard
        self._stale: dict[str, bool] = {}
        """Accounts whose balance changed since it was told; true if its cash did."""
        self._repriced: set[str] = set()

    def greet(self, client: StreamClient, topic: Topic) -> None:
        """Send a new client one snapshot for each section; trades have none."""
        exchange, account_id, now_ms = self._venue.exchange, topic.account, self._venue.now_ms()
        orders = [order_body(order, on_stream=True) for order in exchange.open_orders(account_id)]
        positions = [wire_account.position_body(position, None) for position in exchange.positions(account_id)]
        for word, section in (
            ("ORDER", {"orders": orders}),
            ("BALANCE", {"balance": self._balance(account_id)}),
            ("POSITION", {"positions": positions}),
            ("SPOT_BALANCE", {"spotBalances": self._spot_balances(account_id)}),
        ):
            client.push(topic, word, {"isSnapshot": True, **section}, now_ms, name=f"account.{word}")

    def tell(self, event: AccountChange) -> None:
        """Send what happened to an order or a position, a fill, or money from outside."""
        match event:
            case events.OrderEvent(order=order, cause=cause) if self._is_heard(order.account_id):
                # Taken in is not in the book: the first word is NEW, UNTRIGGERED, or the end.
                passing = cause is events.OrderCause.TRIGGERED and not self._venue.settings.sends_triggered
                if cause is not events.OrderCause.ACCEPTED and not passing:
                    self._tell(order.account_id, "ORDER", event, orders=[order_body(order, on_stream=True)])
            case events.FillEvent(fill=fill) if self._is_heard(fill.account_id):
                self._tell(fill.account_id, "TRADE", event, trades=[fill_body(fill, on_stream=True)])
            case events.PositionEvent(position=position) if self._is_heard(position.account_id):
                body = wire_account.position_body(position, self._past(position))
                self._tell(position.account_id, "POSITION", event, positions=[body])
            case events.TransferEvent(transfer=transfer) if self._is_heard(transfer.account_id):
                self._tell_transfer(transfer, event)
            case _:
                return

    def note(self, event: events.BalanceEvent | events.AccountEvent) -> None:
        """Remember that an account's balance changed; :meth:`settle` tells it as it is then."""
        if isinstance(event, events.BalanceEvent):
            self._stale[event.entry.account_id] = True
        else:
            self._stale.setdefault(event.account_id, False)

    def note_prices(self, market: str) -> None:
        """Remember that positions in a market are worth something else; told with the next second."""
        self._repriced.add(market)

    def note_second(self) -> None:
        """Tell what the new prices make of the positions."""
        repriced, self._repriced = self._repriced, set()
        if not repriced:
            return
        exchange, now_ms = self._venue.exchange, self._venue.now_ms()
        for account in self._venue.registry.all():
            if not self._is_heard(account.account_id):
                continue
            held = [p for p in exchange.positions(account.account_id) if p.market in repriced]
            if held:
                rows = [wire_account.position_body(position, None) for position in held]
                data = {"isSnapshot": False, "positions": rows}
                self._send(account.account_id, "POSITION", data, now_ms)
                self._stale.setdefault(account.account_id, False)

    def settle(self) -> None:
        """Tell the balances that changed."""
        stale, self._stale = self._stale, {}
        now_ms = self._venue.now_ms()
        for account_id, cash_changed in stale.items():
            if not self._is_heard(account_id):
                continue
            self._send(account_id, "BALANCE", {"isSnapshot": False, "balance": self._balance(account_id)}, now_ms)
            if cash_changed:
                data = {"isSnapshot": False, "spotBalances": self._spot_balances(account_id)}
                self._send(account_id, "SPOT_BALANCE", data, now_ms)

    def _tell(self, account_id: str, word: str, event: events.Event, **section: Any) -> None:
        self._send(account_id, word, {"isSnapshot": False, **section}, event.time_ms)

    def _tell_transfer(self, transfer: Transfer, event: events.Event) -> None:
        amount, status = number(transfer.amount), {"assetId": 1, "amount": number(transfer.amount)}
        if transfer.kind is EntryKind.DEPOSIT:
            row = {**status, "timestamp": transfer.created_at_ms, "status": "PROCESSED"}
            self._tell(transfer.account_id, "DEPOSIT", event, deposit=row)
        elif transfer.kind is EntryKind.WITHDRAWAL:
            row = {**status, "id": int(transfer.id), "status": "COMPLETED"}
            self._tell(transfer.account_id, "WITHDRAWAL", event, withdrawal=row)
        else:
            row = {"id": int(transfer.id), "assetId": 1, "amount": amount if transfer.incoming else f"-{amount}"}
            self._tell(transfer.account_id, "TRANSFER", event, transfer={**row, "status": "COMPLETED"})

    def _past(self, position: PositionView) -> Any:
        """Return what a position that is shown as closed came to."""
        if position.size:
            return None
        for past in reversed(self._venue.exchange.past_positions(position.account_id)):
            if (past.market, past.number) == (position.market, position.number):
                return past
        return None

    def _balance(self, account_id: str) -> dict[str, Any]:
        exchange = self._venue.exchange
        exposure = sum((abs(p.size) * p.mark_price for p in exchange.positions(account_id)), ZERO)
        return wire_account.balance_body(exchange.account(account_id), exposure, self._venue.now_ms())

    def _spot_balances(self, account_id: str) -> list[dict[str, Any]]:
        return [wire_account.spot_balance_body(self._venue.exchange.account(account_id))]
