"""Signing in: one for all who ask, renewed early, with a clock that is off, and into a server that hangs."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

import perpkit
from perpkit.core.errors import (
    AuthError,
    ConfigError,
    ConnectError,
    NotSentError,
    OutcomeUnknownError,
    RejectReason,
    RequestTimeoutError,
)
from perpkit.core.models import OrderStatus
from perpkit.sim.clock import SimClock
from tests.integration.conftest import eventually, while_time_passes
from tests.integration.helpers import SHORT, SIGN_IN, count, intent, patiently, true_order, true_orders

# The session's token


async def test_one_sign_in_serves_all_who_ask_at_once(local, venue):
    """Twenty callers, one ``POST /auth``."""
    sign_ins = count(local, SIGN_IN)
    await asyncio.gather(*(venue.fetch_account() for _ in range(20)))
    assert sign_ins.hits == 1


async def test_the_token_is_renewed_early_and_not_on_every_call(local, venue):
    """It lives five minutes: kept for three, replaced before it ends, and no call ever meets an expired one."""
    sign_ins = count(local, SIGN_IN)
    refused = _refusals(local)
    for minute in range(10):
        await venue.fetch_account()
        assert sign_ins.hits == 1 + minute // 3
        local.control.advance(timedelta(minutes=1))
    assert refused() == 0


def _refusals(local):
    """Count the tokens that the venue refused from now on."""
    seen = []
    read = local.venue.authority.read

    def watched(bearer, now_s):
        try:
            return read(bearer, now_s)
        except Exception as error:
            seen.append(str(error))
            raise

    local.venue.authority.read = watched
    return lambda: len(seen)


async def test_many_callers_that_meet_an_expired_token_share_one_new_sign_in(local, venue):
    """Each is refused once and repeated once; nobody sees an error."""
    await venue.fetch_account()
    sign_ins = count(local, SIGN_IN)
    local.control.expire_tokens()
    await asyncio.gather(*(venue.fetch_account() for _ in range(10)), venue.place_order(intent()))
    assert sign_ins.hits == 1
    assert len(true_orders(local)) == 1


async def test_an_order_after_a_long_pause_goes_through_without_a_refusal(local, venue):
    """The old token's age is known, so it isn't even tried."""
    await venue.fetch_account()
    refused = _refusals(local)
    local.control.advance(timedelta(hours=7))
    await venue.place_order(intent())
    assert (refused(), len(true_orders(local))) == (0, 1)


async def test_a_sign_in_that_fails_is_not_held_against_the_next_call(local, venue):
    """The order whose sign-in failed was not sent, and says so; the next one passes."""
    local.control.inject("status", match=SIGN_IN, status=500, times=3)
    with pytest.raises(NotSentError):
        await while_time_passes(local, venue.place_order(intent()))
    assert true_orders(local) == []
    await venue.place_order(intent())
    assert len(true_orders(local)) == 1


async def test_an_old_token_serves_on_while_renewing_it_fails(local, venue):
    """After three minutes a new one is due, until the fifth the old one is good."""
    await venue.fetch_account()
    local.control.advance(timedelta(minutes=4))
    local.control.inject("drop_before", match=SIGN_IN, times=None)
    assert (await while_time_passes(local, venue.fetch_account())).equity == 100_000


async def test_a_caller_that_is_cancelled_does_not_stop_the_sign_in_of_the_others(local, venue):
    """The one who asked first goes away; the second gets the token that was asked for."""
    sign_ins = count(local, SIGN_IN)
    first, second = (asyncio.create_task(venue.fetch_account()) for _ in range(2))
    await eventually(lambda: sign_ins.hits, "the sign-in")
    first.cancel()
    assert (await second).equity == 100_000
    assert sign_ins.hits == 1


async def test_closing_in_the_middle_of_a_sign_in_leaves_nothing_behind(local, open_on):
    """No task, no socket, and the caller hears that nothing was sent."""
    before = asyncio.all_tasks()
    venue = await open_on()
    hang = local.control.inject("hang_before", match=SIGN_IN)
    task = asyncio.create_task(venue.place_order(intent()))
    await eventually(lambda: hang.hits, "the sign-in")
    await venue.close()
    (outcome,) = await asyncio.gather(task, return_exceptions=True)
    assert isinstance(outcome, NotSentError | AuthError | asyncio.CancelledError), outcome
    assert true_orders(local) == []
    await eventually(lambda: not {t for t in asyncio.all_tasks() - before if "_renew" in repr(t)}, "no task left")


# The clock


@pytest.mark.parametrize("off", [timedelta(minutes=1), timedelta(minutes=-1), timedelta(hours=-9)], ids=str)
async def test_a_clock_that_is_off_signs_good_orders_all_the_same(local, open_on, off):
    """The venue's time is asked for and signed with; the order arrives inside its window."""
    venue = await open_on(clock=SimClock(local.clock.now() + off))
    order = await venue.place_order(intent(accept_within=timedelta(seconds=5)))
    assert abs(true_order(local, order.venue_order_id).signed_at_ms - local.clock.now_ms()) < 5_000
    health = await venue.check_health()
    assert abs(health.clock_skew + off) < timedelta(seconds=1)


@pytest.mark.parametrize("whose", ["ours", "the venue's"])
@pytest.mark.parametrize("command", ["place", "batch", "amend"])
async def test_a_clock_that_goes_wrong_later_costs_one_refusal(local, open_on, whose, command):
    """
    Ours or theirs jumps two minutes ahead after they were compared: the venue refuses one command for its time, the
    clocks are compared anew, and the next one passes. Nothing is placed twice.
    """
    clock = SimClock(local.clock.now() + timedelta(minutes=2))
    venue = await open_on(clock=clock, recv_window_ms=30_000)
    order = await venue.place_order(intent())

    async def act():
        if command == "place":
            await venue.place_order(intent())
        elif command == "batch":
            await venue.place_orders([intent(), intent()])
        else:
            await venue.amend_order(order, price="98000")

    (clock if whose == "ours" else local.clock).advance(timedelta(minutes=2))
    if (command, whose) != ("amend", "the venue's"):  # an amendment has no window of its own, and five minutes pass
        with pytest.raises(perpkit.OrderRejectedError, match="clock") as caught:
            await act()
        assert caught.value.reason is RejectReason.EXPIRED
    assert len(true_orders(local)) == 1
    await act()
    assert len(true_orders(local)) == {"place": 2, "batch": 3, "amend": 1}[command]


# A server that hangs


async def test_a_read_that_hangs_ends_in_time(local, open_on):
    """The user sets the bound of a request; a read may be tried again within its own."""
    venue = await open_on(request_timeout=SHORT)
    await patiently(local, venue.fetch_account())
    hang = local.control.inject("hang_before", match="GET /v1/account", times=None)
    with pytest.raises(RequestTimeoutError):
        await patiently(local, venue.fetch_account())
    assert hang.hits == 3


async def test_a_read_that_hangs_once_is_repeated(local, open_on):
    """The second answer counts."""
    venue = await open_on(request_timeout=SHORT)
    await patiently(local, venue.fetch_account())
    local.control.inject("hang_before", match="GET /v1/account")
    assert (await patiently(local, venue.fetch_account())).equity == 100_000


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("order_entry", ["rest", "ws"])
async def test_an_order_into_a_hanging_server_is_unknown_and_then_found_out(local, open_on, when, order_entry):
    """Hanging before and after it was taken look the same; one order at most, and its fate is found."""
    venue = await open_on(request_timeout=SHORT, order_entry=order_entry)
    await patiently(local, venue.fetch_open_orders())
    where = {"match": "POST /v1/orders"} if order_entry == "rest" else {"target": "rpc", "match": "order.create"}
    hang = local.control.inject(f"hang_{when}", **where)
    with pytest.raises(OutcomeUnknownError) as caught:
        await venue.place_order(intent(accept_within=timedelta(seconds=10)))
    assert hang.hits == 1
    found = await while_time_passes(local, venue.resolve_order(caught.value, within=timedelta(minutes=5)))
    if when == "after":
        (truth,) = true_orders(local)
        assert (found.venue_order_id, found.status) == (truth.id, OrderStatus.OPEN)
    else:
        assert true_orders(local) == []
        assert found.status is OrderStatus.REJECTED


async def test_a_sign_in_that_hangs_means_not_sent(local, open_on):
    """The order behind it never left."""
    venue = await open_on(request_timeout=SHORT)
    local.control.inject("hang_before", match=SIGN_IN, times=None)
    with pytest.raises(NotSentError):
        await patiently(local, venue.place_order(intent()))
    assert true_orders(local) == []


async def test_a_server_that_refuses_connections_means_not_sent(local, open_on):
    """Nothing listens at the address."""
    venue = await open_on(request_timeout=SHORT)
    await local.stop()
    with pytest.raises(ConnectError):
        await while_time_passes(local, venue.place_order(intent()))
    assert true_orders(local) == []


@pytest.mark.parametrize("bound", [0, -1, "soon", timedelta(0)])
def test_a_bound_that_is_none_is_refused(bound):
    """Zero would end every request."""
    with pytest.raises(ConfigError, match="request_timeout"):
        perpkit.open_venue("paradex", "testnet", environ={}, request_timeout=bound)
