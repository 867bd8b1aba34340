"""How many plugins are run at a time, whichever venue's they are: processes share one number of places."""

from __future__ import annotations

import os


class Slots:
    """
    Places that processes take and give back. A process inherits it by being forked.

    Args:
        number: How many there are.
    """

    def __init__(self, number: int) -> None:
        # A byte in a pipe for each free place: reading one takes it, from whichever process.
        self._free, self._back = os.pipe()
        os.set_blocking(self._free, False)
        os.write(self._back, bytes(number))

    def take(self) -> bool:
        """Take a place if one is free, and tell so."""
        try:
            return bool(os.read(self._free, 1))
        except BlockingIOError:
            return False

    def give(self) -> None:
        """Give a place back."""
        os.write(self._back, bytes(1))
