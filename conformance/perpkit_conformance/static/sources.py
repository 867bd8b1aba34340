"""The source of a plugin: the modules of its package, parsed, and its hooks."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import pkgutil
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from perpkit.core.hookspecs import PROJECT


@dataclass(frozen=True)
class Source:
    """One module: its dotted name and its text."""

    name: str
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        """The text, parsed."""
        return ast.parse(self.text, self.name)

    @cached_property
    def imported(self) -> dict[str, str]:
        """What each imported name stands for, so that an alias hides nothing."""
        names = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    names[alias.asname or alias.name.partition(".")[0]] = (
                        alias.name if alias.asname else alias.name.partition(".")[0]
                    )
            elif isinstance(node, ast.ImportFrom) and node.module:
                names.update({alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names})
        return names

    def called(self, node: ast.expr) -> str:
        """Return the dotted name of what is called or read, its first part as imported; empty for anything else."""
        first, _, rest = dotted(node).partition(".")
        return ".".join(filter(None, (self.imported.get(first, first), rest)))


@dataclass(frozen=True)
class HookSource:
    """One implemented hook: its name, where it is, and its parsed definition."""

    name: str
    where: str
    node: ast.FunctionDef | ast.AsyncFunctionDef
    source: Source


def dotted(node: ast.AST) -> str:
    """Return ``a.b.c`` for a chain of names, or an empty string."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = dotted(node.value)
        return f"{inner}.{node.attr}" if inner else ""
    return ""


def sources_of(plugin: Any, package: str | None = None) -> list[Source]:
    """
    Return the modules that a plugin class is made of.

    Args:
        package: A package or module; None takes the package that holds the class's module.
    """
    name = package or _package_of(plugin.__module__)
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        return []
    found = [_read(name, spec.origin)]
    for each in pkgutil.walk_packages(spec.submodule_search_locations or (), f"{name}."):
        inner = importlib.util.find_spec(each.name)
        if inner is not None and inner.origin is not None and inner.origin.endswith(".py"):
            found.append(_read(each.name, inner.origin))
    return found


def _package_of(module: str) -> str:
    parent = module.rpartition(".")[0]
    return parent or module


def _read(name: str, path: str) -> Source:
    return _source(name, Path(path).read_text("utf-8"))


@cache
def _source(name: str, text: str) -> Source:
    """Return the one source of a module, so that its text is parsed once."""
    return Source(name, text)


def hooks_of(plugin: Any) -> Iterator[HookSource]:
    """Yield the hooks that a plugin class implements, its own and inherited ones."""
    for name, function in inspect.getmembers(plugin, inspect.isfunction):
        if not hasattr(function, f"{PROJECT}_impl"):
            continue
        try:
            lines, first = inspect.getsourcelines(function)
        except OSError:
            continue  # made at run time: there is nothing to read, and the other layers judge it
        node = ast.parse(textwrap.dedent("".join(lines))).body[0]
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield HookSource(
                name, f"{function.__module__}:{first}", node, _read(function.__module__, inspect.getfile(function))
            )
