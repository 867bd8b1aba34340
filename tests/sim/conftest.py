"""Clients of a local venue. Each venue's folder says what ``sim`` is, and which ``harness`` its clients are of."""

from __future__ import annotations

import pytest


@pytest.fixture
async def anybody(sim, harness):
    """A client without a key or a token."""
    async with harness.Client(sim) as client:
        yield client


@pytest.fixture
async def trader(sim, harness):
    """The first account's client, with its main key."""
    async with harness.Client(sim, harness.Signer(sim, sim.accounts[0])) as client:
        yield client


@pytest.fixture
async def other(sim, harness):
    """The second account's client, with its main key."""
    async with harness.Client(sim, harness.Signer(sim, sim.accounts[1])) as client:
        yield client
