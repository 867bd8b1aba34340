"""Markets with a life of their own: prices, quotes and trades, the same for the same seed."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from perpkit.sim.liquidity import MAKER, MarketMaker, Noise, Quoting, liven
from perpkit.sim.orders import OrderState
from tests.sim.world import BTC, ETH, World

D = Decimal
SECOND = timedelta(seconds=1)


def live(world: World, seconds: int) -> None:
    """Let so many seconds go by, one at a time."""
    for _ in range(seconds):
        world.clock.advance(SECOND)


def test_a_living_market_moves_quotes_and_trades():
    """After two minutes there were moves and trades, both sides are quoted and the books balance."""
    world = World()
    liven(world.exchange, "BTC")
    live(world, 120)
    stats = world.exchange.stats("BTC")
    assert stats.index_price != 1000
    assert len(world.exchange.trades("BTC")) > 20
    # Ten levels 2 bps apart fall on four or five ticks of 5 bps.
    assert len(world.exchange.book("BTC").bids) >= 4
    assert len(world.exchange.book("BTC").asks) >= 4
    bbo = world.exchange.bbo("BTC")
    assert bbo.bid.price < stats.index_price < bbo.ask.price
    world.exchange.check_invariants()


def test_the_same_seed_lives_the_same_life():
    """Prices, trades and ids are equal for a seed and differ between seeds."""

    def life(seed: int) -> object:
        world = World(BTC, ETH, seed=seed)
        for symbol in ("BTC", "ETH"):
            liven(world.exchange, symbol)
        live(world, 30)
        return world.events

    assert life(5) == life(5)
    assert life(5) != life(6)


def test_a_life_ends_when_it_is_told_to():
    """After that nothing moves."""
    world = World()
    living = liven(world.exchange, "BTC")
    live(world, 3)
    living.cancel()
    index, trades = world.exchange.index_price("BTC"), len(world.exchange.trades("BTC"))
    live(world, 10)
    assert (world.exchange.index_price("BTC"), len(world.exchange.trades("BTC"))) == (index, trades)


def test_prices_stay_near_home_and_on_a_tenth_of_the_tick():
    """Drawn back to where it began, ten minutes' walk stays within 1 % and keeps its digits bounded."""
    world = World()
    liven(world.exchange, "BTC", Quoting(levels=1))
    for _ in range(600):
        world.clock.advance(SECOND)
        index = world.exchange.index_price("BTC")
        assert D(990) < index < D(1010)
        assert index % D("0.05") == 0


def test_customers_resting_in_the_way_are_filled():
    """A bid above the maker's own offers trades when the price comes down to it."""
    world = World()
    maker = MarketMaker(world.exchange, "BTC")
    maker.requote()
    bid = world.order("bob", "buy", 1, 990, post_only=True)
    assert bid.state is OrderState.OPEN
    world.exchange.set_price("BTC", index=D(980))
    maker.requote()
    assert world.now("bob", bid).state is OrderState.CLOSED
    assert world.size("bob") == 1


def test_quotes_that_stand_right_are_left_alone():
    """Requoting at the same price cancels and places nothing."""
    world = World()
    maker = MarketMaker(world.exchange, "BTC")
    maker.requote()
    before = [order.id for order in world.exchange.open_orders(MAKER)]
    maker.requote()
    assert [order.id for order in world.exchange.open_orders(MAKER)] == before


@pytest.mark.parametrize("tick", ["0.5", "1", "10", "100"])
def test_a_coarse_tick_never_makes_the_maker_meet_itself(tick):
    """Where the spread is narrower than a tick, one side steps back."""
    world = World(replace(BTC, tick_size=D(tick)))
    maker = MarketMaker(world.exchange, "BTC", Quoting(levels=3))
    for index in ("1000", "1003.7", "1049.9", "951"):
        world.exchange.set_price("BTC", index=D(index))
        maker.requote()
        bbo = world.exchange.bbo("BTC")
        assert bbo.ask is not None
        assert bbo.bid is None or bbo.bid.price < bbo.ask.price
    assert world.exchange.trades("BTC") == []


def test_the_makers_past_does_not_pile_up():
    """Closed orders and entries of house accounts are forgotten, so that a local venue can run for weeks."""
    world = World()
    liven(world.exchange, "BTC")
    live(world, 60)
    state = world.exchange._state
    assert len(state.orders) == sum(len(account.live) for account in state.accounts.values())
    assert state.accounts[MAKER].orders == state.accounts[MAKER].fills == []
    assert state.ledger.entries(MAKER) == []
    assert world.exchange.trades("BTC")


def test_noise_keeps_its_bounds():
    """Never outside, on both ends, and even chances are even."""
    noise = Noise("x")
    values = [noise.between(D(-1), D(3)) for _ in range(2000)]
    assert min(values) >= -1
    assert max(values) <= 3
    assert 850 < sum(noise.chance(D("0.5")) for _ in range(2000)) < 1150
