"""Frames of Lighter: a trade of the tape, an update of an order, a change of the book at ten levels, funding."""

from __future__ import annotations

import json
import random
from collections.abc import Coroutine, Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

from benchmarks import streaming
from benchmarks.harness import Result
from benchmarks.streaming import Kind, compact, fields
from perpkit.adapters.lighter import decode, schema
from perpkit.adapters.lighter.client_ids import ClientIds
from perpkit.adapters.lighter.config import LighterSettings
from perpkit.adapters.lighter.listings import Listings
from perpkit.adapters.lighter.stream import LighterStream
from perpkit.core.catalog import MarketCatalog
from perpkit.core.clock import SystemClock
from perpkit.core.models import Channel, Market, Order
from perpkit.core.transport import loose_json
from perpkit.core.transport.redact import Redactor, Secret

SEED = 20261129
START_MS = 1_798_999_400_000
SYMBOL = "ETH/USDC:USDC"
"""ccxt's name of the market."""
ACCOUNT = 12345
TX_HASH = "000000128b3aa109000001a2dcb872c2000000000000000000000000000000000000000000000000"

# Fields as the venue's contract of July 2026 has them for `GET /api/v1/orderBookDetails`.
MARKET: dict[str, Any] = {
    "symbol": "ETH",
    "market_id": 0,
    "market_type": "perp",
    "base_asset_id": 0,
    "quote_asset_id": 0,
    "status": "active",
    "taker_fee": "0.0000",
    "maker_fee": "0.0000",
    "liquidation_fee": "1.0000",
    "min_base_amount": "0.0050",
    "min_quote_amount": "10.000000",
    "order_quote_limit": "281474976.710655",
    "supported_size_decimals": 4,
    "supported_price_decimals": 2,
    "supported_quote_decimals": 6,
    "size_decimals": 4,
    "price_decimals": 2,
    "quote_multiplier": 1,
    "default_initial_margin_fraction": 500,
    "min_initial_margin_fraction": 200,
    "maintenance_margin_fraction": 120,
    "closeout_margin_fraction": 80,
    "last_trade_price": 4000.12,
    "open_interest": 41250.3381,
    "daily_price_change": 1.2874,
    "mark_price": "4000.00",
    "index_price": "4000.41",
}


def _size(rng: random.Random) -> Decimal:
    return Decimal(rng.randrange(1, 100_000)).scaleb(-4)


def trades() -> Iterator[str]:
    """Yield the history that comes first, then one trade a frame."""
    rng, ticks = random.Random(SEED), 400_000
    number = 0
    while True:
        number += 1
        ticks += rng.randrange(-5, 6)
        price, size, at = Decimal(ticks).scaleb(-2), _size(rng), START_MS + 10 * number
        row = {
            "trade_id": 19_211_490_282 + number,
            "trade_id_str": str(19_211_490_282 + number),
            "tx_hash": TX_HASH,
            "type": "trade",
            "market_id": 0,
            "size": str(size),
            "price": str(price),
            "usd_amount": str(size * price),
            "ask_id": 281_476_977_000_123 + number,
            "bid_id": 562_947_905_630_911 - number,
            "ask_account_id": ACCOUNT + 1,
            "bid_account_id": 777,
            "is_maker_ask": rng.random() < 0.5,
            "block_height": 327_557_648,
            "timestamp": at,
            "taker_fee": 280,
            "maker_fee": 40,
            "transaction_time": at * 1000 + 648,
        }
        kind = "update" if number > 1 else "subscribed"
        frame = {"channel": "trade:0", "liquidation_trades": [], "nonce": 9_182_390_044 + number, "trades": [row]}
        yield compact({**frame, "type": f"{kind}/trade"})


def orders() -> Iterator[str]:
    """Yield the account's first word of its orders, then of each order that it is open, half filled, and filled."""
    rng = random.Random(SEED)
    number = 0
    kind = "subscribed"
    while True:
        number += 1
        whole, price = Decimal(rng.randrange(1, 5_000) * 2).scaleb(-4), Decimal(400_000 + rng.randrange(-500, 500))
        price = price.scaleb(-2)
        index, created = 281_476_977_000_123 + number, START_MS + 10 * number
        for step, status in enumerate(("open", "open", "filled")):
            filled = whole * step / 2
            at = created + step
            row = {
                "order_index": index,
                "client_order_index": 1_000 + number,
                "order_id": str(index),
                "client_order_id": str(1_000 + number),
                "market_index": 0,
                "owner_account_index": ACCOUNT,
                "initial_base_amount": str(whole),
                "price": str(price),
                "nonce": 9_182_390_020 + 3 * number + step,
                "remaining_base_amount": str(whole - filled),
                "is_ask": True,
                "base_size": int(whole * 10_000),
                "base_price": int(price * 100),
                "filled_base_amount": str(filled),
                "filled_quote_amount": str(filled * price),
                "side": "sell",
                "type": "limit",
                "time_in_force": "good-till-time",
                "reduce_only": False,
                "trigger_price": "0.00",
                "order_expiry": created + 3_600_000,
                "status": status,
                "trigger_status": "na",
                "trigger_time": 0,
                "parent_order_index": 0,
                "parent_order_id": "0",
                "to_trigger_order_id_0": "0",
                "to_trigger_order_id_1": "0",
                "to_cancel_order_id_0": "0",
                "integrator_fee_collector_index": "0",
                "integrator_taker_fee": "0",
                "integrator_maker_fee": "0",
                "block_height": 327_557_650,
                "timestamp": created,
                "created_at": created,
                "updated_at": at,
                "transaction_time": at * 1000 + 648,
            }
            channel = f"account_all_orders:{ACCOUNT}"
            yield compact({"channel": channel, "orders": {"0": [row]}, "type": f"{kind}/account_all_orders"})
            kind = "update"


def books() -> Iterator[str]:
    """Yield a snapshot of 100 levels a side, then changes at five levels a side, now and then to nothing."""
    rng = random.Random(SEED)
    prices = {
        side: [str(Decimal(400_000 + away * depth).scaleb(-2)) for depth in range(1, 101)]
        for side, away in (("bids", -1), ("asks", 1))
    }
    sides = {side: [{"price": price, "size": str(_size(rng))} for price in each] for side, each in prices.items()}
    nonce, number, kind = 9_182_390_020, 1_558_299, "subscribed"
    begin = 0
    while True:
        at = START_MS + 50 * (number - 1_558_299)
        numbers = {"offset": number, "nonce": nonce, "last_updated_at": at * 1000, "begin_nonce": begin}
        book = {"code": 0, **sides, **numbers}
        frame = {"channel": "order_book:0", "last_updated_at": at * 1000, "offset": number, "order_book": book}
        yield compact({**frame, "timestamp": at + 8, "type": f"{kind}/order_book"})
        begin, nonce, number, kind = nonce, nonce + rng.randrange(1, 40), number + 1, "update"
        sides = {
            side: [
                {"price": price, "size": "0.0000" if rng.random() < 0.1 else str(_size(rng))}
                for price in rng.sample(each, 5)
            ]
            for side, each in prices.items()
        }


def stats() -> Iterator[str]:
    """Yield a market's figures, another rate in each frame."""
    rng = random.Random(SEED)
    number = 0
    while True:
        number += 1
        mark = Decimal(400_000 + rng.randrange(-500, 500)).scaleb(-2)
        row = {
            "symbol": "ETH",
            "market_id": 0,
            "index_price": str(mark + Decimal("0.41")),
            "mark_price": str(mark),
            "mid_price": str(mark),
            "open_interest": "165001352.400000",
            "open_interest_limit": "72057594037927936.000000",
            "funding_clamp_small": "0.0500",
            "funding_clamp_big": "4.0000",
            "base_interest_rate": "0.0100",
            "last_trade_price": str(mark),
            "current_funding_rate": f"0.{rng.randrange(1, 10_000):04}",
            "funding_rate": "0.0012",
            "funding_timestamp": START_MS,
            "daily_base_token_volume": 198_321.4471,
            "daily_quote_token_volume": 791_338_012.882114,
            "daily_price_low": 3921.5,
            "daily_price_high": 4066.01,
            "daily_price_change": 1.2874,
        }
        kind = "update" if number > 1 else "subscribed"
        frame = {"channel": "market_stats:0", "market_stats": row, "timestamp": START_MS + 100 * number}
        yield compact({**frame, "type": f"{kind}/market_stats"})


def changed(ours: Any, theirs: Any) -> Iterator[tuple[str, Decimal | None, float | None]]:
    """Compare the changes that perpkit tells of with the book that ccxt holds after them."""
    for side in ("bids", "asks"):
        held = {price: size for price, size, *_ in theirs[side]}
        for price, size in getattr(ours, side):
            yield f"{side} at {price}", size, held.get(float(price), 0.0)


def _result_of(reading: Coroutine[Any, Any, Any]) -> Any:
    """Return what a coroutine that waits for nothing comes to."""
    try:
        reading.send(None)
    except StopIteration as done:
        return done.value
    raise RuntimeError("it waits for something")


class Tokens:
    """A token for private channels."""

    async def token(self, lasting: timedelta = timedelta(0)) -> Secret:
        """Return it."""
        return Secret("benchmark")

    def drop(self, token: Secret) -> None:
        """Be told that it was refused, which never happens here."""
        raise AssertionError("nobody refuses it")


class Session:
    """What the stream needs of an opened account."""

    def __init__(self) -> None:
        self.tokens = Tokens()
        self.settings = LighterSettings.load(None, {})
        self.client_ids = ClientIds()

    async def account_index(self) -> int:
        """Return the account's number."""
        return ACCOUNT


class NoneRefused:
    """Knows of no order that the sequencer refused."""

    def refused_order(self, row: schema.Tx, market: Market | None = None) -> Order | None:
        """Raise: there are no transactions in these frames."""
        raise AssertionError(f"a transaction came: {row.hash}")


class Lighter:
    """Lighter, for either side."""

    name = "lighter"
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
        Kind(
            "funding",
            Channel.FUNDING,
            stats,
            # It has no funding stream; its ticker reads the prices of the same frame, and no rate.
            watch=lambda exchange: exchange.watch_ticker(SYMBOL),
            held=lambda exchange: exchange.tickers[SYMBOL],
            numbers=fields("mark_price:markPrice", "index_price:indexPrice"),
        ),
    )

    def source(self, url: str) -> tuple[LighterStream, Market]:
        """Return the plugin's words, and the market."""
        row = loose_json.read(schema.OrderBookDetail, json.dumps(MARKET), what="market", venue=self.name)
        market = decode.market(row)
        catalog = MarketCatalog(self.name, SystemClock())
        catalog.replace([market])
        listings = Listings(catalog)
        listings.learn([row])
        session: Any = Session()
        source = LighterStream(url=url, listings=listings, session=session, orders=NoneRefused(), redactor=Redactor())
        return source, market

    def exchange(self, url: str) -> Any:
        """Return ccxt.pro's, with a token for its private channels."""
        import ccxt.pro as ccxt

        exchange = ccxt.lighter({"options": {"accountIndex": ACCOUNT}})
        exchange.urls["api"]["ws"] = url

        async def listed(params: object) -> dict[str, Any]:
            return {"order_book_details": [MARKET]}

        async def loaded() -> None:
            """It would load the signing library, for the token alone."""

        exchange.publicGetOrderBookDetails = listed
        exchange.preLoadLighterLibrary = loaded
        exchange.set_markets(_result_of(exchange.fetch_markets()))
        exchange.createAuth = lambda params: "benchmark"
        return exchange

    def answer(self, said: str | None, first: Sequence[str]) -> Sequence[str]:
        """Greet, and answer a subscription with its first frames."""
        if said is None:
            return [compact({"session_id": "1", "type": "connected"})]
        asked = json.loads(said)
        channel = asked.get("channel", "").replace("/", ":")
        if asked["type"] != "subscribe":
            return ()
        if channel.startswith("account_tx"):
            return [compact({"channel": channel, "txs": [], "type": "subscribed/account_tx"})]
        return first


def run() -> Result:
    """Check that both read the same, then time them in turns."""
    return streaming.run(Lighter(), "frames_lighter")
