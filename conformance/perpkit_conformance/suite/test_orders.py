"""Orders that are placed: what each type and time in force does, numbers and names."""

from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from perpkit.core.errors import InvalidOrderError, PerpkitError, RejectReason
from perpkit.core.models import Order, OrderStatus, OrderType, PriceKind, SelfTradePrevention, Side, TimeInForce
from perpkit.core.quantize import plain
from perpkit.core.venue import Venue
from perpkit.sim.orders import CloseReason, OrderState
from perpkit_conformance.fixtures import require
from perpkit_conformance.outcomes import Outcome
from perpkit_conformance.plugin import gap
from perpkit_conformance.suite.trading import TRADES, Trader, assert_same
from perpkit_conformance.target import Target

pytestmark = TRADES

SIDES = [pytest.param(side, id=side.value) for side in Side]


# Types and times in force


@pytest.mark.rule("order-types-take-effect")
@pytest.mark.needs("order_type:limit")
@pytest.mark.parametrize("side", SIDES)
async def test_a_limit_order_rests_at_its_price(trader: Trader, side: Side) -> None:
    """The ledger has it as it was asked for, open, and nothing traded."""
    asked = trader.intent(side)
    order = await trader.send(asked)
    truth = trader.true(order)
    assert (truth.side, truth.size, truth.price) == (side, asked.size, asked.price), f"{asked!r} became {truth!r}"
    assert truth.type is OrderType.LIMIT, f"{asked!r} became {truth!r}"
    ends = {TimeInForce.GTC} if trader.target.profile.longest_life is None else {TimeInForce.GTC, TimeInForce.GTD}
    assert truth.time_in_force in ends, f"{asked!r} became {truth!r}"
    assert truth.state is OrderState.OPEN, f"{asked!r} became {truth!r}"
    assert (truth.post_only, truth.reduce_only) == (False, False), f"{asked!r} became {truth!r}"
    assert_same(await trader.fetch(order), truth, "fetch_order")


@pytest.mark.rule("order-types-take-effect")
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("kind", ["limit", "ioc", "fok", "market"])
async def test_an_order_that_meets_the_book_trades(
    request: pytest.FixtureRequest, trader: Trader, side: Side, kind: str
) -> None:
    """A market order, and limit orders that reach the other side, are filled; position and order say so."""
    require(request, f"order_type:{kind}" if kind in {"limit", "market"} else f"time_in_force:{kind}")
    fields: dict[str, Any] = {"share": "1.001" if side is Side.BUY else "0.999"}
    if kind == "market":
        fields = {"type": OrderType.MARKET}
    elif kind != "limit":
        fields["time_in_force"] = TimeInForce(kind)
    order = await trader.place(side, **fields)
    truth = trader.true(order)
    assert truth.close_reason is CloseReason.FILLED, f"expected a fill, the ledger has {truth!r}"
    assert trader.position() == side.sign * truth.size
    assert_same(await trader.fetch(order), truth, "fetch_order")


@pytest.mark.rule("order-types-take-effect")
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("kind", ["ioc", "fok"])
async def test_an_order_for_now_that_finds_too_little_never_rests(
    request: pytest.FixtureRequest, target: Target, trader: Trader, side: Side, kind: str
) -> None:
    """IOC takes what is there and drops the rest; FOK takes all or nothing; neither stands in the book."""
    require(request, f"time_in_force:{kind}")
    target.control.clear_liquidity()
    trader.rest(side.opposite, trader.price("1"), trader.size(400))
    share = "1.001" if side is Side.BUY else "0.999"
    order = await trader.place(side, share, size=trader.size(1000), time_in_force=TimeInForce(kind))
    truth = trader.true(order)
    filled = trader.size(400) if kind == "ioc" else Decimal(0)
    assert (truth.state, truth.filled_size) == (OrderState.CLOSED, filled), f"{kind}: the ledger has {truth!r}"
    assert_same(await trader.fetch(order), truth, "fetch_order")


@pytest.mark.rule("order-types-take-effect")
@pytest.mark.needs("cancel_all_orders")
async def test_the_venues_own_options_are_taken(request: pytest.FixtureRequest, target: Target, trader: Trader) -> None:
    """Orders with them stand in the ledger, and went out in the form that the contract gives."""
    if not trader.venue.capabilities.order_options:
        gap(request.node, Outcome.NOT_OFFERED, "the plugin claims no order options of the venue's own")
    target.submit(Side.BUY, trader.size(5000))
    examples = target.profile.option_orders(lambda share: plain(trader.price(share)))
    assert examples, "order options are claimed, and the profile's option_orders has no order with any"
    for what, fields in examples.items():
        came = await trader.attempt(trader.intent(**fields))
        assert isinstance(came, Order), f"{what} ({fields}): came {came!r}"
        assert not trader.true(came).is_closed, f"{what} ({fields}): the ledger has {trader.true(came)!r}"
        await target.run(trader.venue.cancel_all_orders(trader.market))
    breaches = target.breaches()
    assert not breaches, "\n".join(map(str, breaches))


@pytest.mark.rule("order-types-take-effect")
@pytest.mark.needs("time_in_force:gtd")
async def test_a_limited_life_ends_at_its_time(target: Target, trader: Trader) -> None:
    """GTD stands until its time, and is expired after it."""
    until = target.control.clock.now() + timedelta(hours=3)
    order = await trader.place(time_in_force=TimeInForce.GTD, expires_at=until)
    target.advance(timedelta(hours=2))
    assert trader.true(order).state is OrderState.OPEN
    target.advance(timedelta(hours=2))
    assert_same(await trader.fetch(order), trader.true(order), "fetch_order")
    assert trader.true(order).close_reason is CloseReason.EXPIRED


@pytest.mark.rule("order-types-take-effect")
@pytest.mark.needs("post_only")
@pytest.mark.parametrize("side", SIDES)
async def test_post_only_never_takes(trader: Trader, side: Side) -> None:
    """Away from the other side it rests as post-only; where it would trade it does not."""
    order = await trader.place(side, post_only=True)
    truth = trader.true(order)
    assert truth.post_only, f"the ledger knows nothing of post-only: {truth!r}"
    assert_same(await trader.fetch(order), truth, "fetch_order")
    told = await trader.refusal(trader.intent(side, "1.001" if side is Side.BUY else "0.999", post_only=True))
    assert told == (OrderStatus.REJECTED, RejectReason.POST_ONLY_WOULD_CROSS)
    assert not trader.truth.fills(), f"a post-only order took: {trader.truth.fills()}"


_TRIGGERS = [
    pytest.param(kind, side, id=f"{kind}-{side}", marks=pytest.mark.needs(f"order_type:{kind}"))
    for kind in OrderType
    if kind.has_trigger
    for side in Side
]


@pytest.mark.rule("order-types-take-effect")
@pytest.mark.parametrize(("kind", "side"), _TRIGGERS)
async def test_a_trigger_waits_for_its_price_and_then_acts(
    target: Target, trader: Trader, kind: OrderType, side: Side
) -> None:
    """A stop buys above and sells below, a take-profit the other way round; until then it waits, afterwards it acts."""
    is_stop = kind in {OrderType.STOP_LIMIT, OrderType.STOP_MARKET}
    rises = (side is Side.BUY) == is_stop
    trigger = trader.price("1.01" if rises else "0.99")
    # Beyond what it may meet, so that the limit forms trade at once when they wake.
    fields: dict[str, Any] = {"price": trader.price("1.02" if side is Side.BUY else "0.98")} if kind.has_price else {}
    if PriceKind.MARK in trader.venue.capabilities.trigger_kinds:
        fields["trigger_kind"] = PriceKind.MARK
    order = await trader.place(side, type=kind, trigger_price=trigger, **fields)
    truth = trader.true(order)
    wanted = (kind, side, trigger, OrderState.UNTRIGGERED)
    assert (truth.type, truth.side, truth.trigger_price, truth.state) == wanted, f"the ledger has {truth!r}"
    assert_same(await trader.fetch(order), truth, "fetch_order while it waits")
    standing = await target.run(trader.venue.fetch_open_orders(trader.market))
    assert [each.venue_order_id for each in standing] == [truth.id], "a waiting order is an open one"
    # The wrong way first: nothing happens.
    target.control.set_price(trader.symbol, mark=trader.price("0.985" if rises else "1.015"))
    assert trader.true(order).state is OrderState.UNTRIGGERED, "it woke on the wrong side of its trigger"
    target.control.set_price(trader.symbol, mark=trader.price("1.015" if rises else "0.985"))
    truth = trader.true(order)
    assert truth.close_reason is CloseReason.FILLED, f"it should have traded when it woke; the ledger has {truth!r}"
    assert_same(await trader.fetch(order), truth, "fetch_order after it acted")


_WATCHED = [pytest.param(each, id=each.value, marks=pytest.mark.needs(f"trigger:{each}")) for each in PriceKind]


@pytest.mark.rule("order-types-take-effect")
@pytest.mark.needs("order_type:stop_market")
@pytest.mark.parametrize("watched", _WATCHED)
async def test_a_trigger_watches_the_price_that_was_named(target: Target, trader: Trader, watched: PriceKind) -> None:
    """It sleeps while every other price passes it, and wakes when its own does."""
    exchange, beyond = target.control.exchange, trader.price("1.015")
    prices = {PriceKind.INDEX: trader.index, PriceKind.MARK: exchange.mark_price(trader.symbol)}
    fields = {"trigger_price": trader.price("1.01"), "trigger_kind": watched}
    order = await trader.place(Side.BUY, type=OrderType.STOP_MARKET, **fields)
    target.control.clear_liquidity()
    for moved in (*(each for each in PriceKind if each is not watched), watched):
        assert trader.true(order).state is OrderState.UNTRIGGERED, f"it watches {watched}; the ledger woke it before"
        if moved is PriceKind.LAST:
            trader.rest(Side.SELL, beyond, trader.size())
            trader.trade(Side.BUY, trader.size())
        else:
            prices[moved] = beyond
            exchange.set_price(trader.symbol, index=prices[PriceKind.INDEX], mark=prices[PriceKind.MARK])
    assert trader.true(order).state is not OrderState.UNTRIGGERED, f"it watches {watched}, and that did not wake it"


@pytest.mark.rule("order-types-take-effect")
@pytest.mark.parametrize(
    "mode",
    [
        pytest.param(each, id=each.value, marks=pytest.mark.needs(f"self_trade_prevention:{each}"))
        for each in SelfTradePrevention
    ],
)
async def test_self_trade_prevention_removes_the_right_order(trader: Trader, mode: SelfTradePrevention) -> None:
    """Of two orders of one account that would meet, the one goes that was named."""
    maker = await trader.place(Side.BUY, "0.99")
    trader.target.control.clear_liquidity()
    taker = await trader.place(Side.SELL, "0.99", self_trade_prevention=mode)
    gone = {
        SelfTradePrevention.EXPIRE_MAKER: (True, False),
        SelfTradePrevention.EXPIRE_TAKER: (False, True),
        SelfTradePrevention.EXPIRE_BOTH: (True, True),
    }[mode]
    closed = (trader.true(maker).is_closed, trader.true(taker).is_closed)
    assert closed == gone, f"{mode}: expected (maker, taker) gone {gone}, the ledger has {closed}"
    assert not trader.truth.fills()
    for order in (maker, taker):
        assert_same(await trader.fetch(order), trader.true(order), "fetch_order")


# Market orders


@pytest.mark.rule("market-orders-are-bounded")
@pytest.mark.needs("order_type:market")
@pytest.mark.parametrize("side", SIDES)
async def test_a_bounded_market_order_stops_at_its_bound(target: Target, trader: Trader, side: Side) -> None:
    """It takes the level within its slippage, and leaves the one beyond."""
    target.control.clear_liquidity()
    near, far = ("1", "1.01") if side is Side.BUY else ("1", "0.99")
    trader.rest(side.opposite, trader.price(near), trader.size(400))
    trader.rest(side.opposite, trader.price(far), trader.size(4000))
    order = await trader.place(side, type=OrderType.MARKET, max_slippage="0.002")
    truth = trader.true(order)
    assert truth.filled_size == trader.size(400), (
        f"expected {trader.size(400)} from within 0.2 % of the best quote; the ledger has {truth.filled_size} filled"
    )
    assert_same(await trader.fetch(order), truth, "fetch_order")


@pytest.mark.rule("market-orders-are-bounded")
@pytest.mark.needs("order_type:market")
@pytest.mark.parametrize("side", SIDES)
async def test_a_market_order_without_a_bound_takes_the_next_level_too(
    target: Target, trader: Trader, side: Side
) -> None:
    """What it carries as a price, if the venue wants one, does not stop it within the book."""
    target.control.clear_liquidity()
    for share in ("1", "1.005") if side is Side.BUY else ("1", "0.995"):
        trader.rest(side.opposite, trader.price(share), trader.size(600))
    order = await trader.place(side, type=OrderType.MARKET)
    truth = trader.true(order)
    assert truth.filled_size == truth.size, f"the ledger has {truth.filled_size} of {truth.size} filled"
    assert_same(await trader.fetch(order), truth, "fetch_order")


@pytest.mark.rule("market-orders-are-bounded")
@pytest.mark.needs("order_type:market")
async def test_a_market_order_into_an_empty_book_trades_nothing_and_rests_nowhere(
    target: Target, trader: Trader
) -> None:
    """It is refused beforehand, or ends unfilled."""
    target.control.clear_liquidity()
    order = await trader.attempt(trader.intent(type=OrderType.MARKET))
    if isinstance(order, Order):
        truth = trader.true(order)
        assert (truth.state, truth.filled_size) == (OrderState.CLOSED, 0), f"the ledger has {truth!r}"
        assert_same(await trader.fetch(order), truth, "fetch_order")
    bounded = await trader.attempt(trader.intent(type=OrderType.MARKET, max_slippage="0.01"))
    assert isinstance(bounded, InvalidOrderError), f"nothing to bound it by, and it came to {bounded!r}"
    assert not trader.truth.open_orders()


# Numbers


@pytest.mark.rule("signed-is-sent")
@pytest.mark.target(deposit=Decimal(10_000_000))
async def test_random_orders_arrive_as_they_were_meant(target: Target, venue: Venue, venue_seed: int) -> None:
    """Sizes and prices with all the digits that the rules allow, on every market of the profile, both sides."""
    rng = random.Random(f"{venue_seed}/orders")  # noqa: S311 - reproducible, not secret
    for market in target.profile.markets:
        trader = await Trader.of(target, venue, market)
        for number in range(12):
            side = rng.choice(list(Side))
            share = Decimal(rng.randint(9600, 9990) if side is Side.BUY else rng.randint(10010, 10400)) / 10_000
            ticks = rng.randint(-40, 40) * trader.market.tick_size
            steps = rng.randint(0, 99) * trader.market.step_size
            intent = trader.intent(
                side, price=trader.price(share) + ticks, size=trader.size(rng.randint(50, 5_000)) + steps
            )
            try:
                order = await trader.send(intent)
            except PerpkitError as error:
                pytest.fail(f"seed {venue_seed}, order {number} on {market}: {intent!r} was refused: {error}")
            truth = trader.true(order)
            sent, kept = (intent.side, intent.size, intent.price), (truth.side, truth.size, truth.price)
            assert sent == kept, f"seed {venue_seed}, order {number} on {market}: meant {sent}, the ledger has {kept}"
            assert (order.size, order.price) == (truth.size, truth.price)


@pytest.mark.rule("sizes-never-grow")
async def test_a_size_arrives_to_its_last_step(target: Target, venue: Venue) -> None:
    """One step more than a round number is neither rounded away nor up, on any market."""
    for market in target.profile.markets:
        trader = await Trader.of(target, venue, market)
        for steps in (1, 4, 5, 6, 9):
            size = trader.size(500) + steps * trader.market.step_size
            truth = trader.true(await trader.place(size=size))
            assert truth.size == size, f"{market}: expected {size}, the ledger has {truth.size}"


@pytest.mark.rule("sizes-never-grow")
async def test_the_least_size_is_taken_and_less_is_not_sent(target: Target, venue: Venue) -> None:
    """The smallest order that the exchange takes passes; one step less, or half a step off, goes nowhere."""
    for market in target.profile.markets:
        trader = await Trader.of(target, venue, market)
        rules = target.control.exchange.market(trader.symbol)
        price = trader.price("0.98")
        steps = max((rules.min_notional or Decimal(0)) / price, rules.min_size or Decimal(0)) / rules.step_size
        least = steps.to_integral_value(rounding="ROUND_CEILING") * rules.step_size or rules.step_size
        before = sum(target.arrivals.requests.values())
        for size in (least - rules.step_size, least + rules.step_size / 2):
            if size > 0:
                came = await trader.attempt(trader.intent(price=price, size=size))
                assert isinstance(came, InvalidOrderError), f"{market}: size {size} came to {came!r}"
        sent = sum(target.arrivals.requests.values()) - before
        assert sent == 0, f"{market}: {sent} requests arrived for orders that break the market's rules"
        truth = trader.true(await trader.place(price=price, size=least))
        assert truth.size == least, f"{market}: expected {least}, the ledger has {truth.size}"
