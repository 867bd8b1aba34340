"""A small exchange for tests: two markets with round figures, and short ways to say what an account does."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from perpkit.core.models.order import OrderType, Side
from perpkit.sim.clock import SimClock
from perpkit.sim.events import Event
from perpkit.sim.exchange import Exchange, ExchangeConfig
from perpkit.sim.markets import FeeRates, MarketSpec
from perpkit.sim.orders import Order, OrderRequest

D = Decimal

BTC = MarketSpec(
    symbol="BTC",
    base="BTC",
    index_price=D(1000),
    tick_size=D("0.5"),
    step_size=D("0.001"),
    min_notional=D(1),
    max_size=D(100),
    initial_margin=D("0.1"),
    maintenance_margin=D("0.05"),
    fees=FeeRates(maker=D("-0.0001"), taker=D("0.0005")),
    funding_rate=D("0.0008"),
    funding_period=timedelta(hours=8),
)
ETH = MarketSpec(
    symbol="ETH",
    base="ETH",
    index_price=D(100),
    tick_size=D("0.01"),
    step_size=D("0.01"),
    initial_margin=D("0.05"),
    maintenance_margin=D("0.025"),
    fees=FeeRates(maker=D(0), taker=D("0.0003")),
    funding_rate=D("-0.0001"),
    funding_period=timedelta(hours=1),
)


class World:
    """An exchange whose clock stands still, with everything that it said."""

    def __init__(self, *markets: MarketSpec, seed: int = 7, **accounts: int) -> None:
        self.clock = SimClock()
        self.exchange = Exchange(self.clock, ExchangeConfig(seed=seed))
        for market in markets or (BTC,):
            self.exchange.add_market(market)
        for account, deposit in (accounts or {"ann": 100_000, "bob": 100_000}).items():
            self.exchange.add_account(account, D(deposit))
        self.events: list[Event] = []
        self.exchange.subscribe(self.events.append)

    def order(self, account: str, side: str, size: object, price: object = None, **more: object) -> Order:
        """Submit a limit order, or a market order without a price; return it as decided."""
        kind = more.pop("type", OrderType.MARKET if price is None else OrderType.LIMIT)
        request = OrderRequest(
            account_id=account,
            market=str(more.pop("market", "BTC")),
            side=Side(side),
            type=kind,
            size=D(str(size)),
            price=None if price is None else D(str(price)),
            **more,
        )
        taken = self.exchange.submit(request)
        decided = self.exchange.order(account, taken.id)
        assert decided is not None
        return decided

    def now(self, account: str, order: Order) -> Order:
        """Return an order as it stands."""
        found = self.exchange.order(account, order.id)
        assert found is not None
        return found

    def size(self, account: str, market: str = "BTC") -> Decimal:
        """Return a signed position."""
        position = self.exchange.position(account, market)
        return position.size if position else D(0)

    def cash(self, account: str) -> Decimal:
        """Return settled cash."""
        return self.exchange.account(account).cash

    def said(self, kind: type[Event]) -> list[Event]:
        """Return the events of a kind so far."""
        return [event for event in self.events if isinstance(event, kind)]
