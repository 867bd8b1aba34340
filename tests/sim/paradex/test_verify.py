"""Hashes and signatures against vectors made with the venue's own SDK."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from perpkit.sim.venues.paradex.verify import (
    MessageHasher,
    OrderFields,
    SignatureFormatError,
    account_address,
    is_signed_by,
    parse_signature,
)

VECTORS = json.loads((Path(__file__).parent / "data" / "signing_vectors.json").read_text())["vectors"]
ACCOUNT_HASH = "0x033434ad846cdd5f23eb73ff09fe6fddd568284a0fb7d1be20ee482f044dabe2"
PROXY_HASH = "0x3530cc4759d78042f1b543bf797f5f3d647cde0388c33734cf91b7f7b9314a9"


def hash_of(vector, chain_id=None):
    hasher = MessageHasher(chain_id or vector["chain_id"])
    account = int(vector["account"], 16)
    if vector["kind"] == "auth":
        return hasher.auth(account, vector["timestamp"], vector["expiration"])
    if vector["kind"] == "onboarding":
        return hasher.onboarding(account)
    fields = OrderFields(
        timestamp=vector["timestamp"],
        market=vector["market"],
        side=vector["side"],
        order_type=vector["type"],
        size=Decimal(vector["size"]),
        price=Decimal(vector["price"]),
    )
    if vector["kind"] == "modify":
        return hasher.modification(account, fields, vector["id"])
    return hasher.order(account, fields)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["kind"])
def test_the_message_hash_equals_the_one_of_the_venues_own_sdk(vector):
    """Every kind of message hashes to what paradex-py computed."""
    assert hash_of(vector) == int(vector["hash"], 16)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["kind"])
def test_a_signature_of_the_venues_own_sdk_is_accepted(vector):
    """paradex-py's signature verifies, and verifies for nobody else."""
    signature = parse_signature(f'["{vector["r"]}","{vector["s"]}"]')
    assert is_signed_by(int(vector["public_key"], 16), hash_of(vector), signature)
    stranger = next(v for v in VECTORS if v["public_key"] != vector["public_key"])
    assert not is_signed_by(int(stranger["public_key"], 16), hash_of(vector), signature)


@pytest.mark.parametrize("vector", VECTORS[:4], ids=lambda v: v["kind"])
def test_a_signature_for_another_environment_does_not_fit(vector):
    """The chain id is part of what is signed."""
    signature = (int(vector["r"]), int(vector["s"]))
    assert not is_signed_by(int(vector["public_key"], 16), hash_of(vector, "PRIVATE_SN_OTHER"), signature)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda v: v["kind"])
def test_the_address_follows_from_the_public_key(vector):
    """An account's address is the one that paradex-py derives from the key."""
    address = account_address(int(vector["public_key"], 16), proxy_hash=PROXY_HASH, account_hash=ACCOUNT_HASH)
    assert address == int(vector["account"], 16)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "nonsense", '["1"]', '["1","2","3"]', '["0","2"]', '["-1","2"]', '["a","b"]', "[1.5,2]", "[true,2]"],
)
def test_anything_but_two_field_elements_is_no_signature(text):
    """Malformed signatures are refused before any curve work."""
    with pytest.raises(SignatureFormatError):
        parse_signature(text)


def test_a_signature_may_be_written_in_decimal_or_hex():
    """paradex-py writes decimal strings, ccxt hex strings; both are the same numbers."""
    assert (
        parse_signature('["255","16"]')
        == parse_signature('["0xff","0x10"]')
        == parse_signature("[255,16]")
        == (255, 16)
    )
