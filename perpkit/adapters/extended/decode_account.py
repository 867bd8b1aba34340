"""
Schema types to core models: the account, its positions, funding payments, orders and fills. Pure: no I/O, no state, no
clock.

What moves money is read strictly: an order with a status, side or type that no source knows is a ``DecodeError``. A
price of zero is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

from perpkit.adapters.extended import endpoints, schema
from perpkit.adapters.extended.decode import ZERO, asset, fill_kind, moment, positive, refuse, side_of, unknown
from perpkit.adapters.extended.errors import ending
from perpkit.core.errors import RejectReason
from perpkit.core.models import (
    AccountSummary,
    Balance,
    Fill,
    FundingPayment,
    LeverageSetting,
    Liquidity,
    MarginMode,
    Market,
    Order,
    OrderStatus,
    OrderType,
    Position,
    Side,
    TimeInForce,
    TradingFees,
)

_POSITION_SIGNS: Final[Mapping[str, int]] = {"LONG": 1, "SHORT": -1}

_STANDING: Final[Mapping[str, OrderStatus]] = {
    "NEW": OrderStatus.OPEN,
    "PARTIALLY_FILLED": OrderStatus.PARTIALLY_FILLED,
    "UNTRIGGERED": OrderStatus.OPEN,
    # Passing from UNTRIGGERED to NEW; the SDK's own enum lacks it.
    "TRIGGERED": OrderStatus.OPEN,
    "UNKNOWN": OrderStatus.UNKNOWN,
}
_ENDED: Final = frozenset({"CANCELLED", "REJECTED", "EXPIRED"})

_TIMES_IN_FORCE: Final[Mapping[str, TimeInForce]] = {
    "GTT": TimeInForce.GTD,
    "IOC": TimeInForce.IOC,
    "FOK": TimeInForce.FOK,
    "TOB": TimeInForce.GTD,
}

# Looking up an enum's member or a class's method each time costs as much as a call, on Python 3.11 more than reading
# the number beside it, and these are needed for every order of a busy stream.
_LIMIT, _MARKET, _IOC = OrderType.LIMIT, OrderType.MARKET, TimeInForce.IOC
_WITH_PRICE: Final = frozenset(kind for kind in OrderType if kind.has_price)
_OPEN, _PARTIALLY_FILLED, _FILLED = OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED
_new_order = Order.trusted


def _sign(word: str, what: str) -> int:
    try:
        return _POSITION_SIGNS[word]
    except KeyError:
        raise refuse(what, f"side {word!r} is neither LONG nor SHORT") from None


# The account


def account(row: schema.Balance, account_id: str | None, received: datetime) -> AccountSummary:
    """
    Decode the margin summary.

    The maintenance margin is not among the figures. ``marginRatio`` is what it is of the equity, rounded, and whether
    as a fraction or in percent is not established: nobody should watch a liquidation by a guess.
    """
    return AccountSummary.trusted(
        account_id=account_id,
        asset=asset(row.collateral_name),
        equity=row.equity,
        free_collateral=row.available_for_trade,
        initial_margin=row.initial_margin,
        maintenance_margin=None,
        unrealized_pnl=row.unrealised_pnl,
        ts_venue=moment(row.updated_time),
        ts_received=received,
    )


def empty_account(account_id: str | None, received: datetime) -> AccountSummary:
    """Return the summary of an account that holds nothing, which the venue says with a 404."""
    return AccountSummary.trusted(
        account_id=account_id,
        asset=asset("USD"),
        equity=ZERO,
        free_collateral=ZERO,
        initial_margin=ZERO,
        maintenance_margin=ZERO,
        unrealized_pnl=ZERO,
        ts_received=received,
    )


def balance(row: schema.Balance, received: datetime) -> Balance:
    """Decode the collateral: ``balance`` is settled cash, without unrealized PnL."""
    return Balance.trusted(
        asset=asset(row.collateral_name),
        total=row.balance,
        available=row.available_for_trade,
        ts_venue=moment(row.updated_time),
        ts_received=received,
    )


def position(row: schema.Position, listed: Market, received: datetime) -> Position:
    """
    Decode a position; a closed one has size 0. The wire's size is absolute and its side carries the sign.

    ``realisedPnl`` has fees and funding in it, which nothing in the row takes apart, so no realized PnL is given.

    Raises:
        DecodeError: The side or the status is unknown, or the size is negative.
    """
    what = f"position {row.market}"
    if row.status not in {"OPENED", "CLOSED"}:
        raise refuse(what, f"status {row.status!r} is neither OPENED nor CLOSED")
    sign = _sign(row.side, what)
    if row.size < ZERO:
        raise refuse(what, f"size {row.size} is negative, and its sign is in the side")
    size = row.size * sign if row.status == "OPENED" else ZERO
    updated = row.updated_at if row.updated_at is not None else row.updated_time
    return Position.trusted(
        market_id=listed.id,
        size=size,
        entry_price=positive(row.open_price) if size else None,
        mark_price=positive(row.mark_price),
        unrealized_pnl=row.unrealised_pnl,
        liquidation_price=positive(row.liquidation_price) if size else None,
        leverage=positive(row.leverage),
        # There is no isolated mode on this venue.
        margin_mode=MarginMode.CROSS,
        ts_venue=moment(updated) if updated is not None else None,
        ts_received=received,
    )


def leverage(row: schema.Leverage, listed: Market) -> LeverageSetting:
    """Decode the account's setting for a market."""
    if row.leverage <= ZERO:
        raise refuse(f"leverage of {listed.id}", f"leverage {row.leverage} is not above zero")
    return LeverageSetting(
        market_id=listed.id, leverage=row.leverage, margin_mode=MarginMode.CROSS, max_leverage=listed.max_leverage
    )


def fees(row: schema.Fee, listed: Market) -> TradingFees:
    """Decode what this account pays on a market."""
    return TradingFees.trusted(market_id=listed.id, maker=row.maker_fee_rate, taker=row.taker_fee_rate)


def funding_payment(row: schema.FundingPayment, listed: Market, received: datetime) -> FundingPayment:
    """
    Decode one payment: from the account's view, positive when received.

    That a long pays a positive rate is documented; the sign of ``fundingFee`` is not, so rate and side decide it, and
    the fee's own sign only where the rate has none.
    """
    sign = _sign(row.side, f"funding payment {row.id}")
    amount = row.funding_fee
    if row.funding_rate:
        paid = (row.funding_rate > ZERO) == (sign > 0)
        amount = -abs(amount) if paid else abs(amount)
        if amount != row.funding_fee:
            unknown.report("sign of fundingFee", "positive when paid")
    return FundingPayment.trusted(
        payment_id=str(row.id),
        market_id=listed.id,
        amount=amount,
        asset=listed.instrument.settle,
        rate=row.funding_rate,
        period=endpoints.FUNDING_PERIOD,
        size=row.size * sign if row.size is not None else None,
        ts_venue=moment(row.paid_time),
        ts_received=received,
    )


# Orders and fills


def order(row: schema.Order, listed: Market, received: datetime) -> Order:
    """
    Decode an order.

    Raises:
        DecodeError: Status, side or type is in no source, or the sizes contradict each other.
    """
    size, created, updated, expires = row.qty, row.created_time, row.updated_time, row.expire_time
    side = side_of(row.side, "order", row.id)
    kind, trigger = (_LIMIT, None) if row.type == "LIMIT" else _kind_and_trigger(row, side)
    filled = row.filled_qty if row.filled_qty is not None else _filled(row)
    if not filled >= ZERO or (filled > size > ZERO):
        raise refuse(f"order {row.id}", f"filledQty {filled} does not fit qty {size}")
    status, reason = _order_status(row, filled)
    created_at = moment(created)
    decoded = _new_order(
        market_id=listed.id,
        venue_order_id=str(row.id),
        client_order_id=row.external_id or None,
        side=side,
        type=kind,
        status=status,
        size=size,
        filled_size=filled,
        price=positive(row.price) if kind in _WITH_PRICE else None,
        average_price=positive(row.average_price) if filled else None,
        time_in_force=_IOC if row.time_in_force is None and kind is _MARKET else _in_force(row),
        expires_at=moment(expires) if expires else None,
        created_at=created_at,
        updated_at=created_at if updated == created else moment(updated),
        ts_received=received,
    )
    # Most orders have nothing of these, and a call with more names takes twice as long: CPython packs them in a dict.
    message = row.status_reason
    if trigger is None and reason is None and not message and not row.post_only and not row.reduce_only:
        return decoded
    return decoded.trusted_replace(
        trigger_price=trigger,
        post_only=row.post_only,
        reduce_only=row.reduce_only,
        reject_reason=reason,
        status_message=message if message not in {"NONE", ""} else None,
    )


_UNFILLED: Final = frozenset({"NEW", "UNTRIGGERED", "TRIGGERED", "REJECTED", "UNKNOWN"})


def _filled(row: schema.Order) -> Decimal:
    """Return what is filled where the row does not say: its status may; nothing is made up for one that could have."""
    if row.status in _UNFILLED:
        return ZERO
    if row.status == "FILLED":
        return row.qty
    raise refuse(f"order {row.id}", f"{row.status}, and filledQty is missing")


def _in_force(row: schema.Order) -> TimeInForce:
    # Every resting order has an expiry here, so what stands is good till date; one documented sample lacks the word.
    word = row.time_in_force or "GTT"
    found = _TIMES_IN_FORCE.get(word)
    if found is None:
        unknown.report("time in force", word)
        return TimeInForce.GTD
    return found


def _kind_and_trigger(row: schema.Order, side: Side) -> tuple[OrderType, Decimal | None]:
    """Return what an order is that is no plain limit order."""
    match row.type:
        case "MARKET":
            return OrderType.MARKET, None
        case "TWAP":
            # Made on the venue's own page; it sends orders of its own until it is done.
            return (OrderType.LIMIT if positive(row.price) is not None else OrderType.MARKET), None
        case "CONDITIONAL":
            return _conditional(row.trigger, side)
        case "TPSL":
            return _position_leg(row)
    raise refuse(f"order {row.id}", f"type {row.type!r} is in no source")


def _conditional(trigger: schema.Trigger | None, side: Side) -> tuple[OrderType, Decimal | None]:
    if trigger is None:
        return OrderType.STOP_LIMIT, None
    direction = trigger.direction or trigger.trigger_price_direction
    # A sell that waits for a rise, or a buy that waits for a fall, takes profit.
    takes_profit = direction == ("UP" if side is Side.SELL else "DOWN")
    at_market = trigger.execution_price_type == "MARKET"
    return _TRIGGERED[takes_profit, at_market], positive(trigger.trigger_price)


def _position_leg(row: schema.Order) -> tuple[OrderType, Decimal | None]:
    """Return what a TPSL order is; of one with both legs the stop loss, which is the one that matters most."""
    leg = row.stop_loss or row.take_profit
    if leg is None:
        return OrderType.STOP_MARKET, None
    return _TRIGGERED[row.stop_loss is None, leg.price_type != "LIMIT"], positive(leg.trigger_price)


_TRIGGERED: Final[Mapping[tuple[bool, bool], OrderType]] = {
    (False, False): OrderType.STOP_LIMIT,
    (False, True): OrderType.STOP_MARKET,
    (True, False): OrderType.TAKE_PROFIT_LIMIT,
    (True, True): OrderType.TAKE_PROFIT_MARKET,
}
"""By whether it takes profit, and whether it executes at market."""


def _order_status(row: schema.Order, filled: Decimal) -> tuple[OrderStatus, RejectReason | None]:
    if row.status == "FILLED":
        return _FILLED, None
    standing = _STANDING.get(row.status)
    if standing is not None:
        return _PARTIALLY_FILLED if standing is _OPEN and filled else standing, None
    if row.status not in _ENDED:
        raise refuse(f"order {row.id}", f"status {row.status!r} is in no source")
    ended = ending(row.status, row.status_reason)
    # What was filled was accepted: the rest of it can only have been canceled.
    if filled and ended.status is OrderStatus.REJECTED:
        return OrderStatus.CANCELED, ended.reason
    return ended.status, ended.reason


def fill(row: schema.Fill, listed: Market, received: datetime) -> Fill:
    """
    Decode a fill of ours; side and fee are our own, the fee positive when paid.

    Raises:
        DecodeError: A side that is not in the contract.
    """
    return Fill.trusted(
        fill_id=str(row.id),
        market_id=listed.id,
        # What the venue did without an order of ours (a deleveraging) names none.
        venue_order_id=str(row.order_id) if row.order_id not in {0, "0", ""} else None,
        client_order_id=row.external_id or row.external_order_id or None,
        side=side_of(row.side, "fill", row.id),
        price=row.price,
        size=row.qty,
        fee=row.fee,
        fee_asset=listed.instrument.settle,
        liquidity=Liquidity.TAKER if row.is_taker else Liquidity.MAKER,
        kind=fill_kind(row.trade_type),
        ts_venue=moment(row.created_time),
        ts_received=received,
    )
