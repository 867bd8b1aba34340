"""Orders: the open ones first, then every change, merged so that an older state never follows a newer one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import ClassVar

from perpkit.core.dedup import SeenIds
from perpkit.core.errors import OrderNotFoundError, PerpkitError
from perpkit.core.lifecycle import OrderTracker
from perpkit.core.models import Event, Order, StreamState, Subscription
from perpkit.core.streams.delivery import EventStream
from perpkit.core.streams.feeds.base import FINAL, Feed, Phase, Site
from perpkit.core.streams.protocol import Data

# Looked up once: on Python 3.11 an enum finds its members slowly, and this one is asked for with every update.
_LIVE = Phase.LIVE


class OrdersFeed(Feed):
    """
    After a loss: the open orders, the orders made since, and what became of each that stood before and stands no more.
    """

    kinds: ClassVar[tuple[type[Event], ...]] = (Order,)
    starts_with_state: ClassVar[bool] = True

    def __init__(self, subscription: Subscription, site: Site) -> None:
        super().__init__(subscription, site)
        self._tracker = OrderTracker()
        self._started = False
        self._floor: datetime | None = None
        self._sure_until: datetime | None = None
        """Every order made before this has been seen; None where that begins only now."""
        self._told_until: datetime | None = None
        """The venue's time of the last order that the stream told of, or when all of them were last read."""
        self._untraceable: SeenIds[str] = SeenIds(10_000)

    async def prepare(self) -> None:
        """Note the orders of the last while, so that a later look into the history knows what is old."""
        now = self._site.clock.now()
        self._floor = now
        if self._site.supports("fetch_order_history"):
            since = now - self._site.settings.seed_window
            try:
                history = await self._site.reads.fetch_order_history(self.subscription.market, since=since)
            except FINAL:
                raise
            except PerpkitError as error:
                self._site.log.warning("%s: older orders can't be read, starting from now: %s", self, error)
                return
            self._floor = since
            for order in history:
                self._observe(order)

    def went_down(self, reason: str) -> None:
        """
        Remember since when orders may have been missed: from when the stream last told of one. When the loss is noticed
        says little: a machine that slept, or was too busy to look, notices late.
        """
        super().went_down(reason)
        if self._sure_until is None:
            noticed = self._site.clock.now() - self._site.blind_for()
            self._sure_until = noticed if self._told_until is None else min(noticed, self._told_until)

    def came_live(self) -> None:
        """From here on the stream tells of every order."""
        super().came_live()
        self._sure_until = None

    async def catch_up(self) -> None:
        """Read the open orders, and after a loss what else may have happened."""
        if not self.can_read:
            return
        asked = self._site.clock.now()
        before = self._tracker.open_orders()
        standing = await self._site.reads.fetch_open_orders(self.subscription.market)
        if not self._started:
            self._started = True
            self._told_until = asked
            self._deliver_standing(standing)
            return
        self._take(standing)
        await self._read_history()
        await self._trace(order for order in before if not _among(order, standing))
        self._told_until = asked
        if self._sure_until is not None:
            self._sure_until = asked

    async def poll(self) -> None:
        """The same as after a loss, every time."""
        if self._sure_until is None:
            self._sure_until = self._floor or self._site.clock.now()
        await self.catch_up()

    def _deliver_standing(self, standing: Iterable[Order]) -> None:
        for order in standing:
            if self._is_ours(order):
                self._observe(order)
                known = self._tracker.get(order.ref)
                if known is not None and not known.is_terminal:
                    self.deliver(known)

    async def _read_history(self) -> None:
        since = self._sure_until
        if since is None or not self._site.supports("fetch_order_history"):
            return
        since -= self._site.settings.overlap
        if self._floor is not None:
            since = max(since, self._floor)
        self._take(await self._site.reads.fetch_order_history(self.subscription.market, since=since))

    async def _trace(self, gone: Iterable[Order]) -> None:
        """Find out what became of orders that stood before and are not among those that stand."""
        for order in gone:
            known = self._tracker.get(order.ref)
            name = f"{order.market_id} {order.venue_order_id or order.client_order_id}"
            if known is None or known.is_terminal or name in self._untraceable:
                continue
            try:
                self._take(await self._look_up(order))
            except OrderNotFoundError as error:
                self._untraceable.add(name)
                self.report(StreamState.GAP, f"order {name} stands no more, and the venue does not say why: {error}")

    async def _look_up(self, order: Order) -> Iterable[Order]:
        """Ask for one order; where the venue can't be asked for one, look through the history since it was made."""
        if self._site.supports("fetch_order"):
            return [await self._site.reads.fetch_order(order.ref)]
        if self._site.supports("fetch_order_history"):
            market = self.subscription.market
            told = await self._site.reads.fetch_order_history(market, since=order.created_at or self._floor)
            if _among(order, told):
                return told
        raise OrderNotFoundError("no read finds it", venue=self._site.venue, operation="stream")

    def process(self, data: Data) -> None:
        """Deliver what is news. A whole snapshot that leaves out a standing order has it traced."""
        orders = [event for event in data.events if type(event) is Order]
        if orders and self.phase is _LIVE:
            self._told_until = orders[-1].updated_at or orders[-1].created_at or self._told_until
        self._take(orders)
        if data.snapshot:
            ours = [order for order in orders if self._is_ours(order)]
            if any(not _among(order, ours) for order in self._tracker.open_orders()):
                self._site.resync(self)

    def _take(self, orders: Iterable[Order]) -> None:
        for order in orders:
            if self._is_ours(order) and (news := self._observe(order)) is not None:
                self.deliver(news)

    def _observe(self, order: Order) -> Order | None:
        try:
            news = self._tracker.observe(order)
        except ValueError as error:
            self._site.log.warning("%s: %s", self.subscription, error)
            return None
        if news is not None and self._site.orders is not None:
            self._site.orders.observe(order)
        return news

    def replay(self, stream: EventStream) -> None:
        """Hand over the orders that stand."""
        for order in self._tracker.open_orders():
            stream.put(order)


def _among(order: Order, others: Iterable[Order]) -> bool:
    """Whether an order is one of these, by either of its ids."""
    for other in others:
        if order.venue_order_id is not None and other.venue_order_id is not None:
            if order.venue_order_id == other.venue_order_id:
                return True
        elif order.client_order_id is not None and order.client_order_id == other.client_order_id:
            return True
    return False
