"""The suite as authors run it: what a broken plugin is told, what a waiver does, and what is refused before a run."""

from __future__ import annotations

from datetime import timedelta

import pytest
from perpkit_conformance.__main__ import HERE, arguments
from perpkit_conformance.outcomes import Outcome
from perpkit_conformance.report import from_json

from perpkit.core.clock import SystemClock

pytest_plugins = ["pytester"]

BROKEN = """
from perpkit.adapters.paradex.venue import ParadexVenue
from perpkit.core.hookspecs import hookimpl
from perpkit.core.errors import PluginError

class Empty(ParadexVenue):
    @hookimpl
    async def fetch_positions(self):
        return []

class Unmade(ParadexVenue):
    def __init__(self, context):
        raise PluginError("no way to make this")
"""

PROFILE = """
from datetime import date, timedelta
from perpkit_conformance.profile import Waiver
from perpkit_conformance.profiles.paradex import ParadexProfile
from planted import Empty

class Waived(ParadexProfile):
    plugin = Empty
    package = "planted"
    waivers = (
        Waiver(rule={rule!r}, reason="being repaired this week", since=date({since}), until=date({until})),
    )
"""


@pytest.fixture
def run(pytester, monkeypatch):
    """Run the suite in a process of its own on a planted plugin, and return pytest's result and the card."""
    pytester.makepyfile(planted=BROKEN)
    monkeypatch.setenv("PYTHONPATH", str(pytester.path))

    def invoke(*given: str, venue: str = "paradex"):
        card = pytester.path / "card.json"
        options = arguments([venue, "--workers", "0", "--json", str(card), *given])
        result = pytester.runpytest_subprocess(*options)
        return result, from_json(card.read_bytes()) if card.exists() else None

    return invoke


def test_a_broken_plugin_is_told_rule_reason_and_page(run):
    """M2: the constant answer fails its rule, in words, and everything else stays as good as it was."""
    result, card = run("--plugin", "planted:Empty", "--rule", "no-placeholders")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "*planted:*: fetch_positions() returns [[]] whatever the venue says",
            "no-placeholders (bronze, static): *",
            "read: docs/rules/no-placeholders.md",
            "the same run again: --rule no-placeholders --venue-seed 20261121",
        ]
    )
    assert card.result("no-placeholders").outcome is Outcome.FAILED
    assert card.plugin == "planted:Empty"
    failed = {each.claim for each in card.claims if each.failed}
    assert failed == {"fetch_positions"}


def test_a_plugin_that_cannot_be_made_fails_one_rule_and_the_rest_do_not_run(run):
    """One defect is one failure: what could not run says so and is not met, but it is no failure of its own."""
    result, card = run("--plugin", "planted:Unmade", "--rule", "hooks-register", "--rule", "answers-have-their-type")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert card.result("hooks-register").outcome is Outcome.FAILED
    blocked = card.result("answers-have-their-type")
    assert blocked.outcome is Outcome.NOT_RUN
    assert "no way to make this; see the rule hooks-register" in blocked.message


def plant(pytester, rule: str, *, days: int) -> None:
    today = SystemClock().now().date()
    since, until = today - timedelta(days=10), today + timedelta(days=days)
    pytester.makepyfile(waived=PROFILE.format(rule=rule, since=f"{since:%Y, %-m, %-d}", until=f"{until:%Y, %-m, %-d}"))


def test_a_waiver_excuses_a_failure_until_its_date(run, pytester):
    """The waived rule is exempt with its reason, and the run is no failure."""
    plant(pytester, "no-placeholders", days=5)
    result, card = run("--rule", "no-placeholders", venue="waived:Waived")
    assert result.ret == pytest.ExitCode.OK
    assert card.result("no-placeholders").outcome is Outcome.EXEMPT
    assert "being repaired this week" in card.result("no-placeholders").message


def test_a_waiver_past_its_date_excuses_nothing(run, pytester):
    """On the day after, the rule fails again, and the waiver with it."""
    plant(pytester, "no-placeholders", days=-1)
    result, card = run("--rule", "no-placeholders", venue="waived:Waived")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert card.result("no-placeholders").outcome is Outcome.FAILED
    assert "ended on" in card.stale_waivers[0]


def test_a_waiver_that_nothing_needs_fails_the_run(run, pytester):
    """A rule that holds without its waiver: the tests pass, the run does not."""
    plant(pytester, "no-float-in-code", days=5)
    result, card = run("--rule", "no-float-in-code", venue="waived:Waived")
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert "is stale" in card.stale_waivers[0]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("paradex", "--rule", "no-placeholder"), "there is no rule 'no-placeholder'; did you mean no-placeholders"),
        (("paradex", "--rule", "no-placeholder", "--workers", "2"), "there is no rule 'no-placeholder'"),
        (("nowhere",), "no conformance profile for 'nowhere' is installed"),
        (("paradex", "--plugin", "planted:Missing"), "planted:Missing: AttributeError"),
    ],
)
def test_what_cannot_be_run_is_told_once(run, given, message):
    """A wrong name ends the run before it begins, in one line."""
    venue, *rest = given
    result, card = run(*rest, venue=venue)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert len([line for line in (*result.errlines, *result.outlines) if message in line]) == 1
    assert card is None


def test_a_tier_takes_those_beneath_it_along(run, pytester):
    """Collecting silver collects bronze and silver, and nothing of gold."""
    result, _ = run("--tier", "silver", "--collect-only")
    collected = {line.partition("::")[0].rpartition("/")[2] for line in result.outlines if "::" in line}
    assert "test_plugin.py" in collected
    assert not any("test_every_frame_is_one_of_the_contract" in line for line in result.outlines)


def test_a_test_that_names_no_rule_is_refused(pytester):
    """A typo in a mark would leave a test that proves nothing."""
    pytester.makepyfile("import pytest\n@pytest.mark.rule('fills-twice')\ndef test_it():\n    pass\n")
    result = pytester.runpytest_subprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert any("there is no rule 'fills-twice'" in line for line in result.errlines)


def test_other_peoples_runs_are_left_alone(pytester):
    """Without a venue the plugin adds nothing: no card, no import of perpkit, the test's own outcome."""
    pytester.makepyfile(
        "import sys\ndef test_it():\n    assert not [m for m in sys.modules if m.partition('.')[0] == 'perpkit']\n"
    )
    result = pytester.runpytest_subprocess()
    result.assert_outcomes(passed=1)
    assert not any("conformance of" in line for line in result.outlines)


def test_the_suite_takes_its_own_configuration():
    """Whatever directory it is started in, its own settings hold; one rule needs no workers."""
    command = arguments(["paradex", "--rule", "fills-add-up", "--tier", "gold", "--seed", "7"])
    assert command[:4] == ["-c", str(HERE / "suite.ini"), "--rootdir", str(HERE)]
    assert "-n" not in command
    assert [each for each in command if each in {"--tier", "gold", "--venue-seed", "7"}] == [
        "--tier",
        "gold",
        "--venue-seed",
        "7",
    ]
