"""
What the API refuses before a transaction is accepted: numbers out of range, fields that don't go together, limits.

What passes here may still fail in the sequencer, and then only the account's streams say so.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from perpkit.core.models.market import MarketStatus
from perpkit.core.models.order import SelfTradePrevention, Side, TimeInForce
from perpkit.sim.orders import Order, OrderRequest, OrderState, OrderType
from perpkit.sim.venues.lighter.accounts import Account
from perpkit.sim.venues.lighter.config import (
    ACCIDENTAL_PRICE,
    ACTIVE_ORDERS,
    ACTIVE_ORDERS_PER_MARKET,
    FAR_PRICE,
    MAX_BASE_AMOUNT,
    MAX_CLIENT_ORDER_INDEX,
    MAX_PRICE,
    ORDER_EXPIRY_LEAST,
    ORDER_EXPIRY_MOST,
    PENDING_ORDERS,
    PENDING_ORDERS_PER_MARKET,
)
from perpkit.sim.venues.lighter.errors import ApiError, malformed
from perpkit.sim.venues.lighter.listing import Listing
from perpkit.sim.venues.lighter.transactions import Transaction
from perpkit.sim.venues.lighter.verify import INTEGRATOR, MAKER_FEE, SELF_TRADE, SELF_TRADE_SCOPE, TAKER_FEE
from perpkit.sim.venues.lighter.wire_orders import TYPES

if TYPE_CHECKING:
    from perpkit.sim.venues.lighter.venue import Venue

IOC, GTT, POST_ONLY = range(3)
TWAP = 6
_STP = (SelfTradePrevention.EXPIRE_MAKER, SelfTradePrevention.EXPIRE_TAKER, SelfTradePrevention.EXPIRE_BOTH)
_TRIGGER_MARKET = frozenset({OrderType.STOP_MARKET, OrderType.TAKE_PROFIT_MARKET})


def new_order(venue: Venue, account: Account, tx: Transaction, *, protected: bool) -> OrderRequest:
    """
    Return what a create-order transaction asks of the exchange.

    Args:
        protected: Refuse prices that look like an accident.

    Raises:
        ApiError: Why it is refused.
    """
    info = tx.info
    listing = open_market(venue, info["MarketIndex"])
    kind = _kind(info)
    _check_enums(info, kind)
    _check_prices(info, kind)
    _check_expiry(venue, info, kind)
    size, price = listing.size_of(info["BaseAmount"]), listing.price_of(info["Price"])
    check_amounts(listing, size, price)
    side = Side.SELL if info["IsAsk"] else Side.BUY
    client = info["ClientOrderIndex"]
    if client and venue.exchange.order_by_client_id(account.id, str(client)) is not None:
        raise ApiError(21728)
    trigger = listing.price_of(info["TriggerPrice"]) if info["TriggerPrice"] else None
    if protected:
        _check_distance(venue, listing, kind, side, price=price, trigger=trigger)
    _check_counts(venue, account, listing, kind)
    reduce_only = bool(info["ReduceOnly"])
    rests = kind is OrderType.LIMIT and info["TimeInForce"] != IOC
    if rests and not reduce_only and venue.exchange.lacks_margin(account.id, listing.symbol, side, size):
        raise ApiError(21739)
    if reduce_only and venue.settings.invalid_reduce_only == "refused" and not reduces(venue, account, listing, side):
        raise ApiError(21738)
    stp, by_owner = _self_trade(tx)
    waits = kind.has_trigger
    until = info["OrderExpiry"] if rests or (waits and info["TimeInForce"] != IOC) else None
    return OrderRequest(
        account_id=account.id,
        market=listing.symbol,
        side=side,
        type=kind,
        size=size,
        price=price,
        client_id=str(client) if client else None,
        time_in_force=TimeInForce.GTD if until is not None else TimeInForce.IOC,
        post_only=info["TimeInForce"] == POST_ONLY,
        reduce_only=reduce_only,
        trigger_price=trigger,
        expires_at_ms=until,
        stp=stp,
        stp_owner=by_owner,
        meta={
            "type": info["Type"],
            "tif": info["TimeInForce"],
            "expiry": info["OrderExpiry"],
            "price": info["Price"],
        },
    )


def open_market(venue: Venue, market_id: int) -> Listing:
    """Return a market that takes orders. ApiError 21602 or 21605."""
    listing = venue.perp(market_id)
    if venue.status(listing) in {MarketStatus.HALTED, MarketStatus.SETTLED}:
        raise ApiError(21605)
    return listing


def check_amounts(listing: Listing, size: Decimal, price: Decimal) -> None:
    """Refuse what is below a market's minimums. ApiError 21706."""
    if size < listing.min_base or size * price < listing.min_quote:
        raise ApiError(21706)


def reduces(venue: Venue, account: Account, listing: Listing, side: Side) -> bool:
    """Tell whether an order of a side would reduce the account's position."""
    position = venue.exchange.position(account.id, listing.symbol)
    return position is not None and position.size * side.sign < 0


def modified(venue: Venue, account: Account, tx: Transaction) -> tuple[Listing, Order | None]:
    """
    Return the market and the order that a modify transaction is for; no order where there is none live.

    Raises:
        ApiError: Why it is refused.
    """
    info = tx.info
    listing = open_market(venue, info["MarketIndex"])
    if not 1 <= info["BaseAmount"] <= MAX_BASE_AMOUNT:
        raise ApiError(21701)
    if not 1 <= info["Price"] <= MAX_PRICE:
        raise ApiError(21702)
    if info["TriggerPrice"] > MAX_PRICE:
        raise ApiError(21729)
    check_amounts(listing, listing.size_of(info["BaseAmount"]), listing.price_of(info["Price"]))
    return listing, live_order(venue, account, listing, info["Index"])


def live_order(venue: Venue, account: Account, listing: Listing, index: int) -> Order | None:
    """Return the account's live order by either number; None where there is none in this market."""
    order = venue.find_order(account, index)
    if order is None or order.is_closed or order.market != listing.symbol:
        return None
    return order


def _kind(info: Mapping[str, Any]) -> OrderType:
    if info["Type"] == TWAP:
        raise ApiError(21710)
    number: int = info["Type"]
    if number >= len(TYPES):
        raise ApiError(21704)
    return TYPES[number]


def _check_enums(info: Mapping[str, Any], kind: OrderType) -> None:
    if info["ClientOrderIndex"] > MAX_CLIENT_ORDER_INDEX:
        raise ApiError(21727)
    if info["IsAsk"] > 1:
        raise ApiError(21703)
    if info["ReduceOnly"] > 1:
        raise ApiError(21740)
    only_ioc = kind is OrderType.MARKET or kind in _TRIGGER_MARKET
    if info["TimeInForce"] > POST_ONLY or (only_ioc and info["TimeInForce"] != IOC):
        raise ApiError(21705)


def _check_prices(info: Mapping[str, Any], kind: OrderType) -> None:
    if not 1 <= info["BaseAmount"] <= MAX_BASE_AMOUNT:
        raise ApiError(21701)  # 0 ties an order to its position, which is not offered here
    if not 1 <= info["Price"] <= MAX_PRICE:
        raise ApiError(21702)
    if kind.has_trigger != (info["TriggerPrice"] != 0) or info["TriggerPrice"] > MAX_PRICE:
        raise ApiError(21729)


def _check_expiry(venue: Venue, info: Mapping[str, Any], kind: OrderType) -> None:
    expiry = info["OrderExpiry"]
    if not kind.has_trigger and (kind is OrderType.MARKET or info["TimeInForce"] == IOC):
        if expiry:
            raise ApiError(21711)
        return
    now = venue.now_ms()
    if not now + _ms(ORDER_EXPIRY_LEAST) <= expiry <= now + _ms(ORDER_EXPIRY_MOST):
        raise ApiError(21711)


def _check_distance(
    venue: Venue, listing: Listing, kind: OrderType, side: Side, *, price: Decimal, trigger: Decimal | None
) -> None:
    reference = trigger if trigger is not None else venue.exchange.mark_price(listing.symbol)
    through = (price - reference) * side.sign
    if through > reference * ACCIDENTAL_PRICE:
        raise ApiError(21735 if trigger is not None else 21733)
    if kind is OrderType.LIMIT and -through > reference * FAR_PRICE:
        raise ApiError(21734)


def _check_counts(venue: Venue, account: Account, listing: Listing, kind: OrderType) -> None:
    if kind is OrderType.MARKET:
        return
    live = venue.exchange.open_orders(account.id)
    state = OrderState.UNTRIGGERED if kind.has_trigger else OrderState.OPEN
    alike = [order for order in live if order.state is state]
    here = sum(1 for order in alike if order.market == listing.symbol)
    if kind.has_trigger:
        per_market, over_all, codes = PENDING_ORDERS_PER_MARKET, PENDING_ORDERS, (21720, 21719)
    else:
        per_market, over_all, codes = ACTIVE_ORDERS_PER_MARKET, ACTIVE_ORDERS, (21718, 21717)
    if here >= per_market:
        raise ApiError(codes[0])
    if len(alike) >= over_all:
        raise ApiError(codes[1])


def _self_trade(tx: Transaction) -> tuple[SelfTradePrevention, bool]:
    if any(key in tx.attributes for key in (INTEGRATOR, TAKER_FEE, MAKER_FEE)):
        raise ApiError(21149)
    behavior = tx.attributes.get(SELF_TRADE, 0)
    if behavior >= len(_STP):
        raise malformed("this self-trade behavior is not offered here")
    return _STP[behavior], tx.attributes.get(SELF_TRADE_SCOPE, 0) == 1


def _ms(span: timedelta) -> int:
    return span // timedelta(milliseconds=1)
