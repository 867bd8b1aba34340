"""Random histories of one account, told by a seed: orders, cancels, fills, prices, funding, transfers, time."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal

from perpkit.core.models import Side, TimeInForce
from perpkit.sim.markets import MarketSpec
from perpkit.sim.orders import RequestRefusedError
from perpkit_conformance.suite.calls import nearest
from perpkit_conformance.target import Target

_NOTIONAL = 3000
"""No single order is much larger, so that the account stays far from liquidation."""


class History:
    """
    Acts on the exchange behind the plugin's back, for the account with number 0 and its counterparts.

    Args:
        name: Beside the run's seed, what makes the history its own.

    Attributes:
        steps: What was done, in words, for messages.
    """

    def __init__(self, target: Target, name: str) -> None:
        self.target = target
        self.rng = random.Random(f"{target.seed}/{name}")  # noqa: S311 - reproducible, not secret
        self.steps: list[str] = []
        self._actions: list[tuple[int, Callable[[str], str]]] = [
            (6, self._take),
            (5, self._rest),
            (4, self._hit),
            (2, self._cancel),
            (3, self._move),
            (3, self._wait),
            (1, self._rate),
            (1, self._transfer),
        ]

    def begin(self) -> None:
        """Give every market of the profile a book."""
        for market in self.target.profile.markets:
            self._book(market)

    def step(self) -> None:
        """Do one thing, whatever the dice say; what the exchange refuses is a step too."""
        market = self.rng.choice(list(self.target.profile.markets))
        weights = [weight for weight, _ in self._actions]
        action = self.rng.choices([action for _, action in self._actions], weights)[0]
        try:
            self.steps.append(action(market))
        except RequestRefusedError as refused:
            self.steps.append(f"refused in {market}: {refused}")

    def run(self, steps: int) -> None:
        """Do so many things."""
        for _ in range(steps):
            self.step()

    def end_with_a_balance(self) -> None:
        """Move money last, so that what a venue told of the balance was told at this moment, not before time passed."""
        self.steps.append(self._transfer(self.target.market))

    def realize(self) -> None:
        """Whatever the dice say: hold a position over the turn of an hour, be charged for it, and trade again."""
        market = self.target.market
        self.target.control.set_funding_rate(self.target.symbol_of(market), Decimal("0.0003"))
        side = self._side()
        for _ in range(2):
            size = self.size(market)
            self.target.submit(side, size, market=market)
            self.steps.append(f"{side} {size} {market} at market")
            self.target.advance(timedelta(hours=1))
        self.steps.append(f"funding of {market} became 0.0003, and an hour passed after each of the two")

    def __str__(self) -> str:
        return "the last steps of the history: " + "; ".join(self.steps[-12:])

    def size(self, market: str) -> Decimal:
        """Return a size that fits the market's rules, worth up to a few thousand."""
        spec = self._spec(market)
        index = self.target.control.exchange.index_price(spec.symbol)
        worth = Decimal(self.rng.randrange(200, _NOTIONAL))
        return max(nearest(worth / index, spec.step_size), spec.step_size)

    def price(self, market: str, away: Decimal) -> Decimal:
        """Return a price so far from the index, as a fraction, on the market's tick."""
        spec = self._spec(market)
        return nearest(self.target.control.exchange.index_price(spec.symbol) * (1 + away), spec.tick_size)

    def _spec(self, market: str) -> MarketSpec:
        return self.target.control.exchange.market(self.target.symbol_of(market))

    def _book(self, market: str) -> None:
        spec = self._spec(market)
        index = self.target.control.exchange.index_price(spec.symbol)
        self.target.control.clear_liquidity(spec.symbol)
        size = nearest(Decimal(2000) / index, spec.step_size)
        self.target.quote(market, levels=10, size=size, ticks_apart=3)

    def _side(self) -> Side:
        return self.rng.choice(list(Side))

    def _take(self, market: str) -> str:
        side, size = self._side(), self.size(market)
        self.target.submit(side, size, market=market)
        return f"{side} {size} {market} at market"

    def _rest(self, market: str) -> str:
        side, size = self._side(), self.size(market)
        price = self.price(market, Decimal(-side.sign * self.rng.randrange(1, 60)) / 10_000)
        kind = self.rng.choice([TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC])
        self.target.submit(side, size, price=price, market=market, time_in_force=kind)
        return f"{side} {size} {market} at {price} {kind}"

    def _hit(self, market: str) -> str:
        """Another account trades, through the book's best and into our orders."""
        side, size = self._side(), self.size(market)
        self.target.control.clear_liquidity(self.target.symbol_of(market))
        self.target.submit(side, size, market=market, account=1)
        self._book(market)
        return f"another account: {side} {size} {market}"

    def _cancel(self, market: str) -> str:
        orders = self.target.truth().open_orders()
        if not orders:
            return "nothing to cancel"
        chosen = self.rng.choice(orders)
        self.target.control.exchange.cancel(chosen.account_id, chosen.id)
        return f"cancel {chosen.id}"

    def _move(self, market: str) -> str:
        symbol = self.target.symbol_of(market)
        price = self.price(market, Decimal(self.rng.randrange(-40, 41)) / 10_000)
        self.target.control.clear_liquidity(symbol)
        self.target.control.set_price(symbol, index=price)
        self._book(market)
        return f"{market} moves to {price}"

    def _wait(self, market: str) -> str:
        by = timedelta(milliseconds=self.rng.choice([1, 250, 1000, 61_000, 1_800_000]))
        self.target.advance(by)
        return f"{by} pass"

    def _rate(self, market: str) -> str:
        rate = Decimal(self.rng.randrange(-40, 41)) / 100_000
        self.target.control.set_funding_rate(self.target.symbol_of(market), rate)
        return f"funding of {market} becomes {rate}"

    def _transfer(self, market: str) -> str:
        amount = Decimal(self.rng.randrange(1, 100_000)) / 1000
        account = self.target.truth().account_id
        if self.rng.random() < 0.5:
            self.target.control.deposit(account, amount)
            return f"deposit {amount}"
        self.target.control.withdraw(account, amount)
        return f"withdraw {amount}"
