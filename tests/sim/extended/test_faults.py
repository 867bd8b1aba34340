"""Planned faults, by the names that the documentation gives them."""

import asyncio
import json

import aiohttp
import pytest

from .harness import Client, Signer, Stream, advance, section


async def test_a_gap_skips_a_number_on_both_protocols(sim, quote):
    """The message is lost, and the count shows it."""
    sim.control.inject("gap", target="frame", match="orderbooks.BTC-USD", skip=2, times=2)
    async with Stream(sim, "orderbooks/BTC-USD", gaps=True) as one, Stream(sim, gaps=True) as many:
        await many.subscribe("orderbooks", market="BTC-USD", depth="full")
        await one.wait(1)
        await many.wait(1)
        for price in ("84000", "84001"):
            quote("BUY", price, "1")
            await many.settle()
            advance(sim, milliseconds=100)
        assert [f["seq"] for f in await one.wait(2)] == [1, 3]
        assert [f["seq"] for f in await many.wait(2)] == [0, 2]


async def test_frames_are_doubled_reordered_and_the_line_dropped(sim, quote):
    """Each once."""
    sim.control.inject("duplicate", target="frame", match="account.ORDER", skip=1)
    sim.control.inject("reorder", target="frame", match="prices.mark.BTC-USD", skip=1)
    sim.control.inject("disconnect", target="frame", match="trades.*", close_code=1012)
    async with (
        Stream(sim, "account", key=sim.accounts[0].api_key, gaps=True) as account,
        Stream(sim, "prices/mark/BTC-USD", gaps=True) as prices,
        Stream(sim, "publicTrades/BTC-USD") as trades,
    ):
        await account.wait(4)
        sim.control.hold_decisions()
        await place(sim)
        sim.control.release_decisions()
        first, second = await account.wait(2, section("ORDER"))
        assert first == second
        await prices.wait(1)
        for step in (1, 2):
            sim.control.set_price("BTC-USD", index=sim.exchange.index_price("BTC-USD") + step)
        assert [f["seq"] for f in await prices.wait(3)] == [1, 3, 2]
        quote("SELL", "84011", "1")
        quote("BUY", "84011", "1", visitor=True)
        await trades.closed.wait()
        assert trades.close_code == 1012


async def place(sim):
    async with Client(sim, Signer(sim, sim.accounts[0])) as client:
        return await client.try_order()


async def test_an_order_can_be_taken_without_an_answer(sim, trader):
    """The line breaks after processing; the order is found by its external id."""
    sim.control.inject("drop_after", match="POST /api/v1/user/order")
    with pytest.raises(aiohttp.ClientError):
        await trader.try_order(id="lost")
    assert len((await trader.get("/user/orders/external/lost")).data) == 1


async def test_requests_can_be_refused_by_status(sim, trader):
    """With any body; the next one passes."""
    body = json.dumps({"status": "ERROR", "error": {"code": 1010, "message": "maintenance"}})
    sim.control.inject("status", match="GET /api/v1/user/balance", status=503, body=body)
    assert (await trader.get("/user/balance")).refusal == (503, 1010)
    assert (await trader.get("/user/balance")).status == 200


async def test_handshakes_can_fail(sim):
    """By the path of the stream."""
    sim.control.inject("status", target="connect", match="/stream.extended.exchange/v1/*", status=502)
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        async with Stream(sim, "orderbooks/BTC-USD"):
            raise AssertionError("it was let in")
    assert caught.value.status == 502


async def test_calls_over_v2_can_go_unanswered_or_break_the_line(sim):
    """``missing_channel`` and hangs leave them open; a drop ends the connection; revoked keys open nothing."""
    account = sim.accounts[0]
    sim.control.inject("missing_channel", target="rpc", match="subscribe trades.*")
    sim.control.inject("hang_after", target="rpc", match="subscribe prices.*")
    sim.control.inject("expire_tokens", target="rpc", match="subscribe account.*")
    sim.control.inject("drop_before", target="rpc", match="unsubscribe *")
    async with Stream(sim) as stream:
        prices = {"type": "mark", "market": "BTC-USD"}
        calls = [
            asyncio.create_task(stream.call("subscribe", scope="trades", selector={"market": "BTC-USD"})),
            asyncio.create_task(stream.call("subscribe", scope="prices", selector=prices)),
        ]
        await stream.wait(1)
        assert (await stream.call("list-subscriptions"))["result"]["subscriptions"] == ["prices.mark.BTC-USD"]
        answer = await stream.call(
            "subscribe", scope="account", selector={"account": account.account_id}, apiKey=account.api_key
        )
        assert answer["error"]["code"] == -32001
        calls.append(asyncio.create_task(stream.call("unsubscribe", scope="trades", selector={"market": "BTC-USD"})))
        await stream.closed.wait()
        assert stream.close_code == 1006
        await asyncio.gather(*calls, return_exceptions=True)
        assert all(call.cancelled() for call in calls)


async def test_a_client_that_lets_too_much_wait_is_cut_off(sim):
    """A half-open line sends nothing more, pings included."""
    sim.control.inject("half_open", target="frame", match="prices.mark.BTC-USD")
    async with Stream(sim, "prices/mark/BTC-USD", gaps=True) as stream, Stream(sim, "prices/mark/BTC-USD") as other:
        await other.wait(1)
        sim.control.set_price("BTC-USD", index=sim.exchange.index_price("BTC-USD") + 1)
        await other.wait(2)
        assert stream.frames == []
        assert not stream.closed.is_set()
