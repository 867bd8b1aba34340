"""
What clients say over the WebSocket: subscribe, unsubscribe, ping, and transactions.
"""

from __future__ import annotations

import asyncio
import json
import logging
from typing import TYPE_CHECKING, Any

from perpkit.sim.faults import FaultAction
from perpkit.sim.venues.lighter.channels import Channel, invalid_channel, parse_channel
from perpkit.sim.venues.lighter.config import SOCKET_BATCH
from perpkit.sim.venues.lighter.connection import Connection
from perpkit.sim.venues.lighter.errors import TEXTS, ApiError
from perpkit.sim.venues.lighter.hub import Hub
from perpkit.sim.venues.lighter.limits import SOCKET_MESSAGES
from perpkit.sim.venues.lighter.routes_account import batch_lists
from perpkit.sim.venues.lighter.sequencer import Sequencer

if TYPE_CHECKING:
    from perpkit.sim.venues.lighter.venue import Venue

log = logging.getLogger(__name__)

SEND = "jsonapi/sendtx"
SEND_BATCH = "jsonapi/sendtxbatch"
_SENDS = frozenset({SEND, SEND_BATCH})
_DROPPING = {FaultAction.DROP_BEFORE, FaultAction.DROP_AFTER}
_BEFORE = {FaultAction.DROP_BEFORE, FaultAction.HANG_BEFORE}
_SILENT = _DROPPING | {FaultAction.HANG_BEFORE, FaultAction.HANG_AFTER}

Message = dict[str, Any]


class Session:
    """Serves the messages of every client."""

    def __init__(self, venue: Venue, hub: Hub, sequencer: Sequencer) -> None:
        self._venue = venue
        self._hub = hub
        self._sequencer = sequencer

    async def receive(self, connection: Connection, text: str) -> None:
        """Serve one message of a client."""
        connection.heard_at = asyncio.get_running_loop().time()
        name, answer_id = "error", None
        try:
            message = _parse(text)
            kind = str(message.get("type"))
            # For faults a channel has one name, that of its frames.
            channel = str(message.get("channel")).replace("/", ":")
            name = f"{kind} {channel}" if kind in {"subscribe", "unsubscribe"} else kind
            if kind in _SENDS:
                answer_id = (message.get("data") or {}).get("id")
            struck = {fault.action for fault in connection.gate.strike_call(name)}
            if FaultAction.EXPIRE_TOKENS in struck:
                self._venue.authority.expire_all()
            if not struck & _BEFORE:
                if FaultAction.MISSING_CHANNEL in struck:
                    raise invalid_channel(str(message.get("channel")))
                answer = self._serve(connection, kind, message)
            if struck & _SILENT:
                if struck & _DROPPING:
                    connection.cut_off()
                return
        except ApiError as refusal:
            answer = _error(refusal, answer_id)
            name = name if name in _SENDS else "error"
        except Exception:
            log.exception("%s failed", name)
            answer = _error(ApiError(29500), answer_id)
        if answer is not None:
            connection.answer(name, answer)

    def leave(self, connection: Connection) -> None:
        """Clean up after a client."""
        self._hub.forget(connection)

    def _serve(self, connection: Connection, kind: str, message: Message) -> Message | None:
        if kind not in _SENDS:
            if connection.inflight >= self._venue.settings.inflight:
                raise ApiError(30010)
            if kind not in {"ping", "pong"}:
                try:
                    self._venue.budgets.spend("messages", connection.address, 1, SOCKET_MESSAGES)
                except ApiError as exc:
                    raise ApiError(30009) from exc
        match kind:
            case "ping":
                return {"type": "pong"}
            case "pong":
                return None
            case "subscribe":
                self._subscribe(connection, message)
                return None
            case "unsubscribe":
                return self._unsubscribe(connection, message)
            case "jsonapi/sendtx" | "jsonapi/sendtxbatch":
                if connection.is_readonly:
                    raise ApiError(30006)
                return self._send(kind, message.get("data"))
            case _:
                raise ApiError(30001)

    def _subscribe(self, connection: Connection, message: Message) -> None:
        channel = self._channel(message)
        if channel in connection.channels:
            raise ApiError(30003, f"{TEXTS[30003]} : {channel.name}")
        settings = self._venue.settings
        if len(connection.channels) >= settings.subscriptions_per_connection:
            raise ApiError(23001)
        listening = connection.accounts
        is_new = channel.account is not None and channel.account not in listening
        if is_new and len(listening) >= settings.accounts_per_connection:
            raise ApiError(23002)
        self._hub.subscribe(connection, channel, self._deadline(channel, message.get("auth")))

    def _unsubscribe(self, connection: Connection, message: Message) -> Message:
        channel = self._channel(message)
        if channel not in connection.channels:
            raise ApiError(30002, f"{TEXTS[30002]} : {channel.name}")
        self._hub.unsubscribe(connection, channel)
        return {"type": "unsubscribed", "channel": channel.name}

    def _channel(self, message: Message) -> Channel:
        text = message.get("channel")
        if not isinstance(text, str):
            raise ApiError(30007)
        channel = parse_channel(text)
        try:
            if channel.market_id is not None:
                self._venue.perp(channel.market_id)
            if channel.account is not None:
                self._venue.registry.get(channel.account)
        except ApiError as exc:
            raise invalid_channel(text) from exc
        return channel

    def _deadline(self, channel: Channel, token: Any) -> int | None:
        if channel.account is None or (token is None and not channel.is_private):
            return None
        if not isinstance(token, str) or not token:
            raise ApiError(20013, "auth field is required")
        owner = self._venue.authority.read(token, self._venue.now_s())
        if owner.l1_address != self._venue.registry.get(channel.account).l1_address:
            raise ApiError(20013, f"{TEXTS[20013]}: the token is another account's")
        return self._venue.authority.deadline(token)

    def _send(self, kind: str, data: Any) -> Message:
        if not isinstance(data, dict):
            raise ApiError(30007)
        if kind == SEND:
            tx_type, info = data.get("tx_type"), data.get("tx_info")
            if type(tx_type) is not int or not isinstance(info, dict):
                raise ApiError(30007)
            body = self._sequencer.send(tx_type, info)
        else:
            types, infos = batch_lists(data.get("tx_types"), data.get("tx_infos"))
            body = self._sequencer.send_batch(types, infos, most=SOCKET_BATCH)
        answer = {**body, "type": kind}
        if "id" in data:
            answer["id"] = data["id"]
        return answer


def _parse(text: str) -> Message:
    try:
        message = json.loads(text)
    except ValueError as exc:
        raise ApiError(30000) from exc
    if not isinstance(message, dict):
        raise ApiError(30000)
    return message


def _error(refusal: ApiError, answer_id: Any) -> Message:
    error: Message = {"error": refusal.body()}
    if answer_id is not None:
        error["id"] = answer_id
    return error
