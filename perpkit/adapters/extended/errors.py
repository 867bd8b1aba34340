"""
Extended's words for no, brought to the core's errors: one table for the codes of its answers, one for the reasons that
end an order.

Codes and reasons: the venue's documentation of January 2026, compared with ccxt 4.5.90's table and the SDK 2.6.0's
``x10/models/order.py``. Which HTTP status comes with which code is documented nowhere, so the code speaks.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from perpkit.adapters.extended.config import VENUE
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

KEY_REMEDY: Final = (
    "the venue refuses the API key and does not say why: see that it is of this environment and of this sub-account, "
    "that it was copied whole, and that it was not deleted; make a new one under API management. "
    "`perpkit check extended` tests it alone"
)
_STARK_REMEDY: Final = (
    "Stark key, vault and API key must be of one sub-account and of this environment: `perpkit check extended` says "
    "which is not"
)

_BAD = Meaning(InvalidRequestError)
_ORDER_FORM = Meaning(OrderRejectedError, RejectReason.INVALID_ORDER)
_SIZE = Meaning(OrderRejectedError, RejectReason.INVALID_ORDER)
_REDUCE = Meaning(OrderRejectedError, RejectReason.REDUCE_ONLY)
_MARGIN = Meaning(OrderRejectedError, RejectReason.MARGIN)
_CLOSED = Meaning(OrderRejectedError, RejectReason.MARKET_CLOSED)
_SIGNATURE = Meaning(OrderRejectedError, RejectReason.INVALID_SIGNATURE, _STARK_REMEDY)
_NOT_OURS = Meaning(InvalidRequestError)
"""Of endpoints that perpkit does not use: withdrawals, vaults, referral codes."""

FEE_TOO_LOW: Final = 1128
MAINTENANCE: Final = 1010
EDIT_NOT_FOUND: Final = 1142

CODES: Final[Mapping[int, Meaning]] = {
    1000: _BAD,
    1001: Meaning(UnknownMarketError),
    1002: _CLOSED,
    1003: _BAD,
    1004: Meaning(AuthError, advice=KEY_REMEDY),
    1005: _BAD,
    # An error of the venue's own application: whether the request took effect before is not known.
    1006: Meaning(BadGatewayError),
    1008: Meaning(AuthError, advice=KEY_REMEDY),
    1009: Meaning(InvalidRequestError, RejectReason.OTHER),
    MAINTENANCE: Meaning(VenueUnavailableError, advice="the venue is in maintenance"),
    1011: Meaning(VenueUnavailableError, advice="the venue takes only post-only orders now"),
    1012: Meaning(VenueUnavailableError, advice="the venue takes only reduce-only orders now"),
    1013: _BAD,
    1014: Meaning(OrderRejectedError, RejectReason.MARKET_CLOSED, "this market takes only reduce-only orders now"),
    1049: _BAD,
    1050: _BAD,
    10501: Meaning(InvalidRequestError, advice="the position is too large for this leverage"),
    1052: Meaning(InvalidRequestError, advice="there is not enough margin for this leverage"),
    1053: _BAD,
    1100: _SIGNATURE,
    1101: _SIGNATURE,
    1102: _SIGNATURE,
    1120: _SIZE,
    1121: _SIZE,
    1122: _SIZE,
    1123: _SIZE,
    1124: _ORDER_FORM,
    1125: _ORDER_FORM,
    1126: Meaning(OrderRejectedError, RejectReason.ORDER_LIMIT),
    1127: Meaning(OrderRejectedError, RejectReason.POSITION_LIMIT),
    FEE_TOO_LOW: Meaning(
        OrderRejectedError,
        RejectReason.INVALID_ORDER,
        "the account's fee has risen since it was read; it is read again for the next order",
    ),
    1129: _SIZE,
    1130: _ORDER_FORM,
    1131: _ORDER_FORM,
    1132: _ORDER_FORM,
    1133: _ORDER_FORM,
    1134: Meaning(OrderRejectedError, RejectReason.DUPLICATE_CLIENT_ID),
    1135: Meaning(
        OrderRejectedError, RejectReason.EXPIRED, "the expiry is past or too far away, or this machine's clock is off"
    ),
    1136: _REDUCE,
    1137: _REDUCE,
    1138: _REDUCE,
    1139: _ORDER_FORM,
    1140: _MARGIN,
    1141: Meaning(OrderRejectedError, RejectReason.PRICE_BAND),
    EDIT_NOT_FOUND: Meaning(OrderNotFoundError, advice="it was filled, canceled or replaced before; fetch it"),
    1143: _ORDER_FORM,
    1144: _ORDER_FORM,
    1145: _REDUCE,
    1146: _ORDER_FORM,
    1147: _MARGIN,
    1148: _MARGIN,
    1500: Meaning(AuthError, advice=KEY_REMEDY),
    **dict.fromkeys((1600, 1601, 1602, 1604, 1605, 1607, 1608, 1650, 1700, 1701, 1703, 1704), _NOT_OURS),
}

_WORDS: Final[Mapping[str, int]] = {"MARKETNOTFOUND": 1001, "MAINTENANCEMODE": MAINTENANCE}
"""Some documented samples have a word where live answers have a number."""

_TOO_MANY = 429
_UNAUTHORIZED = 401
_FORBIDDEN = 403
_NOT_FOUND = 404
_SERVER_ERROR = 500


def venue_error(
    code: int | str,
    message: str,
    *,
    status: int | None,
    operation: str,
    not_found: type[PerpkitError] = UnmappedVenueError,
    is_order_command: bool = False,
    client_order_id: str | None = None,
    retry_after: timedelta | None = None,
) -> PerpkitError:
    """
    Return the error for an answer that says no.

    Args:
        code: As sent; empty where the body held none.
        not_found: What a 404 means at this endpoint, where it means something of its own.
        is_order_command: It answers a placement or an amendment, so that a refusal is a rejection of the order.
    """
    number = _number_of(code)
    shown: int | str = number if number is not None else code or f"HTTP_{status}"
    return refusal(
        _meaning(number, status, not_found),
        message,
        code=shown,
        status=status,
        venue=VENUE,
        operation=operation,
        client_order_id=client_order_id,
        is_order_command=is_order_command,
        retry_after=retry_after,
    )


def _meaning(number: int | None, status: int | None, not_found: type[PerpkitError]) -> Meaning:
    # The status goes first where it decides whatever the body says: a 401 has been seen with none.
    if status == _TOO_MANY:
        return Meaning(RateLimitError)
    if status == _UNAUTHORIZED:
        return Meaning(AuthError, advice=KEY_REMEDY)
    if status == _NOT_FOUND and not_found is not UnmappedVenueError:
        # What is not there is what was asked for, by whichever code it is said.
        return Meaning(not_found)
    if number is not None and (known := CODES.get(number)) is not None:
        return known
    if status == _FORBIDDEN:
        return Meaning(AuthError, advice=KEY_REMEDY)
    if status is not None and status >= _SERVER_ERROR and number is None:
        return Meaning(BadGatewayError)
    return Meaning(UnmappedVenueError)


def _number_of(code: int | str) -> int | None:
    if isinstance(code, int):
        return code
    text = code.strip()
    if text.isascii() and text.isdigit():
        return int(text[:9])
    return _WORDS.get(text.replace("_", "").upper())


_CANCELED = OrderStatus.CANCELED
_REJECTED = OrderStatus.REJECTED
_NO_REASON = frozenset({"", "NONE", "UNKNOWN"})

ENDINGS: Final[Mapping[str, Ending]] = {
    "UNKNOWN_MARKET": Ending(_REJECTED, RejectReason.INVALID_ORDER),
    "DISABLED_MARKET": Ending(_REJECTED, RejectReason.MARKET_CLOSED),
    "NOT_ENOUGH_FUNDS": Ending(_REJECTED, RejectReason.MARGIN),
    "NO_LIQUIDITY": Ending(_CANCELED, RejectReason.NO_LIQUIDITY),
    "INVALID_FEE": Ending(_REJECTED, RejectReason.INVALID_ORDER),
    "INVALID_QTY": Ending(_REJECTED, RejectReason.INVALID_ORDER),
    "INVALID_PRICE": Ending(_REJECTED, RejectReason.PRICE_BAND),
    "INVALID_VALUE": Ending(_REJECTED, RejectReason.INVALID_ORDER),
    "UNKNOWN_ACCOUNT": Ending(_REJECTED, RejectReason.OTHER),
    "SELF_TRADE_PROTECTION": Ending(_CANCELED, RejectReason.SELF_TRADE),
    "POST_ONLY_FAILED": Ending(_REJECTED, RejectReason.POST_ONLY_WOULD_CROSS),
    "REDUCE_ONLY_FAILED": Ending(_REJECTED, RejectReason.REDUCE_ONLY),
    "INVALID_EXPIRE_TIME": Ending(_REJECTED, RejectReason.EXPIRED),
    "POSITION_TPSL_CONFLICT": Ending(_REJECTED, RejectReason.INVALID_ORDER),
    "INVALID_LEVERAGE": Ending(_REJECTED, RejectReason.MARGIN),
    "PREV_ORDER_NOT_FOUND": Ending(_REJECTED, RejectReason.OTHER),
    "PREV_ORDER_TRIGGERED": Ending(_REJECTED, RejectReason.OTHER),
    "TPSL_OTHER_SIDE_FILLED": Ending(_CANCELED, None),
    "PREV_ORDER_CONFLICT": Ending(_REJECTED, RejectReason.OTHER),
    "ORDER_REPLACED": Ending(_CANCELED, None),
    "POST_ONLY_MODE": Ending(_REJECTED, RejectReason.MARKET_CLOSED),
    "REDUCE_ONLY_MODE": Ending(_REJECTED, RejectReason.MARKET_CLOSED),
    "TRADING_OFF_MODE": Ending(_REJECTED, RejectReason.MARKET_CLOSED),
    "NEGATIVE_EQUITY": Ending(_CANCELED, RejectReason.MARGIN),
    "ACCOUNT_LIQUIDATION": Ending(_CANCELED, RejectReason.MARGIN),
}
"""
How an order ended that filled nothing. Whether a refused post-only order is CANCELLED or REJECTED is not documented, so
the reason decides and not the status alone.
"""

_unknown = UnknownWords(VENUE, log)


def ending(status: str, reason: str | None) -> Ending:
    """
    Return how an order ended that is CANCELLED, REJECTED or EXPIRED, with nothing filled.

    A reason that is not in the table keeps the status's own word, and is logged once.
    """
    word = (reason or "").strip().upper()
    plain = {
        "CANCELLED": Ending(_CANCELED, None),
        "REJECTED": Ending(_REJECTED, RejectReason.OTHER),
        "EXPIRED": Ending(OrderStatus.EXPIRED, RejectReason.EXPIRED),
    }[status]
    if word in _NO_REASON or status == "EXPIRED":
        return plain
    known = ENDINGS.get(word)
    if known is None:
        _unknown.report("reason to end an order", word)
        return Ending(plain.status, RejectReason.OTHER)
    if status == "REJECTED" and known.reason is not None:
        return Ending(_REJECTED, known.reason)
    return known
