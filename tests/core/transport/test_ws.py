"""One WebSocket connection against servers that end, stall or break it in every way."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import random
import socket
import struct
from collections.abc import Awaitable, Callable
from datetime import timedelta

import aiohttp
import pytest
from aiohttp import WSMsgType, web

from perpkit.core.errors import (
    ConfigError,
    ConnectError,
    ConnectionLostError,
    HandshakeRefusedError,
    LocalRateLimitError,
    NotSentError,
)
from perpkit.core.transport.ratelimit import Quota, RateLimiterRegistry
from perpkit.core.transport.recorder import Direction, FrameRecord
from perpkit.core.transport.redact import Redactor
from perpkit.core.transport.ws import Closed, WebSocketConnection, WsTimeouts
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
from tests.waiting import until

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


async def test_a_ping_of_the_peer_is_answered_while_reading() -> None:
    """The venue wants its pong back with the same payload."""
    pong = asyncio.get_running_loop().create_future()

    async def serve(peer: Peer) -> None:
        await shake_hands(peer)
        await peer.write(frame(b"1", 9))
        head = await peer.reader.readexactly(7)
        mask, masked = head[2:6], head[6]
        pong.set_result((head[0] & 0x0F, bytes([masked ^ mask[0]])))
        await hang(peer)

    async with raw_server(serve) as server, await connect(server.url) as connection:
        reader = asyncio.create_task(collect(connection))
        assert await asyncio.wait_for(pong, 5) == (10, b"1")
        await connection.close()
        assert await reader == []


async def test_a_half_open_connection_is_noticed_by_our_ping() -> None:
    """No bytes at all: a ping goes out, no answer comes, the connection ends, although TCP is still up."""
    pinged = asyncio.Event()

    async def serve(peer: Peer) -> None:
        await shake_hands(peer)
        while (await peer.reader.readexactly(1))[0] & 0x0F != 9:
            continue
        pinged.set()
        await asyncio.Event().wait()

    limits = WsTimeouts(ping=ms(60), close=ms(100))
    async with raw_server(serve) as server, await connect(server.url, timeouts=limits) as connection:
        assert await collect(connection) == []
        assert pinged.is_set()
        assert connection.closed == Closed(1006, "no answer to a ping", clean=False, by_us=True)


async def test_a_peer_that_answers_our_pings_lives_on_though_it_says_nothing() -> None:
    """Interval after interval, until it closes of its own accord."""
    answered = 0

    async def serve(ws: web.WebSocketResponse) -> None:
        nonlocal answered
        while answered < 5:
            message = await ws.receive()
            assert message.type is WSMsgType.PING
            answered += 1
            await ws.pong(message.data)
        await ws.close(code=1000, message=b"enough")

    limits = WsTimeouts(ping=ms(40), close=ms(500))
    async with web_server(ws_route(serve, autoping=False)) as url, await connect(url, timeouts=limits) as connection:
        assert await collect(connection) == []
        assert answered == 5
        assert connection.closed == Closed(1000, "enough", clean=True, by_us=False)


async def test_a_peer_is_pinged_when_it_has_been_quiet_and_given_up_when_nothing_at_all_follows() -> None:
    """By the clock: not before its time, not while frames come, and not for what only waits to be read."""
    heard: asyncio.Queue[str] = asyncio.Queue()

    async def serve(ws: web.WebSocketResponse) -> None:
        async for message in ws:
            if message.type is WSMsgType.PING:
                heard.put_nowait("ping")
            else:
                await ws.send_str(message.data)

    limits = WsTimeouts(ping=timedelta(hours=1), close=ms(100))
    async with web_server(ws_route(serve, autoping=False)) as url, await connect(url, timeouts=limits) as connection:
        now = 1_000.0
        connection._time = lambda: now  # type: ignore[method-assign]
        taken: list[str | bytes] = []
        reading = asyncio.create_task(connection.deliver(lambda frame: taken.append(frame) is None))
        await until(lambda: connection._quiet_since == 1_000.0)
        now += 3_599
        connection._check_pulse()
        assert connection._pinged_at is None
        now += 1
        connection._check_pulse()
        assert await asyncio.wait_for(heard.get(), 5) == "ping"
        now += 1_000
        await connection.send("one")
        await until(lambda: taken == ["one"])
        now += 3_000
        connection._check_pulse()
        assert connection._pinged_at is None
        now += 600
        connection._check_pulse()
        assert await asyncio.wait_for(heard.get(), 5) == "ping"
        quiet_since = connection._quiet_since
        assert quiet_since is not None
        now += 1_700
        connection._check_pulse()
        await connection.send("two")
        await until(lambda: len(taken) == 2)
        connection._check_answer(quiet_since)
        assert connection.closed is None
        now += 3_600
        connection._check_pulse()
        assert await asyncio.wait_for(heard.get(), 5) == "ping"
        now += 1_700
        connection._check_pulse()
        connection._check_answer(connection._quiet_since or 0.0)
        await asyncio.wait_for(reading, 5)
        assert connection.closed == Closed(1006, "no answer to a ping", clean=False, by_us=True)


async def test_a_reader_that_is_busy_elsewhere_is_not_taken_for_a_dead_peer() -> None:
    """Nobody looks, so nobody can say; the peer is asked once somebody waits again."""

    async def serve(ws: web.WebSocketResponse) -> None:
        await ws.send_str("one")
        await ws.receive()

    limits = WsTimeouts(ping=timedelta(hours=1), close=ms(100))
    async with web_server(ws_route(serve)) as url, await connect(url, timeouts=limits) as connection:
        assert await anext(connection) == "one"
        for _ in range(3):
            connection._check_pulse()
            assert connection._pinged_at is None
        assert connection.closed is None


async def test_a_peer_that_answers_pings_and_sends_nothing_is_silent() -> None:
    """The feed is dead although the socket lives; the reader is let go at once, not after the closing handshake."""

    async def serve(ws: web.WebSocketResponse) -> None:
        await ws.send_str("one")
        async for _ in ws:
            pass

    limits = WsTimeouts(ping=ms(20), silence=ms(150), close=timedelta(seconds=5))
    async with web_server(ws_route(serve)) as url, await connect(url, timeouts=limits) as connection:
        assert await collect(connection) == ["one"]
        assert connection.closed == Closed(1006, "no data for 0.15 s", clean=False, by_us=True)
        await connection.close()
    assert not [task for task in other_tasks() if "perpkit" in task.get_name()]


async def test_a_reader_that_is_busy_elsewhere_is_not_taken_for_silence() -> None:
    """Only waiting counts: frames lie ready while the consumer works for longer than the bound."""

    async def serve(ws: web.WebSocketResponse) -> None:
        for number in range(3):
            await ws.send_str(str(number))
        async for _ in ws:
            pass

    limits = WsTimeouts(ping=None, silence=ms(50), close=ms(100))
    async with web_server(ws_route(serve)) as url, await connect(url, timeouts=limits) as connection:
        assert await anext(connection) == "0"
        checks = []
        check = connection._check_silence
        connection._check_silence = lambda: (checks.append(1), check())  # type: ignore[method-assign]
        await until(lambda: len(checks) >= 2)
        assert await anext(connection) == "1"
        assert await anext(connection) == "2"
        assert connection.closed is None


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


async def test_closing_is_bounded_however_the_peer_behaves() -> None:
    """A peer that never answers the close frame, or keeps streaming, is left after the bound."""

    async def deaf(peer: Peer) -> None:
        await shake_hands(peer)
        await hang(peer)

    async def talker(peer: Peer) -> None:
        await shake_hands(peer)
        while True:
            await peer.write(frame(b"more"))
            await asyncio.sleep(0.01)

    loop = asyncio.get_running_loop()
    for serve in (deaf, talker):
        async with raw_server(serve) as server:
            connection = await connect(server.url)
            begin = loop.time()
            closed = await connection.close(1001, "bye")
            assert loop.time() - begin < 1
            assert closed == Closed(1001, "bye", clean=False, by_us=True)
            assert await connection.close() == closed


async def test_a_close_that_the_peer_answers_by_hanging_up_is_not_clean() -> None:
    """Without its close frame nothing says that the peer has read what was sent before."""

    async def rude(peer: Peer) -> None:
        await shake_hands(peer)
        await peer.reader.readexactly(1)

    async with raw_server(rude) as server:
        connection = await connect(server.url)
        assert await connection.close() == Closed(1000, "", clean=False, by_us=True)


async def test_closing_frees_the_socket_even_with_data_that_nobody_takes() -> None:
    """What can't be flushed would keep it open for as long as the system tries."""

    async def stuck(peer: Peer) -> None:
        await shake_hands(peer)
        peer.writer.transport.pause_reading()
        await asyncio.Event().wait()

    async with raw_server(stuck) as server:
        connection = await connect(server.url)
        filler = asyncio.create_task(fill(connection))
        await until(lambda: connection._ws._writer.transport.get_write_buffer_size() > 0)
        await connection.close()
        filler.cancel()
        await asyncio.gather(filler, return_exceptions=True)
        await until(lambda: connection._socket.fileno() == -1)


async def test_any_task_may_close_and_the_reader_is_let_go() -> None:
    """Several closers at once, one of them cancelled: one close, reported alike, and nothing left running."""

    async def deaf(peer: Peer) -> None:
        await shake_hands(peer)
        await hang(peer)

    async with raw_server(deaf) as server:
        connection = await connect(server.url)
        reader = asyncio.create_task(collect(connection))
        await until(lambda: connection._ws._waiting)
        closers = [asyncio.create_task(connection.close()) for _ in range(3)]
        await asyncio.sleep(0)
        closers[0].cancel()
        results = await asyncio.gather(*closers, return_exceptions=True)
        assert isinstance(results[0], asyncio.CancelledError)
        assert results[1] == results[2] == connection.closed
        assert await reader == []
        assert connection._session.closed
        assert not [task for task in other_tasks() if "serve" not in repr(task)]


async def test_a_peer_that_takes_no_data_is_left() -> None:
    """Sending is bounded: with all buffers full it ends as lost, because the frame may have left in part."""

    async def stuck(peer: Peer) -> None:
        await shake_hands(peer)
        peer.writer.transport.pause_reading()
        await asyncio.Event().wait()

    limits = WsTimeouts(ping=None, send=ms(150), close=ms(100))
    async with raw_server(stuck) as server, await connect(server.url, timeouts=limits) as connection:
        with pytest.raises(ConnectionLostError, match="took no data in time") as caught:
            await fill(connection)
        assert caught.value.client_order_id == "c1"
        assert connection.closed == Closed(1006, "the peer took no data", clean=False, by_us=True)
        with pytest.raises(NotSentError):
            await connection.send("more")


async def test_sending_on_a_connection_that_the_peer_has_left_is_not_taken_for_sent() -> None:
    """Once the loss is known, a frame is 'not sent' and an order on it safe to place again."""

    async def leave(peer: Peer) -> None:
        await shake_hands(peer)

    async with raw_server(leave) as server, await connect(server.url) as connection:
        await until(lambda: connection._ws.get_extra_info("peername") is None)
        with pytest.raises(NotSentError, match="nothing was sent"):
            await connection.send("order")
        assert await collect(connection) == []
        assert connection.closed is not None
        assert connection.closed.code == 1006


async def test_a_cancelled_reader_loses_no_frame() -> None:
    """Reading can go on after a cancellation, in order."""
    go = asyncio.Event()

    async def serve(ws: web.WebSocketResponse) -> None:
        await go.wait()
        for number in range(50):
            await ws.send_str(str(number))
        async for _ in ws:
            pass

    async with web_server(ws_route(serve)) as url, await connect(url) as connection:
        rng = random.Random(3)
        got: list[str | bytes] = []

        async def take() -> None:
            async for item in connection:
                got.append(item)

        while len(got) < 50:
            reader = asyncio.create_task(take())
            go.set()
            for _ in range(rng.randint(1, 12)):
                await asyncio.sleep(0)
            reader.cancel()
            await asyncio.gather(reader, return_exceptions=True)
            assert connection.closed is None
        assert got == [str(number) for number in range(50)]


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
