"""
Settled cash, in double entry: every change of an account has an equal and opposite change of a pool of the venue.

So all accounts and pools together always hold nothing: what customers have is what the outside world lent the venue.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from perpkit.sim.accounts import EntryKind, LedgerEntry
from perpkit.sim.clock import SimClock
from perpkit.sim.ids import Ids
from perpkit.sim.money import ZERO


class Pool(StrEnum):
    """The venue's side of every posting."""

    OUTSIDE = "outside"
    """Deposits came from here, withdrawals went there: minus what the venue holds."""
    FEES = "fees"
    """Fees earned, rebates paid."""
    PNL = "pnl"
    """Between a trade's two sides: minus realized PnL of all. Equals minus the cost of all open positions."""
    FUNDING = "funding"
    """Between those who settled funding and those who have not yet."""


@dataclass(slots=True)
class _Cash:
    size: Decimal = ZERO
    updated_at_ms: int = 0
    sequence: int = 0


class Ledger:
    """All cash of the exchange."""

    def __init__(self, clock: SimClock, ids: Ids) -> None:
        self._clock = clock
        self._ids = ids
        self._cash: dict[str, dict[str, _Cash]] = {}
        self._pools: dict[tuple[Pool, str], Decimal] = defaultdict(lambda: ZERO)
        self._entries: dict[str, list[LedgerEntry]] = {}
        self._unrecorded: set[str] = set()

    def open(self, account_id: str, asset: str, *, record: bool = True) -> None:
        """Open an account with nothing in it. With ``record`` false its entries are not kept, its balance is."""
        self._cash[account_id] = {asset: _Cash(ZERO, self._clock.now_ms(), self._ids.next_sequence())}
        self._entries[account_id] = []
        if not record:
            self._unrecorded.add(account_id)

    def balance(self, account_id: str, asset: str) -> Decimal:
        """Return an account's settled cash."""
        cash = self._cash[account_id].get(asset)
        return cash.size if cash else ZERO

    def balances(self, account_id: str) -> list[tuple[str, Decimal, int, int]]:
        """Return asset, size, last change (ms) and sequence of everything that an account ever held."""
        return [(asset, cash.size, cash.updated_at_ms, cash.sequence) for asset, cash in self._cash[account_id].items()]

    def pool(self, pool: Pool, asset: str) -> Decimal:
        """Return what a pool of the venue holds."""
        return self._pools[pool, asset]

    def entries(self, account_id: str) -> list[LedgerEntry]:
        """Return an account's entries, oldest first; the list itself is not to be changed."""
        return self._entries[account_id]

    def total(self, asset: str) -> Decimal:
        """Return the sum of all accounts and pools; anything but 0 is a defect."""
        accounts = sum((self.balance(account_id, asset) for account_id in self._cash), ZERO)
        return accounts + sum((size for (_, held), size in self._pools.items() if held == asset), ZERO)

    def post_fill(
        self,
        account_id: str,
        asset: str,
        *,
        realized_pnl: Decimal,
        fee: Decimal,
        realized_funding: Decimal,
        market: str,
        fill_id: str | None,
        funding_index: Decimal,
        kind: EntryKind = EntryKind.FILL,
    ) -> LedgerEntry:
        """Post what a fill, a funding settlement or a market's settlement realized; ``fee`` is positive when paid."""
        self._pools[Pool.PNL, asset] -= realized_pnl
        self._pools[Pool.FEES, asset] += fee
        self._pools[Pool.FUNDING, asset] -= realized_funding
        return self._post(
            account_id,
            asset,
            kind,
            realized_pnl=realized_pnl,
            fee=fee,
            realized_funding=realized_funding,
            market=market,
            fill_id=fill_id,
            funding_index=funding_index,
        )

    def post_outside(self, account_id: str, asset: str, amount: Decimal, kind: EntryKind) -> LedgerEntry:
        """Post a deposit (positive) or a withdrawal (negative)."""
        self._pools[Pool.OUTSIDE, asset] -= amount
        return self._post(account_id, asset, kind, transfer=amount)

    def post_transfer(
        self, source: str, target: str, asset: str, amount: Decimal, kind: EntryKind, *, market: str | None = None
    ) -> tuple[LedgerEntry, LedgerEntry]:
        """Move cash between two accounts; returns the source's entry and the target's."""
        return (
            self._post(source, asset, kind, transfer=-amount, market=market),
            self._post(target, asset, kind, transfer=amount, market=market),
        )

    def _post(
        self,
        account_id: str,
        asset: str,
        kind: EntryKind,
        *,
        realized_pnl: Decimal = ZERO,
        fee: Decimal = ZERO,
        realized_funding: Decimal = ZERO,
        transfer: Decimal = ZERO,
        market: str | None = None,
        fill_id: str | None = None,
        funding_index: Decimal | None = None,
    ) -> LedgerEntry:
        cash = self._cash[account_id].setdefault(asset, _Cash())
        before = cash.size
        amount = realized_pnl - fee + realized_funding + transfer
        cash.size = before + amount
        cash.updated_at_ms = self._clock.now_ms()
        cash.sequence = self._ids.next_sequence()
        entry = LedgerEntry(
            id=self._ids.next_id(),
            account_id=account_id,
            asset=asset,
            kind=kind,
            amount=amount,
            balance_before=before,
            balance_after=cash.size,
            realized_pnl=realized_pnl,
            fee=fee,
            realized_funding=realized_funding,
            transfer=transfer,
            market=market,
            fill_id=fill_id,
            funding_index=funding_index,
            created_at_ms=cash.updated_at_ms,
            sequence=cash.sequence,
        )
        if account_id not in self._unrecorded:
            self._entries[account_id].append(entry)
        return entry
