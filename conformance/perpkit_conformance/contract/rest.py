"""Requests against an OpenAPI 3 document: path, method, query, headers, body as JSON or as a form."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec

from perpkit.core.transport.recorder import RequestRecord
from perpkit.core.transport.redact import MASK
from perpkit_conformance.contract.breach import Breach, listing, nearest
from perpkit_conformance.contract.forms import EmbeddedJson, form_fields
from perpkit_conformance.contract.schemas import Schemas, problems

_METHODS = ("get", "put", "post", "delete", "patch", "head", "options")
_VARIABLE = re.compile(r"\{([^}]+)\}")
_PLAIN_HEADERS = frozenset(
    {"accept", "accept-encoding", "authorization", "connection", "content-length", "content-type", "host", "user-agent"}
)
"""Any request may carry these; whether it must is said elsewhere."""


@dataclass(frozen=True, slots=True)
class _Operation:
    method: str
    template: str
    pattern: re.Pattern[str]
    parameters: tuple[Mapping[str, Any], ...]
    body: Mapping[str, Any] | None
    security: tuple[Mapping[str, Any], ...]

    def named(self, place: str) -> dict[str, Mapping[str, Any]]:
        return {each["name"]: each for each in self.parameters if each["in"] == place}


@dataclass(frozen=True)
class OpenApi:
    """
    The rules of a REST contract.

    Attributes:
        document: The OpenAPI document, with what is laid over it.
        required_headers: Headers that the venue wants on every request, beyond the contract, with the reason.
        identifiers: What values look like that the contract calls just a string, by the parameter's name: so that
            ``/orders/history`` is told from ``/orders/{order_id}``.
        embedded: Fields of bodies whose text is JSON again, such as a signed transaction in a form, by their name.
    """

    document: Mapping[str, Any]
    required_headers: Mapping[str, str] = field(default_factory=dict)
    identifiers: Mapping[str, str] = field(default_factory=dict)
    embedded: Mapping[str, EmbeddedJson] = field(default_factory=dict)

    @cached_property
    def _schemas(self) -> Schemas:
        return Schemas(self.document)

    @cached_property
    def _operations(self) -> list[_Operation]:
        found = []
        for template, item in self.document["paths"].items():
            shared = [self._schemas.find(each) for each in item.get("parameters", ())]
            for method in _METHODS:
                if (listed := item.get(method)) is None:
                    continue
                parameters = [self._schemas.find(each) for each in listed.get("parameters", ())]
                security = listed.get("security", self.document.get("security", ()))
                body = listed.get("requestBody")
                found.append(
                    _Operation(
                        method.upper(),
                        template,
                        re.compile(
                            _VARIABLE.sub("([^/]+)", re.escape(template).replace(r"\{", "{").replace(r"\}", "}"))
                        ),
                        (*shared, *parameters),
                        None if body is None else self._schemas.find(body),
                        tuple(security),
                    )
                )
        # The most literal template first: /orders/batch is not an order called batch.
        return sorted(found, key=lambda each: (each.template.count("{"), each.template))

    @cached_property
    def _special_headers(self) -> dict[str, list[str]]:
        """Header names that some operation declares, lower case, with those operations."""
        found: dict[str, list[str]] = {}
        for operation in self._operations:
            for name in operation.named("header"):
                found.setdefault(name.lower(), []).append(f"{operation.method} {operation.template}")
        return found

    def check(self, record: RequestRecord, base_url: str) -> list[Breach]:
        """Return every breach of one request to the venue whose REST is at ``base_url``."""
        prefix = urlsplit(base_url).path.rstrip("/")
        if not record.url.startswith(base_url.rstrip("/") + "/"):
            problem = f"goes to another place than the venue's REST, which is at {base_url}"
            return [Breach(f"{record.method} {record.url}", problem, record.operation)]
        path = urlsplit(record.url).path.removeprefix(prefix)
        fitting = [each for each in self._operations if each.pattern.fullmatch(path)]
        operation = next((each for each in fitting if each.method == record.method), None)
        if operation is None:
            where = f"{record.method} {prefix}{path}"
            return [Breach(where, self._no_such(record.method, path, fitting), record.operation)]
        where = f"{record.method} {prefix}{operation.template}"
        found = (
            *self._path(operation, path),
            *self._query(operation, record.params),
            *self._headers(operation, record.headers),
            *self._body(operation, record),
        )
        return [Breach(where, problem, record.operation) for problem in found]

    def _no_such(self, method: str, path: str, fitting: list[_Operation]) -> str:
        if fitting:
            return f"the path takes {listing(sorted({each.method for each in fitting}))}, not {method}"
        templates = [each.template for each in self._operations if each.method == method]
        return f"the contract has no such path{nearest(path, templates)}"

    def _path(self, operation: _Operation, path: str) -> Iterator[str]:
        match = operation.pattern.fullmatch(path)
        values = match.groups() if match is not None else ()
        declared = operation.named("path")
        for name, value in zip(_VARIABLE.findall(operation.template), values, strict=True):
            if name in declared:
                yield from self._value(name, unquote(value), declared[name])

    def _query(self, operation: _Operation, params: Iterable[tuple[str, str]]) -> Iterator[str]:
        declared = operation.named("query")
        seen: set[str] = set()
        for name, value in params:
            if name not in declared:
                known = listing(declared, none="no parameters")
                yield f"{name!r} is not a parameter; there is {known}{nearest(name, declared)}"
                continue
            schema = self._schemas.resolve(declared[name].get("schema"))
            is_list = schema.get("type") == "array"
            if name in seen and not is_list:
                yield f"{name!r} is given twice"
            seen.add(name)
            if not is_list:
                yield from self._value(name, value, declared[name])
                continue
            # `explode: false` writes a list with commas, the default repeats the name.
            items = {"schema": schema.get("items", {})}
            for each in value.split(",") if declared[name].get("explode") is False else [value]:
                yield from self._value(name, each, items)
        for name, parameter in declared.items():
            if parameter.get("required") and name not in seen:
                yield f"{name} is required"

    def _headers(self, operation: _Operation, headers: Iterable[tuple[str, str]]) -> Iterator[str]:
        given = {name.lower(): value for name, value in headers}
        declared = operation.named("header")
        for name, parameter in declared.items():
            if parameter.get("required") and not given.get(name.lower()):
                yield f"the header {name} is required"
        for name, reason in self.required_headers.items():
            if not given.get(name.lower()):
                yield f"the header {name} is required on every request: {reason}"
        own = {name.lower() for name in declared}
        for name, homes in self._special_headers.items():
            if name in given and name not in own and name not in _PLAIN_HEADERS:
                yield f"the header {name.upper()} is out of place; it belongs to {listing(homes)}"
        yield from self._security(operation, given)

    def _security(self, operation: _Operation, given: Mapping[str, str]) -> Iterator[str]:
        schemes = self.document.get("components", {}).get("securitySchemes", {})
        if not operation.security or any(not choice for choice in operation.security):
            return
        wanted = []
        for choice in operation.security:
            names = []
            for each in choice:
                scheme = schemes[each]
                # A query or cookie key would be looked for among the parameters.
                names.append("Authorization" if scheme.get("type") == "http" else scheme.get("name", "Authorization"))
            if all(given.get(name.lower()) for name in names):
                return
            wanted.append(" and ".join(names))
        yield f"it is private and needs the header {' or '.join(wanted)}"

    def _body(self, operation: _Operation, record: RequestRecord) -> Iterator[str]:
        if operation.body is None:
            if record.body:
                yield "it takes no body, and one was sent"
            return
        if not record.body:
            if operation.body.get("required"):
                yield "a body is required"
            return
        contents = operation.body.get("content", {"application/json": {}})
        sent = next((value for name, value in record.headers if name.lower() == "content-type"), "")
        kind = sent.partition(";")[0].strip().lower()
        if kind not in contents:
            yield f"the body is sent as {sent or 'nothing in particular'}, not {' or '.join(contents)}"
            kind = next(iter(contents))
        schema = contents[kind].get("schema")
        if kind == "application/json":
            yield from self._json(record.body, schema)
        elif kind in {"application/x-www-form-urlencoded", "multipart/form-data"}:
            yield from self._form(record.body, sent, schema)

    def _json(self, body: bytes, schema: Mapping[str, Any] | None) -> Iterator[str]:
        try:
            value = msgspec.json.decode(body)
        except msgspec.DecodeError as error:
            yield f"the body is no JSON: {error}"
            return
        if schema is not None:
            yield from problems(self._schemas.validator(schema), value)
        if isinstance(value, dict):
            yield from self._embedded({name: each for name, each in value.items() if isinstance(each, str)})

    def _form(self, body: bytes, content_type: str, schema: Mapping[str, Any] | None) -> Iterator[str]:
        try:
            pairs = form_fields(body, content_type)
        except ValueError as error:
            yield f"the body is no form: {error}"
            return
        texts = dict(pairs)
        for name in sorted({name for name, _ in pairs if [each for each, _ in pairs].count(name) > 1}):
            yield f"{name!r} is given twice"
        resolved = self._schemas.resolve(schema)
        values: dict[str, Any] = {}
        for name, text in texts.items():
            kind = resolved.get("properties", {}).get(name, {}).get("type")
            try:
                values[name] = _typed(text, kind)
            except ValueError:
                if text != MASK:
                    yield f"{name}={text!r} is not of type {kind}"
                values[name] = MASK  # said already
        yield from problems(self._schemas.validator(resolved), values)
        yield from self._embedded(texts)

    def _embedded(self, texts: Mapping[str, str]) -> Iterator[str]:
        for name, rule in self.embedded.items():
            if name in texts and texts[name] != MASK:
                yield from rule.check(name, texts, self._schemas)

    def _value(self, name: str, text: str, parameter: Mapping[str, Any]) -> Iterator[str]:
        if text == MASK:
            return
        if name in self.identifiers and not re.fullmatch(self.identifiers[name], text):
            yield f"{name}={text!r} does not look like one ({self.identifiers[name]})"
            return
        schema = self._schemas.resolve(parameter.get("schema"))
        try:
            value = _typed(text, schema.get("type"))
        except ValueError:
            yield f"{name}={text!r} is not of type {schema['type']}"
            return
        for problem in problems(self._schemas.validator(schema), value, name=name):
            # In a URL it is text, whatever the schema's type.
            yield problem.replace(f"={value!r}", f"={text!r}", 1)


def _typed(text: str, kind: str | None) -> Any:
    if kind == "integer":
        if not re.fullmatch(r"-?\d+", text):
            raise ValueError(text)
        return int(text)
    if kind == "number":
        if not re.fullmatch(r"-?\d+(\.\d+)?", text):
            raise ValueError(text)
        return float(text)
    if kind == "boolean":
        if text not in {"true", "false"}:
            raise ValueError(text)
        return text == "true"
    return text
