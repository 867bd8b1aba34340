"""
Markets, books, tapes, candles and funding as the exchange has them: what is no perpetual is left out, a row that can't
be read is reported and spoils nothing, and every page is read.
"""

from __future__ import annotations

import asyncio
import json
import logging
from datetime import timedelta
from decimal import Decimal

import pytest

from perpkit.adapters.paradex import endpoints
from perpkit.core.errors import (
    BadGatewayError,
    CapabilityError,
    ConfigError,
    DecodeError,
    UnknownMarketError,
    VenueUnavailableError,
)
from perpkit.core.models import FundingAccrual, FundingKind, MarketStatus, PriceKind, Side
from perpkit.sim.markets import SystemStatus
from perpkit.sim.venues.paradex.listing import LISTINGS
from tests.integration.conftest import BTC, while_time_passes
from tests.integration.helpers import BEST_ASK, BEST_BID, count, intent

ETH, SOL, PEPE = "ETH-USD-PERP", "SOL-USD-PERP", "kPEPE-USD-PERP"
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


# The listing


async def test_the_listing_holds_every_perpetual_and_nothing_else(venue):
    """Options, dated and spot rows stand among them at the venue."""
    markets = await venue.fetch_markets()
    kinds = {listing.kind for listing in LISTINGS}
    assert kinds >= {"PERP", "OPTION", "PERP_OPTION", "FUTURE", "SPOT"}, "there must be something to leave out"
    perpetuals = sorted(listing.symbol for listing in LISTINGS if listing.kind == "PERP")
    assert [market.symbol for market in markets] == perpetuals
    assert [market.id for market in markets] == [f"{symbol}@paradex" for symbol in perpetuals]


async def test_the_rules_are_the_listings_own(venue):
    """Tick, step, limits, fees, margin and period, to the digit, for each market that trades."""
    for listing in LISTINGS:
        if not listing.trades:
            continue
        market = await venue.market(listing.symbol)
        assert (market.tick_size, market.step_size) == (listing.tick_size, listing.step_size)
        assert (market.min_notional, market.max_size) == (listing.min_notional, listing.max_order_size)
        assert (market.maker_fee, market.taker_fee) == (listing.api_fee.maker, listing.api_fee.taker)
        assert market.funding_interval == timedelta(hours=listing.funding_period_hours)
        assert market.funding_accrual is FundingAccrual.CONTINUOUS
        assert market.initial_margin_fraction == listing.imf
        assert market.maintenance_margin_fraction == listing.imf * listing.mmf_factor
        assert market.max_leverage == 1 / listing.imf
        assert (market.position_limit, market.max_open_orders) == (listing.position_limit, listing.max_open_orders)
        assert market.price_band == listing.price_band
        assert market.status is MarketStatus.OPEN


async def test_a_scaled_contract_tells_its_underlying(venue):
    """kPEPE is a thousand PEPE."""
    instrument = (await venue.market(PEPE)).instrument
    assert (instrument.base, instrument.underlying, instrument.multiplier) == ("kPEPE", "PEPE", 1000)
    assert (instrument.quote, instrument.settle) == ("USD", "USDC")


async def test_settled_and_unopened_markets_are_listed_as_such(venue):
    """They are perpetuals all the same; that nothing trades there is their status."""
    for symbol in ("LUNA-USD-PERP", "SOON-USD-PERP"):
        assert (await venue.market(symbol)).status is MarketStatus.SETTLED


async def test_a_market_that_settles_while_open_is_seen_at_the_next_listing(local, venue):
    """Held rules are replaced whole."""
    assert (await venue.market(SOL)).status is MarketStatus.OPEN
    local.control.settle_market(SOL, Decimal(190))
    await venue.fetch_markets()
    assert (await venue.market(SOL)).status is MarketStatus.SETTLED


@pytest.mark.parametrize("name", [BTC, f"{BTC}@paradex"])
async def test_a_market_goes_by_its_names(venue, name):
    """Symbol and text form lead to the same."""
    assert (await venue.market(name)).id == f"{BTC}@paradex"


async def test_an_unknown_market_is_told_with_the_nearest(venue):
    """For every read that takes one."""
    with pytest.raises(UnknownMarketError, match=BTC):
        await venue.market("BTC-USD-PRP")
    since = venue._context.clock.now()
    for read in (
        venue.fetch_ticker("NOPE-USD-PERP"),
        venue.fetch_order_book("NOPE-USD-PERP"),
        venue.fetch_trades("NOPE-USD-PERP"),
        venue.fetch_candles("NOPE-USD-PERP", MINUTE, since=since),
        venue.fetch_funding_history("NOPE-USD-PERP"),
        venue.fetch_funding_rates(["NOPE-USD-PERP"]),
        venue.fetch_leverage("NOPE-USD-PERP"),
        venue.set_leverage("NOPE-USD-PERP", 2),
        venue.fetch_fees(["NOPE-USD-PERP"]),
    ):
        with pytest.raises(UnknownMarketError, match="NOPE"):
            await read


async def test_one_listing_serves_all_who_ask_at_once(local, venue):
    """And those who ask later."""
    asked = count(local, "GET /v1/markets")
    await asyncio.gather(*(venue.market(BTC) for _ in range(10)))
    await venue.market(ETH)
    assert asked.hits == 1


def _rows(local) -> list[dict]:
    return [listing.row() for listing in local.venue.listings.values()]


def _without(row: dict, field: str) -> dict:
    return {name: value for name, value in row.items() if name != field}


SPOILT = [
    ("no tick", lambda row: _without(row, "price_tick_size")),
    ("a tick of zero", lambda row: {**row, "price_tick_size": "0"}),
    ("a tick that is no number", lambda row: {**row, "price_tick_size": "NaN"}),
    ("a step of words", lambda row: {**row, "order_size_increment": "small"}),
    ("a negative minimum", lambda row: {**row, "min_notional": "-10"}),
    ("no name", lambda row: _without(row, "symbol")),
    ("no kind", lambda row: _without(row, "asset_kind")),
    ("a row of another shape", lambda row: ["BTC-USD-PERP"]),
    ("null", lambda row: None),
]


@pytest.mark.parametrize("spoil", [spoil for _, spoil in SPOILT], ids=[name for name, _ in SPOILT])
async def test_a_row_that_can_not_be_read_is_reported_and_spoils_no_other(local, venue, caplog, spoil):
    """One warning that names it; every other market is there and takes orders."""
    rows = _rows(local)
    place = next(index for index, row in enumerate(rows) if row["symbol"] == ETH)
    rows[place] = spoil(rows[place])
    body = json.dumps({"results": rows})
    local.control.inject("replace", match="GET /v1/markets", body=body, times=None)
    with caplog.at_level(logging.WARNING):
        markets = await venue.fetch_markets()
    assert ETH not in [market.symbol for market in markets]
    assert len(markets) == sum(listing.kind == "PERP" for listing in LISTINGS) - 1
    assert any("market is left out" in record.getMessage() for record in caplog.records)
    await venue.place_order(intent())
    with pytest.raises(UnknownMarketError):
        await venue.place_order(intent(market_id=ETH, size="1", price="3000"))


async def test_kinds_and_fields_that_nobody_knows_are_passed_over(local, venue):
    """A new kind of listing is no perpetual; new fields are ignored."""
    rows = [{**row, "brand_new": {"a": [1]}} for row in _rows(local)]
    rows.append({"symbol": "BTC-USD-WARP", "asset_kind": "WARP"})
    local.control.inject("replace", match="GET /v1/markets", body=json.dumps({"results": rows}))
    assert len(await venue.fetch_markets()) == sum(listing.kind == "PERP" for listing in LISTINGS)


async def test_numbers_in_the_place_of_text_keep_every_digit(local, venue):
    """As JSON numbers: no float on the way."""
    rows = _rows(local)
    rows[0]["price_tick_size"] = "@@"
    body = json.dumps({"results": rows}).replace('"@@"', "0.10000000000000000000000001")
    local.control.inject("replace", match="GET /v1/markets", body=body)
    await venue.fetch_markets()
    assert (await venue.market(BTC)).tick_size == Decimal("0.10000000000000000000000001")


@pytest.mark.parametrize("body", ["", "null", "[]", "{}", '{"results": null}', "<html></html>", '{"results": [', "NaN"])
async def test_a_listing_that_is_none_is_an_error_and_no_empty_list(local, venue, body):
    """Nothing is forgotten because of it: the next listing is whole."""
    local.control.inject("replace", match="GET /v1/markets", body=body)
    with pytest.raises((DecodeError, BadGatewayError)):
        await while_time_passes(local, venue.fetch_markets())
    assert BTC in [market.symbol for market in await venue.fetch_markets()]


# Prices


async def test_a_ticker_is_the_exchanges_present(local, venue):
    """Quotes, mark, index, last, volume and open interest."""
    local.control.set_price(BTC, index=Decimal("100001.25"), mark=Decimal("100002.5"))
    local.control.trade(BTC, Side.BUY, Decimal("0.5"))
    ticker = await venue.fetch_ticker(BTC)
    stats = local.exchange.stats(BTC)
    assert (ticker.bid_price, ticker.ask_price) == (BEST_BID, BEST_ASK)
    assert (ticker.mark_price, ticker.index_price) == (Decimal("100002.5"), Decimal("100001.25"))
    assert ticker.last_price == stats.last_price == BEST_ASK
    assert ticker.open_interest == stats.open_interest
    assert ticker.ts_venue == local.clock.now()


async def test_tickers_are_of_perpetuals_alone_in_one_request(local, venue):
    """The venue answers with options among them."""
    await venue.fetch_markets()
    asked = count(local, "GET /v1/markets/summary")
    tickers = await venue.fetch_tickers()
    assert {ticker.market_id for ticker in tickers} <= set(venue.markets)
    assert {f"{symbol}@paradex" for symbol in (BTC, ETH, SOL, PEPE)} <= {ticker.market_id for ticker in tickers}
    assert asked.hits == 1


async def test_what_is_not_known_of_a_market_is_none_and_never_zero(venue):
    """A market without quotes and without trades."""
    ticker = await venue.fetch_ticker(SOL)
    assert (ticker.bid_price, ticker.ask_price, ticker.last_price) == (None, None, None)
    assert ticker.mark_price == 200


@pytest.mark.parametrize("depth", [None, 1, 3, 10, 100])
async def test_the_book_is_the_exchanges_best_first(local, venue, depth):
    """As deep as asked, with the sizes of each level."""
    book = await venue.fetch_order_book(BTC, depth=depth)
    truth = local.exchange.book(BTC, depth)
    assert [(level.price, level.size) for level in book.bids] == [(level.price, level.size) for level in truth.bids]
    assert [(level.price, level.size) for level in book.asks] == [(level.price, level.size) for level in truth.asks]
    assert len(book.bids) == min(depth or 10, 10)
    assert (book.bids[0].price, book.asks[0].price) == (BEST_BID, BEST_ASK)


async def test_an_empty_book_has_no_levels(venue):
    """Nothing is made up."""
    book = await venue.fetch_order_book(SOL)
    assert (book.bids, book.asks) == ((), ())


@pytest.mark.parametrize("depth", [0, -1])
async def test_a_depth_below_one_is_refused(venue, depth):
    """Before anything is sent."""
    with pytest.raises(ConfigError, match="depth"):
        await venue.fetch_order_book(BTC, depth=depth)


# The tape


def _trade(local, times: int, *, each: timedelta = SECOND) -> None:
    for number in range(times):
        local.control.advance(each)
        local.control.trade(BTC, Side.BUY if number % 3 else Side.SELL, Decimal("0.01"))


@pytest.mark.parametrize("rows", [0, 1, 7, 8, 22])
async def test_every_page_of_the_tape_is_read_from_a_start(local, venue, monkeypatch, rows):
    """Oldest first, each once, with the taker's side."""
    monkeypatch.setattr(endpoints, "PAGE_SIZE", 7)
    begin = local.clock.now()
    _trade(local, rows)
    trades = await venue.fetch_trades(BTC, since=begin)
    truth = local.exchange.trades(BTC)
    assert [(t.trade_id, t.side, t.price, t.size) for t in trades] == [(t.id, t.side, t.price, t.size) for t in truth]


async def test_the_tape_in_a_window_and_with_a_limit(local, venue, monkeypatch):
    """The start is in it, the end is not; a limit takes the newest."""
    monkeypatch.setattr(endpoints, "PAGE_SIZE", 5)
    begin = local.clock.now()
    _trade(local, 12)
    ids = [trade.id for trade in local.exchange.trades(BTC)]
    inside = await venue.fetch_trades(BTC, since=begin + 4 * SECOND, until=begin + 9 * SECOND)
    assert [trade.trade_id for trade in inside] == ids[3:8]
    assert [trade.trade_id for trade in await venue.fetch_trades(BTC, limit=3)] == ids[-3:]
    assert [trade.trade_id for trade in await venue.fetch_trades(BTC, limit=8)] == ids[-8:]
    assert [trade.trade_id for trade in await venue.fetch_trades(BTC)] == ids[-5:], "the newest page"


# Candles


@pytest.mark.parametrize("kind", [PriceKind.LAST, PriceKind.MARK, PriceKind.INDEX])
async def test_candles_are_the_exchanges(local, venue, kind):
    """An hour of five-minute bars, of each price, open to close and volume."""
    begin = local.clock.now()
    for number in range(60):
        local.control.set_price(BTC, index=Decimal(100_000 + number % 7), mark=Decimal(100_001 + number % 5))
        _trade(local, 1, each=timedelta(0))
        local.control.advance(MINUTE)
    bars = await venue.fetch_candles(BTC, timedelta(minutes=5), since=begin, price_kind=kind)
    to_ms = round(begin.timestamp() * 1000)
    truth = local.exchange.candles(BTC, timedelta(minutes=5), since_ms=to_ms, until_ms=to_ms + 3_600_000 - 1, kind=kind)
    assert len(bars) == 12
    assert [(b.open, b.high, b.low, b.close, b.volume) for b in bars] == [
        (c.open, c.high, c.low, c.close, c.volume) for c in truth
    ]
    assert [bar.opened_at for bar in bars] == [begin + number * timedelta(minutes=5) for number in range(12)]


async def test_a_long_period_of_candles_is_asked_for_in_parts(local, venue, monkeypatch):
    """Ten bars a request: 35 bars in four, without a seam."""
    monkeypatch.setattr(endpoints, "KLINES_PER_REQUEST", 10)
    begin = local.clock.now()
    for _ in range(35):
        _trade(local, 1, each=timedelta(0))
        local.control.advance(MINUTE)
    asked = count(local, "GET /v1/markets/klines")
    bars = await venue.fetch_candles(BTC, MINUTE, since=begin)
    assert [bar.opened_at for bar in bars] == [begin + number * MINUTE for number in range(35)]
    assert asked.hits == 4
    part = await venue.fetch_candles(BTC, MINUTE, since=begin + 3 * MINUTE, until=begin + 7 * MINUTE)
    assert [bar.opened_at for bar in part] == [begin + number * MINUTE for number in range(3, 7)]


@pytest.mark.parametrize("interval", [timedelta(0), SECOND, timedelta(minutes=2), timedelta(days=1), -MINUTE])
async def test_bars_that_the_venue_lacks_are_a_missing_ability(local, venue, interval):
    """Never put together from others in silence."""
    with pytest.raises((CapabilityError, ConfigError)):
        await venue.fetch_candles(BTC, interval, since=local.clock.now() - timedelta(hours=1))


# Funding


async def test_funding_rates_are_each_markets_own_with_its_period(local, venue):
    """Eight, four and twenty-four hours; the sign stays; hourly is the rate over its period."""
    rates = {rate.market_id: rate for rate in await venue.fetch_funding_rates()}
    for symbol in (BTC, ETH, SOL, PEPE):
        rate, truth = rates[f"{symbol}@paradex"], local.exchange.funding(symbol)
        assert (rate.value, rate.period) == (truth.rate, timedelta(hours=int(truth.period_hours)))
        assert rate.hourly == truth.rate / truth.period_hours
        assert (rate.kind, rate.accrual, rate.next_at) == (FundingKind.CURRENT, FundingAccrual.CONTINUOUS, None)
    assert rates[f"{SOL}@paradex"].value < 0
    (one,) = await venue.fetch_funding_rates([SOL])
    assert one.value == rates[f"{SOL}@paradex"].value
    two = await venue.fetch_funding_rates([PEPE, BTC])
    assert {rate.market_id for rate in two} == {f"{PEPE}@paradex", f"{BTC}@paradex"}


async def test_every_page_of_the_funding_history_is_read(local, venue, monkeypatch):
    """A sample a minute for half an hour, oldest first, none twice; samples say that they are samples."""
    monkeypatch.setattr(endpoints, "PAGE_SIZE", 7)
    begin = local.clock.now()
    local.control.advance(timedelta(minutes=30))
    history = await venue.fetch_funding_history(BTC, since=begin)
    truth = local.exchange.funding_history(BTC)
    assert [(rate.value, rate.funding_index) for rate in history] == [(row.rate, row.funding_index) for row in truth]
    assert len(history) >= 30
    assert {rate.kind for rate in history} == {FundingKind.SAMPLE}
    window = await venue.fetch_funding_history(BTC, since=begin + 10 * MINUTE, until=begin + 20 * MINUTE)
    assert [rate.effective_at for rate in window] == [begin + number * MINUTE for number in range(10, 20)]


# Health


@pytest.mark.parametrize("status", list(SystemStatus))
async def test_health_is_the_venues_own_state(local, venue, status):
    """With its clock beside ours; public reads go on in every state."""
    local.control.set_system_status(status)
    health = await venue.check_health()
    assert health.status == status.value
    assert (health.clock_skew, health.server_time) == (timedelta(0), local.clock.now())
    assert (await venue.fetch_order_book(BTC, depth=1)).bids


async def test_unavailable_reads_say_so(local, venue):
    """503 in the venue's own envelope, again and again: typed, with what it said."""
    await venue.fetch_markets()
    body = '{"error":"SERVICE_UNAVAILABLE","message":"down for an hour"}'
    asked = local.control.inject("status", match="GET /v1/orderbook/*", status=503, body=body, times=None)
    with pytest.raises(VenueUnavailableError, match="down for an hour"):
        await while_time_passes(local, venue.fetch_order_book(BTC))
    assert asked.hits == 3
    geo = '{"error":"GEO_IP_BLOCK","message":"not in your region"}'
    local.control.clear_faults()
    local.control.inject("status", match="GET /v1/orderbook/*", status=403, body=geo)
    with pytest.raises(VenueUnavailableError, match="region"):
        await venue.fetch_order_book(BTC)
