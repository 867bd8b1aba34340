"""The v1 streams: one subscription, one connection, one URL."""

from decimal import Decimal

import aiohttp
import pytest

from perpkit.sim.venues.extended import LocalExtended

from .harness import Client, Signer, Stream, advance, section

D = Decimal


async def test_the_book_begins_with_a_snapshot_and_goes_on_with_changes(sim, quote):
    """``q`` of a delta is the change, ``c`` what results; a level that is gone has c 0."""
    resting = quote("BUY", "84010", "0.512")
    last = quote("SELL", "84011", "0.11")
    async with Stream(sim, "orderbooks/BTC-USD") as stream:
        (snapshot,) = await stream.wait(1)
        assert snapshot == {
            "type": "SNAPSHOT",
            "data": {
                "t": "SNAPSHOT",
                "m": "BTC-USD",
                "b": [{"q": "0.512", "p": "84010"}],
                "a": [{"q": "0.11", "p": "84011"}],
            },
            "ts": sim.clock.now_ms(),
            "seq": 1,
        }
        quote("BUY", "84010", "0.1")
        quote("SELL", "84012", "0.05")
        delta = (await stream.wait(2))[-1]
        assert (delta["type"], delta["data"]["t"], delta["seq"]) == ("DELTA", "DELTA", 2)
        assert delta["data"]["b"] == [{"q": "0.1", "p": "84010", "c": "0.612"}]
        assert delta["data"]["a"] == [{"q": "0.05", "p": "84012", "c": "0.05"}]
        # Within 100 ms of the last message nothing goes out; then all at once.
        sim.exchange.cancel("house", resting.id)
        sim.exchange.cancel("house", last.id)
        advance(sim, milliseconds=99)
        advance(sim, milliseconds=1)
        delta = (await stream.wait(3))[-1]
        assert delta["data"]["b"] == [{"q": "-0.512", "p": "84010", "c": "0.1"}]
        assert delta["data"]["a"] == [{"q": "-0.11", "p": "84011", "c": "0"}]
        assert delta["ts"] == sim.clock.now_ms()


async def test_a_fresh_snapshot_comes_each_minute_and_numbers_go_on(sim, quote):
    """It replaces the book; the numbering is the connection's."""
    quote("BUY", "84010", "1")
    async with Stream(sim, "orderbooks/BTC-USD") as stream:
        await stream.wait(1)
        advance(sim, seconds=59)
        advance(sim, seconds=1)
        assert (await stream.wait(2))[-1]["ts"] == sim.clock.now_ms()
        advance(sim, seconds=60)
        frames = await stream.wait(3)
        assert [frame["type"] for frame in frames] == ["SNAPSHOT"] * 3
        assert frames[2]["data"]["b"] == [{"q": "1", "p": "84010"}]


async def test_the_best_quote_is_always_a_snapshot(sim, quote):
    """depth=1: one level on each side, at most every 10 ms; for all markets without a name."""
    quote("BUY", "84010", "1")
    async with Stream(sim, "orderbooks/BTC-USD?depth=1") as best, Stream(sim, "orderbooks?depth=1") as everything:
        await best.wait(1)
        quote("BUY", "84011", "2")
        quote("BUY", "84000", "5")
        frames = await best.wait(2)
        assert [(f["type"], f["data"]["b"]) for f in frames] == [
            ("SNAPSHOT", [{"q": "1", "p": "84010"}]),
            ("SNAPSHOT", [{"q": "2", "p": "84011"}]),
        ]
        advance(sim, milliseconds=10)
        quote("BUY", "3400", "1", market="ETH-USD")
        await everything.wait(1, lambda f: f["data"]["m"] == "ETH-USD" and f["data"]["b"])


async def test_trades_prices_candles_and_funding_have_their_own_streams(sim, quote):
    """Trades and candles are lists without a type; prices have types and a null source; funding comes hourly."""
    quote("SELL", "84011", "1")
    async with (
        Stream(sim, "publicTrades/BTC-USD") as trades,
        Stream(sim, "prices/mark/BTC-USD") as marks,
        Stream(sim, "prices/index") as indices,
        Stream(sim, "candles/BTC-USD/trades?interval=PT1M") as candles,
        Stream(sim, "funding/BTC-USD") as funding,
    ):
        await marks.wait(1)
        quote("BUY", "84011", "0.25", visitor=True)
        (trade,) = await trades.wait(1)
        assert "type" not in trade
        assert [(row["S"], row["p"], row["q"]) for row in trade["data"]] == [("BUY", "84011", "0.25")]
        advance(sim, seconds=1)
        (candle,) = await candles.wait(1)
        assert candle["data"][0]["v"] == "0.25"
        sim.control.set_price("BTC-USD", index=D(84100), mark=D("84090.5"))
        mark = (await marks.wait(2))[-1]
        assert (mark["type"], mark["data"]["p"], mark["data"]["ts"]) == ("MP", "84090.5", 0)
        assert mark["sourceEventId"] is None
        index = (await indices.wait(1, lambda f: f["data"]["p"] == "84100"))[0]
        assert (index["type"], index["data"]["ts"]) == ("IP", sim.clock.now_ms())
        advance(sim, hours=1)
        advance(sim, milliseconds=1028)
        (rate,) = await funding.wait(1)
        applied_at = sim.clock.now_ms() // 3_600_000 * 3_600_000 + 1028
        assert rate["data"] == {"m": "BTC-USD", "f": "0.000013", "T": applied_at}


async def test_the_account_stream_begins_with_snapshots(sim, trader):
    """ORDER, BALANCE, POSITION, each marked; the orders that stand are in the first."""
    order = await trader.place()
    async with Stream(sim, "account", key=sim.accounts[0].api_key) as stream:
        frames = await stream.wait(4)
        assert [frame["type"] for frame in frames] == ["ORDER", "BALANCE", "POSITION", "SPOT_BALANCE"]
        assert all(frame["data"]["isSnapshot"] for frame in frames)
        (shown,) = frames[0]["data"]["orders"]
        assert (shown["id"], shown["price"], shown["qty"]) == (order["id"], "83000.000000", "0.010000")
        assert frames[1]["data"]["balance"]["balance"] == "100000.000000"
        assert frames[2]["data"]["positions"] == []


async def test_the_account_stream_tells_of_orders_fills_positions_and_balance(sim, trader, quote):
    """NEW after acceptance, TRADE under another name for the client id, POSITION, BALANCE; CLOSED when flat."""
    quote("SELL", "84011", "1")
    quote("BUY", "84000", "1")
    async with Stream(sim, "account", key=sim.accounts[0].api_key) as stream:
        await stream.wait(4)
        await trader.place(id="rests")
        (resting,) = (await stream.wait(1, section("ORDER")))[0]["data"]["orders"]
        assert (resting["status"], resting["externalId"]) == ("NEW", "rests")
        await trader.place(id="takes", type="MARKET", timeInForce="IOC", price="84500")
        (fill,) = (await stream.wait(1, section("TRADE")))[0]["data"]["trades"]
        assert (fill["externalOrderId"], fill["price"], fill["isTaker"]) == ("takes", "84011", True)
        assert "externalId" not in fill
        (position,) = (await stream.wait(1, section("POSITION")))[0]["data"]["positions"]
        assert (position["status"], position["size"]) == ("OPENED", "0.01")
        done = await stream.wait(2, section("ORDER"))
        assert done[-1]["data"]["orders"][0]["status"] == "FILLED"
        balance = (await stream.wait(1, section("BALANCE")))[-1]["data"]["balance"]
        assert D(balance["balance"]) == 100_000 - D("840.11") * D("0.00025")
        await trader.place(side="SELL", type="MARKET", timeInForce="IOC", price="83500", reduceOnly=True)
        closed = (await stream.wait(2, section("POSITION")))[-1]["data"]["positions"][0]
        assert (closed["status"], closed["size"], closed["side"]) == ("CLOSED", "0", "LONG")
        fees = (D("840.11") + D("840.00")) * D("0.00025")
        assert D(closed["realisedPnl"]) == D("-0.11") - fees


async def test_funding_is_paid_and_told_about_a_second_after_the_hour(sim, trader, quote):
    """Payment = size x mark x -rate: the long pays; BALANCE and POSITION come with it, and a row of small number."""
    quote("SELL", "84011", "1")
    await trader.place(type="MARKET", timeInForce="IOC", price="84500", qty="1")
    before = D((await trader.get("/user/balance")).data["balance"])
    async with Stream(sim, "account", key=sim.accounts[0].api_key) as stream:
        await stream.wait(4)
        advance(sim, hours=1)
        assert (await trader.get("/user/funding/history", fromTime=0)).body["data"] == []
        advance(sim, milliseconds=1028)
        due = D("84021.500000000002") * D("0.000013")
        (row,) = (await trader.get("/user/funding/history", fromTime=0)).body["data"]
        assert D(row["fundingFee"]) == -due.quantize(D("1e-12"))
        assert (row["markPrice"], row["fundingRate"], row["side"]) == ("84021.500000000002", "0.000013", "LONG")
        assert row["paidTime"] % 3_600_000 == 1028
        (position,) = (await trader.get("/user/positions")).data
        assert row["positionId"] == position["id"]
        told = (await stream.wait(1, section("BALANCE")))[-1]["data"]["balance"]["balance"]
        assert D(told) == before - due.quantize(D("1e-12"))
        await stream.wait(1, section("POSITION"))


async def test_an_order_that_is_refused_after_acceptance_says_so_on_the_stream(sim, trader):
    """REJECTED, with a reason; nothing before it."""
    async with Stream(sim, "account", key=sim.accounts[0].api_key) as stream:
        await stream.wait(4)
        sim.control.hold_decisions()
        await trader.try_order(qty="40")
        sim.control.withdraw(sim.accounts[0].account_id, D(90_000))
        sim.control.release_decisions()
        (order,) = (await stream.wait(1, section("ORDER")))[0]["data"]["orders"]
        assert (order["status"], order["statusReason"]) == ("REJECTED", "NOT_ENOUGH_FUNDS")


async def test_money_from_outside_is_told(sim):
    """DEPOSIT and WITHDRAWAL."""
    async with Stream(sim, "account", key=sim.accounts[0].api_key) as stream:
        await stream.wait(4)
        sim.control.deposit(sim.accounts[0].account_id, D(5))
        sim.control.withdraw(sim.accounts[0].account_id, D(6))
        (deposit,) = await stream.wait(1, section("DEPOSIT"))
        assert (deposit["data"]["deposit"]["amount"], deposit["data"]["deposit"]["status"]) == ("5", "PROCESSED")
        (withdrawal,) = await stream.wait(1, section("WITHDRAWAL"))
        assert withdrawal["data"]["withdrawal"]["amount"] == "6"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("account", 401),
        ("orderbooks/NO-USD", 404),
        ("orderbooks/BTC-USD?depth=5", 404),
        ("mark-prices/BTC-USD", 404),
        ("candles/BTC-USD/trades?interval=1m", 404),
        ("nothing", 404),
    ],
)
async def test_a_stream_that_there_is_not_refuses_the_upgrade(sim, path, status):
    """As a private one does without a key."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        async with Stream(sim, path):
            raise AssertionError("it was let in")
    assert caught.value.status == status


async def test_a_plain_request_to_a_stream_is_404(sim):
    """There is no event stream over HTTP."""
    async with aiohttp.ClientSession() as session:
        for url in (f"{sim.ws_url}/orderbooks/BTC-USD", sim.rpc_url):
            async with session.get(url.replace("ws://", "http://")) as response:
                assert response.status == 404


async def test_a_client_that_answers_no_pings_is_cut_off():
    """The venue pings each 15 s and wants a pong within 10; here faster."""
    async with (
        LocalExtended(ping_interval_s=0.02, pong_timeout_s=0.02) as sim,
        Stream(sim, "prices/mark/BTC-USD") as healthy,
        Stream(sim, "prices/mark/BTC-USD", autoping=False) as deaf,
    ):
        await deaf.closed.wait()
        assert deaf.close_code == 1006
        assert not healthy.closed.is_set()


async def test_accounts_hear_only_of_themselves(sim, other):
    """Another's order does not show."""
    async with Stream(sim, "account", key=sim.accounts[0].api_key) as stream, Client(sim, Signer(sim, sim.accounts[0])):
        await stream.wait(4)
        await other.place()
        sim.control.deposit(sim.accounts[0].account_id, D(1))
        await stream.wait(1, section("DEPOSIT"))
        assert not [f for f in stream.frames if section("ORDER")(f)]
