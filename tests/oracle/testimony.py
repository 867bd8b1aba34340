"""
How a witness talks: what it is asked is JSON on stdin, what it saw is JSON on stdout.

The scripts beside this file import it from where they stand; their environments need not hold perpkit or the tests.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

TIMEOUT_S = 20
"""How long a witness waits for one thing that the venue is to send."""


def testify(witness: Callable[[dict[str, Any], dict[str, Any]], Awaitable[None]]) -> None:
    """Run a witness, which gets the request and writes into the second mapping what it saw."""
    seen: dict[str, Any] = {}
    asyncio.run(witness(json.load(sys.stdin), seen))
    json.dump(seen, sys.stdout, default=str)
