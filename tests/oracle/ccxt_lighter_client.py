"""
Drives ccxt's lighter class, unmodified, against a local Lighter: JSON on stdin says where it is and whose keys to use,
JSON on stdout says what the client saw. Runs in an environment of its own.
"""

from __future__ import annotations

import asyncio
from typing import Any

import ccxt.pro as ccxt
from ccxt_lighter import SYMBOL, opened
from testimony import TIMEOUT_S, testify


async def main(request: dict[str, Any], seen: dict[str, Any]) -> None:
    seen["version"] = ccxt.__version__
    async with opened(request) as client:
        await read_markets(client, seen)
        await trade(client, seen)
        await follow(client, seen)


async def read_markets(client: Any, seen: dict[str, Any]) -> None:
    markets = await client.load_markets()
    seen["swaps"] = sorted(symbol for symbol, market in markets.items() if market["swap"])
    seen["precision"] = [markets[SYMBOL]["precision"]["amount"], markets[SYMBOL]["precision"]["price"]]
    book = await client.fetch_order_book(SYMBOL)
    seen["book"] = [book["bids"][0][0], book["asks"][0][0]]
    seen["ticker"] = (await client.fetch_ticker(SYMBOL))["last"]
    seen["candles"] = len(await client.fetch_ohlcv(SYMBOL, "1m", limit=5))
    rates = await client.fetch_funding_rates([SYMBOL])
    seen["funding_rate"] = [rates[SYMBOL]["fundingRate"], rates[SYMBOL]["interval"]]


async def trade(client: Any, seen: dict[str, Any]) -> None:
    made = await client.create_order(SYMBOL, "limit", "buy", 0.1, 3900.0, {"clientOrderId": 501})
    seen["placed"] = made["clientOrderId"]
    active = await client.fetch_open_orders(SYMBOL)
    seen["open"] = [[order["clientOrderId"], order["price"], order["status"]] for order in active]
    await client.edit_order(active[0]["id"], SYMBOL, "limit", "buy", 0.2, 3910.0)
    seen["edited"] = [[o["amount"], o["price"]] for o in await client.fetch_open_orders(SYMBOL)]
    await client.cancel_order(active[0]["id"], SYMBOL)
    seen["after_cancel"] = len(await client.fetch_open_orders(SYMBOL))
    await client.create_order(SYMBOL, "market", "buy", 0.1, 4100.0, {"clientOrderId": 502})
    position = (await client.fetch_positions([SYMBOL]))[0]
    seen["position"] = [position["side"], position["contracts"], position["entryPrice"]]
    mine = (await client.fetch_my_trades(SYMBOL))[0]
    seen["fill"] = [mine["side"], mine["amount"], mine["price"], mine["takerOrMaker"], mine["fee"]["cost"]]
    balance = await client.fetch_balance({"type": "swap"})
    seen["balance"] = balance["USDC"]["total"]
    await client.set_leverage(10, SYMBOL, {"marginMode": "cross"})
    await client.cancel_all_orders()
    over = await client.fetch_closed_orders(SYMBOL)
    seen["closed"] = sorted([str(order["clientOrderId"]), order["status"]] for order in over)


async def follow(client: Any, seen: dict[str, Any]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        book = await client.watch_order_book(SYMBOL)
        seen["watched_book"] = [book["bids"][0][0], book["asks"][0][0]]
        ticker = await client.watch_ticker(SYMBOL)
        seen["watched_mark"] = ticker["info"].get("mark_price")


if __name__ == "__main__":
    testify(main)
