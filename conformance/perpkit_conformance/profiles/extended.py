"""
Extended, over the local Extended of :mod:`perpkit.sim`. The venue publishes no contract that can be trusted, so the
REST rules are the project's own description of it, which names the source of each fact.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import msgspec

import perpkit.sim.venues.extended as local_extended
from perpkit.core.errors import (
    AuthError,
    OrderNotFoundError,
    OrderRejectedError,
    PerpkitError,
    UnknownMarketError,
    VenueUnavailableError,
)
from perpkit.core.models import OrderType, Side
from perpkit.sim.clock import SimClock
from perpkit.sim.venues.extended import LocalExtended, Settings
from perpkit.sim.venues.extended.listing import LISTINGS
from perpkit_conformance.contract import Contract, OpenApi, UrlStreams, load_yaml
from perpkit_conformance.profile import DEPOSIT, LocalVenue, VenueProfile

_INDEX = {"BTC-USD": Decimal(84021)}
_STEPS: Mapping[str, Mapping[str, Any]] = {
    # Size times price does not always scale without a rest here, so that which way a side is rounded is seen.
    "SOL-USD": {"step_size": Decimal("0.00001"), "synthetic_resolution": 100_000},
}
_CONTRACT = Path(local_extended.__file__).parent / "contract" / "extended.openapi.yaml"


_STREAMS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    # The SDK 2.6.0's v1 client and the documentation of January 2026.
    "/orderbooks/{market}": {"depth": ("1",)},
    "/publicTrades/{market}": {},
    "/funding/{market}": {},
    "/prices/{price}/{market}": {},
    "/account": {},
}


@cache
def extended_contract() -> Contract:
    """Return the contract; the file is read once. Nothing is ever sent over its sockets: the address subscribes."""
    return Contract(
        rest=OpenApi(
            load_yaml(_CONTRACT),
            required_headers={"User-Agent": "the venue refuses requests without it"},
            identifiers={"market": r"[A-Za-z0-9]+-[A-Z]+", "id": r"\d+", "externalId": r"[A-Za-z0-9_-]{1,64}"},
        ),
        frames=UrlStreams(_STREAMS, identifiers={"market": r"[A-Za-z0-9]+-[A-Z]+", "price": "mark|index"}),
        source="Extended, as described by this project (2026-09)",
    )


class ExtendedProfile(VenueProfile):
    """See the module's text."""

    name = "extended"
    # Ticks of 1, 0.1 and 0.05, steps down to 0.00001, and a contract of 1,000 coins with a coarse resolution.
    markets = MappingProxyType(
        {f"{symbol}-PERP": symbol for symbol in ("BTC-USD", "ETH-USD", "SOL-USD", "1000PEPE-USD")}
    )
    settle_asset = "USDC"
    # On the wire, and in the ledger, it is USD; what it is on chain, and to users, is USDC.
    assets = MappingProxyType({"USD": "USDC"})
    longest_life = timedelta(days=28)
    # Every market is charged each hour.
    market_rules = MappingProxyType({"funding_period": timedelta(hours=1)})
    amends_replace = True
    cancels_are_late = True
    not_offered = MappingProxyType(
        {
            "check_health": "no request tells the venue's state or its time",
            "time_in_force:fok": "FOK is in an old enumeration and refused as deprecated",
            "set_margin_mode": "margin is shared across all markets; there is no isolated mode",
            "adjust_margin": "margin is shared across all markets; there is no isolated mode",
            "margin_mode:isolated": "margin is shared across all markets; there is no isolated mode",
            "set_position_mode": "positions are one-way, and nothing sets that",
            "place_orders": "there is no request for several orders",
            "batches": "there is no request for several orders",
            "self_trade_prevention:expire_maker": "the venue does not say which of the two orders goes",
            "self_trade_prevention:expire_taker": "the venue does not say which of the two orders goes",
            "self_trade_prevention:expire_both": "the venue does not say which of the two orders goes",
            "funding:continuous": "funding is paid each hour",
            "channel:funding": "rates are streamed once they are applied; the running one is read by REST",
            "channel:funding_payments": "the account's stream has no section for them; they are read by REST",
            "sign_in": "the API key goes with each request; nothing signs in",
            "sub_keys": "a sub-account has one API key and one Stark key",
            "accept_window": "an order's only bound is its expiry, and a resting order needs a far one",
            "several_funding_periods": "every market is charged each hour",
            "funding_period_changes": "every market is charged each hour",
            "channel_refusals": "an address that is no stream is refused with its connection",
            "shared_connections": "each stream is a connection of its own",
        }
    )
    unpublished = MappingProxyType(
        {
            "Market.max_size": "orders are limited by value",
            "Market.position_limit": "positions are limited by value",
            "Market.min_notional": "there is no least value",
            "Market.maker_fee": "fees are the account's own: GET /user/fees",
            "Market.taker_fee": "fees are the account's own: GET /user/fees",
            "Market.maintenance_margin_fraction": "the listing gives the initial margin alone",
            "Market.status:post_only": "a market's row has no such word; an order is refused",
            "Market.status:cancel_only": "a market's row has no such word; an order is refused",
            "Ticker.ts_venue": "the statistics carry no time",
            "Ticker.last_price": "the streams of quotes and prices carry none; the statistics do",
            "Ticker.volume_24h": "the streams of quotes and prices carry none; the statistics do",
            "Ticker.notional_24h": "the streams of quotes and prices carry none; the statistics do",
            "Ticker.open_interest": "the streams of quotes and prices carry none; the statistics do",
            "FillKind:settlement": "fills are called TRADE, LIQUIDATION or DELEVERAGE",
            "OrderStatus:pending": "an order that was taken and not yet entered has no word of its own",
            "FundingPayment.payment_id": "payments have small numbers of their own",
            "VenueStatus:maintenance": "no request tells the venue's state",
            "VenueStatus:cancel_only": "no request tells the venue's state",
            "VenueStatus:post_only": "no request tells the venue's state",
            "BookSnapshot.ts_venue": "the REST book carries no time",
            "BookSnapshot.sequence": "the REST book carries no number",
            "AccountSummary.maintenance_margin": "there is a rounded ratio, in no established unit",
            "Position.realized_pnl": "GET /user/positions gives it with fees and funding in it",
            "Position.accrued_funding": "funding is paid each hour, and not accrued",
            "Fill.realized_pnl": "a fill carries none",
            "Fill.realized_funding": "a fill carries none",
            "Candle.volume": "candles of mark and index prices have none",
        }
    )
    http_faults = MappingProxyType(
        {
            "fetch_markets": "GET /api/v1/info/markets",
            "fetch_ticker": "GET /api/v1/info/markets/*/stats",
            "fetch_tickers": "GET /api/v1/info/markets",
            "fetch_order_book": "GET /api/v1/info/markets/*/orderbook",
            "fetch_trades": "GET /api/v1/info/markets/*/trades",
            "fetch_candles": "GET /api/v1/info/candles/*",
            "fetch_funding_rates": "GET /api/v1/info/markets",
            "fetch_funding_history": "GET /api/v1/info/*/funding",
            "fetch_funding_payments": "GET /api/v1/user/funding/history",
            "fetch_account": "GET /api/v1/user/balance",
            "fetch_balances": "GET /api/v1/user/balance",
            "fetch_positions": "GET /api/v1/user/positions",
            "fetch_fees": "GET /api/v1/user/fees",
            "fetch_leverage": "GET /api/v1/user/leverage",
            "set_leverage": "PATCH /api/v1/user/leverage",
            "place_order": "POST /api/v1/user/order",
            "amend_order": "POST /api/v1/user/order",
            "cancel_order": "DELETE /api/v1/user/order*",
            "cancel_orders": "POST /api/v1/user/order/massCancel",
            "cancel_all_orders": "POST /api/v1/user/order/massCancel",
            "fetch_order": "GET /api/v1/user/orders/*",
            "fetch_open_orders": "GET /api/v1/user/orders",
            "fetch_order_history": "GET /api/v1/user/orders/history",
            "fetch_fills": "GET /api/v1/user/trades",
            "set_dead_man_switch": "POST /api/v1/user/deadmanswitch",
        }
    )
    frame_faults = MappingProxyType(
        {
            "book": "orderbooks.*",
            "trades": "trades.*",
            "ticker": "prices.*",
            "orders": "account*",
            "fills": "account*",
            "positions": "account*",
            "balances": "account*",
        }
    )

    def __init__(self) -> None:
        self.contract = extended_contract()

    def local(self, *, seed: int, accounts: int = 2, deposit: Decimal = DEPOSIT, **options: Any) -> LocalVenue:
        """Make a local Extended on a manual clock, with the testnet's chain."""
        # Prices on every market's grid, so that what a test computes from them can be sent as it is.
        # Bounds on a position's value lie above what the deposit can back, so that margin is what refuses.
        listings = [
            replace(
                each,
                index_price=_INDEX.get(each.symbol, each.index_price),
                max_position_value=each.max_position_value * 10,
                **_STEPS.get(each.symbol, {}),
            )
            for each in LISTINGS
        ]
        given = {
            "clock": SimClock(),
            "settings": Settings(environment="testnet"),
            "listings": listings,
            **options,
        }
        return LocalExtended(seed=seed, accounts=accounts, deposit=deposit, **given)

    def account_id(self, local: LocalVenue, account: int) -> str:
        """Return the sub-account's number: the ledger uses it as well."""
        return _extended(local).accounts[account].account_id

    def settings(self, local: LocalVenue, *, account: int = 0, key: str = "main") -> dict[str, Any]:
        """Return addresses and credentials: ``main``, ``reading`` (the API key alone) or ``none``."""
        keys = _extended(local).accounts[account]
        whole = {
            "api_key": keys.api_key,
            "stark_private_key": keys.private_key,
            "stark_public_key": keys.public_key,
            "vault": str(keys.vault),
        }
        credentials = {"none": {}, "reading": {"api_key": keys.api_key}, "main": whole}[key]
        return {"environment": "local", "rest_url": local.url, "ws_url": local.ws_url, **credentials}

    def key_kinds(self) -> tuple[str, ...]:
        """Return the two kinds: an API key with its Stark key, and the API key alone."""
        return ("main", "reading")

    def secrets(self, local: LocalVenue) -> list[str]:
        """Return every key of the local accounts."""
        return [secret for keys in _extended(local).accounts for secret in (keys.api_key, keys.private_key)]

    def bad_settings(self, local: LocalVenue) -> Mapping[str, Mapping[str, Any]]:
        """Return malformed credentials by what is wrong with them."""
        good = self.settings(local)
        return {
            "an API key of two words": {**good, "api_key": "two words"},
            "an API key that is empty": {**good, "api_key": ""},
            "a Stark key that is no number": {**good, "stark_private_key": "not a key at all"},
            "a Stark key beyond the curve's order": {**good, "stark_private_key": "0x" + "f" * 64},
            "a public key of another private one": {**good, "stark_public_key": "0x1234"},
            "a vault that is no number": {**good, "vault": "my vault"},
        }

    def wrong_environment(self, local: LocalVenue) -> Mapping[str, Any] | None:
        """Return settings that sign for mainnet: this local Extended has the testnet's chain."""
        return {**self.settings(local), "chain_id": "SN_MAIN"}

    def error_replies(self) -> Mapping[str, tuple[int, str]]:
        """Return an answer for every documented code."""
        return {
            str(code): (400, msgspec.json.encode({"status": "ERROR", "error": _error(code)}).decode()) for code in CODES
        }

    def error_classes(self) -> Mapping[str, type[PerpkitError]]:
        """Return what the names of the documented codes leave no doubt about."""
        return {
            "1001": UnknownMarketError,
            **dict.fromkeys(("1004", "1008", "1500"), AuthError),
            **dict.fromkeys(("1010", "1011", "1012"), VenueUnavailableError),
            **dict.fromkeys(("1101", "1120", "1126", "1128", "1134", "1140"), OrderRejectedError),
            "1142": OrderNotFoundError,
        }

    def option_orders(self, price: Callable[[str], str]) -> Mapping[str, Mapping[str, Any]]:
        """Return orders with legs, each of which has a signature of its own, and one for the whole position."""
        legs: dict[str, Any] = {
            "take_profit_trigger": price("1.1"),
            "take_profit_price": price("1.09"),
            "stop_loss_trigger": price("0.9"),
            "stop_loss_kind": "last",
        }
        closing = {"side": Side.SELL, "reduce_only": True, "options": {"for_position": True}}
        return {
            "both legs": {"options": legs},
            "legs for the position": {"options": {**legs, "for_position": True}},
            "a stop for the position": {
                **closing,
                "type": OrderType.STOP_MARKET,
                "trigger_price": Decimal(price("0.9")),
            },
            "a profit taken of the position": {
                **closing,
                "type": OrderType.TAKE_PROFIT_LIMIT,
                "trigger_price": Decimal(price("1.1")),
                "price": Decimal(price("1.09")),
            },
            "no trades with the wallet's other accounts": {"options": {"self_trade_protection": "client"}},
        }

    def hurry(self, limit: timedelta) -> dict[str, Any]:
        """Return the plugin's own bound on a request."""
        return {"request_timeout": limit}

    def live_settings(self, environment: str, environ: Mapping[str, str]) -> dict[str, Any] | None:
        """Return the settings where credentials are among the environment variables."""
        if not any(name.startswith("EXTENDED_") for name in environ):
            return None
        return {"environment": environment, "environ": dict(environ)}

    def live_addresses(self, environment: str) -> tuple[str, str] | None:
        """Return the addresses that the venue's SDK 2.6.0 has."""
        host = {"mainnet": "starknet", "testnet": "starknet.sepolia"}.get(environment)
        if host is None:
            return None
        api = f"api.{host}.extended.exchange"
        return f"https://{api}/api/v1", f"wss://{api}/stream.extended.exchange/v1"


CODES = (
    *(1000, 1001, 1002, 1003, 1004, 1005, 1006, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 1049, 1050, 10501, 1052),
    *(1053, 1100, 1101, 1102, *range(1120, 1149), 1500, 1600, 1601, 1602, 1604, 1605, 1607, 1608, 1650, 1700, 1701),
    *(1703, 1704),
)
"""The documentation's list of error codes (January 2026)."""


def _error(code: int) -> dict[str, Any]:
    return {"code": code, "message": f"made up for {code}", "debugInfo": None}


def _extended(local: LocalVenue) -> LocalExtended:
    return cast("LocalExtended", local)
