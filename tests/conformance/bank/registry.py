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

from perpkit_conformance.__main__ import HERE

from tests.conformance import bank
from tests.conformance.bank.seams import digest, has_shadow, seams_of

SUITE = HERE / "suite"
GOOD = {
    "paradex": "perpkit.adapters.paradex.venue:ParadexVenue",
    "extended": "perpkit.adapters.extended.venue:ExtendedVenue",
    "lighter": "perpkit.adapters.lighter.venue:LighterVenue",
}
"""The good plugin of each venue that has broken ones, in a package of the venue's name beside this module."""

P = TypeVar("P", bound=type)
_bugs: dict[str, Bug] = {}
_shadowed: dict[str, type] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Bug:
    """
    A broken plugin, or the good one.

    Attributes:
        venue: Whose plugin it is.
        path: ``module:Class``, as ``--venue-plugin`` takes it.
        what: The bug, in a sentence.
        rules: The rules that are there to catch it; none are of the good plugin.
        knock_on: Rules that fail with them: what they look at really is wrong too.
        checks: Which checks of the catalogue it stands for.
        mistakes: Which of the founding mistakes (M1 to M22) it repeats.
        crashes: An error of Python itself, such as a NameError, is the bug.
        seams: See :func:`tests.conformance.bank.seams.seams_of`.
        has_shadow: See :mod:`tests.conformance.bank.shadows`.
        digest: Another one once its code has changed; none of the good plugin.
    """

    name: str
    venue: str
    path: str
    what: str
    rules: frozenset[str]
    knock_on: frozenset[str] = frozenset()
    checks: tuple[str, ...] = ()
    mistakes: tuple[str, ...] = ()
    crashes: bool = False
    seams: frozenset[str] | None = None
    has_shadow: bool = False
    digest: str = ""

    @property
    def must_fail(self) -> frozenset[str]:
        """Every rule that must fail."""
        return self.rules | self.knock_on


def broken(
    *, rules: str, checks: str, knock_on: str = "", mistakes: str = "", crashes: bool = False
) -> Callable[[P], P]:
    """Enter a plugin class into the bank; ids are separated by blanks."""

    def enter(plugin: P) -> P:
        name = plugin.__name__
        if name in _bugs:
            raise ValueError(f"two broken plugins are called {name}")
        venue = plugin.__module__.removeprefix(f"{bank.__name__}.").partition(".")[0]
        good = good_class(venue)
        if has_shadow(plugin, good):
            _shadowed[name] = plugin
        _bugs[name] = Bug(
            name=name,
            venue=venue,
            path=f"{plugin.__module__}:{name}",
            what=" ".join((inspect.getdoc(plugin) or "").split()),
            rules=frozenset(rules.split()),
            knock_on=frozenset(knock_on.split()),
            checks=tuple(checks.split()),
            mistakes=tuple(mistakes.split()),
            crashes=crashes,
            seams=seams_of(plugin, good),
            has_shadow=name in _shadowed,
            digest=digest(plugin, good),
        )
        return plugin

    return enter


@cache
def good_class(venue: str) -> type:
    """Return the good plugin of a venue."""
    module, _, name = GOOD[venue].partition(":")
    found: type = getattr(importlib.import_module(module), name)
    return found


def the_good(venue: str) -> Bug:
    """Return the good plugin of a venue in the shape of a broken one: it must fail nothing."""
    name = GOOD[venue].partition(":")[2]
    return Bug(name=name, venue=venue, path=GOOD[venue], what="The good plugin.", rules=frozenset())


@cache
def bugs() -> tuple[Bug, ...]:
    """Return every bug, by venue and file and in the order in which it is written there."""
    for venue in GOOD:
        package = importlib.import_module(f"{bank.__name__}.{venue}")
        for each in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(each.name)
    return tuple(_bugs.values())


def with_shadows(venue: str) -> dict[str, type]:
    """Return the classes of a venue's broken plugins that have a shadow, by name."""
    return {bug.name: _shadowed[bug.name] for bug in bugs() if bug.venue == venue and bug.has_shadow}


@cache
def _rules_by_file() -> dict[Path, frozenset[str]]:
    found = {}
    for path in sorted(SUITE.glob("test_*.py")):
        found[path] = frozenset(re.findall(r"""mark\.rule\(\s*["']([a-z-]+)["']""", path.read_text("utf-8")))
    return found


def rules_with_tests() -> frozenset[str]:
    """Return every rule that a test of the suite proves without a real venue."""
    return frozenset().union(*(rules for path, rules in _rules_by_file().items() if path.name != "test_live.py"))


def rules_in(files: Iterable[Path]) -> frozenset[str]:
    """Return the rules that have tests in these files."""
    return frozenset().union(*(_rules_by_file()[path] for path in files))


def files_of(rules: Iterable[str]) -> list[Path]:
    """Return the suite's files that hold tests of any of these rules."""
    wanted = set(rules)
    return [path for path, held in _rules_by_file().items() if held & wanted]
