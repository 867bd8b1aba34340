"""Broken plugins: Extended's hourly funding, and a time that looks like a rate."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from decimal import Decimal

from perpkit.adapters.extended.venue import ExtendedVenue
from perpkit.core.clock import to_ms
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import FundingRate, Market
from tests.conformance.bank.registry import broken


class _Rates(ExtendedVenue):
    """Changes each running rate."""

    def rate(self, rate: FundingRate) -> FundingRate:
        """Return the changed rate."""
        raise NotImplementedError

    @hookimpl
    async def fetch_funding_rates(self, markets: Sequence[Market] | None) -> list[FundingRate]:
        """See the class."""
        return [self.rate(each) for each in await super().fetch_funding_rates(markets)]


@broken(
    rules="funding-field-is-the-right-one funding-payment-identity",
    knock_on="funding-annualizes-alike funding-kinds-are-apart funding-sign missing-funding-is-none only-perpetuals",
    checks="FN8 FN4",
)
class NextTimeReadAsRate(_Rates):
    """Reads ``nextFundingRate``, which is the time of the next payment, as the coming rate."""

    def rate(self, rate: FundingRate) -> FundingRate:
        """See the class."""
        return rate if rate.next_at is None else rate.replace(value=Decimal(to_ms(rate.next_at)))


@broken(
    rules="funding-period-per-market",
    knock_on="funding-annualizes-alike funding-payment-identity",
    checks="FN2 FN13",
    mistakes="M18",
)
class EveryEightHours(_Rates):
    """Takes the hourly rate for one of eight hours, as other venues quote it."""

    def rate(self, rate: FundingRate) -> FundingRate:
        """See the class."""
        return rate.replace(period=timedelta(hours=8))
