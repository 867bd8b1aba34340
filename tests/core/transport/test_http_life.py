"""The HTTP client's own life: opened, closed and canceled under a request, and watched by recorders."""

from __future__ import annotations

import asyncio
import gc
from datetime import timedelta

import pytest

from perpkit.core.errors import ConnectionLostError, NotSentError
from perpkit.core.transport.http import HttpTimeouts, Progress
from perpkit.core.transport.ratelimit import Quota, RateLimiterRegistry
from perpkit.core.transport.recorder import ReplyRecord, RequestRecord
from perpkit.core.transport.redact import Redactor
from perpkit.core.transport.retry import Effect
from tests.core.transport.requests import client, command
from tests.core.transport.servers import JumpingClock, Peer, answer, hang, other_tasks, raw_server
from tests.waiting import until


async def test_a_client_that_is_not_open_sends_nothing() -> None:
    """Before opening and after closing; closing twice is harmless."""
    http = client("https://venue.invalid")
    with pytest.raises(NotSentError, match="not open"):
        await command(http)
    async with http:
        await http.close()
        with pytest.raises(NotSentError, match="not open"):
            await command(http)


async def test_a_client_closed_under_a_request_ends_it_with_our_error() -> None:
    """Closing while a request waits for its answer leaves no stray exception."""

    async def mute(peer: Peer) -> None:
        await peer.read_request()
        await hang(peer)

    async with raw_server(mute) as server, client(server.url, timeouts=HttpTimeouts()) as http:
        task = asyncio.create_task(command(http))
        await until(lambda: bool(server.requests))
        await http.close()
        with pytest.raises(ConnectionLostError):
            await task


@pytest.mark.parametrize("steps", range(0, 30, 2))
async def test_cancelling_at_any_moment_leaves_nothing_open(steps: int) -> None:
    """After so many turns of the loop: no task, no connection in use, and the client still works."""

    async def serve(peer: Peer) -> None:
        while True:
            await peer.read_request()
            await peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{")
            await asyncio.sleep(0)
            await peer.write(b"}")

    clock = JumpingClock()
    limit = RateLimiterRegistry(clock).limiter("h", [Quota("q", ((1000, timedelta(seconds=1)),))])
    async with raw_server(serve) as server, client(server.url, clock=clock, limiter=limit) as http:
        progress = Progress()
        task = asyncio.create_task(command(http, quotas={"q": 1}, progress=progress))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            await until(lambda: not server.requests or progress.sent)
        assert http._session is not None
        assert not http._session.connector._acquired
        assert (await command(http, quotas={"q": 1})).body == b"{}"
        mine = {task for task in other_tasks() if "serve" not in repr(task)}
        assert not mine
    gc.collect()


async def test_a_cancelled_caller_can_tell_whether_the_order_left() -> None:
    """Progress says so, because the cancellation itself can't."""

    async def mute(peer: Peer) -> None:
        await peer.read_request()
        await hang(peer)

    progress = Progress()
    async with raw_server(mute) as server, client(server.url, timeouts=HttpTimeouts()) as http:
        task = asyncio.create_task(command(http, progress=progress))
        await until(lambda: bool(server.requests))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert progress.sent
    assert progress.sent_at is not None


async def test_recorders_see_each_attempt_without_secrets() -> None:
    """Request and answer, or request and error, in order; the plain text goes to the venue only."""
    redactor = Redactor()
    redactor.add("key-0123456789")

    async def serve(peer: Peer) -> None:
        while True:
            await peer.read_request()
            if len(server.requests) == 1:
                return
            await peer.write(answer(b'{"jwt_token":"abc","echo":"key-0123456789"}'))

    records = []
    async with raw_server(serve) as server, client(server.url, redactor=redactor) as http:
        http.add_recorder(records.append)
        await http.request(
            "POST",
            "/auth",
            operation="sign in",
            effect=Effect.IDEMPOTENT,
            params={"k": "key-0123456789", "market": "BTC"},
            headers={"Authorization": "Bearer t", "X-Note": "key-0123456789"},
            body=b'{"private_key":"zzz","size":"1"}',
        )
        assert b'"private_key":"zzz"' in server.requests[1]
        assert b"k=key-0123456789" in server.requests[1]
    assert [type(record) for record in records] == [RequestRecord, ReplyRecord, RequestRecord, ReplyRecord]
    first, lost, second, reply = records
    assert (first.attempt, second.attempt) == (1, 2)
    assert (first.method, first.path, first.operation) == ("POST", "/auth", "sign in")
    assert first.params == (("k", "***"), ("market", "BTC"))
    assert {"Authorization": "***", "X-Note": "***", "Content-Type": "application/json"}.items() <= dict(
        first.headers
    ).items()
    assert first.body == b'{"private_key":"***","size":"1"}'
    assert (lost.error, lost.status) == ("ConnectionLostError", None)
    assert (reply.status, reply.body) == (200, b'{"jwt_token":"***","echo":"***"}')
    assert reply.request is second
    assert "key-0123456789" not in repr(records)


async def test_a_recorder_may_stop_a_request_but_never_lose_an_answer(caplog: pytest.LogCaptureFixture) -> None:
    """Raising before the request keeps it from being sent; raising on the answer is logged."""

    async def serve(peer: Peer) -> None:
        while True:
            await peer.read_request()
            await peer.write(answer(b"{}"))

    async with raw_server(serve) as server, client(server.url) as http:

        def on_answer(record: object) -> None:
            if not isinstance(record, RequestRecord):
                raise ZeroDivisionError("watcher is broken")

        http.add_recorder(on_answer)
        assert (await command(http)).status == 200
        assert "a recorder failed on an answer" in caplog.text

        def on_request(record: object) -> None:
            raise PermissionError("not in this test")

        http.add_recorder(on_request)
        with pytest.raises(PermissionError):
            await command(http)
        assert len(server.requests) == 1
