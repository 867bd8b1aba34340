"""Frames over one WebSocket connection, and how a peer ends or breaks it."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from perpkit.core.errors import (
    ConnectError,
    ConnectionLostError,
    NotSentError,
)
from perpkit.core.transport.recorder import Direction, FrameRecord
from perpkit.core.transport.redact import Redactor
from perpkit.core.transport.ws import Closed
from tests.core.transport.servers import (
    Peer,
    hang,
    raw_server,
    web_server,
)
from tests.core.transport.sockets import collect, connect, frame, shake_hands, ws_route
from tests.waiting import until


async def test_frames_go_both_ways_as_text_and_as_bytes() -> None:
    """What is sent arrives, what is received is yielded in order, and each is of its kind."""

    async def echo(ws: web.WebSocketResponse) -> None:
        async for message in ws:
            if message.type is WSMsgType.TEXT:
                await ws.send_str(message.data.upper())
            else:
                await ws.send_bytes(message.data[::-1])

    async with web_server(ws_route(echo)) as url, await connect(url) as connection:
        await connection.send("é1")
        await connection.send(b"ab")
        assert await anext(connection) == "É1"
        assert await anext(connection) == b"ba"
        assert connection.closed is None
    assert connection.closed == Closed(1000, "", clean=True, by_us=True)


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1011, 1012, 4001])
async def test_a_close_by_the_peer_ends_the_iteration_and_says_how(code: int) -> None:
    """Frames before the close frame are delivered first; 1000 and 1001 are clean."""

    async def serve(ws: web.WebSocketResponse) -> None:
        await ws.send_str("last")
        await ws.close(code=code, message=b"see you")

    async with web_server(ws_route(serve)) as url, await connect(url) as connection:
        assert await collect(connection) == ["last"]
        assert connection.closed == Closed(code, "see you", clean=code in {1000, 1001}, by_us=False)
        assert connection._session.closed
        assert await collect(connection) == []
        with pytest.raises(NotSentError):
            await connection.send("late")


async def test_frames_are_pushed_in_order_until_the_peer_closes() -> None:
    """Text and bytes alike, the last one too, and then ``closed`` says how it ended."""

    async def serve(ws: web.WebSocketResponse) -> None:
        await ws.send_str("one")
        await ws.send_bytes(b"two")
        await ws.close(code=4001, message=b"see you")

    taken: list[str | bytes] = []

    def take(frame: str | bytes) -> bool:
        taken.append(frame)
        return True

    async with web_server(ws_route(serve)) as url, await connect(url) as connection:
        await asyncio.wait_for(connection.deliver(take), 5)
        assert taken == ["one", b"two"]
        assert connection.closed == Closed(4001, "see you", clean=False, by_us=False)
        await connection.deliver(take)
        assert taken == ["one", b"two"]


async def test_who_wants_no_more_frames_gets_no_more_and_who_fails_is_heard() -> None:
    """The connection is left as it is: the next reader gets the next frame."""

    async def serve(ws: web.WebSocketResponse) -> None:
        for number in range(3):
            await ws.send_str(str(number))
        await ws.receive()

    taken: list[str | bytes] = []

    def take(frame: str | bytes) -> bool:
        taken.append(frame)
        if frame == "1":
            raise ConnectionLostError("enough")
        return False

    async with web_server(ws_route(serve)) as url, await connect(url) as connection:
        await asyncio.wait_for(connection.deliver(take), 5)
        assert taken == ["0"]
        with pytest.raises(ConnectionLostError, match="enough"):
            await asyncio.wait_for(connection.deliver(take), 5)
        assert taken == ["0", "1"]
        assert connection.closed is None
        assert await anext(connection) == "2"


async def test_a_connection_lost_right_after_the_handshake_is_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """The library finds it gone when it takes it over, and says so with a bare AssertionError; it becomes ours."""

    async def refuse(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        response = await handler(request)
        connection = response.connection
        assert connection is not None
        await until(lambda: connection.transport is None)
        return response

    monkeypatch.setattr("perpkit.core.transport.ws._refuse_redirect", refuse)
    async with raw_server(shake_hands) as server:
        with pytest.raises(ConnectError, match="nothing was sent") as failure:
            await connect(server.url)
    assert isinstance(failure.value.__cause__, AssertionError)


async def test_a_close_frame_without_a_code_is_1005() -> None:
    """RFC 6455, 7.1.5."""

    async def serve(peer: Peer) -> None:
        await shake_hands(peer)
        await peer.write(frame(b"", 8))
        await hang(peer)

    async with raw_server(serve) as server, await connect(server.url) as connection:
        assert await collect(connection) == []
        assert connection.closed == Closed(1005, "", clean=False, by_us=False)


@pytest.mark.parametrize("reset", [False, True], ids=["close", "reset"])
async def test_a_connection_that_goes_away_without_a_close_frame_is_1006(reset: bool) -> None:
    """Neither end of stream nor reset is mistaken for a proper close; frames before it are delivered."""

    async def serve(peer: Peer) -> None:
        await shake_hands(peer)
        await peer.write(frame(b"one"))
        await peer.reader.readexactly(1)
        if reset:
            peer.reset()

    async with raw_server(serve) as server, await connect(server.url) as connection:
        assert await anext(connection) == "one"
        await connection.send("x")
        assert await collect(connection) == []
        assert connection.closed is not None
        assert (connection.closed.code, connection.closed.clean, connection.closed.by_us) == (1006, False, False)


BROKEN = {
    "reserved bits": frame(b"x", first=0xF0),
    "unknown opcode": frame(b"x", 3),
    "not UTF-8": frame(b"\xff\xfe"),
    "stray continuation": frame(b"x", 0),
    "control frame too long": frame(b"x" * 126, 9),
    "not a WebSocket at all": b"HTTP/1.1 500 Oops\r\n\r\n<html>",
}


@pytest.mark.parametrize("sent", BROKEN.values(), ids=BROKEN.keys())
async def test_garbage_ends_the_connection_and_is_not_yielded(sent: bytes) -> None:
    """A broken frame closes by us with a protocol code; what came before it is delivered."""

    async def serve(peer: Peer) -> None:
        await shake_hands(peer)
        await peer.write(frame(b"good") + sent)
        await hang(peer)

    async with raw_server(serve) as server, await connect(server.url) as connection:
        assert await collect(connection) == ["good"]
        assert connection.closed is not None
        assert connection.closed.code in {1002, 1007}
        assert (connection.closed.clean, connection.closed.by_us) == (False, True)


async def test_a_frame_that_is_too_large_ends_the_connection_with_1009() -> None:
    """Memory is bounded; the reason is told."""
    told = asyncio.get_running_loop().create_future()

    async def serve(ws: web.WebSocketResponse) -> None:
        await ws.send_str("x" * 5001)
        async for _ in ws:
            pass
        told.set_result(ws.close_code)

    async with web_server(ws_route(serve)) as url, await connect(url, max_message=5000) as connection:
        assert await collect(connection) == []
        assert connection.closed is not None
        assert (connection.closed.code, connection.closed.by_us) == (1009, True)
        assert await asyncio.wait_for(told, 5) == 1009


async def test_a_slow_frame_arrives_whole() -> None:
    """Bytes that drip in are put together; fragments too."""

    async def serve(peer: Peer) -> None:
        await shake_hands(peer)
        for byte in frame(b"drip"):
            await peer.write(bytes([byte]))
            await asyncio.sleep(0)
        await peer.write(frame(b"he", 1, 0) + frame(b"l", 0, 0) + frame(b"lo", 0))
        await hang(peer)

    async with raw_server(serve) as server, await connect(server.url) as connection:
        assert await anext(connection) == "drip"
        assert await anext(connection) == "hello"


async def test_recorders_see_frames_without_secrets() -> None:
    """Both directions, redacted; the wire has them in clear; a failing recorder loses no frame."""
    redactor = Redactor()
    redactor.add("key-0123456789")
    records: list[FrameRecord] = []

    def broken(record: object) -> None:
        if records and records[-1].direction is Direction.RECEIVED:
            raise RuntimeError("watcher is broken")

    async def echo(ws: web.WebSocketResponse) -> None:
        async for message in ws:
            await ws.send_str(message.data)

    token = '{"method":"auth","params":{"bearer":"opaque"},"key":"key-0123456789"}'
    async with (
        web_server(ws_route(echo)) as url,
        await connect(url + "/?token=x&api_key=k", redactor=redactor, recorders=[records.append, broken]) as connection,
    ):
        await connection.send(token)
        assert await anext(connection) == token
    hidden = '{"method":"auth","params":{"bearer":"***"},"key":"***"}'
    assert [(record.direction, record.data) for record in records] == [
        (Direction.SENT, hidden),
        (Direction.RECEIVED, hidden),
    ]
    assert records[0].url.endswith("api_key=***")
