"""
Schema types to core models: the account, its positions, orders and fills. Pure: no I/O, no state, no clock.

An order whose sizes contradict each other is a ``DecodeError``; a state that perpkit doesn't know is
:attr:`~perpkit.core.models.OrderStatus.UNKNOWN`, which replaces nothing that is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Context, Decimal
from typing import Final

from perpkit.adapters.lighter import endpoints, schema
from perpkit.adapters.lighter.decode import (
    QUOTE,
    ZERO,
    fill_kind,
    finite,
    moment,
    moment_of,
    number,
    positive,
    refuse,
    unknown,
)
from perpkit.adapters.lighter.errors import ending, reason_of
from perpkit.adapters.lighter.listings import Listing
from perpkit.adapters.lighter.order_ids import client_id
from perpkit.adapters.lighter.signing import tx as codes
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
from perpkit.core.quantize import canonical

_EXACT: Final = Context(prec=60)
_AVERAGE: Final = Context(prec=28)
_HUNDRED: Final = Decimal(100)
_MILLIONTH: Final = Decimal("0.000001")
_WHOLE_FRACTION: Final = 10_000
_CLOCKS_DIFFER: Final = timedelta(hours=1)

# Looked up once: on Python 3.11 an enum finds its members slowly, and these are needed for every order of a stream.
_BUY, _SELL = Side.BUY, Side.SELL
_OPEN, _PARTIALLY_FILLED, _FILLED = OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED
_IOC, _GTC, _GTD = TimeInForce.IOC, TimeInForce.GTC, TimeInForce.GTD
_WITH_PRICE = frozenset(kind for kind in OrderType if kind.has_price)
_WITH_TRIGGER = frozenset(kind for kind in OrderType if kind.has_trigger)
_new_order = Order.trusted

ORDER_TYPES: Final[Mapping[str, OrderType]] = {
    "limit": OrderType.LIMIT,
    "market": OrderType.MARKET,
    "stop-loss": OrderType.STOP_MARKET,
    "stop-loss-limit": OrderType.STOP_LIMIT,
    "take-profit": OrderType.TAKE_PROFIT_MARKET,
    "take-profit-limit": OrderType.TAKE_PROFIT_LIMIT,
    # Not ours to send. A TWAP and its slices have a worst price; a liquidation is sent by the venue.
    "twap": OrderType.LIMIT,
    "twap-sub": OrderType.LIMIT,
    "liquidation": OrderType.MARKET,
}

_TYPE_OF_CODE: Final[Mapping[int, OrderType]] = {
    codes.LIMIT: OrderType.LIMIT,
    codes.MARKET: OrderType.MARKET,
    codes.STOP_LOSS: OrderType.STOP_MARKET,
    codes.STOP_LOSS_LIMIT: OrderType.STOP_LIMIT,
    codes.TAKE_PROFIT: OrderType.TAKE_PROFIT_MARKET,
    codes.TAKE_PROFIT_LIMIT: OrderType.TAKE_PROFIT_LIMIT,
}

MARGIN_MODES: Final[Mapping[int, MarginMode]] = {codes.CROSS: MarginMode.CROSS, codes.ISOLATED: MarginMode.ISOLATED}

TX_FAILED, TX_PENDING, TX_EXECUTED = 0, 1, 2


# The account


def account(
    row: schema.Account, received: datetime, maintenance: Callable[[schema.Position], Decimal]
) -> AccountSummary:
    """
    Decode the margin summary.

    The venue's two requirements are those of cross margin; what is set aside for isolated positions is added. Older
    servers have neither: then the initial margin is what the account is worth and can't use, and the maintenance margin
    is reckoned from the positions.

    Args:
        maintenance: Returns a position's maintenance margin by its market's fraction.

    Raises:
        DecodeError: The account's value or its free balance is missing.
    """
    equity = number(row.total_asset_value, "total_asset_value")
    free = number(row.available_balance, "available_balance")
    if equity is None or free is None:
        raise refuse(f"account {row.index}", "total_asset_value or available_balance is missing")
    positions = row.positions or ()
    isolated = [each for each in positions if each.margin_mode == codes.ISOLATED and each.position]
    initial = number(row.cross_initial_margin_requirement, "cross_initial_margin_requirement")
    kept = number(row.cross_maintenance_margin_requirement, "cross_maintenance_margin_requirement")
    if initial is not None:
        initial = _sum((initial, *(number(each.allocated_margin, "allocated_margin") or ZERO for each in isolated)))
    if kept is not None:
        kept = _sum((kept, *(maintenance(each) for each in isolated)))
    return AccountSummary(
        account_id=str(row.index),
        asset=QUOTE,
        equity=equity,
        free_collateral=free,
        initial_margin=initial if initial is not None else max(_EXACT.subtract(equity, free), ZERO),
        maintenance_margin=kept if kept is not None else _sum(maintenance(each) for each in positions),
        unrealized_pnl=_sum(number(each.unrealized_pnl, "unrealized_pnl") or ZERO for each in positions),
        ts_received=received,
    )


def maintenance_margin(row: schema.Position, listing: Listing) -> Decimal:
    """Return what a position must be backed by: its value at mark times its market's fraction."""
    value = number(row.position_value, "position_value") or ZERO
    return _EXACT.multiply(value.copy_abs(), Decimal(listing.maintenance_fraction).scaleb(-4))


def _sum(values: Iterable[Decimal]) -> Decimal:
    total = ZERO
    for each in values:
        total = _EXACT.add(total, each)
    return total


def balances(row: schema.Account, received: datetime) -> list[Balance]:
    """
    Decode what backs the account's perpetuals: its USDC collateral, and other assets that count as margin. The spot
    wallet (``balance``) is another purse and not shown.

    Raises:
        DecodeError: The collateral is missing.
    """
    total = number(row.collateral, "collateral")
    if total is None:
        raise refuse(f"account {row.index}", "collateral is missing")
    free = number(row.available_balance, "available_balance")
    found = [Balance.trusted(asset=QUOTE, total=total, available=free, ts_received=received)]
    for asset in row.assets or ():
        margin = number(asset.margin_balance, f"margin_balance of {asset.symbol}")
        if asset.symbol != QUOTE and margin:
            found.append(Balance.trusted(asset=asset.symbol, total=margin, ts_received=received))
    return found


def balance(row: schema.Stats, at: int, received: datetime) -> Balance:
    """Decode the collateral of a frame of ``user_stats``."""
    return Balance.trusted(
        asset=QUOTE,
        total=finite(row.collateral, "collateral"),
        available=finite(row.available_balance, "available_balance"),
        ts_venue=moment(at),
        ts_received=received,
    )


def position(row: schema.Position, listed: Market, received: datetime) -> Position:
    """
    Decode a position; a closed one has size 0, whatever sign it carries.

    Raises:
        DecodeError: The sign is neither 1 nor -1, or the size is below zero.
    """
    what = f"position on {listed.id}"
    held = finite(row.position, what)
    if held < ZERO or (held and row.sign not in {1, -1}):
        raise refuse(what, f"sign {row.sign} and position {held} are no signed size")
    return Position.trusted(
        market_id=listed.id,
        size=held * row.sign if held else ZERO,
        entry_price=positive(row.avg_entry_price, f"{what} avg_entry_price") if held else None,
        unrealized_pnl=number(row.unrealized_pnl, f"{what} unrealized_pnl"),
        realized_pnl=number(row.realized_pnl, f"{what} realized_pnl"),
        liquidation_price=positive(row.liquidation_price, f"{what} liquidation_price") if held else None,
        leverage=leverage_of(row, what),
        margin_mode=MARGIN_MODES.get(row.margin_mode),
        ts_received=received,
    )


def leverage_of(row: schema.Position, what: str) -> Decimal | None:
    """Return the leverage that a row's margin fraction (a percentage) stands for; None where it has none."""
    percent = positive(row.initial_margin_fraction, f"{what} initial_margin_fraction")
    return leverage_at(_EXACT.multiply(percent, _HUNDRED)) if percent is not None else None


def leverage_at(fraction: Decimal) -> Decimal:
    """
    Return the leverage of a margin fraction in 1e-4: the whole number whose fraction this is, since the venue keeps
    10,000 / leverage rounded down, else the quotient.
    """
    nearest = round(Decimal(_WHOLE_FRACTION) / fraction)
    if nearest and fraction == _WHOLE_FRACTION // nearest:
        return Decimal(nearest)
    return canonical(_AVERAGE.divide(Decimal(_WHOLE_FRACTION), fraction))


def leverage(row: schema.Position | None, listing: Listing, listed: Market) -> LeverageSetting:
    """Decode the account's setting for a market; without a row the market's own default holds."""
    value = leverage_of(row, f"leverage on {listed.id}") if row is not None else None
    mode = MARGIN_MODES.get(row.margin_mode if row is not None else listing.margin_mode)
    if mode is None:
        raise refuse(f"leverage on {listed.id}", "its margin mode is neither 0 (cross) nor 1 (isolated)")
    return LeverageSetting(
        market_id=listed.id,
        leverage=value if value is not None else leverage_at(Decimal(listing.default_fraction)),
        margin_mode=mode,
        max_leverage=listed.max_leverage,
    )


def trading_fees(row: schema.AccountLimits, listed: Market) -> TradingFees:
    """Decode what the account pays: ticks of 1e-6 of notional, the same in every market."""
    return TradingFees(
        market_id=listed.id,
        maker=row.current_maker_fee_tick * _MILLIONTH,
        taker=row.current_taker_fee_tick * _MILLIONTH,
    )


def funding_payment(row: schema.PositionFunding, listed: Market, received: datetime) -> FundingPayment:
    """
    Decode one payment, positive when received.

    ``rate`` reads like that of ``/fundings`` (percent for the hour); who paid follows from ``change``, so that its sign
    is right whether the venue writes one or not.

    Raises:
        DecodeError: The side is neither long nor short.
    """
    what = f"funding payment {row.funding_id}"
    side = {"long": 1, "short": -1}.get(row.position_side)
    if side is None:
        raise refuse(what, f"position_side {row.position_side!r} is neither long nor short")
    amount = finite(row.change, what)
    percent, size = number(row.rate, f"{what} rate"), number(row.position_size, f"{what} position_size")
    rate = None
    if percent is not None:
        longs_pay = (amount < ZERO) is (side > 0)
        rate = _EXACT.divide(percent.copy_abs(), _HUNDRED if longs_pay else -_HUNDRED)
    return FundingPayment.trusted(
        # Of one market: nothing says that the number is unique beyond it.
        payment_id=f"{row.market_id}:{row.funding_id}",
        market_id=listed.id,
        amount=amount,
        asset=QUOTE,
        rate=rate,
        period=endpoints.FUNDING_PERIOD,
        size=size.copy_abs() * side if size is not None else None,
        ts_venue=moment_of(row.timestamp, what),
        ts_received=received,
    )


# Orders and fills


def order(
    row: schema.Order,
    listed: Market,
    received: datetime,
    *,
    life: timedelta,
    named: Callable[[int], str | None] = client_id,
) -> Order:
    """
    Decode an order.

    Args:
        named: What our id for a client order index is.
        life: How long an order stands that perpkit sends without an expiry: one that was given as much or more reads as
            good till canceled, a shorter one as good till its date.

    Raises:
        DecodeError: The type is not in the contract, or the sizes contradict each other.
    """
    index, kind = row.order_index, ORDER_TYPES.get(row.type)
    if kind is None:
        raise refuse(f"order {index}", f"type {row.type!r} is not in the contract")
    size = finite(row.initial_base_amount, "order %d", index)
    left = finite(row.remaining_base_amount, "order %d", index)
    told = number(row.filled_base_amount, "order %d filled_base_amount", index)
    filled = told if told is not None else _EXACT.subtract(size, left)
    if not ZERO <= filled <= size or left < ZERO:
        raise refuse(f"order {index}", f"filled {filled} and remaining {left} do not fit size {size}")
    status, reason = _status(row.status, filled)
    created, expires = moment(row.created_at), moment(row.order_expiry)
    return _new_order(
        market_id=listed.id,
        venue_order_id=str(index),
        client_order_id=named(row.client_order_index),
        side=_SELL if row.is_ask else _BUY,
        type=kind,
        status=status,
        size=size,
        filled_size=filled,
        price=positive(row.price, "order %d price", index) if kind in _WITH_PRICE else None,
        average_price=_average(row, filled),
        trigger_price=positive(row.trigger_price, "order %d trigger_price", index) if kind in _WITH_TRIGGER else None,
        time_in_force=_time_in_force(row.time_in_force, created, expires, life),
        post_only=row.time_in_force == "post-only",
        reduce_only=row.reduce_only,
        reject_reason=reason,
        status_message=row.status if row.status.startswith("canceled-") else None,
        expires_at=expires,
        created_at=created,
        updated_at=moment(row.transaction_time) or moment(row.updated_at),
        ts_received=received,
    )


def _status(word: str, filled: Decimal) -> tuple[OrderStatus, RejectReason | None]:
    if word == "open":
        return _PARTIALLY_FILLED if filled else _OPEN, None
    if word == "in-progress":
        return OrderStatus.PENDING, None
    if word == "pending":
        # It waits for its trigger, or for the order that it belongs to.
        return OrderStatus.OPEN, None
    if word == "filled":
        return _FILLED, None
    ended = ending(word, filled)
    if ended is None:
        unknown.report("state of orders", word)
        return OrderStatus.UNKNOWN, None
    return ended.status, ended.reason


def _average(row: schema.Order, filled: Decimal) -> Decimal | None:
    paid = positive(row.filled_quote_amount, "order %d filled_quote_amount", row.order_index)
    return canonical(_AVERAGE.divide(paid, filled)) if filled and paid is not None else None


def _time_in_force(word: str, created: datetime | None, expires: datetime | None, life: timedelta) -> TimeInForce:
    if word == "immediate-or-cancel":
        return _IOC
    if created is None or expires is None or expires - created >= life - _CLOCKS_DIFFER:
        return _GTC
    return _GTD


def refused_order(
    info: schema.CreateOrderInfo,
    listed: Market,
    listing: Listing,
    received: datetime,
    *,
    error: str,
    at: datetime | None,
    named: Callable[[int], str | None] = client_id,
) -> Order:
    """
    Return an order that the sequencer refused before it became one, from what was signed.

    Args:
        error: The sequencer's words; empty where it gave none.
        at: When it did so.
        named: What our id for a client order index is.
    """
    kind = _TYPE_OF_CODE.get(info.type)
    if kind is None:
        raise refuse("a refused order", f"type {info.type} is not in the contract")

    def price(units: int) -> Decimal | None:
        return Decimal(units).scaleb(-listing.price_decimals) if units else None

    expires = moment(info.order_expiry)
    return Order.trusted(
        market_id=listed.id,
        client_order_id=named(info.client_order_index),
        side=Side.SELL if info.is_ask else Side.BUY,
        type=kind,
        status=OrderStatus.REJECTED,
        size=Decimal(info.base_amount).scaleb(-listing.size_decimals),
        price=price(info.price) if kind.has_price else None,
        trigger_price=price(info.trigger_price) if kind.has_trigger else None,
        time_in_force=TimeInForce.IOC if info.time_in_force == codes.IMMEDIATE_OR_CANCEL else TimeInForce.GTC,
        post_only=info.time_in_force == codes.POST_ONLY,
        reduce_only=bool(info.reduce_only),
        reject_reason=reason_of(error),
        status_message=error or "the sequencer refused the transaction",
        expires_at=expires,
        updated_at=at,
        ts_received=received,
    )


def fill(
    row: schema.Trade,
    listed: Market,
    received: datetime,
    account_index: int,
    named: Callable[[int], str | None] = client_id,
) -> Fill:
    """
    Decode a fill of ours.

    The fee is a rate in 1e-6 of the trade's value (196 is the published 0.0196 %), left out where it is zero.

    Args:
        named: What our id for a client order index is.

    Raises:
        DecodeError: The account is on neither side of it.
    """
    what = f"trade {row.trade_id}"
    if account_index not in {row.ask_account_id, row.bid_account_id}:
        raise refuse(what, f"account {account_index} is neither ask_account_id nor bid_account_id")
    selling = row.ask_account_id == account_index
    making = selling is row.is_maker_ask
    price, size = finite(row.price, what), finite(row.size, what)
    notional = finite(row.usd_amount, what) if row.usd_amount is not None else _EXACT.multiply(price, size)
    rate = row.maker_fee if making else row.taker_fee
    order_number, ours = (row.ask_id, row.ask_client_id) if selling else (row.bid_id, row.bid_client_id)
    pnl, side_pnl = (row.ask_account_pnl, "ask_account_pnl") if selling else (row.bid_account_pnl, "bid_account_pnl")
    return Fill.trusted(
        fill_id=str(row.trade_id),
        market_id=listed.id,
        venue_order_id=str(order_number) if order_number else None,
        client_order_id=named(ours),
        side=Side.SELL if selling else Side.BUY,
        price=price,
        size=size,
        fee=_EXACT.multiply(notional, rate * _MILLIONTH) if rate else ZERO,
        fee_asset=QUOTE,
        liquidity=Liquidity.MAKER if making else Liquidity.TAKER,
        kind=fill_kind(row.type),
        realized_pnl=number(pnl, f"{what} {side_pnl}"),
        ts_venue=moment_of(row.timestamp, what),
        ts_received=received,
    )
