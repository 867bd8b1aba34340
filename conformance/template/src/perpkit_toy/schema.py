"""What Toy sends, in its own words and units. No conversions here. Fields that may be null have a default."""

from __future__ import annotations

from decimal import Decimal
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")


class Failure(msgspec.Struct):
    """The envelope of every refusal."""

    code: str
    message: str = ""


class Status(msgspec.Struct):
    """``GET /status``"""

    status: str
    time: int


class Rows(msgspec.Struct, Generic[T]):
    """A listing; an empty one may be null."""

    rows: list[T] | None


class Page(msgspec.Struct, Generic[T]):
    """A page of a history, newest first; ``next`` is the cursor of the page behind it."""

    rows: list[T] | None
    next: str | None = None


class Kind(msgspec.Struct):
    """Enough of a listed row to tell a perpetual from the rest."""

    symbol: str
    kind: str


class Market(msgspec.Struct):
    """A listed perpetual."""

    symbol: str
    base: str
    quote: str
    settle: str
    tick_size: Decimal
    step_size: Decimal
    min_notional: Decimal
    maker_fee: Decimal
    taker_fee: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    funding_period_hours: Decimal
    status: str
    max_size: Decimal | None = None
    position_limit: Decimal | None = None
    max_open_orders: int | None = None
    price_band: Decimal | None = None


class Ticker(msgspec.Struct):
    """Prices and the running funding rate."""

    symbol: str
    mark: Decimal
    index: Decimal
    open_interest: Decimal
    turnover_24h: Decimal
    funding_period_hours: Decimal
    time: int
    bid: Decimal | None = None
    ask: Decimal | None = None
    last: Decimal | None = None
    funding_rate: Decimal | None = None


class Book(msgspec.Struct):
    """A book, or in a stream's update the levels that changed."""

    symbol: str
    bids: list[tuple[Decimal, Decimal]] | None
    asks: list[tuple[Decimal, Decimal]] | None
    sequence: int
    time: int


class Trade(msgspec.Struct):
    """A public trade; ``side`` is the taker's."""

    id: str
    symbol: str
    side: str
    price: Decimal
    size: Decimal
    kind: str
    time: int


class Funding(msgspec.Struct):
    """A sample of the rate."""

    symbol: str
    rate: Decimal
    period_hours: Decimal
    time: int


class Account(msgspec.Struct):
    """Equity and margins, in ``asset`` units."""

    asset: str
    equity: Decimal
    free_collateral: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    unrealized_pnl: Decimal
    time: int


class Balance(msgspec.Struct):
    """Settled cash; ``available`` of the settlement asset only."""

    asset: str
    total: Decimal
    sequence: int
    time: int
    available: Decimal | None = None


class Position(msgspec.Struct):
    """A position; ``size`` is signed."""

    symbol: str
    size: Decimal
    entry_price: Decimal
    mark_price: Decimal
    unrealized_pnl: Decimal
    accrued_funding: Decimal
    realized_pnl: Decimal
    leverage: Decimal
    margin_mode: str
    sequence: int
    time: int
    liquidation_price: Decimal | None = None


class Fees(msgspec.Struct):
    """What this account pays in a market."""

    symbol: str
    maker: Decimal
    taker: Decimal


class Order(msgspec.Struct):
    """An order, open or over; ``reason`` says why it is over."""

    id: str
    symbol: str
    side: str
    type: str
    size: Decimal
    filled_size: Decimal
    state: str
    time_in_force: str
    post_only: bool
    reduce_only: bool
    created_at: int
    updated_at: int
    sequence: int
    client_id: str | None = None
    price: Decimal | None = None
    average_price: Decimal | None = None
    trigger_price: Decimal | None = None
    reason: str | None = None


class Canceled(msgspec.Struct):
    """The answer to a cancel: ``canceled``, ``queued`` or ``already_closed``."""

    result: str


class Fill(msgspec.Struct):
    """One execution of this account; ``side`` is its own."""

    id: str
    order_id: str
    symbol: str
    side: str
    price: Decimal
    size: Decimal
    fee: Decimal
    fee_asset: str
    liquidity: str
    kind: str
    realized_pnl: Decimal
    realized_funding: Decimal
    time: int
    client_id: str | None = None


class Payment(msgspec.Struct):
    """Funding that was settled; positive when received."""

    id: str
    symbol: str
    amount: Decimal
    asset: str
    size: Decimal
    time: int
    rate: Decimal | None = None


class Frame(msgspec.Struct):
    """Any frame: an answer (with ``id``) or data (with ``topic``)."""

    id: int | None = None
    topic: str | None = None
    kind: str | None = None
    data: msgspec.Raw = msgspec.Raw()
    error: Failure | None = None
