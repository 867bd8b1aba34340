"""Planned faults strike on this venue's wire, over REST and over the WebSocket."""

import asyncio
import json
from datetime import timedelta
from decimal import Decimal

import aiohttp
import pytest

from perpkit.sim.faults import Fault, FaultAction, FaultTarget

from .harness import RefusedError, Socket


def plan(sim, action, match="*", target=FaultTarget.HTTP, **fields):
    return sim.faults.add(Fault(action=action, target=target, match=match, **fields))


async def raw(client, method, path, body=None):
    """Send a request whose answer need not fit the contract."""
    headers = {"Authorization": f"Bearer {client.token}"}
    async with client._session.request(method, client.sim.url + path, json=body, headers=headers) as response:
        return response.status, await response.text(), response.headers


@pytest.mark.parametrize(("action", "count"), [(FaultAction.DROP_BEFORE, 0), (FaultAction.DROP_AFTER, 1)])
async def test_an_order_without_an_answer_was_taken_or_not(sim, trader, action, count):
    """The connection breaks either way; only the venue knows whether there is an order."""
    plan(sim, action, "POST /v1/orders")
    with pytest.raises(aiohttp.ClientError):
        await raw(trader, "POST", "/orders", trader.signer.order())
    assert len((await trader.get("/orders")).results) == count


async def test_a_429_comes_with_or_without_the_time_to_wait(sim, trader):
    """As planned, once each; then the venue answers as usual."""
    plan(sim, FaultAction.STATUS, "GET /v1/balance", status=429, retry_after="2")
    plan(sim, FaultAction.STATUS, "GET /v1/balance", status=429, skip=1)
    first, second = await raw(trader, "GET", "/balance"), await raw(trader, "GET", "/balance")
    assert (first[0], first[2]["Retry-After"]) == (429, "2")
    assert (second[0], "Retry-After" in second[2]) == (429, False)
    assert (await trader.get("/balance")).status == 200


async def test_bodies_are_html_truncated_or_have_fields_too_many(sim, trader):
    """The order behind each answer is there all the same where it was processed."""
    plan(sim, FaultAction.HTML, "POST /v1/orders", status=502)
    status, text, _ = await raw(trader, "POST", "/orders", trader.signer.order())
    assert (status, text.startswith("<html>")) == (502, True)
    plan(sim, FaultAction.TRUNCATE, "POST /v1/orders")
    status, text, _ = await raw(trader, "POST", "/orders", trader.signer.order())
    assert status == 201
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(text)
    plan(sim, FaultAction.EXTRA_FIELDS, "POST /v1/orders")
    _, text, _ = await raw(trader, "POST", "/orders", trader.signer.order())
    assert "perpkit_unknown_text" in json.loads(text)
    assert len((await trader.get("/orders")).results) == 2


async def test_tokens_expire_on_plan_and_by_the_back_door(sim, trader):
    """Five-minute tokens only: a read-only token lives on."""
    plan(sim, FaultAction.EXPIRE_TOKENS, "GET /v1/account")
    assert (await trader.get("/account")).refusal == (401, "INVALID_TOKEN")
    trader.token = (await trader.sign_in()).body["jwt_token"]
    assert (await trader.get("/account")).status == 200
    sim.expire_tokens()
    assert (await trader.get("/account")).refusal == (401, "INVALID_TOKEN")
    trader.token = sim.accounts[0].readonly_token
    assert (await trader.get("/account")).status == 200


async def test_a_gap_leaves_one_delta_out(sim, quote):
    """The numbers jump by two."""
    channel = "order_book.BTC-USD-PERP.deltas@15@50ms"
    plan(sim, FaultAction.GAP, channel, FaultTarget.FRAME, skip=2)
    async with Socket(sim) as socket:
        await socket.subscribe(channel)
        for price in ("100010", "100011", "100012"):
            quote("SELL", price, "1")
            sim.clock.advance(timedelta(milliseconds=50))
        frames = await socket.wait(channel, 3)
    assert [frame["seq_no"] for frame in frames] == [0, 1, 3]


async def test_a_frame_is_doubled_and_another_comes_late(sim, quote):
    """Two trades as three frames, and the third trade before the second."""
    channel = "trades.BTC-USD-PERP"
    plan(sim, FaultAction.DUPLICATE, channel, FaultTarget.FRAME)
    plan(sim, FaultAction.REORDER, channel, FaultTarget.FRAME, skip=1)
    quote("SELL", "100010", "10")
    async with Socket(sim) as socket:
        await socket.subscribe(channel)
        for size in ("1", "2", "3"):
            quote("BUY", "100010", size, visitor=True)
        frames = await socket.wait(channel, 4)
    assert [frame["size"] for frame in frames] == ["1", "1", "3", "2"]


@pytest.mark.parametrize("code", [1001, 1011, 1006])
async def test_the_venue_hangs_up_with_the_planned_code(sim, quote, code):
    """In the middle of a subscription; 1006 is a broken connection."""
    plan(sim, FaultAction.DISCONNECT, "trades.*", FaultTarget.FRAME, close_code=code)
    async with Socket(sim) as socket:
        await socket.subscribe("trades.ALL")
        quote("SELL", "100010", "1")
        quote("BUY", "100010", "1", visitor=True)
        async with asyncio.timeout(5):
            await socket.closed.wait()
        assert socket.close_code == code


async def test_a_half_open_connection_says_nothing_more(sim, quote):
    """It stands, and answers nothing."""
    plan(sim, FaultAction.HALF_OPEN, "trades.*", FaultTarget.FRAME)
    async with Socket(sim) as socket:
        await socket.subscribe("trades.ALL")
        quote("SELL", "100010", "1")
        quote("BUY", "100010", "1", visitor=True)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await socket.settle()
        assert not socket.closed.is_set()


async def test_a_call_is_lost_before_or_after_it_was_served(sim, trader):
    """The connection breaks; after ``drop_after`` the order is there."""
    for action, count in ((FaultAction.DROP_BEFORE, 0), (FaultAction.DROP_AFTER, 1)):
        plan(sim, action, "order.create", FaultTarget.RPC)
        async with Socket(sim, trader.token) as socket:
            with pytest.raises(asyncio.CancelledError):
                await socket.call("order.create", **trader.signer.order())
        assert len((await trader.get("/orders")).results) == count


async def test_a_channel_goes_missing_and_a_handshake_is_refused(sim):
    """Only what is planned, and only so often."""
    plan(sim, FaultAction.MISSING_CHANNEL, "subscribe bbo.*", FaultTarget.RPC)
    async with Socket(sim) as socket:
        with pytest.raises(RefusedError) as refused:
            await socket.subscribe("bbo.ALL")
        assert refused.value.code == -32602
        await socket.subscribe("bbo.ALL")
    plan(sim, FaultAction.STATUS, "/v1", FaultTarget.CONNECT, status=503)
    with pytest.raises(aiohttp.WSServerHandshakeError) as turned_away:
        await Socket(sim).__aenter__()
    assert turned_away.value.status == 503
    async with Socket(sim):
        assert sim.connections == 1


async def test_the_back_door_is_reached_over_http(sim, anybody):
    """Another process moves a price there, and the venue's own answer shows it."""
    async with (
        aiohttp.ClientSession() as session,
        session.post(sim.control_url + "/set_price", json={"market": "BTC-USD-PERP", "index": "101000"}) as response,
    ):
        assert response.status == 200, await response.text()
    (row,) = (await anybody.get("/markets/summary", market="BTC-USD-PERP")).results
    assert Decimal(row["underlying_price"]) == 101000


async def test_decisions_can_be_held(sim, trader):
    """While held an order is NEW and a cancel only queued; both are decided on release."""
    sim.control.hold_decisions()
    placed = await trader.place(client_id="held")
    assert (await trader.get(f"/orders/{placed['id']}")).body["status"] == "NEW"
    assert (await trader.get("/orders/by_client_id/held")).refusal == (400, "CLIENT_ORDER_ID_NOT_FOUND")
    assert (await trader.delete(f"/orders/{placed['id']}")).status == 204
    assert (await trader.get(f"/orders/{placed['id']}")).body["status"] == "NEW"
    sim.control.release_decisions()
    (closed,) = (await trader.get("/orders-history")).results
    assert (closed["status"], closed["cancel_reason"]) == ("CLOSED", "USER_CANCELED")
