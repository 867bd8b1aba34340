"""One connection kept up: back-off, the connect cap, answers in time, refusals, sign-ins, unreadable frames."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Sequence
from datetime import timedelta

import pytest

from perpkit.core.errors import (
    AuthError,
    ConnectionLostError,
    DecodeError,
    HandshakeRefusedError,
    InvalidRequestError,
    RateLimitError,
    StreamAuthError,
    StreamError,
)
from perpkit.core.models import Channel, StreamState, Trade
from perpkit.core.streams.protocol import (
    Ack,
    Closing,
    Frame,
    Incoming,
    Refusal,
    Reply,
    SignedOut,
    StreamTraits,
)
from perpkit.core.streams.settings import StreamSettings
from tests.core.streams.rig import (
    BOOK,
    ETH,
    FILLS,
    NO_CONNECTION,
    ORDERS,
    POSITIONS,
    TICKER,
    TRADES,
    Rig,
    Sent,
    acknowledge,
    data,
    fill,
    position,
    read,
    settle,
    snapshot,
    states,
    sub,
    trade,
)

LIVE, LOST, RESYNCED, REFUSED = StreamState.LIVE, StreamState.LOST, StreamState.RESYNCED, StreamState.REFUSED
NO_POLLING = StreamSettings(failures_before_polling=1_000)


# Coming back


async def test_waits_between_attempts_grow_and_are_drawn_from_the_seed():
    """Full jitter: each wait lies between 0 and a bound that doubles to its maximum; the same seed gives the same."""

    async def waits(seed: int) -> list[float]:
        settings = StreamSettings(
            backoff_initial=timedelta(seconds=1),
            backoff_maximum=timedelta(seconds=16),
            failures_before_polling=1_000,
        )
        async with Rig(settings=settings, seed=seed, traits=StreamTraits(max_connects=1_000)) as rig:
            rig.connector.always_fail = NO_CONNECTION
            await rig.open(TRADES)
            await rig.advance(200, step=0.25)
            attempts = rig.connector.attempts
            return [later - earlier for earlier, later in itertools.pairwise(attempts)]

    one, same, other = await waits(1), await waits(1), await waits(2)
    assert one == same != other
    bounds = [1, 2, 4, 8, *[16] * len(one)]
    assert all(wait <= bound + 0.25 for wait, bound in zip(one, bounds, strict=False))
    assert max(one) > 8
    assert len({round(wait) for wait in one}) > 4


async def test_the_connect_cap_holds_over_all_connections():
    """However many links fail, no window holds more attempts than the venue allows."""
    traits = StreamTraits(max_connects=3, connects_per=timedelta(seconds=60), max_topics_per_connection=1)
    async with Rig(traits=traits, settings=NO_POLLING) as rig:
        rig.connector.always_fail = NO_CONNECTION
        await rig.open(TRADES, TICKER, BOOK, sub(Channel.TRADES, ETH))
        await rig.advance(600, step=1)
        attempts = rig.connector.attempts
        assert len(attempts) >= 25
        for first, fourth in zip(attempts, attempts[3:], strict=False):
            assert fourth - first >= 60


async def test_the_cap_on_messages_holds_over_all_connections():
    """Five topics on as many connections, two messages in ten seconds: all come on, and no window holds a third."""
    traits = StreamTraits(max_messages=2, messages_per=timedelta(seconds=10), max_topics_per_connection=1)
    asked_at: list[float] = []

    def note(sent: Sent) -> Sequence[Incoming] | None:
        if sent.what == "subscribe":
            asked_at.append(rig.clock.monotonic())
        return acknowledge(sent)

    async with Rig(traits=traits, settings=NO_POLLING) as rig:
        rig.respond = note
        stream = await rig.open(TRADES, POSITIONS, ORDERS, FILLS, sub(Channel.TRADES, ETH))
        await rig.advance(40, step=1)
        assert states(await read(stream))[-1] is LIVE
    assert len(asked_at) == 5
    assert all(third - first >= 10 for first, third in zip(asked_at, asked_at[2:], strict=False))


async def test_a_connection_that_held_resets_the_back_off():
    """After 30 quiet seconds a loss is an accident, and the next attempt comes within the first bound."""
    async with Rig(settings=NO_POLLING, traits=StreamTraits(max_connects=1_000)) as rig:
        rig.connector.failures = [NO_CONNECTION] * 8
        await rig.open(TRADES)
        await rig.advance(300, step=0.5)
        assert len(rig.connector.connections) == 1
        await rig.drop()
        lost_at = rig.clock.monotonic()
        await rig.advance(60, step=0.1)
        assert rig.connector.attempts[-1] - lost_at <= 0.6
        assert len(rig.connector.connections) == 2


async def test_a_connection_that_drops_at_once_keeps_backing_off():
    """A host that accepts and hangs up is not hammered."""
    settings = StreamSettings(failures_before_polling=1_000, backoff_maximum=timedelta(seconds=60))
    async with Rig(settings=settings, traits=StreamTraits(max_connects=1_000)) as rig:
        await rig.open(TRADES)
        for _ in range(600):
            if rig.connection.closed is None:
                rig.connection.drop()
            await rig.advance(1)
        assert len(rig.connector.attempts) < 60


async def test_an_announced_closing_is_followed_at_once_but_only_once():
    """Maintenance of one host needs no back-off; a venue that announces on every connection gets one."""
    async with Rig() as rig:
        stream = await rig.open(TRADES)
        await read(stream)
        rig.connection.bring(Closing("host is drained"))
        await settle()
        assert len(rig.connector.connections) == 2
        events = await read(stream)
        assert states(events) == [LOST, RESYNCED]
        assert "host is drained" in events[0].reason
        for _ in range(5):
            rig.connection.bring(Closing("again"))
            await settle()
        assert len(rig.connector.connections) == 2
        await rig.back()
        assert len(rig.connector.connections) == 3


async def test_never_two_sockets_for_one_link():
    """The old connection is closed before the next is made, however it ended."""
    async with Rig() as rig:
        await rig.open(TRADES)
        for _ in range(10):
            open_now = [each for each in rig.connector.connections if each.closed is None]
            assert len(open_now) == 1
            rig.connection.bring(*[DecodeError("?")])
            rig.connection.bring(Closing("at once"))
            await rig.drop()
            await rig.advance(90, step=10)
        assert rig.connector.overlaps == 0


async def test_an_initial_failure_to_connect_is_told():
    """The stream says that it is lost, and why, and comes live when the host does."""
    async with Rig() as rig:
        rig.connector.failures = [NO_CONNECTION] * 2
        stream = await rig.open(TRADES)
        (lost,) = await read(stream)
        assert lost.state is LOST
        assert "no route" in lost.reason
        await rig.advance(5, step=0.1)
        assert states(await read(stream)) == [LIVE]


async def test_endless_failure_without_a_read_is_a_typed_error():
    """What can be neither streamed nor polled raises after so many attempts, and is tried on."""
    async with Rig(hooks=frozenset(), settings=StreamSettings(failures_before_polling=3)) as rig:
        rig.connector.failures = [NO_CONNECTION] * 4
        stream = await rig.open(TRADES)
        await rig.advance(10, step=0.1)
        with pytest.raises(StreamError, match=r"trades:BTC-USD-PERP@toy can't be streamed \(3 attempts"):
            await read(stream)
        assert states(await read(stream)) == [LIVE]


# Answers


async def test_a_subscription_that_is_not_answered_ends_the_connection():
    """No answer in time means that something is wrong: connect again and ask again."""
    async with Rig() as rig:
        rig.respond = lambda sent: None
        stream = await rig.open(TRADES)
        await rig.advance(16, step=1)
        assert rig.connector.connections[0].closed is not None
        assert "no answer about trades.BTC" in (await read(stream))[0].reason
        rig.respond = acknowledge
        await rig.advance(20, step=1)
        assert states(await read(stream)) == [LIVE]


async def test_answers_in_any_order_find_their_question():
    """Acks are matched by request id, not by position."""
    async with Rig() as rig:
        rig.respond = lambda sent: None
        stream = await rig.open(TRADES, TICKER, BOOK)
        for sent in reversed(rig.connection.sent):
            rig.connection.bring(Ack(sent.request_id))
        await settle()
        await rig.bring(TRADES, trade("t1"))
        assert data(await read(stream)) == [trade("t1")]
        await rig.advance(8, step=1)
        assert len(rig.connector.connections) == 1


async def test_answers_without_an_id_are_found_by_their_topic():
    """Some venues only repeat the channel's name."""
    async with Rig() as rig:
        rig.respond = lambda sent: [Ack(None, sent.topic)]
        stream = await rig.open(TRADES, TICKER)
        await rig.advance(40, step=1)
        assert len(rig.connector.connections) == 1
        await rig.bring(TRADES, trade("t1"))
        assert trade("t1") in await read(stream)


async def test_data_counts_as_an_answer():
    """A venue that never acknowledges but sends has understood."""
    async with Rig() as rig:
        rig.respond = lambda sent: None
        stream = await rig.open(TRADES)
        await rig.bring(TRADES, trade("t1"))
        assert states(await read(stream)) == [LIVE]
        await rig.advance(60, step=1)
        assert len(rig.connector.connections) == 1


async def test_a_refused_topic_is_refused_for_good_and_the_others_go_on():
    """The reader gets a status and a typed error, once; the other channel is not disturbed, nothing is asked again."""

    def respond(sent: Sent):
        if sent.topic == "trades.BTC":
            return [Refusal(sent.request_id, InvalidRequestError("no such channel"))]
        return acknowledge(sent)

    async with Rig() as rig:
        rig.respond = respond
        stream = await rig.open(TRADES, FILLS)
        first = await anext(stream)
        assert (first.state, first.channel) == (REFUSED, Channel.TRADES)
        assert "no such channel" in first.reason
        with pytest.raises(StreamError, match="no such channel"):
            await anext(stream)
        await rig.bring(FILLS, fill("f1", 1))
        assert data(await read(stream)) == [fill("f1", 1)]
        await rig.drop()
        await rig.back()
        asked = [topic for each in rig.connector.connections for topic in each.asked("subscribe")]
        assert asked.count("trades.BTC") == 1
        assert asked.count("fills.all") == 2
        assert stream.status is REFUSED
        late = await rig.open(TRADES)
        assert states([await anext(late)]) == [REFUSED]


async def test_subscribed_already_is_as_good_as_yes():
    """A venue that says 'already subscribed' has us subscribed."""
    async with Rig() as rig:
        rig.respond = lambda sent: [Refusal(sent.request_id, InvalidRequestError("already subscribed"), already=True)]
        stream = await rig.open(TRADES)
        assert states(await read(stream)) == [LIVE]


async def test_a_rate_limited_subscription_waits_as_long_as_the_venue_says():
    """The topic is asked for again after the wait, on the same connection, and not before."""
    answers = [RateLimitError("slow down", retry_after=timedelta(seconds=30))]

    def respond(sent: Sent):
        if sent.what == "subscribe" and answers:
            return [Refusal(sent.request_id, answers.pop())]
        return acknowledge(sent)

    async with Rig() as rig:
        rig.respond = respond
        stream = await rig.open(TRADES)
        await rig.advance(29, step=1)
        assert rig.connection.asked("subscribe") == ["trades.BTC"]
        await rig.advance(7, step=1)
        assert rig.connection.asked("subscribe") == ["trades.BTC"] * 2
        assert states(await read(stream)) == [LIVE]
        assert len(rig.connector.connections) == 1


async def test_questions_in_flight_are_bounded():
    """A hundred topics are not asked for in one breath."""
    markets = [ETH.replace(symbol=f"M{n}", instrument=ETH.instrument.replace(base=f"M{n}")) for n in range(100)]
    async with Rig(settings=StreamSettings(max_in_flight=20)) as rig:
        rig.respond = lambda sent: None
        await rig.open(*[sub(Channel.TRADES, each) for each in markets])
        assert len(rig.connection.asked("subscribe")) == 20
        for sent in list(rig.connection.sent[:5]):
            rig.connection.bring(Ack(sent.request_id))
        await settle()
        assert len(rig.connection.asked("subscribe")) == 25


async def test_a_request_of_the_venue_is_answered():
    """A frame that asks for a reply gets it, on the same connection."""
    async with Rig() as rig:
        await rig.open(TRADES)
        rig.connection.bring(Reply("pong 7"))
        await settle()
        assert rig.connection.sent[-1] == Sent("pong", 7)


async def test_reading_goes_on_while_an_answer_is_being_sent():
    """A peer that takes nothing for a while holds up its answers alone; they go out in their order."""
    async with Rig() as rig:
        stream = await rig.open(TRADES)
        send, free = rig.connection.send, asyncio.Event()

        async def slow(frame: Frame) -> None:
            await free.wait()
            await send(frame)

        rig.connection.send = slow  # type: ignore[method-assign]
        rig.connection.bring(Reply("pong 7"))
        rig.connection.bring(Reply("pong 8"))
        await rig.bring(TRADES, trade("t1", 1))
        assert rig.connection.sent[-1].what == "subscribe"
        assert [event.trade_id for event in await read(stream) if isinstance(event, Trade)] == ["t1"]
        free.set()
        await settle()
        assert rig.connection.sent[-2:] == [Sent("pong", 7), Sent("pong", 8)]


async def test_an_answer_that_cannot_be_sent_ends_the_connection():
    """The venue would end it for our silence; it is made again at once."""
    async with Rig() as rig:
        stream = await rig.open(TRADES)
        await read(stream)
        rig.connection.send_error = ConnectionLostError("broken")
        rig.connection.bring(Reply("pong 7"))
        await settle()
        assert states(await read(stream)) == [LOST]
        await rig.advance(5)
        assert len(rig.connector.connections) == 2


async def test_keepalives_are_sent_at_the_venues_interval():
    """A JSON ping every 20 seconds, and none after the connection is gone."""
    async with Rig(traits=StreamTraits(keepalive_interval=timedelta(seconds=20))) as rig:
        await rig.open(TRADES)
        await rig.advance(65, step=5)
        assert [sent.what for sent in rig.connection.sent].count("keepalive") == 3


# Unreadable frames


async def test_one_unreadable_frame_changes_nothing(caplog: pytest.LogCaptureFixture):
    """It is logged with its excerpt, and the next frame is read."""
    async with Rig() as rig:
        stream = await rig.open(TRADES)
        with caplog.at_level(logging.WARNING):
            rig.connection.bring(DecodeError("what is this?", payload="{"))
            await rig.bring(TRADES, trade("t1"))
        assert data(await read(stream)) == [trade("t1")]
        assert "what is this?" in caplog.text
        assert len(rig.connector.connections) == 1


@pytest.mark.parametrize("error", [DecodeError("garbage"), KeyError("a plugin's mistake")])
async def test_a_run_of_unreadable_frames_ends_the_connection(error: Exception):
    """Ten in a row are a broken wire or a changed format; good ones in between start the count again."""
    async with Rig(settings=StreamSettings(max_decode_errors=10)) as rig:
        stream = await rig.open(TRADES)
        for number in range(5):
            for _ in range(9):
                rig.connection.bring(error)
            await rig.bring(TRADES, trade(f"t{number}"))
        assert len(rig.connector.connections) == 1
        await read(stream)
        for _ in range(10):
            rig.connection.bring(error)
        await settle()
        (lost,) = await read(stream)
        assert "10 frames in a row can't be read" in lost.reason
        await rig.back()
        assert len(rig.connector.connections) == 2
        assert states(await read(stream)) == [RESYNCED]


# Signing in


async def test_refused_credentials_are_typed_and_not_tried_again():
    """One sign-in, one error of a type; the public channel of the same stream goes on."""

    def respond(sent: Sent):
        if sent.what == "sign_in":
            return [Refusal(sent.request_id, AuthError("invalid bearer", code=40111))]
        return acknowledge(sent)

    async with Rig() as rig:
        rig.respond = respond
        stream = await rig.open(FILLS, POSITIONS, TRADES)
        for _ in range(2):
            assert states([await anext(stream)]) in ([REFUSED], [LOST])
        await rig.advance(600, step=10)
        refused, errors = [], []
        while stream.backlog:
            try:
                refused.append(await anext(stream))
            except StreamAuthError as error:
                errors.append(error)
        assert len(errors) == 2
        assert all("invalid bearer" in str(error) for error in errors)
        assert rig.source.sign_ins == 1
        await rig.bring(TRADES, trade("t1"))
        assert data(await read(stream)) == [trade("t1")]


async def test_a_sign_in_that_the_plugin_cannot_make_is_typed():
    """The plugin's own request for a token was refused: the same as a refusal on the socket."""
    async with Rig() as rig:
        rig.source.sign_in_error = AuthError("unknown key")
        stream = await rig.open(FILLS)
        await rig.advance(120, step=5)
        errors = []
        while stream.backlog:
            try:
                await anext(stream)
            except StreamAuthError as error:
                errors.append(error)
        assert len(errors) == 1
        assert rig.source.sign_ins == 1
        assert len(rig.connector.attempts) == 1


async def test_a_handshake_refused_for_its_credentials_is_typed():
    """A 401 on the handshake refuses what is private; a 503 is tried again."""
    async with Rig() as rig:
        rig.connector.failures = [
            HandshakeRefusedError("unavailable", status=503),
            HandshakeRefusedError("who are you?", status=401),
        ]
        stream = await rig.open(FILLS)
        await rig.advance(60, step=0.5)
        assert states([await anext(stream)]) == [LOST]
        assert states([await anext(stream)]) == [REFUSED]
        with pytest.raises(StreamAuthError, match="who are you"):
            await anext(stream)
        assert len(rig.connector.attempts) == 2


async def test_credentials_that_were_good_get_a_few_more_tries():
    """After a good sign-in a refusal may pass: it is tried again with back-off, but not for ever."""
    verdicts: list[bool] = [True, False, False, True, False, False, False]

    def respond(sent: Sent):
        if sent.what == "sign_in" and not verdicts.pop(0):
            return [Refusal(sent.request_id, AuthError("not now"))]
        return acknowledge(sent)

    settings = StreamSettings(sign_in_attempts=3, failures_before_polling=1_000)
    async with Rig(settings=settings) as rig:
        rig.respond = respond
        stream = await rig.open(FILLS)
        assert states(await read(stream)) == [LIVE]
        await rig.drop()
        await rig.advance(20, step=0.25)
        assert states(await read(stream)) == [LOST, RESYNCED]
        await rig.drop()
        await rig.advance(60, step=0.25)
        assert states([await anext(stream), await anext(stream)]) == [LOST, REFUSED]
        with pytest.raises(StreamAuthError):
            await anext(stream)
        await rig.advance(600, step=10)
        assert rig.source.sign_ins == 7


async def test_the_sign_in_is_renewed_in_time_without_a_gap():
    """A token that lives five minutes is replaced after three, and nobody notices."""
    async with Rig(traits=StreamTraits(sign_in_again_after=timedelta(minutes=3))) as rig:
        stream = await rig.open(FILLS)
        await read(stream)
        await rig.advance(600, step=5)
        assert rig.source.sign_ins == 4
        assert len(rig.connector.connections) == 1
        assert rig.connection.asked("subscribe") == ["fills.all"]
        assert await read(stream) == []


async def test_a_connection_is_made_again_before_its_token_runs_out():
    """Where subscriptions end with their token: a new connection at once, with a new sign-in, and nothing is missed."""
    async with Rig(traits=StreamTraits(renew_after=timedelta(hours=5))) as rig:
        stream = await rig.open(FILLS)
        await read(stream)
        rig.reads.state["fetch_fills"] = [fill("f1", 1)]
        await rig.advance(5 * 3600, step=600)
        events = await read(stream)
        assert states(events) == [LOST, RESYNCED]
        assert data(events) == [fill("f1", 1)]
        assert rig.source.sign_ins == 2
        assert len(rig.connector.connections) == 2


async def test_a_connection_without_a_sign_in_is_not_made_again():
    """Market data carry no token, so nothing of theirs runs out."""
    async with Rig(traits=StreamTraits(renew_after=timedelta(hours=5))) as rig:
        await rig.open(TRADES)
        await rig.advance(11 * 3600, step=600)
        assert len(rig.connector.connections) == 1


async def test_signed_out_means_signing_in_subscribing_and_catching_up():
    """The venue forgot us mid-connection: what was missed is fetched, on the same connection; public data go on."""
    async with Rig() as rig:
        stream = await rig.open(FILLS, TRADES)
        await read(stream)
        rig.reads.state["fetch_fills"] = [fill("f1", 1)]
        rig.connection.bring(SignedOut("token expired"))
        await settle()
        await rig.bring(TRADES, trade("t1"))
        events = await read(stream)
        assert states(events) == [LOST, RESYNCED]
        assert {event.channel for event in events if event not in data(events)} == {Channel.FILLS}
        assert data(events) == [fill("f1", 1), trade("t1")]
        assert rig.source.sign_ins == 2
        assert rig.connection.asked("subscribe").count("fills.all") == 2
        assert len(rig.connector.connections) == 1


async def test_being_signed_out_over_and_over_ends_the_connection():
    """A loop of sign-ins on one connection is broken by a new connection and its back-off."""
    async with Rig(settings=StreamSettings(sign_in_attempts=3)) as rig:
        stream = await rig.open(FILLS)
        for _ in range(4):
            rig.connection.bring(SignedOut("no"))
            await settle()
        assert rig.connection.closed is not None
        assert rig.source.sign_ins == 4
        await rig.back()
        assert stream.status is RESYNCED


async def test_a_token_that_ran_out_between_sign_in_and_subscribe_is_renewed_once():
    """The topic is refused for its credentials: one more sign-in, then it is final."""
    refusals = [AuthError("expired")]

    def respond(sent: Sent):
        if sent.what == "subscribe" and refusals:
            return [Refusal(sent.request_id, refusals.pop())]
        return acknowledge(sent)

    async with Rig() as rig:
        rig.respond = respond
        stream = await rig.open(FILLS)
        assert states(await read(stream)) == [LIVE]
        assert rig.source.sign_ins == 2
        refusals += [AuthError("not yours")] * 2
        other = await rig.open(ORDERS)
        assert states([await anext(other)]) == [REFUSED]
        with pytest.raises(StreamAuthError, match="not yours"):
            await anext(other)
        assert rig.source.sign_ins == 3


async def test_no_frame_signs_in_where_connecting_is_enough():
    """A plugin without a sign-in frame has its private topics subscribed to straight away."""
    async with Rig() as rig:
        rig.source.signs_in = False
        stream = await rig.open(FILLS)
        assert [sent.what for sent in rig.connection.sent] == ["subscribe"]
        assert states(await read(stream)) == [LIVE]


async def test_a_sign_in_that_is_not_answered_is_tried_again():
    """Silence is not a refusal."""
    silent = [True]
    async with Rig() as rig:
        rig.respond = lambda sent: None if sent.what == "sign_in" and silent else acknowledge(sent)
        stream = await rig.open(FILLS)
        await rig.advance(11, step=1)
        silent.clear()
        await rig.advance(15, step=0.5)
        events = await read(stream)
        assert "no answer to the sign-in" in events[0].reason
        assert states(events) == [LOST, LIVE]


# Cancellation


@pytest.mark.parametrize("turns", range(0, 60, 3))
async def test_closing_at_any_moment_leaves_nothing(turns: int):
    """Whatever await the engine stands at, closing ends all tasks and the socket; the rig checks both."""
    async with Rig() as rig:
        rig.reads.state = {"fetch_positions": [position("1")]}
        stream = rig.hub.open([BOOK, FILLS, POSITIONS, ORDERS])
        await stream.__aenter__()
        await settle(turns)
        if rig.connector.connections and turns % 2:
            rig.connection.drop()
            await settle(turns % 7)
        await (stream.close() if turns % 4 < 2 else rig.hub.close())


@pytest.mark.parametrize("turns", range(1, 13))
async def test_canceling_whoever_closes_leaves_nothing(turns: int):
    """A close that is itself canceled halfway leaves no socket behind once the hub is closed."""
    async with Rig() as rig:
        stream = await rig.open(BOOK, FILLS)
        await rig.bring(BOOK, snapshot(1))
        closing = asyncio.ensure_future(stream.close())
        await settle(turns)
        closing.cancel()
        await asyncio.gather(closing, return_exceptions=True)
        await settle()
        assert rig.connection.closed is not None


@pytest.mark.parametrize("turns", range(0, 40, 2))
async def test_canceling_the_consumers_task_leaves_nothing(turns: int):
    """A task that is canceled inside ``async with`` takes its stream, connection and tasks along."""
    async with Rig() as rig:

        async def consume() -> None:
            async with rig.hub.open([BOOK, FILLS]) as events:
                async for _ in events:
                    await asyncio.sleep(0)

        task = asyncio.ensure_future(consume())
        await settle(turns)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await settle()
        assert [each for each in rig.connector.connections if each.closed is None] == []
