"""A venue's words for no, brought to the core's errors: what a table of codes holds, and what is raised for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from perpkit.core.errors import (
    BadGatewayError,
    OrderRejectedError,
    PerpkitError,
    RateLimitError,
    RejectReason,
    VenueError,
)
from perpkit.core.models import OrderStatus


@dataclass(frozen=True, slots=True)
class Meaning:
    """
    What a code means.

    Attributes:
        error: What is raised for it.
        reason: Set where the code is a refusal when it answers an order command; it is then raised as
            ``OrderRejectedError`` with this reason.
        advice: What to do, where the venue's message may not say.
    """

    error: type[PerpkitError]
    reason: RejectReason | None = None
    advice: str | None = None


@dataclass(frozen=True, slots=True)
class Ending:
    """How an order ended that the venue closed, in common terms."""

    status: OrderStatus
    reason: RejectReason | None


def refusal(
    meaning: Meaning,
    message: str,
    *,
    code: str | int,
    status: int | None,
    venue: str,
    operation: str,
    client_order_id: str | None = None,
    is_order_command: bool = False,
    retry_after: timedelta | None = None,
) -> PerpkitError:
    """
    Return the error for a code.

    Args:
        message: The venue's own words, redacted.
        status: The HTTP status, where there is one.
        is_order_command: It answers a placement or an amendment, so that a refusal is a rejection of the order.
        retry_after: From the ``Retry-After`` header.
    """
    text = f"{code}: {message}" if message and not message.startswith(str(code)) else message or str(code)
    if meaning.advice:
        text = f"{text} ({meaning.advice})"
    where: dict[str, Any] = {"venue": venue, "operation": operation, "client_order_id": client_order_id}
    facts = {"code": code, "status": status, **where}
    if (is_order_command and meaning.reason is not None) or issubclass(meaning.error, OrderRejectedError):
        return OrderRejectedError(text, reason=meaning.reason or RejectReason.OTHER, **facts)
    if issubclass(meaning.error, RateLimitError):
        return RateLimitError(text, retry_after=retry_after, **facts)
    if issubclass(meaning.error, VenueError):
        return meaning.error(text, **facts)
    if issubclass(meaning.error, BadGatewayError):
        return BadGatewayError(text, status=status, **where)
    return meaning.error(text, **where)
