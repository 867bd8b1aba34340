"""Imports a plugin in a process of its own, with the network cut off, and says what that took and did."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass

import msgspec

_SCRIPT = """
import json, os, socket, sys, threading, time

sys.path[:] = json.loads(sys.argv[1])
attempts = []

def refuse(*args, **kwargs):
    attempts.append(repr(args[1] if len(args) > 1 else args))
    raise OSError("no network while a plugin is imported")

socket.socket.connect = socket.socket.connect_ex = refuse
socket.getaddrinfo = socket.create_connection = refuse
before = set(threading.enumerate())
began = time.process_time()
error = ""
try:
    module = __import__(sys.argv[2], fromlist=["_"])
    if sys.argv[3]:
        getattr(module, sys.argv[3])
except BaseException as failure:
    error = f"{type(failure).__name__}: {failure}"
took = time.process_time() - began
print("\\n" + json.dumps({
    "cpu_seconds": took,
    "network": attempts,
    "threads": [each.name for each in set(threading.enumerate()) - before],
    "error": error,
}))
"""

LONGEST = 2.0
"""Seconds of processor time; wall time would judge the machine."""


@dataclass(frozen=True, slots=True)
class ImportReport:
    """
    What an import took and did.

    Attributes:
        network: Addresses that it tried to reach.
        threads: Names of threads that it left running.
        error: Why it failed; empty when it didn't.
    """

    cpu_seconds: float
    network: list[str]
    threads: list[str]
    error: str

    def problems(self) -> list[str]:
        """Say what is wrong with it."""
        found = [f"it fails: {self.error}"] if self.error else []
        found += [f"it reaches for the network: {each}" for each in self.network]
        found += [f"it starts a thread: {each}" for each in self.threads]
        if self.cpu_seconds > LONGEST:
            found.append(f"it takes {self.cpu_seconds:.1f} s of processor time; {LONGEST:.0f} s are allowed")
        return found


def import_apart(module: str, name: str = "") -> ImportReport:
    """Import a module, and take a name from it, in a process without network and without any credential."""
    environment = {key: value for key, value in os.environ.items() if key in {"PATH", "HOME", "SYSTEMROOT", "LANG"}}
    command = [sys.executable, "-c", _SCRIPT, msgspec.json.encode(sys.path).decode(), module, name]
    done = subprocess.run(  # noqa: S603 - our own interpreter and script
        command, env=environment, capture_output=True, text=True, timeout=50, check=False
    )
    last = done.stdout.strip().splitlines()[-1:] or [""]
    if done.returncode or not last[0].startswith("{"):
        return ImportReport(0.0, [], [], f"the process ended with {done.returncode}: {done.stderr.strip()[-300:]}")
    return msgspec.json.decode(last[0], type=ImportReport)
