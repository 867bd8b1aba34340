"""
The base of every local venue: one aiohttp server on 127.0.0.1 in front of one exchange.

A venue subclasses :class:`SimServer`, adds its routes in ``add_routes`` and lets its background work live in
``self.spawn``. Faults and the control back door come with the base.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from datetime import timedelta
from types import TracebackType
from typing import Any, Self

from aiohttp import web, web_app

from perpkit.sim import control_http
from perpkit.sim.clock import SimClock
from perpkit.sim.control import Control
from perpkit.sim.exchange import Exchange
from perpkit.sim.fault_injection import http_faults
from perpkit.sim.faults import FaultPlan

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
"""The only address that a local venue listens on: its back door must not be in anybody's reach."""

_SHUTDOWN_S = 1.0


class SimServer(ABC):
    """
    A local venue.

    ``async with MyVenue(...) as sim`` starts it; then ``sim.url``, ``sim.ws_url``, ``sim.control``.

    Subclasses implement :meth:`add_routes` and :meth:`expire_tokens`, and may override :meth:`on_start`,
    :meth:`on_stop`, ``rest_prefix`` and ``ws_path``.

    Args:
        exchange: The exchange to serve; its clock decides between manual and real time.
        port: 0 lets the system choose one.
        tick_every: In real time, how often the clock is caught up.
    """

    rest_prefix = ""
    """Path under which the venue's REST lives; part of ``url``."""
    ws_path = "/ws"
    """Path of the venue's WebSocket; part of ``ws_url``."""

    def __init__(
        self, exchange: Exchange, *, port: int = 0, tick_every: timedelta = timedelta(milliseconds=100)
    ) -> None:
        self.exchange = exchange
        self.faults = FaultPlan()
        self.control = Control(exchange, self.faults, self.expire_tokens)
        self._port = port
        self._tick_every = tick_every
        self._stopping = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._failures: list[BaseException] = []
        self._runner: web.AppRunner | None = None

    @property
    def clock(self) -> SimClock:
        """The exchange's clock."""
        return self.exchange.clock

    @abstractmethod
    def add_routes(self, app: web.Application) -> None:
        """Add the venue's routes. Called once, before the server starts."""

    @abstractmethod
    def expire_tokens(self) -> None:
        """Make every token given out so far invalid. Called by the fault of that name and by the back door."""

    async def on_start(self) -> None:
        """Begin what runs in the background; see :meth:`spawn`."""
        log.debug("%s needs nothing to start", type(self).__name__)

    async def on_stop(self) -> None:
        """End the venue's own connections, before the server closes."""
        log.debug("%s needs nothing to stop", type(self).__name__)

    def spawn(self, work: Coroutine[Any, Any, None], *, name: str) -> asyncio.Task[None]:
        """Run something in the background until it ends or the server stops; :meth:`stop` raises what it raised."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)
        return task

    async def start(self) -> None:
        """Listen. Starting a server twice is a RuntimeError."""
        if self._runner is not None:
            msg = f"{type(self).__name__} is running already"
            raise RuntimeError(msg)
        self._stopping.clear()
        app = web.Application(
            middlewares=[
                http_faults(self.faults, self.clock, self._stopping, self.expire_tokens, exempt=control_http.PREFIX)
            ]
        )
        control_http.add_routes(app, self.control)
        self.add_routes(app)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=_SHUTDOWN_S)
        await self._runner.setup()
        site = web.TCPSite(self._runner, HOST, self._port)
        await site.start()
        self._port = self._runner.addresses[0][1]
        await self.on_start()
        if not self.clock.is_manual:
            self.spawn(self._follow_time(), name="sim clock")

    async def stop(self) -> None:
        """Close connections, end every task. Raises what a background task raised; stopping twice does nothing."""
        runner, self._runner = self._runner, None
        if runner is None:
            return
        self._stopping.set()
        await self.on_stop()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await runner.cleanup()
        _forget_handlers()
        if self._failures:
            failures, self._failures = self._failures, []
            raise failures[0]

    @property
    def port(self) -> int:
        """Where it listens; known once started."""
        return self._port

    @property
    def base_url(self) -> str:
        """``http://127.0.0.1:PORT``."""
        return f"http://{HOST}:{self._port}"

    @property
    def url(self) -> str:
        """Where the venue's REST is."""
        return self.base_url + self.rest_prefix

    @property
    def ws_url(self) -> str:
        """Where the venue's WebSocket is."""
        return f"ws://{HOST}:{self._port}{self.ws_path}"

    @property
    def control_url(self) -> str:
        """Where the back door is, for another process."""
        return self.base_url + control_http.PREFIX

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _follow_time(self) -> None:
        while True:
            self.clock.catch_up()
            await asyncio.sleep(self._tick_every / timedelta(seconds=1))

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("background task %s of the local venue failed", task.get_name(), exc_info=error)
            self._failures.append(error)


def _forget_handlers() -> None:
    """
    Empty aiohttp's cache of handlers inside their middlewares. It keeps the last thousand of the process, and through
    them servers that have stopped, each with its whole exchange: hundreds of megabytes in a long run of tests.
    """
    cached = vars(web_app).get("_cached_build_middleware")
    if cached is not None:
        cached.cache_clear()
