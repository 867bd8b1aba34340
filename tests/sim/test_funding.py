"""Funding: what accrues, to whom, and when it becomes cash."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perpkit.core.models.market import FundingAccrual, MarketStatus, PriceKind
from perpkit.sim.accounts import EntryKind
from perpkit.sim.events import FundingEvent, FundingPaymentEvent, FundingSettledEvent
from perpkit.sim.funding import FundingIndex
from tests.sim.world import BTC, ETH, World

D = Decimal
HOUR = timedelta(hours=1)

# No fees, so that cash moves by funding alone.
PLAIN = replace(BTC, fees=replace(BTC.fees, maker=D(0), taker=D(0)))
HOURLY = replace(
    PLAIN,
    funding_accrual=FundingAccrual.DISCRETE,
    funding_period=HOUR,
    funding_price=PriceKind.MARK,
    funding_rate=D("0.0001"),
)


def test_the_index_moves_by_rate_times_price_each_period():
    """0.0008 per 8 h on an index of 1000: 0.8 after 8 h, 0.1 after 1 h."""
    world = World()
    world.clock.advance(HOUR)
    assert world.exchange.funding("BTC").funding_index == D("0.1")
    world.clock.advance(7 * HOUR)
    assert world.exchange.funding("BTC").funding_index == D("0.8")


def test_the_index_moves_on_whole_seconds():
    """Within a second it stands still."""
    world = World()
    world.clock.advance(timedelta(milliseconds=2999))
    at_two = world.exchange.funding("BTC").funding_index
    world.clock.advance(timedelta(milliseconds=1))
    at_three = world.exchange.funding("BTC").funding_index
    # 0.8 in 28,800 s, to 18 places.
    assert at_two == D("0.000055555555555556")
    assert at_three == D("0.000083333333333333")


@given(
    st.lists(
        st.tuples(
            st.integers(0, 5000),
            st.one_of(
                st.tuples(st.just("rate"), st.integers(-100, 100)), st.tuples(st.just("price"), st.integers(1, 10**6))
            ),
        ),
        max_size=20,
    )
)
def test_the_index_is_the_sum_over_every_second(steps):
    """Rates and prices that change on whole seconds add up, second by second, as exact fractions do."""
    index = FundingIndex(D("0.0001"), D(1000), timedelta(hours=8), FundingAccrual.CONTINUOUS, 0)
    rate, price, now, exact = Fraction(1, 10_000), Fraction(1000), 0, Fraction(0)
    for seconds, (what, value) in steps:
        exact += Fraction(seconds, 8 * 3600) * rate * price
        now += seconds * 1000
        if what == "rate":
            rate = Fraction(value, 10_000)
            index.change(now, rate=D(value) / 10_000)
        else:
            price = Fraction(value, 100)
            index.change(now, price=D(value) / 100)
        assert abs(Fraction(index.at(now)) - exact) < Fraction(len(steps) + 1, 10**18)


def test_how_often_the_index_is_read_changes_nothing():
    """Two worlds, one read each second, end at the same figure to the last digit."""
    seldom, often = World(seed=1), World(seed=1)
    for _ in range(777):
        often.clock.advance(timedelta(seconds=1))
        often.exchange.funding("BTC")
    seldom.clock.advance(timedelta(seconds=777))
    assert seldom.exchange.funding("BTC").funding_index == often.exchange.funding("BTC").funding_index


@pytest.mark.parametrize(("rate", "buyer_gets"), [("0.0008", "-1.6"), ("-0.0008", "1.6")])
def test_longs_pay_shorts_when_the_rate_is_positive(rate, buyer_gets):
    """Long 2 over 8 h at 0.08 % of 1000: 1.6, from the long to the short, and the other way round."""
    world = World(replace(PLAIN, funding_rate=D(rate)))
    world.order("ann", "sell", 2, 1000)
    world.order("bob", "buy", 2, 1000)
    world.clock.advance(8 * HOUR)
    position = world.exchange.position("bob", "BTC")
    assert position.unrealized_funding == D(buyer_gets)
    assert world.exchange.position("ann", "BTC").unrealized_funding == -D(buyer_gets)
    assert position.unrealized_pnl == 0
    assert world.exchange.account("bob").equity == D(100_000) + D(buyer_gets)
    assert world.cash("bob") == 100_000


def test_it_becomes_cash_when_the_position_changes():
    """A later trade realizes it on that fill, lists a payment, and starts anew."""
    world = World(PLAIN)
    world.order("ann", "sell", 3, 1000)
    world.order("bob", "buy", 2, 1000)
    world.clock.advance(8 * HOUR)
    world.order("bob", "buy", 1, 1000)
    fill = world.exchange.fills("bob")[-1]
    (payment,) = world.exchange.funding_payments("bob")
    assert fill.realized_funding == payment.amount == D("-1.6")
    assert (payment.size, payment.fill_id, payment.funding_index) == (D(2), fill.id, D("0.8"))
    assert world.exchange.position("bob", "BTC").unrealized_funding == 0
    assert world.exchange.position("bob", "BTC").realized_funding == D("-1.6")
    assert world.cash("bob") == D("99998.4")
    assert world.exchange.funding_payments("ann")[0].amount == D("1.6")
    assert len(world.said(FundingPaymentEvent)) == 2


def test_a_first_fill_pays_nothing():
    """Whoever had no position owes no funding, and no payment of 0 is listed."""
    world = World(PLAIN)
    world.clock.advance(8 * HOUR)
    world.order("ann", "sell", 1, 1000)
    world.order("bob", "buy", 1, 1000)
    assert world.exchange.funding_payments("bob") == []
    world.clock.advance(timedelta(milliseconds=500))
    assert world.exchange.position("bob", "BTC").unrealized_funding == 0


def test_an_8_hour_rate_is_normalized():
    """-0.0001 an hour is -0.0008 for 8 hours."""
    world = World(ETH)
    view = world.exchange.funding("ETH")
    assert (view.rate, view.period_hours, view.rate_8h, view.premium) == (D("-0.0001"), D(1), D("-0.0008"), D("-0.01"))
    assert view.next_at_ms is None


def test_a_halted_market_pays_none_and_does_not_catch_up():
    """Two hours of which one was a halt: one hour's funding."""
    world = World(PLAIN)
    world.exchange.set_market_status("BTC", MarketStatus.HALTED)
    world.clock.advance(HOUR)
    assert world.exchange.funding("BTC").funding_index == 0
    world.exchange.set_market_status("BTC", MarketStatus.OPEN)
    world.clock.advance(HOUR)
    assert world.exchange.funding("BTC").funding_index == D("0.1")


def test_a_discrete_market_settles_at_the_end_of_each_period():
    """Every hour on the hour 0.01 % of the mark, as a payment of its own and not with a fill."""
    world = World(HOURLY)
    world.order("ann", "sell", 2, 1000)
    world.order("bob", "buy", 2, 1000)
    start_ms = world.clock.now_ms()
    assert world.exchange.funding("BTC").next_at_ms == start_ms + 3_600_000
    world.clock.advance(timedelta(minutes=59))
    assert world.cash("bob") == 100_000
    world.exchange.set_price("BTC", index=D(1100))
    world.clock.advance(timedelta(minutes=61))
    payments = world.exchange.funding_payments("bob")
    assert [payment.amount for payment in payments] == [D("-0.22"), D("-0.22")]
    assert [payment.rate for payment in payments] == [D("0.0001")] * 2
    assert [payment.fill_id for payment in payments] == [None, None]
    assert [payment.created_at_ms - start_ms for payment in payments] == [3_600_000, 7_200_000]
    assert world.cash("bob") == D("99999.56")
    assert world.exchange.ledger_entries("bob")[-1].kind is EntryKind.FUNDING
    assert [row.created_at_ms - start_ms for row in world.exchange.funding_history("BTC")] == [3_600_000, 7_200_000]
    world.exchange.check_invariants()


def test_a_continuous_market_keeps_samples():
    """One row a minute, oldest first, within the window asked for, both ends included."""
    world = World()
    start_ms = world.clock.now_ms()
    world.clock.advance(timedelta(minutes=5))
    rows = world.exchange.funding_history("BTC", since_ms=start_ms + 120_000, until_ms=start_ms + 240_000)
    assert [row.created_at_ms - start_ms for row in rows] == [120_000, 180_000, 240_000]
    assert len({row.sequence for row in rows}) == 3


def test_subscribers_hear_of_funding_each_second():
    """One event a second when time goes second by second."""
    world = World()
    for _ in range(3):
        world.clock.advance(timedelta(seconds=1))
    indexes = [event.funding.funding_index for event in world.said(FundingEvent)]
    assert len(indexes) == 3
    assert indexes == sorted(set(indexes))


DELAYED = replace(HOURLY, funding_delay=timedelta(seconds=1))


def test_delayed_funding_is_owed_from_the_hour_and_paid_a_second_later():
    """The payment is for the position, price and rate at the hour, whatever happens in the second after it."""
    world = World(DELAYED)
    world.order("ann", "sell", 2, 1000)
    world.order("bob", "buy", 2, 1000)
    world.clock.advance(HOUR)
    assert world.cash("bob") == 100_000
    world.exchange.set_funding_rate("BTC", D("0.5"))
    world.exchange.set_price("BTC", index=D(2000), mark=D(2000))
    world.clock.advance(timedelta(milliseconds=999))
    assert world.exchange.funding_payments("bob") == []
    world.clock.advance(timedelta(milliseconds=1))
    # 2 x 1000 x 0.0001 paid by the long.
    (payment,) = world.exchange.funding_payments("bob")
    assert (payment.amount, payment.rate, payment.price, payment.size) == (D("-0.2"), D("0.0001"), D(1000), D(2))
    assert world.cash("bob") == D("99999.8")
    assert world.cash("ann") == D("100000.2")
    (told,) = world.said(FundingSettledEvent)
    assert told.funding.rate == D("0.0001")
    assert payment.created_at_ms % 3_600_000 == 1000
    world.exchange.check_invariants()


def test_who_trades_between_the_hour_and_the_payment_pays_once():
    """What was closed in between paid with the trade, what was opened in between owes nothing."""
    world = World(DELAYED, ann=100_000, bob=100_000, cat=100_000)
    world.order("ann", "sell", 2, 1000)
    world.order("bob", "buy", 2, 1000)
    world.clock.advance(HOUR)
    world.order("bob", "sell", 2, 1000)
    world.order("cat", "buy", 2, 1000)
    world.clock.advance(timedelta(seconds=1))
    assert [payment.amount for payment in world.exchange.funding_payments("bob")] == [D("-0.2")]
    assert [payment.amount for payment in world.exchange.funding_payments("ann")] == [D("0.2")]
    assert world.exchange.funding_payments("cat") == []
    world.exchange.check_invariants()
