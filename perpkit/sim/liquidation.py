"""
What happens to an account below its maintenance margin: its orders go, its positions are closed against the book,
what the book can't take goes to the insurance fund, which also pays what the account can't.
"""

from __future__ import annotations

from decimal import Decimal
from functools import partial

from perpkit.core.models.account import MarginMode
from perpkit.core.models.fill import FillKind
from perpkit.core.models.market import MarketStatus
from perpkit.sim.accounts import AccountStatus, EntryKind, Liquidation
from perpkit.sim.desk import OrderDesk
from perpkit.sim.events import AccountEvent, LiquidationEvent
from perpkit.sim.margin import isolated_shortfall, requirement
from perpkit.sim.money import product, to_money, trim_to
from perpkit.sim.orders import CloseReason
from perpkit.sim.positions import Position
from perpkit.sim.settlement import Settlement
from perpkit.sim.state import INSURANCE, AccountState, MarketState, State

_WORST = Decimal("0.1")
"""How far from the mark price a liquidation order goes where the market has no price band."""


class Liquidator:
    """Finds accounts that must be liquidated, and does it."""

    def __init__(self, state: State, settlement: Settlement) -> None:
        self._state = state
        self._settlement = settlement

    def check(self, account: AccountState, desk: OrderDesk) -> None:
        """Queue the liquidation of whatever of the account is below its maintenance margin."""
        if account.is_house or not any(position.size for position in account.positions.values()):
            return
        if requirement(self._state, account).is_cross_liquidatable:
            desk.enqueue(lambda: self.liquidate_cross(account, desk))
        for position in account.positions.values():
            if self._is_isolated(account, position) and isolated_shortfall(self._state, account, position) > 0:
                desk.enqueue(partial(self.liquidate_isolated, account, position.market, desk))

    def liquidate_cross(self, account: AccountState, desk: OrderDesk, *, force: bool = False) -> None:
        """Close cross positions, the one that needs most margin first, until the account is sound; by force, all."""
        if self._largest(account) is None:
            return
        if not force and not requirement(self._state, account).is_cross_liquidatable:
            return
        self._begin(account)
        for order in list(account.live.values()):
            desk.close(order, CloseReason.ACCOUNT_IN_LIQUIDATION)
        while force or requirement(self._state, account).is_cross_liquidatable:
            position = self._largest(account)
            if position is None:
                break
            self._close(account, self._state.markets[position.market], desk)
        need = requirement(self._state, account)
        if not need.cross_maintenance and need.cross_equity < 0:
            self._cover(account, -need.cross_equity, None)
        self._end(account)

    def liquidate_isolated(self, account: AccountState, symbol: str, desk: OrderDesk, *, force: bool = False) -> None:
        """Close one isolated position; the account loses no more than was set aside for it."""
        position = self._state.position(account, symbol)
        if not position.size or not (force or isolated_shortfall(self._state, account, position) > 0):
            return
        if self._state.markets[symbol].status is MarketStatus.HALTED:
            return
        self._begin(account)
        for order in [order for order in account.live.values() if order.market == symbol]:
            desk.close(order, CloseReason.ACCOUNT_IN_LIQUIDATION)
        set_aside = position.isolated_margin
        before = self._state.ledger.balance(account.id, self._state.settle_asset)
        self._close(account, self._state.markets[symbol], desk)
        lost = before - self._state.ledger.balance(account.id, self._state.settle_asset)
        if lost > set_aside:
            self._cover(account, lost - set_aside, symbol)
        self._end(account)

    def _close(self, account: AccountState, market: MarketState, desk: OrderDesk) -> None:
        size = account.size_in(market.symbol)
        band = market.spec.price_band or _WORST
        bound = market.mark_price * (1 - band if size > 0 else 1 + band)
        notional = abs(size) * market.mark_price
        desk.force_market(account, market, abs(size), trim_to(bound, market.spec.tick_size))
        if account.size_in(market.symbol):
            price = trim_to(market.mark_price, market.spec.tick_size)
            self._settlement.hand_over(account, self._state.accounts[INSURANCE], market, price, FillKind.LIQUIDATION)
            desk.note_change(account, market)
        fee = to_money(product(notional, market.spec.liquidation_fee))
        if fee:
            self._move(account.id, INSURANCE, fee, EntryKind.LIQUIDATION_FEE, market.symbol)

    def _cover(self, account: AccountState, amount: Decimal, symbol: str | None) -> None:
        self._move(INSURANCE, account.id, to_money(amount), EntryKind.INSURANCE, symbol)

    def _move(self, source: str, target: str, amount: Decimal, kind: EntryKind, symbol: str | None) -> None:
        state = self._state
        given, taken = state.ledger.post_transfer(source, target, state.settle_asset, amount, kind, market=symbol)
        for entry in (given, taken):
            self._settlement.tell(state.accounts[entry.account_id], entry, None)

    def _begin(self, account: AccountState) -> None:
        state = self._state
        account.status = AccountStatus.LIQUIDATION
        state.touch(account)
        liquidation = Liquidation(
            id=state.ids.next_id(), account_id=account.id, created_at_ms=state.now_ms, sequence=account.sequence
        )
        account.liquidations.append(liquidation)
        state.emit(LiquidationEvent, liquidation=liquidation)
        state.emit(AccountEvent, account_id=account.id)

    def _end(self, account: AccountState) -> None:
        account.status = AccountStatus.ACTIVE
        self._state.touch(account)
        self._state.emit(AccountEvent, account_id=account.id)

    def _largest(self, account: AccountState) -> Position | None:
        """Return the cross position with the highest maintenance margin; halted markets can't be traded out of."""
        state = self._state
        tradable = [
            position
            for position in account.positions.values()
            if position.size
            and not self._is_isolated(account, position)
            and state.markets[position.market].status is not MarketStatus.HALTED
        ]
        return max(tradable, key=self._maintenance, default=None)

    def _maintenance(self, position: Position) -> Decimal:
        market = self._state.markets[position.market]
        return abs(position.size) * market.mark_price * market.spec.maintenance_margin

    @staticmethod
    def _is_isolated(account: AccountState, position: Position) -> bool:
        return bool(position.size) and account.choice(position.market).mode is MarginMode.ISOLATED
