"""A broken plugin; see its class."""

from __future__ import annotations

import pickle

from perpkit.adapters.paradex.venue import ParadexVenue
from tests.conformance.bank.registry import broken


@broken(rules="no-code-from-the-wire", checks="SE5")
class PickledAnswer(ParadexVenue):
    """Unpickles what came over the wire."""

    def read(self, body: bytes) -> object:
        """See the class."""
        return pickle.loads(body)  # noqa: S301 - this is the bug
