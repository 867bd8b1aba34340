"""Broken plugins: three sources of funding rates with three units, one of them unsigned, one with others' rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import msgspec

from perpkit.adapters.lighter import decode, endpoints
from perpkit.adapters.lighter.venue import LighterVenue
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import Event, FundingRate, Market
from perpkit.core.transport.http import HttpReply
from tests.conformance.bank.lighter.shapes import StreamPlugin, WirePlugin
from tests.conformance.bank.registry import broken
from tests.conformance.bank.tamper import TamperedStream


class _History(LighterVenue):
    """Changes each settled hour."""

    def rate(self, rate: FundingRate) -> FundingRate:
        """Return the changed rate."""
        raise NotImplementedError

    @hookimpl
    async def fetch_funding_history(
        self, market: Market, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[FundingRate]:
        """See the class."""
        return [self.rate(each) for each in await super().fetch_funding_history(market, since, until, limit)]


@broken(rules="funding-annualizes-alike", knock_on="funding-history-is-ordered", checks="FN1 FN13 TU4")
class SettledPercentAsFraction(_History):
    """Takes the percent of ``/fundings`` for a fraction."""

    def rate(self, rate: FundingRate) -> FundingRate:
        """See the class."""
        return rate.replace(value=rate.value * 100)


@broken(rules="funding-history-is-ordered", checks="FN3")
class DirectionUnread(_History):
    """Leaves ``direction`` of ``/fundings`` unread, which alone says who paid: every settled rate is positive."""

    def rate(self, rate: FundingRate) -> FundingRate:
        """See the class."""
        return rate.replace(value=abs(rate.value))


@broken(
    rules="funding-payment-identity",
    knock_on="funding-annualizes-alike funding-field-is-the-right-one funding-kinds-are-apart funding-sign "
    "funding-stream-agrees only-perpetuals ratios-are-fractions",
    checks="FN1 FN13",
)
class EightHoursTakenForOne(LighterVenue):
    """Takes the rate of ``/funding-rates``, which is for eight hours, for one of the hour."""

    @hookimpl
    async def fetch_funding_rates(self, markets: Sequence[Market] | None) -> list[FundingRate]:
        """See the class."""
        return [each.replace(value=each.value * 8) for each in await super().fetch_funding_rates(markets)]


@broken(
    rules="only-perpetuals",
    knock_on="funding-annualizes-alike funding-field-is-the-right-one funding-kinds-are-apart "
    "funding-payment-identity funding-sign funding-stream-agrees missing-funding-is-none "
    "ratios-are-fractions",
    checks="FN7",
)
class OthersRatesTaken(WirePlugin):
    """Takes the rows of other exchanges in ``/funding-rates`` for the venue's own."""

    paths = (endpoints.FUNDING_RATES,)

    def came(self, method: str, path: str, reply: HttpReply) -> HttpReply:
        """See the class."""
        try:
            answer = msgspec.json.decode(reply.body)
            rows = answer["funding_rates"]
            others = [{**row, "exchange": decode.OURS} for row in rows if row["exchange"] != decode.OURS]
            taken = {row["market_id"]: row for row in (*rows, *others)}
        except (msgspec.DecodeError, KeyError, TypeError):
            return reply
        return replace(reply, body=msgspec.json.encode({**answer, "funding_rates": list(taken.values())}))


class _PercentStreamed(TamperedStream):
    def event(self, event: Event) -> Event | None:
        return event.replace(value=event.value * 100) if isinstance(event, FundingRate) else event


@broken(
    rules="funding-stream-agrees",
    knock_on="ratios-are-fractions",
    checks="FN6 TU4",
)
class StreamedPercentAsFraction(StreamPlugin):
    """Takes the percent of the stream for a fraction, while REST gives one."""

    stream_type = _PercentStreamed
