"""How a good plugin is spoiled, whatever its venue: its stream's words, its requests and its answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

import msgspec

from perpkit.core.models import Event
from perpkit.core.streams.protocol import Data, Frame, Incoming
from perpkit.core.transport.http import HttpReply

Request = tuple[str, str, dict[str, Any]]
"""Method, path, and the rest of a request as ``HttpClient.request`` takes it."""


class TamperedStream:
    """The good stream. What a bug changes, its subclass overrides; the rest is handed on."""

    def __init__(self, good: Any, plugin: Any) -> None:
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


class TamperedHttp:
    """The HTTP client of the good plugin, with requests and answers changed on the way."""

    def __init__(
        self,
        good: Any,
        *,
        request: Callable[[str, str, dict[str, Any]], Request] | None = None,
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
