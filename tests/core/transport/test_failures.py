"""Every exception of the HTTP library has a place in our tree."""

from __future__ import annotations

import inspect

import aiohttp
import pytest
from aiohttp import client_exceptions
from yarl import URL

from perpkit.core import errors
from perpkit.core.transport.failures import FAILURES, check_endpoint, translate
from perpkit.core.transport.redact import Redactor

LIBRARY = [
    cls
    for _, cls in inspect.getmembers(client_exceptions, inspect.isclass)
    if issubclass(cls, Exception) and cls.__module__ == client_exceptions.__name__
]

NOT_SENT_ALWAYS = {
    "ClientConnectorError", "ClientConnectorDNSError", "ClientProxyConnectionError", "UnixClientConnectorError",
    "ClientSSLError", "ClientConnectorSSLError", "ClientConnectorCertificateError", "ServerFingerprintMismatch",
    "ConnectionTimeoutError", "ClientHttpProxyError", "InvalidURL", "InvalidUrlClientError", "NonHttpUrlClientError",
}  # fmt: skip


@pytest.mark.parametrize("cls", LIBRARY, ids=lambda cls: cls.__name__)
def test_no_exception_of_the_library_is_left_unmapped(cls: type[Exception]) -> None:
    """Each class stands in the table by itself, so that a new one in a new release fails here first."""
    assert cls in FAILURES


@pytest.mark.parametrize("cls", [*LIBRARY, TimeoutError, OSError, ConnectionResetError], ids=lambda cls: cls.__name__)
def test_sent_is_never_taken_for_not_sent(cls: type[Exception]) -> None:
    """Once a byte may have been written, only what can arise no later than connecting is 'not sent'."""
    error = translate(blank(cls), sent=True, redactor=Redactor(), venue="v", operation="o", client_order_id="c")
    assert isinstance(error, errors.NotSentError) == (cls.__name__ in NOT_SENT_ALWAYS)
    assert (error.venue, error.operation, error.client_order_id) == ("v", "o", "c")


@pytest.mark.parametrize("cls", [*LIBRARY, TimeoutError, OSError], ids=lambda cls: cls.__name__)
def test_what_broke_before_sending_is_safe_to_repeat(cls: type[Exception]) -> None:
    """Before the first byte, a broken connection or a timeout is 'not sent'; an answer can't have come."""
    error = translate(blank(cls), sent=False, redactor=Redactor(), venue="v", operation="o")
    if issubclass(cls, aiohttp.ClientConnectionError | OSError) or cls.__name__ in NOT_SENT_ALWAYS:
        assert isinstance(error, errors.NotSentError)


def blank(cls: type[Exception]) -> Exception:
    """An instance made without the library's many constructors; str() of it is harmless."""
    plain = type(cls.__name__, (cls,), {"__str__": lambda self: "words", "__init__": lambda self: None})
    return plain()


def test_the_message_of_a_foreign_error_is_redacted() -> None:
    """What the library quotes may hold a token."""
    redactor = Redactor()
    redactor.add("top-secret-value")
    error = translate(OSError("GET /x?k=top-secret-value failed"), sent=True, redactor=redactor)
    assert "top-secret" not in str(error)
    assert "failed" in str(error)


def test_a_timeout_says_on_which_side_of_sending_it_fell() -> None:
    """The same exception is two errors."""
    assert type(translate(TimeoutError(), sent=True, redactor=Redactor())) is errors.RequestTimeoutError
    error = translate(TimeoutError(), sent=False, redactor=Redactor())
    assert type(error) is errors.ConnectError
    assert "none in time" in str(error)


@pytest.mark.parametrize(
    "url",
    ["https://api.example.com/v1", "http://127.0.0.1:8080", "http://localhost/v1", "http://[::1]:80/", "https://h:444"],
)
def test_an_encrypted_or_a_local_endpoint_is_accepted(url: str) -> None:
    """Simulators speak plain HTTP on this machine; everything else is encrypted."""
    assert check_endpoint(url, schemes=("http", "https"), allow_plain=False) == URL(url)


@pytest.mark.parametrize(
    "url",
    ["http://api.example.com", "http://10.0.0.1", "https://user:pw@h", "ftp://h", "https://", "h", "", "https://h/#f",
     "http://localhost.example.com", "wss://h"],
)  # fmt: skip
def test_an_endpoint_that_would_show_secrets_is_refused(url: str) -> None:
    """Plain text to another machine, credentials in the URL, or another protocol; and the URL is not repeated."""
    with pytest.raises(errors.ConfigError) as caught:
        check_endpoint(url, schemes=("http", "https"), allow_plain=False)
    assert "pw" not in str(caught.value)


def test_plain_text_to_another_machine_can_be_asked_for() -> None:
    """A simulator in a container has another address."""
    assert check_endpoint("http://sim:80", schemes=("http", "https"), allow_plain=True).host == "sim"
