"""
The demo's third venue: the same calls on a local Lighter, whose orders are signed transactions with numbers for names.
What the library says is held against that exchange's own ledger.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from importlib.util import find_spec

from perpkit.cli import render
from perpkit.cli.account import positions_table
from perpkit.cli.demo_extended import paid
from perpkit.cli.story import Story
from perpkit.cli.tables import Listing
from perpkit.cli.witness import Witness
from perpkit.core.clock import SystemClock
from perpkit.core.errors import RejectReason
from perpkit.core.models import (
    Fill,
    FundingRate,
    Market,
    Order,
    OrderIntent,
    OrderStatus,
    OrderType,
    Position,
    Side,
)
from perpkit.core.opening import open_venue
from perpkit.core.transport.ratelimit import RateLimiterRegistry
from perpkit.core.venue import Venue
from perpkit.sim.clock import SimClock
from perpkit.sim.venues.lighter import LocalLighter, Settings

SYMBOL = "ETH-USDC-PERP"
SIZE = Decimal(2)
RATE = Decimal("-0.00005")
CENT = Decimal("0.01")


@dataclass
class _Stage:
    """What the acts share; ``account`` is our number at the exchange, to look into its ledger with."""

    story: Story
    local: LocalLighter
    venue: Venue
    account: str


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
            open_venue(
                "lighter",
                "local",
                rest_url=local.url,
                ws_url=local.ws_url,
                account_index=me.account_index,
                api_key_index=me.api_key_index,
                api_private_key=me.private_key,
                tier="premium",
                clock=clock,
                limits=RateLimiterRegistry(clock),
                environ={},
            )
        )
        stage = _Stage(story, local, venue, str(me.account_index))
        market = await venue.market(SYMBOL)
        local.control.quote(market.symbol, levels=10, size=Decimal(5))
        async with venue.stream(["orders", "fills", "positions", f"funding:{SYMBOL}"]) as events:
            witness = Witness(events, story.console)
            watching = asyncio.create_task(witness.watch())
            try:
                await witness.live()
                await _a_text_for_a_number(stage, witness, market)
                await _three_units(stage, witness, market)
                await _many_and_none(stage, witness, market)
            finally:
                watching.cancel()
                with suppress(asyncio.CancelledError):
                    await watching
        [balance] = await venue.fetch_balances()
        entries = local.exchange.ledger_entries(stage.account)
        story.expect(balance.total == entries[-1].balance_after, "the balance is the ledger's, to the last digit")
        local.exchange.check_invariants()
        story.expect(True, "and the third exchange's books balance too")


async def _a_text_for_a_number(stage: _Stage, witness: Witness, market: Market) -> None:
    """An order under a text of ours fills; the venue knows a number."""
    story, venue = stage.story, stage.venue
    book = await venue.fetch_order_book(market, depth=1)
    price, name = book.asks[0].price, "demo-1"
    story.does(f'await venue.place_order(OrderIntent(..., size={SIZE}, price={price}, client_order_id="{name}"))')
    placed = await venue.place_order(
        OrderIntent(market_id=market.id, side=Side.BUY, size=SIZE, price=price, client_order_id=name)
    )
    story.expect(placed.status is OrderStatus.PENDING, "the API has taken it: pending, and no more is claimed")
    await witness.until(
        Order, lambda order: order.client_order_id == name and order.status is OrderStatus.FILLED, "our order fills"
    )
    fill = await witness.until(Fill, lambda each: each.client_order_id == name, "its fill")
    [truth] = stage.local.exchange.orders(stage.account)
    story.expect(
        (truth.client_id or "").isdecimal() and fill.client_order_id == name,
        f"the exchange knows it as {truth.client_id}, and every event calls it {name}",
    )
    [fees] = await venue.fetch_fees([market])
    story.expect(fill.fee == fees.taker * fill.price * fill.size, "the fee is the tier's rate, though listings say 0")
    [position] = await venue.fetch_positions()
    story.shows(positions_table([position]))
    held = stage.local.exchange.position(stage.account, market.symbol)
    story.expect(
        held is not None and (position.size, position.entry_price) == (held.size, held.entry_price),
        "size and entry price are those of the exchange's own books",
    )


async def _three_units(stage: _Stage, witness: Witness, market: Market) -> None:
    """Funding comes in three units, and each of them foretells or tells the payment."""
    story, venue = stage.story, stage.venue
    stage.local.control.set_funding_rate(market.symbol, RATE)
    # The stream sends changes several times a second.
    streamed = await witness.until(FundingRate, lambda rate: rate.value == RATE, "the funding rate comes live")
    story.does("await venue.fetch_funding_rates()")
    [asked] = await venue.fetch_funding_rates([market])
    story.says("the clock of the exchange moves on by an hour")
    stage.local.clock.advance(timedelta(hours=1))
    [payment] = await paid(venue, market, 1)
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


async def _many_and_none(stage: _Stage, witness: Witness, market: Market) -> None:
    """Orders at once, one that the venue drops after it took it, and out again."""
    story, venue = stage.story, stage.venue
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
    end = await witness.until(
        Order,
        lambda order: order.client_order_id == dropped.client_order_id and order.is_terminal,
        "the dropped order is told",
    )
    story.expect(
        (end.status, end.reject_reason) == (OrderStatus.REJECTED, RejectReason.POST_ONLY_WOULD_CROSS),
        "a post-only order that would cross: taken with a yes, then dropped; it is told as rejected, with the reason",
    )
    story.does(f"await venue.cancel_all_orders(); await venue.place_order(..., size={SIZE}, reduce_only=True)")
    await venue.cancel_all_orders()
    standing = [each for each in stage.local.exchange.orders(stage.account) if not each.is_closed]
    story.expect(standing == [], "the exchange has no open order of ours")
    await venue.place_order(
        OrderIntent(market_id=market.id, side=Side.SELL, type=OrderType.MARKET, size=SIZE, reduce_only=True)
    )
    await witness.until(Position, lambda each: each.size == 0, "the position is flat", after=since)
    story.expect(await venue.fetch_positions() == [], "no position is left")
