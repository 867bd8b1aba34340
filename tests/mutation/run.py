"""
Tries small changes to the Paradex plugin's source and reports which of them the plugin's own tests notice.

``make mutate`` tries all and writes ``docs/mutation.md``. ``ARGS="--file decode --sample 50"`` tries some;
``--resume`` believes the kills of earlier runs (``.mutation/``) where the source is the same, and tries the rest again.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.engine import (
    SURVIVED,
    UNFIT,
    Cold,
    EngineError,
    Outcome,
    Source,
    Task,
    Warm,
)
from tests.mutation.mutants import Mutant, mutants
from tests.mutation.page import LEAST, LEAST_OF_A_FILE, Tried, page, share

ROOT = Path(__file__).parents[2]
_PLUGIN = ROOT / "perpkit" / "adapters" / "paradex"
_MODULES = (
    "auth", "credentials", "decode", "decode_account", "decode_book", "encode", "errors", "memory", "order_socket",
    "signing", "stream", "wire",
)  # fmt: skip
FILES = {
    **{name: _PLUGIN / f"{name}.py" for name in _MODULES},
    "loose_json": ROOT / "perpkit" / "core" / "transport" / "loose_json.py",
}
TESTS = ("tests/adapters/paradex",)
EXPLAINED = Path(__file__).parent / "survivors.toml"
PAGE = ROOT / "docs" / "mutation.md"
RESULTS = ROOT / ".mutation" / "results.jsonl"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is tried: the sources, and the mutants of them by number."""

    sources: dict[str, Source]
    digests: dict[str, str]
    mutants: list[Mutant]

    def task(self, number: int) -> Task:
        """Return what the engine needs of a mutant."""
        each = self.mutants[number]
        return Task(self.sources[each.file], each.apply, each.scope, each.lines, each.at_import, number)


def plan(files: Iterable[str]) -> Plan:
    """Return every mutant of these files, in the order of their text."""
    made = Plan({}, {}, [])
    for name in files:
        path = FILES[name]
        text = path.read_text(encoding="utf-8")
        tree, found = mutants(text, name)
        made.sources[name] = Source(path, tree)
        made.digests[name] = hashlib.sha256(text.encode()).hexdigest()
        made.mutants.extend(found)
    return made


def explanations() -> dict[str, str]:
    """Return why mutants survive, by their names."""
    return {row["mutant"]: row["why"] for row in tomllib.loads(EXPLAINED.read_text(encoding="utf-8"))["survivor"]}


class Run:
    """One run: its plan, what is known of each mutant so far, and the file that keeps it."""

    def __init__(self, made: Plan, *, jobs: int, limit: float) -> None:
        self._plan = made
        self._jobs = jobs
        self._limit = limit
        self.outcomes: dict[int, Outcome] = {}

    def resume(self) -> None:
        """Take over kills from earlier runs where the source has not changed; tests may only have been added."""
        if not RESULTS.exists():
            return
        rows = [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]
        known = {(row["name"], row["source"]): row for row in rows}
        for number, each in enumerate(self._plan.mutants):
            row = known.get((each.name, self._plan.digests[each.file]))
            if row is not None and row["verdict"] != SURVIVED:
                self.outcomes[number] = Outcome(row["verdict"], row["by"], row["seconds"])

    def go(self, numbers: Sequence[int]) -> None:
        """Try mutants, those that need no fresh import first."""
        todo = [number for number in numbers if number not in self.outcomes]
        self._total, self._began = len(todo), time.monotonic()
        self._done = 0
        unfit = self._warm(todo)
        cold = Cold(TESTS, jobs=self._jobs, limit=self._limit, first=_tests_of, forget=["perpkit"])
        tasks = [self._plan.task(number) for number in unfit]
        touched = {task.source.path.stem: task.source for task in tasks}
        cold.run(list(touched.values()), tasks, lambda task, outcome: self._note(task.key, outcome))

    def _warm(self, todo: Sequence[int]) -> list[int]:
        """Try mutants in a copy that has the tests collected; returns those that it can't try."""
        if not todo:
            return []
        unfit: list[int] = []
        reading, writing = os.pipe()
        with tempfile.TemporaryFile("w+") as said:
            pid = os.fork()
            if not pid:
                self._work(todo, reading, writing, said.fileno())
            os.close(writing)
            with os.fdopen(reading) as told:
                for line in told:
                    number, verdict, by, seconds = json.loads(line)
                    if verdict == UNFIT:
                        unfit.append(number)
                    else:
                        self._note(number, Outcome(verdict, by, seconds))
            _, status = os.waitpid(pid, 0)
            if status:
                said.seek(0)
                raise EngineError(said.read().strip()[-4000:])
        return unfit

    def _work(self, todo: Sequence[int], reading: int, writing: int, said: int) -> None:
        os.close(reading)
        for stream in (1, 2):
            os.dup2(said, stream)
        with os.fdopen(writing, "w") as out:

            def found(task: Task, outcome: Outcome) -> None:
                out.write(json.dumps([task.key, outcome.verdict, outcome.by, outcome.seconds]) + "\n")
                out.flush()

            tasks = [self._plan.task(number) for number in todo]
            sources = list(self._plan.sources.values())
            names = [".".join(each.path.relative_to(ROOT).with_suffix("").parts) for each in sources]
            warm = Warm(sources, tasks, found, jobs=self._jobs, limit=self._limit, modules=names)
            trouble = warm.run(TESTS)
        if trouble:
            sys.stdout.flush()
            print(f"\nperpkit: {trouble}", flush=True)
        os._exit(bool(trouble))

    def _note(self, number: int, outcome: Outcome) -> None:
        each = self._plan.mutants[number]
        self.outcomes[number] = outcome
        self._done += 1
        RESULTS.parent.mkdir(exist_ok=True)
        row = {"name": each.name, "source": self._plan.digests[each.file], "verdict": outcome.verdict}
        with RESULTS.open("a", encoding="utf-8") as out:
            out.write(json.dumps({**row, "by": outcome.by, "seconds": round(outcome.seconds, 3)}) + "\n")
        if outcome.verdict == SURVIVED:
            print(f"survived: {each.name}" + (f" ({outcome.by})" if outcome.by else ""), flush=True)
        if self._done % 200 == 0:
            print(f"... {self._done} of {self._total} in {time.monotonic() - self._began:.0f} s", flush=True)


def _tests_of(source: Source) -> list[str]:
    """Return the test modules that are named after a source, which notice most of what is wrong with it."""
    name = "wire" if source.path.stem == "loose_json" else source.path.stem
    return sorted(str(path.relative_to(ROOT)) for path in (ROOT / TESTS[0]).glob(f"test_{name}*.py"))


def main() -> int:
    """Run what the command line asks for; fails where a bound is missed or a survivor is not explained."""
    parser = argparse.ArgumentParser(prog="make mutate", description=__doc__)
    parser.add_argument(
        "--file", action="append", choices=list(FILES), help="only this file's mutants (again for more)"
    )
    parser.add_argument("--sample", type=int, metavar="N", help="only N of them, chosen by --seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--match", default="", metavar="TEXT", help="only those whose name holds this")
    parser.add_argument(
        "--resume", action="store_true", help="believe kills of the last run where the source is the same"
    )
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="how many at a time")
    parser.add_argument(
        "--limit", type=float, default=30, help="real seconds for one mutant, beyond ten times its tests"
    )
    parser.add_argument("--list", action="store_true", help="print the mutants and try none")
    asked = parser.parse_args()
    os.chdir(ROOT)
    made = plan(asked.file or FILES)
    numbers = [number for number, each in enumerate(made.mutants) if asked.match in each.name]
    if asked.sample is not None and asked.sample < len(numbers):
        print(f"seed {asked.seed}")
        numbers = sorted(random.Random(asked.seed).sample(numbers, asked.sample))
    if asked.list:
        print("\n".join(made.mutants[number].name for number in numbers))
        return 0
    run = Run(made, jobs=asked.jobs, limit=asked.limit)
    if asked.resume:
        run.resume()
    run.go(numbers)
    tried = [Tried(made.mutants[number], run.outcomes[number]) for number in numbers]
    return report(tried, is_whole=not (asked.file or asked.match) and len(numbers) == len(made.mutants))


def report(tried: Sequence[Tried], *, is_whole: bool) -> int:
    """Print the figures; a whole run writes the page. Returns the exit status."""
    known = explanations()
    for name in sorted({each.mutant.file for each in tried}):
        print(f"{name:12} {share([each for each in tried if each.mutant.file == name])}")
    print(f"{'all':12} {share(tried)}")
    survivors = {each.mutant.name for each in tried if each.outcome.verdict == SURVIVED}
    wrong = [f"not explained: {name}" for name in sorted(survivors - known.keys())]
    if is_whole:
        PAGE.write_text(page(tried, known), encoding="utf-8")
        wrong += [f"explained, but it does not survive: {name}" for name in sorted(known.keys() - survivors)]
        if share(tried).percent < LEAST:
            wrong.append(f"less than {LEAST} % killed")
        for name in FILES:
            if share([each for each in tried if each.mutant.file == name]).percent < LEAST_OF_A_FILE:
                wrong.append(f"less than {LEAST_OF_A_FILE} % of {name} killed")
    print("\n".join(wrong))
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
