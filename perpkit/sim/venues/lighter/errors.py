"""
The refusals of the venue: one exception, whose code and text the wire carries.

Source:
    The venue's table of error codes as of July 2026; texts are its own.
"""

from __future__ import annotations

from typing import Any

TEXTS: dict[int, str] = {
    20001: "invalid param",
    20013: "invalid auth",
    21100: "account not found",
    21101: "account nonce not found",
    21102: "invalid account index",
    21103: "invalid account l1 address",
    21104: "invalid nonce",
    21105: "batch transaction nonce is not increasing",
    21106: "invalid ToAccount",
    21107: "invalid account",
    21108: "invalid PublicKey,please run changePubKey",
    21109: "api key not found",
    21110: "invalid api key index",
    21111: "account is in pre-liquidation and the transaction doesn't increase the account health",
    21112: "account is in liquidation",
    21113: "invalid initial margin fraction",
    21120: "invalid signature",
    21121: "all transactions in the batch must have use same account and apikey",
    21122: "dead man's switch should be triggered",
    21126: "Account with zero collateral can't change PublicKey",
    21132: "margin mode change on a market with position or open order is not allowed",
    21133: "invalid risk change",
    21134: "invalid fee",
    21136: "invalid PublicKey, update the sdk to the latest version",
    21149: "integrator is not approved",
    21300: "invalid asset amount",
    21301: "not enough collateral",
    21302: "invalid receiver asset amount",
    21303: "invalid fee account asset amount",
    21304: "not enough asset balance",
    21305: "not enough asset balance for fee",
    21500: "transaction not found",
    21501: "invalid tx info",
    21505: "unsupported tx type",
    21506: "too many pending txs. Please try again later",
    21507: "account is below maintenance margin, can't execute transaction",
    21508: "account is below initial margin, can't execute transaction",
    21511: "invalid tx type for account",
    21513: "TxInfos and TxTypes should have the same length",
    21514: "maximum 50 transactions allowed per batch",
    21600: "given order is not an active limit order",
    21601: "order book is full",
    21602: "invalid market index",
    21603: "invalid min amounts for market",
    21605: "invalid market status",
    21613: "invalid margin mode",
    21614: "no position found",
    21615: "invalid update margin direction",
    21618: "invalid order type for market",
    21700: "invalid order index",
    21701: "invalid base amount",
    21702: "invalid price",
    21703: "invalid isAsk",
    21704: "invalid OrderType",
    21705: "invalid OrderTimeInForce",
    21706: "invalid order base or quote amount",
    21707: "account is not owner of the order",
    21708: "order is empty",
    21709: "order is inactive",
    21710: "unsupported order type",
    21711: "invalid expiry",
    21712: "account has a queued cancel all orders request",
    21713: "invalid cancel all time in force",
    21714: "invalid cancel all time",
    21715: "given order is not an active order",
    21717: "maximum active limit order count reached",
    21718: "maximum active limit order count per market reached",
    21719: "maximum pending order count reached",
    21720: "maximum pending order count per market reached",
    21721: "maximum twap order count reached",
    21722: "maximum conditional order count reached",
    21727: "invalid client order index",
    21728: "client order index already exists",
    21729: "invalid order trigger price",
    21732: "reduce only increases position",
    21733: "order price flagged as an accidental price",
    21734: "limit order price is too far from the mark price",
    21735: "SL/TP order price is too far from the trigger price",
    21738: "invalid reduce only direction",
    21739: "not enough margin to create the order",
    21740: "invalid reduce only mode",
    21741: "invalid grouping type",
    21742: "invalid order group size",
    21743: "invalid order info",
    22400: "invalid timestamps: end_timestamp must be greater than start_timestamp",
    22401: "invalid timestamp: timestamp must be greater than 0 and less than year 2286",
    22402: "invalid resolution: resolution unsupported",
    22403: "time range exceeds maximum allowed range for the specified resolution",
    23000: "Too Many Requests!",
    23001: "Too Many Subscriptions!",
    23002: "Too Many Different Accounts!",
    23003: "Too Many Connections!",
    29404: "not found",
    29500: "internal server error",
    29501: "process timeout",
    30000: "Invalid Json",
    30001: "Invalid Type",
    30002: "Not Subscribed to",
    30003: "Already Subscribed to",
    30004: "Failed to fetch",
    30005: "Invalid Channel",
    30006: "Operation isn't supported",
    30007: "Invalid Data",
    30008: "Invalid account type",
    30009: "Too Many Websocket Messages!",
    30010: "Too Many Inflight Messages!",
    62001: "tier change already in progress",
    62002: "invalid tier",
    62003: "account already part of requested tier",
    62004: "account has open positions",
    62005: "account has open orders",
    62006: "too frequent tier change request",
    62007: "maker only api key",
}


class ApiError(Exception):
    """
    A refusal: ``{"code": ..., "message": ...}``.

    Args:
        code: One of the venue's.
        message: What the wire says; the venue's text for the code if not given.
        status: The HTTP status.
    """

    def __init__(self, code: int, message: str | None = None, *, status: int = 400) -> None:
        self.code = code
        self.message = TEXTS[code] if message is None else message
        self.status = status
        super().__init__(f"{code}: {self.message}")

    def body(self) -> dict[str, Any]:
        """Return the envelope."""
        return {"code": self.code, "message": self.message}


def malformed(detail: str) -> ApiError:
    """Return the refusal of a transaction whose text is not what its type asks for."""
    return ApiError(21501, f"{TEXTS[21501]}: {detail}")
