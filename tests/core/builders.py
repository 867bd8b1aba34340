"""Short ways to build what the core's tests need. Every field given by name wins over the default."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from perpkit.core.models import (
    Fill,
    Instrument,
    Market,
    MarketStatus,
    Order,
    OrderIntent,
    OrderStatus,
    OrderType,
    Side,
)

D = Decimal
START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BTC = "BTC-USD-PERP@paradex"


def at(seconds: float) -> datetime:
    """An instant so many seconds into the test's day."""
    return START + timedelta(seconds=seconds)


def a_market(**fields: Any) -> Market:
    """BTC with a tick of 0.1 and a step of 0.001."""
    defaults: dict[str, Any] = {
        "venue": "paradex",
        "symbol": "BTC-USD-PERP",
        "instrument": Instrument.of("BTC", "USD", "USDC"),
        "tick_size": D("0.1"),
        "step_size": D("0.001"),
        "status": MarketStatus.OPEN,
    }
    return Market(**{**defaults, **fields})


def an_intent(**fields: Any) -> OrderIntent:
    """A limit buy of 0.002 BTC at 63000."""
    defaults: dict[str, Any] = {"market_id": BTC, "side": Side.BUY, "size": D("0.002")}
    if fields.get("type", OrderType.LIMIT).has_price:
        defaults["price"] = D("63000")
    return OrderIntent(**{**defaults, **fields})


def an_order(**fields: Any) -> Order:
    """A limit buy of 1 BTC at 63000 that stands, known by both ids."""
    defaults: dict[str, Any] = {
        "market_id": BTC,
        "venue_order_id": "v1",
        "client_order_id": "c1",
        "side": Side.BUY,
        "type": OrderType.LIMIT,
        "status": OrderStatus.OPEN,
        "size": D(1),
        "price": D("63000"),
        "ts_received": START,
    }
    return Order(**{**defaults, **fields})


def a_fill(fill_id: str = "f1", size: str = "0.4", price: str = "63000", **fields: Any) -> Fill:
    """A buy of 0.4 BTC at 63000 that belongs to ``an_order``."""
    defaults: dict[str, Any] = {
        "fill_id": fill_id,
        "market_id": BTC,
        "venue_order_id": "v1",
        "client_order_id": "c1",
        "side": Side.BUY,
        "price": D(price),
        "size": D(size),
        "fee": D(0),
        "fee_asset": "USDC",
        "ts_venue": START,
        "ts_received": START,
    }
    return Fill(**{**defaults, **fields})
