"""
Markets, books, candles and the three units of funding, as the wire has them.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from perpkit.sim.market_data import Bbo, BookLevel, Candle, FundingView, MarketStats
from perpkit.sim.money import ZERO, divide, product
from perpkit.sim.venues.lighter.config import USDC_ASSET_ID
from perpkit.sim.venues.lighter.listing import Listing, fixed, status_text
from perpkit.sim.venues.lighter.records import TradeRecord
from perpkit.sim.venues.lighter.wire_account import money, percent

if TYPE_CHECKING:
    from perpkit.sim.venues.lighter.venue import Venue

RESOLUTIONS = {
    "1m": timedelta(minutes=1),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "30m": timedelta(minutes=30),
    "1h": timedelta(hours=1),
    "4h": timedelta(hours=4),
    "12h": timedelta(hours=12),
    "1d": timedelta(days=1),
    "1w": timedelta(weeks=1),
}
CANDLES_AT_MOST = 500
FOREIGN = (("binance", Decimal("0.0001")), ("bybit", Decimal("0.00012")), ("hyperliquid", Decimal("0.00009")))
"""Other exchanges' rates for 8 hours that ``/funding-rates`` lists beside the venue's own; made up."""

_CLAMPS = {"funding_clamp_small": "0.0500", "funding_clamp_big": "4.0000", "base_interest_rate": "0.0100"}
_DAY_MS = 86_400_000
_EIGHT = Decimal(8)


def order_book(venue: Venue, listing: Listing) -> dict[str, Any]:
    """Return a row of ``orderBooks``. Fees show zero for everybody; an account's are in its limits."""
    decimals = listing.size_decimals + listing.price_decimals
    return {
        "symbol": listing.symbol,
        "market_id": listing.market_id,
        "market_type": listing.kind,
        "base_asset_id": 0 if listing.is_perp else 1,
        "quote_asset_id": 0 if listing.is_perp else USDC_ASSET_ID,
        "status": status_text(venue.status(listing)),
        "taker_fee": "0.0000",
        "maker_fee": "0.0000",
        "liquidation_fee": "1.0000",
        "min_base_amount": listing.size_text(listing.min_base),
        "min_quote_amount": fixed(listing.min_quote, 6),
        "order_quote_limit": "281474976.710655",
        "supported_size_decimals": listing.size_decimals,
        "supported_price_decimals": listing.price_decimals,
        "supported_quote_decimals": decimals,
        "is_maker_fee_enabled": True,
        "is_taker_fee_enabled": True,
    }


def order_book_detail(venue: Venue, listing: Listing) -> dict[str, Any]:
    """Return a row of ``orderBookDetails``."""
    row = {
        **order_book(venue, listing),
        "size_decimals": listing.size_decimals,
        "price_decimals": listing.price_decimals,
        "daily_chart": {},
    }
    if not listing.is_perp:
        return row | {"last_trade_price": listing.index_price, **_no_trades()}
    stats = venue.exchange.stats(listing.symbol)
    row |= {
        "quote_multiplier": 1,
        "default_initial_margin_fraction": listing.default_fraction,
        "min_initial_margin_fraction": listing.min_fraction,
        "maintenance_margin_fraction": listing.maintenance_fraction,
        "closeout_margin_fraction": listing.closeout_fraction,
        "last_trade_price": stats.last_price if stats.last_price is not None else ZERO,
        **day_figures(venue, listing, stats),
        "daily_trades_count": _day_count(venue, listing),
        "open_interest": stats.open_interest,
        "market_config": {
            "market_margin_mode": 0,
            "insurance_fund_account_index": 281474976710655,
            "liquidation_mode": 0,
            "force_reduce_only": False,
            "funding_fee_discounts_enabled": True,
            "trading_hours": "",
            "hidden": False,
            "rfq_enabled": False,
        },
        "strategy_index": 0,
        **_CLAMPS,
    }
    if venue.settings.prices_in_details:
        row |= {
            "mark_price": listing.price_text(stats.mark_price),
            "index_price": listing.price_text(stats.index_price),
        }
    return row


def day_figures(venue: Venue, listing: Listing, stats: MarketStats) -> dict[str, Any]:
    """Return a day's volumes and prices, as JSON numbers; the change is a percentage."""
    since = venue.now_ms() - _DAY_MS
    trades = venue.records.trades_since(listing.symbol, since)
    return {
        "daily_base_token_volume": sum((record.size for record in trades), ZERO),
        "daily_quote_token_volume": stats.volume_24h,
        "daily_price_low": stats.low_24h if stats.low_24h is not None else ZERO,
        "daily_price_high": stats.high_24h if stats.high_24h is not None else ZERO,
        "daily_price_change": product(stats.price_change_24h, Decimal(100)),
    }


def exchange_stats(venue: Venue) -> dict[str, Any]:
    """Return the figures of all markets."""
    rows = []
    for listing in venue.perps():
        stats = venue.exchange.stats(listing.symbol)
        figures = day_figures(venue, listing, stats)
        rows.append(
            {
                "symbol": listing.symbol,
                "last_trade_price": stats.last_price if stats.last_price is not None else ZERO,
                "daily_trades_count": _day_count(venue, listing),
                "daily_base_token_volume": figures["daily_base_token_volume"],
                "daily_quote_token_volume": figures["daily_quote_token_volume"],
                "daily_price_change": figures["daily_price_change"],
            }
        )
    return {
        "code": 200,
        "total": len(rows),
        "order_book_stats": rows,
        "daily_usd_volume": sum((row["daily_quote_token_volume"] for row in rows), ZERO),
        "daily_trades_count": sum(row["daily_trades_count"] for row in rows),
    }


def stats_body(venue: Venue, listing: Listing) -> dict[str, Any]:
    """Return a market as ``market_stats`` shows it: funding in percent per hour, signed; open interest in USDC."""
    stats, funding = venue.exchange.stats(listing.symbol), venue.exchange.funding(listing.symbol)
    settled = venue.exchange.funding_history(listing.symbol)
    last = settled[-1] if settled else None
    bid, ask = stats.bbo.bid, stats.bbo.ask
    mid = (bid.price + ask.price) / 2 if bid and ask else stats.mark_price
    body: dict[str, Any] = {
        "symbol": listing.symbol,
        "market_id": listing.market_id,
        "index_price": listing.price_text(stats.index_price),
        "mark_price": listing.price_text(stats.mark_price),
        "mid_price": listing.price_text(mid),
        "open_interest": money(product(stats.open_interest, stats.mark_price)),
        "open_interest_limit": "72057594037927936.000000",
        **_CLAMPS,
        "last_trade_price": listing.price_text(stats.last_price if stats.last_price is not None else ZERO),
        "current_funding_rate": percent(hourly(funding)),
        "funding_rate": percent(hourly(last)) if last is not None else percent(ZERO),
        "funding_timestamp": last.created_at_ms if last is not None else 0,
        **day_figures(venue, listing, stats),
    }
    return body


def hourly(funding: FundingView) -> Decimal:
    """Return a funding rate as a fraction per hour; the venue's period is an hour unless a test changed it."""
    return divide(funding.rate, funding.period_hours)


def funding_rates(venue: Venue) -> list[dict[str, Any]]:
    """Return the rows of ``/funding-rates``: fractions for 8 hours, of other exchanges too, and those first."""
    rows: list[dict[str, Any]] = []
    for listing in venue.perps():
        own = product(hourly(venue.exchange.funding(listing.symbol)), _EIGHT)
        rows += [
            {"market_id": listing.market_id, "exchange": name, "symbol": listing.symbol, "rate": rate}
            for name, rate in (*FOREIGN, ("lighter", own))
        ]
    return rows


def settled_row(funding: FundingView) -> dict[str, Any]:
    """Return a settled hour of ``/fundings``: percent per hour without a sign, and who paid."""
    return {
        "timestamp": funding.created_at_ms // 1000,
        "value": fixed(abs(funding.premium), 8),
        "rate": percent(abs(hourly(funding))),
        "direction": "long" if funding.rate >= 0 else "short",
    }


def levels(listing: Listing, rows: Iterable[BookLevel]) -> list[dict[str, str]]:
    """Return levels of a book."""
    return [{"price": listing.price_text(row.price), "size": listing.size_text(row.size)} for row in rows]


def ticker_body(listing: Listing, bbo: Bbo) -> dict[str, Any]:
    """Return best bid and ask; an empty side is two empty texts."""

    def side(level: BookLevel | None) -> dict[str, str]:
        return levels(listing, [level])[0] if level else {"price": "", "size": ""}

    return {
        "s": listing.symbol,
        "a": side(bbo.ask),
        "b": side(bbo.bid),
        "last_updated_at": bbo.updated_at_ms * 1000,
    }


def candle_row(candle: Candle, trades: Iterable[TradeRecord], *, stamp_ms: int) -> dict[str, Any]:
    """Return a candle; volumes and the last trade's number are left out where nothing traded."""
    row: dict[str, Any] = {
        "t": stamp_ms,
        "o": candle.open,
        "h": candle.high,
        "l": candle.low,
        "c": candle.close,
    }
    found = list(trades)
    if found:
        row["v"] = sum((record.size for record in found), ZERO)
        row["V"] = sum((record.price * record.size for record in found), ZERO)
        row["i"] = found[-1].id
    return row


def candle_rows(
    venue: Venue, listing: Listing, resolution: timedelta, since_ms: int, until_ms: int, *, at_end: bool = False
) -> list[dict[str, Any]]:
    """Return the candles that begin within a window, oldest first."""
    width = resolution // timedelta(milliseconds=1)
    buckets: dict[int, list[TradeRecord]] = {}
    for record in venue.records.trades_since(listing.symbol, since_ms - 1):
        buckets.setdefault(record.time_ms // width * width, []).append(record)
    candles = venue.exchange.candles(listing.symbol, resolution, since_ms=since_ms, until_ms=until_ms)
    return [
        candle_row(c, buckets.get(c.start_ms, ()), stamp_ms=c.start_ms + width * at_end)
        for c in candles[-CANDLES_AT_MOST:]
    ]


def _no_trades() -> dict[str, Any]:
    names = ("base_token_volume", "quote_token_volume", "price_low", "price_high", "price_change")
    return {"daily_trades_count": 0, **{f"daily_{name}": 0 for name in names}}


def _day_count(venue: Venue, listing: Listing) -> int:
    since = venue.now_ms() - _DAY_MS
    return len(venue.records.trades_since(listing.symbol, since))
