"""
Orders and amendments to transactions, unsigned. Pure: no keys, no clock, nothing rounded. What leaves here is what is
signed and what is sent.

Types, times in force and which fields go together: lighter-go's validation, lighter-sdk 1.1.8.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Context, Decimal
from typing import Final

from perpkit.adapters.lighter import endpoints
from perpkit.adapters.lighter.config import LEAST_ORDER_LIFE, MOST_ORDER_LIFE, VENUE
from perpkit.adapters.lighter.listings import Listing
from perpkit.adapters.lighter.order_ids import any_index, client_index, order_index
from perpkit.adapters.lighter.signing import tx as codes
from perpkit.adapters.lighter.signing.tx import CancelOrder, CreateOrder, ModifyOrder, UpdateMargin
from perpkit.core.clock import to_ms
from perpkit.core.errors import CapabilityError, InvalidOrderError
from perpkit.core.models import (
    Order,
    OrderAmendment,
    OrderIntent,
    OrderRef,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from perpkit.core.quantize import plain

_WIDE: Final = Context(prec=60)

ORDER_TYPES: Final[Mapping[OrderType, int]] = {
    OrderType.LIMIT: codes.LIMIT,
    OrderType.MARKET: codes.MARKET,
    OrderType.STOP_MARKET: codes.STOP_LOSS,
    OrderType.STOP_LIMIT: codes.STOP_LOSS_LIMIT,
    OrderType.TAKE_PROFIT_MARKET: codes.TAKE_PROFIT,
    OrderType.TAKE_PROFIT_LIMIT: codes.TAKE_PROFIT_LIMIT,
}

SELF_TRADE: Final[Mapping[SelfTradePrevention, int]] = {
    SelfTradePrevention.EXPIRE_MAKER: codes.EXPIRE_MAKER,
    SelfTradePrevention.EXPIRE_TAKER: codes.EXPIRE_TAKER,
    SelfTradePrevention.EXPIRE_BOTH: codes.EXPIRE_BOTH,
}


def units(value: Decimal, decimals: int, most: int, name: str) -> int:
    """
    Return a size or a price as the whole number that is signed.

    Raises:
        InvalidOrderError: It has more decimals than the market, or is beyond what the venue can hold.
    """
    scaled = value.scaleb(decimals, _WIDE)
    whole = int(scaled)
    if whole != scaled or len(value.as_tuple().digits) > _WIDE.prec:
        raise InvalidOrderError(f"{name} {plain(value)} has more than the market's {decimals} decimals", venue=VENUE)
    if not 0 < whole <= most:
        largest = plain(Decimal(most).scaleb(-decimals))
        raise InvalidOrderError(f"{name} {plain(value)} is beyond what {VENUE} holds, {largest}", venue=VENUE)
    return whole


def _size(value: Decimal, listing: Listing) -> int:
    return units(value, listing.size_decimals, codes.MAX_BASE_AMOUNT, "size")


def _price(value: Decimal, listing: Listing, name: str = "price") -> int:
    return units(value, listing.price_decimals, codes.MAX_PRICE, name)


def new_order(
    intent: OrderIntent, listing: Listing, *, now: datetime, life: timedelta, worst: Decimal | None = None
) -> CreateOrder:
    """
    Encode a new order.

    Args:
        now: What the expiry counts from.
        life: How long an order without an expiry of its own stands.
        worst: Of market types, the worst price accepted, on the market's grid.

    Raises:
        CapabilityError: The venue has no such time in force or trigger. Nothing was sent.
        InvalidOrderError: An expiry outside the venue's window, or a number that it can't hold.
    """
    try:
        return _new_order(intent, listing, now, life, worst)
    except (CapabilityError, InvalidOrderError) as error:
        error.client_order_id = error.client_order_id or intent.client_order_id
        raise


def _new_order(
    intent: OrderIntent, listing: Listing, now: datetime, life: timedelta, worst: Decimal | None
) -> CreateOrder:
    if intent.options:
        msg = f"no order option {', '.join(sorted(intent.options))} on {VENUE}; there are none"
        raise InvalidOrderError(msg, venue=VENUE)
    if intent.max_slippage is not None:
        raise InvalidOrderError("max_slippage is turned into a limit price before an order gets here", venue=VENUE)
    if intent.trigger_kind is not None:
        msg = f"{VENUE} chooses which price a trigger watches; leave trigger_kind out"
        raise CapabilityError(msg, venue=VENUE)
    if intent.accept_within is not None:
        msg = f"{VENUE}'s signing library dates every transaction 599 s ahead; leave accept_within out"
        raise CapabilityError(msg, venue=VENUE)
    price = intent.price if intent.type.has_price else worst
    if price is None:
        msg = f"a {intent.type} order needs a bound: the worst price that it may fill at"
        raise InvalidOrderError(msg, venue=VENUE)
    return CreateOrder(
        market=listing.index,
        client_index=client_index(intent.client_order_id),
        base_amount=_size(intent.size, listing),
        price=_price(price, listing),
        is_ask=intent.side is Side.SELL,
        type=ORDER_TYPES[intent.type],
        time_in_force=_time_in_force(intent),
        reduce_only=intent.reduce_only,
        trigger_price=_price(intent.trigger_price, listing, "trigger_price") if intent.trigger_price is not None else 0,
        expiry=_expiry(intent, now, life),
        self_trade=SELF_TRADE[intent.self_trade_prevention] if intent.self_trade_prevention else codes.EXPIRE_MAKER,
    )


def _time_in_force(intent: OrderIntent) -> int:
    if intent.time_in_force is TimeInForce.FOK:
        raise CapabilityError(f"{VENUE} has no fill-or-kill; it has gtc, gtd and ioc", venue=VENUE)
    # What fills at market never rests, whatever it says.
    if not intent.type.has_price or intent.time_in_force is TimeInForce.IOC:
        return codes.IMMEDIATE_OR_CANCEL
    return codes.POST_ONLY if intent.post_only else codes.GOOD_TILL_TIME


def _expiry(intent: OrderIntent, now: datetime, life: timedelta) -> int:
    """Return when the order ends, in milliseconds: the venue wants one of every order that rests or waits."""
    if not intent.type.has_trigger and _time_in_force(intent) == codes.IMMEDIATE_OR_CANCEL:
        return 0
    if intent.expires_at is None:
        return to_ms(now + life)
    ahead = intent.expires_at - now
    if not LEAST_ORDER_LIFE <= ahead <= MOST_ORDER_LIFE:
        msg = (
            f"expires_at={intent.expires_at.isoformat()} is {ahead.total_seconds():.0f} s from now; {VENUE} takes "
            "orders that end in 5 minutes to 30 days"
        )
        raise InvalidOrderError(msg, venue=VENUE)
    return to_ms(intent.expires_at)


def cancel(ref: OrderRef, listing: Listing) -> CancelOrder:
    """
    Encode a cancel, by the exchange's number where it is known, else by ours.

    Raises:
        InvalidOrderError: The id has not the venue's form. Nothing was sent.
    """
    return CancelOrder(market=listing.index, index=any_index(ref))


def modification(
    order: Order, amendment: OrderAmendment, listing: Listing, *, worst: Decimal | None = None
) -> ModifyOrder:
    """
    Encode a change to an open order. The venue wants size, price and trigger again, what changes and what doesn't; the
    size is the total, as in a new order.

    Args:
        worst: Of market types, the worst price accepted once triggered.

    Raises:
        InvalidOrderError: The order has no id of the venue's form, or a new value does not fit its type.
    """
    try:
        return _modification(order, amendment, listing, worst)
    except InvalidOrderError as error:
        error.client_order_id = error.client_order_id or order.client_order_id
        raise


def _modification(order: Order, amendment: OrderAmendment, listing: Listing, worst: Decimal | None) -> ModifyOrder:
    if amendment.price is not None and not order.type.has_price:
        raise InvalidOrderError(f"a {order.type} order has no price to amend", venue=VENUE)
    if amendment.trigger_price is not None and not order.type.has_trigger:
        raise InvalidOrderError(f"a {order.type} order has no trigger to amend", venue=VENUE)
    price = (amendment.price or order.price) if order.type.has_price else worst
    if price is None:
        raise InvalidOrderError(f"the price of the {order.type} order is not known; fetch it first", venue=VENUE)
    trigger = amendment.trigger_price or order.trigger_price
    if order.type.has_trigger and trigger is None:
        raise InvalidOrderError(f"the trigger of the {order.type} order is not known; fetch it first", venue=VENUE)
    return ModifyOrder(
        market=listing.index,
        index=order_index(order.venue_order_id) if order.venue_order_id else client_index(order.client_order_id),
        base_amount=_size(amendment.size or order.size, listing),
        price=_price(price, listing),
        trigger_price=_price(trigger, listing, "trigger_price") if trigger is not None else 0,
    )


def margin_fraction(leverage: Decimal, listing: Listing) -> int:
    """
    Return the initial margin that a leverage stands for, in 1e-4: 10,000 / leverage, rounded down.

    Raises:
        InvalidOrderError: It is above what the market allows, or below 1.
    """
    fraction = int(Decimal(10_000) / leverage)
    if leverage < 1 or fraction < listing.least_fraction:
        most = plain((Decimal(10_000) / listing.least_fraction).quantize(Decimal("0.01")))
        raise InvalidOrderError(f"leverage {plain(leverage)}: this market takes 1 to {most}", venue=VENUE)
    return fraction


def margin_change(amount: Decimal, listing: Listing) -> UpdateMargin:
    """
    Return what moves collateral behind an isolated position: added above zero, taken away below.

    Raises:
        InvalidOrderError: It is no whole number of millionths of a USDC. Nothing was sent.
    """
    moved = units(amount.copy_abs(), endpoints.USDC_DECIMALS, codes.MAX_USDC_AMOUNT, "amount")
    return UpdateMargin(listing.index, moved, codes.ADD if amount > 0 else codes.REMOVE)


def resolution(interval: timedelta) -> str:
    """
    Return a bar's length as ``GET /api/v1/candles`` takes it.

    Raises:
        CapabilityError: The venue has no bars of this length.
    """
    word = endpoints.RESOLUTIONS.get(interval)
    if word is None:
        known = ", ".join(endpoints.RESOLUTIONS.values())
        raise CapabilityError(f"no bars of {interval}; {VENUE} has {known}", venue=VENUE)
    return word
