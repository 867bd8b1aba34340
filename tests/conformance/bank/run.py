"""
Runs the conformance suite over the good plugins and over every deliberately broken one, compares the rules that failed
with those that must fail, exactly, and prints the kill table. ``make bank`` calls it.

Over a broken plugin it runs every test in which the bug can show, which decides the whole suite; what each test passes
through is recorded on the good plugin, which comes first. ``--whole`` runs all tests over each plugin, ``--files`` only
the files with tests of the rules that are there to catch it.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import msgspec
import pytest
from perpkit_conformance.__main__ import HERE

from tests.conformance.bank.forks import Forks
from tests.conformance.bank.probe import Result
from tests.conformance.bank.registry import GOOD, SUITE, Bug, bugs, files_of, the_good
from tests.conformance.bank.slots import Slots
from tests.conformance.bank.verdict import Verdict, page, printed

ROOT = Path(__file__).parents[3]
TABLE = ROOT / "docs" / "kill-table.md"

Came = tuple[frozenset[str], Result | str, str]
"""The rules that were decided, what came, and the plugin's digest when it was run."""


def run_over(venue: str, chosen: Sequence[Bug], *, folder: Path, choose: str, slots: Slots) -> int:
    """
    Run the suite over plugins of a venue in a process of its own, print each verdict, and keep what came in a folder:
    written as it comes, so that a run that was broken off can go on.

    Returns:
        The process, which goes on.
    """
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        return pid
    code = 1
    try:
        files = files_of({rule for bug in chosen for rule in bug.rules}) if choose == "files" else [SUITE]
        if any(not bug.rules for bug in chosen):
            files = [SUITE]
        command = ["-c", str(HERE / "suite.ini"), "--rootdir", str(HERE), *map(str, files), "--venue", venue]
        command += [
            # In memory, so that each fork has its own.
            "--capture=sys",
            "-p", "no:terminalreporter", "-p", "no:xdist",
            # Complaints at garbage collection fall on whichever test runs then.
            "-p", "no:unraisableexception", "-p", "no:threadexception",
            # Other styles parse the source, which CPython 3.11 may fail at after a timeout.
            "--tb=native",
        ]  # fmt: skip
        good = kept(folder, the_good(venue))
        forks = Forks(
            chosen,
            partial(keep, folder),
            folder=folder,
            choose=choose,
            slots=slots,
            good=good.result if good is not None and good.result.seams else None,
        )
        code = pytest.main(command, plugins=[forks])
    finally:
        sys.stdout.flush()
        os._exit(int(code))


def keep(folder: Path, bug: Bug, decided: frozenset[str], came: Result | str) -> None:
    """Write down what came of a plugin's run, and print the verdict."""
    (folder / f"{bug.name}.json").write_bytes(msgspec.json.encode((decided, came, bug.digest)))
    sys.__stdout__.write(f"{Verdict.of(bug, decided, came)}\n")
    sys.__stdout__.flush()


def kept(folder: Path, bug: Bug) -> Verdict | None:
    """Return what was kept of a plugin's last run, unless it has changed since."""
    path = folder / f"{bug.name}.json"
    if not path.exists():
        return None
    decided, came, digest = msgspec.json.decode(path.read_bytes(), type=Came)
    return Verdict.of(bug, decided, came) if digest == bug.digest else None


def shown() -> list[str]:
    """Return the venues that the kill table has now: whose plugins have all come out as they should."""
    lines = TABLE.read_text("utf-8").splitlines()
    return [venue for venue in GOOD if f"## {venue.capitalize()}" in lines]


def _part(text: str) -> tuple[int, int]:
    number, _, of = text.partition("/")
    if not (number.isdigit() and of.isdigit() and int(of)):
        raise argparse.ArgumentTypeError(f"{text!r} is no part such as 0/10")
    return int(number) % int(of), int(of)


def main(given: Sequence[str] | None = None) -> int:
    """Run what is asked for; 0 when every plugin is as it should be."""
    parser = argparse.ArgumentParser(prog="bank", description=__doc__)
    parser.add_argument("names", nargs="*", help="plugins to try; all of them, the good ones too, by default")
    parser.add_argument("--whole", action="store_true", help="all tests over each plugin")
    parser.add_argument("--files", action="store_true", help="only the files that hold the rules that are to catch it")
    parser.add_argument("--part", type=_part, metavar="K/N", help="every Nth of the kill table, from the Kth on")
    parser.add_argument("--resume", action="store_true", help="go on with a run that was broken off")
    parser.add_argument("--folder", type=Path, default=ROOT / ".bank", help="where what came of each plugin is kept")
    parser.add_argument("--workers", type=int, default=3 * (os.cpu_count() or 1), help="much of each is waiting")
    options = parser.parse_args(given)
    known = {bug.name: bug for venue in GOOD for bug in (the_good(venue), *(b for b in bugs() if b.venue == venue))}
    if unknown := set(options.names) - known.keys():
        parser.error(f"no plugin of the bank is called {', '.join(sorted(unknown))}")
    chosen = [bug for name, bug in known.items() if not options.names or name in options.names]
    if options.part is not None:
        first, step = options.part
        chosen = [bug for bug in chosen if bug.rules and bug.venue in shown()][first::step]
    # What a test passes through is recorded on the good plugin, in the same run.
    some = bool(options.names or options.part)
    everything = options.whole or (some and not options.resume)
    choose = "files" if options.files else "all" if everything else "seams"
    folder = options.folder
    folder.mkdir(exist_ok=True)
    if not options.resume:
        for bug in chosen:
            (folder / f"{bug.name}.json").unlink(missing_ok=True)
    began = time.monotonic()
    # Side by side: each venue begins with its good plugin alone and ends with its last few.
    slots = Slots(options.workers)
    running = {}
    for venue in GOOD:
        run = [bug for bug in chosen if bug.venue == venue and kept(folder, bug) is None]
        if run:
            running[run_over(venue, run, folder=folder, choose=choose, slots=slots)] = venue
    broken_off = [venue for pid, venue in running.items() if os.waitpid(pid, 0)[1]]
    if broken_off:
        raise SystemExit(f"the run over the plugins of {', '.join(broken_off)} broke off; --resume goes on with it")
    verdicts = [verdict for bug in chosen if (verdict := kept(folder, bug)) is not None]
    wrong = [each for each in verdicts if not each.holds]
    spent = sum(each.result.cpu_seconds for each in verdicts)
    print(printed(verdicts))
    took = f"{time.monotonic() - began:.0f} s on {os.cpu_count()} cores"
    print(f"{took}; {spent:.0f} s of processor time")
    for each in wrong:
        print(each)
    held = [each for each in verdicts if each.bug.venue not in {one.bug.venue for one in wrong}]
    if held and not some and not options.files:
        TABLE.write_text(page(held, took=None if options.resume else took), encoding="utf-8")
        print(f"wrote {TABLE.relative_to(ROOT)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
