"""The WebSocket's session: JSON-RPC, signing in, subscriptions, limits, pings, slow clients."""

import asyncio
import json
from datetime import timedelta
from decimal import Decimal

import aiohttp
import pytest

from perpkit.sim.orders import Side
from perpkit.sim.venues.paradex import LocalParadex
from perpkit.sim.venues.paradex.connection import PING_INTERVAL_S, PONG_TIMEOUT_S, QUEUE_LIMIT
from tests.waiting import until

from .harness import RefusedError, Socket


async def refusal(awaitable):
    with pytest.raises(RefusedError) as caught:
        await awaitable
    return caught.value.code


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("{", -32700),
        ("[]", -32600),
        ('"hello"', -32600),
        ('{"method": "auth", "id": null}', -32600),
        ('{"jsonrpc": "1.0", "method": "auth", "id": null}', -32600),
        ('{"jsonrpc": "2.0", "method": 5, "id": null}', -32600),
        ('{"jsonrpc": "2.0", "method": "login", "id": null}', -32601),
        ('{"jsonrpc": "2.0", "method": "subscribe", "id": null}', -32602),
        ('{"jsonrpc": "2.0", "method": "subscribe", "params": [], "id": null}', -32602),
        ('{"jsonrpc": "2.0", "method": "subscribe", "params": {"channel": 5}, "id": null}', -32602),
        ('{"type": "subscribe", "channels": ["orders"], "id": null}', -32600),
    ],
)
async def test_a_message_that_is_no_call_is_refused_with_its_code(sim, text, code):
    """Parse error, invalid request, unknown method, invalid parameters; the connection stays."""
    async with Socket(sim) as socket:
        assert (await socket.send_text(text))["error"]["code"] == code
        await socket.subscribe("trades.BTC-USD-PERP")


async def test_answers_carry_the_venues_timing(sim):
    """``usIn`` and ``usOut`` are times of the venue's clock, ``usDiff`` their difference; ids come back as sent."""
    async with Socket(sim) as socket:
        await socket.socket.send_str(
            '{"jsonrpc": "2.0", "method": "subscribe", "params": {"channel": "x"}, "id": "abc"}'
        )
        future = asyncio.get_running_loop().create_future()
        socket._answers["abc"] = future
        frame = await asyncio.wait_for(future, 5)
    assert (frame["id"], frame["usIn"], frame["usDiff"]) == ("abc", sim.clock.now_ns(), 0)


async def test_a_call_without_an_id_is_served_and_not_answered(sim, quote):
    """A notification subscribes all the same."""
    async with Socket(sim) as socket:
        call = {"jsonrpc": "2.0", "method": "subscribe", "params": {"channel": "trades.BTC-USD-PERP"}}
        await socket.socket.send_str(json.dumps(call))
        await socket.settle()
        quote("SELL", "100000", "1")
        quote("BUY", "100000", "1", visitor=True)
        await socket.wait("trades.BTC-USD-PERP")


async def test_a_malformed_bearer_is_told_from_an_invalid_one(sim, trader):
    """40110 for what is no token, 40111 for one that is not valid (any more)."""
    async with Socket(sim) as socket:
        assert await refusal(socket.call("auth", bearer="nonsense")) == 40110
        assert await refusal(socket.call("auth", bearer=trader.token[:-4] + "AAAA")) == 40111
        sim.clock.advance(timedelta(minutes=5))
        assert await refusal(socket.call("auth", bearer=trader.token)) == 40111
        assert await refusal(socket.call("auth")) == -32602


@pytest.mark.parametrize(
    "channel",
    [
        "account",
        "balance_events",
        "fills.ALL",
        "funding_payments.BTC-USD-PERP",
        "orders.ALL",
        "positions",
        "transaction",
        "transfers",
    ],
)
async def test_a_private_channel_needs_a_signed_in_client(sim, channel):
    """RefusedError before auth."""
    async with Socket(sim) as socket:
        assert await refusal(socket.call("subscribe", channel=channel)) == 40111


async def test_a_session_outlives_its_token(sim, trader):
    """Signed in once, a connection stays so; a read-only token may follow private channels."""
    async with Socket(sim, trader.token) as socket, Socket(sim, sim.accounts[0].readonly_token) as reader:
        sim.clock.advance(timedelta(minutes=6))
        await socket.subscribe("orders.ALL")
        await reader.subscribe("orders.ALL")


async def test_subscribing_twice_and_unsubscribing_from_nothing_are_errors(sim):
    """Both are refused; after unsubscribing, subscribing works again and nothing came in between."""
    async with Socket(sim) as socket:
        channel = "bbo.BTC-USD-PERP"
        assert await refusal(socket.call("unsubscribe", channel=channel)) == -32602
        await socket.subscribe(channel)
        assert await refusal(socket.call("subscribe", channel=channel)) == -32602
        assert await socket.call("unsubscribe", channel=channel) == {"channel": channel}
        await socket.subscribe(channel)


@pytest.mark.parametrize(
    "channel",
    [
        "orderbook.BTC-USD-PERP",
        "orders",
        "fills",
        "trades",
        "bbo",
        "trades.NO-USD-PERP",
        "order_book.BTC-USD-PERP",
        "order_book.BTC-USD-PERP.snapshot@20@100ms",
        "order_book.BTC-USD-PERP.snapshot@15@10ms",
        "order_book.BTC-USD-PERP.full@15@100ms",
        "order_book.BTC-USD-PERP.snapshot@15@100ms@0.1",
        "order_book.BTC-USD-PERP.snapshot@15@100ms@7",
        "order_book.BTC-USD-PERP.snapshot@15@100ms@0_01",
        "order_book.NO-USD-PERP.deltas@15@50ms",
        "rfq",
        "tradebusts",
        "account.ALL",
        "",
    ],
)
async def test_an_unknown_channel_is_refused(sim, channel):
    """Guessed names, unknown markets, rates, depths and ticks outside the contract or off the market's own."""
    async with Socket(sim) as socket:
        assert await refusal(socket.call("subscribe", channel=channel)) == -32602


async def test_new_connections_are_limited(sim):
    """Twenty in a second; the next handshake is answered 429, and a second later one passes."""
    sockets = [Socket(sim) for _ in range(20)]
    for socket in sockets:
        await socket.__aenter__()
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await Socket(sim).__aenter__()
    assert refused.value.status == 429
    sim.clock.advance(timedelta(seconds=1))
    async with Socket(sim):
        assert sim.connections == 21
    for socket in sockets:
        await socket.__aexit__()


async def test_a_plain_request_to_the_sockets_path_is_unknown(sim, anybody):
    """Without an upgrade there is nothing at ``/v1``."""
    assert (await anybody.get("")).refusal == (404, "NOT_FOUND")


@pytest.fixture
async def hasty():
    """A venue that pings often and lets few frames wait."""
    async with LocalParadex(seed=1, ping_interval_s=0.05, pong_timeout_s=0.5, queue_limit=20) as venue:
        yield venue


async def test_a_client_that_answers_pings_stays(hasty):
    """Several pings pass, the connection stands."""
    pings = 0
    async with aiohttp.ClientSession() as session, session.ws_connect(hasty.ws_url, autoping=False) as socket:
        while pings < 4:
            message = await socket.receive(timeout=5)
            assert message.type is aiohttp.WSMsgType.PING
            pings += 1
            await socket.pong(message.data)
        assert hasty.connections == 1


async def test_a_client_that_answers_no_ping_is_cut_off(hasty):
    """No pong within the limit ends the connection."""
    async with aiohttp.ClientSession() as session, session.ws_connect(hasty.ws_url, autoping=False) as socket:
        while True:
            message = await socket.receive(timeout=5)
            if message.type is not aiohttp.WSMsgType.PING:
                break
        assert message.type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR, aiohttp.WSMsgType.CLOSE}
    await until(lambda: hasty.connections == 0)


async def test_a_client_that_lets_too_many_messages_wait_is_cut_off(hasty):
    """Thirty trades in one go are more than the twenty that may wait here."""
    channel = "trades.BTC-USD-PERP"
    async with aiohttp.ClientSession() as session, session.ws_connect(hasty.ws_url) as socket:
        call = {"jsonrpc": "2.0", "method": "subscribe", "params": {"channel": channel}, "id": 1}
        await socket.send_str(json.dumps(call))
        await socket.receive(timeout=5)
        hasty.control.place_liquidity("BTC-USD-PERP", asks=[(Decimal(100010), Decimal(10))])
        for _ in range(30):
            hasty.control.trade("BTC-USD-PERP", Side.BUY, Decimal("0.1"))
        while True:
            message = await socket.receive(timeout=5)
            if message.type is not aiohttp.WSMsgType.TEXT:
                break
    await until(lambda: hasty.connections == 0)


def test_the_documented_figures_are_the_defaults():
    """2,000 messages, a ping every 55 seconds, 5 seconds for the pong."""
    assert (QUEUE_LIMIT, PING_INTERVAL_S, PONG_TIMEOUT_S) == (2000, 55, 5)
