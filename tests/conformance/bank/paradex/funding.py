"""Broken plugins: funding rates and payments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property

from perpkit.adapters.paradex.venue import ParadexVenue
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import Event, FundingKind, FundingPayment, FundingRate, Market, Position
from tests.conformance.bank.paradex.shapes import StreamPlugin
from tests.conformance.bank.registry import broken
from tests.conformance.bank.tamper import TamperedStream


class _Rates(ParadexVenue):
    """Changes each live rate."""

    def rate(self, rate: FundingRate) -> FundingRate | None:
        """Return the changed rate."""
        raise NotImplementedError

    @hookimpl
    async def fetch_funding_rates(self, markets: Sequence[Market] | None) -> list[FundingRate]:
        """See the class."""
        rates = [self.rate(each) for each in await super().fetch_funding_rates(markets)]
        return [each for each in rates if each is not None]


@broken(
    rules="funding-payment-identity",
    knock_on="funding-annualizes-alike funding-field-is-the-right-one funding-kinds-are-apart "
    "funding-period-per-market funding-sign funding-stream-agrees only-perpetuals ratios-are-fractions",
    checks="FN1 TU4",
)
class PercentAsFraction(_Rates):
    """Hands a percentage on as if it were a fraction."""

    def rate(self, rate: FundingRate) -> FundingRate:
        """See the class."""
        return rate.replace(value=rate.value * 100)


@broken(
    rules="funding-period-per-market",
    knock_on="funding-annualizes-alike funding-payment-identity funding-stream-agrees",
    checks="FN2",
    mistakes="M18",
)
class EightHoursForAll(_Rates):
    """Has the period as a constant."""

    def rate(self, rate: FundingRate) -> FundingRate:
        """See the class."""
        return rate.replace(period=timedelta(hours=8))


@broken(
    rules="funding-sign",
    knock_on="funding-annualizes-alike funding-field-is-the-right-one funding-kinds-are-apart "
    "funding-payment-identity funding-period-per-market funding-stream-agrees only-perpetuals ratios-are-fractions",
    checks="FN3",
)
class ShortsPay(_Rates):
    """Turns the sign of the rate round."""

    def rate(self, rate: FundingRate) -> FundingRate:
        """See the class."""
        return rate.replace(value=-rate.value)


@broken(
    rules="funding-sign",
    knock_on="funding-accrual-is-realized funding-payment-identity funding-payments-exactly-once ledger-identity "
    "random-histories-agree",
    checks="FN3",
)
class PaymentAsCost(ParadexVenue):
    """Shows what was paid as positive."""

    @hookimpl
    async def fetch_funding_payments(
        self, market: Market | None, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[FundingPayment]:
        """See the class."""
        payments = await super().fetch_funding_payments(market, since, until, limit)
        return [each.replace(amount=-each.amount) for each in payments]


@broken(rules="funding-kinds-are-apart", knock_on="funding-stream-agrees", checks="FN4")
class RunningRateCalledSettled(_Rates):
    """Calls the running rate a settled one."""

    def rate(self, rate: FundingRate) -> FundingRate:
        """See the class."""
        return rate.replace(kind=FundingKind.SETTLED)


@broken(rules="funding-kinds-are-apart", checks="FN4")
class LastRateServedAsThePresentOne(_Rates):
    """Serves the rate of an hour ago as the present one."""

    def rate(self, rate: FundingRate) -> FundingRate:
        """See the class."""
        return rate.replace(effective_at=rate.effective_at - timedelta(hours=1))


@broken(rules="funding-next-time", knock_on="timestamps-plausible", checks="FN5")
class NextTimeHasPassed(_Rates):
    """Names a next payment that lies in the past."""

    def rate(self, rate: FundingRate) -> FundingRate:
        """See the class."""
        return rate.replace(next_at=rate.effective_at - timedelta(hours=1))


class _HourlyStream(TamperedStream):
    def event(self, event: Event) -> Event | None:
        return event.replace(value=event.value / 8) if isinstance(event, FundingRate) else event


@broken(rules="funding-stream-agrees", knock_on="funding-period-per-market ratios-are-fractions", checks="FN6")
class StreamedRateIsHourly(StreamPlugin):
    """Brings the stream's rate to an hour and leaves its period at eight."""

    stream_type = _HourlyStream


@broken(
    rules="funding-field-is-the-right-one",
    knock_on="funding-annualizes-alike funding-kinds-are-apart funding-payment-identity funding-period-per-market "
    "funding-sign funding-stream-agrees missing-funding-is-none only-perpetuals ratios-are-fractions "
    "schema-changes-survive",
    checks="FN8",
)
class OpenInterestAsRate(ParadexVenue):
    """Reads another field of the row as the rate."""

    @hookimpl
    async def fetch_funding_rates(self, markets: Sequence[Market] | None) -> list[FundingRate]:
        """See the class."""
        rates = await super().fetch_funding_rates(markets)
        interest = {each.market_id: each.open_interest for each in await super().fetch_tickers()}
        return [each.replace(value=interest.get(each.market_id) or Decimal(0)) for each in rates]


@broken(rules="funding-history-is-ordered", checks="FN9")
class HistoryNewestFirst(ParadexVenue):
    """Hands the history on in the venue's order."""

    @hookimpl
    async def fetch_funding_history(
        self, market: Market, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[FundingRate]:
        """See the class."""
        return (await super().fetch_funding_history(market, since, until, limit))[::-1]


@broken(rules="funding-history-is-ordered", checks="FN9")
class HistoryLimitIgnored(ParadexVenue):
    """Answers with all of the history, whatever limit is asked for."""

    @hookimpl
    async def fetch_funding_history(
        self, market: Market, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[FundingRate]:
        """See the class."""
        return await super().fetch_funding_history(market, since, until, None)


@broken(rules="funding-history-says-what-it-is", checks="FN10")
class SamplesCalledSettlements(ParadexVenue):
    """Calls the samples of a running rate settlements, which may be summed."""

    @hookimpl
    async def fetch_funding_history(
        self, market: Market, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[FundingRate]:
        """See the class."""
        history = await super().fetch_funding_history(market, since, until, limit)
        return [each.replace(kind=FundingKind.SETTLED) for each in history]


@broken(rules="funding-payments-exactly-once", knock_on="ledger-identity random-histories-agree", checks="FN11")
class OnlyTheLastPayment(ParadexVenue):
    """Reads the newest payment of a market and no other."""

    @hookimpl
    async def fetch_funding_payments(
        self, market: Market | None, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[FundingPayment]:
        """See the class."""
        payments = await super().fetch_funding_payments(market, since, until, limit)
        return list({each.market_id: each for each in payments}.values())


@broken(
    rules="funding-accrual-is-realized",
    knock_on="old-positions-are-adopted position-pnl-is-exact random-histories-agree",
    checks="FN12",
)
class AccrualNeverShown(ParadexVenue):
    """Shows no accrued funding on a position that has some."""

    @hookimpl
    async def fetch_positions(self) -> list[Position]:
        """See the class."""
        return [each.replace(accrued_funding=Decimal(0)) for each in await super().fetch_positions()]


@broken(
    rules="funding-annualizes-alike",
    knock_on="funding-payment-identity funding-period-per-market funding-stream-agrees",
    checks="FN13",
)
class EveryRateIsHourly(_Rates):
    """Leaves the figure as it is and says that it is for an hour."""

    def rate(self, rate: FundingRate) -> FundingRate:
        """See the class."""
        return rate.replace(period=timedelta(hours=1))


@broken(rules="missing-funding-is-none", knock_on="only-perpetuals schema-changes-survive", checks="FN14")
class MissingRateIsZero(ParadexVenue):
    """Makes up a rate of 0 for a market that has none."""

    @hookimpl
    async def fetch_funding_rates(self, markets: Sequence[Market] | None) -> list[FundingRate]:
        """See the class."""
        rates = await super().fetch_funding_rates(markets)
        known = {each.market_id for each in rates}
        listed = list(self._context.markets.all.values()) if markets is None else markets
        made_up = [rates[0].replace(market_id=each.id, value=Decimal(0)) for each in listed if each.id not in known]
        return [*rates, *made_up]


@broken(
    rules="funding-kinds-are-apart",
    knock_on="funding-field-is-the-right-one missing-funding-is-none",
    checks="FN4",
)
class FirstRateServedForEver(_Rates):
    """Reads a market's rate once and gives it out as the present one ever after."""

    @cached_property
    def _first(self) -> dict[str, FundingRate]:
        return {}

    def rate(self, rate: FundingRate) -> FundingRate:
        """See the class."""
        return rate.replace(value=self._first.setdefault(rate.market_id, rate).value)
