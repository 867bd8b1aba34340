"""
Several orders in one request: one result for each and in order, whatever becomes of the whole; what is not proved is
unknown for each, and nothing is sent twice.
"""

from __future__ import annotations

import contextlib
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

import perpkit
from perpkit.core.errors import (
    AuthError,
    NotSentError,
    OrderNotFoundError,
    OrderRejectedError,
    OutcomeUnknownError,
    RateLimitError,
    RejectReason,
)
from perpkit.core.models import CancelResult, CancelStatus, Order, OrderRef, OrderStatus
from perpkit.sim.orders import CloseReason
from tests.integration.conftest import BTC, while_time_passes
from tests.integration.helpers import BEST_ASK, count, intent, true_order, true_orders

BTC_ID = f"{BTC}@paradex"
BATCH = "POST /v1/orders/batch"
ENTRIES = ["rest", "ws"]


@pytest.fixture(params=ENTRIES)
async def venue(request, open_on):
    """The first account's venue, once with each way of order entry."""
    return await open_on(order_entry=request.param)


# Placing


@pytest.mark.parametrize("many", [1, 2, 10])
async def test_each_order_of_a_batch_comes_back_in_its_place(local, venue, many):
    """In the order that was asked, one request, and the exchange has each once."""
    sent = count(local, "* /v1/orders*")
    asked = [intent(price=str(99000 - number), client_order_id=f"n-{number}") for number in range(many)]
    results = await venue.place_orders(asked)
    assert [result.client_order_id for result in results] == [f"n-{number}" for number in range(many)]
    for result, wanted in zip(results, asked, strict=True):
        truth = true_order(local, result.venue_order_id)
        assert (truth.price, truth.client_id, result.price) == (wanted.price, wanted.client_order_id, wanted.price)
    assert len(true_orders(local)) == many
    assert sent.hits <= 1


async def test_orders_without_ids_of_theirs_get_one_each(local, venue):
    """Chosen before sending, all different, and known to the exchange."""
    results = await venue.place_orders([intent()] * 10)
    assert len({result.client_order_id for result in results}) == 10
    assert {order.client_id for order in true_orders(local)} == {result.client_order_id for result in results}


async def test_one_refused_order_does_not_spoil_the_others(local, venue):
    """The second's id is taken by an open order: refused with its reason, in its place."""
    await venue.place_order(intent(client_order_id="taken"))
    results = await venue.place_orders(
        [intent(client_order_id="first"), intent(client_order_id="taken"), intent(client_order_id="third")]
    )
    assert [type(result) for result in results] == [Order, OrderRejectedError, Order]
    assert results[1].reason is RejectReason.DUPLICATE_CLIENT_ID
    assert results[1].client_order_id == "taken"
    assert [order.client_id for order in true_orders(local)] == ["taken", "first", "third"]


async def test_several_refused_orders_keep_their_places(local, venue):
    """First, third and last."""
    for name in ("a", "c", "e"):
        await venue.place_order(intent(client_order_id=name))
    results = await venue.place_orders([intent(client_order_id=name) for name in "abcde"])
    assert [isinstance(result, OrderRejectedError) for result in results] == [True, False, True, False, True]
    assert [result.client_order_id for result in results] == list("abcde")
    assert len(true_orders(local)) == 5


async def test_what_is_refused_later_is_seen_one_by_one(local, venue, listen):
    """All are taken; post-only would cross and margin close two of them, the third rests."""
    async with listen(venue, "orders") as heard:
        results = await venue.place_orders([intent(post_only=True, price=BEST_ASK), intent(), intent(size="90")])
        assert [result.status for result in results] == [OrderStatus.PENDING] * 3
        await heard.wait_for(lambda: sum(each.is_terminal for each in heard.of(perpkit.Order)) == 2, "two refusals")
    reasons = [(await venue.fetch_order(result)).reject_reason for result in results]
    assert reasons == [RejectReason.POST_ONLY_WOULD_CROSS, None, RejectReason.MARGIN]
    assert len(await venue.fetch_open_orders()) == 1


async def test_a_batch_with_one_order_against_the_rules_is_refused_as_a_whole(local, venue):
    """The contract: if basic validation fails, all are rejected. Nothing stands, and the error says rejected."""
    await venue.fetch_markets()
    local.venue.listings[BTC] = replace(local.venue.listings[BTC], max_order_size=Decimal("0.05"))
    with pytest.raises(OrderRejectedError) as caught:
        await venue.place_orders([intent(size="0.01"), intent(size="0.06")])
    assert caught.value.reason is RejectReason.INVALID_ORDER
    assert true_orders(local) == []


# Whole failures. Over the WebSocket the same answers are lost with the connection: see test_order_socket.py.

UNAVAILABLE = '{"error":"SERVICE_UNAVAILABLE"}'
UNKNOWN = [
    ("no answer", {"action": "drop_after"}, True),
    ("not taken", {"action": "drop_before"}, False),
    ("500 after it was taken", {"action": "status_after", "status": 500}, True),
    ("503 that no state explains", {"action": "status_after", "status": 503, "body": UNAVAILABLE}, True),
    ("502 with a page", {"action": "html", "status": 502}, False),
    ("half an answer", {"action": "truncate"}, True),
    ("an empty answer", {"action": "replace", "body": "{}"}, True),
    ("an answer of another shape", {"action": "replace", "body": "[]"}, True),
    ("an answer with too many errors", {"action": "replace", "body": '{"orders":[],"errors":[{"error":"X"}]}'}, True),
    ("an order nobody can read", {"action": "replace", "body": '{"orders":[{"id":"1"}]}'}, True),
]


@pytest.mark.parametrize(("fault", "taken"), [row[1:] for row in UNKNOWN], ids=[name for name, *_ in UNKNOWN])
async def test_a_batch_without_a_good_answer_is_unknown_for_each(local, open_on, fault, taken):
    """Three errors with their own ids; each is then found, or proved never to have come; nothing is sent again."""
    venue = await open_on()
    local.control.inject(match=BATCH, **fault)
    asked = [intent(client_order_id=f"u-{number}", accept_within=timedelta(seconds=10)) for number in range(3)]
    results = await venue.place_orders(asked)
    assert [type(result) for result in results] == [OutcomeUnknownError] * 3
    assert [result.client_order_id for result in results] == ["u-0", "u-1", "u-2"]
    for result in results:
        found = await while_time_passes(local, venue.resolve_order(result, within=timedelta(minutes=5)))
        assert found.status is (OrderStatus.OPEN if taken else OrderStatus.REJECTED)
    assert len(true_orders(local)) == (3 if taken else 0)


async def test_an_item_that_says_internal_error_is_unknown(local, open_on):
    """A server's own failure on one order proves nothing of it; the other one was refused."""
    venue = await open_on()
    body = (
        '{"orders":[],"errors":[{"error":"INTERNAL_ERROR","message":"oops"},'
        '{"error":"INVALID_ORDER_SIZE","message":"no"}]}'
    )
    local.control.inject("replace", match=BATCH, body=body)
    first, second = await venue.place_orders([intent(client_order_id="i-1"), intent(client_order_id="i-2")])
    assert (type(first), type(second)) == (OutcomeUnknownError, OrderRejectedError)
    assert (first.client_order_id, second.client_order_id) == ("i-1", "i-2")


async def test_an_answer_with_nulls_in_the_places_of_the_refused_is_read_too(local, open_on):
    """The contract does not say whether the two lists are aligned: both ways are read the same."""
    venue = await open_on()
    order = await venue.place_order(intent(client_order_id="z-2"))
    row = (
        f'{{"id":"{order.venue_order_id}","client_id":"z-2","market":"{BTC}","side":"BUY","type":"LIMIT","size":"0.1",'
        '"remaining_size":"0.1","price":"99000","status":"NEW"}'
    )
    for orders, errors in (
        (f"[null,{row}]", '[{"error":"INVALID_ORDER_SIZE","message":"no"},null]'),
        (f"[{row}]", '[{"error":"INVALID_ORDER_SIZE","message":"no"}]'),
    ):
        local.control.inject("replace", match=BATCH, body=f'{{"orders":{orders},"errors":{errors}}}')
        first, second = await venue.place_orders([intent(client_order_id="z-1"), intent(client_order_id="z-3")])
        assert type(first) is OrderRejectedError or type(first) is OutcomeUnknownError
        assert type(second) is OutcomeUnknownError, "z-2 was not asked for: nothing is known of z-3"


async def test_a_batch_that_could_not_leave_was_not_sent(local, open_on):
    """One error for all: repeating it is safe."""
    venue = await open_on()
    await venue.fetch_open_orders()
    await local.stop()
    # The pooled connection breaks under the first request at the latest; after it there is none to be had.
    with contextlib.suppress(NotSentError):
        assert {type(each) for each in await venue.place_orders([intent()])} == {OutcomeUnknownError}
    with pytest.raises(NotSentError):
        await venue.place_orders([intent(), intent()])
    assert true_orders(local) == []


async def test_a_rate_limited_batch_places_nothing_and_says_so(local, open_on):
    """Unknown or rate-limited, by what the venue documents; the truth is that none came."""
    venue = await open_on()
    local.control.inject("status", match=BATCH, status=429, retry_after="2")
    try:
        results = await venue.place_orders([intent(), intent()])
    except RateLimitError as error:
        results = [error]
    assert {type(result) for result in results} <= {OutcomeUnknownError, RateLimitError}
    assert true_orders(local) == []


async def test_a_batch_with_a_token_that_is_refused_is_sent_once_more_and_taken_once(local, venue):
    """The refusal came before anything was done."""
    await venue.fetch_open_orders()
    local.control.expire_tokens()
    results = await venue.place_orders([intent(), intent()])
    assert [type(result) for result in results] == [Order, Order]
    assert len(true_orders(local)) == 2


async def test_a_batch_of_a_wrong_key_is_an_auth_error(local, open_on):
    """For the whole; nothing was placed."""
    venue = await open_on(private_key=local.accounts[1].private_key)
    with pytest.raises(AuthError):
        await venue.place_orders([intent(), intent()])
    assert true_orders(local) == []


# Canceling


async def test_a_batch_of_cancels_has_a_result_for_each_in_its_place(local, venue):
    """Open, filled, canceled before, unknown; by their ids and by ours, mixed."""
    opened = await venue.place_order(intent(client_order_id="o-1"))
    second = await venue.place_order(intent(client_order_id="o-2"))
    filled = await venue.place_order(intent(price=BEST_ASK))
    gone = await venue.place_order(intent())
    await venue.cancel_order(gone)
    keeps = await venue.place_order(intent())
    results = await venue.cancel_orders(
        [
            filled,
            OrderRef(market_id=BTC_ID, client_order_id="o-2"),
            OrderRef(market_id=BTC_ID, venue_order_id="123"),
            opened,
            gone,
            OrderRef(market_id=BTC_ID, client_order_id="nobody"),
        ]
    )
    said = [result.status if isinstance(result, CancelResult) else type(result) for result in results]
    assert said == [
        CancelStatus.ALREADY_CLOSED,
        CancelStatus.REQUESTED,
        OrderNotFoundError,
        CancelStatus.REQUESTED,
        CancelStatus.ALREADY_CLOSED,
        OrderNotFoundError,
    ]
    for order in (opened, second):
        assert true_order(local, order.venue_order_id).close_reason is CloseReason.USER_CANCELED
    assert not true_order(local, keeps.venue_order_id).is_closed
    assert true_order(local, filled.venue_order_id).close_reason is CloseReason.FILLED


async def test_more_cancels_than_one_request_takes_are_all_carried_out(local, venue):
    """25 orders, in as few requests as the venue allows."""
    orders = []
    for _ in range(3):
        orders += await venue.place_orders([intent(size="0.001")] * 8)
    orders.append(await venue.place_order(intent()))
    asked = count(local, "DELETE /v1/orders/batch")
    results = await venue.cancel_orders(orders)
    assert [result.order.venue_order_id for result in results] == [order.venue_order_id for order in orders]
    assert local.exchange.open_orders(local.accounts[0].address) == []
    assert asked.hits == 3


async def test_no_cancels_is_no_request(local, venue):
    """An empty list is an empty answer."""
    asked = count(local, "DELETE *")
    assert await venue.cancel_orders([]) == []
    assert asked.hits == 0


async def test_a_lost_answer_to_some_cancels_is_told_for_those_alone(local, open_on):
    """The second of two requests is never answered: the first ten keep their results, the rest are unknown."""
    venue = await open_on()
    orders = [*await venue.place_orders([intent(size="0.001")] * 10), *await venue.place_orders([intent()] * 2)]
    local.control.inject("drop_after", match="DELETE /v1/orders/batch", skip=1, times=None)
    results = await while_time_passes(local, venue.cancel_orders(orders))
    assert [isinstance(result, CancelResult) for result in results] == [True] * 10 + [False] * 2
    assert [type(result) for result in results[10:]] == [OutcomeUnknownError] * 2
    local.control.clear_faults()
    for order in orders:
        assert (await venue.fetch_order(order)).status is OrderStatus.CANCELED


async def test_a_lost_answer_to_cancels_is_asked_for_again(local, open_on):
    """Canceling twice does no more than once, so the second answer tells: already closed."""
    venue = await open_on()
    orders = await venue.place_orders([intent(), intent()])
    local.control.inject("drop_after", match="DELETE /v1/orders/batch")
    results = await while_time_passes(local, venue.cancel_orders(orders))
    assert {result.status for result in results} <= {CancelStatus.ALREADY_CLOSED, CancelStatus.REQUESTED}
    assert all(order.is_closed for order in true_orders(local))
