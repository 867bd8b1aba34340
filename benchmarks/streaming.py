"""
From a WebSocket frame to what the user works with, perpkit beside ccxt.pro, for any venue that both know.

Three ways are measured, each in processor time, a frame at a time, both subjects on the same frames:

- *whole way*: from the frame's bytes, as the system hands them over, to a task of the consumer's that waits for what
  they bring. On perpkit's side an ``async for`` over a stream, on ccxt.pro's a loop around its ``watch_…`` method. Both
  read a connection of aiohttp to a server in this process: the bytes are put into it where the loop's transport would
  put them, then the loop turns until the consumer has its event.
- *handed over*: the same without the socket, which is aiohttp's work on either side: from the frame that the connection
  would push. perpkit: decode, deduplicate, order, queue, wake. ccxt.pro: its client's ``handle_message``, which parses,
  stores and wakes, and what ``watch_…`` does before and after. Each has one turn of the loop in it.
- *handled*: ccxt.pro's ``handle_message`` while nobody waits, so that it hands nothing over; perpkit's event is taken
  out of the queue at once, with ``take_nowait``.

Before timing, both are compared: the same numbers must come out. A venue is described by a :class:`StreamingVenue`; see
``frames.py`` for one.
"""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from decimal import Decimal
from itertools import islice
from time import process_time
from typing import Any, Protocol

from benchmarks import streaming_ccxt, streaming_perpkit
from benchmarks.harness import Ratio, Result, Row, rows_in_us, times_faster
from benchmarks.streaming_server import Server
from perpkit.core.models import Channel, Market
from perpkit.core.streams.protocol import AnySource

ROUNDS = 31
FRAMES = 300
"""Of each kind, in each round, for each subject."""

FIRST = 3
"""So many frames come at once with the subscription."""

WHOLE, HANDED_OVER, HANDLED = "whole way", "handed over", "handled"
PERPKIT, CCXT = "perpkit", "ccxt.pro"


@dataclass(frozen=True)
class Kind:
    """
    Frames of one kind, and what either side makes of them.

    Attributes:
        frames: Gives them without end, the same ones each time it is called.
        watch: Awaits ccxt.pro's ``watch_…`` method, on an exchange that was prepared.
        held: What the exchange holds of the last frame.
        numbers: Of perpkit's event and ccxt's, the numbers that have to be the same.
        channels: The channel's name in the frames, and the one by which ccxt.pro follows it, where it is another one:
            its frames bear that name, or nobody of its would be woken.
        goal: How many times faster perpkit should be; None where nothing is set.
    """

    name: str
    channel: Channel
    frames: Callable[[], Iterator[str]]
    watch: Callable[[Any], Awaitable[Any]]
    held: Callable[[Any], Any]
    numbers: Callable[[Any, Any], Iterable[tuple[str, Decimal | None, float | None]]]
    channels: tuple[str, str] | None = None
    goal: float | None = None

    def for_ccxt(self, frames: Sequence[str]) -> list[str]:
        """Return frames as ccxt.pro has subscribed to them."""
        if self.channels is None:
            return list(frames)
        ours, theirs = (f'"channel":"{name}"' for name in self.channels)
        return [frame.replace(ours, theirs, 1) for frame in frames]


class StreamingVenue(Protocol):
    """What a benchmark has to know of a venue."""

    name: str
    kinds: Sequence[Kind]

    def source(self, url: str) -> tuple[AnySource, Market]:
        """Return the plugin's stream source for a server at this address, and the market that the frames are of."""
        ...

    def exchange(self, url: str) -> Any:
        """Return ccxt.pro's exchange for it, with the market loaded, signed in where that is needed."""
        ...

    def answer(self, said: str | None, first: Sequence[str]) -> Sequence[str]:
        """
        Return what the venue sends to a client that said this, or has just connected (None). Whoever subscribes gets
        the ``first`` frames.
        """
        ...


class Session(Protocol):
    """One subject, ready to be given frames of one kind."""

    async def play(self, frames: Sequence[str]) -> tuple[float, Any]:
        """Return the processor seconds that these frames took, and what came of the last."""
        ...


class Frames:
    """Frames of one kind; ``take`` gives the next so many."""

    def __init__(self, kind: Kind) -> None:
        self._endless = kind.frames()

    def take(self, count: int) -> list[str]:
        """Return the next frames, as text."""
        return list(islice(self._endless, count))


def fields(*names: str) -> Callable[[Any, Any], Iterator[tuple[str, Decimal | None, float | None]]]:
    """Return a comparison of fields, each given as perpkit's name, or as perpkit's and ccxt's with a colon between."""

    def numbers(ours: Any, theirs: Any) -> Iterator[tuple[str, Decimal | None, float | None]]:
        for name in names:
            our_name, _, their_name = name.partition(":")
            yield our_name, getattr(ours, our_name), theirs[their_name or our_name]

    return numbers


def levels(depth: int) -> Callable[[Any, Any], Iterator[tuple[str, Decimal | None, float | None]]]:
    """Return a comparison of books of so many levels a side."""

    def numbers(ours: Any, theirs: Any) -> Iterator[tuple[str, Decimal | None, float | None]]:
        for side in ("bids", "asks"):
            pairs = list(zip(getattr(ours, side), theirs[side], strict=True))
            if len(pairs) != depth:
                raise AssertionError(f"{len(pairs)} {side}, not {depth}")
            for level, (price, size, *_) in pairs:
                yield f"{side} price", level.price, price
                yield f"{side} size", level.size, size

    return numbers


def compare(kind: Kind, ours: Any, theirs: Any) -> None:
    """Raise unless both read the same numbers from the same frame."""
    for what, exact, rounded in kind.numbers(ours, theirs):
        if (None if exact is None else float(exact)) != rounded:
            raise AssertionError(f"{kind.name} {what}: perpkit reads {exact}, ccxt {rounded}")


async def turn_of_the_loop(count: int = 20_000) -> float:
    """Return the processor seconds of one turn of an event loop that has nothing else to do."""
    began = process_time()
    for _ in range(count):
        await asyncio.sleep(0)
    return (process_time() - began) / count


async def measure(venue: StreamingVenue) -> dict[str, list[float]]:
    """Return processor seconds a frame, for each subject, way and kind, one figure a round."""
    makers = {
        WHOLE: {PERPKIT: streaming_perpkit.WholeWay, CCXT: streaming_ccxt.WholeWay},
        HANDED_OVER: {PERPKIT: streaming_perpkit.HandedOver, CCXT: streaming_ccxt.HandedOver},
        HANDLED: {PERPKIT: streaming_perpkit.Handled, CCXT: streaming_ccxt.Handled},
    }
    found: dict[str, list[float]] = defaultdict(list)
    async with AsyncExitStack() as stack:
        sessions: dict[tuple[str, Kind], dict[str, Session]] = {}
        coming: dict[tuple[str, Kind], Frames] = {}
        for kind in venue.kinds:
            for way, subjects in makers.items():
                frames = coming[way, kind] = Frames(kind)
                first, batch = frames.take(FIRST), frames.take(FRAMES)
                ready: dict[str, Session] = {}
                results = {}
                for subject, maker in subjects.items():
                    begin = kind.for_ccxt(first) if subject == CCXT else first
                    server = await stack.enter_async_context(Server(venue, begin))
                    ready[subject] = await stack.enter_async_context(maker(venue, kind, server.url, begin))
                    _, results[subject] = await ready[subject].play(kind.for_ccxt(batch) if subject == CCXT else batch)
                compare(kind, results[PERPKIT], results[CCXT])
                sessions[way, kind] = ready
        for number in range(ROUNDS):
            for (way, kind), ready in sessions.items():
                batch = coming[way, kind].take(FRAMES)
                given = {PERPKIT: batch, CCXT: kind.for_ccxt(batch)}
                # By turns, since whoever comes second finds the frames in the processor's cache.
                for subject, session in list(ready.items())[:: -1 if number % 2 else 1]:
                    seconds, _ = await session.play(given[subject])
                    found[f"{subject}: {kind.name}, {way}"].append(seconds / FRAMES)
        found["a turn of the event loop"] = [await turn_of_the_loop() for _ in range(ROUNDS)]
    return found


def run(venue: StreamingVenue, name: str) -> Result:
    """Check that both read the same, then time them in turns."""
    samples = asyncio.run(measure(venue))
    cases = [(kind, way) for way in (HANDED_OVER, HANDLED, WHOLE) for kind in venue.kinds]
    ratios = [
        Ratio(
            f"times faster than ccxt.pro: {kind.name}, {way}",
            times_faster(samples, f"{PERPKIT}: {kind.name}, {way}", f"{CCXT}: {kind.name}, {way}"),
            kind.goal if way != WHOLE else None,
        )
        for kind, way in cases
    ]
    rows: list[Row] = rows_in_us(
        {
            row: samples[row]
            for row in [f"{subject}: {kind.name}, {way}" for kind, way in cases for subject in (CCXT, PERPKIT)]
            + ["a turn of the event loop"]
        }
    )
    return Result(
        name=name,
        what=f"one WebSocket frame of {venue.name} to a typed event in the consumer's hands",
        rows=rows,
        ratios=ratios,
        notes=[
            "Handed over: from the connection's frame to a task that waits, async for and await watch_… .",
            "Handled: ccxt.pro's handle_message, nobody waiting; perpkit's event is taken all the same.",
            "Whole way: from bytes put into aiohttp's connection to a task that waits, on both sides.",
        ],
    )


def compact(message: Any) -> str:
    """Write a message as venues do: without spaces."""
    return json.dumps(message, separators=(",", ":"))
