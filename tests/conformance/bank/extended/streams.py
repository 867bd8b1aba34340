"""Broken plugins: where Extended's streams are, and what a book's change and a number mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import msgspec

from perpkit.adapters.extended import endpoints
from perpkit.adapters.extended.endpoints import Streams
from perpkit.adapters.extended.venue import ExtendedVenue
from perpkit.core.errors import StreamError
from perpkit.core.models import BookDelta, Event
from perpkit.core.streams.protocol import Closing, Decoder, Frame, Incoming, StreamEndpoint
from perpkit.core.transport.retry import Effect
from tests.conformance.bank.extended.shapes import StreamPlugin, TamperedStreams
from tests.conformance.bank.registry import broken

OK = 200

_MARKS = Streams.mark_price("")
"""One stream is spoiled, not all: with none of them each test would wait its whole time."""


class _NoSegment(TamperedStreams):
    async def endpoint(self, connection: str) -> StreamEndpoint:
        good = await super().endpoint(connection)
        if not connection.startswith(_MARKS):
            return good
        return replace(good, url=good.url.replace("/stream.extended.exchange/", "/"))


@broken(
    rules="frames-follow-the-contract subscriptions-yield",
    knock_on="odd-frames-are-ignored schema-changes-survive timestamps-plausible unknown-enum-values-survive",
    checks="PU1",
    mistakes="M7",
)
class StreamSegmentTakenForAHost(StreamPlugin):
    """Takes ``stream.extended.exchange`` for a host where mark prices are, and leaves it out of the path it begins."""

    stream_type = _NoSegment


class _AskedFirst(TamperedStreams):
    async def endpoint(self, connection: str) -> StreamEndpoint:
        if not connection.startswith(_MARKS):
            return await super().endpoint(connection)
        base = self.plugin._settings.ws_base.replace("ws", "http", 1)
        async with self.plugin._context.http(base, headers=endpoints.HEADERS) as http:
            reply = await http.request("GET", connection.partition("?")[0], operation="stream", effect=Effect.READ)
        if reply.status != OK:
            raise StreamError(f"the streams are not deployed: {connection} answers {reply.status}")
        return await super().endpoint(connection)


@broken(
    rules="frames-follow-the-contract subscriptions-yield",
    knock_on="odd-frames-are-ignored schema-changes-survive timestamps-plausible unknown-enum-values-survive",
    checks="PU1",
    mistakes="M7",
)
class StreamsAskedForByHttp(StreamPlugin):
    """Asks for mark prices by HTTP, at a path where there is only WebSocket, and takes its 404 for the end of them."""

    stream_type = _AskedFirst


@broken(rules="subscriptions-yield", knock_on="public-events-once-and-in-order", checks="PU1", mistakes="M9")
class NothingBehindTheTape(ExtendedVenue):
    """Has no request for the trades that it streams, so that nothing comes while streaming is down."""

    fetch_trades = None


class _ChangeIsSize(TamperedStreams):
    def frame(self, connection: str, frame: Frame) -> Frame:
        if not connection.startswith("/orderbooks/"):
            return frame
        try:
            message = msgspec.json.decode(frame)
        except msgspec.DecodeError:
            return frame
        if not isinstance(message, dict) or message.get("type") != "DELTA":
            return frame
        for side in ("a", "b"):
            for level in message["data"].get(side) or ():
                level["c"] = level["q"]
        return msgspec.json.encode(message)


@broken(
    rules="book-equals-the-exchanges",
    knock_on="book-order-of-messages",
    checks="BK1 BK3",
)
class ChangeTakenForTheSize(StreamPlugin):
    """Takes a level's change ``q`` for its size, and leaves ``c``, which is the size, unread."""

    stream_type = _ChangeIsSize


class _NoPrevious(TamperedStreams):
    def event(self, event: Event) -> Event | None:
        return event.replace(previous_sequence=None) if isinstance(event, BookDelta) else event


@broken(rules="book-gap-is-noticed", knock_on="book-counter-restarts", checks="BK2")
class SeqOfTheBookUnread(StreamPlugin):
    """Does not look whether ``seq`` of a book follows the last one."""

    stream_type = _NoPrevious


class _NoClosing(TamperedStreams):
    def decoder(self, connection: str) -> Decoder:
        good = super().decoder(connection)
        if connection != Streams.ACCOUNT:
            return good

        def decode(frame: Frame, received: datetime) -> Sequence[Incoming]:
            return [each for each in good(frame, received) if not isinstance(each, Closing)]

        return decode


@broken(rules="sockets-fail-typed", checks="FT2 FL1")
class SeqOfTheAccountUnread(StreamPlugin):
    """Does not look whether ``seq`` of the account's stream follows the last one: what is lost stays lost."""

    stream_type = _NoClosing
