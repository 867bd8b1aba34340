"""
Paradex, as a perpkit venue. The entry point loads :class:`ParadexVenue`; importing this package alone does no I/O and
imports neither the plugin nor the signing library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perpkit.adapters.paradex.venue import ParadexVenue

__all__ = ["ParadexVenue"]


def __getattr__(name: str) -> Any:
    if name == "ParadexVenue":
        from perpkit.adapters.paradex.venue import ParadexVenue  # noqa: PLC0415 - on first use

        return ParadexVenue
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
