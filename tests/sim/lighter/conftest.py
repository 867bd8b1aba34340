"""Fixtures: a venue on a manual clock, and clients of it."""

from decimal import Decimal

import pytest

from perpkit.sim.venues.lighter import LocalLighter

from .harness import Client, Signer

SEED = 20261129


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


@pytest.fixture
async def anybody(sim):
    """A client without a token."""
    async with Client(sim) as client:
        yield client


@pytest.fixture
async def trader(sim):
    """The first account with its first key."""
    async with Client(sim, Signer(sim, sim.accounts[0])) as client:
        yield client


@pytest.fixture
async def other(sim):
    """The second account with its first key."""
    async with Client(sim, Signer(sim, sim.accounts[1])) as client:
        yield client
