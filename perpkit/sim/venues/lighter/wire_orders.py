"""
Orders, trades and transactions as the wire has them.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from perpkit.core.models.order import OrderType, Side, TimeInForce
from perpkit.sim.money import ZERO
from perpkit.sim.orders import CloseReason, Order, OrderState
from perpkit.sim.venues.lighter.listing import Listing, fixed
from perpkit.sim.venues.lighter.records import TradeRecord, TxRecord

if TYPE_CHECKING:
    from perpkit.sim.venues.lighter.venue import Venue

TYPE_TEXTS = {
    OrderType.LIMIT: "limit",
    OrderType.MARKET: "market",
    OrderType.STOP_MARKET: "stop-loss",
    OrderType.STOP_LIMIT: "stop-loss-limit",
    OrderType.TAKE_PROFIT_MARKET: "take-profit",
    OrderType.TAKE_PROFIT_LIMIT: "take-profit-limit",
}
TYPES = tuple(TYPE_TEXTS)
"""By the number that a transaction has for them."""
STATUSES = (
    "in-progress",
    "pending",
    "open",
    "filled",
    "canceled",
    "canceled-post-only",
    "canceled-reduce-only",
    "canceled-position-not-allowed",
    "canceled-margin-not-allowed",
    "canceled-too-much-slippage",
    "canceled-not-enough-liquidity",
    "canceled-self-trade",
    "canceled-expired",
    "canceled-oco",
    "canceled-child",
    "canceled-liquidation",
    "canceled-invalid-balance",
)
"""In the order of the contract; a transaction's event shows the place in it."""

_STANDING = {OrderState.NEW: "in-progress", OrderState.UNTRIGGERED: "pending", OrderState.OPEN: "open"}
_OVER = {
    CloseReason.FILLED: "filled",
    CloseReason.EXPIRED: "canceled-expired",
    CloseReason.IOC_REMAINDER: "canceled-not-enough-liquidity",
    CloseReason.FOK_NOT_FILLABLE: "canceled-not-enough-liquidity",
    CloseReason.POST_ONLY_WOULD_CROSS: "canceled-post-only",
    CloseReason.NOT_ENOUGH_MARGIN: "canceled-margin-not-allowed",
    CloseReason.POSITION_LIMIT: "canceled-position-not-allowed",
    CloseReason.REDUCE_ONLY_WOULD_INCREASE: "canceled-reduce-only",
    CloseReason.SELF_TRADE: "canceled-self-trade",
    CloseReason.ACCOUNT_IN_LIQUIDATION: "canceled-liquidation",
}
_TIME_IN_FORCE = ("immediate-or-cancel", "good-till-time", "post-only")


def status_text(venue: Venue, order: Order) -> str:
    """Return an order's status as the wire names it."""
    if not order.is_closed:
        return _STANDING[order.state]
    if order.close_reason is CloseReason.NO_LIQUIDITY:
        return venue.records.slippage.get(order.id, "canceled-not-enough-liquidity")
    return _OVER.get(order.close_reason or CloseReason.ADMIN, "canceled")


def order_row(venue: Venue, listing: Listing, order: Order) -> dict[str, Any]:
    """Return an order as REST and the account channels show it."""
    records, meta = venue.records, order.meta
    index = records.order_index(order.id)
    client = int(order.client_id or 0)
    is_pending = order.state is OrderState.UNTRIGGERED
    unit = 1000 if venue.settings.orders_in_seconds else 1
    price = order.price if order.price is not None else listing.price_of(meta.get("price", 0))
    return {
        "order_index": index,
        "client_order_index": client,
        "order_id": str(index),
        "client_order_id": str(client),
        "market_index": listing.market_id,
        "owner_account_index": records.account_index(order.account_id),
        "initial_base_amount": listing.size_text(order.size),
        "price": listing.price_text(price),
        "nonce": records.book(listing.symbol).nonce,
        "remaining_base_amount": listing.size_text(order.remaining_size),
        "is_ask": order.side is Side.SELL,
        "base_size": listing.size_units(order.size),
        "base_price": listing.price_units(price),
        "filled_base_amount": listing.size_text(order.filled_size),
        "filled_quote_amount": listing.quote_text(order.cost),
        "side": "",
        "type": "liquidation" if order.fill_kind.value == "liquidation" else TYPE_TEXTS[order.type],
        "time_in_force": _time_in_force(order),
        "reduce_only": order.reduce_only,
        "trigger_price": listing.price_text(order.trigger_price) if order.trigger_price is not None else "0.00",
        "order_expiry": meta.get("expiry", order.expires_at_ms or 0),
        "status": status_text(venue, order),
        "trigger_status": "mark-price" if is_pending else ("ready" if order.triggered_at_ms else "na"),
        "trigger_time": order.triggered_at_ms or 0,
        "parent_order_index": 0,
        "parent_order_id": "0",
        "to_trigger_order_id_0": "0",
        "to_trigger_order_id_1": "0",
        "to_cancel_order_id_0": "0",
        "integrator_fee_collector_index": "0",
        "integrator_taker_fee": "0",
        "integrator_maker_fee": "0",
        "block_height": venue.height(order.updated_at_ms),
        "timestamp": order.created_at_ms // unit,
        "created_at": order.created_at_ms // unit,
        "updated_at": order.updated_at_ms // unit,
        "transaction_time": order.updated_at_ms * 1000,
    }


def simple_order(venue: Venue, listing: Listing, order: Order) -> dict[str, Any]:
    """Return an order as the public book shows it."""
    index = venue.records.order_index(order.id)
    return {
        "order_index": index,
        "order_id": str(index),
        "owner_account_index": venue.records.account_index(order.account_id),
        "initial_base_amount": listing.size_text(order.size),
        "remaining_base_amount": listing.size_text(order.remaining_size),
        "price": listing.price_text(order.price if order.price is not None else ZERO),
        "order_expiry": order.meta.get("expiry", order.expires_at_ms or 0),
        "transaction_time": order.updated_at_ms * 1000,
    }


def public_trade(venue: Venue, listing: Listing, record: TradeRecord) -> dict[str, Any]:
    """Return a trade as everybody sees it: no client's numbers, nobody's position."""
    ask, bid = record.ask, record.bid
    taker, maker = (ask, bid) if record.taker_is_ask else (bid, ask)
    row: dict[str, Any] = {
        "trade_id": record.id,
        "trade_id_str": str(record.id),
        "tx_hash": f"{record.id:016x}{record.time_ms:016x}{0:048x}",
        "type": record.kind,
        "market_id": listing.market_id,
        "size": listing.size_text(record.size),
        "price": listing.price_text(record.price),
        "usd_amount": listing.quote_text(record.price * record.size),
        "ask_id": ask.order_index,
        "ask_id_str": str(ask.order_index),
        "bid_id": bid.order_index,
        "bid_id_str": str(bid.order_index),
        "ask_account_id": ask.account_index,
        "bid_account_id": bid.account_index,
        "is_maker_ask": not record.taker_is_ask,
        "block_height": venue.height(record.time_ms),
        "timestamp": record.time_ms,
        "transaction_time": record.time_ms * 1000,
        "taker_fee": taker.fee_tick,
        "maker_fee": maker.fee_tick,
    }
    return {name: value for name, value in row.items() if value != 0 or name in _ALWAYS}


def recent_trade(venue: Venue, listing: Listing, record: TradeRecord) -> dict[str, Any]:
    """Return a trade as ``recentTrades`` shows it: the few fields that live answers had."""
    row = public_trade(venue, listing, record)
    return {name: row[name] for name in _RECENT if name in row}


def account_trade(venue: Venue, listing: Listing, record: TradeRecord, account_id: str) -> dict[str, Any]:
    """Return a trade as one of its sides sees it. What is zero, empty or false is left out."""
    row = public_trade(venue, listing, record)
    for name, leg in (("ask", record.ask), ("bid", record.bid)):
        row[f"{name}_client_id"] = leg.client_index
        row[f"{name}_client_id_str"] = str(leg.client_index)
        if leg.account_id == account_id:
            row[f"{name}_account_pnl"] = fixed(leg.pnl, 6) if leg.pnl else ""
    taker, maker = (record.ask, record.bid) if record.taker_is_ask else (record.bid, record.ask)
    for name, leg in (("taker", taker), ("maker", maker)):
        row[f"{name}_position_size_before"] = listing.size_text(leg.before)
        row[f"{name}_position_sign_changed"] = leg.before * leg.after < 0 or (not leg.before and leg.after < 0)
    return {name: value for name, value in row.items() if value not in (0, "", False) or name in _ALWAYS}


def tx_row(record: TxRecord, *, enriched: bool = False, height: int) -> dict[str, Any]:
    """Return a transaction; ``enriched`` as ``GET /tx`` shows it."""
    done_us = record.executed_at_ms * 1000
    row: dict[str, Any] = {
        "hash": record.hash,
        "type": record.type,
        "info": record.text,
        "event_info": json.dumps(record.event, separators=(",", ":")) if record.event else "",
        "status": record.status,
        "transaction_index": record.sequence_index % 1000,
        "l1_address": record.l1_address,
        "account_index": record.account_index,
        "nonce": record.nonce,
        "expire_at": record.expire_at_ms,
        "block_height": height,
        "queued_at": record.queued_at_ms,
        "executed_at": record.executed_at_ms,
        "sequence_index": record.sequence_index,
        "parent_hash": "",
        "api_key_index": record.api_key_index,
        "transaction_time": done_us,
    }
    if enriched:
        row = {"code": 200, **row, "committed_at": 0, "verified_at": 0}
    return row


def order_event(venue: Venue, listing: Listing, order: Order) -> dict[str, Any]:
    """Return an order in the short letters of a transaction's event."""
    price = order.price if order.price is not None else listing.price_of(order.meta.get("price", 0))
    return {
        "i": venue.records.order_index(order.id),
        "u": int(order.client_id or 0),
        "a": venue.records.account_index(order.account_id),
        "is": listing.size_units(order.size),
        "p": listing.price_units(price),
        "rs": listing.size_units(order.remaining_size),
        "ia": int(order.side is Side.SELL),
        "ot": order.meta.get("type", 0),
        "f": order.meta.get("tif", 1),
        "ro": int(order.reduce_only),
        "tp": listing.price_units(order.trigger_price) if order.trigger_price is not None else 0,
        "e": order.meta.get("expiry", 0),
        "st": STATUSES.index(status_text(venue, order)),
        "ts": 0,
        "t0": 0,
        "t1": 0,
        "c0": 0,
    }


def _time_in_force(order: Order) -> str:
    if "tif" in order.meta:
        return _TIME_IN_FORCE[order.meta["tif"]]
    if order.time_in_force in {TimeInForce.IOC, TimeInForce.FOK}:
        return _TIME_IN_FORCE[0]
    return _TIME_IN_FORCE[2 if order.post_only else 1]


_ALWAYS = frozenset({"market_id", "is_maker_ask", "ask_id", "bid_id", "ask_account_id", "bid_account_id"})
"""Shown even where they are zero or false."""
_RECENT = (
    "trade_id",
    "type",
    "market_id",
    "size",
    "price",
    "usd_amount",
    "ask_id",
    "bid_id",
    "ask_account_id",
    "bid_account_id",
    "is_maker_ask",
    "timestamp",
)
