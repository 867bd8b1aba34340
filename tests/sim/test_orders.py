"""Orders at the exchange: what is refused at once, what is decided on later, and by which rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from perpkit.core.models.market import MarketStatus
from perpkit.core.models.order import OrderType, TimeInForce
from perpkit.sim.events import OrderCause, OrderEvent
from perpkit.sim.markets import FeeRates, MarketSpec, SystemStatus
from perpkit.sim.orders import (
    CancelStatus,
    CloseReason,
    OrderRequest,
    OrderState,
    RefusalReason,
    RequestRefusedError,
    Side,
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
