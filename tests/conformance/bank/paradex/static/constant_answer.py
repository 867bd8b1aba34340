"""A broken plugin; see its class."""

from __future__ import annotations

from perpkit.adapters.paradex.venue import ParadexVenue
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import Position
from tests.conformance.bank.registry import broken


@broken(rules="no-placeholders", checks="ST3 PS1", mistakes="M1 M2")
class ConstantAnswer(ParadexVenue):
    """Answers with an empty list whatever the venue says."""

    @hookimpl
    async def fetch_positions(self) -> list[Position]:
        """See the class."""
        return []
