"""Frames of Paradex: a trade of the tape, an update of an order, a book of fifteen levels a side, a funding rate."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from benchmarks import streaming
from benchmarks.harness import Result
from benchmarks.payloads import CHANNELS, MARKET, Frames
from benchmarks.streaming import Kind, fields, levels
from perpkit.adapters.paradex import decode, schema, wire
from perpkit.adapters.paradex.memory import Balances, OrderMemory
from perpkit.adapters.paradex.stream import ParadexStream
from perpkit.core.catalog import MarketCatalog
from perpkit.core.clock import SystemClock
from perpkit.core.models import Channel, Market
from perpkit.core.transport.redact import Redactor, Secret

SYMBOL = "BTC/USD:USDC"
"""ccxt's name of the market."""


class Tokens:
    """A token to sign in with."""

    async def token(self) -> Secret:
        """Return it."""
        return Secret("benchmark")


class Paradex:
    """Paradex, for either side."""

    name = "paradex"
    kinds: Sequence[Kind] = (
        Kind(
            "trade",
            Channel.TRADES,
            lambda: Frames().endless("trade"),
            watch=lambda exchange: exchange.watch_trades(SYMBOL),
            held=lambda exchange: exchange.trades[SYMBOL][-1],
            numbers=fields("price", "size:amount"),
            goal=4,
        ),
        Kind(
            "order",
            Channel.ORDERS,
            lambda: Frames().endless("order"),
            watch=lambda exchange: exchange.watch_orders(),
            held=lambda exchange: exchange.orders[-1],
            numbers=fields("price", "size:amount", "filled_size:filled"),
            goal=4,
        ),
        Kind(
            "book, 15 levels a side",
            Channel.BOOK,
            lambda: Frames().endless("book, 15 levels a side"),
            watch=lambda exchange: exchange.watch_order_book(SYMBOL),
            held=lambda exchange: exchange.orderbooks[SYMBOL],
            numbers=levels(15),
            channels=(CHANNELS["book, 15 levels a side"], "order_book.BTC-USD-PERP.snapshot@15@100ms"),
            goal=3,
        ),
        Kind(
            "funding",
            Channel.FUNDING,
            lambda: Frames().endless("funding"),
            watch=lambda exchange: exchange.watch_funding_rate(SYMBOL),
            held=lambda exchange: exchange.fundingRates[SYMBOL],
            numbers=fields("value:fundingRate"),
            channels=(CHANNELS["funding"], "funding_data"),
            goal=3,
        ),
    )

    def source(self, url: str) -> tuple[ParadexStream, Market]:
        """Return the plugin's words, and the market."""
        clock = SystemClock()
        market = decode.market(wire.read(schema.Market, json.dumps(MARKET), what="market"), clock.now())
        catalog = MarketCatalog(self.name, clock)
        catalog.replace([market])
        source = ParadexStream(
            url=url,
            markets=catalog,
            tokens=Tokens(),
            orders=OrderMemory(),
            balances=Balances(),
            redactor=Redactor(),
            book_interval="100ms",
        )
        return source, market

    def exchange(self, url: str) -> Any:
        """Return ccxt.pro's, on the JSON feed, as it is after it has signed in."""
        import ccxt.pro as ccxt

        exchange = ccxt.paradex({"options": {"sbe": False}})
        exchange.urls["api"]["ws"] = url
        exchange.set_markets([exchange.parse_market(MARKET)])
        client = exchange.client(exchange.get_ws_url())
        client.subscriptions["authenticated"] = True
        client.reusableFuture("authenticated").resolve(True)
        return exchange

    def answer(self, said: str | None, first: Sequence[str]) -> Sequence[str]:
        """Confirm whatever is asked; ccxt.pro asks without an id and waits for no answer."""
        if said is None:
            return ()
        asked = json.loads(said)
        follow = list(first) if asked["method"] == "subscribe" else []
        if "id" not in asked:
            return follow
        result = {"channel": asked["params"].get("channel")}
        return [streaming.compact({"jsonrpc": "2.0", "result": result, "id": asked["id"]}), *follow]


def run() -> Result:
    """Check that both read the same, then time them in turns."""
    return streaming.run(Paradex(), "frames")
