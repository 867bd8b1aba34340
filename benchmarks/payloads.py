"""
Frames of Paradex as the venue's contract has them (AsyncAPI 1.3), with values that move: seeded, and each different
from the last.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from decimal import Decimal
from itertools import islice
from typing import Any

SEED = 20261121
SYMBOL = "BTC-USD-PERP"
START_MS = 1_760_000_000_000

CHANNELS = {
    "trade": f"trades.{SYMBOL}",
    "order": f"orders.{SYMBOL}",
    "book, 15 levels a side": f"order_book.{SYMBOL}.deltas@15@100ms",
    "funding": f"funding_data.{SYMBOL}",
}
"""What is measured, and the channel that brings it."""

MARKET: dict[str, Any] = {
    "symbol": SYMBOL,
    "base_currency": "BTC",
    "quote_currency": "USD",
    "settlement_currency": "USDC",
    "order_size_increment": "0.001",
    "price_tick_size": "0.1",
    "min_notional": "10",
    "open_at": 1698756879745,
    "expiry_at": 0,
    "asset_kind": "PERP",
    "position_limit": "60",
    "price_bands_width": "0.05",
    "max_open_orders": 100,
    "max_order_size": "100",
    "max_funding_rate": "0.02",
    "max_funding_rate_change": "0.0002",
    "max_tob_spread": "0.1",
    "funding_period_hours": 8,
    "price_feed_id": "GVXRSBjFk6e6J3NbVPXohDJetcTjaeeuykUpbQF8UoMU",
    "oracle_ewma_factor": "0.2",
    "delta1_cross_margin_params": {
        "imf_base": "0.02",
        "imf_shift": "180000",
        "imf_factor": "0.00007",
        "mmf_factor": "0.5",
    },
}
"""A row of ``GET /markets``."""


class Frames:
    """Endless frames of each kind; ``take`` gives the next so many."""

    def __init__(self) -> None:
        rng = random.Random(SEED)
        makers = {"trade": _trades, "order": _orders, "book, 15 levels a side": _books, "funding": _rates}
        self._streams = {kind: make(rng) for kind, make in makers.items()}

    def take(self, kind: str, count: int) -> list[str]:
        """Return the next frames of a kind, as text."""
        return list(islice(self.endless(kind), count))

    def endless(self, kind: str) -> Iterator[str]:
        """Yield the next frames of a kind, as text."""
        channel = CHANNELS[kind]
        for data in self._streams[kind]:
            message = {"jsonrpc": "2.0", "method": "subscription", "params": {"channel": channel, "data": data}}
            yield json.dumps(message, separators=(",", ":"))


def _walk(rng: random.Random) -> Iterator[Decimal]:
    ticks = 650_000
    while True:
        ticks = max(1000, ticks + rng.randrange(-5, 6))
        yield Decimal(ticks).scaleb(-1)


def _size(rng: random.Random) -> str:
    return str(Decimal(rng.randrange(1, 5000)).scaleb(-3))


def _trades(rng: random.Random) -> Iterator[dict[str, Any]]:
    for number, price in enumerate(_walk(rng)):
        yield {
            "id": f"{START_MS + number}201709233240002",
            "market": SYMBOL,
            "side": rng.choice(["BUY", "SELL"]),
            "size": _size(rng),
            "price": str(price),
            "created_at": START_MS + number,
            "trade_type": "FILL",
        }


def _orders(rng: random.Random) -> Iterator[dict[str, Any]]:
    """Each order is taken, stands, and is filled: three updates."""
    update = 0
    for number, price in enumerate(_walk(rng)):
        size = _size(rng)
        created = START_MS + 10 * number
        fixed = {
            "account": "0x4638e3041366aa71720be63e32e53e1223316c7f0d56f7aa617542ed1e7512b",
            "cancel_reason": "",
            "client_id": f"pk-{number:08x}",
            "created_at": created,
            "flags": [],
            "id": f"{created}201709220290000",
            "instruction": "GTC",
            "market": SYMBOL,
            "price": str(price),
            "received_at": created,
            "side": rng.choice(["BUY", "SELL"]),
            "size": size,
            "stp": "EXPIRE_TAKER",
            "timestamp": created,
            "trigger_price": "0",
            "type": "LIMIT",
        }
        for status, left, average in (("NEW", size, ""), ("OPEN", size, ""), ("CLOSED", "0", str(price))):
            update += 1
            yield {
                **fixed,
                "avg_fill_price": average,
                "last_updated_at": created + update % 3,
                "published_at": created + update % 3,
                "remaining_size": left,
                "seq_no": (START_MS + update) * 1_000_000,
                "status": status,
            }


def _books(rng: random.Random) -> Iterator[dict[str, Any]]:
    """From one snapshot to the next the middle moves by a tick now and then, and some sizes change."""
    sizes: dict[tuple[str, Decimal], str] = {}
    for number, middle in enumerate(_walk(rng)):
        levels = []
        for side, away in (("BUY", Decimal("-0.1")), ("SELL", Decimal("0.1"))):
            for depth in range(1, 16):
                key = (side, middle + away * depth)
                if key not in sizes or rng.random() < 0.25:
                    sizes[key] = _size(rng)
                levels.append({"side": side, "price": str(key[1]), "size": sizes[key]})
        yield {
            "seq_no": 14_127_815 + number,
            "market": SYMBOL,
            "last_updated_at": START_MS + 100 * number,
            "update_type": "s",
            "inserts": levels,
            "updates": [],
            "deletes": [],
        }


def _rates(rng: random.Random) -> Iterator[dict[str, Any]]:
    index = Decimal("-1234.551694014226244835")
    number = 0
    while True:
        number += 1
        rate = Decimal(rng.randrange(-20_000_000_000, 20_000_000_000)).scaleb(-14)
        index += rate
        yield {
            "market": SYMBOL,
            "funding_index": str(index),
            "funding_premium": str(rate * 65_000),
            "funding_rate": str(rate),
            "funding_rate_8h": str(rate.quantize(Decimal("1e-8"))),
            "funding_period_hours": 8,
            "created_at": START_MS + 1000 * number,
        }
