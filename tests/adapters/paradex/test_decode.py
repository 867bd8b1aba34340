"""Payloads to core models, against recorded answers, the contracts' examples and arithmetic."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perpkit.adapters.paradex import decode, decode_account, decode_book, schema, wire
from perpkit.core.errors import DecodeError, RejectReason
from perpkit.core.models import (
    BookDelta,
    BookSnapshot,
    FillKind,
    FundingAccrual,
    FundingKind,
    Liquidity,
    MarginMode,
    MarketStatus,
    OrderStatus,
    OrderType,
    PriceKind,
    Side,
    TimeInForce,
    VenueStatus,
)
from tests.adapters.paradex.conftest import NOW, make_market

MARKET = make_market()
CONTRACT = json.loads(
    (Path(__file__).parents[3] / "perpkit/sim/venues/paradex/contract/openapi.json").read_text(encoding="utf-8")
)["components"]["schemas"]


def read(type_, **fields):
    return wire.read(type_, json.dumps(fields), what="test")


def ms(*moment):
    return int(datetime(*moment, tzinfo=UTC).timestamp()) * 1000


# Markets


def market_row(**changes):
    row = {
        "symbol": "ETH-USD-PERP",
        "base_currency": "ETH",
        "quote_currency": "USD",
        "settlement_currency": "USDC",
        "order_size_increment": "0.001",
        "price_tick_size": "0.01",
        "min_notional": "3",
        "max_order_size": "100",
        "position_limit": "500",
        "price_bands_width": "0.05",
        "max_open_orders": 100,
        "funding_period_hours": 4,
        "asset_kind": "PERP",
        "open_at": 0,
        "expiry_at": 0,
        "trading_mode": "STANDARD",
        "fee_config": {
            "api_fee": {"maker_fee": {"fee": "-0.00005"}, "taker_fee": {"fee": "0.0003"}},
            "interactive_fee": {"maker_fee": {"fee": "0"}, "taker_fee": {"fee": "0"}},
        },
        "delta1_cross_margin_params": {"imf_base": "0.02", "imf_factor": "0", "imf_shift": "0", "mmf_factor": "0.5"},
    }
    return read(schema.Market, **{**row, **changes})


def test_a_recorded_market_keeps_its_rules_to_the_digit(recorded):
    """What the testnet answered, fields that have since been added missing."""
    row = wire.read(schema.Market, json.dumps(recorded["fetchMarkets"]["results"][0]), what="market")
    market = decode.market(row, NOW)
    assert (market.symbol, market.id) == ("BTC-USD-PERP", "BTC-USD-PERP@paradex")
    assert (str(market.tick_size), str(market.step_size)) == ("0.1", "0.001")
    assert (market.min_notional, market.max_size, market.position_limit) == (500, 100, 60)
    assert market.price_band == Decimal("0.05")
    assert market.max_open_orders == 100
    assert market.status is MarketStatus.OPEN
    assert market.funding_interval is None
    assert (market.maker_fee, market.taker_fee) == (None, None)
    assert market.listed_at == datetime(2023, 10, 31, 12, 54, 39, 745_000, tzinfo=UTC)


def test_a_market_of_the_contract_s_example_has_fees_margins_and_its_own_period():
    """The period is read, not assumed; the margin fractions come from the parameters."""
    market = decode.market(market_row(), NOW)
    assert market.funding_interval == timedelta(hours=4)
    assert market.funding_accrual is FundingAccrual.CONTINUOUS
    assert (market.maker_fee, market.taker_fee) == (Decimal("-0.00005"), Decimal("0.0003"))
    assert (market.initial_margin_fraction, market.maintenance_margin_fraction) == (Decimal("0.02"), Decimal("0.01"))
    assert str(market.max_leverage) == "50"
    retail = decode.market(market_row(), NOW, interactive=True)
    assert (retail.maker_fee, retail.taker_fee) == (0, 0)


@pytest.mark.parametrize(("imf", "most"), [("0.03", 33), ("0.1", 10), ("1", 1)])
def test_the_largest_leverage_is_whole(imf, most):
    """The venue takes whole numbers only, so a third is cut."""
    row = market_row(delta1_cross_margin_params={"imf_base": imf, "mmf_factor": "0.5"})
    assert decode.market(row, NOW).max_leverage == most


@pytest.mark.parametrize(
    ("symbol", "base", "underlying", "multiplier"),
    [
        ("kPEPE-USD-PERP", "kPEPE", "PEPE", 1000),
        ("kPEPE-USD-PERP", "PEPE", "PEPE", 1000),
        ("1000SATS-USD-PERP", "1000SATS", "SATS", 1000),
        ("2Z-USD-PERP", "2Z", "2Z", 1),
        ("1INCH-USD-PERP", "1INCH", "1INCH", 1),
    ],
)
def test_a_contract_s_multiplier_is_read_from_its_symbol(symbol, base, underlying, multiplier):
    """kPEPE counts thousands, whatever the row calls the asset."""
    instrument = decode.market(market_row(symbol=symbol, base_currency=base), NOW).instrument
    assert (instrument.underlying, instrument.multiplier) == (underlying, multiplier)
    assert instrument.symbol == symbol


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, MarketStatus.OPEN),
        ({"open_at": ms(2026, 11, 20)}, MarketStatus.OPEN),
        ({"open_at": ms(2026, 11, 22)}, MarketStatus.SETTLED),
        ({"expiry_at": ms(2026, 11, 20)}, MarketStatus.SETTLED),
        ({"expiry_at": ms(2026, 12, 20)}, MarketStatus.OPEN),
        ({"trading_mode": "RFQ_ONLY"}, MarketStatus.HALTED),
    ],
)
def test_a_market_s_status_follows_from_its_dates_and_mode(changes, status):
    """expiry_at 0 is none; settled and not yet open ones are listed too."""
    assert decode.market(market_row(**changes), NOW).status is status


@pytest.mark.parametrize(
    "changes",
    [
        {"price_tick_size": "0"},
        {"order_size_increment": "-1"},
        {"min_notional": "x"},
        {"open_at": 10**18},
        {"funding_period_hours": 10**18},
        {"funding_period_hours": "1e999999999"},
        {"delta1_cross_margin_params": {"imf_base": "1e-999999999", "imf_factor": "0", "mmf_factor": "0.5"}},
    ],
)
def test_a_rule_that_can_t_be_is_an_error_that_names_the_market(changes):
    """A tick of zero would divide by zero much later."""
    with pytest.raises(DecodeError, match="market ETH-USD-PERP"):
        decode.market(market_row(**changes), NOW)


def test_fees_are_the_market_s_own_and_else_the_account_s():
    """A market without fees of its own takes the account's rate; neither is an error, not a zero."""
    own = make_market(maker_fee=Decimal("-0.00005"), taker_fee=Decimal("0.0003"))
    account = schema.AccountFees(maker_rate="0.0001", taker_rate="0.0004")
    assert decode_account.trading_fees(own, account).taker == Decimal("0.0003")
    assert decode_account.trading_fees(MARKET, account).maker == Decimal("0.0001")
    with pytest.raises(DecodeError, match="neither the market nor the account"):
        decode_account.trading_fees(MARKET, None)


# Prices


def test_a_recorded_ticker_reads_every_price(recorded):
    """The 24-hour volume is in USD, so it is a notional; the index is the underlying's price."""
    row = wire.read(schema.MarketSummary, json.dumps(recorded["fetchTickers"]["results"][0]), what="summary")
    ticker = decode.ticker(row, MARKET, NOW)
    assert (ticker.bid_price, ticker.ask_price) == (Decimal("66821.1"), Decimal("67643.2"))
    assert (ticker.last_price, ticker.mark_price) == (Decimal("66821.1"), Decimal("67307.7225876"))
    assert ticker.index_price == Decimal("66806.71304318")
    assert ticker.notional_24h == Decimal("2611476.262600002")
    assert ticker.volume_24h is None
    assert ticker.open_interest == Decimal("152.777")
    assert ticker.ts_venue == datetime(2024, 6, 14, 15, 12, 42, 698_000, tzinfo=UTC)
    assert ticker.ts_received == NOW


def test_a_price_that_is_not_there_is_none_and_never_zero():
    """Blank and '0' both mean that nobody quotes."""
    row = read(schema.MarketSummary, symbol="BTC-USD-PERP", created_at=1, bid="", ask="0", last_traded_price="0")
    ticker = decode.ticker(row, MARKET, NOW)
    assert (ticker.bid_price, ticker.ask_price, ticker.last_price, ticker.mark_price) == (None, None, None, None)


def test_a_recorded_book_is_sorted_best_first(recorded):
    """Twenty bids and three asks, pairs of price and size."""
    book = decode_book.order_book(
        wire.read(schema.OrderBook, json.dumps(recorded["fetchOrderBook"]), what="b"), MARKET, NOW
    )
    assert (len(book.bids), len(book.asks)) == (20, 3)
    assert book.bids[0] == (Decimal(66810), Decimal("0.078"))
    assert book.asks[0] == (Decimal("67643.2"), Decimal("3.734"))
    assert [level.price for level in book.bids] == sorted((level.price for level in book.bids), reverse=True)
    assert book.sequence == 14139427


def update(kind, seq_no=5, **levels):
    lists = {name: [{"side": s, "price": p, "size": z} for s, p, z in rows] for name, rows in levels.items()}
    fields = {"market": "BTC-USD-PERP", "seq_no": seq_no, "last_updated_at": 1, "update_type": kind}
    return read(schema.OrderBookUpdate, **{"inserts": [], "updates": [], "deletes": [], **fields, **lists})


def test_a_snapshot_frame_is_a_whole_book():
    """Whatever order its levels come in; a size of zero is no level."""
    row = update("s", inserts=[("SELL", "102", "1"), ("BUY", "99", "2"), ("SELL", "101", "3"), ("BUY", "98", "0")])
    book = decode_book.book_update(row, MARKET, NOW)
    assert isinstance(book, BookSnapshot)
    assert book.asks == ((101, 3), (102, 1))
    assert book.bids == ((99, 2),)
    assert book.sequence == 5


def test_a_change_names_its_predecessor_and_deletes_by_zero():
    """The deltas feed counts by one; sizes are what stands now."""
    row = update("d", inserts=[("BUY", "99", "2")], updates=[("SELL", "101", "3")], deletes=[("BUY", "98", "7")])
    delta = decode_book.book_update(row, MARKET, NOW)
    assert isinstance(delta, BookDelta)
    assert delta.bids == ((99, 2), (98, 0))
    assert delta.asks == ((101, 3),)
    assert (delta.previous_sequence, delta.sequence) == (4, 5)


def test_empty_and_missing_lists_are_an_empty_book():
    """Null arrays come too."""
    row = read(schema.OrderBook, market="BTC-USD-PERP", seq_no=1, last_updated_at=1, asks=None, bids=[])
    assert (decode_book.order_book(row, MARKET, NOW).bids, decode_book.order_book(row, MARKET, NOW).asks) == ((), ())
    frame = read(schema.OrderBookUpdate, market="B", seq_no=1, last_updated_at=1, update_type="s", inserts=None)
    assert decode_book.book_update(frame, MARKET, NOW).bids == ()


book_rows = st.tuples(
    st.sampled_from(["BUY", "SELL"]),
    st.sampled_from(["99", "99.0", "100", "1e2", "101"]),
    st.sampled_from(["1", "1.0", "2", "0", "0.00"]),
)


@settings(max_examples=200, deadline=None)
@given(frames=st.lists(st.lists(book_rows, max_size=6), max_size=6), most=st.sampled_from([1, 2, 65_536]))
def test_a_level_reads_the_same_whatever_was_read_before(frames, most):
    """What is remembered of a price never stands for another size, nor another spelling, nor the other side."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode_book, "_levels", decode_book._Levels(most))
        for rows in frames:
            delta = decode_book.book_update(update("d", updates=rows), MARKET, NOW)
            for ours, word in ((delta.bids, "BUY"), (delta.asks, "SELL")):
                read = [(Decimal(price).as_tuple(), Decimal(size).as_tuple()) for s, price, size in rows if s == word]
                assert [(price.as_tuple(), size.as_tuple()) for price, size in ours] == read
            assert len(decode_book._levels.last_at) <= most


@settings(max_examples=200, deadline=None)
@given(frames=st.lists(st.lists(book_rows, max_size=6), max_size=6))
def test_a_whole_book_is_sorted_and_without_empty_levels_whatever_was_read_before(frames):
    """A level of no size is none, the first time that it comes and when it is remembered."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode_book, "_levels", decode_book._Levels())
        for rows in frames:
            book = decode_book.book_update(update("s", inserts=rows), MARKET, NOW)
            for ours, word in ((book.bids, "BUY"), (book.asks, "SELL")):
                read = [(Decimal(price), Decimal(size)) for s, price, size in rows if s == word and Decimal(size)]
                assert list(ours) == sorted(read, key=lambda level: level[0], reverse=word == "BUY")


@pytest.mark.parametrize(
    "row",
    [
        update("x"),
        update("s", inserts=[("MIDDLE", "1", "1")]),
        update("d", deletes=[("", "1", "1")]),
        update("s", inserts=[("BUY", "NaN", "1")]),
        update("s", inserts=[("BUY", "1", "Infinity")]),
        update("d", deletes=[("BUY", "sNaN", "0")]),
        update("s", inserts=[("BUY", "1", "2"), ("BUY", "1", "NaN")]),
        update("d", inserts=[("BUY", "1", "2")], updates=[("SELL", "1", "Infinity")]),
    ],
)
def test_a_book_that_can_t_be_read_is_an_error(row):
    """A level without a side or a number has no place in a book."""
    with pytest.raises(DecodeError):
        decode_book.book_update(row, MARKET, NOW)


@pytest.mark.parametrize("kind", ["s", "d"])
@pytest.mark.parametrize(("price", "size"), [("7.25", "-1"), ("7.25", "-0.001"), ("0", "1"), ("-7.25", "1")])
def test_a_level_that_can_t_be_is_an_error_and_no_level_to_leave_out(kind, price, size):
    """A size below zero or a price that is not above it, whether or not the price is known, and for the REST book."""
    good = update(kind, inserts=[("BUY", "7.25", "2")])
    for _ in range(2):
        with pytest.raises(DecodeError, match=f"a level of {size} at {price} can't be"):
            decode_book.book_update(update(kind, inserts=[("BUY", price, size)]), MARKET, NOW)
        assert decode_book.book_update(good, MARKET, NOW).bids == ((Decimal("7.25"), 2),)
    fields = {"market": "BTC-USD-PERP", "seq_no": 1, "last_updated_at": 1}
    with pytest.raises(DecodeError, match=f"book of .* a level of {size} at {price} can't be"):
        decode_book.order_book(read(schema.OrderBook, **fields, asks=[[price, size]], bids=[]), MARKET, NOW)


def test_a_trade_of_the_contract_s_example():
    """The side is the taker's."""
    row = read(
        schema.Trade,
        id="12345643",
        market="BTC-USD-PERP",
        side="SELL",
        price="30001.2",
        size="0.01",
        created_at=1681497002041,
        trade_type="FILL",
    )
    trade = decode.trade(row, MARKET, NOW)
    assert (trade.trade_id, trade.side, trade.price, trade.size) == (
        "12345643",
        "sell",
        Decimal("30001.2"),
        Decimal("0.01"),
    )
    assert trade.ts_venue == datetime(2023, 4, 14, 18, 30, 2, 41_000, tzinfo=UTC)


def test_a_recorded_bar_is_exact(recorded):
    """JSON numbers with a fraction are read as decimals, not as floats."""
    row = wire.read(schema.Results[schema.Kline], json.dumps(recorded["fetchOHLCV"]), what="bars").results[0]
    bar = decode.candle(row, MARKET, timedelta(minutes=1))
    assert (str(bar.open), str(bar.close), bar.volume) == ("60823.3", "60823.3", 4561)
    assert bar.opened_at == datetime(2024, 7, 3, 8, 1, tzinfo=UTC)


# Funding


def test_a_running_rate_is_for_the_market_s_own_period():
    """0.0004 for 4 hours is 0.0001 an hour; positive means that longs pay."""
    four_hours = make_market(funding_interval=timedelta(hours=4))
    row = read(
        schema.MarketSummary,
        symbol="BTC-USD-PERP",
        created_at=ms(2026, 11, 21),
        funding_rate="0.0004",
        mark_price="100",
        underlying_price="99",
        open_interest="7",
    )
    rate = decode.funding_from_summary(row, four_hours, NOW)
    assert (rate.value, rate.period, rate.hourly) == (Decimal("0.0004"), timedelta(hours=4), Decimal("0.0001"))
    assert (rate.kind, rate.accrual, rate.next_at) == (FundingKind.CURRENT, FundingAccrual.CONTINUOUS, None)
    assert rate.notional_price is PriceKind.INDEX
    assert (rate.mark_price, rate.index_price) == (100, 99)


def test_a_missing_rate_or_period_is_none_and_never_zero():
    """A blank rate, and a market whose period the venue does not name."""
    blank = read(schema.MarketSummary, symbol="B", created_at=1, funding_rate="")
    assert decode.funding_from_summary(blank, MARKET, NOW) is None
    given = read(schema.MarketSummary, symbol="B", created_at=1, funding_rate="0.1")
    assert decode.funding_from_summary(given, make_market(funding_interval=None), NOW) is None


@pytest.mark.parametrize(
    ("hours", "period"), [(8, 8), ("24", 24), (120, 120), ("0.5", 0.5), (0, None), ("0", None), (None, 8)]
)
def test_an_observation_brings_its_own_period(hours, period):
    """It may have changed since the listing was read; a period of zero is none."""
    row = read(
        schema.FundingData,
        market="BTC-USD-PERP",
        created_at=1,
        funding_rate="-0.0001",
        funding_index="-2819.5",
        funding_rate_8h="-0.0007",
        **({"funding_period_hours": hours} if hours is not None else {}),
    )
    rate = decode.funding(row, MARKET, NOW, kind=FundingKind.SAMPLE, source="x")
    if period is None:
        assert rate is None
    else:
        assert (rate.value, rate.period, rate.kind) == (Decimal("-0.0001"), timedelta(hours=period), FundingKind.SAMPLE)
        assert rate.funding_index == Decimal("-2819.5")


def test_a_payment_is_from_the_account_s_view():
    """Positive is received, in the settlement asset."""
    row = read(schema.FundingPayment, id="7", market="BTC-USD-PERP", payment="-34.4490622", created_at=1)
    payment = decode_account.funding_payment(row, MARKET, NOW)
    assert (payment.payment_id, payment.amount, payment.asset) == ("7", Decimal("-34.4490622"), "USDC")


# The account


def account_row(**changes):
    fields = {
        "account": "0x49",
        "account_value": "136285.06918911",
        "free_collateral": "73276.47229774",
        "initial_margin_requirement": "63008.59689218",
        "maintenance_margin_requirement": "31597.25239676",
        "total_collateral": "123003.62047353",
        "settlement_asset": "USDC",
        "status": "ACTIVE",
        "updated_at": 1681471234972,
    }
    return read(schema.AccountSummary, **{**fields, **changes})


def test_the_margin_summary_of_the_contract_s_example():
    """Equity is the account value, which holds the unrealized PnL once."""
    summary = decode_account.account(account_row(), NOW)
    assert (summary.equity, summary.free_collateral) == (Decimal("136285.06918911"), Decimal("73276.47229774"))
    assert (summary.initial_margin, summary.maintenance_margin) == (
        Decimal("63008.59689218"),
        Decimal("31597.25239676"),
    )
    assert summary.asset == "USDC"


def test_a_balance_is_settled_and_only_the_settlement_asset_has_something_free(recorded):
    """The recorded answer has its times as strings."""
    row = wire.read(schema.Results[schema.Balance], json.dumps(recorded["fetchBalance"]), what="b").results[0]
    balance = decode_account.balance(row, account_row(), NOW)
    assert (balance.asset, balance.total) == ("USDC", Decimal("78.544"))
    assert balance.available == Decimal("73276.47229774")
    assert balance.ts_venue == datetime(2024, 7, 24, 13, 39, 43, 887_000, tzinfo=UTC)
    assert decode_account.balance(row, account_row(settlement_asset="DIME"), NOW).available is None
    assert decode_account.balance(row, None, NOW).available is None


def position_row(**changes):
    fields = {
        "market": "BTC-USD-PERP",
        "side": "SHORT",
        "size": "-0.345",
        "status": "OPEN",
        "average_entry_price": "29001.34",
        "unrealized_pnl": "-123.23",
        "unrealized_funding_pnl": "12.234",
        "realized_positional_pnl": "-100",
        "realized_positional_funding_pnl": "3.5",
        "liquidation_price": "31000",
        "leverage": "10",
        "seq_no": 1681471234972000000,
        "last_updated_at": 1681493939981,
    }
    return read(schema.Position, **{**fields, **changes})


def test_funding_is_taken_out_of_a_position_s_pnl():
    """-123.23 with 12.234 of funding in it is -135.464 from price; realized likewise."""
    position = decode_account.position(position_row(), MARKET, NOW)
    assert (position.size, position.side) == (Decimal("-0.345"), "short")
    assert (position.unrealized_pnl, position.accrued_funding) == (Decimal("-135.464"), Decimal("12.234"))
    assert position.realized_pnl == Decimal("-103.5")
    assert (position.entry_price, position.liquidation_price, position.leverage) == (
        Decimal("29001.34"),
        Decimal(31000),
        Decimal(10),
    )
    assert position.sequence == 1681471234972000000


def test_a_closed_position_is_flat_whatever_else_the_row_says():
    """The stream reports it once, with size 0."""
    position = decode_account.position(position_row(status="CLOSED", size="0"), MARKET, NOW)
    assert (position.size, position.entry_price, position.liquidation_price) == (0, None, None)
    assert decode_account.position(position_row(status="CLOSED"), MARKET, NOW).size == 0


@pytest.mark.parametrize(
    "changes",
    [{"side": "LONG"}, {"size": "0.345"}, {"status": "HALF_OPEN"}, {"side": ""}, {"unrealized_pnl": "NaN"}],
)
def test_a_position_that_contradicts_itself_is_an_error(changes):
    """A sign taken wrong doubles a position instead of closing it."""
    with pytest.raises(DecodeError, match="position BTC-USD-PERP"):
        decode_account.position(position_row(**changes), MARKET, NOW)


@pytest.mark.parametrize("blank", ["", "0"])
def test_an_unreachable_liquidation_price_is_none(blank):
    """Blank or zero: there is none."""
    assert decode_account.position(position_row(liquidation_price=blank), MARKET, NOW).liquidation_price is None


def test_leverage_is_the_account_s_setting():
    """Isolated markets have a leverage of their own."""
    cross = read(
        schema.MarginEntry, market="BTC-USD-PERP", leverage=10, margin_type="CROSS", isolated_margin_leverage=5
    )
    isolated = read(
        schema.MarginEntry, market="BTC-USD-PERP", leverage=10, margin_type="ISOLATED", isolated_margin_leverage=5
    )
    assert (decode_account.leverage(cross, MARKET).leverage, decode_account.leverage(cross, MARKET).margin_mode) == (
        10,
        MarginMode.CROSS,
    )
    assert decode_account.leverage(isolated, MARKET).leverage == 5
    with pytest.raises(DecodeError, match="margin_type"):
        decode_account.leverage(read(schema.MarginEntry, market="B", leverage=1, margin_type="MIXED"), MARKET)


# Orders


def order_row(**changes):
    fields = {
        "id": "123456",
        "market": "BTC-USD-PERP",
        "side": "BUY",
        "type": "LIMIT",
        "size": "0.05",
        "remaining_size": "0.05",
        "status": "OPEN",
        "price": "26000",
        "avg_fill_price": "",
        "trigger_price": "0",
        "client_id": "x1234",
        "cancel_reason": "",
        "instruction": "GTC",
        "flags": [],
        "created_at": 1681493746016,
        "last_updated_at": 1681493746017,
        "seq_no": 1681471234972000000,
    }
    return read(schema.Order, **{**fields, **changes})


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


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({"status": "NEW"}, OrderStatus.PENDING, None),
        ({"status": "NEW", "remaining_size": "0.02"}, OrderStatus.PARTIALLY_FILLED, None),
        ({"status": "OPEN"}, OrderStatus.OPEN, None),
        ({"status": "OPEN", "remaining_size": "0.02"}, OrderStatus.PARTIALLY_FILLED, None),
        ({"status": "UNTRIGGERED", "type": "STOP_LIMIT"}, OrderStatus.OPEN, None),
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
    ],
)
def test_the_venue_s_four_words_become_what_they_mean(changes, status, reason):
    """CLOSED says nothing by itself: what remains and why tells."""
    order = decode_account.order(order_row(**changes), MARKET, NOW)
    assert (order.status, order.reject_reason) == (status, reason)


def test_a_partial_fill_that_is_canceled_keeps_the_fill():
    """0.05 ordered, 0.02 left: 0.03 is done, at the average price."""
    row = order_row(status="CLOSED", cancel_reason="USER_CANCELED", remaining_size="0.02", avg_fill_price="25999.5")
    order = decode_account.order(row, MARKET, NOW)
    assert (order.status, order.filled_size, order.average_price) == (
        OrderStatus.CANCELED,
        Decimal("0.03"),
        Decimal("25999.5"),
    )


def test_every_status_side_and_type_of_the_contract_is_read():
    """The maps are total over the contract's enums, and hold nothing else."""
    assert set(decode_account.ORDER_TYPES) == set(CONTRACT["responses.OrderType"]["enum"])
    assert set(decode.SIDES) == set(CONTRACT["responses.OrderSide"]["enum"])
    assert set(decode.FILL_KINDS) == set(CONTRACT["responses.FillType"]["enum"])
    assert set(decode.VENUE_STATUSES) == set(CONTRACT["responses.SystemStatus"]["enum"])
    for status in CONTRACT["responses.OrderStatus"]["enum"]:
        assert decode_account.order(order_row(status=status), MARKET, NOW).status in OrderStatus


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


# Fills


def fill_row(**changes):
    fields = {
        "id": "8615262148007718462",
        "market": "BTC-USD-PERP",
        "order_id": "1681462103821101699438490000",
        "client_id": "x1234",
        "side": "BUY",
        "liquidity": "TAKER",
        "price": "30000.12",
        "size": "0.5",
        "fee": "7.56",
        "fee_currency": "USDC",
        "fill_type": "FILL",
        "created_at": 1681375176910,
        "realized_pnl": "7.56",
        "realized_funding": "-0.01",
    }
    return read(schema.Fill, **{**fields, **changes})


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


def test_a_fill_of_the_contract_s_example():
    """Fee, rebate, liquidity, and what it realized."""
    fill = decode_account.fill(fill_row(), MARKET, NOW)
    assert (fill.fill_id, fill.venue_order_id, fill.client_order_id) == (
        "8615262148007718462",
        "1681462103821101699438490000",
        "x1234",
    )
    assert (fill.price, fill.size, fill.fee, fill.fee_asset) == (
        Decimal("30000.12"),
        Decimal("0.5"),
        Decimal("7.56"),
        "USDC",
    )
    assert (fill.liquidity, fill.kind) == (Liquidity.TAKER, FillKind.TRADE)
    assert (fill.realized_pnl, fill.realized_funding) == (Decimal("7.56"), Decimal("-0.01"))
    rebate = decode_account.fill(fill_row(fee="-1.2", fee_currency="DIME"), MARKET, NOW)
    assert (rebate.fee, rebate.fee_asset) == (Decimal("-1.2"), "DIME")


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


@pytest.mark.parametrize("changes", [{"side": "?"}, {"fee": "free"}, {"price": "NaN"}, {"size": "Infinity"}])
def test_a_fill_that_can_t_be_read_is_an_error(changes):
    """Money moved; a guess is worse than a stop."""
    with pytest.raises(DecodeError):
        decode_account.fill(fill_row(**changes), MARKET, NOW)


# The system


@pytest.mark.parametrize(
    ("word", "status"), [("ok", "ok"), ("maintenance", "maintenance"), ("new_mode", "maintenance")]
)
def test_an_unknown_system_state_is_taken_for_maintenance(word, status):
    """Nobody should trade on a guess."""
    assert decode.venue_status(schema.SystemState(word)) is VenueStatus(status)
