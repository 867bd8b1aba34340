"""The exchange's records as Toy writes them: decimals as strings, times in milliseconds."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from perpkit.sim.accounts import AccountSummary, FundingPayment, PositionView
from perpkit.sim.events import BookEvent
from perpkit.sim.market_data import BookView, FundingView, MarketStats
from perpkit.sim.markets import FeeRates, MarketSpec
from perpkit.sim.orders import CloseReason, Fill, Order, Side, Trade

REASONS = {
    CloseReason.FILLED: "filled",
    CloseReason.USER_CANCELED: "canceled_by_user",
    CloseReason.IOC_REMAINDER: "nothing_to_match",
    CloseReason.FOK_NOT_FILLABLE: "nothing_to_match",
    CloseReason.NO_LIQUIDITY: "nothing_to_match",
    CloseReason.POST_ONLY_WOULD_CROSS: "would_cross",
    CloseReason.PRICE_OUT_OF_BAND: "too_far",
    CloseReason.NOT_ENOUGH_MARGIN: "not_enough_margin",
    CloseReason.REDUCE_ONLY_WOULD_INCREASE: "nothing_to_reduce",
    CloseReason.SELF_TRADE: "self_trade",
    CloseReason.MARKET_NOT_OPEN: "market_closed",
    CloseReason.ACCOUNT_IN_LIQUIDATION: "liquidation",
}
"""Toy's words for why an order is over; anything else is the venue's own doing."""

CANCELED_BY_VENUE = "canceled_by_venue"


def text(value: Decimal | None) -> str | None:
    """Write a number in plain digits."""
    return None if value is None else format(value, "f")


def market(spec: MarketSpec) -> dict[str, Any]:
    """Return a row of ``GET /markets``."""
    return {
        "symbol": spec.symbol,
        "kind": "perp",
        "base": spec.base,
        "quote": spec.quote,
        "settle": "USDC",
        "tick_size": text(spec.tick_size),
        "step_size": text(spec.step_size),
        "min_notional": text(spec.min_notional),
        "max_size": text(spec.max_size),
        "position_limit": text(spec.position_limit),
        "max_open_orders": spec.max_open_orders,
        "price_band": text(spec.price_band),
        "maker_fee": text(spec.fees.maker),
        "taker_fee": text(spec.fees.taker),
        "initial_margin": text(spec.initial_margin),
        "maintenance_margin": text(spec.maintenance_margin),
        "funding_period_hours": text(Decimal(spec.funding_period // timedelta(hours=1))),
        "status": spec.status.value,
    }


def ticker(stats: MarketStats, funding: FundingView) -> dict[str, Any]:
    """Return a row of ``GET /tickers``."""
    return {
        "symbol": stats.market,
        "bid": text(stats.bbo.bid.price) if stats.bbo.bid is not None else None,
        "ask": text(stats.bbo.ask.price) if stats.bbo.ask is not None else None,
        "last": text(stats.last_price),
        "mark": text(stats.mark_price),
        "index": text(stats.index_price),
        "open_interest": text(stats.open_interest),
        "turnover_24h": text(stats.volume_24h),
        "funding_rate": text(funding.rate),
        "funding_period_hours": text(funding.period_hours),
        "time": stats.created_at_ms,
    }


def book(view: BookView) -> dict[str, Any]:
    """Return a whole book."""
    return {
        "symbol": view.market,
        "bids": [[text(level.price), text(level.size)] for level in view.bids],
        "asks": [[text(level.price), text(level.size)] for level in view.asks],
        "sequence": view.sequence,
        "time": view.updated_at_ms,
    }


def book_update(event: BookEvent) -> dict[str, Any]:
    """Return the levels that changed, with what stands there now."""
    sides = {
        side: [[text(each.price), text(each.size)] for each in event.changes if each.side is side] for side in Side
    }
    return {
        "symbol": event.market,
        "bids": sides[Side.BUY],
        "asks": sides[Side.SELL],
        "sequence": event.sequence,
        "time": event.time_ms,
    }


def trade(row: Trade) -> dict[str, Any]:
    """Return a public trade."""
    return {
        "id": row.id,
        "symbol": row.market,
        "side": row.side.value,
        "price": text(row.price),
        "size": text(row.size),
        "kind": row.kind.value,
        "time": row.created_at_ms,
    }


def funding(row: FundingView) -> dict[str, Any]:
    """Return a sample of the rate."""
    return {
        "symbol": row.market,
        "rate": text(row.rate),
        "period_hours": text(row.period_hours),
        "time": row.created_at_ms,
    }


def account(summary: AccountSummary) -> dict[str, Any]:
    """Return equity and margins."""
    return {
        "asset": summary.settle_asset,
        "equity": text(summary.equity),
        "free_collateral": text(summary.free_collateral),
        "initial_margin": text(summary.initial_margin),
        "maintenance_margin": text(summary.maintenance_margin),
        "unrealized_pnl": text(summary.unrealized_pnl),
        "time": summary.updated_at_ms,
    }


def balance(summary: AccountSummary) -> dict[str, Any]:
    """Return the settlement asset's balance."""
    return {
        "asset": summary.settle_asset,
        "total": text(summary.cash),
        "available": text(summary.free_collateral),
        "sequence": summary.sequence,
        "time": summary.updated_at_ms,
    }


def position(row: PositionView) -> dict[str, Any]:
    """Return a position."""
    return {
        "symbol": row.market,
        "size": text(row.size),
        "entry_price": text(row.entry_price),
        "mark_price": text(row.mark_price),
        "unrealized_pnl": text(row.unrealized_pnl),
        "accrued_funding": text(row.unrealized_funding),
        "realized_pnl": text(row.realized_pnl),
        "liquidation_price": text(row.liquidation_price),
        "leverage": text(row.leverage),
        "margin_mode": row.margin_mode.value,
        "sequence": row.sequence,
        "time": row.updated_at_ms,
    }


def fees(symbol: str, rates: FeeRates) -> dict[str, Any]:
    """Return what an account pays in a market."""
    return {"symbol": symbol, "maker": text(rates.maker), "taker": text(rates.taker)}


def order(row: Order) -> dict[str, Any]:
    """Return an order."""
    reason = REASONS.get(row.close_reason, CANCELED_BY_VENUE) if row.close_reason is not None else None
    return {
        "id": row.id,
        "client_id": row.client_id,
        "symbol": row.market,
        "side": row.side.value,
        "type": row.type.value,
        "size": text(row.size),
        "price": text(row.price) if row.type.has_price else None,
        "filled_size": text(row.filled_size),
        "average_price": text(row.average_price),
        "trigger_price": text(row.trigger_price),
        "state": row.state.value,
        "reason": reason,
        "time_in_force": row.time_in_force.value,
        "post_only": row.post_only,
        "reduce_only": row.reduce_only,
        "created_at": row.created_at_ms,
        "updated_at": row.updated_at_ms,
        "sequence": row.sequence,
    }


def fill(row: Fill) -> dict[str, Any]:
    """Return one execution of an account."""
    return {
        "id": row.id,
        "order_id": row.order_id,
        "client_id": row.client_id,
        "symbol": row.market,
        "side": row.side.value,
        "price": text(row.price),
        "size": text(row.size),
        "fee": text(row.fee),
        "fee_asset": row.fee_asset,
        "liquidity": row.liquidity.value,
        "kind": row.kind.value,
        "realized_pnl": text(row.realized_pnl),
        "realized_funding": text(row.realized_funding),
        "time": row.created_at_ms,
    }


def payment(row: FundingPayment) -> dict[str, Any]:
    """Return funding that was settled."""
    return {
        "id": row.id,
        "symbol": row.market,
        "amount": text(row.amount),
        "asset": "USDC",
        "size": text(row.size),
        "rate": text(row.rate),
        "time": row.created_at_ms,
    }
