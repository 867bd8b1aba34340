"""Settings and credentials: where each comes from, what is refused before anything is sent, and that nothing shows."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from perpkit.adapters.extended.config import ExtendedSettings
from perpkit.adapters.extended.credentials import CredentialKind, find_credentials
from perpkit.core.errors import ConfigError, CredentialsError
from tests.adapters.extended.conftest import VECTORS

PRIVATE, PUBLIC = VECTORS["private_key"], VECTORS["public_key"]


def find(environ=None, **settings):
    return find_credentials(settings, environ or {})


def test_streams_live_on_a_path_of_the_api_host():
    """`stream.extended.exchange` is the first segment of the path and no host."""
    mainnet = ExtendedSettings.load("mainnet", {})
    assert mainnet.rest_base == "https://api.starknet.extended.exchange/api/v1"
    assert mainnet.ws_base == "wss://api.starknet.extended.exchange/stream.extended.exchange/v1"
    testnet = ExtendedSettings.load(None, {})
    assert testnet.environment == "testnet"
    assert testnet.rest_base == "https://api.starknet.sepolia.extended.exchange/api/v1"
    assert testnet.known_chain_id == "SN_SEPOLIA"


def test_a_local_venue_needs_one_address_and_has_the_other_by_it():
    """The streams are beside the API, on the same host."""
    local = ExtendedSettings.load("local", {"rest_url": "http://127.0.0.1:8080/api/v1/"})
    assert local.rest_base == "http://127.0.0.1:8080/api/v1"
    assert local.ws_base == "ws://127.0.0.1:8080/stream.extended.exchange/v1"
    assert local.known_chain_id is None
    with pytest.raises(ConfigError, match="needs rest_url"):
        ExtendedSettings.load("local", {})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"builder_id": 7}, "go together"),
        ({"builder_fee": "0.0001"}, "go together"),
        ({"order_life": timedelta(days=29)}, "longest"),
        ({"market_slippage": "1"}, "market_slippage"),
        ({"market_slippage": 0.01}, "market_slippage"),
        ({"rest_url": "http://example.org/api/v1"}, "https"),
        ({"apikey": "k"}, "apikey"),
        ({"immediate_life": timedelta(seconds=1)}, "immediate_life"),
    ],
)
def test_a_setting_that_can_t_be_is_named(settings, words):
    """Nothing is sent; the message lists what there is."""
    with pytest.raises(ConfigError, match=words):
        ExtendedSettings.load("testnet", settings)


def test_nothing_is_paid_to_a_builder_unless_it_was_asked_for():
    """Both parts or none."""
    assert ExtendedSettings.load("mainnet", {}).builder_id is None
    both = ExtendedSettings.load("mainnet", {"builder_id": 2017, "builder_fee": "0.0001"})
    assert (both.builder_id, both.builder_fee) == (2017, Decimal("0.0001"))


def test_an_order_without_an_expiry_stands_as_long_as_the_venue_allows():
    """90 days on mainnet and 28 on the testnet, less an hour for clocks that differ."""
    assert ExtendedSettings.load("mainnet", {}).resting_life == timedelta(days=90, hours=-1)
    assert ExtendedSettings.load("testnet", {}).resting_life == timedelta(days=28, hours=-1)
    assert ExtendedSettings.load("mainnet", {"order_life": timedelta(days=1)}).resting_life == timedelta(days=1)


def test_a_whole_set_trades_and_a_key_alone_reads():
    """The public key and the vault may be left out: the one follows, the other is read."""
    whole = find(api_key="k-1", stark_private_key=PRIVATE, stark_public_key=PUBLIC, vault=500343)
    assert whole.kind is CredentialKind.TRADING
    assert (whole.public_key, whole.vault) == (int(PUBLIC, 16), 500343)
    short = find(api_key="k-1", stark_private_key=PRIVATE)
    assert (short.public_key, short.vault) == (int(PUBLIC, 16), None)
    reading = find(api_key="k-1")
    assert reading.kind is CredentialKind.READING
    with pytest.raises(CredentialsError, match="EXTENDED_API_KEY and EXTENDED_STARK_PRIVATE_KEY"):
        reading.signing_key()
    assert find().kind is CredentialKind.NONE


def test_white_space_and_quotes_around_a_key_are_taken_off():
    """The venue answers a padded key with 401 and no word of why."""
    found = find({"EXTENDED_API_KEY": ' "k-1"\n', "EXTENDED_VAULT": " 12 "})
    assert found.api_key.reveal() == "k-1"
    assert found.vault == 12


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"stark_private_key": PRIVATE}, "api_key"),
        ({"api_key": "two words"}, "no key has"),
        ({"api_key": ""}, "empty"),
        ({"api_key": "k", "stark_private_key": "secret words"}, "hexadecimal"),
        ({"api_key": "k", "stark_private_key": PRIVATE[2:]}, "0x"),
        ({"api_key": "k", "stark_private_key": "0x" + "f" * 64}, "Ethereum"),
        ({"api_key": "k", "stark_private_key": "0x0"}, "below the prime"),
        ({"api_key": "k", "stark_public_key": PUBLIC}, "signs nothing"),
        ({"api_key": "k", "stark_private_key": PRIVATE, "stark_public_key": "0x1234"}, "does not belong"),
        ({"api_key": "k", "vault": "0x7a277"}, "vault"),
        ({"api_key": "k", "vault": 2**32}, "2\\^32"),
        ({"api_key": "k", "vault": 0}, "vault"),
    ],
)
def test_a_malformed_credential_is_named_and_not_shown(settings, words):
    """No network is touched, and no value is in any message."""
    with pytest.raises(CredentialsError, match=words) as caught:
        find(**settings)
    for value in settings.values():
        assert len(str(value)) < 6 or str(value) not in str(caught.value)


def test_credentials_never_show_themselves():
    """Kind and vault are enough to recognize them."""
    found = find(api_key="api-key-secret", stark_private_key=PRIVATE, vault=7)
    for text in (repr(found), str(found), f"{found}"):
        assert "api-key-secret" not in text
        assert PRIVATE not in text
    assert repr(found) == "Credentials(trading, vault=7)"


def test_a_file_of_the_owners_alone_is_read(tmp_path):
    """By either spelling of a name; others being able to read it is refused with the command that mends it."""
    path = tmp_path / "extended"
    path.write_text(f"EXTENDED_API_KEY=k-1\nstark_private_key = {PRIVATE}\nvault = 9\n")
    path.chmod(0o600)
    found = find(credentials_file=str(path))
    assert (found.kind, found.vault) == (CredentialKind.TRADING, 9)
    path.chmod(0o644)
    with pytest.raises(CredentialsError, match="chmod 600"):
        find({"EXTENDED_CREDENTIALS_FILE": str(path)})
