"""Balances and the summary of an account."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from perpkit.core.errors import DecodeError, PerpkitError
from perpkit.core.models import Balance, MarginMode, Side
from perpkit.core.venue import Venue
from perpkit_conformance.suite.altering import name_of, recorded
from perpkit_conformance.suite.calls import a_life, is_continuous, nearest, settle_balance
from perpkit_conformance.suite.comparing import Findings, figures
from perpkit_conformance.suite.histories import History
from perpkit_conformance.target import Target


@pytest.mark.rule("balances-are-the-ledger")
@pytest.mark.needs("fetch_balances")
async def test_a_deposit_is_there_to_the_last_digit(target: Target, venue: Venue) -> None:
    """Before any trade, total and available are what was deposited."""
    target.control.deposit(target.truth().account_id, Decimal("0.123456"))
    await _hold_balances(target, venue)


@pytest.mark.rule("balances-are-the-ledger")
@pytest.mark.needs("fetch_balances")
async def test_totals_are_settled_cash_and_available_what_is_free(target: Target, venue: Venue) -> None:
    """With positions, resting orders, fees and funding the total is the cash, and margin is not available."""
    a_life(target)
    await _hold_balances(target, venue)
    target.control.set_price(target.symbol, index=target.control.exchange.index_price(target.symbol) * 97 / 100)
    await _hold_balances(target, venue)


@pytest.mark.rule("balances-are-the-ledger")
@pytest.mark.needs("fetch_balances")
async def test_each_account_sees_its_own_balance(target: Target, venue: Venue) -> None:
    """Two accounts with different money, opened in one process."""
    target.control.withdraw(target.truth(1).account_id, Decimal("777.7"))
    await _hold_balances(target, venue)
    await _hold_balances(target, await target.open(account=1), account=1)


async def _hold_balances(target: Target, venue: Venue, account: int = 0) -> None:
    truth, settle = target.truth(account), target.profile.settle_asset
    came = await target.run(venue.fetch_balances())
    with Findings(target) as found:
        found.same_keys("balances", (each.asset for each in came), truth.balances())
        for balance in came:
            found.field(balance, "total", truth.balances().get(balance.asset), f"balance of {balance.asset}")
            if balance.asset == settle:
                found.field(balance, "available", truth.summary().free_collateral, f"balance of {settle}")


@pytest.mark.rule("collateral-counted-once")
@pytest.mark.needs("fetch_balances")
async def test_margin_does_not_show_as_a_second_balance(target: Target, venue: Venue) -> None:
    """One balance for each asset, and all of them together are the cash that the ledger holds, not more."""
    a_life(target)
    came = await target.run(venue.fetch_balances())
    with Findings(target) as found:
        found.same_keys("balances", (each.asset for each in came), target.truth().balances())
        found.equal("all balances together", sum(each.total for each in came), target.truth().summary().cash)


@pytest.mark.rule("collateral-counted-once")
@pytest.mark.needs("fetch_balances", "fetch_account", "margin_mode:isolated")
async def test_isolated_margin_is_counted_once(target: Target, venue: Venue) -> None:
    """Cash that is set aside for an isolated position is neither lost nor counted twice."""
    truth = target.truth()
    target.quote()
    target.control.exchange.set_margin(truth.account_id, target.symbol, leverage=Decimal(4), mode=MarginMode.ISOLATED)
    target.submit(Side.BUY, "0.3")
    assert truth.summary().isolated_margin > 0
    balance = await settle_balance(target, venue)
    account = await target.run(venue.fetch_account())
    with Findings(target) as found:
        found.equal("total", balance.total, truth.summary().cash)
        found.equal("equity", account.equity, truth.summary().equity)


@pytest.mark.rule("empty-accounts-parse")
@pytest.mark.needs("fetch_balances")
@pytest.mark.target(deposit=Decimal(0))
async def test_an_account_that_never_had_funds_is_empty(target: Target, venue: Venue) -> None:
    """Every read of the account answers; there is nothing in it."""
    with Findings(target) as found:
        for hook in ("fetch_positions", "fetch_open_orders", "fetch_order_history", "fetch_fills"):
            if hook in venue.capabilities.hooks:
                found.equal(hook, await target.run(getattr(venue, hook)()), [])
        if "fetch_funding_payments" in venue.capabilities.hooks:
            found.equal("fetch_funding_payments", await target.run(venue.fetch_funding_payments()), [])
        if "fetch_account" in venue.capabilities.hooks:
            account = await target.run(venue.fetch_account())
            figures = ("equity", "free_collateral", "initial_margin", "maintenance_margin")
            found.fields(account, dict.fromkeys(figures, Decimal(0)), "account")
        for balance in await target.run(venue.fetch_balances()):
            found.equal(f"balance of {balance.asset}", balance.total, Decimal(0))


@pytest.mark.rule("empty-accounts-parse")
@pytest.mark.needs("fetch_ticker")
async def test_a_market_without_trades_and_quotes_has_none(target: Target, venue: Venue) -> None:
    """Where the venue has no price yet, there is None and neither a zero nor an error."""
    ticker = await target.run(venue.fetch_ticker(target.market))
    with Findings(target) as found:
        found.fields(ticker, {"bid_price": None, "ask_price": None, "last_price": None}, "ticker")
        found.equal("index price", ticker.index_price, target.control.exchange.index_price(target.symbol))


@pytest.mark.rule("empty-accounts-parse")
@pytest.mark.needs("fetch_balances", "fetch_account")
async def test_negative_figures_stay_negative(target: Target, venue: Venue) -> None:
    """An account that has lost so much that nothing is free says so, without a sign lost or a zero put in place."""
    truth, exchange = target.truth(), target.control.exchange
    symbol, index = target.symbol, exchange.index_price(target.symbol)
    spec = exchange.market(symbol)
    exchange.set_margin(truth.account_id, symbol, leverage=spec.max_leverage)
    size = nearest(truth.summary().equity * spec.max_leverage * Decimal("0.9") / index, spec.step_size)
    target.quote(size=size)
    target.submit(Side.BUY, size)
    target.control.set_price(symbol, index=index * (1 - spec.initial_margin * Decimal("0.4")))
    summary = truth.summary()
    assert summary.free_collateral < 0 < summary.equity - summary.maintenance_margin, "the test's own arithmetic"
    account = await target.run(venue.fetch_account())
    balance = await settle_balance(target, venue)
    with Findings(target) as found:
        found.equal("free_collateral", account.free_collateral, summary.free_collateral)
        found.field(balance, "available", summary.free_collateral, "balance")


@pytest.mark.rule("equity-is-exact")
@pytest.mark.needs("fetch_account")
@pytest.mark.parametrize("percent", [97, 100, 104], ids=["losing", "level", "gaining"])
async def test_the_summary_is_the_ledgers(target: Target, venue: Venue, percent: int) -> None:
    """Equity holds unrealized PnL and accrued funding once; margins and free collateral are exact."""
    a_life(target)
    target.control.set_price(target.symbol, index=target.control.exchange.index_price(target.symbol) * percent / 100)
    truth = target.truth().summary()
    assert truth.unrealized_funding or not is_continuous(target), "the test needs accrued funding"
    came = await target.run(venue.fetch_account())
    with Findings(target) as found:
        found.fields(
            came,
            {
                "asset": target.profile.settle_asset,
                "equity": truth.equity,
                "free_collateral": truth.free_collateral,
                "initial_margin": truth.initial_margin,
                "maintenance_margin": truth.maintenance_margin,
                "unrealized_pnl": truth.unrealized_pnl,
            },
            "account",
        )


@pytest.mark.rule("balance-stream-converges")
@pytest.mark.needs("channel:balances", "fetch_balances")
@pytest.mark.parametrize("number", range(3))
async def test_the_last_balance_of_the_stream_is_the_ledgers(target: Target, venue: Venue, number: int) -> None:
    """After a random history the stream's last word is the ledger's, and a fetch says the same."""
    truth, settle = target.truth(), target.profile.settle_asset
    history = History(target, f"balances {number}")
    history.begin()
    async with target.watch(venue, "balances") as watch:
        for _ in range(6):
            history.run(6)
            await target.breathe(3)
        history.end_with_a_balance()

        def last() -> Balance | None:
            return next((each for each in reversed(watch.of(Balance)) if each.asset == settle), None)

        await target.breathe(20)
        fetched = await settle_balance(target, venue)
        streamed = last()
        assert streamed is not None, f"no balance of {settle} came from the stream; {history}"
        with Findings(target) as found:
            found.equal("fetched total", fetched.total, truth.summary().cash)
            found.equal("streamed total", streamed.total, truth.summary().cash)
            found.field(fetched, "available", truth.summary().free_collateral, "fetched")
            found.field(streamed, "available", truth.summary().free_collateral, "streamed")
            _hold_times(found, watch.of(Balance))
            found.true(not found.found, str(history))


def _hold_times(found: Findings, balances: list[Balance]) -> None:
    times = [each.ts_venue for each in balances if each.ts_venue is not None]
    found.in_order("balances of the stream", times)


_AMOUNTS = ("fetch_balances", "fetch_account", "fetch_positions", "fetch_fills", "fetch_funding_payments")


@pytest.mark.rule("bad-amounts-are-refused")
@pytest.mark.parametrize("hook", [pytest.param(each, marks=pytest.mark.needs(each), id=each) for each in _AMOUNTS])
@pytest.mark.parametrize("bad", ["NaN", "-Infinity", "twelve"])
async def test_what_is_no_number_is_refused_by_name(target: Target, venue: Venue, hook: str, bad: str) -> None:
    """Each number of the answer in turn: it isn't used, or it is an error that names it; never a made-up figure."""
    a_life(target)
    arguments = (target.market,) if hook == "fetch_funding_payments" else ()

    async def call() -> Any:
        came = await getattr(venue, hook)(*arguments)
        return came if isinstance(came, list) else [came]

    good, answer = await recorded(target, hook, call)
    good = [figures(each) for each in good]
    with Findings(target) as found:
        for place in answer.numbers(answer.rows()[0] if answer.rows() else ()):
            came = await answer.played(answer.changed((place, bad)), call)
            if isinstance(came, DecodeError):
                found.true(name_of(place) in str(came), f"{name_of(place)}={bad!r}: the error does not name it: {came}")
            elif isinstance(came, PerpkitError):
                found.true(False, f"{name_of(place)}={bad!r}: a DecodeError is due, {came!r} came")
            elif [figures(each) for each in came] != good:
                changed = [each for each in came if figures(each) not in good]
                found.true(False, f"{name_of(place)}={bad!r} was accepted and gave {changed}")
