"""How the demo speaks: acts, what is done, and what is expected of it."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from perpkit.cli.tables import Listing, show_table
from perpkit.cli.witness import ExpectationError
from perpkit.core.clock import Clock


class Story:
    """
    Writes the story, and counts the expectations that held.

    Args:
        pause: Seconds to leave for reading after each act.
    """

    def __init__(self, console: Console, clock: Clock, pause: float) -> None:
        self.console = console
        self.kept = 0
        self._clock = clock
        self.pause = pause
        self._acts = 0

    def line(self, markup: str, style: str | None = None) -> None:
        """Write a line of our own words."""
        self.console.print(markup, style=style, soft_wrap=True)

    async def act(self, title: str) -> None:
        """Begin an act."""
        if self._acts:
            await self.breathe()
        self._acts += 1
        self.line("")
        self.console.print(Text(f"{self._acts}  {title}", style="bold cyan"))

    def does(self, code: str) -> None:
        """Show the call that is made."""
        self.console.print(Text(f"     >>> {code}", style="dim"), soft_wrap=True)

    def says(self, text: str) -> None:
        """Tell what came of it."""
        self.console.print(Text(f"     {text}"), soft_wrap=True)

    def shows(self, what: Listing) -> None:
        """Show a table."""
        show_table(what, self.console, indent=4)

    def expect(self, held: object, what: str) -> None:
        """
        Say that something holds.

        Raises:
            ExpectationError: It does not.
        """
        if not held:
            self.console.print(Text(f"  no {what}", style="bold red"), soft_wrap=True)
            raise ExpectationError(f"this did not hold: {what}")
        self.kept += 1
        self.console.print(Text.assemble(("  ok ", "bold green"), what), soft_wrap=True)

    async def breathe(self) -> None:
        """Leave time to read."""
        if self.pause:
            await self._clock.sleep(self.pause)
