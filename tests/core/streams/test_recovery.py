"""After a loss: signed in, subscribed and caught up again; what happened meanwhile comes once and in order."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from perpkit.core.errors import (
    AuthError,
    CapabilityError,
    DecodeError,
    OrderNotFoundError,
    RequestTimeoutError,
    StreamAuthError,
    StreamError,
    StreamGapError,
)
from perpkit.core.lifecycle import OrderTracker
from perpkit.core.models import Channel, OrderRef, OrderStatus, Position, StreamState
from perpkit.core.streams.protocol import Data, StreamTraits
from perpkit.core.streams.settings import StreamSettings
from tests.core.streams.rig import (
    ALL_READS,
    BALANCES,
    BTC,
    ETH,
    FILLS,
    FUNDING,
    ORDERS,
    PAYMENTS,
    POSITIONS,
    TICKER,
    TRADES,
    Rig,
    acknowledge,
    at,
    balance,
    data,
    fill,
    order,
    payment,
    position,
    rate,
    read,
    settle,
    states,
    sub,
    ticker,
    trade,
)

LIVE, LOST, RESYNCED, GAP = StreamState.LIVE, StreamState.LOST, StreamState.RESYNCED, StreamState.GAP


# First state


async def test_live_comes_after_the_first_state_of_every_channel():
    """Orders, positions and balances are read first; only then is the stream live."""
    async with Rig() as rig:
        rig.reads.state = {
            "fetch_open_orders": [order("v1")],
            "fetch_positions": [position("2")],
            "fetch_balances": [balance("1000")],
        }
        rig.reads.held["fetch_balances"] = asyncio.Event()
        stream = await rig.open(ORDERS, POSITIONS, BALANCES)
        before = await read(stream)
        assert sorted(type(event).__name__ for event in before) == ["Order", "Position"]
        rig.reads.held["fetch_balances"].set()
        await settle()
        assert data(rest := await read(stream)) == [balance("1000")]
        assert states(rest) == [LIVE]


async def test_updates_wait_for_the_first_state():
    """What the stream brings during the first read comes after it, and only what is newer."""
    async with Rig() as rig:
        rig.reads.state["fetch_positions"] = [position("2", sequence=5)]
        rig.reads.held["fetch_positions"] = asyncio.Event()
        stream = await rig.open(POSITIONS)
        await rig.bring(POSITIONS, position("1", sequence=4))
        await rig.bring(POSITIONS, position("3", sequence=6))
        assert await read(stream) == []
        rig.reads.held["fetch_positions"].set()
        await settle()
        events = await read(stream)
        assert data(events) == [position("2", sequence=5), position("3", sequence=6)]
        assert events[-1].state is LIVE


async def test_the_first_read_begins_after_the_subscription_is_confirmed():
    """A state read before the stream runs could miss what happens between the two."""
    async with Rig() as rig:
        rig.respond = lambda sent: None if sent.what == "subscribe" else acknowledge(sent)
        await rig.open(POSITIONS)
        assert rig.reads.count("fetch_positions") == 0
        rig.connection.bring(*acknowledge(rig.connection.sent[-1]))
        await settle()
        assert rig.reads.count("fetch_positions") == 1


async def test_a_first_state_that_cannot_be_read_is_a_typed_error_within_a_bound():
    """After so many attempts the reader is told, while the feed tries on and comes live in the end."""
    settings = StreamSettings(sync_attempts=3)
    async with Rig(settings=settings) as rig:
        rig.reads.errors["fetch_positions"] = [RequestTimeoutError(f"timeout {number}") for number in range(5)]
        stream = await rig.open(POSITIONS)
        await rig.advance(30, step=0.5)
        with pytest.raises(StreamError, match="first state of positions can't be read after 3 attempts"):
            await read(stream)
        assert StreamState.REFUSED not in states(await read(stream))
        await rig.advance(30, step=0.5)
        rig.reads.state["fetch_positions"] = [position("2")]
        await rig.bring(POSITIONS, position("1"))
        assert stream.status is LIVE


async def test_a_read_that_credentials_forbid_refuses_the_subscription():
    """An answer that will not change is told at once, with a type, and is not asked for again."""
    async with Rig() as rig:
        rig.reads.errors["fetch_positions"] = [AuthError("this token is read-only")]
        stream = await rig.open(POSITIONS)
        await rig.advance(300, step=10)
        (status,) = [await anext(stream)]
        assert status.state is StreamState.REFUSED
        assert "read-only" in status.reason
        with pytest.raises(StreamAuthError, match="positions is refused"):
            await anext(stream)
        assert [event async for event in stream] == []
        assert rig.reads.count("fetch_positions") == 1
        assert rig.connection.closed is not None


# Loss and return


async def test_a_loss_is_told_at_once_and_the_return_after_what_was_missed():
    """Lost, then the missed fill, then resynced; in the order in which it happened."""
    async with Rig() as rig:
        stream = await rig.open(FILLS, POSITIONS)
        await rig.bring(FILLS, fill("f1", 1))
        await read(stream)
        await rig.drop("host gone")
        (lost,) = await read(stream)
        assert (lost.state, lost.channel) == (LOST, None)
        assert "host gone" in lost.reason
        rig.reads.state["fetch_fills"] = [fill("f1", 1), fill("f2", 2), fill("f3", 3)]
        await rig.back()
        events = await read(stream)
        assert data(events) == [fill("f2", 2), fill("f3", 3)]
        assert states(events) == [RESYNCED]
        assert events[-1].channel is None


async def test_signing_in_and_subscribing_happen_again():
    """The new connection is signed in once, and every topic is subscribed to on it."""
    async with Rig() as rig:
        await rig.open(FILLS, TRADES, ORDERS)
        await rig.drop()
        await rig.back()
        first, second = rig.connector.connections
        assert [sent.what for sent in second.sent].count("sign_in") == 1
        assert sorted(second.asked("subscribe")) == sorted(first.asked("subscribe"))
        assert first.closed is not None


async def test_a_read_that_outlives_its_connection_says_nothing():
    """The first state was being read when the connection went: what comes back then is no sign of life."""
    async with Rig() as rig:
        rig.reads.held["fetch_positions"] = asyncio.Event()
        stream = await rig.open(POSITIONS)
        await rig.drop()
        rig.reads.held["fetch_positions"].set()
        await settle()
        assert states(await read(stream)) == [LOST]
        await rig.back()
        assert states(await read(stream)) == [LIVE]


async def test_only_what_was_on_the_lost_connection_is_lost():
    """With two endpoints, the loss of one is told for its own channels only."""
    async with Rig() as rig:
        rig.source.labels = {Channel.FILLS: "private"}
        stream = await rig.open(TRADES, FILLS)
        await read(stream)
        private = next(each for each in rig.connector.connections if each.label == "private")
        private.drop()
        await settle()
        (lost,) = await read(stream)
        assert (lost.state, lost.channel) == (LOST, Channel.FILLS)
        await rig.back()
        (back,) = await read(stream)
        assert (back.state, back.channel) == (RESYNCED, Channel.FILLS)


@pytest.mark.parametrize(
    ("subscription", "hook", "make"),
    [(FILLS, "fetch_fills", fill), (PAYMENTS, "fetch_funding_payments", payment)],
    ids=["fills", "payments"],
)
class TestLedger:
    """Fills and funding payments, each exactly once."""

    async def test_each_comes_once_by_whichever_way(self, subscription, hook, make):
        """Stream, repetition, backfill and late repetition of the same entry deliver it once."""
        async with Rig() as rig:
            stream = await rig.open(subscription)
            await rig.bring(subscription, make("1", 1))
            await rig.bring(subscription, make("1", 1), make("2", 2))
            rig.reads.state[hook] = [make("1", 1), make("2", 2), make("3", 3)]
            await rig.drop()
            await rig.back()
            await rig.bring(subscription, make("3", 3), make("4", 4), backlog=True)
            assert data(await read(stream)) == [make("1", 1), make("2", 2), make("3", 3), make("4", 4)]

    async def test_it_starts_from_now(self, subscription, hook, make):
        """What was there before is not delivered, neither by the first read nor by the venue's repetition."""
        async with Rig() as rig:
            rig.reads.state[hook] = [make("old", -10)]
            stream = await rig.open(subscription)
            await rig.bring(subscription, make("old", -10), make("ancient", -10_000), backlog=True)
            await rig.drop()
            await rig.back()
            assert data(await read(stream)) == []

    async def test_what_a_broken_off_return_brings_does_not_hide_what_was_missed(self, subscription, hook, make):
        """
        The second connection brings something new and breaks before what was missed has been read; the missed entry
        is older by more than the overlap of readings.
        """
        async with Rig() as rig:
            stream = await rig.open(subscription)
            await rig.bring(subscription, make("1", 1))
            await rig.drop()
            rig.reads.state[hook] = [make("1", 1), make("missed", 100), make("2", 4000)]
            rig.reads.held[hook] = asyncio.Event()
            await rig.advance(4000, step=2000)
            await rig.bring(subscription, make("2", 4000))
            await rig.drop()
            rig.reads.held.pop(hook).set()
            await rig.advance(2)
            assert sorted(each.ts_venue for each in data(await read(stream))) == [at(1), at(100), at(4000)]

    async def test_what_a_failed_reading_lets_in_does_not_hide_what_was_missed(self, subscription, hook, make):
        """The first reading after the loss fails, and what the stream brought meanwhile is delivered before it."""
        async with Rig() as rig:
            stream = await rig.open(subscription)
            await rig.drop()
            rig.reads.state[hook] = [make("missed", 100), make("2", 4000)]
            rig.reads.errors[hook] = [RequestTimeoutError("timeout")]
            rig.reads.held[hook] = asyncio.Event()
            await rig.advance(4000, step=2000)
            await rig.bring(subscription, make("2", 4000))
            rig.reads.held.pop(hook).set()
            await settle()
            await rig.advance(2)
            assert sorted(each.ts_venue for each in data(await read(stream))) == [at(100), at(4000)]

    async def test_a_reading_after_a_long_quiet_time_begins_where_it_was_whole(self, subscription, hook, make):
        """Nothing came for a day and nothing was ever seen; then the second loss reads from the last entry on."""
        async with Rig() as rig:
            await rig.open(subscription)
            await rig.bring(subscription, make("1", 86_400))
            await rig.drop()
            rig.reads.calls.clear()
            await rig.back()
            assert rig.reads.calls[0].args["since"] == at(86_400) - StreamSettings().overlap

    async def test_a_venue_whose_clock_is_behind_ours_loses_nothing(self, subscription, hook, make):
        """Our clock is a minute ahead, so what happens after the start seems to be from before it."""
        async with Rig() as rig:
            stream = await rig.open(subscription)
            await rig.drop()
            rig.reads.state[hook] = [make("1", -60)]
            await rig.back()
            assert data(await read(stream)) == [make("1", -60)]

    async def test_what_happens_while_subscribing_is_not_lost(self, subscription, hook, make):
        """An entry made after the first look and before the confirmation is delivered by the second look."""
        async with Rig() as rig:
            rig.respond = lambda sent: None if sent.what == "subscribe" else acknowledge(sent)
            stream = await rig.open(subscription)
            rig.reads.state[hook] = [make("1", 1)]
            rig.connection.bring(*acknowledge(rig.connection.sent[-1]))
            await settle()
            assert data(await read(stream)) == [make("1", 1)]

    async def test_missed_ones_come_before_newer_ones(self, subscription, hook, make):
        """What the stream brings during the backfill waits for it, so that the order is kept."""
        async with Rig() as rig:
            stream = await rig.open(subscription)
            await rig.drop()
            rig.reads.held[hook] = asyncio.Event()
            rig.reads.state[hook] = [make("2", 2), make("1", 1)]
            await rig.back()
            await rig.bring(subscription, make("3", 3))
            rig.reads.held[hook].set()
            await settle()
            assert data(await read(stream)) == [make("1", 1), make("2", 2), make("3", 3)]

    async def test_a_failing_backfill_does_not_hold_back_new_ones(self, subscription, hook, make):
        """The stream goes on while the read is tried again; what it brings in the end is still delivered."""
        async with Rig() as rig:
            stream = await rig.open(subscription)
            await read(stream)
            await rig.drop()
            rig.reads.errors[hook] = [RequestTimeoutError("no answer")]
            rig.reads.state[hook] = [make("1", 1)]
            await rig.back()
            await rig.bring(subscription, make("2", 2))
            events = await read(stream)
            assert make("2", 2) in events
            assert RESYNCED not in states(events)
            await rig.advance(2, step=0.1)
            events += await read(stream)
            assert data(events) == [make("2", 2), make("1", 1)]
            assert states(events) == [LOST, GAP, RESYNCED]

    async def test_a_backfill_that_keeps_failing_is_told_by_an_error(self, subscription, hook, make):
        """After so many failures the reader learns that something may be missing for good."""
        async with Rig(settings=StreamSettings(sync_attempts=3)) as rig:
            stream = await rig.open(subscription)
            await rig.drop()
            rig.reads.errors[hook] = [RequestTimeoutError("no answer")] * 3
            await rig.back()
            await rig.advance(10, step=0.5)
            with pytest.raises(StreamGapError, match="can't be read after 3 attempts"):
                await read(stream)

    async def test_what_arrived_is_delivered_however_often_the_connection_ends(self, subscription, hook, make):
        """It waited for the backfill when the next loss came, and the venue's read does not show it yet."""
        async with Rig() as rig:
            stream = await rig.open(subscription)
            await rig.drop()
            rig.reads.held[hook] = asyncio.Event()
            await rig.back()
            await rig.bring(subscription, make("1", 1))
            await rig.drop()
            assert data(await read(stream)) == [make("1", 1)]

    async def test_what_the_venue_wrote_late_is_found_by_a_second_look(self, subscription, hook, make):
        """The read right after the return did not show it; a few seconds later it is there, and comes once."""
        async with Rig() as rig:
            stream = await rig.open(subscription)
            await rig.drop()
            await rig.back()
            assert states(await read(stream))[-1] is RESYNCED
            rig.reads.state[hook] = [make("1", 0.1)]
            rig.reads.errors[hook] = []
            await rig.advance(5)
            assert data(await read(stream)) == [make("1", 0.1)]
            asked = rig.reads.count(hook)
            await rig.advance(600, step=10)
            assert rig.reads.count(hook) == asked

    async def test_without_a_read_the_hole_is_told(self, subscription, hook, make):
        """A venue that can't be asked gives a gap that is said to be one."""
        async with Rig(hooks=ALL_READS - {hook}) as rig:
            stream = await rig.open(subscription)
            await read(stream)
            await rig.drop()
            await rig.back()
            events = await read(stream)
            assert states(events) == [LOST, GAP, RESYNCED]
            assert hook in events[1].reason

    async def test_the_backfill_reaches_back_before_the_newest(self, subscription, hook, make):
        """Venues write late: the read starts an overlap before the newest one seen, never before the start."""
        settings = StreamSettings()
        async with Rig(settings=settings) as rig:
            await rig.open(subscription)
            began = rig.reads.calls[0].args["since"]
            await rig.bring(subscription, make("1", 3600))
            await rig.drop()
            await rig.back()
            asked = rig.reads.calls[-1].args["since"]
            assert asked == make("1", 3600).ts_venue - settings.overlap
            assert asked > began


async def test_a_fill_of_another_market_is_not_this_subscriptions():
    """A subscription of one market delivers that market's fills only, by stream and by read."""
    async with Rig() as rig:
        of_btc = sub(Channel.FILLS, BTC)
        stream = await rig.open(of_btc)
        await rig.bring(of_btc, fill("f1", 1, of=ETH), fill("f2", 2))
        rig.reads.state["fetch_fills"] = [fill("f3", 3, of=ETH), fill("f4", 4)]
        await rig.drop()
        await rig.back()
        assert data(await read(stream)) == [fill("f2", 2), fill("f4", 4)]


# Orders


async def test_orders_that_changed_meanwhile_come_in_their_present_state():
    """One was filled, one was canceled, one was made and finished, one is new and stands; one did not change."""
    async with Rig() as rig:
        same, filled, canceled = order("same", sequence=1), order("filled", sequence=2), order("canceled", sequence=3)
        rig.reads.state["fetch_open_orders"] = [same, filled, canceled]
        stream = await rig.open(ORDERS)
        assert data(await read(stream)) == [same, filled, canceled]
        await rig.advance(100)
        await rig.drop()
        made = {"created_at": filled.created_at.replace(minute=1, second=50)}
        is_filled = order("filled", OrderStatus.FILLED, sequence=12, filled_size=1)
        is_canceled = order("canceled", OrderStatus.CANCELED, sequence=13)
        come_and_gone = order("gone", OrderStatus.REJECTED, sequence=14, **made)
        new = order("new", sequence=15, **made)
        rig.reads.state["fetch_open_orders"] = [same, new]
        rig.reads.state["fetch_order"] = [is_filled, is_canceled]
        rig.reads.state["fetch_order_history"] = [come_and_gone, new]
        await rig.back()
        events = await read(stream)
        assert states(events) == [LOST, RESYNCED]
        assert events[-1].state is RESYNCED
        assert {each.venue_order_id: each.status for each in data(events)} == {
            "new": OrderStatus.OPEN,
            "gone": OrderStatus.REJECTED,
            "filled": OrderStatus.FILLED,
            "canceled": OrderStatus.CANCELED,
        }
        assert len(data(events)) == 4


async def test_orders_of_the_time_before_the_loss_was_noticed_are_found():
    """A connection can be dead for ten minutes unnoticed: the history is read from before that, not of before us."""
    async with Rig(traits=StreamTraits(silence_timeout=timedelta(minutes=10))) as rig:
        ended = {"status": OrderStatus.FILLED, "filled_size": 1}
        before_us = order("v0", sequence=1, created_at=at(-400), **ended)
        rig.reads.state["fetch_order_history"] = [before_us]
        stream = await rig.open(ORDERS)
        await read(stream)
        await rig.drop()
        await rig.back()
        assert data(await read(stream)) == []
        await rig.advance(3600)
        unnoticed = order("v1", sequence=2, created_at=at(3600 - 500), **ended)
        rig.reads.state["fetch_order_history"] = [before_us, unnoticed]
        await rig.drop()
        await rig.back()
        assert data(await read(stream)) == [unnoticed]


async def test_orders_made_while_the_machine_slept_are_found():
    """The loss is noticed an hour after the connection went: orders made and filled since the last telling are told."""
    async with Rig() as rig:
        stream = await rig.open(ORDERS)
        await rig.bring(ORDERS, order("v1", created_at=at(5), updated_at=at(5)))
        await read(stream)
        # The clock is moved without a turn of the loop, as a suspended machine's is.
        rig.clock.advance(3600)
        v2 = order("v2", OrderStatus.FILLED, created_at=at(60), filled_size=1)
        rig.reads.state = {
            "fetch_open_orders": [order("v1", created_at=at(5), updated_at=at(5))],
            "fetch_order_history": [v2],
        }
        await rig.drop()
        await rig.back()
        assert data(await read(stream)) == [v2]


async def test_a_resync_repeats_no_order_event():
    """Nothing changed meanwhile, so nothing but the statuses comes."""
    async with Rig() as rig:
        rig.reads.state["fetch_open_orders"] = [order("v1", sequence=1)]
        rig.reads.state["fetch_order_history"] = [order("v0", OrderStatus.FILLED, sequence=0, filled_size=1)]
        stream = await rig.open(ORDERS)
        assert data(await read(stream)) == [order("v1", sequence=1)]
        await rig.drop()
        await rig.back()
        assert [type(event).__name__ for event in await read(stream)] == ["StreamStatus", "StreamStatus"]


async def test_an_older_order_state_never_follows_a_newer_one():
    """Reordered and repeated tellings of an order leave the newest standing."""
    async with Rig() as rig:
        stream = await rig.open(ORDERS)
        await read(stream)
        await rig.bring(ORDERS, order("v1", sequence=1))
        done = order("v1", OrderStatus.CANCELED, sequence=3)
        await rig.bring(ORDERS, done)
        await rig.bring(ORDERS, order("v1", sequence=2), done, order("v1", sequence=1))
        assert [each.status for each in data(await read(stream))] == [OrderStatus.OPEN, OrderStatus.CANCELED]


async def test_an_order_that_can_not_be_traced_is_told_as_a_gap_and_asked_for_once():
    """The venue has forgotten it: the reader hears which one, and the feed comes back nevertheless."""
    async with Rig() as rig:
        rig.reads.state["fetch_open_orders"] = [order("v1")]
        stream = await rig.open(ORDERS)
        await read(stream)
        rig.reads.state["fetch_open_orders"] = []
        rig.reads.errors["fetch_order"] = [OrderNotFoundError("no such order")]
        for expected in ([LOST, GAP, RESYNCED], [LOST, RESYNCED]):
            await rig.drop()
            await rig.advance(1.5)
            events = await read(stream)
            assert states(events) == expected
            assert data(events) == []
        assert rig.reads.count("fetch_order") == 1


async def test_a_venue_that_gives_no_single_order_is_asked_for_its_history():
    """The order is found in the history since it was made; where there is no history either, the gap is told."""
    filled = order("v1", OrderStatus.FILLED, sequence=5, filled_size=1)
    for hooks, expected in [
        (ALL_READS - {"fetch_order"}, [LOST, RESYNCED]),
        (ALL_READS - {"fetch_order", "fetch_order_history"}, [LOST, GAP, RESYNCED]),
    ]:
        async with Rig(hooks=hooks) as rig:
            rig.reads.state["fetch_open_orders"] = [order("v1", sequence=1)]
            stream = await rig.open(ORDERS)
            await read(stream)
            await rig.advance(3600)
            rig.reads.state = {"fetch_open_orders": [], "fetch_order_history": [filled]}
            await rig.drop()
            await rig.back()
            events = await read(stream)
            assert states(events) == expected
            assert data(events) == ([filled] if GAP not in expected else [])


async def test_an_event_that_cannot_be_taken_in_is_mended_by_catching_up(caplog):
    """A plugin's malformed event spoils neither the connection nor the other channel; the state is read again."""
    async with Rig() as rig:
        rig.reads.state["fetch_positions"] = [position("1", sequence=1)]
        stream = await rig.open(POSITIONS, TRADES)
        await read(stream)
        rig.reads.state["fetch_positions"] = [position("2", sequence=2)]
        malformed = Position.trusted(**{**position("3").__dict__, "size": "three", "sequence": "nine"})
        rig.connection.bring(Data("positions.all", [malformed]))
        await rig.bring(TRADES, trade("t1"))
        assert data(await read(stream)) == [trade("t1"), position("2", sequence=2)]
        assert "can't be taken in" in caplog.text
        for _ in range(10):
            rig.connection.bring(Data("positions.all", [malformed]))
        await rig.bring(TRADES, trade("t2"))
        with pytest.raises(StreamError, match="10 messages in a row"):
            await read(stream)
        assert stream.states[TRADES.key] is LIVE
        assert len(rig.connector.connections) == 1


async def test_the_face_is_told_of_every_order_and_fill():
    """What passes resolves unknown outcomes too: the venue's own tracker sees it."""
    tracker = OrderTracker()
    async with Rig(tracker=tracker) as rig:
        stream = await rig.open(ORDERS, FILLS)
        await rig.bring(ORDERS, order("v1"))
        await rig.bring(FILLS, fill("f1", 1))
        ref = OrderRef(market_id=BTC.id, venue_order_id="v1")
        assert tracker.get(ref).status is OrderStatus.FILLED
        assert [each.status for each in data(await read(stream)) if hasattr(each, "status")] == [OrderStatus.OPEN]


async def test_an_order_known_to_the_face_is_still_news_to_the_stream():
    """The reply to place_order has told the face already; the reader of the stream has heard nothing yet."""
    tracker = OrderTracker()
    tracker.observe(order("v1", sequence=1))
    async with Rig(tracker=tracker) as rig:
        stream = await rig.open(ORDERS)
        await rig.bring(ORDERS, order("v1", sequence=1))
        assert data(await read(stream)) == [order("v1", sequence=1)]


async def test_a_stream_snapshot_that_leaves_out_an_order_has_it_traced():
    """Left out is not canceled: the venue is asked what became of it."""
    async with Rig() as rig:
        rig.reads.state["fetch_open_orders"] = [order("v1", sequence=1), order("v2", sequence=2)]
        stream = await rig.open(ORDERS)
        await read(stream)
        rig.reads.state["fetch_open_orders"] = [order("v2", sequence=2)]
        rig.reads.state["fetch_order"] = [order("v1", OrderStatus.FILLED, sequence=5, filled_size=1)]
        await rig.bring(ORDERS, order("v2", sequence=2), snapshot=True)
        assert [(each.venue_order_id, each.status) for each in data(await read(stream))] == [("v1", OrderStatus.FILLED)]


# Positions and balances


async def test_a_position_that_closed_meanwhile_is_reported_flat_once():
    """Absent from the read after a loss: size 0, once; present ones that did not change are not repeated."""
    async with Rig() as rig:
        rig.reads.state["fetch_positions"] = [position("2", sequence=1), position("5", sequence=2, of=ETH)]
        stream = await rig.open(POSITIONS)
        await read(stream)
        rig.reads.state["fetch_positions"] = [position("5", sequence=2, of=ETH)]
        flats = []
        for _ in range(3):
            await rig.drop()
            await rig.advance(3)
            flats += data(await read(stream))
        assert [(flat.market_id, flat.size, flat.entry_price) for flat in flats] == [(BTC.id, 0, None)]


async def test_a_failed_read_never_flattens():
    """An unreadable answer, or none, changes no position."""
    async with Rig() as rig:
        rig.reads.state["fetch_positions"] = [position("2", sequence=1)]
        stream = await rig.open(POSITIONS)
        await read(stream)
        rig.reads.errors["fetch_positions"] = [DecodeError("half a page"), RequestTimeoutError("no answer")]
        await rig.drop()
        await rig.back()
        assert data(await read(stream)) == []
        await rig.advance(5, step=0.5)
        events = await read(stream)
        assert data(events) == []
        assert states(events) == [RESYNCED]


async def test_a_read_overtaken_by_the_stream_does_not_flatten():
    """The read was answered before the position opened, the stream told of it meanwhile: it stays open."""
    async with Rig() as rig:
        rig.reads.state["fetch_positions"] = [position("2")]
        stream = await rig.open(POSITIONS)
        await read(stream)
        await rig.drop()
        rig.reads.state["fetch_positions"] = []
        rig.reads.held["fetch_positions"] = asyncio.Event()
        await rig.back()
        await rig.bring(POSITIONS, position("3"))
        rig.reads.held["fetch_positions"].set()
        await settle()
        assert data(await read(stream)) == [position("3")]


async def test_what_came_before_the_read_began_is_not_flattened_by_it_either():
    """The first update after a loss arrives before the read is made; what it speaks of is not taken away and back."""
    async with Rig() as rig:
        rig.reads.state["fetch_positions"] = [position("2")]
        stream = await rig.open(POSITIONS)
        await read(stream)
        await rig.drop()
        rig.reads.state["fetch_positions"] = []
        rig.respond = lambda sent: None if sent.what == "subscribe" else acknowledge(sent)
        await rig.back()
        await rig.bring(POSITIONS, position("3"))
        assert data(await read(stream)) == [position("3")]


async def test_a_whole_snapshot_on_the_stream_replaces_and_an_update_merges():
    """A snapshot without ETH closes it; an update of BTC alone closes nothing."""
    async with Rig() as rig:
        rig.reads.state["fetch_positions"] = [position("2"), position("5", of=ETH)]
        stream = await rig.open(POSITIONS)
        await read(stream)
        await rig.bring(POSITIONS, position("3"))
        assert data(await read(stream)) == [position("3")]
        await rig.bring(POSITIONS, position("3"), snapshot=True)
        (flat,) = data(await read(stream))
        assert (flat.market_id, flat.size) == (ETH.id, 0)


async def test_a_close_told_by_the_stream_is_delivered_once():
    """Size 0 comes once, however often it is told; and a position that was never open is not reported closed."""
    async with Rig() as rig:
        rig.reads.state["fetch_positions"] = [position("2", sequence=1)]
        stream = await rig.open(POSITIONS)
        await read(stream)
        await rig.bring(POSITIONS, position("0", sequence=2), position("0", sequence=3), position("0", of=ETH))
        assert [(each.market_id, each.size) for each in data(await read(stream))] == [(BTC.id, 0)]


@pytest.mark.parametrize(
    ("last", "late", "newer"),
    [
        (position("2", sequence=5), position("2", sequence=5), position("7", sequence=6)),
        (position("2", sequence=5), position("1", sequence=4), position("7", sequence=6)),
        (position("2", when=5), position("2", when=5), position("7", when=6)),
        (position("2", when=5), position("1", when=4), position("7", when=6)),
    ],
    ids=["the last state again", "an older state", "the last state again, by time", "an older state, by time"],
)
async def test_a_late_telling_does_not_reopen_a_closed_position(last: Position, late: Position, newer: Position):
    """A delayed update from before the close stays out; a newer one opens it again."""
    async with Rig() as rig:
        rig.reads.state["fetch_positions"] = [last]
        stream = await rig.open(POSITIONS)
        await rig.drop()
        rig.reads.state["fetch_positions"] = []
        await rig.back()
        await read(stream)
        await rig.bring(POSITIONS, late)
        assert data(await read(stream)) == []
        await rig.bring(POSITIONS, newer)
        assert data(await read(stream)) == [newer]


async def test_older_states_never_overwrite_newer_ones():
    """By number where there are numbers, by venue time where there are none."""
    async with Rig() as rig:
        stream = await rig.open(POSITIONS, BALANCES)
        await rig.bring(POSITIONS, position("2", sequence=5), position("1", sequence=4), position("9", when=9, of=ETH))
        await rig.bring(POSITIONS, position("8", when=8, of=ETH), position("3", sequence=6))
        await rig.bring(BALANCES, balance("10", sequence=2), balance("9", sequence=1), balance("10", sequence=2))
        await rig.bring(BALANCES, balance("5", sequence=1, asset="ETH"))
        assert data(await read(stream)) == [
            position("2", sequence=5),
            position("9", when=9, of=ETH),
            position("3", sequence=6),
            balance("10", sequence=2),
            balance("5", sequence=1, asset="ETH"),
        ]


async def test_a_counter_that_starts_again_is_told_by_its_newer_time():
    """After a restart of the venue, number 1 with a newer time follows number 900."""
    async with Rig() as rig:
        stream = await rig.open(POSITIONS)
        await rig.bring(POSITIONS, position("2", sequence=900, when=1))
        await rig.bring(POSITIONS, position("3", sequence=1, when=2))
        assert [each.size for each in data(await read(stream))] == [2, 3]


async def test_an_asset_that_is_listed_no_more_has_gone_to_zero():
    """A balance absent from a whole read is told as zero, once."""
    async with Rig() as rig:
        rig.reads.state["fetch_balances"] = [balance("10"), balance("1", asset="ETH")]
        stream = await rig.open(BALANCES)
        await read(stream)
        rig.reads.state["fetch_balances"] = [balance("10")]
        await rig.drop()
        await rig.back()
        (gone,) = data(await read(stream))
        assert (gone.asset, gone.total, gone.available) == ("ETH", 0, 0)


async def test_positions_without_a_read_come_by_stream_alone():
    """A venue without that read gives its state on the stream; live does not wait for what can't come."""
    async with Rig(hooks=ALL_READS - {"fetch_positions"}) as rig:
        stream = await rig.open(POSITIONS)
        assert states(await read(stream)) == [LIVE]
        await rig.bring(POSITIONS, position("2"), snapshot=True)
        assert data(await read(stream)) == [position("2")]


# Public channels


async def test_missed_trades_are_fetched_and_delivered_once():
    """The tape goes on where it was lost, in order and without repetition."""
    async with Rig() as rig:
        stream = await rig.open(TRADES)
        await rig.bring(TRADES, trade("t1", 1))
        await rig.drop()
        rig.reads.state["fetch_trades"] = [trade("t1", 1), trade("t2", 2), trade("t3", 3)]
        await rig.back()
        await rig.bring(TRADES, trade("t2", 2), trade("t3", 3), trade("t4", 4), backlog=True)
        await rig.bring(TRADES, trade("t5", 5), trade("t5", 5))
        assert data(await read(stream)) == [trade(f"t{number}", number) for number in range(1, 6)]


async def test_trades_of_a_broken_off_return_do_not_hide_what_was_missed():
    """The second connection brings a trade and breaks before the missed ones have been read."""
    async with Rig() as rig:
        stream = await rig.open(TRADES)
        await rig.bring(TRADES, trade("1", 1))
        await rig.drop()
        rig.reads.state["fetch_trades"] = [trade("1", 1), trade("missed", 100), trade("2", 4000)]
        rig.reads.held["fetch_trades"] = asyncio.Event()
        await rig.advance(4000, step=2000)
        await rig.bring(TRADES, trade("2", 4000))
        await rig.drop()
        rig.reads.held.pop("fetch_trades").set()
        await rig.advance(2)
        assert {each.trade_id for each in data(await read(stream))} == {"1", "missed", "2"}


async def test_the_tape_starts_from_now():
    """Recent trades that the venue repeats after the first subscription are history; nothing is fetched."""
    async with Rig() as rig:
        stream = await rig.open(TRADES)
        rig.connection.bring(Data("trades.BTC", [trade("old", -1)], backlog=True))
        await rig.bring(TRADES, trade("t1", 1))
        assert data(await read(stream)) == [trade("t1", 1)]
        assert rig.reads.count("fetch_trades") == 0


async def test_a_hole_in_the_tape_too_large_to_fill_is_told():
    """More trades than are fetched were missed: the gap status says so."""
    async with Rig(settings=StreamSettings(max_missed_trades=3)) as rig:
        stream = await rig.open(TRADES)
        await rig.bring(TRADES, trade("t0", 0.5))
        await read(stream)
        await rig.drop()
        rig.reads.state["fetch_trades"] = [trade(f"t{number}", number) for number in range(1, 9)]
        await rig.back()
        events = await read(stream)
        assert states(events) == [LOST, GAP, RESYNCED]
        assert [each.trade_id for each in data(events)] == ["t6", "t7", "t8"]


async def test_the_newest_ticker_and_rate_come_back_by_stream_or_by_read():
    """The stream's own first message is waited for; when none comes, the present one is read."""
    async with Rig() as rig:
        stream = await rig.open(TICKER, FUNDING)
        await rig.bring(TICKER, ticker("100", 1))
        await rig.bring(FUNDING, rate("0.0001", 1))
        await read(stream)
        await rig.drop()
        await rig.back()
        rig.reads.state = {"fetch_ticker": [ticker("102", 3)], "fetch_funding_rates": [rate("0.0003", 3)]}
        await rig.bring(TICKER, ticker("101", 2))
        assert states(events := await read(stream)) == [LOST]
        assert data(events) == [ticker("101", 2)]
        await rig.advance(10)
        events = await read(stream)
        assert data(events) == [rate("0.0003", 3)]
        assert states(events) == [RESYNCED]
        assert rig.reads.count("fetch_ticker") == 0


async def test_an_older_ticker_or_rate_is_dropped():
    """Reordered and repeated ones do not come out."""
    async with Rig() as rig:
        stream = await rig.open(TICKER, FUNDING)
        seen = []
        for event in (ticker("100", 5), ticker("99", 4), ticker("100", 5), ticker("101", 6)):
            await rig.bring(TICKER, event)
            seen += data(await read(stream))
        for event in (rate("0.1", 5), rate("0.2", 4), rate("0.1", 5)):
            await rig.bring(FUNDING, event)
            seen += data(await read(stream))
        assert seen == [ticker("100", 5), ticker("101", 6), rate("0.1", 5)]


async def test_a_channel_whose_hook_says_no_at_run_time_is_refused():
    """A capability error from a read that seemed to be there ends the subscription with a type."""
    async with Rig() as rig:
        rig.reads.errors["fetch_balances"] = [CapabilityError("not for this kind of account")]
        stream = await rig.open(BALANCES)
        assert states([await anext(stream)]) == [StreamState.REFUSED]
        with pytest.raises(StreamError, match="not for this kind of account"):
            await anext(stream)
