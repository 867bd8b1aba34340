"""
Schema types to core models: markets, prices, candles and funding. Pure: no I/O, no state, no clock.

What moves money is read strictly, what informs leniently: a price that isn't there is None. A zero price means 'none'
on this venue. The account's side is in ``decode_account.py``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import ROUND_DOWN, Context, Decimal, InvalidOperation
from functools import lru_cache
from typing import Final

from pydantic import ValidationError

from perpkit.adapters.lighter import endpoints, schema
from perpkit.adapters.lighter.config import VENUE
from perpkit.core.clock import EPOCH, from_ms
from perpkit.core.errors import DecodeError
from perpkit.core.models import (
    BookDelta,
    BookLevel,
    BookSnapshot,
    Candle,
    FillKind,
    FundingAccrual,
    FundingKind,
    FundingRate,
    Instrument,
    Market,
    MarketStatus,
    PriceKind,
    Side,
    Ticker,
    Trade,
    best_first,
)
from perpkit.core.models.book import impossible
from perpkit.core.quantize import canonical
from perpkit.core.unknown_words import UnknownWords

log = logging.getLogger(__name__)

ZERO: Final = Decimal(0)
_HUNDRED: Final = Decimal(100)
_FRACTION: Final = Decimal("0.0001")
_EIGHT: Final = Decimal(8)
_EXACT: Final = Context(prec=60)

QUOTE: Final = "USDC"
"""What prices are in and what everything is paid in (asset 3)."""

OURS: Final = "lighter"
"""The word by which ``/funding-rates`` means this exchange; its other rows are of others."""

FILL_KINDS: Final[Mapping[str, FillKind]] = {
    "trade": FillKind.TRADE,
    "liquidation": FillKind.LIQUIDATION,
    "deleverage": FillKind.ADL,
    "market-settlement": FillKind.SETTLEMENT,
}

MARKET_STATUSES: Final[Mapping[str, MarketStatus]] = {
    "active": MarketStatus.OPEN,
    "inactive": MarketStatus.HALTED,
    "in-settlement": MarketStatus.SETTLED,
    "waiting-for-settlement": MarketStatus.SETTLED,
    "settled": MarketStatus.SETTLED,
}

# Looked up once: on Python 3.11 an enum finds its members slowly, and these are needed for every event of a stream.
_BUY, _SELL = Side.BUY, Side.SELL
_new_trade, _new_delta = Trade.trusted, BookDelta.trusted

_new = tuple.__new__
"""A named tuple's own constructor takes twice as long."""

unknown = UnknownWords(VENUE, log)


def refuse(what: str, problem: str) -> DecodeError:
    """Return the error for what can't be read."""
    return DecodeError(f"{what}: {problem}", venue=VENUE)


def _number(text: str) -> Decimal:
    """Read a finite number; anything else is a DecodeError."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise refuse("a number", f"{text[:40]!r} is not a number") from None
    return finite(value, "a number")


_price = lru_cache(maxsize=65_536)(_number)
"""The same for the prices of a book, which come again and again."""


def number(text: str, what: str, *named: object) -> Decimal | None:
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
        raise refuse(what % named if named else what, error.message.partition(": ")[2]) from None


def positive(text: str, what: str, *named: object) -> Decimal | None:
    """Read a price where blank, zero and less than zero mean that there is none."""
    value = number(text, what, *named)
    return value if value is not None and value > ZERO else None


def finite(value: Decimal, what: str, *named: object) -> Decimal:
    """
    Return a quantity as it is; the wire layer reads 'NaN' as a number too.

    Raises:
        DecodeError: It is not finite; the message names it.
    """
    if not value.is_finite():
        raise refuse(what % named if named else what, f"{value} is not a finite number")
    return value


def moment(stamp: int) -> datetime | None:
    """
    Read a time by its size, as the same field comes in seconds from one deployment and in milliseconds from another:
    below 10^11 seconds, below 10^14 milliseconds, else microseconds. None for 0.
    """
    if not stamp:
        return None
    if stamp < 10**11:
        return from_ms(stamp * 1000)
    if stamp < 10**14:
        return from_ms(stamp)
    return from_ms(stamp // 1000) + timedelta(microseconds=stamp % 1000)


def moment_of(stamp: int, what: str, *named: object) -> datetime:
    """Read a time that must be there."""
    found = moment(stamp)
    if found is None:
        raise refuse(what % named if named else what, "it has no time")
    return found


# Markets and prices


def market(row: schema.OrderBookDetail) -> Market:
    """
    Decode one perpetual and its rules.

    Raises:
        DecodeError: A rule is missing or can't be.
    """
    what = f"market {row.symbol}"
    least, maintenance = row.min_initial_margin_fraction, row.maintenance_margin_fraction
    if least <= 0:
        raise refuse(what, f"min_initial_margin_fraction {least} is not above zero")
    status = MARKET_STATUSES.get(row.status)
    if status is None:
        unknown.report("market status", row.status)
        status = MarketStatus.HALTED
    try:
        return Market(
            venue=VENUE,
            symbol=row.symbol,
            instrument=Instrument.of(row.symbol, QUOTE, QUOTE),
            tick_size=Decimal(1).scaleb(-row.price_decimals),
            step_size=Decimal(1).scaleb(-row.size_decimals),
            min_size=row.min_base_amount if row.min_base_amount > 0 else None,
            min_notional=row.min_quote_amount,
            # `taker_fee` and `maker_fee` are 0.0000 for everybody; the account's are in accountLimits.
            funding_interval=endpoints.FUNDING_PERIOD,
            funding_accrual=FundingAccrual.DISCRETE,
            max_leverage=canonical((Decimal(10_000) / least).quantize(Decimal("0.01"), ROUND_DOWN)),
            initial_margin_fraction=least * _FRACTION,
            maintenance_margin_fraction=maintenance * _FRACTION,
            status=status,
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise refuse(what, f"{place}: {first['msg']}") from error
    except ArithmeticError as error:
        raise refuse(what, "a number of it is beyond what can be computed with") from error


def ticker(
    row: schema.OrderBookDetail, book: schema.OrderBookOrders | None, listed: Market, received: datetime
) -> Ticker:
    """Decode one market's prices; the best quotes come from the book, where that was asked for."""
    asks, bids = (book.asks or (), book.bids or ()) if book is not None else ((), ())
    return Ticker(
        market_id=listed.id,
        bid_price=bids[0].price if bids else None,
        ask_price=asks[0].price if asks else None,
        last_price=row.last_trade_price or None,
        mark_price=positive(row.mark_price, "mark_price"),
        index_price=positive(row.index_price, "index_price"),
        volume_24h=row.daily_base_token_volume,
        notional_24h=row.daily_quote_token_volume,
        open_interest=row.open_interest,
        ts_received=received,
    )


def order_book(
    row: schema.OrderBookOrders, listed: Market, received: datetime, *, asked: int, depth: int | None = None
) -> BookSnapshot:
    """
    Add the single orders that REST gives up into levels, best first.

    Args:
        asked: How many orders a side were asked for. Where so many came, the last level may lack some and is left out.
        depth: Levels a side; None for all.
    """
    return BookSnapshot.trusted(
        market_id=listed.id,
        bids=_levels(row.bids or (), asked, depth, reverse=True),
        asks=_levels(row.asks or (), asked, depth, reverse=False),
        ts_received=received,
    )


def _levels(
    orders: Iterable[schema.SimpleOrder], asked: int, depth: int | None, *, reverse: bool
) -> tuple[BookLevel, ...]:
    rows = list(orders)
    sizes: dict[Decimal, Decimal] = {}
    for row in rows:
        price, size = finite(row.price, "book price"), finite(row.remaining_base_amount, "book size")
        sizes[price] = _EXACT.add(sizes.get(price, ZERO), size)
    prices = sorted(sizes, reverse=reverse)
    if len(rows) >= asked and len(prices) > 1:
        prices.pop()
    return tuple(BookLevel(price, sizes[price]) for price in prices[:depth] if sizes[price])


def book_frame(frame: schema.BookFrame, listed: Market, received: datetime) -> BookSnapshot | BookDelta:
    """
    Decode a frame of the book: the whole of it after subscribing, then changes with absolute sizes.

    Each frame follows the one whose ``nonce`` is its ``begin_nonce``. ``offset`` counts at one of the venue's servers
    and is no number to go by.
    """
    book = frame.order_book
    bids, asks = _read_levels(book.bids, listed), _read_levels(book.asks, listed)
    if frame.type.startswith("subscribed/"):
        return BookSnapshot.trusted(
            market_id=listed.id,
            bids=best_first(bids, is_bid=True),
            asks=best_first(asks, is_bid=False),
            sequence=book.nonce,
            ts_venue=moment(book.last_updated_at),
            ts_received=received,
        )
    return _new_delta(
        market_id=listed.id,
        bids=tuple(bids),
        asks=tuple(asks),
        previous_sequence=book.begin_nonce,
        sequence=book.nonce,
        ts_venue=moment(book.last_updated_at),
        ts_received=received,
    )


def _read_levels(levels: Iterable[schema.Level] | None, listed: Market) -> list[BookLevel]:
    """Read levels one by one, each looked at: a price above zero, and a size that is not below it."""
    read = []
    for each in levels or ():
        price, text = _price(each.price), each.size
        try:
            size = Decimal(text)
            is_usual = size > ZERO and size.is_finite() and price > ZERO
        except InvalidOperation:  # no number, or compared as none
            is_usual = False
        if not is_usual:
            size = _number(text)
        level = _new(BookLevel, (price, size))
        if not is_usual and impossible(level):
            raise refuse(f"book of {listed.id}", f"a level of {size} at {price} can't be")
        read.append(level)
    return read


def fill_kind(word: str) -> FillKind:
    """Return what a print was; an unknown word is reported."""
    kind = FILL_KINDS.get(word)
    if kind is None:
        unknown.report("kind of trade", word)
        return FillKind.OTHER
    return kind


def trade(row: schema.Trade, listed: Market, received: datetime) -> Trade:
    """Decode one trade of the tape. Where the maker was the ask, the taker bought."""
    return _new_trade(
        trade_id=str(row.trade_id),
        market_id=listed.id,
        side=_BUY if row.is_maker_ask else _SELL,
        price=finite(row.price, "trade price"),
        size=finite(row.size, "trade size"),
        kind=FILL_KINDS.get(row.type) or fill_kind(row.type),
        ts_venue=moment_of(row.timestamp, "trade %d", row.trade_id),
        ts_received=received,
    )


def candle(row: schema.Candle, listed: Market, interval: timedelta, *, traded: bool = True) -> Candle:
    """
    Decode one bar.

    Args:
        traded: Of trades; a volume that is left out is then zero. Bars of the mark price have none.
    """
    return Candle(
        market_id=listed.id,
        opened_at=moment_of(row.opened_at, "a bar"),
        interval=interval,
        open=row.open,
        high=row.high,
        low=row.low,
        close=row.close,
        volume=row.volume if traded else None,
    )


# Funding: three sources, three units, one meaning
#
# GET /funding-rates   a fraction for 8 hours, signed, with rows of other exchanges
# GET /fundings        percent for an hour, without sign: `direction` pays
# market_stats         percent for an hour, signed


def funding_from_rates(
    row: schema.FundingRate, listed: Market, received: datetime, prices: schema.OrderBookDetail | None
) -> FundingRate | None:
    """
    Decode a row of ``/funding-rates``: quoted for 8 hours, exchanged every hour, so an eighth of it at a time. None
    where it holds no rate.

    Args:
        prices: The market's details, for mark and index price.
    """
    if row.rate is None:
        return None
    return FundingRate.trusted(
        market_id=listed.id,
        value=_EXACT.divide(finite(row.rate, "funding rate"), _EIGHT),
        period=endpoints.FUNDING_PERIOD,
        kind=FundingKind.PREDICTED,
        accrual=FundingAccrual.DISCRETE,
        next_at=next_funding(received),
        effective_at=received,
        notional_price=PriceKind.MARK,
        mark_price=positive(prices.mark_price, "mark_price") if prices is not None else None,
        index_price=positive(prices.index_price, "index_price") if prices is not None else None,
        source=f"GET {endpoints.FUNDING_RATES}",
        ts_received=received,
    )


def funding_from_stats(row: schema.MarketStats, at: int, listed: Market, received: datetime) -> FundingRate | None:
    """
    Decode the running estimate of a frame of ``market_stats``; None where it holds none.

    ``funding_rate`` of the same frame is what the last hour paid, and no forecast.

    Args:
        at: The frame's time in milliseconds.
    """
    percent = number(row.current_funding_rate, "current_funding_rate")
    if percent is None:
        return None
    effective_at = moment(at) or received
    return FundingRate.trusted(
        market_id=listed.id,
        value=_EXACT.divide(percent, _HUNDRED),
        period=endpoints.FUNDING_PERIOD,
        kind=FundingKind.PREDICTED,
        accrual=FundingAccrual.DISCRETE,
        # A frame may tell of a moment before the last full hour.
        next_at=next_funding(max(effective_at, received)),
        effective_at=effective_at,
        notional_price=PriceKind.MARK,
        mark_price=positive(row.mark_price, "mark_price"),
        index_price=positive(row.index_price, "index_price"),
        source=endpoints.Channels.STATS,
        ts_received=received,
    )


def settled_funding(row: schema.Funding, listed: Market, received: datetime) -> FundingRate:
    """
    Decode a settled hour of ``/fundings``.

    Raises:
        DecodeError: ``direction`` is neither long nor short, so nobody can tell who paid.
    """
    signs = {"long": 1, "short": -1}
    sign = signs.get(row.direction)
    if sign is None:
        raise refuse(f"funding of {listed.id}", f"direction {row.direction!r} is neither long nor short")
    return FundingRate.trusted(
        market_id=listed.id,
        value=sign * _EXACT.divide(finite(row.rate, "funding rate"), _HUNDRED),
        period=endpoints.FUNDING_PERIOD,
        kind=FundingKind.SETTLED,
        accrual=FundingAccrual.DISCRETE,
        effective_at=moment_of(row.timestamp, f"funding of {listed.id}"),
        notional_price=PriceKind.MARK,
        source=f"GET {endpoints.FUNDINGS}",
        ts_received=received,
    )


def next_funding(now: datetime) -> datetime:
    """Return the next full hour, which the venue names nowhere."""
    return now - (now - EPOCH) % endpoints.FUNDING_PERIOD + endpoints.FUNDING_PERIOD
