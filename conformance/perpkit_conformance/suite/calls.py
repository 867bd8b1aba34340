"""Every hook, called in the ways that users call it. The tests judge what comes of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from perpkit.core.errors import PerpkitError
from perpkit.core.models import Balance, FundingAccrual, MarginMode, OrderIntent, OrderRef, Position, PositionMode, Side
from perpkit.core.venue import Venue
from perpkit_conformance.target import Target

READS = (
    "check_health",
    "fetch_markets",
    "fetch_ticker",
    "fetch_tickers",
    "fetch_order_book",
    "fetch_trades",
    "fetch_candles",
    "fetch_funding_rates",
    "fetch_funding_history",
    "fetch_funding_payments",
    "fetch_account",
    "fetch_balances",
    "fetch_positions",
    "fetch_fees",
    "fetch_leverage",
    "fetch_open_orders",
    "fetch_order_history",
    "fetch_fills",
)
"""Hooks that read and need nothing to be there."""

COMMANDS = (
    "place_order",
    "place_orders",
    "amend_order",
    "cancel_order",
    "cancel_orders",
    "cancel_all_orders",
    "fetch_order",
    "set_leverage",
    "set_margin_mode",
    "adjust_margin",
    "set_position_mode",
    "set_dead_man_switch",
)
"""Hooks that change something, or are about an order that must be there."""

PUBLIC = frozenset(READS[:9])
"""Reads that need no credentials."""

Way = Callable[[], Awaitable[Any]]


class Caller:
    """
    Calls the hooks of one venue.

    Attributes:
        reads: For each hook of ``READS`` the ways to call it; the first is the plainest.
        commands: The same for ``COMMANDS``.
    """

    def __init__(self, target: Target, venue: Venue) -> None:
        self.target = target
        self.venue = venue
        self.reads: Mapping[str, list[Way]] = self._reads()
        self.commands: Mapping[str, list[Way]] = {
            "place_order": [self._place],
            "place_orders": [self._place_several],
            "amend_order": [self._amend],
            "cancel_order": [self._cancel, self._cancel_by_ours],
            "cancel_orders": [self._cancel_several],
            "cancel_all_orders": [lambda: venue.cancel_all_orders(target.market), venue.cancel_all_orders],
            "fetch_order": [self._fetch, self._fetch_by_ours],
            "set_leverage": [lambda: venue.set_leverage(target.market, 4)],
            "set_margin_mode": [
                lambda: venue.set_margin_mode(target.market, MarginMode.ISOLATED),
                lambda: venue.set_margin_mode(target.market, MarginMode.CROSS),
            ],
            "adjust_margin": [self._adjust_margin],
            "set_position_mode": [lambda: venue.set_position_mode(PositionMode.ONE_WAY)],
            "set_dead_man_switch": [
                lambda: venue.set_dead_man_switch(target.profile.shortest_switch),
                lambda: venue.set_dead_man_switch(None),
            ],
        }

    def ways(self, hook: str) -> list[Way]:
        """Return the ways to call a hook."""
        return self.reads[hook] if hook in self.reads else self.commands[hook]

    async def answer(self, way: Way) -> Any:
        """Await a call, moving the clock where it waits; what it raises comes through."""
        return await self.target.run(way())

    async def attempt(self, way: Way) -> Any:
        """Await a call; a refusal is returned, for it is an answer too."""
        try:
            return await self.answer(way)
        except PerpkitError as error:
            return error

    async def intent(self, side: Side = Side.BUY, **fields: Any) -> OrderIntent:
        """Return an order for about 1,000 in quote units that rests 2 % away from the index."""
        market = await self.venue.market(self.target.market)
        index = self.target.control.exchange.index_price(self.target.symbol)
        away = Decimal("0.98") if side is Side.BUY else Decimal("1.02")
        given = {
            "market_id": market.id,
            "side": side,
            "size": nearest(Decimal(1000) / index, market.step_size),
            "price": nearest(index * away, market.tick_size),
            **fields,
        }
        return OrderIntent(**{name: value for name, value in given.items() if value is not None})

    async def placed(self) -> OrderRef:
        """Place an order that rests, and return its names."""
        order = await self.target.run(self.venue.place_order(await self.intent()))
        return OrderRef(
            market_id=order.market_id, venue_order_id=order.venue_order_id, client_order_id=order.client_order_id
        )

    def _reads(self) -> dict[str, list[Way]]:
        venue, market, now = self.venue, self.target.market, self.target.control.clock.now()
        window: dict[str, Any] = {"since": now - timedelta(hours=2), "until": now, "limit": 3}
        intervals = sorted(venue.capabilities.candle_intervals)
        return {
            "check_health": [venue.check_health],
            "fetch_markets": [venue.fetch_markets],
            "fetch_ticker": [lambda: venue.fetch_ticker(market)],
            "fetch_tickers": [venue.fetch_tickers],
            "fetch_order_book": [
                lambda: venue.fetch_order_book(market),
                lambda: venue.fetch_order_book(market, depth=5),
            ],
            "fetch_trades": [lambda: venue.fetch_trades(market), lambda: venue.fetch_trades(market, **window)],
            "fetch_candles": [
                lambda each=each: venue.fetch_candles(market, each, since=now - 3 * each)  # type: ignore[misc]
                for each in intervals or [timedelta(minutes=1)]
            ],
            "fetch_funding_rates": [venue.fetch_funding_rates, lambda: venue.fetch_funding_rates([market])],
            "fetch_funding_history": [
                lambda: venue.fetch_funding_history(market),
                lambda: venue.fetch_funding_history(market, **window),
            ],
            "fetch_funding_payments": [
                venue.fetch_funding_payments,
                lambda: venue.fetch_funding_payments(market, **window),
            ],
            "fetch_account": [venue.fetch_account],
            "fetch_balances": [venue.fetch_balances],
            "fetch_positions": [venue.fetch_positions],
            "fetch_fees": [venue.fetch_fees, lambda: venue.fetch_fees([market])],
            "fetch_leverage": [lambda: venue.fetch_leverage(market)],
            "fetch_open_orders": [venue.fetch_open_orders, lambda: venue.fetch_open_orders(market)],
            "fetch_order_history": [
                venue.fetch_order_history,
                lambda: venue.fetch_order_history(market, **window),
            ],
            "fetch_fills": [venue.fetch_fills, lambda: venue.fetch_fills(market, **window)],
        }

    async def _place(self) -> Any:
        return await self.venue.place_order(await self.intent())

    async def _place_several(self) -> Any:
        return await self.venue.place_orders([await self.intent(), await self.intent(Side.SELL)])

    async def _amend(self) -> Any:
        order, market = await self.placed(), await self.venue.market(self.target.market)
        price = (await self.intent()).price or market.tick_size
        return await self.venue.amend_order(order, price=price - market.tick_size)

    async def _cancel(self) -> Any:
        return await self.venue.cancel_order(await self.placed())

    async def _cancel_by_ours(self) -> Any:
        return await self.venue.cancel_order(_by_ours(await self.placed()))

    async def _cancel_several(self) -> Any:
        return await self.venue.cancel_orders([await self.placed(), await self.placed()])

    async def _adjust_margin(self) -> Any:
        market = list(self.target.profile.markets)[-1]
        symbol, truth, exchange = self.target.symbol_of(market), self.target.truth(), self.target.control.exchange
        if symbol not in truth.positions():
            exchange.set_margin(truth.account_id, symbol, mode=MarginMode.ISOLATED)
            spec = exchange.market(symbol)
            size = nearest(Decimal(1000) / exchange.index_price(symbol), spec.step_size)
            self.target.quote(market, size=size * 2)
            self.target.submit(Side.BUY, size, market=market)
        return await self.venue.adjust_margin(market, 5)

    async def _fetch(self) -> Any:
        return await self.venue.fetch_order(await self.placed())

    async def _fetch_by_ours(self) -> Any:
        return await self.venue.fetch_order(_by_ours(await self.placed()))


def _by_ours(order: OrderRef) -> OrderRef:
    return OrderRef(market_id=order.market_id, client_order_id=order.client_order_id)


def nearest(value: Decimal, step: Decimal) -> Decimal:
    """Return the multiple of a step that is nearest."""
    return (value / step).to_integral_value() * step


def is_continuous(target: Target) -> bool:
    """Tell whether funding of the first market accrues all the time."""
    return target.control.exchange.market(target.symbol).funding_accrual is FundingAccrual.CONTINUOUS


async def only_position(target: Target, venue: Venue) -> Position:
    """Return the one position that the account has by the ledger, as the plugin tells it."""
    came = await target.run(venue.fetch_positions())
    assert len(came) == 1, f"positions: the ledger has one, the plugin returned {came!r}"
    return came[0]


async def settle_balance(target: Target, venue: Venue) -> Balance:
    """Return the balance of the collateral, as the plugin tells it."""
    asset, came = target.profile.settle_asset, await target.run(venue.fetch_balances())
    found = [each for each in came if each.asset == asset]
    assert len(found) == 1, f"balances: the ledger has {asset}, the plugin returned {came!r}"
    return found[0]


def a_life(target: Target) -> None:
    """
    Give the first account something of everything, behind the plugin's back: liquidity, a long and a short position,
    fills, a resting order, an hour of funding.
    """
    exchange, markets = target.control.exchange, list(target.profile.markets)
    for name in markets[:2]:
        target.quote(name, levels=10, size=Decimal(5))
    target.submit(Side.BUY, "0.3")
    target.submit(Side.SELL, "2", market=markets[1])
    exchange = target.control.exchange
    market = exchange.market(target.symbol)
    target.submit(
        Side.BUY, "0.1", price=nearest(exchange.index_price(target.symbol) * Decimal("0.97"), market.tick_size)
    )
    target.advance(timedelta(minutes=61))
    target.submit(Side.SELL, "0.1")
