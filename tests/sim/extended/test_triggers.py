"""Conditional orders, TP/SL and the dead-man switch: what waits, what wakes it, and what goes with it."""

from decimal import Decimal

import pytest

from perpkit.sim.venues.extended import LocalExtended, Settings

from .harness import Client, Signer, Stream, advance, section

D = Decimal
TRIGGER = {"triggerPrice": "80000", "triggerPriceType": "MARK", "direction": "DOWN", "executionPriceType": "MARKET"}
TAKE_PROFIT = {"triggerPrice": "90000", "triggerPriceType": "LAST", "price": "89500", "priceType": "LIMIT"}
STOP_LOSS = {"triggerPrice": "80000", "triggerPriceType": "MARK", "price": "76000", "priceType": "MARKET"}
LEGS = {"takeProfit": TAKE_PROFIT, "stopLoss": STOP_LOSS}


def with_legs(signer, signed_side, signed_qty, legs=LEGS, **changes):
    """Return an order with legs, each signed for a side and a size; the size for a price where it is a mapping."""
    body = signer.order(**changes)
    for name, fields in legs.items():
        qty = signed_qty[fields["price"]] if isinstance(signed_qty, dict) else signed_qty
        body[name] = signer.leg(body, side=signed_side, qty=qty, **fields)
    return body


def tpsl(signer, side="SELL", qty="0", legs=LEGS, *, covers=None, **changes):
    """Return a TP/SL for the whole position, or with a ``qty`` for that much."""
    # 60,000,000 x 50 at each leg's price, rounded down to the size step.
    whole = covers or {"89500": "33519.55307", "76000": "39473.68421"}
    kind = "POSITION" if qty == "0" else "ORDER"
    options = {"type": "TPSL", "side": side, "price": "0", "qty": qty, "reduceOnly": True, "tpSlType": kind}
    return with_legs(signer, side, whole if qty == "0" else qty, legs, **{**options, **changes})


@pytest.fixture
def deep(quote):
    """A book wide enough that a triggered order finds somebody."""
    for price in ("84000", "80000", "79000", "77000"):
        quote("BUY", price, "5")
    quote("SELL", "84011", "5")
    quote("SELL", "90500", "5")


async def open_long(trader, qty="0.1"):
    return await trader.place(type="MARKET", timeInForce="IOC", price="84500", qty=qty)


async def test_a_conditional_order_waits_and_executes_at_market(sim, trader, deep):
    """UNTRIGGERED, TRIGGERED in passing, then what it found within its price; not at 80001."""
    await open_long(trader)
    options = {"type": "CONDITIONAL", "side": "SELL", "qty": "0.1", "price": "76000", "reduceOnly": True}
    order = await trader.place(**options, timeInForce="IOC", trigger=TRIGGER)
    assert (order["status"], order["type"], order["trigger"]) == ("UNTRIGGERED", "CONDITIONAL", TRIGGER)
    async with Stream(sim, "account", key=sim.accounts[0].api_key) as stream:
        assert (await stream.wait(1))[0]["data"]["orders"][0]["status"] == "UNTRIGGERED"
        sim.control.set_price("BTC-USD", index=D(84000), mark=D(80001))
        assert (await trader.get(f"/user/orders/{order['id']}")).data["status"] == "UNTRIGGERED"
        sim.control.set_price("BTC-USD", index=D(84000), mark=D(80000))
        told = [f["data"]["orders"][0]["status"] for f in await stream.wait(2, section("ORDER"))]
        assert told == ["TRIGGERED", "FILLED"]
    done = (await trader.get(f"/user/orders/{order['id']}")).data
    assert (done["status"], done["averagePrice"]) == ("FILLED", "84000")


async def test_a_conditional_limit_order_rests_after_its_trigger_and_expires(sim, trader):
    """GTT: from then on it is in the book, until its time."""
    trigger = TRIGGER | {"direction": "UP", "triggerPrice": "85000", "executionPriceType": "LIMIT"}
    order = await trader.place(type="CONDITIONAL", price="84000", trigger=trigger)
    sim.control.set_price("BTC-USD", index=D(85000), mark=D(85000))
    assert (await trader.get(f"/user/orders/{order['id']}")).data["status"] == "NEW"
    assert (await trader.get("/info/markets/BTC-USD/orderbook")).data["bid"] == [{"qty": "0.01", "price": "84000"}]
    advance(sim, hours=1)
    assert (await trader.get(f"/user/orders/{order['id']}")).data["status"] == "EXPIRED"


async def test_the_price_of_a_conditional_order_is_bound_to_its_trigger(trader):
    """Five percent beyond 80000 downwards is 76000."""
    options = {"type": "CONDITIONAL", "side": "SELL", "timeInForce": "IOC", "trigger": TRIGGER}
    assert (await trader.try_order(**options, price="75999")).refusal == (400, 1141)
    assert (await trader.try_order(**options, price="76000")).status == 200
    limit = TRIGGER | {"executionPriceType": "MARKET"}
    post_only = options | {"trigger": limit, "timeInForce": "GTT", "postOnly": True, "price": "76000", "fee": "0"}
    assert (await trader.try_order(**post_only)).refusal == (400, 1144)


async def test_a_position_tpsl_shows_both_legs_and_the_first_touched_counts(sim, trader, deep):
    """No price and no size of its own; the stop-loss sells the whole position, and the other leg is gone."""
    await open_long(trader)
    answer = await trader.post("/user/order", tpsl(trader.signer))
    (order,) = (await trader.get("/user/orders")).data
    assert order["id"] == answer.data["id"]
    assert (order["type"], order["price"], order["qty"], order["tpSlType"]) == ("TPSL", None, "0", "POSITION")
    assert order["takeProfit"] == TAKE_PROFIT | {"status": "UNTRIGGERED"}
    assert order["stopLoss"] == STOP_LOSS | {"status": "UNTRIGGERED"}
    await open_long(trader, "0.05")
    sim.control.set_price("BTC-USD", index=D(80000), mark=D(80000))
    done = (await trader.get(f"/user/orders/{order['id']}")).data
    assert (done["status"], done["filledQty"], done["qty"]) == ("FILLED", "0.15", "0.15")
    assert (done["stopLoss"]["status"], done["takeProfit"]["status"]) == ("FILLED", "CANCELLED")
    assert (await trader.get("/user/positions")).data == []


async def test_a_take_profit_wakes_on_the_last_trade(sim, trader, deep, quote):
    """90000 was traded: a limit order at 89500, which takes the best bid."""
    await open_long(trader)
    await trader.post("/user/order", tpsl(trader.signer))
    quote("BUY", "90500", "10", visitor=True)
    (order,) = (await trader.get("/user/orders/history")).body["data"][:1]
    assert (order["type"], order["status"], order["averagePrice"]) == ("TPSL", "FILLED", "90500")
    assert order["takeProfit"]["status"] == "FILLED"


async def test_one_tpsl_protects_a_whole_position_and_ends_with_it(trader, deep):
    """A second one conflicts; without a position there is nothing to protect; closed by hand, it goes too."""
    assert (await trader.post("/user/order", tpsl(trader.signer))).refusal == (400, 1137)
    await open_long(trader)
    first = await trader.post("/user/order", tpsl(trader.signer))
    second = await trader.post("/user/order", tpsl(trader.signer))
    order = (await trader.get(f"/user/orders/{second.data['id']}")).data
    assert (order["status"], order["statusReason"]) == ("REJECTED", "POSITION_TPSL_CONFLICT")
    await trader.place(side="SELL", type="MARKET", timeInForce="IOC", price="83500", qty="0.1", reduceOnly=True)
    gone = (await trader.get(f"/user/orders/{first.data['id']}")).data
    assert (gone["status"], gone["statusReason"]) == ("CANCELLED", "REDUCE_ONLY_FAILED")


async def test_an_order_tpsl_has_a_size(sim, trader, deep):
    """Of its own, signed by both legs."""
    await open_long(trader)
    answer = await trader.post("/user/order", tpsl(trader.signer, qty="0.04"))
    sim.control.set_price("BTC-USD", index=D(80000), mark=D(80000))
    done = (await trader.get(f"/user/orders/{answer.data['id']}")).data
    assert (done["status"], done["filledQty"]) == ("FILLED", "0.04")
    (position,) = (await trader.get("/user/positions")).data
    assert position["size"] == "0.06"


async def test_every_leg_is_verified(trader, deep):
    """Signed for the other side, another size or the whole position's size where it is not: 1101, each by name."""
    await open_long(trader)
    for wrong in ({"side": "BUY"}, {"qty": "0.05"}):
        body = tpsl(trader.signer, qty="0.04")
        body["stopLoss"] = trader.signer.leg(body, **{"side": "SELL", "qty": "0.04", **wrong}, **STOP_LOSS)
        answer = await trader.post("/user/order", body)
        assert answer.refusal == (400, 1101)
        assert "stopLoss" in answer.body["error"]["debugInfo"]
    body = tpsl(trader.signer, covers={"89500": "33519.55308", "76000": "39473.68421"})
    assert "takeProfit" in (await trader.post("/user/order", body)).body["error"]["debugInfo"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"reduceOnly": False}, 1133),
        ({"price": "84000"}, 1141),
        ({"tpSlType": None}, 1133),
        ({"tpSlType": "ORDER"}, 1129),
        ({"legs": {}}, 1131),
        ({"legs": {"stopLoss": STOP_LOSS | {"price": "75999"}}}, 1141),
        ({"legs": {"stopLoss": STOP_LOSS | {"triggerPrice": "80000.5"}}}, 1125),
    ],
)
async def test_a_tpsl_that_does_not_hold_together_is_refused(trader, deep, changes, code):
    """With the code for what is wrong."""
    await open_long(trader)
    legs = changes.pop("legs", LEGS)
    covers = {leg["price"]: "1" for leg in legs.values()} | {"89500": "33519.55307", "76000": "39473.68421"}
    body = tpsl(trader.signer, legs=legs, covers=covers, **changes)
    assert (await trader.post("/user/order", body)).body["error"]["code"] == code


async def test_a_top_level_settlement_of_a_tpsl_is_refused(trader, deep):
    """Each leg has its own, and the order none."""
    await open_long(trader)
    body = tpsl(trader.signer)
    body["settlement"] = body["stopLoss"]["settlement"]
    assert (await trader.post("/user/order", body)).body["error"]["code"] == 1133


async def test_the_legs_of_an_entry_come_into_being_as_it_fills(sim, trader, quote, deep):
    """Signed for the opposite side; the order of their own grows with each fill and closes what was opened."""
    body = with_legs(trader.signer, "SELL", "0.1", id="entry", price="83500", qty="0.1", tpSlType="ORDER")
    answer = await trader.post("/user/order", body)
    order = (await trader.get(f"/user/orders/{answer.data['id']}")).data
    assert (order["tpSlType"], order["takeProfit"], order["stopLoss"]) == ("ORDER", TAKE_PROFIT, STOP_LOSS)
    assert len((await trader.get("/user/orders")).data) == 1
    sim.control.clear_liquidity()
    sim.exchange.cancel_all("house")
    quote("SELL", "83500", "0.03")
    (child,) = [o for o in (await trader.get("/user/orders")).data if o["type"] == "TPSL"]
    assert (child["side"], child["qty"], child["status"], child["reduceOnly"]) == ("SELL", "0.03", "UNTRIGGERED", True)
    assert child["externalId"] == "entry-tpsl"
    quote("SELL", "83500", "0.07")
    (child,) = [o for o in (await trader.get("/user/orders")).data if o["type"] == "TPSL"]
    assert child["qty"] == "0.1"
    quote("BUY", "79900", "5")
    sim.control.set_price("BTC-USD", index=D(80000), mark=D(80000))
    assert (await trader.get("/user/positions")).data == []
    sim.exchange.check_invariants()


@pytest.mark.parametrize(
    ("legs", "side"),
    [
        ({"stopLoss": STOP_LOSS | {"triggerPrice": "84000"}}, "BUY"),
        ({"takeProfit": TAKE_PROFIT | {"triggerPrice": "82000", "price": "81000"}}, "BUY"),
        ({"stopLoss": STOP_LOSS | {"triggerPrice": "80000", "price": "81000"}}, "SELL"),
        ({"takeProfit": TAKE_PROFIT | {"triggerPrice": "90000", "price": "90100"}}, "SELL"),
    ],
)
async def test_the_legs_of_an_entry_lie_on_their_sides_of_its_price(trader, legs, side):
    """A stop-loss of a buy below it, a take-profit above; of a sell mirrored."""
    price = "83000" if side == "BUY" else "85000"
    opposite = "SELL" if side == "BUY" else "BUY"
    body = with_legs(trader.signer, opposite, "0.01", legs, side=side, price=price, tpSlType="ORDER")
    assert (await trader.post("/user/order", body)).refusal == (400, 1141)


async def test_the_passing_status_can_be_left_out(sim):
    """For clients whose model of an order does not know TRIGGERED."""
    settings = Settings(sends_triggered=False)
    async with LocalExtended(settings=settings) as quiet, Client(quiet, Signer(quiet, quiet.accounts[0])) as client:
        trigger = TRIGGER | {"direction": "UP", "triggerPrice": "85000", "executionPriceType": "LIMIT"}
        async with Stream(quiet, "account", key=quiet.accounts[0].api_key) as stream:
            await stream.wait(4)
            await client.place(type="CONDITIONAL", price="84000", trigger=trigger)
            quiet.control.set_price("BTC-USD", index=D(85000), mark=D(85000))
            told = [f["data"]["orders"][0]["status"] for f in await stream.wait(2, section("ORDER"))]
            assert told == ["UNTRIGGERED", "NEW"]


async def test_a_triggered_tpsl_can_not_be_replaced(sim, trader, deep):
    """It stands in the book as a limit order by then: refused, and it stays."""
    await open_long(trader)
    legs = {"stopLoss": STOP_LOSS | {"price": "80500", "priceType": "LIMIT"}}
    body = tpsl(trader.signer, legs=legs, qty="0.1", id="protects")
    answer = await trader.post("/user/order", body)
    sim.exchange.cancel_all("house")
    sim.control.set_price("BTC-USD", index=D(80000), mark=D(80000))
    assert (await trader.get(f"/user/orders/{answer.data['id']}")).data["status"] == "NEW"
    assert (await trader.try_order(price="78000", cancelId="protects")).refusal == (400, 1009)
    assert (await trader.get(f"/user/orders/{answer.data['id']}")).data["status"] == "NEW"


async def test_the_dead_man_switch_cancels_all_orders_when_it_runs_out(sim, trader, quote):
    """Not positions; sent again it starts anew; 0 disarms; its answer has no body."""
    quote("SELL", "84011", "1")
    await open_long(trader, "0.01")
    order = await trader.place()
    answer = await trader.post("/user/deadmanswitch", countdownTime=60)
    assert (answer.status, answer.body) == (200, None)
    advance(sim, seconds=50)
    await trader.post("/user/deadmanswitch", countdownTime=60)
    advance(sim, seconds=59)
    assert (await trader.get(f"/user/orders/{order['id']}")).data["status"] == "NEW"
    advance(sim, seconds=1)
    assert (await trader.get(f"/user/orders/{order['id']}")).data["status"] == "CANCELLED"
    assert len((await trader.get("/user/positions")).data) == 1
    other = await trader.place()
    await trader.post("/user/deadmanswitch", countdownTime=10)
    await trader.post("/user/deadmanswitch", countdownTime=0)
    advance(sim, seconds=20)
    assert (await trader.get(f"/user/orders/{other['id']}")).data["status"] == "NEW"
