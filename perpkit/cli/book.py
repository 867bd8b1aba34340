"""``perpkit book``: one market's order book, live, with the stream's own account of how it is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.live import Live
from rich.text import Text

from perpkit.cli import render
from perpkit.cli.options import AsJson, CredentialsFile, Environment, RestUrl, Target, VenueName, WsUrl, environment_of
from perpkit.cli.running import run
from perpkit.cli.tables import Listing, show_table
from perpkit.core.book import OrderBook
from perpkit.core.clock import Clock, SystemClock
from perpkit.core.models import BookDelta, BookLevel, BookSnapshot, Event, StreamState, StreamStatus

app = typer.Typer()

_FRAME_SECONDS = 0.125
_STATE_STYLES = {
    StreamState.LIVE: "green",
    StreamState.RESYNCED: "green",
    StreamState.POLLING: "yellow",
    StreamState.LAGGING: "yellow",
}
_BROKEN = frozenset({StreamState.LOST, StreamState.GAP, StreamState.REFUSED, StreamState.CLOSED})


@app.command()
def book(
    venue: VenueName,
    market: Annotated[str, typer.Argument(metavar="MARKET", help="For example BTC-USD-PERP.")],
    *,
    depth: Annotated[int, typer.Option("--depth", "-d", min=1, max=200, help="Levels a side.")] = 10,
    once: Annotated[bool, typer.Option("--once", help="Ask once, show it, and stop.")] = False,
    count: Annotated[
        int | None, typer.Option("--count", min=1, help="Stop after so many updates. Without it: ctrl-C stops.")
    ] = None,
    as_json: AsJson = False,
    environment: Environment = None,
    rest_url: RestUrl = None,
    ws_url: WsUrl = None,
    credentials_file: CredentialsFile = None,
) -> None:
    """
    Follow a market's order book. With --json, or into a pipe, one line for each update.

    The stream's state is always shown: while it is lost, or updates were missed, no prices are.
    """
    target = Target(venue, environment, rest_url, ws_url, credentials_file)
    clock = SystemClock()
    if once:
        run(_once(target, market, depth, as_json=as_json, clock=clock))
    else:
        run(_follow(target, market, depth, count=count, as_json=as_json, clock=clock))


class BookView:
    """What is known of one book and its stream, and how that looks."""

    def __init__(self, market_id: str, title: str, depth: int) -> None:
        self.book = OrderBook(market_id)
        self.updates = 0
        self._title = title
        self._depth = depth
        self._state: StreamState | None = None
        self._reason: str | None = None
        self._folded = 0
        self._last: datetime | None = None

    def take(self, event: Event) -> bool:
        """Take an event; whether the book changed by it."""
        if isinstance(event, BookSnapshot | BookDelta):
            self.book.apply(event)
            self.updates += 1
            self._folded += event.conflated if isinstance(event, BookSnapshot) else 0
            self._last = event.ts_received
            return True
        if isinstance(event, StreamStatus):
            self._state, self._reason = event.state, event.reason
            if event.state in _BROKEN:
                self.book.reset(f"{event.state}{f': {event.reason}' if event.reason else ''}")
        return False

    def __call__(self, now: datetime) -> Group:
        """Return the whole view."""
        return Group(Text(self._title, style="bold"), self._status(now), self._levels())

    def _status(self, now: datetime) -> Text:
        state = Text(
            str(self._state or "connecting"), style=_STATE_STYLES.get(self._state or StreamState.LOST, "bold red")
        )
        if self._reason:
            state.append(f" ({render.redactor().text(self._reason)})", style="dim")
        facts = [f"{self.updates} updates"]
        if self._folded:
            facts.append(f"{self._folded} folded")
        if self.book.sequence is not None:
            facts.append(f"number {self.book.sequence}")
        if self._last is not None:
            facts.append(f"{render.age(self._last, now)} old")
        return Text.assemble("stream: ", state, "  ", (", ".join(facts), "dim"))

    def _levels(self) -> Listing | Text:
        if self.book.is_stale:
            return Text(f"no book: {render.redactor().text(self.book.stale_reason or '')}", style="yellow")
        return levels_table(self.book.bids(self._depth), self.book.asks(self._depth))

    def line(self) -> str:
        """Return the best levels in one line, for a pipe."""
        if self.book.is_stale:
            return f"no book: {self.book.stale_reason}"
        bid, ask = self.book.best_bid, self.book.best_ask
        return f"{self._last and self._last.isoformat()} bid {_level(bid)} ask {_level(ask)}"


def levels_table(bids: tuple[BookLevel, ...], asks: tuple[BookLevel, ...]) -> Listing:
    """Return asks above bids, the best of each next to the spread, with sizes added up from there."""
    made = Listing(None, "side", ">price", ">size", ">sum")
    rows = list(zip(asks, _sums(asks), strict=True))
    for level, total in reversed(rows):
        made.row("ask", Text(render.number(level.price), style="red"), level.size, total)
    if bids and asks:
        spread = asks[0].price - bids[0].price
        mid = (asks[0].price + bids[0].price) / 2
        made.row("", Text(f"{render.number(spread)} apart, {spread / mid * 10_000:.2f} bps", style="dim"), "", "")
    for level, total in zip(bids, _sums(bids), strict=True):
        made.row("bid", Text(render.number(level.price), style="green"), level.size, total)
    return made


def _sums(levels: tuple[BookLevel, ...]) -> list[Decimal]:
    sums: list[Decimal] = []
    total = Decimal(0)
    for level in levels:
        total += level.size
        sums.append(total)
    return sums


def _level(level: BookLevel | None) -> str:
    return render.NOTHING if level is None else f"{render.number(level.price)} x {render.number(level.size)}"


async def _once(target: Target, market: str, depth: int, *, as_json: bool, clock: Clock) -> None:
    with render.progress(f"asking {target.venue} for the book of {market}"):
        async with target.open() as venue:
            snapshot = await venue.fetch_order_book(market, depth=depth)
            where = environment_of(target, venue)
    if as_json:
        render.print_json(_as_dict(snapshot))
        return
    console = render.out()
    told = render.age(snapshot.ts_venue or snapshot.ts_received, clock.now())
    console.print(Text(f"{snapshot.market_id} {where}", style="bold"), Text(f"{told} old", style="dim"))
    show_table(levels_table(snapshot.bids[:depth], snapshot.asks[:depth]), console)


async def _follow(target: Target, market: str, depth: int, *, count: int | None, as_json: bool, clock: Clock) -> None:
    async with target.open() as venue:
        with render.progress(f"asking {target.venue} for its markets"):
            found = await venue.market(market)
        view = BookView(found.id, f"{found.id} {environment_of(target, venue)}", depth)
        console = render.out()
        drawing = console.is_terminal and not as_json
        async with venue.stream(f"book:{found.id}") as events, drawn(view, clock, enabled=drawing):
            async for event in events:
                changed = view.take(event)
                if as_json:
                    _print_event(event, view, depth)
                elif not drawing:
                    console.print(view.line() if changed else _status_line(event), soft_wrap=True)
                if changed and count is not None and view.updates >= count:
                    return


@asynccontextmanager
async def drawn(view: BookView, clock: Clock, *, enabled: bool) -> AsyncIterator[None]:
    """Draw the view some times a second until the block ends, from the event loop: no thread looks at the book."""
    if not enabled:
        yield
        return
    with Live(view(clock.now()), console=render.out(), auto_refresh=False) as live, render.drawn_over(view):

        async def draw() -> None:
            while True:
                live.update(view(clock.now()), refresh=True)
                await clock.sleep(_FRAME_SECONDS)

        drawing = asyncio.create_task(draw())
        try:
            yield
        finally:
            drawing.cancel()
            await asyncio.gather(drawing, return_exceptions=True)
            live.update(view(clock.now()), refresh=True)


def _status_line(event: Event) -> str:
    if isinstance(event, StreamStatus):
        return render.redactor().text(f"stream: {event.state}{f' ({event.reason})' if event.reason else ''}")
    return str(event)


def _print_event(event: Event, view: BookView, depth: int) -> None:
    if isinstance(event, StreamStatus):
        render.print_json({"type": "status", **dict(event)}, lines=True)
    elif not view.book.is_stale:
        render.print_json({"type": "book", **_as_dict(view.book.snapshot(depth=depth))}, lines=True)


def _as_dict(snapshot: BookSnapshot) -> dict[str, Any]:
    sides = {
        side: [{"price": level.price, "size": level.size} for level in levels]
        for side, levels in (("bids", snapshot.bids), ("asks", snapshot.asks))
    }
    return {**dict(snapshot), **sides}
