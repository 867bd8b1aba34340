"""A maintained book for each market: what is applied goes out, a gap is told at once and mended."""

from __future__ import annotations

import asyncio
from typing import ClassVar

from perpkit.core.book import BookOutcome, OrderBook
from perpkit.core.errors import StreamGapError
from perpkit.core.models import BookDelta, BookSnapshot, Market, StreamState, Subscription
from perpkit.core.streams.delivery import EventStream
from perpkit.core.streams.feeds.base import Feed, Phase, Site
from perpkit.core.streams.protocol import Data
from perpkit.core.streams.tasks import within

# Looked up once: on Python 3.11 an enum finds its members slowly, and these are asked for with every update.
_APPLIED, _GAP = BookOutcome.APPLIED, BookOutcome.GAP


class BookFeed(Feed):
    """
    Keeps the book, so that gaps are seen once for all consumers and a slow or late one can be given a snapshot.

    Consumers get a ``BookSnapshot`` first, and then the deltas that follow it without a gap.
    """

    kinds: ClassVar[tuple[type[BookSnapshot], type[BookDelta]]] = (BookSnapshot, BookDelta)
    keeps_aside: ClassVar[bool] = False  # the book itself keeps deltas until their snapshot
    tells_gap: ClassVar[bool] = False

    def __init__(self, subscription: Subscription, site: Site) -> None:
        super().__init__(subscription, site)
        self._book = OrderBook(self._market.id)
        self._fresh = asyncio.Event()
        """Set while the book stands on a snapshot that the wire's deltas follow; a polled one does not count."""
        self._expected = True
        self._wire_brings = False
        self._gaps = self._backoff()
        self._last_gap: float | None = None

    @property
    def book(self) -> OrderBook:
        """The book as it is now."""
        return self._book

    def process(self, data: Data) -> None:
        """Apply, and deliver what was applied."""
        for event in data.events:
            # isinstance alone says "no" slowly: pydantic answers it in Python.
            kind = type(event)
            if kind is not BookSnapshot and kind is not BookDelta and not isinstance(event, self.kinds):
                continue
            if event.market_id == self._market_id:  # type: ignore[union-attr]  # one of our kinds
                self._wire_brings = True
                self._apply(event, True)  # type: ignore[arg-type]  # as above

    receive = process  # nothing is ever kept aside

    def _apply(self, event: BookSnapshot | BookDelta, from_wire: bool = False) -> None:
        book = self._book
        outcome = book.apply(event)
        if outcome is _APPLIED:
            # isinstance alone says "no" slowly: pydantic answers it in Python.
            if type(event) is BookSnapshot or not isinstance(event, BookDelta):
                if from_wire:
                    self._fresh.set()
                if event.sequence != book.sequence:
                    event = book.snapshot()  # with the deltas that had waited for it
            for consumer in self.consumers:
                consumer.put_book(self.key, event, book)
        elif outcome is _GAP:
            self._mend(book.stale_reason or "gap")

    def _mend(self, reason: str) -> None:
        """Tell of the gap at once, take out what waits of the wrong book, and have it made again."""
        self._expected = False
        self._fresh.clear()
        for consumer in self.consumers:
            consumer.drop_book(self.key)
        if self.phase is Phase.LIVE:
            self.phase = Phase.SYNCING
            self.report(StreamState.GAP, reason)
            self._site.resync(self)

    def went_down(self, reason: str) -> None:
        """The book of a lost connection can't be trusted, nor continued by the next one."""
        self._book.reset(reason)
        self._fresh.clear()
        self._expected = True
        self._wire_brings = False
        for consumer in self.consumers:
            consumer.drop_book(self.key)

    async def catch_up(self) -> None:
        """Get a snapshot that the deltas follow: by REST, from the subscription just made, or from another one."""
        if self._fresh.is_set() and not self._is_stale():
            return
        if self._site.resync_book_by_rest() and self.can_read:
            if not self._expected:
                await self._pace()
            self._expected = False
            self._apply(await self._site.reads.fetch_order_book(self._market))
            if self._is_stale():
                raise self._still_stale("the snapshot that was fetched does not lead to the updates that came")
            return
        if not self._expected:
            await self._pace()
            if self._fresh.is_set() and not self._is_stale():
                return  # the venue sent a snapshot of its own accord
            self._expected = True
            self._site.resubscribe(self)
        try:
            await within(self._site.clock, self._fresh.wait(), self._wait_limit())
        except TimeoutError:
            self._expected = False
            raise self._still_stale("no snapshot came") from None

    async def _pace(self) -> None:
        """Mend the first gap at once, and further ones with growing pauses, until the book has held for a while."""
        now, last = self._site.clock.monotonic(), self._last_gap
        if last is None or now - last > self._site.settings.stable_after.total_seconds():
            self._gaps.reset()
        else:
            await self._site.clock.sleep(self._gaps.next().total_seconds())
        self._last_gap = self._site.clock.monotonic()

    def _is_stale(self) -> bool:
        return self._book.is_stale

    def _still_stale(self, why: str) -> StreamGapError:
        reason = self._book.stale_reason
        message = f"the book of {self._book.market_id} is stale ({reason}): {why}"
        return StreamGapError(message, venue=self._site.venue, operation="stream")

    async def poll(self) -> None:
        """Read the book; where the stream keeps it already, there is nothing to do."""
        if self._wire_brings and not self._is_stale():
            return
        snapshot = await self._site.reads.fetch_order_book(self._market)
        if self._wire_brings and not self._is_stale():
            return
        if not self._is_stale() and (snapshot.bids, snapshot.asks) == (self._book.bids(), self._book.asks()):
            return
        self._apply(snapshot)

    def replay(self, stream: EventStream) -> None:
        """Hand over the present book."""
        if not self._book.is_stale:
            stream.put_book(self.key, self._book.snapshot(), self._book)

    @property
    def _market(self) -> Market:
        market = self.subscription.market
        if market is None:
            msg = f"{self.subscription} names no market"
            raise ValueError(msg)
        return market
