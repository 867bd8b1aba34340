"""
Channel names of the WebSocket: which there are, what their parts mean, which need a signed-in client.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from perpkit.sim.venues.paradex.errors import INVALID_PARAMS, RpcError

ALL = "ALL"
PRIVATE = frozenset(
    {"account", "balance_events", "fills", "funding_payments", "orders", "positions", "transaction", "transfers"}
)
_PLAIN = frozenset({"account", "balance_events", "positions", "transaction", "transfers", "markets", "markets_summary"})
_PER_MARKET = frozenset(
    {"bbo", "fills", "funding_data", "funding_payments", "markets", "markets_summary", "orders", "trades"}
)
_BOOK = re.compile(
    r"order_book\.(?P<market>[A-Za-z0-9-]+)\.(?P<feed>snapshot|deltas|interactive)@15@(?P<rate>50|100)ms"
    r"(?:@(?P<tick>[0-9]+(?:_[0-9]+)?))?"
)
PRICE_TICKS = frozenset(
    {"0_0000001", "0_0000005", "0_000001", "0_00001", "0_0001", "0_001", "0_01", "0_1", "1", "10", "100"}
)


@dataclass(frozen=True, slots=True)
class BookFeed:
    """What a book channel asks for."""

    market: str
    feed: str
    """``snapshot``, ``deltas`` or ``interactive``."""
    rate_ms: int
    tick: Decimal | None


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel name taken apart; ``market`` is ``ALL`` where none is named."""

    name: str
    kind: str
    market: str = ALL
    book: BookFeed | None = None

    @property
    def is_private(self) -> bool:
        """Tell whether a client must have signed in."""
        return self.kind in PRIVATE


def parse_channel(name: str, markets: Collection[str]) -> Channel:
    """
    Take a channel name apart.

    Args:
        markets: The symbols that are listed.

    Raises:
        RpcError: The contract has no such channel, or the market is not listed.
    """
    if name in _PLAIN:
        return Channel(name, name)
    if name.startswith("order_book."):
        return _book_channel(name, markets)
    kind, _, market = name.partition(".")
    if kind not in _PER_MARKET or not market:
        raise RpcError(INVALID_PARAMS, f"no channel {name!r}")
    if market != ALL and market not in markets:
        raise RpcError(INVALID_PARAMS, f"channel {name!r}: no market {market!r}")
    return Channel(name, kind, market)


def _book_channel(name: str, markets: Collection[str]) -> Channel:
    found = _BOOK.fullmatch(name)
    if found is None:
        raise RpcError(INVALID_PARAMS, f"no channel {name!r}: order_book.MARKET.FEED@15@RATE[@TICK] is meant")
    market, tick = found["market"], found["tick"]
    if market not in markets:
        raise RpcError(INVALID_PARAMS, f"channel {name!r}: no market {market!r}")
    if tick is not None and tick not in PRICE_TICKS:
        raise RpcError(INVALID_PARAMS, f"channel {name!r}: price tick {tick!r} is not offered")
    size = None if tick is None else Decimal(tick.replace("_", "."))
    return Channel(name, "order_book", market, BookFeed(market, found["feed"], int(found["rate"]), size))
