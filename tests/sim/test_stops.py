"""Stops and take-profits: which price wakes them on which side, and what they become then."""

from __future__ import annotations

from decimal import Decimal

import pytest

from perpkit.core.models.market import PriceKind
from perpkit.core.models.order import OrderType
from perpkit.sim.events import OrderEvent
from perpkit.sim.orders import CloseReason, OrderState, TriggerWhen
from tests.sim.world import BTC, World

D = Decimal


@pytest.mark.parametrize(
    ("kind", "side", "when", "quiet", "touched"),
    [
        (OrderType.STOP_MARKET, "buy", TriggerWhen.ABOVE, "1019.9", "1020"),
        (OrderType.STOP_MARKET, "sell", TriggerWhen.BELOW, "1020.1", "1020"),
        (OrderType.TAKE_PROFIT_MARKET, "buy", TriggerWhen.BELOW, "1020.1", "1020"),
        (OrderType.TAKE_PROFIT_MARKET, "sell", TriggerWhen.ABOVE, "1019.9", "1020"),
    ],
)
def test_stops_and_take_profits_wake_on_their_side(kind, side, when, quiet, touched):
    """At the trigger price they wake, a tenth before they sleep."""
    world = World()
    start = 1030 if when is TriggerWhen.BELOW else 1010
    world.exchange.set_price("BTC", index=D(start))
    world.order("ann", "sell" if side == "buy" else "buy", 1, 1020)
    order = world.order("bob", side, 1, type=kind, trigger_price=D(1020))
    assert (order.state, order.trigger_when) == (OrderState.UNTRIGGERED, when)
    world.exchange.set_price("BTC", mark=D(quiet))
    assert world.now("bob", order).state is OrderState.UNTRIGGERED
    world.exchange.set_price("BTC", mark=D(touched))
    woken = world.now("bob", order)
    assert (woken.close_reason, woken.triggered_at_ms) == (CloseReason.FILLED, world.clock.now_ms())


def test_a_stop_whose_price_is_touched_already_wakes_at_once():
    """A sell stop above the mark is triggered on arrival."""
    world = World()
    order = world.order("bob", "sell", 1, type=OrderType.STOP_MARKET, trigger_price=D(1100))
    assert order.close_reason is CloseReason.NO_LIQUIDITY


def test_a_stop_limit_order_rests_once_triggered():
    """It passes UNTRIGGERED, NEW and OPEN, and stands at its limit."""
    world = World()
    order = world.order("bob", "buy", 1, 1015, type=OrderType.STOP_LIMIT, trigger_price=D(1020))
    assert world.exchange.book("BTC").bids == ()
    world.exchange.set_price("BTC", mark=D(1020))
    assert world.now("bob", order).state is OrderState.OPEN
    assert [event.order.state for event in world.said(OrderEvent)] == [
        OrderState.NEW,
        OrderState.UNTRIGGERED,
        OrderState.NEW,
        OrderState.OPEN,
    ]


@pytest.mark.parametrize("kind", [PriceKind.INDEX, PriceKind.LAST])
def test_a_trigger_watches_the_price_that_it_names(kind):
    """An index or last-price trigger does not care for the mark."""
    world = World(BTC, ann=10**6, bob=10**6)
    order = world.order("bob", "buy", 1, type=OrderType.STOP_MARKET, trigger_price=D(1020), trigger_price_kind=kind)
    world.exchange.set_price("BTC", mark=D(1050), index=D(1000))
    assert world.now("bob", order).state is OrderState.UNTRIGGERED
    if kind is PriceKind.INDEX:
        world.exchange.set_price("BTC", index=D(1020), mark=D(1000))
    else:
        world.order("ann", "sell", 1, 1020)
        world.order("ann", "buy", 1, 1019)
        world.exchange.add_account("cid", D(10**6))
        world.order("cid", "buy", "0.1", 1020)
    assert world.now("bob", order).is_closed


def test_stops_can_set_off_each_other():
    """A stop's own trade moves the last price to the next stop's trigger."""
    world = World(BTC, ann=10**6, bob=10**6, cid=10**6)
    last = {"type": OrderType.STOP_MARKET, "trigger_price_kind": PriceKind.LAST}
    for price in (1010, 1020):
        world.order("ann", "sell", 1, price)
    second = world.order("cid", "buy", "0.4", trigger_price=D(1020), **last)
    first = world.order("bob", "buy", "1.5", trigger_price=D(1010), **last)
    world.order("cid", "buy", "0.1", 1010)
    assert world.now("bob", first).close_reason is CloseReason.FILLED
    assert world.now("cid", second).close_reason is CloseReason.FILLED
    world.exchange.check_invariants()


def test_an_untriggered_order_can_be_amended_and_canceled():
    """A new trigger price counts at once; a canceled one never wakes."""
    world = World()
    order = world.order("bob", "buy", 1, type=OrderType.STOP_MARKET, trigger_price=D(1020))
    world.exchange.amend("bob", order.id, trigger_price=D(1050))
    world.exchange.set_price("BTC", mark=D(1040))
    assert world.now("bob", order).state is OrderState.UNTRIGGERED
    world.exchange.cancel("bob", order.id)
    world.exchange.set_price("BTC", mark=D(1060))
    assert world.now("bob", order).close_reason is CloseReason.USER_CANCELED
