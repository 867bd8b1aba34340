"""A venue whose addresses are its subscriptions: nothing is sent, connecting is enough, leaving is hanging up."""

from __future__ import annotations

from datetime import timedelta

import pytest

from perpkit.core.errors import HandshakeRefusedError, StreamAuthError
from perpkit.core.models import Channel, StreamState
from tests.core.streams.rig import (
    BOOK,
    ETH,
    FILLS,
    ORDERS,
    POSITIONS,
    TRADES,
    AddressedToySource,
    Rig,
    data,
    delta,
    fill,
    position,
    read,
    snapshot,
    states,
    sub,
    trade,
)

LIVE, LOST, RESYNCED, GAP = StreamState.LIVE, StreamState.LOST, StreamState.RESYNCED, StreamState.GAP


def addressed() -> Rig:
    return Rig(source=AddressedToySource())


async def test_what_comes_first_on_a_new_connection_is_not_lost():
    """The snapshot is there before anything of ours could run; it is the book, and nothing was ever sent."""
    async with addressed() as rig:
        stream = await rig.open(BOOK)
        await rig.bring(BOOK, snapshot(1))
        await rig.bring(BOOK, delta(2, bids=(("98", "3"),)))
        events = await read(stream)
        assert [type(event).__name__ for event in data(events)] == ["BookSnapshot", "BookDelta"]
        assert states(events) == [LIVE]
        assert rig.connection.sent == []


async def test_each_address_has_its_connection_and_the_account_one_for_all_its_topics():
    """Two books are two connections; orders, fills and positions come over one, with one decoder each time."""
    async with addressed() as rig:
        await rig.open(BOOK, sub(Channel.BOOK, ETH), ORDERS, FILLS, POSITIONS)
        assert sorted(each.label for each in rig.connector.connections) == ["account", "book.BTC", "book.ETH"]
        assert sorted(rig.source.decoders) == ["account", "book.BTC", "book.ETH"]


async def test_a_topic_added_to_a_live_connection_is_up_at_once():
    """The account's connection stands already: nothing is made anew, and the newcomer starts with its state by REST."""
    async with addressed() as rig:
        await rig.open(FILLS)
        rig.reads.state["fetch_positions"] = [position("1")]
        stream = await rig.open(POSITIONS)
        events = await read(stream)
        assert [event.size for event in data(events)] == [1]
        assert states(events) == [LIVE]
        assert len(rig.connector.connections) == 1


async def test_leaving_a_topic_leaves_the_others_and_the_last_one_hangs_up():
    """Two consumers of the account: one goes, the other still gets its fills; then the connection is closed."""
    async with addressed() as rig:
        fills, orders = await rig.open(FILLS), await rig.open(ORDERS)
        await orders.__aexit__(None, None, None)
        await rig.bring(FILLS, fill("f1", 1))
        assert [event.fill_id for event in await read(fills) if hasattr(event, "fill_id")] == ["f1"]
        assert not rig.connection.released
        await fills.__aexit__(None, None, None)
        assert rig.connection.released


async def test_a_gap_in_a_book_makes_its_connection_anew():
    """There is no frame that asks for a snapshot: hanging up and connecting brings one, without waiting."""
    async with addressed() as rig:
        stream = await rig.open(BOOK, TRADES)
        book = next(each for each in rig.connector.connections if each.label == "book.BTC")
        trades = next(each for each in rig.connector.connections if each.label == "trades.BTC")
        rig.connector.connections.append(book)
        await rig.bring(BOOK, snapshot(1))
        await read(stream)
        await rig.bring(BOOK, delta(3, bids=(("98", "3"),)))
        assert book.released
        assert not trades.released
        assert rig.connection.label == "book.BTC"
        assert rig.connection is not book
        await rig.bring(BOOK, snapshot(1))
        told = states(await read(stream))
        assert told[0] is GAP
        assert told[-1] is RESYNCED


async def test_a_lost_connection_comes_back_with_what_was_missed():
    """A fill that happened meanwhile is read by REST; the one that was known is not repeated."""
    async with addressed() as rig:
        stream = await rig.open(FILLS)
        await rig.bring(FILLS, fill("f1", 1))
        rig.reads.state["fetch_fills"] = [fill("f1", 1), fill("f2", 2)]
        await rig.drop()
        await rig.back()
        events = await read(stream)
        assert [event.fill_id for event in events if hasattr(event, "fill_id")] == ["f1", "f2"]
        assert states(events) == [LIVE, LOST, RESYNCED]


async def test_a_key_that_the_host_refuses_is_not_tried_again():
    """401 to the upgrade is an error of its own for what is private, and no storm."""
    async with addressed() as rig:
        rig.connector.always_fail = HandshakeRefusedError("401", status=401)
        stream = await rig.open(ORDERS)
        await rig.advance(120, step=1)
        assert len(rig.connector.attempts) == 1
        with pytest.raises(StreamAuthError, match="401"):
            while True:
                await anext(stream)


async def test_public_data_is_delivered_as_it_comes():
    """Trades of one market, each once."""
    async with addressed() as rig:
        stream = await rig.open(TRADES)
        await rig.bring(TRADES, trade("t1", 1), trade("t1", 1), trade("t2", 2))
        assert [event.trade_id for event in await read(stream) if hasattr(event, "trade_id")] == ["t1", "t2"]


async def test_how_long_data_may_stay_away_goes_to_the_connector():
    """It belongs to the address: a book is never silent for long, an account may be."""
    async with addressed() as rig:
        rig.source.silence = timedelta(seconds=90)
        asked = []
        connect = rig.connector.connect

        async def watched(endpoint, traits):
            asked.append(endpoint.silence)
            return await connect(endpoint, traits)

        rig.connector.connect = watched
        await rig.open(BOOK)
        assert asked == [timedelta(seconds=90)]
