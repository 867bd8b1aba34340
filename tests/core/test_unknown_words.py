"""Words of a venue that perpkit does not know: told once, shortened, and not without end."""

from __future__ import annotations

import logging

import pytest

from perpkit.core import unknown_words
from perpkit.core.unknown_words import UnknownWords

LOG = logging.getLogger("somewhere.decode")


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [f"{each.levelname} {each.name} {each.getMessage()}" for each in caplog.records]


def test_a_word_is_told_once_for_each_thing_that_it_is_said_of(caplog: pytest.LogCaptureFixture) -> None:
    """Again it is not told; of something else it is."""
    unknown = UnknownWords("moonex", LOG)
    for what in ("kind of order", "kind of order", "market status"):
        unknown.report(what, "LUNAR")
    assert told(caplog) == [
        "WARNING somewhere.decode moonex uses a kind of order that perpkit does not know: 'LUNAR'; please report it",
        "WARNING somewhere.decode moonex uses a market status that perpkit does not know: 'LUNAR'; please report it",
    ]


def test_foreign_text_fills_neither_the_memory_nor_the_log(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Past the bound nothing more is kept or told, and what is told of a long word is its beginning."""
    monkeypatch.setattr(unknown_words, "_MOST", 2)
    unknown = UnknownWords("moonex", LOG)
    for word in ("A", "A", "B" * 10_000, "B" * 9_000, "C", "C"):
        unknown.report("tag", word)
    assert [each.split(": ")[1] for each in told(caplog)] == [
        "'A'; please report it",
        f"'{'B' * 60}'; please report it",
    ]


def test_two_tables_tell_each_of_their_own(caplog: pytest.LogCaptureFixture) -> None:
    """What one has told is not known to the other."""
    for venue in ("moonex", "sunex"):
        UnknownWords(venue, LOG).report("tag", "A")
    assert [each.split()[2] for each in told(caplog)] == ["moonex", "sunex"]
