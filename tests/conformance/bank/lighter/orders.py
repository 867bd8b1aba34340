"""Broken plugins: transactions, their nonces, and what an answer says of an order."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import cached_property
from typing import Any

from perpkit.adapters.lighter import endpoints
from perpkit.adapters.lighter.errors import INVALID_NONCE
from perpkit.adapters.lighter.listings import Listing
from perpkit.adapters.lighter.venue import LighterVenue
from perpkit.core.errors import VenueError
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import (
    CancelResult,
    CancelStatus,
    Event,
    Market,
    Order,
    OrderIntent,
    OrderRef,
    OrderStatus,
    TimeInForce,
)
from tests.conformance.bank.lighter.shapes import SpoiledPlugin, StreamPlugin, WirePlugin
from tests.conformance.bank.registry import broken
from tests.conformance.bank.tamper import Request, TamperedStream

# Nonces


# After the first answer that is lost no order passes any more, in a history with such answers too.
@broken(rules="nonces-survive-concurrency", knock_on="random-histories-agree", checks="OR20")
class NonceNeverReadAgain(SpoiledPlugin):
    """Keeps its nonce where an answer was lost, and takes the venue's word that it is wrong for any other refusal."""

    def spoil(self, session: Any) -> None:
        """See the class."""
        for lane in session.lanes._lanes:
            _keep_counting(lane)
        sender: Any = self._sender
        good = sender._post

        async def post(*args: Any) -> list[str]:
            try:
                hashes: list[str] = await good(*args)
            except VenueError as error:
                if error.code == INVALID_NONCE:
                    error.code = None
                raise
            return hashes

        sender._post = post


def _keep_counting(lane: Any) -> None:
    good = lane.forget

    def forget(why: str) -> None:
        # A canceled task stops anywhere, by chance: what that leaves behind is not this bug.
        if isinstance(sys.exception(), asyncio.CancelledError):
            good(why)

    lane.forget = forget


@broken(
    rules="nonces-survive-concurrency",
    knock_on="bursts-stay-under-limits clock-skew-is-handled",
    checks="OR20",
)
class NonceReused(SpoiledPlugin):
    """Sends without waiting for the answer to the one before, so that several go out with one nonce."""

    def spoil(self, session: Any) -> None:
        """See the class."""
        for lane in session.lanes._lanes:
            _share(lane)


def _share(lane: Any) -> None:
    @asynccontextmanager
    async def turn(priority: Any = None) -> AsyncIterator[Any]:
        yield lane

    lane.turn = turn


@broken(rules="nonces-survive-concurrency", checks="OR20")
class CounterOfItsOwn(SpoiledPlugin):
    """Counts nonces for itself alone, though another venue of the program goes by the same key."""

    passes = frozenset({"__init__ again"})

    def spoil(self, session: Any) -> None:
        """See the class."""
        lanes = session.lanes

        def join(keys: Any) -> None:
            """Join nobody."""

        lanes.join = join


# What is signed and sent


class _FirstDecimals:
    """Markets that all have the decimals of the first one."""

    def __init__(self, good: Any) -> None:
        self._good = good

    def __getattr__(self, name: str) -> Any:
        return getattr(self._good, name)

    def of(self, market: Market) -> Listing:
        """Return the market's numbers with the first one's decimals."""
        listing: Listing = self._good.of(market)
        first = self._good._by_symbol["BTC"]
        return replace(listing, size_decimals=first.size_decimals)


@broken(
    rules="signed-is-sent sizes-never-grow",
    knock_on="quantized-orders-are-accepted",
    checks="OR3 OR4 MK6",
)
class DecimalsOfAnotherMarket(SpoiledPlugin):
    """Scales the sizes of every market by the decimals of one."""

    def spoil(self, session: Any) -> None:
        """See the class."""
        orders: Any = self._orders
        orders._listings = _FirstDecimals(orders._listings)


@broken(
    rules="expiry-is-explicit",
    knock_on="order-types-take-effect",
    checks="OR19",
)
class ExpiryMissing(LighterVenue):
    """Sends an order with an expiry as one without, which stands for four weeks."""

    @hookimpl
    async def place_order(self, intent: OrderIntent) -> Order:
        """See the class."""
        if intent.expires_at is not None:
            intent = intent.replace(time_in_force=TimeInForce.GTC, expires_at=None)
        return await super().place_order(intent)


@broken(rules="cancel-all-keeps-its-scope", checks="OR15")
class CancelAllOfEveryMarket(LighterVenue):
    """Leaves the market out of a cancel-all, which then is for every market."""

    @hookimpl
    async def cancel_all_orders(self, market: Market | None) -> None:
        """See the class."""
        await super().cancel_all_orders(None)


@broken(
    rules="requests-follow-the-contract",
    knock_on="cancels-are-typed lost-reply-is-unknown",
    checks="OR1",
)
class BatchSentAsJson(WirePlugin):
    """Sends a batch with the content type of JSON, where the venue takes forms."""

    paths = (endpoints.SEND_TX_BATCH,)

    def sent(self, method: str, path: str, given: dict[str, Any]) -> Request:
        """See the class."""
        return method, path, {**given, "headers": {"Content-Type": "application/json"}}


# What an answer says


@broken(
    rules="order-types-take-effect",
    knock_on="market-orders-are-bounded random-histories-agree",
    checks="OR11 OR12",
)
class TakenIsFilled(LighterVenue):
    """Takes HTTP 200, which says that the API has an order, for the fill of one that is to fill at once."""

    @hookimpl
    async def place_order(self, intent: OrderIntent) -> Order:
        """See the class."""
        order = await super().place_order(intent)
        if order.time_in_force is not TimeInForce.IOC:
            return order
        return order.replace(status=OrderStatus.FILLED, filled_size=order.size, average_price=order.price)


@broken(rules="cancels-are-typed", checks="OR14")
class TakenIsCanceled(LighterVenue):
    """Takes HTTP 200, which says that the API has a cancel, for the order's end."""

    @hookimpl
    async def cancel_order(self, order: OrderRef) -> CancelResult:
        """See the class."""
        result = await super().cancel_order(order)
        return CancelResult(order=result.order, status=CancelStatus.CANCELED)


class _NoRefusals(TamperedStream):
    def event(self, event: Event) -> Event | None:
        return None if isinstance(event, Order) and event.status is OrderStatus.REJECTED else event


@broken(
    rules="late-refusals-surface",
    knock_on="status-map-is-total",
    checks="OR11 OR18",
    mistakes="M15",
)
class DroppedOrderLooksOpen(StreamPlugin):
    """Has no eye on transactions that the sequencer dropped: such an order looks open for ever."""

    stream_type = _NoRefusals

    @cached_property
    def _sent(self) -> dict[str | None, Order]:
        return {}

    @hookimpl
    async def place_order(self, intent: OrderIntent) -> Order:
        """See the class."""
        order = await super().place_order(intent)
        self._sent[order.client_order_id] = order
        return order

    @hookimpl
    async def fetch_order(self, order: OrderRef) -> Order:
        """See the class."""
        found = await super().fetch_order(order)
        sent = self._sent.get(found.client_order_id)
        if found.status is OrderStatus.REJECTED and sent is not None and found.venue_order_id is None:
            return sent.replace(status=OrderStatus.OPEN)
        return found
