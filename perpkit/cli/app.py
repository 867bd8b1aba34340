"""The root of the command line: what commands there are, where each is kept, and ``--version``."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from perpkit.cli.running import reported


@dataclass(frozen=True, slots=True)
class Entry:
    """One command: the module whose ``app`` it is, what the listing says of it, and the extra that it needs."""

    module: str
    help: str
    extra: str | None = None


COMMANDS = {
    "demo": Entry("demo", "The whole story in under a minute, on local exchanges: no account, no network.", "sim"),
    "venues": Entry("venues", "List the venue plugins that are installed, and what each can do."),
    "check": Entry("check", "Test credentials, clock, every endpoint and every stream of a venue. Places no order."),
    "markets": Entry("markets", "List a venue's perpetuals with their rules."),
    "funding": Entry("funding", "Funding rates across venues, their history, and what an account was paid."),
    "book": Entry("book", "Follow a market's order book."),
    "account": Entry("account", "Show equity, balances, positions and open orders."),
    "sim": Entry("sim", "Run a local exchange that speaks a venue's own wire.", "sim"),
    "conformance": Entry("conformance", "Prove a venue plugin right against a local exchange; print its report card."),
    "new-venue": Entry("new_venue", "Write a complete package for a new venue's plugin, which works, to start from."),
}


class Commands(TyperGroup):
    """The root group: it lists all commands, and imports the one that is run."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, entry in COMMANDS.items():
            self.commands[name] = TyperCommand(name, short_help=entry.help, help=entry.help)

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order of the table: the first thing to try comes first."""
        return list(COMMANDS)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        """Find the command that is meant, and import it."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, load(name) if name in COMMANDS else command, rest


def load(name: str) -> Any:
    """Import a command's module and return the command."""
    entry = COMMANDS[name]
    try:
        module = importlib.import_module(f"perpkit.cli.{entry.module}")
    except ModuleNotFoundError as error:
        if entry.extra is None or (error.name or "").startswith("perpkit"):
            raise
        message = f"`perpkit {name}` needs {error.name}, which is not installed: pip install 'perpkit[{entry.extra}]'"
        raise reported(message) from None
    command = typer.main.get_command(module.app)
    command.name = name
    return command


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - for this option alone

        typer.echo(f"perpkit {version('perpkit')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """
    One typed interface to perpetual-futures venues.

    Keys are read from environment variables or from a file of mode 600, never from the command line, where every
    process on the machine could read them.
    """
