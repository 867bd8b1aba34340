"""
What becomes of orders on Lighter: a yes of the API is no order. Dropped, crossing and expired ones are told, by the
stream and by the reads, with a reason; what can't be is refused before anything is sent.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from perpkit.core.errors import (
    CapabilityError,
    InvalidOrderError,
    OrderNotFoundError,
    OrderRejectedError,
    RejectReason,
    UnknownMarketError,
    VenueError,
)
from perpkit.core.models import (
    CancelStatus,
    Fill,
    Order,
    OrderRef,
    OrderStatus,
    OrderType,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from perpkit.sim.markets import MarketStatus
from tests.integration.conftest import eventually
from tests.integration.lighter.conftest import (
    ETH,
    SEND,
    WIRE_ETH,
    account_id,
    intent,
    paced,
    true_orders,
    true_size,
)

D = Decimal


async def fate(local, venue, heard, order):
    """The order's end as the stream tells it, after the same was read from REST."""
    await paced(
        local,
        eventually(
            lambda: any(each.is_terminal for each in heard.of(Order) if each.client_order_id == order.client_order_id),
            "the end",
        ),
    )
    told = [each for each in heard.of(Order) if each.client_order_id == order.client_order_id][-1]
    read = await venue.fetch_order(OrderRef(market_id=order.market_id, client_order_id=order.client_order_id))
    for name in ("status", "reject_reason", "filled_size", "size", "side", "client_order_id"):
        assert getattr(read, name) == getattr(told, name), name
    return told


ENDS = {
    "post-only that crosses": (
        {"price": "4010", "post_only": True},
        (OrderStatus.REJECTED, RejectReason.POST_ONLY_WOULD_CROSS),
    ),
    "reduce-only with nothing to reduce": (
        {"price": "4010", "reduce_only": True, "time_in_force": TimeInForce.IOC},
        (OrderStatus.REJECTED, RejectReason.REDUCE_ONLY),
    ),
    "immediate-or-cancel that meets nobody": (
        {"price": "3900", "time_in_force": TimeInForce.IOC},
        (OrderStatus.CANCELED, RejectReason.NO_LIQUIDITY),
    ),
}


@pytest.mark.parametrize(("changes", "end"), ENDS.values(), ids=ENDS.keys())
@pytest.mark.parametrize("name", [None, "mm-1"], ids=["number", "text"])
async def test_an_order_that_was_taken_and_dropped_is_told_with_its_reason(local, venue, listen, changes, end, name):  # noqa: PLR0917
    """Pending first, since the API said yes; then its end, the same on the stream and in the reads."""
    async with listen(venue, "orders", "fills") as heard:
        order = await venue.place_order(intent(client_order_id=name, **changes))
        assert order.status is OrderStatus.PENDING
        told = await fate(local, venue, heard, order)
    assert (told.status, told.reject_reason) == end
    assert heard.of(Fill) == []
    assert true_size(local) == 0


async def test_a_partial_fill_keeps_its_fill_when_the_rest_is_dropped(local, venue, listen):
    """Immediate-or-cancel for more than there is at the price: canceled, with what was filled."""
    async with listen(venue, "orders", "fills") as heard:
        order = await venue.place_order(intent(size="8", price="4000.01", time_in_force=TimeInForce.IOC))
        told = await fate(local, venue, heard, order)
        await heard.wait_for(lambda: heard.of(Fill), "the fill")
    assert (told.status, told.filled_size) == (OrderStatus.CANCELED, D(5))
    assert sum(each.size for each in heard.of(Fill)) == true_size(local) == D(5)


async def test_a_market_order_beyond_its_bound_is_cut_there(local, venue, listen):
    """No fill is worse than the bound allows on average; what would be is dropped."""
    local.control.clear_liquidity(WIRE_ETH)
    local.control.place_liquidity(WIRE_ETH, asks=[(D(4000), D(1)), (D(4500), D(5))], bids=[(D(3990), D(1))])
    async with listen(venue, "orders") as heard:
        order = await venue.place_order(intent(size="5", price=None, type=OrderType.MARKET, max_slippage="0.01"))
        told = await fate(local, venue, heard, order)
    assert told.is_terminal
    assert true_size(local) == D(1)


async def test_an_order_expires_at_its_date(local, venue, listen):
    """Good till its date: expired then, on the stream and in the reads."""
    until = local.clock.now() + timedelta(minutes=6)
    async with listen(venue, "orders") as heard:
        order = await venue.place_order(intent(time_in_force=TimeInForce.GTD, expires_at=until))
        await heard.wait_for(lambda: heard.of(Order), "the order")
        local.control.advance(timedelta(minutes=6, seconds=1))
        told = await fate(local, venue, heard, order)
    assert (told.status, told.reject_reason, told.expires_at) == (OrderStatus.EXPIRED, RejectReason.EXPIRED, until)


async def test_our_own_resting_order_gives_way_by_default(local, venue, listen):
    """Self-trade: the resting one is canceled and says why."""
    async with listen(venue, "orders") as heard:
        resting = await venue.place_order(intent(price="4000"))
        default = SelfTradePrevention.EXPIRE_MAKER
        await venue.place_order(intent(side=Side.SELL, price="4000", self_trade_prevention=default))
        told = await fate(local, venue, heard, resting)
    assert (told.status, told.reject_reason) == (OrderStatus.CANCELED, RejectReason.SELF_TRADE)


@pytest.mark.parametrize("sim_settings", [{"invalid_reduce_only": "vanishes"}], ids=["vanishes"])
async def test_an_order_of_which_the_venue_says_nothing_never_was_once_its_time_is_over(local, venue):
    """A yes, and then not a word: pending while it may still come, rejected as never received after 599 s and some."""
    order = await venue.place_order(intent(price="4010", reduce_only=True, time_in_force=TimeInForce.IOC))
    with pytest.raises(OrderNotFoundError):
        await venue.fetch_order(order)
    # The API took it, so pending is what is known.
    found = await paced(local, venue.resolve_order(order, within=timedelta(seconds=2)))
    assert found.status is OrderStatus.PENDING
    local.control.advance(timedelta(minutes=11))
    found = await paced(local, venue.resolve_order(order, within=timedelta(seconds=5)))
    assert (found.status, found.reject_reason) == (OrderStatus.REJECTED, RejectReason.NEVER_RECEIVED)


@pytest.mark.parametrize("sim_settings", [{"invalid_reduce_only": "refused"}], ids=["refused"])
async def test_a_reduce_only_order_that_the_api_refuses_is_rejected_at_once(venue):
    """Some deployments say so synchronously."""
    with pytest.raises(OrderRejectedError) as caught:
        await venue.place_order(intent(price="4010", reduce_only=True))
    assert caught.value.reason is RejectReason.REDUCE_ONLY


async def test_a_reduce_only_order_closes_and_no_more(local, venue, listen):
    """More than the position: it ends flat, never the other way round."""
    await venue.place_order(intent(size="0.5", price=None, type=OrderType.MARKET))
    await eventually(lambda: true_size(local) == D("0.5"), "the position")
    async with listen(venue, "orders") as heard:
        close = await venue.place_order(
            intent(side=Side.SELL, size="2", price=None, type=OrderType.MARKET, reduce_only=True)
        )
        await fate(local, venue, heard, close)
    assert true_size(local) == 0


async def test_one_id_is_one_open_order_whatever_its_market(local, venue):
    """The venue refuses the second; once the first is over the id may be used again, and reads find the newer one."""
    await venue.place_order(intent(client_order_id="grid-1"))
    with pytest.raises(OrderRejectedError) as caught:
        await venue.place_order(intent(client_order_id="grid-1", market_id="BTC-USDC-PERP", size="0.01", price="79000"))
    assert caught.value.reason is RejectReason.DUPLICATE_CLIENT_ID
    ref = OrderRef(market_id=f"{ETH}@lighter", client_order_id="grid-1")
    await venue.cancel_order(ref)
    await eventually(lambda: true_orders(local)[0].is_closed, "the cancel")
    local.control.advance(timedelta(seconds=1))
    await venue.place_order(intent(client_order_id="grid-1", price="3880"))
    found = await venue.fetch_order(ref)
    assert (found.price, found.status) == (D(3880), OrderStatus.OPEN)
    assert len(true_orders(local)) == 2


async def test_an_order_of_a_batch_that_the_sequencer_drops_costs_the_others_nothing(local, venue, listen):
    """One of three would cross: two rest, and the third is told."""
    async with listen(venue, "orders") as heard:
        orders = await venue.place_orders(
            [intent(), intent(price="4010", post_only=True, client_order_id="x-2"), intent(price="3880")]
        )
        assert [each.status for each in orders] == [OrderStatus.PENDING] * 3
        told = await fate(local, venue, heard, orders[1])
    assert (told.status, told.reject_reason) == (OrderStatus.REJECTED, RejectReason.POST_ONLY_WOULD_CROSS)
    assert sorted(each.price for each in await venue.fetch_open_orders()) == [D(3880), D(3900)]


async def test_cancels_of_what_is_gone_are_typed(local, venue):
    """Filled, canceled or never there: the order itself tells, and nothing is claimed that was not."""
    order = await venue.place_order(intent(price=None, type=OrderType.MARKET))
    await eventually(lambda: true_size(local), "the fill")
    for ref in (order.ref, OrderRef(market_id=order.market_id, client_order_id="nobody")):
        try:
            result = await venue.cancel_order(ref)
        except OrderNotFoundError:
            continue
        assert result.status is not CancelStatus.CANCELED
    assert (await venue.fetch_order(order)).status is OrderStatus.FILLED
    with pytest.raises(OrderNotFoundError):
        await venue.fetch_order(OrderRef(market_id=order.market_id, client_order_id="nobody"))


# What can't be


async def sent_of(local, attempt, error, match=None):
    """Return how many transactions an attempt sent that must fail."""
    counter = local.control.inject("extra_fields", match=SEND, times=None)
    with pytest.raises(error, match=match):
        await attempt
    return counter.hits


HOPELESS = {
    "off the tick": ({"price": "3900.001"}, InvalidOrderError, "tick"),
    "off the step": ({"size": "0.10001"}, InvalidOrderError, "step"),
    "below the least size": ({"size": "0.001"}, InvalidOrderError, "0.005"),
    "below the least worth": ({"size": "0.005", "price": "100"}, InvalidOrderError, "10"),
    "fill-or-kill": ({"time_in_force": TimeInForce.FOK}, CapabilityError, "fok"),
    "an expiry too near": (
        {"time_in_force": TimeInForce.GTD, "expires_at": "2026-01-01T00:04:00Z"},
        InvalidOrderError,
        "5 minutes to 30 days",
    ),
    "an expiry too far": (
        {"time_in_force": TimeInForce.GTD, "expires_at": "2026-03-01T00:00:00Z"},
        InvalidOrderError,
        "5 minutes to 30 days",
    ),
    "a price beyond 32 bits": ({"price": "99999999.99"}, InvalidOrderError, None),
    "an id with a blank": ({"client_order_id": "my order"}, InvalidOrderError, "client_order_id"),
    "an id too long": ({"client_order_id": "x" * 65}, InvalidOrderError, "64"),
    "no such market": ({"market_id": "NOPE-USDC-PERP"}, UnknownMarketError, "NOPE"),
    "a trigger price of choice": (
        {"type": OrderType.STOP_MARKET, "price": None, "trigger_price": "3800", "trigger_kind": "last"},
        CapabilityError,
        "trigger",
    ),
}


@pytest.mark.parametrize(("changes", "error", "words"), HOPELESS.values(), ids=HOPELESS.keys())
async def test_what_can_be_known_beforehand_is_not_sent(local, venue, changes, error, words):
    """The error names the field and the way out, and the exchange hears nothing."""
    assert await sent_of(local, venue.place_order(intent(**changes)), error, words) == 0
    assert true_orders(local) == []


async def test_a_market_order_without_anybody_to_trade_with_is_not_sent(local, venue):
    """It can't be bounded, and the venue takes none without a bound."""
    local.control.clear_liquidity(WIRE_ETH)
    attempt = venue.place_order(intent(price=None, type=OrderType.MARKET))
    assert await sent_of(local, attempt, InvalidOrderError, "no asks now") == 0


REFUSED = {
    "more than the margin": ({"size": "5000"}, RejectReason.MARGIN),
    "far through the mark": ({"price": "9000"}, RejectReason.PRICE_BAND),
    "far from the mark": ({"price": "100", "size": "1"}, RejectReason.PRICE_BAND),
}


@pytest.mark.parametrize(("changes", "reason"), REFUSED.values(), ids=REFUSED.keys())
async def test_what_the_venue_refuses_is_rejected_with_a_reason(local, venue, changes, reason):
    """By code and words of the venue, which the error keeps."""
    with pytest.raises(OrderRejectedError) as caught:
        await venue.place_order(intent(**changes))
    assert (caught.value.reason, bool(caught.value.code)) == (reason, True)
    assert [each for each in true_orders(local) if not each.is_closed] == []


async def test_a_halted_market_takes_nothing(local, venue):
    """Known from the listing, or told by the venue; either way no order is there."""
    local.control.set_market_status(WIRE_ETH, MarketStatus.HALTED)
    with pytest.raises((OrderRejectedError, InvalidOrderError)):
        await venue.place_order(intent())
    assert true_orders(local) == []
    assert (await venue.fetch_markets())[0].status is not None


async def test_an_amendment_that_the_venue_refuses_leaves_the_order(local, venue):
    """More than the margin: the order stands as it was, and the error says so."""
    order = await venue.place_order(intent())
    (order,) = await venue.fetch_open_orders()
    with pytest.raises(VenueError, match=r"stands as it was|margin"):
        await venue.amend_order(order, size="5000")
    (truth,) = true_orders(local)
    assert (truth.size, truth.is_closed) == (D("0.1"), False)
    assert local.exchange.account(account_id(local)).equity == 100_000
