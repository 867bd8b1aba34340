"""The account, positions, orders and fills to core models, against recorded answers, examples and arithmetic."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from perpkit.adapters.lighter import decode_account as decode
from perpkit.adapters.lighter import schema
from perpkit.core.errors import DecodeError, RejectReason
from perpkit.core.models import Liquidity, MarginMode, OrderStatus, OrderType, Side, TimeInForce
from tests.adapters.lighter.conftest import EXAMPLES, LIFE, NOW, example, make_listing, make_market, read

D = Decimal
ETH = make_market()
LISTING = make_listing()
ACCOUNT = EXAMPLES["rest"]["DetailedAccounts"]["accounts"][0]
ORDER = EXAMPLES["rest"]["Orders"]["orders"][0]
POSITION = ACCOUNT["positions"][0]
TRADE = EXAMPLES["rest"]["Trades"]["trades"][0]
OURS = 12345


def account(**changes):
    row = read(schema.Account, {**ACCOUNT, **changes})
    return decode.account(row, NOW, lambda each: decode.maintenance_margin(each, LISTING))


def position(**changes):
    return decode.position(read(schema.Position, {**POSITION, **changes}), ETH, NOW)


def order(**changes):
    return decode.order(read(schema.Order, {**ORDER, **changes}), ETH, NOW, life=LIFE)


def fill(account_index=OURS, **changes):
    row = {key: value for key, value in {**TRADE, **changes}.items() if value is not None}
    return decode.fill(read(schema.Trade, row), ETH, NOW, account_index)


# Margins and balances


def test_the_margin_summary_keeps_the_accounts_figures():
    """Equity holds the unrealized PnL, collateral does not: 1000 + 150 = 1150, of which 300 is bound."""
    found = account()
    assert (found.equity, found.free_collateral) == (D(1150), D(850))
    assert (found.initial_margin, found.maintenance_margin) == (D(300), D(72))
    assert found.unrealized_pnl == D(150)
    assert found.account_id == "12345"


def test_an_isolated_position_adds_what_is_set_aside_for_it():
    """The venue's two requirements are those of cross margin alone."""
    isolated = {**POSITION, "margin_mode": 1, "allocated_margin": "400.000000", "position_value": "2000.000000"}
    found = account(positions=[isolated])
    assert found.initial_margin == D(700)
    assert found.maintenance_margin == D(72) + D(2000) * D("0.012")


def test_an_older_server_without_requirements_is_reckoned_from_what_it_has(recorded):
    """What the account is worth and can't use is bound; maintenance is the positions' value at the market's 1.2 %."""
    row = recorded["fetchPositions"]["accounts"][0]
    found = decode.account(read(schema.Account, row), NOW, lambda each: decode.maintenance_margin(each, LISTING))
    assert found.initial_margin == D("15298.072264000002") - D("12582.743947")
    assert found.maintenance_margin == D("54306.566340") * D("0.012")


def test_blank_margins_are_refused_by_name():
    """Sub-accounts are listed with blanks; as zeros they would look bankrupt."""
    with pytest.raises(DecodeError, match="available_balance"):
        account(available_balance="")


def test_the_balance_is_the_collateral_of_perpetuals():
    """The spot wallet of the same asset is another purse."""
    row = read(schema.Account, {**ACCOUNT, "assets": [{**ACCOUNT["assets"][0], "balance": "77.0"}]})
    (usdc,) = decode.balances(row, NOW)
    assert (usdc.asset, usdc.total, usdc.available) == ("USDC", D(1000), D(850))


def test_another_asset_that_counts_as_margin_is_a_balance_too():
    """By what stands as margin of it, not by what is in the wallet."""
    eth = {"symbol": "ETH", "asset_id": 1, "balance": "3.0", "margin_balance": "0.5", "margin_mode": "enabled"}
    row = read(schema.Account, {**ACCOUNT, "assets": [*ACCOUNT["assets"], eth]})
    assert [(each.asset, each.total) for each in decode.balances(row, NOW)] == [("USDC", D(1000)), ("ETH", D("0.5"))]


# Positions and leverage


def test_a_position_is_signed_by_its_sign():
    """``position`` itself is never below zero."""
    assert (position().size, position(sign=-1).size) == (D("1.5"), D("-1.5"))
    found = position()
    assert (found.entry_price, found.unrealized_pnl, found.liquidation_price) == (D(3900), D(150), D("3272.60"))
    assert (found.leverage, found.margin_mode) == (D(20), MarginMode.CROSS)


def test_a_recorded_position_reads_as_ccxt_reads_it(recorded):
    """18.0193 ETH long at 2669.84, 20 times."""
    row = recorded["fetchPositions"]["accounts"][0]["positions"][0]
    found = decode.position(read(schema.Position, row), ETH, NOW)
    assert (found.size, found.entry_price, found.leverage) == (D("18.0193"), D("2669.84"), D(20))


@pytest.mark.parametrize("sign", [1, -1, 0])
def test_a_flat_row_is_flat_whatever_its_sign(sign):
    """The venue sends either."""
    found = position(position="0.0000", sign=sign)
    assert (found.size, found.entry_price, found.liquidation_price) == (D(0), None, None)


@pytest.mark.parametrize("changes", [{"sign": 0}, {"sign": 2}, {"position": "-1.5"}])
def test_a_position_without_a_direction_is_refused(changes):
    """A guess would be wrong by twice its size."""
    with pytest.raises(DecodeError, match="signed size"):
        position(**changes)


@pytest.mark.parametrize(
    ("percent", "leverage"),
    [("5.00", 20), ("2.63", 38), ("10.00", 10), ("100.00", 1), ("14.28", 7), ("33.33", 3), ("2.00", 50)],
)
def test_a_margin_fraction_in_percent_is_a_leverage(percent, leverage):
    """The venue keeps 10,000 / leverage rounded down: 263 is 38 times, 1428 is 7 times."""
    assert position(initial_margin_fraction=percent).leverage == leverage


def test_a_market_never_touched_has_its_default_leverage():
    """500 in 1e-4 is 20 times, cross."""
    found = decode.leverage(None, LISTING, ETH)
    assert (found.leverage, found.margin_mode, found.max_leverage) == (D(20), MarginMode.CROSS, D(50))


def test_fees_are_ticks_of_a_millionth():
    """40 and 280 are the published 0.0040 % and 0.0280 %."""
    row = example("AccountLimits", schema.AccountLimits, current_maker_fee_tick=40, current_taker_fee_tick=280)
    found = decode.trading_fees(row, ETH)
    assert (found.maker, found.taker) == (D("0.00004"), D("0.00028"))


# Orders


def test_an_order_keeps_what_the_venue_says_of_it():
    """0.04 of 0.1 filled for 162 USDC is an average of 4050."""
    found = order()
    assert (found.venue_order_id, found.client_order_id) == ("281476977000123", "1001")
    assert (found.side, found.type, found.status) == (Side.SELL, OrderType.LIMIT, OrderStatus.PARTIALLY_FILLED)
    assert (found.size, found.filled_size, found.remaining_size) == (D("0.1"), D("0.04"), D("0.06"))
    assert (found.price, found.average_price, found.trigger_price) == (D(4050), D(4050), None)
    assert found.created_at == datetime(2027, 1, 3, 18, 3, 21, 152000, tzinfo=UTC)
    assert found.updated_at == datetime(2027, 1, 3, 18, 3, 25, 250648, tzinfo=UTC)


def test_the_side_is_told_by_is_ask_alone():
    """``side`` may be blank."""
    assert order(side="", is_ask=False).side is Side.BUY


@pytest.mark.parametrize("name", ["is_ask", "time_in_force"])
def test_an_order_that_does_not_say_its_side_is_refused(name):
    """The contract requires both fields; a default would make a buy of it, and one that stands for ever."""
    row = {key: value for key, value in ORDER.items() if key != name}
    with pytest.raises(DecodeError, match=name):
        read(schema.Order, row)


def test_times_in_seconds_read_as_those_in_milliseconds():
    """Deployments differ."""
    assert order(created_at=1798999401).created_at == datetime(2027, 1, 3, 18, 3, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("word", "filled", "status", "reason"),
    [
        ("in-progress", "0", OrderStatus.PENDING, None),
        ("pending", "0", OrderStatus.OPEN, None),
        ("open", "0", OrderStatus.OPEN, None),
        ("open", "0.04", OrderStatus.PARTIALLY_FILLED, None),
        ("filled", "0.1", OrderStatus.FILLED, None),
        ("canceled", "0", OrderStatus.CANCELED, None),
        ("canceled", "0.04", OrderStatus.CANCELED, None),
        ("canceled-oco", "0", OrderStatus.CANCELED, None),
        ("canceled-child", "0", OrderStatus.CANCELED, None),
        ("canceled-self-trade", "0", OrderStatus.CANCELED, RejectReason.SELF_TRADE),
        ("canceled-liquidation", "0", OrderStatus.CANCELED, RejectReason.MARGIN),
        ("canceled-not-enough-liquidity", "0.04", OrderStatus.CANCELED, RejectReason.NO_LIQUIDITY),
        ("canceled-expired", "0", OrderStatus.EXPIRED, RejectReason.EXPIRED),
        ("canceled-post-only", "0", OrderStatus.REJECTED, RejectReason.POST_ONLY_WOULD_CROSS),
        ("canceled-reduce-only", "0", OrderStatus.REJECTED, RejectReason.REDUCE_ONLY),
        ("canceled-reduce-only", "0.04", OrderStatus.CANCELED, RejectReason.REDUCE_ONLY),
        ("canceled-position-not-allowed", "0", OrderStatus.REJECTED, RejectReason.POSITION_LIMIT),
        ("canceled-margin-not-allowed", "0", OrderStatus.REJECTED, RejectReason.MARGIN),
        ("canceled-margin-not-allowed", "0.04", OrderStatus.CANCELED, RejectReason.MARGIN),
        ("canceled-too-much-slippage", "0", OrderStatus.REJECTED, RejectReason.PRICE_BAND),
        ("canceled-too-much-slippage", "0.04", OrderStatus.CANCELED, RejectReason.PRICE_BAND),
        ("canceled-invalid-balance", "0", OrderStatus.REJECTED, RejectReason.MARGIN),
    ],
)
def test_every_state_of_the_contract_has_its_meaning(word, filled, status, reason):
    """What was filled was accepted, so the rest of it can only have been canceled."""
    left = str(D("0.1") - D(filled))
    found = order(status=word, filled_base_amount=filled, remaining_base_amount=left)
    assert (found.status, found.reject_reason, found.filled_size) == (status, reason, D(filled))


def test_an_unknown_state_replaces_nothing_that_is_known(caplog):
    """UNKNOWN gives way to anything; the word is reported."""
    with caplog.at_level(logging.WARNING):
        assert order(status="levitating").status is OrderStatus.UNKNOWN
    assert "levitating" in caplog.text


def test_an_unknown_end_is_an_end():
    """A word that begins with canceled is over, whatever the why."""
    found = order(status="canceled-by-the-moon", filled_base_amount="0")
    assert (found.status, found.reject_reason) == (OrderStatus.CANCELED, RejectReason.OTHER)
    assert found.status_message == "canceled-by-the-moon"


@pytest.mark.parametrize(
    ("word", "kind"),
    [
        ("limit", OrderType.LIMIT),
        ("market", OrderType.MARKET),
        ("stop-loss", OrderType.STOP_MARKET),
        ("stop-loss-limit", OrderType.STOP_LIMIT),
        ("take-profit", OrderType.TAKE_PROFIT_MARKET),
        ("take-profit-limit", OrderType.TAKE_PROFIT_LIMIT),
        ("twap", OrderType.LIMIT),
        ("twap-sub", OrderType.LIMIT),
        ("liquidation", OrderType.MARKET),
    ],
)
def test_every_order_type_of_the_contract_is_read(word, kind):
    """A market type's price is its bound, and no limit price."""
    found = order(type=word, trigger_price="4100.00")
    assert found.type is kind
    assert (found.price is None) is not kind.has_price
    assert (found.trigger_price == D(4100)) is kind.has_trigger


@pytest.mark.parametrize(
    ("word", "days", "read_as", "post_only"),
    [
        ("good-till-time", 28, TimeInForce.GTC, False),
        ("good-till-time", 2, TimeInForce.GTD, False),
        ("post-only", 28, TimeInForce.GTC, True),
        ("post-only", 1, TimeInForce.GTD, True),
        ("immediate-or-cancel", 0, TimeInForce.IOC, False),
    ],
)
def test_an_order_that_stands_as_long_as_ours_do_is_good_till_canceled(word, days, read_as, post_only):
    """The venue has none that stand for ever: what perpkit sends without an expiry ends in 28 days."""
    created = 1798999401152
    expiry = created + days * 86_400_000 if days else 0
    found = order(time_in_force=word, created_at=created, order_expiry=expiry)
    assert (found.time_in_force, found.post_only) == (read_as, post_only)


def test_sizes_that_contradict_each_other_are_refused():
    """More can't be filled than was ordered."""
    with pytest.raises(DecodeError, match="281476977000123"):
        order(filled_base_amount="0.2000")


def test_an_order_that_the_sequencer_refused_is_read_from_what_was_signed():
    """No row of it exists; size and price come from the signed integers by the market's decimals."""
    info = read(schema.CreateOrderInfo, json.loads(EXAMPLES["rest"]["EnrichedTx"]["info"]))
    at = datetime(2027, 1, 3, tzinfo=UTC)
    found = decode.refused_order(info, ETH, LISTING, NOW, error="reduce only increases position", at=at)
    assert (found.client_order_id, found.venue_order_id) == ("1001", None)
    assert (found.status, found.reject_reason) == (OrderStatus.REJECTED, RejectReason.REDUCE_ONLY)
    assert (found.side, found.size, found.price) == (Side.SELL, D("0.1"), D(4050))
    assert found.status_message == "reduce only increases position"
    assert found.expires_at == datetime(2027, 1, 15, 8, tzinfo=UTC)


# Fills


def test_a_fill_of_the_maker_pays_the_makers_rate():
    """40 millionths of 162 USDC; our ask was resting, so the taker bought and we sold."""
    found = fill()
    assert (found.side, found.liquidity) == (Side.SELL, Liquidity.MAKER)
    assert found.fee == D("162.000000") * 40 / 1_000_000 == D("0.00648")
    assert (found.venue_order_id, found.client_order_id) == ("281476977000123", "1001")


def test_a_fill_of_the_taker_pays_the_takers_rate():
    """The other account of the same trade."""
    found = fill(777)
    assert (found.side, found.liquidity) == (Side.BUY, Liquidity.TAKER)
    assert found.fee == D("162.000000") * 280 / 1_000_000
    assert (found.venue_order_id, found.client_order_id) == ("562947905630911", None)


def test_a_fee_that_is_left_out_is_zero():
    """Standard accounts pay none."""
    assert fill(maker_fee=None).fee == 0


def test_a_fill_without_its_value_is_reckoned_from_price_and_size():
    """4050 x 0.04 = 162."""
    assert fill(usd_amount=None).fee == D("0.00648")


def test_realized_pnl_is_that_of_our_side():
    """Each side has its own."""
    assert fill(ask_account_pnl="6.000000", bid_account_pnl="-3").realized_pnl == D(6)


def test_a_trade_of_others_is_no_fill_of_ours():
    """A guess at the side would be half wrong."""
    with pytest.raises(DecodeError, match="neither ask_account_id nor bid_account_id"):
        fill(999)


def test_lives_are_compared_across_clocks_that_differ():
    """The expiry comes from our clock, the creation from the venue's: an hour apart changes nothing."""
    created = 1798999401152
    late = created + int((LIFE - timedelta(minutes=30)) / timedelta(milliseconds=1))
    assert order(created_at=created, order_expiry=late).time_in_force is TimeInForce.GTC
