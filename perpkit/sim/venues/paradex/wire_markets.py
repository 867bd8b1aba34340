"""
Public market data as the venue writes it: books, best prices, summaries, funding, candles. Pure functions.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from perpkit.core.models.order import Side
from perpkit.sim.market_data import Bbo, BookLevel, BookView, Candle, FundingView, MarketStats
from perpkit.sim.venues.paradex.listing import Listing, number


def group(levels: Iterable[BookLevel], tick: Decimal, *, side: Side) -> list[BookLevel]:
    """Sum levels into steps of ``tick``, away from the other side: bids down, asks up. Best first stays so."""
    rounding = ROUND_FLOOR if side is Side.BUY else ROUND_CEILING
    grouped: dict[Decimal, Decimal] = {}
    for level in levels:
        price = (level.price / tick).to_integral_value(rounding) * tick
        grouped[price] = grouped.get(price, Decimal(0)) + level.size
    return [BookLevel(price, size) for price, size in grouped.items()]


def pairs(levels: Iterable[BookLevel]) -> list[list[str]]:
    """Return levels as REST has them: ``[price, size]``."""
    return [[number(level.price), number(level.size)] for level in levels]


def book_body(shown: BookView, plain: Bbo, interactive: Bbo, depth: int, tick: Decimal | None) -> dict[str, Any]:
    """
    Return a book as ``responses.AskBidArray``.

    Args:
        shown: The book that the feed shows, with or without retail orders.
        plain: Best prices without retail orders.
        interactive: Best prices with them.
        tick: Group prices by it.
    """
    bids: Iterable[BookLevel] = shown.bids
    asks: Iterable[BookLevel] = shown.asks
    if tick is not None:
        bids, asks = group(bids, tick, side=Side.BUY), group(asks, tick, side=Side.SELL)
    return {
        "asks": pairs(list(asks)[:depth]),
        "best_ask_api": _pair(plain.ask),
        "best_ask_interactive": _pair(interactive.ask),
        "best_bid_api": _pair(plain.bid),
        "best_bid_interactive": _pair(interactive.bid),
        "bids": pairs(list(bids)[:depth]),
        "last_updated_at": shown.updated_at_ms,
        "market": shown.market,
        "seq_no": shown.sequence,
    }


def bbo_body(bbo: Bbo) -> dict[str, Any]:
    """Return best prices as ``responses.BBOResp``; an empty side is empty text."""
    return {
        "ask": _price(bbo.ask),
        "ask_size": _size(bbo.ask),
        "bid": _price(bbo.bid),
        "bid_size": _size(bbo.bid),
        "last_updated_at": bbo.updated_at_ms,
        "market": bbo.market,
        "seq_no": bbo.sequence,
    }


def summary_body(stats: MarketStats) -> dict[str, Any]:
    """Return a perpetual's figures as ``responses.MarketSummaryResp``; the funding rate is for its own period."""
    bid, ask = stats.bbo.bid, stats.bbo.ask
    return {
        "ask": _price(ask),
        "ask_size": _size(ask),
        "bid": _price(bid),
        "bid_size": _size(bid),
        "created_at": stats.created_at_ms,
        "delta": "1",
        "funding_rate": number(stats.funding_rate),
        "greeks": {"delta": "1", "gamma": "0", "vega": "0"},
        "last_traded_price": "" if stats.last_price is None else number(stats.last_price),
        "mark_price": number(stats.mark_price),
        "open_interest": number(stats.open_interest),
        "price_change_rate_24h": number(stats.price_change_24h),
        "symbol": stats.market,
        "total_volume": number(stats.total_volume),
        "underlying_price": number(stats.index_price),
        "volume_24h": number(stats.volume_24h),
    }


def still_summary_body(listing: Listing, underlying: Decimal, now_ms: int) -> dict[str, Any]:
    """Return the summary of a row that is listed and doesn't trade here: options, futures, spot, settled, unopened."""
    body: dict[str, Any] = {
        "ask": "",
        "ask_size": "",
        "bid": "",
        "bid_size": "",
        "created_at": now_ms,
        "funding_rate": "",
        "last_traded_price": "",
        "mark_price": number(listing.index_price),
        "open_interest": "0",
        "price_change_rate_24h": "0",
        "symbol": listing.symbol,
        "total_volume": "0",
        "underlying_price": number(underlying),
        "volume_24h": "0",
    }
    if listing.kind in {"OPTION", "PERP_OPTION"}:
        sign = "-" if listing.option_type == "PUT" else ""
        body |= {"ask_iv": "0.62", "bid_iv": "0.6", "mark_iv": "0.61", "last_iv": "0", "delta": f"{sign}0.5"}
        body["greeks"] = {"delta": f"{sign}0.5", "gamma": "0.00001", "vega": "40"}
    return body


def funding_body(view: FundingView) -> dict[str, Any]:
    """Return funding figures as ``responses.FundingDataResult``. Positive: longs pay."""
    return {
        "created_at": view.created_at_ms,
        "funding_index": number(view.funding_index),
        "funding_period_hours": int(view.period_hours),
        "funding_premium": number(view.premium),
        "funding_rate": number(view.rate),
        "funding_rate_8h": number(view.rate_8h),
        "market": view.market,
    }


def candle_row(candle: Candle) -> list[Any]:
    """Return a candle as ``GET /markets/klines`` answers it: time, open, high, low, close, volume, all numbers."""
    return [candle.start_ms, candle.open, candle.high, candle.low, candle.close, candle.volume]


def impact_price(levels: Iterable[BookLevel], size: Decimal) -> Decimal | None:
    """Return the average price that a market order of ``size`` would pay, or nothing when the book can't fill it."""
    missing, cost = size, Decimal(0)
    for level in levels:
        taken = min(missing, level.size)
        cost += taken * level.price
        missing -= taken
        if not missing:
            return cost / size
    return None


def _pair(level: BookLevel | None) -> list[str]:
    return [] if level is None else [number(level.price), number(level.size)]


def _price(level: BookLevel | None) -> str:
    return "" if level is None else number(level.price)


def _size(level: BookLevel | None) -> str:
    return "" if level is None else number(level.size)
