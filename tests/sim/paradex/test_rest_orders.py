"""Orders over REST: taken in, refused, filled, changed, canceled, listed."""

from datetime import timedelta
from decimal import Decimal

import pytest

from perpkit.core.models.market import MarketStatus
from perpkit.sim.markets import SystemStatus

from .harness import Client, Signer


async def test_an_order_is_new_first_and_open_when_it_rests(sim, trader):
    """201 says NEW; the listing says OPEN, with what was asked for."""
    placed = await trader.place(client_id="mine", instruction="POST_ONLY", stp="EXPIRE_MAKER")
    assert (placed["status"], placed["remaining_size"], placed["account"]) == ("NEW", "0.01", sim.accounts[0].address)
    (shown,) = (await trader.get("/orders")).results
    assert (shown["id"], shown["status"], shown["client_id"]) == (placed["id"], "OPEN", "mine")
    assert (shown["instruction"], shown["stp"], shown["avg_fill_price"]) == ("POST_ONLY", "EXPIRE_MAKER", "")
    assert (await trader.get(f"/orders/{placed['id']}")).body["id"] == placed["id"]
    assert (await trader.get("/orders/by_client_id/mine")).body["id"] == placed["id"]
    assert (await trader.get("/orders", market="ETH-USD-PERP")).results == []


async def test_a_market_order_fills_and_the_account_shows_it(sim, trader, quote):
    """Buying 0.5 at 100,010: fill, fee of 3 basis points, position, balance and margin are arithmetic."""
    quote("SELL", "100010", "1")
    placed = await trader.place(type="MARKET", price="0", size="0.5", client_id="taker")
    (fill,) = (await trader.get("/fills")).results
    fee = Decimal("0.5") * 100010 * Decimal("0.0003")
    assert (fill["order_id"], fill["client_id"], fill["side"], fill["liquidity"]) == (
        placed["id"], "taker", "BUY", "TAKER"
    )  # fmt: skip
    assert (fill["price"], fill["size"], Decimal(fill["fee"]), fill["fill_type"]) == ("100010", "0.5", fee, "FILL")
    (position,) = (await trader.get("/positions")).results
    assert (position["side"], position["size"], position["status"]) == ("LONG", "0.5", "OPEN")
    assert (position["average_entry_price"], Decimal(position["cost"])) == ("100010", 50005)
    assert Decimal(position["unrealized_pnl"]) == Decimal("0.5") * (100000 - 100010)
    (balance,) = (await trader.get("/balance")).results
    assert (balance["token"], Decimal(balance["size"])) == ("USDC", 100000 - fee)
    account = (await trader.get("/account")).body
    assert Decimal(account["account_value"]) == 100000 - fee - 5
    assert Decimal(account["initial_margin_requirement"]) == Decimal("0.5") * 100000 * Decimal("0.02")
    assert (await trader.get(f"/orders/{placed['id']}")).refusal == (400, "ORDER_ID_NOT_FOUND")
    (closed,) = (await trader.get("/orders-history", client_id="taker")).results
    assert (closed["status"], closed["remaining_size"], closed["cancel_reason"]) == ("CLOSED", "0", "")
    assert closed["avg_fill_price"] == "100010"


async def test_a_makers_fill_names_the_takers_side(sim, trader, other):
    """The first account's resting buy is hit: its own fill says SELL, the taker's side, and MAKER."""
    await trader.place(price="99990", size="0.1")
    await other.place(side="SELL", type="MARKET", price="0", size="0.1")
    (made,) = (await trader.get("/fills")).results
    (took,) = (await other.get("/fills")).results
    assert (made["side"], made["liquidity"], made["fee"]) == ("SELL", "MAKER", "0")
    assert (took["side"], took["liquidity"]) == ("SELL", "TAKER")
    assert [p["side"] for p in (await trader.get("/positions")).results] == ["LONG"]


async def test_a_rebate_is_a_negative_fee(trader, other):
    """ETH pays its makers half a basis point."""
    await trader.place(market="ETH-USD-PERP", price="3990", size="1")
    await other.place(market="ETH-USD-PERP", side="SELL", type="MARKET", price="0", size="1")
    (made,) = (await trader.get("/fills", market="ETH-USD-PERP")).results
    assert Decimal(made["fee"]) == Decimal("-0.00005") * 3990


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"market": "NO-USD-PERP"}, "MARKET_NOT_FOUND"),
        ({"market": "LUNA-USD-PERP", "price": "0.5", "size": "100"}, "MARKET_NOT_OPEN"),
        ({"market": "SOON-USD-PERP", "price": "1", "size": "100"}, "MARKET_NOT_OPEN"),
        ({"market": "DIME-USD", "price": "0.1", "size": "100"}, "MARKET_NOT_OPEN"),
        ({"market": None, "signed_as": {"market": "BTC-USD-PERP"}}, "VALIDATION_ERROR"),
        ({"price": "99000.05"}, "VALIDATION_ERROR"),
        ({"price": "0"}, "VALIDATION_ERROR"),
        ({"price": "-1", "signed_as": {"price": "1"}}, "VALIDATION_ERROR"),
        ({"price": "NaN", "signed_as": {"price": "1"}}, "VALIDATION_ERROR"),
        ({"price": "1e5"}, "VALIDATION_ERROR"),
        ({"price": 99000}, "BINDING_ERROR"),
        ({"price": None}, "VALIDATION_ERROR"),
        ({"size": "0.000001"}, "INVALID_ORDER_SIZE"),
        ({"size": "0"}, "INVALID_ORDER_SIZE"),
        ({"size": "-1", "signed_as": {"size": "1"}}, "INVALID_ORDER_SIZE"),
        ({"size": "101"}, "INVALID_ORDER_SIZE"),
        ({"size": "0.00001"}, "INVALID_ORDER_SIZE"),
        ({"side": "LONG", "signed_as": {"side": "BUY"}}, "VALIDATION_ERROR"),
        ({"type": "FOK"}, "VALIDATION_ERROR"),
        ({"instruction": "FOK"}, "VALIDATION_ERROR"),
        ({"instruction": None}, "VALIDATION_ERROR"),
        ({"instruction": "RPI"}, "RPI_ACCOUNT_NOT_WHITELISTED"),
        ({"flags": ["POST_ONLY"]}, "VALIDATION_ERROR"),
        ({"flags": "REDUCE_ONLY"}, "BINDING_ERROR"),
        ({"flags": ["TARGET_STRATEGY_VWAP"]}, "VALIDATION_ERROR"),
        ({"flags": ["STOP_CONDITION_BELOW_TRIGGER", "STOP_CONDITION_ABOVE_TRIGGER"]}, "VALIDATION_ERROR"),
        ({"type": "MARKET", "price": "5"}, "VALIDATION_ERROR"),
        ({"type": "MARKET", "price": "0", "instruction": "POST_ONLY"}, "VALIDATION_ERROR"),
        ({"type": "STOP_LIMIT"}, "VALIDATION_ERROR"),
        ({"type": "STOP_MARKET", "price": "0", "trigger_price": "99000.05"}, "VALIDATION_ERROR"),
        ({"trigger_price": "99000"}, "VALIDATION_ERROR"),
        ({"client_id": "x" * 65}, "VALIDATION_ERROR"),
        ({"client_id": 12}, "BINDING_ERROR"),
        ({"recv_window": 9}, "VALIDATION_ERROR"),
        ({"recv_window": "300"}, "BINDING_ERROR"),
        ({"recv_window": 500}, "INVALID_TIMESTAMP"),
        ({"signature_timestamp": 1}, "INVALID_TIMESTAMP"),
        ({"signature_timestamp": "1", "signed_as": {"signature_timestamp": 1}}, "BINDING_ERROR"),
        ({"signature": "nonsense"}, "INVALID_ORDER_SIGNATURE"),
        ({"signature": '["1","2"]'}, "INVALID_ORDER_SIGNATURE"),
        ({"signed_as": {"price": "99001"}}, "INVALID_ORDER_SIGNATURE"),
        ({"signed_as": {"size": "0.02"}}, "INVALID_ORDER_SIGNATURE"),
        ({"signed_as": {"side": "SELL"}}, "INVALID_ORDER_SIGNATURE"),
        ({"signed_as": {"market": "ETH-USD-PERP"}}, "INVALID_ORDER_SIGNATURE"),
        ({"signed_as": {"type": "MARKET"}}, "INVALID_ORDER_SIGNATURE"),
        ({"on_behalf_of_account": "0x1"}, "ISOLATED_MARKET_ACCOUNT_MISMATCH"),
        ({"on_behalf_of_account": "me"}, "ISOLATED_MARKET_ACCOUNT_MISMATCH"),
    ],
)
async def test_a_request_that_does_not_hold_is_refused_at_once(sim, trader, changes, code):
    """HTTP 400 with the contract's code, and no order comes of it."""
    answer = await trader.post("/orders", trader.signer.order(**changes))
    assert answer.refusal == (400, code)
    assert sim.exchange.orders(sim.accounts[0].address) == []


async def test_a_signature_for_another_environment_is_refused(sim, trader):
    """The chain id of the main network makes another hash."""
    foreign = Signer(sim, sim.accounts[0], chain_id="PRIVATE_SN_PARACLEAR_MAINNET")
    assert (await trader.post("/orders", foreign.order())).refusal == (400, "INVALID_ORDER_SIGNATURE")


async def test_a_signature_of_another_account_is_refused(sim, trader):
    """Signed with the second account's key, sent with the first one's token."""
    stranger = Signer(sim, sim.accounts[0], sim.accounts[1].private_key)
    assert (await trader.post("/orders", stranger.order())).refusal == (400, "INVALID_ORDER_SIGNATURE")


async def test_a_signature_timestamp_serves_once(trader):
    """The same request again is refused, and so is another order with its timestamp."""
    body = trader.signer.order()
    assert (await trader.post("/orders", body)).status == 201
    assert (await trader.post("/orders", body)).refusal == (400, "INVALID_TIMESTAMP")
    other = trader.signer.order(price="98000", signature_timestamp=body["signature_timestamp"])
    assert (await trader.post("/orders", other)).refusal == (400, "INVALID_TIMESTAMP")


@pytest.mark.parametrize("text", ["", "{", "[]", '"x"'])
async def test_a_body_that_is_no_order_is_refused(trader, text):
    """No JSON, or JSON that is no object."""
    answer = await trader.request("POST", "/orders", data=text.encode(), headers={"Content-Type": "application/json"})
    assert answer.status == 400
    assert answer.body["error"] in {"BINDING_ERROR", "VALIDATION_ERROR"}


async def test_a_client_id_is_unique_among_open_orders(trader):
    """Taken while its order is open, free again afterwards."""
    first = await trader.place(client_id="once")
    assert (await trader.post("/orders", trader.signer.order(client_id="once"))).refusal == (
        400,
        "DUPLICATED_CLIENT_ID",
    )
    assert (await trader.delete(f"/orders/{first['id']}")).status == 204
    await trader.place(client_id="once")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"size": "60"}, "NOT_ENOUGH_MARGIN"),
        ({"price": "100020", "instruction": "POST_ONLY"}, "POST_ONLY_WOULD_CROSS"),
        ({"flags": ["REDUCE_ONLY"]}, "REDUCE_ONLY_WILL_INCREASE"),
        ({"price": "106000"}, "PRICE_OUT_OF_BAND"),
        ({"instruction": "IOC"}, "IOC_NOT_FULLY_FILLED"),
    ],
)
async def test_a_risk_check_refuses_after_acceptance(trader, quote, changes, reason):
    """201 and NEW first; then CLOSED, all of it unfilled, with the reason."""
    quote("SELL", "100010", "1")
    placed = await trader.place(**changes)
    assert placed["status"] == "NEW"
    (closed,) = (await trader.get("/orders-history", status="CLOSED")).results
    assert (closed["id"], closed["cancel_reason"]) == (placed["id"], reason)
    assert closed["remaining_size"] == closed["size"]


async def test_a_market_order_without_liquidity_is_closed_with_its_reason(trader):
    """Nothing on the other side."""
    await trader.place(type="MARKET", price="0")
    (closed,) = (await trader.get("/orders-history")).results
    assert (closed["status"], closed["cancel_reason"]) == ("CLOSED", "NO_LIQUIDITY")


async def test_the_hundred_and_first_order_in_a_market_is_closed(trader):
    """A market takes 100 open orders of an account."""
    for place in range(0, 100, 10):
        bodies = [trader.signer.order(price=str(99000 - place - i), size="0.001") for i in range(10)]
        assert len((await trader.post("/orders/batch", bodies)).body["orders"]) == 10
    await trader.place(price="98000", size="0.001")
    (closed,) = (await trader.get("/orders-history", status="CLOSED")).results
    assert closed["cancel_reason"] == "MAX_OPEN_ORDERS_EXCEEDED"


async def test_a_stop_waits_and_triggers_on_the_mark_price(sim, trader, quote):
    """UNTRIGGERED, then filled once the mark falls to it; a by-client-id lookup finds only OPEN."""
    quote("BUY", "94990", "5")
    placed = await trader.place(
        side="SELL", type="STOP_LOSS_MARKET", price="0", trigger_price="95000", client_id="stop", size="0.1"
    )
    (waiting,) = (await trader.get("/orders")).results
    assert (waiting["status"], waiting["trigger_price"], waiting["type"]) == (
        "UNTRIGGERED",
        "95000",
        "STOP_LOSS_MARKET",
    )
    assert (await trader.get("/orders/by_client_id/stop")).refusal == (400, "CLIENT_ORDER_ID_NOT_FOUND")
    sim.exchange.set_price("BTC-USD-PERP", index=Decimal(95000))
    (fill,) = (await trader.get("/fills")).results
    assert (fill["order_id"], fill["price"]) == (placed["id"], "94990")


async def test_an_order_is_modified_in_place(trader):
    """Price and size change, the id stays, and the answer says that it was a modification."""
    placed = await trader.place()
    change = trader.signer.modification(placed, price="98500", size="0.02")
    changed = (await trader.put(f"/orders/{placed['id']}", change)).body
    assert (changed["id"], changed["price"], changed["size"], changed["status"]) == (
        placed["id"], "98500", "0.02", "OPEN"
    )  # fmt: skip
    assert changed["request_info"]["request_type"] == "MODIFY_ORDER"


async def test_a_trigger_is_modified_while_it_waits(trader):
    """The trigger price of an untriggered stop can move."""
    placed = await trader.place(side="SELL", type="STOP_LIMIT", price="94900", trigger_price="95000")
    change = trader.signer.modification(placed, trigger_price="94950", price="94800")
    changed = (await trader.put(f"/orders/{placed['id']}", change)).body
    assert (changed["trigger_price"], changed["price"], changed["status"]) == ("94950", "94800", "UNTRIGGERED")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"id": "1"}, "VALIDATION_ERROR"),
        ({"side": "SELL"}, "VALIDATION_ERROR"),
        ({"type": "MARKET", "price": "0"}, "VALIDATION_ERROR"),
        ({"market": "ETH-USD-PERP"}, "VALIDATION_ERROR"),
        ({"price": "98500.05"}, "VALIDATION_ERROR"),
        ({"size": "0"}, "INVALID_ORDER_SIZE"),
        ({"signature": '["1","2"]'}, "INVALID_ORDER_SIGNATURE"),
        ({"signature_timestamp": 1}, "INVALID_TIMESTAMP"),
    ],
)
async def test_a_modification_that_does_not_hold_changes_nothing(trader, changes, code):
    """HTTP 400, and the order stays as it was."""
    placed = await trader.place()
    answer = await trader.put(f"/orders/{placed['id']}", trader.signer.modification(placed, **changes))
    assert answer.refusal == (400, code)
    (kept,) = (await trader.get("/orders")).results
    assert (kept["price"], kept["size"]) == ("99000", "0.01")


async def test_an_order_signature_does_not_serve_for_a_modification(trader):
    """The id is part of what a modification signs."""
    placed = await trader.place()
    order = trader.signer.order(price="98000")
    change = {name: order[name] for name in order if name != "instruction"} | {"id": placed["id"]}
    assert (await trader.put(f"/orders/{placed['id']}", change)).refusal == (400, "INVALID_ORDER_SIGNATURE")


async def test_an_order_that_is_gone_is_neither_modified_nor_canceled(trader):
    """Unknown and closed orders have codes of their own."""
    placed = await trader.place(client_id="gone")
    change = trader.signer.modification(placed, price="98500")
    assert (await trader.delete(f"/orders/{placed['id']}")).status == 204
    assert (await trader.put(f"/orders/{placed['id']}", change)).refusal == (400, "ORDER_IS_CLOSED")
    assert (await trader.delete(f"/orders/{placed['id']}")).refusal == (400, "ORDER_IS_CLOSED")
    assert (await trader.delete("/orders/12345")).refusal == (400, "ORDER_ID_NOT_FOUND")
    unknown = trader.signer.modification(placed, id="12345")
    assert (await trader.put("/orders/12345", unknown)).refusal == (400, "ORDER_ID_NOT_FOUND")
    assert (await trader.delete("/orders/by_client_id/gone")).refusal == (400, "ORDER_IS_CLOSED")
    assert (await trader.delete("/orders/by_client_id/never")).refusal == (400, "CLIENT_ORDER_ID_NOT_FOUND")


async def test_another_accounts_order_is_not_there(trader, other):
    """Ids of others are unknown ids."""
    placed = await trader.place()
    assert (await other.get(f"/orders/{placed['id']}")).refusal == (400, "ORDER_ID_NOT_FOUND")
    assert (await other.delete(f"/orders/{placed['id']}")).refusal == (400, "ORDER_ID_NOT_FOUND")


async def test_a_canceled_order_says_who_canceled_it(trader):
    """204 without a body; history has USER_CANCELED."""
    await trader.place(client_id="a")
    assert (await trader.delete("/orders/by_client_id/a", market="BTC-USD-PERP")).status == 204
    (closed,) = (await trader.get("/orders-history")).results
    assert (closed["status"], closed["cancel_reason"]) == ("CLOSED", "USER_CANCELED")


async def test_cancel_all_is_scoped_by_market(trader):
    """With a market only its orders go; without one all do. The answer has no body."""
    await trader.place()
    await trader.place(market="ETH-USD-PERP", price="3900", size="1")
    answer = await trader.delete("/orders", market="ETH-USD-PERP")
    assert (answer.status, answer.body) == (200, None)
    assert [o["market"] for o in (await trader.get("/orders")).results] == ["BTC-USD-PERP"]
    assert (await trader.delete("/orders", market="NO-USD-PERP")).refusal == (400, "MARKET_NOT_FOUND")
    await trader.delete("/orders")
    assert (await trader.get("/orders")).results == []


async def test_a_batch_is_taken_whole_or_not_at_all(sim, trader):
    """One bad signature refuses every order; a refusal after validation stands by itself."""
    good = [trader.signer.order(price=str(99000 - i)) for i in range(3)]
    bad = [*good, trader.signer.order(signed_as={"price": "1"})]
    assert (await trader.post("/orders/batch", bad)).refusal == (400, "INVALID_ORDER_SIGNATURE")
    assert sim.exchange.orders(sim.accounts[0].address) == []
    again = [trader.signer.order(client_id="twin"), trader.signer.order(client_id="twin")]
    body = (await trader.post("/orders/batch", again)).body
    assert [o["status"] for o in body["orders"]] == ["NEW"]
    assert [e["error"] for e in body["errors"]] == ["DUPLICATED_CLIENT_ID"]


@pytest.mark.parametrize("count", [0, 11])
async def test_a_batch_has_one_to_ten_orders(trader, count):
    """Outside of that it is refused."""
    bodies = [trader.signer.order() for _ in range(count)]
    assert (await trader.post("/orders/batch", bodies)).refusal == (400, "BATCH_SIZE_OUT_OF_RANGE")
    assert (await trader.post("/orders/batch", {})).refusal == (400, "BINDING_ERROR")


async def test_a_batch_of_cancels_answers_for_each_id(trader):
    """Queued, closed already, not found; by venue id and by client id."""
    first = await trader.place(client_id="one")
    second = await trader.place(client_id="two", price="98000")
    await trader.delete(f"/orders/{second['id']}")
    answer = await trader.delete(
        "/orders/batch", {"order_ids": [second["id"], "77"], "client_order_ids": ["one", "nobody"]}
    )
    assert [(row.get("id"), row["status"]) for row in answer.results] == [
        (second["id"], "ALREADY_CLOSED"),
        ("77", "NOT_FOUND"),
        (first["id"], "QUEUED_FOR_CANCELLATION"),
        (None, "NOT_FOUND"),
    ]
    assert answer.results[3] == {"client_id": "nobody", "status": "NOT_FOUND"}
    assert (await trader.delete("/orders/batch", {})).refusal == (400, "VALIDATION_ERROR")


async def test_history_pages_and_filters(sim, trader):
    """Newest first, filtered by side, type, status, market, client id and time."""
    for i in range(5):
        await trader.place(price=str(98000 + i), client_id=f"c{i}")
        sim.clock.advance(timedelta(seconds=1))
    middle = sim.clock.now_ms()
    await trader.place(side="SELL", price="101000", client_id="ask")
    page = (await trader.get("/orders-history", page_size=4)).body
    names = [row["client_id"] for row in page["results"]]
    page = (await trader.get("/orders-history", page_size=4, cursor=page["next"])).body
    assert names + [row["client_id"] for row in page["results"]] == ["ask", "c4", "c3", "c2", "c1", "c0"]
    assert page["next"] is None
    assert page["prev"] is not None

    async def found(**query):
        return [row["client_id"] for row in (await trader.get("/orders-history", **query)).results]

    assert await found(side="SELL") == ["ask"]
    assert await found(client_id="c2") == ["c2"]
    assert await found(start_at=middle) == ["ask"]
    assert await found(market="ETH-USD-PERP") == []
    assert await found(type="MARKET") == []
    assert await found(status="CLOSED") == []
    for query in ({"status": "UNTRIGGERED"}, {"type": "FOK"}, {"page_size": 5001}, {"order_id": "1"}):
        assert (await trader.get("/orders-history", **query)).refusal == (400, "INVALID_REQUEST_PARAMETER")


async def test_maintenance_cancel_only_and_post_only_are_told_apart(sim, trader):
    """Each mode refuses what it refuses and lets the rest pass."""
    placed = await trader.place()
    sim.exchange.set_system_status(SystemStatus.MAINTENANCE)
    assert (await trader.post("/orders", trader.signer.order())).refusal == (503, "SERVICE_UNAVAILABLE")
    assert (await trader.delete(f"/orders/{placed['id']}")).refusal == (503, "SERVICE_UNAVAILABLE")
    assert (await trader.get("/orders")).status == 200
    sim.exchange.set_system_status(SystemStatus.CANCEL_ONLY)
    assert (await trader.post("/orders", trader.signer.order())).refusal == (400, "SYSTEM_STATUS_CANCEL_ONLY")
    assert (await trader.delete(f"/orders/{placed['id']}")).status == 204
    sim.exchange.set_system_status(SystemStatus.POST_ONLY)
    assert (await trader.post("/orders", trader.signer.order())).refusal == (400, "SYSTEM_STATUS_POST_ONLY")
    await trader.place(instruction="POST_ONLY")
    sim.exchange.set_system_status(SystemStatus.OK)
    sim.exchange.set_market_status("BTC-USD-PERP", MarketStatus.HALTED)
    assert (await trader.post("/orders", trader.signer.order())).refusal == (400, "MARKET_NOT_OPEN")


async def test_the_order_quota_is_the_accounts_and_told_by_429(sim, trader, other):
    """With quotas cut to eight orders a second, the ninth is refused with the time to wait, then passes."""
    sim.venue.limiter.scale = 100
    for _ in range(8):
        await trader.place()
    refused = await trader.post("/orders", trader.signer.order())
    assert refused.status == 429
    assert (refused.headers["Retry-After"], refused.headers["X-RateLimit-Limit"]) == ("1", "8")
    await other.place()
    sim.clock.advance(timedelta(milliseconds=125))
    await trader.place()


async def test_what_a_client_sends_beyond_the_contract_is_ignored_and_noted(sim, trader):
    """An unlisted field changes nothing, and the venue's list of deviations names it."""
    answer = await trader.post("/orders", trader.signer.order() | {"leverage": "10"})
    assert answer.status == 201
    assert sim.deviations == ["POST /orders: 'leverage' is not in the contract and was ignored"]


async def test_an_interactive_token_marks_its_orders_and_pays_its_own_fee(sim, trader, quote):
    """A retail token's orders and fills carry the flag, and pay the market's ``interactive_fee``: nothing."""
    quote("SELL", "100010", "1")
    token = (await trader.sign_in(token_usage="interactive")).body["jwt_token"]
    async with Client(sim, trader.signer, token) as retail:
        placed = await retail.place(type="MARKET", price="0", size="0.1")
    await trader.place(type="MARKET", price="0", size="0.1")
    assert placed["flags"] == ["INTERACTIVE"]
    usual, retail_fill = (await trader.get("/fills")).results
    assert (retail_fill["fee"], retail_fill["flags"]) == ("0", ["interactive"])
    assert (Decimal(usual["fee"]), usual["flags"]) == (Decimal("0.1") * 100010 * Decimal("0.0003"), [])
