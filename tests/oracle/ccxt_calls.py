"""What each witness that drives ccxt does: hear a refusal, wait for an unused second, follow its own trading."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import ccxt.pro as ccxt
from testimony import TIMEOUT_S


async def refused(call: Awaitable[Any]) -> str:
    """Return the class and words of a call's error; nothing for a call that is answered."""
    try:
        await call
    except ccxt.BaseError as exc:
        return f"{type(exc).__name__}: {exc}"
    return ""


async def next_second() -> None:
    """Wait for the next second of the clock: ccxt signs with whole seconds, and the time is the nonce."""
    await asyncio.sleep(1.01 - time.time() % 1)


async def first(call: Awaitable[Any]) -> Any:
    """Return what a stream brings first, with bounded patience."""
    return await asyncio.wait_for(call, TIMEOUT_S)


async def follow_trading(client: Any, symbol: str, trade: Callable[[], Awaitable[Any]], seen: dict[str, Any]) -> None:
    """Note the symbol of the newest order, fill and public trade that are watched while ``trade`` is called."""
    orders = asyncio.create_task(client.watch_orders(symbol))
    fills = asyncio.create_task(client.watch_my_trades(symbol))
    trades = asyncio.create_task(client.watch_trades(symbol))
    # A watch is only good for what comes after its subscription, which ccxt tells nobody about: so trade again.
    for _ in range(10):
        await next_second()
        await trade()
        if (await asyncio.wait({orders, fills, trades}, timeout=0.5))[1] == set():
            break
    seen["ws_order"] = (await first(orders))[-1]["symbol"]
    seen["ws_fill"] = (await first(fills))[-1]["symbol"]
    seen["ws_trade"] = (await first(trades))[-1]["symbol"]
