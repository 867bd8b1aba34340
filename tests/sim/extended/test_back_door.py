"""Orders that came by the back door, without the wire's own words: told as the venue would have told them."""

from __future__ import annotations

from decimal import Decimal

import pytest

from perpkit.sim.orders import Order, OrderRequest, OrderType, Side, TimeInForce
from perpkit.sim.venues.extended.wire_orders import order_body

DAY_MS = 24 * 3_600_000


def placed(sim, kind, **fields) -> Order:
    request = OrderRequest(
        account_id=sim.accounts[0].account_id,
        market="BTC-USD",
        side=fields.pop("side", Side.BUY),
        type=kind,
        size=Decimal("0.01"),
        **fields,
    )
    return sim.control.exchange.submit(request)


async def test_a_resting_order_has_an_expiry_ahead(sim):
    """Every order has one on this venue; none is born expired."""
    body = order_body(placed(sim, OrderType.LIMIT, price=Decimal(80000)))
    assert (body["type"], body["timeInForce"]) == ("LIMIT", "GTT")
    assert body["expireTime"] == body["createdTime"] + 28 * DAY_MS


async def test_an_immediate_limit_order_is_ioc(sim):
    """And not good till time."""
    order = placed(sim, OrderType.LIMIT, price=Decimal(80000), time_in_force=TimeInForce.IOC)
    assert order_body(order)["timeInForce"] == "IOC"


@pytest.mark.parametrize(
    ("kind", "side", "direction"),
    [
        (OrderType.STOP_LIMIT, Side.BUY, "UP"),
        (OrderType.STOP_LIMIT, Side.SELL, "DOWN"),
        (OrderType.TAKE_PROFIT_LIMIT, Side.SELL, "UP"),
        (OrderType.TAKE_PROFIT_LIMIT, Side.BUY, "DOWN"),
    ],
)
async def test_a_waiting_order_is_conditional_with_its_direction(sim, kind, side, direction):
    """Not a limit order that happens to have a trigger."""
    far = Decimal(90000) if direction == "UP" else Decimal(70000)
    body = order_body(placed(sim, kind, side=side, price=far, trigger_price=far))
    assert body["type"] == "CONDITIONAL"
    assert (body["trigger"]["direction"], body["trigger"]["executionPriceType"]) == (direction, "LIMIT")
