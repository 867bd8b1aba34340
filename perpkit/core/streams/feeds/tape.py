"""Public trades: each once, and after a loss those that were missed, as far back as is reasonable."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from perpkit.core.dedup import SeenIds
from perpkit.core.models import Event, Market, StreamState, Subscription, Trade
from perpkit.core.streams.delivery import EventStream
from perpkit.core.streams.feeds.base import Feed, Site
from perpkit.core.streams.feeds.resuming import ResumePoint
from perpkit.core.streams.protocol import Data


class TradesFeed(Feed):
    """Starts from now. The venue's repetition of recent trades is history the first time and a backfill later."""

    kinds: ClassVar[tuple[type[Event], ...]] = (Trade,)

    def __init__(self, subscription: Subscription, site: Site) -> None:
        super().__init__(subscription, site)
        self._seen: SeenIds[str] = SeenIds(2 * max(site.settings.trade_backlog, site.settings.max_missed_trades))
        self._resume = ResumePoint(site.settings.overlap)
        self._started = False
        self._missing = False
        """Something may have been missed since the first connection, so what the venue repeats may be news."""

    def went_down(self, reason: str) -> None:
        """From here on trades are missed, if any were followed before."""
        super().went_down(reason)
        self._missing = self._missing or self.was_live
        self._resume.broke()

    def came_live(self) -> None:
        """From here on the stream tells of every trade."""
        super().came_live()
        self._resume.followed()

    async def catch_up(self) -> None:
        """Read what was missed; the first time there is nothing to miss."""
        if self._started and self.can_read:
            await self._backfill()
        elif not self._started:
            self._start()

    async def poll(self) -> None:
        """Read what is new; the first time, note what is old."""
        if self._started:
            await self._backfill()
            return
        for trade in await self._site.reads.fetch_trades(self._market, limit=100):
            self._note(trade)
        self._start()

    def _start(self) -> None:
        self._resume.newest = self._resume.newest or self._site.clock.now()
        self._started = True

    async def _backfill(self) -> None:
        most, overlap = self._site.settings.max_missed_trades, self._site.settings.overlap
        since = self._resume.since
        trades = await self._site.reads.fetch_trades(self._market, since=since, limit=most)
        if len(trades) >= most and since is not None and min(trade.ts_venue for trade in trades) > since + overlap:
            self.report(StreamState.GAP, f"more than {most} trades were missed; the oldest of them are left out")
        self._take(sorted(trades, key=_time), since)
        if trades:
            self._resume.read_to(max(trade.ts_venue for trade in trades))

    def process(self, data: Data) -> None:
        """Deliver the trades that were not seen."""
        if not data.backlog:
            for event in data.events:
                if type(event) is Trade and event.market_id == self._market_id and self._note(event):
                    for consumer in self.consumers:
                        consumer.put_trade(self.key, event)
            return
        trades = [event for event in data.events if type(event) is Trade and self._is_ours(event)]
        if self._missing:
            self._take(sorted(trades, key=_time), self._resume.since)
        else:
            for trade in trades:
                self._note(trade)

    def _take(self, trades: Iterable[Trade], floor: datetime | None) -> None:
        for trade in trades:
            if (floor is None or trade.ts_venue >= floor) and self._note(trade):
                for consumer in self.consumers:
                    consumer.put_trade(self.key, trade)

    def _note(self, trade: Trade) -> bool:
        """Remember a trade; return whether it is new."""
        resume, at = self._resume, trade.ts_venue
        if resume.newest is None or at > resume.newest:
            resume.newest = at
        return self._seen.add(trade.trade_id)

    def replay(self, stream: EventStream) -> None:
        """A consumer starts from now, whenever it comes."""
        self._site.log.debug("%s: one more consumer, from now on", self.subscription)

    @property
    def _market(self) -> Market:
        market = self.subscription.market
        if market is None:
            msg = f"{self.subscription} names no market"
            raise ValueError(msg)
        return market


def _time(trade: Trade) -> datetime:
    return trade.ts_venue
