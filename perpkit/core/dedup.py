"""A bounded memory of ids, so that what comes by stream and by REST is delivered once."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)


class SeenIds(Generic[K]):
    """
    Remembers the newest ids, up to a bound; the one added first is forgotten first.

    Seeing an id again does not make it newer: what is repeated without end is not kept at the expense of the rest.

    Args:
        capacity: How many ids are remembered. It has to cover what a backfill's overlap can hold.
    """

    __slots__ = ("_capacity", "_ids", "_order")

    def __init__(self, capacity: int = 100_000) -> None:
        if capacity < 1:
            msg = f"capacity={capacity}: at least one id must be remembered"
            raise ValueError(msg)
        self._capacity = capacity
        self._ids: set[K] = set()
        # A deque beside the set: taking the first key of a dict that only loses first keys gets slower and slower.
        self._order: deque[K] = deque()

    def add(self, key: K) -> bool:
        """Remember an id; return whether it is new."""
        if key in self._ids:
            return False
        if len(self._order) == self._capacity:
            self._ids.discard(self._order.popleft())
        self._ids.add(key)
        self._order.append(key)
        return True

    def __contains__(self, key: object) -> bool:
        return key in self._ids

    def __len__(self) -> int:
        return len(self._ids)
