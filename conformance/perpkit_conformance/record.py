"""
Listens to a run and keeps a row for each test of a rule; at its end it writes the card. It judges nothing itself.

It lives in the process that the user started; with pytest-xdist the rows come from the workers in their reports.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from perpkit_conformance.outcomes import CLAIMS, GAP, NEEDS, REASON, RULE, SEED, VENUE, WAIVED, Outcome

if TYPE_CHECKING:
    from perpkit_conformance.report import Card


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
    """Everything that a run left behind."""

    rows: dict[str, Row] = field(default_factory=dict)
    venue: dict[str, Any] = field(default_factory=dict)
    claims: list[str] = field(default_factory=list)
    seed: int | None = None
    only_part: bool = False

    def add(self, report: pytest.TestReport) -> None:
        """Take in a report of setup, call or teardown."""
        told: dict[str, Any] = dict(report.user_properties)
        if VENUE in told:
            self.venue, self.claims, self.seed = dict(told[VENUE]), list(told[CLAIMS]), told[SEED]
        if RULE not in told:
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

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take in a report."""
        self.run.add(report)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Make the card; a stale waiver, which no single test can see, fails the run."""
        if not self.run.rows:
            return
        from perpkit.core.clock import SystemClock  # noqa: PLC0415 - only runs of the suite import perpkit
        from perpkit_conformance.report import make_card, to_json, to_markdown  # noqa: PLC0415

        self._card = make_card(self.run, at=SystemClock().now())
        if self._card.stale_waivers and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        for option, render in (("card_json", to_json), ("card_markdown", to_markdown)):
            path: Path | None = self._config.getoption(option)
            if path is not None:
                path.write_text(render(self._card), encoding="utf-8")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Print the card."""
        if self._card is None:
            return
        from perpkit_conformance.report import to_text  # noqa: PLC0415 - only runs of the suite import perpkit

        terminalreporter.section(f"conformance of {self._card.venue}", sep="=")
        for line in to_text(self._card).splitlines():
            terminalreporter.write_line(line)
