"""``perpkit conformance``: what it runs, and what its exit code says."""

from __future__ import annotations

import sys

import pytest
from typer.testing import CliRunner

from perpkit.cli import conformance
from perpkit.cli.app import app


@pytest.fixture
def ran(monkeypatch):
    """Keep the commands that would be run, each ending with the code that a test sets."""
    commands: list[list[str]] = []
    code = {"code": 0}

    def become(command):
        commands.append(command)
        return code["code"]

    monkeypatch.setattr(conformance, "become", become)
    return commands, code


def invoke(*given: str):
    return CliRunner().invoke(app, ["conformance", *given], prog_name="perpkit")


def test_every_option_goes_to_the_suite(ran, tmp_path):
    """What is asked for here is what the suite is asked for, in a process of its own."""
    commands, _ = ran
    card, page = str(tmp_path / "card.json"), str(tmp_path / "card.md")
    result = invoke(
        "paradex", "--tier", "gold", "--rule", "fills-add-up", "--rule", "fees-are-the-ledgers", "--seed", "7",
        "--plugin", "mine:Plugin", "--json", card, "--markdown", page, "--workers", "2", "--live", "testnet",
        "--live-trade",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert commands == [
        [
            sys.executable, "-m", "perpkit_conformance", "paradex", "--tier", "gold", "--json", card,
            "--markdown", page, "--plugin", "mine:Plugin", "--seed", "7", "--live", "testnet", "--workers", "2",
            "--live-trade", "--rule", "fills-add-up", "--rule", "fees-are-the-ledgers",
        ]
    ]  # fmt: skip


def test_nothing_is_asked_for_that_was_not_given(ran):
    """By itself it runs every rule, offline."""
    commands, _ = ran
    assert invoke("paradex").exit_code == 0
    assert commands == [[sys.executable, "-m", "perpkit_conformance", "paradex"]]


@pytest.mark.parametrize("code", [0, 1, 2, 130])
def test_the_exit_code_is_the_runs_own(ran, code):
    """Nothing stands between the run and the shell."""
    _, set_code = ran
    set_code["code"] = code
    assert invoke("paradex").exit_code == code


def test_an_unknown_tier_is_refused_before_anything_runs(ran):
    """The tiers are named."""
    commands, _ = ran
    result = invoke("paradex", "--tier", "diamond")
    assert result.exit_code == 2
    assert "platinum" in result.output
    assert commands == []


def test_what_is_missing_is_named_with_the_extra(ran, monkeypatch):
    """Without the extra's libraries it says how to get them."""
    commands, _ = ran
    monkeypatch.setattr(conformance, "find_spec", lambda name: None if name == "jsonschema" else object())
    result = invoke("paradex")
    assert result.exit_code == 2
    assert "needs jsonschema: pip install 'perpkit[conformance]'" in result.stderr
    assert commands == []
