"""
One stream client, of either protocol: its topics, its numbering, and how a message looks to it.
"""

from __future__ import annotations

from typing import Any

from perpkit.sim.connection import Connection
from perpkit.sim.venues.extended.topics import Topic

PING_INTERVAL_S = 15
PONG_TIMEOUT_S = 10
"""The venue's documented figures."""


class StreamClient(Connection):
    """
    A connected client.

    Args:
        is_v2: Whether it multiplexes topics over JSON-RPC; else its URL is its one topic.

    Attributes:
        topics: What it is subscribed to, by the topic's id.
    """

    def __init__(self, *args: Any, is_v2: bool, **options: Any) -> None:
        super().__init__(*args, **options)
        self.is_v2 = is_v2
        self.topics: dict[str, Topic] = {}
        # One counter for the connection. It moves when a message is queued, so that one left out leaves a gap.
        self._next_seq = 0 if is_v2 else 1

    def push(self, topic: Topic, word: str, data: Any, ts: int, *, name: str | None = None, **extra: Any) -> None:
        """
        Send a message of a topic.

        Args:
            word: What the type says, such as SNAPSHOT or ORDER.
            ts: When, milliseconds since 1970.
            name: What faults match; the topic's id if not given.
            extra: Further members of the envelope.
        """
        frame: dict[str, Any] = {}
        kind = topic.type_on_v2(word) if self.is_v2 else topic.type_on_v1(word)
        if kind is not None:
            frame["type"] = kind
        frame |= {"data": data, "ts": ts, "seq": self._next_seq, **extra}
        if self.is_v2:
            frame["subscription"] = topic.id
        self._next_seq += 1
        self.send(name or topic.id, frame)
