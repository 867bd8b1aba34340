"""How we end a WebSocket connection, whatever its peer and its readers do meanwhile."""

from __future__ import annotations

import asyncio
import random

import pytest
from aiohttp import web

from perpkit.core.errors import (
    ConnectionLostError,
    NotSentError,
)
from perpkit.core.transport.ws import Closed, WsTimeouts
from tests.core.transport.servers import (
    Peer,
    hang,
    other_tasks,
    raw_server,
    web_server,
)
from tests.core.transport.sockets import collect, connect, fill, frame, ms, shake_hands, ws_route
from tests.waiting import until


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
