"""Broken plugins: the streamed order book."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cached_property

from perpkit.core.errors import DecodeError
from perpkit.core.models import BookDelta, BookSnapshot, Event
from perpkit.core.streams.protocol import Frame, Incoming
from tests.conformance.bank.paradex.shapes import StreamPlugin
from tests.conformance.bank.registry import broken
from tests.conformance.bank.tamper import TamperedStream


class _Halved(TamperedStream):
    def event(self, event: Event) -> Event | None:
        if isinstance(event, BookDelta):
            return event.replace(bids=tuple(level._replace(size=level.size / 2) for level in event.bids))
        return event


@broken(
    rules="book-equals-the-exchanges",
    knock_on="book-counter-restarts book-empty-sides book-gap-is-noticed book-levels-are-exact "
    "book-order-of-messages book-sides-are-sorted book-snapshot-replaces",
    checks="BK1 BK3",
)
class DeltaMisread(StreamPlugin):
    """Takes a level's new size for something else than its size."""

    stream_type = _Halved


class _NoPrevious(TamperedStream):
    def event(self, event: Event) -> Event | None:
        return event.replace(previous_sequence=None) if isinstance(event, BookDelta) else event


@broken(rules="book-gap-is-noticed", knock_on="book-counter-restarts book-order-of-messages", checks="BK2")
class GapsUnnoticed(StreamPlugin):
    """Does not say which update a change follows."""

    stream_type = _NoPrevious


class _Additive(TamperedStream):
    def event(self, event: Event) -> Event | None:
        if not isinstance(event, BookSnapshot):
            return event
        if event.market_id in self.plugin.seen:
            return BookDelta(
                market_id=event.market_id, bids=event.bids, asks=event.asks, sequence=event.sequence,
                previous_sequence=None, ts_venue=event.ts_venue, ts_received=event.ts_received,
            )  # fmt: skip
        self.plugin.seen.add(event.market_id)
        return event


@broken(
    rules="book-snapshot-replaces",
    knock_on="book-counter-restarts book-gap-is-noticed book-order-of-messages unknown-enum-values-survive",
    checks="BK4",
)
class LaterSnapshotsAdded(StreamPlugin):
    """Lays a later snapshot over the book as if it were a change."""

    stream_type = _Additive

    @cached_property
    def seen(self) -> set[str]:
        return set()


class _NoRemovals(TamperedStream):
    def event(self, event: Event) -> Event | None:
        if isinstance(event, BookDelta):
            kept = [tuple(level for level in side if level.size) for side in (event.bids, event.asks)]
            return event.replace(bids=kept[0], asks=kept[1])
        return event


@broken(
    rules="book-levels-are-exact",
    knock_on="book-counter-restarts book-empty-sides book-equals-the-exchanges book-order-of-messages "
    "book-sides-are-sorted",
    checks="BK5",
)
class LevelsNeverLeave(StreamPlugin):
    """Keeps levels of the book that the venue has removed."""

    stream_type = _NoRemovals


class _NoSequence(TamperedStream):
    def event(self, event: Event) -> Event | None:
        if isinstance(event, BookDelta):
            return event.replace(sequence=None, previous_sequence=None)
        return event.replace(sequence=None) if isinstance(event, BookSnapshot) else event


@broken(rules="book-order-of-messages", knock_on="book-counter-restarts book-gap-is-noticed", checks="BK6")
class OldDeltasReplayed(StreamPlugin):
    """Leaves the numbers of updates away, so that old and repeated ones are applied again."""

    stream_type = _NoSequence


class _Doubled(TamperedStream):
    def event(self, event: Event) -> Event | None:
        if isinstance(event, BookDelta | BookSnapshot):
            return event.replace(asks=(*event.asks, *event.bids))
        return event


@broken(
    rules="book-sides-are-sorted",
    knock_on="book-counter-restarts book-empty-sides book-equals-the-exchanges book-gap-is-noticed "
    "book-levels-are-exact book-order-of-messages book-snapshot-replaces consumers-share-a-subscription "
    "no-auth-across-redirects schema-changes-survive slow-consumers-are-told subscriptions-yield "
    "timestamps-plausible unknown-enum-values-survive",
    checks="BK7",
)
class BidsAmongTheAsks(StreamPlugin):
    """Appends bids to asks."""

    stream_type = _Doubled


class _NeedsBoth(TamperedStream):
    def event(self, event: Event) -> Event | None:
        if isinstance(event, BookSnapshot) and not (event.bids and event.asks):
            raise DecodeError("a book without a side")
        return event


@broken(rules="book-empty-sides", knock_on="sizes-are-base-units soak-stays-bounded", checks="BK8")
class EmptySideRefused(StreamPlugin):
    """Can't read a book with an empty side."""

    stream_type = _NeedsBoth


class _OneCounter(TamperedStream):
    def decode(self, frame: Frame, received: datetime) -> Sequence[Incoming]:
        return [self.changed(each) for each in self.good.decode(frame, received)]

    def event(self, event: Event) -> Event | None:
        if isinstance(event, BookSnapshot | BookDelta) and event.sequence is not None:
            if event.sequence < self.plugin.highest:
                return None
            self.plugin.highest = event.sequence
        return event


@broken(rules="book-counter-restarts", checks="BK9")
class CounterNeverRestarts(StreamPlugin):
    """Takes everything numbered lower than what it has seen for old, also from a server that began anew."""

    stream_type = _OneCounter
    highest = 0
