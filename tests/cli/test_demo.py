"""``perpkit demo``: it tells the story to its end, and notices when something turns out otherwise."""

from __future__ import annotations

import pytest
from rich.console import Console
from typer.testing import CliRunner

from perpkit.cli import demo_acts, demo_lighter
from perpkit.cli.app import app
from perpkit.cli.story import Story
from perpkit.cli.witness import ExpectationError
from perpkit.core.clock import SystemClock


def test_the_demo_tells_the_whole_story():
    """Every act is played and every expectation holds, against the local exchange; well inside a minute."""
    result = CliRunner().invoke(app, ["demo", "--quick"])
    assert result.exit_code == 0, result.output
    for words in (
        "markets and funding",
        "The order book, live",
        "watch it fill",
        "position, balance, funding",
        "the balance is exact, to the last digit",
        "resolved: the order is open at the venue",
        "rejected, reason margin",
        "The same program on another venue: Extended",
        "the balance is the ledger's, to the last digit",
        "And on a third: Lighter",
        "every event calls it demo-1",
        "rate x notional is that payment, from all three sources",
        "the third exchange's books balance too",
        "expectations held",
    ):
        assert words in result.stdout
    assert "Traceback" not in result.output


async def test_without_the_signing_library_the_third_venue_is_left_out(monkeypatch: pytest.MonkeyPatch):
    """It comes with an extra, and the demo says which."""
    monkeypatch.setattr(demo_lighter, "find_spec", lambda name: None)
    with Console(record=True) as console:
        await demo_lighter.the_same_on_lighter(Story(console, SystemClock(), 0.0), 7)
    assert "pip install 'perpkit[lighter]'" in console.export_text()


def test_a_disappointed_expectation_ends_the_demo_with_exit_code_1(monkeypatch: pytest.MonkeyPatch):
    """An act that goes wrong is told in one line, and what was started is stopped."""

    async def goes_wrong(stage: demo_acts.Stage) -> None:
        stage.story.expect(stage.local.exchange.markets() == [], "the exchange lists nothing")

    monkeypatch.setattr(demo_acts, "ACTS", (goes_wrong,))
    result = CliRunner().invoke(app, ["demo", "--quick"])
    assert result.exit_code == 1
    assert result.stderr == "error: this did not hold: the exchange lists nothing\n"


def test_the_story_counts_only_what_held():
    """An expectation that fails raises; none is counted that did not hold."""
    story = Story(Console(quiet=True), SystemClock(), 0.0)
    story.expect(1 + 1 == 2, "arithmetic")
    with pytest.raises(ExpectationError, match="did not hold: nonsense"):
        story.expect(None, "nonsense")
    assert story.kept == 1
