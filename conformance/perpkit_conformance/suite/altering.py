"""
Answers of the venue, altered. What a hook's request was answered is taken from the recordings, changed in one place,
and sent in place of the next answer. So tests can break a wire format that they know nothing of.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

from perpkit.core.errors import PerpkitError
from perpkit.sim.faults import FaultAction
from perpkit_conformance.target import Target

Place = tuple[str | int, ...]
"""Keys and positions from the root of the JSON to a value."""

_RAW = "perpkit raw number "
_RAW_TEXT = re.compile(f'"{_RAW}([^"]*)"')
_NUMBER = re.compile(r"[-+]?\d+(\.\d+)?([eE][-+]?\d+)?")


class Answer:
    """
    One answer of the venue, as JSON whose numbers keep their digits.

    Attributes:
        hook: Whose request it answered.
        tree: The JSON.
    """

    def __init__(self, target: Target, hook: str, body: bytes) -> None:
        self.target = target
        self.hook = hook
        self.tree = json.loads(body, parse_float=lambda text: _RAW + text)

    def at(self, place: Place) -> Any:
        """Return the value at a place."""
        value = self.tree
        for step in place:
            value = value[step]
        return value

    def leaves(self, under: Place = ()) -> Iterator[Place]:
        """Give the place of every value that is no object and no list."""
        value = self.at(under)
        if isinstance(value, dict | list):
            for step in value if isinstance(value, dict) else range(len(value)):
                yield from self.leaves((*under, step))
        else:
            yield under

    def numbers(self, under: Place = ()) -> list[Place]:
        """Return the place of every number, written as one or as text."""
        return [place for place in self.leaves(under) if _is_number(self.at(place))]

    def texts(self, under: Place = ()) -> list[Place]:
        """Return the place of every text that is no number and not empty."""
        found = ((place, self.at(place)) for place in self.leaves(under))
        return [place for place, value in found if isinstance(value, str) and value and not _is_number(value)]

    def rows(self) -> list[Place]:
        """Return the place of every object in the outermost list."""
        queue: list[Place] = [()]
        while queue:
            place = queue.pop(0)
            value = self.at(place)
            if isinstance(value, list):
                return [(*place, number) for number, row in enumerate(value) if isinstance(row, dict | list)]
            if isinstance(value, dict):
                queue += [(*place, key) for key in value]
        return []

    def row_of(self, symbol: str) -> Place:
        """Return the place of a market's row, by the venue's symbol of it."""
        names = self.target.profile.row_names(symbol)
        for place in self.rows():
            if not self.target.profile.is_own_row(self.at(place)):
                continue
            if any(type(value) is type(name) and value == name for value in self._values(place) for name in names):
                return place
        raise AssertionError(f"no row of the answer to {self.hook} holds {symbol!r}")

    def _values(self, place: Place) -> Iterator[Any]:
        for leaf in self.leaves(place):
            yield self.at(leaf)

    def changed(self, *changes: tuple[Place, Any]) -> str:
        """Return the answer's text with other values at some places."""
        tree = copy.deepcopy(self.tree)
        for place, value in changes:
            if not place:
                tree = value
                continue
            _inside(tree, place[:-1])[place[-1]] = value
        return _write(tree)

    def without(self, place: Place) -> str:
        """Return the answer's text with a key or a row left out."""
        tree = copy.deepcopy(self.tree)
        del _inside(tree, place[:-1])[place[-1]]
        return _write(tree)

    async def played(self, body: str, call: Callable[[], Awaitable[Any]]) -> Any:
        """Call while the venue answers so; what the call raises of perpkit's errors is returned."""
        with self.in_place(body):
            try:
                return await self.target.run(call())
            except PerpkitError as error:
                return error

    @contextmanager
    def in_place(self, body: str) -> Iterator[None]:
        """Let the venue answer so to every such request during a ``with`` block."""
        fault = self.target.inject(self.hook, FaultAction.REPLACE, body=body, times=None)
        try:
            yield
        finally:
            self.target.control.faults.remove(fault.id)


async def recorded(
    target: Target, hook: str, call: Callable[[], Awaitable[Any]], *, rows: bool = False
) -> tuple[Any, Answer]:
    """
    Call, and return what came together with the venue's last answer to the hook's request.

    Args:
        rows: Of several answers, the last one that has rows, if any has.
    """
    with target.recordings.during() as part:
        came = await target.run(call())
    wanted = target.profile.http_faults[hook]
    answers = [
        Answer(target, hook, reply.body)
        for reply in part.replies()
        if fnmatchcase(f"{reply.request.method} {urlsplit(reply.request.url).path}", wanted)
    ]
    if not answers:
        raise AssertionError(f"{hook} was called and no request matches the profile's {wanted!r}")
    return came, next((each for each in reversed(answers) if rows and each.rows()), answers[-1])


def name_of(place: Place) -> str:
    """Return the name of a value: the last key on the way to it."""
    return str(next((step for step in reversed(place) if isinstance(step, str)), place))


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, int) or (
        isinstance(value, str) and (value.startswith(_RAW) or _NUMBER.fullmatch(value) is not None)
    )


def _inside(tree: Any, place: Place) -> Any:
    for step in place:
        tree = tree[step]
    return tree


def _write(tree: Any) -> str:
    return _RAW_TEXT.sub(r"\1", json.dumps(tree))
