"""The toy venue installed, and a runner for commands."""

from __future__ import annotations

import os
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
    EntryPoint("unlucky", "tests.cli.toy:UnluckyVenue", plugins.VENUES),
    EntryPoint("wreck", "tests.cli.no_such_module:Venue", plugins.VENUES),
]

Run = Callable[..., Result]


def install_toy(monkeypatch: pytest.MonkeyPatch, **environment: str) -> None:
    """Let the toy and two broken plugins be the only ones installed, in an environment without settings but these."""

    def entry_points(*, group: str) -> list[EntryPoint]:
        return [entry for entry in ENTRY_POINTS if entry.group == group]

    monkeypatch.setattr(plugins, "entry_points", entry_points)
    for name in [name for name in os.environ if name.startswith(("TOY_", "PERPKIT_")) or name == "COLUMNS"]:
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    ToyVenue.calls.clear()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command with the toy installed and no terminal; keyword arguments are environment variables."""
    install_toy(monkeypatch)

    def invoke(*arguments: str, **environment: Any) -> Result:
        return CliRunner().invoke(app, arguments, env=environment, prog_name="perpkit")

    return invoke
