"""The life of an order at the exchange: what is refused at once, what later, and everything it goes through."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

import pytest

from perpkit.core.models.market import MarketStatus, PriceKind
from perpkit.core.models.order import OrderType, TimeInForce
from perpkit.sim.events import (
    AccountEvent,
    BalanceEvent,
    BboEvent,
    BookEvent,
    Event,
    FillEvent,
    OrderCause,
    OrderEvent,
    PositionEvent,
    TradeEvent,
)
from perpkit.sim.markets import FeeRates, MarketSpec, SystemStatus
from perpkit.sim.orders import (
    CancelStatus,
    CloseReason,
    OrderRequest,
    OrderState,
    RefusalReason,
    RequestRefusedError,
    Side,
    TriggerWhen,
)
from tests.sim.world import BTC, World

D = Decimal
STRICT = replace(BTC, min_size=D("0.01"), min_notional=D(20), max_size=D(50))


def refused(world: World, *args: object, **more: object) -> RefusalReason:
    """Return the reason for which an order is refused at once."""
    with pytest.raises(RequestRefusedError) as caught:
        world.order(*args, **more)
    return caught.value.reason


@pytest.mark.parametrize(
    ("size", "price", "reason"),
    [
        ("0", 1000, RefusalReason.INVALID_SIZE),
        ("-1", 1000, RefusalReason.INVALID_SIZE),
        ("NaN", 1000, RefusalReason.INVALID_SIZE),
        ("Infinity", 1000, RefusalReason.INVALID_SIZE),
        ("1.0005", 1000, RefusalReason.SIZE_OFF_STEP),
        ("0.009", 100_000, RefusalReason.SIZE_TOO_SMALL),
        ("50.001", 1000, RefusalReason.SIZE_TOO_LARGE),
        ("0.019", 1000, RefusalReason.NOTIONAL_TOO_SMALL),
        ("1", 0, RefusalReason.INVALID_PRICE),
        ("1", -5, RefusalReason.INVALID_PRICE),
        ("1", "NaN", RefusalReason.INVALID_PRICE),
        ("1", "1000.25", RefusalReason.PRICE_OFF_TICK),
    ],
)
def test_malformed_sizes_and_prices_are_refused_at_once(size, price, reason):
    """Each has its own reason, and there is no order of it."""
    world = World(STRICT)
    assert refused(world, "bob", "buy", size, price) is reason
    assert world.exchange.orders("bob") == []


def test_the_edges_of_the_rules_are_allowed():
    """Exactly the least size, the least notional and the largest size are orders."""
    world = World(STRICT, ann=10**7, bob=10**7)
    assert world.order("bob", "buy", "0.01", 2000).state is OrderState.OPEN
    assert world.order("bob", "buy", "0.02", 1000).state is OrderState.OPEN
    assert world.order("bob", "buy", 50, 1000).state is OrderState.OPEN


def test_a_market_order_is_worth_its_size_at_the_mark():
    """The least notional of a market order is taken at the mark price."""
    world = World(STRICT)
    assert refused(world, "bob", "buy", "0.019") is RefusalReason.NOTIONAL_TOO_SMALL


def test_reduce_only_orders_are_free_of_the_least_notional():
    """A remainder worth less than the least notional can still be closed."""
    world = World(STRICT, ann=10**6, bob=10**6)
    world.order("ann", "sell", 1, 1000)
    world.order("bob", "buy", "0.025", 1000)
    world.exchange.set_price("BTC", index=D(500))
    world.order("ann", "buy", 1, 500)
    closed = world.order("bob", "sell", "0.025", 500, reduce_only=True)
    assert closed.close_reason is CloseReason.FILLED


@pytest.mark.parametrize(
    "fields",
    [
        {"type": OrderType.LIMIT},
        {"type": OrderType.STOP_MARKET},
        {"type": OrderType.LIMIT, "price": 1000, "trigger_price": D(1000)},
        {"type": OrderType.MARKET, "post_only": True},
        {"type": OrderType.LIMIT, "price": 1000, "post_only": True, "time_in_force": TimeInForce.IOC},
        {"type": OrderType.LIMIT, "price": 1000, "time_in_force": TimeInForce.GTD},
        {"type": OrderType.LIMIT, "price": 1000, "expires_at_ms": 2**50},
        {"type": OrderType.LIMIT, "price": 1000, "time_in_force": TimeInForce.GTD, "expires_at_ms": 1},
        {"type": OrderType.LIMIT, "price": 1000, "rpi": True, "time_in_force": TimeInForce.FOK},
    ],
)
def test_fields_that_do_not_go_together_are_refused(fields):
    """What is missing or contradicts itself never becomes an order."""
    world = World()
    price = fields.pop("price", None)
    assert refused(world, "bob", "buy", 1, price, **fields) is RefusalReason.INVALID_REQUEST


def test_unknown_markets_and_accounts_are_refused():
    """Both by their own reason."""
    world = World()
    assert refused(world, "bob", "buy", 1, 1000, market="DOGE") is RefusalReason.UNKNOWN_MARKET
    assert refused(world, "eve", "buy", 1, 1000) is RefusalReason.UNKNOWN_ACCOUNT


@pytest.mark.parametrize(
    ("status", "plain", "post_only"),
    [
        (SystemStatus.MAINTENANCE, RefusalReason.SYSTEM_MAINTENANCE, RefusalReason.SYSTEM_MAINTENANCE),
        (SystemStatus.CANCEL_ONLY, RefusalReason.SYSTEM_CANCEL_ONLY, RefusalReason.SYSTEM_CANCEL_ONLY),
        (SystemStatus.POST_ONLY, RefusalReason.SYSTEM_POST_ONLY, None),
    ],
)
def test_what_the_exchange_takes_follows_its_status(status, plain, post_only):
    """Maintenance takes nothing, cancel-only cancels, post-only post-only orders."""
    world = World()
    resting = world.order("bob", "buy", 1, 990)
    world.exchange.set_system_status(status)
    assert refused(world, "bob", "buy", 1, 991) is plain
    if post_only is None:
        assert world.order("bob", "buy", 1, 991, post_only=True).state is OrderState.OPEN
    else:
        assert refused(world, "bob", "buy", 1, 991, post_only=True) is post_only
    if status is SystemStatus.MAINTENANCE:
        with pytest.raises(RequestRefusedError):
            world.exchange.cancel("bob", resting.id)
        with pytest.raises(RequestRefusedError):
            world.exchange.cancel_all("bob")
    else:
        assert world.exchange.cancel("bob", resting.id).status is CancelStatus.QUEUED


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (MarketStatus.HALTED, RefusalReason.MARKET_NOT_OPEN),
        (MarketStatus.CANCEL_ONLY, RefusalReason.MARKET_CANCEL_ONLY),
        (MarketStatus.POST_ONLY, RefusalReason.MARKET_POST_ONLY),
    ],
)
def test_what_a_market_takes_follows_its_status(status, reason):
    """A halted market does not even cancel."""
    world = World()
    resting = world.order("bob", "buy", 1, 990)
    world.exchange.set_market_status("BTC", status)
    assert refused(world, "bob", "buy", 1, 991) is reason
    assert world.exchange.market("BTC").status is status
    if status is MarketStatus.HALTED:
        with pytest.raises(RequestRefusedError):
            world.exchange.cancel("bob", resting.id)
        assert world.exchange.cancel_all("bob") == []
    else:
        assert [order.id for order in world.exchange.cancel_all("bob")] == [resting.id]


def test_a_client_id_is_unique_among_open_orders():
    """Taken while the order stands, free again when it is over; the history keeps both."""
    world = World()
    first = world.order("bob", "buy", 1, 990, client_id="mine")
    assert refused(world, "bob", "buy", 1, 991, client_id="mine") is RefusalReason.DUPLICATE_CLIENT_ID
    assert world.order("ann", "buy", 1, 980, client_id="mine").state is OrderState.OPEN
    world.exchange.cancel("bob", first.id)
    second = world.order("bob", "buy", 1, 991, client_id="mine")
    assert world.exchange.order_by_client_id("bob", "mine").id == second.id
    world.exchange.cancel_by_client_id("bob", "mine")
    assert world.exchange.order_by_client_id("bob", "mine") is None
    assert world.exchange.order_by_client_id("bob", "mine", open_only=False).id == second.id
    assert [order.id for order in world.exchange.orders("bob", client_id="mine")] == [first.id, second.id]


def test_an_order_is_accepted_first_and_decided_on_then():
    """submit answers NEW; the events tell NEW and then OPEN, or NEW and then CLOSED with the reason."""
    world = World(BTC, ann=10**6, bob=10)
    taken = world.exchange.submit(
        OrderRequest(account_id="bob", market="BTC", side=Side.BUY, type=OrderType.LIMIT, size=D(5), price=D(1000))
    )
    assert taken.state is OrderState.NEW
    causes = [(event.cause, event.order.state, event.order.close_reason) for event in world.said(OrderEvent)]
    assert causes == [
        (OrderCause.ACCEPTED, OrderState.NEW, None),
        (OrderCause.CLOSED, OrderState.CLOSED, CloseReason.NOT_ENOUGH_MARGIN),
    ]


def test_decisions_can_be_held_and_are_then_made_in_order_of_arrival():
    """Held, an order stays NEW and its cancel queued; released, it is opened and then canceled."""
    world = World()
    world.exchange.hold_decisions()
    order = world.order("bob", "buy", 1, 990)
    assert order.state is OrderState.NEW
    assert world.exchange.open_orders("bob")[0].state is OrderState.NEW
    assert world.exchange.cancel("bob", order.id).status is CancelStatus.QUEUED
    assert world.now("bob", order).state is OrderState.NEW
    world.exchange.release_decisions()
    assert [event.cause for event in world.said(OrderEvent)] == [
        OrderCause.ACCEPTED,
        OrderCause.OPENED,
        OrderCause.CLOSED,
    ]
    assert world.now("bob", order).close_reason is CloseReason.USER_CANCELED


def test_a_market_that_closes_before_the_decision_refuses_late():
    """Accepted while open, decided on while cancel-only: closed for that reason."""
    world = World()
    world.exchange.hold_decisions()
    order = world.order("bob", "buy", 1, 990)
    world.exchange.set_market_status("BTC", MarketStatus.CANCEL_ONLY)
    world.exchange.release_decisions()
    assert world.now("bob", order).close_reason is CloseReason.MARKET_NOT_OPEN


def test_a_gtd_order_expires_at_its_instant():
    """A millisecond before it stands, then it is over; a filled one does not expire."""
    world = World()
    expires = world.clock.now_ms() + 10_000
    order = world.order("bob", "buy", 1, 990, time_in_force=TimeInForce.GTD, expires_at_ms=expires)
    filled = world.order("bob", "buy", 1, 995, time_in_force=TimeInForce.GTD, expires_at_ms=expires)
    world.order("ann", "sell", 1, 995)
    world.clock.advance(timedelta(milliseconds=9999))
    assert world.now("bob", order).state is OrderState.OPEN
    world.clock.advance(timedelta(milliseconds=1))
    assert world.now("bob", order).close_reason is CloseReason.EXPIRED
    assert world.now("bob", order).updated_at_ms == expires
    assert world.now("bob", filled).close_reason is CloseReason.FILLED


@pytest.mark.parametrize(
    ("kind", "side", "when", "quiet", "touched"),
    [
        (OrderType.STOP_MARKET, "buy", TriggerWhen.ABOVE, "1019.9", "1020"),
        (OrderType.STOP_MARKET, "sell", TriggerWhen.BELOW, "1020.1", "1020"),
        (OrderType.TAKE_PROFIT_MARKET, "buy", TriggerWhen.BELOW, "1020.1", "1020"),
        (OrderType.TAKE_PROFIT_MARKET, "sell", TriggerWhen.ABOVE, "1019.9", "1020"),
    ],
)
def test_stops_and_take_profits_wake_on_their_side(kind, side, when, quiet, touched):
    """At the trigger price they wake, a tenth before they sleep."""
    world = World()
    start = 1030 if when is TriggerWhen.BELOW else 1010
    world.exchange.set_price("BTC", index=D(start))
    world.order("ann", "sell" if side == "buy" else "buy", 1, 1020)
    order = world.order("bob", side, 1, type=kind, trigger_price=D(1020))
    assert (order.state, order.trigger_when) == (OrderState.UNTRIGGERED, when)
    world.exchange.set_price("BTC", mark=D(quiet))
    assert world.now("bob", order).state is OrderState.UNTRIGGERED
    world.exchange.set_price("BTC", mark=D(touched))
    woken = world.now("bob", order)
    assert (woken.close_reason, woken.triggered_at_ms) == (CloseReason.FILLED, world.clock.now_ms())


def test_a_stop_whose_price_is_touched_already_wakes_at_once():
    """A sell stop above the mark is triggered on arrival."""
    world = World()
    order = world.order("bob", "sell", 1, type=OrderType.STOP_MARKET, trigger_price=D(1100))
    assert order.close_reason is CloseReason.NO_LIQUIDITY


def test_a_stop_limit_order_rests_once_triggered():
    """It passes UNTRIGGERED, NEW and OPEN, and stands at its limit."""
    world = World()
    order = world.order("bob", "buy", 1, 1015, type=OrderType.STOP_LIMIT, trigger_price=D(1020))
    assert world.exchange.book("BTC").bids == ()
    world.exchange.set_price("BTC", mark=D(1020))
    assert world.now("bob", order).state is OrderState.OPEN
    assert [event.order.state for event in world.said(OrderEvent)] == [
        OrderState.NEW,
        OrderState.UNTRIGGERED,
        OrderState.NEW,
        OrderState.OPEN,
    ]


@pytest.mark.parametrize("kind", [PriceKind.INDEX, PriceKind.LAST])
def test_a_trigger_watches_the_price_that_it_names(kind):
    """An index or last-price trigger does not care for the mark."""
    world = World(BTC, ann=10**6, bob=10**6)
    order = world.order("bob", "buy", 1, type=OrderType.STOP_MARKET, trigger_price=D(1020), trigger_price_kind=kind)
    world.exchange.set_price("BTC", mark=D(1050), index=D(1000))
    assert world.now("bob", order).state is OrderState.UNTRIGGERED
    if kind is PriceKind.INDEX:
        world.exchange.set_price("BTC", index=D(1020), mark=D(1000))
    else:
        world.order("ann", "sell", 1, 1020)
        world.order("ann", "buy", 1, 1019)
        world.exchange.add_account("cid", D(10**6))
        world.order("cid", "buy", "0.1", 1020)
    assert world.now("bob", order).is_closed


def test_stops_can_set_off_each_other():
    """A stop's own trade moves the last price to the next stop's trigger."""
    world = World(BTC, ann=10**6, bob=10**6, cid=10**6)
    last = {"type": OrderType.STOP_MARKET, "trigger_price_kind": PriceKind.LAST}
    for price in (1010, 1020):
        world.order("ann", "sell", 1, price)
    second = world.order("cid", "buy", "0.4", trigger_price=D(1020), **last)
    first = world.order("bob", "buy", "1.5", trigger_price=D(1010), **last)
    world.order("cid", "buy", "0.1", 1010)
    assert world.now("bob", first).close_reason is CloseReason.FILLED
    assert world.now("cid", second).close_reason is CloseReason.FILLED
    world.exchange.check_invariants()


def test_an_untriggered_order_can_be_amended_and_canceled():
    """A new trigger price counts at once; a canceled one never wakes."""
    world = World()
    order = world.order("bob", "buy", 1, type=OrderType.STOP_MARKET, trigger_price=D(1020))
    world.exchange.amend("bob", order.id, trigger_price=D(1050))
    world.exchange.set_price("BTC", mark=D(1040))
    assert world.now("bob", order).state is OrderState.UNTRIGGERED
    world.exchange.cancel("bob", order.id)
    world.exchange.set_price("BTC", mark=D(1060))
    assert world.now("bob", order).close_reason is CloseReason.USER_CANCELED


def test_cancels_say_what_they_found():
    """Open, closed, unknown, and somebody else's."""
    world = World()
    order = world.order("bob", "buy", 1, 990)
    assert world.exchange.cancel("ann", order.id).status is CancelStatus.NOT_FOUND
    result = world.exchange.cancel("bob", order.id)
    assert (result.status, result.order.state) == (CancelStatus.QUEUED, OrderState.OPEN)
    assert world.exchange.cancel("bob", order.id).status is CancelStatus.ALREADY_CLOSED
    assert world.exchange.cancel("bob", "1").status is CancelStatus.NOT_FOUND
    assert world.exchange.cancel_by_client_id("bob", "nobody").status is CancelStatus.NOT_FOUND


def test_cancel_all_keeps_to_its_scope():
    """One account, one market; a partly filled order keeps its fill."""
    world = World(BTC, replace(BTC, symbol="ETH"))
    partly = world.order("bob", "buy", 2, 1000)
    world.order("ann", "sell", 1, 1000)
    other_market = world.order("bob", "buy", 1, 990, market="ETH")
    other_account = world.order("ann", "buy", 1, 980)
    world.exchange.cancel_all("bob", "BTC")
    canceled = world.now("bob", partly)
    assert (canceled.close_reason, canceled.filled_size) == (CloseReason.USER_CANCELED, D(1))
    assert world.now("bob", other_market).state is OrderState.OPEN
    assert world.now("ann", other_account).state is OrderState.OPEN


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, RefusalReason.INVALID_REQUEST),
        ({"price": D("1000.3")}, RefusalReason.PRICE_OFF_TICK),
        ({"size": D("0.9")}, RefusalReason.INVALID_SIZE),
        ({"size": D("1.0001")}, RefusalReason.SIZE_OFF_STEP),
        ({"trigger_price": D(900)}, RefusalReason.INVALID_REQUEST),
    ],
)
def test_malformed_amendments_are_refused_at_once(change, reason):
    """1 of 2 is filled; the order stays as it was."""
    world = World()
    order = world.order("bob", "buy", 2, 1000)
    world.order("ann", "sell", 1, 1000)
    before = world.now("bob", order)
    with pytest.raises(RequestRefusedError) as caught:
        world.exchange.amend("bob", order.id, **change)
    assert caught.value.reason is reason
    assert world.now("bob", order) == before


def test_amending_what_is_over_or_unknown_is_refused():
    """Each with its own reason."""
    world = World()
    order = world.order("bob", "buy", 1, 1000)
    world.exchange.cancel("bob", order.id)
    for order_id, reason in ((order.id, RefusalReason.ORDER_CLOSED), ("7", RefusalReason.UNKNOWN_ORDER)):
        with pytest.raises(RequestRefusedError) as caught:
            world.exchange.amend("bob", order_id, price=D(990))
        assert caught.value.reason is reason


def test_an_amendment_beyond_the_margin_leaves_the_order_alone():
    """It is refused late, tells so, and the order keeps its place, price and size."""
    world = World(BTC, ann=10**6, bob=1000)
    order = world.order("bob", "buy", 5, 1000)
    result = world.exchange.amend("bob", order.id, size=D(50))
    assert result.refused is CloseReason.NOT_ENOUGH_MARGIN
    told = world.said(OrderEvent)[-1]
    assert (told.cause, told.refused) == (OrderCause.AMEND_REFUSED, CloseReason.NOT_ENOUGH_MARGIN)
    assert world.now("bob", order).size == 5
    world.exchange.check_invariants()


def test_figures_of_a_filled_order_add_up():
    """1 at 1000 and 2 at 1003: average 1002, remaining 1; times and sequence grow."""
    world = World()
    world.order("ann", "sell", 1, 1000)
    world.order("ann", "sell", 2, 1003)
    order = world.order("bob", "buy", 4, 1003)
    assert (order.average_price, order.filled_size, order.remaining_size) == (D(1002), D(3), D(1))
    sequences = [event.order.sequence for event in world.said(OrderEvent) if event.order.id == order.id]
    assert sequences == sorted(set(sequences))
    assert len(sequences) == 3
    remaining = [fill.remaining_size for fill in world.exchange.fills("bob", order_id=order.id)]
    assert remaining == [D(3), D(1)]


def test_a_trade_is_told_completely_and_in_order():
    """Tape, then each side's fill, balance, position and account, then both orders, then the book."""
    world = World()
    world.order("ann", "sell", 1, 1000)
    world.events.clear()
    world.order("bob", "buy", 1, 1000)
    half = [FillEvent, BalanceEvent, PositionEvent, AccountEvent]
    assert [type(event) for event in world.events] == [
        OrderEvent,
        TradeEvent,
        *half,
        *half,
        OrderEvent,
        OrderEvent,
        BookEvent,
        BboEvent,
    ]
    numbers = [event.number for event in world.events]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_a_fill_names_the_book_after_it_and_the_index():
    """Its book number is that of the change which tells of it; the index price is not the mark."""
    world = World()
    world.exchange.set_price("BTC", index=D(998), mark=D(1001))
    world.order("ann", "sell", 1, 1000)
    world.order("bob", "buy", 1, 1000)
    for fill in (*world.exchange.fills("ann"), *world.exchange.fills("bob")):
        assert fill.book_sequence == world.said(BookEvent)[-1].sequence == 2
        assert fill.index_price == 998


def test_book_events_rebuild_the_book():
    """Applying every change in order gives the book, and numbers follow each other by one."""
    world = World(BTC, ann=10**7, bob=10**7)
    orders = [
        world.order("ann", side, 1 + i, 1000 + 5 * i if side == "sell" else 995 - 5 * i)
        for i in range(5)
        for side in ("buy", "sell")
    ]
    world.order("bob", "buy", 4, 1010)
    world.exchange.cancel("ann", orders[0].id)
    world.exchange.amend("ann", orders[4].id, size=D(1))
    levels: dict[tuple[Side, Decimal], Decimal] = {}
    sequences = []
    for event in world.said(BookEvent):
        sequences.append(event.sequence)
        for change in event.changes:
            key = (change.side, change.price)
            assert change.existed == (key in levels)
            if change.size:
                levels[key] = change.size
            else:
                del levels[key]
    assert sequences == list(range(1, len(sequences) + 1))
    book = world.exchange.book("BTC")
    assert levels == {
        **{(Side.BUY, level.price): level.size for level in book.bids},
        **{(Side.SELL, level.price): level.size for level in book.asks},
    }
    assert book.sequence == sequences[-1]


def test_a_subscriber_that_left_hears_no_more():
    """Ending a subscription twice is harmless."""
    world, heard = World(), []
    end = world.exchange.subscribe(heard.append)
    world.order("bob", "buy", 1, 990)
    count = len(heard)
    assert count
    end()
    end()
    world.order("bob", "buy", 1, 991)
    assert len(heard) == count


def test_copies_do_not_change():
    """What was handed out stays as it was when the order moves on."""
    world = World()
    order = world.order("bob", "buy", 1, 990)
    opened = next(event for event in world.said(OrderEvent) if event.cause is OrderCause.OPENED)
    world.exchange.cancel("bob", order.id)
    assert (order.state, opened.order.state) == (OrderState.OPEN, OrderState.OPEN)


def test_listings_keep_to_their_window():
    """Both ends of the window belong to it; everything comes oldest first."""
    world = World(BTC, ann=10**6, bob=10**6)
    times = []
    for step in range(4):
        times.append(world.clock.now_ms())
        world.order("ann", "sell", 1, 1000 + step)
        world.order("bob", "buy", 1, 1000 + step)
        world.clock.advance(timedelta(seconds=1))
    for listing in (world.exchange.orders, world.exchange.fills, world.exchange.ledger_entries):
        found = [record.created_at_ms for record in listing("bob", since_ms=times[1], until_ms=times[2])]
        assert found == [times[1], times[2]]
    assert len(world.exchange.trades("BTC", since_ms=times[3])) == 1
    assert len(world.exchange.trades("BTC", until_ms=times[0])) == 1


def test_ids_and_events_follow_from_the_seed():
    """The same calls give the same events to the last id; another seed gives other ids."""

    def story(seed: int) -> list[Event]:
        world = World(seed=seed)
        world.order("ann", "sell", 2, 1000)
        world.clock.advance(timedelta(minutes=3))
        world.order("bob", "buy", 1, 1000)
        world.exchange.cancel_all("ann")
        return world.events

    assert story(3) == story(3)
    assert story(3) != story(4)


def test_ids_grow_with_holes_and_do_not_fit_a_float():
    """A client that reads them as numbers of 53 bits, or counts on +1, meets its mistake here."""
    world = World()
    ids = [int(world.order("bob", "buy", 1, 990 + step).id) for step in range(5)]
    assert ids == sorted(set(ids))
    assert all(number > 2**53 for number in ids)
    assert any(later - earlier > 1 for earlier, later in pairwise(ids))


def test_markets_that_can_not_be_exact_are_refused():
    """Tick and step with more than 12 places together, prices of nothing, margins upside down."""
    good = {"symbol": "X", "base": "X", "index_price": D(1), "tick_size": D("0.1"), "step_size": D("0.1")}
    for wrong in (
        {"tick_size": D("0.0000001"), "step_size": D("0.000001")},
        {"tick_size": D(0)},
        {"index_price": D(-1)},
        {"maintenance_margin": D("0.5")},
    ):
        with pytest.raises(ValueError, match="X"):
            MarketSpec(**{**good, **wrong})
    assert MarketSpec(**good).fees == FeeRates(D(0), D(0))


def test_a_markets_rules_can_change():
    """A new tick counts from then on; price and status stay."""
    world = World()
    world.exchange.set_price("BTC", index=D(1234))
    world.exchange.set_market_status("BTC", MarketStatus.POST_ONLY)
    world.exchange.change_market(replace(BTC, tick_size=D(5)))
    assert world.exchange.market("BTC").status is MarketStatus.POST_ONLY
    assert refused(world, "bob", "buy", 1, "1000.5", post_only=True) is RefusalReason.PRICE_OFF_TICK
    assert world.exchange.index_price("BTC") == 1234


def test_an_order_without_self_trade_prevention_trades_with_its_own_account():
    """Both halves are booked; the account pays both fees and its position stays flat."""
    world = World()
    resting = world.order("ann", "sell", 1, 1000)
    taker = world.order("ann", "buy", 1, 1000, stp=None)
    assert taker.close_reason is CloseReason.FILLED
    assert world.now("ann", resting).close_reason is CloseReason.FILLED
    assert world.size("ann") == 0
    # 1000 at 0.0005 as taker, and a rebate of 0.0001 as maker.
    assert world.cash("ann") == D("99999.6")
    world.exchange.check_invariants()


@pytest.mark.parametrize(("owner", "reason"), [("one", CloseReason.SELF_TRADE), ("two", CloseReason.FILLED)])
def test_an_order_can_be_kept_from_its_owner_s_other_accounts(owner, reason):
    """Only where the order asks for it, and only between accounts of one owner."""
    world = World()
    world.exchange.add_account("dan", D(10_000), owner="one")
    world.exchange.add_account("eve", D(10_000), owner=owner)
    world.order("dan", "sell", 2, 1000)
    assert world.order("eve", "buy", 1, 1000, stp_owner=True).close_reason is reason
    assert world.order("eve", "buy", 1, 1000).close_reason is CloseReason.FILLED
    world.exchange.check_invariants()


def test_a_surcharge_comes_on_top_of_the_account_s_fee():
    """A builder's part: 0.0001 of 1000 beside the taker's 0.0005."""
    world = World()
    world.order("ann", "sell", 1, 1000)
    world.order("bob", "buy", 1, 1000, fee_surcharge=D("0.0001"))
    (fill,) = world.exchange.fills("bob")
    assert fill.fee == D("0.6")
    world.exchange.check_invariants()


def test_an_order_knows_when_it_was_let_in():
    """Which tells a refusal on arrival from a later end: only the second was ever open."""
    world = World()
    resting = world.order("ann", "sell", 1, 1000)
    refused = world.order("bob", "buy", 1, 1000, post_only=True)
    assert resting.opened_at_ms == world.clock.now_ms()
    assert (refused.close_reason, refused.opened_at_ms) == (CloseReason.POST_ONLY_WOULD_CROSS, None)


@pytest.mark.parametrize("whole", [False, True])
def test_where_a_venue_allows_it_positions_can_still_be_closed_under_restriction(whole):
    """Cancel-only for a market, or for the whole exchange, lets reduce-only orders through; others are refused."""
    world = World(replace(BTC, closing_when_restricted=True))
    world.exchange._state.config = replace(world.exchange.config, closing_when_restricted=True)
    world.order("ann", "sell", 2, 1000)
    world.order("bob", "buy", 1, 1000)
    world.order("ann", "buy", 1, 999)
    if whole:
        world.exchange.set_system_status(SystemStatus.CANCEL_ONLY)
    else:
        world.exchange.set_market_status("BTC", MarketStatus.CANCEL_ONLY)
    with pytest.raises(RequestRefusedError):
        world.order("bob", "sell", 1, 999)
    assert world.order("bob", "sell", 1, 999, reduce_only=True).close_reason is CloseReason.FILLED
    world.exchange.check_invariants()
