"""
Which fields of the markets a test reads, found out while the good plugin runs: a broken plugin that has only some
fields otherwise can't be told from it by a test that reads none of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from perpkit.core.models import Market
from tests.conformance.bank.watched import Outcome

_ALL = frozenset(Market.model_fields)
_OF_THE_ID = frozenset({"instrument", "venue"})


class FieldsRead:
    """The fields of any market that were read since the beginning, whoever read them."""

    def __init__(self) -> None:
        self._read: set[str] = set()
        self._paused = False

    def begin(self) -> None:
        """Forget what was read before."""
        self._read.clear()

    def any_of(self, fields: frozenset[str]) -> bool:
        """Tell whether one of these was read."""
        return not self._read.isdisjoint(fields)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Note nothing: what shadows and comparing read is nobody's business."""
        before, self._paused = self._paused, True
        try:
            yield
        finally:
            self._paused = before

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note each field that is read."""
        ordinary = Market.__getattribute__

        def read(market: Market, name: str) -> Any:
            if not self._paused:
                if name in _ALL:
                    self._read.add(name)
                elif name == "id":
                    # It is kept beside the fields, so making it looks at all of them.
                    self._read |= _OF_THE_ID
                    with self.paused():
                        return ordinary(market, name)
                elif name == "__dict__":
                    # Comparing, copying, showing and writing out: each reads all of them, and by this way.
                    self._read |= _ALL
            return ordinary(market, name)

        with mock.patch.object(Market, "__getattribute__", read):
            yield


def changed(one: Outcome, other: Outcome) -> frozenset[str] | None:
    """Return which fields of listed markets two outcomes have otherwise; None where they differ in more than that."""
    mine, good = one[1], other[1]
    if not (one[0] and other[0] and isinstance(mine, list) and isinstance(good, list) and len(mine) == len(good)):
        return None
    if not all(type(each) is Market for each in (*mine, *good)):
        return None
    pairs = [(vars(each), vars(like)) for each, like in zip(mine, good, strict=True)]
    # By how they are shown, to the last digit: 1.0 is not 1.00.
    return frozenset(name for name in _ALL for one, other in pairs if repr(one[name]) != repr(other[name]))
