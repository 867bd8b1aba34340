"""
Stamps: the times by which the venue tells an account's orders apart. Each acts as a nonce (documentation of
``signature_timestamp``), so none is given twice, whichever of the program's venues sign for the account.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from weakref import WeakValueDictionary

_MOST_AHEAD_MS = 10_000
"""How far stamps may run ahead of the clock in a burst of orders."""

_KEPT = 10_000


class Stamps:
    """The stamps of one account. May be used from several threads."""

    def __init__(self) -> None:
        self._last = 0
        self._given: dict[int, None] = {}
        self._lock = threading.Lock()

    def next(self, now_ms: int) -> int:
        """Return the stamp of an order that is signed now, milliseconds since 1970."""
        with self._lock:
            after = self._last + 1
            # Only a clock that was set back lies so far behind: its old time would be refused until it comes again.
            stamp = max(now_ms, after) if after - now_ms < _MOST_AHEAD_MS else now_ms
            while stamp in self._given:
                stamp += 1
            self._given[stamp] = None
            if len(self._given) > _KEPT:
                del self._given[next(iter(self._given))]
            self._last = stamp
            return stamp


_SHARED: WeakValueDictionary[Hashable, Stamps] = WeakValueDictionary()
_SHARING = threading.Lock()


def stamps_of(place: str, account: int) -> Stamps:
    """Return the stamps of an account at an address: the same to every venue of the program that has them open."""
    with _SHARING:
        return _SHARED.setdefault((place, account), Stamps())
