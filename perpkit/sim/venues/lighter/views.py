"""
What a channel stands at: the body of its first frame.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from perpkit.sim.money import ZERO
from perpkit.sim.orders import Order
from perpkit.sim.venues.lighter import wire_account, wire_markets, wire_orders
from perpkit.sim.venues.lighter.channels import ALL, Channel
from perpkit.sim.venues.lighter.records import TradeRecord

if TYPE_CHECKING:
    from perpkit.sim.venues.lighter.accounts import Account
    from perpkit.sim.venues.lighter.venue import Venue

Body = dict[str, Any]
RECENT_TRADES = 50
_DAY = timedelta(days=1)


def first(venue: Venue, channel: Channel) -> Body:
    """Return the body of a channel's first frame; for a book see :mod:`.books`."""
    if channel.account is not None:
        return _OF_ACCOUNT[channel.kind](venue, venue.registry.get(channel.account), channel)
    return _OF_MARKET[channel.kind](venue, channel)


def market_stats(venue: Venue, channel: Channel, symbols: Iterable[str] | None = None) -> Body:
    """Return a market's figures, or a map of them; ``symbols`` limits the map to what changed."""
    if channel.market == ALL:
        rows = venue.perps() if symbols is None else [venue.listings[symbol] for symbol in symbols]
        stats: Body = {str(row.market_id): wire_markets.stats_body(venue, row) for row in rows}
    else:
        stats = wire_markets.stats_body(venue, venue.perp(channel.market_id or 0))
    return {"market_stats": stats, "timestamp": venue.now_ms()}


def ticker(venue: Venue, channel: Channel) -> Body:
    """Return best bid and ask."""
    listing = venue.perp(channel.market_id or 0)
    body = wire_markets.ticker_body(listing, venue.exchange.bbo(listing.symbol))
    return {
        "last_updated_at": body["last_updated_at"],
        "nonce": venue.records.book(listing.symbol).nonce,
        "ticker": body,
        "timestamp": venue.now_ms(),
    }


def trades(venue: Venue, channel: Channel, records: list[TradeRecord] | None = None) -> Body:
    """Return trades of a market: those given, or the latest ones, newest first."""
    listing = venue.perp(channel.market_id or 0)
    if records is None:
        records = list(venue.records.trades[listing.symbol])[-RECENT_TRADES:][::-1]
    rows = [wire_orders.public_trade(venue, listing, record) for record in records]
    usual = {"trade", "market-settlement"}
    return {
        "liquidation_trades": [row for row in rows if row["type"] not in usual],
        "nonce": venue.records.book(listing.symbol).nonce,
        "trades": [row for row in rows if row["type"] in usual],
    }


def candle(venue: Venue, channel: Channel) -> Body:
    """Return the bucket that is under way."""
    listing = venue.perp(channel.market_id or 0)
    resolution = wire_markets.RESOLUTIONS[channel.resolution or "1m"]
    width = resolution // timedelta(milliseconds=1)
    begins = venue.now_ms() // width * width
    rows = wire_markets.candle_rows(venue, listing, resolution, begins, begins + width - 1)
    return {"candles": rows, "timestamp": venue.now_ms()}


def height(venue: Venue, channel: Channel) -> Body:
    """Return the number of the present block."""
    return {"height": venue.height(), "timestamp": venue.now_ms()}


def orders(venue: Venue, account: Account, channel: Channel, changed: Iterable[Order] | None = None) -> Body:
    """Return an account's orders by market: those that changed, or all that are live."""
    symbol = venue.listing(channel.market_id).symbol if channel.market_id is not None else None
    found = venue.exchange.open_orders(account.id, symbol) if changed is None else changed
    grouped: dict[str, list[Body]] = {}
    for order in found:
        if symbol in {None, order.market}:
            listing = venue.listings[order.market]
            grouped.setdefault(str(listing.market_id), []).append(wire_orders.order_row(venue, listing, order))
    body: Body = {"orders": grouped}
    if channel.kind == "account_orders":
        body |= {"account": account.index, "nonce": venue.records.book(symbol or "").nonce}
    return body


def account_trades(venue: Venue, account: Account, channel: Channel, records: list[TradeRecord] | None = None) -> Body:
    """Return an account's trades by market, with its volumes."""
    everything = venue.records.account_trades[account.id]
    return {
        "trades": _trades_by_market(venue, account, everything[-RECENT_TRADES:] if records is None else records)
    } | {
        f"{name}_volume": _volume(venue, everything, span)
        for name, span in (("total", None), ("monthly", 30 * _DAY), ("weekly", 7 * _DAY), ("daily", _DAY))
    }


def positions(venue: Venue, account: Account, channel: Channel, symbols: Iterable[str] | None = None) -> Body:
    """Return an account's positions by market: those that changed, closed ones with zeros, or all."""
    rows = wire_account.position_rows(venue, account)
    if symbols is not None:
        wanted = set(symbols)
        rows = [row for row in rows if row["symbol"] in wanted]
    return {
        "positions": {str(row["market_id"]): row for row in rows},
        "shares": [],
        "last_funding_round": None,
        "last_funding_discount": None,
    }


def assets(venue: Venue, account: Account, channel: Channel) -> Body:
    """Return an account's assets by their ids."""
    row = wire_account.asset_row(venue, account)
    return {"assets": {str(row["asset_id"]): row}, "timestamp": venue.now_ms()}


def user_stats(venue: Venue, account: Account, channel: Channel) -> Body:
    """Return an account's margin figures."""
    return {"stats": wire_account.stats_body(venue, account), "timestamp": venue.now_ms()}


def account_all(venue: Venue, account: Account, channel: Channel) -> Body:
    """Return everything of an account but its orders."""
    everything = venue.records.account_trades[account.id]
    body = {
        "account": account.index,
        "assets": assets(venue, account, channel)["assets"],
        "positions": positions(venue, account, channel)["positions"],
        "trades": _trades_by_market(venue, account, everything[-RECENT_TRADES:]),
        "funding_histories": _fundings(venue, account),
        "shares": [],
    }
    for name, span in (("total", None), ("monthly", 30 * _DAY), ("weekly", 7 * _DAY), ("daily", _DAY)):
        body[f"{name}_trades_count"] = len(_since(venue, everything, span))
        body[f"{name}_volume"] = _volume(venue, everything, span)
    return body


def account_market(venue: Venue, account: Account, channel: Channel) -> Body:
    """Return what an account has in one market."""
    listing = venue.perp(channel.market_id or 0)
    market = str(listing.market_id)
    records = [r for r in venue.records.account_trades[account.id] if r.market == listing.symbol][-RECENT_TRADES:]
    position = venue.exchange.position(account.id, listing.symbol)
    return {
        "account": account.index,
        "assets": assets(venue, account, channel)["assets"],
        "orders": orders(venue, account, Channel("account_all_orders", account=account.index))["orders"].get(
            market, []
        ),
        "position": wire_account.position_row(venue, account, listing, position),
        "trades": _trades_by_market(venue, account, records).get(market, []),
        "funding_history": _fundings(venue, account).get(market, []),
    }


def transactions(venue: Venue, account: Account, channel: Channel) -> Body:
    """Return no transaction: the channel tells of those to come."""
    return {"txs": []}


def notifications(venue: Venue, account: Account, channel: Channel) -> Body:
    """Return no notification: the channel tells of those to come."""
    return {"notifs": []}


def _trades_by_market(venue: Venue, account: Account, records: Iterable[TradeRecord]) -> dict[str, list[Body]]:
    grouped: dict[str, list[Body]] = {}
    for record in records:
        listing = venue.listings[record.market]
        row = wire_orders.account_trade(venue, listing, record, account.id)
        grouped.setdefault(str(listing.market_id), []).append(row)
    return grouped


def _fundings(venue: Venue, account: Account) -> dict[str, list[Body]]:
    grouped: dict[str, list[Body]] = {}
    for payment in venue.exchange.funding_payments(account.id)[-RECENT_TRADES:]:
        listing = venue.listings[payment.market]
        grouped.setdefault(str(listing.market_id), []).append(wire_account.funding_row(listing, payment))
    return grouped


def _since(venue: Venue, records: list[TradeRecord], span: timedelta | None) -> list[TradeRecord]:
    if span is None:
        return records
    since = venue.now_ms() - span // timedelta(milliseconds=1)
    return [record for record in records if record.time_ms > since]


def _volume(venue: Venue, records: list[TradeRecord], span: timedelta | None) -> Decimal:
    return sum((record.price * record.size for record in _since(venue, records, span)), ZERO)


_OF_MARKET: dict[str, Callable[[Venue, Channel], Body]] = {
    "market_stats": market_stats,
    "ticker": ticker,
    "trade": trades,
    "candle": candle,
    "height": height,
}
_OF_ACCOUNT: dict[str, Callable[[Venue, Account, Channel], Body]] = {
    "account_all": account_all,
    "account_market": account_market,
    "account_all_orders": orders,
    "account_orders": orders,
    "account_all_trades": account_trades,
    "account_all_positions": positions,
    "account_all_assets": assets,
    "user_stats": user_stats,
    "account_tx": transactions,
    "notification": notifications,
}
