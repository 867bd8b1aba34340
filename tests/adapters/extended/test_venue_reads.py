"""The plugin's reads against a stub: what is asked, pages to their end, what is left out, and who may ask at all."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from perpkit.core.errors import (
    AuthError,
    BadGatewayError,
    CapabilityError,
    ConfigError,
    CredentialsError,
    DecodeError,
    RateLimitError,
    UnknownMarketError,
    VenueUnavailableError,
)
from perpkit.core.models import FundingKind, PriceKind
from tests.adapters.extended.conftest import VECTORS
from tests.adapters.extended.stub import ACCOUNT, API_KEY, DOMAIN, MARKET_ROW, Says, no, ok
from tests.adapters.extended.test_decode import BALANCE, order_row

T0 = datetime(2026, 9, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def ms(moment):
    return int(moment.timestamp() * 1000)


def fill(number, at=T0, **changes):
    row = {
        "id": 2051800000000000000 + number,
        "accountId": 104217,
        "market": "BTC-USD",
        "orderId": 2051700000000000000 + number,
        "externalId": f"c{number}",
        "side": "BUY",
        "price": "100",
        "qty": "1",
        "value": "100",
        "fee": "0.1",
        "isTaker": True,
        "tradeType": "TRADE",
        "createdTime": ms(at),
    }
    return {**row, **changes}


def pages(rows, size, key="id"):
    """Answer with cursors, newest first, ``size`` rows at a time at the most."""

    def answer(asked):
        most = min(size, int(asked.query.get("limit")))
        start = 0
        if asked.query.get("cursor") is not None:
            start = [str(row[key]) for row in rows].index(asked.query.get("cursor")) + 1
        page = rows[start : start + most]
        return ok(page, pagination={"cursor": page[-1][key] if page else None, "count": len(page)})

    return answer


# Markets


async def test_only_perpetuals_are_listed_and_a_bad_row_costs_only_itself(stub, venue, caplog):
    """Spot is left out without a word, a malformed perpetual with one; older answers don't say the type."""
    bad = {**MARKET_ROW, "name": "BAD-USD", "tradingConfig": {**MARKET_ROW["tradingConfig"], "minPriceChange": "0"}}
    worse = {"name": "WORSE-USD", "type": "PERPETUAL"}
    spot = {**MARKET_ROW, "name": "WETH-USD", "type": "SPOT"}
    old = {name: value for name, value in MARKET_ROW.items() if name != "type"} | {
        "name": "ETH-USD",
        "assetName": "ETH",
    }
    stub.say("GET /info/markets", ok([bad, spot, MARKET_ROW, worse, old]))
    with caplog.at_level(logging.WARNING):
        markets = await venue.fetch_markets()
    assert [market.symbol for market in markets] == ["BTC-USD", "ETH-USD"]
    warned = " ".join(record.getMessage() for record in caplog.records)
    assert "BAD-USD" in warned
    assert "WORSE-USD" in warned
    assert "WETH" not in warned


async def test_every_request_names_its_sender_and_only_private_ones_carry_the_key(stub, venue):
    """User-Agent is compulsory; the key goes into a header of its own and into nothing else."""
    stub.say("GET /user/balance", ok(BALANCE))
    await venue.fetch_markets()
    await venue.fetch_balances()
    assert all(each.headers["User-Agent"] == "perpkit" for each in stub.asked)
    keyed = {each.path for each in stub.asked if each.headers.get("X-Api-Key") == API_KEY}
    assert keyed == {"/user/account/info", "/user/balance"}
    assert not any(API_KEY in str(each.pairs) for each in stub.asked)


async def test_prices_of_one_and_of_all_take_one_request_each(stub, venue):
    """One market has statistics of its own; all of them come with the listing."""
    stub.say("GET /info/markets/BTC-USD/stats", ok(MARKET_ROW["marketStats"]))
    assert (await venue.fetch_ticker("BTC-USD-PERP")).bid_price == 84010
    assert [ticker.market_id for ticker in await venue.fetch_tickers()] == ["BTC-USD-PERP@extended"]
    rates = await venue.fetch_funding_rates(["BTC-USD-PERP"])
    assert [(rate.value, rate.period) for rate in rates] == [(Decimal("0.000013"), HOUR)]
    assert stub.requests("GET /info/markets")[-1].pairs == [("market", "BTC-USD")]


async def test_the_book_keeps_to_the_depth_asked(stub, venue):
    """The venue has no parameter for it; levels without size are none."""
    bids = [{"qty": "1", "price": str(100 - n)} for n in range(5)] + [{"qty": "0", "price": "200"}]
    stub.say("GET /info/markets/BTC-USD/orderbook", ok({"market": "BTC-USD", "bid": bids, "ask": []}))
    book = await venue.fetch_order_book("BTC-USD-PERP", depth=2)
    assert [level.price for level in book.bids] == [100, 99]
    assert stub.requests("GET /info/markets/BTC-USD/orderbook")[0].pairs == []


@pytest.mark.parametrize("newest_first", [True, False])
async def test_trades_come_oldest_first_whatever_the_venue_sends(stub, venue, newest_first):
    """The order of its rows is documented nowhere."""
    rows = [
        {"i": 10 + n, "m": "BTC-USD", "S": "SELL", "tT": "TRADE", "T": ms(T0) + n // 2, "p": "1", "q": "1"}
        for n in range(6)
    ]
    stub.say("GET /info/markets/BTC-USD/trades", ok(rows[::-1] if newest_first else rows))
    trades = await venue.fetch_trades("BTC-USD-PERP")
    assert [trade.trade_id for trade in trades] == ["10", "11", "12", "13", "14", "15"]
    latest = await venue.fetch_trades("BTC-USD-PERP", since=T0 + timedelta(milliseconds=1), limit=3)
    assert [trade.trade_id for trade in latest] == ["13", "14", "15"]


async def test_a_trade_of_which_the_id_is_a_text_is_told_all_the_same(stub, venue):
    """Ids are numbers today, longer ones newer; nothing but the order within a millisecond hangs on it."""
    rows = [
        {"i": each, "m": "BTC-USD", "S": "SELL", "tT": "TRADE", "T": ms(T0), "p": "1", "q": "1"}
        for each in ("10", "9", "a-text")
    ]
    stub.say("GET /info/markets/BTC-USD/trades", ok(rows))
    assert [trade.trade_id for trade in await venue.fetch_trades("BTC-USD-PERP")] == ["9", "10", "a-text"]


async def test_bars_are_read_backwards_without_gap_or_overlap(stub, venue):
    """1,200 minutes in pages of 1,000; rows outside are dropped."""
    minute = timedelta(minutes=1)

    def answer(asked):
        end, most = int(asked.query.get("endTime")), int(asked.query.get("limit"))
        last = end - end % 60_000
        return ok([{"o": "1", "h": "2", "l": "1", "c": "2", "T": last - 60_000 * n} for n in range(most)])

    stub.say("GET /info/candles/BTC-USD/index-prices", answer)
    bars = await venue.fetch_candles(
        "BTC-USD-PERP", minute, since=T0, until=T0 + 1200 * minute, price_kind=PriceKind.INDEX
    )
    assert [bar.opened_at for bar in bars] == [T0 + n * minute for n in range(1200)]
    asked = stub.requests("GET /info/candles/BTC-USD/index-prices")
    assert [each.query.get("limit") for each in asked] == ["1000", "201"]
    assert {each.query.get("interval") for each in asked} == {"PT1M"}
    with pytest.raises(CapabilityError, match="no bars"):
        await venue.fetch_candles("BTC-USD-PERP", timedelta(minutes=3), since=T0)


async def test_bars_that_are_not_there_end_the_reading(stub, venue):
    """A market younger than the period must not be asked about for ever."""
    stub.say("GET /info/candles/BTC-USD/trades", ok([]))
    assert await venue.fetch_candles("BTC-USD-PERP", HOUR, since=T0, until=T0 + 5 * HOUR) == []
    assert len(stub.requests("GET /info/candles/BTC-USD/trades")) == 1


async def test_past_rates_are_settled_hours(stub, venue):
    """Both ends are required by the venue, so both are always sent; the end is not among the rows."""
    rows = [{"m": "BTC-USD", "f": f"0.0000{n}", "T": ms(T0 + n * HOUR)} for n in reversed(range(1, 8))]
    stub.say("GET /info/BTC-USD/funding", pages(rows, 1000, key="T"))
    history = await venue.fetch_funding_history("BTC-USD-PERP", since=T0 + 2 * HOUR, until=T0 + 6 * HOUR)
    assert [rate.effective_at for rate in history] == [T0 + n * HOUR for n in (2, 3, 4, 5)]
    assert {rate.kind for rate in history} == {FundingKind.SETTLED}
    await venue.fetch_funding_history("BTC-USD-PERP", limit=1)
    assert all({"startTime", "endTime"} <= each.query.keys() for each in stub.requests("GET /info/BTC-USD/funding"))


# Pages


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2000])
async def test_every_page_is_read_to_the_end_oldest_first(stub, venue, count):
    """Pages of 1,000: none lost, none twice, also where the last one is exactly full."""
    rows = [fill(n, T0 + timedelta(seconds=n)) for n in reversed(range(count))]
    stub.say("GET /user/trades", pages(rows, 1000))
    fills = await venue.fetch_fills("BTC-USD-PERP")
    assert [each.fill_id for each in fills] == [str(2051800000000000000 + n) for n in range(count)]


async def test_a_period_is_kept_though_the_venue_knows_none(stub, venue):
    """[since, until): read back until a row is older; a limit is of the newest inside."""
    rows = [fill(n, T0 + timedelta(seconds=n)) for n in reversed(range(2500))]
    stub.say("GET /user/trades", pages(rows, 1000))
    start, end = T0 + timedelta(seconds=1600), T0 + timedelta(seconds=2000)
    fills = await venue.fetch_fills(since=start, until=end)
    assert [each.client_order_id for each in fills] == [f"c{n}" for n in range(1600, 2000)]
    assert len(stub.requests("GET /user/trades")) == 1
    newest = await venue.fetch_fills(until=T0 + timedelta(seconds=300), limit=2)
    assert [each.client_order_id for each in newest] == ["c298", "c299"]


async def test_a_cursor_that_comes_twice_ends_in_an_error_and_not_in_a_loop(stub, venue):
    """A venue's defect must not hang a caller."""
    full = [fill(n) for n in range(1000)]
    stub.say("GET /user/trades", ok(full, pagination={"cursor": 7, "count": 1000}))
    with pytest.raises(DecodeError, match="never end"):
        await venue.fetch_fills()


async def test_payments_are_asked_for_from_a_time(stub, venue):
    """``fromTime`` is required, and rows that come despite it are dropped here."""
    rows = [
        {
            "id": n,
            "accountId": 1,
            "market": "BTC-USD",
            "positionId": 1,
            "side": "LONG",
            "size": "1",
            "value": "1",
            "markPrice": "1",
            "fundingFee": "-0.5",
            "fundingRate": "0.00001",
            "paidTime": ms(T0 + n * HOUR),
        }
        for n in reversed(range(5))
    ]
    stub.say("GET /user/funding/history", ok(rows, pagination={"cursor": 0, "count": 5}))
    payments = await venue.fetch_funding_payments(since=T0 + 2 * HOUR)
    assert [each.payment_id for each in payments] == ["2", "3", "4"]
    assert stub.requests("GET /user/funding/history")[0].query.get("fromTime") == str(ms(T0 + 2 * HOUR))
    await venue.fetch_funding_payments("BTC-USD-PERP")
    assert stub.requests("GET /user/funding/history")[1].query.get("fromTime") == "0"


# The account


async def test_a_404_for_the_balance_is_an_empty_account(stub, venue):
    """The venue's way of saying zero, on this path alone; the next 404 is an error."""
    stub.say("GET /user/balance", no(1004, status=404), Says(None, 404))
    assert await venue.fetch_balances() == []
    account = await venue.fetch_account()
    assert (account.equity, account.free_collateral, account.asset) == (0, 0, "USDC")
    stub.say("GET /user/positions", Says(None, 404))
    with pytest.raises(Exception, match="HTTP_404"):
        await venue.fetch_positions()


async def test_an_account_says_whose_it_is(stub, venue):
    """The number that the check of the credentials brought."""
    stub.say("GET /user/balance", ok(BALANCE))
    assert (await venue.fetch_account()).account_id == "104217"


async def test_leverage_is_set_and_read_again(stub, venue):
    """What the change answers is not looked at: sources disagree on it, and it may be empty."""
    stub.say("PATCH /user/leverage", Says(None, 200))
    stub.say("GET /user/leverage", ok([{"market": "BTC-USD", "leverage": "7"}]))
    setting = await venue.set_leverage("BTC-USD-PERP", 12)
    assert setting.leverage == 7
    assert [each.body for each in stub.requests("PATCH /user/leverage")] == [{"market": "BTC-USD", "leverage": "12"}]
    with pytest.raises(ConfigError, match="above the most"):
        await venue.set_leverage("BTC-USD-PERP", 51)


async def test_fees_are_the_accounts_own(stub, venue):
    """Of one market or of all, in one request."""
    fees = await venue.fetch_fees()
    assert [(each.maker, each.taker) for each in fees] == [(0, Decimal("0.00025"))]
    await venue.fetch_fees(["BTC-USD-PERP"])
    assert [each.pairs for each in stub.requests("GET /user/fees")] == [[], [("market", "BTC-USD")]]


async def test_one_malformed_position_fails_the_whole_reading(stub, venue):
    """A gap here would look like a flat position."""
    good = {
        "id": 1,
        "accountId": 1,
        "market": "BTC-USD",
        "status": "OPENED",
        "side": "SHORT",
        "leverage": "10",
        "size": "1",
        "value": "1",
        "openPrice": "1",
        "markPrice": "1",
        "unrealisedPnl": "0",
        "realisedPnl": "0",
    }
    gone = {**good, "market": "GONE-USD"}
    stub.say("GET /user/positions", ok([good, {**gone, "size": "0"}, {**gone, "status": "CLOSED"}]))
    assert [each.size for each in await venue.fetch_positions()] == [-1]
    stub.say("GET /user/positions", ok([good, gone]))
    with pytest.raises(DecodeError, match="there is a position in GONE-USD, which the listing does not hold"):
        await venue.fetch_positions()
    stub.say("GET /user/positions", ok([good, {**good, "side": "UP"}]))
    with pytest.raises(DecodeError, match="LONG nor SHORT"):
        await venue.fetch_positions()
    stub.say("GET /user/positions", Says({"status": "OK"}))
    with pytest.raises(DecodeError, match="no data"):
        await venue.fetch_positions()


async def test_closed_orders_of_a_period(stub, venue):
    """Oldest first, by when they were made."""
    rows = [
        order_row(id=100 + n, externalId=f"c{n}", status="CANCELLED", createdTime=ms(T0) + n * 1000)
        for n in reversed(range(5))
    ]
    stub.say("GET /user/orders/history", pages(rows, 1000))
    orders = await venue.fetch_order_history(since=T0 + timedelta(seconds=1), until=T0 + timedelta(seconds=4))
    assert [each.client_order_id for each in orders] == ["c1", "c2", "c3"]


# Who may ask


async def test_the_check_of_the_credentials_comes_first_and_once(stub, venue):
    """However many ask at the same time, account and signing domain are read once."""
    stub.say("GET /user/balance", ok(BALANCE))
    await asyncio.gather(*(venue.fetch_account() for _ in range(5)))
    assert len(stub.requests("GET /user/account/info")) == 1
    assert len(stub.requests("GET /info/starknet")) == 1


@pytest.mark.parametrize(
    ("account", "domain", "error", "words"),
    [
        ({"l2Key": "0x1234"}, {}, CredentialsError, "stark_private_key is not that account's.*104217.*500343"),
        ({"l2Vault": 77}, {}, CredentialsError, "vault 500343 is not that account's.*vault 77"),
        ({}, {"chainId": "SN_MAIN"}, ConfigError, "signs for SN_SEPOLIA.*SN_MAIN"),
        ({}, {"version": "v1"}, ConfigError, "domain.*v1.*update"),
    ],
)
async def test_a_mismatch_is_named_before_the_first_order(stub, account, domain, error, words):
    """Each would otherwise be a refused signature that says nothing of which it was; no key is in the message."""
    stub.say("GET /user/account/info", ok({**ACCOUNT, **account}))
    stub.say("GET /info/starknet", ok({**DOMAIN, **domain}))
    stub.say("GET /user/balance", ok(BALANCE))
    async with stub.open(chain_id="SN_SEPOLIA") as venue:
        with pytest.raises(error, match=words) as caught:
            await venue.fetch_account()
        assert VECTORS["private_key"] not in str(caught.value)
        assert API_KEY not in str(caught.value)
    assert stub.requests("GET /user/balance") == []


@pytest.mark.parametrize(
    ("account", "words"),
    [
        ({"l2Key": "x"}, "l2Key 'x' is not hexadecimal"),
        ({"l2Key": ""}, "l2Key '' is not hexadecimal"),
        ({"l2Vault": "x"}, "l2Vault 'x' is no number"),
        ({"l2Vault": "9" * 5000}, "l2Vault .* is no number"),
    ],
)
async def test_an_account_that_can_not_be_read_is_told_as_one(stub, venue, account, words):
    """Nothing is known of whose key it is then, and nothing is asked with it."""
    stub.say("GET /user/account/info", ok({**ACCOUNT, **account}))
    with pytest.raises(DecodeError, match=words):
        await venue.fetch_account()
    assert stub.requests("GET /user/balance") == []


async def test_a_refused_key_has_its_remedy_though_the_body_is_empty(stub, venue):
    """401 and nothing else is what the venue sends."""
    stub.say("GET /user/account/info", Says(None, 401))
    with pytest.raises(AuthError, match="API management") as caught:
        await venue.fetch_balances()
    assert caught.value.status == 401


async def test_public_data_needs_no_key_and_private_data_says_which(stub):
    """Nothing is sent for what can't be had."""
    async with stub.open(keyless=True) as venue:
        assert len(await venue.fetch_markets()) == 1
        with pytest.raises(CredentialsError, match="EXTENDED_API_KEY"):
            await venue.fetch_balances()
    assert {each.path for each in stub.asked} == {"/info/markets"}


async def test_a_key_alone_reads_and_can_not_trade(stub):
    """Without the Stark key nothing is signed, and the signing domain is of no interest."""
    stub.say("GET /user/balance", ok(BALANCE))
    async with stub.open(stark_private_key=None, stark_public_key=None, vault=None) as venue:
        assert len(await venue.fetch_balances()) == 1
    assert stub.requests("GET /info/starknet") == []


# The system, and what goes wrong


async def test_there_is_no_word_of_the_venues_state(venue):
    """No request tells its state or its time, so nobody is told that all is well."""
    with pytest.raises(CapabilityError):
        await venue.check_health()


async def test_a_trade_of_no_known_side_costs_no_other(stub, venue, caplog):
    """The tape informs."""
    rows = [
        {"i": n, "m": "BTC-USD", "S": side, "tT": "TRADE", "T": ms(T0) + n, "p": "1", "q": "1"}
        for n, side in enumerate(("BUY", "BOTH", "SELL"))
    ]
    stub.say("GET /info/markets/BTC-USD/trades", ok(rows))
    assert [trade.trade_id for trade in await venue.fetch_trades("BTC-USD-PERP")] == ["0", "2"]
    assert "BOTH" in caplog.text


async def test_a_delisted_market_has_no_running_rate(stub, venue):
    """Its last figures still stand in the listing."""
    stub.say("GET /info/markets", ok([{**MARKET_ROW, "status": "DELISTED"}]))
    assert await venue.fetch_funding_rates() == []


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Says("<html>oops</html>", 502), BadGatewayError),
        (Says("<html>oops</html>", 200), BadGatewayError),
        (no(1006, status=500), BadGatewayError),
        (Says({"nothing": 1}, 500), BadGatewayError),
        (Says("", 500), BadGatewayError),
        (no(1010, status=503), VenueUnavailableError),
        (no(1010, status=200), VenueUnavailableError),
        (Says(None, 429), RateLimitError),
        (no(1001, status=404), UnknownMarketError),
        (Says({"status": "OK", "data": [{"market": "BTC-USD"}]}), DecodeError),
        (Says('{"status": "OK", "data": [', 200), DecodeError),
        (Says({"rows": []}), DecodeError),
        (Says({"status": "ERROR"}), Exception),
        (Says("<html>key?</html>", 401), AuthError),
    ],
)
async def test_every_way_of_going_wrong_has_its_type(stub, venue, answer, error):
    """HTML, 5xx, limits, truncated and unexpected payloads, and a no inside a 200, each for a read."""
    answer.headers = {"Retry-After": "0"} if answer.status >= 429 else {}
    stub.say("GET /user/positions", answer)
    with pytest.raises(error) as caught:
        await venue.fetch_positions()
    assert caught.value.venue == "extended"
    assert caught.value.operation == "GET /user/positions"
