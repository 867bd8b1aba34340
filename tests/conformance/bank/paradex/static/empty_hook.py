"""A broken plugin; see its class."""

from __future__ import annotations

from perpkit.adapters.paradex.venue import ParadexVenue
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import Balance
from tests.conformance.bank.registry import broken


@broken(rules="no-placeholders answers-have-their-type", checks="ST3 BL1", mistakes="M1")
class EmptyHook(ParadexVenue):
    """Has a hook that does nothing."""

    @hookimpl
    async def fetch_balances(self) -> list[Balance]:
        """See the class."""
