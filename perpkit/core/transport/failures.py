"""
The HTTP library's exceptions turned into ours, where they arise. One table, most specific class first found; a test
holds that no class of the library is left out of it.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from ipaddress import ip_address
from typing import Any

import aiohttp
from aiohttp import client_exceptions, http_exceptions
from yarl import URL

from perpkit.core.errors import (
    BadGatewayError,
    ConfigError,
    ConnectError,
    ConnectionLostError,
    DecodeError,
    NotSentError,
    PerpkitError,
    RequestTimeoutError,
)
from perpkit.core.transport.redact import Redactor


class Failure(Enum):
    """What an exception of the library means for the request."""

    NO_CONNECTION = "no connection"
    """It arises only while connecting: nothing was written."""
    MALFORMED = "malformed"
    """The request could not be built: nothing was written."""
    BROKEN = "broken"
    """The connection went away; whether before or after writing is told by the trace."""
    SLOW = "slow"
    """Time ran out; whether before or after writing is told by the trace."""
    CUT_SHORT = "cut short"
    """The answer began and did not end."""
    NOT_THE_VENUE = "not the venue"
    """Something answered that is not a usable HTTP answer."""
    UNREADABLE = "unreadable"
    """The answer is complete and can't be read."""


_BY_NAME = {
    "ClientError": Failure.BROKEN,
    "ClientConnectionError": Failure.BROKEN,
    "ClientConnectionResetError": Failure.BROKEN,
    "ClientOSError": Failure.BROKEN,
    "ClientConnectorError": Failure.NO_CONNECTION,
    "ClientConnectorDNSError": Failure.NO_CONNECTION,
    "ClientProxyConnectionError": Failure.NO_CONNECTION,
    "UnixClientConnectorError": Failure.NO_CONNECTION,
    "ClientSSLError": Failure.NO_CONNECTION,
    "ClientConnectorSSLError": Failure.NO_CONNECTION,
    "ClientConnectorCertificateError": Failure.NO_CONNECTION,
    "ServerConnectionError": Failure.BROKEN,
    "ServerDisconnectedError": Failure.BROKEN,
    "ServerFingerprintMismatch": Failure.NO_CONNECTION,
    "ServerTimeoutError": Failure.SLOW,
    "SocketTimeoutError": Failure.SLOW,
    "ConnectionTimeoutError": Failure.NO_CONNECTION,
    "ClientResponseError": Failure.NOT_THE_VENUE,
    "ClientHttpProxyError": Failure.NO_CONNECTION,
    "WSServerHandshakeError": Failure.NOT_THE_VENUE,
    "ContentTypeError": Failure.UNREADABLE,
    "TooManyRedirects": Failure.NOT_THE_VENUE,
    "ClientPayloadError": Failure.CUT_SHORT,
    "UploadAbortedError": Failure.BROKEN,
    "InvalidURL": Failure.MALFORMED,
    "InvalidUrlClientError": Failure.MALFORMED,
    "NonHttpUrlClientError": Failure.MALFORMED,
    "RedirectClientError": Failure.NOT_THE_VENUE,
    "InvalidUrlRedirectClientError": Failure.NOT_THE_VENUE,
    "NonHttpUrlRedirectClientError": Failure.NOT_THE_VENUE,
    "WSMessageTypeError": Failure.UNREADABLE,
}
"""By name, because not every release of the library has them all."""

FAILURES: dict[type[BaseException], Failure] = {
    **{getattr(client_exceptions, name): kind for name, kind in _BY_NAME.items() if hasattr(client_exceptions, name)},
    asyncio.TimeoutError: Failure.SLOW,
    OSError: Failure.BROKEN,
    AssertionError: Failure.BROKEN,
}
"""OSError and TimeoutError are what the library lets through from asyncio and the TLS layer."""

LIBRARY_ERRORS = (aiohttp.ClientError, TimeoutError, OSError, AssertionError)
"""
What may come out of the library while it connects, writes or waits for an answer. It asserts, without a word, that a
connection is still there: one that is lost between a handshake's answer and its use ends in a bare AssertionError
(``ClientSession._ws_connect``, aiohttp 3.14).
"""


def translate(exc: BaseException, *, sent: bool, redactor: Redactor, **context: Any) -> PerpkitError:
    """
    Return our error for one of the library's.

    Args:
        sent: Whether the request's first byte may have been written.
        context: ``venue``, ``operation``, ``client_order_id``.
    """
    failure = next(FAILURES[cls] for cls in type(exc).__mro__ if cls in FAILURES)
    words = redactor.text(str(exc)) or ("none in time" if isinstance(exc, TimeoutError) else type(exc).__name__)
    if failure is Failure.CUT_SHORT and isinstance(exc.__cause__, http_exceptions.ContentEncodingError):
        failure = Failure.UNREADABLE
    match failure:
        case Failure.NO_CONNECTION:
            return ConnectError(f"no connection: {words}; nothing was sent", **context)
        case Failure.MALFORMED:
            return NotSentError(f"the request can't be formed: {words}; nothing was sent", **context)
        case Failure.BROKEN | Failure.SLOW if not sent:
            return ConnectError(f"no connection: {words}; nothing was sent", **context)
        case Failure.SLOW:
            return RequestTimeoutError("sent, and no complete answer came in time", **context)
        case Failure.BROKEN | Failure.CUT_SHORT:
            return ConnectionLostError(
                f"sent, and the connection went away before a complete answer: {words}", **context
            )
        case Failure.NOT_THE_VENUE:
            return BadGatewayError(
                f"sent, and what answered is not the venue: {words}", status=getattr(exc, "status", None), **context
            )
        case Failure.UNREADABLE:
            return DecodeError(f"sent, and the answer can't be read: {words}", **context)


async def send_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """
    Keep the library from sending a request twice.

    On a pooled connection that breaks, it repeats GET, HEAD, PUT and DELETE by itself, once and unseen (RFC 9112,
    9.3.1). A venue's PUT amends an order. Whether to repeat is for ``retry`` to say, so the errors that it repeats on
    are raised as ones that it does not know.
    """
    try:
        return await handler(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as exc:
        raise aiohttp.ClientConnectionError(str(exc) or type(exc).__name__) from exc


def check_endpoint(url: str, *, schemes: tuple[str, str], allow_plain: bool) -> URL:
    """
    Return a base URL that secrets may be sent to: encrypted, or on this machine.

    Args:
        schemes: The plain and the encrypted scheme.
        allow_plain: Lets an unencrypted URL of another machine pass, for a simulator in a container of its own.

    Raises:
        ConfigError: The URL is not of that kind, carries credentials, or is unencrypted and leaves this machine.
    """
    plain, encrypted = schemes
    parsed = URL(url)
    if parsed.scheme not in schemes or not parsed.host or parsed.user or parsed.password or parsed.fragment:
        raise ConfigError(f"an endpoint is {encrypted}://host[:port][/path] without credentials; that one is not")
    if parsed.scheme == plain and not allow_plain and not _is_here(parsed.host):
        raise ConfigError(f"{plain}://{parsed.host} is unencrypted and not on this machine; use {encrypted}://")
    return parsed


def _is_here(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
