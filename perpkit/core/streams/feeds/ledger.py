"""Fills and funding payments: entries of the account's history, each delivered exactly once, none missed."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar, Generic, TypeVar

from perpkit.core.dedup import SeenIds
from perpkit.core.errors import PerpkitError
from perpkit.core.models import Event, Fill, FundingPayment, MarketId, Subscription
from perpkit.core.streams.delivery import EventStream
from perpkit.core.streams.feeds.base import FINAL, Feed, Site
from perpkit.core.streams.feeds.resuming import ResumePoint
from perpkit.core.streams.protocol import Data

E = TypeVar("E", Fill, FundingPayment)


class _LedgerFeed(Feed, Generic[E]):
    """
    Starts from now: what is there before the first subscription is noted as old. After each (re)subscription the
    newest entries are read again, from a while before the newest one seen, and what was not seen is delivered.
    """

    def __init__(self, subscription: Subscription, site: Site) -> None:
        super().__init__(subscription, site)
        self._seen: SeenIds[tuple[MarketId, str]] = SeenIds()
        self._floor: datetime | None = None
        self._resume = ResumePoint(site.settings.overlap)

    async def prepare(self) -> None:
        """Note what is old. Where that can't be read now, the moment itself is the border."""
        now = self._site.clock.now()
        self._floor = now
        self._resume.begin(now)
        if not self.can_read:
            return
        since = now - self._site.settings.seed_window
        try:
            rows = await self._read(since)
        except FINAL:
            raise
        except PerpkitError as error:
            self._site.log.warning("%s: what is old can't be read, starting from now: %s", self.subscription, error)
            return
        self._floor = since
        self._resume.begin(since)
        for row in rows:
            self._note(row)
            self._resume.read_to(row.ts_venue)

    def went_down(self, reason: str) -> None:
        """Remember up to when all was seen."""
        super().went_down(reason)
        self._resume.broke()

    def came_live(self) -> None:
        """From here on the stream tells of every entry."""
        super().came_live()
        self._resume.followed()

    async def catch_up(self) -> None:
        """Read from before the last entry that nothing was missed before, and deliver what is new."""
        if not self.can_read:
            return
        since = self._resume.since
        if since is not None and self._floor is not None:
            since = max(since, self._floor)
        rows = [row for row in await self._read(since) if since is None or row.ts_venue >= since]
        for row in sorted(rows, key=_time):
            self._take(row)
            self._resume.read_to(row.ts_venue)

    async def look_again(self) -> None:
        """Read once more a little later: the last entries may not have been written when they were asked for."""
        if self.can_read:
            await self._site.clock.sleep(self._site.settings.second_look.total_seconds())
            try:
                await self.catch_up()
            except PerpkitError as error:
                self._site.log.warning("%s: the second look failed: %s", self.subscription, error)

    async def poll(self) -> None:
        """The same as after a loss."""
        await self.catch_up()

    def process(self, data: Data) -> None:
        """Deliver what was not seen. History from before the start, which some venues repeat, is noted only."""
        for event in data.events:
            if self._is_ours(event) and isinstance(event, Fill | FundingPayment):
                if data.backlog and self._floor is not None and event.ts_venue < self._floor:
                    self._note(event)  # type: ignore[arg-type]  # of this feed's kind, as _is_ours has seen
                else:
                    self._take(event)  # type: ignore[arg-type]

    def replay(self, stream: EventStream) -> None:
        """A consumer starts from now, whenever it comes."""
        self._site.log.debug("%s: one more consumer, from now on", self.subscription)

    def _note(self, row: E) -> bool:
        if self._market_id is not None and row.market_id != self._market_id:
            return False
        if self._resume.newest is None or row.ts_venue > self._resume.newest:
            self._resume.newest = row.ts_venue
        return self._seen.add((row.market_id, self._id_of(row)))

    def _take(self, row: E) -> None:
        if self._note(row):
            self.deliver(row)
            self._tell(row)

    def _tell(self, row: E) -> None:
        """Tell others than the consumers."""
        self._site.log.debug("%s: %s", self.subscription, self._id_of(row))

    @abstractmethod
    def _id_of(self, row: E) -> str: ...

    @abstractmethod
    async def _read(self, since: datetime | None) -> Sequence[E]: ...


def _time(row: Fill | FundingPayment) -> datetime:
    return row.ts_venue


class FillsFeed(_LedgerFeed[Fill]):
    """Our own fills."""

    kinds: ClassVar[tuple[type[Event], ...]] = (Fill,)

    def _id_of(self, row: Fill) -> str:
        return row.fill_id

    async def _read(self, since: datetime | None) -> Sequence[Fill]:
        return await self._site.reads.fetch_fills(self.subscription.market, since=since)

    def _tell(self, row: Fill) -> None:
        if self._site.orders is not None:
            self._site.orders.observe_fill(row)


class PaymentsFeed(_LedgerFeed[FundingPayment]):
    """Funding paid and received."""

    kinds: ClassVar[tuple[type[Event], ...]] = (FundingPayment,)

    def _id_of(self, row: FundingPayment) -> str:
        return row.payment_id

    async def _read(self, since: datetime | None) -> Sequence[FundingPayment]:
        return await self._site.reads.fetch_funding_payments(self.subscription.market, since=since)
