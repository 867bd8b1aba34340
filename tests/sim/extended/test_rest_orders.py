"""REST: order entry: what is taken, what is refused, and what becomes of it."""

from decimal import Decimal

import pytest

from perpkit.core.models.market import MarketStatus
from perpkit.sim.markets import SystemStatus
from perpkit.sim.venues.extended import LocalExtended, Settings

from . import contract_check
from .harness import Client, Signer, advance

D = Decimal


async def test_an_order_is_taken_rests_and_is_found(trader):
    """The answer has both ids and no state; the order is in the book, found by id, by external id and in the list."""
    answer = await trader.try_order(id="mine-1")
    assert set(answer.data) == {"id", "externalId"}
    assert answer.data["externalId"] == "mine-1"
    assert 2**53 < answer.data["id"] < 2**63
    order = (await trader.get(f"/user/orders/{answer.data['id']}")).data
    assert (order["status"], order["qty"], order["price"], order["filledQty"]) == ("NEW", "0.01", "83000", "0")
    assert (order["timeInForce"], order["payedFee"]) == ("GTT", "0.0000000000000000")
    assert order["expireTime"] == order["createdTime"] + 3_600_000
    assert (await trader.get("/user/orders/external/mine-1")).data == [order]
    assert (await trader.get("/user/orders")).data == [order]
    book = (await trader.get("/info/markets/BTC-USD/orderbook")).data
    assert book["bid"] == [{"qty": "0.01", "price": "83000"}]


async def test_an_order_body_of_the_harness_fits_the_contract(sim):
    """So that the tests send what the contract describes."""
    signer = Signer(sim, sim.accounts[0])
    body = signer.order()
    assert not list(contract_check.schema_validator("NewOrder").iter_errors(body))


async def test_a_market_order_takes_what_it_finds_and_ends(trader, quote):
    """0.01 at 84011 and 0.01 at 84012, no more within its price: canceled with what it filled."""
    quote("SELL", "84011", "0.01")
    quote("SELL", "84012", "0.01")
    order = await trader.place(type="MARKET", timeInForce="IOC", qty="0.03", price="84500")
    assert (order["status"], order["statusReason"]) == ("CANCELLED", "NO_LIQUIDITY")
    assert (order["filledQty"], order["cancelledQty"], order["averagePrice"]) == ("0.02", "0.01", "84011.5")
    fee = D("0.02") * D("84011.5") * D("0.00025")
    assert D(order["payedFee"]) == fee
    (position,) = (await trader.get("/user/positions")).data
    assert (position["side"], position["size"], position["openPrice"]) == ("LONG", "0.02", "84011.5")
    assert D(position["realisedPnl"]) == -fee
    assert D((await trader.get("/user/balance")).data["balance"]) == 100_000 - fee


async def test_a_post_only_order_that_would_cross_is_canceled(trader, quote):
    """Taken by the gateway, canceled by the engine, with its reason."""
    quote("SELL", "84011", "1")
    order = await trader.place(postOnly=True, price="84011", fee="0")
    assert (order["status"], order["statusReason"], order["filledQty"]) == ("CANCELLED", "POST_ONLY_FAILED", "0")


async def test_an_order_expires_at_its_own_time(trader, sim):
    """GTT: it rests until expiryEpochMillis."""
    order = await trader.place(expiryEpochMillis=sim.clock.now_ms() + 60_000)
    advance(sim, seconds=59)
    assert (await trader.get(f"/user/orders/{order['id']}")).data["status"] == "NEW"
    advance(sim, seconds=1)
    over = (await trader.get(f"/user/orders/{order['id']}")).data
    assert (over["status"], over["cancelledQty"]) == ("EXPIRED", "0.01")


REFUSED = {
    "below the least size": ({"qty": "0.00009"}, 1120),
    "finer than the step": ({"qty": "0.000101"}, 1123),
    "off the step": ({"market": "1000PEPE-USD", "qty": "1005", "price": "0.0125"}, 1121),
    "above the largest limit value": ({"qty": "200"}, 1122),
    "above the largest market value": ({"qty": "40", "type": "MARKET", "timeInForce": "IOC"}, 1122),
    "finer than the tick": ({"price": "83000.5"}, 1125),
    "off the tick": ({"market": "SOL-USD", "qty": "1", "price": "200.01"}, 1124),
    "no price": ({"price": None, "settlement": {}}, 1130),
    "a price of nothing": ({"price": "0"}, 1141),
    "a buy above the cap": ({"price": "88300"}, 1141),
    "a sell below the floor": ({"side": "SELL", "price": "79800"}, 1141),
    "a fee below the rate": ({"fee": "0.00024"}, 1128),
    "a builder's fee above its cap": ({"builderFee": "0.0002", "builderId": 1}, 1128),
    "expired": ({"expiryEpochMillis": 1}, 1135),
    "a market order that rests": ({"type": "MARKET"}, 1139),
    "a market order that is post-only": ({"type": "MARKET", "timeInForce": "IOC", "postOnly": True}, 1133),
    "top of book without post-only": ({"timeInForce": "TOB"}, 1133),
    "fill or kill": ({"timeInForce": "FOK"}, 1133),
    "no trigger": ({"type": "CONDITIONAL"}, 1143),
    "a TWAP": ({"type": "TWAP"}, 1132),
    "no leg": ({"type": "TPSL", "tpSlType": "ORDER", "price": "0", "reduceOnly": True}, 1131),
    "reduce-only without a position": ({"reduceOnly": True}, 1137),
    "an unknown market": ({"market": "NO-USD", "settlement": {}}, 1001),
    "a spot market": ({"market": "wstETH-USD"}, 1002),
    "a market with quotes on request": ({"market": "NVDA-USD", "qty": "1", "price": "180"}, 1132),
    "an unknown field": ({"clientId": "x"}, 1133),
    "a lower-case enum": ({"side": "buy", "settlement": {}}, 1133),
    "a number for a decimal": ({"qty": 0.01, "settlement": {}}, 1133),
    "a nonce of 0": ({"nonce": "0"}, 1133),
    "a nonce beyond 2^31": ({"nonce": str(2**31 + 1)}, 1133),
    "an order to replace that is not there": ({"cancelId": "nothing"}, 1142),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_the_gateway_refuses_and_nothing_is_there(trader, name):
    """With the venue's own number."""
    changes, code = REFUSED[name]
    if changes.get("settlement") == {}:
        valid = trader.signer.order()["settlement"]
        changes = {**changes, "settlement": valid}
    answer = await trader.try_order(**changes)
    assert answer.body["error"]["code"] == code, answer
    assert answer.status == (404 if code in {1001, 1142} else 400)
    assert (await trader.get("/user/orders")).data == []
    assert (await trader.get("/user/orders/history")).body["data"] == []


async def test_expiries_reach_ninety_days_on_mainnet_and_28_on_testnet():
    """One millisecond more is refused."""
    for environment, days in (("mainnet", 90), ("testnet", 28)):
        async with LocalExtended(settings=Settings(environment=environment)) as sim:
            far = sim.clock.now_ms() + days * 86_400_000
            async with Client(sim, Signer(sim, sim.accounts[0])) as client:
                assert (await client.try_order(expiryEpochMillis=far)).status == 200
                assert (await client.try_order(expiryEpochMillis=far + 1)).refusal == (400, 1135)


async def test_signatures_of_another_key_vault_chain_or_order_are_refused(sim, trader):
    """1100, 1102 and 1101; each on its own."""
    signer = trader.signer
    settlement = signer.order()["settlement"]
    other_key = settlement | {"starkKey": sim.accounts[1].public_key}
    assert (await trader.try_order(settlement=other_key)).refusal == (400, 1100)
    other_vault = settlement | {"collateralPosition": str(sim.accounts[1].vault)}
    assert (await trader.try_order(settlement=other_vault)).refusal == (400, 1102)
    for changed in ({"qty": "0.02"}, {"price": "83001"}, {"fee": "0.0005"}, {"nonce": "99"}, {"side": "SELL"}):
        assert (await trader.try_order(signed_as=changed)).refusal == (400, 1101), changed
    later = {"expiryEpochMillis": sim.clock.now_ms() + 3_601_000}
    assert (await trader.try_order(signed_as=later)).refusal == (400, 1101)
    testnet = Signer(sim, sim.accounts[0], chain_id="SN_SEPOLIA")
    assert (await trader.post("/user/order", testnet.order())).refusal == (400, 1101)
    assert (await trader.try_order(settlement=None)).refusal == (400, 1101)
    # What is not signed may differ: the body's id, type, time in force.
    assert (await trader.try_order(signed_as={"id": "other", "timeInForce": "IOC"})).status == 200


async def test_debugging_amounts_are_not_what_is_verified(trader):
    """A wrong one passes: the venue recomputes."""
    amounts = {"collateralAmount": "1", "feeAmount": "1", "syntheticAmount": "1"}
    assert (await trader.try_order(debuggingAmounts=amounts)).status == 200


async def test_a_client_id_in_use_and_a_message_used_before_are_duplicates(trader):
    """1134 for both: an open order of that id, and the same signed terms under another id."""
    body = trader.signer.order(id="one")
    assert (await trader.post("/user/order", body)).status == 200
    assert (await trader.try_order(id="one")).refusal == (400, 1134)
    assert (await trader.post("/user/order", body | {"id": "two"})).refusal == (400, 1134)


async def test_reduce_only_orders_need_an_opposite_position_of_their_size(trader, quote):
    """1138 on the same side, 1136 when larger; what fits closes."""
    quote("SELL", "84011", "1")
    quote("BUY", "84000", "1")
    await trader.place(type="MARKET", timeInForce="IOC", qty="0.02", price="84500")
    assert (await trader.try_order(reduceOnly=True)).refusal == (400, 1138)
    sell = {"side": "SELL", "price": "84000", "reduceOnly": True}
    assert (await trader.try_order(qty="0.03", **sell)).refusal == (400, 1136)
    assert (await trader.place(qty="0.02", **sell))["status"] == "FILLED"
    assert (await trader.get("/user/positions")).data == []


async def test_no_more_than_200_orders_stand_in_a_market(trader, sim):
    """1126 for the next; one canceled makes room."""
    sim.control.change_market("BTC-USD", max_open_orders=2)
    first = await trader.place()
    await trader.place()
    assert (await trader.try_order()).refusal == (400, 1126)
    await trader.delete(f"/user/order/{first['id']}")
    assert (await trader.try_order()).status == 200


async def test_an_order_may_cost_no_more_than_is_available(trader):
    """Margin at the leverage chosen: 13 x 83000 / 10 is more than 100,000, 11 x 83000 / 10 is not."""
    await trader.patch("/user/leverage", {"market": "BTC-USD", "leverage": "10"})
    assert (await trader.try_order(qty="13")).refusal == (400, 1140)
    assert (await trader.try_order(qty="11")).status == 200


async def test_an_order_against_a_position_costs_what_it_adds_beyond_it(trader, quote):
    """Short 8 at leverage 10: a buy of 16 turns it round and costs nothing, 19 cost margin for 3, 20 for 4."""
    quote("BUY", "84000", "8")
    await trader.patch("/user/leverage", {"market": "BTC-USD", "leverage": "10"})
    await trader.place(type="MARKET", timeInForce="IOC", side="SELL", price="83500", qty="8")
    assert D((await trader.get("/user/balance")).data["availableForTrade"]) < 4 * 8350
    for qty, code in (("20", 1140), ("19", None), ("16", None)):
        answer = await trader.try_order(qty=qty, price="83500", timeInForce="IOC")
        assert (answer.body.get("error") or {}).get("code") == code, qty


async def test_an_account_with_less_than_nothing_available_may_only_reduce(sim, trader, quote):
    """1145 for every order that is not flagged reduce-only."""
    quote("SELL", "84011", "60")
    for _ in range(2):
        await trader.place(type="MARKET", timeInForce="IOC", price="84500", qty="22")
    sim.control.set_price("BTC-USD", index=D(83400), mark=D(83400))
    assert D((await trader.get("/user/balance")).data["availableForTrade"]) < 0
    assert (await trader.try_order(qty="0.01")).refusal == (400, 1145)
    assert (await trader.try_order(qty="5", side="SELL", price="84000")).refusal == (400, 1145)
    assert (await trader.try_order(qty="5", side="SELL", price="84000", reduceOnly=True)).status == 200


async def test_an_order_may_not_open_with_a_loss_beyond_equity(trader):
    """25 bought at 88200 where the mark is 84021.5: a loss of 104,462 with 100,000."""
    assert (await trader.try_order(qty="25", price="88200")).refusal == (400, 1147)


async def test_a_position_may_not_outgrow_the_band_of_its_leverage(trader, sim):
    """At leverage 50 of BTC a position may be worth 4,000,000."""
    sim.control.deposit(sim.accounts[0].account_id, D(10_000_000))
    assert (await trader.try_order(qty="48", price="83000")).status == 200
    assert (await trader.try_order(qty="1", price="83000")).refusal == (400, 1127)


async def test_cancels_are_taken_and_unknown_orders_are_404(trader, other):
    """By id, by external id; again for an order that is over; never another's."""
    one, two = await trader.place(), await trader.place(id="mine")
    assert (await other.delete(f"/user/order/{one['id']}")).refusal == (404, 1142)
    assert (await trader.delete(f"/user/order/{one['id']}")).body == {"status": "OK"}
    assert (await trader.delete(f"/user/order/{one['id']}")).body == {"status": "OK"}
    assert (await trader.delete("/user/order", externalId="mine")).body == {"status": "OK"}
    assert (await trader.delete("/user/order", externalId="never")).refusal == (404, 1142)
    history = (await trader.get("/user/orders/history")).body["data"]
    assert [(row["id"], row["status"]) for row in history] == [(two["id"], "CANCELLED"), (one["id"], "CANCELLED")]
    assert "statusReason" not in history[0]


async def test_mass_cancel_takes_what_any_filter_names_and_all_overrides(trader):
    """Ids as numbers or text, external ids, markets; cancelAll false is no cancelAll; nothing at all is refused."""
    orders = [await trader.place(id=f"m{i}") for i in range(4)]
    eth = await trader.place(market="ETH-USD", price="3400", qty="0.1")
    body = {"orderIds": [orders[0]["id"], str(orders[1]["id"])], "externalOrderIds": ["m2"], "cancelAll": False}
    assert (await trader.post("/user/order/massCancel", body)).body == {"status": "OK", "data": {}}
    assert {o["externalId"] for o in (await trader.get("/user/orders")).data} == {"m3", eth["externalId"]}
    await trader.post("/user/order/massCancel", {"markets": ["BTC-USD"]})
    assert {o["id"] for o in (await trader.get("/user/orders")).data} == {eth["id"]}
    await trader.post("/user/order/massCancel", {"markets": ["BTC-USD"], "cancelAll": True})
    assert (await trader.get("/user/orders")).data == []
    assert (await trader.post("/user/order/massCancel", {"cancelAll": False})).refusal == (400, 400)


@pytest.mark.parametrize(
    ("status", "outcomes"),
    [
        (SystemStatus.MAINTENANCE, [(503, 1010), (503, 1010), (503, 1010)]),
        (SystemStatus.POST_ONLY, [(400, 1011), None, (400, 1011)]),
        (SystemStatus.CANCEL_ONLY, [(400, 1012), (400, 1012), None]),
    ],
)
async def test_modes_of_the_exchange_let_through_what_they_are_named_for(trader, sim, quote, status, outcomes):
    """Maintenance nothing, post-only post-only orders, reduce-only closing ones."""
    quote("SELL", "84011", "1")
    await trader.place(type="MARKET", timeInForce="IOC", price="84500")
    sim.control.set_system_status(status)
    closing = {"side": "SELL", "reduceOnly": True, "price": "85000"}
    for changes, refusal in zip([{}, {"postOnly": True}, closing], outcomes, strict=True):
        answer = await trader.try_order(**changes)
        assert (answer.refusal if answer.status != 200 else None) == refusal, changes


async def test_modes_of_a_market_show_and_hold(trader, sim):
    """REDUCE_ONLY is 1014, DISABLED 1002; the market list says so."""
    sim.control.set_market_status("BTC-USD", MarketStatus.CANCEL_ONLY)
    assert (await trader.get("/info/markets", market="BTC-USD")).data[0]["status"] == "REDUCE_ONLY"
    assert (await trader.try_order()).refusal == (400, 1014)
    sim.control.set_market_status("BTC-USD", MarketStatus.HALTED)
    assert (await trader.get("/info/markets", market="BTC-USD")).data[0]["status"] == "DISABLED"
    assert (await trader.try_order()).refusal == (400, 1002)


async def test_the_engine_can_still_refuse_what_the_gateway_took(trader, sim):
    """Between taking and deciding the money went: REJECTED with its reason, after an answer of OK."""
    sim.control.hold_decisions()
    answer = await trader.try_order(qty="40")
    assert answer.status == 200
    sim.control.withdraw(sim.accounts[0].account_id, D(90_000))
    sim.control.release_decisions()
    order = (await trader.get(f"/user/orders/{answer.data['id']}")).data
    assert (order["status"], order["statusReason"]) == ("REJECTED", "NOT_ENOUGH_FUNDS")


async def test_orders_that_ended_without_a_fill_are_forgotten_after_a_week(trader, sim, quote):
    """Those with fills stay; the unfilled one is gone by id, by external id and from the history."""
    quote("SELL", "84011", "1")
    filled = await trader.place(type="MARKET", timeInForce="IOC", price="84500", id="filled")
    canceled = await trader.place(id="gone")
    await trader.delete(f"/user/order/{canceled['id']}")
    advance(sim, days=7, seconds=1)
    assert [row["id"] for row in (await trader.get("/user/orders/history")).body["data"]] == [filled["id"]]
    assert (await trader.get("/user/orders/external/gone")).data == []
    assert (await trader.get(f"/user/orders/{canceled['id']}")).refusal == (404, 1142)


async def test_orders_of_markets_with_quotes_on_request_go_their_own_way(trader):
    """The same body to /user/order/rfq; other markets are refused there."""
    body = trader.signer.order(market="NVDA-USD", qty="1", price="179")
    assert (await trader.post("/user/order/rfq", body)).status == 200
    assert (await trader.post("/user/order/rfq", trader.signer.order())).refusal == (400, 1132)


async def test_a_builder_s_fee_comes_on_top_and_is_signed_for(trader, quote):
    """0.00025 and 0.0001 of 840.11; a signature without it is refused."""
    quote("SELL", "84011", "1")
    ioc = {"timeInForce": "IOC", "price": "84011", "builderFee": "0.0001", "builderId": 2017}
    assert (await trader.try_order(signed_as={"builderFee": "0"}, **ioc)).refusal == (400, 1101)
    order = await trader.place(**ioc)
    assert D(order["payedFee"]) == D("840.11") * D("0.00035")


async def test_a_lenient_venue_notes_what_a_strict_one_refuses():
    """Unknown fields and parameters, exponents, numbers for text, a nonce of the SDK's range."""
    async with (
        LocalExtended(settings=Settings(strict=False)) as sim,
        Client(sim, Signer(sim, sim.accounts[0])) as client,
    ):
        body = client.signer.order(nonce=str(2**32 - 1), price="8.3E+4")
        assert (await client.post("/user/order", body | {"clientId": "x"})).status == 200
        assert (await client.get("/user/funding/history", startTime=1)).status == 200
        assert len(sim.deviations) == 5, sim.deviations
