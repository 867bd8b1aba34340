"""
Drives ccxt's paradex class, unmodified, against a local Paradex: JSON on stdin says where it is and whose keys to use,
JSON on stdout says what the client saw. Runs in the oracle environment, which need not hold perpkit.

Only configuration is given to the client: its URLs, the account (``options.paradexAccount``), and plain JSON instead of
the binary frames that it asks for by default, which the local venue does not speak.
"""

from __future__ import annotations

import time
from typing import Any

import ccxt.pro as ccxt
from ccxt_calls import first, follow_trading, next_second, refused
from testimony import testify

SYMBOL = "BTC/USD:USDC"


async def main(request: dict[str, Any], seen: dict[str, Any]) -> None:
    seen["version"] = ccxt.__version__
    account = {"privateKey": request["private_key"], "publicKey": request["public_key"], "address": request["address"]}
    client = ccxt.paradex({"options": {"paradexAccount": account, "sbe": False}, "enableRateLimit": False})
    client.urls["api"] = {"v1": request["url"], "v2": request["url"], "ws": request["ws_url"]}
    try:
        await read_markets(client, seen)
        await trade(client, seen)
        await follow(client, seen)
    finally:
        await client.close()


async def read_markets(client: Any, seen: dict[str, Any]) -> None:
    markets = await client.load_markets()
    seen["swaps"] = sorted(symbol for symbol, market in markets.items() if market["swap"])
    seen["kinds"] = sorted({market["type"] for market in markets.values()})
    seen["status"] = (await client.fetch_status())["status"]
    seen["time_is_near"] = abs(await client.fetch_time() - time.time() * 1000) < 60_000
    ticker = await client.fetch_ticker(SYMBOL)
    seen["ticker"] = {name: ticker[name] is not None for name in ("bid", "ask")}
    book = await client.fetch_order_book(SYMBOL)
    seen["book"] = [len(book["bids"]), len(book["asks"])]
    seen["funding_rate"] = (await client.fetch_funding_rate(SYMBOL))["fundingRate"]
    seen["open_interest"] = (await client.fetch_open_interest(SYMBOL))["openInterestAmount"]
    seen["candles"] = len(await client.fetch_ohlcv(SYMBOL, "1m", limit=5))
    seen["trades"] = isinstance(await client.fetch_trades(SYMBOL), list)
    seen["fee"] = (await client.fetch_trading_fee(SYMBOL))["taker"]


async def trade(client: Any, seen: dict[str, Any]) -> None:
    balance = await client.fetch_balance()
    seen["balance"] = balance["USDC"]["total"]
    await next_second()
    order = await client.create_order(SYMBOL, "limit", "buy", 0.01, 90000, {"clientOrderId": "ccxt-1"})
    seen["placed"] = order["status"]
    seen["same_second"] = await refused(client.create_order(SYMBOL, "limit", "buy", 0.01, 90001))
    seen["open"] = [o["clientOrderId"] for o in await client.fetch_open_orders(SYMBOL) if o["price"] == 90000]
    seen["fetched"] = (await client.fetch_order(order["id"], SYMBOL))["id"] == order["id"]
    await next_second()
    edited = await client.edit_order(order["id"], SYMBOL, "limit", "buy", 0.02, 91000)
    seen["edited"] = [edited["id"] == order["id"], edited["price"], edited["amount"]]
    await client.cancel_order(order["id"], SYMBOL)
    await client.cancel_all_orders(SYMBOL)
    seen["after_cancel"] = len(await client.fetch_open_orders(SYMBOL))
    await next_second()
    seen["market_order"] = await refused(client.create_order(SYMBOL, "market", "buy", 0.01))
    await next_second()
    await client.create_order(
        SYMBOL, "limit", "buy", 0.01, 104000, {"timeInForce": "IOC", "clientOrderId": "ccxt-take"}
    )
    fills = await client.fetch_my_trades(SYMBOL)
    seen["fill"] = {name: fills[-1][name] for name in ("side", "amount", "takerOrMaker")}
    positions = await client.fetch_positions([SYMBOL])
    seen["positions"] = [[p["side"], p["contracts"]] for p in positions]
    orders = await client.fetch_orders(SYMBOL)
    seen["orders"] = sorted({o["status"] for o in orders})
    seen["leverage"] = (await client.fetch_leverage(SYMBOL))["longLeverage"]
    await client.set_margin_mode("cross", SYMBOL, {"leverage": 10})
    seen["leverage_set"] = (await client.fetch_leverage(SYMBOL))["longLeverage"]
    seen["deposits"] = len(await client.fetch_deposits())
    seen["rejected"] = await refused(client.create_order(SYMBOL, "limit", "buy", 0.01, -5))


async def follow(client: Any, seen: dict[str, Any]) -> None:
    seen["ws_ticker"] = (await first(client.watch_ticker(SYMBOL)))["symbol"]
    book = await first(client.watch_order_book(SYMBOL))
    seen["ws_book"] = [len(book["bids"]) > 0, len(book["asks"]) > 0]
    await follow_trading(
        client,
        SYMBOL,
        lambda: client.create_order(SYMBOL, "limit", "buy", 0.01, 104000, {"timeInForce": "IOC"}),
        seen,
    )
    await client.cancel_all_orders(SYMBOL)


if __name__ == "__main__":
    testify(main)
