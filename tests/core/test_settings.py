"""What a user is told of a setting that can't be."""

from typing import ClassVar

import pytest

from perpkit.core.errors import ConfigError
from perpkit.core.settings import VenueSettings


class ToySettings(VenueSettings):
    """Of a venue that nobody has."""

    venue: ClassVar[str] = "toy"

    environment: str = "testnet"


CREDENTIALS = ("api_key", "stark_private_key")


def refusal(**given: object) -> str:
    with pytest.raises(ConfigError) as caught:
        ToySettings.load(None, given, credentials=CREDENTIALS)
    return str(caught.value)


def test_a_key_under_a_wrong_name_is_answered_with_the_right_one_and_never_shown():
    """Who writes private_key where the venue's is stark_private_key reads so, and no log holds the key."""
    said = refusal(private_key="0xc0ffee")

    assert "'private_key' is no setting of toy; did you mean stark_private_key?" in said
    assert "c0ffee" not in said


def test_a_setting_that_is_like_nothing_is_answered_with_all_there_is():
    """No guess is better than a far-fetched one; the names are all there."""
    said = refusal(zzz=1)

    assert "'zzz' is no setting of toy (" in said
    assert "settings: environment, request_timeout, rest_url, ws_url; credentials: api_key, stark_private_key" in said


def test_every_wrong_setting_is_named_at_once():
    """One round of corrections is enough."""
    said = refusal(rest_ur="https://example.org", ws_url="ws://example.org", request_timeout=0)

    assert "did you mean rest_url?" in said
    assert "ws_url must be wss://" in said
    assert "request_timeout: " in said


def test_credentials_are_no_settings():
    """They are read by whoever finds secrets, and a settings object never holds one."""
    settings = ToySettings.load("mainnet", {"api_key": "0xc0ffee", "request_timeout": 3}, credentials=CREDENTIALS)

    assert settings.environment == "mainnet"
    assert settings.request_timeout.total_seconds() == 3
    assert "c0ffee" not in repr(settings)
