"""Cursor pages."""

import pytest

from perpkit.sim.venues.paradex.errors import ApiError
from perpkit.sim.venues.paradex.paging import page


def items(count):
    return [(1000 + i // 2, i) for i in range(count)]


def fetch(listing, query, name="fills"):
    return page(listing, key=lambda i: i, render=lambda i: {"id": i[1]}, query=query, listing=name)


def ids(answer):
    return [row["id"] for row in answer["results"]]


def test_pages_walk_from_the_newest_to_the_oldest_and_back_without_loss():
    """Seven items in pages of three come out once each, and ``prev`` leads back to the first page."""
    listing = items(7)
    first = fetch(listing, {"page_size": 3})
    second = fetch(listing, {"page_size": 3, "cursor": first["next"]})
    third = fetch(listing, {"page_size": 3, "cursor": second["next"]})
    assert [ids(first), ids(second), ids(third)] == [[6, 5, 4], [3, 2, 1], [0]]
    assert third["next"] is None
    assert first["prev"] is None
    back = fetch(listing, {"page_size": 3, "cursor": third["prev"]})
    assert ids(back) == [3, 2, 1]
    assert ids(fetch(listing, {"page_size": 3, "cursor": back["prev"]})) == [6, 5, 4]


def test_an_item_that_arrives_between_two_pages_shifts_nothing():
    """The second page continues where the first ended."""
    listing = items(6)
    first = fetch(listing, {"page_size": 3})
    listing.append((2000, 99))
    assert ids(fetch(listing, {"page_size": 3, "cursor": first["next"]})) == [2, 1, 0]


def test_times_filter_inclusively():
    """Both ends of the range are part of it."""
    answer = fetch(items(6), {"start_at": 1001, "end_at": 1002})
    assert ids(answer) == [5, 4, 3, 2]


def test_an_exact_last_page_has_no_next():
    """A page that ends with the oldest item points nowhere."""
    assert fetch(items(3), {"page_size": 3})["next"] is None


@pytest.mark.parametrize("cursor", ["nonsense", "e30=", "!!!", "W10="])
def test_a_cursor_of_nobody_is_refused(cursor):
    """Only cursors that were given out are accepted."""
    with pytest.raises(ApiError, match="cursor"):
        fetch(items(3), {"cursor": cursor})


def test_a_cursor_belongs_to_its_listing_and_filters():
    """A cursor carried to another listing, or to other filters, is refused."""
    cursor = fetch(items(5), {"page_size": 2})["next"]
    with pytest.raises(ApiError, match="another listing"):
        fetch(items(5), {"page_size": 2, "cursor": cursor}, name="trades")
    with pytest.raises(ApiError, match="another listing"):
        fetch(items(5), {"page_size": 2, "cursor": cursor, "market": "BTC-USD-PERP"})
