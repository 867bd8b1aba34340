"""
``place_order`` over REST against the local Paradex, beside raw aiohttp doing the same POST with bodies that were signed
beforehand.

The server is a process of its own. What the server and the loopback take is what raw aiohttp waits, its own work
taken off; the client's own share is everything else that ``place_order`` takes. The two take turns, order by order.
"""

from __future__ import annotations

import asyncio
import gc
import random
from datetime import UTC, datetime
from decimal import Decimal
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
        return (await reply.json())["jwt_token"]


async def measure(local: Server) -> tuple[list[float], list[float], list[float], list[float]]:
    """Return wall and processor seconds of each order: place_order's, then raw's."""
    rng = random.Random(SEED)
    async with (
        aiohttp.ClientSession() as session,
        perpkit.open_venue("paradex", "local", **local.settings) as venue,
    ):
        market = await venue.market("BTC-USD-PERP")
        book = await venue.fetch_order_book(market, depth=1)
        far = (book.bids[0].price * Decimal("0.97")).quantize(market.tick_size)
        async with session.get(f"{local.url}/system/config") as reply:
            chain = (await reply.json())["starknet_chain_id"]
        signer = NativeSigner(int(local.private_key, 16), int(local.account, 16), chain)
        raw = Raw(local, session, signer, await sign_in(local, session, signer))

        def intent() -> perpkit.OrderIntent:
            price = far - rng.randrange(500) * market.tick_size
            size = rng.randrange(10, 100) * market.step_size
            return perpkit.OrderIntent(market_id=market.id, side=perpkit.Side.BUY, size=size, price=price)

        wall: tuple[list[float], list[float]] = ([], [])
        processor: tuple[list[float], list[float]] = ([], [])
        for number in range(-AT_ONCE, 2 * ORDERS):
            if number % AT_ONCE == 0:
                await venue.cancel_all_orders()
                await _until_none_is_open(venue)
                gc.collect()
            which = number % 2
            mine = intent()
            body = raw.prepare(mine.replace(client_order_id=f"raw-{number}"), market) if which else b""
            wall_began, processor_began = perf_counter(), process_time()
            if which:
                await raw.post(body)
            else:
                await venue.place_order(mine)
            took = perf_counter() - wall_began, process_time() - processor_began
            if number >= 0:
                wall[which].append(took[0])
                processor[which].append(took[1])
        await venue.cancel_all_orders()
        return wall[0], processor[0], wall[1], processor[1]


async def _until_none_is_open(venue: perpkit.Venue) -> None:
    async with asyncio.timeout(10):
        while await venue.fetch_open_orders():
            await asyncio.sleep(0.01)


def run() -> Result:
    """Place orders in turns and take the server's time off."""
    with server() as local:
        ours, ours_processor, raw, raw_processor = asyncio.run(measure(local))
    # What raw waits beyond its own work is the server and the loopback; its median is the steadiest figure for it.
    waits = sorted(wall - own for wall, own in zip(raw, raw_processor, strict=True))
    served = percentile(waits, 0.5)
    share = [wall - served for wall in ours]

    def row(name: str, values: list[float]) -> Row:
        return Row(name, {"median ms": percentile(values, 0.5) * 1e3, "p99 ms": percentile(values, 0.99) * 1e3})

    return Result(
        name="place_order",
        what=f"{ORDERS} limit orders each way over REST, one at a time",
        rows=[
            row("perpkit place_order", ours),
            row("raw aiohttp, signed beforehand", raw),
            row("client's own share", share),
            row("perpkit, processor time", ours_processor),
            row("raw aiohttp, processor time", raw_processor),
        ],
        ratios=[
            Ratio("ms: median of the client's own share", percentile(share, 0.5) * 1e3, 1.5, at_most=True),
            Ratio("ms: p99 of the client's own share", percentile(share, 0.99) * 1e3, 5, at_most=True),
            Ratio("times raw aiohttp's wall time", percentile(ours, 0.5) / percentile(raw, 0.5)),
        ],
        notes=["Own share: wall time less the median of what raw aiohttp waits; its p99 so bears the server's spread."],
    )
