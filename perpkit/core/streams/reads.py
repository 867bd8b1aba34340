"""The REST reads that the engine resyncs and polls with; ``Venue`` serves them as it stands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from perpkit.core.models import (
    Balance,
    BookSnapshot,
    Channel,
    Fill,
    FundingPayment,
    FundingRate,
    Market,
    Order,
    OrderRef,
    Position,
    Ticker,
    Trade,
)


class Snapshots(Protocol):
    """What the engine reads. Each raises CapabilityError where the venue has no such hook."""

    async def fetch_order_book(self, market: Market, depth: int | None = None) -> BookSnapshot: ...

    async def fetch_trades(
        self,
        market: Market,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
    ) -> list[Trade]: ...

    async def fetch_ticker(self, market: Market) -> Ticker: ...

    async def fetch_funding_rates(self, markets: Sequence[Market] | None = None) -> list[FundingRate]: ...

    async def fetch_open_orders(self, market: Market | None = None) -> list[Order]: ...

    async def fetch_order(self, order: OrderRef) -> Order: ...

    async def fetch_order_history(
        self,
        market: Market | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
    ) -> list[Order]: ...

    async def fetch_fills(
        self,
        market: Market | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
    ) -> list[Fill]: ...

    async def fetch_positions(self) -> list[Position]: ...

    async def fetch_balances(self) -> list[Balance]: ...

    async def fetch_funding_payments(
        self,
        market: Market | None = None,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
    ) -> list[FundingPayment]: ...


READ_FOR: dict[Channel, str] = {
    Channel.BOOK: "fetch_order_book",
    Channel.TRADES: "fetch_trades",
    Channel.TICKER: "fetch_ticker",
    Channel.FUNDING: "fetch_funding_rates",
    Channel.ORDERS: "fetch_open_orders",
    Channel.FILLS: "fetch_fills",
    Channel.POSITIONS: "fetch_positions",
    Channel.BALANCES: "fetch_balances",
    Channel.FUNDING_PAYMENTS: "fetch_funding_payments",
}
"""The hook without which a channel can be neither resynced by REST nor polled."""
