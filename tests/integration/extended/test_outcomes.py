"""
Order commands on Extended whose answer is lost, late or refused: each ends in the right class of error, the truth is
found by the id that was chosen before sending, and the venue never gets a second order.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

import pytest

from perpkit.core.errors import OrderNotFoundError, OrderRejectedError, OutcomeUnknownError, RejectReason
from perpkit.core.models import OrderStatus, TimeInForce
from perpkit.sim.clock import SimClock
from tests.integration.conftest import eventually, while_time_passes
from tests.integration.extended.conftest import BTC, intent, true_orders

PLACE = "POST /api/v1/user/order"
TAKEN = [
    ("the connection drops after it was taken", {"action": "drop_after"}),
    ("500 after it was taken", {"action": "status_after", "status": 500}),
    ("the answer is cut in half", {"action": "truncate"}),
    ("the answer is no order", {"action": "replace", "body": "[]"}),
    ("the answer is an HTML page under 200", {"action": "replace", "body": "<html>hello</html>"}),
]
NOT_TAKEN = [
    ("the connection drops before it is read", {"action": "drop_before"}),
    ("502 with an HTML page", {"action": "html", "status": 502}),
    ("500", {"action": "status", "status": 500}),
]


@pytest.mark.parametrize("fault", [fault for _, fault in TAKEN], ids=[name for name, _ in TAKEN])
async def test_a_lost_answer_to_an_order_that_was_taken_is_unknown_and_then_found(local, venue, fault):
    """The error says unknown; resolving finds the one order that the venue has."""
    await venue.fetch_account()
    local.control.inject(match=PLACE, **fault)
    with pytest.raises(OutcomeUnknownError) as caught:
        await venue.place_order(intent())
    found = await venue.resolve_order(caught.value)
    (truth,) = true_orders(local)
    assert found.client_order_id == truth.client_id == caught.value.client_order_id
    assert found.status is OrderStatus.OPEN


@pytest.mark.parametrize("fault", [fault for _, fault in NOT_TAKEN], ids=[name for name, _ in NOT_TAKEN])
async def test_an_order_that_never_arrived_is_unknown_until_it_can_no_longer_be(local, venue, fault):
    """While it might still arrive nothing is claimed; the venue has no order, and none is sent again."""
    await venue.fetch_account()
    local.control.inject(match=PLACE, **fault)
    with pytest.raises(OutcomeUnknownError) as caught:
        await venue.place_order(intent())
    with pytest.raises((OrderNotFoundError, OutcomeUnknownError)):
        await while_time_passes(local, venue.resolve_order(caught.value))
    assert true_orders(local) == []


async def test_a_lost_answer_to_a_cancel_leaves_the_order_canceled_once(local, venue):
    """The cancel was taken; the order tells."""
    order = await venue.place_order(intent())
    local.control.inject(match="DELETE /api/v1/user/order*", action="drop_after")
    with suppress(OutcomeUnknownError, OrderNotFoundError):
        await while_time_passes(local, venue.cancel_order(order))
    await eventually(lambda: true_orders(local)[0].is_closed, "the cancel")
    assert (await venue.fetch_order(order)).status is OrderStatus.CANCELED


async def test_an_order_beyond_the_margin_is_refused_with_that_reason(local, venue):
    """The venue's code becomes a reason that a program can compare with."""
    await venue.set_leverage(await venue.market(BTC), Decimal(5))
    with pytest.raises(OrderRejectedError) as caught:
        await venue.place_order(intent(size="10", price="80000"))
    assert caught.value.reason is RejectReason.MARGIN
    assert [each for each in true_orders(local) if not each.is_closed] == []


async def test_the_dead_man_switch_cancels_when_nobody_renews_it(local, venue):
    """After its time the venue has no open order of ours."""
    await venue.place_order(intent())
    await venue.set_dead_man_switch(timedelta(seconds=30))
    local.control.advance(timedelta(seconds=31))
    await eventually(lambda: all(each.is_closed for each in true_orders(local)), "the switch")


@pytest.mark.parametrize("off", [timedelta(minutes=1), timedelta(minutes=-1)], ids=str)
async def test_a_clock_that_is_off_by_a_minute_places_resting_orders_all_the_same(local, open_on, off):
    """No time is signed but the order's end, which is weeks away."""
    venue = await open_on(clock=SimClock(local.clock.now() + off))
    order = await venue.place_order(intent())
    (truth,) = true_orders(local)
    assert (order.client_order_id, truth.is_closed) == (truth.client_id, False)


async def test_a_clock_a_minute_behind_is_named_where_an_order_is_to_live_for_seconds(local, open_on):
    """Its end has passed before it arrives: the venue refuses it, and nothing stands."""
    venue = await open_on(clock=SimClock(local.clock.now() - timedelta(minutes=1)))
    with pytest.raises(OrderRejectedError, match="clock") as caught:
        await venue.place_order(
            intent(price="85000", time_in_force=TimeInForce.IOC, accept_within=timedelta(seconds=5))
        )
    assert caught.value.reason is RejectReason.EXPIRED
    assert true_orders(local) == []
