"""
What ends an order after it was taken in: the state of its market and account, margin and limits, and the book.

What needs none of these is refused before there is an order, in :mod:`perpkit.sim.validation`.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from perpkit.core.models.market import MarketStatus
from perpkit.core.models.order import Side
from perpkit.sim import engine
from perpkit.sim.accounts import AccountStatus
from perpkit.sim.margin import requirement, worst_size
from perpkit.sim.money import ZERO
from perpkit.sim.orders import CloseReason, Order, OrderState
from perpkit.sim.state import AccountState, MarketState, State


def refusal(state: State, order: Order, size: Decimal, price: Decimal | None) -> CloseReason | None:
    """Return why an order may not go to the book with this size and price; None if nothing forbids it."""
    market, account = state.markets[order.market], state.accounts[order.account_id]
    if _is_shut(market, account, order):
        return CloseReason.MARKET_NOT_OPEN
    if not account.is_house:
        remaining = size - order.filled_size
        refused = (
            (CloseReason.ACCOUNT_IN_LIQUIDATION if account.status is AccountStatus.LIQUIDATION else None)
            or _band_refusal(market, order, price)
            or _count_refusal(account, market, order)
            or _position_refusal(account, market, order, remaining)
            or _margin_refusal(state, account, market, order, remaining)
        )
        if refused is not None:
            return refused
    if order.reduce_only and reducible(state, order) <= 0:
        return CloseReason.REDUCE_ONLY_WOULD_INCREASE
    if order.post_only and engine.would_cross(market.book, replace(order, price=price)):
        return CloseReason.POST_ONLY_WOULD_CROSS
    return None


def waiting_refusal(state: State, order: Order) -> CloseReason | None:
    """Return why an order may not wait for its trigger; None if nothing forbids it."""
    account, market = state.accounts[order.account_id], state.markets[order.market]
    return _count_refusal(account, market, order) or _whole_position_refusal(state, account, order)


def reducible(state: State, order: Order) -> Decimal:
    """Return how much the order could reduce its account's position by now; 0 when it would add to it."""
    held = state.accounts[order.account_id].size_in(order.market)
    return max(ZERO, held * -order.side.sign)


def worst_price(market: MarketState, order: Order) -> Decimal | None:
    """Return the worst price that the market's band allows the order; None without a band."""
    if market.spec.price_band is None:
        return None
    return market.mark_price * (1 + order.side.sign * market.spec.price_band)


def _is_shut(market: MarketState, account: AccountState, order: Order) -> bool:
    if market.status is MarketStatus.CANCEL_ONLY:
        return not (order.reduce_only and market.spec.closing_when_restricted)
    if market.status is MarketStatus.POST_ONLY:
        return not order.post_only and not account.is_house
    return market.status in {MarketStatus.HALTED, MarketStatus.SETTLED}


def _band_refusal(market: MarketState, order: Order, price: Decimal | None) -> CloseReason | None:
    worst = worst_price(market, order)
    if worst is None or price is None or order.is_market:
        return None
    beyond = price > worst if order.side is Side.BUY else price < worst
    return CloseReason.PRICE_OUT_OF_BAND if beyond else None


def _count_refusal(account: AccountState, market: MarketState, order: Order) -> CloseReason | None:
    limit = market.spec.max_open_orders
    if limit is None or account.is_house or order.is_market or order.state is not OrderState.NEW:
        return None
    standing = sum(
        1
        for other in account.live.values()
        if other.market == order.market and other.state in {OrderState.OPEN, OrderState.UNTRIGGERED}
    )
    return CloseReason.MAX_OPEN_ORDERS if standing >= limit else None


def _position_refusal(
    account: AccountState, market: MarketState, order: Order, remaining: Decimal
) -> CloseReason | None:
    limit = market.spec.position_limit
    if limit is None or order.reduce_only:
        return None
    stands = account.standing_in(market.symbol)
    held = account.size_in(market.symbol)
    before = worst_size(held, stands[Side.BUY], stands[Side.SELL])
    buys = stands[Side.BUY] + (remaining if order.side is Side.BUY else ZERO)
    sells = stands[Side.SELL] + (remaining if order.side is Side.SELL else ZERO)
    after = worst_size(held, buys, sells)
    return CloseReason.POSITION_LIMIT if after > limit and after > before else None


def _margin_refusal(
    state: State, account: AccountState, market: MarketState, order: Order, remaining: Decimal
) -> CloseReason | None:
    if order.reduce_only:
        return None
    stands = account.standing_in(market.symbol)
    before = requirement(state, account).cross_initial
    stands[order.side] += remaining
    after = requirement(state, account)
    stands[order.side] -= remaining
    if after.cross_initial > before and after.free < 0:
        return CloseReason.NOT_ENOUGH_MARGIN
    return None


def _whole_position_refusal(state: State, account: AccountState, order: Order) -> CloseReason | None:
    if not order.whole_position:
        return None
    if reducible(state, order) <= 0:
        return CloseReason.REDUCE_ONLY_WOULD_INCREASE
    others = (other for other in account.live.values() if other.market == order.market and other.whole_position)
    taken = any(other.state is not OrderState.NEW for other in others)
    return CloseReason.POSITION_ORDER_CONFLICT if taken else None
