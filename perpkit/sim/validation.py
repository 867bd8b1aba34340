"""
What is refused before there is an order: malformed values, and rules that need neither margin nor book to decide.
"""

from __future__ import annotations

from decimal import Decimal

from perpkit.core.models.market import MarketStatus
from perpkit.core.models.order import OrderType, Side, TimeInForce
from perpkit.sim.markets import SystemStatus
from perpkit.sim.money import is_multiple, trim_to
from perpkit.sim.orders import Order, OrderRequest, OrderState, RefusalReason, RequestRefusedError, TriggerWhen
from perpkit.sim.state import AccountState, MarketState, State

_STOPS = frozenset({OrderType.STOP_LIMIT, OrderType.STOP_MARKET})
_RESTLESS = frozenset({TimeInForce.IOC, TimeInForce.FOK})


def check_request(state: State, account: AccountState, market: MarketState, request: OrderRequest) -> None:
    """Raise :class:`RequestRefusedError` if the request can't become an order."""
    _check_fields(state, request)
    check_size(market, request.size)
    if request.price is not None:
        check_price(market, request.price, "price")
    if request.trigger_price is not None:
        check_price(market, request.trigger_price, "trigger_price")
    if request.alternative is not None:
        check_price(market, request.alternative.trigger_price, "the alternative's trigger_price")
    if request.attached is not None:
        _check_fields(state, request.attached)
    if account.is_house:
        return
    _check_status(state, market, request)
    if not request.reduce_only:
        _check_notional(market, request)
    if request.client_id is not None and request.client_id in account.live_client_ids:
        _refuse(RefusalReason.DUPLICATE_CLIENT_ID, f"client id {request.client_id} is taken by an open order")


def check_size(market: MarketState, size: Decimal) -> None:
    """Refuse a size that the market doesn't take."""
    spec = market.spec
    if not size.is_finite() or size <= 0:
        _refuse(RefusalReason.INVALID_SIZE, f"size {size} is not above zero")
    if not is_multiple(size, spec.step_size):
        near = trim_to(size, spec.step_size)
        _refuse(
            RefusalReason.SIZE_OFF_STEP, f"size {size} is off step {spec.step_size} for {spec.symbol}; below it {near}"
        )
    if size < spec.min_size:
        _refuse(RefusalReason.SIZE_TOO_SMALL, f"size {size} is below the least size {spec.min_size} of {spec.symbol}")
    if spec.max_size is not None and size > spec.max_size:
        _refuse(RefusalReason.SIZE_TOO_LARGE, f"size {size} is above the largest {spec.max_size} of {spec.symbol}")


def check_price(market: MarketState, price: Decimal, name: str) -> None:
    """Refuse a price that the market doesn't take; ``name`` says which of an order's prices it is."""
    spec = market.spec
    if not price.is_finite() or price <= 0:
        _refuse(RefusalReason.INVALID_PRICE, f"{name} {price} is not above zero")
    if not is_multiple(price, spec.tick_size):
        near = trim_to(price, spec.tick_size)
        _refuse(
            RefusalReason.PRICE_OFF_TICK,
            f"{name} {price} is off tick {spec.tick_size} for {spec.symbol}; below it {near}",
        )


def check_system(state: State, *, cancels: bool, closes: bool = False) -> None:
    """Refuse when the exchange takes nothing, or takes cancels only and this neither ``cancels`` nor ``closes``."""
    if state.system_status is SystemStatus.MAINTENANCE:
        _refuse(RefusalReason.SYSTEM_MAINTENANCE, "the exchange is in maintenance")
    restricted = state.system_status is SystemStatus.CANCEL_ONLY
    if restricted and not cancels and not (closes and state.config.closing_when_restricted):
        _refuse(RefusalReason.SYSTEM_CANCEL_ONLY, "the exchange takes cancels only")


def check_amendment(
    order: Order,
    market: MarketState,
    *,
    size: Decimal | None,
    price: Decimal | None,
    trigger_price: Decimal | None,
) -> None:
    """Refuse a change that the order can't take."""
    if size is None and price is None and trigger_price is None:
        _refuse(RefusalReason.INVALID_REQUEST, "an amendment changes size, price or trigger_price")
    if price is not None:
        if order.is_market:
            _refuse(RefusalReason.INVALID_REQUEST, f"a {order.type} order has no price to change")
        check_price(market, price, "price")
    if trigger_price is not None:
        if order.state is not OrderState.UNTRIGGERED and trigger_price != order.trigger_price:
            _refuse(
                RefusalReason.INVALID_REQUEST, "trigger_price can change only while the order waits for its trigger"
            )
        check_price(market, trigger_price, "trigger_price")
    if size is not None:
        check_size(market, size)
        if size < order.filled_size:
            _refuse(RefusalReason.INVALID_SIZE, f"size {size} is below the {order.filled_size} that is filled already")


def trigger_side(request: OrderRequest) -> TriggerWhen | None:
    """Return on which side of its trigger price an order wakes; None for one without a trigger."""
    if not request.type.has_trigger:
        return None
    if request.trigger_when is not None:
        return request.trigger_when
    rises = (request.side is Side.BUY) == (request.type in _STOPS)
    return TriggerWhen.ABOVE if rises else TriggerWhen.BELOW


def _check_fields(state: State, request: OrderRequest) -> None:
    kind = request.type
    if kind.has_price and request.price is None:
        _refuse(RefusalReason.INVALID_REQUEST, f"a {kind} order needs a price")
    if kind.has_trigger != (request.trigger_price is not None):
        _refuse(RefusalReason.INVALID_REQUEST, f"a {kind} order and trigger_price {request.trigger_price} don't agree")
    if request.post_only and (not kind.has_price or request.time_in_force in _RESTLESS):
        _refuse(RefusalReason.INVALID_REQUEST, f"post_only needs a resting order, not {kind} {request.time_in_force}")
    if request.rpi and (kind is not OrderType.LIMIT or request.time_in_force in _RESTLESS):
        _refuse(RefusalReason.INVALID_REQUEST, f"a retail order must rest, not {kind} {request.time_in_force}")
    expires = request.expires_at_ms is not None
    if (request.time_in_force is TimeInForce.GTD) != expires and not (expires and kind.has_trigger):
        _refuse(RefusalReason.INVALID_REQUEST, "GTD and expires_at_ms go together")
    if request.whole_position and not (request.reduce_only and kind.has_trigger):
        _refuse(RefusalReason.INVALID_REQUEST, "only a reduce-only order that waits for a trigger closes a position")
    if request.alternative is not None and not kind.has_trigger:
        _refuse(RefusalReason.INVALID_REQUEST, f"a {kind} order waits for no trigger, and has no other one")
    if request.expires_at_ms is not None and request.expires_at_ms <= state.now_ms:
        _refuse(RefusalReason.INVALID_REQUEST, f"expires_at_ms {request.expires_at_ms} is not after {state.now_ms}")


def _check_status(state: State, market: MarketState, request: OrderRequest) -> None:
    check_system(state, cancels=False, closes=request.reduce_only)
    takes = request.post_only or request.rpi
    if state.system_status is SystemStatus.POST_ONLY and not takes:
        _refuse(RefusalReason.SYSTEM_POST_ONLY, "the exchange takes post-only orders only")
    if market.status in {MarketStatus.HALTED, MarketStatus.SETTLED}:
        _refuse(RefusalReason.MARKET_NOT_OPEN, f"{market.symbol} is {market.status}")
    may_close = request.reduce_only and market.spec.closing_when_restricted
    if market.status is MarketStatus.CANCEL_ONLY and not may_close:
        _refuse(RefusalReason.MARKET_CANCEL_ONLY, f"{market.symbol} takes cancels only")
    if market.status is MarketStatus.POST_ONLY and not takes:
        _refuse(RefusalReason.MARKET_POST_ONLY, f"{market.symbol} takes post-only orders only")


def _check_notional(market: MarketState, request: OrderRequest) -> None:
    price = request.price if request.price is not None and request.type.has_price else market.mark_price
    notional = request.size * price
    if notional < market.spec.min_notional:
        _refuse(
            RefusalReason.NOTIONAL_TOO_SMALL,
            f"size {request.size} at {price} is worth {notional}; the least in {market.symbol} is "
            f"{market.spec.min_notional}",
        )


def _refuse(reason: RefusalReason, message: str) -> None:
    raise RequestRefusedError(reason, message)
