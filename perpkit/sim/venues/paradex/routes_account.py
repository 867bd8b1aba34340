"""
REST: what an account holds and what happened to it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar

from perpkit.sim.accounts import MarginMode
from perpkit.sim.orders import Fill, FillKind, RequestRefusedError
from perpkit.sim.venues.paradex.errors import ApiError
from perpkit.sim.venues.paradex.gateway import Call, Reply, Route
from perpkit.sim.venues.paradex.listing import number
from perpkit.sim.venues.paradex.orders import check_account
from perpkit.sim.venues.paradex.paging import Key, page
from perpkit.sim.venues.paradex.spec import check_body
from perpkit.sim.venues.paradex.wire_account import (
    account_body,
    balance_body,
    funding_payment_body,
    liquidation_body,
    margin_entry,
    position_body,
    transfer_body,
)
from perpkit.sim.venues.paradex.wire_orders import fill_body, refusal

if TYPE_CHECKING:
    from perpkit.sim.venues.paradex.venue import Venue

Record = TypeVar("Record")
_STARK_FELT_HEX = 62


def fetch_account(venue: Venue, call: Call) -> Reply:
    """GET /account: margin now."""
    asked = call.query.get("subaccount_address")
    if asked is not None and asked != call.session.address:
        raise ApiError("ACCOUNT_NOT_FOUND", f"no subaccount {asked!r} under this account")
    return Reply(account_body(venue.exchange.account(call.session.address)))


def fetch_account_summaries(venue: Venue, call: Call) -> Reply:
    """GET /account/summary: the account alone, as the local venue has no others to authorize."""
    return Reply({"results": [account_body(venue.exchange.account(call.session.address))]})


def fetch_account_info(venue: Venue, call: Call) -> Reply:
    """GET /account/info: who it is and what it pays."""
    owner = call.session.owner
    first = next(listing.symbol for listing in venue.listings.values() if listing.trades)
    fees = venue.exchange.fee_rates(owner.text, first)
    maker, taker = number(fees.maker), number(fees.taker)
    info = {
        "account": owner.text,
        "created_at": owner.created_at_ms,
        "derivation_path": "",
        "fees": {
            "commission_rate": "0",
            "dated_option_maker_rate": maker,
            "dated_option_taker_rate": taker,
            "discount_rate": "0",
            "maker_rate": maker,
            "perp_option_maker_rate": maker,
            "perp_option_taker_rate": taker,
            "spot_maker_rate": maker,
            "spot_taker_rate": taker,
            "taker_rate": taker,
        },
        "has_ecosystem_nft": False,
        "isolated_market": "",
        "kind": "main",
        "parent_account": "",
        "public_key": hex(owner.public_key),
        "username": "",
    }
    return Reply({"results": [info]})


def fetch_balances(venue: Venue, call: Call) -> Reply:
    """GET /balance: settled cash."""
    return Reply({"results": [balance_body(b) for b in venue.exchange.balances(call.session.address)]})


def fetch_positions(venue: Venue, call: Call) -> Reply:
    """GET /positions: all positions owned, those that are closed with status CLOSED among them."""
    held = venue.exchange.positions(call.session.address, include_closed=True)
    return Reply({"results": [position_body(position) for position in held]})


def fetch_margin(venue: Venue, call: Call) -> Reply:
    """GET /account/margin: the account's choice for a market."""
    listing = venue.listing(call.query["market"], status=404)
    configs = []
    if listing.trades:
        configs = [margin_entry(venue.exchange.margin_setting(call.session.address, listing.symbol))]
    return Reply({"account": call.session.address, "configs": configs, "margin_methodology": "cross_margin"})


def set_margin(venue: Venue, call: Call) -> Reply:
    """POST /account/margin/{market}: leverage and mode."""
    listing = venue.tradable(call.path["market"])
    body = check_body(call.body, "requests.AccountMarginRequest")
    check_account(body, call.session)
    if body["margin_type"] not in {"CROSS", "ISOLATED"}:
        raise ApiError("VALIDATION_ERROR", f"margin_type: {body['margin_type']!r} is not one of CROSS, ISOLATED")
    try:
        setting = venue.exchange.set_margin(
            call.session.address,
            listing.symbol,
            leverage=Decimal(body["leverage"]),
            mode=MarginMode(body["margin_type"].lower()),
        )
    except RequestRefusedError as exc:
        raise refusal(exc.reason, exc.message) from exc
    return Reply(
        {
            "account": call.session.address,
            "leverage": int(setting.leverage),
            "margin_type": setting.mode.value.upper(),
            "market": listing.symbol,
        }
    )


def fetch_fills(venue: Venue, call: Call) -> Reply:
    """GET /fills: newest first."""
    market = _known_market(venue, call)
    fills = venue.exchange.fills(call.session.address, market=market)
    if call.query.get("asset_kind", "PERP") != "PERP":
        fills = []
    return _page(call, fills, lambda f: (f.created_at_ms, f.sequence), fill_body, "fills")


def fetch_funding_payments(venue: Venue, call: Call) -> Reply:
    """GET /funding/payments: newest first; positive when received."""
    market = _known_market(venue, call)
    payments = venue.exchange.funding_payments(call.session.address, market=market)
    return _page(call, payments, lambda p: (p.created_at_ms, p.sequence), funding_payment_body, "payments")


def fetch_transfers(venue: Venue, call: Call) -> Reply:
    """GET /transfers: deposits and withdrawals, newest first; all have completed."""
    transfers = venue.exchange.transfers(call.session.address)
    if call.query.get("status", "COMPLETED") != "COMPLETED":
        transfers = []
    return _page(call, transfers, lambda t: (t.created_at_ms, t.sequence), transfer_body, "transfers")


def fetch_transactions(venue: Venue, call: Call) -> Reply:
    """GET /transactions: every fill settles in one, at once."""
    fills = venue.exchange.fills(call.session.address)
    return _page(call, fills, lambda f: (f.created_at_ms, f.sequence), transaction_body, "transactions")


def fetch_liquidations(venue: Venue, call: Call) -> Reply:
    """GET /liquidations."""
    found = venue.exchange.liquidations(
        call.session.address, since_ms=call.query.get("from"), until_ms=call.query.get("to")
    )
    return Reply({"results": [liquidation_body(one) for one in found]})


def transaction_body(fill: Fill) -> dict[str, Any]:
    """Return the transaction that settles a fill as ``responses.TransactionResponse``."""
    kinds = {
        FillKind.LIQUIDATION: "TRANSACTION_LIQUIDATE",
        FillKind.SETTLEMENT: "TRANSACTION_SETTLE_MARKET",
    }
    return {
        "completed_at": fill.created_at_ms,
        "created_at": fill.created_at_ms,
        "hash": "0x" + hashlib.sha256(f"transaction of {fill.id}".encode()).hexdigest()[:_STARK_FELT_HEX],
        "id": fill.id,
        "state": "ACCEPTED_ON_L2",
        "type": kinds.get(fill.kind, "TRANSACTION_FILL"),
    }


def _known_market(venue: Venue, call: Call) -> str | None:
    market: str | None = call.query.get("market")
    if market is not None:
        venue.listing(market)
    return market


def _page(
    call: Call,
    records: Sequence[Record],
    key: Callable[[Record], Key],
    render: Callable[[Record], dict[str, Any]],
    what: str,
) -> Reply:
    listing = f"{what} of {call.session.address}"
    return Reply(page(records, key=key, render=render, query=dict(call.query), listing=listing))


ROUTES = (
    Route("GET", "/account", fetch_account, "read", "private"),
    Route("GET", "/account/summary", fetch_account_summaries, "read", "private"),
    Route("GET", "/account/info", fetch_account_info, "read", "private"),
    Route("GET", "/account/margin", fetch_margin, "read", "private"),
    Route("POST", "/account/margin/{market}", set_margin, "trade", "private", takes_body=True),
    Route("GET", "/balance", fetch_balances, "read", "private"),
    Route("GET", "/positions", fetch_positions, "read", "private"),
    Route("GET", "/fills", fetch_fills, "read", "private"),
    Route("GET", "/funding/payments", fetch_funding_payments, "read", "private"),
    Route("GET", "/transfers", fetch_transfers, "read", "private"),
    Route("GET", "/transactions", fetch_transactions, "read", "private"),
    Route("GET", "/liquidations", fetch_liquidations, "read", "private"),
)
