"""
Writes ``tests/sim/paradex/data/signing_vectors.json``: what paradex-py hashes and signs for sign-in, onboarding, orders
and modifications, with random keys from a seed. Runs in the oracle environment.
"""

from __future__ import annotations

import json
import random
from decimal import Decimal
from pathlib import Path
from typing import Any

from paradex_py.account import utils
from paradex_py.common.order import Order, OrderSide, OrderType
from paradex_py.message.auth import build_auth_message
from paradex_py.message.onboarding import build_onboarding_message
from paradex_py.message.order import build_modify_order_message, build_order_message

SEED = 20261121
TARGET = Path(__file__).parent.parent / "sim" / "paradex" / "data" / "signing_vectors.json"
CHAINS = ("PRIVATE_SN_PARACLEAR_MAINNET", "PRIVATE_SN_POTC_SEPOLIA")
KINDS = ("order", "modify", "auth", "onboarding")


class Config:
    """The class hashes that an address is derived with; the contract's own examples."""

    paraclear_account_hash = "0x033434ad846cdd5f23eb73ff09fe6fddd568284a0fb7d1be20ee482f044dabe2"
    paraclear_account_proxy_hash = "0x3530cc4759d78042f1b543bf797f5f3d647cde0388c33734cf91b7f7b9314a9"


def amount(rng: random.Random) -> Decimal:
    return Decimal(rng.randrange(1, 10**12)).scaleb(-rng.randrange(0, 9))


def vector(rng: random.Random, number: int) -> dict[str, Any]:
    private = rng.randrange(1, 2**250)
    public = utils.private_to_stark_key(private)
    address = utils.derive_l2_address_starknet(Config, public)
    chain = CHAINS[number % 2]
    chain_id = int.from_bytes(chain.encode(), "big")
    kind = KINDS[number % 4]
    made: dict[str, Any] = {
        "kind": kind,
        "chain_id": chain,
        "private_key": hex(private),
        "public_key": hex(public),
        "account": hex(address),
    }
    if kind in {"order", "modify"}:
        order_type, side = rng.choice(list(OrderType)), rng.choice(list(OrderSide))
        order = Order(
            market=rng.choice(["BTC-USD-PERP", "kPEPE-USD-PERP"]),
            order_type=order_type,
            order_side=side,
            size=amount(rng),
            limit_price=amount(rng),
            signature_timestamp=1_760_000_000_000 + number,
            order_id=None if kind == "order" else str(1721903808500201709220290000 + number),
        )
        build = build_order_message if kind == "order" else build_modify_order_message
        message = build(chain_id, order)
        made |= {
            "timestamp": order.signature_timestamp,
            "market": order.market,
            "side": side.value,
            "type": order_type.value,
            "size": str(order.size),
            "price": str(order.limit_price),
            "id": order.id,
        }
    elif kind == "auth":
        stamp = 1_760_000_000 + number
        message = build_auth_message(chain_id, stamp, stamp + 1800)
        made |= {"timestamp": stamp, "expiration": stamp + 1800}
    else:
        message = build_onboarding_message(chain_id)
    message_hash = utils.typed_data_to_message_hash(message, address)
    r, s = utils.message_signature(message_hash, private)
    return made | {"hash": hex(message_hash), "r": str(r), "s": str(s)}


def main() -> None:
    rng = random.Random(SEED)
    made = {
        "how": f"paradex-py 0.8.2, random keys and orders from seed {SEED}; tests/oracle/make_paradex_sim_vectors.py",
        "vectors": [vector(rng, number) for number in range(24)],
    }
    TARGET.write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
