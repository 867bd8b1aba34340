"""
What the venue's contract says a request may look like: names, types, enums and bounds, read from the contract itself.

Requests flow in and come out as typed values, or as the refusal the venue makes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from perpkit.sim.venues.paradex.errors import INVALID_PARAMS, ApiError, RpcError

_UNDOCUMENTED_QUERY = {("POST", "/auth"): {"token_usage": {"type": "string", "enum": ["interactive"]}}}
"""Documented on the venue's pages, missing in the contract: retail tokens are asked for with it."""

_JSON_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "integer": int,
    "boolean": bool,
    "array": list,
    "object": dict,
}


@dataclass(frozen=True, slots=True)
class QueryParameter:
    """One query parameter of an operation."""

    name: str
    type: str
    required: bool
    enum: tuple[str, ...]
    minimum: int | None
    maximum: int | None


@cache
def openapi() -> dict[str, Any]:
    """Return the REST contract."""
    return _load("openapi.json")


@cache
def openrpc() -> dict[str, dict[str, Any]]:
    """Return the WebSocket methods by name."""
    return {method["name"]: method for method in _load("openrpc.json")["methods"]}


@cache
def error_codes() -> frozenset[str]:
    """Return every error code that the REST contract knows."""
    return frozenset(openapi()["components"]["schemas"]["responses.ErrorCode"]["enum"])


@cache
def schema(name: str) -> dict[str, Any]:
    """Return a component schema, e.g. ``requests.OrderRequest``."""
    found: dict[str, Any] = openapi()["components"]["schemas"][name]
    return found


@cache
def query_parameters(method: str, path: str) -> dict[str, QueryParameter]:
    """Return the query parameters of an operation by name."""
    operation = openapi()["paths"][path][method.lower()]
    listed = [p for p in operation.get("parameters", []) if p["in"] == "query"]
    found = {p["name"]: _parameter(p["name"], p["schema"], p.get("required", False)) for p in listed}
    for name, kind in _UNDOCUMENTED_QUERY.get((method, path), {}).items():
        found[name] = _parameter(name, kind, required=False)
    return found


def parse_query(method: str, path: str, query: Mapping[str, str]) -> dict[str, Any]:
    """
    Return the typed query of a request; absent parameters are absent.

    Raises:
        ApiError: A name the contract does not list, a missing required one, or a value outside type, enum or bounds.
    """
    known = query_parameters(method, path)
    for name in query:
        if name not in known:
            allowed = ", ".join(sorted(known)) or "no parameters"
            raise ApiError("INVALID_REQUEST_PARAMETER", f"{method} {path}: {name!r} is not one of {allowed}")
    parsed: dict[str, Any] = {}
    for name, parameter in known.items():
        if name in query and query[name] != "":
            parsed[name] = _typed(parameter, query[name], f"{method} {path}")
        elif parameter.required:
            raise ApiError("INVALID_REQUEST_PARAMETER", f"{method} {path}: {name!r} is required")
    return parsed


def check_body(body: Any, schema_name: str) -> dict[str, Any]:
    """
    Return the known fields of a JSON body, nulls left out.

    Fields that the contract does not list are ignored, as its schemas leave them open.

    Raises:
        ApiError: ``BINDING_ERROR`` for a wrong JSON type, ``VALIDATION_ERROR`` for a missing field or a value
            outside its enum.
    """
    if not isinstance(body, dict):
        raise ApiError("BINDING_ERROR", f"the body is {type(body).__name__}, not an object")
    definition = schema(schema_name)
    checked: dict[str, Any] = {}
    for name, rule in definition["properties"].items():
        value = body.get(name)
        if value is None:
            continue
        problem = _mismatch(value, rule)
        if problem is not None:
            code, reason = problem
            raise ApiError(code, f"{name}: {reason}")
        checked[name] = value
    for name in definition.get("required", []):
        if name not in checked:
            raise ApiError("VALIDATION_ERROR", f"{name}: required")
    return checked


def unlisted_fields(body: Mapping[str, Any], schema_name: str) -> list[str]:
    """Return the names in a body that the contract does not list."""
    return sorted(set(body) - set(schema(schema_name)["properties"]))


def check_params(method: str, params: Any) -> dict[str, Any]:
    """
    Return the known parameters of a WebSocket method, nulls left out.

    Raises:
        RpcError: ``-32602`` for anything but named parameters of the contract's types and enums.
    """
    if not isinstance(params, dict):
        raise RpcError(INVALID_PARAMS, f"{method}: params must be an object with the contract's names")
    checked: dict[str, Any] = {}
    for listed in openrpc()[method]["params"]:
        name, value = listed["name"], params.get(listed["name"])
        if value is None:
            if listed["required"]:
                raise RpcError(INVALID_PARAMS, f"{method}: {name!r} is required")
            continue
        problem = _mismatch(value, listed["schema"])
        if problem is not None:
            raise RpcError(INVALID_PARAMS, f"{method}: {name}: {problem[1]}", problem[0])
        checked[name] = value
    return checked


def _load(name: str) -> dict[str, Any]:
    text = resources.files("perpkit.sim.venues.paradex").joinpath("contract", name).read_text("utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def _parameter(name: str, kind: Mapping[str, Any], required: bool) -> QueryParameter:
    return QueryParameter(
        name, kind["type"], required, tuple(kind.get("enum", ())), kind.get("minimum"), kind.get("maximum")
    )


def _typed(parameter: QueryParameter, text: str, where: str) -> Any:
    if parameter.type == "integer":
        try:
            number = int(text)
        except ValueError as exc:
            raise ApiError("INVALID_REQUEST_PARAMETER", f"{where}: {parameter.name}={text!r} is no integer") from exc
        low, high = parameter.minimum, parameter.maximum
        if (low is not None and number < low) or (high is not None and number > high):
            raise ApiError("INVALID_REQUEST_PARAMETER", f"{where}: {parameter.name}={number} is not in {low}..{high}")
        return number
    if parameter.type == "boolean":
        if text not in {"true", "false"}:
            raise ApiError("INVALID_REQUEST_PARAMETER", f"{where}: {parameter.name}={text!r} is not true or false")
        return text == "true"
    if parameter.enum and text not in parameter.enum:
        allowed = ", ".join(parameter.enum)
        raise ApiError("INVALID_REQUEST_PARAMETER", f"{where}: {parameter.name}={text!r} is not one of {allowed}")
    return text


def _mismatch(value: Any, rule: Mapping[str, Any]) -> tuple[str, str] | None:
    """Return the code and reason why a value does not fit a schema, or nothing."""
    rule = _flat(rule)
    kind = rule.get("type")
    if kind is not None:
        expected = _JSON_TYPES[kind]
        if not isinstance(value, expected) or (kind == "integer" and isinstance(value, bool)):
            return "BINDING_ERROR", f"{value!r} is not of type {kind}"
    if kind == "array":
        # openrpc puts the enum of flag lists beside the array; it means the items.
        items = dict(_flat(rule.get("items", {})))
        if "enum" in rule:
            items["enum"] = rule["enum"]
        for item in value:
            problem = _mismatch(item, items)
            if problem is not None:
                return problem
        return None
    if kind == "object" and "properties" in rule:
        for name, inner in rule["properties"].items():
            given = value.get(name)
            if given is None:
                if name in rule.get("required", []):
                    return "VALIDATION_ERROR", f"{name}: required"
                continue
            problem = _mismatch(given, inner)
            if problem is not None:
                return problem[0], f"{name}: {problem[1]}"
        return None
    if "enum" in rule and value not in rule["enum"]:
        if value == "":  # what Go clients send for an unset enum
            return None
        return "VALIDATION_ERROR", f"{value!r} is not one of {', '.join(map(str, rule['enum']))}"
    if "maxLength" in rule and len(value) > rule["maxLength"]:
        return "VALIDATION_ERROR", f"longer than {rule['maxLength']} characters"
    return None


def _flat(rule: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow references, and merge the one-element ``allOf`` by which the contract describes a reference."""
    merged: dict[str, Any] = {key: value for key, value in rule.items() if key not in {"allOf", "$ref"}}
    references = list(rule.get("allOf", ()))
    if "$ref" in rule:
        references.append(rule)
    for part in references:
        merged = {**schema(part["$ref"].rsplit("/", 1)[-1]), **merged}
    return merged
