"""
What the account holds and what happened to it, as the exchange's ledger has it: money, positions, leverage, fees, and
every page of the histories.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

import perpkit
from perpkit.adapters.paradex import endpoints
from perpkit.core.errors import (
    BadGatewayError,
    ConfigError,
    DecodeError,
    InvalidOrderError,
    InvalidRequestError,
    UnknownMarketError,
)
from perpkit.core.models import FillKind, MarginMode, PositionSide, Side
from perpkit.sim.accounts import MarginMode as TrueMode
from perpkit.sim.markets import FeeRates
from tests.integration.conftest import BTC, while_time_passes
from tests.integration.helpers import count, intent, market_intent, true_orders

ETH, SOL, PEPE = "ETH-USD-PERP", "SOL-USD-PERP", "kPEPE-USD-PERP"
SECOND = timedelta(seconds=1)


@pytest.fixture
def me(local) -> str:
    """The first account's address, which the exchange goes by."""
    return local.accounts[0].address


async def _trade(local, venue, times: int, *, market: str = BTC, size: str = "0.01", each=SECOND) -> None:
    """So many fills, a moment apart."""
    for number in range(times):
        local.control.advance(each)
        side = Side.BUY if number % 2 == 0 else Side.SELL
        await venue.place_order(market_intent(market_id=market, side=side, size=size))


# Money and positions


async def test_an_untouched_account_has_its_deposit_and_nothing_else(venue):
    """Empty lists, no row of zeros."""
    summary = await venue.fetch_account()
    assert (summary.equity, summary.free_collateral) == (100_000, 100_000)
    assert (summary.initial_margin, summary.maintenance_margin, summary.asset) == (0, 0, "USDC")
    (balance,) = await venue.fetch_balances()
    assert (balance.asset, balance.total, balance.available) == ("USDC", 100_000, 100_000)
    assert await venue.fetch_positions() == []


async def test_money_and_positions_are_the_ledgers_after_trading_moving_and_waiting(local, venue, me):
    """Long, short, a scaled market; prices moved, funding ran: each figure to the last digit."""
    for market, size in ((ETH, 100), (PEPE, 1_000_000)):
        local.control.quote(market, levels=5, size=Decimal(size))
    await venue.place_order(market_intent(size="0.3"))
    await venue.place_order(market_intent(market_id=ETH, side=Side.SELL, size="2.5"))
    await venue.place_order(market_intent(market_id=PEPE, size="123450"))
    local.control.advance(timedelta(hours=3, seconds=7))
    local.control.set_price(BTC, index=Decimal(101_234), mark=Decimal("101240.5"))
    local.control.set_price(ETH, index=Decimal(3900))
    truth = local.exchange.account(me)
    summary = await venue.fetch_account()
    assert (summary.equity, summary.free_collateral) == (truth.equity, truth.free_collateral)
    assert (summary.initial_margin, summary.maintenance_margin) == (truth.initial_margin, truth.maintenance_margin)
    (balance,) = await venue.fetch_balances()
    assert (balance.total, balance.available) == (truth.cash, truth.free_collateral)

    found = {position.market_id: position for position in await venue.fetch_positions()}
    assert set(found) == {f"{market}@paradex" for market in (BTC, ETH, PEPE)}
    for view in local.exchange.positions(me):
        position = found[f"{view.market}@paradex"]
        assert (position.size, position.entry_price) == (view.size, view.entry_price)
        assert position.side is (PositionSide.LONG if view.size > 0 else PositionSide.SHORT)
        # The venue's figure holds the running funding; here it stands apart.
        assert position.unrealized_pnl == view.unrealized_pnl == view.size * view.mark_price - view.cost
        assert position.accrued_funding == view.unrealized_funding != 0
        assert position.liquidation_price == view.liquidation_price
    equity = truth.cash + sum(p.unrealized_pnl + p.accrued_funding for p in found.values())
    assert summary.equity == equity


async def test_a_flat_position_is_never_a_row(local, venue, me):
    """The venue lists it as closed; here there is none."""
    await _trade(local, venue, 2)
    assert [view.size for view in local.exchange.positions(me, include_closed=True)] == [0]
    assert await venue.fetch_positions() == []


async def test_a_flip_is_one_position_on_the_other_side(local, venue, me):
    """Long three tenths, sold five: short two, entered at the last price."""
    await venue.place_order(market_intent(size="0.3"))
    await venue.place_order(market_intent(side=Side.SELL, size="0.5"))
    (position,) = await venue.fetch_positions()
    truth = local.exchange.position(me, BTC)
    assert (position.size, position.entry_price) == (Decimal("-0.2"), Decimal("99999.9"))
    assert (truth.size, truth.entry_price) == (position.size, position.entry_price)


async def test_deposits_and_withdrawals_show_in_the_balance(local, venue, me):
    """To the last digit."""
    local.control.deposit(me, Decimal("12.345678"))
    local.control.withdraw(me, Decimal("0.000001"))
    (balance,) = await venue.fetch_balances()
    assert balance.total == Decimal("100012.345677")


async def test_the_settled_balance_is_deposits_plus_all_that_was_realized(local, venue, me):
    """PnL, fees and funding, summed from the venue's own fills."""
    local.control.quote(ETH, levels=5, size=Decimal(1000))
    await venue.place_order(market_intent(size="0.3"))
    await venue.place_order(intent(market_id=ETH, size="1", price="3999.99", post_only=True))
    local.control.clear_liquidity(ETH)
    local.control.trade(ETH, Side.SELL, Decimal(1))
    local.control.advance(timedelta(hours=5))
    await venue.place_order(market_intent(side=Side.SELL, size="0.1"))
    fills = await venue.fetch_fills()
    assert any(fill.fee < 0 for fill in fills), "a maker's rebate on ETH"
    (balance,) = await venue.fetch_balances()
    realized = sum(fill.realized_pnl + fill.realized_funding - fill.fee for fill in fills)
    assert balance.total == 100_000 + realized == local.exchange.account(me).cash


async def test_a_liquidation_shows_as_what_it_is(local, venue, me):
    """Its fill says liquidation, the position is gone, the orders are too."""
    await venue.place_order(market_intent(size="1"))
    await venue.place_order(intent(price="90000"))
    local.control.liquidate(me)
    assert await venue.fetch_positions() == []
    last = (await venue.fetch_fills())[-1]
    assert (last.kind, last.side) == (FillKind.LIQUIDATION, Side.SELL)
    assert await venue.fetch_open_orders() == []


async def test_a_position_that_can_not_be_read_fails_the_whole_read(local, venue):
    """A gap there would look flat."""
    await venue.place_order(market_intent())
    body = '{"results":[{"market":"BTC-USD-PERP","side":"LONG","size":"-0.1","status":"OPEN"}]}'
    local.control.inject("replace", match="GET /v1/positions", body=body)
    with pytest.raises(DecodeError):
        await venue.fetch_positions()


# Leverage and margin mode


async def test_leverage_and_mode_are_set_and_read_back(local, venue, me):
    """One is kept when the other changes; the exchange has both."""
    first = await venue.fetch_leverage(BTC)
    assert (first.leverage, first.margin_mode, first.max_leverage) == (50, MarginMode.CROSS, 50)
    assert (await venue.set_leverage(BTC, 7)).leverage == 7
    changed = await venue.set_margin_mode(BTC, "isolated")
    assert (changed.leverage, changed.margin_mode) == (7, MarginMode.ISOLATED)
    again = await venue.set_leverage(BTC, "5")
    assert (again.leverage, again.margin_mode) == (5, MarginMode.ISOLATED)
    truth = local.exchange.margin_setting(me, BTC)
    assert (truth.leverage, truth.mode) == (5, TrueMode.ISOLATED)
    assert (await venue.fetch_leverage(SOL)).leverage == 20, "another market keeps its own"


async def test_leverage_counts_in_the_margin(local, venue):
    """A tenth of BTC at 100,000 with leverage 5 takes 2,000."""
    await venue.set_leverage(BTC, 5)
    await venue.place_order(market_intent())
    assert (await venue.fetch_account()).initial_margin == Decimal(2000)


@pytest.mark.parametrize("wanted", [0, -1, "NaN", 1.5, "2.5", 51, True, "x"])
async def test_a_leverage_that_can_not_be_is_refused_and_not_sent(local, venue, me, wanted):
    """Whole numbers from 1 to the market's most."""
    sent = count(local, "POST /v1/account/margin/*")
    with pytest.raises((ConfigError, InvalidOrderError)):
        await venue.set_leverage(BTC, wanted)
    assert (sent.hits, local.exchange.margin_setting(me, BTC).leverage) == (0, 50)


async def test_the_mode_can_not_change_under_an_open_position(local, venue, me):
    """The venue's refusal is an error, and the setting stays."""
    await venue.place_order(market_intent())
    with pytest.raises(InvalidRequestError):
        await venue.set_margin_mode(BTC, MarginMode.ISOLATED)
    assert (await venue.fetch_leverage(BTC)).margin_mode is MarginMode.CROSS


async def test_a_margin_mode_that_does_not_exist_is_refused(venue):
    """Named before anything is sent."""
    with pytest.raises((ConfigError, ValueError)):
        await venue.set_margin_mode(BTC, "portfolio")


async def test_a_lost_answer_to_setting_leverage_is_asked_again(local, venue, me):
    """Setting it twice does no more than once."""
    await venue.fetch_leverage(BTC)
    local.control.inject("drop_after", match="POST /v1/account/margin/*")
    setting = await while_time_passes(local, venue.set_leverage(BTC, 9))
    assert setting.leverage == local.exchange.margin_setting(me, BTC).leverage == 9


# Fees


async def test_fees_are_each_markets_own(local, venue):
    """A rebate keeps its sign; the markets asked for and no others, or all."""
    (btc, eth) = await venue.fetch_fees([BTC, ETH])
    assert (btc.market_id, btc.maker, btc.taker) == (f"{BTC}@paradex", 0, Decimal("0.0003"))
    assert (eth.maker, eth.taker) == (Decimal("-0.00005"), Decimal("0.0003"))
    assert len(await venue.fetch_fees()) == len(await venue.fetch_markets())


async def test_the_accounts_rates_stand_in_where_a_market_names_none(local, venue, me):
    """As the contract says: without its own, a market has the account's."""
    local.exchange.set_fee_rates(me, FeeRates(Decimal("0.0001"), Decimal("0.0002")))
    row = local.venue.listings[BTC].row()
    del row["fee_config"]
    local.control.inject("replace", match="GET /v1/markets", body=_json({"results": [row]}))
    await venue.fetch_markets()
    (fees,) = await venue.fetch_fees([BTC])
    assert (fees.maker, fees.taker) == (Decimal("0.0001"), Decimal("0.0002"))


def _json(value) -> str:
    import json

    return json.dumps(value)


# Histories, to their ends


@pytest.fixture
def small_pages(monkeypatch) -> int:
    """Pages of seven rows, so that a history has many."""
    monkeypatch.setattr(endpoints, "PAGE_SIZE", 7)
    return 7


@pytest.mark.parametrize("rows", [0, 1, 6, 7, 8, 14, 30])
async def test_every_page_of_the_fills_is_read(local, venue, me, small_pages, rows):
    """Oldest first, each once, exactly the exchange's; page borders included."""
    await _trade(local, venue, rows)
    asked = count(local, "GET /v1/fills")
    fills = await venue.fetch_fills()
    assert [fill.fill_id for fill in fills] == [fill.id for fill in local.exchange.fills(me)]
    assert len(fills) == rows
    assert asked.hits == max(1, -(-rows // small_pages))


@pytest.mark.usefixtures("small_pages")
async def test_every_page_of_the_orders_and_payments_is_read(local, venue, me):
    """20 orders, and the funding that each of them settled."""
    await _trade(local, venue, 20, each=timedelta(minutes=10))
    orders = await venue.fetch_order_history()
    assert [order.venue_order_id for order in orders] == [order.id for order in true_orders(local)]
    payments = await venue.fetch_funding_payments(BTC)
    truth = local.exchange.funding_payments(me)
    assert [payment.payment_id for payment in payments] == [payment.id for payment in truth]
    assert sum(payment.amount for payment in payments) == sum(payment.amount for payment in truth) < 0
    assert len(payments) > 7


@pytest.mark.usefixtures("small_pages")
async def test_rows_of_one_millisecond_are_all_there_once(local, venue, me):
    """Twenty fills in one instant, over three pages."""
    await _trade(local, venue, 20, each=timedelta(0))
    fills = await venue.fetch_fills()
    assert [fill.fill_id for fill in fills] == [fill.id for fill in local.exchange.fills(me)]


@pytest.mark.usefixtures("small_pages")
async def test_a_fill_between_two_pages_shifts_nothing(local, venue, me):
    """What happens while the pages are read neither hides nor doubles a row."""
    await _trade(local, venue, 15)
    before = [fill.id for fill in local.exchange.fills(me)]
    rest = venue._manager.get_plugins()
    plugin = next(each for each in rest if hasattr(each, "_rest"))
    ask = plugin._rest._private
    asked = 0

    async def busy(*args, **named):
        nonlocal asked
        asked += 1
        if asked > 1:
            local.control.advance(SECOND)
            await venue.place_order(market_intent(size="0.01"))
        return await ask(*args, **named)

    plugin._rest._private = busy
    fills = await venue.fetch_fills()
    ids = [fill.fill_id for fill in fills]
    assert len(set(ids)) == len(ids)
    assert ids[: len(before)] == before


@pytest.mark.parametrize("limit", [1, 7, 10, 100])
@pytest.mark.usefixtures("small_pages")
async def test_a_limit_takes_the_newest_oldest_first(local, venue, me, limit):
    """No more pages than that needs."""
    await _trade(local, venue, 16)
    asked = count(local, "GET /v1/fills")
    fills = await venue.fetch_fills(limit=limit)
    assert [fill.fill_id for fill in fills] == [fill.id for fill in local.exchange.fills(me)][-limit:]
    assert asked.hits == -(-min(limit, 16) // 7)
    orders = await venue.fetch_order_history(limit=limit)
    assert [order.venue_order_id for order in orders] == [order.id for order in true_orders(local)][-limit:]


@pytest.mark.parametrize("page", [1, 2])
@pytest.mark.usefixtures("small_pages")
async def test_a_token_that_ends_between_two_pages_costs_no_row(local, venue, me, page):
    """The page is asked for once more, with a new token: nothing is left out and nothing comes twice."""
    await _trade(local, venue, 16)
    ended = local.control.inject("expire_tokens", match="GET /v1/fills", skip=page)
    fills = await venue.fetch_fills()
    assert ended.hits == 1
    assert [fill.fill_id for fill in fills] == [fill.id for fill in local.exchange.fills(me)]


@pytest.mark.usefixtures("small_pages")
async def test_a_window_holds_its_start_and_not_its_end(local, venue, me):
    """Twelve fills a second apart; from the fourth to before the ninth."""
    begin = local.clock.now()
    await _trade(local, venue, 12)
    since, until = begin + 4 * SECOND, begin + 9 * SECOND
    ids = [fill.id for fill in local.exchange.fills(me)]
    assert [fill.fill_id for fill in await venue.fetch_fills(since=since, until=until)] == ids[3:8]
    assert [fill.fill_id for fill in await venue.fetch_fills(BTC, since=until)] == ids[8:]
    assert [fill.fill_id for fill in await venue.fetch_fills(until=since)] == ids[:3]
    # Between two milliseconds: the bound is not rounded into what it excludes.
    shifted = since + timedelta(microseconds=1)
    assert [fill.fill_id for fill in await venue.fetch_fills(since=shifted, until=until)] == ids[4:8]
    assert [fill.fill_id for fill in await venue.fetch_fills(until=shifted)] == ids[:4]
    orders = await venue.fetch_order_history(since=since, until=until)
    assert [order.venue_order_id for order in orders] == [order.id for order in true_orders(local)][3:8]


async def test_histories_of_one_market_hold_no_other(local, venue, me):
    """Asked by market; payments of all markets are found without naming any."""
    local.control.quote(ETH, levels=5, size=Decimal(1000))
    for _ in range(2):
        await venue.place_order(market_intent())
        local.control.advance(SECOND)
        await venue.place_order(market_intent(market_id=ETH, side=Side.SELL, size="1"))
        local.control.advance(timedelta(hours=1))
    assert {fill.market_id for fill in await venue.fetch_fills(ETH)} == {f"{ETH}@paradex"}
    assert {order.market_id for order in await venue.fetch_order_history(BTC)} == {f"{BTC}@paradex"}
    everything = await venue.fetch_funding_payments()
    assert {payment.market_id for payment in everything} == {f"{BTC}@paradex", f"{ETH}@paradex"}
    assert [payment.payment_id for payment in everything] == [p.id for p in local.exchange.funding_payments(me)]
    # A long pays and a short receives at a positive rate.
    assert {payment.market_id: payment.amount > 0 for payment in everything} == {
        f"{BTC}@paradex": False,
        f"{ETH}@paradex": True,
    }


async def test_each_fill_has_our_own_side_as_maker_and_as_taker(local, venue, open_on, me):
    """The venue names the taker's; here it is ours, also for a client that did not place the order."""
    await venue.place_order(intent(price="100000"))
    local.control.trade(BTC, Side.SELL, Decimal("0.1"))
    local.control.advance(SECOND)
    await venue.place_order(market_intent(side=Side.SELL))
    stranger = await open_on()
    for reader in (venue, stranger):
        fills = await reader.fetch_fills()
        assert [(fill.side, fill.liquidity) for fill in fills] == [
            (Side.BUY, perpkit.Liquidity.MAKER),
            (Side.SELL, perpkit.Liquidity.TAKER),
        ]
        assert [fill.side for fill in fills] == [fill.side for fill in local.exchange.fills(me)]


async def test_pages_that_never_end_are_noticed(local, venue):
    """A cursor that comes again is an error, not a loop."""
    body = '{"next":"again","prev":null,"results":[%s]}'
    row = (
        '{"id":"1","order_id":"2","client_id":"","market":"BTC-USD-PERP","side":"BUY","liquidity":"TAKER",'
        '"price":"1","size":"1","fee":"0","fee_currency":"USDC","created_at":1767225600000,"fill_type":"FILL"}'
    )
    asked = local.control.inject("status", match="GET /v1/fills", status=200, body=body % row, times=None)
    with pytest.raises(DecodeError, match="cursor"):
        await venue.fetch_fills()
    assert asked.hits < 5


@pytest.mark.usefixtures("small_pages")
async def test_a_page_that_fails_fails_the_read(local, venue):
    """Half a history is not a history."""
    await _trade(local, venue, 16)
    local.control.inject("html", match="GET /v1/fills", status=502, skip=1, times=None)
    with pytest.raises(BadGatewayError):
        await while_time_passes(local, venue.fetch_fills())


@pytest.mark.usefixtures("small_pages")
async def test_a_page_that_fails_once_is_asked_again(local, venue, me):
    """The read is whole."""
    await _trade(local, venue, 16)
    local.control.inject("status", match="GET /v1/fills", status=503, skip=1)
    fills = await while_time_passes(local, venue.fetch_fills())
    assert [fill.fill_id for fill in fills] == [fill.id for fill in local.exchange.fills(me)]


@pytest.mark.parametrize("read", ["fetch_fills", "fetch_order_history", "fetch_funding_payments", "fetch_open_orders"])
async def test_an_unknown_market_is_named_in_every_history(venue, read):
    """Never an empty list."""
    with pytest.raises(UnknownMarketError, match="NOPE"):
        await getattr(venue, read)("NOPE-USD-PERP")


async def test_windows_that_can_not_be_are_refused(local, venue):
    """Without zone, turned round, a limit of none."""
    now = local.clock.now()
    for window in ({"since": now.replace(tzinfo=None)}, {"since": now, "until": now - SECOND}, {"limit": 0}):
        with pytest.raises(ConfigError):
            await venue.fetch_fills(**window)
