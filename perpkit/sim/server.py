"""
The base of every local venue: one aiohttp server on 127.0.0.1 in front of one exchange.

A venue subclasses :class:`SimServer`, adds its routes in ``add_routes`` and lets its background work live in
``self.spawn``. Faults and the control back door come with the base.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

from perpkit.sim.clock import SimClock
from perpkit.sim.exchange import Exchange
from perpkit.sim.faults import FaultPlan

if TYPE_CHECKING:
    from perpkit.sim.control import Control


class SimServer:
    """
    A local venue.

    ``async with MyVenue(...) as sim`` starts it; then ``sim.url``, ``sim.ws_url``, ``sim.control``.

    Subclasses implement :meth:`add_routes`, may override :meth:`on_start`, :meth:`on_stop`, :meth:`expire_tokens`,
    ``rest_prefix`` and ``ws_path``.

    Args:
        exchange: The exchange to serve; its clock decides between manual and real time.
        port: 0 lets the system choose one.
        tick_every: In real time, how often the clock is caught up.
    """

    rest_prefix = ""
    """Path under which the venue's REST lives; part of ``url``."""
    ws_path = "/ws"
    """Path of the venue's WebSocket; part of ``ws_url``."""

    exchange: Exchange
    clock: SimClock
    faults: FaultPlan
    control: Control

    def __init__(
        self, exchange: Exchange, *, port: int = 0, tick_every: timedelta = timedelta(milliseconds=100)
    ) -> None: ...

    def add_routes(self, app: web.Application) -> None:
        """Add the venue's routes. Called once, before the server starts."""
        ...

    async def on_start(self) -> None:
        """Begin what runs in the background; see :meth:`spawn`."""

    async def on_stop(self) -> None:
        """End the venue's own connections, before the server closes."""

    def expire_tokens(self) -> None:
        """Make every token given out so far invalid. Called by the fault of that name and by the back door."""
        ...

    def spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        """Run something in the background until it ends or the server stops; an error in it stops the server loudly."""
        ...

    async def start(self) -> None: ...
    async def stop(self) -> None:
        """Close connections, end every task. Raises what a background task raised."""
        ...

    @property
    def base_url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        ...

    @property
    def url(self) -> str:
        """Where the venue's REST is."""
        ...

    @property
    def ws_url(self) -> str:
        """Where the venue's WebSocket is."""
        ...

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
