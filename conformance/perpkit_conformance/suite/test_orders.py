"""Orders: what is asked for is what the exchange gets and does. When something goes wrong on the way is elsewhere."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from perpkit.core.errors import InvalidOrderError, OrderNotFoundError, OrderRejectedError, PerpkitError, RejectReason
from perpkit.core.models import (
    CancelStatus,
    Fill,
    Order,
    OrderRef,
    OrderStatus,
    OrderType,
    PriceKind,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from perpkit.core.quantize import plain
from perpkit.core.venue import Venue
from perpkit.sim import orders as exchange
from perpkit.sim.orders import CloseReason, OrderState
from perpkit_conformance.fixtures import has, offered, published, require
from perpkit_conformance.outcomes import Outcome
from perpkit_conformance.plugin import gap
from perpkit_conformance.suite.trading import CLOSED, Trader, an_id, assert_same, differences
from perpkit_conformance.target import Target

pytestmark = pytest.mark.needs("place_order", "fetch_order")

SIDES = [pytest.param(side, id=side.value) for side in Side]


@pytest.fixture
async def trader(target: Target, venue: Venue) -> Trader:
    """A trader on a quoted book: a hundredth of a percent wide, ten levels of size worth 100,000 each side."""
    trader = await Trader.of(target, venue)
    target.quote(size=trader.size(100_000))
    return trader


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


# Names


@pytest.mark.rule("client-ids-are-echoed")
@pytest.mark.parametrize("own", [True, False], ids=["ours-to-the-last-character", "chosen-by-the-face"])
async def test_an_id_of_ours_reaches_the_exchange_and_comes_back(
    request: pytest.FixtureRequest, target: Target, trader: Trader, own: bool
) -> None:
    """As long as the declared rule allows: on the answer, on every read, and for the right order of two."""
    orders = []
    for number in range(2):
        fields = {"client_order_id": an_id(trader.venue, number)} if own else {}
        order = await trader.place(price=trader.price("0.98") - number * trader.market.tick_size, **fields)
        truth = trader.true(order)
        assert truth.client_id, f"the exchange got no id of ours: {truth!r}"
        assert not own or truth.client_id == fields["client_order_id"]
        assert order.client_order_id == truth.client_id
        orders.append(order)
    for order in orders:
        by_ours = OrderRef(market_id=order.market_id, client_order_id=order.client_order_id)
        assert_same(await trader.fetch(by_ours), trader.true(order), "fetch_order by our id")
    listings: dict[str, Callable[[], Any]] = {
        "fetch_open_orders": lambda: trader.venue.fetch_open_orders(trader.market),
        "fetch_order_history": lambda: trader.venue.fetch_order_history(trader.market),
    }
    for hook, read in listings.items():
        if hook in trader.venue.capabilities.hooks:
            for each in await target.run(read()):
                assert_same(each, trader.true(each), hook)


@pytest.mark.rule("client-ids-are-echoed")
@pytest.mark.needs("fetch_fills")
async def test_fills_carry_the_id_of_their_order(target: Target, trader: Trader) -> None:
    """Taker and maker alike, from REST."""
    taker = await trader.place(Side.BUY, "1.001")
    maker = await trader.place(Side.BUY, "0.99")
    target.control.clear_liquidity()
    trader.trade(Side.SELL, trader.size(300))
    expected = {fill.id: trader.truth.order(fill.order_id) for fill in trader.truth.fills()}
    assert {order.id for order in expected.values() if order} == {taker.venue_order_id, maker.venue_order_id}
    for fill in await target.run(trader.venue.fetch_fills(trader.market)):
        truth = expected.get(fill.fill_id)
        assert truth is not None, f"fill {fill.fill_id}: the ledger has no such fill of an order"
        wanted = (truth.client_id, truth.id)
        came = (fill.client_order_id, fill.venue_order_id)
        assert came == wanted, f"fill {fill.fill_id}: expected ids {wanted} from the ledger, came {came}"


@pytest.mark.rule("client-ids-are-echoed")
@pytest.mark.needs("channel:orders", "channel:fills")
async def test_streams_carry_the_id_of_the_order(target: Target, trader: Trader) -> None:
    """Each event of an order, and each of its fills."""
    async with target.watch(trader.venue, "orders", "fills") as seen:
        orders = [await trader.place(Side.BUY, share, client_order_id=an_id(trader.venue, n)) for n, share in _BOTH]
        await seen.until(
            lambda: (
                seen.of(Fill) and {each.venue_order_id for each in seen.of(Order)} >= {o.venue_order_id for o in orders}
            ),
            "both orders and the fill",
        )
    for event in [*seen.of(Order), *seen.of(Fill)]:
        truth = trader.truth.order(event.venue_order_id or "")
        assert truth is not None, f"the ledger has no such order: {event!r}"
        assert event.client_order_id == truth.client_id, f"expected {truth.client_id} from the ledger, came {event!r}"


_BOTH = ((0, "1.001"), (1, "0.98"))


# States


def _open(trader: Trader) -> exchange.Order:
    return trader.target.submit(Side.BUY, trader.size(), price=trader.price("0.98"), client_id=an_id(trader.venue, 9))


def _partly(trader: Trader) -> exchange.Order:
    order = trader.target.submit(Side.BUY, trader.size(), price=trader.price("1"))
    trader.trade(Side.SELL, trader.size(300))
    return order


def _filled(trader: Trader) -> exchange.Order:
    return trader.target.submit(Side.BUY, trader.size(), price=trader.price("1.001"))


def _canceled(trader: Trader) -> exchange.Order:
    order = _open(trader)
    trader.target.control.exchange.cancel(order.account_id, order.id)
    return order


def _canceled_partly(trader: Trader) -> exchange.Order:
    order = _partly(trader)
    trader.target.control.exchange.cancel(order.account_id, order.id)
    return order


def _removed(trader: Trader) -> exchange.Order:
    order = _open(trader)
    trader.target.cancel_order(order.account_id, order.id)
    return order


def _ioc(trader: Trader) -> exchange.Order:
    return trader.target.submit(Side.BUY, trader.size(), price=trader.price("0.98"), time_in_force=TimeInForce.IOC)


def _ioc_partly(trader: Trader) -> exchange.Order:
    trader.target.control.clear_liquidity()
    trader.rest(Side.SELL, trader.price("1"), trader.size(300))
    return trader.target.submit(Side.BUY, trader.size(), price=trader.price("1"), time_in_force=TimeInForce.IOC)


def _no_liquidity(trader: Trader) -> exchange.Order:
    trader.target.control.clear_liquidity()
    return trader.target.submit(Side.BUY, trader.size())


def _crossing(trader: Trader) -> exchange.Order:
    return trader.target.submit(Side.BUY, trader.size(), price=trader.price("1.001"), post_only=True)


def _too_big(trader: Trader) -> exchange.Order:
    equity = trader.truth.summary().equity
    return trader.target.submit(Side.BUY, trader.size(equity * 60), price=trader.price("0.98"))


def _out_of_band(trader: Trader) -> exchange.Order:
    return trader.target.submit(Side.BUY, trader.size(), price=trader.price("1.2"))


def _nothing_to_reduce(trader: Trader) -> exchange.Order:
    return trader.target.submit(Side.SELL, trader.size(), price=trader.price("1.02"), reduce_only=True)


def _met_itself(trader: Trader) -> exchange.Order:
    trader.target.control.clear_liquidity()
    trader.target.submit(Side.BUY, trader.size(), price=trader.price("0.99"))
    return trader.target.submit(Side.SELL, trader.size(), price=trader.price("0.99"))


def _waiting(trader: Trader) -> exchange.Order:
    request = exchange.OrderRequest(
        account_id=trader.truth.account_id,
        market=trader.symbol,
        side=Side.BUY,
        type=OrderType.STOP_LIMIT,
        size=trader.size(),
        price=trader.price("1.02"),
        trigger_price=trader.price("1.01"),
    )
    return trader.truth.named(trader.target.control.exchange.submit(request))


def _undecided(trader: Trader) -> exchange.Order:
    trader.target.control.hold_decisions()
    return _open(trader)


_STATES = [
    pytest.param(each, id=each.__name__.strip("_"))
    for each in (
        _open,
        _partly,
        _filled,
        _canceled,
        _canceled_partly,
        _removed,
        _ioc,
        _ioc_partly,
        _no_liquidity,
        _crossing,
        _too_big,
        _out_of_band,
        _nothing_to_reduce,
        _met_itself,
        _waiting,
        _undecided,
    )
]


@pytest.mark.rule("status-map-is-total")
@pytest.mark.parametrize("come", _STATES)
async def test_every_state_of_an_order_is_told_right(
    request: pytest.FixtureRequest, target: Target, trader: Trader, come: Callable[[Trader], exchange.Order]
) -> None:
    """Status, reason, sizes and prices are the ledger's, on every read that shows the order, and they stay."""
    if come is _undecided:
        published(request, f"OrderStatus:{OrderStatus.PENDING}")
    ref = trader.ref(come(trader))
    truth = trader.true(ref)
    for again in ("", " again"):
        assert_same(await trader.fetch(ref), truth, f"fetch_order{again}")
    hooks = trader.venue.capabilities.hooks
    if "fetch_open_orders" in hooks:
        rows = await target.run(trader.venue.fetch_open_orders(trader.market))
        assert {each.venue_order_id for each in rows} == {each.id for each in trader.truth.open_orders()}
        for each in rows:
            assert_same(each, trader.true(each), "fetch_open_orders")
    if "fetch_order_history" in hooks and truth.is_closed:
        rows = await target.run(trader.venue.fetch_order_history(trader.market))
        found = [each for each in rows if each.venue_order_id == truth.id]
        assert found, f"fetch_order_history: the ledger's {truth!r} is not among {len(rows)} rows"
        assert_same(found[-1], truth, "fetch_order_history")


@pytest.mark.rule("status-map-is-total")
@pytest.mark.needs("channel:orders")
@pytest.mark.parametrize("come", [each for each in _STATES if each.values[0] is not _undecided])
async def test_every_end_of_an_order_is_told_right_by_the_stream(
    target: Target, trader: Trader, come: Callable[[Trader], exchange.Order]
) -> None:
    """The last event of an order is the ledger's state of it."""
    async with target.watch(trader.venue, "orders") as seen:
        ref = trader.ref(come(trader))
        truth = trader.true(ref)

        def last() -> Order | None:
            return next((o for o in reversed(seen.of(Order)) if o.venue_order_id == truth.id), None)

        def arrived() -> bool:
            order = last()
            return order is not None and not differences(order, truth)

        try:
            await seen.until(arrived, "the order's last state", within=timedelta(seconds=20))
        except AssertionError:
            order = last()
            assert order is not None, f"no event of the order came; the ledger has {truth!r}"
            assert_same(order, truth, "orders stream")


@pytest.mark.rule("partial-fill-then-cancel")
@pytest.mark.needs("cancel_order")
@pytest.mark.parametrize("side", SIDES)
async def test_a_cancel_after_a_partial_fill_keeps_the_fill(target: Target, trader: Trader, side: Side) -> None:
    """Canceled it is, with what was filled, on order, history and position alike."""
    target.control.clear_liquidity()
    order = await trader.place(side, "1")
    trader.trade(side.opposite, trader.size(300))
    await target.run(trader.venue.cancel_order(order))
    truth = trader.true(order)
    assert (truth.close_reason, truth.filled_size) == (CloseReason.USER_CANCELED, trader.size(300))
    assert_same(await trader.fetch(order), truth, "fetch_order")
    if "fetch_order_history" in trader.venue.capabilities.hooks:
        rows = await target.run(trader.venue.fetch_order_history(trader.market))
        row = next((each for each in rows if each.venue_order_id == truth.id), None)
        assert row is not None, f"fetch_order_history has no row of the canceled order {truth.id}, it has {rows!r}"
        assert_same(row, truth, "fetch_order_history")


# Cancels


@pytest.mark.rule("cancels-are-typed")
@pytest.mark.needs("cancel_order")
@pytest.mark.parametrize("by_ours", [False, True], ids=["by-the-venues-id", "by-our-id"])
async def test_a_cancel_cancels_that_order(target: Target, trader: Trader, by_ours: bool) -> None:
    """It is gone from the book, its neighbour stands, and the answer promises no more than is so."""
    order, neighbour = await trader.place(), await trader.place(share="0.97")
    ref = OrderRef(market_id=order.market_id, client_order_id=order.client_order_id) if by_ours else order
    result = await target.run(trader.venue.cancel_order(ref))
    assert result.status in {CancelStatus.REQUESTED, CancelStatus.CANCELED}, f"a cancel that was taken: {result!r}"
    assert trader.true(order).close_reason is CloseReason.USER_CANCELED
    assert trader.true(neighbour).state is OrderState.OPEN
    assert_same(await trader.fetch(order), trader.true(order), "fetch_order")


@pytest.mark.rule("cancels-are-typed")
@pytest.mark.needs("cancel_order")
async def test_a_cancel_that_waits_in_the_venue_is_not_called_done(target: Target, trader: Trader) -> None:
    """While the exchange has not decided, the answer is a request and the order stands."""
    order = await trader.place()
    target.control.hold_decisions()
    result = await target.run(trader.venue.cancel_order(order))
    if trader.true(order).is_closed:
        return
    assert result.status is CancelStatus.REQUESTED, f"the ledger still has the order, and the answer is {result!r}"
    assert not (await trader.fetch(order)).is_terminal


@pytest.mark.rule("cancels-are-typed")
@pytest.mark.needs("cancel_order")
@pytest.mark.parametrize("end", ["filled", "canceled", "never-there"])
async def test_a_cancel_of_what_is_over_or_unknown_is_told_apart(target: Target, trader: Trader, end: str) -> None:
    """Already closed or not found, never success; and what became of the order is still told right."""
    late = target.profile.cancels_are_late
    if end == "never-there":
        ref = OrderRef(market_id=trader.market.id, client_order_id=an_id(trader.venue, 7))
        try:
            result = await target.run(trader.venue.cancel_order(ref))
        except OrderNotFoundError:
            return
        assert late, f"there is no such order, came {result!r}"
        assert result.status is CancelStatus.REQUESTED, f"there is no such order, came {result!r}"
        return
    order = await trader.place(share="1.001" if end == "filled" else None)
    if end == "canceled":
        target.cancel_order(trader.truth.account_id, order)
    try:
        result = await target.run(trader.venue.cancel_order(order))
    except OrderNotFoundError:
        pass
    else:
        due = {CancelStatus.ALREADY_CLOSED, *([CancelStatus.REQUESTED] if late else [])}
        assert result.status in due, f"the ledger has {trader.true(order)!r}, came {result!r}"
    assert_same(await trader.fetch(order), trader.true(order), "fetch_order")


@pytest.mark.rule("cancels-are-typed")
@pytest.mark.needs("cancel_orders")
async def test_several_cancels_answer_for_each(target: Target, trader: Trader) -> None:
    """One standing, one filled, one that never was: three answers, in order, each its own."""
    standing, filled = await trader.place(), await trader.place(share="1.001")
    ghost = OrderRef(market_id=trader.market.id, client_order_id=an_id(trader.venue, 7))
    results = await target.run(trader.venue.cancel_orders([filled, ghost, standing]))
    assert len(results) == 3, f"3 answers are due, came {results!r}"
    over, never, done = results
    late = {CancelStatus.REQUESTED} if target.profile.cancels_are_late else set()
    assert isinstance(over, OrderNotFoundError) or getattr(over, "status", None) in {
        CancelStatus.ALREADY_CLOSED,
        *late,
    }, f"the ledger has it filled, came {over!r}"
    assert isinstance(never, OrderNotFoundError) or getattr(never, "status", None) in late, (
        f"there is no such order, came {never!r}"
    )
    assert getattr(done, "status", None) in {CancelStatus.REQUESTED, CancelStatus.CANCELED}, f"came {done!r}"
    assert trader.true(standing).close_reason is CloseReason.USER_CANCELED


@pytest.mark.rule("cancel-all-keeps-its-scope")
@pytest.mark.needs("cancel_all_orders")
@pytest.mark.parametrize("scope", ["one market", "all"])
async def test_canceling_all_takes_its_scope_and_nothing_else(target: Target, trader: Trader, scope: str) -> None:
    """One market's orders, or the account's; never another's."""
    names = list(target.profile.markets)
    elsewhere = await Trader.of(target, trader.venue, names[1])
    other = await Trader.of(target, await target.open(account=1), account=1)
    for each in (trader, elsewhere, other):
        await each.place()
        await each.place(Side.SELL)
    await target.run(trader.venue.cancel_all_orders(trader.market if scope == "one market" else None))
    left = {name: len(trader.truth.open_orders(target.symbol_of(name))) for name in names[:2]}
    expected = {names[0]: 0, names[1]: 2 if scope == "one market" else 0}
    assert left == expected, f"canceling {scope}: expected {expected} left in the ledger, there are {left}"
    assert len(other.truth.open_orders()) == 2, "another account's orders are gone"


# Amendments


@pytest.mark.rule("amends-are-exact")
@pytest.mark.needs("amend_order")
@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("what", ["price", "size-up", "size-down", "both"])
async def test_an_amendment_changes_what_it_says(target: Target, trader: Trader, side: Side, what: str) -> None:
    """The ledger has the new values, and keeps the others."""
    order = await trader.place(side)
    price = trader.price("0.975" if side is Side.BUY else "1.025")
    changes = {
        "price": {"price": price},
        "size-up": {"size": trader.size(1500)},
        "size-down": {"size": trader.size(700)},
        "both": {"price": price, "size": trader.size(800)},
    }[what]
    changed = await target.run(trader.venue.amend_order(order, **changes))  # type: ignore[arg-type]
    truth = trader.true(changed)
    wanted = (side, changes.get("size", order.size), changes.get("price", order.price))
    assert (truth.side, truth.size, truth.price) == wanted, f"expected {wanted}, the ledger has {truth!r}"
    assert len(trader.truth.open_orders()) == 1, "an amendment left two orders standing"
    assert_same(await trader.fetch(changed), truth, "fetch_order")


@pytest.mark.rule("amends-are-exact")
@pytest.mark.needs("amend_order")
@pytest.mark.parametrize("what", ["price", "size"])
@pytest.mark.parametrize("seen", [False, True], ids=["unseen", "seen"])
async def test_an_amendment_after_a_fill_neither_overfills_nor_shrinks(
    target: Target, trader: Trader, what: str, seen: bool
) -> None:
    """
    The size is the total: what was filled meanwhile counts, whether we know of it or not, and in the end that much is
    filled, no more and no less.
    """
    target.control.clear_liquidity()
    order = await trader.place(share="1")
    trader.trade(Side.SELL, trader.size(300))
    if seen:
        order = await trader.fetch(order)
        assert order.filled_size == trader.size(300)
    total = trader.size(800) if what == "size" else order.size
    changes = {"size": total} if what == "size" else {"price": trader.price("0.999")}
    changed = await target.run(trader.venue.amend_order(order, **changes))  # type: ignore[arg-type]
    truth = trader.true(changed)
    filled = sum((each.size for each in trader.truth.fills()), Decimal(0))
    assert truth.size - truth.filled_size == total - filled, (
        f"{filled} was filled of {total} wanted in total; the ledger has {truth.size - truth.filled_size} standing"
    )
    trader.trade(Side.SELL, trader.size(5000))
    filled = sum((each.size for each in trader.truth.fills()), Decimal(0))
    assert filled == total, f"expected {total} filled in all, the ledger has {filled}"
    assert_same(await trader.fetch(changed), trader.true(changed), "fetch_order")


@pytest.mark.rule("amends-are-exact")
@pytest.mark.needs("amend_order", "order_type:stop_limit")
async def test_a_trigger_price_can_be_amended(request: pytest.FixtureRequest, target: Target, trader: Trader) -> None:
    """The waiting order wakes at the new price."""
    offered(request, "trigger_amendments")
    order = await trader.place(
        type=OrderType.STOP_LIMIT, price=trader.price("1.03"), trigger_price=trader.price("1.01")
    )
    changed = await target.run(trader.venue.amend_order(order, trigger_price=trader.price("1.02")))
    truth = trader.true(changed)
    assert (truth.trigger_price, truth.state) == (trader.price("1.02"), OrderState.UNTRIGGERED)
    assert_same(await trader.fetch(changed), truth, "fetch_order")


@pytest.mark.rule("amends-are-exact")
@pytest.mark.needs("amend_order")
async def test_an_amendment_that_can_not_be_leaves_the_order_alone(target: Target, trader: Trader) -> None:
    """Off tick it isn't sent; of a closed order it is refused as such; the ledger has nothing new."""
    order = await trader.place()
    with pytest.raises(InvalidOrderError):
        await target.run(trader.venue.amend_order(order, price=trader.price("0.97") + trader.market.tick_size / 2))
    assert_same(await trader.fetch(order), trader.true(order), "fetch_order")
    target.cancel_order(trader.truth.account_id, order)
    with pytest.raises((OrderNotFoundError, OrderRejectedError)):
        await target.run(trader.venue.amend_order(order, price=trader.price("0.97")))
    truth = trader.only_order()
    assert (truth.price, truth.is_closed) == (order.price, True)


# Batches


@pytest.mark.rule("batches-answer-per-item")
@pytest.mark.needs("place_orders", "batches")
async def test_a_batch_answers_for_each_order_in_its_place(target: Target, trader: Trader) -> None:
    """Resting, filled, and refused after acceptance: each result is about its own order."""
    many = min(5, trader.venue.capabilities.max_batch_size)
    intents = [
        trader.intent(Side.SELL, share="1.03"),
        trader.intent(Side.BUY, "1.001"),
        trader.intent(Side.BUY, size=trader.size(trader.truth.summary().equity * 60)),
        trader.intent(Side.BUY, "0.97"),
        trader.intent(Side.SELL, size=trader.size(1200)),
    ][:many]
    named = [each.replace(client_order_id=an_id(trader.venue, number)) for number, each in enumerate(intents)]
    results = await target.run(trader.venue.place_orders(named))
    assert len(results) == many, f"{many} results are due, came {results!r}"
    for intent, result in zip(named, results, strict=True):
        truth = trader.truth.order_by_client_id(intent.client_order_id or "")
        if isinstance(result, OrderRejectedError):
            assert truth is None or truth.is_closed, f"told as rejected, the ledger has {truth!r}"
            continue
        assert isinstance(result, Order), f"{intent!r} came to {result!r}"
        assert truth is not None
        asked = (intent.side, intent.size, intent.price)
        assert (truth.side, truth.size, truth.price) == asked, f"expected {asked}, the ledger has {truth!r}"
        order = await trader.named(result)
        assert order.venue_order_id == truth.id, f"{intent.client_order_id} is {truth.id}, came {order!r}"
        assert_same(await trader.fetch(order), truth, "fetch_order")


@pytest.mark.rule("batches-answer-per-item")
@pytest.mark.needs("place_orders", "batches")
async def test_a_batch_with_one_that_breaks_the_rules_is_not_sent(target: Target, trader: Trader) -> None:
    """Half a batch is not what was asked."""
    bad = trader.intent(price=trader.price("0.98") + trader.market.tick_size / 2)
    with pytest.raises(InvalidOrderError):
        await target.run(trader.venue.place_orders([trader.intent(), bad]))
    assert not trader.truth.orders()


@pytest.mark.rule("batches-answer-per-item")
@pytest.mark.needs("place_orders", "batches")
async def test_a_name_taken_already_fails_that_order_and_says_so(target: Target, trader: Trader) -> None:
    """A duplicate among good ones: its own error; what the others became is what the ledger has."""
    await trader.place(client_order_id=an_id(trader.venue, 0))
    intents = [trader.intent(client_order_id=an_id(trader.venue, number)) for number in (1, 0, 2)]
    try:
        results: list[Order | PerpkitError] = await target.run(trader.venue.place_orders(intents))
    except PerpkitError as error:
        pytest.fail(f"one item's refusal came as the batch's: {error!r}")
    assert isinstance(results[1], OrderRejectedError), f"the second was a duplicate, came {results[1]!r}"
    assert len([each for each in trader.truth.orders() if each.client_id == an_id(trader.venue, 0)]) == 1
    for intent, result in zip(intents[::2], results[::2], strict=True):
        truth = trader.truth.order_by_client_id(intent.client_order_id or "")
        assert isinstance(result, Order) == (truth is not None), f"the ledger has {truth!r}, came {result!r}"


# Reduce-only


@pytest.mark.rule("reduce-only-never-opens")
@pytest.mark.needs("reduce_only")
@pytest.mark.parametrize("side", SIDES)
async def test_reduce_only_closes_and_never_flips(trader: Trader, side: Side) -> None:
    """More than is held: the position ends at zero, and what was filled is what there was."""
    trader.target.submit(side.opposite, trader.size(1000))
    held = trader.position()
    share = "1.001" if side is Side.BUY else "0.999"
    came = await trader.attempt(trader.intent(side, share, size=trader.size(2500), reduce_only=True))
    refused = isinstance(came, PerpkitError) or not trader.true(came).filled_size
    if refused:
        # Some venues trim what is too much, others refuse it; either way nothing may flip.
        assert trader.position() == held, f"{held} was held; it was refused and the ledger has {trader.position()}"
        assert not isinstance(came, PerpkitError) or getattr(came, "reason", None) is RejectReason.REDUCE_ONLY, came
        came = await trader.send(trader.intent(side, share, size=abs(held), reduce_only=True))
    assert isinstance(came, Order)
    truth = trader.true(came)
    assert truth.reduce_only, f"the ledger knows nothing of reduce-only: {truth!r}"
    assert trader.position() == 0, f"{held} was held; the ledger now has {trader.position()}"
    told = await trader.fetch(came)
    assert told.filled_size == abs(held), f"expected {abs(held)} filled from the ledger, came {told.filled_size}"


@pytest.mark.rule("reduce-only-never-opens")
@pytest.mark.needs("reduce_only")
@pytest.mark.parametrize("held", ["nothing", "the same side"])
async def test_reduce_only_with_nothing_to_reduce_says_so(trader: Trader, held: str) -> None:
    """Flat, or on the side that would grow: refused as that, and nothing is opened."""
    if held != "nothing":
        trader.target.submit(Side.BUY, trader.size())
    before = trader.position()
    status, reason = await trader.refusal(trader.intent(Side.BUY, "1.001", reduce_only=True))
    assert reason is RejectReason.REDUCE_ONLY, f"expected {RejectReason.REDUCE_ONLY}, came {status} {reason}"
    assert status in CLOSED[CloseReason.REDUCE_ONLY_WOULD_INCREASE][0], f"came {status}"
    assert trader.position() == before, f"expected {before} from the ledger, it is {trader.position()}"


@pytest.mark.rule("reduce-only-never-opens")
@pytest.mark.needs("reduce_only", "order_type:market")
async def test_a_market_order_can_close_a_position(trader: Trader) -> None:
    """Reduce-only at the market leaves nothing."""
    trader.target.submit(Side.BUY, trader.size())
    order = await trader.place(
        Side.SELL, type=OrderType.MARKET, size=trader.position(), reduce_only=True, max_slippage="0.01"
    )
    assert trader.position() == 0, f"the ledger still has {trader.position()}"
    assert_same(await trader.fetch(order), trader.true(order), "fetch_order")


# Expiry


@pytest.mark.rule("expiry-is-explicit")
async def test_an_order_without_an_expiry_stands(target: Target, trader: Trader) -> None:
    """
    Nothing was sent that would end it, and a day later it is still there. Where no order stands for ever its expiry is
    nearly as far as the venue lets it be.
    """
    order, longest = await trader.place(), target.profile.longest_life
    expires_at_ms = trader.true(order).expires_at_ms
    if expires_at_ms is not None:
        assert longest is not None, f"nobody asked for an expiry: {trader.true(order)!r}"
        due = min(timedelta(days=30), longest * 9 / 10)
        left = timedelta(milliseconds=expires_at_ms - target.control.clock.now_ms())
        assert left >= due, f"nobody asked for an expiry: it ends in {left}, where {longest} are possible"
    target.advance(timedelta(days=1) if longest is None else min(timedelta(days=1), longest * 9 / 10))
    await target.breathe()
    assert_same(await trader.fetch(order), trader.true(order), "fetch_order")
    assert trader.true(order).state is OrderState.OPEN


@pytest.mark.rule("expiry-is-explicit")
async def test_what_is_signed_counts_from_the_clock_at_sending(target: Target, trader: Trader) -> None:
    """An hour and a day after opening orders are as good as at first."""
    for later in (timedelta(0), timedelta(hours=1), timedelta(days=1)):
        target.advance(later)
        came = await trader.attempt(trader.intent())
        assert isinstance(came, Order), f"{later} later an order came to {came!r}"
        assert trader.true(came).state is OrderState.OPEN


@pytest.mark.rule("expiry-is-explicit")
async def test_an_order_is_not_accepted_after_its_window(
    request: pytest.FixtureRequest, target: Target, trader: Trader
) -> None:
    """With accept_within an order that arrives too late is not taken; the window is part of what was signed."""
    has(request, "accept_window", trader.window(timedelta(seconds=20)))
    fault = target.inject("place_order", "delay", delay_ms=60_000)
    intent = trader.intent(**trader.window(timedelta(seconds=20)))
    came = await trader.attempt(intent)
    assert fault.hits == 1
    assert not trader.truth.orders(), f"the order was taken 60 s after sending, its window was 20 s; came {came!r}"
    assert isinstance(came, PerpkitError), f"the ledger has no order, came {came!r}"


@pytest.mark.rule("expiry-is-explicit")
@pytest.mark.needs("time_in_force:gtd")
async def test_an_expiry_is_the_one_that_was_asked_for(target: Target, trader: Trader) -> None:
    """To the unit that the venue keeps: seconds at the coarsest."""
    for ahead in (timedelta(minutes=10), timedelta(days=7)):
        wanted = target.control.clock.now() + ahead
        order = await trader.place(time_in_force=TimeInForce.GTD, expires_at=wanted)
        kept = trader.true(order).expires_at_ms
        assert kept is not None, "the ledger has no expiry"
        assert abs(kept - wanted.timestamp() * 1000) <= 1000, f"expected {wanted}, the ledger has {kept}"
