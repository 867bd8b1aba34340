"""Amendments, batches, reduce-only and expiry."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from perpkit.core.errors import InvalidOrderError, OrderNotFoundError, OrderRejectedError, PerpkitError, RejectReason
from perpkit.core.models import Order, OrderType, Side, TimeInForce
from perpkit.sim.orders import CloseReason, OrderState
from perpkit_conformance.fixtures import has, offered
from perpkit_conformance.suite.trading import CLOSED, TRADES, Trader, an_id, assert_same
from perpkit_conformance.target import Target

pytestmark = TRADES

SIDES = [pytest.param(side, id=side.value) for side in Side]


# Amendments


@pytest.mark.rule("amends-are-exact")
@pytest.mark.needs("amend_order")
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("what", ["price", "size-up", "size-down", "both"])
async def test_an_amendment_changes_what_it_says(target: Target, trader: Trader, side: Side, what: str) -> None:
    """The ledger has the new values, and keeps the others."""
    order = await trader.place(side)
    price = trader.price("0.975" if side is Side.BUY else "1.025")
    changes = {
        "price": {"price": price},
        "size-up": {"size": trader.size(1500)},
        "size-down": {"size": trader.size(700)},
        "both": {"price": price, "size": trader.size(800)},
    }[what]
    changed = await target.run(trader.venue.amend_order(order, **changes))  # type: ignore[arg-type]
    truth = trader.true(changed)
    wanted = (side, changes.get("size", order.size), changes.get("price", order.price))
    assert (truth.side, truth.size, truth.price) == wanted, f"expected {wanted}, the ledger has {truth!r}"
    assert len(trader.truth.open_orders()) == 1, "an amendment left two orders standing"
    assert_same(await trader.fetch(changed), truth, "fetch_order")


@pytest.mark.rule("amends-are-exact")
@pytest.mark.needs("amend_order")
@pytest.mark.parametrize("what", ["price", "size"])
@pytest.mark.parametrize("seen", [False, True], ids=["unseen", "seen"])
async def test_an_amendment_after_a_fill_neither_overfills_nor_shrinks(
    target: Target, trader: Trader, what: str, seen: bool
) -> None:
    """
    The size is the total: what was filled meanwhile counts, whether we know of it or not, and in the end that much is
    filled, no more and no less.
    """
    target.control.clear_liquidity()
    order = await trader.place(share="1")
    trader.trade(Side.SELL, trader.size(300))
    if seen:
        order = await trader.fetch(order)
        assert order.filled_size == trader.size(300)
    total = trader.size(800) if what == "size" else order.size
    changes = {"size": total} if what == "size" else {"price": trader.price("0.999")}
    changed = await target.run(trader.venue.amend_order(order, **changes))  # type: ignore[arg-type]
    truth = trader.true(changed)
    filled = sum((each.size for each in trader.truth.fills()), Decimal(0))
    assert truth.size - truth.filled_size == total - filled, (
        f"{filled} was filled of {total} wanted in total; the ledger has {truth.size - truth.filled_size} standing"
    )
    trader.trade(Side.SELL, trader.size(5000))
    filled = sum((each.size for each in trader.truth.fills()), Decimal(0))
    assert filled == total, f"expected {total} filled in all, the ledger has {filled}"
    assert_same(await trader.fetch(changed), trader.true(changed), "fetch_order")


@pytest.mark.rule("amends-are-exact")
@pytest.mark.needs("amend_order", "order_type:stop_limit")
async def test_a_trigger_price_can_be_amended(request: pytest.FixtureRequest, target: Target, trader: Trader) -> None:
    """The waiting order wakes at the new price."""
    offered(request, "trigger_amendments")
    order = await trader.place(
        type=OrderType.STOP_LIMIT, price=trader.price("1.03"), trigger_price=trader.price("1.01")
    )
    changed = await target.run(trader.venue.amend_order(order, trigger_price=trader.price("1.02")))
    truth = trader.true(changed)
    assert (truth.trigger_price, truth.state) == (trader.price("1.02"), OrderState.UNTRIGGERED)
    assert_same(await trader.fetch(changed), truth, "fetch_order")


@pytest.mark.rule("amends-are-exact")
@pytest.mark.needs("amend_order")
async def test_an_amendment_that_can_not_be_leaves_the_order_alone(target: Target, trader: Trader) -> None:
    """Off tick it isn't sent; of a closed order it is refused as such; the ledger has nothing new."""
    order = await trader.place()
    with pytest.raises(InvalidOrderError):
        await target.run(trader.venue.amend_order(order, price=trader.price("0.97") + trader.market.tick_size / 2))
    assert_same(await trader.fetch(order), trader.true(order), "fetch_order")
    target.cancel_order(trader.truth.account_id, order)
    with pytest.raises((OrderNotFoundError, OrderRejectedError)):
        await target.run(trader.venue.amend_order(order, price=trader.price("0.97")))
    truth = trader.only_order()
    assert (truth.price, truth.is_closed) == (order.price, True)


# Batches


@pytest.mark.rule("batches-answer-per-item")
@pytest.mark.needs("place_orders", "batches")
async def test_a_batch_answers_for_each_order_in_its_place(target: Target, trader: Trader) -> None:
    """Resting, filled, and refused after acceptance: each result is about its own order."""
    many = min(5, trader.venue.capabilities.max_batch_size)
    intents = [
        trader.intent(Side.SELL, share="1.03"),
        trader.intent(Side.BUY, "1.001"),
        trader.intent(Side.BUY, size=trader.size(trader.truth.summary().equity * 60)),
        trader.intent(Side.BUY, "0.97"),
        trader.intent(Side.SELL, size=trader.size(1200)),
    ][:many]
    named = [each.replace(client_order_id=an_id(trader.venue, number)) for number, each in enumerate(intents)]
    results = await target.run(trader.venue.place_orders(named))
    assert len(results) == many, f"{many} results are due, came {results!r}"
    for intent, result in zip(named, results, strict=True):
        truth = trader.truth.order_by_client_id(intent.client_order_id or "")
        if isinstance(result, OrderRejectedError):
            assert truth is None or truth.is_closed, f"told as rejected, the ledger has {truth!r}"
            continue
        assert isinstance(result, Order), f"{intent!r} came to {result!r}"
        assert truth is not None
        asked = (intent.side, intent.size, intent.price)
        assert (truth.side, truth.size, truth.price) == asked, f"expected {asked}, the ledger has {truth!r}"
        order = await trader.named(result)
        assert order.venue_order_id == truth.id, f"{intent.client_order_id} is {truth.id}, came {order!r}"
        assert_same(await trader.fetch(order), truth, "fetch_order")


@pytest.mark.rule("batches-answer-per-item")
@pytest.mark.needs("place_orders", "batches")
async def test_a_batch_with_one_that_breaks_the_rules_is_not_sent(target: Target, trader: Trader) -> None:
    """Half a batch is not what was asked."""
    bad = trader.intent(price=trader.price("0.98") + trader.market.tick_size / 2)
    with pytest.raises(InvalidOrderError):
        await target.run(trader.venue.place_orders([trader.intent(), bad]))
    assert not trader.truth.orders()


@pytest.mark.rule("batches-answer-per-item")
@pytest.mark.needs("place_orders", "batches")
async def test_a_name_taken_already_fails_that_order_and_says_so(target: Target, trader: Trader) -> None:
    """A duplicate among good ones: its own error; what the others became is what the ledger has."""
    await trader.place(client_order_id=an_id(trader.venue, 0))
    intents = [trader.intent(client_order_id=an_id(trader.venue, number)) for number in (1, 0, 2)]
    try:
        results: list[Order | PerpkitError] = await target.run(trader.venue.place_orders(intents))
    except PerpkitError as error:
        pytest.fail(f"one item's refusal came as the batch's: {error!r}")
    assert isinstance(results[1], OrderRejectedError), f"the second was a duplicate, came {results[1]!r}"
    assert len([each for each in trader.truth.orders() if each.client_id == an_id(trader.venue, 0)]) == 1
    for intent, result in zip(intents[::2], results[::2], strict=True):
        truth = trader.truth.order_by_client_id(intent.client_order_id or "")
        assert isinstance(result, Order) == (truth is not None), f"the ledger has {truth!r}, came {result!r}"


# Reduce-only


@pytest.mark.rule("reduce-only-never-opens")
@pytest.mark.needs("reduce_only")
@pytest.mark.parametrize("side", SIDES)
async def test_reduce_only_closes_and_never_flips(trader: Trader, side: Side) -> None:
    """More than is held: the position ends at zero, and what was filled is what there was."""
    trader.target.submit(side.opposite, trader.size(1000))
    held = trader.position()
    share = "1.001" if side is Side.BUY else "0.999"
    came = await trader.attempt(trader.intent(side, share, size=trader.size(2500), reduce_only=True))
    refused = isinstance(came, PerpkitError) or not trader.true(came).filled_size
    if refused:
        # Some venues trim what is too much, others refuse it; either way nothing may flip.
        assert trader.position() == held, f"{held} was held; it was refused and the ledger has {trader.position()}"
        assert not isinstance(came, PerpkitError) or getattr(came, "reason", None) is RejectReason.REDUCE_ONLY, came
        came = await trader.send(trader.intent(side, share, size=abs(held), reduce_only=True))
    assert isinstance(came, Order)
    truth = trader.true(came)
    assert truth.reduce_only, f"the ledger knows nothing of reduce-only: {truth!r}"
    assert trader.position() == 0, f"{held} was held; the ledger now has {trader.position()}"
    told = await trader.fetch(came)
    assert told.filled_size == abs(held), f"expected {abs(held)} filled from the ledger, came {told.filled_size}"


@pytest.mark.rule("reduce-only-never-opens")
@pytest.mark.needs("reduce_only")
@pytest.mark.parametrize("held", ["nothing", "the same side"])
async def test_reduce_only_with_nothing_to_reduce_says_so(trader: Trader, held: str) -> None:
    """Flat, or on the side that would grow: refused as that, and nothing is opened."""
    if held != "nothing":
        trader.target.submit(Side.BUY, trader.size())
    before = trader.position()
    status, reason = await trader.refusal(trader.intent(Side.BUY, "1.001", reduce_only=True))
    assert reason is RejectReason.REDUCE_ONLY, f"expected {RejectReason.REDUCE_ONLY}, came {status} {reason}"
    assert status in CLOSED[CloseReason.REDUCE_ONLY_WOULD_INCREASE][0], f"came {status}"
    assert trader.position() == before, f"expected {before} from the ledger, it is {trader.position()}"


@pytest.mark.rule("reduce-only-never-opens")
@pytest.mark.needs("reduce_only", "order_type:market")
async def test_a_market_order_can_close_a_position(trader: Trader) -> None:
    """Reduce-only at the market leaves nothing."""
    trader.target.submit(Side.BUY, trader.size())
    order = await trader.place(
        Side.SELL, type=OrderType.MARKET, size=trader.position(), reduce_only=True, max_slippage="0.01"
    )
    assert trader.position() == 0, f"the ledger still has {trader.position()}"
    assert_same(await trader.fetch(order), trader.true(order), "fetch_order")


# Expiry


@pytest.mark.rule("expiry-is-explicit")
async def test_an_order_without_an_expiry_stands(target: Target, trader: Trader) -> None:
    """
    Nothing was sent that would end it, and a day later it is still there. Where no order stands for ever its expiry is
    nearly as far as the venue lets it be.
    """
    order, longest = await trader.place(), target.profile.longest_life
    expires_at_ms = trader.true(order).expires_at_ms
    if expires_at_ms is not None:
        assert longest is not None, f"nobody asked for an expiry: {trader.true(order)!r}"
        due = min(timedelta(days=30), longest * 9 / 10)
        left = timedelta(milliseconds=expires_at_ms - target.control.clock.now_ms())
        assert left >= due, f"nobody asked for an expiry: it ends in {left}, where {longest} are possible"
    target.advance(timedelta(days=1) if longest is None else min(timedelta(days=1), longest * 9 / 10))
    await target.breathe()
    assert_same(await trader.fetch(order), trader.true(order), "fetch_order")
    assert trader.true(order).state is OrderState.OPEN


@pytest.mark.rule("expiry-is-explicit")
async def test_what_is_signed_counts_from_the_clock_at_sending(target: Target, trader: Trader) -> None:
    """An hour and a day after opening orders are as good as at first."""
    for later in (timedelta(0), timedelta(hours=1), timedelta(days=1)):
        target.advance(later)
        came = await trader.attempt(trader.intent())
        assert isinstance(came, Order), f"{later} later an order came to {came!r}"
        assert trader.true(came).state is OrderState.OPEN


@pytest.mark.rule("expiry-is-explicit")
async def test_an_order_is_not_accepted_after_its_window(
    request: pytest.FixtureRequest, target: Target, trader: Trader
) -> None:
    """With accept_within an order that arrives too late is not taken; the window is part of what was signed."""
    has(request, "accept_window", trader.window(timedelta(seconds=20)))
    fault = target.inject("place_order", "delay", delay_ms=60_000)
    intent = trader.intent(**trader.window(timedelta(seconds=20)))
    came = await trader.attempt(intent)
    assert fault.hits == 1
    assert not trader.truth.orders(), f"the order was taken 60 s after sending, its window was 20 s; came {came!r}"
    assert isinstance(came, PerpkitError), f"the ledger has no order, came {came!r}"


@pytest.mark.rule("expiry-is-explicit")
@pytest.mark.needs("time_in_force:gtd")
async def test_an_expiry_is_the_one_that_was_asked_for(target: Target, trader: Trader) -> None:
    """To the unit that the venue keeps: seconds at the coarsest."""
    for ahead in (timedelta(minutes=10), timedelta(days=7)):
        wanted = target.control.clock.now() + ahead
        order = await trader.place(time_in_force=TimeInForce.GTD, expires_at=wanted)
        kept = trader.true(order).expires_at_ms
        assert kept is not None, "the ledger has no expiry"
        assert abs(kept - wanted.timestamp() * 1000) <= 1000, f"expected {wanted}, the ledger has {kept}"
