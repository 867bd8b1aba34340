"""
Signing one order for Extended: from size, price and fee to the signed settlement.

The same random orders (seeded), key, vault and nonces for all. Before timing, the signature of each order by ccxt and
by the venue's own SDK is verified against perpkit's message hash, and so is perpkit's own: all are known to sign the
same thing.

The SDK lives in an environment of its own (`make oracle-x10`), whose packages are looked for after this one's. Where
there is none, it is left out, and the result says so.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Callable
from decimal import Decimal
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from benchmarks.harness import Batch, Ratio, Result, in_turns, rows_in_us, times_faster
from perpkit.adapters.extended.signing import Asset, Signer, Terms, ToSign, settlement_expiration
from perpkit.core.clock import from_ms
from perpkit.core.models import Side
from perpkit.crypto.stark import public_key, verify

ROOT = Path(__file__).parent.parent

SEED = 20261129
KEY = random.Random(SEED).randrange(1, 2**250)
PUBLIC = public_key(KEY)
VAULT = 100_123
EXPIRY_MS = 1_790_000_000_000
FEE = Decimal("0.00025")
CHAIN = "SN_SEPOLIA"
# Ids and resolutions of the kind that the venue lists for BTC-USD.
TERMS = Terms(
    synthetic=Asset(0x4254432D3600000000000000000000, 1_000_000),
    collateral=Asset(0x1, 1_000_000),
    price_cap=Decimal("0.05"),
    price_floor=Decimal("0.05"),
    max_position_value=Decimal(10_000_000),
    is_rfq=False,
)
ORDERS = 64

Sign = Callable[[int, ToSign], tuple[int, int]]


def orders() -> list[tuple[int, ToSign]]:
    """Return the orders to sign, each with its nonce."""
    rng = random.Random(SEED + 1)
    return [
        (
            rng.randrange(1, 2**31),
            ToSign(
                side=rng.choice([Side.BUY, Side.SELL]),
                size=Decimal(rng.randrange(1, 10**5)).scaleb(-5),
                price=Decimal(rng.randrange(10**4, 10**5)),
                fee=FEE,
            ),
        )
        for _ in range(ORDERS)
    ]


def of_perpkit() -> Sign:
    """Sign as the plugin does when it places an order."""
    signer = Signer(KEY, PUBLIC, VAULT, CHAIN)

    def sign(nonce: int, order: ToSign) -> tuple[int, int]:
        made = signer.settlement(order, TERMS, expiry_ms=EXPIRY_MS, nonce=nonce)["signature"]
        return int(made["r"], 16), int(made["s"], 16)

    return sign


def of_ccxt() -> Sign:
    """Sign as ccxt does inside ``create_order``."""
    import ccxt

    exchange = ccxt.extended({"privateKey": hex(KEY), "options": {"chainId": CHAIN}})
    given: dict[str, Any] = {
        "totalFee": str(FEE),
        "settlementExpiration": settlement_expiration(EXPIRY_MS),
        "starkKey": hex(PUBLIC),
        "collateralPosition": str(VAULT),
        "syntheticId": hex(TERMS.synthetic.id),
        "collateralId": hex(TERMS.collateral.id),
        "syntheticResolution": TERMS.synthetic.resolution,
        "collateralResolution": TERMS.collateral.resolution,
    }

    def sign(nonce: int, order: ToSign) -> tuple[int, int]:
        made = exchange.create_order_settlement_data(
            order.side is Side.BUY, str(order.size), str(order.price), {**given, "nonce": nonce}
        )
        return int(made["r"], 16), int(made["s"], 16)

    return sign


def of_sdk() -> Sign | None:
    """Sign as x10 does inside ``create_order_object``; None where the SDK is not installed."""
    python = Path(os.environ.get("PERPKIT_ORACLE_X10_PYTHON") or ROOT / ".venv-oracle-x10/bin/python")
    packages = python.parent.parent / f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    if not (packages / "x10").is_dir():
        return None
    sys.path.append(str(packages))
    from x10.config import TESTNET_CONFIG
    from x10.core.stark_account import StarkPerpetualAccount
    from x10.models.market import L2ConfigModel, MarketModel
    from x10.models.order import OrderSide
    from x10.signing.order_object_settlement import SettlementDataCtx, create_order_settlement_data

    account = StarkPerpetualAccount(VAULT, hex(KEY), hex(PUBLIC), "benchmark")
    market = MarketModel.model_construct(
        asset_name="BTC",
        asset_precision=5,
        collateral_asset_name="USD",
        collateral_asset_precision=6,
        l2_config=L2ConfigModel(
            type="STARKX",
            collateral_id=hex(TERMS.collateral.id),
            collateral_resolution=TERMS.collateral.resolution,
            synthetic_id=hex(TERMS.synthetic.id),
            synthetic_resolution=TERMS.synthetic.resolution,
        ),
    )
    sides = {Side.BUY: OrderSide.BUY, Side.SELL: OrderSide.SELL}

    def sign(nonce: int, order: ToSign) -> tuple[int, int]:
        context = SettlementDataCtx(
            market=market,
            taker_fee=order.fee,
            builder_fee=None,
            nonce=nonce,
            collateral_position_id=account.vault,
            expire_time=from_ms(EXPIRY_MS),
            signer=account.sign,
            public_key=account.public_key,
            starknet_domain=TESTNET_CONFIG.signing.starknet_domain,
        )
        made = create_order_settlement_data(
            side=sides[order.side], synthetic_amount=order.size, price=order.price, ctx=context
        )
        return made.settlement.signature.r, made.settlement.signature.s

    return sign


def check(sign: Sign, name: str) -> None:
    """Verify this one's signature of every order against perpkit's hash of it."""
    signer = Signer(KEY, PUBLIC, VAULT, CHAIN)
    for nonce, order in orders():
        message = signer.message_hash(order, TERMS, expiry_ms=EXPIRY_MS, nonce=nonce)
        if not verify(PUBLIC, message, *sign(nonce, order)):
            raise AssertionError(f"{name} does not sign what perpkit hashes: {order}")


def run() -> Result:
    """Check that all sign the same, then time them in turns."""
    signers = {"perpkit": of_perpkit(), "ccxt": of_ccxt()}
    sdk = of_sdk()
    if sdk is not None:
        signers["x10"] = sdk
    for name, sign in signers.items():
        check(sign, name)

    def batch_of(sign: Sign) -> Batch:
        given = orders()

        def batch(count: int) -> None:
            for nonce, order in islice(cycle(given), count):
                sign(nonce, order)

        return batch

    samples = in_turns({name: batch_of(sign) for name, sign in signers.items()})
    return Result(
        name="signing_extended",
        what=f"one order for Extended, {ORDERS} different ones in turn, hash and signature",
        rows=rows_in_us(samples),
        ratios=[
            Ratio(f"times faster than {name}", times_faster(samples, "perpkit", name)) for name in list(signers)[1:]
        ],
        notes=[
            "Every signature was verified against the same message hash before timing.",
            *([] if sdk else ["The venue's own SDK is not here: make oracle-x10."]),
        ],
    )
