"""
Request quotas on the simulator's clock: token buckets that refill continuously.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

SECOND_MS = 1_000
MINUTE_MS = 60_000


class MillisecondClock(Protocol):
    """What a bucket asks of a clock."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970."""
        ...


@dataclass(frozen=True, slots=True)
class Quota:
    """So many requests in a window."""

    requests: int
    window_ms: int


@dataclass(frozen=True, slots=True)
class Allowance:
    """What became of a request: what a venue may tell in headers."""

    allowed: bool
    limit: int
    remaining: int
    reset_s: int
    window_s: int
    retry_after_ms: int


class RateLimiter:
    """
    Counts requests per quota and owner (an address or an account).

    Args:
        quotas: By name; a request must fit all that a name stands for.
        scale: Divides every quota, so that a test reaches one quickly; 0 turns limits off.
    """

    def __init__(self, clock: MillisecondClock, quotas: Mapping[str, tuple[Quota, ...]], scale: int = 1) -> None:
        self._clock = clock
        self._quotas = quotas
        self.scale = scale
        self._buckets: dict[tuple[str, str, int], _Bucket] = {}

    def take(self, quota: str, owner: str) -> Allowance:
        """Count one request and tell whether it may pass; a refused request is not counted."""
        if self.scale == 0:
            return Allowance(True, 0, 0, self._clock.now_ms() // SECOND_MS, 0, 0)
        now = self._clock.now_ms()
        buckets = [self._bucket(quota, owner, index, now) for index in range(len(self._quotas[quota]))]
        for bucket in buckets:
            bucket.refill(now)
        allowed = all(bucket.has_token for bucket in buckets)
        if allowed:
            for bucket in buckets:
                bucket.level -= bucket.window_ms
        tightest = min(buckets, key=lambda bucket: bucket.level)
        return Allowance(
            allowed=allowed,
            limit=tightest.limit,
            remaining=tightest.level // tightest.window_ms,
            reset_s=-(-(now + tightest.window_ms) // SECOND_MS),
            window_s=tightest.window_ms // SECOND_MS,
            retry_after_ms=0 if allowed else max(bucket.wait_ms() for bucket in buckets),
        )

    def _bucket(self, quota: str, owner: str, index: int, now: int) -> _Bucket:
        key = (quota, owner, index)
        if key not in self._buckets:
            rule = self._quotas[quota][index]
            self._buckets[key] = _Bucket(max(1, rule.requests // self.scale), rule.window_ms, now)
        return self._buckets[key]


class _Bucket:
    """Level counted in 1/window_ms of a token, so that refilling is exact in integers."""

    def __init__(self, limit: int, window_ms: int, now: int) -> None:
        self.limit = limit
        self.window_ms = window_ms
        self.level = limit * window_ms
        self._at = now

    @property
    def has_token(self) -> bool:
        return self.level >= self.window_ms

    def refill(self, now: int) -> None:
        self.level = min(self.limit * self.window_ms, self.level + (now - self._at) * self.limit)
        self._at = now

    def wait_ms(self) -> int:
        missing = self.window_ms - self.level
        return max(0, -(-missing // self.limit))
