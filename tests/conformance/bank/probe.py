"""What a run of the suite over one plugin gave: which rules failed and how, and what each test passed through."""

from __future__ import annotations

import time
from collections.abc import Generator

import msgspec
import pytest

from tests.conformance.bank.seams import Recording


class Failure(msgspec.Struct):
    """The first failure of a rule: the test, the kind of error and the first line of its message."""

    test: str
    kind: str
    text: str


class Result(msgspec.Struct):
    """
    What a run gave.

    Attributes:
        failed: The rules that failed.
        passed: Rules of which a test passed and none failed.
        tests: How many passed.
        seams: For each test what it passed through, where that was recorded.
        shadows: The digests of the broken plugins that had a shadow there.
        finished: The run came to its end.
        spent: For each test how many seconds of processor time it took.
        cpu_seconds: Processor time, of children too.
        day: When it came to its end, ``2026-11-29``.
    """

    failed: dict[str, Failure] = msgspec.field(default_factory=dict)
    passed: set[str] = msgspec.field(default_factory=set)
    tests: int = 0
    seams: dict[str, set[str]] = msgspec.field(default_factory=dict)
    shadows: set[str] = msgspec.field(default_factory=set)
    spent: dict[str, float] = msgspec.field(default_factory=dict)
    finished: bool = False
    cpu_seconds: float = 0
    day: str = ""


def rule_of(item: pytest.Item) -> str:
    """Return the rule that a test proves."""
    mark = item.get_closest_marker("rule")
    return str(mark.args[0]) if mark is not None else ""


class Probe:
    """A pytest plugin: it notes what comes, and leaves out further tests of a rule that has failed already."""

    def __init__(self, recording: Recording | None = None) -> None:
        self.result = Result()
        self._recording = recording

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Leave out what is decided."""
        if rule_of(item) in self.result.failed:
            pytest.skip("its rule has failed already")

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Note what came of a test."""
        report = yield
        rule, result = rule_of(item), self.result
        if report.failed and call.excinfo is not None:
            words = str(call.excinfo.value).strip() or f"without a word, at {str(call.excinfo.traceback[-1]).strip()}"
            text = words.partition("\n")[0][:300]
            result.failed.setdefault(rule, Failure(item.nodeid.rpartition("/")[2], call.excinfo.typename, text))
            result.passed.discard(rule)
        elif report.when == "call" and report.passed:
            result.tests += 1
            if rule not in result.failed:
                result.passed.add(rule)
        if report.skipped and self._recording is not None:
            # With other claims it might run.
            self._recording.note("describe_venue")
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Note what a test passes through, and what it costs."""
        if self._recording is not None:
            self._recording.begin()
        began = time.process_time()
        done = yield
        self.result.spent[item.nodeid] = time.process_time() - began
        if self._recording is not None:
            self.result.seams[item.nodeid] = self._recording.end()
        return done
