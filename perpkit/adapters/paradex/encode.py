"""
Orders and amendments to wire requests, unsigned. Pure: no keys, no clock, nothing rounded. What leaves here is what
is signed and what is sent.

Field names and values: OpenAPI 1.132 ``requests.OrderRequest``, ``requests.ModifyOrderRequest`` and
``responses.{OrderType, OrderInstruction, OrderFlag, STPMode}``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Context, Decimal
from typing import Any, Final

from perpkit.adapters.paradex import endpoints
from perpkit.adapters.paradex.config import VENUE
from perpkit.core.errors import CapabilityError, InvalidOrderError
from perpkit.core.models import (
    Market,
    Order,
    OrderAmendment,
    OrderIntent,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from perpkit.core.models.order import OptionValue
from perpkit.core.quantize import plain
from perpkit.core.windows import ceil_ms

SIDES: Final[Mapping[Side, str]] = {Side.BUY: "BUY", Side.SELL: "SELL"}

ORDER_TYPES: Final[Mapping[OrderType, str]] = {
    OrderType.MARKET: "MARKET",
    OrderType.LIMIT: "LIMIT",
    OrderType.STOP_MARKET: "STOP_MARKET",
    OrderType.STOP_LIMIT: "STOP_LIMIT",
    OrderType.TAKE_PROFIT_MARKET: "TAKE_PROFIT_MARKET",
    OrderType.TAKE_PROFIT_LIMIT: "TAKE_PROFIT_LIMIT",
}

STOP_LOSS_TYPES: Final[Mapping[OrderType, str]] = {
    OrderType.STOP_MARKET: "STOP_LOSS_MARKET",
    OrderType.STOP_LIMIT: "STOP_LOSS_LIMIT",
}
"""The venue's other stop, tied to a position: option ``stop_loss``."""

STP_MODES: Final[Mapping[SelfTradePrevention, str]] = {
    SelfTradePrevention.EXPIRE_MAKER: "EXPIRE_MAKER",
    SelfTradePrevention.EXPIRE_TAKER: "EXPIRE_TAKER",
    SelfTradePrevention.EXPIRE_BOTH: "EXPIRE_BOTH",
}

_WIDE = Context(prec=60)
_QUANTUM_PLACES: Final = 8
"""Sizes and prices are signed as whole numbers of 10^-8."""


def quantums(value: Decimal, name: str) -> int:
    """
    Return a size or price as the whole number that is signed.

    Raises:
        InvalidOrderError: It has more than 8 decimals, so what would be signed is not what would be sent.
    """
    scaled = value.scaleb(_QUANTUM_PLACES, _WIDE)
    whole = int(scaled)
    if whole != scaled or len(value.as_tuple().digits) > _WIDE.prec:
        raise InvalidOrderError(f"{name} {plain(value)} has more than {_QUANTUM_PLACES} decimals", venue=VENUE)
    return whole


@dataclass(frozen=True, slots=True)
class Unsigned:
    """
    A request without its signature, and the numbers that are signed.

    Attributes:
        body: What is sent, in order, without ``signature`` and ``signature_timestamp``.
        order_id: The venue's id for a modification, None for a new order.
    """

    body: dict[str, Any]
    market: str
    side: str
    type: str
    size: int
    price: int
    order_id: str | None = None

    def signed(self, timestamp_ms: int, signature: str) -> dict[str, Any]:
        """Return the body with its signature."""
        return {**self.body, "signature": signature, "signature_timestamp": timestamp_ms}


def _flag_option(name: str, value: OptionValue) -> bool:
    if not isinstance(value, bool):
        raise InvalidOrderError(f"option {name} is true or false, not {value!r}", venue=VENUE)
    return value


def _text_option(name: str, value: OptionValue, check: Callable[[str], bool], form: str) -> str:
    if not isinstance(value, str) or not check(value):
        raise InvalidOrderError(f"option {name} must be {form}, not {value!r}", venue=VENUE)
    return value


OPTIONS: Final = frozenset(
    {"rpi", "stop_loss", "trigger_condition", "interactive", "vwap_price", "dime_discount", "on_behalf_of_account"}
)
"""
Paradex's own order options (``OrderIntent.options``):

====================  =================================================================================================
rpi                   instruction ``RPI``: retail price improvement, limit orders only
stop_loss             a stop as the venue's ``STOP_LOSS_…``, tied to the position, instead of ``STOP_…``; reduce-only
trigger_condition     ``above`` or ``below``: on which side of the trigger price it fires, instead of the venue's choice
interactive           marks the order as entered by hand
vwap_price            a market order's volume-weighted target price, with its flag
dime_discount         pay fees in DIME with its discount
on_behalf_of_account  the isolated-margin account that the order is for
====================  =================================================================================================
"""

_CONDITIONS: Final = {"above": "STOP_CONDITION_ABOVE_TRIGGER", "below": "STOP_CONDITION_BELOW_TRIGGER"}


def new_order(intent: OrderIntent, market: Market, *, recv_window: timedelta | None = None) -> Unsigned:
    """
    Encode a new order.

    Args:
        recv_window: How long after signing the venue may still accept it, where the intent sets no bound of its own.

    Raises:
        CapabilityError: The venue has no such time in force or trigger. Nothing was sent.
        InvalidOrderError: An option that doesn't exist or doesn't fit, or a window below the venue's least.
    """
    try:
        return _new_order(intent, market, recv_window)
    except (CapabilityError, InvalidOrderError) as error:
        error.client_order_id = intent.client_order_id
        raise


def _new_order(intent: OrderIntent, market: Market, recv_window: timedelta | None) -> Unsigned:
    unknown = sorted(set(intent.options) - OPTIONS)
    if unknown:
        known = ", ".join(sorted(OPTIONS))
        raise InvalidOrderError(f"no order option {', '.join(unknown)} on {VENUE}; there are {known}", venue=VENUE)
    if intent.max_slippage is not None:
        msg = "max_slippage is turned into a limit price before an order gets here"
        raise InvalidOrderError(msg, venue=VENUE)
    if intent.trigger_kind is not None:
        msg = f"{VENUE} chooses which price a trigger watches; leave trigger_kind out"
        raise CapabilityError(msg, venue=VENUE)
    kind = _order_type(intent)
    body: dict[str, Any] = {
        "market": market.symbol,
        "side": SIDES[intent.side],
        "type": kind,
        "size": plain(intent.size),
        # Required, and "0" for market types (AsyncAPI `order.create`).
        "price": plain(intent.price) if intent.price is not None else "0",
        "instruction": _instruction(intent),
    }
    if intent.client_order_id is not None:
        body["client_id"] = intent.client_order_id
    if intent.trigger_price is not None:
        body["trigger_price"] = plain(intent.trigger_price)
    if flags := _flags(intent):
        body["flags"] = flags
    if intent.self_trade_prevention is not None:
        body["stp"] = STP_MODES[intent.self_trade_prevention]
    window = intent.accept_within if intent.accept_within is not None else recv_window
    if window is not None:
        body["recv_window"] = _window_ms(window)
    _put_options(body, intent)
    return Unsigned(
        body=body,
        market=market.symbol,
        side=body["side"],
        type=kind,
        size=quantums(intent.size, "size"),
        price=quantums(intent.price, "price") if intent.price is not None else 0,
    )


def _order_type(intent: OrderIntent) -> str:
    if not _flag_option("stop_loss", intent.options.get("stop_loss", False)):
        return ORDER_TYPES[intent.type]
    if intent.type not in STOP_LOSS_TYPES or not intent.reduce_only:
        msg = f"option stop_loss is for reduce-only stop orders, not {intent.type}"
        raise InvalidOrderError(msg, venue=VENUE)
    return STOP_LOSS_TYPES[intent.type]


def _instruction(intent: OrderIntent) -> str:
    if intent.time_in_force in {TimeInForce.FOK, TimeInForce.GTD}:
        msg = f"{VENUE} has no {intent.time_in_force}; it has gtc and ioc"
        raise CapabilityError(msg, venue=VENUE)
    if _flag_option("rpi", intent.options.get("rpi", False)):
        if not intent.type.has_price or intent.post_only or intent.time_in_force is not TimeInForce.GTC:
            msg = "option rpi is for plain limit orders: without post_only and with time_in_force gtc"
            raise InvalidOrderError(msg, venue=VENUE)
        return "RPI"
    if intent.post_only:
        return "POST_ONLY"
    # A market order never rests, whatever it says; GTC is what the official SDK sends with one.
    return "IOC" if intent.time_in_force is TimeInForce.IOC and intent.type.has_price else "GTC"


def _flags(intent: OrderIntent) -> list[str]:
    flags = ["REDUCE_ONLY"] if intent.reduce_only else []
    if "trigger_condition" in intent.options:
        condition = intent.options["trigger_condition"]
        side = _text_option("trigger_condition", condition, _CONDITIONS.__contains__, "'above' or 'below'")
        if not intent.type.has_trigger:
            raise InvalidOrderError("option trigger_condition is for orders with a trigger", venue=VENUE)
        flags.append(_CONDITIONS[side])
    if _flag_option("interactive", intent.options.get("interactive", False)):
        flags.append("INTERACTIVE")
    if "vwap_price" in intent.options:
        flags.append("TARGET_STRATEGY_VWAP")
    return flags


def _window_ms(window: timedelta) -> int:
    milliseconds = window // timedelta(milliseconds=1)
    if milliseconds < 10:
        msg = f"accept_within {window} is below the venue's least of 10 ms"
        raise InvalidOrderError(msg, venue=VENUE)
    return milliseconds


def _put_options(body: dict[str, Any], intent: OrderIntent) -> None:
    options = intent.options
    if "vwap_price" in options:
        text = _text_option("vwap_price", options["vwap_price"], _is_positive_number, "a decimal above zero as text")
        if intent.type is not OrderType.MARKET:
            raise InvalidOrderError("option vwap_price is for market orders", venue=VENUE)
        body["vwap_price"] = text
    if "dime_discount" in options:
        body["dime_discount"] = _flag_option("dime_discount", options["dime_discount"])
    if "on_behalf_of_account" in options:
        account = options["on_behalf_of_account"]
        body["on_behalf_of_account"] = _text_option("on_behalf_of_account", account, _is_address, "a 0x… address")


def _is_positive_number(text: str) -> bool:
    return text.replace(".", "", 1).isdecimal() and text.isascii() and Decimal(text) > 0


def _is_address(text: str) -> bool:
    digits = text.removeprefix("0x")
    return text.startswith("0x") and bool(digits) and set(digits) <= set("0123456789abcdefABCDEF")


def wire_type(order: Order) -> str:
    """Return the venue's word for the type of an order that stands there."""
    return ORDER_TYPES[order.type]


def modification(order: Order, amendment: OrderAmendment, market: Market, *, kind: str | None = None) -> Unsigned:
    """
    Encode a change to an open order. The venue wants all of it again, what changes and what doesn't; size is the total.

    Args:
        kind: The venue's own word for the order's type, where it is known (a ``STOP_LOSS_…`` reads as a stop here).

    Raises:
        InvalidOrderError: The order has no venue id, a new value does not fit its type, or a limit order's price is not
            known.
    """
    if order.venue_order_id is None:
        msg = "an order can be amended once the venue's id of it is known"
        raise InvalidOrderError(msg, venue=VENUE, client_order_id=order.client_order_id)
    if amendment.price is not None and not order.type.has_price:
        msg = f"a {order.type} order has no price to amend"
        raise InvalidOrderError(msg, venue=VENUE, client_order_id=order.client_order_id)
    if amendment.trigger_price is not None and not order.type.has_trigger:
        msg = f"a {order.type} order has no trigger to amend"
        raise InvalidOrderError(msg, venue=VENUE, client_order_id=order.client_order_id)
    size = amendment.size if amendment.size is not None else order.size
    price = amendment.price if amendment.price is not None else order.price
    trigger = amendment.trigger_price if amendment.trigger_price is not None else order.trigger_price
    if not order.type.has_price:
        price = Decimal(0)
    elif price is None:
        # What is left out would be signed as zero: sell at any price.
        msg = f"the price of this {order.type} order is not known; fetch the order before amending it"
        raise InvalidOrderError(msg, venue=VENUE, client_order_id=order.client_order_id)
    word = kind or wire_type(order)
    body: dict[str, Any] = {
        "id": order.venue_order_id,
        "market": market.symbol,
        "side": SIDES[order.side],
        "type": word,
        "size": plain(size),
        "price": plain(price),
    }
    if order.type.has_trigger and trigger is not None:
        body["trigger_price"] = plain(trigger)
    return Unsigned(
        body=body,
        market=market.symbol,
        side=body["side"],
        type=word,
        size=quantums(size, "size"),
        price=quantums(price, "price"),
        order_id=order.venue_order_id,
    )


def window(since: datetime | None, until: datetime | None) -> dict[str, int]:
    """Return the query of a half-open period. The venue's ``end_at`` includes its millisecond, our end doesn't."""
    query: dict[str, int] = {}
    if since is not None:
        query["start_at"] = ceil_ms(since)
    if until is not None:
        query["end_at"] = ceil_ms(until) - 1
    return query


def resolution(interval: timedelta) -> str:
    """
    Return a bar's length in minutes, as ``GET /markets/klines`` takes it.

    Raises:
        CapabilityError: The venue has no bars of this length.
    """
    minutes, rest = divmod(interval, timedelta(minutes=1))
    if rest or minutes not in endpoints.KLINE_MINUTES:
        known = ", ".join(map(str, endpoints.KLINE_MINUTES))
        raise CapabilityError(f"no bars of {interval}; {VENUE} has {known} minutes", venue=VENUE)
    return str(minutes)
