"""Metrics: every hook is counted, by outcome and time, and nothing of its content."""

from __future__ import annotations

import asyncio
import json

import pytest

from perpkit.core.errors import OrderRejectedError
from perpkit.core.hookspecs import SPECS, SYNC_HOOKS
from perpkit.core.middleware import Metrics
from perpkit.core.middleware.metrics import LATENCY_BOUNDS_MS
from tests.core.clocks import ManualClock
from tests.core.middleware.rig import Rig, buy


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def metrics(clock: ManualClock) -> Metrics:
    return Metrics(clock=clock)


def test_every_async_hook_is_measured():
    """A hook added to the specification later is measured without anybody's doing."""
    hooks = {name for spec in SPECS for name in vars(spec) if not name.startswith("_")} - SYNC_HOOKS
    assert {name for name in vars(Metrics) if name in hooks} == hooks
    assert all(getattr(Metrics, name).__doc__ for name in hooks)


async def test_calls_and_outcomes_are_counted_by_hook(metrics: Metrics, clock: ManualClock):
    """Two orders taken, one refused."""
    async with Rig(metrics, clock=clock) as rig:
        await rig.venue.place_order(buy())
        await rig.venue.place_order(buy())
        rig.plugin.failure = OrderRejectedError("no margin")
        with pytest.raises(OrderRejectedError):
            await rig.venue.place_order(buy())
        rig.plugin.failure = None
    placed = metrics.snapshot()["place_order"]
    assert (placed["calls"], placed["in_flight"]) == (3, 0)
    assert placed["outcomes"] == {"ok": 2, "OrderRejectedError": 1}
    assert {"start", "stop", "fetch_markets"} <= set(metrics.snapshot())


async def test_a_batch_is_counted_by_its_single_results(metrics: Metrics, clock: ManualClock):
    """One call, of which one order was taken and one refused."""
    async with Rig(metrics, clock=clock) as rig:
        real = rig.plugin.place_order

        async def one_refused(intents):
            return [await real(intents[0]), OrderRejectedError("no margin")]

        hook = rig.venue._manager.hook.place_orders
        next(impl for impl in hook.get_hookimpls() if not impl.wrapper).function = one_refused
        await rig.venue.place_orders([buy(), buy()])
    batch = metrics.snapshot()["place_orders"]
    assert batch["outcomes"] == {"ok": 1}
    assert batch["items"] == {"ok": 1, "OrderRejectedError": 1}


async def test_time_under_way_goes_into_its_bucket(metrics: Metrics, clock: ManualClock):
    """30 ms is more than 20 and at most 50."""
    async with Rig(metrics, clock=clock) as rig:
        await rig.venue.fetch_markets()
        metrics.reset()
        rig.hold()
        task = asyncio.create_task(rig.venue.place_order(buy()))
        await rig.inside()
        assert metrics.snapshot()["place_order"]["in_flight"] == 1
        clock.advance(0.03)
        rig.plugin.hold.set()
        await task
    latency = metrics.snapshot()["place_order"]["latency_ms"]
    assert {name: count for name, count in latency["buckets"].items() if count} == {"50": 1}
    assert latency["max"] == latency["total"] == pytest.approx(30)
    assert list(latency["buckets"]) == [*(str(bound) for bound in LATENCY_BOUNDS_MS), "inf"]


async def test_a_canceled_call_is_counted_as_canceled(metrics: Metrics, clock: ManualClock):
    """It is neither good nor an error of the venue."""
    async with Rig(metrics, clock=clock) as rig:
        rig.hold()
        task = asyncio.create_task(rig.venue.place_order(buy()))
        await rig.inside()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        rig.plugin.hold = None
    placed = metrics.snapshot()["place_order"]
    assert (placed["outcomes"], placed["in_flight"]) == ({"canceled": 1}, 0)


async def test_nothing_of_what_was_asked_or_said_is_kept(metrics: Metrics, clock: ManualClock):
    """Neither ids nor messages; and the snapshot is plain JSON."""
    async with Rig(metrics, clock=clock) as rig:
        rig.plugin.failure = OrderRejectedError("canary-message", code="canary-code")
        with pytest.raises(OrderRejectedError):
            await rig.venue.place_order(buy(client_order_id="canary-id"))
        rig.plugin.failure = None
    assert "canary" not in json.dumps(metrics.snapshot())
    assert "canary" not in repr(vars(metrics))
