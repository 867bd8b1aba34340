"""
Orders, fills and trades between the exchange's words and the venue's. Pure functions, no state.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from perpkit.sim.orders import (
    CloseReason,
    Fill,
    FillKind,
    Order,
    OrderRequest,
    OrderState,
    OrderType,
    RefusalReason,
    SelfTradePrevention,
    Side,
    TimeInForce,
    Trade,
    TriggerWhen,
)
from perpkit.sim.venues.paradex.config import SETTLEMENT_ASSET
from perpkit.sim.venues.paradex.errors import ApiError
from perpkit.sim.venues.paradex.listing import number
from perpkit.sim.venues.paradex.orders import ParsedOrder

_TYPES = {
    "MARKET": OrderType.MARKET,
    "LIMIT": OrderType.LIMIT,
    "STOP_MARKET": OrderType.STOP_MARKET,
    "STOP_LIMIT": OrderType.STOP_LIMIT,
    "STOP_LOSS_MARKET": OrderType.STOP_MARKET,
    "STOP_LOSS_LIMIT": OrderType.STOP_LIMIT,
    "TAKE_PROFIT_MARKET": OrderType.TAKE_PROFIT_MARKET,
    "TAKE_PROFIT_LIMIT": OrderType.TAKE_PROFIT_LIMIT,
}
_WIRE_TYPES = {kind: name for name, kind in reversed(_TYPES.items())}
_CONDITIONS = {
    "STOP_CONDITION_ABOVE_TRIGGER": TriggerWhen.ABOVE,
    "STOP_CONDITION_BELOW_TRIGGER": TriggerWhen.BELOW,
}
_STATES = {
    OrderState.NEW: "NEW",
    OrderState.UNTRIGGERED: "UNTRIGGERED",
    OrderState.OPEN: "OPEN",
    OrderState.CLOSED: "CLOSED",
}

CANCEL_REASONS: dict[CloseReason, str] = {
    # The contract gives no list. NOT_ENOUGH_MARGIN and USER_CANCELED are its examples, ORDER_SIZE_BELOW_MIN (see
    # LATE_REFUSALS) is in an answer recorded on testnet; the others are ours in the venue's manner.
    CloseReason.FILLED: "",
    CloseReason.USER_CANCELED: "USER_CANCELED",
    CloseReason.NOT_ENOUGH_MARGIN: "NOT_ENOUGH_MARGIN",
    CloseReason.EXPIRED: "ORDER_EXPIRED",
    CloseReason.IOC_REMAINDER: "IOC_NOT_FULLY_FILLED",
    CloseReason.FOK_NOT_FILLABLE: "FOK_NOT_FILLABLE",
    CloseReason.NO_LIQUIDITY: "NO_LIQUIDITY",
    CloseReason.POST_ONLY_WOULD_CROSS: "POST_ONLY_WOULD_CROSS",
    CloseReason.PRICE_OUT_OF_BAND: "PRICE_OUT_OF_BAND",
    CloseReason.POSITION_LIMIT: "POSITION_LIMIT_EXCEEDED",
    CloseReason.MAX_OPEN_ORDERS: "MAX_OPEN_ORDERS_EXCEEDED",
    CloseReason.REDUCE_ONLY_WOULD_INCREASE: "REDUCE_ONLY_WILL_INCREASE",
    CloseReason.SELF_TRADE: "SELF_TRADE_PREVENTION",
    CloseReason.RPI_CROSSED: "RPI_CROSSED",
    CloseReason.MARKET_NOT_OPEN: "MARKET_NOT_OPEN",
    CloseReason.ACCOUNT_IN_LIQUIDATION: "ACCOUNT_IN_LIQUIDATION",
    CloseReason.DISCONNECTED: "CANCEL_ON_DISCONNECT",
    CloseReason.DEAD_MAN_SWITCH: "DEAD_MAN_SWITCH",
    CloseReason.REPLACED: "ORDER_REPLACED",
    CloseReason.PREVIOUS_NOT_FOUND: "ORDER_TO_REPLACE_NOT_FOUND",
    CloseReason.PREVIOUS_TRIGGERED: "ORDER_TO_REPLACE_TRIGGERED",
    CloseReason.POSITION_ORDER_CONFLICT: "POSITION_ORDER_CONFLICT",
    CloseReason.ADMIN: "CANCELED_BY_OPERATOR",
}

_REFUSALS: dict[RefusalReason, tuple[str, int]] = {
    RefusalReason.UNKNOWN_MARKET: ("MARKET_NOT_FOUND", 400),
    RefusalReason.UNKNOWN_ACCOUNT: ("ACCOUNT_NOT_FOUND", 400),
    RefusalReason.UNKNOWN_ORDER: ("ORDER_ID_NOT_FOUND", 400),
    RefusalReason.ORDER_CLOSED: ("ORDER_IS_CLOSED", 400),
    RefusalReason.DUPLICATE_CLIENT_ID: ("DUPLICATED_CLIENT_ID", 400),
    RefusalReason.INVALID_SIZE: ("INVALID_ORDER_SIZE", 400),
    RefusalReason.SIZE_OFF_STEP: ("INVALID_ORDER_SIZE", 400),
    RefusalReason.SIZE_TOO_SMALL: ("INVALID_ORDER_SIZE", 400),
    RefusalReason.SIZE_TOO_LARGE: ("INVALID_ORDER_SIZE", 400),
    RefusalReason.NOTIONAL_TOO_SMALL: ("INVALID_ORDER_SIZE", 400),
    RefusalReason.MARKET_NOT_OPEN: ("MARKET_NOT_OPEN", 400),
    RefusalReason.MARKET_POST_ONLY: ("SYSTEM_STATUS_POST_ONLY", 400),
    RefusalReason.MARKET_CANCEL_ONLY: ("SYSTEM_STATUS_CANCEL_ONLY", 400),
    RefusalReason.SYSTEM_POST_ONLY: ("SYSTEM_STATUS_POST_ONLY", 400),
    RefusalReason.SYSTEM_CANCEL_ONLY: ("SYSTEM_STATUS_CANCEL_ONLY", 400),
    RefusalReason.SYSTEM_MAINTENANCE: ("SERVICE_UNAVAILABLE", 503),
    RefusalReason.INVALID_LEVERAGE: ("VALIDATION_ERROR", 400),
    RefusalReason.MARGIN_CHANGE_REFUSED: ("REQUEST_NOT_ALLOWED", 400),
    RefusalReason.INSUFFICIENT_FUNDS: ("REQUEST_NOT_ALLOWED", 400),
}

_FILL_TYPES = {
    FillKind.TRADE: "FILL",
    FillKind.LIQUIDATION: "LIQUIDATION",
    FillKind.SETTLEMENT: "SETTLE_MARKET",
    FillKind.ADL: "UNWIND_TRANSFER",
    FillKind.TRANSFER: "UNWIND_TRANSFER",
    FillKind.OTHER: "FILL",
}


def side_of(text: str) -> Side:
    """Return the exchange's side for BUY or SELL."""
    return Side(text.lower())


def side_text(side: Side) -> str:
    """Return BUY or SELL."""
    return side.value.upper()


def to_request(order: ParsedOrder, account_id: str, *, interactive: bool) -> OrderRequest:
    """Return what the exchange is asked for. The wire's own words travel in ``meta`` and come back with the order."""
    condition = next((_CONDITIONS[flag] for flag in order.flags if flag in _CONDITIONS), None)
    kind = _TYPES[order.type]
    return OrderRequest(
        account_id=account_id,
        market=order.market,
        side=side_of(order.side),
        type=kind,
        size=order.size,
        price=order.price if kind.has_price else None,
        client_id=order.client_id or None,
        time_in_force=TimeInForce.IOC if order.instruction == "IOC" else TimeInForce.GTC,
        post_only=order.instruction == "POST_ONLY",
        reduce_only=order.reduce_only,
        trigger_price=order.trigger_price if kind.has_trigger else None,
        trigger_when=condition,
        stp=SelfTradePrevention(order.stp.lower()),
        retail=interactive,
        signed_at_ms=order.timestamp_ms,
        meta={
            "type": order.type,
            "flags": list(order.flags) + (["INTERACTIVE"] if interactive else []),
            "instruction": order.instruction,
            "interactive": interactive,
        },
    )


def wire_type(order: Order) -> str:
    """Return an order's type as it was asked for."""
    asked: str = order.meta.get("type", _WIRE_TYPES[order.type])
    return asked


def refusal(reason: RefusalReason, message: str) -> ApiError:
    """Return the venue's refusal for the exchange's."""
    code, status = _REFUSALS.get(reason, ("VALIDATION_ERROR", 400))
    return ApiError(code, message, status=status)


def order_body(order: Order, now_ms: int) -> dict[str, Any]:
    """Return an order as ``responses.OrderResp``."""
    meta: Mapping[str, Any] = order.meta
    average = order.average_price
    return {
        "account": order.account_id,
        "avg_fill_price": "" if average is None else number(average),
        "cancel_reason": "" if order.close_reason is None else CANCEL_REASONS[order.close_reason],
        "client_id": order.client_id or "",
        "created_at": order.created_at_ms,
        "flags": list(meta.get("flags", ["REDUCE_ONLY"] if order.reduce_only else [])),
        "id": order.id,
        "instruction": meta.get("instruction", _instruction(order)),
        "last_updated_at": order.updated_at_ms,
        "market": order.market,
        "price": number(order.price or Decimal(0)) if order.type.has_price else "0",
        "published_at": now_ms,
        "received_at": order.received_at_ms,
        "remaining_size": number(order.remaining_size),
        "seq_no": order.sequence,
        "side": side_text(order.side),
        "size": number(order.size),
        "status": _STATES[order.state],
        "stp": order.stp.value.upper() if order.stp is not None else "",
        "timestamp": order.signed_at_ms or 0,
        "trigger_price": number(order.trigger_price or Decimal(0)),
        "type": wire_type(order),
    }


def rpc_order_body(order: Order, now_ms: int) -> dict[str, Any]:
    """
    Return an order as the WebSocket methods answer it.

    Their schema has no seat for stop-loss types, flags other than strings, or ``stp``, knows three states only, and
    says "0" for an unfilled order's average price where REST leaves it empty.
    """
    body = order_body(order, now_ms)
    del body["stp"]
    body["avg_fill_price"] = body["avg_fill_price"] or "0"
    if body["status"] == "UNTRIGGERED":
        body["status"] = "NEW"
    return body


def modification_info(order: Order, refused: CloseReason | None) -> dict[str, Any]:
    """Return what became of a modification as ``responses.RequestInfo``."""
    return {
        "id": order.id,
        "message": "" if refused is None else CANCEL_REASONS[refused],
        "request_type": "MODIFY_ORDER",
        "status": "SUCCESS" if refused is None else "FAILED",
    }


def fill_body(fill: Fill) -> dict[str, Any]:
    """Return a fill as ``responses.FillResult``; its ``side`` is the taker's, as the contract words it."""
    flags = ["interactive"] if fill.order_meta.get("interactive") else []
    return {
        "account": fill.account_id,
        "client_id": fill.client_id or "",
        "created_at": fill.created_at_ms,
        "fee": number(fill.fee),
        "fee_currency": SETTLEMENT_ASSET,
        "fill_type": "RPI" if fill.rpi and fill.kind is FillKind.TRADE else _FILL_TYPES[fill.kind],
        "flags": flags + (["rpi"] if fill.rpi else []),
        "id": fill.id,
        "liquidity": fill.liquidity.value.upper(),
        "market": fill.market,
        "order_id": fill.order_id,
        "orderbook_seq_no": fill.book_sequence,
        "price": number(fill.price),
        "realized_funding": number(fill.realized_funding),
        "realized_pnl": number(fill.realized_pnl),
        "remaining_size": number(fill.remaining_size),
        "side": side_text(fill.taker_side),
        "size": number(fill.size),
        "underlying_price": number(fill.index_price),
    }


def trade_body(trade: Trade) -> dict[str, Any]:
    """Return a trade of the tape as ``responses.TradeResult``."""
    return {
        "created_at": trade.created_at_ms,
        "id": trade.id,
        "market": trade.market,
        "price": number(trade.price),
        "side": side_text(trade.side),
        "size": number(trade.size),
        "trade_type": "RPI" if trade.rpi and trade.kind is FillKind.TRADE else _FILL_TYPES[trade.kind],
    }


def _instruction(order: Order) -> str:
    """Return the instruction of an order that did not come over this wire, such as a liquidation's."""
    if order.post_only:
        return "POST_ONLY"
    return "IOC" if order.is_market or order.time_in_force is TimeInForce.IOC else "GTC"
