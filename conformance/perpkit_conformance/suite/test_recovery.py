"""Faults on every way, restricted venues, restarts and disorder: what is left is the ledger's truth, or a word."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from perpkit.core.errors import (
    OrderNotFoundError,
    OutcomeUnknownError,
    PerpkitError,
    RejectReason,
    VenueUnavailableError,
)
from perpkit.core.models import Channel, Fill, Order, Position, Side, StreamState, VenueStatus
from perpkit.core.venue import Venue
from perpkit.sim.faults import FaultAction
from perpkit.sim.orders import CloseReason
from perpkit_conformance.fixtures import published
from perpkit_conformance.suite.calls import READS, Caller, a_life
from perpkit_conformance.suite.channels import LIVE
from perpkit_conformance.suite.trading import TRADES, Trader, an_id, assert_same
from perpkit_conformance.target import SystemStatus, Target

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
