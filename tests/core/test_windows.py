"""Half-open periods: what lies inside, each row once, oldest first."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from perpkit.core.models import Order
from perpkit.core.windows import ceil_ms, is_inside, orders_in_order
from tests.core.builders import an_order

T0 = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def created(number: str, seconds: int | None) -> Order:
    at = None if seconds is None else T0 + seconds * SECOND
    return an_order(venue_order_id=number, created_at=at, ts_received=T0 + 100 * SECOND)


def ids(orders: list[Order]) -> list[str | None]:
    return [each.venue_order_id for each in orders]


@pytest.mark.parametrize(("seconds", "inside"), [(-1, False), (0, True), (9, True), (10, False)])
def test_a_period_holds_its_beginning_and_not_its_end(seconds: int, inside: bool) -> None:
    """So two periods that meet share no row."""
    assert is_inside(T0 + seconds * SECOND, T0, T0 + 10 * SECOND) is inside


def test_what_has_no_time_is_left_out_of_no_period() -> None:
    """That it lies elsewhere is not known."""
    assert is_inside(None, T0, T0 + SECOND)


def test_a_beginning_between_two_milliseconds_is_asked_from_the_next() -> None:
    """The venue counts milliseconds; what was before the beginning must not come."""
    assert ceil_ms(T0 + timedelta(microseconds=1)) == ceil_ms(T0) + 1
    assert ceil_ms(T0 + timedelta(milliseconds=1)) == ceil_ms(T0) + 1


def test_orders_come_once_and_oldest_first_and_by_number_within_a_moment() -> None:
    """Pages overlap, newest first; 9 comes before 10 though its digit is the higher one."""
    pages = [created("30", 3), created("10", 2), created("9", 2), created("9", 2), created("2", 1), created("1", 0)]
    assert ids(orders_in_order(pages, T0 + SECOND, T0 + 4 * SECOND)) == ["2", "9", "10", "30"]


def test_an_order_without_a_time_is_placed_by_when_it_was_received() -> None:
    """It belongs to every period, and comes last."""
    assert ids(orders_in_order([created("5", None), created("4", 1)], T0, T0 + 2 * SECOND)) == ["4", "5"]
