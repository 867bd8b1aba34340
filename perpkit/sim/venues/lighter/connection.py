"""
What the venue knows of one WebSocket client: what it listens to, with which tokens, and when it was last heard.
"""

from __future__ import annotations

import asyncio
from typing import Any

from perpkit.sim.connection import Connection as AnyConnection
from perpkit.sim.venues.lighter.channels import Channel

PING_INTERVAL_S = 30.0
SILENCE_S = 120.0
"""A client that sends nothing for so long is let go, however much it is sent. On the event loop's time."""
PROTOCOL_PING_S = 3_600.0
"""The venue keeps sockets alive with frames of its own; pings of the protocol are not what it counts."""


class Connection(AnyConnection):
    """
    A connected client.

    Attributes:
        channels: What it subscribed to, with the deadline of the token that was shown (seconds; None without one).
        heard_at: When its last frame came, on the event loop's time.
        is_readonly: It asked for market data only.
        address: Where it comes from: messages are counted by it, over all of its connections.
    """

    def __init__(self, *args: Any, is_readonly: bool, address: str, **options: Any) -> None:
        super().__init__(*args, **options)
        self.channels: dict[Channel, int | None] = {}
        self.is_readonly = is_readonly
        self.address = address
        self.heard_at = asyncio.get_running_loop().time()
        self._answers: set[int] = set()

    def answer(self, name: str, payload: dict[str, Any]) -> None:
        """Queue a frame that answers a message of the client."""
        self._answers.add(id(payload))
        self.send(name, payload)

    @property
    def inflight(self) -> int:
        """Return how many of the client's messages have an answer that waits to be written."""
        waiting = {id(payload) for _, payload in self._queue}
        self._answers &= waiting
        return len(self._answers)

    @property
    def accounts(self) -> set[int]:
        """Return the accounts that it listens to."""
        return {channel.account for channel in self.channels if channel.account is not None}
