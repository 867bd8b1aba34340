"""``perpkit check extended`` against the local Extended: what works, and the keys that don't."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest

from perpkit.adapters.extended.credentials import VARIABLES
from perpkit.cli.checkup import Checkup
from perpkit.cli.findings import Finding, Verdict
from perpkit.cli.options import Target
from perpkit.core.clock import SystemClock
from perpkit.core.models import Channel
from perpkit.sim.clock import SimClock
from perpkit.sim.venues.extended import LocalExtended, Settings
from perpkit.sim.venues.extended.accounts import LocalAccount

WAIT = timedelta(seconds=10)


@pytest.fixture
async def local(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[LocalExtended]:
    """A local Extended in real time, with its first account's keys in the environment."""
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    settings = Settings(environment="testnet")
    async with LocalExtended(clock=SimClock.real_time(), liquidity=True, settings=settings) as venue:
        me = venue.accounts[0]
        monkeypatch.setenv("EXTENDED_API_KEY", me.api_key)
        monkeypatch.setenv("EXTENDED_STARK_PRIVATE_KEY", me.private_key)
        monkeypatch.setenv("EXTENDED_VAULT", str(me.vault))
        yield venue


async def examine(local: LocalExtended, environment: str = "local") -> dict[str, Finding]:
    """Run the examination."""
    target = Target("extended", environment, local.url, local.ws_url)
    checkup = Checkup(target, SystemClock(), stream_wait=WAIT)
    return {found.check: found async for found in checkup.run()}


def failed(found: dict[str, Finding]) -> list[str]:
    """Return the checks that failed."""
    return [check for check, finding in found.items() if finding.verdict is Verdict.FAILED]


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


async def test_an_api_key_alone_is_enough_to_read(local: LocalExtended, monkeypatch: pytest.MonkeyPatch):
    """Blanks around it, which come from copying, are taken off; the account's stream is live as well."""
    for variable in ("EXTENDED_STARK_PRIVATE_KEY", "EXTENDED_VAULT"):
        monkeypatch.delenv(variable)
    monkeypatch.setenv("EXTENDED_API_KEY", f" {local.accounts[0].api_key}\n")
    found = await examine(local)
    assert failed(found) == []
    assert found["stream:orders"].verdict is Verdict.OK


STRANGE = "0x0" + "5a" * 31

WRONG: dict[str, tuple[str, Callable[[LocalAccount, LocalAccount], str], str]] = {
    "an API key that the venue does not know": ("api_key", lambda me, other: "f" * 32, "refuses the API key"),
    "a wrapped API key": ("api_key", lambda me, other: "SecretStr('**********')", "refuses the API key"),
    "the API key of another sub-account": ("api_key", lambda me, other: other.api_key, "stark_private_key is not that"),
    "an API key of two words": ("api_key", lambda me, other: "two words", "characters that no key has"),
    "a Stark key of another sub-account": ("stark_private_key", lambda me, other: other.private_key, "is not that"),
    "a Stark key of nobody": ("stark_private_key", lambda me, other: STRANGE, "stark_private_key is not that"),
    "an Ethereum key for the Stark key": ("stark_private_key", lambda me, other: "0x" + "ab" * 32, "Ethereum key"),
    "a Stark key without 0x": ("stark_private_key", lambda me, other: "not a number", "not a hexadecimal number"),
    "another public key": ("stark_public_key", lambda me, other: other.public_key, "does not belong to"),
    "the vault of another sub-account": ("vault", lambda me, other: str(other.vault), "is not that account's"),
    "the account's number for the vault": ("vault", lambda me, other: me.account_id, "is not that account's"),
    "an address for the vault": ("vault", lambda me, other: me.public_key, "not an address"),
}


@pytest.mark.parametrize("wrong", list(WRONG))
async def test_each_wrong_credential_is_one_finding_that_names_it(
    local: LocalExtended, monkeypatch: pytest.MonkeyPatch, wrong: str
):
    """Not ten failures of one cause; the words say which value does not fit, and show none of the keys."""
    field, value, words = WRONG[wrong]
    me, other = local.accounts
    monkeypatch.setenv(VARIABLES[field], value(me, other))
    found = await examine(local)
    assert failed(found) == ["credentials"]
    assert words in found["credentials"].detail
    told = " ".join(f"{each.detail} {each.remedy}" for each in found.values())
    assert not [key for key in (me.api_key, other.api_key, me.private_key, other.private_key) if key[4:] in told]


async def test_another_environments_keys_are_found_at_once(local: LocalExtended):
    """The chain of the server is compared with that of the environment before anything is signed."""
    found = await examine(local, "mainnet")
    assert failed(found) == ["credentials"]
    assert "SN_MAIN" in found["credentials"].detail
    assert "SN_SEPOLIA" in found["credentials"].detail
