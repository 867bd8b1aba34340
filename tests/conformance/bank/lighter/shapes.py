"""The Lighter plugin, made so that a bug of its streams, of its requests or of its session is a few lines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from perpkit.adapters.lighter.venue import LighterVenue
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import Subscription
from perpkit.core.transport.http import HttpReply
from tests.conformance.bank.tamper import Request, TamperedHttp, TamperedStream

COMMANDS = frozenset(
    {
        *("place_order", "place_orders", "amend_order", "cancel_order", "cancel_orders", "cancel_all_orders"),
        *("set_leverage", "set_margin_mode", "set_dead_man_switch"),
    }
)
"""What is sent as a transaction."""


class StreamPlugin(LighterVenue):
    """A plugin whose stream is spoiled; a subclass names the stream's class."""

    stream_type: type[TamperedStream] = TamperedStream

    @hookimpl
    def open_stream(self, channels: Sequence[Subscription]) -> Any:
        """Return the spoiled words."""
        return self.stream_type(super().open_stream(channels), self)


class WirePlugin(LighterVenue):
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

    def _sent(self, method: str, path: str, given: dict[str, Any]) -> Request:
        return self.sent(method, path, given) if not self.paths or path in self.paths else (method, path, given)

    def _came(self, method: str, path: str, reply: HttpReply) -> HttpReply:
        return self.came(method, path, reply) if not self.paths or path in self.paths else reply


class SpoiledPlugin(LighterVenue):
    """A plugin that is spoiled within, once it was made."""

    passes: frozenset[str] | None = COMMANDS
    """Hooks and paths that pass through the bug; None where all may."""

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        self.spoil(self._session)

    @classmethod
    def seams(cls) -> frozenset[str] | None:
        """See :func:`tests.conformance.bank.seams.seams_of`."""
        return cls.passes

    def spoil(self, session: Any) -> None:
        """Change what was made."""
        raise NotImplementedError
