"""A position's arithmetic against fractions, which never round."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from perpkit.sim.positions import Position, margin_after_trade
from tests.sim.world import World

D = Decimal

trades = st.lists(
    st.tuples(
        st.integers(-5000, 5000).filter(bool).map(lambda steps: steps * D("0.001")),
        st.integers(1, 300_000).map(lambda ticks: ticks * D("0.01")),
    ),
    min_size=1,
    max_size=40,
)


class Model:
    """Average-cost accounting in exact fractions."""

    def __init__(self) -> None:
        self.size = self.average = self.realized = Fraction(0)

    def trade(self, change: Fraction, price: Fraction) -> None:
        """Close what is opposite at the average, open the rest at the price."""
        if self.size * change < 0:
            closed = min(abs(change), abs(self.size))
            self.realized += closed * (price - self.average) * (1 if self.size > 0 else -1)
            left = abs(change) - closed
            self.size += closed if change > 0 else -closed
            change = left if change > 0 else -left
            if self.size == 0:
                self.average = Fraction(0)
        if change:
            self.average = (self.average * abs(self.size) + price * abs(change)) / (abs(self.size) + abs(change))
            self.size += change


def flat() -> Position:
    """A position that was never traded."""
    return Position(id="p", account_id="a", market="BTC")


@given(trades)
def test_size_entry_and_realized_pnl_equal_exact_fractions(steps):
    """Through adds, partial closes and flips nothing strays by more than the rounding of each posting."""
    position, model, realized = flat(), Model(), D(0)
    for change, price in steps:
        realized += position.trade(change, price, D(0), 0).pnl
        model.trade(Fraction(change), Fraction(price))
        assert Fraction(position.size) == model.size
        if position.size:
            assert abs(Fraction(position.entry_price) - model.average) < Fraction(1, 10**8)
        assert abs(Fraction(realized) - model.realized) < Fraction(1, 10**10)


@given(trades)
def test_cost_and_realized_pnl_together_are_exact(steps):
    """Cost is always what was bought minus what was sold, plus what was realized: to the last digit."""
    position, realized, paid = flat(), D(0), D(0)
    for change, price in steps:
        realized += position.trade(change, price, D(0), 0).pnl
        paid += change * price
        assert position.cost == paid + realized
        if not position.size:
            assert position.cost == 0


def test_a_flip_starts_afresh_at_its_price():
    """Long 2 at 100, sell 5 at 110: 20 realized, short 3 at 110, counters reset."""
    position = flat()
    position.trade(D(2), D(100), D(0), 1)
    realized = position.trade(D(-5), D(110), D(0), 2)
    assert realized.pnl == 20
    assert (position.size, position.entry_price, position.realized_pnl) == (D(-3), D(110), D(0))
    assert position.created_at_ms == 2


def test_a_partial_close_keeps_the_entry():
    """Long 3 at an average of 101, sell 1 at 107: 6 realized, entry still 101."""
    position = flat()
    position.trade(D(1), D(99), D(0), 0)
    position.trade(D(2), D(102), D(0), 0)
    realized = position.trade(D(-1), D(107), D(0), 0)
    assert (position.entry_price, realized.pnl, position.exit_price) == (D(101), D(6), D(107))


def test_a_short_gains_when_the_price_falls():
    """Short 2 at 100, mark 90: +20; bought back at 95: +10."""
    position = flat()
    position.trade(D(-2), D(100), D(0), 0)
    assert position.unrealized_pnl(D(90)) == 20
    assert position.trade(D(2), D(95), D(0), 0).pnl == 10


def test_funding_is_settled_for_the_size_before_the_trade():
    """Long 2 while the index grew by 3 pays 6, whatever is traded then."""
    position = flat()
    position.trade(D(2), D(100), D(10), 0)
    realized = position.trade(D(5), D(100), D(13), 0)
    assert (realized.funding, realized.funding_for) == (D(-6), D(2))
    assert position.unrealized_funding(D(13)) == 0


def test_a_short_receives_what_a_long_pays():
    """The sign of funding follows the sign of the size."""
    position = flat()
    position.trade(D(-2), D(100), D(10), 0)
    assert position.unrealized_funding(D(13)) == 6


def test_a_closed_position_shows_its_last_entry():
    """A flat position keeps the entry price that it had, with size 0 and no cost."""
    position = flat()
    position.trade(D(1), D(100), D(0), 5)
    position.trade(D(-1), D(120), D(0), 9)
    assert (position.size, position.cost, position.entry_price, position.exit_price) == (0, 0, 100, 120)
    assert position.closed_at_ms == 9


def test_isolated_margin_follows_the_size():
    """10 % of what is opened comes in, the closed share goes out, a flip begins anew."""
    tenth = D("0.1")
    assert margin_after_trade(D(0), D(0), D(2), D(100), tenth) == 20
    assert margin_after_trade(D(20), D(2), D(3), D(110), tenth) == 31
    assert margin_after_trade(D(30), D(3), D(1), D(500), tenth) == 10
    assert margin_after_trade(D(30), D(3), D(-1), D(100), tenth) == 10
    assert margin_after_trade(D(30), D(3), D(0), D(100), tenth) == 0


def test_positions_of_a_market_are_counted():
    """Closed and opened again, or flipped: each is a position of its own."""
    world = World()
    world.order("ann", "sell", 5, 1000)
    numbers = []
    for side, size in (("buy", 1), ("sell", 1), ("buy", 2), ("sell", 3)):
        world.order("ann", "buy", 3, 999)
        world.order("bob", side, size, 1000 if side == "buy" else 999)
        numbers.append((world.size("bob"), world.exchange.position("bob", "BTC").number))
    assert numbers == [(1, 1), (0, 1), (2, 2), (-1, 3)]


def test_a_position_that_ends_is_kept_with_what_it_came_to():
    """Long 3 at 1000, 1 sold at 1100, then 4 sold at 1050: the long ends, and a short of 2 begins with its own fees."""
    world = World()
    for side, size, price in (("buy", 3, 1000), ("sell", 1, 1100), ("sell", 4, 1050)):
        world.order("ann", "sell" if side == "buy" else "buy", size, price)
        world.order("bob", side, size, price)
    (past,) = world.exchange.past_positions("bob")
    # 100 + 2 x 50 from price; fees of 0.0005 of 3000 to open, of 1100 and of half of 4200 to close.
    assert (past.number, past.max_size, past.realized_pnl) == (1, 3, 200)
    assert (past.open_fees, past.close_fees) == (Decimal("1.5"), Decimal("0.55") + Decimal("1.05"))
    assert past.entry_price == 1000
    assert abs(past.exit_price * 3 - 3200) < Decimal("1e-15")
    position = world.exchange.position("bob", "BTC")
    assert (position.number, position.size, position.max_size) == (2, -2, 2)
    assert (position.open_fees, position.close_fees) == (Decimal("1.05"), 0)
    world.exchange.check_invariants()
