"""The signed messages against paradex-py: stored vectors always, the SDK itself where it can be had."""

from __future__ import annotations

import json
import random
import subprocess
from decimal import Decimal
from functools import cache
from pathlib import Path

import pytest

from perpkit.adapters.paradex import sdk_signer, signing
from perpkit.adapters.paradex.encode import ORDER_TYPES, STOP_LOSS_TYPES, Unsigned, quantums
from perpkit.adapters.paradex.sdk_signer import SdkSigner, require_agreement
from perpkit.adapters.paradex.signing import NativeSigner, derive_account, felt
from perpkit.core.errors import ConfigError, InvalidOrderError
from perpkit.crypto.stark import public_key, verify

DATA = Path(__file__).parent / "data"
VECTORS = json.loads((DATA / "signing_vectors.json").read_text())
ORACLE = Path(__file__).parents[2] / "oracle" / "paradex_messages.py"


@cache
def make_signer(key, account, chain):
    return NativeSigner(int(key, 16), int(account, 16), chain)


def signer_of(row):
    return make_signer(row["key"], row["account"], row["chain"])


def unsigned_of(fields):
    return Unsigned(
        body={},
        market=fields["market"],
        side=fields["side"],
        type=fields["type"],
        size=quantums(Decimal(fields["size"]), "size"),
        price=quantums(Decimal(fields["price"]), "price"),
        order_id=fields.get("id"),
    )


def hash_of(row):
    signer = signer_of(row)
    if "auth" in row:
        return signer.auth_hash(*row["auth"])
    return signer.order_hash(unsigned_of(row["order"]), row["order"]["timestamp"])


def halves(signature):
    return tuple(int(part) for part in json.loads(signature))


@pytest.mark.parametrize("row", VECTORS["messages"], ids=lambda row: "auth" if "auth" in row else row["order"]["type"])
def test_hashes_keys_and_signatures_agree_with_paradex_py(row):
    """Every kind of message hashes to the SDK's number, and the SDK's signature of it verifies here."""
    assert hash_of(row) == int(row["hash"])
    assert signer_of(row).public_key == int(row["public"])
    assert verify(int(row["public"]), hash_of(row), *halves(row["signature"]))


@pytest.mark.parametrize(("key", "account"), VECTORS["accounts"])
def test_a_main_account_s_address_is_derived_as_paradex_py_does(key, account):
    """The proxy that belongs to the key, from the class hashes of the venue's configuration."""
    config = VECTORS["config"]
    derived = derive_account(
        public_key(int(key, 16)),
        account_hash=int(config["paraclear_account_hash"], 16),
        proxy_hash=int(config["paraclear_account_proxy_hash"], 16),
    )
    assert derived == int(account, 16)


def test_a_signature_on_the_wire_is_two_decimals_as_text():
    """The venue reads ["r","s"]; the signature verifies for the message and for no other."""
    row = VECTORS["messages"][0]
    signer = signer_of(row)
    order = unsigned_of(row["order"])
    text = signer.sign_order(order, 1_700_000_000_000)
    r, s = json.loads(text)
    assert text == f'["{r}","{s}"]'
    assert verify(signer.public_key, signer.order_hash(order, 1_700_000_000_000), int(r), int(s))
    assert not verify(signer.public_key, signer.order_hash(order, 1_700_000_000_001), int(r), int(s))


@pytest.mark.parametrize(
    "change",
    [
        {"market": "ETH-USD-PERP"},
        {"side": "SELL"},
        {"type": "STOP_LIMIT"},
        {"size": "1.00000001"},
        {"price": "65000.00000001"},
        {"timestamp": 1_700_000_000_001},
        {"id": "17"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_every_field_of_an_order_is_signed(change):
    """A change to any one of them changes the hash."""
    signer = NativeSigner(0x1234, 0x5678, "PRIVATE_SN_POTC_SEPOLIA")
    fields = {"market": "BTC-USD-PERP", "side": "BUY", "type": "LIMIT", "size": "1", "price": "65000"}
    fields["timestamp"] = 1_700_000_000_000
    changed = {**fields, **change}
    before = signer.order_hash(unsigned_of(fields), fields["timestamp"])
    assert signer.order_hash(unsigned_of(changed), changed["timestamp"]) != before


def test_account_and_chain_are_signed():
    """A signature for one account or environment is worthless for another."""
    order = unsigned_of({"market": "BTC-USD-PERP", "side": "BUY", "type": "LIMIT", "size": "1", "price": "2"})
    hashes = {
        NativeSigner(0x1234, account, chain).order_hash(order, 1)
        for account in (0x5678, 0x5679)
        for chain in ("PRIVATE_SN_POTC_SEPOLIA", "PRIVATE_SN_PARACLEAR_MAINNET")
    }
    assert len(hashes) == 4


def test_a_size_that_would_be_cut_when_signed_is_refused():
    """What is signed is what is sent: nine decimals do not fit."""
    with pytest.raises(InvalidOrderError, match="more than 8 decimals"):
        quantums(Decimal("0.123456789"), "size")
    assert quantums(Decimal("0.12345678"), "size") == 12345678
    assert quantums(Decimal("1E+20"), "size") == 10**28


@pytest.mark.parametrize(("text", "number"), [("17", 17), ("0x11", 17), ("AB", 0x4142), ("", 0)])
def test_an_id_is_read_as_typed_data_reads_a_felt(text, number):
    """Decimal, hexadecimal, else a short string."""
    assert felt(text) == number


@pytest.mark.parametrize("text", ["\u0661\u0662", "\uff11\uff12", "\u00b2"])
def test_digits_of_other_scripts_are_no_number(text):
    """Python's int would read them, and sign what the venue never sent."""
    with pytest.raises(ValueError, match="ASCII"):
        felt(text)


@pytest.mark.parametrize(
    ("hashed", "address"),
    [(2**251 - 257, 2**251 - 257), (2**251 - 256, 0), (2**251, 256), (2**251 + 5, 261)],
)
def test_an_address_stays_below_the_bound_of_addresses(monkeypatch, hashed, address):
    """Addresses are below 2^251 - 256 (Starknet), where hashes of the felt's field are not."""
    monkeypatch.setattr(signing, "hash_elements", lambda _: hashed)
    assert derive_account(1, account_hash=2, proxy_hash=3) == address


def test_a_signer_shows_its_public_key_only():
    """Its repr may land in a log."""
    signer = NativeSigner(0xDEADBEEFDEADBEEF, 1, "L")
    assert "deadbeef" not in repr(signer).lower()
    assert repr(signer) == f"NativeSigner(public_key={signer.public_key:#x})"


class Disagreeing(NativeSigner):
    """A signer whose modifications hash differently, as after an incompatible update."""

    def order_hash(self, order, timestamp_ms):
        return super().order_hash(order, timestamp_ms) + (order.order_id is not None)


def test_two_signers_that_disagree_stop_the_trading():
    """The error names the message on which they differ."""
    arguments = (0x1234, 0x5678, "PRIVATE_SN_POTC_SEPOLIA")
    require_agreement(NativeSigner(*arguments), NativeSigner(*arguments))
    with pytest.raises(ConfigError, match="disagree on LIMIT BUY SOL-USD-PERP: not trading"):
        require_agreement(NativeSigner(*arguments), Disagreeing(*arguments))


def test_the_sdk_signer_without_the_sdk_names_what_to_install(monkeypatch):
    """paradex-py is an option; asking for it without having it is a setting to correct."""
    sdk_signer._sdk.cache_clear()
    monkeypatch.setitem(__import__("sys").modules, "paradex_py.account", None)
    monkeypatch.setitem(__import__("sys").modules, "paradex_py", None)
    with pytest.raises(ConfigError, match=r"pip install 'perpkit\[paradex-sdk\]'"):
        SdkSigner(1, 2, "L")
    sdk_signer._sdk.cache_clear()


def random_rows(count, seed):
    rng = random.Random(seed)
    words = [*ORDER_TYPES.values(), *STOP_LOSS_TYPES.values()]
    keys = [hex(rng.randrange(1, 2**251)) for _ in range(5)]
    accounts = [hex(rng.randrange(1, 2**251)) for _ in range(5)]
    for number in range(count):
        kind = rng.choice(words)
        digits = rng.choice([1, 4, 8, 16, 19])
        size = Decimal(rng.randrange(1, 10**digits)).scaleb(-rng.randrange(9))
        price = Decimal(rng.randrange(1, 10**digits)).scaleb(-rng.randrange(9))
        if number % 50 == 0:
            size, price = Decimal("0.00000001"), Decimal("99999999999.99999999")
        order = {
            "market": rng.choice(["BTC-USD-PERP", "kBONK-USD-PERP", "1000SATS-USD-PERP", "2Z-USD-PERP"]),
            "type": kind,
            "side": rng.choice(["BUY", "SELL"]),
            "size": format(size, "f"),
            "price": "0" if kind.endswith("MARKET") else format(price, "f"),
            "timestamp": rng.randrange(1, 2**43),
        }
        if rng.random() < 0.3:
            order["id"] = str(rng.randrange(10**15, 10**28))
        chain = rng.choice(["PRIVATE_SN_PARACLEAR_MAINNET", "PRIVATE_SN_POTC_SEPOLIA"])
        yield {"key": rng.choice(keys), "account": rng.choice(accounts), "chain": chain, "order": order}


@pytest.mark.timeout(180)
def test_thousands_of_random_orders_hash_alike_and_each_side_accepts_the_other_s_signature(oracle_python):
    """paradex-py in its own environment: same hashes, our signatures accepted there and theirs here."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    rows = list(random_rows(2_000, seed))
    for number, row in enumerate(rows):
        if number % 20 == 0:  # signing is what takes the time
            row["sign"] = True
            signer, order = signer_of(row), unsigned_of(row["order"])
            row["signature"] = signer.sign_order(order, row["order"]["timestamp"])
    asked = "\n".join(json.dumps(row) for row in rows)
    run = subprocess.run([oracle_python, ORACLE], input=asked, capture_output=True, text=True, check=True)
    answers = [json.loads(line) for line in run.stdout.splitlines()]
    assert len(answers) == len(rows)
    for row, answer in zip(rows, answers, strict=True):
        assert str(hash_of(row)) == answer["hash"], row
        assert str(signer_of(row).public_key) == answer["public"]
        if row.get("sign"):
            assert answer["accepts"], row
            assert verify(int(answer["public"]), int(answer["hash"]), *halves(answer["signature"])), row


def test_the_sdk_signer_and_the_native_one_agree_where_both_are_installed(oracle_python):
    """The real paradex-py behind the plugin's SDK signer: the start-up check passes, both sides' signatures verify."""
    tried = subprocess.run([oracle_python, "-c", "import perpkit"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip("the oracle environment holds paradex-py but not perpkit, which needs Python 3.11")
    script = ORACLE.parent / "paradex_sdk_signer.py"
    run = subprocess.run([oracle_python, script], capture_output=True, text=True, check=False)
    assert run.stdout.strip() == "agreed", run.stderr
