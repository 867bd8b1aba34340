"""Reading lists that come in pages, newest first, by a cursor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from perpkit.core.errors import DecodeError

T = TypeVar("T")


async def each_page(
    fetch: Callable[[str | None], Awaitable[tuple[list[T], str | None]]], *, what: str, venue: str
) -> AsyncIterator[list[T]]:
    """
    Yield page after page until one is empty or names no next.

    Args:
        fetch: Takes a cursor (None for the first page) and returns the rows and the next cursor.

    Raises:
        DecodeError: A cursor came twice: the pages would never end.
    """
    cursor: str | None = None
    seen: set[str] = set()
    while True:
        rows, following = await fetch(cursor)
        yield rows
        if not following or not rows:
            return
        if following in seen:
            msg = f"{what}: its pages never end (a cursor came twice)"
            raise DecodeError(msg, venue=venue, operation=what)
        cursor = following
        seen.add(following)


async def collect(
    pages: AsyncIterator[list[T]],
    *,
    limit: int | None,
    since: int | None,
    time: Callable[[T], int],
    until: int | None = None,
) -> list[T]:
    """
    Return the rows of the pages that are before ``until``: all, the newest ``limit`` of them, or all until one is older
    than ``since``, in the unit of ``time``, so that a venue that ignored the period asked for does not send everything.
    """
    rows: list[T] = []
    async for page in pages:
        rows += page if until is None else [row for row in page if time(row) < until]
        if limit is not None and len(rows) >= limit:
            return rows[:limit]
        if since is not None and page and min(map(time, page)) < since:
            break
    return rows
