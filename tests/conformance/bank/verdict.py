"""What a run over a plugin says of it, the kill table, and how either is printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from perpkit_conformance.rules import rules

from tests.conformance.bank.probe import Result
from tests.conformance.bank.registry import GOOD, Bug, rules_with_tests

_CRASHES = frozenset(
    {
        *("AttributeError", "ImportError", "IndexError", "KeyError", "NameError", "StopIteration", "TypeError"),
        *("UnboundLocalError", "ValueError"),
    }
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    What a run over one plugin says.

    Attributes:
        wanted: The rules that must fail, of those that were decided.
        trouble: Why there is no result.
    """

    bug: Bug
    wanted: frozenset[str]
    result: Result
    trouble: str = ""

    @classmethod
    def of(cls, bug: Bug, decided: frozenset[str], came: Result | str) -> Verdict:
        """Judge what came of a run that decided these rules."""
        wanted = bug.must_fail & decided
        return cls(bug, wanted, Result(), came) if isinstance(came, str) else cls(bug, wanted, came)

    @property
    def missed(self) -> list[str]:
        """Rules that should have failed."""
        return sorted(self.wanted - self.result.failed.keys())

    @property
    def extra(self) -> list[str]:
        """Rules that failed and should not have."""
        return sorted(self.result.failed.keys() - self.bug.must_fail)

    @property
    def crashed(self) -> list[str]:
        """Rules that failed by an error of Python itself, where that is not the bug."""
        if self.bug.crashes:
            return []
        return sorted(rule for rule, failure in self.result.failed.items() if failure.kind in _CRASHES)

    @property
    def word(self) -> str:
        """``killed``, or ``passed`` for the good plugin; anything else is a failure of this run."""
        if self.trouble:
            return "no result"
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

    def __str__(self) -> str:
        """Say it in a line, and in a further one whatever is not as it should be."""
        bug, spent = self.bug, self.result.cpu_seconds
        lines = [f"{self.word:11} {spent:5.1f} s  {bug.venue} {bug.name}: {' '.join(sorted(bug.rules)) or 'nothing'}"]
        if self.trouble:
            lines.append(f"    {self.trouble}")
        for name in ("missed", "extra", "crashed"):
            for rule in getattr(self, name):
                failure = self.result.failed.get(rule)
                lines.append(
                    f"    {name} {rule}" + (f": {failure.test}: {failure.kind}: {failure.text}" if failure else "")
                )
        return "\n".join(lines)


def totals(verdicts: Sequence[Verdict]) -> list[str]:
    """Return what the kill table says in sum, a sentence each."""
    broken = [each for each in verdicts if each.bug.rules]
    killed = sum(each.word == "killed" for each in broken)
    aimed = {rule for each in broken for rule in each.bug.rules}
    failing = aimed | {rule for each in broken for rule in each.bug.knock_on}
    tested = rules_with_tests()
    return [
        f"{killed} of {len(broken)} broken plugins fail exactly the rules that they should.",
        f"{len(failing & tested)} of the {len(tested)} rules with tests kill something, {len(aimed & tested)} of them "
        f"have a plugin that is aimed at them; {len(rules())} rules in all.",
    ]


def page(verdicts: Sequence[Verdict], *, took: str | None) -> str:
    """
    Return the kill table as Markdown.

    Args:
        took: How long the run was by the clock; None where it went on with an earlier one.
    """
    days = sorted({each.result.day for each in verdicts})
    spent = sum(each.result.cpu_seconds for each in verdicts)
    venues = list(dict.fromkeys(each.bug.venue for each in verdicts))
    others = [venue.capitalize() for venue in GOOD if venue not in venues]
    left_out = f"Not shown: {', '.join(others)}, whose broken plugins are not all judged yet. " if others else ""
    by_the_clock = f": {took}" if took else ""
    lines = [
        "# The kill table",
        "",
        "The suite is held against deliberately broken plugins: each is a good plugin with one real bug in it, and "
        "must fail the rules that are there to catch that bug, with those that look at the same wrong thing, and no "
        "others. The good plugins must pass. `make bank` runs all of it and writes this page; the plugins are in "
        "`tests/conformance/bank`, and what none of them is aimed at is in `holes.md` there.",
        "",
        *(f"{each}  " for each in totals(verdicts)),
        f"{left_out}Run on {' and '.join(days)}, in {spent:.0f} seconds of processor time{by_the_clock}.",
        "",
    ]
    for venue in venues:
        lines += [
            f"## {venue.capitalize()}",
            "",
            "| plugin | its bug | checks | mistakes | rules that catch it | rules that fail with them | verdict |",
            "|---|---|---|---|---|---|---|",
            *(f"{row(each.bug)} {each.word} |" for each in verdicts if each.bug.venue == venue),
            "",
        ]
    return "\n".join(lines)


def row(bug: Bug) -> str:
    """Return what the kill table says of a plugin before it was run."""
    caught, others = (
        ", ".join(f"[`{rule}`](rules/{rule}.md)" for rule in sorted(each)) for each in (bug.rules, bug.knock_on)
    )
    cells = (bug.name, bug.what.replace("|", "\\|"), ", ".join(bug.checks), ", ".join(bug.mistakes), caught, others)
    return f"| {' | '.join(cells)} |"


def printed(verdicts: Sequence[Verdict]) -> str:
    """Return the kill table for a terminal."""
    width = max(len(each.bug.name) for each in verdicts)
    rows = []
    for each in verdicts:
        bug = each.bug
        more = f" (+ {' '.join(sorted(bug.knock_on))})" if bug.knock_on else ""
        rows.append(f"{each.word:11} {bug.name:{width}}  {' '.join(sorted(bug.rules)) or '-'}{more}")
    return "\n".join([*rows, "", *totals(verdicts)])
