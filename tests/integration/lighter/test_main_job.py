"""The main job on Lighter: open, look, trade, watch, amend, close. Expected values come from the ledger."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

import perpkit
from perpkit.core.models import (
    CancelStatus,
    Fill,
    Liquidity,
    MarginMode,
    Order,
    OrderStatus,
    OrderType,
    Position,
    Side,
    TimeInForce,
)
from tests.integration.conftest import eventually, while_time_passes
from tests.integration.lighter.conftest import (
    BTC,
    ETH,
    WIRE_BTC,
    WIRE_ETH,
    account_id,
    intent,
    true_orders,
    true_size,
)

D = Decimal


async def test_the_whole_way_from_a_key_to_a_closed_position(local, venue, listen):
    """Markets, book, order, fill, position, hourly funding, close: each as the exchange's ledger has it."""
    me = account_id(local)
    market = await venue.market(ETH)
    assert (market.tick_size, market.step_size, market.instrument.settle) == (D("0.01"), D("0.0001"), "USDC")
    book = await venue.fetch_order_book(market, depth=1)
    async with listen(venue, "orders", "fills", "positions", "balances") as heard:
        order = await venue.place_order(intent(size="0.5", price=book.asks[0].price))
        assert order.status is OrderStatus.PENDING
        await heard.wait_for(lambda: any(each.is_terminal for each in heard.of(Order)), "the fill")
        await heard.wait_for(lambda: heard.of(Fill), "the fill's own event")
        (fill,) = heard.of(Fill)
        assert (fill.side, fill.size, fill.price) == (Side.BUY, D("0.5"), book.asks[0].price)
        assert fill.liquidity is Liquidity.TAKER
        (rates,) = await venue.fetch_fees([market])
        # A premium account without staked LIT: 0.028 % (account types, July 2026).
        assert rates.taker == D("0.00028")
        assert fill.fee == fill.price * fill.size * rates.taker

        (position,) = await venue.fetch_positions()
        truth = local.exchange.position(me, WIRE_ETH)
        assert (position.size, position.entry_price) == (truth.size, truth.entry_price)

        local.control.set_funding_rate(WIRE_ETH, D("0.0001"))
        local.control.advance(timedelta(hours=2))
        payments = await eventually(venue.fetch_funding_payments, "the funding payments")
        assert all(payment.amount < 0 for payment in payments), "a long pays a positive rate"
        assert sum(payment.amount for payment in payments) == sum(
            each.amount for each in local.exchange.funding_payments(me)
        )

        close = await venue.place_order(
            intent(side=Side.SELL, size="0.5", price=None, type=OrderType.MARKET, reduce_only=True)
        )
        await heard.wait_for(
            lambda: any(each.is_terminal for each in heard.of(Order) if each.client_order_id == close.client_order_id),
            "the close",
        )
        await heard.wait_for(lambda: heard.of(Position)[-1].size == 0, "the flat position")

    assert await venue.fetch_positions() == []
    (balance,) = await venue.fetch_balances()
    equity = local.exchange.account(me).equity
    assert (balance.asset, balance.total, (await venue.fetch_account()).equity) == ("USDC", equity, equity)


async def test_an_amendment_keeps_the_order_and_its_ids(local, venue):
    """Price and size change in place: the exchange has one order."""
    order = await venue.place_order(intent(post_only=True))
    amended = await venue.amend_order(order, price="3890", size="0.2")
    (truth,) = true_orders(local)
    assert (truth.price, truth.size, truth.is_closed) == (D(3890), D("0.2"), False)
    assert (amended.price, amended.size, amended.client_order_id) == (truth.price, truth.size, order.client_order_id)
    (still,) = await venue.fetch_open_orders()
    assert (still.venue_order_id, still.price) == (amended.venue_order_id, D(3890))


async def test_an_order_stands_as_long_as_its_life_and_reads_as_good_till_canceled(local, venue):
    """The venue has no order for ever: 28 days unless told otherwise; one with a date of its own reads as that."""
    await venue.place_order(intent())
    until = local.clock.now() + timedelta(hours=1)
    await venue.place_order(intent(price="3890", time_in_force=TimeInForce.GTD, expires_at=until))
    open_orders = {order.price: order for order in await venue.fetch_open_orders()}
    assert open_orders[D(3900)].time_in_force is TimeInForce.GTC
    assert open_orders[D(3900)].expires_at == local.clock.now() + timedelta(days=28)
    assert (open_orders[D(3890)].time_in_force, open_orders[D(3890)].expires_at) == (TimeInForce.GTD, until)


async def test_cancel_by_either_id_and_of_a_batch(local, venue):
    """By the exchange's number, by ours, and several at once; one that is gone does not spoil the others."""
    placed = [await venue.place_order(intent(price=str(3900 - number))) for number in range(4)]
    by_price = {order.price: order for order in await venue.fetch_open_orders()}
    await venue.cancel_order(placed[0])
    await venue.cancel_order(by_price[D(3899)])
    results = await venue.cancel_orders([placed[0], placed[2], placed[3]])
    assert [getattr(each, "status", None) for each in results[1:]] == [CancelStatus.REQUESTED] * 2
    await eventually(lambda: all(each.is_closed for each in true_orders(local)), "the cancels")


async def test_cancel_all_spares_the_other_markets(local, venue):
    """One market's orders go and the others' stay; without a market all go."""
    await venue.place_order(intent())
    await venue.place_order(intent(market_id=BTC, size="0.01", price="79000"))
    await venue.cancel_all_orders(await venue.market(ETH))
    assert [each.market for each in true_orders(local) if not each.is_closed] == [WIRE_BTC]
    await venue.cancel_all_orders()
    assert [each for each in true_orders(local) if not each.is_closed] == []


async def test_the_dead_man_switch_cancels_when_nobody_renews_it(local, venue):
    """Set anew it waits again; taken off it does nothing; then its time comes and every order goes."""
    await venue.place_order(intent())
    switch = timedelta(minutes=6)
    for _ in range(2):
        await venue.set_dead_man_switch(switch)
        local.control.advance(timedelta(minutes=5))
    await venue.set_dead_man_switch(None)
    local.control.advance(timedelta(hours=1))
    assert [each.is_closed for each in true_orders(local)] == [False]
    await venue.set_dead_man_switch(switch)
    local.control.advance(timedelta(minutes=6, seconds=1))
    await eventually(lambda: all(each.is_closed for each in true_orders(local)), "the switch")


@pytest.mark.parametrize(
    ("type_", "price", "trigger", "mark"),
    [
        (OrderType.STOP_MARKET, None, "3950", "3940"),
        (OrderType.STOP_LIMIT, "3900", "3950", "3940"),
        (OrderType.TAKE_PROFIT_MARKET, None, "4050", "4060"),
        (OrderType.TAKE_PROFIT_LIMIT, "4000", "4050", "4060"),
    ],
)
async def test_a_trigger_order_waits_for_the_mark_price_and_closes(local, venue, type_, price, trigger, mark):  # noqa: PLR0917
    """Open and untouched before its trigger; filled, and the position flat, after it."""
    await venue.place_order(intent(size="0.5", price=None, type=OrderType.MARKET))
    await eventually(lambda: true_size(local) == D("0.5"), "the position")
    await venue.place_order(
        intent(side=Side.SELL, size="0.5", type=type_, price=price, trigger_price=trigger, reduce_only=True)
    )
    (waiting,) = await venue.fetch_open_orders()
    assert (waiting.type, waiting.trigger_price, waiting.status) == (type_, D(trigger), OrderStatus.OPEN)
    local.control.clear_liquidity(WIRE_ETH)
    local.control.place_liquidity(WIRE_ETH, bids=[(D(mark), D(5))], asks=[(D(mark) + 10, D(5))])
    local.control.set_price(WIRE_ETH, index=D(mark), mark=D(mark))
    local.control.advance(timedelta(seconds=1))
    await eventually(lambda: true_size(local) == 0, "the trigger")
    done = await venue.fetch_order(waiting)
    assert (done.status, done.filled_size) == (OrderStatus.FILLED, D("0.5"))


async def test_leverage_and_margin_mode_are_read_again_after_they_were_set(local, venue):
    """The venue keeps 10,000 / leverage rounded down: 1428 for 7, read as 7. A position keeps its margin mode."""
    market = await venue.market(ETH)
    assert (await venue.set_leverage(market, D(7))).leverage == 7
    assert (await venue.set_margin_mode(market, MarginMode.ISOLATED)).margin_mode is MarginMode.ISOLATED
    found = await venue.fetch_leverage(market)
    assert (found.leverage, found.margin_mode) == (7, MarginMode.ISOLATED)
    truth = local.exchange.margin_setting(account_id(local), WIRE_ETH)
    assert (truth.mode, round(10_000 / truth.leverage)) == (MarginMode.ISOLATED, 1428)
    await venue.place_order(intent(price=None, type=OrderType.MARKET))
    await eventually(lambda: true_size(local), "the position")
    with pytest.raises(perpkit.VenueError, match="21132"):
        await venue.set_margin_mode(market, MarginMode.CROSS)


async def test_an_account_is_found_by_its_address(local, open_on):
    """The venue takes ``by=l1_address``; everything then goes by the number found."""
    venue = await open_on(account_index=None, l1_address=local.accounts[0].l1_address)
    await venue.place_order(intent())
    assert [each.is_closed for each in true_orders(local)] == [False]
    assert len(await venue.fetch_open_orders()) == 1


@pytest.mark.parametrize("sim_settings", [{"tier": "standard", "delays": True, "limits_scale": 0}], ids=["standard"])
async def test_a_standard_account_waits_for_its_orders_and_pays_nothing(local, venue, listen):
    """300 ms for a taker and 200 ms for a maker on the venue's clock: pending until then, and no fee."""
    async with listen(venue, "orders", "fills") as heard:
        order = await venue.place_order(intent(price="4010"))
        assert order.status is OrderStatus.PENDING
        assert true_orders(local) == []
        await while_time_passes(local, eventually(lambda: heard.of(Fill), "the fill"), step=timedelta(milliseconds=20))
        (fill,) = heard.of(Fill)
        assert (fill.fee, fill.size) == (0, D("0.1"))
