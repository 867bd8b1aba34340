"""Ids and sequence numbers that follow from the seed: growing, with holes, and too large for a 64-bit float."""

from __future__ import annotations

import hashlib
import random

FIRST = 1_700_000_000_000_000_000_000
"""Where ids begin unless a venue has shorter ones."""


class Ids:
    """
    The exchange's only source of names.

    Real venues' numbers grow without being consecutive; a client that counts on +1 shall meet that here. ``first`` is
    the number that ids begin a little above.
    """

    def __init__(self, seed: int, first: int = FIRST) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - reproducible, not secret
        self._seed = seed
        self._number = first + self._rng.randrange(10**12)
        self._sequence = 1_700_000_000_000_000 + self._rng.randrange(10**6)

    def next_id(self) -> str:
        """Return a new id in decimal digits, as many as the first one's, above all before."""
        self._number += self._rng.randrange(1, 10**6)
        return str(self._number)

    def next_sequence(self) -> int:
        """Return a new sequence number, above all before."""
        self._sequence += self._rng.randrange(1, 6)
        return self._sequence

    def name_of(self, *parts: str) -> str:
        """Return a stable id for something that is known by its parts, such as a position."""
        return hashlib.sha256("/".join([str(self._seed), *parts]).encode()).hexdigest()[:32]
