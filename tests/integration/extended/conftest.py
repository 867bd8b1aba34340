"""A local Extended, and venues opened on it. Both sides share one clock, so a test that moves it moves both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from typing import Any

import pytest

from perpkit.core.models import OrderIntent, Side
from perpkit.sim import orders as sim_orders
from perpkit.sim.clock import SimClock
from perpkit.sim.venues.extended import LocalExtended, Settings
from tests.integration.conftest import SEED, Credentials

BTC, WIRE_BTC = "BTC-USD-PERP", "BTC-USD"


@pytest.fixture
async def local() -> AsyncIterator[LocalExtended]:
    """A local Extended with a quoted BTC book; its ledger is checked at the end. The seed is printed."""
    print(f"seed {SEED}")
    settings = Settings(environment="testnet")
    async with LocalExtended(seed=SEED, accounts=2, clock=SimClock(), settings=settings) as exchange:
        exchange.control.set_price(WIRE_BTC, index=Decimal(84000), mark=Decimal(84000))
        exchange.control.quote(WIRE_BTC, levels=10, size=Decimal(1))
        yield exchange
        exchange.exchange.check_invariants()


@pytest.fixture
def credentials() -> Credentials:
    """The API key, the Stark keys and the vault of a sub-account."""
    return "extended", lambda me: {
        "api_key": me.api_key,
        "stark_private_key": me.private_key,
        "stark_public_key": me.public_key,
        "vault": str(me.vault),
    }


def intent(**changes: Any) -> OrderIntent:
    """A buy of 0.1 BTC, far enough below the book to rest there."""
    return OrderIntent(**{"market_id": BTC, "side": Side.BUY, "size": "0.1", "price": "83000", **changes})


def true_orders(local: LocalExtended, account: int = 0) -> list[sim_orders.Order]:
    """Every order that the exchange ever took from an account, oldest first."""
    return local.exchange.orders(local.accounts[account].account_id)
