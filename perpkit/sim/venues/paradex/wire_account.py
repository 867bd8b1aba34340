"""
An account's money and positions as the venue writes them. Pure functions.
"""

from __future__ import annotations

from typing import Any

from perpkit.sim.accounts import (
    AccountStatus,
    AccountSummary,
    BalanceView,
    EntryKind,
    FundingPayment,
    LedgerEntry,
    Liquidation,
    MarginSetting,
    PositionView,
    Transfer,
)
from perpkit.sim.venues.paradex.config import SETTLEMENT_ASSET_ADDRESS
from perpkit.sim.venues.paradex.listing import number

_EVENT_TYPES = {
    # TRANSACTION_FILL is the contract's example; its transaction types give the next two, its transfer kinds the rest.
    EntryKind.FILL: "TRANSACTION_FILL",
    EntryKind.LIQUIDATION_FEE: "TRANSACTION_LIQUIDATE",
    EntryKind.SETTLEMENT: "TRANSACTION_SETTLE_MARKET",
    EntryKind.DEPOSIT: "DEPOSIT",
    EntryKind.WITHDRAWAL: "WITHDRAWAL",
    EntryKind.TRANSFER: "UNWINDING",
    EntryKind.FUNDING: "TRANSACTION_FILL",
    EntryKind.INSURANCE: "TRANSACTION_LIQUIDATE",
}


def account_body(summary: AccountSummary) -> dict[str, Any]:
    """Return an account as ``responses.AccountSummaryResponse``."""
    return {
        "account": summary.account_id,
        "account_value": number(summary.equity),
        "free_collateral": number(summary.free_collateral),
        "initial_margin_requirement": number(summary.initial_margin),
        "last_seen_notification": 0,
        "maintenance_margin_requirement": number(summary.maintenance_margin),
        "margin_cushion": number(summary.equity - summary.maintenance_margin),
        "seq_no": summary.sequence,
        "settlement_asset": summary.settle_asset,
        "status": "ACTIVE" if summary.status is AccountStatus.ACTIVE else "LIQUIDATION",
        "total_collateral": number(summary.cash),
        "updated_at": summary.updated_at_ms,
    }


def balance_body(balance: BalanceView) -> dict[str, Any]:
    """Return a balance as ``responses.BalanceResp``; the settlement asset is worth one USD."""
    size = number(balance.size)
    return {
        "average_entry_price": "1",
        "average_entry_price_usd": "1",
        "cost": size,
        "cost_usd": size,
        "last_updated_at": balance.updated_at_ms,
        "size": size,
        "token": balance.asset,
    }


def position_body(position: PositionView) -> dict[str, Any]:
    """
    Return a position as ``responses.PositionResp``.

    ``unrealized_pnl`` includes running funding, ``realized_positional_pnl`` includes funding that was settled.
    """
    entry, cost = number(position.entry_price), number(position.cost)
    liquidation = position.liquidation_price
    return {
        "account": position.account_id,
        "average_entry_price": entry,
        "average_entry_price_usd": entry,
        "average_exit_price": "" if position.exit_price is None else number(position.exit_price),
        "cached_funding_index": number(position.cached_funding_index),
        "closed_at": position.closed_at_ms or 0,
        "cost": cost,
        "cost_usd": cost,
        "created_at": position.created_at_ms,
        "id": position.id,
        "last_fill_id": position.last_fill_id or "",
        "last_updated_at": position.updated_at_ms,
        "leverage": number(position.leverage),
        "liquidation_price": "" if liquidation is None else number(liquidation),
        "market": position.market,
        "realized_positional_funding_pnl": number(position.realized_funding),
        "realized_positional_pnl": number(position.realized_pnl + position.realized_funding),
        "seq_no": position.sequence,
        "side": "SHORT" if position.size < 0 else "LONG",
        "size": number(position.size),
        "status": "OPEN" if position.is_open else "CLOSED",
        "unrealized_funding_pnl": number(position.unrealized_funding),
        "unrealized_pnl": number(position.unrealized_pnl + position.unrealized_funding),
    }


def funding_payment_body(payment: FundingPayment) -> dict[str, Any]:
    """Return a funding payment as ``responses.FundingPayment``; positive when received."""
    return {
        "account": payment.account_id,
        "created_at": payment.created_at_ms,
        "fill_id": payment.fill_id or "",
        "id": payment.id,
        "index": number(payment.funding_index),
        "market": payment.market,
        "payment": number(payment.amount),
    }


def transfer_body(transfer: Transfer) -> dict[str, Any]:
    """Return a transfer as ``responses.TransferResult``; on the local venue it completes at once."""
    kinds = {EntryKind.DEPOSIT: "DEPOSIT", EntryKind.WITHDRAWAL: "WITHDRAWAL"}
    return {
        "account": transfer.account_id,
        "amount": number(transfer.amount),
        "auto_withdrawal_fee": "0",
        "bridge": "",
        "counterparty": transfer.counterparty or "",
        "created_at": transfer.created_at_ms,
        "direction": "IN" if transfer.incoming else "OUT",
        "external_account": "",
        "external_chain": "",
        "external_txn_hash": "",
        "failure_reason": "",
        "id": transfer.id,
        "kind": kinds.get(transfer.kind, "UNWINDING"),
        "last_updated_at": transfer.created_at_ms,
        "socialized_loss_factor": "0",
        "status": "COMPLETED",
        "token": "USDC",
        "txn_hash": hex(int(transfer.id)) if transfer.id.isdigit() else "",
        "vault_address": "",
        "vault_unwind_completion_percentage": "0",
    }


def balance_event_body(entry: LedgerEntry) -> dict[str, Any]:
    """Return a change of settled cash as the ``balance_events`` channel has it."""
    return {
        "created_at": entry.created_at_ms,
        "fees": number(entry.fee),
        "fill_id": entry.fill_id or "",
        "funding_index": "0" if entry.funding_index is None else number(entry.funding_index),
        "market": entry.market or "",
        "realized_funding": number(entry.realized_funding),
        "realized_pnl": number(entry.realized_pnl),
        "settlement_asset_address": SETTLEMENT_ASSET_ADDRESS,
        "settlement_asset_balance_after": number(entry.balance_after),
        "settlement_asset_balance_before": number(entry.balance_before),
        "settlement_asset_name": entry.asset,
        "settlement_asset_price": "1",
        "status": "ON_BLOCKCHAIN",
        "type": _EVENT_TYPES[entry.kind],
    }


def liquidation_body(liquidation: Liquidation) -> dict[str, Any]:
    """Return a liquidation as ``responses.LiquidationResp``."""
    return {"created_at": liquidation.created_at_ms, "id": liquidation.id}


def margin_entry(setting: MarginSetting) -> dict[str, Any]:
    """Return a market's margin choice as ``responses.AccountMarginEntry``."""
    leverage = int(setting.leverage)
    return {
        "isolated_margin_leverage": leverage,
        "leverage": leverage,
        "margin_type": setting.mode.value.upper(),
        "market": setting.market,
    }
