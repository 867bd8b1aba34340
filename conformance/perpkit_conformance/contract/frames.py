"""WebSocket frames against OpenRPC (methods) and AsyncAPI 2 (channels)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import msgspec

from perpkit.core.transport.recorder import Direction, FrameRecord
from perpkit_conformance.contract.breach import Breach, listing, nearest
from perpkit_conformance.contract.schemas import Schemas, problems

_PIECE = re.compile(r"\{(\w+)\}|(\[)|(\])|([^{\[\]]+)")


class FrameRules(Protocol):
    """What a venue's frames may look like. A venue that does not speak JSON-RPC brings its own."""

    def check(self, record: FrameRecord, ws_url: str) -> list[Breach]:
        """Return every breach of one frame."""
        ...

    def check_address(self, url: str, ws_url: str) -> list[Breach]:
        """Return every breach of the address of a connection."""
        ...


@dataclass(frozen=True)
class JsonRpc:
    """
    The rules of a venue that speaks JSON-RPC 2.0 over a WebSocket.

    Attributes:
        methods: The OpenRPC document.
        channels: The AsyncAPI document; its channels that nobody publishes to are those to subscribe to.
        channel_methods: Methods whose parameter ``channel`` names a channel.
    """

    methods: Mapping[str, Any]
    channels: Mapping[str, Any]
    channel_methods: tuple[str, ...] = ("subscribe", "unsubscribe")

    @cached_property
    def _by_name(self) -> dict[str, Mapping[str, Any]]:
        return {each["name"]: each for each in self.methods["methods"]}

    @cached_property
    def _validators(self) -> dict[str, Any]:
        schemas = Schemas(self.methods)
        return {
            name: schemas.validator(
                {
                    "type": "object",
                    "properties": {each["name"]: each["schema"] for each in method["params"]},
                    "required": [each["name"] for each in method["params"] if each.get("required")],
                }
            )
            for name, method in self._by_name.items()
        }

    @cached_property
    def _channels(self) -> list[_Channel]:
        find = Schemas(self.channels).find
        found = []
        for name, item in self.channels["channels"].items():
            if "publish" in item:
                continue
            enums = {}
            for key, parameter in item.get("parameters", {}).items():
                values = find(parameter).get("schema", {}).get("enum")
                if values:
                    enums[key] = tuple(map(str, values))
            found.append(_Channel(name.lstrip("/"), enums))
        return found

    def check(self, record: FrameRecord, ws_url: str) -> list[Breach]:
        """Return every breach of one frame that was sent to the venue whose WebSocket is at ``ws_url``."""
        if record.direction is not Direction.SENT:
            return []
        if found := self.check_address(record.url, ws_url):
            return found
        try:
            frame = msgspec.json.decode(record.data)
        except msgspec.DecodeError as error:
            return [Breach("WS frame", f"is no JSON: {error}")]
        if not isinstance(frame, dict) or frame.get("jsonrpc") != "2.0" or not isinstance(frame.get("method"), str):
            shown = str(record.data)[:120]
            return [
                Breach("WS frame", f'the venue speaks JSON-RPC 2.0 ("jsonrpc", "method", "params", "id"), not {shown}')
            ]
        where = f"WS {frame['method']}"
        return [Breach(where, problem) for problem in self._request(frame)]

    def check_address(self, url: str, ws_url: str) -> list[Breach]:
        """Return every breach of the address of a connection."""
        if url.rstrip("/?") == ws_url.rstrip("/?"):
            return []
        return [Breach(f"WS {url}", f"is another place than the venue's WebSocket, which is at {ws_url}")]

    def _request(self, frame: Mapping[str, Any]) -> Iterator[str]:
        method = frame["method"]
        if method not in self._by_name:
            yield f"the contract has no such method{nearest(method, self._by_name)}"
            return
        extra = sorted(set(frame) - {"jsonrpc", "method", "params", "id"})
        if extra:
            yield f"{listing(extra)} has no place in a JSON-RPC request"
        if "id" not in frame:
            yield "id is missing: without it the venue's answer, and its error, can't be told apart"
        params = frame.get("params", {})
        yield from problems(self._validators[method], params, name="params")
        if method in self.channel_methods and isinstance(params, dict) and isinstance(params.get("channel"), str):
            yield from self._channel(params["channel"])

    def _channel(self, name: str) -> Iterator[str]:
        if any(each.strict.fullmatch(name) for each in self._channels):
            return
        for each in self._channels:
            if (match := each.loose.fullmatch(name)) is not None:
                for key, value in match.groupdict().items():
                    if value is not None and key in each.enums and value not in each.enums[key]:
                        yield f"channel {name!r}: {key}={value!r} is not one of {listing(each.enums[key])}"
                return
        # The names of channels differ most in their parameters; what tells them apart is how they begin.
        beginnings = sorted({re.split(r"[.\[]", each.name)[0] for each in self._channels})
        near = nearest(re.split(r"[.@]", name)[0], beginnings)
        full = [
            each.name
            for each in self._channels
            if near and re.split(r"[.\[]", each.name)[0] in re.findall(r"\w+", near)
        ]
        yield f"the contract has no channel {name!r}; there is {listing(full or beginnings)}"


class _Channel:
    """A channel's name with parameters in braces and optional parts in brackets, as patterns."""

    def __init__(self, name: str, enums: Mapping[str, tuple[str, ...]]) -> None:
        self.name = name
        self.enums = enums
        self.strict = re.compile(self._pattern(use_enums=True))
        self.loose = re.compile(self._pattern(use_enums=False))

    def _pattern(self, *, use_enums: bool) -> str:
        text = ""
        for variable, opening, closing, literal in _PIECE.findall(self.name):
            if variable:
                values = self.enums.get(variable) if use_enums else None
                text += f"(?P<{variable}>{'|'.join(map(re.escape, values)) if values else '[^.@]+'})"
            elif opening:
                text += "(?:"
            elif closing:
                text += ")?"
            else:
                text += re.escape(literal)
        return text
