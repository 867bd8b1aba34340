"""Where secrets are found: one source, stripped, and a file that nobody else can read."""

from __future__ import annotations

import pytest

from perpkit.core.credentials import SecretNames
from perpkit.core.errors import CredentialsError
from perpkit.core.transport.redact import Secret

NAMES = SecretNames(
    "toy",
    {"api_key": "TOY_API_KEY", "account": "TOY_ACCOUNT", "credentials_file": "TOY_CREDENTIALS_FILE"},
    keys=("api_key",),
)


def test_the_first_source_with_a_key_gives_everything():
    """An account of the environment is not used with a key of the arguments."""
    found = NAMES.find({"api_key": " k1\n"}, {"TOY_API_KEY": "k2", "TOY_ACCOUNT": "a2"})
    assert found is not None
    assert dict(found.values) == {"api_key": "k1"}
    other = NAMES.find({}, {"TOY_API_KEY": '"k2"', "TOY_ACCOUNT": "a2"})
    assert other is not None
    assert dict(other.values) == {"api_key": "k2", "account": "a2"}


def test_nothing_given_is_nothing_found():
    """Blank variables are none; an account without a key says what is missing."""
    assert NAMES.find({}, {"TOY_API_KEY": "  "}) is None
    with pytest.raises(CredentialsError, match="account alone opens nothing: add api_key"):
        NAMES.find({"account": "a"}, {})


def test_a_file_is_read_only_if_nobody_else_can(tmp_path):
    """0600 or refused, with the command that mends it; either spelling of a name is taken."""
    path = tmp_path / "keys"
    path.write_text("# mine\nexport TOY_API_KEY = secret-key\naccount=a\n")
    path.chmod(0o640)
    with pytest.raises(CredentialsError, match="chmod 600"):
        NAMES.find({"credentials_file": path}, {})
    path.chmod(0o600)
    found = NAMES.find({}, {"TOY_CREDENTIALS_FILE": str(path)})
    assert found is not None
    assert dict(found.values) == {"api_key": "secret-key", "account": "a"}
    assert "secret-key" not in repr(found)


def test_a_file_that_begins_with_the_mark_of_an_editor_is_read(tmp_path):
    """The first line's name is not spoiled by three bytes that nobody sees."""
    path = tmp_path / "keys"
    path.write_bytes(b"\xef\xbb\xbfapi_key = k\r\naccount = a\r\n")
    path.chmod(0o600)
    found = NAMES.find({"credentials_file": path}, {})
    assert found is not None
    assert dict(found.values) == {"api_key": "k", "account": "a"}


def test_a_path_that_is_no_file_is_told_as_what_it_is(tmp_path):
    """chmod would help neither of them."""
    with pytest.raises(CredentialsError, match="is a directory"):
        NAMES.find({"credentials_file": tmp_path}, {})
    with pytest.raises(CredentialsError, match="nobody here has that home directory"):
        NAMES.find({"credentials_file": "~nobody-of-that-name/keys"}, {})


@pytest.mark.parametrize("value", ["", '""', b"bytes", 7])
def test_what_is_no_text_is_named_and_not_shown(value):
    """The message says which setting and where it came from."""
    with pytest.raises(CredentialsError, match="argument: api_key"):
        NAMES.find({"api_key": value}, {})


def test_a_secret_is_taken_out_of_its_wrapper():
    """perpkit's own Secret and pydantic's are both known."""
    found = NAMES.find({"api_key": Secret("k")}, {})
    assert found is not None
    assert found.values["api_key"] == "k"
