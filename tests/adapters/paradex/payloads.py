"""What the venue sends, with a value of its own in each field, and how the tests of decoding read it."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from perpkit.adapters.paradex import decode, decode_account, schema, wire
from perpkit.core.models import FundingKind
from tests.adapters.paradex.conftest import NOW, make_market

MARKET = make_market()
AT = 1_700_000_000_123
MOMENT = datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=UTC)
"""AT: 1,700,000,000 s after 1970 is 2023-11-14 22:13:20."""


def read(type_, **fields):
    """Read a payload as the plugin does."""
    return wire.read(type_, json.dumps(fields), what="test")


def told(model, *left_out):
    """Return a model's fields that are set to something, by name."""
    names = set(type(model).model_fields) - set(left_out)
    return {name: getattr(model, name) for name in names if getattr(model, name) is not None}


def ms(*moment):
    """Return a moment of UTC in milliseconds since 1970."""
    return int(datetime(*moment, tzinfo=UTC).timestamp()) * 1000


MARKET_ROW = {
    "symbol": "ETH-USD-PERP",
    "base_currency": "ETH",
    "quote_currency": "USD",
    "settlement_currency": "USDC",
    "order_size_increment": "0.001",
    "price_tick_size": "0.01",
    "min_notional": "3",
    "max_order_size": "100",
    "position_limit": "500",
    "price_bands_width": "0.05",
    "max_open_orders": 101,
    "funding_period_hours": 4,
    "asset_kind": "PERP",
    "open_at": AT,
    "expiry_at": 0,
    "trading_mode": "STANDARD",
    "fee_config": {
        "api_fee": {"maker_fee": {"fee": "-0.00005"}, "taker_fee": {"fee": "0.0003"}},
        "interactive_fee": {"maker_fee": {"fee": "0"}, "taker_fee": {"fee": "0"}},
    },
    "delta1_cross_margin_params": {"imf_base": "0.02", "imf_factor": "0", "imf_shift": "0", "mmf_factor": "0.6"},
}
SUMMARY = {
    "symbol": "BTC-USD-PERP",
    "created_at": AT,
    "bid": "1.1",
    "ask": "1.2",
    "last_traded_price": "1.3",
    "mark_price": "1.4",
    "underlying_price": "1.5",
    "volume_24h": "1.6",
    "open_interest": "1.7",
    "funding_rate": "-0.8",
}
TRADE = {
    "id": "12345643",
    "market": "BTC-USD-PERP",
    "side": "SELL",
    "price": "30001.2",
    "size": "0.01",
    "created_at": AT,
    "trade_type": "FILL",
}
ACCOUNT = {
    "account": "0x49",
    "account_value": "105",
    "free_collateral": "-7",
    "initial_margin_requirement": "63",
    "maintenance_margin_requirement": "31",
    "total_collateral": "99",
    "settlement_asset": "USDC",
    "status": "ACTIVE",
    "updated_at": AT,
}
POSITION = {
    "market": "BTC-USD-PERP",
    "side": "SHORT",
    "size": "-0.345",
    "status": "OPEN",
    "average_entry_price": "29001.34",
    "unrealized_pnl": "-123.23",
    "unrealized_funding_pnl": "12.234",
    "realized_positional_pnl": "-100",
    "realized_positional_funding_pnl": "3.5",
    "liquidation_price": "31000",
    "leverage": "10",
    "seq_no": 1681471234972000000,
    "last_updated_at": AT,
}
ORDER = {
    "id": "123456",
    "market": "BTC-USD-PERP",
    "side": "SELL",
    "type": "STOP_LIMIT",
    "size": "0.05",
    "remaining_size": "0.02",
    "status": "CLOSED",
    "price": "26000",
    "avg_fill_price": "26001.5",
    "trigger_price": "26500",
    "client_id": "x1234",
    "cancel_reason": "USER_CANCELED",
    "instruction": "POST_ONLY",
    "flags": ["STOP_CONDITION_BELOW_TRIGGER", "REDUCE_ONLY"],
    "created_at": AT,
    "last_updated_at": AT + 1000,
    "seq_no": 1681471234972000000,
}
RESTING = {
    "side": "BUY",
    "type": "LIMIT",
    "remaining_size": "0.05",
    "status": "OPEN",
    "avg_fill_price": "",
    "trigger_price": "0",
    "cancel_reason": "",
    "instruction": "GTC",
    "flags": [],
}
"""What an order that just rests has otherwise: blanks and zeros for what is not there."""
FILL = {
    "id": "861",
    "market": "BTC-USD-PERP",
    "order_id": "168",
    "client_id": "x1234",
    "side": "BUY",
    "liquidity": "MAKER",
    "price": "30000.12",
    "size": "0.5",
    "fee": "-7.56",
    "fee_currency": "DIME",
    "fill_type": "LIQUIDATION",
    "created_at": AT,
    "realized_pnl": "7.5",
    "realized_funding": "-0.01",
}


def market_row(**changes):
    return read(schema.Market, **{**MARKET_ROW, **changes})


def market_of(**changes):
    return decode.market(market_row(**changes), NOW)


def update(kind, seq_no=9, **levels):
    """Return a frame of the book: ``update("d", inserts=[("BUY", "99", "2")])``; a list may be None."""
    lists = {
        name: rows and [{"side": side, "price": price, "size": size} for side, price, size in rows]
        for name, rows in levels.items()
    }
    fields = {"market": "BTC-USD-PERP", "seq_no": seq_no, "last_updated_at": AT, "update_type": kind}
    return read(schema.OrderBookUpdate, **{"inserts": [], "updates": [], "deletes": [], **fields, **lists})


def funding_of(**changes):
    """Return a rate as observed, or None."""
    fields = {
        "market": "BTC-USD-PERP",
        "created_at": AT,
        "funding_rate": "0.0002",
        "funding_index": "-2819.5",
        "funding_period_hours": 4,
    }
    row = read(schema.FundingData, **{**fields, **changes})
    return decode.funding(row, MARKET, NOW, kind=FundingKind.SAMPLE, source="funding_data")


def account_row(**changes):
    return read(schema.AccountSummary, **{**ACCOUNT, **changes})


def position_of(**changes):
    return decode_account.position(read(schema.Position, **{**POSITION, **changes}), MARKET, NOW)


def order_row(**changes):
    """Return the row of an order that rests."""
    return read(schema.Order, **{**ORDER, **RESTING, **changes})


def order_of(is_stream=True, **changes):
    """Return an order that has something in each of its fields."""
    return decode_account.order(read(schema.Order, **{**ORDER, **changes}), MARKET, NOW, is_stream=is_stream)


def fill_row(**changes):
    """Return the row of an ordinary fill as taker, which paid a fee."""
    taken = {"liquidity": "TAKER", "fill_type": "FILL", "fee": "7.56", "fee_currency": "USDC"}
    return read(schema.Fill, **{**FILL, **taken, **changes})
