"""perpkit's words to Toy's: pure; nothing is signed or sent here."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from perpkit.core.clock import EPOCH
from perpkit.core.errors import CapabilityError, InvalidOrderError
from perpkit.core.models import Market, OrderIntent, OrderType, TimeInForce
from perpkit.core.quantize import plain

from perpkit_toy.config import VENUE

ORDER_TYPES = frozenset({OrderType.MARKET, OrderType.LIMIT})
TIMES_IN_FORCE = frozenset({TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK})


def to_ms(moment: datetime) -> int:
    """Return whole milliseconds since 1970, the next one where it lies between two: windows begin inclusively."""
    microseconds = (moment - EPOCH) // (moment.resolution)
    return -(-microseconds // 1000)


def window(since: datetime | None, until: datetime | None) -> dict[str, str]:
    """Return the query of a period; both words mean the same here and there: from (inclusive) and until (exclusive)."""
    times = {"since": since, "until": until}
    return {name: str(to_ms(moment)) for name, moment in times.items() if moment is not None}


def new_order(intent: OrderIntent, market: Market) -> dict[str, Any]:
    """
    Return the body of ``POST /orders``.

    Raises:
        CapabilityError: The venue has no such order. Nothing was sent.
        InvalidOrderError: An option; the venue has none.
    """
    named = {"venue": VENUE, "operation": "place_order", "client_order_id": intent.client_order_id}
    if intent.options:
        raise InvalidOrderError(f"{VENUE} has no order options, not {', '.join(sorted(intent.options))}", **named)
    if intent.type not in ORDER_TYPES or intent.time_in_force not in TIMES_IN_FORCE:
        raise CapabilityError(f"{VENUE} has no {intent.type} {intent.time_in_force} orders", **named)
    if intent.self_trade_prevention is not None:
        raise CapabilityError(f"{VENUE} chooses itself what self-trade prevention does", **named)
    body: dict[str, Any] = {
        "symbol": market.symbol,
        "side": intent.side.value,
        "type": intent.type.value,
        "size": plain(intent.size),
        "time_in_force": intent.time_in_force.value,
        "post_only": intent.post_only,
        "reduce_only": intent.reduce_only,
    }
    if intent.price is not None:
        body["price"] = plain(intent.price)
    if intent.client_order_id is not None:
        body["client_id"] = intent.client_order_id
    return body
