"""A broken plugin; see its class."""

from __future__ import annotations

from decimal import Decimal

from perpkit.adapters.paradex.venue import ParadexVenue
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import Market, Ticker
from tests.conformance.bank.registry import broken


@broken(rules="no-float-in-code", knock_on="public-data-is-exact", checks="ST5 TU3")
class PriceThroughFloat(ParadexVenue):
    """Takes a price through a float."""

    @hookimpl
    async def fetch_ticker(self, market: Market) -> Ticker:
        """See the class."""
        ticker = await super().fetch_ticker(market)
        if ticker.mark_price is None:
            return ticker
        return ticker.replace(mark_price=Decimal(str(float(ticker.mark_price))))
