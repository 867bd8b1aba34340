"""An account over REST: margin, funding, transfers, transactions, liquidations; each against arithmetic."""

from datetime import timedelta
from decimal import Decimal

import pytest

from perpkit.sim.markets import FeeRates


async def renew(client):
    client.token = (await client.sign_in()).body["jwt_token"]


async def test_funding_accrues_by_the_second_and_is_paid_with_the_next_fill(sim, trader, quote):
    """A long of 1 BTC at 0.0001 per 8 hours owes 10 USDC after 8 hours; the next fill realizes it."""
    quote("SELL", "100000", "2")
    await trader.place(type="MARKET", price="0", size="1")
    sim.clock.advance(timedelta(hours=4))
    await renew(trader)
    (position,) = (await trader.get("/positions")).results
    assert Decimal(position["unrealized_funding_pnl"]) == -5
    assert Decimal(position["unrealized_pnl"]) == -5  # the mark has not moved; running funding is part of it
    assert (await trader.get("/funding/payments", market="BTC-USD-PERP")).results == []
    sim.clock.advance(timedelta(hours=4))
    await renew(trader)
    before = Decimal((await trader.get("/balance")).results[0]["size"])
    await trader.place(type="MARKET", price="0", size="0.5")
    (payment,) = (await trader.get("/funding/payments", market="BTC-USD-PERP")).results
    fill = (await trader.get("/fills")).results[0]
    assert (Decimal(payment["payment"]), payment["fill_id"]) == (-10, fill["id"])
    assert Decimal(fill["realized_funding"]) == -10
    after = Decimal((await trader.get("/balance")).results[0]["size"])
    assert after == before - 10 - Decimal(fill["fee"])
    (position,) = (await trader.get("/positions")).results
    assert Decimal(position["unrealized_funding_pnl"]) == 0
    assert Decimal(position["realized_positional_funding_pnl"]) == -10


async def test_funding_payments_want_a_market(trader):
    """The contract requires it."""
    assert (await trader.get("/funding/payments")).refusal == (400, "INVALID_REQUEST_PARAMETER")
    assert (await trader.get("/funding/payments", market="NO")).refusal == (400, "MARKET_NOT_FOUND")


async def test_a_closed_position_stays_listed_as_closed(trader, quote):
    """Size 0 and status CLOSED, so that a client must filter."""
    quote("SELL", "100000", "1")
    quote("BUY", "99000", "1")
    await trader.place(type="MARKET", price="0", size="1")
    await trader.place(side="SELL", type="MARKET", price="0", size="1", flags=["REDUCE_ONLY"])
    (position,) = (await trader.get("/positions")).results
    assert (position["status"], position["size"]) == ("CLOSED", "0")
    account = (await trader.get("/account")).body
    fees = (100000 + 99000) * Decimal("0.0003")
    assert Decimal(account["account_value"]) == 100000 - 1000 - fees
    assert Decimal(account["initial_margin_requirement"]) == 0


async def test_leverage_and_margin_mode_are_set_per_market(trader):
    """10 times isolated on BTC; ETH stays as it was."""
    answer = await trader.post("/account/margin/BTC-USD-PERP", {"leverage": 10, "margin_type": "ISOLATED"})
    assert answer.body["leverage"] == 10
    (config,) = (await trader.get("/account/margin", market="BTC-USD-PERP")).body["configs"]
    assert (config["leverage"], config["margin_type"], config["market"]) == (10, "ISOLATED", "BTC-USD-PERP")
    (config,) = (await trader.get("/account/margin", market="ETH-USD-PERP")).body["configs"]
    assert (config["leverage"], config["margin_type"]) == (50, "CROSS")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"leverage": 51, "margin_type": "CROSS"}, "VALIDATION_ERROR"),
        ({"leverage": 0, "margin_type": "CROSS"}, "VALIDATION_ERROR"),
        ({"leverage": "5", "margin_type": "CROSS"}, "BINDING_ERROR"),
        ({"leverage": 5, "margin_type": "cross"}, "VALIDATION_ERROR"),
        ({"leverage": 5}, "VALIDATION_ERROR"),
        ({"leverage": 5, "margin_type": "CROSS", "on_behalf_of_account": "0x1"}, "ISOLATED_MARKET_ACCOUNT_MISMATCH"),
    ],
)
async def test_a_margin_request_that_does_not_hold_is_refused(trader, body, code):
    """Bounds, types and names are checked."""
    assert (await trader.post("/account/margin/BTC-USD-PERP", body)).refusal == (400, code)


async def test_margin_of_an_unknown_market_is_not_found(trader):
    """404 on reading, 400 on setting, as the contract lists them."""
    assert (await trader.get("/account/margin", market="NO")).refusal == (404, "MARKET_NOT_FOUND")
    body = {"leverage": 5, "margin_type": "CROSS"}
    assert (await trader.post("/account/margin/NO", body)).refusal == (400, "MARKET_NOT_FOUND")
    assert (await trader.get("/account/margin")).refusal == (400, "INVALID_REQUEST_PARAMETER")


async def test_transfers_list_deposits_and_withdrawals(sim, trader):
    """The opening deposit and a withdrawal, newest first."""
    sim.clock.advance(timedelta(seconds=1))
    sim.exchange.withdraw(sim.accounts[0].address, Decimal("250.5"))
    rows = (await trader.get("/transfers")).results
    assert [(r["kind"], r["direction"], r["amount"]) for r in rows] == [
        ("WITHDRAWAL", "OUT", "250.5"),
        ("DEPOSIT", "IN", "100000"),
    ]
    assert (await trader.get("/transfers", status="PENDING")).results == []
    assert (await trader.get("/transfers", status="GONE")).refusal == (400, "INVALID_REQUEST_PARAMETER")


async def test_account_info_has_the_accounts_own_fees(sim, trader):
    """Rates given to the account show, and are what a fill pays."""
    sim.exchange.set_fee_rates(sim.accounts[0].address, FeeRates(Decimal("0.0001"), Decimal("0.0002")))
    (info,) = (await trader.get("/account/info")).results
    assert (info["fees"]["maker_rate"], info["fees"]["taker_rate"]) == ("0.0001", "0.0002")
    assert info["account"] == sim.accounts[0].address
    (summary,) = (await trader.get("/account/summary")).results
    assert summary["account"] == sim.accounts[0].address


async def test_an_unknown_subaccount_is_refused(sim, trader):
    """Its own address is fine, another is not."""
    assert (await trader.get("/account", subaccount_address=sim.accounts[0].address)).status == 200
    assert (await trader.get("/account", subaccount_address="0x1")).refusal == (400, "ACCOUNT_NOT_FOUND")
    assert (await trader.get("/account", by="address")).refusal == (400, "INVALID_REQUEST_PARAMETER")


async def test_fills_page_and_filter(sim, trader, quote):
    """By market, time and asset kind; there is no filter by order."""
    quote("SELL", "100000", "2")
    for _ in range(3):
        await trader.place(type="MARKET", price="0", size="0.1")
        sim.clock.advance(timedelta(seconds=1))
    page = (await trader.get("/fills", page_size=2)).body
    rest = (await trader.get("/fills", page_size=2, cursor=page["next"])).body
    times = [f["created_at"] for f in page["results"] + rest["results"]]
    assert times == sorted(times, reverse=True)
    assert len(set(times)) == 3
    assert (await trader.get("/fills", market="ETH-USD-PERP")).results == []
    assert (await trader.get("/fills", asset_kind="OPTION")).results == []
    assert len((await trader.get("/fills", start_at=times[1])).results) == 2
    assert (await trader.get("/fills", order_id="1")).refusal == (400, "INVALID_REQUEST_PARAMETER")
    assert len((await trader.get("/transactions")).results) == 3


async def test_a_liquidation_shows_as_fill_and_in_its_list(sim, trader, quote):
    """40 BTC long on 100,000 USDC can't stand a fall of 3 percent."""
    quote("SELL", "100000", "40")
    quote("BUY", "96500", "100")
    await trader.place(type="MARKET", price="0", size="40")
    sim.exchange.set_price("BTC-USD-PERP", index=Decimal(97000))
    assert "LIQUIDATION" in {f["fill_type"] for f in (await trader.get("/fills")).results}
    assert len((await trader.get("/liquidations")).results) == 1
    assert (await trader.get("/liquidations", to=1)).results == []


async def test_a_settled_market_is_told_and_takes_no_more(sim, trader, anybody, quote):
    """Settlement closes the position at its price; the change of the market is listed."""
    quote("SELL", "100000", "1")
    await trader.place(type="MARKET", price="0", size="1")
    sim.exchange.settle_market("BTC-USD-PERP", Decimal(101000))
    await trader.get("/system/time")  # lets the loop hand the event on
    (event,) = (await anybody.get("/markets/history", market="BTC-USD-PERP")).results
    assert event["event_type"] == "SETTLED"
    (row,) = (await anybody.get("/markets", market="BTC-USD-PERP")).results
    assert row["expiry_at"] == event["updated_at"]
    assert (await anybody.get("/markets/history", market="ETH-USD-PERP")).results == []
    assert (await trader.get("/fills")).results[0]["fill_type"] == "SETTLE_MARKET"
    assert (await trader.post("/orders", trader.signer.order())).refusal == (400, "MARKET_NOT_OPEN")
