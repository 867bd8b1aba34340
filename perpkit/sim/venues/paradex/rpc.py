"""
The WebSocket's methods: JSON-RPC 2.0 in, a result or an error out, with the venue's timing fields.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from perpkit.sim.faults import FaultAction
from perpkit.sim.orders import CloseReason, RequestRefusedError
from perpkit.sim.venues.paradex import trading
from perpkit.sim.venues.paradex.auth import Session, TokenError
from perpkit.sim.venues.paradex.channels import parse_channel
from perpkit.sim.venues.paradex.connection import Connection
from perpkit.sim.venues.paradex.errors import (
    INTERNAL_ERROR,
    INVALID_BEARER,
    INVALID_PARAMS,
    INVALID_REQUEST,
    MALFORMED_BEARER,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    PERMISSION_DENIED,
    RATE_LIMITED,
    ApiError,
    RpcError,
)
from perpkit.sim.venues.paradex.hub import Hub
from perpkit.sim.venues.paradex.spec import check_params
from perpkit.sim.venues.paradex.wire_orders import rpc_order_body

if TYPE_CHECKING:
    from perpkit.sim.venues.paradex.venue import Venue

log = logging.getLogger(__name__)

SCOPED_CHANNEL = "markets_summary"
_SUBSCRIPTIONS = {"subscribe", "unsubscribe", "modify_subscription"}
_DROPPING = {FaultAction.DROP_BEFORE, FaultAction.DROP_AFTER}
_BEFORE = {FaultAction.DROP_BEFORE, FaultAction.HANG_BEFORE}
_SILENT = _DROPPING | {FaultAction.HANG_BEFORE, FaultAction.HANG_AFTER}

Params = dict[str, Any]
Method = Callable[[Connection, Params], dict[str, Any]]


class Rpc:
    """Answers the calls of every connection."""

    def __init__(self, venue: Venue, hub: Hub) -> None:
        self._venue = venue
        self._hub = hub
        self._node_id = hashlib.sha256(f"node {venue.settings.seed}".encode()).hexdigest()[:16]
        self.methods: dict[str, Method] = {
            "auth": self._auth,
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
            "modify_subscription": self._modify_subscription,
            "order.create": self._create,
            "order.create_batch": self._create_batch,
            "order.modify": self._modify,
            "order.cancel": self._cancel,
            "order.cancel_batch": self._cancel_batch,
            "order.cancel_all": self._cancel_all,
            "order.cancel_on_disconnect": self._cancel_on_disconnect,
        }

    async def receive(self, connection: Connection, text: str) -> None:
        """Serve one message of a client. A client that gives no id wants no answer."""
        came_ns = self._venue.now_ns()
        call_id: Any = None
        method = ""
        wants_answer = True
        try:
            call = _parse(text)
            call_id, wants_answer = call.get("id"), "id" in call
            method = _method_name(call)
            struck = {fault.action for fault in connection.gate.strike_call(_fault_name(method, call.get("params")))}
            if FaultAction.EXPIRE_TOKENS in struck:
                self._venue.authority.expire_all(self._venue.now_s())
            if not struck & _BEFORE:
                result = self._serve(connection, method, call, FaultAction.MISSING_CHANNEL in struck)
            if struck & _SILENT:
                if struck & _DROPPING:
                    connection.cut_off()
                return
        except RpcError as refusal:
            answer: dict[str, Any] = {"error": refusal.body()}
        except Exception:
            log.exception("%s failed", method)
            answer = {"error": RpcError(INTERNAL_ERROR, "the local venue failed; its log says where").body()}
        else:
            answer = {"result": result}
        if not wants_answer:
            return
        out_ns = self._venue.now_ns()
        frame = {
            "jsonrpc": "2.0",
            **answer,
            "usIn": came_ns,
            "usOut": out_ns,
            "usDiff": out_ns - came_ns,
            "id": call_id,
        }
        connection.send(method, frame)
        if method == "subscribe" and "result" in answer:
            name = answer["result"]["channel"]
            self._hub.greet(connection, parse_channel(name, self._venue.listings))

    def leave(self, connection: Connection) -> None:
        """Clean up after a client, and cancel its orders if it asked for that."""
        self._hub.forget(connection)
        if not connection.cancel_on_disconnect or connection.session is None:
            return
        for order_id in sorted(connection.order_ids):
            try:
                self._venue.exchange.cancel(connection.session.address, order_id, reason=CloseReason.DISCONNECTED)
            except RequestRefusedError:
                log.info("order %s stays: the venue takes no cancels now", order_id)

    def _serve(self, connection: Connection, method: str, call: dict[str, Any], is_missing: bool) -> dict[str, Any]:
        if is_missing:
            raise RpcError(INVALID_PARAMS, f"no channel {(call.get('params') or {}).get('channel')!r}")
        params = call.get("params", {})
        if method == "order.create_batch" and isinstance(params, list) and not self._venue.settings.strict:
            self._venue.note("order.create_batch: params is a bare list where the contract has {'orders': [...]}")
            params = {"orders": params}
        checked = check_params(method, params)
        if method.startswith("order."):
            session = self._trader(connection)
            self._spend(session)
        try:
            return self.methods[method](connection, checked)
        except ApiError as refusal:
            raise _as_rpc(refusal) from refusal

    # --- session --------------------------------------------------------------------------------------------------

    def _auth(self, connection: Connection, params: Params) -> dict[str, Any]:
        try:
            connection.session = self._venue.authority.read(params["bearer"], self._venue.now_s())
        except TokenError as exc:
            code = MALFORMED_BEARER if exc.malformed else INVALID_BEARER
            message = "Malformed Bearer Token" if exc.malformed else "Invalid Bearer Token"
            raise RpcError(code, message, str(exc)) from exc
        return {"node_id": self._node_id}

    def _subscribe(self, connection: Connection, params: Params) -> dict[str, Any]:
        channel = parse_channel(params["channel"], self._venue.listings)
        if channel.is_private and connection.session is None:
            raise RpcError(INVALID_BEARER, f"channel {channel.name!r} is private: call auth first")
        if channel.name in connection.channels:
            raise RpcError(INVALID_PARAMS, f"already subscribed to {channel.name!r}")
        if "markets" in params:
            if channel.name != SCOPED_CHANNEL:
                raise RpcError(INVALID_PARAMS, f"markets: only {SCOPED_CHANNEL!r} is scoped by markets")
            self._check_markets(params["markets"])
            connection.markets_filters[channel.name] = set(params["markets"])
        if channel.book is not None and channel.book.tick is not None:
            own = self._venue.listing(channel.market).tick_size
            if channel.book.tick % own:
                connection.markets_filters.pop(channel.name, None)
                raise RpcError(INVALID_PARAMS, f"price tick {channel.book.tick} is no multiple of the market's {own}")
        self._hub.subscribe(connection, channel)
        return {"channel": channel.name}

    def _unsubscribe(self, connection: Connection, params: Params) -> dict[str, Any]:
        name = params["channel"]
        if name not in connection.channels:
            raise RpcError(INVALID_PARAMS, f"not subscribed to {name!r}")
        self._hub.unsubscribe(connection, name)
        return {"channel": name}

    def _modify_subscription(self, connection: Connection, params: Params) -> dict[str, Any]:
        name = params["channel"]
        chosen = connection.markets_filters.get(name)
        if chosen is None:
            raise RpcError(INVALID_PARAMS, f"no scoped subscription to {name!r}: subscribe with a markets array first")
        add, remove = params.get("add", []), params.get("remove", [])
        self._check_markets([*add, *remove])
        chosen |= set(add)
        chosen -= set(remove)
        return {"channel": name, "add": add, "remove": remove}

    def _check_markets(self, symbols: list[str]) -> None:
        for symbol in symbols:
            if symbol not in self._venue.listings:
                raise RpcError(INVALID_PARAMS, f"no market {symbol!r}")

    # --- orders ---------------------------------------------------------------------------------------------------

    def _create(self, connection: Connection, params: Params) -> dict[str, Any]:
        session = self._trader(connection)
        received_ns = self._venue.now_ns()
        body = trading.check_order_body(self._venue, params)
        order = trading.submit(self._venue, trading.admit(self._venue, session, body))
        connection.order_ids.add(order.id)
        now_ms = self._venue.now_ms()
        return {"created_at": order.created_at_ms, "order": rpc_order_body(order, now_ms), "received_at": received_ns}

    def _create_batch(self, connection: Connection, params: Params) -> dict[str, Any]:
        session = self._trader(connection)
        results: list[dict[str, Any]] = []
        for request in trading.admit_batch(self._venue, session, params["orders"]):
            try:
                order = trading.submit(self._venue, request)
            except ApiError as exc:
                results.append({"error": f"{exc.code}: {exc.message}"})
                continue
            connection.order_ids.add(order.id)
            results.append({"created_at": order.created_at_ms, "order": rpc_order_body(order, self._venue.now_ms())})
        return {"results": results}

    def _modify(self, connection: Connection, params: Params) -> dict[str, Any]:
        outcome = trading.modify(self._venue, self._trader(connection), params, params["id"])
        return {"order": rpc_order_body(outcome.order, self._venue.now_ms())}

    def _cancel(self, connection: Connection, params: Params) -> dict[str, Any]:
        session = self._trader(connection)
        if "id" in params:
            order = trading.cancel(self._venue, session, params["id"])
        elif "client_id" in params and "market" in params:
            order = trading.cancel_by_client_id(self._venue, session, params["client_id"], params["market"])
        else:
            raise RpcError(INVALID_PARAMS, "order.cancel: give id, or client_id and market")
        return {"order_id": order.id, "status": "QUEUED_FOR_CANCELLATION"}

    def _cancel_batch(self, connection: Connection, params: Params) -> dict[str, Any]:
        outcomes = trading.cancel_batch(self._venue, self._trader(connection), params["order_ids"])
        results = []
        for outcome in outcomes:
            market = {} if outcome.order is None else {"market": outcome.order.market}
            results.append({"id": outcome.id, **market, "status": outcome.status})
        return {"results": results}

    def _cancel_all(self, connection: Connection, params: Params) -> dict[str, Any]:
        trading.cancel_all(self._venue, self._trader(connection), params.get("market"))
        return {"status": "ok"}

    def _cancel_on_disconnect(self, connection: Connection, params: Params) -> dict[str, Any]:
        connection.cancel_on_disconnect = params["enabled"]
        return {"enabled": connection.cancel_on_disconnect}

    def _trader(self, connection: Connection) -> Session:
        session = connection.session
        if session is None:
            raise RpcError(PERMISSION_DENIED, "Permission denied: call auth first")
        if session.kind == "readonly":
            raise RpcError(PERMISSION_DENIED, "Permission denied: a read-only token only reads", "INVALID_TOKEN_SCOPE")
        return session

    def _spend(self, session: Session) -> None:
        # The venue counts these with the REST API's order calls; a batch counts once.
        allowance = self._venue.limiter.take("orders", session.address)
        if not allowance.allowed:
            raise RpcError(RATE_LIMITED, f"Rate limit exceeded: {allowance.limit} calls in {allowance.window_s} s")


def _parse(text: str) -> dict[str, Any]:
    try:
        call = json.loads(text)
    except ValueError as exc:
        raise RpcError(PARSE_ERROR, f"Parse error: {exc}") from exc
    if not isinstance(call, dict):
        raise RpcError(INVALID_REQUEST, "Invalid request: a call is an object")
    return call


def _method_name(call: dict[str, Any]) -> str:
    if call.get("jsonrpc") != "2.0" or not isinstance(call.get("method"), str):
        raise RpcError(INVALID_REQUEST, "Invalid request: jsonrpc '2.0' and a method are needed")
    name: str = call["method"]
    if name not in METHODS:
        raise RpcError(METHOD_NOT_FOUND, f"method {name!r} does not exist")
    return name


def _fault_name(method: str, params: Any) -> str:
    if method in _SUBSCRIPTIONS and isinstance(params, dict):
        return f"{method} {params.get('channel')}"
    return method


def _as_rpc(refusal: ApiError) -> RpcError:
    code = INTERNAL_ERROR if refusal.status >= 500 else INVALID_PARAMS
    return RpcError(code, refusal.message, refusal.code)


METHODS = frozenset(
    {
        "auth",
        "subscribe",
        "unsubscribe",
        "modify_subscription",
        "order.create",
        "order.create_batch",
        "order.modify",
        "order.cancel",
        "order.cancel_batch",
        "order.cancel_all",
        "order.cancel_on_disconnect",
    }
)
