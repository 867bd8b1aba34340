"""A broken plugin; see its class."""

from __future__ import annotations

import contextlib
import socket

from perpkit.adapters.paradex.venue import ParadexVenue
from tests.conformance.bank.registry import broken

with contextlib.suppress(OSError):
    # An address in digits: in the bank's own processes, where the network is not cut off, nobody is asked.
    socket.getaddrinfo("192.0.2.1", 443, flags=socket.AI_NUMERICHOST)


@broken(rules="imports-clean", checks="ST1")
class NetworkAtImport(ParadexVenue):
    """Looks for its server when it is imported."""
