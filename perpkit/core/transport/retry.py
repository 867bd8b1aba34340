"""
What may be repeated: reads and idempotent commands, within bounds. An order command is never repeated, whatever the
error says about it having left, because a second order is the dearest mistake there is.

A retry library was considered and left: what it would bring is the loop below, and it would still need the injected
clock, the venue's Retry-After, the total bound and the refusal of commands, which are the parts worth testing.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import TypeVar

from perpkit.core.clock import Clock
from perpkit.core.errors import LocalRateLimitError, PerpkitError, RateLimitError, TransportError
from perpkit.core.transport.backoff import Backoff

T = TypeVar("T")


class Effect(Enum):
    """What sending a request a second time would do."""

    READ = "read"
    """It only reads."""
    IDEMPOTENT = "idempotent"
    """The second time changes nothing more: cancel by id, set leverage, sign in."""
    COMMAND = "command"
    """It may act twice: place, amend. Never repeated by this library."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often and how long a read or an idempotent command is tried."""

    attempts: int = 3
    initial: timedelta = timedelta(milliseconds=200)
    maximum: timedelta = timedelta(seconds=5)
    total: timedelta = timedelta(seconds=20)
    """No new attempt starts later than this after the first."""

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise ValueError(f"a policy makes at least one attempt, not {self.attempts}")


ONCE = RetryPolicy(attempts=1)
DEFAULT = RetryPolicy()


@dataclass(frozen=True, slots=True)
class TryAgain:
    """A verdict on a result or an error: it may be tried again, not before ``wait`` if that is given."""

    wait: timedelta | None = None


def verdict_on_error(error: PerpkitError) -> TryAgain | None:
    """Return whether an error may pass by itself."""
    if isinstance(error, LocalRateLimitError):
        return None  # the caller's own bound on waiting has been spent already
    if isinstance(error, RateLimitError):
        return TryAgain(error.retry_after)
    if isinstance(error, TransportError):
        return TryAgain()
    return None


async def repeat(
    attempt: Callable[[int], Awaitable[T]],
    *,
    effect: Effect,
    policy: RetryPolicy,
    clock: Clock,
    rng: random.Random | None = None,
    verdict: Callable[[T], TryAgain | None] = lambda _: None,
) -> T:
    """
    Call ``attempt`` with 1, 2, … until it succeeds or the policy is spent; then return its result or raise its error.

    Args:
        effect: A command is attempted once, whatever the policy.
        verdict: Whether a result counts as a failure that may pass. The last result is returned all the same.
    """
    allowed = 1 if effect is Effect.COMMAND else policy.attempts
    if allowed == 1:
        return await attempt(1)
    backoff = Backoff(policy.initial, policy.maximum, rng)
    last_start = clock.monotonic() + policy.total.total_seconds()
    number = 1
    while True:
        error: PerpkitError | None = None
        try:
            result = await attempt(number)
        except PerpkitError as exc:
            error, again = exc, verdict_on_error(exc)
        else:
            again = verdict(result)
        if again is not None and number < allowed:
            wait = max(backoff.next(), again.wait or timedelta(0)).total_seconds()
            if clock.monotonic() + wait <= last_start:
                number += 1
                await clock.sleep(wait)
                continue
        if error is not None:
            raise error
        return result
