"""What a test sees of a stream of the venue under test."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from perpkit.core.errors import PerpkitError
from perpkit.core.models import Event, StreamState, StreamStatus
from perpkit.core.streams.delivery import EventStream

T = TypeVar("T")


class Until(Protocol):
    """How a target waits."""

    async def __call__(self, condition: Callable[[], Any], what: str, *, within: timedelta) -> None:
        """Wait until a condition holds; an AssertionError that says what was waited for."""
        ...


class Watch:
    """
    What one consumer of a stream has seen.

    Attributes:
        events: Everything, in order, statuses included.
        error: What ended the stream, if it ended by an error.

    Args:
        until: Waits for a condition while time passes: :meth:`perpkit_conformance.target.Target.until`.
    """

    def __init__(self, until: Until) -> None:
        self._until = until
        self._stream: EventStream | None = None
        self.events: list[Event] = []
        self.error: Exception | None = None

    @property
    def is_whole(self) -> bool:
        """Whether nothing that it follows is lost now; what was lost before has been caught up with."""
        return self._stream is not None and self._stream.status in {StreamState.LIVE, StreamState.RESYNCED}

    def of(self, kind: type[T]) -> list[T]:
        """Return the events of one type, in order."""
        return [each for each in self.events if isinstance(each, kind)]

    @property
    def states(self) -> list[StreamState]:
        """Return the states of the stream so far."""
        return [each.state for each in self.of(StreamStatus)]

    async def until(self, condition: Callable[[], Any], what: str, *, within: timedelta = timedelta(minutes=2)) -> None:
        """Wait until something holds of what was seen; see there."""

        def holds() -> bool:
            if self.error is not None:
                raise AssertionError(f"waiting for {what}: the stream ended with {self.error!r}") from self.error
            return bool(condition())

        await self._until(holds, what, within=within)

    async def follow(self, events: EventStream) -> None:
        """Read to the end."""
        self._stream = events
        try:
            async for event in events:
                self.events.append(event)
        except PerpkitError as error:
            self.error = error
