"""
A pytest plugin that runs the collected suite over many plugins: the suite is imported and collected once, and then a
forked process runs it, or what of it matters, over each.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import NoReturn
from unittest import mock

import msgspec
import pytest

from perpkit.core.clock import SystemClock
from perpkit.core.transport.http import HttpTimeouts
from tests.conformance.bank.probe import Probe, Result, rule_of
from tests.conformance.bank.registry import Bug, bugs, files_of, good_class, with_shadows
from tests.conformance.bank.seams import recorded
from tests.conformance.bank.slots import Slots

LONGEST_TEST = 40
"""Real seconds. A test of the suite takes about one, several on a busy machine; a plugin that hangs fails its rule."""
LONGEST_RUN = 600
"""Real seconds over one plugin."""

_COLLECT_RARELY = (50_000, 20, 100)
"""A process lives for a minute at most, and looking for cycles takes it an eighth of its time otherwise."""

PATIENCE = timedelta(minutes=1)
"""Real time that a request gets where nobody says otherwise; a busy machine is no bug."""


@dataclass(slots=True)
class _Run:
    bug: Bug
    rules: frozenset[str]
    out: Path
    began: float
    record: bool


class Forks:
    """
    Runs the collected tests over plugins, each in a process of its own, as many at a time as there are places.

    Args:
        tell: Called with each plugin, the rules that its run decided, and what came; with the reason instead where
            nothing came.
        folder: Where results pass through.
        choose: Which tests: ``seams`` those that pass through what is broken, ``files`` those of the files with tests
            of its rules, ``all``.
        good: What an earlier run over the good plugin gave, with what each test passes through; otherwise that is
            recorded.
    """

    def __init__(
        self,
        bugs: Sequence[Bug],
        tell: Callable[[Bug, frozenset[str], Result | str], None],
        *,
        folder: Path,
        choose: str,
        slots: Slots,
        good: Result | None = None,
    ) -> None:
        # The good one first: what each test passes through is recorded on it. Then those that are run over all tests.
        self._waiting = sorted(bugs, key=lambda bug: bool(bug.rules) * (1 + _is_chosen(bug)))
        self._tell = tell
        self._folder = folder
        self._choose = choose
        self._slots = slots
        self._running: dict[int, _Run] = {}
        self._good = good

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Give each test less time than the suite does."""
        for item in items:
            item.add_marker(pytest.mark.timeout(LONGEST_TEST), append=False)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Run the tests over each plugin."""
        if session.testsfailed:
            raise session.Interrupted("the suite can't be collected")
        gc.freeze()
        if self._good is not None:
            self._longest_first(session.items)
        try:
            while self._waiting or self._running:
                while (bug := self._next()) is not None and self._slots.take():
                    self._waiting.remove(bug)
                    self._start(session, bug)
                self._reap(session.items)
        finally:
            for pid in self._running:
                os.killpg(pid, signal.SIGKILL)
        return True

    def _next(self) -> Bug | None:
        # What is chosen by the good plugin's seams waits for what it passed through.
        for bug in self._waiting:
            if self._choose != "seams" or self._good is not None or not _is_chosen(bug):
                return bug
        return None

    def _longest_first(self, items: Sequence[pytest.Item]) -> None:
        """Begun last, the longest would keep one core busy and leave the others idle."""
        spent = self._good.spent if self._good is not None else {}
        took = {bug.name: sum(spent.get(item.nodeid, 0) for item in self._chosen(items, bug)) for bug in self._waiting}
        self._waiting.sort(key=lambda bug: took[bug.name], reverse=True)

    def _chosen(self, items: Sequence[pytest.Item], bug: Bug) -> list[pytest.Item]:
        if self._choose == "files" and bug.rules:
            files = {item.path for item in items if rule_of(item) in bug.rules}
            return [item for item in items if item.path in files]
        if self._choose != "seams" or self._good is None:
            return list(items)
        # One that was written or changed since has had no shadow.
        has_shadow = bug.has_shadow and bug.digest in self._good.shadows
        changed = frozenset({bug.name}) if has_shadow else bug.seams
        if changed is None:
            return list(items)
        return [item for item in items if self._matters(item, changed, self._good.seams)]

    @staticmethod
    def _matters(item: pytest.Item, changed: frozenset[str], seams: dict[str, set[str]]) -> bool:
        # Tests that open no venue look at the class and its module, which are others for each plugin.
        opens = "target" in getattr(item, "fixturenames", ())
        return not opens or bool(changed & seams.get(item.nodeid, changed))

    def _start(self, session: pytest.Session, bug: Bug) -> None:
        items = self._chosen(session.items, bug)
        out = self._folder / f"{bug.name}.msgpack"
        out.unlink(missing_ok=True)
        sys.stdout.flush()
        sys.stderr.flush()
        record = self._choose == "seams" and not bug.rules
        pid = os.fork()
        if not pid:
            _run(session, bug, items, out, record=record)
        # What is left out because it passes through nothing that is broken is decided as well; what is left out for its
        # file is not: a rule is decided by all of its tests.
        decided = frozenset(map(rule_of, session.items))
        if self._choose == "files":
            files = {item.path for item in items}
            decided = frozenset(rule for rule in map(rule_of, items) if files.issuperset(files_of({rule})))
        self._running[pid] = _Run(bug, decided, out, time.monotonic(), record)

    def _reap(self, items: Sequence[pytest.Item]) -> None:
        # Without one of its own, this venue waits for the places that others have.
        pid, status = os.waitpid(-1, os.WNOHANG) if self._running else (0, 0)
        if not pid:
            now = time.monotonic()
            for each, run in self._running.items():
                if now - run.began > LONGEST_RUN:
                    os.killpg(each, signal.SIGKILL)
            time.sleep(0.05)
            return
        run = self._running.pop(pid, None)
        if run is None:
            return
        self._slots.give()
        result: Result | str = f"ended with {os.waitstatus_to_exitcode(status)}"
        if run.out.exists():
            result = msgspec.msgpack.decode(run.out.read_bytes(), type=Result)
            if run.record:
                self._good = result
                self._longest_first(items)
        self._tell(run.bug, run.rules, result)


def _is_chosen(bug: Bug) -> bool:
    """Tell whether not all tests need be run over a plugin."""
    return bug.has_shadow or bug.seams is not None


def _run(session: pytest.Session, bug: Bug, items: Sequence[pytest.Item], out: Path, *, record: bool) -> NoReturn:
    """Run tests over a plugin in this forked process, and end it."""
    code = 1
    try:
        os.setpgid(0, 0)
        gc.set_threshold(*_COLLECT_RARELY)
        config = session.config
        config.option.venue_plugin = bug.path
        with ExitStack() as stack:
            stack.enter_context(mock.patch.object(HttpTimeouts.__init__, "__defaults__", (PATIENCE,) * 3))
            probe = Probe(
                stack.enter_context(recorded(good_class(bug.venue), with_shadows(bug.venue))) if record else None
            )
            config.pluginmanager.register(probe, "bank-probe")
            for item, following in zip(items, [*items[1:], None], strict=True):
                config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        spent = os.times()
        probe.result.cpu_seconds = spent.user + spent.system + spent.children_user + spent.children_system
        probe.result.shadows = {each.digest for each in bugs() if record and each.has_shadow}
        probe.result.day = f"{SystemClock().now():%Y-%m-%d}"
        probe.result.finished = True
        out.write_bytes(msgspec.msgpack.encode(probe.result))
        code = 0
    except BaseException:  # noqa: BLE001 - whatever it is, this process ends here, and says why
        traceback.print_exc()
    finally:
        # Nothing of the parent's may be ended or flushed here a second time.
        os._exit(code)
