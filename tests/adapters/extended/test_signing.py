"""Settlement signatures against the vectors of the venue's own SDK, and what must never be signed."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import pytest

from perpkit.adapters.extended.session import Nonces
from perpkit.adapters.extended.signing import Signer, ToSign, amounts, settlement_expiration
from perpkit.core.errors import InvalidOrderError
from perpkit.core.models import Side
from perpkit.core.windows import ceil_ms
from perpkit.crypto.stark import public_key, verify
from tests.adapters.extended.conftest import VECTORS, make_terms

KEY = int(VECTORS["private_key"], 16)
PUBLIC = int(VECTORS["public_key"], 16)


def signer(chain="SN_MAIN"):
    return Signer(KEY, PUBLIC, VECTORS["vault"], chain)


def to_sign(case):
    fee = Decimal(case["fee"]) + Decimal(case["builder_fee"])
    return ToSign(Side(case["side"]), Decimal(case["qty"]), Decimal(case["price"]), fee)


vectors = pytest.mark.parametrize("case", VECTORS["orders"], ids=lambda case: case["name"])


def test_the_public_key_follows_from_the_private_one():
    """As the SDK derives it."""
    assert public_key(KEY) == PUBLIC


@vectors
def test_amounts_are_those_of_the_sdk(case):
    """A buyer's amounts are rounded up, a seller's down, the fee always up; the sign comes last."""
    scaled = amounts(to_sign(case), make_terms(case["market"]))
    assert (scaled.base, scaled.quote, scaled.fee) == (case["base"], case["quote"], case["fee_amount"])


@vectors
def test_the_expiry_is_rounded_up_and_outlived_by_14_days(case):
    """Once to milliseconds for the body, then to seconds for what is signed."""
    expiry_ms = ceil_ms(datetime.fromisoformat(case["expiry"]))
    assert expiry_ms == case["expiry_ms"]
    assert settlement_expiration(expiry_ms) == case["expiration"]


@vectors
def test_hash_and_signature_are_those_of_the_sdk(case):
    """The same library signs the same hash alike; and the signature verifies with the public key alone."""
    terms, order = make_terms(case["market"]), to_sign(case)
    signed = signer(case["chain"]).settlement(order, terms, expiry_ms=case["expiry_ms"], nonce=case["nonce"])
    hashed = signer(case["chain"]).message_hash(order, terms, expiry_ms=case["expiry_ms"], nonce=case["nonce"])
    if case["hash"] is not None:
        assert hashed == int(case["hash"], 16)
    assert signed == {
        "signature": {"r": case["r"], "s": case["s"]},
        "starkKey": VECTORS["public_key"],
        "collateralPosition": str(VECTORS["vault"]),
    }
    assert verify(PUBLIC, hashed, int(case["r"], 16), int(case["s"], 16))


@pytest.mark.parametrize(
    "change",
    [
        {"size": Decimal("0.002")},
        {"price": Decimal(84001)},
        {"fee": Decimal("0.0003")},
        {"side": Side.SELL},
        {"nonce": 2},
        {"expiry_ms": 1788264001001},
        {"chain": "SN_SEPOLIA"},
        {"vault": 500344},
        {"market": "ETH-USD"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_everything_that_matters_is_signed(change):
    """Another value of any of it is another hash."""

    def hashed(**given):
        order = ToSign(
            given.get("side", Side.BUY),
            given.get("size", Decimal("0.001")),
            given.get("price", Decimal(84000)),
            given.get("fee", Decimal("0.00025")),
        )
        whose = Signer(KEY, PUBLIC, given.get("vault", VECTORS["vault"]), given.get("chain", "SN_MAIN"))
        return whose.message_hash(
            order,
            make_terms(given.get("market", "BTC-USD")),
            expiry_ms=given.get("expiry_ms", 1788264000000),
            nonce=given.get("nonce", 1),
        )

    assert hashed(**change) != hashed()


def test_what_scales_to_nothing_is_not_signed():
    """Half a quantum sold is none, and an order over nothing is nonsense."""
    with pytest.raises(InvalidOrderError, match="too small or too large"):
        amounts(ToSign(Side.SELL, Decimal("0.0000001"), Decimal(1), Decimal(0)), make_terms())
    with pytest.raises(InvalidOrderError, match="too small or too large"):
        amounts(ToSign(Side.BUY, Decimal("1e13"), Decimal(1), Decimal(0)), make_terms())


@pytest.mark.parametrize("nonce", [0, -1, 2**31])
def test_a_nonce_out_of_range_is_a_defect(nonce):
    """The venue documents 1 to 2^31; its own example stays below."""
    with pytest.raises(ValueError, match="nonce"):
        signer().settlement(to_sign(VECTORS["orders"][0]), make_terms(), expiry_ms=1788264000000, nonce=nonce)


def test_nonces_never_repeat_and_wrap_at_their_end():
    """Two equal orders of one second differ by it; after the last comes the first."""
    some = Nonces(2**31 - 3)
    drawn = [some.next() for _ in range(1000)]
    assert len(set(drawn)) == 1000
    assert drawn[:3] == [2**31 - 2, 2**31 - 1, 1]
    assert min(drawn) >= 1
    assert max(drawn) <= 2**31 - 1


def test_a_signer_does_not_show_its_key():
    """Neither in decimal nor in hex."""
    shown = repr(signer())
    assert str(KEY) not in shown
    assert VECTORS["private_key"][2:] not in shown
