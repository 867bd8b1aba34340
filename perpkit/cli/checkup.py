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
from perpkit.cli.findings import Finding, Verdict, doubtful, failure, of_clock, of_state, seen
from perpkit.cli.options import Target, environment_of
from perpkit.cli.probes import CHANGING_HOOKS, NEEDS_MARKET, NOT_READS, PRIVATE_HOOKS, in_order, reads_of
from perpkit.cli.remedies import remedy
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
    Channel,
    Market,
    MarketStatus,
    StreamState,
    StreamStatus,
)
from perpkit.core.venue import Venue

_OPEN_TO_OTHERS = stat.S_IRWXG | stat.S_IRWXO


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
        except Exception as error:  # noqa: BLE001 - a foreign plugin may raise anything; it is a finding
            yield failure(_opening_step(error), error)
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
        except Exception as error:  # noqa: BLE001 - a foreign plugin may raise anything; it is a finding
            yield failure(_opening_step(error), error)
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
            yield failure("venue", error, self._since(started))
            return
        yield of_state(health, self._since(started))
        if health.clock_skew is not None:
            yield of_clock(health.clock_skew, health.round_trip)

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
            self._locked_out = "no credentials"
            if self.private is Private.REQUIRED or self._something_was_given():
                self._locked_out = "no usable credentials"
                return failure("credentials", error, self._since(started))
            return Finding("credentials", Verdict.SKIPPED, f"none: public data only ({error.message})")
        except (AuthError, ConfigError) as error:
            self._locked_out = "the sign-in failed"
            return failure("credentials", error, self._since(started))
        except PerpkitError as error:
            return failure("credentials", error, self._since(started))
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
                return failure("market", error)
        usable = [each for each in venue.markets.values() if each.status is MarketStatus.OPEN]
        if not usable:
            return Finding("market", Verdict.WARNING, "no market is open, so nothing that needs one is tried")
        return min(usable, key=lambda each: (each.instrument.base != "BTC", each.id))

    async def _endpoints(self, venue: Venue, market: Market | None) -> AsyncIterator[Finding]:
        reads = reads_of(venue, market, self.clock)
        for hook in in_order(venue.capabilities.hooks - CHANGING_HOOKS - NOT_READS):
            check = f"endpoint:{hook}"
            if hook in PRIVATE_HOOKS and self._locked_out is not None:
                yield Finding(check, Verdict.SKIPPED, self._locked_out)
            elif hook in NEEDS_MARKET and market is None:
                yield Finding(check, Verdict.SKIPPED, "no market to try it with")
            elif hook in reads:
                yield await self._endpoint(hook, reads[hook])
            else:
                yield Finding(check, Verdict.NOT_TRIED, "this check has no way to try it")
        for hook in in_order(venue.capabilities.hooks & CHANGING_HOOKS):
            yield Finding(f"endpoint:{hook}", Verdict.NOT_TRIED, "it would change something")

    async def _endpoint(self, hook: str, read: Callable[[], Awaitable[Any]]) -> Finding:
        check = f"endpoint:{hook}"
        started = self.clock.monotonic()
        try:
            answer = await read()
        except OrderNotFoundError as error:
            if hook == "fetch_order":
                return Finding(check, Verdict.OK, "knows no order that never was", took=self._since(started))
            return failure(check, error, self._since(started))
        except CapabilityError as error:
            return Finding(check, Verdict.SKIPPED, error.message, took=self._since(started))
        except PerpkitError as error:
            return failure(check, error, self._since(started))
        except Exception as error:  # noqa: BLE001 - a foreign plugin may raise anything; it is a finding
            return failure(check, error, self._since(started))
        problem = doubtful(hook, answer)
        verdict = Verdict.WARNING if problem else Verdict.OK
        return Finding(check, verdict, problem or seen(answer), took=self._since(started))

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
        heard = _Heard()
        try:
            async with asyncio.timeout(self.stream_wait.total_seconds()), venue.stream(wanted) as events:
                async for event in events:
                    heard.take(event)
                    if heard.decided:
                        break
        except TimeoutError:
            said = f"; the last thing said was {heard.last}" if heard.last else ""
            detail = f"no acknowledgement and no event in {self.stream_wait.total_seconds():g} s{said}"
            return Finding(check, Verdict.FAILED, detail, remedy(TimeoutError()), self._since(started), "TimeoutError")
        except PerpkitError as error:
            return failure(check, error, self._since(started))
        took = self._since(started)
        if heard.polling:
            advice = "see whether a firewall or proxy cuts WebSockets"
            return Finding(check, Verdict.WARNING, "not streamed; the same events come by polling", advice, took)
        if not heard.live and heard.events == 0:
            detail = f"the stream ended before it was live{f': {heard.last}' if heard.last else ''}"
            return failure(check, StreamError(detail), took)
        return Finding(check, Verdict.OK, heard.told, took=took)

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


def _opening_step(error: Exception) -> str:
    return "credentials" if isinstance(error, CredentialsError) else "plugin"


def _shortened(account: str) -> str:
    return account if len(account) <= 14 else f"{account[:8]}…{account[-4:]}"
