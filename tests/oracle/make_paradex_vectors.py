"""
Write tests/adapters/paradex/data/signing_vectors.json. Run it with the oracle environment's interpreter.
"""

from __future__ import annotations

import json
import random
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

from paradex_messages import answer
from paradex_py.account import utils

SEED = 20261121
OUT = Path(__file__).parents[1] / "adapters" / "paradex" / "data" / "signing_vectors.json"
TYPES = (
    "MARKET", "LIMIT", "STOP_LIMIT", "STOP_MARKET", "TAKE_PROFIT_LIMIT", "TAKE_PROFIT_MARKET", "STOP_LOSS_MARKET",
    "STOP_LOSS_LIMIT",
)  # fmt: skip
CHAINS = ("PRIVATE_SN_PARACLEAR_MAINNET", "PRIVATE_SN_POTC_SEPOLIA", "L")
# Example class hashes of OpenAPI 1.132, `responses.SystemConfigResponse`.
CONFIG = {
    "paraclear_account_hash": "0x033434ad846cdd5f23eb73ff09fe6fddd568284a0fb7d1be20ee482f044dabe2",
    "paraclear_account_proxy_hash": "0x3530cc4759d78042f1b543bf797f5f3d647cde0388c33734cf91b7f7b9314a9",
}


def main() -> None:
    rng = random.Random(SEED)
    keys = [hex(rng.randrange(1, utils.EC_ORDER)) for _ in range(4)]
    rows = []
    for number in range(96):
        kind = TYPES[number % len(TYPES)]
        places = rng.randrange(9)
        order = {
            "market": rng.choice(["BTC-USD-PERP", "kPEPE-USD-PERP", "A-USD-PERP", "LONGESTNAMEOFALL-USD-PERP"]),
            "type": kind,
            "side": rng.choice(["BUY", "SELL"]),
            "size": f"{rng.randrange(1, 10 ** rng.randrange(1, 18))}e-{places}",
            "price": "0" if kind.endswith("MARKET") else f"{rng.randrange(1, 10 ** rng.randrange(1, 18))}e-{places}",
            "timestamp": rng.randrange(1, 2**43),
        }
        if number % 3 == 0:
            order["id"] = str(rng.randrange(10**24, 10**28))
        rows.append(
            {
                "key": rng.choice(keys),
                "account": hex(rng.randrange(2**251)),
                "chain": rng.choice(CHAINS),
                "order": order,
            }
        )
    for _ in range(12):
        start = rng.randrange(2**31)
        rows.append(
            {
                "key": rng.choice(keys),
                "account": hex(rng.randrange(2**251)),
                "chain": rng.choice(CHAINS),
                "auth": [start, start + 1800],
            }
        )
    vectors = {
        "made_with": f"paradex-py {version('paradex-py')}, seed {SEED}",
        "messages": [{**row, **answer({**row, "sign": True})} for row in rows],
        "config": CONFIG,
        "accounts": [
            [
                key,
                hex(
                    utils.derive_l2_address_starknet(
                        SimpleNamespace(**CONFIG), utils.private_to_stark_key(int(key, 16))
                    )
                ),
            ]
            for key in keys
        ],
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(vectors, indent=1) + "\n")


if __name__ == "__main__":
    main()
