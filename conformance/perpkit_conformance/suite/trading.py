"""What the tests of orders share: intents around the index, the ledger's orders in perpkit's words, and comparing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any, TypeVar

import pytest

from perpkit.core.errors import OrderRejectedError, PerpkitError, RejectReason
from perpkit.core.models import Market, Order, OrderIntent, OrderRef, OrderStatus, OrderType, Side, TimeInForce
from perpkit.core.opening import open_venue
from perpkit.core.venue import Venue
from perpkit.sim import orders as exchange
from perpkit.sim.orders import CloseReason, OrderState
from perpkit_conformance.suite.calls import nearest
from perpkit_conformance.target import Target

T = TypeVar("T")

TRADES = pytest.mark.needs("place_order", "fetch_order")

_CANCELED, _REJECTED = frozenset({OrderStatus.CANCELED}), frozenset({OrderStatus.REJECTED})
_UNFILLED = frozenset({OrderStatus.CANCELED, OrderStatus.EXPIRED})
_EITHER = frozenset({OrderStatus.CANCELED, OrderStatus.REJECTED})

CLOSED: dict[CloseReason, tuple[frozenset[OrderStatus], RejectReason | None]] = {
    CloseReason.FILLED: (frozenset({OrderStatus.FILLED}), None),
    CloseReason.USER_CANCELED: (_CANCELED, None),
    CloseReason.REPLACED: (_CANCELED, None),
    CloseReason.EXPIRED: (frozenset({OrderStatus.EXPIRED}), None),
    CloseReason.IOC_REMAINDER: (_UNFILLED, RejectReason.NO_LIQUIDITY),
    CloseReason.FOK_NOT_FILLABLE: (_UNFILLED | _REJECTED, RejectReason.NO_LIQUIDITY),
    CloseReason.NO_LIQUIDITY: (_UNFILLED, RejectReason.NO_LIQUIDITY),
    CloseReason.POST_ONLY_WOULD_CROSS: (_REJECTED, RejectReason.POST_ONLY_WOULD_CROSS),
    CloseReason.NOT_ENOUGH_MARGIN: (_REJECTED, RejectReason.MARGIN),
    CloseReason.PRICE_OUT_OF_BAND: (_REJECTED, RejectReason.PRICE_BAND),
    CloseReason.POSITION_LIMIT: (_REJECTED, RejectReason.POSITION_LIMIT),
    CloseReason.MAX_OPEN_ORDERS: (_REJECTED, RejectReason.ORDER_LIMIT),
    # On arrival it is a refusal; when the position goes away under a resting order, the end of that order.
    CloseReason.REDUCE_ONLY_WOULD_INCREASE: (_EITHER, RejectReason.REDUCE_ONLY),
    CloseReason.SELF_TRADE: (_EITHER, RejectReason.SELF_TRADE),
    CloseReason.MARKET_NOT_OPEN: (_EITHER, None),
    CloseReason.ACCOUNT_IN_LIQUIDATION: (_EITHER, None),
    CloseReason.RPI_CROSSED: (_EITHER, None),
    CloseReason.DISCONNECTED: (_CANCELED, None),
    CloseReason.DEAD_MAN_SWITCH: (_CANCELED, None),
    CloseReason.ADMIN: (_CANCELED, None),
}
"""Which statuses a closed order may have that filled nothing, and the reason that goes with them where one is due."""


def statuses_of(truth: exchange.Order) -> frozenset[OrderStatus]:
    """Return the statuses by which an order of the ledger may be called."""
    if truth.state is OrderState.NEW:
        return frozenset({OrderStatus.PENDING})
    if truth.state is OrderState.UNTRIGGERED:
        return frozenset({OrderStatus.OPEN})
    if truth.state is OrderState.OPEN:
        return frozenset({OrderStatus.PARTIALLY_FILLED if truth.filled_size else OrderStatus.OPEN})
    assert truth.close_reason is not None
    statuses, _ = CLOSED[truth.close_reason]
    # What has traded was not rejected, whatever ended the rest.
    return _UNFILLED if truth.filled_size and truth.close_reason is not CloseReason.FILLED else statuses


def differences(order: Order, truth: exchange.Order, *, forever: bool = True) -> list[str]:
    """
    Return every way in which an order differs from the ledger's.

    Args:
        forever: An order without an expiry stands for ever; elsewhere it may be called GTC or GTD alike.
    """
    average = truth.cost / truth.filled_size if truth.filled_size else None
    expected: dict[str, Any] = {
        "venue_order_id": truth.id,
        "client_order_id": name_of(order, truth),
        "side": truth.side,
        "type": truth.type,
        "size": truth.size,
        "filled_size": truth.filled_size,
        "price": truth.price if truth.type.has_price else None,
        "trigger_price": truth.trigger_price,
        "post_only": truth.post_only,
        "reduce_only": truth.reduce_only,
    }
    # An order of the back door has no expiry in the ledger; on the wire of a venue where each has one, it has one too.
    forever = forever and order.expires_at is None
    if order.type.has_price and not truth.post_only and (forever or truth.time_in_force not in _STANDING):
        expected["time_in_force"] = truth.time_in_force
    found = [
        f"{name}: expected {value!r} from the ledger, came {getattr(order, name)!r}"
        for name, value in expected.items()
        if getattr(order, name) != value
    ]
    statuses = statuses_of(truth)
    if order.status not in statuses:
        wanted = " or ".join(sorted(statuses))
        state = f"{truth.state} {truth.close_reason or ''}".strip()
        found.append(f"status: expected {wanted} from the ledger ({state}), came {order.status}")
    if order.average_price is not None and average is not None and abs(order.average_price - average) > average / 10**8:
        found.append(f"average_price: expected {average} from the ledger's fills, came {order.average_price}")
    reason = CLOSED[truth.close_reason][1] if truth.close_reason is not None and not truth.filled_size else None
    if reason is not None and order.reject_reason is not reason:
        found.append(f"reject_reason: expected {reason} from the ledger, came {order.reject_reason}")
    return found


def name_of(order: Order, truth: exchange.Order) -> str | None:
    """Return our id of an order of the ledger; where the venue names every order, one without bears the venue's own."""
    return truth.client_id or (truth.id if order.client_order_id == truth.id else None)


_STANDING = frozenset({TimeInForce.GTC, TimeInForce.GTD})


def is_same_order(one: Order, other: Order) -> bool:
    """Tell whether two states are of one order: by the venue's name, and by ours where one of them lacks that."""
    if one.venue_order_id is not None and other.venue_order_id is not None:
        return one.venue_order_id == other.venue_order_id
    return one.client_order_id is not None and one.client_order_id == other.client_order_id


def assert_same(order: Order, truth: exchange.Order | None, where: str) -> None:
    """Fail with every difference between an order and the ledger's."""
    assert truth is not None, f"{where}: the ledger has no such order as {order!r}"
    # Where nothing stands for ever the plugin's word for it is its own; `expiry-is-explicit` looks at the time.
    found = differences(order, truth, forever=truth.expires_at_ms is None)
    assert not found, f"{where}: order {truth.id}: " + "; ".join(found)


class Trader:
    """
    One opened venue and the first market of its profile. Make it with :meth:`of`.

    Attributes:
        account: Which of the target's accounts the venue was opened for.
    """

    def __init__(self, target: Target, venue: Venue, market: Market, account: int = 0) -> None:
        self.target = target
        self.venue = venue
        self.market = market
        self.account = account
        self.truth = target.truth(account)

    @classmethod
    async def of(cls, target: Target, venue: Venue, market: str | None = None, account: int = 0) -> Trader:
        """Read the market's rules, by the plugin, and make a trader."""
        found = await target.run(venue.market(market or target.market))
        return cls(target, venue, found, account)

    def only_order(self) -> exchange.Order:
        """Return the one order that the ledger must have of the account."""
        orders = list(self.truth.orders())
        assert len(orders) == 1, f"the ledger must have one order of the account, it has {len(orders)}: {orders}"
        return orders[0]

    @property
    def symbol(self) -> str:
        """The venue's own symbol of the market."""
        return self.target.symbol_of(self.market)

    @property
    def index(self) -> Decimal:
        """The exchange's index price."""
        return self.target.control.exchange.index_price(self.symbol)

    def price(self, share: Decimal | str) -> Decimal:
        """Return a share of the index, on the market's tick."""
        return nearest(self.index * Decimal(share), self.target.control.exchange.market(self.symbol).tick_size)

    def size(self, notional: int | Decimal | str = 1000) -> Decimal:
        """Return a size worth about so much, on the market's step, and no less than the market takes."""
        spec = self.target.control.exchange.market(self.symbol)
        return max(nearest(Decimal(notional) / self.index, spec.step_size), spec.min_size)

    def intent(self, side: Side = Side.BUY, share: Decimal | str | None = None, **fields: Any) -> OrderIntent:
        """Return an order worth about 1,000 that rests 2 % away from the index, or at another share of it."""
        given: dict[str, Any] = {"market_id": self.market.id, "side": side, "size": self.size(), **fields}
        kind = OrderType(given.get("type", OrderType.LIMIT))
        if kind.has_price and "price" not in given:
            away = "0.98" if side is Side.BUY else "1.02"
            given["price"] = self.price(share if share is not None else away)
        return OrderIntent(**given)

    def window(self, length: timedelta) -> dict[str, timedelta]:
        """Return how an intent asks to be taken within so much or not at all; nothing where the venue can't do that."""
        return {} if "accept_window" in self.target.profile.not_offered else {"accept_within": length}

    async def place(self, side: Side = Side.BUY, share: Decimal | str | None = None, **fields: Any) -> Order:
        """Place an order and return it as the venue names it, which some do only later; see :meth:`intent`."""
        order = await self.send(self.intent(side, share, **fields))
        return order if order.venue_order_id is not None else await self.fetch(order)

    async def send(self, intent: OrderIntent) -> Order:
        """Place an order."""
        return await self.target.run(self.venue.place_order(intent))

    async def named(self, order: Order) -> Order:
        """Return an order as the venue names it, where its answer to the order is known to hold no name yet."""
        is_due = order.venue_order_id is None and self.target.profile.names_late
        return await self.fetch(order) if is_due else order

    async def attempt(self, intent: OrderIntent) -> Order | PerpkitError:
        """Place an order, and return what it raises."""
        try:
            return await self.send(intent)
        except PerpkitError as error:
            return error

    async def refusal(self, intent: OrderIntent) -> tuple[OrderStatus, RejectReason | None]:
        """Place an order that will be refused, at once or after it was taken, and return how that is told."""
        try:
            order = await self.send(intent)
        except OrderRejectedError as error:
            return OrderStatus.REJECTED, error.reason
        order = await self.fetch(order)
        return order.status, order.reject_reason

    async def fetch(self, order: Order | OrderRef) -> Order:
        """Ask for an order."""
        return await self.target.run(self.venue.fetch_order(order))

    def true(self, order: Order | OrderRef) -> exchange.Order:
        """Return an order as the ledger has it."""
        found = self.truth.order(order.venue_order_id) if order.venue_order_id else None
        if found is None and order.client_order_id:
            found = self.truth.order_by_client_id(order.client_order_id)
        assert found is not None, f"the ledger has no order {order.venue_order_id or order.client_order_id}: {order!r}"
        return found

    def standing(self) -> exchange.Order:
        """Return the one order that stands: after an amendment it may be another one than before."""
        found = self.truth.open_orders()
        assert len(found) == 1, f"one order should stand, the ledger has {found!r}"
        return found[0]

    def position(self) -> Decimal:
        """Return the signed size that the ledger has."""
        found = self.truth.positions().get(self.symbol)
        return Decimal(0) if found is None else found.size

    def trade(self, side: Side, size: Decimal) -> None:
        """Let somebody else take from the book."""
        self.target.control.trade(self.symbol, side, size)

    def rest(self, side: Side, price: Decimal, size: Decimal) -> None:
        """Let somebody else rest an order."""
        self.target.control.place_liquidity(self.symbol, **{"bids" if side is Side.BUY else "asks": [(price, size)]})

    def ref(self, truth: exchange.Order) -> OrderRef:
        """Return the name of an order of the ledger."""
        return OrderRef(market_id=self.market.id, venue_order_id=truth.id, client_order_id=truth.client_id)


def an_id(venue: Venue, number: int) -> str:
    """Return an id of ours, different for each number and as long as the declared rule allows."""
    rule = venue.capabilities.client_order_id
    if rule.numeric_max is not None:
        return str(rule.numeric_max - number)
    for text in (f"{number}aB-_", f"{number}ab", f"{number + 1}"):
        # The number leads and is not repeated: 1 and 11 must not grow into the same id.
        found = (text + text[-1] * rule.max_length)[: rule.max_length]
        if rule.problem(found) is None:
            return found
    raise AssertionError(f"no id fits the declared rule {rule!r}")


@asynccontextmanager
async def opened_with(target: Target, settings: Mapping[str, Any]) -> AsyncIterator[Venue]:
    """Open the venue under test with exactly these settings, whatever they are called, and close it afterwards."""
    venue = open_venue(
        target.profile.name,
        plugin=target.profile.plugin_class(),
        clock=target.clock,
        limits=target.limits,
        recorders=(target.recordings,),
        **{"environ": {}, **settings},
    )
    await target.run(venue.__aenter__())
    try:
        yield venue
    finally:
        await target.run(venue.close())


async def paced(target: Target, work: Awaitable[T], *, step: timedelta = timedelta(milliseconds=250)) -> T:
    """
    Await something that makes many requests, moving the clock only while none of them is on the way: so they reach the
    exchange at the moment at which they were sent, however slow this machine is.
    """
    task = asyncio.ensure_future(work)
    before = -1
    try:
        while not task.done():
            await asyncio.sleep(0.001)
            requests = len(target.recordings.requests())
            if requests == before and requests == len(target.recordings.replies()):
                target.advance(step)
            before = requests
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    return task.result()
