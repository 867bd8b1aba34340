"""
Whether memory stays flat: a million updates of one book through the stream engine to a consumer, and the process's
resident memory along the way.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

from benchmarks.frames import Paradex
from benchmarks.harness import Ratio, Result, Row
from benchmarks.payloads import SEED, SYMBOL, Frames
from benchmarks.streaming_perpkit import Handled

MESSAGES = 1_000_000
CHUNK = 10_000
SETTLED = 100_000
"""Growth is counted from here: by then caches and queues have the size that they keep."""
KIND = "book, 15 levels a side"

_FRAME = (
    '{"jsonrpc":"2.0","method":"subscription","params":{"channel":"order_book.' + SYMBOL + '.deltas@15@100ms","data":'
    '{"seq_no":%d,"market":"' + SYMBOL + '","last_updated_at":%d,"update_type":"d","inserts":[],"updates":[%s],'
    '"deletes":[%s]}}}'
)
_LEVEL = '{"side":"%s","price":"%d.%d","size":"%d.%03d"}'


def deltas(after: int) -> Iterator[str]:
    """Yield updates that follow a sequence number: a few sizes change, now and then a level goes."""
    rng = random.Random(SEED)
    number = after
    while True:
        number += 1
        updates = []
        for _ in range(rng.randrange(1, 4)):
            side = rng.choice(("BUY", "SELL"))
            # Far enough from the middle of the first snapshot that the sides never meet.
            tick = (600_000 if side == "BUY" else 700_000) + rng.randrange(-500, 501)
            updates.append(_LEVEL % (side, tick // 10, tick % 10, rng.randrange(9), rng.randrange(1, 1000)))
        gone = updates.pop() if len(updates) > 1 and rng.random() < 0.4 else ""
        yield _FRAME % (number, 1_760_000_000_000 + number, ",".join(updates), gone)


def resident_mb() -> float:
    """Return the process's resident memory after a full collection."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


async def measure() -> tuple[dict[int, float], float]:
    """Return resident memory by the number of messages, and the processor seconds the engine took over all of them."""
    venue = Paradex()
    (kind,) = (kind for kind in venue.kinds if kind.name == KIND)
    first = Frames().take(KIND, 1)
    stream = deltas(int(first[0].partition('"seq_no":')[2].partition(",")[0]))
    found, took = {}, 0.0
    async with Handled(venue, kind, "ws://127.0.0.1", first) as perpkit:
        for done in range(CHUNK, MESSAGES + 1, CHUNK):
            frames = [next(stream) for _ in range(CHUNK)]
            seconds, _ = await perpkit.play(frames)
            took += seconds
            del frames
            if done % SETTLED == 0:
                found[done] = resident_mb()
    return found, took


def run() -> Result:
    """Play a million updates and watch the memory."""
    began = perf_counter()
    found, took = asyncio.run(measure())
    return Result(
        name="memory",
        what=f"{MESSAGES:,} updates of one book, {took / MESSAGES * 1e6:.1f} us each",
        rows=[Row(f"after {count:,}", {"resident MB": size}) for count, size in found.items()],
        ratios=[
            Ratio(
                f"MB grown from message {SETTLED:,} to {MESSAGES:,}", found[MESSAGES] - found[SETTLED], 2, at_most=True
            )
        ],
        notes=[f"{perf_counter() - began:.0f} s in all. The consumer takes each update as it comes."],
    )
