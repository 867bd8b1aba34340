"""Long runs: histories of orders under faults are the ledger's, nothing is left behind, and a seed repeats its run."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from perpkit.core.context import VenueContext
from perpkit.core.models import Channel, Fill, Order, OrderStatus, Side
from perpkit.sim.faults import FaultAction
from perpkit_conformance.profile import VenueProfile
from perpkit_conformance.suite.channels import LIVE
from perpkit_conformance.suite.holding import grown, holdings
from perpkit_conformance.suite.jepsen import History
from perpkit_conformance.suite.trading import TRADES, Trader, assert_same
from perpkit_conformance.target import Target

_ROUND, _ORDERS = 300, 80


@pytest.mark.rule("random-histories-agree")
@TRADES
@pytest.mark.needs("fetch_positions", "fetch_fills", "fetch_open_orders")
@pytest.mark.parametrize("run", range(3))
async def test_a_history_under_faults_is_the_ledgers(trader: Trader, venue_seed: int, run: int) -> None:
    """
    Workers place, amend and cancel at random while answers are lost: each command that was told as done was done, each
    that failed did nothing, each unknown one is resolved to what happened; in the end every read is the ledger's.
    """
    target, truth, seed = trader.target, trader.truth, f"{venue_seed}/history/{run}"
    history = History(trader, seed)
    channels = [each for each in ("orders", "fills") if Channel(each) in trader.venue.capabilities.channels]
    async with target.watch(trader.venue, *channels) as watch:
        async with target.flow(speed=50):
            await asyncio.wait_for(history.run(), 60)
        target.control.clear_faults()
        found = await history.judge()
        log = "\n  ".join(map(str, history.operations))
        assert not found, f"seed {seed}: " + "; ".join(found) + f"\nthe history:\n  {log}"
        kinds = Counter((each.kind, each.outcome) for each in history.operations)
        assert kinds["place", "ok"], f"seed {seed}: no order was ever placed: {kinds}"
        if "fills" in channels:
            expected = Counter(each.id for each in truth.fills())
            await watch.until(lambda: len(watch.of(Fill)) >= len(expected), "every fill on the stream", within=LIVE * 2)
            came = Counter(each.fill_id for each in watch.of(Fill))
            assert came == expected, f"seed {seed}: stream: expected the ledger's fills {expected}, came {came}"
        if "orders" in channels:
            last = {each.venue_order_id: each for each in watch.of(Order)}
            for each in truth.orders():
                assert each.id in last, f"seed {seed}: stream: nothing of the ledger's {each!r}"
                assert last[each.id].filled_size == each.filled_size, f"seed {seed}: {each!r}, told {last[each.id]!r}"
    standing = await target.run(trader.venue.fetch_open_orders())
    assert {each.venue_order_id for each in standing} == {each.id for each in truth.open_orders()}, f"seed {seed}"
    for each in standing:
        assert_same(each, truth.order(each.venue_order_id or ""), f"seed {seed}: fetch_open_orders")
    held = {each.market_id: each.size for each in await target.run(trader.venue.fetch_positions())}
    size = trader.position()
    assert held == ({trader.market.id: size} if size else {}), (
        f"seed {seed}: expected {size} from the ledger, came {held}"
    )
    fills = Counter(each.fill_id for each in await target.run(trader.venue.fetch_fills(trader.market)))
    assert fills == Counter(each.id for each in truth.fills()), f"seed {seed}: fetch_fills"


def _capturing(target: Target, made: list[Any]) -> Any:
    """Return what makes the plugin and keeps it, to be given in place of its class."""

    def make(context: VenueContext) -> Any:
        made.append(target.profile.plugin_class()(context))
        return made[-1]

    return make


@pytest.mark.rule("soak-stays-bounded")
@pytest.mark.needs("open_stream", "channel:book", "channel:trades")
async def test_public_data_leaves_nothing_behind(target: Target) -> None:
    """Hundreds of changes of a book and of trades: afterwards the plugin holds no more than before."""
    made: list[Any] = []
    trader = await Trader.of(target, await target.open(plugin=_capturing(target, made)))
    names = [f"{each}:{trader.market.id}" for each in ("book", "trades")]
    async with target.watch(trader.venue, *names):
        before = await _public_round(trader, made)
        after = await _public_round(trader, made)
    # A name or two may still be met for the first time.
    kept = {path: more for path, more in grown(before, after).items() if more > _ROUND // 20}
    assert not kept, f"{_ROUND} public events, and these containers of the plugin grew: {kept}"


async def _public_round(trader: Trader, made: list[Any]) -> dict[str, int]:
    target = trader.target
    target.quote(levels=5, size=trader.size(100_000))
    for number in range(_ROUND):
        if number % 2:
            trader.rest(Side.BUY, trader.price("0.99") - number * trader.market.tick_size, trader.size(200))
        else:
            trader.trade(Side.BUY if number % 4 else Side.SELL, trader.size(150 + number))
        target.advance(timedelta(milliseconds=150))
        await target.breathe(1)
    target.control.clear_liquidity()
    await target.breathe(20)
    return holdings(made[0], trader.venue)


@pytest.mark.rule("soak-stays-bounded")
@TRADES
@pytest.mark.needs("open_stream", "channel:orders", "channel:fills")
async def test_orders_and_lost_connections_leave_little_behind(target: Target) -> None:
    """
    Eighty orders with a lost connection every ten: each fill once, every order filled in the end, and of each order
    the plugin keeps a few facts at most, not its messages.
    """
    made: list[Any] = []
    trader = await Trader.of(target, await target.open(plugin=_capturing(target, made)))
    target.quote(size=trader.size(100_000))
    await trader.place(share="1.001")
    before = holdings(made[0], trader.venue)
    await _soak(trader)
    kept = grown(before, holdings(made[0], trader.venue))
    total = sum(kept.values())
    assert total <= 12 * _ORDERS, f"{_ORDERS} orders left {total} things in containers of the plugin: {kept}"


async def _soak(trader: Trader) -> None:
    target = trader.target
    async with target.watch(trader.venue, "orders", "fills") as watch:
        begin = {each.id for each in trader.truth.fills()}
        for number in range(_ORDERS):
            if number % 10 == 5:
                target.inject(Channel.ORDERS, FaultAction.DISCONNECT, times=1, close_code=1006)
            await trader.place(Side.BUY if number % 2 else Side.SELL, "1.001" if number % 2 else "0.999")
            target.advance(timedelta(milliseconds=500))
            await target.breathe(2)
        expected = Counter(each.id for each in trader.truth.fills() if each.id not in begin)
        await watch.until(lambda: len(watch.of(Fill)) >= len(expected), "every fill", within=timedelta(minutes=5))
        assert Counter(each.fill_id for each in watch.of(Fill)) == expected, f"seed {target.seed}"
        last = {each.venue_order_id: each.status for each in watch.of(Order)}
        assert set(last.values()) == {OrderStatus.FILLED}, f"seed {target.seed}: {Counter(last.values())}"


@pytest.mark.rule("soak-stays-bounded")
@TRADES
async def test_the_same_seed_gives_the_same_run(venue_profile: VenueProfile, venue_seed: int) -> None:
    """Twice from the beginning, with answers lost on the way: the same commands on the wire, the same ledger."""
    async with Target(venue_profile, seed=venue_seed) as target:
        # What is loaded once, with the first order, takes real time, while which the venue's clock goes on.
        trader = await Trader.of(target, await target.open())
        await trader.attempt(trader.intent())
    runs = []
    for _ in range(2):
        async with Target(venue_profile, seed=venue_seed) as target:
            trader = await Trader.of(target, await target.open())
            target.quote(size=trader.size(100_000))
            rng = random.Random(venue_seed)  # noqa: S311 - reproducible, not secret
            for number in range(20):
                if number % 5 == 3:
                    target.inject("place_order", FaultAction.DROP_AFTER)
                share = rng.choice(("0.98", "0.9999", "1.001"))
                await trader.attempt(trader.intent(Side.BUY, share, size=trader.size(rng.randint(200, 2000))))
                # By so much that no order has another one's moment, and by nothing else.
                target.advance(timedelta(milliseconds=1000))
            steady = venue_profile.repeatable
            sent = [(each.method, each.path, steady(each.body)) for each in target.recordings.requests() if each.body]
            ledger = [(each.client_id, each.size, each.price, each.filled_size) for each in trader.truth.orders()]
            runs.append((sent, ledger))
    (sent, ledger), (again, ledger_again) = runs
    assert ledger == ledger_again, f"seed {venue_seed}: the ledger of the second run is another"
    differing = next((n for n, pair in enumerate(zip(sent, again, strict=False)) if pair[0] != pair[1]), None)
    assert differing is None, f"seed {venue_seed}: request {differing} differs: {sent[differing]}, {again[differing]}"
    assert len(sent) == len(again)
