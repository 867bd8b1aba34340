"""
From the venue's numbers back to our ids, and the watch that no number stands for two of them.

Only the upper half of the numbers is kept here, where texts live (:mod:`perpkit.adapters.lighter.order_ids`); a number
of the lower half stands for itself. With a file each id of the upper half is on the disk before its order is sent, so
that a program that starts again reads its orders and fills under the names that it gave them. Several processes may
share the file. Without one all is kept in memory, and after a restart a read shows the number of an order until
something asks for it by its text.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import msgspec

from perpkit.adapters.lighter.config import VENUE
from perpkit.adapters.lighter.order_ids import TEXT_HALF, client_id, client_index
from perpkit.core.errors import ConfigError, DecodeError, InvalidOrderError, NotSentError
from perpkit.core.line_file import LineFile
from perpkit.core.transport.wire_json import decode, dumps

log = logging.getLogger(__name__)

_IN_MEMORY: Final = 100_000
"""How many ids are kept that no file keeps; the oldest go."""


class ClientIds:
    """
    The client order ids of one account.

    Args:
        path: The file that keeps them, made if it is not there, for its owner's eyes only; None keeps them in memory.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._file: _IdFile | None = None
        self._worker: ThreadPoolExecutor | None = None
        self._sent: dict[int, str] = {}
        self._asked_for: dict[int, str] = {}
        """Texts that something was asked by, which may be those of orders sent without this file."""

    async def open(self) -> None:
        """
        Read the file.

        Raises:
            ConfigError: It can't be opened, or a line of it is none that perpkit would have written.
        """
        if self._path is None:
            return
        # A single worker: what is asked of the file happens in order, also for callers that were canceled meanwhile.
        worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="perpkit client ids")
        try:
            self._file = await asyncio.get_running_loop().run_in_executor(worker, _IdFile, self._path, self._sent)
        except BaseException:
            worker.shutdown(wait=False)
            raise
        self._worker = worker

    async def close(self) -> None:
        """Let the file go, after what is being written."""
        worker, self._worker = self._worker, None
        if worker is not None and self._file is not None:
            await asyncio.get_running_loop().run_in_executor(worker, self._file.close)
            worker.shutdown(wait=False)

    async def claim(self, client_order_ids: Iterable[str | None]) -> None:
        """
        Make the numbers of these ids theirs, on the disk where there is a file. Called before their orders are sent.

        Raises:
            InvalidOrderError: A number stands for another id. Nothing was sent.
            NotSentError: They can't be written. Nothing was sent.
            ConfigError: The file was spoiled meanwhile. Nothing was sent.
        """
        claims: dict[int, str] = {}
        for name in client_order_ids:
            number = client_index(name)
            if name is not None and number >= TEXT_HALF:
                for known in (self._sent, self._asked_for, claims):
                    check(number, name, known)
                claims[number] = name
        if claims.items() <= self._sent.items():
            return
        if self._path is None:
            self._sent.update(claims)
            _forget_oldest(self._sent)
            return
        if self._worker is None or self._file is None:
            raise NotSentError(f"not sent: {self._path}, the file of client order ids, is not open", venue=VENUE)
        try:
            await asyncio.get_running_loop().run_in_executor(self._worker, self._file.add, claims)
        except OSError as error:
            name = next(iter(claims.values()))
            msg = f"not sent: client_order_id {name!r} can't be written to {self._path} ({error.strerror})"
            raise NotSentError(msg, venue=VENUE, client_order_id=name) from error

    async def number_of(self, client_order_id: str | None) -> int:
        """
        Return the number to ask for an order by; 0 for none.

        Raises:
            InvalidOrderError: It is no id, or the number stands for another one. Nothing was sent.
        """
        number = client_index(client_order_id)
        if client_order_id is not None and number >= TEXT_HALF:
            await self.refresh()
            for known in (self._sent, self._asked_for):
                check(number, client_order_id, known)
            self.note(number, client_order_id)
        return number

    def note(self, number: int, client_order_id: str | None) -> None:
        """Take note of the text that an order is known by, where the order's number is the text's."""
        if number < TEXT_HALF or client_order_id is None or client_order_id == client_id(number):
            return
        if number not in self._sent and client_index(client_order_id) == number:
            self._asked_for.setdefault(number, client_order_id)
            _forget_oldest(self._asked_for)

    def text_of(self, number: int) -> str | None:
        """Return our id for the venue's number: the number itself where no other is known, None for 0."""
        return self._sent.get(number) or self._asked_for.get(number) or client_id(number)

    async def refresh(self) -> None:
        """Learn what other processes have written since."""
        if self._worker is None or self._file is None:
            return
        try:
            await asyncio.get_running_loop().run_in_executor(self._worker, self._file.read)
        except (OSError, ConfigError) as error:
            # Reads and cancels must go on; only what is new needs the file.
            log.warning("orders of other processes may show numbers as ids: %s can't be read: %s", self._path, error)


def check(number: int, client_order_id: str, known: Mapping[int, str]) -> None:
    """
    Refuse an id whose number stands for another one.

    Raises:
        InvalidOrderError: It does. Nothing was sent.
    """
    other = known.get(number, client_order_id)
    if other != client_order_id:
        msg = f"client_order_id {client_order_id!r} goes by number {number}, which stands for {other!r}; use another id"
        raise InvalidOrderError(msg, venue=VENUE, client_order_id=client_order_id)


def _forget_oldest(kept: dict[int, str]) -> None:
    while len(kept) > _IN_MEMORY:
        del kept[next(iter(kept))]


class _Line(msgspec.Struct):
    number: int
    client_order_id: str


class _IdFile:
    """
    The open file, and what it holds. It blocks, and belongs to one worker thread.

    Args:
        known: Filled with what the file holds; others only read it.
    """

    def __init__(self, path: Path, known: dict[int, str]) -> None:
        self._file = LineFile(path, what="the file of client order ids")
        self._known = known
        self._lines = 0
        self._spoiled: str | None = None
        try:
            self.read()
        except BaseException:
            self._file.close()
            raise

    def read(self) -> None:
        """
        Take in the lines added since.

        Raises:
            ConfigError: One is none that perpkit would have written, now or before: what came after it is not known.
        """
        if self._spoiled is not None:
            raise ConfigError(self._spoiled)
        for text in self._file.read_new():
            self._lines += 1
            where = f"{self._file.path} line {self._lines}"
            try:
                line = decode(_Line, text, what=where)
                if line.number < TEXT_HALF or client_index(line.client_order_id) != line.number:
                    msg = f"{line.number} is not the number of {line.client_order_id!r}"
                    raise InvalidOrderError(msg, venue=VENUE)
                check(line.number, line.client_order_id, self._known)
            except (DecodeError, InvalidOrderError) as error:
                self._spoiled = f"{where}: {error.message}; set the file aside before you trade"
                raise ConfigError(self._spoiled) from error
            self._known[line.number] = line.client_order_id

    def add(self, claims: Mapping[int, str]) -> None:
        """
        Write ids down; those that it holds are left.

        Raises:
            InvalidOrderError: A number stands for another id.
            OSError: It can't be written.
        """
        with self._file.held():
            self.read()
            if self._file.drop_unfinished():
                log.warning("%s: an unfinished last line is left out: nothing was sent for it", self._file.path)
            for number, name in claims.items():
                check(number, name, self._known)
            new = [_Line(number, name) for number, name in claims.items() if number not in self._known]
            self._file.append(b"".join(dumps(msgspec.to_builtins(line)) + b"\n" for line in new))
            self.read()

    def close(self) -> None:
        """Let it go."""
        self._file.close()
