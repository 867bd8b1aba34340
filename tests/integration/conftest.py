"""A local Paradex, and venues opened on it. Both sides share one clock, so a test that moves it moves both."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

import perpkit
from perpkit.core.transport.ratelimit import RateLimiterRegistry
from perpkit.core.venue import Venue
from perpkit.sim.server import SimServer
from perpkit.sim.venues.paradex import LocalParadex

Credentials = tuple[str, Callable[[Any], dict[str, Any]]]
"""A venue's name, and what opens it for one account of the local exchange."""

SEED = 20261121
BTC = "BTC-USD-PERP"
IN_TIME = 10.0
"""Seconds that a test waits for what must happen; a bound, not a pause."""


@pytest.fixture
async def local() -> AsyncIterator[LocalParadex]:
    """A local Paradex with a quoted BTC book; its ledger is checked at the end. The seed is printed."""
    print(f"seed {SEED}")
    async with LocalParadex(seed=SEED, accounts=2) as exchange:
        exchange.control.quote(BTC, levels=10, size=Decimal(1))
        yield exchange
        exchange.exchange.check_invariants()


@pytest.fixture
def credentials() -> Credentials:
    """What opens the venue for an account of the local exchange; each venue's folder has its own."""
    return "paradex", lambda me: {"account": me.address, "private_key": me.private_key}


@pytest.fixture
async def open_on(local: SimServer, credentials: Credentials) -> AsyncIterator[Callable[..., Any]]:
    """Open a venue on the local exchange: ``await open_on(account=0, **settings)``; all are closed at the end."""
    async with AsyncExitStack() as stack:

        async def enter(*, account: int = 0, **settings: Any) -> Venue:
            name, keys_of = credentials
            opened = opened_on(local, name, **{**keys_of(local.accounts[account]), **settings})
            return await stack.enter_async_context(opened)

        yield enter


def opened_on(local: SimServer, name: str, **settings: Any) -> Any:
    """Return a venue on a local exchange and on its clock, not yet opened; None takes a setting away."""
    given: dict[str, Any] = {
        "rest_url": local.url,
        "ws_url": local.ws_url,
        "environ": {},
        "clock": local.clock,
        "limits": RateLimiterRegistry(local.clock),
        **settings,
    }
    return perpkit.open_venue(name, "local", **{name: value for name, value in given.items() if value is not None})


@pytest.fixture
async def venue(open_on: Callable[..., Any]) -> Venue:
    """The first account's venue, with its main key."""
    return await open_on()


class Listener:
    """Follows a stream in the background and keeps what it yields."""

    def __init__(self, venue: Venue, *channels: str) -> None:
        self._venue, self._channels = venue, channels
        self.events: list[perpkit.Event] = []
        self.errors: list[Exception] = []
        self._news = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Listener:
        self._task = asyncio.create_task(self._follow())
        await self.wait_for(lambda: self.states()[-1:] in (["live"], ["polling"], ["refused"]), "the stream to begin")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _follow(self) -> None:
        async with self._venue.stream(list(self._channels)) as events:
            while True:
                try:
                    event = await anext(events)
                except StopAsyncIteration:
                    return
                except perpkit.PerpkitError as error:
                    self.errors.append(error)
                else:
                    self.events.append(event)
                async with self._news:
                    self._news.notify_all()

    def of(self, kind: type) -> list[Any]:
        """What came of one kind, oldest first."""
        return [event for event in self.events if isinstance(event, kind)]

    def states(self) -> list[str]:
        """What the stream said of itself, oldest first."""
        return [str(event.state) for event in self.of(perpkit.StreamStatus)]

    async def wait_for(self, met: Callable[[], object], what: str) -> None:
        """Wait until something is so; fails with what came instead."""
        try:
            async with asyncio.timeout(IN_TIME), self._news:
                await self._news.wait_for(lambda: self._task.done() or met())
        except TimeoutError:
            pytest.fail(
                f"waited for {what}; came: {[type(e).__name__ for e in self.events]} {self.states()} {self.errors}"
            )
        if self._task.done() and not met():
            self._task.result()
            pytest.fail(f"the stream ended before {what}")


@pytest.fixture
def listen() -> type[Listener]:
    """``async with listen(venue, "orders", "fills") as heard``: begun once the stream is live."""
    return Listener


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Every record of every logger, the HTTP library's and the event loop's among them."""
    caplog.set_level(logging.DEBUG)
    for name in ("asyncio", "aiohttp", "aiohttp.client", "aiohttp.websocket", "perpkit"):
        caplog.set_level(logging.DEBUG, logger=name)
    return caplog


@pytest.fixture
async def debug_loop() -> AsyncIterator[None]:
    """The event loop says more in debug mode: it names slow and unawaited things by their repr."""
    loop = asyncio.get_running_loop()
    loop.set_debug(True)
    yield
    loop.set_debug(False)


async def eventually(met: Callable[[], Any], what: str) -> Any:
    """Wait until ``met()`` (may be a coroutine function) gives something true, and return it."""
    try:
        async with asyncio.timeout(IN_TIME):
            while True:
                found = met()
                if asyncio.iscoroutine(found):
                    found = await found
                if found:
                    return found
                await asyncio.sleep(0.005)
    except TimeoutError:
        pytest.fail(f"waited for {what}")


async def while_time_passes(
    local: SimServer, work: Awaitable[Any], *, step: timedelta = timedelta(milliseconds=500)
) -> Any:
    """Await something that waits on the clock, and move the clock meanwhile."""
    task = asyncio.ensure_future(work)
    try:
        async with asyncio.timeout(IN_TIME):
            while not task.done():
                local.control.advance(step)
                await asyncio.sleep(0)
    finally:
        task.cancel()
    return await task
