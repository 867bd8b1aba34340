"""Toy's words for no, brought to the core's errors: one table, held to the contract's list by the suite."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from perpkit.core.errors import (
    AuthError,
    BadGatewayError,
    InvalidRequestError,
    OrderNotFoundError,
    OrderRejectedError,
    PerpkitError,
    RateLimitError,
    RejectReason,
    UnknownMarketError,
    UnmappedVenueError,
    VenueUnavailableError,
)

from perpkit_toy.config import VENUE

STALE: Final = "stale_request"

REFUSALS: Final[Mapping[str, type[PerpkitError]]] = {
    "bad_request": InvalidRequestError,
    "not_found": InvalidRequestError,
    "unknown_key": AuthError,
    "bad_signature": AuthError,
    STALE: AuthError,
    "unknown_market": UnknownMarketError,
    "unknown_order": OrderNotFoundError,
    "too_many_requests": RateLimitError,
    "maintenance": VenueUnavailableError,
    "cancel_only": VenueUnavailableError,
    "post_only": VenueUnavailableError,
    "internal": BadGatewayError,
}

REJECTIONS: Final[Mapping[str, RejectReason]] = {
    "bad_order": RejectReason.INVALID_ORDER,
    "duplicate_client_id": RejectReason.DUPLICATE_CLIENT_ID,
    "market_closed": RejectReason.MARKET_CLOSED,
}
"""Codes that refuse an order."""

_TOO_MANY = 429
_SERVER = 500


def venue_error(code: str, message: str, *, status: int | None, retry_after: timedelta | None = None) -> PerpkitError:
    """Return the error for a refusal in the venue's own envelope."""
    text = f"{code}: {message}" if message else code
    if status == _TOO_MANY:
        return RateLimitError(text, code=code, status=status, retry_after=retry_after, venue=VENUE)
    if (reason := REJECTIONS.get(code)) is not None:
        return OrderRejectedError(text, reason=reason, code=code, status=status, venue=VENUE)
    kind = REFUSALS.get(code)
    if kind is AuthError:
        text += "; check key, secret and environment with `perpkit check toy`"
    if kind in {BadGatewayError, None} and status is not None and status >= _SERVER:
        return BadGatewayError(text, status=status, venue=VENUE)
    if kind is UnknownMarketError:
        return UnknownMarketError(text, venue=VENUE)
    for known in (AuthError, InvalidRequestError, OrderNotFoundError, RateLimitError, VenueUnavailableError):
        if kind is known:
            return known(text, code=code, status=status, venue=VENUE)
    if kind is BadGatewayError:
        return BadGatewayError(text, status=status, venue=VENUE)
    return UnmappedVenueError(text, code=code, status=status, venue=VENUE)


def foreign_error(status: int, retry_after: timedelta | None) -> PerpkitError:
    """Return the error for a status whose body is not the venue's."""
    text = f"HTTP {status}, and the body is not the venue's"
    if status == _TOO_MANY:
        return RateLimitError(text, status=status, retry_after=retry_after, venue=VENUE)
    return BadGatewayError(text, status=status, venue=VENUE)
