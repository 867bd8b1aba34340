"""
Schema types to core models: markets, prices, trades, candles and funding, and how numbers and words are read. Pure: no
I/O, no state, no clock.

What moves money is read strictly: a side that isn't in the contract is a ``DecodeError``. What informs is read
leniently: an unknown kind of fill is ``other``, a price that isn't there is None. A zero price means 'none' on this
venue.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Final

from pydantic import ValidationError

from perpkit.adapters.paradex import endpoints, schema
from perpkit.adapters.paradex.config import VENUE
from perpkit.core.clock import from_ms
from perpkit.core.errors import DecodeError
from perpkit.core.models import (
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
    VenueStatus,
)
from perpkit.core.unknown_words import UnknownWords

log = logging.getLogger(__name__)

ZERO: Final = Decimal(0)
_ONE: Final = Decimal(1)

SIDES: Final[Mapping[str, Side]] = {"BUY": Side.BUY, "SELL": Side.SELL}

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

# Looking up an enum's member or a class's method each time costs as much as a call, on Python 3.11 more than reading
# the number beside it, and these are needed for every event of a busy stream.
_new_trade = Trade.trusted
# Fields that are always the same are filled in beforehand.
_new_rate = FundingRate.trusted_with(
    accrual=FundingAccrual.CONTINUOUS, notional_price=PriceKind.INDEX, next_at=None, mark_price=None, index_price=None
)

unknown = UnknownWords(VENUE, log)


def refuse(what: str, problem: str) -> DecodeError:
    """Return the error for something that can't be read."""
    return DecodeError(f"{what}: {problem}", venue=VENUE)


@lru_cache(maxsize=65_536)
def exact(text: str) -> Decimal:
    """
    Read a finite number; anything else is a DecodeError.

    Prices, sizes and rates come again and again, and a Decimal never changes, so it is remembered.
    """
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise refuse("a number", f"{text[:40]!r} is not a number") from None
    if not value.is_finite():
        raise refuse("a number", f"{text[:40]!r} is not a finite number")
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
        return exact(text)
    except DecodeError as error:
        raise refuse(what % named if named else what, error.message.partition(": ")[2]) from None


def finite(value: Decimal, what: str, *named: str) -> Decimal:
    """
    Return a quantity as it is; the wire layer reads 'NaN' as a number too.

    Raises:
        DecodeError: It is not finite; the message names it.
    """
    if value.is_finite():
        return value
    raise refuse(what % named if named else what, f"{value} is not a finite number")


def positive(text: str, what: str, *named: str) -> Decimal | None:
    """Read a price or a limit where blank, zero and less than zero mean that there is none."""
    if not text or text == "0":
        return None
    try:
        value = exact(text)
    except DecodeError:
        return number(text, what, *named)  # which raises it again, in full words
    return value if value > ZERO else None


def side_of(word: str, what: str, *named: str) -> Side:
    """Read a side; a word that is none is a DecodeError that names ``what``."""
    try:
        return SIDES[word]
    except KeyError:
        raise refuse(what % named if named else what, f"side {word!r} is neither BUY nor SELL") from None


def moment(milliseconds: int | None) -> datetime | None:
    """Read an instant; zero and null are none."""
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
    hours = row.funding_period_hours
    try:
        initial, maintenance, most = _margins(row.delta1_cross_margin_params)
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
            listed_at=moment(row.open_at),
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
    opened, expires = moment(row.open_at), moment(row.expiry_at)
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
        ts_venue=moment(row.created_at),
        ts_received=received,
    )


def unique_id(kind: str, identity: str) -> str:
    """Ids are unique within a kind only ('Unique string ID of fill per FillType'), so the rarer kinds carry theirs."""
    return identity if kind in {"FILL", ""} else f"{kind}:{identity}"


def fill_kind(word: str) -> FillKind:
    """Read what kind of fill it is; an unknown one is told of once."""
    kind = FILL_KINDS.get(word)
    if kind is None:
        unknown.report("kind of fill", word)
        return FillKind.OTHER
    return kind


def trade(row: schema.Trade, listed: Market, received: datetime) -> Trade:
    """Decode one trade of the tape; the side is the taker's."""
    word, price, size = row.trade_type, row.price, row.size
    if not (price.is_finite() and size.is_finite()):
        finite(price, "trade price")
        finite(size, "trade size")
    return _new_trade(
        trade_id=row.id if word == "FILL" else unique_id(word, row.id),
        market_id=listed.id,
        side=SIDES.get(row.side) or side_of(row.side, "trade %s", row.id),
        price=price,
        size=size,
        kind=FILL_KINDS.get(word) or fill_kind(word),
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
    row: schema.FundingData,
    listed: Market,
    received: datetime,
    kind: FundingKind = FundingKind.CURRENT,
    source: str = "funding_data",
) -> FundingRate | None:
    """
    Decode one observation of the rate, by default one of the channel; None where it holds none or no period.

    The period is the row's own: it may have changed since the market's listing was read.
    """
    value, index, hours = row.funding_rate, row.funding_index, row.funding_period_hours
    period = _period(hours) if hours is not None else listed.funding_interval
    if value is None or period is None:
        return None
    if not (value.is_finite() and (index is None or index.is_finite())):
        finite(value, "funding_rate")
        finite(index or ZERO, "funding_index")
    return _new_rate(
        market_id=listed.id,
        value=value,
        period=period,
        kind=kind,
        effective_at=from_ms(row.created_at),
        funding_index=index,
        source=source,
        ts_received=received,
    )


def venue_status(row: schema.SystemState) -> VenueStatus:
    """Decode the system's state. An unknown one is taken for maintenance: nobody should trade on a guess."""
    status = VENUE_STATUSES.get(row.status)
    if status is None:
        unknown.report("system state", row.status)
        return VenueStatus.MAINTENANCE
    return status
