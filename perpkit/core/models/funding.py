"""Funding rates with their unit, period and sign in the type, and funding payments."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from enum import StrEnum

from pydantic import Field

from perpkit.core.models.base import Duration, Model, Number, Price, UtcTime
from perpkit.core.models.market import FundingAccrual, MarketId, PriceKind

HOURS_PER_YEAR = 8760
_MICROSECOND = timedelta(microseconds=1)
_HOUR_US = timedelta(hours=1) // _MICROSECOND


class FundingKind(StrEnum):
    """What a rate says: a forecast, what accrues now, what was settled, or one sample of many."""

    PREDICTED = "predicted"
    CURRENT = "current"
    SETTLED = "settled"
    SAMPLE = "sample"
    """One observation. Samples are not settlements and must not be summed."""


class FundingRate(Model):
    """
    A funding rate.

    Attributes:
        value: Fraction of notional for one ``period``. Positive: longs pay shorts.
        period: What ``value`` is for, read from the venue for this market.
        next_at: The next settlement; None on venues that accrue continuously.
        effective_at: When the rate was observed or, for a settled rate, settled.
        notional_price: Which price the notional is taken at.
        funding_index: The venue's cumulative index, in settle units per base unit, where it has one.
        source: Endpoint or channel that it came from.
    """

    market_id: MarketId
    value: Number
    period: Duration = Field(gt=timedelta(0))
    kind: FundingKind
    accrual: FundingAccrual
    next_at: UtcTime | None = None
    effective_at: UtcTime
    notional_price: PriceKind
    mark_price: Price | None = None
    index_price: Price | None = None
    funding_index: Number | None = None
    source: str
    ts_received: UtcTime

    @property
    def hourly(self) -> Decimal:
        """Fraction of notional per hour."""
        return self.value * _HOUR_US / (self.period // _MICROSECOND)

    @property
    def annualized(self) -> Decimal:
        """Fraction of notional per year of 8,760 hours, simple: nothing is compounded."""
        return self.value * (_HOUR_US * HOURS_PER_YEAR) / (self.period // _MICROSECOND)


class FundingPayment(Model):
    """
    Funding that was settled to or from this account.

    Attributes:
        amount: In ``asset``; positive when received.
        rate: The rate it was settled at, where the venue gives it: a fraction for ``period``.
        size: The signed position it was paid on, base units, where the venue gives it.
    """

    payment_id: str
    market_id: MarketId
    amount: Number
    asset: str
    rate: Number | None = None
    period: Duration | None = None
    size: Number | None = None
    ts_venue: UtcTime
    ts_received: UtcTime
