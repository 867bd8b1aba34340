"""
REST: placing, changing, canceling and listing orders.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perpkit.sim.orders import Order, OrderState
from perpkit.sim.venues.paradex import trading
from perpkit.sim.venues.paradex.errors import ApiError
from perpkit.sim.venues.paradex.gateway import Call, Reply, Route
from perpkit.sim.venues.paradex.paging import page
from perpkit.sim.venues.paradex.spec import check_body
from perpkit.sim.venues.paradex.wire_orders import modification_info, order_body, side_text, wire_type

if TYPE_CHECKING:
    from perpkit.sim.venues.paradex.venue import Venue

CREATED, NO_CONTENT = 201, 204


def place(venue: Venue, call: Call) -> Reply:
    """POST /orders: 201 with status NEW; risk checks come after."""
    body = trading.check_order_body(venue, call.body)
    order = trading.submit(venue, trading.admit(venue, call.session, body))
    return Reply(order_body(order, venue.now_ms()), CREATED)


def place_batch(venue: Venue, call: Call) -> Reply:
    """POST /orders/batch: all hold or none is queued; what the exchange refuses after that stands by itself."""
    orders: list[dict[str, Any]] = []
    errors: list[dict[str, Any]] = []
    for place_, request in enumerate(trading.admit_batch(venue, call.session, call.body)):
        try:
            orders.append(order_body(trading.submit(venue, request), venue.now_ms()))
        except ApiError as exc:
            errors.append({"error": exc.code, "message": f"order {place_}: {exc.message}"})
    return Reply({"orders": orders, "errors": errors}, CREATED)


def modify(venue: Venue, call: Call) -> Reply:
    """PUT /orders/{order_id}."""
    outcome = trading.modify(venue, call.session, call.body, call.path["order_id"])
    body = order_body(outcome.order, venue.now_ms())
    return Reply(body | {"request_info": modification_info(outcome.order, outcome.refused)})


def cancel(venue: Venue, call: Call) -> Reply:
    """DELETE /orders/{order_id}: 204 once the cancellation is queued."""
    trading.cancel(venue, call.session, call.path["order_id"])
    return Reply(status=NO_CONTENT)


def cancel_by_client_id(venue: Venue, call: Call) -> Reply:
    """DELETE /orders/by_client_id/{client_id}."""
    trading.cancel_by_client_id(venue, call.session, call.path["client_id"], call.query.get("market"))
    return Reply(status=NO_CONTENT)


def cancel_batch(venue: Venue, call: Call) -> Reply:
    """DELETE /orders/batch: an outcome for each id."""
    body = check_body(call.body, "requests.CancelOrderBatchRequest")
    ids, client_ids = body.get("order_ids", []), body.get("client_order_ids", [])
    if not ids and not client_ids:
        raise ApiError("VALIDATION_ERROR", "give order_ids, client_order_ids or both")
    outcomes = trading.cancel_batch(venue, call.session, ids, client_ids)
    return Reply({"results": [_cancel_result(outcome) for outcome in outcomes]})


def cancel_all(venue: Venue, call: Call) -> Reply:
    """DELETE /orders: 200 without a body."""
    trading.cancel_all(venue, call.session, call.query.get("market"))
    return Reply()


def fetch_open(venue: Venue, call: Call) -> Reply:
    """GET /orders: all that are not closed."""
    market = call.query.get("market")
    if market is not None and not venue.listing(market).trades:
        return Reply({"results": []})
    now_ms = venue.now_ms()
    orders = venue.exchange.open_orders(call.session.address, market)
    return Reply({"results": [order_body(order, now_ms) for order in orders]})


def fetch(venue: Venue, call: Call) -> Reply:
    """GET /orders/{order_id}: closed orders are not found here."""
    order = venue.exchange.order(call.session.address, call.path["order_id"])
    if order is None or order.is_closed:
        raise ApiError("ORDER_ID_NOT_FOUND", f"no open order {call.path['order_id']!r}")
    return Reply(order_body(order, venue.now_ms()))


def fetch_by_client_id(venue: Venue, call: Call) -> Reply:
    """GET /orders/by_client_id/{client_id}: only orders in status OPEN."""
    order = venue.exchange.order_by_client_id(call.session.address, call.path["client_id"])
    if order is None or order.state is not OrderState.OPEN:
        raise ApiError("CLIENT_ORDER_ID_NOT_FOUND", f"no open order with client id {call.path['client_id']!r}")
    return Reply(order_body(order, venue.now_ms()))


def fetch_history(venue: Venue, call: Call) -> Reply:
    """GET /orders-history: every order ever, newest first."""
    query, now_ms = call.query, venue.now_ms()
    market = query.get("market")
    if market is not None and not venue.listing(market).trades:
        orders: list[Order] = []
    else:
        orders = venue.exchange.orders(call.session.address, market=market, client_id=query.get("client_id"))
    chosen = [
        order
        for order in orders
        if ("side" not in query or side_text(order.side) == query["side"])
        and ("type" not in query or wire_type(order) == query["type"])
        and ("status" not in query or order.state.value.upper() == query["status"])
    ]
    return Reply(
        page(
            chosen,
            key=lambda order: (order.created_at_ms, int(order.id)),
            render=lambda order: order_body(order, now_ms),
            query=dict(query),
            listing=f"orders of {call.session.address}",
        )
    )


def _cancel_result(outcome: trading.Canceled) -> dict[str, Any]:
    """Return what is known: of an order that was not found, only what the client named it by."""
    if outcome.order is None:
        named = {"id": outcome.id, "client_id": outcome.client_id}
        return {name: value for name, value in named.items() if value is not None} | {"status": outcome.status}
    order = outcome.order
    return {
        "account": order.account_id,
        "client_id": order.client_id or "",
        "id": order.id,
        "market": order.market,
        "status": outcome.status,
    }


ROUTES = (
    Route("GET", "/orders", fetch_open, "read", "private"),
    Route("POST", "/orders", place, "trade", "orders", takes_body=True),
    Route("DELETE", "/orders", cancel_all, "trade", "orders"),
    Route("GET", "/orders-history", fetch_history, "read", "private"),
    Route("POST", "/orders/batch", place_batch, "trade", "orders", takes_body=True),
    Route("DELETE", "/orders/batch", cancel_batch, "trade", "orders", takes_body=True),
    Route("GET", "/orders/by_client_id/{client_id}", fetch_by_client_id, "read", "private"),
    Route("DELETE", "/orders/by_client_id/{client_id}", cancel_by_client_id, "trade", "orders"),
    Route("GET", "/orders/{order_id}", fetch, "read", "private"),
    Route("PUT", "/orders/{order_id}", modify, "trade", "orders", takes_body=True),
    Route("DELETE", "/orders/{order_id}", cancel, "trade", "orders"),
)
