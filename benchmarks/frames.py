"""
From the text of a WebSocket frame to what the user works with.

perpkit: the whole of its stream engine without a socket: the link's reader, the plugin's decoder, the feed with its
deduplication and ordering, the consumer's queue, and the event taken out of it. ccxt.pro: its client parses the same
text and calls ``handle_message``, which parses and stores; handing the result to a waiting task is not counted for it.

The same again with a task that waits for each event on either side, woken by the event loop: on perpkit's an ``async
for``, on ccxt.pro's the future that its ``watch_…`` methods await, without what these methods do besides.

Before timing, both are compared: the same numbers must come out.
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from time import process_time
from typing import Any

from benchmarks.harness import Ratio, Result, rows_in_us, times_faster
from benchmarks.payloads import CHANNELS, MARKET, Frames
from perpkit.adapters.paradex import decode, schema, wire
from perpkit.adapters.paradex.memory import Balances, OrderMemory
from perpkit.adapters.paradex.stream import ParadexStream
from perpkit.core.catalog import MarketCatalog
from perpkit.core.clock import SystemClock
from perpkit.core.models import Channel, Event, StreamState, StreamStatus, Subscription
from perpkit.core.streams.delivery import EventStream
from perpkit.core.streams.hub import StreamHub
from perpkit.core.transport.redact import Redactor, Secret
from perpkit.core.transport.ws import Closed

ROUNDS = 31
FRAMES = 300
"""Of each kind, in each round, for each subject."""

WAITED = ", waited for"

GOALS = {"trade": 4, "order": 4, "book, 15 levels a side": 3, "funding": 3}

FOLLOWED = {
    "trade": Channel.TRADES,
    "order": Channel.ORDERS,
    "book, 15 levels a side": Channel.BOOK,
    "funding": Channel.FUNDING,
}


AWAITED = {**CHANNELS, "order": "orders"}
"""What ccxt.pro's ``watch_…`` methods await the futures of."""


class Feeder:
    """
    A connection that answers requests, and plays frames as fast as they are taken. After each frame the consumer takes
    its event, within the same turn of the loop, or in the next where it is a task that waits: nothing stays in a queue
    and nothing is folded. What the feeder itself costs is an async generator's step for each frame.
    """

    closed: Closed | None = None

    def __init__(self) -> None:
        self.first: Sequence[str] = ()
        """What the venue sends at once after a subscription."""
        self._waiting: asyncio.Queue[str | _Batch] = asyncio.Queue()

    async def send(self, data: str | bytes) -> None:
        """Confirm whatever is asked."""
        asked = json.loads(data)
        channel = asked["params"].get("channel")
        self._waiting.put_nowait(json.dumps({"jsonrpc": "2.0", "result": {"channel": channel}, "id": asked["id"]}))
        if asked["method"] == "subscribe":
            for frame in self.first:
                self._waiting.put_nowait(frame)

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """End it."""
        self.closed = Closed(code, reason, clean=True, by_us=True)

    async def play(self, frames: Sequence[str], stream: EventStream, *, waiting: bool) -> tuple[float, Event]:
        """Return the processor seconds from the first frame to the last event in the consumer's hands, and it."""
        batch = _Batch(frames, stream, waiting=waiting)
        self._waiting.put_nowait(batch)
        try:
            async with asyncio.timeout(60):
                return await batch.played
        except TimeoutError:
            raise RuntimeError("a frame brought no event") from None

    async def __aiter__(self) -> AsyncIterator[str]:
        while True:
            due = await self._waiting.get()
            if isinstance(due, str):
                yield due
                continue
            stream, event = due.stream, None
            consumer = asyncio.create_task(follow(stream, len(due.frames))) if due.waiting else None
            await asyncio.sleep(0)
            began = process_time()
            for frame in due.frames:
                yield frame
                if consumer is None:
                    event = await anext(stream)
                else:
                    await asyncio.sleep(0)
            seconds = process_time() - began
            if consumer is not None:
                if not consumer.done():
                    raise RuntimeError("a frame brought no event to the task that waited")
                event = consumer.result()
            due.played.set_result((seconds, event))


async def follow(stream: EventStream, count: int) -> Event:
    """Take so many events, and return the last."""
    async for event in stream:
        count -= 1
        if not count:
            return event
    raise RuntimeError("the stream ended")


class _Batch:
    """Frames to play, the stream whose events are taken, whether by a task that waits for each, and how it went."""

    def __init__(self, frames: Sequence[str], stream: EventStream, *, waiting: bool) -> None:
        self.frames = frames
        self.stream = stream
        self.waiting = waiting
        self.played: asyncio.Future[tuple[float, Event]] = asyncio.get_running_loop().create_future()


class Connector:
    """Gives the feeder to the link that asks for a connection."""

    def __init__(self) -> None:
        self.feeder = Feeder()

    async def connect(self, endpoint: object, traits: object) -> Feeder:
        """Return the one connection."""
        return self.feeder


class Tokens:
    """A token to sign in with."""

    async def token(self) -> Secret:
        """Return it."""
        return Secret("benchmark")


class OfPerpkit:
    """perpkit's stream engine around a feeder for each channel."""

    def __init__(self) -> None:
        clock = SystemClock()
        row = wire.read(schema.Market, json.dumps(MARKET), what="market")
        self.market = decode.market(row, clock.now())
        self._catalog = MarketCatalog("paradex", clock)
        self._catalog.replace([self.market])
        self._clock = clock
        self._open: dict[str, tuple[StreamHub, Connector, EventStream]] = {}

    async def open(self, kind: str, first: Sequence[str]) -> None:
        """Bring one channel up with these frames until it is live, and read what came meanwhile."""
        source = ParadexStream(
            url="ws://127.0.0.1/v1",
            markets=self._catalog,
            tokens=Tokens(),
            orders=OrderMemory(),
            balances=Balances(),
            redactor=Redactor(),
            book_interval="100ms",
        )
        connector = Connector()
        connector.feeder.first = first
        hub = StreamHub(
            venue="paradex",
            open_source=lambda _: source,
            reads=None,
            supports=lambda _: False,
            connector=connector,
            clock=self._clock,
            rng=random.Random(1),
        )
        stream = hub.open([Subscription(channel=FOLLOWED[kind], market=self.market)])
        self._open[kind] = hub, connector, stream
        async with asyncio.timeout(10):
            while True:
                event = await anext(stream)
                if isinstance(event, StreamStatus) and event.state is StreamState.LIVE:
                    break
            await asyncio.sleep(0.05)
            while stream.backlog:
                await anext(stream)

    async def play(self, kind: str, frames: Sequence[str], *, waiting: bool = False) -> tuple[float, Event]:
        """Return the processor seconds that these frames took, and the last event."""
        _, connector, stream = self._open[kind]
        return await connector.feeder.play(frames, stream, waiting=waiting)

    async def close(self) -> None:
        """End all."""
        for hub, _, stream in self._open.values():
            await stream.close()
            await hub.close()


class OfCcxt:
    """ccxt.pro's client and handlers, as they stand."""

    def __init__(self) -> None:
        import ccxt.pro as ccxt

        self._exchange = ccxt.paradex()
        self._exchange.set_markets([self._exchange.parse_market(MARKET)])
        self._client = self._exchange.client("ws://127.0.0.1/v1")

    def play(self, frames: Sequence[str]) -> float:
        """Return the processor seconds that these frames took, nobody waiting."""
        handle = self._client.handle_text_or_binary_message
        began = process_time()
        for frame in frames:
            handle(frame)
        return process_time() - began

    async def play_to_waiting(self, kind: str, frames: Sequence[str]) -> float:
        """Return the processor seconds that these frames took, with a task that waits for what each brings."""
        handle, name = self._client.handle_text_or_binary_message, AWAITED[kind]

        async def follow() -> None:
            for _ in frames:
                await self._client.future(name)

        consumer = asyncio.create_task(follow())
        await asyncio.sleep(0)
        began = process_time()
        for frame in frames:
            handle(frame)
            await asyncio.sleep(0)
        seconds = process_time() - began
        if not consumer.done():
            raise RuntimeError(f"{kind}: a frame woke nobody who waited for {name} of ccxt.pro")
        return seconds

    def holds(self, kind: str) -> dict[str, Any]:
        """Return what the exchange holds after the last frame."""
        symbol = "BTC/USD:USDC"
        exchange = self._exchange
        return {
            "trade": lambda: exchange.trades[symbol][-1],
            "order": lambda: exchange.orders[-1],
            "book, 15 levels a side": lambda: exchange.orderbooks[symbol],
            "funding": lambda: exchange.fundingRates[symbol],
        }[kind]()

    async def close(self) -> None:
        """End it."""
        await self._exchange.close()


def compare(kind: str, ours: Any, theirs: dict[str, Any]) -> None:
    """Raise unless both read the same numbers from the same frame."""

    def same(what: str, exact: Decimal | None, rounded: float | None) -> None:
        if (None if exact is None else float(exact)) != rounded:
            raise AssertionError(f"{kind} {what}: perpkit reads {exact}, ccxt {rounded}")

    if kind == "funding":
        same("rate", ours.value, theirs["fundingRate"])
    elif kind.startswith("book"):
        for side in ("bids", "asks"):
            pairs = list(zip(getattr(ours, side), theirs[side], strict=True))
            if len(pairs) != 15:
                raise AssertionError(f"{kind}: {len(pairs)} {side}")
            for level, (price, size) in pairs:
                same(f"{side} price", level.price, price)
                same(f"{side} size", level.size, size)
    else:
        same("price", ours.price, theirs["price"])
        same("size", ours.size, theirs["amount"])
        if str(ours.side) != theirs["side"]:
            raise AssertionError(f"{kind} side: perpkit reads {ours.side}, ccxt {theirs['side']}")


async def measure() -> dict[str, list[float]]:
    """Return processor seconds a frame, for each subject and kind, one figure a round."""
    frames, perpkit, ccxt = Frames(), OfPerpkit(), OfCcxt()
    found: dict[str, list[float]] = defaultdict(list)
    try:
        for kind in CHANNELS:
            await perpkit.open(kind, frames.take(kind, 3))
            for waiting in (False, True):
                batch = frames.take(kind, FRAMES)
                _, event = await perpkit.play(kind, batch, waiting=waiting)
                if waiting:
                    await ccxt.play_to_waiting(kind, batch)
                else:
                    ccxt.play(batch)
                compare(kind, event, ccxt.holds(kind))
        for number in range(ROUNDS):
            for kind in CHANNELS:
                batch, more = frames.take(kind, FRAMES), frames.take(kind, FRAMES)
                # By turns, since whoever comes second finds the frames in the processor's cache.
                for subject in ("perpkit", "ccxt.pro")[:: -1 if number % 2 else 1]:
                    if subject == "perpkit":
                        seconds, _ = await perpkit.play(kind, batch)
                        waited, _ = await perpkit.play(kind, more, waiting=True)
                    else:
                        seconds, waited = ccxt.play(batch), await ccxt.play_to_waiting(kind, more)
                    found[f"{subject}: {kind}"].append(seconds / FRAMES)
                    found[f"{subject}: {kind}{WAITED}"].append(waited / FRAMES)
    finally:
        await perpkit.close()
        await ccxt.close()
    return found


def run() -> Result:
    """Check that both read the same, then time them in turns."""
    samples = asyncio.run(measure())
    cases = [f"{kind}{waited}" for waited in ("", WAITED) for kind in CHANNELS]
    ratios = [
        Ratio(
            f"times faster than ccxt.pro: {case}",
            times_faster(samples, f"perpkit: {case}", f"ccxt.pro: {case}"),
            GOALS.get(case),
        )
        for case in cases
    ]
    rows = [f"{subject}: {case}" for case in cases for subject in ("ccxt.pro", "perpkit")]
    return Result(
        name="frames",
        what="one WebSocket frame to a typed event in the consumer's hands",
        rows=rows_in_us({name: samples[name] for name in rows}),
        ratios=ratios,
        notes=[
            "perpkit: decode, deduplicate, order, queue, take. ccxt.pro: parse and handle_message, nobody waiting.",
            f"{WAITED.strip(', ').capitalize()}: in a task of either side, woken for each.",
        ],
    )
