"""
What a bug can change, and which tests pass through it: the methods of the plugin, and the paths of its requests.

A test that passes through none of what a broken plugin has otherwise than the good one can't tell them apart, and needs
not be run over it. So the whole suite is decided without running all of it 170 times.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

from perpkit.core.hookspecs import PROJECT
from perpkit.core.transport.http import HttpClient

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


def _is_alike(value: Any, good: Any) -> bool:
    return (
        inspect.isfunction(value)
        and inspect.iscoroutinefunction(value) == inspect.iscoroutinefunction(good)
        and list(inspect.signature(value).parameters) == list(inspect.signature(good).parameters)
    )


@contextmanager
def recorded(good: type) -> Iterator[set[str]]:
    """
    Give a set that fills with the methods of the good plugin that are called, and the paths that it asks for with those
    above them.
    """
    seen: set[str] = set()
    ask = HttpClient.request

    async def asked(self: HttpClient, method: str, path: str, *args: Any, **given: Any) -> Any:
        seen.update(path[:end] for end in (*(each.start() for each in re.finditer("/", path)), len(path)) if end)
        return await ask(self, method, path, *args, **given)

    with ExitStack() as stack:
        stack.enter_context(mock.patch.object(HttpClient, "request", asked))
        for each in good.__mro__[:-1]:
            for name, value in vars(each).items():
                if inspect.isfunction(value) and not name.startswith("__"):
                    stack.enter_context(mock.patch.object(each, name, _noting(seen, name, value)))
        yield seen


def _noting(seen: set[str], name: str, value: Callable[..., Any]) -> Callable[..., Any]:
    if inspect.iscoroutinefunction(value):

        @functools.wraps(value)
        async def awaited(*args: Any, **given: Any) -> Any:
            seen.add(name)
            return await value(*args, **given)

        return awaited

    @functools.wraps(value)
    def called(*args: Any, **given: Any) -> Any:
        seen.add(name)
        return value(*args, **given)

    return called
