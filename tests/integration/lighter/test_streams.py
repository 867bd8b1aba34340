"""Lighter's streams over real sockets that break in every way: what happened meanwhile arrives, once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

import perpkit
from perpkit.adapters.lighter import stream
from perpkit.core.book import OrderBook
from perpkit.core.models import (
    Balance,
    BookDelta,
    BookSnapshot,
    Fill,
    FundingKind,
    FundingPayment,
    FundingRate,
    Order,
    OrderStatus,
    OrderType,
    Position,
    Side,
    Ticker,
)
from tests.integration.conftest import eventually
from tests.integration.lighter.conftest import ETH, SEND, WIRE_ETH, account_id, intent, paced, true_orders, true_size

D = Decimal
PRIVATE = ("orders", "fills", "positions", "balances")


def true_fills(local):
    return local.exchange.fills(account_id(local))


async def passing(local, met, what):
    """Let time pass until something is so: back-off waits on the clock."""
    await paced(local, eventually(met, what))


def sell_into(local, size="0.1"):
    """Somebody sells to whoever bids most."""
    local.control.trade(WIRE_ETH, Side.SELL, D(size))


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1011, 1012])
async def test_what_happened_while_the_connection_was_gone_is_delivered_once(local, venue, listen, code):
    """An order is filled and another canceled while nobody listens; the stream catches up and says resynced."""
    async with listen(venue, *PRIVATE) as heard:
        resting = await venue.place_order(intent(price="3999.99"))
        canceled = await venue.place_order(intent())
        await heard.wait_for(lambda: len({each.venue_order_id for each in heard.of(Order)}) == 2, "both orders")
        local.control.inject("refuse", target="connect", times=3)
        local.control.inject("disconnect", target="frame", match="account_*", times=1, close_code=code)
        # The next private frame breaks the connection instead of arriving.
        sell_into(local, "5.1")
        numbers = {each.client_order_id: each.venue_order_id for each in heard.of(Order)}
        true = {each.client_id: each.id for each in true_orders(local)}
        local.control.cancel_order(account_id(local), true[canceled.client_order_id])
        await passing(local, lambda: "resynced" in heard.states(), "the stream to be back")
        await passing(
            local,
            lambda: sum(each.size for each in heard.of(Fill)) == sum(true.size for true in true_fills(local)) > 0,
            "the fills",
        )
        last = {each.venue_order_id: each for each in heard.of(Order)}
        assert last[numbers[canceled.client_order_id]].status is OrderStatus.CANCELED
        assert last[numbers[resting.client_order_id]].status is OrderStatus.FILLED
        await passing(local, lambda: heard.of(Position) and heard.of(Position)[-1].size == D("0.1"), "the position")
    fills = [each.fill_id for each in heard.of(Fill)]
    assert len(fills) == len(set(fills)) == len(true_fills(local))
    assert "lost" in heard.states()


LOSSES = {
    "while it connects": [{"action": "refuse", "target": "connect", "match": "*", "times": 2}],
    "as soon as it is connected": [{"action": "disconnect", "target": "frame", "match": "connected", "times": 2}],
    "while it subscribes": [{"action": "disconnect", "target": "frame", "match": "account_all_orders:*", "times": 2}],
    "while it reads what it missed": [
        {"action": "status", "match": "GET /api/v1/accountActiveOrders", "status": 500, "times": 2},
        {"action": "drop_before", "match": "GET /api/v1/trades", "times": 1},
    ],
    "by an answer that never comes": [{"action": "hang_before", "target": "rpc", "match": "subscribe account_all_*"}],
    "by a token taken back": [{"action": "expire_tokens", "target": "rpc", "match": "subscribe account_all_orders*"}],
}


@pytest.mark.parametrize("faults", LOSSES.values(), ids=LOSSES.keys())
async def test_a_connection_lost_in_any_state_comes_back_with_everything(local, venue, listen, faults):
    """Broken once while live, and then again in the state that the test is about; the order and its fill are told."""
    async with listen(venue, "orders", "fills") as heard:
        order = await venue.place_order(intent(price="3999.99"))
        await heard.wait_for(lambda: heard.of(Order), "the order")
        for fault in faults:
            local.control.inject(**fault)
        local.control.inject("disconnect", target="frame", match="account_*", times=1, close_code=1006)
        sell_into(local, "5.1")
        await passing(local, lambda: heard.of(Fill) and heard.of(Order)[-1].is_terminal, "order and fill")
        await passing(local, lambda: heard.states()[-1] in {"live", "resynced"}, "the stream to be back")
        # And it goes on from there.
        await venue.place_order(intent(price="3890"))
        await passing(local, lambda: heard.of(Order)[-1].client_order_id != order.client_order_id, "the next order")
    assert len(heard.of(Fill)) == len(true_fills(local)) == 1


async def test_duplicated_and_reordered_frames_change_nothing(local, venue, listen):
    """Twice the same and the wrong way round: each fill once, and no order comes back to life."""
    local.control.inject("duplicate", target="frame", match="account_all_trades:*", times=None)
    local.control.inject("reorder", target="frame", match="account_all_orders:*", times=3)
    async with listen(venue, "orders", "fills", "positions") as heard:
        for _ in range(3):
            await venue.place_order(intent(price="4000.10"))
        await heard.wait_for(lambda: len(heard.of(Fill)) >= len(true_fills(local)) == 3, "three fills")
        await venue.place_order(intent(price="3890"))
        await heard.wait_for(
            lambda: len({each.venue_order_id for each in heard.of(Order) if each.is_terminal}) == 3, "three filled"
        )
        seen = {}
        for order in heard.of(Order):
            assert not (seen.get(order.venue_order_id) or OrderStatus.OPEN).is_terminal or order.is_terminal
            seen[order.venue_order_id] = order.status
    assert len({each.fill_id for each in heard.of(Fill)}) == len(heard.of(Fill)) == 3


def book_of(heard):
    """The book that the events make."""
    book = OrderBook(f"{ETH}@lighter")
    for event in heard.events:
        if isinstance(event, BookSnapshot | BookDelta):
            book.apply(event)
    return book


async def test_a_gap_in_the_book_is_said_at_once_and_mended(local, venue, listen):
    """A frame left out: begin_nonce does not follow, the stream subscribes again, and the book is the exchange's."""
    async with listen(venue, f"book:{ETH}") as heard:
        local.control.inject("gap", target="frame", match="order_book:*", times=1)
        for price in ("3999.10", "3999.20", "3999.30"):
            local.control.place_liquidity(WIRE_ETH, bids=[(D(price), D(2))])
            local.control.advance(timedelta(milliseconds=200))
            await asyncio.sleep(0.01)
        await passing(local, lambda: "gap" in heard.states(), "the gap to be said")
        await passing(
            local,
            lambda: len(heard.of(BookSnapshot)) >= 2 and heard.states()[-1] in {"live", "resynced"},
            "a fresh snapshot",
        )
        truth = local.exchange.book(WIRE_ETH, 15)
        book = book_of(heard)
        assert [(level.price, level.size) for level in book.bids(15)] == [(row.price, row.size) for row in truth.bids]
        assert [(level.price, level.size) for level in book.asks(15)] == [(row.price, row.size) for row in truth.asks]


async def test_a_book_follows_the_exchange_through_trades_and_quotes(local, venue, listen):
    """No gap is said where there is none: the offsets of the frames are not looked at."""
    async with listen(venue, f"book:{ETH}") as heard:
        for number in range(20):
            local.control.place_liquidity(WIRE_ETH, asks=[(D(4005) + number, D(1))], bids=[(D(3995) - number, D(1))])
            local.control.trade(WIRE_ETH, Side.BUY if number % 2 else Side.SELL, D("0.7"))
            local.control.advance(timedelta(milliseconds=50))
            await asyncio.sleep(0)
        truth = local.exchange.book(WIRE_ETH, 50)
        wanted = ([(row.price, row.size) for row in truth.bids], [(row.price, row.size) for row in truth.asks])

        def shown():
            book = book_of(heard)
            return tuple([(level.price, level.size) for level in side(50)] for side in (book.bids, book.asks))

        await passing(local, lambda: shown() == wanted, "the exchange's book")
    assert not {"gap", "lost"} & set(heard.states())


@pytest.mark.parametrize("sim_options", [{"silence_s": 0.6}], ids=["two minutes are 0.6 s"])
async def test_pings_of_our_own_keep_a_quiet_connection(local, venue, listen):
    """The venue's pings get lost, so that only ours are heard there: far past its bound it has closed nothing."""
    local.control.inject("gap", target="frame", match="ping", times=None)
    async with listen(venue, "orders") as heard:
        for _ in range(16):
            local.control.advance(timedelta(seconds=30))
            await asyncio.sleep(0.1)
        assert "lost" not in heard.states()
        assert local.connections == 1


@pytest.mark.parametrize("sim_options", [{"silence_s": 0.3}], ids=["two minutes are 0.3 s"])
async def test_a_connection_that_the_venue_closed_for_silence_comes_back(local, venue, listen):
    """Our clock stands still, so no ping goes out, and its own get lost: the close is a loss like any other."""
    local.control.inject("gap", target="frame", match="ping", times=None)
    async with listen(venue, "orders") as heard:
        await eventually(lambda: "lost" in heard.states(), "the close")
        await venue.place_order(intent())
        await passing(local, lambda: heard.of(Order), "the order")


async def test_a_connection_that_fell_silent_is_given_up(local, venue, listen, monkeypatch):
    """Nothing comes any more, not even answers to pings: past its bound the stream connects again and catches up."""
    # The bound is in real time, since it is about sockets: 75 s in earnest.
    traits = stream._TRAITS
    assert traits.silence_timeout == timedelta(seconds=75)
    monkeypatch.setattr(stream, "_TRAITS", replace(traits, silence_timeout=timedelta(seconds=0.5)))
    async with listen(venue, "orders") as heard:
        local.control.inject("half_open", target="frame", match="account_all_orders:*", times=1)
        await venue.place_order(intent())
        await eventually(lambda: "lost" in heard.states(), "the end")
        await passing(local, lambda: heard.of(Order), "the order, by another connection")


async def test_a_shutdown_that_is_announced_costs_nothing(local, venue, listen):
    """The venue says when it will close; the stream goes to another connection and reads what happened meanwhile."""
    async with listen(venue, "orders", "fills") as heard:
        await venue.place_order(intent(price="3999.99"))
        await heard.wait_for(lambda: heard.of(Order), "the order")
        local.announce_shutdown(timedelta(seconds=5))
        sell_into(local, "5.1")
        await passing(local, lambda: heard.of(Fill) and heard.of(Order)[-1].is_terminal, "order and fill")
        await passing(local, lambda: heard.states()[-1] in {"live", "resynced"}, "the stream to be back")
    assert len(heard.of(Fill)) == 1


async def test_positions_and_balances_end_at_the_ledgers(local, venue, listen):
    """Through a flip and a close; the last that is heard of each is what the exchange has."""
    async with listen(venue, "positions", "balances") as heard:
        for side, size in ((Side.BUY, "0.5"), (Side.SELL, "0.8"), (Side.BUY, "0.3")):
            await venue.place_order(intent(side=side, size=size, price=None, type=OrderType.MARKET))
            local.control.advance(timedelta(milliseconds=100))
            await passing(
                local, lambda: [each.size for each in heard.of(Position)][-1:] == [true_size(local)], "the position"
            )
        (balance,) = await venue.fetch_balances()
        await passing(local, lambda: heard.of(Balance)[-1].total == balance.total, "the balance")
    assert [each.size for each in heard.of(Position)][-1] == 0
    assert balance.total == local.exchange.account(account_id(local)).equity


async def test_funding_payments_are_streamed_once_each_also_through_a_loss(local, venue, listen):
    """An hour is paid for while the connection stands, one while it is gone, one after: as in the ledger, each once."""
    await venue.place_order(intent(size="0.5", price=None, type=OrderType.MARKET))
    await eventually(lambda: true_size(local), "the position")
    local.control.set_funding_rate(WIRE_ETH, D("0.0001"))
    async with listen(venue, "funding_payments") as heard:
        for hour in range(1, 4):
            if hour == 2:
                local.control.inject("refuse", target="connect", times=2)
                local.control.inject("disconnect", target="frame", match="account_all:*", times=1, close_code=1006)
            local.control.advance(timedelta(hours=1))
            await passing(local, lambda hour=hour: len(heard.of(FundingPayment)) >= hour, "the payment")
    paid = heard.of(FundingPayment)
    truth = local.exchange.funding_payments(account_id(local))
    assert len({each.payment_id for each in paid}) == len(paid) == len(truth) == 3
    assert [each.amount for each in paid] == [each.amount for each in truth]
    assert "lost" in heard.states()


async def test_ticker_and_funding_come_from_one_subscription(local, venue, listen):
    """Prices are the exchange's; the rate is a forecast for the hour."""
    async with listen(venue, f"ticker:{ETH}", f"funding:{ETH}") as heard:
        local.control.set_price(WIRE_ETH, index=D(4100), mark=D("4100.50"))
        local.control.set_funding_rate(WIRE_ETH, D("0.0001"))
        local.control.advance(timedelta(seconds=1))
        await passing(
            local,
            lambda: heard.of(Ticker) and heard.of(Ticker)[-1].mark_price == D("4100.50") and heard.of(FundingRate),
            "the prices",
        )
        ticker, rate = heard.of(Ticker)[-1], heard.of(FundingRate)[-1]
        assert ticker.index_price == D(4100)
        best = local.exchange.book(WIRE_ETH, 1)
        await passing(
            local,
            lambda: (
                (heard.of(Ticker)[-1].bid_price, heard.of(Ticker)[-1].ask_price)
                == (best.bids[0].price, best.asks[0].price)
            ),
            "the quotes",
        )
        assert (rate.kind, rate.period) == (FundingKind.PREDICTED, timedelta(hours=1))


async def test_a_refused_channel_ends_the_stream_or_polls_and_says_so(local, venue, listen):
    """The venue does not know the channel: the same events come by polling, or the error names it."""
    local.control.inject("missing_channel", target="rpc", match="subscribe account_all_positions*", times=None)
    async with listen(venue, "positions") as heard:
        assert heard.states()[-1] in {"polling", "refused"}
        if heard.states()[-1] == "polling":
            await venue.place_order(intent(price=None, type=OrderType.MARKET))
            await passing(local, lambda: heard.of(Position), "the position by REST")
            assert heard.of(Position)[-1].size == true_size(local)


@pytest.mark.parametrize("channel", PRIVATE)
async def test_a_wrong_key_ends_an_account_stream_with_what_to_do(local, open_on, channel):
    """The token is refused, a second one as well: the error says that it is the key."""
    venue = await open_on(api_key_index=5)

    async def follow():
        async with venue.stream([channel]) as events:
            async for _ in events:
                pass

    with pytest.raises(perpkit.PerpkitError, match=r"check lighter|another key"):
        await paced(local, follow())


async def test_one_subscription_serves_all_consumers(local, venue, listen):
    """Two that follow orders share a connection; it is let go when both have left."""
    async with listen(venue, "orders") as stays:
        with pytest.raises(RuntimeError, match="consumer"):
            async with listen(venue, "orders"):
                assert local.connections == 1
                raise RuntimeError("a consumer of its own mind")
        await venue.place_order(intent())
        await stays.wait_for(lambda: stays.of(Order), "the order")
    await passing(local, lambda: local.connections == 0, "the connection to go")


async def test_an_answer_is_lost_while_the_connection_is_gone(local, venue, listen):
    """The order is found by REST; once the stream is back it tells of its end and of each fill, once."""
    async with listen(venue, "orders", "fills") as heard:
        local.control.inject("refuse", target="connect", times=None)
        local.control.inject("disconnect", target="frame", match="account_*", times=1, close_code=1006)
        await venue.place_order(intent())
        await heard.wait_for(lambda: "lost" in heard.states(), "the loss")
        local.control.inject("drop_after", match=SEND)
        with pytest.raises(perpkit.OutcomeUnknownError) as caught:
            await venue.place_order(intent(price="4010"))
        found = await paced(local, venue.resolve_order(caught.value))
        assert found.filled_size == true_orders(local)[-1].filled_size == D("0.1")
        assert len(true_orders(local)) == 2
        local.control.clear_faults()
        await passing(local, lambda: "resynced" in heard.states(), "the stream to come back")
        told = [order for order in heard.of(Order) if order.venue_order_id == found.venue_order_id]
        assert told[-1].status is OrderStatus.FILLED
        assert sorted(fill.size for fill in heard.of(Fill)) == sorted(fill.size for fill in true_fills(local))
        assert len({fill.fill_id for fill in heard.of(Fill)}) == len(heard.of(Fill))
