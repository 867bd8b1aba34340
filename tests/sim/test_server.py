"""The server: it listens here and nowhere else, ends cleanly, and fails as planned."""

from __future__ import annotations

import asyncio
import gc
import json
import weakref
from datetime import timedelta
from decimal import Decimal

import aiohttp
import pytest

from perpkit.sim.clock import SimClock
from perpkit.sim.fault_injection import _damage
from perpkit.sim.faults import FaultTarget, fault_from
from tests.sim.toy_venue import ToyVenue
from tests.waiting import until

BTC_PRICE = Decimal(4321)
RPC, FRAME, CONNECT = FaultTarget.RPC, FaultTarget.FRAME, FaultTarget.CONNECT


@pytest.fixture
async def sim():
    """A running toy venue with a clock that stands still."""
    async with ToyVenue() as venue:
        yield venue


@pytest.fixture
async def client(sim):
    """An HTTP client that gives up after two seconds."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
        yield session


async def order(sim: ToyVenue, client: aiohttp.ClientSession) -> tuple[int, str, aiohttp.ClientResponse]:
    """Place an order; return status, text and response."""
    async with client.post(f"{sim.url}/orders", json={"price": "990"}) as response:
        return response.status, await response.text(), response


def placed(sim: ToyVenue) -> int:
    """How many orders the exchange has."""
    return len(sim.exchange.orders("ann"))


async def test_it_serves_on_the_loopback_only(sim, client):
    """Addresses name 127.0.0.1 and the port that the system gave."""
    assert sim.port != 0
    assert sim.url == f"http://127.0.0.1:{sim.port}/v1"
    assert sim.ws_url == f"ws://127.0.0.1:{sim.port}/v1/ws"
    status, text, _ = await order(sim, client)
    assert (status, placed(sim)) == (201, 1)
    assert json.loads(text)["id"] == sim.exchange.orders("ann")[0].id


async def test_two_servers_run_side_by_side():
    """Each has its own port and its own exchange."""
    async with ToyVenue() as one, ToyVenue() as two:
        assert one.port != two.port
        one.control.set_price("BTC", index=BTC_PRICE)
        assert two.exchange.index_price("BTC") != BTC_PRICE


async def test_starting_twice_is_refused_and_stopping_twice_is_not():
    """A stopped server can be started again, on the same port."""
    venue = ToyVenue()
    await venue.start()
    with pytest.raises(RuntimeError, match="running"):
        await venue.start()
    await venue.stop()
    await venue.stop()


async def test_it_leaves_no_task_behind(client):
    """With clients connected, requests hanging and real time running, stopping ends everything."""
    before = asyncio.all_tasks()
    venue = ToyVenue(SimClock.real_time(), tick_every=timedelta(milliseconds=1))
    async with venue:
        venue.control.inject("hang_before", match="POST *")
        hanging = asyncio.create_task(order(venue, client))
        socket = await client.ws_connect(venue.ws_url)
        await until(lambda: venue.faults.log)
        async with asyncio.timeout(2):
            await venue.stop()
        with pytest.raises(aiohttp.ClientError):
            await hanging
        await socket.close()
    await asyncio.sleep(0)
    gc.collect()
    left = {task for task in asyncio.all_tasks() - before if not task.done()}
    assert left == set()


async def test_a_stopped_server_is_kept_by_nobody(client):
    """With the last reference its exchange goes too, however many requests it has served."""
    venue = ToyVenue()
    async with venue:
        assert (await order(venue, client))[0] == 201
    gone = weakref.ref(venue.exchange)
    del venue
    gc.collect()
    assert gone() is None


async def test_real_time_runs_what_is_due():
    """In real time the clock is caught up without anybody moving it."""
    async with ToyVenue(SimClock.real_time(), tick_every=timedelta(milliseconds=1)) as venue:
        done = asyncio.Event()
        venue.clock.call_later(timedelta(milliseconds=5), done.set)
        async with asyncio.timeout(2):
            await done.wait()


async def test_a_background_failure_is_not_swallowed(caplog):
    """It is logged when it happens and raised when the server stops."""

    async def fail() -> None:
        raise LookupError("broken on purpose")

    venue = ToyVenue()
    await venue.start()
    task = venue.spawn(fail(), name="broken")
    await asyncio.wait([task])
    with pytest.raises(LookupError, match="on purpose"):
        await venue.stop()
    assert "broken" in caplog.text


# Faults of requests


@pytest.mark.parametrize(("action", "orders"), [("refuse", 0), ("drop_before", 0), ("drop_after", 1)])
async def test_a_broken_request_may_or_may_not_have_been_taken(sim, client, action, orders):
    """The client sees the same broken connection; the exchange knows whether there is an order."""
    sim.control.inject(action, match="POST /v1/orders")
    with pytest.raises(aiohttp.ClientConnectionError):
        await order(sim, client)
    assert placed(sim) == orders
    assert (await order(sim, client))[0] == 201


@pytest.mark.parametrize(("action", "orders"), [("hang_before", 0), ("hang_after", 1)])
async def test_a_hanging_request_never_answers(sim, action, orders):
    """The client times out, with or without an order."""
    sim.control.inject(action, match="POST *")
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=0.15)) as hasty:
        with pytest.raises(TimeoutError):
            await order(sim, hasty)
    assert placed(sim) == orders


@pytest.mark.parametrize(("action", "orders"), [("status", 0), ("status_after", 1)])
async def test_a_status_can_come_instead_or_after_all(sim, client, action, orders):
    """429 with Retry-After, and the order is taken only by the second."""
    sim.control.inject(action, match="POST *", status=429, retry_after="3", body='{"error":"SLOW"}')
    status, text, response = await order(sim, client)
    assert (status, text, response.headers["Retry-After"]) == (429, '{"error":"SLOW"}', "3")
    assert response.content_type == "application/json"
    assert placed(sim) == orders


async def test_a_429_may_come_without_retry_after(sim, client):
    """Then the header is not there."""
    sim.control.inject("status", status=429)
    status, _, response = await order(sim, client)
    assert status == 429
    assert "Retry-After" not in response.headers


async def test_html_instead_of_json(sim, client):
    """A gateway's page with 500 unless another status is given."""
    sim.control.inject("html", status=502)
    status, text, response = await order(sim, client)
    assert (status, response.content_type, placed(sim)) == (502, "text/html", 0)
    assert text.startswith("<html>")


async def test_answers_can_be_cut_widened_and_replaced(sim, client):
    """Half of it; unknown fields in every object; something else. The order is taken each time."""
    sim.control.inject("truncate")
    _, text, _ = await order(sim, client)
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        json.loads(text)
    sim.control.inject("extra_fields")
    _, text, _ = await order(sim, client)
    answer = json.loads(text)
    assert answer["perpkit_unknown_text"] == answer["inner"][0]["perpkit_unknown_text"] == "x"
    assert answer["id"] == sim.exchange.orders("ann")[-1].id
    sim.control.inject("replace", body="null")
    assert (await order(sim, client))[1] == "null"
    assert placed(sim) == 3


def test_answers_can_be_spelt_in_another_way():
    """Empty lists become null, fractions get a zero more; ids, words and true numbers stay as they are."""
    text = '{"rows":[],"price":"1.1","id":"123","inner":[{"size":"-0.50","list":[],"word":"a.b","n":1.5}]}'
    nulls = _damage(text, [fault_from({"action": "empty_as_null"})])
    respelt = _damage(text, [fault_from({"action": "respell"})])
    assert nulls == text.replace("[]", "null")
    assert respelt == text.replace('"1.1"', '"1.10"').replace('"-0.50"', '"-0.500"')


@pytest.mark.parametrize(("action", "before"), [("delay", 0), ("delay_answer", 1)])
async def test_delays_wait_for_the_simulated_clock(sim, client, action, before):
    """Nothing comes until the clock has moved; then it does."""
    sim.control.inject(action, match="POST *", delay_ms=5000)
    waiting = asyncio.create_task(order(sim, client))
    await until(lambda: sim.faults.log and placed(sim) == before)
    for _ in range(20):
        await asyncio.sleep(0)
    assert (waiting.done(), placed(sim)) == (False, before)
    sim.control.advance(timedelta(seconds=5))
    assert (await waiting)[0] == 201


async def test_tokens_expire_on_demand(sim, client):
    """By fault at a request, and through the back door."""
    sim.control.inject("expire_tokens", match="GET *")
    await order(sim, client)
    assert sim.expired == 0
    await client.get(f"{sim.url}/time")
    assert sim.expired == 1
    sim.control.expire_tokens()
    assert sim.expired == 2


# Faults of streams


async def call(socket: aiohttp.ClientWebSocketResponse, *numbers: int) -> None:
    """Send so many calls."""
    for number in numbers:
        await socket.send_str(json.dumps({"method": "count", "n": number}))


async def numbers(socket: aiohttp.ClientWebSocketResponse, count: int) -> list[object]:
    """Receive so many frames; the number in each, or the text of one that is no JSON."""
    found: list[object] = []
    for _ in range(count):
        text = await socket.receive_str(timeout=2)
        try:
            found.append(json.loads(text)["n"])
        except ValueError:
            found.append("garbage")
    return found


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("duplicate", [1, 2, 2, 3]),
        ("gap", [1, 3, 4]),
        ("reorder", [1, 3, 2, 4]),
        ("garbage", [1, "garbage", 2, 3]),
        ("truncate", [1, "garbage", 3]),
    ],
)
async def test_frames_can_be_doubled_lost_swapped_or_spoiled(sim, client, action, expected):
    """The second frame of four is hit, the others pass."""
    sim.control.inject(action, target=FRAME, match="count", skip=1)
    async with client.ws_connect(sim.ws_url) as socket:
        await call(socket, 1, 2, 3, 4)
        assert await numbers(socket, len(expected)) == expected


@pytest.mark.parametrize("code", [1000, 1001, 1011, 1012, 4001])
async def test_a_stream_can_be_closed_with_any_code(sim, client, code):
    """The frame that was hit does not come, the close does."""
    sim.control.inject("disconnect", target=FRAME, close_code=code)
    async with client.ws_connect(sim.ws_url) as socket:
        await call(socket, 1)
        message = await socket.receive(timeout=2)
        assert message.type in {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED}
        assert socket.close_code == code


async def test_a_stream_can_break_without_a_close(sim, client):
    """1006: the connection is gone without a word."""
    sim.control.inject("disconnect", target=FRAME, close_code=1006)
    async with client.ws_connect(sim.ws_url) as socket:
        await call(socket, 1)
        message = await socket.receive(timeout=2)
        assert message.type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
        assert socket.close_code == 1006


async def test_a_half_open_stream_stays_silent(sim, client):
    """It stays connected and sends nothing; a new connection is not affected."""
    sim.control.inject("half_open", target=FRAME, skip=1)
    async with client.ws_connect(sim.ws_url) as socket, client.ws_connect(sim.ws_url) as other:
        await call(socket, 1, 2, 3)
        assert await numbers(socket, 1) == [1]
        with pytest.raises(TimeoutError):
            await socket.receive(timeout=0.1)
        assert not socket.closed
        await call(other, 4)
        assert await numbers(other, 1) == [4]


async def test_frames_can_be_late(sim, client):
    """A delayed frame waits for the simulated clock."""
    sim.control.inject("delay", target=FRAME, delay_ms=1000)
    async with client.ws_connect(sim.ws_url) as socket:
        await call(socket, 1)
        await until(lambda: sim.faults.log)
        await asyncio.sleep(0)
        sim.control.advance(timedelta(seconds=1))
        assert await numbers(socket, 1) == [1]


async def test_calls_report_their_faults_to_the_venue(sim, client):
    """What a call fault does is the venue's to carry out; the gate tells it."""
    sim.control.inject("missing_channel", target=RPC, match="count")
    async with client.ws_connect(sim.ws_url) as socket:
        await call(socket, 1, 2)
        frames = [json.loads(await socket.receive_str(timeout=2)) for _ in range(2)]
        assert [frame["struck"] for frame in frames] == [["missing_channel"], []]


@pytest.mark.parametrize(
    ("action", "error"), [("refuse", aiohttp.ClientError), ("status", aiohttp.WSServerHandshakeError)]
)
async def test_a_handshake_can_be_refused(sim, client, action, error):
    """By breaking the connection or by a status; requests pass."""
    # aiohttp repeats a GET by itself once when the connection breaks: both attempts must meet the fault.
    sim.control.inject(action, target=CONNECT, status=503, times=2 if action == "refuse" else 1)
    with pytest.raises(error):
        await client.ws_connect(sim.ws_url)
    assert (await order(sim, client))[0] == 201
    async with client.ws_connect(sim.ws_url) as socket:
        await call(socket, 1)
        assert await numbers(socket, 1) == [1]
