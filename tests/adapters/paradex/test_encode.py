"""Orders to wire bodies: golden, exact, and refused where the venue has no word for them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpkit.adapters.paradex import decode_account, encode, schema, wire
from perpkit.core.errors import CapabilityError, InvalidOrderError
from perpkit.core.models import OrderIntent, OrderType, PriceKind, SelfTradePrevention, Side, TimeInForce
from perpkit.core.transport import wire_json
from tests.adapters.paradex.conftest import NOW
from tests.adapters.paradex.intents import MARKET, amended, body, intent, standing

CONTRACT = json.loads(
    (Path(__file__).parents[3] / "perpkit/sim/venues/paradex/contract/openapi.json").read_text(encoding="utf-8")
)["components"]["schemas"]


LIMIT = {
    "market": "BTC-USD-PERP",
    "side": "BUY",
    "type": "LIMIT",
    "size": "1.213",
    "price": "29500.1",
    "instruction": "GTC",
    "client_id": "c-1",
}


@pytest.mark.parametrize(
    ("fields", "changes"),
    [
        ({}, {}),
        ({"side": Side.SELL}, {"side": "SELL"}),
        ({"post_only": True}, {"instruction": "POST_ONLY"}),
        ({"time_in_force": TimeInForce.IOC}, {"instruction": "IOC"}),
        ({"options": {"rpi": True}}, {"instruction": "RPI"}),
        ({"reduce_only": True}, {"flags": ["REDUCE_ONLY"]}),
        ({"self_trade_prevention": SelfTradePrevention.EXPIRE_MAKER}, {"stp": "EXPIRE_MAKER"}),
        ({"self_trade_prevention": SelfTradePrevention.EXPIRE_TAKER}, {"stp": "EXPIRE_TAKER"}),
        ({"self_trade_prevention": SelfTradePrevention.EXPIRE_BOTH}, {"stp": "EXPIRE_BOTH"}),
        ({"accept_within": timedelta(seconds=2)}, {"recv_window": 2000}),
        ({"type": OrderType.MARKET, "price": None}, {"type": "MARKET", "price": "0"}),
        (
            {"type": OrderType.MARKET, "price": None, "time_in_force": TimeInForce.IOC},
            {"type": "MARKET", "price": "0"},
        ),
        (
            {"type": OrderType.STOP_MARKET, "price": None, "trigger_price": "29000"},
            {"type": "STOP_MARKET", "price": "0", "trigger_price": "29000"},
        ),
        (
            {"type": OrderType.STOP_LIMIT, "trigger_price": "29000"},
            {"type": "STOP_LIMIT", "trigger_price": "29000"},
        ),
        (
            {"type": OrderType.TAKE_PROFIT_MARKET, "price": None, "trigger_price": "31000", "reduce_only": True},
            {"type": "TAKE_PROFIT_MARKET", "price": "0", "trigger_price": "31000", "flags": ["REDUCE_ONLY"]},
        ),
        (
            {"type": OrderType.TAKE_PROFIT_LIMIT, "trigger_price": "31000"},
            {"type": "TAKE_PROFIT_LIMIT", "trigger_price": "31000"},
        ),
        (
            {
                "type": OrderType.STOP_MARKET,
                "price": None,
                "trigger_price": "29000",
                "reduce_only": True,
                "options": {"stop_loss": True},
            },
            {"type": "STOP_LOSS_MARKET", "price": "0", "trigger_price": "29000", "flags": ["REDUCE_ONLY"]},
        ),
        (
            {
                "type": OrderType.STOP_LIMIT,
                "trigger_price": "29000",
                "reduce_only": True,
                "options": {"stop_loss": True, "trigger_condition": "below"},
            },
            {
                "type": "STOP_LOSS_LIMIT",
                "trigger_price": "29000",
                "flags": ["REDUCE_ONLY", "STOP_CONDITION_BELOW_TRIGGER"],
            },
        ),
        (
            {"type": OrderType.STOP_LIMIT, "trigger_price": "29000", "options": {"trigger_condition": "above"}},
            {"type": "STOP_LIMIT", "trigger_price": "29000", "flags": ["STOP_CONDITION_ABOVE_TRIGGER"]},
        ),
        ({"options": {"interactive": True}}, {"flags": ["INTERACTIVE"]}),
        ({"options": {"dime_discount": True}}, {"dime_discount": True}),
        ({"options": {"on_behalf_of_account": "0x12ab"}}, {"on_behalf_of_account": "0x12ab"}),
        (
            {"type": OrderType.MARKET, "price": None, "options": {"vwap_price": "29400.5"}},
            {"type": "MARKET", "price": "0", "flags": ["TARGET_STRATEGY_VWAP"], "vwap_price": "29400.5"},
        ),
    ],
)
def test_each_kind_of_order_has_its_golden_body(fields, changes):
    """Exactly these fields and values, nothing else."""
    assert body(**fields) == {**LIMIT, **changes}


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"reduce_only": True},
        {"type": OrderType.STOP_LIMIT, "trigger_price": "29000", "options": {"interactive": True}},
    ],
)
def test_a_signed_body_is_what_the_contract_asks_for(fields):
    """Every field exists there, every required one is there, every enum value is one of its."""
    unsigned = encode.new_order(intent(**fields), MARKET)
    sent = unsigned.signed(1_700_000_000_000, '["1","2"]')
    declared = CONTRACT["requests.OrderRequest"]
    assert set(declared["required"]) <= set(sent) <= set(declared["properties"])
    assert sent["type"] in CONTRACT["responses.OrderType"]["enum"]
    assert sent["instruction"] in CONTRACT["responses.OrderInstruction"]["enum"]
    assert set(sent.get("flags", [])) <= set(CONTRACT["responses.OrderFlag"]["enum"])
    assert sent["signature_timestamp"] == 1_700_000_000_000


def test_every_value_of_the_contract_can_be_sent():
    """No type, instruction, flag or prevention of the venue's is out of reach."""
    words = {*encode.ORDER_TYPES.values(), *encode.STOP_LOSS_TYPES.values()}
    assert words == set(CONTRACT["responses.OrderType"]["enum"])
    assert set(encode.STP_MODES.values()) == set(CONTRACT["responses.STPMode"]["enum"])
    sent = {
        body(**fields)["instruction"]
        for fields in ({}, {"post_only": True}, {"time_in_force": TimeInForce.IOC}, {"options": {"rpi": True}})
    }
    assert sent == set(CONTRACT["responses.OrderInstruction"]["enum"])


def test_what_is_signed_is_what_is_sent():
    """The whole numbers of the signature are the body's own, at eight decimals."""
    unsigned = encode.new_order(intent(size="0.123", price="29500.1"), MARKET)
    assert Decimal(unsigned.body["size"]).scaleb(8) == unsigned.size == 12_300_000
    assert Decimal(unsigned.body["price"]).scaleb(8) == unsigned.price == 2_950_010_000_000
    assert (unsigned.market, unsigned.side, unsigned.type) == ("BTC-USD-PERP", "BUY", "LIMIT")
    market_order = encode.new_order(intent(type=OrderType.MARKET, price=None), MARKET)
    assert market_order.price == 0


def test_numbers_never_take_an_exponent():
    """A tiny or huge number is written in plain digits."""
    sent = body(size="1E+3", price="1E-7")
    assert (sent["size"], sent["price"]) == ("1000", "0.0000001")


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"time_in_force": TimeInForce.FOK}, CapabilityError, "no fok"),
        (
            {"time_in_force": TimeInForce.GTD, "expires_at": NOW + timedelta(hours=1)},
            CapabilityError,
            "no gtd",
        ),
        (
            {"type": OrderType.STOP_LIMIT, "trigger_price": "1", "trigger_kind": PriceKind.MARK},
            CapabilityError,
            "trigger_kind",
        ),
        ({"options": {"twap": True}}, InvalidOrderError, "no order option twap"),
        ({"options": {"rpi": "yes"}}, InvalidOrderError, "option rpi"),
        ({"options": {"rpi": True}, "post_only": True}, InvalidOrderError, "option rpi"),
        ({"options": {"rpi": True}, "time_in_force": TimeInForce.IOC}, InvalidOrderError, "option rpi"),
        ({"options": {"stop_loss": True}}, InvalidOrderError, "reduce-only stop"),
        ({"options": {"trigger_condition": "above"}}, InvalidOrderError, "with a trigger"),
        (
            {"type": OrderType.STOP_LIMIT, "trigger_price": "1", "options": {"trigger_condition": "under"}},
            InvalidOrderError,
            "'above' or 'below'",
        ),
        ({"options": {"vwap_price": "29400"}}, InvalidOrderError, "market orders"),
        ({"options": {"on_behalf_of_account": "12ab"}}, InvalidOrderError, "0x… address"),
        ({"accept_within": timedelta(milliseconds=9)}, InvalidOrderError, "10 ms"),
    ],
)
def test_what_the_venue_has_no_word_for_is_refused_before_sending(fields, error, words):
    """With the order's id on the error."""
    with pytest.raises(error, match=words) as caught:
        encode.new_order(intent(**fields), MARKET)
    assert caught.value.client_order_id == "c-1"


def test_the_setting_s_window_serves_where_the_order_has_none():
    """The order's own bound goes first."""
    assert encode.new_order(intent(), MARKET, recv_window=timedelta(seconds=5)).body["recv_window"] == 5000
    own = intent(accept_within=timedelta(seconds=1))
    assert encode.new_order(own, MARKET, recv_window=timedelta(seconds=5)).body["recv_window"] == 1000


# Amendments


def test_a_modification_repeats_what_stays_and_signs_the_id():
    """Size is the total, what is filled included."""
    unsigned = amended(standing(), price="29600")
    assert unsigned.body == {
        "id": "1721903808500201709220290000",
        "market": "BTC-USD-PERP",
        "side": "SELL",
        "type": "LIMIT",
        "size": "2",
        "price": "29600",
    }
    assert unsigned.order_id == "1721903808500201709220290000"
    assert unsigned.size == 200_000_000
    declared = CONTRACT["requests.ModifyOrderRequest"]
    sent = set(unsigned.signed(1, "s"))
    assert set(declared["required"]) <= sent <= set(declared["properties"])


def test_a_trigger_is_amended_and_a_missing_one_refused():
    """Untriggered orders keep their type; plain ones have no trigger."""
    stop = standing(type=OrderType.STOP_MARKET, price=None, trigger_price="29000", filled_size="0")
    assert amended(stop, trigger_price="28000").body | {"id": ""} == {
        "id": "",
        "market": "BTC-USD-PERP",
        "side": "SELL",
        "type": "STOP_MARKET",
        "size": "2",
        "price": "0",
        "trigger_price": "28000",
    }
    with pytest.raises(InvalidOrderError, match="no trigger"):
        amended(standing(), trigger_price="28000")
    with pytest.raises(InvalidOrderError, match="no price"):
        amended(stop, price="28000")


def test_an_order_without_the_venue_s_id_can_t_be_amended():
    """The modification signs that id."""
    order = standing(venue_order_id=None)
    with pytest.raises(InvalidOrderError, match="venue's id"):
        amended(order, size="3")


# Queries


def test_a_period_keeps_its_start_and_leaves_out_its_end():
    """The venue's end_at includes its millisecond; a start within one rounds up."""
    since = datetime(2026, 1, 1, 0, 0, 0, 1500, tzinfo=UTC)
    until = datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC)
    base = 1_767_225_600_000
    assert encode.window(since, until) == {"start_at": base + 2, "end_at": base + 999}
    assert encode.window(None, None) == {}


@pytest.mark.parametrize(("minutes", "word"), [(1, "1"), (3, "3"), (5, "5"), (15, "15"), (30, "30"), (60, "60")])
def test_bars_are_asked_for_in_minutes(minutes, word):
    """As the contract lists them."""
    assert encode.resolution(timedelta(minutes=minutes)) == word


@pytest.mark.parametrize("interval", [timedelta(minutes=2), timedelta(seconds=90), timedelta(days=1)])
def test_other_bars_are_refused(interval):
    """The venue has none."""
    with pytest.raises(CapabilityError, match="minutes"):
        encode.resolution(interval)


# There and back


@given(
    side=st.sampled_from(Side),
    kind=st.sampled_from(OrderType),
    size=st.decimals("0.00000001", "999999999", places=8),
    price=st.decimals("0.00000001", "999999999", places=8),
    flags=st.tuples(st.booleans(), st.booleans()),
)
def test_an_order_comes_back_from_the_wire_as_it_went(side, kind, size, price, flags):
    """No digit of a size or price is lost or gained on the way."""
    post_only, reduce_only = flags
    sent = OrderIntent(
        market_id=MARKET.id,
        side=side,
        type=kind,
        size=size,
        price=price if kind.has_price else None,
        trigger_price=price if kind.has_trigger else None,
        post_only=post_only and kind.has_price,
        reduce_only=reduce_only,
        client_order_id="c-2",
    )
    request = encode.new_order(sent, MARKET).body
    reply = {**request, "id": "7", "status": "OPEN", "remaining_size": request["size"], "created_at": 1}
    row = wire.read(schema.Order, wire_json.dumps(reply), what="order")
    back = decode_account.order(row, MARKET, NOW)
    assert (back.side, back.type, back.size, back.price, back.trigger_price) == (
        sent.side,
        sent.type,
        sent.size,
        sent.price,
        sent.trigger_price,
    )
    assert (back.post_only, back.reduce_only, back.client_order_id) == (sent.post_only, sent.reduce_only, "c-2")
