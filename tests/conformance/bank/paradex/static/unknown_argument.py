"""A broken plugin; see its class."""

from __future__ import annotations

from perpkit.adapters.paradex.venue import ParadexVenue
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import Market, Ticker
from tests.conformance.bank.registry import broken


@broken(rules="hooks-register", checks="ST2 ST4")
class UnknownArgument(ParadexVenue):
    """Asks for an argument that the hook does not have."""

    @hookimpl
    async def fetch_ticker(self, symbol: Market) -> Ticker:
        """See the class."""
        return await super().fetch_ticker(symbol)
