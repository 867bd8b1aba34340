"""WebSocket connections to try, and the peer's side of them by hand."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import struct
from collections.abc import Awaitable, Callable
from datetime import timedelta

from aiohttp import web

from perpkit.core.transport.ws import WebSocketConnection, WsTimeouts
from tests.core.transport.servers import (
    Peer,
)

QUICK = WsTimeouts(connect=timedelta(seconds=2), ping=None, close=timedelta(milliseconds=200))


def ms(milliseconds: int) -> timedelta:
    return timedelta(milliseconds=milliseconds)


async def connect(url: str, **kwargs) -> WebSocketConnection:
    kwargs.setdefault("timeouts", QUICK)
    return await WebSocketConnection.connect(url.replace("http", "ws", 1), venue="venue", **kwargs)


def ws_route(serve: Callable[[web.WebSocketResponse], Awaitable[None]], **kwargs) -> web.RouteDef:
    async def handle(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(**kwargs)
        await ws.prepare(request)
        await serve(ws)
        return ws

    return web.get("/", handle)


async def shake_hands(peer: Peer) -> None:
    """Answer the opening handshake by hand (RFC 6455, 4.2.2)."""
    request = await peer.read_request()
    key = next(
        line.split(b":")[1].strip() for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
    )
    accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())  # noqa: S324
    await peer.write(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )


def frame(payload: bytes, opcode: int = 1, first: int = 0x80) -> bytes:
    """A server's frame, unmasked (RFC 6455, 5.2)."""
    size = len(payload)
    head = struct.pack("!BB", first | opcode, size) if size < 126 else struct.pack("!BBH", first | opcode, 126, size)
    return head + payload


async def fill(connection: WebSocketConnection) -> None:
    for _ in range(1000):
        await connection.send(b"x" * 1_000_000, operation="place_order", client_order_id="c1")


async def collect(connection: WebSocketConnection) -> list[str | bytes]:
    async with asyncio.timeout(5):
        return [item async for item in connection]
