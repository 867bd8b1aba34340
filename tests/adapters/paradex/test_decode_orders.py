"""Orders and fills to core models: recorded answers, the contracts' examples, every word and every field."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from perpkit.adapters.paradex import decode, decode_account, schema, wire
from perpkit.core.errors import DecodeError, RejectReason
from perpkit.core.models import (
    FillKind,
    Liquidity,
    OrderStatus,
    OrderType,
    Side,
    TimeInForce,
)
from tests.adapters.paradex.conftest import NOW, make_market
from tests.adapters.paradex.payloads import (
    FILL,
    MARKET,
    MOMENT,
    fill_row,
    order_of,
    order_row,
    read,
    told,
)

CONTRACT = json.loads(
    (Path(__file__).parents[3] / "perpkit/sim/venues/paradex/contract/openapi.json").read_text(encoding="utf-8")
)["components"]["schemas"]


# Orders


def test_a_recorded_order_is_a_rejection(recorded):
    """Times and sequence as strings, blanks for what is not there; the size was below the minimum."""
    row = wire.read(schema.Page[schema.Order], json.dumps(recorded["fetchOrders"]), what="orders").results[0]
    order = decode_account.order(row, make_market("SOL-USD-PERP"), NOW)
    assert (order.status, order.reject_reason) == (OrderStatus.REJECTED, RejectReason.INVALID_ORDER)
    assert order.status_message == "ORDER_SIZE_BELOW_MIN"
    assert (order.venue_order_id, order.client_order_id) == ("1721903808500201709220290000", None)
    assert (order.size, order.filled_size, order.price) == (Decimal("0.3"), 0, 50)
    assert (order.average_price, order.trigger_price) == (None, None)
    assert order.updated_at == datetime(2024, 7, 25, 10, 36, 48, 521_000, tzinfo=UTC)


def test_an_order_has_every_field():
    """0.05 ordered and 0.02 left is 0.03 filled."""
    assert told(order_of()) == {
        "market_id": "BTC-USD-PERP@paradex",
        "venue_order_id": "123456",
        "client_order_id": "x1234",
        "side": Side.SELL,
        "type": OrderType.STOP_LIMIT,
        "status": OrderStatus.CANCELED,
        "size": Decimal("0.05"),
        "filled_size": Decimal("0.03"),
        "price": Decimal(26000),
        "average_price": Decimal("26001.5"),
        "trigger_price": Decimal(26500),
        "time_in_force": TimeInForce.GTC,
        "post_only": True,
        "reduce_only": True,
        "status_message": "USER_CANCELED",
        "created_at": MOMENT,
        "updated_at": MOMENT + timedelta(seconds=1),
        "sequence": 1681471234972000000,
        "ts_received": NOW,
    }


def test_what_an_order_does_not_tell_is_none():
    """Blanks are none; an average price without a fill is not one, nor is a price of an order without prices."""
    order = order_of(
        is_stream=False,
        type="MARKET",
        price="26000",
        remaining_size="0.05",
        trigger_price="",
        client_id="",
        cancel_reason="",
        instruction="GTC",
        flags=["INTERACTIVE"],
        created_at=0,
        last_updated_at=0,
    )
    assert (order.price, order.average_price, order.trigger_price) == (None, None, None)
    assert (order.client_order_id, order.status_message, order.created_at, order.updated_at) == (None,) * 4
    assert (order.post_only, order.reduce_only, order.sequence) == (False, False, None)


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({"status": "NEW"}, OrderStatus.PENDING, None),
        ({"status": "NEW", "remaining_size": "0.02"}, OrderStatus.PARTIALLY_FILLED, None),
        ({"status": "OPEN"}, OrderStatus.OPEN, None),
        ({"status": "OPEN", "remaining_size": "0.02"}, OrderStatus.PARTIALLY_FILLED, None),
        ({"status": "UNTRIGGERED", "type": "STOP_LIMIT"}, OrderStatus.OPEN, None),
        ({"status": "UNTRIGGERED", "type": "STOP_LIMIT", "remaining_size": "0.02"}, OrderStatus.OPEN, None),
        ({"status": "CLOSED", "remaining_size": "0"}, OrderStatus.FILLED, None),
        ({"status": "CLOSED", "remaining_size": "0", "cancel_reason": "x"}, OrderStatus.FILLED, None),
        ({"status": "CLOSED", "cancel_reason": "USER_CANCELED"}, OrderStatus.CANCELED, None),
        ({"status": "CLOSED"}, OrderStatus.CANCELED, None),
        ({"status": "CLOSED", "cancel_reason": "NOT_ENOUGH_MARGIN"}, OrderStatus.REJECTED, RejectReason.MARGIN),
        (
            {"status": "CLOSED", "cancel_reason": "NOT_ENOUGH_MARGIN", "remaining_size": "0.01"},
            OrderStatus.CANCELED,
            RejectReason.MARGIN,
        ),
        (
            {"status": "CLOSED", "cancel_reason": "POST_ONLY_WOULD_CROSS"},
            OrderStatus.REJECTED,
            RejectReason.POST_ONLY_WOULD_CROSS,
        ),
        ({"status": "CLOSED", "cancel_reason": "ORDER_EXPIRED"}, OrderStatus.EXPIRED, RejectReason.EXPIRED),
        (
            {"status": "CLOSED", "cancel_reason": "ORDER_EXPIRED", "remaining_size": "0.02"},
            OrderStatus.EXPIRED,
            RejectReason.EXPIRED,
        ),
    ],
)
def test_the_venue_s_four_words_become_what_they_mean(changes, status, reason):
    """CLOSED says nothing: what remains and why tells. Filled in part it was not rejected, but may have expired."""
    order = decode_account.order(order_row(**changes), MARKET, NOW)
    assert (order.status, order.reject_reason) == (status, reason)


def test_every_status_side_and_type_of_the_contract_is_read():
    """The maps are total over the contract's enums, and hold nothing else."""
    assert set(decode_account.ORDER_TYPES) == set(CONTRACT["responses.OrderType"]["enum"])
    assert set(decode.SIDES) == set(CONTRACT["responses.OrderSide"]["enum"])
    assert set(decode.FILL_KINDS) == set(CONTRACT["responses.FillType"]["enum"])
    assert set(decode.VENUE_STATUSES) == set(CONTRACT["responses.SystemStatus"]["enum"])
    for status in CONTRACT["responses.OrderStatus"]["enum"]:
        assert decode_account.order(order_row(status=status), MARKET, NOW).status in OrderStatus


@pytest.mark.parametrize(
    ("word", "type_", "has_price"),
    [
        ("MARKET", OrderType.MARKET, False),
        ("LIMIT", OrderType.LIMIT, True),
        ("STOP_LIMIT", OrderType.STOP_LIMIT, True),
        ("STOP_MARKET", OrderType.STOP_MARKET, False),
        ("TAKE_PROFIT_LIMIT", OrderType.TAKE_PROFIT_LIMIT, True),
        ("TAKE_PROFIT_MARKET", OrderType.TAKE_PROFIT_MARKET, False),
        ("STOP_LOSS_MARKET", OrderType.STOP_MARKET, False),
        ("STOP_LOSS_LIMIT", OrderType.STOP_LIMIT, True),
    ],
)
def test_each_type_of_order_is_read_as_what_it_is(word, type_, has_price):
    """A stop that is tied to a position is a stop; only limit types have a price."""
    order = order_of(type=word)
    assert order.type is type_
    assert order.price == (26000 if has_price else None)


def test_instructions_and_flags_become_fields():
    """Post-only and reduce-only are no times in force."""
    post = decode_account.order(order_row(instruction="POST_ONLY", flags=["REDUCE_ONLY"]), MARKET, NOW)
    assert (post.time_in_force, post.post_only, post.reduce_only) == (TimeInForce.GTC, True, True)
    ioc = decode_account.order(order_row(instruction="IOC", flags=None), MARKET, NOW)
    assert (ioc.time_in_force, ioc.post_only, ioc.reduce_only) == (TimeInForce.IOC, False, False)


def test_a_market_order_has_no_price_and_a_stop_its_trigger():
    """'0' stands for none on the wire."""
    order = decode_account.order(order_row(type="STOP_LOSS_MARKET", price="0", trigger_price="25000"), MARKET, NOW)
    assert (order.type, order.price, order.trigger_price) == (OrderType.STOP_MARKET, None, Decimal(25000))


def test_only_a_stream_s_number_orders_updates():
    """REST answers are numbered independently of the stream's (OpenAPI, OrderResp.seq_no)."""
    assert decode_account.order(order_row(), MARKET, NOW, is_stream=True).sequence == 1681471234972000000
    assert decode_account.order(order_row(), MARKET, NOW).sequence is None


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "HALF"},
        {"status": ""},
        {"side": "HOLD"},
        {"type": "ICEBERG"},
        {"remaining_size": "0.06"},
        {"remaining_size": "-1"},
        {"price": "abc"},
    ],
)
def test_an_order_that_is_not_in_the_contract_fails_loudly(changes):
    """A guess here would be traded on."""
    with pytest.raises(DecodeError, match="order 123456"):
        if changes.get("status") == "":
            decode_account.order(
                schema.Order("123456", "B", "BUY", "LIMIT", Decimal(1), Decimal(1), "", "GTC"), MARKET, NOW
            )
        decode_account.order(order_row(**changes), MARKET, NOW)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"price": "abc"}, "order 100%s price: 'abc' is not a number"),
        ({"trigger_price": "NaN"}, "order 100%s trigger_price: 'NaN' is not a finite number"),
        ({"remaining_size": "0.01", "avg_fill_price": "?"}, "order 100%s avg_fill_price: '?' is not a number"),
        ({"side": "HOLD"}, "order 100%s: side 'HOLD' is neither BUY nor SELL"),
    ],
)
def test_an_order_s_error_names_order_and_field(changes, message):
    """The words are put together only then; what the venue sends can't disturb them."""
    with pytest.raises(DecodeError) as caught:
        decode_account.order(order_row(id="100%s", **changes), MARKET, NOW)
    assert caught.value.message == message


def test_an_order_without_an_id_is_an_error():
    """Nobody could cancel it."""
    with pytest.raises(DecodeError, match=r"^paradex: an order: its id is empty$"):
        decode_account.order(schema.Order("", "B", "BUY", "LIMIT", Decimal(1), Decimal(1), "OPEN", "GTC"), MARKET, NOW)


@pytest.mark.parametrize(("size", "left"), [("NaN", "1"), ("1", "NaN"), ("Infinity", "1"), ("1", "-Infinity")])
def test_an_order_with_a_size_that_is_none_is_an_error_that_names_it(size, left):
    """The stream's fast way leaves the look at numbers to decoding."""
    row = schema.Order("77", "B", "BUY", "LIMIT", Decimal(size), Decimal(left), "OPEN", "GTC")
    with pytest.raises(DecodeError, match=r"^paradex: order 77: .* is not a finite number"):
        decode_account.order(row, MARKET, NOW)


@pytest.mark.parametrize(("size", "left"), [("1", "1.1"), ("1", "-0.1"), ("-1", "-1")])
def test_an_order_whose_sizes_contradict_each_other_is_an_error(size, left):
    """Neither what is filled nor what is left can be less than nothing."""
    row = schema.Order("77", "B", "BUY", "LIMIT", Decimal(size), Decimal(left), "OPEN", "GTC")
    with pytest.raises(DecodeError, match=rf"^paradex: order 77: remaining_size {left} does not fit size {size}"):
        decode_account.order(row, MARKET, NOW)


def test_cancels_are_told_apart():
    """Queued is not yet done; closed before is no failure."""
    assert {word: status.value for word, status in decode_account.CANCEL_STATUSES.items()} == {
        "QUEUED_FOR_CANCELLATION": "requested",
        "ALREADY_CLOSED": "already_closed",
    }


# Fills


def test_a_fill_as_taker_pays_its_fee():
    """The side is our own then, and a fee that is paid is positive."""
    fill = decode_account.fill(fill_row(), MARKET, NOW)
    assert (fill.side, fill.liquidity, fill.kind) == (Side.BUY, Liquidity.TAKER, FillKind.TRADE)
    assert (fill.fee, fill.fee_asset) == (Decimal("7.56"), "USDC")


def test_a_fill_has_every_field():
    """The taker bought, so we, the maker, sold; the rebate is a negative fee."""
    assert told(decode_account.fill(read(schema.Fill, **FILL), MARKET, NOW)) == {
        "fill_id": "LIQUIDATION:861",
        "market_id": "BTC-USD-PERP@paradex",
        "venue_order_id": "168",
        "client_order_id": "x1234",
        "side": Side.SELL,
        "price": Decimal("30000.12"),
        "size": Decimal("0.5"),
        "fee": Decimal("-7.56"),
        "fee_asset": "DIME",
        "liquidity": Liquidity.MAKER,
        "kind": FillKind.LIQUIDATION,
        "realized_pnl": Decimal("7.5"),
        "realized_funding": Decimal("-0.01"),
        "ts_venue": MOMENT,
        "ts_received": NOW,
    }


def test_what_a_fill_does_not_tell_is_none_and_its_fee_nothing():
    """A blank fee is none paid, in the settlement asset; a blank order is none, as of a settled market."""
    blanks = dict.fromkeys(("order_id", "client_id", "fee", "fee_currency", "liquidity", "realized_pnl"), "")
    fill = decode_account.fill(read(schema.Fill, **{**FILL, **blanks, "realized_funding": ""}), MARKET, NOW)
    assert (fill.venue_order_id, fill.client_order_id, fill.liquidity) == (None, None, None)
    assert (fill.fee, fill.fee_asset, fill.realized_pnl, fill.realized_funding) == (0, "USDC", None, None)
    assert fill.side is Side.BUY


@pytest.mark.parametrize(
    ("taker", "liquidity", "ours"),
    [
        ("BUY", "TAKER", Side.BUY),
        ("SELL", "TAKER", Side.SELL),
        ("BUY", "MAKER", Side.SELL),
        ("SELL", "MAKER", Side.BUY),
    ],
)
def test_our_own_side_follows_from_the_taker_s(taker, liquidity, ours):
    """As maker we are on the other side of the one the venue gives."""
    assert decode_account.fill(fill_row(side=taker, liquidity=liquidity), MARKET, NOW).side is ours


def test_the_order_s_own_side_decides_where_it_is_known():
    """Should the venue ever send the account's side instead, a known order is still read right."""
    fill = decode_account.fill(fill_row(side="SELL", liquidity="MAKER"), MARKET, NOW, order_side=Side.SELL)
    assert fill.side is Side.SELL


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("FILL", FillKind.TRADE),
        ("RPI", FillKind.TRADE),
        ("LIQUIDATION", FillKind.LIQUIDATION),
        ("SETTLE_MARKET", FillKind.SETTLEMENT),
        ("UNWIND_TRANSFER", FillKind.TRANSFER),
    ],
)
def test_the_kind_of_a_fill_is_typed_and_keeps_ids_apart(word, kind):
    """Ids are unique within a kind only, so two kinds with one number are two fills."""
    fill = decode_account.fill(fill_row(fill_type=word), MARKET, NOW)
    assert fill.kind is kind
    plain = decode_account.fill(fill_row(), MARKET, NOW).fill_id
    assert (fill.fill_id == plain) == (word == "FILL")


def test_an_unknown_kind_of_fill_informs_and_does_not_fail(caplog):
    """The fill counts; the word is logged once."""
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert decode_account.fill(fill_row(fill_type="SPLIT_TRANSFER"), MARKET, NOW).kind is FillKind.OTHER
    assert [record.getMessage().count("SPLIT_TRANSFER") for record in caplog.records] == [1]


@pytest.mark.parametrize("missing", ["order_id", "liquidity", "client_id", "fee_currency"])
def test_a_fill_without_an_order_is_read_however_the_venue_leaves_it_out(missing):
    """Absent, null and blank are the same: what was settled or transferred had no order of ours."""
    base = {**FILL, "order_id": "", "fill_type": "SETTLE_MARKET"}
    blank, null = {**base, missing: ""}, {**base, missing: None}
    absent = {name: value for name, value in base.items() if name != missing}
    read_back = [told(decode_account.fill(read(schema.Fill, **row), MARKET, NOW)) for row in (blank, null, absent)]
    assert read_back[0] == read_back[1] == read_back[2]
    assert "venue_order_id" not in read_back[0]


@pytest.mark.parametrize("changes", [{"side": "?"}, {"fee": "free"}, {"price": "NaN"}, {"size": "Infinity"}])
def test_a_fill_that_can_t_be_read_is_an_error(changes):
    """Money moved; a guess is worse than a stop."""
    with pytest.raises(DecodeError):
        decode_account.fill(fill_row(**changes), MARKET, NOW)


@pytest.mark.parametrize("name", ["price", "size"])
def test_a_fill_with_a_number_that_is_none_is_an_error_that_names_it(name):
    """The stream's fast way leaves the look at numbers to decoding."""
    row = read(schema.Fill, **FILL)
    fields = {field: getattr(row, field) for field in row.__struct_fields__}
    with pytest.raises(DecodeError, match=r"^paradex: fill 861: NaN is not a finite number"):
        decode_account.fill(schema.Fill(**{**fields, name: Decimal("NaN")}), MARKET, NOW)
