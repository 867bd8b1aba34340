"""
Schema types to core models. Pure: no I/O, no state, no clock.

What moves money is read strictly: an order with a status, side or type that isn't in the contract is a
``DecodeError``. What informs is read leniently: an unknown kind of fill is ``other``, a price that isn't there is
None. A zero price means 'none' on this venue.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Final

import msgspec
from pydantic import ValidationError

from perpkit.adapters.paradex import endpoints, schema
from perpkit.adapters.paradex.config import VENUE
from perpkit.adapters.paradex.errors import closing
from perpkit.core.clock import from_ms
from perpkit.core.errors import DecodeError, RejectReason
from perpkit.core.models import (
    AccountSummary,
    Balance,
    BookDelta,
    BookLevel,
    BookSnapshot,
    CancelStatus,
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
    VenueStatus,
    best_first,
)
from perpkit.core.models.book import BestFirst, impossible

log = logging.getLogger(__name__)

_ZERO: Final = Decimal(0)
_ONE: Final = Decimal(1)

SIDES: Final[Mapping[str, Side]] = {"BUY": Side.BUY, "SELL": Side.SELL}

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

FILL_KINDS: Final[Mapping[str, FillKind]] = {
    "FILL": FillKind.TRADE,
    "RPI": FillKind.TRADE,
    "BLOCK_TRADE": FillKind.TRADE,
    "LIQUIDATION": FillKind.LIQUIDATION,
    "SETTLE_MARKET": FillKind.SETTLEMENT,
    "UNWIND_TRANSFER": FillKind.TRANSFER,
}

VENUE_STATUSES: Final[Mapping[str, VenueStatus]] = {
    "ok": VenueStatus.OK,
    "maintenance": VenueStatus.MAINTENANCE,
    "cancel_only": VenueStatus.CANCEL_ONLY,
    "post_only": VenueStatus.POST_ONLY,
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
_CONTINUOUS, _INDEX = FundingAccrual.CONTINUOUS, PriceKind.INDEX
_new_trade, _new_order, _new_rate = Trade.trusted, Order.trusted, FundingRate.trusted
_new_snapshot, _new_delta = BookSnapshot.trusted, BookDelta.trusted

_reported: set[str] = set()
_MOST_REPORTED = 1000


def _report(what: str, word: str) -> None:
    """Log an unknown word once; foreign text can't grow the memory of it without bound."""
    key = f"{what} {word}"
    if key not in _reported and len(_reported) < _MOST_REPORTED:
        _reported.add(key)
        log.warning("%s uses a %s that perpkit does not know: %r; please report it", VENUE, what, word)


def _refuse(what: str, problem: str) -> DecodeError:
    return DecodeError(f"{what}: {problem}", venue=VENUE)


@lru_cache(maxsize=65_536)
def _number(text: str) -> Decimal:
    """Read a finite number. Prices, sizes and rates come again and again, and a Decimal never changes."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise _refuse("a number", f"{text[:40]!r} is not a number") from None
    if not value.is_finite():
        raise _refuse("a number", f"{text[:40]!r} is not a finite number")
    return value


def number(text: str, what: str, *named: str) -> Decimal | None:
    """
    Read a quantity that may be blank.

    Args:
        what: What it is. As in logging, ``named`` is put into it only when it is needed: nearly no number is wrong.

    Raises:
        DecodeError: It is neither blank nor a finite number; the message names it.
    """
    if not text:
        return None
    try:
        return _number(text)
    except DecodeError as error:
        raise _refuse(what % named if named else what, error.message.partition(": ")[2]) from None


def finite(value: Decimal, what: str, *named: str) -> Decimal:
    """
    Return a quantity as it is; the wire layer reads 'NaN' as a number too.

    Raises:
        DecodeError: It is not finite; the message names it.
    """
    if value.is_finite():
        return value
    raise _refuse(what % named if named else what, f"{value} is not a finite number")


def positive(text: str, what: str, *named: str) -> Decimal | None:
    """Read a price or a limit where blank, zero and less than zero mean that there is none."""
    if not text or text == "0":
        return None
    try:
        value = _number(text)
    except DecodeError:
        return number(text, what, *named)  # which raises it again, in full words
    return value if value > _ZERO else None


def _side(word: str, what: str, *named: str) -> Side:
    try:
        return SIDES[word]
    except KeyError:
        raise _refuse(what % named if named else what, f"side {word!r} is neither BUY nor SELL") from None


def _moment(milliseconds: int | None) -> datetime | None:
    return from_ms(milliseconds) if milliseconds else None


# Markets and prices


def market(row: schema.Market, now: datetime, *, interactive: bool = False) -> Market:
    """
    Decode one perpetual and its rules.

    Args:
        interactive: Take the fees of retail tokens.

    Raises:
        DecodeError: A rule is missing or can't be (a tick of zero).
    """
    what = f"market {row.symbol}"
    fees = _fees(row.fee_config, interactive=interactive)
    initial, maintenance, most = _margins(row.delta1_cross_margin_params)
    hours = row.funding_period_hours
    try:
        return Market(
            venue=VENUE,
            symbol=row.symbol,
            instrument=Instrument.of(_base(row), row.quote_currency, row.settlement_currency),
            tick_size=row.price_tick_size,
            step_size=row.order_size_increment,
            max_size=positive(row.max_order_size, f"{what} max_order_size"),
            min_notional=number(row.min_notional, f"{what} min_notional"),
            price_band=positive(row.price_bands_width, f"{what} price_bands_width"),
            maker_fee=fees[0],
            taker_fee=fees[1],
            funding_interval=_hours(hours) if hours is not None and hours > 0 else None,
            funding_accrual=FundingAccrual.CONTINUOUS,
            max_leverage=most,
            initial_margin_fraction=initial,
            maintenance_margin_fraction=maintenance,
            position_limit=positive(row.position_limit, f"{what} position_limit"),
            max_open_orders=row.max_open_orders,
            status=_market_status(row, now),
            listed_at=_moment(row.open_at),
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise _refuse(what, f"{place}: {first['msg']}") from error


def _margins(params: schema.MarginParams | None) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    """Return a market's initial and maintenance fraction, and the largest leverage; None each where there are none."""
    if params is None or params.imf_base <= 0:
        return None, None, None
    # Whole numbers only: OpenAPI `AccountMarginRequest.leverage` is an integer.
    return params.imf_base, params.imf_base * params.mmf_factor, Decimal(int(_ONE / params.imf_base))


def _base(row: schema.Market) -> str:
    """
    Return the listed base. The symbol decides: in ``kPEPE-USD-PERP`` a size counts thousands, whatever the asset is
    called.
    """
    suffix = f"-{row.quote_currency}-PERP"
    return row.symbol.removesuffix(suffix) if row.symbol.endswith(suffix) else row.base_currency


@lru_cache(maxsize=256)
def _period(hours: Decimal | int) -> timedelta | None:
    """Return how long a rate's period is; None for zero, which is none."""
    exact = finite(Decimal(hours), "funding_period_hours")
    return _hours(exact) if exact > 0 else None


def _hours(hours: Decimal) -> timedelta:
    return timedelta(microseconds=int(hours * 3_600_000_000))


def _market_status(row: schema.Market, now: datetime) -> MarketStatus:
    opened, expires = _moment(row.open_at), _moment(row.expiry_at)
    if (opened is not None and opened > now) or (expires is not None and expires <= now):
        return MarketStatus.SETTLED
    # RFQ_ONLY takes block trades only: no order of ours.
    return MarketStatus.HALTED if row.trading_mode == "RFQ_ONLY" else MarketStatus.OPEN


def _fees(config: schema.FeeConfig | None, *, interactive: bool) -> tuple[Decimal | None, Decimal | None]:
    fees = None if config is None else config.interactive_fee if interactive else config.api_fee
    if fees is None:
        return None, None
    return (
        fees.maker_fee.fee if fees.maker_fee is not None else None,
        fees.taker_fee.fee if fees.taker_fee is not None else None,
    )


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
        raise _refuse(f"fees of {listed.id}", "neither the market nor the account names them")
    return TradingFees(market_id=listed.id, maker=maker, taker=taker)


def ticker(row: schema.MarketSummary, listed: Market, received: datetime) -> Ticker:
    """Decode one market's prices. The 24-hour volume is in USD, so it is a notional."""
    return Ticker.trusted(
        market_id=listed.id,
        bid_price=positive(row.bid, "bid"),
        ask_price=positive(row.ask, "ask"),
        last_price=positive(row.last_traded_price, "last_traded_price"),
        mark_price=positive(row.mark_price, "mark_price"),
        index_price=positive(row.underlying_price, "underlying_price"),
        notional_24h=number(row.volume_24h, "volume_24h"),
        open_interest=number(row.open_interest, "open_interest"),
        ts_venue=_moment(row.created_at),
        ts_received=received,
    )


def order_book(row: schema.OrderBook, listed: Market, received: datetime) -> BookSnapshot:
    """Decode a REST book, best levels first."""
    return BookSnapshot.trusted(
        market_id=listed.id,
        bids=_side_of(row.bids, listed, is_bid=True),
        asks=_side_of(row.asks, listed, is_bid=False),
        sequence=row.seq_no,
        ts_venue=_moment(row.last_updated_at),
        ts_received=received,
    )


def _side_of(rows: Iterable[tuple[Decimal, Decimal]] | None, listed: Market, *, is_bid: bool) -> BestFirst:
    try:
        return best_first([BookLevel(price, size) for price, size in rows or ()], is_bid=is_bid)
    except ValueError as error:
        raise _refuse(f"book of {listed.id}", str(error)) from None


def book_update(row: schema.OrderBookUpdate, listed: Market, received: datetime) -> BookSnapshot | BookDelta:
    """
    Decode a frame of the book's channel.

    ``seq_no`` counts the market's updates, so each frame of the deltas feed follows the one numbered one less.

    Raises:
        DecodeError: It is neither a snapshot nor a change, or a level has no side, a size below zero or a price that is
            not above it.
    """
    bids: list[BookLevel] = []
    asks: list[BookLevel] = []
    levels, any_empty = _levels, False
    add_bid, add_ask, last_at = bids.append, asks.append, levels.last_at.get
    for rows in (row.inserts, row.updates):
        for each in rows or ():
            side, price, size = each.side, each.price, each.size
            last = last_at(price)
            if last is None:
                last = levels.read(price, size)
                any_empty = any_empty or not last.level.size
            elif last.size != size:
                # As in `read`, in place: a quarter of a book is new with each frame.
                try:
                    base = Decimal(size)
                    is_usual = base > _ZERO and base.is_finite()
                except InvalidOperation:  # no number, or compared as none
                    is_usual = False
                if is_usual:
                    last.size, last.level = size, _new(BookLevel, (last.price, base))
                else:
                    last = levels.read(price, size)
                    any_empty = True
            if side == "BUY":
                add_bid(last.level)
            elif side == "SELL":
                add_ask(last.level)
            else:
                raise _no_side(side, listed)
    if row.update_type == "s":
        return _new_snapshot(
            market_id=listed.id,
            bids=best_first(bids, is_bid=True, checked=not any_empty),
            asks=best_first(asks, is_bid=False, checked=not any_empty),
            sequence=row.seq_no,
            ts_venue=_moment(row.last_updated_at),
            ts_received=received,
        )
    if row.update_type != "d":
        raise _refuse(f"book of {listed.id}", f"update_type {row.update_type!r} is neither 's' nor 'd'")
    for each in row.deletes or ():
        if each.side not in SIDES:
            raise _no_side(each.side, listed)
        gone = bids if each.side == "BUY" else asks
        gone.append(BookLevel(_number(each.price), _ZERO))
    return _new_delta(
        market_id=listed.id,
        bids=tuple(bids),
        asks=tuple(asks),
        previous_sequence=row.seq_no - 1,
        sequence=row.seq_no,
        ts_venue=_moment(row.last_updated_at),
        ts_received=received,
    )


# A named tuple's own constructor takes twice as long, and a book has thirty of them.
_new = tuple.__new__


class _ReadLevel(msgspec.Struct, gc=False):
    """What was last read at a price: the text of the size, and the level."""

    price: Decimal
    size: str
    level: BookLevel


class _Levels:
    """
    What levels were read as, by their price's text. Most of a book stands as it stood a tenth of a second ago.

    Attributes:
        last_at: By a price's text, what was read with it last, if that had a size. The texts of price and size have to
            be the same, so it matters not whose book they come from.
    """

    def __init__(self, most_prices: int = 65_536) -> None:
        self.last_at: dict[str, _ReadLevel] = {}
        self._most = most_prices

    def read(self, price: str, size: str) -> _ReadLevel:
        """Read a level, and remember it if it is the first at its price and not empty."""
        level = BookLevel(_number(price), _number(size))
        if impossible(level):
            raise _refuse("a book", f"a level of {size[:40]} at {price[:40]} can't be")
        read = _ReadLevel(level.price, size, level)
        if level.size and price not in self.last_at:
            if len(self.last_at) >= self._most:
                self.last_at.clear()
            self.last_at[price] = read
        return read


_levels = _Levels()


def _no_side(word: str, listed: Market) -> DecodeError:
    return _refuse(f"book of {listed.id}", f"a level's side {word!r} is neither BUY nor SELL")


def _unique(kind: str, identity: str) -> str:
    """Ids are unique within a kind only ('Unique string ID of fill per FillType'), so the rarer kinds carry theirs."""
    return identity if kind in {"FILL", ""} else f"{kind}:{identity}"


def _fill_kind(word: str) -> FillKind:
    kind = FILL_KINDS.get(word)
    if kind is None:
        _report("kind of fill", word)
        return FillKind.OTHER
    return kind


def trade(row: schema.Trade, listed: Market, received: datetime) -> Trade:
    """Decode one trade of the tape; the side is the taker's."""
    word, price, size = row.trade_type, row.price, row.size
    if not (price.is_finite() and size.is_finite()):
        finite(price, "trade price")
        finite(size, "trade size")
    return _new_trade(
        trade_id=row.id if word == "FILL" else _unique(word, row.id),
        market_id=listed.id,
        side=SIDES.get(row.side) or _side(row.side, "trade %s", row.id),
        price=price,
        size=size,
        kind=FILL_KINDS.get(word) or _fill_kind(word),
        ts_venue=from_ms(row.created_at),
        ts_received=received,
    )


def candle(row: schema.Kline, listed: Market, interval: timedelta) -> Candle:
    """Decode one bar."""
    return Candle.trusted(
        market_id=listed.id,
        opened_at=from_ms(row.opened_at),
        interval=interval,
        open=row.open,
        high=row.high,
        low=row.low,
        close=row.close,
        volume=row.volume,
    )


# Funding


def funding_from_summary(row: schema.MarketSummary, listed: Market, received: datetime) -> FundingRate | None:
    """
    Decode a market's running rate; None where it has none, or where the venue names no period for it.

    The rate is 'raw', for the market's own period (OpenAPI ``MarketSummaryResp.funding_rate``).
    """
    value = number(row.funding_rate, f"funding_rate of {row.symbol}")
    if value is None or listed.funding_interval is None:
        return None
    return FundingRate.trusted(
        market_id=listed.id,
        value=value,
        period=listed.funding_interval,
        kind=FundingKind.CURRENT,
        accrual=FundingAccrual.CONTINUOUS,
        effective_at=from_ms(row.created_at),
        # Paid on the spot oracle price (the venue's documentation on funding, read 2026-11).
        notional_price=PriceKind.INDEX,
        mark_price=positive(row.mark_price, "mark_price"),
        index_price=positive(row.underlying_price, "underlying_price"),
        source=f"GET {endpoints.MARKETS_SUMMARY}",
        ts_received=received,
    )


def funding(
    row: schema.FundingData, listed: Market, received: datetime, *, kind: FundingKind, source: str
) -> FundingRate | None:
    """
    Decode one observation of the rate; None where it holds none or no period.

    The period is the row's own: it may have changed since the market's listing was read.
    """
    value, index, hours = row.funding_rate, row.funding_index, row.funding_period_hours
    period = _period(hours) if hours is not None else listed.funding_interval
    if value is None or period is None:
        return None
    if not (value.is_finite() and (index is None or index.is_finite())):
        finite(value, "funding_rate")
        finite(index or _ZERO, "funding_index")
    return _new_rate(
        market_id=listed.id,
        value=value,
        period=period,
        kind=kind,
        accrual=_CONTINUOUS,
        effective_at=from_ms(row.created_at),
        notional_price=_INDEX,
        funding_index=index,
        source=source,
        ts_received=received,
    )


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


# The account


def account(row: schema.AccountSummary, received: datetime) -> AccountSummary:
    """Decode the margin summary. ``account_value`` holds the unrealized PnL and the running funding, once."""
    return AccountSummary(
        account_id=row.account,
        asset=row.settlement_asset,
        equity=row.account_value,
        free_collateral=row.free_collateral,
        initial_margin=row.initial_margin_requirement,
        maintenance_margin=row.maintenance_margin_requirement,
        ts_venue=_moment(row.updated_at),
        ts_received=received,
    )


def balance(row: schema.Balance, summary: schema.AccountSummary | None, received: datetime) -> Balance:
    """Decode one asset; the margin summary tells what of the settlement asset is free."""
    free = summary.free_collateral if summary is not None and summary.settlement_asset == row.token else None
    return Balance.trusted(
        asset=row.token,
        total=row.size,
        available=free,
        ts_venue=_moment(row.last_updated_at),
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
        raise _refuse(what, f"status {row.status!r} is neither OPEN nor CLOSED")
    size = row.size if row.status == "OPEN" else _ZERO
    if (size > 0 and row.side != "LONG") or (size < 0 and row.side != "SHORT"):
        raise _refuse(what, f"size {row.size} and side {row.side!r} contradict each other")
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
        ts_venue=_moment(row.last_updated_at),
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
        raise _refuse(f"margin of {listed.id}", f"margin_type {row.margin_type!r} is neither CROSS nor ISOLATED")
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
        raise _refuse("an order", "its id is empty")
    kind = ORDER_TYPES.get(row.type)
    if kind is None:
        raise _refuse(f"order {identity}", f"type {row.type!r} is not in the contract")
    if not (size.is_finite() and left.is_finite()):
        finite(size, "order %s", identity)
        finite(left, "order %s", identity)
    filled = size - left
    if filled < _ZERO or left < _ZERO:
        raise _refuse(f"order {identity}", f"remaining_size {left} does not fit size {size}")
    status, reason = _order_status(row, filled)
    created, updated = row.created_at, row.last_updated_at
    created_at = from_ms(created) if created else None
    decoded = _new_order(
        market_id=listed.id,
        venue_order_id=identity,
        client_order_id=row.client_id or None,
        side=SIDES.get(row.side) or _side(row.side, "order %s", identity),
        type=kind,
        status=status,
        size=size,
        filled_size=filled,
        price=positive(row.price, "order %s price", identity) if kind in _WITH_PRICE else None,
        average_price=positive(row.avg_fill_price, "order %s avg_fill_price", identity) if filled else None,
        post_only=row.instruction == "POST_ONLY",
        created_at=created_at,
        updated_at=created_at if updated == created else _moment(updated),
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
        raise _refuse(f"order {row.id}", f"status {row.status!r} is none of NEW, UNTRIGGERED, OPEN, CLOSED")
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
    taker = _side(row.side, what)
    liquidity = {"MAKER": Liquidity.MAKER, "TAKER": Liquidity.TAKER}.get(row.liquidity)
    side = order_side or (taker.opposite if liquidity is Liquidity.MAKER else taker)
    return Fill.trusted(
        fill_id=_unique(row.fill_type, row.id),
        market_id=listed.id,
        venue_order_id=row.order_id or None,
        client_order_id=row.client_id or None,
        side=side,
        price=finite(row.price, what),
        size=finite(row.size, what),
        fee=number(row.fee, f"{what} fee") or _ZERO,
        fee_asset=row.fee_currency or listed.instrument.settle,
        liquidity=liquidity,
        kind=_fill_kind(row.fill_type),
        realized_pnl=number(row.realized_pnl, f"{what} realized_pnl"),
        realized_funding=number(row.realized_funding, f"{what} realized_funding"),
        ts_venue=from_ms(row.created_at),
        ts_received=received,
    )


def venue_status(row: schema.SystemState) -> VenueStatus:
    """Decode the system's state. An unknown one is taken for maintenance: nobody should trade on a guess."""
    status = VENUE_STATUSES.get(row.status)
    if status is None:
        _report("system state", row.status)
        return VenueStatus.MAINTENANCE
    return status
