"""How long to wait before the next try."""

from __future__ import annotations

import random
from datetime import timedelta


class Backoff:
    """
    Exponential growth with full jitter: each wait is drawn evenly between 0 and a bound that doubles up to ``maximum``.

    Args:
        initial: The first bound.
        maximum: The last bound.
        rng: The source of the jitter; seed it to repeat a run.
    """

    def __init__(self, initial: timedelta, maximum: timedelta, rng: random.Random | None = None) -> None: ...

    def next(self) -> timedelta:
        """Return the next wait and double the bound."""
        ...

    def reset(self) -> None:
        """Start again from ``initial``, after a success that lasted."""
        ...
