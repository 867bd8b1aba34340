"""
Drives paradex-py, unmodified, against a local Paradex: JSON on stdin says where it is and whose keys to use, JSON on
stdout says what the client saw, step by step. Runs in the oracle environment, which need not hold perpkit.

Only the URLs are given to the client: ``api_base_url`` and ``ws_url_override`` are its own parameters.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
import time
from decimal import Decimal
from typing import Any

from paradex_py import Paradex
from paradex_py.account.subkey_account import SubkeyAccount
from paradex_py.api.api_client import ParadexApiClient
from paradex_py.api.ws_client import ParadexWebsocketChannel, WsRpcError
from paradex_py.common.order import Order, OrderSide, OrderType

MARKET = "BTC-USD-PERP"
TIMEOUT_S = 15


def main() -> None:
    logging.disable(logging.CRITICAL)
    request = json.load(sys.stdin)
    seen: dict[str, Any] = {}
    paradex = Paradex(
        env="testnet",
        l1_address=request["l1_address"],
        l2_private_key=request["private_key"],
        api_base_url=request["url"],
        ws_url_override=request["ws_url"],
    )
    seen["address"] = hex(paradex.account.l2_address)
    follow_rest(paradex, seen)
    asyncio.run(follow_stream(paradex, seen))
    seen["subkey_order"] = trade_with_subkey(request)
    seen["readonly"] = read_with_token(request)
    json.dump(seen, sys.stdout, default=str)


def limit_order(price: str, size: str = "0.01", **options: Any) -> Order:
    return Order(
        market=MARKET,
        order_type=OrderType.Limit,
        order_side=OrderSide.Buy,
        size=Decimal(size),
        limit_price=Decimal(price),
        **options,
    )


def refused(call: Any, *args: Any) -> str:
    try:
        call(*args)
    except ValueError as exc:
        return str(exc)
    return ""


def follow_rest(paradex: Paradex, seen: dict[str, Any]) -> None:
    """Read, place, list, modify, cancel; then what the client sends that the contract does not have."""
    api = paradex.api_client
    seen["balances"] = api.fetch_balances()["results"]
    seen["account_value"] = api.fetch_account_summary().account_value
    seen["markets"] = [row["symbol"] for row in api.fetch_markets()["results"]]
    seen["summaries"] = len(api.fetch_markets_summary({"market": "ALL"})["results"])
    seen["book"] = {side: len(api.fetch_orderbook(MARKET)[side]) for side in ("bids", "asks")}
    seen["bbo"] = api.fetch_bbo(MARKET)["market"]
    now = int(time.time() * 1000)
    seen["klines"] = api.fetch_klines(MARKET, "1", now - 600_000, now)
    seen["funding"] = len(api.fetch_funding_data({"market": MARKET})["results"])
    seen["rate_limit"] = api.last_rate_limit.limit
    placed = api.submit_order(limit_order("90000", client_id="sdk-1"))
    seen["placed"] = placed
    seen["open"] = [order["id"] for order in api.fetch_orders()["results"]]
    changed = api.modify_order(placed["id"], limit_order("91000", size="0.02", order_id=placed["id"]))
    seen["modified"] = {name: changed[name] for name in ("id", "price", "size", "status")}
    api.cancel_order(placed["id"])
    seen["after_cancel"] = api.fetch_orders()["results"]
    seen["history"] = [
        (order["client_id"], order["status"], order["cancel_reason"])
        for order in api.fetch_orders_history({"market": MARKET})["results"]
    ]
    stamp = int(time.time() * 1000)
    batch = [limit_order(str(90000 + i), client_id=f"sdk-b{i}", signature_timestamp=stamp + i) for i in range(3)]
    seen["batch"] = [order["status"] for order in api.submit_orders_batch(batch)["orders"]]
    seen["batch_cancel"] = [
        row["status"] for row in api.cancel_orders_batch(client_order_ids=["sdk-b0", "nobody"])["results"]
    ]
    api.cancel_all_orders({"market": MARKET})
    seen["after_cancel_all"] = api.fetch_orders()["results"]
    taker = Order(market=MARKET, order_type=OrderType.Market, order_side=OrderSide.Buy, size=Decimal("0.01"))
    seen["market_order_without_price"] = refused(api.submit_order, taker)
    stamp = int(time.time() * 1000)
    twins = [limit_order(price, signature_timestamp=stamp) for price in ("90000", "90001")]
    seen["two_orders_of_one_millisecond"] = refused(api.submit_orders_batch, twins)
    ioc = limit_order("104000", client_id="sdk-take", instruction="IOC")
    api.submit_order(ioc)
    seen["fills"] = [(f["client_id"], f["size"], f["side"]) for f in api.fetch_fills()["results"]]
    seen["positions"] = [(p["market"], p["side"], p["size"]) for p in api.fetch_positions()["results"]]
    api.cancel_all_orders()


async def follow_stream(paradex: Paradex, seen: dict[str, Any]) -> None:
    """Follow public and private channels, and trade over the WebSocket."""
    socket = paradex.ws_client
    frames: dict[str, list[dict[str, Any]]] = {}
    news = asyncio.Event()

    async def note(_channel: Any, message: dict[str, Any]) -> None:
        params = message["params"]
        frames.setdefault(params["channel"], []).append(params["data"])
        news.set()

    async def wait(channel: str, fits: Any = lambda _data: True) -> dict[str, Any]:
        while True:
            for data in frames.get(channel, ()):
                if fits(data):
                    return data
            news.clear()
            await asyncio.wait_for(news.wait(), TIMEOUT_S)

    seen["connected"] = await socket.connect()
    await socket.subscribe(ParadexWebsocketChannel.ORDERS, note, {"market": "ALL"})
    await socket.subscribe(ParadexWebsocketChannel.ORDER_BOOK, note, {"market": MARKET, "feed_type": "deltas"})
    await socket.subscribe(ParadexWebsocketChannel.BBO, note, {"market": MARKET})
    await socket.subscribe(ParadexWebsocketChannel.TRADES, note, {"market": MARKET})
    await socket.subscribe(ParadexWebsocketChannel.FILLS, note, {"market": MARKET})
    await socket.subscribe(ParadexWebsocketChannel.MARKETS_SUMMARY, note)
    await socket.subscribe(ParadexWebsocketChannel.ACCOUNT, note)
    created = await socket.submit_order(limit_order("90000", client_id="sdk-ws"))
    order_id = created["order"]["id"]
    seen["ws_created"] = created["order"]["status"]
    seen["ws_order_update"] = (await wait("orders.ALL", lambda o: o["status"] == "OPEN"))["client_id"]
    changed = await socket.modify_order(order_id, limit_order("90500", order_id=order_id))
    seen["ws_modified"] = changed["order"]["price"]
    seen["ws_canceled"] = await socket.cancel_order(order_id)
    seen["ws_closed"] = (await wait("orders.ALL", lambda o: o["status"] == "CLOSED"))["cancel_reason"]
    await socket.submit_order(limit_order("104000", client_id="sdk-ws-take", instruction="IOC"))
    seen["ws_fill"] = (await wait(f"fills.{MARKET}"))["client_id"]
    seen["ws_book"] = (await wait(f"order_book.{MARKET}.deltas@15@100ms"))["update_type"]
    seen["ws_delta"] = (await wait(f"order_book.{MARKET}.deltas@15@100ms", lambda b: b["update_type"] == "d"))["market"]
    seen["ws_bbo"] = (await wait(f"bbo.{MARKET}"))["market"]
    seen["ws_trade"] = (await wait(f"trades.{MARKET}"))["market"]
    seen["ws_summary"] = (await wait("markets_summary.ALL", lambda s: s["symbol"] == MARKET))["symbol"]
    seen["ws_account"] = (await wait("account"))["settlement_asset"]
    seen["ws_cancel_on_disconnect"] = await socket.cancel_on_disconnect(True)
    try:
        await socket.submit_orders_batch([limit_order("90000")])
        seen["ws_batch_as_bare_list"] = ""
    except WsRpcError as exc:
        seen["ws_batch_as_bare_list"] = str(exc)
    seen["ws_cancel_all"] = await socket.cancel_all_orders()
    # Before Python 3.12 asyncio.wait_for loses a cancellation that comes together with a result, and the client's
    # reader is canceled inside one: on a busy stream its close() may wait forever. A second cancellation ends it.
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(socket.close(), 3)


def trade_with_subkey(request: dict[str, Any]) -> str:
    """Place an order with the subkey under the main address."""
    api = ParadexApiClient(env="testnet", api_base_url=request["url"])
    account = SubkeyAccount(api.fetch_system_config(), request["subkey"], request["address"])
    api.init_account(account)
    order = limit_order("90000", client_id="sdk-subkey")
    order.signature = account.sign_order(order)
    placed = api.submit_order(order)
    api.cancel_all_orders()
    return str(placed["account"])


def read_with_token(request: dict[str, Any]) -> dict[str, Any]:
    """Read with the read-only token, and try to cancel."""
    api = ParadexApiClient(env="testnet", api_base_url=request["url"], auto_auth=False)
    api.set_token(request["readonly_token"])
    return {"balances": len(api.fetch_balances()["results"]), "cancel": refused(api.cancel_all_orders)}


if __name__ == "__main__":
    main()
