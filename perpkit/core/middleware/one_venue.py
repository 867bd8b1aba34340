"""What a wrapper that keeps an account's state needs to know of its venue."""

from __future__ import annotations

from collections.abc import Generator

from perpkit.core.capabilities import Capabilities, VenueDescription
from perpkit.core.errors import ConfigError
from perpkit.core.hookspecs import hookimpl


class OneVenue:
    """Learns which venue it wraps when that is opened, and refuses to mix the state of two."""

    def __init__(self) -> None:
        self._venue: str | None = None
        self._capabilities: Capabilities | None = None

    @hookimpl(wrapper=True)
    def describe_venue(self) -> Generator[None, VenueDescription, VenueDescription]:
        """Take note of the venue's name and capabilities."""
        described = yield
        if self._venue not in {None, described.name}:
            raise ConfigError(
                f"this {type(self).__name__} already wraps {self._venue}; give {described.name} one of its own",
                venue=described.name,
            )
        self._venue = described.name
        self._capabilities = described.capabilities
        return described
