"""What an account looks like from outside: positions, balances, ledger entries, margin. All of it copies."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from perpkit.core.models.account import MarginMode
from perpkit.core.models.fill import FillKind

__all__ = [
    "AccountStatus",
    "AccountSummary",
    "BalanceView",
    "EntryKind",
    "FundingPayment",
    "LedgerEntry",
    "Liquidation",
    "MarginMode",
    "MarginSetting",
    "PastPosition",
    "PositionView",
    "Transfer",
]


class AccountStatus(StrEnum):
    """Whether an account may trade."""

    ACTIVE = "active"
    LIQUIDATION = "liquidation"


class EntryKind(StrEnum):
    """Why money moved."""

    DEPOSIT = "deposit"
    WITHDRAWAL = "withdrawal"
    TRANSFER = "transfer"
    """Between two accounts of the exchange."""
    FILL = "fill"
    """Realized PnL, fee and realized funding of one fill, together."""
    FUNDING = "funding"
    """Funding settled without a fill: a discrete settlement, or a venue that realizes on demand."""
    SETTLEMENT = "settlement"
    """A market was settled and the position closed at its settlement price."""
    LIQUIDATION_FEE = "liquidation_fee"
    INSURANCE = "insurance"
    """The insurance fund covered what a liquidated account could not pay."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerEntry:
    """
    One change of one account's settled cash. ``amount`` = realized_pnl - fee + realized_funding + transfer, exactly.

    Attributes:
        amount: What the balance moved by.
        realized_pnl: From price alone.
        fee: Positive when paid.
        realized_funding: Positive when received.
        transfer: Deposits, withdrawals, transfers, insurance cover, liquidation fees (negative).
        funding_index: The market's index at a fill or funding settlement.
    """

    id: str
    account_id: str
    asset: str
    kind: EntryKind
    amount: Decimal
    balance_before: Decimal
    balance_after: Decimal
    realized_pnl: Decimal
    fee: Decimal
    realized_funding: Decimal
    transfer: Decimal
    market: str | None
    fill_id: str | None
    funding_index: Decimal | None
    created_at_ms: int
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingPayment:
    """
    Funding that was settled.

    Attributes:
        amount: Positive when received.
        size: Signed position that it was settled for.
        rate: For discrete markets the rate of the period; None for an index market, where it varied.
        price: For discrete markets the price that the notional was taken at; None for an index market.
        fill_id: The fill that realized it, if one did.
    """

    id: str
    account_id: str
    market: str
    amount: Decimal
    size: Decimal
    funding_index: Decimal
    rate: Decimal | None
    fill_id: str | None
    created_at_ms: int
    sequence: int
    price: Decimal | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionView:
    """
    A position now.

    Attributes:
        number: Counts the positions that the account has had in this market, from 1; a flip begins a new one.
        max_size: The most that it has held since it opened, without a sign.
        open_fees, close_fees: Paid since it opened, for what added to it and for what took from it.
        size: Signed, base units; 0 when it just closed.
        cost: Signed: what the open size was bought (positive) or sold (negative) for, exact.
        entry_price: ``cost / size``, to 18 places; the last one when flat.
        exit_price: Average price of what was closed since it opened; None before anything was.
        unrealized_pnl: ``size * mark - cost``; funding not in it.
        unrealized_funding: ``-size * (index now - index cached)``; positive when it will be received.
        realized_pnl: From price since it opened; reset on close and flip.
        realized_funding: Since it opened; reset on close and flip.
        initial_margin, maintenance_margin: What this position alone needs.
        isolated_margin: Cash set aside for it; None in cross mode.
        liquidation_price: None when no positive price liquidates it.
    """

    id: str
    account_id: str
    market: str
    size: Decimal
    cost: Decimal
    entry_price: Decimal
    exit_price: Decimal | None
    mark_price: Decimal
    unrealized_pnl: Decimal
    unrealized_funding: Decimal
    realized_pnl: Decimal
    realized_funding: Decimal
    cached_funding_index: Decimal
    leverage: Decimal
    margin_mode: MarginMode
    initial_margin: Decimal
    maintenance_margin: Decimal
    isolated_margin: Decimal | None
    liquidation_price: Decimal | None
    last_fill_id: str | None
    created_at_ms: int
    updated_at_ms: int
    closed_at_ms: int | None
    sequence: int
    number: int
    max_size: Decimal
    open_fees: Decimal
    close_fees: Decimal

    @property
    def is_open(self) -> bool:
        """Whether there is anything left of it."""
        return self.size != 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PastPosition:
    """
    A position that is over: closed, or turned into one on the other side.

    Attributes:
        max_size: The most that it held, signed.
        realized_pnl: From price alone.
        realized_funding: Positive when received.
        kind: Of the fill that ended it.
    """

    account_id: str
    market: str
    number: int
    max_size: Decimal
    entry_price: Decimal
    exit_price: Decimal
    realized_pnl: Decimal
    realized_funding: Decimal
    open_fees: Decimal
    close_fees: Decimal
    leverage: Decimal
    kind: FillKind
    created_at_ms: int
    closed_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceView:
    """Settled cash of one asset: deposits - withdrawals + realized PnL + funding - fees."""

    account_id: str
    asset: str
    size: Decimal
    updated_at_ms: int
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSummary:
    """
    Margin at the present mark prices.

    Attributes:
        cash: Settled cash in the settlement asset.
        equity: Cash plus unrealized PnL plus unrealized funding.
        unrealized_pnl: Of all positions, funding not in it.
        unrealized_funding: Of all positions.
        initial_margin: For positions and open orders.
        maintenance_margin: For positions.
        free_collateral: Equity above initial margin; may be negative.
        isolated_margin: Part of the cash set aside for isolated positions.
    """

    account_id: str
    settle_asset: str
    status: AccountStatus
    cash: Decimal
    equity: Decimal
    unrealized_pnl: Decimal
    unrealized_funding: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    free_collateral: Decimal
    isolated_margin: Decimal
    updated_at_ms: int
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginSetting:
    """What an account chose for a market."""

    market: str
    leverage: Decimal
    mode: MarginMode


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """A deposit, a withdrawal, or one side of a transfer between accounts. ``amount`` is positive; see ``incoming``."""

    id: str
    account_id: str
    asset: str
    kind: EntryKind
    amount: Decimal
    incoming: bool
    counterparty: str | None
    created_at_ms: int
    sequence: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Liquidation:
    """An account was liquidated."""

    id: str
    account_id: str
    created_at_ms: int
    sequence: int
