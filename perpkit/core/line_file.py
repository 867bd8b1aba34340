"""
A file of lines that is only ever appended to and that survives a kill: for what must be on the disk before something
is sent. It knows bytes, not what they mean. Everything here blocks: call it from a worker thread.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import ModuleType

from perpkit.core.errors import ConfigError

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:
    # Windows has none; there two processes that use one file are not kept apart.
    fcntl = None

_PRIVATE = 0o600
"""What somebody trades is nobody else's business."""
_HOW = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
"""As bytes also on Windows, which would write other line ends than are counted."""

_LOOK_EVERY = 0.01
"""Seconds between looks at a lock: who has it writes a line or two."""


class LineFile:
    """
    An open file of lines.

    Args:
        path: Made if it is not there, for its owner's eyes only.
        what: What it is, for errors: ``the journal``.
        sync: Wait for the disk with each append. Without it a crash of the program loses nothing, a crash of the
            machine may lose the last lines.
        patience: How long ``held`` waits for whoever has it.

    Raises:
        ConfigError: It can't be opened, or is no ordinary file.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, what: str, sync: bool = True, patience: timedelta = timedelta(seconds=5)
    ) -> None:
        self.path = Path(path)
        self._what = what
        self._sync = sync
        self._patience = patience
        self._seen = 0
        try:
            self._descriptor = os.open(self.path, _HOW, _PRIVATE)
        except OSError as error:
            raise ConfigError(f"{what} {self.path} can't be opened: {error.strerror}") from error
        if not stat.S_ISREG(os.fstat(self._descriptor).st_mode):
            # A device or a pipe keeps nothing, and some never end.
            self.close()
            raise ConfigError(f"{what} {self.path} is no ordinary file, so nothing would be kept")

    def hold(self) -> None:
        """
        Keep everybody else out until it is closed.

        Raises:
            ConfigError: Somebody has it.
        """
        if fcntl is None:
            return
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigError(
                f"{self._what} {self.path} is open already, here or in another process; give each its own"
            ) from error

    @contextmanager
    def held(self) -> Iterator[None]:
        """
        Keep everybody else out for a moment; waits for whoever has it.

        Raises:
            TimeoutError: It is not let go of: whoever has it was stopped, or hangs.
        """
        if fcntl is None:
            yield
            return
        self._acquire(fcntl)
        try:
            yield
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _acquire(self, locks: ModuleType) -> None:
        until = time.monotonic() + self._patience.total_seconds()
        while True:
            try:
                locks.flock(self._descriptor, locks.LOCK_EX | locks.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() >= until:
                    msg = f"another process has it for {self._patience.total_seconds():g} s now; is it stopped?"
                    raise TimeoutError(errno.ETIMEDOUT, msg) from error
            else:
                return
            time.sleep(_LOOK_EVERY)

    def read_new(self) -> list[bytes]:
        """Return the whole lines that were added since it was last read; a last one without its end is left."""
        os.lseek(self._descriptor, self._seen, os.SEEK_SET)
        parts = []
        while part := os.read(self._descriptor, 1 << 20):
            parts.append(part)
        text = b"".join(parts)
        whole = text.rfind(b"\n") + 1
        self._seen += whole
        return text[:whole].splitlines()

    def drop_unfinished(self) -> bool:
        """
        Cut off what follows the lines read, which a program that died was writing; tell whether there was any.

        Only for who keeps others out, and has read: else it may be a line that another process is about to end.
        """
        if os.fstat(self._descriptor).st_size <= self._seen:
            return False
        os.ftruncate(self._descriptor, self._seen)
        return True

    def append(self, lines: bytes) -> None:
        """
        Write lines, all or (as seen by the next reader) none of the last.

        Raises:
            OSError: It can't be written, or is closed.
        """
        size = os.fstat(self._descriptor).st_size
        try:
            left = memoryview(lines)
            while left:
                left = left[os.write(self._descriptor, left) :]
            if self._sync:
                os.fsync(self._descriptor)
        except OSError:
            # A half-written line would swallow the next one.
            os.ftruncate(self._descriptor, size)
            raise

    def close(self) -> None:
        """Let the file go. Closing twice is harmless."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
