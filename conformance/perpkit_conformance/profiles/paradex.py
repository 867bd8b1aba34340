"""
Paradex, over the local Paradex of :mod:`perpkit.sim`. The contract is the venue's own, release 1.132, with what its
documentation says beyond it laid over.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import msgspec

import perpkit.sim.venues.paradex as local_paradex
from perpkit.core.errors import (
    AuthError,
    OrderNotFoundError,
    PerpkitError,
    UnknownMarketError,
    VenueUnavailableError,
)
from perpkit.core.models import OrderType, Side
from perpkit.sim.clock import SimClock
from perpkit.sim.venues.paradex import LocalParadex
from perpkit_conformance.contract import Contract, JsonRpc, OpenApi, load_json, load_yaml, overlay
from perpkit_conformance.profile import DEPOSIT, LocalVenue, VenueProfile

_FILES = Path(local_paradex.__file__).parent / "contract"

_TOKEN_USAGE = {"name": "token_usage", "in": "query", "schema": {"type": "string", "enum": ["interactive"]}}
_PUBLIC_KEY = {"name": "public_key", "in": "path", "required": True, "schema": {"type": "string"}}


@cache
def paradex_contract() -> Contract:
    """Return the contract; the files are read once."""
    document = load_json(_FILES / "openapi.json")
    sign_in = document["paths"]["/auth"]["post"]
    # The path with the signing key's public key, and the query for a retail token: the venue's documentation
    # (authentication), read 2026-11. Its own SDK sends the former for every key.
    documented = {**sign_in, "parameters": [*sign_in["parameters"], _TOKEN_USAGE]}
    keyed = {**documented, "parameters": [*documented["parameters"], _PUBLIC_KEY]}
    paths = {"/auth": {"post": documented}, "/auth/{public_key}": {"post": keyed}}
    for path in paths:
        document["paths"].pop(path, None)
    return Contract(
        rest=OpenApi(
            overlay(document, {"paths": paths}),
            identifiers={
                # As in the contract's examples: "1234567890", "BTC-USD-PERP", "0x…".
                "order_id": r"\d+",
                "market": r"[A-Za-z0-9:]+(-[A-Za-z0-9.]+)+|ALL",
                "symbol": r"[A-Za-z0-9:]+(-[A-Za-z0-9.]+)+",
                "public_key": r"0x[0-9a-fA-F]{1,64}",
            },
        ),
        frames=JsonRpc(load_json(_FILES / "openrpc.json"), load_yaml(_FILES / "asyncapi.yaml")),
        source="Paradex 1.132 (2026-08)",
    )


class ParadexProfile(VenueProfile):
    """See the module's text."""

    name = "paradex"
    # Periods of 8, 4 and 24 hours, and a contract of 1,000 coins.
    markets = MappingProxyType(
        {symbol: symbol for symbol in ("BTC-USD-PERP", "ETH-USD-PERP", "SOL-USD-PERP", "kPEPE-USD-PERP")}
    )
    settle_asset = "USDC"
    not_offered = MappingProxyType(
        {
            "time_in_force:fok": "Paradex has GTC, IOC, POST_ONLY and RPI only",
            "time_in_force:gtd": "Paradex has GTC, IOC, POST_ONLY and RPI only",
            "set_position_mode": "positions are one-way, and nothing sets that",
            "adjust_margin": "no request moves collateral to a position or away from it",
            "set_dead_man_switch": "orders are canceled when a connection drops, on request; there is no timer",
            "funding:discrete": "funding accrues continuously",
            "trigger:mark": "the venue chooses which price triggers; no field of an order says so",
            "trigger:index": "the venue chooses which price triggers; no field of an order says so",
            "trigger:last": "the venue chooses which price triggers; no field of an order says so",
        }
    )
    unpublished = MappingProxyType(
        {
            "Position.mark_price": "GET /positions has none",
            "Position.margin_mode": "GET /positions has none; GET /account/margin has",
            "AccountSummary.unrealized_pnl": "GET /account gives the account's value, with funding in it",
            "FundingPayment.size": "GET /funding/payments gives the amount and the index",
            "Ticker.volume_24h": "the 24-hour volume is in USD",
            "Market.status:halted": "a market's row has no such word; an order is refused",
            "Market.status:post_only": "a market's row has no such word; an order is refused",
            "Market.status:cancel_only": "a market's row has no such word; an order is refused",
        }
    )
    http_faults = MappingProxyType(
        {
            "check_health": "GET /v1/system/*",
            "fetch_markets": "GET /v1/markets",
            "fetch_ticker": "GET /v1/markets/summary",
            "fetch_tickers": "GET /v1/markets/summary",
            "fetch_order_book": "GET /v1/orderbook/*",
            "fetch_trades": "GET /v1/trades",
            "fetch_candles": "GET /v1/markets/klines",
            "fetch_funding_rates": "GET /v1/markets/summary",
            "fetch_funding_history": "GET /v1/funding/data",
            "fetch_funding_payments": "GET /v1/funding/payments",
            "fetch_account": "GET /v1/account",
            "fetch_balances": "GET /v1/balance",
            "fetch_positions": "GET /v1/positions",
            "fetch_fees": "GET /v1/account/info",
            "fetch_leverage": "GET /v1/account/margin",
            "set_leverage": "POST /v1/account/margin/*",
            "set_margin_mode": "POST /v1/account/margin/*",
            "place_order": "POST /v1/orders",
            "place_orders": "POST /v1/orders/batch",
            "amend_order": "PUT /v1/orders/*",
            "cancel_order": "DELETE /v1/orders/*",
            "cancel_orders": "DELETE /v1/orders/batch",
            "cancel_all_orders": "DELETE /v1/orders",
            "fetch_order": "GET /v1/orders/*",
            "fetch_open_orders": "GET /v1/orders",
            "fetch_order_history": "GET /v1/orders-history",
            "fetch_fills": "GET /v1/fills",
            "sign_in": "POST /v1/auth*",
        }
    )
    frame_faults = MappingProxyType(
        {
            "book": "order_book.*",
            "trades": "trades.*",
            "ticker": "markets_summary*",
            "funding": "funding_data.*",
            "orders": "orders.*",
            "fills": "fills.*",
            "positions": "positions",
            "balances": "balance_events",
            "funding_payments": "funding_payments.*",
        }
    )

    def __init__(self) -> None:
        self.contract = paradex_contract()

    def local(self, *, seed: int, accounts: int = 2, deposit: Decimal = DEPOSIT, **options: Any) -> LocalVenue:
        """Make a local Paradex on a manual clock."""
        given = {"clock": SimClock(), **options}
        # Protocol pings run on the machine's clock and are no part of what is tested here.
        return LocalParadex(seed=seed, accounts=accounts, deposit=deposit, **given)

    def account_id(self, local: LocalVenue, account: int) -> str:
        """Return the account's address: the ledger uses it as well."""
        return _paradex(local).accounts[account].address

    def settings(self, local: LocalVenue, *, account: int = 0, key: str = "main") -> dict[str, Any]:
        """Return addresses and credentials: ``main``, ``subkey``, ``readonly`` or ``none``."""
        keys = _paradex(local).accounts[account]
        credentials: dict[str, dict[str, Any]] = {
            "none": {},
            "main": {"account": keys.address, "private_key": keys.private_key},
            "subkey": {"account": keys.address, "subkey": keys.subkey},
            "readonly": {"account": keys.address, "readonly_token": keys.readonly_token},
        }
        return {"environment": "local", "rest_url": local.url, "ws_url": local.ws_url, **credentials[key]}

    def key_kinds(self) -> tuple[str, ...]:
        """Return the venue's three credentials."""
        return ("main", "subkey", "readonly")

    def secrets(self, local: LocalVenue) -> list[str]:
        """Return every key and token of the local accounts."""
        return [
            secret
            for account in _paradex(local).accounts
            for secret in (account.private_key, account.subkey, account.readonly_token)
        ]

    def bad_settings(self, local: LocalVenue) -> Mapping[str, Mapping[str, Any]]:
        """Return malformed credentials by what is wrong with them."""
        good = self.settings(local)
        return {
            "a key that is no number": {**good, "private_key": "not a key at all"},
            "a key that is empty": {**good, "private_key": ""},
            "a key beyond the curve's order": {**good, "private_key": "0x" + "f" * 64},
            "an account that is no address": {**good, "account": "my account"},
        }

    def wrong_environment(self, local: LocalVenue) -> Mapping[str, Any] | None:
        """Return settings that sign for production: a local Paradex has the testnet's chain."""
        return {**self.settings(local), "chain_id": "PRIVATE_SN_PARACLEAR_MAINNET"}

    def error_replies(self) -> Mapping[str, tuple[int, str]]:
        """Return an answer for every code of the contract's list."""
        rest = self.contract.rest if self.contract is not None else None
        codes = cast("OpenApi", rest).document["components"]["schemas"]["responses.ErrorCode"]["enum"]
        return {
            code: (400, msgspec.json.encode({"error": code, "message": f"made up for {code}"}).decode())
            for code in codes
        }

    def error_classes(self) -> Mapping[str, type[PerpkitError]]:
        """Return what the names of the contract's list leave no doubt about."""
        return {
            **dict.fromkeys(("INVALID_TOKEN", "UNAUTHORIZED_ERROR", "NOT_ONBOARDED", "INVALID_TOKEN_SCOPE"), AuthError),
            **dict.fromkeys(("INVALID_SUBKEY", "IP_NOT_ALLOWED", "ACCOUNT_NOT_FOUND"), AuthError),
            **dict.fromkeys(("ORDER_ID_NOT_FOUND", "CLIENT_ORDER_ID_NOT_FOUND"), OrderNotFoundError),
            **dict.fromkeys(("MARKET_NOT_FOUND", "INVALID_SYMBOL"), UnknownMarketError),
            **dict.fromkeys(("SYSTEM_STATUS_POST_ONLY", "SYSTEM_STATUS_CANCEL_ONLY"), VenueUnavailableError),
            **dict.fromkeys(("SERVICE_UNAVAILABLE", "GEO_IP_BLOCK"), VenueUnavailableError),
        }

    def hurry(self, limit: timedelta) -> dict[str, Any]:
        """Return the plugin's own bound on a request."""
        return {"request_timeout": limit}

    def option_orders(self, price: Callable[[str], str]) -> Mapping[str, Mapping[str, Any]]:
        """Return orders with options that any account may use: RPI is for those that the venue lets, and so on."""
        stop = {"side": Side.SELL, "type": OrderType.STOP_MARKET, "trigger_price": Decimal(price("0.9"))}
        return {
            "entered by hand": {"options": {"interactive": True}},
            "a stop of the position": {**stop, "reduce_only": True, "options": {"stop_loss": True}},
            "a stop that fires below": {**stop, "options": {"trigger_condition": "below"}},
        }

    def live_settings(self, environment: str, environ: Mapping[str, str]) -> dict[str, Any] | None:
        """Return the settings where credentials are among the environment variables."""
        if not any(name.startswith("PARADEX_") for name in environ):
            return None
        return {"environment": environment, "environ": dict(environ)}

    def live_addresses(self, environment: str) -> tuple[str, str] | None:
        """Return the addresses that the contract (mainnet) and the documentation (testnet, read 2026-11) give."""
        host = {"mainnet": "prod", "testnet": "testnet"}.get(environment)
        if host is None:
            return None
        return f"https://api.{host}.paradex.trade/v1", f"wss://ws.api.{host}.paradex.trade/v1"


def _paradex(local: LocalVenue) -> LocalParadex:
    return cast("LocalParadex", local)
