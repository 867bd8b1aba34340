"""Nonces: no gap, no repeat, no halt, whatever happens to a send. Tokens: one for hours, renewed in time."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

import pytest

from perpkit.adapters.lighter import endpoints
from perpkit.adapters.lighter.signing.auth_token import TokenKeeper
from perpkit.adapters.lighter.signing.nonce import NonceLane, NonceLanes
from perpkit.core.errors import ConnectError
from perpkit.core.transport.ratelimit import Priority
from perpkit.core.transport.redact import Redactor, Secret
from tests.core.clocks import ManualClock


class Counter:
    """The venue's side of one key: it knows the next nonce, and counts how often it was asked."""

    def __init__(self, start=7):
        self.next = start
        self.reads = 0

    async def read(self, key_index):
        self.reads += 1
        await asyncio.sleep(0)
        return self.next


async def send(lane, counter, fate, seen):
    """One transaction: the venue takes exactly the next nonce, and what becomes of it is up to ``fate``."""
    async with lane.turn():
        nonce = await lane.next()
        await asyncio.sleep(0)
        assert nonce == counter.next, "a nonce was skipped or used twice"
        if fate == "refused":
            return
        if fate == "lost before":
            lane.forget("no answer")
            return
        counter.next += 1
        seen.append(nonce)
        if fate == "lost after":
            lane.forget("no answer")
        elif fate == "dropped":
            # Taken, and then not counted by the sequencer: the next one is found wrong.
            counter.next -= 1
            seen.pop()
            lane.forget("the venue found it wrong")
        else:
            lane.used(1)


@pytest.mark.parametrize("seed", range(20))
async def test_concurrent_sends_use_each_nonce_once(seed):
    """Thirty at once, each with a fate of its own: what the venue took has consecutive nonces."""
    rng = random.Random(seed)
    counter, seen = Counter(), []
    lane = NonceLane(4, counter.read)
    fates = [rng.choice(["taken", "refused", "lost before", "lost after", "dropped"]) for _ in range(30)]
    await asyncio.gather(*(send(lane, counter, fate, seen) for fate in fates))
    assert seen == list(range(7, 7 + len(seen)))
    assert len(seen) == fates.count("taken") + fates.count("lost after")


async def test_a_counter_is_read_once_and_then_counted():
    """At the start, and not for each transaction."""
    counter = Counter()
    lane = NonceLane(4, counter.read)
    for _ in range(10):
        await send(lane, counter, "taken", [])
    assert counter.reads == 1


async def test_two_that_were_opened_with_one_key_count_together():
    """Thirty at once through both: consecutive nonces and one read; when the last has left, the next reads anew."""
    counter, seen = Counter(), []
    one, other = NonceLanes([4], counter.read), NonceLanes([4], counter.read)
    one.join({4: "a"})
    other.join({4: "a"})
    await asyncio.gather(*(send(lanes.pick(), counter, "taken", seen) for lanes in [one, other] * 15))
    assert (seen, counter.reads) == (list(range(7, 37)), 1)
    strangers = Counter(100)
    stranger = NonceLanes([4], strangers.read)
    stranger.join({4: "b"})
    await send(stranger.pick(), strangers, "taken", seen)
    assert (seen[-1], strangers.reads) == (100, 1)
    one.leave()
    one.leave()
    await send(other.pick(), counter, "taken", seen)
    assert counter.reads == 1
    other.leave()
    other.join({4: "a"})
    await send(other.pick(), counter, "taken", seen)
    assert counter.reads == 2


async def test_a_batch_uses_as_many_as_it_holds():
    """Consecutive ones."""
    lane = NonceLane(4, Counter(7).read)
    async with lane.turn():
        assert await lane.next() == 7
        lane.used(5)
        assert await lane.next() == 12


async def test_a_canceled_waiter_leaves_the_lane_usable():
    """Its turn goes to the next."""
    counter = Counter()
    lane = NonceLane(4, counter.read)
    async with lane.turn():
        waiting = asyncio.ensure_future(send(lane, counter, "taken", []))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    seen = []
    await send(lane, counter, "taken", seen)
    assert seen == [7]


async def test_a_cancel_goes_before_the_orders_that_wait():
    """And after the cancels that came before it."""
    lane = NonceLane(4, Counter().read)
    order = []

    async def take(name, priority):
        async with lane.turn(priority):
            order.append(name)
            await asyncio.sleep(0)

    async with lane.turn():
        names = [("a", Priority.NORMAL), ("b", Priority.NORMAL), ("x", Priority.CANCEL), ("y", Priority.CANCEL)]
        waiting = [asyncio.ensure_future(take(*each)) for each in names]
        await asyncio.sleep(0)
    await asyncio.gather(*waiting)
    assert order == ["x", "y", "a", "b"]


async def test_a_turn_that_comes_to_one_who_was_canceled_goes_on():
    """Canceled at the very moment of its turn, it must not keep it."""
    lane = NonceLane(4, Counter().read)
    seen = []

    async def take(name):
        async with lane.turn():
            seen.append(name)

    async with lane.turn():
        first, second = asyncio.ensure_future(take("first")), asyncio.ensure_future(take("second"))
        await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    assert seen == ["second"]
    assert not lane.is_busy


async def test_a_nonce_that_can_not_be_read_is_asked_for_again():
    """A failed read leaves nothing behind."""
    answers = [ConnectError("down"), 7]

    async def read(key_index):
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    lane = NonceLane(4, read)
    async with lane.turn():
        with pytest.raises(ConnectError):
            await lane.next()
        assert await lane.next() == 7


async def test_keys_are_used_in_turn_and_a_free_one_first():
    """So that several orders can be on their way at once."""
    counter = Counter()
    lanes = NonceLanes([4, 5, 6], counter.read)
    assert [lanes.pick().key_index for _ in range(4)] == [4, 5, 6, 4]
    five = lanes.pick()
    async with five.turn():
        assert [lanes.pick().key_index for _ in range(3)] == [6, 4, 6]


async def test_what_follows_an_order_goes_through_the_key_that_sent_it():
    """Only within one key does the venue keep the order of what it was sent."""
    lanes = NonceLanes([4, 5], Counter().read)
    first, second = lanes.pick(), lanes.pick()
    lanes.remember(1001, first)
    lanes.remember(1002, second)
    for _ in range(3):
        assert lanes.pick([1001]) is first
        assert lanes.pick([281476977000123, 1002]) is second


# Tokens


class Maker:
    """Signs tokens, and remembers their deadlines."""

    def __init__(self):
        self.deadlines = []

    async def __call__(self, deadline):
        self.deadlines.append(deadline)
        await asyncio.sleep(0)
        return f"{deadline}:12345:4:{'ab' * 80}"


@pytest.fixture
def keeper():
    clock = ManualClock()
    return make_keeper(clock, Redactor()), clock


def make_keeper(clock, redactor, compare=None):
    async def nothing_new():
        return None

    return TokenKeeper(Maker(), now=clock.now, compare_clocks=compare or nothing_new, redactor=redactor)


async def test_many_calls_share_one_token(keeper):
    """Never one for each call, also where they come at once."""
    tokens, _ = keeper
    found = await asyncio.gather(*(tokens.token() for _ in range(50)))
    assert len(set(found)) == 1
    assert len(tokens._make.deadlines) == 1


async def test_a_token_is_good_for_less_than_the_eight_hours_that_the_venue_takes(keeper):
    """One that ends later is not accepted until it ends within 8 h."""
    tokens, clock = keeper
    await tokens.token()
    ahead = tokens._make.deadlines[0] - clock.now().timestamp()
    assert timedelta(hours=6) < timedelta(seconds=ahead) < timedelta(hours=8)


async def test_a_token_is_replaced_an_hour_before_it_ends(keeper):
    """And not before."""
    tokens, clock = keeper
    first = await tokens.token()
    clock.advance(timedelta(hours=5, minutes=59).total_seconds())
    assert await tokens.token() == first
    clock.advance(timedelta(minutes=2).total_seconds())
    assert await tokens.token() != first


async def test_a_stream_gets_a_token_that_outlives_its_connection(keeper):
    """A connection is made again after five hours: the token in its subscriptions has six at least."""
    tokens, clock = keeper
    wanted = endpoints.STREAM_LIFE + endpoints.TOKEN_RENEWED_BEFORE
    first = await tokens.token(wanted)
    clock.advance(timedelta(hours=2).total_seconds())
    assert await tokens.token() == first
    assert await tokens.token(wanted) != first


async def test_a_refused_token_is_replaced_unless_a_newer_one_is_there(keeper):
    """Two callers may find the same token refused."""
    tokens, clock = keeper
    first = await tokens.token()
    clock.advance(10)
    tokens.drop(first)
    second = await tokens.token()
    assert second != first
    clock.advance(10)
    tokens.drop(first)
    assert await tokens.token() == second


async def test_after_a_refusal_clocks_are_compared_before_the_next_token():
    """A deadline is a time of the venue's: ours may be hours off. Otherwise nobody is asked."""
    clock = ManualClock()
    compared = []

    async def compare():
        compared.append(clock.now())
        clock.advance(3 * 3600)

    tokens = make_keeper(clock, Redactor(), compare)
    first = await tokens.token()
    assert not compared
    tokens.drop(first)
    await tokens.token()
    assert len(compared) == 1
    assert tokens._make.deadlines[1] - tokens._make.deadlines[0] == 3 * 3600


async def test_tokens_are_hidden_as_soon_as_they_exist():
    """From everything that is logged or recorded."""
    redactor = Redactor()
    tokens = make_keeper(ManualClock(), redactor)
    token = await tokens.token()
    assert isinstance(token, Secret)
    assert token.reveal() not in redactor.text(f"Authorization: {token.reveal()}")
