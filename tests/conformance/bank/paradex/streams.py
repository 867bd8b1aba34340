"""Broken plugins: what a stream says, and how it lives."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import aiohttp
import msgspec

from perpkit.adapters.paradex import endpoints
from perpkit.adapters.paradex.venue import ParadexVenue
from perpkit.core.errors import AuthError
from perpkit.core.hookspecs import hookimpl
from perpkit.core.models import Event, Fill, Order, Position, Subscription, Trade
from perpkit.core.streams.protocol import Data, Frame, Incoming, StreamEndpoint, StreamTraits, Topic
from perpkit.core.transport.redact import Secret
from tests.conformance.bank.paradex.shapes import StreamPlugin
from tests.conformance.bank.registry import broken
from tests.conformance.bank.tamper import TamperedStream

_FUNDING = "funding_data."


class _OtherPath(TamperedStream):
    def topics(self, subscription: Subscription) -> Sequence[Topic]:
        return [
            replace(each, connection="funding") if each.name.startswith(_FUNDING) else each
            for each in self.good.topics(subscription)
        ]

    async def endpoint(self, connection: str) -> StreamEndpoint:
        good = await self.good.endpoint(connection)
        return good if connection != "funding" else replace(good, url=good.url.rsplit("/", 1)[0] + "/ws")


@broken(
    rules="frames-follow-the-contract subscriptions-yield",
    knock_on="funding-period-per-market funding-stream-agrees ratios-are-fractions schema-changes-survive "
    "timestamps-plausible unknown-enum-values-survive",
    checks="PU1",
    mistakes="M7",
)
class StreamAtTheWrongAddress(StreamPlugin):
    """Looks for the stream of funding rates at a path where none is."""

    stream_type = _OtherPath


class _OtherEnvelope(TamperedStream):
    def subscribe(self, topic: Topic, request_id: int) -> Frame:
        if not topic.name.startswith(_FUNDING):
            return self.good.subscribe(topic, request_id)
        return msgspec.json.encode({"type": "subscribe", "channels": [topic.name]}).decode()


@broken(
    rules="frames-follow-the-contract subscriptions-yield",
    knock_on="funding-period-per-market funding-stream-agrees ratios-are-fractions schema-changes-survive "
    "timestamps-plausible unknown-enum-values-survive",
    checks="PU1",
    mistakes="M8",
)
class SubscribesInAnotherTongue(StreamPlugin):
    """Subscribes to funding rates by ``{"type": "subscribe"}`` where the venue speaks JSON-RPC."""

    stream_type = _OtherEnvelope


@broken(rules="subscriptions-yield", checks="PU1", mistakes="M9")
class NothingToPoll(ParadexVenue):
    """Has no request for the ticker that the stream tells, so that nothing comes while streaming is down."""

    fetch_ticker = None
    fetch_tickers = None

    @classmethod
    def seams(cls) -> frozenset[str]:
        """What it has not."""
        return frozenset({"fetch_ticker", "fetch_tickers"})


class _NoTrades(TamperedStream):
    def event(self, event: Event) -> Event | None:
        return None if isinstance(event, Trade) else event


@broken(
    rules="subscriptions-yield",
    knock_on="consumers-share-a-subscription odd-frames-are-ignored public-data-is-exact "
    "public-events-once-and-in-order schema-changes-survive silent-death-is-noticed "
    "sizes-are-base-units timestamps-plausible unknown-enum-values-survive venue-time-apart",
    checks="PU1",
)
class NoTradesEver(StreamPlugin):
    """Drops what comes on a channel that it claims, without an error."""

    stream_type = _NoTrades


class _NeverLeaves(TamperedStream):
    def unsubscribe(self, topic: Topic, request_id: int) -> Frame:
        again = topic.name.startswith("trades.")
        return self.good.subscribe(topic, request_id) if again else self.good.unsubscribe(topic, request_id)


@broken(rules="consumers-share-a-subscription", checks="PU2")
class NeverUnsubscribes(StreamPlugin):
    """Subscribes to trades again where it should leave them, so that what nobody follows any more goes on coming."""

    stream_type = _NeverLeaves


class _NewTradeIds(TamperedStream):
    _numbers = itertools.count()

    def event(self, event: Event) -> Event | None:
        return event.replace(trade_id=f"{next(self._numbers)}") if isinstance(event, Trade) else event


@broken(rules="public-events-once-and-in-order", knock_on="odd-frames-are-ignored", checks="PU3")
class TradesNumberedAnew(StreamPlugin):
    """Numbers trades itself, so that nobody sees which came twice."""

    stream_type = _NewTradeIds


class _Patient(TamperedStream):
    @property
    def traits(self) -> StreamTraits:
        return replace(self.good.traits, silence_timeout=timedelta(days=30), ping_interval=None)


@broken(rules="silent-death-is-noticed", checks="PU5")
class SilenceIsBorne(StreamPlugin):
    """Never takes a silent connection for dead."""

    stream_type = _Patient


class _ObjectsOnly(TamperedStream):
    def decode(self, frame: Frame, received: datetime) -> Sequence[Incoming]:
        msgspec.json.decode(frame)["jsonrpc"]
        return self.good.decode(frame, received)


@broken(rules="odd-frames-are-ignored", checks="PU6", crashes=True)
class OddFramesCrash(StreamPlugin):
    """Takes every frame for an object of the usual shape."""

    stream_type = _ObjectsOnly


class _Hammering:
    """Asks again at once when a sign-in is refused."""

    def __init__(self, good: Any) -> None:
        self._good = good

    def __getattr__(self, name: str) -> Any:
        return getattr(self._good, name)

    async def token(self) -> Secret:
        for _ in range(30):
            with contextlib.suppress(AuthError):
                return await self._good.token()
        return await self._good.token()


@broken(rules="refused-sign-in-is-typed", checks="PV2")
class RefusedSignInHammered(ParadexVenue):
    """Asks again at once when a sign-in is refused, thirty times."""

    @classmethod
    def seams(cls) -> frozenset[str]:
        """It shows where the venue refuses one."""
        return frozenset({f"{endpoints.AUTH} refused"})

    def __init__(self, context: Any) -> None:
        super().__init__(context)
        if self._session.tokens is not None:
            session: Any = self._session
            session.tokens = session.rest.tokens = _Hammering(session.tokens)


class _FirstToken:
    """Gives the first token for ever."""

    def __init__(self, good: Any) -> None:
        self._good = good
        self._first: Secret | None = None

    async def token(self) -> Secret:
        self._first = self._first or await self._good.token()
        return self._first


@broken(
    rules="tokens-roll-over",
    knock_on="funding-payments-exactly-once random-histories-agree unknown-enum-values-survive",
    checks="PV3",
)
class StreamKeepsItsFirstToken(ParadexVenue):
    """Signs its streams in with the first token for ever."""

    @hookimpl
    def open_stream(self, channels: Sequence[Subscription]) -> Any:
        """See the class."""
        stream = super().open_stream(channels)
        stream._tokens = _FirstToken(stream._tokens)
        return stream


@broken(
    rules="reconnect-loses-nothing sockets-fail-typed",
    knock_on="fill-pages-are-complete fills-exactly-once odd-frames-are-ignored random-histories-agree "
    "soak-stays-bounded subscriptions-yield tokens-roll-over unknown-enum-values-survive",
    checks="PV4 FT2",
)
class PastFillsNeverRead(ParadexVenue):
    """Answers with no fills when it is asked for those since a time."""

    @hookimpl
    async def fetch_fills(self, market, since, until, limit) -> list[Fill]:
        """See the class."""
        fills = await super().fetch_fills(market, since, until, limit)
        return [each for each in fills if since is None]


# What this process sent the core still knows by name; after a restart nobody does.
@broken(rules="resync-repeats-nothing", knock_on="restart-recovers-orders", checks="PV5")
class ReadAgainLooksNew(ParadexVenue):
    """Dates what is read by the time of reading and leaves our id away, so that a second reading looks like news."""

    @hookimpl
    async def fetch_open_orders(self, market) -> list[Order]:
        """See the class."""
        now = self._clock.now()
        return [each.replace(updated_at=now, client_order_id=None) for each in await super().fetch_open_orders(market)]


class _Undated(TamperedStream):
    def event(self, event: Event) -> Event | None:
        return event.replace(sequence=None, updated_at=None) if isinstance(event, Order) else event


@broken(rules="resync-repeats-nothing", checks="PV5")
class UpdatesUndated(StreamPlugin):
    """Leaves numbers and times away from the updates of orders, so that what is read again looks like news."""

    stream_type = _Undated


class _FirstState(TamperedStream):
    def event(self, event: Event) -> Event | None:
        if isinstance(event, Order):
            return self.plugin.first.setdefault(event.venue_order_id, event)
        return event


@broken(
    rules="old-never-overwrites-new",
    knock_on="fills-add-up fills-around-acknowledgements message-disorder-is-harmless random-histories-agree "
    "resync-repeats-nothing sockets-fail-typed status-map-is-total",
    checks="PV6",
)
class FirstStateForEver(StreamPlugin):
    """Streams the first state of an order again with each of its updates."""

    stream_type = _FirstState

    @cached_property
    def first(self) -> dict[str | None, Order]:
        return {}


class _EachIsAll(TamperedStream):
    def changed(self, incoming: Incoming) -> Incoming:
        if isinstance(incoming, Data) and any(isinstance(each, Position) for each in incoming.events):
            return msgspec.structs.replace(incoming, snapshot=True)
        return incoming


@broken(
    rules="snapshot-semantics",
    knock_on="random-histories-agree sizes-are-base-units",
    checks="PV7",
)
class OneUpdateTakenForAll(StreamPlugin):
    """Takes the update of one position for the whole of them."""

    stream_type = _EachIsAll


@broken(rules="close-stays-closed opens-and-closes", checks="PV8 ST1")
class KeepsAskingAfterClose(ParadexVenue):
    """Starts a task with each stream that asks for the state for ever, and does not end it."""

    @hookimpl
    def open_stream(self, channels: Sequence[Subscription]) -> Any:
        """See the class."""
        self._asking = asyncio.create_task(self._ask(), name="perpkit state")
        return super().open_stream(channels)

    async def _ask(self) -> None:
        async with aiohttp.ClientSession() as own:
            while True:
                await self._clock.sleep(30)
                async with own.get(f"{self._settings.rest_base}/system/state") as answer:
                    await answer.read()
