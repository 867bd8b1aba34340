"""Every hook reaches users through the face, and is used by a test."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path

import pytest

from perpkit.core import hookspecs
from perpkit.core.venue import Venue

TESTS = Path(__file__).parent

HOOKS = {
    name: function
    for spec in hookspecs.SPECS
    for name, function in vars(spec).items()
    if hasattr(function, "perpkit_spec")
}

FACE = {"describe_venue": "description", "start": "__aenter__", "stop": "close", "open_stream": "stream"}
"""Hooks that users reach under another name; every other by its own."""

OWN_ARGUMENTS = {
    "open_stream": "a stream takes channel names as well as subscriptions",
    "amend_order": "users give the new values one by one; the hook gets them as an amendment",
}
"""Hooks whose face takes something else, each with the reason."""


@pytest.mark.parametrize("name", HOOKS)
def test_the_face_offers_the_hook(name: str):
    """`Venue` has it, says what it does, and takes the same arguments by the same names."""
    member = getattr(Venue, FACE.get(name, name))
    function = member.fget if isinstance(member, property) else member
    assert name in FACE or function.__doc__
    if name not in OWN_ARGUMENTS:
        wanted = list(inspect.signature(HOOKS[name]).parameters)
        given = list(inspect.signature(function).parameters)
        assert [argument for argument in given if argument in wanted] == wanted


def test_each_exception_is_a_hook_and_is_needed():
    """The lists above name hooks that exist."""
    assert set(FACE) | set(OWN_ARGUMENTS) <= set(HOOKS)


def called_in_tests() -> set[str]:
    """Return every attribute name that a test calls."""
    called = set()
    for path in TESTS.rglob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                called.add(node.func.attr)
    return called


def test_every_hook_is_used_by_a_test():
    """A hook that no test calls, by its name or as users know it, is a hook that nobody knows to work."""
    called = called_in_tests()
    unused = [name for name in HOOKS if name not in FACE and name not in called]
    assert unused == []


def test_the_search_for_calls_finds_calls_and_nothing_else():
    """This module calls `parametrize` and calls nothing by a name that is only written in a string."""
    called = called_in_tests()
    assert "parametrize" in called
    assert "fetch_the_moon" not in called
