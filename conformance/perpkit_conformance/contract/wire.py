"""A venue's whole contract: REST and WebSocket together, over everything that was recorded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from perpkit.core.transport.recorder import FrameRecord, Record, RequestRecord
from perpkit_conformance.contract.breach import Breach
from perpkit_conformance.contract.frames import FrameRules
from perpkit_conformance.contract.rest import OpenApi


@dataclass(frozen=True)
class Contract:
    """
    What a venue publishes about its wire.

    Attributes:
        rest: None for a venue without REST.
        frames: None for a venue to which no frame is sent.
        source: Which contract this is, with its version.
    """

    rest: OpenApi | None
    frames: FrameRules | None
    source: str

    def check(
        self, records: Iterable[Record], *, rest_url: str, ws_url: str, connections: Iterable[str] = ()
    ) -> list[Breach]:
        """
        Return the breaches of all that was sent, each once, in order.

        Args:
            connections: Addresses of WebSocket handshakes, also of those that were refused.
        """
        found: dict[Breach, None] = {}
        for url in connections:
            if self.frames is not None:
                found.update(dict.fromkeys(self.frames.check_address(url, ws_url)))
        for record in records:
            if isinstance(record, RequestRecord):
                breaches = self._request(record, rest_url)
            elif isinstance(record, FrameRecord):
                breaches = [] if self.frames is None else self.frames.check(record, ws_url)
            else:
                continue
            found.update(dict.fromkeys(breaches))
        return list(found)

    def _request(self, record: RequestRecord, rest_url: str) -> list[Breach]:
        if self.rest is None:
            return [Breach(f"{record.method} {record.url}", "the venue has no REST", record.operation)]
        return self.rest.check(record, rest_url)
