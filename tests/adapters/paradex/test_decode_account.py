"""What an account holds to core models: recorded answers, the contracts' examples, every field."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from perpkit.adapters.paradex import decode_account, schema, wire
from perpkit.core.errors import DecodeError
from perpkit.core.models import (
    MarginMode,
)
from tests.adapters.paradex.conftest import NOW, make_market
from tests.adapters.paradex.payloads import (
    AT,
    MARKET,
    MOMENT,
    account_row,
    position_of,
    read,
    told,
)

# Fees


def test_fees_are_the_market_s_own_and_else_the_account_s():
    """A market without fees of its own takes the account's rate; neither is an error, not a zero."""
    own = make_market(maker_fee=Decimal("-0.00005"), taker_fee=Decimal("0.0003"))
    account = schema.AccountFees(maker_rate="0.0001", taker_rate="0.0004")
    assert decode_account.trading_fees(own, account).taker == Decimal("0.0003")
    assert decode_account.trading_fees(MARKET, account).maker == Decimal("0.0001")
    with pytest.raises(DecodeError, match="neither the market nor the account"):
        decode_account.trading_fees(MARKET, None)


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


# The account


def test_an_account_has_every_field():
    """The equity is the account value; what is free may be less than nothing."""
    assert told(decode_account.account(account_row(), NOW)) == {
        "account_id": "0x49",
        "asset": "USDC",
        "equity": Decimal(105),
        "free_collateral": Decimal(-7),
        "initial_margin": Decimal(63),
        "maintenance_margin": Decimal(31),
        "ts_venue": MOMENT,
        "ts_received": NOW,
    }
    assert decode_account.account(account_row(updated_at=0), NOW).ts_venue is None


def test_a_balance_is_settled_and_only_the_settlement_asset_has_something_free(recorded):
    """The recorded answer has its times as strings."""
    row = wire.read(schema.Results[schema.Balance], json.dumps(recorded["fetchBalance"]), what="b").results[0]
    balance = decode_account.balance(row, account_row(), NOW)
    assert (balance.asset, balance.total) == ("USDC", Decimal("78.544"))
    assert balance.available == -7
    assert balance.ts_venue == datetime(2024, 7, 24, 13, 39, 43, 887_000, tzinfo=UTC)
    assert decode_account.balance(row, account_row(settlement_asset="DIME"), NOW).available is None
    assert decode_account.balance(row, None, NOW).available is None


def test_a_balance_has_every_field():
    """What is free is the margin summary's, for the settlement asset."""
    row = read(schema.Balance, token="USDC", size="78.5", last_updated_at=AT)
    assert told(decode_account.balance(row, account_row(), NOW)) == {
        "asset": "USDC",
        "total": Decimal("78.5"),
        "available": Decimal(-7),
        "ts_venue": MOMENT,
        "ts_received": NOW,
    }


# Positions


def test_a_position_has_every_field():
    """-123.23 less 12.234 of funding is -135.464, and -100 less 3.5 is -103.5."""
    assert position_of().side == "short"
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


@pytest.mark.parametrize("blank", ["", "0"])
def test_an_unreachable_liquidation_price_is_none(blank):
    """Blank or zero: there is none."""
    assert position_of(liquidation_price=blank).liquidation_price is None


def test_a_closed_position_is_flat_whatever_else_the_row_says():
    """The stream reports it once, with size 0."""
    position = position_of(status="CLOSED", size="0")
    assert (position.size, position.entry_price, position.liquidation_price) == (0, None, None)
    assert position_of(status="CLOSED").size == 0


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
    "changes",
    [{"side": "LONG"}, {"size": "0.345"}, {"status": "HALF_OPEN"}, {"side": ""}, {"unrealized_pnl": "NaN"}],
)
def test_a_position_that_contradicts_itself_is_an_error(changes):
    """A sign taken wrong doubles a position instead of closing it."""
    with pytest.raises(DecodeError, match="position BTC-USD-PERP"):
        position_of(**changes)


def margin_entry(**fields):
    return read(schema.MarginEntry, market="B", leverage=10, **fields)


@pytest.mark.parametrize(
    ("row", "leverage", "mode"),
    [
        (margin_entry(margin_type="CROSS"), 10, MarginMode.CROSS),
        (margin_entry(margin_type="CROSS", isolated_margin_leverage=5), 10, MarginMode.CROSS),
        (margin_entry(margin_type="ISOLATED"), 10, MarginMode.ISOLATED),
        (margin_entry(margin_type="ISOLATED", isolated_margin_leverage=0), 10, MarginMode.ISOLATED),
        (margin_entry(margin_type="ISOLATED", isolated_margin_leverage=5), 5, MarginMode.ISOLATED),
        (read(schema.MarginUpdate, leverage=7, margin_type="ISOLATED"), 7, MarginMode.ISOLATED),
        (read(schema.MarginUpdate, leverage=7, margin_type="CROSS"), 7, MarginMode.CROSS),
    ],
)
def test_a_leverage_has_every_field(row, leverage, mode):
    """The account's setting, that of an isolated market where it has one, with the market's own bound."""
    assert told(decode_account.leverage(row, MARKET)) == {
        "market_id": "BTC-USD-PERP@paradex",
        "leverage": Decimal(leverage),
        "margin_mode": mode,
        "max_leverage": Decimal(50),
    }


def test_a_margin_mode_that_is_not_in_the_contract_is_an_error_that_names_the_field():
    """Whose margin is at stake is nothing to guess."""
    with pytest.raises(DecodeError, match="margin_type"):
        decode_account.leverage(margin_entry(margin_type="MIXED"), MARKET)


# Funding


def test_a_funding_payment_has_every_field():
    """Positive is received; in the market's settlement asset."""
    row = read(schema.FundingPayment, id="7", market="BTC-USD-PERP", payment="-34.4", created_at=AT, index="-2819.5")
    assert told(decode_account.funding_payment(row, MARKET, NOW)) == {
        "payment_id": "7",
        "market_id": "BTC-USD-PERP@paradex",
        "amount": Decimal("-34.4"),
        "asset": "USDC",
        "ts_venue": MOMENT,
        "ts_received": NOW,
    }


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
