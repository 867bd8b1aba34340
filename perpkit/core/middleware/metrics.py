"""Counts, outcomes and latencies of every hook. Names and numbers only: nothing of what was asked or answered."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from perpkit.core.clock import Clock, SystemClock
from perpkit.core.errors import PerpkitError
from perpkit.core.hookspecs import SPECS, SYNC_HOOKS, hookimpl
from perpkit.core.middleware.around import Wrapped, around

T = TypeVar("T")

LATENCY_BOUNDS_MS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 30_000)
"""Upper bounds of the histogram's buckets; a last one takes what is slower."""

OK = "ok"
CANCELED = "canceled"


class _HookMetrics:
    """What is counted of one hook."""

    __slots__ = ("buckets", "calls", "in_flight", "items", "outcomes", "slowest_ms", "total_ms")

    def __init__(self) -> None:
        self.calls = 0
        self.in_flight = 0
        self.outcomes: Counter[str] = Counter()
        self.items: Counter[str] = Counter()
        self.buckets = [0] * (len(LATENCY_BOUNDS_MS) + 1)
        self.total_ms = 0.0
        self.slowest_ms = 0.0

    def ended(self, outcome: str, took_ms: float) -> None:
        self.in_flight -= 1
        self.outcomes[outcome] += 1
        self.buckets[bisect_left(LATENCY_BOUNDS_MS, took_ms)] += 1
        self.total_ms += took_ms
        self.slowest_ms = max(self.slowest_ms, took_ms)

    def snapshot(self) -> dict[str, Any]:
        names = [*(str(bound) for bound in LATENCY_BOUNDS_MS), "inf"]
        return {
            "calls": self.calls,
            "in_flight": self.in_flight,
            "outcomes": dict(self.outcomes),
            "items": dict(self.items),
            "latency_ms": {
                "total": self.total_ms,
                "max": self.slowest_ms,
                "buckets": dict(zip(names, self.buckets, strict=True)),
            },
        }


class Metrics:
    """
    Measures every async hook of a venue, those of later versions included.

    Outermost it measures what the caller sees; innermost, what the plugin does.
    """

    def __init__(self, *, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        self._hooks: dict[str, _HookMetrics] = {}

    def snapshot(self) -> dict[str, dict[str, Any]]:
        """
        Return what was counted so far, by hook, fit for JSON.

        ``outcomes`` counts ``ok``, ``canceled`` and the names of error classes; ``items`` the same for the single
        results of a batch. A latency bucket counts the calls that took at most so many milliseconds and more than the
        bucket before.
        """
        return {name: measured.snapshot() for name, measured in sorted(self._hooks.items())}

    def reset(self) -> None:
        """Count from zero; calls under way are counted where they began."""
        self._hooks = {}

    async def _measure(self, call: Awaitable[T], hook: str) -> T:
        measured = self._hooks.setdefault(hook, _HookMetrics())
        measured.calls += 1
        measured.in_flight += 1
        begun = self._clock.monotonic()
        outcome = OK
        try:
            answer = await call
        except asyncio.CancelledError:
            outcome = CANCELED
            raise
        except BaseException as error:
            outcome = type(error).__name__
            raise
        else:
            if isinstance(answer, list) and hook.startswith(("place_", "cancel_")):
                measured.items.update(type(item).__name__ if isinstance(item, PerpkitError) else OK for item in answer)
            return answer
        finally:
            measured.ended(outcome, (self._clock.monotonic() - begun) * 1000)


def _measured(hook: str) -> Callable[[Metrics], Wrapped[Any]]:
    def wrapper(self: Metrics) -> Wrapped[Any]:
        inner = yield
        return around(inner, self._measure, hook)

    wrapper.__name__ = hook
    wrapper.__qualname__ = f"{Metrics.__name__}.{hook}"
    wrapper.__doc__ = f"Measure ``{hook}``."
    return wrapper


for _spec in SPECS:
    for _hook in vars(_spec):
        if not _hook.startswith("_") and _hook not in SYNC_HOOKS:
            setattr(Metrics, _hook, hookimpl(wrapper=True)(_measured(_hook)))
