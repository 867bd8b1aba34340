"""
The venue interface: what a venue plugin may do, as pluggy hook specifications in a class for each group.

A plugin implements hooks with ``@hookimpl``; those it can't serve it leaves out. Every hook answers with the first
result (one plugin, plus wrappers). Hooks marked ``async`` in their docstring return an awaitable that the face
(:class:`perpkit.core.venue.Venue`) awaits; an implementation is an ``async def``.

The face has already resolved names to :class:`Market`, chosen a client order id and brought the order onto the
market's grid when a hook is called. Markets arrive as models, so a plugin reads the native symbol from
``market.symbol``. ``docs/hooks.md`` holds each hook's full contract.

New arguments may be added here later: pluggy passes a plugin only those that it names.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

import pluggy

from perpkit.core.errors import PerpkitError
from perpkit.core.models import (
    AccountSummary,
    Balance,
    BookSnapshot,
    CancelResult,
    Candle,
    Fill,
    FundingPayment,
    FundingRate,
    LeverageSetting,
    MarginMode,
    Market,
    Order,
    OrderAmendment,
    OrderIntent,
    OrderRef,
    Position,
    PositionMode,
    PriceKind,
    Subscription,
    Ticker,
    Trade,
    TradingFees,
    VenueHealth,
)

if TYPE_CHECKING:
    from perpkit.core.capabilities import VenueDescription
    from perpkit.core.streams.protocol import AnySource

PROJECT = "perpkit"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)

first = hookspec(firstresult=True)


class LifecycleSpec:
    """Opening, closing and asking how the venue is."""

    @first
    def describe_venue(self) -> VenueDescription:  # type: ignore[empty-body]
        """Return name, environments, capabilities and rate limits. No I/O. Required."""

    @first
    def start(self) -> Awaitable[None]:  # type: ignore[empty-body]
        """Async. Make ready: check the configuration, open sessions. Sign-in happens at the first private call."""

    @first
    def stop(self) -> Awaitable[None]:  # type: ignore[empty-body]
        """Async. Close what ``start`` and later calls opened. Called once, also after a failed start."""

    @first
    def check_health(self) -> Awaitable[VenueHealth]:  # type: ignore[empty-body]
        """Async. Return the venue's own state and how its clock compares with ours."""


class MarketsSpec:
    """Public market data."""

    @first
    def fetch_markets(self) -> Awaitable[list[Market]]:  # type: ignore[empty-body]
        """Async. Return every perpetual listed, with its rules; an unreadable row is logged and left out. Required."""

    @first
    def fetch_ticker(self, market: Market) -> Awaitable[Ticker]:  # type: ignore[empty-body]
        """Async. Return one market's prices."""

    @first
    def fetch_tickers(self) -> Awaitable[list[Ticker]]:  # type: ignore[empty-body]
        """Async. Return the prices of every perpetual, in as few requests as the venue allows."""

    @first
    def fetch_order_book(self, market: Market, depth: int | None) -> Awaitable[BookSnapshot]:  # type: ignore[empty-body]
        """Async. Return the book, at most ``depth`` levels a side; None takes the venue's default."""

    @first
    def fetch_trades(  # type: ignore[empty-body]
        self, market: Market, since: datetime | None, until: datetime | None, limit: int | None
    ) -> Awaitable[list[Trade]]:
        """Async. Return the public tape in [since, until), oldest first; with ``limit``, the newest so many."""

    @first
    def fetch_candles(  # type: ignore[empty-body]
        self,
        market: Market,
        interval: timedelta,
        since: datetime,
        until: datetime,
        price_kind: PriceKind,
    ) -> Awaitable[list[Candle]]:
        """Async. Return bars opened in [since, until), oldest first."""


class FundingSpec:
    """Funding rates and payments."""

    @first
    def fetch_funding_rates(self, markets: Sequence[Market] | None) -> Awaitable[list[FundingRate]]:  # type: ignore[empty-body]
        """Async. Return the live rate of each market (all perpetuals for None). A market without a rate is left out."""

    @first
    def fetch_funding_history(  # type: ignore[empty-body]
        self, market: Market, since: datetime | None, until: datetime | None, limit: int | None
    ) -> Awaitable[list[FundingRate]]:
        """Async. Return past rates in [since, until), oldest first, each saying whether it is settled or a sample."""

    @first
    def fetch_funding_payments(  # type: ignore[empty-body]
        self, market: Market | None, since: datetime | None, until: datetime | None, limit: int | None
    ) -> Awaitable[list[FundingPayment]]:
        """Async. Return funding this account paid or received in [since, until), oldest first."""


class AccountSpec:
    """What the account holds and how it is set."""

    @first
    def fetch_account(self) -> Awaitable[AccountSummary]:  # type: ignore[empty-body]
        """Async. Return equity, free collateral and margins."""

    @first
    def fetch_balances(self) -> Awaitable[list[Balance]]:  # type: ignore[empty-body]
        """Async. Return the balance of each asset held."""

    @first
    def fetch_positions(self) -> Awaitable[list[Position]]:  # type: ignore[empty-body]
        """Async. Return every open position. A flat one is never returned."""

    @first
    def fetch_fees(self, markets: Sequence[Market] | None) -> Awaitable[list[TradingFees]]:  # type: ignore[empty-body]
        """Async. Return this account's maker and taker fee on each market (all perpetuals for None)."""

    @first
    def fetch_leverage(self, market: Market) -> Awaitable[LeverageSetting]:  # type: ignore[empty-body]
        """Async. Return the account's leverage and margin mode on a market."""

    @first
    def set_leverage(self, market: Market, leverage: Decimal) -> Awaitable[LeverageSetting]:  # type: ignore[empty-body]
        """Async. Set the leverage, keep the margin mode, and return what the venue now says."""

    @first
    def set_margin_mode(self, market: Market, mode: MarginMode) -> Awaitable[LeverageSetting]:  # type: ignore[empty-body]
        """Async. Set cross or isolated, keep the leverage, and return what the venue now says."""

    @first
    def adjust_margin(self, market: Market, amount: Decimal) -> Awaitable[None]:  # type: ignore[empty-body]
        """Async. Add so much to an isolated position's collateral, or take it away below zero; returns once done."""

    @first
    def set_position_mode(self, mode: PositionMode) -> Awaitable[PositionMode]:  # type: ignore[empty-body]
        """Async. Set one-way or hedge mode and return what the venue now says."""


class OrdersSpec:
    """Order commands and reads."""

    @first
    def place_order(self, intent: OrderIntent) -> Awaitable[Order]:  # type: ignore[empty-body]
        """Async. Send one order. Returns it, or raises rejected, not sent, or outcome unknown."""

    @first
    def place_orders(self, intents: Sequence[OrderIntent]) -> Awaitable[list[Order | PerpkitError]]:  # type: ignore[empty-body]
        """Async. Send several at once; one result each, in order. A whole failure is raised, or unknown for each."""

    @first
    def amend_order(self, order: Order, amendment: OrderAmendment) -> Awaitable[Order]:  # type: ignore[empty-body]
        """Async. Change an open order; ``order`` is its last known state."""

    @first
    def cancel_order(self, order: OrderRef) -> Awaitable[CancelResult]:  # type: ignore[empty-body]
        """Async. Cancel one order, by the venue's id where given, else by ours."""

    @first
    def cancel_orders(self, orders: Sequence[OrderRef]) -> Awaitable[list[CancelResult | PerpkitError]]:  # type: ignore[empty-body]
        """Async. Cancel several; one result for each, in order."""

    @first
    def cancel_all_orders(self, market: Market | None) -> Awaitable[None]:  # type: ignore[empty-body]
        """Async. Cancel all open orders of one market, or of the account for None; returns when the venue took it."""

    @first
    def fetch_order(self, order: OrderRef) -> Awaitable[Order]:  # type: ignore[empty-body]
        """Async. Return one order, open or not, as far back as the venue keeps it; OrderNotFoundError otherwise."""

    @first
    def fetch_open_orders(self, market: Market | None) -> Awaitable[list[Order]]:  # type: ignore[empty-body]
        """Async. Return every open order, those waiting for a trigger included."""

    @first
    def fetch_order_history(  # type: ignore[empty-body]
        self, market: Market | None, since: datetime | None, until: datetime | None, limit: int | None
    ) -> Awaitable[list[Order]]:
        """Async. Return orders created in [since, until), oldest first; open ones may be among them."""

    @first
    def fetch_fills(  # type: ignore[empty-body]
        self, market: Market | None, since: datetime | None, until: datetime | None, limit: int | None
    ) -> Awaitable[list[Fill]]:
        """Async. Return this account's fills in [since, until), oldest first; with ``limit``, the newest so many."""

    @first
    def set_dead_man_switch(self, after: timedelta | None) -> Awaitable[None]:  # type: ignore[empty-body]
        """Async. Have the venue cancel all orders unless called again within ``after``; None switches it off."""


class StreamsSpec:
    """Live data."""

    @first
    def open_stream(self, channels: Sequence[Subscription]) -> AnySource:  # type: ignore[empty-body]
        """Return the source that the core runs to follow these channels. Not async: nothing is connected yet."""


class Hooks(LifecycleSpec, MarketsSpec, FundingSpec, AccountSpec, OrdersSpec, StreamsSpec):
    """All of them under one name, so that the face can call a hook by its typed specification."""


SPECS: tuple[type, ...] = (LifecycleSpec, MarketsSpec, FundingSpec, AccountSpec, OrdersSpec, StreamsSpec)
"""The groups, in the order of the documentation."""

REQUIRED = frozenset({"describe_venue", "fetch_markets"})
"""Hooks without which a plugin is no venue."""

SYNC_HOOKS = frozenset({"describe_venue", "open_stream"})
"""Hooks that answer at once; all others are async."""
