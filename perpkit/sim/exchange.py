"""
The exchange behind every local venue: markets, accounts, one book for each market and one ledger for all.

A venue's server translates its wire into the calls below and the events and copies back. In short:

- Set-up: :meth:`Exchange.add_market`, :meth:`Exchange.add_account`.
- Orders: :meth:`Exchange.submit` answers with the accepted order in state NEW; the decision (OPEN, UNTRIGGERED or
  CLOSED with its reason) follows as events, within the call, or later between :meth:`Exchange.hold_decisions` and
  :meth:`Exchange.release_decisions`. What is refused at once raises
  :class:`~perpkit.sim.orders.RequestRefusedError`. :meth:`Exchange.amend`, :meth:`Exchange.cancel`,
  :meth:`Exchange.cancel_all`.
- Reading: ``order``, ``open_orders``, ``orders``, ``fills``, ``positions``, ``balances``, ``account``,
  ``funding_payments``, ``transfers``, ``ledger_entries``, ``liquidations``; for everybody ``markets``, ``book``,
  ``bbo``, ``stats``, ``trades``, ``candles``, ``funding``, ``funding_history``.
- Listings take ``since_ms`` and ``until_ms``, both inclusive, and come oldest first in a stable order; each record has
  a time and a unique ``sequence`` or id for cursors. Orders are placed by ``created_at_ms``.
- Events: :meth:`Exchange.subscribe`; see :mod:`perpkit.sim.events` for their kinds.
- Prices and state: ``set_price``, ``set_funding_rate``, ``set_market_status``, ``set_system_status``, ``settle_market``.
- :meth:`Exchange.check_invariants` proves the books: money, positions, orders, order book.

Everything is synchronous and runs in one thread. Times are milliseconds since 1970 on the exchange's clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from perpkit.core.models.market import MarketStatus, PriceKind
from perpkit.sim.accounts import (
    AccountSummary,
    BalanceView,
    FundingPayment,
    LedgerEntry,
    Liquidation,
    MarginMode,
    MarginSetting,
    PositionView,
    Transfer,
)
from perpkit.sim.clock import SimClock
from perpkit.sim.events import Subscriber
from perpkit.sim.market_data import Bbo, BookView, Candle, FundingView, MarketStats
from perpkit.sim.markets import FeeRates, MarketSpec, SystemStatus
from perpkit.sim.orders import AmendResult, CancelResult, CloseReason, Fill, Order, OrderRequest, Side, Trade


@dataclass(frozen=True, slots=True)
class ExchangeConfig:
    """
    Settings of the whole exchange.

    Attributes:
        seed: Ids and every random choice follow from it.
        settle_asset: What accounts hold and everything is paid in.
        funding_sample_every: How often a row is added to the funding history of an index market.
    """

    seed: int = 7
    settle_asset: str = "USDC"
    funding_sample_every: timedelta = timedelta(minutes=1)


class Exchange:
    """See the module's text."""

    clock: SimClock
    config: ExchangeConfig
    system_status: SystemStatus

    def __init__(self, clock: SimClock, config: ExchangeConfig | None = None) -> None: ...

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Tell a subscriber of everything from now on; returns what ends it."""
        ...

    # Set-up and state

    def add_market(self, spec: MarketSpec) -> None:
        """List a market. ValueError if the symbol is taken."""
        ...

    def add_account(
        self, account_id: str, deposit: Decimal = Decimal(0), *, fees: FeeRates | None = None, is_house: bool = False
    ) -> None:
        """Open an account. A house account is exempt from margin, limits and liquidation. ValueError if it is there."""
        ...

    def has_account(self, account_id: str) -> bool: ...
    def account_ids(self) -> list[str]:
        """Accounts of customers, in order of opening; house accounts are left out."""
        ...

    def set_system_status(self, status: SystemStatus) -> None: ...
    def set_market_status(self, market: str, status: MarketStatus) -> None:
        """OPEN, POST_ONLY, CANCEL_ONLY, HALTED (nothing, not even a cancel, no funding). SETTLED by settle_market."""
        ...

    def settle_market(self, market: str, price: Decimal) -> None:
        """Cancel all orders, close all positions at the price, take nothing any more."""
        ...

    def set_price(self, market: str, *, index: Decimal | None = None, mark: Decimal | None = None) -> None:
        """
        Move prices. With ``index`` alone the mark moves in proportion (their ratio stays). Triggers and liquidations
        follow at once.
        """
        ...

    def set_funding_rate(self, market: str, rate: Decimal) -> None:
        """Change the rate from this instant on: a fraction per the market's own period."""
        ...

    def deposit(self, account_id: str, amount: Decimal, *, asset: str | None = None) -> Transfer: ...
    def withdraw(self, account_id: str, amount: Decimal, *, asset: str | None = None) -> Transfer:
        """Refused above the free collateral."""
        ...

    def transfer(self, source: str, target: str, amount: Decimal, *, asset: str | None = None) -> Transfer:
        """Between accounts; returns the source's half."""
        ...

    def set_fee_rates(self, account_id: str, fees: FeeRates | None, *, market: str | None = None) -> None:
        """Give an account its own rates, everywhere or in one market; None takes them away."""
        ...

    def fee_rates(self, account_id: str, market: str) -> FeeRates: ...
    def set_margin(
        self, account_id: str, market: str, *, leverage: Decimal | None = None, mode: MarginMode | None = None
    ) -> MarginSetting:
        """Refused above the market's leverage, when margin would not suffice, or to change mode with anything open."""
        ...

    def margin_setting(self, account_id: str, market: str) -> MarginSetting: ...

    # Orders

    def submit(self, request: OrderRequest) -> Order:
        """
        Take an order in. Returns it in state NEW even if it is decided on within the call; see ``order`` for what
        became of it.

        Raises:
            RequestRefusedError: Malformed, or refused by a rule that needs no look at the account's margin or at the book.
        """
        ...

    def amend(
        self,
        account_id: str,
        order_id: str,
        *,
        size: Decimal | None = None,
        price: Decimal | None = None,
        trigger_price: Decimal | None = None,
    ) -> AmendResult:
        """
        Change an open or untriggered order. ``size`` is the new total, what is filled included. A smaller size keeps
        the place in the queue; anything else loses it. An order amended to what is filled already is closed as filled.

        Raises:
            RequestRefusedError: UNKNOWN_ORDER, ORDER_CLOSED, INVALID_REQUEST or a malformed price or size.
        """
        ...

    def cancel(
        self, account_id: str, order_id: str, *, reason: CloseReason = CloseReason.USER_CANCELED
    ) -> CancelResult:
        """Cancel; carried out within the call unless decisions are held. Refused only in MAINTENANCE or HALTED."""
        ...

    def cancel_by_client_id(
        self, account_id: str, client_id: str, *, market: str | None = None, reason: CloseReason = CloseReason.USER_CANCELED
    ) -> CancelResult:
        """Cancel the open order of that client id, or tell of the latest closed one."""
        ...

    def cancel_all(
        self, account_id: str, market: str | None = None, *, reason: CloseReason = CloseReason.USER_CANCELED
    ) -> list[Order]:
        """Cancel all that is not closed; returns copies as they stood before."""
        ...

    def hold_decisions(self) -> None:
        """From now on leave orders NEW, and cancels queued, until released."""
        ...

    def release_decisions(self) -> None:
        """Decide on what was held, in order of arrival."""
        ...

    # Reading: an account

    def order(self, account_id: str, order_id: str) -> Order | None: ...
    def order_by_client_id(self, account_id: str, client_id: str, *, open_only: bool = True) -> Order | None:
        """The order that is not closed, else (``open_only`` false) the latest closed one."""
        ...

    def open_orders(self, account_id: str, market: str | None = None) -> list[Order]:
        """All that are not closed: NEW, UNTRIGGERED, OPEN."""
        ...

    def orders(
        self,
        account_id: str,
        *,
        market: str | None = None,
        client_id: str | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
    ) -> list[Order]:
        """Every order ever, open ones included."""
        ...

    def fills(
        self,
        account_id: str,
        *,
        market: str | None = None,
        order_id: str | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
    ) -> list[Fill]: ...
    def positions(self, account_id: str, *, include_closed: bool = False) -> list[PositionView]:
        """Open positions; with ``include_closed`` also markets that were traded and are flat."""
        ...

    def position(self, account_id: str, market: str) -> PositionView | None:
        """None if the account never traded it; size 0 if flat."""
        ...

    def balances(self, account_id: str) -> list[BalanceView]: ...
    def account(self, account_id: str) -> AccountSummary: ...
    def ledger_entries(
        self, account_id: str, *, since_ms: int | None = None, until_ms: int | None = None
    ) -> list[LedgerEntry]: ...
    def transfers(
        self, account_id: str, *, since_ms: int | None = None, until_ms: int | None = None
    ) -> list[Transfer]: ...
    def funding_payments(
        self, account_id: str, *, market: str | None = None, since_ms: int | None = None, until_ms: int | None = None
    ) -> list[FundingPayment]: ...
    def liquidations(
        self, account_id: str, *, since_ms: int | None = None, until_ms: int | None = None
    ) -> list[Liquidation]: ...

    # Reading: a market

    def markets(self) -> list[MarketSpec]:
        """All markets with their present status, in order of listing."""
        ...

    def market(self, symbol: str) -> MarketSpec:
        """RequestRefusedError UNKNOWN_MARKET if there is none."""
        ...

    def mark_price(self, market: str) -> Decimal: ...
    def index_price(self, market: str) -> Decimal: ...
    def book(self, market: str, depth: int | None = None, *, interactive: bool = False) -> BookView:
        """``interactive`` shows ``rpi`` orders too, as retail clients see them."""
        ...

    def bbo(self, market: str, *, interactive: bool = False) -> Bbo: ...
    def impact_price(self, market: str, side: Side, size: Decimal) -> Decimal | None:
        """Average price that a market order of the size would get now; None when the book is too thin."""
        ...

    def stats(self, market: str) -> MarketStats: ...
    def trades(self, market: str, *, since_ms: int | None = None, until_ms: int | None = None) -> list[Trade]: ...
    def candles(
        self, market: str, resolution: timedelta, *, since_ms: int, until_ms: int, kind: PriceKind = PriceKind.LAST
    ) -> list[Candle]:
        """Candles that begin within the window; from trades, or from the mark's or index's moves. Gaps repeat the close."""
        ...

    def funding(self, market: str) -> FundingView: ...
    def funding_history(
        self, market: str, *, since_ms: int | None = None, until_ms: int | None = None
    ) -> list[FundingView]: ...

    def check_invariants(self) -> None:
        """Raise :class:`~perpkit.sim.invariants.InvariantError`, with detail, if any book does not balance."""
        ...
