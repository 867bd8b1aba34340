"""
The v2 protocol: JSON-RPC calls to subscribe, and one numbering for all that is pushed. Ids of calls are text.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from perpkit.sim.faults import FaultAction
from perpkit.sim.venues.extended.client import StreamClient
from perpkit.sim.venues.extended.hub import Hub
from perpkit.sim.venues.extended.topics import NoSuchTopicError, Topic, topic_of_selector

if TYPE_CHECKING:
    from perpkit.sim.venues.extended.venue import Venue

log = logging.getLogger(__name__)

PARSE_ERROR = -32700
INVALID_REQUEST = -32600
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
UNAUTHORIZED = -32001

_HANGS = frozenset({FaultAction.HANG_BEFORE, FaultAction.HANG_AFTER})
_DROPS = frozenset({FaultAction.DROP_BEFORE, FaultAction.DROP_AFTER})
_BEFORE = frozenset({FaultAction.HANG_BEFORE, FaultAction.DROP_BEFORE})


class RpcError(Exception):
    """A refusal: ``{"code", "message", "data"}``."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class Rpc:
    """Answers the calls of v2 clients."""

    def __init__(self, venue: Venue, hub: Hub) -> None:
        self._venue = venue
        self._hub = hub

    async def receive(self, client: StreamClient, text: str) -> None:
        """Answer one call, or not: a selector that names nothing gets no answer, as at the venue."""
        call_id: Any = None
        method: Any = None
        try:
            call = _parsed(text)
            call_id = call.get("id")
            if not isinstance(call_id, str):
                raise RpcError(INVALID_REQUEST, f"id is {call_id!r}; it must be text")
            method = call.get("method")
            if call.get("jsonrpc") != "2.0" or not isinstance(method, str):
                raise RpcError(INVALID_REQUEST, "jsonrpc is 2.0, and method is text")
            result = self._answer(client, method, call.get("params") or {})
        except RpcError as refusal:
            error = {"code": refusal.code, "message": refusal.message, "data": None}
            client.send(str(method), {"id": call_id, "error": error, "jsonrpc": "2.0"})
            return
        except NoSuchTopicError as exc:
            log.info("client %d asked for %s and gets no answer", client.name, exc)
            return
        if result is not None:
            answer, after = result
            client.send(method, {"id": call_id, "result": answer, "jsonrpc": "2.0"})
            if after is not None:
                self._hub.subscribe(client, after)

    def _answer(self, client: StreamClient, method: str, params: Any) -> tuple[dict[str, Any], Topic | None] | None:
        """Return a call's result, and the topic that begins after it; nothing where a fault leaves it unanswered."""
        if not isinstance(params, dict):
            raise RpcError(INVALID_PARAMS, "params is no object")
        topic = self._topic(params) if method in {"subscribe", "unsubscribe"} else None
        faults = {
            fault.action for fault in client.gate.strike_call(method if topic is None else f"{method} {topic.id}")
        }
        if FaultAction.MISSING_CHANNEL in faults:
            raise NoSuchTopicError(f"{params} (a planned fault)")
        if FaultAction.EXPIRE_TOKENS in faults:
            self._venue.registry.revoke_all()
        if _DROPS & faults:
            client.cut_off()
        if _BEFORE & faults:
            return None
        done: dict[str, Any] = {"method": method, "status": "OK"}
        begun: Topic | None = None
        if method == "subscribe" and topic is not None:
            self._admit(topic, params)
            done["subscription"], begun = topic.id, topic
        elif method == "unsubscribe" and topic is not None:
            if not self._hub.unsubscribe(client, topic.id):
                raise RpcError(INVALID_PARAMS, f"not subscribed to {topic.id}")
            done["subscription"] = topic.id
        elif method == "list-subscriptions":
            done["subscriptions"] = sorted(client.topics)
        elif method != "ping":
            raise RpcError(METHOD_NOT_FOUND, f"there is no method {method!r}")
        if (_HANGS | _DROPS) & faults:
            if begun is not None:
                self._hub.subscribe(client, begun)
            return None
        return done, begun

    def _topic(self, params: dict[str, Any]) -> Topic:
        scope, selector = params.get("scope"), params.get("selector")
        if not isinstance(scope, str) or not isinstance(selector, dict):
            raise RpcError(INVALID_PARAMS, "params need scope, which is text, and selector, an object")
        try:
            return topic_of_selector(scope, selector)
        except TypeError as exc:
            raise RpcError(INVALID_PARAMS, str(exc)) from exc

    def _admit(self, topic: Topic, params: dict[str, Any]) -> None:
        """Refuse a market that there is not, and an account that the key in the call does not open."""
        if topic.scope != "account":
            self._hub.check(topic)
            return
        key = params.get("apiKey")
        owner = self._venue.registry.by_key(key) if isinstance(key, str) else None
        if owner is None or owner.account_id != topic.account:
            raise RpcError(UNAUTHORIZED, "apiKey does not open this account")


def _parsed(text: str) -> dict[str, Any]:
    try:
        call = json.loads(text)
    except ValueError as exc:
        raise RpcError(PARSE_ERROR, f"no JSON: {exc}") from exc
    if not isinstance(call, dict):
        raise RpcError(INVALID_REQUEST, "a call is an object")
    return call
