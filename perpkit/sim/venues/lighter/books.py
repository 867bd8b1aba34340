"""
A market's book on the wire: absolute sizes of the levels that changed, at most every 50 ms, chained by nonces.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from perpkit.core.models.order import Side
from perpkit.sim.clock import Scheduled, SimClock
from perpkit.sim.events import BookEvent
from perpkit.sim.market_data import BookView
from perpkit.sim.venues.lighter.listing import Listing
from perpkit.sim.venues.lighter.records import BookCount
from perpkit.sim.venues.lighter.wire_markets import levels

BATCH_MS = 50
_OFFSET_STEPS = (1, 1, 3)
"""By how much an offset grows, in turn. It is one server's and leaves numbers out (documentation)."""


class BookFeed:
    """
    One market's changes, shared by its subscribers.

    Args:
        count: The book's numbers; the nonce in it moves on before a change gets here.
        publish: Sends the body of an update to every subscriber.
    """

    def __init__(self, count: BookCount, clock: SimClock, publish: Callable[[dict[str, Any]], None]) -> None:
        self._count = count
        self._clock = clock
        self._publish = publish
        self._changes: dict[tuple[Side, Decimal], Decimal] = {}
        self._nonce = count.nonce
        self._offset_steps = itertools.cycle(_OFFSET_STEPS)
        self._offset = 1_558_000
        self._changed_ms = 0
        self._sent_at_ms = clock.now_ms() - BATCH_MS
        self._timer: Scheduled | None = None

    def add(self, event: BookEvent) -> None:
        """Take an event's changes in."""
        for change in event.changes:
            self._changes[change.side, change.price] = change.size
        self._changed_ms = event.time_ms

    def settle(self, listing: Listing) -> None:
        """Send what waits if the batch is due, else when it is."""
        if self._nonce == self._count.nonce:
            return
        due_ms = self._sent_at_ms + BATCH_MS
        if self._clock.now_ms() >= due_ms:
            self.flush(listing)
        elif self._timer is None:
            self._timer = self._clock.call_at_ms(due_ms, lambda: self.flush(listing))

    def flush(self, listing: Listing) -> None:
        """Send what waits."""
        self.stop()
        if self._nonce == self._count.nonce:
            return
        begin = self._count.nonce - 1 if self._count.restarted else self._nonce
        self._count.restarted = False
        self._nonce = self._count.nonce
        self._offset += next(self._offset_steps)
        self._sent_at_ms = self._clock.now_ms()
        changes, self._changes = self._changes, {}

        def side(which: Side) -> list[dict[str, str]]:
            return [
                {"price": listing.price_text(price), "size": listing.size_text(size)}
                for (changed, price), size in changes.items()
                if changed is which
            ]

        self._publish(self._body(side(Side.SELL), side(Side.BUY), self._changed_ms * 1000, begin))

    def snapshot(self, listing: Listing, view: BookView) -> dict[str, Any]:
        """Return what a new subscriber begins with; flush first, for what waits is in it."""
        asks, bids = levels(listing, view.asks), levels(listing, view.bids)
        return self._body(asks, bids, view.updated_at_ms * 1000, 0)

    def stop(self) -> None:
        """Take the feed off the clock."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _body(self, asks: list[Any], bids: list[Any], updated_us: int, begin: int) -> dict[str, Any]:
        return {
            "last_updated_at": updated_us,
            "offset": self._offset,
            "order_book": {
                "code": 0,
                "asks": asks,
                "bids": bids,
                "offset": self._offset,
                "nonce": self._nonce,
                "last_updated_at": updated_us,
                "begin_nonce": begin,
            },
            "timestamp": self._clock.now_ms(),
        }
