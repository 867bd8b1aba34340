"""The maintained order book: never wrong without saying so."""

from __future__ import annotations

import gc
import pickle
import tracemalloc
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perpkit.core.book import BookOutcome, OrderBook
from perpkit.core.errors import StreamGapError
from perpkit.core.models import BookDelta, BookLevel, BookSnapshot, Side, best_first, possible

BTC = "BTC-USD-PERP@toy"
T0 = datetime(2026, 8, 20, 12, tzinfo=UTC)


def levels(*pairs: tuple[str, str]) -> tuple[BookLevel, ...]:
    return tuple(BookLevel(Decimal(price), Decimal(size)) for price, size in pairs)


def snapshot(bids=(), asks=(), sequence=None, at=None, market=BTC) -> BookSnapshot:
    return BookSnapshot(
        market_id=market,
        bids=levels(*bids),
        asks=levels(*asks),
        sequence=sequence,
        ts_venue=None if at is None else T0 + timedelta(milliseconds=at),
        ts_received=T0,
    )


def delta(bids=(), asks=(), previous=None, sequence=None, at=None) -> BookDelta:
    return BookDelta(
        market_id=BTC,
        bids=levels(*bids),
        asks=levels(*asks),
        previous_sequence=previous,
        sequence=sequence,
        ts_venue=None if at is None else T0 + timedelta(milliseconds=at),
        ts_received=T0,
    )


@pytest.fixture
def book() -> OrderBook:
    """A book of two levels a side at sequence 10."""
    book = OrderBook(BTC)
    book.apply(snapshot([("99", "1"), ("98", "2")], [("101", "1"), ("102", "2")], sequence=10))
    return book


def test_a_book_without_snapshot_is_stale():
    """Nothing can be read before the first snapshot."""
    book = OrderBook(BTC)
    assert book.is_stale
    for read in (lambda: book.best_bid, lambda: book.mid_price, book.bids, book.snapshot):
        with pytest.raises(StreamGapError, match="no snapshot yet"):
            read()


def test_both_sides_are_sorted_best_first():
    """Levels that come in any order are read best first."""
    book = OrderBook(BTC)
    book.apply(snapshot([("98", "2"), ("99", "1"), ("97", "3")], [("103", "3"), ("101", "1"), ("102", "2")]))
    assert [level.price for level in book.bids()] == [99, 98, 97]
    assert [level.price for level in book.asks()] == [101, 102, 103]
    assert (book.best_bid, book.best_ask) == (BookLevel(Decimal(99), Decimal(1)), BookLevel(Decimal(101), Decimal(1)))
    assert book.mid_price == 100


def test_a_delta_sets_adds_and_removes(book: OrderBook):
    """Sizes are absolute, and zero removes; each side by itself."""
    outcome = book.apply(
        delta([("99", "5"), ("98", "0"), ("97.5", "4")], [("100.5", "7"), ("102", "0.0")], previous=10, sequence=11)
    )
    assert outcome is BookOutcome.APPLIED
    assert book.bids() == levels(("99", "5"), ("97.5", "4"))
    assert book.asks() == levels(("100.5", "7"), ("101", "1"))
    assert book.sequence == 11


def test_a_price_is_the_same_however_it_is_written(book: OrderBook):
    """1.10 and 1.1 are one level, so removing one removes the other."""
    book.apply(delta([("98.50", "1")], previous=10, sequence=11))
    book.apply(delta([("98.5", "0")], previous=11, sequence=12))
    book.apply(delta([("99.000", "3")], previous=12, sequence=13))
    assert book.bids() == levels(("99.000", "3"), ("98", "2"))


def test_removing_what_is_not_there_changes_nothing(book: OrderBook):
    """A venue may remove a level that we never saw."""
    assert book.apply(delta([("50", "0")], [("500", "0")], previous=10, sequence=11)) is BookOutcome.APPLIED
    assert len(book.bids()) == len(book.asks()) == 2


def test_a_snapshot_mid_stream_replaces_every_level(book: OrderBook):
    """No level of the old book survives a snapshot."""
    assert book.apply(snapshot([("90", "1")], [("110", "1")], sequence=20)) is BookOutcome.APPLIED
    assert book.bids() == levels(("90", "1"))
    assert book.asks() == levels(("110", "1"))


def test_a_gap_makes_the_book_stale_at_once(book: OrderBook):
    """A delta that follows another than ours is not applied, and no price can be read from then on."""
    assert book.apply(delta([("99", "9")], previous=11, sequence=12)) is BookOutcome.GAP
    assert book.is_stale
    with pytest.raises(StreamGapError, match="update after 11 came, 10 is held"):
        _ = book.best_bid
    with pytest.raises(StreamGapError):
        book.cost(Side.BUY, Decimal(1))


def test_a_book_after_a_gap_waits_for_its_snapshot(book: OrderBook):
    """Deltas after the gap wait; the snapshot brings the book to where the newest of them leads."""
    book.apply(delta([("99", "9")], previous=11, sequence=12))
    assert book.apply(delta([("98", "8")], previous=12, sequence=13)) is BookOutcome.BUFFERED
    assert book.apply(snapshot([("99", "7"), ("97", "7")], [("101", "1")], sequence=12)) is BookOutcome.APPLIED
    assert book.bids() == levels(("99", "7"), ("98", "8"), ("97", "7"))
    assert book.sequence == 13


def test_a_delta_missing_between_snapshot_and_buffer_is_a_gap():
    """A REST snapshot that is too old for the deltas kept aside does not make the book good."""
    book = OrderBook(BTC)
    book.apply(delta([("99", "9")], previous=11, sequence=12))
    assert book.apply(snapshot([("99", "1")], sequence=10)) is BookOutcome.GAP
    assert book.is_stale
    assert book.apply(snapshot([("98", "1")], sequence=11)) is BookOutcome.APPLIED
    assert book.bids() == levels(("99", "9"), ("98", "1"))


def test_duplicates_and_old_deltas_are_ignored(book: OrderBook):
    """Whatever is not newer than what is held changes nothing."""
    fresh = delta([("99", "5")], previous=10, sequence=11)
    book.apply(fresh)
    assert book.apply(fresh) is BookOutcome.IGNORED
    book.apply(delta([("99", "6")], previous=11, sequence=12))
    assert book.apply(fresh) is BookOutcome.IGNORED
    assert book.apply(delta([("99", "1")], previous=8, sequence=9)) is BookOutcome.IGNORED
    assert book.best_bid == BookLevel(Decimal(99), Decimal(6))


def test_a_delta_that_reaches_back_before_the_snapshot_is_applied(book: OrderBook):
    """Sizes are absolute, so a delta from 8 to 12 brings a book at 10 to 12."""
    assert book.apply(delta([("99", "5")], previous=8, sequence=12)) is BookOutcome.APPLIED
    assert book.sequence == 12
    assert book.best_bid == BookLevel(Decimal(99), Decimal(5))


def test_an_old_snapshot_does_not_overwrite_newer_levels():
    """A delayed snapshot, older by number and by time, is ignored."""
    book = OrderBook(BTC)
    old = snapshot([("99", "1")], sequence=10, at=0)
    book.apply(old)
    book.apply(delta([("99", "2")], previous=10, sequence=11, at=5))
    assert book.apply(old) is BookOutcome.IGNORED
    assert book.best_bid == BookLevel(Decimal(99), Decimal(2))


def test_a_counter_that_starts_again_is_not_a_gap():
    """A new server counts from one: its lower number with a newer time is taken, and its deltas after it."""
    book = OrderBook(BTC)
    book.apply(snapshot([("99", "1")], sequence=1_000_000, at=0))
    book.reset("connection lost")
    assert book.apply(snapshot([("98", "1")], sequence=3, at=10)) is BookOutcome.APPLIED
    assert book.apply(delta([("98", "2")], previous=3, sequence=4, at=11)) is BookOutcome.APPLIED
    assert book.bids() == levels(("98", "2"))


def test_a_server_that_lags_behind_is_a_gap():
    """After a reconnect, a snapshot older than what was held leaves the book stale until the server has caught up."""
    book = OrderBook(BTC)
    book.apply(snapshot([("99", "1")], sequence=100, at=50))
    book.reset("connection lost")
    assert book.apply(snapshot([("97", "1")], sequence=90, at=40)) is BookOutcome.GAP
    assert book.is_stale
    assert book.apply(snapshot([("98", "1")], sequence=100, at=50)) is BookOutcome.APPLIED


def test_a_reset_forgets_what_was_kept_aside():
    """Deltas of a lost connection never reach the book of the next."""
    book = OrderBook(BTC)
    book.apply(delta([("99", "9")], previous=10, sequence=11))
    book.reset("connection lost")
    book.apply(snapshot([("98", "1")], sequence=10))
    assert book.bids() == levels(("98", "1"))


def test_the_buffer_is_bounded_and_an_overflow_shows():
    """A snapshot can't be trusted when deltas after it were given up; a newer one can."""
    book = OrderBook(BTC, max_buffered=3)
    for number in range(11, 21):
        book.apply(delta([("99", str(number))], previous=number - 1, sequence=number))
    assert book.apply(snapshot([("99", "1")], sequence=15)) is BookOutcome.GAP
    assert book.apply(snapshot([("99", "1")], sequence=20)) is BookOutcome.APPLIED

    unchained = OrderBook(BTC, max_buffered=3)
    for number in range(11, 21):
        unchained.apply(delta([("99", str(number))], sequence=number))
    assert unchained.apply(snapshot([("99", "1")], sequence=10)) is BookOutcome.GAP


def test_a_crossed_book_is_never_shown(book: OrderBook):
    """A bid at or above the best ask means that something was missed."""
    assert book.apply(delta([("101", "1")], previous=10, sequence=11)) is BookOutcome.GAP
    with pytest.raises(StreamGapError, match="best bid 101 is not below best ask 101"):
        _ = book.best_ask
    assert book.apply(snapshot([("103", "1")], [("102", "1")], sequence=12)) is BookOutcome.GAP
    assert book.apply(snapshot([("101", "1")], [("102", "1")], sequence=13)) is BookOutcome.APPLIED


WRONG_LEVELS = [("98", "-1"), ("103", "-0.1"), ("0", "1"), ("-5", "1"), ("0", "-1")]


@pytest.mark.parametrize("wrong", WRONG_LEVELS)
def test_a_change_with_a_level_that_can_t_be_makes_the_book_stale(book: OrderBook, wrong):
    """It is neither a level nor the end of one: what was sent is not known, so nothing is read until a snapshot."""
    unchecked = delta(previous=10, sequence=11).trusted_replace(bids=levels(wrong))
    assert book.apply(unchecked) is BookOutcome.GAP
    with pytest.raises(StreamGapError, match=f"a level of {wrong[1]} at {wrong[0]} can't be"):
        book.bids()
    assert book.apply(delta([("99", "7")], previous=11, sequence=12)) is BookOutcome.BUFFERED
    assert book.apply(snapshot([("99", "1")], [("101", "1")], sequence=11)) is BookOutcome.APPLIED
    assert (book.bids(), book.sequence) == (((99, 7),), 12)


@pytest.mark.parametrize("wrong", WRONG_LEVELS)
def test_a_snapshot_with_a_level_that_can_t_be_is_not_taken(book: OrderBook, wrong):
    """On either side, and whether or not something waited for it."""
    for sides in ({"bids": levels(("99", "1"), wrong)}, {"asks": levels(wrong, ("101", "1"))}):
        book.apply(snapshot([("99", "1")], [("101", "1")], sequence=(book.sequence or 0) + 1))
        assert book.apply(snapshot(sequence=book.sequence + 1).trusted_replace(**sides)) is BookOutcome.GAP
        assert "can't be" in book.stale_reason
        assert book.apply(delta(previous=90, sequence=91)) is BookOutcome.BUFFERED
        assert book.apply(snapshot(sequence=92).trusted_replace(**sides)) is BookOutcome.GAP
        book.reset("another connection")


@pytest.mark.parametrize("wrong", WRONG_LEVELS)
def test_levels_that_can_t_be_are_not_put_into_order(wrong):
    """They are no error of the order and no level to leave out; one of no size at all is left out."""
    with pytest.raises(ValueError, match=f"a level of {wrong[1]} at {wrong[0]} can't be"):
        best_first(levels(("99", "1"), wrong), is_bid=True)
    with pytest.raises(ValueError, match="can't be"):
        possible(levels(wrong))
    assert possible(iter(levels(("99", "0")))) == [(99, 0)]
    assert best_first(levels(("99", "0")), is_bid=False) == ()


def test_the_depth_window_is_kept():
    """With a window of two, the third level goes, on the right end of both sides."""
    book = OrderBook(BTC, depth=2)
    book.apply(snapshot([("97", "1"), ("98", "1"), ("99", "1")], [("101", "1"), ("102", "1"), ("103", "1")]))
    assert [level.price for level in book.bids()] == [99, 98]
    assert [level.price for level in book.asks()] == [101, 102]
    book.apply(delta([("98.5", "1")], [("101.5", "1")]))
    assert [level.price for level in book.bids()] == [99, Decimal("98.5")]
    assert [level.price for level in book.asks()] == [101, Decimal("101.5")]


def test_reading_takes_as_many_levels_as_asked(book: OrderBook):
    """A depth cuts the far end, also when it is larger than the book."""
    assert book.bids(1) == levels(("99", "1"))
    assert book.asks(1) == levels(("101", "1"))
    assert book.asks(9) == book.asks()
    assert book.bids(0) == ()


@pytest.mark.parametrize(
    ("bids", "asks", "best_bid", "best_ask"),
    [
        ([], [], None, None),
        ([("99", "1")], [], BookLevel(Decimal(99), Decimal(1)), None),
        ([], [("101", "1")], None, BookLevel(Decimal(101), Decimal(1))),
    ],
)
def test_empty_and_one_sided_books_can_be_read(bids, asks, best_bid, best_ask):
    """A missing side is None, not an error, and gives no mid price."""
    book = OrderBook(BTC)
    book.apply(snapshot(bids, asks))
    assert (book.best_bid, book.best_ask, book.mid_price) == (best_bid, best_ask, None)


def test_a_venue_without_numbers_is_followed_as_it_comes():
    """Without sequences every delta is applied, and those before the snapshot are part of it."""
    book = OrderBook(BTC)
    book.apply(delta([("50", "1")]))
    book.apply(snapshot([("99", "1")]))
    assert book.apply(delta([("98", "1")])) is BookOutcome.APPLIED
    assert book.bids() == levels(("99", "1"), ("98", "1"))


def test_the_cost_of_a_size_walks_the_levels(book: OrderBook):
    """Buying 2 takes 1 at 101 and 1 at 102; selling 2 gets 1 at 99 and 1 at 98."""
    buy, sell = book.cost(Side.BUY, Decimal(2)), book.cost(Side.SELL, Decimal(2))
    assert (buy.notional, buy.average_price, buy.worst_price, buy.complete) == (203, Decimal("101.5"), 102, True)
    assert (sell.notional, sell.average_price, sell.worst_price, sell.complete) == (197, Decimal("98.5"), 98, True)


def test_a_size_beyond_the_book_says_so(book: OrderBook):
    """Three units stand on each side; a fourth isn't there."""
    cost = book.cost(Side.BUY, Decimal(4))
    assert (cost.size, cost.notional, cost.complete) == (3, 305, False)
    empty = OrderBook(BTC)
    empty.apply(snapshot())
    assert empty.cost(Side.SELL, Decimal(1)).average_price is None


@pytest.mark.parametrize("size", ["0", "-1", "NaN", "Infinity"])
def test_the_cost_of_no_size_is_refused(book: OrderBook, size: str):
    """Zero, negative and non-finite sizes have no cost."""
    with pytest.raises(ValueError, match="positive finite"):
        book.cost(Side.BUY, Decimal(size))


def test_a_message_of_another_market_is_refused(book: OrderBook):
    """Books don't mix."""
    with pytest.raises(ValueError, match="ETH-USD-PERP@toy"):
        book.apply(snapshot(market="ETH-USD-PERP@toy"))


def test_the_book_reads_back_as_a_message(book: OrderBook):
    """A snapshot of the book makes an equal book, and says how much was folded."""
    message = book.snapshot(conflated=7)
    assert BookSnapshot.model_validate(message.model_dump()) == message
    other = OrderBook(BTC)
    other.apply(message)
    assert (other.bids(), other.asks(), other.sequence) == (book.bids(), book.asks(), 10)
    assert message.conflated == 7


# Whatever happens on the way, the book is the server's or it says that it isn't.

_PRICES = st.integers(min_value=1, max_value=12)
_CHANGE = st.tuples(st.booleans(), _PRICES, st.integers(min_value=0, max_value=3))
_STEP = st.one_of(
    st.tuples(st.just("update"), st.lists(_CHANGE, max_size=4)),
    st.tuples(st.just("snapshot"), st.none()),
)
_FAULT = st.sampled_from(["deliver", "deliver", "deliver", "drop", "duplicate", "delay", "reconnect"])


class Server:
    """A venue's book in its plainest form, and the messages it sends."""

    def __init__(self) -> None:
        self.sides: tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]] = ({}, {})
        self.sequence = 0
        self.history: dict[int, tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]]] = {0: ({}, {})}

    def update(self, changes: list[tuple[bool, int, int]]) -> BookDelta:
        changed: tuple[dict[Decimal, Decimal], dict[Decimal, Decimal]] = ({}, {})
        for is_bid, offset, size in changes:
            # Bids below 100, asks above: the server's own book never crosses.
            price = Decimal(100) + (-offset if is_bid else offset) * Decimal("0.5")
            side = 0 if is_bid else 1
            changed[side][price] = Decimal(size)
            if size:
                self.sides[side][price] = Decimal(size)
            else:
                self.sides[side].pop(price, None)
        self.sequence += 1
        self.history[self.sequence] = (dict(self.sides[0]), dict(self.sides[1]))
        return delta(
            [(str(price), str(size)) for price, size in changed[0].items()],
            [(str(price), str(size)) for price, size in changed[1].items()],
            previous=self.sequence - 1,
            sequence=self.sequence,
            at=self.sequence,
        )

    def snapshot(self) -> BookSnapshot:
        return snapshot(
            [(str(price), str(size)) for price, size in self.sides[0].items()],
            [(str(price), str(size)) for price, size in self.sides[1].items()],
            sequence=self.sequence,
            at=self.sequence,
        )


@settings(max_examples=150, deadline=None)
@given(steps=st.lists(st.tuples(_STEP, _FAULT), max_size=60))
def test_the_book_is_the_servers_or_it_is_stale(steps):
    """Losses, duplicates, delays and reconnects in any order never give a wrong book."""
    server, book = Server(), OrderBook(BTC, max_buffered=5)
    delayed: list[BookDelta | BookSnapshot] = []

    def deliver(message: BookDelta | BookSnapshot) -> None:
        book.apply(message)
        if not book.is_stale:
            bids, asks = server.history[book.sequence]
            assert {level.price: level.size for level in book.bids()} == bids
            assert {level.price: level.size for level in book.asks()} == asks
            assert list(book.bids()) == sorted(book.bids(), reverse=True)
            assert list(book.asks()) == sorted(book.asks())

    for (kind, changes), fault in steps:
        message = server.update(changes) if kind == "update" else server.snapshot()
        if fault == "delay":
            delayed.append(message)
            continue
        if fault == "reconnect":
            book.reset("reconnect")
            delayed.clear()
            deliver(server.snapshot())
            continue
        for _ in range({"drop": 0, "duplicate": 2}.get(fault, 1)):
            deliver(message)
        while delayed and fault == "duplicate":
            deliver(delayed.pop())

    book.reset("reconnect")
    deliver(server.snapshot())
    assert not book.is_stale
    assert book.sequence == server.sequence


def test_memory_stays_flat_over_many_messages():
    """Thirty thousand deltas leave the book as small as a thousand do."""
    book = OrderBook(BTC)
    book.apply(snapshot(sequence=0))
    messages = [
        (
            levels((str(100 - number % 97 - 1), str(number % 5))),
            levels((str(100 + number % 89 + 1), str(number % 7))),
        )
        for number in range(1_000)
    ]

    def run(start: int, count: int) -> int:
        for number in range(start, start + count):
            bids, asks = messages[number % 1_000]
            book.apply(
                BookDelta.trusted(
                    market_id=BTC,
                    bids=bids,
                    asks=asks,
                    previous_sequence=number - 1,
                    sequence=number,
                    ts_received=T0,
                )
            )
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    tracemalloc.start()
    try:
        before = run(1, 1_000)
        after = run(1_001, 30_000)
    finally:
        tracemalloc.stop()
    assert book.sequence == 31_000
    assert after - before < 20_000


def test_what_has_no_size_in_a_snapshot_is_no_level():
    """A removed level at the top neither crosses the book nor is its best; levels may come in any order."""
    book = OrderBook(BTC)
    outcome = book.apply(snapshot([("98", "2"), ("103", "0"), ("99", "1")], [("102", "2"), ("97", "0"), ("101", "1")]))
    assert outcome is BookOutcome.APPLIED
    assert (book.best_bid, book.best_ask) == ((99, 1), (101, 1))
    assert (book.bids(), book.asks()) == (((99, 1), (98, 2)), ((101, 1), (102, 2)))
    book.apply(snapshot([("103", "0")], [("97", "0")]))
    assert (book.best_bid, book.best_ask) == (None, None)


@settings(max_examples=200, deadline=None)
@given(
    bids=st.lists(st.tuples(st.integers(90, 105), st.integers(0, 2)), max_size=6, unique_by=lambda level: level[0]),
    asks=st.lists(st.tuples(st.integers(95, 110), st.integers(0, 2)), max_size=6, unique_by=lambda level: level[0]),
)
def test_sides_that_say_that_they_are_in_order_make_the_same_book(bids, asks):
    """The short way of a decoder's sorted levels ends where the long way of any levels ends, crossed books included."""
    sides = [[BookLevel(Decimal(price), Decimal(size)) for price, size in side] for side in (bids, asks)]
    ordered = best_first(sides[0], is_bid=True), best_first(sides[1], is_bid=False)
    assert [level.price for level in ordered[0]] == sorted((price for price, size in bids if size), reverse=True)
    assert [level.price for level in ordered[1]] == sorted(price for price, size in asks if size)
    books = OrderBook(BTC), OrderBook(BTC)
    outcomes = {
        book.apply(BookSnapshot.trusted(market_id=BTC, bids=given[0], asks=given[1], ts_received=T0))
        for book, given in zip(books, (ordered, (tuple(sides[0]), tuple(sides[1]))), strict=True)
    }
    assert len(outcomes) == 1
    if outcomes == {BookOutcome.APPLIED}:
        assert books[0].snapshot() == books[1].snapshot()
        assert (books[0].best_bid, books[0].best_ask) == (books[1].best_bid, books[1].best_ask)


def test_levels_in_order_are_equal_to_any_other_tuple_and_survive_validation_and_json():
    """The mark is for the maintained book alone: nobody else sees a difference."""
    bids = best_first(levels(("98", "2"), ("99", "1")), is_bid=True)
    assert bids == levels(("99", "1"), ("98", "2"))
    marked = BookSnapshot.trusted(market_id=BTC, bids=bids, asks=(), ts_received=T0)
    assert marked == snapshot([("99", "1"), ("98", "2")])
    assert BookSnapshot.model_validate_json(marked.model_dump_json()) == marked
    assert marked.replace(sequence=7).bids == bids
    assert pickle.loads(pickle.dumps(marked)) == marked  # noqa: S301
