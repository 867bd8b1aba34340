"""
What a venue's plugin supplies so that the core can run its sockets: the words, never the work.

The core connects, signs in, subscribes, watches for silence, reconnects with back-off, subscribes again, resyncs and
removes duplicates. A plugin's :class:`StreamSource` says where to connect, turns subscriptions into the venue's topics
and frames, and turns frames into events. It holds no sockets and starts no tasks.

A frame's way: bytes -> :meth:`StreamSource.decode` -> :class:`Data` (core models) -> the core's hub -> the consumer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Protocol, TypeAlias, runtime_checkable

import msgspec

from perpkit.core.errors import PerpkitError
from perpkit.core.models import Event, Subscription

Frame: TypeAlias = str | bytes


@dataclass(frozen=True, slots=True)
class Topic:
    """
    One thing the venue lets us subscribe to.

    Attributes:
        name: The venue's own channel name; unique among topics. Data and acknowledgements are matched by it.
        private: Whether the connection must be signed in first.
        connection: Topics with different labels go over different connections (for venues with a public and a private
            endpoint).
    """

    name: str
    private: bool = False
    connection: str = "main"


@dataclass(frozen=True, slots=True)
class StreamEndpoint:
    """
    Where to connect.

    Attributes:
        headers: May hold secrets and are never logged.
        silence: No data for so long means that the connection is dead, however well pings are answered; None where data
            may stay away for as long as it likes.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    silence: timedelta | None = None


@dataclass(frozen=True, slots=True)
class StreamTraits:
    """
    How the venue's sockets behave; each value with its source where the plugin sets it.

    Attributes:
        silence_timeout: No frame and no ping for so long means that the connection is dead.
        ping_interval: How often we send a protocol ping; None when the venue's own are enough.
        keepalive_interval: How often :meth:`StreamSource.keepalive`'s frame is sent; None for never.
        max_topics_per_connection: More are spread over further connections.
        max_connects: So many connection attempts ...
        connects_per: ... in so long.
        max_messages: So many subscribe and unsubscribe frames, over all connections together, ...
        messages_per: ... in so long; None where the venue has no such cap. Leave room for what keeps connections alive.
        sign_in_again_after: Sign in again on a live connection so often; None when once is enough.
        renew_after: Make a connection with private topics again so often, for venues whose subscriptions end with the
            token that they were made with. What happens meanwhile is caught up with, as after any loss.
        book_resync: After a gap in a book: subscribe to it again, or fetch it by REST.
    """

    silence_timeout: timedelta = timedelta(seconds=60)
    ping_interval: timedelta | None = None
    keepalive_interval: timedelta | None = None
    max_topics_per_connection: int | None = None
    max_connects: int = 20
    connects_per: timedelta = timedelta(seconds=60)
    max_messages: int | None = None
    messages_per: timedelta = timedelta(seconds=60)
    sign_in_again_after: timedelta | None = None
    renew_after: timedelta | None = None
    book_resync: Literal["resubscribe", "rest"] = "resubscribe"


@dataclass(frozen=True, slots=True)
class Ack:
    """The venue did what the frame with this request id asked (sign in, subscribe, unsubscribe)."""

    request_id: int | None
    topic: str | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """
    The venue refused the frame with this request id.

    Attributes:
        error: AuthError for credentials; RateLimitError to try again later; anything else is final for the topic.
        already: The venue says that the wanted state is there already (subscribed twice): as good as an Ack.
    """

    request_id: int | None
    error: PerpkitError
    topic: str | None = None
    already: bool = False


class Data(msgspec.Struct, frozen=True, gc=False):
    """
    Events of one topic. A Struct: one is made for every frame, and a frozen dataclass takes seven times as long.
    No event leads back to it, so the collector need not look at it.

    Attributes:
        snapshot: The events are the topic's whole state (all positions, all balances), so what is not among them is
            gone. A book's snapshot is a ``BookSnapshot`` event and needs no flag.
        backlog: The events are history that the venue repeats after subscribing (recent trades).
    """

    topic: str
    events: Sequence[Event]
    snapshot: bool = False
    backlog: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """The venue asks for an answer: send this frame back."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class SignedOut:
    """The venue says that this connection is no longer signed in: sign in again."""

    reason: str


@dataclass(frozen=True, slots=True)
class Closing:
    """The venue announces that it will close this connection: reconnect without back-off."""

    reason: str


Incoming: TypeAlias = Ack | Refusal | Data | Reply | SignedOut | Closing


class StreamSource(Protocol):
    """
    A venue's words for its streams.

    The core asks ``open_stream`` for one when the first consumer comes and keeps it for as long as the venue is open.
    It is asked for the topics of later subscriptions too, and decodes the frames of all connections, also after they
    were made again. So it may keep what decoding a topic needs, but nothing that belongs to one connection.
    """

    @property
    def traits(self) -> StreamTraits:
        """How the venue's sockets behave."""
        ...

    async def endpoint(self, connection: str) -> StreamEndpoint:
        """Return where the labelled connection goes. Called before each connect."""
        ...

    def topics(self, subscription: Subscription) -> Sequence[Topic]:
        """Return the topics that serve a subscription. CapabilityError when none does: the core polls instead."""
        ...

    async def sign_in(self, connection: str, request_id: int) -> Frame | None:
        """Return the frame that signs a connection in, with fresh credentials; None where connecting is enough."""
        ...

    def subscribe(self, topic: Topic, request_id: int) -> Frame:
        """Return the frame that subscribes."""
        ...

    def unsubscribe(self, topic: Topic, request_id: int) -> Frame:
        """Return the frame that unsubscribes."""
        ...

    def keepalive(self) -> Frame | None:
        """Return the frame to send every ``keepalive_interval``; None when there is none."""
        ...

    def decode(self, frame: Frame, received: datetime) -> Sequence[Incoming]:
        """
        Turn one frame into what it means; an empty sequence for heartbeats and frames of no interest.

        Raises:
            DecodeError: The frame can't be read. The core logs and counts it; a run of them ends the connection.
        """
        ...


Decoder: TypeAlias = Callable[[Frame, datetime], Sequence[Incoming]]
"""Turns one frame, and when it was received, into what it means; see :meth:`StreamSource.decode`."""


@runtime_checkable
class AddressedSource(Protocol):
    """
    A venue's words where the address is the subscription: whoever connects has subscribed, nothing is ever sent, and a
    topic is left by ending its connection. Topics with one label share a connection and come up with it.

    What a frame belongs to is known by the connection that brought it, so the core asks for a decoder at each connect;
    a decoder may keep what belongs to its connection, such as the last number.
    """

    @property
    def traits(self) -> StreamTraits:
        """How the venue's sockets behave."""
        ...

    async def endpoint(self, connection: str) -> StreamEndpoint:
        """Return where the labelled connection goes, credentials included. Called before each connect."""
        ...

    def topics(self, subscription: Subscription) -> Sequence[Topic]:
        """Return the topics that serve a subscription. CapabilityError when none does: the core polls instead."""
        ...

    def decoder(self, connection: str) -> Decoder:
        """Return what reads the frames of a labelled connection that was just made."""
        ...


AnySource: TypeAlias = StreamSource | AddressedSource
"""What ``open_stream`` may return."""
