"""``perpkit check extended`` against the local Extended: what works, and the keys that don't."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from perpkit.adapters.extended.credentials import VARIABLES
from perpkit.cli.checkup import Checkup
from perpkit.cli.findings import Finding, Verdict
from perpkit.cli.options import Target
from perpkit.core import opening
from perpkit.core.clock import SystemClock
from perpkit.core.models import Channel
from perpkit.core.transport.ratelimit import RateLimiterRegistry
from perpkit.sim.clock import SimClock
from perpkit.sim.venues.extended import LocalExtended, Settings

WAIT = timedelta(seconds=10)


@pytest.fixture
async def local(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LocalExtended]:
    """A local Extended in real time, with its first account's keys in the environment."""
    monkeypatch.setattr(opening, "process_registry", RateLimiterRegistry)
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    settings = Settings(environment="testnet")
    async with LocalExtended(clock=SimClock.real_time(), liquidity=True, settings=settings) as venue:
        me = venue.accounts[0]
        monkeypatch.setenv("EXTENDED_API_KEY", me.api_key)
        monkeypatch.setenv("EXTENDED_STARK_PRIVATE_KEY", me.private_key)
        monkeypatch.setenv("EXTENDED_VAULT", str(me.vault))
        yield venue


async def examine(local: LocalExtended) -> dict[str, Finding]:
    """Run the examination."""
    target = Target("extended", "local", local.url, local.ws_url)
    checkup = Checkup(target, SystemClock(), stream_wait=WAIT)
    return {found.check: found async for found in checkup.run()}


async def test_every_endpoint_and_every_channel_works(local: LocalExtended):
    """With good keys nothing fails, every channel is live, and the account is left as it was."""
    before = local.control.read_account(local.accounts[0].account_id)
    found = await examine(local)
    assert {each.check: each for each in found.values() if each.verdict is Verdict.FAILED} == {}
    # Both kinds of funding are read by REST: the plugin claims no stream of them.
    polled = {Channel.FUNDING, Channel.FUNDING_PAYMENTS}
    assert {f"stream:{channel}" for channel in set(Channel) - polled} <= set(found)
    after = local.control.read_account(local.accounts[0].account_id)
    assert after["orders"] == before["orders"] == []


async def test_a_key_of_another_account_is_named(local: LocalExtended, monkeypatch: pytest.MonkeyPatch):
    """The finding says which of the values doesn't fit, and shows none of them."""
    other = local.accounts[1]
    monkeypatch.setenv("EXTENDED_STARK_PRIVATE_KEY", other.private_key)
    found = await examine(local)
    failed = [each for each in found.values() if each.verdict is Verdict.FAILED]
    assert any("stark_private_key" in str(each) for each in failed)
    assert other.private_key not in str(failed)
