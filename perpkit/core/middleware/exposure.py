"""
What an account may come to hold: positions as last fetched, and every order that may still add to them.

The reckoning errs on the side of too much. An order placed after the positions were fetched counts exactly: what is
filled of it is in the position, what is not may come. One that stood while they were fetched is uncertain, because a
fill told later may be in the fetched figure already: all of it counts on its own side and offsets nothing. An order
whose outcome is unknown counts until it is known.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import TypeAlias

from perpkit.core.lifecycle import merge
from perpkit.core.models import MarketId, Order, OrderIntent, OrderStatus, Position, Side

_ZERO = Decimal(0)
_ENDED_KEPT = 10_000
_Key: TypeAlias = tuple[MarketId, str, str]
_STANDING = frozenset({OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED})


@dataclass(slots=True, eq=False)
class Entry:
    """
    One order that counts.

    Attributes:
        size: Ordered, as last told.
        asked: What an amendment under way asks for; it counts before it is confirmed.
        order: The last telling; None while nothing but our sending is known.
        over: Whether it can't fill any more.
        lost: It is over and nobody told how much was filled, so all of it may be.
        uncertain: It stood while positions were fetched.
        counted: What was filled when that fetch began, so it is in the fetched position.
        absent_counts_from: From when on its absence from the open orders proves that it does not stand.
    """

    market_id: MarketId
    side: Side
    size: Decimal
    reduce_only: bool
    client_order_id: str | None = None
    venue_order_id: str | None = None
    order: Order | None = None
    asked: Decimal = _ZERO
    over: bool = False
    lost: bool = False
    uncertain: bool = False
    counted: Decimal = _ZERO
    absent_counts_from: datetime | None = None

    @property
    def filled(self) -> Decimal:
        """What is filled of it, as far as is told."""
        return self.order.filled_size if self.order is not None else _ZERO

    @property
    def at_most(self) -> Decimal:
        """What may come to be filled of it."""
        return self.filled if self.over and not self.lost else max(self.size, self.asked)


@dataclass(frozen=True, slots=True)
class PositionsFetch:
    """What was known as a fetch of the positions began: of each order what was filled, and whether it was over."""

    number: int
    orders: dict[Entry, tuple[Decimal, bool]]


class Exposure:
    """Orders and positions of one account, reckoned to the worst."""

    def __init__(self) -> None:
        self._positions: dict[MarketId, Decimal] | None = None
        self._entries: dict[Entry, None] = {}
        self._by_id: dict[_Key, Entry] = {}
        # Names of orders that are over and counted, so that a late telling of one does not make it stand again.
        self._ended: OrderedDict[_Key, None] = OrderedDict()
        self._open_known = False
        self._fetching = 0
        self._fetches = 0
        self._taken = 0

    @property
    def positions_known(self) -> bool:
        """Whether positions were ever fetched."""
        return self._positions is not None

    @property
    def open_orders_known(self) -> bool:
        """Whether all the account's open orders were ever fetched."""
        return self._open_known

    @property
    def open_count(self) -> int:
        """Orders that stand or may stand."""
        return sum(not entry.over for entry in self._entries)

    def worst(self, market_id: MarketId, side: Side) -> Decimal:
        """
        Return the largest position toward a side that may come about, in base units.

        For a buy how long it may get, for a sell how short (as a positive number). Reduce-only orders bring a position
        to zero at the most; from there on the others count in full.
        """
        sure = (self._positions or {}).get(market_id, _ZERO) * side.sign
        opening = reducing = _ZERO
        for entry in self._of(market_id):
            done = entry.counted
            if not entry.uncertain:
                sure += (entry.filled - done) * side.sign * entry.side.sign
                done = entry.filled
            if entry.side is side:
                if entry.reduce_only:
                    reducing += entry.at_most - done
                else:
                    opening += entry.at_most - done
        return opening + max(sure, min(_ZERO, sure + reducing))

    def _of(self, market_id: MarketId) -> Iterator[Entry]:
        return (entry for entry in self._entries if entry.market_id == market_id)

    # orders ----------------------------------------------------------------------------------------------------

    def sending(self, intent: OrderIntent, absent_counts_from: datetime | None) -> Entry:
        """Count an order before it is sent."""
        entry = Entry(
            intent.market_id,
            intent.side,
            intent.size,
            intent.reduce_only,
            client_order_id=intent.client_order_id,
            absent_counts_from=absent_counts_from,
        )
        for key in _keys(entry):
            self._ended.pop(key, None)
        return self._add(entry)

    def never_sent(self, entry: Entry) -> None:
        """Forget an order that the venue refused, or that never left."""
        self._drop(entry)

    def answered(self, entry: Entry, order: Order) -> None:
        """Take in the answer to an order that was counted."""
        if entry not in self._entries:
            return  # its end was told before its beginning
        entry.venue_order_id = order.venue_order_id or entry.venue_order_id
        entry.client_order_id = order.client_order_id or entry.client_order_id
        self._index(entry)
        self.observe(order)

    def amending(self, order: Order, size: Decimal) -> Entry:
        """Count an amendment before it is sent: the larger of both sizes."""
        entry = self._find(order) or self._adopt(order)
        entry.asked = max(entry.asked, size)
        return entry

    def amended(self, entry: Entry, order: Order | None) -> None:
        """Take in the answer to an amendment; None when it was refused."""
        entry.asked = _ZERO
        if order is not None:
            self.observe(order)

    def observe(self, order: Order) -> None:
        """Take in what is told of an order."""
        entry = self._find(order)
        if entry is None:
            stands = not order.is_terminal and order.status is not OrderStatus.UNKNOWN
            if stands and not any(key in self._ended for key in _keys(order)):
                self._adopt(order)
            return
        if entry.lost and not order.is_terminal:
            entry.over = entry.lost = False
        news = merge(entry.order, order)
        if news is None:
            return
        entry.order, entry.size = news, news.size
        entry.venue_order_id = entry.venue_order_id or news.venue_order_id
        entry.client_order_id = entry.client_order_id or news.client_order_id
        self._index(entry)
        if news.is_terminal:
            entry.over, entry.lost = True, False
            self._settle(entry)

    def forget(self, client_order_id: str) -> bool:
        """Stop counting an order; return whether it was counted."""
        found = [entry for entry in self._entries if entry.client_order_id == client_order_id]
        for entry in found:
            self._drop(entry)
        return bool(found)

    def _adopt(self, order: Order) -> Entry:
        """Count an order that was not sent through here. What is filled of it may or may not be in the positions."""
        entry = Entry(
            order.market_id,
            order.side,
            order.size,
            order.reduce_only,
            client_order_id=order.client_order_id,
            venue_order_id=order.venue_order_id,
            order=order,
            uncertain=True,
        )
        return self._add(entry)

    def _settle(self, entry: Entry) -> None:
        """Move what is surely filled into the position, and stop counting the order."""
        if self._fetching:
            return  # whether the figure under way holds its fills can't be told; the next fetch will
        if self._positions is not None:
            if entry.uncertain or entry.lost:
                return
            held = self._positions.get(entry.market_id, _ZERO)
            self._positions[entry.market_id] = held + (entry.filled - entry.counted) * entry.side.sign
        self._drop(entry)

    def _find(self, order: Order) -> Entry | None:
        return next((self._by_id[key] for key in _keys(order) if key in self._by_id), None)

    def _add(self, entry: Entry) -> Entry:
        self._entries[entry] = None
        self._index(entry)
        return entry

    def _index(self, entry: Entry) -> None:
        for key in _keys(entry):
            self._by_id[key] = entry

    def _drop(self, entry: Entry) -> None:
        self._entries.pop(entry, None)
        for key in _keys(entry):
            if self._by_id.get(key) is entry:
                del self._by_id[key]
            if entry.over:
                self._ended[key] = None
        while len(self._ended) > _ENDED_KEPT:
            self._ended.popitem(last=False)

    # fetches ---------------------------------------------------------------------------------------------------

    def begin_positions(self) -> PositionsFetch:
        """Note, as a fetch of the positions begins, what is surely in them by then."""
        self._fetching += 1
        self._fetches += 1
        return PositionsFetch(self._fetches, {entry: (entry.filled, entry.over) for entry in self._entries})

    def end_positions(self, fetch: PositionsFetch, positions: Iterable[Position] | None) -> None:
        """Take in the positions fetched; None when the fetch failed. One overtaken by a later fetch is left out."""
        self._fetching -= 1
        if positions is None or fetch.number < self._taken:
            return
        self._taken = fetch.number
        self._positions = {position.market_id: position.size for position in positions}
        for entry in list(self._entries):
            filled, was_over = fetch.orders.get(entry, (_ZERO, False))
            if was_over:
                self._drop(entry)
            else:
                entry.counted = filled
                entry.uncertain = True

    def begin_open_orders(self, market_id: MarketId | None, now: datetime) -> list[Entry]:
        """Note, as a fetch of open orders begins, those that it must show if they stand."""
        return [
            entry
            for entry in self._entries
            if not entry.over
            and (market_id is None or entry.market_id == market_id)
            and (
                (entry.order is not None and entry.order.status in _STANDING)
                or (entry.absent_counts_from is not None and now >= entry.absent_counts_from)
            )
        ]

    def end_open_orders(self, expected: list[Entry], market_id: MarketId | None, orders: Iterable[Order]) -> None:
        """Take in the open orders fetched: those expected and absent are over, how much filled is not told."""
        shown = set()
        for order in orders:
            self.observe(order)
            if (entry := self._find(order)) is not None:
                shown.add(entry)
        for entry in expected:
            if entry not in shown and not entry.over:
                entry.over = entry.lost = True
                self._settle(entry)
        if market_id is None:
            self._open_known = True


def _keys(item: Entry | Order) -> list[_Key]:
    named = (("venue", item.venue_order_id), ("client", item.client_order_id))
    return [(item.market_id, kind, value) for kind, value in named if value]
