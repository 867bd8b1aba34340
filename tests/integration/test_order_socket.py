"""
Orders over the WebSocket, by choice: the same outcomes as over REST in every case, answers that are lost with the
connection, and cancel-on-disconnect.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

import perpkit
from perpkit.core.errors import (
    AuthError,
    ConfigError,
    ConnectError,
    CredentialsError,
    InvalidOrderError,
    NotSentError,
    OrderNotFoundError,
    OrderRejectedError,
    OutcomeUnknownError,
    RejectReason,
    UnknownMarketError,
    VenueUnavailableError,
)
from perpkit.core.models import CancelStatus, Order, OrderRef, OrderStatus, OrderType, Side
from perpkit.sim.markets import MarketStatus, SystemStatus
from perpkit.sim.orders import CloseReason, OrderState
from tests.integration.conftest import BTC, eventually, while_time_passes
from tests.integration.helpers import (
    BEST_ASK,
    SHORT,
    count,
    intent,
    market_intent,
    patiently,
    true_order,
    true_orders,
    true_position,
)

BTC_ID = f"{BTC}@paradex"


@pytest.fixture
async def venue(open_on):
    """The first account's venue; order commands go over a WebSocket."""
    return await open_on(order_entry="ws")


# What goes well


async def test_the_life_of_an_order_needs_no_rest_command(local, venue):
    """Placed, amended, canceled over one connection; REST only reads."""
    written = count(local, "POST /v1/orders*"), count(local, "PUT *"), count(local, "DELETE *")
    order = await venue.place_order(intent(client_order_id="ws-1"))
    assert order.status is OrderStatus.PENDING
    changed = await venue.amend_order(order, price="98000", size="0.2")
    assert (changed.price, changed.size) == (Decimal(98000), Decimal("0.2"))
    assert (await venue.cancel_order(order)).status is CancelStatus.REQUESTED
    (truth,) = true_orders(local)
    assert (truth.client_id, truth.price, truth.close_reason) == ("ws-1", 98000, CloseReason.USER_CANCELED)
    assert [each.hits for each in written] == [0, 0, 0]
    assert local.connections == 1


@pytest.mark.parametrize("kind", ["private_key", "subkey"])
async def test_both_keys_may(local, open_on, kind):
    """A subkey trades."""
    venue = await open_on(**{"private_key": None, kind: getattr(local.accounts[0], kind)}, order_entry="ws")
    order = await venue.place_order(intent())
    assert not true_order(local, order.venue_order_id).is_closed


KINDS = [
    ("limit", {}, True),
    ("market", {"type": "market", "price": None}, True),
    ("post-only", {"post_only": True}, True),
    ("ioc", {"time_in_force": "ioc"}, True),
    ("stop market", {"type": "stop_market", "price": None, "trigger_price": "101000"}, True),
    ("stop limit", {"type": "stop_limit", "price": "101100", "trigger_price": "101000"}, True),
    ("take profit", {"type": "take_profit_market", "price": None, "trigger_price": "99000"}, False),
    ("take profit limit", {"type": "take_profit_limit", "trigger_price": "98000"}, False),
    ("stp", {"self_trade_prevention": "expire_both"}, True),
    ("window", {"accept_within": timedelta(seconds=20)}, True),
    ("interactive", {"options": {"interactive": True}}, False),
]


@pytest.mark.parametrize(("changes", "fits"), [row[1:] for row in KINDS], ids=[name for name, *_ in KINDS])
async def test_what_the_socket_does_not_take_goes_over_rest(local, venue, changes, fits):
    """``order.create`` knows four types and one flag; the others are placed all the same, once."""
    over_rest = count(local, "POST /v1/orders")
    asked = intent(**changes)
    order = await venue.place_order(asked)
    assert over_rest.hits == (0 if fits else 1)
    (truth,) = true_orders(local)
    assert (truth.id, truth.type, truth.client_id) == (order.venue_order_id, asked.type, order.client_order_id)
    assert (truth.price, truth.trigger_price) == (asked.price, asked.trigger_price)
    assert truth.post_only is asked.post_only


async def test_many_commands_at_once_get_their_own_answers(local, venue):
    """Answers are matched by id, whatever their order."""
    local.control.inject("reorder", target="frame", match="order.create", times=3)
    orders = await asyncio.gather(*(venue.place_order(intent(price=str(99000 - n))) for n in range(20)))
    for number, order in enumerate(orders):
        assert true_order(local, order.venue_order_id).price == 99000 - number
    assert len(true_orders(local)) == 20
    assert local.connections == 1


async def test_fills_and_ends_of_socket_orders_come_on_the_stream(local, venue, listen):
    """Order entry has a connection of its own, beside the streams."""
    async with listen(venue, "orders", "fills") as heard:
        order = await venue.place_order(market_intent())
        await heard.wait_for(lambda: heard.of(perpkit.Fill), "the fill")
        await heard.wait_for(lambda: any(each.is_terminal for each in heard.of(Order)), "the end")
        assert heard.of(Order)[-1].venue_order_id == order.venue_order_id
    assert true_position(local) == Decimal("0.1")


async def test_cancels_by_our_id_and_of_all_go_over_the_socket(local, venue):
    """By client id with its market; all of one market, and all."""
    deleted = count(local, "DELETE *")
    orders = [await venue.place_order(intent(client_order_id=f"c-{number}")) for number in range(2)]
    other = await venue.place_order(intent(market_id="SOL-USD-PERP", size="1", price="195"))
    await venue.cancel_order(OrderRef(market_id=BTC_ID, client_order_id="c-0"))
    assert [true_order(local, order.venue_order_id).is_closed for order in orders] == [True, False]
    await venue.cancel_all_orders(BTC)
    assert true_order(local, orders[1].venue_order_id).is_closed
    assert not true_order(local, other.venue_order_id).is_closed
    await venue.cancel_all_orders()
    assert true_order(local, other.venue_order_id).is_closed
    assert deleted.hits == 0


# What can't be: the same errors as over REST


async def test_bad_orders_never_reach_the_socket(local, venue):
    """Checked before anything is sent, as over REST."""
    sent = count(local, "order.*", target="frame")
    with pytest.raises(InvalidOrderError):
        await venue.place_order(intent(price="99000.05"))
    with pytest.raises(UnknownMarketError):
        await venue.place_order(intent(market_id="NOPE-USD-PERP"))
    assert (sent.hits, local.connections) == (0, 0)


async def test_a_refusal_has_the_reason_that_rest_has(local, venue):
    """The venue's own code is in the error's data; it says more than JSON-RPC's."""
    await venue.place_order(intent(client_order_id="twice"))
    with pytest.raises(OrderRejectedError) as caught:
        await venue.place_order(intent(client_order_id="twice"))
    assert (caught.value.reason, caught.value.code) == (RejectReason.DUPLICATE_CLIENT_ID, "DUPLICATED_CLIENT_ID")
    del local.venue.listings["ETH-USD-PERP"]
    with pytest.raises(UnknownMarketError):
        await venue.place_order(intent(market_id="ETH-USD-PERP", size="1", price="3000"))
    local.control.set_market_status(BTC, MarketStatus.HALTED)
    with pytest.raises(OrderRejectedError) as caught:
        await venue.place_order(intent())
    assert caught.value.reason is RejectReason.MARKET_CLOSED
    assert len(true_orders(local)) == 1


@pytest.mark.parametrize("status", [SystemStatus.CANCEL_ONLY, SystemStatus.POST_ONLY, SystemStatus.MAINTENANCE])
@pytest.mark.parametrize("command", ["place", "batch", "amend"])
async def test_a_restricted_venue_says_so_with_its_state(local, venue, status, command):
    """As over REST."""
    order = await venue.place_order(intent())
    local.control.set_system_status(status)
    if command == "amend" and status is SystemStatus.POST_ONLY:
        assert (await venue.amend_order(order, price="98000")).price == 98000
        return
    with pytest.raises(VenueUnavailableError) as caught:
        if command == "place":
            await venue.place_order(intent())
        elif command == "batch":
            first, second = await venue.place_orders([intent(), intent()])
            assert isinstance(second, VenueUnavailableError)
            raise first
        else:
            await venue.amend_order(order, price="98000")
    assert caught.value.data == {"system_state": status.value}
    assert len(true_orders(local)) == 1


async def test_late_refusals_come_as_they_do_over_rest(local, venue):
    """Taken first, closed with a reason afterwards."""
    for changes, reason in (
        ({"post_only": True, "price": BEST_ASK}, RejectReason.POST_ONLY_WOULD_CROSS),
        ({"reduce_only": True}, RejectReason.REDUCE_ONLY),
        ({"size": "90"}, RejectReason.MARGIN),
    ):
        order = await venue.place_order(intent(**changes))
        found = await venue.fetch_order(order)
        assert (found.status, found.reject_reason) == (OrderStatus.REJECTED, reason)
    assert true_position(local) == 0


async def test_an_amendment_that_the_answer_does_not_show_is_not_taken_for_done(local, venue):
    """The socket answers with the order alone, as it was where the venue refused the change: that is no success."""
    order = await venue.place_order(intent(post_only=True))
    for changes in ({"price": BEST_ASK}, {"size": "90"}):
        with pytest.raises(OutcomeUnknownError, match="as it was"):
            await venue.amend_order(order, **changes)
    found = await venue.fetch_order(order)
    assert (found.price, found.size, found.status) == (Decimal(99000), Decimal("0.1"), OrderStatus.OPEN)


async def test_canceling_and_amending_what_is_not_open_is_not_found(local, venue):
    """Filled, unknown; by either id."""
    filled = await venue.place_order(intent(price=BEST_ASK))
    for ref in (
        filled,
        OrderRef(market_id=BTC_ID, venue_order_id="123"),
        OrderRef(market_id=BTC_ID, client_order_id="nobody"),
    ):
        with pytest.raises(OrderNotFoundError):
            await venue.cancel_order(ref)
    with pytest.raises((OrderNotFoundError, OrderRejectedError)):
        await venue.amend_order(filled, price="98000")
    assert (await venue.fetch_order(filled)).status is OrderStatus.FILLED


async def test_a_read_only_token_opens_no_order_socket(local, open_on):
    """Said when the venue is opened, not when the first order is due."""
    with pytest.raises(CredentialsError, match="private_key or subkey"):
        await open_on(private_key=None, readonly_token=local.accounts[0].readonly_token, order_entry="ws")


async def test_a_wrong_key_is_an_auth_error_and_opens_nothing(local, open_on):
    """Signing in fails before the connection is made."""
    venue = await open_on(private_key=local.accounts[1].private_key, order_entry="ws")
    with pytest.raises(AuthError):
        await venue.place_order(intent())
    assert local.connections == 0


# Lost answers

LOST = [
    ("dropped after", {"action": "drop_after", "target": "rpc"}, True),
    ("dropped before", {"action": "drop_before", "target": "rpc"}, False),
    ("hung after", {"action": "hang_after", "target": "rpc"}, True),
    ("hung before", {"action": "hang_before", "target": "rpc"}, False),
    ("closed instead of answered", {"action": "disconnect", "target": "frame", "close_code": 1011}, True),
    ("torn", {"action": "disconnect", "target": "frame", "close_code": 1006}, True),
    ("left out", {"action": "gap", "target": "frame"}, True),
    ("half open", {"action": "half_open", "target": "frame"}, True),
    ("cut in half", {"action": "truncate", "target": "frame"}, True),
    ("no order", {"action": "replace", "target": "frame", "body": '{"jsonrpc":"2.0","id":2,"result":{}}'}, True),
]


@pytest.mark.parametrize(("fault", "taken"), [row[1:] for row in LOST], ids=[name for name, *_ in LOST])
async def test_a_lost_answer_is_unknown_and_then_found_out(local, open_on, fault, taken):
    """However it was lost: one order at most, the truth is found, and the next order passes."""
    venue = await open_on(order_entry="ws", request_timeout=SHORT)
    await patiently(local, venue.fetch_open_orders())
    local.control.inject(match="order.create", **fault)
    with pytest.raises(OutcomeUnknownError) as caught:
        await venue.place_order(intent(accept_within=timedelta(seconds=10), client_order_id="lost-1"))
    assert caught.value.client_order_id == "lost-1"
    found = await while_time_passes(local, venue.resolve_order(caught.value, within=timedelta(minutes=5)))
    assert found.status is (OrderStatus.OPEN if taken else OrderStatus.REJECTED)
    assert len(true_orders(local)) == taken
    if fault["action"] == "half_open":
        return  # nothing on that connection is ever answered again, until the pings find out
    after = await venue.place_order(intent())
    assert true_order(local, after.venue_order_id).state is OrderState.OPEN


@pytest.mark.parametrize("command", ["amend", "cancel", "cancel all"])
async def test_a_lost_answer_to_a_change_is_unknown_and_a_read_tells(local, venue, command):
    """It was carried out; nobody repeated it."""
    order = await venue.place_order(intent())
    local.control.inject("drop_after", target="rpc", match="order.*")
    with pytest.raises(OutcomeUnknownError):
        if command == "amend":
            await venue.amend_order(order, price="98000")
        elif command == "cancel":
            await venue.cancel_order(order)
        else:
            await venue.cancel_all_orders()
    found = await venue.fetch_order(order)
    if command == "amend":
        assert (found.status, found.price) == (OrderStatus.OPEN, Decimal(98000))
    else:
        assert found.status is OrderStatus.CANCELED


async def test_a_lost_batch_is_unknown_for_each(local, venue):
    """All three are found."""
    await venue.fetch_open_orders()
    local.control.inject("drop_after", target="rpc", match="order.create_batch")
    results = await venue.place_orders([intent(client_order_id=f"l-{number}") for number in range(3)])
    assert [type(result) for result in results] == [OutcomeUnknownError] * 3
    for result in results:
        assert (await venue.resolve_order(result)).status is OrderStatus.OPEN
    assert len(true_orders(local)) == 3


async def test_all_commands_under_way_end_when_the_connection_does(local, venue):
    """Each with its own id; none waits for its bound, none is sent again on the next connection."""
    await venue.place_order(intent(client_order_id="before"))
    local.control.inject("hang_after", target="rpc", match="order.create", times=4)
    tasks = [asyncio.create_task(venue.place_order(intent(client_order_id=f"w-{n}"))) for n in range(4)]
    await eventually(lambda: len(true_orders(local)) == 5, "the orders to arrive")
    for connection in list(local.clients):
        connection.cut_off()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(end) for end in ends] == [OutcomeUnknownError] * 4
    assert sorted(end.client_order_id for end in ends) == ["w-0", "w-1", "w-2", "w-3"]
    await venue.place_order(intent(client_order_id="after"))
    assert [order.client_id for order in true_orders(local)].count("w-0") == 1
    assert len(true_orders(local)) == 6


REFUSED = [
    ("refused", {"action": "refuse"}),
    ("503", {"action": "status", "status": 503}),
    ("429", {"action": "status", "status": 429, "retry_after": "5"}),
    ("a page", {"action": "html", "status": 502}),
]


@pytest.mark.parametrize("fault", [fault for _, fault in REFUSED], ids=[name for name, _ in REFUSED])
async def test_a_socket_that_can_not_be_opened_means_not_sent(local, venue, fault):
    """Safe to repeat, and the repetition passes."""
    local.control.inject(target="connect", **fault)
    with pytest.raises(NotSentError):
        await venue.place_order(intent())
    assert true_orders(local) == []
    await venue.place_order(intent())
    assert len(true_orders(local)) == 1


async def test_a_server_that_is_gone_means_not_sent(local, venue):
    """After the connection went with it."""
    await venue.place_order(intent())
    await local.stop()
    await eventually(lambda: local.connections == 0, "the connection to go")
    with pytest.raises((ConnectError, NotSentError, OutcomeUnknownError)):
        await venue.place_order(intent())
    with pytest.raises(NotSentError):
        await venue.place_order(intent())
    assert len(true_orders(local)) == 1


async def test_garbage_between_the_answers_does_no_harm(local, venue):
    """A frame that is no JSON is logged and passed over."""
    local.control.inject("garbage", target="frame", match="order.create", times=None)
    for _ in range(3):
        await venue.place_order(intent())
    assert len(true_orders(local)) == 3


async def test_fields_nobody_knows_are_passed_over(local, venue):
    """A schema may grow."""
    local.control.inject("extra_fields", target="frame", match="*", times=None)
    order = await venue.place_order(intent())
    await venue.amend_order(order, price="98000")
    await venue.cancel_order(order)
    assert true_orders(local)[0].is_closed


async def test_an_answer_that_comes_twice_counts_once(local, venue):
    """The second belongs to nobody."""
    local.control.inject("duplicate", target="frame", match="order.create", times=None)
    first = await venue.place_order(intent())
    second = await venue.place_order(intent())
    assert first.venue_order_id != second.venue_order_id
    assert len(true_orders(local)) == 2


# The session


async def test_a_token_that_ended_early_is_replaced_once(local, venue):
    """Before the socket is opened and after: one new sign-in, one order."""
    await venue.fetch_open_orders()
    sign_ins = count(local, "POST /v1/auth*")
    local.control.expire_tokens()
    await venue.place_order(intent())
    assert (sign_ins.hits, len(true_orders(local))) == (1, 1)


async def test_a_long_pause_needs_no_new_socket(local, venue):
    """The connection was signed in; it stays so. A later connection signs in anew."""
    await venue.place_order(intent())
    local.control.advance(timedelta(minutes=20))
    await venue.place_order(intent())
    for connection in list(local.clients):
        connection.cut_off()
    await eventually(lambda: local.connections == 0, "the connection to go")
    await venue.place_order(intent())
    assert len(true_orders(local)) == 3


# Cancel on disconnect


async def test_cancel_on_disconnect_needs_the_socket(local, open_on):
    """Over REST there is no connection to watch."""
    with pytest.raises(ConfigError, match="order_entry='ws'"):
        await open_on(cancel_on_disconnect=True)


async def test_orders_go_when_the_connection_breaks(local, open_on):
    """Those of this connection; an order placed over REST by another client of the account stays."""
    venue = await open_on(order_entry="ws", cancel_on_disconnect=True)
    other = await open_on()
    local.control.advance(timedelta(seconds=1))
    stays = await other.place_order(intent(price="98000"))
    local.control.advance(timedelta(seconds=1))
    goes = await venue.place_order(intent())
    for connection in list(local.clients):
        connection.cut_off()
    await eventually(lambda: true_order(local, goes.venue_order_id).is_closed, "the order to be canceled")
    assert true_order(local, goes.venue_order_id).close_reason is CloseReason.DISCONNECTED
    assert not true_order(local, stays.venue_order_id).is_closed
    assert (await venue.fetch_order(goes)).status is OrderStatus.CANCELED


async def test_it_is_switched_on_again_for_the_next_connection(local, open_on):
    """The switch belongs to a connection; the one after a break has it too."""
    venue = await open_on(order_entry="ws", cancel_on_disconnect=True)
    for number in range(2):
        order = await venue.place_order(intent(client_order_id=f"d-{number}"))
        for connection in list(local.clients):
            assert connection.cancel_on_disconnect
            connection.cut_off()
        await eventually(lambda order=order: true_order(local, order.venue_order_id).is_closed, "the cancel")
    assert [each.close_reason for each in true_orders(local)] == [CloseReason.DISCONNECTED] * 2


async def test_without_it_orders_stay_when_the_connection_breaks(local, venue):
    """The default: nothing is canceled that nobody asked to cancel."""
    order = await venue.place_order(intent())
    for connection in list(local.clients):
        connection.cut_off()
    await eventually(lambda: local.connections == 0, "the connection to go")
    assert not true_order(local, order.venue_order_id).is_closed


async def test_closing_in_order_leaves_the_orders(local, open_on):
    """Closing is no disconnect: open orders stay open, as Venue.close promises."""
    venue = await open_on(order_entry="ws", cancel_on_disconnect=True)
    order = await venue.place_order(intent())
    await venue.close()
    await eventually(lambda: local.connections == 0, "the connection to go")
    assert not true_order(local, order.venue_order_id).is_closed


async def test_a_switch_that_fails_lets_no_order_out(local, open_on):
    """Whoever asked for the protection does not trade without it."""
    venue = await open_on(order_entry="ws", cancel_on_disconnect=True, request_timeout=SHORT)
    for action in ("hang_before", "drop_before"):
        local.control.inject(action, target="rpc", match="order.cancel_on_disconnect")
        with pytest.raises(NotSentError):
            await patiently(local, venue.place_order(intent()))
    assert true_orders(local) == []
    await patiently(local, venue.place_order(intent()))
    assert len(true_orders(local)) == 1


async def test_the_sides_and_types_in_the_answers_are_the_orders_own(local, venue):
    """The answers of the socket lack some fields of REST's; what they hold is read right."""
    order = await venue.place_order(intent(side=Side.SELL, type="stop_limit", trigger_price="98000", price="97000"))
    assert (order.side, order.type, order.trigger_price) == (Side.SELL, OrderType.STOP_LIMIT, Decimal(98000))
    assert order.client_order_id == true_orders(local)[0].client_id
