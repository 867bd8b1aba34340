"""
Accounts, keys, orders and transactions over REST.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from perpkit.sim.orders import Order
from perpkit.sim.venues.lighter import wire_account, wire_orders
from perpkit.sim.venues.lighter.accounts import Account
from perpkit.sim.venues.lighter.config import ALL_KEYS, ALL_MARKETS, REST_BATCH
from perpkit.sim.venues.lighter.errors import ApiError
from perpkit.sim.venues.lighter.gateway import Call, Route
from perpkit.sim.venues.lighter.routes_market import V1, cursor_of, selected

if TYPE_CHECKING:
    from perpkit.sim.venues.lighter.venue import Venue

Body = dict[str, Any]
INACTIVE_KEPT = 1000
CLIENT_INDICES = 20


def account(venue: Venue, call: Call) -> Body:
    """``GET /account``: anybody's, by index or Ethereum address."""
    found = _found(venue, call)
    only = bool(call.query["active_only"])
    rows = [wire_account.detailed_account(venue, one, active_only=only) for one in found]
    return {"code": 200, "total": len(rows), "next_cursor": "", "accounts": rows}


def accounts_by_address(venue: Venue, call: Call) -> Body:
    """``GET /accountsByL1Address``: the master first; no free margin in it."""
    found = venue.registry.of_address(call.query["l1_address"])
    rows = [wire_account.account_head(venue, one) for one in found]
    return {"code": 200, "l1_address": found[0].l1_address, "sub_accounts": rows}


def api_keys(venue: Venue, call: Call) -> Body:
    """``GET /apikeys``: all of an account's, or one slot's."""
    owner, slot = venue.registry.get(call.query["account_index"]), call.query["api_key_index"]
    keys = list(owner.keys.values()) if slot == ALL_KEYS else [owner.key(slot)]
    rows = [
        {
            "account_index": owner.index,
            "api_key_index": key.index,
            "nonce": key.accepted,
            "public_key": key.public.data.hex(),
            "transaction_time": key.registered_us,
        }
        for key in keys
    ]
    return {"code": 200, "api_keys": rows}


def next_nonce(venue: Venue, call: Call) -> Body:
    """``GET /nextNonce``."""
    owner = venue.registry.get(call.query["account_index"])
    return {"code": 200, "nonce": owner.key(call.query["api_key_index"]).accepted}


def account_limits(venue: Venue, call: Call) -> Body:
    """``GET /accountLimits``: the tier, and the fees that the account really pays."""
    owner = call.owner(call.query["account_index"], venue)
    return {
        "code": 200,
        "max_llp_percentage": 25,
        "user_tier": owner.tier.name,
        "can_create_public_pool": True,
        "max_llp_amount": "300000.000000",
        "current_maker_fee_tick": owner.tier.maker_tick,
        "current_taker_fee_tick": owner.tier.taker_tick,
        "effective_lit_stakes": "0",
        "leased_lit": "0",
        "user_tier_name": owner.tier.name,
        "user_tier_last_update": 0,
    }


def account_metadata(venue: Venue, call: Call) -> Body:
    """``GET /accountMetadata``."""
    rows = [
        {
            "account_index": one.index,
            "name": "",
            "description": "",
            "can_invite": False,
            "referral_points_percentage": "",
            "created_at": one.created_s,
            "can_rfq": False,
            "can_rfq_market_ids": [],
            "metadata": {"color": ""},
        }
        for one in _found(venue, call)
    ]
    return {"code": 200, "account_metadatas": rows, "next_cursor": ""}


def active_orders(venue: Venue, call: Call) -> Body:
    """``GET /accountActiveOrders``: live ones, oldest first."""
    owner = call.owner(call.query["account_index"], venue)
    orders = venue.exchange.open_orders(owner.id)
    return {"code": 200, "next_cursor": "", "orders": _rows(venue, _in_markets(venue, call, orders))}


def inactive_orders(venue: Venue, call: Call) -> Body:
    """``GET /accountInactiveOrders``: the last thousand that are over, latest first, pages by ``cursor``."""
    owner = call.owner(call.query["account_index"], venue)
    over = [order for order in venue.exchange.orders(owner.id) if order.is_closed]
    over = sorted(_in_markets(venue, call, over), key=lambda order: order.sequence)[-INACTIVE_KEPT:]
    if call.query["ask_filter"] in {0, 1}:
        over = [order for order in over if (order.side.sign < 0) == bool(call.query["ask_filter"])]
    before = cursor_of(call.query["cursor"])
    older = [order for order in reversed(over) if before is None or order.sequence < before]
    page = older[: call.query["limit"]]
    more = str(page[-1].sequence) if len(older) > len(page) else ""
    return {"code": 200, "next_cursor": more, "orders": _rows(venue, page)}


def account_orders(venue: Venue, call: Call) -> Body:
    """``GET /accountOrders``: by client order indices, live or over; of one used again the live or latest."""
    owner = call.owner(call.query["account_index"], venue)
    wanted = call.query["client_order_indexes"].split(",")
    if len(wanted) > CLIENT_INDICES or not all(text.isdecimal() for text in wanted):
        raise ApiError(20001, 'invalid param: field "client_order_indexes" is at most 20 numbers with commas between')
    found = [venue.exchange.order_by_client_id(owner.id, str(int(text)), open_only=False) for text in wanted]
    return {"code": 200, "next_cursor": "", "orders": _rows(venue, [order for order in found if order is not None])}


def position_funding(venue: Venue, call: Call) -> Body:
    """``GET /positionFunding``: latest first; ``change`` negative when paid."""
    query = call.query
    owner = call.owner(query["account_index"], venue)
    ids = query["market_ids"] or [query["market_id"]]
    listings = {row.symbol: row for market_id in ids for row in selected(venue, market_id) if row.is_perp}
    until = query["end_timestamp"]
    payments = venue.exchange.funding_payments(
        owner.id, since_ms=query["start_timestamp"], until_ms=until - 1 if until is not None else None
    )
    rows = [
        wire_account.funding_row(listings[payment.market], payment)
        for payment in reversed(payments)
        if payment.market in listings
    ]
    rows = [row for row in rows if query["side"] in {None, "all", row["position_side"]}]
    before = cursor_of(query["cursor"])
    older = [row for row in rows if before is None or row["funding_id"] < before]
    page = older[: query["limit"]]
    more = str(page[-1]["funding_id"]) if len(older) > len(page) else ""
    return {"code": 200, "position_fundings": page, "next_cursor": more}


def transaction(venue: Venue, call: Call) -> Body:
    """``GET /tx``: by the signer's hash or by number."""
    by, value = call.query["by"], call.query["value"]
    number = int(value) if value.isdecimal() else -1
    found = venue.records.transaction(hash_text=value) if by == "hash" else venue.records.transaction(number=number)
    if found is None:
        raise ApiError(21500)
    return wire_orders.tx_row(found, enriched=True, height=venue.height(found.executed_at_ms))


def account_transactions(venue: Venue, call: Call) -> Body:
    """``GET /accountTxs``: an account's, newest first."""
    value = call.query["value"]
    owner = call.owner(int(value) if value.isdecimal() else -2, venue)
    found = list(venue.records.transactions_of(owner.index))[: call.query["limit"]]
    return {
        "code": 200,
        "txs": [wire_orders.tx_row(one, height=venue.height(one.executed_at_ms)) for one in found],
    }


def send_tx(venue: Venue, call: Call) -> Body:
    """``POST /sendTx``: accepted, no more."""
    tx_type, text = _required(call, "tx_type"), _required(call, "tx_info")
    if not tx_type.isdecimal():
        raise ApiError(20001, f'invalid param: value "{tx_type}" for field "tx_type" is not of type integer')
    protected = call.query.get("price_protection", "true").lower() != "false"
    return call.sequencer.send(int(tx_type), text, protected=protected)


def send_tx_batch(venue: Venue, call: Call) -> Body:
    """``POST /sendTxBatch``: two texts of JSON arrays, the second of texts."""
    types, infos = batch_lists(_required(call, "tx_types"), _required(call, "tx_infos"))
    return call.sequencer.send_batch(types, infos, most=REST_BATCH)


def batch_lists(types: Any, infos: Any) -> tuple[list[int], list[str]]:
    """
    Return a batch's types and transactions.

    Raises:
        ApiError: 21501.
    """
    try:
        kinds, texts = json.loads(types), json.loads(infos)
    except (TypeError, ValueError) as exc:
        raise ApiError(21501, "invalid tx info: tx_types and tx_infos are texts of JSON arrays") from exc
    are_lists = isinstance(kinds, list) and isinstance(texts, list)
    if not are_lists or not all(type(kind) is int for kind in kinds) or not all(type(t) is str for t in texts):
        raise ApiError(21501, "invalid tx info: tx_types holds integers and tx_infos texts")
    return kinds, texts


def _found(venue: Venue, call: Call) -> list[Account]:
    value = call.query["value"]
    if call.query["by"] == "l1_address":
        return venue.registry.of_address(value)
    if not value.isdecimal():
        raise ApiError(21102)
    return [venue.registry.get(int(value))]


def _in_markets(venue: Venue, call: Call, orders: list[Order]) -> list[Order]:
    market_id = call.query["market_id"]
    if market_id is None or market_id == ALL_MARKETS:
        return orders if call.query.get("market_type") != "spot" else []
    symbol = venue.listing(market_id).symbol
    return [order for order in orders if order.market == symbol]


def _rows(venue: Venue, orders: list[Order]) -> list[Body]:
    return [wire_orders.order_row(venue, venue.listings[order.market], order) for order in orders]


def _required(call: Call, name: str) -> str:
    text = call.query.get(name)
    if not text:
        raise ApiError(20001, f'invalid param: : field "{name}" is not set')
    return str(text)


ROUTES = (
    Route(f"{V1}/account", account),
    Route(f"{V1}/accountsByL1Address", accounts_by_address),
    Route(f"{V1}/apikeys", api_keys),
    Route(f"{V1}/nextNonce", next_nonce),
    Route(f"{V1}/accountLimits", account_limits),
    Route(f"{V1}/accountMetadata", account_metadata),
    Route(f"{V1}/accountActiveOrders", active_orders),
    Route(f"{V1}/accountInactiveOrders", inactive_orders),
    Route(f"{V1}/accountOrders", account_orders),
    Route(f"{V1}/positionFunding", position_funding),
    Route(f"{V1}/tx", transaction),
    Route(f"{V1}/accountTxs", account_transactions),
    Route(f"{V1}/sendTx", send_tx, "POST"),
    Route(f"{V1}/sendTxBatch", send_tx_batch, "POST"),
)
