"""
What REST and WebSocket order entry have in common: from a request and whose it is to the exchange and back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from perpkit.sim.orders import CancelStatus, CloseReason, Order, OrderRequest, RequestRefusedError
from perpkit.sim.venues.paradex.auth import Session
from perpkit.sim.venues.paradex.errors import ApiError
from perpkit.sim.venues.paradex.orders import (
    MARKET_TYPES,
    check_account,
    check_freshness,
    check_signature,
    parse_modification,
    parse_order,
)
from perpkit.sim.venues.paradex.spec import check_body, unlisted_fields
from perpkit.sim.venues.paradex.wire_orders import refusal, side_text, to_request, wire_type

if TYPE_CHECKING:
    from perpkit.sim.venues.paradex.venue import Venue

MAX_BATCH = 10
_ORDER = "requests.OrderRequest"
_MODIFY = "requests.ModifyOrderRequest"


@dataclass(frozen=True, slots=True)
class Modified:
    """What became of a modification; ``refused`` says why the order stays as it was."""

    order: Order
    refused: CloseReason | None


@dataclass(frozen=True, slots=True)
class Canceled:
    """What the venue says to one cancel in its own words."""

    id: str | None
    client_id: str | None
    order: Order | None
    status: str


def check_order_body(venue: Venue, body: Any) -> dict[str, Any]:
    """
    Return the fields of a new order as the contract types them.

    Raises:
        ApiError: ``BINDING_ERROR`` or ``VALIDATION_ERROR``.
    """
    if isinstance(body, dict):
        for name in unlisted_fields(body, _ORDER):
            venue.note(f"POST /orders: {name!r} is not in the contract and was ignored")
        if not venue.settings.strict and body.get("type") in MARKET_TYPES and body.get("price") is None:
            venue.note("POST /orders: 'price' is required by the contract and was absent on a market order")
            body = {**body, "price": "0"}
    return check_body(body, _ORDER)


def admit(venue: Venue, session: Session, body: Mapping[str, Any]) -> OrderRequest:
    """
    Return the exchange's request for checked fields: market, rules, receive window, signature and nonce in order.

    Raises:
        ApiError: Any of them refuses it.
    """
    check_account(body, session)
    order = parse_order(body, venue.tradable(body["market"]))
    now_ms = venue.now_ms()
    check_freshness(body, now_ms)
    message = check_signature(body, session, venue.hasher)
    venue.nonces.use(session.address, order.timestamp_ms, message, now_ms)
    return to_request(order, session.address, interactive=session.usage == "interactive")


def submit(venue: Venue, request: OrderRequest) -> Order:
    """
    Hand an admitted order to the exchange; the answer is in state NEW.

    Raises:
        ApiError: The exchange refuses it at once.
    """
    try:
        return venue.exchange.submit(request)
    except RequestRefusedError as exc:
        raise refusal(exc.reason, exc.message) from exc


def admit_batch(venue: Venue, session: Session, bodies: Any) -> list[OrderRequest]:
    """
    Admit every order of a batch or none of them.

    Raises:
        ApiError: ``BATCH_SIZE_OUT_OF_RANGE``, or what is wrong with the first order that does not hold.
    """
    if not isinstance(bodies, list):
        raise ApiError("BINDING_ERROR", f"a batch is an array, not {type(bodies).__name__}")
    if not 1 <= len(bodies) <= MAX_BATCH:
        raise ApiError("BATCH_SIZE_OUT_OF_RANGE", f"{len(bodies)} orders; a batch has 1 to {MAX_BATCH}")
    requests = []
    for place, body in enumerate(bodies):
        try:
            requests.append(admit(venue, session, check_order_body(venue, body)))
        except ApiError as exc:
            raise ApiError(exc.code, f"order {place}: {exc.message}", status=exc.status) from exc
    return requests


def modify(venue: Venue, session: Session, body: Any, order_id: str) -> Modified:
    """
    Change price, size or trigger of an order.

    Raises:
        ApiError: The request does not hold, or the order is not there to be changed.
    """
    if isinstance(body, dict):
        for name in unlisted_fields(body, _MODIFY):
            venue.note(f"PUT /orders/{{order_id}}: {name!r} is not in the contract and was ignored")
    checked = check_body(body, _MODIFY)
    check_account(checked, session)
    if checked["id"] != order_id:
        raise ApiError("VALIDATION_ERROR", f"id: {checked['id']!r} is not the order that the path names")
    wanted = parse_modification(checked, venue.tradable(checked["market"]))
    order = venue.exchange.order(session.address, order_id)
    if order is None:
        raise ApiError("ORDER_ID_NOT_FOUND", f"no order {order_id!r}")
    if order.is_closed:
        raise ApiError("ORDER_IS_CLOSED", f"order {order_id} is closed")
    for name, is_, asked in (
        ("market", order.market, wanted.market),
        ("side", side_text(order.side), wanted.side),
        ("type", wire_type(order), wanted.type),
    ):
        if is_ != asked:
            raise ApiError("VALIDATION_ERROR", f"{name}: the order's is {is_}, and a modification does not change it")
    now_ms = venue.now_ms()
    check_freshness(checked, now_ms)
    message = check_signature(checked, session, venue.hasher, order_id=order_id)
    venue.nonces.use(session.address, checked["signature_timestamp"], message, now_ms)
    try:
        result = venue.exchange.amend(
            session.address,
            order_id,
            size=_changed(wanted.size, order.size),
            price=_changed(wanted.price, order.price) if order.type.has_price else None,
            trigger_price=_changed(wanted.trigger_price, order.trigger_price),
        )
    except RequestRefusedError as exc:
        raise refusal(exc.reason, exc.message) from exc
    return Modified(result.order, result.refused)


def cancel(venue: Venue, session: Session, order_id: str) -> Order:
    """
    Queue the cancellation of one order.

    Raises:
        ApiError: ``ORDER_ID_NOT_FOUND`` or ``ORDER_IS_CLOSED``.
    """
    outcome = _canceled(venue, session, order_id=order_id)
    if outcome.order is None:
        raise ApiError("ORDER_ID_NOT_FOUND", f"no order {order_id!r}")
    if outcome.status == "ALREADY_CLOSED":
        raise ApiError("ORDER_IS_CLOSED", f"order {order_id} is closed")
    return outcome.order


def cancel_by_client_id(venue: Venue, session: Session, client_id: str, market: str | None) -> Order:
    """
    Queue the cancellation of the open order of a client id.

    Raises:
        ApiError: ``CLIENT_ORDER_ID_NOT_FOUND`` or ``ORDER_IS_CLOSED``.
    """
    if market is not None:
        venue.listing(market)
    outcome = _canceled(venue, session, client_id=client_id, market=market)
    if outcome.order is None:
        raise ApiError("CLIENT_ORDER_ID_NOT_FOUND", f"no order with client id {client_id!r}")
    if outcome.status == "ALREADY_CLOSED":
        raise ApiError("ORDER_IS_CLOSED", f"order {outcome.order.id} of client id {client_id!r} is closed")
    return outcome.order


def cancel_batch(
    venue: Venue, session: Session, order_ids: Sequence[str], client_ids: Sequence[str] = ()
) -> list[Canceled]:
    """Queue cancellations one by one; each has its own outcome."""
    outcomes = [_canceled(venue, session, order_id=order_id) for order_id in order_ids]
    return outcomes + [_canceled(venue, session, client_id=client_id) for client_id in client_ids]


def cancel_all(venue: Venue, session: Session, market: str | None) -> list[Order]:
    """
    Queue the cancellation of every open order, or of those in one market.

    Raises:
        ApiError: No such market, or the venue is in maintenance.
    """
    if market is not None:
        venue.listing(market)
        if market not in {spec.symbol for spec in venue.exchange.markets()}:
            return []
    try:
        return venue.exchange.cancel_all(session.address, market)
    except RequestRefusedError as exc:
        raise refusal(exc.reason, exc.message) from exc


def _canceled(
    venue: Venue,
    session: Session,
    *,
    order_id: str | None = None,
    client_id: str | None = None,
    market: str | None = None,
) -> Canceled:
    try:
        if order_id is not None:
            result = venue.exchange.cancel(session.address, order_id)
        else:
            result = venue.exchange.cancel_by_client_id(session.address, client_id or "", market=market)
    except RequestRefusedError as exc:
        raise refusal(exc.reason, exc.message) from exc
    status = {
        CancelStatus.QUEUED: "QUEUED_FOR_CANCELLATION",
        CancelStatus.ALREADY_CLOSED: "ALREADY_CLOSED",
        CancelStatus.NOT_FOUND: "NOT_FOUND",
    }[result.status]
    return Canceled(order_id, client_id, result.order, status)


def _changed(asked: Decimal | None, present: Decimal | None) -> Decimal | None:
    """Return what to change to, or nothing if it is that already: a value sent again is no change."""
    return None if asked is None or asked == present else asked
