"""Settings and credentials: found where they may be, checked before anything uses them, shown to nobody."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest

from perpkit.adapters.lighter.config import LighterSettings
from perpkit.adapters.lighter.credentials import CredentialKind, find_credentials
from perpkit.core.errors import ConfigError, CredentialsError
from perpkit.core.transport.redact import Secret
from perpkit.crypto.ecgfp5 import ORDER
from tests.adapters.lighter.conftest import NOW

KEY = bytes(range(1, 41)).hex()
OTHER = bytes(range(2, 42)).hex()
ADDRESS = "0x00000000000000000000000000000000000000aA"
EXPIRY = int((NOW + timedelta(days=30)).timestamp())
TOKEN = f"ro:12345:single:{EXPIRY}:{'ab' * 80}"


def find(environ=None, **settings):
    return find_credentials(settings, environ or {}, now=NOW)


def test_a_key_with_its_index_and_account():
    """As arguments; numbers may be numbers or texts, keys may carry 0x and a line break."""
    for index, account in ((4, 12345), ("4", "12345")):
        found = find(api_private_key=f" 0x{KEY}\n", api_key_index=index, account_index=account)
        assert (found.kind, found.account_index, list(found.keys)) == (CredentialKind.KEYS, 12345, [4])
        assert found.keys[4].reveal() == KEY


def test_several_keys_as_a_mapping_and_as_text():
    """They are used in turn."""
    for keys in ({4: KEY, 5: OTHER}, f"4:{KEY},5:0x{OTHER}", {4: Secret(KEY), 5: OTHER}):
        found = find(api_keys=keys, l1_address=ADDRESS)
        assert {index: key.reveal() for index, key in found.keys.items()} == {4: KEY, 5: OTHER}
        assert (found.account_index, found.l1_address) == (None, ADDRESS)


def test_account_zero_and_key_zero_are_real():
    """No number is mistaken for 'nothing given'."""
    found = find(api_private_key=KEY, api_key_index=0, account_index=0)
    assert (found.account_index, list(found.keys)) == (0, [0])


def test_the_environment_and_a_file_serve_as_well(tmp_path):
    """The first source that holds a key gives everything."""
    environ = {"LIGHTER_ACCOUNT_INDEX": "7", "LIGHTER_API_KEY_INDEX": "4", "LIGHTER_API_PRIVATE_KEY": KEY}
    assert find(environ).account_index == 7
    path = tmp_path / "lighter.env"
    path.write_text(f"account_index = 8\nLIGHTER_API_KEYS='4:{KEY}'\n")
    path.chmod(0o600)
    assert find(credentials_file=str(path)).account_index == 8
    path.chmod(0o644)
    with pytest.raises(CredentialsError, match="chmod 600"):
        find(credentials_file=str(path))


def test_an_account_of_one_source_never_meets_a_key_of_another():
    """The key of the environment comes with the environment's account, or with none."""
    environ = {"LIGHTER_API_KEY_INDEX": "4", "LIGHTER_API_PRIVATE_KEY": KEY}
    with pytest.raises(CredentialsError, match="its account"):
        find({**environ, "LIGHTER_CREDENTIALS_FILE": "/nowhere"})
    assert find(environ, account_index=9).kind is CredentialKind.WATCH


def test_an_account_alone_is_watched():
    """Margins and positions are public on this venue."""
    assert find(account_index=5).kind is CredentialKind.WATCH
    assert find({"LIGHTER_L1_ADDRESS": ADDRESS}).l1_address == ADDRESS
    assert find().kind is CredentialKind.NONE


def test_a_read_only_token_tells_its_account():
    """And when it ends."""
    found = find(readonly_token=TOKEN)
    assert (found.kind, found.account_index, found.can_sign, found.can_sign_in) == (
        CredentialKind.READONLY,
        12345,
        False,
        True,
    )
    past = TOKEN.replace(str(EXPIRY), str(int(NOW.timestamp())))
    with pytest.raises(CredentialsError, match="expired at 2026-11-21 12:20"):
        find(readonly_token=past)
    with pytest.raises(CredentialsError, match="of account 12345, not 5"):
        find(readonly_token=TOKEN, account_index=5)


BAD = {
    "a key that is no number": {"api_private_key": "not a key at all"},
    "an Ethereum key": {"api_private_key": "ab" * 32},
    "a key of zeros": {"api_private_key": "00" * 40},
    "a key beyond the curve's order": {"api_private_key": ORDER.to_bytes(40, "little").hex()},
    "an empty key": {"api_private_key": " "},
    "a key without its slot": {"api_key_index": None},
    "the slot that means all": {"api_key_index": 255},
    "an account that is no number": {"account_index": "my account"},
    "an account that can't be": {"account_index": 2**48},
    "an address that is none": {"account_index": None, "l1_address": "0x12"},
    "no account": {"account_index": None},
    "two kinds at once": {"readonly_token": TOKEN},
    "keys that are no pairs": {"api_private_key": None, "api_keys": KEY},
    "one slot twice": {"api_private_key": None, "api_keys": f"4:{KEY},04:{OTHER}"},
    "a token of another shape": {"api_private_key": None, "readonly_token": "eyJhbGciOi.a.b"},
}


@pytest.mark.parametrize("what", BAD)
def test_what_is_malformed_is_named_and_never_shown(what):
    """Neither in the message nor in what the error was raised from."""
    given = {"api_private_key": KEY, "api_key_index": 4, "account_index": 12345, **BAD[what]}
    with pytest.raises(CredentialsError) as caught:
        find(**{name: value for name, value in given.items() if value is not None})
    secret = str(BAD[what].get("api_private_key") or KEY)
    assert len(secret) < 5 or secret not in repr(caught.value) + repr(caught.value.__context__)


def test_printing_credentials_shows_no_secret(caplog):
    """Nor does a log."""
    found = find(api_private_key=KEY, api_key_index=4, account_index=1)
    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("%s %r", found, found)
    assert KEY not in caplog.text
    assert KEY not in repr(find(readonly_token=TOKEN)) + repr(found)
    assert TOKEN not in repr(find(readonly_token=TOKEN))


# Settings


def test_known_environments_have_their_own_chains():
    """A signature for one is worth nothing on another."""
    chains = {name: LighterSettings.load(name, {}).signed_chain_id for name in ("mainnet", "testnet", "robinhood")}
    assert chains == {"mainnet": 304, "testnet": 300, "robinhood": 466324}
    assert LighterSettings.load(None, {}).rest_base == "https://testnet.zklighter.elliot.ai"
    assert LighterSettings.load("mainnet", {}).ws_address == "wss://mainnet.zklighter.elliot.ai/stream"


def test_a_local_exchange_is_signed_for_as_the_sdk_does():
    """304, unless told otherwise; the stream's address follows."""
    local = LighterSettings.load("local", {"rest_url": "http://127.0.0.1:1234/"})
    assert (local.rest_base, local.ws_address) == ("http://127.0.0.1:1234", "ws://127.0.0.1:1234/stream")
    assert local.signed_chain_id == 304
    assert LighterSettings.load("local", {"rest_url": "http://localhost:1", "chain_id": 300}).signed_chain_id == 300


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ({"enviroment": "mainnet"}, "enviroment"),
        ({"tier": "gold"}, "tier"),
        ({"market_slippage": 0.05}, "market_slippage"),
        ({"market_slippage": "1.5"}, "market_slippage"),
        ({"order_life": timedelta(days=31)}, "order_life"),
        ({"order_life": timedelta(minutes=1)}, "order_life"),
        ({"rest_url": "http://example.org"}, "https"),
        ({"environment": "local"}, "rest_url"),
    ],
)
def test_a_setting_that_can_not_be_is_named(settings, names):
    """Unknown, out of bounds, a float, or an unencrypted address."""
    with pytest.raises(ConfigError, match=names):
        LighterSettings.load(None, settings)
