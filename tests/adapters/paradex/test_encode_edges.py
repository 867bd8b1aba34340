"""Where an order's encoding turns: options, bounds, what a modification repeats, and what each refusal says."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpkit.adapters.paradex import decode_account, encode, schema, wire
from perpkit.adapters.paradex.encode import Unsigned, quantums
from perpkit.adapters.paradex.signing import NativeSigner
from perpkit.core.errors import CapabilityError, InvalidOrderError
from perpkit.core.models import OrderIntent, OrderStatus, OrderType, PriceKind, SelfTradePrevention, Side, TimeInForce
from perpkit.core.quantize import check_intent, quantize_intent
from perpkit.core.transport import wire_json
from perpkit.crypto.stark import verify
from tests.adapters.paradex.conftest import NOW
from tests.adapters.paradex.intents import MARKET, amended, body, intent, standing

STOP = {"type": OrderType.STOP_LIMIT, "trigger_price": "29000"}
AT_MARKET = {"type": OrderType.MARKET, "price": None}


# What is refused


ALL_OPTIONS = "dime_discount, interactive, on_behalf_of_account, rpi, stop_loss, trigger_condition, vwap_price"


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        (
            {"options": dict.fromkeys(["g", "f", "e", "d", "c", "b", "a"], True)},
            InvalidOrderError,
            f"no order option a, b, c, d, e, f, g on paradex; there are {ALL_OPTIONS}",
        ),
        (
            {**AT_MARKET, "max_slippage": "0.01"},
            InvalidOrderError,
            "max_slippage is turned into a limit price before an order gets here",
        ),
        (
            {**STOP, "trigger_kind": PriceKind.MARK},
            CapabilityError,
            "paradex chooses which price a trigger watches; leave trigger_kind out",
        ),
        ({"size": "0.123456789"}, InvalidOrderError, "size 0.123456789 has more than 8 decimals"),
        ({"price": "1.000000001"}, InvalidOrderError, "price 1.000000001 has more than 8 decimals"),
        ({"time_in_force": TimeInForce.FOK}, CapabilityError, "paradex has no fok; it has gtc and ioc"),
        (
            {"options": {"stop_loss": True}, "reduce_only": True},
            InvalidOrderError,
            "option stop_loss is for reduce-only stop orders, not limit",
        ),
        (
            {**STOP, "options": {"stop_loss": True}},
            InvalidOrderError,
            "option stop_loss is for reduce-only stop orders, not stop_limit",
        ),
        ({"options": {"stop_loss": 1}}, InvalidOrderError, "option stop_loss is true or false, not 1"),
        ({"options": {"rpi": 1}}, InvalidOrderError, "option rpi is true or false, not 1"),
        ({"options": {"interactive": "no"}}, InvalidOrderError, "option interactive is true or false, not 'no'"),
        ({"options": {"dime_discount": 0}}, InvalidOrderError, "option dime_discount is true or false, not 0"),
        (
            {**AT_MARKET, "options": {"rpi": True}},
            InvalidOrderError,
            "option rpi is for plain limit orders: without post_only and with time_in_force gtc",
        ),
        (
            {"options": {"trigger_condition": "above"}},
            InvalidOrderError,
            "option trigger_condition is for orders with a trigger",
        ),
        (
            {**STOP, "options": {"trigger_condition": "under"}},
            InvalidOrderError,
            "option trigger_condition must be 'above' or 'below', not 'under'",
        ),
        (
            {**STOP, "options": {"trigger_condition": True}},
            InvalidOrderError,
            "option trigger_condition must be 'above' or 'below', not True",
        ),
        ({"options": {"vwap_price": "1"}}, InvalidOrderError, "option vwap_price is for market orders"),
        (
            {"options": {"on_behalf_of_account": 18}},
            InvalidOrderError,
            "option on_behalf_of_account must be a 0x… address, not 18",
        ),
        (
            {"accept_within": timedelta(microseconds=9999)},
            InvalidOrderError,
            "accept_within 0:00:00.009999 is below the venue's least of 10 ms",
        ),
    ],
)
def test_each_refusal_says_what_is_wrong_with_which_order(fields, error, message):
    """The class tells what to do next, and the error names venue and order."""
    with pytest.raises(error) as caught:
        encode.new_order(intent(**fields), MARKET)
    assert type(caught.value) is error
    assert (caught.value.message, caught.value.venue, caught.value.client_order_id) == (message, "paradex", "c-1")


@pytest.mark.parametrize(
    "text",
    ["0", "0.0", "-1", "1e3", "+1", " 1", "1.2.3", ".", "", "NaN", "Infinity", "1_000", "\u0661", "\uff11"],
)
def test_a_target_price_is_plain_digits_above_zero(text):
    """Whatever else Python would read as a number."""
    with pytest.raises(InvalidOrderError, match="option vwap_price must be a decimal above zero as text, not"):
        body(**AT_MARKET, options={"vwap_price": text})


@pytest.mark.parametrize("value", [29400, Decimal(29400), True])
def test_a_target_price_is_text(value):
    """So that nothing of it is rounded or respelled."""
    with pytest.raises(InvalidOrderError, match="option vwap_price must be a decimal above zero as text, not"):
        body(**AT_MARKET, options={"vwap_price": value})


@pytest.mark.parametrize("text", ["1", "0.5", "29400.25", "0.00000001", ".5"])
def test_a_target_price_is_sent_as_it_was_given(text):
    """A fraction of one is above zero."""
    assert body(**AT_MARKET, options={"vwap_price": text})["vwap_price"] == text


@pytest.mark.parametrize("text", ["0x", "12ab", "0x12g", "x12", "0x1~", "120x", "0x12 ", "0X12"])
def test_an_account_is_a_whole_address(text):
    """A slip here would put the order on no account or another one."""
    with pytest.raises(InvalidOrderError, match="option on_behalf_of_account must be a 0x… address, not"):
        body(options={"on_behalf_of_account": text})


@pytest.mark.parametrize("text", ["0x0", "0xaB12", "0x0123456789abcdefABCDEF"])
def test_an_account_s_address_may_have_every_digit(text):
    """In either case."""
    assert body(options={"on_behalf_of_account": text})["on_behalf_of_account"] == text


def test_options_that_are_off_change_nothing():
    """False is what is left out, but for the discount, which is said."""
    off = dict.fromkeys(("rpi", "stop_loss", "interactive"), False)
    assert body(options=off) == body()
    assert body(options={"dime_discount": False}) == {**body(), "dime_discount": False}


def test_an_order_without_an_id_of_ours_sends_none():
    """And its refusal names none."""
    sent = encode.new_order(intent(client_order_id=None), MARKET).body
    assert sent == {name: value for name, value in body().items() if name != "client_id"}
    with pytest.raises(InvalidOrderError) as caught:
        encode.new_order(intent(client_order_id=None, options={"rpi": 1}), MARKET)
    assert caught.value.client_order_id is None


@pytest.mark.parametrize(("window", "sent"), [(10_000, 10), (10_999, 10), (11_000, 11), (300_000_000, 300_000)])
def test_a_window_of_acceptance_is_whole_milliseconds_from_ten_on(window, sent):
    """A part of a millisecond is cut: never later than asked. The argument is in microseconds."""
    assert body(accept_within=timedelta(microseconds=window))["recv_window"] == sent


# What is signed


def test_sixty_digits_are_exact_and_more_are_refused():
    """Scaling keeps sixty digits; what would be rounded away must not be signed."""
    exact = "1" * 52 + "." + "1" * 8
    assert quantums(Decimal(exact), "size") == int("1" * 60)
    for more in ("1" * 53 + "." + "1" * 8, "1." + "0" * 70 + "1", "1" * 70):
        with pytest.raises(InvalidOrderError, match=r"^paradex: size .* has more than 8 decimals"):
            quantums(Decimal(more), "size")


@pytest.mark.parametrize(
    ("text", "whole"),
    [("0.00000001", 1), ("1", 10**8), ("1.00000000", 10**8), ("1E+3", 10**11), ("-0.5", -5 * 10**7), ("0", 0)],
)
def test_a_size_or_price_is_signed_as_whole_hundred_millionths(text, whole):
    """However it is spelled."""
    assert quantums(Decimal(text), "size") == whole


# Modifications


@pytest.mark.parametrize(
    ("changes", "size", "price", "trigger"),
    [
        ({"size": "3"}, "3", "29500.1", "29000"),
        ({"price": "29600"}, "2", "29600", "29000"),
        ({"trigger_price": "29100"}, "2", "29500.1", "29100"),
        ({"size": "3", "price": "29600", "trigger_price": "29100"}, "3", "29600", "29100"),
    ],
)
def test_a_modification_keeps_what_is_not_amended(changes, size, price, trigger):
    """The venue wants all of it again: a number left out would be taken for a change."""
    unsigned = amended(standing(type=OrderType.STOP_LIMIT, trigger_price="29000"), **changes)
    assert unsigned == Unsigned(
        body={
            "id": "1721903808500201709220290000",
            "market": "BTC-USD-PERP",
            "side": "SELL",
            "type": "STOP_LIMIT",
            "size": size,
            "price": price,
            "trigger_price": trigger,
        },
        market="BTC-USD-PERP",
        side="SELL",
        type="STOP_LIMIT",
        size=int(Decimal(size) * 10**8),
        price=int(Decimal(price) * 10**8),
        order_id="1721903808500201709220290000",
    )


def test_a_stop_at_market_is_modified_without_a_price():
    """'0' on the wire and 0 in what is signed, whatever price the order is said to have."""
    for price in (None, "5"):
        stop = standing(type=OrderType.STOP_MARKET, price=price, trigger_price="29000")
        unsigned = amended(stop, size="3")
        assert (unsigned.body["price"], unsigned.price, unsigned.body["trigger_price"]) == ("0", 0, "29000")


def test_a_plain_order_is_modified_without_a_trigger():
    """One that it is said to have is not sent; one that a triggered stop no longer has is left out."""
    assert "trigger_price" not in amended(standing(trigger_price="29000"), size="3").body
    assert "trigger_price" not in amended(standing(type=OrderType.STOP_LIMIT, trigger_price=None), size="3").body


def test_the_venue_s_own_word_for_a_type_is_signed_too():
    """A stop loss reads as a stop, and is changed as what it is."""
    stop = standing(type=OrderType.STOP_LIMIT, trigger_price="29000")
    unsigned = amended(stop, kind="STOP_LOSS_LIMIT", size="3")
    assert (unsigned.body["type"], unsigned.type) == ("STOP_LOSS_LIMIT", "STOP_LOSS_LIMIT")


@pytest.mark.parametrize(
    ("order", "changes", "message"),
    [
        ({"venue_order_id": None}, {"size": "3"}, "an order can be amended once the venue's id of it is known"),
        (
            {"type": OrderType.STOP_MARKET, "price": None, "trigger_price": "1"},
            {"price": "3"},
            "a stop_market order has no price to amend",
        ),
        ({}, {"trigger_price": "3"}, "a limit order has no trigger to amend"),
        (
            {"price": None},
            {"size": "3"},
            "the price of this limit order is not known; fetch the order before amending it",
        ),
        ({}, {"size": "0.123456789"}, "size 0.123456789 has more than 8 decimals"),
        ({}, {"price": "0.123456789"}, "price 0.123456789 has more than 8 decimals"),
    ],
)
def test_each_refusal_of_a_modification_says_what_is_wrong(order, changes, message):
    """Nothing is signed, and the order is named where a model of it is at hand."""
    with pytest.raises(InvalidOrderError) as caught:
        amended(standing(**order), **changes)
    assert type(caught.value) is InvalidOrderError
    assert (caught.value.message, caught.value.venue) == (message, "paradex")
    if "decimals" not in message:
        assert caught.value.client_order_id == "c-1"


# Queries


def test_a_period_of_one_end_has_one_bound():
    """The venue's end_at includes its millisecond."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    assert encode.window(at, None) == {"start_at": 1_767_225_600_000}
    assert encode.window(None, at) == {"end_at": 1_767_225_599_999}


def test_bars_that_the_venue_lacks_are_refused_with_those_it_has():
    """The error is a capability's, of this venue."""
    with pytest.raises(CapabilityError) as caught:
        encode.resolution(timedelta(minutes=7))
    assert caught.value.message == "no bars of 0:07:00; paradex has 1, 3, 5, 15, 30, 60 minutes"
    assert (type(caught.value), caught.value.venue) == (CapabilityError, "paradex")


# What is sent, what is signed, and what comes back: any order


KEY, ACCOUNT, CHAIN = 0x4D2, 0x4638E3041366AA71720BE63E32E53E, "PRIVATE_SN_POTC_SEPOLIA"

grid_sizes = st.integers(1, 10**9).map(lambda steps: steps * MARKET.step_size)
grid_prices = st.integers(1, 10**8).map(lambda ticks: ticks * MARKET.tick_size)
spellings = st.sampled_from([lambda value: value, Decimal.normalize, lambda value: value.quantize(Decimal("1E-8"))])


@st.composite
def orders(draw, sizes=grid_sizes, prices=grid_prices):
    """Any order that the venue has words for."""
    kind = draw(st.sampled_from(OrderType))
    spell = draw(spellings)
    post_only = kind.has_price and draw(st.booleans())
    return OrderIntent(
        market_id=MARKET.id,
        side=draw(st.sampled_from(Side)),
        type=kind,
        size=spell(draw(sizes)),
        price=spell(draw(prices)) if kind.has_price else None,
        trigger_price=spell(draw(prices)) if kind.has_trigger else None,
        post_only=post_only,
        reduce_only=draw(st.booleans()),
        time_in_force=TimeInForce.GTC if post_only else draw(st.sampled_from([TimeInForce.GTC, TimeInForce.IOC])),
        self_trade_prevention=draw(st.none() | st.sampled_from(SelfTradePrevention)),
        accept_within=draw(st.none() | st.timedeltas(timedelta(milliseconds=10), timedelta(hours=1))),
        client_order_id=draw(st.none() | st.text("abcXYZ019-_", min_size=1, max_size=64)),
    )


@cache
def signer():
    return NativeSigner(KEY, ACCOUNT, CHAIN)


def signed_values(sent):
    """Return what a body says was signed: read from the very text that goes over the wire."""
    return Unsigned(
        body={},
        market=sent["market"],
        side=sent["side"],
        type=sent["type"],
        size=int(Decimal(sent["size"]) * 10**8),
        price=int(Decimal(sent["price"]) * 10**8),
        order_id=sent.get("id"),
    )


@given(asked=orders())
def test_the_signature_of_any_order_is_over_the_very_numbers_that_are_sent(asked):
    """The venue reads size and price from the body and multiplies by 10^8, as is done here."""
    unsigned = encode.new_order(asked, MARKET)
    sent = json.loads(
        wire_json.dumps(unsigned.signed(1_700_000_000_000, signer().sign_order(unsigned, 1_700_000_000_000)))
    )
    r, s = map(int, json.loads(sent["signature"]))
    message = signer().order_hash(signed_values(sent), sent["signature_timestamp"])
    assert verify(signer().public_key, message, r, s)
    assert (Decimal(sent["size"]), Decimal(sent["price"])) == (asked.size, asked.price or 0)


@given(asked=orders(), changes=st.tuples(st.none() | grid_sizes, st.none() | grid_prices))
def test_the_signature_of_any_modification_is_over_the_very_numbers_that_are_sent(asked, changes):
    """With the venue's id, which a new order has not."""
    size, price = changes[0], changes[1] if asked.type.has_price else None
    if size is None and price is None:
        size = asked.size
    order = standing(
        side=asked.side, type=asked.type, size=asked.size, price=asked.price, trigger_price=asked.trigger_price
    )
    unsigned = amended(order, size=size, price=price)
    sent = unsigned.signed(1_700_000_000_001, signer().sign_order(unsigned, 1_700_000_000_001))
    r, s = map(int, json.loads(sent["signature"]))
    assert verify(signer().public_key, signer().order_hash(signed_values(sent), 1_700_000_000_001), r, s)
    assert not verify(
        signer().public_key, signer().order_hash(signed_values({**sent, "id": "1"}), 1_700_000_000_001), r, s
    )
    assert Decimal(sent["size"]) == (asked.size if size is None else size)
    assert Decimal(sent["price"]) == ((asked.price if price is None else price) or 0)


@given(asked=orders())
def test_any_order_on_the_grid_goes_out_and_comes_back_unrounded(asked):
    """No tick or step is crossed: the check passes, rounding changes nothing, and the venue's echo reads the same."""
    assert check_intent(asked, MARKET.replace(min_notional=None)) == asked
    assert quantize_intent(asked, MARKET.replace(min_notional=None)) == asked
    sent = encode.new_order(asked, MARKET).body
    assert all("E" not in sent[name].upper() for name in ("size", "price", "trigger_price") if name in sent)
    echo = {**sent, "id": "7", "status": "NEW", "remaining_size": sent["size"], "created_at": 1, "last_updated_at": 1}
    back = decode_account.order(wire.read(schema.Order, wire_json.dumps(echo), what="order"), MARKET, NOW)
    names = ("side", "type", "size", "price", "trigger_price", "post_only", "reduce_only", "client_order_id")
    assert [getattr(back, name) for name in names] == [getattr(asked, name) for name in names]
    ioc = asked.time_in_force is TimeInForce.IOC and asked.type.has_price
    assert back.time_in_force is (TimeInForce.IOC if ioc else TimeInForce.GTC)
    assert (back.filled_size, back.status) == (0, OrderStatus.PENDING)


@given(asked=orders(st.decimals("0.00000001", "999999999", places=8), st.decimals("0.00000001", "999999999", places=8)))
def test_what_lies_off_the_grid_is_never_rounded_by_encoding(asked):
    """That is done, or refused, before: here every digit goes out as it is."""
    sent = encode.new_order(asked, MARKET)
    assert (Decimal(sent.body["size"]), sent.size) == (asked.size, asked.size * 10**8)
    assert (Decimal(sent.body["price"]), sent.price) == (asked.price or 0, (asked.price or 0) * 10**8)
    if asked.trigger_price is not None:
        assert Decimal(sent.body["trigger_price"]) == asked.trigger_price


@given(value=st.decimals(allow_nan=False, allow_infinity=False, min_value=0, max_value=10**12))
def test_a_number_is_signed_exactly_or_not_at_all(value):
    """Times 10^8 it is whole, or it is refused. In fractions, which round nothing."""
    exact = Fraction(value) * 10**8
    try:
        whole = quantums(value, "size")
    except InvalidOrderError:
        assert exact.denominator != 1 or len(value.as_tuple().digits) > 60
    else:
        assert whole == exact
