"""
Validators built from the venue's contract, made strict: a field that a schema does not list is an error, and what it
requires must be there, except what live answers were seen to leave out.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

import perpkit.sim.venues.lighter as venue_package

OPENAPI = json.loads((Path(venue_package.__file__).parent / "contract" / "openapi.json").read_text("utf-8"))
SCHEMAS = OPENAPI["components"]["schemas"]


def _resolve(schema: Any) -> Any:
    """Return a schema with references followed, observed omissions allowed and unlisted fields refused."""
    if "$ref" in schema:
        return _resolve(SCHEMAS[schema["$ref"].rsplit("/", 1)[-1]])
    kept = {key: value for key, value in schema.items() if key in {"type", "enum", "minimum", "maximum"}}
    if "properties" in schema:
        omitted = set(schema.get("x-observed-omitted", ()))
        kept["properties"] = {name: _resolve(inner) for name, inner in schema["properties"].items()}
        kept["required"] = [name for name in schema.get("required", ()) if name not in omitted]
        kept["additionalProperties"] = False
    elif isinstance(schema.get("additionalProperties"), dict):
        kept["additionalProperties"] = _resolve(schema["additionalProperties"])
    if "items" in schema:
        kept["items"] = _resolve(schema["items"])
    return kept


@cache
def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator(_resolve({"$ref": f"#/components/schemas/{name}"}))


@cache
def _answer(method: str, path: str, status: int) -> Draft202012Validator:
    if status != 200 or path not in OPENAPI["paths"]:
        return validator("ResultCode")
    content = OPENAPI["paths"][path][method.lower()]["responses"]["200"]["content"]
    return Draft202012Validator(_resolve(content["application/json"]["schema"]))


def rest_errors(method: str, path: str, status: int, body: Any) -> list[str]:
    """Return what in a REST answer breaks the contract."""
    return [f"{method} {path} {status}: {_where(error)}" for error in _answer(method, path, status).iter_errors(body)]


def row_errors(name: str, row: Any) -> list[str]:
    """Return what in a row of a frame breaks the schema that REST has for it."""
    return [f"{name}: {_where(error)}" for error in validator(name).iter_errors(row)]


def _where(error: Any) -> str:
    return f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}"
