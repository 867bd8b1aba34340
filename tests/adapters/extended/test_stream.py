"""The streams' addresses, and what a frame of each means; numbers, sections, and frames that are odd."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from perpkit.adapters.extended.stream import ExtendedStream
from perpkit.core.catalog import MarketCatalog
from perpkit.core.errors import AuthError, CapabilityError, CredentialsError, DecodeError
from perpkit.core.models import (
    Balance,
    BookDelta,
    BookSnapshot,
    Channel,
    Fill,
    Order,
    OrderStatus,
    Position,
    Side,
    Subscription,
    Ticker,
    Trade,
)
from perpkit.core.streams.protocol import AddressedSource, Closing, Data
from perpkit.core.transport.redact import Redactor, Secret
from tests.adapters.extended.conftest import NOW, make_market
from tests.adapters.extended.test_decode import BALANCE, order_row
from tests.core.clocks import ManualClock

BASE = "wss://api.starknet.extended.exchange/stream.extended.exchange/v1"
BTC = make_market()


def at(milliseconds):
    return datetime.fromtimestamp(milliseconds // 1000, UTC) + timedelta(milliseconds=milliseconds % 1000)


async def catalog():
    async def load():
        return [BTC, make_market("ETH-USD")]

    markets = MarketCatalog("extended", ManualClock())
    markets.use_loader(load)
    await markets.refresh()
    return markets


async def nothing():
    """A check that finds nothing wrong."""


@pytest.fixture
async def source():
    return ExtendedStream(
        base=BASE, markets=await catalog(), api_key=Secret("key-123"), check=nothing, redactor=Redactor()
    )


def follow(source, channel, market=BTC):
    """Return the decoders of a channel's streams, as if each had just been connected to."""
    topics = source.topics(Subscription(channel=channel, market=None if channel.is_private else market))
    return [source.decoder(label) for label in dict.fromkeys(topic.connection for topic in topics)]


def frame(data, seq, ts=1788264000100, **more):
    return json.dumps({"data": data, "ts": ts, "seq": seq, **more})


def book(kind, seq, bids=(), asks=(), **more):
    data = {"t": kind, "m": "BTC-USD", "b": list(bids), "a": list(asks)}
    return frame(data, seq, type=kind, **more)


def events(incoming):
    return [event for item in incoming if isinstance(item, Data) for event in item.events]


# Addresses


@pytest.mark.parametrize(
    ("channel", "paths"),
    [
        (Channel.BOOK, ["/orderbooks/BTC-USD"]),
        (Channel.TRADES, ["/publicTrades/BTC-USD"]),
        (Channel.TICKER, ["/orderbooks/BTC-USD?depth=1", "/prices/mark/BTC-USD", "/prices/index/BTC-USD"]),
        (Channel.ORDERS, ["/account"]),
        (Channel.FILLS, ["/account"]),
        (Channel.POSITIONS, ["/account"]),
        (Channel.BALANCES, ["/account"]),
    ],
)
async def test_each_stream_has_an_address_on_the_api_host(source, channel, paths):
    """The URL is the subscription; the account's sections share one connection, each as a topic of its own."""
    assert isinstance(source, AddressedSource)
    market = None if channel.is_private else BTC
    topics = source.topics(Subscription(channel=channel, market=market))
    assert [topic.connection for topic in topics] == paths
    assert {topic.private for topic in topics} == {channel.is_private}
    for path in paths:
        endpoint = await source.endpoint(path)
        assert endpoint.url == BASE + path
        assert endpoint.headers["User-Agent"]
        assert ("X-Api-Key" in endpoint.headers) is channel.is_private


async def test_only_a_whole_book_may_not_be_silent(source):
    """It has its snapshot each minute; best quotes, trades and the account may have nothing to say."""
    silences = {
        path: (await source.endpoint(path)).silence
        for path in ("/orderbooks/BTC-USD", "/orderbooks/BTC-USD?depth=1", "/publicTrades/BTC-USD", "/account")
    }
    assert [path for path, silence in silences.items() if silence] == ["/orderbooks/BTC-USD"]


@pytest.mark.parametrize("channel", [Channel.FUNDING, Channel.FUNDING_PAYMENTS])
async def test_what_the_venue_does_not_stream_is_left_to_polling(source, channel):
    """Applied rates come once an hour and are not the running one; payments are in no stream."""
    with pytest.raises(CapabilityError):
        source.topics(Subscription(channel=channel, market=None if channel.is_private else BTC))


async def test_the_account_needs_a_key_and_a_set_of_credentials_that_fits():
    """What the check finds is told before anything is connected to."""
    without = ExtendedStream(base=BASE, markets=await catalog(), api_key=None, check=nothing, redactor=Redactor())
    with pytest.raises(CredentialsError):
        without.topics(Subscription(channel=Channel.ORDERS))

    async def refused():
        raise AuthError("no", status=401)

    apart = ExtendedStream(base=BASE, markets=await catalog(), api_key=Secret("k"), check=refused, redactor=Redactor())
    with pytest.raises(AuthError):
        await apart.endpoint("/account")
    assert (await apart.endpoint("/publicTrades/BTC-USD")).headers.get("X-Api-Key") is None


# Books


async def test_a_deltas_size_is_what_stands_after_it(source):
    """``q`` is the change and ``c`` the result: 0.512 less 0.1 is 0.412, and that is what is told."""
    (decode,) = follow(source, Channel.BOOK)
    (snapshot,) = events(
        decode(book("SNAPSHOT", 1, [{"q": "0.51200", "p": "84010"}], [{"q": "0.11000", "p": "84011"}]), NOW)
    )
    assert isinstance(snapshot, BookSnapshot)
    assert (snapshot.bids, snapshot.asks, snapshot.sequence) == (
        ((84010, Decimal("0.512")),),
        ((84011, Decimal("0.11")),),
        1,
    )
    change = [{"q": "-0.10000", "p": "84010", "c": "0.41200"}]
    (delta,) = events(decode(book("DELTA", 2, change, [{"q": "0.05", "p": "84012", "c": "0.05"}]), NOW))
    assert isinstance(delta, BookDelta)
    assert (delta.previous_sequence, delta.sequence) == (1, 2)
    assert delta.bids == ((84010, Decimal("0.412")),)
    (gone,) = events(decode(book("DELTA", 3, [{"q": "-0.412", "p": "84010", "c": "0"}]), NOW))
    assert gone.bids == ((84010, 0),)


async def test_without_the_result_the_change_is_added(source):
    """The documentation of January 2026 knows the change alone. A new snapshot starts the count afresh."""
    (decode,) = follow(source, Channel.BOOK)
    decode(book("SNAPSHOT", 1, [{"q": "1.0", "p": "100"}]), NOW)
    (up,) = events(decode(book("DELTA", 2, [{"q": "0.5", "p": "100"}, {"q": "2", "p": "99"}]), NOW))
    assert up.bids == ((100, Decimal("1.5")), (99, 2))
    (down,) = events(decode(book("DELTA", 3, [{"q": "-1.5", "p": "100"}]), NOW))
    assert down.bids == ((100, 0),)
    decode(book("SNAPSHOT", 4, [{"q": "7", "p": "100"}]), NOW)
    (again,) = events(decode(book("DELTA", 5, [{"q": "1", "p": "100"}]), NOW))
    assert again.bids == ((100, 8),)


async def test_what_stands_is_right_whenever_the_result_is_missing(source):
    """After any mix of changes with and without it, and twice at one price in a frame."""
    (decode,) = follow(source, Channel.BOOK)
    decode(book("SNAPSHOT", 1, [{"q": "1", "p": "100"}, {"q": "5", "p": "99"}]), NOW)
    frames = [
        [{"q": "1", "p": "100", "c": "2"}],
        [{"q": "-5", "p": "99", "c": "0"}, {"q": "3", "p": "99", "c": "3"}],
        [{"q": "1", "p": "100", "c": "3"}, {"q": "0.5", "p": "100"}, {"q": "1", "p": "99"}, {"q": "1", "p": "99"}],
        [{"q": "-3.5", "p": "100", "c": "0"}],
        [{"q": "0.25", "p": "100.0"}, {"q": "-5", "p": "99"}],
    ]
    told = [events(decode(book("DELTA", n, rows), NOW))[0].bids for n, rows in enumerate(frames, start=2)]
    assert told == [
        ((100, 2),),
        ((99, 0), (99, 3)),
        ((100, 3), (100, Decimal("3.5")), (99, 4), (99, 5)),
        ((100, 0),),
        ((100, Decimal("0.25")), (99, 0)),
    ]


async def test_each_connection_counts_for_itself(source):
    """The sizes of the one before are forgotten with it."""
    (first,) = follow(source, Channel.BOOK)
    first(book("SNAPSHOT", 1, [{"q": "1", "p": "100"}]), NOW)
    (second,) = follow(source, Channel.BOOK)
    (delta,) = events(second(book("DELTA", 2, [{"q": "0.5", "p": "100"}]), NOW))
    assert delta.bids == ((100, Decimal("0.5")),)


async def test_a_book_frame_of_no_known_kind_is_an_error(source):
    """Taken for a change, it would make a wrong book."""
    (decode,) = follow(source, Channel.BOOK)
    with pytest.raises(DecodeError, match="neither SNAPSHOT nor DELTA"):
        decode(book("PATCH", 1), NOW)


@pytest.mark.parametrize(
    ("kind", "level", "named"),
    [
        ("SNAPSHOT", {"q": "-1", "p": "99"}, "-1 at 99"),
        ("SNAPSHOT", {"q": "1", "p": "0"}, "1 at 0"),
        ("DELTA", {"q": "-2", "p": "100", "c": "-1"}, "-1 at 100"),
        ("DELTA", {"q": "-2", "p": "100"}, "-1 at 100"),
        ("DELTA", {"q": "1", "p": "-5", "c": "1"}, "1 at -5"),
    ],
)
async def test_a_level_that_can_t_be_is_an_error(source, kind, level, named):
    """A size below zero, also as a sum of changes, means that something was missed; the next number shows the gap."""
    (decode,) = follow(source, Channel.BOOK)
    decode(book("SNAPSHOT", 1, [{"q": "1", "p": "100"}]), NOW)
    with pytest.raises(DecodeError, match=f"a level of {named} can't be"):
        decode(book(kind, 2, [level]), NOW)


# Ticker


async def test_a_ticker_is_put_together_of_three_streams(source):
    """Quotes, mark and index; what is not known yet is None. The time of mark prices is 0, so the envelope's counts."""
    quotes, mark, index = follow(source, Channel.TICKER)
    (first,) = events(quotes(book("SNAPSHOT", 1, [{"q": "1", "p": "84010"}], [{"q": "1", "p": "84011"}]), NOW))
    assert isinstance(first, Ticker)
    assert (first.bid_price, first.ask_price, first.mark_price) == (84010, 84011, None)
    price = {"m": "BTC-USD", "p": "84005.125000000001", "ts": 0}
    (second,) = events(mark(frame(price, 1, 1788264000400, type="MP", sourceEventId=None), NOW))
    assert (second.mark_price, second.ts_venue) == (Decimal("84005.125000000001"), at(1788264000400))
    (third,) = events(index(frame({**price, "ts": 1788264000500}, 1, 1788264000900, type="IP"), NOW))
    assert (third.bid_price, third.index_price, third.ts_venue) == (
        84010,
        Decimal("84005.125000000001"),
        at(1788264000500),
    )
    (late,) = events(quotes(book("SNAPSHOT", 2, [], [], ts=1788264000100), NOW))
    assert (late.bid_price, late.ask_price, late.ts_venue) == (None, None, at(1788264000500))


async def test_a_lost_part_of_a_ticker_is_not_carried_on(source):
    """After a new connection the mark price is unknown until it comes again."""
    _, mark, index = follow(source, Channel.TICKER)
    mark(frame({"m": "BTC-USD", "p": "1", "ts": 0}, 1, type="MP"), NOW)
    source.decoder("/prices/mark/BTC-USD")
    (ticker,) = events(index(frame({"m": "BTC-USD", "p": "2", "ts": 0}, 1, type="IP"), NOW))
    assert (ticker.mark_price, ticker.index_price) == (None, 2)


# Trades


def trades(*ids, seq):
    rows = [
        {"m": "BTC-USD", "S": "BUY", "tT": "TRADE", "T": 1788264000150, "p": "84011", "q": "0.01", "i": each}
        for each in ids
    ]
    return frame(rows, seq)


@pytest.mark.parametrize("word", ["NaN", "sNaN", "Infinity", "-inf"])
@pytest.mark.parametrize("place", ["84011", "0.01"])
async def test_a_trade_of_no_finite_number_is_an_error(source, place, word):
    """Of the price as of the size."""
    (decode,) = follow(source, Channel.TRADES)
    with pytest.raises(DecodeError, match="finite"):
        decode(trades(1, seq=1).replace(place, word), NOW)


async def test_trades_are_the_takers_and_a_late_frame_is_skipped(source):
    """Ids beyond 2^53 stay whole."""
    (decode,) = follow(source, Channel.TRADES)
    (one,) = events(decode(trades(2051900000000000004, seq=1), NOW))
    assert isinstance(one, Trade)
    assert (one.trade_id, one.side) == ("2051900000000000004", Side.BUY)
    assert [each.trade_id for each in events(decode(trades(2, 3, seq=2), NOW))] == ["2", "3"]
    assert decode(trades(1, seq=1), NOW) == ()


async def test_a_late_frame_stands_in_for_one_to_come(source):
    """Skipped, and the one that it stood in for is no loss."""
    (decode,) = follow(source, Channel.TRADES)
    decode(trades(1, seq=5), NOW)
    assert decode(trades(1, seq=4), NOW) == ()
    (data,) = decode(trades(2, seq=7), NOW)
    assert [each.trade_id for each in data.events] == ["2"]


async def test_a_missing_frame_of_trades_is_read_by_rest(source):
    """What did come is delivered, then the connection is made again and the core looks at the tape."""
    (decode,) = follow(source, Channel.TRADES)
    decode(trades(1, seq=1), NOW)
    data, closing = decode(trades(9, seq=5), NOW)
    assert [each.trade_id for each in data.events] == ["9"]
    assert isinstance(closing, Closing)
    assert "number 5 came after 1" in closing.reason


# The account


def account(seq, *, snapshot=False, kind="ORDER", **sections):
    return frame({"isSnapshot": snapshot, **sections}, seq, type=kind)


def fill_row(**changes):
    row = {
        "id": 2051800000000000003,
        "accountId": 104217,
        "market": "BTC-USD",
        "orderId": 2051700000000000002,
        "externalOrderId": "bot7-000001",
        "side": "BUY",
        "price": "83899.5",
        "qty": "0.005",
        "value": "419.4975",
        "fee": "0",
        "isTaker": False,
        "tradeType": "TRADE",
        "createdTime": 1788264002999,
    }
    return {**row, **changes}


POSITION = {
    "id": 2051600000000000001,
    "accountId": 104217,
    "market": "BTC-USD",
    "status": "OPENED",
    "side": "LONG",
    "leverage": "10",
    "size": "0.0862",
    "value": "7241.2",
    "openPrice": "82693.2",
    "markPrice": "84005.1",
    "unrealisedPnl": "113.1",
    "realisedPnl": "-1.677",
    "createdAt": 1788260000000,
    "updatedAt": 1788264003000,
}


@pytest.fixture
async def decode_account(source):
    (decode,) = follow(source, Channel.ORDERS)
    return decode


async def test_the_first_messages_are_the_whole_of_their_sections(decode_account):
    """No open orders and no positions are a state, and not nothing to tell."""
    (orders,) = decode_account(account(1, snapshot=True, orders=[]), NOW)
    (balance,) = decode_account(account(2, snapshot=True, kind="BALANCE", balance=BALANCE), NOW)
    (positions,) = decode_account(account(3, snapshot=True, kind="POSITION", positions=[POSITION]), NOW)
    assert (orders.topic, orders.snapshot, orders.events) == ("account.orders", True, [])
    assert (balance.topic, balance.snapshot) == ("account.balance", True)
    assert isinstance(balance.events[0], Balance)
    assert (positions.topic, positions.snapshot) == ("account.positions", True)
    assert isinstance(positions.events[0], Position)


async def test_later_messages_are_changes_and_may_hold_several_sections(decode_account):
    """The keys tell what is in one, and not its type alone."""
    came = decode_account(
        account(1, kind="TRADE", orders=[order_row(status="NEW", filledQty="0")], trades=[fill_row()], positions=None),
        NOW,
    )
    assert [(item.topic, item.snapshot) for item in came] == [("account.orders", False), ("account.trades", False)]
    order, fill = events(came)
    assert isinstance(order, Order)
    assert order.status is OrderStatus.OPEN
    assert isinstance(fill, Fill)
    assert (fill.fill_id, fill.client_order_id) == ("2051800000000000003", "bot7-000001")
    (closed,) = events(decode_account(account(2, positions=[{**POSITION, "status": "CLOSED"}]), NOW))
    assert closed.size == 0


async def test_a_missing_number_has_the_account_read_again(decode_account):
    """It may stand for a fill: what came is delivered, and the connection is made anew."""
    decode_account(account(1, snapshot=True, orders=[]), NOW)
    data, closing = decode_account(account(3, trades=[fill_row()]), NOW)
    assert len(data.events) == 1
    assert isinstance(closing, Closing)


async def test_a_frame_that_comes_twice_is_told_once(decode_account):
    """The same number again brings nothing, and is no loss."""
    frame_ = account(1, trades=[fill_row()])
    assert len(events(decode_account(frame_, NOW))) == 1
    assert decode_account(frame_, NOW) == ()


async def test_states_and_reasons_that_the_sdk_lacks_are_read(decode_account):
    """TRIGGERED and ACCOUNT_LIQUIDATION break the venue's own SDK."""
    rows = [
        order_row(status="TRIGGERED", filledQty="0"),
        order_row(id=5, status="CANCELLED", statusReason="ACCOUNT_LIQUIDATION"),
    ]
    triggered, liquidated = events(decode_account(account(1, orders=rows), NOW))
    assert triggered.status is OrderStatus.OPEN
    assert liquidated.status is OrderStatus.CANCELED


async def test_a_market_that_was_listed_since_is_caught_up_with_once(decode_account, caplog):
    """A fill on it must not be lost; told of the same market again, nothing more happens."""
    new = account(1, trades=[fill_row(market="NEW-USD")])
    (closing,) = decode_account(new, NOW)
    assert isinstance(closing, Closing)
    assert "NEW-USD" in closing.reason
    assert decode_account(account(2, trades=[fill_row(market="NEW-USD")]), NOW) == []
    assert "NEW-USD" in caplog.text


async def test_an_order_that_can_t_be_read_is_an_error(decode_account):
    """The core makes the connection anew and reads by REST, since it may have told of money."""
    with pytest.raises(DecodeError, match="HALF"):
        decode_account(account(1, orders=[order_row(status="HALF")]), NOW)
    with pytest.raises(DecodeError, match="qty"):
        decode_account(account(2, orders=[{name: v for name, v in order_row().items() if name != "qty"}]), NOW)
    with pytest.raises(DecodeError, match="finite"):
        decode_account(account(3, trades=[fill_row(price="NaN")]), NOW)


# Odd frames


@pytest.mark.parametrize("odd", ["[]", '"pong"', "1", "pong", "{}", '{"type":"HEARTBEAT"}', '{"ts":1,"seq":1}'])
@pytest.mark.parametrize("channel", [Channel.BOOK, Channel.TRADES, Channel.ORDERS])
async def test_what_is_no_message_does_no_harm(source, channel, odd):
    """Heartbeats, lists and words are passed over."""
    (decode,) = follow(source, channel)
    assert decode(odd, NOW) == ()


async def test_an_error_of_the_venue_ends_the_connection_with_its_words(source):
    """The envelope has a place for one."""
    (decode,) = follow(source, Channel.TRADES)
    (closing,) = decode('{"error":"market is gone","ts":1,"seq":1}', NOW)
    assert isinstance(closing, Closing)
    assert "market is gone" in closing.reason


async def test_a_frame_of_another_market_is_not_taken(source):
    """An address that carries all markets is not ours."""
    (decode,) = follow(source, Channel.BOOK)
    other = {"t": "SNAPSHOT", "m": "ETH-USD", "b": [], "a": []}
    assert decode(frame(other, 1, type="SNAPSHOT"), NOW) == ()


async def test_broken_frames_are_errors(source):
    """Cut short, or bytes that are no text."""
    (decode,) = follow(source, Channel.BOOK)
    for broken in ('{"type":"DELTA","data":{"m":', b"\xff\xfe{"):
        with pytest.raises(DecodeError):
            decode(broken, NOW)
