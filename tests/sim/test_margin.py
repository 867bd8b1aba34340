"""Margin: what an account may open, where it is liquidated, and who pays for what is missing."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from perpkit.core.models.account import MarginMode
from perpkit.core.models.fill import FillKind
from perpkit.core.models.market import MarketStatus
from perpkit.sim.accounts import AccountStatus, EntryKind
from perpkit.sim.events import LiquidationEvent
from perpkit.sim.exchange import INSURANCE
from perpkit.sim.orders import CloseReason, OrderState, RefusalReason, RequestRefusedError
from tests.sim.world import BTC, ETH, World

D = Decimal

FREE = replace(BTC, fees=replace(BTC.fees, maker=D(0), taker=D(0)), funding_rate=D(0))
"""10 % initial and 5 % maintenance margin, no fees, no funding: figures that can be done in one's head."""


def long(size: object, cash: int, *markets) -> World:
    """Bob is long so much BTC from 1000, on so much cash; ann, who is rich, is short."""
    world = World(*(markets or (FREE,)), ann=10**7, bob=cash)
    world.order("ann", "sell", size, 1000)
    world.order("bob", "buy", size, 1000)
    return world


def test_margin_figures_of_a_position():
    """Long 5 at 1000 with 1000 in cash: 500 initial, 250 maintenance, 500 free; at 1020 each follows."""
    world = long(5, 1000)
    summary = world.exchange.account("bob")
    assert (summary.equity, summary.initial_margin, summary.maintenance_margin) == (D(1000), D(500), D(250))
    assert summary.free_collateral == 500
    world.exchange.set_price("BTC", index=D(1020))
    summary = world.exchange.account("bob")
    assert (summary.equity, summary.unrealized_pnl, summary.initial_margin) == (D(1100), D(100), D(510))


@pytest.mark.parametrize(("size", "reason"), [("10", None), ("10.001", CloseReason.NOT_ENOUGH_MARGIN)])
def test_an_order_needs_its_margin(size, reason):
    """1000 in cash carry exactly 10 at 1000 and 10 %."""
    world = World(FREE, ann=10**7, bob=1000)
    order = world.order("bob", "buy", size, 999)
    assert order.close_reason is reason
    assert order.state is (OrderState.CLOSED if reason else OrderState.OPEN)


def test_open_orders_bind_margin_and_free_it_when_canceled():
    """6 and then 6 more don't fit into 1000; after the cancel they do."""
    world = World(FREE, ann=10**7, bob=1000)
    first = world.order("bob", "buy", 6, 999)
    assert world.exchange.account("bob").free_collateral == 400
    assert world.order("bob", "buy", 6, 998).close_reason is CloseReason.NOT_ENOUGH_MARGIN
    world.exchange.cancel("bob", first.id)
    assert world.order("bob", "buy", 6, 998).state is OrderState.OPEN


def test_orders_on_both_sides_bind_the_larger_one():
    """A bid for 6 and an offer of 8 can't both become positions: 800 are bound, not 1400."""
    world = World(FREE, ann=10**7, bob=1000)
    world.order("bob", "buy", 6, 990)
    world.order("bob", "sell", 8, 1010)
    assert world.exchange.account("bob").initial_margin == 800


def test_what_reduces_the_position_needs_no_margin():
    """With every cent bound a close is still taken, and so is a flip to the same size."""
    world = long(10, 1000)
    assert world.exchange.account("bob").free_collateral == 0
    assert world.order("bob", "sell", 20, 1001).state is OrderState.OPEN
    assert world.order("bob", "sell", "0.001", 1001).close_reason is CloseReason.NOT_ENOUGH_MARGIN


def test_a_position_limit_counts_open_orders():
    """A limit of 5: long 3, a bid for 2 stands, one more is too much; reducing is not."""
    world = World(replace(FREE, position_limit=D(5)), ann=10**7, bob=10**6)
    world.order("ann", "sell", 3, 1000)
    world.order("bob", "buy", 3, 1000)
    assert world.order("bob", "buy", 2, 990).state is OrderState.OPEN
    assert world.order("bob", "buy", "0.002", 990).close_reason is CloseReason.POSITION_LIMIT
    assert world.order("bob", "sell", 8, 1010).state is OrderState.OPEN


def test_too_many_open_orders_are_refused():
    """With a limit of 2 the third is closed; a market order may still come."""
    world = World(replace(FREE, max_open_orders=2), ann=10**6, bob=10**6)
    world.order("bob", "buy", 1, 990)
    world.order("bob", "buy", 1, 991)
    assert world.order("bob", "buy", 1, 992).close_reason is CloseReason.MAX_OPEN_ORDERS
    world.order("ann", "sell", 1, 1000)
    assert world.order("bob", "buy", 1).close_reason is CloseReason.FILLED


def test_a_price_out_of_the_band_is_refused_on_the_side_that_hurts():
    """5 % around 1000: a bid at 1050.5 is out, an offer at 1200 is not."""
    world = World(replace(FREE, price_band=D("0.05")))
    assert world.order("bob", "buy", 1, "1050.5").close_reason is CloseReason.PRICE_OUT_OF_BAND
    assert world.order("bob", "sell", 1, "949.5").close_reason is CloseReason.PRICE_OUT_OF_BAND
    assert world.order("bob", "sell", 1, 1200).state is OrderState.OPEN


def test_leverage_sets_the_margin():
    """At 5 x a notional of 5000 binds 1000; above the market's 10 x it is refused."""
    world = World(FREE, ann=10**7, bob=1000)
    setting = world.exchange.set_margin("bob", "BTC", leverage=D(5))
    assert (setting.leverage, setting.mode) == (D(5), MarginMode.CROSS)
    assert world.order("bob", "buy", "5.001", 999).close_reason is CloseReason.NOT_ENOUGH_MARGIN
    assert world.order("bob", "buy", 5, 999).state is OrderState.OPEN
    for leverage in (D("0.5"), D("10.5")):
        with pytest.raises(RequestRefusedError) as refused:
            world.exchange.set_margin("bob", "BTC", leverage=leverage)
        assert refused.value.reason is RefusalReason.INVALID_LEVERAGE


def test_leverage_can_not_be_lowered_beyond_the_collateral():
    """Long 10 on 1000 at 10 x can't go to 5 x, and the setting stays."""
    world = long(10, 1000)
    with pytest.raises(RequestRefusedError) as refused:
        world.exchange.set_margin("bob", "BTC", leverage=D(5))
    assert refused.value.reason is RefusalReason.MARGIN_CHANGE_REFUSED
    assert world.exchange.margin_setting("bob", "BTC").leverage == 10


def test_the_mode_can_not_change_with_anything_open():
    """Neither with a position nor with an order; without both it can."""
    world = long(1, 1000)
    with pytest.raises(RequestRefusedError):
        world.exchange.set_margin("bob", "BTC", mode=MarginMode.ISOLATED)
    world.order("ann", "buy", 1, 1000)
    world.order("bob", "sell", 1, 1000)
    order = world.order("bob", "buy", 1, 900)
    with pytest.raises(RequestRefusedError):
        world.exchange.set_margin("bob", "BTC", mode=MarginMode.ISOLATED)
    world.exchange.cancel("bob", order.id)
    assert world.exchange.set_margin("bob", "BTC", mode=MarginMode.ISOLATED).mode is MarginMode.ISOLATED


def test_the_liquidation_price_is_where_liquidation_happens():
    """
    Long 10 from 1000 on 1000: equity 1000 + 10 (p - 1000) meets 5 % of 10 p at 9000 / 9.5 = 947.368...

    Just above nothing happens, just below the account is liquidated.
    """
    world = long(10, 1000)
    price = world.exchange.position("bob", "BTC").liquidation_price
    assert price == D("947.368421052632")
    world.exchange.set_price("BTC", index=D("947.37"), mark=D("947.37"))
    assert world.said(LiquidationEvent) == []
    world.exchange.set_price("BTC", index=D("947.36"), mark=D("947.36"))
    assert len(world.said(LiquidationEvent)) == 1
    assert world.size("bob") == 0


def test_a_short_is_liquidated_above():
    """Short 10 from 1000 on 1000: 1000 - 10 (p - 1000) meets 0.5 p at 11000 / 10.5."""
    world = World(FREE, ann=10**7, bob=1000)
    world.order("ann", "buy", 10, 1000)
    world.order("bob", "sell", 10, 1000)
    assert world.exchange.position("bob", "BTC").liquidation_price == D("1047.619047619048")


def test_a_safe_position_has_no_liquidation_price():
    """A long with more cash than it cost can't be liquidated at any price above zero."""
    world = long(1, 5000)
    assert world.exchange.position("bob", "BTC").liquidation_price is None


def test_liquidation_cancels_orders_and_closes_against_the_book():
    """The book takes it at its price; fills are labeled, the account is active again, orders are gone."""
    world = long(10, 1000)
    resting = world.order("bob", "sell", 1, 1200)
    world.order("ann", "buy", 10, 945)
    world.exchange.set_price("BTC", index=D(947))
    fill = world.exchange.fills("bob")[-1]
    assert (fill.kind, fill.price, fill.size, fill.fee) == (FillKind.LIQUIDATION, D(945), D(10), D(0))
    assert fill.realized_pnl == -550
    assert world.now("bob", resting).close_reason is CloseReason.ACCOUNT_IN_LIQUIDATION
    assert world.exchange.account("bob").status is AccountStatus.ACTIVE
    assert world.cash("bob") == 450
    assert len(world.exchange.liquidations("bob")) == 1
    assert world.exchange.trades("BTC")[-1].kind is FillKind.LIQUIDATION
    world.exchange.check_invariants()


def test_a_liquidated_account_pays_no_trading_fee_but_the_other_side_does():
    """The liquidation has a fee of its own; whoever stood in the book pays or earns as always."""
    fees = replace(FREE.fees, maker=D("0.001"), taker=D("0.01"))
    world = World(replace(FREE, fees=fees), ann=10**7, bob=1100)
    world.order("ann", "sell", 10, 1000)
    world.order("bob", "buy", 10, 1000)
    assert world.cash("bob") == 1000
    world.order("ann", "buy", 10, 945)
    world.exchange.set_price("BTC", index=D(947))
    assert world.exchange.fills("bob")[-1].fee == 0
    assert world.exchange.fills("ann")[-1].fee == D("9.45")


def test_reduce_only_orders_go_with_a_position_that_is_handed_over():
    """ADL closes the position; the reduce-only offer for it is closed too."""
    world = long(10, 10**6)
    resting = world.order("bob", "sell", 10, 1100, reduce_only=True)
    world.exchange.deleverage("ann", "bob", "BTC")
    assert world.now("bob", resting).close_reason is CloseReason.REDUCE_ONLY_WOULD_INCREASE


def test_an_account_without_free_collateral_may_still_reduce():
    """After a loss margin is short, but an order that binds no more of it is taken."""
    world = long(10, 1000)
    world.exchange.set_price("BTC", index=D(970))
    assert world.exchange.account("bob").free_collateral < 0
    assert world.order("bob", "sell", 5, 980).state is OrderState.OPEN
    assert world.order("bob", "buy", 1, 960).close_reason is CloseReason.NOT_ENOUGH_MARGIN


def test_a_position_above_its_limit_may_be_reduced():
    """When the limit falls below the position only what makes it larger is refused."""
    world = long(10, 10**6)
    world.exchange.change_market(replace(FREE, position_limit=D(5)))
    assert world.order("bob", "buy", 1, 990).close_reason is CloseReason.POSITION_LIMIT
    assert world.order("bob", "sell", 3, 1010).state is OrderState.OPEN


def test_what_the_book_can_not_take_goes_to_the_insurance_fund():
    """4 of 10 are bid for; the fund takes over 6 at the mark and the account's fee."""
    world = long(10, 1000, replace(FREE, liquidation_fee=D("0.01")))
    world.order("ann", "buy", 4, 940)
    world.exchange.set_price("BTC", index=D(945))
    assert world.size(INSURANCE) == 6
    # 1000 - 4 x 60 - 6 x 55 - 1 % of 9450
    assert world.cash("bob") == D(1000) - 240 - 330 - D("94.50")
    assert world.exchange.ledger_entries("bob")[-1].kind is EntryKind.LIQUIDATION_FEE
    world.exchange.check_invariants()


def test_the_insurance_fund_pays_what_the_account_can_not():
    """A jump to 800 loses 2000 on a cash of 1000; the fund covers the other 1000 and the account ends at 0."""
    world = long(10, 1000)
    before = world.cash(INSURANCE)
    world.exchange.set_price("BTC", index=D(800))
    assert world.cash("bob") == 0
    entry = world.exchange.ledger_entries("bob")[-1]
    assert (entry.kind, entry.amount) == (EntryKind.INSURANCE, D(1000))
    assert before - world.cash(INSURANCE) == 1000
    world.exchange.check_invariants()


def test_an_isolated_position_loses_only_its_own_margin():
    """10 x isolated: 1000 set aside of 5000; a jump to 700 costs 1000 and not 3000."""
    world = World(FREE, ann=10**7, bob=5000)
    world.exchange.set_margin("bob", "BTC", mode=MarginMode.ISOLATED)
    world.order("ann", "sell", 10, 1000)
    world.order("bob", "buy", 10, 1000)
    position = world.exchange.position("bob", "BTC")
    assert (position.isolated_margin, position.liquidation_price) == (D(1000), D("947.368421052632"))
    summary = world.exchange.account("bob")
    assert (summary.free_collateral, summary.initial_margin, summary.isolated_margin) == (D(4000), D(1000), D(1000))
    world.exchange.set_price("BTC", index=D(700))
    assert world.cash("bob") == 4000
    assert world.size("bob") == 0
    world.exchange.check_invariants()


def test_cross_positions_help_each_other():
    """A gain in one market keeps a loss in the other alive."""
    world = long(10, 1000, FREE, replace(ETH, fees=FREE.fees, funding_rate=D(0)))
    world.exchange.deposit("bob", D(500))
    world.order("ann", "sell", 50, 100, market="ETH")
    world.order("bob", "buy", 50, 100, market="ETH")
    world.exchange.set_price("ETH", index=D(120))
    world.exchange.set_price("BTC", index=D(900))
    assert world.said(LiquidationEvent) == []
    world.exchange.set_price("ETH", index=D(95))
    assert len(world.said(LiquidationEvent)) == 1


def test_liquidation_closes_the_costliest_position_first_and_stops_when_sound():
    """With BTC gone the account is sound; the ETH position stays."""
    world = long(10, 1000, FREE, replace(ETH, fees=FREE.fees, funding_rate=D(0)))
    world.exchange.deposit("bob", D(100))
    world.order("ann", "sell", 10, 100, market="ETH")
    world.order("bob", "buy", 10, 100, market="ETH")
    world.exchange.set_price("BTC", index=D(930))
    assert (world.size("bob"), world.size("bob", "ETH")) == (D(0), D(10))


def test_accruing_funding_alone_can_liquidate():
    """Nobody trades and no price moves; the seconds go by and the long runs dry."""
    world = long(10, 1000, replace(FREE, funding_rate=D("0.05")))
    # 500 above maintenance, 500 a period of 8 hours.
    world.clock.advance(timedelta(hours=8))
    assert world.said(LiquidationEvent) == []
    world.clock.advance(timedelta(seconds=1))
    assert len(world.said(LiquidationEvent)) == 1
    world.exchange.check_invariants()


def test_a_halted_market_liquidates_when_it_opens():
    """While it is halted nothing can be closed; on opening it is."""
    world = long(10, 1000)
    world.exchange.set_market_status("BTC", MarketStatus.HALTED)
    world.exchange.set_price("BTC", index=D(900))
    world.clock.advance(timedelta(seconds=10))
    assert (world.size("bob"), world.said(LiquidationEvent)) == (D(10), [])
    world.exchange.set_market_status("BTC", MarketStatus.OPEN)
    assert world.size("bob") == 0


def test_adl_closes_both_sides_at_the_mark():
    """The loser's 4 are closed against the winner's 10 at the mark price, labeled."""
    world = World(FREE, ann=10**6, bob=10**6, cid=10**6)
    world.order("ann", "sell", 10, 1000)
    world.order("bob", "buy", 4, 1000)
    world.order("cid", "buy", 6, 1000)
    world.exchange.set_price("BTC", index=D(900))
    world.exchange.deleverage("ann", "bob", "BTC")
    assert (world.size("ann"), world.size("bob")) == (D(-6), D(0))
    assert {world.exchange.fills(name)[-1].kind for name in ("ann", "bob")} == {FillKind.ADL}
    with pytest.raises(ValueError, match="can't close"):
        world.exchange.deleverage("bob", "cid", "BTC")
    world.exchange.check_invariants()


def test_a_settled_market_pays_everybody_and_takes_nothing_more():
    """Positions close at the settlement price, orders are gone, new ones refused."""
    world = long(10, 5000)
    resting = world.order("bob", "buy", 1, 900)
    world.exchange.settle_market("BTC", D(1030))
    assert (world.size("ann"), world.size("bob")) == (0, 0)
    assert world.cash("bob") == 5300
    assert world.exchange.fills("bob")[-1].kind is FillKind.SETTLEMENT
    assert world.now("bob", resting).close_reason is CloseReason.MARKET_NOT_OPEN
    with pytest.raises(RequestRefusedError) as refused:
        world.order("bob", "buy", 1, 900)
    assert refused.value.reason is RefusalReason.MARKET_NOT_OPEN
    world.exchange.check_invariants()
