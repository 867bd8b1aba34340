"""
Book feeds: a snapshot, then changes with the size that results, at most every 100 ms, and a snapshot each minute; or
the best bid and ask as they are, at most every 10 ms.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from perpkit.core.models.order import Side
from perpkit.sim.clock import Scheduled, SimClock
from perpkit.sim.market_data import BookView
from perpkit.sim.venues.extended.numbers import number

FULL_EVERY_MS = 100
BEST_EVERY_MS = 10
SNAPSHOT_EVERY = timedelta(minutes=1)

Window = dict[Side, dict[Decimal, Decimal]]
Publish = Callable[[str, dict[str, Any]], None]
"""Sends a book message to every subscriber: SNAPSHOT or DELTA, and its data."""


class BookFeed:
    """
    One market's book as its subscribers have been told it.

    Args:
        depth: ``full`` or ``1``.
        read: Returns the book as it is.
        publish: Tells the subscribers.
    """

    def __init__(
        self, market: str, depth: str, read: Callable[[], BookView], clock: SimClock, publish: Publish
    ) -> None:
        self._market = market
        self._is_full = depth == "full"
        self._every_ms = FULL_EVERY_MS if self._is_full else BEST_EVERY_MS
        self._read = read
        self._clock = clock
        self._publish = publish
        self._told = self._window()
        self._told_at_ms = clock.now_ms() - self._every_ms
        self._due: Scheduled | None = None
        self._minute = clock.every(SNAPSHOT_EVERY, self._renew, coalesce=True) if self._is_full else None

    def changed(self) -> None:
        """Note that the book has changed; tell if the interval has passed, else when it has."""
        due_ms = self._told_at_ms + self._every_ms
        if self._clock.now_ms() >= due_ms:
            self.flush()
        elif self._due is None:
            self._due = self._clock.call_at_ms(due_ms, self.flush)

    def flush(self) -> None:
        """Tell what has changed since the last message; nothing if nothing has."""
        self._cancel_due()
        window = self._window()
        if window == self._told:
            return
        before, self._told = self._told, window
        self._told_at_ms = self._clock.now_ms()
        if self._is_full:
            self._publish("DELTA", self._delta(before, window))
        else:
            self._publish("SNAPSHOT", self.snapshot())

    def snapshot(self) -> dict[str, Any]:
        """Return the book as it was last told. Flush first."""
        bids, asks = (
            [{"q": number(size), "p": number(price)} for price, size in self._told[side].items()]
            for side in (Side.BUY, Side.SELL)
        )
        return self._message("SNAPSHOT", bids, asks)

    def stop(self) -> None:
        """Take the feed off the clock."""
        self._cancel_due()
        if self._minute is not None:
            self._minute.cancel()

    def _renew(self) -> None:
        self.flush()
        self._publish("SNAPSHOT", self.snapshot())

    def _cancel_due(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _window(self) -> Window:
        view = self._read()
        depth = None if self._is_full else 1
        return {
            Side.BUY: {level.price: level.size for level in view.bids[:depth]},
            Side.SELL: {level.price: level.size for level in view.asks[:depth]},
        }

    def _delta(self, before: Window, after: Window) -> dict[str, Any]:
        rows: dict[Side, list[dict[str, str]]] = {}
        for side in (Side.BUY, Side.SELL):
            old, new = before[side], after[side]
            touched = sorted(
                {price for price in (*old, *new) if old.get(price) != new.get(price)}, reverse=side is Side.BUY
            )
            rows[side] = [_change(price, old.get(price, Decimal(0)), new.get(price, Decimal(0))) for price in touched]
        return self._message("DELTA", rows[Side.BUY], rows[Side.SELL])

    def _message(self, kind: str, bids: list[dict[str, str]], asks: list[dict[str, str]]) -> dict[str, Any]:
        return {"t": kind, "m": self._market, "b": bids, "a": asks}


def _change(price: Decimal, before: Decimal, after: Decimal) -> dict[str, str]:
    """Return a changed level: ``q`` is the change, ``c`` what stands now."""
    return {"q": number(after - before), "p": number(price), "c": number(after)}
