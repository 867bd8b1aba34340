"""
What a bug can change, and which tests pass through it: the methods of the plugin, and the paths of its requests.

A test that passes through none of what a broken plugin has otherwise than the good one can't tell them apart, and needs
not be run over it; nor need a test in which what it has otherwise does the same, see ``shadows``. So the whole suite is
decided without running all of it hundreds of times.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from http import HTTPStatus
from types import CodeType
from typing import Any
from unittest import mock

from perpkit.core.hookspecs import PROJECT
from perpkit.core.transport.http import HttpClient
from tests.conformance.bank.fields import FieldsRead
from tests.conformance.bank.shadows import SHADOWED, Shadows, is_wire, overridden, touches_the_world
from tests.conformance.bank.watched import Outcome

_SHAPED_BY_ITSELF = "seams"


def seams_of(plugin: type, good: type) -> frozenset[str] | None:
    """
    Return the methods of the good plugin and the paths of requests in which a broken one differs.

    Returns:
        None where that can't be told by its methods: it is made in another way, or has another signature or a further
        hook. A base class that knows better says so by a class method ``seams``.
    """
    found: set[str] = set()
    for each in plugin.__mro__[: plugin.__mro__.index(good)]:
        if _SHAPED_BY_ITSELF in vars(each):
            own = plugin.seams()  # type: ignore[attr-defined]
            if own is None:
                return None
            found |= own
            continue
        for name, value in vars(each).items():
            if name.startswith("__") and inspect.isfunction(value):
                return None
            if not hasattr(good, name):
                if hasattr(value, f"{PROJECT}_impl"):
                    return None
            elif not name.startswith("__"):
                if not _is_alike(value, getattr(good, name)):
                    return None
                found.add(name)
    return frozenset(found)


def has_shadow(plugin: type, good: type) -> bool:
    """Tell whether all that a broken plugin has otherwise are methods, or what it does on the wire."""
    for each in plugin.__mro__[: plugin.__mro__.index(good)]:
        if _SHAPED_BY_ITSELF in vars(each) and not is_wire(plugin):
            return False
        for name, value in vars(each).items():
            if name.startswith("__"):
                if inspect.isfunction(value) and name not in SHADOWED:
                    return False
            elif (
                hasattr(value, f"{PROJECT}_impl")
                if not hasattr(good, name)
                else not _is_alike(value, getattr(good, name))
            ):
                return False
    return not touches_the_world(plugin, good) and (is_wire(plugin) or bool(overridden(plugin, good)))


def digest(plugin: type, good: type) -> str:
    """Return what is another text once the code of a broken plugin, or of its stream, has changed."""
    spoiled = getattr(plugin, "stream_type", object)
    found = hashlib.sha256()
    for each in (*plugin.__mro__[: plugin.__mro__.index(good)], *spoiled.__mro__[:-1]):
        for name, value in sorted(vars(each).items()):
            called = next((getattr(value, of) for of in _HELD_AS if hasattr(value, of)), value)
            shown = _code(called.__code__) if inspect.isfunction(called) else repr(value) if _is_value(value) else ""
            found.update(f"{name} {shown}".encode())
    return found.hexdigest()[:16]


_HELD_AS = ("__func__", "fget", "func")
"""Where static and class methods, properties and cached ones hold their function."""


def _code(code: CodeType) -> str:
    """Return the code of a function with that of the functions in it, wherever in a file it stands."""
    return f"{code.co_code.hex()} {code.co_names} {[_constant(each) for each in code.co_consts]}"


def _constant(value: object) -> str:
    if isinstance(value, CodeType):
        return _code(value)
    # A set has another order in each process.
    return repr(sorted(map(repr, value)) if isinstance(value, frozenset) else value)


def _is_value(value: object) -> bool:
    return isinstance(value, str | int | tuple | None)


def _is_alike(value: Any, good: Any) -> bool:
    return (
        inspect.isfunction(value)
        and inspect.iscoroutinefunction(value) == inspect.iscoroutinefunction(good)
        and list(inspect.signature(value).parameters) == list(inspect.signature(good).parameters)
    )


class Recording:
    """
    What a test passes through: the methods of the good plugin that are called, the paths that it asks for with those
    above them, and the names of the broken plugins that would have done otherwise. Beside a method or path that comes
    a second time there is ``PATH again``; where the venue refuses there are ``PATH refused`` and ``status 429``.
    """

    def __init__(self, shadows: Shadows, seen: set[str], fields: FieldsRead) -> None:
        self._shadows = shadows
        self._seen = seen
        self._fields = fields

    def begin(self) -> None:
        """Forget the test before."""
        self._shadows.forget()
        self._fields.begin()
        self._seen.clear()

    def note(self, method: str) -> None:
        """Add a method, and every broken plugin that has it otherwise."""
        self._seen |= {method, *self._shadows.named(method)}

    def end(self) -> set[str]:
        """Return what was seen since the beginning."""
        return self._seen | self._shadows.told_apart_by_fields()


@contextmanager
def recorded(good: type, broken: Mapping[str, type]) -> Iterator[Recording]:
    """
    Record what tests pass through.

    Args:
        broken: The classes of those broken plugins that have a shadow, by name.
    """
    seen: set[str] = set()
    fields = FieldsRead()
    shadows = Shadows(broken, good, seen, fields)
    ask = HttpClient.request

    async def asked(self: HttpClient, method: str, path: str, **given: Any) -> Any:
        shadows.refuse()
        ends = (*(each.start() for each in re.finditer("/", path)), len(path))
        paths = {path[:end] or "/" for end in ends}
        seen.update([f"{each} again" for each in paths & seen])
        seen.update(paths)
        outcome: Outcome = (False, asyncio.CancelledError())
        try:
            outcome = (True, await ask(self, method, path, **given))
        finally:
            shadows.compare_wire(self, method, path, given, outcome)
        status = outcome[1].status
        if status >= HTTPStatus.BAD_REQUEST:
            seen.update([f"status {status}", *(f"{each} refused" for each in paths)])
        return outcome[1]

    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(HttpClient, "request", asked))
        for each in good.__mro__[:-1]:
            for name, value in vars(each).items():
                if inspect.isfunction(value) and (not name.startswith("__") or name in SHADOWED):
                    stack.enter_context(mock.patch.object(each, name, _noting(shadows, seen, name, value)))
        if "__repr__" not in vars(good):
            shown = _noting(shadows, seen, "__repr__", object.__repr__)
            stack.enter_context(mock.patch.object(good, "__repr__", shown))
        stack.enter_context(fields.noted())
        yield Recording(shadows, seen, fields)


def _noting(shadows: Shadows, seen: set[str], name: str, value: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(value)

    def arguments(args: tuple[Any, ...], given: dict[str, Any]) -> tuple[Any, ...]:
        bound = signature.bind(*args, **given)
        bound.apply_defaults()
        return (*bound.args[1:], *bound.kwargs.items())

    if inspect.iscoroutinefunction(value):

        @functools.wraps(value)
        async def awaited(*args: Any, **given: Any) -> Any:
            own = arguments(args, given)
            is_shadow, told = shadows.played(name, own)
            if is_shadow:
                return told
            seen.add(name)
            outcome: Outcome = (False, None)
            try:
                outcome = (True, await value(*args, **given))
            except BaseException as error:
                outcome = (False, error)
                raise
            finally:
                shadows.compare(args[0], name, own, outcome)
            return outcome[1]

        return awaited

    @functools.wraps(value)
    def called(*args: Any, **given: Any) -> Any:
        own = arguments(args, given)
        is_shadow, told = shadows.played(name, own)
        if is_shadow:
            return told
        seen.add(f"{name} again" if name in seen else name)
        outcome: Outcome = (False, None)
        try:
            outcome = (True, value(*args, **given))
        except BaseException as error:
            outcome = (False, error)
            raise
        finally:
            shadows.compare(args[0], name, own, outcome)
        return outcome[1] if name != "open_stream" else shadows.opened(args[0], outcome[1])

    return called
