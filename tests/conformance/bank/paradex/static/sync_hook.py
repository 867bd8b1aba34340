"""A broken plugin; see its class."""

from __future__ import annotations

from perpkit.adapters.paradex.venue import ParadexVenue
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import AccountSummary
from tests.conformance.bank.registry import broken


@broken(rules="hooks-register", checks="ST4", mistakes="M16")
class SyncHook(ParadexVenue):
    """Has a plain function where an async one is due."""

    @hookimpl
    def fetch_account(self) -> AccountSummary:
        """See the class."""
        raise RuntimeError("asked in the wrong way")
