"""Markets, prices, trades and rates to core models: recorded answers, the contracts' examples, every field."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from perpkit.adapters.paradex import decode, decode_account, schema, wire
from perpkit.core.errors import DecodeError
from perpkit.core.models import (
    FillKind,
    FundingAccrual,
    FundingKind,
    Instrument,
    MarketStatus,
    PriceKind,
    Side,
    VenueStatus,
)
from perpkit.core.unknown_words import UnknownWords
from tests.adapters.paradex.conftest import NOW, make_market
from tests.adapters.paradex.payloads import (
    AT,
    FILL,
    MARKET,
    MOMENT,
    SUMMARY,
    TRADE,
    funding_of,
    market_of,
    market_row,
    ms,
    read,
    told,
)

# Markets


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


def test_an_interactive_account_has_fees_of_its_own():
    """The same row names both kinds of fees."""
    retail = decode.market(market_row(), NOW, interactive=True)
    assert (retail.maker_fee, retail.taker_fee) == (0, 0)


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


@pytest.mark.parametrize(("imf", "most"), [("0.02", "50"), ("0.03", "33"), ("0.1", "10"), ("1", "1")])
def test_the_largest_leverage_is_whole(imf, most):
    """The venue takes whole numbers only, so a third is cut."""
    row = market_row(delta1_cross_margin_params={"imf_base": imf, "mmf_factor": "0.5"})
    assert str(decode.market(row, NOW).max_leverage) == most


def test_a_rate_s_period_may_be_a_fraction_of_an_hour():
    """Half an hour and an hour are periods, not less than one."""
    assert market_of(funding_period_hours=0.5).funding_interval == timedelta(minutes=30)
    assert market_of(funding_period_hours=1).funding_interval == timedelta(hours=1)
    row = read(schema.FundingData, market="B", created_at=AT, funding_rate="0.1", funding_period_hours="1")
    rate = decode.funding(row, MARKET, NOW, kind=FundingKind.CURRENT, source="x")
    assert rate.period == timedelta(hours=1)


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


def test_a_base_is_the_row_s_where_the_symbol_has_another_form():
    """The symbol is cut only where its end is the quote currency's."""
    assert market_of(symbol="ETH-PERP").instrument.base == "ETH"
    assert market_of(symbol="kPEPE-USD-PERP", base_currency="PEPE").instrument.base == "kPEPE"


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


def test_a_market_opens_at_its_moment_and_ends_at_its_expiry():
    """Open from the very millisecond, settled from the very millisecond."""
    now = int(NOW.timestamp()) * 1000
    assert market_of(open_at=now).status is MarketStatus.OPEN
    assert market_of(open_at=now + 1).status is MarketStatus.SETTLED
    assert market_of(expiry_at=now).status is MarketStatus.SETTLED
    assert market_of(expiry_at=now + 1).status is MarketStatus.OPEN


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


def test_a_market_that_can_t_be_names_the_field():
    """The message says which rule of which market, and not the model's inner address."""
    with pytest.raises(
        DecodeError, match=r"^paradex: market ETH-USD-PERP: tick_size: [^\n]*greater than 0[^\n]*$"
    ) as caught:
        market_of(price_tick_size="0")
    assert caught.value.venue == "paradex"


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


def test_a_price_that_is_not_there_is_none_and_never_zero():
    """Blank and '0' both mean that nobody quotes."""
    row = read(schema.MarketSummary, symbol="BTC-USD-PERP", created_at=1, bid="", ask="0", last_traded_price="0")
    ticker = decode.ticker(row, MARKET, NOW)
    assert (ticker.bid_price, ticker.ask_price, ticker.last_price, ticker.mark_price) == (None, None, None, None)


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


def test_a_recorded_bar_is_exact(recorded):
    """JSON numbers with a fraction are read as decimals, not as floats."""
    row = wire.read(schema.Results[schema.Kline], json.dumps(recorded["fetchOHLCV"]), what="bars").results[0]
    bar = decode.candle(row, MARKET, timedelta(minutes=1))
    assert (str(bar.open), str(bar.close), bar.volume) == ("60823.3", "60823.3", 4561)
    assert bar.opened_at == datetime(2024, 7, 3, 8, 1, tzinfo=UTC)


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


def test_a_running_rate_is_for_the_market_s_own_period():
    """0.0004 for 4 hours is 0.0001 an hour; positive means that longs pay. It has no next time: it accrues."""
    row = read(schema.MarketSummary, **{**SUMMARY, "funding_rate": "0.0004"})
    rate = decode.funding_from_summary(row, make_market(funding_interval=timedelta(hours=4)), NOW)
    assert (rate.value, rate.period, rate.hourly) == (Decimal("0.0004"), timedelta(hours=4), Decimal("0.0001"))
    assert rate.next_at is None


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


# The system


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
