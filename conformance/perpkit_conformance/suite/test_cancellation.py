"""Tasks canceled at any step: the venue stays usable, an order is there once or never, and no stream leaks."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from perpkit.core.errors import PerpkitError
from perpkit.core.models import Channel, Order, StreamState
from perpkit.core.venue import Venue
from perpkit_conformance.suite.calls import Caller
from perpkit_conformance.suite.trading import TRADES, Trader, an_id, assert_same
from perpkit_conformance.target import Target


@pytest.mark.rule("cancellation-is-safe")
@pytest.mark.parametrize(
    "hook",
    [
        pytest.param(each, marks=pytest.mark.needs(each), id=each)
        for each in ("fetch_balances", "fetch_open_orders", "fetch_markets", "fetch_ticker")
    ],
)
async def test_a_read_canceled_anywhere_leaves_the_venue_usable(target: Target, hook: str) -> None:
    """At its first use too, in the middle of signing in; whoever asks next gets the answer."""
    for steps in (1, 2, 3, 5, 8, 13, 21, 34, 55):
        venue = await target.open()
        caller = Caller(target, venue)
        way = caller.reads[hook][0]
        task, other = asyncio.ensure_future(way()), asyncio.ensure_future(way())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        try:
            await target.run(_both(other, way), within=timedelta(minutes=2))
        except (AssertionError, PerpkitError) as error:
            pytest.fail(f"{hook} was canceled after {steps} steps, and the next call came to {error!r}")
        await target.run(venue.close())


async def _both(other: asyncio.Future[Any], way: Any) -> None:
    await other
    await way()


@pytest.mark.rule("cancellation-is-safe")
@TRADES
async def test_an_order_canceled_anywhere_is_found_or_never_left(trader: Trader) -> None:
    """A task canceled while it places: the order is there once and is found, or it never was."""
    target = trader.target
    await trader.place()
    for number, steps in enumerate((1, 2, 4, 7, 12, 20, 33, 50)):
        name = an_id(trader.venue, 100 + number)
        task = asyncio.ensure_future(
            trader.venue.place_order(trader.intent(client_order_id=name, **trader.window(timedelta(seconds=5))))
        )
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await target.breathe(10)
        there = [each for each in trader.truth.orders() if each.client_id == name]
        assert len(there) <= 1
        if there:
            found = await trader.named(await target.run(trader.venue.resolve_order(name, market=trader.market.id)))
            assert found.venue_order_id == there[0].id, f"canceled at step {steps}: {there[0]!r} resolved as {found!r}"
            assert_same(await trader.fetch(found), there[0], f"fetch_order after a cancellation at step {steps}")
    assert isinstance(await trader.attempt(trader.intent()), Order), "after cancellations no order passes any more"


@pytest.mark.rule("cancellation-is-safe")
@pytest.mark.needs("open_stream")
async def test_a_stream_left_at_any_moment_leaks_nothing(target: Target, venue: Venue) -> None:
    """Opened and left again and again, at every stage of its beginning: another one still works."""
    channel = next(each for each in (Channel.TRADES, *Channel) if each in venue.capabilities.channels)
    name = channel.value if channel.is_private else f"{channel}:{target.market}"
    await target.run(venue.market(target.market))
    for steps in (1, 3, 8, 20, 40):

        async def use() -> None:
            async with venue.stream([name]) as events:
                async for _ in events:
                    continue

        task = asyncio.ensure_future(use())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    async with target.watch(venue, name) as watch:
        assert StreamState.LIVE in watch.states
