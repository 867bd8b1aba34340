"""
What the venue knows of one WebSocket client: who it is and what it listens to.
"""

from __future__ import annotations

from typing import Any

from perpkit.sim.connection import QUEUE_LIMIT
from perpkit.sim.connection import Connection as AnyConnection
from perpkit.sim.venues.paradex.auth import Session

__all__ = ["PING_INTERVAL_S", "PONG_TIMEOUT_S", "QUEUE_LIMIT", "Connection"]

PING_INTERVAL_S = 55
PONG_TIMEOUT_S = 5
"""The venue's documented figures."""


class Connection(AnyConnection):
    """
    A connected client.

    Attributes:
        order_ids: Orders placed over this connection; they go with it when cancel-on-disconnect is on.
        markets_filters: Scoped subscriptions: channel to the markets it is limited to.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.session: Session | None = None
        self.cancel_on_disconnect = False
        self.order_ids: set[str] = set()
        self.markets_filters: dict[str, set[str]] = {}
        self.channels: set[str] = set()
