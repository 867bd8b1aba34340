"""Extended's streams while frames are lost and connections break: nothing is missed, and nothing is told twice."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from unittest.mock import ANY

import pytest

import perpkit
from perpkit.core.models import OrderStatus, Side
from tests.integration.conftest import eventually, while_time_passes
from tests.integration.extended.conftest import BTC, WIRE_BTC, intent, true_orders


async def test_a_book_with_a_lost_change_begins_anew(local, venue, listen):
    """A number left out is a gap; the next whole book mends it, and the book is the exchange's again."""
    async with listen(venue, f"book:{BTC}") as heard:
        await heard.wait_for(lambda: heard.of(perpkit.BookSnapshot), "the first book")
        local.control.inject("gap", target="frame", match="orderbooks*", times=1)
        for price in ("83001", "83002", "83003"):
            local.control.place_liquidity(WIRE_BTC, bids=[(Decimal(price), Decimal(2))])
            local.control.advance(timedelta(milliseconds=200))
            await asyncio.sleep(0.05)
        await heard.wait_for(lambda: len(heard.of(perpkit.BookSnapshot)) > 1, "a new whole book")
        bids = heard.of(perpkit.BookSnapshot)[-1].bids
        assert {Decimal(83001), Decimal(83002)} <= {level.price for level in bids}


async def test_fills_of_a_broken_connection_are_told_once(local, venue, listen):
    """The stream repeats nothing after a break: what happened meanwhile comes from REST, each fill once."""
    async with listen(venue, "orders", "fills") as heard:
        await venue.place_order(intent(post_only=True))
        await heard.wait_for(lambda: heard.of(perpkit.Order), "the order")
        local.control.inject("disconnect", target="frame", match="account*", times=1, close_code=1006)
        local.control.clear_liquidity(WIRE_BTC)
        local.control.trade(WIRE_BTC, Side.SELL, Decimal("0.1"))
        await eventually(lambda: true_orders(local)[0].is_closed, "the trade")
        # The back-off before the next connection waits on the clock.
        told = eventually(lambda: heard.of(perpkit.Fill) and heard.of(perpkit.Order)[-1].is_terminal, "both")
        await while_time_passes(local, told)
        assert "lost" in heard.states()
    fills = heard.of(perpkit.Fill)
    assert sum(fill.size for fill in fills) == Decimal("0.1")
    assert len({fill.fill_id for fill in fills}) == len(fills)


async def test_an_answer_is_lost_while_the_account_stream_is_down(local, venue, listen):
    """The order is found by REST; once the stream is back it tells of its end and of each fill, once."""
    async with listen(venue, "orders", "fills") as heard:
        local.control.inject("refuse", target="connect", times=None)
        local.control.inject("disconnect", target="frame", match="account*", times=1, close_code=1006)
        await venue.place_order(intent())
        await heard.wait_for(lambda: "lost" in heard.states(), "the loss")
        local.control.inject("drop_after", match="POST /api/v1/user/order")
        with pytest.raises(perpkit.OutcomeUnknownError) as caught:
            await venue.place_order(intent(price="84100"))
        found = await venue.resolve_order(caught.value)
        _, truth = true_orders(local)
        assert (
            (found.client_order_id, found.filled_size) == (truth.client_id, truth.filled_size) == (ANY, Decimal("0.1"))
        )
        local.control.clear_faults()
        await while_time_passes(local, eventually(lambda: "resynced" in heard.states(), "the stream to come back"))
        told = [order for order in heard.of(perpkit.Order) if order.client_order_id == truth.client_id]
        assert told[-1].status is OrderStatus.FILLED
        fills = [fill.fill_id for fill in heard.of(perpkit.Fill)]
        assert sorted(fills) == sorted(fill.id for fill in local.exchange.fills(local.accounts[0].account_id))


@pytest.mark.parametrize("channel", ["orders", "fills", "positions", "balances"])
async def test_a_wrong_key_ends_an_account_stream_with_what_to_do(open_on, channel):
    """The upgrade is refused with 401; the error says that it is the key."""
    venue = await open_on(api_key="f" * 32)
    with pytest.raises(perpkit.PerpkitError, match="API key"):
        async with venue.stream([channel]) as events:
            async for _ in events:
                pass
