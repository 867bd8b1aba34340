"""Order book messages. The maintained book is in ``core/book.py``."""

from __future__ import annotations

from collections.abc import Iterable
from operator import itemgetter
from typing import NamedTuple

from perpkit.core.models.base import Model, NonNegative, Price, UtcTime
from perpkit.core.models.market import MarketId


class BookLevel(NamedTuple):
    """Price in quote units, size in base units. In a delta, a size of zero removes the level."""

    price: Price
    size: NonNegative


class BestFirst(tuple[BookLevel, ...]):
    """
    The levels of one side, best first, each with a size. Made by :func:`best_first` and nowhere else, so that whoever
    is given one need not look; it equals the tuple of the same levels.
    """

    __slots__ = ()


_price_of = itemgetter(0)


def best_first(levels: Iterable[BookLevel], *, is_bid: bool, some_empty: bool = True) -> BestFirst:
    """
    Bring the levels of one side into a snapshot's order, and leave out those of no size.

    Args:
        is_bid: The highest price is best; the lowest otherwise.
        some_empty: False where the caller knows that each has a size.
    """
    present = [level for level in levels if level[1] > 0] if some_empty else levels
    return BestFirst(sorted(present, key=_price_of, reverse=is_bid))


class BookSnapshot(Model):
    """
    A whole book, or its best levels. It replaces everything held before.

    Attributes:
        bids: Best (highest) first.
        asks: Best (lowest) first.
        sequence: The venue's update number, where it has one.
        conflated: How many updates were folded into this one because the consumer was slow; 0 when none.
    """

    market_id: MarketId
    bids: tuple[BookLevel, ...]
    asks: tuple[BookLevel, ...]
    sequence: int | None = None
    conflated: int = 0
    ts_venue: UtcTime | None = None
    ts_received: UtcTime


class BookDelta(Model):
    """
    Changed levels. Sizes are what stands there now, never the difference.

    Attributes:
        previous_sequence: The number that must have been applied before this; a different one is a gap.
    """

    market_id: MarketId
    bids: tuple[BookLevel, ...]
    asks: tuple[BookLevel, ...]
    previous_sequence: int | None = None
    sequence: int | None = None
    ts_venue: UtcTime | None = None
    ts_received: UtcTime
