"""
The runner under hard use: stopped in the middle, a worker that dies, packages that can't be imported or started, and
runs that leave tests out. Whatever happens, the card says of no rule that it is met unless all of it ran.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from perpkit_conformance import __main__ as runner
from perpkit_conformance.outcomes import Outcome
from perpkit_conformance.report import Card, from_json

pytest_plugins = ["pytester"]

pytestmark = pytest.mark.timeout(180)

PLANTED = """
import asyncio, os, signal
from pathlib import Path
from urllib.parse import urlsplit
from perpkit.adapters.paradex.venue import ParadexVenue
from perpkit.core.hookspecs import hookimpl
from perpkit_conformance.profiles.paradex import ParadexProfile

HERE = Path(__file__).parent

class Stuck(ParadexVenue):
    @hookimpl
    async def fetch_positions(self):
        (HERE / f"port-{os.getpid()}").write_text(str(urlsplit(self._settings.rest_url).port), "utf-8")
        await asyncio.Event().wait()

class KilledOnce(ParadexVenue):
    @hookimpl
    async def fetch_positions(self):
        try:
            (HERE / "killed").touch(exist_ok=False)
        except FileExistsError:
            return await super().fetch_positions()
        os.kill(os.getpid(), signal.SIGKILL)

class Named(ParadexProfile):
    name = "stranger"

class NeverStarts(ParadexProfile):
    def local(self, **options):
        made = super().local(**options)
        async def start():
            raise RuntimeError("the port is taken")
        made.start = start
        return made

class NeverMade(ParadexProfile):
    def local(self, **options):
        raise RuntimeError("no image of the exchange")
"""

SIGNS = "position-sign-and-size"
OFFLINE = "no-float-in-code"


class Place:
    """A directory with planted modules, and what runs there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.card_file = path / "card.json"
        (path / "planted.py").write_text(PLANTED, "utf-8")

    @property
    def environ(self) -> dict[str, str]:
        return {**os.environ, "PYTHONPATH": str(self.path), "COLUMNS": "200"}

    def command(self, venue: str, *given: str) -> list[str]:
        return [sys.executable, "-m", "perpkit", "conformance", venue, "--json", str(self.card_file), *given]

    def run(self, venue: str, *given: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(venue, *given), check=False, capture_output=True, text=True, cwd=self.path, env=self.environ
        )

    def install(self, plugin: str) -> None:
        """Put a distribution there, by whose entry points a plugin and its profile are found."""
        info = self.path / "stranger-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger\nVersion: 1.0\n", "utf-8")
        points = f"[perpkit.venues]\nstranger = {plugin}\n[perpkit.profiles]\nstranger = planted:Named\n"
        (info / "entry_points.txt").write_text(points, "utf-8")

    @property
    def card(self) -> Card:
        return from_json(self.card_file.read_bytes())


@pytest.fixture
def place(tmp_path) -> Place:
    """A directory of its own."""
    return Place(tmp_path)


def until(condition, what: str, *, seconds: int = 60):
    """Wait for something another process does."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"waited {seconds} s, and it did not come: {what}")


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


# Stopped


@pytest.fixture
def interruptible():
    """What is begun here heeds ctrl-C, also where the tests run in a shell's background, which ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.usefixtures("interruptible")
@pytest.mark.parametrize(("how", "workers"), [("ctrl-C", "2"), ("ctrl-C", "0"), ("terminated", "2")])
def test_a_run_that_is_stopped_leaves_its_card_and_nobody_behind(place, how, workers):
    """130, the card of what had ended by then, no traceback; workers are gone, and their servers with them."""
    command = place.command(
        "paradex", "--plugin", "planted:Stuck", "--rule", OFFLINE, "--rule", SIGNS, "--workers", workers
    )
    with (place.path / "out.txt").open("w+", encoding="utf-8") as out:
        run = subprocess.Popen(
            command, stdout=out, stderr=subprocess.STDOUT, cwd=place.path, env=place.environ, start_new_session=True
        )
        try:
            ports = until(lambda: [*place.path.glob("port-*")], "a hook is called")
            if how == "ctrl-C":
                os.killpg(run.pid, signal.SIGINT)  # as a terminal does: the whole group
            else:
                run.terminate()
            assert run.wait(60) == 130
        finally:
            run.kill()
            run.wait()
        out.seek(0)
        said = out.read()
    assert "Traceback" not in said
    assert "stopped before its end" in said
    for each in ports:
        port = int(each.read_text("utf-8"))
        until(lambda port=port: not listens(port), f"the server at {port} ends")
    card = place.card
    assert card.interrupted
    assert card.tier is None
    assert card.result(SIGNS).outcome is Outcome.NOT_RUN


def test_a_worker_that_dies_fails_the_rule_it_was_at(place):
    """As when the system takes its memory: the other tests go on elsewhere, and the rule is not met for it."""
    ran = place.run("paradex", "--plugin", "planted:KilledOnce", "--rule", SIGNS, "--rule", OFFLINE, "--workers", "2")
    assert ran.returncode == 1, ran.stdout
    result = place.card.result(SIGNS)
    assert result.outcome is Outcome.FAILED
    assert "crashed while running" in result.message
    assert result.passed == result.tests - 1 > 0
    assert place.card.result(OFFLINE).outcome is Outcome.PASSED


def test_tests_that_are_left_out_take_the_rule_with_them(place):
    """Whatever a selection of pytest's own leaves of a rule, the rule counts as not run."""
    ran = place.run("paradex", "--rule", SIGNS, "--workers", "0")
    assert (ran.returncode, place.card.result(SIGNS).outcome) == (0, Outcome.PASSED), ran.stdout
    command = [sys.executable, "-m", "perpkit_conformance", *place.command("paradex", "--rule", SIGNS)[4:]]
    done = subprocess.run(
        [*command, "--workers", "0", "-k", "buy"], check=False, capture_output=True, text=True, env=place.environ
    )
    assert done.returncode == 0, done.stdout
    result = place.card.result(SIGNS)
    assert result.outcome is Outcome.NOT_RUN
    assert result.message == f"{result.passed} of {result.tests} tests ran"
    assert 0 < result.passed < result.tests


# What can't be run


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import nowhere_at_all", "ModuleNotFoundError"),
        ("raise SystemExit('no licence')", "SystemExit"),
    ],
)
def test_a_package_that_cannot_be_imported_fails_once_for_each_kind_of_proof(place, code, error):
    """Importing it fails, and registering it; nothing else that could not be tried is called a failure."""
    (place.path / "broken_package.py").write_text(code, "utf-8")
    place.install("broken_package:Plugin")
    rules = ("imports-clean", "hooks-register", OFFLINE, "no-placeholders", SIGNS)
    ran = place.run("stranger", *(each for rule in rules for each in ("--rule", rule)), "--workers", "0")
    assert ran.returncode == 1
    outcomes = {rule: place.card.result(rule).outcome for rule in rules}
    assert outcomes == dict(zip(rules, [Outcome.FAILED] * 2 + [Outcome.NOT_RUN] * 3, strict=True))
    assert error in place.card.result("imports-clean").message
    assert "see the rule imports-clean" in place.card.result(OFFLINE).message
    assert "see the rule hooks-register" in place.card.result(SIGNS).message
    assert "INTERNALERROR" not in ran.stdout


@pytest.mark.parametrize(
    ("profile", "blamed", "reason"),
    [
        ("NeverStarts", "opens-and-closes", "the local exchange does not start: RuntimeError: the port is taken"),
        ("NeverMade", "hooks-register", "the profile makes no local exchange: RuntimeError: no image of the exchange"),
    ],
)
def test_an_exchange_that_does_not_start_is_one_failure(place, profile, blamed, reason):
    """One rule fails with the reason; of the others it is said that they did not run, and a run of them alone fails."""
    alone = place.run(f"planted:{profile}", "--rule", SIGNS, "--workers", "0")
    assert alone.returncode == 1, "nothing ran, and the run was called good"
    assert reason in place.card.result(SIGNS).message
    assert f"see the rule {blamed}" in place.card.result(SIGNS).message
    assert place.card.tests == {"not run": place.card.result(SIGNS).tests}
    both = place.run(f"planted:{profile}", "--rule", SIGNS, "--rule", blamed, "--workers", "0")
    assert both.returncode == 1
    assert place.card.result(blamed).outcome is Outcome.FAILED
    assert reason.rpartition(": ")[2] in place.card.result(blamed).message
    assert place.card.result(SIGNS).outcome is Outcome.NOT_RUN


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("--tier", "bronze", "--rule", "fills-add-up"), "it is silver, which --tier bronze leaves out"),
        (("--json", "nowhere/card.json"), "the card can't be written to"),
        (("--markdown", "."), "the card can't be written to"),
        (("--plugin", "leaves:Plugin"), "leaves:Plugin: SystemExit: no licence"),
    ],
)
def test_what_was_asked_for_wrongly_is_said_in_one_line_before_anything_runs(place, given, message):
    """2, and one line."""
    (place.path / "leaves.py").write_text("raise SystemExit('no licence')", "utf-8")
    ran = place.run("paradex", *given)
    assert ran.returncode == 2
    told = [line for line in (ran.stdout + ran.stderr).splitlines() if line.strip()]
    assert len(told) == 1
    assert message in told[0]
    assert not place.card_file.exists()


def test_a_card_that_could_be_written_to_is_not_touched_before(place):
    """Looking whether it can be written leaves an old card whole until there is a new one, and makes no empty file."""
    place.card_file.write_text("old", "utf-8")
    ran = place.run("paradex", "--rule", OFFLINE, "--workers", "0", "--markdown", str(place.path / "no" / "card.md"))
    assert ran.returncode == 2
    assert place.card_file.read_text("utf-8") == "old"
    assert sorted(path.name for path in place.path.iterdir() if path.name.startswith("card")) == ["card.json"]


@pytest.mark.parametrize(
    ("pytests", "ours"),
    [(0, 0), (1, 1), (2, 1), (3, 1), (4, 2), (5, 2)],
)
def test_the_exit_code_means_what_it_means_everywhere(monkeypatch, pytests, ours):
    """0 done, 1 something failed or broke off, 2 asked for wrongly, whatever pytest calls it; 130 only for a person."""
    monkeypatch.setattr(sys, "argv", ["perpkit_conformance", "paradex"])
    monkeypatch.setattr(runner.signal, "signal", lambda *_: None)
    monkeypatch.setattr(runner.pytest, "main", lambda *_, **__: pytests)
    assert runner.main() == ours


# Inside somebody's own run of pytest


def test_it_runs_inside_any_project(pytester):
    """With that project's own settings, strict ones as well, and a card at the end."""
    pytester.makeini(
        "[pytest]\naddopts = --strict-markers --strict-config\nasyncio_mode = strict\n"
        "asyncio_default_fixture_loop_scope = function\nfilterwarnings = error\n"
    )
    result = pytester.runpytest_subprocess(
        "--pyargs", "perpkit_conformance", "--venue", "paradex", "--rule", SIGNS, "--rule", OFFLINE
    )
    assert result.ret == 0
    result.stdout.fnmatch_lines(["Paradex: no tier (2 of 139 rules met, of the rules that were asked for; *"])


def test_without_a_venue_it_says_how_to_name_one_and_is_no_success(pytester):
    """Every test is skipped for it; a run that proved nothing is not called good."""
    result = pytester.runpytest_subprocess("--pyargs", "perpkit_conformance", "--rule", OFFLINE)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*no venue to test: give --venue NAME, or a fixture venue_profile"])
