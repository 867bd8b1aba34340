"""Orders: intents that contradict themselves are refused with a message that says what to do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from pydantic import ValidationError

from perpkit.core.errors import InvalidOrderError
from perpkit.core.models import (
    Order,
    OrderAmendment,
    OrderIntent,
    OrderRef,
    OrderStatus,
    OrderType,
    PriceKind,
    Side,
    TimeInForce,
)
from tests.core.builders import BTC, START, an_intent, an_order

D = Decimal


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"type": OrderType.LIMIT, "price": None}, "a limit order needs a price"),
        (
            {"type": OrderType.MARKET, "price": D(1)},
            "a market order carries no price; bound it with max_slippage or send a limit order with IOC",
        ),
        ({"type": OrderType.STOP_MARKET}, "a stop_market order needs a trigger_price"),
        ({"type": OrderType.STOP_MARKET, "trigger_price": D(1), "price": D(1)}, "a stop_market order carries no price"),
        ({"type": OrderType.TAKE_PROFIT_LIMIT, "price": None, "trigger_price": D(1)}, "order needs a price"),
        ({"trigger_price": D(1)}, "a limit order has no trigger; use a stop or take-profit type"),
        ({"trigger_kind": PriceKind.MARK}, "a limit order has no trigger"),
        (
            {"post_only": True, "time_in_force": TimeInForce.IOC},
            "post_only needs a resting limit order, not limit ioc",
        ),
        ({"post_only": True, "time_in_force": TimeInForce.FOK}, "post_only needs a resting limit order"),
        ({"post_only": True, "type": OrderType.MARKET}, "post_only needs a resting limit order, not market gtc"),
        ({"time_in_force": TimeInForce.GTD}, "time_in_force gtd and expires_at go together"),
        ({"expires_at": START}, "time_in_force gtd and expires_at go together"),
        ({"max_slippage": D("0.01")}, "max_slippage bounds market orders; a limit order has its price"),
        ({"size": D(0)}, "size=Decimal('0'): Input should be greater than 0"),
        ({"size": D(-1)}, "greater than 0"),
        ({"size": D("NaN")}, "size=Decimal('NaN'): Input should be a finite number"),
        ({"size": 0.1}, "size=0.1: 0.1 is a float; pass a Decimal, an int or a string"),
        ({"price": D(0)}, "greater than 0"),
        ({"side": "long"}, "side='long'"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_contradiction_is_refused_with_what_to_do(fields: dict, message: str):
    """As a typed error of ours that names the order; nothing was sent."""
    with pytest.raises(InvalidOrderError) as caught:
        an_intent(client_order_id="mine", **fields)
    assert message in caught.value.message
    assert caught.value.client_order_id == "mine"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"type": OrderType.MARKET, "max_slippage": D("0.01")},
        {"type": OrderType.STOP_LIMIT, "price": D(1), "trigger_price": D(1), "trigger_kind": PriceKind.MARK},
        {"type": OrderType.TAKE_PROFIT_MARKET, "trigger_price": D(1), "reduce_only": True},
        {"time_in_force": TimeInForce.GTD, "expires_at": START + timedelta(days=1), "post_only": True},
        {"time_in_force": TimeInForce.FOK},
    ],
    ids=str,
)
def test_what_can_stand_together_stands(fields: dict):
    """Every type, and every time in force."""
    assert an_intent(**fields)


def test_a_refusal_from_a_raw_mapping_is_typed_too():
    """Whichever way an intent is built."""
    with pytest.raises(InvalidOrderError, match="size"):
        OrderIntent.model_validate({"market_id": BTC, "side": "buy", "size": "x", "price": 1})


def test_a_reference_needs_an_id():
    """Without one it could be any order."""
    with pytest.raises(ValidationError, match="venue_order_id or client_order_id"):
        OrderRef(market_id=BTC)


def test_an_amendment_changes_something():
    """Otherwise it is a mistake of its caller."""
    with pytest.raises(ValidationError, match="changes size, price or trigger_price"):
        OrderAmendment(order=an_order().ref)


def test_an_orders_derived_figures():
    """What remains, its names, and whether it is over."""
    order = an_order(filled_size=D("0.4"), status=OrderStatus.CANCELED)
    assert order.remaining_size == D("0.6")
    assert order.ref == OrderRef(market_id=BTC, venue_order_id="v1", client_order_id="c1")
    assert order.is_terminal
    over = {status for status in OrderStatus if status.is_terminal}
    assert over == {OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED}


def test_a_side_has_an_opposite_and_a_sign():
    """What a fill adds to a position."""
    assert (Side.BUY.opposite, Side.SELL.opposite) == (Side.SELL, Side.BUY)
    assert (Side.BUY.sign, Side.SELL.sign) == (1, -1)


def test_types_say_what_they_carry():
    """A price, a trigger, both, or neither."""
    assert {kind for kind in OrderType if kind.has_price} == {
        OrderType.LIMIT,
        OrderType.STOP_LIMIT,
        OrderType.TAKE_PROFIT_LIMIT,
    }
    assert {kind for kind in OrderType if not kind.has_trigger} == {OrderType.MARKET, OrderType.LIMIT}


def test_an_order_as_it_was_meant_says_what_the_intent_says_and_what_is_known_besides():
    """Each field that both have, none lost; what is known of the order wins."""
    intent = OrderIntent(
        market_id="BTC-USD-PERP@moonex",
        side="sell",
        type="stop_limit",
        size="0.5",
        price="99",
        trigger_price="100",
        client_order_id="c1",
        time_in_force="gtd",
        expires_at=datetime(2026, 3, 1, tzinfo=UTC),
        post_only=True,
        reduce_only=True,
    )
    now = datetime(2026, 2, 1, tzinfo=UTC)
    meant = intent.as_order(OrderStatus.PENDING, ts_received=now, venue_order_id="v1")
    shared = set(OrderIntent.model_fields) & set(Order.model_fields)
    assert {name: getattr(meant, name) for name in shared} == {name: getattr(intent, name) for name in shared}
    assert (meant.status, meant.ts_received, meant.venue_order_id, meant.filled_size) == ("pending", now, "v1", 0)
    assert intent.as_order(OrderStatus.PENDING, ts_received=now, time_in_force="ioc").time_in_force is TimeInForce.IOC
