"""
Life for markets nobody trades in: prices that move, quotes around them, trades now and then. All of it from the seed.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from perpkit.core.models.order import OrderType, SelfTradePrevention, Side
from perpkit.sim.clock import Scheduled
from perpkit.sim.exchange import Exchange
from perpkit.sim.money import nearest, raise_to, trim_to
from perpkit.sim.orders import OrderRequest

MAKER = "@maker"
"""The house account that quotes."""
FLOW = "@flow"
"""The house account that takes."""

_BPS = Decimal(10_000)
_UNIT = 1_000_000


@dataclass(frozen=True, slots=True)
class Quoting:
    """
    How a market is quoted.

    Attributes:
        levels: On each side.
        half_spread_bps: From the index to the best quote.
        step_bps: Between two levels.
        notional: What stands at each level, quote units, give or take a third.
    """

    levels: int = 10
    half_spread_bps: Decimal = Decimal(1)
    step_bps: Decimal = Decimal(2)
    notional: Decimal = Decimal(50_000)


class Noise:
    """Uniform random decimals from a seed, without a float between."""

    def __init__(self, seed: object) -> None:
        self._rng = random.Random(str(seed))  # noqa: S311 - reproducible, not secret

    def between(self, low: Decimal, high: Decimal) -> Decimal:
        """Return a decimal within two bounds."""
        return low + (high - low) * self._rng.randrange(_UNIT + 1) / _UNIT

    def chance(self, share: Decimal) -> bool:
        """Return true in so many cases of one."""
        return self._rng.randrange(_UNIT) < share * _UNIT


class MarketMaker:
    """
    Quotes one market around its index.

    Only levels that changed are canceled and placed, the stale ones first. Its orders trade with whoever stands in
    their way, so that resting orders of customers are filled when the price reaches them.
    """

    def __init__(self, exchange: Exchange, market: str, quoting: Quoting | None = None) -> None:
        self._exchange = exchange
        self._market = market
        self._quoting = quoting or Quoting()
        self._noise = Noise(f"{exchange.config.seed}/maker/{market}")
        ensure_house(exchange, MAKER)

    def requote(self) -> None:
        """Bring the quotes to the present index."""
        wanted = self._targets()
        standing = {(order.side, order.price): order for order in self._exchange.open_orders(MAKER, self._market)}
        for key, order in standing.items():
            if key not in wanted:
                self._exchange.cancel(MAKER, order.id)
        for (side, price), size in wanted.items():
            if (side, price) not in standing:
                place(self._exchange, MAKER, self._market, side, size=size, price=price)

    def _targets(self) -> dict[tuple[Side, Decimal], Decimal]:
        spec, index = self._exchange.market(self._market), self._exchange.index_price(self._market)
        found: dict[tuple[Side, Decimal], Decimal] = {}
        for level in range(self._quoting.levels):
            away = (self._quoting.half_spread_bps + level * self._quoting.step_bps) / _BPS
            size = self._quoting.notional / index * self._noise.between(Decimal("0.67"), Decimal("1.33"))
            size = max(trim_to(size, spec.step_size), spec.step_size)
            # Away from the index on both sides, so that the maker can't meet itself however coarse the tick.
            bid = trim_to(index * (1 - away), spec.tick_size)
            ask = raise_to(index * (1 + away), spec.tick_size)
            if bid > 0:
                found.setdefault((Side.BUY, bid), size)
            found.setdefault((Side.SELL, ask), size)
        return found


class PriceWalk:
    """
    Moves one market's index at random, drawn back to where it began.

    Args:
        step_bps: The largest move of one step.
    """

    def __init__(self, exchange: Exchange, market: str, *, step_bps: Decimal = Decimal(2)) -> None:
        self._exchange = exchange
        self._market = market
        self._step = step_bps / _BPS
        self._home = exchange.index_price(market)
        self._noise = Noise(f"{exchange.config.seed}/walk/{market}")

    def step(self) -> None:
        """Move once. The mark follows the index within a fifth of the step."""
        index = self._exchange.index_price(self._market)
        tick = self._exchange.market(self._market).tick_size / 10
        pull = (self._home - index) / self._home / 100
        index = max(nearest(index * (1 + self._noise.between(-self._step, self._step) + pull), tick), tick)
        mark = nearest(index * (1 + self._noise.between(-self._step, self._step) / 5), tick)
        self._exchange.set_price(self._market, index=index, mark=max(mark, tick))


class Trickle:
    """Takes a little from the book now and then, on either side."""

    def __init__(
        self, exchange: Exchange, market: str, *, notional: Decimal = Decimal(2_000), share: Decimal = Decimal("0.5")
    ) -> None:
        self._exchange = exchange
        self._market = market
        self._notional = notional
        self._share = share
        self._noise = Noise(f"{exchange.config.seed}/flow/{market}")
        ensure_house(exchange, FLOW)

    def step(self) -> None:
        """Trade, or let it be."""
        if not self._noise.chance(self._share):
            return
        spec = self._exchange.market(self._market)
        side = Side.BUY if self._noise.chance(Decimal("0.5")) else Side.SELL
        worth = self._notional * self._noise.between(Decimal("0.1"), Decimal(1))
        size = trim_to(worth / self._exchange.mark_price(self._market), spec.step_size)
        if size > 0:
            place(self._exchange, FLOW, self._market, side, size=size, price=None)


def liven(exchange: Exchange, market: str, quoting: Quoting | None = None) -> Scheduled:
    """Quote a market now; then move its price, requote and trade each second, until what it returns is canceled."""
    maker, walk, trickle = (
        MarketMaker(exchange, market, quoting),
        PriceWalk(exchange, market),
        Trickle(exchange, market),
    )
    maker.requote()

    def step() -> None:
        walk.step()
        maker.requote()
        trickle.step()

    return exchange.clock.every(timedelta(seconds=1), step, coalesce=True)


def ensure_house(exchange: Exchange, account_id: str) -> None:
    """Open a house account unless it is there."""
    if not exchange.has_account(account_id):
        exchange.add_account(account_id, is_house=True)


def place(exchange: Exchange, account_id: str, market: str, side: Side, *, size: Decimal, price: Decimal | None) -> str:
    """Place an order of a house account, a market order if there is no price; returns its id."""
    request = OrderRequest(
        account_id=account_id,
        market=market,
        side=side,
        type=OrderType.MARKET if price is None else OrderType.LIMIT,
        size=size,
        price=price,
        stp=SelfTradePrevention.EXPIRE_MAKER,
        retail=True,
    )
    return exchange.submit(request).id
