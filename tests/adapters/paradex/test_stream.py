"""The words of the streams: what goes out, and what each incoming frame means."""

from __future__ import annotations

import json
import logging
from decimal import Decimal

import pytest

from perpkit.adapters.paradex.memory import Balances, OrderMemory
from perpkit.adapters.paradex.stream import ParadexStream
from perpkit.core.catalog import MarketCatalog
from perpkit.core.clock import SystemClock
from perpkit.core.errors import (
    AuthError,
    CapabilityError,
    CredentialsError,
    DecodeError,
    InvalidRequestError,
    RateLimitError,
)
from perpkit.core.models import (
    Balance,
    BookDelta,
    BookSnapshot,
    Channel,
    Fill,
    FundingPayment,
    FundingRate,
    Order,
    Position,
    Side,
    Subscription,
    Ticker,
    Trade,
)
from perpkit.core.streams.protocol import Ack, Closing, Data, Refusal, SignedOut
from perpkit.core.transport.redact import Redactor, Secret
from tests.adapters.paradex.conftest import NOW, make_market

MARKET = make_market()


class Token:
    """A source of one token."""

    async def token(self):
        return Secret("eyJ.fresh.token")


def make_stream(tokens=None):
    catalog = MarketCatalog("paradex", SystemClock())
    catalog.replace([MARKET, make_market("ETH-USD-PERP")])
    return ParadexStream(
        url="wss://ws.example/v1",
        markets=catalog,
        tokens=tokens,
        orders=OrderMemory(),
        balances=Balances(),
        redactor=Redactor(),
        book_interval="100ms",
    )


@pytest.fixture
def stream():
    return make_stream(Token())


def notification(channel, data, **extra):
    params = {"channel": channel, "data": data}
    return json.dumps({"jsonrpc": "2.0", "method": "subscription", "params": params, **extra}, separators=(",", ":"))


TRADE = {
    "id": "12345643",
    "market": "BTC-USD-PERP",
    "side": "BUY",
    "size": "0.01",
    "price": "30001.2",
    "created_at": 1681497002041,
    "trade_type": "FILL",
}
ORDER = {
    "account": "0x46",
    "avg_fill_price": "26000",
    "cancel_reason": "",
    "client_id": "x1234",
    "created_at": 1681493746016,
    "flags": ["REDUCE_ONLY"],
    "id": "123456",
    "instruction": "GTC",
    "last_updated_at": 1681493746016,
    "market": "BTC-USD-PERP",
    "price": "26000",
    "published_at": 1681493746016,
    "received_at": 1681493746016,
    "remaining_size": "0.03",
    "seq_no": 1681471234972000000,
    "side": "BUY",
    "size": "0.05",
    "status": "OPEN",
    "stp": "EXPIRE_MAKER",
    "timestamp": 1681493746016,
    "trigger_price": "0",
    "type": "LIMIT",
}
FILL = {
    "account": "0x97",
    "client_id": "x1234",
    "created_at": 1681375176910,
    "fee": "7.56",
    "fee_currency": "USDC",
    "fill_type": "FILL",
    "flags": [],
    "id": "8615262148007718462",
    "liquidity": "MAKER",
    "market": "BTC-USD-PERP",
    "order_id": "123456",
    "price": "30000.12",
    "realized_funding": "0",
    "realized_pnl": "0",
    "remaining_size": "0.5",
    "side": "SELL",
    "size": "0.5",
    "underlying_price": "7.56",
}
POSITION = {
    "market": "BTC-USD-PERP",
    "side": "LONG",
    "size": "0.5",
    "status": "OPEN",
    "average_entry_price": "29001.34",
    "seq_no": 7,
}
SUMMARY = {
    "symbol": "BTC-USD-PERP",
    "created_at": 1,
    "bid": "1",
    "ask": "2",
    "mark_price": "1.5",
    "funding_rate": "0.1",
}
FUNDING = {
    "market": "BTC-USD-PERP",
    "created_at": 1,
    "funding_rate": "0.0001",
    "funding_index": "5",
    "funding_period_hours": 8,
    "funding_rate_8h": "0.0001",
    "funding_premium": "1",
}
PAYMENT = {
    "id": "7",
    "market": "BTC-USD-PERP",
    "payment": "1.5",
    "created_at": 1,
    "index": "1",
    "fill_id": "",
    "account": "0x",
}
BOOK = {
    "market": "BTC-USD-PERP",
    "seq_no": 5,
    "last_updated_at": 1,
    "update_type": "s",
    "inserts": [{"side": "BUY", "price": "1", "size": "2"}],
    "updates": [],
    "deletes": [],
}
EVENT = {
    "type": "TRANSACTION_FILL",
    "created_at": 1,
    "settlement_asset_name": "USDC",
    "settlement_asset_balance_before": "10",
    "settlement_asset_balance_after": "9",
}
ACCOUNT = {
    "account": "0x49",
    "account_value": "12",
    "free_collateral": "8",
    "initial_margin_requirement": "1",
    "maintenance_margin_requirement": "1",
    "total_collateral": "9",
    "settlement_asset": "USDC",
    "updated_at": 2,
}


# Out


@pytest.mark.parametrize(
    ("channel", "market", "names"),
    [
        (Channel.BOOK, MARKET, ["order_book.BTC-USD-PERP.deltas@15@100ms"]),
        (Channel.TRADES, MARKET, ["trades.BTC-USD-PERP"]),
        (Channel.TICKER, MARKET, ["markets_summary.BTC-USD-PERP"]),
        (Channel.FUNDING, MARKET, ["funding_data.BTC-USD-PERP"]),
        (Channel.ORDERS, None, ["orders.ALL"]),
        (Channel.ORDERS, MARKET, ["orders.BTC-USD-PERP"]),
        (Channel.FILLS, None, ["fills.ALL"]),
        (Channel.POSITIONS, None, ["positions"]),
        (Channel.BALANCES, None, ["balance_events", "account"]),
        (Channel.FUNDING_PAYMENTS, None, ["funding_payments.ALL"]),
    ],
)
def test_every_channel_has_its_topics(stream, channel, market, names):
    """Private ones go over a connection that is signed in."""
    topics = stream.topics(Subscription(channel=channel, market=market))
    assert [topic.name for topic in topics] == names
    assert {topic.private for topic in topics} == {channel.is_private}
    assert {topic.connection for topic in topics} == {"private" if channel.is_private else "main"}


def test_market_data_needs_a_market_and_private_data_needs_credentials():
    """Each says what is missing."""
    with pytest.raises(CapabilityError, match="needs a market"):
        make_stream().topics(Subscription(channel=Channel.TRADES))
    with pytest.raises(CredentialsError, match="needs credentials"):
        make_stream().topics(Subscription(channel=Channel.ORDERS))


def test_frames_are_json_rpc(stream):
    """The very bytes of the contract's envelope."""
    topic = stream.topics(Subscription(channel=Channel.TRADES, market=MARKET))[0]
    assert stream.subscribe(topic, 3) == (
        '{"jsonrpc":"2.0","method":"subscribe","params":{"channel":"trades.BTC-USD-PERP"},"id":3}'
    )
    assert json.loads(stream.unsubscribe(topic, 4)) == {
        "jsonrpc": "2.0",
        "method": "unsubscribe",
        "params": {"channel": "trades.BTC-USD-PERP"},
        "id": 4,
    }


async def test_only_the_private_connection_signs_in(stream):
    """With a token that is fresh at that moment."""
    frame = await stream.sign_in("private", 1)
    assert json.loads(frame) == {
        "jsonrpc": "2.0",
        "method": "auth",
        "params": {"bearer": "eyJ.fresh.token"},
        "id": 1,
    }
    assert await stream.sign_in("main", 2) is None
    assert (await stream.endpoint("main")).url == "wss://ws.example/v1"


def test_silence_is_longer_than_the_venue_s_own_ping(stream):
    """The server pings every 55 s; a shorter bound would cut live connections."""
    assert stream.traits.silence_timeout.total_seconds() > 60


# In


@pytest.mark.parametrize(
    ("channel", "data", "kind"),
    [
        ("trades.BTC-USD-PERP", TRADE, Trade),
        ("order_book.BTC-USD-PERP.deltas@15@100ms", BOOK, BookSnapshot),
        ("order_book.BTC-USD-PERP.deltas@15@100ms", {**BOOK, "update_type": "d"}, BookDelta),
        ("markets_summary.BTC-USD-PERP", SUMMARY, Ticker),
        ("funding_data.BTC-USD-PERP", FUNDING, FundingRate),
        ("orders.ALL", ORDER, Order),
        ("fills.ALL", FILL, Fill),
        ("positions", POSITION, Position),
        ("balance_events", EVENT, Balance),
        ("funding_payments.ALL", PAYMENT, FundingPayment),
    ],
)
@pytest.mark.parametrize("form", ["text", "bytes", "spaced", "reordered", "numbers as text"])
def test_each_channel_s_frames_become_its_events(stream, channel, data, kind, form):
    """However the same JSON is written, the same events come out, under the subscribed name."""
    frame = notification(channel, data)
    expected = stream.decode(frame, NOW)
    assert [type(event) for event in expected[0].events] == [kind]
    assert expected[0].topic == channel
    if form == "bytes":
        frame = frame.encode()
    elif form == "spaced":
        frame = json.dumps(json.loads(frame), indent=1)
    elif form == "reordered":
        frame = json.dumps({"params": {"data": data, "channel": channel}, "method": "subscription", "usOut": 17})
    elif form == "numbers as text":
        texts = {key: str(value) if isinstance(value, int) else value for key, value in data.items()}
        frame = notification(channel, texts)
    assert make_stream(Token()).decode(frame, NOW) == expected


def test_a_frame_that_names_its_market_belongs_to_the_topic_for_all(stream):
    """orders.ALL may be told as orders.BTC-USD-PERP."""
    stream.topics(Subscription(channel=Channel.ORDERS))
    assert stream.decode(notification("orders.BTC-USD-PERP", ORDER), NOW)[0].topic == "orders.ALL"


def test_a_channel_that_is_asked_for_later_gets_its_own_frames():
    """Until then they were those of orders.ALL, and that was remembered."""
    stream = make_stream(Token())
    frame = notification("orders.BTC-USD-PERP", ORDER)
    stream.topics(Subscription(channel=Channel.ORDERS))
    for _ in range(2):
        assert stream.decode(frame, NOW)[0].topic == "orders.ALL"
    stream.topics(Subscription(channel=Channel.ORDERS, market=MARKET))
    for _ in range(2):
        assert stream.decode(frame, NOW)[0].topic == "orders.BTC-USD-PERP"


def test_an_order_seen_on_the_stream_tells_the_side_of_its_fills(stream):
    """The order is a BUY, so its fill as maker is one too, whatever the taker's side says."""
    contradictory = {**FILL, "side": "BUY"}
    assert stream.decode(notification("fills.ALL", contradictory), NOW)[0].events[0].side is Side.SELL
    stream.decode(notification("orders.ALL", ORDER), NOW)
    assert stream.decode(notification("fills.ALL", contradictory), NOW)[0].events[0].side is Side.BUY


def test_the_two_halves_of_a_balance_are_joined(stream):
    """The total from its event, what is free from the account; nothing is told before the total is known."""
    assert stream.decode(notification("account", ACCOUNT), NOW) == ()
    first = stream.decode(notification("balance_events", EVENT), NOW)[0].events[0]
    assert (first.asset, first.total, first.available) == ("USDC", 9, 8)
    second = stream.decode(notification("account", {**ACCOUNT, "free_collateral": "7.5"}), NOW)[0].events[0]
    assert (second.total, second.available) == (9, Decimal("7.5"))


def test_a_closed_position_is_told_once_with_size_zero(stream):
    """The flat one is an event, not an omission."""
    frame = notification("positions", {**POSITION, "status": "CLOSED", "size": "0"})
    assert stream.decode(frame, NOW)[0].events[0].size == 0


def test_what_is_no_perpetual_is_left_out(stream, caplog):
    """Options share the account's channels; a perpetual that isn't held is caught up with by REST, once."""
    with caplog.at_level(logging.WARNING):
        assert stream.decode(notification("orders.ALL", {**ORDER, "market": "BTC-USD-100000-C"}), NOW) == ()
        assert not caplog.records
        frame = notification("orders.ALL", {**ORDER, "market": "NEW-USD-PERP"})
        (again,) = stream.decode(frame, NOW)
        assert isinstance(again, Closing)
        assert stream.decode(frame, NOW) == ()
    assert len(caplog.records) == 1


def test_an_answer_is_an_ack_of_its_request(stream):
    """With the channel where the venue names it; timing fields are ignored."""
    frame = '{"jsonrpc":"2.0","result":{"channel":"trades.BTC-USD-PERP"},"usIn":1,"usOut":2,"usDiff":1,"id":3}'
    assert stream.decode(frame, NOW) == (Ack(3, "trades.BTC-USD-PERP"),)
    assert stream.decode('{"jsonrpc":"2.0","result":{"node_id":"x"},"id":1}', NOW) == (Ack(1, None),)
    assert stream.decode('{"jsonrpc":"2.0","result":null,"id":2}', NOW) == (Ack(2, None),)


@pytest.mark.parametrize(
    ("code", "message", "error", "already"),
    [
        (40111, "Invalid bearer token", AuthError, False),
        (40110, "Malformed bearer token", AuthError, False),
        (42901, "Rate limit exceeded", RateLimitError, False),
        (-32602, "Invalid channel", InvalidRequestError, False),
        (-32602, "Already subscribed to trades.X", InvalidRequestError, True),
    ],
)
def test_a_refusal_is_typed(stream, code, message, error, already):
    """Being subscribed already is as good as an ack."""
    frame = json.dumps({"jsonrpc": "2.0", "error": {"code": code, "message": message}, "id": 5})
    (refusal,) = stream.decode(frame, NOW)
    assert isinstance(refusal, Refusal)
    assert (type(refusal.error), refusal.request_id, refusal.already) == (error, 5, already)


def test_a_lost_session_without_a_request_is_signed_out(stream):
    """The venue speaks up by itself when the token of a connection is no longer good."""
    frame = '{"jsonrpc":"2.0","error":{"code":40111,"message":"Invalid bearer token"}}'
    assert stream.decode(frame, NOW) == (SignedOut("Invalid bearer token"),)


@pytest.mark.parametrize(
    "frame",
    [
        '{"jsonrpc":"2.0","method":"subscription","params":{"channel":"tradebusts","data":{}}}',
        '{"jsonrpc":"2.0","method":"heartbeat"}',
        "{}",
    ],
)
def test_frames_of_no_interest_are_ignored(stream, frame):
    """Unknown channels and methods are no errors."""
    assert stream.decode(frame, NOW) == ()


@pytest.mark.parametrize(
    "frame",
    [
        "not json",
        "[1,2]",
        b"\x00\x01\xff",
        notification("trades.BTC-USD-PERP", {"id": "1"}),
        notification("orders.ALL", {**ORDER, "status": "HALF"}),
        notification("orders.ALL", {**ORDER, "size": "NaN"}),
        notification("positions", {**POSITION, "size": "Infinity"}),
        notification("trades.BTC-USD-PERP", {**TRADE, "price": "nan"}),
        notification("funding_data.BTC-USD-PERP", {**FUNDING, "funding_period_hours": "NaN"}),
        notification("account", {**ACCOUNT, "free_collateral": "inf"}),
    ],
)
def test_a_frame_that_can_t_be_read_is_an_error(stream, frame):
    """The core counts them; none becomes an event with a hole."""
    with pytest.raises(DecodeError):
        stream.decode(frame, NOW)


def test_decoding_is_the_same_with_and_without_the_fast_way(stream):
    """A frame that the fast way refuses, for an unexpected field type, is read the slow way to the same."""
    odd = notification("trades.BTC-USD-PERP", {**TRADE, "trade_type": None})
    slow = stream.decode(odd, NOW)[0].events
    assert slow == stream.decode(notification("trades.BTC-USD-PERP", TRADE), NOW)[0].events


def test_data_is_told_as_it_is_and_never_as_a_whole(stream):
    """Frames of positions are single changes: what is not among them is not gone."""
    (data,) = stream.decode(notification("positions", POSITION), NOW)
    assert isinstance(data, Data)
    assert not data.snapshot
    assert not data.backlog
