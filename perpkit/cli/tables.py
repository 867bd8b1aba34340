"""
Tables that fit the terminal: where one is too wide it leaves out what can be done without, and says so. Nothing is cut.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from perpkit.cli import render

_UNBOUNDED = 10_000


class Listing(Table):
    """
    A table with a heading of its own.

    Each column is written ``>name`` to be aligned to the right, ``~name`` to be wrapped, and with a question mark at
    the end if it may be left out; those to the right go first.
    """

    def __init__(self, heading: str | None, *columns: str) -> None:
        super().__init__(header_style="bold cyan", box=box.SIMPLE_HEAD, show_edge=False, collapse_padding=True)
        self.heading = heading
        self._dispensable: list[str] = []
        for column in columns:
            name = column.strip(">~?")
            wraps = column.startswith("~")
            self.add_column(name, justify="right" if column.startswith(">") else "left", no_wrap=not wraps)
            self.columns[-1].overflow = "fold"
            if column.endswith("?"):
                self._dispensable.append(name)

    def row(self, *cells: object, style: str | None = None) -> None:
        """Add a row; None shows as a dash."""
        hiding = render.redactor()
        shown = [cell if isinstance(cell, Text) else Text(hiding.text(_cell(cell))) for cell in cells]
        self.add_row(*shown, style=style)

    def narrow(self, console: Console, width: int) -> list[str]:
        """Leave columns out until the table fits; return their names."""
        left_out: list[str] = []
        while self._dispensable and self._natural_width(console) > width:
            name = self._dispensable.pop()
            self.columns = [column for column in self.columns if column.header != name]
            left_out.insert(0, name)
        if self._natural_width(console) > width:
            for column in self.columns:
                column.no_wrap = False
        return left_out

    def _natural_width(self, console: Console) -> int:
        return Measurement.get(console, console.options.update(max_width=_UNBOUNDED), self).maximum


def show_table(table: Listing, console: Console | None = None, *, indent: int = 0) -> None:
    """Print a table under its heading, as wide as the terminal allows."""
    console = console or render.out()
    blank = " " * indent
    left_out = table.narrow(console, console.width - indent)
    if table.heading:
        console.print(Text(f"{blank} {table.heading}", style="bold"), soft_wrap=True)
    if table.row_count:
        console.print(Padding(table, (0, 0, 0, indent), expand=False))
    else:
        console.print(Text(f"{blank} none"))
    if left_out:
        words = f"{blank} (left out for want of width: {', '.join(left_out)})"
        console.print(Text(words, style="dim"), soft_wrap=True)


def _cell(value: object) -> str:
    if value is None or value == "":
        return render.NOTHING
    if isinstance(value, Decimal):
        return render.number(value)
    if isinstance(value, datetime):
        return render.moment(value)
    if isinstance(value, timedelta):
        return render.duration(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
