"""
Order commands whose answer is lost, late, wrong or refused: each ends in the right class of error, the truth is found
afterwards, and the venue never gets a second order.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

import perpkit
from perpkit.core.errors import (
    AuthError,
    ConnectError,
    OrderNotFoundError,
    OrderRejectedError,
    OutcomeUnknownError,
    RejectReason,
)
from perpkit.core.models import OrderIntent, OrderRef, OrderStatus, Side
from perpkit.sim.orders import OrderState
from tests.integration.conftest import BTC, while_time_passes

PLACE = "POST /v1/orders"
CANCEL = "DELETE /v1/orders/*"
AMEND = "PUT /v1/orders/*"


def _intent(**changes: object) -> OrderIntent:
    fields = {"market_id": BTC, "side": Side.BUY, "size": "0.1", "price": "99000", **changes}
    return OrderIntent(**fields)


def _true_orders(local, account: int = 0):
    return local.exchange.orders(local.accounts[account].address)


TAKEN = [
    ("the connection drops after it was taken", {"action": "drop_after"}),
    ("500 after it was taken", {"action": "status_after", "status": 500}),
    ("the answer is cut in half", {"action": "truncate"}),
    ("the answer is no order", {"action": "replace", "body": "[]"}),
    ("the answer is empty", {"action": "replace", "body": ""}),
    ("the answer is an HTML page under 201", {"action": "replace", "body": "<html>hello</html>"}),
]
NOT_TAKEN = [
    ("the connection drops before it is read", {"action": "drop_before"}),
    ("502 with an HTML page", {"action": "html", "status": 502}),
    ("503", {"action": "status", "status": 503}),
    ("500", {"action": "status", "status": 500}),
]


@pytest.mark.parametrize("fault", [fault for _, fault in TAKEN], ids=[name for name, _ in TAKEN])
async def test_a_lost_answer_to_an_order_that_was_taken_is_unknown_and_then_found(local, venue, fault):
    """The error says unknown; resolving finds the one order that the venue has."""
    local.control.inject(match=PLACE, **fault)
    with pytest.raises(OutcomeUnknownError) as caught:
        await venue.place_order(_intent())
    (truth,) = _true_orders(local)
    found = await venue.resolve_order(caught.value)
    assert (found.venue_order_id, found.status) == (truth.id, OrderStatus.OPEN)
    assert len(_true_orders(local)) == 1


@pytest.mark.parametrize("fault", [fault for _, fault in NOT_TAKEN], ids=[name for name, _ in NOT_TAKEN])
async def test_an_order_that_was_not_taken_is_never_received_once_its_window_is_over(local, venue, fault):
    """Absence proves nothing while the venue may still accept it; when it can't any more, absence is the answer."""
    local.control.inject(match=PLACE, **fault)
    with pytest.raises(OutcomeUnknownError) as caught:
        await venue.place_order(_intent(accept_within=timedelta(seconds=20)))
    found = await while_time_passes(local, venue.resolve_order(caught.value, within=timedelta(minutes=5)))
    assert (found.status, found.reject_reason) == (OrderStatus.REJECTED, RejectReason.NEVER_RECEIVED)
    assert _true_orders(local) == []


async def test_absence_before_the_window_is_over_stays_unknown(local, venue):
    """The bound of the search ends before the venue's window: nothing is proved, and that is said."""
    local.control.inject("drop_before", match=PLACE)
    with pytest.raises(OutcomeUnknownError) as caught:
        await venue.place_order(_intent())
    with pytest.raises(OutcomeUnknownError):
        await while_time_passes(local, venue.resolve_order(caught.value, within=timedelta(seconds=5)))


async def test_an_order_filled_behind_a_lost_answer_is_found_filled(local, venue):
    """Open orders don't show it; the history does."""
    local.control.inject("drop_after", match=PLACE)
    with pytest.raises(OutcomeUnknownError) as caught:
        await venue.place_order(_intent(price="100001"))
    found = await venue.resolve_order(caught.value)
    (truth,) = _true_orders(local)
    assert truth.state is OrderState.CLOSED
    assert (found.status, found.filled_size) == (OrderStatus.FILLED, Decimal("0.1"))


async def test_another_process_finds_the_order_by_its_client_id(local, venue, open_on):
    """Killed between sending and the answer: what was written down before sending is enough."""
    local.control.inject("drop_after", match=PLACE)
    with pytest.raises(OutcomeUnknownError):
        await venue.place_order(_intent(client_order_id="kept-1"))
    restarted = await open_on()
    found = await restarted.resolve_order("kept-1", market=BTC)
    assert found.venue_order_id == _true_orders(local)[0].id


async def test_another_process_proves_absence_from_the_intent_and_its_time(local, venue, open_on):
    """Written down before sending: the intent and the time are enough to say that it never was."""
    intent = _intent(client_order_id="kept-2", accept_within=timedelta(seconds=20))
    sent_at = local.clock.now()
    local.control.inject("drop_before", match=PLACE)
    with pytest.raises(OutcomeUnknownError):
        await venue.place_order(intent)
    written = intent.model_dump_json()
    restarted = await open_on()
    again = OrderIntent.model_validate_json(written)
    work = restarted.resolve_order(again, sent_at=sent_at, within=timedelta(minutes=5))
    found = await while_time_passes(local, work)
    assert (found.status, found.reject_reason) == (OrderStatus.REJECTED, RejectReason.NEVER_RECEIVED)
    assert _true_orders(local) == []


async def test_nothing_listening_means_not_sent(local, venue):
    """A refused connection is safe to repeat; one that went away under the request is not, and is not called so."""
    await venue.fetch_open_orders()
    await local.stop()
    with pytest.raises((ConnectError, OutcomeUnknownError)):
        await venue.place_order(_intent())
    # The pooled connection is gone by now: what comes next can't have left.
    with pytest.raises(ConnectError):
        await venue.place_order(_intent())


async def test_a_rate_limit_says_when_to_come_back_and_places_nothing(local, venue):
    """429 with Retry-After: the venue documents that it refuses before processing, or the outcome is unknown."""
    local.control.inject("status", match=PLACE, status=429, retry_after="3")
    with pytest.raises((perpkit.RateLimitError, OutcomeUnknownError)):
        await venue.place_order(_intent())
    assert _true_orders(local) == []


async def test_unknown_fields_in_the_answer_are_ignored(local, venue):
    """A schema may grow."""
    local.control.inject("extra_fields", match=PLACE)
    order = await venue.place_order(_intent())
    assert order.venue_order_id == _true_orders(local)[0].id


async def test_a_late_margin_refusal_is_a_rejection_with_its_reason(local, venue, listen):
    """201 says NEW; the refusal comes on the stream, and every later read agrees."""
    async with listen(venue, "orders") as heard:
        order = await venue.place_order(_intent(size="100", price="99999"))
        assert order.status is OrderStatus.PENDING
        await heard.wait_for(lambda: heard.of(perpkit.Order) and heard.of(perpkit.Order)[-1].is_terminal, "the refusal")
        last = heard.of(perpkit.Order)[-1]
    assert (last.status, last.reject_reason) == (OrderStatus.REJECTED, RejectReason.MARGIN)
    assert (await venue.fetch_order(order)).status is OrderStatus.REJECTED


async def test_an_expired_token_is_renewed_once_and_the_order_goes_through(local, venue):
    """A 401 before processing is repeated with a new token; there is one order."""
    await venue.fetch_open_orders()
    local.control.expire_tokens()
    order = await venue.place_order(_intent())
    assert [true.id for true in _true_orders(local)] == [order.venue_order_id]


async def test_a_token_that_is_refused_again_and_again_is_an_auth_error(local, venue):
    """One retry, then the error; no storm of sign-ins."""
    await venue.fetch_open_orders()
    local.control.inject("expire_tokens", match=PLACE, times=None)
    with pytest.raises(AuthError):
        await venue.place_order(_intent())
    assert _true_orders(local) == []


async def test_a_lost_answer_to_a_cancel_is_unknown_and_fetching_tells(local, venue):
    """The order was canceled all the same."""
    order = await venue.place_order(_intent())
    local.control.inject("drop_after", match=CANCEL, times=None)
    with pytest.raises(OutcomeUnknownError):
        await while_time_passes(local, venue.cancel_order(order))
    local.control.clear_faults()
    assert (await venue.fetch_order(order)).status is OrderStatus.CANCELED


async def test_cancelling_what_is_filled_or_unknown_says_so(local, venue):
    """Not found is not proof of anything, and is its own error or status."""
    filled = await venue.place_order(_intent(price="100001"))
    with pytest.raises(OrderNotFoundError):
        await venue.cancel_order(OrderRef(market_id=f"{BTC}@paradex", client_order_id="nobody-has-this"))
    try:
        result = await venue.cancel_order(filled)
    except OrderNotFoundError:
        pass
    else:
        assert result.status is perpkit.CancelStatus.ALREADY_CLOSED
    assert (await venue.fetch_order(filled)).status is OrderStatus.FILLED


async def test_a_lost_answer_to_an_amendment_is_unknown_and_fetching_tells(local, venue):
    """The new price stands at the venue."""
    order = await venue.place_order(_intent())
    local.control.inject("drop_after", match=AMEND)
    with pytest.raises(OutcomeUnknownError):
        await venue.amend_order(order, price="98000")
    assert (await venue.fetch_order(order)).price == Decimal(98000)


async def test_each_order_of_a_batch_without_an_answer_is_unknown(local, venue):
    """A failed batch is not so many rejections; each of its orders can be resolved."""
    local.control.inject("drop_after", match="POST /v1/orders/batch")
    intents = [_intent(client_order_id=f"b-{number}") for number in range(3)]
    try:
        results = await venue.place_orders(intents)
    except OutcomeUnknownError:
        results = None
    if results is not None:
        assert [type(each) for each in results] == [OutcomeUnknownError] * 3
    for number in range(3):
        assert (await venue.resolve_order(f"b-{number}")).status is OrderStatus.OPEN
    assert len(_true_orders(local)) == 3


@pytest.mark.parametrize("steps", range(1, 60, 3))
async def test_a_task_cancelled_while_placing_leaves_an_order_that_can_be_resolved(local, venue, steps):
    """Cancelled at any await: the order exists once and is found, or it never left."""
    await venue.fetch_open_orders()
    task = asyncio.create_task(venue.place_order(_intent(client_order_id="cut-1", accept_within=timedelta(seconds=5))))
    for _ in range(steps):
        await asyncio.sleep(0)
    task.cancel()
    outcome = (await asyncio.gather(task, return_exceptions=True))[0]
    found = await while_time_passes(local, venue.resolve_order("cut-1", market=BTC, within=timedelta(minutes=5)))
    if _true_orders(local):
        (truth,) = _true_orders(local)
        assert found.venue_order_id == truth.id
    else:
        assert isinstance(outcome, asyncio.CancelledError)
        assert found.reject_reason is RejectReason.NEVER_RECEIVED


async def test_the_same_client_id_twice_makes_one_order(local, venue):
    """A repeat by mistake is refused by the venue, with its reason."""
    await venue.place_order(_intent(client_order_id="once"))
    with pytest.raises(OrderRejectedError) as caught:
        await venue.place_order(_intent(client_order_id="once"))
    assert caught.value.reason is RejectReason.DUPLICATE_CLIENT_ID
    assert len(_true_orders(local)) == 1


@pytest.mark.parametrize("retry_after", [None, "2", "Thu, 01 Jan 2026 00:00:02 GMT", "soon"])
async def test_a_rate_limited_read_waits_as_asked_and_passes(local, venue, retry_after):
    """In seconds, as a date, unreadable or not at all: the read is repeated after a pause, and an order isn't."""
    await venue.fetch_account()
    asked = local.control.inject("status", match="GET /v1/account", status=429, retry_after=retry_after)
    before = local.clock.now()
    assert (await while_time_passes(local, venue.fetch_account())).equity == 100_000
    assert asked.hits == 1
    assert local.clock.now() - before >= timedelta(seconds=2 if retry_after not in {None, "soon"} else 0)
    asked = local.control.inject("status", match=PLACE, status=429, retry_after=retry_after)
    with pytest.raises((perpkit.RateLimitError, OutcomeUnknownError)):
        await venue.place_order(_intent())
    assert (asked.hits, _true_orders(local)) == (1, [])


async def test_a_burst_stays_inside_the_venues_limits(local, venue):
    """More reads at once than a second allows: some wait, all are answered, and the venue never says 429."""
    refused = []
    take = local.venue.limiter.take

    def watched(quota, owner):
        allowance = take(quota, owner)
        if not allowance.allowed:
            refused.append(quota)
        return allowance

    local.venue.limiter.take = watched
    reads = asyncio.gather(*(venue.fetch_account() for _ in range(150)))
    answers = await while_time_passes(local, reads)
    assert [answer.equity for answer in answers] == [100_000] * 150
    assert refused == []
