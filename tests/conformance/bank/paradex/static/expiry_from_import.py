"""A broken plugin; see its class."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from perpkit.adapters.paradex.venue import ParadexVenue
from tests.conformance.bank.registry import broken


@broken(rules="nothing-frozen-at-import", checks="ST6 OR19")
class ExpiryFromImport(ParadexVenue):
    """Works out once, when it is imported, until when orders are good."""

    good_until = datetime.now(UTC) + timedelta(hours=1)
