"""
Order commands and reads: each encodes, calls and decodes. ``venue.py`` puts hooks on them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from perpkit.adapters.paradex import decode, decode_account, encode, endpoints, schema
from perpkit.adapters.paradex.config import VENUE
from perpkit.adapters.paradex.encode import Unsigned
from perpkit.adapters.paradex.errors import BAD_TIME, closing, venue_error
from perpkit.adapters.paradex.memory import OrderMemory
from perpkit.adapters.paradex.order_socket import OrderSocket, fits_socket
from perpkit.adapters.paradex.session import Session
from perpkit.core.before_sending import before_sending
from perpkit.core.context import VenueContext
from perpkit.core.errors import (
    CapabilityError,
    DecodeError,
    OrderNotFoundError,
    OrderRejectedError,
    OutcomeUnknownError,
    PerpkitError,
    RejectReason,
    VenueUnavailableError,
)
from perpkit.core.models import (
    CancelResult,
    CancelStatus,
    Market,
    Order,
    OrderAmendment,
    OrderIntent,
    OrderRef,
    VenueStatus,
)
from perpkit.core.outcome import order_outcome, unknown_for_each
from perpkit.core.transport.ratelimit import Priority
from perpkit.core.transport.redact import Redactor
from perpkit.core.windows import ceil_ms, orders_in_order

log = logging.getLogger(__name__)

_SERVER_ERROR = 500


class Orders:
    """
    The account's orders.

    Args:
        socket: Where commands go when the user chose so; None sends them over REST.
    """

    def __init__(
        self, session: Session, context: VenueContext, memory: OrderMemory, socket: OrderSocket | None
    ) -> None:
        self._session = session
        self._rest = session.rest
        self._context = context
        self._memory = memory
        self._socket = socket
        window_ms = session.settings.recv_window_ms
        self._recv_window = timedelta(milliseconds=window_ms) if window_ms is not None else None

    # Commands

    async def place(self, intent: OrderIntent) -> Order:
        """Send one order."""
        market = await self._context.markets.resolve(intent.market_id)
        unsigned = encode.new_order(intent, market, recv_window=self._recv_window)
        self._require_covered(unsigned, intent)
        await self._sign_in()
        body = await self._session.signed(unsigned)
        try:
            with order_outcome(venue=VENUE, operation="place_order", client_order_id=intent.client_order_id):
                return self._order(await self._create(body, intent.client_order_id), market)
        except VenueUnavailableError as error:
            raise await self._explained(error, intent.client_order_id) from error
        except OrderRejectedError as error:
            await self._follow_clock(error)
            raise

    async def place_many(self, intents: Sequence[OrderIntent]) -> list[Order | PerpkitError]:
        """Send several orders in one request."""
        markets = [await self._context.markets.resolve(intent.market_id) for intent in intents]
        unsigned = [
            encode.new_order(intent, market, recv_window=self._recv_window)
            for intent, market in zip(intents, markets, strict=True)
        ]
        for each, intent in zip(unsigned, intents, strict=True):
            self._require_covered(each, intent)
        await self._sign_in()
        bodies = [await self._session.signed(each) for each in unsigned]
        try:
            with order_outcome(venue=VENUE, operation="place_orders"):
                rows = await self._create_many(bodies)
                if len(rows) != len(intents):
                    raise DecodeError(f"{len(rows)} answers to {len(intents)} orders", venue=VENUE)
        except OutcomeUnknownError as error:
            return unknown_for_each(error, intents)
        except VenueUnavailableError as error:
            explained = await self._explained(error, None)
            if isinstance(explained, OutcomeUnknownError):
                return unknown_for_each(explained, intents)
            raise explained from error
        except OrderRejectedError as error:
            await self._follow_clock(error)
            raise
        results = [
            self._placed(row, intent, market) for row, intent, market in zip(rows, intents, markets, strict=True)
        ]
        return [
            await self._explained(each, each.client_order_id) if isinstance(each, VenueUnavailableError) else each
            for each in results
        ]

    async def amend(self, order: Order, amendment: OrderAmendment) -> Order:
        """Change an open order."""
        market = await self._context.markets.resolve(order.market_id)
        unsigned = encode.modification(order, amendment, market, kind=await self._wire_type(order, market))
        await self._sign_in()
        body = await self._session.signed(unsigned)
        try:
            with order_outcome(venue=VENUE, operation="amend_order", client_order_id=order.client_order_id):
                row = await self._modify(unsigned, body, order.client_order_id)
                changed = self._order(row, market)
                if row.request_info is not None:
                    _require_amended(row.request_info, self._context.redactor)
                elif not changed.is_terminal and not _shows(amendment, changed):
                    # The WebSocket's answer holds the order alone: as it was, where the change failed or still waits.
                    msg = "the answer shows the order as it was: the change was refused, or is not made yet; fetch it"
                    raise OutcomeUnknownError(msg, venue=VENUE)
                return changed
        except VenueUnavailableError as error:
            raise await self._explained(error, order.client_order_id) from error
        except OrderRejectedError as error:
            await self._follow_clock(error)
            raise

    async def cancel(self, ref: OrderRef) -> CancelResult:
        """Cancel one order; the venue queues it and the order's own update confirms it."""
        market = await self._context.markets.resolve(ref.market_id)
        await self._sign_in()
        with order_outcome(venue=VENUE, operation="cancel_order", client_order_id=ref.client_order_id):
            if self._socket is not None:
                params = {"id": ref.venue_order_id} if ref.venue_order_id else {
                    "client_id": ref.client_order_id, "market": market.symbol,
                }  # fmt: skip
                await self._socket.call(
                    "order.cancel",
                    params,
                    schema.CancelQueued,
                    operation="cancel_order",
                    is_order_command=False,
                    client_order_id=ref.client_order_id,
                    priority=Priority.CANCEL,
                )
            elif ref.venue_order_id is not None:
                await self._rest.delete_order(ref.venue_order_id)
            elif ref.client_order_id is not None:
                await self._rest.delete_order_by_client_id(ref.client_order_id, market.symbol)
        return CancelResult(order=ref, status=CancelStatus.REQUESTED)

    async def cancel_many(self, refs: Sequence[OrderRef]) -> list[CancelResult | PerpkitError]:
        """Cancel several orders, a batch at a time. Always over REST: the WebSocket's batch takes no ids of ours."""
        await self._sign_in()
        results: list[CancelResult | PerpkitError] = []
        for start in range(0, len(refs), endpoints.MAX_BATCH):
            batch = refs[start : start + endpoints.MAX_BATCH]
            ids = [ref.venue_order_id for ref in batch if ref.venue_order_id]
            ours = [ref.client_order_id for ref in batch if not ref.venue_order_id and ref.client_order_id]
            try:
                with order_outcome(venue=VENUE, operation="cancel_orders"):
                    rows = await self._rest.delete_orders_batch(ids, ours)
            except PerpkitError as error:
                # What earlier batches answered must not be lost with this one.
                results += [error] * len(batch)
                continue
            results += [_canceled(ref, rows) for ref in batch]
        return results

    async def cancel_all(self, market: Market | None) -> None:
        """Cancel every open order of one market, or of the account."""
        await self._sign_in()
        symbol = market.symbol if market is not None else None
        with order_outcome(venue=VENUE, operation="cancel_all_orders"):
            if self._socket is None:
                await self._rest.delete_orders(symbol)
                return
            await self._socket.call(
                "order.cancel_all",
                {"market": symbol} if symbol is not None else {},
                dict,
                operation="cancel_all_orders",
                is_order_command=False,
                priority=Priority.CANCEL,
            )

    # Reads

    async def fetch(self, ref: OrderRef) -> Order:
        """
        Return one order. The venue finds single orders only while they are open, so the history is looked through next.

        Raises:
            OrderNotFoundError: It is in neither.
        """
        market = await self._context.markets.resolve(ref.market_id)
        row = await self._find_open(ref) or await self._find_past(ref, market)
        if row is None:
            # Between the two reads it may have been entered; and the single reads leave out orders waiting to trigger.
            row = _pick(await self._rest.get_orders(market.symbol), ref)
        if row is None:
            name = ref.venue_order_id or ref.client_order_id
            msg = f"{VENUE} has no order {name} on {market.id}, open or past"
            raise OrderNotFoundError(msg, venue=VENUE, operation="fetch_order", client_order_id=ref.client_order_id)
        return self._order(row, market)

    async def fetch_open(self, market: Market | None) -> list[Order]:
        """Return every open order, those waiting for a trigger included."""
        rows = await self._rest.get_orders(market.symbol if market is not None else None)
        return [order for order in await self._listed(rows) if not order.is_terminal]

    async def fetch_history(
        self, market: Market | None, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[Order]:
        """Return orders created in [since, until), oldest first."""
        query = {"market": market.symbol if market is not None else None, **encode.window(since, until)}
        start = ceil_ms(since) if since is not None else None
        rows = await self._rest.get_orders_history(query, limit=limit, since=start)
        return orders_in_order(await self._listed(rows), since, until)

    # How

    async def _sign_in(self) -> None:
        """Have the signer and a token ready, so that what fails here is known to have sent nothing."""
        if self._session.tokens is None:
            return
        with before_sending("signing in failed", venue=VENUE):
            await self._session.tokens.token()

    def _require_covered(self, unsigned: Unsigned, intent: OrderIntent) -> None:
        """Refuse what cancel-on-disconnect would silently leave standing: it covers the socket's orders alone."""
        if self._session.settings.cancel_on_disconnect and not fits_socket(unsigned.body):
            msg = (
                f"{VENUE}'s order.create does not take this {intent.type} order or one of its options, so "
                "cancel_on_disconnect would not cover it; send it through a venue opened without cancel_on_disconnect"
            )
            raise CapabilityError(msg, venue=VENUE, operation="place_order", client_order_id=intent.client_order_id)

    async def _create(self, body: dict[str, Any], client_order_id: str | None) -> schema.Order:
        if self._socket is None or not fits_socket(body):
            return await self._rest.post_order(body)
        created = await self._socket.call(
            "order.create",
            body,
            schema.Created,
            operation="place_order",
            is_order_command=True,
            client_order_id=client_order_id,
        )
        return created.order

    async def _create_many(self, bodies: list[dict[str, Any]]) -> list[schema.Order | PerpkitError | None]:
        """Return for each order what the venue says of it: the order, a refusal, or None where it says nothing."""
        redactor = self._context.redactor
        if self._socket is not None and all(map(fits_socket, bodies)):
            answer = await self._socket.call(
                "order.create_batch",
                {"orders": bodies},
                schema.CreatedBatch,
                operation="place_orders",
                is_order_command=True,
            )
            said = [(item.order, redactor.text(item.error)) for item in answer.results]
            return [row or (_refused(error, error) if error else None) for row, error in said]
        return _aligned(await self._rest.post_orders_batch(bodies), bodies, redactor)

    async def _modify(self, unsigned: Unsigned, body: dict[str, Any], client_order_id: str | None) -> schema.Order:
        if self._socket is None or not fits_socket({key: body[key] for key in body if key != "id"}):
            return await self._rest.put_order(str(unsigned.order_id), body)
        changed = await self._socket.call(
            "order.modify",
            body,
            schema.Created,
            operation="amend_order",
            is_order_command=True,
            client_order_id=client_order_id,
        )
        return changed.order

    async def _wire_type(self, order: Order, market: Market) -> str | None:
        """Return the venue's own word for the order's type, asking only where the core's word leaves it open."""
        if order.venue_order_id is None or order.type not in encode.STOP_LOSS_TYPES or not order.reduce_only:
            return None
        known = self._memory.type(order.venue_order_id)
        if known is None:
            row = _pick(await self._rest.get_orders(market.symbol), order.ref)
            known = row.type if row is not None else None
        return known

    def _order(self, row: schema.Order, market: Market) -> Order:
        if row.market != market.symbol:
            raise DecodeError(f"order {row.id} is of {row.market}, asked was {market.symbol}", venue=VENUE)
        order = decode_account.order(row, market, self._context.clock.now())
        self._memory.remember(row.id, order.side, row.type)
        return order

    async def _listed(self, rows: Sequence[schema.Order]) -> list[Order]:
        pairs = await self._context.markets.with_markets(rows, lambda row: row.market)
        return [self._order(row, market) for row, market in pairs]

    def _placed(
        self, row: schema.Order | PerpkitError | None, intent: OrderIntent, market: Market
    ) -> Order | PerpkitError:
        try:
            with order_outcome(venue=VENUE, operation="place_orders", client_order_id=intent.client_order_id):
                if isinstance(row, PerpkitError):
                    raise row
                if row is None:
                    raise DecodeError("the batch was taken, and says nothing of this order", venue=VENUE)
                return self._order(row, market)
        except PerpkitError as error:
            return error

    async def _find_open(self, ref: OrderRef) -> schema.Order | None:
        try:
            if ref.venue_order_id is not None:
                return await self._rest.get_order(ref.venue_order_id)
            if ref.client_order_id is not None:
                return await self._rest.get_order_by_client_id(ref.client_order_id)
        except OrderNotFoundError:
            return None
        return None

    async def _find_past(self, ref: OrderRef, market: Market) -> schema.Order | None:
        if ref.client_order_id is not None:
            query = {"market": market.symbol, "client_id": ref.client_order_id}
            row = _pick(await self._rest.get_orders_history(query, limit=None, since=None), ref)
            if row is not None or ref.venue_order_id is None:
                return row
        # The history can't be asked for an id of the venue's.
        async for page in self._rest.pages_of_orders_history({"market": market.symbol}):
            if (row := _pick(page, ref)) is not None:
                return row
        return None

    async def _follow_clock(self, error: OrderRejectedError) -> None:
        """Compare clocks anew when the venue found an order's stamp out of its time, so that the next one is good."""
        if error.code != BAD_TIME:
            return
        try:
            await self._session.measure_clock()
        except PerpkitError as failure:
            log.warning("%s refused an order's time, and its clock can't be read: %s", VENUE, failure)

    async def _explained(self, error: VenueUnavailableError, client_order_id: str | None) -> PerpkitError:
        """
        Add the system's state to 'unavailable'. A 5xx that the state does not explain proves nothing of the order.
        """
        try:
            status: VenueStatus | None = decode.venue_status(await self._rest.get_system_state())
        except PerpkitError:
            status = None
        # Over the WebSocket, and for one order of a batch, there is no HTTP status: the code has to stand for it.
        is_server_failure = (error.status or 0) >= _SERVER_ERROR or error.code == "SERVICE_UNAVAILABLE"
        if is_server_failure and status in {VenueStatus.OK, None}:
            msg = f"it may have taken effect ({error.message}); resolve it, don't send it again"
            return OutcomeUnknownError(msg, venue=VENUE, operation=error.operation, client_order_id=client_order_id)
        state = f"; system state: {status}" if status is not None else ""
        return VenueUnavailableError(
            f"{error.message}{state}",
            code=error.code,
            status=error.status,
            data={"system_state": str(status)} if status is not None else None,
            venue=VENUE,
            operation=error.operation,
            client_order_id=client_order_id,
        )


def _require_amended(info: schema.RequestInfo, redactor: Redactor) -> None:
    """
    Look at what the venue says of an amendment beside the order, which stands as it was where the amendment failed.

    Raises:
        OrderRejectedError: It failed. The contract lists no statuses; its message is filled for failures only.
    """
    if info.message or "FAIL" in info.status.upper():
        word = redactor.text(info.message or info.status)
        reason = closing(word).reason or RejectReason.OTHER
        msg = f"the amendment was refused, the order stands as it was: {word}"
        raise OrderRejectedError(msg, reason=reason, code=word, venue=VENUE)


def _shows(amendment: OrderAmendment, order: Order) -> bool:
    asked = {name: getattr(amendment, name) for name in ("size", "price", "trigger_price")}
    return all(value is None or value == getattr(order, name) for name, value in asked.items())


def _refused(code: str, message: str) -> PerpkitError:
    word = code.split(":", 1)[0].strip()
    return venue_error(word, message, status=None, operation="place_orders", is_order_command=True)


def _aligned(
    answer: schema.BatchReply, bodies: Sequence[dict[str, Any]], redactor: Redactor
) -> list[schema.Order | PerpkitError | None]:
    """
    Put orders and errors beside the requests. Orders are found by our id; errors, which carry none, by their place:
    among all entries, or among those without an order.
    """
    by_id = {row.client_id: row for row in answer.orders or () if row is not None and row.client_id}
    errors = [item if item is not None and (item.error or item.message) else None for item in answer.errors or ()]
    found: list[schema.Order | PerpkitError | None] = [by_id.get(body.get("client_id", "")) for body in bodies]
    if len(errors) != len(bodies):
        told = iter([item for item in errors if item is not None])
        missing = sum(row is None for row in found)
        if sum(item is not None for item in errors) != missing:
            return found
        errors = [next(told) if row is None else None for row in found]
    return [
        _refused(redactor.text(error.error), redactor.text(error.message)) if row is None and error is not None else row
        for row, error in zip(found, errors, strict=True)
    ]


def _canceled(ref: OrderRef, rows: Sequence[schema.CancelResult]) -> CancelResult | PerpkitError:
    for row in rows:
        if (ref.venue_order_id and row.id == ref.venue_order_id) or (
            not ref.venue_order_id and row.client_id == ref.client_order_id
        ):
            status = decode_account.CANCEL_STATUSES.get(row.status)
            if status is not None:
                return CancelResult(order=ref, status=status)
            if row.status == "NOT_FOUND":
                msg = "no such open order; it may have been filled or canceled before"
                return OrderNotFoundError(msg, code=row.status, venue=VENUE, client_order_id=ref.client_order_id)
    msg = "the batch was taken, and says nothing readable of this order; fetch it"
    return OutcomeUnknownError(msg, venue=VENUE, operation="cancel_orders", client_order_id=ref.client_order_id)


def _pick(rows: Sequence[schema.Order], ref: OrderRef) -> schema.Order | None:
    """Return the wanted order; the newest where an id of ours was used again."""
    for row in rows:
        if ref.venue_order_id is not None and row.id == ref.venue_order_id:
            return row
        if ref.venue_order_id is None and row.client_id and row.client_id == ref.client_order_id:
            return row
    return None
