"""
Paradex's words for no, brought to the core's errors: one table for REST codes, one for WebSocket codes, one for the
reasons that close an order.

Sources: REST codes are ``responses.ErrorCode`` of OpenAPI 1.132, all of them, held to it by a test. WebSocket codes are
OpenRPC 1.3. Reasons for closing have no list in any contract (``cancel_reason`` is plain text); each has its source
below, and what is in none of the tables is judged by the words it is made of.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from perpkit.adapters.paradex.config import VENUE
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


_BAD = Meaning(InvalidRequestError)
_NOT_OURS = Meaning(InvalidRequestError)
"""Of endpoints that perpkit does not use (vaults, block trades, RFQs, referrals, XP, onboarding)."""

_KEY = "check the key, the account address and the environment: `perpkit check paradex` tests the key alone"
_ORDER_FORM = Meaning(InvalidRequestError, RejectReason.INVALID_ORDER)

CODES: Final[Mapping[str, Meaning]] = {
    "VALIDATION_ERROR": _ORDER_FORM,
    "BINDING_ERROR": _ORDER_FORM,
    # The venue's own 5xx: whether the request took effect before is not known.
    "INTERNAL_ERROR": Meaning(BadGatewayError),
    "NOT_FOUND": Meaning(InvalidRequestError),
    "SERVICE_UNAVAILABLE": Meaning(VenueUnavailableError),
    "INVALID_REQUEST_PARAMETER": _ORDER_FORM,
    "ORDER_ID_NOT_FOUND": Meaning(OrderNotFoundError),
    "ORDER_IS_CLOSED": Meaning(OrderNotFoundError, advice="it was filled, canceled or rejected before; fetch it"),
    "ORDER_IS_NOT_OPEN": Meaning(OrderRejectedError, RejectReason.INVALID_ORDER, "the order is not open yet"),
    "INVALID_ORDER_SIZE": Meaning(OrderRejectedError, RejectReason.INVALID_ORDER),
    "CLIENT_ORDER_ID_NOT_FOUND": Meaning(OrderNotFoundError),
    "DUPLICATED_CLIENT_ID": Meaning(OrderRejectedError, RejectReason.DUPLICATE_CLIENT_ID),
    "INVALID_SYMBOL": Meaning(UnknownMarketError),
    "INVALID_TOKEN": Meaning(AuthError, advice=_KEY),
    "INVALID_ETHEREUM_ADDRESS": _NOT_OURS,
    "INVALID_ETHEREUM_SIGNATURE": _NOT_OURS,
    "INVALID_STARKNET_ADDRESS": Meaning(AuthError, advice=_KEY),
    "INVALID_STARKNET_SIGNATURE": Meaning(AuthError, RejectReason.INVALID_SIGNATURE, _KEY),
    "STARKNET_SIGNATURE_VERIFICATION_FAILED": Meaning(AuthError, RejectReason.INVALID_SIGNATURE, _KEY),
    "ETHEREUM_SIGNER_MISMATCH": _NOT_OURS,
    "ETHEREUM_HASH_MISMATCH": _NOT_OURS,
    "NOT_ONBOARDED": Meaning(AuthError, advice="the account is not onboarded here; open it once on the venue's page"),
    "INVALID_TIMESTAMP": Meaning(
        AuthError, RejectReason.EXPIRED, "check this machine's clock: `perpkit check paradex`"
    ),
    "INVALID_BLOCK_EXPIRATION": _NOT_OURS,
    "ACCOUNT_NOT_FOUND": Meaning(AuthError, advice=_KEY),
    "MEDIA_NOT_FOUND": _NOT_OURS,
    "INVALID_ORDER_SIGNATURE": Meaning(OrderRejectedError, RejectReason.INVALID_SIGNATURE, _KEY),
    "PUBLIC_KEY_INVALID": Meaning(AuthError, advice=_KEY),
    "UNAUTHORIZED_ETHEREUM_ADDRESS": Meaning(AuthError, advice=_KEY),
    "UNAUTHORIZED_ERROR": Meaning(AuthError, advice=_KEY),
    "ETHEREUM_ADDRESS_ALREADY_ONBOARDED": _NOT_OURS,
    "EVM_ADDRESS_ALREADY_ONBOARDED": _NOT_OURS,
    "MARKET_NOT_FOUND": Meaning(UnknownMarketError),
    "ALLOWLIST_ENTRY_NOT_FOUND": Meaning(AuthError, advice="the account is not on the venue's allowlist"),
    "USERNAME_IN_USE": _NOT_OURS,
    "GEO_IP_BLOCK": Meaning(VenueUnavailableError, advice="the venue does not serve this region"),
    "ETHEREUM_ADDRESS_BLOCKED": Meaning(AuthError, advice="the venue has blocked this account"),
    "PROGRAM_NOT_FOUND": _NOT_OURS,
    "PROGRAM_NOT_SUPPORTED": _NOT_OURS,
    "INVALID_DASHBOARD": _NOT_OURS,
    "MARKET_NOT_OPEN": Meaning(OrderRejectedError, RejectReason.MARKET_CLOSED),
    "MARKET_NOT_SETTLED": _BAD,
    "INVALID_REFERRAL_CODE": _NOT_OURS,
    # Of the account's state as well as of its rights, so not AuthError: retrying with other credentials may not help.
    "REQUEST_NOT_ALLOWED": Meaning(InvalidRequestError, RejectReason.OTHER),
    "PARENT_ADDRESS_ALREADY_ONBOARDED": _NOT_OURS,
    "INVALID_PARENT_ACCOUNT": _NOT_OURS,
    "INVALID_VAULT_OPERATOR_CHAIN": _NOT_OURS,
    "VAULT_OPERATOR_ALREADY_ONBOARDED": _NOT_OURS,
    "VAULT_NAME_IN_USE": _NOT_OURS,
    "VAULT_NOT_FOUND": _NOT_OURS,
    "VAULT_STRATEGY_NOT_FOUND": _NOT_OURS,
    "VAULT_LIMIT_REACHED": _NOT_OURS,
    "VAULT_DATA_PRIVATE": _NOT_OURS,
    "BATCH_SIZE_OUT_OF_RANGE": _ORDER_FORM,
    "ISOLATED_MARKET_ACCOUNT_MISMATCH": _ORDER_FORM,
    "NO_ACCESS_TO_MARKET": Meaning(OrderRejectedError, RejectReason.MARKET_CLOSED, "the account may not trade it"),
    "POINTS_SUMMARY_NOT_FOUND": _NOT_OURS,
    "ALGO_ID_NOT_FOUND": _NOT_OURS,
    "INVALID_DERIVATION_PATH": _NOT_OURS,
    "PROFILE_STATS_NOT_FOUND": _NOT_OURS,
    "INVALID_CHAIN": Meaning(AuthError, advice="the key was used on the wrong environment"),
    "INVALID_LAYERSWAP_SWAP": _NOT_OURS,
    "SOCIAL_USERNAME_IN_USE": _NOT_OURS,
    "INVALID_OAUTH_REQUEST": _NOT_OURS,
    "RPI_ACCOUNT_NOT_WHITELISTED": Meaning(
        OrderRejectedError, RejectReason.INVALID_ORDER, "option rpi is for accounts that the venue lets use it"
    ),
    "SYSTEM_STATUS_POST_ONLY": Meaning(VenueUnavailableError, advice="the venue takes only post-only orders now"),
    "SYSTEM_STATUS_CANCEL_ONLY": Meaning(VenueUnavailableError, advice="the venue takes only cancels now"),
    "INVALID_MARKETING_CODE": _NOT_OURS,
    "OFFER_NOT_FOUND": _NOT_OURS,
    "MARKET_MARGIN_RESTRICTED": Meaning(OrderRejectedError, RejectReason.MARGIN),
    "NOT_UNIQUE": _BAD,
    "ACCOUNT_ALREADY_REFERRED": _NOT_OURS,
    "ONBOARDING_PERIOD_EXPIRED": _NOT_OURS,
    "ONBOARDING_RATE_LIMITED": Meaning(RateLimitError),
    "SUBACCOUNTS_LIMIT_EXCEEDED": _NOT_OURS,
    "INSUFFICIENT_MIN_CHAIN_BALANCE": _NOT_OURS,
    "INSUFFICIENT_EVM_BALANCE": _NOT_OURS,
    "PORTFOLIO_MARGIN_ONBOARDING_DISABLED": _NOT_OURS,
    "PORTFOLIO_MARGIN_INVALID_ACCOUNT_KIND": _NOT_OURS,
    "EVM_VAULT_OPERATORS_DISABLED": _NOT_OURS,
    "INVALID_EVM_SIGNATURE": _NOT_OURS,
    "EVM_SIGNATURE_VERIFICATION_FAILED": _NOT_OURS,
    "INVALID_SUBKEY": Meaning(AuthError, advice="the subkey is not registered, or was revoked; " + _KEY),
    "SUBKEY_NOT_ACTIVATABLE": Meaning(AuthError, advice="register the subkey anew on the venue's page"),
    "TOKEN_LIMIT_REACHED": _NOT_OURS,
    "INVALID_TOKEN_SCOPE": Meaning(AuthError, advice="this token may not do this: a read-only token only reads"),
    "IP_NOT_ALLOWED": Meaning(AuthError, advice="the credential is bound to other addresses than this machine's"),
    "INSUFFICIENT_TRANSFERRABLE_XP": _NOT_OURS,
    "TRANSFER_LIMIT_REACHED": _NOT_OURS,
    "XP_TRANSFERS_DISABLED": _NOT_OURS,
    "BLOCK_TRADE_NOT_FOUND": _NOT_OURS,
    "BLOCK_TRADE_NOT_ENABLED": _NOT_OURS,
    "BLOCK_TRADE_EXPIRED": _NOT_OURS,
    "BLOCK_TRADE_ALREADY_CANCELLED": _NOT_OURS,
    "BLOCK_TRADE_INVALID_STATUS": _NOT_OURS,
    "BLOCK_TRADE_UNAUTHORIZED": _NOT_OURS,
    "BLOCK_TRADE_MISSING_TRADES": _NOT_OURS,
    "BLOCK_TRADE_MISSING_SIGNERS": _NOT_OURS,
    "BLOCK_TRADE_MISSING_SIGNATURE": _NOT_OURS,
    "BLOCK_TRADE_ACCOUNT_MISMATCH": _NOT_OURS,
    "BLOCK_TRADE_INVALID_SIGNATURE": _NOT_OURS,
    "BLOCK_TRADE_SIGNER_KEY_UNAUTHORIZED": _NOT_OURS,
    "BLOCK_TRADE_REPLAYED_SIGNATURE": _NOT_OURS,
    "OFFER_ALREADY_CANCELLED": _NOT_OURS,
    "OFFER_INVALID_STATUS": _NOT_OURS,
    "OFFER_UNAUTHORIZED": _NOT_OURS,
    "OFFER_PARENT_MISMATCH": _NOT_OURS,
    "OFFER_PARENT_NOT_ACCEPTING": _NOT_OURS,
    "PORTFOLIO_MARGIN_CONFIG_NOT_FOUND": _NOT_OURS,
}

RPC_CODES: Final[Mapping[int, Meaning]] = {
    -32700: _BAD,
    -32600: _BAD,
    -32601: _BAD,
    -32602: _ORDER_FORM,
    -32603: Meaning(BadGatewayError),
    40110: Meaning(AuthError),
    40111: Meaning(AuthError),
    40112: Meaning(VenueUnavailableError, advice="the venue does not serve this region"),
    40300: Meaning(AuthError),
    42901: Meaning(RateLimitError),
}

BAD_TIME: Final = "INVALID_TIMESTAMP"
"""The venue found a signature's time out of its window: our clock is off."""

_TOO_MANY = 429
_UNAUTHORIZED = (401, 403)


def venue_error(
    code: str,
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
    # Under 429 the word says little: it is the limit that refused, whatever else the word stands for elsewhere.
    meaning = Meaning(RateLimitError) if status == _TOO_MANY else CODES.get(code)
    if meaning is None:
        meaning = Meaning(AuthError, advice=_KEY) if status in _UNAUTHORIZED else Meaning(UnmappedVenueError)
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


def rpc_error(
    code: int,
    message: str,
    *,
    operation: str,
    is_order_command: bool = False,
    client_order_id: str | None = None,
    data: Any = None,
) -> PerpkitError:
    """
    Return the error for a JSON-RPC error. A REST code says more than a JSON-RPC one, so it goes first; the contract
    names no place for it, so it is looked for in ``data`` and at the start of the message.
    """
    word = next((word for word in _rest_words(data, message) if word in CODES), None)
    meaning = (CODES[word] if word is not None else RPC_CODES.get(code)) or Meaning(UnmappedVenueError)
    shown: str | int = word if word is not None else code
    return refusal(
        meaning,
        message,
        code=shown,
        status=None,
        venue=VENUE,
        operation=operation,
        client_order_id=client_order_id,
        is_order_command=is_order_command,
    )


def _rest_words(data: Any, message: str) -> list[str]:
    found = [data.get("error"), data.get("code")] if isinstance(data, dict) else [data]
    return [text.split(":", 1)[0].strip() for text in (*found, message) if isinstance(text, str)]


_CANCELED = OrderStatus.CANCELED
_REJECTED = OrderStatus.REJECTED

CLOSINGS: Final[Mapping[str, Ending]] = {
    # OpenAPI, example of `responses.OrderResp.cancel_reason`.
    "NOT_ENOUGH_MARGIN": Ending(_REJECTED, RejectReason.MARGIN),
    # AsyncAPI, example of `order.create`.
    "USER_CANCELED": Ending(_CANCELED, None),
    # ccxt 4.5.90, parse_order.
    "ORDER_EXCEEDS_POSITION_LIMIT": Ending(_REJECTED, RejectReason.POSITION_LIMIT),
    # A recorded testnet answer (ccxt's public test data).
    "ORDER_SIZE_BELOW_MIN": Ending(_REJECTED, RejectReason.INVALID_ORDER),
    # paradex-py 0.8.2, MmpCancelReason.
    "MMP_TRIGGERED": Ending(_CANCELED, RejectReason.OTHER),
    "MMP_FROZEN": Ending(_REJECTED, RejectReason.OTHER),
    "MMP_DISABLED": Ending(_CANCELED, RejectReason.OTHER),
    "MMP_GREEKS_UNAVAILABLE": Ending(_REJECTED, RejectReason.OTHER),
    "MMP_NOT_CONFIGURED": Ending(_REJECTED, RejectReason.OTHER),
}

_BY_WORD: Final[tuple[tuple[tuple[str, ...], Ending], ...]] = (
    # First match counts, so the narrower words stand above the wider ones.
    (("DISCONNECT", "USER_CANCEL", "CANCELED_BY_USER", "CANCEL_ALL"), Ending(_CANCELED, None)),
    (("POST_ONLY",), Ending(_REJECTED, RejectReason.POST_ONLY_WOULD_CROSS)),
    (("REDUCE_ONLY",), Ending(_REJECTED, RejectReason.REDUCE_ONLY)),
    (("SELF_TRADE", "STP", "EXPIRE_MAKER", "EXPIRE_TAKER", "EXPIRE_BOTH"), Ending(_CANCELED, RejectReason.SELF_TRADE)),
    (("POSITION_LIMIT", "MAX_POSITION", "OPEN_INTEREST"), Ending(_REJECTED, RejectReason.POSITION_LIMIT)),
    (("ORDER_LIMIT", "MAX_ORDERS", "OPEN_ORDERS", "TOO_MANY"), Ending(_REJECTED, RejectReason.ORDER_LIMIT)),
    (("LIQUIDATION",), Ending(_CANCELED, RejectReason.MARGIN)),
    (("MARGIN", "COLLATERAL", "BALANCE"), Ending(_REJECTED, RejectReason.MARGIN)),
    (("LIQUIDITY", "IOC", "IMMEDIATE", "NO_MATCH"), Ending(_CANCELED, RejectReason.NO_LIQUIDITY)),
    (("SLIPPAGE", "BAND", "PRICE_TOO", "PRICE_OUT"), Ending(_REJECTED, RejectReason.PRICE_BAND)),
    (("SIGNATURE",), Ending(_REJECTED, RejectReason.INVALID_SIGNATURE)),
    (("DUPLICATE", "CLIENT_ID"), Ending(_REJECTED, RejectReason.DUPLICATE_CLIENT_ID)),
    (("RECV_WINDOW", "EXPIRED", "TIMESTAMP"), Ending(OrderStatus.EXPIRED, RejectReason.EXPIRED)),
    (("MARKET_", "SETTLE", "DELIST", "HALT"), Ending(_CANCELED, RejectReason.MARKET_CLOSED)),
    (("SIZE", "PRICE", "TICK", "NOTIONAL", "INVALID", "INCREMENT"), Ending(_REJECTED, RejectReason.INVALID_ORDER)),
    (("CANCEL",), Ending(_CANCELED, None)),
)

_unknown = UnknownWords(VENUE, log)


def closing(cancel_reason: str) -> Ending:
    """
    Return how an order ended that was closed with this reason and nothing filled.

    A reason without a known word is a cancel for reason ``other``, and is logged once: that the order is over and
    unfilled is certain, only the why is not.
    """
    if not cancel_reason:
        return Ending(_CANCELED, None)
    if (known := CLOSINGS.get(cancel_reason)) is not None:
        return known
    word = cancel_reason.upper().replace(" ", "_").replace("CANCELLED", "CANCELED")
    for parts, meaning in _BY_WORD:
        if any(part in word for part in parts):
            return meaning
    _unknown.report("reason to close an order", word)
    return Ending(_CANCELED, RejectReason.OTHER)
