"""
Signing: the venue's library found, known by its hash, called on a thread of its own, and held to what it was asked.
"""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from importlib import metadata
from pathlib import Path

import pytest

from perpkit.adapters.lighter.signing import library as lib
from perpkit.adapters.lighter.signing.library import ApiKey, SigningLibrary, find_library, signing_library
from perpkit.adapters.lighter.signing.signer import Signer, require_same
from perpkit.adapters.lighter.signing.tx import (
    CancelAll,
    CancelOrder,
    CreateOrder,
    ModifyOrder,
    UpdateLeverage,
    UpdateMargin,
)
from perpkit.core.errors import ConfigError, CredentialsError, InvalidOrderError
from perpkit.core.transport.redact import Secret
from perpkit.crypto.ecgfp5 import PublicKey, hash_to_quintic, to_bytes

KEY = Secret(bytes(range(1, 41)).hex())
OTHER = Secret(bytes(range(2, 42)).hex())
ORDER = CreateOrder(
    market=0,
    client_index=1001,
    base_amount=1000,
    price=405000,
    is_ask=True,
    type=0,
    time_in_force=1,
    expiry=1800000000000,
)


def _why_not():
    try:
        find_library()
    except ConfigError as error:
        return error.message
    return None


WHY_NOT = _why_not()
needs_library = pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT))


@pytest.fixture
def signer():
    return Signer({4: KEY}, chain_id=304)


ALL = [
    ORDER,
    CreateOrder(1, 0, 5, 7, False, 1, 0, reduce_only=True, self_trade=1),
    CreateOrder(1, 9, 5, 7, False, 2, 0, trigger_price=8, expiry=1800000000000),
    CancelOrder(0, 281476977000123),
    CancelAll(),
    CancelAll(market=0),
    CancelAll(time_in_force=1, time=1800000000000),
    CancelAll(time_in_force=2),
    ModifyOrder(0, 1001, 1000, 405000, 0),
    UpdateLeverage(0, 500, 1),
    UpdateMargin(0, 25_500_000, 1),
    UpdateMargin(2, 2**33 + 7, 0),
]


@needs_library
@pytest.mark.parametrize("tx", ALL, ids=lambda tx: f"{tx.CODE}")
async def test_what_is_sent_is_what_was_asked(tx, signer):
    """Each field of tx_info by its name, the account, the key and the nonce, and only the attributes asked for."""
    signed = await signer.sign(tx, account=12345, key_index=4, nonce=7)
    sent = json.loads(signed.info)
    due = {"AccountIndex": 12345, "ApiKeyIndex": 4, **tx.fields(), "Nonce": 7}
    assert {name: sent[name] for name in due} == due
    assert (sent["L2TxAttributes"] or {}) == tx.attributes()
    assert len(base64.b64decode(sent["Sig"])) == 80
    assert (signed.code, len(bytes.fromhex(signed.hash)), signed.nonce) == (tx.CODE, 40, 7)


@needs_library
async def test_the_fields_of_an_order_come_in_the_venues_order(signer):
    """As in the published example."""
    signed = await signer.sign(ORDER, account=12345, key_index=4, nonce=7)
    assert list(json.loads(signed.info)) == [
        "AccountIndex", "ApiKeyIndex", "MarketIndex", "ClientOrderIndex", "BaseAmount", "Price", "IsAsk", "Type",
        "TimeInForce", "ReduceOnly", "TriggerPrice", "OrderExpiry", "ExpiredAt", "Nonce", "Sig", "L2TxAttributes",
    ]  # fmt: skip


@needs_library
async def test_keys_and_chains_of_one_account_do_not_mix():
    """The library keeps one client for an account and key in the process; each signer still signs with its own."""
    mine, other = Signer({4: KEY}, chain_id=304), Signer({4: OTHER}, chain_id=300)
    loaded = signing_library()
    for signer, key, chain in ((mine, KEY, 304), (other, OTHER, 300), (mine, KEY, 304)):
        await signer.sign(ORDER, account=12345, key_index=4, nonce=7)
        assert loaded._registered[12345, 4] == ApiKey(12345, 4, key, chain)


@needs_library
async def test_signing_leaves_the_event_loop_alone(monkeypatch):
    """Every call into the library is made on its one thread."""
    threads = set()
    loaded = SigningLibrary(find_library())
    for name in ("_sign", "_auth_token"):
        real = getattr(loaded, name)
        monkeypatch.setattr(
            loaded, name, lambda *args, real=real: (threads.add(threading.current_thread().name), real(*args))[1]
        )
    key = ApiKey(12345, 4, KEY, 304)
    await asyncio.gather(*(loaded.sign(ORDER, nonce, key) for nonce in range(5)), loaded.auth_token(1800000000, key))
    assert len(threads) == 1
    assert threading.current_thread().name not in threads


@needs_library
async def test_an_auth_token_names_deadline_account_and_key(signer):
    """``deadline:account:key:signature``, 80 bytes of it."""
    deadline, account, index, signature = (await signer.auth_token(1800000000, account=12345)).split(":")
    assert (deadline, account, index) == ("1800000000", "12345", "4")
    assert len(bytes.fromhex(signature)) == 80


@needs_library
async def test_what_the_library_refuses_was_not_sent(signer):
    """Its own words are kept."""
    with pytest.raises(InvalidOrderError, match="OrderExpiry is invalid"):
        await signer.sign(CreateOrder(0, 1, 5, 7, False, 0, 1, expiry=0), account=12345, key_index=4, nonce=7)


@needs_library
async def test_a_key_that_the_library_refuses_is_not_shown():
    """Nor is the library's text, which may hold it."""
    bad = "zz" * 40
    with pytest.raises(CredentialsError) as caught:
        await Signer({4: Secret(bad)}, chain_id=304).sign(ORDER, account=1, key_index=4, nonce=0)
    assert bad not in str(caught.value)


def hashed(tx, sent, chain_id):
    """The hash of a transaction by the venue's published rule: its fields in order, then its attributes, if any."""
    head = [chain_id, tx.CODE, sent["Nonce"], sent["ExpiredAt"], sent["AccountIndex"], sent["ApiKeyIndex"]]
    fields = tx.fields()
    if isinstance(tx, UpdateMargin):
        # An amount of USDC goes in as two halves of 32 bits, the lower first.
        high, low = divmod(tx.units, 2**32)
        fields = {"MarketIndex": tx.market, "low": low, "high": high, "Direction": tx.direction}
    found = hash_to_quintic([*head, *fields.values()])
    if not tx.attributes():
        return found
    pairs = [value for pair in tx.attributes().items() for value in map(int, pair)]
    return hash_to_quintic([*found, *hash_to_quintic(pairs + [0] * (8 - len(pairs)))])


@needs_library
@pytest.mark.parametrize("tx", ALL, ids=lambda tx: f"{tx.CODE}")
async def test_a_signature_holds_for_its_chain_and_no_other(tx, signer):
    """Verified by an independent implementation of the hash and the curve, from what is sent alone."""
    signed = await signer.sign(tx, account=12345, key_index=4, nonce=7)
    sent = json.loads(signed.info)
    key = PublicKey(bytes.fromhex((await signer.public_keys())[4]))
    message = hashed(tx, sent, 304)
    assert to_bytes(message).hex() == signed.hash
    assert key.verify(message, base64.b64decode(sent["Sig"]))
    assert not key.verify(hashed(tx, sent, 300), base64.b64decode(sent["Sig"]))


@needs_library
async def test_a_token_is_signed_as_its_text(signer):
    """Cut in pieces of eight bytes, each a number of the field, little-endian."""
    token = await signer.auth_token(1800000000, account=12345)
    text, _, signature = token.rpartition(":")
    pieces = [int.from_bytes(text.encode()[at : at + 8], "little") for at in range(0, len(text), 8)]
    key = PublicKey(bytes.fromhex((await signer.public_keys())[4]))
    assert key.verify(hash_to_quintic(pieces), bytes.fromhex(signature))


async def test_the_public_key_of_a_private_one():
    """A published vector; the venue's library confirmed it."""
    assert await Signer({4: KEY}, chain_id=304).public_keys() == {
        4: "710c8cd2201061fa5570d20852d90ddabd6c496825b639d6c6486ecb1f859b63f237dee54f3f42b4"
    }


SIGNED = '{"AccountIndex":1,"Nonce":7,"L2TxAttributes":null}'


@pytest.mark.parametrize(
    ("info", "names"),
    [
        ('{"AccountIndex":1,"Nonce":8,"L2TxAttributes":null}', "Nonce"),
        ('{"AccountIndex":2,"Nonce":7,"L2TxAttributes":null}', "AccountIndex"),
        ('{"Nonce":7,"L2TxAttributes":null}', "AccountIndex"),
        ('{"AccountIndex":1,"Nonce":7,"L2TxAttributes":{"1":5}}', "L2TxAttributes"),
    ],
)
def test_a_library_that_signs_something_else_is_found_out(info, names):
    """An integrator's fee, for one."""
    require_same(SIGNED, {"AccountIndex": 1, "Nonce": 7}, {})
    with pytest.raises(ConfigError, match=names):
        require_same(info, {"AccountIndex": 1, "Nonce": 7}, {})


class _Crooked:
    """A library that signs for a size of its own."""

    async def sign(self, tx, nonce, key):
        fields = {"AccountIndex": key.account, "ApiKeyIndex": key.index, **tx.fields(), "BaseAmount": 1, "Nonce": nonce}
        return json.dumps({**fields, "L2TxAttributes": None}), "ab" * 40


async def test_nothing_leaves_that_was_signed_for_something_else(signer):
    """Looked at for every transaction, before it is sent."""
    signer._library = _Crooked()
    with pytest.raises(ConfigError, match=r"BaseAmount.*nothing was sent"):
        await signer.sign(ORDER, account=12345, key_index=4, nonce=7)


# Where the library comes from


class _Installed:
    def __init__(self, version, root):
        self.version = version
        self.root = Path(root)

    def locate_file(self, name):
        return self.root / name


def pretend(monkeypatch, tmp_path, version="1.1.8", content=None):
    monkeypatch.setattr(lib.platform, "system", lambda: "Linux")
    monkeypatch.setattr(lib.platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(lib.metadata, "distribution", lambda name: _Installed(version, tmp_path))
    if content is not None:
        (tmp_path / "lighter" / "signers").mkdir(parents=True)
        (tmp_path / "lighter" / "signers" / "lighter-signer-linux-amd64.so").write_bytes(content)


def test_without_the_package_the_error_says_how_to_get_it(monkeypatch):
    """The extra's name."""

    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(lib.metadata, "distribution", missing)
    with pytest.raises(ConfigError, match=r"pip install 'perpkit\[lighter\]'"):
        find_library()


def test_another_release_is_refused(monkeypatch, tmp_path):
    """Its functions take other arguments: calling them would sign nonsense, or crash."""
    pretend(monkeypatch, tmp_path, version="1.1.2")
    with pytest.raises(ConfigError, match=r"1\.1\.2 is installed.*1\.1\.8"):
        find_library()


def test_a_file_that_is_not_the_released_one_is_not_loaded(monkeypatch, tmp_path):
    """Known by its hash."""
    pretend(monkeypatch, tmp_path, content=b"something else")
    with pytest.raises(ConfigError, match="not the file that was released"):
        find_library()


def test_a_package_without_its_library_is_told_so(monkeypatch, tmp_path):
    """Half an installation."""
    pretend(monkeypatch, tmp_path)
    with pytest.raises(ConfigError, match=r"without lighter-signer-linux-amd64\.so"):
        find_library()


def test_a_machine_without_a_library_is_told_so(monkeypatch, tmp_path):
    """There is none for every processor."""
    pretend(monkeypatch, tmp_path)
    monkeypatch.setattr(lib.platform, "machine", lambda: "riscv64")
    with pytest.raises(ConfigError, match="no signing library for Linux riscv64"):
        find_library()
