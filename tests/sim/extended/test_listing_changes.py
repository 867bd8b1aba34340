"""Markets that are listed or changed while the venue runs."""

from decimal import Decimal

from .harness import Stream

D = Decimal


async def test_a_market_listed_later_has_rows_orders_and_streams(sim, trader):
    """Its orders are signed with the identifiers that its row shows."""
    sim.control.list_market("DOGE", like="BTC-USD", index_price=D(100), tick_size=D("0.01"))
    (row,) = (await trader.get("/info/markets", market="DOGE-USD")).data
    assert (row["assetName"], row["status"], row["tradingConfig"]["minPriceChange"]) == ("DOGE", "ACTIVE", "0.01")
    assert row["l2Config"]["syntheticId"] == "0x444f47452d36" + "00" * 9
    async with Stream(sim) as stream:
        await stream.subscribe("orderbooks", market="DOGE-USD", depth="full")
        await trader.place(market="DOGE-USD", price="99.99", qty="0.1")
        frames = await stream.wait(2)
        assert frames[-1]["data"]["b"] == [{"q": "0.1", "p": "99.99", "c": "0.1"}]


async def test_a_changed_rule_shows_and_holds(sim, trader):
    """A coarser tick: the row says so, and an order off it is refused."""
    sim.control.change_market("BTC-USD", tick_size=D(5))
    (row,) = (await trader.get("/info/markets", market="BTC-USD")).data
    assert row["tradingConfig"]["minPriceChange"] == "5"
    assert row["l2Config"]["syntheticId"] == "0x4254432d3600000000000000000000"
    assert (await trader.try_order(price="83001")).refusal == (400, 1124)
    assert (await trader.try_order(price="83005")).status == 200


async def test_a_settled_market_is_delisted(sim, trader, quote):
    """Its orders and positions are closed; it takes no more."""
    quote("SELL", "84011", "1")
    await trader.place(type="MARKET", timeInForce="IOC", price="84500", qty="0.5")
    resting = await trader.place()
    sim.control.settle_market("BTC-USD", D(85000))
    assert (await trader.get("/info/markets", market="BTC-USD")).data[0]["status"] == "DELISTED"
    assert (await trader.get(f"/user/orders/{resting['id']}")).data["statusReason"] == "DISABLED_MARKET"
    assert (await trader.get("/user/positions")).data == []
    assert (await trader.try_order()).refusal == (400, 1002)


async def test_top_of_book_orders_rest_as_post_only_ones(trader):
    """What TOB means beyond needing postOnly is not published."""
    order = await trader.place(timeInForce="TOB", postOnly=True, fee="0")
    assert (order["status"], order["timeInForce"], order["postOnly"]) == ("NEW", "TOB", True)
