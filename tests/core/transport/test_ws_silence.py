"""Pings, and what is taken for a dead peer or for silence."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from aiohttp import WSMsgType, web

from perpkit.core.transport.ws import Closed, WsTimeouts
from tests.core.transport.servers import (
    Peer,
    hang,
    other_tasks,
    raw_server,
    web_server,
)
from tests.core.transport.sockets import collect, connect, frame, ms, shake_hands, ws_route
from tests.waiting import until


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
