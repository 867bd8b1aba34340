"""
Paths, channel names and published limits of Lighter, each with where the venue says so.

Paths and parameters: the venue's OpenAPI document (captured July 2026), brought up to lighter-sdk 1.1.8. Channels: its
AsyncAPI document and lighter-sdk. Limits: its page on rate limits (July 2026).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from perpkit.adapters.lighter.config import Tier
from perpkit.core.capabilities import RateLimit
from perpkit.core.transport.ratelimit import Quota, Scope, described

STATUS: Final = "/"
ORDER_BOOK_DETAILS: Final = "/api/v1/orderBookDetails"
ORDER_BOOK_ORDERS: Final = "/api/v1/orderBookOrders"
RECENT_TRADES: Final = "/api/v1/recentTrades"
TRADES: Final = "/api/v1/trades"
CANDLES: Final = "/api/v1/candles"
MARK_CANDLES: Final = "/api/v1/markPriceCandles"
FUNDINGS: Final = "/api/v1/fundings"
FUNDING_RATES: Final = "/api/v1/funding-rates"
ACCOUNT: Final = "/api/v1/account"
API_KEYS: Final = "/api/v1/apikeys"
NEXT_NONCE: Final = "/api/v1/nextNonce"
ACCOUNT_LIMITS: Final = "/api/v1/accountLimits"
ACTIVE_ORDERS: Final = "/api/v1/accountActiveOrders"
INACTIVE_ORDERS: Final = "/api/v1/accountInactiveOrders"
ACCOUNT_ORDERS: Final = "/api/v1/accountOrders"
POSITION_FUNDING: Final = "/api/v1/positionFunding"
TX: Final = "/api/v1/tx"
SEND_TX: Final = "/api/v1/sendTx"
SEND_TX_BATCH: Final = "/api/v1/sendTxBatch"

ALL_MARKETS: Final = 255
"""'Every market' in queries and in a cancel-all; never a market's own number."""

MAX_ROWS: Final = 100
"""``limit`` of the lists of trades, past orders and funding payments; more is refused with 20001."""
MAX_BOOK_ROWS: Final = 250
"""``limit`` of ``orderBookOrders``: single orders, not levels."""
CANDLES_PER_REQUEST: Final = 500
FUNDINGS_PER_REQUEST: Final = 100
"""The least that any source saw in one answer; asking for no more at once leaves nothing out."""
INACTIVE_KEPT: Final = 1000
"""How many orders that are over the venue keeps, for 24 hours."""
MAX_BATCH: Final = 50
"""Transactions in one ``sendTxBatch`` over REST (21514)."""

RESOLUTIONS: Final[Mapping[timedelta, str]] = {
    timedelta(minutes=1): "1m",
    timedelta(minutes=5): "5m",
    timedelta(minutes=15): "15m",
    timedelta(minutes=30): "30m",
    timedelta(hours=1): "1h",
    timedelta(hours=4): "4h",
    timedelta(hours=12): "12h",
    timedelta(days=1): "1d",
    timedelta(weeks=1): "1w",
}
"""``resolution`` of ``GET /api/v1/candles`` and ``markPriceCandles``."""

FUNDING_PERIOD: Final = timedelta(hours=1)
"""Funding changes hands on the hour, in every market (documentation; ``funding_timestamp`` of the stream)."""

TX_LIFE: Final = timedelta(milliseconds=599_000)
"""
How long after signing a transaction is good: the signing library sets ``ExpiredAt`` so far ahead and offers no other.
"""

TOKEN_LIFE: Final = timedelta(hours=7)
"""How far ahead a token's deadline is set. The venue takes none more than 8 h ahead; the library's own default is 7."""
TOKEN_RENEWED_BEFORE: Final = timedelta(hours=1)
"""A token is replaced when so little of its life is left."""

STREAM_LIFE: Final = timedelta(hours=5)
"""A connection with private channels is made again after so long, with a token that lasts an hour longer at least."""

READS: Final = "reads"
SENDS: Final = "transactions"
WS_CONNECT: Final = "ws-connect"

_MINUTE = timedelta(minutes=1)
_SOURCE: Final = "https://apidocs.lighter.xyz/docs/rate-limits"

_READ_BUDGETS: Final[Mapping[Tier, int]] = {"standard": 60, "premium": 24_000, "plus": 120_000, "builder": 240_000}
_SEND_BUDGETS: Final[Mapping[Tier, int]] = {"standard": 60, "premium": 4_000, "plus": 8_000, "builder": 60}
"""Premium accounts may send more the more LIT they stake; this is the least of them."""

_WEIGHTS: Final[Mapping[str, int]] = {
    NEXT_NONCE: 6,
    INACTIVE_ORDERS: 100,
    API_KEYS: 150,
    TRADES: 600,
    RECENT_TRADES: 600,
}
_WEIGHT: Final = 300
"""Of every path that is not in the table."""
_STANDARD_SHARE: Final = 24_000 // 60
"""A standard account may send 60 requests a minute, and never more of one kind than 24,000 / weight."""


def weight(path: str, tier: Tier) -> int:
    """Return what a read takes of its tier's budget. A standard account's counts requests, the heavy ones for more."""
    full = _WEIGHTS.get(path, _WEIGHT)
    return -(-full // _STANDARD_SHARE) if tier == "standard" else full


def quotas(tier: Tier) -> tuple[Quota, ...]:
    """Return the limits of an account of a tier, as the rate limiter takes them."""
    return (
        Quota(READS, ((_READ_BUDGETS[tier], _MINUTE),), Scope.IP),
        # REST and stream together, a batch counts once. A tenth is kept for cancels.
        Quota(SENDS, ((_SEND_BUDGETS[tier], _MINUTE),), Scope.ACCOUNT, cancel_reserve=0.1),
        # The least of the figures published in 2026.
        Quota(WS_CONNECT, ((80, _MINUTE),), Scope.IP),
    )


def rate_limits(tier: Tier) -> tuple[RateLimit, ...]:
    """Return the same limits as the plugin describes itself."""
    return described(quotas(tier), source=_SOURCE)


class Channels:
    """
    Families of channels. A channel is ``family/key`` on the way out and ``family:key`` on the way in.
    """

    BOOK: Final = "order_book"
    TRADES: Final = "trade"
    TICKER: Final = "ticker"
    STATS: Final = "market_stats"
    ORDERS: Final = "account_all_orders"
    FILLS: Final = "account_all_trades"
    POSITIONS: Final = "account_all_positions"
    USER_STATS: Final = "user_stats"
    TXS: Final = "account_tx"
    EVERYTHING: Final = "account_all"


USDC_DECIMALS: Final = 6
"""Amounts of USDC are signed as whole numbers of a millionth (lighter-sdk 1.1.8)."""

MAX_TOPICS: Final = 100
"""Subscriptions on one connection: 500 by the newest page, 100 by the oldest; the least costs nothing."""

WS_IDLE_LIMIT: Final = timedelta(minutes=2)
"""The server closes a socket that sent it no frame for so long, however much it sends itself (documentation)."""
WS_KEEPALIVE: Final = timedelta(seconds=30)

HEADERS: Final[Mapping[str, str]] = {"User-Agent": "perpkit", "Accept": "application/json"}
