"""Cancels and amendments: what they find, whose orders they concern, and what they may not do."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from perpkit.sim.events import OrderCause, OrderEvent
from perpkit.sim.orders import CancelStatus, CloseReason, OrderState, RefusalReason, RequestRefusedError
from tests.sim.world import BTC, World

D = Decimal


def test_cancels_say_what_they_found():
    """Open, closed, unknown, and somebody else's."""
    world = World()
    order = world.order("bob", "buy", 1, 990)
    assert world.exchange.cancel("ann", order.id).status is CancelStatus.NOT_FOUND
    result = world.exchange.cancel("bob", order.id)
    assert (result.status, result.order.state) == (CancelStatus.QUEUED, OrderState.OPEN)
    assert world.exchange.cancel("bob", order.id).status is CancelStatus.ALREADY_CLOSED
    assert world.exchange.cancel("bob", "1").status is CancelStatus.NOT_FOUND
    assert world.exchange.cancel_by_client_id("bob", "nobody").status is CancelStatus.NOT_FOUND


def test_cancel_all_keeps_to_its_scope():
    """One account, one market; a partly filled order keeps its fill."""
    world = World(BTC, replace(BTC, symbol="ETH"))
    partly = world.order("bob", "buy", 2, 1000)
    world.order("ann", "sell", 1, 1000)
    other_market = world.order("bob", "buy", 1, 990, market="ETH")
    other_account = world.order("ann", "buy", 1, 980)
    world.exchange.cancel_all("bob", "BTC")
    canceled = world.now("bob", partly)
    assert (canceled.close_reason, canceled.filled_size) == (CloseReason.USER_CANCELED, D(1))
    assert world.now("bob", other_market).state is OrderState.OPEN
    assert world.now("ann", other_account).state is OrderState.OPEN


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, RefusalReason.INVALID_REQUEST),
        ({"price": D("1000.3")}, RefusalReason.PRICE_OFF_TICK),
        ({"size": D("0.9")}, RefusalReason.INVALID_SIZE),
        ({"size": D("1.0001")}, RefusalReason.SIZE_OFF_STEP),
        ({"trigger_price": D(900)}, RefusalReason.INVALID_REQUEST),
    ],
)
def test_malformed_amendments_are_refused_at_once(change, reason):
    """1 of 2 is filled; the order stays as it was."""
    world = World()
    order = world.order("bob", "buy", 2, 1000)
    world.order("ann", "sell", 1, 1000)
    before = world.now("bob", order)
    with pytest.raises(RequestRefusedError) as caught:
        world.exchange.amend("bob", order.id, **change)
    assert caught.value.reason is reason
    assert world.now("bob", order) == before


def test_amending_what_is_over_or_unknown_is_refused():
    """Each with its own reason."""
    world = World()
    order = world.order("bob", "buy", 1, 1000)
    world.exchange.cancel("bob", order.id)
    for order_id, reason in ((order.id, RefusalReason.ORDER_CLOSED), ("7", RefusalReason.UNKNOWN_ORDER)):
        with pytest.raises(RequestRefusedError) as caught:
            world.exchange.amend("bob", order_id, price=D(990))
        assert caught.value.reason is reason


def test_an_amendment_beyond_the_margin_leaves_the_order_alone():
    """It is refused late, tells so, and the order keeps its place, price and size."""
    world = World(BTC, ann=10**6, bob=1000)
    order = world.order("bob", "buy", 5, 1000)
    result = world.exchange.amend("bob", order.id, size=D(50))
    assert result.refused is CloseReason.NOT_ENOUGH_MARGIN
    told = world.said(OrderEvent)[-1]
    assert (told.cause, told.refused) == (OrderCause.AMEND_REFUSED, CloseReason.NOT_ENOUGH_MARGIN)
    assert world.now("bob", order).size == 5
    world.exchange.check_invariants()
