"""
A local Paradex in a process of its own, so that its work is not counted as the client's. Without rate limits, since two
clients would share them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

SERVER = """
import asyncio, json, sys
from perpkit.sim.clock import SimClock
from perpkit.sim.venues.paradex import LocalParadex, Settings

async def main():
    clock, settings = SimClock.real_time(), Settings(limits_scale=0)
    async with LocalParadex(accounts=1, seed=20261121, clock=clock, settings=settings) as local:
        me = local.accounts[0]
        print(json.dumps({"url": local.url, "ws_url": local.ws_url, "account": me.address,
                          "private_key": me.private_key}), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)

asyncio.run(main())
"""


@dataclass(frozen=True)
class Server:
    """Where the local Paradex is, and the account to use there."""

    url: str
    ws_url: str
    account: str
    private_key: str

    @property
    def settings(self) -> dict[str, str]:
        """What ``open_venue`` takes to open it."""
        return {
            "rest_url": self.url,
            "ws_url": self.ws_url,
            "account": self.account,
            "private_key": self.private_key,
        }


@contextmanager
def server() -> Iterator[Server]:
    """Start one and stop it at the end: it lives as long as its input is open."""
    process = subprocess.Popen([sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        line = process.stdout.readline()
        if not line:
            raise RuntimeError("the local Paradex did not start; its message stands above")
        yield Server(**json.loads(line))
    finally:
        process.stdin.close()
        process.wait(timeout=20)
