"""
What must hold between any two commands, checked from the records and not from running totals. A failure is a defect
of the simulator, never of a client.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from perpkit.core.models.order import Side
from perpkit.sim.ledger import Pool
from perpkit.sim.money import ZERO
from perpkit.sim.orders import Order, OrderState
from perpkit.sim.state import AccountState, MarketState, State


class InvariantError(AssertionError):
    """The exchange's books do not balance; the message lists every finding."""


def check(state: State) -> None:
    """
    Prove the exchange's books.

    Raises:
        InvariantError: Anything that does not hold, all of it.
    """
    found = [
        *_money(state),
        *(finding for account in state.accounts.values() for finding in _account(state, account)),
        *(finding for market in state.markets.values() for finding in _market(state, market)),
    ]
    if found:
        raise InvariantError("; ".join(found))


def _money(state: State) -> Iterator[str]:
    asset = state.settle_asset
    if state.ledger.total(asset):
        yield f"all {asset} of accounts and pools is {state.ledger.total(asset)}, not 0"
    cost = sum((position.cost for account in state.accounts.values() for position in account.positions.values()), ZERO)
    if cost + state.ledger.pool(Pool.PNL, asset):
        yield f"open positions cost {cost}, but {-state.ledger.pool(Pool.PNL, asset)} was realized between accounts"


def _account(state: State, account: AccountState) -> Iterator[str]:
    entries = state.ledger.entries(account.id)
    balance = ZERO
    parts = ZERO
    for entry in entries:
        if entry.asset != state.settle_asset:
            continue
        if entry.balance_before != balance:
            yield f"{account.id}: entry {entry.id} begins at {entry.balance_before}, the one before ended at {balance}"
        balance = entry.balance_after
        parts += entry.realized_pnl - entry.fee + entry.realized_funding + entry.transfer
        if entry.balance_after - entry.balance_before != entry.amount:
            yield f"{account.id}: entry {entry.id} moved {entry.balance_after - entry.balance_before}"
    held = state.ledger.balance(account.id, state.settle_asset)
    if not account.is_house and (balance != held or parts != held):
        yield f"{account.id}: holds {held}, entries end at {balance} and add up to {parts}"
    yield from _fills(state, account)
    yield from _positions(account)
    yield from _orders(state, account)


def _fills(state: State, account: AccountState) -> Iterator[str]:
    """Fills and entries are two records of the same thing."""
    if account.is_house:
        return
    posted = {entry.fill_id: entry for entry in state.ledger.entries(account.id) if entry.fill_id}
    seen: set[str] = set()
    filled: dict[str, Decimal] = {}
    sizes: dict[str, Decimal] = {}
    for fill in account.fills:
        if fill.id in seen:
            yield f"{account.id}: fill {fill.id} is there twice"
        seen.add(fill.id)
        entry = posted.get(fill.id)
        if entry is None or (entry.realized_pnl, entry.fee, entry.realized_funding) != (
            fill.realized_pnl,
            fill.fee,
            fill.realized_funding,
        ):
            yield f"{account.id}: fill {fill.id} and its ledger entry don't agree"
        filled[fill.order_id] = filled.get(fill.order_id, ZERO) + fill.size
        sizes[fill.market] = sizes.get(fill.market, ZERO) + fill.size * fill.side.sign
    if posted.keys() - seen:
        yield f"{account.id}: entries of fills that are not there: {sorted(posted.keys() - seen)}"
    for order in account.orders:
        if filled.get(order.id, ZERO) != order.filled_size:
            yield f"{account.id}: order {order.id} filled {order.filled_size}, its fills {filled.get(order.id, ZERO)}"
    for symbol, position in account.positions.items():
        if sizes.get(symbol, ZERO) != position.size:
            yield f"{account.id}: {symbol} position {position.size}, its fills add up to {sizes.get(symbol, ZERO)}"


def _positions(account: AccountState) -> Iterator[str]:
    for symbol, position in account.positions.items():
        if not position.size and position.cost:
            yield f"{account.id}: flat in {symbol} with a cost of {position.cost}"
        if position.size and (position.cost > 0) != (position.size > 0):
            yield f"{account.id}: {symbol} size {position.size} with a cost of {position.cost}"
        if not position.size and position.isolated_margin:
            yield f"{account.id}: flat in {symbol} with {position.isolated_margin} set aside"


def _orders(state: State, account: AccountState) -> Iterator[str]:
    standing: dict[tuple[str, Side], Decimal] = {}
    known = account.live.values() if account.is_house else account.orders
    for order in known:
        if not ZERO <= order.filled_size <= order.size:
            yield f"order {order.id} of size {order.size} has filled {order.filled_size}"
        if order.is_closed != (order.id not in account.live):
            yield f"order {order.id} is {order.state}, but live says otherwise"
        stands = state.markets[order.market].book.holds(order)
        if stands != (order.state is OrderState.OPEN):
            yield f"order {order.id} is {order.state}; in the book: {stands}"
        if order.is_closed == (order.close_reason is None):
            yield f"order {order.id} is {order.state} with close reason {order.close_reason}"
        if stands and not order.reduce_only:
            key = (order.market, order.side)
            standing[key] = standing.get(key, ZERO) + order.remaining_size
    for symbol, sides in account.standing.items():
        for side, size in sides.items():
            if standing.get((symbol, side), ZERO) != size:
                found = standing.get((symbol, side), ZERO)
                yield f"{account.id}: {size} said to stand on {side} in {symbol}, the book has {found}"


def _market(state: State, market: MarketState) -> Iterator[str]:
    size = sum(
        (account.size_in(market.symbol) for account in state.accounts.values()),
        ZERO,
    )
    if size:
        yield f"{market.symbol}: positions add up to {size}, not 0"
    for interactive in (False, True):
        bid = market.book.best(Side.BUY, interactive=interactive)
        ask = market.book.best(Side.SELL, interactive=interactive)
        if bid and ask and bid.price >= ask.price:
            yield f"{market.symbol}: book crossed, bid {bid.price} and ask {ask.price}"
    for side in Side:
        yield from _side(market, side)


def _side(market: MarketState, side: Side) -> Iterator[str]:
    sums: dict[Decimal, Decimal] = {}
    before: Order | None = None
    for order in market.book.standing(side):
        price = order.price or ZERO
        sums[price] = sums.get(price, ZERO) + order.remaining_size
        if order.remaining_size <= 0:
            yield f"{market.symbol}: order {order.id} stands with {order.remaining_size}"
        if before is not None and (price - (before.price or ZERO)) * side.sign > 0:
            yield f"{market.symbol}: order {order.id} at {price} stands behind {before.id} at {before.price}"
        before = order
    shown = {level.price: level.size for level in market.book.levels(side, interactive=True)}
    if shown != sums:
        yield f"{market.symbol}: {side} levels {shown}, their orders {sums}"
