"""
Extended, as a perpkit venue. The entry point loads :class:`ExtendedVenue`; importing this package alone does no I/O and
imports neither the plugin nor the signing library.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from perpkit.adapters.extended.venue import ExtendedVenue

__all__ = ["ExtendedVenue"]


def __getattr__(name: str) -> Any:
    if name == "ExtendedVenue":
        from perpkit.adapters.extended.venue import ExtendedVenue  # noqa: PLC0415 - on first use

        return ExtendedVenue
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
