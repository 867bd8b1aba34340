"""The WebSocket: what each channel says first and then, how sockets are kept alive, and what is refused."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import aiohttp
import pytest

from perpkit.core.models.order import Side
from perpkit.sim.venues.lighter import LocalLighter, Settings
from tests.waiting import until

from .contract_check import row_errors
from .harness import Client, Signer, Socket

D = Decimal


@pytest.fixture
async def socket(sim):
    """A connected client with the first account's first key."""
    async with Socket(sim, Signer(sim, sim.accounts[0])) as connected:
        yield connected


def replay(book, frame):
    """Apply a book frame's absolute sizes."""
    for side in ("asks", "bids"):
        for row in frame["order_book"][side]:
            if D(row["size"]):
                book[side, row["price"]] = row["size"]
            else:
                book.pop((side, row["price"]), None)


async def test_the_first_frame_says_connected(socket):
    """With a session's name."""
    frame = (await socket.wait("connected"))[0]
    assert frame["type"] == "connected"
    assert frame["session_id"]


async def test_the_book_is_a_snapshot_and_then_chained_absolute_changes(sim, socket, quote):
    """begin_nonce is the nonce before; offsets leave numbers out; replayed changes give the exchange's book."""
    quote()
    first = await socket.subscribe("order_book/0")
    assert first["type"] == "subscribed/order_book"
    assert first["order_book"]["begin_nonce"] == 0
    book = {}
    replay(book, first)
    for step in range(5):
        sim.control.advance(timedelta(milliseconds=50))
        sim.control.trade("ETH", Side.BUY, D("0.1"))
        quote(bids=[(str(3990 + step) + ".00", "0.5")], asks=())
        await socket.updates("order_book:0", step + 1)
    sim.control.clear_liquidity("ETH")
    sim.control.advance(timedelta(milliseconds=50))
    frames = await socket.updates("order_book:0", 6)
    nonce = first["order_book"]["nonce"]
    for frame in frames:
        assert frame["order_book"]["begin_nonce"] == nonce
        assert frame["order_book"]["nonce"] > nonce + 1
        nonce = frame["order_book"]["nonce"]
        replay(book, frame)
    offsets = [frame["order_book"]["offset"] for frame in (first, *frames)]
    steps = [later - earlier for earlier, later in pairwise(offsets)]
    assert min(steps) >= 1
    assert max(steps) > 1
    assert book == {}
    assert frames[0]["order_book"]["asks"] == [{"price": "4000.10", "size": "0.9000"}]


async def test_changes_within_fifty_milliseconds_go_out_together(sim, socket, quote):
    """Only the last size of a level counts."""
    await socket.subscribe("order_book/0")
    quote()
    await socket.updates("order_book:0")
    sim.control.trade("ETH", Side.BUY, D("0.1"))
    sim.control.trade("ETH", Side.BUY, D("0.1"))
    sim.control.advance(timedelta(milliseconds=50))
    frames = await socket.updates("order_book:0", 2)
    assert frames[1]["order_book"]["asks"] == [{"price": "4000.10", "size": "0.8000"}]
    assert len(frames) == 2


async def test_a_book_whose_count_began_anew_does_not_continue(sim, socket, quote):
    """As after a restart: begin_nonce is not the nonce before."""
    first = await socket.subscribe("order_book/0")
    quote()
    before = (await socket.updates("order_book:0"))[0]["order_book"]["nonce"]
    sim.exchange.renumber_book("ETH")
    sim.control.advance(timedelta(milliseconds=50))
    sim.control.trade("ETH", Side.BUY, D("0.1"))
    after = (await socket.updates("order_book:0", 2))[1]["order_book"]
    assert after["begin_nonce"] != before
    assert first["order_book"]["nonce"] != after["begin_nonce"]


async def test_ticker_and_trades_follow_the_book(sim, socket, quote):
    """An empty side is empty text; the first trade frame repeats history; a taker that buys met a resting ask."""
    quote()
    sim.control.trade("ETH", Side.SELL, D("0.5"))
    first = await socket.subscribe("trade/0")
    assert [row["is_maker_ask"] for row in first["trades"]] == [False]
    ticker = await socket.subscribe("ticker/0")
    assert ticker["ticker"]["a"] == {"price": "4000.10", "size": "1.0000"}
    sim.control.trade("ETH", Side.BUY, D(1))
    frame = (await socket.updates("trade:0"))[0]
    (row,) = frame["trades"]
    assert (row["size"], row["price"], row["is_maker_ask"]) == ("1.0000", "4000.10", True)
    assert not row_errors("Trade", row)
    frames = await socket.wait("ticker:0", 1, lambda f: f["type"] == "update/ticker" and not f["ticker"]["a"]["price"])
    assert frames[0]["ticker"]["a"] == {"price": "", "size": ""}
    assert frames[0]["nonce"] == frame["nonce"]


async def test_market_stats_give_funding_as_signed_percent_per_hour(sim, socket):
    """-0.000012 per hour is -0.0012; the last settled hour beside the running one; open interest in USDC."""
    sim.control.set_funding_rate("ETH", D("0.00001"))
    sim.control.advance(timedelta(hours=1))
    sim.control.set_funding_rate("ETH", D("-0.000012"))
    stats = (await socket.subscribe("market_stats/0"))["market_stats"]
    assert (stats["current_funding_rate"], stats["funding_rate"]) == ("-0.0012", "0.0010")
    assert stats["funding_timestamp"] % 3_600_000 == 0
    assert (stats["mark_price"], stats["symbol"]) == ("4000.00", "ETH")
    sim.control.set_price("ETH", index=D(4100), mark=D(4110))
    frame = (await socket.updates("market_stats:0"))[-1]
    assert (frame["market_stats"]["index_price"], frame["market_stats"]["mark_price"]) == ("4100.00", "4110.00")


async def test_all_market_stats_come_as_a_map_of_what_changed(sim, socket):
    """The first frame holds every perpetual."""
    first = await socket.subscribe("market_stats/all")
    assert set(first["market_stats"]) == {"0", "1", "2", "3"}
    sim.control.set_price("BTC", index=D(90_000))
    frame = (await socket.updates("market_stats:all"))[0]
    assert set(frame["market_stats"]) == {"1"}


async def test_candles_repeat_the_bucket_under_way(sim, socket, quote):
    """With volumes once something traded."""
    quote()
    await socket.subscribe("candle/0/1m")
    sim.control.trade("ETH", Side.BUY, D("0.25"))
    (row,) = (await socket.updates("candle:0:1m"))[0]["candles"]
    assert (row["c"], row["v"]) == (D("4000.10"), D("0.25"))
    assert (await socket.subscribe("height"))["height"] > 0


async def test_orders_trades_positions_and_transactions_are_told_to_their_account(sim, socket, trader, quote):
    """Each row fits the schema that REST has for it, and says what REST says."""
    quote()
    index = trader.index
    for channel in ("account_all_orders", "account_all_trades", "account_all_positions", "account_tx", "user_stats"):
        await socket.subscribe(f"{channel}/{index}")
    client = await trader.take()
    (row,) = (await socket.updates(f"account_all_orders:{index}"))[-1]["orders"]["0"]
    assert (row["client_order_index"], row["status"], row["filled_base_amount"]) == (client, "filled", "0.1000")
    assert not row_errors("Order", row)
    assert row == await trader.order(client)
    (trade,) = (await socket.updates(f"account_all_trades:{index}"))[0]["trades"]["0"]
    assert (trade["bid_client_id"], trade["taker_fee"]) == (client, 280)
    assert not row_errors("Trade", trade)
    position = (await socket.updates(f"account_all_positions:{index}"))[-1]["positions"]["0"]
    assert (position["position"], position["sign"], position["avg_entry_price"]) == ("0.1000", 1, "4000.10")
    assert not row_errors("AccountPosition", position)
    (tx,) = (await socket.updates(f"account_tx:{index}"))[0]["txs"]
    assert (tx["type"], tx["status"]) == (14, 2)
    assert not row_errors("Tx", tx)
    stats = (await socket.updates(f"user_stats:{index}"))[-1]["stats"]
    assert stats["collateral"] == "99999.8879972"  # 100000 less 0.1120028 of fee


async def test_a_closed_position_is_told_once_with_zeros(sim, socket, trader, quote):
    """It is not just left out."""
    quote()
    await trader.take()
    first = await socket.subscribe(f"account_all_positions/{trader.index}")
    assert first["positions"]["0"]["position"] == "0.1000"
    await trader.take(IsAsk=1, Price=390_000, ReduceOnly=1)
    row = (await socket.updates(f"account_all_positions:{trader.index}"))[-1]["positions"]["0"]
    assert row["position"] == "0.0000"


async def test_account_orders_name_the_market_only_and_the_account_inside(socket, trader):
    """``account_orders:0``, with the account's index in the body; snapshots hold live orders."""
    client = await trader.place()
    await trader.place(MarketIndex=1, BaseAmount=1000, Price=990_000)
    first = await socket.subscribe(f"account_orders/0/{trader.index}")
    assert (first["channel"], first["account"]) == ("account_orders:0", trader.index)
    assert [row["client_order_index"] for row in first["orders"]["0"]] == [client]
    assert set(first["orders"]) == {"0"}
    await trader.cancel(client)
    frame = (await socket.updates("account_orders:0"))[0]
    assert [row["status"] for row in frame["orders"]["0"]] == ["canceled"]


async def test_everything_of_an_account_in_one_frame(socket, trader, quote):
    """account_all without orders, account_market with them; assets by their id."""
    quote()
    await trader.take()
    client = await trader.place()
    index = trader.index
    first = await socket.subscribe(f"account_all/{index}")
    assert (first["account"], first["total_trades_count"]) == (index, 1)
    assert first["positions"]["0"]["position"] == "0.1000"
    assert "orders" not in first
    market = await socket.subscribe(f"account_market/0/{index}")
    assert [row["client_order_index"] for row in market["orders"]] == [client]
    assets = await socket.subscribe(f"account_all_assets/{index}")
    assert assets["assets"]["3"]["margin_balance"] == "99999.8879972"


async def test_transactions_go_over_the_socket_as_objects(socket, trader):
    """The id is echoed, also with a refusal; a batch is two texts, of 15 at most."""
    info = trader.signer.order()
    await socket.say({"type": "jsonapi/sendtx", "data": {"id": "a", "tx_type": 14, "tx_info": info}})
    answer = (await socket.wait("jsonapi/sendtx"))[0]
    assert (answer["code"], answer["id"]) == (200, "a")
    assert (await trader.order(info["ClientOrderIndex"]))["status"] == "open"
    await socket.say({"type": "jsonapi/sendtx", "data": {"id": "b", "tx_type": 14, "tx_info": info}})
    refusal = (await socket.wait("error"))[0]
    assert (refusal["id"], refusal["error"]["code"]) == ("b", 21728)


async def test_private_channels_need_their_account_s_token(sim, other):
    """None, somebody else's, an expired one, a damaged one: 20013 each. Positions are told to anybody."""
    index = sim.accounts[0].account_index
    async with Socket(sim) as nobody:
        await nobody.say({"type": "subscribe", "channel": f"account_all_orders/{index}"})
        assert await nobody.error() == {"code": 20013, "message": "auth field is required"}
        signer = Signer(sim, sim.accounts[0])
        for token in (other.signer.token(), signer.token(lifetime=-1), signer.token()[:-1] + "x", "x"):
            await nobody.say({"type": "subscribe", "channel": f"account_all_orders/{index}", "auth": token})
            assert (await nobody.error())["code"] == 20013
        assert (await nobody.subscribe(f"account_all_positions/{index}"))["positions"] == {}


async def test_a_subscription_ends_with_its_token(sim, socket, trader):
    """It has to be taken anew with another one."""
    channel = f"account_all_orders/{trader.index}"
    await socket.subscribe(channel, trader.signer.token(lifetime=60))
    sim.control.advance(timedelta(seconds=61))
    assert await socket.error() == {"code": 20013, "message": "invalid auth: expired token"}
    await socket.subscribe(channel, trader.signer.token())
    await trader.place()
    assert len(await socket.updates(f"account_all_orders:{trader.index}")) == 1


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", 30000),
        ("[]", 30000),
        ({"type": "dance"}, 30001),
        ({"type": "subscribe", "channel": "order_book/99"}, 30005),
        ({"type": "subscribe", "channel": "order_book"}, 30005),
        ({"type": "subscribe", "channel": "candle/0/1w"}, 30005),
        ({"type": "subscribe", "channel": "account_all/777"}, 30005),
        ({"type": "subscribe"}, 30007),
        ({"type": "unsubscribe", "channel": "trade/0"}, 30002),
        ({"type": "jsonapi/sendtx", "data": {"tx_type": 14, "tx_info": "{}"}}, 30007),
        ({"type": "jsonapi/sendtx"}, 30007),
    ],
)
async def test_what_can_t_be_served_is_an_error_with_the_venue_s_code(socket, message, code):
    """And the socket stays."""
    await socket.say(message)
    assert (await socket.error())["code"] == code
    await socket.say({"type": "ping"})
    await socket.wait("pong")


async def test_subscribing_twice_is_told_and_unsubscribing_ends_it(sim, socket, quote):
    """30003 names the channel."""
    await socket.subscribe("trade/0")
    await socket.say({"type": "subscribe", "channel": "trade/0"})
    assert await socket.error() == {"code": 30003, "message": "Already Subscribed to : trade:0"}
    await socket.say({"type": "unsubscribe", "channel": "trade/0"})
    assert (await socket.wait("trade:0", 2))[-1] == {"type": "unsubscribed", "channel": "trade:0"}
    quote()
    sim.control.trade("ETH", Side.BUY, D("0.1"))
    await socket.subscribe("ticker/0")
    assert len(socket.frames["trade:0"]) == 2


async def test_a_read_only_socket_takes_no_transactions(sim):
    """``?readonly=true``."""
    async with Socket(sim, query="?readonly=true") as reader:
        await reader.subscribe("trade/0")
        await reader.say({"type": "jsonapi/sendtx", "data": {"tx_type": 14, "tx_info": {}}})
        assert (await reader.error())["code"] == 30006


async def test_a_client_that_answers_pings_stays_and_a_silent_one_is_let_go():
    """However much it is sent; on the machine's clock."""
    async with (
        LocalLighter(ping_interval_s=0.02, silence_s=0.1) as sim,
        Socket(sim) as lively,
        Socket(sim, answers=False) as silent,
    ):
        await silent.wait("ping", 2)
        async with asyncio.timeout(10):
            await silent.closed.wait()
        await lively.wait("ping", 8)
        assert not lively.closed.is_set()


async def test_a_planned_end_is_announced(sim, socket):
    """In milliseconds from now."""
    await socket.wait("connected")
    sim.announce_shutdown(timedelta(seconds=5))
    assert (await socket.wait("shutdown"))[0] == {"type": "shutdown", "close_in_ms": 5000}


async def test_caps_on_subscriptions_accounts_messages_and_connections():
    """23001, 23002, 30009, 23003."""
    settings = Settings(subscriptions_per_connection=3, accounts_per_connection=1, connections=1, inflight=1000)
    async with LocalLighter(settings=settings) as sim, Socket(sim) as socket:
        first, second = (account.account_index for account in sim.accounts)
        await socket.subscribe(f"account_all/{first}")
        await socket.subscribe(f"user_stats/{first}")
        await socket.say({"type": "subscribe", "channel": f"account_all/{second}"})
        assert (await socket.error())["code"] == 23002
        await socket.subscribe("trade/0")
        await socket.say({"type": "subscribe", "channel": "trade/1"})
        assert (await socket.error())["code"] == 23001
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            async with Socket(sim):
                raise AssertionError("a second connection was taken")
        assert caught.value.status == 429
        for _ in range(195):
            await socket.say({"type": "unsubscribe", "channel": "trade/3"})
        await socket.wait("error", 195)
        await socket.say({"type": "unsubscribe", "channel": "trade/3"})
        frames = await socket.wait("error", 1, lambda frame: frame["error"]["code"] == 30009)
        assert len(frames) == 1


async def test_messages_are_counted_over_all_connections_of_an_address():
    """200 a minute in all: what one connection used up the other lacks, and a minute later there is room again."""
    async with LocalLighter(settings=Settings(inflight=1000)) as sim, Socket(sim) as one, Socket(sim) as other:
        for _ in range(199):
            await one.say({"type": "unsubscribe", "channel": "trade/3"})
        await one.wait("error", 199)
        await other.subscribe("trade/0")
        await other.say({"type": "subscribe", "channel": "trade/1"})
        assert (await other.error())["code"] == 30009
        sim.control.advance(timedelta(minutes=1))
        await other.subscribe("trade/1")


async def test_too_many_messages_in_flight_are_refused_and_transactions_are_not():
    """A fault holds the first answer back; transactions are not counted."""
    async with (
        LocalLighter(settings=Settings(inflight=3)) as sim,
        Client(sim, Signer(sim, sim.accounts[0])) as trader,
        Socket(sim) as socket,
    ):
        await socket.wait("connected")
        sim.control.inject("delay", target="frame", match="pong", delay_ms=1000)
        for _ in range(4):
            await socket.say({"type": "ping"})
        info = trader.signer.order()
        await socket.say({"type": "jsonapi/sendtx", "data": {"tx_type": 14, "tx_info": info}})
        await until(lambda: sim.exchange.open_orders(str(trader.index)))
        sim.control.advance(timedelta(seconds=1))
        await socket.wait("jsonapi/sendtx")
        assert len(socket.frames["pong"]) == 3
        assert (await socket.error())["code"] == 30010
