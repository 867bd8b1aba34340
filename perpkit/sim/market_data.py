"""What everybody may see of a market: book, best prices, statistics, candles, funding. Copies."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from perpkit.core.models.market import MarketStatus
from perpkit.core.models.order import Side

__all__ = ["Bbo", "BookLevel", "BookView", "Candle", "FundingView", "LevelChange", "MarketStats"]


@dataclass(frozen=True, slots=True)
class BookLevel:
    """All that stands at one price."""

    price: Decimal
    size: Decimal


@dataclass(frozen=True, slots=True)
class LevelChange:
    """
    A level that changed.

    Attributes:
        size: What stands there now; 0 when the level is gone.
        existed: Whether the level stood before: tells an update from an insert.
    """

    side: Side
    price: Decimal
    size: Decimal
    existed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class BookView:
    """
    The book, best level first on both sides.

    Attributes:
        sequence: Counts the book's changes, one by one, from 0.
        updated_at_ms: When it last changed.
    """

    market: str
    bids: tuple[BookLevel, ...]
    asks: tuple[BookLevel, ...]
    sequence: int
    updated_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bbo:
    """Best bid and offer; None where a side is empty."""

    market: str
    bid: BookLevel | None
    ask: BookLevel | None
    sequence: int
    updated_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketStats:
    """
    A market's figures now.

    Attributes:
        last_price: Of the last trade; None before the first.
        volume_24h, total_volume: Quote units, price times size.
        price_change_24h: Last price against the last trade at or before 24 hours ago (else the first since), as a
            fraction; 0 before the first trade.
        open_interest: Sum of all long positions, base units.
        high_24h, low_24h: Of trades; None without any.
    """

    market: str
    status: MarketStatus
    mark_price: Decimal
    index_price: Decimal
    last_price: Decimal | None
    bbo: Bbo
    funding_rate: Decimal
    volume_24h: Decimal
    total_volume: Decimal
    price_change_24h: Decimal
    high_24h: Decimal | None
    low_24h: Decimal | None
    open_interest: Decimal
    created_at_ms: int


@dataclass(frozen=True, slots=True)
class Candle:
    """Open, high, low and close of ``[start, start + resolution)``; ``volume`` in base units, 0 for mark and index."""

    start_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingView:
    """
    Funding of a market at an instant.

    Attributes:
        rate: Fraction per ``period_hours``, positive when longs pay.
        period_hours: The market's own period.
        rate_8h: The same cash flow for 8 hours.
        premium: What one base unit pays in one period: rate times the notional price.
        funding_index: Settle units per base unit since the market began. A long pays its growth.
        next_at_ms: The next settlement of a discrete market; None for an index market.
    """

    market: str
    rate: Decimal
    period_hours: Decimal
    rate_8h: Decimal
    premium: Decimal
    funding_index: Decimal
    next_at_ms: int | None
    created_at_ms: int
    sequence: int
