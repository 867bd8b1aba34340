"""
A plan of what shall go wrong: which request, frame or method, which occurrence, and how. Servers ask it and obey.

``FaultPlan`` decides; ``fault_injection`` carries out. Nothing here does I/O.
"""

from __future__ import annotations

import fnmatch
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any


class FaultAction(StrEnum):
    """What goes wrong."""

    REFUSE = "refuse"
    """HTTP: close the connection at once, nothing read. WebSocket: refuse the handshake."""
    DELAY = "delay"
    """Wait ``delay_ms`` of the simulated clock, before processing."""
    DELAY_ANSWER = "delay_answer"
    """Process, then wait ``delay_ms`` with the answer."""
    DROP_BEFORE = "drop_before"
    """Take the request, process nothing, break the connection."""
    DROP_AFTER = "drop_after"
    """Process the request, break the connection without an answer: accepted but no reply."""
    HANG_BEFORE = "hang_before"
    """Process nothing and never answer; the connection stays."""
    HANG_AFTER = "hang_after"
    """Process and never answer; the connection stays."""
    STATUS = "status"
    """Answer with ``status`` (and ``retry_after``) instead of processing."""
    STATUS_AFTER = "status_after"
    """Process, then answer with ``status`` all the same."""
    HTML = "html"
    """Answer with an HTML page under ``status`` (502 if not given) instead of processing."""
    TRUNCATE = "truncate"
    """Process, and send half of the answer or frame."""
    EXTRA_FIELDS = "extra_fields"
    """Process, and put unknown fields into every object of the answer or frame."""
    EMPTY_AS_NULL = "empty_as_null"
    """Process, and put null where an empty list stands in the answer or frame."""
    RESPELL = "respell"
    """Process, and write fractions that are text with a zero more in the answer or frame: 1.1 as 1.10."""
    REPLACE = "replace"
    """Process, and send ``body`` instead of the answer or frame."""
    DUPLICATE = "duplicate"
    """Send the frame twice."""
    REORDER = "reorder"
    """Hold the frame back until the next one of the connection has gone out."""
    GAP = "gap"
    """Leave the frame out."""
    GARBAGE = "garbage"
    """Send a frame that is no JSON, then the right one."""
    DISCONNECT = "disconnect"
    """Close the WebSocket with ``close_code`` instead of sending the frame; 1006 breaks the connection."""
    HALF_OPEN = "half_open"
    """From this frame on send nothing on this connection, and keep it open."""
    EXPIRE_TOKENS = "expire_tokens"
    """Every token given out so far is expired, from the matched request on."""
    MISSING_CHANNEL = "missing_channel"
    """Refuse the subscription as an unknown channel."""


class FaultTarget(StrEnum):
    """What a fault looks at."""

    HTTP = "http"
    """Requests; ``match`` is ``METHOD /path``, for example ``POST /v1/orders`` or ``* */fills``."""
    FRAME = "frame"
    """Frames sent to clients; ``match`` is the channel's name, or the method's for answers to calls."""
    RPC = "rpc"
    """Calls over the WebSocket; ``match`` is the method, for subscriptions ``subscribe CHANNEL``."""
    CONNECT = "connect"
    """WebSocket handshakes; ``match`` is the path."""


@dataclass(slots=True, kw_only=True)
class Fault:
    """
    One planned fault.

    Attributes:
        match: What it looks at, with shell wildcards (``*``, ``?``); upper and lower case matter.
        skip: So many matches pass unharmed first.
        times: So many matches are hit; None for all.
        hits: How often it has struck.
    """

    action: FaultAction
    target: FaultTarget = FaultTarget.HTTP
    match: str = "*"
    skip: int = 0
    times: int | None = 1
    delay_ms: int = 0
    status: int = 500
    retry_after: str | None = None
    body: str = ""
    close_code: int = 1011
    id: int = 0
    hits: int = 0

    @property
    def is_spent(self) -> bool:
        """Whether it will never strike again."""
        return self.times is not None and self.hits >= self.times


class FaultPlan:
    """The faults that are planned, and the log of those that struck."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._next_id = 1
        self.log: list[tuple[FaultTarget, str, FaultAction]] = []

    @property
    def faults(self) -> list[Fault]:
        """The planned faults, spent ones included, in order of planning."""
        return list(self._faults)

    def add(self, fault: Fault) -> Fault:
        """
        Plan a fault; returns it with its id.

        Raises:
            ValueError: An action that makes no sense for its target.
        """
        if fault.action not in _SENSIBLE[fault.target]:
            able = ", ".join(sorted(_SENSIBLE[fault.target]))
            msg = f"{fault.action} can't happen to {fault.target}; one of {able} can"
            raise ValueError(msg)
        fault.id = self._next_id
        self._next_id += 1
        self._faults.append(fault)
        return fault

    def remove(self, fault_id: int) -> bool:
        """Take a fault off the plan; tells whether it was there."""
        before = len(self._faults)
        self._faults = [fault for fault in self._faults if fault.id != fault_id]
        return len(self._faults) < before

    def clear(self) -> None:
        """Take everything off the plan; the log stays."""
        self._faults.clear()

    def strike(self, target: FaultTarget, name: str) -> list[Fault]:
        """Return the faults that hit this occurrence, and count it. To be asked exactly once for each occurrence."""
        if not self._faults:
            return []
        struck: list[Fault] = []
        for fault in self._faults:
            if fault.target is not target or fault.is_spent or not fnmatch.fnmatchcase(name, fault.match):
                continue
            if fault.skip:
                fault.skip -= 1
                continue
            fault.hits += 1
            struck.append(fault)
            self.log.append((target, name, fault.action))
        return struck


def fault_from(fields: dict[str, Any]) -> Fault:
    """
    Build a fault from plain JSON values.

    Raises:
        ValueError: An unknown field or value, by name.
    """
    unknown = sorted(set(fields) - set(Fault.__dataclass_fields__) | set(fields) & {"id", "hits"})
    if unknown:
        msg = f"a fault has no field {', '.join(unknown)}"
        raise ValueError(msg)
    if "action" not in fields:
        msg = "a fault needs an action"
        raise ValueError(msg)
    values = dict(fields, action=FaultAction(fields["action"]))
    if "target" in values:
        values["target"] = FaultTarget(values["target"])
    return Fault(**values)


def fault_to(fault: Fault) -> dict[str, Any]:
    """Return a fault as plain JSON values."""
    return asdict(fault)


_ANSWERS = {
    FaultAction.TRUNCATE,
    FaultAction.EXTRA_FIELDS,
    FaultAction.EMPTY_AS_NULL,
    FaultAction.RESPELL,
    FaultAction.REPLACE,
}
_SENSIBLE: dict[FaultTarget, set[FaultAction]] = {
    FaultTarget.HTTP: {
        *_ANSWERS,
        FaultAction.REFUSE,
        FaultAction.DELAY,
        FaultAction.DELAY_ANSWER,
        FaultAction.DROP_BEFORE,
        FaultAction.DROP_AFTER,
        FaultAction.HANG_BEFORE,
        FaultAction.HANG_AFTER,
        FaultAction.STATUS,
        FaultAction.STATUS_AFTER,
        FaultAction.HTML,
        FaultAction.EXPIRE_TOKENS,
    },
    FaultTarget.FRAME: {
        *_ANSWERS,
        FaultAction.DELAY,
        FaultAction.DUPLICATE,
        FaultAction.REORDER,
        FaultAction.GAP,
        FaultAction.GARBAGE,
        FaultAction.DISCONNECT,
        FaultAction.HALF_OPEN,
    },
    FaultTarget.RPC: {
        FaultAction.DROP_BEFORE,
        FaultAction.DROP_AFTER,
        FaultAction.HANG_BEFORE,
        FaultAction.HANG_AFTER,
        FaultAction.EXPIRE_TOKENS,
        FaultAction.MISSING_CHANNEL,
    },
    FaultTarget.CONNECT: {FaultAction.REFUSE, FaultAction.STATUS, FaultAction.HTML, FaultAction.DELAY},
}
