"""What is changed in a source, and how each change is known."""

from __future__ import annotations

import ast
from pathlib import Path
from textwrap import dedent

import pytest

from tests.mutation.mutants import mutants

PLUGIN = Path(__file__).parents[2] / "perpkit" / "adapters" / "paradex"


def changes(text):
    return {(each.before, each.after) for each in mutants(dedent(text), "shop")[1]}


@pytest.mark.parametrize(
    ("text", "before", "after"),
    [
        ("x = a < b", "x = a < b", "x = a <= b"),
        ("x = a == b", "x = a == b", "x = a != b"),
        ("x = a in b", "x = a in b", "x = a not in b"),
        ("x = a + b", "x = a + b", "x = a - b"),
        ("x = -a", "x = -a", "x = a"),
        ("x = not a", "x = not a", "x = a"),
        ("x = a and b", "x = a and b", "x = b"),
        ("x = a if b else c", "x = a if b else c", "x = c"),
        ("x = 'BUY'", "x = 'BUY'", "x = 'BUY~'"),
        ("x = True", "x = True", "x = False"),
        ("x = 8", "x = 8", "x = 9"),
        ("x = rows[1:]", "x = rows[1:]", "x = rows[:]"),
        ("x = place(price, size)", "place(…, price, size, …)", "place(…, size, price, …)"),
        ("x = place(price=a, size=b)", "place(…, price=a, size=b, …)", "place(… price and size swapped …)"),
        ("x = place(price=a, size=b)", "place(…, price=a, …)", "place(…, price=None, …)"),
        ("x = name.startswith(a)", "x = name.startswith(a)", "x = name.endswith(a)"),
        ("def f(a, b):\n    return [a, b]", "[…, a, b, …]", "[…, b, a, …]"),
        ("def f():\n    return price", "return price", "return None"),
        ("def f(a):\n    if a:\n        g()", "if a", "if False"),
        ("def f(a):\n    if a:\n        g()", "g()", "(removed)"),
        ("def f(a):\n    for each in a:\n        g(each)", "for each in a", "(never once)"),
        ("def f(a, b=True):\n    return a", "True", "False"),
        ("def f():\n    try:\n        g()\n    except KeyError:\n        h()", "except KeyError", "(never)"),
        (
            "from perpkit.core.models import Side\nx = Side.BUY",
            "x = Side.BUY",
            "x = Side.SELL",
        ),
    ],
)
def test_each_kind_of_change_is_made(text, before, after):
    """The text before and after tells it."""
    assert (before, after) in changes(text)


def test_the_class_of_an_error_is_changed_to_its_base():
    """A caller that catches the one would not catch the other."""
    text = "from perpkit.core.errors import DecodeError\ndef f():\n    raise DecodeError('no price', venue='v')"
    assert ("DecodeError(…)", "PerpkitError(…)") in changes(text)


@pytest.mark.parametrize(
    "text",
    [
        '"""Words."""',
        "log.warning('%s is odd', x)",
        "msg = f'no {x}'",
        "def f():\n    raise ValueError('no price')",
        "def f(a: 'int') -> 'str':\n    'Words.'\n    ...",
        "class A(Protocol):\n    def f(self):\n        return 1",
        "@cache(3)\ndef f():\n    'Words.'",
    ],
)
def test_words_for_people_and_annotations_are_left_alone(text):
    """What changes nothing that a program sees is no mutant, beyond whether the statement is there."""
    assert {after for _, after in changes(text)} <= {"(removed)"}


def test_a_mutant_is_known_by_where_it_is_and_not_by_its_line():
    """An explanation stays with it while lines come and go above it; two alike in one function are numbered."""
    text = "class A:\n    def f(self, a, b):\n        if a:\n            return b + 1\n        return b + 1\n"
    names = [each.name for each in mutants(text, "shop")[1]]
    assert "shop A.f: return b + 1  ->  return b - 1" in names
    assert "shop A.f: return b + 1  ->  return b - 1 (#2)" in names
    assert [each.name for each in mutants("\n\nimport os\n" + text, "shop")[1]] == names
    assert len(set(names)) == len(names)


def test_what_runs_on_import_is_told_apart():
    """A table and a default are read once; a function's body each time."""
    text = "SIDES = {'BUY': 1}\ndef f(a, b=2):\n    return a + 3\n"
    at_import = {each.after: each.at_import for each in mutants(text, "shop")[1]}
    assert at_import["SIDES = {'BUY~': 1}"]
    assert at_import["3"] is at_import["SIDES = {'BUY': 2}"] is True
    assert not at_import["return a + 4"]


@pytest.mark.parametrize("name", ["decode", "decode_account", "decode_book", "encode", "signing", "stream", "wire"])
def test_every_mutant_of_the_plugin_compiles_and_differs(name):
    """And taking it back leaves the source as it was."""
    text = (PLUGIN / f"{name}.py").read_text(encoding="utf-8")
    tree, found = mutants(text, name)
    whole = ast.dump(tree)
    assert len({each.name for each in found}) == len(found) > 5
    for each in found[::10]:
        each.apply()
        assert ast.dump(tree) != whole, each.name
        compile(tree, name, "exec")
        each.undo()
        assert ast.dump(tree) == whole, each.name
