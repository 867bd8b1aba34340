"""Markets, payloads and moments that several modules use."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from perpkit.adapters.extended.signing import Asset, Terms
from perpkit.core.models import FundingAccrual, Instrument, Market, MarketStatus

DATA = Path(__file__).parent / "data"
NOW = datetime(2026, 9, 1, 11, tzinfo=UTC)
VECTORS = json.loads((DATA / "signing_vectors.json").read_text())


def make_market(symbol="BTC-USD", **changes):
    base = symbol.split("-")[0]
    fields = {
        "venue": "extended",
        "symbol": symbol,
        "instrument": Instrument.of(base, "USD", "USDC"),
        "tick_size": Decimal(1),
        "step_size": Decimal("0.00001"),
        "min_size": Decimal("0.0001"),
        "max_leverage": Decimal(50),
        "funding_interval": timedelta(hours=1),
        "funding_accrual": FundingAccrual.DISCRETE,
        "status": MarketStatus.OPEN,
    }
    return Market(**{**fields, **changes})


def make_terms(symbol="BTC-USD", **changes):
    l2 = VECTORS["markets"][symbol]
    fields = {
        "synthetic": Asset(int(l2["syntheticId"], 16), l2["syntheticResolution"]),
        "collateral": Asset(int(l2["collateralId"], 16), l2["collateralResolution"]),
        "price_cap": Decimal("0.05"),
        "price_floor": Decimal("0.05"),
        "max_position_value": Decimal(60_000_000),
        "is_rfq": False,
    }
    return Terms(**{**fields, **changes})


@pytest.fixture
async def stub():
    """An Extended that says what it is told to."""
    from tests.adapters.extended.stub import StubVenue

    async with StubVenue() as server:
        yield server


@pytest.fixture
async def venue(stub):
    """The plugin, opened on the stub with a key that signs."""
    async with stub.open() as opened:
        yield opened


@pytest.fixture
def market():
    """BTC-USD with a tick of 1 and a step of 0.00001."""
    return make_market()


@pytest.fixture
def terms():
    """What is signed of BTC-USD."""
    return make_terms()


@pytest.fixture(scope="session")
def recorded():
    """What the venue answered, by method."""
    methods = json.loads((DATA / "recorded.json").read_text())["methods"]
    return {name: [case["httpResponse"] for case in cases] for name, cases in methods.items()}
