"""REST without a key."""

from decimal import Decimal

import aiohttp
import pytest

from .harness import advance


async def test_markets_carry_rules_identifiers_and_statistics(anybody):
    """Counts are text, ids hex, and rows that do not trade stand among the others."""
    rows = {row["name"]: row for row in (await anybody.get("/info/markets")).data}
    btc = rows["BTC-USD"]
    assert btc["status"] == "ACTIVE"
    assert btc["tradingConfig"]["maxNumOrders"] == "200"
    assert btc["tradingConfig"]["minPriceChange"] == "1"
    assert btc["l2Config"]["syntheticId"] == "0x4254432d3600000000000000000000"
    assert btc["referenceMarket"] == "null"
    assert {row["status"] for row in rows.values()} == {"ACTIVE", "DELISTED", "PRELISTED"}
    assert {row["type"] for row in rows.values()} == {"PERPETUAL", "SPOT"}
    assert any(row["isRfq"] for row in rows.values())


async def test_markets_are_filtered_by_a_repeated_name(anybody):
    """In the order asked for; an unknown one is 404 with the venue's number."""
    rows = (await anybody.get("/info/markets", market=["ETH-USD", "BTC-USD"])).data
    assert [row["name"] for row in rows] == ["ETH-USD", "BTC-USD"]
    assert (await anybody.get("/info/markets", market="NO-USD")).refusal == (404, 1001)


async def test_the_book_has_objects_and_no_number(anybody, quote):
    """Best levels first, decimals as text."""
    quote("BUY", "84010", "0.512")
    quote("BUY", "84000", "1")
    quote("SELL", "84011", "0.11")
    assert (await anybody.get("/info/markets/BTC-USD/orderbook")).data == {
        "market": "BTC-USD",
        "bid": [{"qty": "0.512", "price": "84010"}, {"qty": "1", "price": "84000"}],
        "ask": [{"qty": "0.11", "price": "84011"}],
    }


async def test_trades_stats_and_candles_tell_of_the_same_trades(anybody, sim, quote):
    """Two trades: the last price, the day's range and volume, and a candle of each kind."""
    quote("SELL", "84011", "1")
    quote("BUY", "84011", "0.25", visitor=True)
    advance(sim, minutes=1)
    quote("SELL", "84020", "1")
    quote("BUY", "84020", "1", visitor=True)
    trades = (await anybody.get("/info/markets/BTC-USD/trades")).data
    assert [(t["S"], t["p"], t["q"], t["tT"]) for t in trades] == [
        ("BUY", "84011", "0.25", "TRADE"),
        ("BUY", "84011", "0.75", "TRADE"),
        ("BUY", "84020", "0.25", "TRADE"),
    ]
    assert all(2**53 < t["i"] < 2**63 for t in trades)
    stats = (await anybody.get("/info/markets/BTC-USD/stats")).data
    assert (stats["lastPrice"], stats["dailyLow"], stats["dailyHigh"]) == ("84020", "84011", "84020")
    assert stats["dailyVolumeBase"] == "1.25"
    assert Decimal(stats["dailyVolume"]) == 84011 + Decimal("0.25") * 84020
    assert stats["markPrice"] == "84021.500000000002"
    newest, oldest = (await anybody.get("/info/candles/BTC-USD/trades", interval="PT1M", limit=5)).data
    assert newest["T"] - oldest["T"] == 60_000
    assert (oldest["o"], oldest["c"], oldest["v"]) == ("84011", "84011", "0.25")
    assert (newest["o"], newest["c"], newest["h"], newest["v"]) == ("84011", "84020", "84020", "1")
    marks = (await anybody.get("/info/candles/BTC-USD/mark-prices", interval="PT1M", limit=5)).data
    assert marks
    assert "v" not in marks[0]


async def test_funding_was_applied_a_second_after_each_hour_and_pages_backwards(anybody, sim):
    """Three hours: newest first; the next page begins after the cursor; the rate is the hour's."""
    start = sim.clock.now_ms()
    advance(sim, hours=3, seconds=2)
    window = {"startTime": start, "endTime": sim.clock.now_ms()}
    first = (await anybody.get("/info/BTC-USD/funding", limit=2, **window)).body
    assert [row["T"] for row in first["data"]] == [start + 3 * 3_600_000 + 1028, start + 2 * 3_600_000 + 1028]
    assert {row["f"] for row in first["data"]} == {"0.000013"}
    assert first["pagination"] == {"cursor": first["data"][-1]["T"], "count": 2}
    second = (await anybody.get("/info/BTC-USD/funding", cursor=first["pagination"]["cursor"], **window)).body
    assert [row["T"] for row in second["data"]] == [start + 3_600_000 + 1028]
    stats = (await anybody.get("/info/markets/BTC-USD/stats")).data
    assert stats["nextFundingRate"] == start + 4 * 3_600_000


async def test_open_interest_is_kept_for_whole_hours(anybody, sim, quote):
    """What was open then, in base units and in USD at the mark price."""
    start = sim.clock.now_ms()
    quote("SELL", "84011", "2")
    quote("BUY", "84011", "2", visitor=True)
    advance(sim, hours=2)
    rows = (
        await anybody.get("/info/BTC-USD/open-interests", interval="PT1H", startTime=start, endTime=sim.clock.now_ms())
    ).data
    assert [(row["t"] - start, row["I"]) for row in rows] == [(7_200_000, "2"), (3_600_000, "2"), (0, "0")]
    assert Decimal(rows[0]["i"]) == 2 * Decimal("84021.500000000002")


async def test_assets_domain_and_settings_are_served(anybody):
    """The collateral is USD, number 1; the domain's revision is a number."""
    assets = (await anybody.get("/info/assets")).data
    assert (assets[0]["id"], assets[0]["name"], assets[0]["starkexId"]) == (1, "USD", "0x1")
    assert {row["type"] for row in (await anybody.get("/info/assets", type="PERPETUAL")).data} == {"PERPETUAL"}
    assert (await anybody.get("/info/assets/ETH/price")).data == "3456.7"
    assert (await anybody.get("/info/assets/NO/price")).refusal == (404, 1000)
    domain = {"name": "Perpetuals", "version": "v0", "chainId": "SN_MAIN", "revision": 1}
    assert (await anybody.get("/info/starknet")).data == domain
    assert "starkExContractAddress" in (await anybody.get("/info/settings")).data


@pytest.mark.parametrize(
    ("path", "query", "expected"),
    [
        ("/info/markets", {"symbol": "BTC-USD"}, (400, 400)),
        ("/info/markets/NO-USD/stats", {}, (404, 1001)),
        ("/info/candles/BTC-USD/trades", {"interval": "PT1M"}, (400, 400)),
        ("/info/candles/BTC-USD/trades", {"interval": "PT1M", "limit": 10_001}, (400, 400)),
        ("/info/candles/BTC-USD/trades", {"interval": "PT3M", "limit": 1}, (400, 1005)),
        ("/info/candles/BTC-USD/bids", {"interval": "PT1M", "limit": 1}, (400, 400)),
        ("/info/BTC-USD/funding", {"startTime": 0}, (400, 400)),
        ("/info/BTC-USD/funding", {"startTime": 0, "endTime": 1, "cursor": "x"}, (400, 400)),
        ("/info/BTC-USD/open-interests", {"interval": "PT24H", "startTime": 0, "endTime": 1}, (400, 400)),
        ("/info/assets", {"type": "perpetual"}, (400, 400)),
        ("/user/order", {"market": "BTC-USD"}, (404, 404)),
    ],
)
async def test_what_the_contract_does_not_list_is_refused(anybody, path, query, expected):
    """Names, values, bounds and what is missing; a path without the method is no path."""
    assert (await anybody.get(path, **query)).refusal == expected


async def test_a_user_agent_is_compulsory_for_rest_and_streams(sim):
    """400 without one: no client that forgets it gets further."""
    no_agent = {"skip_auto_headers": ["User-Agent"]}
    async with aiohttp.ClientSession(**no_agent) as session:
        async with session.get(f"{sim.url}/info/markets") as response:
            assert response.status == 400
            assert "User-Agent" in await response.text()
        for url in (f"{sim.ws_url}/orderbooks/BTC-USD", sim.rpc_url):
            with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
                await session.ws_connect(url)
            assert caught.value.status == 400


async def test_a_thousand_requests_a_minute_pass_for_one_address(sim, anybody):
    """The next is 429; a minute later they pass again."""
    sim.venue.limiter.scale = 100
    assert all([(await anybody.get("/info/settings")).status == 200 for _ in range(10)])
    assert (await anybody.get("/info/settings")).status == 429
    assert (await anybody.get("/user/balance")).status == 429
    advance(sim, minutes=1)
    assert (await anybody.get("/info/settings")).status == 200
