"""Planned faults strike on this venue's wire, under the names that the documentation gives."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal

import aiohttp
import pytest

from perpkit.core.models.order import Side
from perpkit.sim.faults import FaultTarget

from .harness import V1, Signer, Socket

D = Decimal


async def post(sim, info):
    """Send a transaction whose answer need not fit the contract."""
    data = {"tx_type": "14", "tx_info": json.dumps(info)}
    async with aiohttp.ClientSession() as session, session.post(f"{sim.url}{V1}/sendTx", data=data) as response:
        return response.status, await response.text()


@pytest.mark.parametrize(("action", "nonce"), [("drop_before", 0), ("drop_after", 1)])
async def test_a_transaction_without_an_answer_was_accepted_or_not(sim, trader, action, nonce):
    """The connection breaks either way; the venue's next nonce tells."""
    sim.control.inject(action, match="POST /api/v1/sendTx")
    with pytest.raises(aiohttp.ClientError):
        await post(sim, trader.signer.order())
    assert (await trader.get("nextNonce", account_index=trader.index, api_key_index=4))["nonce"] == nonce
    assert len((await trader.get("accountActiveOrders", account_index=trader.index))["orders"]) == nonce


async def test_a_transaction_may_answer_with_a_status_of_its_own(sim, trader):
    """503 before and after processing."""
    for action, status, count in (("status", 503, 0), ("status_after", 503, 1), ("html", 502, 1)):
        sim.control.inject(action, match="POST /api/v1/sendTx", status=status)
        assert (await post(sim, trader.signer.order()))[0] == status
        assert len(sim.exchange.open_orders(str(trader.index))) == count


async def test_a_frame_left_out_of_the_book_shows_in_the_nonces(sim, quote):
    """begin_nonce is not the nonce before; offsets tell nothing, since they leave numbers out anyway."""
    async with Socket(sim) as socket:
        first = await socket.subscribe("order_book/0")
        sim.control.inject("gap", target="frame", match="order_book:0")
        quote()
        sim.control.advance(timedelta(milliseconds=50))
        await socket.subscribe("ticker/0")
        sim.control.trade("ETH", Side.BUY, D("0.1"))
        sim.control.advance(timedelta(milliseconds=50))
        frame = (await socket.updates("order_book:0"))[0]
    assert frame["order_book"]["begin_nonce"] != first["order_book"]["nonce"]


async def test_frames_are_repeated_and_broken(sim, quote):
    """Under the inbound name of the channel."""
    async with Socket(sim) as socket:
        await socket.subscribe("trade/0")
        sim.control.inject("duplicate", target="frame", match="trade:0")
        quote()
        sim.control.trade("ETH", Side.BUY, D("0.1"))
        first, second = await socket.updates("trade:0", 2)
        assert first == second
        sim.control.inject("disconnect", target="frame", match="trade:0", close_code=1011)
        sim.control.trade("ETH", Side.BUY, D("0.1"))
        await socket.closed.wait()
        assert socket.socket.close_code == 1011


@pytest.mark.parametrize(("action", "count"), [("drop_before", 0), ("drop_after", 1)])
async def test_a_transaction_over_the_socket_may_break_it(sim, trader, action, count):
    """Processed or not, there is no answer."""
    async with Socket(sim) as socket:
        sim.control.inject(action, target="rpc", match="jsonapi/sendtx")
        info = trader.signer.order()
        await socket.say({"type": "jsonapi/sendtx", "data": {"tx_type": 14, "tx_info": info}})
        await socket.closed.wait()
        assert "jsonapi/sendtx" not in socket.frames
    assert len(sim.exchange.open_orders(str(trader.index))) == count


async def test_a_subscription_is_refused_as_unknown_or_never_answered(sim, trader):
    """``subscribe CHANNEL``, by the name that the channel's frames bear."""
    channel = f"account_all_orders/{trader.index}"
    async with Socket(sim, Signer(sim, sim.accounts[0])) as socket:
        sim.control.inject("missing_channel", target="rpc", match=f"subscribe account_all_orders:{trader.index}")
        await socket.say({"type": "subscribe", "channel": channel, "auth": trader.signer.token()})
        assert await socket.error() == {"code": 30005, "message": f"Invalid Channel:  ({channel})"}
        sim.control.inject("hang_before", target="rpc", match="subscribe trade:*")
        await socket.say({"type": "subscribe", "channel": "trade/0"})
        await socket.subscribe("ticker/0")
        assert not socket.frames["trade:0"]
        sim.control.inject("expire_tokens", target=FaultTarget.RPC, match="subscribe user_stats:*")
        token = trader.signer.token()
        await trader.get("accountLimits", token=token, account_index=trader.index)
        await socket.say({"type": "subscribe", "channel": f"user_stats/{trader.index}", "auth": token})
        assert await socket.error() == {"code": 20013, "message": "invalid auth: expired token"}


async def test_a_handshake_is_refused(sim):
    """Under the stream's path."""
    sim.control.inject("status", target="connect", match="/stream", status=503)
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        async with Socket(sim):
            raise AssertionError("it was let in")
    assert caught.value.status == 503
