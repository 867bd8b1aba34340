"""The live book: what is shown of a healthy stream, and that nothing is shown of a broken one."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from rich.console import Console

from perpkit.cli.book import BookView, _follow
from perpkit.cli.options import Target
from perpkit.core.clock import SystemClock
from perpkit.core.models import BookDelta, BookLevel, BookSnapshot, StreamState, StreamStatus
from tests.cli.conftest import install_toy
from tests.cli.stream_server import stream_server

NOW = datetime(2026, 11, 1, 12, 0, tzinfo=UTC)
MARKET = "BTC-USD-PERP@toy"


def level(price: str, size: str) -> BookLevel:
    """Return a level."""
    return BookLevel(Decimal(price), Decimal(size))


def snapshot(number: int, bid: str = "99.5", *, conflated: int = 0) -> BookSnapshot:
    """Return a book of one level a side."""
    return BookSnapshot(
        market_id=MARKET,
        bids=(level(bid, "1"),),
        asks=(level("100.5", "2"),),
        sequence=number,
        conflated=conflated,
        ts_received=NOW,
    )


def status(state: StreamState, reason: str | None = None) -> StreamStatus:
    """Return a status."""
    return StreamStatus(state=state, reason=reason, ts_received=NOW)


def shown(view: BookView, after: timedelta = timedelta(0)) -> str:
    """Return the view as text."""
    console = Console(width=100)
    with console.capture() as capture:
        console.print(view(NOW + after))
    return capture.get()


def test_a_live_book_shows_its_state_and_age():
    """The stream's state, how old the data is, and what was folded."""
    view = BookView(MARKET, "title", 10)
    view.take(status(StreamState.LIVE))
    view.take(snapshot(7, conflated=3))
    text = shown(view, timedelta(seconds=4))
    for words in ("stream: live", "1 updates, 3 folded, number 7, 4s old", "99.5", "100.5", "1.0 apart, 100.00 bps"):
        assert words in text


def test_a_delta_changes_the_book():
    """Sizes are what stands there now; a size of zero takes a level out."""
    view = BookView(MARKET, "title", 10)
    view.take(snapshot(7))
    view.take(
        BookDelta(
            market_id=MARKET,
            bids=(level("99.5", "0"), level("99", "4")),
            asks=(),
            previous_sequence=7,
            sequence=8,
            ts_received=NOW,
        )
    )
    assert view.book.bids() == (level("99", "4"),)


@pytest.mark.parametrize("state", [StreamState.LOST, StreamState.GAP, StreamState.REFUSED, StreamState.CLOSED])
def test_no_price_is_shown_of_a_stream_that_is_not_live(state: StreamState):
    """An old book looks like a market; so there is none until the next snapshot."""
    view = BookView(MARKET, "title", 10)
    view.take(status(StreamState.LIVE))
    view.take(snapshot(7))
    view.take(status(state, "because"))
    text = shown(view)
    assert "99.5" not in text
    assert f"stream: {state} (because)" in text
    assert view.line().startswith("no book")
    view.take(snapshot(9, "99"))
    assert "99" in shown(view)


async def test_json_is_one_line_for_each_event(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Statuses and books, each a whole JSON object; --count ends it."""
    async with stream_server() as address:
        install_toy(monkeypatch, TOY_WS=address)
        await _follow(Target("toy"), "BTC-USD-PERP", 5, count=1, as_json=True, clock=SystemClock())
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    [book] = [line for line in lines if line["type"] == "book"]
    assert book["bids"] == [{"price": "99.5", "size": "1"}]
    assert book["asks"] == [{"price": "100.5", "size": "2"}]
    assert {line["type"] for line in lines} <= {"book", "status"}


async def test_a_pipe_gets_a_line_for_each_update(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """No cursor movements where nobody looks."""
    async with stream_server() as address:
        install_toy(monkeypatch, TOY_WS=address)
        await _follow(Target("toy"), "BTC-USD-PERP", 5, count=1, as_json=False, clock=SystemClock())
    out = capsys.readouterr().out
    assert "bid 99.5 x 1 ask 100.5 x 2" in out
    assert "\x1b" not in out
