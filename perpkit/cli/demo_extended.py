"""
The demo's second venue: the same calls on a local Extended, whose wire has nothing in common with Paradex's. What the
library says is held against that exchange's own ledger.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from datetime import timedelta
from decimal import Decimal

from perpkit.cli import render
from perpkit.cli.demo_stage import Stage, opened
from perpkit.cli.story import Story
from perpkit.cli.tables import Listing
from perpkit.cli.witness import Witness, followed
from perpkit.core.models import (
    Fill,
    FundingPayment,
    Market,
    MarketStatus,
    OrderIntent,
    OrderStatus,
    OrderType,
    Side,
)
from perpkit.core.transport.ratelimit import RateLimiterRegistry
from perpkit.sim.clock import SimClock
from perpkit.sim.venues.extended import LocalExtended

SYMBOL = "BTC-USD-PERP"
SIZE = Decimal("0.5")
RATE = Decimal("0.0001")
HOURS = 2


async def the_same_on_extended(story: Story, seed: int) -> None:
    """Open Extended by its name, and do there what was done on Paradex."""
    await story.act("The same program on another venue: Extended")
    clock = SimClock.real_time()
    async with AsyncExitStack() as stack:
        local = await stack.enter_async_context(LocalExtended(seed=seed, accounts=1, clock=clock))
        me = local.accounts[0]
        story.says(
            "other paths, other names, other signatures, one stream for each connection; the program is the same"
        )
        story.says(f"REST {local.url}")
        story.does('async with perpkit.open_venue("extended", "local", rest_url=..., api_key=...) as venue:')
        venue = await stack.enter_async_context(
            opened(
                "extended",
                local,
                RateLimiterRegistry(clock),
                api_key=me.api_key,
                stark_private_key=me.private_key,
                vault=str(me.vault),
            )
        )
        stage = Stage(story, local, venue, me.account_id)
        market = await _listings(stage)
        local.control.quote(market.symbol, levels=10, size=Decimal(2))
        async with followed(venue, ["orders", "fills", "positions"], story.console) as witness:
            await _in_and_out(stage, witness, market)
            await _amended(stage, witness, market)
        await stage.the_books_balance("and that exchange's books balance too")


async def _listings(stage: Stage[LocalExtended]) -> Market:
    story, venue = stage.story, stage.ours
    story.does("await venue.fetch_markets(); await venue.fetch_funding_rates()")
    listed = await venue.fetch_markets()
    tradable = [each for each in listed if each.status is MarketStatus.OPEN]
    rates = {each.market_id: each for each in await venue.fetch_funding_rates(tradable)}
    made = Listing(None, "market", "settled in", ">tick", ">step", ">funding rate", "for", "paid")
    for each in tradable[:6]:
        rate = rates[each.id]
        shown = (render.number(rate.value, signed=True), render.duration(rate.period), str(each.funding_accrual))
        made.row(each.instrument.symbol, each.instrument.settle, each.tick_size, each.step_size, *shown)
    story.shows(made)
    story.expect(
        {rate.period for rate in rates.values()} == {timedelta(hours=1)},
        "every rate says that it is for one hour; Paradex's were for 4, 8 and 24",
    )
    story.expect({each.instrument.settle for each in listed} == {"USDC"}, "settled in USDC, though its wire says USD")
    return await venue.market(SYMBOL)


async def _in_and_out(stage: Stage[LocalExtended], witness: Witness, market: Market) -> None:
    story, venue = stage.story, stage.ours
    book = await venue.fetch_order_book(market, depth=1)
    price = book.asks[0].price
    story.does(f'await venue.place_order(OrderIntent(..., side="buy", size={SIZE}, price={price}))')
    placed = await venue.place_order(OrderIntent(market_id=market.id, side=Side.BUY, size=SIZE, price=price))
    mine = placed.client_order_id
    await witness.order_is(mine, OrderStatus.FILLED, "our order fills")
    fill = await witness.until(Fill, lambda each: each.client_order_id == mine, "its fill")
    [fees] = await venue.fetch_fees([market])
    story.expect(fill.fee == fees.taker * fill.price * fill.size, "the fee is the account's rate, which was signed")
    stage.is_in_the_books(await stage.our_position(), market)
    story.says(f"the clock of the exchange moves on by an hour, {HOURS} times")
    stage.local.control.set_funding_rate(market.symbol, RATE)
    payments: list[FundingPayment] = []
    for hour in range(1, HOURS + 1):
        stage.local.clock.advance(timedelta(hours=1))
        payments = await stage.payments(market, hour)
    story.does("await venue.fetch_funding_payments()")
    for payment in payments:
        story.says(f"{payment.ts_venue:%H:%M}  {render.number(payment.amount, signed=True)} {payment.asset}")
    story.expect(len(payments) == HOURS, f"{HOURS} payments, one each hour")
    story.expect(all(payment.amount < 0 for payment in payments), "the rate is positive and we are long: we pay")
    since = len(witness.seen)
    story.does(f'await venue.place_order(OrderIntent(..., side="sell", type="market", size={SIZE}, reduce_only=True))')
    await venue.place_order(
        OrderIntent(market_id=market.id, side=Side.SELL, type=OrderType.MARKET, size=SIZE, reduce_only=True)
    )
    await stage.the_position_is_gone(witness, since)


async def _amended(stage: Stage[LocalExtended], witness: Witness, market: Market) -> None:
    story, venue = stage.story, stage.ours
    book = await venue.fetch_order_book(market, depth=1)
    step = market.tick_size * 100
    price = (book.bids[0].price * Decimal("0.99") / step).to_integral_value() * step
    story.does("order = await venue.place_order(...); await venue.amend_order(order, price=...)")
    resting = await venue.place_order(
        OrderIntent(market_id=market.id, side=Side.BUY, size=SIZE, price=price, post_only=True)
    )
    amended = await venue.amend_order(resting, price=price - step)
    story.expect(
        amended.client_order_id != resting.client_order_id,
        "this venue amends by a new order in place of the old one; what comes back is the new one",
    )
    story.expect(
        [each.price for each in stage.standing()] == [price - step], "the exchange has one order, at the new price"
    )
    await venue.cancel_order(amended)
    await witness.order_is(amended.client_order_id, OrderStatus.CANCELED, "it is canceled")
    story.expect(await venue.fetch_open_orders() == [], "canceled; no order is left")
