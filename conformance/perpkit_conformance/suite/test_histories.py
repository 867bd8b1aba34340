"""Random histories, told by the run's seed: afterwards everything that the plugin returns is the ledger's."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from perpkit.core.errors import OrderRejectedError, OutcomeUnknownError
from perpkit.core.models import Balance, Channel, Fill, FundingPayment, Order, OrderRef, OrderStatus, Position, Side
from perpkit.core.venue import Venue
from perpkit.sim import orders as ledger
from perpkit.sim.faults import FaultAction
from perpkit.sim.orders import OrderState
from perpkit_conformance.suite.calls import Caller
from perpkit_conformance.suite.comparing import Findings
from perpkit_conformance.suite.histories import History
from perpkit_conformance.suite.trading import an_id, name_of
from perpkit_conformance.target import Target, Watch

_READS = (
    "fetch_positions",
    "fetch_balances",
    "fetch_account",
    "fetch_fills",
    "fetch_order_history",
    "fetch_open_orders",
)
_PRIVATE = (Channel.ORDERS, Channel.FILLS, Channel.POSITIONS, Channel.BALANCES, Channel.FUNDING_PAYMENTS)


@pytest.mark.rule("random-histories-agree")
@pytest.mark.needs(*_READS)
@pytest.mark.parametrize("number", range(5))
async def test_after_a_random_history_every_read_is_the_ledgers(target: Target, venue: Venue, number: int) -> None:
    """Orders, fills, cancels, prices, funding and transfers of an account; the reads in between change nothing."""
    history = History(target, f"reads {number}")
    history.begin()
    for _ in range(3):
        history.run(30)
        # A venue that pays by the hour books it a moment after the hour; between the two it owes what it does not tell.
        target.advance(timedelta(seconds=2))
        await _hold_reads(target, venue, history)


async def _hold_reads(target: Target, venue: Venue, history: History) -> None:
    truth = target.truth()
    positions, fills = await target.run(venue.fetch_positions()), await target.run(venue.fetch_fills())
    account = await target.run(venue.fetch_account())
    balances = await target.run(venue.fetch_balances())
    still_open = await target.run(venue.fetch_open_orders())
    orders = {each.venue_order_id: each for each in await target.run(venue.fetch_order_history())}
    orders |= {each.venue_order_id: each for each in still_open}
    with Findings(target) as found:
        found.positions(positions, truth.positions())
        found.fills(fills, truth.fills())
        found.equal("equity", account.equity, truth.summary().equity)
        found.equal("free_collateral", account.free_collateral, truth.summary().free_collateral)
        found.equal("balances", {each.asset: each.total for each in balances}, truth.balances())
        found.same_keys(
            "open orders", (str(each.venue_order_id) for each in still_open), (e.id for e in truth.open_orders())
        )
        for true in truth.orders():
            found.true(true.id in orders, f"order {true.id} is in the ledger and was not returned")
            if true.id in orders:
                _same_order(found, orders[true.id], true)
        if "fetch_funding_payments" in venue.capabilities.hooks:
            found.payments(await target.run(venue.fetch_funding_payments()), truth.funding_payments())
        found.true(not found.found, str(history))


def _same_order(found: Findings, came: Order, true: ledger.Order) -> None:
    what = f"order {came.venue_order_id}"
    for name in ("side", "type", "size", "filled_size", "remaining_size", "price"):
        found.equal(f"{what}: {name}", getattr(came, name), getattr(true, name))
    found.equal(f"{what}: client_order_id", came.client_order_id, name_of(came, true))
    is_over = true.state is OrderState.CLOSED
    found.equal(f"{what}: is over", came.is_terminal, is_over)
    if is_over:
        found.equal(f"{what}: is filled", came.status is OrderStatus.FILLED, not true.remaining_size)


@pytest.mark.rule("random-histories-agree")
@pytest.mark.needs(*_READS, *(f"channel:{each}" for each in _PRIVATE))
@pytest.mark.parametrize("number", range(4))
async def test_after_a_random_history_the_streams_have_told_the_ledger(
    target: Target, venue: Venue, number: int
) -> None:
    """With connections lost and frames doubled: every fill and payment once, every last state the ledger's."""
    history = History(target, f"streams {number}")
    history.begin()
    async with target.watch(venue, *_PRIVATE) as watch:
        for _ in range(6):
            _disturb(target, history)
            history.run(8)
            await target.breathe(3)
        target.control.clear_faults()
        await _told_all(target, watch)
        await target.breathe(30)
    truth = target.truth()
    with Findings(target) as found:
        found.fills(watch.of(Fill), truth.fills(), "streamed fills")
        found.payments(watch.of(FundingPayment), truth.funding_payments(), "streamed payments")
        _hold_last_positions(found, watch)
        last = {each.asset: each.total for each in watch.of(Balance)}
        found.equal("last balance of the stream", last.get(target.profile.settle_asset), truth.summary().cash)
        orders = {each.venue_order_id: each for each in watch.of(Order)}
        for true in truth.orders():
            found.true(true.id in orders, f"the stream never told of order {true.id}")
            if true.id in orders:
                _same_order(found, orders[true.id], true)
        found.true(not found.found, str(history))


def _disturb(target: Target, history: History) -> None:
    """Plan a fault for one of the next frames of one private channel."""
    channel = history.rng.choice(_PRIVATE)
    skip = history.rng.randrange(3)
    if history.rng.random() < 0.4:
        target.inject(channel, FaultAction.DISCONNECT, skip=skip, close_code=history.rng.choice([1006, 1011, 1012]))
        history.steps.append(f"a connection breaks at a frame of {channel}")
    else:
        target.inject(channel, FaultAction.DUPLICATE, skip=skip, times=2)
        history.steps.append(f"two frames of {channel} come twice")


async def _told_all(target: Target, watch: Watch) -> None:
    truth = target.truth()
    # The last connection may have broken a moment ago, which takes a breath to be noticed.
    await target.breathe(10)
    await watch.until(lambda: watch.is_whole, "the stream is back")
    await watch.until(lambda: len(watch.of(Fill)) >= len(truth.fills()), f"{len(truth.fills())} fills")
    payments = len(truth.funding_payments())
    await watch.until(lambda: len(watch.of(FundingPayment)) >= payments, f"{payments} funding payments")


def _hold_last_positions(found: Findings, watch: Watch) -> None:
    last = {each.market_id: each for each in watch.of(Position)}
    true = {found.target.id_of(symbol): each for symbol, each in found.target.truth().positions().items()}
    for market_id in last.keys() | true.keys():
        size = true[market_id].size if market_id in true else Decimal(0)
        came = last[market_id].size if market_id in last else Decimal(0)
        found.equal(f"last position of the stream in {market_id}", came, size)
        if size and market_id in last:
            found.equal(f"its entry_price in {market_id}", last[market_id].entry_price, true[market_id].entry_price)


@pytest.mark.rule("random-histories-agree")
@pytest.mark.needs("place_order", "cancel_order", "fetch_order", "order_type:limit")
@pytest.mark.parametrize("number", range(3))
async def test_orders_of_the_plugin_end_as_the_ledger_says(target: Target, venue: Venue, number: int) -> None:
    """Placed and canceled by the plugin amid a random history; replies get lost: nothing is doubled or made up."""
    history, caller = History(target, f"orders {number}"), Caller(target, venue)
    history.begin()
    placed: list[str] = []
    for _ in range(12):
        history.run(3)
        if history.rng.random() < 0.3:
            target.inject("place_order", FaultAction.DROP_AFTER)
        intent = await caller.intent(
            history.rng.choice(list(Side)), client_order_id=an_id(venue, 100 * number + len(placed))
        )
        placed.append(intent.client_order_id or "")
        try:
            order = await target.run(venue.place_order(intent))
        except OutcomeUnknownError as unknown:
            order = await target.run(venue.resolve_order(unknown))
        except OrderRejectedError:
            target.control.clear_faults()
            continue
        target.control.clear_faults()
        if history.rng.random() < 0.4:
            await caller.attempt(lambda order=order: venue.cancel_order(order))  # type: ignore[misc]
    truth = target.truth()
    with Findings(target) as found:
        for client_id in placed:
            own = [each for each in truth.orders() if each.client_id == client_id]
            found.true(len(own) <= 1, f"{client_id} became {len(own)} orders")
            for true in own:
                ref = OrderRef(market_id=target.id_of(true.market), venue_order_id=true.id, client_order_id=client_id)
                _same_order(found, await target.run(venue.fetch_order(ref)), true)
        found.true(not found.found, str(history))
