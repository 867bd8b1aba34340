"""Rate limits: bursts wait on this side, budgets are shared, refusals are obeyed."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from perpkit.core.errors import LocalRateLimitError, OutcomeUnknownError, PerpkitError, RateLimitError
from perpkit.core.models import Channel, Order
from perpkit.core.transport.ratelimit import RateLimiter
from perpkit.core.venue import Venue
from perpkit.sim.faults import FaultAction
from perpkit_conformance.fixtures import has
from perpkit_conformance.suite.calls import READS, Caller, a_life
from perpkit_conformance.suite.trading import Trader, paced
from perpkit_conformance.target import Target

LONG = timedelta(minutes=5)
_SOON = timedelta(seconds=5)
_MOST = 100_000
"""No budget that a venue publishes holds as many orders."""


def _refused(target: Target) -> list[Any]:
    """Return the replies by which the exchange said that too many came."""
    throttled = target.profile.is_throttled
    return [e for e in target.recordings.replies() if e.status is not None and throttled(e.status, e.body)]


@pytest.mark.rule("bursts-stay-under-limits")
@pytest.mark.parametrize(
    "hook",
    [
        pytest.param(each, marks=pytest.mark.needs(each), id=each)
        for each in ("fetch_balances", "fetch_positions", "fetch_open_orders")
    ],
)
async def test_a_burst_of_reads_is_never_refused(target: Target, venue: Venue, hook: str) -> None:
    """Far more at once than the venue allows: they wait on this side, every one is answered, no 429."""
    most = max(count for count, _ in _per_account(venue) or [(_per_address(venue), LONG)])
    read = getattr(venue, hook)
    await target.run(read())
    begin = target.control.clock.now()
    many = min(most + 50, 1100)
    results = await paced(target, asyncio.gather(*(read() for _ in range(many)), return_exceptions=True))
    took = target.control.clock.now() - begin
    assert not _refused(target), f"{len(_refused(target))} of {many} requests were refused with 429 (took {took})"
    # A budget that says at once that there is no room is as good as waiting.
    wrong = [each for each in results if isinstance(each, Exception) and not isinstance(each, LocalRateLimitError)]
    assert not wrong, f"{len(wrong)} of {many} failed, the first with {wrong[0]!r}"


def _per_account(venue: Venue) -> list[tuple[int, timedelta]]:
    return [
        (each.requests, each.per)
        for each in venue.description.rate_limits
        if each.scope == "account" and each.requests <= 2000
    ]


def _per_address(venue: Venue) -> int:
    return min((each.requests for each in venue.description.rate_limits if each.per >= LONG / 5), default=200)


@pytest.mark.rule("bursts-stay-under-limits")
async def test_limits_are_declared(venue: Venue) -> None:
    """With a source for each."""
    assert venue.description.rate_limits, "the plugin declares no rate limits"
    for limit in venue.description.rate_limits:
        assert limit.source.strip(), f"{limit!r} has no source"
        assert limit.per > timedelta(0), f"{limit!r}"


@pytest.mark.rule("clients-share-limits")
@pytest.mark.needs("fetch_balances")
async def test_two_clients_of_one_account_draw_on_one_budget(target: Target) -> None:
    """Together far more than the account may: no 429 for either."""
    venues = [await target.open(), await target.open()]
    most = max(count for count, _ in _per_account(venues[0]) or [(200, LONG)])
    for venue in venues:
        await target.run(venue.fetch_balances())
    each = min(most // 4 + 40, 300)
    await paced(
        target,
        asyncio.gather(*(venue.fetch_balances() for venue in venues for _ in range(each)), return_exceptions=True),
    )
    assert not _refused(target), (
        f"two clients sent {2 * each} calls, each within its own limit, and {len(_refused(target))} were refused"
    )


async def _still(target: Target) -> None:
    """Wait, with the clock standing, until nothing more is sent and everything is answered."""
    quiet, before = 0, -1
    while quiet < 20:
        await asyncio.sleep(0.001)
        sent = len(target.recordings.requests())
        quiet = quiet + 1 if sent == before == len(target.recordings.replies()) else 0
        before = sent


@contextmanager
def _drawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[RateLimiter, Mapping[str, int]]]]:
    """Give what is drawn from budgets during a ``with`` block, each time with the limiter: names and weights."""
    taken: list[tuple[RateLimiter, Mapping[str, int]]] = []
    real = RateLimiter.acquire

    async def acquire(self: RateLimiter, weights: Mapping[str, int], **more: Any) -> timedelta:
        taken.append((self, dict(weights)))
        return await real(self, weights, **more)

    with monkeypatch.context() as patch:
        patch.setattr(RateLimiter, "acquire", acquire)
        yield taken


@contextmanager
def _waits(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[timedelta]]:
    """Give how long each draw that begins during a ``with`` block waited for room."""
    waited: list[timedelta] = []
    real = RateLimiter.acquire

    async def acquire(self: RateLimiter, weights: Mapping[str, int], **more: Any) -> timedelta:
        waited.append(await real(self, weights, **more))
        return waited[-1]

    with monkeypatch.context() as patch:
        patch.setattr(RateLimiter, "acquire", acquire)
        yield waited


@pytest.mark.rule("weights-are-the-venues")
@pytest.mark.parametrize("hook", [pytest.param(each, marks=pytest.mark.needs(each), id=each) for each in READS])
async def test_each_request_is_counted(
    monkeypatch: pytest.MonkeyPatch, target: Target, venue: Venue, hook: str
) -> None:
    """Whatever a read sends is taken from a declared budget beforehand, a request at a time, by the venue's weight."""
    a_life(target)
    caller = Caller(target, venue)
    await caller.attempt(caller.reads[hook][0])
    declared = {each.name for each in venue.description.rate_limits}
    before = target.profile.weighed(target.local)
    with _drawn(monkeypatch) as drawn, target.recordings.during() as part:
        await caller.attempt(caller.reads[hook][0])
    taken = [weights for _, weights in drawn]
    sent = part.requests()
    counted = [weights for weights in taken if any(weight > 0 for weight in weights.values())]
    assert len(counted) >= len(sent), f"{hook} sent {len(sent)} requests, and {len(counted)} were counted: {taken}"
    unknown = {name for weights in counted for name in weights} - declared
    assert not unknown, f"{hook} draws on budgets that are not declared: {unknown}"
    after = target.profile.weighed(target.local)
    if before is not None and after is not None:
        drawn_from = sum((Counter(weights) for weights in taken), Counter[str]())
        assert after - before in drawn_from.values(), (
            f"{hook}: the venue counted {after - before} for its requests, and drawn was {dict(drawn_from)}"
        )


_TELLS = {"x-ratelimit-limit", "x-ratelimit-remaining"}


@pytest.mark.rule("weights-are-the-venues")
@pytest.mark.needs("fetch_balances")
async def test_the_venue_counts_by_limits_that_are_declared(target: Target, venue: Venue) -> None:
    """Where an answer tells the limit that it was counted by, that limit is among the declared ones."""
    await target.run(venue.fetch_balances())
    await target.run(venue.fetch_markets())
    told = [{name.lower(): value for name, value in each.headers} for each in target.recordings.replies()]
    limits = {int(each["x-ratelimit-limit"]) for each in told if set(each) >= _TELLS}
    unknown = limits - {each.requests for each in venue.description.rate_limits}
    assert not unknown, f"the venue counts by limits of {unknown}; declared are {venue.description.rate_limits!r}"


@pytest.mark.rule("retry-after-is-honoured")
@pytest.mark.needs("fetch_balances")
@pytest.mark.parametrize("retry_after", ["30", None])
async def test_a_429_stops_requests_for_as_long_as_it_says(
    target: Target, venue: Venue, retry_after: str | None
) -> None:
    """Refused for thirty seconds: nothing of the kind is sent before they are over, and no storm without a number."""
    await target.run(venue.fetch_balances())
    fault = target.inject("fetch_balances", FaultAction.STATUS, status=429, retry_after=retry_after, times=None)
    begin = target.control.clock.now()
    tasks = [asyncio.ensure_future(venue.fetch_balances()) for _ in range(5)]
    await target.breathe(30)
    for _ in range(25):
        target.advance(timedelta(seconds=1))
        await target.breathe(2)
    early = [each for each in _refused(target) if each.at - begin < timedelta(seconds=25)]
    allowed = 6 if retry_after is not None else 20
    assert len(early) <= allowed, (
        f"{len(early)} requests in 25 s after a 429 (Retry-After: {retry_after}); at most {allowed} are no storm"
    )
    target.control.clear_faults()
    await target.run(asyncio.gather(*tasks, return_exceptions=True))
    assert fault.hits <= allowed + 15
    assert await target.run(venue.fetch_balances()), "after the wait it must work again"


@pytest.mark.rule("retry-after-is-honoured")
@pytest.mark.needs("place_order")
async def test_a_refused_order_is_not_repeated(target: Target, venue: Venue) -> None:
    """A 429 to an order goes to the caller with its wait; the order is sent once."""
    trader = await Trader.of(target, venue)
    await trader.place()
    fault = target.inject("place_order", FaultAction.STATUS, status=429, retry_after="7", times=None)
    came = await trader.attempt(trader.intent())
    assert isinstance(came, RateLimitError | OutcomeUnknownError), f"429 came to {came!r}"
    if isinstance(came, RateLimitError):
        assert came.retry_after == timedelta(seconds=7), f"Retry-After: 7 came as {came.retry_after}"
    assert fault.hits == 1, f"the order was sent {fault.hits} times"


@pytest.mark.rule("retry-after-is-honoured")
@pytest.mark.needs("place_order", "cancel_order")
async def test_cancels_keep_a_reserve(monkeypatch: pytest.MonkeyPatch, target: Target, venue: Venue) -> None:
    """With the orders' budget used up and thirty orders waiting for room, a cancel still gets through at once."""
    trader = await Trader.of(target, venue)
    await trader.place()
    with _drawn(monkeypatch) as taken:
        order = await trader.send(trader.intent())
    # The last: before it a plugin may have signed in or asked for a nonce.
    limiter, weights = next(((limiter, drawn) for limiter, drawn in reversed(taken) if any(drawn.values())), (None, {}))
    assert limiter is not None, "an order draws on no budget"
    shortest = min(each.per for each in venue.description.rate_limits if weights.get(each.name))
    with suppress(LocalRateLimitError):
        for _ in range(_MOST):
            await limiter.acquire(weights, max_wait=timedelta(0))
        raise AssertionError(f"the budget of orders {weights} holds more than {_MOST}")
    # An order that finds no room in sight is refused at once: so room comes soon, and the orders wait for it.
    target.advance(max(shortest - _SOON, timedelta(0)))
    if order.venue_order_id is None:
        order = await trader.fetch(order)
    intent = trader.intent()
    flood = [asyncio.ensure_future(trader.attempt(intent)) for _ in range(30)]
    try:
        await _still(target)
        waiting = sum(not each.done() for each in flood)
        assert waiting, "the test needs orders that wait for room"
        # Not by the clock: while a command is signed, in real time, the clock goes on.
        with _waits(monkeypatch) as waits:
            await paced(target, venue.cancel_order(order), step=min(shortest / 20, _SOON / 20))
        waited = max(waits, default=timedelta(0))
    finally:
        for task in flood:
            task.cancel()
        await asyncio.gather(*flood, return_exceptions=True)
    assert trader.true(order).is_closed
    most = min(shortest, _SOON) / 4
    assert waited <= most, f"the cancel waited {waited} behind orders; {most} is the most"


@pytest.mark.rule("socket-limits-are-kept")
@pytest.mark.needs("open_stream")
async def test_reconnects_stay_under_the_connect_cap(target: Target) -> None:
    """Five clients whose connections break again and again: no handshake is refused for too many."""
    venues = [await target.open() for _ in range(5)]
    channel = next(each for each in (Channel.TRADES, *Channel) if each in venues[0].capabilities.channels)
    name = channel.value if channel.is_private else f"{channel}:{target.market}"
    tasks = []

    async def follow(venue: Venue) -> None:
        async with venue.stream([name]) as events:
            async for _ in events:
                continue

    target.inject("connect", FaultAction.REFUSE, times=40)
    tasks = [asyncio.create_task(follow(each)) for each in venues]
    try:
        most = 0
        for _ in range(60):
            before = target.arrivals.handshakes
            target.advance(timedelta(seconds=1))
            await target.breathe(3)
            most = max(most, target.arrivals.handshakes - before)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    caps = [
        each.requests
        for each in venues[0].description.rate_limits
        if "connect" in each.name and each.per <= timedelta(seconds=1)
    ]
    cap = min(caps, default=20)
    assert most <= cap, f"{most} handshakes in one second; {cap} are allowed"


@pytest.mark.rule("socket-limits-are-kept")
@pytest.mark.needs("open_stream", "channel:trades", "channel:ticker")
async def test_many_channels_share_few_connections(
    request: pytest.FixtureRequest, target: Target, venue: Venue
) -> None:
    """Every market's trades and ticker of the profile: a handful of connections, not one for each channel."""
    has(request, "shared_connections", "shared_connections" not in target.profile.not_offered)
    names = [f"{channel}:{market}" for market in target.profile.markets for channel in ("trades", "ticker")]
    async with target.watch(venue, *names):
        await target.breathe(20)
    assert target.arrivals.handshakes <= 3, f"{len(names)} channels made {target.arrivals.handshakes} connections"


@pytest.mark.rule("reads-do-not-fan-out")
@pytest.mark.parametrize(
    "hook",
    [
        pytest.param(each, marks=pytest.mark.needs(each), id=each)
        for each in (
            "fetch_account",
            "fetch_balances",
            "fetch_positions",
            "fetch_open_orders",
            "fetch_fills",
            "fetch_order_history",
            "fetch_fees",
            "fetch_tickers",
            "fetch_funding_rates",
        )
    ],
)
async def test_a_read_takes_a_fixed_number_of_requests(target: Target, venue: Venue, hook: str) -> None:
    """However many markets are listed: at most four, and not one for each market."""
    a_life(target)
    caller = Caller(target, venue)
    await caller.answer(caller.reads[hook][0])
    listed = len(await target.run(venue.fetch_markets()))
    with target.recordings.during() as part:
        await caller.answer(caller.reads[hook][0])
    sent = part.requests()
    paths = Counter(f"{each.method} {urlsplit(each.url).path}" for each in sent)
    assert len(sent) <= 4, f"{hook} took {len(sent)} requests for {listed} markets: {dict(paths)}"


@pytest.mark.rule("reads-do-not-fan-out")
@pytest.mark.needs("fetch_balances")
async def test_a_ban_is_final(target: Target, venue: Venue) -> None:
    """403 to everything: an error, and not a second try for each call."""
    await target.run(venue.fetch_balances())
    fault = target.control.inject(FaultAction.STATUS, match="*", status=403, times=None)
    for _ in range(3):
        with pytest.raises(PerpkitError):
            await target.run(venue.fetch_balances())
    assert fault.hits <= 12, f"three calls to a venue that bans us made {fault.hits} requests"
    target.control.clear_faults()


@pytest.mark.rule("bursts-stay-under-limits")
@pytest.mark.needs("place_order")
async def test_a_burst_of_orders_is_never_refused(target: Target, venue: Venue) -> None:
    """A hundred orders and as many cancels at once: all are taken, none meets a 429."""
    trader = await Trader.of(target, venue)
    await trader.place()
    orders = await paced(target, asyncio.gather(*(venue.place_order(trader.intent()) for _ in range(60))))
    if "cancel_order" in venue.capabilities.hooks:
        await paced(target, asyncio.gather(*(venue.cancel_order(each) for each in orders)))
    assert not _refused(target), f"{len(_refused(target))} commands were refused with 429"
    assert all(isinstance(each, Order) for each in orders)
