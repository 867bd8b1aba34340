"""The words of the streams: what goes out, and what each incoming frame means."""

from __future__ import annotations

import json
import logging
import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from perpkit.adapters.lighter import endpoints
from perpkit.adapters.lighter.client_ids import ClientIds
from perpkit.adapters.lighter.config import LighterSettings
from perpkit.adapters.lighter.order_ids import client_index
from perpkit.adapters.lighter.stream import PRIVATE_CONNECTION, PUBLIC_CONNECTION, LighterStream
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
    FundingKind,
    FundingRate,
    Order,
    OrderStatus,
    Position,
    Subscription,
    Ticker,
    Trade,
)
from perpkit.core.streams.protocol import Ack, Closing, Data, Refusal, Reply, Topic
from perpkit.core.transport.redact import Redactor, Secret
from tests.adapters.lighter.conftest import EXAMPLES, NOW, make_listings, make_market

D = Decimal
ETH = make_market()
FRAMES = EXAMPLES["stream"]
ACCOUNT = 12345


class Tokens:
    """A source of tokens that can be told apart."""

    def __init__(self):
        self.made = 0
        self.asked = []
        self.dropped = []

    async def token(self, lasting=timedelta(0)):
        self.asked.append(lasting)
        self.made += 1
        return Secret(f"1800000000:12345:4:{self.made:0160x}")

    def drop(self, token):
        self.dropped.append(token)


class Account:
    """What the stream needs of a session."""

    def __init__(self, tokens):
        self.tokens = tokens
        self.settings = LighterSettings.load(None, {})
        self.client_ids = ClientIds()

    async def account_index(self):
        return ACCOUNT


class Refused:
    """Turns a refused transaction into an order that bears its hash."""

    def refused_order(self, row, market=None):
        return row.hash if row.status == 0 else None


@pytest.fixture
def tokens():
    return Tokens()


@pytest.fixture
def stream(tokens):
    return make_stream(tokens)


def make_stream(tokens, account=None):
    return LighterStream(
        url="wss://stream.example/stream",
        listings=make_listings(),
        session=account or Account(tokens),
        orders=Refused(),
        redactor=Redactor(),
    )


def text(frame):
    return json.dumps(frame, separators=(",", ":"))


def decoded(stream, frame):
    return list(stream.decode(text(frame), NOW))


def events(stream, frame):
    (data,) = decoded(stream, frame)
    assert isinstance(data, Data)
    return list(data.events)


async def subscribed(stream, channel, market=None):
    """Subscribe as the core does, and return the topics and the frames sent."""
    topics = stream.topics(Subscription(channel=channel, market=market))
    if topics[0].private:
        await stream.sign_in(PRIVATE_CONNECTION, 1)
    return topics, [json.loads(stream.subscribe(topic, number)) for number, topic in enumerate(topics)]


# What goes out


@pytest.mark.parametrize(
    ("channel", "channels"),
    [
        (Channel.BOOK, ["order_book/0"]),
        (Channel.TRADES, ["trade/0"]),
        (Channel.TICKER, ["market_stats/0", "ticker/0"]),
        (Channel.FUNDING, ["market_stats/0"]),
    ],
)
async def test_market_data_is_asked_for_by_the_markets_number(stream, channel, channels):
    """With a slash on the way out; market 0 is a market; no token goes with it."""
    topics, frames = await subscribed(stream, channel, ETH)
    assert frames == [{"type": "subscribe", "channel": name} for name in channels]
    assert [topic.name for topic in topics] == [name.replace("/", ":") for name in channels]
    assert {topic.connection for topic in topics} == {PUBLIC_CONNECTION}


@pytest.mark.parametrize(
    ("channel", "channels"),
    [
        (Channel.ORDERS, ["account_all_orders/12345", "account_tx/12345"]),
        (Channel.FILLS, ["account_all_trades/12345"]),
        (Channel.POSITIONS, ["account_all_positions/12345"]),
        (Channel.BALANCES, ["user_stats/12345"]),
    ],
)
async def test_account_channels_carry_a_token_each(stream, channel, channels):
    """There is no sign-in; the token is in each subscription, on a connection of their own."""
    topics, frames = await subscribed(stream, channel)
    token = f"1800000000:12345:4:{1:0160x}"
    assert frames == [{"type": "subscribe", "channel": name, "auth": token} for name in channels]
    assert {(topic.private, topic.connection) for topic in topics} == {(True, PRIVATE_CONNECTION)}


async def test_a_new_connection_gets_a_token_that_outlives_it(stream, tokens):
    """The core makes it again before that; market data need none."""
    assert await stream.sign_in(PRIVATE_CONNECTION, 1) is None
    assert await stream.sign_in(PUBLIC_CONNECTION, 1) is None
    assert tokens.asked == [endpoints.STREAM_LIFE + endpoints.TOKEN_RENEWED_BEFORE]
    assert stream.traits.renew_after == endpoints.STREAM_LIFE < endpoints.TOKEN_LIFE


def test_the_socket_is_kept_alive_well_within_two_minutes(stream):
    """The server counts the frames that it gets, not those that it sends."""
    assert json.loads(stream.keepalive()) == {"type": "ping"}
    assert stream.traits.keepalive_interval * 2 < endpoints.WS_IDLE_LIMIT
    assert stream.traits.max_topics_per_connection <= 100


def test_leaving_needs_no_token(stream):
    """``unsubscribe`` and the channel."""
    frame = stream.unsubscribe(Topic("order_book:0"), 7)
    assert json.loads(frame) == {"type": "unsubscribe", "channel": "order_book/0"}


PAYMENT = EXAMPLES["rest"]["PositionFundings"]["position_fundings"][0]


@pytest.mark.parametrize("histories", [{"0": [PAYMENT]}, {"0": PAYMENT}, {"0": [PAYMENT], "7": None}])
@pytest.mark.parametrize(("kind", "backlog"), [("subscribed", True), ("update", False)])
def test_funding_payments_come_with_all_of_the_account(stream, histories, kind, backlog):
    """1.5 ETH long paid 0.072 USDC at 0.0012 % for the hour; the first frame tells of what was paid before."""
    (topic,) = stream.topics(Subscription(channel=Channel.FUNDING_PAYMENTS))
    frame = {
        "channel": f"account_all:{ACCOUNT}",
        "type": f"{kind}/account_all",
        "account": ACCOUNT,
        "funding_histories": histories,
    }
    (data,) = stream.decode(json.dumps(frame), NOW)
    (payment,) = data.events
    assert (data.topic, data.backlog) == (topic.name, backlog)
    assert (payment.payment_id, payment.amount, payment.size) == ("0:8812345", D("-0.072"), D("1.5"))
    assert payment.rate * D(4000) * payment.size == -payment.amount
    assert payment.ts_venue == datetime(2027, 1, 3, 18, tzinfo=UTC)


def test_a_market_is_needed_where_a_channel_is_of_one(stream):
    """A book of nothing can't be asked for."""
    with pytest.raises(CapabilityError, match="needs a market"):
        stream.topics(Subscription(channel=Channel.BOOK))


def test_account_channels_need_credentials():
    """Before anything is connected."""
    with pytest.raises(CredentialsError, match="api_private_key"):
        make_stream(None).topics(Subscription(channel=Channel.ORDERS))


# What comes in


def test_a_book_begins_with_a_snapshot_and_goes_on_by_nonces(stream):
    """The offset counts at one server and is not looked at."""
    (snapshot,) = events(stream, FRAMES["subscribed/order_book"])
    (delta,) = events(stream, {**FRAMES["update/order_book"], "offset": 5})
    assert isinstance(snapshot, BookSnapshot)
    assert isinstance(delta, BookDelta)
    assert delta.previous_sequence == snapshot.sequence


def test_an_empty_book_is_a_book(stream):
    """Nonce 0, no time, both lists empty or null."""
    book = {"code": 0, "asks": None, "bids": [], "offset": 0, "nonce": 0, "begin_nonce": 0}
    (snapshot,) = events(stream, {"channel": "order_book:0", "order_book": book, "type": "subscribed/order_book"})
    assert (snapshot.bids, snapshot.asks, snapshot.sequence, snapshot.ts_venue) == ((), (), 0, None)


def test_the_first_frame_of_trades_is_history(stream):
    """It repeats what was there before; later frames are news."""
    first, then = {**FRAMES["update/trade"], "type": "subscribed/trade"}, FRAMES["update/trade"]
    assert [data.backlog for frame in (first, then) for data in decoded(stream, frame)] == [True, False]


def test_liquidation_prints_are_trades_of_their_kind(stream):
    """They come in a list of their own, which may be null."""
    row = {**FRAMES["update/trade"]["trades"][0], "trade_id": 5, "type": "liquidation"}
    found = events(stream, {**FRAMES["update/trade"], "liquidation_trades": [row]})
    assert [(each.trade_id, each.kind) for each in found] == [("5", "liquidation"), ("19211490282", "trade")]
    assert all(isinstance(each, Trade) for each in found)
    assert len(events(stream, {**FRAMES["update/trade"], "liquidation_trades": None})) == 1


def test_prices_are_put_together_from_two_channels(stream):
    """Quotes from one, mark, index and last from the other; neither forgets what the other said."""
    (quotes,) = events(stream, FRAMES["update/ticker"])
    ticker, _ = events(stream, FRAMES["update/market_stats"])
    assert (quotes.bid_price, quotes.ask_price, quotes.mark_price) == (D("3999.90"), D("4050.00"), None)
    assert isinstance(ticker, Ticker)
    assert (ticker.bid_price, ticker.mark_price, ticker.last_price) == (D("3999.90"), D(4000), D("4000.12"))
    assert ticker.open_interest is None


def test_an_empty_side_has_no_quote(stream):
    """Blank, not zero."""
    frame = {**FRAMES["update/ticker"], "ticker": {"s": "ETH", "a": {"price": "", "size": ""}, "b": None}}
    (ticker,) = events(stream, frame)
    assert (ticker.bid_price, ticker.ask_price) == (None, None)


def test_the_running_rate_is_not_the_settled_one(stream):
    """0.0011 % is this hour's estimate, 0.0012 % what the last hour paid."""
    _, rate = events(stream, FRAMES["update/market_stats"])
    assert isinstance(rate, FundingRate)
    assert (rate.value, rate.kind) == (D("0.000011"), FundingKind.PREDICTED)
    assert rate.next_at == datetime(2027, 1, 3, 19, tzinfo=UTC)


async def test_orders_come_by_market_and_each_row_is_a_change(stream):
    """A row with its final state is the last that is heard of it."""
    await subscribed(stream, Channel.ORDERS)
    frame = FRAMES["update/account_all_orders"]
    row = frame["orders"]["0"][0]
    rows = {
        "0": [row, {**row, "order_index": 2**48 + 5, "status": "canceled-post-only", "filled_base_amount": "0"}],
        "1": None,
    }
    found = events(stream, {**frame, "orders": rows})
    assert all(isinstance(each, Order) for each in found)
    assert [each.status for each in found] == [OrderStatus.PARTIALLY_FILLED, OrderStatus.REJECTED]
    (data,) = decoded(stream, frame)
    assert (data.topic, data.snapshot) == ("account_all_orders", False)


async def test_fills_are_ours_by_the_accounts_number(stream):
    """A map by market, or a flat list at the start."""
    await subscribed(stream, Channel.FILLS)
    row = EXAMPLES["rest"]["Trades"]["trades"][0]
    for trades in ({"0": [row]}, [row]):
        frame = {"channel": "account_all_trades:12345", "type": "update/account_all_trades", "trades": trades}
        (fill,) = events(stream, frame)
        assert isinstance(fill, Fill)
        assert (fill.side, fill.fee) == ("sell", D("0.00648"))


async def test_orders_and_fills_bear_the_text_that_their_number_stands_for(tokens):
    """Frames hold the number alone; a number of which no text is known is shown as it is."""
    account = Account(tokens)
    await account.client_ids.claim(["hb-1"])
    stream = make_stream(tokens, account)
    await subscribed(stream, Channel.ORDERS)
    await subscribed(stream, Channel.FILLS)
    frame, trade = FRAMES["update/account_all_orders"], EXAMPLES["rest"]["Trades"]["trades"][0]
    for number, text in ((client_index("hb-1"), "hb-1"), (client_index("hb-2"), str(client_index("hb-2")))):
        row = {**frame["orders"]["0"][0], "client_order_index": number, "client_order_id": str(number)}
        (order,) = events(stream, {**frame, "orders": {"0": [row]}})
        trades = {"0": [{**trade, "ask_client_id": number}]}
        (fill,) = events(stream, {"channel": "account_all_trades:12345", "type": "update/x", "trades": trades})
        assert (order.client_order_id, fill.client_order_id) == (text, text)


async def test_positions_are_merged_and_absence_closes_none(stream):
    """A closed one comes with size 0; what a frame leaves out is as it was."""
    await subscribed(stream, Channel.POSITIONS)
    frame = FRAMES["update/account_all_positions"]
    (data,) = decoded(stream, frame)
    assert (data.snapshot, data.events[0].size) == (False, D("1.46"))
    closed = {"0": {**frame["positions"]["0"], "position": "0.0000", "sign": -1}}
    (position,) = events(stream, {**frame, "positions": closed})
    assert isinstance(position, Position)
    assert position.size == 0
    first = {**frame, "type": "subscribed/account_all_positions"}
    assert [data.snapshot for data in decoded(stream, first)] == [False]


@pytest.mark.parametrize("channel", [Channel.ORDERS, Channel.POSITIONS, Channel.FILLS])
async def test_what_a_later_release_puts_beside_the_markets_is_left_alone(stream, channel):
    """In a map by market, keys are numbers; another one ends no stream."""
    await subscribed(stream, channel)
    row = EXAMPLES["rest"]["Trades"]["trades"][0]
    frame = {
        Channel.ORDERS: FRAMES["update/account_all_orders"],
        Channel.POSITIONS: FRAMES["update/account_all_positions"],
        Channel.FILLS: {
            "channel": "account_all_trades:12345",
            "type": "update/account_all_trades",
            "trades": {"0": [row]},
        },
    }[channel]
    name = {Channel.ORDERS: "orders", Channel.POSITIONS: "positions", Channel.FILLS: "trades"}[channel]
    assert len(events(stream, {**frame, name: {**frame[name], "fresh": {"a": [1]}, "0x": "text"}})) == 1


async def test_the_balance_is_the_collateral(stream):
    """Of ``user_stats``; unrealized PnL is in the portfolio value, not in it."""
    await subscribed(stream, Channel.BALANCES)
    (balance,) = events(stream, FRAMES["update/user_stats"])
    assert isinstance(balance, Balance)
    assert (balance.asset, balance.total, balance.available) == ("USDC", D(1000), D(850))


async def test_transactions_that_failed_are_orders_refused(stream):
    """No row of such an order exists; only this channel tells of it."""
    await subscribed(stream, Channel.ORDERS)
    txs = [{"hash": "aa", "type": 14, "status": 0}, {"hash": "bb", "type": 14, "status": 2}]
    found = events(stream, {"channel": "account_tx:12345", "type": "update/account_tx", "txs": txs})
    assert found == ["aa"]


async def test_a_first_frame_without_events_confirms_the_subscription(stream):
    """An account without orders: null, or an empty map."""
    await subscribed(stream, Channel.ORDERS)
    frame = {"channel": "account_all_orders:12345", "type": "subscribed/account_all_orders", "orders": {}}
    assert decoded(stream, frame) == [Ack(None, "account_all_orders")]
    assert decoded(stream, {**frame, "type": "update/account_all_orders", "orders": None}) == []


def test_leaving_is_acknowledged_by_the_channels_name(stream):
    """Of whatever family: it must not be taken for an empty update."""
    for channel, topic in (("order_book:0", "order_book:0"), ("account_all_orders:12345", "account_all_orders")):
        assert decoded(stream, {"type": "unsubscribed", "channel": channel}) == [Ack(None, topic)]


def test_pings_are_answered_and_the_rest_is_no_news(stream):
    """JSON pings want a JSON pong."""
    (reply,) = decoded(stream, {"type": "ping"})
    assert isinstance(reply, Reply)
    assert json.loads(reply.frame) == {"type": "pong"}
    for frame in (
        {"type": "pong"},
        {"type": "connected", "session_id": "x"},
        {"channel": "height:1", "type": "update/height"},
    ):
        assert decoded(stream, frame) == []


def test_a_planned_close_is_followed_without_back_off(stream):
    """``shutdown`` announces it."""
    (closing,) = decoded(stream, {"type": "shutdown", "close_in_ms": 5000})
    assert isinstance(closing, Closing)


def test_already_subscribed_is_as_good_as_subscribed(stream):
    """Its text names the channel."""
    (refusal,) = decoded(stream, {"error": {"code": 30003, "message": "Already Subscribed to : market_stats:all"}})
    assert (refusal.topic, refusal.already) == ("market_stats:all", True)
    (left,) = decoded(stream, {"error": {"code": 30002, "message": "Not Subscribed to : account_tx:12345"}})
    assert (left.topic, left.already) == ("account_tx", True)


@pytest.mark.parametrize(
    "frame",
    [
        {"error": {"code": 30005, "message": "Invalid Channel:  (marketId)"}},
        {"type": "error", "code": 30005, "message": "Invalid Channel:  (marketId)"},
    ],
)
def test_an_error_comes_in_two_shapes(stream, frame):
    """Both are read."""
    (refusal,) = decoded(stream, frame)
    assert isinstance(refusal, Refusal)
    assert isinstance(refusal.error, InvalidRequestError)
    assert (refusal.already, refusal.topic) == (False, None)


@pytest.mark.parametrize("text", ["Invalid Channel:  (trade/0)", "Invalid Channel : trade:0"])
async def test_a_refusal_that_names_its_channel_is_of_that_one(stream, text):
    """In parentheses or after a colon."""
    await subscribed(stream, Channel.TRADES, ETH)
    await subscribed(stream, Channel.TICKER, ETH)
    (refusal,) = decoded(stream, {"error": {"code": 30005, "message": text}})
    assert (refusal.topic, refusal.already) == ("trade:0", False)


async def test_a_refusal_without_a_name_is_of_the_channel_that_nothing_else_answers(stream):
    """With several under way it is held until the others are confirmed: the wrong one must not be given up."""
    await subscribed(stream, Channel.TRADES, ETH)
    await subscribed(stream, Channel.TICKER, ETH)
    error = {"error": {"code": 30005, "message": "Invalid Channel:  (marketId)"}}
    assert decoded(stream, error) == []
    (data,) = decoded(stream, {**FRAMES["update/ticker"], "type": "subscribed/ticker"})
    assert isinstance(data, Data)
    _, refusal = decoded(stream, {**FRAMES["update/market_stats"], "type": "subscribed/market_stats"})
    assert isinstance(refusal, Refusal)
    assert (refusal.topic, type(refusal.error)) == ("trade:0", InvalidRequestError)


async def test_a_refusal_without_a_name_is_of_the_only_channel_under_way(stream):
    """At once."""
    await subscribed(stream, Channel.TRADES, ETH)
    (refusal,) = decoded(stream, {"error": {"code": 30005, "message": "Invalid Channel:  (marketId)"}})
    assert refusal.topic == "trade:0"


def test_too_many_messages_is_a_matter_of_waiting(stream):
    """30009 and 30010."""
    (refusal,) = decoded(stream, {"error": {"code": 30009, "message": "Too Many Websocket Messages!"}})
    assert isinstance(refusal.error, RateLimitError)


@pytest.mark.parametrize(
    "error",
    [
        {"code": 20013, "message": "invalid auth: expired token"},
        {"code": 30000, "message": "auth field is required"},
        "auth field is required",
    ],
)
async def test_a_refused_token_refuses_the_account_channels_that_wait(stream, tokens, error):
    """The frame doesn't say which; market data that wait are not concerned. The token is not used again."""
    if isinstance(error, dict) and error["code"] == 30000:
        error = {"message": error["message"]}
    await subscribed(stream, Channel.ORDERS)
    await subscribed(stream, Channel.BOOK, ETH)
    refusals = decoded(stream, {"error": error})
    assert {each.topic for each in refusals} == {"account_all_orders", "account_tx"}
    assert all(isinstance(each.error, AuthError) for each in refusals)
    assert len(tokens.dropped) == 1


def test_a_market_listed_later_is_caught_up_with_by_rest(stream, caplog):
    """Once: its events are not lost, and an index that is never listed does not loop."""
    frame = {
        **FRAMES["update/account_all_positions"],
        "positions": {"9": {**FRAMES["update/account_all_positions"]["positions"]["0"], "market_id": 9}},
    }
    with caplog.at_level(logging.WARNING):
        (closing,) = decoded(stream, frame)
    assert isinstance(closing, Closing)
    assert "market 9" in caplog.text
    assert decoded(stream, frame) == []


@pytest.mark.parametrize("index", [2048, 4206])
def test_spot_and_options_are_left_out(stream, index):
    """Perpetuals end at 254."""
    frame = {
        "channel": f"trade:{index}",
        "type": "update/trade",
        "trades": [{**FRAMES["update/trade"]["trades"][0], "market_id": index}],
    }
    assert decoded(stream, frame) == []


@pytest.mark.parametrize(
    "frame",
    [
        "not json",
        '{"channel":"order_book:0","type":"update/order_book","order_book":{"nonce":"x"}}',
        '{"channel":"trade:0","type":"update/trade","trades":[{"trade_id":1,"market_id":0,"price":"NaN","size":"1","timestamp":1798999405250}]}',
        '{"channel":"user_stats:1","type":"update/user_stats","stats":{"collateral":"Infinity","available_balance":"1"}}',
        '{"channel":"account_all_positions:1","type":"update/account_all_positions","positions":{"0":{"market_id":0,"position":"NaN","sign":1}}}',
        b"\xff\xfe",
    ],
)
def test_what_can_not_be_read_is_an_error_of_its_own(stream, frame):
    """The core counts them; on an account's connection it reads what was said by REST."""
    with pytest.raises(DecodeError):
        stream.decode(frame, NOW)


@pytest.mark.parametrize("word", ["NaN", "sNaN", "Infinity", "-inf", "four"])
@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("update/order_book", "price"),
        ("update/order_book", "size"),
        ("update/trade", "price"),
        ("update/trade", "size"),
        ("update/account_all_orders", "price"),
        ("update/account_all_orders", "initial_base_amount"),
        ("update/account_all_orders", "remaining_base_amount"),
        ("update/account_all_orders", "filled_base_amount"),
        ("update/account_all_orders", "filled_quote_amount"),
    ],
)
def test_a_number_that_is_none_is_an_error_wherever_it_stands(stream, name, place, word):
    """The busiest frames are not searched as a whole: each of their numbers is looked at."""
    good = json.dumps(FRAMES[name])
    bad, changed = re.subn(rf'"{place}": "[^"]*"', f'"{place}": "{word}"', good, count=1)
    assert changed == 1
    assert stream.decode(good, NOW)
    with pytest.raises(DecodeError):
        stream.decode(bad, NOW)


@pytest.mark.parametrize("frame", ["{}", '{"x": "yyy"}', '{"channel": "account_all_orders:12345", "orders": {}}'])
def test_a_frame_without_a_type_is_unreadable(stream, frame):
    """It may have told of the account: ignoring it would lose that without a word."""
    with pytest.raises(DecodeError, match="no type"):
        stream.decode(frame, NOW)


def test_spaces_and_unknown_fields_change_nothing(stream):
    """Another writer of JSON, and a field of tomorrow."""
    frame = {**FRAMES["update/ticker"], "new": {"deep": [1]}}
    (data,) = stream.decode(json.dumps(frame), NOW)
    assert data.events[0].bid_price == D("3999.90")
    (data,) = stream.decode(json.dumps(frame, indent=2), NOW)
    assert data.topic == "ticker:0"
