"""
The seam through which a test, a conformance run or a debugging session watches the wire. Everything that reaches a
recorder has been redacted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """A request as it is about to be written. ``params`` and ``headers`` keep their order and repetitions."""

    url: str
    method: str
    path: str
    params: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...]
    body: bytes | None
    operation: str
    attempt: int
    at: datetime


@dataclass(frozen=True, slots=True)
class ReplyRecord:
    """What came back, or the name of the error when nothing usable did."""

    request: RequestRecord
    status: int | None
    headers: tuple[tuple[str, str], ...]
    body: bytes
    error: str | None
    at: datetime


class Direction(StrEnum):
    """Which way a frame went."""

    SENT = "sent"
    RECEIVED = "received"


@dataclass(frozen=True, slots=True)
class FrameRecord:
    """A WebSocket data frame."""

    url: str
    direction: Direction
    data: str | bytes
    at: datetime


Record = RequestRecord | ReplyRecord | FrameRecord
Recorder = Callable[[Record], None]
"""Called in the event loop; it must be quick. What it raises before a request stops that request."""
