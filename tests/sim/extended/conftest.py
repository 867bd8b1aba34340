"""Fixtures: a venue on a manual clock, and somebody to trade with."""

import pytest

from perpkit.sim.orders import SelfTradePrevention
from perpkit.sim.venues.extended import LocalExtended
from tests.sim.house import move_in, quoting

from . import harness as own_harness

SEED = 20261129


@pytest.fixture
def harness():
    """This venue's client."""
    return own_harness


@pytest.fixture
async def sim():
    """A venue with two accounts of 100,000 USD, on a clock that only the test moves; the seed is printed."""
    print(f"seed {SEED}")
    async with LocalExtended(seed=SEED) as venue:
        move_in(venue.exchange)
        yield venue
        venue.exchange.check_invariants()


@pytest.fixture
def quote(sim):
    """Place a house order: ``quote("SELL", "84030", "1")``; a ``visitor``'s trades with the house's."""
    return quoting(sim.exchange, "BTC-USD", stp=SelfTradePrevention.EXPIRE_MAKER)
