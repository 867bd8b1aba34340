"""Names of orders: our id of each reaches the exchange, comes back on every path, and is its own order's alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from perpkit.core.errors import InvalidOrderError, PerpkitError
from perpkit.core.models import Channel, Fill, Order, OrderRef, Side
from perpkit.core.venue import Venue
from perpkit_conformance.outcomes import Outcome
from perpkit_conformance.plugin import gap
from perpkit_conformance.suite.trading import TRADES, Trader, an_id, assert_same
from perpkit_conformance.target import Target

pytestmark = TRADES


@pytest.mark.rule("client-ids-are-echoed")
@pytest.mark.parametrize("own", [True, False], ids=["ours-to-the-last-character", "chosen-by-the-face"])
async def test_an_id_of_ours_reaches_the_exchange_and_comes_back(
    request: pytest.FixtureRequest, target: Target, trader: Trader, own: bool
) -> None:
    """As long as the declared rule allows: on the answer, on every read, and for the right order of two."""
    orders = []
    for number in range(2):
        fields = {"client_order_id": an_id(trader.venue, number)} if own else {}
        order = await trader.place(price=trader.price("0.98") - number * trader.market.tick_size, **fields)
        truth = trader.true(order)
        assert truth.client_id, f"the exchange got no id of ours: {truth!r}"
        assert not own or truth.client_id == fields["client_order_id"]
        assert order.client_order_id == truth.client_id
        orders.append(order)
    for order in orders:
        by_ours = OrderRef(market_id=order.market_id, client_order_id=order.client_order_id)
        assert_same(await trader.fetch(by_ours), trader.true(order), "fetch_order by our id")
    listings: dict[str, Callable[[], Any]] = {
        "fetch_open_orders": lambda: trader.venue.fetch_open_orders(trader.market),
        "fetch_order_history": lambda: trader.venue.fetch_order_history(trader.market),
    }
    for hook, read in listings.items():
        if hook in trader.venue.capabilities.hooks:
            for each in await target.run(read()):
                assert_same(each, trader.true(each), hook)


@pytest.mark.rule("client-ids-are-echoed")
@pytest.mark.needs("fetch_fills")
async def test_fills_carry_the_id_of_their_order(target: Target, trader: Trader) -> None:
    """Taker and maker alike, from REST."""
    taker = await trader.place(Side.BUY, "1.001")
    maker = await trader.place(Side.BUY, "0.99")
    target.control.clear_liquidity()
    trader.trade(Side.SELL, trader.size(300))
    expected = {fill.id: trader.truth.order(fill.order_id) for fill in trader.truth.fills()}
    assert {order.id for order in expected.values() if order} == {taker.venue_order_id, maker.venue_order_id}
    for fill in await target.run(trader.venue.fetch_fills(trader.market)):
        truth = expected.get(fill.fill_id)
        assert truth is not None, f"fill {fill.fill_id}: the ledger has no such fill of an order"
        wanted = (truth.client_id, truth.id)
        came = (fill.client_order_id, fill.venue_order_id)
        assert came == wanted, f"fill {fill.fill_id}: expected ids {wanted} from the ledger, came {came}"


@pytest.mark.rule("client-ids-are-echoed")
@pytest.mark.needs("channel:orders", "channel:fills")
async def test_streams_carry_the_id_of_the_order(target: Target, trader: Trader) -> None:
    """Each event of an order, and each of its fills."""
    async with target.watch(trader.venue, "orders", "fills") as seen:
        orders = [await trader.place(Side.BUY, share, client_order_id=an_id(trader.venue, n)) for n, share in _BOTH]
        await seen.until(
            lambda: (
                seen.of(Fill) and {each.venue_order_id for each in seen.of(Order)} >= {o.venue_order_id for o in orders}
            ),
            "both orders and the fill",
        )
    for event in [*seen.of(Order), *seen.of(Fill)]:
        truth = trader.truth.order(event.venue_order_id or "")
        assert truth is not None, f"the ledger has no such order: {event!r}"
        assert event.client_order_id == truth.client_id, f"expected {truth.client_id} from the ledger, came {event!r}"


_BOTH = ((0, "1.001"), (1, "0.98"))


def alike(venue: Venue) -> list[str]:
    """Return ids as long as may be that differ in their first character, in their last one or in the case of one."""
    rule = venue.capabilities.client_order_id
    stem = ("Mk" * rule.max_length)[: rule.max_length - 1]
    texts = (f"a{stem}", f"b{stem}", f"a{stem[:-1]}z", f"A{stem}")
    return [each for each in texts if rule.problem(each) is None] or [an_id(venue, number) for number in range(4)]


async def _placed(trader: Trader) -> dict[str, str]:
    """Place an order for each of such ids, of which the first one fills; returns our ids by the venue's."""
    trader.target.quote(size=trader.size(100_000))
    orders = []
    for number, name in enumerate(alike(trader.venue)):
        price = trader.price("0.98") - number * trader.market.tick_size if number else trader.price("1.001")
        orders.append(await trader.place(price=price, client_order_id=name))
        assert orders[-1].client_order_id == name, f"sent as {name!r}, answered as {orders[-1].client_order_id!r}"
    names = {each.venue_order_id or "": each.client_order_id or "" for each in orders}
    assert names.keys() == {each.id for each in trader.truth.orders()}, f"the ledger has {trader.truth.orders()!r}"
    assert len(names) == len(orders), f"{len(orders)} orders became {len(names)}"
    return names


async def _listed(trader: Trader, names: Mapping[str, str]) -> None:
    """Every list that is read names each order as it was sent."""
    reads: dict[str, Callable[[], Any]] = {
        "fetch_open_orders": lambda: trader.venue.fetch_open_orders(trader.market),
        "fetch_order_history": lambda: trader.venue.fetch_order_history(trader.market),
        "fetch_fills": lambda: trader.venue.fetch_fills(trader.market),
    }
    for hook, read in reads.items():
        if hook in trader.venue.capabilities.hooks:
            for each in await trader.target.run(read()):
                wanted, came = names[each.venue_order_id or ""], each.client_order_id
                assert came == wanted, f"{hook}: order {each.venue_order_id} was sent as {wanted!r}, came as {came!r}"


@pytest.mark.rule("client-ids-are-echoed")
async def test_ids_that_are_alike_are_kept_apart(target: Target, trader: Trader) -> None:
    """Different in one character or in its case: each is its own order's, in lists and when asked for by it."""
    names = await _placed(trader)
    await _listed(trader, names)
    for venue_order_id, name in names.items():
        found = await trader.fetch(OrderRef(market_id=trader.market.id, client_order_id=name))
        came = (found.venue_order_id, found.client_order_id)
        assert came == (venue_order_id, name), f"asked for {name!r}, which is {venue_order_id}: came {came}"


@pytest.mark.rule("restart-recovers-orders")
async def test_another_process_reads_orders_by_the_names_they_were_sent_with(target: Target, tmp_path: Path) -> None:
    """With what a plugin keeps in files, where it must: lists and streams bear our ids as before."""
    kept = target.profile.keeping(tmp_path)
    first = await Trader.of(target, await target.open(**kept))
    names = await _placed(first)
    await target.run(first.venue.close())
    again = await Trader.of(target, await target.open(**kept))
    await _listed(again, names)
    if Channel.ORDERS not in again.venue.capabilities.channels:
        return
    async with target.watch(again.venue, "orders") as seen:
        for each in again.truth.open_orders():
            target.cancel_order(again.truth.account_id, each.id)
        await seen.until(
            lambda: sum(each.is_terminal for each in seen.of(Order)) >= len(names) - 1, "the end of each order"
        )
    for event in seen.of(Order):
        wanted = names[event.venue_order_id or ""]
        assert event.client_order_id == wanted, f"expected {wanted!r} on the stream, came {event!r}"


@pytest.mark.rule("client-ids-are-echoed")
@pytest.mark.needs("fetch_order_history")
async def test_an_id_whose_number_is_anothers_is_refused(
    request: pytest.FixtureRequest, target: Target, trader: Trader
) -> None:
    """A number that a plugin finds for two texts is the first one's, also once the order of that is over."""
    if not trader.venue.capabilities.client_order_id.maps_text:
        gap(request.node, Outcome.NOT_OFFERED, "client_order_id: the plugin finds no numbers for ids")
    if target.profile.clashing_ids is None:
        gap(request.node, Outcome.NOT_RUN, "the profile gives no two texts with one number (clashing_ids)")
    one, other = target.profile.clashing_ids
    order = await trader.place(client_order_id=one)
    target.cancel_order(trader.truth.account_id, order)
    before = sum(target.arrivals.requests.values())
    came = await trader.attempt(trader.intent(client_order_id=other))
    assert isinstance(came, InvalidOrderError), f"{other!r} goes by the number of {one!r}, and came to {came!r}"
    sent = sum(target.arrivals.requests.values()) - before
    assert not sent, f"{sent} requests arrived for an id that can't be used"
    with pytest.raises(PerpkitError):
        await trader.fetch(OrderRef(market_id=trader.market.id, client_order_id=other))
    history = await target.run(trader.venue.fetch_order_history(trader.market))
    assert [(each.venue_order_id, each.client_order_id) for each in history] == [(order.venue_order_id, one)]
