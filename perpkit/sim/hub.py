"""
The base of every venue's hub: one queue of the exchange's events, drained in order on the event loop.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from perpkit.sim import events
from perpkit.sim.exchange import Exchange


class Stoppable(Protocol):
    """A feed that sends on the clock until it is stopped."""

    def stop(self) -> None:
        """Come off the clock."""
        ...


class EventHub(ABC):
    """
    Listens to an exchange between :meth:`start` and :meth:`stop`, and has :meth:`run` hand on what it heard.

    Subclasses implement :meth:`drain`, which empties ``self._pending``, and :meth:`feeds`.
    """

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._pending: deque[events.Event] = deque()
        self._wake = asyncio.Event()
        self._unsubscribe: Callable[[], None] | None = None

    def start(self) -> None:
        """Begin to listen to the exchange; what it tells is handed on by :meth:`run`."""
        self._unsubscribe = self._exchange.subscribe(self._note)

    def stop(self) -> None:
        """Stop listening; feeds come off the clock."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        for feed in self.feeds():
            feed.stop()

    async def run(self) -> None:
        """Hand on what happens, until canceled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            self.drain()

    @abstractmethod
    def drain(self) -> None:
        """Send everything that has happened."""

    @abstractmethod
    def feeds(self) -> Iterable[Stoppable]:
        """Return the feeds that are on the clock now."""

    def _note(self, event: events.Event) -> None:
        self._pending.append(event)
        self._wake.set()
