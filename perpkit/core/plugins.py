"""
Finds venue plugins and middleware by entry point, isolates those that fail to import, and registers one venue with its
wrappers.

Registration is conformance level 0: it fails, naming the plugin and the hook, for a misspelt hook, an unknown argument,
a sync function where an async one is due, or a required hook that is missing. pluggy finds the first two (given a
nudge); the rest is checked here.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pluggy

from perpkit.core import hookspecs
from perpkit.core.errors import ConfigError, PerpkitError, PluginError

log = logging.getLogger(__name__)

VENUES = "perpkit.venues"
MIDDLEWARE = "perpkit.middleware"


@dataclass(frozen=True, slots=True)
class PluginReport:
    """
    One installed plugin, and whether it can be imported.

    Attributes:
        name: The entry point's name.
        distribution: The package that brings it, with its version; None when it can't be told.
        target: ``module:object``.
        error: Why it can't be imported; None when it can, or when that was not tried.
    """

    name: str
    group: str
    distribution: str | None
    target: str
    error: str | None = None


def installed(group: str = VENUES, *, load: bool = False) -> list[PluginReport]:
    """
    List the plugins of a group, sorted by name. Nothing is imported unless ``load`` is set.

    A plugin that fails to import is reported with its error and keeps nobody else from working.
    """
    return sorted((_report(entry, load=load) for entry in entry_points(group=group)), key=lambda each: each.name)


def _report(entry: EntryPoint, *, load: bool) -> PluginReport:
    error = None
    if load:
        try:
            entry.load()
        except (Exception, SystemExit) as failure:  # noqa: BLE001 - foreign code may raise anything; it is reported
            error = f"{type(failure).__name__}: {failure}"
            log.warning("plugin %s (%s) can't be imported: %s", entry.name, entry.value, error)
    return PluginReport(entry.name, entry.group, _distribution(entry), entry.value, error)


def _distribution(entry: EntryPoint) -> str | None:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else None


def load(name: str, group: str = VENUES) -> Any:
    """
    Import one plugin by its entry point's name, and only that one.

    Raises:
        ConfigError: No such plugin is installed; the message lists those that are.
        PluginError: Two packages bring it, or it fails to import.
    """
    found = {(entry.name, entry.value): entry for entry in entry_points(group=group) if entry.name == name}
    if not found:
        names = ", ".join(sorted({entry.name for entry in entry_points(group=group)})) or "none"
        kind = "venue" if group == VENUES else "middleware"
        msg = f"no {kind} plugin named {name!r} is installed (installed: {names})"
        raise ConfigError(msg)
    if len(found) > 1:
        brought = ", ".join(f"{entry.value} ({_distribution(entry)})" for entry in found.values())
        msg = f"{name!r} is brought by more than one package: {brought}; uninstall all but one"
        raise PluginError(msg)
    entry = next(iter(found.values()))
    try:
        return entry.load()
    except PerpkitError:
        raise
    except (Exception, SystemExit) as failure:
        msg = f"plugin {name!r} ({entry.value}, {_distribution(entry)}) fails to import: {failure!r}"
        raise PluginError(msg) from failure


def register(plugin: object, name: str, wrappers: Iterable[object] = ()) -> pluggy.PluginManager:
    """
    Register a venue plugin and its wrappers; the first wrapper is the outermost.

    Raises:
        PluginError: The plugin breaks the interface; the message names the plugin, the hook and what is wrong.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    for spec in hookspecs.SPECS:
        manager.add_hookspecs(spec)
    _register(manager, plugin, name)
    _require_hooks(manager, plugin, name)
    outermost_last = list(wrappers)[::-1]
    for number, wrapper in enumerate(outermost_last):
        wrapper_name = f"{type(wrapper).__name__}-{len(outermost_last) - number}"
        _register(manager, wrapper, wrapper_name)
        _only_wraps(manager, wrapper, wrapper_name)
    return manager


def _register(manager: pluggy.PluginManager, plugin: object, name: str) -> None:
    try:
        manager.register(plugin, name)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        msg = f"plugin {name!r} breaks the venue interface: {_first_line(error)}"
        raise PluginError(msg, venue=name) from error
    for impl in _impls(manager, plugin):
        hook = impl.function.__name__
        if impl.hookwrapper or impl.wrapper:
            continue
        is_async = inspect.iscoroutinefunction(impl.function)
        if hook in hookspecs.SYNC_HOOKS and is_async:
            msg = f"plugin {name!r}: hook {hook!r} must be a plain function, and it is async"
            raise PluginError(msg, venue=name)
        if hook not in hookspecs.SYNC_HOOKS and not is_async:
            msg = f"plugin {name!r}: hook {hook!r} must be an async function, and it is not"
            raise PluginError(msg, venue=name)


def _first_line(error: pluggy.PluginValidationError) -> str:
    return " ".join(str(error).split())


def _require_hooks(manager: pluggy.PluginManager, plugin: object, name: str) -> None:
    missing = sorted(hookspecs.REQUIRED - {impl.function.__name__ for impl in _impls(manager, plugin)})
    if missing:
        msg = f"plugin {name!r} lacks the required hook {', '.join(map(repr, missing))}"
        raise PluginError(msg, venue=name)


def _only_wraps(manager: pluggy.PluginManager, wrapper: object, name: str) -> None:
    for impl in _impls(manager, wrapper):
        if not impl.wrapper:
            hook = impl.function.__name__
            msg = f"middleware {name!r}: hook {hook!r} must be a wrapper (@hookimpl(wrapper=True))"
            raise PluginError(msg, venue=name)


def _impls(manager: pluggy.PluginManager, plugin: object) -> Iterator[pluggy.HookImpl]:
    for caller in manager.get_hookcallers(plugin) or ():
        yield from (impl for impl in caller.get_hookimpls() if impl.plugin is plugin)


def implemented_hooks(manager: pluggy.PluginManager) -> frozenset[str]:
    """Return the hooks that the venue plugin itself implements, wrappers left out."""
    hooks = {name: getattr(manager.hook, name) for spec in hookspecs.SPECS for name in vars(spec) if name[0] != "_"}
    return frozenset(name for name, caller in hooks.items() if any(not impl.wrapper for impl in caller.get_hookimpls()))
