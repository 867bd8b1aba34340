"""
Schema types to core models: markets, prices, trades, candles and funding rates, and how numbers and words are read.
Pure: no I/O, no state, no clock.

What moves money is read strictly: a side that no source knows is a ``DecodeError``. What informs is read leniently: an
unknown kind of fill is ``other``, a price of zero is None.
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
)
from perpkit.core.unknown_words import UnknownWords

log = logging.getLogger(__name__)

ZERO: Final = Decimal(0)

SIDES: Final[Mapping[str, Side]] = {"BUY": Side.BUY, "SELL": Side.SELL}

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

# Looking up a class's method each time costs as much as a call, and this is needed for every trade of a busy stream.
_new_trade = Trade.trusted

_LEAST_MS: Final = 10**11
"""Below it a time is in seconds: some documented samples are. In milliseconds it would be before March 1973."""

_MOST_DIGITS: Final = 18

unknown = UnknownWords(VENUE, log)


def refuse(what: str, problem: str) -> DecodeError:
    """Return the error that names what can't be read, and why."""
    return DecodeError(f"{what}: {problem}", venue=VENUE)


def side_of(word: str, what: str, named: int | str) -> Side:
    """Read a side; a word that is none is a DecodeError that names ``what`` and which."""
    try:
        return SIDES[word]
    except KeyError:
        raise refuse(f"{what} {named}", f"side {word!r} is neither BUY nor SELL") from None


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
    return value if value is not None and value > ZERO else None


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


def trade(row: schema.PublicTrade, listed: Market, received: datetime) -> Trade:
    """Decode one trade of the tape; the side is the taker's."""
    price, size = row.p, row.q
    if not (price.is_finite() and size.is_finite()):
        raise refuse(f"trade {row.i}", f"{size} at {price} are not finite numbers")
    return _new_trade(
        trade_id=str(row.i),
        market_id=listed.id,
        side=side_of(row.S, "trade", row.i),
        price=price,
        size=size,
        kind=fill_kind(row.tT),
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


def fill_kind(word: str) -> FillKind:
    """Read what kind of fill it is; an unknown one is reported once and is ``other``."""
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
