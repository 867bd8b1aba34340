"""
REST: what needs no key.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perpkit.sim.money import ZERO
from perpkit.sim.venues.extended import wire_markets
from perpkit.sim.venues.extended.errors import ApiError, Code, bad_request
from perpkit.sim.venues.extended.gateway import Call, Reply, Route
from perpkit.sim.venues.extended.listing import CREATED_MS, Listing
from perpkit.sim.venues.extended.numbers import number
from perpkit.sim.venues.extended.paging import page
from perpkit.sim.venues.extended.query import CURSOR, LIMIT, MARKETS, MAX_LIMIT, Param
from perpkit.sim.venues.extended.settings import (
    COLLATERAL,
    COLLATERAL_ID,
    COLLATERAL_RESOLUTION,
    CONTRACT_ADDRESS,
    DOMAIN_NAME,
    DOMAIN_REVISION,
    DOMAIN_VERSION,
)

if TYPE_CHECKING:
    from perpkit.sim.venues.extended.venue import Venue

RECENT_TRADES = 50
"""How many trades REST shows; the venue does not say."""
OPEN_INTEREST_ROWS = 300
_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_START = Param("startTime", "int", required=True)
_END = Param("endTime", "int", required=True)


def fetch_markets(venue: Venue, call: Call) -> Reply:
    """GET /info/markets: all rows, or those that are named."""
    wanted = call.query.get("market")
    listings = venue.listings.values() if wanted is None else [venue.listing(symbol) for symbol in wanted]
    return Reply([listing.row(venue.status(listing), stats_of(venue, listing)) for listing in listings])


def fetch_stats(venue: Venue, call: Call) -> Reply:
    """GET /info/markets/{market}/stats."""
    return Reply(stats_of(venue, venue.listing(call.path["market"])))


def fetch_book(venue: Venue, call: Call) -> Reply:
    """GET /info/markets/{market}/orderbook: all levels, no number and no time."""
    listing = venue.listing(call.path["market"])
    bids: list[dict[str, str]] = []
    asks: list[dict[str, str]] = []
    if listing.trades:
        book = venue.exchange.book(listing.symbol)
        bids, asks = wire_markets.rest_levels(book.bids), wire_markets.rest_levels(book.asks)
    return Reply({"market": listing.symbol, "bid": bids, "ask": asks})


def fetch_trades(venue: Venue, call: Call) -> Reply:
    """GET /info/markets/{market}/trades: the latest, oldest first as in the venue's own sample."""
    listing = venue.listing(call.path["market"])
    trades = venue.exchange.trades(listing.symbol)[-RECENT_TRADES:] if listing.trades else []
    return Reply([wire_markets.trade_body(trade) for trade in trades])


def fetch_candles(venue: Venue, call: Call) -> Reply:
    """GET /info/candles/{market}/{candleType}: newest first, back from ``endTime``."""
    listing = venue.listing(call.path["market"])
    name = call.path["candleType"]
    if name not in wire_markets.CANDLE_KINDS:
        raise bad_request(f"candleType: {name!r} is not one of {', '.join(wire_markets.CANDLE_KINDS)}")
    kind, resolution = wire_markets.CANDLE_KINDS[name], wire_markets.INTERVALS.get(call.query.get("interval", ""))
    if resolution is None:
        raise ApiError(
            Code.NOT_SUPPORTED_INTERVAL,
            "Interval is not supported",
            debug=f"interval {call.query.get('interval')!r} is not one of {', '.join(wire_markets.INTERVALS)}",
        )
    limit = call.query.get("limit", MAX_LIMIT)
    until_ms = min(call.query.get("endTime", venue.now_ms()), venue.now_ms())
    since_ms = max(0, until_ms - limit * (resolution.days * _DAY_MS + resolution.seconds * 1000))
    candles = []
    if listing.trades:
        candles = venue.exchange.candles(listing.symbol, resolution, since_ms=since_ms, until_ms=until_ms, kind=kind)
    return Reply([wire_markets.candle_body(candle, kind) for candle in candles[::-1][:limit]])


def fetch_funding(venue: Venue, call: Call) -> Reply:
    """GET /info/{market}/funding: rates that were applied, newest first."""
    listing = venue.listing(call.path["market"])
    rows = []
    if listing.trades:
        start, end = call.query.get("startTime", 0), call.query.get("endTime")
        rows = venue.exchange.funding_history(listing.symbol, since_ms=start, until_ms=end)
    return Reply(
        envelope=page(
            rows[::-1],
            cursor_of=lambda row: row.created_at_ms,
            render=wire_markets.funding_body,
            query=dict(call.query),
        )
    )


def fetch_open_interest(venue: Venue, call: Call) -> Reply:
    """GET /info/{market}/open-interests: at whole hours or days, newest first."""
    listing = venue.listing(call.path["market"])
    width = _HOUR_MS if call.query["interval"] == "PT1H" else _DAY_MS
    start, end = call.query["startTime"], call.query["endTime"]
    rows = [
        {"i": number(row.usd), "I": number(row.base), "t": row.time_ms}
        for row in reversed(venue.open_interest.get(listing.symbol, ()))
        if row.time_ms % width == 0 and start <= row.time_ms <= end
    ]
    return Reply(rows[: call.query.get("limit", OPEN_INTEREST_ROWS)])


def fetch_assets(venue: Venue, call: Call) -> Reply:
    """GET /info/assets: the collateral, and what is traded."""
    rows = [_asset(1, COLLATERAL, "SPOT", COLLATERAL_ID, COLLATERAL_RESOLUTION, is_collateral=True)]
    rows += [
        _asset(listing.asset_id, listing.base, listing.kind, hex(listing.synthetic_id), listing.synthetic_resolution)
        for listing in venue.listings.values()
    ]
    wanted = call.query.get("type")
    return Reply([row for row in rows if wanted in {None, row["type"]}])


def fetch_asset_price(venue: Venue, call: Call) -> Reply:
    """GET /info/assets/{asset}/price: a bare decimal."""
    name = call.path["asset"]
    if name == COLLATERAL:
        return Reply("1")
    for listing in venue.listings.values():
        if listing.base == name:
            return Reply(number(venue.exchange.index_price(listing.symbol) if listing.trades else listing.index_price))
    raise ApiError(Code.ASSET_NOT_FOUND, "Asset not found", debug=f"no asset {name!r}")


def fetch_domain(venue: Venue, _call: Call) -> Reply:
    """GET /info/starknet: what signatures are made for."""
    return Reply(
        {
            "name": DOMAIN_NAME,
            "version": DOMAIN_VERSION,
            "chainId": venue.settings.chain_id,
            "revision": DOMAIN_REVISION,
        }
    )


def fetch_settings(_venue: Venue, _call: Call) -> Reply:
    """GET /info/settings."""
    return Reply({"starkExContractAddress": CONTRACT_ADDRESS})


def stats_of(venue: Venue, listing: Listing) -> dict[str, Any]:
    """Return the statistics of a row as the wire has them."""
    if not listing.trades:
        return wire_markets.still_stats(listing, (venue.now_ms() // _HOUR_MS + 1) * _HOUR_MS)
    exchange, symbol = venue.exchange, listing.symbol
    since = venue.now_ms() - _DAY_MS + 1
    volume = sum((trade.size for trade in exchange.trades(symbol, since_ms=since)), ZERO)
    return wire_markets.stats_body(exchange.stats(symbol), exchange.funding(symbol), listing.tick_size, volume)


def _asset(
    number_: int, name: str, kind: str, starkex_id: str, resolution: int, *, is_collateral: bool = False
) -> dict[str, Any]:
    return {
        "id": number_,
        "name": name,
        "symbol": name,
        "description": f"{name} Collateral" if is_collateral else name,
        "precision": len(str(resolution)) - 1,
        "isActive": True,
        "isCollateral": is_collateral,
        "starkexId": starkex_id,
        "starkexResolution": resolution,
        "l1Id": "0xa0b8" if is_collateral else "",
        "l1Resolution": resolution,
        "version": 3,
        "createdAt": CREATED_MS,
        "type": kind,
        "canBeUsedAsCollateral": is_collateral,
        "riskFactors": [],
        "availableForTradeFactors": [],
    }


ROUTES = (
    Route("GET", "/info/markets", fetch_markets, (MARKETS,)),
    Route("GET", "/info/markets/{market}/stats", fetch_stats),
    Route("GET", "/info/markets/{market}/orderbook", fetch_book),
    Route("GET", "/info/markets/{market}/trades", fetch_trades),
    Route(
        "GET",
        "/info/candles/{market}/{candleType}",
        fetch_candles,
        (
            Param("interval", required=True),
            Param("limit", "int", required=True, minimum=1, maximum=MAX_LIMIT),
            Param("endTime", "int"),
        ),
    ),
    Route("GET", "/info/assets", fetch_assets, (Param("type", enum=("SPOT", "PERPETUAL")),)),
    Route("GET", "/info/assets/{asset}/price", fetch_asset_price),
    Route("GET", "/info/starknet", fetch_domain),
    Route("GET", "/info/settings", fetch_settings),
    Route("GET", "/info/{market}/funding", fetch_funding, (_START, _END, CURSOR, LIMIT)),
    Route(
        "GET",
        "/info/{market}/open-interests",
        fetch_open_interest,
        (
            Param("interval", required=True, enum=("PT1H", "P1D")),
            _START,
            _END,
            Param("limit", "int", minimum=1, maximum=OPEN_INTEREST_ROWS),
        ),
    ),
)
