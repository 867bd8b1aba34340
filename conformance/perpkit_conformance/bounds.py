"""
How long a test may take. A plugin that hangs must fail its rule, and nothing else of the run.

The timeout plugin interrupts whatever runs at that moment. In a test that waits, that may be any task of the event
loop, which ends instead of the test, and the test waits on. So a test that waits is canceled a little earlier, as a
task is.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
from typing import Any

import pytest

LONGEST_TEST = 60
"""Real seconds; a test of the suite takes about one."""

_EARLIER = 0.8


def bound(item: pytest.Item) -> None:
    """Bound a test that says nothing else."""
    if item.config.pluginmanager.has_plugin("timeout") and item.get_closest_marker("timeout") is None:
        item.add_marker(pytest.mark.timeout(LONGEST_TEST))
    if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
        item.obj = _bounded(item, item.obj)


def _bounded(item: pytest.Item, test: Any) -> Any:
    @functools.wraps(test)
    async def run(*args: Any, **given: Any) -> None:
        __tracebackhide__ = True  # what fails is the test
        marker = item.get_closest_marker("timeout")
        seconds = marker.args[0] if marker is not None and marker.args else LONGEST_TEST
        try:
            async with asyncio.timeout(seconds * _EARLIER) as limit:
                await test(*args, **given)
        except TimeoutError:
            if limit.expired():
                pytest.fail(f"it was still waiting after {seconds * _EARLIER:.0f} s: something never came")
            raise

    return run
