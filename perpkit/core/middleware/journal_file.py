"""
The file behind :class:`~perpkit.core.middleware.journal.Journal`: one JSON object a line, only ever appended to, on the
disk before :meth:`JournalFile.append` returns. It knows records and bytes, not venues.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, Literal

import msgspec

from perpkit.core.errors import ConfigError, DecodeError
from perpkit.core.line_file import LineFile
from perpkit.core.transport.wire_json import decode, dumps

log = logging.getLogger(__name__)

Command = Literal["place", "amend"]
Outcome = Literal["done", "rejected", "not_sent", "unknown", "never_received"]


class Record(msgspec.Struct, omit_defaults=True):
    """
    One line.

    Attributes:
        at: When it was written, aware.
        event: ``sending`` before a command leaves, ``outcome`` when something is known of it.
        command: Whether an order is placed or changed.
        client_order_id: The order it is about.
        market_id: With ``sending``: where.
        intent: With ``sending`` of a new order: the intent as :class:`OrderIntent` writes it.
        amendment: With ``sending`` of a change: the amendment.
        outcome: With ``outcome``: what is known.
        detail: The venue's id of the order, or the name of the error.
    """

    at: datetime
    event: Literal["sending", "outcome"]
    command: Command
    venue: str
    client_order_id: str
    market_id: str | None = None
    intent: dict[str, Any] | None = None
    amendment: dict[str, Any] | None = None
    outcome: Outcome | None = None
    detail: str | None = None


class JournalFile:
    """
    An open journal. One process at a time.

    Args:
        path: Made if it is not there, for its owner's eyes only.
        sync: Wait for the disk with each append. Without it a crash of the program loses nothing, a crash of the
            machine may lose the last records.

    Raises:
        ConfigError: It can't be opened, another process has it, or a line of it can't be read.
    """

    def __init__(self, path: str | os.PathLike[str], *, sync: bool = True) -> None:
        self._file = LineFile(path, what="the journal", sync=sync)
        self.path = self._file.path
        try:
            self._file.hold()
            self.records = self._read()
        except BaseException:
            self._file.close()
            raise
        # A single worker: records reach the file in the order in which they were handed over, also those of callers
        # that were canceled while they waited.
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="perpkit journal")
        self._closed = False

    async def append(self, records: Sequence[Record]) -> None:
        """
        Write records, all or (as seen by the next reader) none of the last.

        Raises:
            OSError: The file can't be written, or is closed.
        """
        if self._closed:
            raise OSError(errno.EBADF, "it is closed")
        lines = b"".join(dumps(_plain(record)) + b"\n" for record in records)
        await asyncio.get_running_loop().run_in_executor(self._writer, self._file.append, lines)

    def close(self) -> None:
        """Let the last append end, and the file go. Closing twice is harmless."""
        if not self._closed:
            self._closed = True
            self._writer.shutdown(wait=True)
            self._file.close()

    def _read(self) -> list[Record]:
        lines = self._file.read_new()
        if self._file.drop_unfinished():
            # It was being written when the program died. Nothing is sent before its record is whole.
            log.warning("%s: a last line that was not finished is left out: nothing was sent for it", self.path)
        records = []
        for number, line in enumerate(lines, 1):
            try:
                records.append(decode(Record, line, what=f"{self.path} line {number}"))
            except DecodeError as error:
                raise ConfigError(f"{error.message}; set the file aside and look into it before you trade") from error
        return records


def _plain(record: Record) -> dict[str, Any]:
    values = {name: getattr(record, name) for name in record.__struct_fields__}
    return {name: value for name, value in values.items() if value is not None} | {"at": record.at.isoformat()}
