"""Everybody's endpoints: their figures come from what the test placed, their form from the contract."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from perpkit.core.models.order import Side

D = Decimal
HOUR_MS = 3_600_000


async def test_markets_show_decimals_minimums_and_fractions(anybody):
    """ETH is market 0 with four places of size and two of price; a spot row stands among the perpetuals."""
    rows = (await anybody.get("orderBookDetails"))["order_book_details"]
    eth = next(row for row in rows if row["market_id"] == 0)
    assert (eth["symbol"], eth["size_decimals"], eth["price_decimals"]) == ("ETH", 4, 2)
    assert (eth["min_base_amount"], eth["min_quote_amount"]) == ("0.0050", "10.000000")
    assert (eth["min_initial_margin_fraction"], eth["default_initial_margin_fraction"]) == (200, 500)
    assert (eth["mark_price"], eth["supported_quote_decimals"]) == ("4000.00", 6)
    spot = (await anybody.get("orderBooks", filter="spot"))["order_books"]
    assert [row["market_id"] for row in spot] == [2048]
    assert [row["symbol"] for row in (await anybody.get("orderBooks", market_id=1))["order_books"]] == ["BTC"]


async def test_a_market_listed_later_has_the_next_id_and_its_own_decimals(sim, anybody):
    """Decimals follow the rules of the exchange, also when they change."""
    sim.control.list_market("XRP", like="ETH", tick_size=D("0.00001"), step_size=D(1), index_price=D(2))
    row = (await anybody.get("orderBookDetails", market_id=4))["order_book_details"][0]
    assert (row["symbol"], row["size_decimals"], row["price_decimals"]) == ("XRP", 0, 5)
    sim.control.change_market("XRP", tick_size=D("0.01"))
    row = (await anybody.get("orderBookDetails", market_id=4))["order_book_details"][0]
    assert row["price_decimals"] == 2


async def test_an_older_server_shows_no_prices_with_the_markets(sim, anybody):
    """Then market_stats is the only source."""
    object.__setattr__(sim.venue.settings, "prices_in_details", False)
    row = (await anybody.get("orderBookDetails", market_id=0))["order_book_details"][0]
    assert "mark_price" not in row
    assert "index_price" not in row


async def test_the_book_shows_single_orders_best_first_in_two_ranges_of_numbers(anybody, quote):
    """Two orders at one price are two rows; asks count up from 2**48, bids down from 2**49 - 1."""
    quote(bids=[("3999.00", "2"), ("3999.90", "1")], asks=[("4000.10", "1"), ("4000.10", "0.5")])
    answer = await anybody.get("orderBookOrders", market_id=0, limit=250)
    assert [row["price"] for row in answer["bids"]] == ["3999.90", "3999.00"]
    assert [row["remaining_base_amount"] for row in answer["asks"]] == ["1.0000", "0.5000"]
    bids, asks = ([row["order_index"] for row in answer[side]] for side in ("bids", "asks"))
    assert 2**48 < asks[0] < asks[1] < 2**48 + 2**30
    assert 2**49 - 2**30 < bids[0] < bids[1] < 2**49
    assert (answer["total_bids"], answer["total_asks"]) == (2, 2)


async def test_recent_trades_come_newest_first_and_tell_which_side_rested(sim, anybody, quote):
    """A house buys: the resting order was the ask."""
    quote()
    sim.control.trade("ETH", Side.BUY, D("0.25"))
    sim.control.trade("ETH", Side.SELL, D("0.5"))
    newest, oldest = (await anybody.get("recentTrades", market_id=0, limit=10))["trades"]
    assert (oldest["price"], oldest["size"], oldest["is_maker_ask"]) == ("4000.10", "0.2500", True)
    assert (newest["price"], newest["size"], newest["is_maker_ask"]) == ("3999.90", "0.5000", False)
    assert oldest["usd_amount"] == "1000.025000"
    assert newest["trade_id"] > oldest["trade_id"]


@pytest.mark.parametrize(
    ("name", "query", "text"),
    [
        ("recentTrades", {"market_id": 0}, 'invalid param: : field "limit" is not set'),
        ("recentTrades", {"limit": 5}, 'invalid param: : field "market_id" is not set'),
        ("trades", {"sort_by": "timestamp", "limit": 101}, "limit"),
        ("orderBookOrders", {"market_id": 0, "limit": 251}, "limit"),
        ("orderBooks", {"filter": "future"}, 'for field "filter" is not defined in options "[all spot perp]"'),
        ("account", {"by": "address", "value": "0x1"}, "not defined in options"),
    ],
)
async def test_a_query_that_the_contract_does_not_allow_is_20001(anybody, name, query, text):
    """With the venue's words where they are known."""
    answer = await anybody.get(name, **query)
    assert answer.refusal == (400, 20001)
    assert text in answer.body["message"]


async def test_by_address_is_refused_in_the_venue_s_words(anybody):
    """The trap: it is ``l1_address``."""
    answer = await anybody.get("account", by="address", value="0x01")
    assert answer.body == {
        "code": 20001,
        "message": 'invalid param: value "address" for field "by" is not defined in options "[index l1_address]"',
    }


async def test_an_unknown_market_is_21602_and_an_unknown_path_29404(anybody):
    """Each with the venue's text."""
    assert (await anybody.get("recentTrades", market_id=77, limit=1)).refusal == (400, 21602)
    assert (await anybody.get("nothingHere")).refusal == (404, 29404)


async def test_candles_have_volumes_where_something_traded(sim, anybody, quote):
    """Open, high, low, close as numbers; times in ms; a candle without a trade has no volume."""
    quote()
    sim.control.trade("ETH", Side.BUY, D("0.25"))
    start = sim.venue.now_ms() // 60_000 * 60_000
    sim.control.advance(timedelta(minutes=1))
    answer = await anybody.get(
        "candles", market_id=0, resolution="1m", start_timestamp=start, end_timestamp=start + 120_000, count_back=0
    )
    traded, quiet = answer["c"]
    assert (traded["t"], traded["o"], traded["v"], traded["V"]) == (start, D("4000.10"), D("0.25"), D("1000.025"))
    assert quiet == {"t": start + 60_000, "o": D("4000.10"), "h": D("4000.10"), "l": D("4000.10"), "c": D("4000.10")}
    refused = await anybody.get(
        "candles", market_id=0, resolution="1m", start_timestamp=5, end_timestamp=5, count_back=0
    )
    assert refused.refusal == (400, 22400)


async def test_the_venue_s_rate_stands_among_other_exchanges_as_a_fraction_for_eight_hours(sim, anybody):
    """0.000012 per hour is 0.000096 for 8 hours; the first row of a market is somebody else's."""
    sim.control.set_funding_rate("ETH", D("0.000012"))
    rows = [row for row in (await anybody.get("funding-rates"))["funding_rates"] if row["market_id"] == 0]
    assert [row["exchange"] for row in rows] == ["binance", "bybit", "hyperliquid", "lighter"]
    assert rows[-1]["rate"] == D("0.000096")


async def test_settled_hours_are_percent_without_a_sign_and_name_who_paid(sim, anybody):
    """0.0012 percent of 4000 is 0.048 for one base unit; seconds in rows, ms in bounds, the end is not in it."""
    start = sim.venue.now_ms()
    sim.control.set_funding_rate("ETH", D("0.000012"))
    sim.control.advance(timedelta(hours=1))
    sim.control.set_funding_rate("ETH", D("-0.000002"))
    sim.control.advance(timedelta(hours=1))
    first_hour = (start // HOUR_MS + 1) * HOUR_MS
    bounds = {"market_id": 0, "resolution": "1h", "count_back": 0, "start_timestamp": start}
    rows = (await anybody.get("fundings", **bounds, end_timestamp=sim.venue.now_ms() + 1))["fundings"]
    assert rows == [
        {"timestamp": first_hour // 1000, "value": "0.04800000", "rate": "0.0012", "direction": "long"},
        {"timestamp": first_hour // 1000 + 3600, "value": "0.00800000", "rate": "0.0002", "direction": "short"},
    ]
    rows = (await anybody.get("fundings", **bounds, end_timestamp=first_hour + HOUR_MS))["fundings"]
    assert len(rows) == 1
    day = await anybody.get("fundings", **{**bounds, "resolution": "1d"}, end_timestamp=sim.venue.now_ms() + 1)
    assert sum(D(row["rate"]) for row in day["fundings"]) in {D("0.0010"), D("0.0014")}


async def test_status_info_height_and_statistics_answer(sim, anybody, quote):
    """Status has the time in seconds and no code."""
    quote()
    sim.control.trade("ETH", Side.BUY, D("0.25"))
    status = (await anybody.get("/")).body
    assert (status["status"], status["timestamp"]) == (200, sim.venue.now_s())
    assert (await anybody.get("/info"))["contract_address"].startswith("0x")
    assert (await anybody.get("currentHeight"))["height"] > 0
    stats = await anybody.get("exchangeStats")
    assert (stats["daily_trades_count"], stats["daily_usd_volume"]) == (1, D("1000.025"))
    start = sim.venue.now_ms() - 60_000
    mark = await anybody.get(
        "markPriceCandles",
        market_id=0,
        resolution="1m",
        start_timestamp=start,
        end_timestamp=start + 120_000,
        count_back=1,
    )
    assert mark["c"][0]["c"] == D(4000)
    assert (await anybody.get("announcement"))["announcements"] == []
    assets = (await anybody.get("assetDetails"))["asset_details"]
    assert [(row["asset_id"], row["symbol"]) for row in assets] == [(1, "ETH"), (3, "USDC")]
