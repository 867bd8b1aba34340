"""Options that several commands share, and the venue that they point at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeAlias

import typer

from perpkit.core.opening import open_venue
from perpkit.core.venue import Venue

VenueName: TypeAlias = Annotated[
    str, typer.Argument(metavar="VENUE", help="A plugin's name; `perpkit venues` lists them.")
]
Environment: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--environment",
        "-e",
        envvar="PERPKIT_ENVIRONMENT",
        help="One of the venue's environments; its default when left out.",
        rich_help_panel="Connection",
    ),
]
RestUrl: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--rest-url", envvar="PERPKIT_REST_URL", help="The REST base of a local venue.", rich_help_panel="Connection"
    ),
]
WsUrl: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--ws-url", envvar="PERPKIT_WS_URL", help="The WebSocket of a local venue.", rich_help_panel="Connection"
    ),
]
CredentialsFile: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        "--credentials-file",
        help="A file of mode 600 with the keys, in place of environment variables.",
        rich_help_panel="Connection",
    ),
]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Write JSON; numbers that are money are strings.")]


@dataclass(frozen=True, slots=True)
class Target:
    """Which venue a command talks to, and where that is."""

    venue: str
    environment: str | None = None
    rest_url: str | None = None
    ws_url: str | None = None
    credentials_file: Path | None = None

    def open(self, **settings: Any) -> Venue:
        """Open the venue; only what was given on the command line is passed on to its plugin."""
        given: dict[str, Any] = {
            "rest_url": self.rest_url,
            "ws_url": self.ws_url,
            "credentials_file": self.credentials_file and str(self.credentials_file),
        }
        chosen = {name: value for name, value in given.items() if value}
        return open_venue(self.venue, self.environment, **chosen, **settings)


def environment_of(target: Target, venue: Venue) -> str:
    """Return the environment that a venue was opened in."""
    return target.environment or venue.description.environments[0]
