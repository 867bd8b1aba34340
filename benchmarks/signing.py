"""
Signing one order: from an order in the library's own form to the signature that the venue takes.

The same random orders (seeded), the same key and account for all. Before timing, each one's signature of each order
is verified against perpkit's message hash, so all three are known to sign the same thing.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from decimal import Decimal
from itertools import cycle, islice
from typing import Any

from benchmarks.harness import Batch, Ratio, Result, in_turns, rows_in_us, times_faster
from perpkit.adapters.paradex.encode import Unsigned, quantums
from perpkit.adapters.paradex.signing import NativeSigner
from perpkit.crypto.stark import public_key, verify

SEED = 20261121
CHAIN = "PRIVATE_SN_POTC_SEPOLIA"
KEY = random.Random(SEED).randrange(1, 2**250)
ACCOUNT = random.Random(SEED + 1).randrange(1, 2**250)
ORDERS = 64


def orders() -> list[dict[str, Any]]:
    """Return the orders to sign: limit orders of ordinary sizes and prices, each with a time of its own."""
    rng = random.Random(SEED + 2)
    return [
        {
            "market": "BTC-USD-PERP",
            "side": rng.choice(["BUY", "SELL"]),
            "size": Decimal(rng.randrange(1, 10**5)).scaleb(-5),
            "price": Decimal(rng.randrange(10**5, 10**6)).scaleb(-1),
            "timestamp": 1_760_000_000_000 + 1000 * number,
        }
        for number in range(ORDERS)
    ]


def of_perpkit() -> Callable[[dict[str, Any]], str]:
    """Sign on fast-stark-crypto with the session's part of the hash kept."""
    signer = NativeSigner(KEY, ACCOUNT, CHAIN)

    def sign(order: dict[str, Any]) -> str:
        return signer.sign_order(unsigned(order), order["timestamp"])

    return sign


def unsigned(order: dict[str, Any]) -> Unsigned:
    """Return the order in the adapter's form before signing."""
    size, price = quantums(order["size"], "size"), quantums(order["price"], "price")
    return Unsigned({}, order["market"], order["side"], "LIMIT", size, price)


def of_paradex_py() -> Callable[[dict[str, Any]], str]:
    """Sign as the official SDK does when it submits an order."""
    from paradex_py.account.account import ParadexAccount
    from paradex_py.api.models import SystemConfig
    from paradex_py.common.order import Order, OrderSide, OrderType

    nothing = dict.fromkeys(SystemConfig.__dataclass_fields__, "0x0")
    config = SystemConfig(**{**nothing, "starknet_chain_id": CHAIN, "paraclear_decimals": 8, "bridged_tokens": []})
    account = ParadexAccount(config, l1_address="0x0", l2_private_key=hex(KEY), l2_address=hex(ACCOUNT))

    def sign(order: dict[str, Any]) -> str:
        return account.sign_order(
            Order(
                market=order["market"],
                order_type=OrderType.Limit,
                order_side=OrderSide(order["side"]),
                size=order["size"],
                limit_price=order["price"],
                signature_timestamp=order["timestamp"],
            )
        )

    return sign


def of_ccxt(loop: asyncio.AbstractEventLoop) -> tuple[Callable[[dict[str, Any]], str], Batch]:
    """Sign as ccxt does inside ``create_order``; the second function signs a batch inside the event loop."""
    import ccxt.async_support as ccxt

    exchange = ccxt.paradex(
        {
            "options": {
                "systemConfig": {"starknet_chain_id": CHAIN},
                "paradexAccount": {"address": hex(ACCOUNT), "privateKey": hex(KEY), "publicKey": hex(public_key(KEY))},
            }
        }
    )

    def request(order: dict[str, Any]) -> dict[str, str]:
        return {
            "market": order["market"],
            "side": order["side"],
            "type": "LIMIT",
            "instruction": "GTC",
            "size": str(order["size"]),
            "price": str(order["price"]),
        }

    def sign(order: dict[str, Any]) -> str:
        # ccxt stamps the order itself; give it this order's own second
        exchange.nonce = lambda: order["timestamp"] // 1000
        signed = loop.run_until_complete(exchange.sign_order_request(request(order)))
        assert signed["signature_timestamp"] == order["timestamp"]
        return signed["signature"]

    requests = [request(order) for order in orders()]

    def batch(count: int) -> None:
        async def all_of_them() -> None:
            for each in islice(cycle(requests), count):
                await exchange.sign_order_request(each)

        loop.run_until_complete(all_of_them())

    return sign, batch


def check(sign: Callable[[dict[str, Any]], str], name: str) -> None:
    """Verify this one's signature of every order against perpkit's hash of it."""
    signer = NativeSigner(KEY, ACCOUNT, CHAIN)
    for order in orders():
        r, s = (int(part, 0) for part in json.loads(sign(order)))
        message = signer.order_hash(unsigned(order), order["timestamp"])
        if not verify(public_key(KEY), message, r, s):
            raise AssertionError(f"{name} does not sign what perpkit hashes: {order}")


def run() -> Result:
    """Check that all sign the same, then time them in turns."""
    loop = asyncio.new_event_loop()
    ccxt_sign, ccxt_batch = of_ccxt(loop)
    signers = {"perpkit": of_perpkit(), "paradex-py": of_paradex_py(), "ccxt": ccxt_sign}
    for name, sign in signers.items():
        check(sign, name)

    def batch_of(sign: Callable[[dict[str, Any]], str]) -> Batch:
        given = orders()

        def batch(count: int) -> None:
            for order in islice(cycle(given), count):
                sign(order)

        return batch

    batches = {name: batch_of(sign) for name, sign in signers.items() if name != "ccxt"}
    samples = in_turns({**batches, "ccxt": ccxt_batch})
    loop.close()
    return Result(
        name="signing",
        what=f"one limit order, {ORDERS} different ones in turn, hash and signature",
        rows=rows_in_us(samples),
        ratios=[
            Ratio("times faster than paradex-py", times_faster(samples, "perpkit", "paradex-py"), 6),
            Ratio("times faster than ccxt", times_faster(samples, "perpkit", "ccxt"), 50),
        ],
        notes=["Every signature was verified against the same message hash before timing."],
    )
