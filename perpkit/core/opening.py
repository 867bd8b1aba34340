"""``open_venue``: from a name to a :class:`Venue`, importing only that plugin and doing no I/O."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Mapping
from typing import Any

from perpkit.core import plugins
from perpkit.core.catalog import MarketCatalog
from perpkit.core.clock import Clock, SystemClock
from perpkit.core.context import VenueContext
from perpkit.core.errors import PerpkitError, PluginError
from perpkit.core.transport.ratelimit import RateLimiterRegistry, process_registry
from perpkit.core.transport.recorder import Recorder
from perpkit.core.transport.redact import Redactor
from perpkit.core.venue import Venue


def open_venue(
    name: str,
    environment: str | None = None,
    *,
    middleware: Iterable[object | str] = (),
    clock: Clock | None = None,
    environ: Mapping[str, str] | None = None,
    limits: RateLimiterRegistry | None = None,
    recorders: Iterable[Recorder] = (),
    rng: random.Random | None = None,
    plugin: Any = None,
    **settings: Any,
) -> Venue:
    """
    Open a venue by name.

    Args:
        name: The entry point's name: ``paradex``.
        environment: One of the venue's environments; None takes its default, which is never a mainnet unless the venue
            has no other.
        middleware: Wrappers, the first outermost; a string names an installed one.
        environ: Environment variables; None takes the process's own.
        plugin: A plugin class to use in place of the installed one, for tests.
        settings: The venue's own: credentials, URLs, options. Unknown ones are refused.

    Returns:
        A venue to use with ``async with``; nothing is connected before.

    Raises:
        ConfigError: No such venue or middleware, or a setting is wrong.
        PluginError: The plugin can't be imported or breaks the interface.
    """
    clock = clock or SystemClock()
    factory = plugin if plugin is not None else plugins.load(name)
    context = VenueContext(
        venue=name,
        environment=environment,
        clock=clock,
        markets=MarketCatalog(name, clock),
        redactor=Redactor(),
        limits=limits or process_registry(),
        settings=settings,
        environ=os.environ if environ is None else environ,
        recorders=tuple(recorders),
        rng=rng or random.Random(),  # noqa: S311 - jitter and id suffixes, no secrecy
    )
    try:
        instance = factory(context)
    except PerpkitError as error:
        error.venue = error.venue or name
        raise
    except TypeError as error:
        msg = f"plugin {name!r} can't be made from a VenueContext: {error}"
        raise PluginError(msg, venue=name) from error
    wrappers = [plugins.load(each, plugins.MIDDLEWARE)() if isinstance(each, str) else each for each in middleware]
    return Venue(plugins.register(instance, name, wrappers), context)
