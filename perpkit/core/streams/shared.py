"""
Reads that serve several feeds at once: whoever asks before a read has begun gets its answer.

Never an answer that was asked for earlier: a feed that reads after its subscription was confirmed must not be given a
state from before it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from perpkit.core.models import Balance, FundingRate, Market, MarketId, Position
from perpkit.core.streams.reads import Snapshots
from perpkit.core.streams.tasks import stop

A = TypeVar("A")
R = TypeVar("R")


class _Together(Generic[A, R]):
    """One kind of read: what is asked for in one turn of the loop is collected, and read in the next."""

    def __init__(self, fetch: Callable[[list[A]], Awaitable[R]]) -> None:
        self._fetch = fetch
        self._wanted: list[A] = []
        self._next: asyncio.Task[R] | None = None
        self._running: set[asyncio.Task[R]] = set()

    async def ask(self, wanted: A) -> R:
        """Take part in the next read. One asker's cancellation leaves the others their answer."""
        self._wanted.append(wanted)
        task = self._next
        if task is None:
            task = self._next = asyncio.create_task(self._read(), name="shared read")
            self._running.add(task)
            task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def _read(self) -> R:
        wanted, self._wanted, self._next = self._wanted, [], None
        return await self._fetch(wanted)

    def _ended(self, task: asyncio.Task[R]) -> None:
        self._running.discard(task)
        if self._next is task:
            self._wanted, self._next = [], None
        if not task.cancelled():
            task.exception()  # seen: each asker gets it, and there may be none left

    async def close(self) -> None:
        """Cancel what runs."""
        await stop(*self._running)


class SharedReads:
    """The reads of the account that know no market, and the rates of several markets in one request."""

    def __init__(self, reads: Snapshots) -> None:
        async def positions(_: list[None]) -> list[Position]:
            return await reads.fetch_positions()

        async def balances(_: list[None]) -> list[Balance]:
            return await reads.fetch_balances()

        async def rates(markets: list[Market]) -> list[FundingRate]:
            by_id: dict[MarketId, Market] = {market.id: market for market in markets}
            return await reads.fetch_funding_rates(list(by_id.values()))

        self._positions = _Together(positions)
        self._balances = _Together(balances)
        self._rates = _Together(rates)

    async def positions(self) -> Sequence[Position]:
        """Return every open position."""
        return await self._positions.ask(None)

    async def balances(self) -> Sequence[Balance]:
        """Return every balance."""
        return await self._balances.ask(None)

    async def rates(self, market: Market) -> Sequence[FundingRate]:
        """Return the live rate of a market, among those of others who asked at the same time."""
        return await self._rates.ask(market)

    async def close(self) -> None:
        """Cancel what runs."""
        for each in (self._positions, self._balances, self._rates):
            await each.close()
