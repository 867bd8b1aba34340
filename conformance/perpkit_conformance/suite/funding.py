"""What the tests of funding share: rates set at the exchange, and read from the plugin."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

from perpkit.core.models import FundingRate, Side
from perpkit.core.venue import Venue
from perpkit_conformance.target import Target

HOUR = timedelta(hours=1)


async def live_rates(target: Target, venue: Venue) -> dict[str, FundingRate]:
    """Return the live rate of each of the profile's markets, by perpkit's symbol."""
    return {each.market_id.partition("@")[0]: each for each in await target.run(venue.fetch_funding_rates())}


def set_rates(target: Target, *hourly: str) -> dict[str, Decimal]:
    """Give each market of the profile a rate, for its own period; returns them per hour."""
    given: dict[str, Decimal] = {}
    for name, each in zip(target.profile.markets, hourly * 9, strict=False):
        given[name] = Decimal(each)
        target.control.set_funding_rate(target.symbol_of(name), Decimal(each) * hours_of(target, name))
    return given


def hours_of(target: Target, name: str) -> Decimal:
    """Return how many hours a market's rate is for, by the exchange."""
    return target.control.exchange.funding(target.symbol_of(name)).period_hours


def hold(target: Target, side: Side, size: str = "0.4", market: str | None = None) -> None:
    """Open a position on a quoted book; in the profile's first market unless told otherwise."""
    target.quote(market, size=Decimal(5))
    target.submit(side, size, market=market)
