"""Fixtures: a venue on a manual clock, and somebody to trade with."""

from decimal import Decimal

import pytest

from perpkit.sim.venues.lighter import LocalLighter

from . import harness as own_harness

SEED = 20261129


@pytest.fixture
def harness():
    """This venue's client."""
    return own_harness


@pytest.fixture
async def sim():
    """A venue with two accounts of 100,000 USDC, on a clock that only the test moves; the seed is printed."""
    print(f"seed {SEED}")
    async with LocalLighter(seed=SEED) as venue:
        yield venue
        venue.exchange.check_invariants()


@pytest.fixture
def quote(sim):
    """Rest one level a side around 4000, or what is given as pairs of price and size."""

    def place(bids=(("3999.90", "1"),), asks=(("4000.10", "1"),), market="ETH"):
        rows = [[(Decimal(price), Decimal(size)) for price, size in side] for side in (bids, asks)]
        return sim.control.place_liquidity(market, bids=rows[0], asks=rows[1])

    return place
