"""A broken plugin; see its class."""

from __future__ import annotations

from datetime import datetime, timedelta

from perpkit.adapters.paradex.venue import ParadexVenue
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import Candle, Market, PriceKind
from tests.conformance.bank.registry import broken


@broken(
    rules="no-placeholders",
    knock_on="public-data-is-exact schema-changes-survive timestamps-plausible unknown-enum-values-survive",
    checks="ST3",
    mistakes="M1 M2",
)
class ConstantAnswer(ParadexVenue):
    """Answers with an empty list whatever the venue says."""

    @hookimpl
    async def fetch_candles(
        self, market: Market, interval: timedelta, since: datetime, until: datetime, price_kind: PriceKind
    ) -> list[Candle]:
        """See the class."""
        return []
