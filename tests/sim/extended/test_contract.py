"""
The local venue against its REST contract: every operation that it serves is one of the contract's, takes the contract's
parameters and no other, and answers what the contract describes. (Every other test holds its answers against it too.)
"""

import pytest

from perpkit.sim.orders import CloseReason
from perpkit.sim.venues.extended.errors import Code
from perpkit.sim.venues.extended.orders import BODY, LEG, SETTLEMENT, TRIGGER
from perpkit.sim.venues.extended.server import ROUTES
from perpkit.sim.venues.extended.wire_orders import REASONS

from . import contract_check
from .harness import Client, Signer, advance
from .test_triggers import STOP_LOSS, tpsl, with_legs
from .test_triggers import TRIGGER as CONDITION

LEFT_OUT = {("POST", "/user/transfer"), ("POST", "/user/transfer/onchain"), ("POST", "/user/withdrawal")}
"""Money between accounts and out: not what a perpetuals library moves."""

SENT_BY = {(route.method, route.path): route for route in ROUTES}


def operations():
    return {
        (method.upper(), path): operation
        for path, item in contract_check.openapi()["paths"].items()
        for method, operation in item.items()
        if method in {"get", "post", "patch", "delete"}
    }


def query_parameters(operation):
    found = {}
    for one in operation.get("parameters", []):
        listed = contract_check.resolved(one, strict=False)
        if listed["in"] == "query":
            found[listed["name"]] = listed
    return found


def test_every_operation_of_the_contract_is_served_but_those_that_move_money_out():
    """And nothing that the contract does not know."""
    assert set(SENT_BY) == set(operations()) - LEFT_OUT


@pytest.mark.parametrize("name", sorted(SENT_BY), ids=" ".join)
def test_the_query_of_an_operation_is_the_contract_s(name):
    """Names, which are required, enumerations, bounds, and which repeat."""
    listed = query_parameters(operations()[name])
    served = {param.name: param for param in SENT_BY[name].params}
    assert set(served) == set(listed)
    for parameter, param in served.items():
        schema = contract_check.resolved(listed[parameter]["schema"], strict=False)
        assert param.required == listed[parameter].get("required", False), parameter
        assert param.repeats == (schema.get("type") == "array"), parameter
        items = schema.get("items", {}) if param.repeats else schema
        if parameter != "interval" or name[1] != "/info/candles/{market}/{candleType}":
            assert set(param.enum) == set(items.get("enum", ())), parameter
        assert (param.minimum, param.maximum) == (items.get("minimum"), items.get("maximum")), parameter
        assert (param.kind == "int") == (items.get("type") == "integer"), parameter
        assert SENT_BY[name].takes_body == ("requestBody" in operations()[name])


@pytest.mark.parametrize(
    ("schema", "fields"),
    [("NewOrder", BODY), ("NewTpSlLeg", LEG), ("OrderSettlement", SETTLEMENT)],
)
def test_the_fields_of_a_body_are_the_contract_s(schema, fields):
    """No more and no fewer."""
    assert set(contract_check.openapi()["components"]["schemas"][schema]["properties"]) == fields


def test_the_fields_of_a_trigger_are_the_contract_s():
    """It is described within the order."""
    order = contract_check.openapi()["components"]["schemas"]["NewOrder"]["properties"]
    assert set(order["trigger"]["properties"]) == TRIGGER


def test_every_way_to_end_an_order_has_a_word_that_the_venue_knows():
    """Reasons of the exchange that are not mapped would fail when they first arise."""
    known = set(contract_check.openapi()["components"]["schemas"]["OrderStatusReason"]["enum"])
    assert set(REASONS) == set(CloseReason)
    assert {reason for reason in REASONS.values() if reason is not None} <= known


def test_the_validators_find_what_is_wrong():
    """An unlisted field, a missing one, a number for a decimal."""
    good = {"status": "OK", "data": {"id": 1, "externalId": "x"}}
    assert contract_check.rest_errors("POST", "/user/order", 200, good) == []
    for wrong in ({"id": 1}, {"id": "1", "externalId": "x"}, {"id": 1, "externalId": "x", "price": "1"}):
        assert contract_check.rest_errors("POST", "/user/order", 200, good | {"data": wrong}), wrong
    assert contract_check.rest_errors("GET", "/user/balance", 200, None)
    assert contract_check.rest_errors("GET", "/user/balance", 404, {"status": "ERROR"})


async def test_every_operation_answers_what_the_contract_describes(sim, trader, quote):
    """After a history of trades, funding and orders of every kind; the harness validates each answer."""
    for price in ("84000", "79000"):
        quote("BUY", price, "5")
    quote("SELL", "84011", "5")
    await trader.place(type="MARKET", timeInForce="IOC", price="84500", qty="0.1")
    await trader.place(type="MARKET", timeInForce="IOC", side="SELL", price="83500", qty="0.2")
    await trader.place(type="MARKET", timeInForce="IOC", price="84500", qty="0.2")
    advance(sim, hours=1, seconds=2)
    body = with_legs(trader.signer, "SELL", "0.1", id="legs", price="83500", qty="0.1", tpSlType="ORDER")
    sent = [body, tpsl(trader.signer), tpsl(trader.signer, qty="0.04", legs={"stopLoss": STOP_LOSS})]
    sent.append(trader.signer.order(type="CONDITIONAL", side="SELL", price="76000", trigger=CONDITION))
    sent.append(trader.signer.order(id="rests", builderFee="0.0001", builderId=7))
    for one in sent:
        assert not list(contract_check.schema_validator("NewOrder").iter_errors(one)), one
        answer = await trader.post("/user/order", one)
        assert answer.status == 200, answer
    order_id = answer.data["id"]
    served = set()
    for (method, path), route in SENT_BY.items():
        if method != "GET":
            continue
        concrete = path.format(market="BTC-USD", candleType="trades", asset="BTC", id=order_id, externalId="legs")
        values = {"startTime": 0, "endTime": sim.clock.now_ms(), "fromTime": 0, "limit": 5, "interval": "PT1H"}
        query = {p.name: values[p.name] for p in route.params if p.required}
        answer = await trader.get(concrete, **query)
        assert answer.status == 200, answer
        if isinstance(answer.body["data"], list):
            assert answer.body["data"], path
        served.add((method, path))
    assert (await trader.delete(f"/user/order/{order_id}")).status == 200
    assert (await trader.delete("/user/order", externalId="legs")).status == 200
    assert (await trader.post("/user/order/massCancel", {"cancelAll": True})).status == 200
    assert (await trader.post("/user/deadmanswitch", countdownTime=0)).status == 200
    assert (await trader.patch("/user/leverage", {"market": "BTC-USD", "leverage": "10"})).status == 200
    assert len(served) == sum(method == "GET" for method, _ in SENT_BY)


def test_every_code_is_of_the_venue_s_table():
    """Numbers from 1000 up; what the venue has none for carries its HTTP status."""
    assert all(1000 <= code <= 1148 or code == 10501 for code in Code)
    assert len(set(Code)) == len(Code)


async def test_a_failure_of_the_simulator_is_a_500_and_no_refusal(sim, trader, monkeypatch):
    """So that nobody takes it for the venue's answer."""
    monkeypatch.setattr(sim.exchange, "positions", lambda *_: 1 / 0)
    assert (await trader.get("/user/positions")).refusal == (500, 1006)
    async with Client(sim, Signer(sim, sim.accounts[0])) as client:
        assert (await client.get("/user/orders")).status == 200
