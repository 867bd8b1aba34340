"""Streams of an account: ready after a snapshot, whole over tokens and outages, nothing twice, closed for good."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from datetime import timedelta
from decimal import Decimal

import pytest

from perpkit.core.errors import PerpkitError
from perpkit.core.models import Balance, Channel, Order, OrderStatus, Position, Side, StreamState, StreamStatus
from perpkit.core.venue import Venue
from perpkit.sim.faults import FaultAction
from perpkit_conformance.fixtures import has
from perpkit_conformance.suite.channels import LIVE, every_fill_once, stir
from perpkit_conformance.suite.trading import Trader, assert_same
from perpkit_conformance.target import Target, Watch

pytestmark = pytest.mark.needs("open_stream")

PRIVATE = ("orders", "fills", "positions", "balances", "funding_payments")
NEEDS_PRIVATE = pytest.mark.needs("channel:orders", "channel:fills", "channel:positions", "channel:balances")


@pytest.mark.rule("ready-after-snapshot")
@NEEDS_PRIVATE
async def test_live_is_said_after_the_present_state(trader: Trader) -> None:
    """A position, an order and a balance that were there before come before LIVE, as the ledger has them."""
    target, truth = trader.target, trader.truth
    target.submit(Side.BUY, trader.size(3000))
    target.submit(Side.BUY, trader.size(), price=trader.price("0.97"))
    async with target.watch(trader.venue, "orders", "positions", "balances") as watch:
        await target.breathe(20)
        states = [n for n, e in enumerate(watch.events) if isinstance(e, StreamStatus) and e.state is StreamState.LIVE]
        # Each channel may say live for itself; the last one stands for all.
        before = watch.events[: states[-1]]
        held = {each.market_id: each.size for each in before if isinstance(each, Position)}
        position = truth.positions()[trader.symbol].size
        assert held == {trader.market.id: position}, f"expected {position} before LIVE from the ledger, came {held}"
        standing = {each.venue_order_id for each in before if isinstance(each, Order) and not each.is_terminal}
        expected = {each.id for each in truth.open_orders()}
        assert standing == expected, f"expected orders {expected} before LIVE from the ledger, came {standing}"
        cash = {each.asset: each.total for each in before if isinstance(each, Balance)}
        settled = {asset: size for asset, size in truth.balances().items() if size}
        assert {asset: cash.get(asset) for asset in settled} == settled, f"expected {settled} before LIVE, came {cash}"


@pytest.mark.rule("refused-sign-in-is-typed")
@pytest.mark.needs("channel:orders")
async def test_a_refused_sign_in_is_an_error_and_not_a_storm(request: pytest.FixtureRequest, target: Target) -> None:
    """The credentials are refused for good: a typed error in time, and a handful of attempts in five minutes."""
    has(request, "sign_in", "sign_in" in target.profile.http_faults)
    fault = target.inject("sign_in", FaultAction.STATUS, status=401, times=None)
    venue = await target.open()
    errors: list[Exception] = []

    async def follow() -> None:
        async with venue.stream(["orders"]) as events:
            async for _ in events:
                continue

    task = asyncio.create_task(follow())
    try:
        await target.until(task.done, "an error for refused credentials", within=timedelta(minutes=5))
        errors = [error for error in [task.exception()] if isinstance(error, Exception)]
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert errors, "the stream ended, and the refusal was not told"
    assert isinstance(errors[0], PerpkitError), f"expected a typed error, came {errors[0]!r}"
    for _ in range(30):
        target.advance(timedelta(seconds=10))
        await target.breathe()
    assert fault.hits <= 20, f"refused credentials were tried {fault.hits} times in ten minutes"


@pytest.mark.rule("tokens-roll-over")
@pytest.mark.needs("channel:orders")
async def test_a_connection_outlives_its_token(trader: Trader) -> None:
    """A quarter of an hour, an order every two minutes: each is told, and the stream was never lost."""
    async with trader.target.watch(trader.venue, "orders") as watch:
        for number in range(8):
            trader.target.advance(timedelta(minutes=2))
            order = await trader.place(price=trader.price("0.98") - number * trader.market.tick_size)
            await watch.until(
                lambda order=order: any(e.client_order_id == order.client_order_id for e in watch.of(Order)),  # type: ignore[misc]
                f"the order of minute {2 * number + 2}",
                within=LIVE,
            )
        assert StreamState.LOST not in watch.states, f"the connection was lost on the way: {watch.states}"


@pytest.mark.rule("tokens-roll-over")
@pytest.mark.needs("channel:orders")
async def test_tokens_that_are_revoked_while_connected_cost_no_event(
    request: pytest.FixtureRequest, trader: Trader
) -> None:
    """Every token ends at once, then the connection too: the next one signs in anew, and nothing is missing."""
    has(request, "sign_in", "sign_in" in trader.target.profile.http_faults)
    async with trader.target.watch(trader.venue, "orders", "fills") as watch:
        trader.target.control.expire_tokens()
        trader.target.inject(Channel.ORDERS, FaultAction.DISCONNECT, times=1, close_code=1006)
        await trader.place(share="1.001")
        await every_fill_once(trader, watch, "revoked tokens")


@pytest.mark.rule("reconnect-loses-nothing")
@NEEDS_PRIVATE
@pytest.mark.parametrize("code", [1000, 1006, 1012])
async def test_what_happened_during_an_outage_is_delivered(trader: Trader, code: int) -> None:
    """One order filled in part, one canceled, one placed elsewhere, while nobody listens: all of it comes."""
    target, truth = trader.target, trader.truth
    resting = await trader.place(share="0.99999", size=trader.size(2000))
    canceled = await trader.place(share="0.98")
    channels = [each for each in PRIVATE if Channel(each) in trader.venue.capabilities.channels]
    async with target.watch(trader.venue, *channels) as watch:
        target.inject("connect", FaultAction.REFUSE, times=2)
        target.inject(Channel.ORDERS, FaultAction.DISCONNECT, times=1, close_code=code)
        target.cancel_order(truth.account_id, canceled)
        await watch.until(lambda: StreamState.LOST in watch.states, "the loss to be said", within=LIVE)
        target.control.clear_liquidity()
        trader.trade(Side.SELL, trader.size(1500))
        elsewhere = target.submit(Side.BUY, trader.size(), price=trader.price("0.97"))
        await watch.until(
            lambda: watch.states[-1] in {StreamState.RESYNCED, StreamState.LIVE}, "the way back", within=LIVE * 4
        )
        await every_fill_once(trader, watch, f"an outage that began with {code}")
        for order_id in (resting.venue_order_id or "", canceled.venue_order_id or "", elsewhere.id):
            told = [each for each in watch.of(Order) if each.venue_order_id == order_id]
            assert told, f"the ledger has {truth.order(order_id)!r}, and the stream told nothing of it"
            assert_same(told[-1], truth.order(order_id), "orders stream after an outage")
        held = [each for each in watch.of(Position) if each.market_id == trader.market.id]
        size = truth.positions()[trader.symbol].size
        assert held, f"the ledger has {size}, and no position came"
        assert held[-1].size == size, f"expected {size} from the ledger, came {held[-1].size}"


@pytest.mark.rule("resync-repeats-nothing")
@NEEDS_PRIVATE
async def test_reading_again_repeats_no_event(trader: Trader) -> None:
    """Three losses in which nothing happens: no fill twice, no order in a state that was told already."""
    target = trader.target
    await trader.place(share="0.98")
    async with target.watch(trader.venue, "orders", "fills") as watch:
        await trader.place(share="0.97")
        await trader.place(share="1.001")
        await watch.until(lambda: len({e.venue_order_id for e in watch.of(Order) if e.is_terminal}) >= 1, "the orders")
        for number in range(3):
            lost = watch.states.count(StreamState.LOST)
            target.inject(Channel.ORDERS, FaultAction.DISCONNECT, times=1, close_code=1006)
            await trader.place(share=Decimal("0.95") + Decimal(number) / 1000)
            await watch.until(lambda lost=lost: watch.states.count(StreamState.LOST) > lost, "a loss", within=LIVE)  # type: ignore[misc]
            await watch.until(
                lambda: watch.states[-1] in {StreamState.RESYNCED, StreamState.LIVE}, "the way back", within=LIVE * 4
            )
        await every_fill_once(trader, watch, "three losses")
        told = Counter((each.venue_order_id, each.status, each.filled_size) for each in watch.of(Order))
        double = {key: times for key, times in told.items() if times > 1}
        assert not double, f"order events that came more than once: {double}"


@pytest.mark.rule("old-never-overwrites-new")
@pytest.mark.needs("channel:orders", "channel:fills")
async def test_updates_out_of_order_never_take_an_order_back(trader: Trader) -> None:
    """Held back and repeated: no terminal order lives again, no filled size shrinks, the last word is the ledger's."""
    target = trader.target
    target.inject(Channel.ORDERS, FaultAction.REORDER, times=6)
    target.inject(Channel.ORDERS, FaultAction.DUPLICATE, times=None)
    async with target.watch(trader.venue, "orders", "fills") as watch:
        for share in ("1.001", "0.99999", "1.001", "0.98"):
            await trader.place(share=share)
        target.control.clear_liquidity()
        trader.trade(Side.SELL, trader.size(400))
        await target.breathe(20)
        await trader.place(share="0.97")
        await target.run(_settled(trader, watch), within=timedelta(minutes=2))
        last: dict[str | None, Order] = {}
        for order in watch.of(Order):
            known = last.get(order.venue_order_id)
            if known is not None:
                assert order.is_terminal or not known.is_terminal, f"{known!r} was taken back by {order!r}"
                assert order.filled_size >= known.filled_size, f"{known!r} was taken back by {order!r}"
            last[order.venue_order_id] = order


async def _settled(trader: Trader, watch: Watch) -> None:
    """Wait until the last told state of every order is the ledger's, as far as status and filled size go."""

    def missing() -> list[str]:
        last = {each.venue_order_id: each for each in watch.of(Order)}
        return [
            f"{each.id}: ledger {each.state} filled {each.filled_size}, told {last.get(each.id)!r}"
            for each in trader.truth.orders()
            if each.id not in last
            or last[each.id].filled_size != each.filled_size
            or last[each.id].is_terminal != each.is_closed
        ]

    for _ in range(2000):
        if not missing():
            return
        await asyncio.sleep(0.001)
    pytest.fail("the last told state is not the ledger's: " + "; ".join(missing()))


@pytest.mark.rule("old-never-overwrites-new")
@pytest.mark.needs("channel:orders", "place_order")
async def test_an_answer_that_was_overtaken_by_the_stream_does_not_take_the_order_back(trader: Trader) -> None:
    """The answer to an order comes two seconds after its fill: what is returned is filled already."""
    target = trader.target
    async with target.watch(trader.venue, "orders") as watch:
        target.inject("place_order", FaultAction.DELAY_ANSWER, times=1, delay_ms=2000)
        order = await trader.place(share="1.001")
        assert any(each.is_terminal for each in watch.of(Order)), "the stream should have been first"
        assert order.status is OrderStatus.FILLED, (
            f"the stream told of the fill before, and the answer came as {order!r}"
        )
        await target.breathe(20)
        assert watch.of(Order)[-1].status is OrderStatus.FILLED


@pytest.mark.rule("snapshot-semantics")
@NEEDS_PRIVATE
async def test_an_update_of_one_position_takes_no_other_away(trader: Trader) -> None:
    """Two markets; one changes and is closed, before and during an outage: the other never vanishes."""
    target, truth = trader.target, trader.truth
    names = list(target.profile.markets)
    other = await Trader.of(target, trader.venue, names[1])
    target.quote(names[1], size=other.size(100_000))
    target.submit(Side.BUY, trader.size(3000))
    target.submit(Side.SELL, other.size(3000), market=names[1])
    async with target.watch(trader.venue, "positions", "balances") as watch:

        def last(each: Trader) -> Decimal | None:
            told = [e.size for e in watch.of(Position) if e.market_id == each.market.id]
            return told[-1] if told else None

        target.submit(Side.BUY, trader.size(1000))
        await watch.until(lambda: last(trader) == trader.position(), "the grown position", within=LIVE)
        target.inject("connect", FaultAction.REFUSE, times=1)
        target.inject(Channel.POSITIONS, FaultAction.DISCONNECT, times=1, close_code=1006)
        target.submit(Side.SELL, trader.position())
        await watch.until(lambda: last(trader) == 0, "the closed position, size 0", within=LIVE * 4)
        await target.breathe(20)
        flat = [each for each in watch.of(Position) if each.size == 0]
        assert [each.market_id for each in flat] == [trader.market.id], (
            f"expected one flat event, of {trader.market.id}; the ledger has {list(truth.positions())}, came {flat}"
        )
        assert last(other) == truth.positions()[other.symbol].size
        assert not [each for each in watch.of(Balance) if each.total == 0 and truth.balances().get(each.asset)]


@pytest.mark.rule("close-stays-closed")
@pytest.mark.parametrize("when", ["live", "reconnecting"])
async def test_after_closing_nothing_comes_back(target: Target, when: str) -> None:
    """Closed while it lives or while it reconnects: no handshake, no request, no task later."""
    target.quote()
    before = asyncio.all_tasks()
    venue = target.make()
    await target.run(venue.__aenter__())
    channels = [
        each.value if each.is_private else f"{each}:{target.market}"
        for each in (Channel.TRADES, Channel.ORDERS)
        if each in venue.capabilities.channels
    ]
    async with target.watch(venue, *channels):
        if when == "reconnecting":
            target.inject("connect", FaultAction.REFUSE, times=None)
            for channel in channels:
                target.inject(f"channel:{channel.partition(':')[0]}", FaultAction.DISCONNECT, times=1, close_code=1006)
            stir(await Trader.of(target, venue))
            target.advance(timedelta(seconds=3))
            await target.breathe(10)
    await target.run(venue.close())
    await target.breathe(20)
    handshakes, requests = target.arrivals.handshakes, sum(target.arrivals.requests.values())
    for _ in range(20):
        target.advance(timedelta(minutes=1))
        await target.breathe()
    assert target.arrivals.handshakes == handshakes, "a closed venue connected again"
    assert sum(target.arrivals.requests.values()) == requests, "a closed venue sent requests"
    left = {task.get_name() for task in asyncio.all_tasks() - before if "perpkit" in repr(task.get_coro())}
    server = {name for name in left if name.startswith((f"{target.profile.name} ", "sim ", "Task-"))}
    assert not left - server, f"tasks of a closed venue are left: {left - server}"
    gc.collect()


@pytest.mark.rule("close-stays-closed")
@pytest.mark.needs("channel:orders")
async def test_reconnects_make_no_second_socket(trader: Trader) -> None:
    """After five losses each order is told once by the stream, not once for each connection ever made."""
    target = trader.target
    async with target.watch(trader.venue, "orders") as watch:
        for number in range(5):
            lost = watch.states.count(StreamState.LOST)
            target.inject(Channel.ORDERS, FaultAction.DISCONNECT, times=1, close_code=1012)
            await trader.place(share=Decimal("0.95") + Decimal(number) / 1000)
            await watch.until(lambda lost=lost: watch.states.count(StreamState.LOST) > lost, "a loss", within=LIVE)  # type: ignore[misc]
            await watch.until(
                lambda: watch.states[-1] in {StreamState.RESYNCED, StreamState.LIVE}, "the way back", within=LIVE * 4
            )
        came = len(target.recordings.received_frames())
        target.control.clear_faults()
        fault = target.inject(Channel.ORDERS, FaultAction.EXTRA_FIELDS, times=None)
        await trader.place(share="0.96")
        await watch.until(lambda: fault.hits, "a frame of the order", within=LIVE)
        await target.breathe(30)
        frames = [each for each in target.recordings.received_frames()[came:] if "perpkit_unknown" in str(each.data)]
        assert len(frames) == len({str(each.data) for each in frames}), "the same update came over two sockets"


@pytest.mark.rule("consumer-errors-stay-local")
@pytest.mark.needs("channel:orders")
async def test_a_consumer_that_raises_stops_nobody_else(trader: Trader) -> None:
    """Its own block ends with its own error; the other's events go on over the same connection."""
    target = trader.target
    async with target.watch(trader.venue, "orders") as stays:
        handshakes = target.arrivals.handshakes
        with pytest.raises(RuntimeError, match="of its own"):
            async with target.watch(trader.venue, "orders"):
                raise RuntimeError("an error of its own")
        order = await trader.place()
        await stays.until(
            lambda: any(each.venue_order_id == order.venue_order_id for each in stays.of(Order)),
            "the order",
            within=LIVE,
        )
        assert target.arrivals.handshakes == handshakes, "another consumer's error cost the connection"
        assert StreamState.LOST not in stays.states


@pytest.mark.rule("consumer-errors-stay-local")
async def test_reconnects_back_off(target: Target, venue: Venue) -> None:
    """A host that refuses every handshake for ten minutes is asked a few dozen times, not hundreds."""
    target.inject("connect", FaultAction.REFUSE, times=None)
    channel = next(each for each in (Channel.TRADES, *Channel) if each in venue.capabilities.channels)
    name = channel.value if channel.is_private else f"{channel}:{target.market}"
    async with target.watch(venue, name, live=False):
        first = target.arrivals.handshakes
        for _ in range(300):
            target.advance(timedelta(seconds=2))
            await target.breathe(2)
        tried = target.arrivals.handshakes - first
    assert 2 <= tried <= 80, f"{tried} handshakes in ten minutes of refusals"
