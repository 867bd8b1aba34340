"""How long to wait before the next try: exponential growth with full jitter, repeatable from a seed."""

from __future__ import annotations

import random
from datetime import timedelta


class Backoff:
    """
    Each wait is drawn evenly between 0 and a bound that doubles up to ``maximum``.

    Full jitter keeps many clients that lost the same host from coming back together. A venue's connect limit is not
    kept here but by a quota (``ratelimit``), which all connections of an address share.

    Args:
        initial: The first bound.
        maximum: The last bound.
        rng: The source of the jitter; seed it to repeat a run.
    """

    def __init__(self, initial: timedelta, maximum: timedelta, rng: random.Random | None = None) -> None:
        if not timedelta(0) < initial <= maximum:
            raise ValueError(f"a back-off grows from above 0 to its maximum, not from {initial} to {maximum}")
        self._initial = initial
        self._maximum = maximum
        self._bound = initial
        self._rng = rng or random.Random()  # noqa: S311  jitter spreads load; it guards nothing

    @property
    def bound(self) -> timedelta:
        """The longest that the next wait can be."""
        return self._bound

    def next(self) -> timedelta:
        """Return the next wait and double the bound."""
        wait = self._bound * self._rng.random()
        self._bound = min(self._bound * 2, self._maximum)
        return wait

    def reset(self) -> None:
        """Start again from ``initial``, after a success that lasted."""
        self._bound = self._initial
