"""The plugin's reads against a stub: what is asked, pages to their end, and what is left out."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from perpkit.core.errors import (
    BadGatewayError,
    CapabilityError,
    ConfigError,
    DecodeError,
    RateLimitError,
    VenueUnavailableError,
)
from perpkit.core.models import FundingKind, MarginMode, PriceKind, VenueStatus
from tests.adapters.paradex.stub import MARKET_ROW, Says, no

T0 = datetime(2026, 11, 1, tzinfo=UTC)


def ms(moment):
    return int(moment.timestamp() * 1000)


def fill(number, at=T0, **changes):
    row = {
        "id": str(number),
        "market": "BTC-USD-PERP",
        "order_id": f"o{number}",
        "client_id": "",
        "side": "BUY",
        "liquidity": "TAKER",
        "price": "100",
        "size": "1",
        "fee": "0.1",
        "fee_currency": "USDC",
        "fill_type": "FILL",
        "created_at": ms(at),
    }
    return {**row, **changes}


def pages(rows, size):
    """Answer with cursors, newest first, ``size`` rows at a time; the last page has next=null."""

    def answer(asked):
        start = int(asked.query.get("cursor", "0"))
        end = start + size
        return Says({"results": rows[start:end], "next": str(end) if end < len(rows) else None, "prev": None})

    return answer


# Markets


async def test_only_perpetuals_are_listed_and_a_bad_row_costs_only_itself(stub, venue, caplog):
    """Options, spot and dated rows are left out without a word, a malformed perpetual with one."""
    bad = {**MARKET_ROW, "symbol": "BAD-USD-PERP", "price_tick_size": "0"}
    worse = {"symbol": "WORSE-USD-PERP", "asset_kind": "PERP"}
    others = [
        {"symbol": "BTC-USD-100000-C", "asset_kind": "OPTION", "option_type": "CALL"},
        {"symbol": "BTC-USD-4000-P", "asset_kind": "PERP_OPTION"},
        {"symbol": "DIME-USD", "asset_kind": "SPOT"},
        {"symbol": "BTC-USD-25DEC26", "asset_kind": "FUTURE", "expiry_at": 1},
    ]
    kilo = {**MARKET_ROW, "symbol": "kPEPE-USD-PERP", "base_currency": "kPEPE"}
    stub.say("GET /markets", {"results": [bad, *others, MARKET_ROW, worse, kilo]})
    with caplog.at_level(logging.WARNING):
        markets = await venue.fetch_markets()
    assert [market.symbol for market in markets] == ["BTC-USD-PERP", "kPEPE-USD-PERP"]
    warned = [record.getMessage() for record in caplog.records]
    assert len(warned) == 2
    assert "BAD-USD-PERP" in warned[0] + warned[1]
    assert "WORSE-USD-PERP" in warned[0] + warned[1]


async def test_prices_of_one_and_of_all_are_asked_for_as_the_contract_says(stub, venue):
    """``market`` is required; ALL holds options too, which are left out."""
    row = {"symbol": "BTC-USD-PERP", "created_at": 1, "bid": "1", "ask": "2", "funding_rate": "0.0001"}
    option = {**row, "symbol": "BTC-USD-100000-C"}
    stub.say("GET /markets/summary", {"results": [option, row]})
    assert (await venue.fetch_ticker("BTC-USD-PERP")).bid_price == 1
    assert [ticker.market_id for ticker in await venue.fetch_tickers()] == ["BTC-USD-PERP@paradex"]
    assert [rate.value for rate in await venue.fetch_funding_rates()] == [Decimal("0.0001")]
    await venue.fetch_funding_rates(["BTC-USD-PERP"])
    assert [each.query for each in stub.requests("GET /markets/summary")] == [
        {"market": "BTC-USD-PERP"},
        {"market": "ALL"},
        {"market": "ALL"},
        {"market": "BTC-USD-PERP"},
    ]


async def test_an_answer_without_the_market_asked_for_is_an_error(stub, venue):
    """An empty result is not a market without prices."""
    stub.say("GET /markets/summary", {"results": []})
    with pytest.raises(DecodeError, match="no prices of BTC-USD-PERP"):
        await venue.fetch_ticker("BTC-USD-PERP")


async def test_the_book_keeps_to_the_depth_asked(stub, venue):
    """Should the venue send more, it is cut."""
    levels = [[str(100 - n), "1"] for n in range(5)]
    answer = {"market": "BTC-USD-PERP", "seq_no": 3, "last_updated_at": 1, "bids": levels, "asks": []}
    stub.say("GET /orderbook/BTC-USD-PERP", answer)
    book = await venue.fetch_order_book("BTC-USD-PERP", depth=2)
    assert [level.price for level in book.bids] == [100, 99]
    assert stub.requests("GET /orderbook/BTC-USD-PERP")[0].query == {"depth": "2"}
    await venue.fetch_order_book("BTC-USD-PERP")
    assert stub.requests("GET /orderbook/BTC-USD-PERP")[1].query == {}


async def test_bars_come_in_windows_without_gap_or_overlap(stub, venue):
    """1,200 minutes are asked for in three windows; rows outside are dropped, doubles counted once."""
    minute = timedelta(minutes=1)

    def answer(asked):
        start, end = int(asked.query["start_at"]), int(asked.query["end_at"])
        opened = range(start - 60_000, end + 60_000, 60_000)
        return Says({"results": [[at, 1, 2, 0.5, 1.5, 7] for at in opened]})

    stub.say("GET /markets/klines", answer)
    bars = await venue.fetch_candles(
        "BTC-USD-PERP", minute, since=T0, until=T0 + 1200 * minute, price_kind=PriceKind.INDEX
    )
    assert [bar.opened_at for bar in bars] == [T0 + n * minute for n in range(1200)]
    assert (bars[0].low, bars[0].interval) == (Decimal("0.5"), minute)
    asked = [each.query for each in stub.requests("GET /markets/klines")]
    assert len(asked) == 3
    assert asked[0] == {
        "symbol": "BTC-USD-PERP",
        "resolution": "1",
        "start_at": str(ms(T0)),
        "end_at": str(ms(T0 + 500 * minute) - 1),
        "price_kind": "underlying",
    }
    with pytest.raises(CapabilityError, match="minutes"):
        await venue.fetch_candles("BTC-USD-PERP", timedelta(hours=4), since=T0)


# Pages


@pytest.mark.parametrize("count", [0, 1, 3, 4, 10])
async def test_every_page_is_read_to_the_end_oldest_first(stub, venue, count):
    """Ten rows over four pages, none lost, none twice."""
    rows = [fill(n, T0 + timedelta(seconds=n)) for n in reversed(range(count))]
    stub.say("GET /fills", pages(rows, 3))
    fills = await venue.fetch_fills("BTC-USD-PERP")
    assert [each.fill_id for each in fills] == [str(n) for n in range(count)]


async def test_rows_that_two_pages_share_are_counted_once(stub, venue):
    """Something happened between two requests, and pushed a row onto the next page."""
    rows = [fill(n, T0 + timedelta(seconds=n)) for n in (4, 3, 2, 2, 1, 0)]
    stub.say("GET /fills", pages(rows, 3))
    assert [each.fill_id for each in await venue.fetch_fills()] == ["0", "1", "2", "3", "4"]


async def test_a_period_is_kept_whatever_the_venue_sends(stub, venue):
    """[since, until): the start is in, the end is out; asked for in whole milliseconds."""
    rows = [fill(n, T0 + timedelta(seconds=n)) for n in reversed(range(6))]
    stub.say("GET /fills", pages(rows, 2))
    fills = await venue.fetch_fills(since=T0 + timedelta(seconds=1), until=T0 + timedelta(seconds=4))
    assert [each.fill_id for each in fills] == ["1", "2", "3"]
    first = stub.requests("GET /fills")[0].query
    assert first["start_at"] == str(ms(T0) + 1000)
    assert first["end_at"] == str(ms(T0) + 3999)
    assert first["asset_kind"] == "PERP"
    # The venue ignored start_at; the first row older than that ended the reading.
    assert len(stub.requests("GET /fills")) == 3


async def test_a_limit_takes_the_newest_and_asks_for_no_more(stub, venue):
    """Two of six, in one request of two."""
    rows = [fill(n, T0 + timedelta(seconds=n)) for n in reversed(range(6))]
    stub.say("GET /fills", pages(rows, 2))
    assert [each.fill_id for each in await venue.fetch_fills(limit=2)] == ["4", "5"]
    assert [each.query["page_size"] for each in stub.requests("GET /fills")] == ["2"]


async def test_a_cursor_that_comes_twice_ends_in_an_error_and_not_in_a_loop(stub, venue):
    """A venue's defect must not hang a caller."""
    stub.say("GET /fills", {"results": [fill(1)], "next": "again"})
    with pytest.raises(DecodeError, match="never end"):
        await venue.fetch_fills()


async def test_fills_of_one_millisecond_keep_their_order(stub, venue):
    """The venue sends the newest first."""
    stub.say("GET /fills", pages([fill(2), fill(1), fill(0)], 5))
    assert [each.fill_id for each in await venue.fetch_fills()] == ["0", "1", "2"]


async def test_a_public_history_that_nobody_bounds_is_one_page(stub, venue):
    """It goes back for years; with a start it is read to there."""
    trade = {"market": "BTC-USD-PERP", "side": "BUY", "price": "1", "size": "1", "trade_type": "FILL"}
    rows = [{**trade, "id": str(n), "created_at": ms(T0) + n} for n in reversed(range(2500))]
    stub.say("GET /trades", pages(rows, 1000))
    assert len(await venue.fetch_trades("BTC-USD-PERP")) == 1000
    assert len(stub.requests("GET /trades")) == 1
    assert len(await venue.fetch_trades("BTC-USD-PERP", since=T0)) == 2500


async def test_trades_and_funding_history_are_pages_too(stub, venue):
    """Samples say that they are samples."""
    trade = {"market": "BTC-USD-PERP", "side": "BUY", "price": "1", "size": "1", "trade_type": "FILL"}
    rows = [{**trade, "id": str(n), "created_at": ms(T0) + n} for n in reversed(range(5))]
    stub.say("GET /trades", pages(rows, 2))
    assert [each.trade_id for each in await venue.fetch_trades("BTC-USD-PERP")] == ["0", "1", "2", "3", "4"]
    observed = {"market": "BTC-USD-PERP", "funding_rate": "0.0001", "funding_period_hours": 8}
    stub.say("GET /funding/data", pages([{**observed, "created_at": ms(T0) + n} for n in reversed(range(5))], 2))
    history = await venue.fetch_funding_history("BTC-USD-PERP")
    assert [each.effective_at for each in history] == [T0 + timedelta(milliseconds=n) for n in range(5)]
    assert {each.kind for each in history} == {FundingKind.SAMPLE}


# The account


async def test_payments_of_the_whole_account_are_asked_for_where_there_can_be_any(stub, venue):
    """The venue answers by market: those with a position, and those with a fill since."""
    eth = {**MARKET_ROW, "symbol": "ETH-USD-PERP", "base_currency": "ETH"}
    sol = {**MARKET_ROW, "symbol": "SOL-USD-PERP", "base_currency": "SOL"}
    stub.say("GET /markets", {"results": [MARKET_ROW, eth, sol]})
    stub.say("GET /positions", {"results": [{"market": "ETH-USD-PERP", "side": "LONG", "size": "1", "status": "OPEN"}]})
    stub.say("GET /fills", pages([fill(1)], 5))

    def payments(asked):
        row = {"id": asked.query["market"], "market": asked.query["market"], "payment": "-1", "created_at": ms(T0)}
        return Says({"results": [row], "next": None})

    stub.say("GET /funding/payments", payments)
    found = await venue.fetch_funding_payments(since=T0)
    assert {each.market_id for each in found} == {"BTC-USD-PERP@paradex", "ETH-USD-PERP@paradex"}
    assert {each.amount for each in found} == {Decimal(-1)}
    one = await venue.fetch_funding_payments("SOL-USD-PERP", since=T0)
    assert [each.payment_id for each in one] == ["SOL-USD-PERP"]


async def test_one_malformed_position_fails_the_whole_reading(stub, venue):
    """A gap here would look like a flat position."""
    good = {"market": "BTC-USD-PERP", "side": "LONG", "size": "1", "status": "OPEN"}
    stub.say("GET /positions", {"results": [good, {**good, "size": "-1"}]})
    with pytest.raises(DecodeError, match="contradict"):
        await venue.fetch_positions()


async def test_a_position_in_a_perpetual_that_is_not_listed_fails_the_reading(stub, venue):
    """Left out, it would look flat. A market listed a moment ago is found by reading the listing again."""
    row = {"market": "NEW-USD-PERP", "side": "LONG", "size": "1", "status": "OPEN"}
    stub.say("GET /positions", {"results": [row]})
    with pytest.raises(DecodeError, match="there is a position in NEW-USD-PERP, which the listing does not hold"):
        await venue.fetch_positions()


async def test_a_position_in_a_market_of_a_moment_ago_is_there(stub, venue):
    """Whoever else trades on the account need not wait for our listing to grow old."""
    await venue.fetch_markets()
    new = {**MARKET_ROW, "symbol": "NEW-USD-PERP", "base_currency": "NEW"}
    stub.say("GET /markets", {"results": [MARKET_ROW, new]})
    row = {"market": "NEW-USD-PERP", "side": "LONG", "size": "1", "status": "OPEN"}
    stub.say("GET /positions", {"results": [row]})
    assert [each.market_id for each in await venue.fetch_positions()] == ["NEW-USD-PERP@paradex"]


async def test_closed_and_foreign_positions_are_left_out(stub, venue):
    """Flat ones are never returned, options are not ours."""
    good = {"market": "BTC-USD-PERP", "side": "LONG", "size": "1", "status": "OPEN"}
    closed = {**good, "status": "CLOSED", "size": "0", "side": "SHORT"}
    option = {**good, "market": "BTC-USD-100000-C"}
    stub.say("GET /positions", {"results": [closed, option, good]})
    assert [each.size for each in await venue.fetch_positions()] == [1]


async def test_an_account_that_never_had_funds_has_no_balances(stub, venue):
    """An empty list, not an error."""
    stub.say("GET /balance", {"results": []})
    assert await venue.fetch_balances() == []


async def test_fees_come_from_the_account_where_the_market_names_none(stub, venue):
    """Isolated sub-accounts do not speak for the main one."""
    plain = {**MARKET_ROW, "symbol": "ETH-USD-PERP", "base_currency": "ETH", "fee_config": None}
    stub.say("GET /markets", {"results": [MARKET_ROW, plain]})
    rates = {"maker_rate": "0.0001", "taker_rate": "0.0005"}
    isolated = {"account": "0x2", "isolated_market": "ETH-USD-PERP", "fees": {"maker_rate": "9", "taker_rate": "9"}}
    stub.say("GET /account/info", {"results": [isolated, {"account": "0x1", "fees": rates}]})
    fees = {each.market_id: each for each in await venue.fetch_fees()}
    assert fees["BTC-USD-PERP@paradex"].taker == Decimal("0.0003")
    assert fees["ETH-USD-PERP@paradex"].maker == Decimal("0.0001")


async def test_leverage_and_margin_mode_keep_each_other(stub, venue):
    """Setting one sends the other as it stands, and returns what the venue says."""
    entry = {"market": "BTC-USD-PERP", "leverage": 10, "margin_type": "ISOLATED", "isolated_margin_leverage": 7}
    stub.say("GET /account/margin", {"account": "0x", "configs": [entry], "margin_methodology": "cross_margin"})
    stub.say("POST /account/margin/BTC-USD-PERP", lambda asked: Says({"market": "BTC-USD-PERP", **asked.body}))
    assert (await venue.fetch_leverage("BTC-USD-PERP")).leverage == 7
    assert (await venue.set_leverage("BTC-USD-PERP", 5)).margin_mode is MarginMode.ISOLATED
    assert (await venue.set_margin_mode("BTC-USD-PERP", "cross")).leverage == 7
    assert [each.body for each in stub.requests("POST /account/margin/BTC-USD-PERP")] == [
        {"leverage": 5, "margin_type": "ISOLATED"},
        {"leverage": 7, "margin_type": "CROSS"},
    ]


@pytest.mark.parametrize("leverage", ["2.5", "51"])
async def test_a_leverage_that_the_venue_can_t_take_is_refused_here(stub, venue, leverage):
    """Whole numbers up to the market's most; nothing is sent."""
    with pytest.raises(ConfigError, match="leverage"):
        await venue.set_leverage("BTC-USD-PERP", leverage)
    assert [each for each in stub.asked if each.method == "POST"] == []


# The system, and what goes wrong


async def test_health_tells_the_state_and_the_clock(stub, venue):
    """A venue two minutes ahead of us."""
    now = stub.time_ms
    stub.time_ms = lambda: now() + 120_000
    stub.say("GET /system/state", {"status": "cancel_only"})
    health = await venue.check_health()
    assert health.status is VenueStatus.CANCEL_ONLY
    assert abs(health.clock_skew - timedelta(minutes=2)) < timedelta(seconds=5)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Says("<html>oops</html>", 502), BadGatewayError),
        (Says("<html>oops</html>", 200), BadGatewayError),
        (no("INTERNAL_ERROR", status=500), BadGatewayError),
        (Says({"nothing": 1}, 500), BadGatewayError),
        (Says("", 500), BadGatewayError),
        (no("SERVICE_UNAVAILABLE", status=503), VenueUnavailableError),
        (no("RATE", status=429), RateLimitError),
        (Says({"results": [{"token": "USDC"}]}), DecodeError),
        (Says('{"results": [', 200), DecodeError),
        (Says({"rows": []}), DecodeError),
        (no("GEO_IP_BLOCK"), VenueUnavailableError),
    ],
)
async def test_every_way_of_going_wrong_has_its_type(stub, venue, answer, error, monkeypatch):
    """HTML, 5xx, limits, truncated and unexpected payloads, each for a read."""
    answer.headers = {"Retry-After": "0"} if answer.status >= 429 else {}
    stub.say("GET /balance", answer)
    with pytest.raises(error) as caught:
        await venue.fetch_balances()
    assert caught.value.venue == "paradex"
    assert caught.value.operation == "GET /balance"
