"""The v2 stream: JSON-RPC, many topics on one connection, one numbering for all."""

import json
from decimal import Decimal

from .harness import Stream, advance, section

D = Decimal


async def test_topics_share_one_count_from_zero(sim, trader, quote):
    """Each names its subscription and its type; answers carry no number. The harness holds the count."""
    quote("BUY", "84010", "1")
    quote("SELL", "84011", "1")
    account = sim.accounts[0]
    async with Stream(sim) as stream:
        full = {"market": "BTC-USD", "depth": "full", "rfqOnly": False}
        assert await stream.subscribe("orderbooks", **full) == "orderbooks.BTC-USD"
        assert await stream.subscribe("orderbooks", market="BTC-USD", depth="1") == "orderbooks.1.BTC-USD"
        assert await stream.subscribe("trades", market=None) == "trades.all"
        assert await stream.subscribe("prices", type="mark", market="BTC-USD") == "prices.mark.BTC-USD"
        assert await stream.subscribe("funding-rates", market="BTC-USD") == "funding-rates.BTC-USD"
        topic = await stream.subscribe("candles", type="last", market="BTC-USD", interval="PT1M")
        assert topic == "candles.last.BTC-USD.PT1M"
        topic = await stream.subscribe("account", key=account.api_key, account=account.account_id)
        assert topic == f"account.{account.account_id}"
        await trader.place(type="MARKET", timeInForce="IOC", price="84500")
        await stream.wait(1, section_of("TRADE"))
        advance(sim, seconds=1)
        sim.control.set_price("BTC-USD", index=D(84100), mark=D(84090))
        advance(sim, hours=1, seconds=2)
        await stream.settle()
        kinds = {(f["subscription"], f["type"]) for f in stream.frames}
        mine = f"account.{account.account_id}"
        assert kinds >= {
            ("orderbooks.BTC-USD", "ORDERBOOKS.SNAPSHOT"),
            ("orderbooks.BTC-USD", "ORDERBOOKS.DELTA"),
            ("orderbooks.1.BTC-USD", "ORDERBOOKS.SNAPSHOT"),
            ("trades.all", "TRADES"),
            ("prices.mark.BTC-USD", "PRICES.MP"),
            ("funding-rates.BTC-USD", "FUNDING_RATES"),
            ("candles.last.BTC-USD.PT1M", "CANDLES"),
            *((mine, f"ACCOUNT.{word}") for word in ("ORDER", "TRADE", "BALANCE", "POSITION", "SPOT_BALANCE")),
        }
        books = [f for f in stream.frames if f["subscription"].startswith("orderbooks")]
        depths = {f["subscription"]: f["data"]["d"] for f in books}
        assert depths == {"orderbooks.BTC-USD": "f", "orderbooks.1.BTC-USD": "1"}


def section_of(word):
    """Return a filter for an account section that leaves other topics aside."""
    return lambda frame: frame["subscription"].startswith("account.") and section(word)(frame)


async def test_trades_are_replayed_and_a_second_subscription_snapshots_again(sim, quote):
    """The last 50 trades for a new subscriber of trades; a book subscribed to twice begins anew."""
    quote("SELL", "84011", "10")
    for _ in range(60):
        quote("BUY", "84011", "0.01", visitor=True)
    async with Stream(sim) as stream:
        await stream.subscribe("trades", market="BTC-USD")
        (replayed,) = await stream.wait(1)
        tape = [int(trade.id) for trade in sim.exchange.trades("BTC-USD")]
        assert [row["i"] for row in replayed["data"]] == tape[-50:]
        await stream.subscribe("orderbooks", market="BTC-USD", depth="full")
        await stream.subscribe("orderbooks", market="BTC-USD", depth="full")
        frames = await stream.wait(3)
        assert [frame["type"] for frame in frames[1:]] == ["ORDERBOOKS.SNAPSHOT"] * 2
        assert (await stream.call("list-subscriptions"))["result"]["subscriptions"] == [
            "orderbooks.BTC-USD",
            "trades.BTC-USD",
        ]


async def test_an_unsubscribed_topic_is_silent(sim, quote):
    """And can't be left twice."""
    selector = {"market": "BTC-USD", "depth": "full", "rfqOnly": False}
    async with Stream(sim) as stream:
        await stream.subscribe("orderbooks", **selector)
        assert (await stream.call("unsubscribe", scope="orderbooks", selector=selector))["result"]["status"] == "OK"
        quote("BUY", "84010", "1")
        await stream.settle()
        assert len(stream.frames) == 1
        again = await stream.call("unsubscribe", scope="orderbooks", selector=selector)
        assert again["error"]["code"] == -32602


async def test_the_rfq_book_shows_markets_with_quotes_on_request(sim, quote):
    """Others have none: their snapshot does not come."""
    quote("BUY", "179", "1", market="NVDA-USD")
    async with Stream(sim) as stream:
        await stream.subscribe("orderbooks", market="BTC-USD", depth="full", rfqOnly=True)
        topic = await stream.subscribe("orderbooks", market="NVDA-USD", depth="full", rfqOnly=True)
        await stream.settle()
        assert [(f["subscription"], f["data"]["b"]) for f in stream.frames] == [(topic, [{"q": "1", "p": "179"}])]


async def test_calls_that_are_malformed_are_told_why(sim):
    """By the JSON-RPC codes; a wrong key by -32001."""
    account = sim.accounts[0]
    async with Stream(sim) as stream:
        assert (await stream.ask("{", None))["error"]["code"] == -32700
        assert (await stream.ask("[]", None))["error"]["code"] == -32600
        assert (await stream.ask({"id": 5, "jsonrpc": "2.0", "method": "ping"}, 5))["error"]["code"] == -32600
        assert (await stream.ask({"id": "x", "method": "ping"}, "x"))["error"]["code"] == -32600
        assert (await stream.call("nothing"))["error"]["code"] == -32601
        assert (await stream.call("subscribe", scope="trades"))["error"]["code"] == -32602
        selector = {"market": 5}
        assert (await stream.call("subscribe", scope="trades", selector=selector))["error"]["code"] == -32602
        selector = {"account": account.account_id}
        for key in (None, "wrong", sim.accounts[1].api_key):
            answer = await stream.call("subscribe", scope="account", selector=selector, apiKey=key)
            assert answer["error"]["code"] == -32001


async def test_a_selector_that_names_nothing_gets_no_answer(sim):
    """The next call is answered as if it had not been."""
    async with Stream(sim) as stream:
        for selector in ({"market": "NO-USD"}, {"market": "BTC-USD", "depth": "5"}):
            call = {"jsonrpc": "2.0", "id": "lost", "method": "subscribe"}
            await stream.socket.send_str(json.dumps(call | {"params": {"scope": "orderbooks", "selector": selector}}))
        assert (await stream.call("list-subscriptions"))["result"]["subscriptions"] == []
