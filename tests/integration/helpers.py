"""What the tests of orders share: an intent that rests, the exchange's own orders, and counters at its door."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from perpkit.core.models import OrderIntent, Side
from perpkit.sim import orders as sim_orders
from perpkit.sim.faults import Fault
from perpkit.sim.venues.paradex import LocalParadex
from tests.integration.conftest import BTC

BEST_BID, BEST_ASK = Decimal("99999.9"), Decimal("100000.1")
"""Of the book that the fixture quotes: a tick beside the index of 100,000, and a tick between its levels."""

SHORT = timedelta(seconds=1)
"""A bound for requests that will not be answered; a busy machine still answers what it answers inside it."""

SIGN_IN = "POST /v1/auth*"
"""Where a token is asked for, as faults and counters match it."""


def intent(**changes: Any) -> OrderIntent:
    """A buy of 0.1 BTC, far enough below the book to rest there."""
    return OrderIntent(**{"market_id": BTC, "side": Side.BUY, "size": "0.1", "price": "99000", **changes})


def market_intent(**changes: Any) -> OrderIntent:
    """A market order of 0.1 BTC."""
    return OrderIntent(**{"market_id": BTC, "side": Side.BUY, "size": "0.1", "type": "market", **changes})


def true_orders(local: LocalParadex, account: int = 0, **filters: Any) -> list[sim_orders.Order]:
    """Every order that the exchange ever took from an account, oldest first."""
    return local.exchange.orders(local.accounts[account].address, **filters)


def true_order(local: LocalParadex, order_id: str | None, account: int = 0) -> sim_orders.Order:
    """One order as the exchange has it."""
    assert order_id is not None
    found = local.exchange.order(local.accounts[account].address, order_id)
    assert found is not None, f"the exchange has no order {order_id}"
    return found


def true_position(local: LocalParadex, market: str = BTC, account: int = 0) -> Decimal:
    """The signed size that the exchange has."""
    found = local.exchange.position(local.accounts[account].address, market)
    return found.size if found is not None else Decimal(0)


def count(local: LocalParadex, match: str, *, target: str = "http") -> Fault:
    """Count what comes in from now on: ``.hits``. Answers carry fields that nobody knows, which clients ignore."""
    action = "extra_fields" if target == "http" else "duplicate"
    return local.control.inject(action, target=target, match=match, times=None)


async def patiently(local: LocalParadex, work: Awaitable[Any]) -> Any:
    """
    Await something whose requests are bounded in real time and whose pauses are on the clock. The clock goes slowly,
    or it would outrun the requests.
    """
    task = asyncio.ensure_future(work)
    try:
        while not task.done():
            await asyncio.wait([task], timeout=0.02)
            local.control.advance(timedelta(milliseconds=50))
    finally:
        task.cancel()
    return await task
