"""
Every error perpkit raises. The class says what the caller may do next; the first question it answers
is whether anything was sent, and whether it could have taken effect.

::

    PerpkitError
      ConfigError                 ours to fix; nothing sent
        CredentialsError          a key is missing, malformed, expired by its own date, or readable by others
      PluginError                 a plugin could not be found, imported or registered
      CapabilityError             the venue can't, or the plugin doesn't yet; nothing sent
      InvalidOrderError           off tick, off step, outside limits; nothing sent
      UnknownMarketError          the venue lists no such market; nothing sent
      RiskLimitError              a local limit forbids it; nothing sent
      VenueError                  the venue answered no: code, message
        AuthError                 the credentials were refused
        RateLimitError            too many requests; retry_after
        VenueUnavailableError     maintenance, cancel-only, geo-block
        InvalidRequestError       the venue could not accept the request's form; a defect of ours or of the plugin
        OrderRejectedError        the venue refused the order: reason
        OrderNotFoundError        not among those the venue looks through; may be filled or canceled already
        UnmappedVenueError        a code that the plugin's table does not hold; report it
      TransportError              no usable answer
        NotSentError              nothing left this machine; safe to repeat
          ConnectError            no connection could be made
          LocalRateLimitError     our own budget has no room in the time it may wait; retry_after
        RequestTimeoutError       sent, no answer in time
        ConnectionLostError       sent, the connection went away before an answer
        BadGatewayError           an answer that is not the venue's own (5xx, HTML)
      DecodeError                 an answer that can't be read; carries a redacted excerpt
      OutcomeUnknownError         an order command may have taken effect; resolve it, never repeat it
      StreamError                 a stream can't be had
        StreamAuthError           the venue refused the stream's credentials
        HandshakeRefusedError     the host answered the WebSocket handshake with an HTTP status; retry_after
        StreamGapError            updates were missed and a resync failed

Every error carries ``venue``, ``operation`` and, where known, ``client_order_id``.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Any


class RejectReason(StrEnum):
    """Why a venue refused or later closed an order, in terms that hold on every venue."""

    MARGIN = "margin"
    """Not enough free collateral."""
    POST_ONLY_WOULD_CROSS = "post_only_would_cross"
    """It would have traded at once instead of resting."""
    REDUCE_ONLY = "reduce_only"
    """It would have opened, increased or flipped a position, or there was nothing to reduce."""
    PRICE_BAND = "price_band"
    """The price is too far from the venue's reference."""
    NO_LIQUIDITY = "no_liquidity"
    """An immediate order found nothing to trade with inside its bound."""
    SELF_TRADE = "self_trade"
    """Self-trade prevention removed it."""
    POSITION_LIMIT = "position_limit"
    """The position would grow past what the venue allows in this market."""
    ORDER_LIMIT = "order_limit"
    """Too many open orders."""
    DUPLICATE_CLIENT_ID = "duplicate_client_id"
    """An order with this client order id is there already."""
    INVALID_SIGNATURE = "invalid_signature"
    """The signature does not fit the order, the account or the chain."""
    EXPIRED = "expired"
    """Its signature or expiry time had passed when the venue looked at it."""
    MARKET_CLOSED = "market_closed"
    """Halted, cancel-only, settled or not yet open."""
    INVALID_ORDER = "invalid_order"
    """Tick, step, minimum, maximum or a combination that the venue does not accept."""
    NEVER_RECEIVED = "never_received"
    """The venue can no longer accept it (its window is over) and knows nothing of it."""
    OTHER = "other"
    """See the message and the raw code."""


class PerpkitError(Exception):
    """
    The root of the tree.

    Attributes:
        venue: The venue's name, where one is involved.
        operation: What was being done, for example ``place_order`` or ``GET /account``.
        client_order_id: The order concerned, where one is.
    """

    def __init__(
        self,
        message: str,
        *,
        venue: str | None = None,
        operation: str | None = None,
        client_order_id: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.venue = venue
        self.operation = operation
        self.client_order_id = client_order_id

    def __str__(self) -> str:
        where = " ".join(part for part in (self.venue, self.operation) if part)
        return f"{where}: {self.message}" if where else self.message

    def __reduce__(self) -> tuple[Any, ...]:
        # Keyword-only arguments would otherwise be lost when an error crosses a process border.
        return (_rebuild, (type(self), self.args, self.__dict__.copy()))


def _rebuild(cls: type[PerpkitError], args: tuple[Any, ...], state: dict[str, Any]) -> PerpkitError:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class ConfigError(PerpkitError):
    """A setting is missing or wrong. Nothing was sent."""


class CredentialsError(ConfigError):
    """A credential is missing, malformed, expired by its own date, or kept in a file that others can read."""


class PluginError(PerpkitError):
    """A plugin could not be found, imported or registered; the message names it and the hook at fault."""


class CapabilityError(PerpkitError):
    """The venue can't do this, or its plugin doesn't yet. Nothing was sent."""


class InvalidOrderError(PerpkitError):
    """The order breaks a rule of its market. Nothing was sent; the message names the nearest good value."""


class UnknownMarketError(PerpkitError):
    """The venue lists no such market. Nothing was sent."""


class RiskLimitError(PerpkitError):
    """A local limit forbids the command. Nothing was sent."""


class VenueError(PerpkitError):
    """
    The venue answered, and the answer is no.

    Attributes:
        code: The venue's own code, as sent.
        status: The HTTP status, where the answer came over HTTP.
        data: Further detail from the venue, redacted.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | int | None = None,
        status: int | None = None,
        data: Any = None,
        venue: str | None = None,
        operation: str | None = None,
        client_order_id: str | None = None,
    ) -> None:
        super().__init__(message, venue=venue, operation=operation, client_order_id=client_order_id)
        self.code = code
        self.status = status
        self.data = data


class AuthError(VenueError):
    """The venue refused the credentials, or they may not do this."""


class RateLimitError(VenueError):
    """
    The venue refused the request because too many came.

    Attributes:
        retry_after: How long the venue asks to wait, where it says so.
    """

    def __init__(self, message: str, *, retry_after: timedelta | None = None, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.retry_after = retry_after


class VenueUnavailableError(VenueError):
    """The venue does not serve this now: maintenance, cancel-only, or a block by region."""


class InvalidRequestError(VenueError):
    """The venue could not accept the form of the request: a defect of the plugin or of its caller."""


class OrderRejectedError(VenueError):
    """
    The venue refused the order, and says so.

    Attributes:
        reason: The refusal in common terms; ``code`` and ``message`` keep the venue's own.
    """

    def __init__(self, message: str, *, reason: RejectReason = RejectReason.OTHER, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.reason = reason


class OrderNotFoundError(VenueError):
    """The order is not among those the venue looked through. It may have been filled or canceled before."""


class UnmappedVenueError(VenueError):
    """The venue used a code that the plugin's table does not hold. Please report it with the code."""


class TransportError(PerpkitError):
    """No usable answer."""


class NotSentError(TransportError):
    """Nothing left this machine, so nothing can have taken effect. Safe to repeat."""


class ConnectError(NotSentError):
    """No connection could be made."""


class LocalRateLimitError(NotSentError):
    """
    The budget that we keep for the venue has no room for the request within the time it may wait.

    Attributes:
        retry_after: How long it would have had to wait, at the least.
    """

    def __init__(self, message: str, *, retry_after: timedelta | None = None, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.retry_after = retry_after


class RequestTimeoutError(TransportError):
    """The request was sent and no answer came in time."""


class ConnectionLostError(TransportError):
    """The request was sent, or may have been, and the connection went away before an answer."""


class BadGatewayError(TransportError):
    """
    Something answered, but not the venue's own application: a 5xx, an HTML page.

    Attributes:
        status: The HTTP status.
    """

    def __init__(self, message: str, *, status: int | None = None, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.status = status


class DecodeError(PerpkitError):
    """
    An answer came that can't be read.

    Attributes:
        payload: An excerpt of what came, redacted.
    """

    def __init__(self, message: str, *, payload: str | None = None, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.payload = payload


class OutcomeUnknownError(PerpkitError):
    """
    An order command was sent and nothing proves what became of it. ``Venue.resolve_order`` finds out; sending
    it again under a new id may trade twice.
    """


class StreamError(PerpkitError):
    """A stream can't be had."""


class StreamAuthError(StreamError):
    """The venue refused the stream's credentials; trying again with the same ones is no use."""


class HandshakeRefusedError(StreamError):
    """
    The host answered the WebSocket handshake with an HTTP status and no connection.

    Attributes:
        status: The HTTP status.
        retry_after: How long the host asks to wait, where it says so.
    """

    def __init__(
        self, message: str, *, status: int | None = None, retry_after: timedelta | None = None, **kwargs: Any
    ) -> None:
        super().__init__(message, **kwargs)
        self.status = status
        self.retry_after = retry_after


class StreamGapError(StreamError):
    """Updates were missed and a resync failed."""
