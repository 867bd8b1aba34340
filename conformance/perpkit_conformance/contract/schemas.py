"""
Schemas of OpenAPI 3.0, AsyncAPI 2 and OpenRPC, made strict, and the words for what does not fit one.

Strict: a field that the schema does not list is a breach, because a venue ignores it in silence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from perpkit.core.transport.redact import MASK
from perpkit_conformance.contract.breach import listing, nearest

_LEFT_OUT = frozenset({"example", "examples", "description", "title", "format", "allOf", "$ref", "nullable"})
"""Says nothing that can be checked, or is resolved here."""


class Schemas:
    """The schemas of one document. Each is resolved once."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._resolved: dict[str, dict[str, Any]] = {}
        self._resolving: set[str] = set()

    def find(self, node: Mapping[str, Any]) -> Mapping[str, Any]:
        """Follow a reference within the document, or return the node itself."""
        while "$ref" in node:
            node = self._at(node["$ref"])
        return node

    def validator(self, schema: Mapping[str, Any]) -> Draft202012Validator:
        """Return the strict validator of a schema."""
        return Draft202012Validator(self.resolve(schema))

    def resolve(self, schema: Any) -> dict[str, Any]:
        """Return a schema with references followed, ``allOf`` merged and unlisted fields refused."""
        if not isinstance(schema, Mapping):
            return {}
        if "$ref" in schema:
            return self._named(schema["$ref"])
        resolved: dict[str, Any] = {}
        parts = schema.get("allOf", ())
        for part in parts:
            if "if" not in part:
                resolved = _merged(resolved, self.resolve(part))
        resolved = _merged(resolved, {key: value for key, value in schema.items() if key not in _LEFT_OUT})
        for key in ("anyOf", "oneOf"):
            if key in resolved:
                resolved[key] = [self.resolve(part) for part in resolved[key]]
        if "properties" in resolved:
            resolved["properties"] = {name: self.resolve(each) for name, each in resolved["properties"].items()}
            resolved.setdefault("additionalProperties", False)
        if "items" in resolved:
            resolved["items"] = self.resolve(resolved["items"])
            # Some generators put the enum of a list's items beside the list.
            if resolved.get("type") == "array" and "enum" in resolved:
                resolved["items"] = {**resolved["items"], "enum": resolved.pop("enum")}
        if conditions := [self._followed(part) for part in parts if "if" in part]:
            # Each stands for itself: merged, the one's `if` would decide over another's `else`.
            resolved["allOf"] = [*resolved.get("allOf", ()), *conditions]
        if schema.get("nullable") is True:
            return {"anyOf": [resolved, {"type": "null"}]}
        return resolved

    def _followed(self, node: Any) -> Any:
        """Return a condition with its references followed; what it does not name it does not speak of."""
        if isinstance(node, Mapping):
            if "$ref" in node:
                return self.resolve(node)
            return {key: self._followed(value) for key, value in node.items()}
        return [self._followed(each) for each in node] if isinstance(node, list) else node

    def _named(self, reference: str) -> dict[str, Any]:
        if reference in self._resolving:
            return {}  # a schema that holds itself is not followed further down
        if reference not in self._resolved:
            self._resolving.add(reference)
            self._resolved[reference] = self.resolve(self._at(reference))
            self._resolving.discard(reference)
        return self._resolved[reference]

    def _at(self, reference: str) -> Mapping[str, Any]:
        node: Any = self._document
        for part in reference.removeprefix("#/").split("/"):
            node = node[part.replace("~1", "/").replace("~0", "~")]
        found: Mapping[str, Any] = node
        return found


def _merged(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**below, **above}
    if "properties" in below and "properties" in above:
        merged["properties"] = {**below["properties"], **above["properties"]}
    if "required" in below and "required" in above:
        merged["required"] = [*below["required"], *above["required"]]
    if "allOf" in below and "allOf" in above:
        merged["allOf"] = [*below["allOf"], *above["allOf"]]
    return merged


def problems(validator: Draft202012Validator, value: Any, *, name: str = "") -> Iterator[str]:
    """Say each way in which a value does not fit; ``name`` is what the value itself is called."""
    for error in sorted(validator.iter_errors(value), key=lambda each: list(map(str, each.absolute_path))):
        # What a recorder hides is a string now, whatever it was: only that it is there can be checked.
        if error.instance != MASK:
            yield from _words(error, place(error.absolute_path, name))


def place(path: Sequence[str | int] | Any, name: str = "") -> str:
    """Return ``orders[0].side`` for a path into a body."""
    text = name
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text


def _words(error: ValidationError, where: str) -> Iterator[str]:
    value: Any = error.instance
    wanted: Any = error.validator_value
    schema: Any = error.schema
    shown = f"{where or 'the body'}={value!r}" if not isinstance(value, dict | list) else where or "the body"
    if error.validator == "enum":
        yield f"{shown} is not one of {listing(wanted)}"
    elif error.validator == "type":
        yield f"{shown} is {_kind(value)}, not {wanted}"
    elif error.validator == "required":
        missing = [each for each in wanted if each not in value]
        # jsonschema makes one error for each missing name; this one is said by the name in its message.
        named = next((each for each in missing if error.message.startswith(repr(each))), missing[0])
        yield f"{place([named], where)} is required"
    elif error.validator == "additionalProperties" and wanted is False:
        known = list(schema.get("properties", ()))
        for extra in sorted(set(value) - set(known)):
            yield f"{place([extra], where)} is not a field; there is {listing(known)}{nearest(extra, known)}"
    else:
        yield f"{shown}: {error.message[:200]}"


def _kind(value: Any) -> str:
    names = {str: "a string", bool: "a boolean", int: "an integer", float: "a number", list: "an array"}
    return "null" if value is None else names.get(type(value), "an object")
