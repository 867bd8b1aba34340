"""
The acts of the demo, in order. What the library says is held against the exchange's own ledger, which it can't see.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from perpkit.cli import demo_stage, render
from perpkit.cli.account import balances_table
from perpkit.cli.book import BookView, drawn, levels_table
from perpkit.cli.funding import rates_table
from perpkit.cli.story import Story
from perpkit.cli.tables import Listing
from perpkit.cli.witness import PATIENCE_SECONDS, Witness, followed
from perpkit.core.errors import OutcomeUnknownError, RejectReason
from perpkit.core.models import (
    Fill,
    FundingRate,
    Market,
    MarketStatus,
    OrderIntent,
    OrderStatus,
    OrderType,
    Position,
    Side,
    StreamState,
    StreamStatus,
    TimeInForce,
)
from perpkit.core.venue import Venue
from perpkit.sim.faults import Fault, FaultAction
from perpkit.sim.venues.paradex.server import LocalParadex

SYMBOL = "BTC-USD-PERP"
SIZE = Decimal("0.5")
HOURS = 8


@dataclass
class Stage(demo_stage.Stage[LocalParadex]):
    """
    What the acts share; at the exchange our account's name is its address.

    Attributes:
        theirs: The same venue with another account: somebody to trade with.
        start_balance: USDC that we had before we traded.
    """

    theirs: Venue
    start_balance: Decimal = Decimal(0)

    async def market(self) -> Market:
        """Return the market that is traded."""
        return await self.ours.market(SYMBOL)


async def markets_and_funding(stage: Stage) -> None:
    """Listings: what can be traded, and what it costs to hold."""
    story = stage.story
    await story.act("Open a venue by its name: markets and funding")
    story.does('async with perpkit.open_venue("paradex", "local", rest_url=..., private_key=...) as venue:')
    story.does("await venue.fetch_markets()")
    listed = await stage.ours.fetch_markets()
    made = Listing(None, "market", "status", ">tick", ">step", ">maker", ">taker", "funding")
    for each in listed:
        interval = render.duration(each.funding_interval)
        fees = (render.percent(each.maker_fee), render.percent(each.taker_fee))
        symbol = each.instrument.symbol
        made.row(symbol, each.status, each.tick_size, each.step_size, *fees, f"{interval} {each.funding_accrual}")
    story.shows(made)
    sold_here = {spec.symbol for spec in stage.local.exchange.markets()}
    story.expect(
        sold_here <= {each.symbol for each in listed}, f"all {len(sold_here)} perpetuals that trade are listed"
    )
    story.expect(
        not [each for each in listed if "25DEC26" in each.symbol or each.symbol == "DIME-USD"],
        "options, spot and dated futures, which the venue lists beside them, are left out",
    )
    story.does("await venue.fetch_funding_rates()")
    tradable = [each for each in listed if each.status is MarketStatus.OPEN]
    rates = await stage.ours.fetch_funding_rates(tradable)
    story.shows(rates_table(sorted(rates, key=lambda rate: rate.market_id), stage.local.clock.now()))
    periods = {each.market_id: each.period for each in rates}
    story.expect(
        all(periods[each.id] == each.funding_interval for each in tradable if each.id in periods),
        "every rate names its own period, as its market has it: 4, 8 and 24 hours are not the same thing",
    )


async def the_book(stage: Stage) -> None:
    """The live book."""
    story = stage.story
    await story.act("The order book, live")
    story.does(f'async with venue.stream("book:{SYMBOL}") as events:')
    market = await stage.market()
    view = BookView(market.id, market.id, 4)
    live = False
    clock = stage.local.clock
    watched = clock.now() + timedelta(seconds=3 * story.pause)
    drawing = story.pause > 0 and story.console.is_terminal
    with suppress(TimeoutError):
        async with (
            asyncio.timeout(PATIENCE_SECONDS),
            stage.ours.stream(f"book:{SYMBOL}") as events,
            drawn(view, clock, enabled=drawing),
        ):
            async for event in events:
                view.take(event)
                live = live or (isinstance(event, StreamStatus) and event.state is StreamState.LIVE)
                if live and view.updates >= 5 and clock.now() >= watched:
                    break
    story.expect(live, "the stream becomes live: subscribed, and its first state delivered")
    story.expect(not view.book.is_stale, f"a whole book and its changes, {view.updates} so far, none of them missed")
    bids, asks = view.book.bids(4), view.book.asks(4)
    if not drawing:
        story.shows(levels_table(bids, asks))
    story.expect(bids[0].price < asks[0].price, "the best bid is below the best ask")


async def an_order_fills(stage: Stage, witness: Witness) -> None:
    """A resting order, and somebody who trades with it."""
    story = stage.story
    await story.act(f"Place an order for {SIZE} BTC and watch it fill")
    market = await stage.market()
    [before] = await stage.ours.fetch_balances()
    stage.start_balance = before.total
    # Quotes move each second; while they stand it is certain that our order rests, and that it is the one that is met.
    stage.local.control.still(market.symbol)
    book = await stage.ours.fetch_order_book(market, depth=5)
    price = book.bids[0].price
    story.does(f'await venue.place_order(OrderIntent(..., side="buy", size={SIZE}, price={price}, post_only=True))')
    intent = OrderIntent(market_id=market.id, side=Side.BUY, size=SIZE, price=price, post_only=True)
    placed = await stage.ours.place_order(intent)
    story.says(f"the venue answers: {placed.status}; its checks come later, and so the stream tells the rest")
    mine = placed.client_order_id
    await witness.order_is(mine, OrderStatus.OPEN, "our order opens")
    story.expect(placed.client_order_id, f"it rests in the book under the id that we chose before sending: {mine}")
    story.says("another trader sells into the book, down to our price:")
    await _somebody_sells(stage, market, price)
    await witness.order_is(mine, OrderStatus.FILLED, "our order fills")
    await witness.until(Fill, lambda fill: fill.client_order_id == mine, "the fill comes on its own channel")
    fills = [event for event in witness.seen if isinstance(event, Fill) and event.client_order_id == mine]
    story.expect(sum(fill.size for fill in fills) == SIZE, f"the fills add up to {SIZE}")
    story.expect(len({fill.fill_id for fill in fills}) == len(fills), "each fill came once")
    story.expect(all(fill.side is Side.BUY for fill in fills), "and on our side, though the venue names the taker's")
    stage.local.control.liven(market.symbol)


async def _somebody_sells(stage: Stage, market: Market, price: Decimal) -> None:
    book = await stage.theirs.fetch_order_book(market, depth=100)
    in_the_way = sum((level.size for level in book.bids if level.price >= price), Decimal(0))
    await stage.theirs.place_order(
        OrderIntent(
            market_id=market.id,
            side=Side.SELL,
            size=max(in_the_way, SIZE),
            price=price,
            time_in_force=TimeInForce.IOC,
        )
    )


async def holding_it(stage: Stage, witness: Witness) -> None:
    """The position, the balance, and eight hours of funding."""
    story = stage.story
    await story.act(f"Hold it for {HOURS} hours: position, balance, funding")
    market = await stage.market()
    story.does("await venue.fetch_positions(); await venue.fetch_balances()")
    position = await stage.our_position()
    story.shows(balances_table(await stage.ours.fetch_balances()))
    stage.is_in_the_books(position, market)
    rate = await witness.until(FundingRate, lambda rate: rate.funding_index is not None, "the funding rate comes live")
    story.says(f"the clock of the exchange moves on by {HOURS} hours; the price is held, so that only funding moves")
    stage.local.control.still()
    later = stage.local.clock.now() + timedelta(hours=HOURS)
    stage.local.clock.advance(timedelta(hours=HOURS))
    after = await witness.until(FundingRate, lambda rate: rate.effective_at >= later, "the funding rate moves on")
    position = await stage.our_position()
    notional = abs(position.size) * stage.local.exchange.index_price(market.symbol)
    _funding_is_right(story, rate, after, position, notional)
    stage.local.control.liven(market.symbol)
    story.expect(
        position.accrued_funding is not None and position.unrealized_pnl is not None,
        "funding has a field of its own: the unrealized PnL is from price alone",
    )


def _funding_is_right(
    story: Story, before: FundingRate, after: FundingRate, position: Position, notional: Decimal
) -> None:
    """Hold the payment identity: what is owed is size x growth of the venue's index, and that is rate x notional."""
    accrued = position.accrued_funding
    if accrued is None or before.funding_index is None or after.funding_index is None:
        story.expect(None, "the venue tells accrued funding and its index")
        return
    owed = -position.size * (after.funding_index - before.funding_index)
    by_rate = -before.hourly * HOURS * notional
    # The two reads are some milliseconds apart, of which funding grows too.
    tolerance = max(abs(owed) / 1000, Decimal("0.001"))
    story.expect(
        abs(accrued - owed) <= tolerance,
        f"funding owed {render.money(accrued, signed=True, places=4)} = -size x growth of the index "
        f"({render.money(owed, signed=True, places=4)})",
    )
    story.expect(
        abs(accrued - by_rate) <= abs(by_rate) / 100,
        f"and that is rate x notional: {render.number(before.value, signed=True)} for "
        f"{render.duration(before.period)} on {render.money(notional)} is {render.money(by_rate, signed=True)}",
    )
    story.expect((accrued < 0) == (before.value > 0), "its sign: a positive rate is paid by longs, and we are long")


async def closing_it(stage: Stage, witness: Witness) -> None:
    """Out again, and the books."""
    story = stage.story
    await story.act("Close it, and add up the books")
    market = await stage.market()
    since = len(witness.seen)
    story.does(f'await venue.place_order(OrderIntent(..., side="sell", type="market", size={SIZE}, reduce_only=True))')
    closing = await stage.ours.place_order(
        OrderIntent(market_id=market.id, side=Side.SELL, type=OrderType.MARKET, size=SIZE, reduce_only=True)
    )
    await witness.order_ends(closing.client_order_id, "the closing order ends")
    await stage.the_position_is_gone(witness, since)
    fills = await stage.ours.fetch_fills(market)
    [balance] = await stage.ours.fetch_balances()
    realized = sum((fill.realized_pnl or Decimal(0) for fill in fills), Decimal(0))
    fees = sum((fill.fee for fill in fills), Decimal(0))
    funding = sum((fill.realized_funding or Decimal(0) for fill in fills), Decimal(0))
    made = Listing(None, "USDC", ">amount")
    made.row("before", stage.start_balance)
    made.row("+ realized PnL", render.signed(render.number(realized, signed=True), realized))
    made.row("- fees", render.signed(render.number(-fees, signed=True), -fees))
    made.row("+ funding", render.signed(render.number(funding, signed=True), funding))
    made.row("= expected", stage.start_balance + realized - fees + funding)
    made.row("balance", balance.total)
    story.shows(made)
    story.expect(
        balance.total == stage.start_balance + realized - fees + funding, "the balance is exact, to the last digit"
    )
    payments = await stage.ours.fetch_funding_payments(market)
    story.expect(
        sum((payment.amount for payment in payments), Decimal(0)) == funding, "and so is the list of funding payments"
    )
    entries = stage.ledger()
    story.expect(entries[-1].balance_after == balance.total, "the exchange's own ledger says the same")
    stage.local.exchange.check_invariants()
    story.expect(True, "and its books balance: money, positions, orders")


async def no_answer(stage: Stage, witness: Witness) -> None:
    """An order that is taken, and an answer that never comes."""
    story = stage.story
    await story.act("Sent, and no answer: neither open nor rejected until the venue says so")
    market = await stage.market()
    book = await stage.ours.fetch_order_book(market, depth=1)
    price = _below(book.bids[0].price, market)
    stage.local.faults.add(Fault(action=FaultAction.DROP_AFTER, match="POST /v1/orders"))
    story.says("the exchange is told to take the next order and to hang up without an answer")
    story.does("await venue.place_order(...)")
    intent = OrderIntent(market_id=market.id, side=Side.BUY, size=Decimal("0.01"), price=price, post_only=True)
    try:
        placed = await stage.ours.place_order(intent)
    except OutcomeUnknownError as error:
        unknown = error
    else:
        story.expect(None, f"OutcomeUnknownError is raised (it came back as {placed.status})")
        return
    story.says(f"OutcomeUnknownError: {unknown.message}")
    story.expect(unknown.client_order_id, f"it names the order: {unknown.client_order_id}")
    story.does("await venue.resolve_order(error)   # only reads; nothing is sent again")
    found = await stage.ours.resolve_order(unknown)
    story.expect(found.status is OrderStatus.OPEN, "resolved: the order is open at the venue")
    held = [each for each in stage.local.exchange.orders(stage.account) if each.client_id == unknown.client_order_id]
    story.expect(len(held) == 1, "the exchange has it exactly once")
    await stage.ours.cancel_order(found)
    await witness.order_is(unknown.client_order_id, OrderStatus.CANCELED, "it is canceled")
    story.expect(await stage.ours.fetch_open_orders() == [], "canceled; no order is left")


async def refused_late(stage: Stage, witness: Witness) -> None:
    """An order that is accepted, and refused afterwards."""
    story = stage.story
    await story.act("Accepted, and refused later: margin")
    market = await stage.market()
    book = await stage.ours.fetch_order_book(market, depth=1)
    price = _below(book.bids[0].price, market)
    size = Decimal(90)
    story.does(f'await venue.place_order(OrderIntent(..., side="buy", size={size}, price={price}))')
    placed = await stage.ours.place_order(OrderIntent(market_id=market.id, side=Side.BUY, size=size, price=price))
    story.says(f"the venue answers: {placed.status}")
    mine = placed.client_order_id
    ended = await witness.order_ends(mine, "the venue refuses it")
    story.expect(
        (ended.status, ended.reject_reason) == (OrderStatus.REJECTED, RejectReason.MARGIN),
        f"{ended.status}, reason {ended.reject_reason} (the venue's word: {ended.status_message})",
    )
    story.expect((await stage.ours.fetch_order(placed)).status is OrderStatus.REJECTED, "asked again, it says the same")
    [balance] = await stage.ours.fetch_balances()
    story.expect(balance.total == stage.ledger()[-1].balance_after, "and it cost nothing")


def _below(price: Decimal, market: Market) -> Decimal:
    """Return a price 1 % below, on the market's grid."""
    return (price * Decimal("0.99") / market.tick_size).to_integral_value() * market.tick_size


async def trading(stage: Stage) -> None:
    """Everything that the account's streams are followed for."""
    await stage.story.act("The account, live")
    channels = ["orders", "fills", "positions", "balances", "funding_payments", f"funding:{SYMBOL}"]
    stage.story.does(f"async with venue.stream({channels}) as events:")
    async with followed(stage.ours, channels, stage.story.console) as witness:
        stage.story.expect(True, "live: what happens to the account from here on is told as it happens")
        for act in (an_order_fills, holding_it, closing_it, no_answer, refused_late):
            await act(stage, witness)


ACTS: tuple[Callable[[Stage], Awaitable[None]], ...] = (markets_and_funding, the_book, trading)
"""In the order in which they are played."""
