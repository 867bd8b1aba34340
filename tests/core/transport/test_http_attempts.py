"""More than one attempt: connections kept and lost, what is tried again, and what a quota makes wait."""

from __future__ import annotations

import random
import socket
from datetime import UTC, datetime, timedelta

import pytest

from perpkit.core.errors import ConnectError, ConnectionLostError, LocalRateLimitError
from perpkit.core.transport.http import Progress, parse_retry_after
from perpkit.core.transport.ratelimit import Quota, RateLimiterRegistry
from perpkit.core.transport.retry import ONCE, RetryPolicy
from tests.core.transport.requests import client, command, read
from tests.core.transport.servers import JumpingClock, Peer, answer, raw_server, unused_port


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_a_command_on_a_dead_pooled_connection_is_never_sent_twice(method: str) -> None:
    """
    The library repeats PUT and DELETE by itself on a kept connection that breaks; a venue would act twice. The server
    answers the first request, and closes on reading the second.
    """

    async def once(peer: Peer) -> None:
        await peer.read_request()
        await peer.write(answer(b"{}"))
        await peer.read_request()

    async with raw_server(once) as server, client(server.url) as http:
        await command(http, method)
        with pytest.raises(ConnectionLostError):
            await command(http, method)
        assert len(server.requests) == 2
        assert server.connections == 1


async def test_a_read_on_a_dead_pooled_connection_is_repeated_by_policy_only() -> None:
    """Reads are repeated where it can be seen and counted."""

    async def once(peer: Peer) -> None:
        await peer.read_request()
        await peer.write(answer(b"{}"))
        await peer.read_request()

    async with raw_server(once) as server, client(server.url) as http:
        await read(http)
        with pytest.raises(ConnectionLostError):
            await read(http, retry=ONCE)
        assert len(server.requests) == 2
        await read(http)
        assert len(server.requests) == 3


async def test_a_connection_is_kept_and_warm() -> None:
    """The first order does not pay for connecting, and small frames are not held back (TCP_NODELAY)."""

    async def serve(peer: Peer) -> None:
        while True:
            await peer.read_request()
            await peer.write(answer(b"{}", b"404 Not Found"))

    async with raw_server(serve) as server, client(server.url) as http:
        await http.warm_up("/")
        for _ in range(3):
            await command(http)
        assert server.connections == 1
        assert http._session is not None
        (kept,) = http._session.connector._conns.values()
        sock = kept[0][0].transport.get_extra_info("socket")
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_a_read_is_tried_again_and_the_last_answer_returned() -> None:
    """5xx and 429 are waited out within the policy; what stays is the caller's to map."""
    statuses = [b"503 Busy", b"429 Many", b"200 OK"]

    async def serve(peer: Peer) -> None:
        while True:
            await peer.read_request()
            await peer.write(answer(b"{}", statuses[min(len(server.requests), 3) - 1]))

    async with raw_server(serve) as server, client(server.url, rng=random.Random(1)) as http:
        assert (await read(http)).status == 200
        assert len(server.requests) == 3
        server.requests.clear()
        assert (await read(http, retry=RetryPolicy(attempts=2))).status == 429
        assert len(server.requests) == 2


async def test_a_command_is_not_tried_again_on_any_status() -> None:
    """503 after an order may mean that it was taken."""

    async def serve(peer: Peer) -> None:
        while True:
            await peer.read_request()
            await peer.write(answer(b"{}", b"503 Busy"))

    async with raw_server(serve) as server, client(server.url) as http:
        assert (await command(http)).status == 503
        assert len(server.requests) == 1
        with pytest.raises(ValueError, match="a command is never repeated"):
            await command(http, retry=RetryPolicy())
        assert len(server.requests) == 1


async def test_retry_after_is_honoured_by_everybody_on_the_quota() -> None:
    """A 429 shuts the quota for as long as the venue asks: another client's request is refused before sending."""
    clock = JumpingClock()
    registry = RateLimiterRegistry(clock)
    quotas = [Quota("orders", ((100, timedelta(seconds=1)),)), Quota("reads", ((100, timedelta(seconds=1)),))]

    async def serve(peer: Peer) -> None:
        while True:
            await peer.read_request()
            await peer.write(answer(b"{}", b"429 Many", b"Retry-After: 30"))

    async with (
        raw_server(serve) as server,
        client(server.url, clock=clock, limiter=registry.limiter("h", quotas)) as one,
        client(server.url, clock=clock, limiter=registry.limiter("h", quotas)) as other,
    ):
        reply = await command(one, quotas={"orders": 1})
        assert (reply.status, reply.retry_after) == (429, timedelta(seconds=30))
        with pytest.raises(LocalRateLimitError) as caught:
            await command(other, quotas={"orders": 1})
        assert (caught.value.venue, caught.value.client_order_id) == ("venue", "c1")
        assert caught.value.retry_after == timedelta(seconds=30)
        assert len(server.requests) == 1
        await command(other, quotas={"reads": 1})
        assert len(server.requests) == 2


async def test_a_request_that_may_not_wait_does_not() -> None:
    """A bound of zero is a bound, not a missing one."""
    clock = JumpingClock()
    limit = RateLimiterRegistry(clock).limiter("h", [Quota("q", ((1, timedelta(seconds=1)),))])
    await limit.acquire({"q": 1})
    async with client("https://venue.invalid", clock=clock, limiter=limit) as http:
        with pytest.raises(LocalRateLimitError):
            await command(http, quotas={"q": 1}, max_wait=timedelta(0))
    assert clock.monotonic() == 1000


async def test_a_429_without_a_word_on_how_long_pauses_a_second() -> None:
    """The next one waits rather than knocking again at once."""
    clock = JumpingClock()
    limit = RateLimiterRegistry(clock).limiter("h", [Quota("q", ((100, timedelta(seconds=1)),))])

    async def serve(peer: Peer) -> None:
        while True:
            await peer.read_request()
            await peer.write(answer(b"", b"429 Many"))

    async with raw_server(serve) as server, client(server.url, clock=clock, limiter=limit) as http:
        await command(http, quotas={"q": 1})
        assert limit.usage()["q"].blocked_for == timedelta(seconds=1)


async def test_a_second_attempt_that_finds_no_connection_is_not_taken_for_sent() -> None:
    """Each attempt is judged by itself; the progress remembers that something left."""

    async def serve(peer: Peer) -> None:
        await peer.read_request()
        http._base = f"http://127.0.0.1:{unused_port()}"

    progress = Progress()
    async with raw_server(serve) as server, client(server.url) as http:
        with pytest.raises(ConnectError, match="nothing was sent"):
            await read(http, retry=RetryPolicy(attempts=2), progress=progress)
    assert len(server.requests) == 1
    assert progress.sent


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("30", 30), (" 5 ", 5), ("0", 0), (None, None), ("soon", None), ("-1", None), ("1.5", None), ("²", None),
     ("Thu, 01 Jan 2026 00:01:00 GMT", 60),
     ("Thu, 01 Jan 2026 00:01:00 -0000", 60), ("Wed, 31 Dec 2025 00:00:00 GMT", 0), ("9" * 400, 86_400)],
)  # fmt: skip
def test_retry_after_is_read_in_seconds_or_as_a_date(value: str | None, seconds: int | None) -> None:
    """RFC 9110, 10.2.3; what can't be read counts as absent, and nobody waits for more than a day."""
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert parse_retry_after(value, datetime(2026, 1, 1, tzinfo=UTC)) == expected
