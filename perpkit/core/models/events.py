"""What streams carry: channels, subscriptions, the events they yield, and the stream's own status."""

from __future__ import annotations

from enum import StrEnum
from typing import TypeAlias

from perpkit.core.models.account import Balance, Position
from perpkit.core.models.base import Model, UtcTime
from perpkit.core.models.book import BookDelta, BookSnapshot
from perpkit.core.models.fill import Fill, Trade
from perpkit.core.models.funding import FundingPayment, FundingRate
from perpkit.core.models.market import Market, MarketId, Ticker
from perpkit.core.models.order import Order


class Channel(StrEnum):
    """What can be followed."""

    BOOK = "book"
    TRADES = "trades"
    TICKER = "ticker"
    FUNDING = "funding"
    ORDERS = "orders"
    FILLS = "fills"
    POSITIONS = "positions"
    BALANCES = "balances"
    FUNDING_PAYMENTS = "funding_payments"

    @property
    def is_private(self) -> bool:
        """Whether it tells of one account and needs credentials."""
        return self in _PRIVATE


_PRIVATE = frozenset(
    {Channel.ORDERS, Channel.FILLS, Channel.POSITIONS, Channel.BALANCES, Channel.FUNDING_PAYMENTS},
)


class Subscription(Model):
    """
    One channel, of one market or (private channels only) of the whole account.
    """

    channel: Channel
    market: Market | None = None

    @property
    def market_id(self) -> MarketId | None:
        """The market's text form, where there is one."""
        return self.market.id if self.market else None

    @property
    def key(self) -> tuple[Channel, MarketId | None]:
        """What makes two subscriptions the same."""
        return (self.channel, self.market_id)

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return self.key == other.key if isinstance(other, Subscription) else NotImplemented

    def __str__(self) -> str:
        return f"{self.channel}:{self.market_id}" if self.market else str(self.channel)


class StreamState(StrEnum):
    """What a :class:`StreamStatus` reports."""

    LIVE = "live"
    """Connected, subscribed, and the first state of each state channel was delivered before this."""
    LOST = "lost"
    """The connection is gone; what is held may be old. Reconnecting."""
    RESYNCED = "resynced"
    """Back, and everything that happened meanwhile was delivered before this."""
    GAP = "gap"
    """Updates were missed; a resync is under way."""
    POLLING = "polling"
    """Streaming keeps failing; the same events come from REST until it works again."""
    LAGGING = "lagging"
    """The consumer is slow; ``dropped`` public events were folded or dropped."""
    REFUSED = "refused"
    """The venue will not serve this subscription; the reason says why."""
    CLOSED = "closed"


class StreamStatus(Model):
    """
    The stream speaking of itself, so that a strategy can stand still.

    Attributes:
        channel: The channel concerned; None for all of the stream.
        reason: In words, redacted.
        dropped: Public events folded or dropped since the last such status.
    """

    state: StreamState
    channel: Channel | None = None
    market_id: MarketId | None = None
    reason: str | None = None
    dropped: int = 0
    ts_received: UtcTime


Event: TypeAlias = (
    BookSnapshot
    | BookDelta
    | Trade
    | Ticker
    | FundingRate
    | Order
    | Fill
    | Position
    | Balance
    | FundingPayment
    | StreamStatus
)
"""Everything that a stream yields."""
