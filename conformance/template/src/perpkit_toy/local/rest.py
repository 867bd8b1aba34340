"""The REST routes: each a function of the exchange, the account and what was asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from perpkit.sim.exchange import Exchange
from perpkit.sim.orders import (
    CancelStatus,
    Order,
    OrderRequest,
    OrderType,
    RefusalReason,
    RequestRefusedError,
    Side,
    TimeInForce,
)

from perpkit_toy.local import wire
from perpkit_toy.local.doorman import RefusedError

PAGE = 100

REFUSALS: Mapping[RefusalReason, tuple[int, str]] = {
    RefusalReason.UNKNOWN_MARKET: (404, "unknown_market"),
    RefusalReason.UNKNOWN_ORDER: (404, "unknown_order"),
    RefusalReason.DUPLICATE_CLIENT_ID: (409, "duplicate_client_id"),
    RefusalReason.MARKET_NOT_OPEN: (409, "market_closed"),
    RefusalReason.MARKET_POST_ONLY: (409, "market_closed"),
    RefusalReason.MARKET_CANCEL_ONLY: (409, "market_closed"),
    RefusalReason.SYSTEM_MAINTENANCE: (503, "maintenance"),
    RefusalReason.SYSTEM_CANCEL_ONLY: (503, "cancel_only"),
    RefusalReason.SYSTEM_POST_ONLY: (503, "post_only"),
}
"""Any other reason is a ``bad_order``."""


@dataclass(frozen=True, slots=True)
class Call:
    """What was asked; ``account`` is empty for public routes."""

    exchange: Exchange
    account: str
    query: Mapping[str, str]
    path: Mapping[str, str]
    body: Mapping[str, Any]


Handler = Callable[[Call], dict[str, Any]]


def refused(error: RequestRefusedError) -> RefusedError:
    """Return the venue's words for a refusal of the exchange."""
    status, code = REFUSALS.get(error.reason, (400, "bad_order"))
    return RefusedError(status, code, error.message)


def _status(call: Call) -> dict[str, Any]:
    return {"status": call.exchange.system_status.value, "time": call.exchange.clock.now_ms()}


def _markets(call: Call) -> dict[str, Any]:
    spot = {"symbol": "USDT_USDC", "kind": "spot", "base": "USDT", "quote": "USDC"}
    return {"rows": [*(wire.market(spec) for spec in call.exchange.markets()), spot]}


def _tickers(call: Call) -> dict[str, Any]:
    exchange = call.exchange
    chosen = [call.query["symbol"]] if "symbol" in call.query else [spec.symbol for spec in exchange.markets()]
    return {"rows": [wire.ticker(exchange.stats(symbol), exchange.funding(symbol)) for symbol in chosen]}


def _book(call: Call) -> dict[str, Any]:
    return wire.book(call.exchange.book(call.query["symbol"], int(call.query.get("depth", 100))))


def _trades(call: Call) -> dict[str, Any]:
    since_ms, until_ms = _period(call)
    return _page(call, call.exchange.trades(call.query["symbol"], since_ms=since_ms, until_ms=until_ms), wire.trade)


def _funding_history(call: Call) -> dict[str, Any]:
    since_ms, until_ms = _period(call)
    rows = call.exchange.funding_history(call.query["symbol"], since_ms=since_ms, until_ms=until_ms)
    return _page(call, rows, wire.funding)


def _account(call: Call) -> dict[str, Any]:
    return wire.account(call.exchange.account(call.account))


def _balances(call: Call) -> dict[str, Any]:
    summary = call.exchange.account(call.account)
    others = [
        {"asset": each.asset, "total": wire.text(each.size), "sequence": each.sequence, "time": each.updated_at_ms}
        for each in call.exchange.balances(call.account)
        if each.asset != summary.settle_asset
    ]
    return {"rows": [wire.balance(summary), *others]}


def _positions(call: Call) -> dict[str, Any]:
    return {"rows": [wire.position(row) for row in call.exchange.positions(call.account)]}


def _fees(call: Call) -> dict[str, Any]:
    symbols = [spec.symbol for spec in call.exchange.markets()]
    return {"rows": [wire.fees(symbol, call.exchange.fee_rates(call.account, symbol)) for symbol in symbols]}


def _fills(call: Call) -> dict[str, Any]:
    since_ms, until_ms = _period(call)
    rows = call.exchange.fills(call.account, market=call.query.get("symbol"), since_ms=since_ms, until_ms=until_ms)
    return _page(call, rows, wire.fill)


def _payments(call: Call) -> dict[str, Any]:
    symbol, (since_ms, until_ms) = call.query.get("symbol"), _period(call)
    rows = call.exchange.funding_payments(call.account, market=symbol, since_ms=since_ms, until_ms=until_ms)
    return _page(call, rows, wire.payment)


def _open_orders(call: Call) -> dict[str, Any]:
    return {"rows": [wire.order(row) for row in call.exchange.open_orders(call.account, call.query.get("symbol"))]}


def _orders_history(call: Call) -> dict[str, Any]:
    since_ms, until_ms = _period(call)
    rows = call.exchange.orders(call.account, market=call.query.get("symbol"), since_ms=since_ms, until_ms=until_ms)
    return _page(call, rows, wire.order)


def _find(call: Call) -> Order:
    if "order_id" in call.path:
        order = call.exchange.order(call.account, call.path["order_id"])
    else:
        order = call.exchange.order_by_client_id(call.account, call.path["client_id"], open_only=False)
    if order is None:
        raise RefusedError(404, "unknown_order", "this account never had such an order")
    return order


def _order(call: Call) -> dict[str, Any]:
    return wire.order(_find(call))


def _place(call: Call) -> dict[str, Any]:
    body = call.body
    price = Decimal(body["price"]) if "price" in body else None
    if (price is None) is (body["type"] == "limit"):
        raise RefusedError(400, "bad_order", "a limit order has a price, a market order has none")
    request = OrderRequest(
        account_id=call.account,
        market=body["symbol"],
        side=Side(body["side"]),
        type=OrderType(body["type"]),
        size=Decimal(body["size"]),
        price=price,
        client_id=body.get("client_id"),
        time_in_force=TimeInForce(body["time_in_force"]),
        post_only=body["post_only"],
        reduce_only=body["reduce_only"],
    )
    known = body.get("client_id") and call.exchange.order_by_client_id(call.account, body["client_id"], open_only=False)
    if known:
        raise RefusedError(409, "duplicate_client_id", "there is an order of that client_id already")
    accepted = call.exchange.submit(request)
    return wire.order(call.exchange.order(call.account, accepted.id) or accepted)


def _cancel(call: Call) -> dict[str, Any]:
    found = _find(call)
    if call.exchange.cancel(call.account, found.id).status is CancelStatus.ALREADY_CLOSED:
        return {"result": "already_closed"}
    return {"result": "canceled" if _find(call).is_closed else "queued"}


def _cancel_all(call: Call) -> dict[str, Any]:
    call.exchange.cancel_all(call.account, call.query.get("symbol"))
    return {"result": "canceled"}


def _period(call: Call) -> tuple[int | None, int | None]:
    """Return from when until when, both inclusive as the exchange has it; on the wire the end is exclusive."""
    since, until = call.query.get("since"), call.query.get("until")
    return (None if since is None else int(since), None if until is None else int(until) - 1)


def _page(call: Call, rows: Sequence[Any], write: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
    """Return a page, newest first. New rows come at the end, so the cursor counts from the beginning."""
    cursor = call.query.get("cursor", str(len(rows)))
    if not cursor.isdecimal():
        raise RefusedError(400, "bad_request", f"cursor={cursor!r} is none of ours")
    end = min(int(cursor), len(rows))
    start = max(0, end - int(call.query.get("limit", PAGE)))
    return {"rows": [write(row) for row in reversed(rows[start:end])], "next": str(start) if start else None}


ROUTES: Mapping[tuple[str, str], Handler] = {
    ("get", "/status"): _status,
    ("get", "/markets"): _markets,
    ("get", "/tickers"): _tickers,
    ("get", "/book"): _book,
    ("get", "/trades"): _trades,
    ("get", "/funding-history"): _funding_history,
    ("get", "/account"): _account,
    ("get", "/balances"): _balances,
    ("get", "/positions"): _positions,
    ("get", "/fees"): _fees,
    ("get", "/fills"): _fills,
    ("get", "/funding-payments"): _payments,
    ("get", "/orders"): _open_orders,
    ("post", "/orders"): _place,
    ("delete", "/orders"): _cancel_all,
    ("get", "/orders-history"): _orders_history,
    ("get", "/orders/by-client-id/{client_id}"): _order,
    ("delete", "/orders/by-client-id/{client_id}"): _cancel,
    ("get", "/orders/{order_id}"): _order,
    ("delete", "/orders/{order_id}"): _cancel,
}
"""One for each operation of the contract."""
