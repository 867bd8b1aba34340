"""
The exchange behind every local venue: markets, accounts, one book for each market and one ledger for all.

A venue's server translates its wire into the calls below and the events and copies back. In short:

- Set-up: :meth:`Exchange.add_market`, :meth:`Exchange.add_account`.
- Orders: :meth:`Exchange.submit` answers with the accepted order in state NEW; the decision (OPEN, UNTRIGGERED or
  CLOSED with its reason) follows as events, within the call, or later between :meth:`Exchange.hold_decisions` and
  :meth:`Exchange.release_decisions`. What is refused at once raises
  :class:`~perpkit.sim.orders.RequestRefusedError`. :meth:`Exchange.amend`, :meth:`Exchange.cancel`,
  :meth:`Exchange.cancel_all`, :meth:`Exchange.replace`, :meth:`Exchange.set_dead_man_switch`.
- Reading (:class:`~perpkit.sim.reader.Reader`): ``order``, ``open_orders``, ``orders``, ``fills``, ``positions``,
  ``balances``, ``account``, ``funding_payments``, ``transfers``, ``ledger_entries``, ``liquidations``; for everybody
  ``markets``, ``book``, ``bbo``, ``stats``, ``trades``, ``candles``, ``funding``, ``funding_history``.
- Listings take ``since_ms`` and ``until_ms``, both inclusive, and come oldest first in a stable order; each record has
  a time and a unique ``sequence`` or id for cursors. Orders are placed by ``created_at_ms``.
- Money and margin (:class:`~perpkit.sim.treasury.Treasury`): ``deposit``, ``withdraw``, ``transfer``, ``set_margin``,
  ``move_margin``, ``set_fee_rates``.
- Events: :meth:`Exchange.subscribe`; see :mod:`perpkit.sim.events` for their kinds.
- Prices and state: ``set_price``, ``set_funding_rate``, ``set_market_status``, ``set_system_status``,
  ``settle_market``.
- :meth:`Exchange.check_invariants` proves the books: money, positions, orders, order book.

Everything is synchronous and runs in one thread. Times are milliseconds since 1970 on the exchange's clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import partial

from perpkit.core.models.account import MarginMode
from perpkit.core.models.fill import FillKind
from perpkit.core.models.market import FundingAccrual, MarketStatus, PriceKind
from perpkit.sim import invariants
from perpkit.sim.clock import Scheduled, SimClock
from perpkit.sim.desk import OrderDesk
from perpkit.sim.events import (
    FundingEvent,
    FundingSettledEvent,
    MarketEvent,
    PriceEvent,
    Subscriber,
    SystemEvent,
    TickEvent,
)
from perpkit.sim.funding import FundingIndex
from perpkit.sim.liquidation import Liquidator
from perpkit.sim.margin import requirement
from perpkit.sim.markets import FeeRates, MarketSpec, SystemStatus
from perpkit.sim.money import ZERO, divide, nearest, product
from perpkit.sim.orders import (
    AmendResult,
    CancelResult,
    CancelStatus,
    CloseReason,
    Order,
    OrderRequest,
    RefusalReason,
    RequestRefusedError,
)
from perpkit.sim.reader import funding_view
from perpkit.sim.settlement import Settlement
from perpkit.sim.state import INSURANCE, AccountState, ExchangeConfig, MarketState, State
from perpkit.sim.tape import PriceMove
from perpkit.sim.treasury import Treasury
from perpkit.sim.validation import check_amendment, check_request, check_system

__all__ = ["INSURANCE", "Exchange", "ExchangeConfig"]

_TICK = timedelta(seconds=1)


class Exchange(Treasury):
    """See the module's text."""

    def __init__(self, clock: SimClock, config: ExchangeConfig | None = None) -> None:
        state = State(clock, config or ExchangeConfig())
        super().__init__(state, Settlement(state))
        self._liquidator = Liquidator(self._state, self._settlement)
        self._desk = OrderDesk(self._state, self._settlement, self._check_account)
        self._countdowns: dict[str, Scheduled] = {}
        self.listing_version = 0
        """Grows when a market is listed or its rules change."""
        self.add_account(INSURANCE, self.config.insurance, is_house=True)
        clock.every(_TICK, self._tick, coalesce=True)
        clock.every(self.config.funding_sample_every, self._sample_funding)

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Tell a subscriber of everything from now on; returns what ends it."""
        return self._state.subscribe(subscriber)

    def check_invariants(self) -> None:
        """Raise :class:`~perpkit.sim.invariants.InvariantError`, with detail, if any book does not balance."""
        invariants.check(self._state)

    # Set-up and state

    def add_market(self, spec: MarketSpec) -> None:
        """List a market. ValueError if the symbol is taken."""
        if spec.symbol in self._state.markets:
            msg = f"{spec.symbol} is listed already"
            raise ValueError(msg)
        now_ms = self._state.now_ms
        funding = FundingIndex(spec.funding_rate, spec.index_price, spec.funding_period, spec.funding_accrual, now_ms)
        market = MarketState(spec, spec.status, spec.index_price, spec.index_price, funding)
        if spec.status is not MarketStatus.OPEN:
            self._pause_funding_unless_open(market)
        market.moves.append(PriceMove(now_ms, market.mark_price, market.index_price))
        self._state.markets[spec.symbol] = market
        self.listing_version += 1
        self._schedule_settlement(market)

    def add_account(
        self,
        account_id: str,
        deposit: Decimal = ZERO,
        *,
        fees: FeeRates | None = None,
        is_house: bool = False,
        owner: str | None = None,
    ) -> None:
        """
        Open an account; accounts of one ``owner`` belong together. A house account is exempt from margin, limits,
        status and liquidation; its history is not kept. ValueError if it is there.
        """
        if account_id in self._state.accounts:
            msg = f"account {account_id} is there already"
            raise ValueError(msg)
        self._state.accounts[account_id] = AccountState(account_id, is_house, fees=fees, owner=owner)
        self._state.ledger.open(account_id, self.config.settle_asset, record=not is_house)
        self._state.touch(self._state.accounts[account_id])
        if deposit:
            self.deposit(account_id, deposit)

    def set_system_status(self, status: SystemStatus) -> None:
        """Change what the whole exchange takes."""
        self._state.system_status = status
        self._state.emit(SystemEvent, status=status)

    def set_market_status(self, market: str, status: MarketStatus) -> None:
        """
        Change what a market takes. HALTED takes nothing, not even a cancel, and pays no funding. For SETTLED use
        :meth:`settle_market`.
        """
        listed = self._state.market(market)
        if status is MarketStatus.SETTLED or listed.status is MarketStatus.SETTLED:
            msg = f"{market} is {listed.status}; only settle_market settles, and for good"
            raise ValueError(msg)
        listed.status = status
        self._pause_funding_unless_open(listed)
        self._state.emit(MarketEvent, market=market, status=status)
        self._prices_moved(listed, *PriceKind)

    def change_market(self, spec: MarketSpec) -> None:
        """Change a listed market's rules: tick, limits, margins, fees. Price, funding and status stay as they are."""
        listed = self._state.market(spec.symbol)
        listed.spec = replace(spec, status=listed.status)
        self.listing_version += 1
        self._state.emit(MarketEvent, market=spec.symbol, status=listed.status)
        self._prices_moved(listed)

    def renumber_book(self, market: str, sequence: int = 0) -> None:
        """Let the numbers of a book go on from another one, as after a restart that forgot them."""
        self._state.market(market).book.sequence = sequence

    def settle_market(self, market: str, price: Decimal) -> None:
        """Cancel all orders, close all positions at the price (trimmed to the tick), take nothing any more."""
        listed = self._state.market(market)
        price = nearest(price, listed.spec.tick_size)
        for account in list(self._state.accounts.values()):
            for order in [order for order in account.live.values() if order.market == market]:
                self._desk.close(order, CloseReason.MARKET_NOT_OPEN)
        self._move_prices(listed, mark=price, index=price)
        for account, _ in list(self._state.holders(market)):
            self._settlement.close_at(account, listed, price)
            self._desk.note_change(account, listed)
        listed.funding.pause(self._state.now_ms)
        listed.status = MarketStatus.SETTLED
        self._state.emit(MarketEvent, market=market, status=listed.status)
        self._desk.run()

    def set_price(self, market: str, *, index: Decimal | None = None, mark: Decimal | None = None) -> None:
        """
        Move prices. With ``index`` alone the mark keeps its ratio to it, to a tenth of a tick. Triggers and
        liquidations follow at once.
        """
        listed = self._state.market(market)
        new_index = listed.index_price if index is None else index
        if mark is None:
            ratio = divide(listed.mark_price, listed.index_price)
            mark = nearest(product(new_index, ratio), listed.spec.tick_size / 10)
        for name, price in (("index", new_index), ("mark", mark)):
            if not price.is_finite() or price <= 0:
                msg = f"{market}: {name} price {price} is not above zero"
                raise ValueError(msg)
        self._move_prices(listed, mark=mark, index=new_index)
        self._prices_moved(listed, PriceKind.MARK, PriceKind.INDEX)

    def set_funding_rate(self, market: str, rate: Decimal) -> None:
        """Change the rate from this second on: a fraction per the market's own period, positive when longs pay."""
        listed = self._state.market(market)
        listed.funding.change(self._state.now_ms, rate=rate)
        self._state.emit(FundingEvent, funding=funding_view(self._state, listed))

    def set_funding_period(self, market: str, period: timedelta) -> None:
        """Change what period the rate is for from this second on. The rate's figure stays: its cash flow changes."""
        listed = self._state.market(market)
        if period <= timedelta(0):
            msg = f"{market}: a funding period of {period} is not above zero"
            raise ValueError(msg)
        listed.funding.change(self._state.now_ms, period=period)
        listed.spec = replace(listed.spec, funding_period=period)
        self.listing_version += 1
        self._state.emit(FundingEvent, funding=funding_view(self._state, listed))

    # Orders

    def submit(self, request: OrderRequest) -> Order:
        """
        Take an order in.

        Returns:
            It in state NEW, even if it is decided on within the call; see ``order`` for what became of it.

        Raises:
            RequestRefusedError: Malformed, or refused by a rule that needs no look at the account's margin or at the
                book.
        """
        account, market = self._state.account(request.account_id), self._state.market(request.market)
        check_request(self._state, account, market, request)
        order = self._desk.accept(request)
        accepted = order.copy()
        self._desk.decide_later(partial(self._desk.decide, order))
        self._desk.run()
        return accepted

    def replace(self, account_id: str, order_id: str, request: OrderRequest) -> Order:
        """
        Put a new order in the place of an open or untriggered one. Decided on together: the old one ends as REPLACED
        even if the new one is then refused; an old one that has ended by then, or was triggered, refuses the new one.

        Returns:
            The new order in state NEW, like ``submit``.

        Raises:
            RequestRefusedError: UNKNOWN_ORDER, ORDER_CLOSED, or what ``submit`` refuses; the old order stays.
        """
        previous = self._find(account_id, order_id)
        if previous is None:
            raise RequestRefusedError(RefusalReason.UNKNOWN_ORDER, f"the account has no order {order_id}")
        if previous.is_closed:
            raise RequestRefusedError(RefusalReason.ORDER_CLOSED, f"order {order_id} is over: {previous.close_reason}")
        account, market = self._state.account(request.account_id), self._state.market(request.market)
        check_request(self._state, account, market, request)
        order = self._desk.accept(request, replaces=previous.id)
        accepted = order.copy()
        self._desk.decide_later(partial(self._desk.take_place, order, previous))
        self._desk.run()
        return accepted

    def amend(
        self,
        account_id: str,
        order_id: str,
        *,
        size: Decimal | None = None,
        price: Decimal | None = None,
        trigger_price: Decimal | None = None,
    ) -> AmendResult:
        """
        Change an open or untriggered order. ``size`` is the new total, what is filled included. A smaller size keeps
        the place in the queue; anything else loses it. An order amended to what is filled already is closed as
        filled. While decisions are held the order comes back as it stands.

        Raises:
            RequestRefusedError: UNKNOWN_ORDER, ORDER_CLOSED, INVALID_REQUEST, or a malformed price or size.
        """
        order = self._find(account_id, order_id)
        if order is None:
            raise RequestRefusedError(RefusalReason.UNKNOWN_ORDER, f"the account has no order {order_id}")
        if order.is_closed:
            raise RequestRefusedError(RefusalReason.ORDER_CLOSED, f"order {order_id} is over: {order.close_reason}")
        market = self._state.market(order.market)
        check_system(self._state, cancels=False)
        self._check_reachable(market)
        check_amendment(order, market, size=size, price=price, trigger_price=trigger_price)
        refused: list[CloseReason | None] = []

        def change() -> None:
            refused.append(self._desk.amend(order, size=size, price=price, trigger_price=trigger_price))

        self._desk.decide_later(change)
        self._desk.run()
        return AmendResult(order.copy(), refused[0] if refused else None)

    def cancel(
        self, account_id: str, order_id: str, *, reason: CloseReason = CloseReason.USER_CANCELED
    ) -> CancelResult:
        """Cancel; carried out within the call unless decisions are held. Refused only in MAINTENANCE or HALTED."""
        self._state.account(account_id)
        check_system(self._state, cancels=True)
        order = self._find(account_id, order_id)
        if order is None:
            return CancelResult(CancelStatus.NOT_FOUND, None)
        if order.is_closed:
            return CancelResult(CancelStatus.ALREADY_CLOSED, order.copy())
        self._check_reachable(self._state.market(order.market))
        before = order.copy()
        self._desk.decide_later(partial(self._desk.close, order, reason))
        self._desk.run()
        return CancelResult(CancelStatus.QUEUED, before)

    def cancel_by_client_id(
        self,
        account_id: str,
        client_id: str,
        *,
        market: str | None = None,
        reason: CloseReason = CloseReason.USER_CANCELED,
    ) -> CancelResult:
        """Cancel the open order of that client id, or tell of the latest closed one."""
        found = self.order_by_client_id(account_id, client_id, open_only=False)
        if found is None or (market is not None and found.market != market):
            check_system(self._state, cancels=True)
            return CancelResult(CancelStatus.NOT_FOUND, None)
        return self.cancel(account_id, found.id, reason=reason)

    def cancel_all(
        self, account_id: str, market: str | None = None, *, reason: CloseReason = CloseReason.USER_CANCELED
    ) -> list[Order]:
        """Cancel all that is not closed, orders in halted markets left alone; returns copies as they stood before."""
        check_system(self._state, cancels=True)
        if market is not None:
            self._check_reachable(self._state.market(market))
        found = [
            order
            for order in self._state.account(account_id).live.values()
            if (market is None or order.market == market)
            and self._state.markets[order.market].status is not MarketStatus.HALTED
        ]
        before = [order.copy() for order in found]
        for order in found:
            self._desk.decide_later(partial(self._desk.close, order, reason))
        self._desk.run()
        return before

    def set_dead_man_switch(self, account_id: str, after: timedelta | None) -> None:
        """Cancel all open orders of an account when the time runs out, unless set anew before; None disarms it."""
        account = self._state.account(account_id)
        armed = self._countdowns.pop(account.id, None)
        if armed is not None:
            armed.cancel()
        if after is not None:
            self._countdowns[account.id] = self._state.clock.call_later(after, partial(self._run_out, account))

    def cancel_by_venue(self, account_id: str, order_id: str) -> None:
        """Cancel an order as the venue itself does, whatever its status lets clients do. For tests."""
        order = self._find(account_id, order_id)
        if order is None:
            raise RequestRefusedError(RefusalReason.UNKNOWN_ORDER, f"the account has no order {order_id}")
        self._desk.enqueue(partial(self._desk.close, order, CloseReason.ADMIN))
        self._desk.run()

    def liquidate(self, account_id: str) -> None:
        """Liquidate an account's positions, whatever its margin. For tests."""
        account = self._state.account(account_id)
        self._desk.enqueue(partial(self._liquidator.liquidate_cross, account, self._desk, force=True))
        for position in list(account.positions.values()):
            if position.size and account.choice(position.market).mode is MarginMode.ISOLATED:
                self._desk.enqueue(
                    partial(self._liquidator.liquidate_isolated, account, position.market, self._desk, force=True)
                )
        self._desk.run()

    def deleverage(self, winner: str, loser: str, market: str) -> None:
        """Close a position against an opposite one of at most its size, at the mark price (ADL). For tests."""
        listed = self._state.market(market)
        giver, taker = self._state.account(loser), self._state.account(winner)
        if giver.size_in(market) * taker.size_in(market) >= 0 or abs(giver.size_in(market)) > abs(
            taker.size_in(market)
        ):
            msg = (
                f"{winner} holds {taker.size_in(market)} {market}; {loser}'s {giver.size_in(market)} can't close on it"
            )
            raise ValueError(msg)
        price = nearest(listed.mark_price, listed.spec.tick_size)
        self._settlement.hand_over(giver, taker, listed, price, FillKind.ADL)
        self._desk.note_change(giver, listed)
        self._desk.note_change(taker, listed)
        self._desk.run()

    def hold_decisions(self) -> None:
        """From now on leave orders NEW, and cancels and amendments queued, until released."""
        self._desk.hold()

    def release_decisions(self) -> None:
        """Decide on what was held, in order of arrival, and hold no more."""
        self._desk.release()

    # Inside

    def _run_out(self, account: AccountState) -> None:
        self._countdowns.pop(account.id, None)
        for order in list(account.live.values()):
            self._desk.enqueue(partial(self._desk.close, order, CloseReason.DEAD_MAN_SWITCH))
        self._desk.run()

    def _tick(self) -> None:
        for market in self._state.markets.values():
            if self._state.is_watched and market.status is not MarketStatus.SETTLED:
                self._state.emit(FundingEvent, funding=funding_view(self._state, market))
        for account in list(self._state.accounts.values()):
            self._check_account(account)
        self._desk.run()
        self._state.emit(TickEvent)

    def _sample_funding(self) -> None:
        for market in self._state.markets.values():
            if market.funding.accrual is FundingAccrual.CONTINUOUS and market.status is not MarketStatus.SETTLED:
                market.funding_history.append(funding_view(self._state, market))

    def _schedule_settlement(self, market: MarketState) -> None:
        due_ms = market.funding.next_settlement_ms(self._state.now_ms)
        if due_ms is not None:
            self._state.clock.call_at_ms(due_ms, partial(self._settle_period, market))

    def _settle_period(self, market: MarketState) -> None:
        if market.status is MarketStatus.SETTLED:
            return
        market.funding.settle_period()
        delay = market.spec.funding_delay
        if delay:
            # The rate may change until then; what was settled may not.
            self._state.clock.call_later(delay, partial(self._book_period, market, market.funding.rate))
        else:
            self._book_period(market, market.funding.rate)
        self._schedule_settlement(market)

    def _book_period(self, market: MarketState, rate: Decimal) -> None:
        """Pay what the period that ended last left owing, and tell."""
        settled = replace(funding_view(self._state, market), rate=rate)
        market.funding_history.append(settled)
        self._state.emit(FundingSettledEvent, funding=settled)
        for account, _ in self._state.holders(market.symbol):
            self._settlement.settle_funding(account, market)
            self._check_account(account)
        self._desk.run()

    def _move_prices(self, market: MarketState, *, mark: Decimal, index: Decimal) -> None:
        now_ms = self._state.now_ms
        market.mark_price, market.index_price = mark, index
        market.funding.change(now_ms, price=index if market.spec.funding_price is PriceKind.INDEX else mark)
        market.moves.append(PriceMove(now_ms, mark, index))
        self._state.emit(PriceEvent, market=market.symbol, mark_price=mark, index_price=index)

    def _prices_moved(self, market: MarketState, *kinds: PriceKind) -> None:
        for kind in kinds:
            self._desk.trigger_due(market, kind)
        for account, _ in self._state.holders(market.symbol):
            self._check_account(account)
        self._desk.run()

    def _check_account(self, account: AccountState) -> None:
        if self.config.cancels_when_short and not account.is_house:
            opening = [order for order in account.live.values() if not order.reduce_only]
            if opening and requirement(self._state, account).free < 0:
                for order in opening:
                    self._desk.enqueue(partial(self._desk.close, order, CloseReason.NOT_ENOUGH_MARGIN))
        self._liquidator.check(account, self._desk)

    def _pause_funding_unless_open(self, market: MarketState) -> None:
        if market.status in {MarketStatus.HALTED, MarketStatus.SETTLED}:
            market.funding.pause(self._state.now_ms)
        else:
            market.funding.resume(self._state.now_ms)

    def _find(self, account_id: str, order_id: str) -> Order | None:
        order = self._state.orders.get(order_id)
        return order if order is not None and order.account_id == account_id else None

    def _check_reachable(self, market: MarketState) -> None:
        if market.status is MarketStatus.HALTED:
            raise RequestRefusedError(RefusalReason.MARKET_NOT_OPEN, f"{market.symbol} is halted")
