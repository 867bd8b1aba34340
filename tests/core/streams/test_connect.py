"""The pace of connection attempts, and how a venue's traits become a WebSocket's bounds."""

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta

import pytest

from perpkit.core.clock import SystemClock
from perpkit.core.streams import connect
from perpkit.core.streams.connect import Pace, WebSocketConnector
from perpkit.core.streams.protocol import StreamEndpoint, StreamTraits
from perpkit.core.transport.ratelimit import RateLimiterRegistry
from tests.core.clocks import ManualClock
from tests.core.streams.rig import settle


async def test_attempts_beyond_the_cap_wait_their_turn():
    """Of twenty at once, three start in each window of ten seconds, in the order in which they came."""
    clock = ManualClock()
    pace = Pace(clock, 3, timedelta(seconds=10))
    started: list[tuple[int, float]] = []

    async def attempt(number: int) -> None:
        await pace.turn()
        started.append((number, clock.monotonic()))

    tasks = [asyncio.create_task(attempt(number)) for number in range(20)]
    for _ in range(80):
        await settle(10)
        clock.advance(1)
    await asyncio.gather(*tasks)
    assert [number for number, _ in started] == list(range(20))
    times = [when for _, when in started]
    assert all(fourth - first >= 10 for first, fourth in zip(times, times[3:], strict=False))
    assert times[-1] - times[0] <= 70


async def test_a_single_attempt_does_not_wait():
    """Within the cap there is nothing to wait for, also after a long pause."""
    clock = ManualClock()
    pace = Pace(clock, 2, timedelta(seconds=10))
    for _ in range(5):
        await asyncio.wait_for(pace.turn(), 1)
        clock.advance(6)


@pytest.mark.parametrize(
    ("traits", "ping"),
    [
        (StreamTraits(silence_timeout=timedelta(seconds=60)), 40),
        (StreamTraits(silence_timeout=timedelta(seconds=60), ping_interval=timedelta(seconds=10)), 10),
        (StreamTraits(silence_timeout=timedelta(seconds=6), ping_interval=timedelta(seconds=10)), 4),
    ],
)
async def test_a_silent_connection_ends_within_the_venues_time(monkeypatch, traits: StreamTraits, ping: int):
    """The transport gives up half as long after its ping as it waited before it; both together keep the bound."""
    asked = {}

    async def remember(url, **arguments):
        asked.update(arguments, url=url)
        return "connection"

    monkeypatch.setattr(connect.WebSocketConnection, "connect", remember)
    connector = WebSocketConnector("toy", SystemClock())
    assert await connector.connect(StreamEndpoint("wss://toy.example/ws", {"X-Key": "k"}), traits) == "connection"
    assert asked["timeouts"].ping == timedelta(seconds=ping)
    assert asked["timeouts"].ping * 1.5 <= traits.silence_timeout
    assert asked["headers"] == {"X-Key": "k"}
    assert asked["url"] == "wss://toy.example/ws"


async def test_all_clients_of_an_address_share_the_connect_cap(monkeypatch):
    """Two venues opened on one host draw on one limiter, named after the host."""
    asked = []

    async def remember(url, **arguments):
        asked.append((arguments["limiter"], arguments["quotas"]))

    monkeypatch.setattr(connect.WebSocketConnection, "connect", remember)
    clock = ManualClock()
    registry = RateLimiterRegistry(clock)
    traits = StreamTraits(max_connects=2, connects_per=timedelta(seconds=60))
    for _ in range(2):
        connector = WebSocketConnector("toy", clock, limiter=registry.limiter)
        await connector.connect(StreamEndpoint("wss://toy.example/ws"), traits)
    (one, quotas), (two, _) = asked
    await one.acquire(quotas)
    await two.acquire(quotas)
    third = asyncio.create_task(one.acquire(quotas))
    await settle()
    assert not third.done()
    for _ in itertools.repeat(None, 70):
        clock.advance(1)
        await settle(5)
    assert third.done()


def test_an_endpoints_headers_are_not_shown():
    """They may hold a token."""
    assert "secret-token" not in repr(StreamEndpoint("wss://toy.example", {"Authorization": "secret-token"}))
