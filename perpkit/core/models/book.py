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


def best_first(levels: Iterable[BookLevel], *, is_bid: bool, checked: bool = False) -> BestFirst:
    """
    Bring the levels of one side into a snapshot's order, and leave out those of no size.

    Args:
        is_bid: The highest price is best; the lowest otherwise.
        checked: The caller knows that each has a size and a price above zero, and a list is its own: it is sorted in
            place.

    Raises:
        ValueError: A size below zero, or a price that is not above it; see :func:`possible`.
    """
    if not checked:
        levels = [level for level in possible(levels) if level[1]]
    ordered = levels if type(levels) is list else list(levels)
    ordered.sort(key=_price_of, reverse=is_bid)
    return BestFirst(ordered)


def possible(levels: Iterable[BookLevel]) -> list[BookLevel]:
    """
    Return levels as they are, of a snapshot or of a change.

    Raises:
        ValueError: A size below zero, or a price that is not above it: a book with such a level can't be trusted.
    """
    listed = list(levels)
    for level in listed:
        if impossible(level):
            msg = f"a level of {level[1]} at {level[0]} can't be"
            raise ValueError(msg)
    return listed


def impossible(level: BookLevel) -> bool:
    """Whether no book can have such a level: a size below zero, or a price that is not above it."""
    price, size = level
    return size < 0 or price <= 0


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
