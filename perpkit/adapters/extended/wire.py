"""Bytes to schema types, with the freedoms that Extended takes; see :mod:`perpkit.core.transport.loose_json`."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from perpkit.adapters.extended.config import VENUE
from perpkit.core.transport import loose_json
from perpkit.core.transport.loose_json import decoder, may_hold_non_finite
from perpkit.core.transport.redact import Redactor

__all__ = ["decoder", "may_hold_non_finite", "read"]

T = TypeVar("T")

_PLAIN = Redactor()


def read(type_: type[T], raw: bytes | str | msgspec.Raw, *, what: str, redactor: Redactor = _PLAIN) -> T:
    """
    Read a payload.

    Raises:
        DecodeError: It is no JSON, lacks a field that is needed, or holds a number that is not finite; with the place
            and a redacted excerpt.
    """
    return loose_json.read(type_, raw, what=what, venue=VENUE, redactor=redactor)
