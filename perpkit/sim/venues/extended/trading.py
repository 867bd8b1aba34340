"""
Order entry: from a request and whose it is to the exchange and back.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from perpkit.sim.markets import SystemStatus
from perpkit.sim.money import ZERO
from perpkit.sim.orders import CancelStatus, Order, OrderState, RequestRefusedError
from perpkit.sim.venues.extended import rules
from perpkit.sim.venues.extended.accounts import LocalAccount
from perpkit.sim.venues.extended.errors import ApiError, Code
from perpkit.sim.venues.extended.fields import Fields
from perpkit.sim.venues.extended.listing import Listing
from perpkit.sim.venues.extended.orders import ParsedOrder, Parser
from perpkit.sim.venues.extended.venue import BUILDER_FEE_CAP
from perpkit.sim.venues.extended.wire_orders import refusal, to_request

if TYPE_CHECKING:
    from perpkit.sim.venues.extended.venue import Venue

MASS_CANCEL = ("orderIds", "externalOrderIds", "markets", "cancelAll")


def place(venue: Venue, account: LocalAccount, body: Any, *, rfq: bool = False) -> Order:
    """
    Take an order in, or put it in the place of another; the answer says no more than that it was taken.

    Raises:
        ApiError: The gateway refuses it; nothing has changed.
    """
    _check_mode(venue)
    order = Parser(strict=venue.settings.strict, note=venue.note).parse(body)
    listing = _tradable(venue, order, rfq=rfq)
    rules.check_market_rules(venue, order, listing)
    rules.check_fee(venue, account, order, BUILDER_FEE_CAP)
    message = rules.check_signatures(venue, account, order, listing)
    replaced = _replaced(venue, account, order)
    rules.check_account_limits(venue, account, order, listing, replaced)
    position = venue.exchange.position(account.account_id, order.market)
    request = to_request(order, account.account_id, position.size if position is not None else ZERO)
    if message is not None:
        venue.spend(message)
    try:
        if replaced is not None:
            return venue.exchange.replace(account.account_id, replaced.id, request)
        return venue.exchange.submit(request)
    except RequestRefusedError as exc:
        raise refusal(exc.reason, exc.message) from exc


def cancel(venue: Venue, account: LocalAccount, order_id: str) -> None:
    """
    Queue the cancellation of an order. One that is over is taken too: the answer says nothing of the order's state.

    Raises:
        ApiError: 1142 for an order that the account never had, or a mode that takes no cancels.
    """
    try:
        outcome = venue.exchange.cancel(account.account_id, order_id)
    except RequestRefusedError as exc:
        raise refusal(exc.reason, exc.message) from exc
    if outcome.status is CancelStatus.NOT_FOUND:
        raise not_found(f"no order {order_id!r}")


def cancel_by_external_id(venue: Venue, account: LocalAccount, external_id: str) -> None:
    """
    Queue the cancellation of the order of an external id.

    Raises:
        ApiError: 1142 if the account never had one.
    """
    try:
        outcome = venue.exchange.cancel_by_client_id(account.account_id, external_id)
    except RequestRefusedError as exc:
        raise refusal(exc.reason, exc.message) from exc
    if outcome.status is CancelStatus.NOT_FOUND:
        raise not_found(f"no order with external id {external_id!r}")


def mass_cancel(venue: Venue, account: LocalAccount, body: Any) -> None:
    """
    Queue cancellations: of everything with ``cancelAll`` true, whatever else is given; else of what any filter names.

    Raises:
        ApiError: 400 when nothing is asked for, or a market is unknown.
    """
    fields = Fields(body, "the body", MASS_CANCEL, strict=venue.settings.strict, note=venue.note, code=400)
    wants_all = fields.flag("cancelAll")
    ids, external_ids = set(fields.texts("orderIds", numbers=True)), set(fields.texts("externalOrderIds"))
    markets = set(fields.texts("markets"))
    if not (wants_all or ids or external_ids or markets):
        raise fields.refusal(f"give at least one of {', '.join(MASS_CANCEL)}")
    for symbol in sorted(markets):
        venue.listing(symbol)
    try:
        if wants_all:
            venue.exchange.cancel_all(account.account_id)
            return
        for order in venue.exchange.open_orders(account.account_id):
            if order.id in ids or order.client_id in external_ids or order.market in markets:
                venue.exchange.cancel(account.account_id, order.id)
    except RequestRefusedError as exc:
        raise refusal(exc.reason, exc.message) from exc


def arm_dead_man_switch(venue: Venue, account: LocalAccount, countdown_s: int) -> None:
    """Cancel everything when so many seconds have passed, unless told anew; 0 disarms."""
    venue.exchange.set_dead_man_switch(account.account_id, timedelta(seconds=countdown_s) if countdown_s else None)


def not_found(debug: str) -> ApiError:
    """Return the refusal for an order that there is not."""
    return ApiError(Code.ORDER_NOT_FOUND, "Order not found", debug=debug)


def _check_mode(venue: Venue) -> None:
    """In maintenance nothing is even looked at; the other modes depend on the order and are the exchange's."""
    if venue.exchange.system_status is SystemStatus.MAINTENANCE:
        raise ApiError(Code.MAINTENANCE_MODE, "Exchange is in maintenance mode")


def _tradable(venue: Venue, order: ParsedOrder, *, rfq: bool) -> Listing:
    listing = venue.listing(order.market)
    if not listing.trades or venue.status(listing) in {"DISABLED", "DELISTED"}:
        raise ApiError(Code.MARKET_DISABLED, "Market is disabled", debug=f"{order.market} takes no orders")
    if listing.is_rfq != rfq:
        path = "/user/order/rfq" if listing.is_rfq else "/user/order"
        raise ApiError(
            Code.NOT_ALLOWED_ORDER_TYPE, "Not allowed order type", debug=f"orders of {order.market} go to {path}"
        )
    if order.is_rfq_priced and (order.type != "MARKET" or not rfq):
        raise ApiError(
            Code.INVALID_ORDER_PARAMETERS,
            "Invalid order parameters",
            debug="rfqStartPrice: only for MARKET orders of markets with quotes on request",
        )
    return listing


def _replaced(venue: Venue, account: LocalAccount, order: ParsedOrder) -> Order | None:
    """Return the open order that ``cancelId``, an EXTERNAL id, names."""
    if order.cancel_id is None:
        return None
    found = venue.exchange.order_by_client_id(account.account_id, order.cancel_id)
    if found is None or found.market != order.market:
        raise ApiError(
            Code.ORDER_NOT_FOUND,
            "Edit order not found",
            debug=f"cancelId {order.cancel_id!r} is the external id of no open order in {order.market}",
        )
    if found.triggered_at_ms is not None and found.state is not OrderState.UNTRIGGERED:
        raise ApiError(
            Code.ACTION_NOT_ALLOWED, "Action is not allowed", debug="an order that was triggered can't be replaced"
        )
    return found
