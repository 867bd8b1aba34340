"""
Running against a real venue: what is permitted, and the few things that are done there.

Read-only unless told otherwise. A mainnet needs two separate opt-ins, orders have a cap on what they are worth, and
whatever was placed is canceled and whatever was filled is closed before the run ends.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from typing import Any

from perpkit.core.errors import ConfigError, OutcomeUnknownError, PerpkitError
from perpkit.core.models import Order, OrderIntent, OrderType, Side
from perpkit.core.venue import Venue
from perpkit_conformance.contract import Breach
from perpkit_conformance.profile import VenueProfile
from perpkit_conformance.recordings import Recordings

HARMLESS = frozenset({"testnet", "local"})
"""Environments whose money is worth nothing."""

CONFIRMATION = "PERPKIT_LIVE_REAL_MONEY"
"""The environment variable of the second opt-in; it must hold the venue's name."""

USUAL_CAP = Decimal(50)
HIGHEST_CAP = Decimal(500)
"""In quote units: what one order may be worth."""

_LOOKS, _PAUSE = 60, 0.5
"""How often, and with how many real seconds between, a canceled order is looked at until it is over."""


class Live:
    """
    The plugin under test, opened on a real venue.

    Attributes:
        market: The market that is looked at and, if permitted, traded.
        recordings: Everything sent and received, redacted.
    """

    def __init__(self, profile: VenueProfile, venue: Venue, allowed: Permit, recordings: Recordings) -> None:
        self.profile = profile
        self.venue = venue
        self.permit = allowed
        self.recordings = recordings
        self.market = next(iter(profile.markets))

    def breaches(self) -> list[Breach]:
        """Return every way in which what was sent breaks the venue's contract."""
        addresses = self.profile.live_addresses(self.permit.environment)
        if self.profile.contract is None or addresses is None:
            return []
        return self.profile.contract.check(self.recordings, rest_url=addresses[0], ws_url=addresses[1])


@dataclass(frozen=True, slots=True)
class Permit:
    """
    What a live run may do.

    Attributes:
        environment: Where.
        trade: Whether it may place an order.
        max_notional: What one order may be worth, in quote units.
    """

    environment: str
    trade: bool
    max_notional: Decimal


def permit(
    venue: str,
    environment: str,
    environ: Mapping[str, str],
    *,
    trade: bool = False,
    real_money: bool = False,
    max_notional: Decimal = USUAL_CAP,
) -> Permit:
    """
    Decide what a live run may do.

    Args:
        real_money: The first opt-in, an option of the command; the second is the environment variable.

    Raises:
        ConfigError: A mainnet without both opt-ins, or a cap above the highest one.
    """
    if environment not in HARMLESS:
        missing = [] if real_money else ["the option --real-money"]
        if environ.get(CONFIRMATION) != venue:
            missing.append(f"the environment variable {CONFIRMATION}={venue}")
        if missing:
            msg = f"{environment} of {venue} is real money; it also needs {' and '.join(missing)}"
            raise ConfigError(msg, venue=venue)
    if not 0 < max_notional <= HIGHEST_CAP:
        raise ConfigError(f"an order of {max_notional} is not within the cap of {HIGHEST_CAP}", venue=venue)
    return Permit(environment, trade, max_notional)


def permit_of(venue: str, options: Any) -> Permit:
    """Decide by the options of a pytest run and the process's environment. ConfigError as for :func:`permit`."""
    return permit(venue, options.live, os.environ, trade=options.live_trade, real_money=options.real_money)


async def read_everything(venue: Venue, market: str) -> dict[str, int]:
    """
    Call every claimed read once, and return how many things each gave.

    Raises:
        PerpkitError: One of them failed; ``operation`` says which.
    """
    reads: dict[str, Callable[[], Awaitable[Any]]] = {
        "check_health": venue.check_health,
        "fetch_markets": venue.fetch_markets,
        "fetch_ticker": lambda: venue.fetch_ticker(market),
        "fetch_order_book": lambda: venue.fetch_order_book(market),
        "fetch_trades": lambda: venue.fetch_trades(market, limit=10),
        "fetch_funding_rates": venue.fetch_funding_rates,
        "fetch_funding_history": lambda: venue.fetch_funding_history(market, limit=10),
        "fetch_funding_payments": lambda: venue.fetch_funding_payments(market, limit=10),
        "fetch_account": venue.fetch_account,
        "fetch_balances": venue.fetch_balances,
        "fetch_positions": venue.fetch_positions,
        "fetch_open_orders": venue.fetch_open_orders,
        "fetch_order_history": lambda: venue.fetch_order_history(market, limit=10),
        "fetch_fills": lambda: venue.fetch_fills(market, limit=10),
    }
    found = {}
    for hook, read in reads.items():
        if hook in venue.capabilities.hooks:
            try:
                answer = await read()
            except PerpkitError as error:
                error.operation = error.operation or hook
                raise
            found[hook] = len(answer) if isinstance(answer, list) else 1
    return found


async def try_one_order(venue: Venue, name: str, allowed: Permit) -> Order:
    """
    Place the smallest post-only order far below the market, look at it, and take it away; return its last state.

    Raises:
        ConfigError: The permit does not allow it, or the smallest order is worth more than it allows.
    """
    if not allowed.trade:
        raise ConfigError("this run is read-only; --live-trade lets it place one order", venue=venue.name)
    market = await venue.market(name)
    reference = (await venue.fetch_order_book(market)).bids[0].price
    price = _to(reference * Decimal("0.95"), market.tick_size, ROUND_DOWN)
    size = max(market.min_size or market.step_size, _to((market.min_notional or 0) / price, market.step_size, ROUND_UP))
    if size * price > allowed.max_notional:
        msg = f"the smallest order of {market.id} is worth {size * price}, above the cap of {allowed.max_notional}"
        raise ConfigError(msg, venue=venue.name)
    before = {each.market_id: each.size for each in await venue.fetch_positions()}.get(market.id, Decimal(0))
    intent = OrderIntent(
        market_id=market.id, side=Side.BUY, type=OrderType.LIMIT, size=size, price=price, post_only=True
    )
    try:
        order = await venue.place_order(intent)
    except OutcomeUnknownError as error:
        order = await venue.resolve_order(error)
    try:
        return await _taken_away(venue, order)
    finally:
        await _restore(venue, market.id, before)


async def _taken_away(venue: Venue, order: Order) -> Order:
    if not order.is_terminal:
        await venue.cancel_order(order)
    # The cancel may have been queued only: the venue's own word counts.
    for _ in range(_LOOKS):
        order = await venue.fetch_order(order)
        if order.is_terminal:
            return order
        await asyncio.sleep(_PAUSE)
    raise AssertionError(f"order {order.venue_order_id} is still {order.status}; cancel it by hand")


async def _restore(venue: Venue, market_id: str, before: Decimal) -> None:
    """Undo what a fill changed; where the position is its own, by an order that can only reduce."""
    now = {each.market_id: each.size for each in await venue.fetch_positions()}.get(market_id, Decimal(0))
    change = now - before
    if change:
        reduces = abs(before) < abs(now) and before * now >= 0
        side = Side.SELL if change > 0 else Side.BUY
        await venue.place_order(
            OrderIntent(market_id=market_id, side=side, type=OrderType.MARKET, size=abs(change), reduce_only=reduces)
        )


def _to(value: Decimal, step: Decimal, rounding: str) -> Decimal:
    return (value / step).to_integral_value(rounding) * step
