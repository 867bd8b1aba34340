"""
A local Paradex: the venue's REST and WebSocket wire, read from its contracts and not from our adapter.
"""

from perpkit.sim.venues.paradex.accounts import LocalAccount
from perpkit.sim.venues.paradex.server import LocalParadex
from perpkit.sim.venues.paradex.venue import Settings

__all__ = ["LocalAccount", "LocalParadex", "Settings"]
