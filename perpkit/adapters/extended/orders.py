"""
Order commands and reads: each encodes, calls and decodes. ``venue.py`` puts hooks on them.

The venue answers a command before its engine has looked at it, so what comes back is ``pending``; the account's stream,
or a later read, tells what became of it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from decimal import Decimal
from typing import Final, TypeVar

from perpkit.adapters.extended import decode, decode_account, encode, endpoints, schema
from perpkit.adapters.extended.config import VENUE
from perpkit.adapters.extended.encode import Rates
from perpkit.adapters.extended.errors import FEE_TOO_LOW
from perpkit.adapters.extended.session import Session
from perpkit.adapters.extended.signing import Signer, Terms
from perpkit.core.before_sending import before_sending
from perpkit.core.client_ids import ClientOrderIds
from perpkit.core.context import VenueContext
from perpkit.core.errors import (
    CapabilityError,
    DecodeError,
    InvalidOrderError,
    OrderNotFoundError,
    OrderRejectedError,
    OutcomeUnknownError,
    PerpkitError,
    RateLimitError,
)
from perpkit.core.models import (
    CancelResult,
    CancelStatus,
    Market,
    Order,
    OrderAmendment,
    OrderIntent,
    OrderRef,
    OrderStatus,
    OrderType,
    TimeInForce,
)
from perpkit.core.outcome import order_outcome
from perpkit.core.quantize import plain
from perpkit.core.windows import ceil_ms, orders_in_order

log = logging.getLogger(__name__)

T = TypeVar("T")

_REPLACEABLE: Final = frozenset({"LIMIT", "CONDITIONAL"})
_LONGEST_ID: Final = 40
_LOOKS: Final = 20
_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 0.5


class Orders:
    """
    The account's orders.

    Args:
        terms: What signing needs of a market, by its symbol.
        client_ids: Makes the ids of replacements, which are orders of their own.
    """

    def __init__(
        self, session: Session, context: VenueContext, terms: Callable[[str], Terms], client_ids: ClientOrderIds
    ) -> None:
        self._session = session
        self._rest = session.rest
        self._context = context
        self._terms = terms
        self._client_ids = client_ids

    # Commands

    async def place(self, intent: OrderIntent) -> Order:
        """Send one order."""
        market = await self._context.markets.resolve(intent.market_id)
        terms = self._terms(market.symbol)
        if intent.accept_within is not None and not _is_immediate(intent):
            msg = (
                f"accept_within bounds market and ioc orders here, whose expiry it is; {VENUE} takes a resting order "
                "for as long as it may stand: use gtd with expires_at"
            )
            raise CapabilityError(msg, venue=VENUE, operation="place_order", client_order_id=intent.client_order_id)
        with _preparing():
            signer, rates, worst = await self._prepare(intent, market)
        unsigned = encode.new_order(
            intent,
            market,
            terms,
            rates=rates,
            expires_at=self._expiry(intent),
            self_trade_protection=self._session.settings.self_trade_protection,
            worst_price=worst,
        )
        body = unsigned.signed(signer, self._session.nonces.next())
        try:
            with order_outcome(venue=VENUE, operation="place_order", client_order_id=intent.client_order_id):
                placed = await self._rest.post_order(body, operation="place_order", is_rfq=terms.is_rfq)
        except OrderRejectedError as error:
            self._learn_from(error, market)
            raise
        return self._pending(placed, intent, unsigned.expiry_ms)

    async def amend(self, order: Order, amendment: OrderAmendment) -> Order:
        """
        Replace an open order by one with other values; it gets ids of its own.

        The venue counts the new order's fills from zero, so it is sent the rest of the new total. What is filled
        between reading the old order and its end is found out afterwards, and taken off the new one.
        """
        market = await self._context.markets.resolve(order.market_id)
        with _preparing():
            row = await self._row(order.ref, market)
        total = amendment.size if amendment.size is not None else row.qty
        changed = await self._replace(row, market, total, price=amendment.price, trigger_price=amendment.trigger_price)
        return await self._without_overfill(row, changed, market, total)

    async def cancel(self, ref: OrderRef) -> CancelResult:
        """Cancel one order; the venue queues it and the order's own update confirms it."""
        with order_outcome(venue=VENUE, operation="cancel_order", client_order_id=ref.client_order_id):
            if ref.venue_order_id is not None:
                await self._rest.delete_order(ref.venue_order_id)
            elif ref.client_order_id is not None:
                await self._rest.delete_order_by_external_id(ref.client_order_id)
        return CancelResult(order=ref, status=CancelStatus.REQUESTED)

    async def cancel_many(self, refs: Sequence[OrderRef]) -> list[CancelResult | PerpkitError]:
        """Cancel several orders in one request. The venue answers for all of them together."""
        foreign = next((each for each in map(_venue_id, refs) if each is not None and not _is_whole(each)), None)
        if foreign is not None:
            msg = f"order id {foreign!r} is none of {VENUE}'s, which are whole numbers"
            raise InvalidOrderError(msg, venue=VENUE, operation="cancel_orders")
        named = {
            "orderIds": [int(each) for each in map(_venue_id, refs) if each is not None],
            "externalOrderIds": [ref.client_order_id for ref in refs if _venue_id(ref) is None],
        }
        body = {name: ids for name, ids in named.items() if ids}
        try:
            with order_outcome(venue=VENUE, operation="cancel_orders"):
                await self._rest.post_mass_cancel(body, "cancel_orders")
        except OutcomeUnknownError as error:
            return [
                OutcomeUnknownError(
                    error.message, venue=VENUE, operation="cancel_orders", client_order_id=ref.client_order_id
                )
                for ref in refs
            ]
        return [CancelResult(order=ref, status=CancelStatus.REQUESTED) for ref in refs]

    async def cancel_all(self, market: Market | None) -> None:
        """Cancel every open order of one market, or of the account. The one would undo the other's bound."""
        body = {"cancelAll": True} if market is None else {"markets": [market.symbol]}
        with order_outcome(venue=VENUE, operation="cancel_all_orders"):
            await self._rest.post_mass_cancel(body, "cancel_all_orders")

    # Reads

    async def fetch(self, ref: OrderRef) -> Order:
        """
        Return one order, open or closed.

        Raises:
            OrderNotFoundError: The venue knows of none. Closed orders without fills are kept for seven days.
        """
        market = await self._context.markets.resolve(ref.market_id)
        return self._order(await self._row(ref, market), market)

    async def fetch_open(self, market: Market | None) -> list[Order]:
        """Return every open order, those waiting for a trigger included."""
        rows = await self._rest.get_orders(market.symbol if market is not None else None)
        return [order for order in await self._listed(rows) if not order.is_terminal]

    async def fetch_history(
        self, market: Market | None, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[Order]:
        """Return closed orders created in [since, until), oldest first."""
        rows = await self._rest.get_orders_history(
            [("market", market.symbol if market is not None else None)],
            limit=limit,
            since=ceil_ms(since) if since is not None else None,
            until=ceil_ms(until) if until is not None else None,
        )
        return orders_in_order(await self._listed(rows), since, until)

    # How

    async def _prepare(self, intent: OrderIntent, market: Market) -> tuple[Signer, Rates, Decimal | None]:
        signer = await self._session.signer()
        rates = await self._session.rates(market, is_maker=intent.post_only)
        worst = None
        if intent.type is OrderType.MARKET:
            stats = await self._rest.get_market_stats(market.symbol)
            worst = encode.market_bound(intent, market, stats, self._session.settings.market_slippage)
        return signer, rates, worst

    def _expiry(self, intent: OrderIntent) -> datetime:
        """Return when an order expires: as asked, or counted from now. The venue wants one of every order."""
        if intent.expires_at is not None:
            return intent.expires_at
        settings = self._session.settings
        if _is_immediate(intent):
            return self._context.clock.now() + (intent.accept_within or settings.immediate_life)
        return self._context.clock.now() + settings.resting_life

    def _pending(self, placed: schema.Placed, intent: OrderIntent, expiry_ms: int) -> Order:
        return intent.as_order(
            OrderStatus.PENDING,
            ts_received=self._context.clock.now(),
            venue_order_id=str(placed.id),
            # What stands here has an expiry, whether it was asked for or not.
            time_in_force=TimeInForce.IOC if _is_immediate(intent) else TimeInForce.GTD,
            expires_at=decode.moment(expiry_ms),
        )

    async def _replace(
        self,
        row: schema.Order,
        market: Market,
        total: Decimal,
        *,
        price: Decimal | None = None,
        trigger_price: Decimal | None = None,
    ) -> Order:
        """Send one replacement: of what was filled so far the new order is sent no more."""
        old = self._order(row, market)
        if old.is_terminal:
            msg = f"order {row.id} is {old.status} ({old.filled_size} filled), so nothing is left to amend"
            raise OrderNotFoundError(msg, venue=VENUE, operation="amend_order", client_order_id=old.client_order_id)
        if row.type not in _REPLACEABLE:
            msg = f"{VENUE} replaces limit and conditional orders, not one of type {row.type}"
            raise CapabilityError(msg, venue=VENUE, operation="amend_order", client_order_id=old.client_order_id)
        size = self._remaining(old, market, total)
        terms = self._terms(market.symbol)
        asked = price if price is not None else decode.positive(row.price)
        if trigger_price is not None and not old.type.has_price:
            # Its worst price hangs on the trigger, and moves with it.
            asked = encode.trigger_bound(trigger_price, old.side, market, terms)
        if asked is None:
            raise DecodeError(f"order {row.id} has no price", venue=VENUE, operation="amend_order")
        with _preparing():
            signer = await self._session.signer()
            rates = await self._session.rates(market, is_maker=row.post_only)
        unsigned = encode.replacement(
            row,
            market,
            terms,
            external_id=self._client_ids.next(),
            side=old.side,
            size=size,
            price=asked,
            trigger_price=trigger_price if trigger_price is not None else old.trigger_price,
            rates=rates,
            expires_at=old.expires_at or self._context.clock.now() + self._session.settings.resting_life,
            self_trade_protection=self._session.settings.self_trade_protection,
        )
        body = unsigned.signed(signer, self._session.nonces.next())
        try:
            with order_outcome(venue=VENUE, operation="amend_order", client_order_id=old.client_order_id):
                placed = await self._rest.post_order(body, operation="amend_order", is_rfq=terms.is_rfq)
        except OrderRejectedError as error:
            self._learn_from(error, market)
            raise
        except OutcomeUnknownError as error:
            # The old order's id finds what became of it, and this one its successor, if there is one.
            msg = f"{error.message}; if order {row.external_id} was replaced, its successor is {body['id']}"
            raise OutcomeUnknownError(
                msg, venue=VENUE, operation="amend_order", client_order_id=old.client_order_id
            ) from error
        return old.replace(
            venue_order_id=str(placed.id),
            client_order_id=body["id"],
            status=OrderStatus.PENDING,
            size=size,
            filled_size=Decimal(0),
            average_price=None,
            price=asked if old.type.has_price else None,
            trigger_price=trigger_price if trigger_price is not None else old.trigger_price,
            created_at=None,
            updated_at=None,
            ts_received=self._context.clock.now(),
        )

    def _remaining(self, old: Order, market: Market, total: Decimal) -> Decimal:
        size = total - old.filled_size
        if size <= 0:
            msg = f"size {plain(total)} is not above the {plain(old.filled_size)} already filled; cancel it instead"
            raise InvalidOrderError(msg, venue=VENUE, operation="amend_order", client_order_id=old.client_order_id)
        if market.min_size is not None and size < market.min_size:
            msg = (
                f"of size {plain(total)} only {plain(size)} is not yet filled, below the least order of "
                f"{plain(market.min_size)}; cancel it instead"
            )
            raise InvalidOrderError(msg, venue=VENUE, operation="amend_order", client_order_id=old.client_order_id)
        return size

    async def _without_overfill(self, before: schema.Order, changed: Order, market: Market, total: Decimal) -> Order:
        """
        Wait for the end of the replaced order, and take off the new one what was filled of the old one meanwhile.

        Between the two the new order can fill in full: that much may be too much for a moment, and no venue without a
        counter of its own for both can rule it out.
        """
        old = await self._ended(before, market)
        if old is None:
            log.warning(
                "%s: order %s was replaced by %s and has not ended yet; what is filled of it meanwhile comes on top",
                VENUE,
                before.id,
                changed.client_order_id,
            )
            return changed
        assumed = total - changed.size
        excess = old.filled_size - assumed
        if excess <= 0:
            return changed
        log.info("%s: %s more of order %s was filled while it was replaced", VENUE, plain(excess), before.id)
        try:
            return await self._cut(changed, market, total - old.filled_size)
        except PerpkitError as error:
            # The replacement stands: whatever failed afterwards must not look as if nothing had been sent.
            msg = (
                f"it was replaced by {changed.client_order_id}, {plain(excess)} more of it was filled meanwhile, and "
                f"taking that off the new order failed ({error.message})"
            )
            raise OutcomeUnknownError(
                msg, venue=VENUE, operation="amend_order", client_order_id=before.external_id
            ) from error

    async def _cut(self, changed: Order, market: Market, left: Decimal) -> Order:
        """Bring a replacement down to what is left, or end it where that is less than an order may be."""
        row = await self._row(changed.ref, market)
        current = self._order(row, market)
        if current.is_terminal:
            return current
        rest = left - current.filled_size
        if rest <= 0 or (market.min_size is not None and rest < market.min_size):
            await self.cancel(changed.ref)
            return current
        # This one too may be filled while it is replaced.
        return await self._without_overfill(row, await self._replace(row, market, left), market, left)

    async def _ended(self, row: schema.Order, market: Market) -> Order | None:
        """Read an order until it has ended; None when it takes too long or can't be read."""
        pause = _FIRST_PAUSE
        for _ in range(_LOOKS):
            try:
                order = self._order(await self._rest.get_order(str(row.id)), market)
            except PerpkitError as error:
                # The replacement is sent: a failed look must not look like a failed command.
                log.warning("%s: replaced order %s can't be read: %s", VENUE, row.id, error)
            else:
                if order.is_terminal:
                    return order
            await self._context.clock.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)
        return None

    def _learn_from(self, error: OrderRejectedError, market: Market) -> None:
        if error.code == FEE_TOO_LOW:
            self._session.forget_fees(market)

    async def _row(self, ref: OrderRef, market: Market) -> schema.Order:
        """Return the venue's row of an order: by its id, else the newest that bears ours, also among the closed."""
        if ref.venue_order_id is not None:
            rows = await self._found(lambda: self._by_id(str(ref.venue_order_id)))
            query: tuple[str, str | None] = ("id", ref.venue_order_id)
        else:
            rows = await self._found(lambda: self._rest.get_orders_by_external_id(str(ref.client_order_id)))
            query = ("externalId", ref.client_order_id)
        if not rows:
            # Whether the reads by id know closed orders is documented for neither of them.
            rows = await self._rest.get_orders_history([query], limit=endpoints.PAGE_SIZE, since=None, until=None)
        mine = [row for row in rows if row.market == market.symbol and _is_it(row, ref)]
        if not mine:
            name = ref.venue_order_id or ref.client_order_id
            msg = f"{VENUE} has no order {name} on {market.id}, open or closed"
            raise OrderNotFoundError(msg, venue=VENUE, operation="fetch_order", client_order_id=ref.client_order_id)
        return max(mine, key=lambda row: (row.created_time, decode.sequence(row.id)))

    async def _by_id(self, order_id: str) -> list[schema.Order]:
        return [await self._rest.get_order(order_id)]

    async def _found(self, read: Callable[[], Awaitable[list[schema.Order]]]) -> list[schema.Order]:
        try:
            return await read()
        except OrderNotFoundError:
            return []

    def _order(self, row: schema.Order, market: Market) -> Order:
        return decode_account.order(row, market, self._context.clock.now())

    async def _listed(self, rows: Sequence[schema.Order]) -> list[Order]:
        pairs = await self._context.markets.with_markets(rows, lambda row: row.market)
        return [self._order(row, market) for row, market in pairs]


def _is_immediate(intent: OrderIntent) -> bool:
    """A market order, or a limit order that never rests. One that waits for a trigger stands until then."""
    if intent.type.has_trigger:
        return False
    return intent.type is OrderType.MARKET or intent.time_in_force is TimeInForce.IOC


def _is_it(row: schema.Order, ref: OrderRef) -> bool:
    if ref.venue_order_id is not None:
        return str(row.id) == ref.venue_order_id
    return row.external_id == ref.client_order_id


def _venue_id(ref: OrderRef) -> str | None:
    return ref.venue_order_id


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _LONGEST_ID


def _preparing() -> AbstractContextManager[None]:
    """Hold the reads that an order is made of."""
    return before_sending("what it needs could not be read", venue=VENUE, also=(RateLimitError,))
