"""
Write tests/crypto/data/stark_vectors.json with starknet-py. Run it with the oracle environment's interpreter.
"""

from __future__ import annotations

import json
import random
from importlib.metadata import version
from pathlib import Path

from starknet_py.cairo.felt import encode_shortstring
from starknet_py.constants import EC_ORDER, FIELD_PRIME
from starknet_py.hash.selector import get_selector_from_name
from starknet_py.hash.utils import (
    compute_hash_on_elements,
    message_signature,
    pedersen_hash,
    private_to_stark_key,
)

SEED = 20261121
OUT = Path(__file__).parents[1] / "crypto" / "data" / "stark_vectors.json"


def main() -> None:
    rng = random.Random(SEED)
    felts = [0, 1, 2, FIELD_PRIME - 1, 2**251, 2**128] + [rng.randrange(FIELD_PRIME) for _ in range(40)]
    pairs = [(rng.choice(felts), rng.choice(felts)) for _ in range(60)]
    sequences = [[], [0], [1, 2, 3]] + [rng.sample(felts, rng.randrange(1, 9)) for _ in range(20)]
    keys = [1, 2, EC_ORDER - 1] + [rng.randrange(1, EC_ORDER) for _ in range(20)]
    signatures = []
    for key in keys:
        message = rng.randrange(2**251)
        signatures.append([hex(key), hex(message), *(hex(part) for part in message_signature(message, key))])
    texts = ["", "a", "Paradex", "StarkNet Message", "BTC-USD-PERP", "STOP_LOSS_MARKET", "x" * 31]
    names = ["transfer", "initialize", "a", "Order(timestamp:felt,market:felt)"]
    vectors = {
        "made_with": f"starknet-py {version('starknet-py')}, crypto-cpp-py {version('crypto-cpp-py')}, seed {SEED}",
        "pedersen": [[hex(a), hex(b), hex(pedersen_hash(a, b))] for a, b in pairs],
        "hash_elements": [[[hex(e) for e in seq], hex(compute_hash_on_elements(seq))] for seq in sequences],
        "public_key": [[hex(key), hex(private_to_stark_key(key))] for key in keys],
        "signature": signatures,
        "short_string": [[text, hex(encode_shortstring(text))] for text in texts],
        "keccak": [[name, hex(get_selector_from_name(name))] for name in names],
    }
    OUT.parent.mkdir(parents=True, exist_ok=True)
    OUT.write_text(json.dumps(vectors, indent=1) + "\n")


if __name__ == "__main__":
    main()
