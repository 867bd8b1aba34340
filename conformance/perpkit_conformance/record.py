"""
Listens to a run and keeps a row for each test of a rule; at its end it writes the card. It judges nothing itself.

It lives in the process that the user started; with pytest-xdist the rows come from the workers in their reports.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perpkit_conformance.outcomes import CLAIMS, GAP, NEEDS, PLAN, REASON, RULE, SEED, VENUE, WAIVED, Outcome

if TYPE_CHECKING:
    from perpkit_conformance.report import Card


_FAREWELL = 1
"""Seconds that workers have to end in, once somebody stopped the run."""


@dataclass(slots=True)
class Row:
    """
    One test of one rule.

    Attributes:
        waived: Whose gap it is, until when and why; empty where no waiver applies.
        message: The first line of a failure, or the reason of a gap.
    """

    test: str
    rule: str
    outcome: Outcome
    seconds: float = 0.0
    needs: list[str] = field(default_factory=list)
    waived: str = ""
    message: str = ""


@dataclass
class Run:
    """
    Everything that a run left behind.

    Attributes:
        planned: The rule of each test that was to run.
        crashed: Tests whose process ended under them, with what was said of it.
        interrupted: Somebody stopped it.
    """

    rows: dict[str, Row] = field(default_factory=dict)
    planned: dict[str, str] = field(default_factory=dict)
    crashed: dict[str, str] = field(default_factory=dict)
    venue: dict[str, Any] = field(default_factory=dict)
    claims: list[str] = field(default_factory=list)
    seed: int | None = None
    only_part: bool = False
    interrupted: bool = False

    def add(self, report: pytest.TestReport) -> None:
        """Take in a report of setup, call or teardown."""
        told: dict[str, Any] = dict(report.user_properties)
        if VENUE in told:
            self.venue, self.claims, self.seed = dict(told[VENUE]), list(told[CLAIMS]), told[SEED]
        self.planned.update(told.get(PLAN, {}))
        if RULE not in told:
            if report.failed:
                # Of a process that died there is only the runner's word, which knows no rules.
                self.crashed[report.nodeid] = _first_line(report)
            return
        row = self.rows.setdefault(report.nodeid, Row(report.nodeid, told[RULE], Outcome.NOT_RUN))
        needs = [claim for name, claims in report.user_properties if name == NEEDS for claim in _texts(claims)]
        row.needs = list(dict.fromkeys([*row.needs, *needs]))
        row.seconds += report.duration
        row.waived = told.get(WAIVED, row.waived)
        outcome = _outcome(report, told)
        if outcome is not None:
            row.outcome = outcome
            row.message = told.get(REASON, "") or _first_line(report)

    def close(self) -> None:
        """Make a row of every test that was to run and told nothing: its process died, or it did not run."""
        for test, rule in self.planned.items():
            if test in self.crashed:
                self.rows[test] = Row(test, rule, Outcome.FAILED, message=self.crashed[test])
            elif test not in self.rows:
                self.rows[test] = Row(test, rule, Outcome.NOT_RUN)


def _texts(value: object) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list | tuple) else []


def _outcome(report: pytest.TestReport, told: dict[str, Any]) -> Outcome | None:
    """Return what a report says of its test, or nothing: a passed setup and teardown change nothing."""
    if report.failed:
        return Outcome.FAILED
    if report.skipped:
        if hasattr(report, "wasxfail"):
            return Outcome.EXEMPT
        return Outcome(told.get(GAP, Outcome.NOT_RUN.value))
    return Outcome.PASSED if report.when == "call" else None


def _first_line(report: pytest.TestReport) -> str:
    if report.passed:
        return ""
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is not None:
        return str(crash.message).strip().splitlines()[0][:500] if str(crash.message).strip() else "failed"
    text = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return text.strip().splitlines()[-1][:500] if text.strip() else ""


class Recorder:
    """The pytest plugin that keeps the run and writes the card."""

    def __init__(self, config: pytest.Config) -> None:
        self.run = Run(only_part=bool(config.getoption("rule") or config.getoption("tier")))
        self._config = config
        self._card: Card | None = None
        self._unwritten: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in a report."""
        self.run.add(report)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Note that somebody stopped the run, and let its workers end at once instead of running out their queues."""
        # The runner's own ways to stop are subclasses.
        self.run.interrupted = excinfo.type is KeyboardInterrupt
        workers = getattr(self._config.pluginmanager.getplugin("dsession"), "nodemanager", None)
        if workers is not None:
            workers.EXIT_TIMEOUT = _FAREWELL

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """
        Make the card. What no single test can see fails the run: a stale waiver, nothing that ran, a card that can't be
        written.
        """
        venue = self._config.getoption("venue")
        if self._config.option.collectonly or not (self.run.rows or venue):
            return
        self.run.close()
        self.run.venue = self.run.venue or {"name": venue, "title": venue}
        from perpkit.core.clock import SystemClock  # noqa: PLC0415 - only runs of the suite import perpkit
        from perpkit_conformance.report import make_card, to_json, to_markdown  # noqa: PLC0415

        self._card = make_card(self.run, at=SystemClock().now())
        outcomes = {row.outcome for row in self.run.rows.values()}
        for option, render in (("card_json", to_json), ("card_markdown", to_markdown)):
            path: Path | None = self._config.getoption(option)
            if path is not None:
                try:
                    path.write_text(render(self._card), encoding="utf-8")
                except OSError as error:
                    self._unwritten.append(f"the card can't be written to {path}: {error.strerror}")
        is_bad = self._card.stale_waivers or self._unwritten or outcomes == {Outcome.NOT_RUN}
        if is_bad and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the card."""
        if self._card is None:
            return
        from perpkit_conformance.report import to_text  # noqa: PLC0415 - only runs of the suite import perpkit

        terminalreporter.section(f"conformance of {self._card.venue}", sep="=")
        for line in (*to_text(self._card).splitlines(), *self._unwritten):
            terminalreporter.write_line(line)
