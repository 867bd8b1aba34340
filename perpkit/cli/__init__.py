"""
The command line. One module for each command; a command's module is imported when the command is run.
"""

from __future__ import annotations

import io
import sys


def main() -> None:
    """Run the command line and exit."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that can't show a character gets a question mark; a listing must not die of it.
        if isinstance(stream, io.TextIOWrapper) and not stream.encoding.lower().startswith("utf"):
            stream.reconfigure(errors="replace")
    # Typer and rich take as long to import as the rest of a short command: not before they are needed.
    from perpkit.cli.app import app  # noqa: PLC0415 - so that importing perpkit.cli costs nothing

    app()
