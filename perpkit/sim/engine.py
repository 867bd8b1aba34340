"""
Matching by price and time: which resting order an incoming one meets, how much of it, and when it stops.

The engine decides and calls back; what a trade does to accounts is the caller's (:class:`Desk`).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Protocol

from perpkit.sim.book import OrderBook, crosses
from perpkit.sim.money import ZERO
from perpkit.sim.orders import CloseReason, Order, OrderState, SelfTradePrevention


class Desk(Protocol):
    """What the engine needs of whoever keeps orders and accounts."""

    def reducible(self, order: Order) -> Decimal:
        """How much of a reduce-only order could still reduce the account's position now, base units."""
        ...

    def may_not_meet(self, taker: Order, maker: Order) -> bool:
        """Whether the two must not trade because they belong to the same account or owner."""
        ...

    def execute(self, taker: Order, maker: Order, price: Decimal, size: Decimal) -> None:
        """Carry out a trade: both orders' figures and both accounts. The book has been told already."""
        ...

    def close(self, order: Order, reason: CloseReason) -> None:
        """End an order; take it out of the book if it stands there."""
        ...


def match(book: OrderBook, taker: Order, bound: Decimal | None, desk: Desk) -> None:
    """
    Let an incoming order trade until it is done, over, or meets nothing more at its price.

    Args:
        book: The market's book; the taker does not stand in it.
        taker: The incoming order.
        bound: The worst price that it takes; None for any.
        desk: Carries out the consequences.
    """
    while taker.state is not OrderState.CLOSED and taker.remaining_size > 0:
        maker = book.first_for(taker.side, bound, retail=taker.retail)
        if maker is None:
            return
        if desk.may_not_meet(taker, maker):
            if taker.stp is not SelfTradePrevention.EXPIRE_TAKER:
                desk.close(maker, CloseReason.SELF_TRADE)
            if taker.stp is not SelfTradePrevention.EXPIRE_MAKER:
                desk.close(taker, CloseReason.SELF_TRADE)
            continue
        size = min(_room(maker, desk), _room(taker, desk))
        if size > 0:
            book.shrink(maker, size)
            desk.execute(taker, maker, maker.price or ZERO, size)
        # What a reduce-only order can't use any more must not stand in the way of the next one.
        for order in (maker, taker):
            if order.state is not OrderState.CLOSED and _room(order, desk) <= 0:
                desk.close(order, CloseReason.REDUCE_ONLY_WOULD_INCREASE)


def fillable(book: OrderBook, taker: Order, bound: Decimal | None, desk: Desk) -> Decimal:
    """Return how much of an order could trade at once, up to its remaining size. Changes nothing."""
    found = ZERO
    left_to_reduce: dict[str, Decimal] = {}
    limit = min(taker.remaining_size, desk.reducible(taker)) if taker.reduce_only else taker.remaining_size
    for maker in book.standing(taker.side.opposite):
        if found >= limit or (bound is not None and not crosses(taker.side, bound, maker.price or ZERO)):
            break
        if maker.rpi and not taker.retail:
            continue
        if desk.may_not_meet(taker, maker):
            if taker.stp is SelfTradePrevention.EXPIRE_MAKER:
                continue
            break
        size = maker.remaining_size
        if maker.reduce_only:
            left = left_to_reduce.setdefault(maker.account_id, desk.reducible(maker))
            size = min(size, max(left, ZERO))
            left_to_reduce[maker.account_id] = left - size
        found += size
    return min(found, limit)


def would_cross(book: OrderBook, order: Order) -> bool:
    """Whether a limit order would trade at once; a resting retail order must not cross retail orders either."""
    return book.first_for(order.side, order.price, retail=order.retail or order.rpi) is not None


def _room(order: Order, desk: Desk) -> Decimal:
    return min(order.remaining_size, desk.reducible(order)) if order.reduce_only else order.remaining_size
