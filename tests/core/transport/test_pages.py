"""Pages by cursor: to the end, to a limit, to a start, and never for ever."""

from __future__ import annotations

import pytest

from perpkit.core.errors import DecodeError
from perpkit.core.transport.pages import collect, each_page


def book(rows, size, asked):
    """Rows newest first, so many a page; the cursor is where the next begins."""

    async def fetch(cursor):
        asked.append(cursor)
        start = int(cursor or 0)
        end = start + size
        return rows[start:end], str(end) if end < len(rows) else None

    return each_page(fetch, what="GET /rows", venue="toy")


async def test_all_pages_are_read_and_none_beyond():
    """Five rows in pages of two are three requests."""
    asked = []
    rows = await collect(book([5, 4, 3, 2, 1], 2, asked), limit=None, since=None, time=int)
    assert rows == [5, 4, 3, 2, 1]
    assert asked == [None, "2", "4"]


async def test_a_limit_and_a_start_end_the_reading():
    """Neither asks for more than it needs."""
    asked = []
    assert await collect(book([5, 4, 3, 2, 1], 2, asked), limit=3, since=None, time=int) == [5, 4, 3]
    assert len(asked) == 2
    asked.clear()
    assert await collect(book([5, 4, 3, 2, 1], 2, asked), limit=None, since=4, time=int) == [5, 4, 3, 2]
    assert len(asked) == 2


async def test_a_cursor_that_comes_twice_is_an_error():
    """A venue's defect must not hang a caller."""

    async def fetch(cursor):
        return [1], "again"

    with pytest.raises(DecodeError, match="never end"):
        await collect(each_page(fetch, what="GET /rows", venue="toy"), limit=None, since=None, time=int)
