"""Markets, payloads and moments that several modules use."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from perpkit.adapters.lighter import schema
from perpkit.adapters.lighter.listings import Listing, Listings
from perpkit.core.catalog import MarketCatalog
from perpkit.core.clock import SystemClock
from perpkit.core.models import FundingAccrual, Instrument, Market, MarketStatus
from perpkit.core.transport import loose_json

DATA = Path(__file__).parent / "data"
NOW = datetime(2026, 11, 21, 12, 20, tzinfo=UTC)
LIFE = timedelta(days=28)

EXAMPLES = json.loads((DATA / "examples.json").read_text(encoding="utf-8"))


def make_market(symbol="ETH", **changes):
    fields = {
        "venue": "lighter",
        "symbol": symbol,
        "instrument": Instrument.of(symbol, "USDC", "USDC"),
        "tick_size": Decimal("0.01"),
        "step_size": Decimal("0.0001"),
        "min_size": Decimal("0.0050"),
        "min_notional": Decimal(10),
        "max_leverage": Decimal(50),
        "initial_margin_fraction": Decimal("0.02"),
        "maintenance_margin_fraction": Decimal("0.012"),
        "funding_interval": timedelta(hours=1),
        "funding_accrual": FundingAccrual.DISCRETE,
        "status": MarketStatus.OPEN,
    }
    return Market(**{**fields, **changes})


def make_listing(index=0, symbol="ETH", **changes):
    fields = {
        "index": index,
        "symbol": symbol,
        "size_decimals": 4,
        "price_decimals": 2,
        "default_fraction": 500,
        "least_fraction": 200,
        "maintenance_fraction": 120,
        "margin_mode": 0,
    }
    return Listing(**{**fields, **changes})


def make_listings():
    """ETH is market 0, BTC market 1."""
    catalog = MarketCatalog("lighter", SystemClock())
    catalog.replace([make_market(), make_market("BTC", step_size=Decimal("0.00001"), tick_size=Decimal("0.1"))])
    listings = Listings(catalog)
    row = EXAMPLES["rest"]["OrderBookDetails"]["order_book_details"][0]
    btc = {**row, "symbol": "BTC", "market_id": 1, "size_decimals": 5, "price_decimals": 1}
    listings.learn([read(schema.OrderBookDetail, each) for each in (row, btc)])
    return listings


def read(type_, payload):
    """Read a payload as the plugin does."""
    return loose_json.read(type_, json.dumps(payload), what="test", venue="lighter")


def example(name, type_, **changes):
    """The example of a REST shape, with some fields changed."""
    return read(type_, {**EXAMPLES["rest"][name], **changes})


@pytest.fixture
async def stub():
    """A Lighter that says what it is told to."""
    from tests.adapters.lighter.stub import StubVenue

    async with StubVenue() as stub:
        yield stub


@pytest.fixture
def market():
    """ETH-USDC-PERP, the venue's market 0, with a tick of 0.01 and a step of 0.0001."""
    return make_market()


@pytest.fixture(scope="session")
def recorded():
    """What the venue answered, by ccxt's method."""
    methods = json.loads((DATA / "recorded.json").read_text(encoding="utf-8"))["methods"]
    return {name: cases[0]["httpResponse"] for name, cases in methods.items()}
