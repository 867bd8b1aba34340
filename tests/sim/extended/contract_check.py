"""
Validators built from the local venue's REST contract, made strict: a field that a schema does not list is an error.

The contract is tolerant where its sources disagree; the local venue picks one reading, and sends nothing unlisted.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

import perpkit.sim.venues.extended as venue_package

CONTRACT = Path(venue_package.__file__).parent / "contract" / "extended.openapi.yaml"


@cache
def openapi() -> dict[str, Any]:
    text = CONTRACT.read_text("utf-8")
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - safe, in C if it can be


def resolved(schema: Any, *, strict: bool = True) -> Any:
    """Return a schema with references followed and ``allOf`` merged; strict, unlisted fields are refused."""
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        found: Any = openapi()
        for part in schema["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        rest = {key: value for key, value in schema.items() if key not in {"$ref", "description"}}
        return resolved({**found, **rest}, strict=strict)
    result: dict[str, Any] = {}
    properties: dict[str, Any] = {}
    for key, value in schema.items():
        if key in {"description", "examples"}:
            continue
        if key == "properties":
            properties |= {name: resolved(one, strict=strict) for name, one in value.items()}
        elif key in {"items", "if", "then", "else", "not"}:
            result[key] = resolved(value, strict=strict and key == "items")
        elif key in {"oneOf", "anyOf"}:
            result[key] = [resolved(one, strict=strict) for one in value]
        elif key == "allOf" and any("if" in one for one in value):
            result[key] = [resolved(one, strict=False) for one in value]
        elif key != "allOf":
            result[key] = value
    if "allOf" in schema and "allOf" not in result:
        for part in schema["allOf"]:
            inner = resolved(part, strict=strict)
            properties |= inner.pop("properties", {})
            result["required"] = sorted({*result.get("required", []), *inner.pop("required", [])})
            result |= {key: value for key, value in inner.items() if key != "additionalProperties"}
    if properties:
        result["properties"] = properties
        if strict:
            result["additionalProperties"] = False
    return result


@cache
def response_validator(method: str, path: str, status: int) -> Draft202012Validator:
    """Return the validator of a response's body; a status that is not listed has the default's."""
    responses = openapi()["paths"][path][method.lower()]["responses"]
    listed = responses.get(str(status)) or responses["default"]
    assert status < 400 or str(status) in responses or "default" in responses
    if "$ref" in listed:
        listed = openapi()["components"]["responses"][listed["$ref"].rsplit("/", 1)[-1]]
    return Draft202012Validator(resolved(listed["content"]["application/json"]["schema"]))


@cache
def error_validator() -> Draft202012Validator:
    return Draft202012Validator(resolved({"$ref": "#/components/schemas/ErrorEnvelope"}))


@cache
def schema_validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(resolved({"$ref": f"#/components/schemas/{name}"}))


def path_template(method: str, path: str) -> str | None:
    """Return the contract's path for a concrete one."""
    best = None
    for template, operations in openapi()["paths"].items():
        if method.lower() not in operations:
            continue
        pattern = re.sub(r"\\\{[A-Za-z]+\\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path) and (best is None or template.count("{") < best.count("{")):
            best = template
    return best


def rest_errors(method: str, path: str, status: int, body: Any) -> list[str]:
    """Return what in a REST response breaks the contract; 401 and the dead-man switch have no body."""
    if body is None:
        empty = status == 401 or (path == "/user/deadmanswitch" and status == 200)
        return [] if empty else [f"{method} {path} {status}: no body"]
    template = path_template(method, path)
    validator = error_validator() if template is None else response_validator(method, template, status)
    return [f"{method} {path} {status}: {where(error)}" for error in validator.iter_errors(body)]


def where(error: Any) -> str:
    return f"{'/'.join(map(str, error.absolute_path)) or '.'}: {error.message[:300]}"
