"""
Transactions before they are signed: their fields as the venue has them, whole numbers all.

Type codes and the order of fields: lighter-go, lighter-sdk 1.1.8.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from perpkit.adapters.lighter.endpoints import ALL_MARKETS

# Codes of order types and times in force (lighter-go, lighter-sdk).
LIMIT, MARKET, STOP_LOSS, STOP_LOSS_LIMIT, TAKE_PROFIT, TAKE_PROFIT_LIMIT = range(6)
IMMEDIATE_OR_CANCEL, GOOD_TILL_TIME, POST_ONLY = range(3)
EXPIRE_MAKER, EXPIRE_TAKER, EXPIRE_BOTH = range(3)
CANCEL_ALL_NOW, CANCEL_ALL_SCHEDULED, CANCEL_ALL_ABORT = range(3)
CROSS, ISOLATED = range(2)
REMOVE, ADD = range(2)

MAX_BASE_AMOUNT = 2**48 - 1
MAX_PRICE = 2**32 - 1
MAX_USDC_AMOUNT = 2**63 - 1
"""In millionths; what the signing library can be told."""


@dataclass(frozen=True, slots=True)
class Tx(ABC):
    """
    One transaction, unsigned.

    Attributes:
        CODE: Its type.
        ATTRIBUTES: Number, field and nil value of each attribute that it may carry beside its fields.
    """

    CODE: ClassVar[int]
    ATTRIBUTES: ClassVar[tuple[tuple[str, str, int], ...]] = ()

    @abstractmethod
    def fields(self) -> dict[str, int]:
        """Return what is signed of it, under the names of ``tx_info``, in their order."""

    def attributes(self) -> dict[str, int]:
        """Return the attributes that are not nil, by number: those alone are signed."""
        values = ((number, getattr(self, name), nil) for number, name, nil in self.ATTRIBUTES)
        return {number: value for number, value, nil in values if value != nil}


@dataclass(frozen=True, slots=True)
class CreateOrder(Tx):
    """
    A new order.

    Attributes:
        base_amount: Size in units of 10^-size_decimals.
        price: In units of 10^-price_decimals; of market types the worst that is accepted.
        expiry: Milliseconds since 1970; 0 for what never rests.
        self_trade: ``EXPIRE_MAKER`` (the venue's own way), ``EXPIRE_TAKER`` or ``EXPIRE_BOTH``.
    """

    CODE: ClassVar[int] = 14
    ATTRIBUTES: ClassVar = (("6", "self_trade", EXPIRE_MAKER),)

    market: int
    client_index: int
    base_amount: int
    price: int
    is_ask: bool
    type: int
    time_in_force: int
    reduce_only: bool = False
    trigger_price: int = 0
    expiry: int = 0
    self_trade: int = EXPIRE_MAKER

    def fields(self) -> dict[str, int]:
        """Return what is signed of it."""
        return {
            "MarketIndex": self.market,
            "ClientOrderIndex": self.client_index,
            "BaseAmount": self.base_amount,
            "Price": self.price,
            "IsAsk": int(self.is_ask),
            "Type": self.type,
            "TimeInForce": self.time_in_force,
            "ReduceOnly": int(self.reduce_only),
            "TriggerPrice": self.trigger_price,
            "OrderExpiry": self.expiry,
        }


@dataclass(frozen=True, slots=True)
class CancelOrder(Tx):
    """A cancel, by the exchange's number or by ours: the two never overlap."""

    CODE: ClassVar[int] = 15

    market: int
    index: int

    def fields(self) -> dict[str, int]:
        """Return what is signed of it."""
        return {"MarketIndex": self.market, "Index": self.index}


@dataclass(frozen=True, slots=True)
class CancelAll(Tx):
    """
    A cancel of every order, now, at a time (the venue's dead man's switch), or the abort of such a one.

    Attributes:
        time: Milliseconds since 1970 for a scheduled one, else 0.
        market: Only of an immediate one.
    """

    CODE: ClassVar[int] = 16
    ATTRIBUTES: ClassVar = (("5", "market", ALL_MARKETS),)

    time_in_force: int = CANCEL_ALL_NOW
    time: int = 0
    market: int = ALL_MARKETS

    def fields(self) -> dict[str, int]:
        """Return what is signed of it."""
        return {"TimeInForce": self.time_in_force, "Time": self.time}


@dataclass(frozen=True, slots=True)
class ModifyOrder(Tx):
    """A change of an order; size, price and trigger are all given again."""

    CODE: ClassVar[int] = 17

    market: int
    index: int
    base_amount: int
    price: int
    trigger_price: int = 0

    def fields(self) -> dict[str, int]:
        """Return what is signed of it."""
        return {
            "MarketIndex": self.market,
            "Index": self.index,
            "BaseAmount": self.base_amount,
            "Price": self.price,
            "TriggerPrice": self.trigger_price,
        }


@dataclass(frozen=True, slots=True)
class UpdateLeverage(Tx):
    """
    Leverage and margin mode of one market.

    Attributes:
        fraction: Initial margin in 1e-4 of notional.
        mode: ``CROSS`` or ``ISOLATED``.
    """

    CODE: ClassVar[int] = 20

    market: int
    fraction: int
    mode: int

    def fields(self) -> dict[str, int]:
        """Return what is signed of it."""
        return {"MarketIndex": self.market, "InitialMarginFraction": self.fraction, "MarginMode": self.mode}


@dataclass(frozen=True, slots=True)
class UpdateMargin(Tx):
    """
    Collateral moved to or from an isolated position.

    Attributes:
        units: Millionths of a USDC.
        direction: ``ADD`` or ``REMOVE``.
    """

    CODE: ClassVar[int] = 29

    market: int
    units: int
    direction: int

    def fields(self) -> dict[str, int]:
        """Return what is signed of it."""
        return {"MarketIndex": self.market, "USDCAmount": self.units, "Direction": self.direction}


@dataclass(frozen=True, slots=True)
class Signed:
    """
    A transaction as it is sent.

    Attributes:
        info: ``tx_info``, to the letter as the signing library wrote it.
        hash: 80 hex digits, without 0x.
    """

    code: int
    info: str
    hash: str
    nonce: int
