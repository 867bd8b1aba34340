"""
The venue's refusals: its error table, and one exception that becomes the REST envelope.

The venue documents numbers and names, not which HTTP status comes with which; the statuses here are ours: 404 where
something does not exist, 503 in maintenance, 400 for the rest. What has no number there carries its HTTP status as one.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any


class Code(IntEnum):
    """Error codes of the venue's documentation that can arise here."""

    ASSET_NOT_FOUND = 1000
    MARKET_NOT_FOUND = 1001
    MARKET_DISABLED = 1002
    ACCOUNT_NOT_FOUND = 1004
    NOT_SUPPORTED_INTERVAL = 1005
    UNHANDLED_ERROR = 1006
    ACTION_NOT_ALLOWED = 1009
    MAINTENANCE_MODE = 1010
    POST_ONLY_MODE = 1011
    REDUCE_ONLY_MODE = 1012
    MARKET_REDUCE_ONLY = 1014
    LEVERAGE_BELOW_MIN = 1049
    LEVERAGE_ABOVE_MAX = 1050
    LEVERAGE_POSITION_TOO_BIG = 10501
    LEVERAGE_NOT_ENOUGH_MARGIN = 1052
    LEVERAGE_PRECISION = 1053
    INVALID_PUBLIC_KEY = 1100
    INVALID_SIGNATURE = 1101
    INVALID_VAULT = 1102
    QTY_BELOW_MIN = 1120
    QTY_WRONG_INCREMENT = 1121
    VALUE_ABOVE_MAX = 1122
    QTY_PRECISION = 1123
    PRICE_WRONG_MOVEMENT = 1124
    PRICE_PRECISION = 1125
    MAX_OPEN_ORDERS = 1126
    MAX_POSITION_VALUE = 1127
    INVALID_FEE = 1128
    INVALID_POSITION_TPSL_QTY = 1129
    MISSING_PRICE = 1130
    MISSING_TPSL_TRIGGER = 1131
    NOT_ALLOWED_ORDER_TYPE = 1132
    INVALID_ORDER_PARAMETERS = 1133
    DUPLICATE_ORDER = 1134
    INVALID_EXPIRATION = 1135
    REDUCE_ONLY_TOO_LARGE = 1136
    REDUCE_ONLY_NO_POSITION = 1137
    REDUCE_ONLY_SAME_SIDE = 1138
    MARKET_MUST_BE_IOC = 1139
    ORDER_COST = 1140
    INVALID_PRICE = 1141
    ORDER_NOT_FOUND = 1142
    MISSING_CONDITIONAL_TRIGGER = 1143
    POST_ONLY_CONDITIONAL_MARKET = 1144
    ONLY_REDUCE_ONLY = 1145
    OPEN_LOSS = 1147


_STATUSES = {
    Code.ASSET_NOT_FOUND: 404,
    Code.MARKET_NOT_FOUND: 404,
    Code.ACCOUNT_NOT_FOUND: 404,
    Code.ORDER_NOT_FOUND: 404,
    Code.MAINTENANCE_MODE: 503,
    Code.UNHANDLED_ERROR: 500,
}


class ApiError(Exception):
    """
    A refusal: ``{"status": "ERROR", "error": {"code", "message", "debugInfo"}}``.

    Args:
        code: One of the venue's, or an HTTP status where it has none.
        message: What is wrong.
        debug: Which value, and what would be right; free text that no client may parse.
        status: The HTTP status, where it is not the usual one.
    """

    def __init__(self, code: Code | int, message: str, *, debug: str | None = None, status: int | None = None) -> None:
        super().__init__(f"{int(code)}: {message}")
        self.code = int(code)
        self.message = message
        self.debug = debug
        known = _STATUSES.get(code, 400) if isinstance(code, Code) else int(code)
        self.status = known if status is None else status

    def body(self) -> dict[str, Any]:
        """Return the envelope."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if self.debug is not None:
            error["debugInfo"] = self.debug
        return {"status": "ERROR", "error": error}


def bad_request(message: str) -> ApiError:
    """Return the refusal of a request that is malformed in a way the venue has no number for."""
    return ApiError(400, message)
