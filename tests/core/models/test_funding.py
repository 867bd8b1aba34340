"""Funding rates: the same cash flow gives the same figure, whatever period it is quoted for."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from perpkit.core.models import FundingAccrual, FundingKind, FundingRate, PriceKind
from tests.core.builders import BTC, START

rates = st.decimals(min_value="-0.05", max_value="0.05", places=10)
hours = st.sampled_from([1, 2, 4, 8, 12, 24, 120])


def a_rate(value: Decimal | str, period: timedelta) -> FundingRate:
    return FundingRate(
        market_id=BTC,
        value=value,
        period=period,
        kind=FundingKind.CURRENT,
        accrual=FundingAccrual.CONTINUOUS,
        effective_at=START,
        notional_price=PriceKind.MARK,
        source="test",
        ts_received=START,
    )


@pytest.mark.parametrize(
    ("value", "period", "hourly", "annualized"),
    [
        ("0.0001", timedelta(hours=8), "0.0000125", "0.1095"),  # 0.01 % per 8 h, 1,095 times a year
        ("0.0001", timedelta(hours=1), "0.0001", "0.876"),
        ("-0.0012", timedelta(hours=24), "-0.00005", "-0.438"),
        ("0.012", timedelta(hours=120), "0.0001", "0.876"),
        ("0.000001", timedelta(minutes=30), "0.000002", "0.01752"),
    ],
)
def test_a_rate_is_brought_to_an_hour_and_to_a_year(value: str, period: timedelta, hourly: str, annualized: str):
    """By arithmetic: value / hours, and that times 8,760, without compounding."""
    rate = a_rate(value, period)
    assert rate.hourly == Decimal(hourly)
    assert rate.annualized == Decimal(annualized)


@given(hourly=rates, first=hours, second=hours)
def test_the_same_cash_flow_at_any_period_gives_the_same_yearly_figure(hourly: Decimal, first: int, second: int):
    """The x8 and x24 mistakes: quoted for 1, 4, 8 or 120 hours it is one figure."""
    one = a_rate(hourly * first, timedelta(hours=first))
    other = a_rate(hourly * second, timedelta(hours=second))
    assert one.annualized == other.annualized == hourly * 8760
    assert one.hourly == other.hourly == hourly


@given(value=rates, microseconds=st.integers(1, 10**12))
def test_any_period_is_exact_to_the_precision_of_decimals(value: Decimal, microseconds: int):
    """Also one that does not divide an hour."""
    rate = a_rate(value, timedelta(microseconds=microseconds))
    exact = Fraction(value) * Fraction(3_600_000_000, microseconds)
    assert abs(Fraction(rate.hourly) - exact) <= abs(exact) * Fraction(1, 10**27)


@given(value=rates, period=hours)
def test_the_sign_stays(value: Decimal, period: int):
    """Positive means that longs pay, in every derived form."""
    rate = a_rate(value, timedelta(hours=period))
    for derived in (rate.hourly, rate.annualized):
        assert (derived > 0, derived < 0) == (value > 0, value < 0)


@pytest.mark.parametrize("period", [timedelta(0), timedelta(hours=-8)])
def test_a_period_is_longer_than_nothing(period: timedelta):
    """Dividing by it must mean something."""
    with pytest.raises(ValidationError, match="greater than 0"):
        a_rate("0.0001", period)
