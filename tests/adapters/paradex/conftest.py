"""Markets, payloads and moments that several modules use."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from perpkit.core.models import FundingAccrual, Instrument, Market, MarketStatus

DATA = Path(__file__).parent / "data"
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def make_market(symbol="BTC-USD-PERP", **changes):
    base = symbol.split("-")[0]
    fields = {
        "venue": "paradex",
        "symbol": symbol,
        "instrument": Instrument.of(base, "USD", "USDC"),
        "tick_size": Decimal("0.1"),
        "step_size": Decimal("0.001"),
        "min_notional": Decimal(10),
        "max_leverage": Decimal(50),
        "funding_interval": timedelta(hours=8),
        "funding_accrual": FundingAccrual.CONTINUOUS,
        "status": MarketStatus.OPEN,
    }
    return Market(**{**fields, **changes})


@pytest.fixture
async def stub():
    """A Paradex that says what it is told to."""
    from tests.adapters.paradex.stub import StubVenue

    async with StubVenue() as server:
        yield server


@pytest.fixture
async def venue(stub):
    """The plugin, opened on the stub with a key that signs."""
    async with stub.open() as opened:
        yield opened


@pytest.fixture
def market():
    """BTC-USD-PERP with a tick of 0.1 and a step of 0.001."""
    return make_market()


@pytest.fixture(scope="session")
def recorded():
    """What the venue's testnet answered, by method."""
    methods = json.loads((DATA / "recorded.json").read_text())["methods"]
    return {name: cases[0]["httpResponse"] for name, cases in methods.items()}
