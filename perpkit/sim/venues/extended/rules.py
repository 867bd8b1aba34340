"""
What the gateway refuses before an order is taken: the market's rules, the signatures, the account's limits.

What passes here is answered with an id; the engine decides after that and tells on the account stream.
"""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING

from perpkit.sim.money import ZERO, divide, is_multiple, places
from perpkit.sim.orders import Order, OrderState, Side
from perpkit.sim.venues.extended.accounts import LocalAccount
from perpkit.sim.venues.extended.errors import Code
from perpkit.sim.venues.extended.listing import Listing
from perpkit.sim.venues.extended.orders import Leg, ParsedOrder, Signed, order_error
from perpkit.sim.venues.extended.settlement import Terms

if TYPE_CHECKING:
    from perpkit.sim.venues.extended.venue import Venue

MARKET_BAND = Decimal("0.05")
"""How far from the mark price the price of a market order may be."""
POSITION_COVER = 50
"""A leg for the whole position is signed for so many times the largest position."""


def check_market_rules(venue: Venue, order: ParsedOrder, listing: Listing) -> None:
    """
    Hold an order against its market: steps, least size, values, price bands, expiry.

    Raises:
        ApiError: 1120 to 1125, 1135, 1141.
    """
    if order.qty or order.tpsl_type != "POSITION":
        _check_qty(order.qty, listing)
    if order.type != "TPSL":
        _check_price(order.price, listing, "price")
        _check_value(order, listing)
        _check_band(venue, order, listing)
    for name, leg in order.legs:
        _check_price(leg.price, listing, f"{name}.price")
        _check_price(leg.trigger_price, listing, f"{name}.triggerPrice")
    if order.trigger is not None:
        _check_price(order.trigger.price, listing, "trigger.triggerPrice")
    _check_leg_prices(order, listing)
    _check_expiry(venue, order)


def check_fee(venue: Venue, account: LocalAccount, order: ParsedOrder, builder_cap: Decimal) -> None:
    """
    Hold the highest fee that the order accepts against what the account pays.

    Raises:
        ApiError: 1128.
    """
    rates = venue.exchange.fee_rates(account.account_id, order.market)
    due = rates.maker if order.post_only else rates.taker
    if order.fee < due:
        raise order_error(Code.INVALID_FEE, "Invalid fee", f"fee {order.fee} is below the account's rate of {due}")
    if not ZERO <= order.builder_fee <= builder_cap:
        raise order_error(Code.INVALID_FEE, "Invalid fee", f"builderFee {order.builder_fee} is above {builder_cap}")


def check_signatures(venue: Venue, account: LocalAccount, order: ParsedOrder, listing: Listing) -> int | None:
    """
    Recompute what was signed, for the order and for each leg, and verify it.

    Returns:
        The hash of the order's own message; None for a TPSL order, which has none.

    Raises:
        ApiError: 1100, 1101 or 1102.
    """
    message: int | None = None
    if order.signed is not None:
        terms = _terms(order, order.side, order.qty, order.price)
        message = venue.hasher.message_hash(terms, listing.l2, account.vault, account.stark_key)
        _check_signed(venue, account, order.signed, terms, listing=listing, where="settlement")
    for name, leg in order.legs:
        side = order.side if order.type == "TPSL" else order.side.opposite
        qty = cover_size(leg, listing) if order.tpsl_type == "POSITION" else order.qty
        _check_signed(
            venue, account, leg.signed, _terms(order, side, qty, leg.price), listing=listing, where=f"{name}.settlement"
        )
    return message


def check_account_limits(
    venue: Venue, account: LocalAccount, order: ParsedOrder, listing: Listing, replaced: Order | None
) -> None:
    """
    Hold an order against what the account has: open orders, position, reduce-only, cost.

    Args:
        replaced: The order that goes when this one comes.

    Raises:
        ApiError: 1126, 1127, 1136 to 1138, 1140.
    """
    position = venue.exchange.position(account.account_id, order.market)
    held = position.size if position is not None else ZERO
    if order.reduce_only and (order.type in {"LIMIT", "MARKET"} or order.tpsl_type == "POSITION"):
        _check_reducing(order, held)
    others = [
        other
        for other in venue.exchange.open_orders(account.account_id, order.market)
        if replaced is None or other.id != replaced.id
    ]
    if order.type != "MARKET" and len(others) >= listing.max_open_orders:
        raise order_error(
            Code.MAX_OPEN_ORDERS, "Too many open orders", f"{len(others)} open; {listing.max_open_orders} at most"
        )
    if order.reduce_only or order.type == "TPSL":
        return
    same_side = sum((o.remaining_size for o in others if _stands(o, order.side)), ZERO)
    _check_position_value(venue, account, order, listing, held=held, same_side=same_side)
    if order.type != "CONDITIONAL":
        _check_cost(venue, account, order, held=held, same_side=same_side, replaced=replaced)


def cover_size(leg: Leg, listing: Listing) -> Decimal:
    """Return the size that a leg for the whole position is signed for: more than any position can be."""
    size = divide(listing.max_position_value * POSITION_COVER, leg.price)
    return size.quantize(Decimal(1).scaleb(-places(listing.step_size)), ROUND_FLOOR)


def leverage_cap(listing: Listing, leverage: Decimal) -> Decimal:
    """Return the largest position value that a leverage allows: the highest band that asks for no more margin."""
    allowed = [band.upper_bound for band in listing.bands() if band.for_users and band.risk_factor * leverage <= 1]
    return max(allowed, default=ZERO)


def _terms(order: ParsedOrder, side: Side, qty: Decimal, price: Decimal) -> Terms:
    return Terms(side is Side.BUY, qty, price, order.total_fee, order.expiry_ms, order.nonce)


def _check_signed(
    venue: Venue, account: LocalAccount, signed: Signed, terms: Terms, *, listing: Listing, where: str
) -> None:
    if signed.vault != account.vault:
        raise order_error(
            Code.INVALID_VAULT,
            "Invalid vault",
            f"{where}.collateralPosition {signed.vault} is not the account's {account.vault}",
        )
    if signed.stark_key != account.stark_key:
        raise order_error(
            Code.INVALID_PUBLIC_KEY, "Invalid StarkNet public key", f"{where}.starkKey is not the account's"
        )
    if not venue.hasher.is_signed(terms, listing.l2, account.vault, account.stark_key, signed.signature):
        raise order_error(
            Code.INVALID_SIGNATURE,
            "Invalid StarkNet signature",
            f"{where}: the signature does not fit quantity, price, side, fees, expiry, nonce, vault and chain",
        )


def _check_qty(qty: Decimal, listing: Listing) -> None:
    step = listing.step_size
    if qty < listing.min_size:
        raise order_error(
            Code.QTY_BELOW_MIN, "Order quantity less than minimum", f"qty {qty} is below {listing.min_size}"
        )
    if places(qty) > places(step):
        raise order_error(Code.QTY_PRECISION, "Invalid quantity precision", f"qty {qty} is finer than {step}")
    if not is_multiple(qty, step):
        raise order_error(Code.QTY_WRONG_INCREMENT, "Invalid quantity increment", f"qty {qty} is off step {step}")


def _check_price(price: Decimal, listing: Listing, name: str) -> None:
    tick = listing.tick_size
    if price <= 0:
        raise order_error(Code.INVALID_PRICE, "Invalid price", f"{name} {price} is not above zero")
    if places(price) > places(tick):
        raise order_error(Code.PRICE_PRECISION, "Invalid price precision", f"{name} {price} is finer than {tick}")
    if not is_multiple(price, tick):
        raise order_error(Code.PRICE_WRONG_MOVEMENT, "Invalid price step", f"{name} {price} is off tick {tick}")


def _check_value(order: ParsedOrder, listing: Listing) -> None:
    value = order.qty * order.price
    limit = listing.max_market_value if order.is_market else listing.max_limit_value
    if value > limit:
        raise order_error(Code.VALUE_ABOVE_MAX, "Order value above maximum", f"value {value} is above {limit}")


def _check_band(venue: Venue, order: ParsedOrder, listing: Listing) -> None:
    """Only the aggressive side is bounded: a buy far below the mark is fine."""
    reference = venue.exchange.mark_price(order.market) if order.trigger is None else order.trigger.price
    band = MARKET_BAND if order.type == "MARKET" else listing.price_band
    worst = reference * (1 + order.side.sign * band)
    if order.price > worst if order.side is Side.BUY else order.price < worst:
        raise order_error(
            Code.INVALID_PRICE, "Invalid price", f"price {order.price} is beyond {worst}, {band} from {reference}"
        )


def _check_leg_prices(order: ParsedOrder, listing: Listing) -> None:
    """Hold the legs of an entry against its price, and each leg's price against its trigger."""
    entry = None if order.type == "TPSL" else order.price
    closes_by = order.side if order.type == "TPSL" else order.side.opposite
    sign = closes_by.sign
    for name, leg in order.legs:
        worst = leg.trigger_price * (1 + sign * listing.price_band)
        if (leg.price - worst) * sign > 0:
            raise order_error(
                Code.INVALID_PRICE, "Invalid price", f"{name}.price {leg.price} is beyond {worst} for its trigger"
            )
        # A stop-loss of a long (which is closed by selling) lies below the entry, its take-profit above.
        beyond = (leg.trigger_price - (entry or ZERO)) * -sign
        if entry is not None and (beyond <= 0 if name == "takeProfit" else beyond >= 0):
            raise order_error(
                Code.INVALID_PRICE,
                "Invalid price",
                f"{name}.triggerPrice {leg.trigger_price} is on the wrong side of {entry}",
            )


def _check_expiry(venue: Venue, order: ParsedOrder) -> None:
    now_ms = venue.now_ms()
    days = venue.settings.max_expiry.days
    if not now_ms < order.expiry_ms <= now_ms + days * 86_400_000:
        raise order_error(
            Code.INVALID_EXPIRATION,
            "Invalid order expiration",
            f"expiryEpochMillis {order.expiry_ms} is not within {days} days after {now_ms}",
        )


def _check_reducing(order: ParsedOrder, held: Decimal) -> None:
    if not held:
        raise order_error(Code.REDUCE_ONLY_NO_POSITION, "Position is missing for reduce-only order", "no position")
    if held * order.side.sign > 0:
        raise order_error(
            Code.REDUCE_ONLY_SAME_SIDE, "Position is on the same side as the reduce-only order", f"position {held}"
        )
    if order.qty > abs(held):
        raise order_error(
            Code.REDUCE_ONLY_TOO_LARGE, "Reduce-only order exceeds position", f"qty {order.qty}, position {held}"
        )


def _stands(other: Order, side: Side) -> bool:
    return other.side is side and not other.reduce_only and other.state in {OrderState.NEW, OrderState.OPEN}


def _check_position_value(
    venue: Venue, account: LocalAccount, order: ParsedOrder, listing: Listing, *, held: Decimal, same_side: Decimal
) -> None:
    leverage = venue.exchange.margin_setting(account.account_id, order.market).leverage
    cap = min(listing.max_position_value, leverage_cap(listing, leverage))
    after = abs(held + (same_side + order.qty) * order.side.sign) * order.price
    if after > cap and after > abs(held) * order.price:
        raise order_error(
            Code.MAX_POSITION_VALUE, "Max position value exceeded", f"it could come to {after}; {cap} at most"
        )


def _check_cost(
    venue: Venue,
    account: LocalAccount,
    order: ParsedOrder,
    *,
    held: Decimal,
    same_side: Decimal,
    replaced: Order | None,
) -> None:
    """Margin for what the order could add to the position, and the loss that it opens with."""
    exchange, sign = venue.exchange, order.side.sign
    summary = exchange.account(account.account_id)
    available = summary.equity - summary.initial_margin
    leverage = exchange.margin_setting(account.account_id, order.market).leverage
    mark = exchange.mark_price(order.market)
    if replaced is not None and not replaced.reduce_only:
        available += divide(replaced.remaining_size * mark, leverage)
    adds = order.qty + min(ZERO, 2 * (held * sign + same_side))
    open_loss = min(order.qty * sign * (mark - order.price), ZERO)
    cost = max(divide(order.price * adds, leverage) - open_loss, ZERO)
    if adds > 0 and -open_loss > summary.equity:
        detail = f"it opens with a loss of {-open_loss}; equity is {summary.equity}"
        raise order_error(Code.OPEN_LOSS, "Open loss exceeds equity", detail)
    if available < 0:
        raise order_error(
            Code.ONLY_REDUCE_ONLY, "Only reduce-only orders are allowed", f"{available} is available: less than nothing"
        )
    if cost > available:
        raise order_error(
            Code.ORDER_COST,
            "New order cost exceeds available balance",
            f"it costs {cost}; {available} is available",
        )
