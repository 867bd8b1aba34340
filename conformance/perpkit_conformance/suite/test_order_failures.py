"""
Order commands whose answer is lost, late, wrong or a refusal: each ends in the right class of error, the truth is found
afterwards, and the exchange never gets a second order.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
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
    VenueUnavailableError,
)
from perpkit.core.models import Channel, MarketStatus, Order, OrderIntent, OrderStatus, OrderType, Side, TimeInForce
from perpkit.core.venue import Venue
from perpkit.sim.faults import Fault
from perpkit.sim.orders import CloseReason, OrderState
from perpkit_conformance.fixtures import has, published
from perpkit_conformance.outcomes import Outcome
from perpkit_conformance.plugin import gap
from perpkit_conformance.suite.trading import Trader, an_id, assert_same, impatient, is_same_order
from perpkit_conformance.target import SystemStatus, Target

__all__ = ["impatient"]

pytestmark = pytest.mark.needs("place_order", "fetch_order")

LONG = timedelta(minutes=20)


@pytest.fixture
async def trader(target: Target, venue: Venue) -> Trader:
    """A trader on a quoted book, its markets and its sign-in done: what goes wrong afterwards strikes the order."""
    trader = await Trader.of(target, venue)
    target.quote(size=trader.size(100_000))
    if "fetch_open_orders" in venue.capabilities.hooks:
        await target.run(venue.fetch_open_orders())
    return trader


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


# Refusals


def _refusals() -> list[Any]:
    rows: list[tuple[str, tuple[str, ...], dict[str, Any], CloseReason, RejectReason]] = [
        (
            "post-only that would cross",
            ("post_only",),
            {"share": "1.001", "post_only": True},
            CloseReason.POST_ONLY_WOULD_CROSS,
            RejectReason.POST_ONLY_WOULD_CROSS,
        ),
        ("margin", (), {"notional": 60}, CloseReason.NOT_ENOUGH_MARGIN, RejectReason.MARGIN),
        ("price band", (), {"share": "1.3"}, CloseReason.PRICE_OUT_OF_BAND, RejectReason.PRICE_BAND),
        (
            "reduce-only with nothing to reduce",
            ("reduce_only",),
            {"reduce_only": True},
            CloseReason.REDUCE_ONLY_WOULD_INCREASE,
            RejectReason.REDUCE_ONLY,
        ),
    ]
    return [
        pytest.param(fields, closed, reason, id=name, marks=pytest.mark.needs(*claims) if claims else ())
        for name, claims, fields, closed, reason in rows
    ]


def _needs_band(request: pytest.FixtureRequest, trader: Trader, closed: CloseReason) -> None:
    rules = trader.target.control.exchange.market(trader.symbol)
    if closed is CloseReason.PRICE_OUT_OF_BAND and rules.price_band is None:
        gap(request.node, Outcome.NOT_OFFERED, "the exchange bounds no price")


def _refused_intent(trader: Trader, fields: dict[str, Any]) -> OrderIntent:
    given = dict(fields)
    if (times := given.pop("notional", None)) is not None:
        given["size"] = trader.size(trader.truth.summary().equity * times)
    return trader.intent(**given)


@pytest.mark.rule("rejections-say-why")
@pytest.mark.parametrize(("fields", "closed", "reason"), _refusals())
async def test_a_refusal_is_told_with_its_reason(
    request: pytest.FixtureRequest,
    trader: Trader,
    fields: dict[str, Any],
    closed: CloseReason,
    reason: RejectReason,
) -> None:
    """At once or after acceptance: rejected, for the reason that the exchange had."""
    _needs_band(request, trader, closed)
    came = await trader.refusal(_refused_intent(trader, fields))
    for truth in trader.truth.orders():
        assert truth.close_reason is closed, f"the scenario went another way: {truth!r}"
    assert came == (OrderStatus.REJECTED, reason), f"the exchange refused it for {closed}, came {came}"


@pytest.mark.rule("rejections-say-why")
async def test_a_refusal_at_once_keeps_the_venues_words(target: Target, trader: Trader) -> None:
    """A closed market: reason, code and message, and nothing was entered."""
    target.control.set_market_status(trader.symbol, MarketStatus.HALTED)
    came = await trader.attempt(trader.intent())
    assert isinstance(came, OrderRejectedError), f"the market is halted, came {came!r}"
    assert came.reason is RejectReason.MARKET_CLOSED, f"the market is halted, came {came.reason}"
    assert came.code, "the venue's own code is lost"
    assert str(came.code) in str(came) or came.message, "the venue's own words are lost"
    assert came.client_order_id
    assert not trader.truth.orders()


@pytest.mark.rule("rejections-say-why")
@pytest.mark.parametrize("status", [SystemStatus.CANCEL_ONLY, SystemStatus.MAINTENANCE])
async def test_a_restricted_venue_is_no_rejection_of_the_order(
    request: pytest.FixtureRequest, target: Target, trader: Trader, status: SystemStatus
) -> None:
    """It is unavailable, and says in which state it is; the same order may pass later, and does."""
    published(request, f"VenueStatus:{status}")
    target.control.set_system_status(status)
    came = await trader.attempt(trader.intent())
    assert isinstance(came, VenueUnavailableError), f"the venue is in {status}, came {came!r}"
    assert not trader.truth.orders()
    target.control.set_system_status(SystemStatus.OK)
    assert isinstance(await trader.attempt(trader.intent()), Order)


@pytest.mark.rule("late-refusals-surface")
@pytest.mark.needs("async_acceptance")
@pytest.mark.parametrize(("fields", "closed", "reason"), _refusals())
async def test_what_is_refused_after_it_was_taken_surfaces(
    request: pytest.FixtureRequest,
    trader: Trader,
    fields: dict[str, Any],
    closed: CloseReason,
    reason: RejectReason,
) -> None:
    """Pending at first; when the exchange has decided, fetch and stream say rejected, and why."""
    _needs_band(request, trader, closed)
    target = trader.target
    target.control.hold_decisions()
    try:
        order = await trader.send(_refused_intent(trader, fields))
    except OrderRejectedError:
        gap(request.node, Outcome.NOT_OFFERED, f"the venue refuses for {closed} at once")
    assert order.status is OrderStatus.PENDING, f"the exchange has not decided, came {order.status}"
    streams = Channel.ORDERS in trader.venue.capabilities.channels
    if not streams:
        target.control.release_decisions()
    else:
        async with target.watch(trader.venue, "orders") as seen:
            target.control.release_decisions()
            await seen.until(
                lambda: any(each.is_terminal for each in seen.of(Order) if is_same_order(each, order)),
                "the end of the order on the stream",
                within=timedelta(seconds=20),
            )
            last = [each for each in seen.of(Order) if is_same_order(each, order)][-1]
        came = (last.status, last.reject_reason)
        assert came == (OrderStatus.REJECTED, reason), f"stream: the exchange refused it for {closed}, came {came}"
    assert trader.true(order).close_reason is closed
    told = await trader.fetch(order)
    came = (told.status, told.reject_reason)
    assert came == (OrderStatus.REJECTED, reason), f"fetch: the exchange refused it for {closed}, came {came}"


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


# Nonces and concurrency


@pytest.mark.rule("nonces-survive-concurrency")
async def test_many_at_once_all_arrive(target: Target, trader: Trader) -> None:
    """Twenty orders sent together at one moment of a clock that stands still: twenty on the exchange."""
    intents = [trader.intent(price=trader.price("0.98") - number * trader.market.tick_size) for number in range(20)]
    results = await target.run(asyncio.gather(*(trader.attempt(each) for each in intents)))
    failed = [each for each in results if not isinstance(each, Order)]
    assert not failed, f"{len(failed)} of 20 concurrent orders failed, the first with {failed[0]!r}"
    prices = sorted(each.price for each in trader.truth.orders() if each.price is not None)
    assert prices == sorted(each.price for each in intents if each.price is not None)


@pytest.mark.rule("nonces-survive-concurrency")
@pytest.mark.parametrize("trouble", ["a rejection", "a 503", "a lost answer", "a restart", "the clock set back"])
async def test_trouble_with_one_order_does_not_stop_the_next(target: Target, trader: Trader, trouble: str) -> None:
    """After each kind of trouble orders pass as before, none twice."""
    venue = trader.venue
    await trader.place()
    if trouble == "a rejection":
        await trader.attempt(trader.intent(size=trader.size(trader.truth.summary().equity * 60)))
    elif trouble == "a 503":
        target.inject("place_order", "status", status=503)
        await trader.attempt(trader.intent())
    elif trouble == "a lost answer":
        target.inject("place_order", "drop_after")
        await trader.attempt(trader.intent())
    elif trouble == "a restart":
        # A process takes longer than this to start; nonces that are times must not need more.
        target.advance(timedelta(milliseconds=100))
        venue = await target.open()
    else:
        target.clock.error = timedelta(seconds=-2)
    before = len(trader.truth.orders())
    after = await Trader.of(target, venue)
    results = await target.run(asyncio.gather(*(after.attempt(after.intent()) for _ in range(5))))
    failed = [each for each in results if not isinstance(each, Order)]
    assert not failed, f"after {trouble} {len(failed)} of 5 orders failed, the first with {failed[0]!r}"
    assert len(trader.truth.orders()) == before + 5


@pytest.mark.rule("nonces-survive-concurrency")
@pytest.mark.needs("order_type:market")
async def test_concurrent_orders_of_both_sides_leave_the_ledgers_position(target: Target, trader: Trader) -> None:
    """Buys and sells at once: each is counted once."""
    sides = [Side.BUY] * 7 + [Side.SELL] * 4
    intents = [
        trader.intent(side, price=None, type=OrderType.MARKET)
        if number % 2
        else trader.intent(side, "1.001" if side is Side.BUY else "0.999", time_in_force=TimeInForce.IOC)
        for number, side in enumerate(sides)
    ]
    orders = await target.run(asyncio.gather(*(trader.send(each) for each in intents)))
    assert trader.position() == sum((each.side.sign * trader.true(each).filled_size for each in orders), Decimal(0))
    assert len({trader.true(each).id for each in orders}) == len(orders)
