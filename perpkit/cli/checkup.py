"""
The examination behind ``perpkit check``: through the face, and so for any plugin, it tries all that changes nothing.

Each step ends in a :class:`Finding`. Reads are made for real, streams are subscribed to and awaited; whatever would
change something (orders, leverage) is listed as not tried. Steps that can't work because an earlier one failed are
skipped with that reason, so that one wrong key is one failure and not twenty.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from perpkit.cli import render
from perpkit.cli.options import Target, environment_of
from perpkit.cli.remedies import CLOCK, remedy
from perpkit.core import hookspecs
from perpkit.core.clock import Clock
from perpkit.core.errors import (
    AuthError,
    CapabilityError,
    ConfigError,
    CredentialsError,
    OrderNotFoundError,
    PerpkitError,
    StreamError,
)
from perpkit.core.models import (
    BookSnapshot,
    Channel,
    Market,
    MarketStatus,
    OrderRef,
    StreamState,
    StreamStatus,
    VenueHealth,
    VenueStatus,
)
from perpkit.core.venue import Venue

SKEW_NOTED = timedelta(seconds=1)
SKEW_REFUSED = timedelta(seconds=10)
"""Venues take timestamps some seconds old; a clock further off than this is wrong, whatever the venue forgives."""

_LOOK_BACK = timedelta(hours=1)
_SAMPLE = 5
_PROBE_ID = "perpkit-check-no-such-order"
_OPEN_TO_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Verdict(StrEnum):
    """How a step ended."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"
    """It could not be tried, for a reason that another finding gives or that is no failure."""
    NOT_TRIED = "not_tried"
    """It would change something, so it is left alone."""


@dataclass(frozen=True, slots=True)
class Finding:
    """
    What one step found.

    Attributes:
        check: A stable name: ``plugin``, ``credentials``, ``clock``, ``endpoint:fetch_account``, ``stream:orders``.
        detail: What was seen, or what went wrong.
        remedy: What to do, where something is wrong.
        took: How long the step took.
    """

    check: str
    verdict: Verdict
    detail: str
    remedy: str | None = None
    took: timedelta | None = None
    error: str | None = None


class Private(StrEnum):
    """What to do about the parts that need credentials."""

    AUTO = "auto"
    """Try them where credentials are given."""
    REQUIRED = "required"
    """Missing credentials are a failure."""
    NEVER = "never"


class Part(StrEnum):
    """A part of the examination that can be asked for by itself. Plugin and credentials are always tested."""

    CREDENTIALS = "credentials"
    CLOCK = "clock"
    ENDPOINTS = "endpoints"
    STREAMS = "streams"


PRIVATE_HOOKS = frozenset(
    {name for spec in (hookspecs.AccountSpec, hookspecs.OrdersSpec) for name in vars(spec) if not name.startswith("_")}
) | {"fetch_funding_payments"}

CHANGING_HOOKS = frozenset(
    name for spec in hookspecs.SPECS for name in vars(spec) if name.startswith(("place_", "amend_", "cancel_", "set_"))
)
"""Hooks that change something at the venue. None of them is ever called from here."""


@dataclass
class Checkup:
    """
    One examination of one venue.

    Attributes:
        stream_wait: How long a channel may take to become live.
        market: The market to look at; None picks an open one.
    """

    target: Target
    clock: Clock
    private: Private = Private.AUTO
    market: str | None = None
    parts: frozenset[Part] = frozenset(Part)
    stream_wait: timedelta = timedelta(seconds=10)
    working_directory: Path = field(default_factory=Path)
    environment: str | None = None
    _locked_out: str | None = None

    async def run(self) -> AsyncIterator[Finding]:
        """Examine, yielding each finding as it is made."""
        try:
            venue = self.target.open()
        except PerpkitError as error:
            yield _failure(_opening_step(error), error)
            return
        self.environment = environment_of(self.target, venue)
        described = venue.description
        hooks = len(described.capabilities.hooks)
        yield Finding("plugin", Verdict.OK, f"{described.title}, {self.environment}; {hooks} hooks")
        for found in self._secrets_at_rest():
            yield found
        opening = venue.__aenter__()
        try:
            await opening
        except PerpkitError as error:
            yield _failure(_opening_step(error), error)
            return
        try:
            async for finding in self._examine(venue):
                yield finding
        finally:
            await venue.close()

    async def _examine(self, venue: Venue) -> AsyncIterator[Finding]:
        if Part.CLOCK in self.parts and venue.supports("check_health"):
            async for finding in self._health(venue):
                yield finding
        listing = await self._endpoint("fetch_markets", venue.fetch_markets)
        yield listing
        market = await self._choose(venue) if listing.verdict is not Verdict.FAILED else None
        if isinstance(market, Finding):
            yield market
            market = None
        yield await self._sign_in(venue)
        if Part.ENDPOINTS in self.parts:
            async for finding in self._endpoints(venue, market):
                yield finding
        if Part.STREAMS in self.parts:
            async for finding in self._streams(venue, market):
                yield finding

    # secrets ---------------------------------------------------------------------------------------------------

    def _secrets_at_rest(self) -> Iterable[Finding]:
        """Look whether a ``.env`` beside the user lets others read it. Only its mode is looked at."""
        path = self.working_directory / ".env"
        try:
            mode = path.stat().st_mode
        except OSError:
            return
        if mode & _OPEN_TO_OTHERS:
            detail = f"{path} can be read by others (mode {stat.S_IMODE(mode):o})"
            yield Finding("secrets", Verdict.WARNING, detail, f"run: chmod 600 {path}")

    # health ----------------------------------------------------------------------------------------------------

    async def _health(self, venue: Venue) -> AsyncIterator[Finding]:
        started = self.clock.monotonic()
        try:
            health = await venue.check_health()
        except PerpkitError as error:
            yield _failure("venue", error, self._since(started))
            return
        yield _state(health, self._since(started))
        if health.clock_skew is not None:
            yield _clock(health.clock_skew, health.round_trip)

    # credentials -----------------------------------------------------------------------------------------------

    async def _sign_in(self, venue: Venue) -> Finding:
        """Test the credentials alone: one private read. What it finds decides whether the others are tried."""
        if self.private is Private.NEVER:
            self._locked_out = "--public"
            return Finding("credentials", Verdict.SKIPPED, "not tried, as asked")
        reads = {
            "fetch_account": venue.fetch_account,
            "fetch_balances": venue.fetch_balances,
            "fetch_positions": venue.fetch_positions,
            "fetch_open_orders": venue.fetch_open_orders,
            "fetch_fills": venue.fetch_fills,
        }
        hook = next((name for name in reads if venue.supports(name)), None)
        if hook is None:
            self._locked_out = "the plugin reads no account"
            return Finding("credentials", Verdict.SKIPPED, "the plugin reads no account, so there is nothing to test")
        started = self.clock.monotonic()
        try:
            answer = await reads[hook]()
        except CredentialsError as error:
            self._locked_out = "no usable credentials"
            if self.private is Private.REQUIRED or self._something_was_given():
                return _failure("credentials", error, self._since(started))
            return Finding("credentials", Verdict.SKIPPED, f"none: public data only ({error.message})")
        except (AuthError, ConfigError) as error:
            self._locked_out = "the sign-in failed"
            return _failure("credentials", error, self._since(started))
        except PerpkitError as error:
            return _failure("credentials", error, self._since(started))
        account = getattr(answer, "account_id", None)
        whose = f" as {_shortened(account)}" if account else ""
        return Finding("credentials", Verdict.OK, f"accepted{whose}, tried with {hook}", took=self._since(started))

    def _something_was_given(self) -> bool:
        """Whether the user meant to give credentials: by a file, or by a variable that bears the venue's name."""
        prefix = f"{self.target.venue.upper()}_"
        given = (name for name, value in os.environ.items() if name.startswith(prefix) and value.strip())
        return self.target.credentials_file is not None or any(render.names_a_secret(name) for name in given)

    # endpoints -------------------------------------------------------------------------------------------------

    async def _choose(self, venue: Venue) -> Market | Finding:
        """Return the market to look at, or a finding that says why there is none."""
        if self.market is not None:
            try:
                return await venue.market(self.market)
            except PerpkitError as error:
                return _failure("market", error)
        usable = [each for each in venue.markets.values() if each.status is MarketStatus.OPEN]
        if not usable:
            return Finding("market", Verdict.WARNING, "no market is open, so nothing that needs one is tried")
        return min(usable, key=lambda each: (each.instrument.base != "BTC", each.id))

    async def _endpoints(self, venue: Venue, market: Market | None) -> AsyncIterator[Finding]:
        reads = _reads(venue, market, self.clock)
        for hook in _in_order(venue.capabilities.hooks - CHANGING_HOOKS - _NOT_READS):
            check = f"endpoint:{hook}"
            if hook in PRIVATE_HOOKS and self._locked_out is not None:
                yield Finding(check, Verdict.SKIPPED, self._locked_out)
            elif hook in _NEEDS_MARKET and market is None:
                yield Finding(check, Verdict.SKIPPED, "no market to try it with")
            elif hook in reads:
                yield await self._endpoint(hook, reads[hook])
            else:
                yield Finding(check, Verdict.NOT_TRIED, "this check has no way to try it")
        for hook in _in_order(venue.capabilities.hooks & CHANGING_HOOKS):
            yield Finding(f"endpoint:{hook}", Verdict.NOT_TRIED, "it would change something")

    async def _endpoint(self, hook: str, read: Callable[[], Awaitable[Any]]) -> Finding:
        check = f"endpoint:{hook}"
        started = self.clock.monotonic()
        try:
            answer = await read()
        except OrderNotFoundError as error:
            if hook == "fetch_order":
                return Finding(check, Verdict.OK, "knows no order that never was", took=self._since(started))
            return _failure(check, error, self._since(started))
        except CapabilityError as error:
            return Finding(check, Verdict.SKIPPED, error.message, took=self._since(started))
        except PerpkitError as error:
            return _failure(check, error, self._since(started))
        except Exception as error:  # noqa: BLE001 - a foreign plugin may raise anything; it is a finding
            return _failure(check, error, self._since(started))
        problem = _doubtful(hook, answer)
        verdict = Verdict.WARNING if problem else Verdict.OK
        return Finding(check, verdict, problem or _seen(answer), took=self._since(started))

    # streams ---------------------------------------------------------------------------------------------------

    async def _streams(self, venue: Venue, market: Market | None) -> AsyncIterator[Finding]:
        channels = sorted(venue.capabilities.channels, key=list(Channel).index)
        # All at once: what a venue's sockets do is mostly waiting.
        for finding in await asyncio.gather(*(self._channel(venue, channel, market) for channel in channels)):
            yield finding

    async def _channel(self, venue: Venue, channel: Channel, market: Market | None) -> Finding:
        check = f"stream:{channel}"
        if channel.is_private and self._locked_out is not None:
            return Finding(check, Verdict.SKIPPED, self._locked_out)
        if not channel.is_private and market is None:
            return Finding(check, Verdict.SKIPPED, "no market to try it with")
        started = self.clock.monotonic()
        wanted = str(channel) if channel.is_private or market is None else f"{channel}:{market.id}"
        seen = _Heard()
        try:
            async with asyncio.timeout(self.stream_wait.total_seconds()), venue.stream(wanted) as events:
                async for event in events:
                    seen.take(event)
                    if seen.decided:
                        break
        except TimeoutError:
            said = f"; the last thing said was {seen.last}" if seen.last else ""
            detail = f"no acknowledgement and no event in {self.stream_wait.total_seconds():g} s{said}"
            return Finding(check, Verdict.FAILED, detail, remedy(TimeoutError()), self._since(started), "TimeoutError")
        except PerpkitError as error:
            return _failure(check, error, self._since(started))
        took = self._since(started)
        if seen.polling:
            advice = "see whether a firewall or proxy cuts WebSockets"
            return Finding(check, Verdict.WARNING, "not streamed; the same events come by polling", advice, took)
        if not seen.live and seen.events == 0:
            detail = f"the stream ended before it was live{f': {seen.last}' if seen.last else ''}"
            return _failure(check, StreamError(detail), took)
        return Finding(check, Verdict.OK, seen.told, took=took)

    def _since(self, started: float) -> timedelta:
        return timedelta(seconds=self.clock.monotonic() - started)


class _Heard:
    """What a stream said until it could be judged."""

    def __init__(self) -> None:
        self.live = self.polling = False
        self.last: str | None = None
        self.events = 0

    def take(self, event: object) -> None:
        """Take one event."""
        if not isinstance(event, StreamStatus):
            self.events += 1
            return
        self.last = f"{event.state}{f' ({event.reason})' if event.reason else ''}"
        if event.state in {StreamState.LIVE, StreamState.RESYNCED}:
            self.live = True
        elif event.state is StreamState.POLLING:
            self.polling = True

    @property
    def decided(self) -> bool:
        """Whether enough was heard. A refusal comes as an error after its status."""
        return self.live or self.polling

    @property
    def told(self) -> str:
        """What to say of a channel that works."""
        return f"live, with {self.events} event{'' if self.events == 1 else 's'} at once" if self.events else "live"


# findings ----------------------------------------------------------------------------------------------------------


def _failure(check: str, error: BaseException, took: timedelta | None = None) -> Finding:
    code = getattr(error, "code", None)
    text = getattr(error, "message", None) or str(error) or "no message"
    said = f"{text} [{code}]" if code is not None and str(code) not in text else text
    name = type(error).__name__
    detail = said if isinstance(error, PerpkitError) else f"{name}: {said}"
    return Finding(check, Verdict.FAILED, detail, remedy(error), took, name)


def _opening_step(error: PerpkitError) -> str:
    return "credentials" if isinstance(error, CredentialsError) else "plugin"


def _state(health: VenueHealth, took: timedelta) -> Finding:
    said = f"{health.status}{f': {health.message}' if health.message else ''}"
    if health.status is VenueStatus.OK:
        return Finding("venue", Verdict.OK, said, took=took)
    post_only = health.status is VenueStatus.POST_ONLY
    advice = "only post-only orders are taken now" if post_only else "new orders are refused until the venue is back"
    return Finding("venue", Verdict.WARNING, said, advice, took)


def _clock(skew: timedelta, round_trip: timedelta | None) -> Finding:
    """Judge the clock, giving it the benefit of what the round trip leaves uncertain."""
    uncertain = (round_trip or timedelta()) / 2
    off = max(abs(skew) - uncertain, timedelta())
    way = "behind" if skew > timedelta() else "ahead of"
    detail = f"{_ms(abs(skew))} {way} the venue's (give or take {_ms(uncertain)})"
    if off > SKEW_REFUSED:
        return Finding("clock", Verdict.FAILED, detail, CLOCK)
    if off > SKEW_NOTED:
        return Finding("clock", Verdict.WARNING, detail, CLOCK)
    return Finding("clock", Verdict.OK, detail)


def _ms(length: timedelta) -> str:
    return f"{length / timedelta(milliseconds=1):.0f} ms"


_NOT_READS = frozenset({"describe_venue", "start", "stop", "check_health", "open_stream", "fetch_markets"})
_NEEDS_MARKET = frozenset(
    {
        "fetch_ticker",
        "fetch_order_book",
        "fetch_trades",
        "fetch_candles",
        "fetch_funding_history",
        "fetch_leverage",
        "fetch_order",
    }
)


def _reads(venue: Venue, market: Market | None, clock: Clock) -> dict[str, Callable[[], Awaitable[Any]]]:
    """Return a harmless call for each read."""
    since = clock.now() - _LOOK_BACK
    reads: dict[str, Callable[[], Awaitable[Any]]] = {
        "fetch_tickers": venue.fetch_tickers,
        "fetch_funding_rates": venue.fetch_funding_rates,
        "fetch_account": venue.fetch_account,
        "fetch_balances": venue.fetch_balances,
        "fetch_positions": venue.fetch_positions,
        "fetch_fees": venue.fetch_fees,
        "fetch_open_orders": venue.fetch_open_orders,
        "fetch_order_history": lambda: venue.fetch_order_history(limit=_SAMPLE),
        "fetch_fills": lambda: venue.fetch_fills(limit=_SAMPLE),
        "fetch_funding_payments": lambda: venue.fetch_funding_payments(limit=_SAMPLE),
    }
    if market is None:
        return reads
    intervals = venue.capabilities.candle_intervals
    rule = venue.capabilities.client_order_id
    nobody = OrderRef(market_id=market.id, client_order_id="1" if rule.problem(_PROBE_ID) else _PROBE_ID)
    if intervals:
        reads["fetch_candles"] = lambda: venue.fetch_candles(market, min(intervals), since=since)
    return reads | {
        "fetch_ticker": lambda: venue.fetch_ticker(market),
        "fetch_order_book": lambda: venue.fetch_order_book(market),
        "fetch_trades": lambda: venue.fetch_trades(market, limit=_SAMPLE),
        "fetch_funding_history": lambda: venue.fetch_funding_history(market, limit=_SAMPLE),
        "fetch_leverage": lambda: venue.fetch_leverage(market),
        "fetch_order": lambda: venue.fetch_order(nobody),
    }


def _seen(answer: object) -> str:
    if isinstance(answer, list):
        return "1 entry" if len(answer) == 1 else f"{len(answer)} entries"
    if isinstance(answer, BookSnapshot):
        return f"{len(answer.bids)} bids, {len(answer.asks)} asks"
    return "answered"


def _doubtful(hook: str, answer: object) -> str | None:
    """Say what is odd about an answer that came without an error."""
    if hook in {"fetch_markets", "fetch_tickers"} and not answer:
        return "it answered, and lists nothing"
    if isinstance(answer, BookSnapshot) and answer.bids and answer.asks:
        bid, ask = answer.bids[0].price, answer.asks[0].price
        return f"the book is crossed: bid {bid}, ask {ask}" if bid >= ask else None
    return None


def _in_order(hooks: Iterable[str]) -> list[str]:
    order = [name for spec in hookspecs.SPECS for name in vars(spec)]
    return sorted(hooks, key=order.index)


def _shortened(account: str) -> str:
    return account if len(account) <= 14 else f"{account[:8]}…{account[-4:]}"
