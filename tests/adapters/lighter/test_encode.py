"""Orders and amendments to transactions: exact integers, the venue's codes, explicit expiries, nothing rounded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpkit.adapters.lighter import encode, order_ids
from perpkit.adapters.lighter.signing import tx as codes
from perpkit.core.client_ids import ClientOrderIds
from perpkit.core.clock import SystemClock
from perpkit.core.errors import CapabilityError, InvalidOrderError
from perpkit.core.models import (
    Order,
    OrderAmendment,
    OrderIntent,
    OrderRef,
    OrderStatus,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from tests.adapters.lighter.conftest import LIFE, NOW, make_listing, make_market

D = Decimal
ETH = make_market()
LISTING = make_listing()
NOW_MS = 1795263600000
"""12:20 on 21 November 2026."""
IN_28_DAYS = NOW_MS + 28 * 86_400_000


def intent(**changes):
    fields = {"market_id": ETH.id, "side": Side.SELL, "size": D("0.1"), "price": D("4050"), "client_order_id": "1001"}
    return OrderIntent(**{**fields, **changes})


def encoded(worst=None, **changes):
    return encode.new_order(intent(**changes), LISTING, now=NOW, life=LIFE, worst=worst)


def test_the_clock_of_these_tests_is_what_they_say():
    """The milliseconds that expiries below are counted from."""
    assert datetime.fromtimestamp(NOW_MS / 1000, UTC) == NOW


def test_a_limit_order_becomes_the_published_example():
    """0.1 ETH at 4050 with 4 and 2 decimals is 1000 at 405000; the rest are the venue's codes."""
    assert encoded().fields() == {
        "MarketIndex": 0,
        "ClientOrderIndex": 1001,
        "BaseAmount": 1000,
        "Price": 405000,
        "IsAsk": 1,
        "Type": 0,
        "TimeInForce": 1,
        "ReduceOnly": 0,
        "TriggerPrice": 0,
        "OrderExpiry": IN_28_DAYS,
    }
    assert encoded().attributes() == {}


@given(st.integers(1, codes.MAX_BASE_AMOUNT), st.integers(0, 8))
def test_every_size_on_the_grid_is_scaled_exactly(whole, decimals):
    """Back and forth gives the same number, whatever the magnitude."""
    size = D(whole).scaleb(-decimals)
    assert encode.units(size, decimals, codes.MAX_BASE_AMOUNT, "size") == whole


@pytest.mark.parametrize("value", ["0.00001", "0.12345", "1E-30"])
def test_what_is_off_the_grid_is_refused_and_never_rounded(value):
    """The core has brought it onto the grid; if not, sending something near it is no help."""
    with pytest.raises(InvalidOrderError, match="more than the market's 4 decimals"):
        encode.units(D(value), 4, codes.MAX_BASE_AMOUNT, "size")


@pytest.mark.parametrize(("changes", "name"), [({"size": D(2) ** 48}, "size"), ({"price": D(2) ** 32 / 100}, "price")])
def test_what_the_venue_can_not_hold_is_refused(changes, name):
    """48 bits of size, 32 bits of price."""
    with pytest.raises(InvalidOrderError, match=f"{name} .* is beyond") as caught:
        encoded(**changes)
    assert caught.value.client_order_id == "1001"


STOP, TAKE = {"trigger_price": D(3900)}, {"trigger_price": D(4100)}


@pytest.mark.parametrize(
    ("changes", "worst", "due"),
    [
        ({}, None, (0, 1, 405000, 0, True)),
        ({"post_only": True}, None, (0, 2, 405000, 0, True)),
        ({"time_in_force": TimeInForce.IOC}, None, (0, 0, 405000, 0, False)),
        ({"type": OrderType.MARKET, "price": None}, D("3847.5"), (1, 0, 384750, 0, False)),
        ({"type": OrderType.STOP_MARKET, "price": None, **STOP}, D(3705), (2, 0, 370500, 390000, True)),
        ({"type": OrderType.STOP_LIMIT, **STOP}, None, (3, 1, 405000, 390000, True)),
        ({"type": OrderType.TAKE_PROFIT_MARKET, "price": None, **TAKE}, D(3895), (4, 0, 389500, 410000, True)),
        ({"type": OrderType.TAKE_PROFIT_LIMIT, **TAKE}, None, (5, 1, 405000, 410000, True)),
        ({"type": OrderType.STOP_LIMIT, "time_in_force": TimeInForce.IOC, **STOP}, None, (3, 0, 405000, 390000, True)),
        ({"type": OrderType.STOP_LIMIT, "post_only": True, **STOP}, None, (3, 2, 405000, 390000, True)),
    ],
)
def test_each_type_has_the_fields_that_the_venue_wants(changes, worst, due):
    """As lighter-go validates them: what fills at once has no expiry, what rests or waits has one."""
    tx = encoded(worst, **changes)
    assert (tx.type, tx.time_in_force, tx.price, tx.trigger_price, tx.expiry == IN_28_DAYS) == due
    assert tx.expiry in {0, IN_28_DAYS}


def test_a_market_order_without_a_bound_is_not_sent():
    """The venue would take its price of 0 for a limit."""
    with pytest.raises(InvalidOrderError, match="needs a bound"):
        encoded(type=OrderType.MARKET, price=None)


def test_an_expiry_is_the_one_that_was_asked_for():
    """In milliseconds, to the instant."""
    tx = encoded(time_in_force=TimeInForce.GTD, expires_at=NOW + timedelta(hours=2, milliseconds=7))
    assert tx.expiry == NOW_MS + 2 * 3_600_000 + 7


@pytest.mark.parametrize("ahead", [timedelta(minutes=4, seconds=59), timedelta(days=30, seconds=1), timedelta(0)])
def test_an_expiry_outside_the_venues_window_is_refused_here(ahead):
    """5 minutes to 30 days; the venue would say 21711."""
    with pytest.raises(InvalidOrderError, match="5 minutes to 30 days"):
        encoded(time_in_force=TimeInForce.GTD, expires_at=NOW + ahead)


def test_reduce_only_and_self_trade_prevention_are_signed():
    """The former is a field, the latter attribute 6, absent where it is the venue's own way."""
    tx = encoded(reduce_only=True, self_trade_prevention=SelfTradePrevention.EXPIRE_TAKER)
    assert tx.fields()["ReduceOnly"] == 1
    assert tx.attributes() == {"6": 1}
    assert encoded(self_trade_prevention=SelfTradePrevention.EXPIRE_BOTH).attributes() == {"6": 2}
    assert encoded(self_trade_prevention=SelfTradePrevention.EXPIRE_MAKER).attributes() == {}


def test_fill_or_kill_and_chosen_triggers_are_not_the_venues():
    """Refused before anything is signed."""
    with pytest.raises(CapabilityError, match="no fill-or-kill"):
        encoded(time_in_force=TimeInForce.FOK)
    with pytest.raises(CapabilityError, match="trigger_kind"):
        encoded(type=OrderType.STOP_LIMIT, trigger_kind="mark", **STOP)
    with pytest.raises(CapabilityError, match="accept_within"):
        encoded(accept_within=timedelta(seconds=5))
    with pytest.raises(InvalidOrderError, match="no order option grouping"):
        encoded(options={"grouping": 1})


# Ids


@given(st.integers(1, order_ids.MAX_CLIENT_INDEX))
def test_a_plain_number_stands_for_itself(number):
    """Nothing is stored, so nothing is lost by a restart; other texts are tried in ``test_client_ids.py``."""
    text = order_ids.client_id(number)
    assert order_ids.CLIENT_ORDER_ID.problem(text) is None
    assert order_ids.client_index(text) == number


def test_perpkits_own_ids_fit_and_grow():
    """Those that the face makes where the user gives none."""
    ids = ClientOrderIds(order_ids.CLIENT_ORDER_ID, clock=SystemClock())
    made = [order_ids.client_index(ids.next()) for _ in range(100)]
    assert made == sorted(set(made))
    assert made[-1] < order_ids.TEXT_HALF


def test_no_id_is_the_venues_zero():
    """0 means none in both directions."""
    assert order_ids.client_index(None) == 0
    assert order_ids.client_id(0) is None


@pytest.mark.parametrize("text", ["1001", "abc", str(2**60), "1" * 30, "-5"])
def test_an_order_number_outside_the_venues_range_is_refused(text):
    """Below 2^48 it would name an order by an id of ours."""
    with pytest.raises(InvalidOrderError, match="no order number"):
        order_ids.order_index(text)


# Cancels, amendments


def test_a_cancel_names_the_order_by_the_exchanges_number_or_by_ours():
    """One field takes either: the two never overlap."""
    by_venue = OrderRef(market_id=ETH.id, venue_order_id="281476977000123", client_order_id="1001")
    assert encode.cancel(by_venue, LISTING).fields() == {"MarketIndex": 0, "Index": 281476977000123}
    by_ours = OrderRef(market_id=ETH.id, client_order_id="1001")
    assert encode.cancel(by_ours, LISTING).fields() == {"MarketIndex": 0, "Index": 1001}


def standing(**changes):
    fields = {
        "market_id": ETH.id,
        "venue_order_id": "281476977000123",
        "client_order_id": "1001",
        "side": Side.SELL,
        "type": OrderType.LIMIT,
        "status": OrderStatus.OPEN,
        "size": D("0.1"),
        "price": D(4050),
        "ts_received": NOW,
    }
    return Order(**{**fields, **changes})


def amended(order, worst=None, **changes):
    return encode.modification(order, OrderAmendment(order=order.ref, **changes), LISTING, worst=worst).fields()


def test_an_amendment_says_everything_again():
    """What changes and what doesn't; the size is the total, what is filled already included."""
    base = {"MarketIndex": 0, "Index": 281476977000123, "BaseAmount": 1000, "Price": 405000, "TriggerPrice": 0}
    assert amended(standing(), price=D(4060)) == {**base, "Price": 406000}
    assert amended(standing(filled_size=D("0.04")), size=D("0.2")) == {**base, "BaseAmount": 2000}
    stop = standing(type=OrderType.STOP_LIMIT, trigger_price=D(3900))
    assert amended(stop, trigger_price=D(3950)) == {**base, "TriggerPrice": 395000}


def test_an_order_known_by_our_id_alone_can_be_amended():
    """The venue takes that too."""
    assert amended(standing(venue_order_id=None), price=D(4060))["Index"] == 1001


def test_an_amendment_that_does_not_fit_the_type_is_refused():
    """No price of a market type, no trigger of a plain one, and no guess at what is not known."""
    market_stop = standing(type=OrderType.STOP_MARKET, price=None, trigger_price=D(3900))
    assert amended(market_stop, D(3800), trigger_price=D(3950))["Price"] == 380000
    for order, changes in (
        (market_stop, {"price": D(1)}),
        (standing(), {"trigger_price": D(1)}),
        (standing(price=None), {"size": D(1)}),
        (standing(type=OrderType.STOP_LIMIT), {"size": D(1)}),
    ):
        with pytest.raises(InvalidOrderError) as caught:
            amended(order, **changes)
        assert caught.value.client_order_id == "1001"


@pytest.mark.parametrize(("leverage", "fraction"), [("20", 500), ("7", 1428), ("3", 3333), ("1", 10000), ("12.5", 800)])
def test_a_leverage_is_a_margin_fraction_rounded_down(leverage, fraction):
    """As the venue's own SDK does: int(10000 / leverage)."""
    assert encode.margin_fraction(D(leverage), LISTING) == fraction


@pytest.mark.parametrize("leverage", ["51", "0.5"])
def test_a_leverage_that_the_market_does_not_allow_is_refused(leverage):
    """2 % allows 50 times; below 1 there is no such fraction."""
    with pytest.raises(InvalidOrderError, match="1 to 50"):
        encode.margin_fraction(D(leverage), LISTING)


def test_bars_of_a_length_that_the_venue_has_not_are_refused():
    """There is 1h and no 2h."""
    assert encode.resolution(timedelta(hours=1)) == "1h"
    with pytest.raises(CapabilityError, match="1m, 5m"):
        encode.resolution(timedelta(hours=2))
