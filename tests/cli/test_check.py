"""``perpkit check``: what works is said to work, and each failure is found, named and given a way out."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from perpkit.cli.checkup import Checkup, Private
from perpkit.cli.findings import Finding, Verdict
from perpkit.cli.options import Target
from perpkit.cli.probes import CHANGING_HOOKS
from perpkit.core.clock import SystemClock
from perpkit.core.hookspecs import OrdersSpec
from tests.cli.conftest import Run, install_toy
from tests.cli.stream_server import stream_server
from tests.cli.toy import ToyVenue


def verdicts(output: str) -> dict[str, str]:
    """Return each check's verdict from JSON output."""
    return {each["check"]: each["verdict"] for each in json.loads(output)["findings"]}


def finding(output: str, check: str) -> dict[str, str]:
    """Return one finding from JSON output."""
    [found] = [each for each in json.loads(output)["findings"] if each["check"] == check]
    return found


def test_all_is_well_with_a_good_key(run: Run):
    """Every read is tried and works; exit code 0."""
    result = run("check", "toy", "--json", TOY_KEY="good-key")
    assert result.exit_code == 0
    found = verdicts(result.stdout)
    assert {check: verdict for check, verdict in found.items() if verdict not in {"ok", "not_tried"}} == {}
    assert {"plugin", "venue", "clock", "credentials", "endpoint:fetch_markets", "endpoint:fetch_order"} <= set(found)


def test_it_places_changes_and_cancels_nothing(run: Run):
    """The toy fails the test when an order hook is called; they are listed as not tried."""
    result = run("check", "toy", "--json", TOY_KEY="good-key")
    assert finding(result.stdout, "endpoint:place_order")["verdict"] == "not_tried"
    assert finding(result.stdout, "endpoint:cancel_order")["verdict"] == "not_tried"
    assert not set(ToyVenue.calls) & CHANGING_HOOKS


def test_every_hook_that_commands_is_known_to_change_something():
    """A new order hook that is no read must not slip into the reads."""
    commands = {name for name in vars(OrdersSpec) if name[0] != "_" and not name.startswith("fetch_")}
    assert commands <= CHANGING_HOOKS


def test_without_credentials_the_public_part_is_checked(run: Run):
    """That is no failure, and it is said plainly."""
    result = run("check", "toy", "--json")
    assert result.exit_code == 0
    assert finding(result.stdout, "credentials")["verdict"] == "skipped"
    assert "TOY_KEY" in finding(result.stdout, "credentials")["detail"]
    assert finding(result.stdout, "endpoint:fetch_account")["verdict"] == "skipped"
    assert finding(result.stdout, "endpoint:fetch_order_book")["verdict"] == "ok"


def test_private_makes_missing_credentials_a_failure(run: Run):
    """For scripts that need the account."""
    assert run("check", "toy", "--private").exit_code == 1


def test_public_tries_nothing_private(run: Run):
    """Even where a key is there."""
    result = run("check", "toy", "--public", "--json", TOY_KEY="good-key")
    assert result.exit_code == 0
    assert not {"fetch_account", "fetch_fills", "fetch_open_orders"} & set(ToyVenue.calls)


def test_a_refused_key_is_one_failure_and_not_ten(run: Run):
    """The key is tried once; what needs it is skipped with that reason; the way out is told."""
    result = run("check", "toy", "--json", TOY_KEY="good-key", TOY_FAULTS="fetch_account=auth")
    assert result.exit_code == 1
    found = finding(result.stdout, "credentials")
    assert found["verdict"] == "failed"
    assert found["detail"] == "invalid signature [TOY_401]"
    assert "refuses these credentials" in found["remedy"]
    assert [check for check, verdict in verdicts(result.stdout).items() if verdict == "failed"] == ["credentials"]
    assert finding(result.stdout, "endpoint:fetch_balances") | {"took_ms": 0} == {
        "check": "endpoint:fetch_balances",
        "verdict": "skipped",
        "detail": "the sign-in failed",
        "remedy": None,
        "error": None,
        "took_ms": 0,
    }


def test_a_credential_that_the_plugin_refuses_at_once_is_named(run: Run):
    """A key file open to others: the finding is about credentials and holds the command to run."""
    for moment in ("init", "start"):
        result = run("check", "toy", "--json", TOY_FAULTS=f"{moment}=credentials")
        assert result.exit_code == 1
        assert "chmod 600" in finding(result.stdout, "credentials")["detail"]


def test_a_credential_that_is_given_and_not_usable_is_a_failure(run: Run):
    """Only where nothing was given is there nothing to complain of."""
    result = run("check", "toy", "--json", TOY_KEY="good-key", TOY_FAULTS="fetch_account=credentials")
    assert result.exit_code == 1
    assert finding(result.stdout, "credentials")["verdict"] == "failed"


def test_another_chain_than_the_environments_is_one_failure(run: Run):
    """A setting that is only found wrong at the sign-in stops the private part once."""
    result = run("check", "toy", "--json", TOY_KEY="good-key", TOY_FAULTS="fetch_account=config")
    assert [check for check, verdict in verdicts(result.stdout).items() if verdict == "failed"] == ["credentials"]
    assert "another chain" in finding(result.stdout, "credentials")["detail"]


def test_no_secret_is_ever_shown(run: Run):
    """Not even when a plugin puts it into its error."""
    for arguments in (["check", "toy"], ["check", "toy", "--json"]):
        result = run(*arguments, TOY_KEY="leaky-secret-value")
        assert result.exit_code == 1
        assert "leaky-secret-value" not in result.output
        assert "BAD_KEY" in result.output


def test_one_broken_endpoint_does_not_stop_the_others(run: Run):
    """Each failure carries its own remedy."""
    faults = "fetch_ticker=html,fetch_order_book=timeout,fetch_funding_rates=decode,fetch_funding_history=bug"
    result = run("check", "toy", "--json", TOY_KEY="good-key", TOY_FAULTS=faults)
    assert result.exit_code == 1
    for hook, words in (
        ("fetch_ticker", "something before the venue answered"),
        ("fetch_order_book", "try again"),
        ("fetch_funding_rates", "update it"),
        ("fetch_funding_history", "a defect"),
    ):
        found = finding(result.stdout, f"endpoint:{hook}")
        assert found["verdict"] == "failed"
        assert words in found["remedy"], hook
    assert finding(result.stdout, "endpoint:fetch_positions")["verdict"] == "ok"


def test_no_connection_is_told_as_that(run: Run):
    """Without markets nothing that needs one is tried."""
    result = run("check", "toy", "--json", TOY_FAULTS="fetch_markets=connect,check_health=connect")
    assert result.exit_code == 1
    assert "check the network" in finding(result.stdout, "venue")["remedy"]
    assert finding(result.stdout, "endpoint:fetch_ticker")["verdict"] == "skipped"


@pytest.mark.parametrize(
    ("skew_ms", "verdict", "words"),
    [
        ("500", "ok", "500 ms behind"),
        ("1015", "ok", "1015 ms behind"),  # 20 ms of it may be the round trip's
        ("3000", "warning", "behind"),
        ("-3000", "warning", "3000 ms ahead of"),
        ("60000", "failed", "behind"),
        ("-60000", "failed", "ahead of"),
    ],
)
def test_the_clock_is_judged_with_what_the_round_trip_leaves_open(run: Run, skew_ms: str, verdict: str, words: str):
    """A second is fine, a few are worth a word, a minute is a failure with the command to run."""
    result = run("check", "toy", "--json", TOY_SKEW_MS=skew_ms)
    found = finding(result.stdout, "clock")
    assert found["verdict"] == verdict
    assert words in found["detail"]
    assert verdict == "ok" or "set-ntp" in found["remedy"]


def test_maintenance_is_told(run: Run):
    """Not a failure of this machine, and not silent either."""
    found = finding(run("check", "toy", "--json", TOY_STATUS="cancel_only").stdout, "venue")
    assert found["verdict"] == "warning"
    assert "cancel_only" in found["detail"]


def test_the_credentials_can_be_tested_alone(run: Run):
    """One private read tells, and no other endpoint is asked."""
    result = run("check", "toy", "--only", "credentials", "--json", TOY_KEY="good-key")
    assert set(verdicts(result.stdout)) == {"plugin", "endpoint:fetch_markets", "credentials"}
    assert not {"fetch_balances", "fetch_order_book", "check_health"} & set(ToyVenue.calls)


def test_a_market_can_be_chosen_and_a_wrong_one_is_found(run: Run):
    """The hint names the nearest."""
    found = finding(run("check", "toy", "--json", "-m", "ETX-USD-PERP").stdout, "market")
    assert found["verdict"] == "failed"
    assert "did you mean ETH-USD-PERP" in found["detail"]


def test_a_dotenv_that_others_can_read_is_pointed_out(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With the command that closes it; a closed one is not mentioned."""
    monkeypatch.chdir(tmp_path)
    dotenv = tmp_path / ".env"
    dotenv.write_text("TOY_KEY=x\n", encoding="utf-8")
    dotenv.chmod(0o644)
    found = finding(run("check", "toy", "--json").stdout, "secrets")
    assert found["verdict"] == "warning"
    assert found["remedy"] == "run: chmod 600 .env"
    dotenv.chmod(0o600)
    assert "secrets" not in verdicts(run("check", "toy", "--json").stdout)


def test_a_broken_plugin_is_one_finding(run: Run):
    """The examination ends there, with exit code 1."""
    result = run("check", "wreck", "--json")
    assert result.exit_code == 1
    assert verdicts(result.stdout) == {"plugin": "failed"}


def test_the_table_for_people_says_the_same(run: Run):
    """A mark, the check, what was seen, what to do; and a sum."""
    result = run("check", "toy", TOY_KEY="good-key", TOY_FAULTS="fetch_ticker=rate")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    [at] = [number for number, line in enumerate(lines) if line.startswith("FAIL endpoint:fetch_ticker")]
    assert lines[at + 1].strip().startswith("-> another program uses the same quota")
    assert "(the venue asks for 7 s)" in lines[at + 1]
    assert "failed: endpoint:fetch_ticker" in lines


async def examine(monkeypatch: pytest.MonkeyPatch, address: str, wait: timedelta) -> dict[str, Finding]:
    """Run the examination in this event loop."""
    install_toy(monkeypatch, TOY_WS=address, TOY_KEY="good-key")
    checkup = Checkup(Target("toy"), SystemClock(), Private.AUTO, stream_wait=wait)
    return {found.check: found async for found in checkup.run()}


async def test_streams_that_come_alive_are_ok(monkeypatch: pytest.MonkeyPatch):
    """Each channel of the capabilities is subscribed to and awaited."""
    async with stream_server() as address:
        found = await examine(monkeypatch, address, timedelta(seconds=10))
    assert found["stream:book"].verdict is Verdict.OK
    assert found["stream:orders"].verdict is Verdict.OK


async def test_a_refused_channel_is_found_and_the_other_works(monkeypatch: pytest.MonkeyPatch):
    """The venue's reason is told."""
    async with stream_server(orders="refused") as address:
        found = await examine(monkeypatch, address, timedelta(seconds=10))
    assert found["stream:book"].verdict is Verdict.OK
    assert found["stream:orders"].verdict is Verdict.FAILED
    assert "may not follow orders" in found["stream:orders"].detail
    assert found["stream:orders"].remedy


async def test_a_silent_channel_is_given_up_after_the_wait(monkeypatch: pytest.MonkeyPatch):
    """Not a hang: a failure that says how long was waited."""
    async with stream_server(book="silent") as address:
        found = await examine(monkeypatch, address, timedelta(milliseconds=300))
    assert found["stream:book"].verdict is Verdict.FAILED
    assert "in 0.3 s" in found["stream:book"].detail
    assert found["stream:orders"].verdict is Verdict.OK
