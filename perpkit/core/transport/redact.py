"""Keeps keys, tokens and signatures out of logs, errors and recordings."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping


class Secret:
    """
    A string that shows itself to nobody: ``repr``, ``str`` and ``format`` give ``***``; pickling it is refused.
    """

    def __init__(self, value: str) -> None: ...

    def reveal(self) -> str:
        """Return the value. Call this only where the value is used."""
        ...


class Redactor:
    """
    Holds the secrets of one open venue and takes them out of anything that is about to be shown. No method raises.

    Args:
        header_names: Further header names to hide, beyond the usual ones (Authorization, anything with 'signature', …).
        field_names: Further JSON and query field names to hide.
    """

    def __init__(self, *, header_names: Iterable[str] = (), field_names: Iterable[str] = ()) -> None: ...

    def add(self, *secrets: Secret | str | int | None) -> None:
        """Register values to hide: as given, in hex with and without 0x and zero padding, in decimal."""
        ...

    def text(self, text: str) -> str: ...
    def headers(self, headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]: ...
    def params(self, params: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]: ...
    def url(self, url: str) -> str: ...
    def body(self, body: bytes) -> bytes: ...
    def excerpt(self, raw: bytes | str, *, at: int = 0, limit: int = 300) -> str: ...
    def logging_filter(self) -> logging.Filter: ...
