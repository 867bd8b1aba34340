"""
Everything that the exchange knows, in one place, and the one way to tell subscribers. No rules here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from typing import Any

from perpkit.core.models.market import MarketStatus
from perpkit.sim.accounts import AccountStatus, FundingPayment, Liquidation, PastPosition, Transfer
from perpkit.sim.book import OrderBook
from perpkit.sim.clock import Scheduled, SimClock
from perpkit.sim.events import Event, OrderCause, OrderEvent, Subscriber
from perpkit.sim.funding import FundingIndex
from perpkit.sim.ids import FIRST, Ids
from perpkit.sim.ledger import Ledger
from perpkit.sim.market_data import Bbo, FundingView
from perpkit.sim.markets import FeeRates, MarketSpec, SystemStatus
from perpkit.sim.money import ZERO, divide
from perpkit.sim.orders import CloseReason, Fill, Order, RefusalReason, RequestRefusedError, Side
from perpkit.sim.positions import MarginChoice, Position
from perpkit.sim.tape import KEPT, PriceMove, Tape

_DEFAULT_CHOICE = MarginChoice()

INSURANCE = "@insurance"
"""The house account that takes over what liquidations leave, and pays what liquidated accounts can't."""


@dataclass(frozen=True, slots=True)
class ExchangeConfig:
    """
    Settings of the whole exchange.

    Attributes:
        seed: Ids and every random choice follow from it.
        settle_asset: What accounts hold and everything is paid in.
        insurance: What the insurance fund begins with.
        funding_sample_every: How often a row is added to the funding history of an index market.
        closing_when_restricted: The whole exchange's CANCEL_ONLY also takes reduce-only orders.
        cancels_when_short: An account whose free collateral falls below zero loses its orders that are not reduce-only.
        first_id: Ids begin a little above it; it has as many digits as the venue's.
    """

    seed: int = 7
    settle_asset: str = "USDC"
    insurance: Decimal = Decimal(10_000_000)
    funding_sample_every: timedelta = timedelta(minutes=1)
    closing_when_restricted: bool = False
    cancels_when_short: bool = False
    first_id: int = FIRST


@dataclass(slots=True)
class MarketState:
    """A market and all that changes in it."""

    spec: MarketSpec
    status: MarketStatus
    mark_price: Decimal
    index_price: Decimal
    funding: FundingIndex
    book: OrderBook = field(default_factory=OrderBook)
    tape: Tape = field(default_factory=Tape)
    moves: deque[PriceMove] = field(default_factory=lambda: deque(maxlen=KEPT))
    untriggered: dict[str, Order] = field(default_factory=dict)
    funding_history: deque[FundingView] = field(default_factory=lambda: deque(maxlen=KEPT))
    last_bbo: tuple[object, object] = (None, None)

    @property
    def symbol(self) -> str:
        """The venue's own name."""
        return self.spec.symbol

    def bbo(self, *, interactive: bool = False) -> Bbo:
        """Return best bid and offer."""
        return Bbo(
            market=self.symbol,
            bid=self.book.best(Side.BUY, interactive=interactive),
            ask=self.book.best(Side.SELL, interactive=interactive),
            sequence=self.book.sequence,
            updated_at_ms=self.book.updated_at_ms,
        )


@dataclass(slots=True)
class AccountState:
    """
    An account and all that changes in it; its cash is in the ledger.

    Attributes:
        live: Orders that are not closed, oldest first; ``reducing`` are the reduce-only ones among them.
        standing: By market, how much stands to be bought and sold: open orders in the book that could increase the
            position. What margin and position limits look at.
        owner: Whose account it is, where a venue's customers have several.
    """

    id: str
    is_house: bool
    status: AccountStatus = AccountStatus.ACTIVE
    fees: FeeRates | None = None
    fees_by_market: dict[str, FeeRates] = field(default_factory=dict)
    margin: dict[str, MarginChoice] = field(default_factory=dict)
    positions: dict[str, Position] = field(default_factory=dict)
    live: dict[str, Order] = field(default_factory=dict)
    live_client_ids: dict[str, str] = field(default_factory=dict)
    reducing: dict[str, Order] = field(default_factory=dict)
    owner: str | None = None
    standing: dict[str, dict[Side, Decimal]] = field(default_factory=dict)
    orders: list[Order] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)
    past_positions: list[PastPosition] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)
    payments: list[FundingPayment] = field(default_factory=list)
    liquidations: list[Liquidation] = field(default_factory=list)
    updated_at_ms: int = 0
    sequence: int = 0

    def size_in(self, market: str) -> Decimal:
        """Return the signed position in a market."""
        position = self.positions.get(market)
        return position.size if position else ZERO

    def standing_in(self, market: str) -> dict[Side, Decimal]:
        """Return what stands to be bought and sold in a market."""
        return self.standing.setdefault(market, {Side.BUY: ZERO, Side.SELL: ZERO})

    def choice(self, market: str) -> MarginChoice:
        """Return the leverage and mode chosen for a market."""
        return self.margin.get(market, _DEFAULT_CHOICE)


class State:
    """The exchange's memory."""

    def __init__(self, clock: SimClock, config: ExchangeConfig) -> None:
        self.clock = clock
        self.config = config
        self.ids = Ids(config.seed, config.first_id)
        self.ledger = Ledger(clock, self.ids)
        self.system_status = SystemStatus.OK
        self.markets: dict[str, MarketState] = {}
        self.accounts: dict[str, AccountState] = {}
        self.orders: dict[str, Order] = {}
        self.timers: dict[str, Scheduled] = {}
        self.event_number = 0
        self._subscribers: list[Subscriber] = []

    @property
    def settle_asset(self) -> str:
        """What everything is paid in."""
        return self.config.settle_asset

    @property
    def now_ms(self) -> int:
        """The time on the exchange's clock."""
        return self.clock.now_ms()

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Tell a subscriber of everything from now on; returns what ends it."""
        self._subscribers.append(subscriber)

        def unsubscribe() -> None:
            if subscriber in self._subscribers:
                self._subscribers.remove(subscriber)

        return unsubscribe

    @property
    def is_watched(self) -> bool:
        """Whether anybody listens; costly copies are made only then."""
        return bool(self._subscribers)

    def emit(self, kind: type[Event], **fields: Any) -> None:
        """Tell all subscribers of an event; numbers and stamps it."""
        self.event_number += 1
        if self._subscribers:
            event = kind(number=self.event_number, time_ms=self.now_ms, **fields)
            for subscriber in list(self._subscribers):
                subscriber(event)

    def emit_order(self, order: Order, cause: OrderCause, refused: CloseReason | None = None) -> None:
        """Number and stamp a changed order and tell of it."""
        order.sequence = self.ids.next_sequence()
        order.updated_at_ms = self.now_ms
        if self._subscribers:
            self.emit(OrderEvent, order=order.copy(), cause=cause, refused=refused)
        else:
            self.event_number += 1

    def touch(self, account: AccountState) -> None:
        """Number and stamp an account that changed."""
        account.sequence = self.ids.next_sequence()
        account.updated_at_ms = self.now_ms

    def market(self, symbol: str) -> MarketState:
        """Return a market or refuse."""
        found = self.markets.get(symbol)
        if found is None:
            known = ", ".join(self.markets) or "none"
            raise RequestRefusedError(RefusalReason.UNKNOWN_MARKET, f"there is no market {symbol}; there are {known}")
        return found

    def account(self, account_id: str) -> AccountState:
        """Return an account or refuse."""
        found = self.accounts.get(account_id)
        if found is None:
            raise RequestRefusedError(RefusalReason.UNKNOWN_ACCOUNT, f"there is no account {account_id}")
        return found

    def holders(self, market: str) -> Iterator[tuple[AccountState, Position]]:
        """Yield every account with an open position in a market."""
        for account in list(self.accounts.values()):
            position = account.positions.get(market)
            if position is not None and position.size:
                yield account, position

    def position(self, account: AccountState, market: str) -> Position:
        """Return an account's position in a market, a flat one if it never traded there."""
        position = account.positions.get(market)
        if position is None:
            position = Position(
                id=self.ids.name_of("position", account.id, market), account_id=account.id, market=market
            )
            account.positions[market] = position
        return position

    def leverage(self, account: AccountState, market: MarketState) -> Decimal:
        """Return the leverage that applies: the chosen one, or the market's highest."""
        return account.choice(market.symbol).leverage or divide(Decimal(1), market.spec.initial_margin)

    def initial_fraction(self, account: AccountState, market: MarketState) -> Decimal:
        """Return the initial margin as a fraction of notional at the account's leverage."""
        chosen = account.choice(market.symbol).leverage
        if chosen is None:
            return market.spec.initial_margin
        return max(market.spec.initial_margin, divide(Decimal(1), chosen))

    def fees(self, account: AccountState, market: MarketState, *, retail: bool = False) -> FeeRates:
        """Return the rates that apply: for account and market, for the account, for the market's retail or all."""
        usual = market.spec.retail_fees if retail and market.spec.retail_fees is not None else market.spec.fees
        return account.fees_by_market.get(market.symbol) or account.fees or usual
