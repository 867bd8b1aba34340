"""
What an account holds and what happened to it, as the wire has it. Pure functions.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Any

from perpkit.sim.accounts import AccountSummary, EntryKind, FundingPayment, PastPosition, PositionView, Transfer
from perpkit.sim.money import ZERO, divide
from perpkit.sim.orders import FillKind
from perpkit.sim.venues.extended.accounts import LocalAccount
from perpkit.sim.venues.extended.numbers import REST_PLACES, STREAM_PLACES, number, ratio
from perpkit.sim.venues.extended.settings import COLLATERAL

_POSITION_IDS = 2_051_600_000_000_000_000
_POSITIONS_SINCE_MS = 1_500_000_000_000
_PAYMENT_IDS = 8_000

EXIT_TYPES = {FillKind.LIQUIDATION: "LIQUIDATION", FillKind.ADL: "ADL"}


def account_body(account: LocalAccount) -> dict[str, Any]:
    """Return a sub-account; the vault is a number in text."""
    return {
        "accountId": int(account.account_id),
        "description": "Main account" if account.index == 0 else f"local-{account.index}",
        "accountIndex": account.index,
        "status": "ACTIVE",
        "l2Key": account.public_key,
        "l2Vault": str(account.vault),
        "bridgeStarknetAddress": f"0x{account.vault:064x}",
        "accountIndexForKeyGeneration": account.index,
    }


def balance_body(summary: AccountSummary, exposure: Decimal, now_ms: int) -> dict[str, Any]:
    """Return the collateral balance and the figures that follow from it at the present prices."""
    equity = summary.cash + summary.unrealized_pnl
    free = summary.cash + min(ZERO, summary.unrealized_pnl) - summary.initial_margin
    has_equity = equity > 0
    return {
        "collateralName": COLLATERAL,
        "balance": number(summary.cash, STREAM_PLACES),
        "status": "ACTIVE",
        "equity": number(equity, STREAM_PLACES),
        "availableForTrade": number(equity - summary.initial_margin, STREAM_PLACES),
        "availableForWithdrawal": number(max(ZERO, free), STREAM_PLACES),
        "unrealisedPnl": number(summary.unrealized_pnl, STREAM_PLACES),
        "initialMargin": number(summary.initial_margin, STREAM_PLACES),
        "marginRatio": ratio(divide(summary.maintenance_margin, equity)) if has_equity else "0.0000",
        "exposure": number(exposure, STREAM_PLACES),
        "leverage": ratio(divide(exposure, equity)) if has_equity else "0.0000",
        "updatedTime": now_ms,
        "spotEquity": "0",
        "spotEquityForAvailableForTrade": "0",
        "collateralReservedForSpotOrders": "0",
    }


def spot_balance_body(summary: AccountSummary) -> dict[str, Any]:
    """Return the collateral as an asset; its time is in seconds, as ccxt's recorded answer has it."""
    balance = number(summary.cash, STREAM_PLACES)
    free = summary.cash + min(ZERO, summary.unrealized_pnl) - summary.initial_margin
    return {
        "accountId": int(summary.account_id),
        "asset": COLLATERAL,
        "balance": balance,
        "indexPrice": "1",
        "notionalValue": balance,
        "contributionFactor": "1",
        "equityContribution": balance,
        "availableToWithdraw": number(max(ZERO, free), STREAM_PLACES),
        "updatedAt": summary.updated_at_ms // 1000,
    }


def position_body(position: PositionView, past: PastPosition | None) -> dict[str, Any]:
    """
    Return a position; size and value have no sign, the side has.

    Args:
        past: What it came to, if it is closed.
    """
    size = position.size
    is_long = size > 0 if size else past is not None and past.max_size > 0
    if past is None:
        realized = position.realized_pnl + position.realized_funding - position.open_fees - position.close_fees
    else:
        realized = realized_by(past)
    return {
        "id": position_id(position.account_id, position.market, position.number, position.created_at_ms),
        "accountId": int(position.account_id),
        "market": position.market,
        "status": "OPENED" if size else "CLOSED",
        "side": "LONG" if is_long else "SHORT",
        "leverage": number(position.leverage),
        "size": number(abs(size)),
        "value": number(abs(size) * position.mark_price),
        "openPrice": number(position.entry_price),
        "markPrice": number(position.mark_price),
        "liquidationPrice": None if position.liquidation_price is None else number(position.liquidation_price),
        "margin": number(position.initial_margin),
        "unrealisedPnl": number(position.unrealized_pnl),
        "realisedPnl": number(realized),
        "adl": 2,
        "maxPositionSize": number(position.max_size),
        "createdAt": position.created_at_ms,
        "updatedAt": position.updated_at_ms,
    }


def open_position_row(position: PositionView) -> dict[str, Any]:
    """Return an open position as the history has it: without an exit."""
    closing = position.realized_pnl
    return _history_row(
        identity=position_id(position.account_id, position.market, position.number, position.created_at_ms),
        account_id=position.account_id,
        market=position.market,
        size=position.size,
        max_size=position.max_size.copy_sign(position.size),
        leverage=position.leverage,
        entry=position.entry_price,
        exit_price=position.exit_price,
        parts=(closing, position.realized_funding, position.open_fees, position.close_fees),
        created_at_ms=position.created_at_ms,
    )


def past_position_row(past: PastPosition) -> dict[str, Any]:
    """Return a position that is over as the history has it."""
    row = _history_row(
        identity=position_id(past.account_id, past.market, past.number, past.created_at_ms),
        account_id=past.account_id,
        market=past.market,
        size=past.max_size,
        max_size=past.max_size,
        leverage=past.leverage,
        entry=past.entry_price,
        exit_price=past.exit_price,
        parts=(past.realized_pnl, past.realized_funding, past.open_fees, past.close_fees),
        created_at_ms=past.created_at_ms,
    )
    return {**row, "exitType": EXIT_TYPES.get(past.kind, "TRADE"), "closedTime": past.closed_at_ms}


def realized_by(past: PastPosition) -> Decimal:
    """Return what a position brought: from price and funding, after fees."""
    return past.realized_pnl + past.realized_funding - past.open_fees - past.close_fees


def payment_body(payment: FundingPayment, place: int, position: int) -> dict[str, Any]:
    """
    Return a funding payment; negative when paid.

    Args:
        place: Counts the account's payments from 1; ids are small here.
        position: Id of the position that it was for.
    """
    price = payment.price or ZERO
    return {
        "id": _PAYMENT_IDS + place,
        "accountId": int(payment.account_id),
        "market": payment.market,
        "positionId": position,
        "side": "LONG" if payment.size > 0 else "SHORT",
        "size": number(abs(payment.size)),
        "value": number(abs(payment.size) * price),
        "markPrice": number(price),
        "fundingFee": number(payment.amount),
        "fundingRate": number(payment.rate or ZERO),
        "paidTime": payment.created_at_ms,
    }


def operation_body(transfer: Transfer) -> dict[str, Any]:
    """Return a deposit, withdrawal or transfer; negative leaves the account. The id is text."""
    kinds = {EntryKind.DEPOSIT: "DEPOSIT", EntryKind.WITHDRAWAL: "SLOW_WITHDRAWAL"}
    amount = transfer.amount if transfer.incoming else -transfer.amount
    body: dict[str, Any] = {
        "id": transfer.id,
        "type": kinds.get(transfer.kind, "TRANSFER"),
        "status": "COMPLETED",
        "amount": number(amount, REST_PLACES),
        "fee": "0",
        "asset": 1,
        "time": transfer.created_at_ms,
        "accountId": int(transfer.account_id),
    }
    if transfer.counterparty is not None and transfer.counterparty.isdigit():
        body["counterpartyAccountId"] = int(transfer.counterparty)
    return body


def position_id(account_id: str, market: str, count: int, created_at_ms: int) -> int:
    """Return a position's id: each position of a market, one after the other, has its own, and later ones higher."""
    digest = hashlib.sha256(f"{account_id}/{market}".encode()).digest()
    place = int.from_bytes(digest[:2], "big") % 1000 * 10 + count % 10
    return _POSITION_IDS + (created_at_ms - _POSITIONS_SINCE_MS) * 10_000 + place


def _history_row(
    *,
    identity: int,
    account_id: str,
    market: str,
    size: Decimal,
    max_size: Decimal,
    leverage: Decimal,
    entry: Decimal,
    exit_price: Decimal | None,
    parts: tuple[Decimal, Decimal, Decimal, Decimal],
    created_at_ms: int,
) -> dict[str, Any]:
    trade, funding, open_fees, close_fees = parts
    return {
        "id": identity,
        "accountId": int(account_id),
        "market": market,
        "side": "LONG" if max_size > 0 else "SHORT",
        "size": number(abs(size), REST_PLACES),
        "maxPositionSize": number(abs(max_size), REST_PLACES),
        "leverage": number(leverage, REST_PLACES),
        "openPrice": number(entry, REST_PLACES),
        "exitPrice": None if exit_price is None else number(exit_price, REST_PLACES),
        "realisedPnl": number(trade + funding - open_fees - close_fees, REST_PLACES),
        "realisedPnlBreakdown": {
            "tradePnl": number(trade),
            "fundingFees": number(funding),
            "openFees": number(-open_fees),
            "closeFees": number(-close_fees),
        },
        "createdTime": created_at_ms,
    }
