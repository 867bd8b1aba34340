"""Where the reading of a history has to begin after a loss, so that nothing is missed and little is read twice."""

from __future__ import annotations

from datetime import datetime, timedelta


class ResumePoint:
    """
    While a stream is followed without a break, everything up to its newest entry has been seen. A break pins that
    moment: entries of the next connection are newer than what was missed, and must not move the point past it, however
    many connections it takes until the history has been read.

    Args:
        overlap: How far before the newest entry to begin: venues write late, and not in order.

    Attributes:
        newest: The time of the newest entry seen.
    """

    __slots__ = ("_overlap", "_pinned", "_start", "newest")

    def __init__(self, overlap: timedelta) -> None:
        self._overlap = overlap
        self._start: datetime | None = None
        self._pinned: datetime | None = None
        self.newest: datetime | None = None

    @property
    def since(self) -> datetime | None:
        """From when on to read; None before :meth:`begin` as long as nothing was seen."""
        if self._pinned is not None:
            return self._pinned
        return self._start if self.newest is None else self.newest - self._overlap

    def begin(self, at: datetime) -> None:
        """Nothing before this counts."""
        self._start = self._pinned = at

    def broke(self) -> None:
        """The stream is gone. What was pinned by an earlier break, and not read since, stays."""
        self._pinned = self.since

    def read_to(self, newest: datetime) -> None:
        """A reading from ``since`` on was whole, and its newest entry was of this time."""
        if self._pinned is not None:
            self._pinned = max(self._pinned, newest - self._overlap)

    def followed(self) -> None:
        """What was missed has been read, and the stream is followed again."""
        self._pinned = None
