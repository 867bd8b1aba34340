"""The bank of broken plugins: what it covers, how it judges, and a sample of it; ``make bank`` runs all of it."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import pytest
from perpkit_conformance.rulebook import CHECKS, CHECKS_LEFT_OUT
from perpkit_conformance.rules import rules

from perpkit.adapters.paradex.venue import ParadexVenue
from perpkit.core.hookspecs import hookimpl
from tests.conformance.bank.probe import Failure, Result
from tests.conformance.bank.registry import Bug, bugs, rules_with_tests, the_good
from tests.conformance.bank.run import ROOT, TABLE, keep, kept, shown
from tests.conformance.bank.seams import digest, seams_of
from tests.conformance.bank.verdict import Verdict, row

MISTAKES = {f"M{number}" for number in (*range(1, 19), 20)}
"""The founding mistakes that a plugin can make; M19, M21 and M22 are about the machine and the tools."""

HOLES = (Path(__file__).parent / "holes.md").read_text("utf-8")

SAMPLE = ("MostLeverageShown", "LevelsNeverLeave", "MisspeltHook", "HundredFills")


def _holes() -> set[str]:
    return set(re.findall(r"^- `([a-z-]+|[A-Z]{2}\d+)`: .", HOLES, re.MULTILINE))


def _killed(bug: Bug, *, also: str = "", kind: str = "AssertionError", but: str = "") -> Verdict:
    failed = {rule: Failure("test_a.py::test_b", kind, "") for rule in {*bug.must_fail, *also.split()} - {but}}
    return Verdict.of(bug, bug.must_fail, Result(failed=failed, finished=True))


# What it covers


def test_every_broken_plugin_names_rules_and_checks_that_exist():
    """And says what its bug is, in a sentence, and no rule twice."""
    for bug in bugs():
        assert bug.rules, bug.name
        assert bug.must_fail <= rules().keys(), (bug.name, bug.must_fail - rules().keys())
        assert not bug.rules & bug.knock_on, bug.name
        assert set(bug.checks) <= set(CHECKS), bug.name
        assert len(bug.what.split()) > 3, bug.name


def test_every_founding_mistake_is_made():
    """Each that a plugin can make, by at least one."""
    assert {mistake for bug in bugs() for mistake in bug.mistakes} == MISTAKES
    assert len(bugs()) >= 60


def test_every_rule_that_has_tests_kills_something_or_is_a_known_hole():
    """A rule that no broken plugin fails proves nothing."""
    killing = {rule for bug in bugs() for rule in bug.must_fail}
    assert sorted(rules_with_tests() - killing - _holes()) == []


def test_every_check_has_a_broken_plugin_or_is_a_known_hole():
    """By what the plugins say of themselves."""
    covered = {check for bug in bugs() for check in bug.checks}
    assert sorted(set(CHECKS) - CHECKS_LEFT_OUT.keys() - covered - _holes()) == []


def test_no_hole_is_closed_and_still_listed():
    """A hole that a plugin has filled is one no more."""
    covered = {check for bug in bugs() for check in bug.checks}
    killing = {rule for bug in bugs() for rule in bug.must_fail}
    assert sorted(_holes() & (covered | killing)) == []


def test_the_kill_table_is_of_this_bank():
    """Each plugin has its row, as it is written today, and was as it should be when it was run."""
    of_venues = [[the_good(venue), *(bug for bug in bugs() if bug.venue == venue)] for venue in shown()]
    expected = [f"{row(bug)} {'killed' if bug.rules else 'passed'} |" for each in of_venues for bug in each]
    lines = TABLE.read_text("utf-8").splitlines()
    came = [line for line in lines if line.startswith("| ") and not line.startswith("| plugin |")]
    otherwise = [line.split(" | ")[0].strip("| ") for line in {*came} ^ {*expected}]
    assert came == expected, (
        f"docs/kill-table.md is of another bank: {sorted(set(otherwise))}. Run those that have changed by "
        f'`make bank ARGS="NAME ..."`, then `make bank ARGS=--resume`: that runs what was never run and writes the page'
    )


# How it judges


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({}, "killed"),
        ({"but": "fills-add-up"}, "missed some"),
        ({"but": "fees-are-the-ledgers"}, "missed some"),
        ({"also": "hooks-register"}, "failed more"),
        ({"kind": "KeyError"}, "crashed"),
    ],
)
def test_only_exactly_its_rules_count_as_killed(changed, word):
    """One rule too few, one too many, or an error of Python itself is said as such."""
    rules, others = frozenset({"fees-are-the-ledgers"}), frozenset({"fills-add-up"})
    bug = Bug(name="A", venue="paradex", path="a:A", what="", rules=rules, knock_on=others)
    verdict = _killed(bug, **changed)
    assert (verdict.word, verdict.holds) == (word, word == "killed")


def test_a_run_without_a_result_is_no_kill():
    """Nor is one in which nothing failed."""
    bug = Bug(name="A", venue="paradex", path="a:A", what="", rules=frozenset({"fills-add-up"}))
    assert Verdict.of(bug, bug.must_fail, "ended with -9").word == "no result"
    assert Verdict.of(bug, bug.must_fail, Result(finished=True)).word == "survived"


def test_what_was_kept_is_of_the_code_that_was_run(tmp_path):
    """A plugin that has changed since has no result."""
    bug = Bug(name="A", venue="paradex", path="a:A", what="", rules=frozenset({"fills-add-up"}), digest="1")
    keep(tmp_path, bug, bug.must_fail, Result(finished=True))
    assert kept(tmp_path, bug) == Verdict.of(bug, bug.must_fail, Result(finished=True))
    assert kept(tmp_path, replace(bug, digest="2")) is None
    assert kept(tmp_path, replace(bug, name="B")) is None


@pytest.mark.parametrize("kind", [lambda code: code, staticmethod, classmethod, property, cached_property])
def test_a_digest_is_of_the_code_to_the_last_number(kind):
    """Of functions in functions too; and where in a file it stands is nothing to it."""

    def of(code):
        return digest(type("Cut", (ParadexVenue,), {"cut": kind(code)}), ParadexVenue)

    assert of(lambda rows: [each for each in rows if each > 1]) == of(lambda rows: [each for each in rows if each > 1])
    assert of(lambda rows: [each for each in rows if each > 1]) != of(lambda rows: [each for each in rows if each > 2])
    assert of(lambda rows: [each for each in rows if each > 1]) != of(lambda rows: [each for each in rows if each < 1])


def test_no_two_broken_plugins_have_one_digest():
    """Results and shadows are known by it."""
    digests = [bug.digest for bug in bugs()]
    assert len(set(digests)) == len(digests)


class _OneHook(ParadexVenue):
    note = "harmless"

    @hookimpl
    async def fetch_positions(self):
        return self.more(await super().fetch_positions())

    def more(self, positions):
        return positions


class _OneMore(_OneHook):
    @hookimpl
    def describe_venue(self):
        return super().describe_venue()


class _MadeOtherwise(_OneHook):
    def __init__(self, context):
        super().__init__(context)


class _OtherArgument(ParadexVenue):
    @hookimpl
    async def fetch_positions(self, wallet):
        return await super().fetch_positions()


class _FurtherHook(ParadexVenue):
    @hookimpl
    async def fetch_moods(self):
        return await super().fetch_positions()


class _HookTakenAway(ParadexVenue):
    fetch_positions = None


@pytest.mark.parametrize(
    ("plugin", "seams"),
    [
        (ParadexVenue, set()),
        (_OneHook, {"fetch_positions"}),
        (_OneMore, {"fetch_positions", "describe_venue"}),
        (_MadeOtherwise, None),
        (_OtherArgument, None),
        (_FurtherHook, None),
        (_HookTakenAway, None),
    ],
)
def test_what_a_plugin_has_otherwise_is_known_or_said_to_be_unknown(plugin, seams):
    """Tests are left out by it: where it can't be told, every test is run."""
    assert seams_of(plugin, ParadexVenue) == seams


@pytest.mark.timeout(300)
def test_a_sample_is_killed_by_exactly_its_rules(tmp_path):
    """One of each of several kinds, run as `make bank` runs them."""
    command = [sys.executable, "-m", "tests.conformance.bank.run", "--files", "--folder", str(tmp_path), *SAMPLE]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(SAMPLE)} of {len(SAMPLE)} broken plugins fail exactly" in done.stdout
