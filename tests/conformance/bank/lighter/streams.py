"""Broken plugins: what Lighter's books count by, and what keeps a connection alive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import msgspec

from perpkit.core.streams.protocol import Frame, Incoming, StreamTraits
from tests.conformance.bank.lighter.shapes import StreamPlugin
from tests.conformance.bank.registry import broken
from tests.conformance.bank.tamper import TamperedStream


class _ByOffset(TamperedStream):
    def decode(self, frame: Frame, received: datetime) -> Sequence[Incoming]:
        try:
            message = msgspec.json.decode(frame)
        except msgspec.DecodeError:
            return super().decode(frame, received)
        book = message.get("order_book") if isinstance(message, dict) else None
        if isinstance(book, dict) and "offset" in book:
            book["nonce"], book["begin_nonce"] = book["offset"], book["offset"] - 1
            frame = msgspec.json.encode(message).decode()
        return super().decode(frame, received)


# Change after change looks like a gap: the book is stale again and again, and the channel is subscribed to anew.
@broken(
    rules="book-counter-restarts book-equals-the-exchanges",
    knock_on="book-empty-sides book-order-of-messages slow-consumers-are-told",
    checks="BK2 BK9",
)
class BookByOffset(StreamPlugin):
    """Takes ``offset``, which counts at one server and leaves numbers out, for what a book's changes follow by."""

    stream_type = _ByOffset


class _NoKeepalive(TamperedStream):
    @property
    def traits(self) -> StreamTraits:
        return replace(self.good.traits, keepalive_interval=None)

    def keepalive(self) -> Frame | None:
        return None


@broken(rules="silent-death-is-noticed", checks="PU5")
class NoKeepalive(StreamPlugin):
    """Sends nothing to keep a connection, which the venue closes after two minutes without a frame."""

    stream_type = _NoKeepalive
