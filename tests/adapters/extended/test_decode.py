"""Payloads to models: recorded answers first, then what each field means, and what is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from perpkit.adapters.extended import decode, decode_account, decode_book, schema, wire
from perpkit.core.errors import DecodeError, RejectReason
from perpkit.core.models import (
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
)
from tests.adapters.extended.conftest import NOW, make_market
from tests.adapters.extended.stub import MARKET_ROW


def read(type_, value):
    return wire.read(type_, json.dumps(value), what="a payload")


def at(milliseconds):
    return datetime.fromtimestamp(milliseconds // 1000, UTC) + timedelta(milliseconds=milliseconds % 1000)


def order_row(**changes):
    row = {
        "id": 2051700000000000002,
        "accountId": 104217,
        "externalId": "bot7-000001",
        "market": "BTC-USD",
        "type": "LIMIT",
        "side": "BUY",
        "status": "PARTIALLY_FILLED",
        "price": "83900",
        "averagePrice": "83899.5",
        "qty": "0.02",
        "filledQty": "0.005",
        "cancelledQty": "0",
        "payedFee": "0.0000000000000000",
        "reduceOnly": False,
        "postOnly": True,
        "createdTime": 1788264000100,
        "updatedTime": 1788264003000,
        "timeInForce": "GTT",
        "expireTime": 1788267600100,
    }
    return {**row, **changes}


def order(**changes):
    return decode_account.order(read(schema.Order, order_row(**changes)), make_market(), NOW)


# Recorded


def test_a_recorded_market_has_its_rules(recorded):
    """Tick 1, step 0.00001, least 0.0001, 50x; orders and positions are bounded by value, so no sizes are made up."""
    rows = read(schema.Answer[list[schema.Market]], recorded["fetchMarkets"][0]).data
    market = decode.market(rows[0])
    assert (market.symbol, market.id) == ("BTC-USD", "BTC-USD-PERP@extended")
    assert (market.tick_size, market.step_size, market.min_size) == (1, Decimal("0.00001"), Decimal("0.0001"))
    assert (market.max_leverage, market.initial_margin_fraction) == (50, Decimal("0.02"))
    assert (market.max_open_orders, market.price_band) == (200, Decimal("0.05"))
    assert (market.max_size, market.position_limit, market.maker_fee) == (None, None, None)
    assert (market.funding_interval, market.funding_accrual) == (timedelta(hours=1), FundingAccrual.DISCRETE)
    assert (market.instrument.quote, market.instrument.settle) == ("USD", "USDC")
    assert market.listed_at == at(1752829532673)


def test_a_recorded_ticker_and_its_running_rate(recorded):
    """``nextFundingRate`` is a time, and the rate is for one hour."""
    stats = read(schema.Answer[schema.MarketStats], recorded["fetchTicker"][0]).data
    ticker = decode.ticker(stats, make_market(), NOW)
    assert (ticker.bid_price, ticker.ask_price, ticker.last_price) == (77025, 77026, 77026)
    assert (ticker.mark_price, ticker.index_price) == (Decimal("77006.091897999984"), Decimal("77050.739529925005"))
    assert (ticker.volume_24h, ticker.open_interest) == (Decimal("3027.36710"), Decimal("1491.33012"))
    rate = decode.running_rate(stats, make_market(), NOW)
    assert (rate.value, rate.period, rate.kind) == (Decimal("0.000012"), timedelta(hours=1), FundingKind.PREDICTED)
    assert rate.next_at == at(1777446000000)
    assert (rate.notional_price, rate.effective_at) == (PriceKind.MARK, NOW)
    assert rate.annualized == Decimal("0.000012") * 8760


def test_a_recorded_book_and_bar(recorded):
    """Keys are singular, levels are objects; a bar's time is its start."""
    row = read(schema.Answer[schema.OrderBook], recorded["fetchOrderBook"][0]).data
    book = decode_book.order_book(row, make_market(), NOW)
    assert book.bids == ((76214, Decimal("14.46084")),)
    assert book.asks == ((76215, Decimal("0.11585")),)
    assert (book.sequence, book.ts_venue) == (None, None)
    bars = read(schema.Answer[list[schema.Candle]], recorded["fetchOHLCV"][0]).data
    bar = decode.candle(bars[0], make_market(), timedelta(minutes=1))
    assert (bar.opened_at, bar.close, bar.volume) == (at(1777517880000), Decimal("75657.5"), 0)


def test_recorded_fills_orders_fees_and_leverage(recorded):
    """Ids beyond 2^53 stay whole; our own side, our own id, the fee positive when paid."""
    fills = read(schema.Answer[list[schema.Fill]], recorded["fetchMyTrades"][0]).data
    first, second = (decode_account.fill(row, make_market(), NOW) for row in fills)
    assert (first.fill_id, first.venue_order_id) == ("2052253880279891969", "2052253880279891968")
    assert (first.client_order_id, first.side, first.liquidity) == ("client-order-1", Side.BUY, Liquidity.TAKER)
    assert (first.fee, first.fee_asset) == (Decimal("0.00405"), "USDC")
    assert (second.side, second.liquidity) == (Side.SELL, Liquidity.MAKER)
    one = read(schema.Answer[schema.Order], recorded["fetchOrder"][0]).data
    shown = decode_account.order(one, make_market(), NOW)
    assert (shown.status, shown.filled_size, shown.average_price) == (
        OrderStatus.PARTIALLY_FILLED,
        Decimal("0.004"),
        87700,
    )
    several = read(schema.Answer[list[schema.Order]], recorded["fetchOrder"][1]).data
    assert decode_account.order(several[0], make_market(), NOW).status is OrderStatus.FILLED
    fee = read(schema.Answer[list[schema.Fee]], recorded["fetchTradingFee"][0]).data[0]
    fees = decode_account.fees(fee, make_market())
    assert (fees.maker, fees.taker) == (0, Decimal("0.00025"))
    lever = read(schema.Answer[list[schema.Leverage]], recorded["fetchLeverage"][0]).data[0]
    setting = decode_account.leverage(lever, make_market())
    assert (setting.leverage, setting.margin_mode) == (10, MarginMode.CROSS)


def test_a_recorded_applied_rate_is_settled(recorded):
    """One row an hour, about a second after it."""
    rows = read(schema.Answer[list[schema.FundingRate]], recorded["fetchFundingRateHistory"][0]).data
    rate = decode.applied_rate(rows[0], make_market(), NOW)
    assert (rate.value, rate.kind, rate.hourly) == (Decimal("0.000008"), FundingKind.SETTLED, Decimal("0.000008"))
    assert rate.effective_at == at(1777507201028)


# Markets


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"status": "ACTIVE"}, MarketStatus.OPEN),
        ({"status": "ACTIVE", "isOffHours": True}, MarketStatus.HALTED),
        ({"status": "REDUCE_ONLY"}, MarketStatus.REDUCE_ONLY),
        ({"status": "DELISTED"}, MarketStatus.SETTLED),
        ({"status": "PRELISTED"}, MarketStatus.SETTLED),
        ({"status": "DISABLED"}, MarketStatus.HALTED),
        ({"status": "SOMETHING_NEW"}, MarketStatus.HALTED),
    ],
)
def test_a_markets_status_is_what_it_takes(changes, status):
    """``status`` decides, not ``active``; nobody should trade on a word that is not known."""
    assert decode.market(read(schema.Market, {**MARKET_ROW, **changes})).status is status


def test_a_multiplier_is_split_off():
    """A size of 1000PEPE counts thousands."""
    market = decode.market(read(schema.Market, {**MARKET_ROW, "name": "1000PEPE-USD", "assetName": "1000PEPE"}))
    assert (market.instrument.underlying, market.instrument.multiplier) == ("PEPE", 1000)
    assert market.id == "1000PEPE-USD-PERP@extended"


def test_a_tick_of_zero_is_refused_by_name():
    """A market that can't be is no market."""
    config = {**MARKET_ROW["tradingConfig"], "minPriceChange": "0"}
    with pytest.raises(DecodeError, match="tick_size"):
        decode.market(read(schema.Market, {**MARKET_ROW, "tradingConfig": config}))


@pytest.mark.parametrize("count", ["1e999999999", "1000000000000000000000"])
def test_a_count_beyond_all_reason_is_refused_by_name(count):
    """A number of a billion digits would keep everything else waiting."""
    config = {**MARKET_ROW["tradingConfig"], "maxNumOrders": count}
    with pytest.raises(DecodeError, match=r"market BTC-USD: .* is no count"):
        decode.market(read(schema.Market, {**MARKET_ROW, "tradingConfig": config}))


def test_a_date_of_a_market_that_is_none_is_refused_by_its_name():
    """So that what the log says of a market left out can be found in the listing."""
    with pytest.raises(DecodeError, match="market BTC-USD: 1000000000000000000 ms since 1970 is no date"):
        decode.market(read(schema.Market, {**MARKET_ROW, "createdAt": 10**18}))


def test_a_market_without_a_rate_or_prices_has_none():
    """Zero prices are none; a missing rate is no rate of zero."""
    stats = read(schema.MarketStats, {"bidPrice": "0", "askPrice": "0", "lastPrice": "0"})
    assert decode.running_rate(stats, make_market(), NOW) is None
    ticker = decode.ticker(stats, make_market(), NOW)
    assert (ticker.bid_price, ticker.ask_price, ticker.last_price, ticker.mark_price) == (None, None, None, None)


def test_a_time_in_seconds_is_told_from_one_in_milliseconds():
    """Some documented samples are in seconds; the same instant comes out."""
    assert decode.moment(1788267600) == decode.moment(1788267600000) == at(1788267600000)


def test_bars_of_mark_and_index_prices_have_no_volume():
    """None, and not a volume of zero."""
    row = read(schema.Candle, {"o": "1", "l": "1", "h": "2", "c": "2", "T": 1788263940000})
    assert decode.candle(row, make_market(), timedelta(minutes=1)).volume is None


# Funding


@pytest.mark.parametrize(
    ("side", "rate", "fee", "amount"),
    [
        ("LONG", "0.000013", "-0.088676", "-0.088676"),
        ("SHORT", "0.000013", "0.088676", "0.088676"),
        ("LONG", "-0.000013", "0.088676", "0.088676"),
        ("SHORT", "-0.000013", "-0.088676", "-0.088676"),
        # Were the wire's sign the other way round, longs would still pay a positive rate.
        ("LONG", "0.000013", "0.088676", "-0.088676"),
        ("SHORT", "0.000013", "-0.088676", "0.088676"),
        ("LONG", "0", "0", "0"),
    ],
)
def test_a_payment_is_positive_when_received(side, rate, fee, amount):
    """That longs pay a positive rate is documented; the sign of ``fundingFee`` is not."""
    row = {
        "id": 8341,
        "accountId": 1,
        "market": "BTC-USD",
        "positionId": 2,
        "side": side,
        "size": "0.0812",
        "value": "6821.216",
        "markPrice": "84005.125",
        "fundingFee": fee,
        "fundingRate": rate,
        "paidTime": 1788264001792,
    }
    payment = decode_account.funding_payment(read(schema.FundingPayment, row), make_market(), NOW)
    assert payment.amount == Decimal(amount)
    assert payment.size == Decimal("0.0812") * (1 if side == "LONG" else -1)
    assert (payment.payment_id, payment.asset, payment.period) == ("8341", "USDC", timedelta(hours=1))


# The account


BALANCE = {
    "collateralName": "USD",
    "balance": "7500.250000",
    "status": "ACTIVE",
    "equity": "7612.400000",
    "availableForTrade": "6930.100000",
    "availableForWithdrawal": "6817.950000",
    "unrealisedPnl": "112.150000",
    "initialMargin": "682.300000",
    "marginRatio": "0.05",
    "exposure": "6823.000000",
    "leverage": "0.8963",
    "updatedTime": 1788264000123,
}


def test_a_balance_is_settled_cash_and_a_summary_is_margin():
    """USD on the wire is USDC to users. A ratio of no established unit makes no maintenance margin."""
    row = read(schema.Balance, BALANCE)
    balance = decode_account.balance(row, NOW)
    assert (balance.asset, balance.total, balance.available) == ("USDC", Decimal("7500.25"), Decimal("6930.1"))
    account = decode_account.account(row, "104217", NOW)
    assert (account.equity, account.free_collateral, account.unrealized_pnl) == (
        Decimal("7612.4"),
        Decimal("6930.1"),
        Decimal("112.15"),
    )
    assert account.maintenance_margin is None


@pytest.mark.parametrize(("side", "size"), [("LONG", "0.0812"), ("SHORT", "-0.0812")])
def test_a_positions_side_carries_the_sign(side, size):
    """The wire's size is absolute."""
    row = {
        "id": 1,
        "accountId": 1,
        "market": "BTC-USD",
        "status": "OPENED",
        "side": side,
        "leverage": "10",
        "size": "0.0812",
        "value": "6821.216",
        "openPrice": "82619.0",
        "markPrice": "84005.125",
        "liquidationPrice": "45100.2",
        "unrealisedPnl": "112.556",
        "realisedPnl": "-1.677",
        "adl": "2.5",
        "updatedTime": 1788264000000,
    }
    position = decode_account.position(read(schema.Position, row), make_market(), NOW)
    assert (position.size, position.entry_price, position.leverage) == (Decimal(size), 82619, 10)
    assert (position.unrealized_pnl, position.margin_mode) == (Decimal("112.556"), MarginMode.CROSS)
    # The wire's has fees and funding in it.
    assert position.realized_pnl is None
    assert position.ts_venue == at(1788264000000)
    closed = decode_account.position(read(schema.Position, {**row, "status": "CLOSED"}), make_market(), NOW)
    assert (closed.size, closed.entry_price) == (0, None)
    for bad in ({"size": "-1"}, {"side": "BUY"}, {"status": "HALF"}):
        with pytest.raises(DecodeError):
            decode_account.position(read(schema.Position, {**row, **bad}), make_market(), NOW)


# Orders


def test_an_order_has_every_field():
    """The venue's id, ours, what is filled, and when it expires."""
    shown = order()
    assert (shown.venue_order_id, shown.client_order_id) == ("2051700000000000002", "bot7-000001")
    assert (shown.status, shown.size, shown.filled_size) == (
        OrderStatus.PARTIALLY_FILLED,
        Decimal("0.02"),
        Decimal("0.005"),
    )
    assert (shown.price, shown.average_price, shown.post_only) == (83900, Decimal("83899.5"), True)
    assert (shown.time_in_force, shown.expires_at) == (TimeInForce.GTD, at(1788267600100))
    assert (shown.created_at, shown.updated_at) == (at(1788264000100), at(1788264003000))


@pytest.mark.parametrize(
    ("status", "reason", "filled", "expected", "why"),
    [
        ("NEW", None, "0", OrderStatus.OPEN, None),
        ("NEW", None, "0.01", OrderStatus.PARTIALLY_FILLED, None),
        ("UNTRIGGERED", None, "0", OrderStatus.OPEN, None),
        ("TRIGGERED", None, "0", OrderStatus.OPEN, None),
        ("FILLED", None, "0.02", OrderStatus.FILLED, None),
        ("CANCELLED", None, "0", OrderStatus.CANCELED, None),
        ("CANCELLED", "NONE", "0.01", OrderStatus.CANCELED, None),
        ("CANCELLED", "POST_ONLY_FAILED", "0", OrderStatus.REJECTED, RejectReason.POST_ONLY_WOULD_CROSS),
        ("REJECTED", "POST_ONLY_FAILED", "0", OrderStatus.REJECTED, RejectReason.POST_ONLY_WOULD_CROSS),
        ("CANCELLED", "NO_LIQUIDITY", "0", OrderStatus.CANCELED, RejectReason.NO_LIQUIDITY),
        ("CANCELLED", "NOT_ENOUGH_FUNDS", "0.01", OrderStatus.CANCELED, RejectReason.MARGIN),
        ("REJECTED", "NOT_ENOUGH_FUNDS", "0", OrderStatus.REJECTED, RejectReason.MARGIN),
        ("CANCELLED", "ORDER_REPLACED", "0.01", OrderStatus.CANCELED, None),
        ("CANCELLED", "ACCOUNT_LIQUIDATION", "0", OrderStatus.CANCELED, RejectReason.MARGIN),
        ("EXPIRED", None, "0.01", OrderStatus.EXPIRED, RejectReason.EXPIRED),
        ("UNKNOWN", None, "0", OrderStatus.UNKNOWN, None),
        ("NEW", None, None, OrderStatus.OPEN, None),
        ("FILLED", None, None, OrderStatus.FILLED, None),
    ],
)
def test_every_status_has_its_meaning(status, reason, filled, expected, why):
    """By status, reason and what is filled together; what was filled was never rejected."""
    shown = order(status=status, statusReason=reason, filledQty=filled)
    # Where it is left out, the status says it: nothing yet, or all.
    wanted = Decimal(filled) if filled is not None else Decimal("0.02") if status == "FILLED" else Decimal(0)
    assert (shown.status, shown.reject_reason, shown.filled_size) == (expected, why, wanted)


@pytest.mark.parametrize(
    ("side", "direction", "execution", "expected"),
    [
        ("SELL", "DOWN", "MARKET", OrderType.STOP_MARKET),
        ("SELL", "DOWN", "LIMIT", OrderType.STOP_LIMIT),
        ("SELL", "UP", "MARKET", OrderType.TAKE_PROFIT_MARKET),
        ("BUY", "UP", "LIMIT", OrderType.STOP_LIMIT),
        ("BUY", "DOWN", "LIMIT", OrderType.TAKE_PROFIT_LIMIT),
    ],
)
@pytest.mark.parametrize("spelling", ["direction", "triggerPriceDirection"])
def test_a_conditional_order_is_a_stop_or_takes_profit(side, direction, execution, expected, spelling):
    """By side and direction, which has two spellings; the price of one that executes at market is a bound."""
    trigger = {
        "triggerPrice": "80000",
        "triggerPriceType": "MARK",
        spelling: direction,
        "executionPriceType": execution,
    }
    shown = order(type="CONDITIONAL", side=side, status="UNTRIGGERED", filledQty=None, trigger=trigger)
    assert (shown.type, shown.trigger_price, shown.status) == (expected, 80000, OrderStatus.OPEN)
    assert shown.price == (83900 if execution == "LIMIT" else None)


def test_an_order_for_the_whole_position_reads_as_its_leg():
    """No size and no price of its own; of two legs the stop loss is shown."""
    legs = {
        "takeProfit": {"triggerPrice": "90000", "triggerPriceType": "LAST", "price": "89500", "priceType": "LIMIT"},
        "stopLoss": {"triggerPrice": "80000", "triggerPriceType": "MARK", "price": "76000", "priceType": "MARKET"},
    }
    bare = {
        "type": "TPSL",
        "status": "UNTRIGGERED",
        "qty": "0",
        "price": None,
        "filledQty": None,
        "tpSlType": "POSITION",
    }
    both = order(**bare, **legs)
    assert (both.type, both.trigger_price, both.size) == (OrderType.STOP_MARKET, 80000, 0)
    one = order(**bare, takeProfit=legs["takeProfit"])
    assert (one.type, one.trigger_price) == (OrderType.TAKE_PROFIT_LIMIT, 90000)


@pytest.mark.parametrize(
    "changes",
    [
        {"filledQty": None},
        {"status": "CANCELLED", "filledQty": None},
        {"status": "HALF_OPEN"},
        {"side": "LONG"},
        {"type": "ICEBERG"},
        {"filledQty": "0.03"},
        {"filledQty": "-1"},
    ],
    ids=str,
)
def test_an_order_that_can_t_be_is_refused(changes):
    """Money depends on it."""
    with pytest.raises(DecodeError):
        order(**changes)


def test_kinds_of_fills_are_typed_and_an_unknown_one_is_kept():
    """The stream calls our id otherwise than REST."""
    row = {
        "id": 1,
        "accountId": 1,
        "market": "BTC-USD",
        "orderId": 2,
        "externalOrderId": "mine",
        "side": "SELL",
        "price": "1",
        "qty": "2",
        "value": "2",
        "fee": "-0.1",
        "isTaker": False,
        "createdTime": 1788264002999,
    }
    kinds = {}
    for word in ("TRADE", "LIQUIDATION", "DELEVERAGE", "SOMETHING"):
        kinds[word] = decode_account.fill(read(schema.Fill, {**row, "tradeType": word}), make_market(), NOW)
    assert [each.kind for each in kinds.values()] == [
        FillKind.TRADE,
        FillKind.LIQUIDATION,
        FillKind.ADL,
        FillKind.OTHER,
    ]
    assert kinds["TRADE"].client_order_id == "mine"
    assert kinds["TRADE"].fee == Decimal("-0.1")


# The wire


def test_an_answer_without_data_is_no_empty_list():
    """Unset, so that whoever reads it has to say so."""
    assert read(schema.Answer[list[schema.Position]], {"status": "OK"}).data is msgspec.UNSET
    assert read(schema.Answer[list[schema.Position]], {"status": "OK", "data": None}).data is msgspec.UNSET


@pytest.mark.parametrize("value", ["NaN", "Infinity", "-inf"])
def test_what_is_no_finite_number_is_refused_by_name(value):
    """It would pass every comparison."""
    with pytest.raises(DecodeError, match="equity"):
        read(schema.Balance, {**BALANCE, "equity": value})
