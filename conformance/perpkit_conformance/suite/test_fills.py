"""Fills: every one of the ledger's, once, with our own side, its fee and its kind, over REST and stream alike."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from perpkit.core.clock import from_ms
from perpkit.core.errors import PerpkitError
from perpkit.core.models import Channel, Fill, FillKind, Liquidity, Order, OrderIntent, OrderStatus, OrderType, Side
from perpkit.core.venue import Venue
from perpkit.sim import orders as ledger
from perpkit.sim.faults import FaultAction
from perpkit.sim.markets import FeeRates
from perpkit.sim.orders import CloseReason
from perpkit_conformance.suite.altering import name_of, recorded
from perpkit_conformance.suite.calls import Caller, a_life, nearest, settle_balance
from perpkit_conformance.suite.comparing import Findings, figures
from perpkit_conformance.suite.histories import History
from perpkit_conformance.suite.trading import Trader
from perpkit_conformance.target import Target, Watch

pytestmark = pytest.mark.needs("fetch_fills")

_MILLISECOND = timedelta(milliseconds=1)


async def _streamed(watch: Watch, fills: list[ledger.Fill]) -> list[Fill]:
    """Return the stream's fills once there are as many as the ledger has, and a moment has passed for any more."""
    await watch.until(lambda: len(watch.of(Fill)) >= len(fills), f"{len(fills)} fills on the stream")
    await watch_out(watch)
    return watch.of(Fill)


async def watch_out(watch: Watch) -> None:
    """Give what should not come the time to come."""
    for _ in range(20):
        await asyncio.sleep(0.001)


# Exactly once


@pytest.mark.rule("fills-exactly-once")
@pytest.mark.needs("channel:fills")
@pytest.mark.parametrize("close_code", [1006, 1012], ids=["broken", "restarted"])
async def test_each_fill_comes_once_whatever_happens_to_the_stream(
    target: Target, venue: Venue, close_code: int
) -> None:
    """Frames that come twice, a connection that goes with a fill on it, fills while it is away: each comes once."""
    target.quote(size=Decimal(5))
    async with target.watch(venue, "fills") as watch:
        target.submit(Side.BUY, "0.1")
        target.inject(Channel.FILLS, FaultAction.DUPLICATE, times=2)
        target.submit(Side.BUY, "0.2")
        target.submit(Side.SELL, "0.05")
        await _streamed(watch, target.truth().fills())
        target.inject(Channel.FILLS, FaultAction.DISCONNECT, close_code=close_code)
        target.submit(Side.SELL, "0.3")
        target.submit(Side.BUY, "0.4")
        target.advance(_MILLISECOND)
        target.submit(Side.SELL, "0.01")
        came = await _streamed(watch, target.truth().fills())
        target.submit(Side.BUY, "0.02")
        came = await _streamed(watch, target.truth().fills())
    with Findings(target) as found:
        found.fills(came, target.truth().fills(), "fills of the stream")


@pytest.mark.rule("fills-exactly-once")
@pytest.mark.needs("channel:fills")
async def test_a_fill_has_one_id_on_every_path(target: Target, venue: Venue) -> None:
    """REST, stream and a second session after a restart give the same fills the same ids."""
    target.quote(size=Decimal("0.1"))
    target.submit(Side.BUY, "0.25")
    async with target.watch(venue, "fills") as watch:
        target.submit(Side.SELL, "0.35")
        new = target.truth().fills()[3:]
        streamed = {each.fill_id for each in await _streamed(watch, new)}
    fetched = await target.run(venue.fetch_fills())
    again = await target.run((await target.open()).fetch_fills())
    with Findings(target) as found:
        found.fills(fetched, target.truth().fills())
        found.equal(
            "ids after a restart", [e.fill_id for e in again], [e.fill_id for e in fetched], "the first session"
        )
        found.true(
            streamed <= {each.fill_id for each in fetched},
            f"ids of the stream {sorted(streamed)} are not among those of the fetch",
        )


@pytest.mark.rule("fills-exactly-once")
async def test_fills_of_an_order_are_found(target: Target, venue: Venue) -> None:
    """An order that was filled in parts has its fills, by the venue's id of it, adding up to what was filled."""
    target.quote(size=Decimal("0.1"))
    order = target.submit(Side.BUY, "0.25")
    came = [each for each in await target.run(venue.fetch_fills(target.market)) if each.venue_order_id == order.id]
    with Findings(target) as found:
        found.equal("fills of the order", len(came), 3)
        found.equal("their sizes together", sum(each.size for each in came), Decimal("0.25"))


# Adding up


@pytest.mark.rule("fills-add-up")
@pytest.mark.needs("channel:orders", "fetch_order")
@pytest.mark.parametrize("side", list(Side))
async def test_what_is_filled_grows_to_what_the_ledger_has(target: Target, venue: Venue, side: Side) -> None:
    """Cumulative, never less than before, never more than ordered, at the average price of the fills."""
    caller = Caller(target, venue)
    intent = await caller.intent(side)
    async with target.watch(venue, "orders") as watch:
        order = target.submit(side, intent.size, price=intent.price)
        for percent in (20, 35, 45):
            size = nearest(intent.size * percent / 100, target.control.exchange.market(target.symbol).step_size)
            target.submit(side.opposite, size, price=intent.price, account=1)
            await target.breathe(3)
        true = target.truth().order(order.id)
        assert true is not None
        assert true.filled_size > 0
        await watch.until(
            lambda: any(each.filled_size == true.filled_size for each in watch.of(Order)), f"{true.filled_size} filled"
        )
        told = [each for each in watch.of(Order) if each.venue_order_id == order.id]
    with Findings(target) as found:
        sizes = [each.filled_size for each in told]
        found.true(sizes == sorted(sizes), f"filled_size went back: {sizes}")
        found.true(max(sizes) <= true.size, f"more was filled than ordered: {sizes} of {true.size}")
        fetched = await target.run(venue.fetch_order(told[-1]))
        for what, came in (("streamed", told[-1]), ("fetched", fetched)):
            found.equal(f"{what} filled_size", came.filled_size, true.filled_size)
            found.equal(f"{what} remaining_size", came.remaining_size, true.remaining_size)
            found.field(came, "average_price", true.average_price, what)


@pytest.mark.rule("fills-add-up")
@pytest.mark.needs("fetch_order_history")
async def test_the_average_price_is_that_of_the_fills(target: Target, venue: Venue) -> None:
    """Through several levels of the book, price times size of the fills over their size, to the last digit."""
    for number, market in enumerate(target.profile.markets):
        size = History(target, market).size(market)
        target.quote(market, size=size, ticks_apart=7)
        target.submit(list(Side)[number % 2], size * 3, market=market)
    came = {each.venue_order_id: each for each in await target.run(venue.fetch_order_history())}
    with Findings(target) as found:
        for order in target.truth().orders():
            assert order.filled_size
            if (model := came.get(order.id)) is None:
                found.true(False, f"order {order.id} is in the ledger and was not returned")
                continue
            found.equal(f"order {order.id}: filled_size", model.filled_size, order.filled_size)
            found.field(model, "average_price", order.average_price, f"order {order.id}")


# Fees, liquidity, side


@pytest.mark.rule("fees-are-the-ledgers")
@pytest.mark.needs("channel:fills")
@pytest.mark.parametrize(
    "rates",
    [("0.0002", "0.0005"), ("-0.00005", "0.0003"), ("0", "0")],
    ids=["maker-pays", "maker-is-paid", "free"],
)
async def test_fees_have_the_ledgers_sign(target: Target, venue: Venue, rates: tuple[str, str]) -> None:
    """As maker and as taker, for buys and sells: rate times notional, positive when paid, negative for a rebate."""
    maker, taker = map(Decimal, rates)
    target.control.exchange.set_fee_rates(target.truth().account_id, FeeRates(maker=maker, taker=taker))
    async with target.watch(venue, "fills") as watch:
        _as_maker_and_taker(target)
        true = target.truth().fills()
        streamed = await _streamed(watch, true)
    fetched = await target.run(venue.fetch_fills())
    with Findings(target) as found:
        for what, came in (("fetched", fetched), ("streamed", streamed)):
            found.fills(came, true, what)
            for fill in came:
                rate = maker if fill.liquidity is Liquidity.MAKER else taker
                found.equal(f"{what} fee of {fill.fill_id}", fill.fee, fill.price * fill.size * rate, "rate x notional")


@pytest.mark.rule("fees-are-the-ledgers")
@pytest.mark.needs("place_order", "order_type:market")
@pytest.mark.parametrize(("maker", "taker"), [("0.0004", "0.0009"), ("0.00005", "0.0001")], ids=["dearer", "cheaper"])
async def test_an_order_costs_what_the_account_pays(target: Target, venue: Venue, maker: str, taker: str) -> None:
    """Where a fee is a part of what is signed, it is the account's own: its orders are taken, whatever it pays."""
    rates = FeeRates(maker=Decimal(maker), taker=Decimal(taker))
    target.control.exchange.set_fee_rates(target.truth().account_id, rates)
    target.quote()
    caller = Caller(target, venue)
    kinds: tuple[dict[str, Any], ...] = ({"type": OrderType.MARKET, "price": None}, {"post_only": True})
    for fields in kinds:
        came = await caller.attempt(partial(venue.place_order, await caller.intent(**fields)))
        assert isinstance(came, Order), f"the account pays {maker} and {taker}; its order came to {came!r}"
    fees = {each.id: each.price * each.size * rates.taker for each in target.truth().fills()}
    assert {each.fill_id: each.fee for each in await target.run(venue.fetch_fills())} == fees


def _as_maker_and_taker(target: Target) -> None:
    """Let the first account trade on both sides, resting and taking."""
    exchange = target.control.exchange
    spec = exchange.market(target.symbol)
    middle = exchange.index_price(target.symbol)
    target.quote(size=Decimal(2))
    for side in Side:
        target.submit(side, "0.1")
    target.control.clear_liquidity()
    for side in Side:
        price = middle - side.sign * spec.tick_size
        target.submit(side, "0.2", price=price, post_only=True)
        target.submit(side.opposite, "0.15", price=price, account=1)


@pytest.mark.rule("fill-side-is-ours")
@pytest.mark.needs("channel:fills")
async def test_the_side_of_a_fill_is_our_own(target: Target, venue: Venue) -> None:
    """As maker it is not the taker's side; orders that this session never placed are no exception."""
    async with target.watch(venue, "fills") as watch:
        _as_maker_and_taker(target)
        true = {each.id: each for each in target.truth().fills()}
        assert {(each.side, each.liquidity) for each in true.values()} == {(s, q) for s in Side for q in Liquidity}
        streamed = await _streamed(watch, list(true.values()))
    fetched = await target.run(venue.fetch_fills())
    afresh = await target.run((await target.open()).fetch_fills())
    with Findings(target) as found:
        for what, came in (("fetched", fetched), ("streamed", streamed), ("fetched by a new session", afresh)):
            found.same_keys(what, (each.fill_id for each in came), true)
            for fill in came:
                if fill.fill_id in true:
                    found.equal(f"{what} side of {fill.fill_id}", fill.side, true[fill.fill_id].side)
                    found.equal(f"{what} liquidity of {fill.fill_id}", fill.liquidity, true[fill.fill_id].liquidity)


@pytest.mark.rule("fill-side-is-ours")
@pytest.mark.needs("channel:fills", "place_order")
async def test_a_fill_of_our_own_resting_order_has_its_side(target: Target, venue: Venue) -> None:
    """Placed by the plugin itself, both sides, hit by somebody else, with our own id on the fill."""
    caller = Caller(target, venue)
    async with target.watch(venue, "fills", "orders") as watch:
        for side in Side:
            order = await target.run(venue.place_order(await caller.intent(side)))
            target.submit(side.opposite, order.size, price=order.price, account=1)
        true = target.truth().fills()
        streamed = await _streamed(watch, true)
    with Findings(target) as found:
        found.fills(streamed, true, "streamed")
        found.fills(await target.run(venue.fetch_fills()), true, "fetched")
        found.true(all(each.client_order_id for each in streamed), "a fill of our own order lacks its client order id")


# Around acknowledgements


@pytest.mark.rule("fills-around-acknowledgements")
@pytest.mark.needs("channel:fills", "place_order", "order_type:market")
async def test_a_fill_before_the_acknowledgement_is_kept(target: Target, venue: Venue) -> None:
    """The venue's answer to the order comes two seconds after its fills did."""
    target.quote(size=Decimal("0.1"))
    market = await target.run(venue.market(target.market))
    intent = OrderIntent(market_id=market.id, side=Side.BUY, type=OrderType.MARKET, size=Decimal("0.25"))
    async with target.watch(venue, "fills", "orders") as watch:
        target.inject("place_order", FaultAction.DELAY_ANSWER, delay_ms=2000)
        placing = asyncio.ensure_future(venue.place_order(intent))
        try:
            # In small steps: signing takes real time, on a busy machine more than a look or two.
            within, step = timedelta(seconds=1), _MILLISECOND
            await target.until(lambda: len(watch.of(Fill)) == 3, "three fills first", within=within, step=step)
            assert not placing.done(), "the test needs the answer to come last"
        finally:
            order = await target.run(placing)
        came = await _streamed(watch, target.truth().fills())
    fetched = await target.run(venue.fetch_order(order)) if "fetch_order" in venue.capabilities.hooks else order
    with Findings(target) as found:
        found.fills(came, target.truth().fills())
        found.equal("filled_size", fetched.filled_size, Decimal("0.25"))
        found.equal("status", fetched.status, OrderStatus.FILLED)


@pytest.mark.rule("fills-around-acknowledgements")
@pytest.mark.needs("channel:fills", "channel:orders", "place_order", "cancel_order", "fetch_order")
async def test_a_fill_after_the_cancel_was_taken_is_kept(target: Target, venue: Venue) -> None:
    """The cancel was acknowledged; before the venue carried it out, a part of the order traded."""
    trader = await Trader.of(target, venue)
    order = await trader.named(await trader.send(await Caller(target, venue).intent(Side.BUY)))
    part = nearest(order.size / 3, target.control.exchange.market(target.symbol).step_size)
    async with target.watch(venue, "fills", "orders") as watch:
        target.control.hold_decisions()
        target.submit(Side.SELL, part, price=order.price, account=1)
        await target.run(venue.cancel_order(order))
        assert not target.truth().fills(), "the test needs the fill to come after the cancel's answer"
        target.control.release_decisions()
        true = target.truth().order(order.venue_order_id or "")
        assert true is not None
        assert (true.filled_size, true.close_reason) == (part, CloseReason.USER_CANCELED)
        came = await _streamed(watch, target.truth().fills())
        await watch.until(lambda: any(each.is_terminal for each in watch.of(Order)), "the end of the order")
    with Findings(target) as found:
        found.fills(came, target.truth().fills())
        last = [each for each in watch.of(Order) if each.venue_order_id == order.venue_order_id][-1]
        for what, each in (("streamed", last), ("fetched", await target.run(venue.fetch_order(order)))):
            found.equal(f"{what} status", each.status, OrderStatus.CANCELED)
            found.equal(f"{what} filled_size", each.filled_size, true.filled_size)


# Windows and pages

_MANY = 1100
"""More than any page that a plugin is likely to ask for."""


@pytest.mark.rule("fill-pages-are-complete")
async def test_pages_lose_nothing_and_repeat_nothing(target: Target, venue: Venue) -> None:
    """More than a thousand fills, several in a millisecond: each once, oldest first; a limit gives the newest."""
    target.quote(levels=1, size=Decimal(50))
    for number in range(_MANY):
        target.submit(Side.BUY if number % 2 else Side.SELL, "0.01")
        if number % 3 == 0:
            target.advance(_MILLISECOND)
    true = target.truth().fills()
    came = await target.run(venue.fetch_fills())
    newest = await target.run(venue.fetch_fills(target.market, limit=150))
    with Findings(target) as found:
        found.same_keys("fills", (each.fill_id for each in came), (each.id for each in true))
        found.in_order("fills", (each.ts_venue for each in came))
        found.same_keys("the newest 150 fills", (e.fill_id for e in newest), (e.id for e in true[-150:]))


@pytest.mark.rule("fill-pages-are-complete")
@pytest.mark.parametrize("number", range(3))
async def test_windows_begin_inclusive_and_end_exclusive(target: Target, venue: Venue, number: int) -> None:
    """Any window from one fill's time to another's holds those from the first on, and not those of the last."""
    history = History(target, f"windows {number}")
    target.quote(levels=3, size=Decimal(5))
    for _ in range(24):
        target.submit(history.rng.choice(list(Side)), "0.01")
        target.advance(history.rng.choice([0, 1, 1, 997]) * _MILLISECOND)
    true = target.truth().fills()
    with Findings(target) as found:
        for _ in range(6):
            first, last = sorted(history.rng.choice(true).created_at_ms for _ in range(2))
            if first == last:
                last += 1
            limit = history.rng.choice([None, None, 1, 4])
            wanted = [each.id for each in true if first <= each.created_at_ms < last][-(limit or len(true)) :]
            came = await target.run(venue.fetch_fills(since=from_ms(first), until=from_ms(last), limit=limit))
            what = f"fills in [{first}, {last}) with limit={limit}"
            # Which of several in one millisecond a limit keeps, is the venue's to say.
            if limit is None:
                found.same_keys(what, (each.fill_id for each in came), wanted)
            found.equal(f"the number of {what}", len(came), len(wanted))
            found.in_order(what, (each.ts_venue for each in came))
            found.equal(
                f"times of {what}",
                [each.ts_venue for each in came],
                [from_ms(each.created_at_ms) for each in true if each.id in set(wanted)],
            )


@pytest.mark.rule("fill-pages-are-complete")
async def test_a_market_of_many_gives_its_own_fills(target: Target, venue: Venue) -> None:
    """Asked for one market, fills of that market come, all of them, and of no other."""
    a_life(target)
    with Findings(target) as found:
        for market in target.profile.markets:
            came = await target.run(venue.fetch_fills(market))
            found.fills(came, target.truth().fills(target.symbol_of(market)), f"fills of {market}")


# Kinds


@pytest.mark.rule("fill-kinds-are-typed")
@pytest.mark.needs("channel:fills")
async def test_liquidation_settlement_and_deleveraging_are_typed(target: Target, venue: Venue) -> None:
    """Over REST and stream each fill has the ledger's kind, and none of these is a trade."""
    first, second, third = list(target.profile.markets)[:3]
    for market in (first, second, third):
        target.quote(market, size=History(target, market).size(market) * 10)
    async with target.watch(venue, "fills") as watch:
        size = History(target, first).size(first)
        target.submit(Side.BUY, size, market=first)
        target.submit(Side.SELL, size, market=first, account=1)
        exchange = target.control.exchange
        exchange.deleverage(target.truth().account_id, target.truth(1).account_id, target.symbol_of(first))
        target.submit(Side.SELL, History(target, second).size(second), market=second)
        target.control.settle_market(target.symbol_of(second), exchange.index_price(target.symbol_of(second)))
        target.submit(Side.BUY, History(target, third).size(third), market=third)
        target.control.liquidate(target.truth().account_id)
        true = target.truth().fills()
        kinds = {each.kind for each in true}
        assert {FillKind.ADL, FillKind.SETTLEMENT, FillKind.LIQUIDATION, FillKind.TRADE} == kinds
        streamed = await _streamed(watch, true)
    with Findings(target) as found:
        found.fills(streamed, true, "streamed")
        found.fills(await target.run(venue.fetch_fills()), true, "fetched")


@pytest.mark.rule("fill-kinds-are-typed")
async def test_an_unknown_word_does_not_lose_a_fill(
    target: Target, venue: Venue, caplog: pytest.LogCaptureFixture
) -> None:
    """Whatever word of a fill the venue replaces by a new one: the fill is there with its figures, or an error is."""
    target.quote(size=Decimal(5))
    target.submit(Side.BUY, "0.1")
    target.control.liquidate(target.truth().account_id)
    call = venue.fetch_fills
    good, answer = await recorded(target, "fetch_fills", call)
    row = answer.rows()[0]
    kinds_seen = 0
    with Findings(target) as found:
        for place in answer.texts(row):
            if answer.at(place) == target.symbol:
                continue  # a fill in a market that is not listed is nobody's to name
            came = await answer.played(answer.changed((place, "A_NEW_WORD")), call)
            if isinstance(came, PerpkitError):
                continue
            found.equal(f"fills, with {name_of(place)} a new word", len(came), len(good))
            kinds_seen += any(each.kind is FillKind.OTHER or each.kind is FillKind.TRADE for each in came[-1:])
            for before, after in zip(good, came, strict=False):
                same = {name: value for name, value in figures(after).items() if name not in {"kind", "liquidity"}}
                was = {name: value for name, value in figures(before).items() if name not in {"kind", "liquidity"}}
                found.equal(f"figures of a fill, with {name_of(place)} a new word", same, was)
        found.true(kinds_seen, "no word of a liquidation's fill made its kind 'other' when it was replaced")
    assert any(record.levelname == "WARNING" for record in caplog.records), "an unknown word came, and no warning"


# The ledger's identity


@pytest.mark.rule("ledger-identity")
@pytest.mark.needs("fetch_balances", "fetch_positions", "fetch_funding_payments")
@pytest.mark.parametrize("number", range(3))
async def test_fills_fees_and_funding_make_the_balance(target: Target, venue: Venue, number: int) -> None:
    """From what the plugin returned alone, beside the deposits: PnL - fees + funding is the change of the balance."""
    history = History(target, f"identity {number}")
    history.begin()
    history.run(30)
    history.realize()
    history.run(30)
    fills = await target.run(venue.fetch_fills())
    payments = await target.run(venue.fetch_funding_payments())
    positions = await target.run(venue.fetch_positions())
    balance = (await settle_balance(target, venue)).total
    moved = sum((each.amount if each.incoming else -each.amount for each in target.truth().transfers()), Decimal(0))
    fees = sum((each.fee for each in fills), Decimal(0))
    funding = sum((each.amount for each in payments), Decimal(0))
    traded = sum((-each.side.sign * each.price * each.size for each in fills), Decimal(0))
    cost = sum(((each.entry_price or Decimal(0)) * each.size for each in positions), Decimal(0))
    with Findings(target) as found:
        parts = f"transfers {moved}, PnL {traded + cost}, fees {fees}, funding {funding}"
        found.true(fees and funding and traded, f"the history was too quiet: {parts}")
        # An entry price is a quotient: its last place is rounded.
        gap = balance - (moved + traded + cost - fees + funding)
        found.true(abs(gap) < Decimal("1e-9"), f"the balance is {balance} and its parts miss it by {gap}: {parts}")
        if all(each.realized_pnl is not None for each in fills):
            told = sum((each.realized_pnl or Decimal(0) for each in fills), Decimal(0))
            found.equal("balance", balance, moved + told - fees + funding, f"the parts ({parts}, PnL as told {told})")
        if (
            all(each.realized_funding is not None for each in fills)
            and "funding:discrete" in target.profile.not_offered
        ):
            told = sum((each.realized_funding or Decimal(0) for each in fills), Decimal(0))
            found.equal("funding of the fills", told, funding, "the payments")
        found.true(not found.found, str(history))
