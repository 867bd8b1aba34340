"""
REST: placing, canceling and listing orders.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from perpkit.sim.orders import Order, Side
from perpkit.sim.venues.extended import trading
from perpkit.sim.venues.extended.gateway import Call, Reply, Route
from perpkit.sim.venues.extended.paging import page
from perpkit.sim.venues.extended.query import CURSOR, LIMIT, MARKETS, ORDER_SIDE, Param
from perpkit.sim.venues.extended.wire_orders import order_body

if TYPE_CHECKING:
    from perpkit.sim.venues.extended.venue import Venue

KEPT_UNFILLED_MS = 7 * 24 * 3_600_000
"""How long an order that ended without a fill can be seen."""

_OPEN_TYPES = ("LIMIT", "CONDITIONAL", "TPSL", "TWAP")


def place(venue: Venue, call: Call) -> Reply:
    """POST /user/order: taken, not decided on."""
    return _placed(trading.place(venue, call.account, call.body))


def place_rfq(venue: Venue, call: Call) -> Reply:
    """POST /user/order/rfq: the same for markets with quotes on request."""
    return _placed(trading.place(venue, call.account, call.body, rfq=True))


def cancel(venue: Venue, call: Call) -> Reply:
    """DELETE /user/order/{id}."""
    trading.cancel(venue, call.account, call.path["id"])
    return Reply(has_data=False)


def cancel_by_external_id(venue: Venue, call: Call) -> Reply:
    """DELETE /user/order?externalId=…"""
    trading.cancel_by_external_id(venue, call.account, call.query.get("externalId", ""))
    return Reply(has_data=False)


def mass_cancel(venue: Venue, call: Call) -> Reply:
    """POST /user/order/massCancel."""
    trading.mass_cancel(venue, call.account, call.body)
    return Reply({})


def arm_dead_man_switch(venue: Venue, call: Call) -> Reply:
    """POST /user/deadmanswitch: 200 with an empty body."""
    trading.arm_dead_man_switch(venue, call.account, call.query.get("countdownTime", 0))
    return Reply(is_empty=True)


def fetch_open(venue: Venue, call: Call) -> Reply:
    """GET /user/orders: not over; not paged."""
    return Reply([order_body(o) for o in _chosen(venue, call, venue.exchange.open_orders(call.account.account_id))])


def fetch_history(venue: Venue, call: Call) -> Reply:
    """GET /user/orders/history: over; newest first by id, or by their last change."""
    query = call.query
    orders = [
        order
        for order in _chosen(venue, call, venue.exchange.orders(call.account.account_id))
        if order.is_closed
        and _is_kept(venue, order)
        and ("id" not in query or int(order.id) in query["id"])
        and ("externalId" not in query or order.client_id in query["externalId"])
    ]
    by_change = query.get("sort") == "UPDATED_AT"
    orders.sort(key=lambda order: (order.updated_at_ms if by_change else 0, int(order.id)), reverse=True)
    return Reply(envelope=page(orders, cursor_of=lambda order: int(order.id), render=order_body, query=dict(query)))


def fetch_one(venue: Venue, call: Call) -> Reply:
    """GET /user/orders/{id}."""
    order = venue.exchange.order(call.account.account_id, call.path["id"])
    if order is None or not _is_kept(venue, order):
        raise trading.not_found(f"no order {call.path['id']!r}")
    return Reply(order_body(order))


def fetch_by_external_id(venue: Venue, call: Call) -> Reply:
    """GET /user/orders/external/{externalId}: an array, as an id may have been used again; empty if never."""
    orders = venue.exchange.orders(call.account.account_id, client_id=call.path["externalId"])
    return Reply([order_body(order) for order in reversed(orders) if _is_kept(venue, order)])


def _placed(order: Order) -> Reply:
    return Reply({"id": int(order.id), "externalId": order.client_id})


def _is_kept(venue: Venue, order: Order) -> bool:
    is_recent = order.updated_at_ms >= venue.now_ms() - KEPT_UNFILLED_MS
    return not order.is_closed or bool(order.filled_size) or is_recent


def _chosen(venue: Venue, call: Call, orders: list[Order]) -> list[Order]:
    query = call.query
    markets = None
    if "market" in query:
        markets = {venue.listing(symbol).symbol for symbol in query["market"]}
    return [
        order
        for order in orders
        if (markets is None or order.market in markets)
        and ("side" not in query or order.side is Side(query["side"].lower()))
        and query.get("type") in {None, order.meta.get("type", "MARKET")}
    ]


ROUTES = (
    Route("GET", "/user/orders", fetch_open, (MARKETS, Param("type", enum=_OPEN_TYPES), ORDER_SIDE)),
    Route(
        "GET",
        "/user/orders/history",
        fetch_history,
        (
            Param("id", "int", repeats=True),
            Param("externalId", repeats=True),
            MARKETS,
            Param("type", enum=("LIMIT", "MARKET", "CONDITIONAL", "TPSL", "TWAP")),
            ORDER_SIDE,
            CURSOR,
            LIMIT,
            Param("sort", enum=("ID", "UPDATED_AT")),
        ),
    ),
    Route("GET", "/user/orders/external/{externalId}", fetch_by_external_id),
    Route("GET", "/user/orders/{id}", fetch_one),
    Route("POST", "/user/order", place, takes_body=True),
    Route("DELETE", "/user/order", cancel_by_external_id, (Param("externalId", required=True),)),
    Route("POST", "/user/order/rfq", place_rfq, takes_body=True),
    Route("POST", "/user/order/massCancel", mass_cancel, takes_body=True),
    Route("DELETE", "/user/order/{id}", cancel),
    Route(
        "POST",
        "/user/deadmanswitch",
        arm_dead_man_switch,
        (Param("countdownTime", "int", required=True, minimum=0),),
    ),
)
