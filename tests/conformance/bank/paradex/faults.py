"""Broken plugins: what only trouble, load or a long run shows."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import cached_property
from typing import Any

import aiohttp

from perpkit.adapters.paradex.venue import ParadexVenue
from perpkit.core.errors import StreamError
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import BookDelta, Event, Fill, Market, Position, Subscription, Ticker
from perpkit.core.streams.protocol import StreamEndpoint, Topic
from perpkit.core.transport.http import HttpReply
from tests.conformance.bank.paradex.shapes import StreamPlugin, WirePlugin
from tests.conformance.bank.registry import broken
from tests.conformance.bank.tamper import TamperedStream


@broken(rules="any-spelling-of-a-number", checks="FT6")
class ExponentDropped(WirePlugin):
    """Reads the digits of a number and leaves its exponent."""

    paths = ("/account", "/balance", "/positions", "/fills", "/orders")

    def came(self, method: str, path: str, reply: HttpReply) -> HttpReply:
        """See the class."""
        return replace(reply, body=re.sub(rb'(:\s*"?-?\d[\d.]*)[eE][-+]?\d+', rb"\1", reply.body))


class _NewFillIds(TamperedStream):
    _numbers = itertools.count()

    def event(self, event: Event) -> Event | None:
        return event.replace(fill_id=f"{event.fill_id}-{next(self._numbers)}") if isinstance(event, Fill) else event


@broken(
    rules="message-disorder-is-harmless fills-exactly-once",
    knock_on="fees-are-the-ledgers fill-kinds-are-typed fill-side-is-ours fills-around-acknowledgements "
    "liquidations-are-labelled odd-frames-are-ignored random-histories-agree resync-repeats-nothing "
    "sizes-are-base-units slow-consumers-are-told soak-stays-bounded sockets-fail-typed",
    checks="FT5 FL1",
)
class FillsNumberedAnew(StreamPlugin):
    """Numbers fills itself, so that nobody sees which came twice."""

    stream_type = _NewFillIds


class _OnceOnly(TamperedStream):
    async def endpoint(self, connection: str) -> StreamEndpoint:
        if connection in self.plugin.connected:
            raise StreamError("already connected")
        self.plugin.connected.add(connection)
        return await self.good.endpoint(connection)


@broken(
    rules="reconnect-loses-nothing",
    knock_on="cancellation-is-safe close-stays-closed consumer-errors-stay-local public-events-once-and-in-order "
    "random-histories-agree resync-repeats-nothing silent-death-is-noticed unknown-enum-values-survive",
    checks="PV4",
)
class ConnectsOnlyOnce(StreamPlugin):
    """Believes that a lost connection is still there, and makes no other."""

    stream_type = _OnceOnly

    @cached_property
    def connected(self) -> set[str]:
        return set()


class _FullCache(TamperedStream):
    def event(self, event: Event) -> Event | None:
        return event if not isinstance(event, Fill) or self.plugin.is_new(event) else None


@broken(rules="soak-stays-bounded", knock_on="fill-pages-are-complete", checks="FT8")
class CacheFullAndDeaf(StreamPlugin):
    """Drops every fill that it does not know once its cache of fifty is full."""

    stream_type = _FullCache

    @cached_property
    def known(self) -> set[str]:
        return set()

    def is_new(self, fill: Fill) -> bool:
        """Tell whether there is room for a fill."""
        if len(self.known) < 50:
            self.known.add(fill.fill_id)
        return fill.fill_id in self.known

    @hookimpl
    async def fetch_fills(
        self, market: Market | None, since: datetime | None, until: datetime | None, limit: int | None
    ) -> list[Fill]:
        """See the class."""
        return [each for each in await super().fetch_fills(market, since, until, limit) if self.is_new(each)]


class _DropsUnderLoad(TamperedStream):
    def event(self, event: Event) -> Event | None:
        if isinstance(event, BookDelta):
            self.plugin.busy += 1
        if isinstance(event, Fill) and self.plugin.busy > 100:
            return None
        return event


@broken(rules="slow-consumers-are-told", checks="PU7")
class FillsDroppedUnderLoad(StreamPlugin):
    """Drops fills when the book is busy."""

    stream_type = _DropsUnderLoad
    busy = 0


@broken(
    rules="ready-after-snapshot",
    knock_on="closed-positions-disappear old-positions-are-adopted random-histories-agree",
    checks="PV1",
)
class FirstReadIsEmpty(ParadexVenue):
    """Shows an empty cache while it is still being filled for a stream that has just been opened."""

    _warm = True

    @hookimpl
    def open_stream(self, channels: Sequence[Subscription]) -> Any:
        """See the class."""
        self._warm = False
        return super().open_stream(channels)

    @hookimpl
    async def fetch_positions(self) -> list[Position]:
        """See the class."""
        positions, was_warm = await super().fetch_positions(), self._warm
        self._warm = True
        return [each for each in positions if was_warm]


@broken(rules="consumer-errors-stay-local", checks="PV9")
class ReconnectsWithoutBackOff(ParadexVenue):
    """Keeps a socket of its own beside the streams, and tries every second to get it back."""

    _own: asyncio.Task[None] | None = None

    @classmethod
    def seams(cls) -> frozenset[str]:
        """Without a stream there is nothing to stop."""
        return frozenset({"open_stream"})

    @hookimpl
    def open_stream(self, channels: Sequence[Subscription]) -> Any:
        """See the class."""
        self._own = self._own or asyncio.create_task(self._keep(), name="perpkit own socket")
        return super().open_stream(channels)

    async def _keep(self) -> None:
        async with aiohttp.ClientSession() as session:
            while True:
                with contextlib.suppress(aiohttp.ClientError):
                    async with session.ws_connect(self._settings.ws_address) as socket:
                        await socket.receive()
                await self._clock.sleep(1)

    @hookimpl
    async def stop(self) -> None:
        """See the class."""
        if self._own is not None:
            self._own.cancel()
            await asyncio.wait([self._own])
        await super().stop()


class _ConnectionEach(TamperedStream):
    def topics(self, subscription: Subscription) -> Sequence[Topic]:
        return [replace(each, connection=f"{each.connection}/{each.name}") for each in self.good.topics(subscription)]

    async def endpoint(self, connection: str) -> StreamEndpoint:
        return await self.good.endpoint(connection.partition("/")[0])

    async def sign_in(self, connection: str, request_id: int) -> Any:
        return await self.good.sign_in(connection.partition("/")[0], request_id)


@broken(rules="socket-limits-are-kept", knock_on="message-disorder-is-harmless random-histories-agree", checks="RL5")
class ConnectionForEachChannel(StreamPlugin):
    """Opens a connection for each channel."""

    stream_type = _ConnectionEach


@broken(rules="no-auth-across-redirects", knock_on="all-traffic-is-seen", checks="SE2")
class FollowsRedirects(ParadexVenue):
    """Has a client of its own, which goes where it is sent."""

    @hookimpl
    async def fetch_ticker(self, market: Market) -> Ticker:
        """See the class."""
        async with aiohttp.ClientSession() as own, own.get(f"{self._settings.rest_base}/system/time") as answer:
            await answer.read()
        return await super().fetch_ticker(market)
