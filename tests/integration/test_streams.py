"""Streams over real sockets that break in every way: what happened meanwhile arrives, once, and the stream says so."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import pytest

import perpkit
from perpkit.core.book import OrderBook
from perpkit.core.models import BookDelta, BookSnapshot, Fill, Order, OrderIntent, OrderStatus, Position, Side
from tests.integration.conftest import BTC, eventually, while_time_passes

PRIVATE = ("orders", "fills", "positions", "balances", "funding_payments")


def _intent(**changes: object) -> OrderIntent:
    fields = {"market_id": BTC, "side": Side.BUY, "size": "0.1", "price": "99000", **changes}
    return OrderIntent(**fields)


def _true_fills(local):
    return local.exchange.fills(local.accounts[0].address)


async def _moved_until(local, met, what):
    """Let time pass until something is so: back-off waits on the clock."""
    await while_time_passes(local, eventually(met, what))


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1011, 1012])
async def test_what_happened_while_the_connection_was_gone_is_delivered_once(local, venue, listen, code):
    """An order is filled and another canceled while nobody listens; the stream catches up and says resynced."""
    async with listen(venue, *PRIVATE) as heard:
        resting = await venue.place_order(_intent(price="99999.9"))
        canceled = await venue.place_order(_intent(price="99000"))
        await heard.wait_for(lambda: len({o.venue_order_id for o in heard.of(Order)}) == 2, "both orders")
        local.control.inject("refuse", target="connect", times=3)
        local.control.inject("disconnect", target="frame", match="*", times=1, close_code=code)
        # The next private frame breaks the connection instead of arriving.
        local.control.trade(BTC, Side.SELL, Decimal("1.05"))
        local.control.cancel_order(local.accounts[0].address, canceled.venue_order_id)
        await _moved_until(local, lambda: "resynced" in heard.states(), "the stream to be back")
        await _moved_until(
            local,
            lambda: sum(fill.size for fill in heard.of(Fill)) == sum(true.size for true in _true_fills(local)),
            "the fills",
        )
        by_id = {order.venue_order_id: order for order in heard.of(Order)}
        assert by_id[canceled.venue_order_id].status is OrderStatus.CANCELED
        truth = local.exchange.order(local.accounts[0].address, resting.venue_order_id)
        assert by_id[resting.venue_order_id].filled_size == truth.filled_size
    fills = [fill.fill_id for fill in heard.of(Fill)]
    assert len(fills) == len(set(fills)) == len(_true_fills(local))
    assert "lost" in heard.states()


async def test_duplicated_and_reordered_frames_change_nothing(local, venue, listen):
    """Twice the same and the wrong way round: each fill once, and the last state is the true one."""
    local.control.inject("duplicate", target="frame", match="fills*", times=None)
    local.control.inject("reorder", target="frame", match="orders*", times=2)
    async with listen(venue, "orders", "fills", "positions") as heard:
        for _ in range(3):
            await venue.place_order(_intent(price="100000.1"))
        await heard.wait_for(lambda: len(heard.of(Fill)) >= len(_true_fills(local)) == 3, "three fills")
        await venue.place_order(_intent(price="98000"))
        await heard.wait_for(
            lambda: len({o.venue_order_id for o in heard.of(Order) if o.is_terminal}) == 3, "three filled orders"
        )
        assert sorted(fill.fill_id for fill in heard.of(Fill)) == sorted(true.id for true in _true_fills(local))
        seen: dict[str, OrderStatus] = {}
        for order in heard.of(Order):
            assert not (seen.get(order.venue_order_id) or OrderStatus.OPEN).is_terminal or order.is_terminal
            seen[order.venue_order_id] = order.status


async def test_a_gap_in_the_book_is_said_at_once_and_mended(local, venue, listen):
    """A missing delta: gap, then a fresh snapshot, and the book is the exchange's again."""
    async with listen(venue, f"book:{BTC}") as heard:
        local.control.inject("gap", target="frame", match="order_book*", times=1)
        for price in ("99990", "99991", "99992"):
            local.control.place_liquidity(BTC, bids=[(Decimal(price), Decimal(2))])
            local.control.advance(timedelta(milliseconds=200))
            await asyncio.sleep(0.02)
        await _moved_until(local, lambda: "gap" in heard.states(), "the gap to be said")
        await _moved_until(
            local,
            lambda: len(heard.of(BookSnapshot)) >= 2 and heard.states()[-1] in ("live", "resynced"),
            "a fresh snapshot",
        )
        book = OrderBook(f"{BTC}@paradex")
        for event in heard.events:
            if isinstance(event, BookSnapshot | BookDelta):
                book.apply(event)
        truth = local.exchange.book(BTC, 15)
        assert [(level.price, level.size) for level in book.bids(15)] == [(row.price, row.size) for row in truth.bids]


async def test_a_token_that_expires_does_not_interrupt_the_stream(local, venue, listen):
    """Five minutes and more on one connection: orders keep coming, and REST signs in again by itself."""
    async with listen(venue, "orders") as heard:
        for minute in range(4):
            local.control.advance(timedelta(minutes=2))
            order = await venue.place_order(_intent(price=str(99000 - minute)))
            await heard.wait_for(
                lambda: any(o.venue_order_id == order.venue_order_id for o in heard.of(Order)),  # noqa: B023
                "the order",
            )
        assert "lost" not in heard.states()


async def test_one_consumer_that_leaves_or_raises_does_not_disturb_the_other(local, venue, listen):
    """They share one subscription at the venue."""
    async with listen(venue, "orders") as stays:
        with pytest.raises(RuntimeError, match="consumer"):
            async with listen(venue, "orders"):
                assert local.connections == 1
                raise RuntimeError("a consumer of its own mind")
        order = await venue.place_order(_intent())
        await stays.wait_for(lambda: any(o.ref == order.ref for o in stays.of(Order)), "the order")


async def test_a_slow_consumer_gets_a_fresh_book_and_every_fill(local, venue):
    """Nobody reads while the book changes a thousand times: one snapshot, said as conflated; fills are all there."""
    async with venue.stream([f"book:{BTC}", "fills"]) as events:
        async for event in events:
            if isinstance(event, perpkit.StreamStatus) and event.state is perpkit.StreamState.LIVE:
                break
        for number in range(400):
            local.control.place_liquidity(BTC, bids=[(Decimal("95000.1") + number, Decimal(1))])
            local.control.advance(timedelta(milliseconds=200))
            await asyncio.sleep(0)
        for _ in range(5):
            await venue.place_order(_intent(price="100000.1"))
        await eventually(lambda: len(_true_fills(local)) == 5, "the fills")
        book = OrderBook(f"{BTC}@paradex")
        fills: list[Fill] = []
        async with asyncio.timeout(10):
            async for event in events:
                if isinstance(event, Fill):
                    fills.append(event)
                elif isinstance(event, BookSnapshot | BookDelta):
                    book.apply(event)
                if len(fills) == 5 and not events.backlog:
                    break
        assert len({fill.fill_id for fill in fills}) == 5
        assert events.backlog == 0


async def test_a_channel_that_the_venue_refuses_is_a_typed_error(local, venue):
    """The others on the same stream go on."""
    local.control.inject("missing_channel", target="rpc", match="subscribe trades*", times=None)
    async with venue.stream([f"trades:{BTC}", "orders"]) as events:
        with pytest.raises(perpkit.PerpkitError) as caught:
            async with asyncio.timeout(10):
                async for _ in events:
                    pass
        assert "trades" in str(caught.value)
        order = await venue.place_order(_intent())
        async with asyncio.timeout(10):
            async for event in events:
                if isinstance(event, Order) and event.ref == order.ref:
                    break


async def test_when_streaming_keeps_failing_the_same_events_come_by_polling(local, venue, listen):
    """The handshake is refused for good: the stream says polling, and orders and fills come all the same."""
    local.control.inject("refuse", target="connect", times=None)
    task = asyncio.create_task(_follow_until_filled(local, venue))
    await while_time_passes(local, eventually(task.done, "a fill by polling"))
    states, fills = await task
    assert "polling" in states
    assert [fill.fill_id for fill in fills] == [true.id for true in _true_fills(local)]


async def _follow_until_filled(local, venue):
    states: list[str] = []
    fills: list[Fill] = []
    placed = False
    async with venue.stream(["orders", "fills"]) as events:
        async for event in events:
            if isinstance(event, perpkit.StreamStatus):
                states.append(str(event.state))
            if "polling" in states and not placed:
                placed = True
                await venue.place_order(_intent(price="100000.1"))
            if isinstance(event, Fill):
                fills.append(event)
                return states, fills
    return states, fills


async def test_a_closed_position_is_reported_once_with_size_zero(local, venue, listen):
    """Flat is an event on the stream, and never a row of a fetch."""
    async with listen(venue, "positions") as heard:
        await venue.place_order(_intent(price="100000.1"))
        await heard.wait_for(lambda: any(p.size == Decimal("0.1") for p in heard.of(Position)), "the position")
        await venue.place_order(_intent(side=Side.SELL, price="99999.9", reduce_only=True))
        await heard.wait_for(lambda: heard.of(Position)[-1].size == 0, "the close")
    assert [p.size for p in heard.of(Position)].count(Decimal(0)) == 1
    assert await venue.fetch_positions() == []


async def test_a_private_frame_that_can_not_be_read_loses_nothing(local, venue, listen):
    """What a cut frame said of the account is read by REST, and the stream says that it was away."""
    async with listen(venue, "orders", "fills", "positions") as heard:
        local.control.inject("truncate", target="frame", match="orders*", times=2)
        local.control.inject("truncate", target="frame", match="fills*", times=1)
        order = await venue.place_order(_intent(price="100000.1"))
        await _moved_until(
            local, lambda: any(o.is_terminal for o in heard.of(Order) if o.ref == order.ref), "the order's end"
        )
        await _moved_until(local, lambda: heard.of(Fill) and heard.states()[-1] == "resynced", "the fill")
        assert [fill.fill_id for fill in heard.of(Fill)] == [true.id for true in _true_fills(local)]
        assert "lost" in heard.states()


async def test_what_happens_on_a_market_listed_later_is_not_lost(local, venue, open_on, listen):
    """Another process trades a market that this one has never heard of: its order and fill come all the same, once."""
    async with listen(venue, "orders", "fills", "positions") as heard:
        symbol = local.control.list_market("NEW", like=BTC).symbol
        local.control.quote(symbol, levels=3, size=Decimal(1))
        local.control.advance(timedelta(minutes=2))
        elsewhere = await open_on()
        best = (await elsewhere.fetch_order_book(symbol, depth=1)).asks[0].price
        await elsewhere.place_order(_intent(market_id=symbol, price=best))
        await _moved_until(local, lambda: heard.of(Fill) and heard.of(Position), "the fill")
        await _moved_until(local, lambda: heard.states()[-1] == "resynced", "the stream to be back")
        assert [fill.fill_id for fill in heard.of(Fill)] == [true.id for true in _true_fills(local)]
        assert {event.market_id for event in heard.of(Fill)} == {f"{symbol}@paradex"}
        assert heard.of(Position)[-1].size == Decimal("0.1")
        assert any(order.is_terminal for order in heard.of(Order))


async def test_nothing_is_left_when_the_venue_closes(local, open_on, listen):
    """No task and no socket outlives the block."""
    before = len(asyncio.all_tasks())
    venue = await open_on()
    async with listen(venue, *PRIVATE, f"book:{BTC}"):
        assert local.connections >= 1
    await venue.close()
    await eventually(lambda: local.connections == 0, "the server to see the sockets close")
    await eventually(lambda: len(asyncio.all_tasks()) <= before, "no task to be left")
