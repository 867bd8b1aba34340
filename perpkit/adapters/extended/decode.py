"""
Schema types to core models. Pure: no I/O, no state, no clock.

What moves money is read strictly: an order with a status, side or type that no source knows is a ``DecodeError``. What
informs is read leniently: an unknown kind of fill is ``other``, a price of zero is None.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final

from pydantic import ValidationError

from perpkit.adapters.extended import endpoints, schema
from perpkit.adapters.extended.config import VENUE
from perpkit.adapters.extended.errors import ending
from perpkit.core.clock import from_ms
from perpkit.core.errors import DecodeError, RejectReason
from perpkit.core.models import (
    AccountSummary,
    Balance,
    BookLevel,
    BookSnapshot,
    Candle,
    Fill,
    FillKind,
    FundingAccrual,
    FundingKind,
    FundingPayment,
    FundingRate,
    Instrument,
    LeverageSetting,
    Liquidity,
    MarginMode,
    Market,
    MarketStatus,
    Order,
    OrderStatus,
    OrderType,
    Position,
    PriceKind,
    Side,
    Ticker,
    TimeInForce,
    Trade,
    TradingFees,
    best_first,
)
from perpkit.core.unknown_words import UnknownWords

log = logging.getLogger(__name__)

_ZERO: Final = Decimal(0)

SIDES: Final[Mapping[str, Side]] = {"BUY": Side.BUY, "SELL": Side.SELL}
_POSITION_SIGNS: Final[Mapping[str, int]] = {"LONG": 1, "SHORT": -1}

MARKET_STATUSES: Final[Mapping[str, MarketStatus]] = {
    "ACTIVE": MarketStatus.OPEN,
    "REDUCE_ONLY": MarketStatus.REDUCE_ONLY,
    "DELISTED": MarketStatus.SETTLED,
    "PRELISTED": MarketStatus.SETTLED,
    "DISABLED": MarketStatus.HALTED,
}

FILL_KINDS: Final[Mapping[str, FillKind]] = {
    "TRADE": FillKind.TRADE,
    "LIQUIDATION": FillKind.LIQUIDATION,
    "DELEVERAGE": FillKind.ADL,
}

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
# the number beside it, and these are needed for every event of a busy stream.
_LIMIT, _MARKET, _IOC = OrderType.LIMIT, OrderType.MARKET, TimeInForce.IOC
_WITH_PRICE: Final = frozenset(kind for kind in OrderType if kind.has_price)
_OPEN, _PARTIALLY_FILLED, _FILLED = OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED
_new_trade, _new_order = Trade.trusted, Order.trusted

_LEAST_MS: Final = 10**11
"""Below it a time is in seconds: some documented samples are. In milliseconds it would be before March 1973."""

_MOST_DIGITS: Final = 18

unknown = UnknownWords(VENUE, log)


def refuse(what: str, problem: str) -> DecodeError:
    """Return the error that names what can't be read, and why."""
    return DecodeError(f"{what}: {problem}", venue=VENUE)


def _side(word: str, what: str, named: int | str) -> Side:
    try:
        return SIDES[word]
    except KeyError:
        raise refuse(f"{what} {named}", f"side {word!r} is neither BUY nor SELL") from None


def _sign(word: str, what: str) -> int:
    try:
        return _POSITION_SIGNS[word]
    except KeyError:
        raise refuse(what, f"side {word!r} is neither LONG nor SHORT") from None


def number(text: str, what: str) -> Decimal:
    """
    Read a number.

    Raises:
        DecodeError: It is none, or not finite; the message names it.
    """
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise refuse(what, f"{text[:40]!r} is not a number") from None
    if not value.is_finite():
        raise refuse(what, f"{text[:40]!r} is not a finite number")
    return value


def positive(value: Decimal | None) -> Decimal | None:
    """Read a price where zero and less mean that there is none."""
    return value if value is not None and value > _ZERO else None


def _count(value: Decimal, what: str) -> int:
    # Of 1e999999999 int() would make a number of a billion digits, and nothing else would go on meanwhile.
    if value.adjusted() > _MOST_DIGITS:
        raise refuse(what, f"{value} is no count")
    return int(value)


def moment(milliseconds: int) -> datetime:
    """Read a time: milliseconds, or seconds where only seconds can be meant."""
    return from_ms(milliseconds if milliseconds >= _LEAST_MS else milliseconds * 1000)


def sequence(identity: schema.Id | None) -> tuple[int, str]:
    """Return what ids sort by, in the order of their numbers; a text that is no number, which would be new, has one."""
    text = str(identity if identity is not None else "")
    return len(text), text


def asset(name: str) -> str:
    """Return perpkit's name of the collateral: the API says USD of what is USDC on chain."""
    return endpoints.SETTLE_ASSETS.get(name, name)


# Markets and prices


def market(row: schema.Market) -> Market:
    """
    Decode one perpetual and its rules.

    The venue limits orders and positions by value and not by size, so ``max_size`` and ``position_limit`` are None; it
    lists no fees, which are the account's own.

    Raises:
        DecodeError: A rule is missing or can't be (a tick of zero).
    """
    what = f"market {row.name}"
    rules = row.trading_config
    bands = rules.risk_factor_config
    status = MARKET_STATUSES.get(row.status)
    if status is None:
        unknown.report("market status", row.status)
        status = MarketStatus.HALTED
    if row.is_off_hours and status is MarketStatus.OPEN:
        status = MarketStatus.HALTED
    try:
        return Market(
            venue=VENUE,
            symbol=row.name,
            # Prices are in USD, whatever the collateral is called.
            instrument=Instrument.of(row.asset_name, row.collateral_asset_name, asset(row.collateral_asset_name)),
            tick_size=rules.min_price_change,
            step_size=rules.min_order_size_change,
            min_size=rules.min_order_size,
            price_band=positive(min(rules.limit_price_cap, rules.limit_price_floor)),
            funding_interval=endpoints.FUNDING_PERIOD,
            funding_accrual=FundingAccrual.DISCRETE,
            max_leverage=positive(rules.max_leverage),
            # The first band's: 'riskFactor' is the initial margin rate up to a position value.
            initial_margin_fraction=min(bands, key=lambda band: band.upper_bound).risk_factor if bands else None,
            max_open_orders=_count(rules.max_num_orders, what),
            status=status,
            listed_at=moment(row.created_at) if row.created_at else None,
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise refuse(what, f"{place}: {first['msg']}") from error
    except DecodeError as error:
        if error.message.startswith(what):
            raise
        # A date that is none doesn't know whose it is.
        raise refuse(what, error.message) from error
    except ArithmeticError as error:
        raise refuse(what, "a number of it is beyond what can be computed with") from error


def ticker(row: schema.MarketStats, listed: Market, received: datetime) -> Ticker:
    """Decode one market's prices. There is no time in them."""
    return Ticker.trusted(
        market_id=listed.id,
        bid_price=positive(row.bid_price),
        ask_price=positive(row.ask_price),
        last_price=positive(row.last_price),
        mark_price=positive(row.mark_price),
        index_price=positive(row.index_price),
        volume_24h=row.daily_volume_base,
        notional_24h=row.daily_volume,
        open_interest=row.open_interest_base,
        ts_received=received,
    )


def order_book(row: schema.OrderBook, listed: Market, received: datetime) -> BookSnapshot:
    """Decode a REST book, best levels first."""
    return BookSnapshot.trusted(
        market_id=listed.id,
        bids=side_of(((each.price, each.qty) for each in row.bid or ()), listed, is_bid=True),
        asks=side_of(((each.price, each.qty) for each in row.ask or ()), listed, is_bid=False),
        ts_received=received,
    )


def side_of(pairs: Iterable[tuple[Decimal, Decimal]], listed: Market, *, is_bid: bool) -> tuple[BookLevel, ...]:
    """
    Return one side of a book, best first, without levels of no size.

    Raises:
        DecodeError: A size is below zero, or a price is not above it.
    """
    try:
        return best_first((BookLevel(price, size) for price, size in pairs), is_bid=is_bid)
    except ValueError as error:
        raise refuse(f"book of {listed.id}", str(error)) from None


def trade(row: schema.PublicTrade, listed: Market, received: datetime) -> Trade:
    """Decode one trade of the tape; the side is the taker's."""
    price, size = row.p, row.q
    if not (price.is_finite() and size.is_finite()):
        raise refuse(f"trade {row.i}", f"{size} at {price} are not finite numbers")
    return _new_trade(
        trade_id=str(row.i),
        market_id=listed.id,
        side=_side(row.S, "trade", row.i),
        price=price,
        size=size,
        kind=_fill_kind(row.tT),
        ts_venue=moment(row.T),
        ts_received=received,
    )


def trades(rows: Iterable[schema.PublicTrade], listed: Market, received: datetime) -> list[Trade]:
    """Decode trades of the tape. One with a side of no known name is left out with a word, and costs no other."""
    found = []
    for row in rows:
        if row.S in SIDES:
            found.append(trade(row, listed, received))
        else:
            unknown.report("side of a trade", row.S)
    return found


def _fill_kind(word: str) -> FillKind:
    kind = FILL_KINDS.get(word)
    if kind is None:
        unknown.report("kind of trade", word)
        return FillKind.OTHER
    return kind


def candle(row: schema.Candle, listed: Market, interval: timedelta) -> Candle:
    """Decode one bar; those of mark and index prices have no volume."""
    return Candle.trusted(
        market_id=listed.id,
        opened_at=moment(row.T),
        interval=interval,
        open=row.o,
        high=row.h,
        low=row.l,
        close=row.c,
        volume=row.v,
    )


# Funding


def running_rate(row: schema.MarketStats, listed: Market, received: datetime) -> FundingRate | None:
    """
    Decode a market's running estimate, which is applied at ``next_at`` as it stands then; None where it has none.

    It is a fraction for one hour, recalculated each minute, and paid on the mark price.
    """
    if row.funding_rate is None:
        return None
    return FundingRate.trusted(
        market_id=listed.id,
        value=row.funding_rate,
        period=endpoints.FUNDING_PERIOD,
        kind=FundingKind.PREDICTED,
        accrual=FundingAccrual.DISCRETE,
        next_at=moment(row.next_funding_rate) if row.next_funding_rate else None,
        # The answer has no time of its own.
        effective_at=received,
        notional_price=PriceKind.MARK,
        mark_price=positive(row.mark_price),
        index_price=positive(row.index_price),
        source=f"GET {endpoints.MARKETS}",
        ts_received=received,
    )


def applied_rate(row: schema.FundingRate, listed: Market, received: datetime) -> FundingRate:
    """Decode a rate that was applied, for the hour that ended at its time."""
    return FundingRate.trusted(
        market_id=listed.id,
        value=row.f,
        period=endpoints.FUNDING_PERIOD,
        kind=FundingKind.SETTLED,
        accrual=FundingAccrual.DISCRETE,
        effective_at=moment(row.T),
        notional_price=PriceKind.MARK,
        source="GET /info/{market}/funding",
        ts_received=received,
    )


def funding_payment(row: schema.FundingPayment, listed: Market, received: datetime) -> FundingPayment:
    """
    Decode one payment: from the account's view, positive when received.

    That a long pays a positive rate is documented; the sign of ``fundingFee`` is not, so rate and side decide it, and
    the fee's own sign only where the rate has none.
    """
    sign = _sign(row.side, f"funding payment {row.id}")
    amount = row.funding_fee
    if row.funding_rate:
        paid = (row.funding_rate > _ZERO) == (sign > 0)
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
        equity=_ZERO,
        free_collateral=_ZERO,
        initial_margin=_ZERO,
        maintenance_margin=_ZERO,
        unrealized_pnl=_ZERO,
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
    if row.size < _ZERO:
        raise refuse(what, f"size {row.size} is negative, and its sign is in the side")
    size = row.size * sign if row.status == "OPENED" else _ZERO
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
    if row.leverage <= _ZERO:
        raise refuse(f"leverage of {listed.id}", f"leverage {row.leverage} is not above zero")
    return LeverageSetting(
        market_id=listed.id, leverage=row.leverage, margin_mode=MarginMode.CROSS, max_leverage=listed.max_leverage
    )


def fees(row: schema.Fee, listed: Market) -> TradingFees:
    """Decode what this account pays on a market."""
    return TradingFees.trusted(market_id=listed.id, maker=row.maker_fee_rate, taker=row.taker_fee_rate)


# Orders and fills


def order(row: schema.Order, listed: Market, received: datetime) -> Order:
    """
    Decode an order.

    Raises:
        DecodeError: Status, side or type is in no source, or the sizes contradict each other.
    """
    size, created, updated, expires = row.qty, row.created_time, row.updated_time, row.expire_time
    side = _side(row.side, "order", row.id)
    kind, trigger = (_LIMIT, None) if row.type == "LIMIT" else _kind_and_trigger(row, side)
    filled = row.filled_qty if row.filled_qty is not None else _filled(row)
    if not filled >= _ZERO or (filled > size > _ZERO):
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
        return _ZERO
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
        side=_side(row.side, "fill", row.id),
        price=row.price,
        size=row.qty,
        fee=row.fee,
        fee_asset=listed.instrument.settle,
        liquidity=Liquidity.TAKER if row.is_taker else Liquidity.MAKER,
        kind=_fill_kind(row.trade_type),
        ts_venue=moment(row.created_time),
        ts_received=received,
    )
