"""
Schema types to core models: the account, its positions, orders and fills. Pure: no I/O, no state, no clock.

What moves money is read strictly: an order with a status, side or type that isn't in the contract is a
``DecodeError``. A zero price means 'none' on this venue.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

from perpkit.adapters.paradex import schema
from perpkit.adapters.paradex.decode import (
    SIDES,
    ZERO,
    fill_kind,
    finite,
    moment,
    number,
    positive,
    refuse,
    side_of,
    unique_id,
)
from perpkit.adapters.paradex.errors import closing
from perpkit.core.clock import from_ms
from perpkit.core.errors import RejectReason
from perpkit.core.models import (
    AccountSummary,
    Balance,
    CancelStatus,
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

ORDER_TYPES: Final[Mapping[str, OrderType]] = {
    "MARKET": OrderType.MARKET,
    "LIMIT": OrderType.LIMIT,
    "STOP_LIMIT": OrderType.STOP_LIMIT,
    "STOP_MARKET": OrderType.STOP_MARKET,
    "TAKE_PROFIT_LIMIT": OrderType.TAKE_PROFIT_LIMIT,
    "TAKE_PROFIT_MARKET": OrderType.TAKE_PROFIT_MARKET,
    "STOP_LOSS_MARKET": OrderType.STOP_MARKET,
    "STOP_LOSS_LIMIT": OrderType.STOP_LIMIT,
}

CANCEL_STATUSES: Final[Mapping[str, CancelStatus]] = {
    "QUEUED_FOR_CANCELLATION": CancelStatus.REQUESTED,
    "ALREADY_CLOSED": CancelStatus.ALREADY_CLOSED,
}

MARGIN_MODES: Final[Mapping[str, MarginMode]] = {"CROSS": MarginMode.CROSS, "ISOLATED": MarginMode.ISOLATED}

# Looking up an enum's member or a class's method each time costs as much as a call, on Python 3.11 more than reading
# the number beside it, and these are needed for every event of a busy stream.
_GTC, _IOC = TimeInForce.GTC, TimeInForce.IOC
_WITH_PRICE = frozenset(kind for kind in OrderType if kind.has_price)
_PENDING, _OPEN = OrderStatus.PENDING, OrderStatus.OPEN
_PARTIALLY_FILLED, _FILLED = OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED
_new_order = Order.trusted


def trading_fees(listed: Market, account: schema.AccountFees | None) -> TradingFees:
    """
    Return what this account pays on a market: the market's own fee where it has one, else the account's rate.

    Raises:
        DecodeError: Neither is given.
    """
    # OpenAPI `MarketResp.fee_config`: 'If not set, it will use the global exchange fee config'.
    maker, taker = listed.maker_fee, listed.taker_fee
    if account is not None:
        maker = maker if maker is not None else number(account.maker_rate, "maker_rate")
        taker = taker if taker is not None else number(account.taker_rate, "taker_rate")
    if maker is None or taker is None:
        raise refuse(f"fees of {listed.id}", "neither the market nor the account names them")
    return TradingFees(market_id=listed.id, maker=maker, taker=taker)


def funding_payment(row: schema.FundingPayment, listed: Market, received: datetime) -> FundingPayment:
    """Decode one payment: from the account's view, positive when received."""
    return FundingPayment.trusted(
        payment_id=row.id,
        market_id=listed.id,
        amount=row.payment,
        asset=listed.instrument.settle,
        ts_venue=from_ms(row.created_at),
        ts_received=received,
    )


def account(row: schema.AccountSummary, received: datetime) -> AccountSummary:
    """Decode the margin summary. ``account_value`` holds the unrealized PnL and the running funding, once."""
    return AccountSummary(
        account_id=row.account,
        asset=row.settlement_asset,
        equity=row.account_value,
        free_collateral=row.free_collateral,
        initial_margin=row.initial_margin_requirement,
        maintenance_margin=row.maintenance_margin_requirement,
        ts_venue=moment(row.updated_at),
        ts_received=received,
    )


def balance(row: schema.Balance, summary: schema.AccountSummary | None, received: datetime) -> Balance:
    """Decode one asset; the margin summary tells what of the settlement asset is free."""
    free = summary.free_collateral if summary is not None and summary.settlement_asset == row.token else None
    return Balance.trusted(
        asset=row.token,
        total=row.size,
        available=free,
        ts_venue=moment(row.last_updated_at),
        ts_received=received,
    )


def position(row: schema.Position, listed: Market, received: datetime) -> Position:
    """
    Decode a position; a closed one has size 0.

    Both the unrealized and the realized PnL of this venue include funding; it is taken out of both.

    Raises:
        DecodeError: Sign and side contradict each other, or the status is unknown.
    """
    what = f"position {row.market}"
    if row.status not in {"OPEN", "CLOSED"}:
        raise refuse(what, f"status {row.status!r} is neither OPEN nor CLOSED")
    size = row.size if row.status == "OPEN" else ZERO
    if (size > 0 and row.side != "LONG") or (size < 0 and row.side != "SHORT"):
        raise refuse(what, f"size {row.size} and side {row.side!r} contradict each other")
    accrued = number(row.unrealized_funding_pnl, f"{what} unrealized_funding_pnl")
    unrealized = number(row.unrealized_pnl, f"{what} unrealized_pnl")
    settled = number(row.realized_positional_funding_pnl, f"{what} realized_positional_funding_pnl")
    realized = number(row.realized_positional_pnl, f"{what} realized_positional_pnl")
    return Position.trusted(
        market_id=listed.id,
        size=size,
        entry_price=positive(row.average_entry_price, f"{what} average_entry_price") if size else None,
        unrealized_pnl=_less(unrealized, accrued),
        accrued_funding=accrued,
        realized_pnl=_less(realized, settled),
        liquidation_price=positive(row.liquidation_price, f"{what} liquidation_price") if size else None,
        leverage=positive(row.leverage, f"{what} leverage"),
        sequence=row.seq_no,
        ts_venue=moment(row.last_updated_at),
        ts_received=received,
    )


def _less(whole: Decimal | None, part: Decimal | None) -> Decimal | None:
    """Return the rest, where both are known."""
    return None if whole is None or part is None else whole - part


def leverage(row: schema.MarginEntry | schema.MarginUpdate, listed: Market) -> LeverageSetting:
    """
    Decode the account's setting for a market.

    Raises:
        DecodeError: A margin type that is neither CROSS nor ISOLATED.
    """
    mode = MARGIN_MODES.get(row.margin_type)
    if mode is None:
        raise refuse(f"margin of {listed.id}", f"margin_type {row.margin_type!r} is neither CROSS nor ISOLATED")
    value = row.leverage
    if mode is MarginMode.ISOLATED and isinstance(row, schema.MarginEntry) and row.isolated_margin_leverage:
        value = row.isolated_margin_leverage
    return LeverageSetting(
        market_id=listed.id, leverage=Decimal(value), margin_mode=mode, max_leverage=listed.max_leverage
    )


# Orders and fills


def order(row: schema.Order, listed: Market, received: datetime, *, is_stream: bool = False) -> Order:
    """
    Decode an order.

    Args:
        is_stream: The number of a stream's update orders its updates. REST answers number theirs independently
            (OpenAPI ``OrderResp.seq_no``), so there the time of the last change has to tell which is newer.

    Raises:
        DecodeError: Status, side or type is not in the contract, or the sizes contradict each other.
    """
    identity, size, left = row.id, row.size, row.remaining_size
    if not identity:
        raise refuse("an order", "its id is empty")
    kind = ORDER_TYPES.get(row.type)
    if kind is None:
        raise refuse(f"order {identity}", f"type {row.type!r} is not in the contract")
    if not (size.is_finite() and left.is_finite()):
        finite(size, "order %s", identity)
        finite(left, "order %s", identity)
    filled = size - left
    if filled < ZERO or left < ZERO:
        raise refuse(f"order {identity}", f"remaining_size {left} does not fit size {size}")
    status, reason = _order_status(row, filled)
    created, updated = row.created_at, row.last_updated_at
    created_at = from_ms(created) if created else None
    decoded = _new_order(
        market_id=listed.id,
        venue_order_id=identity,
        client_order_id=row.client_id or None,
        side=SIDES.get(row.side) or side_of(row.side, "order %s", identity),
        type=kind,
        status=status,
        size=size,
        filled_size=filled,
        price=positive(row.price, "order %s price", identity) if kind in _WITH_PRICE else None,
        average_price=positive(row.avg_fill_price, "order %s avg_fill_price", identity) if filled else None,
        post_only=row.instruction == "POST_ONLY",
        created_at=created_at,
        updated_at=created_at if updated == created else moment(updated),
        sequence=row.seq_no if is_stream else None,
        ts_received=received,
    )
    # Most orders have nothing of these, and a call with more names takes twice as long: CPython packs them in a dict.
    trigger = positive(row.trigger_price, "order %s trigger_price", identity)
    if trigger is None and not row.flags and not row.cancel_reason and row.instruction != "IOC":
        return decoded
    return decoded.trusted_replace(
        trigger_price=trigger,
        time_in_force=_IOC if row.instruction == "IOC" else _GTC,
        reduce_only=row.flags is not None and "REDUCE_ONLY" in row.flags,
        reject_reason=reason,
        status_message=row.cancel_reason or None,
    )


def _order_status(row: schema.Order, filled: Decimal) -> tuple[OrderStatus, RejectReason | None]:
    """
    The venue has four words. A CLOSED order was filled, canceled or rejected: what remains and why tells which.
    """
    if row.status == "OPEN":
        return _PARTIALLY_FILLED if filled else _OPEN, None
    if row.status == "NEW":
        return _PARTIALLY_FILLED if filled else _PENDING, None
    if row.status == "UNTRIGGERED":
        return _OPEN, None
    if row.status != "CLOSED":
        raise refuse(f"order {row.id}", f"status {row.status!r} is none of NEW, UNTRIGGERED, OPEN, CLOSED")
    if not row.remaining_size:
        return _FILLED, None
    ended = closing(row.cancel_reason)
    # What was filled was accepted: the rest of it can only have been canceled.
    if filled and ended.status is OrderStatus.REJECTED:
        return OrderStatus.CANCELED, ended.reason
    return ended.status, ended.reason


def fill(row: schema.Fill, listed: Market, received: datetime, *, order_side: Side | None = None) -> Fill:
    """
    Decode a fill of ours.

    Args:
        order_side: Our order's side, where it is known; it decides. Otherwise our side follows from the taker's,
            which the venue gives, and from whether we were the maker.

    Raises:
        DecodeError: A side that is not in the contract.
    """
    what = f"fill {row.id}"
    taker = side_of(row.side, what)
    liquidity = {"MAKER": Liquidity.MAKER, "TAKER": Liquidity.TAKER}.get(row.liquidity)
    side = order_side or (taker.opposite if liquidity is Liquidity.MAKER else taker)
    return Fill.trusted(
        fill_id=unique_id(row.fill_type, row.id),
        market_id=listed.id,
        venue_order_id=row.order_id or None,
        client_order_id=row.client_id or None,
        side=side,
        price=finite(row.price, what),
        size=finite(row.size, what),
        fee=number(row.fee, f"{what} fee") or ZERO,
        fee_asset=row.fee_currency or listed.instrument.settle,
        liquidity=liquidity,
        kind=fill_kind(row.fill_type),
        realized_pnl=number(row.realized_pnl, f"{what} realized_pnl"),
        realized_funding=number(row.realized_funding, f"{what} realized_funding"),
        ts_venue=from_ms(row.created_at),
        ts_received=received,
    )
