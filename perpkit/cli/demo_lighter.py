"""
The demo's third venue: the same calls on a local Lighter, whose orders are signed transactions with numbers for names.
What the library says is held against that exchange's own ledger.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import timedelta
from decimal import Decimal
from importlib.util import find_spec

from perpkit.cli import render
from perpkit.cli.demo_stage import Stage, opened
from perpkit.cli.story import Story
from perpkit.cli.tables import Listing
from perpkit.cli.witness import Witness, followed
from perpkit.core.clock import SystemClock
from perpkit.core.errors import RejectReason
from perpkit.core.models import (
    Fill,
    FundingRate,
    Market,
    OrderIntent,
    OrderStatus,
    OrderType,
    Side,
)
from perpkit.core.transport.ratelimit import RateLimiterRegistry
from perpkit.sim.clock import SimClock
from perpkit.sim.venues.lighter import LocalLighter, Settings

SYMBOL = "ETH-USDC-PERP"
SIZE = Decimal(2)
RATE = Decimal("-0.00005")
CENT = Decimal("0.01")


async def the_same_on_lighter(story: Story, seed: int) -> None:
    """Open a local Lighter by name, and do there what was done on the two before."""
    await story.act("And on a third: Lighter, where an order is a signed transaction")
    if find_spec("lighter") is None:
        story.says("left out: its signing library comes with `pip install 'perpkit[lighter]'`")
        return
    wall = SystemClock()
    # The library dates transactions by the machine's clock and can't be told otherwise. On an exchange that lives
    # yesterday they are good however far its clock is moved on.
    clock = SimClock(wall.now() - timedelta(days=1), wall=wall)
    async with AsyncExitStack() as stack:
        local = await stack.enter_async_context(
            LocalLighter(seed=seed, accounts=1, clock=clock, settings=Settings(delays=True))
        )
        me = local.accounts[0]
        story.says("orders go by numbers, a nonce counts them, and a yes only means that the sequencer will look at it")
        story.says(f"REST {local.url}")
        story.does('async with perpkit.open_venue("lighter", "local", rest_url=..., api_private_key=...) as venue:')
        venue = await stack.enter_async_context(
            opened(
                "lighter",
                local,
                RateLimiterRegistry(clock),
                account_index=me.account_index,
                api_key_index=me.api_key_index,
                api_private_key=me.private_key,
                tier="premium",
            )
        )
        stage = Stage(story, local, venue, str(me.account_index))
        market = await venue.market(SYMBOL)
        local.control.quote(market.symbol, levels=10, size=Decimal(5))
        async with followed(venue, ["orders", "fills", "positions", f"funding:{SYMBOL}"], story.console) as witness:
            await _a_text_for_a_number(stage, witness, market)
            await _three_units(stage, witness, market)
            await _many_and_none(stage, witness, market)
        await stage.the_books_balance("and the third exchange's books balance too")


async def _a_text_for_a_number(stage: Stage[LocalLighter], witness: Witness, market: Market) -> None:
    """An order under a text of ours fills; the venue knows a number."""
    story, venue = stage.story, stage.ours
    book = await venue.fetch_order_book(market, depth=1)
    price, name = book.asks[0].price, "demo-1"
    story.does(f'await venue.place_order(OrderIntent(..., size={SIZE}, price={price}, client_order_id="{name}"))')
    placed = await venue.place_order(
        OrderIntent(market_id=market.id, side=Side.BUY, size=SIZE, price=price, client_order_id=name)
    )
    story.expect(placed.status is OrderStatus.PENDING, "the API has taken it: pending, and no more is claimed")
    await witness.order_is(name, OrderStatus.FILLED, "our order fills")
    fill = await witness.until(Fill, lambda each: each.client_order_id == name, "its fill")
    [truth] = stage.local.exchange.orders(stage.account)
    story.expect(
        (truth.client_id or "").isdecimal() and fill.client_order_id == name,
        f"the exchange knows it as {truth.client_id}, and every event calls it {name}",
    )
    [fees] = await venue.fetch_fees([market])
    story.expect(fill.fee == fees.taker * fill.price * fill.size, "the fee is the tier's rate, though listings say 0")
    stage.is_in_the_books(await stage.our_position(), market)


async def _three_units(stage: Stage[LocalLighter], witness: Witness, market: Market) -> None:
    """Funding comes in three units, and each of them foretells or tells the payment."""
    story, venue = stage.story, stage.ours
    stage.local.control.set_funding_rate(market.symbol, RATE)
    # The stream sends changes several times a second.
    streamed = await witness.until(FundingRate, lambda rate: rate.value == RATE, "the funding rate comes live")
    story.does("await venue.fetch_funding_rates()")
    [asked] = await venue.fetch_funding_rates([market])
    story.says("the clock of the exchange moves on by an hour")
    stage.local.clock.advance(timedelta(hours=1))
    [payment] = await stage.payments(market, 1)
    [settled] = await venue.fetch_funding_history(market, limit=1)
    [entry] = stage.local.exchange.funding_payments(stage.account)
    made = Listing(None, "source", "the venue's unit", ">rate for an hour", ">rate x notional")
    due = []
    for unit, rate in (
        ("a fraction for 8 hours", asked),
        ("percent an hour", streamed),
        ("percent an hour, no sign", settled),
    ):
        owed = -entry.size * (entry.price or Decimal(0)) * rate.hourly
        due.append(owed)
        made.row(rate.source, unit, render.number(rate.hourly, signed=True), render.money(owed, signed=True, places=4))
    story.shows(made)
    amount = render.number(payment.amount, signed=True)
    story.expect(payment.amount == entry.amount, f"received {amount} USDC, as the ledger has it")
    story.expect(
        all(abs(each - entry.amount) < CENT for each in due), "rate x notional is that payment, from all three sources"
    )
    story.expect(payment.amount > 0, "the rate is negative and we are long: we are paid")


async def _many_and_none(stage: Stage[LocalLighter], witness: Witness, market: Market) -> None:
    """Orders at once, one that the venue drops after it took it, and out again."""
    story, venue = stage.story, stage.ours
    book = await venue.fetch_order_book(market, depth=1)
    below = book.bids[0].price - 100
    story.does("await asyncio.gather(*(venue.place_order(...) for _ in range(8)))")
    await asyncio.gather(
        *(
            venue.place_order(OrderIntent(market_id=market.id, side=Side.BUY, size=SIZE, price=below - number))
            for number in range(8)
        )
    )
    nonce = stage.local.venue.registry.get(int(stage.account)).keys[stage.local.accounts[0].api_key_index].accepted
    story.expect(nonce == 9, "eight at once on one key: every nonce in its turn, none refused, none left out")
    since = len(witness.seen)
    dropped = await venue.place_order(
        OrderIntent(market_id=market.id, side=Side.BUY, size=SIZE, price=book.asks[0].price, post_only=True)
    )
    end = await witness.order_ends(dropped.client_order_id, "the dropped order is told")
    story.expect(
        (end.status, end.reject_reason) == (OrderStatus.REJECTED, RejectReason.POST_ONLY_WOULD_CROSS),
        "a post-only order that would cross: taken with a yes, then dropped; it is told as rejected, with the reason",
    )
    story.does(f"await venue.cancel_all_orders(); await venue.place_order(..., size={SIZE}, reduce_only=True)")
    await venue.cancel_all_orders()
    story.expect(stage.standing() == [], "the exchange has no open order of ours")
    await venue.place_order(
        OrderIntent(market_id=market.id, side=Side.SELL, type=OrderType.MARKET, size=SIZE, reduce_only=True)
    )
    await stage.the_position_is_gone(witness, since)
