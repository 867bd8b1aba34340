"""A broken plugin; see its class."""

from __future__ import annotations

from perpkit.adapters.paradex.venue import ParadexVenue
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import Balance
from tests.conformance.bank.registry import broken


@broken(rules="hooks-register", checks="ST2")
class MisspeltHook(ParadexVenue):
    """Misspells the name of a hook, so that nobody calls it."""

    @hookimpl
    async def fetch_balence(self) -> list[Balance]:
        """See the class."""
        return await super().fetch_balances()
