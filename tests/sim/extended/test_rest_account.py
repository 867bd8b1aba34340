"""REST: who an account is, what it holds, pays and received."""

from decimal import Decimal

import aiohttp
import pytest

from perpkit.sim.venues.extended import LocalExtended

from .harness import Client, Signer, advance

D = Decimal


async def test_a_key_opens_its_own_account_only(sim, trader, other):
    """The vault is text; the ids are three different numbers."""
    mine, theirs = (await trader.get("/user/account/info")).data, (await other.get("/user/account/info")).data
    account = sim.accounts[0]
    assert (mine["accountId"], mine["l2Vault"]) == (int(account.account_id), str(account.vault))
    assert mine["l2Key"] == account.public_key
    assert mine["accountId"] != theirs["accountId"]
    rows = (await trader.get("/user/accounts")).data
    assert [row["accountIndex"] for row in rows] == [0, 1, 1001]
    assert (await trader.get("/user/client/info")).data["id"] not in {row["accountId"] for row in rows}


@pytest.mark.parametrize("key", [None, "", "wrong"])
async def test_a_wrong_key_is_401_with_an_empty_body(sim, key):
    """Missing or unknown: decided by the status alone."""
    headers = {} if key is None else {"X-Api-Key": key}
    async with aiohttp.ClientSession() as session:
        for method, path in (("GET", "/user/balance"), ("POST", "/user/order"), ("DELETE", "/user/order/1")):
            async with session.request(method, sim.url + path, headers=headers) as response:
                assert (response.status, await response.read()) == (401, b"")


async def test_a_key_that_was_revoked_opens_nothing_any_more(sim, trader):
    """What the back door's expire_tokens stands for here."""
    assert (await trader.get("/user/balance")).status == 200
    sim.control.expire_tokens()
    answer = await trader.get("/user/balance")
    assert (answer.status, answer.body) == (401, None)


async def test_an_account_that_never_had_money_is_404_for_its_balance_only():
    """Its leverage, positions and orders are there, and empty."""
    async with LocalExtended(deposit=D(0)) as sim, Client(sim, Signer(sim, sim.accounts[0])) as client:
        assert (await client.get("/user/balance")).refusal == (404, 1004)
        assert (await client.get("/user/positions")).data == []
        assert (await client.get("/user/spot/balances")).data[0]["balance"] == "0.000000"
        assert (await client.get("/user/leverage", market="BTC-USD")).data == [{"market": "BTC-USD", "leverage": "50"}]
        sim.control.deposit(sim.accounts[0].account_id, D(5))
        assert (await client.get("/user/balance")).data["balance"] == "5.000000"


async def test_the_balance_follows_from_cash_positions_and_orders(sim, trader, quote):
    """Long 1 at 84011, marked at 84021.5…: equity, margin at leverage 10, exposure; a resting buy adds its margin."""
    quote("SELL", "84011", "1")
    await trader.patch("/user/leverage", {"market": "BTC-USD", "leverage": "10"})
    await trader.place(type="MARKET", timeInForce="IOC", price="84500", qty="1")
    await trader.place(qty="0.1", price="83000")
    balance = (await trader.get("/user/balance")).data
    mark, cash = D("84021.500000000002"), 100_000 - D(84011) * D("0.00025")
    assert balance["collateralName"] == "USD"
    assert D(balance["balance"]) == cash
    assert D(balance["unrealisedPnl"]) == mark - 84011
    assert D(balance["equity"]) == cash + mark - 84011
    assert D(balance["initialMargin"]) == D("1.1") * mark / 10
    assert D(balance["availableForTrade"]) == D(balance["equity"]) - D(balance["initialMargin"])
    assert D(balance["availableForWithdrawal"]) == cash - D(balance["initialMargin"])
    assert D(balance["exposure"]) == mark
    assert balance["leverage"] == "0.8403"  # 84021.50 / 99989.50
    assert balance["marginRatio"] == "0.0084"  # half of 1/50 of 84021.50, by 99989.50


async def test_leverage_is_set_per_market_and_read_again(trader):
    """The answer says nothing; the next read does, for the markets that are named."""
    assert (await trader.patch("/user/leverage", {"market": "ETH-USD", "leverage": "12.5"})).body == {
        "status": "OK",
        "data": {},
    }
    rows = (await trader.get("/user/leverage", market=["ETH-USD", "SOL-USD"])).data
    assert rows == [{"market": "ETH-USD", "leverage": "12.5"}, {"market": "SOL-USD", "leverage": "20"}]


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        ({"market": "BTC-USD", "leverage": "0.5"}, (400, 1049)),
        ({"market": "BTC-USD", "leverage": "51"}, (400, 1050)),
        ({"market": "BTC-USD", "leverage": "10.001"}, (400, 1053)),
        ({"market": "NO-USD", "leverage": "10"}, (404, 1001)),
        ({"market": "wstETH-USD", "leverage": "1"}, (400, 1002)),
        ({"market": "BTC-USD", "leverage": 10}, (400, 400)),
        ({"market": "BTC-USD", "leverage": "10", "mode": "ISOLATED"}, (400, 400)),
        ({"market": "BTC-USD"}, (400, 400)),
    ],
)
async def test_leverage_outside_the_rules_is_refused(trader, body, refusal):
    """By number where the venue has one."""
    assert (await trader.patch("/user/leverage", body)).refusal == refusal


async def test_leverage_must_fit_the_position_and_the_money(sim, trader, quote):
    """1052: at 1 the position needs more than there is. 10501: it is too big for the band of a higher leverage."""
    quote("SELL", "84011", "100")
    await trader.place(type="MARKET", timeInForce="IOC", price="84500", qty="10")
    assert (await trader.patch("/user/leverage", {"market": "BTC-USD", "leverage": "1"})).refusal == (400, 1052)
    sim.control.deposit(sim.accounts[0].account_id, D(10_000_000))
    await trader.patch("/user/leverage", {"market": "BTC-USD", "leverage": "25"})
    await trader.place(type="MARKET", timeInForce="IOC", price="84500", qty="35")
    assert (await trader.patch("/user/leverage", {"market": "BTC-USD", "leverage": "50"})).status == 200
    await trader.patch("/user/leverage", {"market": "BTC-USD", "leverage": "25"})
    await trader.place(type="MARKET", timeInForce="IOC", price="84500", qty="10")
    assert (await trader.patch("/user/leverage", {"market": "BTC-USD", "leverage": "50"})).refusal == (400, 10501)


async def test_fees_are_the_account_s_own_and_signed_fees_follow_them(sim, trader, quote):
    """A market's rebate shows its sign; a rate of the account's own is what an order's fee is held against."""
    rows = {row["market"]: row for row in (await trader.get("/user/fees")).data}
    assert rows["BTC-USD"] == {
        "market": "BTC-USD",
        "makerFeeRate": "0.00000",
        "takerFeeRate": "0.00025",
        "builderFeeRate": "0.0001",
    }
    assert rows["SOL-USD"]["makerFeeRate"] == "-0.00002"
    quote("BUY", "199", "1", market="SOL-USD")
    await trader.place(market="SOL-USD", qty="1", price="199.5", postOnly=True, fee="0")
    quote("SELL", "199.5", "1", market="SOL-USD")
    (fill,) = (await trader.get("/user/trades")).body["data"]
    assert (D(fill["fee"]), fill["isTaker"], fill["externalId"]) == (D("199.5") * D("-0.00002"), False, "test-1")
    assert (await trader.get("/user/rebates/stats")).data["totalPaid"] == "0"


async def test_positions_show_what_they_cost_and_brought(sim, trader, quote):
    """Absolute size and value, the side beside them; filtered by market and side; realised PnL after fees."""
    quote("SELL", "84011", "5")
    quote("BUY", "84000", "5")
    await trader.place(type="MARKET", timeInForce="IOC", side="SELL", price="83500", qty="2")
    await trader.place(type="MARKET", timeInForce="IOC", price="84500", qty="0.5", reduceOnly=True)
    (position,) = (await trader.get("/user/positions", market="BTC-USD", side="SHORT")).data
    mark = D("84021.500000000002")
    assert (position["side"], position["size"], position["openPrice"]) == ("SHORT", "1.5", "84000")
    assert D(position["value"]) == D("1.5") * mark
    assert D(position["unrealisedPnl"]) == D("1.5") * (84000 - mark)
    fees = (2 * D(84000) + D("0.5") * 84011) * D("0.00025")
    assert D(position["realisedPnl"]) == D("0.5") * -11 - fees
    assert (position["status"], position["maxPositionSize"]) == ("OPENED", "2")
    assert (await trader.get("/user/positions", side="LONG")).data == []


async def test_past_positions_are_broken_down_and_page_with_the_open_one(sim, trader, quote):
    """A long, flipped to a short with one trade: two rows, newest first, costs negative."""
    quote("SELL", "84011", "5")
    quote("BUY", "84000", "5")
    await trader.place(type="MARKET", timeInForce="IOC", price="84500", qty="1")
    advance(sim, hours=1, seconds=2)
    await trader.place(type="MARKET", timeInForce="IOC", side="SELL", price="83500", qty="3")
    page = (await trader.get("/user/positions/history", limit=1)).body
    (open_row,) = page["data"]
    assert (open_row["side"], D(open_row["size"]), open_row["exitPrice"]) == ("SHORT", 2, None)
    assert "exitType" not in open_row
    (past,) = (await trader.get("/user/positions/history", cursor=page["pagination"]["cursor"])).body["data"]
    assert (past["side"], D(past["size"]), D(past["openPrice"]), D(past["exitPrice"])) == ("LONG", 1, 84011, 84000)
    assert past["exitType"] == "TRADE"
    parts = {name: D(text) for name, text in past["realisedPnlBreakdown"].items()}
    funding = -(D("84021.500000000002") * D("0.000013")).quantize(D("1e-12"))
    assert parts == {
        "tradePnl": D(-11),
        "fundingFees": funding,
        "openFees": -D(84011) * D("0.00025"),
        "closeFees": -D(84000) * D("0.00025"),
    }
    assert D(past["realisedPnl"]) == sum(parts.values())
    assert past["size"].partition(".")[2] == "0" * 16
    (payment,) = (await trader.get("/user/funding/history", fromTime=0)).body["data"]
    assert payment["positionId"] == past["id"] != open_row["id"]


async def test_fills_page_newest_first_and_are_filtered(sim, trader, quote):
    """Pages of two, each beginning after the cursor, until one is empty; by market, side and type."""
    quote("SELL", "84011", "5")
    quote("BUY", "84000", "5")
    for number in range(5):
        side, price = ("BUY", "84500") if number % 2 else ("SELL", "83500")
        await trader.place(type="MARKET", timeInForce="IOC", side=side, price=price)
    seen, cursor = [], {}
    while rows := (page := (await trader.get("/user/trades", limit=2, **cursor)).body)["data"]:
        seen += rows
        cursor = {"cursor": page["pagination"]["cursor"]}
    assert page["pagination"]["count"] == 0
    assert [row["id"] for row in seen] == sorted((row["id"] for row in seen), reverse=True)
    assert len({row["id"] for row in seen}) == 5
    assert len((await trader.get("/user/trades", side="BUY")).body["data"]) == 2
    assert len((await trader.get("/user/trades", market="ETH-USD")).body["data"]) == 0
    assert len((await trader.get("/user/trades", type="LIQUIDATION")).body["data"]) == 0
    assert seen[0]["value"] == "840.0000000000000000"


async def test_funding_payments_are_signed_from_the_account_s_side(sim, trader, other, quote):
    """Positive rate: the long pays, the short receives the same; since fromTime, by side, in small numbers."""
    await trader.place(qty="1", price="84000", fee="0", postOnly=True)
    await other.place(qty="1", price="84000", side="SELL", selfTradeProtectionLevel="ACCOUNT")
    advance(sim, hours=2, seconds=2)
    paid = (await trader.get("/user/funding/history", fromTime=0)).body["data"]
    received = (await other.get("/user/funding/history", fromTime=0)).body["data"]
    due = (D("84021.500000000002") * D("0.000013")).quantize(D("1e-12"))
    assert [D(row["fundingFee"]) for row in paid] == [-due, -due]
    assert [D(row["fundingFee"]) for row in received] == [due, due]
    assert [row["id"] for row in paid] == [8002, 8001]
    assert [row["side"] for row in received] == ["SHORT", "SHORT"]
    late = (await trader.get("/user/funding/history", fromTime=paid[0]["paidTime"])).body["data"]
    assert late == paid[:1]
    assert (await trader.get("/user/funding/history", fromTime=0, side="SHORT")).body["data"] == []
    assert (await trader.get("/user/funding/history")).refusal == (400, 400)


async def test_deposits_and_withdrawals_are_operations(sim, trader):
    """Signed amounts, ids in text; by type and status, repeated names allowed."""
    sim.control.deposit(sim.accounts[0].account_id, D(50))
    sim.control.withdraw(sim.accounts[0].account_id, D(20))
    rows = (await trader.get("/user/assetOperations", type=["DEPOSIT", "SLOW_WITHDRAWAL"], status="COMPLETED")).body
    assert [D(row["amount"]) for row in rows["data"]] == [-20, 50, 100_000]
    assert all(isinstance(row["id"], str) for row in rows["data"])
    assert len((await trader.get("/user/assetOperations", type="DEPOSIT", limit=1)).body["data"]) == 1
    one = rows["data"][0]["id"]
    assert [row["id"] for row in (await trader.get("/user/assetOperations", id=one)).body["data"]] == [one]


async def test_an_account_short_of_margin_loses_its_opening_orders(sim, trader, quote):
    """Available falls below zero with the price: what is not reduce-only goes, with NOT_ENOUGH_FUNDS."""
    quote("SELL", "84011", "60")
    await trader.patch("/user/leverage", {"market": "BTC-USD", "leverage": "25"})
    await trader.place(type="MARKET", timeInForce="IOC", price="84500", qty="20")
    resting = await trader.place(qty="1", price="83000")
    closing = await trader.place(qty="1", price="90000", side="SELL", reduceOnly=True)
    sim.control.set_price("BTC-USD", index=D(82400), mark=D(82400))
    gone = (await trader.get(f"/user/orders/{resting['id']}")).data
    assert (gone["status"], gone["statusReason"]) == ("CANCELLED", "NOT_ENOUGH_FUNDS")
    assert (await trader.get(f"/user/orders/{closing['id']}")).data["status"] == "NEW"


async def test_self_trade_protection_is_the_taker_s(sim, trader, other):
    """ACCOUNT ends the incoming order; DISABLED lets it trade; CLIENT guards the wallet's other accounts too."""
    await trader.place(side="SELL", price="84000", qty="0.03")
    stopped = await trader.place(price="84000", qty="0.01")
    assert (stopped["status"], stopped["statusReason"]) == ("CANCELLED", "SELF_TRADE_PROTECTION")
    both = await trader.place(price="84000", qty="0.01", selfTradeProtectionLevel="DISABLED")
    assert both["status"] == "FILLED"
    guarded = await other.place(price="84000", qty="0.01", selfTradeProtectionLevel="CLIENT")
    assert guarded["statusReason"] == "SELF_TRADE_PROTECTION"
    assert (await other.place(price="84000", qty="0.01"))["status"] == "FILLED"


async def test_a_liquidation_shows_in_orders_fills_and_history(sim, trader, quote):
    """The account's orders end with ACCOUNT_LIQUIDATION; its fills and the past position say LIQUIDATION."""
    quote("SELL", "84011", "1")
    quote("BUY", "83900", "5")
    await trader.place(type="MARKET", timeInForce="IOC", price="84500", qty="1")
    resting = await trader.place(price="80000")
    sim.control.liquidate(sim.accounts[0].account_id)
    order = (await trader.get(f"/user/orders/{resting['id']}")).data
    assert (order["status"], order["statusReason"]) == ("CANCELLED", "ACCOUNT_LIQUIDATION")
    assert len((await trader.get("/user/trades", type="LIQUIDATION")).body["data"]) == 1
    (past,) = (await trader.get("/user/positions/history")).body["data"]
    assert past["exitType"] == "LIQUIDATION"
