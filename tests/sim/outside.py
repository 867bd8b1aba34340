"""Runs the scripts of tests/oracle: clients that were not written here, against a venue of this process."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

ORACLE = Path(__file__).parent.parent / "oracle"
PATIENCE_S = 90


async def run_outside(python: str, script: str, request: dict[str, Any]) -> dict[str, Any]:
    """Return what a script saw: JSON in, JSON out. A script that fails or takes over 90 seconds fails the test."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(python, str(ORACLE / script), stdin=pipe, stdout=pipe, stderr=pipe)
    try:
        out, err = await asyncio.wait_for(process.communicate(json.dumps(request).encode()), PATIENCE_S)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, err.decode()[-3000:]
    return json.loads(out)
