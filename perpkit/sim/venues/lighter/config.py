"""
Figures of the venue: chain ids, reserved numbers, tiers with their fees, delays and budgets; and the settings of a
local one.

Source:
    The venue's pages on account types and rate limits as of July 2026, lighter-go's constants of August 2026.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

CHAIN_IDS = {"mainnet": 304, "testnet": 300}
"""Signed with everything. The venue's SDK signs for 304 wherever the address does not name another network."""

ALL_MARKETS = 255
ALL_KEYS = 255
NIL_INDEX = -1

USDC_ASSET_ID = 3
USDC_PLACES = 6
FEE_TICK = Decimal("0.000001")
"""Fee rates are integers of this fraction of notional."""

FRACTION_UNIT = 10_000
"""Margin fractions are integers of a ten-thousandth: 500 is 5 percent, twentyfold."""

FIRST_ASK_INDEX = 2**48
LAST_BID_INDEX = 2**49 - 1
"""Order indices of asks count up from the one, those of bids down from the other; client order indices stay below."""

MAX_CLIENT_ORDER_INDEX = 2**48 - 1
MAX_BASE_AMOUNT = 2**48 - 1
MAX_PRICE = 2**32 - 1
MAX_NONCE = 2**48 - 1

MINUTE = timedelta(minutes=1)
ORDER_EXPIRY_LEAST = timedelta(minutes=5)
ORDER_EXPIRY_MOST = timedelta(days=30)
CANCEL_ALL_LEAST = timedelta(minutes=5)
CANCEL_ALL_MOST = timedelta(days=15)
TOKEN_MOST = timedelta(hours=8)

REST_BATCH = 50
SOCKET_BATCH = 15

ACTIVE_ORDERS_PER_MARKET = 1000
ACTIVE_ORDERS = 1500
PENDING_ORDERS_PER_MARKET = 16
PENDING_ORDERS = 500

ACCIDENTAL_PRICE = Decimal("0.5")
"""How far through the mark a protected order may be priced, as a fraction; the venue does not publish its own."""
FAR_PRICE = Decimal("0.95")
"""How far away from the mark a resting order may be priced, as a fraction; the venue does not publish its own."""


@dataclass(frozen=True, slots=True)
class Tier:
    """What an account type pays, how long its transactions are held up, and what it may ask for in a minute."""

    name: str
    maker_tick: int
    taker_tick: int
    taker_delay: timedelta
    maker_delay: timedelta
    reads: int
    """Weight of requests in a minute; of a standard account every request weighs one."""
    transactions: int


_STANDARD_DELAYS = (timedelta(milliseconds=300), timedelta(milliseconds=200))
TIERS = {
    "standard": Tier("standard", 0, 0, *_STANDARD_DELAYS, 60, 60),
    "premium": Tier("premium", 40, 280, timedelta(milliseconds=200), timedelta(0), 24_000, 4_000),
    "plus": Tier("plus", 50, 50, *_STANDARD_DELAYS, 120_000, 8_000),
    "builder": Tier("builder", 0, 0, *_STANDARD_DELAYS, 240_000, 60),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How a local Lighter behaves.

    Attributes:
        seed: Keys, ids and prices follow from it.
        environment: ``mainnet`` or ``testnet``: whose chain id transactions are signed for.
        tier: What the accounts of the start are: ``standard``, ``premium``, ``plus`` or ``builder``.
        delays: Whether a transaction waits as long as its tier's, on the venue's clock, before it is carried out.
        verify_signatures: Check signatures on the curve (5 ms each). Without it only their form is looked at.
        limits_scale: Divides every budget; 0 turns them off.
        subscriptions_per_connection, accounts_per_connection, connections: Caps of the WebSocket.
        inflight: Answers that may wait for a client before its next message is refused.
        orders_in_seconds: Orders show their times in seconds, as an older deployment did.
        prices_in_details: ``orderBookDetails`` shows mark and index prices; older servers don't.
        invalid_reduce_only: What becomes of a reduce-only order that has nothing to reduce: ``canceled`` (a row says
            so), ``refused`` (21738 at once) or ``vanishes`` (200, and then no word of it).
    """

    seed: int = 7
    environment: str = "mainnet"
    tier: str = "premium"
    delays: bool = False
    verify_signatures: bool = True
    limits_scale: int = 1
    subscriptions_per_connection: int = 500
    accounts_per_connection: int = 500
    connections: int = 255
    inflight: int = 50
    orders_in_seconds: bool = False
    prices_in_details: bool = True
    invalid_reduce_only: str = "canceled"

    @property
    def chain_id(self) -> int:
        """Return the chain id that transactions are signed for."""
        return CHAIN_IDS[self.environment]
