"""What a plugin holds in memory: how many things lie in its own containers, found by walking from it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

from perpkit.core.context import VenueContext
from perpkit.core.models import Model

_CONTAINERS = (dict, list, set, frozenset, tuple, deque)
_LEAVES = (str, bytes, int, float, type, ModuleType, FunctionType, BuiltinFunctionType, Model, VenueContext)
"""Not walked into: what can hold nothing, what is everybody's, and the context, which is the core's."""
_CORE = "perpkit.core"
_OTHERS = frozenset({"perpkit_conformance", "asyncio", "_asyncio", "aiohttp", "logging", "pluggy", "msgspec", "random"})


def holdings(*roots: object) -> dict[str, int]:
    """
    Return how many things each container of a plugin holds, by the way to it.

    The walk begins at the plugin and at its opened venue, whose streams are the plugin's too, and goes through the
    core's objects without counting what they hold: its memory is bounded by tests of its own.
    """
    found: dict[str, int] = {}
    seen: set[int] = set()
    queue: list[tuple[str, Any, bool]] = [(type(root).__name__, root, False) for root in reversed(roots)]
    while queue:
        path, value, of_plugin = queue.pop()
        if isinstance(value, MethodType):
            value = value.__self__
        home = type(value).__module__
        if id(value) in seen or isinstance(value, _LEAVES) or home.partition(".")[0] in _OTHERS:
            continue
        seen.add(id(value))
        if isinstance(value, _CONTAINERS):
            if of_plugin:
                found[path] = max(found.get(path, 0), len(value))
            inner = value.values() if isinstance(value, dict) else value
            queue += [(f"{path}[]", each, of_plugin) for each in list(inner)]
        elif not home.startswith("perpkit.sim"):
            queue += [(f"{path}.{name}", each, not home.startswith(_CORE)) for name, each in _attributes(value)]
    return found


def _attributes(value: object) -> Iterator[tuple[str, Any]]:
    yield from getattr(value, "__dict__", {}).items()
    for kind in type(value).__mro__:
        for name in getattr(kind, "__slots__", ()) or ():
            if isinstance(name, str) and hasattr(value, name):
                yield name, getattr(value, name)


def grown(before: dict[str, int], after: dict[str, int]) -> dict[str, int]:
    """Return by how much each container grew."""
    return {path: size - before.get(path, 0) for path, size in after.items() if size > before.get(path, 0)}
