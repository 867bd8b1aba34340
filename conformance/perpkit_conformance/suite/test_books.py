"""The order book: kept from the stream by the core's own book, it is the exchange's, whatever happens on the way."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal

import pytest

from perpkit.core.book import BookOutcome, OrderBook
from perpkit.core.models import BookDelta, BookLevel, BookSnapshot, Channel, Side, StreamState, StreamStatus
from perpkit.core.venue import Venue
from perpkit.sim.control import LIQUIDITY
from perpkit.sim.faults import FaultAction
from perpkit.sim.orders import Order
from perpkit_conformance.suite.trading import Trader
from perpkit_conformance.target import Target, Watch

pytestmark = pytest.mark.needs("open_stream", "channel:book")

DEPTH = 10
"""Compared on each side. Every venue streams at least so many."""

PROMPT = timedelta(seconds=10)
"""Within so much of the venue's time a change must be seen; what a later snapshot puts right was wrong until then."""

Rows = list[tuple[Decimal, Decimal]]


class Follower:
    """Follows the first market's book, and holds it against the exchange's."""

    def __init__(self, trader: Trader, watch: Watch) -> None:
        self.trader = trader
        self.watch = watch
        self.book = OrderBook(trader.market.id)
        self.outcomes: list[BookOutcome] = []
        self._read = 0

    def read(self) -> OrderBook:
        """Return the book with all that has come."""
        for event in self.watch.events[self._read :]:
            if isinstance(event, BookSnapshot | BookDelta):
                self.outcomes.append(self.book.apply(event))
        self._read = len(self.watch.events)
        return self.book

    def states(self) -> list[StreamState]:
        """Return what the stream said of itself."""
        return self.watch.states

    def truth(self) -> tuple[Rows, Rows]:
        """Return the exchange's best levels."""
        book = self.trader.target.control.exchange.book(self.trader.symbol, DEPTH)
        return [(row.price, row.size) for row in book.bids], [(row.price, row.size) for row in book.asks]

    def held(self) -> tuple[Rows, Rows] | str:
        """Return our best levels, or why there are none."""
        book = self.read()
        if book.is_stale:
            return f"a stale book ({book.stale_reason})"
        return _rows(book.bids(DEPTH)), _rows(book.asks(DEPTH))

    async def agree(self, after: str, *, within: timedelta = timedelta(seconds=60)) -> None:
        """Wait until the book is the exchange's; fail with both where it does not become so."""
        try:
            await self.watch.until(lambda: self.held() == self.truth(), "the exchange's book", within=within)
        except AssertionError as error:
            if self.watch.error is not None:
                raise
            pytest.fail(
                f"after {after}: expected from the exchange {_show(self.truth())}, came {_show(self.held())} ({error})"
            )


def _rows(levels: Iterable[BookLevel]) -> Rows:
    return [(level.price, level.size) for level in levels]


def _show(sides: tuple[Rows, Rows] | str) -> str:
    if isinstance(sides, str):
        return sides
    return " / ".join(" ".join(f"{size}@{price}" for price, size in rows) or "nothing" for rows in sides)


@pytest.fixture
async def trader(target: Target, venue: Venue) -> Trader:
    """A trader on a quoted book."""
    trader = await Trader.of(target, venue)
    target.quote(levels=12, size=trader.size(1000))
    return trader


def _topic(trader: Trader) -> str:
    return f"book:{trader.market.id}"


class Shaker:
    """Changes the book at random, by the exchange's back door."""

    def __init__(self, trader: Trader, seed: int, name: str) -> None:
        self.trader = trader
        self.exchange = trader.target.control.exchange
        self.rng = random.Random(f"{seed}/{name}")  # noqa: S311 - reproducible, not secret

    def shake(self) -> str:
        """Do one thing; returns what, in words."""
        return self.rng.choice((self._rest, self._rest, self._rest, self._cancel, self._cancel, self._trade))()

    def _rest(self) -> str:
        trader, rng = self.trader, self.rng
        side = rng.choice(list(Side))
        price = trader.price("1") - side.sign * rng.randint(-2, 25) * trader.market.tick_size
        size = trader.size(rng.randint(10, 3000)) + trader.market.step_size
        trader.rest(side, price, size)
        return f"rest {side} {size}@{price}"

    def _cancel(self) -> str:
        standing = self.exchange.open_orders(LIQUIDITY, self.trader.symbol)
        if not standing:
            return "cancel nothing"
        order = self.rng.choice(standing)
        self.exchange.cancel(LIQUIDITY, order.id)
        return f"cancel {order.side} {order.size}@{order.price}"

    def _trade(self) -> str:
        side, size = self.rng.choice(list(Side)), self.trader.size(self.rng.randint(10, 4000))
        self.trader.trade(side, size)
        return f"trade {side} {size}"


@pytest.mark.rule("book-equals-the-exchanges")
async def test_after_any_operations_the_book_is_the_exchanges(trader: Trader, venue_seed: int) -> None:
    """Orders come, go and trade at random; again and again the best levels are the same, and nothing was missed."""
    shaker, done = Shaker(trader, venue_seed, "book"), []
    async with trader.target.watch(trader.venue, _topic(trader)) as watch:
        follower = Follower(trader, watch)
        await follower.agree("subscribing")
        for _ in range(40):
            done += [shaker.shake() for _ in range(shaker.rng.randint(1, 5))]
            trader.target.advance(timedelta(milliseconds=shaker.rng.choice((10, 60, 200))))
            await follower.agree(f"seed {venue_seed}: {done[-5:]}", within=PROMPT)
        assert StreamState.GAP not in watch.states, "nothing was lost on the way, and a gap was reported"


@pytest.mark.rule("book-equals-the-exchanges")
async def test_a_size_in_a_change_is_what_stands_there_now(trader: Trader) -> None:
    """A level that grows twice and shrinks once has the exchange's size each time."""
    price = trader.price("1") - 3 * trader.market.tick_size
    async with trader.target.watch(trader.venue, _topic(trader)) as watch:
        follower = Follower(trader, watch)
        await follower.agree("subscribing")
        for size in (100, 700):
            trader.rest(Side.BUY, price, trader.size(size))
            await follower.agree(f"{size} more on one level", within=PROMPT)
        trader.target.control.exchange.cancel(LIQUIDITY, _last(trader).id)
        await follower.agree("less on one level", within=PROMPT)


def _last(trader: Trader) -> Order:
    return trader.target.control.exchange.open_orders(LIQUIDITY, trader.symbol)[-1]


@pytest.mark.rule("book-gap-is-noticed")
async def test_a_missing_update_is_said_at_once_and_mended(trader: Trader) -> None:
    """Gap, then a fresh snapshot, then the exchange's book; no change is handed on in between."""
    async with trader.target.watch(trader.venue, _topic(trader)) as watch:
        follower = Follower(trader, watch)
        await follower.agree("subscribing")
        trader.target.inject(Channel.BOOK, FaultAction.GAP, times=1)
        for ticks in (1, 2, 3):
            trader.rest(Side.BUY, trader.price("1") - ticks * trader.market.tick_size, trader.size(500))
            trader.target.advance(timedelta(milliseconds=300))
            await trader.target.breathe(20)
        await watch.until(lambda: StreamState.GAP in watch.states, "the gap to be said", within=timedelta(seconds=20))
        await follower.agree("a gap")
        begin = next(
            n for n, e in enumerate(watch.events) if isinstance(e, StreamStatus) and e.state is StreamState.GAP
        )
        after = [each for each in watch.events[begin:] if isinstance(each, BookSnapshot | BookDelta)]
        assert isinstance(after[0], BookSnapshot), f"after a gap a change came before the snapshot: {after[0]!r}"


@pytest.mark.rule("book-snapshot-replaces")
@pytest.mark.parametrize("how", ["a new connection", "a burst"])
async def test_a_snapshot_leaves_nothing_of_before(trader: Trader, how: str) -> None:
    """Levels that went while it was made are gone, after a reconnect and in the middle of a connection."""
    target = trader.target
    async with target.watch(trader.venue, _topic(trader)) as watch:
        follower = Follower(trader, watch)
        await follower.agree("subscribing")
        if how == "a new connection":
            target.inject("connect", FaultAction.REFUSE, times=2)
            target.inject(Channel.BOOK, FaultAction.DISCONNECT, times=1, close_code=1006)
        target.control.clear_liquidity()
        target.quote(levels=12, mid=trader.price("1.002"), size=trader.size(2000))
        if how == "a burst":
            # More at one moment than a venue will send one by one.
            shaker = Shaker(trader, target.seed, "burst")
            for _ in range(600):
                shaker.shake()
        await follower.agree(how, within=timedelta(minutes=3))
        trader.rest(Side.BUY, trader.price("1.0021"), trader.size(300))
        await follower.agree(f"one more change after {how}")


@pytest.mark.rule("book-levels-are-exact")
async def test_a_level_that_is_gone_is_gone(trader: Trader) -> None:
    """Canceled or traded away, it leaves nothing behind."""
    price = trader.price("1")
    async with trader.target.watch(trader.venue, _topic(trader)) as watch:
        follower = Follower(trader, watch)
        for _ in range(3):
            trader.rest(Side.SELL, price, trader.size(200))
            await follower.agree("a level more")
            trader.trade(Side.BUY, trader.size(1300))
            await follower.agree("a level traded away")
            trader.rest(Side.BUY, price, trader.size(200))
            await follower.agree("the same price on the other side")
            trader.target.control.exchange.cancel(LIQUIDITY, _last(trader).id)
            await follower.agree("a level canceled")
        levels = [*follower.read().bids(), *follower.read().asks()]
        assert all(level.size > 0 for level in levels), f"a level of size zero is kept: {levels}"


@pytest.mark.rule("book-levels-are-exact")
async def test_a_price_spelt_in_another_way_is_the_same_level(trader: Trader) -> None:
    """The venue writes 1.1 when the level comes and 1.10 when it goes."""
    tick = trader.market.tick_size
    async with trader.target.watch(trader.venue, _topic(trader)) as watch:
        follower = Follower(trader, watch)
        await follower.agree("subscribing")
        for number in range(1, 7):
            fault = None
            if number % 2:
                fault = trader.target.inject(Channel.BOOK, FaultAction.RESPELL, times=None)
            trader.rest(Side.BUY, trader.price("1") - tick * 7 / 2 // tick * tick, trader.size(100 * number))
            await follower.agree("a level in one spelling")
            if fault is not None:
                trader.target.control.faults.remove(fault.id)
            if number > 3:
                trader.target.control.exchange.cancel_all(LIQUIDITY, trader.symbol)
                trader.target.quote(levels=12, size=trader.size(1000))
                await follower.agree("its end in another")


@pytest.mark.rule("book-order-of-messages")
@pytest.mark.parametrize("disorder", [FaultAction.DUPLICATE, FaultAction.REORDER])
async def test_messages_twice_or_out_of_order_leave_the_book_right(
    trader: Trader, venue_seed: int, disorder: FaultAction
) -> None:
    """A repeated change is no news; one that came too early is waited for, or the book made anew."""
    shaker = Shaker(trader, venue_seed, disorder)
    async with trader.target.watch(trader.venue, _topic(trader)) as watch:
        follower = Follower(trader, watch)
        await follower.agree("subscribing")
        times = None if disorder is FaultAction.DUPLICATE else 3
        trader.target.inject(Channel.BOOK, disorder, times=times)
        for _ in range(12):
            shaker.shake()
            trader.target.advance(timedelta(milliseconds=150))
            await trader.target.breathe()
        trader.rest(Side.SELL, trader.price("1.0005"), trader.size(100))
        await follower.agree(f"frames came by {disorder}")
        if disorder is FaultAction.DUPLICATE:
            assert StreamState.GAP not in watch.states, "a repeated message was taken for a gap"


@pytest.mark.rule("book-order-of-messages")
async def test_changes_that_come_before_their_snapshot_wait(trader: Trader) -> None:
    """The first message is held back until the next has gone out."""
    trader.target.inject(Channel.BOOK, FaultAction.REORDER, times=1)
    async with trader.target.watch(trader.venue, _topic(trader), live=False) as watch:
        follower = Follower(trader, watch)
        for ticks in (2, 3, 4):
            await trader.target.breathe(10)
            trader.rest(Side.SELL, trader.price("1") + ticks * trader.market.tick_size, trader.size(150))
            trader.target.advance(timedelta(milliseconds=200))
        await follower.agree("the snapshot came second")
        first = next(each for each in watch.events if isinstance(each, BookSnapshot | BookDelta))
        assert isinstance(first, BookSnapshot), f"a change was handed on without a book: {first!r}"


def _sorted(book: BookSnapshot, where: str) -> None:
    bids, asks = [level.price for level in book.bids], [level.price for level in book.asks]
    assert bids == sorted(set(bids), reverse=True), f"{where}: bids are not best first: {bids}"
    assert asks == sorted(set(asks)), f"{where}: asks are not best first: {asks}"
    assert not (bids and asks) or bids[0] < asks[0], f"{where}: crossed: {bids[0]} / {asks[0]}"


@pytest.mark.rule("book-sides-are-sorted")
@pytest.mark.needs("fetch_order_book")
@pytest.mark.parametrize("depth", [None, 1, 5])
async def test_a_fetched_book_has_both_sides_best_first(trader: Trader, depth: int | None) -> None:
    """And is the exchange's, as deep as was asked for."""
    trader.target.quote(levels=40, size=trader.size(500))
    book = await trader.target.run(trader.venue.fetch_order_book(trader.market, depth=depth))
    _sorted(book, "fetch_order_book")
    if depth is not None:
        assert (len(book.bids), len(book.asks)) == (depth, depth), f"depth {depth} was asked for, came {book!r}"
    truth = trader.target.control.exchange.book(trader.symbol, len(book.bids) or 1)
    expected = ([(row.price, row.size) for row in truth.bids], [(row.price, row.size) for row in truth.asks])
    came = (_rows(book.bids), _rows(book.asks))
    assert came == expected, f"expected from the exchange {_show(expected)}, came {_show(came)}"


@pytest.mark.rule("book-sides-are-sorted")
async def test_a_streamed_snapshot_has_both_sides_best_first(trader: Trader, venue_seed: int) -> None:
    """As deep as the venue streams, and the book stays within what it streams however much is placed."""
    trader.target.quote(levels=40, size=trader.size(500))
    shaker = Shaker(trader, venue_seed, "window")
    async with trader.target.watch(trader.venue, _topic(trader)) as watch:
        follower = Follower(trader, watch)
        await follower.agree("subscribing")
        first = watch.of(BookSnapshot)[0]
        _sorted(first, "the first snapshot")
        deep = max(len(first.bids), len(first.asks))
        for _ in range(15):
            for _ in range(6):
                shaker.shake()
            trader.target.advance(timedelta(milliseconds=200))
            await follower.agree("a change")
        held = follower.read()
        _sorted(held.snapshot(), "the book after changes")
        truth = trader.target.control.exchange.book(trader.symbol)
        assert len(held.bids()) <= max(deep, len(truth.bids)), "the book grew beyond what the venue streams"


@pytest.mark.rule("book-empty-sides")
@pytest.mark.parametrize("left", ["both", "bids", "asks", "neither"])
@pytest.mark.parametrize("as_null", [False, True], ids=["lists", "nulls"])
async def test_a_side_may_be_empty(trader: Trader, left: str, as_null: bool) -> None:
    """Fetched, at the start of a stream and in the middle of one; also where null stands for an empty list."""
    target = trader.target
    target.control.clear_liquidity()
    if as_null:
        target.inject(Channel.BOOK, FaultAction.EMPTY_AS_NULL, times=None)
        target.inject("fetch_order_book", FaultAction.EMPTY_AS_NULL, times=None)
    if left in {"both", "bids"}:
        trader.rest(Side.BUY, trader.price("0.999"), trader.size(100))
    if left in {"both", "asks"}:
        trader.rest(Side.SELL, trader.price("1.001"), trader.size(100))
    async with target.watch(trader.venue, _topic(trader)) as watch:
        follower = Follower(trader, watch)
        await follower.agree(f"starting with {left}")
        if "fetch_order_book" in trader.venue.capabilities.hooks:
            book = await target.run(trader.venue.fetch_order_book(trader.market))
            came = (_rows(book.bids), _rows(book.asks))
            assert came == follower.truth(), f"expected from the exchange {_show(follower.truth())}, came {_show(came)}"
        trader.rest(Side.BUY, trader.price("0.998"), trader.size(50))
        await follower.agree("one more bid")
        target.control.clear_liquidity()
        await follower.agree("everything is gone")
        target.quote(levels=3, size=trader.size(100))
        await follower.agree("quotes came back")
        assert not {StreamState.GAP, StreamState.LOST} & set(watch.states), f"an empty side broke it: {watch.states}"


@pytest.mark.rule("book-counter-restarts")
async def test_a_new_connections_counter_may_begin_anywhere(trader: Trader, venue_seed: int) -> None:
    """The server restarts and counts from the beginning: the book is live again and follows the new numbers."""
    target, shaker = trader.target, Shaker(trader, venue_seed, "restart")
    for _ in range(20):
        shaker.shake()
    async with target.watch(trader.venue, _topic(trader)) as watch:
        follower = Follower(trader, watch)
        await follower.agree("subscribing")
        await target.local.stop()
        target.advance(timedelta(seconds=2))
        target.control.exchange.renumber_book(trader.symbol)
        trader.rest(Side.BUY, trader.price("0.9995"), trader.size(300))
        await target.local.start()
        await follower.agree("a restart", within=timedelta(minutes=5))
        for _ in range(8):
            shaker.shake()
            await follower.agree("a change after the restart")
        assert StreamState.GAP not in watch.states, "a counter that began anew was taken for a gap"


@pytest.mark.rule("book-counter-restarts")
async def test_within_one_connection_numbers_must_follow(trader: Trader) -> None:
    """Twice in a row something is missing: twice it is said, and in the end the book is right."""
    async with trader.target.watch(trader.venue, _topic(trader)) as watch:
        follower = Follower(trader, watch)
        for times in (1, 2):
            await follower.agree("a start")
            trader.target.inject(Channel.BOOK, FaultAction.GAP, times=1)
            for ticks in (1, 2):
                trader.rest(Side.SELL, trader.price("1") + ticks * trader.market.tick_size, trader.size(50 * ticks))
                trader.target.advance(timedelta(milliseconds=300))
                await trader.target.breathe(20)
            await watch.until(
                lambda times=times: watch.states.count(StreamState.GAP) >= times,  # type: ignore[misc]
                f"gap number {times} to be said",
                within=timedelta(seconds=20),
            )
        await follower.agree("two gaps")
