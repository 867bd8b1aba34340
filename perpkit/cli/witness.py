"""
Follows a venue's streams for the demo: tells each event in a line, keeps it, and lets the story wait for one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

from rich.console import Console
from rich.text import Text

from perpkit.cli import render
from perpkit.core.errors import PerpkitError
from perpkit.core.models import (
    Balance,
    Event,
    Fill,
    FundingPayment,
    Order,
    OrderStatus,
    Position,
    StreamState,
    StreamStatus,
)
from perpkit.core.streams.delivery import EventStream
from perpkit.core.venue import Venue

E = TypeVar("E")

PATIENCE_SECONDS = 20


class ExpectationError(PerpkitError):
    """The demo expected something that did not come true."""


class Witness:
    """
    Reads one stream to its end in a task of its own.

    Args:
        console: Where events are told.
    """

    def __init__(self, events: EventStream, console: Console) -> None:
        self._events = events
        self._console = console
        self._news = asyncio.Condition()
        self._told: dict[type, str] = {}
        self.seen: list[Event] = []

    async def watch(self) -> None:
        """Read until canceled or refused."""
        async for event in self._events:
            self.seen.append(event)
            self._tell(event)
            async with self._news:
                self._news.notify_all()

    def _tell(self, event: Event) -> None:
        line = told(event)
        # A balance is repeated with each change of the account; said once is enough.
        if line is not None and self._told.get(type(event)) != line.plain:
            self._told[type(event)] = line.plain
            self._console.print(Text.assemble(("     stream  ", "dim"), line), soft_wrap=True)

    async def until(self, kind: type[E], expected: Callable[[E], bool], what: str, *, after: int = 0) -> E:
        """
        Wait for an event, those already seen since number ``after`` included.

        Raises:
            ExpectationError: It does not come.
        """

        def found() -> E | None:
            fitting = (each for each in self.seen[after:] if isinstance(each, kind) and expected(each))
            return next(fitting, None)

        try:
            async with asyncio.timeout(PATIENCE_SECONDS), self._news:
                await self._news.wait_for(lambda: found() is not None)
        except TimeoutError:
            raise ExpectationError(f"{what}: nothing came on the stream in {PATIENCE_SECONDS} s") from None
        event = found()
        if event is None:  # impossible after the wait; keeps the type honest
            raise ExpectationError(what)
        return event

    async def live(self) -> None:
        """Wait until every channel is live."""
        await self.until(StreamStatus, lambda status: status.state is StreamState.LIVE, "the stream becomes live")

    async def order_is(self, client_order_id: str | None, status: OrderStatus, what: str) -> Order:
        """Wait until an order of ours is told in this status; see ``until``."""
        return await self.until(
            Order, lambda order: order.client_order_id == client_order_id and order.status is status, what
        )

    async def order_ends(self, client_order_id: str | None, what: str) -> Order:
        """Wait until an order of ours is told as over, however it ended; see ``until``."""
        return await self.until(
            Order, lambda order: order.client_order_id == client_order_id and order.is_terminal, what
        )


@asynccontextmanager
async def followed(venue: Venue, channels: Sequence[str], console: Console) -> AsyncIterator[Witness]:
    """Follow channels of a venue with a witness, which is live when the block begins and stops with it."""
    async with venue.stream(channels) as events:
        witness = Witness(events, console)
        watching = asyncio.create_task(witness.watch())
        try:
            await witness.live()
            yield witness
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching


def told(event: Event) -> Text | None:
    """Return an event of the account in one line; None for what is not worth a line here."""
    number = render.trimmed
    if isinstance(event, Order):
        reason = f" ({event.reject_reason}: {event.status_message})" if event.reject_reason else ""
        done = f"{number(event.filled_size)} of {number(event.size)} filled"
        return Text.assemble("order    ", (event.status, "bold"), f"  {event.side} {event.market_id}, {done}{reason}")
    if isinstance(event, Fill):
        fee = f"fee {number(event.fee)} {event.fee_asset}"
        return Text(
            f"fill     {event.side} {number(event.size)} at {number(event.price)} as {event.liquidity}, {fee}", "green"
        )
    if isinstance(event, Position):
        at = f" entered at {number(event.entry_price)}" if event.size and event.entry_price else ""
        return Text(f"position {number(event.size, signed=True) if event.size else 'flat'} {event.market_id}{at}")
    if isinstance(event, Balance):
        return Text(f"balance  {number(event.total)} {event.asset}")
    if isinstance(event, FundingPayment):
        return Text(f"funding  {number(event.amount, signed=True)} {event.asset} settled", "magenta")
    if isinstance(event, StreamStatus):
        why = f" ({event.reason})" if event.reason else ""
        return Text(f"status   {event.state}{f' {event.channel}' if event.channel else ''}{why}", "cyan")
    return None
