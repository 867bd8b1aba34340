"""A broken plugin; see its class."""

from __future__ import annotations

import time

from perpkit.adapters.paradex.venue import ParadexVenue
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import Order, OrderIntent
from tests.conformance.bank.registry import broken


@broken(rules="hooks-are-async", checks="ST4", mistakes="M16")
class BlockingCall(ParadexVenue):
    """Makes everything stand still while an order is signed."""

    @hookimpl
    async def place_order(self, intent: OrderIntent) -> Order:
        """See the class."""
        time.sleep(0.001)  # noqa: ASYNC251 - this is the bug
        return await super().place_order(intent)
