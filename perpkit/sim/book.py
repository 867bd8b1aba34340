"""
One market's resting orders, by price and then by time. It keeps them; who trades with whom is the engine's to decide.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

from perpkit.sim.market_data import BookLevel, LevelChange
from perpkit.sim.money import ZERO
from perpkit.sim.orders import Order, Side


@dataclass(slots=True)
class _Level:
    orders: dict[str, Order] = field(default_factory=dict)  # in order of arrival
    public_size: Decimal = ZERO
    retail_size: Decimal = ZERO

    @property
    def size(self) -> Decimal:
        return self.public_size + self.retail_size


@dataclass(slots=True)
class _Half:
    side: Side
    levels: dict[Decimal, _Level] = field(default_factory=dict)
    prices: list[Decimal] = field(default_factory=list)  # ascending

    def best_first(self) -> Iterator[Decimal]:
        return reversed(self.prices) if self.side is Side.BUY else iter(self.prices)


@dataclass(frozen=True, slots=True)
class BookChanges:
    """What changed since the last look; ``public`` without the retail orders, ``interactive`` with them."""

    public: tuple[LevelChange, ...]
    interactive: tuple[LevelChange, ...]


class OrderBook:
    """
    The book of one market.

    Attributes:
        sequence: Counts the times that :meth:`take_changes` found any.
        updated_at_ms: When that was last so.
    """

    def __init__(self) -> None:
        self._halves = {Side.BUY: _Half(Side.BUY), Side.SELL: _Half(Side.SELL)}
        self._touched: dict[tuple[Side, Decimal], tuple[Decimal, Decimal]] = {}
        self.sequence = 0
        self.updated_at_ms = 0

    def add(self, order: Order) -> None:
        """Put an order behind those that stand at its price. Its ``remaining_size`` is what stands."""
        price = _price_of(order)
        half = self._halves[order.side]
        level = half.levels.get(price)
        self._touch(order.side, price, level)
        if level is None:
            level = half.levels[price] = _Level()
            insort(half.prices, price)
        level.orders[order.id] = order
        self._grow(level, order, order.remaining_size)

    def remove(self, order: Order) -> None:
        """Take an order out, with what remains of it."""
        price = _price_of(order)
        half = self._halves[order.side]
        level = half.levels[price]
        self._touch(order.side, price, level)
        del level.orders[order.id]
        self._grow(level, order, -order.remaining_size)
        if not level.orders:
            del half.levels[price]
            del half.prices[bisect_left(half.prices, price)]

    def shrink(self, order: Order, by: Decimal) -> None:
        """Note that so much less of an order stands; called before the order's own figures change."""
        level = self._halves[order.side].levels[_price_of(order)]
        self._touch(order.side, _price_of(order), level)
        self._grow(level, order, -by)

    def holds(self, order: Order) -> bool:
        """Whether the order stands here."""
        level = self._halves[order.side].levels.get(order.price) if order.price is not None else None
        return level is not None and order.id in level.orders

    def standing(self, side: Side) -> Iterator[Order]:
        """Yield a side's orders, best price first, oldest first at a price. Not to be changed meanwhile."""
        half = self._halves[side]
        for price in half.best_first():
            yield from half.levels[price].orders.values()

    def first_for(self, taker_side: Side, bound: Decimal | None, *, retail: bool) -> Order | None:
        """
        Return the order that a taker meets first, None when there is none.

        Args:
            taker_side: The taker's side.
            bound: The worst price that it takes; None for any.
            retail: Whether it may hit retail orders.
        """
        half = self._halves[taker_side.opposite]
        for price in half.best_first():
            if bound is not None and not crosses(taker_side, bound, price):
                return None
            for order in half.levels[price].orders.values():
                if retail or not order.rpi:
                    return order
        return None

    def best(self, side: Side, *, interactive: bool = False) -> BookLevel | None:
        """Return the best level of a side; with ``interactive`` retail orders count."""
        return next(self._shown(side, interactive), None)

    def levels(self, side: Side, depth: int | None = None, *, interactive: bool = False) -> tuple[BookLevel, ...]:
        """Return the levels of a side, best first."""
        shown = self._shown(side, interactive)
        return tuple(shown) if depth is None else tuple(level for _, level in zip(range(depth), shown, strict=False))

    def take_changes(self, now_ms: int) -> BookChanges | None:
        """Return what changed since the last call, and count it; None if nothing did."""
        if not self._touched:
            return None
        public: list[LevelChange] = []
        interactive: list[LevelChange] = []
        for (side, price), (public_before, size_before) in self._touched.items():
            level = self._halves[side].levels.get(price)
            public_now, size_now = (level.public_size, level.size) if level else (ZERO, ZERO)
            if public_now != public_before:
                public.append(LevelChange(side, price, public_now, existed=public_before != 0))
            if size_now != size_before:
                interactive.append(LevelChange(side, price, size_now, existed=size_before != 0))
        self._touched.clear()
        if not interactive and not public:
            return None
        self.sequence += 1
        self.updated_at_ms = now_ms
        return BookChanges(tuple(public), tuple(interactive))

    def _shown(self, side: Side, interactive: bool) -> Iterator[BookLevel]:
        half = self._halves[side]
        for price in half.best_first():
            level = half.levels[price]
            size = level.size if interactive else level.public_size
            if size:
                yield BookLevel(price, size)

    def _touch(self, side: Side, price: Decimal, level: _Level | None) -> None:
        if (side, price) not in self._touched:
            self._touched[side, price] = (level.public_size, level.size) if level else (ZERO, ZERO)

    def _grow(self, level: _Level, order: Order, by: Decimal) -> None:
        if order.rpi:
            level.retail_size += by
        else:
            level.public_size += by


def crosses(taker_side: Side, bound: Decimal, price: Decimal) -> bool:
    """Whether a taker who accepts ``bound`` at worst trades at ``price``."""
    return price <= bound if taker_side is Side.BUY else price >= bound


def _price_of(order: Order) -> Decimal:
    if order.price is None:
        msg = f"order {order.id} has no price; it can't stand in a book"
        raise ValueError(msg)
    return order.price
