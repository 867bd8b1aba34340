"""
Funding: three sources with three units end in one meaning. Each is held against what was paid at it: rate times
notional is the payment.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from perpkit.adapters.lighter import decode, decode_account, schema
from perpkit.core.errors import DecodeError
from perpkit.core.models import FundingKind, PriceKind
from tests.adapters.lighter.conftest import EXAMPLES, NOW, example, make_market, read

D = Decimal
ETH = make_market()
HOUR = timedelta(hours=1)
MARK = D("4000.00")

PAID_PER_BASE = D("0.04800000")
"""What the contract's example says was paid for one ETH in the hour, at a mark of 4000: the figure to come out at."""


def payment(rate):
    """What a position of one ETH pays in an hour at a rate, by the meaning of FundingRate."""
    hours = HOUR / rate.period
    return MARK * rate.value * D(hours)


def test_the_payment_identity_holds_for_the_rates_endpoint():
    """Quoted for 8 hours and exchanged every hour: 0.000096 / 8 x 4000 = 0.048 USDC for one ETH."""
    rows = example("FundingRates", schema.FundingRates).funding_rates
    row = next(each for each in rows if each.exchange == decode.OURS)
    details = read(schema.OrderBookDetail, EXAMPLES["rest"]["OrderBookDetails"]["order_book_details"][0])
    rate = decode.funding_from_rates(row, ETH, NOW, details)
    assert payment(rate) == PAID_PER_BASE
    assert (rate.kind, rate.notional_price, rate.mark_price) == (FundingKind.PREDICTED, PriceKind.MARK, MARK)
    assert rate.hourly == D("0.000012")


def test_the_payment_identity_holds_for_the_history():
    """Percent for the hour: 0.0012 % of 4000 is 0.048, which is the row's own ``value``."""
    first, second = example("Fundings", schema.Fundings).fundings
    paid, received = (decode.settled_funding(each, ETH, NOW) for each in (first, second))
    assert payment(paid) == D(first.value) == PAID_PER_BASE
    assert payment(received) == -D(second.value)
    assert paid.effective_at == datetime(2027, 1, 3, 17, tzinfo=UTC)
    assert {paid.kind, received.kind} == {FundingKind.SETTLED}


def test_the_payment_identity_holds_for_the_stream():
    """Percent for the hour, signed: the running estimate is 0.0011 %, the hour before paid 0.0012 %."""
    frame = read(schema.StatsFrame, EXAMPLES["stream"]["update/market_stats"])
    rate = decode.funding_from_stats(frame.market_stats, frame.timestamp, ETH, NOW)
    assert payment(rate) == D("0.044")
    assert rate.kind is FundingKind.PREDICTED
    settled = D(frame.market_stats.funding_rate) / 100
    assert MARK * settled == PAID_PER_BASE


def test_all_three_sources_give_one_hour_the_same_rate():
    """The same 0.0012 % in their three spellings."""
    from_rates = decode.funding_from_rates(
        read(schema.FundingRate, {"market_id": 0, "exchange": "lighter", "rate": 9.6e-05}), ETH, NOW, None
    )
    row = {"timestamp": 1798995600, "rate": "0.0012", "direction": "long"}
    settled = decode.settled_funding(read(schema.Funding, row), ETH, NOW)
    stats = read(schema.MarketStats, {"market_id": 0, "current_funding_rate": "0.0012"})
    streamed = decode.funding_from_stats(stats, 1798999405300, ETH, NOW)
    assert from_rates.hourly == settled.hourly == streamed.hourly == D("0.000012")
    assert from_rates.annualized == D("0.10512")


def test_a_recorded_rate_keeps_its_digits(recorded):
    """The venue's JSON number is a binary fraction written out; an eighth of it is exact."""
    row = read(schema.FundingRates, recorded["fetchFundingRates"]).funding_rates[0]
    assert decode.funding_from_rates(row, ETH, NOW, None).value == D("0.00001199999999999999875")


@pytest.mark.parametrize("rate", ["", None])
def test_a_market_without_a_rate_has_none_and_costs_the_others_nothing(rate):
    """Neither 0 nor an error: the other rows of the answer are read."""
    rows = [{"market_id": 0, "exchange": "lighter", "rate": rate}, {"market_id": 1, "exchange": "lighter", "rate": 0.8}]
    blank, whole = read(schema.FundingRates, {"funding_rates": rows}).funding_rates
    assert decode.funding_from_rates(blank, ETH, NOW, None) is None
    assert decode.funding_from_rates(whole, ETH, NOW, None).value == D("0.1")


def test_the_direction_is_the_sign():
    """Longs pay where it says long: positive."""
    rates = [
        decode.settled_funding(read(schema.Funding, {"timestamp": 1, "rate": "0.5", "direction": side}), ETH, NOW)
        for side in ("long", "short")
    ]
    assert [each.value for each in rates] == [D("0.005"), D("-0.005")]


@pytest.mark.parametrize("word", ["", "both", "LONG"])
def test_a_direction_that_nobody_knows_is_refused(word):
    """Without it nobody can tell who paid."""
    with pytest.raises(DecodeError, match="direction"):
        decode.settled_funding(read(schema.Funding, {"timestamp": 1, "rate": "1", "direction": word or "?"}), ETH, NOW)


def test_a_frame_without_an_estimate_has_no_rate():
    """Missing is None, never 0, and never the last hour's figure."""
    stats = read(schema.MarketStats, {"market_id": 0, "funding_rate": "0.0012"})
    assert decode.funding_from_stats(stats, 1798999405300, ETH, NOW) is None


def test_the_next_funding_is_the_next_full_hour():
    """The venue names the last one only."""
    assert decode.next_funding(NOW) == NOW.replace(minute=0) + HOUR
    assert decode.next_funding(NOW.replace(minute=0)) == NOW.replace(minute=0) + HOUR


def row(**changes):
    base = EXAMPLES["rest"]["PositionFundings"]["position_fundings"][0]
    return read(schema.PositionFunding, {**base, **changes})


@pytest.mark.parametrize(
    ("side", "change", "rate", "size"),
    [
        ("long", "-0.072000", "0.000012", "1.5"),
        ("long", "0.072000", "-0.000012", "1.5"),
        ("short", "0.072000", "0.000012", "-1.5"),
        ("short", "-0.072000", "-0.000012", "-1.5"),
    ],
)
def test_a_payment_is_minus_rate_times_size_times_price(side, change, rate, size):
    """1.5 ETH at 4000 and 0.0012 % make 0.072 USDC; who paid follows from the change."""
    found = decode_account.funding_payment(row(position_side=side, change=change), ETH, NOW)
    assert (found.amount, found.rate, found.size) == (D(change), D(rate), D(size))
    assert found.amount == -found.rate * found.size * MARK


def test_a_rate_that_the_venue_signs_itself_comes_out_the_same():
    """Its unit was confirmed by arithmetic, its sign by nobody."""
    found = decode_account.funding_payment(row(position_side="long", change="0.072", rate="-0.0012"), ETH, NOW)
    assert found.rate == D("-0.000012")


def test_payments_of_two_markets_never_share_an_id():
    """The venue's number may be that of the hour."""
    one, other = (decode_account.funding_payment(row(market_id=index), ETH, NOW) for index in (0, 1))
    assert one.payment_id != other.payment_id
