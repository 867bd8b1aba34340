"""Extended's streams while frames are lost and connections break: nothing is missed, and nothing is told twice."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

import perpkit
from perpkit.core.models import Side
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


@pytest.mark.parametrize("channel", ["orders", "fills", "positions", "balances"])
async def test_a_wrong_key_ends_an_account_stream_with_what_to_do(open_on, channel):
    """The upgrade is refused with 401; the error says that it is the key."""
    venue = await open_on(api_key="f" * 32)
    with pytest.raises(perpkit.PerpkitError, match="API key"):
        async with venue.stream([channel]) as events:
            async for _ in events:
                pass
