"""
Carries out planned faults: a middleware for HTTP, and a gate through which a WebSocket's frames go out.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
from aiohttp import WSCloseCode, web
from aiohttp.typedefs import Handler, Middleware

from perpkit.sim.clock import SimClock
from perpkit.sim.faults import Fault, FaultAction, FaultPlan, FaultTarget

HTML_PAGE = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
GARBAGE = '{"jsonrpc": "2.0", "method": '
EXTRA = {"perpkit_unknown_text": "x", "perpkit_unknown_number": 1, "perpkit_unknown_null": None}
"""What EXTRA_FIELDS puts into every object."""

_ENCODER = msgspec.json.Encoder(decimal_format="number")
_FRACTION = re.compile(r"-?\d+\.\d+")
_BEFORE = frozenset({FaultAction.REFUSE, FaultAction.DROP_BEFORE, FaultAction.HANG_BEFORE})
_HANGS = frozenset({FaultAction.HANG_BEFORE, FaultAction.HANG_AFTER})


class FrameGate:
    """
    The way out of one WebSocket connection. Every frame goes through :meth:`send`, so that faults can strike.

    Args:
        ws: The connection.
        plan: What shall go wrong.
        clock: What delays wait for.
        abort: Breaks the connection without a closing handshake.

    Attributes:
        is_half_open: Nothing is sent any more, not even pongs if the owner heeds it; the connection stays.
    """

    def __init__(
        self, ws: web.WebSocketResponse, plan: FaultPlan, clock: SimClock, abort: Callable[[], None] | None = None
    ) -> None:
        self._ws = ws
        self._plan = plan
        self._clock = clock
        self._abort = abort
        self._held: list[str] = []
        self.is_half_open = False

    async def send(self, name: str, payload: dict[str, Any]) -> None:
        """
        Send a frame as JSON.

        Args:
            name: Its channel, or for an answer to a call the method; what a fault's ``match`` looks at.
            payload: JSON values; a Decimal is written as a number, digit for digit.
        """
        if self.is_half_open:
            return
        struck = self._plan.strike(FaultTarget.FRAME, name)
        if not struck:
            await self._send([_dumps(payload)])
            return
        faults = {fault.action: fault for fault in struck}
        if FaultAction.DELAY in faults:
            await self._clock.sleep(_seconds(faults[FaultAction.DELAY]))
        if FaultAction.HALF_OPEN in faults:
            self.is_half_open = True
            return
        if FaultAction.DISCONNECT in faults:
            await self._disconnect(faults[FaultAction.DISCONNECT].close_code)
            return
        if FaultAction.GAP in faults:
            return
        frames = [_damage(_dumps(payload), struck)]
        if FaultAction.GARBAGE in faults:
            frames.insert(0, GARBAGE)
        if FaultAction.DUPLICATE in faults:
            frames.append(frames[-1])
        if FaultAction.REORDER in faults:
            self._held.extend(frames)
        else:
            await self._send(frames)

    def strike_call(self, name: str) -> list[Fault]:
        """Ask for the faults of one incoming call (``order.create``, ``subscribe trades.BTC-USD-PERP``)."""
        return self._plan.strike(FaultTarget.RPC, name)

    async def _send(self, frames: list[str]) -> None:
        held, self._held = self._held, []
        for frame in (*frames, *held):
            await self._ws.send_str(frame)

    async def _disconnect(self, code: int) -> None:
        self.is_half_open = True  # what still waits must not go out
        if code == WSCloseCode.ABNORMAL_CLOSURE and self._abort is not None:
            self._abort()
        else:
            await self._ws.close(code=code, message=b"planned fault")


def http_faults(
    plan: FaultPlan, clock: SimClock, stopping: asyncio.Event, expire_tokens: Callable[[], None], *, exempt: str
) -> Middleware:
    """
    Return the middleware that makes HTTP requests and WebSocket handshakes fail as planned.

    Args:
        plan: What shall go wrong.
        clock: What delays wait for.
        stopping: Set when the server stops; requests that hang are let go then.
        expire_tokens: Called for EXPIRE_TOKENS.
        exempt: Path prefix that is spared: the back door.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.path.startswith(exempt):
            return await handler(request)
        is_handshake = request.headers.get("Upgrade", "").lower() == "websocket"
        if is_handshake:
            struck = plan.strike(FaultTarget.CONNECT, request.path)
        else:
            struck = plan.strike(FaultTarget.HTTP, f"{request.method} {request.path}")
        if not struck:
            return await handler(request)
        faults = {fault.action: fault for fault in struck}
        if FaultAction.EXPIRE_TOKENS in faults:
            expire_tokens()
        if FaultAction.DELAY in faults:
            await clock.sleep(_seconds(faults[FaultAction.DELAY]))
        if _BEFORE & faults.keys():
            return await _break(request, stopping, hang=FaultAction.HANG_BEFORE in faults)
        if FaultAction.HTML in faults:
            return _html(faults[FaultAction.HTML])
        if FaultAction.STATUS in faults:
            return _status(faults[FaultAction.STATUS])
        response = await handler(request)
        if is_handshake or not isinstance(response, web.Response):
            return response
        if FaultAction.DELAY_ANSWER in faults:
            await clock.sleep(_seconds(faults[FaultAction.DELAY_ANSWER]))
        if {FaultAction.DROP_AFTER, FaultAction.HANG_AFTER} & faults.keys():
            return await _break(request, stopping, hang=FaultAction.HANG_AFTER in faults)
        if FaultAction.STATUS_AFTER in faults:
            return _status(faults[FaultAction.STATUS_AFTER])
        body = _damage(response.text or "", struck)
        if body != (response.text or ""):
            response.text = body
        return response

    return middleware


async def _break(request: web.Request, stopping: asyncio.Event, *, hang: bool) -> web.Response:
    """Answer nothing: at once, or after hanging until the server stops."""
    if hang:
        await stopping.wait()
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)  # reaches nobody; aiohttp wants something to put down


def _status(fault: Fault) -> web.Response:
    headers = {"Retry-After": fault.retry_after} if fault.retry_after is not None else {}
    is_json = fault.body.startswith(("{", "["))
    return web.Response(
        status=fault.status,
        text=fault.body,
        headers=headers,
        content_type="application/json" if is_json else "text/plain",
    )


def _html(fault: Fault) -> web.Response:
    status = fault.status if fault.status >= web.HTTPBadRequest.status_code else web.HTTPBadGateway.status_code
    return web.Response(status=status, text=fault.body or HTML_PAGE, content_type="text/html")


def _damage(text: str, struck: list[Fault]) -> str:
    """Return an answer or frame after the faults that change its text."""
    for fault in struck:
        if (rewrite := _REWRITES.get(fault.action)) is not None:
            text = _dumps(rewrite(json.loads(text, parse_float=Decimal))) if text else text
        elif fault.action is FaultAction.REPLACE:
            text = fault.body
        elif fault.action is FaultAction.TRUNCATE:
            text = text[: len(text) // 2]
    return text


def _with_extra(value: Any) -> Any:
    if isinstance(value, dict):
        return {**{key: _with_extra(item) for key, item in value.items()}, **EXTRA}
    if isinstance(value, list):
        return [_with_extra(item) for item in value]
    return value


def _with_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_nulls(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_with_nulls(item) for item in value] if value else None
    return value


def _respelt(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _respelt(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_respelt(item) for item in value]
    # Text without a point may be an id.
    return f"{value}0" if isinstance(value, str) and _FRACTION.fullmatch(value) else value


_REWRITES: dict[FaultAction, Callable[[Any], Any]] = {
    FaultAction.EXTRA_FIELDS: _with_extra,
    FaultAction.EMPTY_AS_NULL: _with_nulls,
    FaultAction.RESPELL: _respelt,
}


def _dumps(payload: Any) -> str:
    return _ENCODER.encode(payload).decode()


def _seconds(fault: Fault) -> float:
    return timedelta(milliseconds=fault.delay_ms) / timedelta(seconds=1)
