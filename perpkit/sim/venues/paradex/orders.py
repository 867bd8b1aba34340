"""
Order requests, REST and WebSocket alike: shape, market rules, freshness and signature, before anything is queued.

What passes here answers ``NEW``; risk checks come after and show as ``CLOSED`` with a ``cancel_reason``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from perpkit.sim.venues.paradex.auth import CLOCK_TOLERANCE_S, Session, parse_felt
from perpkit.sim.venues.paradex.errors import ApiError
from perpkit.sim.venues.paradex.listing import Listing, number
from perpkit.sim.venues.paradex.verify import (
    MessageHasher,
    OrderFields,
    SignatureFormatError,
    is_signed_by,
    parse_signature,
)

DEFAULT_RECV_WINDOW_MS = 300_000
MIN_RECV_WINDOW_MS = 10
MAX_CLIENT_ID_LENGTH = 64
FORGET_AFTER_MS = 24 * 3_600_000
"""How long a spent timestamp is remembered; a client may ask for a receive window of its own."""

LIMIT_TYPES = frozenset({"LIMIT", "STOP_LIMIT", "TAKE_PROFIT_LIMIT", "STOP_LOSS_LIMIT"})
MARKET_TYPES = frozenset({"MARKET", "STOP_MARKET", "TAKE_PROFIT_MARKET", "STOP_LOSS_MARKET"})
TRIGGERED_TYPES = (LIMIT_TYPES | MARKET_TYPES) - {"LIMIT", "MARKET"}
_PLAIN_DECIMAL = re.compile(r"-?[0-9]{1,24}(\.[0-9]{1,24})?")


@dataclass(frozen=True, slots=True)
class ParsedOrder:
    """A request for a new order that holds together."""

    market: str
    side: str
    type: str
    size: Decimal
    price: Decimal
    instruction: str
    flags: tuple[str, ...]
    stp: str
    client_id: str
    trigger_price: Decimal
    timestamp_ms: int

    @property
    def reduce_only(self) -> bool:
        """Tell whether it may only reduce a position."""
        return "REDUCE_ONLY" in self.flags


@dataclass(frozen=True, slots=True)
class ParsedModification:
    """A request to change an order that holds together."""

    id: str
    market: str
    side: str
    type: str
    size: Decimal
    price: Decimal
    trigger_price: Decimal | None


class Nonces:
    """
    The signature timestamps that an account has used; each serves once.

    Args:
        strict: Refuse a timestamp used for anything before. Otherwise only the same message again is refused.
    """

    def __init__(self, *, strict: bool) -> None:
        self._strict = strict
        self._used: dict[str, dict[tuple[int, int], int]] = {}

    def use(self, account: str, timestamp_ms: int, message_hash: int, now_ms: int) -> None:
        """
        Spend a timestamp.

        Raises:
            ApiError: It was spent before.
        """
        key = (timestamp_ms, 0 if self._strict else message_hash)
        used = self._used.setdefault(account, {})
        if key in used:
            raise ApiError("INVALID_TIMESTAMP", f"signature_timestamp {timestamp_ms} was used before; it is the nonce")
        used[key] = now_ms
        while used[oldest := next(iter(used))] < now_ms - FORGET_AFTER_MS:
            del used[oldest]


def parse_order(body: Mapping[str, Any], listing: Listing) -> ParsedOrder:
    """
    Return a new order from the checked fields of a request.

    Raises:
        ApiError: ``VALIDATION_ERROR`` or ``INVALID_ORDER_SIZE``, naming the field and what would be right.
    """
    kind = body["type"]
    size = _size(body["size"], listing)
    price = _decimal(body.get("price", "0"), "price")
    instruction = body.get("instruction") or "GTC"
    trigger = _decimal(body.get("trigger_price") or "0", "trigger_price")
    client_id = body.get("client_id", "")
    if kind in LIMIT_TYPES:
        _check_price(price, listing, "price")
    elif price != 0:
        raise ApiError("VALIDATION_ERROR", f"price: a {kind} order has price 0, not {number(price)}")
    if kind in TRIGGERED_TYPES:
        _check_price(trigger, listing, "trigger_price")
    elif trigger != 0:
        raise ApiError("VALIDATION_ERROR", f"trigger_price: a {kind} order has none")
    if kind in MARKET_TYPES and instruction in {"POST_ONLY", "RPI"}:
        raise ApiError("VALIDATION_ERROR", f"instruction: {instruction} does not go with {kind}")
    if instruction == "RPI":
        raise ApiError("RPI_ACCOUNT_NOT_WHITELISTED", "RPI orders need a whitelisted account")
    if len(client_id) > MAX_CLIENT_ID_LENGTH:
        raise ApiError("VALIDATION_ERROR", f"client_id: longer than {MAX_CLIENT_ID_LENGTH} characters")
    flags = tuple(body.get("flags", ()))
    if "TARGET_STRATEGY_VWAP" in flags or "vwap_price" in body:
        raise ApiError("VALIDATION_ERROR", "flags: the VWAP strategy is not offered to this account")
    if {"STOP_CONDITION_BELOW_TRIGGER", "STOP_CONDITION_ABOVE_TRIGGER"} <= set(flags):
        raise ApiError("VALIDATION_ERROR", "flags: a stop condition is below or above, not both")
    return ParsedOrder(
        market=body["market"],
        side=body["side"],
        type=kind,
        size=size,
        price=price,
        instruction=instruction,
        flags=flags,
        stp=body.get("stp") or "EXPIRE_TAKER",
        client_id=client_id,
        trigger_price=trigger,
        timestamp_ms=body["signature_timestamp"],
    )


def parse_modification(body: Mapping[str, Any], listing: Listing) -> ParsedModification:
    """
    Return a modification from the checked fields of a request.

    Raises:
        ApiError: ``VALIDATION_ERROR`` or ``INVALID_ORDER_SIZE``.
    """
    kind = body["type"]
    price = _decimal(body["price"], "price")
    if kind in LIMIT_TYPES:
        _check_price(price, listing, "price")
    given = body.get("trigger_price")
    trigger = None
    if given not in {None, "", "0"}:
        trigger = _decimal(given, "trigger_price")
        _check_price(trigger, listing, "trigger_price")
    return ParsedModification(
        id=body["id"],
        market=body["market"],
        side=body["side"],
        type=kind,
        size=_size(body["size"], listing),
        price=price,
        trigger_price=trigger,
    )


def check_freshness(body: Mapping[str, Any], now_ms: int) -> None:
    """
    Refuse a request that arrives outside its receive window.

    Raises:
        ApiError: ``VALIDATION_ERROR`` for a window below the minimum, ``INVALID_TIMESTAMP`` for a stamp outside it.
    """
    window = body.get("recv_window") or DEFAULT_RECV_WINDOW_MS
    if window < MIN_RECV_WINDOW_MS:
        raise ApiError("VALIDATION_ERROR", f"recv_window: {window} is below the minimum of {MIN_RECV_WINDOW_MS} ms")
    stamp = body["signature_timestamp"]
    if stamp < now_ms - window:
        raise ApiError("INVALID_TIMESTAMP", f"signature_timestamp {stamp} is more than {window} ms before {now_ms}")
    if stamp > now_ms + CLOCK_TOLERANCE_S * 1000:
        raise ApiError("INVALID_TIMESTAMP", f"signature_timestamp {stamp} is ahead of the server time {now_ms}")


def check_signature(
    body: Mapping[str, Any], session: Session, hasher: MessageHasher, *, order_id: str | None = None
) -> int:
    """
    Return the hash of what was signed.

    The signature covers the text that was sent, so that it fails if anything was changed or rounded on the way.

    Raises:
        ApiError: ``INVALID_ORDER_SIGNATURE``.
    """
    try:
        signature = parse_signature(body["signature"])
        fields = OrderFields(
            timestamp=body["signature_timestamp"],
            market=body["market"],
            side=body["side"],
            order_type=body["type"],
            size=_decimal(body["size"], "size"),
            price=_decimal(body.get("price", "0"), "price"),
        )
        owner = session.owner
        message = (
            hasher.order(owner.address, fields)
            if order_id is None
            else hasher.modification(owner.address, fields, order_id)
        )
    except (SignatureFormatError, ValueError) as exc:
        raise ApiError("INVALID_ORDER_SIGNATURE", f"signature: {exc}") from exc
    if not any(is_signed_by(key, message, signature) for key in owner.signing_keys()):
        raise ApiError("INVALID_ORDER_SIGNATURE", "the signature does not fit this order, account and chain")
    return message


def check_account(body: Mapping[str, Any], session: Session) -> None:
    """
    Refuse an order on behalf of an account that the token does not speak for.

    Raises:
        ApiError: ``ISOLATED_MARKET_ACCOUNT_MISMATCH``.
    """
    on_behalf = body.get("on_behalf_of_account")
    if not on_behalf:
        return
    try:
        same = parse_felt(on_behalf) == session.owner.address
    except ValueError:
        same = False
    if not same:
        raise ApiError("ISOLATED_MARKET_ACCOUNT_MISMATCH", "on_behalf_of_account is not an account of this token")


def _size(text: str, listing: Listing) -> Decimal:
    size = _decimal(text, "size")
    if size <= 0:
        raise ApiError("INVALID_ORDER_SIZE", f"size: {text} is not positive")
    if size % listing.step_size:
        raise ApiError("INVALID_ORDER_SIZE", f"size: {text} is no multiple of {number(listing.step_size)}")
    if size > listing.max_order_size:
        raise ApiError("INVALID_ORDER_SIZE", f"size: {text} is above the maximum {number(listing.max_order_size)}")
    return size


def _check_price(price: Decimal, listing: Listing, name: str) -> None:
    if price <= 0:
        raise ApiError("VALIDATION_ERROR", f"{name}: {price} is not positive")
    if price % listing.tick_size:
        raise ApiError("VALIDATION_ERROR", f"{name}: {price} is no multiple of {number(listing.tick_size)}")


def _decimal(text: Any, name: str) -> Decimal:
    if not isinstance(text, str) or not _PLAIN_DECIMAL.fullmatch(text):
        raise ApiError("VALIDATION_ERROR", f"{name}: {text!r} is no decimal number")
    return Decimal(text)
