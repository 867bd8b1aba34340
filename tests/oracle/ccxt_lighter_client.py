"""
Drives ccxt's lighter class, unmodified, against a local Lighter: JSON on stdin says where it is and whose keys to use,
JSON on stdout says what the client saw. Runs in an environment of its own.

Only configuration is given to the client: its URLs, the account's key, where the signer library of lighter-sdk is, and
that no builder fee is wanted.
"""

from __future__ import annotations

import asyncio
import json
import platform
import sys
from pathlib import Path
from typing import Any

import ccxt.pro as ccxt
import lighter

SYMBOL = "ETH/USDC:USDC"
TIMEOUT_S = 20


def library() -> str:
    """Return the signer library of this machine, as lighter-sdk's wheel has it."""
    system = {"Linux": ("linux", "so"), "Darwin": ("darwin", "dylib")}[platform.system()]
    machine = "arm64" if platform.machine().lower() in {"arm64", "aarch64"} else "amd64"
    return str(Path(lighter.__file__).parent / "signers" / f"lighter-signer-{system[0]}-{machine}.{system[1]}")


async def main() -> None:
    request = json.load(sys.stdin)
    slot, key = request["api_key_index"], request["private_key"]
    account = str(request["account_index"])
    client = ccxt.lighter(
        {
            "privateKey": "0x" + "11" * 32,
            "enableRateLimit": False,
            "options": {
                "builderFee": False,
                "accountIndex": request["account_index"],
                "apiKeyIndex": slot,
                "libraryPath": library(),
                "auths": {account: {str(slot): {"lighterPrivateKey": key, "signer": None}}},
            },
        }
    )
    client.urls["api"] = {**dict.fromkeys(("root", "public", "private"), request["url"]), "ws": request["ws_url"]}
    seen: dict[str, Any] = {"version": ccxt.__version__}
    try:
        await read_markets(client, seen)
        await trade(client, seen)
        await follow(client, seen)
    finally:
        await client.close()
    json.dump(seen, sys.stdout, default=str)


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
    asyncio.run(main())
