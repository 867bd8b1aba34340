"""``perpkit check paradex`` against the local Paradex: what works, and what the post-mortems were about."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from perpkit.cli.checkup import Checkup
from perpkit.cli.findings import Finding, Verdict
from perpkit.cli.options import Target
from perpkit.core.clock import SystemClock
from perpkit.core.models import Channel
from perpkit.sim.clock import SimClock
from perpkit.sim.markets import SystemStatus
from perpkit.sim.venues.paradex.server import LocalParadex

WAIT = timedelta(seconds=10)


@pytest.fixture
async def local(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LocalParadex]:
    """A local Paradex in real time, with its first account's key in the environment."""
    for name in ("PARADEX_SUBKEY", "PARADEX_READONLY_TOKEN", "PARADEX_CREDENTIALS_FILE"):
        monkeypatch.delenv(name, raising=False)
    async with LocalParadex(clock=SimClock.real_time(), liquidity=True) as venue:
        monkeypatch.setenv("PARADEX_ACCOUNT", venue.accounts[0].address)
        monkeypatch.setenv("PARADEX_PRIVATE_KEY", venue.accounts[0].private_key)
        yield venue


async def examine(local: LocalParadex, **settings: Any) -> dict[str, Finding]:
    """Run the examination."""
    target = Target("paradex", settings.pop("environment", "local"), local.url, local.ws_url)
    checkup = Checkup(target, SystemClock(), stream_wait=settings.pop("stream_wait", WAIT), **settings)
    return {found.check: found async for found in checkup.run()}


def failed(found: dict[str, Finding]) -> list[str]:
    """Return the checks that failed."""
    return [check for check, finding in found.items() if finding.verdict is Verdict.FAILED]


async def test_every_endpoint_and_every_channel_works(local: LocalParadex):
    """With a good key nothing fails and nothing is skipped; each channel of the interface is live."""
    found = await examine(local)
    assert {each.check: each for each in found.values() if each.verdict not in {Verdict.OK, Verdict.NOT_TRIED}} == {}
    assert {f"stream:{channel}" for channel in Channel} <= set(found)


async def test_the_account_is_left_as_it_was(local: LocalParadex):
    """No order was placed, nothing was changed: the exchange's own books say so."""
    address = local.accounts[0].address
    before = local.control.read_account(address)
    await examine(local)
    after = local.control.read_account(address)
    assert after["orders"] == before["orders"] == []
    assert after["ledger"] == before["ledger"]


async def test_a_readonly_token_is_enough(local: LocalParadex, monkeypatch: pytest.MonkeyPatch):
    """It reads everything, streams included."""
    monkeypatch.delenv("PARADEX_PRIVATE_KEY")
    monkeypatch.setenv("PARADEX_READONLY_TOKEN", local.accounts[0].readonly_token)
    assert failed(await examine(local)) == []


async def test_a_key_of_another_account_is_found_at_once(local: LocalParadex, monkeypatch: pytest.MonkeyPatch):
    """Hours were lost on correct code with a wrong key: it is one finding that says what to do, without the key."""
    wrong = local.accounts[1].private_key
    monkeypatch.setenv("PARADEX_PRIVATE_KEY", wrong)
    found = await examine(local)
    assert failed(found) == ["credentials"]
    assert "environment" in (found["credentials"].remedy or "")
    assert all(wrong.removeprefix("0x") not in f"{each.detail}{each.remedy}" for each in found.values())


async def test_a_key_for_another_environment_is_found_at_once(local: LocalParadex):
    """The chain of the server is compared with that of the environment before anything is signed."""
    found = await examine(local, environment="mainnet")
    assert failed(found) == ["credentials"]
    assert "MAINNET" in found["credentials"].detail


async def test_a_key_file_that_others_can_read_is_refused_with_the_command(
    local: LocalParadex, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    """chmod 600 is what it says, and then it works."""
    account = local.accounts[0]
    monkeypatch.delenv("PARADEX_PRIVATE_KEY")
    monkeypatch.delenv("PARADEX_ACCOUNT")
    path = tmp_path / "paradex.env"
    path.write_text(f"PARADEX_PRIVATE_KEY={account.private_key}\nPARADEX_ACCOUNT={account.address}\n", encoding="utf-8")
    path.chmod(0o644)
    monkeypatch.setenv("PARADEX_CREDENTIALS_FILE", str(path))
    found = await examine(local)
    assert failed(found) == ["credentials"]
    assert f"chmod 600 {path}" in found["credentials"].detail
    path.chmod(0o600)
    assert failed(await examine(local)) == []


async def test_a_clock_off_by_a_minute_is_found(local: LocalParadex):
    """The venue's clock runs a minute ahead: the clock fails, with the command that sets it."""
    local.clock.advance(timedelta(minutes=1))
    found = await examine(local)
    assert found["clock"].verdict is Verdict.FAILED
    assert "behind the venue's" in found["clock"].detail
    assert "set-ntp" in (found["clock"].remedy or "")


async def test_one_missing_channel_is_named(local: LocalParadex):
    """The other channels work."""
    local.control.inject("missing_channel", target="rpc", match="subscribe fills.*", times=None)
    found = await examine(local, stream_wait=timedelta(seconds=3))
    assert found["stream:fills"].verdict in {Verdict.FAILED, Verdict.WARNING}
    assert found["stream:orders"].verdict is Verdict.OK


async def test_one_broken_endpoint_is_named(local: LocalParadex):
    """A page of HTML in place of the positions: that endpoint alone fails."""
    local.control.inject("html", match="GET /v1/positions", times=None)
    found = await examine(local)
    assert "endpoint:fetch_positions" in failed(found)
    assert found["endpoint:fetch_balances"].verdict is Verdict.OK
    assert "something before the venue answered" in (found["endpoint:fetch_positions"].remedy or "")


async def test_maintenance_is_told(local: LocalParadex):
    """With the venue's own state, and as a warning."""
    local.control.set_system_status(SystemStatus.CANCEL_ONLY)
    found = await examine(local)
    assert found["venue"].verdict is Verdict.WARNING
    assert "cancel_only" in found["venue"].detail
