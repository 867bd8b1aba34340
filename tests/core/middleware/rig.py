"""A toy venue that records what really reaches it, opened through the face with the wrappers under test."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from perpkit.core.capabilities import VenueDescription
from perpkit.core.errors import PerpkitError
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import (
    BookLevel,
    BookSnapshot,
    CancelResult,
    CancelStatus,
    LeverageSetting,
    MarginMode,
    Market,
    Order,
    OrderAmendment,
    OrderIntent,
    OrderRef,
    OrderStatus,
    OrderType,
    Position,
    PositionMode,
    Side,
    Ticker,
    TimeInForce,
)
from perpkit.core.opening import open_venue
from perpkit.core.venue import Venue
from tests.core.clocks import START, ManualClock
from tests.core.toys import ToyVenue

BTC = "BTC-USD-PERP@toy"


class RigVenue(ToyVenue):
    """Keeps an account; ``reached`` lists the hooks that ran."""

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self.reached: list[str] = []
        self.positions: dict[str, Decimal] = {}
        self.mark = Decimal(100)
        self.hold: asyncio.Event | None = None
        self.entered = asyncio.Event()
        self.leverage = LeverageSetting(market_id=BTC, leverage=Decimal(5), margin_mode=MarginMode.ISOLATED)

    @hookimpl
    def describe_venue(self) -> VenueDescription:
        described = super().describe_venue()
        able = described.capabilities.replace(
            order_types=frozenset(OrderType), times_in_force=frozenset(TimeInForce), reduce_only=True, max_batch_size=10
        )
        return described.replace(capabilities=able)

    async def _reach(self, hook: str) -> None:
        self.reached.append(hook)
        self.entered.set()
        if self.hold is not None:
            await self.hold.wait()
        if self.failure is not None:
            raise self.failure

    @hookimpl
    async def place_order(self, intent: OrderIntent) -> Order:
        await self._reach("place_order")
        return await super().place_order(intent)

    @hookimpl
    async def place_orders(self, intents: Sequence[OrderIntent]) -> list[Order | PerpkitError]:
        await self._reach("place_orders")
        return [await ToyVenue.place_order(self, intent) for intent in intents]

    @hookimpl
    async def amend_order(self, order: Order, amendment: OrderAmendment) -> Order:
        await self._reach("amend_order")
        changed = await super().amend_order(order, amendment)
        self.orders[order.venue_order_id or ""] = changed
        return changed

    @hookimpl
    async def cancel_order(self, order: OrderRef) -> CancelResult:
        await self._reach("cancel_order")
        return CancelResult(order=order, status=CancelStatus.REQUESTED)

    @hookimpl
    async def cancel_orders(self, orders: Sequence[OrderRef]) -> list[CancelResult | PerpkitError]:
        await self._reach("cancel_orders")
        return [CancelResult(order=order, status=CancelStatus.REQUESTED) for order in orders]

    @hookimpl
    async def cancel_all_orders(self, market: Market | None) -> None:
        await self._reach("cancel_all_orders")

    @hookimpl
    async def fetch_open_orders(self, market: Market | None) -> list[Order]:
        await self._reach("fetch_open_orders")
        return [order for order in await super().fetch_open_orders(market) if not order.is_terminal]

    @hookimpl
    async def fetch_order_history(
        self, market: Market | None, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[Order]:
        await self._reach("fetch_order_history")
        return list(self.orders.values())

    @hookimpl
    async def fetch_positions(self) -> list[Position]:
        await self._reach("fetch_positions")
        return [
            Position(market_id=market_id, size=size, ts_received=START) for market_id, size in self.positions.items()
        ]

    def ticker(self, market: Market) -> Ticker:
        return Ticker(market_id=market.id, mark_price=self.mark, ts_received=self.context.clock.now())

    @hookimpl
    async def fetch_ticker(self, market: Market) -> Ticker:
        return self.ticker(market)

    @hookimpl
    async def fetch_tickers(self) -> list[Ticker]:
        return [self.ticker(market) for market in self.listing]

    @hookimpl
    async def fetch_order_book(self, market: Market, depth: int | None) -> BookSnapshot:
        level = BookLevel(self.mark, Decimal(1))
        return BookSnapshot(market_id=market.id, bids=(level,), asks=(level,), ts_received=self.context.clock.now())

    @hookimpl
    async def fetch_leverage(self, market: Market) -> LeverageSetting:
        return self.leverage

    @hookimpl
    async def set_leverage(self, market: Market, leverage: Decimal) -> LeverageSetting:
        await self._reach("set_leverage")
        self.leverage = self.leverage.replace(leverage=leverage)
        return self.leverage

    @hookimpl
    async def set_margin_mode(self, market: Market, mode: MarginMode) -> LeverageSetting:
        await self._reach("set_margin_mode")
        self.leverage = self.leverage.replace(margin_mode=mode)
        return self.leverage

    @hookimpl
    async def adjust_margin(self, market: Market, amount: Decimal) -> None:
        await self._reach("adjust_margin")

    @hookimpl
    async def set_position_mode(self, mode: PositionMode) -> PositionMode:
        await self._reach("set_position_mode")
        return mode

    @hookimpl
    async def set_dead_man_switch(self, after: timedelta | None) -> None:
        await self._reach("set_dead_man_switch")

    # the test's hand in the account

    def tell(self, venue_order_id: str, **changes: Any) -> Order:
        """Change what the venue knows of an order."""
        self.orders[venue_order_id] = self.orders[venue_order_id].replace(**changes)
        return self.orders[venue_order_id]

    def fill(self, venue_order_id: str, size: str) -> Order:
        """Fill an order (in all so much) and move the position."""
        order = self.orders[venue_order_id]
        filled = Decimal(size)
        moved = (filled - order.filled_size) * order.side.sign
        self.positions[order.market_id] = self.positions.get(order.market_id, Decimal(0)) + moved
        done = filled == order.size
        return self.tell(
            venue_order_id,
            filled_size=filled,
            status=OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED,
        )


class Rig:
    """The face, the toy venue behind it, and the clock of both."""

    def __init__(self, *wrappers: object, clock: ManualClock | None = None, plugin: type[RigVenue] = RigVenue) -> None:
        self.clock = clock or ManualClock()
        self.plugin: RigVenue | None = None

        def make(context: Any) -> RigVenue:
            self.plugin = plugin(context)
            return self.plugin

        self.venue: Venue = open_venue("toy", plugin=make, middleware=wrappers, clock=self.clock, environ={})

    async def __aenter__(self) -> Rig:
        await self.venue.__aenter__()
        return self

    async def __aexit__(self, *exc: Any) -> None:
        await self.venue.close()

    def hold(self) -> asyncio.Event:
        """Have the next call wait inside the venue until the event returned is set."""
        self.plugin.hold, self.plugin.entered = asyncio.Event(), asyncio.Event()
        return self.plugin.hold

    async def inside(self) -> None:
        """Wait until a call is inside the venue."""
        async with asyncio.timeout(5):
            await self.plugin.entered.wait()

    @property
    def reached(self) -> list[str]:
        return self.plugin.reached


def buy(size: str = "1", price: str | None = "100", **fields: Any) -> OrderIntent:
    """A limit buy of 1 BTC at 100, or a market buy for no price."""
    return OrderIntent(
        **{
            "market_id": BTC,
            "side": Side.BUY,
            "type": OrderType.LIMIT if price is not None else OrderType.MARKET,
            "size": Decimal(size),
            "price": None if price is None else Decimal(price),
            **fields,
        }
    )


def sell(size: str = "1", price: str | None = "100", **fields: Any) -> OrderIntent:
    """The same, to the other side."""
    return buy(size, price, side=Side.SELL, **fields)
