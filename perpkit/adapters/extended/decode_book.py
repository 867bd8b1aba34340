"""
Books to core models: a whole one, and one side of a streamed one with what stands at each price meanwhile.

A change's level holds the change and the size after it. The size after it is what counts, since it heals itself; where
it is missing, the change is added to what stands there.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal, InvalidOperation

from perpkit.adapters.extended import schema
from perpkit.adapters.extended.decode import ZERO, number, refuse
from perpkit.core.errors import DecodeError
from perpkit.core.models import BookLevel, BookSnapshot, Market, best_first

_new = tuple.__new__
"""A named tuple's own constructor takes twice as long."""


def order_book(row: schema.OrderBook, listed: Market, received: datetime) -> BookSnapshot:
    """Decode a REST book, best levels first."""
    return BookSnapshot.trusted(
        market_id=listed.id,
        bids=_side(((each.price, each.qty) for each in row.bid or ()), listed, is_bid=True),
        asks=_side(((each.price, each.qty) for each in row.ask or ()), listed, is_bid=False),
        ts_received=received,
    )


def _side(pairs: Iterable[tuple[Decimal, Decimal]], listed: Market, *, is_bid: bool) -> tuple[BookLevel, ...]:
    """
    Return one side of a book, best first, without levels of no size.

    Raises:
        DecodeError: A size is below zero, or a price is not above it.
    """
    try:
        return best_first((BookLevel(price, size) for price, size in pairs), is_bid=is_bid)
    except ValueError as error:
        raise refuse(f"book of {listed.id}", str(error)) from None


class _Standing:
    """What stands at a price. Fields of a plain class change fastest."""

    __slots__ = ("price", "size")

    def __init__(self, price: Decimal, size: Decimal) -> None:
        self.price = price
        self.size = size


class BookSide:
    """
    One side of one connection's book.

    Args:
        what: Whose it is, for errors.
        most: How many spellings of prices are remembered.
    """

    __slots__ = ("_at", "_by_price", "_is_bid", "_most", "_what")

    def __init__(self, what: str, *, is_bid: bool, most: int = 65_536) -> None:
        self._what = what
        self._is_bid = is_bid
        self._most = most
        self._at: dict[str, _Standing] = {}
        """By a price's text: what stands at it, or stood. The same prices come again and again."""
        self._by_price: dict[Decimal, _Standing] = {}

    def replace(self, levels: Iterable[schema.BookLevel]) -> tuple[BookLevel, ...]:
        """
        Take a snapshot's levels, and return them, best first.

        Raises:
            DecodeError: A size is below zero, or a price is not above it, or either is no finite number.
        """
        read = [BookLevel(number(each.p, self._what), number(each.q, self._what)) for each in levels]
        try:
            ordered = best_first(read, is_bid=self._is_bid)
        except ValueError as error:
            raise refuse(self._what, str(error)) from None
        self._at = {}
        self._by_price = {level.price: _Standing(level.price, level.size) for level in ordered}
        return ordered

    def change(self, levels: Iterable[schema.BookLevel]) -> tuple[BookLevel, ...]:
        """
        Take a change's levels, and return them with the sizes after it.

        Raises:
            DecodeError: As for :meth:`replace`.
        """
        changed = []
        for each in levels:
            text = each.c
            standing = self._at.get(each.p) or self._find(each)
            if text is None:
                size = standing.size + number(each.q, self._what)
            else:
                # As in `number`, in place: nearly all numbers of a busy stream are these.
                try:
                    size = Decimal(text)
                    is_usual = size.is_finite()
                except InvalidOperation:
                    is_usual = False
                if not is_usual:
                    size = number(text, self._what)
            if size < ZERO:
                raise self._impossible(size, standing.price)
            standing.size = size
            changed.append(_new(BookLevel, (standing.price, size)))
        return tuple(changed)

    def _find(self, level: schema.BookLevel) -> _Standing:
        """Return what stands at a price that is new, or written in a new way."""
        price = number(level.p, self._what)
        if price <= ZERO:
            raise self._impossible(level.q if level.c is None else level.c, price)
        if len(self._at) >= self._most:
            self._by_price = {at: each for at, each in self._by_price.items() if each.size}
            self._at = {}
        found = self._by_price.get(price)
        if found is None:
            found = self._by_price[price] = _Standing(price, ZERO)
        self._at[level.p] = found
        return found

    def _impossible(self, size: object, price: Decimal) -> DecodeError:
        return refuse(self._what, f"a level of {size} at {price} can't be")
