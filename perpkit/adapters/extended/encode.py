"""
Orders and replacements to wire requests, unsigned. Pure: no keys, no clock, and nothing that the user gave is rounded.
What leaves here is what is signed and what is sent.

Field names and values: the SDK 2.6.0, ``x10/models/order.py`` and ``x10/signing/order_object.py``; the documentation's
'Price requirements' for the prices of what executes at market.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_FLOOR, Context, Decimal
from typing import Any, Final

from perpkit.adapters.extended import endpoints, schema
from perpkit.adapters.extended.config import VENUE
from perpkit.adapters.extended.signing import Terms, ToSign, Unsigned
from perpkit.core.errors import CapabilityError, InvalidOrderError
from perpkit.core.models import Market, OrderIntent, OrderType, PriceKind, Side, TimeInForce
from perpkit.core.quantize import plain, quantize_price
from perpkit.core.windows import ceil_ms

SIDES: Final[Mapping[Side, str]] = {Side.BUY: "BUY", Side.SELL: "SELL"}
PRICE_TYPES: Final[Mapping[PriceKind, str]] = {
    PriceKind.LAST: "LAST",
    PriceKind.MARK: "MARK",
    PriceKind.INDEX: "INDEX",
}
SELF_TRADE: Final[Mapping[str, str]] = {"disabled": "DISABLED", "account": "ACCOUNT", "client": "CLIENT"}

_ONE: Final = Decimal(1)
_BAND: Final = Decimal(endpoints.MARKET_ORDER_BAND)
_ZERO: Final = Decimal(0)
_WIDE: Final = Context(prec=60)
_COVERED_POSITIONS: Final = 50
"""A leg for a whole position signs so many times the largest position's value, as the SDK does, so as to cover it."""

OPTIONS: Final = frozenset(
    {
        "self_trade_protection",
        "take_profit_trigger",
        "take_profit_price",
        "take_profit_kind",
        "stop_loss_trigger",
        "stop_loss_price",
        "stop_loss_kind",
        "for_position",
    }
)
"""
Extended's own order options (``OrderIntent.options``); prices are decimals as text:

=====================  ================================================================================================
self_trade_protection  ``disabled``, ``account`` or ``client``, in place of the setting
take_profit_trigger    closes what this order opens when the price gets there; ``stop_loss_trigger`` the other way
take_profit_price      the leg's limit price; left out, it executes at market, within the venue's band of the trigger
take_profit_kind       which price triggers: ``mark`` (the default), ``last`` or ``index``
for_position           legs, or a reduce-only stop or take-profit order, are for the whole position and follow its size
=====================  ================================================================================================
"""


@dataclass(frozen=True, slots=True)
class Rates:
    """
    What an order costs at most.

    Attributes:
        fee: The account's own rate: the maker's for post-only orders, the taker's for all others.
        builder_id, builder_fee: On top; None where none was configured, and then neither is sent.
    """

    fee: Decimal
    builder_id: int | None = None
    builder_fee: Decimal | None = None

    @property
    def total(self) -> Decimal:
        """What is signed."""
        return self.fee + (self.builder_fee or _ZERO)


def new_order(
    intent: OrderIntent,
    market: Market,
    terms: Terms,
    *,
    rates: Rates,
    expires_at: datetime,
    self_trade_protection: str,
    worst_price: Decimal | None = None,
) -> Unsigned:
    """
    Encode a new order.

    Args:
        expires_at: When it expires, whatever its time in force; the venue wants one of each.
        worst_price: Of a market order, which carries one too.

    Raises:
        CapabilityError: The venue has no such time in force.
        InvalidOrderError: An option that doesn't exist or doesn't fit.
    """
    try:
        return _Encoding(intent, market, terms, rates, expires_at, self_trade_protection, worst_price).build()
    except (CapabilityError, InvalidOrderError) as error:
        error.client_order_id = error.client_order_id or intent.client_order_id
        raise


@dataclass(frozen=True, slots=True)
class _Encoding:
    """One order on its way to the wire."""

    intent: OrderIntent
    market: Market
    terms: Terms
    rates: Rates
    expires_at: datetime
    self_trade_protection: str
    worst_price: Decimal | None

    def build(self) -> Unsigned:
        intent = self.intent
        if unknown := sorted(set(intent.options) - OPTIONS):
            known = ", ".join(sorted(OPTIONS))
            msg = f"no order option {', '.join(unknown)} on {VENUE}; there are {known}"
            raise InvalidOrderError(msg, venue=VENUE)
        if intent.self_trade_prevention is not None:
            msg = f"{VENUE} does not say which order goes; use the option self_trade_protection"
            raise CapabilityError(msg, venue=VENUE)
        if intent.time_in_force is TimeInForce.FOK:
            raise CapabilityError(f"{VENUE} has no fok; it has gtc, gtd and ioc", venue=VENUE)
        whole_position = self._flag("for_position")
        if whole_position and intent.type.has_trigger:
            return self._position_order()
        price = self._price()
        body = {
            **self._common(),
            "type": "CONDITIONAL" if intent.type.has_trigger else self._plain_type(),
            "qty": plain(intent.size),
            "price": plain(price),
            "timeInForce": "IOC" if self._is_immediate() else "GTT",
        }
        if intent.type.has_trigger:
            body["trigger"] = self._trigger()
        legs = self._legs(whole_position=whole_position)
        if legs:
            body["tpSlType"] = "POSITION" if whole_position else "ORDER"
            body |= {name: leg for name, (leg, _) in legs.items()}
        elif whole_position:
            msg = "option for_position is for stop and take-profit orders, and for orders with such legs"
            raise InvalidOrderError(msg, venue=VENUE)
        main = ToSign(intent.side, intent.size, price, self.rates.total)
        covered = {name: covers for name, (_, covers) in legs.items()}
        return Unsigned(body, self.terms, main, covered, ceil_ms(self.expires_at))

    def _common(self) -> dict[str, Any]:
        intent, rates = self.intent, self.rates
        protection = self._word("self_trade_protection", SELF_TRADE) or SELF_TRADE[self.self_trade_protection]
        body: dict[str, Any] = {
            "id": intent.client_order_id,
            "market": self.market.symbol,
            "side": SIDES[intent.side],
            "reduceOnly": intent.reduce_only,
            "postOnly": intent.post_only,
            "fee": plain(rates.fee),
            "selfTradeProtectionLevel": protection,
        }
        if rates.builder_id is not None and rates.builder_fee is not None:
            body |= {"builderFee": plain(rates.builder_fee), "builderId": rates.builder_id}
        return body

    def _plain_type(self) -> str:
        return "MARKET" if self.intent.type is OrderType.MARKET else "LIMIT"

    def _is_immediate(self) -> bool:
        # What executes at market is an IOC limit order in the engine; a market order of another kind is error 1139.
        return not self.intent.type.has_price or self.intent.time_in_force is TimeInForce.IOC

    def _price(self) -> Decimal:
        """Return the worst price, which every order carries."""
        intent = self.intent
        if intent.price is not None:
            return intent.price
        if intent.trigger_price is not None:
            return self._bound(intent.trigger_price, intent.side)
        if self.worst_price is None:
            raise InvalidOrderError("a market order needs a worst price", venue=VENUE)
        return self.worst_price

    def _bound(self, trigger: Decimal, side: Side) -> Decimal:
        return trigger_bound(trigger, side, self.market, self.terms)

    def _trigger(self) -> dict[str, Any]:
        intent = self.intent
        if intent.trigger_price is None:
            raise InvalidOrderError(f"a {intent.type} order needs a trigger_price", venue=VENUE)
        is_stop = intent.type in {OrderType.STOP_MARKET, OrderType.STOP_LIMIT}
        # A buy stop waits for a rise and a sell stop for a fall; what takes profit waits for the opposite.
        goes_up = (intent.side is Side.BUY) == is_stop
        return {
            "triggerPrice": plain(intent.trigger_price),
            "triggerPriceType": PRICE_TYPES[intent.trigger_kind or PriceKind.MARK],
            "direction": "UP" if goes_up else "DOWN",
            "executionPriceType": "LIMIT" if intent.type.has_price else "MARKET",
        }

    # Legs

    def _legs(self, *, whole_position: bool) -> dict[str, tuple[dict[str, Any], ToSign]]:
        """Return the legs that the options ask for: what is sent of each, and what its signature covers."""
        found = {}
        for wire, option in (("takeProfit", "take_profit"), ("stopLoss", "stop_loss")):
            trigger = self._decimal(f"{option}_trigger")
            price, kind = self._decimal(f"{option}_price"), self._word(f"{option}_kind", _KINDS)
            if trigger is None:
                if price is not None or kind is not None:
                    raise InvalidOrderError(f"option {option}_trigger is missing", venue=VENUE)
                continue
            if self.intent.reduce_only:
                raise InvalidOrderError("a reduce-only order opens nothing that legs could close", venue=VENUE)
            found[wire] = self._leg(
                trigger, price, kind or "MARK", side=self.intent.side.opposite, whole_position=whole_position
            )
        return found

    def _leg(
        self, trigger: Decimal, price: Decimal | None, kind: str, *, side: Side, whole_position: bool
    ) -> tuple[dict[str, Any], ToSign]:
        worst = price if price is not None else self._bound(trigger, side)
        leg = {
            "triggerPrice": plain(trigger),
            "triggerPriceType": kind,
            "price": plain(worst),
            "priceType": "MARKET" if price is None else "LIMIT",
        }
        size = covering_size(self.terms, self.market, worst) if whole_position else self.intent.size
        return leg, ToSign(side, size, worst, self.rates.total)

    def _position_order(self) -> Unsigned:
        """Encode a stop or take-profit for the whole position: type TPSL, whose leg has the price and the signature."""
        intent = self.intent
        if not intent.reduce_only or intent.trigger_price is None:
            raise InvalidOrderError("option for_position is for reduce-only orders with a trigger", venue=VENUE)
        if any(name.startswith(("take_profit_", "stop_loss_")) for name in intent.options):
            raise InvalidOrderError("an order for the whole position has no legs of its own", venue=VENUE)
        leg, covered = self._leg(
            intent.trigger_price,
            intent.price,
            PRICE_TYPES[intent.trigger_kind or PriceKind.MARK],
            side=intent.side,
            whole_position=True,
        )
        name = "stopLoss" if intent.type in {OrderType.STOP_MARKET, OrderType.STOP_LIMIT} else "takeProfit"
        body = {
            **self._common(),
            "type": "TPSL",
            "qty": "0",
            "price": "0",
            "timeInForce": "GTT",
            "tpSlType": "POSITION",
            name: leg,
        }
        return Unsigned(body, self.terms, None, {name: covered}, ceil_ms(self.expires_at))

    # Options

    def _flag(self, name: str) -> bool:
        value = self.intent.options.get(name, False)
        if not isinstance(value, bool):
            raise InvalidOrderError(f"option {name} is true or false, not {value!r}", venue=VENUE)
        return value

    def _word(self, name: str, known: Mapping[str, str]) -> str | None:
        if name not in self.intent.options:
            return None
        value = self.intent.options[name]
        if not isinstance(value, str) or value not in known:
            raise InvalidOrderError(f"option {name} is one of {', '.join(known)}, not {value!r}", venue=VENUE)
        return known[value]

    def _decimal(self, name: str) -> Decimal | None:
        if name not in self.intent.options:
            return None
        value = self.intent.options[name]
        if not isinstance(value, str) or not _is_number(value):
            raise InvalidOrderError(f"option {name} is a decimal above zero as text, not {value!r}", venue=VENUE)
        number = Decimal(value)
        if number % self.market.tick_size:
            tick = plain(self.market.tick_size)
            raise InvalidOrderError(f"option {name} {value} is off tick {tick} for {self.market.id}", venue=VENUE)
        return number


_KINDS: Final[Mapping[str, str]] = {kind.value: word for kind, word in PRICE_TYPES.items()}


def _is_number(text: str) -> bool:
    return len(text) <= 40 and text.isascii() and text.replace(".", "", 1).isdecimal() and Decimal(text) > 0


def covering_size(terms: Terms, market: Market, price: Decimal) -> Decimal:
    """Return the size that a leg for a whole position signs: what no position exceeds, at the market's precision."""
    largest = _WIDE.divide(_WIDE.multiply(terms.max_position_value, Decimal(_COVERED_POSITIONS)), price)
    places = max(0, -int(market.step_size.normalize().as_tuple().exponent))
    return largest.quantize(Decimal(1).scaleb(-places), rounding=ROUND_FLOOR, context=_WIDE)


def trigger_bound(trigger: Decimal, side: Side, market: Market, terms: Terms) -> Decimal:
    """Return the worst price that the venue takes for what executes at market when a trigger price is touched."""
    share = _ONE + terms.price_cap if side is Side.BUY else _ONE - terms.price_floor
    return quantize_price(_WIDE.multiply(trigger, share), market, side, passive=True)


def market_bound(intent: OrderIntent, market: Market, stats: schema.MarketStats, slippage: Decimal) -> Decimal:
    """
    Return the worst price of a market order: so far beyond the best opposite quote, inside the venue's band around the
    mark price, rounded toward the quote.

    Raises:
        InvalidOrderError: There is no quote to start from. Nothing was sent.
    """
    buying = intent.side is Side.BUY
    best, mark = stats.ask_price if buying else stats.bid_price, stats.mark_price
    if best is None or best <= _ZERO:
        what = "asks" if buying else "bids"
        msg = f"{market.id} has no {what} now, so a market order has no price to be bounded by; send a limit order"
        raise InvalidOrderError(msg, venue=VENUE, client_order_id=intent.client_order_id)
    sign = intent.side.sign
    worst = _WIDE.multiply(best, _ONE + slippage * sign)
    if mark is not None and mark > _ZERO:
        edge = _WIDE.multiply(mark, _ONE + _BAND * sign)
        worst = min(worst, edge) if buying else max(worst, edge)
    return quantize_price(worst, market, intent.side, passive=True)


def replacement(
    row: schema.Order,
    market: Market,
    terms: Terms,
    *,
    external_id: str,
    side: Side,
    size: Decimal,
    price: Decimal,
    trigger_price: Decimal | None,
    rates: Rates,
    expires_at: datetime,
    self_trade_protection: str,
) -> Unsigned:
    """
    Encode an order that takes the place of another: the old one's row, with what changes.

    Args:
        external_id: The new order's own; the old one is named by its external id too (``cancelId``).
        size: Of the new order: its fills are counted from zero.
    """
    body: dict[str, Any] = {
        "id": external_id,
        "market": market.symbol,
        "type": row.type,
        "side": row.side,
        "qty": plain(size),
        "price": plain(price),
        "reduceOnly": row.reduce_only,
        "postOnly": row.post_only,
        "timeInForce": row.time_in_force or "GTT",
        "fee": plain(rates.fee),
        "selfTradeProtectionLevel": SELF_TRADE[self_trade_protection],
        "cancelId": row.external_id,
    }
    if rates.builder_id is not None and rates.builder_fee is not None:
        body |= {"builderFee": plain(rates.builder_fee), "builderId": rates.builder_id}
    if row.trigger is not None and trigger_price is not None:
        body["trigger"] = {
            "triggerPrice": plain(trigger_price),
            "triggerPriceType": row.trigger.trigger_price_type or "MARK",
            "direction": row.trigger.direction or row.trigger.trigger_price_direction,
            "executionPriceType": row.trigger.execution_price_type or "LIMIT",
        }
    legs = {}
    for name, leg in (("takeProfit", row.take_profit), ("stopLoss", row.stop_loss)):
        if leg is not None and leg.price is not None:
            body[name] = {
                "triggerPrice": plain(leg.trigger_price),
                "triggerPriceType": leg.trigger_price_type or "MARK",
                "price": plain(leg.price),
                "priceType": leg.price_type or "LIMIT",
            }
            covered = covering_size(terms, market, leg.price) if row.tp_sl_type == "POSITION" else size
            legs[name] = ToSign(side.opposite, covered, leg.price, rates.total)
    if legs:
        body["tpSlType"] = row.tp_sl_type or "ORDER"
    return Unsigned(body, terms, ToSign(side, size, price, rates.total), legs, ceil_ms(expires_at))


def candle_interval(interval: timedelta) -> str:
    """
    Return a bar's length as the venue writes it.

    Raises:
        CapabilityError: The venue has no bars of this length.
    """
    word = endpoints.CANDLE_INTERVALS.get(interval)
    if word is None:
        known = ", ".join(str(each) for each in endpoints.CANDLE_INTERVALS)
        raise CapabilityError(f"no bars of {interval}; {VENUE} has {known}", venue=VENUE)
    return word
