"""The ledger of the local exchange, as one account's true state. Tests take their expected values from here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from perpkit.sim.accounts import (
    AccountSummary,
    FundingPayment,
    LedgerEntry,
    Liquidation,
    MarginSetting,
    PositionView,
    Transfer,
)
from perpkit.sim.exchange import Exchange
from perpkit.sim.markets import FeeRates
from perpkit.sim.orders import Fill, Order
from perpkit_conformance.names import Names


class Truth:
    """
    One account in the exchange's own books. Markets go by the venue's own symbols, times are milliseconds.

    Attributes:
        exchange: The exchange, for everything that is not of one account: markets, prices, books, tape.
        account_id: What the ledger calls the account.
        assets: What perpkit calls an asset, by the ledger's name of it, where they differ.
        names: What the wire calls orders, fills and payments; all that is returned here goes by those names.
    """

    def __init__(
        self,
        exchange: Exchange,
        account_id: str,
        assets: Mapping[str, str] | None = None,
        names: Names | None = None,
    ) -> None:
        self.exchange = exchange
        self.account_id = account_id
        self.assets = assets or {}
        self.names = names or Names()

    def summary(self) -> AccountSummary:
        """Return equity, margins and free collateral."""
        return self.exchange.account(self.account_id)

    def balances(self) -> dict[str, Decimal]:
        """Return the settled cash of each asset."""
        held = self.exchange.balances(self.account_id)
        return {self.assets.get(each.asset, each.asset): each.size for each in held}

    def positions(self) -> dict[str, PositionView]:
        """Return the open positions by market."""
        return {each.market: each for each in self.exchange.positions(self.account_id)}

    def order(self, order_id: str) -> Order | None:
        """Return an order by the venue's id."""
        return self._order(self.exchange.order(self.account_id, self.names.ledger_order(order_id)))

    def order_by_client_id(self, client_id: str) -> Order | None:
        """Return an order by our id, open or over."""
        return self._order(self.exchange.order_by_client_id(self.account_id, client_id, open_only=False))

    def orders(self, market: str | None = None) -> list[Order]:
        """Return every order ever, oldest first."""
        return [self.named(each) for each in self.exchange.orders(self.account_id, market=market)]

    def open_orders(self, market: str | None = None) -> list[Order]:
        """Return the orders that are not over, oldest first."""
        return [self.named(each) for each in self.exchange.open_orders(self.account_id, market)]

    def fills(self, market: str | None = None) -> list[Fill]:
        """Return every fill, oldest first."""
        found = self.exchange.fills(self.account_id, market=market)
        return [
            replace(
                each,
                id=wire_id,
                order_id=self.names.order(each.order_id) if each.order_id else each.order_id,
                fee_asset=self.assets.get(each.fee_asset, each.fee_asset),
            )
            for each, wire_id in zip(found, self.names.fills(self.account_id, found), strict=True)
        ]

    def funding_payments(self, market: str | None = None) -> list[FundingPayment]:
        """Return every settled funding payment, oldest first."""
        payments = self.exchange.funding_payments(self.account_id, market=market)
        return [replace(each, id=self.names.payment(each)) for each in payments]

    def ledger(self) -> list[LedgerEntry]:
        """Return every change of settled cash, oldest first."""
        return self.exchange.ledger_entries(self.account_id)

    def transfers(self) -> list[Transfer]:
        """Return deposits, withdrawals and transfers."""
        return self.exchange.transfers(self.account_id)

    def liquidations(self) -> list[Liquidation]:
        """Return the times that the account was liquidated."""
        return self.exchange.liquidations(self.account_id)

    def margin(self, market: str) -> MarginSetting:
        """Return leverage and margin mode in a market."""
        return self.exchange.margin_setting(self.account_id, market)

    def fees(self, market: str) -> FeeRates:
        """Return what the account pays in a market."""
        return self.exchange.fee_rates(self.account_id, market)

    def named(self, order: Order) -> Order:
        """Return an order of the ledger under the wire's name."""
        wire_id = self.names.order(order.id)
        return order if wire_id == order.id else replace(order, id=wire_id)

    def _order(self, order: Order | None) -> Order | None:
        return self.named(order) if order is not None else None
