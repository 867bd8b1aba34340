"""
Nonces: one counter for each API key, handed out one at a time, and never guessed.

The venue takes exactly the last nonce plus one. A transaction that its API refuses uses none; one that it took does,
with exceptions (it had expired, or a resting order lacked margin) that no answer tells of. So the counter is read from
the venue at the start, whenever an outcome is unknown, and whenever the venue finds a nonce wrong.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary, WeakValueDictionary

from perpkit.adapters.lighter.config import VENUE
from perpkit.core.transport.ratelimit import Priority

log = logging.getLogger(__name__)

_ORDERS_KEPT = 20_000


class _Turns:
    """A lock whose waiters come in by priority, and in the order of their coming within one."""

    def __init__(self) -> None:
        self.is_taken = False
        self._waiting: dict[Priority, deque[asyncio.Future[None]]] = {each: deque() for each in sorted(Priority)}

    async def take(self, priority: Priority) -> None:
        """Wait for a turn."""
        if not self.is_taken:
            self.is_taken = True
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[priority].append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give()  # it came at the very moment that nobody wanted it any more
            raise

    def give(self) -> None:
        """End a turn: the next one begins at once, so nobody comes in between."""
        for waiting in self._waiting.values():
            while waiting:
                turn = waiting.popleft()
                if not turn.done():
                    turn.set_result(None)
                    return
        self.is_taken = False


class _Counter:
    """What is known of a key's nonces, and whose turn it is; shared by all lanes of the key."""

    def __init__(self) -> None:
        self.next: int | None = None
        self.turns = _Turns()
        self.users = 0


_SHARED: WeakKeyDictionary[asyncio.AbstractEventLoop, WeakValueDictionary[Hashable, _Counter]] = WeakKeyDictionary()
"""The counters of the keys that are in use, by what names a key. Turns are of one event loop."""


class NonceLane:
    """
    The nonces of one API key, as one opened venue uses them.

    Args:
        read: Asks the venue for the next nonce of the key.
    """

    def __init__(self, key_index: int, read: Callable[[int], Awaitable[int]]) -> None:
        self.key_index = key_index
        self._read = read
        self._counter = _Counter()

    def join(self, key: Hashable) -> None:
        """Count together with every other lane of this event loop that joins by the same name."""
        counters = _SHARED.setdefault(asyncio.get_running_loop(), WeakValueDictionary())
        self._counter = counters.setdefault(key, self._counter)
        self._counter.users += 1

    def leave(self) -> None:
        """Count no more; once nobody does, the counter has to be read before it is used again."""
        self._counter.users -= 1
        if self._counter.users <= 0:
            self._counter.next = None

    @property
    def is_busy(self) -> bool:
        """Whether something of this key is on its way."""
        return self._counter.turns.is_taken

    @asynccontextmanager
    async def turn(self, priority: Priority = Priority.NORMAL) -> AsyncIterator[NonceLane]:
        """Wait for the key to be free, cancels first, and keep it until what was sent with it is answered."""
        turns = self._counter.turns
        await turns.take(priority)
        try:
            yield self
        finally:
            turns.give()

    async def next(self) -> int:
        """
        Return the nonce to sign with; the same one until :meth:`used` or :meth:`forget`. Call it within the turn.

        Raises:
            PerpkitError: It has to be read and the read fails.
        """
        if self._counter.next is None:
            self._counter.next = await self._read(self.key_index)
        return self._counter.next

    def used(self, count: int) -> None:
        """So many transactions were taken."""
        if self._counter.next is not None:
            self._counter.next += count

    def forget(self, why: str) -> None:
        """What the venue made of the last one is not known: read the counter before the next."""
        log.info("%s: the nonce of API key %d is read anew: %s", VENUE, self.key_index, why)
        self._counter.next = None


class NonceLanes:
    """
    The lanes of all keys, used in turn so that several orders can be on their way at once.

    What follows an order (its cancel, its amendment) goes through the key that sent it, since only within one key does
    the venue keep the order of what it was sent.
    """

    def __init__(self, key_indexes: Sequence[int], read: Callable[[int], Awaitable[int]]) -> None:
        self._lanes = [NonceLane(each, read) for each in key_indexes]
        self._turn = 0
        self._joined = False
        self._by_order: OrderedDict[int, NonceLane] = OrderedDict()

    def join(self, keys: Mapping[int, Hashable]) -> None:
        """
        Count together with the other venues of this event loop that were opened with the same keys.

        Args:
            keys: What names a key, and tells it from those of other accounts and environments, by its index.
        """
        for lane in self._lanes:
            lane.join(keys[lane.key_index])
        self._joined = True

    def leave(self) -> None:
        """Count no more."""
        if self._joined:
            self._joined = False
            for lane in self._lanes:
                lane.leave()

    def pick(self, orders: Sequence[int] = ()) -> NonceLane:
        """
        Return the lane for a transaction: that of the order concerned, else the next one, a free one first.

        Args:
            orders: Numbers of the orders concerned, of either kind.
        """
        for order in orders:
            if (known := self._by_order.get(order)) is not None:
                return known
        ahead = self._lanes[self._turn :] + self._lanes[: self._turn]
        chosen = next((lane for lane in ahead if not lane.is_busy), ahead[0])
        self._turn = (self._lanes.index(chosen) + 1) % len(self._lanes)
        return chosen

    def remember(self, order: int, lane: NonceLane) -> None:
        """Keep which key sent an order."""
        if len(self._lanes) > 1 and order:
            self._by_order[order] = lane
            if len(self._by_order) > _ORDERS_KEPT:
                self._by_order.popitem(last=False)
