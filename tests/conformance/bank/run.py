"""
Runs the suite over every broken plugin, each in a process of its own, and compares the rules that failed with those
that must fail, exactly. ``make bank`` calls it.

By default only the suite's files with tests of those rules are run over a broken plugin, and all of them over the good
one; ``--whole`` runs all of them over every plugin.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import msgspec
from perpkit_conformance.__main__ import HERE
from perpkit_conformance.rules import rules

from tests.conformance.bank.probe import Result
from tests.conformance.bank.registry import GOOD, KNOCK_ON, SUITE, Bug, bugs, rules_in

ROOT = Path(__file__).parents[3]
TABLE = ROOT / "docs" / "kill-table.md"
LONGEST = 600
"""Real seconds for one plugin."""

_CRASHES = frozenset(
    {"AttributeError", "ImportError", "IndexError", "KeyError", "NameError", "TypeError", "UnboundLocalError"}
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a run over one plugin says."""

    bug: Bug
    wanted: frozenset[str]
    result: Result
    seconds: float
    trouble: str = ""

    @property
    def missed(self) -> list[str]:
        """Rules that should have failed."""
        return sorted(self.wanted - self.result.failed.keys())

    @property
    def extra(self) -> list[str]:
        """Rules that failed and should not have."""
        return sorted(self.result.failed.keys() - self.wanted)

    @property
    def crashed(self) -> list[str]:
        """Rules that failed by an error of Python itself, where that is not the bug."""
        if self.bug.crashes:
            return []
        return sorted(rule for rule, (_, kind, _) in self.result.failed.items() if kind in _CRASHES)

    @property
    def word(self) -> str:
        """``killed``, or ``passed`` for the good plugin; anything else is a failure of this run."""
        if self.trouble:
            return self.trouble
        if self.crashed:
            return "crashed"
        if self.missed:
            return "survived" if not self.result.failed else "missed some"
        if self.extra:
            return "failed more"
        return "killed" if self.bug.rules else "passed"

    @property
    def holds(self) -> bool:
        """Tell whether it is as it should be."""
        return self.word in {"killed", "passed"}


def the_good() -> Bug:
    """Return the good plugin, which must fail nothing."""
    return Bug(name="ParadexVenue", path=GOOD, what="The good plugin.", rules=frozenset())


def try_out(bug: Bug, files: Sequence[Path]) -> Verdict:
    """Run some of the suite's files over a plugin."""
    began, wanted = time.monotonic(), bug.must_fail(files)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "result.json"
        command = [
            sys.executable, "-m", "pytest", "-c", str(HERE / "suite.ini"), "--rootdir", str(HERE),
            *map(str, files), "--venue", "paradex", "--venue-plugin", bug.path,
            "-p", "tests.conformance.bank.probe", "-p", "no:terminalreporter", "-p", "no:xdist",
        ]  # fmt: skip
        environment = {**os.environ, "PERPKIT_BANK_RESULT": str(out), "PYTHONPATH": str(ROOT)}
        try:
            done = subprocess.run(
                command, cwd=ROOT, env=environment, timeout=LONGEST, check=False, capture_output=True, text=True
            )
        except subprocess.TimeoutExpired:
            return Verdict(bug, wanted, Result(), time.monotonic() - began, "hung")
        took = time.monotonic() - began
        if not out.exists():
            return Verdict(bug, wanted, Result(), took, f"no result: {(done.stderr or done.stdout).strip()[-500:]}")
        return Verdict(bug, wanted, msgspec.json.decode(out.read_bytes(), type=Result), took)


def table(verdicts: Sequence[Verdict]) -> str:
    """Return the kill table as Markdown."""
    killed = sum(each.word == "killed" for each in verdicts)
    count = sum(bool(each.bug.rules) for each in verdicts)
    covered = {rule for each in verdicts for rule in each.bug.rules}
    lines = [
        "# The kill table",
        "",
        "Deliberately broken plugins (`tests/conformance/bank`), and the rules of the suite that each of them fails: "
        "exactly those that it should. `make bank` runs it and writes this page.",
        "",
        f"{killed} of {count} broken plugins are killed; {len(covered)} of {len(rules())} rules kill at least one.",
        "",
        "| plugin | its bug | checks | mistakes | rules that catch it | rules that fail with them | verdict |",
        "|---|---|---|---|---|---|---|",
    ]
    for each in verdicts:
        bug = each.bug
        failing, others = (", ".join(f"`{rule}`" for rule in sorted(each)) for each in (bug.rules, bug.knock_on))
        what = bug.what.replace("|", "\\|")
        checks, mistakes = ", ".join(bug.checks), ", ".join(bug.mistakes)
        lines.append(f"| {bug.name} | {what} | {checks} | {mistakes} | {failing} | {others} | {each.word} |")
    return "\n".join([*lines, ""])


def say(verdict: Verdict) -> None:
    """Print one row of the kill table, with what is wrong in it."""
    bug = verdict.bug
    print(f"{verdict.word:12} {verdict.seconds:5.0f} s  {bug.name}: {', '.join(sorted(bug.rules)) or 'nothing'}")
    for name in ("missed", "extra", "crashed"):
        for rule in () if verdict.trouble else getattr(verdict, name):
            test, kind, text = verdict.result.failed.get(rule, ("", "", ""))
            print(f"    {name} {rule} {test} {kind} {text}")
    sys.stdout.flush()


def learn(verdict: Verdict, files: Sequence[Path]) -> None:
    """Enter what failed beside a bug's own rules, for the rules of the files that were run; to be read before use."""
    if verdict.trouble or not verdict.bug.rules:
        return
    known: dict[str, list[str]] = msgspec.json.decode(KNOCK_ON.read_bytes())
    ran, before = rules_in(files), set(known.get(verdict.bug.name, ()))
    found = (before - ran) | (verdict.result.failed.keys() - verdict.bug.rules)
    known[verdict.bug.name] = sorted(found)
    kept = {name: rules for name, rules in sorted(known.items()) if rules}
    KNOCK_ON.write_bytes(msgspec.json.format(msgspec.json.encode(kept), indent=2) + b"\n")


def main(given: Sequence[str] | None = None) -> int:
    """Run what is asked for; 0 when every plugin is as it should be."""
    parser = argparse.ArgumentParser(prog="bank", description=__doc__)
    parser.add_argument("names", nargs="*", help="broken plugins to try; all, and the good one, by default")
    parser.add_argument("--whole", action="store_true", help="the whole suite over each plugin")
    parser.add_argument("--learn", action="store_true", help="enter what failed beside its rules into knock_on.json")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(given)
    every = sorted(SUITE.glob("test_*.py"))
    unknown = set(options.names) - {bug.name for bug in bugs()}
    if unknown:
        parser.error(f"no broken plugin is called {', '.join(sorted(unknown))}")
    chosen = [bug for bug in bugs() if not options.names or bug.name in options.names]
    work = [(bug, every if options.whole else bug.files) for bug in chosen]
    if not options.names:
        work = [(the_good(), every), *work]
    began = time.monotonic()
    verdicts = []
    with ThreadPoolExecutor(options.workers) as pool:
        for verdict in pool.map(lambda each: try_out(*each), work):
            verdicts.append(verdict)
            say(verdict)
            if options.learn:
                learn(verdict, [*every] if options.whole else verdict.bug.files)
    wrong = [each for each in verdicts if not each.holds]
    print(f"{len(verdicts) - len(wrong)} of {len(verdicts)} as they should be, in {time.monotonic() - began:.0f} s")
    if not options.names and not wrong:
        TABLE.write_text(table(verdicts), encoding="utf-8")
        print(f"wrote {TABLE.relative_to(ROOT)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
