"""What the conformance suite must be told of Toy: how to start it locally, and what the venue has not."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from perpkit.sim.clock import SimClock
from perpkit_conformance.contract import Contract, OpenApi, load_json
from perpkit_conformance.profile import DEPOSIT, LocalVenue, VenueProfile

from perpkit_toy.config import VENUE
from perpkit_toy.local import LocalToy
from perpkit_toy.local.doorman import make_account

_NO_TRIGGERS = "Toy has market and limit orders only"
_NO_SETTINGS = "Toy has no setting of it: positions are cross, at the market's leverage"


@cache
def toy_contract() -> Contract:
    """Return the contract; the file is read once."""
    document = load_json(Path(__file__).parent / "openapi.json")
    rest = OpenApi(document, identifiers={"order_id": r"\d+", "symbol": r"\w+_PERP"})
    return Contract(rest, frames=None, source="Toy 1.0")


class ToyProfile(VenueProfile):
    """See the module's text."""

    name = VENUE
    markets = MappingProxyType(
        {"BTC-USD-PERP": "BTC_PERP", "ETH-USD-PERP": "ETH_PERP", "1000PEPE-USD-PERP": "1000PEPE_PERP"}
    )
    settle_asset = "USDC"
    not_offered = MappingProxyType(
        {
            "fetch_candles": "Toy keeps no candles",
            "fetch_leverage": _NO_SETTINGS,
            "set_leverage": _NO_SETTINGS,
            "set_margin_mode": _NO_SETTINGS,
            "adjust_margin": _NO_SETTINGS,
            "margin_mode:cross": _NO_SETTINGS,
            "margin_mode:isolated": _NO_SETTINGS,
            "set_position_mode": "positions are one-way, and nothing sets that",
            "set_dead_man_switch": "Toy has no timer that cancels",
            "amend_order": "Toy does not change orders: cancel, and place anew",
            "place_orders": "Toy takes one order a request",
            "cancel_orders": "Toy takes one cancel a request",
            "batches": "Toy takes one order a request",
            "async_acceptance": "the answer to an order says what became of it",
            "time_in_force:gtd": "Toy has GTC, IOC and FOK",
            "funding:discrete": "funding accrues continuously",
            "sign_in": "each request is signed by itself; nothing signs in",
            "sub_keys": "an account has one key",
            **{
                f"order_type:{kind}": _NO_TRIGGERS
                for kind in ("stop_market", "stop_limit", "take_profit_market", "take_profit_limit")
            },
            **{f"trigger:{kind}": _NO_TRIGGERS for kind in ("last", "mark", "index")},
            **{
                f"self_trade_prevention:{kind}": "Toy always takes the newer order away"
                for kind in ("expire_maker", "expire_taker", "expire_both")
            },
            **{
                f"channel:{name}": "Toy does not stream it; the core polls"
                for name in ("ticker", "funding", "funding_payments")
            },
        }
    )
    unpublished = MappingProxyType({"Ticker.volume_24h": "the 24-hour figure is in USD"})
    http_faults = MappingProxyType(
        {
            "check_health": "GET /v1/status",
            "fetch_markets": "GET /v1/markets",
            "fetch_ticker": "GET /v1/tickers",
            "fetch_tickers": "GET /v1/tickers",
            "fetch_order_book": "GET /v1/book",
            "fetch_trades": "GET /v1/trades",
            "fetch_funding_rates": "GET /v1/tickers",
            "fetch_funding_history": "GET /v1/funding-history",
            "fetch_funding_payments": "GET /v1/funding-payments",
            "fetch_account": "GET /v1/account",
            "fetch_balances": "GET /v1/balances",
            "fetch_positions": "GET /v1/positions",
            "fetch_fees": "GET /v1/fees",
            "place_order": "POST /v1/orders",
            "cancel_order": "DELETE /v1/orders/*",
            "cancel_all_orders": "DELETE /v1/orders",
            "fetch_order": "GET /v1/orders/*",
            "fetch_open_orders": "GET /v1/orders",
            "fetch_order_history": "GET /v1/orders-history",
            "fetch_fills": "GET /v1/fills",
        }
    )
    frame_faults = MappingProxyType(
        {
            "book": "book.*",
            "trades": "trades.*",
            "orders": "orders",
            "fills": "fills",
            "positions": "positions",
            "balances": "balances",
        }
    )

    def __init__(self) -> None:
        self.contract = toy_contract()

    def local(self, *, seed: int, accounts: int = 2, deposit: Decimal = DEPOSIT, **options: Any) -> LocalVenue:
        """Make a local Toy on a manual clock."""
        given = {"clock": SimClock(), **options}
        return LocalToy(seed=seed, accounts=accounts, deposit=deposit, **given)

    def account_id(self, local: LocalVenue, account: int) -> str:
        """Return what the ledger calls an account."""
        return _toy(local).accounts[account].id

    def settings(self, local: LocalVenue, *, account: int = 0, key: str = "main") -> dict[str, Any]:
        """Return addresses and credentials: ``main`` or ``none``."""
        keys = _toy(local).accounts[account]
        credentials = {"api_key": keys.key, "api_secret": keys.secret} if key == "main" else {}
        return {"environment": "local", "rest_url": local.url, "ws_url": local.ws_url, **credentials}

    def secrets(self, local: LocalVenue) -> list[str]:
        """Return every secret of the local accounts."""
        return [secret for account in _toy(local).accounts for secret in (account.key, account.secret)]

    def bad_settings(self, local: LocalVenue) -> Mapping[str, Mapping[str, Any]]:
        """Return malformed credentials by what is wrong with them."""
        good = self.settings(local)
        return {
            "a key without its secret": {name: value for name, value in good.items() if name != "api_secret"},
            "a secret that is no hexadecimal": {**good, "api_secret": "not a secret at all"},
            "a key that is empty": {**good, "api_key": ""},
        }

    def wrong_environment(self, local: LocalVenue) -> Mapping[str, Any]:
        """Return a key that is well formed, and of another Toy."""
        elsewhere = make_account(seed=-1, number=0)
        return {**self.settings(local), "api_key": elsewhere.key, "api_secret": elsewhere.secret}

    def error_replies(self) -> Mapping[str, tuple[int, str]]:
        """Return an answer for every code of the contract's list."""
        rest = cast("OpenApi", toy_contract().rest)
        codes = rest.document["components"]["schemas"]["Failure"]["properties"]["code"]["enum"]
        return {code: (400, json.dumps({"code": code, "message": f"made up for {code}"})) for code in codes}

    def hurry(self, limit: timedelta) -> dict[str, Any]:
        """Return the plugin's own bound on a request."""
        return {"request_timeout": limit}


def _toy(local: LocalVenue) -> LocalToy:
    return cast("LocalToy", local)
