"""Books to core models: whole ones and changes, sorted, and without levels that can't be."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perpkit.adapters.paradex import decode_book, schema, wire
from perpkit.core.errors import DecodeError
from perpkit.core.models import (
    BookDelta,
    BookSnapshot,
)
from tests.adapters.paradex.conftest import NOW
from tests.adapters.paradex.payloads import (
    AT,
    MARKET,
    MOMENT,
    read,
    told,
    update,
)


def test_a_recorded_book_is_sorted_best_first(recorded):
    """Twenty bids and three asks, pairs of price and size."""
    book = decode_book.order_book(
        wire.read(schema.OrderBook, json.dumps(recorded["fetchOrderBook"]), what="b"), MARKET, NOW
    )
    assert (len(book.bids), len(book.asks)) == (20, 3)
    assert book.bids[0] == (Decimal(66810), Decimal("0.078"))
    assert book.asks[0] == (Decimal("67643.2"), Decimal("3.734"))
    assert [level.price for level in book.bids] == sorted((level.price for level in book.bids), reverse=True)
    assert book.sequence == 14139427


def test_a_rest_book_has_its_moment_and_both_sides():
    """Bids may be null as well as asks; the order is ours, whatever the venue's."""
    row = read(
        schema.OrderBook,
        market="BTC-USD-PERP",
        seq_no=9,
        last_updated_at=AT,
        bids=[["98", "1"], ["99", "2"]],
        asks=[["102", "3"], ["101", "4"], ["103", "0"]],
    )
    assert told(decode_book.order_book(row, MARKET, NOW)) == {
        "market_id": "BTC-USD-PERP@paradex",
        "bids": ((99, 2), (98, 1)),
        "asks": ((101, 4), (102, 3)),
        "sequence": 9,
        "conflated": 0,
        "ts_venue": MOMENT,
        "ts_received": NOW,
    }
    empty = read(schema.OrderBook, market="BTC-USD-PERP", seq_no=9, last_updated_at=0, bids=None, asks=None)
    book = decode_book.order_book(empty, MARKET, NOW)
    assert (book.bids, book.asks, book.ts_venue) == ((), (), None)


def test_a_snapshot_of_the_stream_has_its_moment_and_both_sides():
    """Best first, whatever order the levels come in; a size of zero is no level."""
    levels = [("BUY", "98", "1"), ("BUY", "99", "2"), ("BUY", "97", "0"), ("SELL", "102", "3"), ("SELL", "101", "4")]
    book = decode_book.book_update(update("s", inserts=levels), MARKET, NOW)
    assert isinstance(book, BookSnapshot)
    assert told(book) == {
        "market_id": "BTC-USD-PERP@paradex",
        "bids": ((99, 2), (98, 1)),
        "asks": ((101, 4), (102, 3)),
        "sequence": 9,
        "conflated": 0,
        "ts_venue": MOMENT,
        "ts_received": NOW,
    }


def test_deletes_of_a_snapshot_mean_nothing():
    """All of a snapshot is in its inserts."""
    row = update("s", inserts=[("BUY", "98", "1")], deletes=[("?", "98", "1")])
    assert decode_book.book_update(row, MARKET, NOW).bids == ((98, 1),)


def test_a_change_of_the_stream_names_its_predecessor_and_deletes_by_zero():
    """The feed counts by one; sizes are what stands now, and what is deleted has none, on the side that it stood on."""
    row = update(
        "d",
        inserts=[("BUY", "98", "1")],
        updates=[("SELL", "101", "3")],
        deletes=[("BUY", "97", "5"), ("SELL", "104", "6")],
    )
    delta = decode_book.book_update(row, MARKET, NOW)
    assert isinstance(delta, BookDelta)
    assert told(delta) == {
        "market_id": "BTC-USD-PERP@paradex",
        "bids": ((98, 1), (97, 0)),
        "asks": ((101, 3), (104, 0)),
        "previous_sequence": 8,
        "sequence": 9,
        "ts_venue": MOMENT,
        "ts_received": NOW,
    }


def test_a_change_without_lists_changes_nothing():
    """Null arrays come, and the number still counts."""
    delta = decode_book.book_update(update("d", inserts=None, updates=None, deletes=None), MARKET, NOW)
    assert (delta.bids, delta.asks, delta.previous_sequence, delta.sequence) == ((), (), 8, 9)


def test_empty_and_missing_lists_are_an_empty_book():
    """Null arrays come too."""
    row = read(schema.OrderBook, market="BTC-USD-PERP", seq_no=1, last_updated_at=1, asks=None, bids=[])
    assert (decode_book.order_book(row, MARKET, NOW).bids, decode_book.order_book(row, MARKET, NOW).asks) == ((), ())
    assert decode_book.book_update(update("s", inserts=None), MARKET, NOW).bids == ()


book_rows = st.tuples(
    st.sampled_from(["BUY", "SELL"]),
    st.sampled_from(["99", "99.0", "100", "1e2", "101"]),
    st.sampled_from(["1", "1.0", "2", "0", "0.00"]),
)


@settings(max_examples=200, deadline=None)
@given(frames=st.lists(st.lists(book_rows, max_size=6), max_size=6), most=st.sampled_from([1, 2, 65_536]))
def test_a_level_reads_the_same_whatever_was_read_before(frames, most):
    """What is remembered of a price never stands for another size, nor another spelling, nor the other side."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode_book, "_levels", decode_book._Levels(most))
        for rows in frames:
            delta = decode_book.book_update(update("d", updates=rows), MARKET, NOW)
            for ours, word in ((delta.bids, "BUY"), (delta.asks, "SELL")):
                read = [(Decimal(price).as_tuple(), Decimal(size).as_tuple()) for s, price, size in rows if s == word]
                assert [(price.as_tuple(), size.as_tuple()) for price, size in ours] == read
            assert len(decode_book._levels.last_at) <= most


@settings(max_examples=200, deadline=None)
@given(frames=st.lists(st.lists(book_rows, max_size=6), max_size=6))
def test_a_whole_book_is_sorted_and_without_empty_levels_whatever_was_read_before(frames):
    """A level of no size is none, the first time that it comes and when it is remembered."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode_book, "_levels", decode_book._Levels())
        for rows in frames:
            book = decode_book.book_update(update("s", inserts=rows), MARKET, NOW)
            for ours, word in ((book.bids, "BUY"), (book.asks, "SELL")):
                read = [(Decimal(price), Decimal(size)) for s, price, size in rows if s == word and Decimal(size)]
                assert list(ours) == sorted(read, key=lambda level: level[0], reverse=word == "BUY")


@pytest.mark.parametrize(
    "row",
    [
        update("x"),
        update("s", inserts=[("MIDDLE", "1", "1")]),
        update("d", deletes=[("", "1", "1")]),
        update("s", inserts=[("BUY", "NaN", "1")]),
        update("s", inserts=[("BUY", "1", "Infinity")]),
        update("d", deletes=[("BUY", "sNaN", "0")]),
        update("s", inserts=[("BUY", "1", "2"), ("BUY", "1", "NaN")]),
        update("d", inserts=[("BUY", "1", "2")], updates=[("SELL", "1", "Infinity")]),
    ],
)
def test_a_book_that_can_t_be_read_is_an_error(row):
    """A level without a side or a number has no place in a book."""
    with pytest.raises(DecodeError):
        decode_book.book_update(row, MARKET, NOW)


@pytest.mark.parametrize(
    ("price", "size", "named"), [("1", "x", "x"), ("y", "1", "y"), ("1", "", ""), ("1", "inf", "inf")]
)
def test_a_level_that_is_no_number_is_an_error_that_shows_it(price, size, named):
    """Price or size, whether the price is known from before or not."""
    fields = {"market": "BTC-USD-PERP", "seq_no": 9, "last_updated_at": AT, "update_type": "s"}
    good = schema.OrderBookUpdate(**fields, inserts=[schema.BookSide("BUY", "1", "2")])
    bad = schema.OrderBookUpdate(**fields, inserts=[schema.BookSide("BUY", price, size)])
    for _ in range(2):
        with pytest.raises(DecodeError, match=rf"^paradex: a number: '{named}' is not a"):
            decode_book.book_update(bad, MARKET, NOW)
        assert decode_book.book_update(good, MARKET, NOW).bids == ((1, 2),)


@pytest.mark.parametrize("kind", ["s", "d"])
@pytest.mark.parametrize(("price", "size"), [("7.25", "-1"), ("7.25", "-0.001"), ("0", "1"), ("-7.25", "1")])
def test_a_level_that_can_t_be_is_an_error_and_no_level_to_leave_out(kind, price, size):
    """A size below zero or a price that is not above it, whether or not the price is known, and for the REST book."""
    good = update(kind, inserts=[("BUY", "7.25", "2")])
    for _ in range(2):
        with pytest.raises(DecodeError, match=f"a level of {size} at {price} can't be"):
            decode_book.book_update(update(kind, inserts=[("BUY", price, size)]), MARKET, NOW)
        assert decode_book.book_update(good, MARKET, NOW).bids == ((Decimal("7.25"), 2),)
    fields = {"market": "BTC-USD-PERP", "seq_no": 1, "last_updated_at": 1}
    with pytest.raises(DecodeError, match=f"book of .* a level of {size} at {price} can't be"):
        decode_book.order_book(read(schema.OrderBook, **fields, asks=[[price, size]], bids=[]), MARKET, NOW)
