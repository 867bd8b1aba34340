"""The page that tells how many mutants were killed, and why the others were not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal

from tests.mutation.engine import CRASHED, KILLED, SURVIVED, TIMED_OUT, Outcome
from tests.mutation.mutants import Mutant

LEAST = 85
LEAST_OF_A_FILE = 80

_HEAD = """\
# Mutants of the Paradex plugin

Do the tests notice when the code is wrong? `make mutate` makes small changes to the plugin's source, one at a time, and
runs its unit tests (`tests/adapters/paradex`) on each: a mutant is killed when a test fails, and survives when none
does. The conformance suite and the tests against the local exchange are not asked. The files are those in which
signing, signing in, refusals, encoding, decoding, the streams and the order connection are; those that join them
(`rest`, `session`, `orders`, `venue`) are left to the suite and the local exchange. `loose_json.py` is the core's
reader through which every payload of the plugin goes. The run writes this page; it is not part of continuous
integration.

A change is one of: a comparison or its bound, an operator, a condition forced true or false or one of its parts left
out, a number, a string such as a wire name, an enum's member, `None` in place of a returned or passed value, two
neighboring arguments or elements swapped, a statement left out, the class of an error, an `except` that catches less.
Left alone are the words of messages, annotations, decorators (caches), and what a protocol declares. Mutants that
change nothing that a caller can see are counted as survivors all the same.

The runner is in `tests/mutation`. It is our own because the tables of the venue's words and the schemas stand outside
of functions, where mutmut (3.8) changes nothing, and because starting an interpreter for each mutant, as cosmic-ray
does, takes more than a second where exchanging code takes a tenth of one.
"""

_FIGURES = ["| file | mutants | killed | of these by a time limit | survived | killed |", "|---|--:|--:|--:|--:|--:|"]
_SURVIVORS = ["| in | as it stands | the mutant | why no test fails |", "|---|---|---|---|"]


@dataclass(frozen=True, slots=True)
class Tried:
    """A mutant and what became of it."""

    mutant: Mutant
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Share:
    """How many of some mutants were killed; a run that hangs or dies counts as killed, for the tests end with it."""

    count: int
    killed: int
    hung: int
    crashed: int

    @property
    def percent(self) -> Decimal:
        """Killed per hundred, cut to a tenth; 100 of none."""
        if not self.count:
            return Decimal(100)
        return (Decimal(100 * self.killed) / self.count).quantize(Decimal("0.1"), ROUND_FLOOR)

    def __str__(self) -> str:
        return f"{self.killed} of {self.count} killed, {self.percent} % ({self.hung} hung, {self.crashed} crashed)"


def share(tried: Sequence[Tried]) -> Share:
    """Count."""
    verdicts = Counter(each.outcome.verdict for each in tried)
    killed = verdicts[KILLED] + verdicts[TIMED_OUT] + verdicts[CRASHED]
    return Share(len(tried), killed, verdicts[TIMED_OUT], verdicts[CRASHED])


def page(tried: Sequence[Tried], known: Mapping[str, str]) -> str:
    """Return the page as Markdown."""
    files = list(dict.fromkeys(each.mutant.file for each in tried))
    lines = [
        _HEAD,
        "| file | mutants | killed | of these by a time limit | survived | killed |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name in [*files, ""]:
        part = share([each for each in tried if name in {each.mutant.file, ""}])
        title = f"`{name}.py`" if name else "all"
        survived = part.count - part.killed
        lines.append(f"| {title} | {part.count} | {part.killed} | {part.hung} | {survived} | {part.percent} % |")
    lines += ["", "## Survivors", ""]
    survivors = [each.mutant for each in tried if each.outcome.verdict == SURVIVED]
    if not survivors:
        lines.append("None.")
    for name in files:
        ours = [each for each in survivors if each.file == name]
        if ours:
            lines += [
                f"### {name}.py",
                "",
                "| in | as it stands | the mutant | why no test fails |",
                "|---|---|---|---|",
            ]
            lines += [
                f"| {_code(each.scope or 'the module')} | {_code(each.before)} | {_code(each.after)} "
                f"| {known.get(each.name, '**not explained**')} |"
                for each in ours
            ]
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _code(text: str) -> str:
    """Return text as code in a table's cell."""
    fence = "``" if "`" in text else "`"
    return f"{fence}{text}{fence}".replace("|", "\\|")
