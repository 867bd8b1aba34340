"""Funding rates: their unit, period, sign and kind, live and past, as the ledger reckons them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from perpkit.core.clock import from_ms
from perpkit.core.errors import PerpkitError
from perpkit.core.models import FundingKind, FundingRate, Side
from perpkit.core.venue import Venue
from perpkit_conformance.fixtures import offered
from perpkit_conformance.suite.altering import Place, name_of, recorded
from perpkit_conformance.suite.calls import is_continuous
from perpkit_conformance.suite.comparing import Findings
from perpkit_conformance.suite.funding import HOUR, hold, hours_of, live_rates, set_rates
from perpkit_conformance.suite.histories import History
from perpkit_conformance.target import Target

_SECOND = timedelta(seconds=1)

# Rates


@pytest.mark.rule("funding-sign")
@pytest.mark.needs("fetch_funding_rates")
async def test_a_positive_rate_is_one_that_longs_pay(target: Target, venue: Venue) -> None:
    """Positive and negative rates of several markets have the ledger's sign and figure, none is a percentage."""
    set_rates(target, "0.000011", "-0.000013", "0.000017", "-0.000019")
    came = await live_rates(target, venue)
    with Findings(target) as found:
        for name, symbol in target.profile.markets.items():
            found.true(name in came, f"no rate of {name} was returned")
            if name in came:
                found.equal(f"rate of {name}", came[name].value, target.control.exchange.funding(symbol).rate)


@pytest.mark.rule("funding-period-per-market")
@pytest.mark.needs("fetch_funding_rates")
async def test_each_market_has_its_own_period(target: Target, venue: Venue) -> None:
    """The exchange's period for each market, on the rate and in the listing."""
    listed = {each.symbol: each for each in await target.run(venue.fetch_markets())}
    rates = await live_rates(target, venue)
    several = len({hours_of(target, name) for name in target.profile.markets}) > 1
    told = "several_funding_periods" in target.profile.not_offered
    assert several or told, "the profile needs markets with several periods, or says under not_offered that none are"
    with Findings(target) as found:
        for name, symbol in target.profile.markets.items():
            true = timedelta(hours=1) * int(hours_of(target, name))
            found.equal(f"period of {name}'s rate", rates[name].period, true)
            found.equal(f"funding_interval of {name}", listed[symbol].funding_interval, true)


@pytest.mark.rule("funding-period-per-market")
@pytest.mark.needs("fetch_funding_rates")
async def test_a_changed_period_is_followed(request: pytest.FixtureRequest, target: Target, venue: Venue) -> None:
    """After the venue changed it, listing and rate have the new period, and the rate still means the same cash."""
    offered(request, "funding_period_changes")
    await target.run(venue.fetch_markets())
    for hours in (1, 2, 24):
        target.control.set_funding_period(target.symbol, hours * HOUR)
        listed = {each.symbol: each for each in await target.run(venue.fetch_markets())}
        rate = (await live_rates(target, venue))[target.market]
        true = target.control.exchange.funding(target.symbol)
        with Findings(target) as found:
            found.equal("period of the rate", rate.period, hours * HOUR)
            found.equal("funding_interval", listed[target.symbol].funding_interval, hours * HOUR)
            found.equal("hourly rate", rate.hourly, true.rate / hours)


@pytest.mark.rule("funding-period-per-market")
@pytest.mark.needs("channel:funding")
async def test_a_changed_period_is_followed_on_the_stream(
    request: pytest.FixtureRequest, target: Target, venue: Venue
) -> None:
    """The next rate on the stream has the new period."""
    offered(request, "funding_period_changes")
    async with target.watch(venue, f"funding:{target.market}") as watch:
        target.control.set_funding_period(target.symbol, 2 * HOUR)
        target.control.set_funding_rate(target.symbol, Decimal("0.0031"))

        def there() -> bool:
            return any(each.value == Decimal("0.0031") for each in watch.of(FundingRate))

        await watch.until(there, "a rate of 0.0031 on the stream")
    with Findings(target) as found:
        found.equal("period of the rate", watch.of(FundingRate)[-1].period, 2 * HOUR)


@pytest.mark.rule("funding-annualizes-alike")
@pytest.mark.needs("fetch_funding_rates")
async def test_one_cash_flow_is_one_yearly_figure(target: Target, venue: Venue) -> None:
    """The same hourly cost quoted for 1, 4, 8 and 24 hours: the same rate per hour and per year, by arithmetic."""
    if "funding_period_changes" not in target.profile.not_offered:
        for name, hours in zip(target.profile.markets, (1, 4, 8, 24), strict=False):
            target.control.set_funding_period(target.symbol_of(name), hours * HOUR)
    set_rates(target, "0.0000125")
    await target.run(venue.fetch_markets())
    rates = await live_rates(target, venue)
    with Findings(target) as found:
        for name in target.profile.markets:
            found.equal(f"hourly rate of {name}", rates[name].hourly, Decimal("0.0000125"), "arithmetic")
            found.equal(f"yearly rate of {name}", rates[name].annualized, Decimal("0.1095"), "arithmetic")


@pytest.mark.rule("funding-annualizes-alike")
@pytest.mark.needs("fetch_funding_history")
async def test_the_history_annualizes_alike(target: Target, venue: Venue) -> None:
    """The same for past rates."""
    set_rates(target, "0.0000125")
    target.advance(25 * HOUR)
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
    set_rates(target, "0.00001")
    target.advance(9 * HOUR)
    with Findings(target) as found:
        for hourly in ("-0.00003", "0.00007"):
            set_rates(target, hourly)
            rate = (await live_rates(target, venue))[target.market]
            live = rate.kind in {FundingKind.CURRENT, FundingKind.PREDICTED}
            found.equal("value", rate.value, target.control.exchange.funding(target.symbol).rate)
            found.true(live, f"the live rate calls itself {rate.kind}")
            away = abs(rate.effective_at - target.control.clock.now())
            found.true(away <= timedelta(minutes=1), f"the live rate is of {rate.effective_at}, {away} from now")
            target.advance(2 * HOUR)


@pytest.mark.rule("funding-kinds-are-apart")
@pytest.mark.needs("fetch_funding_rates", "fetch_positions")
async def test_the_notional_price_is_the_one_that_funding_is_paid_on(target: Target, venue: Venue) -> None:
    """With mark and index apart the rate says which of them counts, and gives both."""
    exchange = target.control.exchange
    index = exchange.index_price(target.symbol)
    target.control.set_price(target.symbol, index=index, mark=index * Decimal("1.004"))
    rate = (await live_rates(target, venue))[target.market]
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
            for name, rate in (await live_rates(target, venue)).items():
                if name not in target.profile.markets:
                    continue
                true = target.control.exchange.funding(target.symbol_of(name)).next_at_ms
                found.equal(f"next_at of {name}", rate.next_at, None if true is None else from_ms(true))
            target.advance(5 * HOUR)


@pytest.mark.rule("funding-next-time")
@pytest.mark.needs("fetch_funding_rates")
async def test_the_claimed_accrual_is_the_exchanges(target: Target, venue: Venue) -> None:
    """Continuous or discrete: the claim, the listing and the rates say what the exchange does."""
    true = target.control.exchange.market(target.symbol).funding_accrual
    listed = {each.symbol: each for each in await target.run(venue.fetch_markets())}
    with Findings(target) as found:
        found.equal("the claim", venue.capabilities.funding_accrual, true)
        found.equal("the listing", listed[target.symbol].funding_accrual, true)
        found.equal("the rate", (await live_rates(target, venue))[target.market].accrual, true)


@pytest.mark.rule("funding-stream-agrees")
@pytest.mark.needs("channel:funding", "fetch_funding_rates")
async def test_stream_and_fetch_give_one_rate(target: Target, venue: Venue) -> None:
    """Brought to an hour the last rate of the stream is the fetched one, in markets of several periods."""
    async with target.watch(venue, *(f"funding:{name}" for name in target.profile.markets)) as watch:
        given = set_rates(target, "0.0000125", "-0.000007", "0.00003")
        target.advance(timedelta(seconds=3))

        def last() -> dict[str, FundingRate]:
            return {each.market_id.partition("@")[0]: each for each in watch.of(FundingRate)}

        await watch.until(
            lambda: all(name in last() and last()[name].hourly == rate for name, rate in given.items()),
            f"the hourly rates {given} on the stream",
        )
        fetched = await live_rates(target, venue)
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
    hold(target, Side.BUY, "0.7")
    target.submit(Side.SELL, "0.3", account=1)
    target.control.set_funding_rate(target.symbol, Decimal("0.00012345"))
    movers, true = await _movers(target, venue), Decimal("0.00012345")
    with Findings(target) as found:
        found.equal("the rate", (await live_rates(target, venue))[target.market].value, true)
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
        target.advance(timedelta(minutes=history.rng.choice([20, 65])) if is_continuous(target) else 30 * HOUR)
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
        found.equal(f"period in {what}", each.period, int(wanted.period_hours) * HOUR)
        if each.funding_index is not None:
            found.equal(f"index in {what}", each.funding_index, wanted.funding_index)


@pytest.mark.rule("funding-history-is-ordered")
@pytest.mark.needs("fetch_funding_history")
async def test_a_long_history_is_complete(target: Target, venue: Venue) -> None:
    """More rows than any page holds: all of a window come, each once."""
    start = target.control.clock.now()
    target.advance(timedelta(hours=18) if is_continuous(target) else 1100 * int(hours_of(target, target.market)) * HOUR)
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
    target.advance(30 * HOUR)
    came = await target.run(venue.fetch_funding_history(target.market, limit=20))
    due = FundingKind.SAMPLE if is_continuous(target) else FundingKind.SETTLED
    with Findings(target) as found:
        found.true(came, "there was a history, and none was returned")
        for each in came:
            found.equal("kind", each.kind, due)
            found.equal("market_id", each.market_id, target.id_of(target.symbol))
