"""A broken plugin; see its class."""

from __future__ import annotations

import contextlib
import socket

from perpkit.adapters.paradex.venue import ParadexVenue
from tests.conformance.bank.registry import broken

with contextlib.suppress(OSError):
    # No such host can be: it is reserved for this.
    socket.getaddrinfo("venue.invalid", 443)


@broken(rules="imports-clean", checks="ST1")
class NetworkAtImport(ParadexVenue):
    """Looks for its server when it is imported."""
