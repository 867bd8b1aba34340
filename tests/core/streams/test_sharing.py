"""Consumers share what is on the wire, and do not disturb each other."""

from __future__ import annotations

import asyncio

import pytest

from perpkit.core.errors import CapabilityError, CredentialsError, StreamError
from perpkit.core.models import BookSnapshot, Channel, StreamState
from perpkit.core.streams.protocol import StreamTraits
from tests.core.streams.rig import (
    BOOK,
    BTC,
    ETH,
    FILLS,
    ORDERS,
    POSITIONS,
    TICKER,
    TRADES,
    Rig,
    data,
    delta,
    fill,
    order,
    position,
    rate,
    read,
    settle,
    snapshot,
    states,
    sub,
    ticker,
    trade,
)


async def test_a_consumer_gets_a_snapshot_then_live_then_deltas():
    """The straightforward path: connect, subscribe, first state, live, updates."""
    async with Rig() as rig:
        stream = await rig.open(BOOK)
        assert rig.connection.asked("subscribe") == ["book.BTC"]
        assert await read(stream) == []
        await rig.bring(BOOK, snapshot(1))
        first, second = await read(stream)
        assert first == snapshot(1)
        assert (second.state, second.channel) == (StreamState.LIVE, None)
        await rig.bring(BOOK, delta(2, bids=[("99", "5")]))
        assert await read(stream) == [delta(2, bids=[("99", "5")])]
        assert stream.status is StreamState.LIVE


async def test_nothing_is_connected_before_a_consumer_comes():
    """Opening a hub, and making a stream without entering it, does no I/O."""
    async with Rig() as rig:
        rig.hub.open([BOOK])
        await settle()
        assert rig.connector.attempts == []
        assert rig.sources_opened == 0


async def test_two_consumers_share_one_subscription():
    """The second consumer causes no frame, and both get every event."""
    async with Rig() as rig:
        one, two = await rig.open(TRADES), await rig.open(TRADES)
        await rig.bring(TRADES, trade("t1"))
        assert rig.connection.asked("subscribe") == ["trades.BTC"]
        assert len(rig.connector.connections) == 1
        assert data(await read(one)) == data(await read(two)) == [trade("t1")]


async def test_one_consumer_leaving_does_not_stop_the_other():
    """The venue is told only when the last one leaves."""
    async with Rig() as rig:
        one, two, other = await rig.open(TRADES), await rig.open(TRADES), await rig.open(TICKER)
        await one.close()
        await rig.bring(TRADES, trade("t1"))
        assert data(await read(two)) == [trade("t1")]
        assert rig.connection.asked("unsubscribe") == []
        await two.close()
        await settle()
        assert rig.connection.asked("unsubscribe") == ["trades.BTC"]
        await rig.bring(TICKER, ticker("100"))
        assert data(await read(other)) == [ticker("100")]


async def test_the_last_consumer_takes_the_connection_along():
    """Nothing stays open for nobody."""
    async with Rig() as rig:
        stream = await rig.open(TRADES)
        await stream.close()
        await settle()
        assert rig.connection.closed is not None
        assert rig.connection.closed.by_us
        await rig.advance(300, step=10)
        assert len(rig.connector.connections) == 1


async def test_a_topic_can_be_left_and_joined_again():
    """Leaving and coming back at once subscribes again, and brings data again."""
    async with Rig() as rig:
        other = await rig.open(TICKER)
        one = await rig.open(TRADES)
        await one.close()
        two = await rig.open(TRADES)
        assert rig.connection.asked("subscribe") == ["ticker.BTC", "trades.BTC", "trades.BTC"]
        await rig.bring(TRADES, trade("t1"))
        assert data(await read(two)) == [trade("t1")]
        await other.close()


async def test_a_late_consumer_gets_the_present_state_first():
    """Book, ticker, orders and positions are replayed to whoever comes later, then live is told."""
    async with Rig() as rig:
        rig.reads.state = {"fetch_open_orders": [order("v1")], "fetch_positions": [position("2")]}
        every = (BOOK, TICKER, ORDERS, POSITIONS, FILLS)
        await rig.open(*every)
        await rig.bring(BOOK, snapshot(1))
        await rig.bring(BOOK, delta(2, bids=[("98", "3")]))
        await rig.bring(TICKER, ticker("100"))
        await rig.bring(FILLS, fill("f1"))
        late = await rig.open(*every)
        *events, live = await read(late)
        assert live.state is StreamState.LIVE
        book, *rest = events
        assert isinstance(book, BookSnapshot)
        assert (book.sequence, book.bids) == (2, (*snapshot(1).bids, *delta(2, bids=[("98", "3")]).bids))
        assert rest == [ticker("100"), order("v1"), position("2")]
        await rig.bring(BOOK, delta(3, asks=[("101", "0")]))
        assert await read(late) == [delta(3, asks=[("101", "0")])]


async def test_topics_are_spread_over_connections_by_the_venues_cap():
    """With at most two topics a connection, five topics take three connections."""
    async with Rig(traits=StreamTraits(max_topics_per_connection=2)) as rig:
        every = [BOOK, TRADES, TICKER, sub(Channel.BOOK, ETH), sub(Channel.TRADES, ETH)]
        await rig.open(*every)
        per_connection = [connection.asked("subscribe") for connection in rig.connector.connections]
        assert [len(topics) for topics in per_connection] == [2, 2, 1]
        assert len({topic for topics in per_connection for topic in topics}) == 5


async def test_topics_of_different_endpoints_go_over_different_connections():
    """A private endpoint gets its own connection, and only there we sign in."""
    async with Rig() as rig:
        rig.source.labels = {Channel.FILLS: "private"}
        await rig.open(TRADES, FILLS)
        asked = {each.label: [sent.what for sent in each.sent] for each in rig.connector.connections}
        assert asked == {"main": ["subscribe"], "private": ["sign_in", "subscribe"]}


async def test_a_subscription_may_need_several_topics():
    """It is live when all of its topics are, and goes with all of them."""
    async with Rig() as rig:
        rig.source.topics_of = {Channel.TRADES: ("buys", "sells")}
        stream = await rig.open(TRADES)
        assert rig.connection.asked("subscribe") == ["buys", "sells"]
        assert states(await read(stream)) == [StreamState.LIVE]
        await rig.bring("buys", trade("t1"))
        await rig.bring("sells", trade("t2"))
        assert data(await read(stream)) == [trade("t1"), trade("t2")]


async def test_a_topic_may_serve_several_subscriptions():
    """One topic that brings tickers of all markets is subscribed to once, and each consumer gets its own market."""
    async with Rig() as rig:
        rig.source.topics_of = {Channel.TICKER: ("summary",)}
        btc, eth = await rig.open(TICKER), await rig.open(sub(Channel.TICKER, ETH))
        assert rig.connection.asked("subscribe") == ["summary"]
        await rig.bring("summary", ticker("100"), ticker("5", of=ETH), trade("t1"))
        assert data(await read(btc)) == [ticker("100")]
        assert data(await read(eth)) == [ticker("5", of=ETH)]
        await btc.close()
        await rig.bring("summary", ticker("6", of=ETH))
        assert ticker("6", of=ETH) in data(await read(eth))


async def test_the_whole_account_covers_its_markets():
    """Following fills of the account and of one market delivers each fill once."""
    async with Rig() as rig:
        stream = await rig.open(FILLS, sub(Channel.FILLS, BTC))
        assert rig.connection.asked("subscribe") == ["fills.all"]
        await rig.bring(FILLS, fill("f1"))
        assert data(await read(stream)) == [fill("f1")]


async def test_a_failing_consumer_does_not_stop_the_pump():
    """An exception in one reader's loop leaves the other reader and the connection alone."""
    async with Rig() as rig:
        good = await rig.open(TRADES)

        async def fail() -> None:
            async with rig.hub.open([TRADES]) as bad:
                await settle()
                await rig.bring(TRADES, trade("t1"))
                async for _ in bad:
                    raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await fail()
        await rig.bring(TRADES, trade("t2"))
        assert data(await read(good)) == [trade("t1"), trade("t2")]
        assert len(rig.connector.connections) == 1


async def test_a_canceled_reader_loses_nothing():
    """Waiting with a timeout, over and over, is a safe way to read."""
    async with Rig() as rig:
        stream = await rig.open(TRADES)
        await read(stream)
        for number in range(20):
            waiting = asyncio.ensure_future(anext(stream))
            await settle(number % 4)
            if number % 3 == 0:
                rig.connection.bring(*[_data_of(f"t{number}")])
            await settle(number % 5)
            waiting.cancel()
            results = await asyncio.gather(waiting, return_exceptions=True)
            if not isinstance(results[0], asyncio.CancelledError):
                assert results[0] == trade(f"t{number}")
                continue
            await settle()
            if number % 3 == 0:
                assert await read(stream) == [trade(f"t{number}")]


def _data_of(trade_id: str):
    from perpkit.core.streams.protocol import Data

    return Data("trades.BTC", [trade(trade_id)])


async def test_a_stream_has_one_reader():
    """Two tasks reading one stream would each get half: the second is told."""
    async with Rig() as rig:
        stream = await rig.open(TRADES)
        await read(stream)
        first = asyncio.ensure_future(anext(stream))
        await settle()
        with pytest.raises(RuntimeError, match="read by another task"):
            await anext(stream)
        await rig.bring(TRADES, trade("t1"))
        assert await first == trade("t1")


async def test_a_closed_stream_stays_closed():
    """Closing ends iteration, drops what waits, and nothing comes after it."""
    async with Rig() as rig:
        stream = await rig.open(TRADES)
        await rig.bring(TRADES, trade("t1"))
        await stream.close()
        await stream.close()
        assert [event async for event in stream] == []
        assert stream.status is StreamState.CLOSED
        assert stream.backlog == 0


async def test_closing_wakes_the_reader():
    """A reader that waits ends when its stream is closed from elsewhere."""
    async with Rig() as rig:
        stream = await rig.open(TRADES)
        await read(stream)
        reader = asyncio.ensure_future(anext(stream, None))
        await settle()
        await stream.close()
        assert await reader is None


async def test_closing_the_hub_ends_every_stream_with_a_word():
    """What waits can still be read, then the closed status, then the end; and nothing can be opened after."""
    async with Rig() as rig:
        stream = await rig.open(TRADES)
        await read(stream)
        await rig.bring(TRADES, trade("t1"))
        waiting = rig.hub.open([TRADES])
        await rig.hub.close()
        events = [event async for event in stream]
        assert events[0] == trade("t1")
        assert states(events) == [StreamState.CLOSED]
        with pytest.raises(StreamError, match="closed"):
            rig.hub.open([TRADES])
        with pytest.raises(StreamError, match="closed"):
            await waiting.__aenter__()


async def test_what_can_be_had_in_no_way_is_refused_at_once():
    """A channel without a stream and without a read raises before anything is connected."""
    async with Rig(hooks=frozenset()) as rig:
        rig.source.not_streamed = {Channel.FILLS}
        with pytest.raises(CapabilityError, match="fills can be had neither by a stream nor by fetch_fills"):
            await rig.hub.open([FILLS]).__aenter__()
        assert rig.connector.attempts == []


async def test_missing_credentials_are_told_at_once():
    """The plugin's own error about credentials reaches whoever opens the stream."""
    async with Rig() as rig:
        rig.source.refuses = CredentialsError("no key is configured")
        with pytest.raises(CredentialsError, match="no key"):
            await rig.hub.open([FILLS]).__aenter__()


async def test_market_data_needs_a_market():
    """A book of no market, and a stream of nothing, are mistakes of the caller."""
    async with Rig() as rig:
        with pytest.raises(ValueError, match="book needs a market"):
            rig.hub.open([sub(Channel.BOOK)])
        with pytest.raises(ValueError, match="nothing to follow"):
            rig.hub.open([])


async def test_account_reads_are_shared_by_the_feeds_of_several_markets():
    """Positions of two markets and rates of two markets are caught up with one read each, and polled with one each."""
    both = [sub(Channel.POSITIONS, BTC), sub(Channel.POSITIONS, ETH)]
    async with Rig() as rig:
        rig.reads.state["fetch_positions"] = [position("2"), position("5", of=ETH)]
        stream = await rig.open(*both)
        assert sorted(map(repr, data(await read(stream)))) == sorted(map(repr, rig.reads.state["fetch_positions"]))
        assert rig.reads.count("fetch_positions") == 1
    async with Rig(streams=False) as rig:
        rig.reads.state["fetch_funding_rates"] = [rate("0.1"), rate("0.2", of=ETH)]
        stream = await rig.open(sub(Channel.FUNDING, BTC), sub(Channel.FUNDING, ETH))
        assert len(data(await read(stream))) == 2
        await rig.advance(300, step=30)
        asked = [[each.id for each in call.args["markets"]] for call in rig.reads.calls]
        assert asked == [[BTC.id, ETH.id]] * 11


async def test_a_shared_read_outlives_one_of_its_askers():
    """The consumer of one market leaves while the read runs; the other still gets its state."""
    async with Rig() as rig:
        rig.reads.state["fetch_positions"] = [position("2"), position("5", of=ETH)]
        rig.reads.held["fetch_positions"] = asyncio.Event()
        btc, eth = rig.hub.open([sub(Channel.POSITIONS, BTC)]), rig.hub.open([sub(Channel.POSITIONS, ETH)])
        await btc.__aenter__()
        await eth.__aenter__()
        await settle()
        assert rig.reads.count("fetch_positions") == 1
        await btc.close()
        rig.reads.held["fetch_positions"].set()
        await settle()
        assert data(await read(eth)) == [position("5", of=ETH)]


async def test_what_is_unknown_on_the_wire_is_ignored():
    """Topics that nobody asked for, and events of other channels, reach nobody."""
    async with Rig() as rig:
        stream = await rig.open(TRADES)
        await read(stream)
        await rig.bring("nonsense", trade("t1"))
        await rig.bring(TRADES, ticker("100"), trade("t2", of=ETH))
        assert await read(stream) == []
        assert BTC.id != ETH.id
