"""The reckoning of what an account may come to hold: never less than the truth, whatever is told when."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from perpkit.core.middleware.exposure import Entry, Exposure, PositionsFetch
from perpkit.core.models import Order, OrderIntent, OrderStatus, OrderType, Position, Side
from tests.core.builders import BTC, START

D = Decimal


@dataclass
class TrueOrder:
    """An order as the venue has it."""

    number: int
    side: Side
    size: int
    reduce_only: bool
    filled: int = 0
    status: OrderStatus = OrderStatus.OPEN
    sequence: int = 0
    past: list[Order] = field(default_factory=list)

    @property
    def stands(self) -> bool:
        return self.status in {OrderStatus.OPEN, OrderStatus.PARTIALLY_FILLED}

    def tell(self) -> Order:
        order = Order(
            market_id=BTC,
            venue_order_id=f"v{self.number}",
            client_order_id=f"c{self.number}",
            side=self.side,
            type=OrderType.LIMIT,
            status=self.status,
            size=D(self.size),
            filled_size=D(self.filled),
            price=D(1),
            reduce_only=self.reduce_only,
            sequence=self.sequence,
            ts_received=START,
        )
        self.past.append(order)
        return order


class World:
    """A venue with one account, and what the reckoning is told of it: late, twice, out of order, or never."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.exposure = Exposure()
        self.position = 0
        self.orders: list[TrueOrder] = []
        self.unanswered: list[tuple[Entry, TrueOrder]] = []
        self.fetches: list[tuple[PositionsFetch, int | None]] = []
        self.listings: list[tuple[list[Entry], list[Order] | None]] = []

    def true_worst(self, side: Side) -> int:
        sure = self.position * side.sign
        standing = [order for order in self.orders if order.stands and order.side is side]
        opening = sum(order.size - order.filled for order in standing if not order.reduce_only)
        reducing = sum(order.size - order.filled for order in standing if order.reduce_only)
        return opening + max(sure, min(0, sure + reducing))

    def step(self) -> None:
        actions = [
            self.place,
            self.answer,
            self.fill,
            self.fill,
            self.cancel,
            self.tell,
            self.tell,
            self.repeat,
            self.begin_fetch,
            self.read_positions,
            self.end_fetch,
            self.begin_listing,
            self.read_listing,
            self.end_listing,
            self.amend,
        ]
        self.chance.choice(actions)()

    def place(self) -> None:
        order = TrueOrder(
            len(self.orders), self.chance.choice(list(Side)), self.chance.randint(1, 5), self.chance.random() < 0.2
        )
        intent = OrderIntent(
            market_id=BTC,
            client_order_id=f"c{order.number}",
            side=order.side,
            size=D(order.size),
            price=D(1),
            reduce_only=order.reduce_only,
        )
        entry = self.exposure.sending(intent, None)
        if self.chance.random() < 0.2:
            self.exposure.never_sent(entry)
            return
        self.orders.append(order)
        order.tell()
        self.unanswered.append((entry, order))  # an answer that is never drawn is an unknown outcome

    def answer(self) -> None:
        if self.unanswered:
            entry, order = self.unanswered.pop(self.chance.randrange(len(self.unanswered)))
            self.exposure.answered(entry, order.past[0])

    def amend(self) -> None:
        standing = [order for order in self.orders if order.stands]
        if not standing:
            return
        order = self.chance.choice(standing)
        size = self.chance.randint(order.filled + 1, order.filled + 5)
        entry = self.exposure.amending(order.past[-1], D(size))
        if self.chance.random() < 0.3:
            self.exposure.amended(entry, None)
            return
        order.size, order.sequence = size, order.sequence + 1
        self.exposure.amended(entry, order.tell())

    def fill(self) -> None:
        standing = [order for order in self.orders if order.stands]
        if not standing:
            return
        order = self.chance.choice(standing)
        most = order.size - order.filled
        if order.reduce_only:
            most = min(most, max(0, -self.position * order.side.sign))
        if most:
            part = self.chance.randint(1, most)
            order.filled += part
            self.position += part * order.side.sign
            order.sequence += 1
            done = order.filled == order.size
            order.status = OrderStatus.FILLED if done else OrderStatus.PARTIALLY_FILLED

    def cancel(self) -> None:
        standing = [order for order in self.orders if order.stands]
        if standing:
            order = self.chance.choice(standing)
            order.status, order.sequence = OrderStatus.CANCELED, order.sequence + 1

    def tell(self) -> None:
        if self.orders:
            self.exposure.observe(self.chance.choice(self.orders).tell())

    def repeat(self) -> None:
        if self.orders:
            self.exposure.observe(self.chance.choice(self.chance.choice(self.orders).past))

    def begin_fetch(self) -> None:
        self.fetches.append((self.exposure.begin_positions(), None))

    def read_positions(self) -> None:
        self.fetches = [(fetch, self.position if read is None else read) for fetch, read in self.fetches]

    def end_fetch(self) -> None:
        if not self.fetches:
            return
        fetch, read = self.fetches.pop(self.chance.randrange(len(self.fetches)))
        if read is None and self.chance.random() < 0.5:
            self.exposure.end_positions(fetch, None)  # it failed
            return
        size = D(self.position if read is None else read)
        self.exposure.end_positions(fetch, [Position(market_id=BTC, size=size, ts_received=START)] if size else [])

    def begin_listing(self) -> None:
        self.listings.append((self.exposure.begin_open_orders(None, START), None))

    def read_listing(self) -> None:
        self.listings = [
            (expected, [order.tell() for order in self.orders if order.stands] if read is None else read)
            for expected, read in self.listings
        ]

    def end_listing(self) -> None:
        if self.listings:
            expected, read = self.listings.pop(self.chance.randrange(len(self.listings)))
            if read is not None:
                self.exposure.end_open_orders(expected, None, read)


@given(st.randoms(use_true_random=False), st.integers(1, 80))
def test_the_reckoning_is_never_less_than_the_truth(chance: random.Random, steps: int):
    """Orders, fills, answers, fetches and listings interleaved at random: both sides, after every step."""
    world = World(chance)
    for _ in range(steps):
        world.step()
        standing = sum(order.stands for order in world.orders)
        assert world.exposure.open_count >= standing
        if world.exposure.positions_known:
            for side in Side:
                assert world.exposure.worst(BTC, side) >= world.true_worst(side)


@given(st.randoms(use_true_random=False))
def test_once_all_is_told_and_fetched_the_reckoning_is_the_truth(chance: random.Random):
    """It errs on the side of too much only while something is uncertain."""
    world = World(chance)
    for _ in range(60):
        world.step()
    for fetch, _ in world.fetches:
        world.exposure.end_positions(fetch, None)
    for entry, order in world.unanswered:
        world.exposure.answered(entry, order.past[0])
    for order in world.orders:
        world.exposure.observe(order.tell())
    size = D(world.position)
    world.exposure.end_positions(
        world.exposure.begin_positions(), [Position(market_id=BTC, size=size, ts_received=START)]
    )
    for side in Side:
        assert world.exposure.worst(BTC, side) == world.true_worst(side)
    assert world.exposure.open_count == len(world.exposure._entries) == sum(order.stands for order in world.orders)
    for order in world.orders:
        if order.stands:
            order.status, order.sequence = OrderStatus.CANCELED, order.sequence + 1
            world.exposure.observe(order.tell())
    world.exposure.end_positions(world.exposure.begin_positions(), [])
    assert not world.exposure._entries
    assert not world.exposure._by_id


def test_a_late_telling_does_not_make_an_order_stand_again():
    """Its end was told and counted; its beginning, told afterwards, is old news, from an answer as from a stream."""
    exposure = Exposure()
    order = TrueOrder(1, Side.BUY, 3, reduce_only=False)
    began = order.tell()
    intent = OrderIntent(market_id=BTC, client_order_id="c1", side=Side.BUY, size=D(3), price=D(1))
    entry = exposure.sending(intent, None)
    order.status, order.sequence = OrderStatus.CANCELED, 1
    exposure.observe(order.tell())
    assert exposure.open_count == 0
    exposure.answered(entry, began)
    exposure.observe(began)
    assert exposure.open_count == 0
    assert not exposure._by_id
    exposure.sending(intent, None)
    exposure.observe(began)
    assert exposure.open_count == 1
