"""What the exchange tells and lists of orders and trades: whole, in order, and the same for a seed."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from itertools import pairwise

from perpkit.sim.events import (
    AccountEvent,
    BalanceEvent,
    BboEvent,
    BookEvent,
    Event,
    FillEvent,
    OrderCause,
    OrderEvent,
    PositionEvent,
    TradeEvent,
)
from perpkit.sim.orders import OrderState, Side
from tests.sim.world import BTC, World

D = Decimal


def test_figures_of_a_filled_order_add_up():
    """1 at 1000 and 2 at 1003: average 1002, remaining 1; times and sequence grow."""
    world = World()
    world.order("ann", "sell", 1, 1000)
    world.order("ann", "sell", 2, 1003)
    order = world.order("bob", "buy", 4, 1003)
    assert (order.average_price, order.filled_size, order.remaining_size) == (D(1002), D(3), D(1))
    sequences = [event.order.sequence for event in world.said(OrderEvent) if event.order.id == order.id]
    assert sequences == sorted(set(sequences))
    assert len(sequences) == 3
    remaining = [fill.remaining_size for fill in world.exchange.fills("bob", order_id=order.id)]
    assert remaining == [D(3), D(1)]


def test_a_trade_is_told_completely_and_in_order():
    """Tape, then each side's fill, balance, position and account, then both orders, then the book."""
    world = World()
    world.order("ann", "sell", 1, 1000)
    world.events.clear()
    world.order("bob", "buy", 1, 1000)
    half = [FillEvent, BalanceEvent, PositionEvent, AccountEvent]
    assert [type(event) for event in world.events] == [
        OrderEvent,
        TradeEvent,
        *half,
        *half,
        OrderEvent,
        OrderEvent,
        BookEvent,
        BboEvent,
    ]
    numbers = [event.number for event in world.events]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def test_a_fill_names_the_book_after_it_and_the_index():
    """Its book number is that of the change which tells of it; the index price is not the mark."""
    world = World()
    world.exchange.set_price("BTC", index=D(998), mark=D(1001))
    world.order("ann", "sell", 1, 1000)
    world.order("bob", "buy", 1, 1000)
    for fill in (*world.exchange.fills("ann"), *world.exchange.fills("bob")):
        assert fill.book_sequence == world.said(BookEvent)[-1].sequence == 2
        assert fill.index_price == 998


def test_book_events_rebuild_the_book():
    """Applying every change in order gives the book, and numbers follow each other by one."""
    world = World(BTC, ann=10**7, bob=10**7)
    orders = [
        world.order("ann", side, 1 + i, 1000 + 5 * i if side == "sell" else 995 - 5 * i)
        for i in range(5)
        for side in ("buy", "sell")
    ]
    world.order("bob", "buy", 4, 1010)
    world.exchange.cancel("ann", orders[0].id)
    world.exchange.amend("ann", orders[4].id, size=D(1))
    levels: dict[tuple[Side, Decimal], Decimal] = {}
    sequences = []
    for event in world.said(BookEvent):
        sequences.append(event.sequence)
        for change in event.changes:
            key = (change.side, change.price)
            assert change.existed == (key in levels)
            if change.size:
                levels[key] = change.size
            else:
                del levels[key]
    assert sequences == list(range(1, len(sequences) + 1))
    book = world.exchange.book("BTC")
    assert levels == {
        **{(Side.BUY, level.price): level.size for level in book.bids},
        **{(Side.SELL, level.price): level.size for level in book.asks},
    }
    assert book.sequence == sequences[-1]


def test_a_subscriber_that_left_hears_no_more():
    """Ending a subscription twice is harmless."""
    world, heard = World(), []
    end = world.exchange.subscribe(heard.append)
    world.order("bob", "buy", 1, 990)
    count = len(heard)
    assert count
    end()
    end()
    world.order("bob", "buy", 1, 991)
    assert len(heard) == count


def test_copies_do_not_change():
    """What was handed out stays as it was when the order moves on."""
    world = World()
    order = world.order("bob", "buy", 1, 990)
    opened = next(event for event in world.said(OrderEvent) if event.cause is OrderCause.OPENED)
    world.exchange.cancel("bob", order.id)
    assert (order.state, opened.order.state) == (OrderState.OPEN, OrderState.OPEN)


def test_listings_keep_to_their_window():
    """Both ends of the window belong to it; everything comes oldest first."""
    world = World(BTC, ann=10**6, bob=10**6)
    times = []
    for step in range(4):
        times.append(world.clock.now_ms())
        world.order("ann", "sell", 1, 1000 + step)
        world.order("bob", "buy", 1, 1000 + step)
        world.clock.advance(timedelta(seconds=1))
    for listing in (world.exchange.orders, world.exchange.fills, world.exchange.ledger_entries):
        found = [record.created_at_ms for record in listing("bob", since_ms=times[1], until_ms=times[2])]
        assert found == [times[1], times[2]]
    assert len(world.exchange.trades("BTC", since_ms=times[3])) == 1
    assert len(world.exchange.trades("BTC", until_ms=times[0])) == 1


def test_ids_and_events_follow_from_the_seed():
    """The same calls give the same events to the last id; another seed gives other ids."""

    def story(seed: int) -> list[Event]:
        world = World(seed=seed)
        world.order("ann", "sell", 2, 1000)
        world.clock.advance(timedelta(minutes=3))
        world.order("bob", "buy", 1, 1000)
        world.exchange.cancel_all("ann")
        return world.events

    assert story(3) == story(3)
    assert story(3) != story(4)


def test_ids_grow_with_holes_and_do_not_fit_a_float():
    """A client that reads them as numbers of 53 bits, or counts on +1, meets its mistake here."""
    world = World()
    ids = [int(world.order("bob", "buy", 1, 990 + step).id) for step in range(5)]
    assert ids == sorted(set(ids))
    assert all(number > 2**53 for number in ids)
    assert any(later - earlier > 1 for earlier, later in pairwise(ids))
