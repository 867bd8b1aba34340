"""
REST: what an account holds, pays and received.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from perpkit.sim.accounts import FundingPayment
from perpkit.sim.money import ZERO, places
from perpkit.sim.orders import RefusalReason, RequestRefusedError, Side
from perpkit.sim.venues.extended import wire_account
from perpkit.sim.venues.extended.accounts import CLIENT_ID, wallet_address
from perpkit.sim.venues.extended.errors import ApiError, Code
from perpkit.sim.venues.extended.fields import Fields
from perpkit.sim.venues.extended.gateway import Call, Reply, Route
from perpkit.sim.venues.extended.numbers import number
from perpkit.sim.venues.extended.paging import page
from perpkit.sim.venues.extended.query import CURSOR, LIMIT, MARKETS, ORDER_SIDE, POSITION_SIDE, Param
from perpkit.sim.venues.extended.rules import leverage_cap
from perpkit.sim.venues.extended.venue import BUILDER_FEE_CAP
from perpkit.sim.venues.extended.wire_markets import TRADE_TYPES
from perpkit.sim.venues.extended.wire_orders import fill_body

if TYPE_CHECKING:
    from perpkit.sim.venues.extended.venue import Venue

OPERATIONS_PAGE = 50
LEVERAGE_PLACES = 2
_OPERATION_TYPES = ("DEPOSIT", "WITHDRAWAL", "FAST_WITHDRAWAL", "SLOW_WITHDRAWAL", "TRANSFER", "CLAIM")
_OPERATION_STATUSES = ("CREATED", "IN_PROGRESS", "READY_FOR_CLAIM", "COMPLETED", "REJECTED")


def fetch_account(_venue: Venue, call: Call) -> Reply:
    """GET /user/account/info: whose key it is."""
    return Reply(wire_account.account_body(call.account) | {"apiKeys": ["…" + call.account.api_key[-4:]]})


def fetch_accounts(venue: Venue, _call: Call) -> Reply:
    """GET /user/accounts: all of the wallet, and the internal one that the venue lists among them."""
    rows = [wire_account.account_body(account) for account in venue.registry.all()]
    internal = rows[0] | {"accountId": int(rows[0]["accountId"]) + 1001, "accountIndex": 1001}
    return Reply([*rows, internal | {"description": "Vault Balance", "accountIndexForKeyGeneration": None}])


def fetch_client(venue: Venue, _call: Call) -> Reply:
    """GET /user/client/info: the wallet."""
    address = wallet_address(venue.settings.seed)
    return Reply({"id": CLIENT_ID, "evmWalletAddress": address, "starknetWalletAddress": None})


def fetch_balance(venue: Venue, call: Call) -> Reply:
    """GET /user/balance: 404 when there is none."""
    body = balance_of(venue, call.account.account_id)
    if body is None:
        raise ApiError(Code.ACCOUNT_NOT_FOUND, "Balance not found", debug="the account holds nothing")
    return Reply(body)


def fetch_spot_balances(venue: Venue, call: Call) -> Reply:
    """GET /user/spot/balances: nothing but collateral is held here."""
    return Reply([wire_account.spot_balance_body(venue.exchange.account(call.account.account_id))])


def fetch_leverage(venue: Venue, call: Call) -> Reply:
    """GET /user/leverage: in the markets named, or in all that trade."""
    rows = []
    for symbol in _traded(venue, call):
        setting = venue.exchange.margin_setting(call.account.account_id, symbol)
        rows.append({"market": symbol, "leverage": number(setting.leverage)})
    return Reply(rows)


def set_leverage(venue: Venue, call: Call) -> Reply:
    """PATCH /user/leverage: the answer says nothing that can be read; ask again."""
    known, settings = ("market", "leverage"), venue.settings
    fields = Fields(call.body, "the body", known, strict=settings.strict, note=venue.note, code=400)
    listing, leverage = venue.listing(fields.text("market")), fields.decimal("leverage")
    if not listing.trades:
        raise ApiError(Code.MARKET_DISABLED, "Market is disabled", debug=f"{listing.symbol} does not trade")
    if leverage < 1:
        raise ApiError(Code.LEVERAGE_BELOW_MIN, "Leverage below minimum", debug=f"leverage {leverage} is below 1")
    if leverage > listing.max_leverage:
        raise ApiError(
            Code.LEVERAGE_ABOVE_MAX, "Leverage above maximum", debug=f"{leverage} is above {listing.max_leverage}"
        )
    if places(leverage) > LEVERAGE_PLACES:
        raise ApiError(Code.LEVERAGE_PRECISION, "Wrong leverage precision", debug=f"{leverage} has over two places")
    position = venue.exchange.position(call.account.account_id, listing.symbol)
    value = abs(position.size) * position.mark_price if position is not None else ZERO
    if value > leverage_cap(listing, leverage):
        raise ApiError(
            Code.LEVERAGE_POSITION_TOO_BIG,
            "Position is too big for the leverage",
            debug=f"it is worth {value}; {leverage_cap(listing, leverage)} at most with leverage {leverage}",
        )
    try:
        venue.exchange.set_margin(call.account.account_id, listing.symbol, leverage=leverage)
    except RequestRefusedError as exc:
        code = Code.LEVERAGE_NOT_ENOUGH_MARGIN
        if exc.reason is RefusalReason.INVALID_LEVERAGE:
            code = Code.LEVERAGE_ABOVE_MAX
        raise ApiError(code, "Leverage was not changed", debug=exc.message) from exc
    return Reply({})


def fetch_fees(venue: Venue, call: Call) -> Reply:
    """GET /user/fees: the account's rates; the builder's is its cap."""
    rows = []
    for symbol in _traded(venue, call):
        rates = venue.exchange.fee_rates(call.account.account_id, symbol)
        row = {"market": symbol, "makerFeeRate": number(rates.maker, 5), "takerFeeRate": number(rates.taker, 5)}
        rows.append(row | {"builderFeeRate": number(BUILDER_FEE_CAP)})
    return Reply(rows)


def fetch_rebates(_venue: Venue, _call: Call) -> Reply:
    """GET /user/rebates/stats: nobody has any here."""
    names = ("totalPaid", "rebatesRate", "marketShare", "nextTierMakerShare", "nextTierRebateRate")
    return Reply(dict.fromkeys(names, "0") | {"nextTierMakerShare": "0.005", "nextTierRebateRate": "0.00002"})


def fetch_positions(venue: Venue, call: Call) -> Reply:
    """GET /user/positions: open ones."""
    markets, side = _named(venue, call), call.query.get("side")
    rows = [
        wire_account.position_body(position, None)
        for position in venue.exchange.positions(call.account.account_id)
        if markets is None or position.market in markets
    ]
    return Reply([row for row in rows if side in {None, row["side"]}])


def fetch_position_history(venue: Venue, call: Call) -> Reply:
    """GET /user/positions/history: open ones too."""
    markets, side, owner = _named(venue, call), call.query.get("side"), call.account.account_id
    rows = [wire_account.open_position_row(position) for position in venue.exchange.positions(owner)]
    rows += [wire_account.past_position_row(past) for past in venue.exchange.past_positions(owner)]
    rows = [row for row in rows if (markets is None or row["market"] in markets) and side in {None, row["side"]}]
    rows.sort(key=lambda row: row["id"], reverse=True)
    return _page(rows, call)


def fetch_fills(venue: Venue, call: Call) -> Reply:
    """GET /user/trades: newest first; no filter by time or order."""
    markets, side, kind = _named(venue, call), call.query.get("side"), call.query.get("type")
    fills = [
        fill
        for fill in venue.exchange.fills(call.account.account_id)
        if (markets is None or fill.market in markets)
        and (side is None or fill.side is Side(side.lower()))
        and kind in {None, TRADE_TYPES[fill.kind]}
    ]
    return Reply(
        envelope=page(fills[::-1], cursor_of=lambda fill: int(fill.id), render=fill_body, query=dict(call.query))
    )


def fetch_funding_payments(venue: Venue, call: Call) -> Reply:
    """GET /user/funding/history: since ``fromTime``, newest first."""
    markets, side = _named(venue, call), call.query.get("side")
    payments = venue.exchange.funding_payments(call.account.account_id)
    rows = [
        wire_account.payment_body(payment, place, _paying_position(venue, payment))
        for place, payment in enumerate(payments, 1)
        if payment.created_at_ms >= call.query.get("fromTime", 0) and (markets is None or payment.market in markets)
    ]
    return _page([row for row in reversed(rows) if side in {None, row["side"]}], call)


def fetch_operations(venue: Venue, call: Call) -> Reply:
    """GET /user/assetOperations: deposits, withdrawals, transfers; newest first."""
    query = call.query
    rows = [
        wire_account.operation_body(transfer)
        for transfer in reversed(
            venue.exchange.transfers(
                call.account.account_id, since_ms=query.get("startTime"), until_ms=query.get("endTime")
            )
        )
    ]
    chosen = [
        row
        for row in rows
        if query.get("id") in {None, row["id"]}
        and row["type"] in query.get("type", _OPERATION_TYPES)
        and row["status"] in query.get("status", _OPERATION_STATUSES)
    ]
    return _page(chosen, call, default_limit=OPERATIONS_PAGE)


def balance_of(venue: Venue, account_id: str) -> dict[str, Any] | None:
    """Return an account's balance as the wire has it, or nothing when it has none."""
    exchange = venue.exchange
    summary, positions = exchange.account(account_id), exchange.positions(account_id)
    if not summary.cash and not positions and not summary.initial_margin:
        return None
    exposure = sum((abs(position.size) * position.mark_price for position in positions), ZERO)
    return wire_account.balance_body(summary, exposure, summary.updated_at_ms or venue.now_ms())


def _page(rows: list[dict[str, Any]], call: Call, **options: Any) -> Reply:
    return Reply(
        envelope=page(
            rows, cursor_of=lambda row: int(row["id"]), render=lambda row: row, query=dict(call.query), **options
        )
    )


def _named(venue: Venue, call: Call) -> set[str] | None:
    """Return the markets that a request is about; None for all."""
    markets: list[str] | None = call.query.get("market")
    if markets is None:
        return None
    for symbol in markets:
        venue.listing(symbol)
    return set(markets)


def _traded(venue: Venue, call: Call) -> list[str]:
    named = _named(venue, call)
    return [spec.symbol for spec in venue.exchange.markets() if named is None or spec.symbol in named]


def _paying_position(venue: Venue, payment: FundingPayment) -> int:
    """Return the id of the position that a payment was for: one that was open then, the earliest if it flipped."""
    account_id, market, when = payment.account_id, payment.market, payment.created_at_ms
    for past in venue.exchange.past_positions(account_id):
        if past.market == market and past.created_at_ms <= when <= past.closed_at_ms:
            return wire_account.position_id(account_id, market, past.number, past.created_at_ms)
    position = venue.exchange.position(account_id, market)
    if position is None:
        message = f"{account_id} was paid funding in {market}, where it never had a position"
        raise ValueError(message)
    return wire_account.position_id(account_id, market, position.number, position.created_at_ms)


ROUTES = (
    Route("GET", "/user/account/info", fetch_account),
    Route("GET", "/user/accounts", fetch_accounts),
    Route("GET", "/user/client/info", fetch_client),
    Route("GET", "/user/balance", fetch_balance),
    Route("GET", "/user/spot/balances", fetch_spot_balances),
    Route("GET", "/user/leverage", fetch_leverage, (MARKETS,)),
    Route("PATCH", "/user/leverage", set_leverage, takes_body=True),
    Route("GET", "/user/fees", fetch_fees, (MARKETS, Param("builderId", "int"))),
    Route("GET", "/user/rebates/stats", fetch_rebates),
    Route("GET", "/user/positions", fetch_positions, (MARKETS, POSITION_SIDE)),
    Route("GET", "/user/positions/history", fetch_position_history, (MARKETS, POSITION_SIDE, CURSOR, LIMIT)),
    Route(
        "GET",
        "/user/trades",
        fetch_fills,
        (MARKETS, Param("type", enum=("TRADE", "LIQUIDATION", "DELEVERAGE")), ORDER_SIDE, CURSOR, LIMIT),
    ),
    Route(
        "GET",
        "/user/funding/history",
        fetch_funding_payments,
        (MARKETS, POSITION_SIDE, Param("fromTime", "int", required=True), CURSOR, LIMIT),
    ),
    Route(
        "GET",
        "/user/assetOperations",
        fetch_operations,
        (
            Param("id"),
            Param("type", enum=_OPERATION_TYPES, repeats=True),
            Param("status", enum=_OPERATION_STATUSES, repeats=True),
            Param("startTime", "int"),
            Param("endTime", "int"),
            CURSOR,
            LIMIT,
        ),
    ),
)
