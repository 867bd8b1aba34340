"""The HTTP client against servers that misbehave: each ends in the one error that says whether anything was sent."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import aiohttp
import pytest
from aiohttp import web

from perpkit.core.errors import (
    BadGatewayError,
    ConfigError,
    ConnectError,
    ConnectionLostError,
    DecodeError,
    PerpkitError,
    RequestTimeoutError,
)
from perpkit.core.transport.http import HttpClient, HttpReply, HttpTimeouts, Progress, classify_gateway_failure, segment
from perpkit.core.transport.retry import Effect
from tests.core.transport.requests import client, command, read
from tests.core.transport.servers import (
    DATA,
    ManualClock,
    Peer,
    answer,
    hang,
    raw_server,
    self_signed,
    unused_port,
    web_server,
)


async def test_a_request_goes_out_as_given_and_the_answer_comes_back_whole() -> None:
    """Method, path, query, headers and body arrive unchanged; status, headers, body and times return."""
    seen = {}

    async def handle(request: web.Request) -> web.Response:
        seen.update(method=request.method, raw=request.raw_path, body=await request.read(), headers=request.headers)
        return web.json_response({"id": "1"}, status=201, headers={"X-Odd": "yes"})

    clock = ManualClock()
    async with (
        web_server(web.put("/v1/orders/{id}", handle)) as url,
        client(url + "/v1", clock=clock, default_headers={"User-Agent": "ours"}) as http,
    ):
        reply = await http.request(
            "PUT",
            f"/orders/{segment('a/b c')}",
            operation="amend",
            effect=Effect.COMMAND,
            params={"market": "BTC-USD-PERP", "n": 1, "no": None, "yes": True, "p": Decimal("1E-8"), "s": "a b&c@"},
            body=b'{"x":1}',
            headers={"Authorization": "Bearer t"},
        )
    assert seen["method"] == "PUT"
    assert seen["raw"] == "/v1/orders/a%2Fb%20c?market=BTC-USD-PERP&n=1&yes=true&p=0.00000001&s=a%20b%26c%40"
    assert seen["body"] == b'{"x":1}'
    assert seen["headers"]["Authorization"] == "Bearer t"
    assert seen["headers"]["Content-Type"] == "application/json"
    assert seen["headers"]["User-Agent"] == "ours"
    assert (reply.status, reply.body, reply.headers["x-odd"]) == (201, b'{"id": "1"}', "yes")
    assert reply.sent_at == reply.received_at == clock.now()


async def test_parameters_may_repeat_and_keep_their_order() -> None:
    """A list of pairs goes out as it is."""
    seen = []

    async def handle(request: web.Request) -> web.Response:
        seen.append((request.raw_path, dict(request.headers)))
        return web.Response()

    async with web_server(web.get("/account", handle)) as url, client(url) as http:
        reply = await read(http, params=[("b", "1"), ("a", "2"), ("b", "3")])
    assert seen[0][0] == "/account?b=1&a=2&b=3"
    assert "Content-Type" not in seen[0][1]
    assert reply.body == b""


async def test_a_post_without_a_body_claims_no_content_type() -> None:
    """What is not there has no type; a signed request would otherwise carry a header that nobody chose."""

    async def serve(peer: Peer) -> None:
        await peer.read_request()
        await peer.write(answer(b"{}"))

    async with raw_server(serve) as server, client(server.url) as http:
        await command(http, body=None)
        assert b"content-type" not in server.requests[0].lower()


async def test_cookies_of_a_gateway_are_not_carried_over() -> None:
    """They would tie the requests of two accounts, or of two sessions, together."""

    async def serve(peer: Peer) -> None:
        while True:
            await peer.read_request()
            await peer.write(answer(b"{}", b"200 OK", b"Set-Cookie: who=me; Path=/"))

    async with raw_server(serve) as server, client(server.url.replace("127.0.0.1", "localhost")) as http:
        await command(http)
        await command(http)
        assert b"who=me" not in server.requests[1]


async def test_a_refused_connection_is_not_sent() -> None:
    """Nobody listens: nothing was sent, even for an order."""
    progress = Progress()
    async with client(f"http://127.0.0.1:{unused_port()}") as http:
        with pytest.raises(ConnectError, match="nothing was sent") as caught:
            await command(http, progress=progress)
    assert (caught.value.venue, caught.value.operation, caught.value.client_order_id) == ("venue", "place_order", "c1")
    assert caught.value.__cause__ is not None
    assert not progress.sent


async def test_a_host_without_address_is_not_sent() -> None:
    """A name that does not resolve ends before any connection. '.invalid' is reserved for this (RFC 6761)."""
    async with client("https://venue.invalid") as http:
        with pytest.raises(ConnectError):
            await command(http)


async def test_a_connection_that_is_never_accepted_is_not_sent() -> None:
    """With the backlog full, connecting itself times out."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(0)
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(sock.getsockname())
            fillers.append(filler)
        limits = HttpTimeouts(connect=timedelta(milliseconds=150))
        async with client(f"http://127.0.0.1:{sock.getsockname()[1]}", timeouts=limits) as http:
            with pytest.raises(ConnectError):
                await command(http)
        for filler in fillers:
            filler.close()


async def test_an_untrusted_certificate_is_refused_before_anything_is_sent() -> None:
    """TLS is verified; a self-signed server sees no request."""
    async with (
        raw_server(hang, self_signed()) as server,
        client(f"https://localhost:{server.port}") as http,
    ):
        with pytest.raises(ConnectError, match=r"(?i)certificate"):
            await command(http)
        assert server.requests == []


async def test_a_certificate_that_is_trusted_on_purpose_is_accepted() -> None:
    """A context of one's own may trust more, and its host name is still checked."""

    async def good(peer: Peer) -> None:
        await peer.read_request()
        await peer.write(answer(b"{}"))

    context = ssl.create_default_context(cafile=DATA / "localhost.pem")
    async with (
        raw_server(good, self_signed()) as server,
        client(f"https://localhost:{server.port}", ssl_context=context) as http,
    ):
        assert (await command(http)).status == 200


async def test_a_server_that_does_not_speak_tls_is_not_sent() -> None:
    """The handshake fails before the request."""

    async def plain(peer: Peer) -> None:
        await peer.reader.read(10)
        await peer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with raw_server(plain) as server, client(f"https://127.0.0.1:{server.port}") as http:
        with pytest.raises(ConnectError):
            await command(http)


async def test_a_server_that_hangs_before_or_after_reading_leaves_the_outcome_open() -> None:
    """No answer in time: it was sent, and nothing proves what became of it."""

    async def deaf(peer: Peer) -> None:
        await asyncio.Event().wait()

    async def mute(peer: Peer) -> None:
        await peer.read_request()
        await hang(peer)

    for conversation in (deaf, mute):
        progress = Progress()
        async with raw_server(conversation) as server, client(server.url) as http:
            with pytest.raises(RequestTimeoutError):
                await command(http, progress=progress)
            assert progress.sent
            assert server.connections == 1


async def test_a_total_bound_ends_a_slow_body() -> None:
    """A server that drips bytes within the read bound is cut off by the total one."""

    async def drip(peer: Peer) -> None:
        await peer.read_request()
        await peer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while True:
            await peer.write(b"x")
            await asyncio.sleep(0.02)

    limits = HttpTimeouts(total=timedelta(milliseconds=200))
    async with raw_server(drip) as server, client(server.url, timeouts=limits) as http:
        with pytest.raises(RequestTimeoutError):
            await command(http)


LOST = {
    "closed without an answer": b"",
    "closed inside the head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "closed inside the body": b'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"id":',
    "closed inside a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n50\r\nabc",
    "closed between chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
}


@pytest.mark.parametrize("reset", [False, True], ids=["close", "reset"])
@pytest.mark.parametrize("sent", LOST.values(), ids=LOST.keys())
async def test_a_connection_that_goes_away_leaves_the_outcome_open(sent: bytes, reset: bool) -> None:
    """Closed or reset at any point after the request: sent, no complete answer, and never a result from half a body."""

    async def part(peer: Peer) -> None:
        await peer.read_request()
        await peer.write(sent)
        if reset:
            peer.reset()

    async with raw_server(part) as server, client(server.url) as http:
        with pytest.raises(ConnectionLostError):
            await command(http)
        assert len(server.requests) == 1


async def test_a_chunked_answer_is_put_together() -> None:
    """Pieces of any size make one body."""

    async def chunks(peer: Peer) -> None:
        await peer.read_request()
        await peer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for piece in (b'{"a"', b":", b"1}"):
            await peer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        await peer.write(b"0\r\n\r\n")

    async with raw_server(chunks) as server, client(server.url) as http:
        assert (await command(http)).body == b'{"a":1}'


async def test_what_does_not_speak_http_is_not_the_venue() -> None:
    """Garbage instead of a status line."""

    async def garbage(peer: Peer) -> None:
        await peer.read_request()
        await peer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")

    async with raw_server(garbage) as server, client(server.url) as http:
        with pytest.raises(BadGatewayError):
            await command(http)


@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"303 See", b"307 Again", b"308 Moved"])
async def test_no_redirect_is_followed(status: bytes) -> None:
    """Neither the credentials nor the order reach the place that the redirect names."""
    elsewhere = []

    async def trap(peer: Peer) -> None:
        elsewhere.append(await peer.read_request())

    async with raw_server(trap) as other:

        async def redirect(peer: Peer) -> None:
            await peer.read_request()
            await peer.write(answer(b"", status, f"Location: {other.url}/?api_key=k".encode()))

        async with raw_server(redirect) as server, client(server.url) as http:
            with pytest.raises(BadGatewayError, match=r"redirected with 30\d to .*api_key=\*\*\*") as caught:
                await command(http, headers={"Authorization": "Bearer t"})
    assert caught.value.status == int(status[:3])
    assert elsewhere == []


async def test_a_huge_body_is_not_read() -> None:
    """Announced, unannounced or compressed: reading stops at the bound, and the next request gets its own answer."""
    bomb = gzip.compress(b"0" * 200_000)
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    answers = [
        answer(b"x" * 100_001),
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk * 4 + b"0\r\n\r\n",
        answer(bomb, b"200 OK", b"Content-Encoding: gzip"),
    ]
    for sent in answers:

        async def big(peer: Peer, sent: bytes = sent) -> None:
            while True:
                await peer.read_request()
                await peer.write(sent if len(server.requests) == 1 else answer(b"{}"))

        async with raw_server(big) as server, client(server.url, max_body=100_000) as http:
            with pytest.raises(DecodeError, match="larger than 100000 bytes"):
                await command(http)
            assert (await command(http)).body == b"{}"


async def test_a_compressed_body_arrives_plain() -> None:
    """Below the bound a compressed answer is unpacked."""

    async def zipped(peer: Peer) -> None:
        await peer.read_request()
        await peer.write(answer(gzip.compress(b'{"a":1}'), b"200 OK", b"Content-Encoding: gzip"))

    async with raw_server(zipped) as server, client(server.url) as http:
        assert (await command(http)).body == b'{"a":1}'


async def test_a_body_broken_in_its_encoding_can_not_be_read() -> None:
    """It says gzip and is not."""

    async def broken(peer: Peer) -> None:
        await peer.read_request()
        await peer.write(answer(b"plainly no gzip", b"200 OK", b"Content-Encoding: gzip"))

    async with raw_server(broken) as server, client(server.url) as http:
        with pytest.raises(DecodeError):
            await command(http)


@pytest.mark.parametrize(("is_sent", "error"), [(False, ConnectError), (True, ConnectionLostError)])
async def test_what_the_library_asserts_is_a_broken_connection(
    monkeypatch: pytest.MonkeyPatch, is_sent: bool, error: type[PerpkitError]
) -> None:
    """It asserts without words that its connection is still there; before and after sending are told apart."""

    async def send(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
        if is_sent:
            await handler(request)
        raise AssertionError

    async def serve(peer: Peer) -> None:
        await peer.read_request()
        await peer.write(answer(b"{}"))

    monkeypatch.setattr("perpkit.core.transport.http.send_once", send)
    async with raw_server(serve) as server, client(server.url) as http:
        with pytest.raises(error, match="AssertionError"):
            await command(http)


@pytest.mark.parametrize("path", ["orders", "//evil.example/x", "/a?b=1", "/a#b", "/a b", "/a\r\nX: y", "/a\\b", ""])
async def test_a_path_can_not_leave_the_host(path: str) -> None:
    """What would change the host, add a query or break the request line is refused."""
    async with client("https://venue.invalid") as http:
        with pytest.raises(ValueError, match="a path begins with one slash"):
            await http.request("GET", path, operation="x", effect=Effect.READ)


@pytest.mark.parametrize("text", ["", ".", ".."])
def test_an_identifier_that_would_name_another_path_is_refused(text: str) -> None:
    """DELETE /orders/ with an empty id would cancel everything."""
    with pytest.raises(ConfigError, match="can't stand in a path as an identifier; nothing was sent") as caught:
        segment(text, venue="moonex")
    assert caught.value.venue == "moonex"


@pytest.mark.parametrize(("bound", "connect"), [(30, 5), (2, 2)])
def test_a_bound_on_answers_leaves_a_connection_no_more_than_its_usual_time(bound: int, connect: int) -> None:
    """A venue that is slow to answer gets no longer to be reached; one that must be quick is held to it there too."""
    limits = HttpTimeouts.within(timedelta(seconds=bound))
    assert (limits.total, limits.read) == (timedelta(seconds=bound),) * 2
    assert limits.connect == timedelta(seconds=connect)


async def test_a_float_has_no_place_in_a_query() -> None:
    """Its spelling would be a guess."""
    async with client("https://venue.invalid") as http:
        with pytest.raises(TypeError, match="query parameter size: a float"):
            await read(http, params={"size": 0.1})


async def test_a_header_with_a_line_break_is_refused_without_showing_it() -> None:
    """A key copied with its line end must not split the request, nor be shown."""
    async with client("https://venue.invalid") as http:
        with pytest.raises(ConfigError, match="header X-Key holds a line break") as caught:
            await read(http, headers={"X-Key": "secret-key\n"})
    assert "secret-key" not in str(caught.value)
    with pytest.raises(ConfigError):
        HttpClient("https://h", venue="v", default_headers={"X-Key": "a\r\nb"})


@pytest.mark.parametrize(
    ("status", "kind", "body", "is_gateway"),
    [
        (502, "text/html", b"<html>bad gateway</html>", True),
        (500, "text/html", b"<html>", True),
        (503, "", b"", True),
        (504, "text/plain", b"upstream timed out", True),
        (520, "text/plain", b"error code: 520", True),
        (500, "application/json", b'{"error":"INTERNAL"}', False),
        (503, "application/json", b' {"error":"MAINTENANCE"}', False),
        (200, "text/html", b"<!doctype html>welcome to this hotel", True),
        (200, "text/plain", b"OK", True),
        (200, "application/json", b"[]", False),
        (204, "", b"", False),
        (403, "text/html", b"<html>Attention Required</html>", True),
        (404, "text/plain", b"404 page not found", False),
        (401, "application/json", b'{"error":"X"}', False),
        (429, "text/html", b"<html>slow down</html>", False),
    ],
)
def test_an_answer_that_is_not_the_venues_is_recognized(status: int, kind: str, body: bytes, is_gateway: bool) -> None:
    """HTML of any status, a 5xx without JSON, a success without JSON; never an envelope of the venue."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    reply = HttpReply(status, {"Content-Type": kind}, body, moment, moment)
    error = classify_gateway_failure(reply, venue="v", operation="place_order", client_order_id="c")
    assert (error is not None) == is_gateway
    if error is not None:
        assert (error.status, error.client_order_id) == (status, "c")


async def test_every_error_of_a_command_says_which_order() -> None:
    """The caller can go on to resolve it by its client id."""

    async def lose(peer: Peer) -> None:
        await peer.read_request()

    async with raw_server(lose) as server, client(server.url) as http:
        with pytest.raises(PerpkitError) as caught:
            await command(http)
    assert str(caught.value).startswith("venue place_order: ")
    assert caught.value.client_order_id == "c1"
