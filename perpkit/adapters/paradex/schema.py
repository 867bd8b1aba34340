"""
Payloads as Paradex sends them, in its own words and units; nothing is converted. Fields that perpkit doesn't read are
left out, and unknown ones are ignored.

Shapes: OpenAPI 1.132 ``responses.*`` and AsyncAPI 1.3 ``Responses*`` (the same for REST and streams). Three habits of
the wire shape the types here:

- quantities are decimal strings, a few are JSON numbers: both are read exactly as ``Decimal``;
- a quantity that has no value is ``""`` or ``"0"``: such fields are ``str`` here and read by ``decode.py``;
- integers are sometimes strings (``"seq_no": "1721903808521364144"`` on testnet): ``wire.py`` reads both.

None of them can be part of a cycle, so the collector is told not to look at them (``gc=False``).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Generic, TypeVar

from msgspec import Struct, field

T = TypeVar("T")


class Results(Struct, Generic[T], frozen=True, gc=False):
    """``{"results": […]}``: ``GET /markets``, ``/balance``, ``/positions``, ``/orders``, …"""

    results: list[T]


class Page(Struct, Generic[T], frozen=True, gc=False):
    """``{"next": "cursor" or null, "prev": …, "results": […]}``: every history."""

    results: list[T]
    next: str | None = None


class ApiError(Struct, frozen=True, gc=False):
    """``{"error": "NOT_ONBOARDED", "message": "User has never called /onboarding endpoint", "data": …}``"""

    error: str
    message: str = ""


class Auth(Struct, frozen=True, gc=False):
    """``{"jwt_token": "eyJ…"}``"""

    jwt_token: str


class SystemState(Struct, frozen=True, gc=False):
    """``{"status": "ok"}``, or ``maintenance``, ``cancel_only``, ``post_only``"""

    status: str


class SystemTime(Struct, frozen=True, gc=False):
    """``{"server_time": "1681493415023"}``, milliseconds"""

    server_time: int


class SystemConfig(Struct, frozen=True, gc=False):
    """``GET /system/config``: what signatures are bound to, and what account addresses are derived from."""

    starknet_chain_id: str
    paraclear_account_hash: str = ""
    paraclear_account_proxy_hash: str = ""


class Fee(Struct, frozen=True, gc=False):
    """``{"fee": "0.0003", "fee_cap": "0", "fee_floor": "0"}``: a fraction of notional"""

    fee: Decimal


class MakerTakerFee(Struct, frozen=True, gc=False):
    """The two sides of one fee schedule."""

    maker_fee: Fee | None = None
    taker_fee: Fee | None = None


class FeeConfig(Struct, frozen=True, gc=False):
    """A market's own fees: for orders by API, from the venue's page, and with the RPI instruction."""

    api_fee: MakerTakerFee | None = None
    interactive_fee: MakerTakerFee | None = None
    rpi_fee: MakerTakerFee | None = None


class MarginParams(Struct, frozen=True, gc=False):
    """``{"imf_base": "0.02", "imf_factor": "0", "imf_shift": "0", "mmf_factor": "0.5"}``"""

    imf_base: Decimal
    mmf_factor: Decimal


class Market(Struct, frozen=True, gc=False):
    """
    A row of ``GET /markets``.

    ``{"symbol": "BTC-USD-PERP", "base_currency": "BTC", "quote_currency": "USD", "settlement_currency": "USDC",
    "order_size_increment": "0.001", "price_tick_size": "0.1", "min_notional": "500", "open_at": 1698756879745,
    "expiry_at": 0, "asset_kind": "PERP", "position_limit": "60", "max_open_orders": 100, "max_order_size": "100", …}``
    """

    symbol: str
    base_currency: str
    quote_currency: str
    settlement_currency: str
    price_tick_size: Decimal
    order_size_increment: Decimal
    asset_kind: str
    min_notional: str = ""
    max_order_size: str = ""
    position_limit: str = ""
    price_bands_width: str = ""
    max_open_orders: int | None = None
    funding_period_hours: Decimal | None = None
    open_at: int = 0
    expiry_at: int = 0
    trading_mode: str = ""
    fee_config: FeeConfig | None = None
    delta1_cross_margin_params: MarginParams | None = None


class MarketKind(Struct, frozen=True, gc=False):
    """Enough of a market row to tell whether the rest is for us."""

    symbol: str = "?"
    asset_kind: str = "?"


class MarketSummary(Struct, frozen=True, gc=False):
    """
    A row of ``GET /markets/summary`` and of the channel ``markets_summary``.

    ``{"symbol": "BTC-USD-PERP", "mark_price": "67307.7225876", "last_traded_price": "66821.1", "bid": "66821.1",
    "ask": "67643.2", "volume_24h": "2611476.26", "created_at": 1718377962698, "underlying_price": "66806.71304318",
    "open_interest": "152.777", "funding_rate": "0.00749938923192", …}``
    """

    symbol: str
    created_at: int
    mark_price: str = ""
    last_traded_price: str = ""
    bid: str = ""
    ask: str = ""
    underlying_price: str = ""
    open_interest: str = ""
    volume_24h: str = ""
    funding_rate: str = ""


class BookSide(Struct, frozen=True, gc=False):
    """
    ``{"side": "BUY", "price": "30112.22", "size": "0.04"}``: a level of the book's channel. Its numbers stay text:
    most are the same from frame to frame, and ``decode_book.py`` remembers what they mean.
    """

    side: str
    price: str
    size: str


class OrderBookUpdate(Struct, frozen=True, gc=False):
    """
    A frame of ``order_book.{market}.…``: ``update_type`` is ``s`` for a snapshot (all of it in ``inserts``) and ``d``
    for changes. ``seq_no`` counts the market's updates.
    """

    market: str
    seq_no: int
    last_updated_at: int
    update_type: str
    inserts: list[BookSide] | None = None
    updates: list[BookSide] | None = None
    deletes: list[BookSide] | None = None


class OrderBook(Struct, frozen=True, gc=False):
    """``GET /orderbook/{market}``: ``[price, size]`` pairs, best first."""

    market: str
    seq_no: int
    last_updated_at: int
    asks: list[tuple[Decimal, Decimal]] | None
    bids: list[tuple[Decimal, Decimal]] | None


class Trade(Struct, frozen=True, gc=False):
    """
    ``{"id": "12345643", "market": "BTC-USD-PERP", "side": "BUY", "size": "0.01", "price": "30001.2",
    "created_at": 1681497002041, "trade_type": "FILL"}``; the side is the taker's
    """

    id: str
    market: str
    side: str
    price: Decimal
    size: Decimal
    created_at: int
    trade_type: str = "FILL"


class RequestInfo(Struct, frozen=True, gc=False):
    """What became of a modification: ``message`` is filled when it failed (OpenAPI ``responses.RequestInfo``)."""

    status: str = ""
    message: str = ""


class Order(Struct, frozen=True, gc=False):
    """
    An order, over REST and on ``orders.{market}``.

    ``{"id": "1721903808500201709220290000", "account": "0x5d…", "market": "SOL-USD-PERP", "side": "BUY", "type":
    "LIMIT", "size": "0.3", "remaining_size": "0.3", "price": "50", "status": "CLOSED", "created_at": 1721903808505,
    "last_updated_at": 1721903808521, "cancel_reason": "ORDER_SIZE_BELOW_MIN", "client_id": "",
    "seq_no": 1721903808521364144, "instruction": "GTC", "avg_fill_price": "", "flags": [], "trigger_price": "0", …}``
    """

    id: str
    market: str
    side: str
    type: str
    size: Decimal
    remaining_size: Decimal
    status: str
    instruction: str
    price: str = ""
    avg_fill_price: str = ""
    trigger_price: str = ""
    client_id: str = ""
    cancel_reason: str = ""
    flags: list[str] | None = None
    created_at: int = 0
    last_updated_at: int = 0
    seq_no: int | None = None
    request_info: RequestInfo | None = None


class ErrorItem(Struct, frozen=True, gc=False):
    """An entry of ``errors`` in the answer to a batch; null or blank where that order was taken."""

    error: str = ""
    message: str = ""


class BatchReply(Struct, frozen=True, gc=False):
    """``POST /orders/batch``: orders and errors, each null where the other has a value."""

    orders: list[Order | None] | None = None
    errors: list[ErrorItem | None] | None = None


class CancelResult(Struct, frozen=True, gc=False):
    """``{"id": …, "client_id": …, "status": "QUEUED_FOR_CANCELLATION"}``, ``ALREADY_CLOSED`` or ``NOT_FOUND``"""

    status: str
    id: str = ""
    client_id: str = ""
    market: str = ""


class Fill(Struct, frozen=True, gc=False):
    """
    A fill, over REST and on ``fills.{market}``. ``side`` is the TAKER's side, also where we were the maker; ``fee`` is
    negative for a rebate. What was settled or transferred has no order, and may have no liquidity.
    """

    id: str
    market: str
    side: str
    price: Decimal
    size: Decimal
    created_at: int
    fee: str
    order_id: str = ""
    liquidity: str = ""
    fee_currency: str = ""
    client_id: str = ""
    fill_type: str = "FILL"
    realized_pnl: str = ""
    realized_funding: str = ""


class Position(Struct, frozen=True, gc=False):
    """
    A position, over REST and on ``positions``. ``size`` is signed; ``unrealized_pnl`` includes
    ``unrealized_funding_pnl``, and ``realized_positional_pnl`` includes ``realized_positional_funding_pnl``.
    """

    market: str
    side: str
    size: Decimal
    status: str
    average_entry_price: str = ""
    unrealized_pnl: str = ""
    unrealized_funding_pnl: str = ""
    realized_positional_pnl: str = ""
    realized_positional_funding_pnl: str = ""
    liquidation_price: str = ""
    leverage: str = ""
    seq_no: int | None = None
    last_updated_at: int | None = None


class Balance(Struct, frozen=True, gc=False):
    """``{"token": "USDC", "size": "78.544", "last_updated_at": 1721828383887}``: settled, without unrealized PnL"""

    token: str
    size: Decimal
    last_updated_at: int = 0


class BalanceEvent(Struct, frozen=True, gc=False):
    """A frame of ``balance_events``: one change of the settlement asset's balance, before and after."""

    type: str
    created_at: int
    settlement_asset_name: str
    settlement_asset_balance_after: Decimal


class AccountSummary(Struct, frozen=True, gc=False):
    """``GET /account`` and the channel ``account``, in units of ``settlement_asset``."""

    account: str
    account_value: Decimal
    free_collateral: Decimal
    initial_margin_requirement: Decimal
    maintenance_margin_requirement: Decimal
    total_collateral: Decimal
    settlement_asset: str
    status: str = ""
    updated_at: int = 0
    seq_no: int | None = None


class AccountFees(Struct, frozen=True, gc=False):
    """``fees`` of ``GET /account/info``: fractions of notional for perpetuals."""

    maker_rate: str = ""
    taker_rate: str = ""


class AccountInfo(Struct, frozen=True, gc=False):
    """A row of ``GET /account/info``."""

    account: str
    kind: str = ""
    isolated_market: str = ""
    fees: AccountFees | None = None


class MarginEntry(Struct, frozen=True, gc=False):
    """``{"market": "BTC-USD-PERP", "leverage": 10, "margin_type": "CROSS", "isolated_margin_leverage": 5}``"""

    market: str
    leverage: int
    margin_type: str
    isolated_margin_leverage: int | None = None


class MarginConfigs(Struct, frozen=True, gc=False):
    """``GET /account/margin?market=``"""

    configs: list[MarginEntry] = field(default_factory=list)
    margin_methodology: str = ""


class MarginUpdate(Struct, frozen=True, gc=False):
    """``POST /account/margin/{market}``"""

    leverage: int
    margin_type: str
    market: str = ""


class FundingData(Struct, frozen=True, gc=False):
    """
    A row of ``GET /funding/data`` and a frame of ``funding_data.{market}``. ``funding_rate`` is for
    ``funding_period_hours`` (``funding_rate_8h`` is the same brought to 8 hours); positive means that longs pay.
    """

    market: str
    created_at: int
    # Nearly every value is new, so they are read at once rather than remembered by their text; a blank is left out.
    funding_rate: Decimal | None = None
    funding_index: Decimal | None = None
    funding_period_hours: int | Decimal | None = None


class FundingPayment(Struct, frozen=True, gc=False):
    """``{"id": …, "market": "BTC-USD-PERP", "payment": "34.4490622", "index": "-2819.5", "created_at": …}``"""

    id: str
    market: str
    payment: Decimal
    created_at: int
    index: str = ""


class Kline(Struct, array_like=True, frozen=True, gc=False):
    """``[1719993660000, 60823.3, 60823.3, 60823.3, 60823.3, 4561]``: opened (ms), open, high, low, close, volume"""

    opened_at: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal


class RpcErrorBody(Struct, frozen=True, gc=False):
    """``{"code": 40111, "message": "Invalid bearer token"}``"""

    code: int
    message: str = ""
    data: Any = None


class Created(Struct, frozen=True, gc=False):
    """``result`` of ``order.create`` and of ``order.modify``."""

    order: Order


class CreatedItem(Struct, frozen=True, gc=False):
    """An entry of ``results`` of ``order.create_batch``: an order, or the words of its refusal."""

    order: Order | None = None
    error: str = ""


class CreatedBatch(Struct, frozen=True, gc=False):
    """``result`` of ``order.create_batch``, in the order of the request."""

    results: list[CreatedItem]


class CancelQueued(Struct, frozen=True, gc=False):
    """``result`` of ``order.cancel``."""

    status: str = ""
    order_id: str = ""
