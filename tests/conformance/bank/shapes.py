"""
Shapes of broken plugins that more than one venue has: of its stream, and of its requests by their paths.

Each is made over the venue's good plugin, in the venue's own module: one class with all that it has otherwise, which is
what ``shadows`` and ``seams`` look at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import Subscription
from perpkit.core.transport.http import HttpReply
from tests.conformance.bank.tamper import Request, TamperedHttp, TamperedStream


def stream_plugin(good: Any, module: str, stream: type[TamperedStream] = TamperedStream) -> Any:
    """Return the shape whose bugs are in the venue's streams, with the class that hands on what they do."""

    class StreamPlugin(good):
        """A plugin whose stream is spoiled; a subclass names the stream's class."""

        stream_type: type[TamperedStream] = stream

        @hookimpl
        def open_stream(self, channels: Sequence[Subscription]) -> Any:
            """Return the spoiled words."""
            return self.stream_type(super().open_stream(channels), self)

    return _of(StreamPlugin, module)


def wire_plugin(good: Any, module: str, *, with_what_lies_beneath: bool = False) -> Any:
    """Return the shape whose bugs are in requests and answers, by paths, or by those and all that lie beneath them."""

    class WirePlugin(good):
        """A plugin whose requests or answers are spoiled; a subclass overrides ``sent`` or ``came``."""

        paths: tuple[str, ...] = ()
        """Only requests to these paths pass through the bug; none are named where it may be any."""

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
            if not self.paths or path in self.paths:
                return True
            return with_what_lies_beneath and path.startswith(tuple(f"{each}/" for each in self.paths))

        def _sent(self, method: str, path: str, given: dict[str, Any]) -> Request:
            return self.sent(method, path, given) if self._concerns(path) else (method, path, given)

        def _came(self, method: str, path: str, reply: HttpReply) -> HttpReply:
            return self.came(method, path, reply) if self._concerns(path) else reply

    return _of(WirePlugin, module)


def _of(shape: Any, module: str) -> Any:
    shape.__module__, shape.__qualname__ = module, shape.__name__
    return shape
