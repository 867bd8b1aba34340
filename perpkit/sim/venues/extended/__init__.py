"""
A local Extended: the venue's REST and both of its stream protocols, read from its contract and not from our adapter.
"""

from perpkit.sim.venues.extended.accounts import LocalAccount
from perpkit.sim.venues.extended.server import LocalExtended
from perpkit.sim.venues.extended.settings import Settings

__all__ = ["LocalAccount", "LocalExtended", "Settings"]
