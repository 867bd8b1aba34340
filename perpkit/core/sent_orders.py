"""What this process has sent, so that an outcome can be resolved from a client order id alone."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime

from perpkit.core.models import OrderIntent

_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class SentOrder:
    """An intent as it was sent, and when sending began."""

    intent: OrderIntent
    at: datetime


class SentOrders:
    """The latest intents sent, by client order id; bounded."""

    def __init__(self) -> None:
        self._by_id: OrderedDict[str, SentOrder] = OrderedDict()

    def remember(self, intent: OrderIntent, at: datetime) -> None:
        """Note an intent before it is sent."""
        if intent.client_order_id is not None:
            self._by_id[intent.client_order_id] = SentOrder(intent, at)
            while len(self._by_id) > _KEPT:
                self._by_id.popitem(last=False)

    def get(self, client_order_id: str | None) -> SentOrder | None:
        """Return what was sent under an id; None when it was not this object, or too long ago."""
        return self._by_id.get(client_order_id) if client_order_id is not None else None
