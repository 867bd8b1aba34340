"""
How things are measured here: every subject does the same work in one process and one run, in turns, so that a busy
moment of the machine falls on all of them. Work that waits for nothing is measured in processor time, which other
processes don't lengthen. Ratios are of figures of the same run.
"""

from __future__ import annotations

import gc
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import process_time


@dataclass(frozen=True)
class Row:
    """One subject's figures, by name; each name says its unit."""

    subject: str
    figures: Mapping[str, float]


@dataclass(frozen=True)
class Ratio:
    """
    How two subjects compare.

    Attributes:
        what: In words, for example ``faster than ccxt``.
        value: The figure.
        goal: What it should be at least, or at most where ``at_most`` is set; None where nothing is set.
    """

    what: str
    value: float
    goal: float | None = None
    at_most: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        if self.goal is None:
            return None
        return self.value <= self.goal if self.at_most else self.value >= self.goal


@dataclass(frozen=True)
class Result:
    """What one benchmark found."""

    name: str
    what: str
    rows: Sequence[Row]
    ratios: Sequence[Ratio]
    notes: Sequence[str] = field(default_factory=tuple)


Batch = Callable[[int], object]
"""Does the work so many times."""


def in_turns(subjects: Mapping[str, Batch], *, rounds: int = 21, seconds: float = 0.15) -> dict[str, list[float]]:
    """
    Return the processor seconds that one piece of work took each subject, one figure a round.

    A round runs every subject once, for about ``seconds``. The first round warms up and is not counted.
    """
    loops = {}
    for name, batch in subjects.items():
        count = 1
        while True:
            began = process_time()
            batch(count)
            took = process_time() - began
            if took > seconds / 10:
                loops[name] = max(1, round(count * seconds / took))
                break
            count *= 4
    found: dict[str, list[float]] = {name: [] for name in subjects}
    gc.collect()
    for number in range(rounds + 1):
        for name, batch in subjects.items():
            began = process_time()
            batch(loops[name])
            took = process_time() - began
            if number:
                found[name].append(took / loops[name])
    return found


def percentile(samples: Sequence[float], share: float) -> float:
    """Return the smallest sample that at least this share of them does not exceed."""
    ordered = sorted(samples)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def rows_in_us(samples: Mapping[str, Sequence[float]]) -> list[Row]:
    """Return a row for each subject: the median over the rounds, and the middle half's width, in microseconds."""
    return [
        Row(
            name,
            {
                "median us": statistics.median(values) * 1e6,
                "half of rounds within us": (percentile(values, 0.75) - percentile(values, 0.25)) * 1e6,
            },
        )
        for name, values in samples.items()
    ]


def times_faster(samples: Mapping[str, Sequence[float]], ours: str, theirs: str) -> float:
    """Return the median, over the rounds, of how many times longer theirs took than ours in the same round."""
    return statistics.median(b / a for a, b in zip(samples[ours], samples[theirs], strict=True))
