"""Local limits on what may be ordered, checked before anything is sent. What can't be checked is refused."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Collection, Generator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NoReturn, cast

from perpkit.core.clock import Clock, SystemClock
from perpkit.core.errors import (
    ConfigError,
    DecodeError,
    NotSentError,
    OutcomeUnknownError,
    PerpkitError,
    RiskLimitError,
    StreamError,
    TransportError,
)
from perpkit.core.hookspecs import hookimpl
from perpkit.core.middleware.around import Wrapped, around
from perpkit.core.middleware.exposure import Entry, Exposure
from perpkit.core.middleware.one_venue import OneVenue
from perpkit.core.models import (
    BookSnapshot,
    Market,
    MarketId,
    Order,
    OrderAmendment,
    OrderIntent,
    OrderRef,
    Position,
    Side,
    Subscription,
    Ticker,
)
from perpkit.core.outcome import MARGIN
from perpkit.core.quantize import plain
from perpkit.core.streams.protocol import Data, Frame, Incoming, StreamSource

_MINUTE = 60.0


class RiskLimits(OneVenue):
    """
    Refuses orders that would break a limit, with :class:`RiskLimitError` and before anything is sent.

    It knows of orders, positions and prices what passes through it: answers to commands and fetches, and streams. What
    a limit needs and nobody asked for yet is a reason to refuse, and the message names the call to make. Orders under
    way and orders of unknown outcome count as if they stood. Cancels always pass.

    Args:
        markets: Ids of the markets that may be traded; None for all.
        max_order_notional: The largest size x price of one order, in quote units.
        max_position: By market id, the largest position to either side in base units that may come about if every order
            fills. Reducing always passes.
        max_position_notional: The same for each market, in quote units at the reference price.
        max_open_orders: Orders that stand or may stand, in the whole account.
        max_orders_per_minute: Orders and amendments that may be sent in any 60 s.
        reduce_only: Take only reduce-only orders.
        max_price_age: How old a reference price may be.
    """

    def __init__(
        self,
        *,
        markets: Collection[MarketId] | None = None,
        max_order_notional: Decimal | int | str | None = None,
        max_position: Mapping[MarketId, Decimal | int | str] | None = None,
        max_position_notional: Decimal | int | str | None = None,
        max_open_orders: int | None = None,
        max_orders_per_minute: int | None = None,
        reduce_only: bool = False,
        max_price_age: timedelta = timedelta(seconds=60),
        clock: Clock | None = None,
    ) -> None:
        super().__init__()
        if isinstance(markets, str):
            raise ConfigError(f"markets={markets!r}: pass a collection of market ids")
        self._markets = None if markets is None else frozenset(_market_id("markets", each) for each in markets)
        self._max_order_notional = _amount("max_order_notional", max_order_notional)
        self._max_position = {
            _market_id("max_position", market_id): _required(f"max_position[{market_id}]", limit)
            for market_id, limit in (max_position or {}).items()
        }
        self._max_position_notional = _amount("max_position_notional", max_position_notional)
        self._max_open_orders = _count("max_open_orders", max_open_orders)
        self._max_per_minute = _count("max_orders_per_minute", max_orders_per_minute)
        self.reduce_only = reduce_only
        self._max_price_age = max_price_age
        self._clock = clock or SystemClock()
        self._exposure = Exposure()
        self._prices: dict[MarketId, tuple[Decimal, datetime]] = {}
        self._sent: deque[float] = deque()
        self._killed: str | None = None

    # the switch ------------------------------------------------------------------------------------------------

    def kill(self, reason: str) -> None:
        """Refuse every order and amendment from now on, reducing ones too. Cancels pass."""
        self._killed = reason

    def revive(self) -> None:
        """Take orders again."""
        self._killed = None

    @property
    def killed(self) -> str | None:
        """Why orders are refused; None when they are not."""
        return self._killed

    def forget(self, client_order_id: str) -> bool:
        """
        Stop counting an order that ``resolve_order`` proved never to have been received; return whether it counted.

        Where the venue's acceptance window is known this happens by itself, at the next fetch of the open orders.
        """
        return self._exposure.forget(client_order_id)

    # commands --------------------------------------------------------------------------------------------------

    @hookimpl(wrapper=True)
    def place_order(self, intent: OrderIntent) -> Wrapped[Order]:
        """Check one order, and count it until its end is known."""
        inner = yield
        return around(inner, self._place, intent)

    async def _place(self, call: Awaitable[Order], intent: OrderIntent) -> Order:
        entry = self._admit("place_order", [intent])[0]
        try:
            order = await call
        except PerpkitError as error:
            self._failed(entry, error)
            raise
        self._exposure.answered(entry, order)
        return order

    @hookimpl(wrapper=True)
    def place_orders(self, intents: Sequence[OrderIntent]) -> Wrapped[list[Order | PerpkitError]]:
        """Check all of a batch before any is sent."""
        inner = yield
        return around(inner, self._place_all, intents)

    async def _place_all(
        self, call: Awaitable[list[Order | PerpkitError]], intents: Sequence[OrderIntent]
    ) -> list[Order | PerpkitError]:
        entries = self._admit("place_orders", intents)
        try:
            results = await call
        except PerpkitError as error:
            for entry in entries:
                self._failed(entry, error)
            raise
        for entry, result in zip(entries, results, strict=False):
            if isinstance(result, Order):
                self._exposure.answered(entry, result)
            else:
                self._failed(entry, result)
        return results

    @hookimpl(wrapper=True)
    def amend_order(self, order: Order, amendment: OrderAmendment) -> Wrapped[Order]:
        """Check an order as it would be, and count the larger of both."""
        inner = yield
        return around(inner, self._amend, order, amendment)

    async def _amend(self, call: Awaitable[Order], order: Order, amendment: OrderAmendment) -> Order:
        entry = self._admit_amendment(order, amendment)
        try:
            changed = await call
        except PerpkitError as error:
            if _changed_nothing(error):
                self._exposure.amended(entry, None)
            raise
        self._exposure.amended(entry, changed)
        return changed

    def _failed(self, entry: Entry, error: PerpkitError) -> None:
        """Stop counting an order only on proof that it isn't there; what proves nothing leaves it counted."""
        if _changed_nothing(error):
            self._exposure.never_sent(entry)

    # checks ----------------------------------------------------------------------------------------------------

    def _admit(self, operation: str, intents: Sequence[OrderIntent]) -> list[Entry]:
        """Check orders and count them, with no await in between; all or none."""
        self._check_rate(operation, len(intents))
        entries: list[Entry] = []
        try:
            for intent in intents:
                self._check(operation, intent)
                entries.append(self._exposure.sending(intent, self._absent_counts_from(intent)))
        except BaseException:
            for entry in entries:
                self._exposure.never_sent(entry)
            raise
        self._count_sent(len(intents))
        return entries

    def _check(self, operation: str, intent: OrderIntent) -> None:
        self._check_switches(operation, intent, reduces=intent.reduce_only)
        worth = self._worth(operation, intent)
        self._check_notional(operation, intent, intent.size, worth)
        self._check_open_orders(operation, intent)
        if not intent.reduce_only:
            self._check_position(operation, intent, intent.side, intent.size)

    def _admit_amendment(self, order: Order, amendment: OrderAmendment) -> Entry:
        operation = "amend_order"
        self._check_switches(operation, order, reduces=order.reduce_only)
        self._check_rate(operation, 1)
        size = order.size if amendment.size is None else amendment.size
        price = order.price if amendment.price is None else amendment.price
        trigger = order.trigger_price if amendment.trigger_price is None else amendment.trigger_price
        after = order.replace(size=size, price=price, trigger_price=trigger)
        self._check_notional(operation, after, size, self._worth(operation, after))
        if size > order.size and not order.reduce_only:
            self._check_position(operation, order, order.side, size - order.size)
        self._count_sent(1)
        return self._exposure.amending(order, size)

    def _check_switches(self, operation: str, item: OrderIntent | Order, *, reduces: bool) -> None:
        if self._killed is not None:
            self._refuse(operation, item, f"the kill switch is on ({self._killed}); only cancels pass")
        if self._markets is not None and item.market_id not in self._markets:
            self._refuse(operation, item, f"{item.market_id} is not among the markets allowed")
        if self.reduce_only and not reduces:
            self._refuse(operation, item, "only reduce-only orders pass now")

    def _check_rate(self, operation: str, count: int) -> None:
        if self._max_per_minute is None:
            return
        now = self._clock.monotonic()
        while self._sent and now - self._sent[0] >= _MINUTE:
            self._sent.popleft()
        if len(self._sent) + count > self._max_per_minute:
            wait = _MINUTE - (now - self._sent[0]) if self._sent else _MINUTE
            raise RiskLimitError(
                f"{len(self._sent)} orders in the last minute and {count} more are over max_orders_per_minute "
                f"{self._max_per_minute}; room comes in {wait:.1f} s",
                venue=self._venue,
                operation=operation,
            )

    def _count_sent(self, count: int) -> None:
        if self._max_per_minute is not None:
            self._sent.extend([self._clock.monotonic()] * count)

    def _worth(self, operation: str, item: OrderIntent | Order) -> Decimal | None:
        """
        Return the price at which an order's notional is measured; None where no limit asks for it.

        A limit buy costs its price at the most. A sell, or an order without a price of its own, may trade at the
        market, so the reference price is needed.
        """
        if self._max_order_notional is None:
            return None
        if item.side is Side.BUY and item.price is not None:
            return item.price
        reference = self._reference(operation, item)
        return max(value for value in (item.price, item.trigger_price, reference) if value is not None)

    def _check_notional(self, operation: str, item: OrderIntent | Order, size: Decimal, worth: Decimal | None) -> None:
        if worth is None or self._max_order_notional is None:
            return
        notional = size * worth
        if notional > self._max_order_notional:
            self._refuse(
                operation,
                item,
                f"{plain(size)} {item.market_id} at {plain(worth)} is worth {plain(notional)}, over max_order_notional "
                f"{plain(self._max_order_notional)}",
            )

    def _check_open_orders(self, operation: str, intent: OrderIntent) -> None:
        if self._max_open_orders is None:
            return
        if not self._exposure.open_orders_known:
            self._refuse(
                operation, intent, "the account's open orders are not known; call fetch_open_orders() for all markets"
            )
        count = self._exposure.open_count
        if count >= self._max_open_orders:
            limit = self._max_open_orders
            self._refuse(operation, intent, f"{count} orders stand or may stand, and max_open_orders is {limit}")

    def _check_position(self, operation: str, item: OrderIntent | Order, side: Side, added: Decimal) -> None:
        in_base = self._max_position.get(item.market_id)
        if in_base is None and self._max_position_notional is None:
            return
        if not self._exposure.positions_known:
            self._refuse(operation, item, "the account's positions are not known; call fetch_positions()")
        worst = self._exposure.worst(item.market_id, side) + added
        if worst <= 0:
            return
        what = f"{'long' if side is Side.BUY else 'short'} {plain(worst)} {item.market_id} if every order fills"
        if in_base is not None and worst > in_base:
            self._refuse(operation, item, f"{what}, over max_position {plain(in_base)}")
        if self._max_position_notional is not None:
            worth = worst * self._reference(operation, item)
            if worth > self._max_position_notional:
                self._refuse(
                    operation,
                    item,
                    f"{what} is worth {plain(worth)}, over max_position_notional {plain(self._max_position_notional)}",
                )

    def _reference(self, operation: str, item: OrderIntent | Order) -> Decimal:
        known = self._prices.get(item.market_id)
        if known is None:
            self._refuse(
                operation,
                item,
                f"no reference price of {item.market_id} is known; call fetch_ticker or stream its ticker",
            )
        price, seen_at = known
        age = self._clock.now() - seen_at
        if age > self._max_price_age:
            self._refuse(
                operation,
                item,
                f"the reference price of {item.market_id} is {age.total_seconds():.0f} s old, over max_price_age "
                f"{self._max_price_age.total_seconds():g} s; call fetch_ticker or stream its ticker",
            )
        return price

    def _refuse(self, operation: str, item: OrderIntent | Order, message: str) -> NoReturn:
        raise RiskLimitError(message, venue=self._venue, operation=operation, client_order_id=item.client_order_id)

    def _absent_counts_from(self, intent: OrderIntent) -> datetime | None:
        able = self._capabilities
        if able is None or able.never_accepted_after is None:
            return None
        window = intent.accept_within if intent.accept_within is not None else able.never_accepted_after
        return self._clock.now() + window + MARGIN

    # what is learned from reads --------------------------------------------------------------------------------

    @hookimpl(wrapper=True)
    def fetch_positions(self) -> Wrapped[list[Position]]:
        """Learn the positions."""
        inner = yield
        return around(inner, self._learn_positions)

    async def _learn_positions(self, call: Awaitable[list[Position]]) -> list[Position]:
        fetch = self._exposure.begin_positions()
        positions: list[Position] | None = None
        try:
            positions = await call
        finally:
            self._exposure.end_positions(fetch, positions)
        for position in positions:
            self._note(position)
        return positions

    @hookimpl(wrapper=True)
    def fetch_open_orders(self, market: Market | None) -> Wrapped[list[Order]]:
        """Learn which orders stand."""
        inner = yield
        return around(inner, self._learn_open_orders, market)

    async def _learn_open_orders(self, call: Awaitable[list[Order]], market: Market | None) -> list[Order]:
        market_id = None if market is None else market.id
        expected = self._exposure.begin_open_orders(market_id, self._clock.now())
        orders = await call
        self._exposure.end_open_orders(expected, market_id, orders)
        return orders

    @hookimpl(wrapper=True)
    def fetch_order(self, order: OrderRef) -> Wrapped[Order]:
        """Learn of one order."""
        inner = yield
        return around(inner, self._learn)

    @hookimpl(wrapper=True)
    def fetch_order_history(self) -> Wrapped[list[Order]]:
        """Learn how orders ended."""
        inner = yield
        return around(inner, self._learn_all)

    @hookimpl(wrapper=True)
    def fetch_ticker(self) -> Wrapped[Ticker]:
        """Learn a market's price."""
        inner = yield
        return around(inner, self._learn)

    @hookimpl(wrapper=True)
    def fetch_tickers(self) -> Wrapped[list[Ticker]]:
        """Learn the prices of all markets."""
        inner = yield
        return around(inner, self._learn_all)

    @hookimpl(wrapper=True)
    def fetch_order_book(self) -> Wrapped[BookSnapshot]:
        """Learn a market's price."""
        inner = yield
        return around(inner, self._learn)

    async def _learn(self, call: Awaitable[Any]) -> Any:
        answer = await call
        self._note(answer)
        return answer

    async def _learn_all(self, call: Awaitable[list[Any]]) -> list[Any]:
        answers = await call
        for answer in answers:
            self._note(answer)
        return answers

    @hookimpl(wrapper=True)
    def open_stream(self, channels: Sequence[Subscription]) -> Generator[None, StreamSource, StreamSource]:
        """Learn from what streams tell."""
        source = yield
        return cast("StreamSource", _Listening(source, self._note))

    def _note(self, item: object) -> None:
        """Take in one thing told by the venue."""
        if isinstance(item, Order):
            self._exposure.observe(item)
        elif isinstance(item, Ticker):
            quotes = [price for price in (item.bid_price, item.ask_price, item.last_price) if price is not None]
            price = item.mark_price or item.index_price or max(quotes, default=None)
            self._note_price(item.market_id, price, item.ts_received)
        elif isinstance(item, BookSnapshot):
            best = [levels[0].price for levels in (item.bids, item.asks) if levels]
            self._note_price(item.market_id, max(best, default=None), item.ts_received)
        elif isinstance(item, Position):
            self._note_price(item.market_id, item.mark_price, item.ts_received)

    def _note_price(self, market_id: MarketId, price: Decimal | None, seen_at: datetime) -> None:
        if price is None:
            return
        known = self._prices.get(market_id)
        if known is None or seen_at >= known[1]:
            self._prices[market_id] = (price, seen_at)


class _Listening:
    """A stream source that lets somebody hear what it decodes."""

    def __init__(self, source: StreamSource, note: Any) -> None:
        self._source = source
        self._note = note

    def __getattr__(self, name: str) -> Any:
        return getattr(self._source, name)

    def decode(self, frame: Frame, received: datetime) -> Sequence[Incoming]:
        """Decode as the source does, and pass on what it tells."""
        incoming = self._source.decode(frame, received)
        for item in incoming:
            if isinstance(item, Data):
                for event in item.events:
                    self._note(event)
        return incoming


def _changed_nothing(error: PerpkitError) -> bool:
    """Return whether an error shows that the command took no effect: never sent, or the venue's own no."""
    unproved = OutcomeUnknownError | TransportError | DecodeError | StreamError
    return isinstance(error, NotSentError) or not isinstance(error, unproved)


def _amount(name: str, value: Decimal | int | str | None) -> Decimal | None:
    return None if value is None else _required(name, value)


def _required(name: str, value: Decimal | int | str) -> Decimal:
    if isinstance(value, float | bool):
        raise ConfigError(f"{name}={value!r}: pass a Decimal, an int or a string; a float has lost digits already")
    number = Decimal(value)
    if not number.is_finite() or number < 0:
        raise ConfigError(f"{name}={value!r}: must be finite and not below zero")
    return number


def _count(name: str, value: int | None) -> int | None:
    if value is not None and (type(value) is not int or value < 0):
        raise ConfigError(f"{name}={value!r}: must be a whole number, not below zero")
    return value


def _market_id(name: str, value: MarketId) -> MarketId:
    if "@" not in value:
        raise ConfigError(f"{name}: {value!r} is no market id; write it as in BTC-USD-PERP@paradex")
    return value
