"""The toy venue installed, and a runner for commands."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import EntryPoint
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from perpkit.cli.app import app
from perpkit.core import plugins
from tests.cli.toy import ToyVenue

ENTRY_POINTS = [
    EntryPoint("toy", "tests.cli.toy:ToyVenue", plugins.VENUES),
    EntryPoint("wreck", "tests.cli.no_such_module:Venue", plugins.VENUES),
]

Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command with the toy and a broken plugin installed, in a terminal-less process with a clean environment."""

    def entry_points(*, group: str) -> list[EntryPoint]:
        return [entry for entry in ENTRY_POINTS if entry.group == group]

    monkeypatch.setattr(plugins, "entry_points", entry_points)
    for name in ("TOY_KEY", "TOY_FAULTS", "PERPKIT_DEBUG", "PERPKIT_ENVIRONMENT", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    ToyVenue.calls.clear()

    def invoke(*arguments: str, **environment: Any) -> Result:
        return CliRunner().invoke(app, arguments, env=environment, prog_name="perpkit")

    return invoke
