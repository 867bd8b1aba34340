"""Fixtures: a venue on a manual clock, and clients of it."""

from decimal import Decimal

import pytest

from perpkit.sim.orders import OrderRequest, OrderType, SelfTradePrevention, Side
from perpkit.sim.venues.extended import LocalExtended

from .harness import Client, Signer

SEED = 20261129
HOUSE, VISITOR = "house", "visitor"


@pytest.fixture
async def sim():
    """A venue with two accounts of 100,000 USD, on a clock that only the test moves; the seed is printed."""
    print(f"seed {SEED}")
    async with LocalExtended(seed=SEED) as venue:
        venue.exchange.add_account(HOUSE, is_house=True)
        venue.exchange.add_account(VISITOR, is_house=True)
        yield venue
        venue.exchange.check_invariants()


@pytest.fixture
def quote(sim):
    """Place a house order: ``quote("SELL", "84030", "1")``; a ``visitor``'s trades with the house's."""

    def place(side, price, size, market="BTC-USD", *, visitor=False):
        request = OrderRequest(
            account_id=VISITOR if visitor else HOUSE,
            market=market,
            side=Side(side.lower()),
            type=OrderType.LIMIT,
            size=Decimal(size),
            price=Decimal(price),
            stp=SelfTradePrevention.EXPIRE_MAKER,
        )
        return sim.exchange.submit(request)

    return place


@pytest.fixture
async def anybody(sim):
    """A client without a key."""
    async with Client(sim) as client:
        yield client


@pytest.fixture
async def trader(sim):
    """The first account's client."""
    async with Client(sim, Signer(sim, sim.accounts[0])) as client:
        yield client


@pytest.fixture
async def other(sim):
    """The second account's client."""
    async with Client(sim, Signer(sim, sim.accounts[1])) as client:
        yield client
