"""
Signing one order for Lighter: from its whole numbers to the text that is sent, by the venue's library in every case.

perpkit calls it on a thread of its own and holds what was signed against what was asked; lighter-sdk and ccxt call it
where they are called, which is the event loop's thread. The same library on the main thread, by perpkit's own call of
it, tells what the thread alone makes of it.

The same random orders (seeded), key and nonces for all. Before timing, each one's signature of every order is verified
in pure Python against the hash that its text has, and its fields against the order.

lighter-sdk has an environment of its own: ``make bench-lighter``.
"""

from __future__ import annotations

import asyncio
import json
import random
from base64 import b64decode
from collections.abc import Callable
from itertools import cycle, islice
from typing import Any

from benchmarks.harness import Batch, Ratio, Result, in_turns, rows_in_us, times_faster
from perpkit.adapters.lighter.signing.library import ApiKey, find_library, signing_library
from perpkit.adapters.lighter.signing.signer import Signer
from perpkit.adapters.lighter.signing.tx import CreateOrder
from perpkit.core.transport.redact import Secret
from perpkit.crypto.ecgfp5 import ORDER, PublicKey, public_key
from perpkit.sim.venues.lighter.verify import CREATE_ORDER, transaction_hash, without_nil

SEED = 20261129
KEY = random.Random(SEED).randrange(1, ORDER)
KEY_TEXT = KEY.to_bytes(40, "little").hex()
ACCOUNT, SLOT, CHAIN = 12345, 4, 304
EXPIRY_MS = 1_800_000_000_000
ORDERS = 64

WORKER, MAIN, SDK, CCXT = "perpkit, on a worker thread", "the same call on the main thread", "lighter-sdk", "ccxt"

Sign = Callable[[int, CreateOrder], str]


def orders() -> list[tuple[int, CreateOrder]]:
    """Return the orders to sign, each with its nonce."""
    rng = random.Random(SEED + 1)
    return [
        (
            nonce,
            CreateOrder(
                market=rng.randrange(4),
                client_index=rng.randrange(1, 2**48),
                base_amount=rng.randrange(1, 10**6),
                price=rng.randrange(1, 10**6),
                is_ask=rng.random() < 0.5,
                type=0,
                time_in_force=1,
                reduce_only=False,
                trigger_price=0,
                expiry=EXPIRY_MS,
            ),
        )
        for nonce in range(ORDERS)
    ]


def of_perpkit(loop: asyncio.AbstractEventLoop) -> Sign:
    """Sign as the plugin does when it places an order."""
    signer = Signer({SLOT: Secret(KEY_TEXT)}, chain_id=CHAIN)

    def sign(nonce: int, order: CreateOrder) -> str:
        return loop.run_until_complete(signer.sign(order, account=ACCOUNT, key_index=SLOT, nonce=nonce)).info

    return sign


def of_the_main_thread() -> Sign:
    """Call the library as the plugin does, but from here."""
    library, key = signing_library(), ApiKey(ACCOUNT, SLOT, Secret(KEY_TEXT), CHAIN)
    return lambda nonce, order: library._sign(order, nonce, key)[0]


def of_the_sdk(client: Any) -> Sign:
    """Sign as lighter-sdk does inside ``create_order``."""

    def sign(nonce: int, order: CreateOrder) -> str:
        _, info, _, error = client.sign_create_order(
            *(order.market, order.client_index, order.base_amount, order.price, order.is_ask, order.type),
            *(order.time_in_force, order.reduce_only, order.trigger_price, order.expiry),
            nonce=nonce,
            api_key_index=SLOT,
        )
        if error is not None:
            raise RuntimeError(error)
        return str(info)

    return sign


def of_ccxt() -> Sign:
    """Sign as ccxt does inside ``create_order``."""
    import ccxt

    exchange = ccxt.lighter()
    signer = exchange.load_lighter_library(str(find_library()), CHAIN, KEY_TEXT, SLOT, ACCOUNT, True)

    def sign(nonce: int, order: CreateOrder) -> str:
        request = {
            "market_index": order.market,
            "client_order_index": order.client_index,
            "base_amount": order.base_amount,
            "avg_execution_price": order.price,
            "is_ask": int(order.is_ask),
            "order_type": order.type,
            "time_in_force": order.time_in_force,
            "reduce_only": int(order.reduce_only),
            "trigger_price": order.trigger_price,
            "order_expiry": order.expiry,
            "nonce": nonce,
            "api_key_index": SLOT,
            "account_index": ACCOUNT,
        }
        return str(exchange.lighter_sign_create_order(signer, request)[1])

    return sign


def check(sign: Sign, name: str) -> None:
    """Verify this one's signature of every order, and what it signed."""
    public = PublicKey(public_key(KEY))
    for nonce, order in orders():
        info = json.loads(sign(nonce, order))
        due = {"AccountIndex": ACCOUNT, "ApiKeyIndex": SLOT, **order.fields(), "Nonce": nonce}
        if {key: info[key] for key in due} != due:
            raise AssertionError(f"{name} signs another order: {info}")
        attributes = {int(key): value for key, value in (info["L2TxAttributes"] or {}).items()}
        hashed = transaction_hash(CHAIN, CREATE_ORDER, info, without_nil(attributes))
        if not public.verify(hashed, b64decode(info["Sig"])):
            raise AssertionError(f"{name}'s signature is not one: {info}")


def run() -> Result:
    """Check that all sign the same, then time them in turns."""
    try:
        import lighter
    except ImportError as error:
        raise SystemExit("lighter-sdk is not in this environment: `make bench-lighter` has one of its own") from error
    loop = asyncio.new_event_loop()

    async def opened() -> Any:
        return lighter.SignerClient("http://127.0.0.1:1", ACCOUNT, {SLOT: KEY_TEXT}, chain_id=CHAIN)

    client = loop.run_until_complete(opened())
    try:
        signers = {
            WORKER: of_perpkit(loop),
            MAIN: of_the_main_thread(),
            SDK: of_the_sdk(client),
            CCXT: of_ccxt(),
        }
        for name, sign in signers.items():
            check(sign, name)

        def batch_of(sign: Sign) -> Batch:
            given = orders()

            def batch(count: int) -> None:
                for nonce, order in islice(cycle(given), count):
                    sign(nonce, order)

            return batch

        samples = in_turns({name: batch_of(sign) for name, sign in signers.items()})
    finally:
        loop.run_until_complete(client.close())
        loop.close()
    return Result(
        name="signing_lighter",
        what=f"one order for Lighter, {ORDERS} different ones in turn, whole numbers to signed text",
        rows=rows_in_us(samples),
        ratios=[Ratio(f"times faster than {name}", times_faster(samples, WORKER, name)) for name in (MAIN, SDK, CCXT)],
        notes=[
            "Every signature was verified in pure Python before timing.",
            "perpkit's has the way to its thread and back in it, and the comparison of what was signed.",
        ],
    )
