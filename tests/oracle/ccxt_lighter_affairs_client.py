"""
The second half of ccxt's lighter class against a local Lighter: triggers, margin, orders over the WebSocket, and what
it watches of an account. JSON on stdin says where it is and whose keys to use, JSON on stdout says what the client saw.
Runs in an environment of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from ccxt_lighter import SYMBOL, opened
from testimony import TIMEOUT_S, testify

BTC = "BTC/USDC:USDC"


async def tried(call: Awaitable[Any]) -> Any:
    """Return what a call gave, or the class and words of its error."""
    try:
        return await call
    except Exception as error:  # noqa: BLE001 - ccxt raises the bare class for what its signer refuses
        return f"{type(error).__name__}: {error}"


async def main(request: dict[str, Any], seen: dict[str, Any]) -> None:
    async with opened(request) as client:
        await client.load_markets()
        await kinds_of_orders(client, seen)
        await margins(client, seen)
        await over_the_socket(client, seen)
        await watched(client, seen)


async def kinds_of_orders(client: Any, seen: dict[str, Any]) -> None:
    """Post-only, immediate-or-cancel, triggers, reduce-only, a switch."""
    orders = {
        "post-only": client.create_order(SYMBOL, "limit", "buy", 0.1, 3900.0, {"clientOrderId": 601, "postOnly": True}),
        "ioc": client.create_order(SYMBOL, "limit", "buy", 0.1, 3900.0, {"clientOrderId": 602, "timeInForce": "ioc"}),
        "market": client.create_order(SYMBOL, "market", "buy", 0.2, 4100.0, {"clientOrderId": 603}),
        "stop limit": client.create_order(
            SYMBOL, "limit", "sell", 0.1, 3490.0, {"clientOrderId": 604, "stopLossPrice": 3500.0, "reduceOnly": True}
        ),
        "stop market": client.create_order(
            SYMBOL, "market", "sell", 0.1, 3400.0, {"clientOrderId": 605, "stopLossPrice": 3500.0, "reduceOnly": True}
        ),
        "reduce-only": client.create_order(
            SYMBOL, "market", "sell", 0.1, 3900.0, {"clientOrderId": 606, "reduceOnly": True}
        ),
    }
    seen["orders"] = {}
    for name, call in orders.items():
        made = await tried(call)
        seen["orders"][name] = made if isinstance(made, str) else made["clientOrderId"]
    standing = await client.fetch_open_orders(SYMBOL)
    seen["standing"] = sorted([each["clientOrderId"], each["type"], each["status"]] for each in standing)
    over = await client.fetch_closed_orders(SYMBOL)
    seen["over"] = sorted([each["clientOrderId"], each["status"]] for each in over)
    switch = await tried(client.cancel_all_orders_after(600_000))
    seen["switch"] = switch if isinstance(switch, str) else switch.get("code")
    await client.cancel_all_orders()
    seen["left"] = len(await client.fetch_open_orders(SYMBOL))
    seen["trades"] = [[each["side"], each["amount"]] for each in await client.fetch_my_trades(SYMBOL)]
    seen["position"] = (await client.fetch_position(SYMBOL))["contracts"]
    seen["public_trades"] = len(await client.fetch_trades(SYMBOL, limit=5))


async def margins(client: Any, seen: dict[str, Any]) -> None:
    """An isolated position with money into it and out of it."""
    steps = [await tried(client.set_margin_mode("isolated", BTC, {"leverage": 5}))]
    steps.append(await tried(client.create_order(BTC, "market", "buy", 0.01, 85_000.0, {"clientOrderId": 611})))
    steps.append(await tried(client.add_margin(BTC, 100.0)))
    steps.append(await tried(client.reduce_margin(BTC, 50.0)))
    seen["margins"] = [each if isinstance(each, str) else "ok" for each in steps]
    held = await client.fetch_position(BTC)
    seen["isolated"] = [held["marginMode"], held["contracts"]]


async def over_the_socket(client: Any, seen: dict[str, Any]) -> None:
    """Orders and cancels as ``jsonapi/sendtx``."""
    made = await tried(client.create_order_ws(SYMBOL, "limit", "buy", 0.1, 3880.0, {"clientOrderId": 621}))
    seen["ws_placed"] = made if isinstance(made, str) else made["info"].get("code")
    standing = await client.fetch_open_orders(SYMBOL)
    seen["ws_standing"] = [[each["clientOrderId"], each["price"]] for each in standing]
    gone = await tried(client.cancel_order_ws(standing[0]["id"], SYMBOL)) if standing else "nothing stood"
    seen["ws_canceled"] = gone if isinstance(gone, str) else "ok"
    seen["ws_left"] = len(await client.fetch_open_orders(SYMBOL))


async def watched(client: Any, seen: dict[str, Any]) -> None:
    """What an account's channels bring while it trades."""
    async with asyncio.timeout(TIMEOUT_S):
        orders = asyncio.create_task(tried(client.watch_orders(SYMBOL)))
        mine = asyncio.create_task(tried(client.watch_my_trades(SYMBOL)))
        trades = asyncio.create_task(tried(client.watch_trades(SYMBOL)))
        balance = asyncio.create_task(tried(client.watch_balance({"type": "swap"})))
        mark = asyncio.create_task(tried(client.watch_mark_price(SYMBOL)))
        await asyncio.sleep(0.5)
        await client.create_order(SYMBOL, "market", "buy", 0.1, 4100.0, {"clientOrderId": 631})
        order, fill, print_, money, price = [await each for each in (orders, mine, trades, balance, mark)]
    seen["watched_order"] = order if isinstance(order, str) else [order[-1]["clientOrderId"], order[-1]["status"]]
    seen["watched_fill"] = fill if isinstance(fill, str) else [fill[-1]["side"], fill[-1]["amount"]]
    seen["watched_trade"] = print_ if isinstance(print_, str) else [print_[-1]["side"], print_[-1]["amount"]]
    seen["watched_balance"] = money if isinstance(money, str) else sorted(set(money) & {"USDC"})
    seen["watched_mark"] = price if isinstance(price, str) else price["markPrice"]


if __name__ == "__main__":
    testify(main)
