"""
The reading half of the exchange: an account's and a market's state and history, as copies.

Listings take ``since_ms`` and ``until_ms``, both inclusive, and come oldest first in a stable order.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Protocol, TypeVar

from perpkit.core.models.market import PriceKind
from perpkit.core.models.order import Side
from perpkit.sim.accounts import (
    AccountSummary,
    BalanceView,
    FundingPayment,
    LedgerEntry,
    Liquidation,
    MarginSetting,
    PastPosition,
    PositionView,
    Transfer,
)
from perpkit.sim.clock import SimClock
from perpkit.sim.margin import requirement, summarize, view_position
from perpkit.sim.market_data import Bbo, BookView, Candle, FundingView, MarketStats
from perpkit.sim.markets import FeeRates, MarketSpec, SystemStatus
from perpkit.sim.money import ZERO, divide
from perpkit.sim.orders import Fill, Order, Trade
from perpkit.sim.state import ExchangeConfig, MarketState, State
from perpkit.sim.tape import candles


class _Record(Protocol):
    @property
    def created_at_ms(self) -> int: ...


R = TypeVar("R", bound=_Record)


class Reader:
    """What may be asked of the exchange; nothing here changes it."""

    def __init__(self, state: State) -> None:
        self._state = state

    @property
    def clock(self) -> SimClock:
        """The exchange's clock."""
        return self._state.clock

    @property
    def config(self) -> ExchangeConfig:
        """The exchange's settings."""
        return self._state.config

    @property
    def system_status(self) -> SystemStatus:
        """What the whole exchange takes now."""
        return self._state.system_status

    # An account

    def has_account(self, account_id: str) -> bool:
        """Whether there is such an account."""
        return account_id in self._state.accounts

    def account_ids(self) -> list[str]:
        """Return the accounts of customers, in order of opening; house accounts are left out."""
        return [account.id for account in self._state.accounts.values() if not account.is_house]

    def account(self, account_id: str) -> AccountSummary:
        """Return equity, margins and free collateral at the present prices."""
        return summarize(self._state, self._state.account(account_id))

    def order(self, account_id: str, order_id: str) -> Order | None:
        """Return one of the account's orders, open or over; None if it has no such order."""
        order = self._state.orders.get(order_id)
        return order.copy() if order is not None and order.account_id == account_id else None

    def order_by_client_id(self, account_id: str, client_id: str, *, open_only: bool = True) -> Order | None:
        """Return the order that is not closed, else (``open_only`` false) the latest closed one."""
        account = self._state.account(account_id)
        live = account.live_client_ids.get(client_id)
        if live is not None:
            return self._state.orders[live].copy()
        if open_only:
            return None
        return next((order.copy() for order in reversed(account.orders) if order.client_id == client_id), None)

    def open_orders(self, account_id: str, market: str | None = None) -> list[Order]:
        """Return all that are not closed: NEW, UNTRIGGERED, OPEN; oldest first."""
        live = self._state.account(account_id).live.values()
        return [order.copy() for order in live if market is None or order.market == market]

    def orders(
        self,
        account_id: str,
        *,
        market: str | None = None,
        client_id: str | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
    ) -> list[Order]:
        """Return every order ever, open ones included, by ``created_at_ms`` and id."""
        return [
            order.copy()
            for order in _window(self._state.account(account_id).orders, since_ms, until_ms)
            if (market is None or order.market == market) and (client_id is None or order.client_id == client_id)
        ]

    def fills(
        self,
        account_id: str,
        *,
        market: str | None = None,
        order_id: str | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
    ) -> list[Fill]:
        """Return the account's fills."""
        return [
            fill
            for fill in _window(self._state.account(account_id).fills, since_ms, until_ms)
            if (market is None or fill.market == market) and (order_id is None or fill.order_id == order_id)
        ]

    def positions(self, account_id: str, *, include_closed: bool = False) -> list[PositionView]:
        """Return open positions; with ``include_closed`` also markets that were traded and are flat."""
        account = self._state.account(account_id)
        return [
            view_position(self._state, account, position)
            for position in account.positions.values()
            if position.size or include_closed
        ]

    def position(self, account_id: str, market: str) -> PositionView | None:
        """Return a position; None if the account never traded there, size 0 if it is flat."""
        account = self._state.account(account_id)
        position = account.positions.get(self._state.market(market).symbol)
        return view_position(self._state, account, position) if position is not None else None

    def past_positions(self, account_id: str) -> list[PastPosition]:
        """Return the positions that are over, in the order in which they ended."""
        return list(self._state.account(account_id).past_positions)

    def balances(self, account_id: str) -> list[BalanceView]:
        """Return the settled cash of every asset that the account ever held."""
        return [
            BalanceView(account_id=account_id, asset=asset, size=size, updated_at_ms=updated_at_ms, sequence=sequence)
            for asset, size, updated_at_ms, sequence in self._state.ledger.balances(self._state.account(account_id).id)
        ]

    def ledger_entries(
        self, account_id: str, *, since_ms: int | None = None, until_ms: int | None = None
    ) -> list[LedgerEntry]:
        """Return every change of the account's settled cash."""
        return list(_window(self._state.ledger.entries(self._state.account(account_id).id), since_ms, until_ms))

    def transfers(self, account_id: str, *, since_ms: int | None = None, until_ms: int | None = None) -> list[Transfer]:
        """Return deposits, withdrawals and transfers."""
        return list(_window(self._state.account(account_id).transfers, since_ms, until_ms))

    def funding_payments(
        self, account_id: str, *, market: str | None = None, since_ms: int | None = None, until_ms: int | None = None
    ) -> list[FundingPayment]:
        """Return settled funding; payments of nothing are not made."""
        payments = _window(self._state.account(account_id).payments, since_ms, until_ms)
        return [payment for payment in payments if market is None or payment.market == market]

    def liquidations(
        self, account_id: str, *, since_ms: int | None = None, until_ms: int | None = None
    ) -> list[Liquidation]:
        """Return the times that the account was liquidated."""
        return list(_window(self._state.account(account_id).liquidations, since_ms, until_ms))

    def margin_setting(self, account_id: str, market: str) -> MarginSetting:
        """Return leverage and margin mode of an account in a market."""
        account, listed = self._state.account(account_id), self._state.market(market)
        return MarginSetting(
            market=market, leverage=self._state.leverage(account, listed), mode=account.choice(market).mode
        )

    def lacks_margin(self, account_id: str, market: str, side: Side, size: Decimal) -> bool:
        """Return whether an order of the size, resting in the book, would be more than the account's margin covers."""
        account = self._state.account(account_id)
        if account.is_house:
            return False
        stands = account.standing_in(self._state.market(market).symbol)
        before = requirement(self._state, account).cross_initial
        stands[side] += size
        after = requirement(self._state, account)
        stands[side] -= size
        return after.cross_initial > before and after.free < 0

    def fee_rates(self, account_id: str, market: str) -> FeeRates:
        """Return what the account pays in a market."""
        return self._state.fees(self._state.account(account_id), self._state.market(market))

    # A market

    def markets(self) -> list[MarketSpec]:
        """Return all markets with their present status, in order of listing."""
        return [self._spec(market) for market in self._state.markets.values()]

    def market(self, symbol: str) -> MarketSpec:
        """Return a market with its present status; RequestRefusedError UNKNOWN_MARKET if there is none."""
        return self._spec(self._state.market(symbol))

    def mark_price(self, market: str) -> Decimal:
        """Return the price that positions are valued at."""
        return self._state.market(market).mark_price

    def index_price(self, market: str) -> Decimal:
        """Return the outside reference."""
        return self._state.market(market).index_price

    def book(self, market: str, depth: int | None = None, *, interactive: bool = False) -> BookView:
        """Return the book; ``interactive`` shows ``rpi`` orders too, as retail clients see them."""
        listed = self._state.market(market)
        return BookView(
            market=market,
            bids=listed.book.levels(Side.BUY, depth, interactive=interactive),
            asks=listed.book.levels(Side.SELL, depth, interactive=interactive),
            sequence=listed.book.sequence,
            updated_at_ms=listed.book.updated_at_ms,
        )

    def standing_orders(self, market: str, side: Side) -> list[Order]:
        """Return a side's single orders, everybody's, best price first and oldest first at a price."""
        return [order.copy() for order in self._state.market(market).book.standing(side)]

    def bbo(self, market: str, *, interactive: bool = False) -> Bbo:
        """Return best bid and offer."""
        return self._state.market(market).bbo(interactive=interactive)

    def impact_price(self, market: str, side: Side, size: Decimal) -> Decimal | None:
        """Return the average price that a market order of the size would get; None when the book is too thin."""
        value, left = ZERO, size
        for level in self._state.market(market).book.levels(side.opposite):
            taken = min(left, level.size)
            value += taken * level.price
            left -= taken
            if not left:
                return divide(value, size)
        return None

    def stats(self, market: str) -> MarketStats:
        """Return the market's figures now."""
        listed, now_ms = self._state.market(market), self._state.now_ms
        high, low = listed.tape.range_24h(now_ms)
        return MarketStats(
            market=market,
            status=listed.status,
            mark_price=listed.mark_price,
            index_price=listed.index_price,
            last_price=listed.tape.last_price,
            bbo=listed.bbo(),
            funding_rate=listed.funding.rate,
            volume_24h=listed.tape.volume_24h(now_ms),
            total_volume=listed.tape.total_volume,
            price_change_24h=listed.tape.change_24h(now_ms),
            high_24h=high,
            low_24h=low,
            open_interest=sum((p.size for _, p in self._state.holders(market) if p.size > 0), ZERO),
            created_at_ms=now_ms,
        )

    def trades(self, market: str, *, since_ms: int | None = None, until_ms: int | None = None) -> list[Trade]:
        """Return the public tape."""
        return list(_window(list(self._state.market(market).tape.trades), since_ms, until_ms))

    def candles(
        self, market: str, resolution: timedelta, *, since_ms: int, until_ms: int, kind: PriceKind = PriceKind.LAST
    ) -> list[Candle]:
        """
        Return candles that begin within the window: from trades, or from the moves of mark or index.

        They have no holes from the first price on: one without a tick repeats the close before it, with volume 0.
        """
        listed = self._state.market(market)
        ticks: Iterable[tuple[int, Decimal, Decimal]]
        if kind is PriceKind.LAST:
            ticks = ((trade.created_at_ms, trade.price, trade.size) for trade in listed.tape.trades)
        elif kind is PriceKind.MARK:
            ticks = ((move.time_ms, move.mark_price, ZERO) for move in listed.moves)
        else:
            ticks = ((move.time_ms, move.index_price, ZERO) for move in listed.moves)
        return candles(ticks, resolution, since_ms, min(until_ms, self._state.now_ms))

    def funding(self, market: str) -> FundingView:
        """Return rate, premium and index as of now."""
        return funding_view(self._state, self._state.market(market))

    def funding_history(
        self, market: str, *, since_ms: int | None = None, until_ms: int | None = None
    ) -> list[FundingView]:
        """Return samples (continuous markets) or settled periods (discrete ones)."""
        return list(_window(list(self._state.market(market).funding_history), since_ms, until_ms))

    @staticmethod
    def _spec(market: MarketState) -> MarketSpec:
        return market.spec if market.spec.status is market.status else replace(market.spec, status=market.status)


def funding_view(state: State, market: MarketState) -> FundingView:
    """Return a market's funding figures as of now."""
    funding, now_ms = market.funding, state.now_ms
    return FundingView(
        market=market.symbol,
        rate=funding.rate,
        period_hours=funding.period_hours,
        rate_8h=funding.rate_8h,
        premium=funding.premium,
        funding_index=funding.at(now_ms),
        next_at_ms=funding.next_settlement_ms(now_ms),
        created_at_ms=now_ms,
        sequence=state.ids.next_sequence(),
    )


def _window(records: Sequence[R], since_ms: int | None, until_ms: int | None) -> Sequence[R]:
    """Cut a time window, both ends inclusive, out of records that are in order of time."""
    start = 0 if since_ms is None else bisect_left(records, since_ms, key=_created)
    end = len(records) if until_ms is None else bisect_right(records, until_ms, key=_created)
    return records[start:end]


def _created(record: _Record) -> int:
    return record.created_at_ms
