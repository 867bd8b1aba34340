"""
Carries out planned faults: a middleware for HTTP, and a gate through which a WebSocket's frames go out.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from perpkit.sim.faults import Fault, FaultPlan
from perpkit.sim.clock import SimClock


class FrameGate:
    """
    The way out of one WebSocket connection. Every frame goes through :meth:`send`, so that faults can strike.

    Args:
        ws: The connection.
        plan: What shall go wrong.
        clock: What delays wait for.
    """

    def __init__(self, ws: web.WebSocketResponse, plan: FaultPlan, clock: SimClock) -> None: ...

    async def send(self, name: str, payload: dict[str, Any]) -> None:
        """
        Send a frame as JSON.

        Args:
            name: Its channel, or for an answer to a call the method; what a fault's ``match`` looks at.
            payload: JSON values; no Decimal (the wire layer has written them as text).
        """
        ...

    def strike_call(self, name: str) -> list[Fault]:
        """Ask for the faults of one incoming call (``order.create``, ``subscribe trades.BTC-USD-PERP``)."""
        ...
