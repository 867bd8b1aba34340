"""Named quotas that requests draw on before they are sent, shared between clients of one account or one address."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum, StrEnum

from perpkit.core.clock import Clock


class Scope(StrEnum):
    """What the venue counts by."""

    IP = "ip"
    ACCOUNT = "account"


class Priority(IntEnum):
    """Who goes first when there is a queue."""

    CANCEL = 0
    """May use the reserve, and overtakes everything else."""
    NORMAL = 1


@dataclass(frozen=True, slots=True)
class Quota:
    """
    One limit of a venue, as its documentation states it.

    Attributes:
        name: How requests refer to it.
        limits: Pairs of how many and in what time; all of them hold at once, in every sliding window.
        scope: Whether the venue counts by address or by account.
        cancel_reserve: The share of each limit that only ``Priority.CANCEL`` may use, 0 to below 1.
        margin: How much later than another request of the same window one may reach the venue.
    """

    name: str
    limits: tuple[tuple[int, timedelta], ...]
    scope: Scope = Scope.IP
    cancel_reserve: float = 0.0
    margin: timedelta = timedelta(milliseconds=50)


class RateLimiter:
    """One client's view of the quotas. Get it from ``RateLimiterRegistry.limiter``."""

    async def acquire(
        self, weights: Mapping[str, int], *, priority: Priority = Priority.NORMAL, max_wait: timedelta | None = None
    ) -> timedelta:
        """
        Take room in every named quota at once, waiting first come, first served; return how long it waited.

        Raises:
            LocalRateLimitError: There will be no room within ``max_wait``; nothing was taken, nothing may be sent.
        """
        ...

    def penalize(self, quota: str, wait: timedelta) -> None:
        """Let nothing through that quota for so long, cancels included: the venue has said no."""
        ...


class RateLimiterRegistry:
    """Holds the state behind every limiter of a process, so that two clients on one account share what is left."""

    def __init__(self, clock: Clock | None = None) -> None: ...

    def limiter(self, host: str, quotas: Iterable[Quota], *, account: str | None = None) -> RateLimiter:
        """Return a limiter whose state is shared by host, scope and, for account quotas, account."""
        ...


def process_registry() -> RateLimiterRegistry:
    """Return the registry that clients of this process share by default."""
    ...
