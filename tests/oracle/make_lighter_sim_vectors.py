"""
Writes ``tests/crypto/data/ecgfp5_vectors.json`` and ``tests/sim/lighter/data/signing_vectors.json``: transactions and
auth tokens as lighter-sdk's signer library hashes and signs them, with keys it generates. The library draws keys and
nonce points itself, so another run gives other vectors of the same shape. Runs where lighter-sdk is installed; nothing
is sent.
"""

from __future__ import annotations

import json
import random
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lighter.signer_client import CreateOrderTxReq, create_api_key, decode_and_free, get_signer

SEED = 20261129
TESTS = Path(__file__).parent.parent
PRIMITIVES = TESTS / "crypto" / "data" / "ecgfp5_vectors.json"
TRANSACTIONS = TESTS / "sim" / "lighter" / "data" / "signing_vectors.json"
CHAINS = (304, 300, 466324)
PUBLISHED = {
    "secret_key": bytes(range(1, 41)).hex(),
    "public_key": "710c8cd2201061fa5570d20852d90ddabd6c496825b639d6c6486ecb1f859b63f237dee54f3f42b4",
    "order_fields": [304, 14, 7, 1799000000000, 12345, 4, 0, 1001, 1000, 405000, 1, 0, 1, 0, 0, 1800000000000],
    "order_hash": "b07179a48f57a573d158e42038c9a895d3affeca029ce1dbb8f5ed683b3f8d873063a4a4e3e7495d",
    "nonce": bytes(range(1, 40)).hex(),
    "signature": "e3c837d7603f16b8e365e19fb7f8a2dbd1e1fbadbaf24a8ebea7a3b359645317c1173c09de788b73"
    "aecf82182b3e15fc85a8c79f33f8240b607d7e5a5c278475f9322fbc7296e42dd10b8000da965776",
    "hash_of_1_2_3": [
        9012335156113876971,
        15010880231141122522,
        4012923551176940486,
        9336101679595537887,
        3273591152248699825,
    ],
    "permutation_of_0_to_11": [
        8066226119727164551,
        12034567947558293796,
        14152291504239882087,
        17432044828564993022,
        18363463688991195121,
        10972075183901531833,
        459741503372679350,
        526680121051726053,
        647154133136364518,
        12211724450340700274,
        8061408057657658344,
        15479440560020210066,
    ],
}
"""Computed independently when the venue was studied; the library confirmed the public key and the hash."""
NOWHERE = b"http://127.0.0.1:1"
DAY_MS = 86_400_000


class Key:
    """A key that the library generated, with the chain and the account it signs for."""

    def __init__(self, rng: random.Random, number: int) -> None:
        private, public, error = create_api_key()
        if error:
            raise RuntimeError(error)
        self.private, self.public = private.removeprefix("0x"), public.removeprefix("0x")
        self.chain = CHAINS[number % len(CHAINS)]
        self.index = 4 + number
        self.account = rng.choice([1, 12345, 2**47 + 5, 2**48 - 2])
        failed = get_signer().CreateClient(NOWHERE, self.private.encode(), self.chain, self.index, self.account)
        if failed:
            raise RuntimeError(decode_and_free(failed))


def signed(key: Key, response: Any) -> dict[str, Any]:
    error = decode_and_free(response.err)
    if error:
        raise RuntimeError(error)
    return {
        "chain_id": key.chain,
        "public_key": key.public,
        "tx_type": response.txType,
        "tx_info": decode_and_free(response.txInfo),
        "tx_hash": decode_and_free(response.txHash),
    }


def transactions(rng: random.Random, key: Key) -> list[dict[str, Any]]:
    signer = get_signer()
    nonce = rng.randrange(2**48 - 1)
    expiry = int(time.time() * 1000) + 7 * DAY_MS
    market = rng.choice([0, 1, 254])
    price, base = rng.randrange(1, 2**31 - 1), rng.randrange(1, 2**48)
    tail = (nonce, key.index, key.account)
    plain = (0, 0, 0, 0, 0)
    orders = (CreateOrderTxReq * 3)(
        CreateOrderTxReq(market, 1, 10_000, 401_000, 0, 0, 1, 0, 0, expiry),
        CreateOrderTxReq(market, 2, 0, 430_000, 1, 4, 0, 1, 431_000, expiry),
        CreateOrderTxReq(market, 3, 0, 380_000, 1, 2, 0, 1, 385_000, expiry),
    )
    made = [
        signer.SignCreateOrder(market, rng.randrange(2**48), base, price, 1, 0, 1, 0, 0, expiry, *plain, 0, *tail),
        signer.SignCreateOrder(market, 0, base, price, 0, 1, 0, 1, 0, 0, *plain, 0, *tail),
        signer.SignCreateOrder(market, 9, base, price, 0, 3, 2, 0, price - 1, expiry, *plain, 0, *tail),
        signer.SignCreateOrder(market, 7, base, price, 1, 0, 2, 0, 0, expiry, 0, 0, 0, 2, 1, 1, *tail),
        signer.SignCreateOrder(market, 8, base, price, 1, 0, 2, 0, 0, expiry, 17, 1000, 500, 0, 0, 0, *tail),
        signer.SignCreateGroupedOrders(3, orders, 3, *plain, 0, *tail),
        signer.SignCancelOrder(market, rng.randrange(1, 2**48), 0, *tail),
        signer.SignCancelOrder(market, 2**48 + rng.randrange(2**40), 1, *tail),
        signer.SignCancelAllOrders(0, 0, 255, 0, *tail),
        signer.SignCancelAllOrders(0, 0, market, 0, *tail),
        signer.SignCancelAllOrders(1, expiry, 255, 0, *tail),
        signer.SignCancelAllOrders(2, 0, 255, 0, *tail),
        signer.SignModifyOrder(market, 2**48 + 5, base, price, 0, *plain, 0, nonce, 0, key.index, key.account),
        signer.SignModifyOrder(market, 77, base, price, price - 1, *plain, 0, nonce, 3, key.index, key.account),
        signer.SignUpdateLeverage(market, 500, 0, 0, *tail),
        signer.SignUpdateLeverage(market, 333, 1, 0, *tail),
        signer.SignUpdateMargin(market, 5_000_000_000_000, 1, 0, *tail),
        signer.SignUpdateMargin(market, 1, 0, 0, *tail),
        signer.SignUpdateAccountConfig(1, 0, *tail),
        signer.SignChangePubKey(b"0x" + key.public.encode(), 0, *tail),
    ]
    return [signed(key, response) for response in made]


def token(rng: random.Random, key: Key) -> dict[str, Any]:
    answer = get_signer().CreateAuthToken(rng.randrange(1_700_000_000, 1_900_000_000), key.index, key.account)
    error = decode_and_free(answer.err)
    if error:
        raise RuntimeError(error)
    return {"public_key": key.public, "token": decode_and_free(answer.str)}


def main() -> None:
    rng = random.Random(SEED)
    keys = [Key(rng, number) for number in range(3)]
    how = f"lighter-sdk {version('lighter-sdk')}, keys of its own making; tests/oracle/make_lighter_sim_vectors.py"
    signings = [made for key in keys for made in transactions(rng, key)]
    pairs = [[key.private, key.public] for key in keys]
    for _ in range(5):
        private, public, _ = create_api_key()
        pairs.append([private.removeprefix("0x"), public.removeprefix("0x")])
    primitives = {
        "how": how,
        "published": PUBLISHED,
        "key": pairs,
        "signature": [[m["public_key"], m["tx_hash"], json.loads(m["tx_info"])["Sig"]] for m in signings],
    }
    PRIMITIVES.write_text(json.dumps(primitives, indent=1) + "\n")
    tokens = [token(rng, key) for key in keys]
    TRANSACTIONS.write_text(json.dumps({"how": how, "transactions": signings, "tokens": tokens}, indent=1) + "\n")


if __name__ == "__main__":
    main()
