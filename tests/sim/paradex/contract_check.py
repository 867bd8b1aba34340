"""
Validators built from the venue's three contract files, made strict: a field that a schema does not list is an error.

Where the contract's text says more than its types, the text is taken: ``next`` and ``prev`` are "null if there are no
records left", and ``data`` of an error is optional detail, so both may be null. ``MarketResp.asset_kind`` refers to the
type ``AssetKind`` and repeats a part of its values beside it; the type's own list is taken, as options and futures are
listed. ``GET /markets/klines`` has no schema for success; the one here is from an answer recorded on testnet.
"""

from __future__ import annotations

import copy
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator

import perpkit.sim.venues.paradex as venue_package

CONTRACT = Path(venue_package.__file__).parent / "contract"
OPENAPI = json.loads((CONTRACT / "openapi.json").read_text("utf-8"))
OPENRPC = {m["name"]: m for m in json.loads((CONTRACT / "openrpc.json").read_text("utf-8"))["methods"]}
_NULLABLE = {("responses.PaginatedAPIResults", "next"), ("responses.PaginatedAPIResults", "prev")}
_NULLABLE |= {("responses.ApiError", "data")}
_CANDLE = {
    "type": "array",
    "prefixItems": [{"type": "integer"}, *[{"type": "number"}] * 5],
    "minItems": 6,
    "maxItems": 6,
}
_UNSPECIFIED = {
    ("GET", "/markets/klines", 200): {
        "type": "object",
        "required": ["results"],
        "properties": {"results": {"type": "array", "items": _CANDLE}},
        "additionalProperties": False,
    }
}


@cache
def asyncapi() -> dict[str, Any]:
    text = (CONTRACT / "asyncapi.yaml").read_text("utf-8")
    return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 - safe, and in C if it can be


def _resolve(schema: Any, root: dict[str, Any], name: str = "") -> Any:
    """Return a schema with references followed, ``allOf`` merged and unlisted fields refused."""
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        target = schema["$ref"].rsplit("/", 1)[-1]
        return _resolve(root["components"]["schemas"][target], root, target)
    resolved = {key: value for key, value in schema.items() if key not in {"example", "description", "allOf"}}
    properties: dict[str, Any] = {}
    for part in schema.get("allOf", []):
        inner = _resolve(part, root)
        properties |= inner.get("properties", {})
        resolved = {**inner, **resolved}
        if "enum" in inner:
            resolved["enum"] = inner["enum"]
    for key, value in schema.get("properties", {}).items():
        one = _resolve(value, root)
        properties[key] = {"anyOf": [one, {"type": "null"}]} if (name, key) in _NULLABLE else one
    if "items" in schema:
        resolved["items"] = _resolve(schema["items"], root)
        if "enum" in resolved and resolved.get("type") == "array":
            resolved["items"] = {**resolved["items"], "enum": resolved.pop("enum")}
    if properties:
        resolved["properties"] = properties
        resolved["additionalProperties"] = False
    return resolved


@cache
def response_validator(method: str, path: str, status: int) -> Draft202012Validator | None:
    """Return the validator of a REST response's body, or nothing where the contract says it has no body."""
    if (method, path, status) in _UNSPECIFIED:
        return Draft202012Validator(_UNSPECIFIED[method, path, status])
    responses = OPENAPI["paths"][path][method.lower()]["responses"]
    listed = responses.get(str(status))
    if listed is None:
        if status < 400:
            raise AssertionError(f"the contract lists no {status} for {method} {path}")
        return error_validator()
    content = listed.get("content")
    if content is None:
        return None
    return Draft202012Validator(_resolve(content["application/json"]["schema"], OPENAPI))


@cache
def error_validator() -> Draft202012Validator:
    return Draft202012Validator(_resolve({"$ref": "#/components/schemas/responses.ApiError"}, OPENAPI))


def rest_errors(method: str, path: str, status: int, body: Any) -> list[str]:
    """Return what in a REST response breaks the contract."""
    validator = response_validator(method, path, status)
    if validator is None:
        return [] if body in (None, "", b"") else [f"{method} {path} {status}: a body where none is due: {body!r}"]
    return [f"{method} {path} {status}: {_where(error)}" for error in validator.iter_errors(body)]


def path_template(method: str, path: str) -> str | None:
    """Return the contract's path for a concrete one."""
    best = None
    for template, operations in OPENAPI["paths"].items():
        if method.lower() not in operations:
            continue
        pattern = re.sub(r"\\\{[a-z_]+\\\}", "[^/]+", re.escape(template))
        if re.fullmatch(pattern, path) and (best is None or template.count("{") < best.count("{")):
            best = template
    return best


@cache
def channel_patterns() -> dict[str, re.Pattern[str]]:
    """Return the contract's channels with a pattern of the names that fit each."""
    patterns = {}
    for key, channel in asyncapi()["channels"].items():
        if "payload" not in str(channel.get("subscribe", {})) or "publish" in channel:
            continue
        text = re.escape(key.lstrip("/")).replace(r"\[", "(?:").replace(r"\]", ")?")
        enums = asyncapi()["components"]["parameters"]
        for name in re.findall(r"\\\{([a-z_]+)\\\}", text):
            values = enums[name]["schema"].get("enum")
            choice = "(?:" + "|".join(map(re.escape, values)) + ")" if values else "[A-Za-z0-9-]+"
            text = text.replace(r"\{" + name + r"\}", choice)
        patterns[key] = re.compile(text)
    return patterns


def channel_key(channel: str) -> str:
    """Return the contract's channel for a concrete name."""
    found = [key for key, pattern in channel_patterns().items() if pattern.fullmatch(channel)]
    assert len(found) == 1, f"{channel} fits {found}"
    return found[0]


@cache
def _payload_validator(key: str) -> Draft202012Validator:
    payload = asyncapi()["channels"][key]["subscribe"]["message"]["payload"]
    return Draft202012Validator(_resolve(payload, asyncapi()))


@cache
def _result_validator(method: str, source: str) -> Draft202012Validator:
    if source == "openrpc":
        return Draft202012Validator(_resolve(copy.deepcopy(OPENRPC[method]["result"]["schema"]), {}))
    payload = asyncapi()["channels"]["/" + method]["subscribe"]["message"]["payload"]
    return Draft202012Validator(_resolve(payload, asyncapi()))


def frame_errors(frame: dict[str, Any]) -> list[str]:
    """Return what in a pushed frame breaks the contract."""
    problems = []
    if set(frame) != {"jsonrpc", "method", "params"} or frame["jsonrpc"] != "2.0" or frame["method"] != "subscription":
        problems.append(f"envelope {sorted(frame)}")
    params = frame["params"]
    if set(params) != {"channel", "data"}:
        problems.append(f"params {sorted(params)}")
    key = channel_key(params["channel"])
    problems += [f"{params['channel']}: {_where(e)}" for e in _payload_validator(key).iter_errors(params["data"])]
    return problems


def result_errors(method: str, frame: dict[str, Any]) -> list[str]:
    """Return what in a response to a method breaks the contract."""
    problems = []
    if frame.get("jsonrpc") != "2.0" or set(frame) - {"jsonrpc", "id", "result", "error", "usIn", "usOut", "usDiff"}:
        problems.append(f"{method}: envelope {sorted(frame)}")
    if frame["usOut"] - frame["usIn"] != frame["usDiff"]:
        problems.append(f"{method}: usDiff is not usOut - usIn")
    if "error" in frame:
        listed = {entry["code"] for entry in OPENRPC[method]["errors"]} if method in OPENRPC else {-32601}
        if frame["error"]["code"] not in listed:
            problems.append(f"{method}: error code {frame['error']['code']} is not listed")
        return problems
    for source in ("openrpc", "asyncapi"):
        found = _result_validator(method, source).iter_errors(frame["result"])
        problems += [f"{method} ({source}): {_where(error)}" for error in found]
    return problems


def _where(error: Any) -> str:
    return f"{'/'.join(map(str, error.absolute_path)) or '.'}: {error.message[:300]}"
