"""What is known of each broken plugin: which rules it must fail, which checks and founding mistakes that covers."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TypeVar

import msgspec
from perpkit_conformance.__main__ import HERE

from tests.conformance import bank

SUITE = HERE / "suite"
KNOCK_ON = Path(__file__).parent / "data" / "knock_on.json"
GOOD = "perpkit.adapters.paradex.venue:ParadexVenue"

P = TypeVar("P", bound=type)
_bugs: dict[str, Bug] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """
    A broken plugin.

    Attributes:
        path: ``module:Class``, as ``--venue-plugin`` takes it.
        what: The bug, in a sentence.
        rules: The rules that are there to catch it.
        knock_on: Rules that fail with them, because they look at the same figures on another way.
        checks: Which checks of the catalogue it stands for.
        mistakes: Which of the founding mistakes (M1 to M22) it repeats.
        crashes: An error of Python itself, such as a NameError, is the bug.
    """

    name: str
    path: str
    what: str
    rules: frozenset[str]
    knock_on: frozenset[str] = frozenset()
    checks: tuple[str, ...] = ()
    mistakes: tuple[str, ...] = ()
    crashes: bool = False

    @property
    def files(self) -> list[Path]:
        """The suite's files that hold tests of its rules."""
        return files_of(self.rules)

    def must_fail(self, files: Iterable[Path]) -> frozenset[str]:
        """Return every rule that must fail when these files are run."""
        return (self.rules | self.knock_on) & rules_in(files)


def broken(*, rules: str, checks: str, mistakes: str = "", crashes: bool = False) -> Callable[[P], P]:
    """Enter a plugin class into the bank; ids are separated by blanks."""

    def enter(plugin: P) -> P:
        name = plugin.__name__
        if name in _bugs:
            raise ValueError(f"two broken plugins are called {name}")
        _bugs[name] = Bug(
            name=name,
            path=f"{plugin.__module__}:{name}",
            what=" ".join((inspect.getdoc(plugin) or "").split()),
            rules=frozenset(rules.split()),
            knock_on=frozenset(_knock_on().get(name, ())) - frozenset(rules.split()),
            checks=tuple(checks.split()),
            mistakes=tuple(mistakes.split()),
            crashes=crashes,
        )
        return plugin

    return enter


@cache
def bugs() -> tuple[Bug, ...]:
    """Return every bug, by file and in the order in which it is written there."""
    for each in pkgutil.walk_packages(bank.__path__, f"{bank.__name__}."):
        last = each.name.rpartition(".")[2]
        if last not in {"run", "probe", "registry", "tamper"} and not last.startswith("test_"):
            importlib.import_module(each.name)
    return tuple(_bugs.values())


@cache
def _knock_on() -> dict[str, list[str]]:
    known: dict[str, list[str]] = msgspec.json.decode(KNOCK_ON.read_bytes())
    return known


@cache
def _rules_by_file() -> dict[Path, frozenset[str]]:
    found = {}
    for path in sorted(SUITE.glob("test_*.py")):
        found[path] = frozenset(re.findall(r"""mark\.rule\(\s*["']([a-z-]+)["']""", path.read_text("utf-8")))
    return found


def tested_rules() -> frozenset[str]:
    """Return every rule that a test of the suite proves without a real venue."""
    return frozenset().union(*(rules for path, rules in _rules_by_file().items() if path.name != "test_live.py"))


def rules_in(files: Iterable[Path]) -> frozenset[str]:
    """Return the rules that have tests in these files."""
    return frozenset().union(*(_rules_by_file()[path] for path in files))


def files_of(rules: Iterable[str]) -> list[Path]:
    """Return the suite's files that hold tests of any of these rules."""
    wanted = set(rules)
    return [path for path, held in _rules_by_file().items() if held & wanted]
