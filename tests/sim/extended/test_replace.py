"""Replacing an order by its EXTERNAL id: what the gateway refuses, what the engine refuses, and what is left."""

from decimal import Decimal

from .harness import Stream, section

D = Decimal


async def test_a_replacement_has_its_own_ids_and_the_old_order_says_why_it_ended(sim, trader):
    """CANCELLED with ORDER_REPLACED; the new one is NEW with a new venue id and names the one before."""
    async with Stream(sim, "account", key=sim.accounts[0].api_key) as stream:
        await stream.wait(4)
        old = await trader.place(id="old")
        new = await trader.place(id="new", price="83001", cancelId="old")
        assert new["id"] != old["id"]
        assert (new["status"], new["prevOrderId"]) == ("NEW", old["id"])
        gone = (await trader.get(f"/user/orders/{old['id']}")).data
        assert (gone["status"], gone["statusReason"]) == ("CANCELLED", "ORDER_REPLACED")
        assert [o["externalId"] for o in (await trader.get("/user/orders")).data] == ["new"]
        told = [f["data"]["orders"][0] for f in await stream.wait(3, section("ORDER"))]
        assert [(o["externalId"], o["status"]) for o in told] == [("old", "NEW"), ("old", "CANCELLED"), ("new", "NEW")]


async def test_what_the_gateway_refuses_leaves_the_old_order(trader):
    """By venue id it is not found; a bad price or a signature that does not fit changes nothing."""
    old = await trader.place(id="old")
    assert (await trader.try_order(cancelId=str(old["id"]))).refusal == (404, 1142)
    assert (await trader.try_order(cancelId="old", price="99999")).refusal == (400, 1141)
    assert (await trader.try_order(cancelId="old", signed_as={"price": "1"})).refusal == (400, 1101)
    assert (await trader.try_order(cancelId="old", market="ETH-USD", price="3400", qty="0.1")).refusal == (404, 1142)
    assert (await trader.try_order(id="old", cancelId="old")).refusal == (400, 1134)
    assert [o["id"] for o in (await trader.get("/user/orders")).data] == [old["id"]]


async def test_what_the_engine_refuses_leaves_neither(trader, quote):
    """The replacement would cross and is post-only: both are gone."""
    quote("SELL", "84011", "1")
    await trader.place(id="old")
    new = await trader.place(id="new", price="84011", postOnly=True, cancelId="old")
    assert (new["status"], new["statusReason"]) == ("CANCELLED", "POST_ONLY_FAILED")
    assert (await trader.get("/user/orders")).data == []


async def test_an_order_that_was_filled_meanwhile_takes_its_replacement_with_it(sim, trader, quote):
    """Between taking and deciding it traded: PREV_ORDER_NOT_FOUND, and only the first one's fill."""
    old = await trader.place(id="old", price="83000")
    sim.control.hold_decisions()
    answer = await trader.try_order(id="new", price="83001", cancelId="old")
    assert answer.status == 200
    sim.exchange.cancel_by_venue(sim.accounts[0].account_id, str(old["id"]))
    sim.control.release_decisions()
    new = (await trader.get(f"/user/orders/{answer.data['id']}")).data
    assert (new["status"], new["statusReason"]) == ("REJECTED", "PREV_ORDER_NOT_FOUND")


async def test_a_replacement_may_use_the_margin_of_what_it_replaces(trader):
    """Each needs 66,400 of 100,000: one after the other passes, two beside each other do not."""
    await trader.patch("/user/leverage", {"market": "BTC-USD", "leverage": "10"})
    await trader.place(id="old", qty="8")
    assert (await trader.try_order(qty="8")).refusal == (400, 1140)
    assert (await trader.place(id="new", qty="8", price="83001", cancelId="old"))["status"] == "NEW"


async def test_the_new_quantity_is_the_whole_of_the_new_order(trader, quote):
    """A fill of the old one takes nothing from it."""
    await trader.place(id="old", qty="0.02", price="83000")
    quote("SELL", "83000", "0.005")
    new = await trader.place(id="new", qty="0.02", price="82999", cancelId="old")
    assert (new["qty"], new["filledQty"]) == ("0.02", "0")
    (old,) = (await trader.get("/user/orders/external/old")).data
    assert (old["filledQty"], old["cancelledQty"], old["status"]) == ("0.005", "0.015", "CANCELLED")
