"""A local Lighter, and venues opened on it. Both sides share one clock, so a test that moves it moves both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from perpkit.core.models import OrderIntent, Side
from perpkit.sim import orders as sim_orders
from perpkit.sim.clock import SimClock
from perpkit.sim.venues.lighter import LocalAccount, LocalLighter, Settings
from tests.integration.conftest import IN_TIME, SEED, Credentials, opened_on

ETH, WIRE_ETH = "ETH-USDC-PERP", "ETH"
BTC, WIRE_BTC = "BTC-USDC-PERP", "BTC"

SEND, BATCH = "POST /api/v1/sendTx", "POST /api/v1/sendTxBatch"

STRANGE_KEY = bytes(range(1, 41)).hex()
"""A key of nobody's: well formed, and registered nowhere."""


@pytest.fixture
def sim_settings() -> dict[str, Any]:
    """Override in a module or with ``pytest.mark.parametrize`` to have another local Lighter."""
    return {}


@pytest.fixture
def sim_options() -> dict[str, Any]:
    """The same for what is the server's own: its pings, the silence that it bears."""
    return {}


@pytest.fixture
async def local(sim_settings: dict[str, Any], sim_options: dict[str, Any]) -> AsyncIterator[LocalLighter]:
    """A local Lighter with quoted books; its ledger is checked at the end. The seed is printed."""
    print(f"seed {SEED}")
    settings = replace(Settings(), **sim_settings)
    async with LocalLighter(seed=SEED, accounts=2, clock=SimClock(), settings=settings, **sim_options) as exchange:
        exchange.control.set_price(WIRE_ETH, index=Decimal(4000), mark=Decimal(4000))
        exchange.control.quote(WIRE_ETH, levels=10, size=Decimal(5))
        exchange.control.set_price(WIRE_BTC, index=Decimal(80000), mark=Decimal(80000))
        exchange.control.quote(WIRE_BTC, levels=10, size=Decimal(1))
        yield exchange
        exchange.exchange.check_invariants()


@pytest.fixture
def credentials(local: LocalLighter) -> Credentials:
    """One API key of an account, and the account's tier."""
    return "lighter", lambda me: _credentials(local, me)


def _credentials(local: LocalLighter, me: LocalAccount) -> dict[str, Any]:
    return {
        "account_index": me.account_index,
        "api_key_index": me.api_key_index,
        "api_private_key": me.private_key,
        "tier": local.venue.settings.tier,
    }


def opened(local: LocalLighter, *, account: int = 0, **settings: Any) -> Any:
    """Return a venue on the local Lighter, not yet opened; None takes a setting away."""
    return opened_on(local, "lighter", **{**_credentials(local, local.accounts[account]), **settings})


def intent(**changes: Any) -> OrderIntent:
    """A buy of 0.1 ETH, far enough below the book to rest there."""
    return OrderIntent(**{"market_id": ETH, "side": Side.BUY, "size": "0.1", "price": "3900", **changes})


def account_id(local: LocalLighter, account: int = 0) -> str:
    """The account's name on the exchange."""
    return str(local.accounts[account].account_index)


def true_orders(local: LocalLighter, account: int = 0) -> list[sim_orders.Order]:
    """Every order that the exchange ever took from an account, oldest first."""
    return local.exchange.orders(account_id(local, account))


def true_size(local: LocalLighter, market: str = WIRE_ETH, account: int = 0) -> Decimal:
    """The signed size that the exchange has."""
    found = local.exchange.position(account_id(local, account), market)
    return found.size if found is not None else Decimal(0)


def next_nonce(local: LocalLighter, slot: int = 4, account: int = 0) -> int:
    """The nonce that the venue's API takes next of a key."""
    return local.venue.registry.get(local.accounts[account].account_index).keys[slot].accepted


async def paced(local: LocalLighter, work: Awaitable[Any], *, step: timedelta = timedelta(milliseconds=100)) -> Any:
    """
    Await something that waits on the clock and speaks to the exchange meanwhile: the clock goes on in steps that leave
    requests the time to be answered.
    """
    task = asyncio.ensure_future(work)
    try:
        async with asyncio.timeout(IN_TIME):
            while not task.done():
                await asyncio.wait([task], timeout=0.005)
                local.control.advance(step)
    finally:
        task.cancel()
    return await task
