"""
The venue's budgets: requests of a weight in a rolling minute, and the quota of order transactions that volume earns.

Source:
    The venue's pages on rate limits and volume quota, July 2026.
"""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from decimal import Decimal

from perpkit.sim.clock import SimClock
from perpkit.sim.venues.lighter.config import Tier
from perpkit.sim.venues.lighter.errors import ApiError

MINUTE_MS = 60_000
SOCKET_MESSAGES = 200
CONNECTS = 255
OTHER_TRANSACTIONS = 40
"""A minute's transactions that are no orders and no cancels."""

USUAL_WEIGHT = 300
WEIGHTS = {
    "/api/v1/sendTx": 6,
    "/api/v1/sendTxBatch": 6,
    "/api/v1/nextNonce": 6,
    "/api/v1/accountInactiveOrders": 100,
    "/api/v1/apikeys": 150,
    "/api/v1/trades": 600,
    "/api/v1/recentTrades": 600,
}
HEAVIEST = 24_000
"""Weight of a minute that holds an account of unweighted requests too."""

FIRST_QUOTA = 1_000
MOST_QUOTA = 5_000_000
VOLUME_PER_UNIT = Decimal(7)
FREE_EVERY_MS = 15_000


class Budgets:
    """
    Counts on the venue's clock; a refused request is not counted.

    Args:
        scale: Divides every budget; 0 turns them off.

    Attributes:
        counted: What was counted so far, by budget, over all owners.
    """

    def __init__(self, clock: SimClock, scale: int) -> None:
        self._clock = clock
        self.scale = scale
        self.counted: Counter[str] = Counter()
        self._spent: dict[tuple[str, str], deque[tuple[int, int]]] = defaultdict(deque)
        self._totals: dict[tuple[str, str], int] = defaultdict(int)

    def spend(self, budget: str, owner: str, weight: int, limit: int) -> None:
        """
        Count a request.

        Args:
            budget: Which of the owner's budgets.
            owner: An address.
            weight: What the request takes.
            limit: What a minute allows.

        Raises:
            ApiError: 23000.
        """
        if self.scale == 0:
            return
        key, now = (budget, owner), self._clock.now_ms()
        spent = self._spent[key]
        while spent and spent[0][0] <= now - MINUTE_MS:
            self._totals[key] -= spent.popleft()[1]
        if self._totals[key] + weight > limit // self.scale:
            raise ApiError(23000, status=429)
        spent.append((now, weight))
        self._totals[key] += weight
        self.counted[budget] += weight

    def read(self, tier: Tier, owner: str, path: str) -> None:
        """Count a read of an account or address of a tier. ApiError 23000."""
        weight = WEIGHTS.get(path, USUAL_WEIGHT)
        if tier.name == "standard":
            self.spend("reads", owner, 1, tier.reads)
            self.spend("weight", owner, weight, HEAVIEST)
        else:
            self.spend("reads", owner, weight, tier.reads)


class VolumeQuota:
    """How many order transactions addresses may still send: begun with 1,000, earned by volume, one free each 15 s."""

    def __init__(self, clock: SimClock, *, enabled: bool) -> None:
        self._clock = clock
        self._enabled = enabled
        self._used: dict[str, int] = defaultdict(int)
        self._earned: dict[str, Decimal] = defaultdict(Decimal)
        self._free_from_ms: dict[str, int] = defaultdict(int)

    def earn(self, address: str, volume: Decimal) -> None:
        """Add what an address traded, in USDC."""
        self._earned[address] += volume

    def remaining(self, address: str) -> int:
        """Return what is left."""
        return min(MOST_QUOTA, FIRST_QUOTA + int(self._earned[address] / VOLUME_PER_UNIT)) - self._used[address]

    def use(self, address: str, units: int) -> None:
        """
        Use some of it up.

        Raises:
            ApiError: 23000 when there is not enough, and nothing free is due.
        """
        if not self._enabled:
            return
        if self.remaining(address) >= units:
            self._used[address] += units
            return
        now = self._clock.now_ms()
        if units > 1 or now < self._free_from_ms[address]:
            raise ApiError(23000, status=429)
        self._free_from_ms[address] = now + FREE_EVERY_MS
