"""Settings and credentials: found, stripped, checked by shape, refused by name, never shown."""

from __future__ import annotations

import base64
import copy
import json
import pickle
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from perpkit.adapters.paradex.config import KNOWN_ENVIRONMENTS, ParadexSettings
from perpkit.adapters.paradex.credentials import CredentialKind, find_credentials, token_expiry
from perpkit.core.errors import ConfigError, CredentialsError

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
KEY = "0x3b8f1c5d2e7a496000000000000000000000000000000000000000cafebabe"
ACCOUNT = "0x4638e3041366aa71720be63e32e53e1223316c7f0d56f7aa617542ed1e7512"


def jwt(**claims):
    part = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"eyJhbGciOiJFUzM4NCJ9.{part}.c2lnbmF0dXJl"


B64_LIST = base64.urlsafe_b64encode(b"[1]").decode()


def find(environ=None, **settings):
    return find_credentials(settings, environ or {}, now=NOW)


# Settings


def test_the_default_environment_is_the_testnet():
    """Nobody trades real money by leaving something out."""
    settings = ParadexSettings.load(None, {})
    assert settings.rest_base == "https://api.testnet.paradex.trade/v1"
    assert settings.ws_address == "wss://ws.api.testnet.paradex.trade/v1"
    assert settings.known_chain_id == "PRIVATE_SN_POTC_SEPOLIA"


def test_mainnet_differs_in_hosts_and_chain():
    """The hosts of the contract, and the chain id of the documentation."""
    settings = ParadexSettings.load("mainnet", {})
    assert (settings.rest_base, settings.ws_address, settings.known_chain_id) == (
        "https://api.prod.paradex.trade/v1",
        "wss://ws.api.prod.paradex.trade/v1",
        "PRIVATE_SN_PARACLEAR_MAINNET",
    )
    assert len({known.chain_id for known in KNOWN_ENVIRONMENTS.values()}) == len(KNOWN_ENVIRONMENTS)


def test_a_local_exchange_needs_its_address_and_nothing_more():
    """The WebSocket's follows from it, and the chain is the server's to say."""
    settings = ParadexSettings.load("local", {"rest_url": "http://127.0.0.1:8080/v1/"})
    assert settings.rest_base == "http://127.0.0.1:8080/v1"
    assert settings.ws_address == "ws://127.0.0.1:8080/v1"
    assert settings.known_chain_id is None
    with pytest.raises(ConfigError, match="needs rest_url"):
        ParadexSettings.load("local", {})


@pytest.mark.parametrize(
    ("environment", "settings", "words"),
    [
        ("production", {}, "environment"),
        (None, {"rest_ulr": "https://x"}, "rest_ulr"),
        (None, {"signer": "ledger"}, "signer"),
        (None, {"order_entry": "fix"}, "order_entry"),
        (None, {"recv_window_ms": 9}, "recv_window_ms"),
        (None, {"rest_url": "http://api.example"}, "https"),
        (None, {"ws_url": "ws://ws.example"}, "wss"),
        (None, {"cancel_on_disconnect": True}, "order_entry='ws'"),
        (None, {"chain_id": "X" * 32}, "chain_id"),
    ],
)
def test_a_wrong_setting_is_refused_by_its_name(environment, settings, words):
    """And the settings that exist are listed."""
    with pytest.raises(ConfigError) as caught:
        ParadexSettings.load(environment, settings)
    assert words in str(caught.value)
    assert "order_entry" in str(caught.value)


# Credentials


def test_without_any_only_public_data_is_served():
    """No key is no error."""
    found = find()
    assert found.kind is CredentialKind.NONE
    assert not found.can_read
    with pytest.raises(CredentialsError, match="PARADEX_PRIVATE_KEY or PARADEX_SUBKEY"):
        found.signing_key()


@pytest.mark.parametrize("wrapped", [str, SecretStr, lambda text: f"  {text}\n", lambda text: f'"{text}"', str.upper])
def test_a_key_is_unwrapped_and_stripped(wrapped):
    """Quotes, line ends, capitals and secret types come with copying and with other libraries."""
    text = KEY if wrapped is not str.upper else KEY.upper().replace("0X", "0x")
    found = find(private_key=text if wrapped is str.upper else wrapped(text), account=ACCOUNT)
    assert found.kind is CredentialKind.MAIN
    assert found.signing_key() == int(KEY, 16)
    assert found.account == int(ACCOUNT, 16)


def test_a_subkey_needs_the_main_account_s_address():
    """A subkey's own address is not the account's, so it can't be derived."""
    with pytest.raises(CredentialsError, match="MAIN account's address") as caught:
        find(subkey=KEY)
    assert caught.value.venue == "paradex"
    assert find(subkey=KEY, account=ACCOUNT).kind is CredentialKind.SUBKEY


def test_the_first_source_with_a_key_gives_all():
    """A key from one place is never used with an account from another."""
    environ = {"PARADEX_PRIVATE_KEY": "0x77", "PARADEX_ACCOUNT": ACCOUNT}
    assert find(environ).signing_key() == 0x77
    mine = find(environ, private_key=KEY)
    assert mine.signing_key() == int(KEY, 16)
    assert mine.account is None


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"private_key": "not-a-key"}, "private_key is not a hexadecimal number"),
        ({"private_key": "0x"}, "private_key is not a hexadecimal number"),
        ({"private_key": "   "}, "private_key is empty"),
        ({"private_key": 12345}, "private_key must be a string"),
        ({"private_key": "0x0"}, "private_key is no Starknet number"),
        ({"private_key": "0x" + "f" * 64}, "Ethereum key"),
        ({"private_key": "0x800000000000010ffffffffffffffffb781126dcae7b2321e66a241adc64d2f"}, "Stark curve"),
        ({"private_key": KEY, "account": "0xzz"}, "account is not a hexadecimal number"),
        ({"private_key": KEY, "account": "0x" + "f" * 64}, "account is no Starknet number"),
        ({"private_key": KEY, "subkey": KEY, "account": ACCOUNT}, "private_key and subkey"),
        ({"account": ACCOUNT}, "account alone opens nothing"),
        ({"readonly_token": "abc"}, "readonly_token is no JWT"),
        ({"private_key": "0x800000000000011000000000000000000000000000000000000000000000001"}, "no Starknet number"),
        ({"account": ACCOUNT, "private_key": KEY, "readonly_token": "a.b.c"}, "not private_key and readonly_token"),
        ({"account": ACCOUNT, "subkey": KEY, "readonly_token": "a.b.c"}, "not subkey and readonly_token"),
        ({"readonly_token": "a.b.c"}, "readonly_token is no JWT: its middle part holds no claims"),
        ({"readonly_token": f"a.{B64_LIST}.c"}, "readonly_token is no JWT: its middle part holds no claims"),
        ({"readonly_token": jwt(sub="x").replace(".e", ".~e")}, "its middle part holds no claims"),
        ({"readonly_token": jwt(sub="x")[20:]}, "readonly_token is no JWT: not three parts"),
        ({"readonly_token": jwt(exp=str(int(NOW.timestamp()) - 60))}, "expired at 2026-11-21 11:59 UTC"),
        ({"readonly_token": jwt(exp=int(NOW.timestamp()))}, "expired at 2026-11-21 12:00 UTC"),
        ({"readonly_token": jwt(exp=10**15)}, "readonly_token is no JWT: its exp is no date"),
        ({"readonly_token": jwt(exp=10**30)}, "readonly_token is no JWT: its exp is no date"),
        ({"readonly_token": jwt(exp=-(2**63))}, "readonly_token is no JWT: its exp is no date"),
    ],
)
def test_a_malformed_credential_is_named_and_not_shown(settings, words):
    """No network is touched, and the value is in no message."""
    with pytest.raises(CredentialsError) as caught:
        find(**settings)
    assert words in str(caught.value)
    assert caught.value.venue == "paradex"
    for value in settings.values():
        if isinstance(value, str) and len(value.strip()) > 8 and value != ACCOUNT:
            assert value not in str(caught.value)


@pytest.mark.parametrize(("digits", "hinted"), [("z" * 63, False), ("f" * 64, True), ("0x" + "f" * 64, True)])
def test_what_is_as_long_as_an_ethereum_key_is_asked_about(digits, hinted):
    """Most of those lie above the Stark prime; a shorter text is no such mistake."""
    with pytest.raises(CredentialsError) as caught:
        find(private_key=digits, account=ACCOUNT)
    assert ("Ethereum key" in str(caught.value)) is hinted


def test_the_smallest_key_and_both_spellings_of_the_prefix_are_taken():
    """0x and 0X are one."""
    assert find(private_key="0x1").signing_key() == 1
    assert find(private_key=f"0X{KEY[2:]}").signing_key() == int(KEY, 16)


def test_every_variable_of_the_environment_is_read():
    """By the names that the messages and the documentation give."""
    found = find({"PARADEX_SUBKEY": KEY, "PARADEX_ACCOUNT": ACCOUNT})
    assert (found.kind, found.account) == (CredentialKind.SUBKEY, int(ACCOUNT, 16))
    found = find({"PARADEX_READONLY_TOKEN": jwt(sub="x"), "PARADEX_ACCOUNT": ACCOUNT})
    assert (found.kind, found.account) == (CredentialKind.READONLY, int(ACCOUNT, 16))


def test_credentials_show_their_kind_and_whose_they_are():
    """And nothing else."""
    shown = [
        repr(each)
        for each in (
            find(),
            find(private_key=KEY),
            find(subkey=KEY, account=ACCOUNT),
            find(readonly_token=jwt(sub="x"), account=ACCOUNT),
        )
    ]
    assert shown == [
        "Credentials(none, account=None)",
        "Credentials(main, account=None)",
        f"Credentials(subkey, account={ACCOUNT})",
        f"Credentials(readonly, account={ACCOUNT})",
    ]


def test_what_can_not_sign_says_what_it_is():
    """No key, or one that only reads; both say what to set."""
    for found, why in (
        (find(), "no key was given"),
        (find(readonly_token=jwt(sub="x")), "a read-only token can't sign"),
    ):
        with pytest.raises(CredentialsError, match=f"{why}: set private_key or subkey") as caught:
            found.signing_key()
        assert caught.value.venue == "paradex"


def test_a_read_only_token_is_checked_by_its_own_date():
    """An expired one is refused before the venue is asked, and the date is told."""
    good = jwt(exp=int((NOW + timedelta(days=30)).timestamp()), sub=ACCOUNT)
    found = find(readonly_token=f"Bearer {good}\n")
    assert found.kind is CredentialKind.READONLY
    assert found.can_read
    assert found.token is not None
    assert found.token.reveal() == good
    assert not found.can_sign
    assert token_expiry(good) == NOW + timedelta(days=30)
    expired = jwt(exp=int((NOW - timedelta(minutes=1)).timestamp()))
    with pytest.raises(CredentialsError, match="expired at 2026-11-21 11:59 UTC"):
        find(readonly_token=expired)


def test_a_token_without_a_date_is_taken():
    """It may be good for ever; the venue will say."""
    assert find(readonly_token=jwt(sub="x")).kind is CredentialKind.READONLY


def test_nothing_shows_a_secret(tmp_path):
    """Neither repr nor str nor a format nor a pickle."""
    for found in (find(private_key=KEY, account=ACCOUNT), find(readonly_token=jwt(sub="x"))):
        secret = found.private_key or found.token
        assert secret is not None
        for shown in (repr(found), str(found), f"{found}", f"{secret}", repr(secret), repr(copy.copy(found))):
            assert secret.reveal() not in shown
            assert KEY.removeprefix("0x") not in shown
        with pytest.raises(TypeError):
            pickle.dumps(secret)


# The file


@pytest.fixture
def secrets(tmp_path):
    path = tmp_path / "paradex.env"

    def write(text, mode=0o600):
        path.write_text(text)
        path.chmod(mode)
        return path

    return write


def test_a_private_file_is_read(secrets):
    """Names as in the settings or as the variables, comments and export allowed."""
    path = secrets(f"# mine\nexport PARADEX_SUBKEY={KEY}\naccount = '{ACCOUNT}'\n\n")
    for found in (find(credentials_file=str(path)), find({"PARADEX_CREDENTIALS_FILE": str(path)})):
        assert found.kind is CredentialKind.SUBKEY
        assert found.signing_key() == int(KEY, 16)
        assert found.account == int(ACCOUNT, 16)


def test_a_file_with_an_account_and_no_key_is_told_what_it_lacks(secrets):
    """An account opens nothing."""
    with pytest.raises(CredentialsError, match="give one of private_key, subkey and readonly_token, not none"):
        find(credentials_file=str(secrets(f"account = {ACCOUNT}\n")))


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o610])
def test_a_file_that_others_can_read_is_refused_with_the_command_to_run(secrets, mode):
    """The exact chmod is in the message."""
    path = secrets(f"private_key = {KEY}\n", mode)
    with pytest.raises(CredentialsError) as caught:
        find(credentials_file=str(path))
    assert f"chmod 600 {path}" in str(caught.value)
    assert KEY not in str(caught.value)


def test_a_file_that_is_missing_or_wrong_is_named(secrets, tmp_path):
    """With the line, and never with its content."""
    with pytest.raises(CredentialsError, match="can't read the credentials file"):
        find(credentials_file=str(tmp_path / "nowhere"))
    path = secrets(f"private_key = {KEY}\nPARADEX_PRIVATE_KYE={KEY}\n")
    with pytest.raises(CredentialsError, match="line 2") as caught:
        find(credentials_file=str(path))
    assert KEY not in str(caught.value)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(CredentialsError, match="not UTF-8"):
        find(credentials_file=str(path))
