"""The same events by REST: where there is no stream, or it keeps failing; and back again."""

from __future__ import annotations

from datetime import timedelta

import pytest

from perpkit.core.errors import AuthError, DecodeError, RequestTimeoutError, StreamAuthError
from perpkit.core.models import Channel, OrderStatus, StreamState
from perpkit.core.streams.protocol import StreamTraits
from perpkit.core.streams.settings import StreamSettings
from tests.core.streams.rig import (
    ALL_READS,
    BALANCES,
    BOOK,
    BTC,
    FILLS,
    FUNDING,
    NO_CONNECTION,
    ORDERS,
    PAYMENTS,
    POSITIONS,
    TICKER,
    TRADES,
    Rig,
    at,
    balance,
    data,
    delta,
    fill,
    order,
    payment,
    position,
    rate,
    read,
    snapshot,
    states,
    ticker,
    trade,
)

LIVE, LOST, POLLING, RESYNCED = StreamState.LIVE, StreamState.LOST, StreamState.POLLING, StreamState.RESYNCED
MANY = StreamTraits(max_connects=10_000)


async def polled(rig: Rig, *subscriptions):
    stream = await rig.open(*subscriptions)
    return stream, await read(stream)


async def test_without_a_stream_the_first_state_is_read_then_polling_is_told():
    """A venue without ``open_stream`` serves its channels by REST; nothing is connected."""
    async with Rig(streams=False) as rig:
        rig.reads.state["fetch_positions"] = [position("2")]
        stream, events = await polled(rig, POSITIONS)
        assert data(events) == [position("2")]
        assert states(events) == [POLLING]
        assert stream.status is POLLING
        assert rig.connector.attempts == []


async def test_a_channel_that_is_not_streamed_is_polled_beside_the_others():
    """``topics`` raises CapabilityError for one channel: that one is polled, and live is told for the whole."""
    async with Rig() as rig:
        rig.source.not_streamed = {Channel.BALANCES}
        rig.reads.state["fetch_balances"] = [balance("10")]
        _, events = await polled(rig, FILLS, BALANCES)
        assert states(events) == [POLLING, LIVE]
        assert rig.connection.asked("subscribe") == ["fills.all"]


class TestPolled:
    """Each channel yields what its stream would."""

    async def test_book(self):
        """A snapshot when anything changed, nothing otherwise, and never an older one."""
        async with Rig(streams=False) as rig:
            rig.reads.state["fetch_order_book"] = [snapshot(5)]
            stream, events = await polled(rig, BOOK)
            assert data(events) == [snapshot(5)]
            await rig.advance(3, step=1)
            assert await read(stream) == []
            rig.reads.state["fetch_order_book"] = [snapshot(6, bids=[("98", "1")])]
            await rig.advance(3, step=1)
            assert await read(stream) == [snapshot(6, bids=[("98", "1")])]

    async def test_trades(self):
        """New ones by id, in order; those of before are history."""
        async with Rig(streams=False) as rig:
            rig.reads.state["fetch_trades"] = [trade("old", -1)]
            stream, events = await polled(rig, TRADES)
            assert data(events) == []
            rig.reads.state["fetch_trades"] += [trade("t2", 2), trade("t1", 1)]
            await rig.advance(6, step=1)
            rig.reads.state["fetch_trades"] += [trade("t3", 2)]
            await rig.advance(6, step=1)
            assert [event.trade_id for event in await read(stream)] == ["t1", "t2", "t3"]

    async def test_ticker_and_rate(self):
        """When they differ."""
        async with Rig(streams=False) as rig:
            rig.reads.state = {"fetch_ticker": [ticker("100", 1)], "fetch_funding_rates": [rate("0.1", 1)]}
            stream, events = await polled(rig, TICKER, FUNDING)
            assert len(data(events)) == 2
            await rig.advance(90, step=5)
            assert await read(stream) == []
            rig.reads.state = {"fetch_ticker": [ticker("101", 2)], "fetch_funding_rates": [rate("0.2", 2)]}
            await rig.advance(90, step=5)
            assert data(await read(stream)) == [ticker("101", 2), rate("0.2", 2)]

    async def test_orders(self):
        """Opened, filled between two polls, and one that came and went between two polls."""
        async with Rig(streams=False) as rig:
            standing = order("v1", sequence=1)
            rig.reads.state["fetch_open_orders"] = [standing]
            stream, events = await polled(rig, ORDERS)
            assert data(events) == [standing]
            quick = order("v2", OrderStatus.REJECTED, sequence=3, created_at=at(1))
            rig.reads.state["fetch_open_orders"] = []
            rig.reads.state["fetch_order"] = [order("v1", OrderStatus.FILLED, sequence=2, filled_size=1)]
            rig.reads.state["fetch_order_history"] = [quick]
            await rig.advance(10, step=1)
            events = await read(stream)
            assert {event.venue_order_id: event.status for event in events} == {
                "v1": OrderStatus.FILLED,
                "v2": OrderStatus.REJECTED,
            }
            assert len(events) == 2
            await rig.advance(3600, step=60)
            asked = [call.args["since"] for call in rig.reads.calls if call.hook == "fetch_order_history"]
            assert rig.clock.now() - asked[-1] < timedelta(minutes=10), "each poll reads the last while, not all"

    async def test_fills_and_payments(self):
        """Each once, two between polls included; those of before are history."""
        async with Rig(streams=False) as rig:
            rig.reads.state = {"fetch_fills": [fill("old", -5)], "fetch_funding_payments": [payment("old", -5)]}
            stream, events = await polled(rig, FILLS, PAYMENTS)
            assert data(events) == []
            rig.reads.state["fetch_fills"] += [fill("f1", 1), fill("f2", 1)]
            rig.reads.state["fetch_funding_payments"] += [payment("p1", 1), payment("p2", 2)]
            await rig.advance(130, step=5)
            assert data(await read(stream)) == [fill("f1", 1), fill("f2", 1), payment("p1", 1), payment("p2", 2)]

    async def test_positions_and_balances(self):
        """What differs; a position that is gone once with size 0."""
        async with Rig(streams=False) as rig:
            rig.reads.state = {"fetch_positions": [position("2")], "fetch_balances": [balance("10")]}
            stream, _ = await polled(rig, POSITIONS, BALANCES)
            await rig.advance(20, step=1)
            assert await read(stream) == []
            rig.reads.state = {"fetch_positions": [], "fetch_balances": [balance("12")]}
            await rig.advance(20, step=1)
            flat, now = data(await read(stream))
            assert (flat.market_id, flat.size) == (BTC.id, 0)
            assert now == balance("12")


async def test_a_poll_that_fails_is_tried_again_and_changes_nothing():
    """No answer, or one that can't be read, is not an empty one."""
    async with Rig(streams=False) as rig:
        rig.reads.state["fetch_positions"] = [position("2")]
        stream, _ = await polled(rig, POSITIONS)
        rig.reads.errors["fetch_positions"] = [RequestTimeoutError("no"), DecodeError("half"), KeyError("mistake")]
        await rig.advance(30, step=1)
        assert await read(stream) == []
        assert rig.reads.count("fetch_positions") > 5


async def test_polls_keep_their_interval():
    """Each channel at its own pace: balances every five seconds by default."""
    async with Rig(streams=False) as rig:
        await polled(rig, BALANCES)
        before = rig.reads.count("fetch_balances")
        await rig.advance(50, step=1)
        assert rig.reads.count("fetch_balances") - before == 10


async def test_a_poll_that_credentials_forbid_is_refused_with_a_type():
    """Polling has no use for an answer that will not change."""
    async with Rig(streams=False) as rig:
        rig.reads.errors["fetch_positions"] = [AuthError("no such key")]
        stream = await rig.open(POSITIONS)
        await rig.advance(60, step=5)
        assert states([await anext(stream)]) == [StreamState.REFUSED]
        with pytest.raises(StreamAuthError, match="no such key"):
            await anext(stream)
        assert rig.reads.count("fetch_positions") == 1


async def test_streaming_that_keeps_failing_is_replaced_by_polling_and_taken_back():
    """Lost, polling after so many failures, and live on the stream when that works again; nothing lost or repeated."""
    async with Rig(traits=MANY, settings=StreamSettings(failures_before_polling=5)) as rig:
        stream = await rig.open(FILLS, POSITIONS)
        await rig.bring(FILLS, fill("f1", 1))
        await read(stream)
        rig.connector.always_fail = NO_CONNECTION
        await rig.drop()
        assert states(await read(stream)) == [LOST]
        assert rig.reads.count("fetch_positions") == 1
        rig.reads.state = {"fetch_fills": [fill("f1", 1), fill("f2", 2)], "fetch_positions": [position("2")]}
        await rig.advance(60, step=0.5)
        events = await read(stream)
        assert len(rig.connector.attempts) > 5
        assert sorted(map(repr, data(events))) == sorted(map(repr, [fill("f2", 2), position("2")]))
        assert states(events) == [POLLING, POLLING]
        assert stream.status is POLLING
        rig.connector.always_fail = None
        rig.reads.state["fetch_fills"].append(fill("f3", 3))
        await rig.advance(90, step=0.5)
        await rig.bring(FILLS, fill("f3", 3), fill("f4", 4))
        events = await read(stream)
        assert data(events) == [fill("f3", 3), fill("f4", 4)]
        assert states(events) == [RESYNCED, RESYNCED]
        polls = rig.reads.count("fetch_positions")
        await rig.advance(60, step=1)
        assert rig.reads.count("fetch_positions") == polls


async def test_a_stream_that_never_came_up_is_polled_and_then_taken_over():
    """From the start: lost, polling with the first state, and live when the host answers."""
    async with Rig(traits=MANY, settings=StreamSettings(failures_before_polling=2)) as rig:
        rig.connector.failures = [NO_CONNECTION] * 4
        rig.reads.state["fetch_positions"] = [position("2")]
        stream = await rig.open(POSITIONS)
        await rig.advance(30, step=0.25)
        events = await read(stream)
        assert states(events) == [LOST, POLLING, LIVE]
        assert data(events) == [position("2")]
        assert events[1] == position("2")


async def test_a_polled_book_goes_over_to_the_stream():
    """Snapshots by REST, then the stream's own snapshot and its deltas, and no more reads."""
    async with Rig(traits=MANY, settings=StreamSettings(failures_before_polling=2)) as rig:
        rig.connector.failures = [NO_CONNECTION] * 4
        rig.reads.state["fetch_order_book"] = [snapshot(5)]
        stream = await rig.open(BOOK)
        await rig.advance(30, step=0.25)
        assert data(await read(stream)) == [snapshot(5)]
        assert stream.status is POLLING
        await rig.bring(BOOK, snapshot(6))
        await rig.bring(BOOK, delta(7))
        events = await read(stream)
        assert data(events) == [snapshot(6), delta(7)]
        assert states(events) == [LIVE]
        reads = rig.reads.count("fetch_order_book")
        await rig.advance(10, step=1)
        assert rig.reads.count("fetch_order_book") == reads


async def test_a_late_consumer_of_a_polled_channel_gets_its_state():
    """It gets the present state and hears that it is polled."""
    async with Rig(streams=False) as rig:
        rig.reads.state["fetch_positions"] = [position("2")]
        await polled(rig, POSITIONS)
        _, events = await polled(rig, POSITIONS)
        assert data(events) == [position("2")]
        assert states(events) == [POLLING]


async def test_polls_that_keep_failing_slow_down_and_recover():
    """A venue in trouble is asked less and less, with jitter; after a success the interval is the old one again."""
    async with Rig(streams=False) as rig:
        await polled(rig, BALANCES)
        rig.reads.errors["fetch_balances"] = [RequestTimeoutError("no")] * 10_000
        before = rig.reads.count("fetch_balances")
        await rig.advance(900, step=1)
        assert 10 < rig.reads.count("fetch_balances") - before < 90
        rig.reads.errors["fetch_balances"] = []
        await rig.advance(61, step=1)
        rig.reads.errors["fetch_balances"] = [RequestTimeoutError("no")]
        before = rig.reads.count("fetch_balances")
        await rig.advance(50, step=1)
        assert rig.reads.count("fetch_balances") - before >= 9


async def test_closing_stops_catching_up():
    """A first state that can't be read is not tried for nobody."""
    async with Rig() as rig:
        rig.reads.errors["fetch_positions"] = [RequestTimeoutError("no")] * 100
        stream = await rig.open(POSITIONS)
        await rig.advance(3, step=0.5)
        await stream.close()
        calls = len(rig.reads.calls)
        await rig.advance(300, step=10)
        assert len(rig.reads.calls) == calls


async def test_closing_stops_polling():
    """After the last consumer nothing is read any more."""
    async with Rig(streams=False, hooks=ALL_READS) as rig:
        stream, _ = await polled(rig, TICKER, POSITIONS, FILLS)
        await stream.close()
        calls = len(rig.reads.calls)
        await rig.advance(300, step=10)
        assert len(rig.reads.calls) == calls
