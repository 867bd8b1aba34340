"""
What everybody may see of a market, as the wire has it: statistics, books, trades, candles, funding. Pure functions.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any

from perpkit.core.models.market import PriceKind
from perpkit.sim.market_data import BookLevel, Candle, FundingView, MarketStats
from perpkit.sim.money import ZERO, nearest
from perpkit.sim.orders import FillKind, Trade
from perpkit.sim.venues.extended.listing import Listing
from perpkit.sim.venues.extended.numbers import STREAM_PLACES, number, ratio

TRADE_TYPES = {
    FillKind.TRADE: "TRADE",
    FillKind.LIQUIDATION: "LIQUIDATION",
    FillKind.ADL: "DELEVERAGE",
    # The venue has no words for these; what closes a delisted market is nobody's liquidation.
    FillKind.SETTLEMENT: "TRADE",
    FillKind.TRANSFER: "TRADE",
    FillKind.OTHER: "TRADE",
}

INTERVALS = {
    "PT1M": timedelta(minutes=1),
    "PT5M": timedelta(minutes=5),
    "PT15M": timedelta(minutes=15),
    "PT30M": timedelta(minutes=30),
    "PT1H": timedelta(hours=1),
    "PT2H": timedelta(hours=2),
    "PT4H": timedelta(hours=4),
    "PT8H": timedelta(hours=8),
    "PT12H": timedelta(hours=12),
    "PT24H": timedelta(days=1),
    "P1D": timedelta(days=1),
    "P7D": timedelta(days=7),
    "P30D": timedelta(days=30),
}

CANDLE_KINDS = {"trades": PriceKind.LAST, "mark-prices": PriceKind.MARK, "index-prices": PriceKind.INDEX}

_LEVELS = {
    side: [{"level": level, "rankingLowerBound": f"{bound}.0000"} for level, bound in enumerate(bounds, 1)]
    for side, bounds in (("shortPositions", (-650, -2, -1, 0)), ("longPositions", (-24900, -1, 0, 1)))
}


def stats_body(stats: MarketStats, funding: FundingView, tick_size: Decimal, volume_base: Decimal) -> dict[str, Any]:
    """Return a market's statistics; the change of a day is a fraction."""
    last = stats.last_price or ZERO
    before = last / (1 + stats.price_change_24h) if last else ZERO
    return {
        "dailyVolume": number(stats.volume_24h, STREAM_PLACES),
        "dailyVolumeBase": number(volume_base),
        "dailyPriceChange": number(last - nearest(before, tick_size)) if last else "0",
        "dailyPriceChangePercentage": ratio(stats.price_change_24h),
        "dailyLow": number(stats.low_24h or ZERO),
        "dailyHigh": number(stats.high_24h or ZERO),
        "lastPrice": number(last),
        "askPrice": number(stats.bbo.ask.price if stats.bbo.ask else ZERO),
        "bidPrice": number(stats.bbo.bid.price if stats.bbo.bid else ZERO),
        "markPrice": number(stats.mark_price),
        "indexPrice": number(stats.index_price),
        "fundingRate": number(funding.rate),
        "nextFundingRate": funding.next_at_ms,
        "openInterest": number(stats.open_interest * stats.mark_price, STREAM_PLACES),
        "openInterestBase": number(stats.open_interest),
        "deleverageLevels": _LEVELS,
    }


def still_stats(listing: Listing, next_hour_ms: int) -> dict[str, Any]:
    """Return the statistics of a row that does not trade here."""
    zeros = (
        *("dailyVolume", "dailyVolumeBase", "dailyPriceChange", "dailyPriceChangePercentage", "dailyLow", "dailyHigh"),
        *("askPrice", "bidPrice", "fundingRate", "openInterest", "openInterestBase"),
    )
    price = number(listing.index_price)
    return {
        **dict.fromkeys(zeros, "0"),
        "lastPrice": price,
        "markPrice": price,
        "indexPrice": price,
        "nextFundingRate": next_hour_ms,
        "deleverageLevels": _LEVELS,
    }


def rest_levels(levels: Iterable[BookLevel]) -> list[dict[str, str]]:
    """Return levels as REST has them."""
    return [{"qty": number(level.size), "price": number(level.price)} for level in levels]


def trade_body(trade: Trade) -> dict[str, Any]:
    """Return a public trade, on REST and streams alike; the side is the taker's."""
    return {
        "i": int(trade.id),
        "m": trade.market,
        "S": trade.side.value.upper(),
        "tT": TRADE_TYPES[trade.kind],
        "T": trade.created_at_ms,
        "p": number(trade.price),
        "q": number(trade.size),
    }


def candle_body(candle: Candle, kind: PriceKind) -> dict[str, Any]:
    """Return a candle; only those of trades have a volume."""
    body: dict[str, Any] = {
        "o": number(candle.open),
        "l": number(candle.low),
        "h": number(candle.high),
        "c": number(candle.close),
    }
    if kind is PriceKind.LAST:
        body["v"] = number(candle.volume)
    return {**body, "T": candle.start_ms}


def funding_body(funding: FundingView) -> dict[str, Any]:
    """Return a rate that was applied, per hour."""
    return {"m": funding.market, "f": number(funding.rate), "T": funding.created_at_ms}
