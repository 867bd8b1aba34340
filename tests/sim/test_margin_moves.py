"""Cash moved behind an isolated position, and what an order would need before there is one."""

from __future__ import annotations

from decimal import Decimal

import pytest

from perpkit.core.models.account import MarginMode
from perpkit.core.models.order import OrderType, Side
from perpkit.sim.clock import SimClock
from perpkit.sim.exchange import Exchange
from perpkit.sim.markets import MarketSpec
from perpkit.sim.orders import OrderRequest, RefusalReason, RequestRefusedError

D = Decimal


@pytest.fixture
def exchange():
    """One market at 100 with 10 percent of initial margin, and ann with 1000 and an isolated long of 10 at 100."""
    made = Exchange(SimClock())
    made.add_market(
        MarketSpec("X", "X", D(100), D("0.01"), D("0.001"), initial_margin=D("0.1"), maintenance_margin=D("0.05"))
    )
    made.add_account("house", is_house=True)
    made.add_account("ann", D(1000))
    made.set_margin("ann", "X", mode=MarginMode.ISOLATED)
    for account, side in (("house", Side.SELL), ("ann", Side.BUY)):
        made.submit(
            OrderRequest(account_id=account, market="X", side=side, type=OrderType.LIMIT, size=D(10), price=D(100))
        )
    yield made
    made.check_invariants()


def test_margin_is_added_and_taken_back_down_to_the_initial_margin(exchange):
    """10 at 100 with a tenth behind it is 100; what is added can be taken back, and not more."""
    assert exchange.position("ann", "X").isolated_margin == D(100)
    free = exchange.account("ann").free_collateral
    assert exchange.move_margin("ann", "X", D(50)).isolated_margin == D(150)
    assert exchange.account("ann").free_collateral == free - 50
    assert exchange.move_margin("ann", "X", D(-50)).isolated_margin == D(100)
    with pytest.raises(RequestRefusedError) as caught:
        exchange.move_margin("ann", "X", D("-0.01"))
    assert caught.value.reason is RefusalReason.INSUFFICIENT_FUNDS


def test_more_than_is_free_can_t_be_set_aside(exchange):
    """Nor anything where there is no isolated position."""
    free = exchange.account("ann").free_collateral
    with pytest.raises(RequestRefusedError) as caught:
        exchange.move_margin("ann", "X", free + D("0.01"))
    assert caught.value.reason is RefusalReason.INSUFFICIENT_FUNDS
    exchange.add_account("bob", D(10))
    with pytest.raises(RequestRefusedError) as caught:
        exchange.move_margin("bob", "X", D(1))
    assert caught.value.reason is RefusalReason.MARGIN_CHANGE_REFUSED


def test_an_unrealized_loss_must_stay_backed_when_margin_is_taken_out(exchange):
    """At 99 ten lose 10: of 150 set aside, 99 must stay behind the position after the loss."""
    exchange.move_margin("ann", "X", D(50))
    exchange.set_price("X", mark=D(99))
    with pytest.raises(RequestRefusedError):
        exchange.move_margin("ann", "X", D("-41.01"))
    assert exchange.move_margin("ann", "X", D(-41)).isolated_margin == D(109)


def test_an_order_lacks_margin_when_its_share_is_more_than_is_free(exchange):
    """Bob's 100 back 1000 of notional at a tenth, no more; a house account lacks nothing; asking changes nothing."""
    exchange.add_account("bob", D(100))
    assert not exchange.lacks_margin("bob", "X", Side.BUY, D(10))
    assert exchange.lacks_margin("bob", "X", Side.BUY, D("10.001"))
    assert not exchange.lacks_margin("house", "X", Side.BUY, D(10**6))
    assert exchange.account("bob").initial_margin == 0


def test_standing_orders_are_everybody_s_best_first(exchange):
    """Two at one price stay two, the older first."""
    for price in (D(99), D(98), D(99)):
        exchange.submit(
            OrderRequest(account_id="house", market="X", side=Side.BUY, type=OrderType.LIMIT, size=D(1), price=price)
        )
    orders = exchange.standing_orders("X", Side.BUY)
    assert [order.price for order in orders] == [D(99), D(99), D(98)]
    assert int(orders[0].id) < int(orders[1].id)
