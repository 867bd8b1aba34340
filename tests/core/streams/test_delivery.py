"""A slow reader: private events all stay, public ones are folded within bounds, and the stream says how many."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

from perpkit.core.book import OrderBook
from perpkit.core.errors import InvalidRequestError, StreamError
from perpkit.core.models import BookSnapshot, Channel, StreamState, StreamStatus
from perpkit.core.streams.protocol import Data, Refusal
from perpkit.core.streams.settings import StreamSettings
from tests.core.streams.rig import (
    BOOK,
    ETH,
    FILLS,
    FUNDING,
    ORDERS,
    TICKER,
    TRADES,
    Rig,
    data,
    delta,
    fill,
    order,
    rate,
    read,
    settle,
    snapshot,
    states,
    sub,
    ticker,
    trade,
)

LAGGING = StreamState.LAGGING


def lagging(events) -> list[StreamStatus]:
    return [event for event in events if isinstance(event, StreamStatus) and event.state is LAGGING]


async def test_private_events_are_never_dropped():
    """Five thousand fills wait for a reader that sleeps; all of them come, in order, and the backlog shows them."""
    async with Rig() as rig:
        stream = await rig.open(FILLS)
        await read(stream)
        for start in range(0, 5_000, 50):
            rig.connection.bring(Data("fills.all", [fill(f"f{start + n}", start + n) for n in range(50)]))
        await settle(300)
        assert stream.backlog == 5_000
        assert [event.fill_id for event in await read(stream)] == [f"f{n}" for n in range(5_000)]
        assert stream.backlog == 0


async def test_a_reader_takes_what_waits_without_waiting():
    """In the same order as the iterator, from the first status on; None when nothing waits, and nothing is lost."""
    async with Rig() as rig:
        stream = rig.hub.open([FILLS])
        assert stream.take_nowait() is None
        await settle()
        first = stream.take_nowait()
        assert states([first]) == [StreamState.LIVE]
        assert stream.take_nowait() is None
        for number in range(3):
            rig.connection.bring(Data("fills.all", [fill(f"f{number}", number)]))
        await settle()
        woken = await anext(stream)
        taken = [woken, stream.take_nowait(), stream.take_nowait()]
        assert [event.fill_id for event in taken] == ["f0", "f1", "f2"]
        assert stream.take_nowait() is None
        await stream.close()
        assert stream.take_nowait() is None


async def test_taking_without_waiting_raises_what_a_refusal_says():
    """Once, after its status, as the iterator does."""
    async with Rig() as rig:
        rig.respond = lambda sent: [Refusal(sent.request_id, InvalidRequestError("no such channel"))]
        stream = await rig.open(TRADES)
        await settle()
        assert states([stream.take_nowait()]) == [StreamState.REFUSED]
        with pytest.raises(StreamError, match="no such channel"):
            stream.take_nowait()
        assert stream.take_nowait() is None


async def test_a_reader_far_behind_is_logged(caplog):
    """Each doubling of a very long queue gets one line, so that growing memory has a name."""
    async with Rig() as rig:
        stream = await rig.open(FILLS)
        for start in range(0, 25_000, 500):
            rig.connection.bring(Data("fills.all", [fill(f"f{start + n}", start + n) for n in range(500)]))
        await settle(200)
        assert stream.backlog == 25_001
        lines = [record.getMessage() for record in caplog.records if "is slow" in record.getMessage()]
        assert [line.split()[-3] for line in lines] == ["10000", "20000"]


async def test_a_slow_reader_of_a_book_gets_one_fresh_snapshot_that_says_so():
    """Beyond the bound, what waits becomes one snapshot, made when it is read, counting every update folded."""
    async with Rig(settings=StreamSettings(book_backlog=10)) as rig:
        stream = await rig.open(BOOK)
        await rig.bring(BOOK, snapshot(1))
        await read(stream)
        for number in range(2, 102):
            rig.connection.bring(Data("book.BTC", [delta(number, bids=[("99", str(number))])]))
        await settle(200)
        assert stream.backlog == 1
        status, book = await read(stream)
        assert (status.state, status.channel, status.dropped) == (LAGGING, Channel.BOOK, 100)
        assert isinstance(book, BookSnapshot)
        assert (book.sequence, book.conflated, book.bids[0].size) == (101, 100, 101)
        await rig.bring(BOOK, delta(102))
        assert await read(stream) == [delta(102)]


async def test_updates_after_the_snapshot_was_made_follow_it():
    """Between the lagging status and the snapshot more may come: nothing is in both, nothing in neither."""
    async with Rig(settings=StreamSettings(book_backlog=3)) as rig:
        stream = await rig.open(BOOK)
        await rig.bring(BOOK, snapshot(1))
        await read(stream)
        await rig.bring(BOOK, *[delta(number, bids=[("99", str(number))]) for number in range(2, 8)])
        status = await anext(stream)
        await rig.bring(BOOK, delta(8, bids=[("98", "1")]))
        book, *later = await read(stream)
        assert (status.dropped, book.conflated, book.sequence) == (6, 6, 7)
        assert later == [delta(8, bids=[("98", "1")])]


async def test_a_reader_within_the_bound_gets_every_update():
    """Nothing is folded before it has to be."""
    async with Rig(settings=StreamSettings(book_backlog=10)) as rig:
        stream = await rig.open(BOOK)
        await rig.bring(BOOK, snapshot(1))
        await read(stream)
        updates = [delta(number) for number in range(2, 12)]
        await rig.bring(BOOK, *updates)
        assert await read(stream) == updates


async def test_one_slow_reader_does_not_slow_another():
    """The reader that keeps up sees every update while the other one's are folded."""
    async with Rig(settings=StreamSettings(book_backlog=5)) as rig:
        fast, slow = await rig.open(BOOK), await rig.open(BOOK)
        await rig.bring(BOOK, snapshot(1))
        seen = []
        for number in range(2, 50):
            await rig.bring(BOOK, delta(number))
            seen += data(await read(fast))
        assert [event.sequence for event in seen] == list(range(1, 50))
        (book,) = data(await read(slow))
        assert (book.sequence, book.conflated) == (49, 49)


async def test_folding_keeps_private_events_in_their_place():
    """A fill that came between book updates comes between what is left of them."""
    async with Rig(settings=StreamSettings(book_backlog=3)) as rig:
        stream = await rig.open(BOOK, FILLS)
        await rig.bring(BOOK, snapshot(1))
        await read(stream)
        await rig.bring(BOOK, delta(2))
        await rig.bring(FILLS, fill("f1", 1))
        await rig.bring(BOOK, *[delta(number) for number in range(3, 10)])
        await rig.bring(FILLS, fill("f2", 2))
        assert [type(event).__name__ for event in await read(stream)] == [
            "StreamStatus",
            "BookSnapshot",
            "Fill",
            "Fill",
        ]


async def test_a_loss_takes_the_folded_book_out():
    """The reader hears of the loss, not of a book that nobody can vouch for; then comes the new one."""
    async with Rig(settings=StreamSettings(book_backlog=3)) as rig:
        stream = await rig.open(BOOK)
        await rig.bring(BOOK, snapshot(1))
        await read(stream)
        await rig.bring(BOOK, *[delta(number) for number in range(2, 10)])
        await rig.drop()
        await rig.back()
        await rig.bring(BOOK, snapshot(50))
        events = await read(stream)
        assert states(events) == [StreamState.LOST, StreamState.RESYNCED]
        assert data(events) == [snapshot(50)]
        assert events[1] == snapshot(50)


async def test_the_fresh_snapshot_comes_before_resynced_however_slow_the_reader():
    """Folding after a resync does not let the status overtake the state that it speaks of."""
    async with Rig(settings=StreamSettings(book_backlog=3)) as rig:
        stream = await rig.open(BOOK)
        await rig.bring(BOOK, snapshot(1))
        await read(stream)
        await rig.drop()
        await rig.back()
        await rig.bring(BOOK, snapshot(50))
        await rig.bring(BOOK, *[delta(number) for number in range(51, 70)])
        events = await read(stream)
        kinds = [event.state if isinstance(event, StreamStatus) else event.sequence for event in events]
        assert kinds == [StreamState.LOST, LAGGING, 69, StreamState.RESYNCED]


async def test_tickers_and_rates_keep_the_newest():
    """A slow reader gets the last of each market, quietly."""
    async with Rig() as rig:
        eth = sub(Channel.TICKER, ETH)
        stream = await rig.open(TICKER, FUNDING, eth)
        await read(stream)
        for number in range(1, 50):
            await rig.bring(TICKER, ticker(str(number), number))
            await rig.bring(eth, ticker(str(number), number, of=ETH))
            await rig.bring(FUNDING, rate(f"0.{number}", number))
        events = await read(stream)
        assert states(events) == [StreamState.LIVE]
        newest = [ticker("49", 49), ticker("49", 49, of=ETH), rate("0.49", 49)]
        assert sorted(map(repr, data(events))) == sorted(map(repr, newest))


async def test_a_very_slow_reader_of_tickers_is_told():
    """Hundreds skipped are no longer what a ticker is for."""
    async with Rig(settings=StreamSettings(book_backlog=200)) as rig:
        stream = await rig.open(TICKER)
        await read(stream)
        for number in range(1, 300):
            rig.connection.bring(Data("ticker.BTC", [ticker(str(number), number)]))
        await settle(400)
        events = await read(stream)
        assert [each.dropped for each in lagging(events)] == [298]
        assert data(events) == [ticker("299", 299)]


async def test_public_trades_are_bounded_and_the_drop_is_counted():
    """With room for ten, the newest ten of a hundred come, after the number of those dropped."""
    async with Rig(settings=StreamSettings(trade_backlog=10)) as rig:
        stream = await rig.open(TRADES)
        await read(stream)
        for number in range(100):
            await rig.bring(TRADES, trade(f"t{number}", number))
        assert stream.backlog == 10
        status, *trades = await read(stream)
        assert (status.state, status.channel, status.market_id, status.dropped) == (
            LAGGING,
            Channel.TRADES,
            TRADES.market_id,
            90,
        )
        assert [event.trade_id for event in trades] == [f"t{number}" for number in range(90, 100)]
        await rig.bring(TRADES, trade("t100", 100))
        assert await read(stream) == [trade("t100", 100)]


async def test_the_queue_of_a_stuck_reader_stays_small():
    """Thousands of public events more for a reader that never reads leave the memory where the first ones left it."""
    async with Rig(settings=StreamSettings(trade_backlog=50, book_backlog=50)) as rig:
        stream = await rig.open(TRADES, TICKER, BOOK)
        book = OrderBook(BOOK.market_id)
        book.apply(snapshot(1))
        update, price = delta(2), ticker("1")

        def flood(count: int, start: int) -> int:
            for number in range(start, start + count):
                stream.put_trade(TRADES.key, trade(f"t{number}"))
                stream.put_latest(TICKER.key, price)
                stream.put_book(BOOK.key, update, book)
            gc.collect()
            return tracemalloc.get_traced_memory()[0]

        tracemalloc.start()
        try:
            before = flood(2_000, 0)
            after = flood(8_000, 2_000)
        finally:
            tracemalloc.stop()
        assert after - before < 100_000
        assert stream.backlog < 200
        assert len(stream._queue) < 4_000
        events = await read(stream)
        assert sum(event.dropped for event in lagging(events)) == 3 * 10_000 - 50 - 1


async def test_events_and_statuses_leave_in_the_order_in_which_they_came():
    """Orders before the loss, the loss, orders after it, the return."""
    async with Rig() as rig:
        stream = await rig.open(ORDERS)
        await read(stream)
        await rig.bring(ORDERS, order("v1", sequence=1))
        await rig.drop()
        rig.reads.state["fetch_open_orders"] = [order("v1", sequence=1), order("v2", sequence=2)]
        await rig.back()
        await rig.bring(ORDERS, order("v3", sequence=3))
        said = [getattr(event, "state", None) or event.venue_order_id for event in await read(stream)]
        assert said == ["v1", StreamState.LOST, "v2", StreamState.RESYNCED, "v3"]


async def test_the_status_is_the_worst_of_any_subscription():
    """One number tells a strategy whether to stand still."""
    async with Rig() as rig:
        stream = rig.hub.open([BOOK, FILLS])
        assert stream.status is None
        await stream.__aenter__()
        await settle()
        assert stream.status is None
        await rig.bring(BOOK, snapshot(1))
        assert stream.status is StreamState.LIVE
        await rig.bring(BOOK, delta(9))
        assert stream.status is StreamState.GAP
        assert stream.states[FILLS.key] is StreamState.LIVE
        await rig.drop()
        assert stream.status is StreamState.LOST
        await stream.close()
        assert stream.status is StreamState.CLOSED
