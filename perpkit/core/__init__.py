"""
The venue-neutral core: models, hooks, transport, streams. It knows no venue.

The names that authors of plugins need at every turn are here; the rest is in the modules. Nothing here brings the
network stack, so that the local exchanges and scripts that only use models start without it.
"""

from perpkit.core.book import OrderBook
from perpkit.core.capabilities import Capabilities, ClientOrderIdRule, RateLimit, VenueDescription
from perpkit.core.clock import Clock, SystemClock
from perpkit.core.hookspecs import hookimpl
from perpkit.core.lifecycle import OrderTracker

__all__ = [
    "Capabilities",
    "ClientOrderIdRule",
    "Clock",
    "OrderBook",
    "OrderTracker",
    "RateLimit",
    "SystemClock",
    "VenueDescription",
    "hookimpl",
]
