"""
Named quotas that requests draw on before they are sent, shared between clients of one account or one address.

Each limit is kept as a sliding window: in no stretch of its length do more requests leave than it allows. A bucket that
refills steadily would let through twice the limit across the edge of a window, which a venue that counts in windows
answers with 429; a sliding window stays inside both ways of counting. Requests of the same fraction of a window are
counted together, so that memory does not grow with the limit.
"""

from __future__ import annotations

import asyncio
import math
import threading
import weakref
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import IntEnum, StrEnum
from functools import cache

from perpkit.core.capabilities import RateLimit
from perpkit.core.clock import Clock, SystemClock
from perpkit.core.errors import ConfigError, LocalRateLimitError

_SLOTS = 64
"""A window is counted in so many parts; a request leaves the count at the end of its part, never early."""


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
        cancel_reserve: The share of each limit that only ``Priority.CANCEL`` may use, from 0 to below 1.
        margin: How much longer than another request of the same window one may be on its way to the venue.
    """

    name: str
    limits: tuple[tuple[int, timedelta], ...]
    scope: Scope = Scope.IP
    cancel_reserve: float = 0.0
    margin: timedelta = timedelta(milliseconds=50)

    def __post_init__(self) -> None:
        if not self.limits or any(count < 1 or per <= timedelta(0) for count, per in self.limits):
            raise ConfigError(f"quota {self.name} needs limits of at least 1 in a positive time, not {self.limits}")
        if not 0 <= self.cancel_reserve < 1:
            raise ConfigError(f"quota {self.name}: cancel_reserve is a share from 0 to below 1")

    def room(self, count: int, priority: Priority) -> int:
        """Return how much of a limit of ``count`` a priority may use: at least 1, or nothing would ever pass."""
        if priority is Priority.CANCEL:
            return count
        return max(1, math.floor(count * (1 - self.cancel_reserve)))


def described(quotas: Iterable[Quota], *, source: str) -> tuple[RateLimit, ...]:
    """Return limits as a plugin describes itself, with the page that they are from."""
    return tuple(
        RateLimit(name=quota.name, requests=count, per=per, scope=quota.scope.value, source=source)
        for quota in quotas
        for count, per in quota.limits
    )


@dataclass(frozen=True, slots=True)
class Usage:
    """
    The state of one quota at one moment.

    Attributes:
        used: For each limit, how much counts now, how many are allowed, and in what time.
        waiting: How many requests of this process wait for it.
        blocked_for: How long nothing passes because the venue has said no; zero when it has not.
        granted, waited, refused: How many requests passed, of these how many had to wait, and how many gave up.
    """

    name: str
    used: tuple[tuple[int, int, timedelta], ...]
    waiting: int
    blocked_for: timedelta
    granted: int
    waited: int
    refused: int


class _Window:
    """One limit: what left during its length, in slots that expire together."""

    __slots__ = ("_length", "_slot", "_slots", "limit", "per", "used")

    def __init__(self, limit: int, per: timedelta, margin: timedelta) -> None:
        self.limit = limit
        self.per = per
        self.used = 0
        self._slot = per.total_seconds() / _SLOTS
        self._length = (per + margin).total_seconds()
        self._slots: deque[tuple[float, int]] = deque()  # when it leaves the count, how much

    def expire(self, now: float) -> None:
        while self._slots and self._slots[0][0] <= now:
            self.used -= self._slots.popleft()[1]

    def ready_at(self, weight: int, room: int, now: float) -> float:
        """Return the earliest time at which ``weight`` fits, if nothing else is taken meanwhile."""
        excess = self.used + weight - room
        if excess <= 0:
            return now
        for expiry, amount in self._slots:
            excess -= amount
            if excess <= 0:
                return expiry
        return math.inf

    def take(self, weight: int, now: float) -> None:
        self.used += weight
        expiry = (math.floor(now / self._slot) + 1) * self._slot + self._length
        if self._slots and self._slots[-1][0] >= expiry:
            last, amount = self._slots[-1]
            self._slots[-1] = (last, amount + weight)
        else:
            self._slots.append((expiry, weight))


class _Bucket:
    """A quota's shared state: its windows, and until when the venue has shut it."""

    def __init__(self, quota: Quota) -> None:
        self.quota = quota
        self.windows = [_Window(count, per, quota.margin) for count, per in quota.limits]
        self.blocked_until = -math.inf
        self.granted = self.waited = self.refused = 0
        self.waiting = dict.fromkeys(Priority, 0)

    def ready_at(self, weight: int, priority: Priority, now: float) -> float:
        ready = max(now, self.blocked_until)
        for window in self.windows:
            window.expire(now)
            ready = max(ready, window.ready_at(weight, self.quota.room(window.limit, priority), now))
        return ready

    def is_ahead(self, priority: Priority) -> bool:
        """Return whether somebody waits here whom a newcomer of this priority may not overtake."""
        return any(count for level, count in self.waiting.items() if level <= priority)

    def take(self, weight: int, now: float) -> None:
        self.granted += 1
        for window in self.windows:
            window.take(weight, now)

    def usage(self, now: float) -> Usage:
        for window in self.windows:
            window.expire(now)
        return Usage(
            name=self.quota.name,
            used=tuple((window.used, window.limit, window.per) for window in self.windows),
            waiting=sum(self.waiting.values()),
            blocked_for=timedelta(seconds=max(self.blocked_until - now, 0))
            if self.blocked_until > now
            else timedelta(0),
            granted=self.granted,
            waited=self.waited,
            refused=self.refused,
        )


@dataclass(slots=True, eq=False)
class _Waiter:
    """A request in the queue."""

    needs: tuple[tuple[_Bucket, int], ...]
    priority: Priority
    deadline: float
    granted: asyncio.Future[None]


class _Queue:
    """
    The requests of one event loop that wait for room, in order of priority and then of arrival. A request is passed
    over only by those that share no quota with it, so that a heavy one is not starved by light ones.
    """

    def __init__(self, clock: Clock, lock: threading.Lock) -> None:
        self._clock = clock
        self._lock = lock
        self._waiters: dict[Priority, deque[_Waiter]] = {priority: deque() for priority in Priority}
        self._pump: asyncio.Task[None] | None = None
        self._wake = math.inf

    async def wait(self, waiter: _Waiter, ready: float) -> None:
        """Stand in the queue until granted; ``ready`` is the earliest that it could be."""
        waiters = self._waiters[waiter.priority]
        waiters.append(waiter)
        _count_waiting(waiter, 1)
        if self._pump is None or min(ready, waiter.deadline) < self._wake:
            self._look_again()
        try:
            await waiter.granted
        except asyncio.CancelledError:
            if waiter.granted.done() and not waiter.granted.cancelled():
                # Decided in the same turn as the cancellation. What was taken stays taken: erring that way is safe.
                waiter.granted.exception()
            elif waiter in self._waiters[waiter.priority]:
                self._waiters[waiter.priority].remove(waiter)
                self._look_again()  # whoever stood behind it may go
            raise
        finally:
            _count_waiting(waiter, -1)

    def _look_again(self) -> None:
        """Start the pump anew; it lives only while somebody waits."""
        if self._pump is not None:
            self._pump.cancel()
            self._pump = None
        if any(self._waiters.values()):
            self._wake = -math.inf
            self._pump = asyncio.get_running_loop().create_task(self._run(), name="perpkit-ratelimit")

    async def _run(self) -> None:
        while True:
            with self._lock:
                self._wake = self._grant()
            if not any(self._waiters.values()):
                self._pump = None
                return
            # Another loop may take the room meanwhile; then this looks again and sleeps on.
            await self._clock.sleep(max(self._wake - self._clock.monotonic(), 0))

    def _grant(self) -> float:
        """Let pass who can, let go who can't in time; return when to look again."""
        now = self._clock.monotonic()
        wake = math.inf
        claimed: set[int] = set()  # quotas for which somebody ahead still waits
        for priority in Priority:
            still: deque[_Waiter] = deque()
            for waiter in self._waiters[priority]:
                if waiter.granted.done():
                    continue
                ready = _ready_at(waiter.needs, priority, now)
                behind = any(id(bucket) in claimed for bucket, _ in waiter.needs)
                if ready <= now and not behind:
                    _take(waiter.needs, now)
                    for bucket, _ in waiter.needs:
                        bucket.waited += 1
                    waiter.granted.set_result(None)
                elif ready > waiter.deadline or now >= waiter.deadline:
                    waiter.granted.set_exception(_no_room(waiter.needs, max(ready - now, 0)))
                else:
                    claimed.update(id(bucket) for bucket, _ in waiter.needs)
                    wake = min(wake, waiter.deadline, math.inf if behind else ready)
                    still.append(waiter)
            self._waiters[priority] = still
        return wake


class RateLimiter:
    """One client's view of the quotas. Get it from ``RateLimiterRegistry.limiter``."""

    def __init__(self, registry: RateLimiterRegistry, buckets: Mapping[str, _Bucket]) -> None:
        self._registry = registry
        self._buckets = dict(buckets)

    async def acquire(
        self, weights: Mapping[str, int], *, priority: Priority = Priority.NORMAL, max_wait: timedelta | None = None
    ) -> timedelta:
        """
        Take room in every named quota at once, waiting first come, first served; return how long it waited.

        Raises:
            LocalRateLimitError: There will be no room within ``max_wait``; nothing was taken, nothing may be sent. It
                is raised as soon as that is certain, not when the time is over.
            ConfigError: No such quota, or a weight that never fits.
        """
        needs = tuple((self._bucket(name), weight) for name, weight in weights.items() if weight)
        for bucket, weight in needs:
            _check_fits(bucket, weight, priority)
        clock = self._registry.clock
        start = clock.monotonic()
        deadline = math.inf if max_wait is None else start + max_wait.total_seconds()
        with self._registry.lock:
            ready = _ready_at(needs, priority, start)
            if ready <= start and not any(bucket.is_ahead(priority) for bucket, _ in needs):
                _take(needs, start)
                return timedelta(0)
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        await self._registry.queue().wait(_Waiter(needs, priority, deadline, future), ready)
        return timedelta(seconds=clock.monotonic() - start)

    def penalize(self, quota: str, wait: timedelta) -> None:
        """Let nothing through that quota for so long, cancels included: the venue has said no."""
        bucket = self._bucket(quota)
        with self._registry.lock:
            bucket.blocked_until = max(bucket.blocked_until, self._registry.clock.monotonic() + wait.total_seconds())

    def usage(self) -> dict[str, Usage]:
        """Return the present state of every quota, for metrics."""
        now = self._registry.clock.monotonic()
        with self._registry.lock:
            return {name: bucket.usage(now) for name, bucket in self._buckets.items()}

    def _bucket(self, name: str) -> _Bucket:
        try:
            return self._buckets[name]
        except KeyError:
            raise ConfigError(f"no quota is named {name!r}; there are {', '.join(sorted(self._buckets))}") from None


class RateLimiterRegistry:
    """
    Holds the state behind every limiter of a process, so that two clients on one account, or two on one address, share
    what is left. It may be used from several event loops; fairness holds within each.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock: Clock = clock or SystemClock()
        self.lock = threading.Lock()
        self._buckets: dict[tuple[str, Scope, str | None, str], _Bucket] = {}
        self._queues: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Queue] = weakref.WeakKeyDictionary()

    def limiter(self, host: str, quotas: Iterable[Quota], *, account: str | None = None) -> RateLimiter:
        """
        Return a limiter whose state is shared by host, scope and, for account quotas, account.

        Raises:
            ConfigError: Another client of this process states one of the quotas differently.
        """
        buckets = {}
        with self.lock:
            for quota in quotas:
                key = (host.lower(), quota.scope, account if quota.scope is Scope.ACCOUNT else None, quota.name)
                bucket = self._buckets.setdefault(key, _Bucket(quota))
                if bucket.quota != quota:
                    raise ConfigError(
                        f"quota {quota.name} of {host} is already kept as {bucket.quota.limits}, not {quota.limits}; "
                        "open all clients of one host with the same limits"
                    )
                buckets[quota.name] = bucket
        return RateLimiter(self, buckets)

    def queue(self) -> _Queue:
        """Return the queue of the running event loop."""
        loop = asyncio.get_running_loop()
        with self.lock:
            queue = self._queues.get(loop)
            if queue is None:
                queue = self._queues[loop] = _Queue(self.clock, self.lock)
            return queue


@cache
def process_registry() -> RateLimiterRegistry:
    """Return the registry that clients of this process share by default."""
    return RateLimiterRegistry()


_Needs = tuple[tuple[_Bucket, int], ...]


def _ready_at(needs: _Needs, priority: Priority, now: float) -> float:
    return max((bucket.ready_at(weight, priority, now) for bucket, weight in needs), default=now)


def _take(needs: _Needs, now: float) -> None:
    for bucket, weight in needs:
        bucket.take(weight, now)


def _count_waiting(waiter: _Waiter, step: int) -> None:
    for bucket, _ in waiter.needs:
        bucket.waiting[waiter.priority] += step


def _check_fits(bucket: _Bucket, weight: int, priority: Priority) -> None:
    """Refuse what would wait for ever."""
    quota = bucket.quota
    smallest = min(quota.room(count, priority) for count, _ in quota.limits)
    if not 0 < weight <= smallest:
        raise ConfigError(f"a weight of {weight} never fits quota {quota.name}, which has room for {smallest}")


def _no_room(needs: _Needs, seconds: float) -> LocalRateLimitError:
    for bucket, _ in needs:
        bucket.refused += 1
    names = ", ".join(bucket.quota.name for bucket, _ in needs)
    wait = timedelta(seconds=math.ceil(seconds * 1000) / 1000)
    return LocalRateLimitError(
        f"no room in {names} for at least {wait.total_seconds():.3f} s; nothing was sent. Send fewer requests, or "
        "allow a longer wait",
        retry_after=wait,
    )
