"""Quotas: never more in any window than allowed, fair, with a reserve for cancels."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

import pytest

from perpkit.core.errors import ConfigError, LocalRateLimitError, NotSentError
from perpkit.core.transport.ratelimit import (
    Priority,
    Quota,
    RateLimiter,
    RateLimiterRegistry,
    Scope,
    process_registry,
)
from tests.core.transport.servers import ManualClock, other_tasks, settle

SECOND = timedelta(seconds=1)


def quota(name: str = "q", *limits: tuple[int, timedelta], **kwargs) -> Quota:
    return Quota(name, limits or ((3, SECOND),), margin=timedelta(0), **kwargs)


def limiter(clock: ManualClock, *quotas: Quota) -> RateLimiter:
    return RateLimiterRegistry(clock).limiter("host", quotas or (quota(),))


def start(limit: RateLimiter, order: list[str], name: str, weights: dict[str, int], **kwargs) -> asyncio.Task:
    async def one() -> None:
        await limit.acquire(weights, **kwargs)
        order.append(name)

    return asyncio.create_task(one(), name=name)


async def test_requests_pass_at_once_while_there_is_room() -> None:
    """No waiting, no task, until the limit is reached."""
    limit = limiter(ManualClock())
    assert [await limit.acquire({"q": 1}) for _ in range(3)] == [timedelta(0)] * 3
    assert not other_tasks()
    assert limit.usage()["q"].used == ((3, 3, SECOND),)


async def test_the_next_one_waits_until_the_first_has_left_the_window() -> None:
    """It passes once a whole window lies between, at the latest a 64th of the window after that."""
    clock = ManualClock()
    limit = limiter(clock)
    for _ in range(3):
        await limit.acquire({"q": 1})
    order: list[str] = []
    task = start(limit, order, "fourth", {"q": 1})
    await clock.advance(0.99)
    assert order == []
    await clock.advance(0.01 + 1 / 64)
    assert order == ["fourth"]
    await task
    await settle()
    assert not other_tasks()


@pytest.mark.parametrize("seed", range(5))
async def test_no_window_ever_holds_more_than_its_limit(seed: int) -> None:
    """Over random bursts with two limits at once, every sliding window of either length stays inside."""
    rng = random.Random(seed)
    clock = ManualClock()
    limits = ((5, SECOND), (12, timedelta(seconds=4)))
    limit = limiter(clock, quota("q", *limits))
    sent: list[tuple[float, int]] = []

    async def one(weight: int) -> None:
        await limit.acquire({"q": weight})
        sent.append((clock.monotonic(), weight))

    tasks = []
    for _ in range(40):
        tasks += [asyncio.create_task(one(rng.randint(1, 3))) for _ in range(rng.randint(0, 3))]
        await clock.advance(rng.random() * 0.7)
    await clock.advance(200)
    await asyncio.gather(*tasks)
    assert len(sent) == len(tasks), f"seed {seed}"
    for count, per in limits:
        for begin, _ in sent:
            inside = sum(weight for at, weight in sent if begin <= at < begin + per.total_seconds())
            assert inside <= count, f"seed {seed}: {inside} from {begin} in {per}"


async def test_the_venue_limit_is_used_to_the_full() -> None:
    """Under constant demand at least 63 of 65 parts of what is allowed pass: caution costs next to nothing."""
    clock = ManualClock()
    limit = limiter(clock, quota("q", (10, SECOND)))
    order: list[str] = []
    tasks = [start(limit, order, str(number), {"q": 1}) for number in range(400)]
    await clock.advance(30)
    assert len(order) >= 10 * 30 * 63 // 65
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_margin_stretches_the_window() -> None:
    """With a margin, a request that was slow on its way still falls into a window of its own."""
    clock = ManualClock()
    limit = RateLimiterRegistry(clock).limiter("host", [Quota("q", ((1, SECOND),), margin=timedelta(milliseconds=500))])
    await limit.acquire({"q": 1})
    order: list[str] = []
    task = start(limit, order, "second", {"q": 1})
    await clock.advance(1.49)
    assert order == []
    await clock.advance(0.1)
    assert order == ["second"]
    await task


async def test_first_come_first_served_even_if_a_later_one_is_lighter() -> None:
    """A heavy request is not starved by light ones behind it."""
    clock = ManualClock()
    limit = limiter(clock)
    await limit.acquire({"q": 2})
    order: list[str] = []
    tasks = [start(limit, order, "heavy", {"q": 3})]
    await settle()
    tasks += [start(limit, order, "light", {"q": 1})]
    await clock.advance(0.5)
    assert order == []
    await clock.advance(3)
    await asyncio.gather(*tasks)
    assert order == ["heavy", "light"]


async def test_who_shares_no_quota_is_not_held_up() -> None:
    """A queue for one quota does not delay requests on another."""
    clock = ManualClock()
    limit = limiter(clock, quota("a", (1, SECOND)), quota("b", (1, SECOND)))
    await limit.acquire({"a": 1})
    order: list[str] = []
    tasks = [start(limit, order, "a", {"a": 1}), start(limit, order, "b", {"b": 1})]
    await settle()
    assert order == ["b"]
    await clock.advance(2)
    await asyncio.gather(*tasks)


async def test_several_quotas_are_taken_together_or_not_at_all() -> None:
    """A request that waits for one quota holds nothing of the other."""
    clock = ManualClock()
    limit = limiter(clock, quota("a", (1, SECOND)), quota("b", (1, SECOND)))
    await limit.acquire({"a": 1})
    order: list[str] = []
    both = start(limit, order, "both", {"a": 1, "b": 1})
    await settle()
    assert limit.usage()["b"].used[0][0] == 0
    assert limit.usage()["b"].waiting == 1
    await clock.advance(2)
    await both
    assert limit.usage()["b"].used[0][0] == 1


async def test_cancels_have_a_reserve_and_overtake() -> None:
    """Ordinary requests leave the reserve alone; a cancel uses it at once, even with a queue standing."""
    clock = ManualClock()
    limit = limiter(clock, quota("q", (10, SECOND), cancel_reserve=0.2))
    order: list[str] = []
    tasks = [start(limit, order, f"n{number}", {"q": 1}) for number in range(10)]
    await settle()
    assert order == [f"n{number}" for number in range(8)]
    for number in range(2):
        assert await limit.acquire({"q": 1}, priority=Priority.CANCEL) == timedelta(0), number
    tasks.append(start(limit, order, "late cancel", {"q": 1}, priority=Priority.CANCEL))
    await clock.advance(2)
    await asyncio.gather(*tasks)
    assert order[8:] == ["late cancel", "n8", "n9"]


async def test_too_long_a_wait_is_refused_at_once_and_takes_nothing() -> None:
    """The caller learns before the time is spent, with how long it would have been, and that nothing was sent."""
    clock = ManualClock()
    limit = limiter(clock, quota("q", (1, SECOND)))
    await limit.acquire({"q": 1})
    with pytest.raises(LocalRateLimitError, match=r"no room in q for at least 1\.\d+ s; nothing was sent") as caught:
        await limit.acquire({"q": 1}, max_wait=timedelta(milliseconds=500))
    assert isinstance(caught.value, NotSentError)
    assert caught.value.retry_after is not None
    assert SECOND <= caught.value.retry_after <= timedelta(seconds=1 + 1 / 32)
    assert clock.slept == []
    usage = limit.usage()["q"]
    assert (usage.granted, usage.refused, usage.waiting) == (1, 1, 0)


async def test_who_stands_too_far_back_is_refused_when_its_time_is_over() -> None:
    """Behind others the wait can't be told beforehand; the bound holds all the same."""
    clock = ManualClock()
    limit = limiter(clock, quota("q", (1, SECOND)))
    await limit.acquire({"q": 1})
    order: list[str] = []
    first = start(limit, order, "first", {"q": 1})
    await settle()
    second = start(limit, order, "second", {"q": 1}, max_wait=timedelta(milliseconds=1500))
    await clock.advance(1.4)
    assert order == ["first"]
    await first
    await clock.advance(0.1)
    with pytest.raises(LocalRateLimitError):
        await second
    assert clock.monotonic() == 1001.5
    await settle()
    assert not other_tasks()


async def test_who_waits_behind_is_refused_at_its_own_time() -> None:
    """A bound that ends before the head of the queue can go is kept to the moment."""
    clock = ManualClock()
    limit = limiter(clock, quota("q", (4, SECOND)))
    await limit.acquire({"q": 2})
    await clock.advance(0.5)
    await limit.acquire({"q": 2})
    order: list[str] = []
    head = start(limit, order, "head", {"q": 4})
    await settle()
    behind = start(limit, order, "behind", {"q": 1}, max_wait=timedelta(milliseconds=700))
    await clock.advance(0.69)
    assert not behind.done()
    await clock.advance(0.01)
    assert behind.done()
    with pytest.raises(LocalRateLimitError):
        await behind
    await clock.advance(1)
    await head
    assert order == ["head"]


async def test_too_long_a_wait_is_refused_at_once_behind_a_queue_too() -> None:
    """Nobody stands in a queue only to hear at its end what was certain at the beginning."""
    clock = ManualClock()
    limit = limiter(clock, quota("q", (4, SECOND)))
    await limit.acquire({"q": 2})
    await clock.advance(0.5)
    await limit.acquire({"q": 2})
    head = start(limit, [], "head", {"q": 1})
    await settle()
    with pytest.raises(LocalRateLimitError):
        await limit.acquire({"q": 3}, max_wait=timedelta(milliseconds=100))
    assert clock.monotonic() == 1000.5
    await clock.advance(1)
    await head


async def test_a_newcomer_that_can_go_sooner_is_not_kept_for_the_next_look() -> None:
    """A queue that sleeps for a long window wakes in time for a short one."""
    clock = ManualClock()
    limit = limiter(clock, quota("slow", (1, timedelta(seconds=60))), quota("fast", (1, SECOND)))
    await limit.acquire({"slow": 1, "fast": 1})
    order: list[str] = []
    slow = start(limit, order, "slow", {"slow": 1})
    await settle()
    fast = start(limit, order, "fast", {"fast": 1})
    await clock.advance(1.1)
    assert order == ["fast"]
    slow.cancel()
    await asyncio.gather(slow, fast, return_exceptions=True)


async def test_a_penalty_shuts_the_quota_for_everybody() -> None:
    """After a 429 nothing passes until the time that the venue named, cancels included; other quotas go on."""
    clock = ManualClock()
    limit = limiter(clock, quota("a"), quota("b"))
    limit.penalize("a", timedelta(seconds=5))
    assert limit.usage()["a"].blocked_for == timedelta(seconds=5)
    await limit.acquire({"b": 1})
    with pytest.raises(LocalRateLimitError):
        await limit.acquire({"a": 1}, priority=Priority.CANCEL, max_wait=timedelta(seconds=4.9))
    order: list[str] = []
    task = start(limit, order, "a", {"a": 1})
    await clock.advance(4.9)
    assert order == []
    await clock.advance(0.1)
    assert order == ["a"]
    await task


async def test_a_penalty_holds_up_who_waits_already() -> None:
    """A request in the queue does not go out into a venue that has just said no."""
    clock = ManualClock()
    limit = limiter(clock, quota("q", (1, SECOND)))
    await limit.acquire({"q": 1})
    order: list[str] = []
    task = start(limit, order, "x", {"q": 1})
    await settle()
    limit.penalize("q", timedelta(seconds=3))
    await clock.advance(2.9)
    assert order == []
    await clock.advance(0.2)
    assert order == ["x"]
    await task


async def test_a_cancelled_wait_takes_nothing_and_lets_the_next_one_go() -> None:
    """Cancelling the head of the queue wakes whoever stood behind it, and leaves no task."""
    clock = ManualClock()
    limit = limiter(clock)
    await limit.acquire({"q": 2})
    order: list[str] = []
    head = start(limit, order, "head", {"q": 3})
    await settle()
    behind = start(limit, order, "behind", {"q": 1})
    await settle()
    assert order == []
    head.cancel()
    await settle()
    assert order == ["behind"]
    await behind
    usage = limit.usage()["q"]
    assert (usage.used[0][0], usage.waiting) == (3, 0)
    last = start(limit, order, "last", {"q": 1})
    await settle()
    last.cancel()
    await settle()
    assert not other_tasks()
    assert limit.usage()["q"].waiting == 0


async def test_cancelling_everybody_at_random_leaves_nothing_behind() -> None:
    """After any order of cancellations the queue is empty and the rest still pass, in order."""
    rng = random.Random(7)
    clock = ManualClock()
    limit = limiter(clock)
    order: list[str] = []
    tasks = [start(limit, order, str(number), {"q": 1}) for number in range(60)]
    await settle()
    for task in rng.sample(tasks, 30):
        task.cancel()
        if rng.random() < 0.3:
            await clock.advance(rng.random())
    await clock.advance(60)
    await asyncio.gather(*tasks, return_exceptions=True)
    kept = [task.get_name() for task in tasks if not task.cancelled()]
    assert order == kept
    assert limit.usage()["q"].waiting == 0
    assert not other_tasks()


async def test_clients_share_by_address_or_by_account() -> None:
    """Two clients on one host share its IP quotas; account quotas only with the same account."""
    registry = RateLimiterRegistry(ManualClock())
    quotas = [quota("ip", scope=Scope.IP), quota("account", scope=Scope.ACCOUNT)]
    one, same, other = (registry.limiter(*args, quotas, account=who) for args, who in
                        ((["host"], "a"), (["HOST"], "a"), (["host"], "b")))  # fmt: skip
    elsewhere = registry.limiter("host2", quotas, account="a")
    await one.acquire({"ip": 1, "account": 2})
    assert [limit.usage()["ip"].used[0][0] for limit in (same, other, elsewhere)] == [1, 1, 0]
    assert [limit.usage()["account"].used[0][0] for limit in (same, other, elsewhere)] == [2, 0, 0]


def test_two_event_loops_share_what_is_left() -> None:
    """A second loop of the process sees what the first has taken."""
    registry = RateLimiterRegistry(ManualClock())
    limit = registry.limiter("host", [quota()])
    asyncio.run(limit.acquire({"q": 2}))
    asyncio.run(limit.acquire({"q": 1}))
    with pytest.raises(LocalRateLimitError):
        asyncio.run(limit.acquire({"q": 1}, max_wait=timedelta(0)))


def test_there_is_one_registry_for_the_process() -> None:
    """Clients that are given none share it."""
    assert process_registry() is process_registry()


async def test_misuse_is_named() -> None:
    """A quota stated twice differently, an unknown name, and a weight that never fits are configuration errors."""
    registry = RateLimiterRegistry(ManualClock())
    limit = registry.limiter("host", [quota("q", (10, SECOND), cancel_reserve=0.2)])
    with pytest.raises(ConfigError, match="quota q of host is already kept"):
        registry.limiter("host", [quota("q", (11, SECOND))])
    with pytest.raises(ConfigError, match="no quota is named 'p'; there are q"):
        await limit.acquire({"p": 1})
    with pytest.raises(ConfigError, match="a weight of 9 never fits quota q, which has room for 8"):
        await limit.acquire({"q": 9})
    await limit.acquire({"q": 9}, priority=Priority.CANCEL)
    for limits, reserve in (((), 0), (((0, SECOND),), 0), (((1, timedelta(0)),), 0), (((1, SECOND),), 1)):
        with pytest.raises(ConfigError):
            Quota("q", limits, cancel_reserve=reserve)


async def test_memory_does_not_grow_with_the_number_of_requests() -> None:
    """A window keeps at most one entry for each of its parts."""
    clock = ManualClock()
    limit = limiter(clock, quota("q", (100_000, timedelta(seconds=60))))
    for _ in range(20_000):
        await limit.acquire({"q": 1})
        clock.seconds += 0.003
    (window,) = limit._buckets["q"].windows
    assert window.used == 20_000
    assert len(window._slots) <= 66
