"""One side of a streamed book, against the plainest model of it: a dict of sizes by price."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perpkit.adapters.extended.decode_book import BookSide
from perpkit.adapters.extended.schema import BookLevel
from perpkit.core.errors import DecodeError

PRICES = ["99", "99.0", "100", "1e2", "100.00", "101"]
levels = st.lists(
    st.builds(
        BookLevel,
        p=st.sampled_from(PRICES),
        q=st.sampled_from(["0.5", "1", "2.0", "0"]),
        c=st.sampled_from(["0", "0.00", "1", "2.5", None]),
    ),
    max_size=5,
)


@settings(max_examples=200, deadline=None)
@given(first=st.dictionaries(st.sampled_from(["99", "100", "101"]), st.sampled_from(["0", "1", "2.5"])), data=st.data())
def test_a_side_says_what_stands_after_each_change(first, data):
    """A result counts as it is, without one the change is added; a price is one however it is written, and forgetting
    spellings forgets no size."""
    most = data.draw(st.sampled_from([1, 2, 65_536]))
    is_bid = data.draw(st.booleans())
    side = BookSide("book of BTC-USD", is_bid=is_bid, most=most)
    standing = {Decimal(price): Decimal(size) for price, size in first.items()}
    whole = side.replace([BookLevel(p=price, q=size) for price, size in first.items()])
    best_first = sorted((pair for pair in standing.items() if pair[1]), reverse=is_bid)
    assert list(whole) == best_first
    for change in data.draw(st.lists(levels, max_size=6)):
        expected = []
        for level in change:
            price = Decimal(level.p)
            size = standing.get(price, Decimal(0)) + Decimal(level.q) if level.c is None else Decimal(level.c)
            standing[price] = size
            expected.append((price, size))
        assert list(side.change(change)) == expected


@pytest.mark.parametrize("word", ["NaN", "sNaN", "Infinity", "-inf", "four", ""])
@pytest.mark.parametrize("place", ["p", "q", "c"])
def test_what_is_no_finite_number_is_refused_by_name(place, word):
    """In a snapshot, in a change, and as a change that is to be added; what stood before still stands."""
    side = BookSide("book of BTC-USD", is_bid=True)
    side.replace([BookLevel(p="100", q="1")])
    bad = BookLevel(**{"p": "100", "q": "1", "c": None, place: word})
    with pytest.raises(DecodeError, match=r"book of BTC-USD: .* is not a (finite )?number"):
        side.change([bad])
    if place != "c":
        with pytest.raises(DecodeError, match=r"book of BTC-USD: .* is not a (finite )?number"):
            side.replace([bad])
    assert side.change([BookLevel(p="100", q="1")]) == ((100, 2),)
