"""The server's own life: starting, stopping, starting again, and errors that must not be lost."""

import asyncio

import pytest

from perpkit.sim.clock import SimClock
from perpkit.sim.venues.paradex import LocalParadex

from .harness import Client, Signer, Socket


async def test_stopping_lets_clients_go_and_leaves_no_task(sim, trader):
    """Clients see 1001; nothing of the venue is still running."""
    async with Socket(sim, trader.token) as socket:
        await socket.subscribe("order_book.BTC-USD-PERP.deltas@15@50ms")
        await sim.stop()
        async with asyncio.timeout(5):
            await socket.closed.wait()
        assert socket.close_code == 1001
    left = [task.get_name() for task in asyncio.all_tasks() if "paradex" in task.get_name()]
    assert left == []


async def test_a_venue_that_was_down_comes_back_as_it_was(sim, trader, quote):
    """Stopped and started: the same address, orders and tokens still stand, streams work again."""
    placed = await trader.place(client_id="kept")
    url = sim.url
    await sim.stop()
    await sim.start()
    assert sim.url == url
    assert [o["id"] for o in (await trader.get("/orders")).results] == [placed["id"]]
    async with Socket(sim, trader.token) as socket:
        await socket.subscribe("orders.ALL")
        await socket.subscribe("bbo.BTC-USD-PERP")
        quote("SELL", "99000", "1")
        (update,) = await socket.wait("orders.ALL", where=lambda o: o["status"] == "CLOSED")
        assert update["id"] == placed["id"]


async def test_background_liquidity_quotes_every_market_and_once_only():
    """Ten levels on each side of each market, also after a restart."""
    async with LocalParadex(seed=4, liquidity=True) as sim:
        await sim.stop()
        await sim.start()
        async with Client(sim) as client:
            for market in ("BTC-USD-PERP", "ETH-USD-PERP", "SOL-USD-PERP", "kPEPE-USD-PERP"):
                book = (await client.get(f"/orderbook/{market}", depth=50)).body
                assert (len(book["bids"]), len(book["asks"])) == (10, 10)


async def test_real_time_follows_the_machines_clock():
    """Summaries and funding come by themselves, and a token lives 300 seconds from now."""
    clock = SimClock.real_time()
    async with LocalParadex(seed=5, clock=clock, liquidity=True) as sim, Client(sim) as client:
        async with Socket(sim) as socket:
            await socket.subscribe("funding_data.BTC-USD-PERP")
            await socket.subscribe("trades.ALL")
            await socket.wait("funding_data.BTC-USD-PERP", 2)
            await socket.wait("trades.ALL")
        assert abs(int((await client.get("/system/time")).body["server_time"]) - clock.now_ms()) < 5000


async def test_an_error_in_the_hub_ends_the_venue_loudly(monkeypatch):
    """What fails while events are handed on is raised when the venue stops."""
    with pytest.raises(ZeroDivisionError):
        async with LocalParadex(seed=6) as sim:
            monkeypatch.setattr("perpkit.sim.venues.paradex.hub.wire_orders.order_body", lambda *_: 1 // 0)
            async with Client(sim, Signer(sim, sim.accounts[0])) as client:
                answer = await client.post("/orders", client.signer.order())
                assert answer.refusal == (500, "INTERNAL_ERROR")
