"""
What the venue's contract says a request may look like, read from the contract itself. Queries come in as text and go
out as typed values, or as the refusal that the venue makes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from perpkit.sim.venues.lighter.errors import ApiError


@cache
def openapi() -> dict[str, Any]:
    """Return the contract."""
    text = resources.files("perpkit.sim.venues.lighter").joinpath("contract/openapi.json").read_text("utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


@cache
def parameters(path: str) -> tuple[dict[str, Any], ...]:
    """Return the query parameters of a path's GET."""
    listed = openapi()["paths"][path]["get"].get("parameters", ())
    return tuple(parameter for parameter in listed if parameter["in"] == "query")


def parse_query(path: str, given: Mapping[str, str]) -> dict[str, Any]:
    """
    Return an operation's query parameters as typed values, defaults filled in; what has none and is absent is None.

    Raises:
        ApiError: 20001, in the venue's words where they are known.
    """
    parsed: dict[str, Any] = {}
    for parameter in parameters(path):
        name, schema = parameter["name"], parameter["schema"]
        text = given.get(name)
        if text is None or text == "":
            if parameter["required"]:
                raise ApiError(20001, f'invalid param: : field "{name}" is not set')
            parsed[name] = schema.get("default")
        else:
            parsed[name] = _value(name, text, schema)
    return parsed


def _value(name: str, text: str, schema: Mapping[str, Any]) -> Any:
    kind = schema["type"]
    if kind == "array":
        return [_value(name, part, schema["items"]) for part in text.split(",")]
    if kind == "boolean":
        if text.lower() not in {"true", "false"}:
            raise _mismatch(name, text, "boolean")
        return text.lower() == "true"
    if kind == "integer":
        return _integer(name, text, schema)
    options = schema.get("enum")
    if options is not None and text not in options:
        listed = " ".join(options)
        raise ApiError(
            20001, f'invalid param: value "{text}" for field "{name}" is not defined in options "[{listed}]"'
        )
    return text


def _integer(name: str, text: str, schema: Mapping[str, Any]) -> int:
    try:
        number = int(text)
    except ValueError as exc:
        raise _mismatch(name, text, "integer") from exc
    low, high = schema.get("minimum"), schema.get("maximum")
    if (low is not None and number < low) or (high is not None and number > high):
        raise ApiError(20001, f'invalid param: value "{text}" for field "{name}" is not within [{low}, {high}]')
    return number


def _mismatch(name: str, text: str, kind: str) -> ApiError:
    return ApiError(20001, f'invalid param: value "{text}" for field "{name}" is not of type {kind}')
