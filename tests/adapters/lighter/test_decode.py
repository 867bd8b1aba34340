"""Market data to core models, against recorded answers, the contract's examples and arithmetic."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpkit.adapters.lighter import decode, schema
from perpkit.core.errors import DecodeError
from perpkit.core.models import BookDelta, BookSnapshot, FillKind, MarketStatus, Side
from perpkit.core.transport import loose_json
from tests.adapters.lighter.conftest import EXAMPLES, NOW, example, make_market, read

D = Decimal
ETH = make_market()
DETAIL = EXAMPLES["rest"]["OrderBookDetails"]["order_book_details"][0]


def detail(**changes):
    return read(schema.OrderBookDetail, {**DETAIL, **changes})


# Markets


def test_a_recorded_market_keeps_its_rules(recorded):
    """Decimals give the grid, fractions count in 1e-4: 200 is the least of 2 %, so 50 times at most."""
    rows = read(schema.OrderBookDetails, recorded["fetchMarkets"]).order_book_details
    market = decode.market(loose_json.read(schema.OrderBookDetail, rows[0], what="test"))
    assert market.id == "ETH-USDC-PERP@lighter"
    assert (market.tick_size, market.step_size) == (D("0.01"), D("0.0001"))
    assert (market.min_size, market.min_notional) == (D("0.0050"), D(10))
    assert (market.initial_margin_fraction, market.maintenance_margin_fraction) == (D("0.02"), D("0.012"))
    assert market.max_leverage == 50
    assert market.funding_interval == timedelta(hours=1)
    assert (market.maker_fee, market.taker_fee) == (None, None)


def test_a_scaled_name_tells_its_multiplier():
    """1000PEPE counts thousands."""
    market = decode.market(detail(symbol="1000PEPE"))
    assert (market.instrument.underlying, market.instrument.multiplier) == ("PEPE", 1000)


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("active", MarketStatus.OPEN),
        ("inactive", MarketStatus.HALTED),
        ("in-settlement", MarketStatus.SETTLED),
        ("waiting-for-settlement", MarketStatus.SETTLED),
        ("settled", MarketStatus.SETTLED),
    ],
)
def test_every_market_status_of_the_contract_has_its_meaning(word, status):
    """As lighter-sdk 1.1.8 lists them."""
    assert decode.market(detail(status=word)).status is status


@pytest.mark.parametrize("changes", [{"price_decimals": 10**18}, {"size_decimals": -(10**18)}])
def test_a_rule_that_nobody_can_compute_with_is_refused_by_name(changes):
    """The row is left out like any that can't be read; it is no failure of the whole listing."""
    with pytest.raises(DecodeError, match="market ETH"):
        decode.market(detail(**changes))


def test_an_unknown_market_status_takes_no_orders(caplog):
    """It is reported, and nobody trades on a guess."""
    with caplog.at_level(logging.WARNING):
        assert decode.market(detail(status="on-fire")).status is MarketStatus.HALTED
    assert "on-fire" in caplog.text


def test_a_margin_fraction_of_zero_is_refused():
    """It would make the leverage infinite."""
    with pytest.raises(DecodeError, match=r"ETH.*min_initial_margin_fraction"):
        decode.market(detail(min_initial_margin_fraction=0))


def test_the_largest_leverage_is_never_rounded_up():
    """A fraction of 3.33 % allows 30.03 times."""
    assert decode.market(detail(min_initial_margin_fraction=333)).max_leverage == D("30.03")


# Prices and books


def test_a_ticker_takes_best_quotes_from_the_book_and_the_rest_from_the_details():
    """Numbers on the wire stay exact; open interest over REST is in base units."""
    ticker = decode.ticker(detail(), example("OrderBookOrders", schema.OrderBookOrders), ETH, NOW)
    assert (ticker.bid_price, ticker.ask_price) == (D("3999.90"), D("4050.00"))
    assert (ticker.mark_price, ticker.index_price, ticker.last_price) == (D("4000.00"), D("4000.41"), D("4000.12"))
    assert (ticker.volume_24h, ticker.open_interest) == (D("198321.4471"), D("41250.3381"))


def test_servers_without_mark_prices_have_none():
    """They came with lighter-sdk 1.1.8; None is 'not known'."""
    row = {key: value for key, value in DETAIL.items() if key not in {"mark_price", "index_price"}}
    ticker = decode.ticker(read(schema.OrderBookDetail, row), None, ETH, NOW)
    assert (ticker.mark_price, ticker.index_price, ticker.bid_price) == (None, None, None)


def orders(*pairs):
    return [{"price": price, "remaining_base_amount": size} for price, size in pairs]


def test_single_orders_add_up_to_levels():
    """Two orders at one price are one level; best first on both sides."""
    row = read(
        schema.OrderBookOrders,
        {"asks": orders(("101.0", "0.3"), ("101.0", "0.4"), ("102.0", "1")), "bids": orders(("99.0", "2"))},
    )
    book = decode.order_book(row, ETH, NOW, asked=250)
    assert book.asks == ((D("101.0"), D("0.7")), (D("102.0"), D(1)))
    assert book.bids == ((D("99.0"), D(2)),)


def test_a_level_that_may_be_cut_off_is_left_out():
    """Where as many orders came as were asked for, more may stand at the last price."""
    row = read(schema.OrderBookOrders, {"asks": orders(("101", "1"), ("102", "1"), ("102", "1")), "bids": None})
    assert decode.order_book(row, ETH, NOW, asked=3).asks == ((D(101), D(1)),)
    assert len(decode.order_book(row, ETH, NOW, asked=4).asks) == 2
    assert decode.order_book(row, ETH, NOW, asked=250, depth=1).asks == ((D(101), D(1)),)


def test_a_book_frame_follows_the_nonce_before_it_and_not_the_offset():
    """``begin_nonce`` of the update is ``nonce`` of the snapshot, several steps below its own."""
    first = read(schema.BookFrame, EXAMPLES["stream"]["subscribed/order_book"])
    then = read(schema.BookFrame, EXAMPLES["stream"]["update/order_book"])
    snapshot, delta = decode.book_frame(first, ETH, NOW), decode.book_frame(then, ETH, NOW)
    assert isinstance(snapshot, BookSnapshot)
    assert isinstance(delta, BookDelta)
    assert delta.previous_sequence == snapshot.sequence == 9182390020
    assert delta.sequence == 9182390044
    assert delta.asks == ((D("4050.00"), D("0.0600")),)
    assert snapshot.ts_venue == datetime(2027, 1, 3, 18, 3, 21, 152041, tzinfo=UTC)


def test_the_rows_of_a_snapshot_are_sorted_and_empty_levels_left_out():
    """The venue promises no order of rows."""
    book = {"nonce": 5, "bids": [{"price": p, "size": s} for p, s in (("1", "1"), ("3", "0.0"), ("2", "1"))]}
    frame = read(schema.BookFrame, {"channel": "order_book:0", "type": "subscribed/order_book", "order_book": book})
    assert [level.price for level in decode.book_frame(frame, ETH, NOW).bids] == [2, 1]


@pytest.mark.parametrize("kind", ["subscribed/order_book", "update/order_book"])
@pytest.mark.parametrize(("price", "size"), [("1", "-1"), ("0.0", "1"), ("-1", "1")])
def test_a_level_that_can_t_be_is_an_error(kind, price, size):
    """A size below zero or a price that is not above it: the frame is a loss, and the next nonce shows it."""
    book = {"nonce": 5, "begin_nonce": 4, "asks": [{"price": price, "size": size}]}
    frame = read(schema.BookFrame, {"channel": "order_book:0", "type": kind, "order_book": book})
    with pytest.raises(DecodeError, match=f"a level of {size} at {price} can't be"):
        decode.book_frame(frame, ETH, NOW)


def test_a_trade_whose_maker_was_the_ask_is_a_buy():
    """The side is the taker's."""
    row = read(schema.Trades, EXAMPLES["rest"]["Trades"]).trades[0]
    trade = decode.trade(row, ETH, NOW)
    assert (trade.trade_id, trade.side, trade.kind) == ("19211490282", Side.BUY, FillKind.TRADE)
    assert trade.ts_venue == datetime(2027, 1, 3, 18, 3, 25, 250000, tzinfo=UTC)


def test_a_field_that_is_false_is_left_out_by_the_venue():
    """So a trade without ``is_maker_ask`` met a resting bid."""
    row = read(schema.Trade, {"trade_id": 1, "market_id": 0, "price": "1", "size": "1", "timestamp": 1798999405250})
    assert decode.trade(row, ETH, NOW).side is Side.SELL


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("trade", FillKind.TRADE),
        ("liquidation", FillKind.LIQUIDATION),
        ("deleverage", FillKind.ADL),
        ("market-settlement", FillKind.SETTLEMENT),
        ("a new one", FillKind.OTHER),
    ],
)
def test_prints_are_told_apart(word, kind):
    """Every kind of the contract, and one that is not in it."""
    assert decode.fill_kind(word) is kind


def test_a_bar_without_trades_has_no_volume():
    """The venue leaves zero fields out."""
    first, second = example("Candles", schema.Candles).candles
    bar, quiet = (decode.candle(each, ETH, timedelta(minutes=1)) for each in (first, second))
    assert (bar.open, bar.high, bar.low, bar.close) == (D("3999.1"), D("4001.0"), D("3998.6"), D("4000.12"))
    assert bar.volume == D("12.3345")
    assert quiet.volume == 0
    assert quiet.opened_at - bar.opened_at == timedelta(minutes=1)


@given(st.integers(1_420_070_400_000, 4_102_444_800_000))
def test_a_time_is_read_by_its_size(ms):
    """The same instant in seconds, milliseconds and microseconds, as deployments differ."""
    at = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms)
    assert decode.moment(ms) == decode.moment(ms * 1000) == at
    assert decode.moment(ms // 1000) == at.replace(microsecond=0)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-inf", "1e", "four"])
def test_what_is_no_finite_number_is_refused_by_name(text):
    """The message says which field."""
    with pytest.raises(DecodeError, match="collateral"):
        decode.number(text, "collateral")


@pytest.mark.parametrize("stamp", [10**30, 10**18, -(10**18)])
def test_a_time_that_is_no_date_can_not_be_read(stamp):
    """Nanoseconds, say, which the venue does not send yet."""
    with pytest.raises(DecodeError, match="no date"):
        decode.moment(stamp)
