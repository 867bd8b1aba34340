"""
The exchange's accounts as to money: what comes from outside, moves between them, and is set aside for margin.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NoReturn

from perpkit.core.models.account import MarginMode
from perpkit.sim.accounts import EntryKind, LedgerEntry, MarginSetting, PositionView, Transfer
from perpkit.sim.events import TransferEvent
from perpkit.sim.margin import requirement, view_position
from perpkit.sim.markets import FeeRates
from perpkit.sim.money import ZERO
from perpkit.sim.orders import RefusalReason, RequestRefusedError
from perpkit.sim.positions import MarginChoice
from perpkit.sim.reader import Reader
from perpkit.sim.settlement import Settlement
from perpkit.sim.state import AccountState, State


class Treasury(Reader):
    """What an account may do beside its orders, and what the venue sets for it."""

    def __init__(self, state: State, settlement: Settlement) -> None:
        super().__init__(state)
        self._settlement = settlement

    # Money

    def deposit(self, account_id: str, amount: Decimal, *, asset: str | None = None) -> Transfer:
        """Credit an account from outside."""
        account, asset = self._state.account(account_id), asset or self.config.settle_asset
        self._check_amount(amount)
        entry = self._state.ledger.post_outside(account.id, asset, amount, EntryKind.DEPOSIT)
        return self._record_transfer(account, entry, None)

    def withdraw(self, account_id: str, amount: Decimal, *, asset: str | None = None) -> Transfer:
        """Pay out. INSUFFICIENT_FUNDS above the free collateral, or above the settled cash not set aside."""
        account, asset = self._state.account(account_id), asset or self.config.settle_asset
        self._check_funds(account, amount, asset)
        entry = self._state.ledger.post_outside(account.id, asset, -amount, EntryKind.WITHDRAWAL)
        return self._record_transfer(account, entry, None)

    def transfer(self, source: str, target: str, amount: Decimal, *, asset: str | None = None) -> Transfer:
        """Move cash between two accounts; returns the source's half. Refused like a withdrawal."""
        giver, taker = self._state.account(source), self._state.account(target)
        asset = asset or self.config.settle_asset
        self._check_funds(giver, amount, asset)
        given, taken = self._state.ledger.post_transfer(source, target, asset, amount, EntryKind.TRANSFER)
        half = self._record_transfer(giver, given, target)
        self._record_transfer(taker, taken, source)
        return half

    # Fees and margin

    def set_fee_rates(self, account_id: str, fees: FeeRates | None, *, market: str | None = None) -> None:
        """Give an account its own rates, everywhere or in one market; None takes them away."""
        account = self._state.account(account_id)
        if market is None:
            account.fees = fees
        elif fees is None:
            account.fees_by_market.pop(market, None)
        else:
            account.fees_by_market[self._state.market(market).symbol] = fees

    def set_margin(
        self, account_id: str, market: str, *, leverage: Decimal | None = None, mode: MarginMode | None = None
    ) -> MarginSetting:
        """
        Choose leverage and margin mode.

        Raises:
            RequestRefusedError: INVALID_LEVERAGE below 1 or above the market's; MARGIN_CHANGE_REFUSED to change the
                mode with a position or orders there, to change the leverage of an open isolated position, or when
                the free collateral does not cover it.
        """
        account, listed = self._state.account(account_id), self._state.market(market)
        before = account.choice(market)
        if leverage is not None and not 1 <= leverage <= listed.spec.max_leverage:
            raise RequestRefusedError(
                RefusalReason.INVALID_LEVERAGE,
                f"leverage {leverage} is not within 1 and {listed.spec.max_leverage} for {market}",
            )
        after = MarginChoice(before.leverage if leverage is None else leverage, mode or before.mode)
        is_busy = bool(account.size_in(market)) or any(order.market == market for order in account.live.values())
        if after.mode is not before.mode and is_busy:
            self._refuse_margin(f"{market} has a position or orders; the margin mode can't change with them")
        if after.leverage != before.leverage and after.mode is MarginMode.ISOLATED and account.size_in(market):
            self._refuse_margin(f"{market} has an isolated position; close it to change its leverage")
        needed = requirement(self._state, account).cross_initial
        account.margin[market] = after
        changed = requirement(self._state, account)
        if changed.cross_initial > needed and changed.free < 0 and not account.is_house:
            account.margin[market] = before
            self._refuse_margin(f"leverage {leverage} for {market} needs {-changed.free} more free collateral")
        self._settlement.tell(account, None, account.positions.get(market))
        return self.margin_setting(account_id, market)

    def move_margin(self, account_id: str, market: str, amount: Decimal) -> PositionView:
        """
        Set more cash aside for an isolated position, or (below zero) take some of it back.

        Raises:
            RequestRefusedError: MARGIN_CHANGE_REFUSED without an isolated position there; INSUFFICIENT_FUNDS for more
                than is free, or when what remained would not cover the position's initial margin.
        """
        account, listed = self._state.account(account_id), self._state.market(market)
        position = account.positions.get(market)
        if position is None or not position.size or account.choice(market).mode is not MarginMode.ISOLATED:
            self._refuse_margin(f"{market} has no isolated position")
        left = position.isolated_margin + amount
        backing = left + min(ZERO, position.unrealized_pnl(listed.mark_price))
        initial = abs(position.size) * listed.mark_price * self._state.initial_fraction(account, listed)
        if amount > requirement(self._state, account).free or (amount < 0 and backing < initial):
            raise RequestRefusedError(
                RefusalReason.INSUFFICIENT_FUNDS, f"{market}: moving {amount} would leave too little margin behind it"
            )
        position.isolated_margin = left
        self._settlement.tell(account, None, position)
        return view_position(self._state, account, position)

    # Inside

    @staticmethod
    def _check_amount(amount: Decimal) -> None:
        if not amount.is_finite() or amount <= 0:
            raise RequestRefusedError(RefusalReason.INVALID_REQUEST, f"amount {amount} is not above zero")

    def _check_funds(self, account: AccountState, amount: Decimal, asset: str) -> None:
        self._check_amount(amount)
        free = self._state.ledger.balance(account.id, asset)
        if asset == self.config.settle_asset and not account.is_house:
            need = requirement(self._state, account)
            free = min(need.free, need.cash - need.set_aside)
        if amount > free and not account.is_house:
            raise RequestRefusedError(
                RefusalReason.INSUFFICIENT_FUNDS, f"{amount} {asset} is more than the {free} free"
            )

    def _record_transfer(self, account: AccountState, entry: LedgerEntry, counterparty: str | None) -> Transfer:
        transfer = Transfer(
            id=self._state.ids.next_id(),
            account_id=account.id,
            asset=entry.asset,
            kind=entry.kind,
            amount=abs(entry.amount),
            incoming=entry.amount > 0,
            counterparty=counterparty,
            created_at_ms=entry.created_at_ms,
            sequence=self._state.ids.next_sequence(),
        )
        account.transfers.append(transfer)
        self._settlement.tell(account, entry, None)
        self._state.emit(TransferEvent, transfer=transfer)
        return transfer

    @staticmethod
    def _refuse_margin(message: str) -> NoReturn:
        raise RequestRefusedError(RefusalReason.MARGIN_CHANGE_REFUSED, message)
