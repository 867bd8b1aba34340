"""Which hooks can be tried without changing anything, and with what harmless call."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from datetime import timedelta
from typing import Any

from perpkit.core import hookspecs
from perpkit.core.clock import Clock
from perpkit.core.models import Market, OrderRef
from perpkit.core.venue import Venue

_LOOK_BACK = timedelta(hours=1)
_SAMPLE = 5
_PROBE_ID = "perpkit-check-no-such-order"

PRIVATE_HOOKS = frozenset(
    {name for spec in (hookspecs.AccountSpec, hookspecs.OrdersSpec) for name in vars(spec) if not name.startswith("_")}
) | {"fetch_funding_payments"}

CHANGING_HOOKS = frozenset(
    name for spec in hookspecs.SPECS for name in vars(spec) if name.startswith(("place_", "amend_", "cancel_", "set_"))
)
"""Hooks that change something at the venue. None of them is ever called from here."""


NOT_READS = frozenset({"describe_venue", "start", "stop", "check_health", "open_stream", "fetch_markets"})
NEEDS_MARKET = frozenset(
    {
        "fetch_ticker",
        "fetch_order_book",
        "fetch_trades",
        "fetch_candles",
        "fetch_funding_history",
        "fetch_leverage",
        "fetch_order",
    }
)


def reads_of(venue: Venue, market: Market | None, clock: Clock) -> dict[str, Callable[[], Awaitable[Any]]]:
    """Return a harmless call for each read."""
    since = clock.now() - _LOOK_BACK
    reads: dict[str, Callable[[], Awaitable[Any]]] = {
        "fetch_tickers": venue.fetch_tickers,
        "fetch_funding_rates": venue.fetch_funding_rates,
        "fetch_account": venue.fetch_account,
        "fetch_balances": venue.fetch_balances,
        "fetch_positions": venue.fetch_positions,
        "fetch_fees": venue.fetch_fees,
        "fetch_open_orders": venue.fetch_open_orders,
        "fetch_order_history": lambda: venue.fetch_order_history(limit=_SAMPLE),
        "fetch_fills": lambda: venue.fetch_fills(limit=_SAMPLE),
        "fetch_funding_payments": lambda: venue.fetch_funding_payments(limit=_SAMPLE),
    }
    if market is None:
        return reads
    intervals = venue.capabilities.candle_intervals
    rule = venue.capabilities.client_order_id
    nobody = OrderRef(market_id=market.id, client_order_id="1" if rule.problem(_PROBE_ID) else _PROBE_ID)
    if intervals:
        reads["fetch_candles"] = lambda: venue.fetch_candles(market, min(intervals), since=since)
    return reads | {
        "fetch_ticker": lambda: venue.fetch_ticker(market),
        "fetch_order_book": lambda: venue.fetch_order_book(market),
        "fetch_trades": lambda: venue.fetch_trades(market, limit=_SAMPLE),
        "fetch_funding_history": lambda: venue.fetch_funding_history(market, limit=_SAMPLE),
        "fetch_leverage": lambda: venue.fetch_leverage(market),
        "fetch_order": lambda: venue.fetch_order(nobody),
    }


def in_order(hooks: Iterable[str]) -> list[str]:
    """Sort hooks as the interface lists them."""
    order = [name for spec in hookspecs.SPECS for name in vars(spec)]
    return sorted(hooks, key=order.index)
