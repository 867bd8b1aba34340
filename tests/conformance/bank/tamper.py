"""How the good plugin is spoiled: its stream's words, its requests and its answers, each changed in one place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from perpkit.adapters.paradex.stream import ParadexStream
from perpkit.adapters.paradex.venue import ParadexVenue
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import Event, Subscription
from perpkit.core.streams.protocol import Data, Frame, Incoming
from perpkit.core.transport.http import HttpReply


class TamperedStream:
    """The good stream. What a bug changes, its subclass overrides; the rest is handed on."""

    def __init__(self, good: ParadexStream, plugin: Any) -> None:
        self.good = good
        self.plugin = plugin

    def __getattr__(self, name: str) -> Any:
        return getattr(self.good, name)

    def decode(self, frame: Frame, received: datetime) -> Sequence[Incoming]:
        """Decode as the good one does, then change what came."""
        return [self.changed(each) for each in self.good.decode(frame, received)]

    def changed(self, incoming: Incoming) -> Incoming:
        """Change the events of a frame one by one."""
        if not isinstance(incoming, Data):
            return incoming
        events = [new for each in incoming.events if (new := self.event(each)) is not None]
        return msgspec.structs.replace(incoming, events=events)

    def event(self, event: Event) -> Event | None:
        """Return what the broken plugin tells instead; None tells nothing."""
        return event


class StreamPlugin(ParadexVenue):
    """A plugin whose stream is spoiled; a subclass names the stream's class."""

    stream_type: type[TamperedStream] = TamperedStream

    @hookimpl
    def open_stream(self, channels: Sequence[Subscription]) -> Any:
        """Return the spoiled words."""
        return self.stream_type(super().open_stream(channels), self)


class TamperedHttp:
    """The HTTP client of the good plugin, with requests and answers changed on the way."""

    def __init__(
        self,
        good: Any,
        *,
        request: Callable[[str, str, dict[str, Any]], tuple[str, str, dict[str, Any]]] | None = None,
        reply: Callable[[str, str, HttpReply], HttpReply] | None = None,
    ) -> None:
        self._good = good
        self._request = request
        self._reply = reply

    def __getattr__(self, name: str) -> Any:
        return getattr(self._good, name)

    async def request(self, method: str, path: str, **given: Any) -> HttpReply:
        """Send the changed request and return the changed answer."""
        if self._request is not None:
            method, path, given = self._request(method, path, given)
        reply: HttpReply = await self._good.request(method, path, **given)
        return reply if self._reply is None else self._reply(method, path, reply)


class WirePlugin(ParadexVenue):
    """A plugin whose requests or answers are spoiled; a subclass overrides ``sent`` or ``came``."""

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        rest: Any = self._rest
        rest._http = TamperedHttp(rest._http, request=self.sent, reply=self.came)

    def sent(self, method: str, path: str, given: dict[str, Any]) -> tuple[str, str, dict[str, Any]]:
        """Return method, path and the rest of a request as the broken plugin sends them."""
        return method, path, given

    def came(self, method: str, path: str, reply: HttpReply) -> HttpReply:
        """Return an answer as the broken plugin reads it."""
        return reply
