"""
Order commands whose answer is lost, late or wrong: each ends in the right class of error, the truth is found
afterwards, and the exchange never gets a second order.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from typing import Any

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
from perpkit.core.models import Order, OrderIntent, OrderStatus, Side
from perpkit.sim.faults import Fault
from perpkit.sim.orders import CloseReason, OrderState
from perpkit_conformance.fixtures import has
from perpkit_conformance.suite.trading import TRADES, Trader, an_id, assert_same
from perpkit_conformance.target import Target

pytestmark = [TRADES, pytest.mark.usefixtures("signed_in")]

LONG = timedelta(minutes=20)


def _cases(*rows: tuple[str, dict[str, Any]]) -> list[Any]:
    return [pytest.param(fault, id=name) for name, fault in rows]


TAKEN = _cases(
    ("connection drops", {"action": "drop_after"}),
    ("no answer", {"action": "hang_after"}),
    ("500", {"action": "status_after", "status": 500}),
    ("502", {"action": "status_after", "status": 502}),
    ("504 with HTML", {"action": "status_after", "status": 504, "body": "<html>gateway</html>"}),
    ("cut in half", {"action": "truncate"}),
    ("a list", {"action": "replace", "body": "[]"}),
    ("an empty object", {"action": "replace", "body": "{}"}),
    ("empty", {"action": "replace", "body": ""}),
    ("HTML", {"action": "replace", "body": "<html><body>please log in</body></html>"}),
)
"""The order was taken, and the answer says nothing of it."""


NOT_TAKEN = _cases(
    ("connection drops", {"action": "drop_before"}),
    ("no answer", {"action": "hang_before"}),
    ("500", {"action": "status", "status": 500}),
    ("503", {"action": "status", "status": 503}),
    ("502 with HTML", {"action": "html", "status": 502}),
    ("403 with HTML", {"action": "html", "status": 403}),
)
"""The order was not taken, and the answer does not say so."""


def _arrived_once(fault: Fault) -> None:
    assert fault.hits == 1, f"the order command arrived {fault.hits} times at the exchange; it must be sent once"


async def _unknown(trader: Trader, intent: OrderIntent) -> OutcomeUnknownError:
    came = await trader.attempt(intent)
    truth = [f"{each.id} {each.state}" for each in trader.truth.orders()] or "nothing"
    assert isinstance(came, OutcomeUnknownError), (
        f"no answer proves anything, and the ledger has {truth}: expected OutcomeUnknownError, came {came!r}"
    )
    assert came.client_order_id, "the error does not name the order: client_order_id is not set"
    return came


@pytest.mark.rule("lost-reply-is-unknown")
@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("fault", TAKEN)
async def test_an_order_that_was_taken_behind_a_lost_answer_is_found(
    target: Target, trader: Trader, fault: dict[str, Any]
) -> None:
    """Unknown at first, then the one order that the ledger has."""
    planned = target.inject("place_order", times=None, **fault)
    error = await _unknown(trader, trader.intent())
    _arrived_once(planned)
    target.control.clear_faults()
    truth = trader.only_order()
    found = await target.run(trader.venue.resolve_order(error))
    assert_same(found, truth, "resolve_order")
    assert len(trader.truth.orders()) == 1, "resolving placed another order"


@pytest.mark.rule("lost-reply-is-unknown")
@pytest.mark.parametrize("end", ["filled", "canceled", "refused"])
async def test_an_order_that_is_over_behind_a_lost_answer_is_found(target: Target, trader: Trader, end: str) -> None:
    """Filled, canceled or refused meanwhile: it is among no open orders, and is found all the same."""
    target.inject("place_order", "drop_after")
    fields: dict[str, Any] = {"share": "1.001"} if end == "filled" else {}
    if end == "refused":
        fields["size"] = trader.size(trader.truth.summary().equity * 60)
    error = await _unknown(trader, trader.intent(**fields))
    if end == "refused" and not trader.truth.orders():
        return  # the exchange refused it at its door, so there is nothing to be found
    truth = trader.only_order()
    if end == "canceled":
        target.cancel_order(truth.account_id, truth.id)
    found = await target.run(trader.venue.resolve_order(error))
    assert_same(found, trader.true(trader.ref(truth)), "resolve_order")


@pytest.mark.rule("lost-reply-is-unknown")
@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("fault", NOT_TAKEN)
async def test_an_order_that_was_not_taken_is_never_called_placed(
    target: Target, trader: Trader, fault: dict[str, Any]
) -> None:
    """Never received, once the venue can't accept it any more; unknown where that can't be known."""
    planned = target.inject("place_order", times=None, **fault)
    # A short window, where the venue lets us choose: the search has to outlast it.
    error = await _unknown(trader, trader.intent(**trader.window(timedelta(seconds=10))))
    _arrived_once(planned)
    target.control.clear_faults()
    try:
        async with target.flow(speed=5000):
            found = await target.run(trader.venue.resolve_order(error, within=LONG), within=2 * LONG)
    except OutcomeUnknownError:
        assert trader.venue.capabilities.never_accepted_after is None, "its window is over, and it is still unknown"
    else:
        came = (found.status, found.reject_reason)
        assert came == (OrderStatus.REJECTED, RejectReason.NEVER_RECEIVED), f"the ledger has nothing, came {found!r}"
    assert not trader.truth.orders(), f"resolving placed an order: {trader.truth.orders()}"


@pytest.mark.rule("lost-reply-is-unknown")
async def test_absence_counts_for_nothing_while_the_order_may_still_arrive(target: Target, trader: Trader) -> None:
    """The search ends before the venue's window does: unknown it stays."""
    target.inject("place_order", "drop_before")
    error = await _unknown(trader, trader.intent())
    with pytest.raises(OutcomeUnknownError):
        await target.run(trader.venue.resolve_order(error, within=timedelta(seconds=5)))


@pytest.mark.rule("lost-reply-is-unknown")
@pytest.mark.needs("place_orders", "batches")
@pytest.mark.parametrize("fault", [each for each in TAKEN if each.id != "no answer"])
async def test_a_batch_without_an_answer_is_unknown_for_each(
    target: Target, trader: Trader, fault: dict[str, Any]
) -> None:
    """No rejections, no orders made up: each is unknown and each is found."""
    target.inject("place_orders", **fault)
    intents = [trader.intent(client_order_id=an_id(trader.venue, number)) for number in range(3)]
    try:
        results: list[Any] = await target.run(trader.venue.place_orders(intents))
    except OutcomeUnknownError:
        results = []
    for result in results:
        assert isinstance(result, OutcomeUnknownError), f"the answer proves nothing, came {result!r}"
    for intent in intents:
        found = await target.run(trader.venue.resolve_order(intent.client_order_id or ""))
        assert_same(found, trader.truth.order_by_client_id(intent.client_order_id or ""), "resolve_order")
    assert len(trader.truth.orders()) == 3


@pytest.mark.rule("same-id-is-one-order")
async def test_the_same_id_twice_is_one_order(target: Target, trader: Trader) -> None:
    """Refused as a duplicate, or answered with the order that is there."""
    first = await trader.place(client_order_id=an_id(trader.venue, 1))
    second = await trader.attempt(trader.intent(client_order_id=an_id(trader.venue, 1)))
    assert len(trader.truth.orders()) == 1, f"one id made {len(trader.truth.orders())} orders on the exchange"
    if isinstance(second, Order):
        assert second.venue_order_id == first.venue_order_id
    else:
        assert isinstance(second, OrderRejectedError), f"came {second!r}"
        assert second.reason is RejectReason.DUPLICATE_CLIENT_ID, f"came {second.reason}"


@pytest.mark.rule("same-id-is-one-order")
async def test_a_repeat_after_a_lost_answer_is_one_order(target: Target, trader: Trader) -> None:
    """Whoever repeats the id that is unknown, against all advice, still has one order."""
    target.inject("place_order", "drop_after")
    intent = trader.intent(client_order_id=an_id(trader.venue, 1))
    await _unknown(trader, intent)
    await trader.attempt(intent)
    assert [each.client_id for each in trader.truth.orders()] == [intent.client_order_id]


@pytest.mark.rule("not-sent-is-safe")
async def test_nobody_listens_and_so_nothing_was_sent(target: Target, trader: Trader) -> None:
    """NotSentError, and after the venue is back the same intent goes through once."""
    await target.local.stop()
    intent = trader.intent(client_order_id=an_id(trader.venue, 1))
    # A pooled connection may die under the first one, which then can't be sure.
    await trader.attempt(trader.intent())
    came = await trader.attempt(intent)
    assert isinstance(came, NotSentError), f"no connection could be made: expected NotSentError, came {came!r}"
    await target.local.start()
    again = await trader.attempt(intent)
    assert isinstance(again, Order), f"it is safe to repeat, and came to {again!r}"
    assert len(trader.truth.orders()) == 1


@pytest.mark.rule("not-sent-is-safe")
@pytest.mark.needs("fetch_markets")
async def test_a_preparation_that_fails_means_not_sent(request: pytest.FixtureRequest, target: Target) -> None:
    """With the whole venue refusing before the order's own request, nothing is unknown."""
    has(request, "sign_in", "sign_in" in target.profile.http_faults)
    venue = await target.open()
    trader = await Trader.of(target, venue)
    target.inject("sign_in", "status", status=500, times=None)
    came = await trader.attempt(trader.intent())
    assert isinstance(came, PerpkitError), f"the sign-in fails, and the order came to {came!r}"
    assert not isinstance(came, OutcomeUnknownError | OrderRejectedError), (
        f"the order's own request was never sent, and came to {came!r}"
    )
    assert not trader.truth.orders()


ANSWERS = _cases(
    ("500", {"status": 500}),
    ("502", {"status": 502, "body": "<html>bad gateway</html>"}),
    ("503", {"status": 503}),
    ("504", {"status": 504}),
    ("520", {"status": 520, "body": "error code: 520"}),
    ("500 with an unknown code", {"status": 500, "body": '{"error": "SOMETHING_NEW", "message": "who knows"}'}),
    ("408", {"status": 408}),
    ("an odd 200", {"status": 200, "body": '{"hello": "world"}'}),
)


@pytest.mark.rule("bad-answers-are-unknown")
@pytest.mark.parametrize("taken", [True, False], ids=["taken", "not-taken"])
@pytest.mark.parametrize("answer", ANSWERS)
async def test_an_answer_that_is_not_the_venues_word_is_unknown(
    target: Target, trader: Trader, answer: dict[str, Any], taken: bool
) -> None:
    """It says nothing of the order, taken or not; it is not sent again."""
    if taken and answer["status"] == 200:
        # This one stands for an answer of something in between; it can't come instead of the exchange's own.
        planned = target.inject("place_order", "replace", times=None, body=answer["body"])
    else:
        planned = target.inject("place_order", "status_after" if taken else "status", times=None, **answer)
    await _unknown(trader, trader.intent())
    _arrived_once(planned)
    assert len(trader.truth.orders()) == taken


@pytest.mark.rule("bad-answers-are-unknown")
@pytest.mark.parametrize("retry_after", [None, "3"])
async def test_too_many_requests_is_not_a_rejection(target: Target, trader: Trader, retry_after: str | None) -> None:
    """A rate limit of its own class where the venue documents that it refuses first, else unknown."""
    planned = target.inject("place_order", "status", times=None, status=429, retry_after=retry_after)
    came = await trader.attempt(trader.intent())
    assert isinstance(came, RateLimitError | OutcomeUnknownError), f"429 came to {came!r}"
    _arrived_once(planned)


@pytest.mark.rule("bad-answers-are-unknown")
@pytest.mark.needs("amend_order")
@pytest.mark.parametrize("fault", [each for each in TAKEN if each.id in {"connection drops", "500", "cut in half"}])
async def test_a_lost_answer_to_an_amendment_is_unknown(target: Target, trader: Trader, fault: dict[str, Any]) -> None:
    """The ledger has the new price, and fetching tells."""
    order = await trader.place()
    target.inject("amend_order", **fault)
    with pytest.raises(OutcomeUnknownError):
        await target.run(trader.venue.amend_order(order, price=trader.price("0.97")))
    assert_same(await trader.fetch(order), trader.true(order), "fetch_order")
    assert trader.standing().price == trader.price("0.97")


# Cancels


@pytest.mark.rule("cancels-are-typed")
@pytest.mark.needs("cancel_order")
@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("fault", [each for each in TAKEN if "object" not in str(each.id)])
async def test_a_lost_answer_to_a_cancel_is_unknown_or_the_truth(
    target: Target, trader: Trader, fault: dict[str, Any]
) -> None:
    """It was canceled behind the lost answer; whatever is said first, fetching tells."""
    order = await trader.place()
    target.inject("cancel_order", times=None, **fault)
    try:
        result = await target.run(trader.venue.cancel_order(order))
    except (OutcomeUnknownError, OrderNotFoundError):
        pass
    except PerpkitError as error:
        pytest.fail(f"the answer to a cancel was lost: expected OutcomeUnknownError, came {error!r}")
    else:
        # A cancel may be repeated, and the body of a 2xx may hold nothing that is needed.
        assert trader.true(order).is_closed, f"told as {result!r}, and the ledger has it standing"
    target.control.clear_faults()
    assert_same(await trader.fetch(order), trader.true(order), "fetch_order")


@pytest.mark.rule("cancels-are-typed")
@pytest.mark.needs("cancel_order")
@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("fault", NOT_TAKEN)
async def test_a_cancel_that_never_reached_the_exchange_is_not_called_done(
    target: Target, trader: Trader, fault: dict[str, Any]
) -> None:
    """The order stands, and nothing says otherwise; the next cancel takes it."""
    order = await trader.place()
    target.inject("cancel_order", times=None, **fault)
    with pytest.raises(PerpkitError) as caught:
        await target.run(trader.venue.cancel_order(order))
    assert not isinstance(caught.value, OrderNotFoundError), f"the order stands, came {caught.value!r}"
    target.control.clear_faults()
    assert_same(await trader.fetch(order), trader.true(order), "fetch_order")
    assert trader.true(order).state is OrderState.OPEN
    await target.run(trader.venue.cancel_order(order))
    assert trader.true(order).close_reason is CloseReason.USER_CANCELED


@pytest.mark.rule("cancels-are-typed")
@pytest.mark.needs("cancel_order")
async def test_not_found_on_a_cancel_takes_back_no_fill(target: Target, trader: Trader) -> None:
    """An order filled while its cancel was on the way stays filled."""
    order = await trader.place(share="0.9999")
    trader.trade(Side.SELL, trader.size(2_000_000))
    assert trader.true(order).close_reason is CloseReason.FILLED
    with suppress(OrderNotFoundError):
        await target.run(trader.venue.cancel_order(order))
    assert_same(await trader.fetch(order), trader.true(order), "fetch_order")


@pytest.mark.rule("cancels-are-typed")
@pytest.mark.needs("cancel_all_orders")
@pytest.mark.parametrize("action", ["drop_before", "status"])
async def test_a_failed_cancel_of_everything_is_not_silent(target: Target, trader: Trader, action: str) -> None:
    """The orders stand, and the caller hears of it."""
    await trader.place()
    target.inject("cancel_all_orders", action, times=None)
    with pytest.raises(PerpkitError):
        await target.run(trader.venue.cancel_all_orders())
    assert len(trader.truth.open_orders()) == 1
