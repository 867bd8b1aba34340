"""The Extended plugin, made so that a bug of its streams, of its requests or of what it sends is a few lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from perpkit.adapters.extended.venue import ExtendedVenue
from perpkit.core.models import Subscription
from perpkit.core.streams.protocol import Decoder, Frame, Incoming, StreamEndpoint, StreamTraits, Topic
from tests.conformance.bank.shapes import stream_plugin, wire_plugin
from tests.conformance.bank.tamper import TamperedStream


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


StreamPlugin = stream_plugin(ExtendedVenue, __name__, TamperedStreams)
WirePlugin = wire_plugin(ExtendedVenue, __name__, with_what_lies_beneath=True)


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
