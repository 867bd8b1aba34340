"""
What decoding one frame needs from others: the sides of our orders, and the two halves of a balance. Bounded, and
never the only source of anything.
"""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from decimal import Decimal

import msgspec

from perpkit.core.models import Balance, Side

_MOST_ORDERS = 20_000


class OrderFact(msgspec.Struct, frozen=True, gc=False):
    """
    What is kept of an order; a Struct that the collector need not look at, since thousands are kept.

    Attributes:
        type: The venue's own word: a ``STOP_LOSS_…`` reads as a stop in the core, and must be amended as what it is.
    """

    side: Side
    type: str


class OrderMemory:
    """Side and type by the venue's order id: a fill tells only the taker's side, an amendment repeats the type."""

    def __init__(self, most: int = _MOST_ORDERS) -> None:
        self._facts: OrderedDict[str, OrderFact] = OrderedDict()
        self._most = most

    def remember(self, order_id: str, side: Side, kind: str) -> None:
        """Keep an order, the latest touched longest."""
        known = self._facts.get(order_id)
        if known is None or known.side is not side or known.type != kind:
            self._facts[order_id] = OrderFact(side, kind)
        self._facts.move_to_end(order_id)
        if len(self._facts) > self._most:
            self._facts.popitem(last=False)

    def side(self, order_id: str) -> Side | None:
        """Return our side of an order, None where it is not known."""
        fact = self._facts.get(order_id)
        return fact.side if fact is not None else None

    def type(self, order_id: str) -> str | None:
        """Return the venue's word for an order's type, None where it is not known."""
        fact = self._facts.get(order_id)
        return fact.type if fact is not None else None


class Balances:
    """
    Joins what the venue tells in two places: the settled total (``balance_events``) and what is free (``account``).
    """

    def __init__(self) -> None:
        self._totals: dict[str, Decimal] = {}
        self._free: dict[str, Decimal] = {}

    def learn(self, balances: list[Balance]) -> None:
        """Take a full reading."""
        self._totals = {balance.asset: balance.total for balance in balances}
        self._free = {balance.asset: balance.available for balance in balances if balance.available is not None}

    def with_total(self, asset: str, total: Decimal, ts_venue: datetime | None, received: datetime) -> Balance:
        """Return the balance after its total changed."""
        self._totals[asset] = total
        return self._balance(asset, total, ts_venue, received)

    def with_free(self, asset: str, free: Decimal, ts_venue: datetime | None, received: datetime) -> Balance | None:
        """Return the balance after what is free of it changed; None while its total isn't known."""
        self._free[asset] = free
        total = self._totals.get(asset)
        return self._balance(asset, total, ts_venue, received) if total is not None else None

    def _balance(self, asset: str, total: Decimal, ts_venue: datetime | None, received: datetime) -> Balance:
        return Balance.trusted(
            asset=asset, total=total, available=self._free.get(asset), ts_venue=ts_venue, ts_received=received
        )
