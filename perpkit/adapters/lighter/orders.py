"""
Order commands and reads: each encodes, sends or asks, and decodes. ``venue.py`` puts hooks on them.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from perpkit.adapters.lighter import decode_account as decode
from perpkit.adapters.lighter import encode, endpoints, schema
from perpkit.adapters.lighter.config import VENUE
from perpkit.adapters.lighter.decode import finite, moment
from perpkit.adapters.lighter.errors import reason_of
from perpkit.adapters.lighter.listings import Listings
from perpkit.adapters.lighter.order_ids import client_index, order_index
from perpkit.adapters.lighter.session import Session
from perpkit.adapters.lighter.signing import tx as codes
from perpkit.adapters.lighter.signing.tx import CancelAll, CreateOrder
from perpkit.adapters.lighter.transactions import Transactions, needed
from perpkit.core.clock import to_ms
from perpkit.core.context import VenueContext
from perpkit.core.errors import (
    ConfigError,
    DecodeError,
    InvalidOrderError,
    OrderNotFoundError,
    OrderRejectedError,
    OutcomeUnknownError,
    PerpkitError,
    RejectReason,
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
    Side,
    TimeInForce,
)
from perpkit.core.outcome import unknown_for_each
from perpkit.core.quantize import quantize_price
from perpkit.core.transport import loose_json
from perpkit.core.transport.ratelimit import Priority
from perpkit.core.windows import orders_in_order

log = logging.getLogger(__name__)

_ONE: Final = Decimal(1)
_HASHES_KEPT: Final = 20_000
_LEAST_AHEAD, _MOST_AHEAD = timedelta(minutes=5), timedelta(days=15)
"""How far ahead a cancel-all may be scheduled (lighter-go)."""


class Orders:
    """The account's orders."""

    def __init__(self, session: Session, context: VenueContext, listings: Listings, sender: Transactions) -> None:
        self._session = session
        self._ids = session.client_ids
        self._rest = session.rest
        self._context = context
        self._listings = listings
        self._sender = sender
        self._hashes: OrderedDict[int, str] = OrderedDict()

    # Commands

    async def place(self, intent: OrderIntent) -> Order:
        """Send one order."""
        tx = await self._encoded(intent, await self._context.markets.resolve(intent.market_id))
        await self._ids.claim([intent.client_order_id])
        return await self._place(intent, tx)

    async def place_many(self, intents: Sequence[OrderIntent]) -> list[Order | PerpkitError]:
        """
        Send several orders as one batch. The venue takes or refuses it whole; what becomes of each order is told by
        its own updates. A batch that is refused for one of its orders was not taken: then each goes by itself, so that
        the others are not refused with it.
        """
        txs = [await self._encoded(intent, await self._context.markets.resolve(intent.market_id)) for intent in intents]
        await self._ids.claim(intent.client_order_id for intent in intents)
        try:
            hashes = await self._sender.send(txs, operation="place_orders", is_order_command=True)
        except OutcomeUnknownError as error:
            return unknown_for_each(error, intents)
        except OrderRejectedError:
            return [await self._place_alone(intent, tx) for intent, tx in zip(intents, txs, strict=True)]
        return [self._taken(intent, tx, each) for intent, tx, each in zip(intents, txs, hashes, strict=True)]

    async def amend(self, order: Order, amendment: OrderAmendment) -> Order:
        """Change an open order, and return it once the sequencer has done so."""
        market, numbers = await self._context.markets.resolve(order.market_id), await self._numbers(order.ref)
        trigger = amendment.trigger_price or order.trigger_price
        worst = self._beyond(trigger, order.side, market) if trigger is not None else None
        tx = encode.modification(order, amendment, self._listings.of(market), worst=worst)
        hashes = await self._sender.send(
            [tx],
            operation="amend_order",
            concerning=numbers,
            client_order_id=order.client_order_id,
            is_order_command=True,
        )
        try:
            await self._sender.settled(hashes[0], operation="amend_order", client_order_id=order.client_order_id)
        except OrderRejectedError as error:
            error.message = f"{error.message}; the order stands as it was"
            raise
        return await self._amended(order, amendment)

    async def cancel(self, ref: OrderRef) -> CancelResult:
        """Cancel one order; the venue takes it, and the order's own update confirms it."""
        market, numbers = await self._context.markets.resolve(ref.market_id), await self._numbers(ref)
        await self._sender.send(
            [encode.cancel(ref, self._listings.of(market))],
            operation="cancel_order",
            concerning=numbers,
            client_order_id=ref.client_order_id,
            priority=Priority.CANCEL,
        )
        return CancelResult(order=ref, status=CancelStatus.REQUESTED)

    async def cancel_many(self, refs: Sequence[OrderRef]) -> list[CancelResult | PerpkitError]:
        """Cancel several orders, a batch at a time; one by one where a batch is refused for one that is gone."""
        results: list[CancelResult | PerpkitError] = []
        for start in range(0, len(refs), endpoints.MAX_BATCH):
            batch = refs[start : start + endpoints.MAX_BATCH]
            try:
                results += await self._cancel_batch(batch)
            except OrderNotFoundError as error:
                results += [await self._cancel_alone(ref) for ref in batch] if len(batch) > 1 else [error]
            except PerpkitError as error:
                # What earlier batches answered must not be lost with this one.
                results += [error] * len(batch)
        return results

    async def cancel_all(self, market: Market | None) -> None:
        """Cancel every open order of one market, or of the account; returns once the sequencer has done so."""
        index = self._listings.of(market).index if market is not None else endpoints.ALL_MARKETS
        await self._carried_out(CancelAll(market=index), "cancel_all_orders")

    async def set_dead_man_switch(self, after: timedelta | None) -> None:
        """
        Schedule a cancel of all orders, in place of one that is scheduled already; None only takes that off.

        Raises:
            ConfigError: Less than 5 minutes or more than 15 days ahead.
        """
        operation = "set_dead_man_switch"
        if after is not None and not _LEAST_AHEAD <= after <= _MOST_AHEAD:
            msg = f"after={after}: {VENUE} schedules a cancel of all orders 5 minutes to 15 days ahead"
            raise ConfigError(msg, venue=VENUE, operation=operation)
        # One at a time may stand (21712), and whether one does is told nowhere else. Nothing says that the API lets a
        # batch through that takes one off and sets another, so they go one after the other.
        if (await self._session.account()).cancel_all_time:
            await self._carried_out(CancelAll(time_in_force=codes.CANCEL_ALL_ABORT), operation)
        if after is not None:
            at = to_ms(self._session.now() + after)
            await self._carried_out(CancelAll(time_in_force=codes.CANCEL_ALL_SCHEDULED, time=at), operation)

    async def _carried_out(self, tx: CancelAll, operation: str) -> None:
        hashes = await self._sender.send([tx], operation=operation, priority=Priority.CANCEL)
        await self._sender.settled(hashes[0], operation=operation)

    # Reads

    async def fetch(self, ref: OrderRef) -> Order:
        """
        Return one order: by our id, among those that stand, among those that are over; failing that, from the
        transaction that was to make it.

        Raises:
            OrderNotFoundError: It is in none of them.
        """
        market = await self._context.markets.resolve(ref.market_id)
        numbers = await self._numbers(ref)
        row = await self._find(ref, market)
        if row is not None:
            self._ids.note(row.client_order_index, ref.client_order_id)
            return self._order(row, market)
        refused = await self._refused(numbers[-1], market) if ref.client_order_id is not None else None
        if refused is not None:
            return refused
        name = ref.venue_order_id or ref.client_order_id
        msg = f"{VENUE} has no order {name} on {market.id}, open or of the last 24 hours"
        raise OrderNotFoundError(msg, venue=VENUE, operation="fetch_order", client_order_id=ref.client_order_id)

    async def fetch_open(self, market: Market | None) -> list[Order]:
        """Return every open order, those waiting for a trigger included."""
        index = self._listings.of(market).index if market is not None else endpoints.ALL_MARKETS
        rows = await self._rest.get_active_orders(await self._session.account_index(), index)
        return [order for order in await self._listed(rows) if not order.is_terminal]

    async def fetch_history(
        self, market: Market | None, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[Order]:
        """
        Return orders that are over and were created in [since, until), oldest first: of the last 24 hours and at most
        1,000, which is what the venue keeps.
        """
        rows: list[schema.Order] = []
        async for page in self._inactive(market):
            rows += page
            # They come in the order in which they ended, so those created in a period may be on any page.
            if since is None and until is None and limit is not None and len(rows) >= limit:
                break
        orders = orders_in_order(await self._listed(rows), since, until)
        return orders[-limit:] if limit is not None else orders

    # How

    async def _encoded(self, intent: OrderIntent, market: Market) -> CreateOrder:
        worst = None
        if intent.type is OrderType.MARKET:
            worst = await self._worst_at_market(intent, market)
        elif intent.trigger_price is not None:
            worst = self._beyond(intent.trigger_price, intent.side, market)
        return encode.new_order(
            intent,
            self._listings.of(market),
            now=self._session.now(),
            life=self._session.settings.order_life,
            worst=worst,
        )

    async def _worst_at_market(self, intent: OrderIntent, market: Market) -> Decimal:
        """Return the bound of a market order, which this venue has none without."""
        with needed("the best quote could not be read"):
            book = await self._rest.get_order_book_orders(self._listings.of(market).index, 1)
            buying = intent.side is Side.BUY
            quotes = book.asks if buying else book.bids
            if not quotes:
                side = "asks" if buying else "bids"
                msg = f"{market.id} has no {side} now, so a market order can't be bounded; send a limit order"
                raise InvalidOrderError(msg, venue=VENUE, client_order_id=intent.client_order_id)
            best = finite(quotes[0].price, "best quote")
            if best <= 0:
                raise DecodeError(f"best quote: {best} is no price", venue=VENUE)
            return self._beyond(best, intent.side, market)

    def _beyond(self, price: Decimal, side: Side, market: Market) -> Decimal:
        worst = price * (_ONE + self._session.settings.market_slippage * side.sign)
        return quantize_price(worst, market, side, passive=True)

    def _taken(self, intent: OrderIntent, tx: CreateOrder, tx_hash: str) -> Order:
        """Return an order that the API took: nothing is known of it but that."""
        if tx.client_index:
            self._hashes[tx.client_index] = tx_hash
            if len(self._hashes) > _HASHES_KEPT:
                self._hashes.popitem(last=False)
        return intent.as_order(
            OrderStatus.PENDING,
            ts_received=self._context.clock.now(),
            time_in_force=intent.time_in_force if intent.type.has_price else TimeInForce.IOC,
            expires_at=moment(tx.expiry),
        )

    async def _amended(self, order: Order, amendment: OrderAmendment) -> Order:
        """Return an order that was amended, as the venue shows it; what its reads lag behind is filled in."""
        asked = {name: getattr(amendment, name) for name in ("size", "price", "trigger_price")}
        changes = {name: value for name, value in asked.items() if value is not None}
        try:
            shown = await self.fetch(order.ref)
        except PerpkitError as error:
            log.warning("%s carried an amendment out, and the order can't be read: %s", VENUE, error)
            shown = order
        return shown if shown.is_terminal else shown.replace(**changes)

    async def _place(self, intent: OrderIntent, tx: CreateOrder) -> Order:
        hashes = await self._sender.send(
            [tx],
            operation="place_order",
            concerning=[tx.client_index],
            client_order_id=intent.client_order_id,
            is_order_command=True,
        )
        return self._taken(intent, tx, hashes[0])

    async def _place_alone(self, intent: OrderIntent, tx: CreateOrder) -> Order | PerpkitError:
        try:
            return await self._place(intent, tx)
        except PerpkitError as error:
            return error

    async def _cancel_batch(self, refs: Sequence[OrderRef]) -> list[CancelResult | PerpkitError]:
        txs = [
            encode.cancel(ref, self._listings.of(await self._context.markets.resolve(ref.market_id))) for ref in refs
        ]
        numbers = [number for ref in refs for number in await self._numbers(ref)]
        await self._sender.send(txs, operation="cancel_orders", concerning=numbers, priority=Priority.CANCEL)
        return [CancelResult(order=ref, status=CancelStatus.REQUESTED) for ref in refs]

    async def _cancel_alone(self, ref: OrderRef) -> CancelResult | PerpkitError:
        try:
            return await self.cancel(ref)
        except PerpkitError as error:
            return error

    async def _numbers(self, ref: OrderRef) -> list[int]:
        """
        Return the numbers that an order goes by, the exchange's first.

        Raises:
            InvalidOrderError: An id has not the venue's form, or the only one stands for another order.
        """
        if ref.venue_order_id is None:
            return [await self._ids.number_of(ref.client_order_id)]
        # The exchange's own number leaves no doubt which order is meant.
        ours = [client_index(ref.client_order_id)] if ref.client_order_id is not None else []
        return [order_index(ref.venue_order_id), *ours]

    async def _find(self, ref: OrderRef, market: Market) -> schema.Order | None:
        account = await self._session.account_index()
        index = self._listings.of(market).index
        if ref.client_order_id is not None:
            rows = await self._rest.get_account_orders(account, client_index(ref.client_order_id))
            if (found := _pick(rows, ref, index)) is not None:
                return found
        if (found := _pick(await self._rest.get_active_orders(account, index), ref, index)) is not None:
            return found
        async for page in self._inactive(market):
            if (found := _pick(page, ref, index)) is not None:
                return found
        return None

    async def _refused(self, client: int, market: Market) -> Order | None:
        """Return an order that became none, from the transaction that this object sent for it."""
        tx_hash = self._hashes.get(client)
        row = await self._rest.get_tx(tx_hash) if tx_hash is not None else None
        return self.refused_order(row, market) if row is not None else None

    def refused_order(self, row: schema.Tx, market: Market | None = None) -> Order | None:
        """
        Return the order that a transaction was to make and the sequencer refused to; None for anything else.

        An id that another order bears already is refused too: what goes by that id is the other order, which stands, so
        nothing is told of the one refused.

        Args:
            market: The market that it has to be of; None for any that is held.
        """
        if row.type != CreateOrder.CODE or row.status == decode.TX_PENDING:
            return None
        words = self._context.redactor.text(self._sender.application_error(row))
        if row.status != decode.TX_FAILED and not words:
            return None
        if reason_of(words) is RejectReason.DUPLICATE_CLIENT_ID:
            log.warning("%s refused an order whose client order id another one bears (%s)", VENUE, row.hash)
            return None
        info = loose_json.read(
            schema.CreateOrderInfo, row.info, what="tx info", venue=VENUE, redactor=self._context.redactor
        )
        listed = self._listings.held(info.market_index)
        if listed is None or (market is not None and listed.id != market.id):
            return None
        return decode.refused_order(
            info,
            listed,
            self._listings.of(listed),
            self._context.clock.now(),
            error=words,
            at=moment(row.executed_at),
            named=self._ids.text_of,
        )

    def _order(self, row: schema.Order, market: Market) -> Order:
        life = self._session.settings.order_life
        return decode.order(row, market, self._context.clock.now(), life=life, named=self._ids.text_of)

    async def _listed(self, rows: Sequence[schema.Order]) -> list[Order]:
        await self._ids.refresh()
        pairs = await self._listings.with_markets(rows, lambda row: row.market_index)
        return [self._order(row, market) for row, market in pairs]

    async def _inactive(self, market: Market | None) -> AsyncIterator[list[schema.Order]]:
        index = self._listings.of(market).index if market is not None else endpoints.ALL_MARKETS
        seen = 0
        async for page in self._rest.pages_of_inactive_orders(await self._session.account_index(), index):
            yield page
            seen += len(page)
            if seen >= endpoints.INACTIVE_KEPT:
                return


def _pick(rows: Sequence[schema.Order], ref: OrderRef, market_index: int) -> schema.Order | None:
    """Return the wanted order; the newest where an id of ours was used again."""
    wanted = [row for row in rows if row.market_index == market_index]
    if ref.venue_order_id is not None:
        wanted = [row for row in wanted if str(row.order_index) == ref.venue_order_id]
    else:
        wanted = [row for row in wanted if row.client_order_index == client_index(ref.client_order_id)]
    return max(wanted, key=lambda row: (row.created_at, row.transaction_time), default=None)
