"""
How things look: tables, numbers, times, JSON, error lines and progress. Models in, text out; nothing is decided here.

Everything printed passes a filter that knows the secrets in the environment, as a second line of defence behind the
core's own redaction.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from typing import Any, TypeAlias

import msgspec
from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.text import Text

from perpkit.core.transport.redact import Redactor
from perpkit.core.transport.wire_json import decimal_text, dumps

Plain: TypeAlias = Any
"""Dicts, lists, strings, whole numbers, Decimals, booleans and None: what ``dumps`` writes."""

_SECRET_NAMES = ("KEY", "SUBKEY", "TOKEN", "SECRET", "PASSWORD", "PASSPHRASE", "MNEMONIC", "SEED")
_PIPE_WIDTH = 240
"""A pipe has no width: wide enough that no table is cut."""

NOTHING = "-"


# consoles ----------------------------------------------------------------------------------------------------------


def out() -> Console:
    """Return a console for results. Made anew each time, because tests and pipes replace the streams."""
    return _console(stderr=False)


def err() -> Console:
    """Return a console for errors and progress."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() or "COLUMNS" in os.environ else _PIPE_WIDTH
    return Console(stderr=stderr, width=width, highlight=False, soft_wrap=False, emoji=False)


@contextmanager
def progress(what: str) -> Iterator[None]:
    """Show that something is under way, where somebody is watching."""
    console = err()
    if console.is_terminal:
        with console.status(escape(what)):
            yield
    else:
        yield


def redactor(environ: Mapping[str, str] | None = None) -> Redactor:
    """Return a filter that hides the values of environment variables whose names speak of secrets."""
    environ = os.environ if environ is None else environ
    return _redactor(frozenset(value.strip() for name, value in environ.items() if names_a_secret(name)))


@lru_cache(maxsize=4)
def _redactor(secrets: frozenset[str]) -> Redactor:
    hiding = Redactor()
    hiding.add(*(secret for secret in secrets if secret))
    return hiding


def names_a_secret(name: str) -> bool:
    """Whether an environment variable's name says that it holds a secret."""
    return name.upper().rpartition("_")[2] in _SECRET_NAMES


def error(message: str) -> None:
    """Write one error line on stderr."""
    text = " ".join(redactor().text(message).split())
    console = err()
    console.print(Text.assemble(("error: ", "bold red"), text), soft_wrap=True)


def note(message: str) -> None:
    """Write one line that is not a result on stderr."""
    err().print(Text(redactor().text(message), style="yellow"), soft_wrap=True)


_views: list[object] = []
"""Live views that are drawn now. Of the process and not of a task: the tasks that warn are not those that draw."""


@contextmanager
def drawn_over(view: object) -> Iterator[None]:
    """Hold warnings back while a live view is drawn, which they would tear; the view tells how the stream is."""
    _views.append(view)
    try:
        yield
    finally:
        _views.remove(view)


def warning(message: str) -> None:
    """Write what a component logged as one dim line on stderr."""
    if _views:
        return
    err().print(Text(f"warning: {redactor().text(message)}", style="dim yellow"), soft_wrap=True)


def debug(text: str) -> None:
    """Write a traceback on stderr, without secrets."""
    err().print(Text(redactor().text(text), style="dim"), soft_wrap=True)


# values ------------------------------------------------------------------------------------------------------------


def number(value: Decimal | None, *, signed: bool = False) -> str:
    """Write a number with the digits it has."""
    if value is None:
        return NOTHING
    return f"{'+' if signed and value > 0 else ''}{decimal_text(value)}"


def trimmed(value: Decimal, *, signed: bool = False) -> str:
    """Write a number without zeros at its end."""
    text = number(value, signed=signed)
    return text.rstrip("0").rstrip(".") if "." in text else text


def money(value: Decimal | None, *, signed: bool = False, places: int = 2) -> str:
    """Write an amount with thousands apart and two places, or more where those would show nothing of it."""
    if value is None:
        return NOTHING
    shown = f"{value:,.{_places(value, places)}f}"
    return f"+{shown}" if signed and value > 0 else shown


def percent(fraction: Decimal | None, places: int = 4) -> str:
    """Write a fraction as a percentage with its sign."""
    if not fraction:
        return NOTHING if fraction is None else "0%"
    return f"{fraction * 100:+.{_places(fraction * 100, places)}f}%"


def _places(value: Decimal, places: int) -> int:
    """Return how many places to write so that something small does not read as nothing."""
    return min(2 - value.adjusted(), 18) if value and abs(value) < Decimal(1).scaleb(-places) else places


def sign_style(value: Decimal | None) -> str:
    """Green above zero, red below."""
    return "" if not value else "green" if value > 0 else "red"


def signed(text: str, value: Decimal | None) -> Text:
    """Return text in the colour of a value's sign."""
    return Text(text, style=sign_style(value))


def moment(value: datetime | None) -> str:
    """Write an instant in UTC."""
    return NOTHING if value is None else f"{value:%Y-%m-%d %H:%M:%S}Z"


def duration(value: timedelta | None) -> str:
    """Write a length of time in its largest whole unit: ``8h``, ``15m``, ``250ms``."""
    if value is None:
        return NOTHING
    units = (("d", timedelta(days=1)), ("h", timedelta(hours=1)), ("m", timedelta(minutes=1)))
    for unit, length in units:
        # Funding periods of a day are spoken of as 24 hours.
        if abs(value) >= (2 * length if unit == "d" else length) and not value % length:
            return f"{value // length}{unit}"
    if abs(value) < timedelta(seconds=1):
        return f"{value / timedelta(milliseconds=1):.0f}ms"
    return f"{round(value / timedelta(seconds=1), 3):g}s"


def age(since: datetime | None, now: datetime) -> str:
    """Write how old something is, roughly."""
    if since is None:
        return NOTHING
    seconds = (now - since) // timedelta(seconds=1)
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


# JSON --------------------------------------------------------------------------------------------------------------


def as_plain(value: Any) -> Plain:
    """
    Turn models into what JSON can hold: Decimals stay exact (and are written as strings), instants are ISO 8601 in
    UTC, and a length of time under ``name`` is a whole number of milliseconds under ``name_ms``.
    """
    if isinstance(value, BaseModel):
        return as_plain({name: getattr(value, name) for name in type(value).model_fields})
    if isinstance(value, Mapping):
        return {
            f"{key}_ms" if isinstance(inner, timedelta) else str(key): as_plain(inner) for key, inner in value.items()
        }
    if isinstance(value, timedelta):
        return value // timedelta(milliseconds=1)
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, frozenset | set):
        return sorted(as_plain(each) for each in value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [as_plain(each) for each in value]
    return value


def json_text(value: Any) -> str:
    """Return a value as JSON in one line, with nothing hidden."""
    return dumps(as_plain(value)).decode()


def print_json(value: Any, *, lines: bool = False) -> None:
    """Write a value as JSON on stdout, without secrets: indented, or as one line of many."""
    text = json_text(value)
    shown = text if lines else msgspec.json.format(text, indent=2)
    sys.stdout.write(redactor().text(shown) + "\n")
    if lines:
        sys.stdout.flush()
