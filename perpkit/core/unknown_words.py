"""What a venue says and perpkit does not know, told once for each word, so that somebody teaches it."""

from __future__ import annotations

import logging

_MOST = 1000
"""Words remembered of one table: foreign text can grow neither the memory nor the log without bound."""
_LONGEST = 60
"""Letters of a word that are shown."""


class UnknownWords:
    """
    The unknown words of one table of a venue.

    Args:
        venue: Whose words they are.
        log: Where they are told, as warnings.
    """

    def __init__(self, venue: str, log: logging.Logger) -> None:
        self._venue = venue
        self._log = log
        self._told: set[tuple[str, str]] = set()

    def report(self, what: str, word: str) -> None:
        """
        Tell of a word, the first time that it is met.

        Args:
            what: What it is a word for, to stand behind "a": ``kind of trade``.
        """
        key = (what, word[:_LONGEST])
        if key not in self._told and len(self._told) < _MOST:
            self._told.add(key)
            self._log.warning("%s uses a %s that perpkit does not know: %r; please report it", self._venue, *key)
