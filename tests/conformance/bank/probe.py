"""
A pytest plugin for runs of the suite over a broken plugin: it notes which rules failed and how, and leaves out further
tests of a rule that has failed already. The result goes to the file that PERPKIT_BANK_RESULT names.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import msgspec
import pytest


class Result(msgspec.Struct):
    """
    What a run gave.

    Attributes:
        failed: For each failed rule the test, the kind of error and the first line of its message.
        passed: Rules of which a test passed and none failed.
    """

    failed: dict[str, tuple[str, str, str]] = msgspec.field(default_factory=dict)
    passed: set[str] = msgspec.field(default_factory=set)
    tests: int = 0
    finished: bool = False


_result = Result()


def _rule(item: pytest.Item) -> str:
    mark = item.get_closest_marker("rule")
    return str(mark.args[0]) if mark is not None else ""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Leave out what is decided."""
    if _rule(item) in _result.failed:
        pytest.skip("its rule has failed already")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note what came of a test."""
    report = yield
    rule = _rule(item)
    if report.failed and call.excinfo is not None:
        text = str(call.excinfo.value).strip()
        kind = call.excinfo.typename
        _result.failed.setdefault(rule, (item.nodeid.rpartition("/")[2], kind, text.partition("\n")[0][:300]))
        _result.passed.discard(rule)
    elif report.when == "call" and report.passed:
        _result.tests += 1
        if rule not in _result.failed:
            _result.passed.add(rule)
    return report


def pytest_sessionfinish() -> None:
    """Write the result."""
    _result.finished = True
    Path(os.environ["PERPKIT_BANK_RESULT"]).write_bytes(msgspec.json.encode(_result))
