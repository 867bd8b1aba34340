"""A broken plugin; see its class."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from perpkit.adapters.extended.venue import ExtendedVenue
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import Order, OrderIntent, TimeInForce
from tests.conformance.bank.registry import broken


@broken(
    rules="nothing-frozen-at-import",
    knock_on="amends-are-exact order-types-take-effect signatures-verify wire-numbers-canonical",
    checks="ST6 OR19",
)
class DefaultExpiryFromImport(ExtendedVenue):
    """Works out the expiry of orders that wait for a trigger as the default of an argument, once, at import."""

    @hookimpl
    async def place_order(self, intent: OrderIntent) -> Order:
        """See the class."""
        return await super().place_order(self._with_expiry(intent) if intent.type.has_trigger else intent)

    @staticmethod
    def _with_expiry(
        intent: OrderIntent,
        expires_at: datetime = datetime.now(UTC) + timedelta(hours=1),  # noqa: B008 - this is the bug
    ) -> OrderIntent:
        return intent.replace(time_in_force=TimeInForce.GTD, expires_at=intent.expires_at or expires_at)
