"""Order commands are checked and answered as if they had been sent; nothing is. Reads go to the venue."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from perpkit.core.clock import Clock, SystemClock
from perpkit.core.errors import CapabilityError, OrderNotFoundError, OrderRejectedError, PerpkitError, RejectReason
from perpkit.core.hookspecs import hookimpl
from perpkit.core.middleware.around import Wrapped, around
from perpkit.core.middleware.one_venue import OneVenue
from perpkit.core.models import (
    CancelResult,
    CancelStatus,
    LeverageSetting,
    MarginMode,
    Market,
    MarketId,
    Order,
    OrderAmendment,
    OrderIntent,
    OrderRef,
    OrderStatus,
    PositionMode,
    TimeInForce,
)
from perpkit.core.quantize import check_amendment, check_intent

log = logging.getLogger(__name__)

NOT_SENT = "dry run: nothing was sent"
_UNFILLED = f"{NOT_SENT}; an order that can't rest is answered as canceled without a fill"
_KEPT = 10_000
_IMMEDIATE = frozenset({TimeInForce.IOC, TimeInForce.FOK})


class DryRun(OneVenue):
    """
    Answers order commands and changes of account settings itself and sends none of them.

    Its orders stand in a book of its own, with ids that begin ``dry-``, and are shown by ``fetch_open_orders``,
    ``fetch_order`` and ``fetch_order_history`` beside the account's real ones, until they are canceled or expire. They
    never fill, and streams do not tell of them. Canceling a real order is answered as requested, and the order stands.

    Put it innermost, so that risk limits and metrics see its orders.
    """

    def __init__(self, *, clock: Clock | None = None) -> None:
        super().__init__()
        self._clock = clock or SystemClock()
        self._markets: dict[MarketId, Market] = {}
        self._orders: dict[str, Order] = {}
        self._by_client_id: dict[tuple[MarketId, str], str] = {}
        self._leverage: dict[MarketId, LeverageSetting] = {}
        self._number = 0

    @property
    def orders(self) -> list[Order]:
        """Every order that would have been sent, oldest first."""
        return [self._now(order) for order in self._orders.values()]

    # what is learned from reads --------------------------------------------------------------------------------

    @hookimpl(wrapper=True)
    def fetch_markets(self) -> Wrapped[list[Market]]:
        """Keep the rules that orders are checked against."""
        inner = yield
        return around(inner, self._learn_markets)

    async def _learn_markets(self, call: Awaitable[list[Market]]) -> list[Market]:
        markets = await call
        self._markets = {market.id: market for market in markets}
        return markets

    @hookimpl(wrapper=True)
    def fetch_leverage(self, market: Market) -> Wrapped[LeverageSetting]:
        """Show the setting that would hold now."""
        inner = yield
        return around(inner, self._learn_leverage, market)

    async def _learn_leverage(self, call: Awaitable[LeverageSetting], market: Market) -> LeverageSetting:
        if market.id not in self._leverage:
            self._leverage[market.id] = await call
        return self._leverage[market.id]

    # orders ----------------------------------------------------------------------------------------------------

    @hookimpl(wrapper=True)
    def place_order(self, intent: OrderIntent) -> Wrapped[Order]:
        """Answer with an acknowledged order."""
        inner = yield
        return around(inner, self._place_one, intent)

    async def _place_one(self, call: Awaitable[Order], intent: OrderIntent) -> Order:
        return self._place(intent)

    @hookimpl(wrapper=True)
    def place_orders(self, intents: Sequence[OrderIntent]) -> Wrapped[list[Order | PerpkitError]]:
        """Answer each by itself."""
        inner = yield
        return around(inner, self._place_all, intents)

    async def _place_all(
        self, call: Awaitable[list[Order | PerpkitError]], intents: Sequence[OrderIntent]
    ) -> list[Order | PerpkitError]:
        results: list[Order | PerpkitError] = []
        for intent in intents:
            try:
                results.append(self._place(intent))
            except PerpkitError as error:
                results.append(error)
        return results

    def _place(self, intent: OrderIntent) -> Order:
        if (market := self._markets.get(intent.market_id)) is not None:
            check_intent(intent, market)
        if intent.client_order_id is not None and self._by_ref(_ref_of(intent)) is not None:
            raise OrderRejectedError(
                f"client order id {intent.client_order_id!r} was used before ({NOT_SENT})",
                reason=RejectReason.DUPLICATE_CLIENT_ID,
                venue=self._venue,
                operation="place_order",
                client_order_id=intent.client_order_id,
            )
        self._number += 1
        now = self._clock.now()
        # A triggered order rests until its trigger; any other that can't rest is over at once.
        rests = intent.type.has_trigger or (intent.type.has_price and intent.time_in_force not in _IMMEDIATE)
        order = intent.as_order(
            OrderStatus.OPEN if rests else OrderStatus.CANCELED,
            ts_received=now,
            venue_order_id=f"dry-{self._number}",
            status_message=NOT_SENT if rests else _UNFILLED,
            created_at=now,
            updated_at=now,
        )
        return self._keep("place_order", order)

    @hookimpl(wrapper=True)
    def amend_order(self, order: Order, amendment: OrderAmendment) -> Wrapped[Order]:
        """Answer with the order as it would be."""
        inner = yield
        return around(inner, self._amend, order, amendment)

    async def _amend(self, call: Awaitable[Order], order: Order, amendment: OrderAmendment) -> Order:
        held = self._by_ref(order.ref)
        if held is not None and held.is_terminal:
            raise self._not_found("amend_order", order.ref)
        before = held or order
        if (market := self._markets.get(before.market_id)) is not None:
            check_amendment(amendment, before, market)
        changes = {
            name: value
            for name in ("size", "price", "trigger_price")
            if (value := getattr(amendment, name)) is not None
        }
        now = self._clock.now()
        after = before.replace(**changes, status_message=NOT_SENT, updated_at=now, ts_received=now)
        if held is None:
            log.info("dry run: amend_order of %s on %s was not sent", order.venue_order_id, order.market_id)
            return after
        return self._keep("amend_order", after)

    @hookimpl(wrapper=True)
    def cancel_order(self, order: OrderRef) -> Wrapped[CancelResult]:
        """Cancel in the dry book; a real order is only said to be."""
        inner = yield
        return around(inner, self._cancel_one, order)

    async def _cancel_one(self, call: Awaitable[CancelResult], order: OrderRef) -> CancelResult:
        return self._cancel(order)

    @hookimpl(wrapper=True)
    def cancel_orders(self, orders: Sequence[OrderRef]) -> Wrapped[list[CancelResult | PerpkitError]]:
        """Cancel each by itself."""
        inner = yield
        return around(inner, self._cancel_several, orders)

    async def _cancel_several(
        self, call: Awaitable[list[CancelResult | PerpkitError]], orders: Sequence[OrderRef]
    ) -> list[CancelResult | PerpkitError]:
        results: list[CancelResult | PerpkitError] = []
        for order in orders:
            try:
                results.append(self._cancel(order))
            except PerpkitError as error:
                results.append(error)
        return results

    def _cancel(self, ref: OrderRef) -> CancelResult:
        held = self._by_ref(ref)
        if held is None:
            if (ref.venue_order_id or "").startswith("dry-"):
                raise self._not_found("cancel_order", ref)
            log.info("dry run: cancel_order of %s on %s was not sent", ref.venue_order_id, ref.market_id)
            return CancelResult(order=ref, status=CancelStatus.REQUESTED)
        if held.is_terminal:
            return CancelResult(order=held.ref, status=CancelStatus.ALREADY_CLOSED)
        self._close("cancel_order", held, OrderStatus.CANCELED)
        return CancelResult(order=held.ref, status=CancelStatus.CANCELED)

    @hookimpl(wrapper=True)
    def cancel_all_orders(self, market: Market | None) -> Wrapped[None]:
        """Cancel all of the dry book, or of one market in it."""
        inner = yield
        return around(inner, self._cancel_all, market)

    async def _cancel_all(self, call: Awaitable[None], market: Market | None) -> None:
        for order in self._open_in(market):
            self._close("cancel_all_orders", order, OrderStatus.CANCELED)
        log.info("dry run: cancel_all_orders of %s was not sent", market or "the account")

    @hookimpl(wrapper=True)
    def fetch_order(self, order: OrderRef) -> Wrapped[Order]:
        """Look in the dry book first."""
        inner = yield
        return around(inner, self._fetch_order, order)

    async def _fetch_order(self, call: Awaitable[Order], order: OrderRef) -> Order:
        held = self._by_ref(order)
        return held if held is not None else await call

    @hookimpl(wrapper=True)
    def fetch_open_orders(self, market: Market | None) -> Wrapped[list[Order]]:
        """Add those of the dry book."""
        inner = yield
        return around(inner, self._fetch_open, market)

    async def _fetch_open(self, call: Awaitable[list[Order]], market: Market | None) -> list[Order]:
        return [*await call, *self._open_in(market)]

    @hookimpl(wrapper=True)
    def fetch_order_history(
        self, market: Market | None, since: datetime | None, until: datetime | None, limit: int | None
    ) -> Wrapped[list[Order]]:
        """Add those of the dry book."""
        inner = yield
        return around(inner, self._fetch_history, market, since, until, limit)

    async def _fetch_history(
        self,
        call: Awaitable[list[Order]],
        market: Market | None,
        since: datetime | None,
        until: datetime | None,
        limit: int | None,
    ) -> list[Order]:
        real = await call
        dry = [
            order
            for order in self.orders
            if order.created_at is not None
            and (market is None or order.market_id == market.id)
            and (since is None or order.created_at >= since)
            and (until is None or order.created_at < until)
        ]
        both = sorted([*real, *dry], key=lambda order: order.created_at or order.ts_received) if dry else real
        return both if limit is None else both[-limit:]

    # settings --------------------------------------------------------------------------------------------------

    @hookimpl(wrapper=True)
    def set_leverage(self, market: Market, leverage: Decimal) -> Wrapped[LeverageSetting]:
        """Answer with the setting as it would be."""
        inner = yield
        return around(inner, self._set_leverage, market, leverage)

    async def _set_leverage(
        self, call: Awaitable[LeverageSetting], market: Market, leverage: Decimal
    ) -> LeverageSetting:
        setting = self._setting("set_leverage", market).replace(leverage=leverage)
        self._leverage[market.id] = setting
        return setting

    @hookimpl(wrapper=True)
    def set_margin_mode(self, market: Market, mode: MarginMode) -> Wrapped[LeverageSetting]:
        """Answer with the setting as it would be."""
        inner = yield
        return around(inner, self._set_margin_mode, market, mode)

    async def _set_margin_mode(
        self, call: Awaitable[LeverageSetting], market: Market, mode: MarginMode
    ) -> LeverageSetting:
        setting = self._setting("set_margin_mode", market).replace(margin_mode=mode)
        self._leverage[market.id] = setting
        return setting

    @hookimpl(wrapper=True)
    def adjust_margin(self, market: Market, amount: Decimal) -> Wrapped[None]:
        """Move nothing."""
        inner = yield
        return around(inner, self._adjust_margin, market, amount)

    async def _adjust_margin(self, call: Awaitable[None], market: Market, amount: Decimal) -> None:
        log.info("dry run: adjust_margin of %s by %s was not sent", market.id, amount)

    @hookimpl(wrapper=True)
    def set_position_mode(self, mode: PositionMode) -> Wrapped[PositionMode]:
        """Answer with the mode as it would be."""
        inner = yield
        return around(inner, self._set_position_mode, mode)

    async def _set_position_mode(self, call: Awaitable[PositionMode], mode: PositionMode) -> PositionMode:
        log.info("dry run: set_position_mode %s was not sent", mode)
        return mode

    @hookimpl(wrapper=True)
    def set_dead_man_switch(self, after: timedelta | None) -> Wrapped[None]:
        """Leave the venue's switch alone: nothing of ours stands there."""
        inner = yield
        return around(inner, self._set_switch, after)

    async def _set_switch(self, call: Awaitable[None], after: timedelta | None) -> None:
        log.info("dry run: set_dead_man_switch %s was not sent", after)

    def _setting(self, operation: str, market: Market) -> LeverageSetting:
        held = self._leverage.get(market.id)
        if held is None:
            msg = f"a dry run does not know the present setting of {market.id}; call fetch_leverage first"
            raise CapabilityError(msg, venue=market.venue, operation=operation)
        log.info("dry run: %s of %s was not sent", operation, market.id)
        return held

    # the dry book ----------------------------------------------------------------------------------------------

    def _by_ref(self, ref: OrderRef) -> Order | None:
        key = ref.venue_order_id or self._by_client_id.get((ref.market_id, ref.client_order_id or ""))
        found = self._orders.get(key) if key is not None else None
        return self._now(found) if found is not None else None

    def _open_in(self, market: Market | None) -> list[Order]:
        return [
            order for order in self.orders if not order.is_terminal and (market is None or order.market_id == market.id)
        ]

    def _now(self, order: Order) -> Order:
        """Return an order as it is now: one whose time has run out has expired."""
        if not order.is_terminal and order.expires_at is not None and self._clock.now() >= order.expires_at:
            return self._close("expiry", order, OrderStatus.EXPIRED)
        return order

    def _close(self, operation: str, order: Order, status: OrderStatus) -> Order:
        now = self._clock.now()
        return self._keep(operation, order.replace(status=status, updated_at=now, ts_received=now))

    def _keep(self, operation: str, order: Order) -> Order:
        key = order.venue_order_id or ""
        self._orders[key] = order
        if order.client_order_id is not None:
            self._by_client_id[order.market_id, order.client_order_id] = key
        if len(self._orders) > _KEPT:
            self._forget_closed()
        log.info(
            "dry run: %s of %s on %s was not sent; %s", operation, order.venue_order_id, order.market_id, order.status
        )
        return order

    def _forget_closed(self) -> None:
        """Make room: half of what is kept, the oldest that are over first; none that stands."""
        over = [key for key, order in self._orders.items() if order.is_terminal]
        for key in over[: _KEPT // 2]:
            gone = self._orders.pop(key)
            self._by_client_id.pop((gone.market_id, gone.client_order_id or ""), None)

    def _not_found(self, operation: str, ref: OrderRef) -> OrderNotFoundError:
        return OrderNotFoundError(
            f"no such order stands in the dry run: {ref.venue_order_id or ref.client_order_id}",
            venue=self._venue,
            operation=operation,
            client_order_id=ref.client_order_id,
        )


def _ref_of(intent: OrderIntent) -> OrderRef:
    return OrderRef(market_id=intent.market_id, client_order_id=intent.client_order_id)
