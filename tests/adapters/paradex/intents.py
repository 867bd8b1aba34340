"""What the tests of encoding send: an order, and a change of one that stands and is filled in part."""

from __future__ import annotations

from perpkit.adapters.paradex import encode
from perpkit.core.models import Order, OrderAmendment, OrderIntent, OrderStatus, OrderType, Side
from tests.adapters.paradex.conftest import NOW, make_market

MARKET = make_market()


def intent(**fields):
    """Return a limit order to buy; a field given as None is left out."""
    base = {"market_id": MARKET.id, "side": Side.BUY, "size": "1.213", "price": "29500.1", "client_order_id": "c-1"}
    return OrderIntent(**{name: value for name, value in {**base, **fields}.items() if value is not None})


def body(**fields):
    """Return the unsigned body of that order."""
    return encode.new_order(intent(**fields), MARKET).body


def standing(**fields):
    """Return an order as the venue has it: to sell 2, of which 0.5 are filled."""
    base = {
        "market_id": MARKET.id,
        "venue_order_id": "1721903808500201709220290000",
        "client_order_id": "c-1",
        "side": Side.SELL,
        "type": OrderType.LIMIT,
        "status": OrderStatus.PARTIALLY_FILLED,
        "size": "2",
        "filled_size": "0.5",
        "price": "29500.1",
        "ts_received": NOW,
    }
    return Order(**{**base, **fields})


def amended(order, kind=None, **changes):
    """Return the unsigned modification of an order."""
    return encode.modification(order, OrderAmendment(order=order.ref, **changes), MARKET, kind=kind)
