"""Long runs with faults drawn from a seed: nothing lost, nothing twice, nothing growing, and the same run again."""

from __future__ import annotations

import gc
import random
import tracemalloc
from dataclasses import replace
from datetime import timedelta

import pytest

from perpkit.core.errors import AuthError, DecodeError, RateLimitError, RequestTimeoutError
from perpkit.core.models import BookLevel, Event, Fill, Order, OrderStatus, Position, StreamState, StreamStatus
from perpkit.core.streams.protocol import Data, Refusal, SignedOut, StreamTraits
from perpkit.core.streams.settings import StreamSettings
from tests.core.streams.rig import (
    BOOK,
    BTC,
    ETH,
    FILLS,
    NO_CONNECTION,
    ORDERS,
    POSITIONS,
    TICKER,
    TRADES,
    D,
    Rig,
    Sent,
    acknowledge,
    at,
    data,
    delta,
    fill,
    order,
    position,
    read,
    settle,
    snapshot,
    ticker,
    trade,
)

READS = ("fetch_fills", "fetch_open_orders", "fetch_order", "fetch_order_history", "fetch_positions")


class Account:
    """What happens at the venue, and what its REST and its stream say of it."""

    def __init__(self, rig: Rig, rng: random.Random) -> None:
        self.rig = rig
        self.rng = rng
        self.sequence = 0
        self.fills: list[Fill] = []
        self.orders: dict[str, Order] = {}
        self.positions: dict[str, Position] = {}
        self.history: list[str] = []

    @property
    def now(self) -> float:
        return (self.rig.clock.now() - at(0)).total_seconds()

    def next(self) -> int:
        self.sequence += 1
        return self.sequence

    def step(self) -> Data:
        """Let one thing happen, and return what the stream says of it."""
        kind = self.rng.randrange(4)
        standing = [each for each in self.orders.values() if not each.is_terminal]
        if kind == 0 or not standing:
            name = f"v{len(self.orders)}"
            made = order(name, sequence=self.next(), created_at=at(self.now))
            self.orders[name] = made
            return self._told("orders.all", made)
        if kind == 1:
            chosen = self.rng.choice(standing)
            status = self.rng.choice([OrderStatus.CANCELED, OrderStatus.FILLED, OrderStatus.REJECTED])
            filled = chosen.size if status is OrderStatus.FILLED else D(0)
            done = chosen.replace(status=status, sequence=self.next(), filled_size=filled)
            self.orders[chosen.venue_order_id] = done
            return self._told("orders.all", done)
        if kind == 2:
            self.fills.append(fill(f"f{len(self.fills)}", self.now))
            return self._told("fills.all", self.fills[-1])
        market = self.rng.choice([BTC, ETH])
        size = str(self.rng.randrange(-2, 3))
        held = position(size, sequence=self.next(), of=market)
        self.positions[market.id] = held
        return self._told("positions.all", held)

    def _told(self, topic: str, event: Event) -> Data:
        self.rig.reads.state.update(
            fetch_fills=self.fills,
            fetch_open_orders=[each for each in self.orders.values() if not each.is_terminal],
            fetch_order=list(self.orders.values()),
            fetch_order_history=list(self.orders.values()),
            fetch_positions=[each for each in self.positions.values() if each.size],
        )
        return Data(topic, [event])


async def run(seed: int, steps: int) -> list[str]:
    """Let an account live through faults, follow it, and return all that the reader saw, in words."""
    rng = random.Random(seed)
    traits = StreamTraits(max_connects=1_000, sign_in_again_after=timedelta(seconds=rng.choice([20, 180])))
    settings = StreamSettings(failures_before_polling=rng.choice([2, 1_000]), stable_after=timedelta(seconds=5))
    settings = replace(settings, sync_attempts=1_000)
    async with Rig(seed=seed, traits=traits, settings=settings) as rig:
        account = Account(rig, rng)
        healthy = [True]
        strikes: list[str] = []

        def respond(sent: Sent):
            if sent.what == "sign_in":
                # Never so often in a row that the credentials count as refused.
                if not healthy[0] and strikes and rng.random() < 0.2 and strikes[-1] != "refused":
                    strikes.append("refused")
                    return [Refusal(sent.request_id, AuthError("not now"))]
                strikes.append("accepted")
            elif not healthy[0] and sent.request_id is not None and rng.random() < 0.1:
                return rng.choice([None, [Refusal(sent.request_id, RateLimitError("slow"))]])
            return acknowledge(sent)

        rig.respond = respond
        stream = await rig.open(FILLS, ORDERS, POSITIONS)
        events: list[Event] = await read(stream)
        late: list[Data] = []
        for number in range(steps):
            if number % 50 == 0:
                healthy[0] = number % 100 == 0
            fate = rng.random()
            told = account.step()
            connection = rig.connector.connections[-1] if rig.connector.connections else None
            alive = connection is not None and connection.closed is None
            if alive and not (fate < 0.1 and not healthy[0]):
                # A live stream tells everything; repeated, or repeated late, for good measure.
                for _ in range(1 + (fate > 0.9)):
                    connection.bring(told)
                if fate > 0.8:
                    late.append(told)
                if late and fate > 0.95:
                    connection.bring(late.pop(rng.randrange(len(late))))
            elif alive:
                connection.drop()
            if not healthy[0]:
                if rng.random() < 0.1:
                    rig.connector.failures = [NO_CONNECTION] * rng.randrange(4)
                if rng.random() < 0.1:
                    hook = rng.choice(READS)
                    rig.reads.errors.setdefault(hook, []).append(
                        rng.choice([RequestTimeoutError("late"), DecodeError("half"), RateLimitError("slow")])
                    )
                if alive and rng.random() < 0.05:
                    connection.bring(rng.choice([SignedOut("expired"), DecodeError("garbage")]))
            await rig.advance(rng.choice([0, 0.1, 1]))
            if rng.random() < 0.5:
                events += await read(stream)
        healthy[0] = True
        rig.connector.failures.clear()
        rig.reads.errors.clear()
        await rig.advance(200, step=1)
        events += await read(stream)
        assert stream.status in {StreamState.LIVE, StreamState.RESYNCED}, f"seed {seed}: {stream.states}"
        _hold_against(account, events, seed)
        return [_words(event) for event in events]


def _words(event: Event) -> str:
    if isinstance(event, StreamStatus):
        return f"{event.state} {event.channel} {event.reason}"
    return repr(event)


def _hold_against(account: Account, events: list[Event], seed: int) -> None:
    fills = [event.fill_id for event in events if isinstance(event, Fill)]
    assert sorted(fills) == sorted(each.fill_id for each in account.fills), f"seed {seed}: fills"

    last_order: dict[str, Order] = {}
    for event in events:
        if isinstance(event, Order):
            before = last_order.get(event.venue_order_id)
            assert before is None or before.sequence < event.sequence, f"seed {seed}: order told twice or backwards"
            last_order[event.venue_order_id] = event
    statuses = {name: each.status for name, each in last_order.items()}
    truth = {name: each.status for name, each in account.orders.items()}
    assert statuses == truth, f"seed {seed}: orders"

    last_position: dict[str, Position] = {}
    for event in events:
        if isinstance(event, Position):
            before = last_position.get(event.market_id)
            if event.sequence is not None and before is not None and before.sequence is not None:
                assert before.sequence < event.sequence, f"seed {seed}: position told twice or backwards"
            assert before is None or before.size or event.size, f"seed {seed}: told flat twice"
            last_position[event.market_id] = event
    sizes = {market_id: each.size for market_id, each in last_position.items() if each.size}
    assert sizes == {market_id: each.size for market_id, each in account.positions.items() if each.size}, f"seed {seed}"


@pytest.mark.parametrize("seed", range(12))
async def test_an_account_is_followed_through_any_faults(seed: int):
    """Every fill once, every order's last state, every position as it stands, none backwards."""
    print(f"seed {seed}")
    await run(seed, 300)


async def test_the_same_seed_gives_the_same_run():
    """A run can be replayed: same faults, same jitter, same events in the same order."""
    first, second, other = await run(99, 200), await run(99, 200), await run(98, 200)
    assert first == second
    assert first != other


async def test_memory_stays_flat_over_a_long_stream():
    """Thousands of messages on every public channel, and a reconnect now and then, leave nothing behind."""
    settings = StreamSettings(trade_backlog=500, max_missed_trades=500, book_backlog=50)
    async with Rig(settings=settings, traits=StreamTraits(max_connects=100_000)) as rig:
        stream = await rig.open(BOOK, TRADES, TICKER)
        price, one = D(99), D(1)
        template = delta(2)
        sequence = 0

        async def flood(count: int) -> int:
            nonlocal sequence
            for number in range(count):
                sequence += 1
                if number % 1_000 == 0:
                    if number:
                        await rig.drop()
                        await rig.advance(1)
                    rig.connection.bring(Data("book.BTC", [snapshot(sequence)]))
                    continue
                level = (BookLevel(price, one + sequence % 7),)
                update = type(template).trusted(
                    market_id=BTC.id,
                    bids=level,
                    asks=(),
                    previous_sequence=sequence - 1,
                    sequence=sequence,
                    ts_received=at(0),
                )
                tape = trade("x", 0)
                rig.connection.bring(
                    Data("book.BTC", [update]),
                    Data("trades.BTC", [type(tape).trusted(**{**tape.__dict__, "trade_id": f"t{sequence}"})]),
                    Data("ticker.BTC", [ticker(str(sequence), sequence)]),
                )
                if number % 20 == 0:
                    await settle(30)
                    await read(stream)
            await settle()
            await read(stream)
            gc.collect()
            return tracemalloc.get_traced_memory()[0]

        await flood(500)
        rig.connector.connections[:-1] = []
        rig.reads.calls.clear()
        tracemalloc.start()
        try:
            before = await flood(500)
            after = await flood(3_000)
        finally:
            tracemalloc.stop()
        assert after - before < 150_000
        assert data(await read(stream)) == []
