"""
Runs tests over mutants, each in a forked copy of a process that has everything imported.

Most mutants change what a function does: there all tests are collected once, and the copy only exchanges the
function's code and runs the tests that were seen to pass through the changed lines (``Warm``). What runs while a
module is imported, such as a table of the venue's words, can't be exchanged afterwards: there the copy is of a process
that has imported neither the module nor a test, and reads the changed source as it imports them (``Cold``).

Needs ``os.fork``. Nothing is written into the source tree.
"""

from __future__ import annotations

import ast
import contextlib
import gc
import importlib
import importlib.machinery
import json
import os
import resource
import select
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any, TypeVar

import pytest

T = TypeVar("T")

KILLED, SURVIVED, TIMED_OUT, CRASHED, UNFIT = "killed", "survived", "timed out", "crashed", "unfit"

_OPTIONS = ("-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "--hypothesis-seed=0", "--timeout=0")
_MEMORY = 4 << 30


class EngineError(Exception):
    """The tests don't pass on the source as it is, or a copy of it, so nothing can be said of mutants."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a mutant; ``by`` is the test that failed."""

    verdict: str
    by: str = ""
    seconds: float = 0.0


# Forks


@dataclass(slots=True)
class _Child:
    pid: int
    pipe: int
    began: float
    deadline: float
    said: bytearray = field(default_factory=bytearray)


def forked(
    tasks: Sequence[T], body: Callable[[T], tuple[str, str]], limit: Callable[[T], float], jobs: int
) -> Iterator[tuple[T, Outcome]]:
    """
    Yield what ``body`` says of each task, in a process of its own that is killed with its offspring past the limit.

    Args:
        limit: Real seconds; half of it in processor time.
    """
    waiting, running = deque(tasks), dict[int, tuple[T, _Child]]()
    while waiting or running:
        while waiting and len(running) < jobs:
            task = waiting.popleft()
            child = _fork(lambda task=task: body(task), limit(task))
            running[child.pipe] = (task, child)
        soonest = min(child.deadline for _, child in running.values())
        ready, _, _ = select.select(list(running), [], [], max(0.0, soonest - time.monotonic()))
        for pipe in ready:
            task, child = running[pipe]
            if data := os.read(pipe, 65_536):
                child.said += data
                continue
            del running[pipe]
            _end(child)
            seconds = time.monotonic() - child.began
            verdict, by = json.loads(child.said) if child.said else (CRASHED, "")
            yield task, Outcome(verdict, by, seconds)
        for pipe, (task, child) in list(running.items()):
            if time.monotonic() >= child.deadline:
                del running[pipe]
                _end(child)
                yield task, Outcome(TIMED_OUT, "", time.monotonic() - child.began)


def _end(child: _Child) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    os.waitpid(child.pid, 0)
    os.close(child.pipe)


def _fork(body: Callable[[], tuple[str, str]], limit: float) -> _Child:
    sys.stdout.flush()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing)
        with contextlib.suppress(PermissionError, ProcessLookupError):
            os.setpgid(pid, pid)
        now = time.monotonic()
        return _Child(pid, reading, now, now + limit)
    os.setpgid(0, 0)
    os.close(reading)
    seconds = max(2, int(limit / 2))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    signal.signal(signal.SIGXCPU, lambda *_: _say(writing, TIMED_OUT, ""))
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(silence, stream)
    try:
        verdict, by = body()
    except BaseException as error:  # noqa: BLE001  # the copy ends here whatever it is, and says so
        verdict, by = CRASHED, f"{type(error).__name__}: {error}"
    _say(writing, verdict, by)
    raise AssertionError


def _say(pipe: int, verdict: str, by: str) -> None:
    os.write(pipe, json.dumps([verdict, by]).encode())
    os._exit(0)


# Code


def codes(code: CodeType) -> Iterator[CodeType]:
    """Yield a code object and all that is in it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes(constant)


def functions(paths: Sequence[str]) -> dict[tuple[str, str, int], list[FunctionType]]:
    """Return the live functions of some files by path, qualified name and first line."""
    found: dict[tuple[str, str, int], list[FunctionType]] = {}
    for thing in gc.get_objects():
        if isinstance(thing, FunctionType) and thing.__code__.co_filename in paths:
            code = thing.__code__
            found.setdefault((code.co_filename, code.co_qualname, code.co_firstlineno), []).append(thing)
    return found


@dataclass(frozen=True, slots=True)
class Source:
    """A file whose mutants are tried, parsed; a mutant is applied in this tree."""

    path: Path
    tree: ast.Module

    def code(self) -> CodeType:
        """Compile the tree as it stands."""
        return compile(self.tree, str(self.path), "exec", dont_inherit=True)


@dataclass(frozen=True, slots=True)
class Task:
    """A change to try: how it is made, and what it touches. No scope: all functions of the file are exchanged."""

    source: Source
    apply: Callable[[], None]
    scope: str
    lines: tuple[int, int]
    at_import: bool = False
    key: Any = None


# Running tests


class _Until:
    """A pytest plugin that remembers the first failure, and keeps properties from looking for a smaller one."""

    def __init__(self) -> None:
        self.failed = ""

    @pytest.hookimpl(tryfirst=True)
    def pytest_load_initial_conftests(self) -> None:
        # What the tests' conftest.py registers builds on the profile that is in force.
        from hypothesis import HealthCheck, Phase, settings  # pytest wants to be first to import it

        settings.register_profile(
            "mutation",
            phases=(Phase.explicit, Phase.generate),
            database=None,
            # A mutant must not be called killed because the machine is busy.
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        settings.load_profile("mutation")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed and not self.failed:
            self.failed = report.nodeid


class Warm:
    """
    A process with all tests collected, which tries mutants of functions.

    Used as a pytest plugin: its test loop runs no tests itself, but copies that do.

    Args:
        found: Called with each result as it comes.
        limit: Seconds that a mutant may take beyond ten times what its tests take otherwise.
        modules: The sources' own names: what a test imports only when it runs could not be exchanged.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        tasks: Sequence[Task],
        found: Callable[[Task, Outcome], None],
        *,
        jobs: int,
        limit: float,
        modules: Sequence[str] = (),
    ) -> None:
        self._modules = modules
        self._sources = {str(source.path): source for source in sources}
        self._tasks = tasks
        self._found = found
        self._jobs = jobs
        self._limit = limit
        self._hits: set[tuple[str, int]] = set()
        self._until = _Until()
        self._items: list[pytest.Item] = []
        self._passed_through: list[set[tuple[str, int]]] = []
        self._took: list[float] = []
        self._functions: dict[tuple[str, str, int], list[FunctionType]] = {}
        self.trouble = ""

    def run(self, tests: Sequence[str]) -> str:
        """Collect, and try the tasks; returns what went wrong before any mutant was tried."""
        self._trace(self._tracer)
        code = pytest.main([*_OPTIONS, *tests], plugins=[self, self._until])
        self._trace(None)
        if not self.trouble and code is not pytest.ExitCode.OK:
            self.trouble = f"collecting ended with {code!r} ({self._until.failed})"
        return self.trouble

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Try the mutants in place of running the tests."""
        for name in self._modules:
            importlib.import_module(name)
        self._trace(None)
        at_import, self._hits = self._hits, set()
        self._items = session.items
        if session.testsfailed:
            self.trouble = f"collecting failed: {self._until.failed}"
            return True
        self._learn_lines()
        self._functions = functions(list(self._sources))
        if not self.trouble:
            self._check_exchange()
        if self.trouble:
            return True
        late = []
        for task in self._tasks:
            touched = self._lines_of(task)
            if task.at_import or touched & at_import:
                self._found(task, Outcome(UNFIT))
            elif not self._chosen(task):
                self._found(task, Outcome(SURVIVED, "no test passes here"))
            else:
                late.append(task)
        for task, outcome in forked(late, self._try, self._seconds, self._jobs):
            self._found(task, outcome)
        return True

    def _trace(self, tracer: Callable[..., Any] | None) -> None:
        sys.settrace(tracer)
        threading.settrace(tracer)  # type: ignore[arg-type]

    def _tracer(self, frame: FrameType, _event: str, _argument: object) -> Callable[..., Any] | None:
        path = frame.f_code.co_filename
        if path not in self._sources:
            return None

        def line(frame: FrameType, event: str, _argument: object) -> Callable[..., Any]:
            if event == "line":
                self._hits.add((path, frame.f_lineno))
            return line

        self._hits.add((path, frame.f_lineno))
        return line

    def _learn_lines(self) -> None:
        """Run every test once, in one copy, and note the lines of the sources that it passes through."""
        reading, writing = os.pipe()
        pid = os.fork()
        if not pid:
            rows = []
            for index in range(len(self._items)):
                self._hits = set()
                began = time.monotonic()
                self._trace(self._tracer)
                self._run_item(index, index + 1)
                # A test that reaches the end of the stack ends the tracing too: it may have been anywhere.
                lines = sorted(self._hits) if sys.gettrace() is not None else self._every_line()
                rows.append([lines, time.monotonic() - began])
            self._trace(None)
            with os.fdopen(writing, "w") as out:
                json.dump([self._until.failed, rows], out)
            os._exit(0)
        os.close(writing)
        with os.fdopen(reading) as told:
            text = told.read()
        os.waitpid(pid, 0)
        if not text:
            self.trouble = "the copy that runs the tests once died"
            return
        failed, rows = json.loads(text)
        if failed:
            self.trouble = f"{failed} fails on the source as it is"
        self._passed_through = [{(path, line) for path, line in hits} for hits, _ in rows]
        self._took = [took for _, took in rows]

    def _every_line(self) -> list[tuple[str, int]]:
        texts = {path: source.path.read_text(encoding="utf-8") for path, source in self._sources.items()}
        return [(path, line + 1) for path, text in texts.items() for line in range(text.count("\n") + 1)]

    def _check_exchange(self) -> None:
        """Every function exchanged for itself, compiled anew, must pass all tests: else exchanging proves nothing."""
        tasks = [Task(source, lambda: None, "", (0, 0)) for source in self._sources.values()]
        for task, outcome in forked(tasks, self._try, lambda _: 60 + 10 * sum(self._took), 1):
            if outcome.verdict != SURVIVED:
                self.trouble = f"{task.source.path.name} exchanged for itself is {outcome.verdict} by {outcome.by}"

    def _lines_of(self, task: Task) -> set[tuple[str, int]]:
        first, last = task.lines
        return {(str(task.source.path), line) for line in range(first, last + 1)}

    def _chosen(self, task: Task) -> list[int]:
        """Return the tests that pass through a change, those that do little else first."""
        if not task.scope:
            return list(range(len(self._items)))
        touched = self._lines_of(task)
        chosen = [index for index, lines in enumerate(self._passed_through) if lines & touched]
        return sorted(chosen, key=lambda index: (len(self._passed_through[index]), index))

    def _seconds(self, task: Task) -> float:
        return self._limit + 10 * sum(self._took[index] for index in self._chosen(task))

    def _try(self, task: Task) -> tuple[str, str]:
        task.apply()
        path = str(task.source.path)
        found = False
        for code in codes(task.source.code()):
            if task.scope and code.co_qualname != task.scope:
                continue
            for function in self._functions.get((path, code.co_qualname, code.co_firstlineno), ()):
                if function.__code__.co_freevars != code.co_freevars:
                    return UNFIT, "its closure changes"
                function.__code__ = code
                found = True
        if not found:
            return UNFIT, "no such function is alive"
        chosen = self._chosen(task)
        for place, index in enumerate(chosen):
            self._run_item(index, chosen[place + 1] if place + 1 < len(chosen) else None)
            if self._until.failed:
                return KILLED, self._until.failed
        return SURVIVED, ""

    def _run_item(self, index: int, following: int | None) -> None:
        item = self._items[index]
        following_item = self._items[following] if following is not None and following < len(self._items) else None
        item.ihook.pytest_runtest_protocol(item=item, nextitem=following_item)


class Cold:
    """
    A process without the modules under trial, which tries what runs while they are imported.

    Args:
        first: Test files of a source, tried before the rest.
        forget: Packages that a copy imports anew, whatever of them is imported here.
    """

    def __init__(
        self,
        tests: Sequence[str],
        *,
        jobs: int,
        limit: float,
        first: Callable[[Source], list[str]],
        forget: Sequence[str] = (),
    ) -> None:
        self._tests = tests
        self._forget = forget
        self._jobs = jobs
        self._limit = limit
        self._first = first

    def run(self, sources: Sequence[Source], tasks: Sequence[Task], found: Callable[[Task, Outcome], None]) -> None:
        """Try tasks; the unchanged source must pass first."""
        if not tasks:
            return
        loaded = {getattr(module, "__file__", None) for name, module in sys.modules.items() if not self._forgets(name)}
        for source in sources:
            if str(source.path) in loaded:
                msg = f"{source.path.stem} is imported already: what it does on import can't be tried"
                raise EngineError(msg)
        controls = [Task(source, lambda: None, "", (0, 0)) for source in sources]
        slowest = 0.0
        for task, outcome in forked(controls, self._try_all, lambda _: 600.0, 1):
            if outcome.verdict != SURVIVED:
                msg = f"{task.source.path.name} read by the engine is {outcome.verdict} by {outcome.by}"
                raise EngineError(msg)
            slowest = max(slowest, outcome.seconds)
        rest = []
        for task, outcome in forked(tasks, self._try_first, lambda _: self._limit + 4 * slowest, self._jobs):
            if outcome.verdict == SURVIVED:
                rest.append(task)
            else:
                found(task, outcome)
        for task, outcome in forked(rest, self._try_all, lambda _: self._limit + 4 * slowest, self._jobs):
            found(task, outcome)

    def _forgets(self, module: str) -> bool:
        return module.partition(".")[0] in self._forget

    def _try_first(self, task: Task) -> tuple[str, str]:
        first = self._first(task.source)
        return self._try(task, first) if first else (SURVIVED, "")

    def _try_all(self, task: Task) -> tuple[str, str]:
        return self._try(task, self._tests)

    def _try(self, task: Task, tests: Sequence[str]) -> tuple[str, str]:
        for name in [name for name in sys.modules if self._forgets(name)]:
            del sys.modules[name]
        task.apply()
        path, code = str(task.source.path), task.source.code()
        original = importlib.machinery.SourceFileLoader.get_code

        def get_code(loader: importlib.machinery.SourceFileLoader, name: str) -> CodeType | None:
            return code if loader.path == path else original(loader, name)

        importlib.machinery.SourceFileLoader.get_code = get_code  # type: ignore[method-assign]
        until = _Until()
        ended = pytest.main([*_OPTIONS, *tests], plugins=[until])
        if ended is pytest.ExitCode.OK:
            return SURVIVED, ""
        return KILLED, until.failed or str(ended)
