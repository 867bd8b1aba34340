"""One way in which something sent is not what the venue's contract says, and the words for it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass

_NEAR = 0.6
_VARIABLE = re.compile(r"\{[^}]*\}|\[[^\]]*\]")


@dataclass(frozen=True, slots=True)
class Breach:
    """
    One breach of a contract.

    Attributes:
        where: ``GET /api/v1/account`` or ``WS subscribe``.
        problem: ``by='address' is not one of index, l1_address``.
        operation: What the plugin called it, where it said.
    """

    where: str
    problem: str
    operation: str = ""

    def __str__(self) -> str:
        return f"{self.where}: {self.problem}"


def listing(names: Iterable[object], *, none: str = "none") -> str:
    """Return names in one line, in the order given."""
    return ", ".join(map(str, names)) or none


def nearest(name: str, known: Iterable[str], *, count: int = 3) -> str:
    """Return `` (nearest: …)`` for a name that is not known, or nothing when none comes near."""
    wanted = _words(name)

    def likeness(other: str) -> tuple[float, float]:
        words = _words(other)
        shared = len(wanted & words) / len(wanted | words) if wanted | words else 0.0
        return shared, difflib.SequenceMatcher(None, name.lower(), other.lower()).ratio()

    ranked = sorted(((likeness(other), other) for other in known), key=lambda each: (-each[0][0], -each[0][1], each[1]))
    near = [other for (shared, ratio), other in ranked if shared > 0 or ratio >= _NEAR][:count]
    return f" (nearest: {listing(near)})" if near else ""


def _words(name: str) -> frozenset[str]:
    """Return the words of a path, a channel or a field, without a plural's s."""
    return frozenset(word.lower().rstrip("s") for word in re.findall(r"[A-Za-z]{3,}", _VARIABLE.sub("", name)))
