"""Public REST: the system, the markets, books, the tape, candles, funding."""

from datetime import timedelta
from decimal import Decimal

import pytest

from perpkit.sim.markets import SystemStatus


async def test_the_system_tells_its_chain_state_and_time(sim, anybody):
    """The three system calls answer what the clock and the settings are."""
    config = (await anybody.get("/system/config")).body
    assert config["starknet_chain_id"] == "PRIVATE_SN_POTC_SEPOLIA"
    assert (await anybody.get("/system/time")).body == {"server_time": str(sim.clock.now_ms())}
    assert (await anybody.get("/system/state")).body == {"status": "ok"}
    sim.exchange.set_system_status(SystemStatus.CANCEL_ONLY)
    assert (await anybody.get("/system/state")).body == {"status": "cancel_only"}


async def test_markets_list_what_a_client_must_filter(anybody):
    """Options, futures, spot, a settled and an unopened perpetual stand among the open ones."""
    rows = (await anybody.get("/markets")).results
    kinds = {row["asset_kind"] for row in rows}
    assert kinds == {"PERP", "PERP_OPTION", "OPTION", "FUTURE", "SPOT"}
    perps = {row["symbol"]: row for row in rows if row["asset_kind"] == "PERP"}
    assert perps["LUNA-USD-PERP"]["expiry_at"] > 0
    assert {row["funding_period_hours"] for row in perps.values()} == {8, 4, 24}
    assert perps["kPEPE-USD-PERP"]["base_currency"] == "kPEPE"
    (bitcoin,) = (await anybody.get("/markets", market="BTC-USD-PERP")).results
    assert (bitcoin["price_tick_size"], bitcoin["order_size_increment"]) == ("0.1", "0.00001")
    assert (await anybody.get("/markets", market="NO-USD-PERP")).refusal == (404, "MARKET_NOT_FOUND")


async def test_the_summary_wants_a_market_and_all_means_all(anybody, quote):
    """``market`` is required; ``ALL`` brings every listed row."""
    quote("SELL", "100010", "1")
    assert (await anybody.get("/markets/summary")).refusal == (400, "INVALID_REQUEST_PARAMETER")
    everything = (await anybody.get("/markets/summary", market="ALL")).results
    assert len(everything) == len((await anybody.get("/markets")).results)
    (one,) = (await anybody.get("/markets/summary", market="BTC-USD-PERP")).results
    assert (one["ask"], one["bid"], one["underlying_price"]) == ("100010", "", "100000")
    assert one["funding_rate"] == "0.0001"


async def test_the_book_is_best_first_and_groups_by_a_tick(anybody, quote):
    """Depth cuts, a price tick sums bids downwards and asks upwards."""
    for price, size in (("100010", "1"), ("100010.5", "2"), ("100022", "4")):
        quote("SELL", price, size)
    for price, size in (("99990", "1"), ("99989.5", "2")):
        quote("BUY", price, size)
    book = (await anybody.get("/orderbook/BTC-USD-PERP", depth=2)).body
    assert book["asks"] == [["100010", "1"], ["100010.5", "2"]]
    assert book["bids"] == [["99990", "1"], ["99989.5", "2"]]
    grouped = (await anybody.get("/orderbook/BTC-USD-PERP", price_tick="10")).body
    assert grouped["asks"] == [["100010", "1"], ["100020", "2"], ["100030", "4"]]
    assert grouped["bids"] == [["99990", "1"], ["99980", "2"]]
    bbo = (await anybody.get("/bbo/BTC-USD-PERP")).body
    assert (bbo["bid"], bbo["ask"], bbo["seq_no"]) == ("99990", "100010", book["seq_no"])
    assert (await anybody.get("/bbo/BTC-USD-PERP/interactive")).body["ask"] == "100010"
    assert (await anybody.get("/orderbook/BTC-USD-PERP/interactive")).body["asks"] == [
        ["100010", "1"], ["100010.5", "2"], ["100022", "4"]
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [
        ("/orderbook/NO-USD-PERP", {}, "MARKET_NOT_FOUND"),
        ("/orderbook/BTC-USD-PERP", {"depth": 0}, "INVALID_REQUEST_PARAMETER"),
        ("/orderbook/BTC-USD-PERP", {"depth": "deep"}, "INVALID_REQUEST_PARAMETER"),
        ("/orderbook/BTC-USD-PERP", {"price_tick": "0.05"}, "INVALID_REQUEST_PARAMETER"),
        ("/orderbook/BTC-USD-PERP", {"limit": 5}, "INVALID_REQUEST_PARAMETER"),
        ("/bbo/NO-USD-PERP", {}, "MARKET_NOT_FOUND"),
        ("/trades", {}, "INVALID_REQUEST_PARAMETER"),
        ("/trades", {"market": "BTC-USD-PERP", "baseAsset": "BTC"}, "INVALID_REQUEST_PARAMETER"),
        ("/trades", {"market": "BTC-USD-PERP", "page_size": 1001}, "INVALID_REQUEST_PARAMETER"),
        ("/trades", {"market": "BTC-USD-PERP", "page_size": 0}, "INVALID_REQUEST_PARAMETER"),
        ("/trades", {"market": "BTC-USD-PERP", "cursor": "what"}, "INVALID_REQUEST_PARAMETER"),
        ("/funding/data", {}, "INVALID_REQUEST_PARAMETER"),
        ("/funding/data", {"market": "NO-USD-PERP"}, "MARKET_NOT_FOUND"),
        ("/markets/klines", {"symbol": "BTC-USD-PERP"}, "INVALID_REQUEST_PARAMETER"),
        ("/markets/klines", {"symbol": "X", "resolution": "1", "start_at": 1, "end_at": 2}, "INVALID_SYMBOL"),
        (
            "/markets/klines",
            {"symbol": "BTC-USD-PERP", "resolution": "7", "start_at": 1, "end_at": 2},
            "INVALID_REQUEST_PARAMETER",
        ),
        (
            "/markets/klines",
            {"symbol": "BTC-USD-PERP", "resolution": "1", "start_at": 2, "end_at": 1},
            "INVALID_REQUEST_PARAMETER",
        ),
        (
            "/markets/klines",
            {"symbol": "BTC-USD-PERP", "resolution": "1", "start_at": 1, "end_at": 2, "price_kind": "mid"},
            "INVALID_REQUEST_PARAMETER",
        ),
    ],
)
async def test_a_parameter_outside_the_contract_is_refused(anybody, path, query, code):
    """Names, types, enums and bounds are the contract's."""
    assert (await anybody.get(path, **query)).refusal == (400, code)


@pytest.mark.parametrize(
    "path",
    [
        "/system/health",
        "/account/balances",
        "/markets/BTC-USD-PERP/summary",
        "/vaults",
        "/account/history",
        "/",
    ],
)
async def test_a_path_that_is_not_served_is_unknown(anybody, path):
    """Guessed paths and those left out answer alike."""
    assert (await anybody.get(path)).refusal == (404, "NOT_FOUND")


async def test_a_method_that_a_path_does_not_have_is_unknown(anybody):
    """POST on a path that is only read answers as an unknown path does."""
    assert (await anybody.post("/system/time", {})).refusal == (404, "NOT_FOUND")


async def test_the_tape_comes_newest_first_in_pages(sim, anybody, quote):
    """Five trades in pages of two come out once each; the side is the taker's."""
    for size in range(1, 6):
        quote("SELL", "100010", str(size))
        quote("BUY", "100010", str(size), visitor=True)
        sim.clock.advance(timedelta(seconds=1))
    sizes, cursor = [], {}
    while True:
        page = (await anybody.get("/trades", market="BTC-USD-PERP", page_size=2, **cursor)).body
        sizes += [row["size"] for row in page["results"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    assert sizes == ["5", "4", "3", "2", "1"]
    assert {row["side"] for row in page["results"]} == {"BUY"}


async def test_candles_are_numbers_of_the_trades(sim, anybody, quote):
    """One minute's candle holds open, high, low, close and volume of its trades, exactly."""
    start = sim.clock.now_ms()
    for price, size in (("100000", "1"), ("100500", "0.5"), ("99900", "0.25"), ("100100", "0.125")):
        quote("SELL", price, size)
        quote("BUY", price, size, visitor=True)
    sim.clock.advance(timedelta(minutes=2))
    answer = await anybody.get(
        "/markets/klines", symbol="BTC-USD-PERP", resolution="1", start_at=start, end_at=start + 59_999
    )
    assert answer.results == [[start, 100000, 100500, 99900, 100100, Decimal("1.875")]]


async def test_funding_data_has_the_rate_for_the_period_and_for_eight_hours(sim, anybody):
    """SOL's period is 4 hours, so its 8-hour rate is twice the raw one."""
    sim.clock.advance(timedelta(minutes=5))
    row = (await anybody.get("/funding/data", market="SOL-USD-PERP")).results[0]
    assert (row["funding_rate"], row["funding_rate_8h"], row["funding_period_hours"]) == ("-0.00012", "-0.00024", 4)


async def test_every_answer_carries_the_rate_limit_headers(anybody):
    """Limit, remaining, reset and window, as the venue's changelog lists them."""
    headers = (await anybody.get("/system/time")).headers
    assert {"X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset", "X-RateLimit-Window"} <= set(headers)
