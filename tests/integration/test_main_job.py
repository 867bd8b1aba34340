"""The main job: open a venue by name, see the market, trade, watch, close. Expected values come from the ledger."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import perpkit
from perpkit.core.models import OrderIntent, OrderStatus, Side
from tests.integration.conftest import BTC, eventually


async def test_the_whole_way_from_a_key_to_a_closed_position(local, venue, listen):
    """Markets, book, order, fill, position, balance, funding, close: each as the exchange's ledger has it."""
    me = local.accounts[0].address
    market = await venue.market(BTC)
    book = await venue.fetch_order_book(market, depth=1)
    async with listen(venue, "orders", "fills", "positions", "funding_payments") as heard:
        order = await venue.place_order(
            OrderIntent(market_id=market.id, side=Side.BUY, size="0.5", price=book.asks[0].price)
        )
        assert order.status is OrderStatus.PENDING
        await heard.wait_for(lambda: any(each.is_terminal for each in heard.of(perpkit.Order)), "the fill")

        (fill,) = heard.of(perpkit.Fill)
        assert (fill.side, fill.size, fill.price) == (Side.BUY, Decimal("0.5"), book.asks[0].price)
        # The listed taker fee of the local market: 3 basis points of the notional.
        assert fill.fee == fill.price * fill.size * Decimal("0.0003")

        (position,) = await venue.fetch_positions()
        truth = local.exchange.position(me, BTC)
        assert (position.size, position.entry_price) == (truth.size, fill.price)
        assert position.size == Decimal("0.5")

        local.control.set_funding_rate(BTC, Decimal("0.0008"))
        local.control.advance(timedelta(hours=1))
        (carried,) = await venue.fetch_positions()
        # A long pays: an eighth of the 8 h rate, on the index price, for the size held.
        owed = Decimal("0.0001") * local.exchange.index_price(BTC) * Decimal("0.5")
        assert carried.accrued_funding == -owed

        close = await venue.place_order(
            OrderIntent(
                market_id=market.id,
                side=Side.SELL,
                size="0.5",
                type=perpkit.OrderType.MARKET,
                max_slippage="0.01",
                reduce_only=True,
            )
        )
        await heard.wait_for(
            lambda: any(each.is_terminal for each in heard.of(perpkit.Order) if each.ref == close.ref), "the close"
        )
        await heard.wait_for(lambda: heard.of(perpkit.Position)[-1].size == 0, "the flat position")

    assert await venue.fetch_positions() == []
    payments = await eventually(venue.fetch_funding_payments, "the funding payment")
    assert sum(payment.amount for payment in payments) == -owed
    account = await venue.fetch_account()
    assert account.equity == local.exchange.account(me).equity
    fills = await venue.fetch_fills()
    start = Decimal(100_000)
    traded = sum(-fill.side.sign * fill.price * fill.size - fill.fee for fill in fills)
    assert account.equity == start + traded - owed
