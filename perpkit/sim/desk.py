"""
The life of an order: taken in, decided on, matched, left in the book or ended; triggers, amendments, expiry.

Commands are queued and carried out one after the other. What a command sets off (a trigger, a liquidation) is queued
behind it, so that nothing happens in the middle of something else.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from functools import partial

from perpkit.core.models.fill import FillKind
from perpkit.core.models.market import MarketStatus, PriceKind
from perpkit.core.models.order import OrderType, SelfTradePrevention, Side, TimeInForce
from perpkit.sim import admission, engine
from perpkit.sim.events import BboEvent, BookEvent, OrderCause
from perpkit.sim.orders import Alternative, CloseReason, Order, OrderRequest, OrderState, TriggerWhen
from perpkit.sim.settlement import Settlement
from perpkit.sim.state import AccountState, MarketState, State
from perpkit.sim.validation import trigger_side

Command = Callable[[], None]


class OrderDesk:
    """
    Carries out commands on orders; implements :class:`perpkit.sim.engine.Desk`.

    Args:
        state: The exchange's memory.
        settlement: Books the trades.
        check_account: Called for each account whose cash or position changed, once the command is over; what it
            queues with :meth:`enqueue` runs next.
    """

    def __init__(self, state: State, settlement: Settlement, check_account: Callable[[AccountState], None]) -> None:
        self._state = state
        self._settlement = settlement
        self._check_account = check_account
        self._queue: deque[Command] = deque()
        self._held: deque[Command] | None = None
        self._running = False
        self._traded: dict[tuple[str, str], None] = {}  # (account, market), in order
        self._moved: dict[str, None] = {}  # markets with a trade, in order

    # Commands

    def enqueue(self, command: Command) -> None:
        """Put a command behind those that wait; carried out by the next :meth:`run`, or the one under way."""
        self._queue.append(command)

    def run(self) -> None:
        """Carry out what waits, and what that sets off. Called within a run, it leaves the work to that run."""
        if self._running:
            return
        self._running = True
        try:
            self._follow_up()
            while self._queue:
                self._queue.popleft()()
                self._follow_up()
        finally:
            self._running = False

    def decide_later(self, command: Command) -> None:
        """Queue a customer's command, or keep it back while decisions are held."""
        if self._held is not None:
            self._held.append(command)
        else:
            self._queue.append(command)

    @property
    def is_holding(self) -> bool:
        """Whether customers' commands are kept back."""
        return self._held is not None

    def hold(self) -> None:
        """Keep customers' commands back from now on."""
        if self._held is None:
            self._held = deque()

    def release(self) -> None:
        """Carry out what was kept back, in order of arrival, and keep nothing back any more."""
        held, self._held = self._held or deque(), None
        self._queue.extend(held)
        self.run()

    # An order's way in

    def accept(self, request: OrderRequest, *, replaces: str | None = None) -> Order:
        """Make an order of a request that passed validation: state NEW, told, not decided on."""
        state, now_ms = self._state, self._state.now_ms
        order = Order(
            id=state.ids.next_id(),
            account_id=request.account_id,
            market=request.market,
            side=request.side,
            type=request.type,
            size=request.size,
            price=request.price,
            client_id=request.client_id,
            time_in_force=request.time_in_force if request.type.has_price else TimeInForce.IOC,
            post_only=request.post_only or request.rpi,
            reduce_only=request.reduce_only,
            trigger_price=request.trigger_price,
            trigger_when=trigger_side(request),
            trigger_price_kind=request.trigger_price_kind,
            alternative=request.alternative,
            whole_position=request.whole_position,
            attached=request.attached,
            replaces=replaces,
            expires_at_ms=request.expires_at_ms,
            stp=request.stp,
            stp_owner=request.stp_owner,
            rpi=request.rpi,
            retail=request.retail,
            signed_at_ms=request.signed_at_ms,
            fee_surcharge=request.fee_surcharge,
            meta=request.meta,
            received_at_ms=now_ms,
            created_at_ms=now_ms,
            updated_at_ms=now_ms,
            sequence=0,
        )
        self._file(order)
        state.emit_order(order, OrderCause.ACCEPTED)
        return order

    def decide(self, order: Order) -> None:
        """Decide on a NEW order: refuse it, let it wait for its trigger, or send it to the book."""
        if order.is_closed:
            return
        market = self._market(order)
        if order.trigger_when is None:
            self._enter(order)
            return
        refused = admission.waiting_refusal(self._state, order)
        if refused is not None:
            self.close(order, refused)
            return
        order.state = OrderState.UNTRIGGERED
        order.opened_at_ms = self._state.now_ms
        market.untriggered[order.id] = order
        self._set_timer(order)
        self._state.emit_order(order, OrderCause.OPENED)
        self._queue_if_triggered(order)

    def take_place(self, order: Order, previous: Order) -> None:
        """Decide on a NEW order that ends another one first; that one stays if it can't be replaced any more."""
        if order.is_closed:
            return
        if previous.is_closed:
            self.close(order, CloseReason.PREVIOUS_NOT_FOUND)
        elif previous.triggered_at_ms is not None:
            self.close(order, CloseReason.PREVIOUS_TRIGGERED)
        else:
            self.close(previous, CloseReason.REPLACED)
            self.decide(order)

    def force_market(self, account: AccountState, market: MarketState, size: Decimal, bound: Decimal) -> Order:
        """Close so much of an account's position against the book by a liquidation order, within a price bound."""
        held = account.size_in(market.symbol)
        request = OrderRequest(
            account_id=account.id,
            market=market.symbol,
            side=Side.SELL if held > 0 else Side.BUY,
            type=OrderType.MARKET,
            size=size,
            price=bound,
            reduce_only=True,
            # Its own orders are gone by now, so that no self-trade can stop it.
            stp=SelfTradePrevention.EXPIRE_MAKER,
        )
        order = self.accept(request)
        order.fill_kind = FillKind.LIQUIDATION
        order.state = OrderState.OPEN
        self._match_and_rest(order, bound)
        return order

    def trigger_due(self, market: MarketState, kind: PriceKind) -> None:
        """Queue every order of a market that waits on this kind of price and whose trigger is touched."""
        for order in list(market.untriggered.values()):
            kinds = {order.trigger_price_kind, order.alternative.trigger_price_kind if order.alternative else None}
            if kind in kinds:
                self._queue_if_triggered(order)

    def note_change(self, account: AccountState, market: MarketState) -> None:
        """Take note of a position that changed without an order; the next :meth:`run` follows it up."""
        self._traded[account.id, market.symbol] = None

    # Amending and ending

    def amend(
        self, order: Order, *, size: Decimal | None, price: Decimal | None, trigger_price: Decimal | None
    ) -> CloseReason | None:
        """Change an order; returns None, or why it stays as it was. The values have passed validation."""
        if order.is_closed:
            return order.close_reason
        new_size = order.size if size is None else size
        new_price = order.price if price is None else price
        if new_size <= order.filled_size:
            self._take_out(order)
            order.size = order.filled_size
            self._finish(order, CloseReason.FILLED)
            self._state.emit_order(order, OrderCause.CLOSED)
            return None
        if order.state is not OrderState.OPEN:
            order.size, order.price = new_size, new_price
            order.trigger_price = trigger_price or order.trigger_price
            self._state.emit_order(order, OrderCause.AMENDED)
            if order.state is OrderState.UNTRIGGERED:
                self._queue_if_triggered(order)
            return None
        if new_price == order.price and new_size <= order.size:
            by = order.size - new_size
            self._market(order).book.shrink(order, by)
            self._stand(order, -by)
            order.size = new_size
            self._state.emit_order(order, OrderCause.AMENDED)
            return None
        return self._requeue(order, new_size, new_price)

    def close(self, order: Order, reason: CloseReason) -> None:
        """End an order, take it out of wherever it stands, and tell. One that is over already stays as it is."""
        if order.is_closed:
            return
        self._take_out(order)
        self._finish(order, reason)
        self._state.emit_order(order, OrderCause.CLOSED)

    # What the engine calls

    def reducible(self, order: Order) -> Decimal:
        """Return how much the order could reduce its account's position by now."""
        return admission.reducible(self._state, order)

    def may_not_meet(self, taker: Order, maker: Order) -> bool:
        """Return whether a trade between the two would be a self-trade that the taker does not want."""
        if taker.stp is None:
            return False
        if maker.account_id == taker.account_id:
            return True
        owner = self._state.accounts[taker.account_id].owner
        return taker.stp_owner and owner is not None and owner == self._state.accounts[maker.account_id].owner

    def execute(self, taker: Order, maker: Order, price: Decimal, size: Decimal) -> None:
        """Carry out a trade between an incoming order and one of the book."""
        market = self._market(taker)
        self._stand(maker, -size)
        for order in (maker, taker):
            order.filled_size += size
            order.cost += price * size
            if not order.remaining_size:
                if order is maker:
                    market.book.remove(maker)
                self._finish(order, CloseReason.FILLED)
        self._settlement.trade(taker, maker, market, price, size)
        for order in (maker, taker):
            self._state.emit_order(order, OrderCause.FILLED)
            self._traded[order.account_id, order.market] = None
            if order.attached is not None:
                self.enqueue(partial(self._attach, order, order.attached))
        self._moved[market.symbol] = None

    # Inside

    def _enter(self, order: Order) -> None:
        refused = admission.refusal(self._state, order, order.size, order.price)
        if refused is None and order.time_in_force is TimeInForce.FOK and order.type.has_price:
            market = self._market(order)
            if engine.fillable(market.book, order, order.price, self) < order.remaining_size:
                refused = CloseReason.FOK_NOT_FILLABLE
        if refused is not None:
            self.close(order, refused)
            return
        order.state = OrderState.OPEN
        order.opened_at_ms = order.opened_at_ms or self._state.now_ms
        bound = order.price if order.price is not None else admission.worst_price(self._market(order), order)
        self._match_and_rest(order, bound)

    def _match_and_rest(self, order: Order, bound: Decimal | None) -> None:
        market = self._market(order)
        engine.match(market.book, order, bound, self)
        if order.is_closed:
            return
        if order.is_market:
            self.close(order, CloseReason.NO_LIQUIDITY)
        elif order.time_in_force in {TimeInForce.IOC, TimeInForce.FOK}:
            self.close(order, CloseReason.IOC_REMAINDER)
        else:
            self._rest(order)
            if not order.filled_size:
                self._state.emit_order(order, OrderCause.OPENED)

    def _rest(self, order: Order) -> None:
        market = self._market(order)
        if not order.retail:
            # It could not trade with retail orders in its way; the book must not stay crossed.
            while (crossed := market.book.first_for(order.side, order.price, retail=True)) is not None:
                self.close(crossed, CloseReason.RPI_CROSSED)
        market.book.add(order)
        self._stand(order, order.remaining_size)
        self._set_timer(order)

    def _requeue(self, order: Order, size: Decimal, price: Decimal | None) -> CloseReason | None:
        """Move an open order to a new price or size, behind what stands there, unless a rule forbids it."""
        self._stand(order, -order.remaining_size)
        refused = admission.refusal(self._state, order, size, price)
        self._stand(order, order.remaining_size)
        if refused is not None:
            self._state.emit_order(order, OrderCause.AMEND_REFUSED, refused)
            return refused
        self._take_out(order)
        order.size, order.price = size, price
        self._state.emit_order(order, OrderCause.AMENDED)
        market = self._market(order)
        engine.match(market.book, order, price, self)
        if not order.is_closed:
            self._rest(order)
        return None

    def _queue_if_triggered(self, order: Order) -> None:
        market = self._market(order)
        if market.status is MarketStatus.HALTED:
            return
        if order.trigger_price is not None and self._is_touched(
            market, order.trigger_price_kind, order.trigger_when, order.trigger_price
        ):
            self.enqueue(partial(self._trigger, order, None))
            return
        other = order.alternative
        if other is not None and self._is_touched(
            market, other.trigger_price_kind, other.trigger_when, other.trigger_price
        ):
            self.enqueue(partial(self._trigger, order, other))

    @staticmethod
    def _is_touched(market: MarketState, kind: PriceKind, when: TriggerWhen | None, price: Decimal) -> bool:
        watched = {
            PriceKind.MARK: market.mark_price,
            PriceKind.INDEX: market.index_price,
            PriceKind.LAST: market.tape.last_price,
        }[kind]
        if watched is None:
            return False
        return watched >= price if when is TriggerWhen.ABOVE else watched <= price

    def _trigger(self, order: Order, by: Alternative | None) -> None:
        """Wake an order, by its own trigger or by its alternative."""
        if order.state is not OrderState.UNTRIGGERED:
            return
        self._take_out(order)
        order.state = OrderState.NEW
        order.triggered_at_ms = self._state.now_ms
        if by is not None:
            order.woke_on_alternative = True
            order.type, order.price = by.type, by.price
            order.time_in_force = by.time_in_force if by.type.has_price else TimeInForce.IOC
        if order.whole_position:
            order.size = self.reducible(order) or order.size
        self._state.emit_order(order, OrderCause.TRIGGERED)
        self._enter(order)

    def _attach(self, parent: Order, request: OrderRequest) -> None:
        """Bring what is attached to an order up to what it has filled."""
        uncovered = parent.filled_size - parent.attached_size
        if uncovered <= 0:
            return
        parent.attached_size = parent.filled_size
        child = self._state.orders.get(parent.attached_id) if parent.attached_id is not None else None
        if child is not None and child.whole_position and not child.is_closed:
            return
        if child is not None and child.state is OrderState.UNTRIGGERED:
            child.size += uncovered
            self._state.emit_order(child, OrderCause.AMENDED)
            return
        order = self.accept(replace(request, size=uncovered))
        parent.attached_id = order.id
        self.decide(order)

    def _file(self, order: Order) -> None:
        account = self._state.accounts[order.account_id]
        self._state.orders[order.id] = order
        account.live[order.id] = order
        if order.reduce_only:
            account.reducing[order.id] = order
        if order.client_id is not None:
            account.live_client_ids[order.client_id] = order.id
        if not account.is_house:
            account.orders.append(order)

    def _take_out(self, order: Order) -> None:
        """Take an order out of the book or from among the untriggered, and off the clock."""
        market = self._market(order)
        if market.untriggered.pop(order.id, None) is None and market.book.holds(order):
            self._stand(order, -order.remaining_size)
            market.book.remove(order)
        timer = self._state.timers.pop(order.id, None)
        if timer is not None:
            timer.cancel()

    def _finish(self, order: Order, reason: CloseReason) -> None:
        """Mark an order that stands nowhere any more as over."""
        account = self._state.accounts[order.account_id]
        order.state = OrderState.CLOSED
        order.close_reason = reason
        account.live.pop(order.id, None)
        account.reducing.pop(order.id, None)
        if order.client_id is not None and account.live_client_ids.get(order.client_id) == order.id:
            del account.live_client_ids[order.client_id]
        timer = self._state.timers.pop(order.id, None)
        if timer is not None:
            timer.cancel()
        if account.is_house:
            del self._state.orders[order.id]

    def _stand(self, order: Order, by: Decimal) -> None:
        if not order.reduce_only:
            self._state.accounts[order.account_id].standing_in(order.market)[order.side] += by

    def _set_timer(self, order: Order) -> None:
        if order.expires_at_ms is not None and order.id not in self._state.timers:
            self._state.timers[order.id] = self._state.clock.call_at_ms(
                order.expires_at_ms, lambda: self._expire(order)
            )

    def _expire(self, order: Order) -> None:
        self.enqueue(lambda: self.close(order, CloseReason.EXPIRED))
        self.run()

    def _follow_up(self) -> None:
        """After a command: end orders that lost their purpose, tell of the books, look for what it set off."""
        traded, self._traded = list(self._traded), {}
        for account_id, symbol in traded:
            account = self._state.accounts[account_id]
            for order in list(account.reducing.values()):
                waits = order.state is OrderState.UNTRIGGERED and order.whole_position
                stands = order.state is OrderState.OPEN or waits
                if order.market == symbol and stands and self.reducible(order) <= 0:
                    self.close(order, CloseReason.REDUCE_ONLY_WOULD_INCREASE)
        for market in self._state.markets.values():
            self._tell_book(market)
        moved, self._moved = list(self._moved), {}
        for symbol in moved:
            self.trigger_due(self._state.markets[symbol], PriceKind.LAST)
        for account_id in dict.fromkeys(account_id for account_id, _ in traded):
            self._check_account(self._state.accounts[account_id])

    def _tell_book(self, market: MarketState) -> None:
        changes = market.book.take_changes(self._state.now_ms)
        if changes is None:
            return
        self._state.emit(
            BookEvent,
            market=market.symbol,
            sequence=market.book.sequence,
            changes=changes.public,
            interactive_changes=changes.interactive,
        )
        if self._state.is_watched and changes.public:
            bbo = market.bbo()
            if (bbo.bid, bbo.ask) != market.last_bbo:
                market.last_bbo = (bbo.bid, bbo.ask)
                self._state.emit(BboEvent, bbo=bbo)

    def _market(self, order: Order) -> MarketState:
        return self._state.markets[order.market]
