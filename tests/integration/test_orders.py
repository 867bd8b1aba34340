"""
Orders that stand: amended, canceled and looked up in every way, while they fill, when they are gone, and when the task
that asks goes away. Judged by the exchange's own orders.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

import perpkit
from perpkit.core.errors import (
    ConfigError,
    InvalidOrderError,
    OrderNotFoundError,
    OrderRejectedError,
    RejectReason,
)
from perpkit.core.models import CancelStatus, OrderRef, OrderStatus, Side
from perpkit.sim.orders import CloseReason, OrderRequest, OrderState
from tests.integration.conftest import BTC, eventually, while_time_passes
from tests.integration.helpers import (
    BEST_ASK,
    count,
    intent,
    market_intent,
    true_order,
    true_orders,
    true_position,
)

BTC_ID = f"{BTC}@paradex"
SOL = "SOL-USD-PERP"


# Amending

AMENDMENTS = [
    ("price", {"price": "98000"}),
    ("size up", {"size": "0.2"}),
    ("size down", {"size": "0.05"}),
    ("both", {"price": "98000.1", "size": "0.00321"}),
    ("one to what it is", {"price": "99000", "size": "0.2"}),
]


@pytest.mark.parametrize("changes", [row[1] for row in AMENDMENTS], ids=[name for name, _ in AMENDMENTS])
async def test_an_amendment_changes_what_it_names_and_nothing_else(local, venue, changes):
    """The order keeps its ids and its side; the answer, a read and the exchange agree."""
    order = await venue.place_order(intent(client_order_id="amended-1"))
    changed = await venue.amend_order(order, **changes)
    truth = true_order(local, order.venue_order_id)
    wanted = {"price": Decimal(99000), "size": Decimal("0.1")} | {k: Decimal(v) for k, v in changes.items()}
    for seen in (changed, truth, await venue.fetch_order(order)):
        assert (seen.price, seen.size, seen.side) == (wanted["price"], wanted["size"], Side.BUY)
    assert (changed.venue_order_id, changed.client_order_id) == (order.venue_order_id, "amended-1")
    assert len(true_orders(local)) == 1


async def test_an_order_known_by_our_id_alone_is_amended(local, venue):
    """What is not known of it is read first."""
    order = await venue.place_order(intent(client_order_id="mine-1"))
    await venue.amend_order(OrderRef(market_id=BTC_ID, client_order_id="mine-1"), price="98000")
    assert true_order(local, order.venue_order_id).price == 98000


async def test_a_trigger_is_amended_while_the_order_waits(local, venue):
    """It fires at the new price, not at the old one."""
    order = await venue.place_order(intent(type="stop_market", price=None, trigger_price="101000"))
    changed = await venue.amend_order(order, trigger_price="102000", size="0.2")
    assert (changed.trigger_price, changed.size) == (Decimal(102000), Decimal("0.2"))
    local.control.set_price(BTC, mark=Decimal(101500))
    assert true_order(local, order.venue_order_id).state is OrderState.UNTRIGGERED
    local.control.set_price(BTC, mark=Decimal(102000))
    assert true_order(local, order.venue_order_id).state is not OrderState.UNTRIGGERED


async def test_an_amendment_that_crosses_trades(local, venue):
    """Moved into the book it takes what stands there."""
    order = await venue.place_order(intent())
    await venue.amend_order(order, price=BEST_ASK)
    assert true_position(local) == Decimal("0.1")
    assert (await venue.fetch_order(order)).status is OrderStatus.FILLED


async def test_an_amendment_keeps_what_was_filled(local, venue):
    """The size is the total: four tenths of one are filled, the new total of two leaves one and six tenths."""
    order = await venue.place_order(intent(price="100000", size="1"))
    local.control.trade(BTC, Side.SELL, Decimal("0.4"))
    changed = await venue.amend_order(await venue.fetch_order(order), size="2")
    truth = true_order(local, order.venue_order_id)
    for seen in (changed, truth):
        assert (seen.size, seen.filled_size, seen.remaining_size) == (Decimal(2), Decimal("0.4"), Decimal("1.6"))
    assert changed.status is OrderStatus.PARTIALLY_FILLED


async def test_a_fill_on_the_way_is_counted_into_the_amendment(local, venue, listen):
    """
    We ask for a total of one by what we knew; six tenths fill before the venue decides. It is still a total of one, and
    nothing is bought twice.
    """
    order = await venue.place_order(intent(price="100000", size="0.8"))
    async with listen(venue, "orders", "fills") as heard:
        local.control.inject("delay", match="PUT /v1/orders/*", delay_ms=1000)
        task = asyncio.create_task(venue.amend_order(order, size="1"))
        await eventually(lambda: local.exchange.fills(local.accounts[0].address) or _struck(local, "PUT"), "the PUT")
        local.control.trade(BTC, Side.SELL, Decimal("0.6"))
        changed = await while_time_passes(local, task)
        await heard.wait_for(lambda: heard.of(perpkit.Fill), "the fill")
    truth = true_order(local, order.venue_order_id)
    assert (truth.size, truth.filled_size) == (Decimal(1), Decimal("0.6"))
    assert (changed.size, changed.filled_size) == (Decimal(1), Decimal("0.6"))
    assert true_position(local) == Decimal("0.6")


def _struck(local, method: str) -> bool:
    return any(name.startswith(method) for _, name, _ in local.control.faults.log)


async def test_an_amendment_below_what_was_filled_meanwhile_leaves_no_more_to_fill(local, venue):
    """Asked down to a half while six tenths fill: the venue refuses it or ends the order, and buys no more."""
    order = await venue.place_order(intent(price="100000", size="0.8"))
    local.control.trade(BTC, Side.SELL, Decimal("0.6"))
    with pytest.raises(OrderRejectedError) as caught:
        await venue.amend_order(order, size="0.5")
    assert caught.value.reason is RejectReason.INVALID_ORDER
    truth = true_order(local, order.venue_order_id)
    assert (truth.size, truth.filled_size) == (Decimal("0.8"), Decimal("0.6"))
    with pytest.raises(InvalidOrderError, match="already filled"):
        await venue.amend_order(await venue.fetch_order(order), size="0.6")


BAD_AMENDMENTS = [
    ("nothing", {}, "changes size, price or trigger_price"),
    ("price off tick", {"price": "98000.05"}, "off tick"),
    ("size off step", {"size": "0.100005"}, "off step"),
    ("size above the maximum", {"size": "101"}, "maximum"),
    ("worth less than the minimum", {"size": "0.0001"}, "minimum notional"),
    ("price of zero", {"price": 0}, "above zero"),
    ("price that is none", {"price": "NaN"}, "above zero"),
    ("a float", {"price": 98000.0}, "float"),
    ("a trigger where there is none", {"trigger_price": "98000"}, "no trigger"),
]


@pytest.mark.parametrize(("changes", "words"), [row[1:] for row in BAD_AMENDMENTS], ids=[n for n, *_ in BAD_AMENDMENTS])
async def test_a_bad_amendment_is_not_sent(local, venue, changes, words):
    """The order stands as it was."""
    order = await venue.place_order(intent())
    sent = count(local, "PUT *")
    with pytest.raises(InvalidOrderError, match=words):
        await venue.amend_order(order, **changes)
    truth = true_order(local, order.venue_order_id)
    assert (sent.hits, truth.price, truth.size) == (0, 99000, Decimal("0.1"))


REFUSED_LATE = [
    ("margin", {"size": "80"}, RejectReason.MARGIN),
    ("post-only would cross", {"price": str(BEST_ASK)}, RejectReason.POST_ONLY_WOULD_CROSS),
    ("price band", {"price": "105000.1"}, RejectReason.PRICE_BAND),
]


@pytest.mark.parametrize(("changes", "reason"), [row[1:] for row in REFUSED_LATE], ids=[n for n, *_ in REFUSED_LATE])
async def test_an_amendment_that_the_venue_refuses_says_so_and_the_order_stands(local, venue, changes, reason):
    """
    The answer is 200 with the order as it was; beside it stands that the change failed. To return the order would say
    that it was carried out.
    """
    order = await venue.place_order(intent(post_only=True))
    with pytest.raises(OrderRejectedError) as caught:
        await venue.amend_order(order, **changes)
    assert caught.value.reason is reason
    assert caught.value.client_order_id == order.client_order_id
    truth = true_order(local, order.venue_order_id)
    assert (truth.state, truth.price, truth.size) == (OrderState.OPEN, 99000, Decimal("0.1"))
    assert (await venue.fetch_order(order)).status is OrderStatus.OPEN


@pytest.mark.parametrize("end", ["filled", "canceled"])
async def test_an_order_that_is_over_can_not_be_amended(local, venue, end):
    """Known to us or not, the error is typed, and nothing comes back to life."""
    order = await venue.place_order(intent(price=BEST_ASK if end == "filled" else "99000"))
    if end == "canceled":
        await venue.cancel_order(order)
    with pytest.raises((OrderNotFoundError, OrderRejectedError)):
        await venue.amend_order(order, price="98000")
    assert true_order(local, order.venue_order_id).is_closed
    assert len(true_orders(local)) == 1


async def test_an_order_that_nobody_has_can_not_be_amended(local, venue):
    """By a venue id that was never given out."""
    with pytest.raises(OrderNotFoundError):
        await venue.amend_order(OrderRef(market_id=BTC_ID, venue_order_id="123"), price="98000")
    assert true_orders(local) == []


# Canceling one


@pytest.mark.parametrize("by", ["the order", "its venue id", "its client id"])
@pytest.mark.parametrize("state", ["open", "partly filled", "untriggered"])
async def test_an_order_is_canceled_by_any_of_its_names(local, venue, listen, by, state):
    """Queued, then confirmed on the stream; what was filled stays filled."""
    kind = {"type": "stop_market", "price": None, "trigger_price": "101000"} if state == "untriggered" else {}
    order = await venue.place_order(intent(client_order_id="out-1", **{"price": "100000", **kind}))
    if state == "partly filled":
        local.control.trade(BTC, Side.SELL, Decimal("0.04"))
    ref = {
        "the order": order,
        "its venue id": OrderRef(market_id=BTC_ID, venue_order_id=order.venue_order_id),
        "its client id": OrderRef(market_id=BTC_ID, client_order_id="out-1"),
    }[by]
    async with listen(venue, "orders") as heard:
        result = await venue.cancel_order(ref)
        assert result.status in {CancelStatus.REQUESTED, CancelStatus.CANCELED}
        await heard.wait_for(lambda: any(each.is_terminal for each in heard.of(perpkit.Order)), "the end")
        last = heard.of(perpkit.Order)[-1]
    filled = Decimal("0.04") if state == "partly filled" else Decimal(0)
    assert (last.status, last.filled_size) == (OrderStatus.CANCELED, filled)
    assert true_order(local, order.venue_order_id).close_reason is CloseReason.USER_CANCELED
    assert true_position(local) == filled


async def test_a_queued_cancel_can_lose_against_a_fill(local, venue, listen):
    """The venue says queued; the fill was first. The order ends filled, and nobody claims that it was canceled."""
    order = await venue.place_order(intent(price="100000"))
    async with listen(venue, "orders") as heard:
        local.control.hold_decisions()
        result = await venue.cancel_order(order)
        assert result.status is CancelStatus.REQUESTED
        local.control.trade(BTC, Side.SELL, Decimal("0.1"))
        local.control.release_decisions()
        await heard.wait_for(lambda: any(each.is_terminal for each in heard.of(perpkit.Order)), "the end")
        last = heard.of(perpkit.Order)[-1]
    truth = true_order(local, order.venue_order_id)
    assert (last.status is OrderStatus.FILLED) is (truth.close_reason is CloseReason.FILLED)
    assert last.filled_size == truth.filled_size == true_position(local)


@pytest.mark.parametrize("by", ["venue id", "client id"])
@pytest.mark.parametrize("end", ["never was", "filled", "canceled"])
async def test_canceling_what_is_not_open_is_not_found_and_proves_nothing(local, venue, by, end):
    """One error for all three, because the venue can't always tell them apart; a read tells."""
    order = None
    if end != "never was":
        order = await venue.place_order(
            intent(price=BEST_ASK if end == "filled" else "99000", client_order_id="over-1")
        )
        if end == "canceled":
            await venue.cancel_order(order)
    names = {"venue_order_id": order.venue_order_id if order else "123"}
    ref = OrderRef(market_id=BTC_ID, **(names if by == "venue id" else {"client_order_id": "over-1"}))
    with pytest.raises(OrderNotFoundError) as caught:
        await venue.cancel_order(ref)
    assert caught.value.venue == "paradex"
    if order is not None:
        expected = OrderStatus.FILLED if end == "filled" else OrderStatus.CANCELED
        assert (await venue.fetch_order(ref)).status is expected
    else:
        with pytest.raises(OrderNotFoundError):
            await venue.fetch_order(ref)


async def test_the_order_of_another_account_is_not_ours_to_touch(local, venue, open_on):
    """Not found, and it stands."""
    other = await open_on(account=1)
    order = await other.place_order(intent(client_order_id="theirs"))
    for ref in (
        OrderRef(market_id=BTC_ID, venue_order_id=order.venue_order_id),
        OrderRef(market_id=BTC_ID, client_order_id="theirs"),
    ):
        with pytest.raises(OrderNotFoundError):
            await venue.cancel_order(ref)
        with pytest.raises(OrderNotFoundError):
            await venue.amend_order(ref, price="98000")
    await venue.cancel_all_orders()
    truth = true_order(local, order.venue_order_id, account=1)
    assert (truth.state, truth.price) == (OrderState.OPEN, 99000)


# Canceling all


@pytest.mark.parametrize("scope", [None, BTC])
async def test_cancel_all_ends_what_it_covers_and_no_more(local, venue, scope):
    """One market or the account; orders waiting for a trigger are covered, positions are not touched."""
    await venue.place_order(market_intent())
    for changes in (
        {},
        {"price": "98000"},
        {"type": "stop_market", "price": None, "trigger_price": "101000"},
        {"market_id": SOL, "size": "1", "price": "195"},
    ):
        await venue.place_order(intent(**changes))
    assert len(await venue.fetch_open_orders()) == 4
    await venue.cancel_all_orders(scope)
    left = await venue.fetch_open_orders()
    assert [order.market_id for order in left] == ([f"{SOL}@paradex"] if scope else [])
    assert len(local.exchange.open_orders(local.accounts[0].address)) == len(left)
    assert true_position(local) == Decimal("0.1")


async def test_cancel_all_with_nothing_open_is_no_error(local, venue):
    """It may be the answer to not knowing."""
    await venue.cancel_all_orders()
    await venue.cancel_all_orders(BTC)
    assert true_orders(local) == []


async def test_cancel_all_for_an_unknown_market_touches_nothing(local, venue):
    """A misspelt market must not become all markets."""
    order = await venue.place_order(intent())
    with pytest.raises(perpkit.UnknownMarketError):
        await venue.cancel_all_orders("BTC-USD-PRP")
    assert not true_order(local, order.venue_order_id).is_closed


# Looking up


async def test_an_order_is_found_by_any_name_in_any_state(local, venue):
    """Pending, open, waiting, filled, canceled, rejected: each by both ids, as the exchange has it."""
    placed = {
        OrderStatus.OPEN: await venue.place_order(intent()),
        OrderStatus.FILLED: await venue.place_order(market_intent()),
        OrderStatus.REJECTED: await venue.place_order(intent(price=BEST_ASK, post_only=True)),
        OrderStatus.CANCELED: await venue.place_order(intent(time_in_force="ioc")),
    }
    waiting = await venue.place_order(intent(type="stop_market", price=None, trigger_price="101000"))
    local.control.hold_decisions()
    pending = await venue.place_order(intent())
    for status, order in (*placed.items(), (OrderStatus.OPEN, waiting), (OrderStatus.PENDING, pending)):
        for ref in (
            OrderRef(market_id=BTC_ID, venue_order_id=order.venue_order_id),
            OrderRef(market_id=BTC_ID, client_order_id=order.client_order_id),
        ):
            found = await venue.fetch_order(ref)
            truth = true_order(local, order.venue_order_id)
            assert (found.venue_order_id, found.client_order_id, found.status) == (truth.id, truth.client_id, status)
            assert (found.size, found.filled_size) == (truth.size, truth.filled_size)
    local.control.release_decisions()
    assert len(await venue.fetch_order_history()) == len(true_orders(local)) == 6


@pytest.mark.parametrize("name", ["a/b", "..%2F..", "x y", "ä-ö", "?market=ALL", "#1", "."])
async def test_a_client_id_with_signs_of_a_path_names_one_order(local, venue, name):
    """Somebody else's tool chose it: we place none like it, and still find and cancel that order and no other."""
    keeps = await venue.place_order(intent())
    with pytest.raises(InvalidOrderError, match="client_order_id"):
        await venue.place_order(intent(client_order_id=name))
    request = OrderRequest(
        account_id=local.accounts[0].address,
        market=BTC,
        side=Side.BUY,
        type=perpkit.OrderType.LIMIT,
        size=Decimal("0.1"),
        price=Decimal(98000),
        client_id=name,
    )
    strange = local.exchange.submit(request)
    ref = OrderRef(market_id=BTC_ID, client_order_id=name)
    if name == ".":
        # It would name another path on the way.
        for ask in (venue.cancel_order, venue.fetch_order):
            with pytest.raises(ConfigError, match="nothing was sent"):
                await ask(ref)
        ref = OrderRef(market_id=BTC_ID, venue_order_id=strange.id)
    assert (await venue.fetch_order(ref)).venue_order_id == strange.id
    await venue.cancel_order(ref)
    assert true_order(local, strange.id).is_closed
    assert not true_order(local, keeps.venue_order_id).is_closed


async def test_a_client_id_used_again_after_its_order_ended_names_the_newest(local, venue):
    """The venue allows it once the first is over."""
    first = await venue.place_order(intent(client_order_id="again"))
    await venue.cancel_order(first)
    local.control.advance(timedelta(seconds=1))
    second = await venue.place_order(intent(client_order_id="again"))
    found = await venue.fetch_order(OrderRef(market_id=BTC_ID, client_order_id="again"))
    assert (found.venue_order_id, found.status) == (second.venue_order_id, OrderStatus.OPEN)
    assert (await venue.fetch_order(first)).status is OrderStatus.CANCELED


# Cancellation at any await

COMMANDS = {
    "amend": lambda venue, order: venue.amend_order(order, price="98000"),
    "cancel": lambda venue, order: venue.cancel_order(order),
    "cancel all": lambda venue, order: venue.cancel_all_orders(),
    "batch": lambda venue, order: venue.place_orders([intent(), intent()]),
    "fetch": lambda venue, order: venue.fetch_order(order),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("order_entry", ["rest", "ws"])
async def test_a_command_cut_off_at_any_await_leaves_nothing_behind(local, open_on, command, order_entry):
    """
    Cut off after so many turns of the loop: the exchange has done it whole or not at all, the venue object goes on
    working, and when it closes no task, no socket and no error is left.
    """
    before = asyncio.all_tasks()
    for turns in range(0, 45, 4):
        # Two objects that sign in one millisecond would use one nonce; time does pass between two processes.
        local.control.advance(timedelta(seconds=1))
        venue = await open_on(order_entry=order_entry)
        order = await venue.place_order(intent())
        known = len(true_orders(local))
        if turns % 8:
            local.control.expire_tokens()
        task = asyncio.create_task(COMMANDS[command](venue, order))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() or task.exception() is None
        # The same object serves the next command, and its connection is not a step behind.
        after = await venue.place_order(intent(price="97000"))
        assert true_order(local, after.venue_order_id).price == 97000
        assert len(true_orders(local)) - known in ({1, 3} if command == "batch" else {1})
        truth = true_order(local, order.venue_order_id)
        assert truth.price in {99000, 98000}
        await venue.cancel_all_orders()
        await venue.close()
    await eventually(lambda: local.connections == 0, "every socket to be closed")
    await eventually(lambda: asyncio.all_tasks() <= before | _servers_own(), "every task to end")


def _servers_own() -> set[asyncio.Task[object]]:
    """Tasks of the server in the same loop: they serve the connections that are closing."""
    return {task for task in asyncio.all_tasks() if "aiohttp/web" in repr(task) or "perpkit/sim" in repr(task)}
