"""Intents to requests: the venue's words, a price for everything, legs with signatures of their own."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import pytest

from perpkit.adapters.extended import encode, schema, wire
from perpkit.adapters.extended.encode import Rates
from perpkit.adapters.extended.signing import Signer, ToSign
from perpkit.core.errors import CapabilityError, InvalidOrderError
from perpkit.core.models import OrderIntent, OrderType, PriceKind, SelfTradePrevention, Side, TimeInForce
from perpkit.core.windows import ceil_ms
from perpkit.crypto.stark import verify
from tests.adapters.extended.conftest import NOW, VECTORS, make_market, make_terms
from tests.adapters.extended.test_decode import order_row

EXPIRES = NOW + timedelta(hours=1)
RATES = Rates(Decimal("0.00025"))
SIGNER = Signer(int(VECTORS["private_key"], 16), int(VECTORS["public_key"], 16), VECTORS["vault"], "SN_MAIN")


def intent(**fields):
    base = {
        "market_id": "BTC-USD-PERP@extended",
        "side": Side.BUY,
        "size": "0.001",
        "price": "84000",
        "client_order_id": "c-1",
    }
    return OrderIntent(**{name: value for name, value in {**base, **fields}.items() if value is not None})


def encoded(rates=RATES, worst_price=None, protection="account", **fields):
    return encode.new_order(
        intent(**fields),
        make_market(),
        make_terms(),
        rates=rates,
        expires_at=EXPIRES,
        self_trade_protection=protection,
        worst_price=worst_price,
    )


def verifies(settlement, covers, nonce):
    hashed = SIGNER.message_hash(covers, make_terms(), expiry_ms=ceil_ms(EXPIRES), nonce=nonce)
    signature = settlement["signature"]
    return verify(SIGNER.public_key, hashed, int(signature["r"], 16), int(signature["s"], 16))


def test_the_first_vector_is_the_sdks_body_but_for_what_only_debugs():
    """Order of keys apart, and without ``debuggingAmounts``, which the venue must not rely on."""
    case = VECTORS["orders"][0]
    unsigned = encode.new_order(
        intent(size=case["qty"], price=case["price"], client_order_id="mine"),
        make_market(),
        make_terms(),
        rates=Rates(Decimal(case["fee"])),
        expires_at=NOW + timedelta(hours=1),
        self_trade_protection="account",
    )
    assert unsigned.signed(SIGNER, case["nonce"]) == {
        "id": "mine",
        "market": "BTC-USD",
        "type": "LIMIT",
        "side": "BUY",
        "qty": "0.001",
        "price": "84000",
        "reduceOnly": False,
        "postOnly": False,
        "timeInForce": "GTT",
        "expiryEpochMillis": 1788264000000,
        "fee": "0.00025",
        "nonce": "1473459052",
        "selfTradeProtectionLevel": "ACCOUNT",
        "settlement": {
            "signature": {"r": case["r"], "s": case["s"]},
            "starkKey": VECTORS["public_key"],
            "collateralPosition": "500343",
        },
    }


@pytest.mark.parametrize(
    ("fields", "body"),
    [
        ({}, {"type": "LIMIT", "timeInForce": "GTT", "postOnly": False}),
        ({"post_only": True}, {"type": "LIMIT", "timeInForce": "GTT", "postOnly": True}),
        ({"time_in_force": TimeInForce.IOC}, {"type": "LIMIT", "timeInForce": "IOC"}),
        ({"time_in_force": TimeInForce.GTD, "expires_at": EXPIRES}, {"type": "LIMIT", "timeInForce": "GTT"}),
        ({"side": Side.SELL, "reduce_only": True}, {"side": "SELL", "reduceOnly": True}),
        ({"options": {"self_trade_protection": "client"}}, {"selfTradeProtectionLevel": "CLIENT"}),
        ({"size": "1e-5", "price": "8.4e4"}, {"qty": "0.00001", "price": "84000"}),
    ],
    ids=str,
)
def test_each_kind_of_order_has_the_venues_words(fields, body):
    """Numbers in plain digits: the SDK's own exponents are a known trap."""
    sent = encoded(**fields).body
    assert {name: sent[name] for name in body} == body


def test_a_market_order_is_an_ioc_with_its_worst_price():
    """The price is compulsory and signed."""
    unsigned = encoded(type=OrderType.MARKET, price=None, worst_price=Decimal(84630))
    assert (unsigned.body["type"], unsigned.body["timeInForce"], unsigned.body["price"]) == ("MARKET", "IOC", "84630")
    assert unsigned.main == ToSign(Side.BUY, Decimal("0.001"), Decimal(84630), Decimal("0.00025"))


@pytest.mark.parametrize(
    ("side", "stats", "slippage", "expected"),
    [
        # 84011 x 1.0075 = 84641.08, and down to the tick; 84010 x 0.9925 = 83379.9, and up.
        (Side.BUY, {"askPrice": "84011", "bidPrice": "84010", "markPrice": "84000"}, "0.0075", 84641),
        (Side.SELL, {"askPrice": "84011", "bidPrice": "84010", "markPrice": "84000"}, "0.0075", 83380),
        # The venue's band is mark x 1.05 and mark x 0.95.
        (Side.BUY, {"askPrice": "84011", "markPrice": "80000.5"}, "0.1", 84000),
        (Side.SELL, {"bidPrice": "84010", "markPrice": "88000.9"}, "0.1", 83601),
    ],
)
def test_a_market_orders_bound_keeps_to_slippage_and_band(side, stats, slippage, expected):
    """So far beyond the best quote, inside mark ± 5 %, rounded toward the quote."""
    row = wire.read(schema.MarketStats, json.dumps(stats), what="stats")
    found = encode.market_bound(
        intent(type=OrderType.MARKET, price=None, side=side), make_market(), row, Decimal(slippage)
    )
    assert found == expected


def test_a_market_without_quotes_bounds_nothing():
    """Refused here, with the way out."""
    row = wire.read(schema.MarketStats, '{"askPrice": "0"}', what="stats")
    with pytest.raises(InvalidOrderError, match=r"no asks.*limit order"):
        encode.market_bound(intent(type=OrderType.MARKET, price=None), make_market(), row, Decimal("0.01"))


@pytest.mark.parametrize(
    ("kind", "side", "direction", "execution"),
    [
        (OrderType.STOP_LIMIT, Side.SELL, "DOWN", "LIMIT"),
        (OrderType.STOP_LIMIT, Side.BUY, "UP", "LIMIT"),
        (OrderType.TAKE_PROFIT_LIMIT, Side.SELL, "UP", "LIMIT"),
        (OrderType.TAKE_PROFIT_LIMIT, Side.BUY, "DOWN", "LIMIT"),
        (OrderType.STOP_MARKET, Side.SELL, "DOWN", "MARKET"),
        (OrderType.TAKE_PROFIT_MARKET, Side.BUY, "DOWN", "MARKET"),
    ],
)
def test_a_trigger_says_which_way_which_price_and_how(kind, side, direction, execution):
    """ccxt leaves out two of the four; here all are sent. Without a wish the mark price triggers."""
    price = "84000" if kind.has_price else None
    sent = encoded(type=kind, side=side, price=price, trigger_price="80000").body
    assert sent["type"] == "CONDITIONAL"
    assert sent["trigger"] == {
        "triggerPrice": "80000",
        "triggerPriceType": "MARK",
        "direction": direction,
        "executionPriceType": execution,
    }
    assert sent["timeInForce"] == ("GTT" if execution == "LIMIT" else "IOC")
    # What executes at market carries the worst price of the venue's band around the trigger.
    bound = {"LIMIT": "84000", "MARKET": "76000" if side is Side.SELL else "84000"}[execution]
    assert sent["price"] == bound
    last = encoded(type=kind, side=side, price=price, trigger_price="80000", trigger_kind=PriceKind.LAST).body
    assert last["trigger"]["triggerPriceType"] == "LAST"


def test_each_leg_has_a_signature_of_its_own_over_the_other_side():
    """The venue's T1: same nonce and expiry as the order, opposite side, the leg's price."""
    options = {
        "take_profit_trigger": "90000",
        "take_profit_price": "89500",
        "take_profit_kind": "last",
        "stop_loss_trigger": "80000",
    }
    unsigned = encoded(options=options)
    assert unsigned.body["tpSlType"] == "ORDER"
    body = unsigned.signed(SIGNER, 1473459052)
    take, stop = body["takeProfit"], body["stopLoss"]
    assert {name: value for name, value in take.items() if name != "settlement"} == {
        "triggerPrice": "90000",
        "triggerPriceType": "LAST",
        "price": "89500",
        "priceType": "LIMIT",
    }
    assert (stop["price"], stop["priceType"], stop["triggerPriceType"]) == ("76000", "MARKET", "MARK")
    vector = VECTORS["orders"][5]
    assert take["settlement"]["signature"] == {"r": vector["r"], "s": vector["s"]}
    fee = Decimal("0.00025")
    assert verifies(stop["settlement"], ToSign(Side.SELL, Decimal("0.001"), Decimal(76000), fee), 1473459052)
    assert verifies(body["settlement"], ToSign(Side.BUY, Decimal("0.001"), Decimal(84000), fee), 1473459052)


def test_an_order_for_the_whole_position_signs_what_no_position_exceeds():
    """60,000,000 x 50 / 89,500 = 33,519.55307 BTC, rounded down; the order itself has no size, price or signature."""
    unsigned = encoded(
        type=OrderType.TAKE_PROFIT_LIMIT,
        side=Side.SELL,
        price="89500",
        trigger_price="90000",
        trigger_kind=PriceKind.LAST,
        reduce_only=True,
        options={"for_position": True},
    )
    body = unsigned.signed(SIGNER, 31338)
    assert (body["type"], body["qty"], body["price"], body["tpSlType"]) == ("TPSL", "0", "0", "POSITION")
    assert (body["reduceOnly"], body["postOnly"], body["timeInForce"]) == (True, False, "GTT")
    assert "settlement" not in body
    covers = ToSign(Side.SELL, Decimal("33519.55307"), Decimal(89500), Decimal("0.00025"))
    assert unsigned.legs == {"takeProfit": covers}
    assert verifies(body["takeProfit"]["settlement"], covers, 31338)


def test_a_builders_fee_is_sent_and_signed_only_when_configured():
    """It is part of the signed fee and not of ``fee``."""
    plain = encoded()
    assert not {"builderFee", "builderId"} & set(plain.body)
    paid = encoded(rates=Rates(Decimal("0.00025"), 2017, Decimal("0.0001")))
    assert (paid.body["fee"], paid.body["builderFee"], paid.body["builderId"]) == ("0.00025", "0.0001", 2017)
    assert paid.main.fee == Decimal("0.00035")


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ({"time_in_force": TimeInForce.FOK}, CapabilityError, "no fok"),
        ({"self_trade_prevention": SelfTradePrevention.EXPIRE_TAKER}, CapabilityError, "self_trade_protection"),
        ({"options": {"hidden": True}}, InvalidOrderError, "no order option hidden"),
        ({"options": {"self_trade_protection": "wallet"}}, InvalidOrderError, "disabled, account, client"),
        ({"options": {"take_profit_trigger": "90000.5"}}, InvalidOrderError, "off tick 1"),
        ({"options": {"take_profit_trigger": "NaN"}}, InvalidOrderError, "decimal above zero"),
        ({"options": {"take_profit_trigger": 90000}}, InvalidOrderError, "as text"),
        ({"options": {"stop_loss_price": "80000"}}, InvalidOrderError, "stop_loss_trigger is missing"),
        ({"options": {"stop_loss_trigger": "80000"}, "reduce_only": True}, InvalidOrderError, "reduce-only"),
        ({"options": {"for_position": True}}, InvalidOrderError, "for_position"),
        ({"options": {"for_position": "yes"}}, InvalidOrderError, "true or false"),
        (
            {"type": OrderType.STOP_MARKET, "price": None, "trigger_price": "1", "options": {"for_position": True}},
            InvalidOrderError,
            "reduce-only",
        ),
    ],
    ids=str,
)
def test_what_the_venue_does_not_have_is_refused_before_anything_is_sent(fields, error, words):
    """The message names it, and the order."""
    with pytest.raises(error, match=words) as caught:
        encoded(**fields)
    assert caught.value.client_order_id == "c-1"


def test_a_replacement_names_the_old_order_by_its_external_id_and_keeps_the_rest():
    """It is an order of its own: another id, its own signature, all flags of the old one."""
    row = wire.read(schema.Order, json.dumps(order_row()), what="an order")
    unsigned = encode.replacement(
        row,
        make_market(),
        make_terms(),
        external_id="new-1",
        side=Side.BUY,
        size=Decimal("0.015"),
        price=Decimal(83800),
        trigger_price=None,
        rates=Rates(Decimal(0)),
        expires_at=EXPIRES,
        self_trade_protection="account",
    )
    assert (unsigned.body["id"], unsigned.body["cancelId"]) == ("new-1", "bot7-000001")
    assert (unsigned.body["qty"], unsigned.body["price"], unsigned.body["fee"]) == ("0.015", "83800", "0")
    assert (unsigned.body["postOnly"], unsigned.body["reduceOnly"]) == (True, False)
    assert unsigned.main == ToSign(Side.BUY, Decimal("0.015"), Decimal(83800), Decimal(0))
