"""
The consumer's end: :class:`EventStream`, one queue for each consumer, and what may be folded in it when its reader
is slow.

Events leave in the order in which they came. Private events and statuses always stay in the queue. Of a book, a tape
or a ticker only so much stays: an entry that is folded away remains where it stood, marked dead, and is skipped.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from types import TracebackType
from typing import Self, TypeAlias

import msgspec

from perpkit.core.book import OrderBook
from perpkit.core.clock import Clock
from perpkit.core.errors import PerpkitError
from perpkit.core.models import (
    BookDelta,
    BookSnapshot,
    Channel,
    Event,
    FundingRate,
    MarketId,
    StreamState,
    StreamStatus,
    Subscription,
    Ticker,
    Trade,
)
from perpkit.core.streams.settings import StreamSettings

Key: TypeAlias = tuple[Channel, MarketId | None]

_log = logging.getLogger("perpkit.streams")

_WARN_AT = 10_000
"""So many waiting events, and each doubling of it, are worth a line in the log."""

_COMPACT_AT = 1_024
"""Dead entries beyond which it pays to look at taking them out."""


class _Entry(msgspec.Struct):
    """
    A place in the queue whose event may be replaced or die while it waits. A Struct, because one is made for every
    event of market data.
    """

    lane: _Lane
    event: Event | None


class _Lane:
    """What of one market waits in the queue, oldest first, and how much was folded away since that was last told."""

    __slots__ = ("book", "entries", "folded", "key")

    def __init__(self, key: Key) -> None:
        self.key = key
        self.entries: deque[_Entry] = deque()
        self.folded = 0
        self.book: OrderBook | None = None
        """While set, the one entry left stands for this book as it will be when the consumer gets there."""


class _Newest:
    """The one place in the queue for a market's tickers or rates: it holds the newest, while that waits."""

    __slots__ = ("event", "folded", "key")

    def __init__(self, key: Key) -> None:
        self.key = key
        self.event: Ticker | FundingRate | None = None
        self.folded = 0


class EventStream:
    """
    What a consumer holds: an async context manager, and an async iterator of events for one reader.

    A venue's refusal of a subscription is told twice: by a ``refused`` status, and then by an error from the iterator.
    The stream goes on for its other subscriptions, so iterating again continues it.

    It is made by :meth:`StreamHub.open`; closing it stays closed, and does not disturb others on the same channels.
    """

    def __init__(
        self,
        subscriptions: Sequence[Subscription],
        *,
        clock: Clock,
        settings: StreamSettings,
        join: Callable[[EventStream], None],
        leave: Callable[[EventStream], Awaitable[None]],
    ) -> None:
        self._subscriptions = tuple(subscriptions)
        self._clock = clock
        self._trade_backlog = settings.trade_backlog
        self._book_backlog = settings.book_backlog
        self._join = join
        self._leave = leave
        self._queue: deque[_Entry | _Newest | Event | PerpkitError] = deque()
        self._lanes: dict[Key, _Lane] = {}
        self._newest: dict[Key, _Newest] = {}
        self._dead = 0
        self._waiter: asyncio.Future[None] | None = None
        self._joined = False
        self._ended = False
        self._closed = False
        self._states: dict[Key, StreamState | None] = dict.fromkeys(each.key for each in subscriptions)
        self._warn_at = _WARN_AT
        self._ready = False
        self._lost_whole = False

    # The reader's side

    @property
    def subscriptions(self) -> tuple[Subscription, ...]:
        """What is followed."""
        return self._subscriptions

    @property
    def backlog(self) -> int:
        """How many events wait to be read."""
        return len(self._queue) - self._dead

    @property
    def states(self) -> Mapping[Key, StreamState | None]:
        """The state of each subscription, by channel and market id; None before its first."""
        return dict(self._states)

    @property
    def status(self) -> StreamState | None:
        """The worst state of any subscription; None until each has one."""
        if self._closed or self._ended:
            return StreamState.CLOSED
        states = set(self._states.values())
        return next((state for state in _WORST_FIRST if state in states), None)

    async def __aenter__(self) -> Self:
        self._start()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def _start(self) -> None:
        if not self._joined and not self._closed:
            self._joined = True
            try:
                self._join(self)
            except BaseException:
                self._closed = True
                raise

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while True:
            event = self.take_nowait()
            if event is not None:
                return event
            if self._closed or self._ended:
                raise StopAsyncIteration
            if self._waiter is not None:
                msg = "this stream is being read by another task; open a second stream on the same channels instead"
                raise RuntimeError(msg)
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                # Only woken here: the event is taken above, so a canceled reader loses none.
                await self._waiter
            finally:
                self._waiter = None

    def take_nowait(self) -> Event | None:
        """
        Return the next event if one waits, and None otherwise: with it, a reader that was woken takes all that has come
        meanwhile, without a turn of the event loop for each. As the iterator, it raises what a ``refused`` status says.
        """
        if not self._joined:
            self._start()
        queue = self._queue
        while queue:
            item = queue.popleft()
            kind = type(item)
            if kind is _Entry:
                lane, event = item.lane, item.event  # type: ignore[union-attr]  # an entry
                if event is None:
                    self._dead -= 1
                    continue
                lane.entries.popleft()
                return self._unfold(lane, event) if lane.folded else event
            if kind is _Newest:
                event, item.event = item.event, None  # type: ignore[union-attr]  # the newest
                return self._noticed(item, event) if item.folded else event  # type: ignore[union-attr,arg-type]
            if isinstance(item, PerpkitError):
                raise item
            return item  # type: ignore[return-value]  # neither a place nor an error is left
        return None

    async def close(self) -> None:
        """Leave. What waits in the queue is dropped, and iteration ends. Closing twice is harmless."""
        if self._closed:
            return
        self._closed = True
        self._queue.clear()
        self._lanes.clear()
        self._newest.clear()
        self._dead = 0
        self._wake()
        if self._joined:
            await self._leave(self)

    def _unfold(self, lane: _Lane, event: Event) -> Event:
        """Return a word about what was folded into a lane's entry, and put what it stands for behind that."""
        if lane.book is not None:
            event = lane.book.snapshot(conflated=lane.folded)
            lane.book = None
        elif lane.key[0] is not Channel.TRADES and lane.folded < self._book_backlog:
            return event
        return self._lagging(lane, event)

    def _noticed(self, place: _Newest, event: Event) -> Event:
        """The same of what took the place of older ones. That only the newest counts is no news until they are many."""
        return event if place.folded < self._book_backlog else self._lagging(place, event)

    def _lagging(self, place: _Lane | _Newest, event: Event) -> StreamStatus:
        folded, place.folded = place.folded, 0
        self._queue.appendleft(event)
        channel, market_id = place.key
        return self._status(StreamState.LAGGING, channel, market_id, "the reader is slow", dropped=folded)

    # The engine's side; all of it is synchronous

    def put(self, event: Event) -> None:
        """Queue an event that is never dropped."""
        if not self._closed:
            self._queue.append(event)
            if self._waiter is not None:
                self._wake()
            if len(self._queue) >= self._warn_at:
                self._warn_at *= 2
                _log.warning(
                    "a reader of %s is slow: %d events wait", ", ".join(map(str, self._subscriptions)), self.backlog
                )

    def put_latest(self, key: Key, event: Ticker | FundingRate) -> None:
        """Queue an event that takes the place of an older one that still waits."""
        place = self._newest.get(key)
        if place is None:
            place = self._newest[key] = _Newest(key)
        if place.event is not None:
            place.folded += 1
        elif self._closed:
            return
        else:
            self._queue.append(place)
            if self._waiter is not None:
                self._wake()
        place.event = event

    def put_trade(self, key: Key, event: Trade) -> None:
        """Queue a public trade; beyond the bound the oldest that waits is dropped."""
        lane = self._lanes.get(key) or self._lane(key)
        if len(lane.entries) >= self._trade_backlog:
            self._kill(lane.entries.popleft())
            lane.folded += 1
        self._append(lane, event)

    def put_book(self, key: Key, event: BookSnapshot | BookDelta, book: OrderBook) -> None:
        """Queue a book message; beyond the bound, those that wait become one snapshot, made when it is read."""
        lane = self._lanes.get(key) or self._lane(key)
        if lane.book is not None:
            lane.folded += 1
        elif len(lane.entries) >= self._book_backlog:
            # The entry that stays is the oldest, so that no later status overtakes the state it speaks of.
            lane.folded += len(lane.entries) + 1
            while len(lane.entries) > 1:
                self._kill(lane.entries.pop())
            lane.book = book
        else:
            self._append(lane, event)

    def drop_book(self, key: Key) -> None:
        """Take out what waits of a book that is no longer right."""
        lane = self._lanes.pop(key, None)
        if lane is not None:
            while lane.entries:
                self._kill(lane.entries.pop())

    def _lane(self, key: Key) -> _Lane:
        lane = self._lanes[key] = _Lane(key)
        return lane

    def _append(self, lane: _Lane, event: Event) -> None:
        if not self._closed:
            entry = _Entry(lane, event)
            lane.entries.append(entry)
            self._queue.append(entry)
            # As in `_wake`, in place: this is done for each event of market data.
            waiter = self._waiter
            if waiter is not None and not waiter.done():
                waiter.set_result(None)

    def _kill(self, entry: _Entry) -> None:
        entry.event = None
        self._dead += 1
        if self._dead > _COMPACT_AT and self._dead > len(self._queue) // 2:
            self._queue = deque(item for item in self._queue if type(item) is not _Entry or item.event is not None)
            self._dead = 0

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # What the stream says of itself

    def report(self, key: Key, state: StreamState, reason: str | None = None) -> None:
        """
        Tell of one subscription's new state.

        ``live`` is told once for all of the stream, when every subscription has its first state; after that, and all
        other states, for the subscription alone. What was lost as a whole is told as ``resynced`` as a whole.
        """
        before = self._states.get(key)
        self._states[key] = state
        channel, market_id = key
        if state in _UP and not self._ready:
            self._settle_first()
            return
        if state in _UP and self._lost_whole and before is StreamState.LOST:
            self._settle_whole()
            return
        self.put(self._status(state, channel, market_id, reason))
        if state in {StreamState.POLLING, StreamState.REFUSED}:
            if not self._ready:
                self._settle_first()
            elif self._lost_whole:
                self._settle_whole()

    def lost(self, keys: Collection[Key], reason: str) -> None:
        """Tell that the connection under these subscriptions is gone."""
        newly = [key for key in keys if self._states.get(key, StreamState.REFUSED) not in _DOWN]
        for key in newly:
            self._states[key] = StreamState.LOST
        whole = [key for key, state in self._states.items() if state is not StreamState.REFUSED]
        if newly and len(newly) == len(whole):
            self._lost_whole = True
            self.put(self._status(StreamState.LOST, None, None, reason))
            return
        for channel, market_id in newly:
            self.put(self._status(StreamState.LOST, channel, market_id, reason))

    def fail(self, key: Key, error: PerpkitError, *, final: bool) -> None:
        """Raise an error in the reader, after what came before it; with ``final``, nothing more comes for the key."""
        if final:
            self.report(key, StreamState.REFUSED, str(error))
        if not self._closed:
            self._queue.append(error)
        if all(state is StreamState.REFUSED for state in self._states.values()):
            self._ended = True
        self._wake()

    def end(self, reason: str) -> None:
        """Let the reader read what waits, then end: the venue is being closed."""
        if not (self._closed or self._ended):
            self._states = dict.fromkeys(self._states, StreamState.CLOSED)
            self.put(self._status(StreamState.CLOSED, None, None, reason))
            self._ended = True
            self._wake()

    def _settle_first(self) -> None:
        states = self._states.values()
        if any(state is None or state is StreamState.LOST for state in states):
            return
        self._ready = True
        self._lost_whole = False
        if not _UP.isdisjoint(states):
            self.put(self._status(StreamState.LIVE, None, None, None))

    def _settle_whole(self) -> None:
        states = self._states.values()
        if StreamState.LOST in states:
            return
        self._lost_whole = False
        if not _UP.isdisjoint(states):
            self.put(self._status(StreamState.RESYNCED, None, None, None))

    def _status(
        self,
        state: StreamState,
        channel: Channel | None,
        market_id: MarketId | None,
        reason: str | None,
        *,
        dropped: int = 0,
    ) -> StreamStatus:
        return StreamStatus.trusted(
            state=state,
            channel=channel,
            market_id=market_id,
            reason=reason,
            dropped=dropped,
            ts_received=self._clock.now(),
        )


_UP = frozenset({StreamState.LIVE, StreamState.RESYNCED})

_DOWN = frozenset({StreamState.LOST, StreamState.REFUSED, StreamState.POLLING})
"""States that a lost connection does not make worse."""

_WORST_FIRST = (
    StreamState.REFUSED,
    StreamState.LOST,
    StreamState.GAP,
    None,
    StreamState.POLLING,
    StreamState.RESYNCED,
    StreamState.LIVE,
)
