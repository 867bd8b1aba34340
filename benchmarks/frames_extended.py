"""Frames of Extended: a trade of the tape, an update of an order, a change of the book at ten levels."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from benchmarks import streaming
from benchmarks.harness import Result
from benchmarks.streaming import Kind, compact, fields
from perpkit.adapters.extended import decode, schema, wire
from perpkit.adapters.extended.stream import ExtendedStream
from perpkit.core.catalog import MarketCatalog
from perpkit.core.clock import SystemClock
from perpkit.core.models import Channel, Market
from perpkit.core.transport.redact import Redactor, Secret

SEED = 20261129
START_MS = 1_788_264_000_000
SYMBOL = "BTC/USDC:USDC"
"""ccxt's name of the market."""

# Fields as in a recorded answer of `GET /info/markets`, see tests/adapters/extended/data.
MARKET: dict[str, Any] = {
    "name": "BTC-USD",
    "assetName": "BTC",
    "assetPrecision": 5,
    "collateralAssetName": "USD",
    "collateralAssetPrecision": 6,
    "active": True,
    "status": "ACTIVE",
    "marketStats": {"lastPrice": "77026", "markPrice": "77006.09", "indexPrice": "77050.73", "fundingRate": "0.000012"},
    "tradingConfig": {
        "minOrderSize": "0.0001",
        "minOrderSizeChange": "0.00001",
        "minPriceChange": "1",
        "maxMarketOrderValue": "3000000",
        "maxLimitOrderValue": "15000000",
        "maxPositionValue": "60000000",
        "maxLeverage": "50.00",
        "hourlyFundingRateCap": "0.25",
        "maxNumOrders": "200",
        "limitPriceCap": "0.05",
        "limitPriceFloor": "0.05",
        "riskFactorConfig": [{"upperBound": "4000000", "riskFactor": "0.02", "isAvailableForUsers": True}],
    },
    "l2Config": {
        "type": "STARKX",
        "collateralId": "0x1",
        "syntheticId": "0x4254432d3600000000000000000000",
        "syntheticResolution": 1000000,
        "collateralResolution": 1000000,
    },
    "createdAt": 1752829532673,
}


def _size(rng: random.Random) -> str:
    return str(Decimal(rng.randrange(1, 100_000)).scaleb(-5))


def trades() -> Iterator[str]:
    """Yield one trade a frame."""
    rng, price = random.Random(SEED), 77_000
    seq = 0
    while True:
        seq += 1
        price += rng.randrange(-5, 6)
        at = START_MS + 10 * seq
        row = {
            "m": "BTC-USD",
            "S": rng.choice(("BUY", "SELL")),
            "tT": "TRADE",
            "T": at,
            "p": str(price),
            "q": _size(rng),
            "i": 2_051_900_000_000_000_000 + seq,
        }
        yield compact({"data": [row], "ts": at + 10, "seq": seq})


def orders() -> Iterator[str]:
    """Yield the account's first word of its orders, then of each order that it is taken, half filled, and filled."""
    rng = random.Random(SEED)
    seq = 1
    yield compact({"type": "ORDER", "data": {"isSnapshot": True, "orders": []}, "ts": START_MS, "seq": seq})
    while True:
        whole = Decimal(rng.randrange(2, 10_000)).scaleb(-5)
        price = str(77_000 + rng.randrange(-500, 500))
        created = START_MS + 10 * seq
        fixed = {
            "id": 2_051_700_000_000_000_000 + seq,
            "accountId": 104217,
            "externalId": f"pk-{seq:08x}",
            "market": "BTC-USD",
            "type": "LIMIT",
            "side": rng.choice(("BUY", "SELL")),
            "price": price,
            "qty": str(whole),
            "payedFee": "0.000000",
            "reduceOnly": False,
            "postOnly": False,
            "createdTime": created,
            "timeInForce": "GTT",
            "expireTime": created + 3_600_000,
        }
        for number, status in enumerate(("NEW", "PARTIALLY_FILLED", "FILLED")):
            seq += 1
            filled = whole * number / 2
            more = {"averagePrice": price} if filled else {}
            row = {**fixed, "status": status, "filledQty": str(filled), "updatedTime": created + number, **more}
            data = {"isSnapshot": False, "orders": [row]}
            yield compact({"type": "ORDER", "data": data, "ts": created + number, "seq": seq})


def books() -> Iterator[str]:
    """Yield a snapshot of 100 levels a side, then changes at five levels a side, now and then to nothing."""
    rng = random.Random(SEED)
    sizes = {
        side: {77_000 + away * depth: Decimal(_size(rng)) for depth in range(1, 101)}
        for side, away in (("b", -1), ("a", 1))
    }
    rows = {side: [{"q": str(size), "p": str(price)} for price, size in sizes[side].items()] for side in sizes}
    yield _book("SNAPSHOT", rows, 1)
    seq = 1
    while True:
        seq += 1
        rows = {}
        for side, held in sizes.items():
            rows[side] = []
            for price in rng.sample(sorted(held), 5):
                size = Decimal(0) if rng.random() < 0.1 else Decimal(_size(rng))
                rows[side].append({"q": str(size - held[price]), "p": str(price), "c": str(size)})
                held[price] = size
        yield _book("DELTA", rows, seq)


def _book(kind: str, rows: dict[str, list[dict[str, str]]], seq: int) -> str:
    data = {"t": kind, "m": "BTC-USD", **rows}
    return compact({"type": kind, "data": data, "ts": START_MS + 100 * seq, "seq": seq})


def changed(ours: Any, theirs: Any) -> Iterator[tuple[str, Decimal | None, float | None]]:
    """Compare the changes that perpkit tells of with the book that ccxt holds after them."""
    for side in ("bids", "asks"):
        held = {price: size for price, size, *_ in theirs[side]}
        for price, size in getattr(ours, side):
            yield f"{side} at {price}", size, held.get(float(price), 0.0)


async def _nothing() -> None:
    """Find nothing wrong with the credentials."""


class Extended:
    """Extended, for either side."""

    name = "extended"
    kinds: Sequence[Kind] = (
        Kind(
            "trade",
            Channel.TRADES,
            trades,
            watch=lambda exchange: exchange.watch_trades(SYMBOL),
            held=lambda exchange: exchange.trades[SYMBOL][-1],
            numbers=fields("price", "size:amount"),
        ),
        Kind(
            "order",
            Channel.ORDERS,
            orders,
            watch=lambda exchange: exchange.watch_orders(),
            held=lambda exchange: exchange.orders[-1],
            numbers=fields("price", "size:amount", "filled_size:filled"),
        ),
        Kind(
            "book, ten changes",
            Channel.BOOK,
            books,
            watch=lambda exchange: exchange.watch_order_book(SYMBOL),
            held=lambda exchange: exchange.orderbooks[SYMBOL],
            numbers=changed,
        ),
    )

    def source(self, url: str) -> tuple[ExtendedStream, Market]:
        """Return the plugin's words, and the market."""
        market = decode.market(wire.read(schema.Market, json.dumps(MARKET), what="market"))
        catalog = MarketCatalog(self.name, SystemClock())
        catalog.replace([market])
        source = ExtendedStream(
            base=url, markets=catalog, api_key=Secret("benchmark"), check=_nothing, redactor=Redactor()
        )
        return source, market

    def exchange(self, url: str) -> Any:
        """Return ccxt.pro's."""
        import ccxt.pro as ccxt

        exchange = ccxt.extended({"apiKey": "benchmark", "privateKey": "0x1", "walletAddress": "0x1"})
        exchange.urls["api"]["ws"] = url
        exchange.set_markets([exchange.parse_market(MARKET)])
        return exchange

    def answer(self, said: str | None, first: Sequence[str]) -> Sequence[str]:
        """Whoever connects has subscribed."""
        return first if said is None else ()


def run() -> Result:
    """Check that both read the same, then time them in turns."""
    return streaming.run(Extended(), "frames_extended")
