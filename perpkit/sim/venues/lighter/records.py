"""
What the venue keeps beside the exchange: numbers of orders, trades and books in its own counting, and the
transactions.

It listens to the exchange from the start and never calls it: an order's number, a trade's two sides and a book's
nonce are fixed in the moment they come to be.
"""

from __future__ import annotations

import itertools
import random
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import takewhile
from typing import Any

from perpkit.core.models.fill import FillKind, Liquidity
from perpkit.core.models.order import Side
from perpkit.sim import events
from perpkit.sim.money import ZERO, divide
from perpkit.sim.orders import Fill
from perpkit.sim.state import INSURANCE
from perpkit.sim.venues.lighter.config import FEE_TICK, FIRST_ASK_INDEX, LAST_BID_INDEX

KEPT = 100_000
"""So many trades of a market are kept."""

_FIRST_TRADE = 19_211_000_000
_FIRST_NONCE = 9_182_000_000
_FIRST_HOUSE = 2**48 - 2
_INSURANCE_INDEX = 2**48 - 1
_STEP = 40
_KINDS = {FillKind.LIQUIDATION: "liquidation", FillKind.ADL: "deleverage", FillKind.SETTLEMENT: "market-settlement"}


@dataclass(frozen=True, slots=True)
class Leg:
    """One side of a trade; ``before`` is the signed position that it met, ``order_index`` 0 without an order."""

    account_id: str
    account_index: int
    order_index: int
    client_index: int
    fee_tick: int
    pnl: Decimal
    before: Decimal
    after: Decimal


@dataclass(frozen=True, slots=True)
class TradeRecord:
    """A trade with both its sides; ``taker_is_ask`` tells which of them took."""

    id: int
    market: str
    kind: str
    price: Decimal
    size: Decimal
    time_ms: int
    ask: Leg
    bid: Leg
    taker_is_ask: bool

    def involves(self, account_id: str) -> bool:
        """Tell whether an account is one of its sides."""
        return account_id in {self.ask.account_id, self.bid.account_id}


@dataclass(slots=True)
class BookCount:
    """
    A book's numbers: ``nonce`` is the matching engine's and grows by more than one, ``sequence`` the exchange's.

    Attributes:
        restarted: The count began anew, so that what follows does not continue what was sent.
    """

    nonce: int
    sequence: int = 0
    restarted: bool = False


@dataclass(slots=True)
class TxRecord:
    """A transaction that was accepted; ``status`` 1 pending, 2 executed, 0 failed."""

    hash: str
    type: int
    account_index: int
    api_key_index: int
    nonce: int
    text: str
    expire_at_ms: int
    queued_at_ms: int
    sequence_index: int
    l1_address: str
    status: int = 1
    executed_at_ms: int = 0
    event: dict[str, Any] = field(default_factory=dict)


class Records:
    """
    See the module's text.

    Args:
        traded: Called with each trade; it must not call the exchange.
    """

    def __init__(self, seed: int, traded: Callable[[TradeRecord], None]) -> None:
        self._traded = traded
        self._rng = random.Random(f"{seed}/lighter")  # noqa: S311 - reproducible, not secret
        self._asks = FIRST_ASK_INDEX + self._rng.randrange(10**6, 10**7)
        self._bids = LAST_BID_INDEX - self._rng.randrange(10**6, 10**7)
        self._indices: dict[str, int] = {}
        self._orders: dict[int, str] = {}
        self._houses: dict[str, int] = {}
        self._halves: dict[str, tuple[Fill, Leg]] = {}
        self._held: dict[tuple[str, str], Decimal] = {}
        self._trade_ids = itertools.count(_FIRST_TRADE + self._rng.randrange(10**6))
        self._tx_numbers = itertools.count(79_645_000_000 + self._rng.randrange(10**6))
        self.books: dict[str, BookCount] = {}
        self.trades: dict[str, deque[TradeRecord]] = defaultdict(lambda: deque(maxlen=KEPT))
        self.account_trades: dict[str, list[TradeRecord]] = defaultdict(list)
        self.new_trades: deque[TradeRecord] = deque()
        """Those that the hub has not yet told of."""
        self.transactions: list[TxRecord] = []
        self.slippage: dict[str, str] = {}
        """Status of market orders that were not filled whole, by the exchange's name of them."""
        self._by_hash: dict[str, TxRecord] = {}

    def note(self, event: events.Event) -> None:
        """Take note of what the exchange tells."""
        match event:
            case events.OrderEvent(order=order):
                if order.id not in self._indices:
                    self._number(order.id, order.side)
                elif order.is_closed and _is_house(order.account_id):
                    self._orders.pop(self._indices.pop(order.id))
            case events.FillEvent(fill=fill):
                self._on_fill(fill)
            case events.PositionEvent(position=position):
                self._held[position.account_id, position.market] = position.size
            case events.BookEvent():
                self._on_book(event)
            case _:
                return

    # Orders

    def order_index(self, order_id: str) -> int:
        """Return the venue's number of an order of the exchange."""
        return self._indices[order_id]

    def order_id(self, index: int) -> str | None:
        """Return the exchange's name of the order with a number."""
        return self._orders.get(index)

    def account_index(self, account_id: str) -> int:
        """Return the number of any account; house accounts have those of pools."""
        if not _is_house(account_id):
            return int(account_id)
        if account_id == INSURANCE:
            return _INSURANCE_INDEX
        return self._houses.setdefault(account_id, _FIRST_HOUSE - len(self._houses))

    # Books

    def book(self, market: str) -> BookCount:
        """Return the numbers of a market's book."""
        found = self.books.get(market)
        if found is None:
            found = self.books[market] = BookCount(_FIRST_NONCE + self._rng.randrange(10**6))
        return found

    # Trades

    def trades_since(self, market: str, time_ms: int) -> list[TradeRecord]:
        """Return a market's trades after a moment, oldest first."""
        newest_first = takewhile(lambda record: record.time_ms > time_ms, reversed(self.trades[market]))
        return list(newest_first)[::-1]

    # Transactions

    def add_transaction(self, record: TxRecord) -> None:
        """Keep a transaction that was accepted."""
        self.transactions.append(record)
        self._by_hash[record.hash] = record

    def next_tx_number(self) -> int:
        """Return the number of the next transaction."""
        return next(self._tx_numbers)

    def transaction(self, *, hash_text: str | None = None, number: int | None = None) -> TxRecord | None:
        """Return a transaction by its hash or number."""
        if hash_text is not None:
            return self._by_hash.get(hash_text)
        return next((record for record in self.transactions if record.sequence_index == number), None)

    def transactions_of(self, account_index: int) -> Iterator[TxRecord]:
        """Yield an account's transactions, newest first."""
        return (record for record in reversed(self.transactions) if record.account_index == account_index)

    # Inside

    def _number(self, order_id: str, side: Side) -> None:
        if side is Side.SELL:
            self._asks += self._rng.randrange(1, _STEP)
            index = self._asks
        else:
            self._bids -= self._rng.randrange(1, _STEP)
            index = self._bids
        self._indices[order_id] = index
        self._orders[index] = order_id

    def _on_book(self, event: events.BookEvent) -> None:
        count = self.book(event.market)
        if event.sequence <= count.sequence:
            count.nonce = _FIRST_NONCE + self._rng.randrange(10**5)
            count.restarted = True
        count.nonce += self._rng.randrange(2, _STEP)
        count.sequence = event.sequence

    def _on_fill(self, fill: Fill) -> None:
        before = self._held.get((fill.account_id, fill.market), ZERO)
        after = before + fill.size * fill.side.sign
        self._held[fill.account_id, fill.market] = after
        notional = fill.price * fill.size
        leg = Leg(
            account_id=fill.account_id,
            account_index=self.account_index(fill.account_id),
            order_index=self._indices.get(fill.order_id, 0),
            client_index=int(fill.client_id or 0) if not _is_house(fill.account_id) else 0,
            fee_tick=int(divide(fill.fee, notional * FEE_TICK).to_integral_value()) if notional else 0,
            pnl=fill.realized_pnl,
            before=before,
            after=after,
        )
        if fill.kind is FillKind.SETTLEMENT:
            self._add_trade(fill, leg, _nobody())
            return
        half = self._halves.pop(fill.trade_id, None)
        if half is None:
            self._halves[fill.trade_id] = fill, leg
            return
        taker, maker = ((fill, leg), half) if fill.liquidity is Liquidity.TAKER else (half, (fill, leg))
        self._add_trade(taker[0], taker[1], maker[1])

    def _add_trade(self, taken: Fill, taker: Leg, maker: Leg) -> None:
        taker_is_ask = taken.side is Side.SELL
        ask, bid = (taker, maker) if taker_is_ask else (maker, taker)
        record = TradeRecord(
            id=next(self._trade_ids),
            market=taken.market,
            kind=_KINDS.get(taken.kind, "trade"),
            price=taken.price,
            size=taken.size,
            time_ms=taken.created_at_ms,
            ask=ask,
            bid=bid,
            taker_is_ask=taker_is_ask,
        )
        self.trades[record.market].append(record)
        for account_id in {ask.account_id, bid.account_id}:
            if account_id and not _is_house(account_id):
                self.account_trades[account_id].append(record)
        self.new_trades.append(record)
        self._traded(record)


def _is_house(account_id: str) -> bool:
    return not account_id.isdecimal()


def _nobody() -> Leg:
    return Leg("", 0, 0, 0, 0, ZERO, ZERO, ZERO)
