"""
Lighter's words for no: error codes, and how an order ended that the venue closed.

Codes: the venue's error table (apidocs, July 2026); those beyond it carry their source. They come as ``{"code": …,
"message": …}`` with HTTP 400, and in ``error`` frames of the WebSocket. The texts of a transaction that the sequencer
refused (``event_info.ae``) are the same words without their numbers.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Final

from perpkit.adapters.lighter.config import VENUE
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
from perpkit.core.models import OrderStatus
from perpkit.core.refusals import Ending, Meaning, refusal
from perpkit.core.unknown_words import UnknownWords

log = logging.getLogger(__name__)

BAD_PARAMETER: Final = 20001
BAD_TOKEN: Final = 20013
INVALID_NONCE: Final = 21104
TX_NOT_FOUND: Final = 21500
QUEUED_CANCEL_ALL: Final = 21712
ALREADY_SUBSCRIBED: Final = 30003
NOT_SUBSCRIBED: Final = 30002

_KEY: Final = "check the account, the key, its index and the environment: `perpkit check lighter` tests the key alone"
_NONCE: Final = "another process may use this key: give each process an API key of its own"

_FORM = Meaning(InvalidRequestError, RejectReason.INVALID_ORDER)
_BAD = Meaning(InvalidRequestError)
_AUTH = Meaning(AuthError, advice=_KEY)
_MARGIN = Meaning(OrderRejectedError, RejectReason.MARGIN)
_ORDER = Meaning(OrderRejectedError, RejectReason.INVALID_ORDER)
_LIMIT = Meaning(OrderRejectedError, RejectReason.ORDER_LIMIT)
_BAND = Meaning(OrderRejectedError, RejectReason.PRICE_BAND)
_REDUCE = Meaning(OrderRejectedError, RejectReason.REDUCE_ONLY)
_GONE = Meaning(OrderNotFoundError, advice="it was filled, canceled or never there; fetch it")

CODES: Final[Mapping[int, Meaning]] = {
    # 200xx: the venue does not itemise them; these two were seen.
    BAD_PARAMETER: _FORM,
    BAD_TOKEN: _AUTH,
    # Account
    21100: _AUTH,
    21101: _AUTH,
    21102: _AUTH,
    21103: _AUTH,
    INVALID_NONCE: Meaning(InvalidRequestError, RejectReason.OTHER, _NONCE),
    21105: Meaning(InvalidRequestError, RejectReason.OTHER, _NONCE),
    21106: _BAD,
    21107: _AUTH,
    21108: Meaning(AuthError, RejectReason.INVALID_SIGNATURE, "this slot holds another key by now; " + _KEY),
    21109: _AUTH,
    21110: _AUTH,
    21111: _MARGIN,
    21112: _MARGIN,
    21113: _BAD,
    21120: Meaning(AuthError, RejectReason.INVALID_SIGNATURE, _KEY),
    21121: _BAD,
    21122: Meaning(OrderRejectedError, RejectReason.OTHER, "a scheduled cancel-all is due; set the switch anew"),
    21126: _BAD,
    21132: Meaning(InvalidRequestError, advice="close the position and cancel the orders of this market first"),
    21133: _MARGIN,
    21134: _BAD,
    21136: Meaning(AuthError, advice="the venue wants a newer lighter-sdk"),
    21146: _BAD,  # ccxt 4.5.90
    21149: _BAD,  # nautilus_trader, July 2026
    # Collateral
    21300: _BAD,
    21301: _MARGIN,
    21302: _BAD,
    21303: _BAD,
    21304: _MARGIN,
    21305: _MARGIN,
    # Transactions
    TX_NOT_FOUND: Meaning(OrderNotFoundError),
    21501: Meaning(
        InvalidRequestError,
        RejectReason.INVALID_ORDER,
        advice="transactions are dated by this machine's clock: one that is ten minutes behind is refused like this",
    ),
    21505: _BAD,
    21506: Meaning(RateLimitError),
    21507: _MARGIN,
    21508: _MARGIN,
    21511: _BAD,
    21513: _BAD,
    21514: _BAD,
    # Books
    21600: _GONE,
    21601: Meaning(OrderRejectedError, RejectReason.ORDER_LIMIT),
    21602: Meaning(UnknownMarketError),
    21603: _ORDER,
    21605: Meaning(OrderRejectedError, RejectReason.MARKET_CLOSED),
    21613: _BAD,
    21614: Meaning(InvalidRequestError, RejectReason.REDUCE_ONLY),
    21615: _BAD,
    21618: _ORDER,
    # Orders
    21700: _GONE,
    21701: _ORDER,
    21702: _ORDER,
    21703: _ORDER,
    21704: _ORDER,
    21705: _ORDER,
    21706: _ORDER,
    21707: _GONE,
    21708: _GONE,
    21709: _GONE,
    21710: _ORDER,
    21711: Meaning(OrderRejectedError, RejectReason.INVALID_ORDER, "an expiry lies 5 minutes to 30 days ahead"),
    QUEUED_CANCEL_ALL: Meaning(InvalidRequestError, RejectReason.OTHER, "one scheduled cancel-all at a time"),
    21713: _BAD,
    21714: Meaning(InvalidRequestError, advice="a cancel-all is scheduled 5 minutes to 15 days ahead"),
    21715: _GONE,
    21717: _LIMIT,
    21718: _LIMIT,
    21719: _LIMIT,
    21720: _LIMIT,
    21721: _LIMIT,
    21722: _LIMIT,
    21727: _ORDER,
    21728: Meaning(OrderRejectedError, RejectReason.DUPLICATE_CLIENT_ID),
    21729: _ORDER,
    21732: _REDUCE,
    21733: _BAND,
    21734: _BAND,
    21735: _BAND,
    21738: _REDUCE,
    21739: _MARGIN,
    21740: _REDUCE,
    21741: _ORDER,
    21742: _ORDER,
    21743: _ORDER,
    # Candles
    22400: _BAD,
    22401: _BAD,
    22402: _BAD,
    22403: _BAD,
    # Rates
    23000: Meaning(RateLimitError),
    23001: Meaning(RateLimitError),
    23002: Meaning(RateLimitError),
    23003: Meaning(RateLimitError),
    # General
    29404: _BAD,
    29500: Meaning(BadGatewayError),
    29501: Meaning(BadGatewayError),
    # WebSocket
    30000: _BAD,
    30001: _BAD,
    NOT_SUBSCRIBED: _BAD,
    ALREADY_SUBSCRIBED: _BAD,
    30004: Meaning(VenueUnavailableError),
    30005: _BAD,
    30006: _BAD,
    30007: _BAD,
    30008: _AUTH,
    30009: Meaning(RateLimitError),
    30010: Meaning(RateLimitError),
    # Read-only tokens, tiers: of calls that perpkit does not make
    61001: _BAD,
    61002: _BAD,
    61003: _BAD,
    61004: _BAD,
    61005: _AUTH,
    62001: _BAD,
    62002: _BAD,
    62003: _BAD,
    62004: _BAD,
    62005: _BAD,
    62006: _BAD,
    62007: Meaning(
        OrderRejectedError, RejectReason.OTHER, "this API key may send maker orders only"
    ),  # nautilus_trader
}

_TOO_MANY: Final = 429
_UNAUTHORIZED: Final = (401, 403)
_SERVER_ERROR: Final = 500
_AUTH_WORDS: Final = ("auth", "token")


def venue_error(
    code: int,
    message: str,
    *,
    status: int | None,
    operation: str,
    is_order_command: bool = False,
    client_order_id: str | None = None,
    retry_after: timedelta | None = None,
) -> PerpkitError:
    """
    Return the error for an answer in the venue's own envelope.

    Args:
        is_order_command: It answers a placement or an amendment, so that a refusal is a rejection of the order.
        retry_after: From the ``Retry-After`` header.
    """
    # Under 429 the code says little: it is the limit that refused, whatever else the code stands for elsewhere.
    meaning = Meaning(RateLimitError) if status == _TOO_MANY else CODES.get(code)
    if meaning is None:
        meaning = _unlisted(status, message)
    return refusal(
        meaning,
        message,
        code=code,
        status=status,
        venue=VENUE,
        operation=operation,
        client_order_id=client_order_id,
        is_order_command=is_order_command,
        retry_after=retry_after,
    )


def _unlisted(status: int | None, message: str) -> Meaning:
    if status in _UNAUTHORIZED:
        return _AUTH
    if status is not None and status >= _SERVER_ERROR:
        return Meaning(BadGatewayError)
    # 'auth field is required' and its like have no code of their own on the WebSocket.
    if any(message.lower().startswith(f"{prefix}{word}") for word in _AUTH_WORDS for prefix in ("", "invalid ")):
        return _AUTH
    return Meaning(UnmappedVenueError)


# How orders end

_CANCELED, _REJECTED = OrderStatus.CANCELED, OrderStatus.REJECTED

ENDINGS: Final[Mapping[str, Ending]] = {
    "canceled": Ending(_CANCELED, None),
    "canceled-oco": Ending(_CANCELED, None),
    "canceled-child": Ending(_CANCELED, None),
    "canceled-self-trade": Ending(_CANCELED, RejectReason.SELF_TRADE),
    "canceled-liquidation": Ending(_CANCELED, RejectReason.MARGIN),
    "canceled-not-enough-liquidity": Ending(_CANCELED, RejectReason.NO_LIQUIDITY),
    "canceled-expired": Ending(OrderStatus.EXPIRED, RejectReason.EXPIRED),
    "canceled-post-only": Ending(_REJECTED, RejectReason.POST_ONLY_WOULD_CROSS),
    "canceled-reduce-only": Ending(_REJECTED, RejectReason.REDUCE_ONLY),
    "canceled-position-not-allowed": Ending(_REJECTED, RejectReason.POSITION_LIMIT),
    "canceled-margin-not-allowed": Ending(_REJECTED, RejectReason.MARGIN),
    "canceled-too-much-slippage": Ending(_REJECTED, RejectReason.PRICE_BAND),
    "canceled-invalid-balance": Ending(_REJECTED, RejectReason.MARGIN),
}
"""
Each final state of an order that was not filled, in common terms. Those that the venue drops for a reason of its own
count as rejected where nothing was filled; what was filled was accepted, so the rest of it can only have been canceled.
"""


_unknown = UnknownWords(VENUE, log)


def ending(status: str, filled: Decimal) -> Ending | None:
    """Return how an order ended by the venue's word for its state; None where the word is no end that is known."""
    found = ENDINGS.get(status)
    if found is None and status.startswith("canceled"):
        _unknown.report("state of a canceled order", status)
        found = Ending(_CANCELED, RejectReason.OTHER)
    if found is not None and found.status is _REJECTED and filled:
        return Ending(_CANCELED, found.reason)
    return found


_BY_WORDS: Final[tuple[tuple[tuple[str, ...], RejectReason], ...]] = (
    # First match counts, so the narrower words stand above the wider ones.
    (("reduce only",), RejectReason.REDUCE_ONLY),
    (("post only",), RejectReason.POST_ONLY_WOULD_CROSS),
    (("client order index already",), RejectReason.DUPLICATE_CLIENT_ID),
    (("margin", "collateral", "balance", "liquidation", "risk change"), RejectReason.MARGIN),
    (("accidental price", "too far from", "slippage"), RejectReason.PRICE_BAND),
    (("order count", "order book is full"), RejectReason.ORDER_LIMIT),
    (("market status",), RejectReason.MARKET_CLOSED),
    (("expir",), RejectReason.EXPIRED),
    (("signature",), RejectReason.INVALID_SIGNATURE),
    (("invalid", "unsupported"), RejectReason.INVALID_ORDER),
)


def reason_of(application_error: str) -> RejectReason:
    """Return why the sequencer refused an order, in common terms, from its text."""
    text = application_error.lower().replace("-", " ").replace("_", " ")
    for words, reason in _BY_WORDS:
        if any(word in text for word in words):
            return reason
    return RejectReason.OTHER
