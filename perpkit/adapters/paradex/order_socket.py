"""
Order commands over a WebSocket, for those who choose ``order_entry="ws"``: one connection, opened with the first
command, signed in, answers matched to requests by id.

It is not reopened behind anybody's back: when it breaks, every command under way ends as lost (its outcome is
unknown), and the next command opens a new one. Methods: OpenRPC 1.3 ``order.*``.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, TypeVar

import msgspec

from perpkit.adapters.paradex import endpoints, wire
from perpkit.adapters.paradex.config import VENUE
from perpkit.adapters.paradex.errors import rpc_error
from perpkit.adapters.paradex.rest import Tokens
from perpkit.adapters.paradex.stream import Envelope, rpc
from perpkit.core.context import VenueContext
from perpkit.core.errors import (
    AuthError,
    ConnectionLostError,
    DecodeError,
    NotSentError,
    PerpkitError,
    RequestTimeoutError,
)
from perpkit.core.transport.ratelimit import Priority, RateLimiter
from perpkit.core.transport.redact import Redactor
from perpkit.core.transport.ws import WebSocketConnection, WsTimeouts

log = logging.getLogger(__name__)

T = TypeVar("T")

ENTRY_TYPES: Final = frozenset({"LIMIT", "MARKET", "STOP_LIMIT", "STOP_MARKET"})
"""Order types that ``order.create`` takes; the others go over REST (OpenRPC 1.3)."""

ENTRY_FIELDS: Final = frozenset(
    {
        "client_id", "flags", "instruction", "market", "on_behalf_of_account", "price", "recv_window", "side",
        "signature", "signature_timestamp", "size", "stp", "trigger_price", "type",
    }
)  # fmt: skip
REFUSED_BEARER: Final = frozenset({40110, 40111})
"""Codes of ``auth`` for a token that is malformed or no longer good (OpenRPC 1.3)."""

ENTRY_FLAGS: Final = frozenset({"REDUCE_ONLY"})


def fits_socket(body: Mapping[str, Any]) -> bool:
    """Tell whether ``order.create`` takes this order: it knows fewer types, fields and flags than REST."""
    return body["type"] in ENTRY_TYPES and set(body) <= ENTRY_FIELDS and set(body.get("flags", ())) <= ENTRY_FLAGS


class OrderSocket:
    """
    The order connection.

    Args:
        cancel_on_disconnect: Switched on for the connection before the first command goes.
        answer_within: How long room in the quota, connecting, and each answer may take.
    """

    def __init__(
        self,
        *,
        url: str,
        tokens: Tokens,
        limiter: RateLimiter,
        context: VenueContext,
        cancel_on_disconnect: bool,
        answer_within: timedelta = timedelta(seconds=10),
    ) -> None:
        self._url = url
        self._tokens = tokens
        self._limiter = limiter
        self._context = context
        self._redactor: Redactor = context.redactor
        self._cancel_on_disconnect = cancel_on_disconnect
        self._answer_within = answer_within
        self._ids = itertools.count(1)
        self._connection: WebSocketConnection | None = None
        self._reader: asyncio.Task[None] | None = None
        self._pending: dict[int, asyncio.Future[Envelope]] = {}
        self._opening = asyncio.Lock()

    async def close(self) -> None:
        """
        Close the connection; commands under way end as lost. On purpose and in order, so cancel-on-disconnect, which
        is for unexpected disconnects, is switched off first.
        """
        connection, self._connection = self._connection, None
        if connection is not None:
            if self._cancel_on_disconnect and connection.closed is None:
                await self._switch_off(connection)
            await connection.close()
        if self._reader is not None:
            await asyncio.wait([self._reader])
            self._reader = None

    async def call(
        self,
        method: str,
        params: dict[str, Any],
        type_: type[T],
        *,
        operation: str,
        is_order_command: bool,
        client_order_id: str | None = None,
        priority: Priority = Priority.NORMAL,
    ) -> T:
        """
        Send one command and read its answer.

        Raises:
            NotSentError: No connection, no room in the quota, or signing in failed. Nothing was sent.
            RequestTimeoutError, ConnectionLostError: Sent without an answer.
            VenueError: The venue said no.
        """
        where: dict[str, Any] = {"venue": VENUE, "operation": operation, "client_order_id": client_order_id}
        await self._limiter.acquire({endpoints.ORDER_COMMANDS: 1}, priority=priority, max_wait=self._answer_within)
        for may_sign_in_again in (True, False):
            connection = await self._ready(where)
            answer = await self._ask(connection, method, params, where)
            if answer.error is None:
                break
            message = self._redactor.text(answer.error.message)
            refusal = rpc_error(
                answer.error.code,
                message,
                operation=operation,
                is_order_command=is_order_command,
                client_order_id=client_order_id,
                data=answer.error.data,
            )
            if not (may_sign_in_again and isinstance(refusal, AuthError)):
                raise refusal
            # A refused session proves that nothing was done: a fresh connection signs in anew.
            await connection.close()
        if not bytes(answer.result):
            raise DecodeError(f"{method} was answered with neither a result nor an error", **where)
        return wire.read(type_, answer.result, what=method, redactor=self._redactor)

    async def _ready(self, where: dict[str, Any]) -> WebSocketConnection:
        """Return a connection that is open and signed in. Whatever fails here, no command was sent."""
        async with self._opening:
            connection = self._connection
            if connection is not None and connection.closed is None:
                return connection
            try:
                try:
                    return await self._open(where)
                except AuthError as error:
                    if error.code not in REFUSED_BEARER:
                        raise
                # The token may have ended early: it was dropped, and a new one is tried once on a new connection.
                return await self._open(where)
            except (NotSentError, AuthError):
                raise
            except PerpkitError as error:
                msg = f"not sent: the order connection could not be opened ({error.message})"
                raise NotSentError(msg, **where) from error

    async def _open(self, where: dict[str, Any]) -> WebSocketConnection:
        token = await self._tokens.token()
        connection = await WebSocketConnection.connect(
            self._url,
            venue=VENUE,
            operation="connect for orders",
            clock=self._context.clock,
            timeouts=WsTimeouts(connect=self._answer_within),
            limiter=self._limiter,
            quotas={endpoints.WS_CONNECT: 1},
            redactor=self._redactor,
            recorders=self._context.recorders,
        )
        if self._reader is not None:
            await asyncio.wait([self._reader])
        self._reader = asyncio.create_task(self._read(connection))
        try:
            signed_in = await self._ask(connection, "auth", {"bearer": token.reveal()}, where)
            if signed_in.error is not None:
                self._tokens.drop(token)
                message = self._redactor.text(signed_in.error.message)
                raise rpc_error(signed_in.error.code, message, operation="sign in for orders")
            if self._cancel_on_disconnect:
                await self._switch(connection, where, on=True)
        except BaseException:
            await connection.close()
            raise
        self._connection = connection
        return connection

    async def _switch(self, connection: WebSocketConnection, where: dict[str, Any], *, on: bool) -> None:
        switched = await self._ask(connection, "order.cancel_on_disconnect", {"enabled": on}, where)
        if switched.error is not None:
            message = self._redactor.text(switched.error.message)
            raise rpc_error(switched.error.code, message, operation="cancel on disconnect")

    async def _switch_off(self, connection: WebSocketConnection) -> None:
        try:
            await self._switch(connection, {"venue": VENUE}, on=False)
        except PerpkitError as error:
            log.warning("%s: closing the order connection with cancel-on-disconnect still on: %s", VENUE, error)

    async def _ask(
        self, connection: WebSocketConnection, method: str, params: dict[str, Any], where: dict[str, Any]
    ) -> Envelope:
        request_id = next(self._ids)
        answer: asyncio.Future[Envelope] = asyncio.get_running_loop().create_future()
        self._pending[request_id] = answer
        try:
            await connection.send(rpc(method, params, request_id), operation=method)
            async with asyncio.timeout(self._answer_within.total_seconds()):
                return await answer
        except TimeoutError:
            bound = self._answer_within.total_seconds()
            msg = f"{method} was sent over the WebSocket and not answered within {bound:g} s"
            raise RequestTimeoutError(msg, **where) from None
        finally:
            self._pending.pop(request_id, None)

    async def _read(self, connection: WebSocketConnection) -> None:
        """Hand each answer to who asked; when the connection ends, so does everybody's waiting."""
        mine = self._pending
        async for frame in connection:
            try:
                envelope = wire.read(Envelope, frame, what="an answer", redactor=self._redactor)
            except DecodeError as error:
                log.warning("%s: an answer on the order connection can't be read: %s", VENUE, error)
                continue
            waiting = mine.get(envelope.id) if envelope.id is not None else None
            if waiting is not None and not waiting.done():
                waiting.set_result(_kept(envelope))
        closed = connection.closed
        why = f"{closed.code} {closed.reason}".strip() if closed is not None else "no reason given"
        for waiting in list(mine.values()):
            if not waiting.done():
                msg = f"the order connection closed before an answer ({self._redactor.text(why)})"
                waiting.set_exception(ConnectionLostError(msg, venue=VENUE))


def _kept(envelope: Envelope) -> Envelope:
    """Return the envelope with its own copy of the result, which otherwise is a window into the frame."""
    envelope.result = msgspec.Raw(bytes(envelope.result))
    return envelope
