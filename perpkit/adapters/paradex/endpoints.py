"""
Paths, channel names and published limits of Paradex, each with where the venue says so.

Paths: OpenAPI 1.132 (snapshot 2026-08). Channels: AsyncAPI 1.3. Methods: OpenRPC 1.3. Limits: the venue's documentation
page on rate limits, read 2026-11.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from perpkit.core.transport.ratelimit import Quota, Scope, described

AUTH: Final = "/auth"
SYSTEM_CONFIG: Final = "/system/config"
SYSTEM_STATE: Final = "/system/state"
SYSTEM_TIME: Final = "/system/time"
MARKETS: Final = "/markets"
MARKETS_SUMMARY: Final = "/markets/summary"
KLINES: Final = "/markets/klines"
ORDER_BOOK: Final = "/orderbook"
TRADES: Final = "/trades"
FUNDING_DATA: Final = "/funding/data"
FUNDING_PAYMENTS: Final = "/funding/payments"
ACCOUNT: Final = "/account"
ACCOUNT_INFO: Final = "/account/info"
ACCOUNT_MARGIN: Final = "/account/margin"
BALANCE: Final = "/balance"
POSITIONS: Final = "/positions"
FILLS: Final = "/fills"
ORDERS: Final = "/orders"
ORDERS_BATCH: Final = "/orders/batch"
ORDERS_BY_CLIENT_ID: Final = "/orders/by_client_id"
ORDERS_HISTORY: Final = "/orders-history"

SIGNED_AUTH_PATH: Final = "/v1/auth"
"""What the signed sign-in message always names as its path, whatever path is requested."""

ALL: Final = "ALL"
"""Every market: in ``GET /markets/summary`` and in channel names."""

# OpenAPI: page_size is at most 5000, on GET /trades 1000.
PAGE_SIZE: Final = 1000
MAX_BOOK_DEPTH: Final = 100

MAX_BATCH: Final = 10
"""Orders in one ``POST /orders/batch`` (OpenAPI: 1-10; one page of the documentation says 50)."""

MAX_CLIENT_ID: Final = 64
"""Characters of ``client_id`` (OpenAPI ``requests.OrderRequest``)."""

KLINE_MINUTES: Final = (1, 3, 5, 15, 30, 60)
"""``resolution`` of ``GET /markets/klines``."""

KLINES_PER_REQUEST: Final = 500
"""How many bars are asked for at once. The venue publishes no limit of its own."""

DEFAULT_RECV_WINDOW: Final = timedelta(milliseconds=300_000)
"""How long after its signature an order is accepted when it sets no ``recv_window`` (documentation)."""

PUBLIC: Final = "public"
PRIVATE: Final = "private"
ORDER_COMMANDS: Final = "orders"
SIGN_IN: Final = "sign-in"
WS_CONNECT: Final = "ws-connect"

_SECOND = timedelta(seconds=1)
_MINUTE = timedelta(minutes=1)
_SOURCE: Final = "https://docs.paradex.trade/api/general-information/rate-limits/api"

QUOTAS: Final = (
    Quota(PUBLIC, ((1500, _MINUTE),), Scope.IP),
    Quota(PRIVATE, ((120, _SECOND), (600, _MINUTE)), Scope.ACCOUNT),
    # A batch counts once. A tenth is kept for cancels.
    Quota(ORDER_COMMANDS, ((800, _SECOND), (17_250, _MINUTE)), Scope.ACCOUNT, cancel_reserve=0.1),
    Quota(SIGN_IN, ((600, _MINUTE),), Scope.IP),
    Quota(WS_CONNECT, ((20, _SECOND), (600, _MINUTE)), Scope.IP),
)
"""The limits as the rate limiter takes them."""

RATE_LIMITS: Final = described(QUOTAS, source=_SOURCE)
"""The same limits as the plugin describes itself."""


class Channels:
    """Names of the streams, as ``params.channel`` has them. Private ones need a signed-in connection."""

    ACCOUNT: Final = "account"
    POSITIONS: Final = "positions"
    BALANCE_EVENTS: Final = "balance_events"

    @staticmethod
    def book(symbol: str, interval: str) -> str:
        """The book by deltas: a snapshot (``update_type`` s) first, then changes, 15 levels a side."""
        return f"order_book.{symbol}.deltas@15@{interval}"

    @staticmethod
    def trades(symbol: str) -> str:
        """The public tape."""
        return f"trades.{symbol}"

    @staticmethod
    def summary(symbol: str) -> str:
        """Prices of one market."""
        return f"markets_summary.{symbol}"

    @staticmethod
    def funding(symbol: str) -> str:
        """The running funding rate and index, about once a second."""
        return f"funding_data.{symbol}"

    @staticmethod
    def orders(symbol: str) -> str:
        """The account's orders; ``ALL`` for every market."""
        return f"orders.{symbol}"

    @staticmethod
    def fills(symbol: str) -> str:
        """The account's fills; ``ALL`` for every market."""
        return f"fills.{symbol}"

    @staticmethod
    def funding_payments(symbol: str) -> str:
        """Funding paid or received; ``ALL`` for every market."""
        return f"funding_payments.{symbol}"


# How the venue's sockets behave: it pings every 55 s and wants the pong within 5 s (documentation).
WS_PING_INTERVAL: Final = timedelta(seconds=55)

TOKEN_LIFE: Final = timedelta(minutes=5)
"""How long a JWT lives; it can't be extended (documentation)."""

TOKEN_REFRESH_AFTER: Final = timedelta(minutes=3)
"""When to get a new one: the documentation's advice."""

HEADERS: Final[Mapping[str, str]] = {"User-Agent": "perpkit", "Accept": "application/json"}
