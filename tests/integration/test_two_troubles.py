"""Two things go wrong at once: each alone is borne, and so are both."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

import perpkit
from perpkit.core.errors import OutcomeUnknownError
from perpkit.core.models import OrderStatus
from tests.integration.conftest import eventually, while_time_passes
from tests.integration.helpers import BEST_ASK, count, intent, true_orders

PLACE = "POST /v1/orders"


@pytest.mark.parametrize("price", ["99000", BEST_ASK + 1], ids=["rests", "fills"])
async def test_an_answer_is_lost_while_the_private_stream_is_down(local, venue, listen, price):
    """The order is found by REST; once the stream is back it tells of the order and of each fill, once."""
    async with listen(venue, "orders", "fills") as heard:
        local.control.inject("refuse", target="connect", times=None)
        local.control.inject("disconnect", target="frame", match="orders*", close_code=1006)
        await venue.place_order(intent(client_order_id="loses-the-stream"))
        await heard.wait_for(lambda: "lost" in heard.states(), "the loss")
        local.control.inject("drop_after", match=PLACE)
        with pytest.raises(OutcomeUnknownError) as caught:
            await venue.place_order(intent(price=price, client_order_id="lost"))
        found = await venue.resolve_order(caught.value)
        _, truth = true_orders(local)
        assert (found.venue_order_id, found.filled_size) == (truth.id, truth.filled_size)
        local.control.clear_faults()
        back = eventually(lambda: "resynced" in heard.states(), "the stream to come back")
        await while_time_passes(local, back)
        told = [order for order in heard.of(perpkit.Order) if order.venue_order_id == truth.id]
        assert (told[-1].filled_size, told[-1].is_terminal) == (truth.filled_size, truth.is_closed)
        fills = [fill.fill_id for fill in heard.of(perpkit.Fill)]
        assert fills == [fill.id for fill in local.exchange.fills(local.accounts[0].address)]


@pytest.mark.parametrize("fault", ["hang_before", "hang_after"])
async def test_the_server_stops_in_the_middle_of_a_batch(local, venue, fault):
    """Each order of it is unknown; when the server is back each is found, or proved never to have come."""
    await venue.fetch_open_orders()
    hang = local.control.inject(fault, match="POST /v1/orders/batch")
    asked = [intent(client_order_id=f"s-{number}", accept_within=timedelta(seconds=20)) for number in range(3)]
    batch = asyncio.create_task(venue.place_orders(asked))
    await eventually(lambda: hang.hits, "the batch at the server")
    await local.stop()
    results = await batch
    assert [type(each) for each in results] == [OutcomeUnknownError] * 3
    assert [each.client_order_id for each in results] == ["s-0", "s-1", "s-2"]
    await local.start()
    sent = count(local, "POST *orders*")
    taken = fault == "hang_after"
    for result in results:
        found = await while_time_passes(local, venue.resolve_order(result, within=timedelta(minutes=5)))
        assert found.status is (OrderStatus.OPEN if taken else OrderStatus.REJECTED)
    assert len(true_orders(local)) == (3 if taken else 0)
    assert sent.hits == 0
