"""Funding: rates with their unit, period, sign and kind, histories, and payments, as the ledger reckons them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from perpkit.core.clock import from_ms
from perpkit.core.errors import PerpkitError
from perpkit.core.models import (
    Channel,
    FundingKind,
    FundingPayment,
    FundingRate,
    PriceKind,
    Side,
)
from perpkit.core.venue import Venue
from perpkit.sim.faults import FaultAction
from perpkit_conformance.fixtures import offered
from perpkit_conformance.suite.altering import Place, name_of, recorded
from perpkit_conformance.suite.calls import is_continuous, only_position
from perpkit_conformance.suite.comparing import Findings
from perpkit_conformance.suite.histories import History
from perpkit_conformance.target import Target

_HOUR = timedelta(hours=1)
_SECOND = timedelta(seconds=1)
_CENT = Decimal("0.000001")
"""Far below a cent: what rounding may leave between a rate and the payments made at it."""


async def _rates(target: Target, venue: Venue) -> dict[str, FundingRate]:
    """Return the live rate of each of the profile's markets, by perpkit's symbol."""
    return {each.market_id.partition("@")[0]: each for each in await target.run(venue.fetch_funding_rates())}


def _set_rates(target: Target, *hourly: str) -> dict[str, Decimal]:
    """Give each market of the profile a rate, for its own period; returns them per hour."""
    given: dict[str, Decimal] = {}
    for name, each in zip(target.profile.markets, hourly * 9, strict=False):
        given[name] = Decimal(each)
        target.control.set_funding_rate(target.symbol_of(name), Decimal(each) * _hours(target, name))
    return given


def _hours(target: Target, name: str) -> Decimal:
    return target.control.exchange.funding(target.symbol_of(name)).period_hours


# Rates


@pytest.mark.rule("funding-sign")
@pytest.mark.needs("fetch_funding_rates")
async def test_a_positive_rate_is_one_that_longs_pay(target: Target, venue: Venue) -> None:
    """Positive and negative rates of several markets have the ledger's sign and figure, none is a percentage."""
    _set_rates(target, "0.000011", "-0.000013", "0.000017", "-0.000019")
    came = await _rates(target, venue)
    with Findings(target) as found:
        for name, symbol in target.profile.markets.items():
            found.true(name in came, f"no rate of {name} was returned")
            if name in came:
                found.equal(f"rate of {name}", came[name].value, target.control.exchange.funding(symbol).rate)


@pytest.mark.rule("funding-sign")
@pytest.mark.needs("fetch_funding_rates", "fetch_funding_payments")
@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("rate", ["0.0004", "-0.0004"])
async def test_a_payment_has_the_accounts_own_sign(target: Target, venue: Venue, side: Side, rate: str) -> None:
    """Longs pay a positive rate and receive a negative one, shorts the other way round."""
    target.control.set_funding_rate(target.symbol, Decimal(rate))
    _hold(target, side)
    target.advance(2 * _HOUR)
    await _settle(target, side)
    quoted = (await _rates(target, venue))[target.market]
    came = await target.run(venue.fetch_funding_payments(target.market))
    with Findings(target) as found:
        found.true(came, "there was a payment in the ledger, and none was returned")
        found.true(quoted.value * Decimal(rate) > 0, f"a rate of {rate} came as {quoted.value}")
        for payment in came:
            paid = payment.amount * side.sign * Decimal(rate)
            found.true(paid < 0, f"with a rate of {rate} a {side} holder has {payment.amount}")


def _hold(target: Target, side: Side, size: str = "0.4", market: str | None = None) -> None:
    target.quote(market, size=Decimal(5))
    target.submit(side, size, market=market)


async def _settle(target: Target, side: Side, market: str | None = None) -> None:
    """Trade against the position: on index venues that realizes what has accrued."""
    target.submit(side.opposite, "0.1", market=market)
    await target.breathe()


@pytest.mark.rule("funding-payment-identity")
@pytest.mark.needs("fetch_funding_rates", "fetch_funding_payments", "fetch_positions")
@pytest.mark.parametrize("number", range(2))
async def test_rate_times_notional_is_the_payment(target: Target, venue: Venue, number: int) -> None:
    """In every market, from what the plugin says of rate, period, price and size, over the time that has passed."""
    _set_rates(target, *(("0.00005", "-0.00007", "0.0001", "0.00002"), ("-0.0002", "0.00003"))[number])
    names = list(target.profile.markets)
    for name in names:
        size = History(target, f"{number} {name}").size(name)
        target.quote(name, size=size * 5)
        target.submit(list(Side)[number], size, market=name)
    rates = await _rates(target, venue)
    positions = {each.market_id: each for each in await target.run(venue.fetch_positions())}
    target.advance(24 * _HOUR)
    for name in names:
        # On index venues a trade realizes what has accrued.
        target.submit(list(Side)[1 - number], History(target, f"{number} {name}").size(name), market=name)
    with Findings(target) as found:
        for name in names:
            rate, held = rates[name], positions.get(target.id_of(target.symbol_of(name)))
            found.true(held, f"{name}: the ledger has a position, and the plugin returned none")
            if held is None:
                continue
            price = rate.mark_price if rate.notional_price is PriceKind.MARK else rate.index_price
            paid = target.truth().funding_payments(target.symbol_of(name))
            true = sum(each.amount for each in paid)
            came = sum(each.amount for each in await target.run(venue.fetch_funding_payments(name)))
            found.true(price, f"{name}: the notional is taken at the {rate.notional_price} price, which is not told")
            periods = Decimal(24 * _HOUR // _SECOND) / Decimal(rate.period // _SECOND)
            due = -held.size * (price or Decimal(0)) * rate.value * periods
            found.equal(f"payments of {name}", came, true)
            # Each payment may be rounded.
            close = abs(due - true) <= _CENT * max(1, len(paid))
            found.true(close, f"{name}: {rate.value} per {rate.period} makes {due}, paid was {true}")


@pytest.mark.rule("funding-period-per-market")
@pytest.mark.needs("fetch_funding_rates")
async def test_each_market_has_its_own_period(target: Target, venue: Venue) -> None:
    """The exchange's period for each market, on the rate and in the listing."""
    listed = {each.symbol: each for each in await target.run(venue.fetch_markets())}
    rates = await _rates(target, venue)
    several = len({_hours(target, name) for name in target.profile.markets}) > 1
    told = "several_funding_periods" in target.profile.not_offered
    assert several or told, "the profile needs markets with several periods, or says under not_offered that none are"
    with Findings(target) as found:
        for name, symbol in target.profile.markets.items():
            true = timedelta(hours=1) * int(_hours(target, name))
            found.equal(f"period of {name}'s rate", rates[name].period, true)
            found.equal(f"funding_interval of {name}", listed[symbol].funding_interval, true)


@pytest.mark.rule("funding-period-per-market")
@pytest.mark.needs("fetch_funding_rates")
async def test_a_changed_period_is_followed(request: pytest.FixtureRequest, target: Target, venue: Venue) -> None:
    """After the venue changed it, listing and rate have the new period, and the rate still means the same cash."""
    offered(request, "funding_period_changes")
    await target.run(venue.fetch_markets())
    for hours in (1, 2, 24):
        target.control.set_funding_period(target.symbol, hours * _HOUR)
        listed = {each.symbol: each for each in await target.run(venue.fetch_markets())}
        rate = (await _rates(target, venue))[target.market]
        true = target.control.exchange.funding(target.symbol)
        with Findings(target) as found:
            found.equal("period of the rate", rate.period, hours * _HOUR)
            found.equal("funding_interval", listed[target.symbol].funding_interval, hours * _HOUR)
            found.equal("hourly rate", rate.hourly, true.rate / hours)


@pytest.mark.rule("funding-period-per-market")
@pytest.mark.needs("channel:funding")
async def test_a_changed_period_is_followed_on_the_stream(
    request: pytest.FixtureRequest, target: Target, venue: Venue
) -> None:
    """The next rate on the stream has the new period."""
    offered(request, "funding_period_changes")
    async with target.watch(venue, f"funding:{target.market}") as watch:
        target.control.set_funding_period(target.symbol, 2 * _HOUR)
        target.control.set_funding_rate(target.symbol, Decimal("0.0031"))

        def there() -> bool:
            return any(each.value == Decimal("0.0031") for each in watch.of(FundingRate))

        await watch.until(there, "a rate of 0.0031 on the stream")
    with Findings(target) as found:
        found.equal("period of the rate", watch.of(FundingRate)[-1].period, 2 * _HOUR)


@pytest.mark.rule("funding-annualizes-alike")
@pytest.mark.needs("fetch_funding_rates")
async def test_one_cash_flow_is_one_yearly_figure(target: Target, venue: Venue) -> None:
    """The same hourly cost quoted for 1, 4, 8 and 24 hours: the same rate per hour and per year, by arithmetic."""
    if "funding_period_changes" not in target.profile.not_offered:
        for name, hours in zip(target.profile.markets, (1, 4, 8, 24), strict=False):
            target.control.set_funding_period(target.symbol_of(name), hours * _HOUR)
    _set_rates(target, "0.0000125")
    await target.run(venue.fetch_markets())
    rates = await _rates(target, venue)
    with Findings(target) as found:
        for name in target.profile.markets:
            found.equal(f"hourly rate of {name}", rates[name].hourly, Decimal("0.0000125"), "arithmetic")
            found.equal(f"yearly rate of {name}", rates[name].annualized, Decimal("0.1095"), "arithmetic")


@pytest.mark.rule("funding-annualizes-alike")
@pytest.mark.needs("fetch_funding_history")
async def test_the_history_annualizes_alike(target: Target, venue: Venue) -> None:
    """The same for past rates."""
    _set_rates(target, "0.0000125")
    target.advance(25 * _HOUR)
    with Findings(target) as found:
        for name in target.profile.markets:
            came = await target.run(venue.fetch_funding_history(name, limit=2))
            found.true(came, f"no history of {name}")
            for each in came:
                found.equal(f"past yearly rate of {name}", each.annualized, Decimal("0.1095"), "arithmetic")


@pytest.mark.rule("funding-kinds-are-apart")
@pytest.mark.needs("fetch_funding_rates")
async def test_the_live_rate_is_no_past_one(target: Target, venue: Venue) -> None:
    """Right after each change the live rate is the new one, effective now, and called neither settled nor sample."""
    _set_rates(target, "0.00001")
    target.advance(9 * _HOUR)
    with Findings(target) as found:
        for hourly in ("-0.00003", "0.00007"):
            _set_rates(target, hourly)
            rate = (await _rates(target, venue))[target.market]
            live = rate.kind in {FundingKind.CURRENT, FundingKind.PREDICTED}
            found.equal("value", rate.value, target.control.exchange.funding(target.symbol).rate)
            found.true(live, f"the live rate calls itself {rate.kind}")
            away = abs(rate.effective_at - target.control.clock.now())
            found.true(away <= timedelta(minutes=1), f"the live rate is of {rate.effective_at}, {away} from now")
            target.advance(2 * _HOUR)


@pytest.mark.rule("funding-kinds-are-apart")
@pytest.mark.needs("fetch_funding_rates", "fetch_positions")
async def test_the_notional_price_is_the_one_that_funding_is_paid_on(target: Target, venue: Venue) -> None:
    """With mark and index apart the rate says which of them counts, and gives both."""
    exchange = target.control.exchange
    index = exchange.index_price(target.symbol)
    target.control.set_price(target.symbol, index=index, mark=index * Decimal("1.004"))
    rate = (await _rates(target, venue))[target.market]
    with Findings(target) as found:
        found.equal("notional_price", rate.notional_price, exchange.market(target.symbol).funding_price)
        found.field(rate, "index_price", index, "rate")
        found.field(rate, "mark_price", exchange.mark_price(target.symbol), "rate")
        found.equal("accrual", rate.accrual, exchange.market(target.symbol).funding_accrual)


@pytest.mark.rule("funding-next-time")
@pytest.mark.needs("fetch_funding_rates")
async def test_the_next_payment_lies_ahead_or_is_none(target: Target, venue: Venue) -> None:
    """Where funding accrues each second there is no next time; elsewhere it is the exchange's, and it moves on."""
    with Findings(target) as found:
        for _ in range(3):
            for name, rate in (await _rates(target, venue)).items():
                if name not in target.profile.markets:
                    continue
                true = target.control.exchange.funding(target.symbol_of(name)).next_at_ms
                found.equal(f"next_at of {name}", rate.next_at, None if true is None else from_ms(true))
            target.advance(5 * _HOUR)


@pytest.mark.rule("funding-next-time")
@pytest.mark.needs("fetch_funding_rates")
async def test_the_claimed_accrual_is_the_exchanges(target: Target, venue: Venue) -> None:
    """Continuous or discrete: the claim, the listing and the rates say what the exchange does."""
    true = target.control.exchange.market(target.symbol).funding_accrual
    listed = {each.symbol: each for each in await target.run(venue.fetch_markets())}
    with Findings(target) as found:
        found.equal("the claim", venue.capabilities.funding_accrual, true)
        found.equal("the listing", listed[target.symbol].funding_accrual, true)
        found.equal("the rate", (await _rates(target, venue))[target.market].accrual, true)


@pytest.mark.rule("funding-stream-agrees")
@pytest.mark.needs("channel:funding", "fetch_funding_rates")
async def test_stream_and_fetch_give_one_rate(target: Target, venue: Venue) -> None:
    """Brought to an hour the last rate of the stream is the fetched one, in markets of several periods."""
    async with target.watch(venue, *(f"funding:{name}" for name in target.profile.markets)) as watch:
        given = _set_rates(target, "0.0000125", "-0.000007", "0.00003")
        target.advance(timedelta(seconds=3))

        def last() -> dict[str, FundingRate]:
            return {each.market_id.partition("@")[0]: each for each in watch.of(FundingRate)}

        await watch.until(
            lambda: all(name in last() and last()[name].hourly == rate for name, rate in given.items()),
            f"the hourly rates {given} on the stream",
        )
        fetched = await _rates(target, venue)
    with Findings(target) as found:
        for name, rate in given.items():
            streamed = last()[name]
            found.equal(f"{name}: streamed hourly rate", streamed.hourly, rate)
            found.equal(f"{name}: fetched hourly rate", fetched[name].hourly, rate)
            for field in ("period", "kind", "accrual", "notional_price"):
                found.equal(f"{name}: {field}", getattr(streamed, field), getattr(fetched[name], field), "the fetch")


@pytest.mark.rule("funding-field-is-the-right-one")
@pytest.mark.needs("fetch_funding_rates")
async def test_no_other_number_moves_the_rate(target: Target, venue: Venue) -> None:
    """With every figure of the market set apart the rate is the ledger's, and one number of the answer makes it."""
    _hold(target, Side.BUY, "0.7")
    target.submit(Side.SELL, "0.3", account=1)
    target.control.set_funding_rate(target.symbol, Decimal("0.00012345"))
    movers, true = await _movers(target, venue), Decimal("0.00012345")
    with Findings(target) as found:
        found.equal("the rate", (await _rates(target, venue))[target.market].value, true)
        found.true(len(movers) <= 1, f"several numbers of the answer move the rate: {[name_of(p) for p in movers]}")
        found.true(movers, "no number of the answer moves the rate")


def _one(target: Target, venue: Venue) -> Callable[[], Awaitable[Any]]:
    return lambda: venue.fetch_funding_rates([target.market])


async def _movers(target: Target, venue: Venue) -> list[Place]:
    """Return the places of the numbers in the market's row that move its rate."""
    (good,), answer = await recorded(target, "fetch_funding_rates", _one(target, venue))
    found = []
    for place in answer.numbers(answer.row_of(target.symbol)):
        other = 1_767_312_345_678 if isinstance(answer.at(place), int) else "0.0777"
        came = await answer.played(answer.changed((place, other)), _one(target, venue))
        if not isinstance(came, PerpkitError) and came and came[0].value != good.value:
            found.append(place)
    return found


@pytest.mark.rule("missing-funding-is-none")
@pytest.mark.needs("fetch_funding_rates")
@pytest.mark.parametrize("how", ["blank", "null", "absent"])
async def test_a_missing_rate_is_no_zero(target: Target, venue: Venue, how: str) -> None:
    """Where the venue gives no rate, the market is left out or it is an error; it is never 0, and others stay."""
    target.control.set_funding_rate(target.symbol, Decimal("0.00012345"))
    movers = await _movers(target, venue)
    assert movers, "no number of the answer moves the rate; see funding-field-is-the-right-one"
    names = list(target.profile.markets)
    _, answer = await recorded(target, "fetch_funding_rates", lambda: venue.fetch_funding_rates(names))
    place = (*answer.row_of(target.symbol), *movers[0][len(answer.row_of(target.symbol)) :])
    body = answer.without(place) if how == "absent" else answer.changed((place, "" if how == "blank" else None))
    came = await answer.played(body, lambda: venue.fetch_funding_rates(names))
    if isinstance(came, PerpkitError):
        assert how != "blank", f"one market has no rate, and those of the others are lost: {came!r}"
        return
    ids = {each.market_id for each in came}
    with Findings(target) as found:
        found.true(target.id_of(target.symbol) not in ids, f"a rate that is {how} came as {came[0].value}")
        found.true(target.id_of(target.symbol_of(names[1])) in ids, "the rates of other markets are gone")


# History


@pytest.mark.rule("funding-history-is-ordered")
@pytest.mark.needs("fetch_funding_history")
@pytest.mark.parametrize("number", range(3))
async def test_history_is_ordered_unique_and_bounded(target: Target, venue: Venue, number: int) -> None:
    """Windows and limits at random: oldest first, no row twice, nothing from outside, and nothing missing."""
    history = History(target, f"funding history {number}")
    for _ in range(5):
        target.control.set_funding_rate(target.symbol, Decimal(history.rng.randrange(-50, 50)) / 100_000)
        target.advance(timedelta(minutes=history.rng.choice([20, 65])) if is_continuous(target) else 30 * _HOUR)
    true = target.control.exchange.funding_history(target.symbol)
    with Findings(target) as found:
        for _ in range(6):
            first, last = sorted(history.rng.choice(true).created_at_ms for _ in range(2))
            limit = history.rng.choice([None, None, 1, 5, 40])
            last += first == last
            wanted = [each for each in true if first <= each.created_at_ms < last][-(limit or len(true)) :]
            call = venue.fetch_funding_history(target.market, since=from_ms(first), until=from_ms(last), limit=limit)
            _same_history(found, await target.run(call), wanted, f"history in [{first}, {last}) with limit={limit}")


def _same_history(found: Findings, came: list[FundingRate], true: list[Any], what: str) -> None:
    found.equal(f"times of {what}", [e.effective_at for e in came], [from_ms(e.created_at_ms) for e in true])
    found.equal(f"rates of {what}", [each.value for each in came], [each.rate for each in true])
    for each, wanted in zip(came, true, strict=False):
        found.equal(f"period in {what}", each.period, int(wanted.period_hours) * _HOUR)
        if each.funding_index is not None:
            found.equal(f"index in {what}", each.funding_index, wanted.funding_index)


@pytest.mark.rule("funding-history-is-ordered")
@pytest.mark.needs("fetch_funding_history")
async def test_a_long_history_is_complete(target: Target, venue: Venue) -> None:
    """More rows than any page holds: all of a window come, each once."""
    start = target.control.clock.now()
    target.advance(timedelta(hours=18) if is_continuous(target) else 1100 * int(_hours(target, target.market)) * _HOUR)
    true = target.control.exchange.funding_history(target.symbol)
    came = await target.run(venue.fetch_funding_history(target.market, since=start))
    assert len(true) > 1000, "the test needs more than a page"
    with Findings(target) as found:
        found.equal("the number of rows", len(came), len(true))
        found.true(
            [each.effective_at for each in came] == [from_ms(each.created_at_ms) for each in true],
            "the times of the rows are not the exchange's, oldest first, each once",
        )


@pytest.mark.rule("funding-history-says-what-it-is")
@pytest.mark.needs("fetch_funding_history")
async def test_samples_are_called_samples(target: Target, venue: Venue) -> None:
    """Where funding accrues each second a past rate is a sample; where it is settled, a settlement."""
    target.advance(30 * _HOUR)
    came = await target.run(venue.fetch_funding_history(target.market, limit=20))
    due = FundingKind.SAMPLE if is_continuous(target) else FundingKind.SETTLED
    with Findings(target) as found:
        found.true(came, "there was a history, and none was returned")
        for each in came:
            found.equal("kind", each.kind, due)
            found.equal("market_id", each.market_id, target.id_of(target.symbol))


# Payments


@pytest.mark.rule("funding-payments-exactly-once")
@pytest.mark.needs("fetch_funding_payments")
async def test_every_payment_comes_once(target: Target, venue: Venue) -> None:
    """Several between two reads and several in one millisecond, in all markets: each once, as the ledger has it."""
    _pay_often(target)
    truth = target.truth()
    with Findings(target) as found:
        came = await target.run(venue.fetch_funding_payments())
        found.payments(came, truth.funding_payments())
        found.in_order("funding payments", (each.ts_venue for each in came))
        for name, symbol in target.profile.markets.items():
            own = await target.run(venue.fetch_funding_payments(name))
            found.payments(own, truth.funding_payments(symbol), f"payments of {name}")
        _pay_often(target)
        found.payments(await target.run(venue.fetch_funding_payments()), truth.funding_payments(), "after more")


def _pay_often(target: Target) -> None:
    _set_rates(target, "0.00005", "-0.00007")
    for number, name in enumerate(target.profile.markets):
        size = History(target, name).size(name)
        target.quote(name, size=size * 3)
        for turn in range(4):
            target.submit(list(Side)[(number + turn // 2) % 2], size, market=name)
            target.advance([_HOUR, timedelta(0), 8 * _HOUR, timedelta(minutes=7)][turn])


@pytest.mark.rule("funding-payments-exactly-once")
@pytest.mark.needs("fetch_funding_payments")
@pytest.mark.parametrize("number", range(3))
async def test_windows_of_payments_are_exact(target: Target, venue: Venue, number: int) -> None:
    """From one payment's time on, up to another's: those and no others, oldest first; a limit gives the newest."""
    _pay_often(target)
    true, rng = target.truth().funding_payments(), History(target, f"payments {number}").rng
    with Findings(target) as found:
        for _ in range(6):
            first, last = sorted(rng.choice(true).created_at_ms for _ in range(2))
            last += first == last
            limit = rng.choice([None, None, 1, 3])
            wanted = [each for each in true if first <= each.created_at_ms < last][-(limit or len(true)) :]
            came = await target.run(
                venue.fetch_funding_payments(since=from_ms(first), until=from_ms(last), limit=limit)
            )
            what = f"payments in [{first}, {last}) with limit={limit}"
            if limit is None:
                found.payments(came, wanted, what)
            found.equal(f"times of {what}", [e.ts_venue for e in came], [from_ms(e.created_at_ms) for e in wanted])


@pytest.mark.rule("funding-payments-exactly-once")
@pytest.mark.needs("channel:funding_payments", "fetch_funding_payments")
async def test_payments_come_once_over_the_stream_too(target: Target, venue: Venue) -> None:
    """With frames that come twice and a connection lost on one: each payment once, under the fetch's id."""
    async with target.watch(venue, "funding_payments") as watch:
        target.inject(Channel.FUNDING_PAYMENTS, FaultAction.DUPLICATE, times=2)
        target.inject(Channel.FUNDING_PAYMENTS, FaultAction.DISCONNECT, skip=3, close_code=1006)
        _pay_often(target)
        true = target.truth().funding_payments()
        await watch.until(lambda: len(watch.of(FundingPayment)) >= len(true), f"{len(true)} payments on the stream")
        await target.breathe(20)
        fetched = await target.run(venue.fetch_funding_payments())
    with Findings(target) as found:
        found.payments(watch.of(FundingPayment), true, "streamed payments")
        ids = {each.payment_id for each in fetched}
        found.true({e.payment_id for e in watch.of(FundingPayment)} <= ids, "the stream gives payments other ids")


@pytest.mark.rule("funding-accrual-is-realized")
@pytest.mark.needs("funding:continuous", "fetch_positions", "fetch_funding_payments")
@pytest.mark.parametrize("side", list(Side))
async def test_what_has_accrued_is_what_is_realized(target: Target, venue: Venue, side: Side) -> None:
    """The position's accrued funding is paid at the next trade; the index's change times the size says the same."""
    target.control.set_funding_rate(target.symbol, Decimal("0.00037"))
    _hold(target, side)
    start = target.control.exchange.funding(target.symbol).funding_index
    target.advance(5 * _HOUR)
    target.control.set_price(target.symbol, index=target.control.exchange.index_price(target.symbol) * 101 / 100)
    target.advance(3 * _HOUR)
    held = await only_position(target, venue)
    true = target.truth().positions()[target.symbol]
    with Findings(target) as found:
        found.field(held, "accrued_funding", true.unrealized_funding, "position")
        if "fetch_funding_history" in venue.capabilities.hooks:
            index = (await target.run(venue.fetch_funding_history(target.market, limit=1)))[-1].funding_index
            if index is not None:
                found.true(
                    abs(-held.size * (index - start) - true.unrealized_funding) <= _CENT,
                    f"size {held.size} x the index's change to {index} is not the accrued {true.unrealized_funding}",
                )
        await _settle(target, side)
        payment = (await target.run(venue.fetch_funding_payments(target.market)))[-1]
        found.equal("the payment", payment.amount, held.accrued_funding, "what had accrued")
        after = await only_position(target, venue)
        found.field(after, "accrued_funding", Decimal(0), "position after the trade")
