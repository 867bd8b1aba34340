"""
What a trade does: to both orders' figures, both positions, the cash, and the records. No decision is taken here.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from perpkit.core.models.account import MarginMode
from perpkit.core.models.fill import FillKind, Liquidity
from perpkit.core.models.order import Side
from perpkit.sim.accounts import EntryKind, FundingPayment, LedgerEntry, PastPosition
from perpkit.sim.events import (
    AccountEvent,
    BalanceEvent,
    FillEvent,
    FundingPaymentEvent,
    PositionEvent,
    TradeEvent,
)
from perpkit.sim.margin import view_position
from perpkit.sim.money import ZERO, product, to_money
from perpkit.sim.orders import Fill, Order, Trade
from perpkit.sim.positions import Ended, Position, margin_after_trade
from perpkit.sim.state import AccountState, MarketState, State


@dataclass(frozen=True, slots=True)
class _Leg:
    """One account's half of a trade; without an order when the venue moves a position itself."""

    account: AccountState
    order: Order | None
    side: Side
    liquidity: Liquidity
    fee_rate: Decimal


class Settlement:
    """Books trades and funding."""

    def __init__(self, state: State) -> None:
        self._state = state

    def trade(self, taker: Order, maker: Order, market: MarketState, price: Decimal, size: Decimal) -> Trade:
        """Book a trade between two orders whose figures have been updated; public trade, fills, positions, cash."""
        rpi = maker.rpi
        kind = taker.fill_kind
        trade = Trade(
            id=self._state.ids.next_id(),
            market=market.symbol,
            side=taker.side,
            price=price,
            size=size,
            kind=kind,
            created_at_ms=self._state.now_ms,
            sequence=self._state.ids.next_sequence(),
            rpi=rpi,
        )
        market.tape.add(trade)
        self._state.emit(TradeEvent, trade=trade)
        for order, liquidity in ((maker, Liquidity.MAKER), (taker, Liquidity.TAKER)):
            account = self._state.accounts[order.account_id]
            rates = self._state.fees(account, market, retail=order.retail)
            rate = rates.maker if liquidity is Liquidity.MAKER else rates.taker
            rate += order.fee_surcharge
            if order.fill_kind is not FillKind.TRADE:
                rate = ZERO  # a liquidation pays its own fee, to the insurance fund
            self._book_leg(_Leg(account, order, order.side, liquidity, rate), market, trade, kind)
        return trade

    def hand_over(
        self, source: AccountState, target: AccountState, market: MarketState, price: Decimal, kind: FillKind
    ) -> None:
        """Move a whole position to another account at a price, without fees and off the public tape."""
        size = source.size_in(market.symbol)
        side = Side.SELL if size > 0 else Side.BUY
        trade = Trade(
            id=self._state.ids.next_id(),
            market=market.symbol,
            side=side,
            price=price,
            size=abs(size),
            kind=kind,
            created_at_ms=self._state.now_ms,
            sequence=self._state.ids.next_sequence(),
        )
        self._book_leg(_Leg(source, None, side, Liquidity.TAKER, ZERO), market, trade, kind)
        self._book_leg(_Leg(target, None, side.opposite, Liquidity.MAKER, ZERO), market, trade, kind)

    def close_at(self, account: AccountState, market: MarketState, price: Decimal) -> None:
        """Close a position at a market's settlement price; every holder's is closed, so that both sides are paid."""
        size = account.size_in(market.symbol)
        side = Side.SELL if size > 0 else Side.BUY
        trade = Trade(
            id=self._state.ids.next_id(),
            market=market.symbol,
            side=side,
            price=price,
            size=abs(size),
            kind=FillKind.SETTLEMENT,
            created_at_ms=self._state.now_ms,
            sequence=self._state.ids.next_sequence(),
        )
        self._book_leg(_Leg(account, None, side, Liquidity.TAKER, ZERO), market, trade, FillKind.SETTLEMENT)

    def settle_funding(self, account: AccountState, market: MarketState) -> None:
        """Settle an open position's funding up to now, without a fill. Owing nothing, it is left alone."""
        position = self._state.position(account, market.symbol)
        index = market.funding.at(self._state.now_ms)
        size = position.size
        amount = position.settle_funding(index)
        if not amount:
            return
        position.sequence = self._state.ids.next_sequence()
        position.updated_at_ms = self._state.now_ms
        entry = self._state.ledger.post_fill(
            account.id,
            self._state.settle_asset,
            realized_pnl=ZERO,
            fee=ZERO,
            realized_funding=amount,
            market=market.symbol,
            fill_id=None,
            funding_index=index,
            kind=EntryKind.FUNDING,
        )
        self._record_payment(account, market, amount, size, index, fill_id=None)
        self.tell(account, entry, position)

    def tell(self, account: AccountState, entry: LedgerEntry | None, position: Position | None) -> None:
        """Tell of a changed balance, position and account, in that order."""
        state = self._state
        state.touch(account)
        if not state.is_watched:
            return
        if entry is not None:
            state.emit(BalanceEvent, entry=entry)
        if position is not None:
            state.emit(PositionEvent, position=view_position(state, account, position))
        state.emit(AccountEvent, account_id=account.id)

    def _book_leg(self, leg: _Leg, market: MarketState, trade: Trade, kind: FillKind) -> None:
        state, account = self._state, leg.account
        position = state.position(account, market.symbol)
        index = market.funding.at(state.now_ms)
        before = position.size
        fee = to_money(product(trade.price, trade.size, leg.fee_rate))
        realized = position.trade(trade.size * leg.side.sign, trade.price, index, state.now_ms, fee)
        if realized.ended is not None and not account.is_house:
            account.past_positions.append(_past_position(state, account, market, realized.ended, kind))
        if leg.order is not None:
            leg.order.fees_paid += fee
        if account.choice(market.symbol).mode is MarginMode.ISOLATED:
            position.isolated_margin = margin_after_trade(
                position.isolated_margin,
                before,
                position.size,
                trade.price,
                state.initial_fraction(account, market),
            )
        fill = Fill(
            id=state.ids.next_id(),
            trade_id=trade.id,
            account_id=account.id,
            market=market.symbol,
            order_id=leg.order.id if leg.order else "",
            client_id=leg.order.client_id if leg.order else None,
            side=leg.side,
            taker_side=trade.side,
            price=trade.price,
            size=trade.size,
            fee=fee,
            fee_asset=state.settle_asset,
            liquidity=leg.liquidity,
            kind=kind,
            realized_pnl=realized.pnl,
            realized_funding=realized.funding,
            remaining_size=leg.order.remaining_size if leg.order else ZERO,
            index_price=market.index_price,
            # The book's changes are told once for the whole command, under the next number.
            book_sequence=market.book.sequence + 1 if leg.order else 0,
            created_at_ms=state.now_ms,
            sequence=state.ids.next_sequence(),
            order_meta=leg.order.meta if leg.order else {},
            rpi=trade.rpi,
        )
        position.last_fill_id = fill.id
        position.sequence = state.ids.next_sequence()
        if not account.is_house:
            account.fills.append(fill)
        entry = state.ledger.post_fill(
            account.id,
            state.settle_asset,
            realized_pnl=realized.pnl,
            fee=fill.fee,
            realized_funding=realized.funding,
            market=market.symbol,
            fill_id=fill.id,
            funding_index=index,
            kind=EntryKind.SETTLEMENT if kind is FillKind.SETTLEMENT else EntryKind.FILL,
        )
        state.emit(FillEvent, fill=fill)
        if realized.funding:
            self._record_payment(account, market, realized.funding, realized.funding_for, index, fill_id=fill.id)
        self.tell(account, entry, position)

    def _record_payment(
        self,
        account: AccountState,
        market: MarketState,
        amount: Decimal,
        size: Decimal,
        index: Decimal,
        *,
        fill_id: str | None,
    ) -> None:
        payment = FundingPayment(
            id=self._state.ids.next_id(),
            account_id=account.id,
            market=market.symbol,
            amount=amount,
            size=size,
            funding_index=index,
            rate=market.funding.settled_rate,
            price=market.funding.settled_price,
            fill_id=fill_id,
            created_at_ms=self._state.now_ms,
            sequence=self._state.ids.next_sequence(),
        )
        if not account.is_house:
            account.payments.append(payment)
        self._state.emit(FundingPaymentEvent, payment=payment)


def _past_position(
    state: State, account: AccountState, market: MarketState, ended: Ended, kind: FillKind
) -> PastPosition:
    return PastPosition(
        account_id=account.id,
        market=market.symbol,
        number=ended.number,
        max_size=ended.max_size,
        entry_price=ended.entry_price,
        exit_price=ended.exit_price,
        realized_pnl=ended.pnl,
        realized_funding=ended.funding,
        open_fees=ended.open_fees,
        close_fees=ended.close_fees,
        leverage=state.leverage(account, market),
        kind=kind,
        created_at_ms=ended.created_at_ms,
        closed_at_ms=state.now_ms,
    )
