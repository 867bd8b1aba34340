"""Books on the stream: gaps are told at once and mended, by subscribing again or by REST, with pauses between."""

from __future__ import annotations

import random

import pytest

from perpkit.core.book import OrderBook
from perpkit.core.errors import RequestTimeoutError, StreamError, StreamGapError
from perpkit.core.models import BookDelta, BookSnapshot, Channel, StreamState, StreamStatus
from perpkit.core.streams.protocol import StreamTraits
from perpkit.core.streams.settings import StreamSettings
from tests.core.streams.rig import (
    BOOK,
    ETH,
    TICKER,
    Rig,
    Sent,
    acknowledge,
    data,
    delta,
    levels,
    read,
    settle,
    snapshot,
    states,
    sub,
    ticker,
)

LIVE, LOST, RESYNCED, GAP = StreamState.LIVE, StreamState.LOST, StreamState.RESYNCED, StreamState.GAP
BY_REST = StreamTraits(book_resync="rest")


async def live_book(rig: Rig):
    stream = await rig.open(BOOK)
    await rig.bring(BOOK, snapshot(1))
    await read(stream)
    return stream


async def test_a_gap_is_told_at_once_and_mended_by_subscribing_again():
    """Gap, unsubscribe, subscribe, a fresh snapshot, resynced; no delta in between reaches the reader."""
    async with Rig() as rig:
        stream = await live_book(rig)
        await rig.bring(BOOK, delta(3, bids=[("99", "9")]))
        (gap,) = await read(stream)
        assert (gap.state, gap.channel, gap.market_id) == (GAP, Channel.BOOK, BOOK.market_id)
        assert "the update after 2 came, 1 is held" in gap.reason
        assert stream.status is GAP
        asked = [(sent.what, sent.topic) for sent in rig.connection.sent]
        assert asked == [("subscribe", "book.BTC"), ("unsubscribe", "book.BTC"), ("subscribe", "book.BTC")]
        await rig.bring(BOOK, delta(4))
        await rig.bring(BOOK, snapshot(4, bids=[("98", "1")]))
        fresh, back = await read(stream)
        assert fresh == snapshot(4, bids=[("98", "1")])
        assert (back.state, back.channel) == (RESYNCED, Channel.BOOK)
        await rig.bring(BOOK, delta(5, bids=[("97", "1")]))
        assert data(await read(stream)) == [delta(5, bids=[("97", "1")])]


async def test_deltas_of_the_old_subscription_are_not_taken_for_the_new_one():
    """Between unsubscribing and the confirmation the old feed may still bring something."""

    def respond(sent: Sent):
        return None if sent.what == "unsubscribe" else acknowledge(sent)

    async with Rig() as rig:
        stream = await live_book(rig)
        rig.respond = respond
        await rig.bring(BOOK, delta(3))
        await rig.bring(BOOK, snapshot(9))
        assert states(await read(stream)) == [GAP]
        rig.connection.bring(*acknowledge(rig.connection.sent[-1]))
        await settle()
        await rig.bring(BOOK, snapshot(10))
        assert data(await read(stream)) == [snapshot(10)]


async def test_what_waits_in_the_queue_of_a_wrong_book_is_taken_out():
    """A slow reader hears of the gap before anything else of that book."""
    async with Rig() as rig:
        stream = await live_book(rig)
        for number in range(2, 8):
            await rig.bring(BOOK, delta(number))
        await rig.bring(BOOK, delta(9))
        (event,) = await read(stream)
        assert event.state is GAP


async def test_a_gap_is_mended_by_rest_where_the_venue_wants_that():
    """The snapshot is fetched, the deltas that came meanwhile follow it, and nothing is subscribed to again."""
    async with Rig(traits=BY_REST) as rig:
        rig.reads.state["fetch_order_book"] = [snapshot(1)]
        stream = await rig.open(BOOK)
        assert data(await read(stream)) == [snapshot(1)]
        rig.reads.state["fetch_order_book"] = [snapshot(4, bids=[("98", "4")])]
        await rig.bring(BOOK, delta(4), delta(5, bids=[("97", "5")]))
        events = await read(stream)
        assert states(events) == [GAP, RESYNCED]
        (fresh,) = data(events)
        assert (fresh.sequence, fresh.bids) == (5, levels(("98", "4"), ("97", "5")))
        assert rig.connection.asked("subscribe") == ["book.BTC"]


async def test_a_rest_snapshot_that_is_too_old_is_fetched_again():
    """The venue's REST lags behind its stream: with a growing pause, until the two meet."""
    async with Rig(traits=BY_REST) as rig:
        rig.reads.state["fetch_order_book"] = [snapshot(1)]
        stream = await rig.open(BOOK)
        await rig.bring(BOOK, delta(9))
        await rig.advance(3, step=0.1)
        events = await read(stream)
        assert RESYNCED not in states(events)
        asked = rig.reads.count("fetch_order_book")
        assert 3 <= asked <= 15
        rig.reads.state["fetch_order_book"] = [snapshot(8)]
        await rig.advance(30, step=0.1)
        events = await read(stream)
        assert states(events)[-1] is RESYNCED
        assert data(events)[-1].sequence == 9


async def test_a_crossed_book_is_mended_like_a_gap():
    """A book that can't be right is told and made again."""
    async with Rig() as rig:
        stream = await live_book(rig)
        await rig.bring(BOOK, delta(2, bids=[("101", "1")]))
        (gap,) = await read(stream)
        assert "crossed" in gap.reason
        assert rig.connection.asked("unsubscribe") == ["book.BTC"]


async def test_a_level_that_can_t_be_is_mended_like_a_gap():
    """A plugin that passes on a size below zero is not obeyed: the book is told to be wrong, and made again."""
    async with Rig() as rig:
        stream = await live_book(rig)
        await rig.bring(BOOK, delta(2).trusted_replace(bids=levels(("99", "-1"))))
        (gap,) = await read(stream)
        assert gap.state is GAP
        assert "a level of -1 at 99 can't be" in gap.reason
        assert rig.connection.asked("unsubscribe") == ["book.BTC"]


async def test_gaps_without_end_are_mended_with_growing_pauses():
    """A venue whose book is broken is not hammered with subscriptions."""
    async with Rig() as rig:
        await live_book(rig)
        sequence = 10
        for _ in range(600):
            subscribed = len(rig.connection.asked("subscribe"))
            await rig.bring(BOOK, snapshot(sequence))
            await rig.bring(BOOK, delta(sequence + 5))
            sequence += 10
            await rig.advance(0.5)
            assert len(rig.connection.asked("subscribe")) <= subscribed + 1
        assert len(rig.connection.asked("subscribe")) < 60


async def test_the_next_gap_after_a_good_while_is_mended_at_once():
    """Pauses start again when the book has held."""
    async with Rig() as rig:
        stream = await live_book(rig)
        for sequence in (10, 20, 30):
            await rig.bring(BOOK, delta(sequence))
            await rig.advance(60)
            await rig.bring(BOOK, snapshot(sequence))
        for sequence in range(1_000, 20_000, 1_000):
            await rig.bring(BOOK, delta(sequence))
            await rig.advance(20)
            await rig.bring(BOOK, snapshot(sequence))
        await rig.advance(120, step=1)
        await rig.bring(BOOK, snapshot(25_000))
        await rig.advance(60)
        await read(stream)
        before = len(rig.connection.asked("subscribe"))
        await rig.bring(BOOK, delta(30_000))
        assert len(rig.connection.asked("subscribe")) == before + 1
        await rig.bring(BOOK, snapshot(30_000))
        await rig.bring(BOOK, delta(40_000))
        await rig.advance(0.5)
        assert len(rig.connection.asked("subscribe")) == before + 2


async def test_another_market_is_not_disturbed_by_a_gap():
    """The gap of one book is told for that book, and the other goes on."""
    async with Rig() as rig:
        eth = sub(Channel.BOOK, ETH)
        stream = await rig.open(BOOK, eth)
        await rig.bring(BOOK, snapshot(1))
        await rig.bring(eth, snapshot(1, of=ETH))
        await read(stream)
        await rig.bring(BOOK, delta(5))
        await rig.bring(eth, delta(2, of=ETH))
        events = await read(stream)
        assert [event.market_id for event in events] == [BOOK.market_id, eth.market_id]
        assert rig.connection.asked("unsubscribe") == ["book.BTC"]


async def test_others_on_the_topic_of_a_broken_book_are_told_too():
    """Where one topic brings book and ticker, starting it afresh may cost a ticker: lost, and then back."""
    async with Rig() as rig:
        rig.source.topics_of = {Channel.BOOK: ("market",), Channel.TICKER: ("market",)}
        stream = await rig.open(BOOK, TICKER)
        await rig.bring("market", snapshot(1), ticker("100", 1))
        await read(stream)
        await rig.bring("market", delta(5))
        said = [(event.state, event.channel) for event in await read(stream)]
        assert said == [(GAP, Channel.BOOK), (LOST, Channel.TICKER)]
        await rig.bring("market", snapshot(6), ticker("101", 2))
        events = await read(stream)
        assert data(events) == [snapshot(6), ticker("101", 2)]
        assert {(event.state, event.channel) for event in events if isinstance(event, StreamStatus)} == {
            (RESYNCED, Channel.BOOK),
            (RESYNCED, Channel.TICKER),
        }


async def test_a_snapshot_of_its_own_accord_mends_a_book_that_waits():
    """While the next attempt is being paused for, the venue sends a snapshot: nothing needs to be asked any more."""
    async with Rig() as rig:
        stream = await live_book(rig)
        await rig.bring(BOOK, delta(9))
        await rig.bring(BOOK, snapshot(9))
        await rig.bring(BOOK, delta(19))
        await rig.bring(BOOK, snapshot(19))
        asked = len(rig.connection.asked("subscribe"))
        await rig.advance(20, step=0.1)
        assert len(rig.connection.asked("subscribe")) == asked
        assert states(await read(stream)) == [GAP, RESYNCED, GAP, RESYNCED]


async def test_after_a_loss_the_book_starts_from_a_new_snapshot():
    """Deltas of the new connection wait for it; the old book is gone at once, also for who comes during the loss."""
    async with Rig() as rig:
        stream = await live_book(rig)
        await rig.drop()
        assert states(await read(stream)) == [LOST]
        late = await rig.open(BOOK)
        assert states(await read(late)) == [LOST]
        await rig.back()
        await rig.bring(BOOK, delta(2))
        assert await read(stream) == []
        await rig.bring(BOOK, snapshot(700))
        for each in (stream, late):
            events = await read(each)
            assert data(events) == [snapshot(700)]
            assert len(states(events)) == 1


async def test_a_counter_that_starts_again_after_a_reconnect_is_no_gap():
    """A new server counts from 1, and its deltas are followed."""
    async with Rig() as rig:
        stream = await rig.open(BOOK)
        await rig.bring(BOOK, snapshot(1_000_000))
        await rig.drop()
        await rig.back()
        await rig.bring(BOOK, snapshot(3))
        await rig.bring(BOOK, delta(4))
        events = await read(stream)
        assert GAP not in states(events)
        assert data(events)[-2:] == [snapshot(3), delta(4)]


async def test_a_snapshot_that_never_comes_is_asked_for_again_and_then_told():
    """Acknowledged but silent: subscribed to again, then a typed error and, where there is a read, polling."""
    async with Rig(settings=StreamSettings(sync_attempts=3)) as rig:
        rig.reads.state["fetch_order_book"] = [snapshot(5)]
        stream = await rig.open(BOOK)
        await rig.advance(60, step=0.5)
        assert rig.connection.asked("subscribe").count("book.BTC") >= 3
        with pytest.raises(StreamError, match="no snapshot came"):
            await anext(stream)
        events = await read(stream)
        assert events[0] == snapshot(5)
        assert states(events) == [StreamState.POLLING]
        await rig.bring(BOOK, snapshot(6))
        await rig.bring(BOOK, delta(7))
        assert data(await read(stream)) == [snapshot(6), delta(7)]
        assert stream.status is LIVE


async def test_mending_that_keeps_failing_is_told_by_an_error():
    """The book stays stale and is not shown, and the reader hears why."""
    async with Rig(traits=BY_REST, settings=StreamSettings(sync_attempts=3)) as rig:
        rig.reads.state["fetch_order_book"] = [snapshot(1)]
        stream = await rig.open(BOOK)
        await read(stream)
        rig.reads.errors["fetch_order_book"] = [RequestTimeoutError("no answer")] * 3
        await rig.bring(BOOK, delta(3))
        await rig.advance(4, step=0.1)
        with pytest.raises(StreamGapError, match="can't be read after 3 attempts"):
            await read(stream)


async def test_every_reader_holds_the_servers_book_or_knows_that_it_is_stale():
    """Random updates, losses of frames, repetitions, reorderings and reconnects, with a fast and a slow reader."""
    for seed in range(12):
        rng = random.Random(seed)
        traits = StreamTraits(book_resync=rng.choice(["resubscribe", "rest"]))
        async with Rig(traits=traits, seed=seed, settings=StreamSettings(book_backlog=5)) as rig:
            server = _Server()

            def respond(sent: Sent, rig: Rig = rig, server: _Server = server, traits: StreamTraits = traits):
                items = list(acknowledge(sent))
                if sent.what == "subscribe" and traits.book_resync == "resubscribe":
                    items.append(_book_data(server.snapshot()))
                return items

            rig.respond = respond
            rig.reads.state["fetch_order_book"] = [server.snapshot()]
            readers = [_Reader(await rig.open(BOOK), server), _Reader(await rig.open(BOOK), server)]
            held: list[BookDelta] = []
            for _ in range(120):
                message = server.update(rng)
                rig.reads.state["fetch_order_book"] = [server.snapshot()]
                fate = rng.random()
                if fate < 0.06:
                    held.append(message)
                elif fate < 0.08:
                    await rig.drop()
                elif rig.connection.closed is None:
                    for _ in range(1 + (fate > 0.9)):
                        rig.connection.bring(_book_data(message))
                    while held and fate > 0.8:
                        rig.connection.bring(_book_data(held.pop()))
                await settle(20)
                await rig.advance(rng.choice([0, 0, 0.3]))
                await readers[0].read()
                if rng.random() < 0.1:
                    await readers[1].read()
            await rig.advance(200, step=2)
            rig.connection.bring(_book_data(server.update(rng)))
            rig.reads.state["fetch_order_book"] = [server.snapshot()]
            await settle()
            await rig.advance(200, step=2)
            for reader in readers:
                await reader.read()
                assert not reader.book.is_stale, f"seed {seed}"
                assert reader.book.sequence == server.sequence, f"seed {seed}"


def _book_data(message: BookDelta | BookSnapshot):
    from perpkit.core.streams.protocol import Data

    return Data("book.BTC", [message])


class _Server:
    """A venue's book, with its state at every number."""

    def __init__(self) -> None:
        self.sides: tuple[dict[str, str], dict[str, str]] = ({"99": "1"}, {"101": "1"})
        self.sequence = 1
        self.history = {1: self._state()}

    def _state(self):
        return tuple({level.price: level.size for level in levels(*side.items())} for side in self.sides)

    def update(self, rng: random.Random) -> BookDelta:
        side = rng.randrange(2)
        price = str(90 + rng.randrange(10) if side == 0 else 101 + rng.randrange(10))
        size = str(rng.randrange(4))
        if size == "0":
            self.sides[side].pop(price, None)
        else:
            self.sides[side][price] = size
        self.sequence += 1
        self.history[self.sequence] = self._state()
        changes: list[list[tuple[str, str]]] = [[], []]
        changes[side].append((price, size))
        return delta(self.sequence, *changes)

    def snapshot(self) -> BookSnapshot:
        return snapshot(self.sequence, self.sides[0].items(), self.sides[1].items())


class _Reader:
    """Follows the stream as a user would, and holds every state against the server's."""

    def __init__(self, stream, server: _Server) -> None:
        self.stream = stream
        self.server = server
        self.book = OrderBook(BOOK.market_id)
        self.conflated = 0

    async def read(self) -> None:
        for event in await read(self.stream):
            if isinstance(event, StreamStatus):
                if event.state in {LOST, GAP}:
                    self.book.reset(event.state)
                continue
            self.book.apply(event)
            self.conflated += getattr(event, "conflated", 0)
            assert not self.book.is_stale, "the stream itself must not have gaps that it doesn't tell"
            bids, asks = self.server.history[self.book.sequence]
            assert {level.price: level.size for level in self.book.bids()} == bids
            assert {level.price: level.size for level in self.book.asks()} == asks
