"""
Book feeds: the first 15 levels as snapshots or deltas, at most every 50 or 100 ms, grouped by a price tick if asked.

On the deltas feed each change of the book is one message whose ``seq_no`` follows the one before, the same number
that REST gives; those of an interval go out together when it ends.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from perpkit.core.models.order import Side
from perpkit.sim.clock import Scheduled, SimClock
from perpkit.sim.events import BookEvent
from perpkit.sim.market_data import BookLevel, BookView, LevelChange
from perpkit.sim.venues.paradex.channels import BookFeed
from perpkit.sim.venues.paradex.listing import number
from perpkit.sim.venues.paradex.wire_markets import group

DEPTH = 15
RESTART_AFTER = 500
"""Deltas waiting for one interval after which the feed starts over with a snapshot: the clock was moved far."""

Window = dict[tuple[Side, Decimal], Decimal]


class BookMirror:
    """One market's book as events tell it, in API clients' view or in retail clients'."""

    def __init__(self, view: BookView) -> None:
        self.market = view.market
        self.sequence = view.sequence
        self.updated_at_ms = view.updated_at_ms
        self._sides: dict[Side, dict[Decimal, Decimal]] = {
            Side.BUY: {level.price: level.size for level in view.bids},
            Side.SELL: {level.price: level.size for level in view.asks},
        }

    def apply(self, sequence: int, changes: tuple[LevelChange, ...], time_ms: int) -> bool:
        """Take an event's changes; tells whether they were new."""
        if sequence <= self.sequence:
            return False
        for change in changes:
            levels = self._sides[change.side]
            if change.size:
                levels[change.price] = change.size
            else:
                levels.pop(change.price, None)
        self.sequence, self.updated_at_ms = sequence, time_ms
        return True

    def levels(self, side: Side, tick: Decimal | None, depth: int = DEPTH) -> list[BookLevel]:
        """Return the best levels of a side, best first."""
        found = sorted(self._sides[side].items(), reverse=side is Side.BUY)
        levels = [BookLevel(price, size) for price, size in (found if tick else found[:depth])]
        return group(levels, tick, side=side)[:depth] if tick else levels


class Feed:
    """
    One book channel, shared by its subscribers.

    Args:
        plain: The book without retail orders; snapshots and deltas show it.
        interactive: The book with them; the interactive feed shows it.
        publish: Sends a message to every subscriber.
    """

    def __init__(
        self,
        spec: BookFeed,
        *,
        plain: BookMirror,
        interactive: BookMirror,
        clock: SimClock,
        publish: Callable[[dict[str, Any]], None],
    ) -> None:
        self.spec = spec
        self._mirror = interactive if spec.feed == "interactive" else plain
        self._plain = plain
        self._interactive = interactive
        self._clock = clock
        self._publish = publish
        self._window = self._show()
        self._waiting: list[dict[str, Any]] = []
        self._is_dirty = False
        self._sent_at_ms = clock.now_ms() - spec.rate_ms
        self._timer: Scheduled | None = None

    def first(self) -> dict[str, Any]:
        """Return the snapshot that a new subscriber begins with. Flush first: what waits for the others is in it."""
        return self._snapshot()

    def changed(self) -> None:
        """Note that the mirror has moved on by one event."""
        if self.spec.feed == "deltas":
            window = self._show()
            self._waiting.append(self._delta(window))
            self._window = window
        self._is_dirty = True

    def settle(self) -> None:
        """Send what waits if the interval has ended, else when it does."""
        if not self._is_dirty:
            return
        due_ms = self._sent_at_ms + self.spec.rate_ms
        if self._clock.now_ms() >= due_ms:
            self.flush()
        elif self._timer is None:
            self._timer = self._clock.call_at_ms(due_ms, self.flush)

    def flush(self) -> None:
        """Send what waits."""
        self.stop()
        if not self._is_dirty:
            return
        if self.spec.feed != "deltas" or len(self._waiting) > RESTART_AFTER:
            messages = [self._snapshot()]
        else:
            messages = self._waiting
        self._waiting = []
        self._is_dirty = False
        self._sent_at_ms = self._clock.now_ms()
        for message in messages:
            self._publish(message)

    def stop(self) -> None:
        """Take the feed off the clock."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _show(self) -> Window:
        tick = self.spec.tick
        return {
            (side, level.price): level.size
            for side in (Side.BUY, Side.SELL)
            for level in self._mirror.levels(side, tick)
        }

    def _snapshot(self) -> dict[str, Any]:
        window = self._show()
        return self._message("s", [_row(key, size) for key, size in window.items()], [], [])

    def _delta(self, window: Window) -> dict[str, Any]:
        before = self._window
        inserts = [_row(key, size) for key, size in window.items() if key not in before]
        updates = [_row(key, size) for key, size in window.items() if before.get(key, size) != size]
        deletes = [_row(key, Decimal(0)) for key in before if key not in window]
        return self._message("d", inserts, updates, deletes)

    def _message(
        self, kind: str, inserts: list[dict[str, str]], updates: list[dict[str, str]], deletes: list[dict[str, str]]
    ) -> dict[str, Any]:
        message: dict[str, Any] = {
            "seq_no": self._mirror.sequence,
            "market": self._mirror.market,
            "last_updated_at": self._mirror.updated_at_ms,
            "update_type": kind,
            "inserts": inserts,
            "updates": updates,
            "deletes": deletes,
        }
        for side, word in ((Side.BUY, "bid"), (Side.SELL, "ask")):
            for mirror, audience in ((self._plain, "api"), (self._interactive, "interactive")):
                for level in mirror.levels(side, None, 1):
                    message[f"best_{word}_{audience}"] = _row((side, level.price), level.size)
        if self.spec.feed == "interactive":
            self._add_spread(message)
        return message

    def _add_spread(self, message: dict[str, Any]) -> None:
        bids, asks = (self._mirror.levels(side, None, 1) for side in (Side.BUY, Side.SELL))
        if bids and asks:
            bid, ask = bids[0].price, asks[0].price
            message["relative_spread"] = number((2 * (ask - bid) / (ask + bid)).quantize(Decimal("0.00000001")))


class MarketBooks:
    """The mirrors and feeds of one market."""

    def __init__(self, plain: BookView, interactive: BookView) -> None:
        self.plain = BookMirror(plain)
        self.interactive = BookMirror(interactive)
        self.feeds: dict[str, Feed] = {}

    def apply(self, event: BookEvent) -> None:
        """Move both views on and let their feeds know."""
        self.interactive.apply(event.sequence, event.interactive_changes, event.time_ms)
        if self.plain.apply(event.sequence, event.changes, event.time_ms):
            for feed in self.feeds.values():
                feed.changed()

    def settle(self) -> None:
        """Let the feeds send what is due."""
        for feed in self.feeds.values():
            feed.settle()


def _row(key: tuple[Side, Decimal], size: Decimal) -> dict[str, str]:
    side, price = key
    return {"side": side.value.upper(), "price": number(price), "size": number(size)}
