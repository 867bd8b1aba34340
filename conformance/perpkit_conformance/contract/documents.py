"""Loads a venue's contract files and lays over them what the venue documents elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import yaml


def load_json(path: Path) -> dict[str, Any]:
    """Read a JSON contract."""
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Any])


def load_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML contract; with the loader in C where there is one, which is ten times faster."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    loaded: dict[str, Any] = yaml.load(path.read_text("utf-8"), Loader=loader)  # noqa: S506 - both are safe loaders
    return loaded


def overlay(document: Mapping[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return a document with more laid over it: mappings merge, lists are appended to, anything else is replaced.

    A contract file is kept unchanged; what the venue says elsewhere is laid over it where it is used, with its source.
    """
    merged = dict(document)
    for key, value in extra.items():
        before = merged.get(key)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            merged[key] = overlay(before, value)
        elif isinstance(before, list) and isinstance(value, list):
            merged[key] = [*before, *value]
        else:
            merged[key] = value
    return merged
