"""
Orders that can't be: each is refused in words that say why, what can be known beforehand is not even sent, and the
exchange never has an order that nobody asked for.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

import perpkit
from perpkit.core.errors import (
    CapabilityError,
    InvalidOrderError,
    OrderRejectedError,
    OutcomeUnknownError,
    RejectReason,
    UnknownMarketError,
    VenueUnavailableError,
)
from perpkit.core.models import CancelStatus, OrderIntent, OrderStatus, Side
from perpkit.sim.markets import MarketStatus, SystemStatus
from perpkit.sim.orders import CloseReason
from tests.integration.conftest import BTC, while_time_passes
from tests.integration.helpers import BEST_ASK, count, intent, market_intent, true_order, true_orders, true_position

SOL = "SOL-USD-PERP"

# What no order can hold: refused where the intent is made.

NO_NUMBERS = ["0", "-1", "NaN", "sNaN", "-NaN", "Infinity", "-Infinity", "", "one", "0x10", 0.1, 1.0, True, None, b"1"]


@pytest.mark.parametrize("value", NO_NUMBERS, ids=repr)
@pytest.mark.parametrize("field", ["size", "price"])
def test_what_is_no_number_above_zero_makes_no_order(field, value):
    """A float is refused even where it looks exact: it has lost digits already."""
    with pytest.raises(InvalidOrderError) as caught:
        intent(**{field: value})
    assert field in str(caught.value) or "needs a price" in str(caught.value)


CONTRADICTIONS = [
    ("a limit order without a price", {"price": None}),
    ("a market order with a price", {"type": "market"}),
    ("a stop without a trigger", {"type": "stop_limit"}),
    ("a limit order with a trigger", {"trigger_price": "98000"}),
    ("post-only that may not rest", {"post_only": True, "time_in_force": "ioc"}),
    ("a post-only market order", {"type": "market", "price": None, "post_only": True}),
    ("an expiry without gtd", {"expires_at": "2026-01-02T00:00:00Z"}),
    ("slippage on a limit order", {"max_slippage": "0.01"}),
    ("a field that does not exist", {"post_onyl": True}),
    ("a side that does not exist", {"side": "long"}),
]


@pytest.mark.parametrize("changes", [change for _, change in CONTRADICTIONS], ids=[name for name, _ in CONTRADICTIONS])
def test_fields_that_can_not_stand_together_make_no_order(changes):
    """It is said before there is an intent at all."""
    with pytest.raises(InvalidOrderError):
        intent(**changes)


# What a market's rules forbid: refused before anything is sent.

OFF_THE_RULES = [
    ("price off tick", {"price": "99000.05"}, "99000 or 99000.1"),
    ("price below one tick", {"price": "0.05"}, "nearest 0.1"),
    ("price with a 61-digit tail", {"price": "99000." + "1" * 61}, "digits"),
    ("size off step", {"size": "0.100005"}, "0.1 or 0.10001"),
    ("size below one step", {"size": "0.000001"}, "off step"),
    ("size below the minimum notional", {"size": "0.0001", "price": "99000"}, "minimum notional 10"),
    ("size above the maximum", {"size": "100.00001"}, "maximum 100"),
    ("a size beyond any market", {"size": "1e70"}, "digits"),
    ("a client order id that is too long", {"client_order_id": "x" * 65}, "64"),
    ("an empty client order id", {"client_order_id": ""}, "client"),
    ("a trigger off tick", {"type": "stop_limit", "trigger_price": "101000.01", "price": "101001"}, "101000.1"),
]


@pytest.mark.parametrize(
    ("changes", "words"), [row[1:] for row in OFF_THE_RULES], ids=[name for name, *_ in OFF_THE_RULES]
)
async def test_what_breaks_a_rule_of_the_market_is_not_sent(local, venue, changes, words):
    """The message names what would be right; the exchange's door saw no order."""
    sent = count(local, "* /v1/orders*")
    with pytest.raises(InvalidOrderError) as caught:
        await venue.place_order(intent(**changes))
    assert words in str(caught.value)
    assert (sent.hits, true_orders(local)) == (0, [])


async def test_the_least_and_the_largest_that_the_rules_allow_are_taken(local, venue):
    """The limits belong to the allowed side; the exchange agrees on each."""
    # 10 USD at 99,000 are 0.000101…: the next step is 0.00011.
    for size in ("0.00011", "100"):
        order = await venue.place_order(intent(size=size))
        assert true_order(local, order.venue_order_id).size == Decimal(size)


@pytest.mark.parametrize(
    "name",
    ["NOPE-USD-PERP", "BTC", "", "../orders", "BTC-USD-PERP@extended", "BTC-USD-25DEC26-100000-C", "XAU-USD-25DEC26"],
)
async def test_an_unknown_market_is_named_and_nothing_is_sent(local, venue, name):
    """Options and dated rows are listed by the venue and are no markets here."""
    sent = count(local, "* /v1/orders*")
    with pytest.raises(UnknownMarketError) as caught:
        await venue.place_order(OrderIntent(market_id=name, side=Side.BUY, size="0.1", price="99000"))
    assert repr(name) in str(caught.value) or name in str(caught.value)
    assert sent.hits == 0


@pytest.mark.parametrize("symbol", ["LUNA-USD-PERP", "SOON-USD-PERP"])
async def test_a_settled_market_and_one_not_yet_open_take_no_order(local, venue, symbol):
    """They are listed and known; the refusal says that they are closed, and nothing is sent."""
    sent = count(local, "* /v1/orders*")
    with pytest.raises(InvalidOrderError, match="settled or not yet open"):
        await venue.place_order(intent(market_id=symbol, size="100", price="0.5"))
    assert sent.hits == 0


@pytest.mark.parametrize(
    "changes",
    [{"time_in_force": "fok"}, {"time_in_force": "gtd", "expires_at": "2026-01-02T00:00:00Z"}],
    ids=["fok", "gtd"],
)
async def test_a_time_in_force_that_the_venue_lacks_is_a_missing_ability(local, venue, changes):
    """It is never turned into another one."""
    with pytest.raises(CapabilityError):
        await venue.place_order(intent(**changes))
    assert true_orders(local) == []


@pytest.mark.parametrize("options", [{"iceberg": True}, {"rpi": "yes"}, {"trigger_condition": "above"}])
async def test_an_option_that_does_not_exist_or_fit_is_refused(local, venue, options):
    """Nothing is dropped in silence."""
    with pytest.raises((InvalidOrderError, CapabilityError)) as caught:
        await venue.place_order(intent(options=options))
    assert next(iter(options)) in str(caught.value)
    assert true_orders(local) == []


async def test_one_bad_order_keeps_its_whole_batch_from_being_sent(local, venue):
    """Half a batch is not what was asked."""
    sent = count(local, "* /v1/orders*")
    with pytest.raises(InvalidOrderError, match="off tick"):
        await venue.place_orders([intent(), intent(price="99000.05"), intent()])
    assert sent.hits == 0


@pytest.mark.parametrize("many", [0, 11])
async def test_a_batch_of_none_or_too_many_is_not_sent(local, venue, many):
    """The venue takes 1 to 10."""
    with pytest.raises(InvalidOrderError, match="1 to 10"):
        await venue.place_orders([intent()] * many)
    assert true_orders(local) == []


# What only the venue can know, and says at once.


async def test_rules_that_changed_since_they_were_read_are_the_venues_to_say(local, venue):
    """What we hold may be old; the refusal is a rejection with its reason, and there is no order."""
    await venue.fetch_markets()
    rules = local.exchange.market(BTC)
    local.venue.listings[BTC] = replace(
        local.venue.listings[BTC], tick_size=Decimal(10), max_order_size=Decimal("0.05")
    )
    local.exchange.change_market(replace(rules, tick_size=Decimal(10), max_size=Decimal("0.05")))
    for changes in ({"price": "99001", "size": "0.01"}, {"size": "0.1"}):
        with pytest.raises(OrderRejectedError) as caught:
            await venue.place_order(intent(**changes))
        assert caught.value.reason is RejectReason.INVALID_ORDER
        assert caught.value.client_order_id is not None
    assert true_orders(local) == []


async def test_a_market_that_was_taken_off_the_list_is_unknown(local, venue):
    """We held it still; the venue's word counts."""
    await venue.fetch_markets()
    del local.venue.listings["ETH-USD-PERP"]
    with pytest.raises(UnknownMarketError):
        await venue.place_order(intent(market_id="ETH-USD-PERP", size="1", price="3000"))
    assert true_orders(local) == []


# What the venue decides after it took the order: NEW first, then closed with a reason.


async def _last(local, venue, order, heard):
    await heard.wait_for(
        lambda: any(each.is_terminal for each in heard.of(perpkit.Order) if each.ref == order.ref), "the end"
    )
    last = [each for each in heard.of(perpkit.Order) if each.ref == order.ref][-1]
    fetched = await venue.fetch_order(order)
    assert (fetched.status, fetched.reject_reason) == (last.status, last.reject_reason)
    return last


LATE = [
    (
        "post-only that would cross",
        {"post_only": True, "price": str(BEST_ASK)},
        (OrderStatus.REJECTED, RejectReason.POST_ONLY_WOULD_CROSS, CloseReason.POST_ONLY_WOULD_CROSS),
    ),
    (
        "reduce-only without a position",
        {"reduce_only": True},
        (OrderStatus.REJECTED, RejectReason.REDUCE_ONLY, CloseReason.REDUCE_ONLY_WOULD_INCREASE),
    ),
    (
        "a price outside the band",
        {"price": "106000"},
        (OrderStatus.REJECTED, RejectReason.PRICE_BAND, CloseReason.PRICE_OUT_OF_BAND),
    ),
    (
        "ioc that finds nothing",
        {"time_in_force": "ioc"},
        (OrderStatus.CANCELED, RejectReason.NO_LIQUIDITY, CloseReason.IOC_REMAINDER),
    ),
    (
        "not enough margin",
        {"size": "60"},
        (OrderStatus.REJECTED, RejectReason.MARGIN, CloseReason.NOT_ENOUGH_MARGIN),
    ),
]


@pytest.mark.parametrize(("changes", "expected"), [row[1:] for row in LATE], ids=[name for name, *_ in LATE])
async def test_what_is_refused_after_it_was_taken_ends_with_its_reason(local, venue, listen, changes, expected):
    """The command returns it pending; stream, reads and exchange agree on the end."""
    async with listen(venue, "orders") as heard:
        order = await venue.place_order(intent(**changes))
        assert order.status is OrderStatus.PENDING
        last = await _last(local, venue, order, heard)
    (truth,) = true_orders(local)
    assert (last.status, last.reject_reason, truth.close_reason) == expected
    assert last.filled_size == truth.filled_size == 0
    assert true_position(local) == 0


async def test_a_market_order_into_an_empty_book_ends_unfilled(local, venue, listen):
    """It never rests."""
    local.control.clear_liquidity(BTC)
    async with listen(venue, "orders") as heard:
        order = await venue.place_order(market_intent())
        last = await _last(local, venue, order, heard)
    assert (last.status, last.reject_reason) == (OrderStatus.CANCELED, RejectReason.NO_LIQUIDITY)
    assert true_position(local) == 0


async def test_a_bounded_market_order_into_an_empty_book_is_not_sent(local, venue):
    """Without a quote there is nothing to bound it by."""
    local.control.clear_liquidity(BTC)
    with pytest.raises(InvalidOrderError):
        await venue.place_order(market_intent(max_slippage="0.01"))
    assert true_orders(local) == []


async def test_an_order_beyond_the_position_limit_is_rejected_with_that_reason(local, venue, listen):
    """The exchange counts standing orders: five of 20,000 SOL fill the limit of 100,000."""
    local.control.deposit(local.accounts[0].address, Decimal(10_000_000))
    async with listen(venue, "orders") as heard:
        placed = await venue.place_orders([intent(market_id=SOL, size="20000", price="195") for _ in range(6)])
        last = await _last(local, venue, placed[-1], heard)
    assert (last.status, last.reject_reason) == (OrderStatus.REJECTED, RejectReason.POSITION_LIMIT)
    assert len(await venue.fetch_open_orders(SOL)) == 5


async def test_one_order_too_many_is_rejected_with_that_reason(local, venue, listen):
    """The venue takes 100 open orders a market."""
    for _ in range(10):
        await venue.place_orders([intent(size="0.001")] * 10)
    async with listen(venue, "orders") as heard:
        order = await venue.place_order(intent(size="0.001"))
        last = await _last(local, venue, order, heard)
    assert (last.status, last.reject_reason) == (OrderStatus.REJECTED, RejectReason.ORDER_LIMIT)
    assert len(await venue.fetch_open_orders()) == 100


# A market or a venue that does not take orders now.


async def test_a_halted_market_refuses_new_orders_and_says_closed(local, venue):
    """The listing has no word for a halt, so it is the venue's refusal."""
    local.control.set_market_status(BTC, MarketStatus.HALTED)
    with pytest.raises(OrderRejectedError) as caught:
        await venue.place_order(intent())
    assert caught.value.reason is RejectReason.MARKET_CLOSED
    assert true_orders(local) == []


async def test_a_market_that_takes_cancels_only_refuses_an_order_and_takes_a_cancel(local, venue):
    """Unavailable, not rejected: the same order may pass later."""
    order = await venue.place_order(intent())
    local.control.set_market_status(BTC, MarketStatus.CANCEL_ONLY)
    with pytest.raises(VenueUnavailableError):
        await venue.place_order(intent())
    assert (await venue.cancel_order(order)).status is CancelStatus.REQUESTED
    assert [each.close_reason for each in true_orders(local)] == [CloseReason.USER_CANCELED]


@pytest.mark.parametrize("status", [SystemStatus.CANCEL_ONLY, SystemStatus.POST_ONLY, SystemStatus.MAINTENANCE])
@pytest.mark.parametrize("command", ["place", "batch", "amend"])
async def test_a_venue_that_is_restricted_says_so_with_its_state(local, venue, status, command):
    """One class for all of it, with the state in words and as data; nothing is entered or changed."""
    order = await venue.place_order(intent())
    local.control.set_system_status(status)
    if command == "amend" and status is SystemStatus.POST_ONLY:
        assert (await venue.amend_order(order, price="98000")).price == 98000
        return
    with pytest.raises(VenueUnavailableError) as caught:
        if command == "place":
            await venue.place_order(intent())
        elif command == "batch":
            results = await venue.place_orders([intent(), intent()])
            assert all(isinstance(each, VenueUnavailableError) for each in results), results
            raise results[0]
        else:
            await venue.amend_order(order, price="98000")
    assert status.value in str(caught.value)
    assert caught.value.data == {"system_state": status.value}
    (truth,) = true_orders(local)
    assert truth.price == 99000
    assert (await venue.check_health()).status == status.value


async def test_post_only_orders_pass_while_the_venue_takes_only_those(local, venue):
    """The restriction is not made wider than it is."""
    local.control.set_system_status(SystemStatus.POST_ONLY)
    order = await venue.place_order(intent(post_only=True))
    assert true_order(local, order.venue_order_id).post_only


async def test_a_cancel_passes_while_the_venue_takes_only_cancels(local, venue):
    """Getting out is what the state is for."""
    order = await venue.place_order(intent())
    local.control.set_system_status(SystemStatus.CANCEL_ONLY)
    await venue.cancel_order(order)
    assert local.exchange.open_orders(local.accounts[0].address) == []


@pytest.mark.parametrize("command", ["cancel", "cancel_all"])
async def test_a_cancel_in_maintenance_says_unavailable_and_leaves_the_order(local, venue, command):
    """It may be tried again within its bounds, and ends in the state, not in a guess."""
    order = await venue.place_order(intent())
    local.control.set_system_status(SystemStatus.MAINTENANCE)
    with pytest.raises(VenueUnavailableError) as caught:
        work = venue.cancel_order(order) if command == "cancel" else venue.cancel_all_orders()
        await while_time_passes(local, work)
    assert "maintenance" in str(caught.value)
    assert not true_order(local, order.venue_order_id).is_closed
    local.control.set_system_status(SystemStatus.OK)
    await venue.cancel_order(order)
    assert true_order(local, order.venue_order_id).is_closed


UNEXPLAINED = '{"error": "SERVICE_UNAVAILABLE", "message": "try later"}'


async def test_service_unavailable_that_no_state_explains_proves_nothing(local, venue):
    """A 503 in the venue's own envelope, its system in order: the order may have been taken before, and was."""
    local.control.inject("status_after", match="POST /v1/orders", status=503, body=UNEXPLAINED)
    with pytest.raises(OutcomeUnknownError) as caught:
        await venue.place_order(intent())
    (truth,) = true_orders(local)
    assert (await venue.resolve_order(caught.value)).venue_order_id == truth.id
