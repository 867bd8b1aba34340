"""Private channels and order entry over the WebSocket."""

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from perpkit.sim.markets import SystemStatus

from .harness import Client, RefusedError, Signer, Socket


def rpc_order(signer, **changes):
    return signer.order(**changes)


async def refusal(awaitable):
    with pytest.raises(RefusedError) as caught:
        await awaitable
    return caught.value.code, caught.value.data


PRIVATE = (
    "account",
    "balance_events",
    "fills.ALL",
    "fills.BTC-USD-PERP",
    "funding_payments.ALL",
    "funding_payments.BTC-USD-PERP",
    "orders.ALL",
    "orders.BTC-USD-PERP",
    "positions",
    "transaction",
    "transfers",
)


async def test_a_trade_shows_on_every_private_channel_and_to_nobody_else(sim, trader, other, quote):
    """Order, fill, position, balance, account and transaction tell one story, the ledger's; others see none of it."""
    quote("SELL", "100000", "2")
    async with Socket(sim, trader.token) as socket, Socket(sim, other.token) as stranger:
        for channel in PRIVATE:
            await socket.subscribe(channel)
            await stranger.subscribe(channel)
        placed = await trader.place(type="MARKET", price="0", size="1", client_id="x")
        fee = Decimal(30)
        for channel in ("orders.ALL", "orders.BTC-USD-PERP"):
            frames = await socket.wait(channel, where=lambda o: o["status"] == "CLOSED")
            assert socket.frames[channel][0]["status"] == "NEW"
            assert (frames[-1]["id"], frames[-1]["remaining_size"]) == (placed["id"], "0")
            numbers = [f["seq_no"] for f in socket.frames[channel]]
            assert numbers == sorted(set(numbers))
        for channel in ("fills.ALL", "fills.BTC-USD-PERP"):
            (fill,) = await socket.wait(channel)
            assert (fill["order_id"], Decimal(fill["fee"]), fill["client_id"]) == (placed["id"], fee, "x")
        (position,) = await socket.wait("positions")
        assert (position["size"], position["average_entry_price"]) == ("1", "100000")
        (event,) = await socket.wait("balance_events")
        assert Decimal(event["settlement_asset_balance_before"]) == 100000
        assert Decimal(event["settlement_asset_balance_after"]) == 100000 - fee
        assert (event["type"], Decimal(event["fees"]), event["fill_id"]) == ("TRANSACTION_FILL", fee, fill["id"])
        account = (await socket.wait("account"))[-1]
        assert Decimal(account["account_value"]) == 100000 - fee
        (transaction,) = await socket.wait("transaction")
        assert transaction["id"] == fill["id"]
        sim.clock.advance(timedelta(hours=8))
        await trader.sign_in()
        trader.token = (await trader.sign_in()).body["jwt_token"]
        await trader.place(type="MARKET", price="0", size="0.1")
        for channel in ("funding_payments.ALL", "funding_payments.BTC-USD-PERP"):
            (payment,) = await socket.wait(channel)
            assert Decimal(payment["payment"]) == -10
        sim.exchange.deposit(sim.accounts[0].address, Decimal(5))
        (transfer,) = await socket.wait("transfers")
        assert (transfer["kind"], transfer["amount"], transfer["direction"]) == ("DEPOSIT", "5", "IN")
        await stranger.settle()
        assert not any(stranger.frames.values())


async def test_an_order_is_created_changed_and_canceled_over_the_socket(sim, trader):
    """The results are the contract's, and the orders channel tells each step."""
    async with Socket(sim, trader.token) as socket:
        await socket.subscribe("orders.ALL")
        created = await socket.call("order.create", **rpc_order(trader.signer, client_id="ws"))
        assert (created["order"]["status"], created["order"]["avg_fill_price"]) == ("NEW", "0")
        assert created["received_at"] == sim.clock.now_ns()
        order = created["order"]
        change = trader.signer.modification(order, price="98000")
        changed = await socket.call("order.modify", **change)
        assert changed["order"]["price"] == "98000"
        (update,) = await socket.wait("orders.ALL", where=lambda o: "request_info" in o)
        assert (update["price"], update["request_info"]["status"]) == ("98000", "SUCCESS")
        gone = await socket.call("order.cancel", id=order["id"])
        assert gone == {"order_id": order["id"], "status": "QUEUED_FOR_CANCELLATION"}
        (closed,) = await socket.wait("orders.ALL", where=lambda o: o["status"] == "CLOSED")
        assert closed["cancel_reason"] == "USER_CANCELED"
        assert await refusal(socket.call("order.cancel", id=order["id"])) == (-32602, "ORDER_IS_CLOSED")


async def test_orders_are_canceled_by_client_id_in_batches_and_all_at_once(sim, trader):
    """Each way has its own answer."""
    async with Socket(sim, trader.token) as socket:
        batch = [rpc_order(trader.signer, price=str(98000 + i), client_id=f"b{i}") for i in range(4)]
        created = (await socket.call("order.create_batch", orders=batch))["results"]
        ids = [entry["order"]["id"] for entry in created]
        twin = (await socket.call("order.create_batch", orders=[rpc_order(trader.signer, client_id="b0")]))["results"]
        assert twin[0]["error"].startswith("DUPLICATED_CLIENT_ID")
        by_name = await socket.call("order.cancel", client_id="b0", market="BTC-USD-PERP")
        assert by_name["order_id"] == ids[0]
        assert await refusal(socket.call("order.cancel", client_id="b1")) == (-32602, None)
        outcome = await socket.call("order.cancel_batch", order_ids=[ids[0], ids[1], "5"])
        assert outcome["results"] == [
            {"id": ids[0], "market": "BTC-USD-PERP", "status": "ALREADY_CLOSED"},
            {"id": ids[1], "market": "BTC-USD-PERP", "status": "QUEUED_FOR_CANCELLATION"},
            {"id": "5", "status": "NOT_FOUND"},
        ]
        assert await socket.call("order.cancel_all", market="ETH-USD-PERP") == {"status": "ok"}
        assert len((await trader.get("/orders")).results) == 2
        assert await socket.call("order.cancel_all") == {"status": "ok"}
        assert (await trader.get("/orders")).results == []


@pytest.mark.parametrize(
    ("changes", "data"),
    [
        ({"type": "TAKE_PROFIT_LIMIT", "trigger_price": "99000"}, "VALIDATION_ERROR"),
        ({"flags": ["INTERACTIVE"]}, "VALIDATION_ERROR"),
        ({"instruction": None}, None),
        ({"price": 99000}, "BINDING_ERROR"),
        ({"price": "99000.05"}, "VALIDATION_ERROR"),
        ({"signature": '["1","2"]'}, "INVALID_ORDER_SIGNATURE"),
        ({"market": "NO-USD-PERP"}, "MARKET_NOT_FOUND"),
        ({"signature_timestamp": 1}, "INVALID_TIMESTAMP"),
    ],
)
async def test_an_order_that_does_not_hold_is_refused_over_the_socket(sim, trader, changes, data):
    """Invalid parameters, with the REST code as detail; the methods' enums are narrower than REST's."""
    async with Socket(sim, trader.token) as socket:
        assert await refusal(socket.call("order.create", **trader.signer.order(**changes))) == (-32602, data)
    assert sim.exchange.orders(sim.accounts[0].address) == []


async def test_order_methods_need_a_trading_session(sim, trader):
    """Nobody and readers are denied; a subkey is not."""
    account = sim.accounts[0]
    async with Socket(sim) as nobody, Socket(sim, account.readonly_token) as reader:
        for socket in (nobody, reader):
            for method, params in (
                ("order.create", rpc_order(trader.signer)),
                ("order.cancel_all", {}),
                ("order.cancel_on_disconnect", {"enabled": True}),
            ):
                assert (await refusal(socket.call(method, **params)))[0] == 40300
    async with Client(sim, Signer(sim, account, account.subkey)) as subkey, Socket(sim, subkey.token) as socket:
        created = await socket.call("order.create", **rpc_order(subkey.signer))
        assert created["order"]["account"] == account.address


async def test_a_batch_over_the_socket_is_validated_whole(sim, trader):
    """One bad signature refuses all; more than ten are too many; a bare list is not the contract's form."""
    good, bad = rpc_order(trader.signer), rpc_order(trader.signer, signature='["1","2"]')
    async with Socket(sim, trader.token) as socket:
        refused = await refusal(socket.call("order.create_batch", orders=[good, bad]))
        assert refused == (-32602, "INVALID_ORDER_SIGNATURE")
        many = [rpc_order(trader.signer) for _ in range(11)]
        assert await refusal(socket.call("order.create_batch", orders=many)) == (-32602, "BATCH_SIZE_OUT_OF_RANGE")
        frame = await socket.raw({"jsonrpc": "2.0", "method": "order.create_batch", "params": [good]})
        assert frame["error"]["code"] == -32602
    assert sim.exchange.orders(sim.accounts[0].address) == []


async def test_the_order_quota_is_shared_with_rest(sim, trader):
    """What REST has spent is missing here; a batch counts once."""
    sim.venue.limiter.scale = 100  # eight order calls a second
    async with Socket(sim, trader.token) as socket:
        for _ in range(7):
            await trader.place()
        batch = [rpc_order(trader.signer, price=str(98000 + i)) for i in range(5)]
        await socket.call("order.create_batch", orders=batch)
        assert await refusal(socket.call("order.cancel_all")) == (42901, None)
        sim.clock.advance(timedelta(seconds=1))
        await socket.call("order.cancel_all")


async def test_maintenance_shows_on_the_socket(sim, trader):
    """The venue's own unavailability is an internal error with its REST code."""
    async with Socket(sim, trader.token) as socket:
        sim.exchange.set_system_status(SystemStatus.MAINTENANCE)
        refused = await refusal(socket.call("order.create", **rpc_order(trader.signer)))
        assert refused == (-32603, "SERVICE_UNAVAILABLE")
        sim.exchange.set_system_status(SystemStatus.OK)


async def closed_reasons(client, count):
    async with asyncio.timeout(5):
        while True:
            rows = (await client.get("/orders-history", status="CLOSED")).results
            if len(rows) >= count:
                return {row["client_id"]: row["cancel_reason"] for row in rows}


@pytest.mark.parametrize("ending", ["close", "break"])
async def test_cancel_on_disconnect_takes_the_connections_own_orders(sim, trader, ending):
    """Those placed over it go, also ones from before it was armed; an order placed over REST stays."""
    await trader.place(client_id="rest")
    async with Socket(sim, trader.token) as socket:
        await socket.call("order.create", **rpc_order(trader.signer, client_id="early", price="98000"))
        assert await socket.call("order.cancel_on_disconnect", enabled=True) == {"enabled": True}
        await socket.call("order.create", **rpc_order(trader.signer, client_id="late", price="97500"))
        if ending == "break":
            socket.socket._response.connection.transport.abort()
            await socket.closed.wait()
    assert await closed_reasons(trader, 2) == {"early": "CANCEL_ON_DISCONNECT", "late": "CANCEL_ON_DISCONNECT"}
    assert [o["client_id"] for o in (await trader.get("/orders")).results] == ["rest"]


async def test_without_cancel_on_disconnect_orders_stay(sim, trader):
    """Off by default, and off again when switched off."""
    for armed in (None, False):
        async with Socket(sim, trader.token) as socket:
            if armed is False:
                await socket.call("order.cancel_on_disconnect", enabled=True)
                await socket.call("order.cancel_on_disconnect", enabled=False)
            await socket.call("order.create", **rpc_order(trader.signer, price="98000"))
    assert len((await trader.get("/orders")).results) == 2


async def test_a_refused_order_is_told_with_its_reason(sim, trader):
    """NEW, then CLOSED with NOT_ENOUGH_MARGIN, on the orders channel."""
    async with Socket(sim, trader.token) as socket:
        await socket.subscribe("orders.BTC-USD-PERP")
        await trader.place(size="80")
        frames = await socket.wait("orders.BTC-USD-PERP", 2)
        assert [(f["status"], f["cancel_reason"]) for f in frames] == [("NEW", ""), ("CLOSED", "NOT_ENOUGH_MARGIN")]
