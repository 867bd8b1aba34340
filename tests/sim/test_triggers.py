"""Orders that wait for two triggers, orders attached to others, orders in another's place, and the countdown."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from perpkit.core.models.market import PriceKind
from perpkit.core.models.order import OrderType, TimeInForce
from perpkit.sim.events import OrderCause, OrderEvent
from perpkit.sim.orders import (
    Alternative,
    CloseReason,
    OrderRequest,
    OrderState,
    RefusalReason,
    RequestRefusedError,
    Side,
    TriggerWhen,
)
from tests.sim.world import World

D = Decimal
STOP = Alternative(
    trigger_price=D(900),
    trigger_when=TriggerWhen.BELOW,
    trigger_price_kind=PriceKind.MARK,
    type=OrderType.STOP_MARKET,
    price=None,
    time_in_force=TimeInForce.GTC,
)
BRACKET = {
    "type": OrderType.TAKE_PROFIT_LIMIT,
    "trigger_price": D(1100),
    "trigger_when": TriggerWhen.ABOVE,
    "alternative": STOP,
    "reduce_only": True,
}


@pytest.fixture
def world():
    """Bob is long 2 at 1000; somebody bids 905 and 1095 is asked far away."""
    world = World(ann=100_000, bob=100_000, cat=100_000)
    world.order("ann", "sell", 2, 1000)
    world.order("bob", "buy", 2, 1000)
    world.order("cat", "buy", 5, 895)
    yield world
    world.exchange.check_invariants()


def mark(world, price):
    world.exchange.set_price("BTC", index=D(price), mark=D(price))


def bracket(world, size=2, **changes):
    return world.order("bob", "sell", size, 1098, **{**BRACKET, **changes})


def test_of_two_triggers_the_first_touched_says_what_the_order_becomes(world):
    """At 900 it is the stop: a market order, no longer a limit at 1098."""
    order = bracket(world)
    assert order.state is OrderState.UNTRIGGERED
    mark(world, 901)
    assert world.now("bob", order).state is OrderState.UNTRIGGERED
    mark(world, 900)
    done = world.now("bob", order)
    assert (done.close_reason, done.average_price, done.type) == (CloseReason.FILLED, D(895), OrderType.STOP_MARKET)
    assert done.woke_on_alternative


def test_its_own_trigger_leaves_the_alternative_behind(world):
    """At 1100 it rests as the limit order that it is; 900 means nothing to it any more."""
    order = bracket(world)
    mark(world, 1100)
    resting = world.now("bob", order)
    assert (resting.state, resting.price, resting.woke_on_alternative) == (OrderState.OPEN, D(1098), False)
    mark(world, 900)
    assert world.now("bob", order).state is OrderState.OPEN


def test_an_alternative_may_watch_another_price(world):
    """The last trade, here at 890; the mark stays."""
    order = bracket(world, alternative=replace_kind(STOP, PriceKind.LAST))
    mark(world, 850)
    assert world.now("bob", order).state is OrderState.UNTRIGGERED
    world.order("ann", "sell", 5, 895)
    assert world.now("bob", order).woke_on_alternative


def replace_kind(alternative, kind):
    return replace(alternative, trigger_price_kind=kind)


def test_an_order_for_the_whole_position_takes_its_size_when_it_wakes(world):
    """Sent for 2, the position is 3 by then; a second such order conflicts."""
    order = bracket(world, whole_position=True)
    assert bracket(world, whole_position=True).close_reason is CloseReason.POSITION_ORDER_CONFLICT
    world.order("ann", "sell", 1, 1000)
    world.order("bob", "buy", 1, 1000)
    mark(world, 900)
    done = world.now("bob", order)
    assert (done.size, done.filled_size) == (3, 3)
    assert world.size("bob") == 0


def test_an_order_for_the_whole_position_ends_with_it(world):
    """Closed by other means: nothing is left to close; without a position there is none to begin with."""
    order = bracket(world, whole_position=True)
    world.order("cat", "buy", 2, 999)
    world.order("bob", "sell", 2, 999)
    assert world.now("bob", order).close_reason is CloseReason.REDUCE_ONLY_WOULD_INCREASE
    assert bracket(world, whole_position=True).close_reason is CloseReason.REDUCE_ONLY_WOULD_INCREASE


def attached(side="sell"):
    return OrderRequest(
        account_id="cat", market="BTC", side=Side(side), size=D(1), price=D(1098), client_id="child", **BRACKET
    )


def test_what_is_attached_grows_with_the_fills_of_its_order(world):
    """Nothing before the first fill; 1 after it, 3 in the end; one order."""
    parent = world.order("cat", "buy", 3, 990, attached=attached())
    assert [o.id for o in world.exchange.open_orders("cat") if o.client_id == "child"] == []
    world.order("ann", "sell", 1, 990)
    (child,) = [o for o in world.exchange.open_orders("cat") if o.client_id == "child"]
    assert (child.size, child.state) == (1, OrderState.UNTRIGGERED)
    world.order("ann", "sell", 2, 990)
    assert world.now("cat", child).size == 3
    assert world.now("cat", parent).attached_size == 3
    causes = [e.cause for e in world.said(OrderEvent) if e.order.id == child.id]
    assert causes == [OrderCause.ACCEPTED, OrderCause.OPENED, OrderCause.AMENDED]


def test_fills_after_what_is_attached_was_triggered_get_an_order_of_their_own(world):
    """The first closed its part by then."""
    world.order("cat", "buy", 3, 990, attached=attached())
    world.order("ann", "sell", 1, 990)
    (first,) = [o for o in world.exchange.open_orders("cat") if o.client_id == "child"]
    mark(world, 1100)
    assert world.now("cat", first).state is OrderState.OPEN
    mark(world, 1000)
    world.order("ann", "sell", 2, 990)
    (second,) = [o for o in world.exchange.open_orders("cat") if o.state is OrderState.UNTRIGGERED]
    assert (second.size, second.id != first.id) == (2, True)


def test_a_canceled_order_leaves_what_its_fills_brought(world):
    """And brings nothing more."""
    parent = world.order("cat", "buy", 3, 990, attached=attached())
    world.order("ann", "sell", 1, 990)
    world.exchange.cancel("cat", parent.id)
    (child,) = [o for o in world.exchange.open_orders("cat") if o.client_id == "child"]
    assert child.size == 1


def test_an_order_may_take_another_s_place(world):
    """The old one ends as REPLACED before the new one is decided on, so that its margin is free."""
    old = world.order("bob", "buy", 1, 950, client_id="old")
    new = world.exchange.replace("bob", old.id, request("new", 951))
    assert world.now("bob", old).close_reason is CloseReason.REPLACED
    assert world.now("bob", new).state is OrderState.OPEN
    assert new.replaces == old.id


def request(client_id, price, **changes):
    fields = {"account_id": "bob", "market": "BTC", "side": Side.BUY, "type": OrderType.LIMIT, "size": D(1)}
    return OrderRequest(**{**fields, "price": D(price), "client_id": client_id, **changes})


def test_a_replacement_that_is_refused_at_once_leaves_the_old_order(world):
    """Off the tick; of an order that is not there; of one that is over."""
    old = world.order("bob", "buy", 1, 950, client_id="old")
    for order_id, wanted, reason in (
        (old.id, request("new", "950.3"), RefusalReason.PRICE_OFF_TICK),
        ("nothing", request("new", 951), RefusalReason.UNKNOWN_ORDER),
        (old.id, request("old", 951), RefusalReason.DUPLICATE_CLIENT_ID),
    ):
        with pytest.raises(RequestRefusedError) as caught:
            world.exchange.replace("bob", order_id, wanted)
        assert caught.value.reason is reason
    assert world.now("bob", old).state is OrderState.OPEN
    world.exchange.cancel("bob", old.id)
    with pytest.raises(RequestRefusedError) as caught:
        world.exchange.replace("bob", old.id, request("new", 951))
    assert caught.value.reason is RefusalReason.ORDER_CLOSED


def test_a_replacement_that_is_refused_when_decided_on_leaves_neither(world):
    """Post-only, and it would trade."""
    old = world.order("bob", "buy", 1, 950)
    world.order("ann", "sell", 1, 960)
    new = world.exchange.replace("bob", old.id, request("new", 960, post_only=True))
    assert world.now("bob", old).close_reason is CloseReason.REPLACED
    assert world.now("bob", new).close_reason is CloseReason.POST_ONLY_WOULD_CROSS


def test_an_order_that_was_over_or_awake_by_then_refuses_its_replacement(world):
    """Decisions were held meanwhile; the triggered one stays in the book."""
    old = world.order("bob", "buy", 1, 950)
    waiting = bracket(world, size=1)
    world.exchange.hold_decisions()
    first = world.exchange.replace("bob", old.id, request("first", 951))
    second = world.exchange.replace("bob", waiting.id, request("second", 952))
    world.exchange.cancel_by_venue("bob", old.id)
    mark(world, 1100)
    world.exchange.release_decisions()
    assert world.now("bob", first).close_reason is CloseReason.PREVIOUS_NOT_FOUND
    assert world.now("bob", second).close_reason is CloseReason.PREVIOUS_TRIGGERED
    assert world.now("bob", waiting).state is OrderState.OPEN


def test_a_countdown_that_runs_out_cancels_everything_of_its_account(world):
    """Set anew it begins again; None disarms it; another account's orders stay."""
    mine, theirs = world.order("bob", "buy", 1, 950), world.order("ann", "buy", 1, 950)
    stop = bracket(world)
    minute = timedelta(minutes=1)
    world.exchange.set_dead_man_switch("bob", minute)
    world.clock.advance(minute / 2)
    world.exchange.set_dead_man_switch("bob", minute)
    world.clock.advance(minute * 0.99)
    assert world.now("bob", mine).state is OrderState.OPEN
    world.clock.advance(minute * 0.01)
    assert world.now("bob", mine).close_reason is CloseReason.DEAD_MAN_SWITCH
    assert world.now("bob", stop).close_reason is CloseReason.DEAD_MAN_SWITCH
    assert world.now("ann", theirs).state is OrderState.OPEN
    again = world.order("bob", "buy", 1, 950)
    world.exchange.set_dead_man_switch("bob", minute)
    world.exchange.set_dead_man_switch("bob", None)
    world.clock.advance(minute * 2)
    assert world.now("bob", again).state is OrderState.OPEN


@pytest.mark.parametrize(
    "changes",
    [
        {"type": OrderType.LIMIT, "trigger_price": None, "trigger_when": None},
        {"whole_position": True, "reduce_only": False},
        {"alternative": replace_kind(STOP, PriceKind.MARK), "type": OrderType.MARKET, "trigger_price": None},
    ],
)
def test_fields_that_need_a_trigger_are_refused_without_one(world, changes):
    """A plain order has no alternative, and only a reduce-only order closes a position."""
    with pytest.raises(RequestRefusedError) as caught:
        bracket(world, **changes)
    assert caught.value.reason is RefusalReason.INVALID_REQUEST


def test_an_account_that_falls_short_loses_its_opening_orders_where_the_venue_does_so():
    """Only with that setting, and reduce-only orders stay."""
    for cancels in (True, False):
        world = World(ann=100_000, bob=1_000)
        world.exchange._state.config = replace(world.exchange.config, cancels_when_short=cancels)
        world.order("ann", "sell", 5, 1000)
        world.order("bob", "buy", 5, 1000)
        opening = world.order("bob", "buy", "0.5", 900)
        closing = world.order("bob", "sell", 1, 1200, reduce_only=True)
        # 1000 less fees, 5 x 60 lost: 697.5 of equity for 5.5 x 940 x 0.1 = 517, then 5 x 130: 347.5 for 478.5.
        mark(world, 940)
        assert world.now("bob", opening).state is OrderState.OPEN
        mark(world, 870)
        assert world.now("bob", opening).is_closed is cancels
        assert world.now("bob", closing).state is OrderState.OPEN
        world.exchange.check_invariants()
