"""
Order commands on Lighter whose answer is lost, late or refused: each ends in the right class of error, the truth is
found by the id that was chosen before sending, and the venue never gets a second order.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

import pytest

from perpkit.core.errors import (
    NotSentError,
    OrderNotFoundError,
    OrderRejectedError,
    OutcomeUnknownError,
    PerpkitError,
    RateLimitError,
    RejectReason,
)
from perpkit.core.models import OrderStatus, OrderType
from tests.integration.conftest import eventually
from tests.integration.lighter.conftest import BATCH, ETH, SEND, intent, next_nonce, opened, paced, true_orders

TAKEN = {
    "the connection drops after it was taken": {"action": "drop_after"},
    "500 after it was taken": {"action": "status_after", "status": 500},
    "503 after it was taken": {"action": "status_after", "status": 503},
    "504 after it was taken": {"action": "status_after", "status": 504},
    "the answer is cut in half": {"action": "truncate"},
    "the answer is no object": {"action": "replace", "body": "[]"},
    "the answer names no hash": {"action": "replace", "body": '{"code": 200}'},
    "the answer names another hash": {"action": "replace", "body": '{"code": 200, "tx_hash": "' + "ab" * 40 + '"}'},
    "the answer is an HTML page under 200": {"action": "replace", "body": "<html>hello</html>"},
}
NOT_TAKEN = {
    "the connection drops before it is read": {"action": "drop_before"},
    "502 with an HTML page": {"action": "html", "status": 502},
    "500": {"action": "status", "status": 500},
    "503": {"action": "status", "status": 503},
    "503 with Retry-After": {"action": "status", "status": 503, "retry_after": "1"},
}


@pytest.mark.parametrize("fault", TAKEN.values(), ids=TAKEN.keys())
@pytest.mark.parametrize("name", [None, "bot-1"], ids=["number", "text"])
async def test_a_lost_answer_to_an_order_that_was_taken_is_unknown_and_then_found(local, venue, fault, name):
    """The error says unknown; resolving finds the one order that the venue has, by a number or a text."""
    await venue.fetch_account()
    local.control.inject(match=SEND, **fault)
    with pytest.raises(OutcomeUnknownError) as caught:
        await venue.place_order(intent(client_order_id=name))
    found = await venue.resolve_order(caught.value)
    (truth,) = true_orders(local)
    assert found.client_order_id == caught.value.client_order_id == (name or truth.client_id)
    assert found.status is OrderStatus.OPEN
    # The nonce that was used meanwhile is read again: the next order goes through at once.
    await venue.place_order(intent(price="3890"))
    assert len(true_orders(local)) == 2


@pytest.mark.parametrize("fault", NOT_TAKEN.values(), ids=NOT_TAKEN.keys())
async def test_an_order_that_never_arrived_is_unknown_until_it_can_no_longer_be(local, venue, fault):
    """While it might still arrive nothing is claimed; past that it is known never to have been, and none goes again."""
    await venue.fetch_account()
    local.control.inject(match=SEND, **fault)
    with pytest.raises(OutcomeUnknownError) as caught:
        await venue.place_order(intent())
    with pytest.raises(OutcomeUnknownError):
        await paced(local, venue.resolve_order(caught.value, within=timedelta(seconds=5)))
    # 599 s after sending its transaction has expired.
    local.control.advance(timedelta(minutes=11))
    found = await paced(local, venue.resolve_order(caught.value))
    assert (found.status, found.reject_reason) == (OrderStatus.REJECTED, RejectReason.NEVER_RECEIVED)
    assert true_orders(local) == []
    await venue.place_order(intent())
    assert len(true_orders(local)) == 1


@pytest.mark.parametrize("action", ["hang_after", "hang_before"])
async def test_an_answer_that_does_not_come_in_time_is_unknown(local, open_on, action):
    """The request's bound ends the wait; whether the order was taken is found out afterwards."""
    venue = await open_on(request_timeout=0.5)
    await venue.fetch_account()
    local.control.inject(action, match=SEND)
    with pytest.raises(OutcomeUnknownError) as caught:
        await venue.place_order(intent())
    taken = action == "hang_after"
    assert len(true_orders(local)) == taken
    if taken:
        assert (await venue.resolve_order(caught.value)).status is OrderStatus.OPEN


async def test_an_answer_that_is_late_is_an_answer(local, venue):
    """As long as it comes within the bound."""
    await venue.fetch_account()
    local.control.inject("delay_answer", match=SEND, delay_ms=2_000)
    order = await paced(local, venue.place_order(intent()))
    assert order.status is OrderStatus.PENDING
    assert len(true_orders(local)) == 1


@pytest.mark.parametrize("retry_after", ["3", None], ids=["Retry-After", "no Retry-After"])
@pytest.mark.parametrize("body", ["", '{"code": 23000, "message": "Too Many Requests!"}'], ids=["empty", "23000"])
async def test_too_many_requests_is_no_order_and_says_how_long(local, venue, retry_after, body):
    """The venue refuses before it does anything: the class is RateLimitError, and the order may be sent again."""
    await venue.fetch_account()
    local.control.inject("status", match=SEND, status=429, retry_after=retry_after, body=body)
    with pytest.raises((RateLimitError, NotSentError)) as caught:
        await venue.place_order(intent())
    assert true_orders(local) == []
    if retry_after:
        assert getattr(caught.value, "retry_after", None) == timedelta(seconds=3)
    # The budget rests as long as was said, on the clock, and then the same id may be used again.
    begun = local.clock.now()
    again = intent(client_order_id=caught.value.client_order_id)
    await paced(local, venue.place_order(again))
    waited = local.clock.now() - begun
    assert timedelta(seconds=3 if retry_after else 1) <= waited <= timedelta(seconds=6)
    assert len(true_orders(local)) == 1


async def test_a_refusal_for_too_many_under_400_counts_the_same(local, venue):
    """What status the venue answers with is not established; the code decides."""
    await venue.fetch_account()
    local.control.inject("status", match=SEND, status=400, body='{"code": 23000, "message": "Too Many Requests!"}')
    with pytest.raises((RateLimitError, NotSentError)):
        await venue.place_order(intent())
    assert true_orders(local) == []


async def test_a_lost_answer_to_a_cancel_leaves_the_order_canceled_once(local, venue):
    """The cancel was taken; the order tells."""
    order = await venue.place_order(intent())
    local.control.inject(match=SEND, action="drop_after")
    with suppress(OutcomeUnknownError, OrderNotFoundError):
        await paced(local, venue.cancel_order(order))
    await eventually(lambda: true_orders(local)[0].is_closed, "the cancel")
    assert (await venue.fetch_order(order)).status is OrderStatus.CANCELED


async def test_a_lost_answer_to_a_batch_is_unknown_for_each_of_its_orders(local, venue):
    """Every order can be resolved by its own id, and all of them are there."""
    await venue.fetch_account()
    local.control.inject(match=BATCH, action="drop_after")
    results = await venue.place_orders([intent(price=str(3900 - number)) for number in range(3)])
    assert all(isinstance(each, OutcomeUnknownError) for each in results)
    found = [await venue.resolve_order(each) for each in results]
    assert sorted(each.client_order_id for each in found) == sorted(each.client_id for each in true_orders(local))


async def test_an_order_canceled_by_its_caller_while_it_is_sent_is_there_to_be_found(local, venue):
    """Cancellation of the task is no cancellation of the order; the note on it names the id."""
    await venue.fetch_account()
    local.control.inject("hang_after", match=SEND)
    task = asyncio.create_task(venue.place_order(intent(client_order_id="bot-7")))
    await eventually(lambda: true_orders(local), "the order")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    found = await venue.fetch_open_orders()
    assert [each.client_order_id for each in found] == ["bot-7"]
    await venue.place_order(intent(price="3890"))
    assert len(true_orders(local)) == 2


async def test_an_order_beyond_the_margin_is_refused_with_that_reason(local, venue):
    """A resting order is looked at by the API: the venue's code becomes a reason that a program can compare with."""
    with pytest.raises(OrderRejectedError) as caught:
        await venue.place_order(intent(size="5000"))
    assert caught.value.reason is RejectReason.MARGIN
    assert [each for each in true_orders(local) if not each.is_closed] == []


async def test_a_taker_beyond_the_margin_is_rejected_after_it_was_taken(local, venue, listen):
    """The API takes it and the sequencer does not: the stream and fetch_order say rejected, and why."""
    local.control.place_liquidity("ETH", asks=[(Decimal(4010), Decimal(10_000))])
    async with listen(venue, "orders") as heard:
        order = await venue.place_order(intent(size="9000", price=None, type=OrderType.MARKET))
        assert order.status is OrderStatus.PENDING
        await heard.wait_for(lambda: heard.of(type(order)), "the refusal")
    said = heard.of(type(order))[-1]
    assert (said.status, said.client_order_id) == (OrderStatus.REJECTED, order.client_order_id)
    assert said.reject_reason is RejectReason.MARGIN
    found = await venue.fetch_order(order)
    assert (found.status, found.reject_reason) == (OrderStatus.REJECTED, RejectReason.MARGIN)


@pytest.mark.parametrize("path", ["accountOrders", "accountActiveOrders", "accountInactiveOrders"])
async def test_looking_for_an_order_goes_on_where_one_source_fails(local, venue, path):
    """Resolving an unknown outcome asks several places; a broken one does not turn into a wrong answer."""
    await venue.fetch_account()
    local.control.inject(match=SEND, action="drop_after")
    with pytest.raises(OutcomeUnknownError) as caught:
        await venue.place_order(intent())
    local.control.inject("status", match=f"GET /api/v1/{path}", status=500, times=2)
    found = await paced(local, venue.resolve_order(caught.value))
    assert found.status is OrderStatus.OPEN


async def test_maintenance_is_told_and_no_order_is_claimed_to_be_anything(local, venue):
    """The whole API answers 503; when it is back, orders go through at once, with the right nonce."""
    await venue.place_order(intent())
    local.control.inject("html", match="*", status=503, times=None)
    with pytest.raises(PerpkitError):
        await paced(local, venue.fetch_account())
    with pytest.raises((OutcomeUnknownError, NotSentError)):
        await paced(local, venue.place_order(intent(price="3890")))
    local.control.clear_faults()
    await paced(local, venue.place_order(intent(price="3880")))
    assert len(true_orders(local)) == 2
    assert next_nonce(local) == 2


async def test_an_order_that_was_sent_before_a_restart_is_found_by_its_text(local, tmp_path):
    """The answer is lost and the program ends; the next one finds the order under the name that it was given."""
    path = tmp_path / "ids.jsonl"
    async with opened(local, client_ids=path) as venue:
        await venue.fetch_account()
        local.control.inject(match=SEND, action="drop_after")
        with pytest.raises(OutcomeUnknownError):
            await venue.place_order(intent(client_order_id="grid/7"))
    async with opened(local, client_ids=path) as venue:
        (found,) = await venue.fetch_open_orders()
        assert found.client_order_id == "grid/7"
        await venue.cancel_order(found)
        await eventually(lambda: true_orders(local)[0].is_closed, "the cancel")
        (past,) = await venue.fetch_order_history(await venue.market(ETH))
        assert (past.client_order_id, past.status) == ("grid/7", OrderStatus.CANCELED)
