"""Streams of market data: subscribed once, in order, alive, and deaf to odd frames."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest

from perpkit.core.book import OrderBook
from perpkit.core.errors import PerpkitError
from perpkit.core.models import (
    BookDelta,
    BookSnapshot,
    Channel,
    Event,
    Fill,
    Order,
    Side,
    StreamState,
    StreamStatus,
    Ticker,
    Trade,
)
from perpkit.core.transport.ws import WebSocketConnection, WsTimeouts
from perpkit.sim.faults import FaultAction, FaultTarget
from perpkit_conformance.fixtures import offered
from perpkit_conformance.suite.channels import CHANNELS, LIVE, events_of, every_fill_once, stir, topic
from perpkit_conformance.suite.trading import Trader

pytestmark = pytest.mark.needs("open_stream")


@pytest.mark.rule("subscriptions-yield")
@pytest.mark.parametrize("channel", CHANNELS)
async def test_each_channel_yields(trader: Trader, channel: Channel) -> None:
    """Something happens, and the channel tells of it, for the right market."""
    async with trader.target.watch(trader.venue, topic(trader, channel)) as watch:
        before = len(events_of(watch, channel))
        stir(trader)
        await watch.until(lambda: len(events_of(watch, channel)) > before, f"an event of {channel}", within=LIVE)
        for event in events_of(watch, channel):
            market = getattr(event, "market_id", trader.market.id)
            assert market == trader.market.id, f"expected events of {trader.market.id}, came {event!r}"


@pytest.mark.rule("subscriptions-yield")
@pytest.mark.parametrize("channel", CHANNELS)
async def test_with_streaming_down_the_same_comes_by_polling(trader: Trader, channel: Channel) -> None:
    """Every handshake is refused: the stream says that it polls, and tells the same."""
    trader.target.inject("connect", FaultAction.REFUSE, times=None)
    async with trader.target.watch(trader.venue, topic(trader, channel), live=False) as watch:
        await watch.until(
            lambda: StreamState.POLLING in watch.states, "the stream to say that it polls", within=timedelta(minutes=5)
        )
        await trader.target.breathe(10)
        before = len(events_of(watch, channel))
        stir(trader)
        trader.rest(Side.BUY, trader.price("0.9995"), trader.size(100))
        await watch.until(
            lambda: len(events_of(watch, channel)) > before,
            f"an event of {channel} by polling",
            within=timedelta(minutes=5),
        )


@pytest.mark.rule("subscriptions-yield")
@pytest.mark.needs("channel:trades", "channel:ticker")
async def test_a_refused_channel_is_a_typed_error_and_the_others_go_on(
    request: pytest.FixtureRequest, trader: Trader
) -> None:
    """The venue knows no such channel: said in time, with the channel's name; another one on the stream lives."""
    offered(request, "channel_refusals")
    match = f"subscribe {trader.target.profile.frame_faults['trades']}"
    trader.target.control.inject(FaultAction.MISSING_CHANNEL, target=FaultTarget.RPC, match=match, times=None)
    async with trader.venue.stream([f"trades:{trader.market.id}", f"ticker:{trader.market.id}"]) as events:
        errors: list[PerpkitError] = []
        seen: list[Event] = []

        async def read() -> None:
            while not (errors and any(isinstance(each, Ticker) for each in seen)):
                try:
                    seen.append(await anext(events))
                except PerpkitError as error:
                    errors.append(error)
                    trader.target.control.set_price(trader.symbol, index=trader.price("1.0002"))

        try:
            await trader.target.run(read(), within=timedelta(minutes=1))
        except AssertionError:
            pytest.fail(f"a refused channel: expected an error and the other's ticker, came {errors} and {len(seen)}")
        assert "trades" in str(errors[0]), f"the error does not name the channel: {errors[0]}"


@pytest.mark.rule("consumers-share-a-subscription")
@pytest.mark.parametrize("channel", [each for each in CHANNELS if each.id in {"trades", "book", "orders"}])
async def test_two_consumers_make_one_subscription(trader: Trader, channel: Channel) -> None:
    """The second sends nothing; when the first leaves the second goes on, and both saw the same."""
    target, name = trader.target, topic(trader, channel)
    async with target.watch(trader.venue, name) as stays:
        sent, handshakes = len(target.recordings.sent_frames()), target.arrivals.handshakes
        async with target.watch(trader.venue, name) as leaves:
            stir(trader)
            await leaves.until(lambda: events_of(leaves, channel), "the second consumer's event", within=LIVE)
        await target.breathe(20)
        kept = target.profile.keepalives
        more = [each for each in target.recordings.sent_frames()[sent:] if each.data not in kept]
        assert not more, f"a second consumer of one channel sent {len(more)} frames: {[each.data for each in more]}"
        assert target.arrivals.handshakes == handshakes, "a second consumer opened another connection"
        before = len(events_of(stays, channel))
        stir(trader)
        await stays.until(lambda: len(events_of(stays, channel)) > before, "events after the other left", within=LIVE)


@pytest.mark.rule("consumers-share-a-subscription")
@pytest.mark.needs("channel:trades")
async def test_after_the_last_consumer_nothing_is_followed(trader: Trader) -> None:
    """It is unsubscribed or the connection closed: trades come in no more."""
    target = trader.target
    async with target.watch(trader.venue, f"trades:{trader.market.id}"):
        await target.breathe()
    target.advance(timedelta(seconds=5))
    await target.breathe(20)
    came = len(target.recordings.received_frames())
    for _ in range(3):
        trader.trade(Side.BUY, trader.size(100))
    await target.breathe(30)
    more = target.recordings.received_frames()[came:]
    assert not more, f"nobody follows any more, and {len(more)} frames came"


@pytest.mark.rule("consumers-share-a-subscription")
@pytest.mark.needs("channel:trades", "channel:book")
async def test_what_nobody_follows_ends_while_another_channel_goes_on(trader: Trader) -> None:
    """A consumer of another market stays: the trades that the one who left had followed come in no more."""
    target, other = trader.target, list(trader.target.profile.markets)[1]
    target.quote(other, levels=2)
    async with target.watch(trader.venue, f"book:{other}") as stays:
        async with target.watch(trader.venue, f"trades:{trader.market.id}"):
            await target.breathe()
        target.advance(timedelta(seconds=5))
        await target.breathe(20)
        came = len(target.recordings.received_frames())
        for _ in range(3):
            trader.trade(Side.BUY, trader.size(100))
        await target.breathe(30)
        more = target.recordings.received_frames()[came:]
        assert not more, f"nobody follows the trades any more, and {len(more)} frames came: {more[0].data!r}"
        before = len(stays.events)
        target.quote(other, levels=3)
        await stays.until(lambda: len(stays.events) > before, "the other market's book to go on", within=LIVE)


@pytest.mark.rule("public-events-once-and-in-order")
@pytest.mark.needs("channel:trades")
async def test_trades_come_once_and_in_order_over_a_reconnect(trader: Trader) -> None:
    """Before, during and after an outage: the exchange's tape, each trade once, oldest first."""
    target = trader.target
    begin = len(target.tape(trader.symbol))

    def trades(count: int) -> None:
        for number in range(count):
            trader.trade(Side.BUY if number % 2 else Side.SELL, trader.size(100 + number))
            target.advance(timedelta(milliseconds=20))

    async with target.watch(trader.venue, f"trades:{trader.market.id}") as watch:
        trades(4)
        await watch.until(lambda: len(watch.of(Trade)) >= 4, "four trades", within=LIVE)
        target.inject("connect", FaultAction.REFUSE, times=2)
        target.inject(Channel.TRADES, FaultAction.DISCONNECT, times=1, close_code=1006)
        trades(3)
        await watch.until(lambda: StreamState.LOST in watch.states, "the loss to be said", within=LIVE)
        trades(3)
        await watch.until(
            lambda: watch.states[-1] in {StreamState.LIVE, StreamState.RESYNCED}, "the way back", within=LIVE * 4
        )
        trades(3)
        expected = [each.id for each in target.tape(trader.symbol)[begin:]]
        try:
            await watch.until(lambda: len(watch.of(Trade)) >= len(expected), "every trade", within=LIVE * 2)
        except AssertionError:
            if watch.error is not None:
                raise
        came = [each.trade_id for each in watch.of(Trade)]
        assert came == expected, f"expected the tape {expected}, came {came}"
        for trade, truth in zip(watch.of(Trade), target.tape(trader.symbol)[begin:], strict=True):
            row = (truth.side, truth.price, truth.size)
            assert (trade.side, trade.price, trade.size) == row, f"expected {row} from the tape, came {trade!r}"


@pytest.mark.rule("public-events-once-and-in-order")
@pytest.mark.needs("channel:trades")
async def test_repeated_trades_are_dropped(trader: Trader) -> None:
    """Every frame comes twice; every trade once."""
    trader.target.inject(Channel.TRADES, FaultAction.DUPLICATE, times=None)
    begin = len(trader.target.tape(trader.symbol))
    async with trader.target.watch(trader.venue, f"trades:{trader.market.id}") as watch:
        for _ in range(5):
            trader.trade(Side.SELL, trader.size(150))
        expected = [each.id for each in trader.target.tape(trader.symbol)[begin:]]
        await watch.until(lambda: len(watch.of(Trade)) >= len(expected), "the trades", within=LIVE)
        await trader.target.breathe(20)
        came = [each.trade_id for each in watch.of(Trade)]
        assert came == expected, f"expected the tape {expected}, came {came}"


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sockets whose pings and watches, which run in real time, are a hundred times faster than the plugin declares."""
    real = WebSocketConnection.connect

    async def connect(*given: Any, timeouts: WsTimeouts | None = None, **more: Any) -> WebSocketConnection:
        declared = timeouts or WsTimeouts()
        faster = {name: limit / 100 for name in ("ping", "silence") if (limit := getattr(declared, name)) is not None}
        return await real(*given, timeouts=replace(declared, **faster), **more)

    monkeypatch.setattr(WebSocketConnection, "connect", connect)


@pytest.mark.rule("silent-death-is-noticed")
@pytest.mark.needs("channel:orders")
@pytest.mark.usefixtures("hurried")
async def test_a_connection_that_went_silent_is_replaced(trader: Trader) -> None:
    """It stays open and carries nothing: in bounded time it is lost, and what happened meanwhile comes."""
    target = trader.target
    async with target.watch(trader.venue, "orders") as watch:
        handshakes = target.arrivals.handshakes
        target.inject(Channel.ORDERS, FaultAction.HALF_OPEN, times=1)
        order = await trader.place()
        await watch.until(
            lambda: StreamState.LOST in watch.states, "the silence to be noticed", within=timedelta(minutes=5)
        )
        await watch.until(
            lambda: any(each.client_order_id == order.client_order_id for each in watch.of(Order)),
            "the order that came to nobody",
            within=timedelta(minutes=3),
        )
        assert target.arrivals.handshakes > handshakes, "no new connection was made"


@pytest.mark.rule("silent-death-is-noticed")
@pytest.mark.needs("channel:trades")
async def test_a_quiet_market_is_not_taken_for_death(trader: Trader) -> None:
    """
    Ten minutes without an event, the other side alive: either it stays, or nothing is lost by a new one. A venue that
    lets go of those who say nothing is told something in time.
    """
    target, longest = trader.target, trader.target.profile.longest_silence
    begin = target.clock.now()
    async with target.watch(trader.venue, f"trades:{trader.market.id}") as watch:
        for _ in range(30):
            target.advance(timedelta(seconds=20))
            await target.breathe(10)
        said = [begin, *(each.at for each in target.recordings.sent_frames()), target.clock.now()]
        silence = max(later - earlier for earlier, later in pairwise(said))
        assert longest is None or silence < longest, (
            f"nothing was sent for {silence}; after {longest} the venue lets a connection go"
        )
        trader.trade(Side.BUY, trader.size(100))
        await watch.until(lambda: watch.of(Trade), "a trade after a long pause", within=LIVE * 2)
        assert target.arrivals.handshakes <= 40, f"{target.arrivals.handshakes} connections in ten quiet minutes"


ODD = ("null", "[]", "42", '"text"', "{}", '{"hello": "world"}', "", '{"a": [1, {"b": null}]}')


@pytest.mark.rule("odd-frames-are-ignored")
@pytest.mark.needs("channel:trades", "channel:ticker")
async def test_frames_that_mean_nothing_do_no_harm(trader: Trader, caplog: pytest.LogCaptureFixture) -> None:
    """In place of a ticker comes something that is no message at all; the trades beside it are all there."""
    target = trader.target
    begin = len(target.tape(trader.symbol))
    async with target.watch(trader.venue, f"trades:{trader.market.id}", f"ticker:{trader.market.id}") as watch:
        for number, body in enumerate(ODD):
            fault = target.inject(Channel.TICKER, FaultAction.REPLACE, body=body, times=1)
            target.control.set_price(trader.symbol, index=trader.price(Decimal(1) + Decimal(number + 1) / 10**5))
            await target.until(lambda fault=fault: fault.hits, "the odd frame to go out", within=LIVE)  # type: ignore[misc]
            trader.trade(Side.BUY, trader.size(100))
        expected = [each.id for each in target.tape(trader.symbol)[begin:]]
        await watch.until(lambda: len(watch.of(Trade)) >= len(expected), "every trade", within=LIVE)
        assert [each.trade_id for each in watch.of(Trade)] == expected
        assert StreamState.LOST not in watch.states, f"an odd frame ended the connection: {watch.states}"
    crashes = [each.exc_info[1] for each in caplog.records if each.exc_info and each.levelno >= logging.ERROR]
    assert not crashes, f"an odd frame raised something that is no DecodeError: {crashes[0]!r}"


@pytest.mark.rule("odd-frames-are-ignored")
@pytest.mark.needs("channel:orders", "channel:fills")
async def test_broken_and_widened_frames_do_no_harm_to_private_channels(trader: Trader) -> None:
    """Garbage before each frame, unknown fields in each: every fill is there, once."""
    async with trader.target.watch(trader.venue, "orders", "fills") as watch:
        for channel in (Channel.ORDERS, Channel.FILLS):
            trader.target.inject(channel, FaultAction.GARBAGE, times=None, skip=1)
            trader.target.inject(channel, FaultAction.EXTRA_FIELDS, times=None)
        for _ in range(3):
            await trader.place(share="1.001")
        await every_fill_once(trader, watch, "garbage between the frames")


@pytest.mark.rule("slow-consumers-are-told")
@pytest.mark.needs("channel:book", "channel:fills")
async def test_a_slow_consumer_loses_no_fill_and_sees_what_was_folded(trader: Trader) -> None:
    """Nobody reads while the book changes 400 times: bounded memory, every fill, the exchange's book in the end."""
    target = trader.target
    async with trader.venue.stream([f"book:{trader.market.id}", "fills"]) as events:
        while True:
            event = await target.run(anext(events))
            if isinstance(event, StreamStatus) and event.state is StreamState.LIVE:
                break
        for number in range(400):
            trader.rest(Side.BUY, trader.price("0.9") + number * trader.market.tick_size, trader.size(100))
            trader.rest(Side.BUY, trader.price("0.9999"), trader.size(100) + number * trader.market.step_size)
            target.advance(timedelta(milliseconds=200))
            await asyncio.sleep(0)
        for _ in range(5):
            await trader.place(share="1.001")
        await target.breathe(50)
        waiting = events.backlog
        assert waiting < 600, f"{waiting} events wait for a consumer that does not read"
        book, fills, folded = OrderBook(trader.market.id), list[Fill](), 0

        async def read() -> None:
            nonlocal folded
            while len(fills) < 5 or events.backlog:
                event = await anext(events)
                if isinstance(event, Fill):
                    fills.append(event)
                elif isinstance(event, BookSnapshot | BookDelta):
                    book.apply(event)
                    folded += event.conflated if isinstance(event, BookSnapshot) else 0
                elif isinstance(event, StreamStatus):
                    folded += event.dropped

        try:
            await target.run(read(), within=timedelta(minutes=1))
        except AssertionError:
            pytest.fail(f"the ledger has {len(trader.truth.fills())} fills, {len(fills)} came to a slow consumer")
        expected = {each.id for each in trader.truth.fills()}
        assert {each.fill_id for each in fills} == expected, f"expected the ledger's {expected}, came {fills}"
        assert folded, "400 changes of a book became few, and nothing says so"
        truth = target.control.exchange.book(trader.symbol, 5)
        assert [level.price for level in book.bids(5)] == [level.price for level in truth.bids]
