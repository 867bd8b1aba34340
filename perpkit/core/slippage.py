"""Market orders with a bound: a limit order at the worst price accepted, immediate or canceled."""

from __future__ import annotations

from decimal import Decimal

from perpkit.core.errors import InvalidOrderError
from perpkit.core.models import BookSnapshot, Market, OrderIntent, OrderType, Side, TimeInForce
from perpkit.core.quantize import quantize_price

_ONE = Decimal(1)


def bound_market_order(intent: OrderIntent, market: Market, book: BookSnapshot) -> OrderIntent:
    """
    Turn a market order with ``max_slippage`` into an IOC limit order that can't do worse.

    The bound lies ``max_slippage`` (a fraction) beyond the best opposite quote, rounded onto the grid toward that
    quote, so never beyond what was asked.

    Raises:
        InvalidOrderError: The opposite side of the book is empty, so there is nothing to bound by. Nothing was sent.
    """
    if intent.max_slippage is None:
        return intent
    buying = intent.side is Side.BUY
    quotes = book.asks if buying else book.bids
    if not quotes:
        side = "asks" if buying else "bids"
        msg = f"{market.id} has no {side} now, so a market order's slippage can't be bounded; send a limit order"
        raise InvalidOrderError(msg, venue=market.venue, client_order_id=intent.client_order_id)
    best = quotes[0].price
    worst = best * (_ONE + intent.max_slippage * intent.side.sign)
    if worst <= 0:
        msg = f"max_slippage={intent.max_slippage} is no bound for a sell; it must be below 1"
        raise InvalidOrderError(msg, venue=market.venue, client_order_id=intent.client_order_id)
    return intent.replace(
        type=OrderType.LIMIT,
        time_in_force=TimeInForce.IOC,
        price=quantize_price(worst, market, intent.side, passive=True),
        max_slippage=None,
    )
