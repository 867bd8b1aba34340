"""
:class:`Target`: a started local exchange with the plugin under test pointed at it. Tests act through it.

Time stands still unless a test moves it: ``target.advance``, ``target.until``, ``target.run`` and ``target.flow``. The
venue under test lives on the same clock, so its back-offs and time limits take no real time.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from types import TracebackType
from typing import Any, Self, TypeVar

from perpkit.core.errors import ConfigError
from perpkit.core.models import (
    Channel,
    Market,
    OrderType,
    Side,
    StreamState,
    Subscription,
)
from perpkit.core.models import Order as PluginsOrder
from perpkit.core.transport.ratelimit import RateLimiterRegistry
from perpkit.core.venue import Venue
from perpkit.sim.control import Control, PricePoint
from perpkit.sim.faults import Fault, FaultAction, FaultTarget
from perpkit.sim.markets import SystemStatus
from perpkit.sim.orders import Order, OrderRequest, Trade
from perpkit_conformance.contract import Breach
from perpkit_conformance.profile import SEED, LocalVenue, VenueProfile
from perpkit_conformance.recordings import Arrivals, Recordings
from perpkit_conformance.truth import Truth
from perpkit_conformance.venue_clock import VenueClock
from perpkit_conformance.watch import Watch

__all__ = ["FaultAction", "PricePoint", "SystemStatus", "Target", "VenueClock", "Watch"]

T = TypeVar("T")

_BREATH = 0.001
"""Real seconds given to the sockets between two looks."""
_PATIENCE = 25
"""How many such looks a condition gets before the clock is moved for it. Client and exchange share one event loop, so
that rounds of it, and not real time, are what a request needs: a busy machine changes nothing."""


class Target:
    """
    A local exchange and what a test needs of it. Use it as an async context manager.

    Attributes:
        profile: The venue's profile.
        local: The server.
        clock: The venue's clock; ``clock.error`` makes this machine's wall time wrong.
        recordings: Everything that opened venues sent and received, redacted.
        arrivals: What reached the exchange, counted at its door.
    """

    def __init__(
        self,
        profile: VenueProfile,
        *,
        seed: int = SEED,
        accounts: int = 2,
        deposit: Decimal = Decimal(100_000),
        **options: Any,
    ) -> None:
        self.profile = profile
        self.seed = seed
        self.local: LocalVenue = profile.local(seed=seed, accounts=accounts, deposit=deposit, **options)
        self.clock = VenueClock(self.local.control.clock)
        self.limits = RateLimiterRegistry(self.clock)
        self.recordings = Recordings()
        self.arrivals = Arrivals()
        self._opened = 0
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        self.arrivals.watch(self.local)
        await self.local.start()
        self._stack.push_async_callback(self.local.stop)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    # What the tests read and move

    @property
    def control(self) -> Control:
        """The back door: liquidity, prices, funding, status, faults, liquidation."""
        return self.local.control

    def truth(self, account: int = 0) -> Truth:
        """Return an account's true state; it stays current."""
        account_id = self.profile.account_id(self.local, account)
        return Truth(self.control.exchange, account_id, self.profile.assets, self.profile.names(self.local))

    @property
    def market(self) -> str:
        """Perpkit's symbol of the market that is traded most."""
        return next(iter(self.profile.markets))

    @property
    def symbol(self) -> str:
        """The venue's own symbol of that market."""
        return self.profile.markets[self.market]

    def symbol_of(self, market: Market | str) -> str:
        """Return the venue's own symbol of one of the profile's markets, by perpkit's symbol or id, or a model."""
        name = market.id if isinstance(market, Market) else market
        return self.profile.markets[name.partition("@")[0]]

    def tape(self, symbol: str) -> list[Trade]:
        """Return a market's trades, oldest first, by the wire's names."""
        trades = self.control.exchange.trades(symbol)
        names = self.profile.names(self.local).trades(symbol, trades)
        return [replace(each, id=name) for each, name in zip(trades, names, strict=True)]

    def id_of(self, symbol: str) -> str:
        """Return perpkit's id of a market by the venue's own symbol, also of one that was listed later."""
        for name, own in self.profile.markets.items():
            if own == symbol:
                return f"{name}@{self.profile.name}"
        spec = self.control.exchange.market(symbol)
        return f"{spec.base}-{spec.quote}-PERP@{self.profile.name}"

    # The venue under test

    def make(self, *, account: int = 0, key: str = "main", **given: Any) -> Venue:
        """
        Make the venue under test for an account, not opened.

        Args:
            key: Which kind of credential; ``none`` for public data only.
            given: To ``open_venue``, winning over the profile's settings.
        """
        self._opened += 1
        arguments: dict[str, Any] = {
            "clock": self.clock,
            "limits": self.limits,
            "recorders": (self.recordings,),
            "rng": random.Random(f"{self.seed}/{self._opened}"),  # noqa: S311 - reproducible, not secret
            **given,
        }
        return self.profile.make(self.local, account=account, key=key, **arguments)

    async def open(self, *, account: int = 0, key: str = "main", hurry: timedelta | None = None, **given: Any) -> Venue:
        """
        Open the venue under test for an account; it is closed with the target. See :meth:`make`.

        Args:
            hurry: Give requests up after so much, for a test in which the venue never answers: that bound runs in
                real time.
        """
        hurried = {} if hurry is None else self.profile.hurry(hurry)
        venue = self.make(account=account, key=key, **hurried, **given)
        # Opening may wait, for a budget or between attempts, and nobody else moves the clock.
        await self.run(venue.__aenter__())
        self._stack.push_async_callback(self._close, venue)
        return venue

    async def _close(self, venue: Venue) -> None:
        await self.run(venue.close())

    def breaches(self) -> list[Breach]:
        """Return every way in which what was sent so far breaks the venue's contract."""
        if self.profile.contract is None:
            return []
        return self.profile.contract.check(
            self.recordings,
            rest_url=self.local.url,
            ws_url=self.local.ws_url,
            connections=self.arrivals.addresses,
        )

    # Trading, by the back door

    def quote(self, market: str | None = None, **how: Any) -> list[str]:
        """Rest liquidity around the index of a market (the first of the profile); see ``Control.quote``."""
        return self.control.quote(self.symbol if market is None else self.symbol_of(market), **how)

    def submit(
        self,
        side: Side | str,
        size: Decimal | str,
        *,
        price: Decimal | str | None = None,
        market: str | None = None,
        account: int = 0,
        **options: Any,
    ) -> Order:
        """
        Place an order for an account behind the plugin's back, as another program of its owner would.

        Args:
            price: None makes it a market order.
            options: Of :class:`perpkit.sim.orders.OrderRequest`: client_id, reduce_only, time_in_force, trigger, …
        """
        request = OrderRequest(
            account_id=self.profile.account_id(self.local, account),
            market=self.symbol if market is None else self.symbol_of(market),
            side=Side(side),
            type=OrderType.MARKET if price is None else OrderType.LIMIT,
            size=Decimal(size),
            price=None if price is None else Decimal(price),
            **options,
        )
        order = self.control.exchange.submit(request)
        now = self.control.exchange.order(request.account_id, order.id)
        return self.truth(account).named(order if now is None else now)

    def cancel_order(self, account_id: str, order: PluginsOrder | str) -> None:
        """
        Cancel an order behind the plugin's back, by the wire's name of it.

        Args:
            order: Where the venue names an order only later, the order as the plugin returned it.
        """
        wire_id = order if isinstance(order, str) else order.venue_order_id
        ledger_id = self.profile.names(self.local).ledger_order(wire_id) if wire_id else None
        if ledger_id is None and not isinstance(order, str) and order.client_order_id is not None:
            known = self.control.exchange.order_by_client_id(account_id, order.client_order_id, open_only=False)
            ledger_id = known.id if known is not None else None
        self.control.cancel_order(account_id, ledger_id or "")

    def inject(self, what: str | Channel, action: FaultAction | str, **fields: Any) -> Fault:
        """
        Plan a fault where a hook's request or a channel's frame passes.

        Args:
            what: A hook (``place_order``), a channel (``Channel.BOOK`` or ``channel:book``), or ``connect`` for the
                handshakes of sockets.
            fields: Of the fault: times, skip, status, retry_after, body, delay_ms, close_code.

        Raises:
            ConfigError: The profile does not say where that is.
        """
        name = str(what)
        if name == "connect":
            return self.control.inject(action, target=FaultTarget.CONNECT, match="*", **fields)
        if isinstance(what, Channel) or name.startswith("channel:"):
            match = self._place("frame_faults", name.removeprefix("channel:"))
            return self.control.inject(action, target=FaultTarget.FRAME, match=match, **fields)
        return self.control.inject(action, target=FaultTarget.HTTP, match=self._place("http_faults", name), **fields)

    def _place(self, mapping: str, name: str) -> str:
        places: Mapping[str, str] = getattr(self.profile, mapping)
        if name not in places:
            raise ConfigError(
                f"the profile of {self.profile.name} does not say where {name} passes: {mapping}[{name!r}]"
            )
        return places[name]

    @asynccontextmanager
    async def watch(
        self, venue: Venue, *channels: Subscription | Channel | str, live: bool = True
    ) -> AsyncIterator[Watch]:
        """
        Follow channels of an opened venue in the background during a ``with`` block.

        Args:
            channels: As :meth:`Venue.stream` takes them, for example ``"orders"`` or ``f"book:{target.market}"``.
            live: Wait until the stream says that it is live.
        """
        watch = Watch(self.until)
        async with venue.stream(list(channels)) as events:
            task = asyncio.create_task(watch.follow(events), name="watch")
            try:
                if live:
                    await watch.until(lambda: StreamState.LIVE in watch.states, f"the stream of {channels} is live")
                yield watch
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    # Time

    def advance(self, by: timedelta) -> None:
        """Move the clock; what comes due on the way happens. Let sockets catch up with :meth:`breathe`."""
        self.control.advance(by)

    async def breathe(self, times: int = 5) -> None:
        """Give the sockets a little real time; the clock stands still."""
        for _ in range(times):
            await asyncio.sleep(_BREATH)

    async def run(
        self,
        work: Awaitable[T],
        *,
        within: timedelta = timedelta(minutes=10),
        step: timedelta = timedelta(milliseconds=100),
    ) -> T:
        """
        Await something that may wait on the clock, moving the clock in steps once it has waited in vain for a moment.

        Raises:
            AssertionError: It was not done within so much of the clock's time.
        """
        task = asyncio.ensure_future(work)
        try:
            if not await self._drive(task.done, within, step):
                raise AssertionError(f"{work!r} was not done within {within} of the venue's time")
        finally:
            if not task.done():
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        return task.result()

    async def until(
        self,
        condition: Callable[[], Any],
        what: str,
        *,
        within: timedelta = timedelta(minutes=2),
        step: timedelta = timedelta(milliseconds=100),
    ) -> None:
        """
        Wait until something holds, moving the clock in steps once it has not come by itself for a moment.

        Args:
            what: What is waited for, for the message.

        Raises:
            AssertionError: It did not within so much of the clock's time.
        """
        if not await self._drive(lambda: bool(condition()), within, step):
            raise AssertionError(f"waited {within} of the venue's time, and it did not come: {what}")

    @asynccontextmanager
    async def flow(self, speed: int = 20) -> AsyncIterator[None]:
        """Let time pass by itself during a ``with`` block, so many times faster than real time."""

        async def pass_time() -> None:
            while True:
                await asyncio.sleep(_BREATH * 5)
                self.control.advance(timedelta(milliseconds=5 * speed))

        task = asyncio.create_task(pass_time(), name="flow of time")
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _drive(self, done: Callable[[], bool], within: timedelta, step: timedelta) -> bool:
        patience, last = _PATIENCE, self.control.clock.now() + within
        while not done():
            await asyncio.sleep(_BREATH)
            if done():
                return True
            if patience:
                patience -= 1
                continue
            if self.control.clock.now() >= last:
                return False
            self.control.advance(step)
            await asyncio.sleep(_BREATH)
        return True
