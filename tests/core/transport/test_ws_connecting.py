"""How a WebSocket connection comes about, or does not."""

from __future__ import annotations

import asyncio
import socket
from datetime import timedelta

import pytest
from aiohttp import web

from perpkit.core.errors import (
    ConfigError,
    ConnectError,
    HandshakeRefusedError,
    LocalRateLimitError,
)
from perpkit.core.transport.ratelimit import Quota, RateLimiterRegistry
from perpkit.core.transport.ws import WebSocketConnection, WsTimeouts
from tests.core.transport.servers import (
    ManualClock,
    Peer,
    answer,
    hang,
    other_tasks,
    raw_server,
    self_signed,
    web_server,
)
from tests.core.transport.sockets import connect, ms, ws_route
from tests.waiting import until


async def test_a_refused_connection_is_a_connect_error() -> None:
    """Nobody listens."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    with pytest.raises(ConnectError) as caught:
        await connect(f"http://127.0.0.1:{port}", operation="private stream")
    assert (caught.value.venue, caught.value.operation) == ("venue", "private stream")
    assert not other_tasks()


async def test_a_server_that_hangs_in_the_handshake_is_a_connect_error() -> None:
    """Connecting is bounded in all its parts, and repeats nothing by itself."""

    async def mute(peer: Peer) -> None:
        await peer.read_request()
        await hang(peer)

    async def lost(peer: Peer) -> None:
        await peer.read_request()

    async with raw_server(mute) as server:
        with pytest.raises(ConnectError, match="none in time"):
            await connect(server.url, timeouts=WsTimeouts(connect=ms(100)))
        assert server.connections == 1
    async with raw_server(lost) as server:
        with pytest.raises(ConnectError):
            await connect(server.url)
        assert server.connections == 1


async def test_an_untrusted_certificate_is_refused() -> None:
    """TLS is verified on streams too."""
    async with raw_server(hang, self_signed()) as server:
        with pytest.raises(ConnectError, match=r"(?i)certificate"):
            await WebSocketConnection.connect(f"wss://localhost:{server.port}", venue="venue")
        assert server.requests == []


@pytest.mark.parametrize("url", ["ws://venue.example/v1", "http://127.0.0.1", "wss://u:p@h", "nonsense"])
async def test_an_endpoint_that_would_show_secrets_is_refused(url: str) -> None:
    """Unencrypted and not of this machine, or no WebSocket address at all."""
    with pytest.raises(ConfigError):
        await WebSocketConnection.connect(url, venue="venue")


@pytest.mark.parametrize(
    "status", [b"400 Bad", b"401 Who", b"403 No", b"404 None", b"429 Many", b"503 Busy", b"200 OK"]
)
async def test_a_handshake_answered_with_a_status_says_which(status: bytes) -> None:
    """The engine decides by the status whether to try again, and waits as long as the host asks."""

    async def refuse(peer: Peer) -> None:
        await peer.read_request()
        await peer.write(answer(b"no", status, b"Retry-After: 17"))

    async with raw_server(refuse) as server:
        with pytest.raises(HandshakeRefusedError) as caught:
            await connect(server.url)
    assert caught.value.status == int(status[:3])
    assert caught.value.retry_after == timedelta(seconds=17)


async def test_a_handshake_follows_no_redirect() -> None:
    """The credentials in its headers stay with the host that they are for."""
    elsewhere = []

    async def trap(peer: Peer) -> None:
        elsewhere.append(await peer.read_request())

    async with raw_server(trap) as other:

        async def redirect(peer: Peer) -> None:
            await peer.read_request()
            await peer.write(answer(b"", b"302 Found", f"Location: {other.url}/".encode()))

        async with raw_server(redirect) as server:
            with pytest.raises(HandshakeRefusedError, match="none is followed") as caught:
                await connect(server.url, headers={"Authorization": "Bearer t"})
    assert caught.value.status == 302
    assert elsewhere == []


async def test_connections_draw_on_a_quota() -> None:
    """The venue's connect limit holds over all streams of the address."""
    clock = ManualClock()
    limit = RateLimiterRegistry(clock).limiter("h", [Quota("ws-connect", ((1, timedelta(seconds=1)),))])

    async def serve(ws: web.WebSocketResponse) -> None:
        async for _ in ws:
            pass

    async with web_server(ws_route(serve)) as url:
        first = await connect(url, limiter=limit, quotas={"ws-connect": 1}, clock=clock)
        with pytest.raises(LocalRateLimitError):
            await connect(url, limiter=limit, quotas={"ws-connect": 1}, clock=clock, max_wait=ms(500))
        await first.close()


@pytest.mark.parametrize("steps", range(0, 40, 3))
async def test_cancelling_while_connecting_leaves_nothing_open(steps: int) -> None:
    """After so many turns of the loop, no task and no session stays behind (warnings are errors)."""

    async def serve(ws: web.WebSocketResponse) -> None:
        async for _ in ws:
            pass

    async with web_server(ws_route(serve)) as url:
        before = other_tasks()
        task = asyncio.create_task(connect(url))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        try:
            connection = await task
        except asyncio.CancelledError:
            pass
        else:
            await connection.close()
        await until(lambda: not [t for t in other_tasks() - before if "perpkit" in repr(t.get_coro())])


async def test_compression_is_offered_only_when_asked_for() -> None:
    """Both ends agree on it, and frames arrive as they were."""
    offers = []

    async def handle(request: web.Request) -> web.WebSocketResponse:
        offers.append(request.headers.get("Sec-WebSocket-Extensions"))
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        await ws.send_str("z" * 5000)
        await ws.receive()
        return ws

    async with web_server(web.get("/", handle)) as url:
        for compress in (False, True):
            async with await connect(url, compress=compress) as connection:
                assert await anext(connection) == "z" * 5000
    assert offers[0] is None
    assert offers[1] is not None
