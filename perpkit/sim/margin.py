"""
Equity and margin requirements at the present prices, and the price at which a position would be liquidated.

Cross positions share the account's cash; an isolated one has only what was set aside for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from perpkit.core.models.account import MarginMode
from perpkit.sim.accounts import AccountSummary, PositionView
from perpkit.sim.money import ZERO, divide, to_money
from perpkit.sim.orders import Side
from perpkit.sim.positions import Position
from perpkit.sim.state import AccountState, MarketState, State


@dataclass(slots=True)
class Requirement:
    """
    What an account has and needs.

    Attributes:
        cross_equity: Cash not set aside, plus unrealized PnL and funding of cross positions.
        cross_initial: For cross positions, and for open orders of all markets.
        cross_maintenance: For cross positions.
        isolated: Cash set aside plus unrealized PnL and funding of isolated positions.
    """

    cash: Decimal = ZERO
    unrealized_pnl: Decimal = ZERO
    unrealized_funding: Decimal = ZERO
    set_aside: Decimal = ZERO
    cross_equity: Decimal = ZERO
    cross_initial: Decimal = ZERO
    cross_maintenance: Decimal = ZERO
    isolated: Decimal = ZERO
    isolated_maintenance: Decimal = ZERO

    @property
    def equity(self) -> Decimal:
        """Everything: cash, unrealized PnL, unrealized funding."""
        return self.cash + self.unrealized_pnl + self.unrealized_funding

    @property
    def free(self) -> Decimal:
        """What can back new orders or be withdrawn; negative when short."""
        return self.cross_equity - self.cross_initial

    @property
    def is_cross_liquidatable(self) -> bool:
        """Whether the cross positions must be liquidated."""
        return self.cross_maintenance > 0 and self.cross_equity < self.cross_maintenance


def funding_now(state: State, market: MarketState) -> Decimal:
    """Return a market's funding index now."""
    return market.funding.at(state.now_ms)


def requirement(state: State, account: AccountState) -> Requirement:
    """Add up what an account has and needs now."""
    result = Requirement(cash=state.ledger.balance(account.id, state.settle_asset))
    now_ms = state.now_ms
    for symbol in dict.fromkeys((*account.positions, *account.standing)):
        market = state.markets[symbol]
        position = account.positions.get(symbol)
        size = position.size if position else ZERO
        stands = account.standing.get(symbol)
        exposed = size
        if stands is not None and (stands[Side.BUY] or stands[Side.SELL]):
            exposed = worst_size(size, stands[Side.BUY], stands[Side.SELL])
        if not size and not exposed:
            continue
        fraction = state.initial_fraction(account, market)
        is_isolated = account.choice(symbol).mode is MarginMode.ISOLATED
        needed = abs(exposed) - abs(size) if is_isolated else abs(exposed)
        result.cross_initial += needed * market.mark_price * fraction
        if position is None or not size:
            continue
        pnl = position.unrealized_pnl(market.mark_price)
        funding = position.unrealized_funding(market.funding.at(now_ms))
        maintenance = abs(size) * market.mark_price * market.spec.maintenance_margin
        result.unrealized_pnl += pnl
        result.unrealized_funding += funding
        if is_isolated:
            result.set_aside += position.isolated_margin
            result.isolated += position.isolated_margin + pnl + funding
            result.isolated_maintenance += maintenance
        else:
            result.cross_equity += pnl + funding
            result.cross_maintenance += maintenance
    result.cross_equity += result.cash - result.set_aside
    return result


def worst_size(size: Decimal, buys: Decimal, sells: Decimal) -> Decimal:
    """Return the larger of the two positions that open orders could lead to, without a sign."""
    return max(abs(size + buys), abs(size - sells))


def isolated_shortfall(state: State, account: AccountState, position: Position) -> Decimal:
    """Return by how much an isolated position is below its maintenance margin; 0 or less when it is not."""
    market = state.markets[position.market]
    has = (
        position.isolated_margin
        + position.unrealized_pnl(market.mark_price)
        + position.unrealized_funding(funding_now(state, market))
    )
    return abs(position.size) * market.mark_price * market.spec.maintenance_margin - has


def summarize(state: State, account: AccountState) -> AccountSummary:
    """Return the account's figures as of now. ``free_collateral`` = ``equity`` - ``initial_margin``."""
    need = requirement(state, account)
    return AccountSummary(
        account_id=account.id,
        settle_asset=state.settle_asset,
        status=account.status,
        cash=need.cash,
        equity=need.equity,
        unrealized_pnl=need.unrealized_pnl,
        unrealized_funding=need.unrealized_funding,
        initial_margin=need.cross_initial + need.isolated,
        maintenance_margin=need.cross_maintenance + need.isolated_maintenance,
        free_collateral=need.free,
        isolated_margin=need.set_aside,
        updated_at_ms=account.updated_at_ms,
        sequence=account.sequence,
    )


def view_position(state: State, account: AccountState, position: Position) -> PositionView:
    """Return a copy of a position with everything that follows from present prices."""
    market = state.markets[position.market]
    mark = market.mark_price
    choice = account.choice(position.market)
    notional = abs(position.size) * mark
    return PositionView(
        id=position.id,
        account_id=account.id,
        market=position.market,
        size=position.size,
        cost=position.cost,
        entry_price=position.entry_price,
        exit_price=position.exit_price,
        mark_price=mark,
        unrealized_pnl=position.unrealized_pnl(mark),
        unrealized_funding=position.unrealized_funding(funding_now(state, market)),
        realized_pnl=position.realized_pnl,
        realized_funding=position.realized_funding,
        cached_funding_index=position.cached_funding_index,
        leverage=state.leverage(account, market),
        margin_mode=choice.mode,
        initial_margin=notional * state.initial_fraction(account, market),
        maintenance_margin=notional * market.spec.maintenance_margin,
        isolated_margin=position.isolated_margin if choice.mode is MarginMode.ISOLATED else None,
        liquidation_price=liquidation_price(state, account, position),
        last_fill_id=position.last_fill_id,
        created_at_ms=position.created_at_ms,
        updated_at_ms=position.updated_at_ms,
        closed_at_ms=position.closed_at_ms,
        sequence=position.sequence,
        number=position.number,
        max_size=position.max_size,
        open_fees=position.open_fees,
        close_fees=position.close_fees,
    )


def liquidation_price(state: State, account: AccountState, position: Position) -> Decimal | None:
    """
    Return the mark price at which the position would be liquidated, all other prices staying where they are.

    None for a flat position, for a house account, and where no price above zero does it.
    """
    if not position.size or account.is_house:
        return None
    market = state.markets[position.market]
    fraction = market.spec.maintenance_margin
    if account.choice(position.market).mode is MarginMode.ISOLATED:
        has = position.isolated_margin + position.unrealized_funding(funding_now(state, market)) - position.cost
        others = ZERO
    else:
        need = requirement(state, account)
        has = need.cross_equity - position.size * market.mark_price
        others = need.cross_maintenance - abs(position.size) * market.mark_price * fraction
    # Solve has + size * p = others + |size| * p * fraction for p.
    slope = position.size - abs(position.size) * fraction
    if not slope:
        return None
    price = divide(others - has, slope)
    return to_money(price) if price > 0 else None
