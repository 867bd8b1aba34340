"""
To tick and step: the one place that rounds orders, always in Decimal and always in a direction that is named.

``check_*`` refuse what is off the market's grid or outside its limits and change nothing but the spelling of a number;
``quantize_*`` round first (prices toward the passive side, sizes down) and check then. What leaves here is what is
signed and sent. Nothing here reads a clock or does I/O.
"""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import NoReturn, TypeVar

from perpkit.core.errors import InvalidOrderError
from perpkit.core.models.market import Market, MarketStatus
from perpkit.core.models.order import Order, OrderAmendment, OrderIntent, OrderType, Side

_EXACT = Context(prec=120)
"""Wide enough that grid arithmetic on any real price or size is exact, whatever context the caller has set."""

_MOST_DIGITS = 60
"""More than any market holds; a number beyond is a mistake, and would leave the exact context."""

_ONE = Decimal(1)
_CLOSED = {
    MarketStatus.HALTED: "is halted",
    MarketStatus.SETTLED: "is settled or not yet open",
    MarketStatus.CANCEL_ONLY: "takes only cancels now",
}


T = TypeVar("T", OrderIntent, OrderAmendment)

# Numbers


def canonical(value: Decimal) -> Decimal:
    """
    Return the same number in its one spelling: no trailing zeros, no positive exponent.

    ``str()`` of a very small Decimal still writes an exponent; :func:`plain` does not.
    """
    trimmed = value.normalize(_EXACT)
    exponent = trimmed.as_tuple().exponent
    return trimmed.quantize(_ONE, context=_EXACT) if isinstance(exponent, int) and exponent > 0 else trimmed


def plain(value: Decimal) -> str:
    """Return the canonical text of a number, never with an exponent: what goes into messages and onto wires."""
    return format(canonical(value), "f")


def _multiple(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    """Return the multiple of ``step`` next to ``value`` in a direction."""
    steps = _EXACT.divide_int(value, step)
    below = _EXACT.multiply(steps, step)
    if rounding == ROUND_CEILING and below != value:
        below = _EXACT.add(below, step)
    return canonical(below)


def _least_common_multiple(first: Decimal, second: Decimal) -> Decimal:
    """Return the smallest number that is a whole multiple of both."""
    places = max(0, *(-int(number.as_tuple().exponent) for number in (first, second)))
    whole = (int(_EXACT.scaleb(number, places)) for number in (first, second))
    return _EXACT.scaleb(Decimal(math.lcm(*whole)), -places)


# The price grid


def _price_step(decade: int, market: Market) -> Decimal:
    """
    Return the price step between 10^decade and 10^(decade+1).

    Where a venue limits a price's significant figures the step grows with the price, but never past 1: whole prices
    pass such a limit.
    """
    figures = market.price_significant_figures
    if figures is None:
        return market.tick_size
    return _least_common_multiple(market.tick_size, Decimal(1).scaleb(min(0, decade - figures + 1)))


def floor_price(price: Decimal, market: Market) -> Decimal | None:
    """Return the highest price the market's grid has at or below ``price``; None when there is none above zero."""
    limit, decade = price, price.adjusted()
    while True:
        step = _price_step(decade, market)
        found = _multiple(limit, step, ROUND_FLOOR)
        if found > 0 and (found.adjusted() >= decade or step == market.tick_size):
            return found
        if step == market.tick_size:
            return None
        # No multiple of the coarse step down to the decade's start: the finer grid beneath may hold one.
        limit, decade = Decimal(1).scaleb(decade), decade - 1


def ceil_price(price: Decimal, market: Market) -> Decimal:
    """Return the lowest price the market's grid has at or above ``price``."""
    found = price
    while True:
        step = _price_step(found.adjusted(), market)
        above = _multiple(found, step, ROUND_CEILING)
        if above == found:
            return canonical(above)
        # Rounding up may enter a decade with a coarser step; look again from there.
        found = above


def quantize_price(
    price: Decimal, market: Market, side: Side, *, passive: bool = True, operation: str = "place_order"
) -> Decimal:
    """
    Bring a price onto the market's grid.

    Args:
        passive: Away from the other side, so a buy goes down and a sell up: never worse than asked. False rounds the
            other way, for a bound that must not become tighter than asked.

    Returns:
        A canonical price that the market accepts.

    Raises:
        InvalidOrderError: No positive finite price, or a buy below the first tick.
    """
    _require_positive("price", price, market, operation)
    if (side is Side.BUY) is not passive:
        return ceil_price(price, market)
    found = floor_price(price, market)
    if found is None:
        _refuse(
            f"price {plain(price)} is below one tick {plain(market.tick_size)} for {market.id}; "
            f"nearest {plain(ceil_price(price, market))}",
            market,
            operation,
        )
    return found


# The size grid


def quantize_size(size: Decimal, market: Market, *, operation: str = "place_order") -> Decimal:
    """
    Bring a size onto the market's step, down: never more than asked.

    Raises:
        InvalidOrderError: No positive finite size, or less than one step.
    """
    _require_positive("size", size, market, operation)
    found = _multiple(size, market.step_size, ROUND_FLOOR)
    if not found:
        _refuse(
            f"size {plain(size)} is below one step {plain(market.step_size)} for {market.id}; "
            f"nearest {plain(smallest_size(market))}",
            market,
            operation,
        )
    return found


def smallest_size(market: Market, price: Decimal | None = None) -> Decimal:
    """Return the smallest size on the step that the market takes; at ``price``, where its least notional counts too."""
    least = market.min_size or market.step_size
    if price is not None and market.min_notional:
        by_notional = _EXACT.divide(market.min_notional, price)
        candidate = _multiple(by_notional, market.step_size, ROUND_CEILING)
        least = max(least, candidate)
    return _multiple(least, market.step_size, ROUND_CEILING)


def largest_size(market: Market) -> Decimal | None:
    """Return the largest size on the step that one order may have; None where the market sets no limit."""
    return None if market.max_size is None else _multiple(market.max_size, market.step_size, ROUND_FLOOR)


# Whole orders


def check_intent(
    intent: OrderIntent, market: Market, *, reference: Decimal | None = None, operation: str = "place_order"
) -> OrderIntent:
    """
    Refuse an order that its market would not accept; round nothing.

    Args:
        reference: The mark price, for what the order itself does not tell: the notional of a market order, and the
            middle of the price band. None leaves those two unchecked, for the venue to judge.

    Returns:
        The same order with its numbers in canonical spelling.

    Raises:
        InvalidOrderError: Names the value, the rule and the nearest good values. Nothing was sent.
    """
    if intent.market_id != market.id:
        _refuse(f"the order is for {intent.market_id}, not {market.id}", market, operation, intent.client_order_id)
    _check_status(intent, market, operation)
    price = intent.price
    if price is not None:
        _check_on_grid("price", price, market, operation, intent.client_order_id)
        _check_band(price, market, reference, operation, intent.client_order_id)
    if intent.trigger_price is not None:
        _check_on_grid("trigger_price", intent.trigger_price, market, operation, intent.client_order_id)
    # Venues take the notional at the order's price or at their mark: refuse only what is too little by both.
    known = [value for value in (price or intent.trigger_price, reference) if value is not None]
    _check_size(intent.size, market, max(known, default=None), operation, intent.client_order_id)
    return _respelled(intent)


def quantize_intent(
    intent: OrderIntent, market: Market, *, reference: Decimal | None = None, operation: str = "place_order"
) -> OrderIntent:
    """
    Bring an order onto its market's grid, then check it as :func:`check_intent` does.

    The price goes toward the passive side, the size down, and a trigger price so that it never fires earlier than
    asked. An order that is already good comes back equal, so doing it twice changes nothing.

    Raises:
        InvalidOrderError: It stays outside the market's limits. Nothing was sent.
    """
    changes: dict[str, Decimal] = {"size": quantize_size(intent.size, market, operation=operation)}
    if intent.price is not None:
        changes["price"] = quantize_price(intent.price, market, intent.side, operation=operation)
    if intent.trigger_price is not None:
        changes["trigger_price"] = quantize_price(
            intent.trigger_price, market, intent.side, passive=not _is_stop(intent.type), operation=operation
        )
    if any(getattr(intent, name) != value for name, value in changes.items()):
        intent = intent.replace(**changes)
    return check_intent(intent, market, reference=reference, operation=operation)


def check_amendment(
    amendment: OrderAmendment, order: Order, market: Market, *, operation: str = "amend_order"
) -> OrderAmendment:
    """
    Refuse a change that the market would not accept, or that asks for no more than is already filled.

    Raises:
        InvalidOrderError: Names the value, the rule and the nearest good values. Nothing was sent.
    """
    client_order_id = order.client_order_id
    if amendment.order.market_id != market.id:
        _refuse(f"the amendment is for {amendment.order.market_id}, not {market.id}", market, operation)
    if market.status in _CLOSED:
        _refuse(f"{market.id} {_CLOSED[market.status]}; only cancel", market, operation, client_order_id)
    if amendment.price is not None:
        _check_on_grid("price", amendment.price, market, operation, client_order_id)
    if amendment.trigger_price is not None:
        _check_on_grid("trigger_price", amendment.trigger_price, market, operation, client_order_id)
    size = order.size if amendment.size is None else amendment.size
    if size <= order.filled_size:
        _refuse(
            f"size {plain(size)} is not above the {plain(order.filled_size)} already filled of the order on "
            f"{market.id}; cancel it instead",
            market,
            operation,
            client_order_id,
        )
    _check_size(size, market, amendment.price or order.price or order.trigger_price, operation, client_order_id)
    return _respelled(amendment)


def quantize_amendment(
    amendment: OrderAmendment, order: Order, market: Market, *, operation: str = "amend_order"
) -> OrderAmendment:
    """
    Bring a change onto the market's grid in the directions of :func:`quantize_intent`, then check it.

    Raises:
        InvalidOrderError: It stays outside the market's limits. Nothing was sent.
    """
    changes: dict[str, Decimal] = {}
    if amendment.size is not None:
        changes["size"] = quantize_size(amendment.size, market, operation=operation)
    if amendment.price is not None:
        changes["price"] = quantize_price(amendment.price, market, order.side, operation=operation)
    if amendment.trigger_price is not None:
        changes["trigger_price"] = quantize_price(
            amendment.trigger_price, market, order.side, passive=not _is_stop(order.type), operation=operation
        )
    return check_amendment(amendment.replace(**changes), order, market, operation=operation)


def _is_stop(kind: OrderType) -> bool:
    """A buy stop waits for a rise, so later is up; a buy take-profit waits for a fall, so later is down."""
    return kind in {OrderType.STOP_MARKET, OrderType.STOP_LIMIT}


def _respelled(item: T) -> T:
    """Return the item with canonical numbers; the very same one where they are so already."""
    changes = {}
    for name in ("size", "price", "trigger_price"):
        value = getattr(item, name)
        if value is not None and value.as_tuple() != (spelled := canonical(value)).as_tuple():
            changes[name] = spelled
    # The same numbers in another spelling need no second validation.
    return item.trusted_replace(**changes) if changes else item


# The single checks


def _check_status(intent: OrderIntent, market: Market, operation: str) -> None:
    if market.status in _CLOSED:
        _refuse(
            f"{market.id} {_CLOSED[market.status]}; no order can be placed", market, operation, intent.client_order_id
        )
    if market.status is MarketStatus.POST_ONLY and not intent.post_only:
        _refuse(
            f"{market.id} takes only post-only orders now; set post_only", market, operation, intent.client_order_id
        )
    if market.status is MarketStatus.REDUCE_ONLY and not intent.reduce_only:
        _refuse(
            f"{market.id} takes only reduce-only orders now; set reduce_only",
            market,
            operation,
            intent.client_order_id,
        )


def _check_on_grid(what: str, price: Decimal, market: Market, operation: str, client_order_id: str | None) -> None:
    _require_positive(what, price, market, operation, client_order_id)
    below = floor_price(price, market)
    if below == price:
        return
    on_tick = _multiple(price, market.tick_size, ROUND_FLOOR) == price
    rule = (
        f"has more than {market.price_significant_figures} significant figures"
        if on_tick
        else f"is off tick {plain(market.tick_size)}"
    )
    good = " or ".join(plain(value) for value in (below, ceil_price(price, market)) if value is not None)
    _refuse(f"{what} {plain(price)} {rule} for {market.id}; nearest {good}", market, operation, client_order_id)


def _check_band(
    price: Decimal, market: Market, reference: Decimal | None, operation: str, client_order_id: str | None
) -> None:
    if market.price_band is None or reference is None:
        return
    _require_positive("reference price", reference, market, operation, client_order_id)
    low = _EXACT.multiply(reference, max(_EXACT.subtract(_ONE, market.price_band), Decimal(0)))
    high = _EXACT.multiply(reference, _EXACT.add(_ONE, market.price_band))
    if low <= price <= high:
        return
    nearest = floor_price(high, market) if price > high else ceil_price(low, market)
    side = f"above {plain(high)}" if price > high else f"below {plain(low)}"
    advice = f"; nearest {plain(nearest)}" if nearest is not None else ""
    _refuse(
        f"price {plain(price)} is {side}, {plain(market.price_band)} away from the reference {plain(reference)}, "
        f"for {market.id}{advice}",
        market,
        operation,
        client_order_id,
    )


def _check_size(
    size: Decimal, market: Market, worth: Decimal | None, operation: str, client_order_id: str | None
) -> None:
    """Check step, minimum, maximum and, where a price is known, the least notional."""
    _require_positive("size", size, market, operation, client_order_id)
    if worth is not None:
        _require_positive("reference price", worth, market, operation, client_order_id)
    problem = _size_problem(size, market, worth)
    if problem is None:
        return
    least, most = smallest_size(market, worth), largest_size(market)
    if most is not None and least > most:
        advice = f"no size is good here: the least is {plain(least)}, the largest {plain(most)}"
    else:
        below = max(_multiple(size, market.step_size, ROUND_FLOOR), least)
        above = max(_multiple(size, market.step_size, ROUND_CEILING), least)
        good = {below, above} if most is None else {min(below, most), min(above, most)}
        advice = "nearest " + " or ".join(plain(value) for value in sorted(good))
    _refuse(f"size {plain(size)} {problem} for {market.id}; {advice}", market, operation, client_order_id)


def _size_problem(size: Decimal, market: Market, worth: Decimal | None) -> str | None:
    if _multiple(size, market.step_size, ROUND_FLOOR) != size:
        return f"is off step {plain(market.step_size)}"
    if market.min_size is not None and size < market.min_size:
        return f"is below the minimum {plain(market.min_size)}"
    if market.max_size is not None and size > market.max_size:
        return f"is above the maximum {plain(market.max_size)}"
    if worth is not None and market.min_notional is not None and _EXACT.multiply(size, worth) < market.min_notional:
        return f"at {plain(worth)} is worth less than the minimum notional {plain(market.min_notional)}"
    return None


def _require_positive(
    what: str, value: Decimal, market: Market, operation: str, client_order_id: str | None = None
) -> None:
    if not value.is_finite() or value <= 0:
        _refuse(f"{what} {value} for {market.id} is not a number above zero", market, operation, client_order_id)
    if len(value.as_tuple().digits) > _MOST_DIGITS or abs(value.adjusted()) > _MOST_DIGITS:
        _refuse(
            f"{what} for {market.id} has more than {_MOST_DIGITS} digits; no market holds such a number",
            market,
            operation,
            client_order_id,
        )


def _refuse(message: str, market: Market, operation: str, client_order_id: str | None = None) -> NoReturn:
    raise InvalidOrderError(message, venue=market.venue, operation=operation, client_order_id=client_order_id)
