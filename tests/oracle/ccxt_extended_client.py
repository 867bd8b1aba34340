"""
Drives ccxt's extended class, unmodified, against a local Extended: JSON on stdin says where it is and whose keys to
use, JSON on stdout says what the client saw. Runs in an environment of its own.

Only configuration is given to the client: its URLs, the account's keys, and that no builder code is wanted.
"""

from __future__ import annotations

from typing import Any

import ccxt.pro as ccxt
import fast_stark_crypto
from ccxt_calls import first, follow_trading, next_second, refused
from testimony import testify

SYMBOL, OTHER = "BTC/USDC:USDC", "ETH/USDC:USDC"


async def main(request: dict[str, Any], seen: dict[str, Any]) -> None:
    seen["version"] = ccxt.__version__
    client = made(request, builder=False)
    paying = made(request, builder=True)
    try:
        await read_markets(client, seen)
        await trade(client, seen)
        await meet_traps(client, paying, seen)
        await follow(client, seen)
    finally:
        await client.close()
        await paying.close()


def made(request: dict[str, Any], *, builder: bool) -> Any:
    options = {} if builder else {"builderFee": False}
    client = ccxt.extended(
        {
            "apiKey": request["api_key"],
            "privateKey": request["private_key"],
            "enableRateLimit": False,
            "options": options,
        }
    )
    client.urls["api"] = {"rest": request["url"].removesuffix("/api/v1"), "ws": request["ws_url"]}
    return client


async def read_markets(client: Any, seen: dict[str, Any]) -> None:
    markets = await client.load_markets()
    seen["swaps"] = sorted(s for s, market in markets.items() if market["swap"] and market["active"])
    seen["taker"] = markets[SYMBOL]["taker"]
    ticker = await client.fetch_ticker(SYMBOL)
    seen["ticker"] = [ticker["bid"], ticker["ask"]]
    book = await client.fetch_order_book(SYMBOL)
    seen["book"] = [len(book["bids"]), len(book["asks"])]
    seen["candles"] = len(await client.fetch_ohlcv(SYMBOL, "1m", limit=5, params={"price": "mark"}))
    seen["trades"] = isinstance(await client.fetch_trades(SYMBOL), list)
    hour = 3_600_000
    since = client.milliseconds() - hour
    seen["funding_rates"] = len(await client.fetch_funding_rate_history(SYMBOL, since=since, limit=5))
    seen["open_interest"] = isinstance(await client.fetch_open_interest_history(SYMBOL, "1h"), list)
    seen["currencies"] = "USDC" in client.currencies or "USD" in client.currencies


async def trade(client: Any, seen: dict[str, Any]) -> None:
    balance = await client.fetch_balance()
    seen["balance"] = [balance[code]["total"] for code in ("USDC", "USD") if code in balance]
    seen["fee"] = (await client.fetch_trading_fee(SYMBOL))["taker"]
    await next_second()
    order = await client.create_order(SYMBOL, "limit", "buy", 0.01, 80000, {"clientOrderId": "ccxt-1"})
    seen["placed"] = order["clientOrderId"]
    seen["fetched"] = (await client.fetch_order(order["id"], SYMBOL))["status"]
    await next_second()
    edited = await client.edit_order(order["id"], SYMBOL, "limit", "buy", 0.02, 80100)
    seen["edited"] = [edited["id"] != order["id"], edited["amount"]]
    seen["open"] = [[o["price"], o["amount"]] for o in await client.fetch_open_orders(SYMBOL)]
    await client.cancel_order(edited["id"], SYMBOL)
    seen["open_after_cancel"] = len(await client.fetch_open_orders(SYMBOL))
    await next_second()
    await client.create_order(SYMBOL, "market", "buy", 0.01, 86000)
    fill = (await client.fetch_my_trades(SYMBOL))[-1]
    seen["fill"] = [fill["side"], fill["amount"], fill["takerOrMaker"]]
    seen["positions"] = [[p["side"], p["contracts"]] for p in await client.fetch_positions([SYMBOL])]
    seen["history"] = sorted({o["status"] for o in await client.fetch_orders(SYMBOL)})
    seen["positions_history"] = len(await client.fetch_positions_history([SYMBOL]))
    seen["deposits"] = len(await client.fetch_deposits())
    seen["refused"] = await refused(client.create_order(SYMBOL, "limit", "buy", 0.01, 99999))
    await client.cancel_all_orders_after(60_000)
    await client.cancel_all_orders_after(0)


async def meet_traps(client: Any, paying: Any, seen: dict[str, Any]) -> None:
    await paying.load_markets()
    await next_second()
    one = await paying.create_order(SYMBOL, "market", "buy", 0.01, 86000)
    seen["trap_20_fee_rate"] = await fee_rate(client, one["id"])
    await next_second()
    await client.create_order(SYMBOL, "limit", "buy", 0.01, 80000)
    await client.create_order(OTHER, "limit", "buy", 0.1, 3300)
    await client.cancel_all_orders(SYMBOL)
    seen["trap_21_left_of_the_other_market"] = len(await client.fetch_open_orders(OTHER))
    await next_second()
    await client.create_order(SYMBOL, "limit", "buy", 0.01, 80000)
    seen["trap_22_twice_in_a_second"] = await refused(client.create_order(SYMBOL, "limit", "buy", 0.01, 80000))
    await client.cancel_all_orders()
    seen["trap_24_daily_open_interest"] = await refused(client.fetch_open_interest_history(SYMBOL, "1d"))
    await next_second()
    seen["trap_25_conditional"] = await refused(
        client.create_order(
            SYMBOL,
            "limit",
            "sell",
            0.01,
            79000,
            {"triggerPrice": 80000, "triggerDirection": "DOWN", "reduceOnly": True},
        )
    )
    await client.cancel_all_orders()
    leverage = await client.set_leverage(10, SYMBOL)
    seen["trap_25_leverage_answer"] = leverage["longLeverage"]
    seen["leverage"] = (await client.fetch_leverage(SYMBOL))["longLeverage"]
    since = client.milliseconds() - 60_000
    seen["funding_history_parameter"] = await refused(client.fetch_funding_history(SYMBOL, since=since))
    seen["trap_23_same_hash"] = same_hashes(client)


def same_hashes(client: Any) -> dict[str, bool]:
    """Tell of one order, one transfer and one withdrawal whether ccxt hashes it as the venue's own library does."""
    vault, other, amount, expires, salt, key = 500343, 500344, 25_000_000, 1_790_000_000, 31337, 0x4838C4ED
    ours = {"collateralPosition": vault, "starkKey": hex(key), "expirationTimestamp": expires, "nonce": salt}
    order = {"baseAssetId": "0x2", "baseAmount": 1000, "quoteAssetId": "0x1", "quoteAmount": -amount, **ours}
    transfer = {"senderPositionId": vault, "receiverPositionId": other, "senderPublicKey": hex(key), "assetId": "0x1"}
    withdrawal = {"recipient": "0x5", "positionId": vault, "collateralId": "0x1", "expiration": {"seconds": expires}}
    theirs = {
        "order": client.get_extended_order_msg_hash({**order, "feeAssetId": "0x1", "feeAmount": 7}),
        "transfer": client.get_extended_transfer_msg_hash(
            {**transfer, "amount": amount, "expirationTimestamp": expires, "nonce": salt}
        ),
        "withdrawal": client.get_extended_withdrawal_msg_hash({**withdrawal, "amount": amount, "salt": salt}, hex(key)),
    }
    end = (expires, salt, key, "Perpetuals", "v0", "SN_MAIN", "1")
    venues = {
        "order": fast_stark_crypto.get_order_msg_hash(vault, 2, 1000, 1, -amount, 1, 7, *end),
        "transfer": fast_stark_crypto.get_transfer_msg_hash(other, vault, 1, amount, *end),
        "withdrawal": fast_stark_crypto.get_withdrawal_msg_hash("0x5", vault, 1, amount, *end),
    }
    return {name: number(theirs[name]) == venues[name] for name in venues}


def number(value: Any) -> int:
    return value if isinstance(value, int) else int(value, 16 if value.startswith("0x") else 10)


async def fee_rate(client: Any, order_id: str) -> float:
    fills = [fill for fill in await client.fetch_my_trades(SYMBOL) if fill["order"] == order_id]
    return round(sum(f["fee"]["cost"] for f in fills) / sum(f["cost"] for f in fills), 9)


async def follow(client: Any, seen: dict[str, Any]) -> None:
    book = await first(client.watch_order_book(SYMBOL))
    seen["ws_book"] = [len(book["bids"]) > 0, type(book["bids"][0][0]).__name__]
    seen["ws_mark"] = (await first(client.watch_mark_price(SYMBOL)))["symbol"]
    balance = await first(client.watch_balance())
    seen["ws_balance"] = [code for code in ("USD", "USDC") if code in balance]
    await follow_trading(client, SYMBOL, lambda: client.create_order(SYMBOL, "market", "buy", 0.01, 86000), seen)


if __name__ == "__main__":
    testify(main)
