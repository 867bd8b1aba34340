"""
The back door of a local venue, for tests and demos: it moves what no client can, and reads the true state.

In the same process a test calls :class:`Control`; from another process the same calls go over HTTP
(:mod:`perpkit.sim.control_http`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from perpkit.core.models.market import MarketStatus
from perpkit.core.models.order import Side
from perpkit.sim.accounts import Transfer
from perpkit.sim.clock import Scheduled, SimClock
from perpkit.sim.exchange import Exchange
from perpkit.sim.faults import Fault, FaultAction, FaultPlan, FaultTarget, fault_from
from perpkit.sim.liquidity import FLOW, Quoting, ensure_house, liven, place
from perpkit.sim.markets import MarketSpec, SystemStatus
from perpkit.sim.plain import plain

LIQUIDITY = "@liquidity"
"""The house account behind what :meth:`Control.place_liquidity` places."""

Level = tuple[Decimal, Decimal]
"""Price and size."""


@dataclass(frozen=True, slots=True)
class PricePoint:
    """A point of a price path: so long after its start, index and mark (None: keeps its ratio to the index)."""

    after: timedelta
    index: Decimal
    mark: Decimal | None = None


class Control:
    """
    Everything that a test may do behind a client's back.

    Args:
        exchange: The venue's exchange.
        faults: The venue's plan of faults.
        expire_tokens: Makes the venue's tokens invalid.
    """

    def __init__(self, exchange: Exchange, faults: FaultPlan, expire_tokens: Callable[[], None]) -> None:
        self.exchange = exchange
        self.faults = faults
        self.expire_tokens = expire_tokens
        self._living: dict[str, Scheduled] = {}
        self._path: list[Scheduled] = []

    @property
    def clock(self) -> SimClock:
        """The venue's clock."""
        return self.exchange.clock

    # Markets

    def place_liquidity(self, market: str, *, bids: Iterable[Level] = (), asks: Iterable[Level] = ()) -> list[str]:
        """Rest orders of a house account; returns their order ids, bids first. They trade if they cross."""
        ensure_house(self.exchange, LIQUIDITY)
        wanted = [(Side.BUY, *level) for level in bids] + [(Side.SELL, *level) for level in asks]
        return [place(self.exchange, LIQUIDITY, market, side, size=size, price=price) for side, price, size in wanted]

    def quote(
        self,
        market: str,
        *,
        levels: int = 10,
        size: Decimal = Decimal(1),
        ticks_apart: int = 1,
        mid: Decimal | None = None,
    ) -> list[str]:
        """
        Rest the same size on equally spaced levels around ``mid`` (the index, on the tick); returns the order ids.

        The best quotes are ``ticks_apart`` ticks from it.
        """
        tick = self.exchange.market(market).tick_size
        middle = ((mid or self.exchange.index_price(market)) / tick).to_integral_value() * tick
        away = [tick * ticks_apart * level for level in range(1, levels + 1)]
        return self.place_liquidity(
            market,
            bids=[(middle - step, size) for step in away],
            asks=[(middle + step, size) for step in away],
        )

    def clear_liquidity(self, market: str | None = None) -> None:
        """Take back what :meth:`place_liquidity` and :meth:`quote` left standing."""
        if self.exchange.has_account(LIQUIDITY):
            self.exchange.cancel_all(LIQUIDITY, market)

    def trade(self, market: str, side: Side, size: Decimal) -> None:
        """Let a house account take from the book; what the book can't give stays untraded."""
        ensure_house(self.exchange, FLOW)
        place(self.exchange, FLOW, market, side, size=size, price=None)

    def liven(self, market: str, quoting: Quoting | None = None) -> None:
        """Give a market a life of its own: moving prices, quotes, trades, each second of the clock."""
        if market not in self._living:
            self._living[market] = liven(self.exchange, market, quoting)

    def still(self, market: str | None = None) -> None:
        """End the life of a market, or of all. What is quoted stays."""
        for symbol in [market] if market is not None else list(self._living):
            if (living := self._living.pop(symbol, None)) is not None:
                living.cancel()

    def set_price(self, market: str, *, index: Decimal | None = None, mark: Decimal | None = None) -> None:
        """Move prices at once; see :meth:`Exchange.set_price`."""
        self.exchange.set_price(market, index=index, mark=mark)

    def play_prices(self, market: str, path: Iterable[PricePoint]) -> None:
        """Move prices along a path as the clock goes; it begins now."""
        for point in path:
            move = partial(self.exchange.set_price, market, index=point.index, mark=point.mark)
            self._path.append(self.clock.call_later(point.after, move))

    def stop_prices(self) -> None:
        """Leave every path where it is."""
        for step in self._path:
            step.cancel()
        self._path.clear()

    def set_funding_rate(self, market: str, rate: Decimal) -> None:
        """Change a market's funding rate: a fraction per its own period, positive when longs pay."""
        self.exchange.set_funding_rate(market, rate)

    def set_funding_period(self, market: str, period: timedelta) -> None:
        """Change what period a market's funding rate is for."""
        self.exchange.set_funding_period(market, period)

    def list_market(self, base: str, *, like: str, **changes: Any) -> MarketSpec:
        """
        List a market on another base, with the rules of one that is listed.

        Args:
            like: That market; the new one's symbol is made like its own.
            changes: Of :class:`~perpkit.sim.markets.MarketSpec`: tick_size, index_price, funding_period, …
        """
        model = self.exchange.market(like)
        symbol = model.symbol.replace(model.base, base, 1)
        spec = replace(model, **{"symbol": symbol, "base": base, **changes})
        self.exchange.add_market(spec)
        return spec

    def change_market(self, market: str, **changes: Any) -> MarketSpec:
        """Change rules of a listed market: tick_size, step_size, min_notional, fees, … Returns them all."""
        spec = replace(self.exchange.market(market), **changes)
        self.exchange.change_market(spec)
        return spec

    def set_market_status(self, market: str, status: MarketStatus) -> None:
        """Open, halt or restrict a market."""
        self.exchange.set_market_status(market, status)

    def set_system_status(self, status: SystemStatus) -> None:
        """Open or restrict the whole venue, or put it into maintenance."""
        self.exchange.set_system_status(status)

    def settle_market(self, market: str, price: Decimal) -> None:
        """Settle a market for good."""
        self.exchange.settle_market(market, price)

    # Accounts

    def deposit(self, account_id: str, amount: Decimal) -> Transfer:
        """Credit an account in the settlement asset."""
        return self.exchange.deposit(account_id, amount)

    def withdraw(self, account_id: str, amount: Decimal) -> Transfer:
        """Pay out of an account in the settlement asset."""
        return self.exchange.withdraw(account_id, amount)

    def liquidate(self, account_id: str) -> None:
        """Liquidate an account, whatever its margin."""
        self.exchange.liquidate(account_id)

    def cancel_order(self, account_id: str, order_id: str) -> None:
        """Cancel an account's order as the venue itself would."""
        self.exchange.cancel_by_venue(account_id, order_id)

    def hold_decisions(self) -> None:
        """Leave orders NEW and cancels queued until released."""
        self.exchange.hold_decisions()

    def release_decisions(self) -> None:
        """Decide on what was held."""
        self.exchange.release_decisions()

    # Time and faults

    def advance(self, by: timedelta) -> None:
        """Move the clock; what comes due on the way happens."""
        self.clock.advance(by)

    def inject(
        self,
        action: FaultAction | str,
        *,
        target: FaultTarget | str = FaultTarget.HTTP,
        match: str = "*",
        **fields: Any,
    ) -> Fault:
        """
        Plan a fault; see :class:`~perpkit.sim.faults.Fault` for its fields.

        Raises:
            ValueError: An unknown action, target or field, or an action that makes no sense for its target.
        """
        return self.faults.add(fault_from({"action": action, "target": target, "match": match, **fields}))

    def clear_faults(self) -> None:
        """Take every fault off the plan."""
        self.faults.clear()

    # The truth

    def read_account(self, account_id: str) -> dict[str, Any]:
        """Return an account's true state as JSON values, numbers as text: all that a client could be told, and more."""
        exchange = self.exchange
        return {
            "summary": plain(exchange.account(account_id)),
            "balances": plain(exchange.balances(account_id)),
            "positions": plain(exchange.positions(account_id)),
            "open_orders": plain(exchange.open_orders(account_id)),
            "orders": plain(exchange.orders(account_id)),
            "fills": plain(exchange.fills(account_id)),
            "funding_payments": plain(exchange.funding_payments(account_id)),
            "transfers": plain(exchange.transfers(account_id)),
            "ledger": plain(exchange.ledger_entries(account_id)),
            "liquidations": plain(exchange.liquidations(account_id)),
        }

    def read_market(self, market: str) -> dict[str, Any]:
        """Return a market's true state as JSON values, numbers as text."""
        exchange = self.exchange
        return {
            "market": plain(exchange.market(market)),
            "stats": plain(exchange.stats(market)),
            "funding": plain(exchange.funding(market)),
            "book": plain(exchange.book(market, interactive=True)),
        }

    def read_state(self) -> dict[str, Any]:
        """Return clock, status, markets, accounts and faults as JSON values."""
        exchange = self.exchange
        return {
            "now_ms": self.clock.now_ms(),
            "is_manual": self.clock.is_manual,
            "system_status": exchange.system_status.value,
            "markets": [spec.symbol for spec in exchange.markets()],
            "accounts": exchange.account_ids(),
            "faults": plain(self.faults.faults),
            "struck": plain(self.faults.log),
        }

    def check_invariants(self) -> None:
        """Raise if any book of the venue does not balance."""
        self.exchange.check_invariants()
