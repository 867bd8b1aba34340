"""
Payloads as Lighter sends them, in its own words and units; nothing is converted. Fields that perpkit doesn't read are
left out, and unknown ones are ignored.

Shapes: the venue's OpenAPI document brought up to lighter-sdk 1.1.8, and its WebSocket reference. Four habits of the
wire shape the types here:

- zero, empty and false fields are left out, so nearly everything has a default;
- a list that is empty may be ``null``; that of an answer is there, or it is another answer;
- quantities are decimal strings in most places and JSON numbers in some: both are read exactly as ``Decimal``;
- a quantity without a value is ``""``, ``"0"`` or ``"0.00"``: where that happens the field is ``str`` here.

None of them can be part of a cycle, so the collector is told not to look at them (``gc=False``).
"""

from __future__ import annotations

from decimal import Decimal

from msgspec import Raw, Struct, field


class ResultCode(Struct, frozen=True, gc=False):
    """``{"code": 21104, "message": "invalid nonce"}``; 200 is yes. A message alone means nothing."""

    code: int = 200
    message: str = ""


class Status(Struct, frozen=True, gc=False):
    """``GET /``: ``{"status": 200, "network_id": 1, "timestamp": 1798999401}``, seconds"""

    status: int
    timestamp: int


class MarketConfig(Struct, frozen=True, gc=False):
    """``market_config`` of a market's details."""

    market_margin_mode: int = 0
    force_reduce_only: bool = False


class OrderBookDetail(Struct, frozen=True, gc=False):
    """
    A perpetual of ``GET /api/v1/orderBookDetails``. Margin fractions count in 1e-4; ``open_interest`` is in base units.
    ``mark_price`` and ``index_price`` are new in lighter-sdk 1.1.8.
    """

    symbol: str
    market_id: int
    size_decimals: int
    price_decimals: int
    min_base_amount: Decimal
    min_quote_amount: Decimal
    default_initial_margin_fraction: int
    min_initial_margin_fraction: int
    maintenance_margin_fraction: int
    status: str
    market_type: str = "perp"
    last_trade_price: Decimal | None = None
    daily_base_token_volume: Decimal | None = None
    daily_quote_token_volume: Decimal | None = None
    open_interest: Decimal | None = None
    mark_price: str = ""
    index_price: str = ""
    market_config: MarketConfig | None = None


class OrderBookDetails(Struct, frozen=True, gc=False):
    """``GET /api/v1/orderBookDetails``; the rows are read one by one, so that one bad row spoils no other."""

    order_book_details: list[Raw] | None


class MarketKind(Struct, frozen=True, gc=False):
    """Enough of a market's row to tell whether the rest is for us."""

    symbol: str = "?"
    market_type: str = "perp"


class SimpleOrder(Struct, frozen=True, gc=False):
    """``{"price": "4050.00", "remaining_base_amount": "0.1000", …}``: one order of the book, not a level"""

    price: Decimal
    remaining_base_amount: Decimal


class OrderBookOrders(Struct, frozen=True, gc=False):
    """``GET /api/v1/orderBookOrders``: single orders, best first on both sides, no number to splice by."""

    asks: list[SimpleOrder] | None
    bids: list[SimpleOrder] | None


class Trade(Struct, frozen=True, gc=False):
    """
    A trade, public or of the account. The taker bought where ``is_maker_ask``. Fees are rates in 1e-6 of
    ``usd_amount``; zero fields are left out.
    """

    trade_id: int
    market_id: int
    price: Decimal
    size: Decimal
    timestamp: int
    is_maker_ask: bool = False
    type: str = "trade"
    usd_amount: Decimal | None = None
    ask_id: int = 0
    bid_id: int = 0
    ask_client_id: int = 0
    bid_client_id: int = 0
    ask_account_id: int | None = None
    bid_account_id: int | None = None
    ask_account_pnl: str = ""
    bid_account_pnl: str = ""
    taker_fee: int = 0
    maker_fee: int = 0


class Trades(Struct, frozen=True, gc=False):
    """``GET /api/v1/trades`` and ``/recentTrades``, newest first."""

    trades: list[Trade] | None
    next_cursor: str | None = None


class Candle(Struct, frozen=True, gc=False):
    """``{"t": 1798999320000, "o": 3999.1, "h": 4001.0, "l": 3998.6, "c": 4000.12, "v": 12.3345}``; volume in base"""

    opened_at: int = field(name="t")
    open: Decimal = field(name="o")
    high: Decimal = field(name="h")
    low: Decimal = field(name="l")
    close: Decimal = field(name="c")
    volume: Decimal = field(name="v", default=Decimal(0))


class Candles(Struct, frozen=True, gc=False, rename={"candles": "c"}):
    """``GET /api/v1/candles`` and ``markPriceCandles``, whose rows have no volume."""

    candles: list[Candle] | None


class Funding(Struct, frozen=True, gc=False):
    """
    An hour of ``GET /api/v1/fundings``: ``rate`` is percent for the hour, unsigned; ``direction`` pays; ``value`` is
    USDC for one base unit; ``timestamp`` in seconds.
    """

    timestamp: int
    rate: Decimal
    direction: str
    value: str = ""


class Fundings(Struct, frozen=True, gc=False):
    """``GET /api/v1/fundings``"""

    fundings: list[Funding] | None


class FundingRate(Struct, frozen=True, gc=False):
    """A row of ``GET /api/v1/funding-rates``: a fraction for 8 hours, of Lighter's or of another exchange's market."""

    market_id: int
    exchange: str
    rate: Decimal | None = None


class FundingRates(Struct, frozen=True, gc=False):
    """``GET /api/v1/funding-rates``"""

    funding_rates: list[FundingRate] | None


class Position(Struct, frozen=True, gc=False):
    """
    A position, over REST and on ``account_all_positions``: ``position`` is unsigned, ``sign`` is 1 or -1;
    ``initial_margin_fraction`` is a percentage.
    """

    market_id: int
    position: Decimal
    sign: int
    initial_margin_fraction: str = ""
    avg_entry_price: str = ""
    position_value: str = ""
    unrealized_pnl: str = ""
    realized_pnl: str = ""
    liquidation_price: str = ""
    margin_mode: int = 0
    allocated_margin: str = ""


class Asset(Struct, frozen=True, gc=False):
    """``balance`` is the spot wallet, ``margin_balance`` what stands as collateral of perpetuals."""

    symbol: str
    asset_id: int
    margin_balance: str = ""


class Account(Struct, frozen=True, gc=False):
    """
    A row of ``GET /api/v1/account``. ``collateral`` is without, ``total_asset_value`` with unrealized PnL.

    The venue's contract requires ``positions``: one that is absent is no proof of a flat account. Null is none.
    """

    index: int
    account_type: int
    positions: list[Position] | None
    l1_address: str = ""
    collateral: str = ""
    available_balance: str = ""
    total_asset_value: str = ""
    cross_initial_margin_requirement: str = ""
    cross_maintenance_margin_requirement: str = ""
    cancel_all_time: int = 0
    assets: list[Asset] | None = None


class Accounts(Struct, frozen=True, gc=False):
    """``GET /api/v1/account``: one row by index, all accounts of an address by ``l1_address``."""

    accounts: list[Account] | None
    next_cursor: str | None = None


class AccountLimits(Struct, frozen=True, gc=False):
    """``GET /api/v1/accountLimits``; fee ticks in 1e-6 of notional."""

    current_maker_fee_tick: int
    current_taker_fee_tick: int
    user_tier: str = ""


class ApiKey(Struct, frozen=True, gc=False):
    """A row of ``GET /api/v1/apikeys``; the key is hex without 0x."""

    api_key_index: int
    public_key: str = ""


class ApiKeys(Struct, frozen=True, gc=False):
    """``GET /api/v1/apikeys``"""

    api_keys: list[ApiKey] | None


class NextNonce(Struct, frozen=True, gc=False):
    """``{"code": 200, "nonce": 7}``"""

    nonce: int


class Order(Struct, frozen=True, gc=False):
    """
    An order, over REST and on ``account_all_orders``. ``side`` may be blank, ``is_ask`` tells; ``created_at`` and
    ``updated_at`` are seconds or milliseconds by deployment, ``transaction_time`` microseconds.
    """

    order_index: int
    market_index: int
    initial_base_amount: Decimal
    remaining_base_amount: Decimal
    type: str
    status: str
    is_ask: bool
    time_in_force: str
    client_order_index: int = 0
    price: str = ""
    filled_base_amount: str = ""
    filled_quote_amount: str = ""
    reduce_only: bool = False
    trigger_price: str = ""
    order_expiry: int = 0
    created_at: int = 0
    updated_at: int = 0
    transaction_time: int = 0


class Orders(Struct, frozen=True, gc=False):
    """``GET /api/v1/accountActiveOrders``, ``accountInactiveOrders`` and ``accountOrders``"""

    orders: list[Order] | None
    next_cursor: str | None = None


class PositionFunding(Struct, frozen=True, gc=False):
    """A row of ``GET /api/v1/positionFunding``: ``change`` is what it did to the account; ``timestamp`` in seconds."""

    timestamp: int
    market_id: int
    funding_id: int
    change: Decimal
    rate: str = ""
    position_size: str = ""
    position_side: str = ""


class PositionFundings(Struct, frozen=True, gc=False):
    """``GET /api/v1/positionFunding``, newest first."""

    position_fundings: list[PositionFunding] | None
    next_cursor: str | None = None


class Sent(Struct, frozen=True, gc=False):
    """The answer to ``sendTx``: the API took it, no more."""

    tx_hash: str = ""


class SentBatch(Struct, frozen=True, gc=False):
    """The answer to ``sendTxBatch``."""

    tx_hash: list[str] | None = None


class Tx(Struct, frozen=True, gc=False):
    """
    A transaction, of ``GET /api/v1/tx`` or ``account_tx``. ``info`` and ``event_info`` are JSON texts. ``status``: 0
    failed, 1 pending, 2 executed, 3 pending final state.
    """

    hash: str
    type: int
    status: int
    info: str = ""
    event_info: str = ""
    nonce: int = 0
    executed_at: int = 0


class EventInfo(Struct, frozen=True, gc=False):
    """``event_info`` of a transaction: ``ae`` is why the sequencer refused it."""

    ae: str = ""


class CreateOrderInfo(Struct, frozen=True, gc=False, rename="pascal"):
    """``info`` of a CreateOrder: its fields as they were signed."""

    market_index: int
    base_amount: int
    price: int
    is_ask: int
    type: int
    client_order_index: int = 0
    time_in_force: int = 0
    reduce_only: int = 0
    trigger_price: int = 0
    order_expiry: int = 0


# Streams


class Level(Struct, frozen=True, gc=False):
    """``{"price": "4050.00", "size": "0.1000"}``; the size is what stands there now"""

    price: str
    size: str


class Book(Struct, frozen=True, gc=False):
    """
    ``order_book`` of a frame. ``begin_nonce`` is the nonce of the frame before; ``offset`` belongs to one server of the
    venue's and is no number to go by.
    """

    nonce: int
    begin_nonce: int = 0
    asks: list[Level] | None = None
    bids: list[Level] | None = None
    last_updated_at: int = 0


class BookFrame(Struct, frozen=True, gc=False):
    """``order_book:{market}``"""

    channel: str
    type: str
    order_book: Book


class Quote(Struct, frozen=True, gc=False):
    """The best of one side; blank where it is empty."""

    price: str = ""
    size: str = ""


class BestQuotes(Struct, frozen=True, gc=False):
    """``ticker`` of a frame."""

    a: Quote | None = None
    b: Quote | None = None
    last_updated_at: int = 0


class TickerFrame(Struct, frozen=True, gc=False):
    """``ticker:{market}``"""

    channel: str
    type: str
    ticker: BestQuotes
    timestamp: int = 0


class TradeFrame(Struct, frozen=True, gc=False):
    """``trade:{market}``; the first one repeats history."""

    channel: str
    type: str
    trades: list[Trade] | None = None
    liquidation_trades: list[Trade] | None = None


class MarketStats(Struct, frozen=True, gc=False):
    """
    ``market_stats`` of a frame. ``current_funding_rate`` is this hour's running estimate, ``funding_rate`` the last one
    settled, at ``funding_timestamp``: both in percent for an hour, positive where longs pay. Open interest is in USDC.
    """

    market_id: int
    mark_price: str = ""
    index_price: str = ""
    last_trade_price: str = ""
    current_funding_rate: str = ""
    funding_rate: str = ""
    funding_timestamp: int = 0
    daily_base_token_volume: Decimal | None = None
    daily_quote_token_volume: Decimal | None = None


class StatsFrame(Struct, frozen=True, gc=False):
    """``market_stats:{market}``"""

    channel: str
    type: str
    market_stats: MarketStats
    timestamp: int = 0


class OrdersFrame(Struct, frozen=True, gc=False):
    """``account_all_orders:{account}``: orders by market; final states come once."""

    channel: str
    type: str
    orders: dict[str, Raw] | None = None


class FillsFrame(Struct, frozen=True, gc=False):
    """``account_all_trades:{account}``: trades by market; the first frame may hold a flat list."""

    channel: str
    type: str
    trades: dict[str, Raw] | list[Trade] | None = None


class EverythingFrame(Struct, frozen=True, gc=False):
    """``account_all:{account}``, of which the payments are read: rows as of ``positionFunding``, by market."""

    channel: str
    type: str
    funding_histories: dict[str, Raw] | None = None


class PositionsFrame(Struct, frozen=True, gc=False):
    """``account_all_positions:{account}``: changed positions by market; a closed one comes with size 0."""

    channel: str
    type: str
    positions: dict[str, Raw] | None = None


class Stats(Struct, frozen=True, gc=False):
    """``stats`` of ``user_stats``."""

    collateral: Decimal
    available_balance: Decimal


class UserStatsFrame(Struct, frozen=True, gc=False):
    """``user_stats:{account}``"""

    channel: str
    type: str
    stats: Stats
    timestamp: int = 0


class TxsFrame(Struct, frozen=True, gc=False):
    """``account_tx:{account}``"""

    channel: str
    type: str
    txs: list[Tx] | None = None


class WsError(Struct, frozen=True, gc=False):
    """``{"code": 30005, "message": "Invalid Channel:  (marketId)"}``"""

    code: int = 0
    message: str = ""


class Head(Struct, frozen=True, gc=False):
    """What every frame may have. An error comes as ``error``, or as a frame of type ``error``."""

    type: str = ""
    channel: str = ""
    error: WsError | str | None = None
    code: int = 0
    message: str = ""
    close_in_ms: int | None = None
