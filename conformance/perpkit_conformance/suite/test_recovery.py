"""Faults on every way, restarts, cancellation, and random histories: what is left is the ledger's truth, or a word."""

from __future__ import annotations

import asyncio
import random
import re
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from perpkit.core.context import VenueContext
from perpkit.core.errors import (
    OrderNotFoundError,
    OutcomeUnknownError,
    PerpkitError,
    RejectReason,
    VenueUnavailableError,
)
from perpkit.core.models import Channel, Fill, Model, Order, OrderStatus, Position, Side, StreamState, VenueStatus
from perpkit.core.venue import Venue
from perpkit.sim.faults import FaultAction
from perpkit.sim.orders import CloseReason
from perpkit_conformance.fixtures import published
from perpkit_conformance.profile import VenueProfile
from perpkit_conformance.suite.altering import recorded
from perpkit_conformance.suite.calls import READS, Caller, a_life
from perpkit_conformance.suite.holding import grown, holdings
from perpkit_conformance.suite.jepsen import History
from perpkit_conformance.suite.trading import Trader, an_id, assert_same, impatient
from perpkit_conformance.target import SystemStatus, Target

__all__ = ["impatient"]

TRADES = pytest.mark.needs("place_order", "fetch_order")
LIVE = timedelta(seconds=30)


@pytest.fixture
async def trader(target: Target, venue: Venue) -> Trader:
    """A trader on a quoted book."""
    trader = await Trader.of(target, venue)
    target.quote(size=trader.size(100_000))
    return trader


# Reads


READ_FAULTS: dict[str, dict[str, Any]] = {
    "no answer": {"action": "hang_before"},
    "connection drops": {"action": "drop_before"},
    "500": {"action": "status", "status": 500},
    "502 with HTML": {"action": "html", "status": 502},
    "cut in half": {"action": "truncate"},
    "empty": {"action": "replace", "body": ""},
    "HTML in a 200": {"action": "replace", "body": "<html><body>captive portal</body></html>"},
    "an error in a 200": {"action": "replace", "body": '{"error": "INTERNAL", "message": "try later"}'},
    "null": {"action": "replace", "body": "null"},
}


@pytest.mark.rule("reads-fail-typed")
@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("hook", [pytest.param(each, marks=pytest.mark.needs(each), id=each) for each in READS])
async def test_a_read_that_fails_says_so(target: Target, venue: Venue, hook: str) -> None:
    """Each kind of failure is one of perpkit's errors, never an empty answer; afterwards the read works again."""
    a_life(target)
    caller = Caller(target, venue)
    await target.run(venue.fetch_markets())
    way = caller.ways(hook)[-1]
    async with target.flow(speed=3000):
        good = await caller.answer(way)
        for name, fault in READ_FAULTS.items():
            if name == "no answer" and hook != "check_health" and hook not in {"fetch_balances", "fetch_ticker"}:
                # Waiting for time limits is slow; they are the core's and the same for every read.
                continue
            planned = target.inject(hook, times=None, **fault)
            try:
                came = await asyncio.wait_for(way(), 20)
            except PerpkitError:
                pass
            except Exception as error:
                raise AssertionError(f"{hook}, {name}: expected one of perpkit's errors, came {error!r}") from error
            else:
                if planned.hits:
                    pytest.fail(f"{hook}, {name}: expected an error, came the answer {came!r}")
            finally:
                target.control.clear_faults()
        again = await caller.answer(way)
    assert type(again) is type(good)
    assert not isinstance(good, list) or len(again) >= len(good), f"{hook} gives less after failures: {again!r}"


# Sockets


SOCKET_FAULTS: dict[str, tuple[str, dict[str, Any]]] = {
    **{str(code): ("frame", {"action": "disconnect", "close_code": code}) for code in (1001, 1008, 1011, 1013, 4000)},
    "garbage": ("frame", {"action": "garbage", "times": 30}),
    "cut frames": ("frame", {"action": "truncate", "times": 2}),
    "a huge frame": ("frame", {"action": "replace", "body": '{"x": "' + "y" * 6_000_000 + '"}'}),
    "handshake 429": ("connect", {"action": "status", "status": 429, "retry_after": "2", "times": 2}),
    "handshake 503": ("connect", {"action": "status", "status": 503, "times": 2}),
    "handshake HTML": ("connect", {"action": "html", "status": 502, "times": 2}),
    "slow handshake": ("connect", {"action": "delay", "delay_ms": 3000, "times": 1}),
}


@pytest.mark.rule("sockets-fail-typed")
@TRADES
@pytest.mark.needs("open_stream", "channel:orders", "channel:fills")
@pytest.mark.parametrize("way", list(SOCKET_FAULTS))
async def test_a_socket_may_end_in_any_way(trader: Trader, way: str) -> None:
    """Losses are told; in the end every fill has come, once, and the last state of the order is the ledger's."""
    target = trader.target
    where, fault = SOCKET_FAULTS[way]
    async with target.watch(trader.venue, "orders", "fills") as watch:
        await trader.place(share="1.001")
        if where == "connect":
            target.inject("connect", **fault)
            fault = {"action": "disconnect", "close_code": 1006}
        planned = target.inject(Channel.ORDERS, **{"times": 1, **fault})
        for _ in range(4):
            await trader.place(share="1.001")
            await target.breathe(10)
        expected = {each.id for each in trader.truth.fills()}
        try:
            await watch.until(
                lambda: {each.fill_id for each in watch.of(Fill)} >= expected, "every fill", within=timedelta(minutes=4)
            )
            await watch.until(
                lambda: len({o.venue_order_id for o in watch.of(Order) if o.is_terminal}) == len(expected),
                "the end of every order",
                within=timedelta(minutes=4),
            )
        except AssertionError as error:
            came = {each.fill_id for each in watch.of(Fill)}
            pytest.fail(f"{way}: the ledger's fills {expected}, came {came}, states {watch.states} ({error})")
        assert planned.hits, "the fault never struck"
        double = [name for name, times in Counter(each.fill_id for each in watch.of(Fill)).items() if times > 1]
        assert not double, f"{way}: fills came more than once: {double}"
        if fault["action"] == "disconnect":
            assert StreamState.LOST in watch.states, f"{way}: the loss was not told: {watch.states}"


# Maintenance


@pytest.mark.rule("maintenance-is-told")
@pytest.mark.parametrize("status", [SystemStatus.MAINTENANCE, SystemStatus.CANCEL_ONLY])
async def test_it_opens_and_reads_while_the_venue_is_restricted(
    request: pytest.FixtureRequest, target: Target, status: SystemStatus
) -> None:
    """Opened in that state; health says it, markets can be read or say that they can't, an order is unavailable."""
    published(request, f"VenueStatus:{status}")
    target.control.set_system_status(status)
    venue = await target.open()
    if "check_health" in venue.capabilities.hooks:
        health = await target.run(venue.check_health())
        assert health.status.value == status.value, f"the exchange is in {status}, check_health says {health.status}"
        assert health.status is not VenueStatus.OK
    trader = await Trader.of(target, venue)
    if "place_order" in venue.capabilities.hooks:
        came = await trader.attempt(trader.intent())
        assert isinstance(came, VenueUnavailableError), f"the exchange is in {status}, an order came to {came!r}"
    target.control.set_system_status(SystemStatus.OK)
    if "place_order" in venue.capabilities.hooks:
        assert isinstance(await trader.attempt(trader.intent()), Order), "the exchange is back, and orders don't pass"


@pytest.mark.rule("maintenance-is-told")
@pytest.mark.needs("place_order", "cancel_order")
async def test_a_cancel_passes_while_only_cancels_are_taken(request: pytest.FixtureRequest, trader: Trader) -> None:
    """Getting out is what the state is for."""
    published(request, f"VenueStatus:{SystemStatus.CANCEL_ONLY}")
    order = await trader.place()
    trader.target.control.set_system_status(SystemStatus.CANCEL_ONLY)
    await trader.target.run(trader.venue.cancel_order(order))
    assert trader.true(order).close_reason is CloseReason.USER_CANCELED


@pytest.mark.rule("maintenance-is-told")
async def test_it_opens_while_everything_answers_503(target: Target) -> None:
    """Opening is no call that the venue may refuse; the first read says what is the matter."""
    target.control.inject(FaultAction.STATUS, match="*", status=503, times=None)
    try:
        venue = await target.open()
    except PerpkitError as error:
        pytest.fail(f"it does not open while the venue is down: {error!r}")
    async with target.flow(speed=3000):
        with pytest.raises(PerpkitError):
            await venue.fetch_markets()
        target.control.clear_faults()
        assert await venue.fetch_markets()


# Restarts


@pytest.mark.rule("restart-recovers-orders")
@TRADES
@pytest.mark.parametrize("fate", ["standing", "filled", "canceled", "never arrived"])
async def test_another_process_finds_the_order_by_our_id(target: Target, trader: Trader, fate: str) -> None:
    """The one that sent it is gone before the answer; what was written down before sending is enough."""
    name = an_id(trader.venue, 3)
    target.inject("place_order", "drop_before" if fate == "never arrived" else "drop_after")
    came = await trader.attempt(trader.intent(share="1.001" if fate == "filled" else None, client_order_id=name))
    assert isinstance(came, OutcomeUnknownError), f"expected OutcomeUnknownError, came {came!r}"
    await target.run(trader.venue.close())
    if fate == "canceled":
        target.cancel_order(trader.truth.account_id, trader.truth.orders()[0].id)
    restarted = await target.open()
    try:
        found = await target.run(
            restarted.resolve_order(name, market=trader.market.id, within=timedelta(seconds=30)), within=LIVE * 4
        )
    except (OutcomeUnknownError, OrderNotFoundError):
        assert fate == "never arrived", f"the ledger has {trader.truth.orders()}, and it was not found"
    else:
        if fate == "never arrived":
            assert found.reject_reason is RejectReason.NEVER_RECEIVED, f"the ledger has nothing, came {found!r}"
        else:
            assert_same(found, trader.only_order(), "resolve_order after a restart")
    assert len(trader.truth.orders()) == (fate != "never arrived")


# Disorder


@pytest.mark.rule("message-disorder-is-harmless")
@TRADES
@pytest.mark.needs("open_stream", "channel:orders", "channel:fills", "channel:positions")
@pytest.mark.parametrize("disorder", [FaultAction.DUPLICATE, FaultAction.REORDER, FaultAction.DELAY])
async def test_disorder_leaves_the_ledgers_state(trader: Trader, disorder: FaultAction) -> None:
    """Orders, fills and positions by frames that come twice, swapped or late: in the end all is as in the ledger."""
    target = trader.target
    fields = {"delay_ms": 400} if disorder is FaultAction.DELAY else {}
    for channel in (Channel.ORDERS, Channel.FILLS, Channel.POSITIONS):
        target.inject(channel, disorder, times=9, skip=1, **fields)
    async with target.watch(trader.venue, "orders", "fills", "positions") as watch:
        for side, share in ((Side.BUY, "1.001"), (Side.SELL, "0.999"), (Side.SELL, "0.999"), (Side.BUY, "0.98")):
            await trader.place(side, share, size=trader.size(700))
            target.advance(timedelta(milliseconds=300))
            await target.breathe()

        def agrees() -> bool:
            orders = {each.venue_order_id: each for each in watch.of(Order)}
            held = [each.size for each in watch.of(Position) if each.market_id == trader.market.id]
            return (
                Counter(each.fill_id for each in watch.of(Fill)) == Counter(each.id for each in trader.truth.fills())
                and bool(held)
                and held[-1] == trader.position()
                and all(
                    each.id in orders
                    and orders[each.id].filled_size == each.filled_size
                    and orders[each.id].is_terminal == each.is_closed
                    for each in trader.truth.orders()
                )
            )

        try:
            # The last frame may be held back until another one comes.
            await target.until(agrees, "the ledger's state", within=LIVE)
        except AssertionError:
            await trader.place(Side.BUY, "0.97")
            trader.target.submit(Side.BUY, trader.size(300))
            try:
                await target.until(agrees, "the ledger's state", within=LIVE * 4)
            except AssertionError as error:
                last = {each.venue_order_id: each.status for each in watch.of(Order)}
                sizes = [each.size for each in watch.of(Position)]
                pytest.fail(
                    f"{disorder}: the ledger has {trader.truth.orders()!r}, position {trader.position()}; "
                    f"came orders {last}, positions {sizes}, {len(watch.of(Fill))} fills ({error})"
                )
        seen: dict[str | None, Order] = {}
        for order in watch.of(Order):
            known = seen.get(order.venue_order_id)
            assert known is None or order.is_terminal or not known.is_terminal, f"{known!r} went back to {order!r}"
            seen[order.venue_order_id] = order


# Spelling


SPELT = [
    "fetch_ticker",
    "fetch_order_book",
    "fetch_trades",
    "fetch_account",
    "fetch_balances",
    "fetch_positions",
    "fetch_open_orders",
    "fetch_fills",
    "fetch_markets",
]


def _bare(answer: Any) -> Any:
    """Return an answer without the times at which it came."""
    if isinstance(answer, list):
        return [_bare(each) for each in answer]
    return answer.model_dump(exclude={"ts_received"}) if isinstance(answer, Model) else answer


_FRACTION = re.compile(r"-?\d+\.\d+")
_BARE = re.compile(r'"bare (-?[\d.]+)"')


def _exponent(text: str) -> str:
    """Return 12.5 as 125E-1."""
    digits = text.replace(".", "").lstrip("-").lstrip("0") or "0"
    return f"{'-' if text.startswith('-') else ''}{digits}E-{len(text.partition('.')[2])}"


def _bare_number(text: str) -> str:
    """Return a mark that becomes a JSON number without quotes."""
    return f"bare {text}"


@pytest.mark.rule("any-spelling-of-a-number")
@pytest.mark.parametrize("hook", [pytest.param(each, marks=pytest.mark.needs(each), id=each) for each in SPELT])
async def test_a_number_is_the_same_however_it_is_written(target: Target, venue: Venue, hook: str) -> None:
    """With a zero more, as a JSON number, with an exponent: the same models, or an error with the field."""
    a_life(target)
    caller = Caller(target, venue)
    way = caller.ways(hook)[-1]
    good, answer = await recorded(target, hook, way)
    fault = target.inject(hook, FaultAction.RESPELL, times=None)
    came = await caller.attempt(way)
    target.control.faults.remove(fault.id)
    assert _bare(came) == _bare(good), f"{hook}, 1.1 written as 1.10: expected {good!r}, came {came!r}"
    # Text with a point can be no id.
    fractions = [place for place in answer.numbers() if _FRACTION.fullmatch(str(answer.at(place)))]
    for name, spell in (("with an exponent", _exponent), ("as a JSON number", _bare_number)):
        body = answer.changed(*((place, spell(answer.at(place))) for place in fractions))
        came = await answer.played(_BARE.sub(r"\1", body), way)
        if isinstance(came, PerpkitError):
            continue
        assert _bare(came) == _bare(good), f"{hook}, numbers {name}: expected {good!r}, came {came!r}"


@pytest.mark.rule("any-spelling-of-a-number")
@pytest.mark.parametrize(
    "hook",
    [
        pytest.param(each, marks=pytest.mark.needs(each), id=each)
        for each in ("fetch_positions", "fetch_fills", "fetch_account", "fetch_open_orders")
    ],
)
@pytest.mark.parametrize("nothing", [None, ""], ids=["null", "blank"])
async def test_a_number_that_is_not_there_is_no_crash(
    target: Target, venue: Venue, hook: str, nothing: str | None
) -> None:
    """One after the other: a model or one of perpkit's errors, nothing foreign."""
    a_life(target)
    caller = Caller(target, venue)
    way = caller.ways(hook)[-1]
    _, answer = await recorded(target, hook, way)
    rows = answer.rows()
    for place in answer.numbers(rows[0] if rows else ()):
        try:
            await answer.played(answer.changed((place, nothing)), way)
        except Exception as error:
            raise AssertionError(f"{hook}: {place[-1]} as {nothing!r} raised {error!r}") from error


# Cancellation


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


# Histories


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


# Soak


_ROUND, _ORDERS = 300, 80


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
