"""The bounded memory of ids."""

from __future__ import annotations

import pytest

from perpkit.core.dedup import SeenIds


def test_an_id_is_new_once():
    """The first sight of an id counts, later ones don't."""
    seen: SeenIds[str] = SeenIds()
    assert [seen.add(key) for key in ("a", "b", "a", "a", "b", "c")] == [True, True, False, False, False, True]


def test_it_never_holds_more_than_its_capacity():
    """Ten thousand ids through a memory of a hundred leave the newest hundred."""
    seen: SeenIds[int] = SeenIds(capacity=100)
    for number in range(10_000):
        assert seen.add(number)
        assert len(seen) <= 100
    assert len(seen) == 100
    assert 9_900 in seen
    assert 9_899 not in seen


def test_the_oldest_is_forgotten_first():
    """What fell out of the memory is new again; what is in it is not."""
    seen: SeenIds[str] = SeenIds(capacity=2)
    for key in ("a", "b", "c"):
        seen.add(key)
    assert seen.add("c") is False
    assert seen.add("a") is True


def test_repeating_an_id_does_not_push_others_out():
    """One id seen a thousand times takes one place."""
    seen: SeenIds[str] = SeenIds(capacity=2)
    seen.add("a")
    for _ in range(1_000):
        seen.add("b")
    assert "a" in seen


def test_a_memory_of_nothing_is_refused():
    """Zero capacity would deliver everything twice."""
    with pytest.raises(ValueError, match="capacity=0"):
        SeenIds(capacity=0)
