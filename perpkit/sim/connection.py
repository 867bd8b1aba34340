"""
One WebSocket client: its queue and its pings. Frames go out in order, or the client is cut off. What it listens to
is for a venue to add.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from aiohttp import WSCloseCode, WSMsgType, web

from perpkit.sim.fault_injection import FrameGate

log = logging.getLogger(__name__)

QUEUE_LIMIT = 2_000

Receive = Callable[[str], Coroutine[Any, Any, None]]
"""What is called with each text frame of the client."""


class Connection:
    """
    A connected client.

    Args:
        gate: The way out, where planned faults strike.
        abort: Drops the transport without another word, for a client that no longer reads.
        ping_interval_s: Between protocol pings, on the event loop's time: they prove a socket, not a market.
        pong_timeout_s: How long a pong may take.
        queue_limit: Frames that may wait before the client is cut off.
    """

    def __init__(
        self,
        socket: web.WebSocketResponse,
        gate: FrameGate,
        name: int,
        abort: Callable[[], None],
        *,
        ping_interval_s: float,
        pong_timeout_s: float,
        queue_limit: int = QUEUE_LIMIT,
    ) -> None:
        self.name = name
        self.gate = gate
        self._socket = socket
        self._abort = abort
        self._queue: deque[tuple[str, dict[str, Any]]] = deque()
        self._queue_limit = queue_limit
        self._ping_interval_s = ping_interval_s
        self._pong_timeout_s = pong_timeout_s
        self._wake = asyncio.Event()
        self._ponged = asyncio.Event()
        self._closing: tuple[int, str] | None = None

    @property
    def waiting(self) -> int:
        """Return how many frames wait to be written."""
        return len(self._queue)

    def send(self, name: str, payload: dict[str, Any]) -> None:
        """
        Queue a frame; a client that lets too many wait is cut off.

        Args:
            name: Its channel, or the method that it answers.
        """
        if self._closing is not None:
            return
        if len(self._queue) >= self._queue_limit:
            log.info("client %d lets %d messages wait and is cut off", self.name, len(self._queue))
            self.cut_off()
            return
        self._queue.append((name, payload))
        self._wake.set()

    def cut_off(self) -> None:
        """Drop the transport at once; what waits is lost."""
        self._closing = (WSCloseCode.ABNORMAL_CLOSURE, "cut off")
        self._queue.clear()
        self._wake.set()
        self._abort()

    def close(self, code: int = WSCloseCode.GOING_AWAY, reason: str = "") -> None:
        """Close once what waits has been written."""
        if self._closing is None:
            self._closing = (code, reason)
            self._wake.set()

    async def run(self, receive: Receive) -> None:
        """Serve the client until it leaves, is closed, or no longer answers pings."""
        tasks = [
            asyncio.create_task(self._read(receive), name=f"sim ws {self.name} read"),
            asyncio.create_task(self._write(), name=f"sim ws {self.name} write"),
            asyncio.create_task(self._ping(), name=f"sim ws {self.name} ping"),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for task in done:
            if (error := task.exception()) is not None and not isinstance(error, ConnectionError):
                raise error

    async def _read(self, receive: Receive) -> None:
        async for message in self._socket:
            if message.type is WSMsgType.TEXT:
                await receive(message.data)
            elif message.type is WSMsgType.PING and not self.gate.is_half_open:
                await self._socket.pong(message.data)
            elif message.type is WSMsgType.PONG:
                self._ponged.set()

    async def _write(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue and self._closing is None:
                await self.gate.send(*self._queue[0])
                if self._queue:
                    self._queue.popleft()
            if self._closing is not None and self._closing[0] != WSCloseCode.ABNORMAL_CLOSURE:
                await self._shut(*self._closing)
            if self._closing is not None:
                return

    async def _shut(self, code: int, reason: str) -> None:
        remaining = list(self._queue)
        self._queue.clear()
        for name, payload in remaining:
            await self.gate.send(name, payload)
        await self._socket.close(code=code, message=reason.encode())

    async def _ping(self) -> None:
        while True:
            await asyncio.sleep(self._ping_interval_s)
            if self.gate.is_half_open:
                continue  # a dead path carries no pings either
            self._ponged.clear()
            await self._socket.ping()
            try:
                async with asyncio.timeout(self._pong_timeout_s):
                    await self._ponged.wait()
            except TimeoutError:
                log.info("client %d did not answer a ping and is cut off", self.name)
                self.cut_off()
                return
