"""
Keeps keys, tokens and signatures out of logs, errors and recordings. Text goes in, the same text without its secrets
comes out; nothing here raises, because it runs where an error is already being told.
"""

from __future__ import annotations

import logging
import re
import traceback
from collections import deque
from collections.abc import Iterable, Mapping
from urllib.parse import quote

MASK = "***"

_SHORTEST = 6
"""Shorter values are not looked for: they would match inside ordinary words and numbers and spoil every message."""

_LONGEST = 8192
"""No secret is longer; tokens come nearest."""

_SURROUNDINGS = 16 * _LONGEST

_KEPT_PER_SLOT = 4
"""A token that was replaced may still be in a request on its way, so the last few stay hidden."""

_FIELD_NAMES = (
    "signature", "sig", "jwt", "jwt_token", "access_token", "refresh_token", "auth_token", "id_token", "bearer",
    "authorization", "secret", "api_secret", "client_secret", "secret_key", "api_key", "private_key",
    "stark_private_key", "password", "passphrase", "mnemonic", "seed_phrase",
)  # fmt: skip
_HEADER = re.compile(r"authorization|cookie|signature|secret|passphrase|api[-_]?key|(^|[-_])token$", re.IGNORECASE)
_HEADER_IN_CLEAR = re.compile(r"(expiration|expiry|timestamp|version)$", re.IGNORECASE)
"""These say when and how something was signed, not what; a recording without them proves nothing."""

_JWT = re.compile(r"\beyJ[\w-]{4,}\.[\w-]{4,}(?:\.[\w-]*)?")
_SCHEME = re.compile(r"\b(Bearer|Basic)(\s+)[\w.~+/=-]{6,}", re.IGNORECASE)
_LONGEST_NUMBER = 100
"""What is longer is no number that anybody writes in another form."""

_HEX = re.compile(r"(?:0x)?[0-9a-f]{16,}", re.IGNORECASE)


class Secret:
    """
    A string that shows itself to nobody: ``repr``, ``str`` and ``format`` give ``***``, and it can't be pickled.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value. Call this only where the value is used."""
        return self._value

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return MASK

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))

    def __reduce__(self) -> str:
        raise TypeError("a Secret is not pickled; pass the name of where it is kept")


class Redactor:
    """
    Holds the secrets of one open venue and takes them out of anything that is about to be shown. No method raises.

    Args:
        header_names: Further header names to hide, beyond the usual ones (Authorization, anything with 'signature', …).
        field_names: Further JSON and query field names to hide.
    """

    def __init__(self, *, header_names: Iterable[str] = (), field_names: Iterable[str] = ()) -> None:
        self._headers = frozenset(name.lower() for name in header_names)
        names = "|".join(
            re.escape(name).replace("_", "[_-]?")
            for name in sorted({*_FIELD_NAMES, *field_names}, key=len, reverse=True)
        )
        # The closing quote may be missing where a body was cut short.
        self._json_field = re.compile(
            rf'("(?:{names})"\s*:\s*)(?:"(?:[^"\\]|\\.)*(?:"|\\?$)|[^\s"{{\[,}}\]]+)', re.IGNORECASE
        )
        # JSON as a text within JSON, or in a form: its quotes are escaped, perhaps twice over.
        quote_mark = r'(?:\\{1,7}"|(?:%5C){0,7}%22)'
        self._nested_field = re.compile(
            rf"({quote_mark}(?:{names}){quote_mark}(?:\s*:\s*|%3A(?:%20|\+)*)({quote_mark})).*?(\2|$)", re.IGNORECASE
        )
        self._query_field = re.compile(rf"((?:^|[?&;\s])(?:{names})=)[^&#;\s]+", re.IGNORECASE)
        self._query_name = re.compile(rf"(?:{names})", re.IGNORECASE)
        self._fixed: set[str] = set()
        self._slots: dict[str, deque[frozenset[str]]] = {}
        self._values: re.Pattern[str] | None = None

    def add(self, *secrets: Secret | str | int | None) -> None:
        """Register values to hide for good: as given, in hex with and without 0x and zero padding, in decimal."""
        for secret in secrets:
            self._fixed |= _forms(secret)
        self._compile()

    def rotate(self, slot: str, secret: Secret | str) -> None:
        """Register the current value of something that changes, a session token, so that old ones don't pile up."""
        self._slots.setdefault(slot, deque(maxlen=_KEPT_PER_SLOT)).append(_forms(secret))
        self._compile()

    def text(self, text: str) -> str:
        """Return ``text`` without registered values, tokens, and values of secret fields."""
        if self._values is not None:
            text = self._values.sub(MASK, text)
        text = _JWT.sub(MASK, text)
        text = _SCHEME.sub(rf"\1\2{MASK}", text)
        text = self._json_field.sub(rf'\1"{MASK}"', text)
        if '\\"' in text or "%22" in text:
            text = self._nested_field.sub(rf"\1{MASK}\3", text)
        return self._query_field.sub(rf"\1{MASK}", text)

    def headers(self, headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
        """Return header names and values in order, with the values of secret headers hidden."""
        return tuple((name, MASK if self._hides(name) else self.text(value)) for name, value in headers.items())

    def params(self, params: Iterable[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
        """Return query names and values in order, with the values of secret names hidden."""
        return tuple((name, MASK if self._query_name.fullmatch(name) else self.text(value)) for name, value in params)

    def url(self, url: str) -> str:
        """Return a URL with the values of secret names in its query hidden."""
        return self.text(url)

    def body(self, body: bytes) -> bytes:
        """Return a body without its secrets; a hidden value stays a string, so that the shape can be checked."""
        # surrogateescape carries bytes that are not UTF-8 through unchanged.
        return self.text(body.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")

    def excerpt(self, raw: bytes | str, *, at: int = 0, limit: int = 300) -> str:
        """Return about ``limit`` printable characters of ``raw`` around offset ``at``, without secrets."""
        whole = raw if isinstance(raw, str) else raw.decode("utf-8", "replace")
        # Redacted before the cut: half a key would not be recognized. Of a huge body only the surroundings are read,
        # and what may be half a key at their edges is dropped.
        left, right = max(0, at - _SURROUNDINGS), at + _SURROUNDINGS
        shown = self.text(whole[left:right])
        middle = len(self.text(whole[left:at]))
        if right < len(whole):
            shown = shown[:-_LONGEST]
        if left:
            shown, middle = shown[_LONGEST:], middle - _LONGEST
        start = max(0, min(middle - limit // 2, len(shown) - limit))
        cut = shown[start : start + limit]
        cut = "".join(char if char.isprintable() else " " for char in cut)
        return f"{'…' if start else ''}{cut}{'…' if start + limit < len(shown) else ''}"

    def logging_filter(self) -> logging.Filter:
        """Return a filter for log handlers; on a logger it would not see the records of that logger's children."""
        return _RedactingFilter(self)

    def _hides(self, name: str) -> bool:
        if name.lower() in self._headers:
            return True
        return bool(_HEADER.search(name)) and not _HEADER_IN_CLEAR.search(name)

    def _compile(self) -> None:
        values = self._fixed.union(*(forms for slot in self._slots.values() for forms in slot))
        # Longest first, or a value that begins with another would leave its tail.
        ordered = sorted(values, key=len, reverse=True)
        self._values = re.compile("|".join(map(re.escape, ordered)), re.IGNORECASE) if ordered else None


def _forms(secret: Secret | str | int | None) -> frozenset[str]:
    """Return the spellings in which a value may turn up."""
    if secret is None:
        return frozenset()
    if isinstance(secret, int):
        number: int | None = secret
        forms = set[str]()
    else:
        given = (secret.reveal() if isinstance(secret, Secret) else secret).strip()
        # In a URL it is percent-encoded; in JSON quotes and, by some writers, slashes are escaped.
        escaped = given.replace("\\", "\\\\").replace('"', '\\"')
        forms = {given, quote(given), quote(given, safe=""), escaped, escaped.replace("/", "\\/")}
        number = None
        if len(given) <= _LONGEST_NUMBER:
            if _HEX.fullmatch(given):
                number = int(given, 16)
            elif given.isascii() and given.isdigit():
                number = int(given)
    if number is not None:
        # Padded with zeros, the hex form still holds this one.
        forms |= {str(number), f"{number:x}"}
    return frozenset(form for form in forms if len(form) >= _SHORTEST)


class _RedactingFilter(logging.Filter):
    """Rewrites a record's message, traceback and extra strings; lets every record through."""

    def __init__(self, redactor: Redactor) -> None:
        super().__init__()
        self._redactor = redactor
        self._own = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName"}

    def filter(self, record: logging.LogRecord) -> bool:
        try:
            message = record.getMessage()
        except Exception as exc:  # noqa: BLE001  a record's arguments may raise anything when they are formatted
            message = f"a log record that can't be formatted: {type(exc).__name__}"
        record.msg, record.args = self._redactor.text(message), ()
        if record.exc_info and record.exc_info[0] is not None:
            # Handlers print the text where there is one; the exception itself would be formatted anew, in clear.
            record.exc_text = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
            record.exc_info = None
        if record.exc_text:
            record.exc_text = self._redactor.text(record.exc_text)
        if record.stack_info:
            record.stack_info = self._redactor.text(record.stack_info)
        for name, value in list(record.__dict__.items()):
            if name not in self._own and isinstance(value, str):
                record.__dict__[name] = self._redactor.text(value)
        return True
