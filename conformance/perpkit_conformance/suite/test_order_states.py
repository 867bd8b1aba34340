"""States of an order, from the first to the last, and what a cancel makes of them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from perpkit.core.errors import OrderNotFoundError
from perpkit.core.models import CancelStatus, Order, OrderRef, OrderStatus, OrderType, Side, TimeInForce
from perpkit.sim import orders as exchange
from perpkit.sim.orders import CloseReason, OrderState
from perpkit_conformance.fixtures import published
from perpkit_conformance.suite.trading import TRADES, Trader, an_id, assert_same, differences
from perpkit_conformance.target import Target

pytestmark = TRADES

SIDES = [pytest.param(side, id=side.value) for side in Side]


# States


def _open(trader: Trader) -> exchange.Order:
    return trader.target.submit(Side.BUY, trader.size(), price=trader.price("0.98"), client_id=an_id(trader.venue, 9))


def _partly(trader: Trader) -> exchange.Order:
    order = trader.target.submit(Side.BUY, trader.size(), price=trader.price("1"))
    trader.trade(Side.SELL, trader.size(300))
    return order


def _filled(trader: Trader) -> exchange.Order:
    return trader.target.submit(Side.BUY, trader.size(), price=trader.price("1.001"))


def _canceled(trader: Trader) -> exchange.Order:
    order = _open(trader)
    trader.target.control.exchange.cancel(order.account_id, order.id)
    return order


def _canceled_partly(trader: Trader) -> exchange.Order:
    order = _partly(trader)
    trader.target.control.exchange.cancel(order.account_id, order.id)
    return order


def _removed(trader: Trader) -> exchange.Order:
    order = _open(trader)
    trader.target.cancel_order(order.account_id, order.id)
    return order


def _ioc(trader: Trader) -> exchange.Order:
    return trader.target.submit(Side.BUY, trader.size(), price=trader.price("0.98"), time_in_force=TimeInForce.IOC)


def _ioc_partly(trader: Trader) -> exchange.Order:
    trader.target.control.clear_liquidity()
    trader.rest(Side.SELL, trader.price("1"), trader.size(300))
    return trader.target.submit(Side.BUY, trader.size(), price=trader.price("1"), time_in_force=TimeInForce.IOC)


def _no_liquidity(trader: Trader) -> exchange.Order:
    trader.target.control.clear_liquidity()
    return trader.target.submit(Side.BUY, trader.size())


def _crossing(trader: Trader) -> exchange.Order:
    return trader.target.submit(Side.BUY, trader.size(), price=trader.price("1.001"), post_only=True)


def _too_big(trader: Trader) -> exchange.Order:
    equity = trader.truth.summary().equity
    return trader.target.submit(Side.BUY, trader.size(equity * 60), price=trader.price("0.98"))


def _out_of_band(trader: Trader) -> exchange.Order:
    return trader.target.submit(Side.BUY, trader.size(), price=trader.price("1.2"))


def _nothing_to_reduce(trader: Trader) -> exchange.Order:
    return trader.target.submit(Side.SELL, trader.size(), price=trader.price("1.02"), reduce_only=True)


def _met_itself(trader: Trader) -> exchange.Order:
    trader.target.control.clear_liquidity()
    trader.target.submit(Side.BUY, trader.size(), price=trader.price("0.99"))
    return trader.target.submit(Side.SELL, trader.size(), price=trader.price("0.99"))


def _waiting(trader: Trader) -> exchange.Order:
    request = exchange.OrderRequest(
        account_id=trader.truth.account_id,
        market=trader.symbol,
        side=Side.BUY,
        type=OrderType.STOP_LIMIT,
        size=trader.size(),
        price=trader.price("1.02"),
        trigger_price=trader.price("1.01"),
    )
    return trader.truth.named(trader.target.control.exchange.submit(request))


def _undecided(trader: Trader) -> exchange.Order:
    trader.target.control.hold_decisions()
    return _open(trader)


_STATES = [
    pytest.param(each, id=each.__name__.strip("_"))
    for each in (
        _open,
        _partly,
        _filled,
        _canceled,
        _canceled_partly,
        _removed,
        _ioc,
        _ioc_partly,
        _no_liquidity,
        _crossing,
        _too_big,
        _out_of_band,
        _nothing_to_reduce,
        _met_itself,
        _waiting,
        _undecided,
    )
]


@pytest.mark.rule("status-map-is-total")
@pytest.mark.parametrize("come", _STATES)
async def test_every_state_of_an_order_is_told_right(
    request: pytest.FixtureRequest, target: Target, trader: Trader, come: Callable[[Trader], exchange.Order]
) -> None:
    """Status, reason, sizes and prices are the ledger's, on every read that shows the order, and they stay."""
    if come is _undecided:
        published(request, f"OrderStatus:{OrderStatus.PENDING}")
    ref = trader.ref(come(trader))
    truth = trader.true(ref)
    for again in ("", " again"):
        assert_same(await trader.fetch(ref), truth, f"fetch_order{again}")
    hooks = trader.venue.capabilities.hooks
    if "fetch_open_orders" in hooks:
        rows = await target.run(trader.venue.fetch_open_orders(trader.market))
        assert {each.venue_order_id for each in rows} == {each.id for each in trader.truth.open_orders()}
        for each in rows:
            assert_same(each, trader.true(each), "fetch_open_orders")
    if "fetch_order_history" in hooks and truth.is_closed:
        rows = await target.run(trader.venue.fetch_order_history(trader.market))
        found = [each for each in rows if each.venue_order_id == truth.id]
        assert found, f"fetch_order_history: the ledger's {truth!r} is not among {len(rows)} rows"
        assert_same(found[-1], truth, "fetch_order_history")


@pytest.mark.rule("status-map-is-total")
@pytest.mark.needs("channel:orders")
@pytest.mark.parametrize("come", [each for each in _STATES if each.values[0] is not _undecided])
async def test_every_end_of_an_order_is_told_right_by_the_stream(
    target: Target, trader: Trader, come: Callable[[Trader], exchange.Order]
) -> None:
    """The last event of an order is the ledger's state of it."""
    async with target.watch(trader.venue, "orders") as seen:
        ref = trader.ref(come(trader))
        truth = trader.true(ref)

        def last() -> Order | None:
            return next((o for o in reversed(seen.of(Order)) if o.venue_order_id == truth.id), None)

        def arrived() -> bool:
            order = last()
            return order is not None and not differences(order, truth)

        try:
            await seen.until(arrived, "the order's last state", within=timedelta(seconds=20))
        except AssertionError:
            order = last()
            assert order is not None, f"no event of the order came; the ledger has {truth!r}"
            assert_same(order, truth, "orders stream")


@pytest.mark.rule("partial-fill-then-cancel")
@pytest.mark.needs("cancel_order")
@pytest.mark.parametrize("side", SIDES)
async def test_a_cancel_after_a_partial_fill_keeps_the_fill(target: Target, trader: Trader, side: Side) -> None:
    """Canceled it is, with what was filled, on order, history and position alike."""
    target.control.clear_liquidity()
    order = await trader.place(side, "1")
    trader.trade(side.opposite, trader.size(300))
    await target.run(trader.venue.cancel_order(order))
    truth = trader.true(order)
    assert (truth.close_reason, truth.filled_size) == (CloseReason.USER_CANCELED, trader.size(300))
    assert_same(await trader.fetch(order), truth, "fetch_order")
    if "fetch_order_history" in trader.venue.capabilities.hooks:
        rows = await target.run(trader.venue.fetch_order_history(trader.market))
        row = next((each for each in rows if each.venue_order_id == truth.id), None)
        assert row is not None, f"fetch_order_history has no row of the canceled order {truth.id}, it has {rows!r}"
        assert_same(row, truth, "fetch_order_history")


# Cancels


@pytest.mark.rule("cancels-are-typed")
@pytest.mark.needs("cancel_order")
@pytest.mark.parametrize("by_ours", [False, True], ids=["by-the-venues-id", "by-our-id"])
async def test_a_cancel_cancels_that_order(target: Target, trader: Trader, by_ours: bool) -> None:
    """It is gone from the book, its neighbour stands, and the answer promises no more than is so."""
    order, neighbour = await trader.place(), await trader.place(share="0.97")
    ref = OrderRef(market_id=order.market_id, client_order_id=order.client_order_id) if by_ours else order
    result = await target.run(trader.venue.cancel_order(ref))
    assert result.status in {CancelStatus.REQUESTED, CancelStatus.CANCELED}, f"a cancel that was taken: {result!r}"
    assert trader.true(order).close_reason is CloseReason.USER_CANCELED
    assert trader.true(neighbour).state is OrderState.OPEN
    assert_same(await trader.fetch(order), trader.true(order), "fetch_order")


@pytest.mark.rule("cancels-are-typed")
@pytest.mark.needs("cancel_order")
async def test_a_cancel_that_waits_in_the_venue_is_not_called_done(target: Target, trader: Trader) -> None:
    """While the exchange has not decided, the answer is a request and the order stands."""
    order = await trader.place()
    target.control.hold_decisions()
    result = await target.run(trader.venue.cancel_order(order))
    if trader.true(order).is_closed:
        return
    assert result.status is CancelStatus.REQUESTED, f"the ledger still has the order, and the answer is {result!r}"
    assert not (await trader.fetch(order)).is_terminal


@pytest.mark.rule("cancels-are-typed")
@pytest.mark.needs("cancel_order")
@pytest.mark.parametrize("end", ["filled", "canceled", "never-there"])
async def test_a_cancel_of_what_is_over_or_unknown_is_told_apart(target: Target, trader: Trader, end: str) -> None:
    """Already closed or not found, never success; and what became of the order is still told right."""
    late = target.profile.cancels_are_late
    if end == "never-there":
        ref = OrderRef(market_id=trader.market.id, client_order_id=an_id(trader.venue, 7))
        try:
            result = await target.run(trader.venue.cancel_order(ref))
        except OrderNotFoundError:
            return
        assert late, f"there is no such order, came {result!r}"
        assert result.status is CancelStatus.REQUESTED, f"there is no such order, came {result!r}"
        return
    order = await trader.place(share="1.001" if end == "filled" else None)
    if end == "canceled":
        target.cancel_order(trader.truth.account_id, order)
    try:
        result = await target.run(trader.venue.cancel_order(order))
    except OrderNotFoundError:
        pass
    else:
        due = {CancelStatus.ALREADY_CLOSED, *([CancelStatus.REQUESTED] if late else [])}
        assert result.status in due, f"the ledger has {trader.true(order)!r}, came {result!r}"
    assert_same(await trader.fetch(order), trader.true(order), "fetch_order")


@pytest.mark.rule("cancels-are-typed")
@pytest.mark.needs("cancel_orders")
async def test_several_cancels_answer_for_each(target: Target, trader: Trader) -> None:
    """One standing, one filled, one that never was: three answers, in order, each its own."""
    standing, filled = await trader.place(), await trader.place(share="1.001")
    ghost = OrderRef(market_id=trader.market.id, client_order_id=an_id(trader.venue, 7))
    results = await target.run(trader.venue.cancel_orders([filled, ghost, standing]))
    assert len(results) == 3, f"3 answers are due, came {results!r}"
    over, never, done = results
    late = {CancelStatus.REQUESTED} if target.profile.cancels_are_late else set()
    assert isinstance(over, OrderNotFoundError) or getattr(over, "status", None) in {
        CancelStatus.ALREADY_CLOSED,
        *late,
    }, f"the ledger has it filled, came {over!r}"
    assert isinstance(never, OrderNotFoundError) or getattr(never, "status", None) in late, (
        f"there is no such order, came {never!r}"
    )
    assert getattr(done, "status", None) in {CancelStatus.REQUESTED, CancelStatus.CANCELED}, f"came {done!r}"
    assert trader.true(standing).close_reason is CloseReason.USER_CANCELED


@pytest.mark.rule("cancel-all-keeps-its-scope")
@pytest.mark.needs("cancel_all_orders")
@pytest.mark.parametrize("scope", ["one market", "all"])
async def test_canceling_all_takes_its_scope_and_nothing_else(target: Target, trader: Trader, scope: str) -> None:
    """One market's orders, or the account's; never another's."""
    names = list(target.profile.markets)
    elsewhere = await Trader.of(target, trader.venue, names[1])
    other = await Trader.of(target, await target.open(account=1), account=1)
    for each in (trader, elsewhere, other):
        await each.place()
        await each.place(Side.SELL)
    await target.run(trader.venue.cancel_all_orders(trader.market if scope == "one market" else None))
    left = {name: len(trader.truth.open_orders(target.symbol_of(name))) for name in names[:2]}
    expected = {names[0]: 0, names[1]: 2 if scope == "one market" else 0}
    assert left == expected, f"canceling {scope}: expected {expected} left in the ledger, there are {left}"
    assert len(other.truth.open_orders()) == 2, "another account's orders are gone"
