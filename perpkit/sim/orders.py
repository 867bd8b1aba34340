"""
Orders, fills and refusals in the exchange's own words. A venue's ``wire.py`` maps them to the venue's.

What callers get are copies: nothing that the exchange does later changes them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from enum import StrEnum
from typing import Any

from perpkit.core.models.fill import FillKind, Liquidity
from perpkit.core.models.market import PriceKind
from perpkit.core.models.order import OrderType, SelfTradePrevention, Side, TimeInForce
from perpkit.sim.money import ZERO, divide

__all__ = [
    "Alternative",
    "AmendResult",
    "CancelResult",
    "CancelStatus",
    "CloseReason",
    "Fill",
    "FillKind",
    "Liquidity",
    "Order",
    "OrderRequest",
    "OrderState",
    "OrderType",
    "PriceKind",
    "RefusalReason",
    "RequestRefusedError",
    "SelfTradePrevention",
    "Side",
    "TimeInForce",
    "Trade",
    "TriggerWhen",
]


class OrderState(StrEnum):
    """Where an order stands."""

    NEW = "new"
    """Taken in, not yet decided on."""
    UNTRIGGERED = "untriggered"
    """Passed the checks; waits for its trigger price."""
    OPEN = "open"
    """In the book, perhaps partly filled."""
    CLOSED = "closed"
    """Over; ``close_reason`` says why."""


class CloseReason(StrEnum):
    """Why an order is over."""

    FILLED = "filled"
    USER_CANCELED = "user_canceled"
    EXPIRED = "expired"
    """Its own time ran out (GTD)."""
    IOC_REMAINDER = "ioc_remainder"
    """What an IOC order could not fill, after filling something or nothing."""
    FOK_NOT_FILLABLE = "fok_not_fillable"
    NO_LIQUIDITY = "no_liquidity"
    """What a market order could not fill within its price bound."""
    POST_ONLY_WOULD_CROSS = "post_only_would_cross"
    NOT_ENOUGH_MARGIN = "not_enough_margin"
    PRICE_OUT_OF_BAND = "price_out_of_band"
    POSITION_LIMIT = "position_limit"
    MAX_OPEN_ORDERS = "max_open_orders"
    REDUCE_ONLY_WOULD_INCREASE = "reduce_only_would_increase"
    """Nothing (left) to reduce, on arrival or when the position went away under it."""
    SELF_TRADE = "self_trade"
    RPI_CROSSED = "rpi_crossed"
    """A retail order in the way of one that it may not trade with."""
    MARKET_NOT_OPEN = "market_not_open"
    """The market stopped taking it between acceptance and decision, or was settled."""
    ACCOUNT_IN_LIQUIDATION = "account_in_liquidation"
    DISCONNECTED = "disconnected"
    """Cancel-on-disconnect."""
    DEAD_MAN_SWITCH = "dead_man_switch"
    REPLACED = "replaced"
    """Another order took its place."""
    PREVIOUS_NOT_FOUND = "previous_not_found"
    """The order that it was to replace was over by then."""
    PREVIOUS_TRIGGERED = "previous_triggered"
    """The order that it was to replace had been triggered by then."""
    POSITION_ORDER_CONFLICT = "position_order_conflict"
    """The position has an order that closes the whole of it already."""
    ADMIN = "admin"
    """Canceled by the venue."""


class RefusalReason(StrEnum):
    """Why a request is refused at once, before there is an order or a change."""

    UNKNOWN_MARKET = "unknown_market"
    UNKNOWN_ACCOUNT = "unknown_account"
    UNKNOWN_ORDER = "unknown_order"
    ORDER_CLOSED = "order_closed"
    DUPLICATE_CLIENT_ID = "duplicate_client_id"
    INVALID_REQUEST = "invalid_request"
    """Fields that don't go together, or one missing."""
    INVALID_PRICE = "invalid_price"
    """Not finite or not above zero."""
    PRICE_OFF_TICK = "price_off_tick"
    INVALID_SIZE = "invalid_size"
    """Not finite or not above zero."""
    SIZE_OFF_STEP = "size_off_step"
    SIZE_TOO_SMALL = "size_too_small"
    SIZE_TOO_LARGE = "size_too_large"
    NOTIONAL_TOO_SMALL = "notional_too_small"
    MARKET_NOT_OPEN = "market_not_open"
    MARKET_POST_ONLY = "market_post_only"
    MARKET_CANCEL_ONLY = "market_cancel_only"
    SYSTEM_MAINTENANCE = "system_maintenance"
    SYSTEM_POST_ONLY = "system_post_only"
    SYSTEM_CANCEL_ONLY = "system_cancel_only"
    INVALID_LEVERAGE = "invalid_leverage"
    MARGIN_CHANGE_REFUSED = "margin_change_refused"
    """Leverage or margin mode can't change with what is open, or there is not enough margin for it."""
    INSUFFICIENT_FUNDS = "insufficient_funds"
    """A withdrawal above the free collateral."""


class RequestRefusedError(Exception):
    """
    The exchange refused a request at once; nothing changed.

    Attributes:
        reason: Which rule.
        message: What, which value, and what would do.
    """

    def __init__(self, reason: RefusalReason, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message


class TriggerWhen(StrEnum):
    """On which side of the trigger price an order wakes."""

    ABOVE = "above"
    """When the watched price is at or above it."""
    BELOW = "below"
    """When the watched price is at or below it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alternative:
    """
    A second trigger of an order that waits for one: if it is touched first, it says what the order becomes.

    Attributes:
        type: Of those that wait for a trigger; with ``price`` for a limit type, or the worst price of a market type.
        time_in_force: Of what it becomes.
    """

    trigger_price: Decimal
    trigger_when: TriggerWhen
    trigger_price_kind: PriceKind
    type: OrderType
    price: Decimal | None
    time_in_force: TimeInForce


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRequest:
    """
    What an account asks for.

    Attributes:
        size: Base units, above zero.
        price: Quote units. Limit types need it; a market type may give one as the worst price it takes.
        trigger_when: None derives it: a stop buys above and sells below, a take-profit the other way round.
        trigger_price_kind: Which price is watched.
        alternative: A second trigger, such as the stop-loss beside a take-profit; whichever is touched first counts.
        whole_position: When it wakes, its size is the position's; it ends when the position does. One in each market.
        attached: What comes into being once this order fills, of the size filled; it grows with further fills until it
            is triggered.
        expires_at_ms: For GTD, milliseconds since 1970; also for a type that waits for a trigger.
        stp: What happens when it meets an order of the same account; None lets them trade.
        stp_owner: It is also kept from trading with the other accounts of the same owner.
        rpi: A resting order that only retail takers may hit; not shown in the public book.
        retail: The taker is a retail one: it may hit ``rpi`` orders.
        signed_at_ms: When the client signed, as the venue wants it echoed.
        fee_surcharge: A fraction of notional that its fills pay on top of the account's rate, such as a builder's.
        meta: Anything a venue's wire layer wants back with the order; the exchange doesn't look inside.
    """

    account_id: str
    market: str
    side: Side
    type: OrderType
    size: Decimal
    price: Decimal | None = None
    client_id: str | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reduce_only: bool = False
    trigger_price: Decimal | None = None
    trigger_when: TriggerWhen | None = None
    trigger_price_kind: PriceKind = PriceKind.MARK
    alternative: Alternative | None = None
    whole_position: bool = False
    attached: OrderRequest | None = None
    expires_at_ms: int | None = None
    stp: SelfTradePrevention | None = SelfTradePrevention.EXPIRE_TAKER
    stp_owner: bool = False
    rpi: bool = False
    retail: bool = False
    signed_at_ms: int | None = None
    fee_surcharge: Decimal = ZERO
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, kw_only=True)
class Order:
    """
    An order and what became of it. The exchange hands out copies.

    Attributes:
        id: Venue order id: decimal digits, growing, from the seed.
        sequence: Grows with each change of any order, position or account; unique, not consecutive.
        cost: Sum of price times size over its fills, exact.
        received_at_ms: When the venue took it in.
        fees_paid: Of its fills so far; positive when paid.
        opened_at_ms: When it passed the checks that decide on it, to trade, to rest or to wait for its trigger; None
            for one that is not decided on or was refused.
        woke_on_alternative: Whether it was the second trigger that was touched.
        replaces: Id of the order whose place it takes.
        attached_size: How much of it what is attached to it covers; ``attached_id`` is the latest such order.
    """

    id: str
    account_id: str
    market: str
    side: Side
    type: OrderType
    size: Decimal
    price: Decimal | None
    client_id: str | None
    time_in_force: TimeInForce
    post_only: bool
    reduce_only: bool
    trigger_price: Decimal | None
    trigger_when: TriggerWhen | None
    trigger_price_kind: PriceKind
    expires_at_ms: int | None
    stp: SelfTradePrevention | None
    rpi: bool
    retail: bool
    signed_at_ms: int | None
    meta: Mapping[str, Any]
    received_at_ms: int
    created_at_ms: int
    updated_at_ms: int
    sequence: int
    state: OrderState = OrderState.NEW
    close_reason: CloseReason | None = None
    filled_size: Decimal = ZERO
    cost: Decimal = ZERO
    fees_paid: Decimal = ZERO
    fill_kind: FillKind = FillKind.TRADE
    triggered_at_ms: int | None = None
    opened_at_ms: int | None = None
    stp_owner: bool = False
    fee_surcharge: Decimal = ZERO
    alternative: Alternative | None = None
    woke_on_alternative: bool = False
    whole_position: bool = False
    replaces: str | None = None
    attached: OrderRequest | None = None
    attached_id: str | None = None
    attached_size: Decimal = ZERO

    def copy(self) -> Order:
        """Return a copy that stays as it is."""
        # Four times faster than dataclasses.replace, and there are several copies to each command.
        twin = object.__new__(Order)
        for name in _ORDER_FIELDS:
            setattr(twin, name, getattr(self, name))
        return twin

    @property
    def remaining_size(self) -> Decimal:
        """Ordered and not filled, base units; what a canceled order did not fill included."""
        return self.size - self.filled_size

    @property
    def average_price(self) -> Decimal | None:
        """Of what is filled, to 18 places; None when nothing is."""
        return divide(self.cost, self.filled_size) if self.filled_size else None

    @property
    def is_closed(self) -> bool:
        """Whether it is over."""
        return self.state is OrderState.CLOSED

    @property
    def is_market(self) -> bool:
        """Whether it takes what it finds and never rests."""
        return not self.type.has_price


_ORDER_FIELDS = tuple(found.name for found in fields(Order))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """
    One account's half of a trade.

    Attributes:
        id: Unique over all fills of the exchange; both halves of a trade have their own.
        side: The account's own side; ``taker_side`` is the trade's.
        fee: In the settlement asset, positive when paid.
        realized_pnl: From price, for what it closed; fees and funding not in it.
        realized_funding: Funding settled by this fill, positive when received.
        remaining_size: Of the order, after this fill.
        book_sequence: The book's number after the trade.
    """

    id: str
    trade_id: str
    account_id: str
    market: str
    order_id: str
    client_id: str | None
    side: Side
    taker_side: Side
    price: Decimal
    size: Decimal
    fee: Decimal
    fee_asset: str
    liquidity: Liquidity
    kind: FillKind
    realized_pnl: Decimal
    realized_funding: Decimal
    remaining_size: Decimal
    index_price: Decimal
    book_sequence: int
    created_at_ms: int
    sequence: int
    order_meta: Mapping[str, Any]
    rpi: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """
    One trade of the public tape.

    Attributes:
        side: The taker's.
    """

    id: str
    market: str
    side: Side
    price: Decimal
    size: Decimal
    kind: FillKind
    created_at_ms: int
    sequence: int
    rpi: bool = False


class CancelStatus(StrEnum):
    """What the exchange said to a cancel."""

    QUEUED = "queued"
    """It will be canceled, or already is; the order's own update says so."""
    ALREADY_CLOSED = "already_closed"
    NOT_FOUND = "not_found"


@dataclass(frozen=True, slots=True)
class CancelResult:
    """The answer to one cancel; ``order`` is a copy as it stood when the request came, None if not found."""

    status: CancelStatus
    order: Order | None


@dataclass(frozen=True, slots=True)
class AmendResult:
    """
    The answer to an amendment.

    Attributes:
        order: A copy after the change was decided on.
        refused: None when it was carried out; else why the order stays as it was.
    """

    order: Order
    refused: CloseReason | None
