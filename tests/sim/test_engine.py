"""Matching against a model so simple that it can be read at a glance, and the rules that stop an order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perpkit.core.models.order import SelfTradePrevention, Side, TimeInForce
from perpkit.sim.orders import CloseReason, OrderState
from tests.sim.world import BTC, World

D = Decimal


@dataclass
class Resting:
    """An order of the naive model."""

    name: int
    side: str
    price: Decimal
    size: Decimal
    arrival: int


class NaiveBook:
    """Price-time priority by sorting everything each time."""

    def __init__(self) -> None:
        self.resting: list[Resting] = []
        self.trades: list[tuple[int, int, Decimal, Decimal]] = []
        self.clock = 0

    def submit(self, name: int, side: str, price: Decimal | None, size: Decimal, rests: bool) -> None:
        """Trade with the best, then with the oldest, then rest."""
        self.clock += 1
        while size:
            able = [
                other
                for other in self.resting
                if other.side != side
                and (price is None or (other.price <= price if side == "buy" else other.price >= price))
            ]
            if not able:
                break
            best = min(able, key=lambda other: (other.price if side == "buy" else -other.price, other.arrival))
            traded = min(size, best.size)
            self.trades.append((name, best.name, best.price, traded))
            size -= traded
            best.size -= traded
            if not best.size:
                self.resting.remove(best)
        if size and rests and price is not None:
            self.resting.append(Resting(name, side, price, size, self.clock))

    def cancel(self, name: int) -> None:
        """Take an order away."""
        self.resting = [other for other in self.resting if other.name != name]

    def amend(self, name: int, price: Decimal, remaining: Decimal) -> None:
        """Shrink in place, or leave and come back."""
        order = next((other for other in self.resting if other.name == name), None)
        if order is None:
            return
        if price == order.price and remaining <= order.size:
            order.size = remaining
        else:
            self.cancel(name)
            self.submit(name, order.side, price, remaining, rests=True)

    def levels(self, side: str) -> list[tuple[Decimal, Decimal]]:
        """Return price levels, best first."""
        sums: dict[Decimal, Decimal] = {}
        for order in self.resting:
            if order.side == side:
                sums[order.price] = sums.get(order.price, D(0)) + order.size
        return sorted(sums.items(), reverse=side == "buy")


prices = st.integers(1990, 2010).map(lambda ticks: ticks * D("0.5"))
sizes = st.integers(1, 30).map(lambda steps: steps * D("0.1"))
sides = st.sampled_from(["buy", "sell"])
operations = st.lists(
    st.one_of(
        st.tuples(st.just("limit"), sides, prices, sizes),
        st.tuples(st.just("ioc"), sides, prices, sizes),
        st.tuples(st.just("market"), sides, prices, sizes),
        st.tuples(st.just("cancel"), st.integers(0, 30), prices, sizes),
        st.tuples(st.just("amend"), st.integers(0, 30), prices, sizes),
    ),
    min_size=10,
    max_size=40,
)


@settings(max_examples=80, deadline=None)
@given(operations)
def test_price_time_priority_equals_the_naive_model(steps):
    """Whatever is done, trades happen between the same orders at the same prices in the same order."""
    world = World(BTC, ann=10**9, bob=10**9)
    # A self-trade would need a rule of its own; each order has its own account, so none can happen.
    naive, ids, names = NaiveBook(), [], {}
    for step, (kind, what, price, size) in enumerate(steps):
        if kind in {"cancel", "amend"}:
            if what >= len(ids):
                continue
            account, order = ids[what]
            standing = world.now(account, order)
            if standing.is_closed:
                continue
            if kind == "cancel":
                world.exchange.cancel(account, order.id)
                naive.cancel(what)
            else:
                world.exchange.amend(account, order.id, price=price, size=standing.filled_size + size)
                naive.amend(what, price, size)
        else:
            account = f"trader-{step}"
            world.exchange.add_account(account, D(10**9))
            force = TimeInForce.IOC if kind == "ioc" else TimeInForce.GTC
            order = world.order(account, what, size, None if kind == "market" else price, time_in_force=force)
            names[order.id] = len(ids)
            naive.submit(len(ids), what, None if kind == "market" else price, size, rests=kind == "limit")
            ids.append((account, order))
        book = world.exchange.book("BTC")
        assert [(level.price, level.size) for level in book.bids] == naive.levels("buy")
        assert [(level.price, level.size) for level in book.asks] == naive.levels("sell")
    fills = {fill.id: fill for account, _ in ids for fill in world.exchange.fills(account)}
    by_trade: dict[str, dict[str, object]] = {}
    for fill in fills.values():
        by_trade.setdefault(fill.trade_id, {})[fill.liquidity.value] = fill
    seen = [
        (names[pair["taker"].order_id], names[pair["maker"].order_id], pair["taker"].price, pair["taker"].size)
        for pair in (by_trade[trade.id] for trade in world.exchange.trades("BTC"))
    ]
    assert seen == naive.trades
    world.exchange.check_invariants()


def test_an_order_trades_at_the_makers_price():
    """A buy at 1010 against a sell at 1000 trades at 1000."""
    world = World()
    world.order("ann", "sell", 1, 1000)
    taken = world.order("bob", "buy", 1, 1010)
    assert taken.state is OrderState.CLOSED
    assert taken.close_reason is CloseReason.FILLED
    assert taken.average_price == 1000


def test_what_an_ioc_order_cannot_fill_is_closed():
    """2 wanted, 1 there: 1 filled, the rest closed, nothing rests."""
    world = World()
    world.order("ann", "sell", 1, 1000)
    taken = world.order("bob", "buy", 2, 1000, time_in_force=TimeInForce.IOC)
    assert (taken.state, taken.close_reason, taken.filled_size) == (
        OrderState.CLOSED,
        CloseReason.IOC_REMAINDER,
        D(1),
    )
    assert world.exchange.book("BTC").bids == ()


@pytest.mark.parametrize(("there", "filled"), [("1.999", 0), ("2", 2)])
def test_a_fok_order_fills_wholly_or_not_at_all(there, filled):
    """With a thousandth too little nothing trades; with enough all does."""
    world = World()
    world.order("ann", "sell", there, 1000)
    taken = world.order("bob", "buy", 2, 1000, time_in_force=TimeInForce.FOK)
    assert taken.filled_size == filled
    assert taken.close_reason is (CloseReason.FILLED if filled else CloseReason.FOK_NOT_FILLABLE)


def test_a_fok_order_counts_over_several_levels_and_stops_at_its_price():
    """1 at 1000 and 1 at 1001 fill 2 up to 1001, and not up to 1000.5."""
    world = World()
    world.order("ann", "sell", 1, 1000)
    world.order("ann", "sell", 1, 1001)
    assert world.order("bob", "buy", 2, "1000.5", time_in_force=TimeInForce.FOK).filled_size == 0
    assert world.order("bob", "buy", 2, 1001, time_in_force=TimeInForce.FOK).filled_size == 2


def test_a_fok_order_counts_only_what_it_may_trade_with():
    """Retail offers count for retail takers only; two reduce-only offers count no more than the position."""
    world = World(BTC, ann=10**6, bob=10**6, cid=10**6)
    world.order("ann", "sell", 1, 1000, rpi=True)
    assert world.order("bob", "buy", 1, 1000, time_in_force=TimeInForce.FOK).filled_size == 0
    assert world.order("bob", "buy", 1, 1000, time_in_force=TimeInForce.FOK, retail=True).filled_size == 1
    for _ in range(2):
        world.order("bob", "sell", 1, 1010, reduce_only=True)
    assert world.order("cid", "buy", 2, 1010, time_in_force=TimeInForce.FOK).filled_size == 0
    assert world.order("cid", "buy", 1, 1010, time_in_force=TimeInForce.FOK).filled_size == 1


def test_a_market_order_takes_what_is_there_and_no_more():
    """The rest of a market order is closed for lack of liquidity."""
    world = World()
    world.order("ann", "sell", 1, 1000)
    taken = world.order("bob", "buy", 3)
    assert (taken.filled_size, taken.close_reason) == (D(1), CloseReason.NO_LIQUIDITY)


def test_a_market_order_stays_within_the_price_band():
    """With a band of 5 % around a mark of 1000, the offer at 1050.5 is out of reach."""
    world = World(replace(BTC, price_band=D("0.05")), ann=10**6, bob=10**6)
    world.order("ann", "sell", 1, 1050)
    world.order("ann", "sell", 1, "1050.5")
    assert world.order("bob", "buy", 2).filled_size == 1


def test_a_post_only_order_that_would_cross_is_refused_and_one_that_would_not_rests():
    """At the best offer it crosses, a tick below it rests."""
    world = World()
    world.order("ann", "sell", 1, 1000)
    crossing = world.order("bob", "buy", 1, 1000, post_only=True)
    assert crossing.close_reason is CloseReason.POST_ONLY_WOULD_CROSS
    assert crossing.filled_size == 0
    assert world.order("bob", "buy", 1, "999.5", post_only=True).state is OrderState.OPEN


@pytest.mark.parametrize(
    ("stp", "maker", "taker", "rest_filled"),
    [
        (SelfTradePrevention.EXPIRE_TAKER, OrderState.OPEN, CloseReason.SELF_TRADE, 0),
        (SelfTradePrevention.EXPIRE_MAKER, OrderState.CLOSED, CloseReason.FILLED, 1),
        (SelfTradePrevention.EXPIRE_BOTH, OrderState.CLOSED, CloseReason.SELF_TRADE, 0),
    ],
)
def test_no_account_trades_with_itself(stp, maker, taker, rest_filled):
    """Which of the two goes is the taker's choice; a stranger's order behind is reached only if the maker goes."""
    world = World()
    own = world.order("bob", "sell", 1, 1000)
    other = world.order("ann", "sell", 1, "1000.5")
    taken = world.order("bob", "buy", 1, 1001, stp=stp)
    assert world.now("bob", own).state is maker
    assert taken.close_reason is taker
    assert world.now("ann", other).filled_size == rest_filled
    assert world.size("bob") == rest_filled


def test_what_was_filled_before_a_self_trade_stays_filled():
    """A taker that meets a stranger first and itself second keeps the first fill."""
    world = World()
    world.order("ann", "sell", 1, 1000)
    world.order("bob", "sell", 1, 1001)
    taken = world.order("bob", "buy", 2, 1001)
    assert (taken.filled_size, taken.close_reason) == (D(1), CloseReason.SELF_TRADE)


def test_a_smaller_size_keeps_the_place_in_the_queue_and_a_larger_one_loses_it():
    """Of two orders at a price the older is hit first, until it grows."""
    world = World(BTC, ann=10**6, bob=10**6, cid=10**6)
    first = world.order("ann", "sell", 2, 1000)
    second = world.order("bob", "sell", 2, 1000)
    world.exchange.amend("ann", first.id, size=D("1.5"))
    world.order("cid", "buy", "0.5", 1000)
    assert world.now("ann", first).filled_size == D("0.5")
    world.exchange.amend("ann", first.id, size=D("1.6"))
    world.order("cid", "buy", "0.5", 1000)
    assert world.now("ann", first).filled_size == D("0.5")
    assert world.now("bob", second).filled_size == D("0.5")


def test_an_amended_price_can_trade_at_once():
    """A bid moved up to the offer trades there."""
    world = World()
    world.order("ann", "sell", 1, 1000)
    bid = world.order("bob", "buy", 1, 990)
    result = world.exchange.amend("bob", bid.id, price=D(1000))
    assert result.refused is None
    assert result.order.close_reason is CloseReason.FILLED


def test_a_post_only_order_is_not_amended_across_the_book():
    """The amendment is refused and the order stays where it was, in its place."""
    world = World(BTC, ann=10**6, bob=10**6, cid=10**6)
    world.order("ann", "sell", 1, 1000)
    bid = world.order("bob", "buy", 1, 990, post_only=True)
    world.order("cid", "buy", 1, 990)
    result = world.exchange.amend("bob", bid.id, price=D(1000))
    assert result.refused is CloseReason.POST_ONLY_WOULD_CROSS
    world.order("ann", "sell", 1, 990)
    assert world.now("bob", bid).close_reason is CloseReason.FILLED


def test_an_order_amended_to_its_filled_size_is_filled():
    """1 of 3 filled; amended to a total of 1 it is over, as filled."""
    world = World()
    offer = world.order("ann", "sell", 3, 1000)
    world.order("bob", "buy", 1, 1000)
    result = world.exchange.amend("ann", offer.id, size=D(1))
    assert (result.order.state, result.order.close_reason) == (OrderState.CLOSED, CloseReason.FILLED)
    assert world.exchange.book("BTC").asks == ()
    world.exchange.check_invariants()


def test_retail_orders_are_hidden_and_trade_with_retail_takers_only():
    """A plain taker passes a retail offer by; a retail taker gets it."""
    world = World(BTC, ann=10**6, bob=10**6, cid=10**6)
    hidden = world.order("ann", "sell", 1, 1000, rpi=True)
    assert world.exchange.book("BTC").asks == ()
    assert [level.price for level in world.exchange.book("BTC", interactive=True).asks] == [D(1000)]
    assert world.order("bob", "buy", 1, 1000, time_in_force=TimeInForce.IOC).filled_size == 0
    assert world.order("cid", "buy", 1, 1000, retail=True).filled_size == 1
    assert world.now("ann", hidden).close_reason is CloseReason.FILLED


def test_a_retail_order_gives_way_to_a_plain_one_that_rests_across_it():
    """The book never stands crossed, not even for retail eyes."""
    world = World()
    hidden = world.order("ann", "sell", 1, 1000, rpi=True)
    assert world.order("bob", "buy", 1, 1001).state is OrderState.OPEN
    assert world.now("ann", hidden).close_reason is CloseReason.RPI_CROSSED
    world.exchange.check_invariants()


def test_reduce_only_trades_no_more_than_the_position():
    """Long 1, a reduce-only sell of 3 sells 1 and is over; nothing of it rests or flips."""
    world = World(BTC, ann=10**6, bob=10**6)
    world.order("ann", "sell", 1, 1000)
    world.order("bob", "buy", 1, 1000)
    world.order("ann", "buy", 5, 999)
    taken = world.order("bob", "sell", 3, 999, reduce_only=True)
    assert (taken.filled_size, taken.close_reason) == (D(1), CloseReason.REDUCE_ONLY_WOULD_INCREASE)
    assert world.size("bob") == 0


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_reduce_only_without_a_position_is_refused(side):
    """There is nothing to reduce on either side."""
    world = World()
    world.order("ann", "sell", 1, 1001)
    world.order("ann", "buy", 1, 999)
    assert world.order("bob", side, 1, 1000, reduce_only=True).close_reason is CloseReason.REDUCE_ONLY_WOULD_INCREASE


def test_resting_reduce_only_orders_go_when_the_position_goes():
    """A reduce-only offer does not outlive the position that it was for."""
    world = World()
    world.order("ann", "sell", 1, 1000)
    world.order("bob", "buy", 1, 1000)
    resting = world.order("bob", "sell", 1, 1100, reduce_only=True)
    world.order("ann", "buy", 1, 990)
    world.order("bob", "sell", 1, 990)
    assert world.now("bob", resting).close_reason is CloseReason.REDUCE_ONLY_WOULD_INCREASE


def test_sides_of_a_trade_are_named():
    """Each fill has its own side; the tape has the taker's."""
    world = World()
    world.order("ann", "sell", 1, 1000)
    world.order("bob", "buy", 1, 1000)
    (ann,), (bob,) = world.exchange.fills("ann"), world.exchange.fills("bob")
    assert (ann.side, ann.taker_side, ann.liquidity) == (Side.SELL, Side.BUY, "maker")
    assert (bob.side, bob.taker_side, bob.liquidity) == (Side.BUY, Side.BUY, "taker")
    (trade,) = world.exchange.trades("BTC")
    assert (trade.side, trade.id) == (Side.BUY, ann.trade_id)
