"""A broken plugin; see its class."""

from __future__ import annotations

from perpkit.adapters.paradex.venue import ParadexVenue
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import Market
from tests.conformance.bank.registry import broken


@broken(
    rules="no-placeholders",
    knock_on="cancel-all-keeps-its-scope cancels-are-typed no-auth-across-redirects safety-calls-are-honest",
    checks="ST3",
    mistakes="M1",
)
class EmptyHook(ParadexVenue):
    """Has a hook that does nothing."""

    @hookimpl
    async def cancel_all_orders(self, market: Market | None) -> None:
        """See the class."""
