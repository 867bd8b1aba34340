"""
The maintained order book: snapshots and deltas come in, the best levels and the cost of a size come out. It notices
gaps and goes stale at once; it parses nothing and fetches nothing.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from perpkit.core.errors import StreamGapError
from perpkit.core.models import BookDelta, BookLevel, BookSnapshot, MarketId, Side
from perpkit.core.models.book import BestFirst, impossible

_ZERO = Decimal(0)


class BookOutcome(StrEnum):
    """What became of a message."""

    APPLIED = "applied"
    IGNORED = "ignored"
    """Older than what is held, or the same again."""
    BUFFERED = "buffered"
    """There is nothing yet that it could be applied to; it waits for a snapshot."""
    GAP = "gap"
    """It shows that updates were missed, or that the book can't be right. The book is stale from here."""


# Looked up once: on Python 3.11 an enum finds its members slowly, and one is asked for with every update.
_APPLIED, _IGNORED, _BUFFERED, _GAP = BookOutcome.APPLIED, BookOutcome.IGNORED, BookOutcome.BUFFERED, BookOutcome.GAP


@dataclass(frozen=True, slots=True)
class DepthCost:
    """
    What taking a size out of the book would cost.

    Attributes:
        size: Base units that the book holds of what was asked for.
        notional: Sum of price x size over the levels taken, in quote units.
        worst_price: Price of the last level touched; None when the side is empty.
        complete: The book holds all of the size asked for.
    """

    size: Decimal
    notional: Decimal
    worst_price: Decimal | None
    complete: bool

    @property
    def average_price(self) -> Decimal | None:
        """Notional over size, rounded to the decimal context; None when nothing could be taken."""
        return self.notional / self.size if self.size else None


class _Ladder:
    """
    One side. Prices ascend on both sides, so that the best bid is the last and the best ask the first.

    A snapshot is only kept, and sorted in when somebody changes or reads the side: hashing and sorting decimals costs
    more than everything else, and where a venue sends nothing but snapshots nobody may ever ask.
    """

    __slots__ = ("_is_bid", "_kept", "_levels", "_prices")

    def __init__(self, *, is_bid: bool) -> None:
        self._is_bid = is_bid
        self._kept: tuple[BookLevel, ...] | None = None
        # Equal decimals hash the same, so 1.10 finds the level of 1.1.
        self._levels: dict[Decimal, BookLevel] = {}
        self._prices: list[Decimal] = []

    @property
    def levels(self) -> dict[Decimal, BookLevel]:
        self._sort_in()
        return self._levels

    @property
    def prices(self) -> list[Decimal]:
        self._sort_in()
        return self._prices

    def _sort_in(self) -> None:
        if self._kept is not None:
            self._levels = {level[0]: level for level in self._kept if level[1] > _ZERO}
            self._prices = sorted(self._levels)
            self._kept = None

    def replace(self, levels: tuple[BookLevel, ...]) -> BookLevel | None:
        """Take a snapshot's levels; return one that can't be, None where there is none."""
        self._kept = levels
        return None if type(levels) is BestFirst else next(filter(impossible, levels), None)

    def best_price(self) -> Decimal | None:
        kept = self._kept
        if kept is None:
            return self._prices[-1 if self._is_bid else 0] if self._prices else None
        if not kept:
            return None
        if type(kept) is BestFirst:
            return kept[0][0]
        # Whole levels are compared, price first: picking each price takes longer.
        best = max(kept) if self._is_bid else min(kept)
        if best[1] > _ZERO:
            return best[0]
        prices = [level[0] for level in kept if level[1] > _ZERO]
        return (max(prices) if self._is_bid else min(prices)) if prices else None

    def change(self, changes: Iterable[BookLevel]) -> BookLevel | None:
        """Take changed levels; return one that can't be, None where there is none."""
        levels, prices = self.levels, self.prices
        for level in changes:
            price, size = level
            if size > _ZERO:
                # By the count and not by looking first: each look at a decimal hashes it anew.
                before = len(levels)
                levels[price] = level
                if len(levels) != before:
                    if price <= _ZERO:
                        del levels[price]
                        return level
                    insort(prices, price)
            elif size < _ZERO:
                return level
            elif levels.pop(price, None) is not None:
                del prices[bisect_left(prices, price)]
        return None

    def trim(self, depth: int) -> None:
        prices, levels = self.prices, self.levels
        excess = len(prices) - depth
        if excess > 0:
            gone = prices[:excess] if self._is_bid else prices[-excess:]
            del prices[slice(None, excess) if self._is_bid else slice(-excess, None)]
            for price in gone:
                del levels[price]

    def best(self) -> BookLevel | None:
        price = self.best_price()
        return self.levels[price] if price is not None else None

    def top(self, depth: int | None) -> tuple[BookLevel, ...]:
        prices, levels = self.prices, self.levels
        if self._is_bid:
            chosen = prices[::-1] if depth is None else prices[: -depth - 1 : -1]
        else:
            chosen = prices if depth is None else prices[:depth]
        return tuple([levels[price] for price in chosen])


class OrderBook:
    """
    The book of one market, kept up to date by :meth:`apply`.

    Until the first snapshot, and from a gap until the next one, the book is *stale*: reading prices from it raises
    :class:`StreamGapError`, and deltas are kept aside for the snapshot to come.

    How numbers are judged: a delta whose ``sequence`` is not above ours is old. One whose ``previous_sequence`` is
    above ours shows a gap. One that reaches back before ours and beyond it is applied, since sizes are absolute. Where
    a venue has no numbers, nothing can be missed visibly, and everything is applied as it comes.

    A snapshot with a lower number than ours is old when its venue time is not newer either. With a newer time, or
    without times, it is taken as a counter that started again: were it refused, all later deltas would be too.

    Args:
        market_id: Messages of other markets are a programming error.
        depth: Keep so many levels a side, for venues that publish a window and don't tell what leaves it.
        max_buffered: How many deltas wait for a snapshot at most; with more, the oldest are given up.
    """

    __slots__ = (
        "_asks",
        "_bids",
        "_buffer",
        "_depth",
        "_given_up",
        "_market_id",
        "_sequence",
        "_stale_reason",
        "_ts_received",
        "_ts_venue",
    )

    def __init__(self, market_id: MarketId, *, depth: int | None = None, max_buffered: int = 10_000) -> None:
        if depth is not None and depth < 1:
            msg = f"depth={depth}: at least one level must be kept, or None for all"
            raise ValueError(msg)
        self._market_id = market_id
        self._depth = depth
        self._bids = _Ladder(is_bid=True)
        self._asks = _Ladder(is_bid=False)
        self._buffer: deque[BookDelta] = deque(maxlen=max_buffered)
        self._given_up: BookDelta | None = None
        self._stale_reason: str | None = "no snapshot yet"
        self._sequence: int | None = None
        self._ts_venue: datetime | None = None
        self._ts_received: datetime | None = None

    # What comes in

    def apply(self, message: BookSnapshot | BookDelta) -> BookOutcome:
        """Bring a message into the book and say what became of it."""
        if message.market_id != self._market_id:
            msg = f"a message of {message.market_id} came to the book of {self._market_id}"
            raise ValueError(msg)
        # isinstance alone says "no" slowly: pydantic answers it in Python.
        if type(message) is BookSnapshot or not isinstance(message, BookDelta):
            return self._apply_snapshot(message)
        return self._apply_delta(message)

    def mark_stale(self, reason: str) -> None:
        """Say that the book can't be trusted from here, for example because the connection is gone."""
        if self._stale_reason is None:
            self._stale_reason = reason

    def reset(self, reason: str) -> None:
        """Go stale and forget the deltas kept aside: what comes next comes from another connection."""
        self._stale_reason = reason
        self._buffer.clear()
        self._given_up = None

    def _apply_delta(self, delta: BookDelta) -> BookOutcome:
        if self._stale_reason is not None:
            self._keep_aside(delta)
            return _BUFFERED
        held, sequence, previous = self._sequence, delta.sequence, delta.previous_sequence
        if held is not None:
            if sequence is not None and sequence <= held:
                return _IGNORED
            if previous is not None and previous > held:
                self._stale_reason = f"gap: the update after {previous} came, {held} is held"
                self._keep_aside(delta)
                return _GAP
        wrong = self._bids.change(delta.bids) or self._asks.change(delta.asks)
        return self._settle(delta) if wrong is None else self._refuse(wrong)

    def _apply_snapshot(self, snapshot: BookSnapshot) -> BookOutcome:
        if self._is_old(snapshot):
            if self._stale_reason is None:
                return _IGNORED
            self._stale_reason = f"the snapshot {snapshot.sequence} is older than {self._sequence}, held before"
            return _GAP
        # Only now: an old snapshot must not lower the mark that later ones are judged by.
        self._sequence = None
        wrong = self._bids.replace(snapshot.bids) or self._asks.replace(snapshot.asks)
        self._stale_reason = None
        outcome = self._settle(snapshot) if wrong is None else self._refuse(wrong)
        if not self._buffer and self._given_up is None:
            return outcome
        waiting, given_up = list(self._buffer), self._given_up
        self._buffer.clear()
        self._given_up = None
        if outcome is _GAP:
            return outcome
        if given_up is not None and self._comes_after(given_up, snapshot):
            self._stale_reason = "too many updates came before the snapshot"
            return _GAP
        for position, delta in enumerate(waiting):
            if self._comes_after(delta, snapshot) and self._apply_delta(delta) is _GAP:
                self._buffer.extend(waiting[position + 1 :])
                return _GAP
        return _APPLIED

    def _is_old(self, snapshot: BookSnapshot) -> bool:
        sequence, held = snapshot.sequence, self._sequence
        if sequence is None or held is None or sequence > held:
            return False
        if sequence == held and self._stale_reason is not None:
            return False
        if snapshot.ts_venue is None or self._ts_venue is None:
            return sequence == held
        return snapshot.ts_venue <= self._ts_venue

    @staticmethod
    def _comes_after(delta: BookDelta, snapshot: BookSnapshot) -> bool:
        """Whether a delta that arrived before the snapshot is nevertheless newer (REST snapshots overtake nothing)."""
        if delta.sequence is not None and snapshot.sequence is not None:
            return delta.sequence > snapshot.sequence
        if delta.ts_venue is not None and snapshot.ts_venue is not None:
            return delta.ts_venue > snapshot.ts_venue
        return False

    def _keep_aside(self, delta: BookDelta) -> None:
        if len(self._buffer) == self._buffer.maxlen:
            self._given_up = self._buffer[0] if self._buffer else delta
        self._buffer.append(delta)

    def _refuse(self, level: BookLevel) -> BookOutcome:
        """Go stale over a level that can't be: a book that was told of it is not the venue's."""
        self._stale_reason = f"a level of {level.size} at {level.price} can't be"
        return _GAP

    def _settle(self, message: BookSnapshot | BookDelta) -> BookOutcome:
        sequence, ts_venue = message.sequence, message.ts_venue
        if sequence is not None:
            self._sequence = sequence
        if ts_venue is not None:
            self._ts_venue = ts_venue
        self._ts_received = message.ts_received
        bid, ask = self._bids.best_price(), self._asks.best_price()
        if bid is not None and ask is not None and bid >= ask:
            self._stale_reason = f"crossed: best bid {bid} is not below best ask {ask}"
            return _GAP
        if self._depth is not None:
            self._bids.trim(self._depth)
            self._asks.trim(self._depth)
        return _APPLIED

    # What goes out

    @property
    def market_id(self) -> MarketId:
        """The market's text form."""
        return self._market_id

    @property
    def is_stale(self) -> bool:
        """Whether prices can't be read now."""
        return self._stale_reason is not None

    @property
    def stale_reason(self) -> str | None:
        """Why the book is stale; None when it isn't."""
        return self._stale_reason

    @property
    def sequence(self) -> int | None:
        """The venue's number of the last update applied."""
        return self._sequence

    @property
    def ts_venue(self) -> datetime | None:
        """The venue's time of the last update that had one."""
        return self._ts_venue

    @property
    def best_bid(self) -> BookLevel | None:
        """The highest bid; None when there is none."""
        self._require_fresh()
        return self._bids.best()

    @property
    def best_ask(self) -> BookLevel | None:
        """The lowest ask; None when there is none."""
        self._require_fresh()
        return self._asks.best()

    @property
    def mid_price(self) -> Decimal | None:
        """Halfway between best bid and best ask; None when a side is empty."""
        bid, ask = self.best_bid, self.best_ask
        return (bid.price + ask.price) / 2 if bid and ask else None

    def bids(self, depth: int | None = None) -> tuple[BookLevel, ...]:
        """Return the bids, highest first, at most ``depth`` of them."""
        self._require_fresh()
        return self._bids.top(depth)

    def asks(self, depth: int | None = None) -> tuple[BookLevel, ...]:
        """Return the asks, lowest first, at most ``depth`` of them."""
        self._require_fresh()
        return self._asks.top(depth)

    def cost(self, side: Side, size: Decimal) -> DepthCost:
        """
        Return what a taker of ``size`` base units would pay or get, fees left out.

        Args:
            side: The taker's side: BUY takes asks, SELL takes bids.
            size: Above zero.

        Raises:
            StreamGapError: The book is stale.
            ValueError: The size is not a positive finite number.
        """
        if not size.is_finite() or size <= _ZERO:
            msg = f"size={size}: a positive finite number of base units is needed"
            raise ValueError(msg)
        self._require_fresh()
        ladder = self._asks if side is Side.BUY else self._bids
        prices = ladder.prices if side is Side.BUY else reversed(ladder.prices)
        left, notional, worst = size, _ZERO, None
        for price in prices:
            taken = min(left, ladder.levels[price].size)
            notional += price * taken
            left -= taken
            worst = price
            if not left:
                break
        return DepthCost(size=size - left, notional=notional, worst_price=worst, complete=not left)

    def snapshot(self, *, depth: int | None = None, conflated: int = 0) -> BookSnapshot:
        """Return the book as a message; ``conflated`` says how many updates were folded into it."""
        self._require_fresh()
        if self._ts_received is None:  # impossible while fresh; keeps the type honest
            msg = f"the book of {self._market_id} has no time of receipt"
            raise StreamGapError(msg)
        return BookSnapshot.trusted(
            market_id=self._market_id,
            bids=self._bids.top(depth),
            asks=self._asks.top(depth),
            sequence=self._sequence,
            conflated=conflated,
            ts_venue=self._ts_venue,
            ts_received=self._ts_received,
        )

    def _require_fresh(self) -> None:
        if self._stale_reason is not None:
            msg = f"the book of {self._market_id} is stale ({self._stale_reason}); wait for its next snapshot"
            raise StreamGapError(msg, operation="read book")

    def __repr__(self) -> str:
        if self._stale_reason is not None:
            return f"<OrderBook {self._market_id} stale: {self._stale_reason}>"
        return f"<OrderBook {self._market_id} {len(self._bids.prices)}x{len(self._asks.prices)} at {self._sequence}>"
