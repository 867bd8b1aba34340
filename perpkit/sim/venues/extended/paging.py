"""
Cursor pages: newest first; a page begins after the row that its cursor names, and gives its last row as the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from perpkit.sim.venues.extended.errors import bad_request

Item = TypeVar("Item")

DEFAULT_LIMIT = 100
"""How many rows a page has unless asked; the venue does not say."""


def page(
    items: Sequence[Item],
    *,
    cursor_of: Callable[[Item], int],
    render: Callable[[Item], dict[str, Any]],
    query: dict[str, Any],
    default_limit: int = DEFAULT_LIMIT,
) -> dict[str, Any]:
    """
    Return one page of a listing as the success envelope.

    Args:
        items: Everything that the filters let through, newest first.
        cursor_of: An item's number; pages go down.
        render: An item as the wire has it.
        query: The parsed query; ``cursor`` and ``limit`` are read here.
    """
    start = 0
    if "cursor" in query:
        start = _after(items, cursor_of, query["cursor"])
    shown = items[start : start + query.get("limit", default_limit)]
    return {
        "status": "OK",
        "data": [render(item) for item in shown],
        "pagination": {"cursor": cursor_of(shown[-1]) if shown else None, "count": len(shown)},
    }


def _after(items: Sequence[Item], cursor_of: Callable[[Item], int], text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise bad_request(f"cursor: {text!r} is no cursor that this venue gave out")
    cursor = int(text)
    for place, item in enumerate(items):
        if cursor_of(item) == cursor:
            return place + 1
    # Its row has left the listing since: go on below it.
    return sum(1 for item in items if cursor_of(item) > cursor)
