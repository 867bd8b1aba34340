"""
The venue's request quotas as it documents them, and the headers that tell of them.

Source:
    The venue's pages on API and WebSocket rate limits, read 2026-11-21.
"""

from __future__ import annotations

from perpkit.sim.limits import MINUTE_MS, SECOND_MS, Allowance, MillisecondClock, Quota
from perpkit.sim.limits import RateLimiter as AnyRateLimiter

QUOTAS: dict[str, tuple[Quota, ...]] = {
    "public": (Quota(1_500, MINUTE_MS),),
    "auth": (Quota(600, MINUTE_MS),),
    "onboarding": (Quota(600, MINUTE_MS),),
    "orders": (Quota(800, SECOND_MS), Quota(17_250, MINUTE_MS)),
    "private": (Quota(120, SECOND_MS), Quota(600, MINUTE_MS)),
    "private-ip": (Quota(1_500, MINUTE_MS),),
    "connect": (Quota(20, SECOND_MS), Quota(600, MINUTE_MS)),
}


class RateLimiter(AnyRateLimiter):
    """Counts requests against the venue's quotas; ``scale`` divides them all, 0 turns them off."""

    def __init__(self, clock: MillisecondClock, scale: int = 1) -> None:
        super().__init__(clock, QUOTAS, scale)


def headers_of(allowance: Allowance) -> dict[str, str]:
    """Return the headers that every answer carries; a refusal adds ``Retry-After`` in seconds."""
    headers = {
        "X-RateLimit-Limit": str(allowance.limit),
        "X-RateLimit-Remaining": str(allowance.remaining),
        "X-RateLimit-Reset": str(allowance.reset_s),
        "X-RateLimit-Window": str(allowance.window_s),
    }
    if not allowance.allowed:
        headers["Retry-After"] = str(-(-allowance.retry_after_ms // SECOND_MS))
    return headers
