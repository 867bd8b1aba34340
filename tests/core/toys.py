"""A small venue held in memory, for tests of the core: two markets, one account, no network."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from perpkit.core.capabilities import Capabilities, VenueDescription
from perpkit.core.context import VenueContext
from perpkit.core.errors import OrderNotFoundError, PerpkitError
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import (
    BookLevel,
    BookSnapshot,
    CancelResult,
    CancelStatus,
    FundingAccrual,
    Instrument,
    Market,
    MarketStatus,
    Order,
    OrderAmendment,
    OrderIntent,
    OrderRef,
    OrderStatus,
    OrderType,
    Position,
    TimeInForce,
)

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)


def toy_market(base: str = "BTC", *, venue: str = "toy", status: MarketStatus = MarketStatus.OPEN) -> Market:
    """Return a market with a tick of 0.5 and a step of 0.001."""
    return Market(
        venue=venue,
        symbol=f"{base}_PERP",
        instrument=Instrument.of(base, "USD", "USDC"),
        tick_size=Decimal("0.5"),
        step_size=Decimal("0.001"),
        min_size=Decimal("0.002"),
        min_notional=Decimal(10),
        max_size=Decimal(100),
        maker_fee=Decimal(0),
        taker_fee=Decimal("0.0003"),
        funding_interval=timedelta(hours=8),
        funding_accrual=FundingAccrual.CONTINUOUS,
        status=status,
    )


class ToyVenue:
    """Takes every order as open, and remembers it."""

    def __init__(self, context: VenueContext) -> None:
        self.context = context
        self.orders: dict[str, Order] = {}
        self.listing = [toy_market("BTC"), toy_market("kPEPE")]
        self.loads = 0
        self.failure: BaseException | None = None
        self.started = self.stopped = False

    @hookimpl
    def describe_venue(self) -> VenueDescription:
        return VenueDescription(
            name="toy",
            title="Toy",
            environments=("testnet", "mainnet"),
            capabilities=Capabilities(
                order_types=frozenset({OrderType.LIMIT, OrderType.MARKET}),
                times_in_force=frozenset({TimeInForce.GTC, TimeInForce.IOC}),
                post_only=True,
                never_accepted_after=timedelta(seconds=5),
                max_batch_size=2,
            ),
        )

    @hookimpl
    async def start(self) -> None:
        self.started = True

    @hookimpl
    async def stop(self) -> None:
        self.stopped = True

    @hookimpl
    async def fetch_markets(self) -> list[Market]:
        self.loads += 1
        return list(self.listing)

    @hookimpl
    async def fetch_order_book(self, market: Market, depth: int | None) -> BookSnapshot:
        return BookSnapshot(
            market_id=market.id,
            bids=(BookLevel(Decimal(100), Decimal(1)),),
            asks=(BookLevel(Decimal(101), Decimal(1)),),
            ts_received=NOW,
        )

    @hookimpl
    async def fetch_positions(self) -> list[Position]:
        return []

    @hookimpl
    async def place_order(self, intent: OrderIntent) -> Order:
        if self.failure is not None:
            raise self.failure
        order = Order(
            market_id=intent.market_id,
            venue_order_id=f"v{len(self.orders) + 1}",
            client_order_id=intent.client_order_id,
            side=intent.side,
            type=intent.type,
            status=OrderStatus.OPEN,
            size=intent.size,
            price=intent.price,
            time_in_force=intent.time_in_force,
            ts_received=NOW,
        )
        self.orders[order.venue_order_id or ""] = order
        return order

    @hookimpl
    async def place_orders(self, intents: Sequence[OrderIntent]) -> list[Order | PerpkitError]:
        return [await self.place_order(intent) for intent in intents]

    @hookimpl
    async def amend_order(self, order: Order, amendment: OrderAmendment) -> Order:
        return order.replace(price=amendment.price or order.price, size=amendment.size or order.size)

    @hookimpl
    async def cancel_order(self, order: OrderRef) -> CancelResult:
        return CancelResult(order=order, status=CancelStatus.REQUESTED)

    @hookimpl
    async def fetch_order(self, order: OrderRef) -> Order:
        for known in self.orders.values():
            if order.venue_order_id == known.venue_order_id or order.client_order_id == known.client_order_id:
                return known
        raise OrderNotFoundError("no such order")

    @hookimpl
    async def fetch_open_orders(self, market: Market | None) -> list[Order]:
        return [order for order in self.orders.values() if market is None or order.market_id == market.id]
