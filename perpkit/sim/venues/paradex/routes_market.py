"""
REST: the system's state, and what everybody may see of the markets.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from perpkit.core.models.market import MarketStatus, PriceKind
from perpkit.sim.market_data import Bbo, BookView
from perpkit.sim.orders import RequestRefusedError
from perpkit.sim.venues.paradex.config import system_config
from perpkit.sim.venues.paradex.errors import ApiError
from perpkit.sim.venues.paradex.gateway import Call, Reply, Route
from perpkit.sim.venues.paradex.listing import Listing
from perpkit.sim.venues.paradex.paging import page
from perpkit.sim.venues.paradex.wire_markets import (
    bbo_body,
    book_body,
    candle_row,
    funding_body,
    still_summary_body,
    summary_body,
)
from perpkit.sim.venues.paradex.wire_orders import refusal, trade_body

if TYPE_CHECKING:
    from perpkit.sim.venues.paradex.venue import Venue

ALL = "ALL"
DEFAULT_DEPTH = 20
RESOLUTIONS = ("1", "3", "5", "15", "30", "60")
_PRICE_KINDS = {"last": PriceKind.LAST, "mark": PriceKind.MARK, "underlying": PriceKind.INDEX}
MAX_CANDLES = 10_000


def fetch_config(venue: Venue, call: Call) -> Reply:
    """GET /system/config."""
    return Reply(system_config(venue.settings.environment, venue.settings.chain_id))


def fetch_state(venue: Venue, call: Call) -> Reply:
    """GET /system/state."""
    return Reply({"status": venue.exchange.system_status.value})


def fetch_time(venue: Venue, call: Call) -> Reply:
    """GET /system/time: milliseconds, as text."""
    return Reply({"server_time": str(venue.now_ms())})


def fetch_markets(venue: Venue, call: Call) -> Reply:
    """GET /markets: every listed row, or one."""
    symbol = call.query.get("market")
    listings = venue.listings.values() if symbol is None else [venue.listing(symbol, status=404)]
    return Reply({"results": [_row(venue, listing) for listing in listings]})


def fetch_market_history(venue: Venue, call: Call) -> Reply:
    """GET /markets/history: what changed in the last 7 days, newest first."""
    symbol = call.query.get("market", ALL)
    since = venue.now_ms() - 7 * 24 * 3_600_000
    shown = [e for e in venue.market_events if e["updated_at"] >= since and symbol in {ALL, e["symbol"]}]
    return Reply({"results": shown[::-1]})


def fetch_summaries(venue: Venue, call: Call) -> Reply:
    """GET /markets/summary: one market, or ``ALL`` with options and the rest among them."""
    for name in ("start", "end"):
        if name in call.query:
            raise ApiError("INVALID_REQUEST_PARAMETER", f"{name}: the local venue keeps no past summaries")
    symbol = call.query["market"]
    listings = list(venue.listings.values()) if symbol == ALL else [venue.listing(symbol)]
    return Reply({"results": [summary(venue, listing) for listing in listings]})


def summary(venue: Venue, listing: Listing) -> dict[str, Any]:
    """Return the summary of a row, whether it trades here or not."""
    if listing.trades:
        return summary_body(venue.exchange.stats(listing.symbol))
    return still_summary_body(listing, venue.underlying(listing), venue.now_ms())


def fetch_book(venue: Venue, call: Call) -> Reply:
    """GET /orderbook/{market}: what API clients see."""
    return _book(venue, call, interactive=False)


def fetch_interactive_book(venue: Venue, call: Call) -> Reply:
    """GET /orderbook/{market}/interactive: with retail orders."""
    return _book(venue, call, interactive=True)


def fetch_bbo(venue: Venue, call: Call) -> Reply:
    """GET /bbo/{market}."""
    return Reply(bbo_body(_bbo(venue, venue.listing(call.path["market"]), interactive=False)))


def fetch_interactive_bbo(venue: Venue, call: Call) -> Reply:
    """GET /bbo/{market}/interactive."""
    return Reply(bbo_body(_bbo(venue, venue.listing(call.path["market"]), interactive=True)))


def fetch_trades(venue: Venue, call: Call) -> Reply:
    """GET /trades: the tape of one market; of a base asset's options there is none here."""
    market, base = call.query.get("market"), call.query.get("baseAsset")
    if (market is None) == (base is None):
        raise ApiError("INVALID_REQUEST_PARAMETER", "give market or baseAsset, and not both")
    tape = []
    if market is not None and venue.listing(market).trades:
        tape = venue.exchange.trades(market)
    return Reply(
        page(
            tape,
            key=lambda t: (t.created_at_ms, t.sequence),
            render=trade_body,
            query=dict(call.query),
            listing="trades",
        )
    )


def fetch_klines(venue: Venue, call: Call) -> Reply:
    """GET /markets/klines: candles that begin in the window, oldest first."""
    query = call.query
    listing = venue.listings.get(query["symbol"])
    if listing is None:
        raise ApiError("INVALID_SYMBOL", f"no market {query['symbol']!r}")
    if query["resolution"] not in RESOLUTIONS:
        allowed = ", ".join(RESOLUTIONS)
        raise ApiError("INVALID_REQUEST_PARAMETER", f"resolution={query['resolution']!r} is not one of {allowed}")
    resolution = timedelta(minutes=int(query["resolution"]))
    start, end = query["start_at"], min(query["end_at"], venue.now_ms())
    if start > query["end_at"]:
        raise ApiError("INVALID_REQUEST_PARAMETER", "start_at lies after end_at")
    if end - start > MAX_CANDLES * (resolution // timedelta(milliseconds=1)):
        raise ApiError("INVALID_REQUEST_PARAMETER", f"more than {MAX_CANDLES} candles; ask for a shorter window")
    rows: list[list[Any]] = []
    if listing.trades:
        kind = _PRICE_KINDS[query.get("price_kind", "last")]
        candles = venue.exchange.candles(listing.symbol, resolution, since_ms=start, until_ms=end, kind=kind)
        rows = [candle_row(candle) for candle in candles]
    return Reply({"results": rows})


def fetch_funding_data(venue: Venue, call: Call) -> Reply:
    """GET /funding/data: samples of the rate, newest first. They are not settled payments."""
    listing = venue.listing(call.query["market"])
    samples = venue.exchange.funding_history(listing.symbol) if listing.trades else []
    return Reply(
        page(
            samples,
            key=lambda f: (f.created_at_ms, f.sequence),
            render=funding_body,
            query=dict(call.query),
            listing="funding",
        )
    )


def parse_tick(text: str, listing: Listing) -> Decimal:
    """
    Return a price tick to group a book by.

    Raises:
        ApiError: It is no multiple of the market's own.
    """
    if text.replace(".", "", 1).isdigit():
        tick = Decimal(text)
        if tick > 0 and tick % listing.tick_size == 0:
            return tick
    raise ApiError("INVALID_REQUEST_PARAMETER", f"price_tick={text!r} is no multiple of {listing.tick_size}")


def _row(venue: Venue, listing: Listing) -> dict[str, Any]:
    """Return a listed row; one that was settled meanwhile has expired."""
    row = listing.row()
    if listing.trades and venue.exchange.market(listing.symbol).status is MarketStatus.SETTLED:
        settled = [e["updated_at"] for e in venue.market_events if e["symbol"] == listing.symbol]
        row["expiry_at"] = settled[-1] if settled else venue.now_ms()
    return row


def _book(venue: Venue, call: Call, *, interactive: bool) -> Reply:
    listing = venue.listing(call.path["market"])
    depth = call.query.get("depth", DEFAULT_DEPTH)
    if depth < 1:
        raise ApiError("INVALID_REQUEST_PARAMETER", f"depth={depth} is below 1")
    tick = parse_tick(call.query["price_tick"], listing) if "price_tick" in call.query else None
    if listing.trades:
        shown = venue.exchange.book(listing.symbol, None if tick else depth, interactive=interactive)
    else:
        shown = BookView(market=listing.symbol, bids=(), asks=(), sequence=0, updated_at_ms=listing.open_at_ms)
    plain = _bbo(venue, listing, interactive=False)
    return Reply(book_body(shown, plain, _bbo(venue, listing, interactive=True), depth, tick))


def _bbo(venue: Venue, listing: Listing, *, interactive: bool) -> Bbo:
    if not listing.trades:
        return Bbo(market=listing.symbol, bid=None, ask=None, sequence=0, updated_at_ms=listing.open_at_ms)
    try:
        return venue.exchange.bbo(listing.symbol, interactive=interactive)
    except RequestRefusedError as exc:
        raise refusal(exc.reason, exc.message) from exc


ROUTES = (
    Route("GET", "/system/config", fetch_config, "public", "public"),
    Route("GET", "/system/state", fetch_state, "public", "public"),
    Route("GET", "/system/time", fetch_time, "public", "public"),
    Route("GET", "/markets", fetch_markets, "public", "public"),
    Route("GET", "/markets/history", fetch_market_history, "public", "public"),
    Route("GET", "/markets/summary", fetch_summaries, "public", "public"),
    Route("GET", "/markets/klines", fetch_klines, "public", "public"),
    Route("GET", "/orderbook/{market}", fetch_book, "public", "public"),
    Route("GET", "/orderbook/{market}/interactive", fetch_interactive_book, "public", "public"),
    Route("GET", "/bbo/{market}", fetch_bbo, "public", "public"),
    Route("GET", "/bbo/{market}/interactive", fetch_interactive_bbo, "public", "public"),
    Route("GET", "/trades", fetch_trades, "public", "public"),
    Route("GET", "/funding/data", fetch_funding_data, "public", "public"),
)
