"""Toy's words to perpkit's: pure functions, no I/O, no state."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeVar

from perpkit.core.clock import from_ms
from perpkit.core.errors import DecodeError, RejectReason
from perpkit.core.models import (
    AccountSummary,
    Balance,
    BookDelta,
    BookLevel,
    BookSnapshot,
    CancelStatus,
    Fill,
    FillKind,
    FundingAccrual,
    FundingKind,
    FundingPayment,
    FundingRate,
    Instrument,
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
    VenueHealth,
    VenueStatus,
    best_first,
)
from pydantic import ValidationError

from perpkit_toy import schema
from perpkit_toy.config import VENUE

log = logging.getLogger(__name__)

E = TypeVar("E", bound=StrEnum)

CLOSINGS: Final[Mapping[str, tuple[OrderStatus, RejectReason | None]]] = {
    "canceled_by_user": (OrderStatus.CANCELED, None),
    "canceled_by_venue": (OrderStatus.CANCELED, None),
    "nothing_to_match": (OrderStatus.CANCELED, RejectReason.NO_LIQUIDITY),
    "would_cross": (OrderStatus.REJECTED, RejectReason.POST_ONLY_WOULD_CROSS),
    "too_far": (OrderStatus.REJECTED, RejectReason.PRICE_BAND),
    "not_enough_margin": (OrderStatus.REJECTED, RejectReason.MARGIN),
    "nothing_to_reduce": (OrderStatus.REJECTED, RejectReason.REDUCE_ONLY),
    "self_trade": (OrderStatus.CANCELED, RejectReason.SELF_TRADE),
    "market_closed": (OrderStatus.CANCELED, RejectReason.MARKET_CLOSED),
    "liquidation": (OrderStatus.CANCELED, RejectReason.MARGIN),
}
"""How an order ended that filled nothing: what filled something was not rejected, and what filled whole is filled."""

CANCELS: Final[Mapping[str, CancelStatus]] = {
    "canceled": CancelStatus.CANCELED,
    "queued": CancelStatus.REQUESTED,
    "already_closed": CancelStatus.ALREADY_CLOSED,
}


def _word(kind: type[E], word: str, what: str) -> E:
    """Read a word that money depends on: an unknown one is an error."""
    try:
        return kind(word)
    except ValueError:
        known = ", ".join(kind)
        raise DecodeError(f"{what}: {word!r} is not one of {known}", venue=VENUE) from None


def _kind(word: str) -> FillKind:
    """Read a word that informs: an unknown one is told of, and the fill is kept."""
    try:
        return FillKind(word)
    except ValueError:
        log.warning("%s sends a fill of kind %r, which is not in its contract; please report it", VENUE, word)
        return FillKind.OTHER


def _hours(hours: Decimal) -> timedelta:
    return timedelta(microseconds=int(hours * 3_600_000_000))


def health(row: schema.Status, sent: datetime, received: datetime) -> VenueHealth:
    """Decode the venue's state and compare its clock with ours."""
    status = VenueStatus.MAINTENANCE if row.status == "maintenance" else _word(VenueStatus, row.status, "status")
    at = from_ms(row.time)
    return VenueHealth(
        venue=VENUE,
        status=status,
        server_time=at,
        clock_skew=at - (sent + (received - sent) / 2),
        round_trip=received - sent,
        ts_received=received,
    )


def market(row: schema.Market) -> Market:
    """
    Decode one perpetual and its rules.

    Raises:
        DecodeError: A rule can't be (a tick of zero).
    """
    try:
        return Market(
            venue=VENUE,
            symbol=row.symbol,
            instrument=Instrument.of(row.base, row.quote, row.settle),
            tick_size=row.tick_size,
            step_size=row.step_size,
            max_size=row.max_size,
            position_limit=row.position_limit,
            max_open_orders=row.max_open_orders,
            price_band=row.price_band,
            min_notional=row.min_notional,
            maker_fee=row.maker_fee,
            taker_fee=row.taker_fee,
            funding_interval=_hours(row.funding_period_hours),
            funding_accrual=FundingAccrual.CONTINUOUS,
            max_leverage=1 / row.initial_margin if row.initial_margin > 0 else None,
            initial_margin_fraction=row.initial_margin,
            maintenance_margin_fraction=row.maintenance_margin,
            status=_word(MarketStatus, row.status, f"market {row.symbol}"),
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DecodeError(f"market {row.symbol}: {place}: {first['msg']}", venue=VENUE) from error


def ticker(row: schema.Ticker, listed: Market, received: datetime) -> Ticker:
    """Decode a market's prices. The venue counts turnover, not volume."""
    return Ticker(
        market_id=listed.id,
        bid_price=row.bid,
        ask_price=row.ask,
        last_price=row.last,
        mark_price=row.mark,
        index_price=row.index,
        notional_24h=row.turnover_24h,
        open_interest=row.open_interest,
        ts_venue=from_ms(row.time),
        ts_received=received,
    )


def funding_rate(row: schema.Ticker, listed: Market, received: datetime) -> FundingRate | None:
    """Decode the running rate, a fraction for the market's own period; None where the venue sends none."""
    if row.funding_rate is None:
        return None
    return FundingRate(
        market_id=listed.id,
        value=row.funding_rate,
        period=_hours(row.funding_period_hours),
        kind=FundingKind.CURRENT,
        accrual=FundingAccrual.CONTINUOUS,
        effective_at=from_ms(row.time),
        notional_price=PriceKind.INDEX,
        mark_price=row.mark,
        index_price=row.index,
        source="GET /tickers",
        ts_received=received,
    )


def sampled_rate(row: schema.Funding, listed: Market, received: datetime) -> FundingRate:
    """Decode one sample of the rate. Samples are not settlements and must not be added up."""
    return FundingRate(
        market_id=listed.id,
        value=row.rate,
        period=_hours(row.period_hours),
        kind=FundingKind.SAMPLE,
        accrual=FundingAccrual.CONTINUOUS,
        effective_at=from_ms(row.time),
        notional_price=PriceKind.INDEX,
        source="GET /funding-history",
        ts_received=received,
    )


def _levels(rows: Sequence[tuple[Decimal, Decimal]] | None) -> tuple[BookLevel, ...]:
    return tuple(BookLevel(price, size) for price, size in rows or ())


def book(row: schema.Book, listed: Market, received: datetime) -> BookSnapshot:
    """Decode a whole book."""
    return BookSnapshot(
        market_id=listed.id,
        bids=best_first(_levels(row.bids), is_bid=True),
        asks=best_first(_levels(row.asks), is_bid=False),
        sequence=row.sequence,
        ts_venue=from_ms(row.time),
        ts_received=received,
    )


def book_update(row: schema.Book, listed: Market, received: datetime) -> BookDelta:
    """Decode changed levels: sizes are what stands there now, and each number is one more than the last."""
    return BookDelta(
        market_id=listed.id,
        bids=_levels(row.bids),
        asks=_levels(row.asks),
        previous_sequence=row.sequence - 1,
        sequence=row.sequence,
        ts_venue=from_ms(row.time),
        ts_received=received,
    )


def trade(row: schema.Trade, listed: Market, received: datetime) -> Trade:
    """Decode a public trade."""
    return Trade(
        trade_id=row.id,
        market_id=listed.id,
        side=_word(Side, row.side, f"trade {row.id}"),
        price=row.price,
        size=row.size,
        kind=_kind(row.kind),
        ts_venue=from_ms(row.time),
        ts_received=received,
    )


def account(row: schema.Account, received: datetime) -> AccountSummary:
    """Decode equity and margins."""
    return AccountSummary(
        asset=row.asset,
        equity=row.equity,
        free_collateral=row.free_collateral,
        initial_margin=row.initial_margin,
        maintenance_margin=row.maintenance_margin,
        unrealized_pnl=row.unrealized_pnl,
        ts_venue=from_ms(row.time),
        ts_received=received,
    )


def balance(row: schema.Balance, received: datetime) -> Balance:
    """Decode one asset's settled cash."""
    return Balance(
        asset=row.asset,
        total=row.total,
        available=row.available,
        sequence=row.sequence,
        ts_venue=from_ms(row.time),
        ts_received=received,
    )


def position(row: schema.Position, listed: Market, received: datetime) -> Position:
    """Decode a position; the venue's size is signed as ours is."""
    return Position(
        market_id=listed.id,
        size=row.size,
        entry_price=row.entry_price if row.size else None,
        mark_price=row.mark_price,
        unrealized_pnl=row.unrealized_pnl,
        accrued_funding=row.accrued_funding,
        realized_pnl=row.realized_pnl,
        liquidation_price=row.liquidation_price,
        leverage=row.leverage,
        margin_mode=_word(MarginMode, row.margin_mode, f"position {row.symbol}"),
        sequence=row.sequence,
        ts_venue=from_ms(row.time),
        ts_received=received,
    )


def fees(row: schema.Fees, listed: Market) -> TradingFees:
    """Decode what this account pays."""
    return TradingFees(market_id=listed.id, maker=row.maker, taker=row.taker)


def order(row: schema.Order, listed: Market, received: datetime) -> Order:
    """
    Decode an order.

    Raises:
        DecodeError: A state, side, type or time in force that the contract does not have.
    """
    what = f"order {row.id}"
    if not row.id:
        raise DecodeError("an order without an id", venue=VENUE)
    status, reason = _status(row, what)
    return Order(
        market_id=listed.id,
        venue_order_id=row.id,
        client_order_id=row.client_id,
        side=_word(Side, row.side, what),
        type=_word(OrderType, row.type, what),
        status=status,
        size=row.size,
        filled_size=row.filled_size,
        price=row.price,
        average_price=row.average_price,
        trigger_price=row.trigger_price,
        time_in_force=_word(TimeInForce, row.time_in_force, what),
        post_only=row.post_only,
        reduce_only=row.reduce_only,
        reject_reason=reason,
        status_message=row.reason,
        created_at=from_ms(row.created_at),
        updated_at=from_ms(row.updated_at),
        sequence=row.sequence,
        ts_received=received,
    )


def _status(row: schema.Order, what: str) -> tuple[OrderStatus, RejectReason | None]:
    match row.state:
        case "new":
            return OrderStatus.PENDING, None
        case "untriggered":
            # Placed on the venue's own page: this plugin places none.
            return OrderStatus.OPEN, None
        case "open":
            return (OrderStatus.PARTIALLY_FILLED if row.filled_size else OrderStatus.OPEN), None
        case "closed" if row.filled_size == row.size:
            return OrderStatus.FILLED, None
        case "closed":
            if row.reason is None:
                raise DecodeError(f"{what}: closed, and reason is missing", venue=VENUE)
            # That it is over is certain; a reason that the contract does not list changes only the why.
            status, reason = CLOSINGS.get(row.reason, (OrderStatus.CANCELED, RejectReason.OTHER))
            return (OrderStatus.CANCELED if row.filled_size else status), reason
        case _:
            raise DecodeError(f"{what}: state {row.state!r} is not one of new, untriggered, open, closed", venue=VENUE)


def cancel_status(row: schema.Canceled) -> CancelStatus:
    """
    Decode the answer to a cancel.

    Raises:
        DecodeError: It says something that the contract does not have.
    """
    try:
        return CANCELS[row.result]
    except KeyError:
        raise DecodeError(f"result {row.result!r} is not one of {', '.join(CANCELS)}", venue=VENUE) from None


def fill(row: schema.Fill, listed: Market, received: datetime) -> Fill:
    """Decode one execution of ours."""
    what = f"fill {row.id}"
    return Fill(
        fill_id=row.id,
        market_id=listed.id,
        venue_order_id=row.order_id or None,
        client_order_id=row.client_id,
        side=_word(Side, row.side, what),
        price=row.price,
        size=row.size,
        fee=row.fee,
        fee_asset=row.fee_asset,
        liquidity=_word(Liquidity, row.liquidity, what),
        kind=_kind(row.kind),
        realized_pnl=row.realized_pnl,
        realized_funding=row.realized_funding,
        ts_venue=from_ms(row.time),
        ts_received=received,
    )


def payment(row: schema.Payment, listed: Market, received: datetime) -> FundingPayment:
    """Decode funding that was settled."""
    return FundingPayment(
        payment_id=row.id,
        market_id=listed.id,
        amount=row.amount,
        asset=row.asset,
        rate=row.rate,
        size=row.size,
        ts_venue=from_ms(row.time),
        ts_received=received,
    )
