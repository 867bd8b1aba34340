"""
Write tests/crypto/data/poseidon_vectors.json with poseidon-py (StarkWare's C implementation), which starknet-py brings
along. Run it with the oracle environment's interpreter.
"""

from __future__ import annotations

import json
import random
from importlib.metadata import version
from pathlib import Path

from poseidon_py.poseidon_hash import poseidon_hash_many, poseidon_perm

SEED = 20261129
PRIME = 2**251 + 17 * 2**192 + 1
OUT = Path(__file__).parents[1] / "crypto" / "data" / "poseidon_vectors.json"


def main() -> None:
    rng = random.Random(SEED)
    felts = [0, 1, 2, PRIME - 1, PRIME - 2, 2**251, 2**128] + [rng.randrange(PRIME) for _ in range(30)]
    states = [(0, 0, 0), (0, 0, 1), (PRIME - 1,) * 3] + [tuple(rng.choice(felts) for _ in range(3)) for _ in range(15)]
    sequences = [[], [0], [1], [0, 0], [1, 2, 3]] + [[rng.choice(felts) for _ in range(n)] for n in range(4, 16)]
    vectors = {
        "made_with": f"poseidon-py {version('poseidon-py')}, seed {SEED}",
        "permutation": [[[hex(x) for x in state], [hex(x) for x in poseidon_perm(*state)]] for state in states],
        "hash_many": [[[hex(x) for x in seq], hex(poseidon_hash_many(seq))] for seq in sequences],
    }
    OUT.write_text(json.dumps(vectors, indent=1) + "\n")


if __name__ == "__main__":
    main()
