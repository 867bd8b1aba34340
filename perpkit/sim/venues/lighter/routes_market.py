"""
Everybody's endpoints: markets, book, trades, candles, funding.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perpkit.core.models.market import PriceKind
from perpkit.core.models.order import Side
from perpkit.sim.market_data import FundingView
from perpkit.sim.money import ZERO
from perpkit.sim.venues.lighter import wire_markets, wire_orders
from perpkit.sim.venues.lighter.config import ALL_MARKETS, USDC_ASSET_ID
from perpkit.sim.venues.lighter.errors import ApiError
from perpkit.sim.venues.lighter.gateway import Call, Route
from perpkit.sim.venues.lighter.listing import Listing, fixed
from perpkit.sim.venues.lighter.records import TradeRecord
from perpkit.sim.venues.lighter.wire_account import percent

if TYPE_CHECKING:
    from perpkit.sim.venues.lighter.venue import Venue

Body = dict[str, Any]
BOOK_LIMIT = 250
TRADES_LIMIT = 100
FUNDINGS_LIMIT = 750
DAY_MS = 86_400_000


def status(venue: Venue, call: Call) -> Body:
    """``GET /``: alive, and the time in seconds."""
    return {"status": 200, "network_id": 1, "timestamp": venue.now_s()}


def info(venue: Venue, call: Call) -> Body:
    """``GET /info``: a contract's address; nothing listens behind it."""
    return {"contract_address": f"0x{0xBB:040x}"}


def selected(venue: Venue, market_id: int | None, kind: str | None = "all") -> list[Listing]:
    """
    Return the rows that a query asks for.

    Raises:
        ApiError: 21602 for a market that is not listed.
    """
    rows = list(venue.listings.values())
    if market_id is not None and market_id != ALL_MARKETS:
        rows = [venue.listing(market_id)]
    return [row for row in rows if kind in {None, "all", row.kind}]


def order_books(venue: Venue, call: Call) -> Body:
    """``GET /orderBooks``."""
    rows = selected(venue, call.query["market_id"], call.query["filter"])
    return {"code": 200, "order_books": [wire_markets.order_book(venue, row) for row in rows]}


def order_book_details(venue: Venue, call: Call) -> Body:
    """``GET /orderBookDetails``."""
    rows = selected(venue, call.query["market_id"], call.query["filter"])
    return {
        "code": 200,
        "order_book_details": [wire_markets.order_book_detail(venue, row) for row in rows if row.is_perp],
        "spot_order_book_details": [wire_markets.order_book_detail(venue, row) for row in rows if not row.is_perp],
    }


def order_book_orders(venue: Venue, call: Call) -> Body:
    """``GET /orderBookOrders``: single orders, best first, without a nonce."""
    listing, limit = venue.perp(call.query["market_id"]), call.query["limit"]
    if not 1 <= limit <= BOOK_LIMIT:
        raise _bad_limit(limit, BOOK_LIMIT)

    def side(which: Side) -> list[Body]:
        orders = venue.exchange.standing_orders(listing.symbol, which)
        return [wire_orders.simple_order(venue, listing, order) for order in orders[:limit]]

    asks, bids = side(Side.SELL), side(Side.BUY)
    return {"code": 200, "total_asks": len(asks), "asks": asks, "total_bids": len(bids), "bids": bids}


def recent_trades(venue: Venue, call: Call) -> Body:
    """``GET /recentTrades``: newest first, few fields."""
    listing, limit = venue.perp(call.query["market_id"]), call.query["limit"]
    if not 1 <= limit <= TRADES_LIMIT:
        raise _bad_limit(limit, TRADES_LIMIT)
    newest = list(venue.records.trades[listing.symbol])[-limit:]
    return {
        "code": 200,
        "trades": [wire_orders.recent_trade(venue, listing, record) for record in reversed(newest)],
    }


def trades(venue: Venue, call: Call) -> Body:
    """``GET /trades``: an account's with its token, else a market's; newest first, pages by ``cursor``."""
    query = call.query
    account_index = query["account_index"]
    rows = selected(venue, query["market_id"], query["market_type"])
    symbols = {row.symbol: row for row in rows if row.is_perp}
    if account_index is not None and account_index >= 0:
        owner = call.owner(account_index, venue)
        found = [r for r in venue.records.account_trades[owner.id] if r.market in symbols]
    else:
        owner = None
        found = sorted((r for symbol in symbols for r in venue.records.trades[symbol]), key=lambda r: r.id)
    found = [record for record in found if _fits(record, query, owner.id if owner else None)]
    before = cursor_of(query["cursor"])
    page = [record for record in reversed(found) if before is None or record.id < before][: query["limit"]]
    more = bool(page) and any(record.id < page[-1].id for record in found)
    shown = [
        wire_orders.account_trade(venue, symbols[r.market], r, owner.id)
        if owner
        else wire_orders.public_trade(venue, symbols[r.market], r)
        for r in page
    ]
    return {"code": 200, "next_cursor": str(page[-1].id) if more else "", "trades": shown}


def candles(venue: Venue, call: Call) -> Body:
    """``GET /candles``: at most 500, the newest of the window where ``count_back`` says how many."""
    listing, resolution = _window(venue, call)
    query = call.query
    rows = wire_markets.candle_rows(
        venue,
        listing,
        resolution,
        query["start_timestamp"],
        query["end_timestamp"] - 1,
        at_end=bool(query["set_timestamp_to_end"]),
    )
    return {"code": 200, "r": query["resolution"], "c": rows[-query["count_back"] :] if query["count_back"] else rows}


def mark_price_candles(venue: Venue, call: Call) -> Body:
    """``GET /markPriceCandles``."""
    listing, resolution = _window(venue, call)
    since, until = call.query["start_timestamp"], call.query["end_timestamp"] - 1
    found = venue.exchange.candles(listing.symbol, resolution, since_ms=since, until_ms=until, kind=PriceKind.MARK)
    rows = [{"t": c.start_ms, "o": c.open, "h": c.high, "l": c.low, "c": c.close, "sc": 1} for c in found[-500:]]
    count = call.query["count_back"]
    return {"code": 200, "r": call.query["resolution"], "c": rows[-count:] if count else rows}


def fundings(venue: Venue, call: Call) -> Body:
    """``GET /fundings``: settled hours, percent without a sign; the end of the window is not in it."""
    listing = venue.perp(call.query["market_id"])
    since, until = call.query["start_timestamp"], call.query["end_timestamp"]
    _check_window(since, until)
    settled = venue.exchange.funding_history(listing.symbol, since_ms=since, until_ms=until - 1)
    if call.query["resolution"] == "1d":
        rows = _by_day(settled)
    else:
        rows = [wire_markets.settled_row(hour) for hour in settled]
    count = call.query["count_back"]
    return {"code": 200, "resolution": call.query["resolution"], "fundings": rows[-(count or FUNDINGS_LIMIT) :]}


def funding_rates(venue: Venue, call: Call) -> Body:
    """``GET /funding-rates``: fractions for 8 hours, the venue's own among other exchanges'."""
    return {"code": 200, "funding_rates": wire_markets.funding_rates(venue)}


def exchange_stats(venue: Venue, call: Call) -> Body:
    """``GET /exchangeStats``."""
    return wire_markets.exchange_stats(venue)


def current_height(venue: Venue, call: Call) -> Body:
    """``GET /currentHeight``."""
    return {"code": 200, "height": venue.height()}


def asset_details(venue: Venue, call: Call) -> Body:
    """``GET /assetDetails``: USDC, which is all collateral here, and the ETH of the spot row."""
    rows = [(1, "ETH", 18, 8, "4000.00"), (USDC_ASSET_ID, "USDC", 6, 6, "1.000000")]
    return {"code": 200, "asset_details": [_asset(*row) for row in rows]}


def _asset(asset_id: int, symbol: str, l1_decimals: int, decimals: int, price: str) -> Body:
    return {
        "asset_id": asset_id,
        "symbol": symbol,
        "l1_decimals": l1_decimals,
        "decimals": decimals,
        "min_transfer_amount": "1.000000",
        "min_withdrawal_amount": "1.000000",
        "margin_mode": "enabled" if asset_id == USDC_ASSET_ID else "disabled",
        "index_price": price,
        "l1_address": f"0x{asset_id:040x}",
        "global_supply_cap": "0",
        "liquidation_fee": "0",
        "liquidation_threshold": "0",
        "loan_to_value": "0",
        "price_decimals": 6,
        "total_supplied": "0",
        "user_supply_cap": "0",
        "liquidation_factor": "0",
    }


def announcement(venue: Venue, call: Call) -> Body:
    """``GET /announcement``: there are none."""
    return {"code": 200, "announcements": []}


def _by_day(hours: list[FundingView]) -> list[Body]:
    """Add hours up to days: rate and value of a day are the sums of its hours', signed, then shown without a sign."""
    days: dict[int, list[FundingView]] = {}
    for hour in hours:
        days.setdefault(hour.created_at_ms // DAY_MS, []).append(hour)
    rows = []
    for day, found in days.items():
        rate = sum((wire_markets.hourly(hour) for hour in found), ZERO)
        value = sum((hour.premium for hour in found), ZERO)
        rows.append(
            {
                "timestamp": day * DAY_MS // 1000,
                "value": fixed(abs(value), 8),
                "rate": percent(abs(rate)),
                "direction": "long" if rate >= 0 else "short",
            }
        )
    return rows


def _fits(record: TradeRecord, query: Any, account_id: str | None) -> bool:
    if query["type"] not in {None, "all", record.kind}:
        return False
    wanted = query["order_index_str"] or query["order_index"]
    if wanted is not None and str(wanted) not in {str(record.ask.order_index), str(record.bid.order_index)}:
        return False
    if query["from"] is not None and query["from"] >= 0 and record.time_ms < query["from"]:
        return False
    if account_id is None:
        return True
    is_ask = record.ask.account_id == account_id
    if query["ask_filter"] in {0, 1} and is_ask != bool(query["ask_filter"]):
        return False
    took = is_ask == record.taker_is_ask
    return query["role"] in {None, "all", "taker" if took else "maker"}


def _window(venue: Venue, call: Call) -> tuple[Listing, Any]:
    listing = venue.perp(call.query["market_id"])
    _check_window(call.query["start_timestamp"], call.query["end_timestamp"])
    return listing, wire_markets.RESOLUTIONS[call.query["resolution"]]


def _check_window(since: int, until: int) -> None:
    if until <= since:
        raise ApiError(22400)


def _bad_limit(limit: int, most: int) -> ApiError:
    return ApiError(20001, f'invalid param: value "{limit}" for field "limit" is not within [1, {most}]')


def cursor_of(text: str | None) -> int | None:
    """
    Return the number that a page begins below; None for the first page.

    Raises:
        ApiError: 20001 for a cursor that the venue did not give.
    """
    if not text:
        return None
    if not text.isdecimal():
        raise ApiError(20001, f'invalid param: value "{text}" for field "cursor" is none of ours')
    return int(text)


V1 = "/api/v1"
ROUTES = (
    Route("/", status),
    Route("/info", info),
    Route(f"{V1}/orderBooks", order_books),
    Route(f"{V1}/orderBookDetails", order_book_details),
    Route(f"{V1}/orderBookOrders", order_book_orders),
    Route(f"{V1}/recentTrades", recent_trades),
    Route(f"{V1}/trades", trades),
    Route(f"{V1}/candles", candles),
    Route(f"{V1}/markPriceCandles", mark_price_candles),
    Route(f"{V1}/fundings", fundings),
    Route(f"{V1}/funding-rates", funding_rates),
    Route(f"{V1}/exchangeStats", exchange_stats),
    Route(f"{V1}/currentHeight", current_height),
    Route(f"{V1}/announcement", announcement),
    Route(f"{V1}/assetDetails", asset_details),
)
