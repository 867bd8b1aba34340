"""Funding payments: the account's own sign, the rate times the notional, each once, as the ledger reckons them."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from perpkit.core.clock import from_ms
from perpkit.core.models import Channel, FundingPayment, PriceKind, Side
from perpkit.core.venue import Venue
from perpkit.sim.faults import FaultAction
from perpkit_conformance.suite.calls import only_position
from perpkit_conformance.suite.comparing import Findings
from perpkit_conformance.suite.funding import HOUR, hold, live_rates, set_rates
from perpkit_conformance.suite.histories import History
from perpkit_conformance.target import Target

_SECOND = timedelta(seconds=1)
_CENT = Decimal("0.000001")
"""Far below a cent: what rounding may leave between a rate and the payments made at it."""


@pytest.mark.rule("funding-sign")
@pytest.mark.needs("fetch_funding_rates", "fetch_funding_payments")
@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("rate", ["0.0004", "-0.0004"])
async def test_a_payment_has_the_accounts_own_sign(target: Target, venue: Venue, side: Side, rate: str) -> None:
    """Longs pay a positive rate and receive a negative one, shorts the other way round."""
    target.control.set_funding_rate(target.symbol, Decimal(rate))
    hold(target, side)
    target.advance(2 * HOUR)
    await _settle(target, side)
    quoted = (await live_rates(target, venue))[target.market]
    came = await target.run(venue.fetch_funding_payments(target.market))
    with Findings(target) as found:
        found.true(came, "there was a payment in the ledger, and none was returned")
        found.true(quoted.value * Decimal(rate) > 0, f"a rate of {rate} came as {quoted.value}")
        for payment in came:
            paid = payment.amount * side.sign * Decimal(rate)
            found.true(paid < 0, f"with a rate of {rate} a {side} holder has {payment.amount}")


async def _settle(target: Target, side: Side, market: str | None = None) -> None:
    """Trade against the position: on index venues that realizes what has accrued."""
    target.submit(side.opposite, "0.1", market=market)
    await target.breathe()


@pytest.mark.rule("funding-payment-identity")
@pytest.mark.needs("fetch_funding_rates", "fetch_funding_payments", "fetch_positions")
@pytest.mark.parametrize("number", range(2))
async def test_rate_times_notional_is_the_payment(target: Target, venue: Venue, number: int) -> None:
    """In every market, from what the plugin says of rate, period, price and size, over the time that has passed."""
    set_rates(target, *(("0.00005", "-0.00007", "0.0001", "0.00002"), ("-0.0002", "0.00003"))[number])
    names = list(target.profile.markets)
    for name in names:
        size = History(target, f"{number} {name}").size(name)
        target.quote(name, size=size * 5)
        target.submit(list(Side)[number], size, market=name)
    rates = await live_rates(target, venue)
    positions = {each.market_id: each for each in await target.run(venue.fetch_positions())}
    target.advance(24 * HOUR)
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
            periods = Decimal(24 * HOUR // _SECOND) / Decimal(rate.period // _SECOND)
            due = -held.size * (price or Decimal(0)) * rate.value * periods
            found.equal(f"payments of {name}", came, true)
            # Each payment may be rounded.
            close = abs(due - true) <= _CENT * max(1, len(paid))
            found.true(close, f"{name}: {rate.value} per {rate.period} makes {due}, paid was {true}")


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
    set_rates(target, "0.00005", "-0.00007")
    for number, name in enumerate(target.profile.markets):
        size = History(target, name).size(name)
        target.quote(name, size=size * 3)
        for turn in range(4):
            target.submit(list(Side)[(number + turn // 2) % 2], size, market=name)
            target.advance([HOUR, timedelta(0), 8 * HOUR, timedelta(minutes=7)][turn])


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
    hold(target, side)
    start = target.control.exchange.funding(target.symbol).funding_index
    target.advance(5 * HOUR)
    target.control.set_price(target.symbol, index=target.control.exchange.index_price(target.symbol) * 101 / 100)
    target.advance(3 * HOUR)
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
