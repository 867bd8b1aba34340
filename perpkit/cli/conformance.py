"""``perpkit conformance VENUE``: the conformance suite on a venue plugin, and its report card."""

from __future__ import annotations

import os
import subprocess
import sys
from enum import StrEnum
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

import typer

from perpkit.cli.running import reported

app = typer.Typer()

_NEEDED = ("pytest", "pytest_asyncio", "jsonschema", "yaml")


class Tier(StrEnum):
    """How far to go."""

    BRONZE = "bronze"
    SILVER = "silver"
    GOLD = "gold"
    PLATINUM = "platinum"


@app.command()
def conformance(
    venue: Annotated[str, typer.Argument(metavar="VENUE", help="A venue with a profile, or module:object of one.")],
    *,
    tier: Annotated[Tier | None, typer.Option("--tier", help="Only this tier and those beneath it.")] = None,
    rule: Annotated[
        list[str] | None, typer.Option("--rule", metavar="ID", help="Only this rule; may be repeated.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the report card as JSON.")
    ] = None,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="Write the report card as Markdown.")
    ] = None,
    plugin: Annotated[
        str | None, typer.Option("--plugin", metavar="MODULE:CLASS", help="Test this class, not the installed plugin.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Exchange, faults and histories follow from it.")] = None,
    live: Annotated[
        str | None,
        typer.Option("--live", metavar="ENVIRONMENT", help="The live rules as well, read-only: --live testnet."),
    ] = None,
    live_trade: Annotated[
        bool, typer.Option("--live-trade", help="Let the live run place one small order and cancel it.")
    ] = False,
    real_money: Annotated[
        bool, typer.Option("--real-money", help="The first of the two opt-ins without which no mainnet is touched.")
    ] = False,
    workers: Annotated[
        int | None, typer.Option("--workers", min=0, help="Processes; by default one for each core.")
    ] = None,
) -> None:
    """
    Prove a venue plugin right, rule by rule, against a local exchange that keeps accounts; print its report card.

    Offline unless --live is given. Exits with 1 when a rule fails, a waiver is stale, or nothing ran at all; a rule
    that did not run fails nothing, but no tier stands on it. Stopped with ctrl-C it still gives the card of what it
    has, and exits with 130. Each failure says the rule, what the ledger holds, what came, and what to read.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise reported(f"`perpkit conformance` needs {', '.join(missing)}: pip install 'perpkit[conformance]'")
    command = [sys.executable, "-m", "perpkit_conformance", venue]
    for name, value in (
        ("--tier", tier),
        ("--json", json_file),
        ("--markdown", markdown),
        ("--plugin", plugin),
        ("--seed", seed),
        ("--live", live),
        ("--workers", workers),
    ):
        command += [name, str(value)] if value is not None else []
    command += ["--live-trade"] if live_trade else []
    command += ["--real-money"] if real_money else []
    for each in rule or ():
        command += ["--rule", each]
    raise typer.Exit(become(command))


def become(command: list[str]) -> int:
    """
    Run a command in place of this process, or where that can't be in a process of its own, and return its exit code.

    pytest rewrites what it imports, and this process has imported perpkit already. Between the user and the run nothing
    must stand: ctrl-C is the run's own, which then writes the card of what it has, and so are the exit code and a kill.
    """
    if os.name == "posix":
        os.execv(command[0], command)  # noqa: S606 - our own interpreter and module
    return subprocess.run(command, check=False).returncode  # noqa: S603 - as above
