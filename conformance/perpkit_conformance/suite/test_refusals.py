"""Orders that the exchange refuses, at once or after it took them: rejected, for the reason that it had."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple

import pytest

from perpkit.core.errors import OrderRejectedError, RejectReason, VenueUnavailableError
from perpkit.core.models import Channel, MarketStatus, Order, OrderIntent, OrderStatus
from perpkit.sim.orders import CloseReason
from perpkit_conformance.fixtures import published
from perpkit_conformance.outcomes import Outcome
from perpkit_conformance.plugin import gap
from perpkit_conformance.suite.trading import TRADES, Trader, is_same_order
from perpkit_conformance.target import SystemStatus, Target

pytestmark = [TRADES, pytest.mark.usefixtures("signed_in")]


class Refusal(NamedTuple):
    """
    An order that the exchange refuses.

    Attributes:
        fields: What the intent has that others have not; ``notional`` is in multiples of the account's equity.
        closed: Why the exchange ends it.
        reason: The same in perpkit's words.
    """

    fields: dict[str, Any]
    closed: CloseReason
    reason: RejectReason


REFUSALS = pytest.mark.parametrize(
    "refusal",
    [
        pytest.param(
            Refusal(
                {"share": "1.001", "post_only": True},
                CloseReason.POST_ONLY_WOULD_CROSS,
                RejectReason.POST_ONLY_WOULD_CROSS,
            ),
            id="post-only that would cross",
            marks=pytest.mark.needs("post_only"),
        ),
        pytest.param(Refusal({"notional": 60}, CloseReason.NOT_ENOUGH_MARGIN, RejectReason.MARGIN), id="margin"),
        pytest.param(
            Refusal({"share": "1.3"}, CloseReason.PRICE_OUT_OF_BAND, RejectReason.PRICE_BAND), id="price band"
        ),
        pytest.param(
            Refusal({"reduce_only": True}, CloseReason.REDUCE_ONLY_WOULD_INCREASE, RejectReason.REDUCE_ONLY),
            id="reduce-only with nothing to reduce",
            marks=pytest.mark.needs("reduce_only"),
        ),
    ],
)


def _needs_band(request: pytest.FixtureRequest, trader: Trader, refusal: Refusal) -> None:
    rules = trader.target.control.exchange.market(trader.symbol)
    if refusal.closed is CloseReason.PRICE_OUT_OF_BAND and rules.price_band is None:
        gap(request.node, Outcome.NOT_OFFERED, "the exchange bounds no price")


def _refused_intent(trader: Trader, refusal: Refusal) -> OrderIntent:
    given = dict(refusal.fields)
    if (times := given.pop("notional", None)) is not None:
        given["size"] = trader.size(trader.truth.summary().equity * times)
    return trader.intent(**given)


@pytest.mark.rule("rejections-say-why")
@REFUSALS
async def test_a_refusal_is_told_with_its_reason(
    request: pytest.FixtureRequest, trader: Trader, refusal: Refusal
) -> None:
    """At once or after acceptance: rejected, for the reason that the exchange had."""
    _needs_band(request, trader, refusal)
    came = await trader.refusal(_refused_intent(trader, refusal))
    for truth in trader.truth.orders():
        assert truth.close_reason is refusal.closed, f"the scenario went another way: {truth!r}"
    assert came == (OrderStatus.REJECTED, refusal.reason), f"the exchange refused it for {refusal.closed}, came {came}"


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
@REFUSALS
async def test_what_is_refused_after_it_was_taken_surfaces(
    request: pytest.FixtureRequest, trader: Trader, refusal: Refusal
) -> None:
    """Pending at first; when the exchange has decided, fetch and stream say rejected, and why."""
    _needs_band(request, trader, refusal)
    target = trader.target
    target.control.hold_decisions()
    try:
        order = await trader.send(_refused_intent(trader, refusal))
    except OrderRejectedError:
        gap(request.node, Outcome.NOT_OFFERED, f"the venue refuses for {refusal.closed} at once")
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
        assert came == (OrderStatus.REJECTED, refusal.reason), (
            f"stream: the exchange refused it for {refusal.closed}, came {came}"
        )
    assert trader.true(order).close_reason is refusal.closed
    told = await trader.fetch(order)
    came = (told.status, told.reject_reason)
    assert came == (OrderStatus.REJECTED, refusal.reason), (
        f"fetch: the exchange refused it for {refusal.closed}, came {came}"
    )
