"""
Order states and legal moves: what is news about an order, and what is old, repeated or less than we know.

Tellings of an order arrive from streams, replies and polls, late, twice and out of order; fills come by themselves,
before the acknowledgement or after a cancel. :func:`merge` judges one telling against what is known,
:class:`OrderTracker` keeps many orders and their fills. No I/O, no clock.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from datetime import datetime
from decimal import Context, Decimal
from typing import Any

import msgspec

from perpkit.core.models.fill import Fill
from perpkit.core.models.market import MarketId
from perpkit.core.models.order import Order, OrderRef, OrderStatus
from perpkit.core.quantize import canonical

_EXACT = Context(prec=120)
_AVERAGE = Context(prec=28)
_ZERO = Decimal(0)

# How far along an order is. Equal ranks are told apart by what is filled.
_PROGRESS = {
    OrderStatus.UNKNOWN: 0,
    OrderStatus.PENDING: 1,
    OrderStatus.OPEN: 2,
    OrderStatus.PARTIALLY_FILLED: 3,
    OrderStatus.FILLED: 4,
    OrderStatus.CANCELED: 4,
    OrderStatus.REJECTED: 4,
    OrderStatus.EXPIRED: 4,
}
_OPEN = OrderStatus.OPEN
_OVER = frozenset(status for status in OrderStatus if status.is_terminal)
_STANDING = frozenset({OrderStatus.PENDING, OrderStatus.OPEN, OrderStatus.UNKNOWN})
_CLOSING_WORDS = ("reject_reason", "status_message")
_JUDGED = frozenset({"status", "filled_size", "average_price", "ts_received", *_CLOSING_WORDS})


def merge(known: Order | None, seen: Order) -> Order | None:
    """
    Judge one telling of an order against what is known of it.

    - A terminal status sticks; a fill told later is still added.
    - A lower ``sequence``, or failing that an earlier ``updated_at``, never overwrites; it may fill in what is missing.
      Without either, the telling further along wins.
    - ``filled_size`` never falls and never exceeds the order's size.
    - ``unknown`` gives way to anything and replaces nothing; ``open`` never goes back to ``pending``.

    Returns:
        The order as it is now known, or None when the telling holds nothing new.
    """
    if known is None:
        return _with_progress(seen)
    if _simply_follows(known, seen):
        return seen
    if _is_older(seen, known):
        newer, older = known, seen
    else:
        newer, older = seen, known
    fields = {
        name: value if value is not None else getattr(older, name)
        for name, value in newer.__dict__.items()
        if name not in _JUDGED
    }
    fields["filled_size"] = min(max(known.filled_size, seen.filled_size), fields["size"])
    fields["average_price"] = _average(newer, older, fields["filled_size"])
    speaker = _speaker(known, newer, older)
    fields["status"] = speaker.status
    other = known if speaker is seen else seen
    for name in _CLOSING_WORDS:
        value = getattr(speaker, name)
        fields[name] = getattr(other, name) if value is None and other.status is speaker.status else value
    fields["sequence"] = max((s for s in (known.sequence, seen.sequence) if s is not None), default=None)
    fields["created_at"] = min((t for t in (known.created_at, seen.created_at) if t is not None), default=None)
    fields["ts_received"] = max(known.ts_received, seen.ts_received)
    merged = _with_progress(Order.trusted(**fields))
    return None if same_order(known, merged) else merged


def _simply_follows(known: Order, seen: Order) -> bool:
    """
    Return whether ``seen`` is the next state of a standing order and leaves nothing out, so that it holds as it is.

    That is what nearly every update of a stream is; judging it field by field takes ten times as long. The fields are
    read from the instances' dicts, since a model's attributes are found slowly, and these are many.
    """
    held, said = known.__dict__, seen.__dict__
    before, after = held["sequence"], said["sequence"]
    if before is None and after is None:
        before, after = held["updated_at"], said["updated_at"]
    if before is None or after is None or after <= before:
        return False
    status, filled = said["status"], said["filled_size"]
    if status not in _PLAIN_STEPS.get(held["status"], ()) or filled < held["filled_size"]:
        return False
    if filled > said["size"] or (status is _OPEN and filled):
        return False
    if said["ts_received"] < held["ts_received"] or said["created_at"] != held["created_at"]:
        return False
    # Whatever it does not say must be nothing that is known already.
    for name in _OPTIONAL:  # noqa: SIM110 - all() over a generator takes twice as long
        if said[name] is None and held[name] is not None:
            return False
    return True


_OPTIONAL = tuple(
    name for name, field in Order.model_fields.items() if not field.is_required() and field.default is None
)


# Steps that are news by the status alone, and need no second look at who is right about it.
_PLAIN_STEPS = {
    OrderStatus.PENDING: frozenset({OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED}),
    OrderStatus.OPEN: frozenset({OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED, OrderStatus.CANCELED}),
    OrderStatus.PARTIALLY_FILLED: frozenset({OrderStatus.FILLED, OrderStatus.CANCELED}),
}


def same_order(one: Order | None, other: Order | None) -> bool:
    """Return whether two tellings say the same, whenever each was received."""
    if one is other:
        return True
    if one is None or other is None or one.status is not other.status or one.filled_size != other.filled_size:
        return False
    return _told(one) == _told(other)


def _told(order: Order) -> dict[str, Any]:
    return {name: value for name, value in order.__dict__.items() if name != "ts_received"}


def _is_older(seen: Order, known: Order) -> bool:
    """Return whether ``seen`` is from before ``known``."""
    same_stamp = False
    if known.sequence is not None and seen.sequence is not None:
        if seen.sequence != known.sequence:
            return seen.sequence < known.sequence
        same_stamp = True
    elif known.updated_at is not None and seen.updated_at is not None and seen.updated_at != known.updated_at:
        return seen.updated_at < known.updated_at
    ours, theirs = _rank(known), _rank(seen)
    # One sequence number is one state: a second wording of it only fills in what the first left out.
    return theirs < ours or (same_stamp and theirs == ours)


def _rank(order: Order) -> tuple[int, Decimal]:
    return _PROGRESS[order.status], order.filled_size


def _speaker(known: Order, newer: Order, older: Order) -> Order:
    """Return the telling whose status holds."""
    if known.is_terminal:
        return known
    if older.is_terminal or newer.status is OrderStatus.UNKNOWN:
        return older
    if newer.status is OrderStatus.PENDING and _PROGRESS[older.status] > _PROGRESS[newer.status]:
        return older
    return newer


def _average(newer: Order, older: Order, filled: Decimal) -> Decimal | None:
    """Return the average price that belongs to what is filled, where one of the two tellings has it."""
    for order in (newer, older):
        if order.average_price is not None and order.filled_size == filled:
            return order.average_price
    return None


def _with_progress(order: Order) -> Order:
    """An order that stands and has a fill is partially filled, whichever word the telling used."""
    if order.status in _STANDING and order.filled_size > _ZERO:
        return order.trusted_replace(status=OrderStatus.PARTIALLY_FILLED)
    return order


class _Tracked(msgspec.Struct, eq=False, gc=False):
    """
    One order: what was told of it, its fills by id with their sums, and what was last shown of both together.

    Nothing in it leads back to it, so the collector need not look at the thousands that are kept.
    """

    told: Order | None = None
    shown: Order | None = None
    fills: dict[str, Fill] | None = None
    filled: Decimal = _ZERO
    value: Decimal = _ZERO
    received: datetime | None = None

    def add(self, fill: Fill) -> None:
        """Count a fill in, once."""
        if self.fills is None:
            self.fills = {}
        if fill.fill_id in self.fills:
            return
        self.fills[fill.fill_id] = fill
        self.filled = _EXACT.add(self.filled, fill.size)
        self.value = _EXACT.fma(fill.price, fill.size, self.value)
        self.received = max(self.received or fill.ts_received, fill.ts_received)

    def absorb(self, other: _Tracked) -> None:
        """Take over what is known under another id of the same order."""
        for fill in (other.fills or {}).values():
            self.add(fill)
        if other.told is not None:
            self.told = merge(self.told, other.told) or self.told
        self.shown = self.shown or other.shown

    def view(self) -> Order | None:
        """
        Return the order with its fills counted in.

        What is filled is the larger of what the venue tells and what its fills add up to. A full sum makes a standing
        order filled; that is kept out of ``told``, because an amendment under way may still have made it larger.
        """
        told = self.told
        if told is None or self.received is None:
            return told
        filled = min(max(self.filled, told.filled_size), told.size)
        changes: dict[str, Any] = {"filled_size": filled, "ts_received": max(told.ts_received, self.received)}
        if filled > told.filled_size or told.average_price is None:
            whole = filled == self.filled
            changes["average_price"] = canonical(_AVERAGE.divide(self.value, self.filled)) if whole else None
        if not told.is_terminal:
            changes["status"] = OrderStatus.FILLED if filled == told.size else OrderStatus.PARTIALLY_FILLED
        return told.trusted_replace(**changes)


_Key = tuple[MarketId, str, str]
_VENUE, _OURS = "venue", "client"


class OrderTracker:
    """
    Follows orders by either of their ids through whatever arrives in whatever order.

    Args:
        keep_closed: So many orders that are over are remembered, the most recently touched; those that stand always
            are. A telling of one forgotten long ago counts as news, so keep more than can still be in flight.
    """

    def __init__(self, *, keep_closed: int = 10_000) -> None:
        self._keep_closed = keep_closed
        self._by_key: dict[_Key, _Tracked] = {}
        self._keys: dict[_Tracked, tuple[_Key, ...]] = {}
        self._closed: OrderedDict[_Tracked, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[Order]:
        return iter([item.shown for item in self._keys if item.shown is not None])

    def observe(self, order: Order) -> Order | None:
        """
        Take in one telling of an order.

        Returns:
            The order as it is now known, with its fills counted in; None when nothing changed.

        Raises:
            ValueError: It bears neither id, so it can't be told from any other order.
        """
        told = order.__dict__
        item = self._find(told["market_id"], told["venue_order_id"], told["client_order_id"])
        item.told = merge(item.told, order) or item.told
        return self._news(item)

    def observe_fill(self, fill: Fill) -> Order | None:
        """
        Take in one fill. The same fill id counts once; a fill of an order not yet heard of waits for it.

        Returns:
            The order with the fill counted in; None when nothing changed, or when the order isn't known yet.
        """
        if not (fill.venue_order_id or fill.client_order_id):
            return None  # a liquidation or settlement belongs to no order of ours
        item = self._find(fill.market_id, fill.venue_order_id, fill.client_order_id)
        item.add(fill)
        return self._news(item)

    def get(self, order: OrderRef | Order) -> Order | None:
        """Return what is known of an order by either of its ids; None when nothing is."""
        for key in _keys_of(order.market_id, order.venue_order_id, order.client_order_id):
            if (item := self._by_key.get(key)) is not None:
                return item.shown
        return None

    def open_orders(self) -> list[Order]:
        """Return the orders that are not over, those of unknown outcome among them."""
        return [order for order in self if not order.is_terminal]

    def _find(self, market_id: MarketId, venue_order_id: str | None, client_order_id: str | None) -> _Tracked:
        """Return the entry for these ids, made or joined as needed."""
        if venue_order_id:
            # Nearly every telling is of an order known by all the ids that it names, or by none of them.
            by_venue = (market_id, _VENUE, venue_order_id)
            known = self._by_key.get(by_venue)
            if not client_order_id:
                if known is not None:
                    return known
            else:
                by_ours = (market_id, _OURS, client_order_id)
                if self._by_key.get(by_ours) is known:
                    return known or self._add(by_venue, by_ours)
        return self._find_or_join(market_id, venue_order_id, client_order_id)

    def _add(self, by_venue: _Key, by_ours: _Key) -> _Tracked:
        item = self._by_key[by_venue] = self._by_key[by_ours] = _Tracked()
        self._keys[item] = by_venue, by_ours
        return item

    def _find_or_join(self, market_id: MarketId, venue_order_id: str | None, client_order_id: str | None) -> _Tracked:
        keys = _keys_of(market_id, venue_order_id, client_order_id)
        if not keys:
            msg = f"an order on {market_id} has neither venue_order_id nor client_order_id; it can't be followed"
            raise ValueError(msg)
        by_venue = by_ours = None
        for key in keys:
            if key[1] == _VENUE:
                by_venue = self._by_key.get(key)
            else:
                by_ours = self._by_key.get(key)
        # The venue's id decides: our id used again, or kept by a replacement, must not revive an order that is over.
        other_order = by_ours is not None and venue_order_id is not None and self._has_venue_id(by_ours)
        if by_ours is None or (other_order and by_venue is None):
            item = by_venue or _Tracked()
        elif by_venue is None or by_venue is by_ours:
            item = by_ours
        elif other_order:
            return by_venue
        else:
            item = by_venue
            self._join(item, by_ours)
        for key in keys:
            if (holder := self._by_key.get(key)) is not None and holder is not item:
                self._keys[holder] = tuple(other for other in self._keys[holder] if other != key)
            self._by_key[key] = item
            held = self._keys.get(item, ())
            if key not in held:
                self._keys[item] = (*held, key)
        return item

    def _has_venue_id(self, item: _Tracked) -> bool:
        return any(kind == _VENUE for _, kind, _ in self._keys[item])

    def _join(self, item: _Tracked, other: _Tracked) -> None:
        """Two entries turn out to be one order."""
        item.absorb(other)
        moved = self._keys.pop(other)
        self._closed.pop(other, None)
        self._keys[item] += moved
        self._by_key.update(dict.fromkeys(moved, item))

    def _news(self, item: _Tracked) -> Order | None:
        """Show what changed, and keep what is over within bounds."""
        view = item.view()
        news = None if same_order(item.shown, view) else view
        if news is not None:
            item.shown = news
        closed, shown = self._closed, item.shown
        if item in closed:
            del closed[item]
        # Over, or never more than a stray fill.
        if shown is None or shown.status in _OVER:
            closed[item] = None
            while len(closed) > self._keep_closed:
                forgotten, _ = closed.popitem(last=False)
                for key in self._keys.pop(forgotten):
                    del self._by_key[key]
        return news


def _keys_of(market_id: MarketId, venue_order_id: str | None, client_order_id: str | None) -> list[_Key]:
    named = ((_VENUE, venue_order_id), (_OURS, client_order_id))
    return [(market_id, kind, value) for kind, value in named if value]
