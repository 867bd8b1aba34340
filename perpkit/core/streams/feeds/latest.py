"""Tickers and funding rates: only the newest counts, and an older one never follows it."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Iterable
from datetime import datetime
from operator import attrgetter
from typing import ClassVar, Generic, TypeVar

from perpkit.core.models import Event, FundingRate, Market, Subscription, Ticker
from perpkit.core.streams.delivery import EventStream
from perpkit.core.streams.feeds.base import Feed, Site
from perpkit.core.streams.protocol import Data
from perpkit.core.streams.tasks import within

L = TypeVar("L", Ticker, FundingRate)


class _LatestFeed(Feed, Generic[L]):
    keeps_aside: ClassVar[bool] = False
    tells_gap: ClassVar[bool] = False

    _time_of: ClassVar[attrgetter[datetime | None]]
    """Gives the moment that an event tells of."""

    def __init__(self, subscription: Subscription, site: Site) -> None:
        super().__init__(subscription, site)
        self._latest: L | None = None
        self._latest_time: datetime | None = None
        self._is_expected = True
        self._came = asyncio.Event()

    def went_down(self, reason: str) -> None:
        """What is held is old until something comes again."""
        super().went_down(reason)
        self._is_expected = True
        self._came.clear()

    async def catch_up(self) -> None:
        """Wait a while for the stream to bring a first one, and only then ask: most venues send one at once."""
        try:
            await within(self._site.clock, self._came.wait(), self._wait_limit())
        except TimeoutError:
            if not self.can_read:
                self._site.log.warning("%s: nothing came yet, and it can't be read", self.subscription)
                return
            await self.poll()

    async def poll(self) -> None:
        """Read the present one."""
        for event in await self._read():
            self._offer(event)

    def process(self, data: Data) -> None:
        """Deliver what is not older than what is held."""
        for event in data.events:
            self._offer(event)

    receive = process  # nothing is ever kept aside

    def _offer(self, event: Event) -> None:
        """Deliver it, and hold it from now on, if it is ours and neither older than what is held nor the same."""
        if not self._is_ours(event):
            return
        if self._is_expected:
            self._is_expected = False
            self._came.set()
        moment, before = self._time_of(event), self._latest_time
        if (moment is None or before is None or moment <= before) and self._is_held(event, moment):  # type: ignore[arg-type]  # ours, so its kind is L
            return
        self._latest, self._latest_time = event, moment  # type: ignore[assignment]  # as above
        for consumer in self.consumers:
            consumer.put_latest(self.key, event)  # type: ignore[arg-type]  # as above

    def _is_held(self, event: L, moment: datetime | None) -> bool:
        """Whether what is held is newer, or says the same."""
        held, before = self._latest, self._latest_time
        if held is None:
            return False
        if moment is not None and before is not None and moment < before:
            return True
        return _content(event) == _content(held)

    def replay(self, stream: EventStream) -> None:
        """Hand over the newest."""
        if self._latest is not None:
            stream.put_latest(self.key, self._latest)

    @property
    def _market(self) -> Market:
        market = self.subscription.market
        if market is None:
            msg = f"{self.subscription} names no market"
            raise ValueError(msg)
        return market

    @abstractmethod
    async def _read(self) -> Iterable[Event]: ...


def _content(event: Ticker | FundingRate) -> dict[str, object]:
    return {name: value for name, value in event.__dict__.items() if name != "ts_received"}


class TickerFeed(_LatestFeed[Ticker]):
    """A market's prices."""

    kinds: ClassVar[tuple[type[Event], ...]] = (Ticker,)
    _time_of = attrgetter("ts_venue")

    async def _read(self) -> Iterable[Event]:
        return [await self._site.reads.fetch_ticker(self._market)]


class FundingFeed(_LatestFeed[FundingRate]):
    """A market's live funding rate."""

    kinds: ClassVar[tuple[type[Event], ...]] = (FundingRate,)
    _time_of = attrgetter("effective_at")

    async def _read(self) -> Iterable[Event]:
        return await self._site.shared.rates(self._market)
