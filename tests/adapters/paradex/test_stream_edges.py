"""Where reading a frame turns: the fast way and the slow way, odd frames, unknown markets, and each event's fields."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from perpkit.adapters.paradex import stream as stream_module
from perpkit.adapters.paradex.memory import Balances, OrderMemory
from perpkit.adapters.paradex.stream import ParadexStream
from perpkit.core.catalog import MarketCatalog
from perpkit.core.clock import SystemClock
from perpkit.core.errors import CapabilityError, CredentialsError, DecodeError, RateLimitError
from perpkit.core.models import Channel, FundingKind, Side, Subscription
from perpkit.core.streams.protocol import Ack, Closing, Refusal, SignedOut
from perpkit.core.transport.redact import Redactor, Secret
from tests.adapters.paradex.conftest import NOW
from tests.adapters.paradex.test_stream import (
    ACCOUNT,
    BOOK,
    EVENT,
    FILL,
    FUNDING,
    MARKET,
    ORDER,
    PAYMENT,
    POSITION,
    SUMMARY,
    TRADE,
    Token,
    make_stream,
    notification,
)

BOOK_CHANNEL = "order_book.BTC-USD-PERP.deltas@15@100ms"
FRAMES = [
    ("trades.BTC-USD-PERP", TRADE),
    (BOOK_CHANNEL, BOOK),
    (BOOK_CHANNEL, {**BOOK, "update_type": "d"}),
    ("markets_summary.BTC-USD-PERP", SUMMARY),
    ("funding_data.BTC-USD-PERP", FUNDING),
    ("orders.ALL", ORDER),
    ("fills.ALL", FILL),
    ("positions", POSITION),
    ("balance_events", EVENT),
    ("funding_payments.ALL", PAYMENT),
]
MARKET_FRAMES = [frame for frame in FRAMES if frame[0] != "balance_events"]
SECRET = "s3cr3t-bearer-of-the-session"


@pytest.fixture
def stream():
    return make_stream(Token())


def subscribed():
    """A stream that every channel was asked of, BTC-USD-PERP's and everybody's."""
    made = make_stream(Token())
    for channel in Channel:
        made.topics(Subscription(channel=channel, market=None if channel.is_private else MARKET))
    return made


@pytest.fixture
def fast(monkeypatch):
    """Whatever is read the slow way fails."""

    def slow(*_args, **named):
        raise AssertionError(f"{named.get('what')} was read the slow way")

    monkeypatch.setattr(stream_module.wire, "read", slow)


def event(stream, channel, data, **changes):
    ((told),) = stream.decode(notification(channel, {**data, **changes}), NOW)
    [one] = told.events
    return one


# The fast way


@pytest.mark.parametrize(("channel", "data"), FRAMES)
@pytest.mark.parametrize("make", [make_stream, subscribed], ids=["not subscribed", "subscribed"])
def test_a_plain_frame_is_read_once(fast, make, channel, data):
    """As the venue writes it, text or bytes, the first and the next."""
    stream = make()
    frame = notification(channel, data)
    for each in (frame, frame.encode(), frame):
        [told] = stream.decode(each, NOW)
        assert (told.topic, len(told.events)) == (channel, 1)


def test_the_account_s_frame_is_read_once(fast, stream):
    """Its "maintenance" margin holds no number that is none; nothing is told before the total is known."""
    assert stream.decode(notification("account", ACCOUNT), NOW) == ()


def test_a_name_that_holds_nan_is_read_once_on_a_busy_channel(fast, stream):
    """Only numbers are looked at there; elsewhere the word costs a second look."""
    assert event(stream, "orders.ALL", ORDER, client_id="nancy").client_order_id == "nancy"
    with pytest.raises(AssertionError, match="slow way"):
        stream.decode(notification("positions", {**POSITION, "side": "nan"}), NOW)


def test_the_channel_is_the_first_one_named(fast, stream):
    """A payload may have a field of that name too."""
    [told] = stream.decode(notification("trades.BTC-USD-PERP", {**TRADE, "channel": "orders.ALL"}), NOW)
    assert told.topic == "trades.BTC-USD-PERP"


def test_a_payload_before_its_channel_does_not_lend_its_name(stream):
    """Where the name found by looking isn't the frame's, the frame is read again."""
    data = {"channel": "trades.ETH-USD-PERP", **TRADE}
    frame = json.dumps({"params": {"data": data, "channel": "trades.BTC-USD-PERP"}, "method": "subscription"})
    [told] = stream.decode(frame.replace(": ", ":"), NOW)
    assert (told.topic, told.events[0].market_id) == ("trades.BTC-USD-PERP", "BTC-USD-PERP@paradex")


def test_a_frame_nested_without_end_is_an_error_and_not_a_crash(stream):
    """A hundred thousand brackets in a field of no interest."""
    deep = "[" * 100_000 + "]" * 100_000
    frame = notification("trades.BTC-USD-PERP", {**TRADE, "flags": "@"}).replace('"@"', deep)
    with pytest.raises(DecodeError):
        stream.decode(frame, NOW)


def test_a_name_is_remembered_only_once_it_is_subscribed_to():
    """Before orders.ALL is asked for, a market's frame is under its own name; then under the one for all."""
    stream = make_stream(Token())
    frame = notification("orders.BTC-USD-PERP", ORDER)
    assert stream.decode(frame, NOW)[0].topic == "orders.BTC-USD-PERP"
    stream.topics(Subscription(channel=Channel.ORDERS))
    assert stream.decode(frame, NOW)[0].topic == "orders.ALL"
    stream.topics(Subscription(channel=Channel.ORDERS, market=MARKET))
    assert stream.decode(frame, NOW)[0].topic == "orders.BTC-USD-PERP"


def test_a_market_with_a_dot_belongs_to_the_topic_for_all(stream):
    """The family ends at the first dot."""
    stream.topics(Subscription(channel=Channel.ORDERS))
    assert stream.decode(notification("orders.A.B-USD-PERP", ORDER), NOW)[0].topic == "orders.ALL"


# Odd frames


@pytest.mark.parametrize(
    "frame",
    [
        '{"jsonrpc": "2.0", "method": "subscription"}',
        '{"jsonrpc": "2.0", "method": "heartbeat", "params": {"at": 1}}',
        '{"jsonrpc": "2.0", "params": {"at": 1}}',
        '{"jsonrpc": "2.0", "method": "subscription", "params": {"channel": "tradebusts", "data": {"id": 1}}}',
    ],
)
def test_a_frame_that_is_no_data_of_ours_is_nothing(stream, frame):
    """Neither an error nor an event."""
    assert stream.decode(frame, NOW) == ()


@pytest.mark.parametrize(
    "frame",
    [
        '{"id": 1, "result": {"channel": {"is": "' + SECRET + '"}}}',
        '{"method": "subscription", "params": {"channel": {"is": "' + SECRET + '"}, "data": {}}}',
        '{"method": "subscription", "params": {"channel": "positions", "data": {"is": "' + SECRET + '"}}}',
        '{"id": {"is": "' + SECRET + '"}}',
    ],
)
def test_a_frame_that_can_t_be_read_shows_no_secret(frame):
    """Nor its text, nor the excerpt that goes with the error."""
    redactor = Redactor()
    redactor.rotate("paradex session", Secret(SECRET))
    catalog = MarketCatalog("paradex", SystemClock())
    catalog.replace([MARKET])
    stream = ParadexStream(
        url="wss://ws.example/v1",
        markets=catalog,
        tokens=None,
        orders=OrderMemory(),
        balances=Balances(),
        redactor=redactor,
        book_interval="100ms",
    )
    with pytest.raises(DecodeError) as caught:
        stream.decode(frame, NOW)
    assert SECRET not in f"{caught.value} {caught.value.message} {caught.value.payload}"
    assert caught.value.venue == "paradex"


@pytest.mark.parametrize(
    ("frame", "what"),
    [
        ('{"id": 1, "result": {"channel": {}}}', "an answer"),
        ('{"method": "subscription", "params": {"channel": {}, "data": {}}}', "a notification"),
        ('{"method": "subscription", "params": {"channel": "positions", "data": {}}}', "channel positions"),
        ("{", "a frame"),
    ],
)
def test_a_frame_that_can_t_be_read_says_which_part(stream, frame, what):
    """An answer, a notification, or the channel's payload."""
    with pytest.raises(DecodeError) as caught:
        stream.decode(frame, NOW)
    assert caught.value.message.startswith(f"{what} can't be read: ")


def test_bytes_that_are_no_text_are_an_error_of_the_venue(stream):
    """The venue has a binary feed too, which nobody asked for."""
    with pytest.raises(DecodeError, match="a binary frame that is no text") as caught:
        stream.decode(b"\xff\xfe", NOW)
    assert caught.value.venue == "paradex"


def test_an_error_without_a_request_is_signed_out_only_where_it_is_about_the_session(stream):
    """Anything else is told as a refusal of nothing in particular."""
    [refusal] = stream.decode('{"error":{"code":42901,"message":"Rate limit exceeded"}}', NOW)
    assert isinstance(refusal, Refusal)
    assert (type(refusal.error), refusal.request_id, refusal.already) == (RateLimitError, None, False)
    assert stream.decode('{"error":{"code":40110,"message":"Malformed"}}', NOW) == (SignedOut("Malformed"),)


def test_an_answer_without_an_object_is_an_ack(stream):
    """Its request is what counts; id 0 is one too."""
    assert stream.decode('{"id":0,"result":"ok"}', NOW) == (Ack(0, None),)
    assert stream.decode('{"id":5}', NOW) == (Ack(5, None),)


# Unknown markets


@pytest.mark.parametrize(("channel", "data"), MARKET_FRAMES)
def test_what_is_no_perpetual_is_left_out_on_every_channel(stream, caplog, channel, data):
    """Options share the channels; nothing is logged of them, and the next frame is read as ever."""
    name = "symbol" if "symbol" in data else "market"
    assert stream.decode(notification(channel, {**data, name: "BTC-USD-100000-C"}), NOW) == ()
    assert len(stream.decode(notification(channel, data), NOW)[0].events) == 1
    assert not caplog.records


@pytest.mark.parametrize(("channel", "data"), MARKET_FRAMES)
def test_a_perpetual_that_is_not_held_is_caught_up_with_on_every_channel(stream, caplog, channel, data):
    """Once for each, by closing; the log names it."""
    name = "symbol" if "symbol" in data else "market"
    with caplog.at_level(logging.WARNING):
        for symbol in ("NEW-USD-PERP", "NEWER-USD-PERP"):
            frame = notification(channel, {**data, name: symbol})
            [closing] = stream.decode(frame, NOW)
            assert isinstance(closing, Closing)
            assert symbol in closing.reason
            assert stream.decode(frame, NOW) == ()
    assert [record.getMessage() for record in caplog.records] == [
        f"paradex streams {symbol}, which is not among the markets held; catching up by REST"
        for symbol in ("NEW-USD-PERP", "NEWER-USD-PERP")
    ]


def test_a_market_that_is_held_is_never_caught_up_with(stream, caplog):
    """A frame of it without events, as one without a rate, is nothing."""
    assert stream.decode(notification("trades.BTC-USD-PERP", TRADE), NOW)[0].events
    blank = {**FUNDING, "funding_rate": ""}
    assert stream.decode(notification("funding_data.BTC-USD-PERP", blank), NOW) == ()
    assert not caplog.records


# Events


def test_an_order_of_the_stream_has_the_number_that_orders_its_updates(stream):
    """And its side and type are remembered for its fills and amendments."""
    assert event(stream, "orders.ALL", ORDER, type="STOP_LOSS_LIMIT").sequence == 1681471234972000000
    assert stream._orders.side("123456") is Side.BUY
    assert stream._orders.type("123456") == "STOP_LOSS_LIMIT"


def test_a_rate_of_the_stream_is_the_running_one(stream):
    """From the channel of that name."""
    rate = event(stream, "funding_data.BTC-USD-PERP", FUNDING)
    assert (rate.kind, rate.source) == (FundingKind.CURRENT, "funding_data")


def test_a_balance_has_the_moment_of_its_own_frame(stream):
    """Each half tells when it changed; the venue's time and ours are kept apart."""
    at = 1_700_000_000_123
    moment = datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=UTC)
    first = event(stream, "balance_events", EVENT, created_at=at)
    assert (first.total, first.available, first.ts_venue, first.ts_received) == (9, None, moment, NOW)
    second = event(stream, "account", ACCOUNT, updated_at=at + 1000)
    assert (second.total, second.available) == (9, 8)
    assert (second.ts_venue, second.ts_received) == (moment + timedelta(seconds=1), NOW)
    assert event(stream, "account", ACCOUNT, updated_at=0).ts_venue is None
    assert event(stream, "account", ACCOUNT, free_collateral="-1.5").available == Decimal("-1.5")


# Words that go out


def test_market_data_needs_no_credentials():
    """Without them its topics are there, and only private ones are refused."""
    bare = make_stream()
    [topic] = bare.topics(Subscription(channel=Channel.TRADES, market=MARKET))
    assert (topic.name, topic.private, topic.connection) == ("trades.BTC-USD-PERP", False, "main")
    with pytest.raises(CredentialsError, match="channel fills needs credentials") as caught:
        bare.topics(Subscription(channel=Channel.FILLS))
    assert (caught.value.venue, caught.value.operation) == ("paradex", "open_stream")


def test_market_data_without_a_market_is_no_capability(stream):
    """The error says of which venue and call."""
    with pytest.raises(CapabilityError, match="channel book needs a market") as caught:
        stream.topics(Subscription(channel=Channel.BOOK))
    assert (caught.value.venue, caught.value.operation) == ("paradex", "open_stream")


@pytest.mark.parametrize(
    ("channel", "name"),
    [
        (Channel.ORDERS, "orders.BTC-USD-PERP"),
        (Channel.FILLS, "fills.BTC-USD-PERP"),
        (Channel.FUNDING_PAYMENTS, "funding_payments.BTC-USD-PERP"),
        (Channel.POSITIONS, "positions"),
    ],
)
def test_private_channels_of_one_market_are_named_after_it(stream, channel, name):
    """Positions have no channel of their own for a market."""
    assert [topic.name for topic in stream.topics(Subscription(channel=channel, market=MARKET))] == [name]


async def test_without_tokens_nothing_signs_in():
    """Not even the private connection."""
    assert await make_stream().sign_in("private", 1) is None


def test_sockets_behave_as_the_venue_documents(stream):
    """Its ping comes every 55 s and may be late by 20; twenty new connections a second are allowed."""
    traits = stream.traits
    assert (traits.silence_timeout, traits.ping_interval) == (timedelta(seconds=75), timedelta(seconds=20))
    assert (traits.max_connects, traits.connects_per) == (20, timedelta(seconds=1))
    assert traits.book_resync == "resubscribe"
    assert stream.keepalive() is None
