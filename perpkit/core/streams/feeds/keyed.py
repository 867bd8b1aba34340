"""Positions and balances: one state for each market or asset, with the rules of replacing and merging it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import ClassVar, Generic, TypeVar

from perpkit.core.models import Balance, Event, Position, Subscription
from perpkit.core.streams.delivery import EventStream
from perpkit.core.streams.feeds.base import Feed, Site
from perpkit.core.streams.protocol import Data

S = TypeVar("S", Position, Balance)

_ZERO = Decimal(0)


class _Held(Generic[S]):
    """
    The last state of one key.

    Attributes:
        row: As it was shown.
        judged_by: The last telling of the venue; it is another than ``row`` when the key is gone by absence.
    """

    __slots__ = ("judged_by", "row")

    def __init__(self, row: S, judged_by: S) -> None:
        self.row: S = row
        self.judged_by: S = judged_by


class _KeyedFeed(Feed, Generic[S]):
    """
    Starts with the state by REST. Later updates merge by key; a whole snapshot replaces, so that what it leaves out is
    reported once as gone. A read that fails, or is overtaken by the stream, takes nothing away.
    """

    starts_with_state: ClassVar[bool] = True
    tells_gap: ClassVar[bool] = False
    shows_empty: ClassVar[bool]
    """Whether an empty row is worth telling when nothing was known before."""

    def __init__(self, subscription: Subscription, site: Site) -> None:
        super().__init__(subscription, site)
        self._held: dict[str, _Held[S]] = {}
        # What the stream brought is counted, so that a read knows what overtook it.
        self._count = 0
        self._count_when_up = 0
        self._came: dict[str, int] = {}

    def receive(self, data: Data) -> None:
        """Note what the stream speaks of, also while it is kept aside."""
        self._count += 1
        for row in self._rows(data):
            self._came[self._key_of(row)] = self._count
        super().receive(data)

    def went_down(self, reason: str) -> None:
        """What the stream brings from here on is newer than any read that follows it."""
        super().went_down(reason)
        self._count_when_up = self._count

    async def catch_up(self) -> None:
        """Read the whole state. Where the venue has no such read, its stream has to bring it."""
        if self.can_read:
            await self.poll()

    async def poll(self) -> None:
        """Read the whole state and deliver what differs."""
        # What waits will be told after this read, so the read may not take away what it speaks of.
        started = self._count if self._aside is None else self._count_when_up
        rows = await self._read()
        self._replace(rows, overtaken=lambda key: self._came.get(key, 0) > started)

    def process(self, data: Data) -> None:
        """Deliver what is news: as a replacement of everything if the venue says so, else key by key."""
        if data.snapshot:
            self._replace(self._rows(data), overtaken=lambda _: False)
        else:
            for row in self._rows(data):
                self._merge(row)

    def _rows(self, data: Data) -> list[S]:
        return [event for event in data.events if self._is_ours(event)]  # type: ignore[misc]  # so their kind is S

    def _replace(self, rows: Iterable[S], overtaken: Callable[[str], bool]) -> None:
        present = set()
        for row in rows:
            if self._is_ours(row):
                present.add(self._key_of(row))
                self._merge(row)
        for key, held in list(self._held.items()):
            if key not in present and not self._is_empty(held.row) and not overtaken(key):
                row = self._emptied(held.row)
                self._held[key] = _Held(row, held.judged_by)
                self.deliver(row)

    def _merge(self, row: S) -> None:
        key = self._key_of(row)
        held = self._held.get(key)
        if held is not None and not _is_news(row, held):
            return
        self._held[key] = _Held(row, row)
        was_empty = self._is_empty(held.row) if held is not None else not self.shows_empty
        if not (was_empty and self._is_empty(row)):
            self.deliver(row)

    def replay(self, stream: EventStream) -> None:
        """Hand over what is there; what is gone was never there for a newcomer."""
        for held in self._held.values():
            if not self._is_empty(held.row):
                stream.put(held.row)

    @abstractmethod
    def _key_of(self, row: S) -> str: ...

    @abstractmethod
    def _is_empty(self, row: S) -> bool: ...

    @abstractmethod
    def _emptied(self, row: S) -> S: ...

    @abstractmethod
    async def _read(self) -> Sequence[S]: ...


def _is_news(row: S, held: _Held[S]) -> bool:
    """Whether a telling is neither older than what is held nor the same again."""
    known = held.judged_by
    gone_by_absence = known is not held.row
    if row.sequence is not None and known.sequence is not None:
        if row.sequence > known.sequence:
            return True
        newer = row.ts_venue is not None and known.ts_venue is not None and row.ts_venue > known.ts_venue
        if row.sequence < known.sequence:
            return newer  # a lower number with a newer time is a counter that started again
        if gone_by_absence:
            return newer  # otherwise it is the last state before the end, told late
    elif row.ts_venue is not None and known.ts_venue is not None:
        if row.ts_venue != known.ts_venue:
            return row.ts_venue > known.ts_venue
        if gone_by_absence:
            return False
    return _content(row) != _content(held.row)


def _content(row: Position | Balance) -> dict[str, object]:
    return {name: value for name, value in row.__dict__.items() if name != "ts_received"}


class PositionsFeed(_KeyedFeed[Position]):
    """Positions. One that closes is reported once, with size 0."""

    kinds: ClassVar[tuple[type[Event], ...]] = (Position,)
    shows_empty: ClassVar[bool] = False

    def _key_of(self, row: Position) -> str:
        return row.market_id

    def _is_empty(self, row: Position) -> bool:
        return row.size == _ZERO

    def _emptied(self, row: Position) -> Position:
        return Position(market_id=row.market_id, size=_ZERO, ts_received=self._site.clock.now())

    async def _read(self) -> Sequence[Position]:
        return await self._site.shared.positions()


class BalancesFeed(_KeyedFeed[Balance]):
    """Balances. An asset that is no longer listed has gone to zero."""

    kinds: ClassVar[tuple[type[Event], ...]] = (Balance,)
    shows_empty: ClassVar[bool] = True

    def _key_of(self, row: Balance) -> str:
        return row.asset

    def _is_empty(self, row: Balance) -> bool:
        return row.total == _ZERO and not row.available

    def _emptied(self, row: Balance) -> Balance:
        available = None if row.available is None else _ZERO
        return Balance(asset=row.asset, total=_ZERO, available=available, ts_received=self._site.clock.now())

    async def _read(self) -> Sequence[Balance]:
        return await self._site.shared.balances()
