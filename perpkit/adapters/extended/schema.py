"""
What Extended sends, as it sends it: the venue's names and spellings, no conversions. Fields that sources disagree on,
or that older answers lack, are optional; what money depends on is not.

Sources: captured mainnet traffic (September 2026), the SDK 2.6.0's models, the documentation of January 2026.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Generic, TypeVar

import msgspec

T = TypeVar("T")

Id = int | str
"""Ids are integers beyond 2^53; some recordings hold them as text."""


class Error(msgspec.Struct):
    """``error`` of an answer that says no. ``code`` is a number, or in some documented samples a word."""

    code: int | str = ""
    message: str = ""
    debugInfo: str | None = None  # noqa: N815 - the venue's spelling


class Pagination(msgspec.Struct):
    """Where the next page begins."""

    cursor: Id | None = None
    count: int | None = None


class Answer(msgspec.Struct, Generic[T]):
    """Every answer. ``data`` stays unset where there is none."""

    status: str
    data: T | msgspec.UnsetType = msgspec.UNSET
    error: Error | None = None
    pagination: Pagination | None = None


class Placed(msgspec.Struct, rename="camel"):
    """``POST /user/order``: taken by the gateway, not yet in the book."""

    id: Id
    external_id: str


# Markets


class MarketStats(msgspec.Struct, rename="camel"):
    """
    Statistics of one market; there is no time in it.

    ``next_funding_rate`` is the TIME of the next funding in milliseconds, whatever its name says.
    """

    last_price: Decimal | None = None
    ask_price: Decimal | None = None
    bid_price: Decimal | None = None
    mark_price: Decimal | None = None
    index_price: Decimal | None = None
    funding_rate: Decimal | None = None
    next_funding_rate: int | None = None
    daily_volume: Decimal | None = None
    daily_volume_base: Decimal | None = None
    open_interest: Decimal | None = None
    open_interest_base: Decimal | None = None


class RiskBand(msgspec.Struct, rename="camel"):
    """Initial margin up to a position value."""

    upper_bound: Decimal
    risk_factor: Decimal


class TradingConfig(msgspec.Struct, rename="camel"):
    """A market's rules. Counts are decimals in strings too."""

    min_order_size: Decimal
    min_order_size_change: Decimal
    min_price_change: Decimal
    max_market_order_value: Decimal
    max_limit_order_value: Decimal
    max_position_value: Decimal
    max_leverage: Decimal
    max_num_orders: Decimal
    limit_price_cap: Decimal
    limit_price_floor: Decimal
    risk_factor_config: list[RiskBand] = []


class L2Config(msgspec.Struct, rename="camel"):
    """What is signed of a market."""

    collateral_id: str
    collateral_resolution: int
    synthetic_id: str
    synthetic_resolution: int


class MarketKind(msgspec.Struct, rename="camel"):
    """Of a market's row what tells whether it is ours to read. Older answers lack ``type``."""

    name: str = "?"
    type: str = "PERPETUAL"


class Market(msgspec.Struct, rename="camel"):
    """A row of ``GET /info/markets``."""

    name: str
    asset_name: str
    collateral_asset_name: str
    status: str
    market_stats: MarketStats
    trading_config: TradingConfig
    l2_config: L2Config = msgspec.field(name="l2Config")
    is_rfq: bool = False
    is_off_hours: bool = False
    created_at: int | None = None


class Level(msgspec.Struct):
    """One price of the REST book."""

    price: Decimal
    qty: Decimal


class OrderBook(msgspec.Struct):
    """``GET /info/markets/{market}/orderbook``: no number and no time, so it can't be joined to the stream."""

    market: str
    bid: list[Level] | None
    ask: list[Level] | None


class PublicTrade(msgspec.Struct):
    """A public trade, on REST and on the stream. ``S`` is the taker's side."""

    i: Id
    m: str
    S: str
    T: int
    p: Decimal
    q: Decimal
    tT: str = "TRADE"  # noqa: N815


class Candle(msgspec.Struct):
    """A bar; ``T`` is its start, and only candles of trades have a volume."""

    o: Decimal
    h: Decimal
    l: Decimal  # noqa: E741
    c: Decimal
    T: int
    v: Decimal | None = None


class FundingRate(msgspec.Struct):
    """A rate that was applied, for an hour."""

    m: str
    f: Decimal
    T: int


class Domain(msgspec.Struct, rename="camel"):
    """``GET /info/starknet``: what signatures are bound to."""

    name: str
    version: str
    chain_id: str
    revision: int


# Account


class Account(msgspec.Struct, rename="camel"):
    """The sub-account that owns the key. The vault comes as text or number."""

    l2_key: str = msgspec.field(name="l2Key")
    l2_vault: Id = msgspec.field(name="l2Vault")
    account_id: Id | None = None
    id: Id | None = None
    status: str = ""


class Balance(msgspec.Struct, rename="camel"):
    """Collateral, equity and margin, on REST and on the stream."""

    collateral_name: str
    balance: Decimal
    equity: Decimal
    available_for_trade: Decimal
    unrealised_pnl: Decimal
    initial_margin: Decimal
    updated_time: int


class Leverage(msgspec.Struct):
    """What the account has set for one market."""

    market: str
    leverage: Decimal


class Fee(msgspec.Struct, rename="camel"):
    """What the account pays on one market, as fractions."""

    market: str
    maker_fee_rate: Decimal
    taker_fee_rate: Decimal


class Position(msgspec.Struct, rename="camel"):
    """A position. ``size`` is absolute, its sign is in ``side``. One documented sample names the times otherwise."""

    market: str
    side: str
    size: Decimal
    open_price: Decimal
    unrealised_pnl: Decimal
    leverage: Decimal
    status: str = "OPENED"
    mark_price: Decimal | None = None
    liquidation_price: Decimal | None = None
    updated_at: int | None = None
    updated_time: int | None = None


# Orders


class Trigger(msgspec.Struct, rename="camel"):
    """What a conditional order waits for. The direction has two spellings."""

    trigger_price: Decimal
    trigger_price_type: str | None = None
    direction: str | None = None
    trigger_price_direction: str | None = None
    execution_price_type: str | None = None


class Leg(msgspec.Struct, rename="camel"):
    """A take-profit or stop-loss of an order."""

    trigger_price: Decimal
    price: Decimal | None = None
    trigger_price_type: str | None = None
    price_type: str | None = None


class Order(msgspec.Struct, rename="camel"):
    """An order, on REST and on the stream. ``payedFee`` and ``CANCELLED`` are the venue's spellings."""

    id: Id
    external_id: str
    market: str
    type: str
    side: str
    status: str
    qty: Decimal
    created_time: int
    updated_time: int
    status_reason: str | None = None
    price: Decimal | None = None
    average_price: Decimal | None = None
    filled_qty: Decimal | None = None
    reduce_only: bool = False
    post_only: bool = False
    time_in_force: str | None = None
    expire_time: int | None = None
    trigger: Trigger | None = None
    tp_sl_type: str | None = None
    take_profit: Leg | None = None
    stop_loss: Leg | None = None


class Fill(msgspec.Struct, rename="camel"):
    """A fill of ours; ``side`` is our own. Our id has one name on REST and another on the stream."""

    id: Id
    market: str
    order_id: Id
    side: str
    price: Decimal
    qty: Decimal
    fee: Decimal
    is_taker: bool
    trade_type: str
    created_time: int
    external_id: str | None = None
    external_order_id: str | None = None


class FundingPayment(msgspec.Struct, rename="camel"):
    """Funding paid or received."""

    id: Id
    market: str
    side: str
    funding_fee: Decimal
    funding_rate: Decimal
    paid_time: int
    size: Decimal | None = None


# Streams


class BookLevel(msgspec.Struct, gc=False):
    """
    ``q`` is the size in a snapshot and the signed change in a delta; ``c`` is the size after it. They stay text: the
    same prices come again and again, and of ``q`` and ``c`` only one is needed.
    """

    p: str
    q: str
    c: str | None = None


class Book(msgspec.Struct, gc=False):
    """A book's snapshot or change."""

    m: str
    b: list[BookLevel] | None
    a: list[BookLevel] | None
    t: str = ""


class Price(msgspec.Struct):
    """A mark or index price; ``ts`` of mark prices is 0."""

    m: str
    p: Decimal
    ts: int = 0


class AccountData(msgspec.Struct, rename="camel"):
    """One message of the account's stream; it may hold several sections."""

    is_snapshot: bool = False
    orders: list[Order] | None = None
    trades: list[Fill] | None = None
    positions: list[Position] | None = None
    balance: Balance | None = None


class StreamFrame(msgspec.Struct, Generic[T], gc=False):
    """The envelope of every stream."""

    data: T
    ts: int
    seq: int
    type: str = ""


class AnyFrame(msgspec.Struct):
    """The envelope, for what is not as expected. What is absent is an empty ``Raw``."""

    type: str = ""
    data: msgspec.Raw = msgspec.Raw()
    ts: int | None = None
    seq: int | None = None
    error: str | None = None
