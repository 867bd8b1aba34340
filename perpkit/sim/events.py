"""
What the exchange tells its subscribers, in the order in which it happened. Every event carries copies.

Subscribers are called synchronously, inside the call that caused the event, so that nothing can be reordered or
lost. They must not call back into the exchange; they put the event on a queue.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from perpkit.core.models.market import MarketStatus
from perpkit.sim.accounts import FundingPayment, LedgerEntry, PositionView, Transfer
from perpkit.sim.accounts import Liquidation as LiquidationRecord
from perpkit.sim.market_data import Bbo, FundingView, LevelChange
from perpkit.sim.markets import SystemStatus
from perpkit.sim.orders import CloseReason, Fill, Order, Trade


class OrderCause(StrEnum):
    """What happened to the order."""

    ACCEPTED = "accepted"
    OPENED = "opened"
    """Passed the checks: into the book, or to wait for its trigger."""
    TRIGGERED = "triggered"
    FILLED = "filled"
    """By a part or the whole."""
    AMENDED = "amended"
    AMEND_REFUSED = "amend_refused"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """
    Base of all events.

    Attributes:
        number: Counts all events of the exchange from 1, without holes.
        time_ms: When, on the simulated clock.
    """

    number: int
    time_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvent(Event):
    """An order changed. ``refused`` only with ``AMEND_REFUSED``."""

    order: Order
    cause: OrderCause
    refused: CloseReason | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FillEvent(Event):
    """An account traded; one for each side of a trade."""

    fill: Fill


@dataclass(frozen=True, slots=True, kw_only=True)
class TradeEvent(Event):
    """A trade on the public tape."""

    trade: Trade


@dataclass(frozen=True, slots=True, kw_only=True)
class BookEvent(Event):
    """
    The public book changed by these levels; ``sequence`` is one more than before.

    With ``interactive`` changes come those that only retail clients see (``rpi`` orders included in the sizes).
    """

    market: str
    sequence: int
    changes: tuple[LevelChange, ...]
    interactive_changes: tuple[LevelChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BboEvent(Event):
    """Best bid or offer changed, by price or by size."""

    bbo: Bbo


@dataclass(frozen=True, slots=True, kw_only=True)
class PositionEvent(Event):
    """A position changed; once with size 0 when it closes."""

    position: PositionView


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceEvent(Event):
    """Settled cash changed."""

    entry: LedgerEntry


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountEvent(Event):
    """Anything of this account changed that its summary shows; read it with ``Exchange.account``."""

    account_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferEvent(Event):
    """A deposit, withdrawal or transfer went through."""

    transfer: Transfer


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingEvent(Event):
    """Funding figures of a market: each second of the clock, and when the rate changes."""

    funding: FundingView


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingSettledEvent(Event):
    """A discrete market's period has ended and its payments are being booked; ``funding.rate`` is the period's."""

    funding: FundingView


@dataclass(frozen=True, slots=True, kw_only=True)
class FundingPaymentEvent(Event):
    """Funding was settled for an account."""

    payment: FundingPayment


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceEvent(Event):
    """Mark or index moved."""

    market: str
    mark_price: Decimal
    index_price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketEvent(Event):
    """A market's status or rules changed; read them with ``Exchange.market``."""

    market: str
    status: MarketStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemEvent(Event):
    """The exchange's own status changed."""

    status: SystemStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class LiquidationEvent(Event):
    """An account is being liquidated."""

    liquidation: LiquidationRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class TickEvent(Event):
    """A second of the clock has passed. For what is sent on a timer: summaries, throttled books."""


Subscriber: TypeAlias = Callable[[Event], None]
