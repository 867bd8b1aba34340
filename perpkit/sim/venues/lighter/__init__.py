"""
A local Lighter: the venue's REST and WebSocket over the shared exchange, written from the venue's contract.
"""

from perpkit.sim.venues.lighter.accounts import LocalAccount
from perpkit.sim.venues.lighter.config import Settings
from perpkit.sim.venues.lighter.server import LocalLighter

__all__ = ["LocalAccount", "LocalLighter", "Settings"]
