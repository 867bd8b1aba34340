"""Somebody to trade with on a local venue: a house whose orders are placed at the exchange itself."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from perpkit.sim.exchange import Exchange
from perpkit.sim.orders import Order, OrderRequest, OrderType, Side

HOUSE, VISITOR = "house", "visitor"


def move_in(exchange: Exchange) -> None:
    """Open the house's account, and a visitor's who trades with it."""
    for account in (HOUSE, VISITOR):
        exchange.add_account(account, is_house=True)


def quoting(exchange: Exchange, market: str, **always: Any) -> Callable[..., Order]:
    """Return a function that places a house order, or a visitor's: ``quote("SELL", "84030", "1", visitor=True)``."""

    def quote(
        side: str, price: str, size: str, market: str = market, *, visitor: bool = False, **options: Any
    ) -> Order:
        request = OrderRequest(
            account_id=VISITOR if visitor else HOUSE,
            market=market,
            side=Side(side.lower()),
            type=OrderType.LIMIT,
            size=Decimal(size),
            price=Decimal(price),
            **{**always, **options},
        )
        return exchange.submit(request)

    return quote
