"""
Runs a command: its event loop, its progress on the terminal, and what it meets turned into one line and an exit code.

Exit codes: 0 done; 1 the venue, the network or a check said no; 2 a setting, an argument or a plugin is wrong; 130
stopped with ctrl-C.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import traceback
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import typer

FAILED = 1
MISUSED = 2
INTERRUPTED = 130


def reported(message: str, code: int = MISUSED) -> typer.Exit:
    """Write an error as one line, and return what ends the command with its code."""
    from perpkit.cli import render  # noqa: PLC0415 - rich is not needed to list the commands

    render.error(message)
    return typer.Exit(code)


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """
    Turn errors into one line on stderr and an exit code.

    ``PERPKIT_DEBUG=1`` shows the traceback as well, redacted.
    """
    from perpkit.core.errors import ConfigError, PerpkitError, PluginError  # noqa: PLC0415 - not needed for --help

    try:
        yield
    except (typer.Exit, typer.Abort):
        raise
    except PerpkitError as error:
        _debug()
        misused = isinstance(error, ConfigError | PluginError)
        raise reported(_told(error), MISUSED if misused else FAILED) from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        _debug()
        sys.stderr.write("stopped\n")
        raise typer.Exit(INTERRUPTED) from None
    except BrokenPipeError:
        raise  # the reader of our output went away; typer ends quietly
    except Exception as error:  # noqa: BLE001 - the last place where an error can be told in words
        _debug()
        hint = "" if _wants_debug() else "; PERPKIT_DEBUG=1 shows where"
        told = f"unexpected {type(error).__name__}: {error} (a defect; please report it{hint})"
        raise reported(told, FAILED) from None


class _Warnings(logging.Handler):
    """Shows what is logged as one line each, the same line once; with PERPKIT_DEBUG as it comes, with tracebacks."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG if _wants_debug() else logging.WARNING)
        self._shown: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Show one record."""
        from perpkit.cli import render  # noqa: PLC0415 - as above

        if _wants_debug():
            render.debug(f"{record.name}: {self.format(record)}")
            return
        error = record.exc_info[1] if record.exc_info else None
        line = f"{record.getMessage()}{f': {type(error).__name__}: {error}' if error else ''}"
        if line not in self._shown:
            self._shown.add(line)
            render.warning(" ".join(line.split()))


@contextmanager
def warnings_in_one_line() -> Iterator[None]:
    """Show what components log while a command runs."""
    root, handler = logging.getLogger(), _Warnings()
    before = root.level
    root.addHandler(handler)
    root.setLevel(handler.level)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


def run(work: Coroutine[Any, Any, int | None]) -> None:
    """Run a command to its end. Its result is the exit code; None is 0."""
    with errors_in_one_line(), warnings_in_one_line():
        code = asyncio.run(work)
        raise typer.Exit(code or 0)


async def together(*work: Coroutine[Any, Any, Any]) -> list[Any]:
    """Do several things at once; the first error stops the others and is raised by itself, not in a group."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each) for each in work]
    except BaseExceptionGroup as group_error:
        raise group_error.exceptions[0] from None
    return [task.result() for task in tasks]


def _told(error: Any) -> str:
    """Return an error's message, with what the venue called it and how long to wait, where known."""
    parts = [str(error)]
    if (code := getattr(error, "code", None)) is not None and str(code) not in parts[0]:
        parts.append(f"[{code}]")
    if (wait := getattr(error, "retry_after", None)) is not None:
        parts.append(f"(wait {wait.total_seconds():g} s)")
    return " ".join(parts)


def _wants_debug() -> bool:
    return os.environ.get("PERPKIT_DEBUG", "") not in {"", "0"}


def _debug() -> None:
    if _wants_debug():
        from perpkit.cli import render  # noqa: PLC0415 - as above

        render.debug(traceback.format_exc())
