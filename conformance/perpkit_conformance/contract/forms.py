"""Bodies that are forms, and fields of theirs that hold JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.parser import BytesParser
from typing import Any
from urllib.parse import parse_qsl

import msgspec

from perpkit_conformance.contract.breach import listing
from perpkit_conformance.contract.schemas import Schemas, problems


def form_fields(body: bytes, content_type: str) -> list[tuple[str, str]]:
    """
    Return names and values of a form, url-encoded or multipart, in order.

    Raises:
        ValueError: It can't be read as one.
    """
    if not content_type.lower().startswith("multipart/form-data"):
        return parse_qsl(body.decode(), keep_blank_values=True, strict_parsing=True)
    message = BytesParser().parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
    found = []
    for part in message.walk():
        if part.is_multipart():
            continue
        name, value = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
        if not isinstance(name, str) or not isinstance(value, bytes):
            raise ValueError("a part of it has no name")  # noqa: TRY004 - the body is at fault, not its type
        found.append((name, value.decode()))
    return found


@dataclass(frozen=True)
class EmbeddedJson:
    """
    What a field may hold whose text is JSON.

    Attributes:
        schemas: The JSON schema of what it holds; where another field decides, by that field's text.
        by: That other field; empty where there is one schema, under the empty text.
        many: It is a list of such texts, and ``by`` names a field with a list of as many deciding values.
    """

    schemas: Mapping[str, Mapping[str, Any]]
    by: str = ""
    many: bool = False

    def check(self, name: str, texts: Mapping[str, str], found: Schemas) -> Iterator[str]:
        """Say each way in which the field, among the others, does not fit."""
        try:
            value = msgspec.json.decode(texts[name])
            chosen = msgspec.json.decode(texts.get(self.by, "")) if self.many and self.by else texts.get(self.by, "")
        except msgspec.DecodeError as error:
            yield f"{name} holds no JSON: {error}"
            return
        if not self.many:
            yield from self._one(name, str(chosen), value, found)
            return
        if not isinstance(value, list):
            yield f"{name} holds no list"
            return
        kinds = chosen if isinstance(chosen, list) else [""] * len(value)
        if len(kinds) != len(value):
            yield f"{name} has {len(value)} entries, and {self.by} has {len(kinds)}"
            return
        for number, (kind, each) in enumerate(zip(kinds, value, strict=True)):
            place = f"{name}[{number}]"
            try:
                inner = msgspec.json.decode(each) if isinstance(each, str) else each
            except msgspec.DecodeError as error:
                yield f"{place} holds no JSON: {error}"
                continue
            yield from self._one(place, str(kind), inner, found)

    def _one(self, name: str, kind: str, value: Any, found: Schemas) -> Iterator[str]:
        if kind not in self.schemas:
            yield f"{self.by}={kind} has no form for {name}; there is {listing(self.schemas)}"
            return
        yield from problems(found.validator(self.schemas[kind]), value, name=name)
