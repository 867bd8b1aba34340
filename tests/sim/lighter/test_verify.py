"""What is signed, against transactions and tokens that lighter-sdk's signer library made."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from perpkit.crypto.ecgfp5 import PublicKey
from perpkit.sim.venues.lighter.errors import ApiError
from perpkit.sim.venues.lighter.transactions import parse_transaction
from perpkit.sim.venues.lighter.verify import token_hash

VECTORS = json.loads((Path(__file__).parent / "data" / "signing_vectors.json").read_text())
CARRIED_OUT = {14, 15, 16, 17, 20, 28, 29}


@pytest.mark.parametrize("tx_type", sorted(CARRIED_OUT))
def test_transactions_of_the_signer_library_are_read_hashed_and_verified(tx_type):
    """The hash is the library's, on three chains, with attributes and without; its signature fits the hash."""
    vectors = [vector for vector in VECTORS["transactions"] if vector["tx_type"] == tx_type]
    assert {vector["chain_id"] for vector in vectors} == {304, 300, 466324}
    for vector in vectors:
        tx = parse_transaction(tx_type, vector["tx_info"])
        assert tx.hash_text(vector["chain_id"]) == vector["tx_hash"]
        assert PublicKey(bytes.fromhex(vector["public_key"])).verify(tx.digest(vector["chain_id"]), tx.signature)


def test_a_transaction_signed_for_another_chain_does_not_verify():
    """The chain id is part of what is signed."""
    vector = VECTORS["transactions"][0]
    tx = parse_transaction(vector["tx_type"], vector["tx_info"])
    assert vector["chain_id"] == 304
    assert not PublicKey(bytes.fromhex(vector["public_key"])).verify(tx.digest(300), tx.signature)


def test_every_field_of_an_order_is_signed():
    """A field that changed after signing changes the hash."""
    vector = VECTORS["transactions"][0]
    info = json.loads(vector["tx_info"])
    for name in set(info) - {"Sig", "L2TxAttributes"}:
        tx = parse_transaction(14, json.dumps({**info, name: info[name] + 1}))
        assert tx.hash_text(304) != vector["tx_hash"], name


def test_attributes_at_their_nil_value_are_not_signed():
    """Older clients write them out; the hash stays."""
    vector = VECTORS["transactions"][0]
    info = json.loads(vector["tx_info"])
    tx = parse_transaction(14, json.dumps({**info, "L2TxAttributes": {"1": 0, "2": 0, "3": 0, "5": 255}}))
    assert tx.hash_text(304) == vector["tx_hash"]


def test_auth_tokens_of_the_signer_library_are_verified():
    """Their text in chunks of eight bytes is what is signed."""
    assert len(VECTORS["tokens"]) == 3
    for vector in VECTORS["tokens"]:
        deadline, account, key, signature = vector["token"].split(":")
        hashed = token_hash(int(deadline), int(account), int(key))
        public = PublicKey(bytes.fromhex(vector["public_key"]))
        assert public.verify(hashed, bytes.fromhex(signature))
        assert not public.verify(token_hash(int(deadline) + 1, int(account), int(key)), bytes.fromhex(signature))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"Nonce": None}, "Nonce is no integer"),
        ({"Nonce": True}, "Nonce is no integer"),
        ({"Nonce": 2**48}, "Nonce is above"),
        ({"Price": "405000"}, "Price is no integer"),
        ({"Price": -1}, "Price is out of range"),
        ({"BaseAmount": 2**63}, "BaseAmount is out of range"),
        ({"Extra": 1}, "Extra is no field"),
        ({"L2TxAttributes": {"9": 1}}, "no member 9"),
        ({"L2TxAttributes": {"8": 1}}, "no member 8"),
        ({"L2TxAttributes": {"4": "1"}}, "no integer"),
        ({"L2TxAttributes": [1]}, "null or an object"),
    ],
)
def test_a_transaction_that_is_not_what_its_type_asks_for_is_refused_by_name(change, reason):
    """21501, and the field."""
    info = json.loads(VECTORS["transactions"][0]["tx_info"])
    with pytest.raises(ApiError, match=reason) as caught:
        parse_transaction(14, json.dumps({**info, **change}))
    assert caught.value.code == 21501


def test_a_missing_field_and_no_json_are_refused():
    """21501 for both."""
    info = json.loads(VECTORS["transactions"][0]["tx_info"])
    del info["OrderExpiry"]
    for text in (json.dumps(info), "{", "[]"):
        with pytest.raises(ApiError) as caught:
            parse_transaction(14, text)
        assert caught.value.code == 21501


@pytest.mark.parametrize("signature", ["", "AAAA", "not base64!", None, 5])
def test_what_is_no_signature_is_refused_as_one(signature):
    """21120: eighty bytes in base64, nothing else."""
    info = json.loads(VECTORS["transactions"][0]["tx_info"])
    with pytest.raises(ApiError) as caught:
        parse_transaction(14, json.dumps({**info, "Sig": signature}))
    assert caught.value.code == 21120


@pytest.mark.parametrize("tx_type", [0, 7, 8, 13, 21, 41, 99])
def test_types_that_are_not_carried_out_are_refused(tx_type):
    """21505, before anything else is looked at."""
    with pytest.raises(ApiError) as caught:
        parse_transaction(tx_type, "{}")
    assert caught.value.code == 21505
