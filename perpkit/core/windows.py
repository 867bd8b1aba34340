"""Half-open periods [since, until) of rows that carry the venue's time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TypeVar

from perpkit.core.clock import to_ms
from perpkit.core.models import Fill, FundingPayment, Order, Trade

Dated = TypeVar("Dated", Trade, Fill, FundingPayment)


def ceil_ms(moment: datetime) -> int:
    """Return the first whole millisecond that is not before a moment."""
    return to_ms(moment + timedelta(microseconds=999))


def is_inside(moment: datetime | None, since: datetime | None, until: datetime | None) -> bool:
    """Whether a moment lies in [since, until). One that nobody knows can't be left out."""
    if moment is None:
        return True
    return (since is None or moment >= since) and (until is None or moment < until)


def in_order(
    newest_first: Iterable[Dated], since: datetime | None, until: datetime | None, identity: Callable[[Dated], str]
) -> list[Dated]:
    """Return rows of the period once each, oldest first; pages overlap when something happens between them."""
    # Reversed, what happened in one millisecond keeps its order.
    unique = {identity(row): row for row in reversed(list(newest_first)) if is_inside(row.ts_venue, since, until)}
    return sorted(unique.values(), key=lambda row: row.ts_venue)


def orders_in_order(newest_first: Iterable[Order], since: datetime | None, until: datetime | None) -> list[Order]:
    """Return orders created in the period once each, oldest first, those of one moment by the venue's numbers."""
    unique = {order.venue_order_id: order for order in reversed(list(newest_first))}
    found = [order for order in unique.values() if is_inside(order.created_at, since, until)]
    return sorted(found, key=_by_creation)


def _by_creation(order: Order) -> tuple[datetime, int, str]:
    name = order.venue_order_id or ""
    # By its length first, a number in digits comes where it belongs.
    return order.created_at or order.ts_received, len(name), name
