"""The live view on a real terminal: drawn in place, and ended by ctrl-C without a trace."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import sys

from perpkit.sim.clock import SimClock
from perpkit.sim.venues.paradex.server import LocalParadex

SECONDS = 30


async def test_ctrl_c_ends_the_live_book_cleanly():
    """It draws prices and the stream's state, and stops with exit code 130 and no traceback."""
    async with LocalParadex(clock=SimClock.real_time(), liquidity=True) as local:
        ours, theirs = pty.openpty()
        try:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "perpkit", "book", "paradex", "BTC-USD-PERP", "--depth", "3"),
                *("-e", "local", "--rest-url", local.url, "--ws-url", local.ws_url),
                stdin=theirs,
                stdout=theirs,
                stderr=theirs,
                env={**os.environ, "TERM": "xterm", "COLUMNS": "100", "LINES": "40"},
            )
            async with asyncio.timeout(SECONDS):
                shown = await read_until(ours, b"stream: ", b"live", b" bps")
                process.send_signal(signal.SIGINT)
                shown += await read_until(ours, b"stopped")
                assert await process.wait() == 130
        finally:
            os.close(theirs)
            os.close(ours)
    assert b"BTC-USD-PERP@paradex local" in shown
    assert b"Traceback" not in shown
    assert b"\x1b[?25h" in shown  # the cursor is given back


async def read_until(terminal: int, *wanted: bytes) -> bytes:
    """Read from a terminal until all of it was seen."""
    seen = b""
    loop = asyncio.get_running_loop()
    while not all(each in seen for each in wanted):
        ready = asyncio.Event()
        loop.add_reader(terminal, ready.set)
        try:
            await ready.wait()
        finally:
            loop.remove_reader(terminal)
        seen += os.read(terminal, 65536)
    return seen
