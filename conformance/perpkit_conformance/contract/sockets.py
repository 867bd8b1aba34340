"""
Frames of venues that publish no machine-readable contract of their streams: the same as data, from their documentation.

:class:`UrlStreams` where the address is the subscription and nothing is sent; :class:`JsonMessages` where each message
says its type in a field.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
from jsonschema import Draft202012Validator

from perpkit.core.transport.recorder import Direction, FrameRecord
from perpkit_conformance.contract.breach import Breach, listing, nearest
from perpkit_conformance.contract.schemas import Schemas, problems

_VARIABLE = re.compile(r"\{([^}]+)\}")

Queries = Mapping[str, tuple[str, ...]]
"""Parameters of an address, each with the values that it may have; an empty tuple takes any."""


def _fits(template: str, identifiers: Mapping[str, str], text: str) -> bool:
    """Tell whether a text is of a template such as ``order_book/{market_id}``."""
    parts = _VARIABLE.split(template)
    pattern = "".join(
        f"(?:{identifiers.get(part, '[^/]+')})" if number % 2 else re.escape(part) for number, part in enumerate(parts)
    )
    return re.fullmatch(pattern, text) is not None


def _queries(query: str, known: Queries) -> Iterator[str]:
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in known:
            yield f"{name!r} is not a parameter; there is {listing(known, none='no parameters')}{nearest(name, known)}"
        elif known[name] and value not in known[name]:
            yield f"{name}={value!r} is not one of {listing(known[name])}"


def _elsewhere(url: str, ws_url: str) -> Breach:
    return Breach(f"WS {url}", f"is another place than the venue's WebSocket, which is at {ws_url}")


@dataclass(frozen=True)
class UrlStreams:
    """
    The rules of a venue whose WebSocket addresses are the subscriptions.

    Attributes:
        paths: What may follow the venue's WebSocket address, ``/orderbooks/{market}``, with its parameters.
        identifiers: What the variables of paths look like, by name.
        answers: Text frames that a client may send all the same, such as an answer to a ping.
    """

    paths: Mapping[str, Queries]
    identifiers: Mapping[str, str] = field(default_factory=dict)
    answers: tuple[str, ...] = ()

    def check(self, record: FrameRecord, ws_url: str) -> list[Breach]:
        """Return every breach of one frame, and of the address that it came over."""
        found = self.check_address(record.url, ws_url)
        if record.direction is Direction.SENT and record.data not in self.answers:
            shown = str(record.data)[:120]
            found.append(Breach("WS frame", f"nothing is sent here, the address is the subscription: {shown}"))
        return found

    def check_address(self, url: str, ws_url: str) -> list[Breach]:
        """Return every breach of the address of a connection."""
        base = ws_url.rstrip("/")
        if not url.startswith(f"{base}/"):
            return [_elsewhere(url, ws_url)]
        parts = urlsplit(url.removeprefix(base))
        for template, queries in self.paths.items():
            if _fits(template, self.identifiers, parts.path):
                return [Breach(f"WS {template}", problem) for problem in _queries(parts.query, queries)]
        problem = (
            f"the venue has no such stream{nearest(parts.path, self.paths) or f'; there is {listing(self.paths)}'}"
        )
        return [Breach(f"WS {parts.path}", problem)]


@dataclass(frozen=True)
class JsonMessages:
    """
    The rules of a venue whose messages are JSON objects that say their type in a field.

    Attributes:
        messages: The JSON schema of each type of message that a client may send; a field that it does not list is a
            breach.
        channels: What may stand in ``channel_field``, ``order_book/{market_id}``.
        identifiers: What the variables of channels look like, by name.
        queries: Parameters that the address may have.
    """

    messages: Mapping[str, Mapping[str, Any]]
    channels: tuple[str, ...] = ()
    identifiers: Mapping[str, str] = field(default_factory=dict)
    queries: Queries = field(default_factory=dict)
    type_field: str = "type"
    channel_field: str = "channel"

    @cached_property
    def _validators(self) -> dict[str, Draft202012Validator]:
        schemas = Schemas(self.messages)
        return {name: schemas.validator(schema) for name, schema in self.messages.items()}

    def check(self, record: FrameRecord, ws_url: str) -> list[Breach]:
        """Return every breach of one frame."""
        if record.direction is not Direction.SENT:
            return []
        if found := self.check_address(record.url, ws_url):
            return found
        try:
            frame = msgspec.json.decode(record.data)
        except msgspec.DecodeError as error:
            return [Breach("WS frame", f"is no JSON: {error}")]
        kind = frame.get(self.type_field) if isinstance(frame, dict) else None
        if not isinstance(kind, str):
            return [
                Breach("WS frame", f"a message is an object with {self.type_field!r}, not {str(record.data)[:120]}")
            ]
        return [Breach(f"WS {kind}", problem) for problem in self._message(kind, frame)]

    def check_address(self, url: str, ws_url: str) -> list[Breach]:
        """Return every breach of the address of a connection."""
        bare, _, query = url.partition("?")
        if bare.rstrip("/") != ws_url.rstrip("/"):
            return [_elsewhere(url, ws_url)]
        return [Breach(f"WS {urlsplit(url).path}", problem) for problem in _queries(query, self.queries)]

    def _message(self, kind: str, frame: Mapping[str, Any]) -> Iterator[str]:
        if kind not in self.messages:
            yield f"the venue knows no such message{nearest(kind, self.messages)}; there is {listing(self.messages)}"
            return
        yield from problems(self._validators[kind], frame)
        channel = frame.get(self.channel_field)
        if isinstance(channel, str) and not any(_fits(each, self.identifiers, channel) for each in self.channels):
            near = nearest(channel, self.channels) or f"; there is {listing(self.channels)}"
            yield f"the venue has no channel {channel!r}{near}"
