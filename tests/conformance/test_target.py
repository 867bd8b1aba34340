"""The target: time that only tests move, the ledger, faults, recordings, and what arrives unseen."""

from __future__ import annotations

import asyncio
import socket
import time
from datetime import timedelta
from decimal import Decimal

import aiohttp
import pytest
from perpkit_conformance.blocking import BlockingSocketError, blocking_noted
from perpkit_conformance.profiles.paradex import ParadexProfile
from perpkit_conformance.target import Target, Watch

from perpkit.adapters.paradex.venue import ParadexVenue
from perpkit.core.errors import AuthError, ConfigError, CredentialsError, RequestTimeoutError, StreamError, VenueError
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import Fill, OrderIntent, Side, StreamState
from perpkit.core.transport.retry import ONCE, Effect
from perpkit.sim.clock import START


@pytest.fixture
async def target():
    """A target of the good plugin, apart from any option of this run."""
    async with Target(ParadexProfile()) as started:
        yield started
        started.control.check_invariants()


async def test_time_stands_still_for_requests(target):
    """Opening, reading and trading take no time of the exchange."""
    venue = await target.open()
    await venue.fetch_balances()
    assert target.control.clock.now() == START


async def test_waiting_for_something_that_comes_by_itself_moves_no_clock(target):
    """What only needs the sockets is awaited in real time."""
    loop = asyncio.get_running_loop()
    came = asyncio.Event()
    loop.call_later(0.01, came.set)
    await target.until(came.is_set, "the event")
    assert target.control.clock.now() == START


async def test_waiting_moves_the_clock_where_it_must(target):
    """What is due on the exchange's clock comes, and not much later than it is due."""
    came = []
    target.control.clock.call_later(timedelta(seconds=30), lambda: came.append(target.control.clock.now()))
    await target.until(lambda: came, "the appointment")
    assert came == [START + timedelta(seconds=30)]
    assert target.control.clock.now() < START + timedelta(seconds=31)


async def test_waiting_in_vain_says_for_what(target):
    """The bound is the exchange's own time, and the message names what was awaited."""
    with pytest.raises(AssertionError, match="it did not come: a miracle"):
        await target.until(lambda: False, "a miracle", within=timedelta(seconds=5))
    assert target.control.clock.now() >= START + timedelta(seconds=5)


async def test_running_something_that_sleeps_takes_its_time(target):
    """A coroutine that waits on the venue's clock is carried through; one that takes too long is ended."""
    await target.run(target.clock.sleep(60))
    assert target.control.clock.now() - START >= timedelta(seconds=60)
    with pytest.raises(AssertionError, match="was not done within"):
        await target.run(target.clock.sleep(1000), within=timedelta(seconds=2))
    await target.breathe()
    assert target.clock.sleepers == 0


async def test_time_can_flow(target):
    """Within the block the clock goes by itself, many times faster than real time; after it, it stands."""
    async with target.flow(speed=1000):
        await asyncio.wait_for(target.clock.sleep(5), timeout=10)
    stopped = target.control.clock.now()
    await target.breathe(20)
    assert target.control.clock.now() == stopped


async def test_the_venues_wall_clock_can_be_wrong(target):
    """An error moves wall time alone: durations stay right."""
    before = target.clock.monotonic()
    target.clock.error = timedelta(minutes=-1)
    assert target.clock.now() == START - timedelta(minutes=1)
    assert target.clock.time_ns() == int((START - timedelta(minutes=1)).timestamp()) * 10**9
    assert target.clock.monotonic() == before


async def test_the_truth_is_the_ledger(target):
    """What is traded behind the plugin's back stands in the truth, and the plugin is told by the venue."""
    target.quote()
    order = target.submit("buy", "0.3")
    assert order.filled_size == Decimal("0.3")
    assert {market: each.size for market, each in target.truth().positions().items()} == {target.symbol: Decimal("0.3")}
    assert target.truth(account=1).positions() == {}
    venue = await target.open()
    (position,) = await venue.fetch_positions()
    assert position.size == Decimal("0.3")


async def test_accounts_and_keys_are_chosen_by_name(target):
    """Each account and each kind of credential opens what it should."""
    target.quote()
    target.submit(Side.SELL, "0.1", account=1)
    for key in target.profile.key_kinds():
        venue = await target.open(account=1, key=key)
        assert [each.size for each in await venue.fetch_positions()] == [Decimal("-0.1")]
    public = await target.open(key="none")
    assert await public.fetch_markets()
    with pytest.raises((CredentialsError, AuthError)):
        await public.fetch_positions()


async def test_a_fault_strikes_where_the_profile_says(target):
    """A hook's own request is hit, once, and no other."""
    venue = await target.open()
    fault = target.inject("fetch_positions", "status", status=400, times=1)
    await venue.fetch_balances()
    assert fault.hits == 0
    with pytest.raises(VenueError):
        await venue.fetch_positions()
    assert fault.hits == 1
    with pytest.raises(ConfigError, match="does not say where"):
        target.inject("fetch_weather", "status")


async def test_a_venue_that_never_answers_costs_half_a_second(target):
    """The bounds on requests run in real time; a test shortens them."""
    venue = await target.open(hurry=timedelta(milliseconds=200))
    target.inject("fetch_positions", "hang_before", times=None)
    began = time.monotonic()
    with pytest.raises(RequestTimeoutError):
        await target.run(venue.fetch_positions())
    assert time.monotonic() - began < 9


async def test_a_stream_is_watched(target):
    """What a consumer sees is kept, and waiting for it moves the clock where it must."""
    target.quote()
    venue = await target.open()
    async with target.watch(venue, "fills", "orders") as seen:
        assert StreamState.LIVE in seen.states
        target.submit("buy", "0.2")
        await seen.until(lambda: seen.of(Fill), "the fill")
    assert sum(each.size for each in seen.of(Fill)) == Decimal("0.2")


async def test_waiting_on_a_stream_that_has_ended_says_why(target):
    """It fails at once with what ended the stream, not with the end of patience."""
    watch = Watch(target.until)
    watch.error = StreamError("the venue hung up")
    with pytest.raises(AssertionError, match=r"waiting for a fill: the stream ended with .*the venue hung up"):
        await watch.until(lambda: watch.of(Fill), "a fill")
    assert target.control.clock.now() == START


class Astray(ParadexVenue):
    """Sends one request that the contract does not know."""

    @hookimpl
    async def fetch_balances(self):
        client = self._context.http(self._settings.rest_base)
        async with client:
            await client.request("GET", "/account/balances", operation="fetch_balances", effect=Effect.READ, retry=ONCE)
        return []


async def test_a_breach_is_found_in_what_was_sent():
    """M6: the made-up path is told with the paths that there are."""
    async with Target(ParadexProfile().with_plugin(Astray)) as target:
        venue = await target.open()
        assert target.breaches() == []
        assert await venue.fetch_balances() == []
        (breach,) = target.breaches()
    assert str(breach).startswith("GET /v1/account/balances: the contract has no such path (nearest: ")
    assert breach.operation == "fetch_balances"


async def test_what_goes_past_the_core_is_counted_at_the_door(target):
    """A request of a client of its own arrives, and no recording knows it."""
    venue = await target.open()
    await venue.fetch_markets()
    async with aiohttp.ClientSession() as session, session.get(f"{target.local.url}/system/time") as reply:
        assert reply.status == 200
    sent = {(each.method, "/v1" + each.path) for each in target.recordings.requests()}
    assert set(target.arrivals.requests) - sent == {("GET", "/v1/system/time")} - sent
    assert target.arrivals.requests["GET", "/v1/system/time"] > len(target.recordings.requests(path="/system/time"))


async def test_the_records_of_a_block_are_cut_out(target):
    """A test looks at what one call sent, and at nothing from before."""
    venue = await target.open()
    await venue.fetch_balances()
    with target.recordings.during() as part:
        await venue.fetch_positions()
    assert {each.path for each in part.requests()} <= {"/markets", "/positions"}
    assert "/positions" in {each.path for each in part.requests("GET")}


async def test_the_local_book_of_records_balances(target):
    """After trading and two hours of funding the exchange's own books balance, which every test checks at its end."""
    target.quote()
    venue = await target.open()
    market = await venue.market(target.market)
    await venue.place_order(OrderIntent(market_id=market.id, side=Side.BUY, size="0.1", price="1000"))
    target.submit("sell", "0.5")
    target.advance(timedelta(hours=2))
    target.submit("buy", "0.1")
    target.control.check_invariants()
    assert len(target.truth().funding_payments()) > 0


async def test_what_blocks_the_loop_is_noted():
    """M16: sleeping is noted; a blocking socket, which would hang, is refused."""
    with blocking_noted() as noted:
        time.sleep(0)  # noqa: ASYNC251 - what must be noted
        with socket.socket() as plain, pytest.raises(BlockingSocketError):
            plain.connect(("127.0.0.1", 1))
    assert noted == ["time.sleep", "socket.connect"]


async def test_what_runs_in_a_thread_or_without_blocking_is_not_noted(target):
    """asyncio's own sockets, and a sleep in a thread, block nobody."""
    venue = target.make()
    with blocking_noted() as noted:
        async with venue:
            await venue.fetch_markets()
        await asyncio.to_thread(time.sleep, 0)
    assert noted == []


@pytest.mark.local_paradex(seed=11, accounts=1)
async def test_anybody_gets_a_local_paradex(local_paradex):
    """The fixture for other people's tests: a started exchange in real time, with liquidity and keys."""
    assert len(local_paradex.accounts) == 1
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{local_paradex.url}/orderbook/BTC-USD-PERP") as reply,
    ):
        book = await reply.json()
    assert abs(local_paradex.clock.time_ns() - time.time_ns()) < 5 * 10**9
    assert book["bids"]
    assert book["asks"]
