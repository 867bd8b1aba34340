"""
Books, from schema types to core models: levels are checked one by one, and remembered by their text. Pure but for that
memory: no I/O, no clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal, InvalidOperation

from perpkit.adapters.paradex import schema
from perpkit.adapters.paradex.decode import SIDES, ZERO, exact, moment, refuse
from perpkit.core.errors import DecodeError
from perpkit.core.models import BookDelta, BookLevel, BookSnapshot, Market, best_first
from perpkit.core.models.book import BestFirst, impossible

# Looked up once: these are needed for every frame of a busy stream.
_new_snapshot, _new_delta = BookSnapshot.trusted, BookDelta.trusted


def order_book(row: schema.OrderBook, listed: Market, received: datetime) -> BookSnapshot:
    """Decode a REST book, best levels first."""
    return BookSnapshot.trusted(
        market_id=listed.id,
        bids=_side_of(row.bids, listed, is_bid=True),
        asks=_side_of(row.asks, listed, is_bid=False),
        sequence=row.seq_no,
        ts_venue=moment(row.last_updated_at),
        ts_received=received,
    )


def _side_of(rows: Iterable[tuple[Decimal, Decimal]] | None, listed: Market, *, is_bid: bool) -> BestFirst:
    try:
        return best_first([BookLevel(price, size) for price, size in rows or ()], is_bid=is_bid)
    except ValueError as error:
        raise refuse(f"book of {listed.id}", str(error)) from None


def book_update(row: schema.OrderBookUpdate, listed: Market, received: datetime) -> BookSnapshot | BookDelta:
    """
    Decode a frame of the book's channel.

    ``seq_no`` counts the market's updates, so each frame of the deltas feed follows the one numbered one less.

    Raises:
        DecodeError: It is neither a snapshot nor a change, or a level has no side, a size below zero or a price that is
            not above it.
    """
    bids: list[BookLevel] = []
    asks: list[BookLevel] = []
    levels, any_empty = _levels, False
    add_bid, add_ask, last_at = bids.append, asks.append, levels.last_at.get
    for rows in (row.inserts, row.updates):
        for each in rows or ():
            side, price, size = each.side, each.price, each.size
            last = last_at(price)
            if last is None:
                last = levels.read(price, size)
                any_empty = any_empty or not last.level.size
            elif last.size != size:
                # As in `read`, in place: a quarter of a book is new with each frame.
                try:
                    base = Decimal(size)
                    is_usual = base > ZERO and base.is_finite()
                except InvalidOperation:  # no number, or compared as none
                    is_usual = False
                if is_usual:
                    last.size, last.level = size, _new(BookLevel, (last.price, base))
                else:
                    last = levels.read(price, size)
                    any_empty = True
            if side == "BUY":
                add_bid(last.level)
            elif side == "SELL":
                add_ask(last.level)
            else:
                raise _no_side(side, listed)
    if row.update_type == "s":
        return _new_snapshot(
            market_id=listed.id,
            bids=best_first(bids, is_bid=True, checked=not any_empty),
            asks=best_first(asks, is_bid=False, checked=not any_empty),
            sequence=row.seq_no,
            ts_venue=moment(row.last_updated_at),
            ts_received=received,
        )
    if row.update_type != "d":
        raise refuse(f"book of {listed.id}", f"update_type {row.update_type!r} is neither 's' nor 'd'")
    for each in row.deletes or ():
        if each.side not in SIDES:
            raise _no_side(each.side, listed)
        gone = bids if each.side == "BUY" else asks
        gone.append(BookLevel(exact(each.price), ZERO))
    return _new_delta(
        market_id=listed.id,
        bids=tuple(bids),
        asks=tuple(asks),
        previous_sequence=row.seq_no - 1,
        sequence=row.seq_no,
        ts_venue=moment(row.last_updated_at),
        ts_received=received,
    )


# A named tuple's own constructor takes twice as long, and a book has thirty of them.
_new = tuple.__new__


class _ReadLevel:
    """What was last read at a price: the text of the size, and the level. Fields of a plain class change fastest."""

    __slots__ = ("level", "price", "size")

    def __init__(self, price: Decimal, size: str, level: BookLevel) -> None:
        self.price = price
        self.size = size
        self.level = level


class _Levels:
    """
    What levels were read as, by their price's text. Most of a book stands as it stood a tenth of a second ago.

    Attributes:
        last_at: By a price's text, what was read with it last, if that had a size. The texts of price and size have to
            be the same, so it matters not whose book they come from.
    """

    def __init__(self, most_prices: int = 65_536) -> None:
        self.last_at: dict[str, _ReadLevel] = {}
        self._most = most_prices

    def read(self, price: str, size: str) -> _ReadLevel:
        """Read a level, and remember it if it is the first at its price and not empty."""
        level = BookLevel(exact(price), exact(size))
        if impossible(level):
            raise refuse("a book", f"a level of {size[:40]} at {price[:40]} can't be")
        read = _ReadLevel(level.price, size, level)
        if level.size and price not in self.last_at:
            if len(self.last_at) >= self._most:
                self.last_at.clear()
            self.last_at[price] = read
        return read


_levels = _Levels()


def _no_side(word: str, listed: Market) -> DecodeError:
    return refuse(f"book of {listed.id}", f"a level's side {word!r} is neither BUY nor SELL")
