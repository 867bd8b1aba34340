"""The main job on Extended: open, look, trade, watch, amend, close. Expected values come from the ledger."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import perpkit
from perpkit.core.models import OrderStatus, OrderType, Side, TimeInForce
from tests.integration.conftest import eventually
from tests.integration.extended.conftest import BTC, WIRE_BTC, intent, true_orders


async def test_the_whole_way_from_a_key_to_a_closed_position(local, venue, listen):
    """Markets, book, order, fill, position, hourly funding, close: each as the exchange's ledger has it."""
    me = local.accounts[0].account_id
    market = await venue.market(BTC)
    assert market.instrument.settle == "USDC"
    book = await venue.fetch_order_book(market, depth=1)
    async with listen(venue, "orders", "fills", "positions", "balances") as heard:
        order = await venue.place_order(intent(size="0.5", price=book.asks[0].price))
        assert order.status is OrderStatus.PENDING
        await heard.wait_for(lambda: any(each.is_terminal for each in heard.of(perpkit.Order)), "the fill")
        await heard.wait_for(lambda: heard.of(perpkit.Fill), "the fill's own event")
        (fill,) = heard.of(perpkit.Fill)
        assert (fill.side, fill.size, fill.price) == (Side.BUY, Decimal("0.5"), book.asks[0].price)
        (rates,) = await venue.fetch_fees([market])
        assert fill.fee == fill.price * fill.size * rates.taker
        assert fill.fee_asset == "USDC"

        (position,) = await venue.fetch_positions()
        truth = local.exchange.position(me, WIRE_BTC)
        assert (position.size, position.entry_price) == (truth.size, truth.entry_price)

        local.control.set_funding_rate(WIRE_BTC, Decimal("0.0001"))
        local.control.advance(timedelta(hours=2))
        payments = await eventually(venue.fetch_funding_payments, "the funding payments")
        assert {payment.period for payment in payments if payment.period} <= {timedelta(hours=1)}
        assert all(payment.amount < 0 for payment in payments), "a long pays a positive rate"

        close = await venue.place_order(
            intent(side=Side.SELL, size="0.5", price=None, type=OrderType.MARKET, reduce_only=True)
        )
        await heard.wait_for(
            lambda: any(each.is_terminal for each in heard.of(perpkit.Order) if each.ref == close.ref), "the close"
        )
        await heard.wait_for(lambda: heard.of(perpkit.Position)[-1].size == 0, "the flat position")

    assert await venue.fetch_positions() == []
    (balance,) = await venue.fetch_balances()
    assert (balance.asset, (await venue.fetch_account()).equity) == ("USDC", local.exchange.account(me).equity)


async def test_an_amendment_is_a_new_order_for_what_remains(local, venue):
    """The exchange ends the old one and has one new one; the returned order bears the new id."""
    order = await venue.place_order(intent(post_only=True))
    amended = await venue.amend_order(order, price="82500", size="0.2")
    old, new = true_orders(local)
    assert old.is_closed
    assert not new.is_closed
    assert (new.price, new.size) == (Decimal(82500), Decimal("0.2"))
    assert amended.client_order_id == new.client_id != order.client_order_id
    (still,) = await venue.fetch_open_orders()
    assert still.ref == amended.ref


async def test_good_till_canceled_stands_for_the_longest_that_the_venue_takes(local, venue):
    """The exchange has an expiry near its bound, and the order reads back as what it is."""
    order = await venue.place_order(intent())
    (found,) = await venue.fetch_open_orders()
    assert found.ref == order.ref
    assert found.time_in_force is TimeInForce.GTD
    assert found.expires_at - local.clock.now() > timedelta(days=27)
    await venue.cancel_order(found)
    await eventually(lambda: all(each.is_closed for each in true_orders(local)), "the cancel")


async def test_cancel_all_spares_the_other_markets(local, venue):
    """One market's orders go and the others' stay: both filters are never sent together with 'all'."""
    eth = await venue.market("ETH-USD-PERP")
    book = local.exchange.index_price("ETH-USD")
    price = (book * Decimal("0.98") / eth.tick_size).to_integral_value() * eth.tick_size
    await venue.place_order(intent())
    await venue.place_order(intent(market_id=eth.id, size="1", price=price))
    await venue.cancel_all_orders(await venue.market(BTC))
    await eventually(lambda: [each.market for each in true_orders(local) if not each.is_closed] == ["ETH-USD"], "it")


async def test_leverage_is_read_again_after_it_was_set(local, venue):
    """The setting that comes back is the venue's, not the caller's."""
    market = await venue.market(BTC)
    set_to = await venue.set_leverage(market, Decimal(5))
    assert set_to.leverage == 5
    assert (await venue.fetch_leverage(market)).leverage == 5
