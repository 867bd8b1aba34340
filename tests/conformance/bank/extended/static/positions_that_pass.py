"""A broken plugin; see its class."""

from __future__ import annotations

from perpkit.adapters.extended.venue import ExtendedVenue
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import Position
from tests.conformance.bank.registry import broken


@broken(
    rules="no-placeholders answers-have-their-type",
    knock_on="any-spelling-of-a-number bad-amounts-are-refused broken-snapshots-never-flatten "
    "closed-positions-disappear empty-accounts-parse every-position-is-returned "
    "flips-and-partial-closes funding-payment-identity ledger-identity leverage-is-the-accounts-own "
    "liquidations-are-labelled message-disorder-is-harmless multiplier-agrees-with-prices "
    "old-positions-are-adopted position-pnl-is-exact position-sign-and-size random-histories-agree "
    "ready-after-snapshot reconnect-loses-nothing schema-changes-survive sizes-are-base-units "
    "snapshot-semantics sub-keys-act-for-the-account subscriptions-yield timestamps-plausible "
    "unknown-enum-values-survive",
    checks="ST3 PS1",
    mistakes="M1",
    crashes=True,
)
class PositionsThatPass(ExtendedVenue):
    """Has a hook for positions that does nothing."""

    @hookimpl
    async def fetch_positions(self) -> list[Position]:
        """See the class."""
