"""Half-open periods [since, until) of rows that carry the venue's time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import TypeVar

from perpkit.core.clock import to_ms
from perpkit.core.models import Fill, FundingPayment, Trade

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
