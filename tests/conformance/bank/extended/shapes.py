"""The Extended plugin, made so that a bug of its streams, of its requests or of what it sends is a few lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from perpkit.adapters.extended.venue import ExtendedVenue
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import Subscription
from perpkit.core.streams.protocol import Decoder, Frame, Incoming, StreamEndpoint, StreamTraits, Topic
from perpkit.core.transport.http import HttpReply
from tests.conformance.bank.tamper import Request, TamperedHttp, TamperedStream


class TamperedStreams(TamperedStream):
    """
    The good addresses and words. What a bug changes, its subclass overrides.

    Each method is spelled out: the core tells by them that an address is a subscription here.
    """

    @property
    def traits(self) -> StreamTraits:
        """Hand on what the good one says."""
        traits: StreamTraits = self.good.traits
        return traits

    async def endpoint(self, connection: str) -> StreamEndpoint:
        """Hand on what the good one says."""
        endpoint: StreamEndpoint = await self.good.endpoint(connection)
        return endpoint

    def topics(self, subscription: Subscription) -> Sequence[Topic]:
        """Hand on what the good one says."""
        topics: Sequence[Topic] = self.good.topics(subscription)
        return topics

    def decoder(self, connection: str) -> Decoder:
        """Decode as the good one does, with the frame and what came of it changed."""
        good = self.good.decoder(connection)

        def decode(frame: Frame, received: datetime) -> Sequence[Incoming]:
            return [self.changed(each) for each in good(self.frame(connection, frame), received)]

        return decode

    def frame(self, connection: str, frame: Frame) -> Frame:
        """Return a frame as the broken plugin reads it."""
        return frame


class StreamPlugin(ExtendedVenue):
    """A plugin whose streams are spoiled; a subclass names the streams' class."""

    stream_type: type[TamperedStreams] = TamperedStreams

    @hookimpl
    def open_stream(self, channels: Sequence[Subscription]) -> Any:
        """Return the spoiled addresses and words."""
        return self.stream_type(super().open_stream(channels), self)


class WirePlugin(ExtendedVenue):
    """A plugin whose requests or answers are spoiled; a subclass overrides ``sent`` or ``came``."""

    paths: tuple[str, ...] = ()
    """Only requests to these paths, and to those beneath them, pass through the bug; none are named where any may."""

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        rest: Any = self._rest
        rest._http = TamperedHttp(rest._http, request=self._sent, reply=self._came)

    @classmethod
    def seams(cls) -> frozenset[str] | None:
        """See :func:`tests.conformance.bank.seams.seams_of`."""
        return frozenset(cls.paths) or None

    def sent(self, method: str, path: str, given: dict[str, Any]) -> Request:
        """Return method, path and the rest of a request as the broken plugin sends them."""
        return method, path, given

    def came(self, method: str, path: str, reply: HttpReply) -> HttpReply:
        """Return an answer as the broken plugin reads it."""
        return reply

    def _concerns(self, path: str) -> bool:
        return not self.paths or any(path == each or path.startswith(f"{each}/") for each in self.paths)

    def _sent(self, method: str, path: str, given: dict[str, Any]) -> Request:
        return self.sent(method, path, given) if self._concerns(path) else (method, path, given)

    def _came(self, method: str, path: str, reply: HttpReply) -> HttpReply:
        return self.came(method, path, reply) if self._concerns(path) else reply


class SignedPlugin(ExtendedVenue):
    """A plugin whose orders are spoiled where they are made; only what sends an order passes through that."""

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self.spoil(self._session)

    @classmethod
    def seams(cls) -> frozenset[str]:
        """See :func:`tests.conformance.bank.seams.seams_of`."""
        return frozenset({"place_order", "amend_order"})

    def spoil(self, session: Any) -> None:
        """Change what orders are made with."""
        raise NotImplementedError


class SettingsPlugin(ExtendedVenue):
    """Makes the plugin from other settings than it was given."""

    passes: frozenset[str] | None = None
    """The hooks that the settings concern; None where they may concern all."""

    def __init__(self, context: Any) -> None:
        super().__init__(replace(context, settings=self.other(dict(context.settings))))

    @classmethod
    def seams(cls) -> frozenset[str] | None:
        """See :func:`tests.conformance.bank.seams.seams_of`."""
        return cls.passes

    @staticmethod
    def other(settings: dict[str, Any]) -> dict[str, Any]:
        """Return the other settings."""
        raise NotImplementedError
