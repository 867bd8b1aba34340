"""
``place_order`` over REST against the local Paradex, beside raw aiohttp doing the same POST with bodies that were signed
beforehand.

The server is a process of its own, so the processor time of this one, which waits for nothing else, is the client's own
share. How much longer ``place_order`` takes than raw aiohttp by the clock on the wall shows whether it waits for
anything besides. The two take turns, order by order.
"""

from __future__ import annotations

import asyncio
import gc
import random
import statistics
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from operator import sub
from time import perf_counter, process_time, time_ns

import aiohttp

import perpkit
from benchmarks.harness import Ratio, Result, Row, percentile
from benchmarks.local import Server, server
from perpkit.adapters.paradex import encode
from perpkit.adapters.paradex.signing import NativeSigner
from perpkit.core.models import Market
from perpkit.core.transport import wire_json

ORDERS = 1000
AT_ONCE = 50
"""After so many orders all are canceled, outside the timing: a market holds a hundred at most."""
SEED = 20261121


class Raw:
    """The same POST by hand: signed beforehand, one session, one connection kept."""

    def __init__(self, local: Server, session: aiohttp.ClientSession, signer: NativeSigner, token: str) -> None:
        self._url = f"{local.url}/orders"
        self._session = session
        self._signer = signer
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def prepare(self, intent: perpkit.OrderIntent, market: Market) -> bytes:
        """Sign, outside the timing."""
        order = encode.new_order(intent, market)
        at = time_ns() // 1_000_000
        return wire_json.dumps(order.signed(at, self._signer.sign_order(order, at)))

    async def post(self, body: bytes) -> None:
        """Send and read the answer."""
        async with self._session.post(self._url, data=body, headers=self._headers) as reply:
            answer = await reply.read()
            if reply.status != 201:
                raise RuntimeError(f"raw POST: {reply.status} {answer[:200]!r}")


async def sign_in(local: Server, session: aiohttp.ClientSession, signer: NativeSigner) -> str:
    """Return a token for the raw client."""
    now = int(datetime.now(UTC).timestamp())
    headers = {
        "PARADEX-STARKNET-ACCOUNT": local.account,
        "PARADEX-STARKNET-SIGNATURE": signer.sign_auth(now, now + 3600),
        "PARADEX-TIMESTAMP": str(now),
        "PARADEX-SIGNATURE-EXPIRATION": str(now + 3600),
    }
    async with session.post(f"{local.url}/auth/{signer.public_key:#x}", headers=headers) as reply:
        answer = await reply.json()
        if "jwt_token" not in answer:
            raise RuntimeError(f"raw sign-in: {reply.status} {answer}")
        return answer["jwt_token"]


@dataclass
class Timings:
    """Seconds of each order."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)


async def measure(local: Server) -> tuple[Timings, Timings]:
    """Return the timings of place_order and of raw aiohttp."""
    rng = random.Random(SEED)
    async with (
        aiohttp.ClientSession() as session,
        perpkit.open_venue("paradex", "local", **local.settings) as venue,
    ):
        market = await venue.market("BTC-USD-PERP")
        ticker = await venue.fetch_ticker(market)
        far = (ticker.mark_price * Decimal("0.97")).quantize(market.tick_size)
        async with session.get(f"{local.url}/system/config") as reply:
            chain = (await reply.json())["starknet_chain_id"]
        signer = NativeSigner(int(local.private_key, 16), int(local.account, 16), chain)
        raw = Raw(local, session, signer, await sign_in(local, session, signer))

        def intent() -> perpkit.OrderIntent:
            price = far - rng.randrange(500) * market.tick_size
            size = Decimal(rng.randrange(10, 100)).scaleb(-3)
            return perpkit.OrderIntent(market_id=market.id, side=perpkit.Side.BUY, size=size, price=price)

        found = Timings(), Timings()
        for number in range(-AT_ONCE, 2 * ORDERS):
            if number % AT_ONCE == 0:
                await venue.cancel_all_orders()
                await _until_none_is_open(venue)
                gc.collect()
            which = number % 2
            mine = intent()
            body = raw.prepare(mine.replace(client_order_id=f"raw-{number}"), market) if which else b""
            wall, processor = perf_counter(), process_time()
            if which:
                await raw.post(body)
            else:
                await venue.place_order(mine)
            took, worked = perf_counter() - wall, process_time() - processor
            if number >= 0:
                found[which].wall.append(took)
                found[which].processor.append(worked)
        await venue.cancel_all_orders()
        return found


async def _until_none_is_open(venue: perpkit.Venue) -> None:
    async with asyncio.timeout(10):
        while await venue.fetch_open_orders():
            await asyncio.sleep(0.01)


def run() -> Result:
    """Place orders in turns."""
    with server() as local:
        ours, raw = asyncio.run(measure(local))

    def row(name: str, values: list[float]) -> Row:
        return Row(name, {"median ms": percentile(values, 0.5) * 1e3, "p99 ms": percentile(values, 0.99) * 1e3})

    return Result(
        name="place_order",
        what=f"{ORDERS} limit orders each way over REST, one at a time",
        rows=[
            row("place_order, wall time", ours.wall),
            row("raw aiohttp, wall time", raw.wall),
            row("place_order, processor time", ours.processor),
            row("raw aiohttp, processor time", raw.processor),
        ],
        ratios=[
            Ratio("ms: median of the client's own share", percentile(ours.processor, 0.5) * 1e3, 1.5, at_most=True),
            Ratio("ms: p99 of the client's own share", percentile(ours.processor, 0.99) * 1e3, 5, at_most=True),
            Ratio("ms more than raw aiohttp, wall time", statistics.median(map(sub, ours.wall, raw.wall)) * 1e3),
        ],
        notes=["Own share: processor time of the client's process. Raw aiohttp sends orders signed beforehand."],
    )
