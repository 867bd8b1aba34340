"""The plugin's reads against a stub: which requests they make, and what they make of the answers."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from perpkit.adapters.lighter import endpoints
from perpkit.core.errors import (
    AuthError,
    BadGatewayError,
    CapabilityError,
    ConfigError,
    CredentialsError,
    DecodeError,
    InvalidRequestError,
    OrderNotFoundError,
    RateLimitError,
)
from perpkit.core.models import (
    Channel,
    FundingKind,
    MarginMode,
    OrderRef,
    OrderStatus,
    PriceKind,
    TimeInForce,
    VenueStatus,
)
from tests.adapters.lighter.conftest import EXAMPLES
from tests.adapters.lighter.stub import ACCOUNT, KEY, Says, no

D = Decimal
REST = EXAMPLES["rest"]
ETH = "ETH-USDC-PERP"
ADDRESS = "0x00000000000000000000000000000000000000aA"
AT = datetime(2027, 1, 3, 18, tzinfo=UTC)


async def test_the_account_is_asked_for_by_index_and_never_by_address(stub):
    """``by`` takes index and l1_address; anything else is 20001 on every call."""
    async with stub.open() as venue:
        account = await venue.fetch_account()
    assert stub.requests("GET /api/v1/account")[0].query == {"by": "index", "value": str(ACCOUNT)}
    assert (account.equity, account.free_collateral) == (D(1150), D(850))


@pytest.mark.parametrize("read", ["fetch_account", "fetch_positions"])
async def test_an_account_without_the_field_of_its_positions_is_not_read_as_flat(stub, read):
    """The contract requires it; its absence would show no position and a PnL of zero."""
    row = {key: value for key, value in REST["DetailedAccounts"]["accounts"][0].items() if key != "positions"}
    stub.say("GET /api/v1/account", lambda _: Says({"code": 200, "accounts": [row]}))
    async with stub.open() as venue:
        with pytest.raises(DecodeError, match="positions"):
            await getattr(venue, read)()


async def test_an_address_is_resolved_once(stub):
    """To its master account; sub-accounts and pools count down from 2^48."""
    master = REST["DetailedAccounts"]["accounts"][0]
    sub = {**master, "account_type": 1, "index": 281474976710608}
    stub.say("GET /api/v1/account", lambda _: Says({"code": 200, "accounts": [sub, master]}))
    async with stub.open(l1_address=ADDRESS, api_private_key=KEY, api_key_index=4) as venue:
        await venue.fetch_positions()
        await venue.fetch_balances()
    asked = [each.query for each in stub.requests("GET /api/v1/account")]
    assert asked[0] == {"by": "l1_address", "value": ADDRESS}
    assert asked[1:] == [{"by": "index", "value": str(ACCOUNT)}] * 2


async def test_an_address_with_several_accounts_has_to_be_told_apart(stub):
    """A guess could trade on the wrong one; the message names them."""
    rows = [{**REST["DetailedAccounts"]["accounts"][0], "account_type": 1, "index": index} for index in (7, 8)]
    stub.say("GET /api/v1/account", {"code": 200, "accounts": rows})
    async with stub.open(l1_address=ADDRESS, api_private_key=KEY, api_key_index=4) as venue:
        with pytest.raises(CredentialsError, match="7, 8: name one of them with account_index"):
            await venue.fetch_account()


async def test_an_unknown_account_is_a_matter_of_credentials(stub):
    """21100, or an answer without it."""
    stub.say("GET /api/v1/account", no(21100, "account not found"), {"code": 200, "accounts": []})
    async with stub.open() as venue:
        for _ in range(2):
            with pytest.raises(AuthError, match="account"):
                await venue.fetch_account()


async def test_the_keys_given_are_compared_with_those_that_are_registered(stub):
    """Once. The account itself is public, so a wrong key would be found out by the first order otherwise."""
    async with stub.open() as venue:
        await venue.fetch_account()
        await venue.fetch_positions()
        assert [each.query for each in stub.requests("GET /api/v1/apikeys")] == [{"account_index": str(ACCOUNT)}]
    for rows, words in (([{"api_key_index": 4, "public_key": "0b" * 40}], "another key"), (None, "no key")):
        stub.say("GET /api/v1/apikeys", {"code": 200, "api_keys": rows})
        async with stub.open() as venue:
            with pytest.raises(AuthError, match=f"slot 4 of account 12345 holds {words}"):
                await venue.fetch_account()


async def test_a_watched_account_is_read_without_a_key(stub):
    """Margins and positions are public; orders are not."""
    async with stub.open(keyless=True, account_index=ACCOUNT) as venue:
        (position,) = await venue.fetch_positions()
        with pytest.raises(CredentialsError, match="api_private_key"):
            await venue.fetch_open_orders()
    assert position.size == D("1.5")


async def test_a_flat_row_is_no_position(stub):
    """The example holds one of a market once touched."""
    stub.say("GET /api/v1/orderBookDetails", listing(1))
    async with stub.open() as venue:
        assert [each.market_id for each in await venue.fetch_positions()] == ["ETH-USDC-PERP@lighter"]


def listing(*more):
    row = REST["OrderBookDetails"]["order_book_details"][0]
    rows = [row, *({**row, "market_id": index, "symbol": f"M{index}"} for index in more)]
    return {"code": 200, "order_book_details": rows, "spot_order_book_details": None}


async def test_a_position_in_a_market_that_is_not_listed_fails_the_read(stub):
    """Left out, it would look flat."""
    row = {**REST["DetailedAccounts"]["accounts"][0]["positions"][0], "market_id": 77}
    account = {**REST["DetailedAccounts"]["accounts"][0], "positions": [row]}
    stub.say("GET /api/v1/account", {"code": 200, "accounts": [account]})
    async with stub.open() as venue:
        with pytest.raises(DecodeError, match="market 77"):
            await venue.fetch_positions()


async def test_rows_of_several_unknown_markets_cost_one_reading_of_the_listing(stub):
    """Trades of spot markets come among the others; what is looked for once is not looked for again at once."""
    row = {**REST["DetailedAccounts"]["accounts"][0]["positions"][0]}
    account = {**REST["DetailedAccounts"]["accounts"][0], "positions": [{**row, "market_id": n} for n in (77, 78, 79)]}
    stub.say("GET /api/v1/account", {"code": 200, "accounts": [account]})
    async with stub.open() as venue:
        await venue.fetch_markets()
        for _ in range(2):
            with pytest.raises(DecodeError, match="market 77"):
                await venue.fetch_positions()
        assert len(stub.requests("GET /api/v1/orderBookDetails")) == 2


async def test_a_market_row_that_can_not_be_read_spoils_no_other(stub, caplog):
    """It is logged and left out; spot rows are left out too."""
    rows = listing(1, 2, 3)
    rows["order_book_details"][1]["size_decimals"] = "four"
    rows["order_book_details"][2]["market_type"] = "spot"
    stub.say("GET /api/v1/orderBookDetails", rows)
    with caplog.at_level(logging.WARNING):
        async with stub.open() as venue:
            markets = await venue.fetch_markets()
    assert [each.symbol for each in markets] == ["ETH", "M3"]
    assert "M1" in caplog.text


async def test_private_reads_carry_a_bare_token_and_share_it(stub):
    """In the header ``Authorization``, without ``Bearer``; one token for all of them."""
    stub.say("GET /api/v1/accountActiveOrders", REST["Orders"])
    stub.say("GET /api/v1/accountLimits", REST["AccountLimits"])
    async with stub.open() as venue:
        await venue.fetch_open_orders()
        await venue.fetch_fees()
        await venue.fetch_open_orders(ETH)
    tokens = {each.headers["Authorization"] for each in stub.asked if "Authorization" in each.headers}
    (token,) = tokens
    deadline, account, key, _ = token.split(":")
    assert (deadline.isdecimal(), account, key) == (True, str(ACCOUNT), "4")
    assert [each.query for each in stub.requests("GET /api/v1/accountActiveOrders")] == [
        {"account_index": str(ACCOUNT), "market_id": "255"},
        {"account_index": str(ACCOUNT), "market_id": "0"},
    ]


async def test_public_reads_carry_no_token(stub):
    """Nobody's business."""
    async with stub.open() as venue:
        await venue.fetch_account()
    assert not any("Authorization" in each.headers for each in stub.asked)


async def test_a_refused_token_is_replaced_once_by_the_venues_clock(stub):
    """20013 says that it expired: ours may be off, here by three hours. A second refusal goes to the caller."""
    ahead = int(datetime.now(UTC).timestamp()) + 3 * 3600
    stub.say("GET /", {"status": 200, "timestamp": ahead}, {"status": 200, "timestamp": ahead + 3600})
    stub.say("GET /api/v1/accountLimits", no(20013, "invalid auth: expired token"), REST["AccountLimits"])
    async with stub.open() as venue:
        await venue.fetch_fees([ETH])
        stub.say("GET /api/v1/accountLimits", no(20013, "invalid auth: expired token"))
        with pytest.raises(AuthError, match="expired token"):
            await venue.fetch_fees([ETH])
    assert len(stub.requests("GET /api/v1/accountLimits")) == 4
    tokens = [each.headers["Authorization"] for each in stub.requests("GET /api/v1/accountLimits")]
    first, second = (int(each.partition(":")[0]) for each in tokens[:2])
    assert 3 * 3600 - 5 < second - first <= 3 * 3600 + 5


async def test_rates_of_other_exchanges_are_filtered(stub):
    """The row of Binance stands first; ours is an eighth of 0.000096, paid on the mark price."""
    stub.say("GET /api/v1/funding-rates", REST["FundingRates"])
    async with stub.open() as venue:
        (rate,) = await venue.fetch_funding_rates()
    assert (rate.value, rate.period, rate.mark_price) == (D("0.000012"), timedelta(hours=1), D(4000))


async def test_settled_hours_are_asked_for_in_pages_that_leave_nothing_out(stub):
    """No more than 100 hours at once, in milliseconds; the newest first."""

    def answer(asked):
        start, end = (int(asked.query[name]) // 1000 for name in ("start_timestamp", "end_timestamp"))
        hours = range(-(-start // 3600) * 3600, end, 3600)
        return Says({"code": 200, "fundings": [{"timestamp": t, "rate": "0.1", "direction": "long"} for t in hours]})

    stub.say("GET /api/v1/fundings", answer)
    async with stub.open() as venue:
        rates = await venue.fetch_funding_history(
            ETH, since=datetime(2026, 10, 1, tzinfo=UTC), until=datetime(2026, 10, 11, tzinfo=UTC)
        )
        assert [each.effective_at for each in rates] == [
            datetime(2026, 10, 1, tzinfo=UTC) + timedelta(hours=n) for n in range(240)
        ]
        assert len(stub.requests("GET /api/v1/fundings")) == 3
        assert len(await venue.fetch_funding_history(ETH, limit=5)) <= 5
    assert {each.kind for each in rates} == {FundingKind.SETTLED}
    spans = [
        int(each.query["end_timestamp"]) - int(each.query["start_timestamp"])
        for each in stub.asked
        if "resolution" in each.query
    ]
    assert max(spans) <= 100 * 3_600_000


async def test_payments_follow_cursors_and_stop_where_they_are_old_enough(stub):
    """Rows are dated in seconds, the query in milliseconds."""
    row = REST["PositionFundings"]["position_fundings"][0]
    pages = [
        {"code": 200, "next_cursor": "n1", "position_fundings": [{**row, "funding_id": 3, "timestamp": 1798999200}]},
        {"code": 200, "next_cursor": "n2", "position_fundings": [{**row, "funding_id": 2, "timestamp": 1798995600}]},
    ]
    stub.say("GET /api/v1/positionFunding", *pages, no(20001, "a page too many"))
    async with stub.open() as venue:
        found = await venue.fetch_funding_payments(since=AT)
    assert [each.payment_id for each in found] == ["0:3"]
    assert [each.query.get("cursor") for each in stub.requests("GET /api/v1/positionFunding")] == [None, "n1"]
    assert stub.requests("GET /api/v1/positionFunding")[0].query["start_timestamp"] == "1798999200000"


async def test_fills_follow_cursors_past_a_hundred(stub):
    """The venue gives no more at once; what overlaps counts once."""
    row = REST["Trades"]["trades"][0]

    def page(numbers, cursor):
        rows = [{**row, "trade_id": number, "timestamp": 1798999405250 + number} for number in numbers]
        return {"code": 200, "next_cursor": cursor, "trades": rows}

    stub.say("GET /api/v1/trades", page(range(200, 100, -1), "c"), page(range(101, 1, -1), ""))
    async with stub.open() as venue:
        fills = await venue.fetch_fills(since=datetime(2027, 1, 1, tzinfo=UTC))
    assert [int(each.fill_id) for each in fills] == list(range(2, 201))
    query = stub.requests("GET /api/v1/trades")[0].query
    assert {name: query[name] for name in ("account_index", "sort_by", "sort_dir", "limit")} == {
        "account_index": str(ACCOUNT), "sort_by": "timestamp", "sort_dir": "desc", "limit": "100",
    }  # fmt: skip


async def test_what_lies_at_the_end_of_a_period_is_no_part_of_it_and_costs_no_room(stub):
    """The end is exclusive: of two payments an hour apart, the one before it is the newest."""
    row = REST["PositionFundings"]["position_fundings"][0]
    rows = [{**row, "funding_id": n, "timestamp": at} for n, at in ((2, 1798999200), (1, 1798995600))]
    stub.say("GET /api/v1/positionFunding", {"code": 200, "position_fundings": rows})
    async with stub.open() as venue:
        found = await venue.fetch_funding_payments(until=AT, limit=1)
    assert [each.payment_id for each in found] == ["0:1"]


@pytest.mark.parametrize(
    ("path", "read"),
    [
        ("orderBookDetails", lambda venue: venue.fetch_tickers()),
        ("account", lambda venue: venue.fetch_positions()),
        ("trades", lambda venue: venue.fetch_fills()),
        ("positionFunding", lambda venue: venue.fetch_funding_payments()),
        ("accountActiveOrders", lambda venue: venue.fetch_open_orders()),
        ("accountInactiveOrders", lambda venue: venue.fetch_order_history()),
        ("fundings", lambda venue: venue.fetch_funding_history(ETH)),
        ("funding-rates", lambda venue: venue.fetch_funding_rates()),
        ("orderBookOrders", lambda venue: venue.fetch_order_book(ETH)),
        ("accountLimits", lambda venue: venue.fetch_fees([ETH])),
    ],
)
async def test_an_answer_without_its_list_is_no_empty_list(stub, path, read):
    """Null means none; a list under another name means that the answer is not understood."""
    async with stub.open() as venue:
        await venue.fetch_markets()
        stub.say(f"GET /api/v1/{path}", {"code": 200, "results": []})
        with pytest.raises(DecodeError):
            await read(venue)


async def test_pages_that_never_end_are_an_error(stub):
    """A cursor that comes twice."""
    stub.say("GET /api/v1/trades", {**REST["Trades"], "next_cursor": "again"})
    async with stub.open() as venue:
        with pytest.raises(DecodeError, match="never end"):
            await venue.fetch_fills(since=datetime(2020, 1, 1, tzinfo=UTC))


async def test_bars_are_asked_for_in_windows_and_in_milliseconds(stub):
    """500 at once; the end is not part of the period."""
    stub.say("GET /api/v1/candles", REST["Candles"])
    minute = timedelta(minutes=1)
    start = datetime(2027, 1, 3, 18, 2, tzinfo=UTC)
    async with stub.open() as venue:
        bars = await venue.fetch_candles(ETH, minute, since=start, until=start + minute)
        assert [each.opened_at for each in bars] == [start]
        await venue.fetch_candles(ETH, minute, since=start, until=start + 501 * minute)
        with pytest.raises(CapabilityError, match="no bars of index prices"):
            await venue.fetch_candles(ETH, minute, since=start, until=start + minute, price_kind=PriceKind.INDEX)
    query = stub.requests("GET /api/v1/candles")[0].query
    assert query == {
        "market_id": "0", "resolution": "1m", "start_timestamp": "1798999320000", "end_timestamp": "1798999380000",
        "count_back": "0",
    }  # fmt: skip
    assert len(stub.requests("GET /api/v1/candles")) == 3


async def test_bars_of_the_mark_price_have_no_volume(stub):
    """Nobody trades at it: None, not zero."""
    row = {"t": 1798999320000, "o": 1, "h": 2, "l": 1, "c": 2, "sc": 60}
    stub.say("GET /api/v1/markPriceCandles", {"code": 200, "r": "1m", "c": [row]})
    start = datetime(2027, 1, 3, 18, 2, tzinfo=UTC)
    minute = timedelta(minutes=1)
    async with stub.open() as venue:
        (bar,) = await venue.fetch_candles(ETH, minute, since=start, until=start + minute, price_kind=PriceKind.MARK)
    assert (bar.high, bar.volume) == (D(2), None)


async def test_a_ticker_is_two_requests_and_all_tickers_one(stub):
    """Best quotes are in the book only."""
    stub.say("GET /api/v1/orderBookOrders", REST["OrderBookOrders"])
    async with stub.open() as venue:
        await venue.fetch_markets()
        stub.asked.clear()
        one = await venue.fetch_ticker(ETH)
        assert len(stub.asked) == 2
        (all_of_them,) = await venue.fetch_tickers()
        assert len(stub.asked) == 3
    assert (one.bid_price, all_of_them.bid_price) == (D("3999.90"), None)
    assert one.mark_price == all_of_them.mark_price == D(4000)


async def test_the_tape_comes_from_the_short_list_where_that_will_do(stub):
    """``recentTrades`` for the newest, ``trades`` with a cursor for a period."""
    stub.say("GET /api/v1/recentTrades", REST["Trades"])
    stub.say("GET /api/v1/trades", REST["Trades"])
    async with stub.open() as venue:
        (trade,) = await venue.fetch_trades(ETH, limit=5)
        await venue.fetch_trades(ETH, since=AT)
    assert trade.price == D(4050)
    assert stub.requests("GET /api/v1/recentTrades")[0].query == {"market_id": "0", "limit": "5"}
    assert "account_index" not in stub.requests("GET /api/v1/trades")[0].query


async def test_leverage_is_the_accounts_or_the_markets_default(stub):
    """5 % set is 20 times; a market never touched has its own 5 %."""
    stub.say("GET /api/v1/orderBookDetails", listing(9))
    async with stub.open() as venue:
        own, default = await venue.fetch_leverage(ETH), await venue.fetch_leverage("M9-USDC-PERP")
    assert (own.leverage, own.margin_mode) == (D(20), MarginMode.CROSS)
    assert default.leverage == D(20)


async def test_the_clock_is_compared_as_far_as_whole_seconds_allow(stub):
    """Within the venue's second there is no difference; beyond it the least that explains what it said."""

    def ahead(seconds):
        return lambda _: Says(
            {"status": 200, "network_id": 1, "timestamp": int(datetime.now(UTC).timestamp()) + seconds}
        )

    async with stub.open() as venue:
        stub.say("GET /", ahead(0))
        health = await venue.check_health()
        assert health.status is VenueStatus.OK
        assert abs(health.clock_skew) < timedelta(seconds=1)
        stub.say("GET /", ahead(100))
        assert timedelta(seconds=98) < (await venue.check_health()).clock_skew <= timedelta(seconds=100)
        stub.say("GET /", ahead(-100))
        assert timedelta(seconds=-100) <= (await venue.check_health()).clock_skew < timedelta(seconds=-97)


# Orders


async def test_an_order_is_found_by_our_id_in_one_request(stub):
    """``accountOrders`` knows open and past ones."""
    stub.say("GET /api/v1/accountOrders", REST["Orders"])
    async with stub.open() as venue:
        order = await venue.fetch_order(OrderRef(market_id=f"{ETH}@lighter", client_order_id="1001"))
    assert order.status is OrderStatus.PARTIALLY_FILLED
    assert stub.requests("GET /api/v1/accountOrders")[0].query == {
        "account_index": str(ACCOUNT), "client_order_indexes": "1001",
    }  # fmt: skip


async def test_an_order_is_found_by_the_exchanges_number_among_open_and_past(stub):
    """There is no request for one; both lists are looked through."""
    past = {
        **REST["Orders"]["orders"][0],
        "status": "filled",
        "filled_base_amount": "0.1000",
        "remaining_base_amount": "0",
    }
    stub.say("GET /api/v1/accountActiveOrders", {"code": 200, "orders": None})
    stub.say("GET /api/v1/accountInactiveOrders", {"code": 200, "orders": [past]})
    async with stub.open() as venue:
        order = await venue.fetch_order(OrderRef(market_id=f"{ETH}@lighter", venue_order_id="281476977000123"))
    assert order.status is OrderStatus.FILLED


async def test_an_order_that_is_nowhere_is_not_found(stub):
    """Which proves nothing, and says how far back was looked."""
    for path in ("accountOrders", "accountActiveOrders", "accountInactiveOrders"):
        stub.say(f"GET /api/v1/{path}", {"code": 200, "orders": []})
    async with stub.open() as venue:
        with pytest.raises(OrderNotFoundError, match="24 hours"):
            await venue.fetch_order(OrderRef(market_id=f"{ETH}@lighter", client_order_id="5"))


async def test_past_orders_are_sorted_by_when_they_were_made(stub):
    """They come in the order in which they ended, and on several pages."""
    row = {**REST["Orders"]["orders"][0], "status": "canceled"}

    def page(cursor, *made):
        rows = [{**row, "order_index": 2**48 + n, "created_at": 1798999000000 + n} for n in made]
        return {"code": 200, "orders": rows, "next_cursor": cursor}

    stub.say("GET /api/v1/accountInactiveOrders", page("x", 5, 1), page("", 3, 4))
    async with stub.open() as venue:
        since = datetime(2027, 1, 3, 17, 56, 40, 2000, tzinfo=UTC)
        orders = await venue.fetch_order_history(since=since)
    assert [int(each.venue_order_id) - 2**48 for each in orders] == [3, 4, 5]


# Failures


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (no(20001, 'invalid param: value "address" for field "by"'), InvalidRequestError),
        (no(23000, "Too Many Requests!", 429), RateLimitError),
        (no(23000, "Too Many Requests!"), RateLimitError),
        (Says("<html>nginx</html>", 502), BadGatewayError),
        (Says("<html>maintenance</html>", 200), BadGatewayError),
        (Says({"code": 20001, "message": "invalid param"}, 200), InvalidRequestError),
        (Says({"code": 29500, "message": "internal server error"}, 500), BadGatewayError),
        (Says({"code": 200, "accounts": [{"index": "x"}]}), DecodeError),
    ],
)
async def test_a_failed_read_is_typed(stub, answer, error):
    """Also where the no comes under HTTP 200; a message beside a yes is no failure."""
    stub.say("GET /api/v1/account", answer)
    async with stub.open() as venue:
        with pytest.raises(error):
            await venue.fetch_account()


async def test_a_note_beside_a_yes_is_no_failure(stub):
    """sendTx says how much quota it did not use."""
    stub.say("GET /api/v1/account", {**REST["DetailedAccounts"], "message": '{"ratelimit": "used"}'})
    async with stub.open() as venue:
        assert (await venue.fetch_account()).equity == D(1150)


async def test_the_description_claims_what_the_venue_has(stub):
    """Every channel, no fill-or-kill, ids that are numbers."""
    async with stub.open() as venue:
        claims = venue.capabilities
    assert claims.channels == set(Channel)
    assert TimeInForce.FOK not in claims.times_in_force
    assert claims.client_order_id.numeric_max == 2**48 - 1
    assert claims.never_accepted_after == timedelta(seconds=599)


async def test_a_standard_accounts_budget_counts_requests(stub):
    """60 a minute, the heavy ones for more; premium accounts have 24,000 by weight."""
    async with stub.open(tier="standard") as venue:
        limits = {each.name: each.requests for each in venue.description.rate_limits}
    assert limits == {"reads": 60, "transactions": 60, "ws-connect": 80}
    async with stub.open(tier="premium") as venue:
        limits = {each.name: each.requests for each in venue.description.rate_limits}
    assert limits == {"reads": 24_000, "transactions": 4_000, "ws-connect": 80}


@pytest.mark.parametrize(
    ("path", "full", "standard"),
    [
        (endpoints.NEXT_NONCE, 6, 1),
        (endpoints.INACTIVE_ORDERS, 100, 1),
        (endpoints.API_KEYS, 150, 1),
        (endpoints.ACCOUNT, 300, 1),
        (endpoints.TRADES, 600, 2),
        (endpoints.RECENT_TRADES, 600, 2),
    ],
)
def test_a_read_weighs_what_the_venue_says(path, full, standard):
    """600 allows 40 a minute of 24,000: on a standard account such a read counts for two of its 60."""
    assert endpoints.weight(path, "premium") == endpoints.weight(path, "plus") == full
    assert endpoints.weight(path, "standard") == standard


async def test_an_unknown_setting_is_named(stub):
    """Before anything is sent."""
    with pytest.raises(ConfigError, match="acount_index"):
        stub.open(keyless=True, acount_index=5)
