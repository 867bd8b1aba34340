"""
Lighter, as a perpkit venue. The entry point loads :class:`LighterVenue`; importing this package alone does no I/O and
loads neither the plugin nor the signing library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perpkit.adapters.lighter.venue import LighterVenue

__all__ = ["LighterVenue"]


def __getattr__(name: str) -> Any:
    if name == "LighterVenue":
        from perpkit.adapters.lighter.venue import LighterVenue  # noqa: PLC0415 - on first use

        return LighterVenue
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
