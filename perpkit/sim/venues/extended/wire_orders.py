"""
Orders and fills between the exchange's words and the venue's. Pure functions, no state.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from perpkit.sim.orders import (
    Alternative,
    CloseReason,
    Fill,
    Liquidity,
    Order,
    OrderRequest,
    OrderState,
    OrderType,
    PriceKind,
    RefusalReason,
    SelfTradePrevention,
    TimeInForce,
    TriggerWhen,
)
from perpkit.sim.venues.extended.errors import ApiError, Code
from perpkit.sim.venues.extended.numbers import REST_PLACES, STREAM_PLACES, number
from perpkit.sim.venues.extended.orders import Leg, ParsedOrder
from perpkit.sim.venues.extended.wire_markets import TRADE_TYPES

REASONS: dict[CloseReason, str | None] = {
    CloseReason.FILLED: None,
    # The venue lists no word for a user's own cancel, nor for its dead-man switch.
    CloseReason.USER_CANCELED: None,
    CloseReason.DEAD_MAN_SWITCH: None,
    CloseReason.DISCONNECTED: None,
    CloseReason.EXPIRED: None,
    CloseReason.ADMIN: "NONE",
    CloseReason.IOC_REMAINDER: "NO_LIQUIDITY",
    CloseReason.FOK_NOT_FILLABLE: "NO_LIQUIDITY",
    CloseReason.NO_LIQUIDITY: "NO_LIQUIDITY",
    CloseReason.POST_ONLY_WOULD_CROSS: "POST_ONLY_FAILED",
    CloseReason.NOT_ENOUGH_MARGIN: "NOT_ENOUGH_FUNDS",
    CloseReason.PRICE_OUT_OF_BAND: "INVALID_PRICE",
    CloseReason.POSITION_LIMIT: "INVALID_VALUE",
    CloseReason.MAX_OPEN_ORDERS: "UNKNOWN",
    CloseReason.REDUCE_ONLY_WOULD_INCREASE: "REDUCE_ONLY_FAILED",
    CloseReason.SELF_TRADE: "SELF_TRADE_PROTECTION",
    CloseReason.RPI_CROSSED: "UNKNOWN",
    CloseReason.MARKET_NOT_OPEN: "DISABLED_MARKET",
    CloseReason.ACCOUNT_IN_LIQUIDATION: "ACCOUNT_LIQUIDATION",
    CloseReason.REPLACED: "ORDER_REPLACED",
    CloseReason.PREVIOUS_NOT_FOUND: "PREV_ORDER_NOT_FOUND",
    CloseReason.PREVIOUS_TRIGGERED: "PREV_ORDER_TRIGGERED",
    CloseReason.POSITION_ORDER_CONFLICT: "POSITION_TPSL_CONFLICT",
}

_REFUSING = frozenset(
    {
        CloseReason.NOT_ENOUGH_MARGIN,
        CloseReason.PRICE_OUT_OF_BAND,
        CloseReason.POSITION_LIMIT,
        CloseReason.MAX_OPEN_ORDERS,
        CloseReason.REDUCE_ONLY_WOULD_INCREASE,
        CloseReason.MARKET_NOT_OPEN,
        CloseReason.PREVIOUS_NOT_FOUND,
        CloseReason.PREVIOUS_TRIGGERED,
        CloseReason.POSITION_ORDER_CONFLICT,
    }
)
"""Reasons that make REJECTED of an order which was never in the book; a failed post-only order is CANCELLED."""

_REFUSALS: dict[RefusalReason, Code] = {
    RefusalReason.UNKNOWN_MARKET: Code.MARKET_NOT_FOUND,
    RefusalReason.UNKNOWN_ACCOUNT: Code.ACCOUNT_NOT_FOUND,
    RefusalReason.UNKNOWN_ORDER: Code.ORDER_NOT_FOUND,
    RefusalReason.ORDER_CLOSED: Code.ORDER_NOT_FOUND,
    RefusalReason.DUPLICATE_CLIENT_ID: Code.DUPLICATE_ORDER,
    RefusalReason.INVALID_PRICE: Code.INVALID_PRICE,
    RefusalReason.PRICE_OFF_TICK: Code.PRICE_WRONG_MOVEMENT,
    RefusalReason.SIZE_OFF_STEP: Code.QTY_WRONG_INCREMENT,
    RefusalReason.SIZE_TOO_SMALL: Code.QTY_BELOW_MIN,
    RefusalReason.SIZE_TOO_LARGE: Code.VALUE_ABOVE_MAX,
    RefusalReason.MARKET_NOT_OPEN: Code.MARKET_DISABLED,
    RefusalReason.MARKET_POST_ONLY: Code.POST_ONLY_MODE,
    RefusalReason.MARKET_CANCEL_ONLY: Code.MARKET_REDUCE_ONLY,
    RefusalReason.SYSTEM_MAINTENANCE: Code.MAINTENANCE_MODE,
    RefusalReason.SYSTEM_POST_ONLY: Code.POST_ONLY_MODE,
    RefusalReason.SYSTEM_CANCEL_ONLY: Code.REDUCE_ONLY_MODE,
}

_ABOVE = TriggerWhen.ABOVE
_LONGEST_LIFE_MS = 28 * 24 * 3_600_000

_CONDITIONAL = {
    (False, False): OrderType.STOP_LIMIT,
    (False, True): OrderType.STOP_MARKET,
    (True, False): OrderType.TAKE_PROFIT_LIMIT,
    (True, True): OrderType.TAKE_PROFIT_MARKET,
}
"""By whether a conditional order takes profit, and whether it executes at market."""

_KINDS = {"LAST": PriceKind.LAST, "MARK": PriceKind.MARK, "INDEX": PriceKind.INDEX}
_PROTECTION = {"DISABLED": None}
"""Which order goes is not documented: here the incoming one."""


def refusal(reason: RefusalReason, message: str) -> ApiError:
    """Return the venue's refusal for the exchange's."""
    return ApiError(_REFUSALS.get(reason, Code.INVALID_ORDER_PARAMETERS), "Order was refused", debug=message)


def to_request(order: ParsedOrder, account_id: str, held: Decimal) -> OrderRequest:
    """
    Return what the exchange is asked for. The wire's own words travel in ``meta`` and come back with the order.

    Args:
        held: The account's signed position, which a TP/SL of the whole position is sized by until it wakes.
    """
    if order.type == "TPSL":
        return _tpsl_request(order, account_id, abs(held) if order.tpsl_type == "POSITION" else order.qty)
    attached = None
    if order.legs:
        attached = _tpsl_request(order, account_id, order.qty, side_flips=True)
    trigger = order.trigger
    kind = OrderType.MARKET if order.is_market else OrderType.LIMIT
    when = None
    if trigger is not None:
        when = _when(trigger.direction)
        # The venue has one word for both: a sell that waits for a rise, or a buy that waits for a fall, takes profit.
        takes_profit = (when is TriggerWhen.ABOVE) == (order.side.sign < 0)
        kind = _CONDITIONAL[takes_profit, order.is_market]
    is_ioc = order.time_in_force == "IOC"
    expires = not is_ioc or trigger is not None
    return OrderRequest(
        account_id=account_id,
        market=order.market,
        side=order.side,
        type=kind,
        size=order.qty,
        price=order.price,
        client_id=order.external_id,
        time_in_force=TimeInForce.IOC if is_ioc else TimeInForce.GTD,
        post_only=order.post_only,
        reduce_only=order.reduce_only,
        trigger_price=trigger.price if trigger is not None else None,
        trigger_when=when,
        trigger_price_kind=_KINDS[trigger.kind] if trigger is not None else PriceKind.MARK,
        expires_at_ms=order.expiry_ms if expires else None,
        attached=attached,
        stp=_PROTECTION.get(order.protection, SelfTradePrevention.EXPIRE_TAKER),
        stp_owner=order.protection == "CLIENT",
        fee_surcharge=order.builder_fee,
        meta=_meta(order, order.type),
    )


def _tpsl_request(order: ParsedOrder, account_id: str, size: Decimal, *, side_flips: bool = False) -> OrderRequest:
    """Return the TP/SL of an order: its first leg as the trigger, the other as its alternative."""
    side = order.side.opposite if side_flips else order.side
    (first_name, first), *rest = order.legs
    # A take-profit of a long, which sells, waits for a rise; its stop-loss for a fall. Of a short the other way round.
    rises = {"takeProfit": side.sign < 0, "stopLoss": side.sign > 0}
    alternative = None
    for name, leg in rest:
        alternative = Alternative(
            trigger_price=leg.trigger_price,
            trigger_when=TriggerWhen.ABOVE if rises[name] else TriggerWhen.BELOW,
            trigger_price_kind=_KINDS[leg.kind],
            type=_leg_type(name, leg),
            price=leg.price,
            time_in_force=TimeInForce.GTD,
        )
    external_id = f"{order.external_id}-tpsl" if side_flips else order.external_id
    return OrderRequest(
        account_id=account_id,
        market=order.market,
        side=side,
        type=_leg_type(first_name, first),
        size=size,
        price=first.price,
        client_id=external_id,
        time_in_force=TimeInForce.GTD,
        reduce_only=True,
        trigger_price=first.trigger_price,
        trigger_when=TriggerWhen.ABOVE if rises[first_name] else TriggerWhen.BELOW,
        trigger_price_kind=_KINDS[first.kind],
        alternative=alternative,
        whole_position=order.tpsl_type == "POSITION",
        expires_at_ms=order.expiry_ms,
        stp=_PROTECTION.get(order.protection, SelfTradePrevention.EXPIRE_TAKER),
        stp_owner=order.protection == "CLIENT",
        fee_surcharge=order.builder_fee,
        meta=_meta(order, "TPSL"),
    )


def _meta(order: ParsedOrder, kind: str) -> dict[str, Any]:
    meta: dict[str, Any] = {"type": kind, "timeInForce": order.time_in_force, "expireTime": order.expiry_ms}
    if order.trigger is not None and kind == "CONDITIONAL":
        meta["trigger"] = order.trigger.body()
    if order.legs:
        meta["tpSlType"] = order.tpsl_type
        meta["legs"] = {name: leg.body() for name, leg in order.legs}
    return meta


def status_of(order: Order) -> tuple[str, str | None]:
    """Return an order's status and the reason, which a status of its own needs none of."""
    if order.state is OrderState.NEW:
        return ("NEW" if order.triggered_at_ms is None else "TRIGGERED"), None
    if order.state is OrderState.UNTRIGGERED:
        return "UNTRIGGERED", None
    if order.state is OrderState.OPEN:
        return ("PARTIALLY_FILLED" if order.filled_size else "NEW"), None
    reason = order.close_reason or CloseReason.ADMIN
    if reason is CloseReason.FILLED:
        return "FILLED", None
    if reason is CloseReason.EXPIRED:
        return "EXPIRED", None
    is_refused = reason in _REFUSING and order.opened_at_ms is None
    return ("REJECTED" if is_refused else "CANCELLED"), REASONS[reason]


def order_body(order: Order, *, on_stream: bool = False) -> dict[str, Any]:
    """Return an order as the wire has it; the stream pads amounts to six places, REST pads fees to sixteen."""
    meta = order.meta or _as_sent(order)
    kind = meta["type"]
    status, reason = status_of(order)
    places = STREAM_PLACES if on_stream else 0
    body: dict[str, Any] = {
        "id": int(order.id),
        "accountId": int(order.account_id),
        "externalId": order.client_id or order.id,
        "market": order.market,
        "type": kind,
        "side": order.side.value.upper(),
        "status": status,
    }
    if reason is not None:
        body["statusReason"] = reason
    if kind == "TPSL" or order.price is None:
        body["price"] = None
    else:
        body["price"] = number(order.price, places)
    if order.filled_size and order.average_price is not None:
        body["averagePrice"] = number(order.average_price, places)
    is_over = order.is_closed and order.close_reason is not CloseReason.FILLED
    whole = order.whole_position and order.triggered_at_ms is None
    body |= {
        "qty": number(Decimal(0) if whole else order.size, places),
        "filledQty": number(order.filled_size, places),
        "cancelledQty": number(order.remaining_size if is_over and not whole else Decimal(0), places),
        "payedFee": number(order.fees_paid, STREAM_PLACES if on_stream else REST_PLACES),
        "reduceOnly": order.reduce_only,
        "postOnly": order.post_only,
        "createdTime": order.created_at_ms,
        "updatedTime": order.updated_at_ms,
        "timeInForce": meta["timeInForce"],
        "expireTime": meta["expireTime"],
    }
    if "trigger" in meta:
        body["trigger"] = meta["trigger"]
    if "legs" in meta:
        body["tpSlType"] = meta["tpSlType"]
        for place, (name, leg) in enumerate(meta["legs"].items()):
            body[name] = {**leg, **_leg_status(order, kind, place, status)}
    if order.replaces is not None:
        body["prevOrderId"] = int(order.replaces)
    return body


def _as_sent(order: Order) -> dict[str, Any]:
    """Return what the wire would have said of an order that came by the back door."""
    is_waiting_kind = order.trigger_price is not None
    at_once = not order.type.has_price or order.time_in_force in {TimeInForce.IOC, TimeInForce.FOK}
    meta: dict[str, Any] = {
        "type": "CONDITIONAL" if is_waiting_kind else "LIMIT" if order.type.has_price else "MARKET",
        "timeInForce": "IOC" if at_once else "GTT",
        # Every order has an expiry here; one that was given none stands as long as both environments allow.
        "expireTime": order.expires_at_ms or order.created_at_ms + _LONGEST_LIFE_MS,
    }
    if is_waiting_kind:
        is_stop = order.type in {OrderType.STOP_MARKET, OrderType.STOP_LIMIT}
        rises = (order.side.sign > 0) == is_stop if order.trigger_when is None else order.trigger_when is _ABOVE
        meta["trigger"] = {
            "triggerPrice": number(order.trigger_price or Decimal(0)),
            "triggerPriceType": order.trigger_price_kind.value.upper(),
            "direction": "UP" if rises else "DOWN",
            "executionPriceType": "LIMIT" if order.type.has_price else "MARKET",
        }
    return meta


def fill_body(fill: Fill, *, on_stream: bool = False) -> dict[str, Any]:
    """Return a fill; the client id has another name on the stream than on REST. The fee is positive when paid."""
    places = 0 if on_stream else REST_PLACES
    return {
        "id": int(fill.id),
        "accountId": int(fill.account_id),
        "market": fill.market,
        "orderId": int(fill.order_id) if fill.order_id else 0,
        "externalOrderId" if on_stream else "externalId": fill.client_id,
        "side": fill.side.value.upper(),
        "price": number(fill.price, places),
        "qty": number(fill.size, places),
        "value": number(fill.price * fill.size, places),
        "fee": number(fill.fee, places),
        "isTaker": fill.liquidity is Liquidity.TAKER,
        "tradeType": TRADE_TYPES[fill.kind],
        "createdTime": fill.created_at_ms,
    }


def _leg_status(order: Order, kind: str, place: int, status: str) -> dict[str, str]:
    """Return the status of one leg: of the one that woke, the order's; the other went with it."""
    if kind != "TPSL":
        return {}
    if order.triggered_at_ms is None:
        return {"status": status}
    woke = (place == 1) == order.woke_on_alternative
    return {"status": status if woke else "CANCELLED"}


def _leg_type(name: str, leg: Leg) -> OrderType:
    is_limit = leg.execution == "LIMIT"
    if name == "takeProfit":
        return OrderType.TAKE_PROFIT_LIMIT if is_limit else OrderType.TAKE_PROFIT_MARKET
    return OrderType.STOP_LIMIT if is_limit else OrderType.STOP_MARKET


def _when(direction: str) -> TriggerWhen:
    return TriggerWhen.ABOVE if direction == "UP" else TriggerWhen.BELOW
