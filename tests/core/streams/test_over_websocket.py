"""The engine over real sockets, against a local server that dies in every way a server can."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

import aiohttp
import pytest
from aiohttp import web

from perpkit.core.clock import SystemClock
from perpkit.core.errors import AuthError, DecodeError
from perpkit.core.models import Event, StreamState, StreamStatus, Subscription
from perpkit.core.streams.connect import WebSocketConnector
from perpkit.core.streams.hub import StreamHub
from perpkit.core.streams.protocol import (
    Ack,
    Data,
    Frame,
    Incoming,
    Refusal,
    StreamEndpoint,
    StreamTraits,
    Topic,
)
from perpkit.core.streams.settings import StreamSettings
from tests.core.clocks import START
from tests.core.streams.rig import ALL_READS, FILLS, TRADES, ToyReads, data, fill, topic_of, trade

LIVE, LOST, RESYNCED = StreamState.LIVE, StreamState.LOST, StreamState.RESYNCED
TOKEN = "token-1"


class JsonSource:
    """Speaks the little JSON protocol of the server below."""

    def __init__(self, url: str, traits: StreamTraits) -> None:
        self.url = url
        self.traits = traits
        self.token = TOKEN

    async def endpoint(self, connection: str) -> StreamEndpoint:
        return StreamEndpoint(self.url)

    def topics(self, subscription: Subscription) -> Sequence[Topic]:
        return [Topic(topic_of(subscription), private=subscription.channel.is_private)]

    async def sign_in(self, connection: str, request_id: int) -> Frame | None:
        return json.dumps({"do": "auth", "id": request_id, "token": self.token})

    def subscribe(self, topic: Topic, request_id: int) -> Frame:
        return json.dumps({"do": "subscribe", "id": request_id, "topic": topic.name})

    def unsubscribe(self, topic: Topic, request_id: int) -> Frame:
        return json.dumps({"do": "unsubscribe", "id": request_id, "topic": topic.name})

    def keepalive(self) -> Frame | None:
        return None

    def decode(self, frame: Frame, received: datetime) -> Sequence[Incoming]:
        try:
            message = json.loads(frame)
            if "error" in message:
                return [Refusal(message["id"], AuthError(message["error"]))]
            if "ok" in message:
                return [Ack(message["ok"])]
            make = fill if message["topic"].startswith("fills") else trade
            return [Data(message["topic"], [make(message["made"], message["at"])])]
        except (ValueError, KeyError, TypeError) as error:
            raise DecodeError(f"not ours: {error}") from None


class Server:
    """A venue on 127.0.0.1: it authenticates, acknowledges, and sends what it is told to."""

    def __init__(self) -> None:
        self.sockets: list[web.WebSocketResponse] = []
        self.seen: list[dict] = []
        self.subscribed = asyncio.Event()
        self.left = asyncio.Event()
        self.connects = 0
        self.answers_pings = True
        self.runner: web.AppRunner | None = None
        self.url = ""

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/ws", self.handle)
        self.runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"ws://127.0.0.1:{self.runner.addresses[0][1]}/ws"

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        self.connects += 1
        socket = web.WebSocketResponse(autoping=self.answers_pings, timeout=0.2)
        await socket.prepare(request)
        self.sockets.append(socket)
        signed_in = False
        try:
            async for message in socket:
                if message.type is not aiohttp.WSMsgType.TEXT:
                    continue
                asked = json.loads(message.data)
                self.seen.append(asked)
                if asked["do"] == "auth":
                    signed_in = asked["token"] == TOKEN
                elif asked["topic"].startswith("fills") and not signed_in:
                    await socket.send_json({"id": asked["id"], "error": "sign in first"})
                    continue
                if asked["do"] == "auth" and not signed_in:
                    await socket.send_json({"id": asked["id"], "error": "wrong token"})
                    continue
                await socket.send_json({"ok": asked["id"]})
                if asked["do"] == "subscribe":
                    self.subscribed.set()
        finally:
            self.sockets.remove(socket)
            self.left.set()
        return socket

    async def send(self, topic: str, made: str, at: float) -> None:
        await self.sockets[-1].send_json({"topic": topic, "made": made, "at": at})


@contextlib.asynccontextmanager
async def running(traits: StreamTraits | None = None) -> AsyncIterator[tuple[Server, StreamHub, ToyReads, JsonSource]]:
    server = Server()
    await server.start()
    source = JsonSource(server.url, traits or StreamTraits())
    reads = ToyReads()
    clock = SystemClock()
    hub = StreamHub(
        venue="toy",
        open_source=lambda subscriptions: source,
        reads=reads,
        supports=ALL_READS.__contains__,
        connector=WebSocketConnector("toy", clock),
        clock=clock,
        rng=random.Random(3),
        settings=StreamSettings(
            backoff_initial=timedelta(milliseconds=10),
            backoff_maximum=timedelta(milliseconds=50),
            ack_timeout=timedelta(seconds=2),
        ),
    )
    before = asyncio.all_tasks()
    try:
        yield server, hub, reads, source
    finally:
        await hub.close()
        async with asyncio.timeout(5):
            while server.sockets:
                server.left.clear()
                await server.left.wait()
        assert server.runner is not None
        await server.runner.cleanup()
        leaked = [task for task in asyncio.all_tasks() - before if "perpkit" in repr(task)]
        assert not leaked


async def until(stream, *wanted: StreamState, limit: float = 5) -> list[Event]:
    """Read until these states have come, in this order."""
    events, left = [], list(wanted)
    async with asyncio.timeout(limit):
        while left:
            event = await anext(stream)
            events.append(event)
            if isinstance(event, StreamStatus) and event.state is left[0]:
                left.pop(0)
    return events


async def test_frames_of_a_real_socket_reach_the_reader():
    """Connect, sign in, subscribe, live, data; and closing leaves the server without sockets."""
    async with running() as (server, hub, _, _source), hub.open([TRADES, FILLS]) as stream:
        await until(stream, LIVE)
        assert [each["do"] for each in server.seen].count("auth") == 1
        await server.send("trades.BTC", "t1", 1)
        await server.send("fills.all", "f1", 1)
        async with asyncio.timeout(5):
            assert [await anext(stream), await anext(stream)] == [trade("t1", 1), fill("f1", 1)]


async def end_cleanly(server: Server) -> None:
    await server.sockets[-1].close(code=1000)


async def end_going_away(server: Server) -> None:
    await server.sockets[-1].close(code=1001, message=b"bye")


async def end_internal_error(server: Server) -> None:
    await server.sockets[-1].close(code=1011)


async def end_restart(server: Server) -> None:
    await server.sockets[-1].close(code=1012)


async def end_abruptly(server: Server) -> None:
    transport = server.sockets[-1]._req.transport
    transport.abort()


async def send_garbage(server: Server) -> None:
    for _ in range(10):
        await server.sockets[-1].send_str("<html>502 Bad Gateway</html>")


async def send_binary_garbage(server: Server) -> None:
    for _ in range(10):
        await server.sockets[-1].send_bytes(b"\xff\x00\xfe")


async def send_huge(server: Server) -> None:
    with contextlib.suppress(ConnectionError, aiohttp.ClientError):
        await server.sockets[-1].send_str('"' + "x" * (9 * 1024 * 1024) + '"')


ENDS = [
    end_cleanly,
    end_going_away,
    end_internal_error,
    end_restart,
    end_abruptly,
    send_garbage,
    send_binary_garbage,
    send_huge,
]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
async def test_however_the_connection_ends_nothing_is_lost(end):
    """Lost, reconnected, signed in, subscribed, caught up: the fill made meanwhile comes once, then newer ones."""
    async with running() as (server, hub, reads, _), hub.open([FILLS]) as stream:
        await until(stream, LIVE)
        now = int((SystemClock().now() - START).total_seconds())
        first, second, third = fill("f1", now), fill("f2", now + 1), fill("f3", now + 2)
        await server.send("fills.all", "f1", now)
        reads.state["fetch_fills"] = [first, second]
        server.subscribed.clear()
        await end(server)
        events = await until(stream, LOST, RESYNCED)
        assert data(events) == [first, second]
        assert server.connects == 2
        await server.send("fills.all", "f3", now + 2)
        async with asyncio.timeout(5):
            assert await anext(stream) == third


async def test_a_silent_death_is_noticed():
    """A server that keeps the socket open, sends nothing and answers no ping is given up in the venue's time."""
    traits = StreamTraits(silence_timeout=timedelta(seconds=0.3))
    async with running(traits) as (server, hub, _, _source):
        server.answers_pings = False
        async with hub.open([TRADES]) as stream:
            await until(stream, LIVE)
            server.answers_pings = True
            began = asyncio.get_running_loop().time()
            await until(stream, LOST, RESYNCED)
            assert 0.2 < asyncio.get_running_loop().time() - began < 2
            assert server.connects == 2


async def test_a_quiet_but_living_connection_is_kept():
    """A private channel may be silent for hours; answered pings are life enough."""
    traits = StreamTraits(silence_timeout=timedelta(seconds=0.15))
    async with running(traits) as (server, hub, _, _source), hub.open([FILLS]) as stream:
        await until(stream, LIVE)
        with pytest.raises(TimeoutError):
            await until(stream, LOST, limit=0.8)
        assert server.connects == 1


async def test_wrong_credentials_are_told_and_not_tried_again():
    """One connection, one sign-in, a typed error."""
    async with running() as (server, hub, _, source):
        source.token = "wrong"
        async with hub.open([FILLS]) as stream:
            await until(stream, StreamState.REFUSED)
            with pytest.raises(Exception, match="wrong token"):
                await anext(stream)
            assert [event async for event in stream] == []
        assert server.connects == 1
        assert [each["do"] for each in server.seen] == ["auth"]


async def test_a_server_that_is_away_is_found_again():
    """Refused connections are tried again until the host is back on its port."""
    async with running() as (server, hub, _, source), hub.open([TRADES]) as stream:
        await until(stream, LIVE)
        assert server.runner is not None
        port = server.runner.addresses[0][1]
        await server.runner.cleanup()
        await until(stream, LOST)
        again = Server()
        app = web.Application()
        app.router.add_get("/ws", again.handle)
        server.runner = web.AppRunner(app, shutdown_timeout=0.1)
        await server.runner.setup()
        await web.TCPSite(server.runner, "127.0.0.1", port, reuse_address=True).start()
        server.sockets, server.left = again.sockets, again.left
        await until(stream, RESYNCED)
        assert source.url.endswith(f":{port}/ws")


async def test_a_flood_does_not_starve_the_reader():
    """Twenty thousand frames as fast as a socket gives them all arrive, and other tasks get their turn."""
    async with running() as (server, hub, _, _source), hub.open([FILLS]) as stream:
        await until(stream, LIVE)
        turns = 0

        async def count_turns() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count_turns())

        async def flood() -> None:
            for number in range(20_000):
                await server.send("fills.all", f"f{number}", number)

        flooding = asyncio.create_task(flood())
        ids = []
        async with asyncio.timeout(30):
            while len(ids) < 20_000:
                ids.append((await anext(stream)).fill_id)
        await flooding
        counting.cancel()
        assert ids == [f"f{number}" for number in range(20_000)]
        assert turns > 100
