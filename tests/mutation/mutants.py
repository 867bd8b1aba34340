"""
Small changes to a module's source, each of which some test should notice.

A mutant is known by its file, the function that it is in, and its text before and after, never by a line number, so an
explanation of a survivor stays with it while the file around it changes. Nothing here runs what is changed.

What is left alone: annotations, decorators (caches and the like), protocols, docstrings, and the words of messages.
Whether an error is raised, of which class and with which fields, is not left alone.
"""

from __future__ import annotations

import ast
import importlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import EnumMeta
from itertools import pairwise
from typing import Any

from perpkit.core.errors import PerpkitError

_ORDERINGS = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt}
_OPPOSITES = {ast.Eq: ast.NotEq, ast.Is: ast.IsNot, ast.In: ast.NotIn}
_COMPARISONS = {**_ORDERINGS, **_OPPOSITES, **{opposite: same for same, opposite in _OPPOSITES.items()}}
_ARITHMETIC = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult, ast.BitOr: ast.BitAnd, ast.BitAnd: ast.BitOr,
}  # fmt: skip
_PAIRS = [
    ("startswith", "endswith"), ("removeprefix", "removesuffix"), ("lower", "upper"), ("partition", "rpartition"),
    ("find", "rfind"), ("isdecimal", "isalpha"), ("min", "max"), ("any", "all"),
]  # fmt: skip
_TWINS = dict(_PAIRS) | {twin: name for name, twin in _PAIRS}
_WRAPPERS = {"abs", "sorted", "reversed"}
_UNTOUCHED_CALLS = {"isinstance", "issubclass", "getattr", "hasattr", "TypeVar", "cast"}

MESSAGE_NAMES = frozenset({"msg", "message", "what", "why", "known", "form"})
"""Names of variables and keywords that hold words for people."""
MESSAGE_CALLS = {
    "_refuse": 0, "_report": 0, "_error": 0, "number": 1, "positive": 1, "finite": 1, "_side": 1, "_text_option": 3,
    "Closing": 0, "debug": 0, "info": 0, "warning": 0, "error": 0,
}  # fmt: skip
"""Calls that get words for people, from this positional argument on."""

_MOST_SHOWN = 90


@dataclass(frozen=True, slots=True)
class Mutant:
    """
    One change.

    Attributes:
        scope: The dotted name of the outermost function or method that it is in; empty outside of all.
        before: The changed expression or statement as it stands, with enough around it to be recognized.
        number: Which of several alike in the same scope, from 1.
        lines: First and last line of the changed statement, or of the head of a compound one.
        at_import: The code runs when its module is imported, so that changing it later changes nothing.
        apply: Makes the change in the tree that it came from.
        undo: Takes it back.
    """

    file: str
    scope: str
    before: str
    after: str
    number: int
    lines: tuple[int, int]
    at_import: bool
    apply: Callable[[], None]
    undo: Callable[[], None]

    @property
    def name(self) -> str:
        """Its identity, in one line."""
        which = f" (#{self.number})" if self.number > 1 else ""
        return f"{self.file} {self.scope or 'module'}: {self.before}  ->  {self.after}{which}"


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the walk is: what encloses a node, and whether its strings are words for people."""

    scope: str = ""
    at_import: bool = True
    is_prose: bool = False
    around: tuple[ast.AST, ...] = ()
    lines: tuple[int, int] = (0, 0)


@dataclass(frozen=True, slots=True)
class _Change:
    place: _Place
    old: ast.AST
    apply: Callable[[], None]
    undo: Callable[[], None]
    new: ast.AST | None = None
    shown: tuple[str, str] | None = None


def mutants(text: str, file: str) -> tuple[ast.Module, list[Mutant]]:
    """Return a source's tree and every mutant of it, in the order of the source."""
    tree = ast.parse(text, file)
    found: list[Mutant] = []
    counts: Counter[tuple[str, str, str]] = Counter()
    for change in _Walk(tree).changes():
        before, after = change.shown or _shown(change)
        before, after = _short(before), _short(after)
        key = (change.place.scope, before, after)
        counts[key] += 1
        found.append(
            Mutant(
                file=file,
                scope=change.place.scope,
                before=before,
                after=after,
                number=counts[key],
                lines=change.place.lines,
                at_import=change.place.at_import,
                apply=change.apply,
                undo=change.undo,
            )
        )
    return tree, found


def _shown(change: _Change) -> tuple[str, str]:
    """Return what is around a change, as much as tells where it is, before and after."""
    chosen: ast.AST | None = None
    for node in reversed(change.place.around):
        if not isinstance(node, ast.expr | ast.keyword | _SIMPLE) or len(_text(node)) > _MOST_SHOWN:
            break
        chosen = node
    if chosen is None:
        return _text(change.old), _text(change.new) if change.new is not None else "(removed)"
    before = _text(chosen)
    change.apply()
    after = _text(chosen)
    change.undo()
    return before, after


_SIMPLE = ast.Return | ast.Assign | ast.AnnAssign | ast.AugAssign | ast.Expr | ast.Raise


def _text(node: ast.AST) -> str:
    return " ".join(ast.unparse(node).split())


def _called(node: ast.AST) -> str:
    """Return the last name of what a call calls."""
    if not isinstance(node, ast.Call):
        return ""
    function = node.func
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )


def _name_of(node: ast.AST | None) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""


class _Walk:
    """Goes through a module and yields the changes; each is applied in place and taken back by its user."""

    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self._enums: dict[str, EnumMeta] = {}
        self._errors: set[str] = set()
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("perpkit.core"):
                module = importlib.import_module(node.module or "")
                for alias in node.names:
                    value = getattr(module, alias.name, None)
                    name = alias.asname or alias.name
                    if isinstance(value, EnumMeta):
                        self._enums[name] = value
                    elif isinstance(value, type) and issubclass(value, PerpkitError) and value is not PerpkitError:
                        self._errors.add(name)

    def changes(self) -> Iterator[_Change]:
        """Yield every change of the module."""
        yield from self._statements(self._tree.body, _Place())

    # Statements

    def _statements(self, body: list[ast.stmt], place: _Place) -> Iterator[_Change]:
        for index, statement in enumerate(body):
            here = replace(place, around=(*place.around, statement), lines=_head(statement))
            yield from self._removed(body, index, here)
            yield from self._statement(statement, here)

    def _removed(self, body: list[ast.stmt], index: int, place: _Place) -> Iterator[_Change]:
        """A statement that is there for its effect is left out."""
        statement = body[index]
        has_effect = (
            (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call | ast.Await))
            or isinstance(statement, ast.Raise | ast.AugAssign | ast.Delete | ast.Break | ast.Continue)
            or (isinstance(statement, ast.Return) and statement.value is None)
            or (
                isinstance(statement, ast.Assign)
                and isinstance(statement.targets[0], ast.Attribute | ast.Subscript)
                and not place.at_import
            )
        )
        if has_effect:
            nothing = ast.copy_location(ast.Pass(), statement)
            shown = (_short(_text(statement)), "(removed)")
            yield _Change(place, statement, *_item(body, index, statement, nothing), shown=shown)

    def _statement(self, statement: ast.stmt, place: _Place) -> Iterator[_Change]:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from self._function(statement, place)
            case ast.ClassDef():
                if not any("Protocol" in _text(base) for base in statement.bases):
                    inner = replace(place, scope=f"{place.scope}.{statement.name}".lstrip("."), around=())
                    yield from self._statements(statement.body, inner)
            case ast.Import() | ast.ImportFrom() | ast.Pass() | ast.Global() | ast.Nonlocal():
                return
            case ast.Expr(value=ast.Constant()):
                return
            case ast.Return(value=value) if value is not None:
                if not (isinstance(value, ast.Constant) and value.value is None):
                    none = ast.copy_location(ast.Constant(None), value)
                    yield _Change(place, value, *_field(statement, "value", value, none), new=none)
                yield from self._expression(statement, "value", place)
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign():
                yield from self._assignment(statement, place)
            case ast.Raise():
                yield from self._expression(statement, "exc", replace(place, is_prose=True))
            case ast.If() | ast.While():
                if "TYPE_CHECKING" in _text(statement.test):
                    return
                yield from self._condition(statement, "test", place)
                yield from self._statements(statement.body, place)
                yield from self._statements(statement.orelse, place)
            case ast.For() | ast.AsyncFor():
                if isinstance(statement, ast.For):
                    empty = ast.copy_location(ast.Tuple([], ast.Load()), statement.iter)
                    change = _field(statement, "iter", statement.iter, empty)
                    yield _Change(place, statement.iter, *change, shown=(_for(statement), "(never once)"))
                yield from self._expression(statement, "iter", place)
                yield from self._statements(statement.body, place)
                yield from self._statements(statement.orelse, place)
            case ast.Try():
                yield from self._statements(statement.body, place)
                for handler in statement.handlers:
                    yield from self._handler(handler, place)
                    yield from self._statements(handler.body, place)
                yield from self._statements(statement.orelse, place)
                yield from self._statements(statement.finalbody, place)
            case ast.With() | ast.AsyncWith():
                for item in statement.items:
                    yield from self._expression(item, "context_expr", place)
                yield from self._statements(statement.body, place)
            case ast.Match():
                yield from self._expression(statement, "subject", place)
                for case in statement.cases:
                    inner = replace(place, around=(), lines=(case.pattern.lineno, case.pattern.lineno))
                    yield from self._pattern(case.pattern, inner)
                    if case.guard is not None:
                        yield from self._condition(case, "guard", inner)
                    yield from self._statements(case.body, inner)
            case _:
                for field in ("value", "test", "exc"):
                    if isinstance(getattr(statement, field, None), ast.expr):
                        yield from self._expression(statement, field, place)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, place: _Place) -> Iterator[_Change]:
        body = node.body[1:] if ast.get_docstring(node, clean=False) is not None else node.body
        if all(isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant) for each in body):
            return
        name = f"{place.scope}.{node.name}".lstrip(".")
        is_inner = not place.at_import
        here = replace(place, scope=place.scope if is_inner else name, around=(), lines=(node.lineno, node.lineno))
        for values in (node.args.defaults, node.args.kw_defaults):
            for index, value in enumerate(values):
                if value is not None:
                    yield from self._element(values, index, here)
        yield from self._statements(node.body, replace(here, at_import=False))

    def _assignment(self, node: ast.Assign | ast.AnnAssign | ast.AugAssign, place: _Place) -> Iterator[_Change]:
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        name = _name_of(target)
        if node.value is None or name in {"__all__", "log"}:
            return
        if isinstance(node, ast.AugAssign) and type(node.op) in _ARITHMETIC:
            other = _ARITHMETIC[type(node.op)]()
            yield _Change(place, node.op, *_field(node, "op", node.op, other), new=other)
        inner = replace(place, is_prose=place.is_prose or name in MESSAGE_NAMES)
        if isinstance(target, ast.Subscript):
            yield from self._expression(target, "slice", inner)
        yield from self._expression(node, "value", inner)

    def _handler(self, handler: ast.ExceptHandler, place: _Place) -> Iterator[_Change]:
        here = replace(place, around=(), lines=(handler.lineno, handler.lineno))
        if isinstance(handler.type, ast.Tuple):
            for index, kind in enumerate(handler.type.elts):
                apply, undo = _dropped(handler.type.elts, index, kind)
                before = f"except {_text(handler.type)}"
                yield _Change(here, handler, apply, undo, shown=(before, f"without {_text(kind)}"))
        elif handler.type is not None:
            never = ast.copy_location(ast.Name("ZeroDivisionError", ast.Load()), handler.type)
            change = _field(handler, "type", handler.type, never)
            yield _Change(here, handler, *change, shown=(f"except {_text(handler.type)}", "(never)"))

    def _pattern(self, pattern: ast.pattern, place: _Place) -> Iterator[_Change]:
        if isinstance(pattern, ast.MatchValue):
            yield from self._expression(pattern, "value", place)
        elif isinstance(pattern, ast.MatchOr):
            for inner in pattern.patterns:
                yield from self._pattern(inner, place)

    # Expressions

    def _condition(self, owner: ast.AST, field: str, place: _Place) -> Iterator[_Change]:
        test = getattr(owner, field)
        if not isinstance(test, ast.Constant):
            for value in (True, False):
                forced = ast.copy_location(ast.Constant(value), test)
                shown = (_short(f"if {_text(test)}"), f"if {value}")
                yield _Change(place, test, *_field(owner, field, test, forced), shown=shown)
        yield from self._expression(owner, field, place)

    def _expression(self, owner: ast.AST, field: str, place: _Place) -> Iterator[_Change]:
        node = getattr(owner, field)
        if isinstance(node, ast.expr):
            yield from self._at(node, lambda new: _field(owner, field, node, new), place)

    def _element(self, values: list[Any], index: int, place: _Place) -> Iterator[_Change]:
        node = values[index]
        yield from self._at(node, lambda new: _item(values, index, node, new), place)

    def _at(self, node: ast.expr, put: _Put, place: _Place) -> Iterator[_Change]:
        """Yield the changes of an expression and of what is in it; ``put`` says how it is replaced as a whole."""
        for new, shown in self._replacements(node, place):
            ast.copy_location(new, node)
            ast.fix_missing_locations(new)
            yield _Change(place, node, *put(new), new=new, shown=shown)
        yield from self._inside(node, replace(place, around=(*place.around, node)))

    def _replacements(self, node: ast.expr, place: _Place) -> Iterator[tuple[ast.expr, tuple[str, str] | None]]:
        """Yield what may stand in an expression's place; with the texts to show, where the whole is too long."""
        if isinstance(node, ast.Call):
            yield from self._calls(node)
        elif isinstance(node, ast.List | ast.Tuple) and not place.at_import and isinstance(node.ctx, ast.Load):
            for index, pair in enumerate(pairwise(node.elts)):
                # Rows of a table: whatever reads them reads them all.
                if _may_swap(*pair) and not all(isinstance(each, ast.Tuple) for each in pair):
                    elements = [*node.elts[:index], *reversed(pair), *node.elts[index + 2 :]]
                    new = (
                        ast.List(elements, ast.Load())
                        if isinstance(node, ast.List)
                        else ast.Tuple(elements, ast.Load())
                    )
                    yield new, _swapped(*pair, "[…, {}, {}, …]")
        for new in self._others(node, place):
            yield new, None

    def _others(self, node: ast.expr, place: _Place) -> Iterator[ast.expr]:
        match node:
            case ast.Constant(value=value):
                yield from _constants(value, place)
            case ast.JoinedStr() if not place.is_prose:
                yield ast.JoinedStr([*node.values, ast.Constant("~")])
            case ast.Compare():
                for index, operator in enumerate(node.ops):
                    if (other := _COMPARISONS.get(type(operator))) is not None:
                        yield ast.Compare(node.left, _with(node.ops, index, other()), node.comparators)
            case ast.BoolOp():
                for index in range(len(node.values)):
                    rest = [value for place_, value in enumerate(node.values) if place_ != index]
                    yield rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
            case ast.UnaryOp(op=ast.Not() | ast.USub()):
                yield node.operand
            case ast.BinOp() if (other := _ARITHMETIC.get(type(node.op))) is not None:
                if not (place.is_prose and isinstance(node.op, ast.Mod)):
                    yield ast.BinOp(node.left, other(), node.right)
            case ast.IfExp():
                yield node.body
                yield node.orelse
            case ast.Attribute(value=ast.Name(id=owner), attr=name) if owner in self._enums:
                names = list(self._enums[owner].__members__)
                if name in names and len(names) > 1:
                    yield ast.Attribute(node.value, names[(names.index(name) + 1) % len(names)], node.ctx)
            case ast.Attribute(attr="opposite"):
                yield node.value
            case ast.Subscript(slice=ast.Slice() as part):
                if part.lower is not None:
                    yield ast.Subscript(node.value, ast.Slice(None, part.upper, part.step), node.ctx)
                if part.upper is not None:
                    yield ast.Subscript(node.value, ast.Slice(part.lower, None, part.step), node.ctx)

    def _calls(self, node: ast.Call) -> Iterator[tuple[ast.expr, tuple[str, str] | None]]:
        name = _called(node)
        if name in _UNTOUCHED_CALLS or _is_log(node):
            return
        if name in self._errors and isinstance(node.func, ast.Name):
            base = ast.parse(_BASE_ERROR, mode="eval").body
            yield ast.Call(base, node.args, node.keywords), (f"{name}(…)", "PerpkitError(…)")
        if name in _TWINS:
            other: ast.expr = (
                ast.Attribute(node.func.value, _TWINS[name], ast.Load())
                if isinstance(node.func, ast.Attribute)
                else ast.Name(_TWINS[name], ast.Load())
            )
            yield ast.Call(other, node.args, node.keywords), None
        if name in _WRAPPERS and node.args:
            yield node.args[0], None
        from_words = MESSAGE_CALLS.get(name, len(node.args))
        for index, pair in enumerate(pairwise(node.args[:from_words])):
            if _may_swap(*pair):
                arguments = [*node.args[:index], *reversed(pair), *node.args[index + 2 :]]
                yield ast.Call(node.func, arguments, node.keywords), _swapped(*pair, f"{name}(…, {{}}, {{}}, …)")
        named = [keyword for keyword in node.keywords if keyword.arg is not None]
        for keyword in named:
            if not isinstance(keyword.value, ast.Constant) and keyword.arg not in MESSAGE_NAMES:
                none = ast.keyword(keyword.arg, ast.Constant(None))
                keywords = [none if each is keyword else each for each in node.keywords]
                shown = (_short(f"{name}(…, {_text(keyword)}, …)"), f"{name}(…, {keyword.arg}=None, …)")
                yield ast.Call(node.func, node.args, keywords), shown
        for first, second in pairwise(named):
            if _may_swap(first.value, second.value):
                swap = {id(first): second.value, id(second): first.value}
                keywords = [ast.keyword(each.arg, swap.get(id(each), each.value)) for each in node.keywords]
                before = _short(f"{name}(…, {_text(first)}, {_text(second)}, …)")
                yield (
                    ast.Call(node.func, node.args, keywords),
                    (before, f"{name}(… {first.arg} and {second.arg} swapped …)"),
                )

    def _inside(self, node: ast.expr, place: _Place) -> Iterator[_Change]:
        """Yield the changes of an expression's parts."""
        match node:
            case ast.Call():
                name = _called(node)
                if name in _UNTOUCHED_CALLS or _is_log(node) or name in {"_refuse", "_report"}:
                    return
                yield from self._expression(node, "func", place)
                from_words = MESSAGE_CALLS.get(name, len(node.args))
                for index in range(len(node.args)):
                    yield from self._element(
                        node.args, index, replace(place, is_prose=place.is_prose or index >= from_words)
                    )
                for keyword in node.keywords:
                    is_prose = place.is_prose or keyword.arg in MESSAGE_NAMES or keyword.arg == "operation"
                    inner = replace(place, is_prose=is_prose, around=(*place.around, keyword))
                    yield from self._expression(keyword, "value", inner)
            case ast.IfExp():
                yield from self._expression(node, "test", place)
                yield from self._expression(node, "body", place)
                yield from self._expression(node, "orelse", place)
            case ast.JoinedStr():
                for part in node.values:
                    if isinstance(part, ast.FormattedValue):
                        yield from self._expression(part, "value", place)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                for field in ("elt", "key", "value"):
                    if hasattr(node, field):
                        yield from self._expression(node, field, place)
                for clause in node.generators:
                    yield from self._expression(clause, "iter", place)
                    for index, test in enumerate(clause.ifs):
                        for value in (True, False):
                            forced = ast.copy_location(ast.Constant(value), test)
                            shown = (_short(f"if {_text(test)}"), f"if {value}")
                            yield _Change(place, test, *_item(clause.ifs, index, test, forced), shown=shown)
                        yield from self._element(clause.ifs, index, place)
            case ast.Dict():
                for index, key in enumerate(node.keys):
                    if key is not None:
                        yield from self._element(node.keys, index, place)
                    yield from self._element(node.values, index, place)
            case _:
                for field, value in ast.iter_fields(node):
                    if isinstance(value, ast.expr):
                        yield from self._expression(node, field, place)
                    elif isinstance(value, list):
                        for index, each in enumerate(value):
                            if isinstance(each, ast.expr):
                                yield from self._element(value, index, place)


_Put = Callable[[ast.AST], tuple[Callable[[], None], Callable[[], None]]]
_BASE_ERROR = "__import__('perpkit.core.errors', fromlist=['errors']).PerpkitError"


def _constants(value: object, place: _Place) -> Iterator[ast.expr]:
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int):
        yield ast.Constant(value + 1)
        if value == 1:
            yield ast.Constant(0)
    elif isinstance(value, float):
        yield ast.Constant(value + 1)
    elif isinstance(value, str) and not place.is_prose:
        yield ast.Constant(value + "~")
    elif isinstance(value, bytes):
        yield ast.Constant(value + b"~")


def _may_swap(first: ast.expr, second: ast.expr) -> bool:
    return not isinstance(first, ast.Starred) and not isinstance(second, ast.Starred) and _text(first) != _text(second)


def _swapped(first: ast.expr, second: ast.expr, form: str) -> tuple[str, str]:
    return _short(form.format(_text(first), _text(second))), _short(form.format(_text(second), _text(first)))


def _is_log(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Attribute) and _name_of(node.func.value) == "log"


def _head(statement: ast.stmt) -> tuple[int, int]:
    """Return the lines of a statement without its body."""
    body = getattr(statement, "body", None) or getattr(statement, "cases", None)
    if not isinstance(statement, ast.stmt) or not isinstance(body, list):
        return statement.lineno, statement.end_lineno or statement.lineno
    first = body[0].pattern.lineno if isinstance(body[0], ast.match_case) else body[0].lineno
    return statement.lineno, max(statement.lineno, first - 1)


def _for(statement: ast.For) -> str:
    return _short(f"for {_text(statement.target)} in {_text(statement.iter)}")


def _short(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 2] + " …"


def _with(values: Sequence[Any], index: int, new: Any) -> list[Any]:
    return [*values[:index], new, *values[index + 1 :]]


def _field(owner: ast.AST, field: str, old: Any, new: Any) -> tuple[Callable[[], None], Callable[[], None]]:
    return lambda: setattr(owner, field, new), lambda: setattr(owner, field, old)


def _item(values: list[Any], index: int, old: Any, new: Any) -> tuple[Callable[[], None], Callable[[], None]]:
    return lambda: values.__setitem__(index, new), lambda: values.__setitem__(index, old)


def _dropped(values: list[Any], index: int, old: Any) -> tuple[Callable[[], None], Callable[[], None]]:
    return lambda: values.__delitem__(index), lambda: values.insert(index, old)
