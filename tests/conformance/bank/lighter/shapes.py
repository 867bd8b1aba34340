"""The Lighter plugin, made so that a bug of its streams, of its requests or of its session is a few lines."""

from __future__ import annotations

from typing import Any

from perpkit.adapters.lighter.venue import LighterVenue
from tests.conformance.bank.shapes import stream_plugin, wire_plugin

COMMANDS = frozenset(
    {
        *("place_order", "place_orders", "amend_order", "cancel_order", "cancel_orders", "cancel_all_orders"),
        *("set_leverage", "set_margin_mode", "set_dead_man_switch"),
    }
)
"""What is sent as a transaction."""


StreamPlugin = stream_plugin(LighterVenue, __name__)
WirePlugin = wire_plugin(LighterVenue, __name__)


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
