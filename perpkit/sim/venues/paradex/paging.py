"""
Cursor pages: newest first, with opaque pointers to the older page (``next``) and the newer one (``prev``).

A cursor names the item it stands at, not a count, so that items which arrive between two requests shift nothing.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from perpkit.sim.venues.paradex.errors import ApiError

Item = TypeVar("Item")
Key = tuple[int, int]
"""When an item happened (ms) and a number that breaks ties; unique among the items of a listing."""

DEFAULT_PAGE_SIZE = 100


def page(
    items: Sequence[Item],
    *,
    key: Callable[[Item], Key],
    render: Callable[[Item], dict[str, Any]],
    query: dict[str, Any],
    listing: str,
) -> dict[str, Any]:
    """
    Return one page of a listing as the contract's ``PaginatedAPIResults``.

    Args:
        items: Everything the filters let through, in any order.
        key: An item's place.
        render: An item as the wire has it.
        query: The parsed query; ``cursor`` and ``page_size`` are read here, ``start_at`` and ``end_at`` (both
            inclusive, ms) filter here.
        listing: What is listed, with its filters; a cursor of another listing is refused.
    """
    filters = {name: value for name, value in query.items() if name not in {"cursor", "page_size"}}
    mark = _mark(listing, filters)
    low, high = query.get("start_at"), query.get("end_at")
    chosen = [item for item in items if (low is None or key(item)[0] >= low) and (high is None or key(item)[0] <= high)]
    chosen.sort(key=key, reverse=True)
    size = query.get("page_size", DEFAULT_PAGE_SIZE)
    start = 0
    if "cursor" in query:
        direction, place = _read(query["cursor"], mark)
        if direction == "next":
            start = sum(1 for item in chosen if key(item) >= place)
        else:
            newer = sum(1 for item in chosen if key(item) > place)
            start = max(0, newer - size)
            size = min(size, newer)
    shown = chosen[start : start + size]
    older = start + len(shown) < len(chosen)
    return {
        "next": _write("next", key(shown[-1]), mark) if shown and older else None,
        "prev": _write("prev", key(shown[0]), mark) if shown and start > 0 else None,
        "results": [render(item) for item in shown],
    }


def _mark(listing: str, filters: dict[str, Any]) -> str:
    text = json.dumps([listing, filters], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _write(direction: str, place: Key, mark: str) -> str:
    return base64.urlsafe_b64encode(json.dumps({"d": direction, "k": place, "f": mark}).encode()).decode()


def _read(cursor: str, mark: str) -> tuple[str, Key]:
    try:
        decoded = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        direction, place, made_for = decoded["d"], decoded["k"], decoded["f"]
        read = (int(place[0]), int(place[1]))
    except (ValueError, binascii.Error, KeyError, TypeError, IndexError) as exc:
        raise ApiError("INVALID_REQUEST_PARAMETER", "cursor: not one that this venue gave out") from exc
    if direction not in {"next", "prev"} or made_for != mark:
        raise ApiError("INVALID_REQUEST_PARAMETER", "cursor: given out for another listing or other filters")
    return direction, read
