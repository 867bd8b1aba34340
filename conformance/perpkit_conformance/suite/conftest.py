"""What the tests of orders and streams begin with: somebody who trades, and little patience."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from perpkit.core.context import VenueContext
from perpkit.core.transport.http import HttpClient, HttpTimeouts
from perpkit.core.venue import Venue
from perpkit_conformance.suite.trading import Trader
from perpkit_conformance.target import Target


@pytest.fixture
async def trader(target: Target, venue: Venue) -> Trader:
    """A trader on a quoted book: a hundredth of a percent wide, ten levels of size worth 100,000 each side."""
    trader = await Trader.of(target, venue)
    target.quote(size=trader.size(100_000))
    return trader


@pytest.fixture
async def signed_in(trader: Trader) -> None:
    """The trader's markets and sign-in are done: what goes wrong afterwards strikes the order."""
    if "fetch_open_orders" in trader.venue.capabilities.hooks:
        await trader.target.run(trader.venue.fetch_open_orders())


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """HTTP time limits so short that a venue which never answers can be waited for. Those run in real time."""
    real, limit = VenueContext.http, timedelta(seconds=1)
    timeouts = HttpTimeouts(total=limit, connect=limit, read=limit)

    def http(self: VenueContext, base_url: str, **given: Any) -> HttpClient:
        return real(self, base_url, **{**given, "timeouts": timeouts})

    monkeypatch.setattr(VenueContext, "http", http)
