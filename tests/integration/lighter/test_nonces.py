"""
Nonces on Lighter: one counter for each key, without gaps, whatever is sent at once, refused, lost or started again. The
exchange's own counters are the truth.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

from perpkit.core.errors import NotSentError, OrderRejectedError, OutcomeUnknownError
from perpkit.core.models import Order, OrderType
from tests.integration.conftest import eventually
from tests.integration.lighter.conftest import SEND, intent, next_nonce, opened, paced, true_orders

D = Decimal
NONCE = "GET /api/v1/nextNonce"


def count(local, match):
    """Count what comes in from now on: ``.hits``."""
    return local.control.inject("extra_fields", match=match, times=None)


async def test_orders_sent_at_once_all_arrive(local, venue):
    """Thirty at a time on one key: none is refused for its nonce, and the counter was read once."""
    reads = count(local, NONCE)
    orders = await asyncio.gather(*(venue.place_order(intent(price=str(3900 - number))) for number in range(30)))
    assert {order.client_order_id for order in orders} == {each.client_id for each in true_orders(local)}
    assert (next_nonce(local), reads.hits) == (30, 1)


async def test_a_batch_uses_as_many_as_it_holds(local, venue):
    """The order after it goes out once, under the number due, and nothing is read again."""
    reads, sends = count(local, NONCE), count(local, SEND)
    await venue.place_orders([intent(price=str(3900 - number)) for number in range(3)])
    await venue.place_order(intent(price="3880"))
    assert next_nonce(local) == len(true_orders(local)) == 4
    assert (reads.hits, sends.hits) == (1, 1)


async def test_several_keys_are_used_in_turn(local, open_on):
    """Each key's counter goes its own way, and together they are as many as the orders."""
    venue = await open_on(api_private_key=None, api_key_index=None, api_keys=dict(local.accounts[0].api_keys))
    await asyncio.gather(*(venue.place_order(intent(price=str(3900 - number))) for number in range(12)))
    used = [next_nonce(local, slot) for slot in local.accounts[0].api_keys]
    assert sum(used) == len(true_orders(local)) == 12
    assert min(used) >= 1


async def test_what_the_api_refuses_uses_no_nonce(local, venue):
    """Refused and accepted in turns: the numbers have no gap, and they are not read anew for it."""
    await venue.place_order(intent())
    reads = count(local, NONCE)
    for number in range(3):
        with pytest.raises(OrderRejectedError):
            await venue.place_order(intent(size="5000"))
        await venue.place_order(intent(price=str(3890 - number)))
    assert (next_nonce(local), reads.hits) == (4, 0)


async def test_what_the_sequencer_refuses_uses_one(local, venue, listen):
    """A taker without margin is refused after it was taken: the next order goes through all the same."""
    local.control.place_liquidity("ETH", asks=[(D(4010), D(10_000))])
    async with listen(venue, "orders") as heard:
        await venue.place_order(intent(size="9000", price=None, type=OrderType.MARKET))
        await heard.wait_for(lambda: heard.of(Order), "the refusal")
    await venue.place_order(intent())
    assert next_nonce(local) == 2


@pytest.mark.parametrize(("action", "used"), [("drop_after", True), ("drop_before", False)])
async def test_after_an_unknown_outcome_the_counter_is_read_again(local, venue, action, used):
    """Whether the lost one was taken only the venue knows."""
    await venue.place_order(intent())
    reads = count(local, NONCE)
    local.control.inject(action, match=SEND)
    with pytest.raises(OutcomeUnknownError):
        await venue.place_order(intent(price="3890"))
    await venue.place_order(intent(price="3880"))
    assert reads.hits == 1
    assert next_nonce(local) == len(true_orders(local)) == 2 + used


async def test_orders_waiting_behind_a_lost_one_are_sent_in_order(local, venue):
    """One of ten loses its answer: the others read the counter again, and all ten are there once."""
    await venue.fetch_account()
    local.control.inject("drop_after", match=SEND, skip=3)
    results = await asyncio.gather(
        *(venue.place_order(intent(price=str(3900 - number))) for number in range(10)), return_exceptions=True
    )
    assert [type(each) for each in results if not isinstance(each, Order)] == [OutcomeUnknownError]
    assert len(true_orders(local)) == next_nonce(local) == 10


async def test_where_the_counter_can_not_be_read_nothing_is_sent(local, venue):
    """The error says so, and the same order goes out later."""
    local.control.inject("status", match=NONCE, status=500, times=None)
    sent = count(local, SEND)
    with pytest.raises(NotSentError, match="nonce"):
        await paced(local, venue.place_order(intent(client_order_id="1001")))
    assert sent.hits == 0
    local.control.clear_faults()
    await paced(local, venue.place_order(intent(client_order_id="1001")))
    assert [each.client_id for each in true_orders(local)] == ["1001"]


async def test_after_a_restart_the_counter_goes_on(local):
    """Nothing of it is stored here: the venue knows."""
    for number in range(3):
        async with opened(local) as venue:
            await venue.place_order(intent(price=str(3900 - number), client_order_id=f"run-{number}"))
    assert next_nonce(local) == len(true_orders(local)) == 3


async def test_two_venues_on_one_key_count_together(local, open_on):
    """In turns and at once, orders and cancels through either: none is refused, and the counter was read once."""
    one, other = await open_on(), await open_on()
    reads = count(local, NONCE)
    for number in range(3):
        # Named, since the clock stands still: one time in 128 both would choose the same numbers.
        await one.place_order(intent(price=str(3900 - number), client_order_id=f"one-{number}"))
        await other.place_order(intent(price=str(3890 - number), client_order_id=f"other-{number}"))
    work = [
        each.place_order(intent(price=str(3880 - number), client_order_id=f"both-{number}"))
        for number, each in enumerate([one, other] * 5)
    ]
    placed = await asyncio.gather(*work)
    await asyncio.gather(*(each.cancel_order(order) for each, order in zip([other, one] * 5, placed, strict=True)))
    assert (len(true_orders(local)), next_nonce(local), reads.hits) == (16, 26, 1)
    await one.close()
    await other.place_order(intent(price="3870", client_order_id="last"))
    assert (next_nonce(local), reads.hits) == (27, 1)


async def test_a_nonce_that_somebody_else_used_meanwhile_is_replaced(local, venue):
    """The venue's refusal proves that the order was not taken, so it goes out again under the number due."""
    await venue.place_order(intent())
    key = local.venue.registry.get(local.accounts[0].account_index).keys[4]
    key.accepted = key.nonce = 7
    await paced(local, venue.place_order(intent(price="3890")))
    assert next_nonce(local) == 8
    assert len(true_orders(local)) == 2


@pytest.mark.parametrize("sim_settings", [{"delays": True}], ids=["delays"])
async def test_a_command_behind_one_that_the_sequencer_has_not_carried_out_yet_is_in_order(local, venue):
    """The API counts what is on its way: two orders and a cancel go out at once and are carried out in that order."""
    order = await venue.place_order(intent(price="4010", size="0.2"))
    await venue.place_order(intent(price="3880"))
    await venue.cancel_order(order)
    assert next_nonce(local) == 3
    local.control.advance(timedelta(seconds=1))
    await eventually(lambda: len(true_orders(local)) == 2, "both orders")
    assert sorted(each.filled_size for each in true_orders(local)) == [0, D("0.2")]


@pytest.mark.parametrize("status", [503, 502])
async def test_right_after_an_outage_orders_go_through(local, venue, status):
    """What happened to the last transaction is not known, and the counter is read before the next."""
    await venue.place_order(intent())
    local.control.inject("status_after", match=SEND, status=status)
    with pytest.raises(OutcomeUnknownError):
        await venue.place_order(intent(price="3890"))
    await venue.place_order(intent(price="3880"))
    assert next_nonce(local) == len(true_orders(local)) == 3
