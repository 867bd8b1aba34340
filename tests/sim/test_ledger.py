"""Money: every account's change is explained, nothing appears or vanishes, whatever anybody does."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perpkit.core.models.account import MarginMode
from perpkit.core.models.order import OrderType, SelfTradePrevention, TimeInForce
from perpkit.sim.accounts import EntryKind
from perpkit.sim.events import BalanceEvent
from perpkit.sim.exchange import INSURANCE
from perpkit.sim.invariants import InvariantError
from perpkit.sim.orders import RefusalReason, RequestRefusedError
from tests.sim.world import BTC, ETH, World

D = Decimal

ACCOUNTS = ["ann", "bob", "cid", "dora"]
accounts = st.sampled_from(["ann", "bob", "cid"])
markets = st.sampled_from([BTC, ETH])
tick_moves = st.integers(-40, 40)
sizes = st.integers(1, 6000)
forces = st.sampled_from([TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK])
stps = st.sampled_from(list(SelfTradePrevention))
operations = st.lists(
    st.one_of(
        st.tuples(
            st.just("order"), accounts, markets, st.sampled_from(["buy", "sell"]), tick_moves, sizes, forces, stps
        ),
        st.tuples(st.just("market"), accounts, markets, st.sampled_from(["buy", "sell"]), sizes, st.booleans()),
        st.tuples(
            st.just("stop"), accounts, markets, st.sampled_from(["buy", "sell"]), tick_moves, sizes, st.booleans()
        ),
        st.tuples(st.just("retail"), accounts, markets, st.sampled_from(["buy", "sell"]), tick_moves, sizes),
        st.tuples(st.just("amend"), accounts, st.integers(0, 5), tick_moves, sizes),
        st.tuples(st.just("cancel"), accounts, st.integers(0, 5)),
        st.tuples(st.just("cancel_all"), accounts, markets),
        st.tuples(st.just("price"), markets, st.integers(80, 125)),
        st.tuples(st.just("quote"), markets),
        st.tuples(st.just("rate"), markets, st.integers(-50, 50)),
        st.tuples(st.just("time"), st.integers(1, 100_000)),
        st.tuples(st.just("deposit"), accounts, st.integers(1, 10**6)),
        st.tuples(st.just("withdraw"), accounts, st.integers(1, 10**6)),
        st.tuples(st.just("transfer"), accounts, accounts, st.integers(1, 10**6)),
        st.tuples(st.just("margin"), accounts, markets, st.integers(1, 20), st.booleans()),
        st.tuples(st.just("liquidate"), accounts),
    ),
    min_size=12,
    max_size=40,
)


def quote(world: World, symbol: str) -> None:
    """Let dora, who is rich, quote three levels on each side of the index, and nothing else."""
    spec, index = world.exchange.market(symbol), world.exchange.index_price(symbol)
    world.exchange.cancel_all("dora", symbol)
    middle = index // spec.tick_size * spec.tick_size
    for away in (1, 5, 20):
        size = 1000 * away * spec.step_size
        world.order("dora", "buy", size, middle - away * spec.tick_size, market=symbol)
        world.order("dora", "sell", size, middle + away * spec.tick_size, market=symbol)


def play(world: World, step: tuple) -> None:
    """Do one thing; what is refused at once changes nothing."""
    kind, *args = step
    exchange = world.exchange
    if kind == "order":
        account, market, side, ticks, size, force, stp = args
        price = market.index_price + ticks * market.tick_size
        world.order(account, side, size * market.step_size, price, market=market.symbol, time_in_force=force, stp=stp)
    elif kind == "market":
        account, market, side, size, reduce_only = args
        world.order(account, side, size * market.step_size, market=market.symbol, reduce_only=reduce_only)
    elif kind == "stop":
        account, market, side, ticks, size, reduce_only = args
        trigger = market.index_price + ticks * market.tick_size
        world.order(
            account,
            side,
            size * market.step_size,
            market=market.symbol,
            type=OrderType.STOP_MARKET,
            trigger_price=trigger,
            reduce_only=reduce_only,
        )
    elif kind == "retail":
        account, market, side, ticks, size = args
        price = market.index_price + ticks * market.tick_size
        world.order(account, side, size * market.step_size, price, market=market.symbol, rpi=True)
    elif kind in {"amend", "cancel"}:
        account, index, *change = args
        live = exchange.open_orders(account)
        if index < len(live):
            order = live[index]
            if kind == "cancel":
                exchange.cancel(account, order.id)
            else:
                spec = exchange.market(order.market)
                price = None if order.is_market else spec.index_price + change[0] * spec.tick_size
                exchange.amend(account, order.id, price=price, size=change[1] * spec.step_size)
    elif kind == "cancel_all":
        exchange.cancel_all(args[0], args[1].symbol)
    elif kind == "price":
        exchange.set_price(args[0].symbol, index=args[0].index_price * args[1] / 100)
    elif kind == "quote":
        quote(world, args[0].symbol)
    elif kind == "rate":
        exchange.set_funding_rate(args[0].symbol, D(args[1]) / 10_000)
    elif kind == "time":
        world.clock.advance(timedelta(seconds=args[0]))
    elif kind == "deposit":
        exchange.deposit(args[0], D(args[1]) / 100)
    elif kind == "withdraw":
        exchange.withdraw(args[0], D(args[1]) / 100)
    elif kind == "transfer":
        exchange.transfer(args[0], args[1], D(args[2]) / 100)
    elif kind == "margin":
        account, market, leverage, isolated = args
        mode = MarginMode.ISOLATED if isolated else MarginMode.CROSS
        exchange.set_margin(account, market.symbol, leverage=D(leverage), mode=mode)
    elif kind == "liquidate":
        exchange.liquidate(args[0])


def expected_equity(world: World, account: str) -> Decimal:
    """
    Work out equity from outside: money in and out, what was paid and received for every fill, open sizes at the mark.

    It uses neither cost, nor realized PnL, nor the balance.
    """
    exchange = world.exchange
    moved = sum((entry.transfer for entry in exchange.ledger_entries(account)), D(0))
    equity = moved - sum((fill.fee for fill in exchange.fills(account)), D(0))
    equity -= sum((fill.side.sign * fill.size * fill.price for fill in exchange.fills(account)), D(0))
    equity += sum((payment.amount for payment in exchange.funding_payments(account)), D(0))
    for spec in exchange.markets():
        size = sum((fill.side.sign * fill.size for fill in exchange.fills(account, market=spec.symbol)), D(0))
        position = exchange.position(account, spec.symbol)
        assert (position.size if position else D(0)) == size
        equity += size * exchange.mark_price(spec.symbol)
        equity += position.unrealized_funding if position else D(0)
    return equity


@settings(max_examples=30, deadline=None)
@given(operations)
def test_money_is_conserved_whatever_happens(steps):
    """After any operations the books balance and each account's equity is fills - fees + funding + transfers."""
    world = World(BTC, ETH, ann=3000, bob=20_000, cid=1000, dora=10**7)
    for symbol in ("BTC", "ETH"):
        quote(world, symbol)
    for step in steps:
        with suppress(RequestRefusedError):
            play(world, step)
        world.exchange.check_invariants()
    for account in ACCOUNTS:
        assert world.exchange.account(account).equity == expected_equity(world, account)
    balances = {event.entry.account_id: event.entry.balance_after for event in world.said(BalanceEvent)}
    for account in ACCOUNTS:
        assert balances.get(account, world.cash(account)) == world.cash(account)


def test_a_round_trip_costs_the_fees_and_earns_the_difference():
    """Buy 2 at 1000, sell 2 at 1010: +20, less the taker's 0.05 % on 2000 and on 2020; the maker gets 0.01 %."""
    world = World()
    world.order("ann", "sell", 2, 1000)
    world.order("bob", "buy", 2, 1000)
    world.order("ann", "buy", 2, 1010)
    world.order("bob", "sell", 2, 1010)
    assert world.cash("bob") == D(100_000) + 20 - D("1.000") - D("1.010")
    assert world.cash("ann") == D(100_000) - 20 + D("0.2000") + D("0.2020")


def test_an_entry_names_its_parts():
    """The closing fill's entry holds PnL, fee and funding, and ends at the balance."""
    world = World()
    world.order("ann", "sell", 1, 1000)
    world.order("bob", "buy", 1, 1000)
    world.order("ann", "buy", 1, 1005)
    world.order("bob", "sell", 1, 1005)
    entry = world.exchange.ledger_entries("bob")[-1]
    assert (entry.kind, entry.realized_pnl, entry.fee) == (EntryKind.FILL, D(5), D("0.5025"))
    assert entry.balance_after - entry.balance_before == entry.amount == D(5) - D("0.5025")
    assert entry.fill_id == world.exchange.fills("bob")[-1].id


def test_an_accounts_own_fees_come_before_the_markets():
    """Rates for account and market beat rates for the account, which beat the market's."""
    world = World()
    world.exchange.set_fee_rates("bob", replace(BTC.fees, taker=D("0.001")))
    assert world.exchange.fee_rates("bob", "BTC").taker == D("0.001")
    world.exchange.set_fee_rates("bob", replace(BTC.fees, taker=D("0.002")), market="BTC")
    world.order("ann", "sell", 1, 1000)
    world.order("bob", "buy", 1, 1000)
    assert world.exchange.fills("bob")[0].fee == D(2)
    world.exchange.set_fee_rates("bob", None, market="BTC")
    world.exchange.set_fee_rates("bob", None)
    assert world.exchange.fee_rates("bob", "BTC") == BTC.fees


def test_no_more_can_be_withdrawn_than_is_free():
    """Long 10 at 1000 with 10 % margin binds 1000; unrealized gains can't be withdrawn."""
    world = World(BTC, ann=10**6, bob=2000)
    world.order("ann", "sell", 10, 1000)
    world.order("bob", "buy", 10, 1000)
    world.exchange.set_price("BTC", index=D(1100))
    # Cash 2000 - 5 fee; equity + 1000; margin 1100: 1895 are free.
    assert world.exchange.account("bob").free_collateral == D(1895)
    with pytest.raises(RequestRefusedError) as refused:
        world.exchange.withdraw("bob", D("1895.01"))
    assert refused.value.reason is RefusalReason.INSUFFICIENT_FUNDS
    world.exchange.withdraw("bob", D(1895))
    assert world.exchange.account("bob").free_collateral == 0


def test_unrealized_gains_are_not_cash():
    """With all the cash free but gains on top, only the cash can be withdrawn."""
    world = World(BTC, ann=10**6, bob=2000)
    world.order("ann", "sell", 1, 1000)
    world.order("bob", "buy", 1, 1000)
    world.exchange.set_price("BTC", index=D(2000))
    assert world.exchange.account("bob").free_collateral == D("2799.5")
    with pytest.raises(RequestRefusedError):
        world.exchange.withdraw("bob", D("1999.51"))
    world.exchange.withdraw("bob", D("1999.5"))
    assert world.cash("bob") == 0


@pytest.mark.parametrize("amount", ["0", "-1", "NaN", "Infinity"])
def test_an_amount_that_is_none_is_refused(amount):
    """Zero, negative and non-finite amounts move nothing."""
    world = World()
    for move in (world.exchange.deposit, world.exchange.withdraw):
        with pytest.raises(RequestRefusedError):
            move("ann", D(amount))
    assert world.cash("ann") == 100_000


def test_a_transfer_has_two_halves():
    """What one account gives the other gets, each with its own record."""
    world = World()
    given_half = world.exchange.transfer("ann", "bob", D(500))
    taken_half = world.exchange.transfers("bob")[-1]
    assert (given_half.incoming, given_half.counterparty, given_half.amount) == (False, "bob", D(500))
    assert (taken_half.incoming, taken_half.counterparty, taken_half.amount) == (True, "ann", D(500))
    assert (world.cash("ann"), world.cash("bob")) == (D(99_500), D(100_500))


def test_other_assets_are_held_but_back_nothing():
    """A deposit of another asset shows among the balances and not in the equity."""
    world = World()
    world.exchange.deposit("ann", D(3), asset="DIME")
    assert {balance.asset: balance.size for balance in world.exchange.balances("ann")} == {
        "USDC": D(100_000),
        "DIME": D(3),
    }
    assert world.exchange.account("ann").equity == 100_000
    world.exchange.check_invariants()


@pytest.mark.parametrize("what", ["cash", "cost", "fill", "standing", "size"])
def test_books_that_do_not_balance_are_found(what):
    """Each kind of damage is reported by the check; a check that never fails proves nothing."""
    world = World()
    world.order("ann", "sell", 2, 1000)
    world.order("bob", "buy", 1, 1000)
    world.exchange.check_invariants()
    state = world.exchange._state
    account = state.accounts["bob"]
    if what == "cash":
        state.ledger._cash["bob"]["USDC"].size += D("0.000000000001")
    elif what == "cost":
        account.positions["BTC"].cost += 1
    elif what == "fill":
        account.fills.pop()
    elif what == "standing":
        state.accounts["ann"].standing["BTC"]["sell"] += 1
    else:
        account.positions["BTC"].size += 1
    with pytest.raises(InvariantError):
        world.exchange.check_invariants()


def test_the_insurance_fund_is_an_account_of_the_house():
    """It holds what it began with and is not listed among customers."""
    world = World()
    assert world.exchange.account(INSURANCE).cash == world.exchange.config.insurance
    assert world.exchange.account_ids() == ["ann", "bob"]
