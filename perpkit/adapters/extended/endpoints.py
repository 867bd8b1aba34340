"""
Paths, stream addresses and published limits of Extended, each with where the venue says so.

Paths: the venue's SDK 2.6.0 (``x10/clients/rest/modules``) and its documentation of January 2026. Streams: the SDK's
``x10/clients/stream/stream_client.py`` and the documentation. Limits: the documentation, 'Rate limits'.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from perpkit.core.capabilities import RateLimit
from perpkit.core.transport.ratelimit import Quota, Scope, described

MARKETS: Final = "/info/markets"
CANDLES: Final = "/info/candles"
INFO: Final = "/info"
STARKNET: Final = "/info/starknet"
ACCOUNT_INFO: Final = "/user/account/info"
BALANCE: Final = "/user/balance"
POSITIONS: Final = "/user/positions"
LEVERAGE: Final = "/user/leverage"
FEES: Final = "/user/fees"
ORDERS: Final = "/user/orders"
ORDERS_HISTORY: Final = "/user/orders/history"
ORDERS_EXTERNAL: Final = "/user/orders/external"
TRADES: Final = "/user/trades"
FUNDING_HISTORY: Final = "/user/funding/history"
ORDER: Final = "/user/order"
RFQ_ORDER: Final = "/user/order/rfq"
MASS_CANCEL: Final = "/user/order/massCancel"
DEAD_MAN_SWITCH: Final = "/user/deadmanswitch"

PAGE_SIZE: Final = 1000
MOST_ROWS: Final = 10_000
"""``limit`` of every list that has one (documentation)."""

MAX_CLIENT_ID: Final = 64
"""No length is documented; the SDK's own ids have up to 76 digits, and they go into paths unescaped."""

MAX_NONCE: Final = 2**31 - 1
"""From 1 (documentation: up to 2^31; its TypeScript example stays below)."""

CANDLE_INTERVALS: Final[Mapping[timedelta, str]] = {
    # Those of the SDK's type, `x10/models/candle.py`. The stream's documentation writes a day as PT24H.
    timedelta(minutes=1): "PT1M",
    timedelta(minutes=5): "PT5M",
    timedelta(minutes=15): "PT15M",
    timedelta(minutes=30): "PT30M",
    timedelta(hours=1): "PT1H",
    timedelta(hours=2): "PT2H",
    timedelta(hours=4): "PT4H",
    timedelta(days=1): "P1D",
}

FUNDING_PERIOD: Final = timedelta(hours=1)
"""Rates are quoted for an hour and applied each hour (documentation, 'Get funding rates history')."""

MARKET_ORDER_BAND: Final = "0.05"
"""A market order's price lies within the mark price ± 5 % (documentation, 'Price requirements')."""

SETTLE_ASSETS: Final[Mapping[str, str]] = {"USD": "USDC"}
"""The collateral is called USD everywhere in the API, and is USDC on chain: translated here and nowhere else."""

REST: Final = "rest"

_MINUTE = timedelta(minutes=1)
_SOURCE: Final = "https://api.docs.extended.exchange/#rate-limits"


def quotas(*, market_maker: bool) -> tuple[Quota, ...]:
    """
    Return the limits as the rate limiter takes them: one for all endpoints together, by address. A tenth is kept for
    cancels.
    """
    limit = (60_000, 5 * _MINUTE) if market_maker else (1000, _MINUTE)
    return (Quota(REST, (limit,), Scope.IP, cancel_reserve=0.1),)


def rate_limits(*, market_maker: bool) -> tuple[RateLimit, ...]:
    """Return the same limits as the plugin describes itself."""
    return described(quotas(market_maker=market_maker), source=_SOURCE)


class Streams:
    """
    Addresses of the v1 streams, after the base. Whoever connects to one has subscribed to it.

    The other protocol (v2, JSON-RPC, many topics on one connection) is left aside: it is in no public reference, its
    one counter for all topics makes a loss on any of them a loss of all, an invalid selector may never be answered, and
    what its account topic wants for a selector is not established. Here a gap costs one stream, the numbers are that
    stream's own, and the key goes into a header instead of a frame.
    """

    ACCOUNT: Final = "/account"

    @staticmethod
    def book(symbol: str) -> str:
        """The whole book: a snapshot, changes every 100 ms, and a new snapshot about once a minute."""
        return f"/orderbooks/{symbol}"

    @staticmethod
    def best_quotes(symbol: str) -> str:
        """The best level of each side."""
        return f"/orderbooks/{symbol}?depth=1"

    @staticmethod
    def trades(symbol: str) -> str:
        """The public tape."""
        return f"/publicTrades/{symbol}"

    @staticmethod
    def mark_price(symbol: str) -> str:
        """The mark price on each change."""
        return f"/prices/mark/{symbol}"

    @staticmethod
    def index_price(symbol: str) -> str:
        """The index price on each change."""
        return f"/prices/index/{symbol}"


# How the venue's sockets behave: it pings every 15 s and wants the pong within 10 s (documentation); a line without any
# frame for three pings is dead. A book has its snapshot each minute, so that one without data for longer is stale.
WS_PING_INTERVAL: Final = timedelta(seconds=15)
WS_SILENCE: Final = timedelta(seconds=45)
BOOK_SILENCE: Final = timedelta(seconds=90)

API_KEY_HEADER: Final = "X-Api-Key"
USER_AGENT: Final = "perpkit"
"""Compulsory on REST and on the WebSocket's upgrade, with any value (documentation, 'Mandatory headers')."""

HEADERS: Final[Mapping[str, str]] = {"User-Agent": USER_AGENT, "Accept": "application/json"}
