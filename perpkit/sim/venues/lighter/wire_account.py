"""
An account as the wire has it: positions, assets, margin, funding payments.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from perpkit.sim.accounts import FundingPayment, MarginMode, PositionView
from perpkit.sim.money import ZERO, divide, product
from perpkit.sim.orders import OrderState
from perpkit.sim.venues.lighter.accounts import Account
from perpkit.sim.venues.lighter.config import USDC_ASSET_ID, USDC_PLACES
from perpkit.sim.venues.lighter.listing import Listing, fixed

if TYPE_CHECKING:
    from perpkit.sim.venues.lighter.venue import Venue

_PERCENT = Decimal(100)


def money(amount: Decimal) -> str:
    """Return an amount of USDC as the wire writes it; the local ledger's further digits are shown, not cut."""
    return fixed(amount, USDC_PLACES)


def cents(value: Decimal) -> str:
    """Return a figure with two places."""
    return f"{value:.2f}"


def position_row(venue: Venue, account: Account, listing: Listing, position: PositionView | None) -> dict[str, Any]:
    """Return a position; a market without one has a row of zeros."""
    exchange = venue.exchange
    orders = exchange.open_orders(account.id, listing.symbol)
    mode = exchange.margin_setting(account.id, listing.symbol).mode
    size = position.size if position else ZERO
    row: dict[str, Any] = {
        "market_id": listing.market_id,
        "symbol": listing.symbol,
        "initial_margin_fraction": cents(divide(Decimal(venue.fraction(account, listing)), _PERCENT)),
        "open_order_count": sum(1 for order in orders if order.state is OrderState.OPEN),
        "pending_order_count": sum(1 for order in orders if order.state is OrderState.UNTRIGGERED),
        "position_tied_order_count": 0,
        "sign": -1 if size < 0 else 1,
        "position": listing.size_text(abs(size)),
        "avg_entry_price": listing.price_text(position.entry_price) if position and size else "0.0",
        "position_value": money(product(abs(size), position.mark_price)) if position else money(ZERO),
        "unrealized_pnl": money(position.unrealized_pnl) if position else money(ZERO),
        "realized_pnl": money(position.realized_pnl) if position else money(ZERO),
        "liquidation_price": (
            listing.price_text(position.liquidation_price)
            if position and size and position.liquidation_price is not None
            else "0"
        ),
        "margin_mode": int(mode is MarginMode.ISOLATED),
        "allocated_margin": money((position.isolated_margin if position else None) or ZERO),
    }
    paid = -sum((payment.amount for payment in exchange.funding_payments(account.id, market=listing.symbol)), ZERO)
    if paid:
        row["total_funding_paid_out"] = money(paid)
    return row


def position_rows(venue: Venue, account: Account, *, active_only: bool = False) -> list[dict[str, Any]]:
    """Return the rows of every market that the account touched, or of those with a position."""
    held = {position.market: position for position in venue.exchange.positions(account.id, include_closed=True)}
    ordered = {order.market for order in venue.exchange.open_orders(account.id)}
    rows = []
    for listing in venue.perps():
        position = held.get(listing.symbol)
        is_open = position is not None and position.size != 0
        touched = position is not None or listing.symbol in ordered or venue.chose_margin(account, listing)
        if is_open or (touched and not active_only):
            rows.append(position_row(venue, account, listing, position))
    return rows


def asset_row(venue: Venue, account: Account) -> dict[str, Any]:
    """Return the one asset that the local venue has: USDC, all of it collateral."""
    return {
        "symbol": "USDC",
        "asset_id": USDC_ASSET_ID,
        "balance": money(ZERO),
        "locked_balance": money(ZERO),
        "margin_mode": "disabled",
        "margin_balance": money(venue.exchange.account(account.id).cash),
    }


def account_head(venue: Venue, account: Account) -> dict[str, Any]:
    """Return what both listings of accounts show."""
    exchange = venue.exchange
    orders = exchange.open_orders(account.id)
    isolated = {
        listing.symbol
        for listing in venue.perps()
        if exchange.margin_setting(account.id, listing.symbol).mode is MarginMode.ISOLATED
    }
    return {
        "code": 0,
        "account_type": 0,
        "account_trading_mode": 0,
        "index": account.index,
        "l1_address": account.l1_address,
        "cancel_all_time": account.cancel_all_ms,
        "total_order_count": len(orders),
        "total_isolated_order_count": sum(1 for order in orders if order.market in isolated),
        "pending_order_count": sum(1 for order in orders if order.state is OrderState.UNTRIGGERED),
        "available_balance": "",
        "status": 1,
        "collateral": money(exchange.account(account.id).cash),
        "transaction_time": exchange.account(account.id).updated_at_ms * 1000,
    }


def detailed_account(venue: Venue, account: Account, *, active_only: bool) -> dict[str, Any]:
    """Return an account as ``GET /account`` shows it: to anybody."""
    summary = venue.exchange.account(account.id)
    return {
        **account_head(venue, account),
        "available_balance": money(summary.free_collateral),
        "account_index": account.index,
        "name": "",
        "description": "",
        "can_invite": False,
        "referral_points_percentage": "",
        "can_rfq": False,
        "can_rfq_market_ids": [],
        "created_at": account.created_s,
        "metadata": {"color": ""},
        "positions": position_rows(venue, account, active_only=active_only),
        "assets": [asset_row(venue, account)],
        "total_asset_value": money(summary.equity),
        "cross_asset_value": money(summary.equity - summary.isolated_margin),
        "cross_initial_margin_requirement": money(summary.initial_margin),
        "cross_maintenance_margin_requirement": money(summary.maintenance_margin),
        "shares": [],
        "pending_unlocks": [],
        "approved_integrators": [],
    }


def stats_body(venue: Venue, account: Account) -> dict[str, Any]:
    """Return the margin figures of ``user_stats``; leverage and usage in hundredths, usage a percentage."""
    summary = venue.exchange.account(account.id)
    positions = venue.exchange.positions(account.id)
    notional = sum((product(abs(p.size), p.mark_price) for p in positions), ZERO)
    equity = summary.equity
    figures = {
        "collateral": money(summary.cash),
        "portfolio_value": money(equity),
        "leverage": cents(divide(notional, equity)) if equity > 0 else "0",
        "available_balance": money(summary.free_collateral),
        "margin_usage": cents(divide(summary.initial_margin * _PERCENT, equity)) if equity > 0 else "0",
        "buying_power": "0",
    }
    return {"account_trading_mode": 0, **figures, "cross_stats": dict(figures), "total_stats": dict(figures)}


def funding_row(listing: Listing, payment: FundingPayment) -> dict[str, Any]:
    """Return a funding payment: ``change`` is negative when paid, ``rate`` as ``/fundings`` has it."""
    rate = payment.rate if payment.rate is not None else ZERO
    return {
        "timestamp": payment.created_at_ms // 1000,
        "market_id": listing.market_id,
        "funding_id": payment.sequence,
        "change": money(payment.amount),
        "discount": money(ZERO),
        "rate": percent(abs(rate)),
        "position_size": listing.size_text(abs(payment.size)),
        "position_side": "long" if payment.size > 0 else "short",
    }


def percent(rate: Decimal) -> str:
    """Return a fraction as percent, with at least four places."""
    return fixed(product(rate, _PERCENT), 4)
