"""What we ask for (:class:`OrderIntent`) and what became of it (:class:`Order`)."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from pydantic import Field, ValidationError, model_validator

from perpkit.core.errors import InvalidOrderError, RejectReason
from perpkit.core.models.base import Duration, Model, NonNegative, Number, Price, Size, UtcTime
from perpkit.core.models.market import MarketId, PriceKind


class Side(StrEnum):
    """Always our own side."""

    BUY = "buy"
    SELL = "sell"

    @property
    def opposite(self) -> Side:
        """The other side."""
        return Side.SELL if self is Side.BUY else Side.BUY

    @property
    def sign(self) -> int:
        """1 for a buy, -1 for a sell: what a fill adds to the position."""
        return 1 if self is Side.BUY else -1


class OrderType(StrEnum):
    """Market and limit, at once or when a trigger price is touched."""

    MARKET = "market"
    LIMIT = "limit"
    STOP_MARKET = "stop_market"
    STOP_LIMIT = "stop_limit"
    TAKE_PROFIT_MARKET = "take_profit_market"
    TAKE_PROFIT_LIMIT = "take_profit_limit"

    @property
    def has_price(self) -> bool:
        """Whether the order carries a limit price."""
        return self in _WITH_PRICE

    @property
    def has_trigger(self) -> bool:
        """Whether the order waits for a trigger price."""
        return self not in _WITHOUT_TRIGGER


_WITH_PRICE = frozenset({OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.TAKE_PROFIT_LIMIT})
_WITHOUT_TRIGGER = frozenset({OrderType.MARKET, OrderType.LIMIT})


class TimeInForce(StrEnum):
    """How long an order stands. Post-only and reduce-only are flags of their own."""

    GTC = "gtc"
    IOC = "ioc"
    FOK = "fok"
    GTD = "gtd"


class SelfTradePrevention(StrEnum):
    """Which of two orders of the same account goes when they would trade with each other."""

    EXPIRE_MAKER = "expire_maker"
    EXPIRE_TAKER = "expire_taker"
    EXPIRE_BOTH = "expire_both"


class OrderStatus(StrEnum):
    """
    Where an order is. Terminal states stick.

    ``pending`` is sent and acknowledged, but the venue has not yet decided; ``unknown`` is sent without proof of
    anything. An order that waits for its trigger is ``open``.
    """

    PENDING = "pending"
    OPEN = "open"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELED = "canceled"
    REJECTED = "rejected"
    EXPIRED = "expired"
    UNKNOWN = "unknown"

    @property
    def is_terminal(self) -> bool:
        """Whether nothing can come after it."""
        return self in _TERMINAL


_TERMINAL = frozenset({OrderStatus.FILLED, OrderStatus.CANCELED, OrderStatus.REJECTED, OrderStatus.EXPIRED})

OptionValue: TypeAlias = str | int | bool


_MEANT = (
    "market_id",
    "client_order_id",
    "side",
    "type",
    "size",
    "price",
    "trigger_price",
    "time_in_force",
    "post_only",
    "reduce_only",
    "expires_at",
)
"""What an intent says of the order that it will be."""


class OrderIntent(Model):
    """
    An order before it is sent.

    Attributes:
        client_order_id: Ours; None lets the face choose one before anything is sent.
        size: Base units, above zero.
        price: Quote units; for limit types, and only for them.
        trigger_price: For stop and take-profit types, and only for them.
        trigger_kind: Which price is watched; None takes the venue's own.
        time_in_force: For market types, IOC is meant whatever stands here.
        max_slippage: For market orders: the worst price accepted, as a fraction away from the best opposite quote. The
            face turns it into a price bound; None sends what the venue calls a market order.
        accept_within: How long after sending the venue may still accept it (Paradex: ``recv_window``); None takes the
            venue's own.
        options: Venue-specific settings. The plugin refuses those that it doesn't know.

    Raises:
        InvalidOrderError: Fields that can't stand together, or a size or price that is no positive finite decimal.
    """

    market_id: MarketId
    side: Side
    type: OrderType = OrderType.LIMIT
    size: Size
    price: Price | None = None
    client_order_id: str | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reduce_only: bool = False
    trigger_price: Price | None = None
    trigger_kind: PriceKind | None = None
    self_trade_prevention: SelfTradePrevention | None = None
    expires_at: UtcTime | None = None
    max_slippage: NonNegative | None = None
    accept_within: Duration | None = None
    options: Mapping[str, OptionValue] = Field(default_factory=dict)

    if not TYPE_CHECKING:  # the type checker keeps pydantic's own signature

        def __init__(self, **data: Any) -> None:
            try:
                super().__init__(**data)
            except ValidationError as error:
                raise InvalidOrderError(_explain(error, data), client_order_id=data.get("client_order_id")) from None

    def as_order(self, status: OrderStatus, *, ts_received: datetime, **known: Any) -> Order:
        """Return the order as it was meant; ``known`` is what is known of it besides, by Order's own names."""
        meant = {name: getattr(self, name) for name in _MEANT}
        return Order(**{**meant, "status": status, "ts_received": ts_received, **known})

    @model_validator(mode="after")
    def _fields_agree(self) -> Self:
        problem = self._contradiction()
        if problem:
            raise ValueError(problem)
        return self

    def _contradiction(self) -> str | None:
        if self.type.has_price and self.price is None:
            return f"a {self.type} order needs a price"
        if not self.type.has_price and self.price is not None:
            return f"a {self.type} order carries no price; bound it with max_slippage or send a limit order with IOC"
        if self.type.has_trigger and self.trigger_price is None:
            return f"a {self.type} order needs a trigger_price"
        if not self.type.has_trigger and (self.trigger_price is not None or self.trigger_kind is not None):
            return f"a {self.type} order has no trigger; use a stop or take-profit type"
        if self.post_only and (not self.type.has_price or self.time_in_force in {TimeInForce.IOC, TimeInForce.FOK}):
            return f"post_only needs a resting limit order, not {self.type} {self.time_in_force}"
        if (self.time_in_force is TimeInForce.GTD) != (self.expires_at is not None):
            return "time_in_force gtd and expires_at go together"
        if self.max_slippage is not None and self.type is not OrderType.MARKET:
            return f"max_slippage bounds market orders; a {self.type} order has its price"
        return None


_SHOWN = reprlib.Repr()
_SHOWN.maxother = _SHOWN.maxstring = 100
"""A number in full; of something large that stands where a text belongs, enough to recognize it."""


def _explain(error: ValidationError, data: Mapping[str, Any]) -> str:
    """Put pydantic's findings into one sentence, without echoing what was not asked for."""
    parts = []
    for item in error.errors(include_url=False, include_context=False):
        where = ".".join(str(part) for part in item["loc"])
        text = item["msg"].removeprefix("Value error, ")
        parts.append(
            f"{where}={_SHOWN.repr(data[where])}: {text}" if where in data else f"{where}: {text}" if where else text
        )
    return "; ".join(parts)


class OrderRef(Model):
    """Names an order by the venue's id, by ours, or by both."""

    market_id: MarketId
    venue_order_id: str | None = None
    client_order_id: str | None = None

    @model_validator(mode="after")
    def _has_an_id(self) -> Self:
        if not (self.venue_order_id or self.client_order_id):
            msg = "an order reference needs venue_order_id or client_order_id"
            raise ValueError(msg)
        return self


class OrderAmendment(Model):
    """
    A change to an open order.

    Attributes:
        size: The new total size in base units, what is filled already included; None keeps it.
        price: The new limit price; None keeps it.
    """

    order: OrderRef
    size: Size | None = None
    price: Price | None = None
    trigger_price: Price | None = None

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if self.size is None and self.price is None and self.trigger_price is None:
            msg = "an amendment changes size, price or trigger_price"
            raise ValueError(msg)
        return self


class Order(Model):
    """
    An order as the venue last told of it.

    Attributes:
        size: Ordered, base units. ``filled_size`` of it is done, ``remaining_size`` is the rest, whether it
            still stands or not.
        average_price: Of what is filled; None when nothing is or the venue does not say.
        reject_reason: Why it was rejected, expired or canceled by the venue, in common terms.
        status_message: The venue's own word for it.
        sequence: A number of the venue that grows with each change, where it has one. Not consecutive.
    """

    market_id: MarketId
    venue_order_id: str | None = None
    client_order_id: str | None = None
    side: Side
    type: OrderType
    status: OrderStatus
    size: Number = Field(ge=0)
    filled_size: NonNegative = Decimal(0)
    price: Price | None = None
    average_price: Price | None = None
    trigger_price: Price | None = None
    time_in_force: TimeInForce = TimeInForce.GTC
    post_only: bool = False
    reduce_only: bool = False
    reject_reason: RejectReason | None = None
    status_message: str | None = None
    expires_at: UtcTime | None = None
    created_at: UtcTime | None = None
    updated_at: UtcTime | None = None
    sequence: int | None = None
    ts_received: UtcTime

    @property
    def remaining_size(self) -> Decimal:
        """Ordered and not filled, base units."""
        return self.size - self.filled_size

    @property
    def is_terminal(self) -> bool:
        """Whether nothing can come after this."""
        return self.status.is_terminal

    @property
    def ref(self) -> OrderRef:
        """The names it goes by."""
        return OrderRef(
            market_id=self.market_id, venue_order_id=self.venue_order_id, client_order_id=self.client_order_id
        )


class CancelStatus(StrEnum):
    """What the venue said to a cancel. None of them says how much was filled before."""

    REQUESTED = "requested"
    """Queued; the order's own update confirms it."""
    CANCELED = "canceled"
    ALREADY_CLOSED = "already_closed"
    """The venue says that it was filled or canceled before."""


class CancelResult(Model):
    """The venue's answer to one cancel."""

    order: OrderRef
    status: CancelStatus
