"""Every field of every model, from payloads that give each of them a value of its own."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from perpkit.adapters.paradex import decode, decode_account, decode_book, schema, wire
from perpkit.core.errors import DecodeError, RejectReason
from perpkit.core.models import (
    FillKind,
    FundingAccrual,
    FundingKind,
    Instrument,
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
from perpkit.core.unknown_words import UnknownWords
from tests.adapters.paradex.conftest import NOW, make_market

MARKET = make_market()
AT = 1_700_000_000_123
MOMENT = datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=UTC)
"""AT: 1,700,000,000 s after 1970 is 2023-11-14 22:13:20."""


def read(type_, **fields):
    return wire.read(type_, json.dumps(fields), what="test")


def told(model, *left_out):
    """Return a model's fields that are set to something, by name."""
    names = set(type(model).model_fields) - set(left_out)
    return {name: getattr(model, name) for name in names if getattr(model, name) is not None}


MARKET_ROW = {
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
    "max_open_orders": 101,
    "funding_period_hours": 4,
    "asset_kind": "PERP",
    "open_at": AT,
    "expiry_at": 0,
    "trading_mode": "STANDARD",
    "fee_config": {"api_fee": {"maker_fee": {"fee": "-0.00005"}, "taker_fee": {"fee": "0.0003"}}},
    "delta1_cross_margin_params": {"imf_base": "0.02", "imf_factor": "0", "imf_shift": "0", "mmf_factor": "0.6"},
}


def market_of(**changes):
    return decode.market(read(schema.Market, **{**MARKET_ROW, **changes}), NOW)


def test_a_market_has_every_rule_that_its_row_gives():
    """The maintenance fraction is 0.6 of 0.02; one over 0.02 is 50."""
    assert told(market_of()) == {
        "venue": "paradex",
        "symbol": "ETH-USD-PERP",
        "instrument": Instrument.of("ETH", "USD", "USDC"),
        "tick_size": Decimal("0.01"),
        "step_size": Decimal("0.001"),
        "max_size": Decimal(100),
        "min_notional": Decimal(3),
        "price_band": Decimal("0.05"),
        "maker_fee": Decimal("-0.00005"),
        "taker_fee": Decimal("0.0003"),
        "funding_interval": timedelta(hours=4),
        "funding_accrual": FundingAccrual.CONTINUOUS,
        "max_leverage": Decimal(50),
        "initial_margin_fraction": Decimal("0.02"),
        "maintenance_margin_fraction": Decimal("0.012"),
        "position_limit": Decimal(500),
        "max_open_orders": 101,
        "status": MarketStatus.OPEN,
        "listed_at": MOMENT,
    }


@pytest.mark.parametrize(
    ("changes", "missing"),
    [
        ({"delta1_cross_margin_params": None}, {"max_leverage", "initial_margin_fraction"}),
        ({"delta1_cross_margin_params": {"imf_base": "0", "mmf_factor": "0.5"}}, {"maintenance_margin_fraction"}),
        ({"delta1_cross_margin_params": {"imf_base": "-1", "mmf_factor": "0.5"}}, {"max_leverage"}),
        ({"funding_period_hours": 0}, {"funding_interval"}),
        ({"funding_period_hours": -8}, {"funding_interval"}),
        ({"funding_period_hours": None}, {"funding_interval"}),
        ({"fee_config": None}, {"maker_fee", "taker_fee"}),
        ({"fee_config": {"api_fee": None}}, {"maker_fee", "taker_fee"}),
        ({"fee_config": {"api_fee": {"taker_fee": {"fee": "0.1"}}}}, {"maker_fee"}),
        ({"fee_config": {"api_fee": {"maker_fee": {"fee": "0.1"}}}}, {"taker_fee"}),
        ({"max_order_size": "0"}, {"max_size"}),
        ({"position_limit": ""}, {"position_limit"}),
        ({"price_bands_width": "0.0"}, {"price_band"}),
        ({"min_notional": ""}, {"min_notional"}),
        ({"max_open_orders": None}, {"max_open_orders"}),
        ({"open_at": 0}, {"listed_at"}),
    ],
)
def test_a_rule_that_a_market_does_not_have_is_none(changes, missing):
    """Never zero, and never what it means for another market."""
    market = market_of(**changes)
    assert {name for name in missing if getattr(market, name) is not None} == set()


def test_a_rate_s_period_may_be_a_fraction_of_an_hour():
    """Half an hour and an hour are periods, not less than one."""
    assert market_of(funding_period_hours=0.5).funding_interval == timedelta(minutes=30)
    assert market_of(funding_period_hours=1).funding_interval == timedelta(hours=1)
    row = read(schema.FundingData, market="B", created_at=AT, funding_rate="0.1", funding_period_hours="1")
    rate = decode.funding(row, MARKET, NOW, kind=FundingKind.CURRENT, source="x")
    assert rate.period == timedelta(hours=1)


def test_a_market_opens_at_its_moment_and_ends_at_its_expiry():
    """Open from the very millisecond, settled from the very millisecond."""
    now = int(NOW.timestamp()) * 1000
    assert market_of(open_at=now).status is MarketStatus.OPEN
    assert market_of(open_at=now + 1).status is MarketStatus.SETTLED
    assert market_of(expiry_at=now).status is MarketStatus.SETTLED
    assert market_of(expiry_at=now + 1).status is MarketStatus.OPEN


def test_a_base_is_the_row_s_where_the_symbol_has_another_form():
    """The symbol is cut only where its end is the quote currency's."""
    assert market_of(symbol="ETH-PERP").instrument.base == "ETH"
    assert market_of(symbol="kPEPE-USD-PERP", base_currency="PEPE").instrument.base == "kPEPE"


def test_a_market_that_can_t_be_names_the_field():
    """The message says which rule of which market, and not the model's inner address."""
    with pytest.raises(
        DecodeError, match=r"^paradex: market ETH-USD-PERP: tick_size: [^\n]*greater than 0[^\n]*$"
    ) as caught:
        market_of(price_tick_size="0")
    assert caught.value.venue == "paradex"


@pytest.mark.parametrize(
    ("own", "account", "expected"),
    [
        ({"maker_fee": "0.1"}, {"maker_rate": "0.3", "taker_rate": "0.4"}, ("0.1", "0.4")),
        ({"taker_fee": "0.2"}, {"maker_rate": "0.3", "taker_rate": "0.4"}, ("0.3", "0.2")),
        ({"maker_fee": "0", "taker_fee": "0.2"}, {"maker_rate": "0.3", "taker_rate": "0.4"}, ("0", "0.2")),
        ({"maker_fee": "0.1", "taker_fee": "0.2"}, None, ("0.1", "0.2")),
    ],
)
def test_each_of_the_two_fees_is_the_market_s_before_the_account_s(own, account, expected):
    """A market's own fee of zero is a fee."""
    listed = make_market(**{name: Decimal(value) for name, value in own.items()})
    fees = decode_account.trading_fees(listed, schema.AccountFees(**account) if account is not None else None)
    assert told(fees) == {"market_id": listed.id, "maker": Decimal(expected[0]), "taker": Decimal(expected[1])}


@pytest.mark.parametrize("rates", [{"maker_rate": "0.1"}, {"taker_rate": "0.1"}, {}])
def test_half_of_the_fees_is_not_enough(rates):
    """A fee that nobody names is an error, not zero."""
    with pytest.raises(DecodeError, match="neither the market nor the account names them"):
        decode_account.trading_fees(MARKET, schema.AccountFees(**rates))


# Prices


SUMMARY = {
    "symbol": "BTC-USD-PERP",
    "created_at": AT,
    "bid": "1.1",
    "ask": "1.2",
    "last_traded_price": "1.3",
    "mark_price": "1.4",
    "underlying_price": "1.5",
    "volume_24h": "1.6",
    "open_interest": "1.7",
    "funding_rate": "-0.8",
}


def test_a_ticker_has_every_price_in_its_place():
    """Seven numbers, none like another."""
    assert told(decode.ticker(read(schema.MarketSummary, **SUMMARY), MARKET, NOW)) == {
        "market_id": "BTC-USD-PERP@paradex",
        "bid_price": Decimal("1.1"),
        "ask_price": Decimal("1.2"),
        "last_price": Decimal("1.3"),
        "mark_price": Decimal("1.4"),
        "index_price": Decimal("1.5"),
        "notional_24h": Decimal("1.6"),
        "open_interest": Decimal("1.7"),
        "ts_venue": MOMENT,
        "ts_received": NOW,
    }


@pytest.mark.parametrize("text", ["0", "0.0", "-0.1", ""])
def test_a_price_of_nothing_or_less_is_none(text):
    """Zero in any spelling, and what can't be a price."""
    ticker = decode.ticker(read(schema.MarketSummary, **{**SUMMARY, "bid": text, "mark_price": text}), MARKET, NOW)
    assert (ticker.bid_price, ticker.mark_price) == (None, None)


def test_a_wrong_number_names_what_it_is_and_is_cut():
    """Forty characters of it are enough; the venue is named."""
    with pytest.raises(DecodeError) as caught:
        decode.ticker(read(schema.MarketSummary, **{**SUMMARY, "open_interest": "x" * 50}), MARKET, NOW)
    assert caught.value.message == f"open_interest: '{'x' * 40}' is not a number"
    assert caught.value.venue == "paradex"
    with pytest.raises(DecodeError) as caught:
        decode.number("1" + "_" * 60 + "NaN", "size")
    assert caught.value.message == f"size: '1{'_' * 39}' is not a number"
    with pytest.raises(DecodeError) as caught:
        decode.number("-Infinity", "size")
    assert caught.value.message == "size: '-Infinity' is not a finite number"


def test_a_rest_book_has_its_moment_and_both_sides():
    """Bids may be null as well as asks; the order is ours, whatever the venue's."""
    row = read(
        schema.OrderBook,
        market="BTC-USD-PERP",
        seq_no=9,
        last_updated_at=AT,
        bids=[["98", "1"], ["99", "2"]],
        asks=[["102", "3"], ["101", "4"], ["103", "0"]],
    )
    assert told(decode_book.order_book(row, MARKET, NOW)) == {
        "market_id": "BTC-USD-PERP@paradex",
        "bids": ((99, 2), (98, 1)),
        "asks": ((101, 4), (102, 3)),
        "sequence": 9,
        "conflated": 0,
        "ts_venue": MOMENT,
        "ts_received": NOW,
    }
    empty = read(schema.OrderBook, market="BTC-USD-PERP", seq_no=9, last_updated_at=0, bids=None, asks=None)
    book = decode_book.order_book(empty, MARKET, NOW)
    assert (book.bids, book.asks, book.ts_venue) == ((), (), None)


def level(side, price, size):
    return {"side": side, "price": price, "size": size}


def test_a_snapshot_of_the_stream_has_its_moment_and_both_sides():
    """Best first, whatever order the levels come in."""
    row = read(
        schema.OrderBookUpdate,
        market="BTC-USD-PERP",
        seq_no=9,
        last_updated_at=AT,
        update_type="s",
        inserts=[
            level("BUY", "98", "1"),
            level("BUY", "99", "2"),
            level("SELL", "102", "3"),
            level("SELL", "101", "4"),
        ],
    )
    assert told(decode_book.book_update(row, MARKET, NOW)) == {
        "market_id": "BTC-USD-PERP@paradex",
        "bids": ((99, 2), (98, 1)),
        "asks": ((101, 4), (102, 3)),
        "sequence": 9,
        "conflated": 0,
        "ts_venue": MOMENT,
        "ts_received": NOW,
    }


def test_a_change_of_the_stream_has_its_moment_and_deletes_on_both_sides():
    """What is deleted is told as a size of zero, on the side that it stood on."""
    row = read(
        schema.OrderBookUpdate,
        market="BTC-USD-PERP",
        seq_no=9,
        last_updated_at=AT,
        update_type="d",
        inserts=[level("BUY", "98", "1")],
        deletes=[level("BUY", "97", "5"), level("SELL", "104", "6")],
    )
    assert told(decode_book.book_update(row, MARKET, NOW)) == {
        "market_id": "BTC-USD-PERP@paradex",
        "bids": ((98, 1), (97, 0)),
        "asks": ((104, 0),),
        "previous_sequence": 8,
        "sequence": 9,
        "ts_venue": MOMENT,
        "ts_received": NOW,
    }


def test_a_change_without_lists_changes_nothing():
    """Null arrays come, and the number still counts."""
    fields = {"market": "BTC-USD-PERP", "seq_no": 9, "last_updated_at": AT, "update_type": "d"}
    row = read(schema.OrderBookUpdate, **fields, inserts=None, updates=None, deletes=None)
    delta = decode_book.book_update(row, MARKET, NOW)
    assert (delta.bids, delta.asks, delta.previous_sequence, delta.sequence) == ((), (), 8, 9)


@pytest.mark.parametrize(
    ("price", "size", "named"), [("1", "x", "x"), ("y", "1", "y"), ("1", "", ""), ("1", "inf", "inf")]
)
def test_a_level_that_is_no_number_is_an_error_that_shows_it(price, size, named):
    """Price or size, whether the price is known from before or not."""
    fields = {"market": "BTC-USD-PERP", "seq_no": 9, "last_updated_at": AT, "update_type": "s"}
    good = schema.OrderBookUpdate(**fields, inserts=[schema.BookSide("BUY", "1", "2")])
    bad = schema.OrderBookUpdate(**fields, inserts=[schema.BookSide("BUY", price, size)])
    for _ in range(2):
        with pytest.raises(DecodeError, match=rf"^paradex: a number: '{named}' is not a"):
            decode_book.book_update(bad, MARKET, NOW)
        assert decode_book.book_update(good, MARKET, NOW).bids == ((1, 2),)


def test_deletes_of_a_snapshot_mean_nothing():
    """All of a snapshot is in its inserts."""
    fields = {"market": "BTC-USD-PERP", "seq_no": 9, "last_updated_at": AT, "update_type": "s"}
    row = read(schema.OrderBookUpdate, **fields, inserts=[level("BUY", "98", "1")], deletes=[level("?", "98", "1")])
    assert decode_book.book_update(row, MARKET, NOW).bids == ((98, 1),)


TRADE = {
    "id": "12345643",
    "market": "BTC-USD-PERP",
    "side": "SELL",
    "price": "30001.2",
    "size": "0.01",
    "created_at": AT,
    "trade_type": "FILL",
}


@pytest.mark.parametrize(
    ("word", "kind", "trade_id"),
    [
        ("FILL", FillKind.TRADE, "12345643"),
        ("RPI", FillKind.TRADE, "RPI:12345643"),
        ("LIQUIDATION", FillKind.LIQUIDATION, "LIQUIDATION:12345643"),
        ("BLOCK_TRADE", FillKind.TRADE, "BLOCK_TRADE:12345643"),
        ("SETTLE_MARKET", FillKind.SETTLEMENT, "SETTLE_MARKET:12345643"),
        ("UNWIND_TRANSFER", FillKind.TRANSFER, "UNWIND_TRANSFER:12345643"),
        ("NEW_KIND", FillKind.OTHER, "NEW_KIND:12345643"),
    ],
)
def test_a_trade_has_every_field_and_an_id_of_its_kind(word, kind, trade_id):
    """Ids are unique within a kind only ('Unique Trade ID per TradeType'), so the rarer kinds carry theirs."""
    assert told(decode.trade(read(schema.Trade, **{**TRADE, "trade_type": word}), MARKET, NOW)) == {
        "trade_id": trade_id,
        "market_id": "BTC-USD-PERP@paradex",
        "side": Side.SELL,
        "price": Decimal("30001.2"),
        "size": Decimal("0.01"),
        "kind": kind,
        "ts_venue": MOMENT,
        "ts_received": NOW,
    }


def test_a_trade_or_fill_without_a_kind_keeps_its_plain_id():
    """A blank kind is no part of an id."""
    assert decode.trade(read(schema.Trade, **{**TRADE, "trade_type": ""}), MARKET, NOW).trade_id == "12345643"
    assert decode_account.fill(read(schema.Fill, **{**FILL, "fill_type": ""}), MARKET, NOW).fill_id == "861"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"side": "HOLD"}, "trade 12345643: side 'HOLD' is neither BUY nor SELL"),
        ({"side": ""}, "trade 12345643: side '' is neither BUY nor SELL"),
    ],
)
def test_a_trade_without_a_side_is_an_error_that_names_it(changes, message):
    """Whose side nobody knows is no trade."""
    with pytest.raises(DecodeError) as caught:
        decode.trade(schema.Trade(**{**TRADE, "price": Decimal(1), "size": Decimal(1), **changes}), MARKET, NOW)
    assert caught.value.message == message


@pytest.mark.parametrize("name", ["price", "size"])
def test_a_trade_with_a_number_that_is_none_is_an_error(name):
    """The stream's fast way leaves the look at numbers to decoding."""
    row = schema.Trade(**{**TRADE, "price": Decimal(1), "size": Decimal(1), name: Decimal("NaN")})
    with pytest.raises(DecodeError, match=rf"^paradex: trade {name}: NaN is not a finite number"):
        decode.trade(row, MARKET, NOW)


def test_a_bar_has_every_price_in_its_place():
    """Opened, open, high, low, close, volume: the order of the contract's array."""
    [row] = wire.read(list[schema.Kline], f"[[{AT},10.1,10.4,9.7,10.2,55.5]]", what="bars")
    assert told(decode.candle(row, MARKET, timedelta(minutes=5))) == {
        "market_id": "BTC-USD-PERP@paradex",
        "opened_at": MOMENT,
        "interval": timedelta(minutes=5),
        "open": Decimal("10.1"),
        "high": Decimal("10.4"),
        "low": Decimal("9.7"),
        "close": Decimal("10.2"),
        "volume": Decimal("55.5"),
    }


# Funding


def test_a_running_rate_has_every_field():
    """From a market's summary; the period is the market's."""
    rate = decode.funding_from_summary(read(schema.MarketSummary, **SUMMARY), MARKET, NOW)
    assert told(rate) == {
        "market_id": "BTC-USD-PERP@paradex",
        "value": Decimal("-0.8"),
        "period": timedelta(hours=8),
        "kind": FundingKind.CURRENT,
        "accrual": FundingAccrual.CONTINUOUS,
        "effective_at": MOMENT,
        "notional_price": PriceKind.INDEX,
        "mark_price": Decimal("1.4"),
        "index_price": Decimal("1.5"),
        "source": "GET /markets/summary",
        "ts_received": NOW,
    }


def funding_of(**changes):
    fields = {
        "market": "BTC-USD-PERP",
        "created_at": AT,
        "funding_rate": "0.0002",
        "funding_index": "-2819.5",
        "funding_period_hours": 4,
    }
    row = read(schema.FundingData, **{**fields, **changes})
    return decode.funding(row, MARKET, NOW, kind=FundingKind.SAMPLE, source="funding_data")


def test_an_observed_rate_has_every_field():
    """Its own period, not the listing's of 8 hours."""
    assert told(funding_of()) == {
        "market_id": "BTC-USD-PERP@paradex",
        "value": Decimal("0.0002"),
        "period": timedelta(hours=4),
        "kind": FundingKind.SAMPLE,
        "accrual": FundingAccrual.CONTINUOUS,
        "effective_at": MOMENT,
        "notional_price": PriceKind.INDEX,
        "funding_index": Decimal("-2819.5"),
        "source": "funding_data",
        "ts_received": NOW,
    }


def test_an_observation_without_a_rate_is_none_and_one_without_an_index_is_a_rate():
    """A rate of zero is a rate, and so is one without its index."""
    assert funding_of(funding_rate="") is None
    assert funding_of(funding_rate=None) is None
    assert funding_of(funding_period_hours=0) is None
    assert funding_of(funding_period_hours=-4) is None
    assert funding_of(funding_rate="0").value == 0
    assert funding_of(funding_index="").funding_index is None


@pytest.mark.parametrize("name", ["funding_rate", "funding_index", "funding_period_hours"])
def test_an_observation_with_a_number_that_is_none_is_an_error(name):
    """The stream's fast way leaves the look at numbers to decoding."""
    row = schema.FundingData("BTC-USD-PERP", AT, Decimal("0.1"), Decimal(2), Decimal(8))
    fields = {field: getattr(row, field) for field in row.__struct_fields__}
    row = schema.FundingData(**{**fields, name: Decimal("Infinity")})
    with pytest.raises(DecodeError, match=rf"^paradex: {name}: Infinity is not a finite number"):
        decode.funding(row, MARKET, NOW, kind=FundingKind.CURRENT, source="x")


def test_a_funding_payment_has_every_field():
    """In the market's settlement asset."""
    row = read(schema.FundingPayment, id="7", market="BTC-USD-PERP", payment="-34.4", created_at=AT, index="-2819.5")
    assert told(decode_account.funding_payment(row, MARKET, NOW)) == {
        "payment_id": "7",
        "market_id": "BTC-USD-PERP@paradex",
        "amount": Decimal("-34.4"),
        "asset": "USDC",
        "ts_venue": MOMENT,
        "ts_received": NOW,
    }


# The account


def summary_of(**changes):
    fields = {
        "account": "0x49",
        "account_value": "105",
        "free_collateral": "-7",
        "initial_margin_requirement": "63",
        "maintenance_margin_requirement": "31",
        "total_collateral": "99",
        "settlement_asset": "USDC",
        "updated_at": AT,
    }
    return read(schema.AccountSummary, **{**fields, **changes})


def test_an_account_has_every_field():
    """The equity is the account value; what is free may be less than nothing."""
    assert told(decode_account.account(summary_of(), NOW)) == {
        "account_id": "0x49",
        "asset": "USDC",
        "equity": Decimal(105),
        "free_collateral": Decimal(-7),
        "initial_margin": Decimal(63),
        "maintenance_margin": Decimal(31),
        "ts_venue": MOMENT,
        "ts_received": NOW,
    }
    assert decode_account.account(summary_of(updated_at=0), NOW).ts_venue is None


def test_a_balance_has_every_field():
    """What is free is the margin summary's, for the settlement asset."""
    row = read(schema.Balance, token="USDC", size="78.5", last_updated_at=AT)
    assert told(decode_account.balance(row, summary_of(), NOW)) == {
        "asset": "USDC",
        "total": Decimal("78.5"),
        "available": Decimal(-7),
        "ts_venue": MOMENT,
        "ts_received": NOW,
    }


def position_of(**changes):
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
        "last_updated_at": AT,
    }
    return decode_account.position(read(schema.Position, **{**fields, **changes}), MARKET, NOW)


def test_a_position_has_every_field():
    """-123.23 less 12.234 of funding is -135.464, and -100 less 3.5 is -103.5."""
    assert told(position_of()) == {
        "market_id": "BTC-USD-PERP@paradex",
        "size": Decimal("-0.345"),
        "entry_price": Decimal("29001.34"),
        "unrealized_pnl": Decimal("-135.464"),
        "accrued_funding": Decimal("12.234"),
        "realized_pnl": Decimal("-103.5"),
        "liquidation_price": Decimal(31000),
        "leverage": Decimal(10),
        "sequence": 1681471234972000000,
        "ts_venue": MOMENT,
        "ts_received": NOW,
    }


def test_what_a_position_does_not_tell_is_none():
    """A PnL that holds an unknown part of funding is no PnL; one that is missing is not made up from funding."""
    bare = position_of(unrealized_funding_pnl="", realized_positional_funding_pnl="")
    assert (bare.unrealized_pnl, bare.accrued_funding, bare.realized_pnl) == (None, None, None)
    none_yet = position_of(unrealized_funding_pnl="0", realized_positional_funding_pnl="0")
    assert (none_yet.unrealized_pnl, none_yet.realized_pnl) == (Decimal("-123.23"), -100)
    less = position_of(unrealized_pnl="", realized_positional_pnl="", leverage="", last_updated_at=None)
    assert (less.unrealized_pnl, less.realized_pnl, less.leverage, less.ts_venue) == (None, None, None, None)
    assert less.accrued_funding == Decimal("12.234")
    assert position_of(last_updated_at=0).ts_venue is None


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        ({"size": "0.5", "side": "LONG"}, Decimal("0.5")),
        ({"size": "0", "side": "LONG"}, 0),
        ({"size": "0", "side": "SHORT"}, 0),
        ({"size": "0", "side": ""}, 0),
        ({"status": "CLOSED", "size": "1", "side": "SHORT"}, 0),
    ],
)
def test_a_position_without_a_size_has_no_side_to_contradict(changes, size):
    """Zero is flat, whichever side the row still names."""
    assert position_of(**changes).size == size


@pytest.mark.parametrize(("size", "side"), [("0.5", "SHORT"), ("0.5", ""), ("-0.5", "LONG"), ("-0.5", "")])
def test_a_sign_and_a_side_that_contradict_each_other_are_an_error(size, side):
    """Both are looked at, for both signs."""
    with pytest.raises(DecodeError, match="contradict each other"):
        position_of(size=size, side=side)


@pytest.mark.parametrize(
    ("row", "leverage", "mode"),
    [
        (read(schema.MarginEntry, market="B", leverage=10, margin_type="CROSS"), 10, MarginMode.CROSS),
        (read(schema.MarginEntry, market="B", leverage=10, margin_type="ISOLATED"), 10, MarginMode.ISOLATED),
        (
            read(schema.MarginEntry, market="B", leverage=10, margin_type="ISOLATED", isolated_margin_leverage=0),
            10,
            MarginMode.ISOLATED,
        ),
        (read(schema.MarginUpdate, leverage=7, margin_type="ISOLATED"), 7, MarginMode.ISOLATED),
        (read(schema.MarginUpdate, leverage=7, margin_type="CROSS"), 7, MarginMode.CROSS),
    ],
)
def test_a_leverage_has_every_field(row, leverage, mode):
    """The account's setting, with the market's own bound."""
    assert told(decode_account.leverage(row, MARKET)) == {
        "market_id": "BTC-USD-PERP@paradex",
        "leverage": Decimal(leverage),
        "margin_mode": mode,
        "max_leverage": Decimal(50),
    }


# Orders and fills


ORDER = {
    "id": "123456",
    "market": "BTC-USD-PERP",
    "side": "SELL",
    "type": "STOP_LIMIT",
    "size": "0.05",
    "remaining_size": "0.02",
    "status": "CLOSED",
    "price": "26000",
    "avg_fill_price": "26001.5",
    "trigger_price": "26500",
    "client_id": "x1234",
    "cancel_reason": "USER_CANCELED",
    "instruction": "POST_ONLY",
    "flags": ["STOP_CONDITION_BELOW_TRIGGER", "REDUCE_ONLY"],
    "created_at": AT,
    "last_updated_at": AT + 1000,
    "seq_no": 1681471234972000000,
}


def order_of(is_stream=True, **changes):
    return decode_account.order(read(schema.Order, **{**ORDER, **changes}), MARKET, NOW, is_stream=is_stream)


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


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({"cancel_reason": "ORDER_EXPIRED"}, OrderStatus.EXPIRED, RejectReason.EXPIRED),
        ({"cancel_reason": "NOT_ENOUGH_MARGIN"}, OrderStatus.CANCELED, RejectReason.MARGIN),
        ({"cancel_reason": "NOT_ENOUGH_MARGIN", "remaining_size": "0.05"}, OrderStatus.REJECTED, RejectReason.MARGIN),
        ({"status": "UNTRIGGERED"}, OrderStatus.OPEN, None),
    ],
)
def test_how_an_order_ended_is_told_by_its_reason_and_by_what_was_filled(changes, status, reason):
    """Filled in part it was not rejected, but it may have expired."""
    order = order_of(**changes)
    assert (order.status, order.reject_reason) == (status, reason)


FILL = {
    "id": "861",
    "market": "BTC-USD-PERP",
    "order_id": "168",
    "client_id": "x1234",
    "side": "BUY",
    "liquidity": "MAKER",
    "price": "30000.12",
    "size": "0.5",
    "fee": "-7.56",
    "fee_currency": "DIME",
    "fill_type": "LIQUIDATION",
    "created_at": AT,
    "realized_pnl": "7.5",
    "realized_funding": "-0.01",
}


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


@pytest.mark.parametrize("missing", ["order_id", "liquidity", "client_id", "fee_currency"])
def test_a_fill_without_an_order_is_read_however_the_venue_leaves_it_out(missing):
    """Absent, null and blank are the same: what was settled or transferred had no order of ours."""
    base = {**FILL, "order_id": "", "fill_type": "SETTLE_MARKET"}
    blank, null = {**base, missing: ""}, {**base, missing: None}
    absent = {name: value for name, value in base.items() if name != missing}
    read_back = [told(decode_account.fill(read(schema.Fill, **row), MARKET, NOW)) for row in (blank, null, absent)]
    assert read_back[0] == read_back[1] == read_back[2]
    assert "venue_order_id" not in read_back[0]


@pytest.mark.parametrize("name", ["price", "size"])
def test_a_fill_with_a_number_that_is_none_is_an_error_that_names_it(name):
    """The stream's fast way leaves the look at numbers to decoding."""
    row = read(schema.Fill, **FILL)
    fields = {field: getattr(row, field) for field in row.__struct_fields__}
    with pytest.raises(DecodeError, match=r"^paradex: fill 861: NaN is not a finite number"):
        decode_account.fill(schema.Fill(**{**fields, name: Decimal("NaN")}), MARKET, NOW)


# Words that nobody knows


def test_an_unknown_system_state_is_maintenance_and_reported_once(caplog, monkeypatch):
    """Whatever it means, it is not said to be fine."""
    monkeypatch.setattr(decode, "unknown", UnknownWords("paradex", decode.log))
    with caplog.at_level(logging.WARNING):
        for word in ("A", "A", "B"):
            assert decode.venue_status(schema.SystemState(word)) is VenueStatus.MAINTENANCE
    assert [record.getMessage() for record in caplog.records] == [
        "paradex uses a system state that perpkit does not know: 'A'; please report it",
        "paradex uses a system state that perpkit does not know: 'B'; please report it",
    ]


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("ok", VenueStatus.OK),
        ("maintenance", VenueStatus.MAINTENANCE),
        ("cancel_only", VenueStatus.CANCEL_ONLY),
        ("post_only", VenueStatus.POST_ONLY),
    ],
)
def test_each_system_state_is_read_as_what_it_is(word, status):
    """The four of the contract."""
    assert decode.venue_status(schema.SystemState(word)) is status


def test_a_listing_that_was_read_again_gives_its_markets_new_ids():
    """What is remembered of a market is of that very listing, though the symbol is the same."""
    first, second = make_market("BTC-USD-PERP"), make_market("BTC-USD-PERP", venue="elsewhere")
    row = read(schema.FundingPayment, id="7", market="BTC-USD-PERP", payment="1", created_at=AT)
    ids = [decode_account.funding_payment(row, market, NOW).market_id for market in (first, second, second, first)]
    assert ids == [
        "BTC-USD-PERP@paradex",
        "BTC-USD-PERP@elsewhere",
        "BTC-USD-PERP@elsewhere",
        "BTC-USD-PERP@paradex",
    ]


def test_cancels_are_told_apart():
    """Queued is not yet done; closed before is no failure."""
    assert {word: status.value for word, status in decode_account.CANCEL_STATUSES.items()} == {
        "QUEUED_FOR_CANCELLATION": "requested",
        "ALREADY_CLOSED": "already_closed",
    }
