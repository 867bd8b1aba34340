"""
Lighter, over the local Lighter of :mod:`perpkit.sim`. The contract is the venue's own OpenAPI document of July 2026,
brought up to lighter-sdk 1.1.8; transactions are held against the fields that its SDK signs, frames against its
WebSocket reference.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import msgspec

import perpkit.sim.venues.lighter as local_lighter
from perpkit.core.errors import (
    AuthError,
    OrderNotFoundError,
    OrderRejectedError,
    PerpkitError,
    RateLimitError,
    UnknownMarketError,
)
from perpkit.sim.accounts import FundingPayment
from perpkit.sim.clock import SimClock
from perpkit.sim.orders import Fill, Trade
from perpkit.sim.venues.lighter import LocalLighter, Settings
from perpkit_conformance.contract import Contract, EmbeddedJson, JsonMessages, OpenApi, load_json
from perpkit_conformance.names import Names
from perpkit_conformance.profile import DEPOSIT, LocalVenue, VenueProfile

_CONTRACT = Path(local_lighter.__file__).parent / "contract" / "openapi.json"

_NUMBER = {"type": "integer", "minimum": 0}
_ORDER_FIELDS = (
    "MarketIndex", "ClientOrderIndex", "BaseAmount", "Price", "IsAsk", "Type", "TimeInForce", "ReduceOnly",
    "TriggerPrice", "OrderExpiry",
)  # fmt: skip
_FIELDS = {
    14: _ORDER_FIELDS,
    15: ("MarketIndex", "Index"),
    16: ("TimeInForce", "Time"),
    17: ("MarketIndex", "Index", "BaseAmount", "Price", "TriggerPrice"),
    20: ("MarketIndex", "InitialMarginFraction", "MarginMode"),
    29: ("MarketIndex", "USDCAmount", "Direction"),
}
"""What each type of transaction signs beside account, key, nonce and time (lighter-go; lighter-sdk 1.1.8)."""
_ENUMS = {
    "IsAsk": 1,
    "ReduceOnly": 1,
    "MarginMode": 1,
    "Direction": 1,
    "TimeInForce": 2,
    "Type": 6,
    "MarketIndex": 254,
    "ApiKeyIndex": 254,
    "InitialMarginFraction": 10_000,
    "Price": 2**32 - 1,
    "TriggerPrice": 2**32 - 1,
    "BaseAmount": 2**48 - 1,
    "ClientOrderIndex": 2**48 - 1,
}
"""The largest value of each field that has one."""


def _tx_info(fields: tuple[str, ...]) -> dict[str, Any]:
    numbers = ("AccountIndex", "ApiKeyIndex", *fields, "ExpiredAt", "Nonce")
    properties: dict[str, Any] = {
        name: {**_NUMBER, "maximum": _ENUMS[name]} if name in _ENUMS else _NUMBER for name in numbers
    }
    properties["Sig"] = {"type": "string"}
    properties["L2TxAttributes"] = {"type": ["object", "null"]}
    return {"type": "object", "properties": properties, "required": [*numbers, "Sig"]}


_CHANNEL = {"type": "string"}
_MARKET_CHANNELS = ("order_book", "ticker", "trade", "market_stats", "spot_market_stats")
_ACCOUNT_CHANNELS = (
    "account_all", "user_stats", "account_all_trades", "account_all_positions", "account_all_orders",
    "account_all_assets", "account_tx", "notification",
)  # fmt: skip


@cache
def lighter_contract() -> Contract:
    """Return the contract; the file is read once."""
    infos = {str(code): _tx_info(fields) for code, fields in _FIELDS.items()}
    subscribe = {"type": _CHANNEL, "channel": _CHANNEL, "auth": {"type": "string"}}
    leave = {"type": _CHANNEL, "channel": _CHANNEL}
    return Contract(
        rest=OpenApi(
            load_json(_CONTRACT),
            identifiers={"account_index": r"\d+", "market_id": r"\d+"},
            embedded={
                "tx_info": EmbeddedJson(infos, by="tx_type"),
                "tx_infos": EmbeddedJson(infos, by="tx_types", many=True),
            },
        ),
        frames=JsonMessages(
            {
                "subscribe": {"type": "object", "properties": subscribe, "required": ["type", "channel"]},
                "unsubscribe": {"type": "object", "properties": leave, "required": ["type", "channel"]},
                **{word: {"type": "object", "properties": {"type": _CHANNEL}} for word in ("ping", "pong")},
            },
            channels=(
                *(f"{name}/{{market}}" for name in _MARKET_CHANNELS),
                *(f"{name}/{{account}}" for name in _ACCOUNT_CHANNELS),
                "account_orders/{market}/{account}",
                "account_market/{market}/{account}",
                "candle/{market}/{resolution}",
                "mark_price_candle/{market}/{resolution}",
                "height",
            ),
            identifiers={
                "market": r"\d+|all",
                "account": r"\d+",
                "resolution": "1m|5m|15m|30m|1h|4h|12h|1d",
            },
            queries={"readonly": ("true",)},
        ),
        source="Lighter 2026-07 with lighter-sdk 1.1.8",
    )


_NUMBERS = {"ETH": 0, "BTC": 1, "SOL": 2, "DOGE": 3}
"""The local venue's numbers of its markets."""


class LighterNames(Names):
    """
    Orders go by numbers that count up for asks and down for bids, the two fills of a trade share its number, and a
    funding payment goes by its market and a number.
    """

    def __init__(self, local: LocalLighter) -> None:
        self._local = local
        self._records = local.venue.records

    def order(self, ledger_id: str) -> str:
        """Return the number of an order; what never was one keeps its name."""
        try:
            return str(self._records.order_index(ledger_id))
        except KeyError:
            return ledger_id

    def ledger_order(self, wire_id: str) -> str:
        """Return the exchange's name of the order with a number."""
        return (self._records.order_id(int(wire_id)) if wire_id.isdecimal() else None) or wire_id

    def fills(self, account_id: str, fills: Sequence[Fill]) -> Sequence[str]:
        """Return the numbers of trades: an account's are recorded in the order in which its fills are."""
        every = self._local.exchange.fills(account_id)
        own = self._records.account_trades[account_id]
        numbers = {fill.id: str(record.id) for fill, record in zip(every, own, strict=True)}
        return [numbers[each.id] for each in fills]

    def trades(self, symbol: str, trades: Sequence[Trade]) -> Sequence[str]:
        """Return the numbers of trades, which are recorded in the order of the tape."""
        every, records = self._local.exchange.trades(symbol), self._records.trades[symbol]
        numbers = {trade.id: str(record.id) for trade, record in zip(every, records, strict=True)}
        return [numbers[each.id] for each in trades]

    def payment(self, payment: FundingPayment) -> str:
        """Return what tells a payment from those of other markets and hours."""
        return f"{_NUMBERS[payment.market]}:{payment.sequence}"


class LighterProfile(VenueProfile):
    """See the module's text."""

    name = "lighter"
    settle_asset = "USDC"
    markets = MappingProxyType({f"{symbol}-USDC-PERP": symbol for symbol in ("BTC", "ETH", "SOL", "DOGE")})
    # Ticks and steps are powers of ten, ratios ten-thousandths, and every market exchanges funding each hour.
    market_rules = MappingProxyType(
        {
            "tick_size": Decimal("0.01"),
            "step_size": Decimal("0.001"),
            "maintenance_margin": Decimal("0.0313"),
            "initial_margin": Decimal("0.0625"),
            "funding_period": timedelta(hours=1),
        }
    )
    shortest_switch = timedelta(minutes=5)
    keepalives = ('{"type":"ping"}', '{"type":"pong"}')
    longest_silence = timedelta(minutes=2)
    clashing_ids = ("hbot-70173850472843", "hbot-15743113695600")
    longest_life = timedelta(days=28)
    cancels_are_late = True
    names_late = True
    zero_when_absent = frozenset({"taker_fee", "maker_fee"})
    not_offered = MappingProxyType(
        {
            "time_in_force:fok": "the venue has immediate-or-cancel, good-till-time and post-only",
            "set_position_mode": "positions are one-way, and nothing sets that",
            "funding:continuous": "funding is exchanged on the hour",
            "trigger:mark": "the venue watches the mark price; no field of an order says so",
            "trigger:index": "the venue watches the mark price; no field of an order says so",
            "trigger:last": "the venue watches the mark price; no field of an order says so",
            "sign_in": "clients sign their tokens themselves; nothing is asked of the venue",
            "accept_window": "the signing library dates every transaction 599 s ahead",
            "several_funding_periods": "every market exchanges funding each hour",
            "funding_period_changes": "every market exchanges funding each hour",
        }
    )
    unpublished = MappingProxyType(
        {
            "Market.max_size": "orders are limited by value",
            "Market.position_limit": "the listing has none",
            "Market.maker_fee": "the listing says 0.0000 to everybody; fees are the account's own",
            "Market.taker_fee": "the listing says 0.0000 to everybody; fees are the account's own",
            "Market.status:post_only": "a market's row has no such word",
            "Market.status:cancel_only": "a market's row has no such word",
            "VenueStatus:maintenance": "GET / says that it answers, and no more",
            "VenueStatus:post_only": "GET / says that it answers, and no more",
            "VenueStatus:cancel_only": "GET / says that it answers, and no more",
            "Market.max_open_orders": "the listing has none",
            "Market.price_band": "the listing has none",
            "Ticker.bid_price": "the details of all markets hold no quotes",
            "Ticker.ask_price": "the details of all markets hold no quotes",
            "Candle:index": "the venue has bars of trades and of the mark price",
            "Ticker.ts_venue": "market details carry no time",
            "Ticker.open_interest": "the stream gives it in USDC",
            "BookSnapshot.ts_venue": "the REST book carries no time",
            "BookSnapshot.sequence": "the REST book carries no number",
            "Position.mark_price": "a position's row has its value, not its price",
            "Position.accrued_funding": "funding is exchanged each hour, and not accrued",
            "Fill.realized_pnl": "left out where it is zero, as every field is",
            "Fill.realized_funding": "funding is exchanged each hour, not with trades",
            "Candle.volume": "bars of the mark price have none",
        }
    )
    http_faults = MappingProxyType(
        {
            "check_health": "GET /",
            "fetch_markets": "GET /api/v1/orderBookDetails",
            "fetch_ticker": "GET /api/v1/orderBookDetails",
            "fetch_tickers": "GET /api/v1/orderBookDetails",
            "fetch_order_book": "GET /api/v1/orderBookOrders",
            "fetch_trades": "GET /api/v1/*rades",
            "fetch_candles": "GET /api/v1/candles",
            "fetch_funding_rates": "GET /api/v1/funding-rates",
            "fetch_funding_history": "GET /api/v1/fundings",
            "fetch_funding_payments": "GET /api/v1/positionFunding",
            "fetch_account": "GET /api/v1/account",
            "fetch_balances": "GET /api/v1/account",
            "fetch_positions": "GET /api/v1/account",
            "fetch_fees": "GET /api/v1/accountLimits",
            "fetch_leverage": "GET /api/v1/account",
            "set_leverage": "POST /api/v1/sendTx",
            "set_margin_mode": "POST /api/v1/sendTx",
            "adjust_margin": "POST /api/v1/sendTx",
            "place_order": "POST /api/v1/sendTx",
            "place_orders": "POST /api/v1/sendTxBatch",
            "amend_order": "POST /api/v1/sendTx",
            "cancel_order": "POST /api/v1/sendTx",
            "cancel_orders": "POST /api/v1/sendTxBatch",
            "cancel_all_orders": "POST /api/v1/sendTx",
            "set_dead_man_switch": "POST /api/v1/sendTx",
            "fetch_order": "GET /api/v1/account*Orders",
            "fetch_open_orders": "GET /api/v1/accountActiveOrders",
            "fetch_order_history": "GET /api/v1/accountInactiveOrders",
            "fetch_fills": "GET /api/v1/trades",
        }
    )
    frame_faults = MappingProxyType(
        {
            "book": "order_book:*",
            "trades": "trade:*",
            "ticker": "market_stats:*",
            "funding": "market_stats:*",
            "orders": "account_all_orders:*",
            "fills": "account_all_trades:*",
            "positions": "account_all_positions:*",
            "balances": "user_stats:*",
            "funding_payments": "account_all:*",
        }
    )

    def __init__(self) -> None:
        self.contract = lighter_contract()

    def local(self, *, seed: int, accounts: int = 2, deposit: Decimal = DEPOSIT, **options: Any) -> LocalVenue:
        """Make a local Lighter on a manual clock, whose accounts are of the tier that may read the most and trade."""
        return LocalLighter(
            seed=seed,
            accounts=accounts,
            deposit=deposit,
            **{"clock": SimClock(), "settings": Settings(tier="plus"), **options},
        )

    def account_id(self, local: LocalVenue, account: int) -> str:
        """Return the account's number: the ledger uses it as well."""
        return str(_lighter(local).accounts[account].account_index)

    def names(self, local: LocalVenue) -> Names:
        """Return the wire's names: the ledger has others."""
        return LighterNames(_lighter(local))

    def settings(self, local: LocalVenue, *, account: int = 0, key: str = "main") -> dict[str, Any]:
        """Return addresses and credentials: ``main`` (the first API key), ``subkey``, ``several`` (all) or ``none``."""
        keys = _lighter(local).accounts[account]
        index, last = {"account_index": keys.account_index}, max(keys.api_keys)
        credentials: dict[str, dict[str, Any]] = {
            "none": {},
            "main": {**index, "api_key_index": keys.api_key_index, "api_private_key": keys.private_key},
            "subkey": {**index, "api_key_index": last, "api_private_key": keys.api_keys[last]},
            "several": {**index, "api_keys": dict(keys.api_keys)},
        }
        places = {"environment": "local", "rest_url": local.url, "ws_url": local.ws_url}
        return {**places, "tier": "plus", **credentials[key]}

    def key_kinds(self) -> tuple[str, ...]:
        """Return the kinds: one API key, another one of the same account, and several that are used in turn."""
        return ("main", "subkey", "several")

    def secrets(self, local: LocalVenue) -> list[str]:
        """Return every private key of the local accounts."""
        return [key for account in _lighter(local).accounts for key in account.api_keys.values()]

    def bad_settings(self, local: LocalVenue) -> Mapping[str, Mapping[str, Any]]:
        """Return malformed credentials by what is wrong with them."""
        good = self.settings(local)
        return {
            "a key that is no number": {**good, "api_private_key": "not a key at all"},
            "a key that is empty": {**good, "api_private_key": ""},
            "an Ethereum key": {**good, "api_private_key": "0x" + "a" * 64},
            "a key beyond the curve's order": {**good, "api_private_key": "f" * 80},
            "a slot that means every key": {**good, "api_key_index": 255},
            "an account that is no number": {**good, "account_index": "my account"},
        }

    def wrong_environment(self, local: LocalVenue) -> Mapping[str, Any] | None:
        """Return settings with a key that is registered elsewhere: slots of one environment hold none of another."""
        return {**self.settings(local), "api_private_key": bytes(range(1, 41)).hex()}

    def is_own_row(self, row: Any) -> bool:
        """Tell whether it is no row of ``/funding-rates`` that quotes another exchange."""
        return not isinstance(row, dict) or row.get("exchange", "lighter") == "lighter"

    def repeatable(self, body: bytes) -> bytes:
        """
        Return a body without what the signing library draws: the point of the signature, and the transaction's end,
        which it dates by the machine's own clock.
        """
        return _DRAWN.sub(b"", body)

    def is_throttled(self, status: int, body: bytes) -> bool:
        """Tell whether it is a 429, or the code of too many requests."""
        return super().is_throttled(status, body) or b'"code":23000' in body.replace(b" ", b"")

    def weighed(self, local: LocalVenue) -> int:
        """Return the weight of the reads that were taken: 6 to 600 each."""
        return _lighter(local).venue.budgets.counted["reads"]

    def error_replies(self) -> Mapping[str, tuple[int, str]]:
        """Return an answer for every documented code."""
        return {
            str(code): (400, msgspec.json.encode({"code": code, "message": f"made up for {code}"}).decode())
            for code in CODES
        }

    def error_classes(self) -> Mapping[str, type[PerpkitError]]:
        """Return what the words of the documented codes leave no doubt about."""
        return {
            **dict.fromkeys(("21100", "21102", "21109", "21110"), AuthError),
            "21602": UnknownMarketError,
            **dict.fromkeys(("21600", "21708", "21709"), OrderNotFoundError),
            **dict.fromkeys(("21718", "21728", "21732", "21733", "21734", "21739"), OrderRejectedError),
            **dict.fromkeys(("23000", "23001", "23002", "23003"), RateLimitError),
        }

    def hurry(self, limit: timedelta) -> dict[str, Any]:
        """Return the plugin's own bound on a request."""
        return {"request_timeout": limit}

    def keeping(self, folder: Path) -> dict[str, Any]:
        """Return the file of client order ids."""
        return {"client_ids": folder / "client-ids.jsonl"}

    def live_settings(self, environment: str, environ: Mapping[str, str]) -> dict[str, Any] | None:
        """Return the settings where credentials are among the environment variables."""
        if not any(name.startswith("LIGHTER_") for name in environ):
            return None
        return {"environment": environment, "environ": dict(environ)}

    def live_addresses(self, environment: str) -> tuple[str, str] | None:
        """Return the addresses that lighter-sdk 1.1.8 has."""
        if environment not in {"mainnet", "testnet"}:
            return None
        host = f"{environment}.zklighter.elliot.ai"
        return f"https://{host}", f"wss://{host}/stream"


_DRAWN = re.compile(rb"%22(ExpiredAt%22%3A\d+|Sig%22%3A%22[^&]*?%22)%2C")
"""The two fields in a form, as sendTx carries them."""

CODES = (
    *(
        20001,
        20013,
        *range(21100, 21104),
        *range(21105, 21114),
        21120,
        21121,
        21122,
        21126,
        21132,
        21133,
        21134,
        21136,
        *range(21300, 21306),
    ),
    *(21500, 21501, 21505, 21506, 21507, 21508, 21511, 21513, 21514, 21600, 21601, 21602, 21603, 21605, 21613, 21614),
    *(21615, 21618, *range(21700, 21716), *range(21717, 21723), 21727, 21728, 21729, 21732, 21733, 21734, 21735),
    *(*range(21738, 21744), *range(22400, 22404), *range(23000, 23004), 29404, 29500, 29501),
)
"""
The venue's error table of July 2026 (apidocs), as far as it is about what a client of perpetuals asks over REST. 21104
is left out: what was refused for its nonce alone was not taken, and goes out once more under another nonce.
"""


def _lighter(local: LocalVenue) -> LocalLighter:
    return cast("LocalLighter", local)
