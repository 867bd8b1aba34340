"""What everybody sees: statistics, candles and impact prices, worked out by hand."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpkit.core.models.market import PriceKind
from perpkit.core.models.order import Side
from perpkit.sim.tape import candles
from tests.sim.world import BTC, World

D = Decimal
MINUTE = timedelta(minutes=1)


def trade(world: World, size: object, price: object) -> None:
    """Let ann sell to bob."""
    world.order("ann", "sell", size, price)
    world.order("bob", "buy", size, price)


def test_statistics_cover_the_last_24_hours():
    """What is older counts for the lifetime volume and as the price to compare with, and for nothing else."""
    world = World(BTC, ann=10**7, bob=10**7)
    trade(world, 1, 800)
    world.clock.advance(timedelta(hours=20))
    trade(world, 2, 1000)
    trade(world, 1, 900)
    world.clock.advance(timedelta(hours=4))
    stats = world.exchange.stats("BTC")
    assert (stats.volume_24h, stats.total_volume) == (D(2900), D(3700))
    assert (stats.high_24h, stats.low_24h, stats.last_price) == (D(1000), D(900), D(900))
    assert stats.price_change_24h == D("0.125")
    assert stats.open_interest == 4
    world.clock.advance(timedelta(hours=21))
    stats = world.exchange.stats("BTC")
    assert (stats.volume_24h, stats.high_24h, stats.price_change_24h) == (D(0), None, D(0))


def test_a_market_without_trades_has_no_last_price():
    """Nothing is invented for it."""
    stats = World().exchange.stats("BTC")
    assert (stats.last_price, stats.volume_24h, stats.price_change_24h, stats.bbo.bid) == (None, D(0), D(0), None)


def test_candles_hold_open_high_low_close_and_volume():
    """Two minutes with trades and an empty one between, which repeats the close."""
    world = World(BTC, ann=10**7, bob=10**7)
    start = world.clock.now_ms()
    for price in (1000, 1010, 990, 995):
        trade(world, 1, price)
        world.clock.advance(timedelta(seconds=10))
    world.clock.advance(timedelta(seconds=90))
    trade(world, 2, 1002)
    found = world.exchange.candles("BTC", MINUTE, since_ms=start, until_ms=start + 600_000)
    assert [
        (candle.start_ms - start, candle.open, candle.high, candle.low, candle.close, candle.volume) for candle in found
    ] == [
        (0, 1000, 1010, 990, 995, 4),
        (60_000, 995, 995, 995, 995, 0),
        (120_000, 1002, 1002, 1002, 1002, 2),
    ]


def test_candles_of_mark_and_index_follow_their_own_price():
    """They have no volume."""
    world = World()
    start = world.clock.now_ms()
    world.exchange.set_price("BTC", index=D(1100), mark=D(1050))
    (mark,) = world.exchange.candles("BTC", MINUTE, since_ms=start, until_ms=start, kind=PriceKind.MARK)
    (index,) = world.exchange.candles("BTC", MINUTE, since_ms=start, until_ms=start, kind=PriceKind.INDEX)
    assert (mark.open, mark.close, mark.volume) == (D(1000), D(1050), D(0))
    assert (index.open, index.close) == (D(1000), D(1100))


ticks = st.lists(
    st.tuples(st.integers(0, 100_000), st.integers(1, 100).map(D), st.integers(1, 9).map(D)), max_size=40
).map(lambda found: sorted(found, key=lambda tick: tick[0]))


@given(ticks, st.integers(0, 120_000), st.integers(0, 120_000))
def test_candles_equal_a_count_by_hand(found, since, until):
    """Each candle equals what a look at all ticks gives, and none is missing from the first tick on."""
    width = 7000
    got = {candle.start_ms: candle for candle in candles(found, timedelta(milliseconds=width), since, until)}
    starts = [start for start in range(0, 130_000, width) if since <= start <= until]
    expected = [start for start in starts if any(time < start + width for time, _, _ in found)]
    assert sorted(got) == expected
    for start, candle in got.items():
        inside = [tick for tick in found if start <= tick[0] < start + width]
        if inside:
            values = [price for _, price, _ in inside]
            assert (candle.open, candle.close) == (values[0], values[-1])
            assert (candle.high, candle.low) == (max(values), min(values))
            assert candle.volume == sum(size for _, _, size in inside)
        else:
            before = [price for time, price, _ in found if time < start][-1]
            assert (candle.open, candle.high, candle.low, candle.close) == (before,) * 4
            assert candle.volume == 0


def test_a_resolution_of_nothing_is_refused():
    """Zero would never end."""
    with pytest.raises(ValueError, match="above zero"):
        candles([], timedelta(0), 0, 1)


def test_the_impact_price_walks_the_book():
    """1 at 1000 and 3 at 1010: buying 2 costs 1005 on average; 5 are not there."""
    world = World()
    world.order("ann", "sell", 1, 1000)
    world.order("ann", "sell", 3, 1010)
    assert world.exchange.impact_price("BTC", Side.BUY, D(2)) == 1005
    assert world.exchange.impact_price("BTC", Side.BUY, D(5)) is None
    assert world.exchange.impact_price("BTC", Side.SELL, D(1)) is None


def test_depth_limits_the_levels_and_not_the_sums():
    """Two orders at a price are one level; depth counts levels."""
    world = World()
    for price in (999, 999, 998, 997):
        world.order("ann", "buy", 1, price)
    book = world.exchange.book("BTC", 2)
    assert [(level.price, level.size) for level in book.bids] == [(D(999), D(2)), (D(998), D(1))]


def test_the_mark_keeps_its_ratio_when_only_the_index_moves():
    """Mark 1 % above the index stays 1 % above it."""
    world = World()
    world.exchange.set_price("BTC", index=D(1000), mark=D(1010))
    world.exchange.set_price("BTC", index=D(2000))
    assert (world.exchange.index_price("BTC"), world.exchange.mark_price("BTC")) == (D(2000), D(2020))


@pytest.mark.parametrize("price", ["0", "-1", "NaN"])
def test_a_price_that_is_none_is_refused(price):
    """The market keeps its prices."""
    world = World()
    with pytest.raises((ValueError, ArithmeticError)):
        world.exchange.set_price("BTC", index=D(price))
    assert world.exchange.index_price("BTC") == 1000
